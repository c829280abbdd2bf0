#include "server/workers.h"

#include <wsrt/json.h>

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { SLOW_NS = 20 * 1000 * 1000 };

static const int64_t window_ns = INT64_C(10000000000), warn_every_ns = INT64_C(1000000000);

/* The last row is for any other. */
static const uint16_t codes[WSRT_CLOSE_ROWS] = {1000, 1001, 1002, 1003, 1005, 1006,
                                                1007, 1008, 1009, 1010, 1011, 1012,
                                                1013, 1014, 4401, 4429, 0};
static const uint16_t statuses[WSRT_STATUS_ROWS] = {101, 200, 204, 400, 401, 403, 404, 405,
                                                    410, 413, 421, 426, 429, 500, 503, 0};
static const char *const limits[WSRT_LIMIT_ROWS] = {"connections", "per_ip",  "accepts", "queue",
                                                    "queues",      "partial", "control"};
static const char *const drops[WSRT_DROP_ROWS] = {"close", "drop-oldest", "conflate"};
static const char *const operations[WSRT_MANAGED_ROWS] = {"post", "get", "delete", "other"};

static size_t row_of(const uint16_t *numbers, size_t count, int wanted)
{
    size_t i = 0;

    while (i + 1 < count && numbers[i] != wanted)
        i++;
    return i;
}

/* ---- counting ------------------------------------------------------------------------------- */

void wsrt_series_close(wsrt_series *s, int code)
{
    wsrt_count_add(&s->rows[WSRT_ROW_CLOSES + row_of(codes, WSRT_CLOSE_ROWS, code)], 1);
}

void wsrt_series_upgrade(wsrt_series *s, int status)
{
    wsrt_count_add(&s->rows[WSRT_ROW_UPGRADES + row_of(statuses, WSRT_STATUS_ROWS, status)], 1);
}

void wsrt_series_managed(wsrt_series *s, wsrt_managed op, int status)
{
    size_t row = (size_t)op * WSRT_STATUS_ROWS + row_of(statuses, WSRT_STATUS_ROWS, status);

    wsrt_count_add(&s->rows[WSRT_ROW_MANAGED + row], 1);
}

void wsrt_series_limited(wsrt_series *s, wsrt_limit limit)
{
    wsrt_count_add(&s->rows[WSRT_ROW_LIMITED + limit], 1);
}

void wsrt_series_dropped(wsrt_series *s, wsrt_drop policy)
{
    wsrt_count_add(&s->rows[WSRT_ROW_DROPPED + policy], 1);
}

static void warn(wsrt_loop *l, int64_t took)
{
    wsrt_series *s = &l->series;
    wsrt_field fields[] = {
        {.name_cstr = "ms", .kind = WSRT_FIELD_INT, .number = took / 1000000},
        {.name_cstr = "route", .kind = WSRT_FIELD_TEXT, .text = wsrt_times_route(&l->times)},
    };

    wsrt_count_add(&s->rows[WSRT_ROW_SLOW_TURNS], 1);
    if (s->warned != 0 && l->now - s->warned < warn_every_ns)
        return;
    s->warned = l->now;
    l->set->env.log(l->set->env.user, WSRT_LEVEL_WARN, "server.handler_slow", fields, 2);
}

static int64_t lag_of(const wsrt_series *s, int window)
{
    return atomic_load_explicit(&s->lag[window], memory_order_relaxed);
}

static void set_lag(wsrt_series *s, int window, int64_t ns)
{
    atomic_store_explicit(&s->lag[window], ns, memory_order_relaxed);
}

void wsrt_series_turn(wsrt_loop *l, int64_t now)
{
    wsrt_series *s = &l->series;
    int64_t took = now - (s->mark > l->now ? s->mark : l->now), turn = now - l->now;

    s->mark = now;
    if (now - s->lag_since >= window_ns) {
        set_lag(s, 1, now - s->lag_since < 2 * window_ns ? lag_of(s, 0) : 0);
        set_lag(s, 0, 0);
        s->lag_since = now;
    }
    if (turn > lag_of(s, 0))
        set_lag(s, 0, turn);
    if (took > SLOW_NS)
        warn(l, took);
    wsrt_times_settle(&l->times, took);
}

/* ---- Prometheus ----------------------------------------------------------------------------- */

typedef struct writer {
    wsrt_sink sink;
    void *user;
    int rc;
} writer;

static void put(writer *w, const char *text, int len)
{
    if (w->rc == WSRT_OK)
        w->rc = w->sink(text, (size_t)len, w->user);
}

static void head(writer *w, const char *name_cstr, const char *kind_cstr)
{
    char line[128];

    put(w, line, snprintf(line, sizeof line, "# TYPE wsrt_%s %s\n", name_cstr, kind_cstr));
}

/* `labels_cstr` is the braces' content. */
static void sample(writer *w, const char *name_cstr, const char *labels_cstr, uint64_t value)
{
    char line[192];

    put(w, line,
        snprintf(line, sizeof line, "wsrt_%s{%s} %" PRIu64 "\n", name_cstr, labels_cstr, value));
}

static void words(writer *w, const char *name_cstr, const char *label_cstr,
                  const char *const *names, const uint64_t *values, size_t count)
{
    char labels[96];

    head(w, name_cstr, "counter");
    for (size_t i = 0; i < count; i++) {
        snprintf(labels, sizeof labels, "%s=\"%s\"", label_cstr, names[i]);
        sample(w, name_cstr, labels, values[i]);
    }
}

/* Numbers that have not occurred are left out; `before_cstr` are labels that come first. */
typedef struct numbers {
    const char *name_cstr;
    const char *before_cstr;
    const char *label_cstr;
    const uint16_t *keys;
    size_t count;
} numbers;

static void numbered(writer *w, const numbers *n, const uint64_t *values)
{
    char labels[96];

    for (size_t i = 0; i < n->count; i++) {
        if (values[i] == 0)
            continue;
        if (n->keys[i] != 0)
            snprintf(labels, sizeof labels, "%s%s=\"%u\"", n->before_cstr, n->label_cstr,
                     (unsigned)n->keys[i]);
        else
            snprintf(labels, sizeof labels, "%s%s=\"other\"", n->before_cstr, n->label_cstr);
        sample(w, n->name_cstr, labels, values[i]);
    }
}

static void write_managed(writer *w, const uint64_t *rows)
{
    char before[32];
    numbers n = {"management_requests_total", before, "status", statuses, WSRT_STATUS_ROWS};

    head(w, n.name_cstr, "counter");
    for (size_t op = 0; op < WSRT_MANAGED_ROWS; op++) {
        snprintf(before, sizeof before, "op=\"%s\",", operations[op]);
        numbered(w, &n, rows + op * WSRT_STATUS_ROWS);
    }
}

/* Of the loop that has lagged most. */
static int64_t worst_lag(const wsrt_server *s)
{
    int64_t worst = 0;

    for (uint32_t i = 0; i < s->loop_count; i++)
        for (int window = 0; window < 2; window++)
            if (lag_of(&s->loops[i].series, window) > worst)
                worst = lag_of(&s->loops[i].series, window);
    return worst;
}

static void write_lag(writer *w, int64_t ns, uint64_t slow_turns)
{
    int64_t us = ns / 1000;
    char line[96];

    head(w, "loop_lag_seconds", "gauge");
    put(w, line,
        snprintf(line, sizeof line, "wsrt_loop_lag_seconds %" PRId64 ".%06d\n", us / 1000000,
                 (int)(us % 1000000)));
    head(w, "loop_slow_turns_total", "counter");
    put(w, line,
        snprintf(line, sizeof line, "wsrt_loop_slow_turns_total %" PRIu64 "\n", slow_turns));
}

/* ---- by route ------------------------------------------------------------------------------- */

enum { ROUTE_LABEL = 300 };

/* A route's key as a label; keys are at most 128 bytes, which escaping may double. */
static void route_label(char *dst, wsrt_span route)
{
    size_t n = (size_t)snprintf(dst, ROUTE_LABEL, "route=\"");

    if (route.len == 0)
        route = wsrt_span_cstr("none");
    for (size_t i = 0; i < route.len && n < ROUTE_LABEL - 4; i++) {
        char c = route.ptr[i];
        if (c == '"' || c == '\\' || c == '\n')
            dst[n++] = '\\';
        dst[n++] = c == '\n' ? 'n' : c;
    }
    dst[n] = '"';
    dst[n + 1] = '\0';
}

static void write_route(writer *w, const wsrt_route_sum *sum)
{
    char label[ROUTE_LABEL], line[2 * ROUTE_LABEL];

    route_label(label, sum->route);
    put(w, line,
        snprintf(line, sizeof line, "wsrt_handler_seconds_sum{%s} %" PRIu64 ".%09u\n", label,
                 sum->ns / 1000000000, (unsigned)(sum->ns % 1000000000)));
    put(w, line,
        snprintf(line, sizeof line, "wsrt_handler_seconds_count{%s} %" PRIu64 "\n", label,
                 sum->handled));
}

static void write_routes(writer *w, const wsrt_server *s)
{
    wsrt_route_sum sums[WSRT_ROUTE_ROWS];
    size_t count = 0;

    for (uint32_t i = 0; i < s->loop_count; i++)
        count = wsrt_times_add(&s->loops[i].times, sums, count);
    count = wsrt_crew_add_times(s, sums, count);
    head(w, "handler_seconds", "summary");
    for (size_t i = 0; i < count; i++)
        write_route(w, &sums[i]);
}

static void write_handshakes(writer *w, const wsrt_server *s)
{
    uint64_t opened = wsrt_server_sum(s, WSRT_COUNT_TLS_OPENED);
    uint64_t resumed = wsrt_server_sum(s, WSRT_COUNT_TLS_RESUMED);

    head(w, "handshakes_total", "counter");
    sample(w, "handshakes_total", "tls=\"full\",result=\"ok\"", opened - resumed);
    sample(w, "handshakes_total", "tls=\"resumed\",result=\"ok\"", resumed);
    sample(w, "handshakes_total", "tls=\"none\",result=\"failed\"",
           wsrt_server_sum(s, WSRT_COUNT_TLS_FAILED));
}

static void write_sums(writer *w, const wsrt_server *s)
{
    static const char *const results[] = {"ok", "refused"}, *const ways[] = {"in", "out"};
    const uint64_t reloads[] = {
        wsrt_server_sum(s, WSRT_COUNT_CERTIFICATES_LOADED) +
            atomic_load_explicit(&s->reloads, memory_order_relaxed),
        wsrt_server_sum(s, WSRT_COUNT_CERTIFICATES_REFUSED) +
            atomic_load_explicit(&s->reloads_refused, memory_order_relaxed)};
    const uint64_t messages[] = {wsrt_server_sum(s, WSRT_COUNT_MESSAGES_IN),
                                 wsrt_server_sum(s, WSRT_COUNT_MESSAGES_OUT)};
    const uint64_t bytes[] = {wsrt_server_sum(s, WSRT_COUNT_BYTES_IN),
                              wsrt_server_sum(s, WSRT_COUNT_BYTES_OUT)};

    words(w, "reloads_total", "result", results, reloads, 2);
    words(w, "messages_total", "direction", ways, messages, 2);
    words(w, "bytes_total", "direction", ways, bytes, 2);
}

static void add_up(const wsrt_server *s, uint64_t *rows)
{
    for (size_t row = 0; row < WSRT_SERIES_ROWS; row++)
        rows[row] = 0;
    for (uint32_t i = 0; i < s->loop_count; i++)
        for (size_t row = 0; row < WSRT_SERIES_ROWS; row++)
            rows[row] += wsrt_count_read(&s->loops[i].series.rows[row]);
}

int wsrt_series_write(const wsrt_server *s, wsrt_sink sink, void *user)
{
    writer w = {sink, user, WSRT_OK};
    numbers closes = {"closes_total", "", "code", codes, WSRT_CLOSE_ROWS};
    numbers upgrades = {"upgrades_total", "", "result", statuses, WSRT_STATUS_ROWS};
    uint64_t rows[WSRT_SERIES_ROWS];

    add_up(s, rows);
    head(&w, closes.name_cstr, "counter");
    numbered(&w, &closes, rows + WSRT_ROW_CLOSES);
    head(&w, upgrades.name_cstr, "counter");
    numbered(&w, &upgrades, rows + WSRT_ROW_UPGRADES);
    write_managed(&w, rows + WSRT_ROW_MANAGED);
    words(&w, "limited_total", "limit", limits, rows + WSRT_ROW_LIMITED, WSRT_LIMIT_ROWS);
    words(&w, "dropped_total", "policy", drops, rows + WSRT_ROW_DROPPED, WSRT_DROP_ROWS);
    write_lag(&w, worst_lag(s), rows[WSRT_ROW_SLOW_TURNS]);
    write_handshakes(&w, s);
    write_sums(&w, s);
    write_routes(&w, s);
    return w.rc;
}

void wsrt_series_write_closes(const wsrt_server *s, wsrt_json_writer *w)
{
    uint64_t rows[WSRT_SERIES_ROWS];
    char name[8];

    add_up(s, rows);
    for (size_t i = 0; i < WSRT_CLOSE_ROWS; i++) {
        if (rows[WSRT_ROW_CLOSES + i] == 0)
            continue;
        snprintf(name, sizeof name, "%u", (unsigned)codes[i]);
        wsrt_json_key(w, codes[i] == 0 ? "other" : name);
        wsrt_json_write_uint64(w, rows[WSRT_ROW_CLOSES + i]);
    }
}

/* ---- the monitor ---------------------------------------------------------------------------- */

static void read_active(wsrt_samples *to, void *user)
{
    (void)wsrt_sample(to, NULL, 0, (double)wsrt_server_open(user));
}

static void read_connects(wsrt_samples *to, void *user)
{
    (void)wsrt_sample(to, NULL, 0, (double)wsrt_server_sum(user, WSRT_COUNT_OPENED));
}

static void read_disconnects(wsrt_samples *to, void *user)
{
    (void)wsrt_sample(to, NULL, 0, (double)wsrt_server_sum(user, WSRT_COUNT_CLOSED));
}

static void read_messages(wsrt_samples *to, void *user)
{
    uint64_t n = wsrt_server_sum(user, WSRT_COUNT_MESSAGES_IN) +
                 wsrt_server_sum(user, WSRT_COUNT_MESSAGES_OUT);

    (void)wsrt_sample(to, NULL, 0, (double)n);
}

static const struct {
    const char *name_cstr;
    int kind;
    wsrt_source_fn read;
} sources[] = {
    {"ConnectionsActive", WSRT_SOURCE_GAUGE, read_active},
    {"ConnectCount", WSRT_SOURCE_COUNTER, read_connects},
    {"DisconnectCount", WSRT_SOURCE_COUNTER, read_disconnects},
    {"MessageCount", WSRT_SOURCE_COUNTER, read_messages},
};

int wsrt_series_open(wsrt_server *s)
{
    wsrt_monitor *m = wsrt_runtime_monitor(s->runtime);
    int rc = WSRT_OK;

    for (size_t i = 0; i < sizeof sources / sizeof sources[0] && rc == WSRT_OK; i++)
        rc = wsrt_monitor_source(m, sources[i].name_cstr, sources[i].kind, sources[i].read, s);
    return rc;
}

void wsrt_series_shut(wsrt_server *s)
{
    wsrt_monitor_source_remove(wsrt_runtime_monitor(s->runtime), s);
}
