/* Settings of a breaker: defaults, presets by service, bounds. */
#include "breaker/breaker_internal.h"

#include "base/options.h"

#include <string.h>

enum {
    THRESHOLD_MAX = (1 << 24) - 1,
    PROBES_MAX = 1023,
};
static const int64_t day_ms = 24 * 3600 * 1000;
static const int64_t ms = 1000000;

struct preset {
    const char *service_cstr;
    int64_t threshold, recovery, expected, window, minimum;
};

static const struct preset presets[] = {
    {"cognito", 3, 30000, 2000, 60000, 5},
    {"apigateway-management", 5, 15000, 1000, 30000, 3},
    {"dynamodb", 3, 20000, 500, 60000, 5},
};
static const struct preset fallback = {"", 5, 30000, 2000, 60000, 5};

static const struct preset *preset_of(wsrt_span service)
{
    for (size_t i = 0; i < sizeof presets / sizeof presets[0]; i++)
        if (wsrt_span_equal(service, wsrt_span_cstr(presets[i].service_cstr)))
            return &presets[i];
    return &fallback;
}

/* Zero takes the default, -1 says zero. */
static void settle(int64_t *value, int64_t when_zero)
{
    if (*value == 0)
        *value = when_zero;
    else if (*value == -1)
        *value = 0;
}

static void settle32(int32_t *value, int32_t when_zero)
{
    if (*value == 0)
        *value = when_zero;
}

static void settle_real(double *value, double when_zero)
{
    if (*value == 0)
        *value = when_zero;
}

static int within(int64_t value, int64_t low, int64_t high)
{
    return value >= low && value <= high;
}

/* False for NaN too. */
static int within_real(double value, double low, double high)
{
    return value >= low && value <= high;
}

static int is_valid(const wsrt_breaker_config *c)
{
    return within(c->failure_threshold, 1, THRESHOLD_MAX) &&
           within(c->recovery_timeout_ms, 0, 30 * day_ms) &&
           within(c->expected_response_time_ms, 0, day_ms) &&
           within(c->monitoring_window_ms, 10, day_ms) &&
           within(c->minimum_request_count, 0, THRESHOLD_MAX) &&
           within(c->mode, WSRT_BREAKER_WINDOW, WSRT_BREAKER_CONSECUTIVE) &&
           within(c->slow_policy, WSRT_SLOW_FAILURE, WSRT_SLOW_RATE) &&
           within_real(c->min_failure_rate, 0, 1) && within_real(c->slow_rate, 1e-9, 1) &&
           within(c->half_open_permits, 1, PROBES_MAX) &&
           within(c->half_open_successes, 1, PROBES_MAX) &&
           within(c->probe_lease_ms, 0, 30 * day_ms) && within_real(c->backoff_factor, 1, 10) &&
           within(c->max_recovery_timeout_ms, 0, 30 * day_ms) && within_real(c->jitter, 0, 1) &&
           c->flags == 0 && c->reserved == 0;
}

static void fill_defaults(wsrt_breaker_config *c, const struct preset *p)
{
    settle(&c->failure_threshold, p->threshold);
    settle(&c->recovery_timeout_ms, p->recovery);
    settle(&c->expected_response_time_ms, p->expected);
    settle(&c->monitoring_window_ms, p->window);
    settle(&c->minimum_request_count, p->minimum);
    settle32(&c->mode, WSRT_BREAKER_WINDOW);
    settle32(&c->slow_policy, WSRT_SLOW_FAILURE);
    settle_real(&c->slow_rate, 0.5);
    settle32(&c->half_open_permits, 1);
    settle32(&c->half_open_successes, 1);
    settle_real(&c->backoff_factor, 1);
    settle(&c->max_recovery_timeout_ms, 300000);
    settle32(&c->stripes, 1);
}

static int64_t lease_of(const wsrt_breaker_config *c)
{
    int64_t lease = c->recovery_timeout_ms;

    if (c->probe_lease_ms > 0)
        return c->probe_lease_ms;
    if (lease < 2 * c->expected_response_time_ms)
        lease = 2 * c->expected_response_time_ms;
    return lease == 0 ? 1000 : lease;
}

int wsrt_breaker_settings_load(struct settings *out, wsrt_span service,
                               const wsrt_breaker_config *given)
{
    wsrt_breaker_config *c = &out->config;
    int rc = wsrt_options_load(c, sizeof *c, sizeof(wsrt_breaker_config), given);

    if (rc != WSRT_OK)
        return rc;
    fill_defaults(c, preset_of(service));
    if (!is_valid(c))
        return WSRT_ERR_INVALID;
    if (c->stripes != 1 || c->slow_policy == WSRT_SLOW_RATE)
        return c->stripes == 2 || c->stripes == 4 || c->stripes == 8 || c->stripes == 1
                   ? WSRT_ERR_UNSUPPORTED
                   : WSRT_ERR_INVALID;
    out->slow_ns =
        c->expected_response_time_ms == 0 ? INT64_MAX : c->expected_response_time_ms * ms;
    out->bucket_ns = c->monitoring_window_ms * ms / BUCKETS;
    out->bucket_inverse = UINT64_MAX / (uint64_t)out->bucket_ns;
    out->lease_ms = lease_of(c);
    return WSRT_OK;
}

int wsrt_breaker_settings_equal(const struct settings *a, const struct settings *b)
{
    return memcmp(&a->config, &b->config, sizeof a->config) == 0;
}
