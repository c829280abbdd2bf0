/* The simulator: one seed decides everything that happens to a server. Its system calls, threads,
 * clock, network and disk are played here, in one thread, so that a seed always tells the same story.
 *
 *     world.c   time, chance, the hash of what happened, violations
 *     fiber.c   threads, mutexes and condition variables
 *     net.c     sockets, epoll, eventfd
 *     disk.c    an SQLite VFS that loses what was not synced
 *     client.c  WebSocket clients
 *     app.c     the application that is served, and the service that it calls
 *     ledger.c  what must hold
 *     host.c    the process: store, runtime, server, and their end */
#ifndef WSRT_SIM_H
#define WSRT_SIM_H

#include <wsrt/base.h>

#include <stddef.h>
#include <stdint.h>

#define SIM_MS INT64_C(1000000)
enum { SIM_HANDSHAKE_MS = 3000 }; /* that the server waits for the end of a handshake */
#define SIM_SECOND INT64_C(1000000000)
#define SIM_NEVER INT64_MAX

/* ---- world.c ------------------------------------------------------------------------------ */

/* Each has a stream of its own, so that a change of one does not move the others. */
enum sim_dice {
    DICE_PLAN,
    DICE_SCHEDULE,
    DICE_NET,
    DICE_DISK,
    DICE_CLIENTS,
    DICE_APP,
    DICE_ENTROPY,
    DICE_STREAMS
};

/* A lie that the checks must see through: --plant. */
enum sim_plant {
    PLANT_NONE,
    PLANT_ACKNOWLEDGED, /* tells the client before anything is stored */
    PLANT_RESURRECTED,  /* a record comes back after its removal */
    PLANT_ORDER,        /* two answers change places */
    PLANT_PROBES,       /* the breaker lets one more probe through */
    PLANT_BURST,        /* the limiter lets one more message through */
    PLANT_RECORDED,     /* a call goes past the breaker */
    PLANT_MEMORY,       /* a block is forgotten */
    PLANT_ARRIVING,     /* a record is taken for a peer's that is gone */
    PLANTS
};

/* What a seed decides before anything happens. */
struct sim_plan {
    int loops, workers, clients;
    int sqlite;     /* else the store in memory */
    int sessions;   /* resume */
    int kept;       /* messages of a session */
    int power_cut;  /* 0 = none, else the disk call that it comes with; then a second life */
    int abrupt;     /* stopped instead of drained */
    int preempt;    /* in a thousand, at each lock */
    int store_slow; /* most ms of a store's answer */
    int store_bad;  /* in a thousand: it fails */
    int disk_bad;   /* in a thousand: a write or sync fails */
    int net_bad;    /* in a thousand, each time a client acts: its network breaks */
    int call_bad;   /* in a thousand: a system call fails */
    int memory_bad; /* in ten thousand: an allocation is refused, once or for some time */
    int64_t length; /* ns until the server is told to end */
    int permits;    /* of the breaker, half open */
    uint32_t burst;
    double rate;
};

extern struct sim_plan plan;
extern enum sim_plant planted;
extern const char *planted_name; /* of `planted`, as it was asked for */
extern int world_tells;          /* everything, on stdout */
extern int world_starves;        /* memory is refused in every seed */

void world_begin(uint64_t seed);
uint64_t world_hash(void);
int64_t world_now(void);  /* ns */
int64_t world_wall(void); /* Unix ms; steps now and then */
int64_t world_start(void);
void world_step_wall(int64_t ms);
extern const wsrt_env world_env;

uint64_t dice(enum sim_dice which);
uint64_t dice_below(enum sim_dice which, uint64_t n);
int64_t dice_between(enum sim_dice which, int64_t least, int64_t most);
int dice_chance(enum sim_dice which, int in_a_thousand);

/* Calls `fn` when `delay` ns have passed. */
void world_later(int64_t delay, void (*fn)(void *user, uint64_t arg), void *user, uint64_t arg);
int64_t world_next(void);      /* when the next of them is due */
void world_reach(int64_t now); /* time passes until then; calls what is due */

/* Everything that happens goes into the hash. */
void world_note(const char *what, int64_t a, int64_t b);
void world_note_bytes(const char *what, const void *bytes, size_t len);

/* An invariant does not hold: says so with the seed, and ends the program. */
void violated(const char *invariant, const char *format, ...)
    __attribute__((format(printf, 2, 3), noreturn));

extern wsrt_allocator world_memory; /* counts */
size_t world_live(void);
void world_spare_memory(int on); /* off: the plan's refusals begin */

/* Counts over all seeds, for the last line. */
struct sim_work {
    uint64_t seeds, connections, messages, acknowledged, cuts, restarts, faults, calls, probes;
    uint64_t resumed, refused, starved;
    int64_t virtual_ns;
};
extern struct sim_work work;

/* ---- fiber.c ------------------------------------------------------------------------------ */

void fibers_begin(void);
int fiber_start(void *(*run)(void *), void *arg);
int fiber_run_one(void);      /* one that may run, chosen by the seed; 0 = none may */
int64_t fiber_next(void);     /* when the first sleeper wakes */
void fiber_expire(void);      /* wakes whose time has come */
int fiber_ended(int number);  /* 1 = it has returned */
int fiber_inside(void);       /* 1 = a fiber runs */
void fiber_pause(void);       /* lets others go first, maybe */
void fiber_sleep(int64_t ns); /* in virtual time */
int fiber_wait(const void *on, int64_t until); /* 0 = the time came */
void fiber_wake(const void *on, int all);

/* ---- net.c -------------------------------------------------------------------------------- */

struct wire; /* one TCP connection */

/* What a client is told, from the network's side. */
struct wire_ends {
    void (*bytes)(void *user, const unsigned char *bytes, size_t len);
    void (*end)(void *user, int reset);
    void *user;
};

void net_begin(void);
struct wire *net_dial(uint32_t ip, const struct wire_ends *ends); /* NULL = refused */
void net_send(struct wire *w, const void *bytes, size_t len);
void net_close(struct wire *w); /* in order, or by a reset */
void net_reset(struct wire *w);
void net_darken(struct wire *w);                   /* from now on nothing arrives, either way */
void net_stop_reading(struct wire *w, int64_t ns); /* the client is slow */
int net_open_descriptors(void);                    /* of the server */

/* ---- disk.c ------------------------------------------------------------------------------- */

struct disk_image;

void disk_begin(void);
void disk_end(void);
/* Calls `cut` before the n-th write or sync from now on, once. */
void disk_watch(int nth, void (*cut)(void));
struct disk_image *disk_cut(void);           /* what a power cut now might leave */
void disk_restore(struct disk_image *image); /* with no file open; frees it */

/* ---- client.c ----------------------------------------------------------------------------- */

void clients_begin(void);
int clients_ask(int c);    /* that connection's client waits for its 101 */
void clients_rest(void);   /* they dial no more */
void clients_forget(void); /* those of another seed */

/* ---- app.c, host.c ------------------------------------------------------------------------ */

struct wsrt_runtime;
struct wsrt_store;
struct wsrt_history;

void app_begin(void);
void app_routes(struct wsrt_runtime *rt);
/* Puts the seed's slowness and faults, and the ledger, between the runtime and its store. */
void app_wrap(struct wsrt_store *store, struct wsrt_history *history);
void host_run(void);   /* a whole seed */
int host_serves(void); /* and is not about to end */

/* ---- ledger.c ----------------------------------------------------------------------------- */

/* A connection as its client counts them. */
enum { LEDGER_CONNECTIONS = 512, LEDGER_TEXT = 24 };

void ledger_begin(void);
int ledger_dialled(int user); /* a number for a new connection; -1 = no more */
int ledger_find(wsrt_span id);
wsrt_span ledger_id(int c); /* of one that was accepted; empty = unknown */
int ledger_some(void);      /* a number of any connection so far; -1 = none */

/* What the application sees. */
void ledger_connects(int c, wsrt_span id);
void ledger_disconnects(wsrt_span id);
void ledger_message(wsrt_span id, int64_t n, int64_t now);
void ledger_stored(int c, int64_t n);
uint64_t ledger_call_begins(int state, uint64_t generation); /* its generation, for a probe */
void ledger_call_ends(int outcome, uint64_t probe);
void ledger_call_refused(void);

/* What the store is told. */
uint64_t ledger_moment(void);
void ledger_put(wsrt_span id);
void ledger_removing(wsrt_span id);
void ledger_parts(wsrt_span id); /* the application asks for the end of a connection */
void ledger_removed(wsrt_span id, int rc);
/* By a call that began at that moment. */
void ledger_found(wsrt_span id, uint64_t since, const char *by);

/* What a client sees. */
void ledger_answered(int c, int64_t n);

/* Judgements. */
struct wsrt_breaker_stats;
void ledger_judge_calls(const struct wsrt_breaker_stats *stats);
void ledger_judge_messages(uint64_t came, uint64_t counted);
void ledger_judge_store(const struct wsrt_store *store, const struct wsrt_history *history,
                        int after_cut);
void ledger_judge_end(void);
void ledger_cut(void);      /* remembers what is promised at this moment */
void ledger_new_life(void); /* a new process */

#endif
