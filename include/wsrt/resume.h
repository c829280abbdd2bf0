/**
 * @file resume.h
 * Sessions that outlive a connection: messages to a client are numbered and the last ones kept, so that
 * a client that comes back with its token and the number it has seen last is told what it missed, in
 * order, or honestly that this cannot be done. A client's own messages that it sends again are known by
 * their ids.
 *
 *     wsrt_resume *sessions;
 *     wsrt_resume_new(&sessions, NULL);
 *     runtime_options.resume = sessions;
 *     wsrt_runtime_route(rt, &(wsrt_route){.struct_size = sizeof(wsrt_route),
 *                                          .key = wsrt_span_cstr("resume"),
 *                                          .handler = wsrt_resume_handler,
 *                                          .access = WSRT_ACCESS_SIGNED_IN});
 *
 * With a runtime these are the only calls an application needs; the others are for hosts without one.
 * Sessions are in the memory of this process and end with it; time is the environment's.
 *
 * A token is 76 characters of base64url: version, session, its number when it was made, a hash of the
 * user, the token's end, and a tag by SipHash-2-4-128 (Aumasson and Bernstein, 2012) over these under
 * a random key of the table.
 */
#ifndef WSRT_RESUME_H
#define WSRT_RESUME_H

#include <wsrt/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Sessions of many clients; thread-safe. @since 0.1 */
typedef struct wsrt_resume wsrt_resume;

/** Options; zero = default. @since 0.1 */
typedef struct wsrt_resume_options {
    uint32_t struct_size;     /**< sizeof(wsrt_resume_options) */
    uint32_t flags;           /**< 0 */
    wsrt_allocator allocator; /**< zero = libc */
    const wsrt_env *env;      /**< now, wall, random; copied; NULL = defaults */
    uint32_t max_sessions;    /**< live and waiting; 0 = 10000, at most 10000000 */
    uint32_t max_messages;    /**< kept a session; 0 = 100, at most 10000 */
    uint64_t max_bytes;       /**< kept a session; 0 = 65536 */
    int64_t wait_ms;          /**< that a session lasts without a connection; 0 = 120000 */
    int64_t token_ms;         /**< that a token lasts; 0 = 86400000 */
} wsrt_resume_options;

/**
 * Makes a table of sessions.
 * @param out   NULL on failure; give it back with wsrt_resume_free()
 * @param opts  NULL = defaults
 * @return WSRT_OK; WSRT_ERR_NOMEM; WSRT_ERR_IO (no entropy); WSRT_ERR_INVALID (a number out of
 *         range); WSRT_ERR_UNSUPPORTED. Any thread. @since 0.1
 */
WSRT_API int wsrt_resume_new(wsrt_resume **out, const wsrt_resume_options *opts);

/** Drops all sessions; NULL is fine. Nothing may be using them. @since 0.1 */
WSRT_API void wsrt_resume_free(wsrt_resume *r);

/** Why a session could not be resumed. @since 0.1 */
typedef enum wsrt_resume_reason {
    WSRT_RESUME_RESUMED = 0,
    WSRT_RESUME_NEW = 1,     /**< no token was given */
    WSRT_RESUME_EXPIRED = 2, /**< the token, the wait or the session itself is over */
    WSRT_RESUME_GAP = 3,     /**< what the client missed is no longer kept */
    WSRT_RESUME_UNKNOWN = 4, /**< not ours: forged, of another user, server or life of this one */
    WSRT_RESUME_REASON_MIN_ = -2147483647 - 1,
    WSRT_RESUME_REASON_MAX_ = 2147483647
} wsrt_resume_reason;

/** Who asks for a session. @since 0.1 */
typedef struct wsrt_resume_request {
    uint32_t struct_size;    /**< sizeof(wsrt_resume_request) */
    uint32_t flags;          /**< 0 */
    wsrt_span connection_id; /**< 1 to 128 bytes */
    wsrt_span user_id;       /**< empty = nobody has signed in */
    wsrt_span token;         /**< of the session before; empty = none */
    uint64_t last;           /**< number up to which the client has every message; 0 = none */
} wsrt_resume_request;

/** What became of it. @since 0.1 */
typedef struct wsrt_resume_result {
    uint32_t struct_size;        /**< set by the caller */
    int32_t reason;              /**< a wsrt_resume_reason */
    uint64_t seq;                /**< number of the newest message of the session */
    uint64_t missed;             /**< messages that wsrt_resume_replay() will send */
    int64_t expires;             /**< Unix ms: end of the token */
    char token[80];              /**< 76 characters and a NUL */
    char old_connection_id[136]; /**< that the session, or the one it replaces, had until now, and a
                                      NUL; empty = none */
} wsrt_resume_result;

/**
 * Gives a connection a session: that of its token when this can be resumed, else a new one. Either
 * holds back what is posted to it until wsrt_resume_replay(), for the client is to hear of its session
 * first. From here until then nothing that it missed is given up for newer messages. A session that the
 * connection had before ends, and so does one found with a gap.
 *
 * @param out  written on WSRT_OK
 * @return WSRT_OK; WSRT_ERR_LIMIT (max_sessions); WSRT_ERR_NOMEM; WSRT_ERR_IO (no entropy);
 *         WSRT_ERR_INVALID; WSRT_ERR_UNSUPPORTED. Any thread. @since 0.1
 */
WSRT_API int wsrt_resume_open(wsrt_resume *r, const wsrt_resume_request *request,
                              wsrt_resume_result *out);

/**
 * Sends one text message to a connection.
 * @return WSRT_OK; WSRT_ERR_GONE when it is not open; any other negative status. @since 0.1
 */
typedef int (*wsrt_resume_send_fn)(const wsrt_span *connection_id, wsrt_span message, void *user);

/**
 * Once the client has been told of its session: sends what it missed, in order, and what was posted
 * meanwhile; then posts go their straight way. Does nothing for any other connection.
 *
 * @param send  called under no lock
 * @return WSRT_OK; WSRT_ERR_INVALID; `send`'s status: the rest waits for the client to resume again.
 *         Any thread. @since 0.1
 */
WSRT_API int wsrt_resume_replay(wsrt_resume *r, wsrt_span connection_id, wsrt_resume_send_fn send,
                                void *user);

/**
 * Numbers a message to a client, keeps it and sends it. While the session waits it is only kept. Of
 * several threads one sends at a time, in the order of the numbers; the others wait.
 *
 * @param message  a JSON object as text; it gets the member `seq`, its number, from 1
 * @param send     called at most once, under no lock; it does not post to this connection itself
 * @return WSRT_OK: sent or kept; WSRT_ERR_NOT_FOUND: the connection has no session, nothing was done;
 *         WSRT_ERR_INVALID (NULL, or no object); WSRT_ERR_TOO_LARGE (it cannot be kept, and the
 *         client is away); WSRT_ERR_THROTTLED (the client is being told what it missed, and there is
 *         no room for more: it has no number); WSRT_ERR_NOMEM; `send`'s status, but after
 *         WSRT_ERR_GONE the session waits with the message. Any thread. @since 0.1
 */
WSRT_API int wsrt_resume_post(wsrt_resume *r, wsrt_span connection_id, wsrt_span message,
                              wsrt_resume_send_fn send, void *user);

/**
 * Whether a message of a client is new. Each session remembers the ids of the last 128.
 * @param id  the client's own; empty is always new
 * @return WSRT_OK (new, or the connection has no session); WSRT_ERR_EXISTS; WSRT_ERR_INVALID. Any
 *         thread. @since 0.1
 */
WSRT_API int wsrt_resume_received(wsrt_resume *r, wsrt_span connection_id, wsrt_span id);

/**
 * A connection has closed. Its session waits for the client, or ends after a code with which a client
 * does not come back (1000 to 1003, 1007 to 1009, 4000 and above but for 4401).
 * @return 1 when the session waits: posts to the connection are still taken; else 0. Any thread.
 * @since 0.1
 */
WSRT_API int wsrt_resume_closed(wsrt_resume *r, wsrt_span connection_id, int code);

/** Ends the session of a connection whose user is not this one. Any thread. @since 0.1 */
WSRT_API void wsrt_resume_signed_in(wsrt_resume *r, wsrt_span connection_id, wsrt_span user_id);

/**
 * Ends the sessions whose wait is over.
 * @param ended  called with the connection each of them had, under no lock; NULL is fine
 * @return when it is due next, monotonic ns; INT64_MAX = no session waits. Any thread. @since 0.1
 */
WSRT_API int64_t wsrt_resume_tick(wsrt_resume *r,
                                  void (*ended)(wsrt_span connection_id, void *user), void *user);

/** Counts of a table. @since 0.1 */
typedef struct wsrt_resume_stats {
    uint32_t struct_size; /**< set by the caller */
    uint32_t flags;       /**< 0 */
    uint64_t live;        /**< sessions with a connection now */
    uint64_t waiting;     /**< sessions without one */
    uint64_t bytes;       /**< of messages kept now */
    uint64_t resumed;     /**< since the start, as the rest */
    uint64_t expired;     /**< refused as WSRT_RESUME_EXPIRED */
    uint64_t gaps;        /**< refused as WSRT_RESUME_GAP */
    uint64_t unknown;     /**< refused as WSRT_RESUME_UNKNOWN */
    uint64_t replayed;    /**< messages sent by wsrt_resume_replay() */
    uint64_t duplicates;  /**< messages of clients that were not new */
} wsrt_resume_stats;

/** Reads the counts. @return WSRT_OK; WSRT_ERR_INVALID. Any thread. @since 0.1 */
WSRT_API int wsrt_resume_get_stats(wsrt_resume *r, wsrt_resume_stats *out);

#ifdef __cplusplus
}
#endif
#endif
