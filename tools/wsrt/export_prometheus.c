#include "export.h"
#include "tool.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#define MINUTE_MEANS "wsrt:operation_duration_seconds:mean1m"

enum { MINUTE = 60, TREND_MINUTES = 60, TREND_EVENTS = 30 };

double export_in_base_units(const wsrt_metric_info *metric, double v)
{
    return v / (1 / metric->scale); /* 5 / 100 is 0.05, 5 * 0.01 is not */
}

/* ---- PromQL ---- */

struct query {
    struct export_text *text;
    const struct export_series *series;
    const char *environment;
    const char *window;
};

void text_label_name(struct export_text *t, const char *dimension)
{
    for (const char *p = dimension; *p != '\0'; p++) {
        char c = (char)tolower((unsigned char)*p);
        if (isupper((unsigned char)*p) && p > dimension)
            text_put(t, "_");
        text_sink(t, &c, 1);
    }
}

static void put_by(const struct query *q, const char *more)
{
    text_put(q->text, "by (");
    text_put(q->text, more);
    for (size_t d = 0; d < q->series->metric.dimension_count; d++) {
        if (d > 0)
            text_put(q->text, ", ");
        text_label_name(q->text, q->series->metric.dimensions[d]);
    }
    text_put(q->text, ")");
}

/* `name{labels}`; the environment is always one of them. */
static void put_selected(const struct query *q, const char *name, const char *suffix,
                         const char *selector)
{
    const wsrt_metric_info *metric = &q->series->metric;

    text_put(q->text, name);
    text_put(q->text, suffix);
    text_put(q->text, "{");
    for (size_t d = 0; d < metric->dimension_count; d++) {
        if (q->series->values[d].len == 0)
            continue;
        text_label_name(q->text, metric->dimensions[d]);
        text_put(q->text, "=");
        text_quoted(q->text, q->series->values[d]);
        text_put(q->text, ",");
    }
    text_put(q->text, "environment=");
    text_quoted(q->text, wsrt_span_cstr(q->environment));
    if (selector != NULL) {
        text_put(q->text, ",");
        text_put(q->text, selector);
    }
    text_put(q->text, "}");
}

/* `sum by (labels) (rate(name{labels}[window]))` and its likes. */
static void put_over(const struct query *q, const char *function, const char *name,
                     const char *selector)
{
    const char *over = strchr(function, ' ');

    text_span(q->text, (wsrt_span){function, (size_t)(over - function)});
    text_put(q->text, " ");
    put_by(q, "");
    text_put(q->text, " (");
    text_put(q->text, over + 1);
    text_put(q->text, "(");
    put_selected(q, name, "", selector);
    text_put(q->text, "[");
    text_put(q->text, q->window);
    text_put(q->text, "]))");
}

/* p99.9 is the quantile 0.999, p5 0.05, without the rounding of a division. */
static void put_percentile(const struct query *q, wsrt_span statistic)
{
    const char *dot = memchr(statistic.ptr, '.', statistic.len);
    size_t whole = (dot == NULL ? statistic.len : (size_t)(dot - statistic.ptr)) - 1;

    text_put(q->text, "histogram_quantile(0.");
    text_put(q->text, whole == 1 ? "0" : "");
    text_span(q->text, (wsrt_span){statistic.ptr + 1, whole});
    if (dot != NULL)
        text_span(q->text, (wsrt_span){dot + 1, statistic.len - whole - 2});
    text_put(q->text, ", sum ");
    put_by(q, "le, ");
    text_put(q->text, " (rate(");
    put_selected(q, q->series->metric.family_cstr, "_bucket", NULL);
    text_put(q->text, "[");
    text_put(q->text, q->window);
    text_put(q->text, "])))");
}

static void put_average(const struct query *q)
{
    const wsrt_metric_info *metric = &q->series->metric;

    if (metric->sum_cstr == NULL) {
        put_over(q, "avg avg_over_time", metric->family_cstr, metric->selector_cstr);
        return;
    }
    put_over(q, "sum rate", metric->sum_cstr, metric->selector_cstr);
    text_put(q->text, " / ");
    put_over(q, "sum rate", metric->count_cstr, NULL);
}

void export_expression(struct export_text *t, const struct export_series *series,
                       wsrt_span statistic, const char *environment, const char *window)
{
    const struct query q = {t, series, environment, window};
    const wsrt_metric_info *metric = &series->metric;

    if (statistic.ptr[0] == 'p')
        put_percentile(&q, statistic);
    else if (is_text(statistic, "Average"))
        put_average(&q);
    else if (is_text(statistic, "SampleCount"))
        put_over(&q, "sum increase", metric->count_cstr, NULL);
    else if (is_text(statistic, "Sum"))
        put_over(&q, "sum increase",
                 metric->sum_cstr == NULL ? metric->family_cstr : metric->sum_cstr,
                 metric->selector_cstr);
    else
        put_over(&q, is_text(statistic, "Maximum") ? "max max_over_time" : "min min_over_time",
                 metric->family_cstr, metric->selector_cstr);
}

int export_has_expression(const wsrt_metric_info *metric, wsrt_span statistic)
{
    int is_level = metric->form == WSRT_METRIC_GAUGE ||
                   (metric->form == WSRT_METRIC_SET && metric->sum_cstr == NULL);

    if (metric->family_cstr == NULL)
        return 0;
    if (statistic.ptr[0] == 'p' || is_text(statistic, "Average"))
        return 1;
    if (is_text(statistic, "Sum"))
        return metric->sum_cstr != NULL || metric->form == WSRT_METRIC_SUM;
    if (is_text(statistic, "SampleCount"))
        return metric->count_cstr != NULL;
    return is_level;
}

/* ---- rules ---- */

static void put_seconds(struct export_text *t, uint32_t seconds)
{
    text_number(t, seconds);
    text_put(t, "s");
}

/* The last period's average by the median of the day's minutes before, where there are enough. */
static void put_trend(struct export_text *t, const struct export_alarm *a, const char *environment)
{
    char window[16], before[32];
    const struct query q = {t, &a->series, environment, window};

    snprintf(window, sizeof window, "%us", a->info.period);
    snprintf(before, sizeof before, "[%um] offset %um",
             EXPORT_DAY_MINUTES - a->info.period / MINUTE, a->info.period / MINUTE);
    text_put(t, "(");
    put_average(&q);
    text_put(t, ") / quantile_over_time(0.5, ");
    put_selected(&q, MINUTE_MEANS, "", NULL);
    text_put(t, before);
    text_put(t, ") > ");
    text_number(t, a->threshold);
    text_put(t, " and count_over_time(");
    put_selected(&q, MINUTE_MEANS, "", NULL);
    text_put(t, "[");
    text_number(t, EXPORT_DAY_MINUTES);
    text_put(t, "m]) >= ");
    text_number(t, TREND_MINUTES);
    text_put(t, " and ");
    put_over(&q, "sum increase", a->series.metric.count_cstr, NULL);
    text_put(t, " >= ");
    text_number(t, TREND_EVENTS);
}

static void put_limit(struct export_text *t, const struct export_alarm *a, const char *environment)
{
    char window[16];

    snprintf(window, sizeof window, "%us", a->info.period);
    export_expression(t, &a->series, wsrt_span_cstr(a->info.statistic_cstr), environment, window);
    text_put(t, " >= ");
    text_number(t, export_in_base_units(&a->series.metric, a->threshold));
}

static void put_annotations(struct export_text *t, const struct export_alarm *a)
{
    text_put(t, "        annotations:\n          summary: \"");
    text_put(t, a->info.description_cstr);
    text_put(t, "\"\n          description: \"");
    for (size_t d = 0; d < a->series.metric.dimension_count; d++) {
        text_put(t, a->series.metric.dimensions[d]);
        text_put(t, " {{ $labels.");
        text_label_name(t, a->series.metric.dimensions[d]);
        text_put(t, " }}, ");
    }
    text_put(t, "value {{ $value }}\"\n");
}

static void put_rule(struct export_text *t, const struct export_alarm *a, const char *environment)
{
    text_put(t, "      - alert: \"");
    text_put(t, a->name);
    text_put(t, "\"\n        expr: |-\n          ");
    if (a->info.kind == WSRT_ALARM_TREND)
        put_trend(t, a, environment);
    else
        put_limit(t, a, environment);
    if (a->info.periods > 1) {
        text_put(t, "\n        for: ");
        put_seconds(t, (a->info.periods - 1) * a->info.period);
    }
    text_put(t, "\n        labels:\n          severity: ");
    text_put(t, a->severity);
    text_put(t, "\n");
    put_annotations(t, a);
}

/* What trends look back on. */
static void put_recording(struct export_text *t, const struct export_alarm *a,
                          const char *environment)
{
    const struct export_series all = {.metric = a->series.metric};
    const struct query q = {t, &all, environment, "60s"};

    text_put(t, "      - record: " MINUTE_MEANS "\n        expr: |-\n          ");
    put_over(&q, "sum rate", all.metric.sum_cstr, NULL);
    text_put(t, " / (");
    put_over(&q, "sum rate", all.metric.count_cstr, NULL);
    text_put(t, " > 0)\n");
}

int export_rules(const struct export_model *m, struct export_text *out)
{
    const struct export_alarm *trend = NULL;

    text_put(out, "# A rate over 60 s needs two samples: scrape at least every 30 s.\n");
    text_put(out, "groups:\n  - name: \"");
    text_put(out, m->name);
    text_put(out, "\"\n    interval: ");
    put_seconds(out, MINUTE);
    text_put(out, "\n    rules:\n");
    for (size_t i = 0; i < m->alarm_count; i++) {
        const struct export_alarm *a = &m->alarms[i];
        if (a->series.metric.family_cstr == NULL)
            continue;
        if (a->info.kind == WSRT_ALARM_TREND && trend == NULL)
            put_recording(out, trend = a, m->environment);
        put_rule(out, a, m->environment);
    }
    return TOOL_OK;
}
