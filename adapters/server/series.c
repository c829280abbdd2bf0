#include "server/internal.h"

#include <wsrt/json.h>

#include <inttypes.h>
#include <stdio.h>

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
    s->closes[row_of(codes, WSRT_CLOSE_ROWS, code)]++;
}

void wsrt_series_upgrade(wsrt_series *s, int status)
{
    s->upgrades[row_of(statuses, WSRT_STATUS_ROWS, status)]++;
}

void wsrt_series_managed(wsrt_series *s, wsrt_managed op, int status)
{
    s->managed[op][row_of(statuses, WSRT_STATUS_ROWS, status)]++;
}

static void warn(wsrt_loop *l, int64_t took)
{
    wsrt_series *s = &l->series;
    wsrt_field fields[] = {
        {.name_cstr = "ms", .kind = WSRT_FIELD_INT, .number = took / 1000000},
        {.name_cstr = "connectionId", .kind = WSRT_FIELD_TEXT, .text = l->event.connection_id},
    };

    s->slow_turns++;
    if (s->warned != 0 && l->now - s->warned < warn_every_ns)
        return;
    s->warned = l->now;
    l->set->env.log(l->set->env.user, WSRT_LEVEL_WARN, "server.handler_slow", fields, 2);
}

void wsrt_series_turn(wsrt_loop *l, int64_t now)
{
    wsrt_series *s = &l->series;
    int64_t took = now - (s->mark > l->now ? s->mark : l->now), turn = now - l->now;

    s->mark = now;
    if (now - s->lag_since >= window_ns) {
        s->lag[1] = now - s->lag_since < 2 * window_ns ? s->lag[0] : 0;
        s->lag[0] = 0;
        s->lag_since = now;
    }
    if (turn > s->lag[0])
        s->lag[0] = turn;
    if (took > SLOW_NS)
        warn(l, took);
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

static void write_managed(writer *w, const wsrt_series *s)
{
    char before[32];
    numbers n = {"management_requests_total", before, "status", statuses, WSRT_STATUS_ROWS};

    head(w, n.name_cstr, "counter");
    for (size_t op = 0; op < WSRT_MANAGED_ROWS; op++) {
        snprintf(before, sizeof before, "op=\"%s\",", operations[op]);
        numbered(w, &n, s->managed[op]);
    }
}

static void write_lag(writer *w, const wsrt_series *s)
{
    int64_t us = (s->lag[0] > s->lag[1] ? s->lag[0] : s->lag[1]) / 1000;
    char line[96];

    head(w, "loop_lag_seconds", "gauge");
    put(w, line,
        snprintf(line, sizeof line, "wsrt_loop_lag_seconds %" PRId64 ".%06d\n", us / 1000000,
                 (int)(us % 1000000)));
    head(w, "loop_slow_turns_total", "counter");
    put(w, line,
        snprintf(line, sizeof line, "wsrt_loop_slow_turns_total %" PRIu64 "\n", s->slow_turns));
}

int wsrt_series_write(const wsrt_loop *l, wsrt_sink sink, void *user)
{
    const wsrt_series *s = &l->series;
    writer w = {sink, user, WSRT_OK};
    numbers closes = {"closes_total", "", "code", codes, WSRT_CLOSE_ROWS};
    numbers upgrades = {"upgrades_total", "", "result", statuses, WSRT_STATUS_ROWS};

    head(&w, closes.name_cstr, "counter");
    numbered(&w, &closes, s->closes);
    head(&w, upgrades.name_cstr, "counter");
    numbered(&w, &upgrades, s->upgrades);
    write_managed(&w, s);
    words(&w, "limited_total", "limit", limits, s->limited, WSRT_LIMIT_ROWS);
    words(&w, "dropped_total", "policy", drops, s->dropped, WSRT_DROP_ROWS);
    write_lag(&w, s);
    return w.rc;
}

void wsrt_series_write_closes(const wsrt_series *s, wsrt_json_writer *w)
{
    char name[8];

    for (size_t i = 0; i < WSRT_CLOSE_ROWS; i++) {
        if (s->closes[i] == 0)
            continue;
        snprintf(name, sizeof name, "%u", (unsigned)codes[i]);
        wsrt_json_key(w, codes[i] == 0 ? "other" : name);
        wsrt_json_write_uint64(w, s->closes[i]);
    }
}

/* ---- the monitor ---------------------------------------------------------------------------- */

static double published(const void *user, size_t i)
{
    const wsrt_server *s = user;

    return (double)atomic_load_explicit(&s->published[i], memory_order_relaxed);
}

static void read_active(wsrt_samples *to, void *user)
{
    (void)wsrt_sample(to, NULL, 0, published(user, 1));
}

static void read_connects(wsrt_samples *to, void *user)
{
    (void)wsrt_sample(to, NULL, 0, published(user, 2));
}

static void read_disconnects(wsrt_samples *to, void *user)
{
    (void)wsrt_sample(to, NULL, 0, published(user, 3));
}

static void read_messages(wsrt_samples *to, void *user)
{
    (void)wsrt_sample(to, NULL, 0, published(user, 5) + published(user, 6));
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
