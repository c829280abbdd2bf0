/* A world of virtual clients: events in virtual time, every choice drawn from one seed. */
#include "mock/internal.h"

#include "common/support.h"

#include <stdio.h>
#include <string.h>

enum { TEXT_MAX = 131072, ID_SIZE = 24, MOST_CLIENTS = 100000, PER_MILLE = 1000, MOST_LOST = 900 };

static const int64_t second = 1000000000;

enum stage { TO_CONNECT, TALKING, DONE };

struct client {
    int64_t due;
    uint64_t turn; /* messages said so far */
    enum stage stage;
};

struct world {
    wsrt_mock *m;
    wsrt_runtime *rt;
    wsrt_mock_world o;
    wsrt_mock_world_report report;
    uint64_t random;
    struct client *clients;
    uint32_t *heap; /* clients, the earliest first; of one instant the lower number */
    size_t heap_count;
    size_t seen; /* records folded into the trace */
    char *text;
};

/* ---- chance and order --------------------------------------------------------------------- */

static uint64_t draw(struct world *w)
{
    uint64_t z = w->random += 0x9e3779b97f4a7c15u;

    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

static int64_t within(struct world *w, int64_t range)
{
    return (int64_t)(draw(w) % ((uint64_t)range + 1));
}

static int is_earlier(const struct world *w, uint32_t a, uint32_t b)
{
    int64_t x = w->clients[a].due, y = w->clients[b].due;

    return x < y || (x == y && a < b);
}

static void swap(struct world *w, size_t i, size_t k)
{
    uint32_t kept = w->heap[i];

    w->heap[i] = w->heap[k];
    w->heap[k] = kept;
}

static void push(struct world *w, uint32_t client)
{
    size_t i = w->heap_count++;

    w->heap[i] = client;
    for (; i > 0 && is_earlier(w, w->heap[i], w->heap[(i - 1) / 2]); i = (i - 1) / 2)
        swap(w, i, (i - 1) / 2);
}

static uint32_t pop(struct world *w)
{
    uint32_t first = w->heap[0];
    size_t i = 0;

    w->heap[0] = w->heap[--w->heap_count];
    for (;;) {
        size_t least = i, left = 2 * i + 1;
        if (left < w->heap_count && is_earlier(w, w->heap[left], w->heap[least]))
            least = left;
        if (left + 1 < w->heap_count && is_earlier(w, w->heap[left + 1], w->heap[least]))
            least = left + 1;
        if (least == i)
            return first;
        swap(w, i, least);
        i = least;
    }
}

/* ---- the trace ---------------------------------------------------------------------------- */

static void fold(struct world *w, const void *data, size_t len)
{
    const unsigned char *p = data;

    for (size_t i = 0; i < len; i++)
        w->report.trace = (w->report.trace ^ p[i]) * 0x100000001b3u;
}

static uint32_t number_in(wsrt_span id)
{
    uint32_t n = 0;

    for (size_t i = 0; i < id.len; i++)
        if (id.ptr[i] >= '0' && id.ptr[i] <= '9')
            n = n * 10 + (uint32_t)(id.ptr[i] - '0');
    return n;
}

/* What the last event brought about: into the trace, and to who hears it. */
static void look(struct world *w)
{
    wsrt_mock_record r = {.struct_size = sizeof r};

    while (wsrt_mock_get(w->m, 0, w->seen, &r) == WSRT_OK) {
        w->seen++;
        fold(w, &r.kind, sizeof r.kind);
        fold(w, &r.status, sizeof r.status);
        fold(w, r.connection_id.ptr, r.connection_id.len);
        fold(w, r.data.ptr, r.data.len);
        if (r.kind != WSRT_MOCK_POST || r.status != WSRT_OK)
            continue;
        w->report.heard++;
        if (w->o.hear != NULL)
            w->o.hear(w->o.user, number_in(r.connection_id), r.data.ptr, r.data.len);
    }
}

/* ---- events ------------------------------------------------------------------------------- */

static void name(uint32_t client, char id[ID_SIZE])
{
    snprintf(id, ID_SIZE, "client-%06u", client);
}

static int check(struct world *w, int rc)
{
    look(w);
    return rc < 0 ? rc : WSRT_OK;
}

static int come(struct world *w, uint32_t client)
{
    struct client *c = &w->clients[client];
    char id[ID_SIZE];

    name(client, id);
    int status = wsrt_mock_connect(w->m, w->rt, id, w->o.token_cstr);
    if (status < 0)
        return status;
    int accepted = status >= 200 && status <= 299;
    w->report.connects += accepted ? 1 : 0;
    w->report.refused += accepted ? 0 : 1;
    c->stage = accepted ? TALKING : DONE;
    return check(w, WSRT_OK);
}

static int leave(struct world *w, uint32_t client, int code, enum stage next)
{
    char id[ID_SIZE];

    name(client, id);
    w->clients[client].stage = next;
    w->report.disconnects++;
    w->report.lost += code != 1000 ? 1 : 0;
    return check(w, wsrt_mock_disconnect(w->m, w->rt, id, code));
}

static int talk(struct world *w, uint32_t client)
{
    struct client *c = &w->clients[client];
    char id[ID_SIZE];

    if (c->turn == w->o.messages)
        return leave(w, client, 1000, DONE);
    if (draw(w) % PER_MILLE < w->o.lost)
        return leave(w, client, 1006, TO_CONNECT);
    size_t len = w->o.say(w->o.user, client, c->turn++, draw(w), w->text, TEXT_MAX);
    if (len == 0)
        return WSRT_OK;
    if (len > TEXT_MAX)
        return WSRT_ERR_INVALID;
    w->text[len] = '\0';
    name(client, id);
    w->report.messages++;
    return check(w, wsrt_mock_message(w->m, w->rt, id, w->text));
}

static int64_t time_now(const struct world *w)
{
    wsrt_env env;

    wsrt_mock_env(w->m, &env);
    return env.now(env.user);
}

static int advance_to(struct world *w, int64_t when)
{
    int64_t now = time_now(w);

    return when > now ? wsrt_mock_advance(w->m, when - now) : WSRT_OK;
}

/* The runtime's own deadlines come before the next event. */
static int run_until(struct world *w, int64_t when)
{
    wsrt_env env;
    int rc = WSRT_OK;

    wsrt_mock_env(w->m, &env);
    for (int64_t due; rc == WSRT_OK && (due = wsrt_runtime_next_deadline(w->rt)) <= when;) {
        rc = advance_to(w, due);
        if (rc == WSRT_OK)
            rc = wsrt_runtime_tick(w->rt, env.now(env.user), env.wall(env.user));
        look(w);
        if (wsrt_runtime_next_deadline(w->rt) <= due)
            break;
    }
    return rc == WSRT_OK ? advance_to(w, when) : rc;
}

static int run(struct world *w)
{
    int64_t began = time_now(w);
    int rc = WSRT_OK;

    while (rc == WSRT_OK && w->heap_count > 0) {
        uint32_t client = pop(w);
        struct client *c = &w->clients[client];
        rc = run_until(w, c->due);
        if (rc == WSRT_OK)
            rc = c->stage == TO_CONNECT ? come(w, client) : talk(w, client);
        c->due = time_now(w) + within(w, 2 * w->o.pause);
        if (c->stage != DONE)
            push(w, client);
    }
    w->report.lasted = time_now(w) - began;
    return rc;
}

/* ---- life --------------------------------------------------------------------------------- */

static int load(wsrt_mock_world *o, const wsrt_mock_world *given)
{
    int rc = wsrt_adapter_options(o, sizeof *o, sizeof(wsrt_mock_world), given);

    if (rc != WSRT_OK)
        return rc;
    if (o->flags != 0)
        return WSRT_ERR_UNSUPPORTED;
    if (o->say == NULL || o->clients > MOST_CLIENTS || o->lost > MOST_LOST || o->ramp < 0 ||
        o->pause < 0 || o->ramp > 86400 * second || o->pause > 86400 * second)
        return WSRT_ERR_INVALID;
    o->clients = o->clients == 0 ? 10 : o->clients;
    o->messages = o->messages == 0 ? 10 : o->messages;
    o->ramp = o->ramp == 0 ? second : o->ramp;
    o->pause = o->pause == 0 ? second : o->pause;
    return WSRT_OK;
}

static int make(struct world *w)
{
    const wsrt_allocator *a = &w->m->allocator;
    size_t n = (size_t)w->o.clients;

    w->clients = wsrt_adapter_realloc(a, NULL, 0, n * sizeof *w->clients);
    w->heap = wsrt_adapter_realloc(a, NULL, 0, n * sizeof *w->heap);
    w->text = wsrt_adapter_realloc(a, NULL, 0, TEXT_MAX + 1);
    if (w->clients == NULL || w->heap == NULL || w->text == NULL)
        return WSRT_ERR_NOMEM;
    int64_t now = time_now(w);
    for (uint32_t i = 0; i < n; i++) {
        w->clients[i] = (struct client){.due = now + within(w, w->o.ramp)};
        push(w, i);
    }
    return WSRT_OK;
}

static void unmake(struct world *w)
{
    const wsrt_allocator *a = &w->m->allocator;
    size_t n = (size_t)w->o.clients;

    if (w->clients != NULL)
        wsrt_adapter_realloc(a, w->clients, n * sizeof *w->clients, 0);
    if (w->heap != NULL)
        wsrt_adapter_realloc(a, w->heap, n * sizeof *w->heap, 0);
    if (w->text != NULL)
        wsrt_adapter_realloc(a, w->text, TEXT_MAX + 1, 0);
}

int wsrt_mock_world_run(wsrt_mock *m, wsrt_runtime *rt, const wsrt_mock_world *world,
                        wsrt_mock_world_report *report)
{
    struct world w = {.m = m, .rt = rt};

    if (m == NULL || rt == NULL || world == NULL)
        return WSRT_ERR_INVALID;
    int rc = load(&w.o, world);
    if (rc != WSRT_OK)
        return rc;
    w.random = w.o.seed;
    w.report =
        (wsrt_mock_world_report){.struct_size = sizeof w.report, .trace = 0xcbf29ce484222325u};
    w.seen = wsrt_mock_count(m, 0);
    rc = make(&w);
    if (rc == WSRT_OK)
        rc = run(&w);
    unmake(&w);
    if (report != NULL && wsrt_adapter_report(report, sizeof w.report,
                                              sizeof(wsrt_mock_world_report), &w.report) != WSRT_OK)
        return WSRT_ERR_INVALID;
    return rc;
}
