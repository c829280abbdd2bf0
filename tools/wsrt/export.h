/* What every template of `wsrt export` is made from: the catalogue's alarms and graphs, with names,
 * operations and places filled in. */
#ifndef WSRT_TOOL_EXPORT_H
#define WSRT_TOOL_EXPORT_H

#include "commands.h"

#include <wsrt/json.h>
#include <wsrt/monitor.h>

enum {
    EXPORT_DIMENSIONS = 4,
    EXPORT_NAME = 255,    /* bytes of an alarm's and a dashboard's name */
    EXPORT_LINES = 100,   /* of a CloudWatch widget */
    EXPORT_WIDGETS = 500, /* of a CloudWatch dashboard */
    EXPORT_COLUMNS = 24,  /* of a CloudWatch dashboard */
    EXPORT_PERIOD = 300,  /* s, of a graph */
    EXPORT_DAY_MINUTES = 1440,
};

#define EXPORT_REGION "us-east-1"

/* A metric and the values of its dimensions. Environment is never among them, it is the format's to
 * say; any other that is empty is open. */
struct export_series {
    wsrt_metric_info metric;
    wsrt_span values[EXPORT_DIMENSIONS];
};

struct export_alarm {
    char name[EXPORT_NAME + 1];
    char logical[EXPORT_NAME + 1]; /* letters and digits; unique */
    struct export_series series;
    wsrt_alarm_info info;
    double threshold; /* in CloudWatch's unit */
    const char *severity;
};

struct export_line {
    struct export_series series;
    wsrt_span statistic;
};

struct export_graph {
    wsrt_span title;
    uint32_t x;
    uint32_t y;
    uint32_t width;
    uint32_t height;
    size_t first; /* of the model's lines */
    size_t count;
};

/* An operation's limit that the configuration file names. */
struct export_limit {
    wsrt_span operation;
    const char *row;
    double value;
};

struct export_model {
    const struct export_settings *settings;
    const char *environment;
    const char *region; /* NULL = not given */
    wsrt_span title;
    char name[EXPORT_NAME + 1]; /* of the dashboard */
    struct text_list operations;
    struct export_alarm *alarms;
    size_t alarm_count;
    struct export_line *lines;
    size_t line_count;
    struct export_graph *graphs;
    size_t graph_count;
    int has_own_graphs; /* those of --config: one a widget, in order */
    struct export_limit *limits;
    size_t limit_count;
    wsrt_span limit_operation; /* whose limits are being read */
    struct kept_text *kept;
};

/* A text in the making; `failed` once memory was refused. */
struct export_text {
    char *bytes;
    size_t len;
    size_t cap;
    int failed;
};

/* ---- export.c ---- */
void text_put(struct export_text *t, const char *text);
void text_span(struct export_text *t, wsrt_span s);
void text_number(struct export_text *t, double v);        /* the shortest digits */
void text_quoted(struct export_text *t, wsrt_span s);     /* as a JSON string */
int text_sink(void *text, const void *bytes, size_t len); /* for a JSON writer */
/* Ends a writer over `json`, adds its text to `out` with a member a line, and frees both texts;
 * `part` is one that went into it, or NULL. */
int export_json_end(wsrt_json_writer *w, struct export_text *json, struct export_text *part,
                    struct export_text *out);

/* ---- export_model.c ---- */
int is_text(wsrt_span s, const char *text);
/* Fills a zeroed model; an exit status, 0 = fine. Free it in any case. */
int export_model_build(struct export_model *m, const struct export_settings *settings,
                       int with_alarms);
void export_model_free(struct export_model *m);
/* Zeroed memory that lives as long as the model. */
void *export_keep(struct export_model *m, size_t size);
int export_add_operation(struct export_model *m, wsrt_span name);
int export_operation_fits(wsrt_span name);
/* One more zeroed element of a list, behind `count` of them; NULL = refused. */
void *export_grow(void **list, size_t count, size_t size);

/* ---- export_graph.c ---- */
wsrt_metric_info export_metric(size_t index);
int export_catalogue_graphs(struct export_model *m); /* an exit status */
struct export_graph *export_add_graph(struct export_model *m, wsrt_span title);
/* Adds to the last graph a metric's lines, one an operation where that is open. */
int export_add_lines(struct export_model *m, const wsrt_metric_info *metric,
                     const struct text_list *operations, wsrt_span statistic);
int export_takes_operations(const wsrt_metric_info *metric);
int export_has_statistic(const wsrt_metric_info *metric, wsrt_span statistic);

/* ---- export_config.c ---- */
/* Reads --config: title and limits at once, graphs into the model. An exit status. */
int export_config_read(struct export_model *m, const char *path);
/* A number by which the file limits a row of an operation, or 0. */
double export_config_limit(const struct export_model *m, wsrt_span operation, const char *row);

/* ---- formats; an exit status ---- */
int export_dashboard(const struct export_model *m, struct export_text *out);
int export_alarms(const struct export_model *m, struct export_text *out);
int export_cloudformation(const struct export_model *m, struct export_text *out);
int export_terraform(const struct export_model *m, struct export_text *out);
int export_grafana(const struct export_model *m, struct export_text *out);
int export_rules(const struct export_model *m, struct export_text *out);
int export_config_schema(const struct export_model *m, struct export_text *out);
int export_completion_bash(const struct export_model *m, struct export_text *out);
int export_completion_zsh(const struct export_model *m, struct export_text *out);
int export_completion_fish(const struct export_model *m, struct export_text *out);

/* ---- export_cloudwatch.c ---- */
/* How a template language has the environment and the region written inside a text, and how it
 * escapes what would begin a placeholder of its own. */
struct export_dialect {
    const char *environment;
    const char *region;
    const char *dollar;  /* for "${" */
    const char *percent; /* for "%{" */
};
void export_dashboard_body(const struct export_model *m, const struct export_dialect *dialect,
                           struct export_text *out);

/* An alarm as PutMetricAlarm and CloudFormation have it; no environment = the template's parameter. */
void export_alarm_members(wsrt_json_writer *w, const struct export_alarm *a,
                          const char *environment);

/* ---- export_prometheus.c ---- */
void text_label_name(struct export_text *t, const char *dimension); /* TableName: table_name */
/* Writes what a series' statistic over `window` ("60s") is in PromQL. */
void export_expression(struct export_text *t, const struct export_series *series,
                       wsrt_span statistic, const char *environment, const char *window);
/* Whether Prometheus keeps what the statistic needs. */
int export_has_expression(const wsrt_metric_info *metric, wsrt_span statistic);
double export_in_base_units(const wsrt_metric_info *metric, double v);

#endif
