#include "monitor/business.h"

/* What a metric is made of: `a` alone or divided by `b`. */
enum form {
    MINUTE,
    VALUE_COUNT,
    ERROR_COUNT,
    NUMBER_MEAN,
    VALUE_RATE,
    OUTCOME_RATE,
    TIME_MEAN,
    CALL_MEAN
};

static const struct {
    const char *name;
    const char *category;
    int operation;
    enum form form;
    int which;         /* a category or a number */
    const char *value; /* of the category */
} metrics[BUSINESS_METRICS] = {
    {"messagesPerMinute", NULL, WSRT_OP_CONVERSATION, MINUTE, 0, NULL},
    {"averageMessageLength", NULL, WSRT_OP_CONVERSATION, NUMBER_MEAN, MESSAGE_LENGTH, NULL},
    {"authenticationSuccessRate", NULL, WSRT_OP_CONVERSATION, VALUE_RATE, MESSAGE_TYPE, "auth"},
    {"messageTypes", "auth", WSRT_OP_CONVERSATION, VALUE_COUNT, MESSAGE_TYPE, "auth"},
    {"messageTypes", "message", WSRT_OP_CONVERSATION, VALUE_COUNT, MESSAGE_TYPE, "message"},
    {"messageTypes", "ping", WSRT_OP_CONVERSATION, VALUE_COUNT, MESSAGE_TYPE, "ping"},
    {"connectionsPerMinute", NULL, WSRT_OP_CONNECTION, MINUTE, 0, NULL},
    {"averageConnectionDuration", NULL, WSRT_OP_CONNECTION, NUMBER_MEAN, CONNECTION_DURATION, NULL},
    {"disconnectReasons", "normal", WSRT_OP_CONNECTION, VALUE_COUNT, DISCONNECT_REASON, "normal"},
    {"disconnectReasons", "error", WSRT_OP_CONNECTION, VALUE_COUNT, DISCONNECT_REASON, "error"},
    {"disconnectReasons", "timeout", WSRT_OP_CONNECTION, VALUE_COUNT, DISCONNECT_REASON, "timeout"},
    {"verificationAttemptsPerMinute", NULL, WSRT_OP_JWT_VERIFICATION, MINUTE, 0, NULL},
    {"successRate", NULL, WSRT_OP_JWT_VERIFICATION, OUTCOME_RATE, 0, NULL},
    {"errorTypes", "MISSING_TOKEN", WSRT_OP_JWT_VERIFICATION, ERROR_COUNT, 0, "MISSING_TOKEN"},
    {"errorTypes", "TOKEN_EXPIRED", WSRT_OP_JWT_VERIFICATION, ERROR_COUNT, 0, "TOKEN_EXPIRED"},
    {"errorTypes", "INVALID_TOKEN", WSRT_OP_JWT_VERIFICATION, ERROR_COUNT, 0, "INVALID_TOKEN"},
    {"errorTypes", "other", WSRT_OP_JWT_VERIFICATION, ERROR_COUNT, 0, NULL},
    {"messagesProcessedPerMinute", NULL, WSRT_OP_CHAT_MESSAGE, MINUTE, 0, NULL},
    {"averageProcessingTime", NULL, WSRT_OP_CHAT_MESSAGE, TIME_MEAN, 0, NULL},
    {"databaseOperationsPerMessage", NULL, WSRT_OP_CHAT_MESSAGE, CALL_MEAN, 0, NULL},
};

int wsrt_business_tells(const struct value *v)
{
    wsrt_span text = {v->text, v->len};

    for (int i = 0; i < BUSINESS_METRICS; i++)
        if ((metrics[i].form == VALUE_COUNT || metrics[i].form == VALUE_RATE) &&
            metrics[i].operation == v->operation && metrics[i].which == v->category &&
            wsrt_span_equal(text, wsrt_span_cstr(metrics[i].value)))
            return 1;
    return v->category == EVENT_TYPE && wsrt_span_equal(text, wsrt_span_cstr("connect"));
}

/* Of one value of a category. */
static struct value_view count_of(const wsrt_snapshot *s, int id, int category, const char *value)
{
    for (size_t i = 0; i < s->value_count; i++) {
        const struct value *v = s->values[i].value;
        if (v->operation == id && v->category == category &&
            wsrt_span_equal((wsrt_span){v->text, v->len}, wsrt_span_cstr(value)))
            return s->values[i];
    }
    return (struct value_view){NULL, 0, 0};
}

/* Errors of a category; NULL = of none of those named in the table. */
static uint64_t errors_of(const wsrt_snapshot *s, int id, const char *category)
{
    uint64_t others = s->operations[id].sums.counters[ERROR_CALLS];

    if (category != NULL)
        return count_of(s, id, ERROR_CATEGORY, category).all;
    for (int i = 0; i < BUSINESS_METRICS; i++) {
        uint64_t known = metrics[i].form == ERROR_COUNT && metrics[i].value != NULL
                             ? count_of(s, id, ERROR_CATEGORY, metrics[i].value).all
                             : 0;
        others = others > known ? others - known : 0;
    }
    return others;
}

static void set_quotient(struct business *b, double a, uint64_t n)
{
    b->is_known = n > 0;
    b->value = n > 0 ? a / (double)n : 0;
}

static void set_count(struct business *b, uint64_t n)
{
    b->is_known = 1;
    b->value = (double)n;
}

static void read_metric(const wsrt_snapshot *s, int which, struct business *b)
{
    int id = metrics[which].operation;
    const struct operation_view *v = &s->operations[id];
    const uint64_t *c = v->sums.counters;
    int part = metrics[which].which;
    struct value_view value;

    switch (metrics[which].form) {
    case MINUTE:
        b->is_known = s->minutes.complete;
        b->value = s->minutes.last[id];
        break;
    case VALUE_COUNT:
        set_count(b, count_of(s, id, part, metrics[which].value).all);
        break;
    case ERROR_COUNT:
        set_count(b, errors_of(s, id, metrics[which].value));
        break;
    case NUMBER_MEAN:
        set_quotient(b, (double)v->sums.sum[part], v->sums.count[part]);
        break;
    case VALUE_RATE:
        value = count_of(s, id, part, metrics[which].value);
        set_quotient(b, (double)value.good, value.all);
        break;
    case OUTCOME_RATE:
        set_quotient(b, (double)(c[SUCCEEDED] + c[WARNED]), c[SUCCEEDED] + c[WARNED] + c[FAILED]);
        break;
    case TIME_MEAN:
        set_quotient(b, (double)c[DURATION_SUM] / 1e6, v->count);
        break;
    case CALL_MEAN:
        set_quotient(b, (double)c[DATABASE_CALLS], v->count);
        break;
    }
}

void wsrt_business_read(const wsrt_snapshot *s, struct business out[BUSINESS_METRICS])
{
    for (int i = 0; i < BUSINESS_METRICS; i++) {
        out[i] = (struct business){.operation = metrics[i].operation,
                                   .name = metrics[i].name,
                                   .category = metrics[i].category};
        read_metric(s, i, &out[i]);
    }
}
