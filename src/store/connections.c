#include "store/memory.h"

#include "base/hash.h"
#include "base/id.h"
#include "base/options.h"
#include "store/rules.h"

#include <string.h>

enum { EXPIRE_WORK = 65536, MAKE_ROOM = 16 };

/* One block a connection: this, a link when it has a user, then the text: id, user, ip, agent, node,
 * principal, filters. */
struct record {
    int64_t expires_at; /* first, for the slots */
    int64_t epoch;
    int64_t connected_at;
    int64_t last_active_at;
    uint16_t principal;
    uint16_t filters;
    uint8_t id;
    uint8_t user;
    uint8_t ip;
    uint8_t agent;
    uint8_t node;
    uint8_t reserved[7];
};

/* A place in the ring of a user's records, in the order they joined it. */
struct link {
    uint64_t joined;
    uint32_t before;
    uint32_t after;
};

/* ---- blocks ------------------------------------------------------------------------------- */

static struct link *link_of(struct record *r)
{
    return (struct link *)(r + 1);
}

static char *text_of(const struct record *r)
{
    return (char *)((uintptr_t)(r + 1) + (r->user > 0 ? sizeof(struct link) : 0));
}

static wsrt_span id_of(const struct record *r)
{
    return (wsrt_span){text_of(r), r->id};
}

static wsrt_span user_of(const struct record *r)
{
    return (wsrt_span){text_of(r) + r->id, r->user};
}

static size_t size_of(const struct record *r)
{
    return sizeof *r + (r->user > 0 ? sizeof(struct link) : 0) + r->id + r->user + r->ip +
           r->agent + r->node + r->principal + r->filters;
}

static wsrt_span cut(char **at, size_t len)
{
    wsrt_span out = {*at, len};

    *at += len;
    return out;
}

/* A record as callers see it; its text stays in the block. */
static wsrt_record view_of(const struct record *r)
{
    char *at = text_of(r);
    wsrt_record out = {.struct_size = sizeof out,
                       .epoch = r->epoch,
                       .connected_at = r->connected_at,
                       .last_active_at = r->last_active_at,
                       .expires_at = r->expires_at};

    out.connection_id = cut(&at, r->id);
    out.user_id = cut(&at, r->user);
    out.source_ip = cut(&at, r->ip);
    out.user_agent = cut(&at, r->agent);
    out.node = cut(&at, r->node);
    out.principal = cut(&at, r->principal);
    out.filters = cut(&at, r->filters);
    return out;
}

static void copy_in(char **at, wsrt_span text)
{
    if (text.len != 0)
        memcpy(*at, text.ptr, text.len);
    *at += text.len;
}

static struct record *build(wsrt_store_heap *heap, const wsrt_record *in)
{
    struct record lengths = {.expires_at = in->expires_at,
                             .epoch = in->epoch,
                             .connected_at = in->connected_at,
                             .last_active_at = in->last_active_at,
                             .principal = (uint16_t)in->principal.len,
                             .filters = (uint16_t)in->filters.len,
                             .id = (uint8_t)in->connection_id.len,
                             .user = (uint8_t)in->user_id.len,
                             .ip = (uint8_t)in->source_ip.len,
                             .agent = (uint8_t)in->user_agent.len,
                             .node = (uint8_t)in->node.len};
    struct record *r = wsrt_store_alloc(heap, size_of(&lengths));

    if (r == NULL)
        return NULL;
    *r = lengths;
    char *at = text_of(r);
    copy_in(&at, in->connection_id);
    copy_in(&at, in->user_id);
    copy_in(&at, in->source_ip);
    copy_in(&at, in->user_agent);
    copy_in(&at, in->node);
    copy_in(&at, in->principal);
    copy_in(&at, in->filters);
    return r;
}

/* ---- looking up --------------------------------------------------------------------------- */

static uint64_t hash_of(const wsrt_memory_store *m, wsrt_span text)
{
    return wsrt_hash(m->hash_key, text.ptr, text.len);
}

static struct record *at(const wsrt_memory_store *m, uint32_t slot)
{
    return wsrt_slots_at(&m->records.slots, slot);
}

static uint32_t find_id(const wsrt_memory_store *m, wsrt_span id, uint64_t hash)
{
    size_t step = 0;
    uint32_t slot;

    do
        slot = wsrt_index_next(&m->records.ids, hash, &step);
    while (slot != WSRT_NO_SLOT && !wsrt_span_equal(id_of(at(m, slot)), id));
    return slot;
}

static uint32_t find_user(const wsrt_memory_store *m, wsrt_span user, uint64_t hash)
{
    size_t step = 0;
    uint32_t slot;

    do
        slot = wsrt_index_next(&m->records.users, hash, &step);
    while (slot != WSRT_NO_SLOT && !wsrt_span_equal(user_of(at(m, slot)), user));
    return slot;
}

/* ---- the rings of users ------------------------------------------------------------------- */

/* Room in the index of users is reserved. */
static void join(wsrt_memory_store *m, uint32_t slot)
{
    struct record *r = at(m, slot);
    struct link *mine = link_of(r);

    if (r->user == 0)
        return;
    uint64_t hash = hash_of(m, user_of(r));
    uint32_t first = find_user(m, user_of(r), hash);
    *mine = (struct link){++m->records.joined, slot, slot};
    if (first == WSRT_NO_SLOT) {
        wsrt_index_add(&m->records.users, hash, slot);
        return;
    }
    struct link *head = link_of(at(m, first));
    mine->before = head->before;
    mine->after = first;
    link_of(at(m, mine->before))->after = slot;
    head->before = slot;
}

static void leave(wsrt_memory_store *m, uint32_t slot)
{
    struct record *r = at(m, slot);

    if (r->user == 0)
        return;
    struct link mine = *link_of(r);
    uint64_t hash = hash_of(m, user_of(r));
    if (find_user(m, user_of(r), hash) == slot) {
        if (mine.after == slot)
            wsrt_index_drop(&m->records.users, hash, slot);
        else
            wsrt_index_change(&m->records.users, hash, slot, mine.after);
    }
    link_of(at(m, mine.before))->after = mine.after;
    link_of(at(m, mine.after))->before = mine.before;
}

/* ---- changing ----------------------------------------------------------------------------- */

static void drop(wsrt_memory_store *m, uint32_t slot)
{
    struct record *r = at(m, slot);

    leave(m, slot);
    wsrt_index_drop(&m->records.ids, hash_of(m, id_of(r)), slot);
    wsrt_slots_release(&m->records.slots, slot);
    wsrt_store_free(&m->heap, r, size_of(r));
}

static size_t drop_expired(wsrt_memory_store *m, int64_t now_s, size_t limit)
{
    wsrt_slots_round round = wsrt_slots_round_start(&m->records.slots, EXPIRE_WORK);
    size_t dropped = 0;

    while (dropped < limit) {
        uint32_t slot = wsrt_slots_round_next(&m->records.slots, &round, now_s);
        if (slot == WSRT_NO_SLOT)
            break;
        drop(m, slot);
        dropped++;
    }
    return dropped;
}

static int insert(wsrt_memory_store *m, const wsrt_record *in, uint64_t hash)
{
    if (m->records.slots.used >= m->records.max)
        return WSRT_ERR_LIMIT;
    int rc = wsrt_slots_reserve(&m->records.slots, &m->heap);
    if (rc == WSRT_OK)
        rc = wsrt_index_reserve(&m->records.ids, &m->heap);
    if (rc == WSRT_OK && in->user_id.len > 0)
        rc = wsrt_index_reserve(&m->records.users, &m->heap);
    if (rc != WSRT_OK)
        return rc;
    struct record *r = build(&m->heap, in);
    if (r == NULL)
        return WSRT_ERR_NOMEM;
    uint32_t slot = wsrt_slots_take(&m->records.slots, r);
    wsrt_index_add(&m->records.ids, hash, slot);
    join(m, slot);
    return WSRT_OK;
}

/* Gives a record new content; it keeps its slot, and its place in the ring of the same user. */
static int replace(wsrt_memory_store *m, uint32_t slot, const wsrt_record *in)
{
    struct record *old = at(m, slot);
    int same_user = wsrt_span_equal(user_of(old), in->user_id);

    if (!same_user && wsrt_index_reserve(&m->records.users, &m->heap) != WSRT_OK)
        return WSRT_ERR_NOMEM;
    struct record *r = build(&m->heap, in);
    if (r == NULL)
        return WSRT_ERR_NOMEM;
    if (!same_user)
        leave(m, slot);
    else if (r->user > 0)
        *link_of(r) = *link_of(old);
    wsrt_slots_set(&m->records.slots, slot, r);
    if (!same_user)
        join(m, slot);
    wsrt_store_free(&m->heap, old, size_of(old));
    return WSRT_OK;
}

/* ---- the table: single records ------------------------------------------------------------ */

static int put(void *self, const wsrt_record *record, int if_absent, int64_t now_s)
{
    wsrt_memory_store *m = self;
    wsrt_record in = {.struct_size = sizeof in};
    int rc = wsrt_record_load(&in, record);

    if (rc != WSRT_OK)
        return rc;
    uint64_t hash = hash_of(m, in.connection_id);
    pthread_mutex_lock(&m->lock);
    uint32_t slot = find_id(m, in.connection_id, hash);
    if (slot == WSRT_NO_SLOT) {
        if (m->records.slots.used >= m->records.max)
            drop_expired(m, now_s, MAKE_ROOM);
        rc = insert(m, &in, hash);
    } else if (if_absent && !wsrt_slots_expired(at(m, slot), now_s)) {
        rc = WSRT_ERR_EXISTS;
    } else {
        rc = replace(m, slot, &in);
    }
    pthread_mutex_unlock(&m->lock);
    return rc;
}

/* Copies a record out; 0 = its text does not fit. */
static int emit(const struct record *r, int brief, void *out, size_t stride, wsrt_text_sink *sink)
{
    wsrt_record v = view_of(r);
    wsrt_text_sink try = *sink;

    if (brief)
        v.principal = v.source_ip = v.user_agent = v.filters = v.node = (wsrt_span){0};
    if (!wsrt_text_copy(&try, &v.connection_id) || !wsrt_text_copy(&try, &v.user_id))
        return 0;
    if (!brief && (!wsrt_text_copy(&try, &v.principal) || !wsrt_text_copy(&try, &v.source_ip) ||
                   !wsrt_text_copy(&try, &v.user_agent) || !wsrt_text_copy(&try, &v.filters) ||
                   !wsrt_text_copy(&try, &v.node)))
        return 0;
    *sink = try;
    wsrt_out_write(out, stride, &v, sizeof v);
    return 1;
}

static int get(void *self, const wsrt_span *id, int64_t now_s, wsrt_record *out, char *buf,
               size_t cap)
{
    wsrt_memory_store *m = self;
    wsrt_text_sink sink = {buf, cap};
    size_t stride;
    int rc = WSRT_OK;

    if (id == NULL || out == NULL || !wsrt_id_valid(*id) || (buf == NULL && cap != 0))
        return WSRT_ERR_INVALID;
    stride = wsrt_out_stride(out, sizeof *out);
    if (stride == 0)
        return WSRT_ERR_INVALID;
    uint64_t hash = hash_of(m, *id);
    pthread_mutex_lock(&m->lock);
    const struct record *r = at(m, find_id(m, *id, hash));
    if (r == NULL || wsrt_slots_expired(r, now_s))
        rc = WSRT_ERR_NOT_FOUND;
    else if (!emit(r, 0, out, stride, &sink))
        rc = WSRT_ERR_LIMIT;
    pthread_mutex_unlock(&m->lock);
    return rc;
}

static int remove_one(void *self, const wsrt_span *id, int64_t if_connected_at)
{
    wsrt_memory_store *m = self;

    if (id == NULL || !wsrt_id_valid(*id))
        return WSRT_ERR_INVALID;
    uint64_t hash = hash_of(m, *id);
    pthread_mutex_lock(&m->lock);
    uint32_t slot = find_id(m, *id, hash);
    if (slot != WSRT_NO_SLOT &&
        (if_connected_at == 0 || at(m, slot)->connected_at == if_connected_at))
        drop(m, slot);
    pthread_mutex_unlock(&m->lock);
    return WSRT_OK;
}

/* Whole seconds since 1970, rounded down. */
static int64_t seconds_of(int64_t ms)
{
    return ms / 1000 - (ms % 1000 < 0);
}

static int touch(void *self, const wsrt_span *id, int64_t last_active_at, int64_t expires_at)
{
    wsrt_memory_store *m = self;
    int rc = WSRT_ERR_NOT_FOUND;

    if (id == NULL || !wsrt_id_valid(*id))
        return WSRT_ERR_INVALID;
    uint64_t hash = hash_of(m, *id);
    pthread_mutex_lock(&m->lock);
    uint32_t slot = find_id(m, *id, hash);
    struct record *r = at(m, slot);
    if (r != NULL && !wsrt_slots_expired(r, seconds_of(last_active_at))) {
        r->last_active_at = last_active_at;
        r->expires_at = expires_at;
        wsrt_slots_set(&m->records.slots, slot, r);
        rc = WSRT_OK;
    }
    pthread_mutex_unlock(&m->lock);
    return rc;
}

static int set_principal(void *self, const wsrt_span *id, const wsrt_span *user_id,
                         const wsrt_span *principal)
{
    wsrt_memory_store *m = self;
    int rc = WSRT_ERR_NOT_FOUND;

    if (id == NULL || user_id == NULL || principal == NULL || !wsrt_id_valid(*id) ||
        !wsrt_store_fits(*user_id, 0, WSRT_USER_ID_MAX) ||
        !wsrt_store_fits(*principal, 0, WSRT_PRINCIPAL_MAX))
        return WSRT_ERR_INVALID;
    uint64_t hash = hash_of(m, *id);
    pthread_mutex_lock(&m->lock);
    uint32_t slot = find_id(m, *id, hash);
    if (slot != WSRT_NO_SLOT) {
        wsrt_record v = view_of(at(m, slot));
        v.user_id = *user_id;
        v.principal = *principal;
        rc = replace(m, slot, &v);
    }
    pthread_mutex_unlock(&m->lock);
    return rc;
}

static int set_filters(void *self, const wsrt_span *id, const wsrt_span *filters)
{
    wsrt_memory_store *m = self;
    int rc = WSRT_ERR_NOT_FOUND;

    if (id == NULL || filters == NULL || !wsrt_id_valid(*id) ||
        !wsrt_store_fits(*filters, 0, WSRT_FILTERS_MAX))
        return WSRT_ERR_INVALID;
    uint64_t hash = hash_of(m, *id);
    pthread_mutex_lock(&m->lock);
    uint32_t slot = find_id(m, *id, hash);
    if (slot != WSRT_NO_SLOT) {
        wsrt_record v = view_of(at(m, slot));
        v.filters = *filters;
        rc = replace(m, slot, &v);
    }
    pthread_mutex_unlock(&m->lock);
    return rc;
}

/* ---- the table: walks --------------------------------------------------------------------- */

/* Where a walk goes on: a slot, and for a user's ring the number it joined with, since the slot may
 * have changed its record. */
struct place {
    uint64_t store;
    uint64_t walk; /* 0 = all records, else the user's hash */
    uint64_t joined;
    uint32_t slot;
    uint32_t reserved;
};

struct walk {
    wsrt_memory_store *m;
    const wsrt_span *user; /* NULL = all records */
    uint64_t hash;
    uint32_t flags;
    uint32_t first; /* of the user's ring */
    int64_t now_s;
};

static uint32_t after(const struct walk *w, uint32_t slot)
{
    if (w->user == NULL)
        return wsrt_slots_next(&w->m->records.slots, slot + 1);
    slot = link_of(at(w->m, slot))->after;
    return slot == w->first ? WSRT_NO_SLOT : slot;
}

/* From `slot` on, the first record that the walk shows. */
static uint32_t visible_from(const struct walk *w, uint32_t slot)
{
    while (slot != WSRT_NO_SLOT) {
        const struct record *r = at(w->m, slot);
        if (!wsrt_slots_expired(r, w->now_s) &&
            ((w->flags & WSRT_EACH_SIGNED_IN) == 0 || r->user > 0))
            break;
        slot = after(w, slot);
    }
    return slot;
}

/* A place of another ring, in a cursor older than this store, is none: its walk would not end. */
static uint32_t resume_in_ring(const struct walk *w, const struct place *p)
{
    struct record *r = at(w->m, p->slot);
    uint32_t slot = w->first;

    if (r != NULL && wsrt_span_equal(user_of(r), *w->user) && link_of(r)->joined == p->joined)
        return p->slot;
    while (slot != WSRT_NO_SLOT && link_of(at(w->m, slot))->joined < p->joined)
        slot = after(w, slot);
    return slot;
}

/* Where the page begins. */
static int start(struct walk *w, const wsrt_cursor *cursor, uint32_t *slot)
{
    struct place p = {0};
    int began;
    int rc = wsrt_cursor_read(cursor, &p, sizeof p, &began);

    if (rc != WSRT_OK || (began && (p.store != w->m->identity || p.walk != w->hash)))
        return WSRT_ERR_INVALID;
    if (w->user != NULL)
        w->first = find_user(w->m, *w->user, w->hash);
    if (cursor->at_end)
        *slot = WSRT_NO_SLOT;
    else if (w->user != NULL)
        *slot = began ? resume_in_ring(w, &p) : w->first;
    else
        *slot = wsrt_slots_next(&w->m->records.slots, p.slot);
    *slot = visible_from(w, *slot);
    return WSRT_OK;
}

static void keep_place(const struct walk *w, uint32_t slot, wsrt_cursor *cursor)
{
    struct place p = {.store = w->m->identity, .walk = w->hash, .slot = slot};

    if (slot != WSRT_NO_SLOT && w->user != NULL)
        p.joined = link_of(at(w->m, slot))->joined;
    wsrt_cursor_write(cursor, &p, sizeof p);
    cursor->at_end = slot == WSRT_NO_SLOT;
}

static int each(void *self, const wsrt_span *user_id, uint32_t flags, wsrt_cursor *cursor,
                int64_t now_s, wsrt_record *out, size_t max, char *buf, size_t cap, size_t *count)
{
    wsrt_memory_store *m = self;
    struct walk w = {.m = m, .user = user_id, .flags = flags, .now_s = now_s};
    wsrt_text_sink sink = {buf, cap};
    uint32_t slot;
    size_t n = 0;

    if (cursor == NULL || out == NULL || count == NULL || max == 0 || (buf == NULL && cap != 0) ||
        (flags & ~(uint32_t)(WSRT_EACH_BRIEF | WSRT_EACH_SIGNED_IN)) != 0 ||
        (user_id != NULL && (user_id->len == 0 || !wsrt_store_fits(*user_id, 0, WSRT_USER_ID_MAX))))
        return WSRT_ERR_INVALID;
    size_t stride = wsrt_out_stride(out, sizeof *out);
    if (stride == 0)
        return WSRT_ERR_INVALID;
    if (user_id != NULL)
        w.hash = hash_of(m, *user_id) | 1;
    pthread_mutex_lock(&m->lock);
    int rc = start(&w, cursor, &slot);
    for (; rc == WSRT_OK && slot != WSRT_NO_SLOT && n < max; n++) {
        if (!emit(at(m, slot), (flags & WSRT_EACH_BRIEF) != 0, (char *)out + n * stride, stride,
                  &sink))
            break;
        slot = visible_from(&w, after(&w, slot));
    }
    if (rc == WSRT_OK && n == 0 && slot != WSRT_NO_SLOT)
        rc = WSRT_ERR_LIMIT;
    if (rc == WSRT_OK) {
        keep_place(&w, slot, cursor);
        *count = n;
    }
    pthread_mutex_unlock(&m->lock);
    return rc;
}

/* ---- the table: maintenance --------------------------------------------------------------- */

static int count_live(void *self, int64_t now_s, uint64_t *out)
{
    wsrt_memory_store *m = self;

    if (out == NULL)
        return WSRT_ERR_INVALID;
    pthread_mutex_lock(&m->lock);
    *out = wsrt_slots_live(&m->records.slots, now_s);
    pthread_mutex_unlock(&m->lock);
    return WSRT_OK;
}

static int expire(void *self, int64_t now_s, size_t limit, size_t *removed)
{
    wsrt_memory_store *m = self;

    if (removed == NULL)
        return WSRT_ERR_INVALID;
    pthread_mutex_lock(&m->lock);
    *removed = drop_expired(m, now_s, limit);
    pthread_mutex_unlock(&m->lock);
    return WSRT_OK;
}

static int flush(void *self)
{
    (void)self;
    return WSRT_OK;
}

const wsrt_store_ops wsrt_memory_connection_ops = {
    .struct_size = sizeof(wsrt_store_ops),
    .put = put,
    .get = get,
    .remove = remove_one,
    .touch = touch,
    .set_principal = set_principal,
    .set_filters = set_filters,
    .each = each,
    .count = count_live,
    .expire = expire,
    .flush = flush,
};

void wsrt_memory_connections_free(wsrt_memory_store *m)
{
    uint32_t slot = 0;

    while ((slot = wsrt_slots_next(&m->records.slots, slot)) != WSRT_NO_SLOT) {
        struct record *r = at(m, slot++);
        wsrt_store_free(&m->heap, r, size_of(r));
    }
    wsrt_index_free(&m->records.ids, &m->heap);
    wsrt_index_free(&m->records.users, &m->heap);
    wsrt_slots_free(&m->records.slots, &m->heap);
}
