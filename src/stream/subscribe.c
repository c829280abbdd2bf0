/* Subscriptions: held in memory, or written into the store's records. */
#include "stream/feed.h"

#include "base/hash.h"

#include <string.h>

enum { RECORD_TEXT = 16384, SETS_MOST = 8192 };

/* ---- sets of filters as text -------------------------------------------------------------- */

/* The filters of a connection, by their canonical text, sorted. */
struct set {
    wsrt_span texts[WSRT_FEED_OWN_MOST];
    size_t count;
};

static int compare(wsrt_span a, wsrt_span b)
{
    int order = memcmp(a.ptr, b.ptr, a.len < b.len ? a.len : b.len);

    return order != 0 ? order : (a.len > b.len) - (a.len < b.len);
}

static size_t place_in(const struct set *s, wsrt_span text, int *there)
{
    size_t at = 0;

    while (at < s->count && compare(s->texts[at], text) < 0)
        at++;
    *there = at < s->count && compare(s->texts[at], text) == 0;
    return at;
}

static int set_add(struct set *s, wsrt_span text)
{
    int there;
    size_t at = place_in(s, text, &there);

    if (there)
        return WSRT_OK;
    if (s->count == WSRT_FEED_OWN_MOST)
        return WSRT_ERR_LIMIT;
    memmove(&s->texts[at + 1], &s->texts[at], (s->count - at) * sizeof *s->texts);
    s->texts[at] = text;
    s->count++;
    return WSRT_OK;
}

static void set_take(struct set *s, wsrt_span text)
{
    int there;
    size_t at = place_in(s, text, &there);

    if (!there)
        return;
    s->count--;
    memmove(&s->texts[at], &s->texts[at + 1], (s->count - at) * sizeof *s->texts);
}

/* The set's own text; empty for an empty one. */
static int set_text(const struct set *s, wsrt_arena *a, wsrt_span *out)
{
    size_t len = 2 + s->count;
    char *dst;

    *out = (wsrt_span){NULL, 0};
    if (s->count == 0)
        return WSRT_OK;
    for (size_t i = 0; i < s->count; i++)
        len += s->texts[i].len;
    dst = wsrt_arena_alloc(a, len);
    if (dst == NULL)
        return WSRT_ERR_NOMEM;
    out->ptr = dst;
    for (size_t i = 0; i < s->count; i++) {
        *dst++ = i == 0 ? '[' : ',';
        memcpy(dst, s->texts[i].ptr, s->texts[i].len);
        dst += s->texts[i].len;
    }
    *dst++ = ']';
    out->len = (size_t)(dst - out->ptr);
    return WSRT_OK;
}

/* ---- in memory ---------------------------------------------------------------------------- */

static uint64_t hash_of(const wsrt_feed *f, wsrt_span id)
{
    return wsrt_hash(f->key, id.ptr, id.len);
}

struct feed_subscriber *wsrt_feed_find(const wsrt_feed *f, wsrt_span id)
{
    size_t step = 0;
    uint32_t slot;

    while ((slot = wsrt_index_next(&f->subscriber_index, hash_of(f, id), &step)) != WSRT_NO_SLOT) {
        struct feed_subscriber *s = wsrt_slots_at(&f->subscribers, slot);
        if (wsrt_span_equal((wsrt_span){s->id, s->id_len}, id))
            return s;
    }
    return NULL;
}

static void leave(wsrt_feed *f, struct feed_subscriber *s)
{
    struct feed_audience *a = s->audience;

    if (a == NULL)
        return;
    uint32_t last = a->members[--a->member_count];
    a->members[s->place] = last;
    ((struct feed_subscriber *)wsrt_slots_at(&f->subscribers, last))->place = s->place;
    s->audience = NULL;
    wsrt_feed_audience_release(f, a);
}

/* Room was reserved. */
static void join(struct feed_subscriber *s, struct feed_audience *a)
{
    s->audience = a;
    s->place = a->member_count;
    a->members[a->member_count++] = s->slot;
}

void wsrt_feed_drop(wsrt_feed *f, struct feed_subscriber *s)
{
    wsrt_span id = {s->id, s->id_len};

    leave(f, s);
    wsrt_index_drop(&f->subscriber_index, hash_of(f, id), s->slot);
    wsrt_slots_release(&f->subscribers, s->slot);
    wsrt_store_free(&f->heap, s, sizeof *s + s->id_len);
}

static int add_subscriber(wsrt_feed *f, wsrt_span id, int64_t connected_at,
                          struct feed_subscriber **out)
{
    if (f->subscribers.used >= f->max_subscribers)
        return WSRT_ERR_LIMIT;
    if (wsrt_slots_reserve(&f->subscribers, &f->heap) != WSRT_OK ||
        wsrt_index_reserve(&f->subscriber_index, &f->heap) != WSRT_OK)
        return WSRT_ERR_NOMEM;
    struct feed_subscriber *s = wsrt_store_alloc(&f->heap, sizeof *s + id.len);
    if (s == NULL)
        return WSRT_ERR_NOMEM;
    *s = (struct feed_subscriber){
        .connected_at = connected_at, .serial = f->next_serial++, .id_len = (uint32_t)id.len};
    memcpy(s->id, id.ptr, id.len);
    s->slot = wsrt_slots_take(&f->subscribers, s);
    wsrt_index_add(&f->subscriber_index, hash_of(f, id), s->slot);
    *out = s;
    return WSRT_OK;
}

static void read_set(const struct feed_subscriber *s, struct set *out)
{
    *out = (struct set){0};
    for (uint32_t i = 0; s != NULL && i < s->audience->filter_count; i++)
        (void)set_add(out, wsrt_filter_text(s->audience->filters[i]->filter));
}

/* Moves a connection to the audience of a set, which is not empty. */
static int move(wsrt_feed *f, wsrt_span id, int64_t connected_at, struct feed_subscriber *s,
                wsrt_span text)
{
    struct feed_audience *to = NULL;
    int rc = wsrt_feed_audience(f, text, &to);

    if (rc != WSRT_OK || (s != NULL && s->audience == to))
        return rc;
    rc = wsrt_feed_audience_reserve(f, to);
    if (rc == WSRT_OK && s == NULL)
        rc = add_subscriber(f, id, connected_at, &s);
    if (rc != WSRT_OK) {
        wsrt_feed_audience_release(f, to);
        return rc;
    }
    leave(f, s);
    join(s, to);
    return WSRT_OK;
}

/* A change of what a connection asks for. */
struct change {
    wsrt_span id;
    int64_t connected_at;
    wsrt_span filter; /* canonical; empty = all */
    int add;
};

static int apply(struct set *s, const struct change *c)
{
    if (c->add)
        return set_add(s, c->filter);
    if (c->filter.len == 0)
        s->count = 0;
    else
        set_take(s, c->filter);
    return WSRT_OK;
}

static int change_memory(wsrt_feed *f, const struct change *c, wsrt_arena *arena)
{
    struct feed_subscriber *s = wsrt_feed_find(f, c->id);
    struct set set;
    wsrt_span text;

    read_set(s, &set);
    int rc = apply(&set, c);
    if (rc == WSRT_OK)
        rc = set_text(&set, arena, &text);
    if (rc != WSRT_OK)
        return rc;
    if (text.len > 0)
        return move(f, c->id, c->connected_at, s, text);
    if (s != NULL)
        wsrt_feed_drop(f, s);
    return WSRT_OK;
}

/* ---- in the store ------------------------------------------------------------------------- */

static int parse_set(wsrt_span text, struct set *out)
{
    wsrt_json root, element;
    wsrt_json_iter it = {0};
    int rc = WSRT_OK;

    *out = (struct set){0};
    if (text.len == 0)
        return WSRT_OK;
    if (wsrt_json_parse(&root, text, NULL) != WSRT_OK || root.kind != WSRT_JSON_ARRAY)
        return WSRT_ERR_CORRUPT;
    while (rc == WSRT_OK && wsrt_json_next(&root, &it, NULL, &element) == WSRT_OK)
        rc = set_add(out, element.text);
    return rc;
}

static int change_stored(wsrt_feed *f, const struct change *c, wsrt_arena *arena)
{
    wsrt_record r = {.struct_size = sizeof r};
    char *buf = wsrt_arena_alloc(arena, RECORD_TEXT);
    struct set set;
    wsrt_span text;

    if (buf == NULL)
        return WSRT_ERR_NOMEM;
    int rc = f->store.ops->get(f->store.self, &c->id, f->env.wall(f->env.user) / 1000, &r, buf,
                               RECORD_TEXT);
    if (rc == WSRT_ERR_NOT_FOUND && !c->add)
        return WSRT_OK;
    if (rc == WSRT_OK)
        rc = parse_set(r.filters, &set);
    if (rc == WSRT_OK)
        rc = apply(&set, c);
    if (rc == WSRT_OK)
        rc = set_text(&set, arena, &text);
    if (rc == WSRT_OK && text.len > SETS_MOST)
        rc = WSRT_ERR_LIMIT;
    return rc == WSRT_OK ? f->store.ops->set_filters(f->store.self, &c->id, &text) : rc;
}

static int change(wsrt_feed *f, const struct change *c)
{
    wsrt_allocator allocator = f->heap.allocator;
    wsrt_arena arena;
    int rc;

    wsrt_arena_init(&arena, &allocator, NULL, 0);
    if ((f->flags & WSRT_FEED_STORED) != 0) {
        rc = change_stored(f, c, &arena);
    } else {
        pthread_mutex_lock(&f->lock);
        rc = change_memory(f, c, &arena);
        pthread_mutex_unlock(&f->lock);
    }
    wsrt_arena_free(&arena);
    return rc;
}

/* ---- snapshots ---------------------------------------------------------------------------- */

/* What one page of a snapshot needs. */
struct page {
    wsrt_latest_entry entry;
    char text[132 * 1024];
};

static int is_wanted(const wsrt_filter *filter, const wsrt_latest_entry *e, struct update *out)
{
    wsrt_json root = {.text = e->value, .kind = WSRT_JSON_OBJECT}, type, data;

    if (wsrt_json_find(&root, wsrt_span_cstr("/eventType"), &type) != WSRT_OK ||
        wsrt_json_find(&root, wsrt_span_cstr("/data"), &data) != WSRT_OK)
        return 0;
    *out = (struct update){.text = e->value, .data = data.text};
    return wsrt_filter_matches(filter, type.text, data.text);
}

/* Updates that fit into one message together, told when the next does not. */
static int send_snapshot(wsrt_feed *f, wsrt_span id, const wsrt_filter *filter, struct page *page,
                         wsrt_arena *kept)
{
    struct update batch[WSRT_FEED_BATCH];
    wsrt_cursor cursor = {0};
    size_t count = 0, n = 1;
    int rc = WSRT_OK;

    while (rc == WSRT_OK && n > 0) {
        page->entry.struct_size = sizeof page->entry;
        rc = f->latest.ops->each(f->latest.self, &cursor, &page->entry, 1, page->text,
                                 sizeof page->text, &n);
        if (rc != WSRT_OK || n == 0 || !is_wanted(filter, &page->entry, &batch[count]))
            continue;
        batch[count].text.ptr = wsrt_arena_copy(kept, page->entry.value);
        if (batch[count].text.ptr == NULL)
            return WSRT_ERR_NOMEM;
        if (++count < WSRT_FEED_BATCH)
            continue;
        rc = wsrt_feed_tell(f, id, batch, count);
        wsrt_arena_reset(kept);
        count = 0;
    }
    return rc == WSRT_OK && count > 0 ? wsrt_feed_tell(f, id, batch, count) : rc;
}

static int snapshot(wsrt_feed *f, wsrt_span id, const wsrt_filter *filter)
{
    wsrt_arena kept;
    wsrt_allocator allocator = f->heap.allocator;
    struct page *page = wsrt_mem_alloc(&allocator, sizeof *page);

    if (page == NULL)
        return WSRT_ERR_NOMEM;
    wsrt_arena_init(&kept, &allocator, NULL, 0);
    int rc = send_snapshot(f, id, filter, page, &kept);
    wsrt_arena_free(&kept);
    wsrt_mem_free(&allocator, page, sizeof *page);
    return rc;
}

/* ---- calls -------------------------------------------------------------------------------- */

int wsrt_feed_subscribe(wsrt_feed *f, wsrt_span connection_id, int64_t connected_at,
                        wsrt_span filter, uint32_t flags, wsrt_filter_error *why)
{
    struct change c = {.id = connection_id, .connected_at = connected_at, .add = 1};
    wsrt_filter *compiled;
    int with_snapshot = (flags & WSRT_SUBSCRIBE_SNAPSHOT) != 0;

    if (f == NULL || !wsrt_connection_id_valid(connection_id) ||
        (flags & ~(uint32_t)WSRT_SUBSCRIBE_SNAPSHOT) != 0)
        return WSRT_ERR_INVALID;
    if (with_snapshot && (f->latest.ops == NULL || f->sender.ops == NULL))
        return WSRT_ERR_UNSUPPORTED;
    int rc = wsrt_filter_new(&compiled, filter, &f->heap.allocator, why);
    if (rc != WSRT_OK)
        return rc;
    c.filter = wsrt_filter_text(compiled);
    if (with_snapshot) {
        pthread_mutex_lock(&f->turn);
        rc = snapshot(f, connection_id, compiled);
    }
    if (rc == WSRT_OK)
        rc = change(f, &c);
    if (with_snapshot)
        pthread_mutex_unlock(&f->turn);
    wsrt_filter_free(compiled);
    return rc;
}

int wsrt_feed_unsubscribe(wsrt_feed *f, wsrt_span connection_id, wsrt_span filter,
                          wsrt_filter_error *why)
{
    struct change c = {.id = connection_id};
    wsrt_filter *compiled = NULL;

    if (f == NULL || !wsrt_connection_id_valid(connection_id))
        return WSRT_ERR_INVALID;
    int rc =
        filter.len == 0 ? WSRT_OK : wsrt_filter_new(&compiled, filter, &f->heap.allocator, why);
    if (rc != WSRT_OK)
        return rc;
    c.filter = wsrt_filter_text(compiled);
    rc = change(f, &c);
    wsrt_filter_free(compiled);
    return rc;
}

void wsrt_feed_forget(wsrt_feed *f, wsrt_span connection_id)
{
    if (f == NULL || (f->flags & WSRT_FEED_STORED) != 0)
        return;
    pthread_mutex_lock(&f->lock);
    struct feed_subscriber *s = wsrt_feed_find(f, connection_id);
    if (s != NULL)
        wsrt_feed_drop(f, s);
    pthread_mutex_unlock(&f->lock);
}

void wsrt_feed_subscribers_free(wsrt_feed *f)
{
    uint32_t slot = 0;

    while ((slot = wsrt_slots_next(&f->subscribers, slot)) != WSRT_NO_SLOT)
        wsrt_feed_drop(f, wsrt_slots_at(&f->subscribers, slot++));
    wsrt_index_free(&f->subscriber_index, &f->heap);
    wsrt_slots_free(&f->subscribers, &f->heap);
}
