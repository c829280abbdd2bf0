/**
 * @file error.h
 * Error envelopes: one struct, a closed table of types, several renderings; correlation and trace
 * ids; redaction of free text. Pure functions over the caller's buffers: no allocation, no lock, no
 * state; any thread.
 */
#ifndef WSRT_ERROR_H
#define WSRT_ERROR_H

#include <wsrt/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/** The closed table of error types. A number that is none is treated as INTERNAL. @since 0.1 */
typedef enum wsrt_error_type {
    WSRT_ERROR_INTERNAL = 1,          /**< INTERNAL_ERROR, 500, close 1011 */
    WSRT_ERROR_VALIDATION = 2,        /**< VALIDATION_ERROR, 400 */
    WSRT_ERROR_PAYLOAD_TOO_LARGE = 3, /**< PAYLOAD_TOO_LARGE, 413, close 1009 */
    WSRT_ERROR_AUTHENTICATION = 4,    /**< AUTHENTICATION_ERROR, 401, close 4401 */
    WSRT_ERROR_AUTHORIZATION = 5,     /**< AUTHORIZATION_ERROR, 403, close 4403 */
    WSRT_ERROR_NOT_FOUND = 6,         /**< NOT_FOUND, 404, close 4404 */
    WSRT_ERROR_CONFLICT = 7,          /**< CONFLICT_ERROR, 409 */
    WSRT_ERROR_RATE_LIMIT = 8,        /**< RATE_LIMIT_ERROR, 429, close 4429 by policy */
    WSRT_ERROR_TIMEOUT = 9,           /**< TIMEOUT_ERROR, 504, close 1013 */
    WSRT_ERROR_EXTERNAL_SERVICE = 10, /**< EXTERNAL_SERVICE_ERROR, 502 or 503, close 1013 */
    WSRT_ERROR_DATABASE = 11,         /**< DATABASE_ERROR, 500 or 503, close 1011 */
    WSRT_ERROR_SERVICE_RESTART = 12,  /**< SERVICE_RESTART, 503, close 1012 */
    WSRT_ERROR_PROTOCOL = 13,         /**< PROTOCOL_ERROR, 400, close 1002 */
    WSRT_ERROR_UNSUPPORTED_DATA = 14, /**< UNSUPPORTED_DATA, 415, close 1003 */
    WSRT_ERROR_TYPE_MIN_ = -2147483647 - 1,
    WSRT_ERROR_TYPE_MAX_ = 2147483647
} wsrt_error_type;

/** One row of the table; text is constant and owned by the library. @since 0.1 */
typedef struct wsrt_error_info {
    const char *name_cstr;    /**< "VALIDATION_ERROR" */
    const char *code_cstr;    /**< default code, "INVALID_MESSAGE" */
    const char *message_cstr; /**< default text for the client */
    int32_t http_status;
    int32_t close_code;     /**< 0 = none */
    int32_t retryable;      /**< 1 = the same request may succeed later */
    int32_t retry_after_ms; /**< default; -1 = none */
} wsrt_error_info;

/**
 * Looks a type up.
 * @param type  a wsrt_error_type; an unknown number gives the row of WSRT_ERROR_INTERNAL
 * @return the row, never NULL. Any thread. @since 0.1
 */
WSRT_API const wsrt_error_info *wsrt_error_type_info(int type);

/**
 * The type that answers a status: MALFORMED and REJECTED give WSRT_ERROR_VALIDATION, GONE and
 * NOT_FOUND give WSRT_ERROR_NOT_FOUND, UNAVAILABLE, THROTTLED and CIRCUIT_OPEN give
 * WSRT_ERROR_EXTERNAL_SERVICE, CORRUPT gives WSRT_ERROR_DATABASE, UNSUPPORTED gives
 * WSRT_ERROR_UNSUPPORTED_DATA, EXISTS gives WSRT_ERROR_CONFLICT; RATE_LIMITED, TIMEOUT, TOO_LARGE,
 * UNAUTHENTICATED and FORBIDDEN the type of that name; all else, WSRT_OK too, WSRT_ERROR_INTERNAL.
 * Never fails. Any thread. @since 0.1
 */
WSRT_API int wsrt_error_type_of(int status);

/** Bits of wsrt_error.flags. @since 0.1 */
typedef enum wsrt_error_flag {
    WSRT_ERROR_RETRYABLE = 1,     /**< retryable, whatever the table says */
    WSRT_ERROR_NOT_RETRYABLE = 2, /**< not retryable, whatever the table says */
    WSRT_ERROR_RECONNECT = 4,     /**< the client should reconnect (API Gateway's missing close) */
    WSRT_ERROR_HTML_SAFE = 8,     /**< escape < > & in text */
    WSRT_ERROR_FLAG_MIN_ = -2147483647 - 1,
    WSRT_ERROR_FLAG_MAX_ = 2147483647
} wsrt_error_flag;

/**
 * An error to be rendered. Everything is borrowed during the call. Zero members are left out or
 * taken from the type's row. @since 0.1
 */
typedef struct wsrt_error {
    uint32_t struct_size; /**< sizeof(wsrt_error) */
    uint32_t flags;       /**< bits of wsrt_error_flag */
    int32_t type;         /**< a wsrt_error_type */
    int32_t http_status;  /**< 0 = the type's */
    wsrt_span code;       /**< UPPER_SNAKE, at most 63 bytes; empty, or not that = the type's */
    wsrt_span message;    /**< public text, redacted before it leaves; empty = the type's */
    wsrt_span correlation_id;
    int64_t wall;           /**< Unix ms of the error */
    int64_t retry_after_ms; /**< 0 = the type's default; -1 = none */
    wsrt_span scope;        /**< rate limits: "connection", "user", "route", "stage" */
    int64_t limit;          /**< rate limits: the burst; with `scope` only */
    int64_t remaining;      /**< rate limits: units left; with `scope` only */
    wsrt_span issues;       /**< JSON array text, from wsrt_issues_write(); else left out */
    /* developer rendering and log only */
    const wsrt_field *details; /**< keys of the type's row; others are dropped */
    size_t detail_count;
    wsrt_span stack; /**< free text, redacted */
    wsrt_span request_id;
    wsrt_span user_agent;
    wsrt_span source_ip;
    wsrt_span stage;
} wsrt_error;

/**
 * Renderings of an error. Client:
 * `{"success":false,"error":{"type","message","code","timestamp","correlationId","retryable"?,
 * "retryAfter"?,"reconnect"?,"scope"?,"limit"?,"remaining"?,"issues"?}}`, `timestamp` in ISO 8601,
 * `retryable` only when true. Frame: `"type":"error"` before, `retryable` always, and behind the
 * error `"timestamp"` (Unix ms) and `"correlationId"` once more. Developer: the client form with
 * `"details"`, `"stack"?` and `"debug"` at the end of the error. Problem: `type` is
 * `urn:wsrt:error:` and the type's name in lower case with dashes. A text detail "service" that
 * names cognito, apigateway-management or dynamodb chooses the default text. @since 0.1
 */
typedef enum wsrt_error_form {
    WSRT_ERROR_FORM_CLIENT = 1,    /**< HTTP body for clients */
    WSRT_ERROR_FORM_FRAME = 2,     /**< WebSocket message `{"type":"error",…}` */
    WSRT_ERROR_FORM_DEVELOPER = 3, /**< client + details, stack, debug: development only */
    WSRT_ERROR_FORM_PROBLEM = 4,   /**< application/problem+json (RFC 9457) */
    WSRT_ERROR_FORM_MIN_ = -2147483647 - 1,
    WSRT_ERROR_FORM_MAX_ = 2147483647
} wsrt_error_form;

/**
 * Renders an error as JSON. Members are in a fixed order. A NUL is added when there is room. Public
 * text, text details, stack and user agent pass wsrt_redact(); bad UTF-8 becomes U+FFFD. Any thread.
 *
 * @param e     size-first; wrong sizes and unknown flags give the minimal envelope
 * @param form  a wsrt_error_form
 * @param dst   caller's buffer; NULL with cap 0 asks for the length
 * @param len   bytes of the text, also when it did not fit; NULL is fine
 * @return WSRT_OK; WSRT_ERR_LIMIT when `cap` is too small (then `dst` holds nothing useful);
 *         WSRT_ERR_INVALID for NULL or an unknown form. Anything else that goes wrong inside yields
 *         the minimal INTERNAL_ERROR envelope and WSRT_OK. @since 0.1
 */
WSRT_API int wsrt_error_write(const wsrt_error *e, int form, char *dst, size_t cap, size_t *len);

/* ---- correlation and trace ids ------------------------------------------------------------ */

/** Bytes of a UUID's text. @since 0.1 */
typedef enum wsrt_id_size {
    WSRT_UUID_LEN = 36,
    WSRT_CORRELATION_ID_MAX = 128,
    WSRT_ID_SIZE_MIN_ = -2147483647 - 1,
    WSRT_ID_SIZE_MAX_ = 2147483647
} wsrt_id_size;

/**
 * Whether an offered correlation id may be taken over: 1 to 128 bytes of `[A-Za-z0-9._:=;-]`.
 * @return 1 or 0. Any thread. @since 0.1
 */
WSRT_API int wsrt_correlation_id_valid(wsrt_span offered);

/**
 * Makes a UUIDv7 (RFC 9562) that is larger than the one made before from the same `last`.
 *
 * @param last    the caller's state, 0 at first; updated atomically, any thread
 * @param wall    Unix ms, below 2^48; when it stands still or goes back, a counter keeps the order
 * @param random  10 fresh unpredictable bytes
 * @param dst     receives WSRT_UUID_LEN bytes, no NUL
 * @return WSRT_OK; WSRT_ERR_INVALID for NULL or a time out of range. Any thread. @since 0.1
 */
WSRT_API int wsrt_uuid7(uint64_t *last, int64_t wall, const void *random, char *dst);

/** A W3C or X-Ray trace context. Text members are NUL-terminated lower-case hex. @since 0.1 */
typedef struct wsrt_trace {
    char trace_id[40];  /**< 32 digits, "" = none */
    char parent_id[24]; /**< 16 digits, "" = none */
    int32_t sampled;    /**< 1, 0, or -1 = not said */
    uint32_t reserved;  /**< 0 */
} wsrt_trace;

/**
 * Reads a `traceparent` header (W3C Trace Context): version 00 exactly, higher versions by their
 * first four fields, ff refused.
 * @param out  written on WSRT_OK only
 * @return WSRT_OK; WSRT_ERR_MALFORMED, also for NULL `out`. Any thread. @since 0.1
 */
WSRT_API int wsrt_trace_from_traceparent(wsrt_span header, wsrt_trace *out);

/**
 * Reads `X-Amzn-Trace-Id` (Root=1-8hex-24hex;Parent=16hex;Sampled=1). Root is mandatory; fields of
 * other names are passed over.
 * @param out  written on WSRT_OK only
 * @return WSRT_OK; WSRT_ERR_MALFORMED, also for NULL `out`. Any thread. @since 0.1
 */
WSRT_API int wsrt_trace_from_xray(wsrt_span header, wsrt_trace *out);

/* ---- redaction ---------------------------------------------------------------------------- */

/** Bits of wsrt_redact()'s flags. @since 0.1 */
typedef enum wsrt_redact_flag {
    WSRT_REDACT_IP = 1, /**< also IPv4 and IPv6 addresses */
    WSRT_REDACT_FLAG_MIN_ = -2147483647 - 1,
    WSRT_REDACT_FLAG_MAX_ = 2147483647
} wsrt_redact_flag;

/**
 * Copies free text with everything that looks like a secret replaced by `[redacted]`: JWTs, Bearer
 * and Basic credentials, AWS key ids and secrets, values of names that end in token, signature,
 * password or secret, cookies, user:password@, e-mail addresses, base64 and hex runs of 32 bytes and
 * more (UUIDs, traceparent and X-Ray ids excepted), Luhn-valid numbers of 13 to 19 digits. Control
 * characters, line separators and bidi controls become \u escapes, bad UTF-8 becomes U+FFFD. It errs
 * on the side of hiding. One linear pass.
 *
 * @param flags  bits of wsrt_redact_flag
 * @param dst    receives the clean text, no NUL is added; NULL with cap 0 asks for the length
 * @param len    bytes of the clean text, also when it did not fit; NULL is fine
 * @param found  how many were replaced; NULL is fine
 * @return WSRT_OK; WSRT_ERR_LIMIT when `cap` is too small (nothing useful in `dst`);
 *         WSRT_ERR_INVALID for NULL with a length or an unknown flag. Any thread. @since 0.1
 */
WSRT_API int wsrt_redact(wsrt_span text, uint32_t flags, char *dst, size_t cap, size_t *len,
                         size_t *found);

#ifdef __cplusplus
}
#endif
#endif
