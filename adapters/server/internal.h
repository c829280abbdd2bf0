/* What the server's files share. A server owns one loop or several, each served by one thread;
 * everything that serves connections hangs on their loop, and a connection never leaves it. Loops
 * reach each other as other threads do. */
#ifndef WSRT_SERVER_INTERNAL_H
#define WSRT_SERVER_INTERNAL_H

#include "server/date.h"
#include "server/series.h"
#include "server/settings.h"
#include "server/table.h"
#include "server/terms.h"
#include "server/timer.h"
#include "server/times.h"
#include "common/http1.h"
#include "common/tls/tls.h"
#include "common/ws.h"

#include <wsrt/server.h>

#include <pthread.h>
#include <stdatomic.h>
#include <sys/types.h>

enum {
    WSRT_SLAB_CHUNK = 256,
    WSRT_RX_SIZE = 512 * 1024,
    WSRT_TX_SIZE = 512 * 1024,
    WSRT_TX_FLUSH = 128 * 1024,
    WSRT_TURN_BYTES = 64 * 1024,
    WSRT_TURN_MESSAGES = 64,
    WSRT_RING_MAX = 65536,
    WSRT_EARLY_MAX = 1024,
    WSRT_CONTROL_MAX = 4096,
    WSRT_LISTENERS_MAX = 16,
    WSRT_ADDRESS_MAX = 128,
    WSRT_QUERY_MAX = 32,
    WSRT_TEXT_MAX = 4096,
    WSRT_HANDSHAKES_MAX = 64,
    WSRT_TURN_EVENTS = 256,
    WSRT_LOOPS_MAX = 64
};

/* Where an epoll event points: a connection's slot, or one of these. */
#define WSRT_SLOT_WAKE (UINT32_MAX - 1)
#define WSRT_SLOT_LISTEN (UINT32_MAX - 64) /* + the listener's number */

/* ---- frames and queues (output.c) ----------------------------------------------------------- */

enum { WSRT_FRAME_SHARED = 1, WSRT_FRAME_CLOSE = 2 };

/* Encoded bytes on the heap, held by any number of queues. */
typedef struct wsrt_frame {
    atomic_uint refs;
    uint32_t len;
    uint32_t cap;
    uint16_t flags;
    uint16_t code;    /* of a CLOSE, whose bytes are the reason */
    uint32_t key_len; /* of the conflation key behind the bytes */
    unsigned char bytes[];
} wsrt_frame;

/* What a connection could not send yet; there is none while everything is sent. */
typedef struct wsrt_queue {
    wsrt_frame **refs; /* ring */
    uint32_t cap;
    uint32_t head;
    uint32_t count;
    uint32_t offset;   /* bytes of the first frame already sent */
    uint32_t begun;    /* 1: that frame is the rest of what was sent in part before it was queued */
    uint32_t control;  /* unsent bytes of control frames, at most */
    uint32_t progress; /* tick of the last accepted byte */
} wsrt_queue;

/* One encoded message on its way to one or many connections. */
typedef struct wsrt_letter {
    const unsigned char *bytes;
    size_t len;
    wsrt_frame *frame; /* NULL until the first receiver has to queue it */
    wsrt_span key;     /* of conflation; empty = none */
    uint32_t flags;    /* of the post */
} wsrt_letter;

/* ---- connections (conn.c) ------------------------------------------------------------------- */

/* What a connection may besides others'. */
enum wsrt_trust {
    WSRT_TRUST_ADMIN = 1, /* came by a listener for those who manage */
    WSRT_TRUST_DEVELOPER =
        WSRT_EVENT_DEVELOPER, /* might manage: sees what errors tell developers */
};

typedef enum wsrt_conn_state {
    WSRT_CONN_FREE = 0,
    WSRT_CONN_HTTP,      /* reads a request's head */
    WSRT_CONN_BODY,      /* reads a request's body */
    WSRT_CONN_OPEN,      /* WebSocket; its id is in the table */
    WSRT_CONN_CLOSING,   /* our close frame is out, the peer's is awaited; data is ignored */
    WSRT_CONN_FINISHING, /* sends what is queued, then shuts down */
    WSRT_CONN_LINGER,    /* has shut down; discards input, so that nothing resets what was sent */
    WSRT_CONN_HANDSHAKE, /* TLS, before HTTP */
    WSRT_CONN_CONNECTING /* a worker has its CONNECT; nothing is read meanwhile */
} wsrt_conn_state;

enum {
    WSRT_CONN_RETIRING = 1,  /* in the list of those that end */
    WSRT_CONN_OWES = 2,      /* a DISCONNECT event */
    WSRT_CONN_DOOMED = 4,    /* to be destroyed */
    WSRT_CONN_READY = 8,     /* in the list of those with bytes to look at */
    WSRT_CONN_PONG_DUE = 16, /* a ping is out and nothing came since */
    WSRT_CONN_PAUSED = 32,   /* not read from: its queue is long */
    WSRT_CONN_HELD = 64,     /* not read from: workers have enough to do for it */
    WSRT_CONN_SERVED = 128,  /* has had an HTTP answer */
    WSRT_CONN_UNREAD = WSRT_CONN_PAUSED | WSRT_CONN_HELD
};

/* Bytes that wait: not looked at yet, or of a message that is not whole. */
typedef struct wsrt_input {
    unsigned char *left; /* [at, end) is to be looked at */
    uint32_t left_cap;
    uint32_t at;
    uint32_t end;
    uint32_t need;    /* HTTP: bytes without which looking again is idle */
    uint32_t scanned; /* HTTP: the parser's own note */
    uint32_t since;   /* tick of the message's first byte */
    unsigned char *message;
    size_t message_cap;
    size_t message_len;
} wsrt_input;

typedef struct wsrt_conn {
    union {
        wsrt_session session;
        struct wsrt_box *box; /* of a server with workers, from the CONNECT to the DISCONNECT */
    };
    char id[WSRT_ID_LEN];
    unsigned char ip[16]; /* IPv4 as ::ffff:a.b.c.d */
    wsrt_ws_decoder decoder;
    wsrt_input *in;        /* NULL = nothing waits */
    wsrt_queue *out;       /* NULL = nothing waits */
    wsrt_tls_session *tls; /* NULL = clear text, or no byte has come yet */
    int64_t wall;          /* Unix ms of the upgrade */
    wsrt_timer timer;
    int32_t fd;
    uint32_t gen; /* grows each time the slot is given away */
    uint32_t slot;
    uint32_t discard;      /* LINGER: bytes still to be taken from the peer */
    atomic_uint queued;    /* bytes in `out` */
    atomic_uint in_flight; /* bytes posted by other threads, not yet taken up */
    atomic_uint last_data; /* ticks from here on; 0 = there was no 101 yet */
    uint32_t last_frame;
    uint32_t opened;
    uint32_t since; /* of this state; HTTP: of the accept or the last answer */
    uint32_t ping;  /* tick of the next ping, or of the one that is out */
    uint32_t next_retiring;
    uint32_t next; /* in the list of those ready, or of free slots */
    uint16_t code; /* for the DISCONNECT */
    uint8_t state;
    uint8_t flags;
    uint8_t interest;  /* what epoll watches */
    uint8_t is_unix;   /* has no address; other threads read it */
    uint8_t trust;     /* bits of wsrt_trust */
    uint8_t forwarded; /* `ip` is whom a proxy speaks for */
} wsrt_conn;

/* ---- posts of other threads (sender.c) ------------------------------------------------------ */

typedef struct wsrt_parcel {
    wsrt_frame *frame;
    uint32_t slot;
    uint32_t gen;
    uint32_t flags; /* of the post */
    uint32_t reserved;
} wsrt_parcel;

typedef struct wsrt_ring {
    wsrt_parcel *items;
    uint32_t cap;
    uint32_t head;
    atomic_uint count;
} wsrt_ring;

/* ---- loop and server ------------------------------------------------------------------------ */

typedef enum wsrt_counter {
    WSRT_COUNT_OPENED = 0,
    WSRT_COUNT_CLOSED,
    WSRT_COUNT_REFUSED,
    WSRT_COUNT_MESSAGES_IN,
    WSRT_COUNT_MESSAGES_OUT,
    WSRT_COUNT_BYTES_IN,
    WSRT_COUNT_BYTES_OUT,
    WSRT_COUNT_TURNS,
    WSRT_COUNT_TLS_OPENED,
    WSRT_COUNT_TLS_RESUMED,
    WSRT_COUNT_TLS_FAILED,
    WSRT_COUNT_CERTIFICATES_LOADED, /* again, after the first */
    WSRT_COUNT_CERTIFICATES_REFUSED,
    WSRT_COUNTERS
} wsrt_counter;

typedef enum wsrt_drain_stage {
    WSRT_DRAIN_NONE = 0,
    WSRT_DRAIN_LAME_DUCK, /* not ready, but still accepting */
    WSRT_DRAIN_CLOSING,
    WSRT_DRAIN_WAITING, /* for queues, close frames and requests */
    WSRT_DRAIN_ENDED
} wsrt_drain_stage;

typedef struct wsrt_loop {
    wsrt_server *server;
    const wsrt_settings *set;
    wsrt_terms *terms;                /* changed under the lock, by the loop alone */
    _Atomic(wsrt_terms *) next_terms; /* to be taken; NULL = none */
    int epoll;
    int wake;
    _Atomic(pthread_t) owner; /* the thread inside a turn; 0 = none */
    int64_t now;
    int64_t start; /* time of tick 0 */
    uint32_t tick;
    uint32_t number;  /* of this loop */
    atomic_uint open; /* WebSocket connections; written by the loop alone */

    unsigned char *rx;
    unsigned char *tx; /* output of `current` */
    size_t tx_len;
    size_t tx_control; /* bytes of control frames in it */
    wsrt_conn *current;
    wsrt_recorder *recorder;
    int more;         /* the turn ended before its input did */
    uint32_t need;    /* for the wsrt_input of `current` */
    uint32_t scanned; /* likewise */
    wsrt_event event; /* MESSAGE of `current` */
    char ip_text[64]; /* of `ip_of`, once known */
    size_t ip_len;
    unsigned char ip_of[16];
    int ip_known;
    int ip_unix;
    char reason[WSRT_WS_CONTROL_MAX]; /* the peer's, of the close under way */
    size_t reason_len;
    wsrt_ws_limits ws_limits;
    wsrt_http_request request;
    wsrt_span head; /* of that request, as received */
    int64_t date_second;
    char date[WSRT_HTTP_DATE];             /* of that second, for answers; "" = none yet */
    wsrt_pair pairs[WSRT_HTTP_FIELDS_MAX]; /* headers of a CONNECT */
    wsrt_pair query[WSRT_QUERY_MAX];
    char text[WSRT_TEXT_MAX]; /* its decoded parameters; segments of a path */

    wsrt_tls *tls;                            /* NULL = clear text */
    _Atomic(wsrt_tls_config *) next_config;   /* to be adopted; NULL = none */
    uint32_t handshakes[WSRT_HANDSHAKES_MAX]; /* slots of those under way */
    uint32_t handshake_count;
    uint32_t due_count;
    uint32_t due[WSRT_TURN_EVENTS]; /* slots of those to be served at the turn's end */

    wsrt_wheel wheel;
    wsrt_conn **chunks;
    uint32_t chunk_count;
    uint32_t chunk_cap;
    uint32_t free_slot;
    uint32_t used;
    uint32_t retiring;
    uint32_t ready_first;
    uint32_t ready_last;

    pthread_mutex_t
        lock; /* ids, chunks, ring and terms against other threads; only the loop writes ids */
    wsrt_ids ids;
    wsrt_ring ring;
    _Atomic(struct wsrt_box *) news; /* those that workers told of; under the lock */
    atomic_uint jobs;                /* that workers have of this loop */
    uint32_t boxes;

    int listen_fds[WSRT_LISTENERS_MAX]; /* -1 = not listened to any more */
    int spare;          /* given up to turn a connection away when descriptors are out */
    int accepting;      /* listeners are watched */
    int64_t accept_due; /* INT64_MAX, or when to go on accepting */
    int64_t trouble_logged;
    int64_t origin_logged;
    struct {
        wsrt_drain_stage stage;
        uint32_t slot;
        uint32_t batch; /* closes a tick */
        int64_t due;    /* INT64_MAX, or when the next stage or batch comes */
        int64_t end;    /* what is left then is reset */
    } drain;

    wsrt_count counters[WSRT_COUNTERS];
    wsrt_series series;
    wsrt_times times;
    wsrt_span routed; /* of the event dispatched last */
    struct {
        char *bytes; /* NULL = never asked for */
        size_t len;
        int64_t made;
    } state; /* the text of /api/state */
    struct {
        int64_t asked; /* 0 = never */
        int works;
    } store;
    unsigned char entropy[176]; /* for 16 ids of this turn */
    uint32_t entropy_left;
    uint64_t dice; /* spreads pings and reconnects; no secret */
    int64_t runtime_due;
    int32_t runtime_dirty;
    uint32_t runtime_tick; /* of the last question */
    int64_t feed_due;
    int64_t pulse_due; /* INT64_MAX = never */
    atomic_int alive;  /* has had its pulse since the host was told */
    pthread_t thread;  /* of all but the first loop, while wsrt_server_run() runs */
    int result;        /* of that thread */
} wsrt_loop;

typedef struct wsrt_listener {
    atomic_int users; /* loops that share one descriptor; 0 = each has its own */
    int is_unix;
    int is_admin;
    int is_given; /* as a descriptor: its file, if any, is not ours to remove */
    dev_t device; /* of a socket's file that is ours */
    ino_t file;   /* likewise; 0 = none */
    size_t len;
    char address[WSRT_ADDRESS_MAX]; /* "127.0.0.1:40123", "unix:PATH" */
} wsrt_listener;

struct wsrt_server {
    wsrt_settings set;
    wsrt_runtime *runtime;
    wsrt_loop *loops;
    uint32_t loop_count;
    wsrt_listener listeners[WSRT_LISTENERS_MAX];
    size_t listener_count;

    /* What all loops share. */
    atomic_uint used;          /* connections of any kind */
    atomic_uint places;        /* WebSockets, those about to open included */
    atomic_llong queued_total; /* bytes */
    atomic_llong partial_total;
    atomic_llong accept_at; /* when the accepts so far are paid for, by their rate */
    pthread_mutex_t peers_lock;
    wsrt_peers peers;
    pthread_mutex_t tick_lock; /* who has it serves the runtime's clock */
    struct wsrt_crew *crew;    /* NULL = handlers run on the loops */

    atomic_int stopping;
    atomic_int drain_wanted;
    atomic_llong drain_lame_ms;
    atomic_llong drain_most_ms;
    atomic_int reload_wanted;

    /* Of the terms handed out last, for threads that post. */
    atomic_size_t max_message;
    atomic_llong queue_total;
    atomic_int slow_reader;
    pthread_mutex_t reload_lock;
    wsrt_terms *terms;    /* those handed out last */
    wsrt_tls *tls_reader; /* reads certificates, on any thread; NULL = clear text */
    atomic_ullong reloads;
    atomic_ullong reloads_refused;
};

/* output.c */
wsrt_frame *wsrt_frame_new(wsrt_loop *l, size_t cap);
void wsrt_frame_key(wsrt_frame *f, wsrt_span key);
int wsrt_letter_frame(wsrt_loop *l, wsrt_letter *m);
void wsrt_frame_release(wsrt_loop *l, wsrt_frame *f);
int wsrt_output_letter(wsrt_loop *l, wsrt_conn *c, wsrt_letter *m);
void wsrt_output_put(wsrt_loop *l, const void *bytes, size_t len);
int wsrt_output_reply(wsrt_loop *l, int opcode, wsrt_span data);
int wsrt_output_answer(void *loop, const char *data, size_t len, uint32_t event_flags);
void wsrt_output_control(wsrt_loop *l, wsrt_conn *c, int opcode, wsrt_span payload);
void wsrt_output_flood(wsrt_loop *l, wsrt_conn *c);
void wsrt_output_flush(wsrt_loop *l);
void wsrt_output_writable(wsrt_loop *l, wsrt_conn *c);
void wsrt_output_drop(wsrt_loop *l, wsrt_conn *c, int keep_begun);
size_t wsrt_output_size(const wsrt_loop *l, size_t len);
size_t wsrt_output_encode(const wsrt_loop *l, unsigned char *dst, int opcode, wsrt_span data);

/* slow.c */
int wsrt_slow_settle(wsrt_loop *l, wsrt_conn *c, wsrt_letter *m);

/* conn.c */
wsrt_conn *wsrt_conn_new(wsrt_loop *l, int fd, const unsigned char *ip);
void wsrt_conn_watch(wsrt_loop *l, wsrt_conn *c);
void wsrt_conn_close(wsrt_loop *l, wsrt_conn *c, uint16_t code, wsrt_span reason);
void wsrt_conn_fail(wsrt_loop *l, wsrt_conn *c, uint16_t code, const char *reason_cstr);
void wsrt_conn_closed_by_peer(wsrt_loop *l, wsrt_conn *c, uint16_t code, wsrt_span reason);
void wsrt_conn_finish(wsrt_loop *l, wsrt_conn *c, uint32_t discard);
void wsrt_conn_lost(wsrt_loop *l, wsrt_conn *c);
void wsrt_conn_heard_all(wsrt_loop *l, wsrt_conn *c);
void wsrt_conn_reset(wsrt_loop *l, wsrt_conn *c);
void wsrt_conn_sent_all(wsrt_loop *l, wsrt_conn *c);
void wsrt_conn_ready(wsrt_loop *l, wsrt_conn *c);
void wsrt_conn_unready(wsrt_loop *l, wsrt_conn *c);
void wsrt_conn_retire(wsrt_loop *l);
void wsrt_conn_check(wsrt_loop *l, wsrt_conn *c);
void wsrt_conn_need(wsrt_loop *l, wsrt_conn *c, uint32_t due);
uint32_t wsrt_conn_ping_ticks(wsrt_loop *l);
void wsrt_conn_hold(wsrt_loop *l, wsrt_conn *c);
void wsrt_conn_unhold(wsrt_loop *l, wsrt_conn *c);
int wsrt_conn_new_id(wsrt_loop *l, wsrt_conn *c);
wsrt_loop *wsrt_conn_loop_of(const wsrt_server *s, wsrt_span id);
int wsrt_conn_forward(wsrt_loop *l, wsrt_conn *c, const unsigned char *source);
uint32_t wsrt_conn_peers(const wsrt_loop *l, const unsigned char *ip);
void wsrt_conn_undo_connect(wsrt_loop *l, wsrt_conn *c);
void wsrt_conn_announce(wsrt_loop *l, wsrt_conn *c);
void wsrt_conn_withdraw(wsrt_loop *l, wsrt_conn *c);
void wsrt_conn_opened(wsrt_loop *l, wsrt_conn *c);

/* input.c */
void wsrt_input_readable(wsrt_loop *l, wsrt_conn *c);
void wsrt_input_resume(wsrt_loop *l, wsrt_conn *c);
void wsrt_input_free(wsrt_loop *l, wsrt_conn *c);
void wsrt_input_end_turn(wsrt_loop *l, wsrt_conn *c);
void wsrt_input_ip_text(const wsrt_conn *c, char *dst);
wsrt_span wsrt_input_ip(wsrt_loop *l, const wsrt_conn *c);

/* http.c */
typedef struct wsrt_answer {
    int status;
    int close;              /* after it */
    int head_only;          /* the answer to a HEAD */
    const char *type_cstr;  /* of the body; NULL = application/json, "" = in `extra` */
    const char *extra_cstr; /* field lines with their CR LF; NULL = none */
    wsrt_span body;
} wsrt_answer;
size_t wsrt_http_input(wsrt_loop *l, wsrt_conn *c, char *buf, size_t len);
void wsrt_http_answer(wsrt_loop *l, wsrt_conn *c, const wsrt_answer *a);
void wsrt_http_time_out(wsrt_loop *l, wsrt_conn *c);
const char *wsrt_http_reason(int status);

/* endpoints.c */
void wsrt_endpoint_answer(wsrt_loop *l, wsrt_conn *c, const wsrt_http_request *req, wsrt_span body);

/* publish.c */
typedef struct wsrt_published {
    int status;
    size_t len;
    char text[2048]; /* JSON; empty = none */
} wsrt_published;
void wsrt_publish_run(wsrt_loop *l, const wsrt_http_request *req, wsrt_span body,
                      wsrt_published *out);

/* upgrade.c */
int wsrt_upgrade_try(wsrt_loop *l, wsrt_conn *c, const wsrt_http_request *req);

/* trust.c */
int wsrt_host_trusted(const wsrt_loop *l, wsrt_span host);
int wsrt_origin_is_own(const wsrt_loop *l, wsrt_span origin, wsrt_span host);
int wsrt_origin_allowed(const wsrt_loop *l, wsrt_span origin, wsrt_span host);
int wsrt_ip_is_loopback(const unsigned char ip[16]);
int wsrt_peer_is_local(const wsrt_conn *c);

/* utf8.c */
int wsrt_utf8_valid(wsrt_span text);

/* sender.c */
extern const wsrt_sender_ops wsrt_server_sender_ops;
int wsrt_sender_answer(wsrt_loop *l, int binary, wsrt_span body);
int wsrt_sender_finds(wsrt_server *s, wsrt_span id);
void wsrt_sender_take_up(wsrt_loop *l);
void wsrt_sender_take_early(wsrt_loop *l, wsrt_ring *early);
void wsrt_sender_free(wsrt_loop *l);

/* listen.c */
int wsrt_listen_all(wsrt_server *s);
void wsrt_listen_close(wsrt_loop *l);
void wsrt_listen_accept(wsrt_loop *l, size_t index);
void wsrt_listen_resume(wsrt_loop *l);
wsrt_conn *wsrt_listen_adopt(wsrt_loop *l, int fd, const unsigned char *ip);

/* reload.c */
void wsrt_reload_begin(wsrt_server *s, wsrt_terms *terms);
void wsrt_reload_take(wsrt_loop *l);

/* handshake.c */
int wsrt_handshake_init(wsrt_server *s);
int wsrt_handshake_prepare(wsrt_server *s, const wsrt_terms *terms, wsrt_tls_config **configs,
                           const char **why_cstr);
void wsrt_handshake_hand_out(wsrt_server *s, wsrt_tls_config **configs);
void wsrt_handshake_reload(wsrt_loop *l);
int wsrt_handshake_full(const wsrt_loop *l);
void wsrt_handshake_due(wsrt_loop *l, wsrt_conn *c, uint32_t events);
void wsrt_handshake_run(wsrt_loop *l);
void wsrt_handshake_retry(wsrt_loop *l, wsrt_conn *c);
void wsrt_handshake_leave(wsrt_loop *l, const wsrt_conn *c);

/* drain.c */
void wsrt_drain_step(wsrt_loop *l);
void wsrt_drain_close(wsrt_loop *l, wsrt_conn *c);

/* server.c */
uint64_t wsrt_server_sum(const wsrt_server *s, wsrt_counter counter); /* over the loops */
uint64_t wsrt_server_open(const wsrt_server *s);                      /* WebSockets now */

/* run.c */
int wsrt_run_is_over(const wsrt_loop *l);

/* state.c */
void wsrt_state_free(wsrt_loop *l);

/* loop.c */
int wsrt_loop_init(wsrt_loop *l, wsrt_server *s, uint32_t number);
void wsrt_loop_set_limits(wsrt_loop *l);
void wsrt_loop_free(wsrt_loop *l);
int wsrt_loop_turn(wsrt_loop *l, int timeout);
int wsrt_loop_timeout(wsrt_loop *l);
void wsrt_loop_read_clock(wsrt_loop *l);
void wsrt_loop_wake(wsrt_loop *l);
void wsrt_loop_log(wsrt_loop *l, int level, const char *event_cstr, const char *name_cstr,
                   wsrt_span text);

static inline void wsrt_loop_count(wsrt_loop *l, wsrt_counter counter, uint64_t more)
{
    wsrt_count_add(&l->counters[counter], more);
}

static inline uint32_t wsrt_loop_open(const wsrt_loop *l)
{
    return atomic_load_explicit(&l->open, memory_order_relaxed);
}

/* Whether no new connections are wanted. */
static inline int wsrt_is_draining(const wsrt_server *s)
{
    return atomic_load_explicit(&s->drain_wanted, memory_order_relaxed);
}

static inline wsrt_conn *wsrt_conn_at(const wsrt_loop *l, uint32_t slot)
{
    return &l->chunks[slot / WSRT_SLAB_CHUNK][slot % WSRT_SLAB_CHUNK];
}

static inline wsrt_frame **wsrt_queue_at(const wsrt_queue *q, uint32_t i)
{
    return &q->refs[(q->head + i) & (q->cap - 1)];
}

/* An instant as timers note it: rounded up, so that nothing is ever early. */
static inline uint32_t wsrt_stamp(const wsrt_loop *l)
{
    return l->tick + 1;
}

/* Whether TLS has bytes that the socket did not take yet. */
static inline int wsrt_conn_holds(const wsrt_conn *c)
{
    return c->tls != NULL && wsrt_tls_unsent(c->tls) > 0;
}

/* Whether there was its 101. Other threads ask under the lock. */
static inline int wsrt_conn_has_opened(const wsrt_conn *c)
{
    return atomic_load_explicit(&c->last_data, memory_order_relaxed) != 0;
}

/* Other threads have posted to it, and were told so, what has not been taken up yet: what comes now goes
 * behind that. */
static inline int wsrt_conn_is_behind(const wsrt_conn *c)
{
    return atomic_load_explicit(&c->in_flight, memory_order_relaxed) > 0;
}

static inline uint32_t wsrt_conn_queued(const wsrt_conn *c)
{
    return atomic_load_explicit(&c->queued, memory_order_relaxed);
}

#endif
