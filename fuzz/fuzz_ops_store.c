/* Bytes as what happens to the memory store: records put, changed and removed, time that passes
 * or goes back, expiry, a full store, walks page by page between all that. Every answer is the
 * one of the model in tests/support; and whoever is there during a whole walk is on exactly one
 * of its pages. */
#include "input.h"
#include "target.h"

#include "store_pair.h"

#include <stdio.h>

enum { IDS = 14, CAPACITY = 10, PAGE = 4, TEXT = 16384, LONGEST = 192 };

struct walk {
    wsrt_cursor cursor;
    int user, brief, signed_in;
    struct {
        int seen;       /* times */
        int throughout; /* the walk has had it in its reach all the time */
        int ever;
    } ids[IDS];
};

static void differs(int step, const char *what, int64_t real, int64_t model)
{
    fprintf(stderr, "step %d: %s is %lld, not %lld\n", step, what, (long long)real,
            (long long)model);
    abort();
}

static uint64_t below(void *user, uint64_t n)
{
    return take_byte(user) % n;
}

/* ---- walks ---- */

static void look(struct walk *w, const struct store_pair *p)
{
    for (int i = 0; i < IDS; i++) {
        int user = p->models[i].user;
        int shown = store_pair_lives(p, i) && (w->user == 0 || user == w->user) &&
                    (!w->signed_in || user != 0);
        w->ids[i].throughout &= shown;
        w->ids[i].ever |= shown;
    }
}

static void begin(struct walk *w, const struct store_pair *p, struct input *in)
{
    *w = (struct walk){.user = (int)(take_byte(in) % STORE_PAIR_USERS)};
    w->brief = (int)take_byte(in) & 1;
    w->signed_in = (int)take_byte(in) & 1;
    for (int i = 0; i < IDS; i++)
        w->ids[i].throughout = 1;
    look(w, p);
}

static void end(const struct walk *w)
{
    for (int i = 0; i < IDS; i++) {
        require(!w->ids[i].throughout || w->ids[i].seen == 1);
        require(w->ids[i].ever || w->ids[i].seen == 0);
    }
}

static void turn_page(struct walk *w, const struct store_pair *p, struct input *in)
{
    static char text[TEXT];
    wsrt_span user = store_pair_user(w->user);
    wsrt_record out[PAGE] = {{.struct_size = sizeof out[0]}};
    wsrt_cursor before = w->cursor;
    size_t n = 0, max = 1 + take_byte(in) % PAGE, cap = take_byte(in) % 4 ? TEXT : take_byte(in);
    uint32_t flags = (w->brief ? WSRT_EACH_BRIEF : 0) | (w->signed_in ? WSRT_EACH_SIGNED_IN : 0);

    int rc = p->store.ops->each(p->store.self, w->user == 0 ? NULL : &user, flags, &w->cursor,
                                p->now, out, max, text, cap, &n);
    if (rc != WSRT_OK) {
        require(rc == WSRT_ERR_LIMIT && cap < TEXT);
        require(memcmp(&before, &w->cursor, sizeof before) == 0);
        return;
    }
    require(n <= max && (n > 0 || w->cursor.at_end));
    for (size_t i = 0; i < n; i++) {
        int id = store_pair_read(p, &out[i], w->brief);
        require(id < IDS && (w->user == 0 || p->models[id].user == w->user));
        w->ids[id].seen++;
    }
    if (w->cursor.at_end) {
        end(w);
        begin(w, p, in);
    }
}

/* ---- steps ---- */

static void step(struct store_pair *p, struct walk *w, struct input *in)
{
    unsigned what = take_byte(in) % 16;

    p->step++;
    if (what < 8)
        store_pair_change(p, (int)(take_byte(in) % IDS));
    else if (what < 10)
        p->now += take_byte(in) % 64;
    else if (what == 10)
        p->now -= p->now < 2000 ? 0 : (int64_t)take_byte(in) % 64;
    else if (what == 11)
        store_pair_expire(p, take_byte(in) % 5);
    else if (what == 12)
        store_pair_walk(p, (int)(take_byte(in) % STORE_PAIR_USERS));
    else if (what == 13)
        begin(w, p, in);
    else
        turn_page(w, p, in);
    look(w, p);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct store_pair p;
    static struct walk w;
    const wsrt_memory_store_options o = {.struct_size = sizeof o, .max_records = CAPACITY};
    struct input in = {data, data + size};
    const struct store_driver driver = {below, &in, differs};
    wsrt_memory_store *m;

    if (size > LONGEST)
        return 0;
    require(wsrt_memory_store_new(&m, &o) == WSRT_OK);
    p = (struct store_pair){.driver = &driver, .ids = IDS, .capacity = CAPACITY, .now = 2000};
    wsrt_memory_store_connections(m, &p.store);
    begin(&w, &p, &in);
    while (in.at < in.end)
        step(&p, &w, &in);
    wsrt_memory_store_free(m);
    return 0;
}
