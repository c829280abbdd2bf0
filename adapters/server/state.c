/* What a server is doing, for people and pages: GET /api/state, GET and PUT /api/breakers. */
#include "server/endpoints.h"
#include "server/memory.h"

#include <wsrt/json.h>

#include <string.h>

enum { STATE_MOST = 256 * 1024, TAIL_ROOM = 4096, HOST_ROOM = 128 * 1024 };

static const int64_t rebuild_ns = 100000000;

static void number(wsrt_json_writer *w, const char *name_cstr, int64_t value)
{
    wsrt_json_key(w, name_cstr);
    wsrt_json_write_int64(w, value);
}

static void object(wsrt_json_writer *w, const char *name_cstr)
{
    wsrt_json_key(w, name_cstr);
    wsrt_json_object(w);
}

static void count(wsrt_json_writer *w, const char *name_cstr, uint64_t value)
{
    wsrt_json_key(w, name_cstr);
    wsrt_json_write_uint64(w, value);
}

static void write_connections(wsrt_json_writer *w, const wsrt_server *s)
{
    object(w, "connections");
    count(w, "open", wsrt_server_open(s));
    count(w, "opened", wsrt_server_sum(s, WSRT_COUNT_OPENED));
    count(w, "closed", wsrt_server_sum(s, WSRT_COUNT_CLOSED));
    wsrt_json_key(w, "per_loop");
    wsrt_json_array(w);
    for (uint32_t i = 0; i < s->loop_count; i++)
        wsrt_json_write_int64(w, wsrt_loop_open(&s->loops[i]));
    wsrt_json_array_end(w);
    wsrt_json_object_end(w);
}

static void write_traffic(wsrt_json_writer *w, const wsrt_server *s)
{
    object(w, "messages");
    count(w, "in", wsrt_server_sum(s, WSRT_COUNT_MESSAGES_IN));
    count(w, "out", wsrt_server_sum(s, WSRT_COUNT_MESSAGES_OUT));
    wsrt_json_object_end(w);
    object(w, "closes");
    wsrt_series_write_closes(s, w);
    wsrt_json_object_end(w);
    object(w, "queues");
    number(w, "bytes", atomic_load_explicit(&s->queued_total, memory_order_relaxed));
    number(w, "partial_bytes", atomic_load_explicit(&s->partial_total, memory_order_relaxed));
    wsrt_json_object_end(w);
}

static void write_limits(wsrt_json_writer *w, const wsrt_terms *t)
{
    object(w, "limits");
    number(w, "message", (int64_t)t->max_message);
    number(w, "frame", (int64_t)t->max_frame);
    number(w, "connections", t->max_connections);
    number(w, "per_ip", t->max_per_ip == UINT32_MAX ? -1 : (int64_t)t->max_per_ip);
    number(w, "queue_soft", t->queue_soft);
    number(w, "queue_hard", t->queue_hard);
    number(w, "queue_total", t->queue_total);
    wsrt_json_object_end(w);
}

static void write_memory(wsrt_json_writer *w, const wsrt_loop *l)
{
    const wsrt_env *env = wsrt_runtime_env(l->server->runtime);

    object(w, "memory");
    number(w, "resident", env->resident == NULL ? -1 : env->resident(env->user));
    wsrt_json_object_end(w);
}

static int build(wsrt_loop *l)
{
    wsrt_json_writer w;

    wsrt_json_writer_init(&w, l->state.bytes, STATE_MOST, 0);
    wsrt_json_object(&w);
    number(&w, "schema", 1);
    number(&w, "uptime_ms", (l->now - l->start) / 1000000);
    wsrt_json_key(&w, "draining");
    wsrt_json_write_bool(&w, wsrt_is_draining(l->server));
    write_connections(&w, l->server);
    write_traffic(&w, l->server);
    wsrt_json_key(&w, "breakers");
    wsrt_breakers_write(l, &w, STATE_MOST - TAIL_ROOM - (l->set->state != NULL ? HOST_ROOM : 0));
    write_limits(&w, l->terms);
    write_memory(&w, l);
    wsrt_host_describe(l, &w, STATE_MOST);
    wsrt_json_object_end(&w);
    l->state.made = l->now;
    return wsrt_json_finish(&w, &l->state.len);
}

static int reserve(wsrt_loop *l)
{
    if (l->state.bytes == NULL)
        l->state.bytes = wsrt_server_alloc(&l->set->mem, STATE_MOST);
    return l->state.bytes != NULL;
}

void wsrt_state_free(wsrt_loop *l)
{
    wsrt_server_release(&l->set->mem, l->state.bytes, STATE_MOST);
    l->state.bytes = NULL;
}

static void answer_text(const wsrt_exchange *k, wsrt_span text)
{
    wsrt_exchange_answer(
        k, (wsrt_answer){.status = 200, .extra_cstr = "Cache-Control: no-store\r\n", .body = text});
}

static void answer_state(const wsrt_exchange *k)
{
    wsrt_loop *l = k->loop;
    int fresh = l->state.len > 0 && l->now - l->state.made < rebuild_ns;

    if (reserve(l) && (fresh || build(l) == WSRT_OK))
        answer_text(k, (wsrt_span){l->state.bytes, l->state.len});
    else
        wsrt_exchange_answer(k, (wsrt_answer){.status = 500});
}

/* Anybody may want to know, as often as they like: the store is asked now and then. */
int wsrt_state_store_works(wsrt_loop *l)
{
    const wsrt_store *store = wsrt_runtime_store(l->server->runtime);
    int64_t now_s = l->set->env.wall(l->set->env.user) / 1000;
    uint64_t n;

    if (store->ops->count == NULL)
        return 1;
    if (l->store.asked != 0 && l->now - l->store.asked < rebuild_ns)
        return l->store.works;
    l->store.asked = l->now;
    l->store.works = store->ops->count(store->self, now_s, &n) == WSRT_OK;
    return l->store.works;
}

/* ---- which ---------------------------------------------------------------------------------- */

static void refuse(const wsrt_exchange *k, int status, const char *extra_cstr)
{
    wsrt_exchange_answer(k, (wsrt_answer){.status = status, .extra_cstr = extra_cstr});
}

int wsrt_state_answer(const wsrt_exchange *k)
{
    int state = wsrt_path_is(k->loop, k->req->path, wsrt_span_cstr("/api/state"));
    int breakers = wsrt_path_is(k->loop, k->req->path, wsrt_span_cstr("/api/breakers"));
    int reads = k->head_only || wsrt_exchange_is(k, "GET");

    if (!state && !breakers)
        return 0;
    int refusal = wsrt_guard_judge(k, state ? WSRT_GUARD_OWN_PAGES : 0);
    if (refusal != 0)
        refuse(k, refusal, NULL);
    else if (state && reads)
        answer_state(k);
    else if (breakers && reads)
        wsrt_breakers_list(k);
    else if (breakers && wsrt_exchange_is(k, "PUT"))
        wsrt_breakers_replace(k);
    else
        refuse(k, 405, state ? "Allow: GET, HEAD\r\n" : "Allow: GET, HEAD, PUT\r\n");
    return 1;
}
