// An exception passing through a guarded call settles its permit as a failure and goes on.
#include <wsrt/breaker.h>

static int throws(void *user)
{
    throw *static_cast<int *>(user);
}

static wsrt_breaker_stats stats(wsrt_breaker *b)
{
    wsrt_breaker_stats s = {};

    s.struct_size = sizeof s;
    wsrt_breaker_get_stats(b, 0, 0, &s);
    return s;
}

int main()
{
    wsrt_breakers *registry;
    wsrt_breaker *b;
    wsrt_breaker_config config = {};
    wsrt_guarded call = {};
    int thrown = 42, caught = 0, result = 0;

    config.struct_size = sizeof config;
    config.failure_threshold = 2;
    config.minimum_request_count = 1;
    call.struct_size = sizeof call;
    call.fn = throws;
    call.user = &thrown;
    if (wsrt_breakers_new(&registry, nullptr) != WSRT_OK ||
        wsrt_breakers_get(registry, wsrt_span_cstr("s"), wsrt_span_cstr("o"), &config, &b,
                          nullptr) != WSRT_OK)
        return 1;
    for (int i = 0; i < 2; i++) {
        try {
            wsrt_breaker_execute(b, nullptr, &call, &result);
        } catch (int what) {
            caught += what;
        }
    }
    bool open = stats(b).state == WSRT_BREAKER_OPEN && stats(b).lifetime_failures == 2;
    wsrt_breaker_release_ref(b);
    wsrt_breakers_free(registry);
    return open && caught == 84 ? 0 : 1;
}
