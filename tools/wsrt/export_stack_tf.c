/* The stack in Terraform's words. */
#include "export_stack.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WORD = 64 };

#define AUTHENTICATED "'count':'${var.authentication ? 1 : 0}',"

static void put(struct export_text *t, const char *raw, const char *argument)
{
    stack_put(t, raw, argument, STACK_TERRAFORM);
}

static void add_raw(wsrt_json_writer *w, const char *key, const char *raw)
{
    stack_raw_member(w, key, raw, STACK_TERRAFORM);
}

static void put_text(struct export_text *t, const char *text)
{
    if (strcmp(text, "@{authenticated}") == 0)
        put(t, "'${var.authentication ? 1 : 0}'", NULL);
    else
        put(t, "'%'", text);
}

static void put_number(struct export_text *t, const char *before, int number)
{
    char digits[16];

    snprintf(digits, sizeof digits, "%d", number);
    put(t, before, NULL);
    put(t, digits, NULL);
}

static void open_type(wsrt_json_writer *w, const char *type)
{
    wsrt_json_key(w, type);
    wsrt_json_object(w);
}

/* Resources of a type, one for each function. */
static void each_function(wsrt_json_writer *w, const char *type,
                          void (*write)(struct export_text *t, const struct stack_function *f))
{
    struct export_text t = {0};

    open_type(w, type);
    for (size_t i = 0; i < stack_function_count; i++) {
        const struct stack_function *f = &stack_functions[i];
        put(&t, f->is_authorizer ? "{" AUTHENTICATED : "{", NULL);
        write(&t, f);
        put(&t, "}", NULL);
        stack_member(w, f->id, &t);
    }
    wsrt_json_object_end(w);
}

/* Behind the name of a resource of which there may be none. */
static const char *at(const struct stack_function *f)
{
    return f->is_authorizer ? "[0]" : "";
}

/* ---- variables, data, outputs ---- */

/* can(regex(...)) of a pattern, contains([...]) of choices. */
static void put_validation(struct export_text *t, const struct stack_parameter *p)
{
    put(t, ",'validation':{'condition':'${", NULL);
    if (p->is_choice) {
        put(t, "contains([\\'", NULL);
        for (const char *c = p->rule; *c != '\0'; c++)
            if (*c == '|')
                put(t, "\\',\\'", NULL);
            else
                text_sink(t, c, 1);
        put(t, "\\'], var.%)}',", p->name);
    } else {
        put(t, "can(regex(\\'%\\', ", p->rule);
        put(t, "var.%))}',", p->name);
    }
    put(t, "'error_message':'It has to fit ", NULL);
    for (const char *c = p->rule; *c != '\0'; c++)
        if (*c == '|')
            put(t, " or ", NULL);
        else
            text_sink(t, c, 1);
    put(t, ".'}", NULL);
}

void stack_terraform_variables(wsrt_json_writer *w)
{
    struct export_text t = {0};

    for (size_t i = 0; i < stack_parameter_count; i++) {
        const struct stack_parameter *p = &stack_parameters[i];
        put(&t, p->is_switch ? "{'type':'bool','default':true" : "{'type':'string'", NULL);
        if (!p->is_switch && p->fallback != NULL)
            put(&t, ",'default':'%'", p->fallback);
        put(&t, ",'description':", NULL);
        text_quoted(&t, wsrt_span_cstr(p->description));
        if (p->rule != NULL && !p->is_switch)
            put_validation(&t, p);
        put(&t, "}", NULL);
        stack_member(w, p->name, &t);
    }
}

void stack_terraform_outputs(wsrt_json_writer *w)
{
    struct export_text t = {0};
    char name[WORD];

    for (size_t i = 0; i < stack_output_count; i++) {
        put(&t, "{'value':'%'}", stack_outputs[i].text);
        stack_member(w, stack_outputs[i].name, &t);
    }
    for (size_t i = 0; i < stack_function_count; i++) {
        const struct stack_function *f = &stack_functions[i];
        put(&t,
            f->is_authorizer ? "{'value':'${one(aws_lambda_function.%[*].arn)}'}"
                             : "{'value':'${aws_lambda_function.%.arn}'}",
            f->id);
        snprintf(name, sizeof name, "%s_function_arn", f->id);
        stack_member(w, name, &t);
    }
}

/* ---- tables ---- */

static void put_name(struct export_text *t, const char *name)
{
    if (name == NULL)
        put(t, "null", NULL);
    else
        put(t, "\\'%\\'", name);
}

/* A name that may differ by shape. */
static void put_choice(struct export_text *t, const struct stack_table *table, const char *a,
                       const char *b)
{
    if (table->shape_b.hash == NULL) {
        put(t, "'%'", a);
        return;
    }
    put(t, "'${var.table_shape == \\'A\\' ? ", NULL);
    put_name(t, a);
    put(t, " : ", NULL);
    put_name(t, b);
    put(t, "}'", NULL);
}

/* A table of two shapes has a list of either's attributes to choose from. */
static void put_list(struct export_text *t, const struct stack_shape *shape)
{
    for (size_t i = 0; i < STACK_KEYS && shape->keys[i].attribute != NULL; i++) {
        put(t, i > 0 ? ", {name = \\'%\\', " : "[{name = \\'%\\', ", shape->keys[i].attribute);
        put(t, "type = \\'%\\'}", shape->keys[i].type);
    }
    put(t, "]", NULL);
}

static void put_attributes(struct export_text *t, const struct stack_table *table)
{
    if (table->shape_b.hash != NULL) {
        put(t, ",'dynamic':{'attribute':{'for_each':'${var.table_shape == \\'A\\' ? ", NULL);
        put_list(t, &table->shape);
        put(t, " : ", NULL);
        put_list(t, &table->shape_b);
        put(t, "}','content':{'name':'${attribute.value.name}','type':'${attribute.value.type}'}}}",
            NULL);
        return;
    }
    put(t, ",'attribute':[", NULL);
    for (size_t i = 0; i < STACK_KEYS && table->shape.keys[i].attribute != NULL; i++) {
        put(t, i > 0 ? ",{'name':'%'," : "{'name':'%',", table->shape.keys[i].attribute);
        put(t, "'type':'%'}", table->shape.keys[i].type);
    }
    put(t, "]", NULL);
}

static void put_index(struct export_text *t, const struct stack_table *table)
{
    put(t, ",'global_secondary_index':[{'name':", NULL);
    put_choice(t, table, table->shape.index, table->shape_b.index);
    put(t, ",'hash_key':", NULL);
    put_choice(t, table, table->shape.index_hash, table->shape_b.index_hash);
    put(t, ",'range_key':", NULL);
    put_choice(t, table, table->shape.index_range, table->shape_b.index_range);
    put(t, ",'projection_type':'ALL'}]", NULL);
}

static void add_table(wsrt_json_writer *w, const struct stack_table *table)
{
    struct export_text t = {0};

    put(&t, "{'name':'@{name}-%','billing_mode':'PAY_PER_REQUEST','hash_key':", table->name);
    put_choice(&t, table, table->shape.hash, table->shape_b.hash);
    if (table->shape.range != NULL) {
        put(&t, ",'range_key':", NULL);
        put_choice(&t, table, table->shape.range, table->shape_b.range);
    }
    put_attributes(&t, table);
    if (table->shape.index != NULL)
        put_index(&t, table);
    put(&t, ",'ttl':[{'attribute_name':'ttl','enabled':true}]", NULL);
    if (table->has_stream)
        put(&t, ",'stream_enabled':true,'stream_view_type':'NEW_AND_OLD_IMAGES'", NULL);
    put(&t, "}", NULL);
    stack_member(w, table->name, &t);
}

/* ---- functions and their roles ---- */

static void write_log_group(struct export_text *t, const struct stack_function *f)
{
    put(t, "'name':'/aws/lambda/@{name}-%','retention_in_days':365", f->name);
}

static void write_role(struct export_text *t, const struct stack_function *f)
{
    put(t, "'name':'@{name}-%-role',", f->name);
    put(t, "'assume_role_policy':'${data.aws_iam_policy_document.lambda.json}'", NULL);
}

static void write_policy(struct export_text *t, const struct stack_function *f)
{
    put(t, "'name':'function','role':'${aws_iam_role.%", f->id);
    put(t, "%.id}',", at(f));
    put(t, "'policy':'${data.aws_iam_policy_document.%", f->id);
    put(t, "%.json}'", at(f));
}

static void put_actions(struct export_text *t, const char *actions)
{
    char word[WORD];
    int len;

    for (size_t i = 0; sscanf(actions, " %63s%n", word, &len) == 1; i++, actions += len)
        put(t, i > 0 ? ",'%'" : "'%'", word);
}

/* An expression: its texts are quoted once more. */
static void put_two(struct export_text *t, const char *a, const char *b)
{
    put(t, "'${var.table_shape == \\'A\\' ? \\'%\\'", a);
    put(t, " : \\'%\\'}'", b);
}

static void put_statement(struct export_text *t, const struct stack_statement *s)
{
    put(t, ",{'actions':[", NULL);
    if (s->b_actions == NULL)
        put_actions(t, s->actions);
    else
        put_two(t, s->actions, s->b_actions);
    put(t, "],'resources':[", NULL);
    if (s->b_actions == NULL)
        put_text(t, s->resource);
    else
        put_two(t, s->resource, s->b_resource);
    put(t, "]}", NULL);
}

static void write_document(struct export_text *t, const struct stack_function *f)
{
    put(t,
        "'statement':[{'actions':['logs:CreateLogStream','logs:PutLogEvents'],"
        "'resources':['${aws_cloudwatch_log_group.%",
        f->id);
    put(t, "%.arn}:*']}", at(f));
    for (size_t i = 0; i < STACK_STATEMENTS && f->statements[i].actions != NULL; i++)
        put_statement(t, &f->statements[i]);
    put(t, "]", NULL);
}

static void write_function(struct export_text *t, const struct stack_function *f)
{
    put(t, "'function_name':'@{name}-%',", f->name);
    put(t,
        "'runtime':'provided.al2023','handler':'bootstrap','architectures':"
        "['${var.architecture}'],'s3_bucket':'${var.artifact_bucket}','s3_key':"
        "'@{artifacts}%.zip',",
        f->program);
    put(t, "'role':'${aws_iam_role.%", f->id);
    put(t, "%.arn}',", at(f));
    put_number(t, "'memory_size':", f->memory);
    put_number(t, ",'timeout':", f->timeout);
    put(t, ",'environment':[{'variables':{'ENVIRONMENT':'@{environment}'", NULL);
    for (size_t i = 0; i < STACK_VARIABLES && f->variables[i][0] != NULL; i++) {
        put(t, ",'%':", f->variables[i][0]);
        put_text(t, f->variables[i][1]);
    }
    put(t, "}}]", NULL);
}

void stack_terraform_data(wsrt_json_writer *w)
{
    add_raw(w, "aws_caller_identity", "{'current':{}}");
    add_raw(w, "aws_partition", "{'current':{}}");
    wsrt_json_key(w, "aws_iam_policy_document");
    wsrt_json_object(w);
    add_raw(w, "lambda",
            "{'statement':[{'actions':['sts:AssumeRole'],'principals':[{'type':'Service',"
            "'identifiers':['lambda.amazonaws.com']}]}]}");
    for (size_t i = 0; i < stack_function_count; i++) {
        struct export_text t = {0};
        put(&t, stack_functions[i].is_authorizer ? "{" AUTHENTICATED : "{", NULL);
        write_document(&t, &stack_functions[i]);
        put(&t, "}", NULL);
        stack_member(w, stack_functions[i].id, &t);
    }
    wsrt_json_object_end(w);
}

/* ---- the API ---- */

static void add_permissions(wsrt_json_writer *w)
{
    struct export_text t = {0};

    open_type(w, "aws_lambda_permission");
    for (size_t i = 0; i < stack_function_count; i++) {
        const struct stack_function *f = &stack_functions[i];
        if (!f->is_integration && !f->is_authorizer)
            continue;
        put(&t, f->is_authorizer ? "{" AUTHENTICATED : "{", NULL);
        put(&t, "'action':'lambda:InvokeFunction','function_name':'${aws_lambda_function.%", f->id);
        put(&t, "%.function_name}','principal':'apigateway.amazonaws.com',", at(f));
        put(&t, "'source_arn':'@{api.arn}/*'}", NULL);
        stack_member(w, f->id, &t);
    }
    wsrt_json_object_end(w);
}

static void add_integrations(wsrt_json_writer *w)
{
    struct export_text t = {0};

    open_type(w, "aws_apigatewayv2_integration");
    for (size_t i = 0; i < stack_function_count; i++) {
        if (!stack_functions[i].is_integration)
            continue;
        put(&t,
            "{'api_id':'@{api}','integration_type':'AWS_PROXY','integration_uri':"
            "'@{invoke}/${aws_lambda_function.%.arn}/invocations'}",
            stack_functions[i].id);
        stack_member(w, stack_functions[i].id, &t);
    }
    wsrt_json_object_end(w);
}

static void add_routes(wsrt_json_writer *w, const char *schema)
{
    struct export_text t = {0};
    const struct stack_route *routes;
    size_t count = stack_routes(schema, &routes);

    open_type(w, "aws_apigatewayv2_route");
    for (size_t i = 0; i < count; i++) {
        put(&t, "{'api_id':'@{api}','route_key':'%',", routes[i].key);
        if (strcmp(routes[i].key, "$connect") == 0)
            put(&t,
                "'authorization_type':'${var.authentication ? \\'CUSTOM\\' : \\'NONE\\'}',"
                "'authorizer_id':'${one(aws_apigatewayv2_authorizer.token[*].id)}',",
                NULL);
        put(&t, "'target':'integrations/${aws_apigatewayv2_integration.%.id}'}",
            routes[i].function->id);
        stack_member(w, routes[i].id, &t);
    }
    wsrt_json_object_end(w);
}

static void add_api(wsrt_json_writer *w, const char *schema)
{
    struct export_text t = {0};

    put(&t,
        "{'websocket':{'name':'@{name}','protocol_type':'WEBSOCKET',"
        "'route_selection_expression':'%'}}",
        stack_selection(schema));
    stack_member(w, "aws_apigatewayv2_api", &t);
    add_raw(w, "aws_apigatewayv2_stage",
            "{'websocket':{'api_id':'@{api}','name':'@{environment}','auto_deploy':true,"
            "'default_route_settings':[{'throttling_burst_limit':100,"
            "'throttling_rate_limit':50}]}}");
    add_raw(w, "aws_apigatewayv2_authorizer",
            "{'token':{" AUTHENTICATED "'api_id':'@{api}','name':'@{name}',"
            "'authorizer_type':'REQUEST','authorizer_uri':"
            "'@{invoke}/${aws_lambda_function.authorizer[0].arn}/invocations',"
            "'identity_sources':['${var.token_source}']}}");
    add_integrations(w);
    add_routes(w, schema);
    add_permissions(w);
}

void stack_terraform_resources(wsrt_json_writer *w, const char *schema)
{
    add_api(w, schema);
    open_type(w, "aws_dynamodb_table");
    for (size_t i = 0; i < stack_table_count; i++)
        add_table(w, &stack_tables[i]);
    wsrt_json_object_end(w);
    each_function(w, "aws_cloudwatch_log_group", write_log_group);
    each_function(w, "aws_iam_role", write_role);
    each_function(w, "aws_iam_role_policy", write_policy);
    each_function(w, "aws_lambda_function", write_function);
    add_raw(w, "aws_lambda_event_source_mapping",
            "{'metrics':{'function_name':'${aws_lambda_function.stream_processor.arn}',"
            "'event_source_arn':'@{metrics.stream}','starting_position':'LATEST',"
            "'batch_size':100,'maximum_batching_window_in_seconds':5,"
            "'bisect_batch_on_function_error':true,'maximum_retry_attempts':3,"
            "'function_response_types':['ReportBatchItemFailures'],"
            "'depends_on':['aws_iam_role_policy.stream_processor']}}");
}
