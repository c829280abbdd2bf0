/* Circuits from outside: their settings are replaced whole, their state is read. */
#include "server/endpoints.h"
#include "server/memory.h"

#include <wsrt/json.h>

#include <string.h>

enum { ENTRY_MOST = 8192, PROBLEM_ROOM = 8192 };

typedef struct list {
    wsrt_json_writer *w;
    const wsrt_env *env;
    size_t most; /* bytes */
    int settings;
    uint64_t total;
} list;

static int write_one(wsrt_breaker *b, void *user)
{
    list *to = user;
    wsrt_breaker_stats stats = {.struct_size = sizeof stats};
    wsrt_breaker_config config = {.struct_size = sizeof config};

    to->total++;
    if (to->w->len > to->most - ENTRY_MOST)
        return 0;
    wsrt_breaker_get_stats(b, to->env->now(to->env->user), to->env->wall(to->env->user), &stats);
    wsrt_json_object(to->w);
    wsrt_json_key(to->w, "service");
    wsrt_json_string(to->w, wsrt_breaker_service(b));
    wsrt_json_key(to->w, "operation");
    wsrt_json_string(to->w, wsrt_breaker_operation(b));
    if (to->settings && wsrt_breaker_get_config(b, &config) == WSRT_OK) {
        wsrt_json_key(to->w, "settings");
        wsrt_breaker_config_write(&config, to->w);
    }
    wsrt_json_key(to->w, "stats");
    wsrt_breaker_stats_write(&stats, to->w);
    wsrt_json_object_end(to->w);
    return 0;
}

static int write_list(const wsrt_loop *l, list *to)
{
    wsrt_runtime *rt = l->server->runtime;

    to->env = wsrt_runtime_env(rt);
    wsrt_json_array(to->w);
    int rc = wsrt_breakers_foreach(wsrt_runtime_breakers(rt), write_one, to);
    wsrt_json_array_end(to->w);
    wsrt_json_key(to->w, "breakers_total");
    wsrt_json_write_uint64(to->w, to->total);
    return rc;
}

void wsrt_breakers_write(wsrt_loop *l, wsrt_json_writer *w, size_t most)
{
    list to = {.w = w, .most = most};

    (void)write_list(l, &to);
}

/* ---- all of them ---------------------------------------------------------------------------- */

static int write_document(wsrt_loop *l, wsrt_span *room, size_t *len)
{
    wsrt_json_writer w;
    list to = {.w = &w, .most = SIZE_MAX, .settings = 1};

    wsrt_json_writer_init(&w, (void *)(uintptr_t)room->ptr, room->len, 0);
    wsrt_json_object(&w);
    wsrt_json_key(&w, "breakers");
    int rc = write_list(l, &to);
    wsrt_json_object_end(&w);
    int written = wsrt_json_finish(&w, len);
    return rc != WSRT_OK ? rc : written;
}

/* Counted first, then written; what calls change meanwhile finds room. */
void wsrt_breakers_list(const wsrt_exchange *k)
{
    const wsrt_allocator *mem = &k->loop->set->mem;
    wsrt_span room = {NULL, 0};
    size_t len = 0;
    int rc = write_document(k->loop, &room, &len);

    if (rc == WSRT_ERR_LIMIT) {
        room.len = len + len / 8 + ENTRY_MOST;
        room.ptr = wsrt_server_alloc(mem, room.len);
        rc = room.ptr == NULL ? WSRT_ERR_NOMEM : write_document(k->loop, &room, &len);
    }
    if (rc == WSRT_OK)
        wsrt_exchange_answer(k, (wsrt_answer){.status = 200,
                                              .extra_cstr = "Cache-Control: no-store\r\n",
                                              .body = {room.ptr, len}});
    else
        wsrt_exchange_answer(k, (wsrt_answer){.status = 500});
    wsrt_server_release(mem, (void *)(uintptr_t)room.ptr, room.len);
}

/* ---- new settings --------------------------------------------------------------------------- */

static void answer_problem(const wsrt_exchange *k, const wsrt_breakers_error *why)
{
    char text[PROBLEM_ROOM];
    wsrt_json_writer w;
    size_t len;

    wsrt_json_writer_init(&w, text, sizeof text, 0);
    wsrt_json_object(&w);
    wsrt_json_key(&w, "message");
    wsrt_json_string_cstr(&w, why->text_cstr);
    wsrt_json_key(&w, "pointer");
    wsrt_json_string_cstr(&w, why->pointer);
    wsrt_json_key(&w, "offset");
    wsrt_json_write_uint64(&w, why->offset);
    wsrt_json_object_end(&w);
    if (wsrt_json_finish(&w, &len) != WSRT_OK)
        len = 0;
    wsrt_exchange_answer(k, (wsrt_answer){.status = 400, .body = {text, len}});
}

void wsrt_breakers_replace(const wsrt_exchange *k)
{
    wsrt_runtime *rt = k->loop->server->runtime;
    const wsrt_env *env = wsrt_runtime_env(rt);
    wsrt_breakers_error why = {.text_cstr = ""};
    int rc = wsrt_breakers_configure(wsrt_runtime_breakers(rt), k->body, WSRT_RECONFIGURE_EXISTING,
                                     env->now(env->user), &why);

    if (rc == WSRT_ERR_MALFORMED || rc == WSRT_ERR_REJECTED)
        answer_problem(k, &why);
    else
        wsrt_exchange_answer(k, (wsrt_answer){.status = rc == WSRT_OK ? 204 : 500});
}
