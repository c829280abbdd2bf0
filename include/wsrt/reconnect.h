/**
 * @file reconnect.h
 * When a client pings, when it gives a connection up, moves to a new one before the old one's time is
 * over, and how long it waits before it tries again: a state machine without a socket, a clock or a
 * lock. Delays have full jitter, so that ten thousand clients that lose their server together do not
 * come back together (Brooker, "Exponential Backoff And Jitter", 2015).
 *
 * The machine says what to do; the host does it and reports. tests/vectors/reconnect.json holds the
 * same rules as data, for machines in other languages.
 */
#ifndef WSRT_RECONNECT_H
#define WSRT_RECONNECT_H

#include <wsrt/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Where the server stands. @since 0.1 */
typedef enum wsrt_reconnect_profile {
    /** wsrt's own server, which pings every 25 s: after 45 s of silence the client asks, once, and
     *  waits 20 s. No handover: the server says when (close 1012). */
    WSRT_RECONNECT_STANDALONE = 1,
    /** API Gateway, which ends a connection after 10 idle minutes and after 2 hours: the client asks
     *  after 300 s of silence, waits 10 s, asks once more; moves over after 110 +-5 minutes. */
    WSRT_RECONNECT_GATEWAY = 2,
    WSRT_RECONNECT_PROFILE_MIN_ = -2147483647 - 1,
    WSRT_RECONNECT_PROFILE_MAX_ = 2147483647
} wsrt_reconnect_profile;

/** Options; zero = the profile's value. Times are ns, at most 24 hours, and count in whole ms.
 *  @since 0.1 */
typedef struct wsrt_reconnect_options {
    uint32_t struct_size;    /**< sizeof(wsrt_reconnect_options) */
    uint32_t flags;          /**< 0 */
    int32_t profile;         /**< a wsrt_reconnect_profile; 0 = STANDALONE */
    uint32_t seed;           /**< unlike that of other clients; best random */
    int64_t base_delay;      /**< most before the first attempt; 2 s */
    int64_t max_delay;       /**< most before any; 20 s */
    int64_t stable;          /**< uptime after which attempts count from 0 again; 5 s */
    int64_t ping_interval;   /**< silence before a ping, +-10 %; 300 s or 45 s */
    int64_t pong_wait;       /**< 10 s or 20 s */
    int64_t handover_after;  /**< 110 minutes, or never */
    int64_t handover_spread; /**< +-; 5 minutes; less than handover_after */
} wsrt_reconnect_options;

/** One client's machine, in the caller's memory; one thread at a time. Members are private.
 *  @since 0.1 */
typedef struct wsrt_reconnect {
    int64_t base_delay;
    int64_t max_delay;
    int64_t stable;
    int64_t ping_interval;
    int64_t pong_wait;
    int64_t handover_after;
    int64_t handover_spread;
    int64_t opened_at;
    int64_t ping_at;
    int64_t pong_by;
    int64_t handover_at;
    uint32_t random;
    uint32_t state;
    uint32_t attempt;
    uint32_t pings;   /* without an answer */
    uint32_t repeats; /* pings after the first */
    uint32_t reserved;
} wsrt_reconnect;

/** What the host does next. @since 0.1 */
typedef enum wsrt_reconnect_action {
    WSRT_RECONNECT_NOTHING = 0, /**< wait for the next deadline */
    WSRT_RECONNECT_PING = 1,    /**< send `ping` */
    WSRT_RECONNECT_DEAD = 2,    /**< drop the connection, then report it closed with 1006 */
    WSRT_RECONNECT_HANDOVER =
        3,                    /**< open a new connection beside this one, resume, report it opened,
                                      close the old one without a report; said again each minute until
                                      the new one is opened */
    WSRT_RECONNECT_RETRY = 4, /**< connect after the delay */
    WSRT_RECONNECT_REFRESH = 5, /**< get a new token, then connect at once */
    WSRT_RECONNECT_STOP = 6,    /**< do not connect; tell the user */
    WSRT_RECONNECT_ACTION_MIN_ = -2147483647 - 1,
    WSRT_RECONNECT_ACTION_MAX_ = 2147483647
} wsrt_reconnect_action;

/**
 * Starts a machine; not connected yet.
 * @return WSRT_OK; WSRT_ERR_INVALID (NULL, an unknown profile, a time out of range, a spread as long
 *         as handover_after, a wrong size); WSRT_ERR_UNSUPPORTED (a flag, an unknown option).
 *         @since 0.1
 */
WSRT_API int wsrt_reconnect_init(wsrt_reconnect *r, const wsrt_reconnect_options *opts);

/** The connection is open: the WebSocket handshake succeeded. @param now monotonic ns. @since 0.1 */
WSRT_API void wsrt_reconnect_opened(wsrt_reconnect *r, int64_t now);

/** Something arrived: a message, a pong, a protocol ping. @param now monotonic ns. @since 0.1 */
WSRT_API void wsrt_reconnect_heard(wsrt_reconnect *r, int64_t now);

/** We are closing for good: whatever closes next, the answer is STOP. @since 0.1 */
WSRT_API void wsrt_reconnect_leave(wsrt_reconnect *r);

/** How a connection, or the attempt at one, ended. @since 0.1 */
typedef struct wsrt_reconnect_close {
    uint32_t struct_size; /**< sizeof(wsrt_reconnect_close) */
    int32_t code;     /**< close code; 1006 without one; the HTTP status of a refused handshake */
    wsrt_span reason; /**< of the close frame; `reconnect_ms=N` is a hint */
    int64_t hint_ms;  /**< retryAfter of the last envelope, told once; 0 = none; at most an hour */
} wsrt_reconnect_close;

/**
 * The connection is closed, or could not be opened. Codes 1002, 1003, 1007, 1008, 1009, 4403, 4404
 * and 4500..4599 stop; 4401 and HTTP 401 refresh the token once, then stop; all others retry. Delay
 * before attempt a, from 0: U(0, min(max_delay, base_delay * 2^a)); with a hint (of the reason, else
 * hint_ms) hint + U(0, hint / 2); after 1012 without one U(0, 10 s).
 *
 * @param now    monotonic ns
 * @param why    size-first
 * @param delay  ns; 0 unless the answer is RETRY; written when the answer is not negative
 * @return WSRT_RECONNECT_RETRY, _REFRESH or _STOP; WSRT_ERR_INVALID (NULL, a wrong size);
 *         WSRT_ERR_UNSUPPORTED: nothing changed. @since 0.1
 */
WSRT_API int wsrt_reconnect_closed(wsrt_reconnect *r, int64_t now, const wsrt_reconnect_close *why,
                                   int64_t *delay);

/**
 * The network is back while a retry waits: it may be shortened to this.
 * @return ns, U(0, 1 s). @since 0.1
 */
WSRT_API int64_t wsrt_reconnect_online(wsrt_reconnect *r);

/**
 * Time passes. Call it at the deadline that the last call gave, or earlier; and again at once after
 * an action other than NOTHING. A call that is later than its deadline by more than pong_wait means
 * that the machine slept: it pings at once and waits two seconds only.
 *
 * @param now   monotonic ns
 * @param next  the next deadline, ns; INT64_MAX = none; NULL is fine
 * @return WSRT_RECONNECT_NOTHING, _PING, _DEAD or _HANDOVER. @since 0.1
 */
WSRT_API int wsrt_reconnect_tick(wsrt_reconnect *r, int64_t now, int64_t *next);

#ifdef __cplusplus
}
#endif
#endif
