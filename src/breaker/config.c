/* Settings of a breaker: members and their bounds, presets by service, the order of look-up. */
#include "breaker/breaker_internal.h"

#include "base/options.h"

#include <string.h>

enum { DAY_MS = 24 * 3600 * 1000 };
#define DAYS(n) ((double)(n)*DAY_MS)
#define MEMBER(name, json, kind, low, high, library)                                               \
    {                                                                                              \
#name, json, offsetof(wsrt_breaker_config, name), kind, low, high, library                 \
    }

const struct member wsrt_breaker_members[MEMBERS] = {
    MEMBER(failure_threshold, "failureThreshold", MEMBER_INT64, 1, (1 << 24) - 1, 5),
    MEMBER(recovery_timeout_ms, "recoveryTimeout", MEMBER_INT64, 0, DAYS(30), 30000),
    MEMBER(expected_response_time_ms, "expectedResponseTime", MEMBER_INT64, 0, DAYS(1), 2000),
    MEMBER(monitoring_window_ms, "monitoringWindow", MEMBER_INT64, 10, DAYS(1), 60000),
    MEMBER(minimum_request_count, "minimumRequestCount", MEMBER_INT64, 0, (1 << 24) - 1, 5),
    MEMBER(mode, "mode", MEMBER_MODE, WSRT_BREAKER_WINDOW, WSRT_BREAKER_CONSECUTIVE,
           WSRT_BREAKER_WINDOW),
    MEMBER(slow_policy, "slowPolicy", MEMBER_POLICY, WSRT_SLOW_FAILURE, WSRT_SLOW_RATE,
           WSRT_SLOW_FAILURE),
    MEMBER(min_failure_rate, "minFailureRate", MEMBER_REAL, 0, 1, 0),
    MEMBER(slow_rate, "slowRate", MEMBER_REAL, 1e-9, 1, 0.5),
    MEMBER(half_open_permits, "halfOpenPermits", MEMBER_INT32, 1, 1023, 1),
    MEMBER(half_open_successes, "halfOpenSuccesses", MEMBER_INT32, 1, 1023, 1),
    MEMBER(probe_lease_ms, "probeLease", MEMBER_INT64, 0, DAYS(30), 0),
    MEMBER(backoff_factor, "backoffFactor", MEMBER_REAL, 1, 10, 1),
    MEMBER(max_recovery_timeout_ms, "maxRecoveryTimeout", MEMBER_INT64, 0, DAYS(30), 300000),
    MEMBER(jitter, "jitter", MEMBER_REAL, 0, 1, 0),
    MEMBER(stripes, "stripes", MEMBER_INT32, 1, STRIPES_MAX, 1),
};

/* The first five members of wsrt_breaker_members. */
enum { PRESET_MEMBERS = 5 };

struct preset {
    const char *service_cstr;
    double values[PRESET_MEMBERS];
};

static const struct preset *preset_of(wsrt_span service)
{
    static const struct preset presets[] = {
        {"cognito", {3, 30000, 2000, 60000, 5}},
        {"apigateway-management", {5, 15000, 1000, 30000, 3}},
        {"dynamodb", {3, 20000, 500, 60000, 5}},
    };

    for (size_t i = 0; i < sizeof presets / sizeof presets[0]; i++)
        if (wsrt_span_equal(service, wsrt_span_cstr(presets[i].service_cstr)))
            return &presets[i];
    return NULL;
}

const char *const *wsrt_breaker_member_words(const struct member *m)
{
    static const char *const modes[] = {"window", "consecutive"};
    static const char *const policies[] = {"failure", "observe", "rate"};

    return m->kind == MEMBER_MODE ? modes : policies;
}

double wsrt_breaker_member_get(const wsrt_breaker_config *c, const struct member *m)
{
    const unsigned char *at = (const unsigned char *)c + m->offset;
    int64_t whole;
    int32_t small;
    double real;

    switch (m->kind) {
    case MEMBER_INT64:
        memcpy(&whole, at, sizeof whole);
        return (double)whole;
    case MEMBER_REAL:
        memcpy(&real, at, sizeof real);
        return real;
    default:
        memcpy(&small, at, sizeof small);
        return small;
    }
}

static void put(wsrt_breaker_config *c, const struct member *m, double value)
{
    unsigned char *at = (unsigned char *)c + m->offset;
    int64_t whole = (int64_t)value;
    int32_t small = (int32_t)whole;

    switch (m->kind) {
    case MEMBER_INT64:
        memcpy(at, &whole, sizeof whole);
        break;
    case MEMBER_REAL:
        memcpy(at, &value, sizeof value);
        break;
    default:
        memcpy(at, &small, sizeof small);
    }
}

/* False for NaN too. */
static int is_in_range(const struct member *m, double value)
{
    if (m->offset == offsetof(wsrt_breaker_config, stripes) && value != 1 && value != 2 &&
        value != 4 && value != 8)
        return 0;
    return value >= m->low && value <= m->high;
}

int wsrt_breaker_member_set(wsrt_breaker_config *c, const struct member *m, double value)
{
    if (!is_in_range(m, value))
        return 0;
    put(c, m, value);
    return 1;
}

static const char *faulty_member(const wsrt_breaker_config *c)
{
    for (size_t i = 0; i < MEMBERS; i++) {
        double value = wsrt_breaker_member_get(c, &wsrt_breaker_members[i]);
        if (value != 0 && !is_in_range(&wsrt_breaker_members[i], value == -1 ? 0 : value))
            return wsrt_breaker_members[i].name_cstr;
    }
    return c->flags != 0 ? "flags" : c->reserved != 0 ? "reserved" : NULL;
}

int wsrt_breaker_config_check(const wsrt_breaker_config *config, const char **member_cstr)
{
    wsrt_breaker_config c;
    const char *name_cstr = "struct_size";
    int rc = wsrt_options_load(&c, sizeof c, sizeof(wsrt_breaker_config), config);

    if (rc == WSRT_OK) {
        name_cstr = faulty_member(&c);
        rc = name_cstr != NULL ? WSRT_ERR_INVALID : WSRT_OK;
    }
    if (rc != WSRT_OK && member_cstr != NULL)
        *member_cstr = name_cstr;
    return rc;
}

/* The layers of a document that concern a key, and its preset: what is looked through in order. */
struct lookup {
    const struct layer *operation, *service, *defaults;
    const struct preset *preset;
};

static double looked_up(const struct lookup *l, size_t i)
{
    const struct member *m = &wsrt_breaker_members[i];
    uint32_t bit = (uint32_t)1 << i;

    if (l->operation != NULL && (l->operation->set & bit) != 0)
        return wsrt_breaker_member_get(&l->operation->values, m);
    if (l->service != NULL && (l->service->set & bit) != 0)
        return wsrt_breaker_member_get(&l->service->values, m);
    if (l->preset != NULL && i < PRESET_MEMBERS)
        return l->preset->values[i];
    if (l->defaults != NULL && (l->defaults->set & bit) != 0)
        return wsrt_breaker_member_get(&l->defaults->values, m);
    return m->library;
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

void wsrt_breaker_settings_fill(struct settings *out, const struct document *d, wsrt_span service,
                                wsrt_span operation, const wsrt_breaker_config *given)
{
    static const wsrt_span all = {NULL, 0};
    wsrt_breaker_config *c = &out->config;
    struct lookup l = {wsrt_breaker_document_layer(d, service, operation),
                       wsrt_breaker_document_layer(d, service, all),
                       wsrt_breaker_document_layer(d, all, all), preset_of(service)};

    memset(c, 0, sizeof *c);
    memset(&out->given, 0, sizeof out->given);
    if (given != NULL)
        wsrt_options_load(&out->given, sizeof out->given, sizeof *given, given);
    for (size_t i = 0; i < MEMBERS; i++) {
        double value = wsrt_breaker_member_get(&out->given, &wsrt_breaker_members[i]);
        put(c, &wsrt_breaker_members[i], value == 0 ? looked_up(&l, i) : value == -1 ? 0 : value);
    }
    out->given.struct_size = c->struct_size = sizeof *c;
    out->slow_ns =
        c->expected_response_time_ms == 0 ? INT64_MAX : c->expected_response_time_ms * NS_PER_MS;
    out->short_below = c->mode == WSRT_BREAKER_WINDOW ? (uint64_t)out->slow_ns + 1 : 0;
    out->bucket_ns = c->monitoring_window_ms * NS_PER_MS / BUCKETS;
    out->bucket_inverse = UINT64_MAX / (uint64_t)out->bucket_ns;
    out->lease_ms = lease_of(c);
}

/* ---- what is in force ---- */

int wsrt_breaker_get_config(const wsrt_breaker *b, wsrt_breaker_config *out)
{
    if (b == NULL || out == NULL)
        return WSRT_ERR_INVALID;
    const struct settings *s = breaker_settings(b);
    wsrt_breaker_config c = s->config;
    c.probe_lease_ms = s->lease_ms;
    for (size_t i = 0; i < MEMBERS; i++)
        if (!(wsrt_breaker_member_get(&c, &wsrt_breaker_members[i]) > 0))
            put(&c, &wsrt_breaker_members[i], -1);
    return wsrt_report_fill(out, sizeof c, sizeof c, &c);
}

void wsrt_breaker_config_write(const wsrt_breaker_config *config, wsrt_json_writer *w)
{
    wsrt_json_object(w);
    for (size_t i = 0; i < MEMBERS; i++) {
        const struct member *m = &wsrt_breaker_members[i];
        double value = wsrt_breaker_member_get(config, m);
        if (!(value < 0 || value > 0))
            continue;
        value = value < 0 ? 0 : value;
        wsrt_json_key(w, m->json_cstr);
        if (m->kind == MEMBER_REAL)
            wsrt_json_write_double(w, value);
        else if (m->kind == MEMBER_MODE || m->kind == MEMBER_POLICY)
            wsrt_json_string_cstr(w, wsrt_breaker_member_words(m)[(int)value - 1]);
        else
            wsrt_json_write_int64(w, (int64_t)value);
    }
    wsrt_json_object_end(w);
}
