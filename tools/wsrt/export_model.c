#include "export.h"
#include "tool.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct kept_text {
    struct kept_text *next;
    char text[];
};

void *export_keep(struct export_model *m, size_t size)
{
    struct kept_text *one = calloc(1, sizeof *one + size);

    if (one == NULL)
        return NULL;
    one->next = m->kept;
    m->kept = one;
    return one->text;
}

void export_model_free(struct export_model *m)
{
    while (m->kept != NULL) {
        struct kept_text *next = m->kept->next;
        free(m->kept);
        m->kept = next;
    }
    free(m->alarms);
    free(m->lines);
    free(m->graphs);
    free(m->limits);
}

void *export_grow(void **list, size_t count, size_t size)
{
    char *grown = realloc(*list, (count + 1) * size);

    if (grown == NULL)
        return NULL;
    *list = grown;
    return memset(grown + count * size, 0, size);
}

int is_text(wsrt_span s, const char *text)
{
    return s.len == strlen(text) && memcmp(s.ptr, text, s.len) == 0;
}

/* ---- operations ---- */

int export_operation_fits(wsrt_span name)
{
    for (size_t i = 0; i < name.len; i++)
        if (!isalnum((unsigned char)name.ptr[i]) && memchr("_.-", name.ptr[i], 3) == NULL)
            return 0;
    return name.len > 0 && name.len <= 255;
}

int export_add_operation(struct export_model *m, wsrt_span name)
{
    struct text_list *list = &m->operations;

    if (!export_operation_fits(name))
        return complain(TOOL_USAGE, "--operations: '%.*s' is not 1 to 255 letters, digits and _.-",
                        (int)name.len, name.ptr);
    for (size_t i = 0; i < list->count; i++)
        if (wsrt_span_equal(list->items[i], name))
            return TOOL_OK;
    if (list->count == OPTION_LIST_MAX)
        return complain(TOOL_USAGE, "--operations: more than %d values", OPTION_LIST_MAX);
    list->items[list->count++] = name;
    return TOOL_OK;
}

/* A flag's value may hold several, as the variable's does. */
static int split_operations(struct export_model *m)
{
    for (size_t i = 0; i < m->settings->operations.count; i++) {
        wsrt_span rest = m->settings->operations.items[i];
        for (;;) {
            const char *comma = memchr(rest.ptr, ',', rest.len);
            size_t len = comma == NULL ? rest.len : (size_t)(comma - rest.ptr);
            int status = export_add_operation(m, (wsrt_span){rest.ptr, len});
            if (status != TOOL_OK)
                return status;
            if (comma == NULL)
                break;
            rest = (wsrt_span){comma + 1, rest.len - len - 1};
        }
    }
    return TOOL_OK;
}

/* Those whose duration the catalogue limits. */
static void builtin_operations(struct text_list *list)
{
    wsrt_alarm_info info = {.struct_size = sizeof info};

    for (size_t i = 0; wsrt_catalogue_alarm(i, &info) == WSRT_OK; i++)
        if (info.kind == WSRT_ALARM_TREND)
            list->items[list->count++] = wsrt_span_cstr(info.values[0]);
}

/* ---- alarms ---- */

static int limits_operations(const wsrt_alarm_info *info, const wsrt_metric_info *metric)
{
    return strcmp(metric->dimensions[0], "Handler") == 0 && metric->values[0] == NULL &&
           info->values[0] != NULL;
}

static int name_alarm(const struct export_model *m, struct export_alarm *a, wsrt_span suffix)
{
    const char *own = m->settings->name_suffix;
    int len = snprintf(a->name, sizeof a->name, "%s%s%.*s%s%s%s", a->info.id_cstr,
                       suffix.len > 0 ? "-" : "", (int)suffix.len, suffix.ptr,
                       a->severity[0] == 'w' ? "-warning" : "", own == NULL ? "" : "-",
                       own == NULL ? "" : own);

    if (len > EXPORT_NAME)
        return complain(TOOL_USAGE, "the alarm's name '%.60s...' is longer than %d", a->name,
                        EXPORT_NAME);
    return TOOL_OK;
}

/* The letters and digits of the name, and a number where another alarm has the same. */
static int name_resource(const struct export_model *m, struct export_alarm *a)
{
    size_t len = 0;
    int again = 1;

    for (const char *p = a->name; *p != '\0'; p++)
        if (isalnum((unsigned char)*p))
            a->logical[len++] = *p;
    for (size_t i = 0; i < m->alarm_count; i++) {
        if (strcmp(m->alarms[i].logical, a->logical) != 0)
            continue;
        if (len + 4 > EXPORT_NAME)
            return complain(TOOL_USAGE, "the alarm's name '%.60s...' is too long", a->name);
        snprintf(a->logical + len, sizeof a->logical - len, "%d", ++again);
        i = (size_t)-1;
    }
    return TOOL_OK;
}

struct alarm_request {
    wsrt_alarm_info info;
    wsrt_metric_info metric;
    wsrt_span values[EXPORT_DIMENSIONS];
    wsrt_span suffix; /* of the name */
    double threshold;
    const char *severity;
};

static int add_alarm(struct export_model *m, const struct alarm_request *r)
{
    struct export_alarm *a = export_grow((void **)&m->alarms, m->alarm_count, sizeof *a);

    if (a == NULL)
        return complain(TOOL_INTERNAL, "out of memory");
    a->info = r->info;
    a->series.metric = r->metric;
    memcpy(a->series.values, r->values, sizeof a->series.values);
    a->threshold = r->threshold;
    a->severity = r->severity;
    int status = name_alarm(m, a, r->suffix);
    if (status == TOOL_OK)
        status = name_resource(m, a);
    m->alarm_count++;
    return status;
}

static int add_with_warning(struct export_model *m, struct alarm_request *r, double warning)
{
    r->severity = "critical";
    int status = add_alarm(m, r);
    if (status != TOOL_OK || !m->settings->warning || warning <= 0)
        return status;
    r->severity = "warning";
    r->threshold = warning;
    return add_alarm(m, r);
}

static int fixed_alarm(struct export_model *m, const wsrt_alarm_info *info,
                       const wsrt_metric_info *metric)
{
    const char *function = m->settings->stream_function;
    struct alarm_request r = {.info = *info, .metric = *metric, .threshold = info->threshold};

    for (size_t d = 0; d < metric->dimension_count; d++) {
        int is_function = strcmp(metric->dimensions[d], "FunctionName") == 0;
        if (is_function && function == NULL)
            return TOOL_OK;
        if (is_function || info->values[d] != NULL)
            r.values[d] = wsrt_span_cstr(is_function ? function : info->values[d]);
    }
    return add_with_warning(m, &r, info->warning);
}

/* The catalogue's alarm of another operation on the same metric; 0 = it has none. */
static int find_sibling(const wsrt_alarm_info *like, wsrt_span operation, wsrt_alarm_info *out)
{
    for (size_t i = 0; wsrt_catalogue_alarm(i, out) == WSRT_OK; i++)
        if (out->kind == like->kind && out->metric == like->metric && out->values[0] != NULL &&
            is_text(operation, out->values[0]))
            return 1;
    return 0;
}

static int is_limited(const struct export_model *m, wsrt_span operation)
{
    for (size_t i = 0; i < m->limit_count; i++)
        if (wsrt_span_equal(m->limits[i].operation, operation))
            return 1;
    return 0;
}

static int operation_alarm(struct export_model *m, const wsrt_alarm_info *like,
                           const wsrt_metric_info *metric, wsrt_span operation)
{
    struct alarm_request r = {.info = {.struct_size = sizeof r.info}, .metric = *metric};
    double limit =
        like->kind == WSRT_ALARM_LIMIT ? export_config_limit(m, operation, metric->row_cstr) : 0;

    if (!find_sibling(like, operation, &r.info)) {
        r.info = *like;
        r.suffix = operation;
        if (!is_limited(m, operation))
            return complain(TOOL_USAGE, "--operations: '%.*s' has no limits: see --config",
                            (int)operation.len, operation.ptr);
        if (like->kind == WSRT_ALARM_LIMIT && limit <= 0)
            return TOOL_OK;
    }
    r.values[0] = operation;
    r.threshold = limit > 0 ? limit : r.info.threshold;
    return add_with_warning(m, &r, limit > 0 ? limit * 4 / 5 : r.info.warning);
}

/* The catalogue has an operation's alarms one after the other, so its first operation's are the
 * pattern of them all. */
static int of_each_operation(struct export_model *m, int kind)
{
    wsrt_alarm_info info = {.struct_size = sizeof info};
    wsrt_span first = {0};
    int status = TOOL_OK;

    for (size_t o = 0; o < m->operations.count; o++)
        for (size_t i = 0; status == TOOL_OK && wsrt_catalogue_alarm(i, &info) == WSRT_OK; i++) {
            wsrt_metric_info metric = export_metric(info.metric);
            if (info.kind != kind || !limits_operations(&info, &metric))
                continue;
            if (first.ptr == NULL)
                first = wsrt_span_cstr(info.values[0]);
            if (is_text(first, info.values[0]))
                status = operation_alarm(m, &info, &metric, m->operations.items[o]);
        }
    return status;
}

static int of_everything_else(struct export_model *m)
{
    wsrt_alarm_info info = {.struct_size = sizeof info};
    int status = TOOL_OK;

    for (size_t i = 0; status == TOOL_OK && wsrt_catalogue_alarm(i, &info) == WSRT_OK; i++) {
        wsrt_metric_info metric = export_metric(info.metric);
        if (!limits_operations(&info, &metric))
            status = fixed_alarm(m, &info, &metric);
    }
    return status;
}

static int add_alarms(struct export_model *m)
{
    int status = of_each_operation(m, WSRT_ALARM_LIMIT);

    if (status == TOOL_OK)
        status = of_everything_else(m);
    return status == TOOL_OK ? of_each_operation(m, WSRT_ALARM_TREND) : status;
}

/* ---- the whole ---- */

/* A dashboard's name has letters, digits, - and _ only. */
static int name_dashboard(struct export_model *m)
{
    const char *suffix = m->settings->name_suffix;
    size_t len = 0;

    for (size_t i = 0; i < m->title.len && len < EXPORT_NAME; i++) {
        char c = m->title.ptr[i];
        int fits = isalnum((unsigned char)c) || c == '_' || c == '-';
        if (fits || (len > 0 && m->name[len - 1] != '-'))
            m->name[len++] = fits ? c : '-';
    }
    if (len == 0)
        return complain(TOOL_CONFIG, "%s: /title: has neither letter nor digit",
                        m->settings->config);
    size_t room = sizeof m->name - len;
    if (suffix != NULL && (size_t)snprintf(m->name + len, room, "-%s", suffix) >= room)
        return complain(TOOL_CONFIG, "the dashboard's name is longer than %d", EXPORT_NAME);
    return TOOL_OK;
}

static const char *environment_of(const struct export_settings *s)
{
    const char *given = s->environment != NULL ? s->environment : getenv("ENVIRONMENT");

    return given != NULL && given[0] != '\0' ? given : "dev";
}

int export_model_build(struct export_model *m, const struct export_settings *settings,
                       int with_alarms)
{
    m->settings = settings;
    m->environment = environment_of(settings);
    if (check_environment(m->environment) != NULL)
        return complain(TOOL_CONFIG, "ENVIRONMENT: '%s' %s", m->environment,
                        check_environment(m->environment));
    m->region = settings->region;
    m->title = wsrt_span_cstr("WebSocket-Performance");
    int status = split_operations(m);
    if (status == TOOL_OK && m->operations.count == 0)
        builtin_operations(&m->operations);
    if (status == TOOL_OK && settings->config != NULL)
        status = export_config_read(m, settings->config);
    m->has_own_graphs = m->graph_count > 0;
    if (status == TOOL_OK && !m->has_own_graphs)
        status = export_catalogue_graphs(m);
    if (status == TOOL_OK && with_alarms)
        status = add_alarms(m);
    return status == TOOL_OK ? name_dashboard(m) : status;
}
