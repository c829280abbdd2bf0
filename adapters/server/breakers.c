/* Circuits from outside: their settings are replaced whole, their state is read. */
#include "server/endpoints.h"

#include <wsrt/json.h>

#include <string.h>

enum { ENTRY_MOST = 8192, PROBLEM_ROOM = 8192 };

typedef struct list {
    wsrt_json_writer *w;
    const wsrt_env *env;
    size_t most; /* bytes */
} list;

static int write_one(wsrt_breaker *b, void *user)
{
    list *to = user;
    wsrt_breaker_stats stats = {.struct_size = sizeof stats};

    if (to->w->len + ENTRY_MOST > to->most)
        return WSRT_ERR_LIMIT;
    wsrt_breaker_get_stats(b, to->env->now(to->env->user), to->env->wall(to->env->user), &stats);
    wsrt_json_object(to->w);
    wsrt_json_key(to->w, "service");
    wsrt_json_string(to->w, wsrt_breaker_service(b));
    wsrt_json_key(to->w, "operation");
    wsrt_json_string(to->w, wsrt_breaker_operation(b));
    wsrt_json_key(to->w, "stats");
    wsrt_breaker_stats_write(&stats, to->w);
    wsrt_json_object_end(to->w);
    return 0;
}

void wsrt_breakers_write(wsrt_loop *l, wsrt_json_writer *w, size_t most)
{
    list to = {w, wsrt_runtime_env(l->server->runtime), most};

    wsrt_json_array(w);
    (void)wsrt_breakers_foreach(wsrt_runtime_breakers(l->server->runtime), write_one, &to);
    wsrt_json_array_end(w);
}

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
