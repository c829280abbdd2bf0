/**
 * @file message.h
 * The outbound messages of the shipped protocol, written into the caller's buffer. Each carries
 * `"timestamp"` (Unix ms) and `"correlationId"`. Error messages are error.h's frame form. Pure
 * functions: no allocation, any thread.
 *
 * All writers: `dst`/`cap` is the caller's buffer (NULL with 0 asks for the length), `len` receives
 * the bytes of the text, also when it did not fit (NULL is fine); a NUL is added when there is room.
 * Members come in the order shown, then `timestamp` and `correlationId`. Spans are read during the
 * call only. They return WSRT_OK; WSRT_ERR_LIMIT when `cap` is too small (nothing useful in `dst`);
 * WSRT_ERR_INVALID for NULL, a wrong struct_size, an unknown enumerator or flag;
 * WSRT_ERR_UNSUPPORTED for members of a later release; WSRT_ERR_MALFORMED for text that is not UTF-8
 * (`metadata`: not a JSON object).
 */
#ifndef WSRT_MESSAGE_H
#define WSRT_MESSAGE_H

#include <wsrt/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/** What a `system` message tells. @since 0.1 */
typedef enum wsrt_system_event {
    WSRT_SYSTEM_CONNECTED = 1,
    WSRT_SYSTEM_AUTHENTICATED = 2,
    WSRT_SYSTEM_SUBSCRIBED = 3,
    WSRT_SYSTEM_UNSUBSCRIBED = 4,
    WSRT_SYSTEM_DRAINING = 5,
    WSRT_SYSTEM_EVENT_MIN_ = -2147483647 - 1,
    WSRT_SYSTEM_EVENT_MAX_ = 2147483647
} wsrt_system_event;

/** `{"type":"system","data":{"event","message","userId"?,"connectionId"?}}`. @since 0.1 */
typedef struct wsrt_system_message {
    uint32_t struct_size; /**< sizeof(wsrt_system_message) */
    int32_t event;        /**< a wsrt_system_event */
    int64_t timestamp;    /**< Unix ms */
    wsrt_span correlation_id;
    wsrt_span message;       /**< empty = a default text for the event */
    wsrt_span user_id;       /**< with AUTHENTICATED; empty = left out */
    wsrt_span connection_id; /**< with AUTHENTICATED; empty = left out */
} wsrt_system_message;

/** Writes a system message; rules at the top of this file. @since 0.1 */
WSRT_API int wsrt_system_message_write(const wsrt_system_message *m, char *dst, size_t cap,
                                       size_t *len);

/** `{"type":"pong","data":{"connectionId"}}`. @since 0.1 */
typedef struct wsrt_pong_message {
    uint32_t struct_size; /**< sizeof(wsrt_pong_message) */
    uint32_t flags;       /**< 0 */
    int64_t timestamp;    /**< Unix ms */
    wsrt_span correlation_id;
    wsrt_span connection_id;
} wsrt_pong_message;

/** Writes a pong message; rules at the top of this file. @since 0.1 */
WSRT_API int wsrt_pong_message_write(const wsrt_pong_message *m, char *dst, size_t cap,
                                     size_t *len);

/** Bits of wsrt_chat_response.flags. @since 0.1 */
typedef enum wsrt_chat_flag {
    WSRT_CHAT_CHUNKED = 1,      /**< a part of a streamed answer: writes `chunk` and `final` */
    WSRT_CHAT_FINAL = 2,        /**< its last part; with CHUNKED only */
    WSRT_CHAT_CONTENT_JSON = 4, /**< `content` is a JSON string's inside, escapes and all, as a slot
                                     holds it; checked (else WSRT_ERR_MALFORMED), then copied */
    WSRT_CHAT_FLAG_MIN_ = -2147483647 - 1,
    WSRT_CHAT_FLAG_MAX_ = 2147483647
} wsrt_chat_flag;

/**
 * `{"type":"chat_response","data":{"content","sessionId","messageId","metadata"?,"chunk"?,"final"?}}`.
 * @since 0.1
 */
typedef struct wsrt_chat_response {
    uint32_t struct_size; /**< sizeof(wsrt_chat_response) */
    uint32_t flags;       /**< bits of wsrt_chat_flag */
    int64_t timestamp;    /**< Unix ms */
    wsrt_span correlation_id;
    wsrt_span content; /**< UTF-8 */
    wsrt_span session_id;
    wsrt_span message_id;
    wsrt_span metadata; /**< JSON object text; empty = left out */
    uint64_t chunk;     /**< number of this part, from 0; with CHUNKED only */
} wsrt_chat_response;

/** Writes a chat response; rules at the top of this file. @since 0.1 */
WSRT_API int wsrt_chat_response_write(const wsrt_chat_response *m, char *dst, size_t cap,
                                      size_t *len);

/** `{"type":"typing_indicator","data":{"isTyping","sessionId"}}`. @since 0.1 */
typedef struct wsrt_typing_message {
    uint32_t struct_size; /**< sizeof(wsrt_typing_message) */
    int32_t is_typing;    /**< 0 or 1 */
    int64_t timestamp;    /**< Unix ms */
    wsrt_span correlation_id;
    wsrt_span session_id;
} wsrt_typing_message;

/** Writes a typing indicator; rules at the top of this file. @since 0.1 */
WSRT_API int wsrt_typing_message_write(const wsrt_typing_message *m, char *dst, size_t cap,
                                       size_t *len);

#ifdef __cplusplus
}
#endif
#endif
