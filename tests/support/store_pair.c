#include "store_pair.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PAGE = 64, BUFFER = 131072, ID = 16 };

static const char *const user_names[STORE_PAIR_USERS] = {"", "ann", "bob", "cid", "dan"};
static const char *const filter_texts[] = {"", "short", "a longer text of subscriptions"};
static char buffer[BUFFER];

#define SAME(real, model) same(p, #real, (int64_t)(real), (int64_t)(model))

static void same(const struct store_pair *p, const char *what, int64_t real, int64_t model)
{
    if (real != model)
        p->driver->differs(p->step, what, real, model);
}

static int below(struct store_pair *p, uint64_t n)
{
    return (int)p->driver->below(p->driver->user, n);
}

static wsrt_span name_of(int id, char text[ID])
{
    snprintf(text, ID, "c%d", id);
    return wsrt_span_cstr(text);
}

wsrt_span store_pair_user(int user)
{
    return wsrt_span_cstr(user_names[user]);
}

static int lives(const struct store_model *m, int64_t now)
{
    return m->there && (m->expires_at == 0 || m->expires_at > now);
}

int store_pair_lives(const struct store_pair *p, int id)
{
    return lives(&p->models[id], p->now);
}

/* ---- reading ---- */

static void check_record(const struct store_pair *p, const wsrt_record *r,
                         const struct store_model *m, int brief)
{
    wsrt_span filters = wsrt_span_cstr(brief ? "" : filter_texts[m->filters]);

    SAME(wsrt_span_equal(r->user_id, store_pair_user(m->user)), 1);
    SAME(wsrt_span_equal(r->filters, filters), 1);
    SAME(r->connected_at, m->connected_at);
    SAME(r->last_active_at, m->last_active_at);
    SAME(r->expires_at, m->expires_at);
}

int store_pair_read(const struct store_pair *p, const wsrt_record *r, int brief)
{
    char text[ID] = "";

    if (r->connection_id.len < ID)
        memcpy(text, r->connection_id.ptr, r->connection_id.len);
    int id = (int)strtol(text + 1, NULL, 10);
    SAME(id >= 0 && id < p->ids, 1);
    SAME(wsrt_span_equal(r->connection_id, name_of(id, text)), 1);
    SAME(store_pair_lives(p, id), 1);
    check_record(p, r, &p->models[id], brief);
    return id;
}

static int get(const struct store_pair *p, int id, int64_t now, wsrt_record *out)
{
    char text[ID];
    wsrt_span name = name_of(id, text);

    *out = (wsrt_record){.struct_size = sizeof *out};
    return p->store.ops->get(p->store.self, &name, now, out, buffer, sizeof buffer);
}

static void check_one(const struct store_pair *p, int id)
{
    wsrt_record out;
    int rc = get(p, id, p->now, &out);

    SAME(rc, store_pair_lives(p, id) ? WSRT_OK : WSRT_ERR_NOT_FOUND);
    if (rc == WSRT_OK)
        check_record(p, &out, &p->models[id], 0);
}

void store_pair_walk(struct store_pair *p, int user)
{
    wsrt_span name = store_pair_user(user);
    wsrt_cursor c = {0};
    static wsrt_record out[PAGE];
    uint64_t wanted = 0, seen = 0, counted = 0;
    size_t n;

    for (int i = 0; i < p->ids; i++)
        wanted += store_pair_lives(p, i) && (user == 0 || p->models[i].user == user);
    while (!c.at_end) {
        out[0].struct_size = sizeof out[0];
        SAME(p->store.ops->each(p->store.self, user == 0 ? NULL : &name, 0, &c, p->now, out, PAGE,
                                buffer, sizeof buffer, &n),
             WSRT_OK);
        seen += n;
        for (size_t i = 0; i < n && user != 0; i++)
            SAME(wsrt_span_equal(out[i].user_id, name), 1);
    }
    SAME(seen, wanted);
    if (user == 0) {
        SAME(p->store.ops->count(p->store.self, p->now, &counted), WSRT_OK);
        SAME(counted, wanted);
    }
}

/* ---- changing ---- */

/* What is expired and stored nevertheless is seen by who asks for a time before. */
static int is_stored(const struct store_pair *p, int id)
{
    wsrt_record out;

    return get(p, id, 0, &out) == WSRT_OK;
}

void store_pair_expire(struct store_pair *p, size_t limit)
{
    size_t removed = 0, wanted = 0, gone = 0;

    for (int i = 0; i < p->ids; i++)
        wanted += p->models[i].there && !store_pair_lives(p, i);
    SAME(p->store.ops->expire(p->store.self, p->now, limit, &removed), WSRT_OK);
    SAME(removed, wanted < limit ? wanted : limit);
    for (int i = 0; i < p->ids; i++) {
        struct store_model *m = &p->models[i];
        if (!m->there || store_pair_lives(p, i))
            continue;
        m->there = removed < wanted && is_stored(p, i);
        gone += !m->there;
    }
    SAME(gone, removed);
}

/* A store that is full forgets what has expired. */
static int has_room(struct store_pair *p)
{
    int used = 0, live = 0;

    for (int i = 0; i < p->ids; i++) {
        used += p->models[i].there;
        live += store_pair_lives(p, i);
    }
    if (p->capacity == 0 || used < p->capacity)
        return 1;
    for (int i = 0; i < p->ids; i++)
        p->models[i].there = store_pair_lives(p, i);
    return live < p->capacity;
}

static void put(struct store_pair *p, const wsrt_record *r, struct store_model *m,
                const struct store_model *next, int if_absent)
{
    int wanted = if_absent && lives(m, p->now) ? WSRT_ERR_EXISTS
                 : m->there || has_room(p)     ? WSRT_OK
                                               : WSRT_ERR_LIMIT;

    SAME(p->store.ops->put(p->store.self, r, if_absent, p->now), wanted);
    if (wanted == WSRT_OK)
        *m = *next;
}

void store_pair_change(struct store_pair *p, int id)
{
    struct store_model *m = &p->models[id], next = {.there = 1, .connected_at = p->step + 1};
    const wsrt_store_ops *ops = p->store.ops;
    char text[ID];
    int live = lives(m, p->now), found = live ? WSRT_OK : WSRT_ERR_NOT_FOUND;

    next.user = below(p, STORE_PAIR_USERS);
    next.filters = below(p, 3);
    next.last_active_at = p->now * 1000;
    if (below(p, 3) > 0)
        next.expires_at = p->now + 1 + below(p, 40);
    wsrt_span name = name_of(id, text), user = store_pair_user(next.user), none = {0},
              filters = wsrt_span_cstr(filter_texts[next.filters]);
    wsrt_record r = {.struct_size = sizeof r,
                     .connection_id = name,
                     .user_id = user,
                     .filters = filters,
                     .connected_at = next.connected_at,
                     .last_active_at = next.last_active_at,
                     .expires_at = next.expires_at};
    switch (below(p, 7)) {
    case 0:
    case 1:
        put(p, &r, m, &next, 0);
        break;
    case 2:
        put(p, &r, m, &next, 1);
        break;
    case 3:
        SAME(ops->remove(p->store.self, &name, p->step % 2 == 0 ? m->connected_at : 0), WSRT_OK);
        m->there = 0;
        break;
    case 4:
        SAME(ops->touch(p->store.self, &name, next.last_active_at, next.expires_at), found);
        m->last_active_at = live ? next.last_active_at : m->last_active_at;
        m->expires_at = live ? next.expires_at : m->expires_at;
        break;
    case 5:
        if (live)
            SAME(ops->set_principal(p->store.self, &name, &user, &none), WSRT_OK);
        m->user = live ? next.user : m->user;
        break;
    default:
        if (live)
            SAME(ops->set_filters(p->store.self, &name, &filters), WSRT_OK);
        m->filters = live ? next.filters : m->filters;
        break;
    }
    check_one(p, id);
}
