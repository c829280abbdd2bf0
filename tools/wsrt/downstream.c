#include "downstream.h"

#include <time.h>

static const struct {
    const char *command;
    const char *name; /* of the state that follows */
} modes[] = {
    [DOWNSTREAM_WELL] = {"recover", "ok"},
    [DOWNSTREAM_FAILING] = {"fail", "failing"},
    [DOWNSTREAM_SLOW] = {"slow", "slow"},
};

enum { MODES = sizeof modes / sizeof *modes };

/* Whether the breaker that lets calls through tries its first ones. */
static int is_probed(const struct downstream *d)
{
    wsrt_breaker_stats stats = {.struct_size = sizeof stats};
    wsrt_breaker *b = NULL;
    int is_half_open = 0;

    if (wsrt_breakers_find(d->breakers, wsrt_span_cstr(d->service_cstr),
                           wsrt_span_cstr(d->operation_cstr), &b) != WSRT_OK)
        return 0;
    if (wsrt_breaker_get_stats(b, d->env->now(d->env->user), d->env->wall(d->env->user), &stats) ==
        WSRT_OK)
        is_half_open = stats.state == WSRT_BREAKER_HALF_OPEN;
    wsrt_breaker_release_ref(b);
    return is_half_open;
}

int downstream_call(struct downstream *d)
{
    const struct timespec slow = {.tv_nsec = 120000000};
    int mode = atomic_load(&d->mode);

    atomic_fetch_add(&d->calls, 1);
    if (is_probed(d))
        atomic_fetch_add(&d->probes, 1);
    if (mode != DOWNSTREAM_WELL)
        nanosleep(&slow, NULL);
    if (mode != DOWNSTREAM_FAILING)
        return WSRT_OK;
    atomic_fetch_add(&d->failures, 1);
    return WSRT_ERR_UNAVAILABLE;
}

static int find_mode(wsrt_span body)
{
    wsrt_json document, mode;

    if (wsrt_json_parse(&document, body, NULL) != WSRT_OK ||
        wsrt_json_find(&document, wsrt_span_cstr("/mode"), &mode) != WSRT_OK)
        return -1;
    for (int i = 0; i < MODES; i++)
        if (wsrt_json_equal(&mode, wsrt_span_cstr(modes[i].command)))
            return i;
    return -1;
}

void downstream_write(struct downstream *d, wsrt_json_writer *w)
{
    wsrt_json_object(w);
    wsrt_json_key(w, "service");
    wsrt_json_string_cstr(w, d->service_cstr);
    wsrt_json_key(w, "mode");
    wsrt_json_string_cstr(w, modes[atomic_load(&d->mode)].name);
    wsrt_json_key(w, "calls");
    wsrt_json_write_int64(w, atomic_load(&d->calls));
    wsrt_json_key(w, "failures");
    wsrt_json_write_int64(w, atomic_load(&d->failures));
    wsrt_json_key(w, "probes");
    wsrt_json_write_int64(w, atomic_load(&d->probes));
    wsrt_json_object_end(w);
}

int downstream_command(wsrt_span body, wsrt_json_writer *answer, void *user)
{
    struct downstream *d = user;
    int mode = find_mode(body);

    if (mode < 0) {
        wsrt_json_object(answer);
        wsrt_json_key(answer, "message");
        wsrt_json_string_cstr(answer, "mode is fail, slow or recover");
        wsrt_json_object_end(answer);
        return 400;
    }
    atomic_store(&d->mode, mode);
    downstream_write(d, answer);
    return 200;
}
