/* What the tests of the monitor share: a monitor on an accounted heap, and a reader of its pages. */
#ifndef WSRT_TEST_MONITOR_RIG_H
#define WSRT_TEST_MONITOR_RIG_H

#include "heap.h"
#include "suite.h"

#include <wsrt/monitor.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define MS 1000000ll

static struct heap heap;
static wsrt_monitor *m;
static int64_t cpu_clock;

static inline int64_t fake_cpu(void *user)
{
    (void)user;
    return cpu_clock;
}

static inline int fake_random(void *user, void *dst, size_t len)
{
    (void)user;
    memset(dst, 7, len);
    return WSRT_OK;
}

static const wsrt_env env = {
    .struct_size = sizeof(wsrt_env), .cpu = fake_cpu, .random = fake_random};

static inline wsrt_monitor_options options(void)
{
    return (wsrt_monitor_options){
        .struct_size = sizeof(wsrt_monitor_options), .allocator = heap.allocator, .env = &env};
}

static inline void make(wsrt_monitor_options o)
{
    ck_assert_int_eq(wsrt_monitor_new(&m, &o), WSRT_OK);
}

static inline void setup(void)
{
    heap_init(&heap);
    cpu_clock = 0;
    make(options());
}

static inline void teardown(void)
{
    wsrt_monitor_free(m);
    ck_assert_uint_eq(heap.live, 0);
}

static inline void remake(wsrt_monitor_options o)
{
    wsrt_monitor_free(m);
    make(o);
}

static inline wsrt_op_totals totals(int id)
{
    wsrt_op_totals t = {.struct_size = sizeof t};

    ck_assert_int_eq(wsrt_monitor_totals(m, id, &t), WSRT_OK);
    return t;
}

static inline wsrt_op_result success(void)
{
    return (wsrt_op_result){.struct_size = sizeof(wsrt_op_result), .success = 1};
}

static inline wsrt_op_result failure(void)
{
    return (wsrt_op_result){.struct_size = sizeof(wsrt_op_result)};
}

static inline void run(wsrt_recorder *rec, int id, int64_t duration)
{
    wsrt_op op;

    ck_assert_int_eq(wsrt_op_start(m, rec, id, 1000, &op), WSRT_OK);
    ck_assert_int_eq(wsrt_op_complete(&op, 1000 + duration, NULL), WSRT_OK);
}

static inline void run_with(int id, const wsrt_field *attrs, size_t count)
{
    wsrt_op_result r = success();
    wsrt_op op;

    r.attrs = attrs;
    r.attr_count = count;
    wsrt_op_start(m, NULL, id, 0, &op);
    ck_assert_int_eq(wsrt_op_complete(&op, MS, &r), WSRT_OK);
}

static inline wsrt_field text(const char *name, const char *value)
{
    return (wsrt_field){.name_cstr = name, .text = wsrt_span_cstr(value), .kind = WSRT_FIELD_TEXT};
}

/* ---- a scrape, read as Prometheus reads it ---- */

struct scraped {
    char text[512 * 1024];
    size_t len;
};
static struct scraped page;

static inline int append(const void *data, size_t len, void *user)
{
    struct scraped *p = user;

    ck_assert_uint_lt(p->len + len, sizeof p->text);
    memcpy(p->text + p->len, data, len);
    p->len += len;
    return WSRT_OK;
}

static inline void scrape(void)
{
    page.len = 0;
    ck_assert_int_eq(wsrt_monitor_prometheus(m, append, &page), WSRT_OK);
    page.text[page.len] = '\0';
}

/* The value behind a series, given with its labels; fails when it is absent. */
static inline double metric(const char *series)
{
    scrape();
    size_t len = strlen(series);
    for (const char *line = page.text; line != NULL && *line != '\0';) {
        if (strncmp(line, series, len) == 0 && line[len] == ' ')
            return strtod(line + len, NULL);
        line = strchr(line, '\n');
        line = line == NULL ? NULL : line + 1;
    }
    ck_abort_msg("no series %s in\n%s", series, page.text);
}

static inline int has(const char *part)
{
    scrape();
    return strstr(page.text, part) != NULL;
}

static inline const char *name_end(const char *p)
{
    const char *start = p;

    while ((*p >= 'a' && *p <= 'z') || *p == '_' || (p > start && *p >= '0' && *p <= '9'))
        p++;
    ck_assert_msg(p > start, "no name at: %.60s", start);
    return p;
}

static inline const char *label_end(const char *p)
{
    p = name_end(p);
    ck_assert_msg(p[0] == '=' && p[1] == '"', "no value at: %.60s", p);
    for (p += 2; *p != '"'; p++) {
        ck_assert_msg(*p != '\n' && *p != '\0', "open value");
        if (*p == '\\') {
            p++;
            ck_assert_msg(*p == '\\' || *p == '"' || *p == 'n', "escape at: %.20s", p - 1);
        }
    }
    return p + 1;
}

/* Length of the series name with its labels; the family's name must be a prefix. */
static inline size_t check_sample(const char *line, const char *family)
{
    const char *p = name_end(line);
    char *end;

    ck_assert_msg(strncmp(line, family, strlen(family)) == 0, "%.60s not in %s", line, family);
    if (*p == '{') {
        p = label_end(p + 1);
        while (*p == ',')
            p = label_end(p + 1);
        ck_assert_msg(*p == '}', "labels end at: %.60s", p);
        p++;
    }
    ck_assert_msg(*p == ' ', "no value at: %.60s", p);
    (void)strtod(p + 1, &end);
    ck_assert_msg(end > p + 1 && *end == '\n', "value at: %.60s", p);
    return (size_t)(p - line);
}

/* Reads a page line by line: HELP, TYPE, samples; no family and no series twice. */
static inline size_t check_page(void)
{
    char family[128] = "";
    static const char *seen[8192];
    static size_t seen_len[8192];
    size_t samples = 0;

    for (const char *line = page.text; *line != '\0'; line = strchr(line, '\n') + 1) {
        ck_assert_ptr_nonnull(strchr(line, '\n'));
        if (strncmp(line, "# HELP ", 7) == 0) {
            const char *end = name_end(line + 7);
            char again[160];
            snprintf(family, sizeof family, "%.*s", (int)(end - line - 7), line + 7);
            snprintf(again, sizeof again, "# TYPE %s ", family);
            const char *type = strstr(page.text, again);
            ck_assert_ptr_nonnull(type);
            ck_assert_ptr_null(strstr(type + 1, again));
            ck_assert_ptr_eq(type, strchr(line, '\n') + 1);
        } else if (line[0] != '#') {
            size_t len = check_sample(line, family);
            for (size_t i = 0; i < samples; i++)
                ck_assert_msg(seen_len[i] != len || memcmp(seen[i], line, len) != 0, "twice: %.*s",
                              (int)len, line);
            ck_assert_uint_lt(samples, COUNT(seen));
            seen[samples] = line;
            seen_len[samples++] = len;
        }
    }
    return samples;
}

#define SERIES(name, handler) name "{handler=\"" handler "\",environment=\"dev\"}"

#endif
