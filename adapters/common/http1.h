/**
 * @file http1.h
 * HTTP/1.1 heads (RFC 9112) of requests and responses, and bodies of responses, without a socket:
 * strict and bounded. The caller keeps what it received in one contiguous buffer and offers the whole
 * of it again when more has come; `scanned` remembers how far the last call looked, so that no byte
 * is scanned twice and the head is taken apart once. However the bytes arrive, the result is the same.
 *
 * Nothing here allocates, locks or keeps a pointer. Results are spans into the buffer and hold as long
 * as it does. Functions may run on any thread. Private to adapters and tools, never installed.
 */
#ifndef WSRT_COMMON_HTTP1_H
#define WSRT_COMMON_HTTP1_H

#include <wsrt/base.h>

enum { WSRT_HTTP_FIELDS_MAX = 64 }; /**< field lines of one head */

/** What a parser says besides an error. */
typedef enum wsrt_http_result {
    WSRT_HTTP_DONE = 0, /**< complete */
    WSRT_HTTP_MORE = 1, /**< so far so good: more bytes are needed */
    WSRT_HTTP_PIECE = 2 /**< wsrt_http_body_read() only: bytes of the body */
} wsrt_http_result;

/** Caps. NULL where a pointer to them is asked for means these defaults; in a struct 0 means 0. */
typedef struct wsrt_http_limits {
    uint32_t max_head;   /**< bytes of the head, its last CR LF included; 8192 */
    uint32_t max_target; /**< bytes of a request's target; 4096 */
    uint64_t max_body;   /**< announced bytes of a request's body; 131072 */
} wsrt_http_limits;

/** One field line; the value without the white space around it. */
typedef struct wsrt_http_field {
    wsrt_span name; /**< as received: compare without case */
    wsrt_span value;
} wsrt_http_field;

/** The field lines of a head, in their order. */
typedef struct wsrt_http_fields {
    size_t count;
    wsrt_http_field items[WSRT_HTTP_FIELDS_MAX];
} wsrt_http_fields;

/** A request's head. */
typedef struct wsrt_http_request {
    wsrt_span method;        /**< a token, case counts */
    wsrt_span path;          /**< as received, begins with '/'; "*" for OPTIONS * */
    wsrt_span query;         /**< as received, behind the '?'; empty when there is none */
    wsrt_span host;          /**< authority of an absolute target, else Host; empty only in 1.0 */
    const char *why;         /**< on an error: constant text for the log */
    size_t head_len;         /**< bytes of the head: the body, or what follows, begins there */
    uint64_t content_length; /**< bytes of the body; 0 when there is none */
    uint8_t minor;           /**< 0 or 1 of HTTP/1.x */
    uint8_t keep_alive;      /**< 1 = the connection may serve another request (never for 1.0) */
    uint8_t expect_continue; /**< 1 = the client waits for a 100 before it sends the body */
    wsrt_http_fields fields;
} wsrt_http_request;

/** How the end of a response's body is known. */
typedef enum wsrt_http_framing {
    WSRT_HTTP_NO_BODY = 0,    /**< 1xx, 204, 304 */
    WSRT_HTTP_BY_LENGTH = 1,  /**< content_length */
    WSRT_HTTP_BY_CHUNKS = 2,  /**< Transfer-Encoding: chunked */
    WSRT_HTTP_UNTIL_CLOSE = 3 /**< when the peer closes */
} wsrt_http_framing;

/** A response's head. */
typedef struct wsrt_http_response {
    wsrt_span reason;        /**< reason phrase, may be empty */
    const char *why;         /**< on an error: constant text for the log */
    size_t head_len;         /**< bytes of the head */
    uint64_t content_length; /**< with WSRT_HTTP_BY_LENGTH, else 0 */
    uint16_t status;         /**< 100 to 599 */
    uint8_t minor;           /**< 0 or 1 of HTTP/1.x */
    uint8_t keep_alive;      /**< 1 = the connection may be used again after the body */
    uint8_t framing;         /**< a wsrt_http_framing; the response to HEAD never has a body */
    wsrt_http_fields fields;
} wsrt_http_response;

/** Where the reading of a response's body stands; wsrt_http_body_start() fills it. */
typedef struct wsrt_http_body {
    uint64_t left;   /* bytes of the body or chunk still to come */
    uint32_t extra;  /* bytes of chunk lines and trailers since the last data */
    uint8_t framing; /* a wsrt_http_framing */
    uint8_t state;
} wsrt_http_body;

/**
 * Parses a request's head.
 *
 * A client may put one empty line before the head; it is skipped and counted in `head_len`.
 * Whether a body must be refused is decided here too, from the head alone.
 *
 * @param buf      everything received of this request, from its first byte
 * @param len      how much; bytes behind the head are not looked at
 * @param limits   caps; NULL = the defaults
 * @param scanned  set to 0 by the caller before the first call for a request, then kept
 * @param req      filled on WSRT_HTTP_DONE; on an error only `why` counts, and after a 413 also
 *                 `head_len` and `content_length`; on WSRT_HTTP_MORE undefined, so that one struct
 *                 serves all connections of a loop
 * @return WSRT_HTTP_DONE, WSRT_HTTP_MORE, or the status of the answer after which to close:
 *         400 malformed, or against the rules of Host and framing; 411 chunked body; 413 body
 *         over the cap; 414 target over the cap; 431 head or number of fields over the cap;
 *         501 other transfer coding; 505 not HTTP/1.0 or 1.1
 */
int wsrt_http_parse_request(const char *buf, size_t len, const wsrt_http_limits *limits,
                            uint32_t *scanned, wsrt_http_request *req);

/**
 * Parses a response's head; the same contract as for requests, `max_head` alone counts.
 * Interim responses (1xx) are responses of their own: drop `head_len` bytes and parse on.
 *
 * @return WSRT_HTTP_DONE, WSRT_HTTP_MORE, WSRT_ERR_MALFORMED, or WSRT_ERR_TOO_LARGE for a head or a
 *         number of fields over the cap
 */
int wsrt_http_parse_response(const char *buf, size_t len, const wsrt_http_limits *limits,
                             uint32_t *scanned, wsrt_http_response *resp);

/**
 * Begins a response's body; the bytes behind `head_len` are its first.
 *
 * @param resp  a parsed head. For the answer to a HEAD set its `framing` to WSRT_HTTP_NO_BODY before.
 */
void wsrt_http_body_start(wsrt_http_body *body, const wsrt_http_response *resp);

/**
 * Takes the next bytes of a body. Chunk lines, their extensions and trailers are checked, bounded
 * (8 KiB between two pieces of data) and dropped.
 *
 * @param in     bytes received; advanced past what was used. On WSRT_HTTP_MORE it is empty
 * @param piece  written on WSRT_HTTP_PIECE: body bytes inside the input
 * @return WSRT_HTTP_PIECE: call again; WSRT_HTTP_MORE: give it the next bytes (with
 *         WSRT_HTTP_UNTIL_CLOSE the end of the connection is the end of the body); WSRT_HTTP_DONE:
 *         what is left in `in` belongs to the next response; WSRT_ERR_MALFORMED, again and again
 */
int wsrt_http_body_read(wsrt_http_body *body, wsrt_span *in, wsrt_span *piece);

/**
 * Looks a field up.
 *
 * @param name_cstr  in any case
 * @param value      the first one's value; untouched when there is none. May be NULL
 * @return how many field lines have the name
 */
size_t wsrt_http_find(const wsrt_http_fields *fields, const char *name_cstr, wsrt_span *value);

/**
 * Whether a comma-separated list field (Connection, Upgrade, ...) names a token, in any of its lines.
 *
 * @param token_cstr  in any case
 * @return 1 or 0
 */
int wsrt_http_has_token(const wsrt_http_fields *fields, const char *name_cstr,
                        const char *token_cstr);

/** The text without the spaces and tabs around it (OWS of RFC 9110, 5.6.3). */
wsrt_span wsrt_http_trim(wsrt_span text);

/**
 * Whether two spans are the same ASCII text when case does not count.
 *
 * @return 1 or 0
 */
int wsrt_http_same_text(wsrt_span a, wsrt_span b);

/**
 * Takes the next segment off a path: "/a%2Fb/c" yields "a%2Fb", then "c". Segments are unescaped
 * after they were cut, one by one: so "%2F" stays data and never separates.
 *
 * @param path     advanced past the segment; begins with '/' while there is one
 * @param segment  as received, perhaps empty; written when the return is 1
 * @return 1, or 0 when the path is at its end
 */
int wsrt_http_segment(wsrt_span *path, wsrt_span *segment);

/**
 * Decodes percent escapes, once. '+' is itself.
 *
 * @param dst   room for `text.len` bytes; may be where `text` lies
 * @param text  a path segment, or the name or value of a query
 * @return bytes written. An escape that is none is copied as it is; the parser has refused those
 */
size_t wsrt_http_unescape(char *dst, wsrt_span text);

/**
 * Looks a parameter of a query up: "a=1&token=x". Names compare as received.
 *
 * @param value  the first one's value, as received; untouched when there is none
 * @return how many parameters have the name
 */
size_t wsrt_http_query(wsrt_span query, const char *name_cstr, wsrt_span *value);

#endif
