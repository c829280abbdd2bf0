/* From a batch of updates to messages and their receivers. */
#include "stream/feed.h"

#include "sender/retry.h"
#include "sender/sender.h"

#include <wsrt/error.h>

#include <string.h>

enum { PAGE = 64, PAGE_TEXT = 65536, HEAD_ROOM = 160 };

/* A delivery under way. */
struct delivery {
    wsrt_feed *f;
    const struct update *updates;
    size_t count;
    wsrt_feed_report *report;
    int64_t wall;
    char id[WSRT_UUID_LEN]; /* the correlation id of all its messages */
    struct wsrt_retry retry;
    wsrt_arena arena;
    wsrt_allocator allocator;
};

/* Receivers of one message; text borrowed or in `room`. */
struct receivers {
    wsrt_span ids[PAGE];
    int64_t connected_at[PAGE];
    int results[PAGE];
    size_t count;
    char room[PAGE * WSRT_FEED_ID_MOST];
};

/* ---- messages ----------------------------------------------------------------------------- */

static wsrt_span end_message(const struct delivery *d, char *buf, size_t at)
{
    wsrt_json_writer w;
    size_t len = 0;

    wsrt_json_writer_init(&w, buf + at, HEAD_ROOM, 0);
    wsrt_json_object(&w);
    wsrt_json_key(&w, "timestamp");
    wsrt_json_write_int64(&w, d->wall);
    wsrt_json_key(&w, "correlationId");
    wsrt_json_string(&w, (wsrt_span){d->id, sizeof d->id});
    wsrt_json_object_end(&w);
    (void)wsrt_json_finish(&w, &len); /* HEAD_ROOM serves any numbers */
    memmove(buf + at + 2, buf + at + 1, len - 1);
    memcpy(buf + at, "],", 2);
    return (wsrt_span){buf, at + 1 + len};
}

/* Writes the next message: as many of the updates of `mask` from `*next` on as fit together. */
static wsrt_span write_message(const struct delivery *d, uint64_t mask, size_t *next, char *buf)
{
    static const char head[] = "{\"type\":\"METRICS_UPDATE\",\"updates\":[";
    size_t at = sizeof head - 1, room = (size_t)d->f->max_message - HEAD_ROOM, told = 0;

    memcpy(buf, head, at);
    for (; *next < d->count; ++*next) {
        wsrt_span text = d->updates[*next].text;
        if ((mask >> *next & 1) == 0)
            continue;
        if (told > 0 && at + 1 + text.len > room)
            break;
        if (told++ > 0)
            buf[at++] = ',';
        memcpy(buf + at, text.ptr, text.len);
        at += text.len;
    }
    return told == 0 ? (wsrt_span){NULL, 0} : end_message(d, buf, at);
}

static int begin(struct delivery *d, wsrt_feed *f, const struct update *updates, size_t count,
                 wsrt_feed_report *report)
{
    unsigned char random[10];
    uint64_t last = 0;

    d->f = f;
    d->updates = updates;
    d->count = count;
    d->report = report;
    d->allocator = f->heap.allocator;
    d->retry = (struct wsrt_retry){.sender = &f->sender, .env = &f->env};
    d->wall = f->env.wall(f->env.user);
    wsrt_arena_init(&d->arena, &d->allocator, NULL, 0);
    if (f->env.random(f->env.user, random, sizeof random) != WSRT_OK)
        return WSRT_ERR_IO;
    return wsrt_uuid7(&last, d->wall, random, d->id);
}

int wsrt_feed_tell(wsrt_feed *f, wsrt_span id, const struct update *updates, size_t count)
{
    struct delivery d;
    wsrt_post post = {.struct_size = sizeof post, .flags = WSRT_POST_REPLY};
    size_t next = 0;
    int rc = begin(&d, f, updates, count, NULL);
    char *buf = wsrt_arena_alloc(&d.arena, (size_t)f->max_message + HEAD_ROOM);

    if (rc == WSRT_OK && buf == NULL)
        rc = WSRT_ERR_NOMEM;
    while (rc == WSRT_OK && next < count) {
        post.data = write_message(&d, UINT64_MAX, &next, buf);
        if (post.data.len > 0)
            rc = wsrt_retry_post(&f->sender, &f->env, &id, &post);
    }
    wsrt_arena_free(&d.arena);
    return rc;
}

/* ---- receivers ---------------------------------------------------------------------------- */

static void log_failure(const wsrt_feed *f, const char *event, wsrt_span id, int status)
{
    wsrt_field fields[] = {
        {.name_cstr = "connectionId", .kind = WSRT_FIELD_TEXT, .text = id},
        {.name_cstr = "error",
         .kind = WSRT_FIELD_TEXT,
         .text = wsrt_span_cstr(wsrt_status_name(status))},
    };

    f->env.log(f->env.user, WSRT_LEVEL_WARN, event, fields, 2);
}

static void forget(wsrt_feed *f, wsrt_span id, int64_t connected_at)
{
    if (wsrt_sender_may_be_opening(&f->sender, connected_at, f->env.wall(f->env.user)))
        return;
    wsrt_feed_forget(f, id);
    if (f->store.ops == NULL)
        return;
    int rc = f->store.ops->remove(f->store.self, &id, connected_at);
    if (rc != WSRT_OK)
        log_failure(f, "cleanup_failed", id, rc);
}

/* Before the next message, which must not overtake this one. */
static void post_again(struct delivery *d, struct receivers *to, const wsrt_post *post)
{
    const wsrt_sender *s = &d->f->sender;

    for (;;) {
        size_t left = 0;
        for (size_t i = 0; i < to->count; i++)
            left += to->results[i] == WSRT_ERR_THROTTLED;
        if (left == 0 || wsrt_retry_wait(&d->retry) != WSRT_OK)
            return;
        for (size_t i = 0; i < to->count; i++)
            if (to->results[i] == WSRT_ERR_THROTTLED)
                to->results[i] = s->ops->post(s->self, &to->ids[i], post);
    }
}

/* Counts results, and keeps those who may still get the next message. */
static void count_results(struct delivery *d, struct receivers *to)
{
    size_t kept = 0;

    d->report->attempted += to->count;
    for (size_t i = 0; i < to->count; i++) {
        int result = to->results[i];
        d->report->sent += result == WSRT_OK;
        d->report->gone += result == WSRT_ERR_GONE;
        d->report->throttled += result == WSRT_ERR_THROTTLED;
        d->report->failed +=
            result != WSRT_OK && result != WSRT_ERR_GONE && result != WSRT_ERR_THROTTLED;
        if (result == WSRT_ERR_GONE) {
            forget(d->f, to->ids[i], to->connected_at[i]);
            continue;
        }
        to->ids[kept] = to->ids[i];
        to->connected_at[kept++] = to->connected_at[i];
    }
    to->count = kept;
}

/* All messages of a mask to a page of receivers, written anew for each page but the first in `buf`. */
static void tell_page(struct delivery *d, uint64_t mask, struct receivers *to, char *buf)
{
    wsrt_post post = {.struct_size = sizeof post, .flags = WSRT_POST_REPLY};
    size_t next = 0;

    while (next < d->count && to->count > 0) {
        post.data = write_message(d, mask, &next, buf);
        if (post.data.len == 0)
            continue;
        wsrt_sender_post_many(&d->f->sender, to->ids, to->count, &post, to->results);
        post_again(d, to, &post);
        count_results(d, to);
    }
}

/* ---- subscribers in memory ---------------------------------------------------------------- */

/* All who get the same updates. */
struct group {
    uint64_t mask;
    size_t first; /* in the list of targets */
    size_t count;
};

struct target {
    uint32_t slot;
    uint32_t serial;
};

struct plan {
    struct group *groups;
    size_t group_count;
    struct target *targets;
};

static struct group *group_of(struct plan *p, uint64_t mask)
{
    size_t i = 0;

    while (i < p->group_count && p->groups[i].mask != mask)
        i++;
    if (i == p->group_count)
        p->groups[p->group_count++] = (struct group){.mask = mask};
    return &p->groups[i];
}

static void place_members(const wsrt_feed *f, const struct feed_audience *a, struct plan *p,
                          struct group *g)
{
    for (uint32_t i = 0; i < a->member_count; i++) {
        const struct feed_subscriber *s = wsrt_slots_at(&f->subscribers, a->members[i]);
        p->targets[g->first + g->count++] = (struct target){s->slot, s->serial};
    }
}

/* With `lock` held: who gets what, as it is now. */
static int make_plan(struct delivery *d, struct plan *p)
{
    wsrt_feed *f = d->f;
    uint32_t slot = 0;
    size_t total = 0;

    p->group_count = 0;
    p->groups = wsrt_arena_alloc(&d->arena, (size_t)(f->audiences.used + 1) * sizeof *p->groups);
    if (p->groups == NULL)
        return WSRT_ERR_NOMEM;
    for (; (slot = wsrt_slots_next(&f->audiences, slot)) != WSRT_NO_SLOT; slot++) {
        struct feed_audience *a = wsrt_slots_at(&f->audiences, slot);
        uint64_t mask = wsrt_feed_judge(f, a, d->updates, d->count, d->report);
        if (mask != 0)
            group_of(p, mask)->count += a->member_count;
    }
    for (size_t i = 0; i < p->group_count; i++) {
        p->groups[i].first = total;
        total += p->groups[i].count;
        p->groups[i].count = 0;
    }
    p->targets = wsrt_arena_alloc(&d->arena, total * sizeof *p->targets);
    if (p->targets == NULL)
        return WSRT_ERR_NOMEM;
    for (slot = 0; (slot = wsrt_slots_next(&f->audiences, slot)) != WSRT_NO_SLOT; slot++) {
        struct feed_audience *a = wsrt_slots_at(&f->audiences, slot);
        uint64_t mask = wsrt_feed_judge(f, a, d->updates, d->count, d->report);
        if (mask != 0)
            place_members(f, a, p, group_of(p, mask));
    }
    return WSRT_OK;
}

/* With `lock` held: copies ids, so that nobody who leaves meanwhile is missed in memory. */
static void fetch_page(const wsrt_feed *f, const struct target *targets, size_t count,
                       struct receivers *to)
{
    to->count = 0;
    for (size_t i = 0; i < count; i++) {
        const struct feed_subscriber *s = wsrt_slots_at(&f->subscribers, targets[i].slot);
        char *id = to->room + to->count * WSRT_FEED_ID_MOST;
        if (s == NULL || s->serial != targets[i].serial)
            continue;
        memcpy(id, s->id, s->id_len);
        to->ids[to->count] = (wsrt_span){id, s->id_len};
        to->connected_at[to->count++] = s->connected_at;
    }
}

static void tell_group(struct delivery *d, const struct plan *p, const struct group *g,
                       struct receivers *to, char *buf)
{
    for (size_t at = 0; at < g->count; at += PAGE) {
        size_t n = g->count - at < PAGE ? g->count - at : PAGE;
        pthread_mutex_lock(&d->f->lock);
        fetch_page(d->f, p->targets + g->first + at, n, to);
        pthread_mutex_unlock(&d->f->lock);
        tell_page(d, g->mask, to, buf);
    }
}

static int deliver_memory(struct delivery *d, struct receivers *to, char *buf)
{
    struct plan p;

    pthread_mutex_lock(&d->f->lock);
    int rc = make_plan(d, &p);
    pthread_mutex_unlock(&d->f->lock);
    for (size_t i = 0; rc == WSRT_OK && i < p.group_count; i++)
        tell_group(d, &p, &p.groups[i], to, buf);
    return rc;
}

/* ---- subscribers in the store ------------------------------------------------------------- */

struct stored_page {
    wsrt_record records[PAGE];
    uint64_t masks[PAGE];
    size_t count;
    char text[PAGE_TEXT];
};

static uint64_t mask_of(struct delivery *d, const wsrt_record *r)
{
    wsrt_feed *f = d->f;
    struct feed_audience *a = NULL;
    uint64_t mask = 0;

    if (r->filters.len == 0)
        return 0;
    pthread_mutex_lock(&f->lock);
    int rc = wsrt_feed_audience(f, r->filters, &a);
    if (rc == WSRT_ERR_LIMIT) { /* filters nobody holds any more may be in the way */
        wsrt_feed_audiences_drop(f);
        rc = wsrt_feed_audience(f, r->filters, &a);
    }
    if (rc == WSRT_OK)
        mask = wsrt_feed_judge(f, a, d->updates, d->count, d->report);
    pthread_mutex_unlock(&f->lock);
    if (rc != WSRT_OK)
        log_failure(f, "subscription_unreadable", r->connection_id, rc);
    return mask;
}

/* All of a page who get the same updates, from the first that nobody told yet. */
static void choose(struct stored_page *page, size_t first, struct receivers *to)
{
    uint64_t mask = page->masks[first];

    to->count = 0;
    for (size_t i = first; i < page->count; i++) {
        if (page->masks[i] != mask)
            continue;
        page->masks[i] = 0;
        to->ids[to->count] = page->records[i].connection_id;
        to->connected_at[to->count++] = page->records[i].connected_at;
    }
}

/* The cursor stays where a page could not be read: what was told is not told again. */
static int read_page(const struct delivery *d, struct stored_page *page, wsrt_cursor *cursor)
{
    const wsrt_store *store = &d->f->store;
    int rc = WSRT_ERR_INTERNAL;

    for (uint32_t i = 0; i < d->f->attempts && rc != WSRT_OK; i++) {
        page->records[0].struct_size = sizeof page->records[0];
        rc = store->ops->each(store->self, NULL, 0, cursor, d->wall / 1000, page->records, PAGE,
                              page->text, sizeof page->text, &page->count);
    }
    return rc;
}

static int deliver_stored(struct delivery *d, struct receivers *to, char *buf)
{
    struct stored_page *page = wsrt_arena_alloc(&d->arena, sizeof *page);
    wsrt_cursor cursor = {0};

    if (page == NULL)
        return WSRT_ERR_NOMEM;
    while (!cursor.at_end) {
        int rc = read_page(d, page, &cursor);
        if (rc != WSRT_OK)
            return rc;
        for (size_t i = 0; i < page->count; i++)
            page->masks[i] = mask_of(d, &page->records[i]);
        for (size_t i = 0; i < page->count; i++) {
            uint64_t mask = page->masks[i];
            if (mask == 0)
                continue;
            choose(page, i, to);
            tell_page(d, mask, to, buf);
        }
    }
    return WSRT_OK;
}

int wsrt_feed_deliver(wsrt_feed *f, const struct update *updates, size_t count,
                      wsrt_feed_report *report)
{
    struct delivery d;
    int rc = begin(&d, f, updates, count, report);
    struct receivers *to = wsrt_arena_alloc(&d.arena, sizeof *to);
    char *buf = wsrt_arena_alloc(&d.arena, (size_t)f->max_message + HEAD_ROOM);

    f->batch++;
    if (rc == WSRT_OK && (to == NULL || buf == NULL))
        rc = WSRT_ERR_NOMEM;
    if (rc == WSRT_OK)
        rc = (f->flags & WSRT_FEED_STORED) != 0 ? deliver_stored(&d, to, buf)
                                                : deliver_memory(&d, to, buf);
    wsrt_arena_free(&d.arena);
    return rc;
}
