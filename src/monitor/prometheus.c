/* Prometheus text 0.0.4 and OpenMetrics 1.0: each family once, with all its series. */
#include "monitor/bounds.h"
#include "monitor/business.h"
#include "monitor/catalogue.h"
#include "monitor/document.h"
#include "monitor/text.h"

#include "base/alloc.h"

#include <string.h>

struct page_writer {
    struct text text;
    const wsrt_snapshot *snapshot;
    wsrt_span family;
    const wsrt_span *labels; /* of each operation, as they stand in every line of it */
    int open_metrics;
    uint32_t flags; /* bits of wsrt_export_flag */
};

enum { MAX_EXEMPLAR = 128 }; /* characters of its names and values */
static const char exemplar_label[] = "correlation_id";

static int ends_with(wsrt_span text, const char *end)
{
    size_t len = strlen(end);

    return text.len > len && memcmp(text.ptr + text.len - len, end, len) == 0;
}

/* In OpenMetrics a family is called what its samples are without their suffix. */
static wsrt_span family_name(const struct page_writer *w)
{
    wsrt_span name = w->family;

    if (w->open_metrics && ends_with(name, "_total"))
        name.len -= sizeof "_total" - 1;
    return name;
}

static void head(struct page_writer *w, const char *what, const char *text)
{
    wsrt_text_put(&w->text, what);
    wsrt_text_bytes(&w->text, family_name(w));
    wsrt_text_put(&w->text, " ");
    wsrt_text_line(&w->text, wsrt_span_cstr(text), w->open_metrics);
    wsrt_text_put(&w->text, "\n");
}

static void unit(struct page_writer *w)
{
    static const char *const units[] = {"_seconds", "_bytes", "_ratio"};

    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++)
        if (ends_with(family_name(w), units[i]))
            head(w, "# UNIT ", units[i] + 1);
}

static void begin(struct page_writer *w, const char *family, const char *type, const char *help)
{
    w->family = wsrt_span_cstr(family);
    head(w, "# HELP ", help);
    head(w, "# TYPE ", type);
    if (w->open_metrics)
        unit(w);
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
    wsrt_text_bytes(&w->text, w->family);
    wsrt_text_put(&w->text, suffix);
    wsrt_text_bytes(&w->text, w->labels[id]);
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

/* `,name="` with the value still open. */
static void more_open(struct page_writer *w, const char *name)
{
    wsrt_text_put(&w->text, ",");
    wsrt_text_put(&w->text, name);
    wsrt_text_put(&w->text, "=\"");
}

/* ---- durations ---- */

/* Of the events between two bounds the slowest that told a correlation id. */
static void exemplar(struct page_writer *w, int id, uint64_t above, uint64_t most)
{
    struct exemplar e;

    if (!w->open_metrics ||
        !wsrt_exemplar_read(w->snapshot->operations[id].operation, above, most, &e) ||
        sizeof exemplar_label - 1 + e.len > MAX_EXEMPLAR)
        return;
    wsrt_text_put(&w->text, " # {");
    label(w, exemplar_label, (wsrt_span){e.text, e.len});
    wsrt_text_put(&w->text, "} ");
    wsrt_text_scaled(&w->text, e.ns, 9);
}

static void bound(struct page_writer *w, uint64_t ns)
{
    more_open(w, "le");
    if (ns == UINT64_MAX)
        wsrt_text_put(&w->text, "+Inf");
    else
        wsrt_text_scaled(&w->text, ns, 9);
    if (w->open_metrics && ns % 1000000000 == 0)
        wsrt_text_put(&w->text, ".0");
    wsrt_text_put(&w->text, "\"} ");
}

static void histogram(struct page_writer *w, int id)
{
    const struct operation_view *v = &w->snapshot->operations[id];
    struct histogram h = wsrt_view_histogram(w->snapshot, id);
    const struct bounds bounds = (w->flags & WSRT_EXPORT_SNAP_BOUNDS) != 0
                                     ? wsrt_bounds_snapped(w->snapshot->monitor->bits)
                                     : wsrt_bounds();
    uint64_t in[BOUNDS + 1], below = 0, above = 0;

    wsrt_bounds_sort(&bounds, &h, in);
    for (unsigned i = 0; i <= BOUNDS; i++) {
        uint64_t most = i < BOUNDS ? bounds.ns[i] : UINT64_MAX;
        below += in[i];
        open_series(w, "_bucket", id);
        bound(w, most);
        wsrt_text_u64(&w->text, below);
        if (in[i] > 0)
            exemplar(w, id, above, most);
        wsrt_text_put(&w->text, "\n");
        above = most;
    }
    open_series(w, "_sum", id);
    close_series(w, v->sums.counters[DURATION_SUM], 9);
    series(w, "_count", id, v->count);
}

static void summary(struct page_writer *w, int id)
{
    static const char *const names[] = {"0.5", "0.95", "0.99", "0.999"};
    static const double quantiles[] = {0.5, 0.95, 0.99, 0.999};
    uint64_t values[sizeof quantiles / sizeof quantiles[0]];
    const struct operation_view *v = &w->snapshot->operations[id];
    struct histogram h = wsrt_view_histogram(w->snapshot, id);

    wsrt_histogram_quantiles(&h, quantiles, sizeof quantiles / sizeof quantiles[0], values);
    for (size_t i = 0; v->count > 0 && i < sizeof quantiles / sizeof quantiles[0]; i++) {
        open_series(w, "", id);
        more(w, "quantile", wsrt_span_cstr(names[i]));
        close_series(w, values[i], 9);
    }
    open_series(w, "_sum", id);
    close_series(w, v->sums.counters[DURATION_SUM], 9);
    series(w, "_count", id, v->count);
}

static void durations(struct page_writer *w)
{
    int as_summary = (w->flags & WSRT_EXPORT_SUMMARY) != 0;

    begin(w, "wsrt_operation_duration_seconds", as_summary ? "summary" : "histogram",
          "Duration of completed operations.");
    for (int id = 0; id < w->snapshot->operation_count; id++) {
        if (as_summary)
            summary(w, id);
        else
            histogram(w, id);
    }
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
    begin(w, "wsrt_operation_in_flight", "gauge", "Operations started and not ended.");
    for (int id = 0; id < w->snapshot->operation_count; id++)
        series(w, "", id, w->snapshot->operations[id].in_flight);
}

/* Of the last five minutes; an operation without completions then has none. */
static void error_ratios(struct page_writer *w)
{
    begin(w, "wsrt_operation_error_ratio", "gauge",
          "Failures among the completions of the last five minutes.");
    for (int id = 0; id < w->snapshot->operation_count; id++) {
        struct reading r = w->snapshot->operations[id].recent[SPAN_5M];
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
    static const struct {
        const char *family;
        const char *help;
    } rows[SELVES] = {
        [SERIES_DROPPED] = {"wsrt_self_series_dropped_total",
                            "Values beyond the caps, counted as __overflow__."},
        [EXPORT_DROPPED] = {"wsrt_self_export_dropped_total", "Values no export can carry."},
        [EXPORT_APPROXIMATED] = {"wsrt_self_export_approximated_total",
                                 "Metrics exported without their distribution."},
        [ATTRIBUTES_DROPPED] = {"wsrt_self_attributes_dropped_total",
                                "Attributes undeclared or of the wrong kind."},
        [CLOCK_BACKWARDS] = {"wsrt_self_clock_backwards_total",
                             "Operations that ended before they began."},
    };

    for (size_t i = 0; i < SELVES; i++) {
        begin(w, rows[i].family, "counter", rows[i].help);
        wsrt_text_bytes(&w->text, w->family);
        wsrt_text_put(&w->text, "{");
        label(w, "environment", environment_of(w));
        close_series(w, w->snapshot->self[i], 0);
    }
}

static double in_unit(const struct metric *metric, double v)
{
    return metric != NULL && metric->unit == UNIT_SECONDS_OF_MS ? v / 1000 : v;
}

static void source_sample(struct page_writer *w, const struct family *f, const struct sample *s)
{
    char name[2 * MAX_SOURCE_NAME + 1];
    double value;

    if (!wsrt_sample_value(f, s, &value))
        return;
    wsrt_text_bytes(&w->text, w->family);
    wsrt_text_put(&w->text, "{");
    for (size_t i = 0; i < s->set->count; i++) {
        wsrt_snake_case(name, s->set->labels[i].name);
        label(w, name, s->set->labels[i].value);
        wsrt_text_put(&w->text, ",");
    }
    label(w, "environment", environment_of(w));
    if (s->category != NULL)
        more(w, "category", wsrt_span_cstr(s->category));
    wsrt_text_put(&w->text, "} ");
    wsrt_text_double(&w->text, in_unit(f->metric, value));
    wsrt_text_put(&w->text, "\n");
}

static void source_family(struct page_writer *w, const struct family *f)
{
    char name[FAMILY_NAME];

    if (f->samples == NULL)
        return;
    wsrt_family_name(f, name);
    if (f->kind == WSRT_SOURCE_COUNTER)
        memcpy(name + strlen(name), "_total", 7);
    begin(w, name, f->kind == WSRT_SOURCE_COUNTER ? "counter" : "gauge",
          f->metric != NULL ? f->metric->help : wsrt_family_help(f));
    for (const struct sample *s = f->samples; s != NULL; s = s->next)
        source_sample(w, f, s);
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

/* ---- labels of operations: written once, copied into each of their lines ---- */

static int keep(const void *data, size_t len, void *user)
{
    wsrt_span *to = user;

    memcpy((char *)(uintptr_t)to->ptr + to->len, data, len);
    to->len += len;
    return WSRT_OK;
}

/* Returns where the text of the next one goes. */
static char *label_operation(struct page_writer *w, int id, char *room, wsrt_span *out)
{
    const struct operation *o = w->snapshot->operations[id].operation;

    *out = (wsrt_span){room, 0};
    wsrt_text_init(&w->text, keep, out);
    wsrt_text_put(&w->text, "{");
    label(w, "handler", (wsrt_span){o->name, o->name_len});
    wsrt_text_put(&w->text, ",");
    label(w, "environment", environment_of(w));
    (void)wsrt_text_finish(&w->text);
    return room + out->len;
}

/* The environment may grow: each byte that is none of UTF-8 becomes three. */
static size_t labels_size(const wsrt_snapshot *s)
{
    size_t each = sizeof(wsrt_span) + sizeof "{handler=\"\",environment=\"\"" +
                  3 * s->monitor->environment_len;
    size_t size = (size_t)s->operation_count * each;

    for (int id = 0; id < s->operation_count; id++)
        size += s->operations[id].operation->name_len;
    return size;
}

static int write_page(struct page_writer *w, const struct export *e)
{
    wsrt_text_init(&w->text, e->write, e->user);
    all(w);
    if (w->open_metrics)
        wsrt_text_put(&w->text, "# EOF\n");
    return wsrt_text_finish(&w->text);
}

int wsrt_export_page(const struct export *e)
{
    const wsrt_allocator *a = &e->snapshot->monitor->allocator;
    struct page_writer w = {.snapshot = e->snapshot,
                            .open_metrics = e->options->format == WSRT_EXPORT_OPENMETRICS,
                            .flags = e->options->flags};
    wsrt_span *labels = wsrt_mem_alloc(a, labels_size(e->snapshot));

    if (labels == NULL)
        return WSRT_ERR_NOMEM;
    char *room = (char *)(labels + e->snapshot->operation_count);
    for (int id = 0; id < e->snapshot->operation_count; id++)
        room = label_operation(&w, id, room, &labels[id]);
    w.labels = labels;
    int rc = write_page(&w, e);
    wsrt_mem_free(a, labels, labels_size(e->snapshot));
    return rc;
}

int wsrt_monitor_prometheus(wsrt_monitor *m, int (*write)(const void *data, size_t len, void *user),
                            void *user)
{
    const wsrt_export_options options = {.struct_size = sizeof options,
                                         .format = WSRT_EXPORT_PROMETHEUS};

    return wsrt_monitor_export(m, &options, write, user);
}
