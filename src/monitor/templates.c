/* Which of the catalogue's metrics are watched, and how they are shown. */
#include "monitor/catalogue.h"

#include "base/options.h"

#define COUNT_OF(array) (sizeof(array) / sizeof *(array))

/* ---- alarms ---- */

struct alarm {
    const char *id;
    enum metric_id metric;
    int kind; /* a wsrt_alarm_kind */
    const char *values[MAX_DIMENSIONS];
    const char *statistic;
    uint32_t period;
    uint32_t periods;
    double threshold;
    double warning;
    const char *description;
};

#define LIMIT_ALARM(name, which, seconds, handler, limit, text)                                    \
    {                                                                                              \
        name, which, WSRT_ALARM_LIMIT, {handler}, "Average", seconds, 2, limit, 0.8 * (limit),     \
            text                                                                                   \
    }
/* Three an operation, in the order of wsrt_watched. */
#define OPERATION_ALARMS(suffix, handler, ms, bytes, percent)                                      \
    LIMIT_ALARM("WebSocketDurationAlarm" suffix, METRIC_DURATION, 60, handler, ms,                 \
                "WebSocket handler taking too long to respond"),                                   \
        LIMIT_ALARM("WebSocketMemoryAlarm" suffix, METRIC_MEMORY, 60, handler, bytes,              \
                    "WebSocket handler using too much memory"),                                    \
        LIMIT_ALARM("WebSocketErrorRateAlarm" suffix, METRIC_ERROR_RATE, 300, handler, percent,    \
                    "WebSocket handler error rate too high")
#define CIRCUIT_ALARM(service, operation)                                                          \
    {                                                                                              \
        "CircuitOpenAlarm-" service "-" operation, METRIC_CIRCUIT_STATE, WSRT_ALARM_LIMIT,         \
            {service, operation}, "Maximum", 60, 1, 2, 0, "Circuit breaker open"                   \
    }
#define TREND_ALARM(suffix, handler)                                                               \
    {                                                                                              \
        "WebSocketTrendAlarm" suffix, METRIC_DURATION, WSRT_ALARM_TREND, {handler}, "Average",     \
            900, 1, 2, 1.5, "WebSocket handler slower than on the day before"                      \
    }

enum { OPERATION_LIMITS = 3 };

static const struct alarm alarms[] = {
    OPERATION_ALARMS("", "websocket_conversation", 5000, 104857600, 5),
    OPERATION_ALARMS("-websocket_connection", "websocket_connection", 2000, 52428800, 2),
    OPERATION_ALARMS("-authentication_jwt_verification", "authentication_jwt_verification", 3000,
                     20971520, 10),
    OPERATION_ALARMS("-chat_message_processing", "chat_message_processing", 1000, 31457280, 5),
    CIRCUIT_ALARM("cognito", "verifyJWT"),
    CIRCUIT_ALARM("apigateway-management", "postToConnection"),
    CIRCUIT_ALARM("dynamodb", "storeUserMessage"),
    CIRCUIT_ALARM("dynamodb", "storeBotMessage"),
    CIRCUIT_ALARM("dynamodb", "storeConnection"),
    CIRCUIT_ALARM("dynamodb", "removeConnection"),
    {"StreamIteratorAgeAlarm",
     METRIC_STREAM_AGE,
     WSRT_ALARM_LIMIT,
     {"stream_processor"},
     "Maximum",
     60,
     3,
     60000,
     0,
     "Change records wait too long to be processed"},
    {"StreamFunctionIteratorAgeAlarm",
     METRIC_LAMBDA_ITERATOR_AGE,
     WSRT_ALARM_LIMIT,
     {NULL},
     "Maximum",
     60,
     3,
     60000,
     0,
     "Change records wait too long to be processed"},
    TREND_ALARM("", "websocket_conversation"),
    TREND_ALARM("-websocket_connection", "websocket_connection"),
    TREND_ALARM("-authentication_jwt_verification", "authentication_jwt_verification"),
    TREND_ALARM("-chat_message_processing", "chat_message_processing"),
};

double wsrt_catalogue_limit(int operation, int watched)
{
    const struct alarm *a = &alarms[operation * OPERATION_LIMITS + watched - WSRT_WATCH_DURATION];

    switch (watched) {
    case WSRT_WATCH_DURATION:
        return a->threshold * 1e6;
    case WSRT_WATCH_ERROR_RATE:
        return a->threshold / 100;
    default:
        return a->threshold;
    }
}

int wsrt_catalogue_alarm(size_t index, wsrt_alarm_info *out)
{
    if (out == NULL)
        return WSRT_ERR_INVALID;
    if (index >= COUNT_OF(alarms))
        return WSRT_ERR_NOT_FOUND;
    const struct alarm *a = &alarms[index];
    const wsrt_alarm_info info = {
        .kind = a->kind,
        .id_cstr = a->id,
        .metric = a->metric,
        .period = a->period,
        .periods = a->periods,
        .statistic_cstr = a->statistic,
        .values = a->values,
        .threshold = a->threshold,
        .warning = a->warning,
        .description_cstr = a->description,
    };
    return wsrt_report_fill(out, sizeof info, sizeof info, &info);
}

/* ---- graphs ---- */

struct line {
    const char *title;
    enum metric_id metric;
    const char *handler; /* NULL = open */
    const char *statistic;
    uint32_t place; /* 0.. in full dashboards, two a row */
    int full;
};

enum { GRAPH_WIDTH = 12, GRAPH_HEIGHT = 6, BASIC_GRAPHS = 3 };

#define BASIC(place, title, which, handler)                                                        \
    {                                                                                              \
        title, which, handler, "Average", place, 0                                                 \
    }
#define FULL(place, title, which, statistic)                                                       \
    {                                                                                              \
        title, which, NULL, statistic, place, 1                                                    \
    }

static const struct line lines[] = {
    BASIC(0, "Handler Duration", METRIC_DURATION, "websocket_conversation"),
    BASIC(0, "Handler Duration", METRIC_DURATION, "websocket_connection"),
    BASIC(1, "Memory Usage", METRIC_MEMORY, "websocket_conversation"),
    BASIC(2, "Error Rate", METRIC_ERROR_RATE, "websocket_conversation"),
    FULL(0, "Duration by Operation", METRIC_DURATION, "Average"),
    FULL(1, "Duration by Operation, p95", METRIC_DURATION, "p95"),
    FULL(2, "Duration by Operation, p99", METRIC_DURATION, "p99"),
    FULL(3, "Memory by Operation", METRIC_MEMORY, "Average"),
    FULL(4, "Error Rate by Operation", METRIC_ERROR_RATE, "Average"),
    FULL(5, "Errors and Warnings", METRIC_ERRORS, "Sum"),
    FULL(5, "Errors and Warnings", METRIC_WARNINGS, "Sum"),
    FULL(6, "Calls", METRIC_EXTERNAL_CALLS, "Sum"),
    FULL(6, "Calls", METRIC_DATABASE_CALLS, "Sum"),
    FULL(7, "In Flight", METRIC_IN_FLIGHT, "Maximum"),
    FULL(8, "Conversations", METRIC_MESSAGES_PER_MINUTE, "Average"),
    FULL(8, "Conversations", METRIC_TYPE_AUTH, "Sum"),
    FULL(8, "Conversations", METRIC_TYPE_MESSAGE, "Sum"),
    FULL(8, "Conversations", METRIC_TYPE_PING, "Sum"),
    FULL(9, "Message Length", METRIC_MESSAGE_LENGTH, "Average"),
    FULL(10, "Connections Made and Ended", METRIC_CONNECTIONS_PER_MINUTE, "Average"),
    FULL(10, "Connections Made and Ended", METRIC_DISCONNECT_NORMAL, "Sum"),
    FULL(10, "Connections Made and Ended", METRIC_DISCONNECT_ERROR, "Sum"),
    FULL(10, "Connections Made and Ended", METRIC_DISCONNECT_TIMEOUT, "Sum"),
    FULL(11, "Connection Duration", METRIC_CONNECTION_DURATION, "Average"),
    FULL(12, "Token Verifications", METRIC_VERIFICATIONS_PER_MINUTE, "Average"),
    FULL(12, "Token Verifications", METRIC_TOKEN_MISSING, "Sum"),
    FULL(12, "Token Verifications", METRIC_TOKEN_EXPIRED, "Sum"),
    FULL(12, "Token Verifications", METRIC_TOKEN_INVALID, "Sum"),
    FULL(12, "Token Verifications", METRIC_TOKEN_OTHER, "Sum"),
    FULL(13, "Success Rates", METRIC_AUTHENTICATION_SUCCESS, "Average"),
    FULL(13, "Success Rates", METRIC_VERIFICATION_SUCCESS, "Average"),
    FULL(14, "Chat Messages", METRIC_PROCESSED_PER_MINUTE, "Average"),
    FULL(14, "Chat Messages", METRIC_DATABASE_PER_MESSAGE, "Average"),
    FULL(15, "Chat Processing Time", METRIC_PROCESSING_TIME, "Average"),
    FULL(16, "Circuit State", METRIC_CIRCUIT_STATE, "Maximum"),
    FULL(17, "Circuit Failure Rate", METRIC_CIRCUIT_FAILURE_RATE, "Maximum"),
    FULL(18, "Circuit Rejections", METRIC_CIRCUIT_REJECTED, "Sum"),
    FULL(19, "Rate Limits", METRIC_RATE_LIMITED, "Sum"),
    FULL(19, "Rate Limits", METRIC_RATE_LIMIT_SHADOW, "Sum"),
    FULL(19, "Rate Limits", METRIC_LIMITER_FULL, "Sum"),
    FULL(20, "Connections", METRIC_CONNECTIONS_ACTIVE, "Maximum"),
    FULL(20, "Connections", METRIC_CONNECTS, "Sum"),
    FULL(20, "Connections", METRIC_DISCONNECTS, "Sum"),
    FULL(20, "Connections", METRIC_STALE_REMOVED, "Sum"),
    FULL(21, "Messages", METRIC_MESSAGES, "Sum"),
    FULL(21, "Messages", METRIC_SEND_FAILURES, "Sum"),
    FULL(21, "Messages", METRIC_INTEGRATION_ERRORS, "Sum"),
    FULL(22, "Resident Memory", METRIC_RESIDENT, "Maximum"),
    FULL(23, "Stream Age", METRIC_STREAM_AGE, "Maximum"),
    FULL(24, "Store Capacity", METRIC_READ_UNITS, "Sum"),
    FULL(24, "Store Capacity", METRIC_WRITE_UNITS, "Sum"),
    FULL(25, "Lambda", METRIC_LAMBDA_INVOCATIONS, "Sum"),
    FULL(25, "Lambda", METRIC_LAMBDA_ERRORS, "Sum"),
    FULL(26, "Lambda Iterator Age", METRIC_LAMBDA_ITERATOR_AGE, "Maximum"),
    FULL(27, "DynamoDB Capacity", METRIC_DYNAMODB_READ_UNITS, "Sum"),
    FULL(27, "DynamoDB Capacity", METRIC_DYNAMODB_WRITE_UNITS, "Sum"),
    FULL(28, "API Gateway", METRIC_GATEWAY_CONNECTS, "Sum"),
    FULL(28, "API Gateway", METRIC_GATEWAY_MESSAGES, "Sum"),
    FULL(28, "API Gateway", METRIC_GATEWAY_ERRORS, "Sum"),
};

int wsrt_catalogue_line(size_t index, wsrt_line_info *out)
{
    if (out == NULL)
        return WSRT_ERR_INVALID;
    if (index >= COUNT_OF(lines))
        return WSRT_ERR_NOT_FOUND;
    const struct line *l = &lines[index];
    const wsrt_line_info info = {
        .full = l->full,
        .metric = l->metric,
        .x = l->full ? l->place % 2 * GRAPH_WIDTH : 0,
        .y = l->full ? (BASIC_GRAPHS + l->place / 2) * GRAPH_HEIGHT : l->place * GRAPH_HEIGHT,
        .width = GRAPH_WIDTH,
        .height = GRAPH_HEIGHT,
        .title_cstr = l->title,
        .handler_cstr = l->handler,
        .statistic_cstr = l->statistic,
    };
    return wsrt_report_fill(out, sizeof info, sizeof info, &info);
}
