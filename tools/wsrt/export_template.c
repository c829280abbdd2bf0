/* CloudFormation and Terraform: the same resources, the environment as a parameter. */
#include "export.h"
#include "tool.h"

#include <stdlib.h>
#include <string.h>

#define DASHBOARD "WebSocketPerformanceDashboard"
#define DESCRIPTION "Dashboard and alarms for the metrics of libwsrt"
#define ENVIRONMENT_RULE "^[A-Za-z0-9_.:/-]{1,255}$"
#define ENVIRONMENT_TEXT "Value of the dimension Environment"

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

static void put_parameters(wsrt_json_writer *w, const struct export_model *m)
{
    open_object(w, "Parameters");
    open_object(w, "Environment");
    put_text(w, "Type", "String");
    put_text(w, "Default", m->environment);
    put_text(w, "AllowedPattern", ENVIRONMENT_RULE);
    put_text(w, "Description", ENVIRONMENT_TEXT);
    wsrt_json_object_end(w);
    wsrt_json_object_end(w);
}

static void put_resources(wsrt_json_writer *w, const struct export_model *m,
                          const struct export_text *body)
{
    open_object(w, "Resources");
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
    wsrt_json_object_end(w);
}

int export_cloudformation(const struct export_model *m, struct export_text *out)
{
    const struct export_dialect dialect = {.environment = "${Environment}",
                                           .region =
                                               m->region == NULL ? "${AWS::Region}" : m->region,
                                           .dollar = "${!"};
    struct export_text body = {0}, json = {0};
    char buffer[1024];
    wsrt_json_writer w;

    export_dashboard_body(m, &dialect, &body);
    wsrt_json_writer_sink(&w, buffer, sizeof buffer, 0, text_sink, &json);
    wsrt_json_object(&w);
    put_text(&w, "AWSTemplateFormatVersion", "2010-09-09");
    put_text(&w, "Description", DESCRIPTION);
    put_parameters(&w, m);
    put_resources(&w, m, &body);
    wsrt_json_object_end(&w);
    return export_json_end(&w, &json, &body, out);
}

/* ---- Terraform ---- */

static void put_variables(wsrt_json_writer *w, const struct export_model *m)
{
    open_object(w, "variable");
    open_object(w, "environment");
    put_text(w, "type", "string");
    put_text(w, "default", m->environment);
    put_text(w, "description", ENVIRONMENT_TEXT);
    open_object(w, "validation");
    put_text(w, "condition", "${can(regex(\"" ENVIRONMENT_RULE "\", var.environment))}");
    put_text(w, "error_message", "Letters, digits and _.:/- only, 1 to 255 of them.");
    wsrt_json_object_end(w);
    wsrt_json_object_end(w);
    open_object(w, "region");
    put_text(w, "type", "string");
    put_text(w, "default", m->region == NULL ? EXPORT_REGION : m->region);
    put_text(w, "description", "Region of the dashboard's metrics");
    wsrt_json_object_end(w);
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

static void put_terraform_resources(wsrt_json_writer *w, const struct export_model *m,
                                    const struct export_text *body)
{
    open_object(w, "resource");
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
    wsrt_json_object_end(w);
}

int export_terraform(const struct export_model *m, struct export_text *out)
{
    const struct export_dialect dialect = {.environment = "${var.environment}",
                                           .region = "${var.region}",
                                           .dollar = "$${",
                                           .percent = "%%{"};
    struct export_text body = {0}, json = {0};
    char buffer[1024];
    wsrt_json_writer w;

    export_dashboard_body(m, &dialect, &body);
    wsrt_json_writer_sink(&w, buffer, sizeof buffer, 0, text_sink, &json);
    wsrt_json_object(&w);
    put_text(&w, "//", DESCRIPTION);
    open_object(&w, "terraform");
    open_object(&w, "required_providers");
    wsrt_json_key(&w, "aws");
    wsrt_json_object(&w);
    put_text(&w, "source", "hashicorp/aws");
    put_text(&w, "version", ">= 4.0");
    wsrt_json_object_end(&w);
    wsrt_json_object_end(&w);
    wsrt_json_object_end(&w);
    put_variables(&w, m);
    put_terraform_resources(&w, m, &body);
    wsrt_json_object_end(&w);
    return export_json_end(&w, &json, &body, out);
}
