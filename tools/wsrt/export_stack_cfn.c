/* The stack in CloudFormation's words. */
#include "export_stack.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { KEY = 64, WORD = 64 };

static void put(struct export_text *t, const char *raw, const char *argument)
{
    stack_put(t, raw, argument, STACK_CLOUDFORMATION);
}

/* A resource, output or parameter: what is called `before` + `logical` + `after`, and its value. */
static void add(wsrt_json_writer *w, const char *logical, const char *after,
                struct export_text *value)
{
    char key[KEY];

    snprintf(key, sizeof key, "%s%s", logical, after);
    stack_member(w, key, value);
}

static void add_raw(wsrt_json_writer *w, const char *key, const char *raw)
{
    stack_raw_member(w, key, raw, STACK_CLOUDFORMATION);
}

/* A string; with placeholders one that CloudFormation fills in. */
static void put_text(struct export_text *t, const char *text)
{
    if (strcmp(text, "@{authenticated}") == 0)
        put(t, "{'Fn::If':['Authenticated','1','0']}", NULL);
    else
        put(t, stack_has_placeholder(text) ? "{'Fn::Sub':'%'}" : "'%'", text);
}

static void put_number(struct export_text *t, const char *before, int number)
{
    char digits[16];

    snprintf(digits, sizeof digits, "%d", number);
    put(t, before, NULL);
    put(t, digits, NULL);
}

/* ---- parameters, conditions, outputs ---- */

static void put_pair(wsrt_json_writer *w, const char *name, const char *text)
{
    wsrt_json_key(w, name);
    wsrt_json_string_cstr(w, text);
}

static void put_choices(wsrt_json_writer *w, const char *choices)
{
    wsrt_json_key(w, "AllowedValues");
    wsrt_json_array(w);
    for (;;) {
        const char *bar = strchr(choices, '|');
        size_t len = bar == NULL ? strlen(choices) : (size_t)(bar - choices);
        wsrt_json_string(w, (wsrt_span){choices, len});
        if (bar == NULL)
            break;
        choices = bar + 1;
    }
    wsrt_json_array_end(w);
}

void stack_cloudformation_parameters(wsrt_json_writer *w)
{
    for (size_t i = 0; i < stack_parameter_count; i++) {
        const struct stack_parameter *p = &stack_parameters[i];
        wsrt_json_key(w, p->logical);
        wsrt_json_object(w);
        put_pair(w, "Type", "String");
        if (p->fallback != NULL)
            put_pair(w, "Default", p->fallback);
        if (p->is_choice)
            put_choices(w, p->rule);
        else if (p->rule != NULL)
            put_pair(w, "AllowedPattern", p->rule);
        put_pair(w, "Description", p->description);
        wsrt_json_object_end(w);
    }
}

void stack_cloudformation_conditions(wsrt_json_writer *w)
{
    add_raw(w, "ShapeA", "{'Fn::Equals':[{'Ref':'TableShape'},'A']}");
    add_raw(w, "Authenticated", "{'Fn::Equals':[{'Ref':'Authentication'},'on']}");
}

void stack_cloudformation_outputs(wsrt_json_writer *w)
{
    struct export_text t = {0};

    for (size_t i = 0; i < stack_output_count; i++) {
        put(&t, "{'Value':{'Fn::Sub':'%'}}", stack_outputs[i].text);
        add(w, stack_outputs[i].logical, "", &t);
    }
    for (size_t i = 0; i < stack_function_count; i++) {
        const struct stack_function *f = &stack_functions[i];
        put(&t, f->is_authorizer ? "{'Condition':'Authenticated'," : "{", NULL);
        put(&t, "'Value':{'Fn::GetAtt':['%Function','Arn']}}", f->logical);
        add(w, f->logical, "FunctionArn", &t);
    }
}

/* ---- tables ---- */

static void put_attributes(struct export_text *t, const struct stack_shape *shape)
{
    put(t, "[", NULL);
    for (size_t i = 0; i < STACK_KEYS && shape->keys[i].attribute != NULL; i++) {
        put(t, i > 0 ? ",{'AttributeName':'%'," : "{'AttributeName':'%',",
            shape->keys[i].attribute);
        put(t, "'AttributeType':'%'}", shape->keys[i].type);
    }
    put(t, "]", NULL);
}

static void put_keys(struct export_text *t, const char *hash, const char *range)
{
    put(t, "[{'AttributeName':'%','KeyType':'HASH'}", hash);
    if (range != NULL)
        put(t, ",{'AttributeName':'%','KeyType':'RANGE'}", range);
    put(t, "]", NULL);
}

static void put_table_keys(struct export_text *t, const struct stack_shape *shape)
{
    put_keys(t, shape->hash, shape->range);
}

static void put_index(struct export_text *t, const struct stack_shape *shape)
{
    put(t, "{'IndexName':'%','KeySchema':", shape->index);
    put_keys(t, shape->index_hash, shape->index_range);
    put(t, ",'Projection':{'ProjectionType':'ALL'}}", NULL);
}

/* What differs by shape, where there are two. */
static void put_by_shape(struct export_text *t, const struct stack_table *table,
                         void (*write)(struct export_text *t, const struct stack_shape *shape))
{
    if (table->shape_b.hash == NULL) {
        write(t, &table->shape);
        return;
    }
    put(t, "{'Fn::If':['ShapeA',", NULL);
    write(t, &table->shape);
    put(t, ",", NULL);
    write(t, &table->shape_b);
    put(t, "]}", NULL);
}

static void add_table(wsrt_json_writer *w, const struct stack_table *table)
{
    struct export_text t = {0};

    put(&t,
        "{'Type':'AWS::DynamoDB::Table','Properties':{'TableName':{'Fn::Sub':'@{name}-%'},"
        "'BillingMode':'PAY_PER_REQUEST','AttributeDefinitions':",
        table->name);
    put_by_shape(&t, table, put_attributes);
    put(&t, ",'KeySchema':", NULL);
    put_by_shape(&t, table, put_table_keys);
    if (table->shape.index != NULL) {
        put(&t, ",'GlobalSecondaryIndexes':[", NULL);
        put_by_shape(&t, table, put_index);
        put(&t, "]", NULL);
    }
    put(&t, ",'TimeToLiveSpecification':{'AttributeName':'ttl','Enabled':true}", NULL);
    if (table->has_stream)
        put(&t, ",'StreamSpecification':{'StreamViewType':'NEW_AND_OLD_IMAGES'}", NULL);
    put(&t, "}}", NULL);
    add(w, table->logical, "Table", &t);
}

/* ---- functions and their roles ---- */

static void begin_resource(struct export_text *t, const struct stack_function *f, const char *type)
{
    put(t,
        f->is_authorizer ? "{'Condition':'Authenticated','Type':'%','Properties':{"
                         : "{'Type':'%','Properties':{",
        type);
}

static void put_actions(struct export_text *t, const char *actions)
{
    char word[WORD];
    int len;

    put(t, "{'Effect':'Allow','Action':[", NULL);
    for (size_t i = 0; sscanf(actions, " %63s%n", word, &len) == 1; i++, actions += len)
        put(t, i > 0 ? ",'%'" : "'%'", word);
    put(t, "],'Resource':", NULL);
}

static void put_statement(struct export_text *t, const struct stack_statement *s)
{
    if (s->b_actions != NULL)
        put(t, "{'Fn::If':['ShapeA',", NULL);
    put_actions(t, s->actions);
    put_text(t, s->resource);
    put(t, "}", NULL);
    if (s->b_actions == NULL)
        return;
    put(t, ",", NULL);
    put_actions(t, s->b_actions);
    put_text(t, s->b_resource);
    put(t, "}]}", NULL);
}

static void add_role(wsrt_json_writer *w, const struct stack_function *f)
{
    struct export_text t = {0};

    begin_resource(&t, f, "AWS::IAM::Role");
    put(&t,
        "'AssumeRolePolicyDocument':{'Version':'2012-10-17','Statement':[{'Effect':'Allow',"
        "'Principal':{'Service':'lambda.amazonaws.com'},'Action':'sts:AssumeRole'}]},"
        "'Policies':[{'PolicyName':'function','PolicyDocument':{'Version':'2012-10-17',"
        "'Statement':[{'Effect':'Allow','Action':['logs:CreateLogStream','logs:PutLogEvents'],"
        "'Resource':{'Fn::GetAtt':['%LogGroup','Arn']}}",
        f->logical);
    for (size_t i = 0; i < STACK_STATEMENTS && f->statements[i].actions != NULL; i++) {
        put(&t, ",", NULL);
        put_statement(&t, &f->statements[i]);
    }
    put(&t, "]}}]}}", NULL);
    add(w, f->logical, "Role", &t);
}

static void add_log_group(wsrt_json_writer *w, const struct stack_function *f)
{
    struct export_text t = {0};

    begin_resource(&t, f, "AWS::Logs::LogGroup");
    put(&t, "'LogGroupName':{'Fn::Sub':'/aws/lambda/@{name}-%'},'RetentionInDays':365}}", f->name);
    add(w, f->logical, "LogGroup", &t);
}

static void add_function(wsrt_json_writer *w, const struct stack_function *f)
{
    struct export_text t = {0};

    begin_resource(&t, f, "AWS::Lambda::Function");
    put(&t,
        "'FunctionName':{'Fn::Sub':'@{name}-%'},'Runtime':'provided.al2023','Handler':'bootstrap',"
        "'Architectures':[{'Ref':'Architecture'}],",
        f->name);
    put(&t, "'Code':{'S3Bucket':{'Ref':'ArtifactBucket'},'S3Key':{'Fn::Sub':'@{artifacts}%.zip'}},",
        f->program);
    put(&t, "'Role':{'Fn::GetAtt':['%Role','Arn']},", f->logical);
    put_number(&t, "'MemorySize':", f->memory);
    put_number(&t, ",'Timeout':", f->timeout);
    put(&t, ",'Environment':{'Variables':{'ENVIRONMENT':{'Ref':'Environment'}", NULL);
    for (size_t i = 0; i < STACK_VARIABLES && f->variables[i][0] != NULL; i++) {
        put(&t, ",'%':", f->variables[i][0]);
        put_text(&t, f->variables[i][1]);
    }
    put(&t, "}}}}", NULL);
    add(w, f->logical, "Function", &t);
}

static void add_permission(wsrt_json_writer *w, const struct stack_function *f)
{
    struct export_text t = {0};

    begin_resource(&t, f, "AWS::Lambda::Permission");
    put(&t,
        "'Action':'lambda:InvokeFunction','FunctionName':{'Ref':'%Function'},"
        "'Principal':'apigateway.amazonaws.com','SourceArn':{'Fn::Sub':'@{api.arn}/*'}}}",
        f->logical);
    add(w, f->logical, "Permission", &t);
}

/* ---- the API ---- */

static void add_integration(wsrt_json_writer *w, const struct stack_function *f)
{
    struct export_text t = {0};

    put(&t,
        "{'Type':'AWS::ApiGatewayV2::Integration','Properties':{'ApiId':{'Ref':'WebSocketApi'},"
        "'IntegrationType':'AWS_PROXY','IntegrationUri':{'Fn::Sub':"
        "'@{invoke}/${%Function.Arn}/invocations'}}}",
        f->logical);
    add(w, f->logical, "Integration", &t);
}

static void add_route(wsrt_json_writer *w, const struct stack_route *r)
{
    struct export_text t = {0};

    put(&t,
        "{'Type':'AWS::ApiGatewayV2::Route','Properties':{'ApiId':{'Ref':'WebSocketApi'},"
        "'RouteKey':'%',",
        r->key);
    if (strcmp(r->key, "$connect") == 0)
        put(&t,
            "'AuthorizationType':{'Fn::If':['Authenticated','CUSTOM','NONE']},'AuthorizerId':"
            "{'Fn::If':['Authenticated',{'Ref':'TokenAuthorizer'},{'Ref':'AWS::NoValue'}]},",
            NULL);
    put(&t, "'Target':{'Fn::Sub':'integrations/${%Integration}'}}}", r->function->logical);
    add(w, r->logical, "Route", &t);
}

static void add_api(wsrt_json_writer *w, const char *schema)
{
    struct export_text t = {0};
    const struct stack_route *routes;
    size_t count = stack_routes(schema, &routes);

    put(&t,
        "{'Type':'AWS::ApiGatewayV2::Api','Properties':{'Name':{'Fn::Sub':'@{name}'},"
        "'ProtocolType':'WEBSOCKET','RouteSelectionExpression':'%'}}",
        stack_selection(schema));
    add(w, "WebSocketApi", "", &t);
    add_raw(w, "WebSocketStage",
            "{'Type':'AWS::ApiGatewayV2::Stage','Properties':{'ApiId':{'Ref':'WebSocketApi'},"
            "'StageName':{'Ref':'Environment'},'AutoDeploy':true,'DefaultRouteSettings':"
            "{'ThrottlingBurstLimit':100,'ThrottlingRateLimit':50}}}");
    add_raw(w, "TokenAuthorizer",
            "{'Condition':'Authenticated','Type':'AWS::ApiGatewayV2::Authorizer','Properties':"
            "{'ApiId':{'Ref':'WebSocketApi'},'Name':{'Fn::Sub':'@{name}'},"
            "'AuthorizerType':'REQUEST','AuthorizerUri':{'Fn::Sub':"
            "'@{invoke}/${AuthorizerFunction.Arn}/invocations'},"
            "'IdentitySource':[{'Ref':'TokenSource'}]}}");
    for (size_t i = 0; i < count; i++)
        add_route(w, &routes[i]);
}

void stack_cloudformation_resources(wsrt_json_writer *w, const char *schema)
{
    add_api(w, schema);
    for (size_t i = 0; i < stack_table_count; i++)
        add_table(w, &stack_tables[i]);
    for (size_t i = 0; i < stack_function_count; i++) {
        const struct stack_function *f = &stack_functions[i];
        add_log_group(w, f);
        add_role(w, f);
        add_function(w, f);
        if (f->is_integration)
            add_integration(w, f);
        if (f->is_integration || f->is_authorizer)
            add_permission(w, f);
    }
    add_raw(w, "MetricsStream",
            "{'Type':'AWS::Lambda::EventSourceMapping','Properties':{'FunctionName':"
            "{'Ref':'StreamProcessorFunction'},'EventSourceArn':{'Fn::Sub':'@{metrics.stream}'},"
            "'StartingPosition':'LATEST','BatchSize':100,'MaximumBatchingWindowInSeconds':5,"
            "'BisectBatchOnFunctionError':true,'MaximumRetryAttempts':3,"
            "'FunctionResponseTypes':['ReportBatchItemFailures']}}");
}
