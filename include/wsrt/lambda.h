/**
 * @file lambda.h
 * libwsrt-lambda: a runtime as an AWS Lambda function behind an API Gateway WebSocket API. Speaks
 * the Lambda Runtime API (2018-06-01) over one kept-alive socket; needs libc only.
 */
#ifndef WSRT_LAMBDA_H
#define WSRT_LAMBDA_H

#include <wsrt/base.h>
#include <wsrt/runtime.h>

#ifdef __cplusplus
extern "C" {
#endif

/** What the function is bound to, for events that do not say. @since 0.1 */
typedef enum wsrt_lambda_kind {
    WSRT_LAMBDA_ANY = 0,
    WSRT_LAMBDA_CONNECT = 1,
    WSRT_LAMBDA_MESSAGE = 2,
    WSRT_LAMBDA_DISCONNECT = 3,
    WSRT_LAMBDA_KIND_MIN_ = -2147483647 - 1,
    WSRT_LAMBDA_KIND_MAX_ = 2147483647
} wsrt_lambda_kind;

/** Bits of wsrt_lambda_options.flags. @since 0.1 */
typedef enum wsrt_lambda_flag {
    /** A no-op extension is registered at the start: Lambda sends SIGTERM before it kills a process
        only where there is one. It costs one exchange at the cold start */
    WSRT_LAMBDA_EXTENSION = 1,
    WSRT_LAMBDA_FLAG_MIN_ = -2147483647 - 1,
    WSRT_LAMBDA_FLAG_MAX_ = 2147483647
} wsrt_lambda_flag;

/**
 * Reads a document that is kept elsewhere than in a file. Called where the file would be read: at the
 * start, and between invocations.
 *
 * @param name_cstr  what the options or WSRT_BREAKERS name
 * @param dst        receives the text
 * @param cap        65537
 * @param len        bytes written
 * @return WSRT_OK; WSRT_ERR_UNSUPPORTED: the name is that of a file after all; WSRT_ERR_UNAVAILABLE,
 *         WSRT_ERR_THROTTLED or WSRT_ERR_TIMEOUT: it may be there in a minute, and a function starts
 *         without it; any other negative status: it cannot be used. @since 0.1
 */
typedef int (*wsrt_lambda_document_fn)(const char *name_cstr, char *dst, size_t cap, size_t *len,
                                       void *user);

/** Settings; zero = default. @since 0.1 */
typedef struct wsrt_lambda_options {
    uint32_t struct_size;      /**< sizeof(wsrt_lambda_options) */
    int32_t kind;              /**< a wsrt_lambda_kind */
    wsrt_allocator allocator;  /**< zero = libc */
    wsrt_span endpoint;        /**< "host:port"; empty = the variable AWS_LAMBDA_RUNTIME_API */
    uint64_t max_event;        /**< bytes of one event; 0 = 6291556 */
    uint64_t max_invocations;  /**< stop after so many; 0 = never */
    uint32_t flags;            /**< bits of wsrt_lambda_flag */
    int32_t metrics_fd;        /**< where EMF lines go; 0 = standard output, -1 = nowhere */
    const char *breakers_cstr; /**< path of a document for wsrt_breakers_configure(); NULL = the
                                    variable WSRT_BREAKERS, "" = none */
    const char *required_cstr; /**< wsrt_lambda_main(): variables that must be there, separated by
                                    single spaces; NULL = none */
    wsrt_lambda_document_fn
        document;        /**< reads the document of breakers where it is no file; NULL =
                                           it is one */
    void *document_user; /**< handed to `document` */
} wsrt_lambda_options;

/**
 * Serves invocations until the process is told to stop. A result that cannot be delivered is logged
 * and dropped as aws-lambda's contract says; a broken runtime interface ends the loop.
 *
 * After each answer, before it asks for work again, the loop writes what the monitor has counted since
 * the last time as lines of CloudWatch's embedded metric format, all in one write, and runs
 * wsrt_runtime_tick() when it is due. When the document of breakers has not been read for a minute, it
 * is read again and put in force with WSRT_RECONFIGURE_EXISTING; one that cannot be used is logged, and
 * the settings stay. Nothing of this happens while an event is being handled.
 *
 * @param rt    routes added; borrowed
 * @param opts  NULL = defaults
 * @return WSRT_OK after SIGTERM (where the host installed wsrt_lambda_stop()) or max_invocations;
 *         WSRT_ERR_INVALID (no endpoint); WSRT_ERR_IO, WSRT_ERR_TOO_LARGE (64 KiB),
 *         WSRT_ERR_MALFORMED, WSRT_ERR_REJECTED (the document of breakers, at the start only; told to
 *         the interface as an init error); WSRT_ERR_UNAVAILABLE (three failures in a row, or a 500
 *         from the interface): exit non-zero; WSRT_ERR_NOMEM. One thread. @since 0.1
 */
WSRT_API int wsrt_lambda_run(wsrt_runtime *rt, const wsrt_lambda_options *opts);

/** Makes wsrt_lambda_run() return after the invocation under way. Async-signal-safe. @since 0.1 */
WSRT_API void wsrt_lambda_stop(void);

/**
 * Tells the interface that the function cannot start: to be called before wsrt_lambda_run() and followed
 * by an exit.
 *
 * @param opts          as for wsrt_lambda_run(); `allocator` and `endpoint` are used
 * @param status        a negative status: the error's type
 * @param message_cstr  what is wrong, for the operator: no secrets. At most 512 bytes
 * @return WSRT_OK; WSRT_ERR_UNAVAILABLE (nobody took it); WSRT_ERR_INVALID; WSRT_ERR_NOMEM. @since 0.1
 */
WSRT_API int wsrt_lambda_init_error(const wsrt_lambda_options *opts, int status,
                                    const char *message_cstr);

/**
 * Makes the runtime of a function, with its routes.
 *
 * @param out    as wsrt_runtime_new(); NULL or a runtime that wsrt_lambda_main() frees, on failure too
 * @param parts  with env (its log), environment, flags, limiter and monitor by the environment; change what
 *               you like, and add store, history, sender and authenticator, which are NULL
 * @param user   as given to wsrt_lambda_main()
 * @return WSRT_OK; a negative status: then the function does not start. @since 0.1
 */
typedef int (*wsrt_lambda_make_fn)(wsrt_runtime **out, wsrt_runtime_options *parts, void *user);

/**
 * A whole `main`: reads the environment, makes the runtime, serves, cleans up.
 *
 * Of the environment: ENVIRONMENT names the stage in the metrics ("dev"); WSRT_DEVELOPER_ERRORS=1 shows
 * clients what developers see; WSRT_REQUIRE_AUTH=1 refuses connects without an identity; WSRT_LOG_LEVEL
 * is trace, debug, info (the default), warn or error; besides what wsrt_lambda_run() reads. The log goes
 * to standard error, one JSON object a line, and metrics alone to standard output. SIGTERM ends the loop
 * after the invocation under way; SIGPIPE is ignored. The limiter has room for 8192 keys; `parts` may
 * name another.
 *
 *     static int make(wsrt_runtime **out, wsrt_runtime_options *parts, void *user)
 *     {
 *         int rc = wsrt_runtime_new(out, parts);
 *         return rc != WSRT_OK ? rc : wsrt_runtime_route(*out, user);
 *     }
 *
 * @param opts  NULL = defaults
 * @param make  called once, in this thread
 * @return the exit code: 0; 78 for a setting that is missing or wrong, 1 for anything else. Either is
 *         said on standard error and, before the first event, told to the interface as an init error
 *         that names what is missing. @since 0.1
 */
WSRT_API int wsrt_lambda_main(const wsrt_lambda_options *opts, wsrt_lambda_make_fn make,
                              void *user);

/** Takes the result of one event as JSON, borrowed during the call. @since 0.1 */
typedef void (*wsrt_lambda_result_fn)(const void *json, size_t len, void *user);

/** Facts of one invocation, for wsrt_lambda_handle(); zero = unknown. @since 0.1 */
typedef struct wsrt_invocation {
    uint32_t struct_size;     /**< sizeof(wsrt_invocation) */
    int32_t kind;             /**< a wsrt_lambda_kind: what an event without eventType is */
    wsrt_allocator allocator; /**< for decoded text and the result; zero = libc */
    wsrt_span request_id;     /**< of the invocation; the event's own comes first */
    wsrt_span trace_id;       /**< X-Ray header; its root is offered as correlation id */
    int64_t deadline_wall;    /**< Unix ms at which the function is stopped; 0 = none. Handlers have
                                   nine tenths of the time until then, or all but half a second: the
                                   rest is for the answer */
} wsrt_invocation;

/**
 * Handles one event: for tests and for other runtimes. It may see developer errors where the runtime
 * allows them.
 *
 * Kinds are told apart by their shape. A WebSocket proxy event has `requestContext.connectionId` and becomes
 * a CONNECT, MESSAGE or DISCONNECT; its result is `{"statusCode":…}`. An event of a DynamoDB stream has
 * `Records` and becomes a STREAM whose body is the whole text; its result is the response's body as it is, or
 * `{"batchItemFailures":[]}` where there is none. A REQUEST authorizer's has `"type":"REQUEST"` and a
 * `methodArn`; it goes to the runtime's authenticator, and a good token is answered with an IAM policy for
 * that very `methodArn`: Allow, or Deny when the access of the route `$connect` is not for its bearer. The
 * policy's `context` holds what the event of each later message is read for: userId, username, email,
 * groups, scopes, exp.
 *
 * @param event    the JSON text
 * @param how      NULL = nothing known
 * @param result   called once on WSRT_OK with `{"statusCode":…}` or `{"principalId":…}`
 * @return WSRT_OK; WSRT_ERR_MALFORMED (not JSON); WSRT_ERR_UNSUPPORTED (no event known here, no
 *         authenticator, or a stream without a route `$stream`); WSRT_ERR_REJECTED (an event that breaks
 *         its shape); WSRT_ERR_NOMEM; WSRT_ERR_INTERNAL (a stream's handler failed: the batch is to be
 *         repeated). Of an authorizer also: WSRT_ERR_UNAUTHENTICATED (no token or a bad one: the
 *         invocation fails with "Unauthorized", and the client sees 401); WSRT_ERR_UNAVAILABLE (it could
 *         not be judged);
 *         WSRT_ERR_TOO_LARGE (a policy over 8 KiB). Any thread. @since 0.1
 */
WSRT_API int wsrt_lambda_handle(wsrt_runtime *rt, wsrt_span event, const wsrt_invocation *how,
                                wsrt_lambda_result_fn result, void *user);

#ifdef __cplusplus
}
#endif
#endif
