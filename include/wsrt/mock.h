/**
 * @file mock.h
 * libwsrt-mock: what a test of a handler needs, in one object: a clock that stands still, randomness
 * with a seed, a log sink and a sender that record, stores that fail on request.
 *
 *     wsrt_mock *m; wsrt_runtime *rt;
 *     wsrt_mock_new(&m, NULL);
 *     wsrt_mock_runtime(&rt, m, NULL);
 *     my_routes(rt);
 *     wsrt_mock_connect(m, rt, "c1", NULL);
 *     wsrt_mock_message(m, rt, "c1", "{\"type\":\"ping\",\"data\":{\"action\":\"now\"}}");
 *     assert(strstr(wsrt_mock_last(m, "c1"), "pong") != NULL);
 *     wsrt_runtime_free(rt); wsrt_mock_free(m);
 *
 * A mock is an ordinary implementation of wsrt_env, wsrt_sender, wsrt_store and wsrt_history: it
 * works with a runtime of any options, or without a runtime.
 *
 * Threads: every function may be called from any thread, except wsrt_mock_free() and
 * wsrt_mock_clear(), which nothing may run beside. Ids and texts are copied. What is handed out
 * stays valid until wsrt_mock_clear() or wsrt_mock_free().
 */
#ifndef WSRT_MOCK_H
#define WSRT_MOCK_H

#include <wsrt/base.h>
#include <wsrt/json.h>
#include <wsrt/runtime.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Clock, randomness, recorder and fault plan of one test. @since 0.1 */
typedef struct wsrt_mock wsrt_mock;

/** Settings of a mock; zero = default. @since 0.1 */
typedef struct wsrt_mock_options {
    uint32_t struct_size;     /**< sizeof(wsrt_mock_options) */
    uint32_t flags;           /**< 0 */
    wsrt_allocator allocator; /**< zero = libc */
    uint64_t seed;            /**< of the randomness; the same seed gives the same bytes */
    int64_t now;              /**< monotonic ns at the start; 0 = 1000000000 */
    int64_t wall;             /**< Unix ms at the start; 0 = 1795168800000, 2026-11-20 10:00 UTC */
    uint64_t max_post;        /**< bytes a connection takes, more is TOO_LARGE; 0 = 131072 */
} wsrt_mock_options;

/**
 * Makes a mock with no connection and nothing recorded.
 * @param out   NULL on failure; give it back with wsrt_mock_free()
 * @param opts  NULL = defaults
 * @return WSRT_OK; WSRT_ERR_NOMEM; WSRT_ERR_INVALID (a negative time, a wrong size);
 *         WSRT_ERR_UNSUPPORTED. @since 0.1
 */
WSRT_API int wsrt_mock_new(wsrt_mock **out, const wsrt_mock_options *opts);

/** Frees a mock with everything it recorded; NULL is fine. Free runtimes that use it before.
 *  @since 0.1 */
WSRT_API void wsrt_mock_free(wsrt_mock *m);

/* ---- its parts ---------------------------------------------------------------------------- */

/**
 * Makes a runtime on the mock: what `opts` leaves out of env and sender is the mock's, and store and
 * history (the given ones, else the mock's own in memory) go through wsrt_mock_store() and
 * wsrt_mock_history().
 * @param out   NULL on failure; give it back with wsrt_runtime_free(), before the mock
 * @param opts  NULL = defaults; never changed
 * @return as wsrt_runtime_new(), wsrt_mock_store() and wsrt_mock_history(). @since 0.1
 */
WSRT_API int wsrt_mock_runtime(wsrt_runtime **out, wsrt_mock *m, const wsrt_runtime_options *opts);

/**
 * The mock as an environment. Time moves by wsrt_mock_advance() only; CPU time and resident size are
 * unknown (-1); log lines are recorded. Valid as long as the mock. Never fails. @since 0.1
 */
WSRT_API void wsrt_mock_env(wsrt_mock *m, wsrt_env *out);

/**
 * The mock as a sender. A post to a connection that is not open is WSRT_ERR_GONE; text that is not
 * UTF-8 is WSRT_ERR_INVALID; every attempt is recorded. Waiting for a throttled peer moves the clocks
 * on. Valid as long as the mock. Never fails.
 * @since 0.1
 */
WSRT_API void wsrt_mock_sender(wsrt_mock *m, wsrt_sender *out);

/**
 * A connection store that does what `inner` does until wsrt_mock_fail() says otherwise. Functions
 * that `inner` lacks stay missing.
 * @param inner  borrowed object, copied table, outlives the mock; NULL = the mock's own in memory
 * @return WSRT_OK; WSRT_ERR_EXISTS (another store is wrapped already); WSRT_ERR_INVALID (no table);
 *         WSRT_ERR_NOMEM. @since 0.1
 */
WSRT_API int wsrt_mock_store(wsrt_mock *m, const wsrt_store *inner, wsrt_store *out);

/** The same for a message history. @since 0.1 */
WSRT_API int wsrt_mock_history(wsrt_mock *m, const wsrt_history *inner, wsrt_history *out);

/* ---- what the test decides ---------------------------------------------------------------- */

/**
 * Moves both clocks on. Fires nothing by itself: call wsrt_runtime_tick() where that matters.
 * @param ns  nanoseconds, not negative
 * @return WSRT_OK; WSRT_ERR_INVALID. @since 0.1
 */
WSRT_API int wsrt_mock_advance(wsrt_mock *m, int64_t ns);

/**
 * Opens a connection for the sender, or closes it as a peer that left without a word does. Events
 * do it by themselves: an accepted CONNECT opens, a DISCONNECT closes.
 * @param open  1 or 0; opening again only resets what wsrt_mock_script() said
 * @return WSRT_OK; WSRT_ERR_INVALID (the id); WSRT_ERR_NOMEM. @since 0.1
 */
WSRT_API int wsrt_mock_open(wsrt_mock *m, const char *id_cstr, int open);

/**
 * Says what posts to an open connection answer.
 * @param status  a wsrt_status; WSRT_OK takes the script back
 * @param times   so many posts; 0 = all that follow. After WSRT_ERR_GONE the connection is closed
 * @return WSRT_OK; WSRT_ERR_NOT_FOUND (no such connection); WSRT_ERR_INVALID. @since 0.1
 */
WSRT_API int wsrt_mock_script(wsrt_mock *m, const char *id_cstr, int status, uint64_t times);

/** What can be made to fail. @since 0.1 */
typedef enum wsrt_mock_part {
    WSRT_MOCK_STORE = 1,   /**< functions of wsrt_mock_store() */
    WSRT_MOCK_HISTORY = 2, /**< functions of wsrt_mock_history() */
    WSRT_MOCK_RANDOM = 3,  /**< env.random */
    WSRT_MOCK_PART_MIN_ = -2147483647 - 1,
    WSRT_MOCK_PART_MAX_ = 2147483647
} wsrt_mock_part;

/**
 * Makes one call of a part fail, without reaching what it wraps.
 * @param part    a wsrt_mock_part
 * @param nth     1 = the next call, 2 = the one after it …; 0 = nothing fails any more
 * @param status  what the call answers; negative
 * @param sticky  1 = all later calls fail too
 * @return WSRT_OK; WSRT_ERR_INVALID. @since 0.1
 */
WSRT_API int wsrt_mock_fail(wsrt_mock *m, int part, uint64_t nth, int status, int sticky);

/**
 * Makes each call of a part take time: the clocks move on by so much before it.
 * @param part  WSRT_MOCK_STORE or WSRT_MOCK_HISTORY
 * @param ns    0 = none any more
 * @return WSRT_OK; WSRT_ERR_INVALID. @since 0.1
 */
WSRT_API int wsrt_mock_delay(wsrt_mock *m, int part, int64_t ns);

/* ---- events ------------------------------------------------------------------------------- */

/**
 * Fills an event as a transport would: kind, id, body, source 192.0.2.1, the mock's time; a DISCONNECT
 * has code 1000. Change what the test is about, then wsrt_mock_dispatch() it.
 * @param ev         overwritten; borrows `id_cstr` and `body_cstr`
 * @param kind       a wsrt_event_kind
 * @param body_cstr  NULL = none
 * @return WSRT_OK; WSRT_ERR_INVALID. @since 0.1
 */
WSRT_API int wsrt_mock_event(wsrt_mock *m, wsrt_event *ev, int kind, const char *id_cstr,
                             const char *body_cstr);

/**
 * Dispatches an event and records its response. A CONNECT answered with 200..299 opens the
 * connection, a DISCONNECT closes it before the handler runs, as on every transport.
 * @return the response's HTTP status, 100..599; or the negative status of
 *         wsrt_runtime_dispatch(); WSRT_ERR_NOMEM when the response could not be recorded.
 * @since 0.1
 */
WSRT_API int wsrt_mock_dispatch(wsrt_mock *m, wsrt_runtime *rt, const wsrt_event *ev);

/** One call for a CONNECT, with `token_cstr` as query parameter `token` (NULL = none); returns as
 *  wsrt_mock_dispatch(). @since 0.1 */
WSRT_API int wsrt_mock_connect(wsrt_mock *m, wsrt_runtime *rt, const char *id_cstr,
                               const char *token_cstr);

/** One call for a text MESSAGE; returns as wsrt_mock_dispatch(). @since 0.1 */
WSRT_API int wsrt_mock_message(wsrt_mock *m, wsrt_runtime *rt, const char *id_cstr,
                               const char *json_cstr);

/** One call for a DISCONNECT; returns as wsrt_mock_dispatch(). @since 0.1 */
WSRT_API int wsrt_mock_disconnect(wsrt_mock *m, wsrt_runtime *rt, const char *id_cstr, int code);

/** One call for a STREAM, with the JSON of its records; returns as wsrt_mock_dispatch(), and the answer's
 *  body is in the RESPONSE recorded. @since 0.1 */
WSRT_API int wsrt_mock_stream(wsrt_mock *m, wsrt_runtime *rt, const char *json_cstr);

/**
 * Dispatches events written as JSON: one object, or an array of them, in order.
 *
 *     {"kind":"connect","connectionId":"c1","query":{"token":"t"},"headers":{"Origin":"https://a"}}
 *     {"kind":"message","connectionId":"c1","body":{"type":"ping","data":{"action":"now"}}}
 *     {"kind":"disconnect","connectionId":"c1","disconnectCode":1001,"disconnectReason":"bye"}
 *
 * `kind` (connect, message, disconnect, stream, authorize) is mandatory; what else is left out is as
 * wsrt_mock_event() has it. `body` is a string, or any JSON, which is handed on as it is written.
 * Further members: requestId, correlationId, routeKey, stage, domain, sourceIp, userAgent,
 * connectedAt, binary, developer, and principal (userId, username, email, groups, scopes, expiresAt).
 *
 * @param json  borrowed during the call
 * @param why   the place and the rule, when what comes back is negative; NULL is fine
 * @return the HTTP status of the last event, WSRT_OK for no event; WSRT_ERR_MALFORMED and
 *         WSRT_ERR_LIMIT of wsrt_json_parse(); WSRT_ERR_REJECTED: an event breaks a rule of this
 *         form; a status of wsrt_mock_dispatch(): those before it have been dispatched;
 *         WSRT_ERR_NOMEM; WSRT_ERR_INVALID. @since 0.1
 */
WSRT_API int wsrt_mock_play(wsrt_mock *m, wsrt_runtime *rt, wsrt_span json, wsrt_json_error *why);

/**
 * The same from a file of at most 32 MiB.
 * @return as wsrt_mock_play(); WSRT_ERR_NOT_FOUND (no such file); WSRT_ERR_IO; WSRT_ERR_TOO_LARGE.
 *         @since 0.1
 */
WSRT_API int wsrt_mock_play_file(wsrt_mock *m, wsrt_runtime *rt, const char *path_cstr,
                                 wsrt_json_error *why);

/* ---- a world ------------------------------------------------------------------------------ */

/** A world of virtual clients: each connects, says its messages with pauses in between, may be lost and
 *  come back, and leaves. Zero = default. @since 0.1 */
typedef struct wsrt_mock_world {
    uint32_t struct_size; /**< sizeof(wsrt_mock_world) */
    uint32_t lost;     /**< of 1000 messages, before so many the connection is lost, and comes back
                                 after a pause; at most 900 */
    uint64_t seed;     /**< of every choice: the same seed is the same world */
    uint64_t clients;  /**< 0 = 10, at most 100000; their ids are `client-000000` and so on */
    uint64_t messages; /**< of each; 0 = 10 */
    int64_t ramp;      /**< ns within which all of them connect; 0 = 1 s, at most a day */
    int64_t pause;     /**< ns between two messages on average; 0 = 1 s, at most a day */
    const char *token_cstr; /**< at connect; NULL = none */
    /** Writes what a client says: `turn` counts from 0, `random` is fresh. Its length; 0 = nothing.
     *  Mandatory. */
    size_t (*say)(void *user, uint64_t client, uint64_t turn, uint64_t random, char *dst,
                  size_t cap);
    /** Takes each message that a client was sent; NULL = nobody listens. */
    void (*hear)(void *user, uint64_t client, const char *data, size_t len);
    void *user;        /**< handed to both */
    uint32_t flags;    /**< 0 */
    uint32_t reserved; /**< 0 */
} wsrt_mock_world;

/** How a world went. @since 0.1 */
typedef struct wsrt_mock_world_report {
    uint32_t struct_size; /**< set by the caller */
    uint32_t flags;       /**< 0 */
    uint64_t connects;
    uint64_t refused;
    uint64_t messages; /**< said */
    uint64_t heard;    /**< posts that arrived */
    uint64_t disconnects;
    uint64_t lost;  /**< of them */
    uint64_t trace; /**< a hash of everything that was recorded, in order */
    int64_t lasted; /**< ns of virtual time */
} wsrt_mock_world_report;

/**
 * Runs a world against a runtime, without sockets and in virtual time, until every client has left. The
 * runtime's deadlines are kept. Deterministic: same seed, options and handlers, same trace.
 *
 * @param rt      of wsrt_mock_runtime(), with its routes
 * @param report  NULL is fine
 * @return WSRT_OK; WSRT_ERR_INVALID; WSRT_ERR_UNSUPPORTED; WSRT_ERR_NOMEM; a status of
 *         wsrt_mock_dispatch(). One thread. @since 0.1
 */
WSRT_API int wsrt_mock_world_run(wsrt_mock *m, wsrt_runtime *rt, const wsrt_mock_world *world,
                                 wsrt_mock_world_report *report);

/* ---- what happened ------------------------------------------------------------------------ */

/** What a record tells of. @since 0.1 */
typedef enum wsrt_mock_kind {
    WSRT_MOCK_POST = 1,       /**< a message to a connection */
    WSRT_MOCK_DISCONNECT = 2, /**< a connection closed through the sender */
    WSRT_MOCK_RESPONSE = 3,   /**< the response of an event */
    WSRT_MOCK_LOG = 4,        /**< a log line */
    WSRT_MOCK_KIND_MIN_ = -2147483647 - 1,
    WSRT_MOCK_KIND_MAX_ = 2147483647
} wsrt_mock_kind;

/** One thing that happened. Text is NUL-terminated behind its length. @since 0.1 */
typedef struct wsrt_mock_record {
    uint32_t struct_size; /**< sizeof(wsrt_mock_record), set by the caller */
    uint32_t flags;       /**< POST: wsrt_post's; RESPONSE: wsrt_response's */
    int32_t kind;         /**< a wsrt_mock_kind */
    int32_t status;       /**< POST, DISCONNECT: what the sender answered; RESPONSE: HTTP status */
    int32_t code;         /**< DISCONNECT: close code; LOG: a wsrt_level */
    uint32_t reserved;    /**< 0 */
    int64_t now;          /**< monotonic ns */
    wsrt_span connection_id;  /**< empty for LOG */
    wsrt_span data;           /**< message, close reason, body, or the log line's event */
    const wsrt_pair *headers; /**< RESPONSE */
    size_t header_count;
    const wsrt_field *fields; /**< LOG */
    size_t field_count;
} wsrt_mock_record;

/** How many things of a kind happened; 0 counts all kinds. @since 0.1 */
WSRT_API size_t wsrt_mock_count(wsrt_mock *m, int kind);

/**
 * Reads a record.
 * @param kind   a wsrt_mock_kind; 0 = any
 * @param index  among those of the kind, from 0, in the order they happened
 * @return WSRT_OK; WSRT_ERR_NOT_FOUND; WSRT_ERR_INVALID (`out`'s size). @since 0.1
 */
WSRT_API int wsrt_mock_get(wsrt_mock *m, int kind, size_t index, wsrt_mock_record *out);

/** The newest message that a connection took, NUL-terminated; "" = none yet. @since 0.1 */
WSRT_API const char *wsrt_mock_last(wsrt_mock *m, const char *id_cstr);

/** Forgets what was recorded; connections, scripts and clocks stay. @since 0.1 */
WSRT_API void wsrt_mock_clear(wsrt_mock *m);

#ifdef __cplusplus
}
#endif
#endif
