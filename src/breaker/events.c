/* Ordered events. A change is told after it was made, by the thread that made it, so two threads may
 * come here in the wrong order: the later one then reserves the place of the earlier, and readers stop
 * there until it is filled. State never waits for any of this. */
#include "breaker/breaker_internal.h"

#include "base/alloc.h"
#include "base/options.h"

#include <string.h>

enum { DEFAULT_CAPACITY = 256, NO_REJECTED = ~(1 << WSRT_BREAKER_EVENT_REJECTED) };

struct wsrt_breaker_listener {
    wsrt_breaker_listener *next; /* in the order of their numbers */
    wsrt_breaker_listener_fn fn;
    void *user;
    uint64_t id;
    uint64_t seen; /* sequence number of the last event */
    uint32_t kinds;
    uint32_t running; /* calls under way, on all threads */
    int removed;
};

/* A callback under way, on its thread's stack. */
struct call_frame {
    struct call_frame *next;
    wsrt_breaker_listener *listener;
    pthread_t thread;
};

struct wsrt_breaker_cursor {
    wsrt_breakers *registry;
    wsrt_breaker *pinned; /* its text was handed out last */
    uint64_t seen;
};

int wsrt_breaker_events_init(wsrt_breakers *r, uint32_t capacity)
{
    struct events *e = &r->events;

    e->capacity = capacity != 0 ? capacity : DEFAULT_CAPACITY;
    e->end = 1;
    e->slots = wsrt_mem_zalloc(&r->allocator, wsrt_mem_product(e->capacity, sizeof *e->slots));
    if (e->slots == NULL)
        return WSRT_ERR_NOMEM;
    if (pthread_mutex_init(&e->lock, NULL) == 0) {
        if (pthread_cond_init(&e->returned, NULL) == 0)
            return WSRT_OK;
        pthread_mutex_destroy(&e->lock);
    }
    wsrt_mem_free(&r->allocator, e->slots, e->capacity * sizeof *e->slots);
    return WSRT_ERR_NOMEM;
}

/* ---- keys outlive their breakers ---- */

static void unpin(wsrt_breakers *r, wsrt_breaker *b)
{
    if (b != NULL && --breaker_ledger(b)->pins == PIN_EVICTED)
        wsrt_breaker_destroy(r, b);
}

void wsrt_breaker_evict(wsrt_breakers *r, wsrt_breaker *b)
{
    pthread_mutex_lock(&r->events.lock);
    if (breaker_ledger(b)->pins == 0)
        wsrt_breaker_destroy(r, b);
    else
        breaker_ledger(b)->pins |= PIN_EVICTED;
    pthread_mutex_unlock(&r->events.lock);
}

void wsrt_breaker_events_free(wsrt_breakers *r)
{
    struct events *e = &r->events;

    for (uint64_t i = 0; i < e->capacity; i++)
        unpin(r, e->slots[i].breaker);
    while (e->listeners != NULL) {
        wsrt_breaker_listener *l = e->listeners;
        e->listeners = l->next;
        wsrt_mem_free(&r->allocator, l, sizeof *l);
    }
    wsrt_mem_free(&r->allocator, e->slots, e->capacity * sizeof *e->slots);
    pthread_cond_destroy(&e->returned);
    pthread_mutex_destroy(&e->lock);
}

/* ---- the sequence ---- */

static struct event_slot *slot_of(const struct events *e, uint64_t sequence)
{
    return &e->slots[sequence % e->capacity];
}

static uint64_t first_kept(const struct events *e)
{
    return e->end > e->capacity ? e->end - e->capacity : 1;
}

static struct event_slot *append(wsrt_breaker *b, const wsrt_breaker_event *event,
                                 uint64_t generation)
{
    wsrt_breakers *r = breaker_settings(b)->registry;
    struct event_slot *slot = slot_of(&r->events, r->events.end);

    unpin(r, slot->breaker);
    breaker_ledger(b)->pins++;
    *slot = (struct event_slot){.breaker = b, .generation = (uint32_t)generation};
    if (event != NULL)
        slot->event = *event;
    slot->event.sequence = r->events.end++;
    return slot;
}

static void fill_reserved(struct events *e, const wsrt_breaker *b, const wsrt_breaker_event *event,
                          uint64_t generation)
{
    for (uint64_t n = first_kept(e); n < e->end; n++) {
        struct event_slot *slot = slot_of(e, n);
        if (!slot->awaited || slot->breaker != b || slot->generation != (uint32_t)generation)
            continue;
        slot->event = *event;
        slot->event.sequence = n;
        slot->awaited = 0;
    }
}

static void append_change(struct events *e, wsrt_breaker *b, const wsrt_breaker_event *event,
                          uint64_t generation)
{
    if ((int32_t)((uint32_t)generation - breaker_ledger(b)->published) <= 0) {
        fill_reserved(e, b, event, generation);
        return;
    }
    for (uint32_t g = breaker_ledger(b)->published + 1; g != (uint32_t)generation; g++)
        append(b, NULL, g)->awaited = 1;
    append(b, event, generation);
    breaker_ledger(b)->published = (uint32_t)generation;
}

/* The next event after `seen`: 1 and the event; 0 when there is none yet, or it is awaited. The
 * breaker, if any, is pinned. */
static int next_event(struct events *e, uint64_t seen, wsrt_breaker_event *out, wsrt_breaker **b)
{
    uint64_t first = first_kept(e);

    *b = NULL;
    if (seen + 1 < first) {
        *out = (wsrt_breaker_event){
            .kind = WSRT_BREAKER_EVENT_LOST, .sequence = first - 1, .missed = first - 1 - seen};
    } else if (seen + 1 >= e->end || slot_of(e, seen + 1)->awaited) {
        return 0;
    } else {
        *out = slot_of(e, seen + 1)->event;
        *b = slot_of(e, seen + 1)->breaker;
        breaker_ledger(*b)->pins++;
        out->service = wsrt_breaker_service(*b);
        out->operation = wsrt_breaker_operation(*b);
    }
    out->struct_size = sizeof *out;
    return 1;
}

/* ---- listeners ---- */

static void free_if_done(wsrt_breakers *r, wsrt_breaker_listener *l)
{
    if (l->removed && l->running == 0)
        wsrt_mem_free(&r->allocator, l, sizeof *l);
}

/* Calls a listener with the lock let go. */
static void call(wsrt_breakers *r, wsrt_breaker_listener *l, const wsrt_breaker_event *event)
{
    struct events *e = &r->events;
    struct call_frame frame = {e->frames, l, pthread_self()}, **at;

    e->frames = &frame;
    l->running++;
    pthread_mutex_unlock(&e->lock);
    l->fn(event, l->user);
    pthread_mutex_lock(&e->lock);
    for (at = &e->frames; *at != &frame; at = &(*at)->next)
        ;
    *at = frame.next;
    l->running--;
    pthread_cond_broadcast(&e->returned);
    free_if_done(r, l);
}

static int wants(const wsrt_breaker_listener *l, int kind)
{
    return kind == WSRT_BREAKER_EVENT_LOST || (l->kinds & (uint32_t)1 << kind) != 0;
}

/* Moves one listener on by one event; 0 when all are up to date. */
static int deliver_one(wsrt_breakers *r)
{
    struct events *e = &r->events;
    wsrt_breaker_event event;
    wsrt_breaker *b;

    for (wsrt_breaker_listener *l = e->listeners; l != NULL; l = l->next) {
        if (!next_event(e, l->seen, &event, &b))
            continue;
        l->seen = event.sequence;
        if (wants(l, event.kind))
            call(r, l, &event);
        unpin(r, b);
        return 1;
    }
    return 0;
}

void wsrt_breaker_publish(wsrt_breaker *b, wsrt_breaker_event *event, uint64_t generation)
{
    wsrt_breakers *r = breaker_settings(b)->registry;
    struct events *e = &r->events;

    event->rejected = breaker_rejected(b);
    pthread_mutex_lock(&e->lock);
    if (generation != 0)
        append_change(e, b, event, generation);
    else
        append(b, event, 0);
    if (!e->delivering) {
        e->delivering = 1;
        while (deliver_one(r))
            ;
        e->delivering = 0;
    }
    pthread_mutex_unlock(&e->lock);
}

static wsrt_breaker_listener *rejection_listener_after(const struct events *e, uint64_t id)
{
    wsrt_breaker_listener *l = e->listeners;

    while (l != NULL && (l->id <= id || !wants(l, WSRT_BREAKER_EVENT_REJECTED)))
        l = l->next;
    return l;
}

void wsrt_breaker_tell_rejection(wsrt_breaker *b, int64_t now, int reason)
{
    wsrt_breakers *r = breaker_settings(b)->registry;
    wsrt_breaker_event event = {
        .struct_size = sizeof event,
        .kind = WSRT_BREAKER_EVENT_REJECTED,
        .service = wsrt_breaker_service(b),
        .operation = wsrt_breaker_operation(b),
        .time = now,
        .reason = reason,
        .rejected = breaker_rejected(b),
    };
    wsrt_breaker_listener *l;

    pthread_mutex_lock(&r->events.lock);
    for (uint64_t id = 0; (l = rejection_listener_after(&r->events, id)) != NULL;) {
        id = l->id;
        call(r, l, &event);
    }
    pthread_mutex_unlock(&r->events.lock);
}

int wsrt_breakers_listen(wsrt_breakers *r, uint32_t kinds, wsrt_breaker_listener_fn fn, void *user,
                         wsrt_breaker_listener **out)
{
    if (out == NULL)
        return WSRT_ERR_INVALID;
    *out = NULL;
    if (r == NULL || fn == NULL || kinds >> (WSRT_BREAKER_EVENT_REJECTED + 1) != 0)
        return WSRT_ERR_INVALID;
    wsrt_breaker_listener *l = wsrt_mem_zalloc(&r->allocator, sizeof *l), **last;
    if (l == NULL)
        return WSRT_ERR_NOMEM;
    l->fn = fn;
    l->user = user;
    l->kinds = kinds != 0 ? kinds : (uint32_t)NO_REJECTED;
    pthread_mutex_lock(&r->events.lock);
    l->id = ++r->events.listener_ids;
    l->seen = r->events.end - 1;
    for (last = &r->events.listeners; *last != NULL; last = &(*last)->next)
        ;
    *last = l;
    if (wants(l, WSRT_BREAKER_EVENT_REJECTED))
        atomic_fetch_add(&r->events.rejection_listeners, 1);
    pthread_mutex_unlock(&r->events.lock);
    *out = l;
    return WSRT_OK;
}

static int is_inside(const struct events *e, const wsrt_breaker_listener *l)
{
    for (const struct call_frame *f = e->frames; f != NULL; f = f->next)
        if (f->listener == l && pthread_equal(f->thread, pthread_self()))
            return 1;
    return 0;
}

void wsrt_breakers_unlisten(wsrt_breakers *r, wsrt_breaker_listener *listener)
{
    wsrt_breaker_listener **at;

    if (r == NULL || listener == NULL)
        return;
    pthread_mutex_lock(&r->events.lock);
    for (at = &r->events.listeners; *at != NULL && *at != listener; at = &(*at)->next)
        ;
    if (*at != NULL) {
        *at = listener->next;
        if (wants(listener, WSRT_BREAKER_EVENT_REJECTED))
            atomic_fetch_sub(&r->events.rejection_listeners, 1);
        if (!is_inside(&r->events, listener))
            while (listener->running > 0)
                pthread_cond_wait(&r->events.returned, &r->events.lock);
        listener->removed = 1;
        free_if_done(r, listener);
    }
    pthread_mutex_unlock(&r->events.lock);
}

/* ---- polling ---- */

int wsrt_breaker_cursor_new(wsrt_breaker_cursor **out, wsrt_breakers *r, uint64_t after)
{
    if (out == NULL)
        return WSRT_ERR_INVALID;
    *out = NULL;
    if (r == NULL)
        return WSRT_ERR_INVALID;
    wsrt_breaker_cursor *c = wsrt_mem_zalloc(&r->allocator, sizeof *c);
    if (c == NULL)
        return WSRT_ERR_NOMEM;
    pthread_mutex_lock(&r->events.lock);
    c->registry = r;
    c->seen = after < r->events.end ? after : r->events.end - 1;
    pthread_mutex_unlock(&r->events.lock);
    *out = c;
    return WSRT_OK;
}

static void let_go(wsrt_breaker_cursor *c)
{
    unpin(c->registry, c->pinned);
    c->pinned = NULL;
}

void wsrt_breaker_cursor_free(wsrt_breaker_cursor *cursor)
{
    if (cursor == NULL)
        return;
    wsrt_breakers *r = cursor->registry;
    pthread_mutex_lock(&r->events.lock);
    let_go(cursor);
    pthread_mutex_unlock(&r->events.lock);
    wsrt_mem_free(&r->allocator, cursor, sizeof *cursor);
}

int wsrt_breaker_cursor_next(wsrt_breaker_cursor *cursor, wsrt_breaker_event *out)
{
    wsrt_breaker_event event;
    wsrt_breaker *b;

    if (cursor == NULL || out == NULL)
        return WSRT_ERR_INVALID;
    struct events *e = &cursor->registry->events;
    pthread_mutex_lock(&e->lock);
    let_go(cursor);
    int rc = WSRT_ERR_NOT_FOUND;
    if (next_event(e, cursor->seen, &event, &b)) {
        cursor->pinned = b;
        rc = wsrt_report_fill(out, sizeof event, sizeof event, &event);
        if (rc == WSRT_OK)
            cursor->seen = event.sequence;
    }
    pthread_mutex_unlock(&e->lock);
    return rc;
}
