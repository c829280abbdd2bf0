#include "export_stack.h"

#include <stdlib.h>
#include <string.h>

#define CONNECTIONS_INDEX "connected-index"
#define POST_TO_CONNECTIONS                                                                        \
    {                                                                                              \
        "execute-api:ManageConnections", "@{api.arn}/@{environment}/POST/@connections/*", NULL,    \
            NULL                                                                                   \
    }
#define CONNECTIONS_VARIABLES                                                                      \
    {"CONNECTIONS_TABLE_NAME", "@{connections}"},                                                  \
    {                                                                                              \
        "WSRT_CONNECTIONS_SHAPE", "@{shape}"                                                       \
    }
#define INDEX_VARIABLE                                                                             \
    {                                                                                              \
        "WSRT_CONNECTIONS_INDEX", CONNECTIONS_INDEX                                                \
    }
#define LIST_CONNECTIONS                                                                           \
    {                                                                                              \
        "dynamodb:Scan", "@{connections.arn}", "dynamodb:Query",                                   \
            "@{connections.arn}/index/" CONNECTIONS_INDEX                                          \
    }
#define ENDPOINT_VARIABLE                                                                          \
    {                                                                                              \
        "WEBSOCKET_API_ENDPOINT", "https://@{api.host}/@{environment}"                             \
    }

/* ---- functions ---- */

enum { CONNECT, DISCONNECT, CHAT, SUBSCRIBE, STREAM, AUTHORIZER };

const struct stack_function stack_functions[] = {
    [CONNECT] = {.logical = "Connect",
                 .name = "connect",
                 .id = "connect",
                 .program = "connect-lambda",
                 .memory = 256,
                 .timeout = 10,
                 .is_integration = 1,
                 .variables = {CONNECTIONS_VARIABLES, {"WSRT_REQUIRE_AUTH", "@{authenticated}"}},
                 .statements = {{"dynamodb:PutItem", "@{connections.arn}", NULL, NULL}}},
    [DISCONNECT] = {.logical = "Disconnect",
                    .name = "disconnect",
                    .id = "disconnect",
                    .program = "disconnect-lambda",
                    .memory = 256,
                    .timeout = 10,
                    .is_integration = 1,
                    .variables = {CONNECTIONS_VARIABLES},
                    .statements = {{"dynamodb:DeleteItem", "@{connections.arn}", NULL, NULL}}},
    [CHAT] = {.logical = "Chat",
              .name = "chat",
              .id = "chat",
              .program = "chat-lambda",
              .memory = 256,
              .timeout = 29, /* as long as API Gateway waits */
              .is_integration = 1,
              .variables = {CONNECTIONS_VARIABLES,
                            INDEX_VARIABLE,
                            {"WEBSOCKET_MESSAGES_TABLE", "@{messages}"},
                            ENDPOINT_VARIABLE},
              .statements = {{"dynamodb:PutItem dynamodb:Query", "@{messages.arn}", NULL, NULL},
                             {"dynamodb:GetItem dynamodb:UpdateItem dynamodb:DeleteItem",
                              "@{connections.arn}", NULL, NULL},
                             LIST_CONNECTIONS, /* for a broadcast */
                             POST_TO_CONNECTIONS}},
    [SUBSCRIBE] = {.logical = "Subscribe",
                   .name = "subscribe",
                   .id = "subscribe",
                   .program = "stream-processor",
                   .memory = 256,
                   .timeout = 29,
                   .is_integration = 1,
                   .variables = {CONNECTIONS_VARIABLES, ENDPOINT_VARIABLE},
                   .statements = {{"dynamodb:GetItem dynamodb:UpdateItem dynamodb:DeleteItem",
                                   "@{connections.arn}", NULL, NULL},
                                  POST_TO_CONNECTIONS}},
    [STREAM] = {.logical = "StreamProcessor",
                .name = "stream-processor",
                .id = "stream_processor",
                .program = "stream-processor",
                .memory = 512,
                .timeout = 300,
                .variables = {CONNECTIONS_VARIABLES, INDEX_VARIABLE, ENDPOINT_VARIABLE},
                .statements = {LIST_CONNECTIONS,
                               {"dynamodb:DeleteItem", "@{connections.arn}", NULL, NULL},
                               {"dynamodb:DescribeStream dynamodb:GetRecords "
                                "dynamodb:GetShardIterator",
                                "@{metrics.stream}", NULL, NULL},
                               {"dynamodb:ListStreams", "*", NULL, NULL}, /* it knows no other */
                               POST_TO_CONNECTIONS}},
    [AUTHORIZER] = {.logical = "Authorizer",
                    .name = "authorizer",
                    .id = "authorizer",
                    .program = "@{authorizer}",
                    .memory = 256,
                    .timeout = 10,
                    .is_authorizer = 1,
                    .variables = {{"WSRT_JWKS", "@{jwks}"},
                                  {"WSRT_ISSUER", "@{issuer}"},
                                  {"WSRT_AUDIENCE", "@{audience}"}}},
};
const size_t stack_function_count = COUNT(stack_functions);

/* ---- routes ---- */

static const struct stack_route message_routes[] = {
    {"$connect", "Connect", "connect", &stack_functions[CONNECT]},
    {"$disconnect", "Disconnect", "disconnect", &stack_functions[DISCONNECT]},
    {"$default", "Default", "default", &stack_functions[CHAT]},
    {"auth", "Auth", "auth", &stack_functions[CHAT]},
    {"message", "Message", "message", &stack_functions[CHAT]},
    {"ping", "Ping", "ping", &stack_functions[CHAT]},
    {"subscribe", "Subscribe", "subscribe", &stack_functions[SUBSCRIBE]},
    {"unsubscribe", "Unsubscribe", "unsubscribe", &stack_functions[SUBSCRIBE]},
};

static const struct stack_route action_routes[] = {
    {"$connect", "Connect", "connect", &stack_functions[CONNECT]},
    {"$disconnect", "Disconnect", "disconnect", &stack_functions[DISCONNECT]},
    {"$default", "Default", "default", &stack_functions[CHAT]},
    {"chat_message", "ChatMessage", "chat_message", &stack_functions[CHAT]},
};

static int is_action(const char *schema)
{
    return strcmp(schema, "message-action") == 0;
}

size_t stack_routes(const char *schema, const struct stack_route **routes)
{
    *routes = is_action(schema) ? action_routes : message_routes;
    return is_action(schema) ? COUNT(action_routes) : COUNT(message_routes);
}

const char *stack_selection(const char *schema)
{
    return is_action(schema) ? "$request.body.action" : "$request.body.type";
}

/* ---- tables ---- */

const struct stack_table stack_tables[] = {
    {.logical = "Connections",
     .name = "connections",
     .shape = {.keys = {{"PK", "S"}, {"SK", "S"}, {"userId", "S"}},
               .hash = "PK",
               .range = "SK",
               .index = "userId-index",
               .index_hash = "userId",
               .index_range = "SK"},
     .shape_b = {.keys = {{"connectionId", "S"}, {"connected", "S"}, {"connectedAt", "N"}},
                 .hash = "connectionId",
                 .index = CONNECTIONS_INDEX,
                 .index_hash = "connected",
                 .index_range = "connectedAt"}},
    {.logical = "Messages",
     .name = "messages",
     .shape = {.keys = {{"sessionId", "S"}, {"timestamp#messageId", "S"}},
               .hash = "sessionId",
               .range = "timestamp#messageId"}},
    {.logical = "Metrics",
     .name = "metrics",
     .shape = {.keys = {{"entity_id", "S"}}, .hash = "entity_id"},
     .has_stream = 1},
};
const size_t stack_table_count = COUNT(stack_tables);

/* ---- what a user says, and what he gets ---- */

const struct stack_parameter stack_parameters[] = {
    {.logical = "Name",
     .name = "name",
     .fallback = "websocket",
     .description = "Begins the name of everything, with the environment behind it",
     .rule = "^[A-Za-z][A-Za-z0-9-]{0,23}$"},
    {.logical = "TableShape",
     .name = "table_shape",
     .fallback = "A",
     .description =
         "Connections by PK and SK with an index of users (A), or by connectionId with an "
         "index of all (B)",
     .rule = "A|B",
     .is_choice = 1},
    {.logical = "Authentication",
     .name = "authentication",
     .fallback = "on",
     .description = "Whether an authorizer judges the token of each connect",
     .rule = "on|off",
     .is_choice = 1,
     .is_switch = 1},
    {.logical = "TokenSource",
     .name = "token_source",
     .fallback = "route.request.header.Authorization",
     .description = "Where clients put their token; without one nobody is asked",
     .rule = "route.request.header.Authorization|route.request.header.Sec-WebSocket-Protocol|"
             "route.request.querystring.token",
     .is_choice = 1},
    {.logical = "Issuer",
     .name = "issuer",
     .fallback = "",
     .description = "Who issues tokens; needed with authentication"},
    {.logical = "Audience",
     .name = "audience",
     .fallback = "",
     .description = "Whom tokens are for; needed with authentication"},
    {.logical = "KeySet",
     .name = "key_set",
     .fallback = "/var/task/jwks.json",
     .description = "The authorizer's keys: a file in its package; for authorizer-url-lambda an "
                    "address, or empty for the issuer's own"},
    {.logical = "Authorizer",
     .name = "authorizer",
     .fallback = "authorizer-lambda",
     .description = "Which package judges tokens: by a file of keys, or by keys behind an address",
     .rule = "authorizer-lambda|authorizer-url-lambda",
     .is_choice = 1},
    {.logical = "ArtifactBucket",
     .name = "artifact_bucket",
     .description = "S3 bucket that holds the packages of the functions",
     .rule = "^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$"},
    {.logical = "ArtifactPrefix",
     .name = "artifact_prefix",
     .fallback = "",
     .description = "Put before the name of each package, as in releases/7/"},
    {.logical = "Architecture",
     .name = "architecture",
     .fallback = "x86_64",
     .description = "What the packages were built for",
     .rule = "x86_64|arm64",
     .is_choice = 1},
};
const size_t stack_parameter_count = COUNT(stack_parameters);

const struct stack_output stack_outputs[] = {
    {"WebSocketUrl", "web_socket_url", "wss://@{api.host}/@{environment}"},
    {"ManagementEndpoint", "management_endpoint", "https://@{api.host}/@{environment}"},
    {"ConnectionsTableName", "connections_table_name", "@{connections}"},
    {"ConnectionsTableArn", "connections_table_arn", "@{connections.arn}"},
    {"MessagesTableName", "messages_table_name", "@{messages}"},
    {"MessagesTableArn", "messages_table_arn", "@{messages.arn}"},
    {"MetricsTableName", "metrics_table_name", "@{metrics}"},
    {"MetricsTableArn", "metrics_table_arn", "@{metrics.arn}"},
    {"MetricsStreamArn", "metrics_stream_arn", "@{metrics.stream}"},
};
const size_t stack_output_count = COUNT(stack_outputs);

/* ---- texts ---- */

#define TF_REGION "${var.region}"
#define TF_PARTITION "${data.aws_partition.current.partition}"
#define TF_ACCOUNT "${data.aws_caller_identity.current.account_id}"

static const struct {
    const char *name;
    const char *words[2]; /* by stack_language */
} placeholders[] = {
    {"name", {"${Name}-${Environment}", "${var.name}-${var.environment}"}},
    {"environment", {"${Environment}", "${var.environment}"}},
    {"shape", {"${TableShape}", "${var.table_shape}"}},
    {"jwks", {"${KeySet}", "${var.key_set}"}},
    {"authorizer", {"${Authorizer}", "${var.authorizer}"}},
    {"issuer", {"${Issuer}", "${var.issuer}"}},
    {"audience", {"${Audience}", "${var.audience}"}},
    {"artifacts", {"${ArtifactPrefix}", "${var.artifact_prefix}"}},
    {"api", {"${WebSocketApi}", "${aws_apigatewayv2_api.websocket.id}"}},
    {"api.host",
     {"${WebSocketApi}.execute-api.${AWS::Region}.${AWS::URLSuffix}",
      "${aws_apigatewayv2_api.websocket.id}.execute-api." TF_REGION
      ".${data.aws_partition.current.dns_suffix}"}},
    {"api.arn",
     {"arn:${AWS::Partition}:execute-api:${AWS::Region}:${AWS::AccountId}:${WebSocketApi}",
      "arn:" TF_PARTITION ":execute-api:" TF_REGION ":" TF_ACCOUNT
      ":${aws_apigatewayv2_api.websocket.id}"}},
    {"invoke",
     {"arn:${AWS::Partition}:apigateway:${AWS::Region}:lambda:path/2015-03-31/functions",
      "arn:" TF_PARTITION ":apigateway:" TF_REGION ":lambda:path/2015-03-31/functions"}},
    {"connections", {"${ConnectionsTable}", "${aws_dynamodb_table.connections.name}"}},
    {"connections.arn", {"${ConnectionsTable.Arn}", "${aws_dynamodb_table.connections.arn}"}},
    {"messages", {"${MessagesTable}", "${aws_dynamodb_table.messages.name}"}},
    {"messages.arn", {"${MessagesTable.Arn}", "${aws_dynamodb_table.messages.arn}"}},
    {"metrics", {"${MetricsTable}", "${aws_dynamodb_table.metrics.name}"}},
    {"metrics.arn", {"${MetricsTable.Arn}", "${aws_dynamodb_table.metrics.arn}"}},
    {"metrics.stream", {"${MetricsTable.StreamArn}", "${aws_dynamodb_table.metrics.stream_arn}"}},
};

int stack_has_placeholder(const char *text)
{
    return strstr(text, "@{") != NULL;
}

/* Adds the words of the placeholder at `at`, and says where it ends; NULL: there is none. */
static const char *put_placeholder(struct export_text *t, const char *at,
                                   enum stack_language language)
{
    const char *end = at[0] == '@' && at[1] == '{' ? strchr(at, '}') : NULL;

    for (size_t i = 0; end != NULL && i < COUNT(placeholders); i++)
        if (is_text((wsrt_span){at + 2, (size_t)(end - at) - 2}, placeholders[i].name)) {
            text_put(t, placeholders[i].words[language]);
            return end + 1;
        }
    t->failed |= end != NULL; /* one that nobody knows */
    return NULL;
}

void stack_put(struct export_text *t, const char *raw, const char *argument,
               enum stack_language language)
{
    while (*raw != '\0') {
        const char *behind = put_placeholder(t, raw, language);
        if (behind != NULL) {
            raw = behind;
            continue;
        }
        if (*raw == '%' && argument != NULL)
            stack_put(t, argument, NULL, language);
        else
            text_sink(t, *raw == '\'' ? "\"" : raw, 1);
        raw++;
    }
}

void stack_member(wsrt_json_writer *w, const char *key, struct export_text *value)
{
    wsrt_json_key(w, key);
    wsrt_json_raw(w, value->failed ? (wsrt_span){NULL, 0} : (wsrt_span){value->bytes, value->len});
    free(value->bytes);
    *value = (struct export_text){0};
}

void stack_raw_member(wsrt_json_writer *w, const char *key, const char *raw,
                      enum stack_language language)
{
    struct export_text t = {0};

    stack_put(&t, raw, NULL, language);
    stack_member(w, key, &t);
}
