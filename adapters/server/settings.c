#include "server/settings.h"

#include "server/endpoints.h"
#include "server/memory.h"

#include <ctype.h>
#include <string.h>

enum {
    LARGEST_STRUCT = 4096,
    LISTEN_MOST = 16,
    PULSE_LEAST = 100,
    LOOPS_MOST = 64,
    WORKERS_MOST = 256,
    NAME_MOST = 128
};

int wsrt_server_options_read(void *out, size_t known, const void *given)
{
    uint32_t size = (uint32_t)known;

    memset(out, 0, known);
    memcpy(out, &size, sizeof size);
    if (given == NULL)
        return WSRT_OK;
    memcpy(&size, given, sizeof size);
    if (size < known || size > LARGEST_STRUCT)
        return WSRT_ERR_INVALID;
    for (size_t i = known; i < size; i++)
        if (((const unsigned char *)given)[i] != 0)
            return WSRT_ERR_UNSUPPORTED;
    memcpy(out, given, known);
    size = (uint32_t)known;
    memcpy(out, &size, sizeof size);
    return WSRT_OK;
}

/* ---- text ----------------------------------------------------------------------------------- */

/* What API Gateway takes for one, and what is one segment of a path. */
static int is_stage(wsrt_span name)
{
    for (size_t i = 0; i < name.len; i++)
        if (!isalnum((unsigned char)name.ptr[i]) && name.ptr[i] != '-' && name.ptr[i] != '_')
            return 0;
    return name.len <= NAME_MOST;
}

static const char *wrong_text(const wsrt_server_options *o, size_t listen_count)
{
    if (o->listen != NULL && !wsrt_texts_valid(o->listen, listen_count, LISTEN_MOST))
        return "listen";
    if (!wsrt_texts_valid(o->admin, o->admin_count, LISTEN_MOST - listen_count))
        return "admin";
    if (!is_stage(o->stage))
        return "stage";
    return o->app.len > NAME_MOST ? "app" : NULL;
}

static int copy_all(wsrt_settings *s, const wsrt_server_options *o, const char **wrong_cstr)
{
    const wsrt_span standard = wsrt_span_cstr("127.0.0.1:8080");
    const wsrt_span *listen = o->listen != NULL ? o->listen : &standard;
    size_t count = o->listen != NULL ? o->listen_count : 1;
    wsrt_span stage = o->stage.len > 0 ? o->stage : wsrt_span_cstr("prod");
    const char *wrong = wrong_text(o, count);

    if (wrong != NULL) {
        *wrong_cstr = wrong;
        return WSRT_ERR_INVALID;
    }
    s->block_size = wsrt_texts_room(listen, count) + wsrt_texts_room(o->admin, o->admin_count) +
                    stage.len + o->app.len;
    s->block = wsrt_server_alloc(&s->mem, s->block_size);
    if (s->block == NULL)
        return WSRT_ERR_NOMEM;
    wsrt_copier c = {s->block, NULL};
    c.text = (char *)(c.spans + count + o->admin_count);
    s->listen = wsrt_copy_texts(&c, listen, count);
    s->admin = wsrt_copy_texts(&c, o->admin, o->admin_count);
    s->stage = wsrt_copy_text(&c, stage);
    s->app = wsrt_copy_text(&c, o->app);
    return WSRT_OK;
}

/* ---- all of it ------------------------------------------------------------------------------ */

/* The caller's members over the runtime's, which are complete. */
static int load_env(wsrt_env *out, wsrt_runtime *rt, const wsrt_env *given)
{
    wsrt_env own;

    *out = *wsrt_runtime_env(rt);
    if (given == NULL)
        return WSRT_OK;
    int rc = wsrt_server_options_read(&own, sizeof own, given);
    if (rc != WSRT_OK)
        return rc;
    if (own.now == NULL || own.wall == NULL || own.random == NULL || own.log == NULL)
        rc = wsrt_env_default(out);
    out->user = own.user;
    out->now = own.now != NULL ? own.now : out->now;
    out->wall = own.wall != NULL ? own.wall : out->wall;
    out->random = own.random != NULL ? own.random : out->random;
    out->log = own.log != NULL ? own.log : out->log;
    return rc;
}

void wsrt_server_settings_free(wsrt_settings *s)
{
    wsrt_server_release(&s->mem, s->block, s->block_size);
    s->block = NULL;
}

static int judge_threads(const wsrt_server_options *o, const char **wrong_cstr)
{
    *wrong_cstr = "loops";
    if (o->loops < 0 || o->loops > LOOPS_MOST)
        return WSRT_ERR_INVALID;
    *wrong_cstr = "workers";
    if (o->workers < 0 || o->workers > WORKERS_MOST)
        return WSRT_ERR_INVALID;
    *wrong_cstr = "pulse_ms";
    return o->pulse != NULL && (o->pulse_ms < PULSE_LEAST || o->pulse_ms > INT32_MAX)
               ? WSRT_ERR_INVALID
               : WSRT_OK;
}

int wsrt_server_settings_judge(const wsrt_server_options *o, const char **wrong_cstr)
{
    const uint32_t known_flags =
        WSRT_SERVER_API_GATEWAY | WSRT_SERVER_TEXT_ONLY | WSRT_SERVER_INSECURE;

    *wrong_cstr = "flags";
    if ((o->flags & ~known_flags) != 0)
        return WSRT_ERR_UNSUPPORTED;
    *wrong_cstr = "allocator";
    if (o->allocator.realloc == NULL && o->allocator.user != NULL)
        return WSRT_ERR_INVALID;
    return judge_threads(o, wrong_cstr);
}

int wsrt_server_settings_load(wsrt_settings *out, wsrt_runtime *rt, const wsrt_server_options *o,
                              const char **wrong_cstr)
{
    int rc = wsrt_server_settings_judge(o, wrong_cstr);

    *out = (wsrt_settings){.mem = o->allocator,
                           .flags = o->flags,
                           .loops = o->loops == 0 ? 1 : (uint32_t)o->loops,
                           .workers = (uint32_t)o->workers,
                           .pulse = o->pulse,
                           .pulse_user = o->pulse_user,
                           .pulse_ns = o->pulse_ms * 1000000,
                           .has_tls = o->tls_cert.len > 0,
                           .feed = o->feed};
    if (rc != WSRT_OK)
        return rc;
    *wrong_cstr = "documents or actions";
    rc = wsrt_host_load(out, o);
    if (rc != WSRT_OK)
        return rc;
    *wrong_cstr = "env";
    rc = load_env(&out->env, rt, o->env);
    return rc != WSRT_OK ? rc : copy_all(out, o, wrong_cstr);
}
