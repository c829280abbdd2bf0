#include "monitor/catalogue.h"

#include <string.h>

static const struct metric metrics[] = {
    {"CircuitState", "wsrt_circuit_state", UNIT_NONE,
     "State of a circuit breaker: 0 closed, 1 half-open, 2 open."},
    {"CircuitFailureRate", "wsrt_circuit_failure_ratio", UNIT_RATIO,
     "Failures among the requests in a circuit breaker's window."},
    {"CircuitFailures", "wsrt_circuit_failures", UNIT_NONE, "Failed calls a breaker counted."},
    {"CircuitSuccesses", "wsrt_circuit_successes", UNIT_NONE,
     "Successful calls a breaker counted."},
    {"CircuitRequests", "wsrt_circuit_requests", UNIT_NONE, "Calls a breaker counted."},
    {"CircuitRejected", "wsrt_circuit_rejected", UNIT_NONE, "Calls a breaker refused."},
    {"CircuitTransitions", "wsrt_circuit_transitions", UNIT_NONE, "Changes of a breaker's state."},
    {"lastFailureTime", "wsrt_circuit_last_failure_timestamp_seconds", UNIT_SECONDS_OF_MS,
     "Unix time of a breaker's last failure."},
    {"lastSuccessTime", "wsrt_circuit_last_success_timestamp_seconds", UNIT_SECONDS_OF_MS,
     "Unix time of a breaker's last success."},
    {"nextAttemptTime", "wsrt_circuit_next_attempt_timestamp_seconds", UNIT_SECONDS_OF_MS,
     "Unix time at which an open breaker lets a call through."},
    {"ConnectionsActive", "wsrt_transport_connections_active", UNIT_NONE, "Open connections."},
    {"ConnectCount", "wsrt_transport_connect_count", UNIT_NONE, "Connections accepted."},
    {"DisconnectCount", "wsrt_transport_disconnect_count", UNIT_NONE, "Connections that ended."},
    {"MessageCount", "wsrt_transport_message_count", UNIT_NONE,
     "Messages from clients and to clients."},
    {"IntegrationErrors", "wsrt_transport_integration_errors", UNIT_NONE,
     "Events a handler answered with a server error."},
    {"SendFailures", "wsrt_transport_send_failures", UNIT_NONE,
     "Messages that could not be delivered."},
    {"StaleConnectionsRemoved", "wsrt_transport_stale_connections_removed", UNIT_NONE,
     "Records of connections that had gone."},
    {"ProcessResidentBytes", "wsrt_transport_process_resident_bytes", UNIT_BYTES,
     "Resident memory of the process."},
    {"RateLimited", "wsrt_limiter_rate_limited", UNIT_NONE, "Events the rate limiter refused."},
    {"RateLimitShadow", "wsrt_limiter_rate_limit_shadow", UNIT_NONE,
     "Events a dry-run limit would have refused."},
    {"LimiterTableFull", "wsrt_limiter_table_full", UNIT_NONE,
     "Decisions made without a slot in the limiter's table."},
    {"StreamIteratorAge", "wsrt_stream_iterator_age_seconds", UNIT_SECONDS_OF_MS,
     "Age of the oldest change record of the last batch."},
    {"ConsumedReadCapacityUnits", "wsrt_store_consumed_read_capacity_units", UNIT_NONE,
     "Read capacity the store consumed."},
    {"ConsumedWriteCapacityUnits", "wsrt_store_consumed_write_capacity_units", UNIT_NONE,
     "Write capacity the store consumed."},
    {"Redactions", "wsrt_self_redactions", UNIT_NONE, "Secrets taken out of free text."},
};

const struct metric *wsrt_metric_find(const char *name)
{
    for (size_t i = 0; i < sizeof metrics / sizeof metrics[0]; i++)
        if (strcmp(metrics[i].name, name) == 0)
            return &metrics[i];
    return NULL;
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
