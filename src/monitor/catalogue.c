#include "monitor/catalogue.h"

#include "base/options.h"

#include <string.h>

static const struct dimensions by_handler = {2, {"Handler", "Environment"}};
static const struct dimensions by_circuit = {3, {"Service", "Operation", "Environment"}};
static const struct dimensions by_environment = {1, {"Environment"}};
static const struct dimensions by_scope = {2, {"Scope", "Environment"}};
static const struct dimensions by_table = {2, {"TableName", "Environment"}};
static const struct dimensions by_function = {1, {"FunctionName"}};
static const struct dimensions by_aws_table = {1, {"TableName"}};
static const struct dimensions by_api = {2, {"ApiId", "Stage"}};

#define CONVERSATION "websocket_conversation"
#define CONNECTION "websocket_connection"
#define VERIFICATION "authentication_jwt_verification"
#define CHAT "chat_message_processing"
#define STREAM "stream_processor"

/* Values with counts, and sums over counts. */
#define VALUES(text) .prometheus = text, .family = text, .sum = text "_sum", .count = text "_count"
/* What grows for ever. */
#define SUM(text) .form = WSRT_METRIC_SUM, .prometheus = text, .family = text "_total"
#define GAUGE(text) .form = WSRT_METRIC_GAUGE, .prometheus = text, .family = text
/* The part of all completions that has an outcome. */
#define SHARE(which)                                                                               \
    .form = WSRT_METRIC_SET, .sum = "wsrt_operations_total", .count = "wsrt_operations_total",     \
    .selector = which

#define COUNT .cloudwatch = "Count"
#define PLAIN .cloudwatch = "None"
#define BYTES .cloudwatch = "Bytes", .unit = UNIT_BYTES
#define PERCENT .cloudwatch = "Percent", .unit = UNIT_RATIO
#define MILLISECONDS .cloudwatch = "Milliseconds"
#define OPERATION(word) .row = word, .dimensions = &by_handler
#define CIRCUIT .row = "circuit", .dimensions = &by_circuit
#define TRANSPORT .row = "transport", .dimensions = &by_environment
#define LIMITER .row = "limiter", .dimensions = &by_scope
#define STORE .row = "store", .dimensions = &by_table
#define SELF .row = "self", .dimensions = &by_environment
#define BUSINESS(handler) .row = "business", .dimensions = &by_handler, .values = {handler}
#define AWS(word, set) .row = word, .dimensions = &set

static const struct metric metrics[METRICS] = {
    [METRIC_DURATION] = {OPERATION("duration"), .name = "HandlerDuration",
                         .service_name = "Duration", .form = WSRT_METRIC_VALUES, MILLISECONDS,
                         .unit = UNIT_SECONDS_OF_NS, VALUES("wsrt_operation_duration_seconds"),
                         .help = "Duration of completed operations."},
    [METRIC_MEMORY] = {OPERATION("memory"), .name = "MemoryUsage", .service_name = "MemoryUsage",
                       .form = WSRT_METRIC_SET, BYTES, VALUES("wsrt_operation_memory_bytes"),
                       .help = "Peak memory of operations that told it."},
    [METRIC_ERROR_RATE] = {OPERATION("error-rate"), .name = "ErrorRate", PERCENT,
                           SHARE("outcome=\"error\""), .prometheus = "wsrt_operation_error_ratio",
                           .family = "wsrt_operation_error_ratio",
                           .help = "Failures among the completions of the last five minutes."},
    [METRIC_SUCCESS] = {OPERATION("success"), .name = "Success", .service_name = "Success", COUNT,
                        SHARE("outcome!=\"error\""), .prometheus = "wsrt_operations",
                        .family = "wsrt_operations_total",
                        .help = "Completed operations by outcome."},
    [METRIC_ERRORS] = {OPERATION("errors"), .name = "ErrorCount", .service_name = "ErrorCount",
                       COUNT, SUM("wsrt_operation_errors"),
                       .help = "Errors of operations by category."},
    [METRIC_WARNINGS] = {OPERATION("errors"), .name = "WarningCount", COUNT, SUM("wsrt_operations"),
                         .selector = "outcome=\"warning\"",
                         .help = "Completed operations by outcome."},
    [METRIC_EXTERNAL_CALLS] = {OPERATION("calls"), .name = "ExternalCalls",
                               .service_name = "ExternalCalls", COUNT,
                               SUM("wsrt_operation_external_calls"),
                               .help = "Calls to outside services."},
    [METRIC_DATABASE_CALLS] = {OPERATION("calls"), .name = "DatabaseCalls",
                               .service_name = "DatabaseCalls", COUNT,
                               SUM("wsrt_operation_database_calls"), .help = "Calls to databases."},
    [METRIC_REQUEST_SIZE] = {OPERATION("sizes"), .name = "RequestSize", .form = WSRT_METRIC_SET,
                             BYTES, VALUES("wsrt_operation_request_bytes"),
                             .help = "Size of requests."},
    [METRIC_RESPONSE_SIZE] = {OPERATION("sizes"), .name = "ResponseSize", .form = WSRT_METRIC_SET,
                              BYTES, VALUES("wsrt_operation_response_bytes"),
                              .help = "Size of responses."},
    [METRIC_CPU] = {OPERATION("cpu"), .name = "CpuUsage", .form = WSRT_METRIC_SET, PERCENT,
                    VALUES("wsrt_operation_cpu_ratio"),
                    .help = "Thread CPU time by duration of sampled operations."},
    [METRIC_IN_FLIGHT] = {OPERATION("load"), .name = "InFlight", COUNT,
                          GAUGE("wsrt_operation_in_flight"),
                          .help = "Operations started and not ended."},
    [METRIC_SATURATION] = {OPERATION("load"), .name = "Saturation", PERCENT,
                           GAUGE("wsrt_operation_saturation_ratio"),
                           .help = "Operations in flight among those that can be."},
    [METRIC_CIRCUIT_STATE] = {CIRCUIT, .name = "CircuitState", PLAIN, GAUGE("wsrt_circuit_state"),
                              .help = "State of a circuit breaker: 0 closed, 1 half-open, 2 open."},
    [METRIC_CIRCUIT_FAILURE_RATE] = {CIRCUIT, .name = "CircuitFailureRate", PERCENT,
                                     GAUGE("wsrt_circuit_failure_ratio"),
                                     .help = "Failures among the requests in a circuit breaker's "
                                             "window."},
    [METRIC_CIRCUIT_FAILURES] = {CIRCUIT, .name = "CircuitFailures", COUNT,
                                 SUM("wsrt_circuit_failures"),
                                 .help = "Failed calls a breaker counted."},
    [METRIC_CIRCUIT_SUCCESSES] = {CIRCUIT, .name = "CircuitSuccesses", COUNT,
                                  SUM("wsrt_circuit_successes"),
                                  .help = "Successful calls a breaker counted."},
    [METRIC_CIRCUIT_REQUESTS] = {CIRCUIT, .name = "CircuitRequests", COUNT,
                                 SUM("wsrt_circuit_requests"), .help = "Calls a breaker counted."},
    [METRIC_CIRCUIT_REJECTED] = {CIRCUIT, .name = "CircuitRejected", COUNT,
                                 SUM("wsrt_circuit_rejected"), .help = "Calls a breaker refused."},
    [METRIC_CIRCUIT_TRANSITIONS] = {CIRCUIT, .name = "CircuitTransitions", COUNT,
                                    SUM("wsrt_circuit_transitions"),
                                    .help = "Changes of a breaker's state."},
    [METRIC_LAST_FAILURE] = {CIRCUIT, .name = "lastFailureTime", .unit = UNIT_SECONDS_OF_MS,
                             GAUGE("wsrt_circuit_last_failure_timestamp_seconds"),
                             .help = "Unix time of a breaker's last failure."},
    [METRIC_LAST_SUCCESS] = {CIRCUIT, .name = "lastSuccessTime", .unit = UNIT_SECONDS_OF_MS,
                             GAUGE("wsrt_circuit_last_success_timestamp_seconds"),
                             .help = "Unix time of a breaker's last success."},
    [METRIC_NEXT_ATTEMPT] = {CIRCUIT, .name = "nextAttemptTime", .unit = UNIT_SECONDS_OF_MS,
                             GAUGE("wsrt_circuit_next_attempt_timestamp_seconds"),
                             .help = "Unix time at which an open breaker lets a call through."},
    [METRIC_CONNECTIONS_ACTIVE] = {TRANSPORT, .name = "ConnectionsActive", COUNT,
                                   GAUGE("wsrt_transport_connections_active"),
                                   .help = "Open connections."},
    [METRIC_CONNECTS] = {TRANSPORT, .name = "ConnectCount", COUNT,
                         SUM("wsrt_transport_connect_count"), .help = "Connections accepted."},
    [METRIC_DISCONNECTS] = {TRANSPORT, .name = "DisconnectCount", COUNT,
                            SUM("wsrt_transport_disconnect_count"),
                            .help = "Connections that ended."},
    [METRIC_MESSAGES] = {TRANSPORT, .name = "MessageCount", COUNT,
                         SUM("wsrt_transport_message_count"),
                         .help = "Messages from clients and to clients."},
    [METRIC_INTEGRATION_ERRORS] = {TRANSPORT, .name = "IntegrationErrors", COUNT,
                                   SUM("wsrt_transport_integration_errors"),
                                   .help = "Events a handler answered with a server error."},
    [METRIC_SEND_FAILURES] = {TRANSPORT, .name = "SendFailures", COUNT,
                              SUM("wsrt_transport_send_failures"),
                              .help = "Messages that could not be delivered."},
    [METRIC_STALE_REMOVED] = {TRANSPORT, .name = "StaleConnectionsRemoved", COUNT,
                              SUM("wsrt_transport_stale_connections_removed"),
                              .help = "Records of connections that had gone."},
    [METRIC_RESIDENT] = {TRANSPORT, .name = "ProcessResidentBytes", BYTES,
                         GAUGE("wsrt_transport_process_resident_bytes"),
                         .help = "Resident memory of the process."},
    [METRIC_RATE_LIMITED] = {LIMITER, .name = "RateLimited", COUNT,
                             SUM("wsrt_limiter_rate_limited"),
                             .help = "Events the rate limiter refused."},
    [METRIC_RATE_LIMIT_SHADOW] = {LIMITER, .name = "RateLimitShadow", COUNT,
                                  SUM("wsrt_limiter_rate_limit_shadow"),
                                  .help = "Events a dry-run limit would have refused."},
    [METRIC_LIMITER_FULL] = {LIMITER, .name = "LimiterTableFull", COUNT,
                             SUM("wsrt_limiter_table_full"),
                             .help = "Decisions made without a slot in the limiter's table."},
    [METRIC_STREAM_AGE] = {OPERATION("stream"), .values = {STREAM}, .name = "StreamIteratorAge",
                           .form = WSRT_METRIC_SET, MILLISECONDS, .unit = UNIT_SECONDS_OF_MS,
                           .prometheus = "wsrt_stream_iterator_age_seconds",
                           .family = "wsrt_stream_iterator_age_seconds",
                           .help = "Age of the oldest change record of the last batch."},
    [METRIC_READ_UNITS] = {STORE, .name = "ConsumedReadCapacityUnits", COUNT,
                           SUM("wsrt_store_consumed_read_capacity_units"),
                           .help = "Read capacity the store consumed."},
    [METRIC_WRITE_UNITS] = {STORE, .name = "ConsumedWriteCapacityUnits", COUNT,
                            SUM("wsrt_store_consumed_write_capacity_units"),
                            .help = "Write capacity the store consumed."},
    [METRIC_UNGUARDED] = {SELF, .name = "UnguardedCalls", COUNT, SUM("wsrt_self_unguarded_calls"),
                          .help = "Calls made without a breaker, for want of room."},
    [METRIC_REDACTIONS] = {SELF, .name = "Redactions", COUNT, SUM("wsrt_self_redactions"),
                           .help = "Secrets taken out of free text."},
    [METRIC_SERIES_DROPPED] = {SELF, .name = "SeriesDropped", COUNT,
                               SUM("wsrt_self_series_dropped"),
                               .help = "Values beyond the caps, counted as __overflow__."},
    [METRIC_EXPORT_DROPPED] = {SELF, .name = "ExportDropped", COUNT,
                               SUM("wsrt_self_export_dropped"),
                               .help = "Values no export can carry."},
    [METRIC_EXPORT_APPROXIMATED] = {SELF, .name = "ExportApproximated", COUNT,
                                    SUM("wsrt_self_export_approximated"),
                                    .help = "Metrics exported without their distribution."},
    [METRIC_ATTRIBUTES_DROPPED] = {SELF, .name = "AttributesDropped", COUNT,
                                   SUM("wsrt_self_attributes_dropped"),
                                   .help = "Attributes undeclared or of the wrong kind."},
    [METRIC_CLOCK_BACKWARDS] = {SELF, .name = "ClockBackwards", COUNT,
                                SUM("wsrt_self_clock_backwards"),
                                .help = "Operations that ended before they began."},

    [METRIC_MESSAGES_PER_MINUTE] = {BUSINESS(CONVERSATION), .name = "messagesPerMinute", COUNT,
                                    GAUGE("wsrt_business_messages_per_minute"),
                                    .help = "Messages with a type in the last complete minute."},
    [METRIC_MESSAGE_LENGTH] = {BUSINESS(CONVERSATION), .name = "averageMessageLength", PLAIN,
                               GAUGE("wsrt_business_average_message_length"),
                               .help = "Mean length of messages that told it."},
    [METRIC_AUTHENTICATION_SUCCESS] = {BUSINESS(CONVERSATION), .name = "authenticationSuccessRate",
                                       PERCENT, GAUGE("wsrt_business_authentication_success_rate"),
                                       .help = "Successes among messages of type auth."},
#define TYPE(value)                                                                                \
    {                                                                                              \
        BUSINESS(CONVERSATION), .name = "messageTypes." value, COUNT,                              \
                                SUM("wsrt_business_message_types"),                                \
                                .selector = "category=\"" value "\"", .help = "Messages by type."  \
    }
    [METRIC_TYPE_AUTH] = TYPE("auth"),
    [METRIC_TYPE_MESSAGE] = TYPE("message"),
    [METRIC_TYPE_PING] = TYPE("ping"),
    [METRIC_CONNECTIONS_PER_MINUTE] = {BUSINESS(CONNECTION), .name = "connectionsPerMinute", COUNT,
                                       GAUGE("wsrt_business_connections_per_minute"),
                                       .help = "Successful connects in the last complete minute."},
    [METRIC_CONNECTION_DURATION] = {BUSINESS(CONNECTION), .name = "averageConnectionDuration",
                                    MILLISECONDS, .unit = UNIT_SECONDS_OF_MS,
                                    GAUGE("wsrt_business_average_connection_duration_seconds"),
                                    .help = "Mean life of connections that ended."},
#define REASON(value)                                                                              \
    {                                                                                              \
        BUSINESS(CONNECTION),                                                                      \
            .name = "disconnectReasons." value, COUNT, SUM("wsrt_business_disconnect_reasons"),    \
            .selector = "category=\"" value "\"", .help = "Disconnects by reason."                 \
    }
    [METRIC_DISCONNECT_NORMAL] = REASON("normal"),
    [METRIC_DISCONNECT_ERROR] = REASON("error"),
    [METRIC_DISCONNECT_TIMEOUT] = REASON("timeout"),
    [METRIC_VERIFICATIONS_PER_MINUTE] = {BUSINESS(VERIFICATION),
                                         .name = "verificationAttemptsPerMinute", COUNT,
                                         GAUGE("wsrt_business_verification_attempts_per_minute"),
                                         .help =
                                             "Token verifications in the last complete minute."},
    [METRIC_VERIFICATION_SUCCESS] = {BUSINESS(VERIFICATION), .name = "successRate", PERCENT,
                                     GAUGE("wsrt_business_success_rate"),
                                     .help = "Successes among token verifications."},
#define REFUSAL(value)                                                                             \
    {                                                                                              \
        BUSINESS(VERIFICATION),                                                                    \
            .name = "errorTypes." value, COUNT, SUM("wsrt_business_error_types"),                  \
            .selector = "category=\"" value "\"", .help = "Errors of token verifications by type." \
    }
    [METRIC_TOKEN_MISSING] = REFUSAL("MISSING_TOKEN"),
    [METRIC_TOKEN_EXPIRED] = REFUSAL("TOKEN_EXPIRED"),
    [METRIC_TOKEN_INVALID] = REFUSAL("INVALID_TOKEN"),
    [METRIC_TOKEN_OTHER] = REFUSAL("other"),
    [METRIC_PROCESSED_PER_MINUTE] = {BUSINESS(CHAT), .name = "messagesProcessedPerMinute", COUNT,
                                     GAUGE("wsrt_business_messages_processed_per_minute"),
                                     .help =
                                         "Chat messages processed in the last complete minute."},
    [METRIC_PROCESSING_TIME] = {BUSINESS(CHAT), .name = "averageProcessingTime", MILLISECONDS,
                                .unit = UNIT_SECONDS_OF_MS,
                                GAUGE("wsrt_business_average_processing_time_seconds"),
                                .help = "Mean time to process a chat message."},
    [METRIC_DATABASE_PER_MESSAGE] = {BUSINESS(CHAT), .name = "databaseOperationsPerMessage", COUNT,
                                     GAUGE("wsrt_business_database_operations_per_message"),
                                     .help = "Database calls of a chat message."},

    [METRIC_LAMBDA_INVOCATIONS] = {AWS("AWS/Lambda", by_function), .name = "Invocations", COUNT,
                                   .form = WSRT_METRIC_SUM, .help = "Invocations of a function."},
    [METRIC_LAMBDA_ERRORS] = {AWS("AWS/Lambda", by_function), .name = "Errors", COUNT,
                              .form = WSRT_METRIC_SUM,
                              .help = "Invocations that ended in an error."},
    [METRIC_LAMBDA_ITERATOR_AGE] = {AWS("AWS/Lambda", by_function), .name = "IteratorAge",
                                    MILLISECONDS, .form = WSRT_METRIC_SET,
                                    .help = "Age of the last record of a function's batch."},
    [METRIC_DYNAMODB_READ_UNITS] = {AWS("AWS/DynamoDB", by_aws_table),
                                    .name = "ConsumedReadCapacityUnits", COUNT,
                                    .form = WSRT_METRIC_SUM,
                                    .help = "Read capacity a table consumed."},
    [METRIC_DYNAMODB_WRITE_UNITS] = {AWS("AWS/DynamoDB", by_aws_table),
                                     .name = "ConsumedWriteCapacityUnits", COUNT,
                                     .form = WSRT_METRIC_SUM,
                                     .help = "Write capacity a table consumed."},
    [METRIC_GATEWAY_CONNECTS] = {AWS("AWS/ApiGateway", by_api), .name = "ConnectCount", COUNT,
                                 .form = WSRT_METRIC_SUM, .help = "Messages to $connect."},
    [METRIC_GATEWAY_MESSAGES] = {AWS("AWS/ApiGateway", by_api), .name = "MessageCount", COUNT,
                                 .form = WSRT_METRIC_SUM,
                                 .help = "Messages from clients and to clients."},
    [METRIC_GATEWAY_ERRORS] = {AWS("AWS/ApiGateway", by_api), .name = "IntegrationError", COUNT,
                               .form = WSRT_METRIC_SUM,
                               .help = "Integrations that answered 4xx or 5xx."},
};

const struct metric *wsrt_metric_of(enum metric_id id)
{
    return &metrics[id];
}

const struct metric *wsrt_metric_find(const char *name)
{
    for (size_t i = METRIC_SATURATION; i <= METRIC_REDACTIONS; i++)
        if (strcmp(metrics[i].name, name) == 0)
            return &metrics[i];
    return NULL;
}

static int is_business_family(const struct metric *metric, const char *abroad)
{
    static const char before[] = "wsrt_business_";
    const size_t len = sizeof before - 1;

    return metric->prometheus != NULL && strncmp(metric->prometheus, before, len) == 0 &&
           strcmp(metric->prometheus + len, abroad) == 0;
}

int wsrt_metric_is_named(const char *name)
{
    char abroad[MAX_FAMILY];

    wsrt_name_abroad(abroad, name);
    for (size_t i = 0; i < METRICS; i++) {
        const char *known = metrics[i].name;
        if (strncmp(known, name, strcspn(known, ".")) == 0 && name[strcspn(known, ".")] == '\0')
            return 1;
        if (metrics[i].service_name != NULL && strcmp(metrics[i].service_name, name) == 0)
            return 1;
        if (is_business_family(&metrics[i], abroad))
            return 1;
    }
    return 0;
}

void wsrt_snake_case(char *to, const char *name)
{
    for (size_t i = 0; name[i] != '\0'; i++) {
        int upper = name[i] >= 'A' && name[i] <= 'Z';
        if (upper && i > 0 && name[i - 1] >= 'a' && name[i - 1] <= 'z')
            *to++ = '_';
        *to++ = upper ? (char)(name[i] - 'A' + 'a') : name[i];
    }
    *to = '\0';
}

void wsrt_name_abroad(char to[MAX_FAMILY], const char *name)
{
    static const char total[] = "_total";
    const size_t tail = sizeof total - 1;

    wsrt_snake_case(to, name);
    size_t len = strlen(to);
    if (len > tail && strcmp(to + len - tail, total) == 0)
        to[len - tail] = '\0';
}

int wsrt_is_named_abroad(const char *a, const char *b)
{
    char x[MAX_FAMILY], y[MAX_FAMILY];

    wsrt_name_abroad(x, a);
    wsrt_name_abroad(y, b);
    return strcmp(x, y) == 0;
}

/* Of a Prometheus value, per one of CloudWatch's. */
static double scale_of(const struct metric *m)
{
    switch (m->unit) {
    case UNIT_RATIO:
        return 0.01;
    case UNIT_SECONDS_OF_MS:
    case UNIT_SECONDS_OF_NS:
        return 0.001;
    case UNIT_NONE:
    case UNIT_BYTES:
        break;
    }
    return 1;
}

int wsrt_catalogue_metric(size_t index, wsrt_metric_info *out)
{
    if (out == NULL)
        return WSRT_ERR_INVALID;
    if (index >= METRICS)
        return WSRT_ERR_NOT_FOUND;
    const struct metric *m = &metrics[index];
    const wsrt_metric_info info = {
        .form = m->form,
        .row_cstr = m->row,
        .namespace_cstr = index >= METRIC_AWS ? m->row : "WebSocket/Performance",
        .name_cstr = m->name,
        .service_name_cstr = m->service_name,
        .unit_cstr = m->cloudwatch,
        .dimensions = m->dimensions->names,
        .values = m->values,
        .dimension_count = m->dimensions->count,
        .family_cstr = m->family,
        .sum_cstr = m->sum,
        .count_cstr = m->count,
        .selector_cstr = m->selector,
        .scale = scale_of(m),
        .help_cstr = m->help,
    };
    return wsrt_report_fill(out, sizeof info, sizeof info, &info);
}
