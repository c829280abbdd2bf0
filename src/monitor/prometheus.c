/* Prometheus text format 0.0.4: each family once, with all its series. */
#include "monitor/business.h"
#include "monitor/catalogue.h"
#include "monitor/snapshot.h"
#include "monitor/text.h"

#include <string.h>

static const struct {
    uint64_t ns;
    const char *seconds;
} bounds[] = {
    {1000000, "0.001"},  {2500000, "0.0025"}, {5000000, "0.005"}, {10000000, "0.01"},
    {25000000, "0.025"}, {50000000, "0.05"},  {100000000, "0.1"}, {250000000, "0.25"},
    {500000000, "0.5"},  {1000000000, "1"},   {2000000000, "2"},  {3000000000, "3"},
    {5000000000, "5"},   {10000000000, "10"},
};
enum { BOUNDS = sizeof bounds / sizeof bounds[0] };

struct page_writer {
    struct text text;
    const wsrt_snapshot *snapshot;
    const char *family;
};

static void begin(struct page_writer *w, const char *family, const char *type, const char *help)
{
    w->family = family;
    wsrt_text_put(&w->text, "# HELP ");
    wsrt_text_put(&w->text, family);
    wsrt_text_put(&w->text, " ");
    wsrt_text_put(&w->text, help);
    wsrt_text_put(&w->text, "\n# TYPE ");
    wsrt_text_put(&w->text, family);
    wsrt_text_put(&w->text, " ");
    wsrt_text_put(&w->text, type);
    wsrt_text_put(&w->text, "\n");
}

static void label(struct page_writer *w, const char *name, wsrt_span value)
{
    wsrt_text_put(&w->text, name);
    wsrt_text_put(&w->text, "=");
    wsrt_text_label(&w->text, value);
}

static wsrt_span environment_of(const struct page_writer *w)
{
    const wsrt_monitor *m = w->snapshot->monitor;

    return (wsrt_span){m->environment, m->environment_len};
}

/* `name{handler="...",environment="..."` with the set of labels still open. */
static void open_series(struct page_writer *w, const char *suffix, int id)
{
    const struct operation *o = w->snapshot->operations[id].operation;

    wsrt_text_put(&w->text, w->family);
    wsrt_text_put(&w->text, suffix);
    wsrt_text_put(&w->text, "{");
    label(w, "handler", (wsrt_span){o->name, o->name_len});
    wsrt_text_put(&w->text, ",");
    label(w, "environment", environment_of(w));
}

static void close_series(struct page_writer *w, uint64_t value, unsigned decimals)
{
    wsrt_text_put(&w->text, "} ");
    wsrt_text_scaled(&w->text, value, decimals);
    wsrt_text_put(&w->text, "\n");
}

static void series(struct page_writer *w, const char *suffix, int id, uint64_t value)
{
    open_series(w, suffix, id);
    close_series(w, value, 0);
}

static void more(struct page_writer *w, const char *name, wsrt_span value)
{
    wsrt_text_put(&w->text, ",");
    label(w, name, value);
}

/* ---- durations ---- */

static unsigned bound_of(uint64_t ns)
{
    unsigned i = 0;

    while (i < BOUNDS && ns > bounds[i].ns)
        i++;
    return i;
}

static void sort_into_bounds(const struct histogram *h, uint64_t out[BOUNDS + 1])
{
    uint32_t counts[CHUNK_COUNTERS];

    memset(out, 0, (BOUNDS + 1) * sizeof out[0]);
    for (unsigned c = 0; c < h->chunks; c++) {
        if (!h->chunk(h, c, counts))
            continue;
        for (unsigned i = 0; i < CHUNK_COUNTERS; i++)
            if (counts[i] > 0)
                out[bound_of(wsrt_bucket_middle(c * CHUNK_COUNTERS + i, h->bits))] += counts[i];
    }
}

static void duration(struct page_writer *w, int id)
{
    const struct operation_view *v = &w->snapshot->operations[id];
    struct histogram h = wsrt_view_histogram(w->snapshot, id);
    uint64_t in_bound[BOUNDS + 1], below = 0;

    sort_into_bounds(&h, in_bound);
    for (unsigned i = 0; i <= BOUNDS; i++) {
        below += in_bound[i];
        open_series(w, "_bucket", id);
        more(w, "le", wsrt_span_cstr(i < BOUNDS ? bounds[i].seconds : "+Inf"));
        close_series(w, below, 0);
    }
    open_series(w, "_sum", id);
    close_series(w, v->sums.counters[DURATION_SUM], 9);
    series(w, "_count", id, v->count);
}

static void durations(struct page_writer *w)
{
    begin(w, "wsrt_operation_duration_seconds", "histogram", "Duration of completed operations.");
    for (int id = 0; id < w->snapshot->operation_count; id++)
        duration(w, id);
}

/* ---- the other families of operations ---- */

struct pair_family {
    const char *name;
    const char *help;
    unsigned sum;
    unsigned count;
    unsigned decimals;
};

static void pairs(struct page_writer *w, const struct pair_family *f)
{
    begin(w, f->name, "summary", f->help);
    for (int id = 0; id < w->snapshot->operation_count; id++) {
        const uint64_t *c = w->snapshot->operations[id].sums.counters;
        open_series(w, "_sum", id);
        close_series(w, c[f->sum], f->decimals);
        series(w, "_count", id, c[f->count]);
    }
}

static void summaries(struct page_writer *w)
{
    static const struct pair_family families[] = {
        {"wsrt_operation_memory_bytes", "Peak memory of operations that told it.", MEMORY_BYTES,
         MEMORY_SAMPLES, 0},
        {"wsrt_operation_cpu_ratio", "Thread CPU time by duration of sampled operations.",
         CPU_MILLIONTHS, CPU_SAMPLES, 6},
        {"wsrt_operation_request_bytes", "Size of requests.", REQUEST_BYTES, REQUESTS, 0},
        {"wsrt_operation_response_bytes", "Size of responses.", RESPONSE_BYTES, RESPONSES, 0},
    };

    for (size_t i = 0; i < sizeof families / sizeof families[0]; i++)
        pairs(w, &families[i]);
}

static void calls(struct page_writer *w, const char *family, const char *help, unsigned which)
{
    begin(w, family, "counter", help);
    for (int id = 0; id < w->snapshot->operation_count; id++)
        series(w, "", id, w->snapshot->operations[id].sums.counters[which]);
}

static void outcomes(struct page_writer *w)
{
    static const char *const names[] = {"ok", "warning", "error"};
    static const unsigned counters[] = {SUCCEEDED, WARNED, FAILED};

    begin(w, "wsrt_operations_total", "counter", "Completed operations by outcome.");
    for (int id = 0; id < w->snapshot->operation_count; id++) {
        for (unsigned i = 0; i < 3; i++) {
            open_series(w, "", id);
            more(w, "outcome", wsrt_span_cstr(names[i]));
            close_series(w, w->snapshot->operations[id].sums.counters[counters[i]], 0);
        }
    }
}

static void error_category(struct page_writer *w, int id, wsrt_span category, uint64_t n)
{
    open_series(w, "", id);
    more(w, "category", category);
    close_series(w, n, 0);
}

static void errors(struct page_writer *w)
{
    const wsrt_snapshot *s = w->snapshot;

    begin(w, "wsrt_operation_errors_total", "counter", "Errors of operations by category.");
    for (int id = 0; id < s->operation_count; id++)
        error_category(w, id, wsrt_span_cstr("other"),
                       s->operations[id].sums.overflow[ERROR_CATEGORY]);
    for (size_t i = 0; i < s->value_count; i++) {
        const struct value *v = s->values[i].value;
        if (v->category == ERROR_CATEGORY && v->operation < s->operation_count)
            error_category(w, v->operation, (wsrt_span){v->text, v->len}, s->values[i].all);
    }
}

static void in_flight(struct page_writer *w)
{
    wsrt_op_totals totals;

    begin(w, "wsrt_operation_in_flight", "gauge", "Operations started and not ended.");
    for (int id = 0; id < w->snapshot->operation_count; id++) {
        const struct operation_view *v = &w->snapshot->operations[id];
        wsrt_totals_of(&totals, &v->sums, v->count);
        series(w, "", id, totals.in_flight);
    }
}

/* Of the last five minutes; an operation without completions then has none. */
static void error_ratios(struct page_writer *w)
{
    begin(w, "wsrt_operation_error_ratio", "gauge",
          "Failures among the completions of the last five minutes.");
    for (int id = 0; id < w->snapshot->operation_count; id++) {
        struct reading r = w->snapshot->operations[id].recent;
        if (r.count == 0)
            continue;
        open_series(w, "", id);
        wsrt_text_put(&w->text, "} ");
        wsrt_text_double(&w->text, (double)r.errors / (double)r.count);
        wsrt_text_put(&w->text, "\n");
    }
}

/* ---- business metrics ---- */

static const struct {
    const char *name;
    const char *family;
    const char *help;
    int is_time;
} business_families[] = {
    {"messagesPerMinute", "wsrt_business_messages_per_minute",
     "Messages with a type in the last complete minute.", 0},
    {"averageMessageLength", "wsrt_business_average_message_length",
     "Mean length of messages that told it.", 0},
    {"authenticationSuccessRate", "wsrt_business_authentication_success_rate",
     "Successes among messages of type auth.", 0},
    {"messageTypes", "wsrt_business_message_types_total", "Messages by type.", 0},
    {"connectionsPerMinute", "wsrt_business_connections_per_minute",
     "Successful connects in the last complete minute.", 0},
    {"averageConnectionDuration", "wsrt_business_average_connection_duration_seconds",
     "Mean life of connections that ended.", 1},
    {"disconnectReasons", "wsrt_business_disconnect_reasons_total", "Disconnects by reason.", 0},
    {"verificationAttemptsPerMinute", "wsrt_business_verification_attempts_per_minute",
     "Token verifications in the last complete minute.", 0},
    {"successRate", "wsrt_business_success_rate", "Successes among token verifications.", 0},
    {"errorTypes", "wsrt_business_error_types_total", "Errors of token verifications by type.", 0},
    {"messagesProcessedPerMinute", "wsrt_business_messages_processed_per_minute",
     "Chat messages processed in the last complete minute.", 0},
    {"averageProcessingTime", "wsrt_business_average_processing_time_seconds",
     "Mean time to process a chat message.", 1},
    {"databaseOperationsPerMessage", "wsrt_business_database_operations_per_message",
     "Database calls of a chat message.", 0},
};

static void business_series(struct page_writer *w, const struct business *b, int is_time)
{
    open_series(w, "", b->operation);
    if (b->category != NULL)
        more(w, "category", wsrt_span_cstr(b->category));
    wsrt_text_put(&w->text, "} ");
    wsrt_text_double(&w->text, is_time ? b->value / 1000 : b->value);
    wsrt_text_put(&w->text, "\n");
}

static void business_family(struct page_writer *w, size_t which,
                            const struct business all[BUSINESS_METRICS])
{
    int begun = 0;

    for (int i = 0; i < BUSINESS_METRICS; i++) {
        if (!all[i].is_known || strcmp(all[i].name, business_families[which].name) != 0)
            continue;
        if (!begun)
            begin(w, business_families[which].family, all[i].category != NULL ? "counter" : "gauge",
                  business_families[which].help);
        begun = 1;
        business_series(w, &all[i], business_families[which].is_time);
    }
}

static void business(struct page_writer *w)
{
    struct business all[BUSINESS_METRICS];

    wsrt_business_read(w->snapshot, all);
    for (size_t i = 0; i < sizeof business_families / sizeof business_families[0]; i++)
        business_family(w, i, all);
}

/* ---- the monitor itself, and other modules ---- */

static void self(struct page_writer *w)
{
    const wsrt_monitor *m = w->snapshot->monitor;
    const struct {
        const char *family;
        const char *help;
        const counter *value;
    } rows[] = {
        {"wsrt_self_series_dropped_total", "Values beyond the caps, counted as __overflow__.",
         &m->series_dropped},
        {"wsrt_self_export_dropped_total", "Values no export can carry.", &m->export_dropped},
        {"wsrt_self_attributes_dropped_total", "Attributes undeclared or of the wrong kind.",
         &m->attributes_dropped},
        {"wsrt_self_clock_backwards_total", "Operations that ended before they began.",
         &m->clock_backwards},
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        begin(w, rows[i].family, "counter", rows[i].help);
        wsrt_text_put(&w->text, w->family);
        wsrt_text_put(&w->text, "{");
        label(w, "environment", environment_of(w));
        close_series(w, counted(rows[i].value), 0);
    }
}

static double in_unit(const struct metric *metric, double v)
{
    return metric != NULL && metric->unit == UNIT_SECONDS_OF_MS ? v / 1000 : v;
}

static void source_sample(struct page_writer *w, const struct metric *metric,
                          const struct sample *s)
{
    char name[2 * MAX_SOURCE_NAME + 1];

    wsrt_text_put(&w->text, w->family);
    wsrt_text_put(&w->text, "{");
    for (size_t i = 0; i < s->label_count; i++) {
        wsrt_snake_case(name, s->labels[i].name);
        label(w, name, s->labels[i].value);
        wsrt_text_put(&w->text, ",");
    }
    label(w, "environment", environment_of(w));
    wsrt_text_put(&w->text, "} ");
    wsrt_text_double(&w->text, in_unit(metric, s->number));
    wsrt_text_put(&w->text, "\n");
}

static void source_family(struct page_writer *w, const struct family *f)
{
    const struct metric *metric = wsrt_metric_find(f->name);
    char name[sizeof "wsrt_app__total" + 2 * MAX_SOURCE_NAME];

    if (f->samples == NULL)
        return;
    memcpy(name, "wsrt_app_", 9);
    if (metric != NULL)
        memcpy(name, metric->prometheus, strlen(metric->prometheus) + 1);
    else
        wsrt_snake_case(name + 9, f->name);
    if (f->kind == WSRT_SOURCE_COUNTER)
        memcpy(name + strlen(name), "_total", 7);
    begin(w, name, f->kind == WSRT_SOURCE_COUNTER ? "counter" : "gauge",
          metric != NULL ? metric->help : "A metric of the application.");
    for (const struct sample *s = f->samples; s != NULL; s = s->next)
        source_sample(w, metric, s);
}

static void all(struct page_writer *w)
{
    durations(w);
    outcomes(w);
    errors(w);
    calls(w, "wsrt_operation_external_calls_total", "Calls to outside services.", EXTERNAL_CALLS);
    calls(w, "wsrt_operation_database_calls_total", "Calls to databases.", DATABASE_CALLS);
    summaries(w);
    in_flight(w);
    error_ratios(w);
    business(w);
    for (const struct family *f = w->snapshot->families; f != NULL; f = f->next)
        source_family(w, f);
    self(w);
}

int wsrt_monitor_prometheus(wsrt_monitor *m, int (*write)(const void *data, size_t len, void *user),
                            void *user)
{
    struct page_writer w;
    wsrt_snapshot *s;

    if (m == NULL || write == NULL)
        return WSRT_ERR_INVALID;
    int rc = wsrt_snapshot_take(&s, m);
    if (rc != WSRT_OK)
        return rc;
    w.snapshot = s;
    wsrt_text_init(&w.text, write, user);
    all(&w);
    wsrt_snapshot_free(s);
    return wsrt_text_finish(&w.text);
}
