/**
 * @file error.h
 * Error envelopes: one struct, a closed table of types, several renderings; correlation and trace
 * ids; redaction of free text. Pure functions over the caller's buffers: no allocation, no lock, no
 * state; any thread.
 */
#ifndef WSRT_ERROR_H
#define WSRT_ERROR_H

#include <wsrt/json.h>

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
 * taken from the type's row; text that is nowhere, NULL with a length, is as good as empty. @since 0.1
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
    wsrt_span stack; /**< free text, redacted, as all below */
    wsrt_span request_id;
    wsrt_span user_agent;
    wsrt_span source_ip;
    wsrt_span stage;
    wsrt_span connection_id; /**< context of the message that failed */
    wsrt_span user_id;
    wsrt_span action;
    uint64_t *hidden; /**< grows by the secrets replaced and details dropped; NULL = not counted */
} wsrt_error;

/**
 * Renderings of an error. Client:
 * `{"success":false,"error":{"type","message","code","timestamp","correlationId","retryable"?,
 * "retryAfter"?,"reconnect"?,"scope"?,"limit"?,"remaining"?,"issues"?}}`, `timestamp` in ISO 8601,
 * `retryable` only when true. Frame: `"type":"error"` before, `retryable` always, and behind the
 * error `"timestamp"` (Unix ms) and `"correlationId"` once more. Developer: the client form, or the
 * frame form, with `"details"`, `"stack"?` and `"debug"` {requestId, userAgent, sourceIp, stage,
 * connectionId, userId, action; what is known} at the end of the error. Problem: `type` is
 * `urn:wsrt:error:` and the type's name in lower case with dashes. A text detail "service" that
 * names cognito, apigateway-management or dynamodb chooses the default text. A correlation id that
 * is not wsrt_correlation_id_valid() is left out. Of SERVICE_RESTART retryAfter is up to ten seconds,
 * by the correlation id, so that not everybody comes back at once. @since 0.1
 */
typedef enum wsrt_error_form {
    WSRT_ERROR_FORM_CLIENT = 1,          /**< HTTP body for clients */
    WSRT_ERROR_FORM_FRAME = 2,           /**< WebSocket message `{"type":"error",…}` */
    WSRT_ERROR_FORM_DEVELOPER = 3,       /**< client + details, stack, debug: development only */
    WSRT_ERROR_FORM_PROBLEM = 4,         /**< application/problem+json (RFC 9457) */
    WSRT_ERROR_FORM_DEVELOPER_FRAME = 5, /**< frame + details, stack, debug: development only */
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

/**
 * The headers that go with a rendering over HTTP, one a call: Content-Type, X-Request-ID,
 * X-Correlation-ID, X-Error-Type, X-Error-Code, and X-Debug-Mode for the developer's form. One whose
 * value is not 1 to 128 bytes of visible ASCII is passed over, so nothing can be injected.
 *
 * @param e      as for wsrt_error_write()
 * @param form   a wsrt_error_form
 * @param index  0 at first; moves on
 * @param name   written on WSRT_OK only, constant text
 * @param value  written on WSRT_OK only, constant or borrowed from `e`
 * @return WSRT_OK; WSRT_ERR_NOT_FOUND behind the last; WSRT_ERR_INVALID for NULL, an unknown form or
 *         an `e` that would be rendered as the minimal envelope. Any thread. @since 0.1
 */
WSRT_API int wsrt_error_header(const wsrt_error *e, int form, size_t *index, wsrt_span *name,
                               wsrt_span *value);

/* ---- causes ------------------------------------------------------------------------------- */

/** Room for the details that a helper below can fill. @since 0.1 */
typedef enum wsrt_error_room {
    WSRT_ERROR_DETAILS = 8,
    WSRT_ERROR_ROOM_MIN_ = -2147483647 - 1,
    WSRT_ERROR_ROOM_MAX_ = 2147483647
} wsrt_error_room;

/** What is known of a call to an outside service that failed or was refused; the numbers are its
 *  breaker's. Text is borrowed. Zero members are not known. @since 0.1 */
typedef struct wsrt_service_failure {
    uint32_t struct_size; /**< sizeof(wsrt_service_failure) */
    int32_t status;    /**< a negative wsrt_status: WSRT_ERR_TIMEOUT, WSRT_ERR_CIRCUIT_OPEN, … */
    wsrt_span service; /**< "dynamodb" */
    wsrt_span operation;     /**< "storeConnection" */
    wsrt_span state;         /**< the breaker's: "open" */
    uint64_t total_requests; /**< in its window; 0 = failure_rate is not known either */
    double failure_rate;     /**< 0..1 */
    int64_t next_attempt;    /**< Unix ms at which it may be tried again */
} wsrt_service_failure;

/**
 * Fills an error from the failure of an outside service: type (WSRT_ERROR_DATABASE for dynamodb;
 * WSRT_ERROR_TIMEOUT for a time-out of a service without a text of its own; else
 * WSRT_ERROR_EXTERNAL_SERVICE), the service's public text, and the details service, operation,
 * state, failureRate, totalRequests and nextAttemptTime as far as known. A breaker that is open adds
 * code CIRCUIT_OPEN, status 503 and the time until `next_attempt` as retryAfter.
 *
 * @param e        `struct_size` and `wall` set; type, code, http_status, retry_after_ms, details and
 *                 detail_count are overwritten, the rest stays
 * @param why      size-first; its text must outlive `e`
 * @param details  room for WSRT_ERROR_DETAILS fields, which must outlive `e`
 * @return WSRT_OK; WSRT_ERR_INVALID for NULL, wrong sizes or a status that is not negative;
 *         WSRT_ERR_UNSUPPORTED; then nothing changed. Any thread. @since 0.1
 */
WSRT_API int wsrt_error_from_service(wsrt_error *e, const wsrt_service_failure *why,
                                     wsrt_field *details);

/** What to do about an error of a database or of AWS. @since 0.1 */
typedef enum wsrt_retry_advice {
    WSRT_RETRY_NO = 1,     /**< the same request fails again */
    WSRT_RETRY_YES = 2,    /**< with growing, jittered pauses */
    WSRT_RETRY_SLOWLY = 3, /**< likewise, from several seconds on */
    WSRT_RETRY_ONCE = 4,   /**< after the remedy of the text */
    WSRT_RETRY_CALLER = 5, /**< it depends: read the text */
    WSRT_RETRY_ADVICE_MIN_ = -2147483647 - 1,
    WSRT_RETRY_ADVICE_MAX_ = 2147483647
} wsrt_retry_advice;

/** One row of the table of suggestions; text is constant and owned by the library. @since 0.1 */
typedef struct wsrt_suggestion {
    const char *engine_cstr; /**< "aws", "apigateway-management", "sqlite" or "redis" */
    const char *names_cstr;  /**< the error's names, a space between: "CORRUPT NOTADB" */
    const char *text_cstr;   /**< what to look at, for developers and logs */
    int32_t retry;           /**< a wsrt_retry_advice */
    int32_t http_status;     /**< 503 when it asks us to slow down, 410 gone, 413, 403, else 500 */
    int32_t retry_after_ms;  /**< -1 = not again */
    uint32_t reserved;       /**< 0 */
} wsrt_suggestion;

/**
 * Finds what is suggested for an error of DynamoDB and other AWS services, the Management API of
 * API Gateway, SQLite, or Redis.
 *
 * @param engine  "apigateway-management", "sqlite" or "redis"; any other is an AWS service. What the
 *                Management API shares with AWS is found under both
 * @param name    as the engine says it, in upper and lower case: with or without `namespace#`,
 *                `:uri` and `Exception`; the digits of an HTTP status (Management API); with or
 *                without `SQLITE_`, an extended name falls back on its family; the reply of Redis
 *                whole, as "-MOVED 3999 10.0.0.1:6381"
 * @return the row; NULL when there is none. Any thread. @since 0.1
 */
WSRT_API const wsrt_suggestion *wsrt_suggestion_find(wsrt_span engine, wsrt_span name);

/** The row at an index, to list them; NULL behind the last. Any thread. @since 0.1 */
WSRT_API const wsrt_suggestion *wsrt_suggestion_at(size_t index);

/**
 * Fills an error from an engine's own error: WSRT_ERROR_DATABASE with the details engine, code
 * (the name without what decorates it), operation and suggestion, and what the suggestion says of
 * HTTP status, retrying and retryAfter; without a suggestion retryable, 500, no retryAfter. The
 * error's own code stays.
 *
 * @param e          as for wsrt_error_from_service(); the retry flags are overwritten, too
 * @param engine     as for wsrt_suggestion_find(); must outlive `e`, as name and operation
 * @param name       the engine's error
 * @param operation  what was tried; may be empty
 * @param details    room for WSRT_ERROR_DETAILS fields, which must outlive `e`
 * @return WSRT_OK; WSRT_ERR_INVALID for NULL or a wrong size: then nothing changed. Any thread.
 * @since 0.1
 */
WSRT_API int wsrt_error_from_database(wsrt_error *e, wsrt_span engine, wsrt_span name,
                                      wsrt_span operation, wsrt_field *details);

/** A member that a message must have. @since 0.1 */
typedef struct wsrt_required {
    wsrt_span pointer; /**< JSON Pointer, "/data/token" */
    int32_t kind;      /**< a wsrt_json_kind; 0 = any but null */
    uint32_t reserved; /**< 0 */
} wsrt_required;

/**
 * Looks for required members of a message, for handlers without a schema, and reports all that are
 * missing, null, empty (text, array or object without content) or of another kind, at once and in
 * the order asked, as the JSON array that wsrt_error.issues takes:
 * `[{"path","code","message"}]` with the codes required, invalid_type and too_small and the texts of
 * validation. Of the message only kinds are told, never its text.
 *
 * @param w     a writer in value position: gets the array, `[]` when all is well; nothing when the
 *              result is another than WSRT_OK and WSRT_ERR_REJECTED. Its own errors stick in it
 * @param body  the message
 * @param want  the members
 * @return WSRT_OK, nothing is wrong; WSRT_ERR_REJECTED, the array says what; WSRT_ERR_MALFORMED when
 *         `body` is no JSON; WSRT_ERR_INVALID for NULL or a pointer that is none. Any thread.
 * @since 0.1
 */
WSRT_API int wsrt_error_required(wsrt_json_writer *w, wsrt_span body, const wsrt_required *want,
                                 size_t count);

/* ---- correlation and trace ids ------------------------------------------------------------ */

/** Bytes of a UUID's text. @since 0.1 */
typedef enum wsrt_id_size {
    WSRT_UUID_LEN = 36,
    WSRT_ULID_LEN = 26,
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

/**
 * Makes a ULID (github.com/ulid/spec) that is larger than the one made before from the same `last`:
 * wsrt_uuid7() in 26 characters of Crockford's base 32, without version and variant.
 *
 * @param last    as for wsrt_uuid7(); each kind of id has its own
 * @param wall    as there
 * @param random  as there
 * @param dst     receives WSRT_ULID_LEN bytes, no NUL
 * @return WSRT_OK; WSRT_ERR_INVALID for NULL or a time out of range. Any thread. @since 0.1
 */
WSRT_API int wsrt_ulid(uint64_t *last, int64_t wall, const void *random, char *dst);

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

/**
 * Makes the context of an outgoing call: a new parent id, and a new trace id when there is none.
 * @param trace   changed in place; zero-filled (sampled as wanted) begins a trace
 * @param random  24 fresh unpredictable bytes
 * @return WSRT_OK; WSRT_ERR_INVALID for NULL. Any thread. @since 0.1
 */
WSRT_API int wsrt_trace_child(wsrt_trace *trace, const void *random);

/** Headers a trace context is written as. @since 0.1 */
typedef enum wsrt_trace_form {
    WSRT_TRACE_TRACEPARENT = 1, /**< `traceparent`, version 00 */
    WSRT_TRACE_XRAY = 2,        /**< `X-Amzn-Trace-Id` */
    WSRT_TRACE_FORM_MIN_ = -2147483647 - 1,
    WSRT_TRACE_FORM_MAX_ = 2147483647
} wsrt_trace_form;

/**
 * Writes the value of a header for an outgoing call; send both forms. A sampled of -1 is written as
 * 0 in a traceparent and left out of the other.
 *
 * @param form  a wsrt_trace_form; a traceparent needs the parent id
 * @param dst   at most 74 bytes are needed, no NUL is added; NULL with cap 0 asks for the length
 * @param len   bytes of the value, also when it did not fit; NULL is fine
 * @return WSRT_OK; WSRT_ERR_LIMIT when `cap` is too small; WSRT_ERR_INVALID for NULL, an unknown
 *         form, or ids that are missing or not hex. Any thread. @since 0.1
 */
WSRT_API int wsrt_trace_write(const wsrt_trace *trace, int form, char *dst, size_t cap,
                              size_t *len);

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
 * password or secret (a quoted one to its closing quote, in JSON within JSON, too), cookies,
 * user:password@, e-mail addresses, base64 and hex runs of 32 bytes and more (UUIDs, traceparent and
 * X-Ray ids excepted), Luhn-valid numbers of 13 to 19 digits. Control characters, of C1 as of C0,
 * line separators and bidi controls become \u escapes, bad UTF-8 becomes U+FFFD. It errs on the side
 * of hiding. One linear pass.
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
