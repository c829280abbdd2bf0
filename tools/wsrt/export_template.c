/* CloudFormation and Terraform: the same resources, the environment as a parameter. */
#include "export.h"
#include "export_stack.h"
#include "tool.h"

#include <stdlib.h>
#include <string.h>

#define DASHBOARD "WebSocketPerformanceDashboard"
#define DIMENSION_RULE "^[A-Za-z0-9_.:/-]{1,255}$"
#define STAGE_RULE "^[A-Za-z0-9_-]{1,20}$"

/* What a part is, and its environment: the value of a dimension, and with functions a stage too. */
static const struct part {
    const char *name;
    const char *description;
    const char *environment_rule;
    const char *environment_text;
    const char *environment_error;
    int has_monitoring;
    int has_functions;
} parts[] = {
    {"monitoring", "Dashboard and alarms for the metrics of libwsrt", DIMENSION_RULE,
     "Value of the dimension Environment", "Letters, digits and _.:/- only, 1 to 255 of them.", 1,
     0},
    {"functions", "A WebSocket API with the functions and tables of libwsrt", STAGE_RULE,
     "The stage, and value of the dimension Environment",
     "Letters, digits, _ and - only, 1 to 20 of them.", 0, 1},
    {"all", "A WebSocket API with the functions and tables of libwsrt, its dashboard and alarms",
     STAGE_RULE, "The stage, and value of the dimension Environment",
     "Letters, digits, _ and - only, 1 to 20 of them.", 1, 1},
};

static const struct part *part_of(const struct export_model *m)
{
    size_t i = 0;

    while (strcmp(parts[i].name, m->settings->part) != 0) /* the option is a choice among them */
        i++;
    return &parts[i];
}

/* A function's name is at most 64 long, a stage has none but these characters. */
static int check_stage(const struct export_model *m, const struct part *part)
{
    if (!part->has_functions ||
        (strlen(m->environment) <= 20 && strpbrk(m->environment, ".:/") == NULL))
        return TOOL_OK;
    return complain(TOOL_USAGE,
                    "the environment '%s' is no stage: 1 to 20 letters, digits, _ and -",
                    m->environment);
}

static void put_text(wsrt_json_writer *w, const char *name, const char *value)
{
    wsrt_json_key(w, name);
    wsrt_json_string_cstr(w, value);
}

static void open_object(wsrt_json_writer *w, const char *name)
{
    wsrt_json_key(w, name);
    wsrt_json_object(w);
}

/* ---- CloudFormation ---- */

static void put_parameters(wsrt_json_writer *w, const struct export_model *m,
                           const struct part *part)
{
    open_object(w, "Parameters");
    open_object(w, "Environment");
    put_text(w, "Type", "String");
    put_text(w, "Default", m->environment);
    put_text(w, "AllowedPattern", part->environment_rule);
    put_text(w, "Description", part->environment_text);
    wsrt_json_object_end(w);
    if (part->has_functions)
        stack_cloudformation_parameters(w);
    wsrt_json_object_end(w);
}

static void put_monitoring(wsrt_json_writer *w, const struct export_model *m,
                           const struct export_text *body)
{
    for (size_t i = 0; i < m->alarm_count; i++) {
        if (m->alarms[i].info.kind != WSRT_ALARM_LIMIT)
            continue;
        open_object(w, m->alarms[i].logical);
        put_text(w, "Type", "AWS::CloudWatch::Alarm");
        wsrt_json_key(w, "Properties");
        export_alarm_members(w, &m->alarms[i], NULL);
        wsrt_json_object_end(w);
    }
    open_object(w, DASHBOARD);
    put_text(w, "Type", "AWS::CloudWatch::Dashboard");
    open_object(w, "Properties");
    put_text(w, "DashboardName", m->name);
    open_object(w, "DashboardBody");
    wsrt_json_key(w, "Fn::Sub");
    wsrt_json_string(w, (wsrt_span){body->bytes, body->len});
    wsrt_json_object_end(w);
    wsrt_json_object_end(w);
    wsrt_json_object_end(w);
}

static void put_section(wsrt_json_writer *w, const char *name, void (*write)(wsrt_json_writer *w))
{
    open_object(w, name);
    write(w);
    wsrt_json_object_end(w);
}

int export_cloudformation(const struct export_model *m, struct export_text *out)
{
    const struct export_dialect dialect = {.environment = "${Environment}",
                                           .region =
                                               m->region == NULL ? "${AWS::Region}" : m->region,
                                           .dollar = "${!"};
    const struct part *part = part_of(m);
    struct export_text body = {0}, json = {0};
    char buffer[1024];
    wsrt_json_writer w;

    if (check_stage(m, part) != TOOL_OK)
        return TOOL_USAGE;
    export_dashboard_body(m, &dialect, &body);
    wsrt_json_writer_sink(&w, buffer, sizeof buffer, 0, text_sink, &json);
    wsrt_json_object(&w);
    put_text(&w, "AWSTemplateFormatVersion", "2010-09-09");
    put_text(&w, "Description", part->description);
    put_parameters(&w, m, part);
    if (part->has_functions)
        put_section(&w, "Conditions", stack_cloudformation_conditions);
    open_object(&w, "Resources");
    if (part->has_monitoring)
        put_monitoring(&w, m, &body);
    if (part->has_functions)
        stack_cloudformation_resources(&w, m->settings->schema);
    wsrt_json_object_end(&w);
    if (part->has_functions)
        put_section(&w, "Outputs", stack_cloudformation_outputs);
    wsrt_json_object_end(&w);
    return export_json_end(&w, &json, &body, out);
}

/* ---- Terraform ---- */

static void put_variables(wsrt_json_writer *w, const struct export_model *m,
                          const struct part *part)
{
    struct export_text rule = {0};

    open_object(w, "variable");
    open_object(w, "environment");
    put_text(w, "type", "string");
    put_text(w, "default", m->environment);
    put_text(w, "description", part->environment_text);
    open_object(w, "validation");
    stack_put(&rule, "'${can(regex(\\'%\\', var.environment))}'", part->environment_rule,
              STACK_TERRAFORM);
    stack_member(w, "condition", &rule);
    put_text(w, "error_message", part->environment_error);
    wsrt_json_object_end(w);
    wsrt_json_object_end(w);
    open_object(w, "region");
    put_text(w, "type", "string");
    put_text(w, "default", m->region == NULL ? EXPORT_REGION : m->region);
    put_text(w, "description",
             part->has_functions ? "Region of everything" : "Region of the dashboard's metrics");
    wsrt_json_object_end(w);
    if (part->has_functions)
        stack_terraform_variables(w);
    wsrt_json_object_end(w);
}

static void put_alarm(wsrt_json_writer *w, const struct export_alarm *a)
{
    const wsrt_metric_info *metric = &a->series.metric;

    open_object(w, a->logical);
    put_text(w, "alarm_name", a->name);
    put_text(w, "alarm_description", a->info.description_cstr);
    put_text(w, "namespace", metric->namespace_cstr);
    put_text(w, "metric_name", metric->name_cstr);
    open_object(w, "dimensions");
    for (size_t d = 0; d < metric->dimension_count; d++) {
        wsrt_json_key(w, metric->dimensions[d]);
        if (a->series.values[d].len > 0)
            wsrt_json_string(w, a->series.values[d]);
        else
            wsrt_json_string_cstr(w, "${var.environment}");
    }
    wsrt_json_object_end(w);
    put_text(w, "statistic", a->info.statistic_cstr);
    wsrt_json_key(w, "period");
    wsrt_json_write_uint64(w, a->info.period);
    wsrt_json_key(w, "evaluation_periods");
    wsrt_json_write_uint64(w, a->info.periods);
    wsrt_json_key(w, "threshold");
    wsrt_json_write_double(w, a->threshold);
    put_text(w, "comparison_operator", "GreaterThanOrEqualToThreshold");
    put_text(w, "treat_missing_data", "missing");
    wsrt_json_object_end(w);
}

static void put_terraform_monitoring(wsrt_json_writer *w, const struct export_model *m,
                                     const struct export_text *body)
{
    open_object(w, "aws_cloudwatch_metric_alarm");
    for (size_t i = 0; i < m->alarm_count; i++)
        if (m->alarms[i].info.kind == WSRT_ALARM_LIMIT)
            put_alarm(w, &m->alarms[i]);
    wsrt_json_object_end(w);
    open_object(w, "aws_cloudwatch_dashboard");
    open_object(w, DASHBOARD);
    put_text(w, "dashboard_name", m->name);
    wsrt_json_key(w, "dashboard_body");
    wsrt_json_string(w, (wsrt_span){body->bytes, body->len});
    wsrt_json_object_end(w);
    wsrt_json_object_end(w);
}

static void put_head(wsrt_json_writer *w, const struct part *part)
{
    put_text(w, "//", part->description);
    open_object(w, "terraform");
    open_object(w, "required_providers");
    wsrt_json_key(w, "aws");
    wsrt_json_object(w);
    put_text(w, "source", "hashicorp/aws");
    put_text(w, "version", ">= 4.0");
    wsrt_json_object_end(w);
    wsrt_json_object_end(w);
    wsrt_json_object_end(w);
    if (!part->has_functions)
        return;
    wsrt_json_key(w, "provider");
    wsrt_json_raw(w, wsrt_span_cstr("{\"aws\":{\"region\":\"${var.region}\"}}"));
}

int export_terraform(const struct export_model *m, struct export_text *out)
{
    const struct export_dialect dialect = {.environment = "${var.environment}",
                                           .region = "${var.region}",
                                           .dollar = "$${",
                                           .percent = "%%{"};
    const struct part *part = part_of(m);
    struct export_text body = {0}, json = {0};
    char buffer[1024];
    wsrt_json_writer w;

    if (check_stage(m, part) != TOOL_OK)
        return TOOL_USAGE;
    export_dashboard_body(m, &dialect, &body);
    wsrt_json_writer_sink(&w, buffer, sizeof buffer, 0, text_sink, &json);
    wsrt_json_object(&w);
    put_head(&w, part);
    put_variables(&w, m, part);
    if (part->has_functions)
        put_section(&w, "data", stack_terraform_data);
    open_object(&w, "resource");
    if (part->has_monitoring)
        put_terraform_monitoring(&w, m, &body);
    if (part->has_functions)
        stack_terraform_resources(&w, m->settings->schema);
    wsrt_json_object_end(&w);
    if (part->has_functions)
        put_section(&w, "output", stack_terraform_outputs);
    wsrt_json_object_end(&w);
    return export_json_end(&w, &json, &body, out);
}
