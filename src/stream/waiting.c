/* Coalescing: of each entity only the last update is told, some time after its first. */
#include "stream/feed.h"

#include "base/hash.h"
#include "base/options.h"

#include <string.h>

/* This, then the key, then the text. */
struct entry {
    int64_t expires_at; /* first, for the slots; always 0 */
    int64_t timestamp;
    size_t key;
    size_t text;
    size_t data; /* at the end of the text, before one brace */
    int kind;
    uint32_t reserved;
    char bytes[];
};

static struct entry *at(const wsrt_feed *f, uint32_t slot)
{
    return wsrt_slots_at(&f->waiting.entries, slot);
}

static wsrt_span key_of(const struct entry *e)
{
    return (wsrt_span){e->bytes, e->key};
}

static uint64_t hash_of(const wsrt_feed *f, wsrt_span key)
{
    return wsrt_hash(f->key, key.ptr, key.len);
}

static uint32_t find(const wsrt_feed *f, wsrt_span key)
{
    size_t step = 0;
    uint32_t slot;

    if (key.len == 0)
        return WSRT_NO_SLOT;
    do
        slot = wsrt_index_next(&f->waiting.index, hash_of(f, key), &step);
    while (slot != WSRT_NO_SLOT && !wsrt_span_equal(key_of(at(f, slot)), key));
    return slot;
}

static struct entry *build(wsrt_feed *f, const struct update *u)
{
    struct entry *e = wsrt_store_alloc(&f->waiting.heap, sizeof *e + u->key.len + u->text.len);

    if (e == NULL)
        return NULL;
    *e = (struct entry){.timestamp = u->timestamp,
                        .key = u->key.len,
                        .text = u->text.len,
                        .data = u->data.len,
                        .kind = u->kind};
    if (u->key.len > 0)
        memcpy(e->bytes, u->key.ptr, u->key.len);
    memcpy(e->bytes + u->key.len, u->text.ptr, u->text.len);
    return e;
}

static void destroy(wsrt_feed *f, struct entry *e)
{
    wsrt_store_free(&f->waiting.heap, e, sizeof *e + e->key + e->text);
}

static int add(wsrt_feed *f, struct entry *e)
{
    struct waiting *w = &f->waiting;

    if (wsrt_slots_reserve(&w->entries, &w->heap) != WSRT_OK ||
        wsrt_index_reserve(&w->index, &w->heap) != WSRT_OK)
        return WSRT_ERR_NOMEM;
    uint32_t slot = wsrt_slots_take(&w->entries, e);
    if (e->key > 0)
        wsrt_index_add(&w->index, hash_of(f, key_of(e)), slot);
    return WSRT_OK;
}

static int64_t later(int64_t now, int64_t wait)
{
    return now > INT64_MAX - wait ? INT64_MAX : now + wait;
}

static void set_due(wsrt_feed *f, int64_t due)
{
    pthread_mutex_lock(&f->lock);
    f->due = due;
    pthread_mutex_unlock(&f->lock);
}

int wsrt_feed_wait(wsrt_feed *f, const struct update *update)
{
    uint32_t slot = find(f, update->key);
    struct entry *e = build(f, update);
    int first = f->waiting.entries.used == 0;

    if (e == NULL)
        return WSRT_ERR_NOMEM;
    if (slot != WSRT_NO_SLOT) {
        destroy(f, at(f, slot));
        wsrt_slots_set(&f->waiting.entries, slot, e);
        return WSRT_OK;
    }
    int rc = add(f, e);
    if (rc != WSRT_OK)
        destroy(f, e);
    else if (first)
        set_due(f, later(f->env.now(f->env.user), f->coalesce));
    return rc;
}

/* The next batch; returns its size. */
static size_t gather(const wsrt_feed *f, struct update *updates, uint32_t *slots)
{
    uint32_t slot = 0;
    size_t n = 0;

    while (n < WSRT_FEED_BATCH &&
           (slot = wsrt_slots_next(&f->waiting.entries, slot)) != WSRT_NO_SLOT) {
        const struct entry *e = at(f, slot);
        const char *text = e->bytes + e->key;
        updates[n] = (struct update){.text = {text, e->text},
                                     .data = {text + e->text - 1 - e->data, e->data},
                                     .key = key_of(e),
                                     .timestamp = e->timestamp,
                                     .kind = e->kind};
        slots[n++] = slot++;
    }
    return n;
}

static void remove_all(wsrt_feed *f, const uint32_t *slots, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct entry *e = at(f, slots[i]);
        if (e->key > 0)
            wsrt_index_drop(&f->waiting.index, hash_of(f, key_of(e)), slots[i]);
        wsrt_slots_release(&f->waiting.entries, slots[i]);
        destroy(f, e);
    }
}

static int tell_waiting(wsrt_feed *f, wsrt_feed_report *report)
{
    struct update updates[WSRT_FEED_BATCH];
    uint32_t slots[WSRT_FEED_BATCH];
    size_t n;
    int rc = f->sender.ops == NULL ? WSRT_ERR_UNSUPPORTED : WSRT_OK;

    while (rc == WSRT_OK && (n = gather(f, updates, slots)) > 0) {
        rc = wsrt_feed_deliver(f, updates, n, report);
        if (rc == WSRT_OK)
            remove_all(f, slots, n);
    }
    return rc;
}

int64_t wsrt_feed_next_deadline(wsrt_feed *f)
{
    int64_t due = INT64_MAX;

    if (f != NULL) {
        pthread_mutex_lock(&f->lock);
        due = f->due;
        pthread_mutex_unlock(&f->lock);
    }
    return due;
}

int wsrt_feed_tick(wsrt_feed *f, int64_t now, wsrt_feed_report *report)
{
    wsrt_feed_report mine = {.struct_size = sizeof mine};
    int rc = WSRT_OK;

    if (f == NULL ||
        (report != NULL &&
         wsrt_report_fill(report, sizeof mine, sizeof(wsrt_feed_report), &mine) != WSRT_OK))
        return WSRT_ERR_INVALID;
    pthread_mutex_lock(&f->turn);
    if (wsrt_feed_next_deadline(f) <= now) {
        rc = tell_waiting(f, &mine);
        set_due(f, rc == WSRT_OK ? INT64_MAX : later(now, f->coalesce));
    }
    pthread_mutex_unlock(&f->turn);
    if (report != NULL)
        (void)wsrt_report_fill(report, sizeof mine, sizeof(wsrt_feed_report), &mine);
    return rc;
}

void wsrt_feed_waiting_free(wsrt_feed *f)
{
    uint32_t slot = 0;

    while ((slot = wsrt_slots_next(&f->waiting.entries, slot)) != WSRT_NO_SLOT)
        remove_all(f, &slot, 1);
    wsrt_index_free(&f->waiting.index, &f->waiting.heap);
    wsrt_slots_free(&f->waiting.entries, &f->waiting.heap);
}
