/* The one catalogue of metrics, alarms and graphs. Exporters, sources and the templates of the tool all
 * read it, so that what is published and what is watched have the same names, units and dimensions. */
#ifndef WSRT_SRC_MONITOR_CATALOGUE_H
#define WSRT_SRC_MONITOR_CATALOGUE_H

#include <wsrt/monitor.h>

/* What a value is inside, and so how it is converted. */
enum unit {
    UNIT_NONE, /* counts and levels: as they are */
    UNIT_BYTES,
    UNIT_RATIO,         /* fractions; CloudWatch's Percent */
    UNIT_SECONDS_OF_MS, /* ms, as in CloudWatch; Prometheus has seconds */
    UNIT_SECONDS_OF_NS, /* ns; CloudWatch has ms, Prometheus seconds */
};

enum metric_id {
    METRIC_DURATION,
    METRIC_MEMORY,
    METRIC_ERROR_RATE,
    METRIC_SUCCESS,
    METRIC_ERRORS,
    METRIC_WARNINGS,
    METRIC_EXTERNAL_CALLS,
    METRIC_DATABASE_CALLS,
    METRIC_REQUEST_SIZE,
    METRIC_RESPONSE_SIZE,
    METRIC_CPU,
    METRIC_IN_FLIGHT,
    METRIC_SATURATION, /* the first that a source may give */
    METRIC_CIRCUIT_STATE,
    METRIC_CIRCUIT_FAILURE_RATE,
    METRIC_CIRCUIT_FAILURES,
    METRIC_CIRCUIT_SUCCESSES,
    METRIC_CIRCUIT_REQUESTS,
    METRIC_CIRCUIT_REJECTED,
    METRIC_CIRCUIT_TRANSITIONS,
    METRIC_LAST_FAILURE,
    METRIC_LAST_SUCCESS,
    METRIC_NEXT_ATTEMPT,
    METRIC_CONNECTIONS_ACTIVE,
    METRIC_CONNECTS,
    METRIC_DISCONNECTS,
    METRIC_MESSAGES,
    METRIC_INTEGRATION_ERRORS,
    METRIC_SEND_FAILURES,
    METRIC_STALE_REMOVED,
    METRIC_RESIDENT,
    METRIC_RATE_LIMITED,
    METRIC_RATE_LIMIT_SHADOW,
    METRIC_LIMITER_FULL,
    METRIC_STREAM_AGE,
    METRIC_READ_UNITS,
    METRIC_WRITE_UNITS,
    METRIC_UNGUARDED,
    METRIC_REDACTIONS, /* the last that a source may give */
    METRIC_SERIES_DROPPED,
    METRIC_EXPORT_DROPPED,
    METRIC_EXPORT_APPROXIMATED,
    METRIC_ATTRIBUTES_DROPPED,
    METRIC_CLOCK_BACKWARDS,
    METRIC_BUSINESS, /* the first of BUSINESS_METRICS, in the order of business.c */
    METRIC_MESSAGES_PER_MINUTE = METRIC_BUSINESS,
    METRIC_MESSAGE_LENGTH,
    METRIC_AUTHENTICATION_SUCCESS,
    METRIC_TYPE_AUTH,
    METRIC_TYPE_MESSAGE,
    METRIC_TYPE_PING,
    METRIC_CONNECTIONS_PER_MINUTE,
    METRIC_CONNECTION_DURATION,
    METRIC_DISCONNECT_NORMAL,
    METRIC_DISCONNECT_ERROR,
    METRIC_DISCONNECT_TIMEOUT,
    METRIC_VERIFICATIONS_PER_MINUTE,
    METRIC_VERIFICATION_SUCCESS,
    METRIC_TOKEN_MISSING,
    METRIC_TOKEN_EXPIRED,
    METRIC_TOKEN_INVALID,
    METRIC_TOKEN_OTHER,
    METRIC_PROCESSED_PER_MINUTE,
    METRIC_PROCESSING_TIME,
    METRIC_DATABASE_PER_MESSAGE,
    METRIC_AWS, /* the first of AWS's own */
    METRIC_LAMBDA_INVOCATIONS = METRIC_AWS,
    METRIC_LAMBDA_ERRORS,
    METRIC_LAMBDA_ITERATOR_AGE,
    METRIC_DYNAMODB_READ_UNITS,
    METRIC_DYNAMODB_WRITE_UNITS,
    METRIC_GATEWAY_CONNECTS,
    METRIC_GATEWAY_MESSAGES,
    METRIC_GATEWAY_ERRORS,
    METRICS
};

enum { MAX_DIMENSIONS = 3 };

struct dimensions {
    size_t count;
    const char *names[MAX_DIMENSIONS];
};

struct metric {
    const char *row;
    const char *name;         /* as registered and in CloudWatch */
    const char *service_name; /* in the preset SERVICE; NULL = not in it */
    const char *cloudwatch;   /* its unit there; NULL = not there */
    const char *prometheus;   /* without _total; NULL = not there */
    const char *family;       /* as it stands there */
    const char *sum;          /* two series, or NULL: an average is a quotient of their rates */
    const char *count;
    const char *selector; /* a further label of `family`, or of `sum` */
    const char *help;
    const struct dimensions *dimensions;
    const char *values[MAX_DIMENSIONS]; /* of dimensions that are fixed; NULL = open */
    enum unit unit;
    int form; /* a wsrt_metric_form */
};

const struct metric *wsrt_metric_of(enum metric_id id);
/* Whether a metric of the catalogue has the name, whole or before a dot. */
int wsrt_metric_is_named(const char *name);
/* What a source may give; NULL = a metric of the user's own. */
const struct metric *wsrt_metric_find(const char *name);
/* The critical limit of a built-in operation, as a threshold has it. */
double wsrt_catalogue_limit(int operation, int watched);
/* "ConnectionsActive" as "connections_active"; `to` holds 2 * strlen(name) + 1 bytes. */
void wsrt_snake_case(char *to, const char *name);
/* As Prometheus has it: a name that ends in "Total" is the same without. */
enum { MAX_FAMILY = 2 * 63 + 1 };
void wsrt_name_abroad(char to[MAX_FAMILY], const char *name);
int wsrt_is_named_abroad(const char *a, const char *b);

#endif
