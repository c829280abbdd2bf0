#include "store_parts.h"

#include <stdio.h>
#include <string.h>

enum { IDS = 200, USERS = 5 };

/* The plainest store there is. */
struct model {
    int there;
    int user; /* 0 = none */
    int64_t connected_at, last_active_at, expires_at;
    int filters;
};

static const char *const user_names[USERS] = {"", "ann", "bob", "cid", "dan"};
static const char *const filter_texts[3] = {"", "short", "a longer text of subscriptions"};

static wsrt_record record_of(const struct model *m, const char *id)
{
    wsrt_record r = connection(id);

    r.user_id = wsrt_span_cstr(user_names[m->user]);
    r.filters = wsrt_span_cstr(filter_texts[m->filters]);
    r.connected_at = m->connected_at;
    r.last_active_at = m->last_active_at;
    r.expires_at = m->expires_at;
    return r;
}

static int lives(const struct model *m, int64_t now)
{
    return m->there && (m->expires_at == 0 || m->expires_at > now);
}

static void check_one(const struct model *m, const char *id, int64_t now, int step)
{
    wsrt_record out;
    int rc = get_at(id, now, &out);

    ck_assert_msg(rc == (lives(m, now) ? WSRT_OK : WSRT_ERR_NOT_FOUND), "step %d: get %d", step,
                  rc);
    if (rc == WSRT_OK)
        ck_assert_msg(
            is(out.user_id, user_names[m->user]) && is(out.filters, filter_texts[m->filters]) &&
                out.connected_at == m->connected_at && out.last_active_at == m->last_active_at &&
                out.expires_at == m->expires_at,
            "step %d: fields", step);
}

static void check_walk(const struct model *models, int user, int64_t now, int step)
{
    wsrt_span name = wsrt_span_cstr(user_names[user]);
    wsrt_cursor c = {0};
    static wsrt_record out[64];
    int wanted = 0, seen = 0;
    size_t n;

    for (int i = 0; i < IDS; i++)
        wanted += lives(&models[i], now) && (user == 0 || models[i].user == user);
    while (!c.at_end) {
        out[0].struct_size = sizeof out[0];
        ck_assert_int_eq(store.ops->each(store.self, user == 0 ? NULL : &name, 0, &c, now, out, 64,
                                         buffer, sizeof buffer, &n),
                         WSRT_OK);
        seen += (int)n;
        for (size_t i = 0; i < n && user != 0; i++)
            ck_assert(wsrt_span_equal(out[i].user_id, name));
    }
    ck_assert_msg(seen == wanted, "step %d: walk of %d shows %d, not %d", step, user, seen, wanted);
    if (user == 0)
        ck_assert_uint_eq(count_at(now), (uint64_t)wanted);
}

static void expire_both(struct model *models, int64_t now, int step)
{
    size_t removed = 0;
    int wanted = 0;

    for (int i = 0; i < IDS; i++) {
        wanted += models[i].there && !lives(&models[i], now);
        models[i].there = lives(&models[i], now);
    }
    ck_assert_int_eq(store.ops->expire(store.self, now, SIZE_MAX, &removed), WSRT_OK);
    ck_assert_msg((int)removed == wanted, "step %d: %zu expired, not %d", step, removed, wanted);
}

static void change_one(struct model *m, const char *id, int64_t now, uint64_t *random, int step)
{
    struct model next = {.there = 1,
                         .user = (int)(next_random(random) % USERS),
                         .connected_at = step + 1,
                         .last_active_at = now * 1000,
                         .filters = (int)(next_random(random) % 3)};
    wsrt_span span = wsrt_span_cstr(id), user = wsrt_span_cstr(user_names[next.user]),
              filters = wsrt_span_cstr(filter_texts[next.filters]), none = {0};
    int live = lives(m, now), rc, wanted = live ? WSRT_OK : WSRT_ERR_NOT_FOUND;

    if (next_random(random) % 3 > 0)
        next.expires_at = now + 1 + (int64_t)(next_random(random) % 40);
    wsrt_record r = record_of(&next, id);
    switch (next_random(random) % 7) {
    case 0:
    case 1:
        rc = store.ops->put(store.self, &r, 0, now);
        wanted = WSRT_OK;
        *m = next;
        break;
    case 2:
        rc = store.ops->put(store.self, &r, 1, now);
        wanted = live ? WSRT_ERR_EXISTS : WSRT_OK;
        *m = live ? *m : next;
        break;
    case 3:
        rc = store.ops->remove(store.self, &span, step % 2 == 0 ? m->connected_at : 0);
        wanted = WSRT_OK;
        m->there = 0;
        break;
    case 4:
        rc = store.ops->touch(store.self, &span, now * 1000, next.expires_at);
        m->last_active_at = live ? now * 1000 : m->last_active_at;
        m->expires_at = live ? next.expires_at : m->expires_at;
        break;
    case 5:
        rc = live ? store.ops->set_principal(store.self, &span, &user, &none) : wanted;
        m->user = live ? next.user : m->user;
        break;
    default:
        rc = live ? store.ops->set_filters(store.self, &span, &filters) : wanted;
        m->filters = live ? next.filters : m->filters;
        break;
    }
    ck_assert_msg(rc == wanted, "step %d: %s, not %s", step, wsrt_status_name(rc),
                  wsrt_status_name(wanted));
}

START_TEST(every_answer_equals_the_plain_models)
{
    static struct model models[IDS];
    uint64_t random = 20261121;
    int64_t now = NOW;
    int steps = factory->steps == 0 ? 100000 : factory->steps;
    char id[16];

    memset(models, 0, sizeof models);
    for (int step = 0; step < steps; step++) {
        int i = (int)(next_random(&random) % IDS);
        snprintf(id, sizeof id, "c%d", i);
        change_one(&models[i], id, now, &random, step);
        check_one(&models[i], id, now, step);
        now += next_random(&random) % 16 == 0;
        if (step % 97 == 0)
            check_walk(models, (int)(next_random(&random) % USERS), now, step);
        if (step % 301 == 0 && !factory->no_expire)
            expire_both(models, now, step);
    }
    printf("# model steps: %d\n", steps);
}
END_TEST

void store_add_model(TCase *t)
{
    tcase_add_test(t, every_answer_equals_the_plain_models);
}
