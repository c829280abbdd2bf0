/**
 * @file server.h
 * libwsrt-server: a standalone WebSocket server (RFC 6455, HTTP/1.1 upgrade) around a runtime. One
 * level-triggered epoll loop that runs by itself or nests in the host's loop, or several, each in a
 * thread. Signals, stdout and the process belong to the host.
 *
 * Threads: one thread at a time steps, runs, or frees a server; wsrt_server_drain(), _stop(),
 * _reload() and the sender may be used from any thread. Handlers of one connection run one after
 * the other, on the thread of its loop or on workers; with several loops or workers those of
 * different connections run at once, and a `$connect` outlives a client that does not wait for it.
 */
#ifndef WSRT_SERVER_H
#define WSRT_SERVER_H

#include <wsrt/base.h>
#include <wsrt/json.h>
#include <wsrt/runtime.h>
#include <wsrt/sender.h>
#include <wsrt/stream.h>

#ifdef __cplusplus
extern "C" {
#endif

/** A server. @since 0.1 */
typedef struct wsrt_server wsrt_server;

/** Bits of wsrt_server_options.flags. @since 0.1 */
typedef enum wsrt_server_flag {
    WSRT_SERVER_API_GATEWAY =
        1,                     /**< API Gateway's limits: 32 KiB frames, text only, 2 h lifetime */
    WSRT_SERVER_TEXT_ONLY = 2, /**< binary messages are refused with 1003 */
    WSRT_SERVER_INSECURE =
        4, /**< allow a bind that is not loopback: who connects is the host's care */
    WSRT_SERVER_FLAG_MIN_ = -2147483647 - 1,
    WSRT_SERVER_FLAG_MAX_ = 2147483647
} wsrt_server_flag;

/** What happens to a reader slower than its messages. @since 0.1 */
typedef enum wsrt_slow_reader {
    WSRT_SLOW_READER_CLOSE = 1,       /**< queue up to the hard limit, then close with 1008 */
    WSRT_SLOW_READER_DROP_OLDEST = 2, /**< answers and broadcasts stay within the soft limit: the
                                           oldest whole unsent messages are discarded */
    WSRT_SLOW_READER_CONFLATE =
        3, /**< a message with a wsrt_post.key takes the place of the unsent one
                                        of its key; all others as CLOSE */
    WSRT_SLOW_READER_MIN_ = -2147483647 - 1,
    WSRT_SLOW_READER_MAX_ = 2147483647
} wsrt_slow_reader;

/**
 * Who may use the paths that manage: `[/{stage}]/@connections/{id}` of API Gateway's Management API
 * (POST, GET, DELETE), `/metrics`, `/api/...`. @since 0.1
 */
typedef enum wsrt_management {
    WSRT_MANAGEMENT_LOOPBACK = 1, /**< programs of this machine, or of a unix socket, with a trusted
                                       Host: no Origin and no trace of a proxy */
    WSRT_MANAGEMENT_BEARER = 2,   /**< who sends `Authorization: Bearer` with the secret */
    WSRT_MANAGEMENT_OFF = 3,      /**< nobody: these paths answer 404 */
    WSRT_MANAGEMENT_SIGV4 =
        4, /**< who signs with the pair of keys as AWS SDKs do: Signature Version 4
                                    in the Authorization field, service `execute-api`, any region,
                                    with `host`, `x-amz-date` and the body signed, at most 5 min
                                    old. A request can be repeated for as long */
    WSRT_MANAGEMENT_MIN_ = -2147483647 - 1,
    WSRT_MANAGEMENT_MAX_ = 2147483647
} wsrt_management;

/**
 * A fixed document of the host's, such as a page: answered to GET and HEAD of who names a trusted
 * Host, compressed or as it is (RFC 9110, 12.5.3), with an ETag when it has a tag, never inside a
 * frame and never sniffed. All of it is borrowed and outlives the server. @since 0.1
 */
typedef struct wsrt_server_document {
    uint32_t struct_size; /**< sizeof(wsrt_server_document), the same in a whole table */
    uint32_t flags;       /**< 0 */
    wsrt_span path;       /**< "/" or "/name"; exact, and none of the server's own */
    wsrt_span type;       /**< Content-Type, at most 128 bytes; not empty */
    wsrt_span policy; /**< Content-Security-Policy, at most 1024; empty = "default-src 'none'" */
    wsrt_span tag; /**< letters and digits, at most 64, that change with the body; empty = none */
    wsrt_span body;
    wsrt_span gzip; /**< the body compressed by gzip; empty = none */
} wsrt_server_document;

/**
 * Does what a POST to wsrt_server_action.path asks for, on the thread of the
 * connection's loop: it must not wait, and with several loops it may run on some of them at once.
 * @param body    of the request, at most 128 KiB; any bytes
 * @param answer  takes the JSON text of the answer, at most 64 KiB; nothing = no body
 * @return the HTTP status, 200..599; anything else, and an answer that is no JSON, is 500.
 *         @since 0.1
 */
typedef int (*wsrt_server_action_fn)(wsrt_span body, wsrt_json_writer *answer, void *user);

/** A path of the host's that changes something, for who may manage the server and for the server's
 *  own pages. @since 0.1 */
typedef struct wsrt_server_action {
    uint32_t struct_size; /**< sizeof(wsrt_server_action), the same in a whole table */
    uint32_t flags;       /**< 0 */
    wsrt_span path;       /**< "/name", exact, and none of the server's own; borrowed */
    wsrt_server_action_fn run;
    void *user; /**< handed to `run` */
} wsrt_server_action;

/**
 * Adds members to the object that `GET /api/state` answers, on the thread of the loop that was
 * asked, ten times a second at most each; with several loops maybe at once. wsrt_json_key() and a
 * value each. When it leaves no valid JSON, or more than fits, the state goes without its members.
 * @param room  bytes it may write. @since 0.1
 */
typedef void (*wsrt_server_state_fn)(wsrt_json_writer *w, size_t room, void *user);

/** Settings of a server; zero = default, -1 = off where that makes sense. @since 0.1 */
typedef struct wsrt_server_options {
    uint32_t struct_size;     /**< sizeof(wsrt_server_options) */
    uint32_t flags;           /**< bits of wsrt_server_flag */
    wsrt_allocator allocator; /**< zero = libc */
    const wsrt_env *env;      /**< copied; NULL = the runtime's */
    const wsrt_span *listen;  /**< "ADDR:PORT", "[V6]:PORT", "unix:PATH"; "fd:N", a listening socket
                                   that is the server's from here on; NULL = 127.0.0.1:8080 */
    size_t listen_count;      /**< 0 with a pointer = no listener */
    const wsrt_span *hosts;   /**< Host names to trust besides loopback and the listen addresses */
    size_t host_count;
    const wsrt_span *origins; /**< foreign origins to allow; "*" = all */
    size_t origin_count;
    wsrt_span stage;         /**< `/{stage}` is an upgrade path too: at most 128 letters, digits, -
                                  and _; empty = "prod" */
    wsrt_span app;           /**< name shown by /version; empty = none */
    int64_t max_message;     /**< bytes; default 131072 */
    int64_t max_frame;       /**< bytes; default = max_message, 32768 for API Gateway */
    int64_t max_connections; /**< default 90 % of RLIMIT_NOFILE */
    int64_t max_per_ip;      /**< default 256; loopback and trusted proxies are not counted; few
                                  more that are no WebSockets are let in, a sixteenth and 16 */
    int64_t accept_rate;     /**< accepts a second, and burst; default 500; -1 = off */
    int64_t handshake_ms;    /**< accept to 101; default 10000 */
    int64_t idle_ms;         /**< no data message either way; default 600000 */
    int64_t lifetime_ms;     /**< default off, 7200000 for API Gateway */
    int64_t ping_ms;         /**< interval of pings, +-10 %; default 25000; off for API Gateway */
    int64_t pong_ms;         /**< wait for any frame after a ping; default 20000 */
    int64_t keep_alive_ms;   /**< idle HTTP connection, reader of an answer; default 30000 */
    int64_t body_ms;         /**< HTTP request body; default 10000 */
    int64_t message_ms;      /**< one fragmented message; default 30000 */
    int64_t close_ms;        /**< wait for the peer's close frame; default 5000 */
    int64_t stall_ms;        /**< queued bytes, none accepted; default 30000 */
    int64_t drain_ms;        /**< drain at most this long; default 30000 */
    int64_t queue_soft;      /**< unsent bytes of a connection; default 262144 */
    int64_t queue_hard;      /**< default 1048576; not below queue_soft */
    int64_t queue_total;     /**< of all connections; default 268435456 */
    int64_t partial_total;   /**< of all unfinished messages; default 268435456 */
    int32_t slow_reader;     /**< a wsrt_slow_reader; default CLOSE */
    int32_t management;      /**< a wsrt_management; default LOOPBACK */
    int64_t sign_in_ms; /**< nobody has signed in so long after the 101: closed with 4401; default
                             off */
    int64_t
        expired_ms; /**< what remains open after an identity's end, without a new one: closed with
                             4401, at the latest with the next ping; default 60000; -1 = never */
    wsrt_span management_token; /**< secret of WSRT_MANAGEMENT_BEARER; copied */
    wsrt_feed *feed;    /**< sends through this server, which ticks it and takes updates for it at
                          `POST /api/publish`; outlives the server; NULL = none. Who publishes into
                          a feed that coalesces from a thread of its own ticks it there */
    wsrt_span tls_cert; /**< certificate chain: PEM text, or the path of a PEM file; empty = no TLS.
                             Listeners with an address then speak TLS only, unix sockets none */
    wsrt_span tls_key;  /**< its private key, likewise; not encrypted */
    int32_t loops;      /**< 1 to 64; default 1. Several run in threads of wsrt_server_run(), with
                             the signals blocked; the kernel spreads the connections over them */
    int32_t workers;    /**< threads for handlers, up to 256; default 0: they run on the loops. The
                             events of a connection keep their order; of 64 messages or 1 MiB that
                             wait no more is read. A reply is sent with the loop's next turn */
    const wsrt_server_document *documents; /**< of the host, borrowed; at most 64 */
    size_t document_count;
    const wsrt_server_action *actions; /**< of the host, borrowed; at most 64 */
    size_t action_count;
    wsrt_server_state_fn state;       /**< NULL = /api/state is the server's own alone */
    void *state_user;                 /**< handed to `state` */
    const wsrt_span *trusted_proxies; /**< "10.0.0.0/8", "2001:db8::1"; "unix" = who comes by a unix
                                           socket. Whom they name in X-Forwarded-For is the source:
                                           the right-most address there that is no proxy's. With
                                           any, LOOPBACK is OFF but on `admin` */
    size_t trusted_proxy_count;
    const wsrt_span
        *admin; /**< as `listen`, and there alone are the paths that manage; with `listen`
                                 16 at most. Their addresses follow those of `listen` */
    size_t admin_count;
    wsrt_span management_access_key; /**< of WSRT_MANAGEMENT_SIGV4, at most 128 bytes; copied */
    wsrt_span management_secret_key; /**< likewise, at most 1024 bytes */
    void (*pulse)(
        void *user); /**< called on the first loop's thread every `pulse_ms`, as long as all
                                    loops take their turns: for a watchdog. It must not block nor
                                    call the server but for its counters; NULL = none */
    void *pulse_user;
    int64_t pulse_ms; /**< from 100 */
} wsrt_server_options;

/**
 * Binds, listens, and becomes the runtime's sender.
 *
 * @param out   NULL on failure; give it back with wsrt_server_free()
 * @param rt    outlives the server; must have no sender
 * @param opts  NULL = defaults
 * @return WSRT_OK; WSRT_ERR_IO (errno tells: EADDRINUSE, EACCES ...; the log line
 *         `server.listen_failed` says where and why); WSRT_ERR_INVALID (a setting, which
 *         `server.settings_refused` names; a bind that is not loopback without
 *         WSRT_SERVER_INSECURE); WSRT_ERR_EXISTS (the runtime has a sender); WSRT_ERR_NOMEM;
 *         WSRT_ERR_REJECTED (certificate and key: not PEM, no pair, out of their time; the log line
 *         `server.certificate_refused` says which); WSRT_ERR_UNSUPPORTED (flags; TLS in a build
 *         without). @since 0.1
 */
WSRT_API int wsrt_server_new(wsrt_server **out, wsrt_runtime *rt, const wsrt_server_options *opts);

/**
 * Real address of a listener, as "127.0.0.1:40123" or "unix:PATH".
 * @return WSRT_OK; WSRT_ERR_NOT_FOUND (index); WSRT_ERR_LIMIT (`cap`). @since 0.1
 */
WSRT_API int wsrt_server_address(wsrt_server *s, size_t index, char *dst, size_t cap, size_t *len);

/** A descriptor that polls readable when a step is due: nest it in any loop.
 *  @return it; WSRT_ERR_UNSUPPORTED for a server of several loops, which only runs. @since 0.1 */
WSRT_API int wsrt_server_fd(wsrt_server *s);

/** Milliseconds until a step is due for time's sake; -1 = none.
 *  @return them; WSRT_ERR_UNSUPPORTED as wsrt_server_fd(). @since 0.1 */
WSRT_API int wsrt_server_timeout(wsrt_server *s);

/**
 * One turn of the loop; never blocks.
 * @return WSRT_OK; WSRT_ERR_STATE once a drain has ended or after stop: free it; or from inside a
 *         callback; WSRT_ERR_IO; WSRT_ERR_UNSUPPORTED as wsrt_server_fd().
 * @since 0.1
 */
WSRT_API int wsrt_server_step(wsrt_server *s);

/**
 * Runs until a drain has ended or stop is called: the first loop on the calling thread, the others
 * on threads that have ended when it returns.
 * @return WSRT_OK; WSRT_ERR_IO (a thread or a system call was refused: all loops have stopped);
 *         WSRT_ERR_TIMEOUT (a drain has ended, but a handler on a worker still runs:
 *         wsrt_server_free() would wait for it, so end the process); WSRT_ERR_STATE from inside a
 *         callback. @since 0.1
 */
WSRT_API int wsrt_server_run(wsrt_server *s);

/** How to drain; zero = default. @since 0.1 */
typedef struct wsrt_drain_options {
    uint32_t struct_size; /**< sizeof(wsrt_drain_options) */
    uint32_t flags;       /**< 0 */
    int64_t lame_duck_ms; /**< go on accepting this long while /readyz says 503; default 0 */
    int64_t timeout_ms;   /**< then reset what is left; 0 = the server's drain_ms */
} wsrt_drain_options;

/**
 * Ends gracefully: /readyz turns 503, no new connections, close 1012 with `reconnect_ms=N` to all,
 * queues are sent, every `$disconnect` runs. What is left after the timeout is reset; handlers on
 * workers have 5 s more. A handler that blocks a loop, without workers, holds up the drain of that
 * loop. Async-signal-safe.
 * @param opts  NULL = defaults
 * @return WSRT_OK; WSRT_ERR_INVALID. Any thread. @since 0.1
 */
WSRT_API int wsrt_server_drain(wsrt_server *s, const wsrt_drain_options *opts);

/** Makes run() or step() return soon, with connections reset. Async-signal-safe. Any thread.
 *  @since 0.1 */
WSRT_API void wsrt_server_stop(wsrt_server *s);

/**
 * Reads certificate and key again, from the paths the server was made with, in the loop's next
 * turn. They are for the connections to come; open ones keep theirs, and tickets remain valid. What
 * does not match or is out of its time changes nothing. The outcome is logged
 * (`server.certificate_loaded`, `server.certificate_refused` with the reason) and counted.
 * Async-signal-safe. Any thread.
 * @return WSRT_OK; WSRT_ERR_STATE (a server without TLS); WSRT_ERR_INVALID. @since 0.1
 */
WSRT_API int wsrt_server_reload_certificate(wsrt_server *s);

/**
 * Replaces the settings of a running server; no connection is lost. The options are read like those
 * of wsrt_server_new(), whole, zero being the default again: pass all that shall be in force.
 *
 * In force from each loop's next turn on: `hosts`, `origins`, `trusted_proxies`, all sizes, rates
 * and times from `max_message` to `partial_total`, `slow_reader`, `management` with its token and
 * keys, `sign_in_ms`, `expired_ms`, and `tls_cert` with `tls_key`, which are read again even where
 * their paths are the old ones. Deadlines of open connections are judged by the new times at once;
 * who is over a lower limit of connections stays; an open TLS connection keeps its certificate, and
 * tickets remain valid.
 *
 * Only a new server would heed `listen`, `admin`, `loops`, `workers`, `flags`, `stage`, `app`, and
 * whether there is TLS at all: those that differ are named in a log line `server.restart_needed`,
 * level warning. All other members are ignored.
 *
 * What is refused changes nothing at all, is logged (`server.settings_refused`, with the `setting`
 * or what is wrong with the certificate), and is counted in wsrt_server_stats.reloads_refused and
 * `wsrt_reloads_total{result="refused"}`.
 *
 * @param opts  copied; NULL = the host could not make sense of its own file: refused and counted
 * @return WSRT_OK; WSRT_ERR_INVALID (a setting; NULL); WSRT_ERR_REJECTED (certificate and key, as
 *         wsrt_server_new()); WSRT_ERR_UNSUPPORTED (flags); WSRT_ERR_NOMEM. Any thread, inside
 *         callbacks too; not async-signal-safe. @since 0.1
 */
WSRT_API int wsrt_server_reload(wsrt_server *s, const wsrt_server_options *opts);

/**
 * The server as a sender, valid as long as the server. Any thread.
 *
 * What is posted to a connection whose CONNECT is under way, found by its record, follows its 101, up
 * to the limits of its queue and 1,024 messages (WSRT_ERR_THROTTLED beyond); a refusal forgets it. To
 * the CONNECT's own handler, and at `@connections`, the connection is gone until then. @since 0.1
 */
WSRT_API void wsrt_server_sender(wsrt_server *s, wsrt_sender *out);

/** Counters since the start. @since 0.1 */
typedef struct wsrt_server_stats {
    uint32_t struct_size; /**< set by the caller */
    int32_t draining;     /**< 1 while draining */
    uint64_t open;        /**< WebSocket connections now */
    uint64_t opened;
    uint64_t closed;
    uint64_t refused; /**< upgrades answered with an error */
    uint64_t messages_in;
    uint64_t messages_out;
    uint64_t bytes_in;
    uint64_t bytes_out;
    uint64_t queued_bytes;         /**< unsent now */
    uint64_t turns;                /**< turns of the loop */
    uint64_t tls_opened;           /**< TLS handshakes that succeeded */
    uint64_t tls_resumed;          /**< of them, by a ticket */
    uint64_t tls_failed;           /**< that failed, clear text and lost places included */
    uint64_t certificates_loaded;  /**< reloads that succeeded */
    uint64_t certificates_refused; /**< reloads that changed nothing */
    uint64_t reloads;              /**< wsrt_server_reload() that succeeded */
    uint64_t reloads_refused;      /**< wsrt_server_reload() that changed nothing */
} wsrt_server_stats;

/** Reads the counters. @return WSRT_OK; WSRT_ERR_INVALID. Any thread. @since 0.1 */
WSRT_API int wsrt_server_get_stats(wsrt_server *s, wsrt_server_stats *out);

/**
 * Closes everything, runs the outstanding `$disconnect`s, waits for workers however long their
 * handlers take, leaves the runtime without a sender; NULL is fine. On the loop's thread, outside a
 * callback.
 * @since 0.1
 */
WSRT_API void wsrt_server_free(wsrt_server *s);

#ifdef __cplusplus
}
#endif
#endif
