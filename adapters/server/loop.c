/* The loop: one turn takes what other threads posted, what time brings, and what the sockets say. */
#include "server/internal.h"
#include "server/memory.h"
#include "server/workers.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum { TIMERS_A_TURN = 32 };

void wsrt_loop_log(wsrt_loop *l, int level, const char *event_cstr, const char *name_cstr,
                   wsrt_span text)
{
    wsrt_field field = {.name_cstr = name_cstr, .text = text, .kind = WSRT_FIELD_TEXT};

    l->set->env.log(l->set->env.user, level, event_cstr, &field, 1);
}

/* ---- birth and death ------------------------------------------------------------------------ */

static wsrt_timer *timer_of(void *user, uint32_t slot)
{
    return &wsrt_conn_at(user, slot)->timer;
}

static const char *id_of(void *user, uint32_t slot)
{
    return wsrt_conn_at(user, slot)->id;
}

void wsrt_loop_set_limits(wsrt_loop *l)
{
    const wsrt_terms *t = l->terms;
    int text_only = (l->set->flags & (WSRT_SERVER_TEXT_ONLY | WSRT_SERVER_API_GATEWAY)) != 0;

    l->ws_limits.max_frame = (uint32_t)t->max_frame;
    l->ws_limits.max_message = (uint32_t)t->max_message;
    l->ws_limits.max_fragments = 1024;
    l->ws_limits.flags = text_only ? WSRT_WS_NO_BINARY : 0;
}

static int open_descriptors(wsrt_loop *l)
{
    struct epoll_event ev = {.events = EPOLLIN, .data.u64 = WSRT_SLOT_WAKE};

    l->epoll = epoll_create1(EPOLL_CLOEXEC);
    l->wake = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (l->epoll < 0 || l->wake < 0 || epoll_ctl(l->epoll, EPOLL_CTL_ADD, l->wake, &ev) != 0)
        return WSRT_ERR_IO;
    return WSRT_OK;
}

/* A loop that failed to begin is freed like any other. */
int wsrt_loop_init(wsrt_loop *l, wsrt_server *s, uint32_t number)
{
    int rc;

    l->server = s;
    l->set = &s->set;
    l->number = number;
    l->spare = -1;
    l->accept_due = l->drain.due = INT64_MAX;
    l->pulse_due = s->set.pulse != NULL ? 0 : INT64_MAX;
    memset(l->listen_fds, 0xff, sizeof l->listen_fds);
    l->free_slot = l->retiring = l->ready_first = l->ready_last = WSRT_NONE;
    l->runtime_due = l->feed_due = INT64_MAX;
    l->runtime_dirty = 1;
    l->event = (wsrt_event){.struct_size = sizeof l->event,
                            .kind = WSRT_EVENT_MESSAGE,
                            .reply = wsrt_output_answer,
                            .transport = l,
                            .routed = &l->routed};
    l->event.connection_id.len = WSRT_ID_LEN;
    l->event.stage = s->set.stage;
    pthread_mutex_init(&l->lock, NULL);
    wsrt_wheel_init(&l->wheel, timer_of, l);
    wsrt_ids_init(&l->ids, &s->set.mem, id_of, l);
    l->terms = s->terms;
    wsrt_terms_hold(l->terms);
    wsrt_loop_set_limits(l);
    l->start = s->set.env.now(s->set.env.user);
    wsrt_loop_read_clock(l);
    l->epoll = l->wake = -1;
    if (s->set.env.random(s->set.env.user, &l->dice, sizeof l->dice) != WSRT_OK)
        return WSRT_ERR_IO;
    l->rx = wsrt_server_alloc(&s->set.mem, WSRT_RX_SIZE);
    l->tx = wsrt_server_alloc(&s->set.mem, WSRT_TX_SIZE);
    if (l->rx == NULL || l->tx == NULL)
        return WSRT_ERR_NOMEM;
    rc = wsrt_recorder_new(&l->recorder, wsrt_runtime_monitor(s->runtime));
    l->event.recorder = l->recorder;
    return rc != WSRT_OK ? rc : open_descriptors(l);
}

void wsrt_loop_free(wsrt_loop *l)
{
    const wsrt_allocator *mem = &l->set->mem;

    if (l->epoll >= 0)
        close(l->epoll);
    if (l->wake >= 0)
        close(l->wake);
    wsrt_tls_config_release(atomic_load(&l->next_config));
    wsrt_tls_free(l->tls);
    wsrt_sender_free(l);
    wsrt_state_free(l);
    wsrt_recorder_free(l->recorder);
    wsrt_ids_free(&l->ids);
    for (uint32_t i = 0; i < l->chunk_count; i++)
        wsrt_server_release(mem, l->chunks[i], WSRT_SLAB_CHUNK * sizeof(wsrt_conn));
    wsrt_server_release(mem, l->chunks, l->chunk_cap * sizeof *l->chunks);
    wsrt_server_release(mem, l->rx, WSRT_RX_SIZE);
    wsrt_server_release(mem, l->tx, WSRT_TX_SIZE);
    wsrt_terms_release(atomic_load(&l->next_terms));
    wsrt_terms_release(l->terms);
    pthread_mutex_destroy(&l->lock);
}

/* ---- time ----------------------------------------------------------------------------------- */

void wsrt_loop_read_clock(wsrt_loop *l)
{
    int64_t now = l->set->env.now(l->set->env.user);

    if (now > l->now)
        l->now = now;
    if (l->now > l->start)
        l->tick = (uint32_t)((l->now - l->start) >> WSRT_TICK_SHIFT);
}

static int64_t time_of(const wsrt_loop *l, uint32_t tick)
{
    return l->start + ((int64_t)tick << WSRT_TICK_SHIFT);
}

/* The runtime is asked when its work is due, at most once a tick and only after it had some. */
static void ask_runtime(wsrt_loop *l)
{
    if (!l->runtime_dirty || l->runtime_tick == l->tick)
        return;
    int busy = atomic_load_explicit(&l->jobs, memory_order_acquire) > 0; /* will have done more */
    l->runtime_due = wsrt_runtime_next_deadline(l->server->runtime);
    l->runtime_tick = l->tick;
    l->runtime_dirty = busy;
}

/* Any loop may do it, one at a time. */
static void tick_runtime(wsrt_loop *l)
{
    wsrt_server *s = l->server;

    if (l->now < l->runtime_due)
        return;
    if (pthread_mutex_trylock(&s->tick_lock) != 0) {
        l->runtime_due = time_of(l, l->tick + 1);
        return;
    }
    wsrt_runtime_tick(s->runtime, l->now, l->set->env.wall(l->set->env.user));
    pthread_mutex_unlock(&s->tick_lock);
    l->runtime_due = wsrt_runtime_next_deadline(s->runtime);
}

/* Others may publish, too: so it is asked each turn. */
static void tick_feed(wsrt_loop *l)
{
    wsrt_feed *feed = l->set->feed;

    if (feed == NULL)
        return;
    l->feed_due = wsrt_feed_next_deadline(feed);
    if (l->now < l->feed_due)
        return;
    int rc = wsrt_feed_tick(feed, l->now, NULL);
    if (rc != WSRT_OK)
        wsrt_loop_log(l, WSRT_LEVEL_WARN, "server.feed_failed", "error",
                      wsrt_span_cstr(wsrt_status_name(rc)));
    l->feed_due = wsrt_feed_next_deadline(feed);
}

/* Every loop notes that it lives; the first tells the host, once all have. */
static void pulse(wsrt_loop *l)
{
    wsrt_server *s = l->server;

    if (l->now < l->pulse_due)
        return;
    l->pulse_due = l->now + l->set->pulse_ns;
    atomic_store_explicit(&l->alive, 1, memory_order_relaxed);
    for (uint32_t i = 0; i < s->loop_count; i++)
        if (l->number != 0 || !atomic_load_explicit(&s->loops[i].alive, memory_order_relaxed))
            return;
    for (uint32_t i = 0; i < s->loop_count; i++)
        atomic_store_explicit(&s->loops[i].alive, 0, memory_order_relaxed);
    l->set->pulse(l->set->pulse_user);
}

static int64_t earliest(const wsrt_loop *l)
{
    uint32_t tick = wsrt_wheel_next(&l->wheel);
    int64_t due = tick == WSRT_NONE ? INT64_MAX : time_of(l, tick);

    if (l->runtime_dirty && time_of(l, l->tick + 1) < due)
        due = time_of(l, l->tick + 1);
    if (l->runtime_due < due)
        due = l->runtime_due;
    if (l->feed_due < due)
        due = l->feed_due;
    if (l->accept_due < due)
        due = l->accept_due;
    if (l->drain.due < due)
        due = l->drain.due;
    if (l->pulse_due < due)
        due = l->pulse_due;
    return due;
}

/* Milliseconds to sleep, rounded up: never early. */
int wsrt_loop_timeout(wsrt_loop *l)
{
    if (l->ready_first != WSRT_NONE ||
        atomic_load_explicit(&l->ring.count, memory_order_relaxed) > 0 ||
        atomic_load_explicit(&l->news, memory_order_relaxed) != NULL)
        return 0; /* what came while posts were taken up had nobody to wake */
    int64_t due = earliest(l);
    if (due == INT64_MAX)
        return -1;
    if (due <= l->now)
        return 0;
    int64_t ms = (due - l->now + 999999) / 1000000;
    return ms > 60000 ? 60000 : (int)ms;
}

/* ---- a turn --------------------------------------------------------------------------------- */

/* A share of those that are due, so that a crowd whose time is up holds up nobody else for long; what is
 * left makes the next turn due at once. */
static void run_timers(wsrt_loop *l)
{
    uint32_t slot;

    for (int i = 0; i < TIMERS_A_TURN; i++) {
        slot = wsrt_wheel_take(&l->wheel, l->tick);
        if (slot == WSRT_NONE)
            break;
        wsrt_conn_check(l, wsrt_conn_at(l, slot));
    }
    wsrt_conn_retire(l);
}

/* Those that had more input than a turn's share; who is still not done waits for the next turn. */
static void run_ready(wsrt_loop *l)
{
    uint32_t slot = l->ready_first;

    l->ready_first = l->ready_last = WSRT_NONE;
    while (slot != WSRT_NONE) {
        wsrt_conn *c = wsrt_conn_at(l, slot);
        slot = c->next;
        wsrt_conn_unready(l, c);
        wsrt_input_resume(l, c);
    }
}

static void serve_socket(wsrt_loop *l, const struct epoll_event *ev)
{
    wsrt_conn *c = wsrt_conn_at(l, (uint32_t)ev->data.u64);
    uint32_t gen = (uint32_t)(ev->data.u64 >> 32);

    if (c->gen != gen || c->state == WSRT_CONN_FREE)
        return;
    if (c->state == WSRT_CONN_HANDSHAKE) {
        wsrt_handshake_due(l, c, ev->events);
        return;
    }
    if ((ev->events & EPOLLOUT) != 0) {
        wsrt_output_writable(l, c);
        wsrt_conn_retire(l);
    }
    if (c->gen != gen || c->state == WSRT_CONN_FREE)
        return;
    if ((ev->events & EPOLLIN) != 0) {
        wsrt_input_readable(l, c);
    } else if ((ev->events & (EPOLLERR | EPOLLHUP)) != 0) {
        wsrt_conn_lost(l, c);
        wsrt_conn_retire(l);
    }
}

static void serve_event(wsrt_loop *l, const struct epoll_event *ev)
{
    uint32_t slot = (uint32_t)ev->data.u64;
    uint64_t count;

    if (slot == WSRT_SLOT_WAKE) {
        if (read(l->wake, &count, sizeof count) < 0 && errno != EAGAIN)
            wsrt_loop_log(l, WSRT_LEVEL_ERROR, "server.wake_failed", "call",
                          wsrt_span_cstr("read"));
    } else if (slot >= WSRT_SLOT_LISTEN) {
        wsrt_listen_accept(l, slot - WSRT_SLOT_LISTEN);
    } else {
        serve_socket(l, ev);
    }
}

void wsrt_loop_wake(wsrt_loop *l)
{
    uint64_t one = 1;
    ssize_t n = write(l->wake, &one, sizeof one);

    (void)n; /* a full counter has woken the loop already */
}

static void take_turn(wsrt_loop *l, const struct epoll_event *events, int count)
{
    wsrt_loop_read_clock(l);
    atomic_store_explicit(&l->owner, pthread_self(), memory_order_relaxed);
    wsrt_loop_count(l, WSRT_COUNT_TURNS, 1);
    wsrt_reload_take(l);
    wsrt_sender_take_up(l);
    wsrt_box_take_news(l);
    run_timers(l);
    run_ready(l);
    for (int i = 0; i < count; i++)
        serve_event(l, &events[i]);
    wsrt_handshake_reload(l);
    wsrt_handshake_run(l);
    wsrt_listen_resume(l);
    wsrt_drain_step(l);
    ask_runtime(l);
    tick_runtime(l);
    tick_feed(l);
    pulse(l);
    l->entropy_left = 0;
    atomic_store_explicit(&l->owner, (pthread_t)0, memory_order_relaxed);
}

/* Waits at most `timeout` ms, then does all there is to do. */
int wsrt_loop_turn(wsrt_loop *l, int timeout)
{
    struct epoll_event events[WSRT_TURN_EVENTS];
    int count = epoll_wait(l->epoll, events, WSRT_TURN_EVENTS, timeout);

    if (count < 0 && errno != EINTR)
        return WSRT_ERR_IO;
    take_turn(l, events, count);
    return WSRT_OK;
}
