/**
 * @file runtime.h
 * The runtime: routes, dispatch, guarded calls and delivery. A transport adapter turns what it
 * receives into a wsrt_event and dispatches it; handlers are plain C functions that run the same on
 * every transport.
 *
 *     static int greet(wsrt_context *ctx, const wsrt_request *req, void *user)
 *     {
 *         return wsrt_reply(ctx, wsrt_span_cstr("{\"hello\":true}"));
 *     }
 *
 * Threads: add routes and set the sender before the first dispatch; from then on the runtime is
 * thread-safe. A context belongs to the thread that runs its handler and ends with it. Everything
 * handed to a handler is borrowed until it returns.
 */
#ifndef WSRT_RUNTIME_H
#define WSRT_RUNTIME_H

#include <wsrt/auth.h>
#include <wsrt/base.h>
#include <wsrt/breaker.h>
#include <wsrt/error.h>
#include <wsrt/limiter.h>
#include <wsrt/monitor.h>
#include <wsrt/resume.h>
#include <wsrt/schema.h>
#include <wsrt/sender.h>
#include <wsrt/store.h>

#ifdef __cplusplus
extern "C" {
#endif

/** The dependency container and dispatcher; thread-safe after set-up. @since 0.1 */
typedef struct wsrt_runtime wsrt_runtime;

/** One event being handled. @since 0.1 */
typedef struct wsrt_context wsrt_context;

/* ---- events and responses ----------------------------------------------------------------- */

/** What happened. @since 0.1 */
typedef enum wsrt_event_kind {
    WSRT_EVENT_CONNECT = 1,
    WSRT_EVENT_MESSAGE = 2,
    WSRT_EVENT_DISCONNECT = 3,
    WSRT_EVENT_STREAM = 4,
    WSRT_EVENT_AUTHORIZE = 5,
    WSRT_EVENT_KIND_MIN_ = -2147483647 - 1,
    WSRT_EVENT_KIND_MAX_ = 2147483647
} wsrt_event_kind;

/** Bits of wsrt_event.flags. @since 0.1 */
typedef enum wsrt_event_flag {
    WSRT_EVENT_BINARY = 1, /**< the body is a binary message */
    WSRT_EVENT_DEVELOPER =
        2, /**< the request may see developer errors, if the runtime allows them */
    /** Answers leave together after several events, when the transport calls
        wsrt_recorder_settle() on `recorder`: the end of them all */
    WSRT_EVENT_SETTLES = 4,
    WSRT_EVENT_FLAG_MIN_ = -2147483647 - 1,
    WSRT_EVENT_FLAG_MAX_ = 2147483647
} wsrt_event_flag;

/** A named value: a header or a query parameter. @since 0.1 */
typedef struct wsrt_pair {
    wsrt_span name;
    wsrt_span value;
} wsrt_pair;

/**
 * What the runtime keeps beside a connection for a transport that lives as long as the connection
 * does: embed one per connection, zero-filled, and pass it with each of its events. It saves a store
 * look-up per message. CONNECT fills it, DISCONNECT releases what it holds. One thread at a time.
 * @since 0.1
 */
typedef struct wsrt_session {
    uint64_t opaque[4];
} wsrt_session;

/**
 * When the identity that a session keeps ends, for a transport that closes who has none.
 *
 * @param s  of an open connection; NULL is nobody
 * @return Unix seconds; 0 = never; -1 = nobody has signed in. The thread of the connection.
 * @since 0.1
 */
WSRT_API int64_t wsrt_session_expires_at(const wsrt_session *s);

/**
 * Whether a connection has had so many messages refused by the limiter that it is to be closed, for a
 * transport to ask after it has dispatched messages (wsrt_runtime_options.refusals_in_a_row). Refusals
 * by the scopes connection, user and ping count: what all clients share is no fault of this one.
 *
 * @param s  of an open connection; NULL owes nothing
 * @return the close code: 1008 for refusals in a row, 4429 for those in a window; 0 = it may stay. The
 *         thread of the connection. Source: RFC 6455 section 7.4. @since 0.1
 */
WSRT_API int wsrt_session_close_code(const wsrt_session *s);

/**
 * A transport's short way back to the connection whose event is being dispatched: queues one message
 * of the event's kind. Called on the dispatching thread, during the dispatch only.
 * @return a status of wsrt_sender_ops.post. @since 0.1
 */
typedef int (*wsrt_reply_fn)(void *transport, const char *data, size_t len, uint32_t event_flags);

/** One event, made by an adapter; everything is borrowed during the dispatch. @since 0.1 */
typedef struct wsrt_event {
    uint32_t struct_size;    /**< sizeof(wsrt_event) */
    uint32_t flags;          /**< bits of wsrt_event_flag */
    int32_t kind;            /**< a wsrt_event_kind */
    int32_t disconnect_code; /**< DISCONNECT: close code; 1005 none, 1006 lost */
    wsrt_span connection_id; /**< `[A-Za-z0-9_=+/-]{1,128}`; CONNECT, MESSAGE, DISCONNECT */
    wsrt_span body;          /**< MESSAGE: its bytes; STREAM: the records' JSON */
    wsrt_span route_key;     /**< empty = the runtime selects */
    wsrt_span request_id;
    wsrt_span correlation_id; /**< offered; the runtime checks it */
    wsrt_span stage;
    wsrt_span domain;
    wsrt_span source_ip;
    wsrt_span user_agent;
    wsrt_span disconnect_reason;
    const wsrt_pair *headers; /**< CONNECT and AUTHORIZE */
    size_t header_count;
    const wsrt_pair *query; /**< decoded */
    size_t query_count;
    const wsrt_principal *principal; /**< from an authorizer; NULL = none */
    wsrt_session *session;           /**< NULL = the transport keeps none */
    wsrt_recorder *recorder; /**< of the dispatching thread; NULL = the monitor's shared one */
    wsrt_reply_fn reply;     /**< MESSAGE only; NULL = replies go through the sender */
    void *transport;         /**< handed to `reply` */
    int64_t connected_at;    /**< Unix ms; 0 = unknown */
    int64_t now;             /**< monotonic ns of the arrival; 0 = the runtime reads the clock */
    int64_t deadline;        /**< monotonic ns by which an answer is needed; 0 = none */
    wsrt_span *routed; /**< set to the key of the route that took the event, which lives as long
                                  as the runtime, or to an empty span; NULL = not asked */
} wsrt_event;

/**
 * Finds a header, whatever the case of its name.
 * @return WSRT_OK and the first value; WSRT_ERR_NOT_FOUND. Any thread. @since 0.1
 */
WSRT_API int wsrt_event_header(const wsrt_event *ev, const char *name_cstr, wsrt_span *value);

/** Finds a query parameter, whatever the case of its name; as wsrt_event_header(). @since 0.1 */
WSRT_API int wsrt_event_query(const wsrt_event *ev, const char *name_cstr, wsrt_span *value);

/** The two-way answer to an event, borrowed during the callback. @since 0.1 */
typedef struct wsrt_response {
    uint32_t struct_size; /**< sizeof(wsrt_response) */
    uint32_t flags;       /**< WSRT_EVENT_BINARY when the body is binary */
    int32_t status;       /**< HTTP status; a CONNECT or AUTHORIZE outside 200..299 is refused */
    uint32_t reserved;    /**< 0 */
    wsrt_span body;       /**< empty = none */
    const wsrt_pair *headers;
    size_t header_count;
    const wsrt_principal *principal; /**< AUTHORIZE: who asks; NULL = nobody known */
} wsrt_response;

/** Takes the response of a dispatch, once, before the dispatch returns. @since 0.1 */
typedef void (*wsrt_response_fn)(const wsrt_response *response, void *user);

/* ---- handlers and routes ------------------------------------------------------------------ */

/** What a handler is given: the event, and the fields that validation extracted. @since 0.1 */
typedef struct wsrt_request {
    const wsrt_event *event;
    const wsrt_schema *schema; /**< of the route; NULL = none */
    const wsrt_slot *slots;    /**< by wsrt_schema_slot(); NULL without a schema */
    size_t slot_count;
    wsrt_span route_key; /**< of the route that matched */
} wsrt_request;

/**
 * Handles one event.
 * @return 0 when handled. A negative wsrt_status makes the runtime answer with the matching error
 *         envelope (the one given to wsrt_fail() when there is one). @since 0.1
 */
typedef int (*wsrt_handler)(wsrt_context *ctx, const wsrt_request *req, void *user);

/**
 * A slot's text, decoded; a copy in the context's memory only when it holds escapes.
 * @param slot_cstr  the slot's name in the schema
 * @return WSRT_OK; WSRT_ERR_NOT_FOUND (no such slot, absent, or not a string); WSRT_ERR_NOMEM.
 * @since 0.1
 */
WSRT_API int wsrt_request_text(wsrt_context *ctx, const wsrt_request *req, const char *slot_cstr,
                               wsrt_span *out);

/** Who may use a route. @since 0.1 */
typedef enum wsrt_access {
    WSRT_ACCESS_ANYONE = 0,
    WSRT_ACCESS_SIGNED_IN = 1, /**< a principal, with the route's groups and scopes if any */
    WSRT_ACCESS_MIN_ = -2147483647 - 1,
    WSRT_ACCESS_MAX_ = 2147483647
} wsrt_access;

/** Bits of wsrt_route.flags. @since 0.1 */
typedef enum wsrt_route_flag {
    WSRT_ROUTE_TWO_WAY = 1, /**< the first reply travels as the response's body */
    WSRT_ROUTE_PING = 2,    /**< its messages keep a connection alive: limited by the scope ping
                                 instead of connection and user, whose budgets they do not spend */
    WSRT_ROUTE_FLAG_MIN_ = -2147483647 - 1,
    WSRT_ROUTE_FLAG_MAX_ = 2147483647
} wsrt_route_flag;

/** One route; copied with its text. @since 0.1 */
typedef struct wsrt_route {
    uint32_t struct_size;        /**< sizeof(wsrt_route) */
    uint32_t flags;              /**< bits of wsrt_route_flag */
    wsrt_span key;               /**< exact; or `$connect`, `$disconnect`, `$default`, `$stream` */
    wsrt_handler handler;        /**< mandatory */
    void *user;                  /**< handed to the handler */
    void (*destroy)(void *user); /**< called with `user` when the runtime is freed; NULL is fine */
    const wsrt_schema *schema; /**< borrowed, outlives the runtime; NULL = the body is not judged */
    wsrt_span any_group;       /**< SIGNED_IN: space-separated, one suffices; empty = any */
    wsrt_span all_scopes;      /**< SIGNED_IN: space-separated, all are needed */
    wsrt_span operation;       /**< an operation of its own in the monitor; empty = none, but that
                                    of `$stream` is "stream_processor" then */
    wsrt_rule rule;            /**< the route's rate; zero = the limiter's */
    int32_t access;            /**< a wsrt_access */
    uint32_t reserved;         /**< 0 */
} wsrt_route;

/* ---- the runtime -------------------------------------------------------------------------- */

/** Bits of wsrt_runtime_options.flags. @since 0.1 */
typedef enum wsrt_runtime_flag {
    WSRT_RUNTIME_DEVELOPER_ERRORS = 1, /**< allow developer errors, with WSRT_EVENT_DEVELOPER */
    WSRT_RUNTIME_NO_LIMITS = 2,        /**< no limiter, not even a given one */
    /** As API Gateway: its own "Forbidden" JSON where there is no route; 50 messages a second, burst
        100, of the stage, by the limiter that is made here; WSRT_MONITOR_RESIDENT_DELTA */
    WSRT_RUNTIME_API_GATEWAY = 4,
    WSRT_RUNTIME_REQUIRE_AUTH = 8,  /**< a CONNECT without a valid token is refused, 401 */
    WSRT_RUNTIME_QUIET_LIMITS = 16, /**< a message refused by the limiter gets no answer */
    WSRT_RUNTIME_ULID = 32,         /**< ids that are made here are ULIDs instead of UUIDs */
    WSRT_RUNTIME_FLAG_MIN_ = -2147483647 - 1,
    WSRT_RUNTIME_FLAG_MAX_ = 2147483647
} wsrt_runtime_flag;

/**
 * What a runtime is made of. Each part may be given (then it is borrowed and outlives the runtime)
 * and has a default (then the runtime owns it); zero = default. @since 0.1
 */
typedef struct wsrt_runtime_options {
    uint32_t struct_size;                    /**< sizeof(wsrt_runtime_options) */
    uint32_t flags;                          /**< bits of wsrt_runtime_flag */
    wsrt_allocator allocator;                /**< zero = libc */
    const wsrt_env *env;                     /**< copied; NULL = defaults */
    const wsrt_store *store;                 /**< copied; NULL = in memory */
    const wsrt_history *history;             /**< copied; NULL = in memory */
    const wsrt_sender *sender;               /**< copied; NULL = set later, or replies only */
    const wsrt_authenticator *authenticator; /**< copied; NULL = nobody can sign in */
    wsrt_breakers *breakers;
    wsrt_limiter *limiter;
    wsrt_monitor *monitor;
    wsrt_span selection; /**< route selection expression; empty = "$request.body.type" */
    wsrt_span node;      /**< this instance's name in records, at most 63 bytes; empty = none */
    /** The default monitor's environment, at most 255 bytes; empty = "dev" */
    wsrt_span environment;
    /** A record's life after the last activity, of transports without sessions; 0 = 600. At
     * least 467: a quarter of it may pass before activity is noted, and clients of API Gateway ping
     * every 330 s. */
    int64_t idle_ttl_s;
    int64_t max_lifetime_s; /**< a record never outlives connect + this; 0 = no such cap */
    uint64_t max_message;   /**< bytes of one message; 0 = 131072 */
    /** Messages of one connection refused by the limiter, none admitted between them, that close it with
     * 1008; 0 = 100, at most 8191, UINT32_MAX = never. Needs a transport with sessions. */
    uint32_t refusals_in_a_row;
    uint32_t refusals_in_window; /**< those that close it with 4429; 0 = off, at most 65535 */
    int64_t
        refusal_window_ms; /**< the window, from its first refusal on; 0 = 10000, at most 86400000 */
    wsrt_resume *resume;   /**< sessions that outlive connections; NULL = none */
} wsrt_runtime_options;

/**
 * Makes a runtime.
 * @param out   NULL on failure; give it back with wsrt_runtime_free()
 * @param opts  NULL = defaults
 * @return WSRT_OK; WSRT_ERR_NOMEM; WSRT_ERR_INVALID (a selection expression that is none, a table
 *         without a mandatory function, a number or text out of its range: the log line
 *         `runtime.setting_refused` names setting and rule); WSRT_ERR_UNSUPPORTED; WSRT_ERR_IO (no
 *         entropy). @since 0.1
 */
WSRT_API int wsrt_runtime_new(wsrt_runtime **out, const wsrt_runtime_options *opts);

/** Frees a runtime and the parts it owns; NULL is fine. No dispatch may be running. @since 0.1 */
WSRT_API void wsrt_runtime_free(wsrt_runtime *rt);

/**
 * Adds a route. On failure `destroy` is not called.
 * @return WSRT_OK; WSRT_ERR_EXISTS (the key); WSRT_ERR_STATE (after the first dispatch);
 *         WSRT_ERR_INVALID (no handler; a key that is empty, longer than 128 bytes, or another with a
 *         `$` in front; an access or a rule that is none; groups or scopes without SIGNED_IN);
 *         WSRT_ERR_UNSUPPORTED; WSRT_ERR_NOMEM. @since 0.1
 */
WSRT_API int wsrt_runtime_route(wsrt_runtime *rt, const wsrt_route *route);

/**
 * Sets where messages to clients go; adapters with a sender of their own call it at start.
 * @param sender  copied; NULL takes it away (a server that ends)
 * @return WSRT_OK; WSRT_ERR_INVALID; WSRT_ERR_EXISTS when there is one. No dispatch may be running.
 * @since 0.1
 */
WSRT_API int wsrt_runtime_set_sender(wsrt_runtime *rt, const wsrt_sender *sender);

/**
 * Handles one event: correlation, route, limits, validation, access, handler, monitor.
 *
 * The runtime itself keeps the connection store: a CONNECT that is accepted is stored, a DISCONNECT
 * removes the record. Errors become envelopes for the client: the response of a CONNECT, a message
 * to the sender's connection otherwise (the response's body on a two-way route or without a sender).
 *
 * A STREAM goes to the route `$stream`, which knows neither rates nor access, since no client sent it:
 * its reply is the response's body, its error an envelope with a status outside 200..299, and 404
 * stands for no such route.
 *
 * An AUTHORIZE asks whether its headers and query would be let in by a CONNECT, without one: 200 and
 * the principal of the token; 401 for no token or a bad one; 403 and the principal when the access of
 * the route `$connect` is not for it; 5xx when the token could not be judged. No handler runs.
 *
 * @param ev       the event
 * @param respond  takes the response, exactly once on WSRT_OK, but for a MESSAGE of a transport with a
 *                 `reply` of its own, which hears of a response only when that has a body; NULL drops
 *                 it
 * @return WSRT_OK when the event was handled, whatever the answer; WSRT_ERR_INVALID for an event
 *         that breaks a rule of wsrt_event; WSRT_ERR_UNSUPPORTED for an AUTHORIZE without an
 *         authenticator, and for members this library does not know that are not zero. Any thread.
 * @since 0.1
 */
WSRT_API int wsrt_runtime_dispatch(wsrt_runtime *rt, const wsrt_event *ev, wsrt_response_fn respond,
                                   void *user);

/**
 * Handler of a route by which clients get and resume sessions (resume.h): add it with the key that they
 * ask by, "resume", and the access that a session takes. The message is
 *
 *     {"type":"resume","data":{"token":"...","last":41},"correlationId":"..."}
 *
 * with empty data for a first session. The answer, which has no number of its own, is
 *
 *     {"type":"session","data":{"resumed":true,"reason":"resumed","token":"...","expires":1795168800000,
 *      "seq":43,"missed":2},"correlationId":"..."}
 *
 * where `reason` is also "new", "expired", "gap" or "unknown", with a session that begins. Then come the
 * messages that were missed, in order. From then on each message to the connection that is a JSON
 * object has the member `seq`; a message of the client whose correlationId the session has had before
 * is dropped. While the client is away its record stays in the store, so that broadcasts reach the
 * session; the connection that the session had until now is closed with 4500.
 *
 * @param user  not used
 * @return WSRT_OK; WSRT_ERR_UNSUPPORTED without sessions or a sender; WSRT_ERR_REJECTED; a status of
 *         wsrt_resume_open() or of the sender. @since 0.1
 */
WSRT_API int wsrt_resume_handler(wsrt_context *ctx, const wsrt_request *req, void *user);

/**
 * When wsrt_runtime_tick() is due next.
 * @return monotonic ns; INT64_MAX when nothing is pending. Any thread. @since 0.1
 */
WSRT_API int64_t wsrt_runtime_next_deadline(wsrt_runtime *rt);

/**
 * Does what time brings: windows, alerts, expiry of dead records. The host calls it.
 * @param now monotonic ns; @param wall Unix ms
 * @return WSRT_OK; WSRT_ERR_INVALID. One thread at a time. @since 0.1
 */
WSRT_API int wsrt_runtime_tick(wsrt_runtime *rt, int64_t now, int64_t wall);

WSRT_API wsrt_monitor *wsrt_runtime_monitor(wsrt_runtime *rt);       /**< never NULL. @since 0.1 */
WSRT_API wsrt_breakers *wsrt_runtime_breakers(wsrt_runtime *rt);     /**< never NULL. @since 0.1 */
WSRT_API wsrt_limiter *wsrt_runtime_limiter(wsrt_runtime *rt);       /**< NULL = none. @since 0.1 */
WSRT_API const wsrt_store *wsrt_runtime_store(wsrt_runtime *rt);     /**< never NULL. @since 0.1 */
WSRT_API const wsrt_history *wsrt_runtime_history(wsrt_runtime *rt); /**< @since 0.1 */
WSRT_API const wsrt_env *wsrt_runtime_env(wsrt_runtime *rt);         /**< never NULL. @since 0.1 */

/* ---- inside a handler --------------------------------------------------------------------- */

WSRT_API wsrt_runtime *wsrt_context_runtime(wsrt_context *ctx);       /**< @since 0.1 */
WSRT_API wsrt_monitor *wsrt_context_monitor(wsrt_context *ctx);       /**< @since 0.1 */
WSRT_API wsrt_breakers *wsrt_context_breakers(wsrt_context *ctx);     /**< @since 0.1 */
WSRT_API const wsrt_store *wsrt_context_store(wsrt_context *ctx);     /**< @since 0.1 */
WSRT_API const wsrt_history *wsrt_context_history(wsrt_context *ctx); /**< @since 0.1 */
/** Where messages go; NULL when the transport has no sender. @since 0.1 */
WSRT_API const wsrt_sender *wsrt_context_sender(wsrt_context *ctx);
/** Writes a line to the log sink, with the correlation id added. @since 0.1 */
WSRT_API void wsrt_context_log(wsrt_context *ctx, int level, const char *event_cstr,
                               const wsrt_field *fields, size_t count);
/** The event's correlation id: taken over, or made at the first call. Never empty. @since 0.1 */
WSRT_API wsrt_span wsrt_context_correlation_id(wsrt_context *ctx);
/** Who is asking; NULL = nobody known. @since 0.1 */
WSRT_API const wsrt_principal *wsrt_context_principal(wsrt_context *ctx);
/** Monotonic ns by which an answer is needed; INT64_MAX = none. @since 0.1 */
WSRT_API int64_t wsrt_context_deadline(wsrt_context *ctx);
/** Unix ms, read once per event. @since 0.1 */
WSRT_API int64_t wsrt_context_wall(wsrt_context *ctx);
/** Memory that lives until the handler returns, aligned for any object; NULL when out. @since 0.1 */
WSRT_API void *wsrt_context_alloc(wsrt_context *ctx, size_t size);

/**
 * Makes a new UUIDv7 as text, or a ULID (WSRT_RUNTIME_ULID).
 * @param out  borrowed from the context's memory
 * @return WSRT_OK; WSRT_ERR_NOMEM; WSRT_ERR_IO (no entropy). @since 0.1
 */
WSRT_API int wsrt_context_new_id(wsrt_context *ctx, wsrt_span *out);

/**
 * Sends a message to the connection that the event came from, of the event's kind (text for text,
 * binary for binary). On any event but a MESSAGE, on a two-way route or without a sender the first
 * reply becomes the response's body and a second one is WSRT_ERR_STATE. Replies of one dispatch keep
 * their order.
 * @return as wsrt_send(). @since 0.1
 */
WSRT_API int wsrt_reply(wsrt_context *ctx, wsrt_span body);

/**
 * Sets the two-way response; the last call wins.
 * @param status  100..599; @param body copied
 * @return WSRT_OK; WSRT_ERR_INVALID; WSRT_ERR_NOMEM. @since 0.1
 */
WSRT_API int wsrt_respond(wsrt_context *ctx, int status, wsrt_span body);

/**
 * Adds a header to the response (CONNECT: `Sec-WebSocket-Protocol`). Text is copied.
 * @return WSRT_OK; WSRT_ERR_INVALID (a name that is no token, CR, LF or NUL); WSRT_ERR_LIMIT (more
 *         than 16); WSRT_ERR_NOMEM. @since 0.1
 */
WSRT_API int wsrt_respond_header(wsrt_context *ctx, wsrt_span name, wsrt_span value);

/**
 * Says which error the client gets when the handler now returns the result.
 *
 *     return wsrt_fail(ctx, WSRT_ERR_NOT_FOUND, "NO_SUCH_ROOM", "This room does not exist");
 *
 * @param status        a negative wsrt_status
 * @param code_cstr     UPPER_SNAKE; NULL = the type's
 * @param message_cstr  public text; NULL = the type's
 * @return `status`; WSRT_ERR_INTERNAL when `status` is not negative. @since 0.1
 */
WSRT_API int wsrt_fail(wsrt_context *ctx, int status, const char *code_cstr,
                       const char *message_cstr);

/**
 * Signs the event's connection in: judges the token, and on success sets the connection's principal
 * for this and all later events. Counted as authentication_jwt_verification.
 * @return WSRT_OK; WSRT_ERR_UNAUTHENTICATED, with the envelope's code set to MISSING_TOKEN,
 *         INVALID_TOKEN or TOKEN_EXPIRED: return it; WSRT_ERR_UNAVAILABLE and the like when it could
 *         not be judged; WSRT_ERR_GONE when the connection has left meanwhile. @since 0.1
 */
WSRT_API int wsrt_authenticate(wsrt_context *ctx, wsrt_span token);

/** A guarded function, or its fallback; returns a wsrt_status. @since 0.1 */
typedef int (*wsrt_call_fn)(wsrt_context *ctx, void *arg);

/**
 * Calls an outside service behind the breaker of (service, operation): permit, call count, `fn`,
 * outcome, error mapping. `fallback` runs when the breaker refuses or `fn` failed, never when its
 * outcome is IGNORED. Statuses of WSRT_OK and above, GONE, and what a service says that is well
 * count as SUCCESS: NOT_FOUND (no such record), EXISTS and REJECTED (by a condition); TIMEOUT,
 * UNAVAILABLE, IO, CORRUPT and THROTTLED as FAILURE; the rest as IGNORED. wsrt_call_outcome()
 * overrides, as for an address that a service does not know (404 of HTTP): that is IGNORED.
 *
 * @param fallback  NULL = none
 * @return `fn`'s or the fallback's status; WSRT_ERR_CIRCUIT_OPEN. @since 0.1
 */
WSRT_API int wsrt_call(wsrt_context *ctx, const char *service_cstr, const char *operation_cstr,
                       wsrt_call_fn fn, wsrt_call_fn fallback, void *arg);

/** Inside wsrt_call()'s `fn`: says the outcome (a wsrt_outcome) itself. @since 0.1 */
WSRT_API void wsrt_call_outcome(wsrt_context *ctx, int outcome);

/* ---- delivery ----------------------------------------------------------------------------- */

/** What became of a delivery; sent + gone + throttled + failed = attempted. @since 0.1 */
typedef struct wsrt_delivery {
    uint32_t struct_size; /**< set by the caller */
    uint32_t flags;       /**< 0 */
    uint64_t attempted;
    uint64_t sent;
    uint64_t gone;      /**< had left; their records are removed */
    uint64_t throttled; /**< too slow to take it, until the deadline */
    uint64_t failed;
} wsrt_delivery;

/** Whom a broadcast reaches; zero = every connection. Text is borrowed. @since 0.1 */
typedef struct wsrt_audience {
    uint32_t struct_size; /**< sizeof(wsrt_audience) */
    int32_t signed_in;    /**< 1 = only connections with a principal */
    wsrt_span user_id;    /**< only this user's; empty = all */
    wsrt_span except;     /**< but not this connection; empty = none */
} wsrt_audience;

/**
 * Sends to one connection. A peer that has left is removed from the store.
 *
 * A peer that is throttled is asked again where the sender lets its caller wait
 * (wsrt_sender_ops.wait), with full jitter (AWS Architecture Blog, "Exponential Backoff And Jitter")
 * and until the post's deadline; so a caller's messages to it keep their order.
 * @return WSRT_OK; WSRT_ERR_GONE; WSRT_ERR_THROTTLED; WSRT_ERR_TOO_LARGE (nothing was sent);
 *         WSRT_ERR_UNSUPPORTED (no sender); others of wsrt_sender_ops. Any thread. @since 0.1
 */
WSRT_API int wsrt_send(wsrt_runtime *rt, wsrt_span connection_id, const wsrt_post *post);

/**
 * Sends to many connections. A peer that is gone, slow or failing never keeps the message from the
 * others; the report tells. Who is throttled is asked again as by wsrt_send(), after the others had
 * the message; one deadline counts for them all.
 * @param to      NULL = every connection
 * @param report  `struct_size` set by the caller; NULL is fine
 * @return WSRT_OK when all were tried; WSRT_ERR_TOO_LARGE, WSRT_ERR_UNSUPPORTED (no sender),
 *         WSRT_ERR_INVALID: nothing was sent; a status of the store when its walk broke off (the
 *         report counts what was done). Any thread. @since 0.1
 */
WSRT_API int wsrt_broadcast(wsrt_runtime *rt, const wsrt_audience *to, const wsrt_post *post,
                            wsrt_delivery *report);

/** Sends to all connections of a user; as wsrt_broadcast(). @since 0.1 */
WSRT_API int wsrt_send_user(wsrt_runtime *rt, wsrt_span user_id, const wsrt_post *post,
                            wsrt_delivery *report);

/** Closes a connection. @return WSRT_OK; WSRT_ERR_GONE; WSRT_ERR_UNSUPPORTED. Any thread.
 *  @since 0.1 */
WSRT_API int wsrt_disconnect(wsrt_runtime *rt, wsrt_span connection_id, int code, wsrt_span reason);

#ifdef __cplusplus
}
#endif
#endif
