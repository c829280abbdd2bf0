/* A breaker around a blocking call of your own: here a key-value service that is down for a while. */
#include <wsrt/breaker.h>

#include <stdio.h>
#include <string.h>

/* What you have already: 0 and a value, or an error. */
struct lookup {
    const char *key;
    char value[32];
    int is_down;
};

static int kv_get(void *user)
{
    struct lookup *l = user;

    if (l->is_down)
        return -1;
    snprintf(l->value, sizeof l->value, "value of %s", l->key);
    return 0;
}

/* Instead of a failed or refused call: what we can say without the service. */
static int from_cache(const wsrt_fallback_info *info, void *user)
{
    struct lookup *l = user;

    snprintf(l->value, sizeof l->value, info->reason != 0 ? "cached, not asked" : "cached");
    return 0;
}

static void tell(const wsrt_breaker_event *event, void *user)
{
    static const char *const names[] = {"closed", "half open", "open"};

    (void)user;
    printf("%.*s is %s\n", (int)event->service.len, event->service.ptr, names[event->to]);
}

/* So that nobody has to wait here; without it the system's clock is read. */
static int64_t hasty_clock(void *user)
{
    return *(int64_t *)user += 400000000;
}

int main(void)
{
    int64_t now = 0;
    wsrt_env env = {.struct_size = sizeof env, .now = hasty_clock, .user = &now};
    wsrt_breakers *breakers;
    wsrt_breaker *breaker;
    wsrt_breaker_listener *listener;
    struct lookup lookup = {.key = "colour"};
    wsrt_breaker_config config = {.struct_size = sizeof config,
                                  .failure_threshold = 3,
                                  .minimum_request_count = 3,
                                  .recovery_timeout_ms = 1000};
    wsrt_guarded call = {
        .struct_size = sizeof call, .fn = kv_get, .fallback = from_cache, .user = &lookup};
    int result;

    if (wsrt_breakers_new(&breakers, NULL) != WSRT_OK)
        return 1;
    if (wsrt_breakers_listen(breakers, 1u << WSRT_BREAKER_EVENT_TRANSITION, tell, NULL,
                             &listener) != WSRT_OK ||
        wsrt_breakers_get(breakers, wsrt_span_cstr("kv"), wsrt_span_cstr("get"), &config, &breaker,
                          NULL) != WSRT_OK)
        return 1;
    for (int i = 0; i < 8; i++) {
        lookup.is_down = i > 1 && i < 6;
        if (wsrt_breaker_execute(breaker, &env, &call, &result) == WSRT_OK && result == 0)
            printf("%d: %s\n", i, lookup.value);
    }
    wsrt_breaker_release_ref(breaker);
    wsrt_breakers_free(breakers);
    return strcmp(lookup.value, "value of colour") != 0;
}
