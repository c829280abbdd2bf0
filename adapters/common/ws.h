/**
 * @file ws.h
 * WebSocket frames (RFC 6455), both roles, without a socket: bytes in, events out.
 *
 * Receiving. A connection owns one wsrt_ws_decoder of 16 bytes and no buffer. The bytes that arrived
 * are offered to wsrt_ws_decode() until it answers WSRT_WS_NEED:
 *
 *     size_t at = 0;
 *     do {
 *         kind = wsrt_ws_decode(&conn->decoder, &limits, buf + at, len - at, &event);
 *         at += event.used;
 *         ... act on kind ...
 *     } while (kind != WSRT_WS_NEED);
 *     // buf[at .. len) is the beginning of a frame, at most WSRT_WS_TAIL_MAX bytes: keep it and put
 *     // it in front of what is read next. Mostly it is empty.
 *
 * A message that lies whole in the input in one frame is one WSRT_WS_MESSAGE whose payload points
 * into the input, unmasked in place. Anything else arrives as WSRT_WS_PIECE events, which the caller
 * appends to a buffer of its own until one of them says `last`. Control frames are always whole.
 * However the input is split, the messages, control frames and the failure are the same; only the
 * cuts between the pieces of a message differ.
 *
 * After WSRT_WS_CLOSE and WSRT_WS_FAIL the decoder is silent: it swallows whatever comes.
 *
 * Nothing here allocates, locks or keeps a pointer. Functions may run on any thread; one decoder
 * belongs to one thread at a time. Private to adapters and tools, never installed.
 */
#ifndef WSRT_COMMON_WS_H
#define WSRT_COMMON_WS_H

#include <wsrt/base.h>

#include "http1.h"

/** Most bytes wsrt_ws_decode() leaves unused before WSRT_WS_NEED: a control frame short of one. */
enum { WSRT_WS_TAIL_MAX = 2 + 4 + 125 - 1 };
enum { WSRT_WS_HEADER_MAX = 14 };   /**< longest frame header */
enum { WSRT_WS_CONTROL_MAX = 125 }; /**< longest payload of a control frame */
enum { WSRT_WS_ACCEPT_LEN = 28 };   /**< length of a Sec-WebSocket-Accept value */
enum { WSRT_WS_KEY_LEN = 24 };      /**< length of a Sec-WebSocket-Key value */

/** Opcodes of RFC 6455 section 5.2. */
typedef enum wsrt_ws_opcode {
    WSRT_WS_OP_CONTINUATION = 0,
    WSRT_WS_OP_TEXT = 1,
    WSRT_WS_OP_BINARY = 2,
    WSRT_WS_OP_CLOSE = 8,
    WSRT_WS_OP_PING = 9,
    WSRT_WS_OP_PONG = 10
} wsrt_ws_opcode;

/** What wsrt_ws_decode() found. */
typedef enum wsrt_ws_kind {
    WSRT_WS_NEED = 0,    /**< nothing more in this input; see `used` */
    WSRT_WS_MESSAGE = 1, /**< a whole message: `payload`, `opcode`; `last` is 1 */
    WSRT_WS_PIECE = 2, /**< more of a message: `payload` (may be empty), `opcode`, `left`, `last` */
    WSRT_WS_PING = 3,  /**< answer with a pong of the same `payload` */
    WSRT_WS_PONG = 4,  /**< `payload` */
    WSRT_WS_CLOSE = 5, /**< the peer closes: `code` (1005 = it gave none), `payload` = the reason */
    WSRT_WS_FAIL = 6   /**< close with `code` (1002, 1003, 1007, 1009); `why` says what was wrong */
} wsrt_ws_kind;

/** Bits of wsrt_ws_limits.flags. */
typedef enum wsrt_ws_flag {
    WSRT_WS_CLIENT = 1,   /**< the peer is a server: its frames must not be masked */
    WSRT_WS_NO_BINARY = 2 /**< a binary message fails with 1003 */
} wsrt_ws_flag;

/**
 * Caps, shared by many connections, taken as they are: 0 means 0. They are checked against the
 * announced length, when a header has arrived and before its payload. They may change between calls
 * and then hold from the next frame on.
 */
typedef struct wsrt_ws_limits {
    uint32_t max_frame;     /**< payload bytes of one data frame */
    uint32_t max_message;   /**< payload bytes of one message */
    uint16_t max_fragments; /**< frames of one message, 1024 in the server */
    uint16_t flags;         /**< wsrt_ws_flag bits; no bits = server role */
} wsrt_ws_limits;

/** Receiving state of a connection. All zero = fresh. Callers do not look inside. */
typedef struct wsrt_ws_decoder {
    uint32_t left;      /* payload bytes of the frame under way still to come */
    uint32_t announced; /* payload bytes of the open message so far, by its headers */
    uint32_t key;       /* its mask, turned to the next byte */
    uint16_t fragments; /* frames of the open message so far */
    uint8_t utf8;       /* state of the validator; 0 = between two characters */
    uint8_t state;      /* opcode of the open message (0 = none) and flags */
} wsrt_ws_decoder;

/** One event; which members count is said at wsrt_ws_kind, the rest is undefined. */
typedef struct wsrt_ws_event {
    size_t used;       /**< input bytes taken by this call, for every kind */
    wsrt_span payload; /**< unmasked bytes inside the input; valid as long as the input is */
    const char *why;   /**< constant text, short enough for a close frame */
    uint32_t left;     /**< bytes of this frame that are still to come: a hint for buffers */
    uint16_t code;     /**< close code */
    uint8_t opcode;    /**< WSRT_WS_OP_TEXT or WSRT_WS_OP_BINARY, of the message */
    uint8_t last;      /**< 1 when the message is complete with this piece */
} wsrt_ws_event;

/**
 * Finds the next event in the input. Text is known to be UTF-8 when it is handed out (a character cut
 * by the end of a piece may still turn out bad in the next); a failure is reported as soon as the
 * bytes that prove it are in the input.
 *
 * @param decoder  state of the connection
 * @param limits   caps and role
 * @param in       bytes received and not yet used; payloads are unmasked in place
 * @param len      how many; 0 is answered with WSRT_WS_NEED
 * @param event    always written
 * @return a wsrt_ws_kind. WSRT_WS_FAIL is the failure of the connection, not of the call.
 */
int wsrt_ws_decode(wsrt_ws_decoder *decoder, const wsrt_ws_limits *limits, unsigned char *in,
                   size_t len, wsrt_ws_event *event);

/**
 * Whether a message has begun and not ended, so that the caller's clock for unfinished messages runs.
 *
 * @return 1 or 0. A frame whose header is still incomplete does not count.
 */
int wsrt_ws_in_message(const wsrt_ws_decoder *decoder);

/**
 * Writes the header of a frame.
 *
 * @param dst     room for WSRT_WS_HEADER_MAX bytes; all of them may be overwritten
 * @param opcode  a wsrt_ws_opcode
 * @param fin     1 = last frame of its message (always for control frames), 0 = more follow
 * @param len     payload bytes that the caller sends behind it
 * @param key     mask of 4 bytes, unpredictable and new for each frame (client role); NULL = no mask
 *                (server role). Masking the payload is the caller's: wsrt_ws_mask().
 * @return length of the header, 2 to 14
 */
size_t wsrt_ws_header(unsigned char *dst, int opcode, int fin, uint64_t len,
                      const unsigned char *key);

/**
 * Masks or unmasks a whole payload.
 *
 * @param dst  room for `len` bytes: `src` itself, or memory that does not overlap it
 * @param src  the payload from its first byte
 * @param key  4 bytes
 */
void wsrt_ws_mask(void *dst, const void *src, size_t len, const unsigned char *key);

/**
 * Writes the payload of a close frame: the code, then the reason, cut at a character's end to fit.
 *
 * @param dst     room for WSRT_WS_CONTROL_MAX bytes
 * @param code    close code; 0 and 1005 write the empty payload
 * @param reason  UTF-8
 * @return bytes written, 0 to 125
 */
size_t wsrt_ws_close_payload(unsigned char *dst, uint16_t code, wsrt_span reason);

/* ---- handshake (ws_handshake.c) ----------------------------------------------------------- */

/** Answers of wsrt_ws_upgrade() that are not an HTTP error. */
enum { WSRT_WS_PLAIN = 0, WSRT_WS_SWITCH = 101 };

/**
 * Judges a request as an opening handshake (RFC 6455 section 4.2.1), in the server's order of checks:
 * method, Upgrade and Connection tokens, version, key. Host, Origin and limits are the caller's, and
 * come after it.
 *
 * @param req     a parsed request for a path that takes WebSockets
 * @param accept  WSRT_WS_ACCEPT_LEN bytes, written on WSRT_WS_SWITCH only, not NUL-terminated
 * @return WSRT_WS_SWITCH; WSRT_WS_PLAIN when it does not ask for an upgrade to "websocket"; 405 it
 *         asks, but not by GET; 426 another version than 13: answer with Sec-WebSocket-Version: 13;
 *         400 an HTTP/1.0 upgrade, a body, no key, two keys or a key that is not 16 bytes
 */
int wsrt_ws_upgrade(const wsrt_http_request *req, char *accept);

/**
 * Makes a client's Sec-WebSocket-Key.
 *
 * @param dst     WSRT_WS_KEY_LEN bytes, not NUL-terminated
 * @param random  16 unpredictable bytes
 */
void wsrt_ws_key(char *dst, const unsigned char *random);

/**
 * Whether a response completes the handshake that was opened with `key` (RFC 6455 section 4.1): 101,
 * the Upgrade and Connection tokens, the right accept value, no extension. Subprotocols are the
 * caller's to check.
 *
 * @param key  the WSRT_WS_KEY_LEN bytes that were sent
 * @return NULL when it does, else constant text that says why not
 */
const char *wsrt_ws_refused(const wsrt_http_response *resp, const char *key);

#endif
