#include "entities.h"

#include "fleet.h"

#include <stdio.h>

static const int64_t interval_ns = 50000000;

static int read_downstream(void *user)
{
    return downstream_call(user);
}

static int can_read(const struct entities *e)
{
    const wsrt_guarded call = {
        .struct_size = sizeof call, .fn = read_downstream, .user = e->downstream};
    wsrt_breaker *breaker;
    int result = WSRT_OK;

    if (wsrt_breakers_get(e->breakers, wsrt_span_cstr(e->downstream->service_cstr),
                          wsrt_span_cstr(e->downstream->operation_cstr), NULL, &breaker,
                          NULL) != WSRT_OK)
        return 0;
    int rc = wsrt_breaker_execute(breaker, NULL, &call, &result);
    wsrt_breaker_release_ref(breaker);
    return rc == WSRT_OK && result == WSRT_OK;
}

static double wander(double load, uint64_t dice)
{
    double next = load + ((double)(dice >> 40 & 1023) / 1023 - 0.5) * 0.2;

    return next < 0.02 ? 0.02 : next > 0.98 ? 0.98 : next;
}

static const char *health(double load)
{
    return load > 0.85 ? "hot" : load > 0.6 ? "busy" : "calm";
}

void entities_beat(struct entities *e, int64_t now)
{
    static const char *const regions[] = {"north", "south", "east", "west"};
    char text[256];

    if (now - e->last < interval_ns)
        return;
    e->last = now;
    if (!can_read(e))
        return;
    uint64_t dice = fleet_dice(&e->dice);
    size_t i = (size_t)(dice % ENTITIES);
    e->load[i] = wander(e->known[i] ? e->load[i] : 0.5, dice);
    int n = snprintf(
        text, sizeof text,
        "{\"eventType\":\"%s\",\"data\":{\"entity_type\":\"host\",\"entity_id\":\"h%zu\","
        "\"region\":\"%s\",\"load\":%.2f,\"status\":\"%s\"}}",
        e->known[i] ? "MODIFY" : "INSERT", i + 1, regions[i % 4], e->load[i], health(e->load[i]));
    e->known[i] = 1;
    (void)wsrt_feed_publish(e->feed, (wsrt_span){text, (size_t)n}, NULL, NULL);
}
