/* The process that serves: a store, a runtime, a server and threads that send from outside; one life of
 * it, or two with a power cut between. */
#include "sim.h"

#include <wsrt/runtime.h>
#include <wsrt/server.h>
#include <wsrt/sqlite.h>

#include <stdio.h>
#include <string.h>

enum { PUBLISHERS = 2, USERS = 4 };

static struct {
    wsrt_sqlite_store *db;
    wsrt_memory_store *memory;
    wsrt_store store; /* as it is, behind the application's */
    wsrt_history history;
    wsrt_static_auth *auth;
    wsrt_limiter *limiter;
    wsrt_breakers *breakers;
    wsrt_breaker *breaker;
    wsrt_resume *sessions;
    wsrt_runtime *rt;
    wsrt_server *server;
    struct disk_image *image;
    int life, ending;
    int closing; /* the server has been told to end */
    int publishers[PUBLISHERS];
} host;

static const char path[] = "/sim/store.db", node[] = "node";

static void must(int rc, const char *what)
{
    if (rc != WSRT_OK)
        violated("harness", "%s: %s", what, wsrt_status_name(rc));
}

/* ---- parts -------------------------------------------------------------------------------- */

static void open_sqlite(void)
{
    wsrt_sqlite_store_options o = {
        .struct_size = sizeof o, .allocator = world_memory, .env = &world_env, .busy_ms = -1};
    wsrt_sqlite_error why = {0};
    int bad = plan.disk_bad;
    uint64_t removed;

    plan.disk_bad = 0;
    int rc = wsrt_sqlite_store_new(&host.db, wsrt_span_cstr(path), &o, &why);
    if (rc != WSRT_OK)
        violated("acknowledged", "the database cannot be opened: %s", why.text);
    wsrt_sqlite_store_connections(host.db, &host.store);
    wsrt_sqlite_store_history(host.db, &host.history);
    if (host.life > 0) {
        ledger_judge_store(&host.store, &host.history, 1);
        must(wsrt_sqlite_store_purge(host.db, wsrt_span_cstr(node), world_wall(), &removed),
             "purge");
        ledger_new_life();
    }
    plan.disk_bad = bad;
}

static void open_store(void)
{
    wsrt_memory_store_options o = {
        .struct_size = sizeof o, .allocator = world_memory, .hash_key = dice(DICE_PLAN)};

    if (plan.sqlite) {
        open_sqlite();
        return;
    }
    must(wsrt_memory_store_new(&host.memory, &o), "memory store");
    wsrt_memory_store_connections(host.memory, &host.store);
    wsrt_memory_store_history(host.memory, &host.history);
}

static void make_auth(void)
{
    static char texts[USERS][32];
    wsrt_static_token tokens[USERS];
    wsrt_principal people[USERS];

    for (int i = 0; i < USERS; i++) {
        snprintf(texts[i], sizeof texts[i], "user-%d", i + 1);
        tokens[i] = (wsrt_static_token){wsrt_span_cstr(texts[i]), &people[i]};
        people[i] =
            (wsrt_principal){.struct_size = sizeof people[i], .user_id = wsrt_span_cstr(texts[i])};
    }
    must(wsrt_static_auth_new(&host.auth, tokens, USERS, &world_memory), "authenticator");
}

static void make_limiter(void)
{
    uint32_t more = planted == PLANT_BURST;
    wsrt_limiter_options o = {.struct_size = sizeof o,
                              .allocator = world_memory,
                              .connection = {.rate = plan.rate, .burst = plan.burst + more},
                              .user = {.rate = plan.rate * 2, .burst = plan.burst * 2 + more},
                              .max_keys = 256,
                              .hash_key = dice(DICE_PLAN)};

    must(wsrt_limiter_new(&host.limiter, &o), "limiter");
}

static void make_breaker(void)
{
    wsrt_breakers_options o = {
        .struct_size = sizeof o, .allocator = world_memory, .env = &world_env, .now = world_now()};
    wsrt_breaker_config c = {.struct_size = sizeof c,
                             .failure_threshold = 3,
                             .minimum_request_count = 3,
                             .recovery_timeout_ms = dice_between(DICE_PLAN, 100, 3000),
                             .expected_response_time_ms = -1,
                             .monitoring_window_ms = 10000,
                             .half_open_permits = plan.permits + (planted == PLANT_PROBES),
                             .half_open_successes = (int32_t)dice_between(DICE_PLAN, 1, 3)};

    must(wsrt_breakers_new(&host.breakers, &o), "breakers");
    must(wsrt_breakers_get(host.breakers, wsrt_span_cstr("svc"), wsrt_span_cstr("ask"), &c,
                           &host.breaker, NULL),
         "breaker");
}

static void make_sessions(void)
{
    wsrt_resume_options o = {.struct_size = sizeof o,
                             .allocator = world_memory,
                             .env = &world_env,
                             .max_messages = (uint32_t)plan.kept,
                             .wait_ms = dice_between(DICE_PLAN, 500, 8000)};

    if (plan.sessions)
        must(wsrt_resume_new(&host.sessions, &o), "sessions");
}

static void make_runtime(void)
{
    wsrt_store store = host.store;
    wsrt_history history = host.history;
    wsrt_authenticator auth;

    app_wrap(&store, &history);
    wsrt_static_auth_interface(host.auth, &auth);
    wsrt_runtime_options o = {.struct_size = sizeof o,
                              .allocator = world_memory,
                              .env = &world_env,
                              .store = &store,
                              .history = &history,
                              .authenticator = &auth,
                              .breakers = host.breakers,
                              .limiter = host.limiter,
                              .resume = host.sessions,
                              .node = wsrt_span_cstr(node)};
    must(wsrt_runtime_new(&host.rt, &o), "runtime");
    app_routes(host.rt);
}

static void make_server(void)
{
    wsrt_span listen = wsrt_span_cstr("127.0.0.1:8080");
    int small = dice_chance(DICE_PLAN, 300), drops = !plan.sessions && dice_chance(DICE_PLAN, 300);
    wsrt_server_options o = {.struct_size = sizeof o,
                             .allocator = world_memory,
                             .env = &world_env,
                             .listen = &listen,
                             .listen_count = 1,
                             .max_connections = 64,
                             .handshake_ms = SIM_HANDSHAKE_MS,
                             .idle_ms = dice_between(DICE_PLAN, 3000, 60000),
                             .ping_ms = dice_between(DICE_PLAN, 1000, 10000),
                             .pong_ms = 2000,
                             .close_ms = 1000,
                             .message_ms = 3000,
                             .stall_ms = 4000,
                             .drain_ms = 5000,
                             .queue_soft = small ? 1024 : 0,
                             .queue_hard = small ? 4096 : 0,
                             .slow_reader = drops ? WSRT_SLOW_READER_DROP_OLDEST : 0,
                             .loops = plan.loops,
                             .workers = plan.workers};

    must(wsrt_server_new(&host.server, host.rt, &o), "server");
}

/* ---- threads that send from outside ------------------------------------------------------- */

static void publish(int source, int64_t n)
{
    char text[64];
    int c = ledger_some();
    wsrt_span id = c < 0 ? (wsrt_span){0} : ledger_id(c);

    snprintf(text, sizeof text, "{\"told\":%lld,\"c\":%d}", (long long)n,
             LEDGER_CONNECTIONS - 1 - source);
    wsrt_post post = {.struct_size = sizeof post, .data = wsrt_span_cstr(text)};
    uint64_t choice = dice_below(DICE_APP, 10);
    if (choice < 6)
        (void)wsrt_broadcast(host.rt, NULL, &post, NULL);
    else if (choice < 9 && id.len > 0)
        (void)wsrt_send(host.rt, id, &post);
    else if (id.len > 0) {
        ledger_parts(id);
        (void)wsrt_disconnect(host.rt, id, 4001, wsrt_span_cstr("enough"));
    }
}

static void *run_publisher(void *arg)
{
    int source = host.life * PUBLISHERS + (int)(intptr_t)arg;
    int64_t n = 0;

    while (!host.ending) {
        publish(source, ++n);
        (void)fiber_wait(&host.ending, world_now() + dice_between(DICE_APP, 1, 1500) * SIM_MS);
    }
    return NULL;
}

static void end_publishers(void)
{
    host.ending = 1;
    fiber_wake(&host.ending, 1);
    for (int i = 0; i < PUBLISHERS; i++)
        while (!fiber_ended(host.publishers[i]))
            fiber_sleep(SIM_MS);
}

/* ---- a life ------------------------------------------------------------------------------- */

static void end_life(void *user, uint64_t life)
{
    (void)user;
    if (host.server == NULL || host.life != (int)life)
        return;
    world_note("ends", plan.abrupt, 0);
    host.closing = 1;
    if (plan.abrupt || host.image != NULL)
        wsrt_server_stop(host.server);
    else
        must(wsrt_server_drain(host.server, NULL), "drain");
}

int host_serves(void)
{
    return host.server != NULL && !host.closing;
}

static void cut_power(void)
{
    host.image = disk_cut();
    ledger_cut();
    work.cuts++;
    world_note("power cut", 0, 0);
    world_later(0, end_life, NULL, (uint64_t)host.life);
}

static void begin(void)
{
    world_spare_memory(1);
    host.ending = 0;
    open_store();
    make_auth();
    make_limiter();
    make_breaker();
    make_sessions();
    make_runtime();
    make_server();
    for (intptr_t i = 0; i < PUBLISHERS; i++)
        host.publishers[i] = fiber_start(run_publisher, (void *)i);
    if (plan.power_cut > 0 && host.life == 0)
        disk_watch(plan.power_cut, cut_power);
    world_later(plan.length, end_life, NULL, (uint64_t)host.life);
    world_spare_memory(0);
}

static uint64_t messages_in(void)
{
    wsrt_server_stats stats = {.struct_size = sizeof stats};

    must(wsrt_server_get_stats(host.server, &stats), "statistics");
    return stats.messages_in;
}

static void judge_counts(uint64_t came)
{
    wsrt_op_totals totals = {.struct_size = sizeof totals};
    wsrt_breaker_stats stats = {.struct_size = sizeof stats};

    must(wsrt_monitor_totals(wsrt_runtime_monitor(host.rt), WSRT_OP_CONVERSATION, &totals),
         "totals");
    ledger_judge_messages(came, totals.count);
    must(wsrt_breaker_get_stats(host.breaker, world_now(), world_wall(), &stats), "statistics");
    ledger_judge_calls(&stats);
}

/* Sessions whose clients do not come back end, and so do their records. */
static void let_sessions_end(void)
{
    while (plan.sessions && wsrt_runtime_next_deadline(host.rt) != SIM_NEVER &&
           world_now() < world_start() + 200 * SIM_SECOND) {
        wsrt_resume_stats stats = {.struct_size = sizeof stats};
        must(wsrt_resume_get_stats(host.sessions, &stats), "statistics");
        if (stats.waiting + stats.live == 0)
            return;
        fiber_sleep(SIM_SECOND);
        must(wsrt_runtime_tick(host.rt, world_now(), world_wall()), "tick");
    }
}

static void free_parts(void)
{
    wsrt_breaker_release_ref(host.breaker);
    wsrt_runtime_free(host.rt);
    wsrt_breakers_free(host.breakers);
    wsrt_limiter_free(host.limiter);
    wsrt_resume_free(host.sessions);
    wsrt_static_auth_free(host.auth);
    wsrt_memory_store_free(host.memory);
    wsrt_sqlite_store_free(host.db);
}

static void end(void)
{
    wsrt_server *server = host.server;

    clients_rest();
    world_spare_memory(1);
    end_publishers();
    uint64_t came = messages_in();
    host.server = NULL;
    wsrt_server_free(server);
    let_sessions_end();
    judge_counts(came);
    disk_watch(0, NULL);
    if (host.image == NULL)
        ledger_judge_store(&host.store, &host.history, 0);
    ledger_judge_end();
    free_parts();
    if (planted == PLANT_MEMORY && dice_chance(DICE_APP, 100))
        (void)world_memory.realloc(world_memory.user, NULL, 0, 64);
    if (world_live() != 0)
        violated("memory", "%zu bytes are held at the end", world_live());
}

static void live(void)
{
    struct disk_image *image = host.image;
    int next = host.life;

    memset(&host, 0, sizeof host);
    host.life = next;
    if (image != NULL)
        disk_restore(image);
    clients_begin();
    begin();
    int rc = wsrt_server_run(host.server);
    if (rc != WSRT_OK && rc != WSRT_ERR_TIMEOUT) /* its handlers may outlive a drain */
        violated("progress", "the server gives up: %s", wsrt_status_name(rc));
    end();
}

static void *run_lives(void *arg)
{
    (void)arg;
    live();
    if (host.image == NULL)
        return NULL;
    host.life++;
    work.restarts++;
    world_step_wall(3600 * 1000); /* the clock of an instance's starts */
    plan.power_cut = 0;
    live();
    return NULL;
}

/* Time passes only when nobody has anything to do. */
void host_run(void)
{
    memset(&host, 0, sizeof host);
    int process = fiber_start(run_lives, NULL);
    while (!fiber_ended(process)) {
        if (fiber_run_one())
            continue;
        int64_t next = world_next() < fiber_next() ? world_next() : fiber_next();
        if (next == SIM_NEVER)
            violated("progress", "everybody waits, for nothing");
        world_reach(next);
        fiber_expire();
    }
}
