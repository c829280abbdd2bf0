/**
 * @file sender.h
 * Where messages to clients go. A transport implements the table; the runtime and the application
 * call it. Implementations: libwsrt-server, libwsrt-mock, the Management API of libwsrt-aws.
 */
#ifndef WSRT_SENDER_H
#define WSRT_SENDER_H

#include <wsrt/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Bits of wsrt_post.flags. @since 0.1 */
typedef enum wsrt_post_flag {
    WSRT_POST_BINARY = 1, /**< a binary message; else text, which must be UTF-8 */
    WSRT_POST_REPLY = 2,  /**< an answer or a broadcast: past the soft queue limit the sender's slow
                               policy decides instead of refusing with WSRT_ERR_THROTTLED */
    WSRT_POST_FLAG_MIN_ = -2147483647 - 1,
    WSRT_POST_FLAG_MAX_ = 2147483647
} wsrt_post_flag;

/** Bits of wsrt_sender_ops.flags. @since 0.2 */
typedef enum wsrt_sender_flag {
    /** Who connects can be written to only when its CONNECT has been answered, and is GONE until
        then, as behind API Gateway: a GONE leaves the record of who connected less than 30 s ago */
    WSRT_SENDER_OPENS_LATE = 1,
    /** Posts are requests to a service that can fail. A runtime guards them by the breaker
        apigateway-management / postToConnection: of results UNAVAILABLE, TIMEOUT and IO are
        failures; while it is open a post is WSRT_ERR_CIRCUIT_OPEN, and nobody is asked */
    WSRT_SENDER_OUTSIDE = 2,
    WSRT_SENDER_FLAG_MIN_ = -2147483647 - 1,
    WSRT_SENDER_FLAG_MAX_ = 2147483647
} wsrt_sender_flag;

/** One message to one or many connections; borrowed during the call. @since 0.1 */
typedef struct wsrt_post {
    uint32_t struct_size; /**< sizeof(wsrt_post) */
    uint32_t flags;       /**< bits of wsrt_post_flag */
    wsrt_span data;       /**< the message */
    wsrt_span key;        /**< conflation key, at most 1024 bytes; empty = none */
    int64_t deadline;     /**< monotonic ns after which retries stop; 0 = the sender's default, else
                               a second after the first THROTTLED */
} wsrt_post;

/** What a sender knows of a connection; text is copied into the struct. @since 0.1 */
typedef struct wsrt_connection_info {
    uint32_t struct_size;   /**< sizeof(wsrt_connection_info), set by the caller */
    uint32_t flags;         /**< 0 */
    int64_t connected_at;   /**< Unix ms */
    int64_t last_active_at; /**< Unix ms */
    char source_ip[64];     /**< NUL-terminated */
    char user_agent[256];   /**< NUL-terminated, cut; "" = unknown */
} wsrt_connection_info;

/**
 * A sender's functions. Every one may be called from any thread and blocks only as its
 * implementation says. Connection ids match `[A-Za-z0-9_=+/-]{1,128}`.
 * Results of a post: WSRT_OK (queued or accepted), WSRT_ERR_GONE, WSRT_ERR_THROTTLED,
 * WSRT_ERR_TOO_LARGE, WSRT_ERR_FORBIDDEN, WSRT_ERR_UNAVAILABLE, WSRT_ERR_TIMEOUT, WSRT_ERR_NOMEM,
 * WSRT_ERR_INVALID (malformed id, text that is not UTF-8). @since 0.1
 */
typedef struct wsrt_sender_ops {
    uint32_t struct_size; /**< sizeof(wsrt_sender_ops) */
    uint32_t flags;       /**< bits of wsrt_sender_flag */
    /** Sends to one connection. Mandatory. Order of one caller to one connection is kept. */
    int (*post)(void *self, const wsrt_span *id, const wsrt_post *post);
    /**
     * Sends the same message to `n` connections, encoding it once; `results[i]` is the result for
     * `ids[i]`. WSRT_OK when all were tried. Optional: without it the runtime calls `post`.
     */
    int (*post_many)(void *self, const wsrt_span *ids, size_t n, const wsrt_post *post,
                     int *results);
    /** Fills `out`; WSRT_ERR_GONE when not open. Optional. */
    int (*get)(void *self, const wsrt_span *id, wsrt_connection_info *out);
    /** Closes a connection with a close code and reason; WSRT_ERR_GONE when not open. Posts are GONE
     *  from then on, or from when a transport that queued it takes it up. Optional. */
    int (*disconnect)(void *self, const wsrt_span *id, int code, const wsrt_span *reason);
    /**
     * Waits until the monotonic time `until` (of wsrt_env.now), before peers that were THROTTLED are
     * asked again. WSRT_OK: it is that late; any other status: the calling thread must not wait, and
     * the result stays THROTTLED. Optional, and missing where nobody is to ask again: in a sender
     * that retries by itself, and in one whose callers serve an event loop.
     */
    int (*wait)(void *self, int64_t until);
} wsrt_sender_ops;

/** A sender: table and object. Copied freely; `self` must outlive its users. @since 0.1 */
typedef struct wsrt_sender {
    const wsrt_sender_ops *ops;
    void *self;
} wsrt_sender;

/**
 * Whether a connection id may cross an interface: 1 to 128 bytes of `[A-Za-z0-9_=+/-]`.
 * @return 1 or 0. Any thread. @since 0.1
 */
WSRT_API int wsrt_connection_id_valid(wsrt_span id);

#ifdef __cplusplus
}
#endif
#endif
