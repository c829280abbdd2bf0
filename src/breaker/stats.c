/* What a breaker tells about itself; reading changes nothing. */
#include "breaker/breaker_internal.h"

#include "base/date.h"
#include "base/options.h"

static int shown_state(int true_state)
{
    switch (true_state) {
    case WSRT_BREAKER_HALF_OPEN:
        return WSRT_BREAKER_HALF_OPEN;
    case WSRT_BREAKER_OPEN:
    case WSRT_BREAKER_FORCED_OPEN:
        return WSRT_BREAKER_OPEN;
    default:
        return WSRT_BREAKER_CLOSED;
    }
}

struct last_times {
    int64_t failure, success;
};

static struct last_times last_times(const wsrt_breaker *b)
{
    struct last_times last = {-1, -1};

    for (size_t i = 0; i <= b->stripe_mask; i++) {
        struct stripe w = breaker_stripe(b, i);
        int64_t failure = last_time_ms(&w.earlier->last_failure);
        int64_t success = last_time_ms(&w.latest->last_success);
        last.failure = failure > last.failure ? failure : last.failure;
        last.success = success > last.success ? success : last.success;
    }
    return last;
}

/* A wall clock at its end goes no further. */
static int64_t moved(int64_t wall, int64_t ms)
{
    int64_t out;

    return !__builtin_add_overflow(wall, ms, &out) ? out : ms < 0 ? INT64_MIN : INT64_MAX;
}

static int64_t wall_of(int64_t wall, int64_t t, int64_t when_ms)
{
    return when_ms < 0 ? -1 : moved(wall, when_ms - t / NS_PER_MS);
}

static void fill_lifetime(const wsrt_breaker *b, wsrt_breaker_stats *s)
{
    struct counts lifetime = wsrt_window_lifetime(b);

    s->rejected = breaker_rejected(b);
    s->stale = atomic_load(&breaker_ledger(b)->stale);
    s->slow = atomic_load(&breaker_ledger(b)->slow_total);
    s->ignored = atomic_load(&breaker_ledger(b)->ignored);
    s->opened = atomic_load(&breaker_ledger(b)->opened);
    s->probes_lost = atomic_load(&breaker_ledger(b)->probes_lost);
    s->lifetime_failures = lifetime.failures;
    s->lifetime_successes = lifetime.successes;
    s->config_mismatch = atomic_load(&breaker_ledger(b)->config_mismatch);
    if (settings_share(breaker_settings(b)))
        s->store_errors = atomic_load(&breaker_shared(b)->errors);
}

static void fill_times(const wsrt_breaker *b, uint64_t word, int64_t t, int64_t wall,
                       wsrt_breaker_stats *s)
{
    struct last_times last = last_times(b);
    int64_t deadline = moved(wall, word_deadline(word) - t / NS_PER_MS);

    s->last_failure_time = wall_of(wall, t, last.failure);
    s->last_success_time = wall_of(wall, t, last.success);
    s->next_attempt_time = s->true_state == WSRT_BREAKER_OPEN ? deadline : -1;
    s->lease_end_time = s->true_state == WSRT_BREAKER_HALF_OPEN ? deadline : -1;
    s->probe_ready = s->true_state == WSRT_BREAKER_OPEN && word_is_due(word, t);
}

int wsrt_breaker_get_stats(wsrt_breaker *b, int64_t now, int64_t wall, wsrt_breaker_stats *out)
{
    if (b == NULL || out == NULL)
        return WSRT_ERR_INVALID;
    uint64_t word = atomic_load(&b->word);
    const struct settings *settings = breaker_settings(b);
    int64_t t = breaker_time(settings, now);
    struct counts c = wsrt_breaker_counts(b, settings, word, t);
    wsrt_breaker_stats s = {
        .struct_size = sizeof s,
        .state = shown_state(word_state(word)),
        .true_state = word_state(word),
        .failure_count = c.failures,
        .success_count = c.successes,
        .total_requests = c.failures + c.successes,
        .generation = wsrt_breaker_generation(b, word),
        .slow_count = wsrt_window_slow(b, settings, t, word_generation(word)),
        .growth_step = atomic_load(&b->growth),
    };

    if (s.total_requests > 0)
        s.failure_rate = (double)c.failures / (double)s.total_requests;
    fill_times(b, word, t, wall, &s);
    fill_lifetime(b, &s);
    return wsrt_report_fill(out, sizeof s, sizeof s, &s);
}

static void write_time(wsrt_json_writer *w, const char *name_cstr, int64_t wall)
{
    char text[WSRT_ISO_LEN];

    wsrt_json_key(w, name_cstr);
    if (wall < 0) {
        wsrt_json_write_null(w);
        return;
    }
    wsrt_iso_time(wall, text);
    wsrt_json_string(w, (wsrt_span){text, sizeof text});
}

void wsrt_breaker_stats_write(const wsrt_breaker_stats *stats, wsrt_json_writer *w)
{
    static const char *const names[] = {"CLOSED", "HALF_OPEN", "OPEN"};

    wsrt_json_object(w);
    wsrt_json_key(w, "state");
    wsrt_json_string_cstr(w, names[shown_state(stats->state)]);
    wsrt_json_key(w, "failureCount");
    wsrt_json_write_uint64(w, stats->failure_count);
    wsrt_json_key(w, "successCount");
    wsrt_json_write_uint64(w, stats->success_count);
    wsrt_json_key(w, "totalRequests");
    wsrt_json_write_uint64(w, stats->total_requests);
    write_time(w, "lastFailureTime", stats->last_failure_time);
    write_time(w, "lastSuccessTime", stats->last_success_time);
    write_time(w, "nextAttemptTime", stats->next_attempt_time);
    wsrt_json_key(w, "failureRate");
    wsrt_json_write_double(w, stats->failure_rate);
    wsrt_json_object_end(w);
}
