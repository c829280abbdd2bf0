/* Errors made from what a service or a database said. */
#include "error/types.h"

#include "base/options.h"

#include <string.h>

/* Details under way. */
struct list {
    wsrt_field *fields;
    size_t count;
};

static void add_text(struct list *l, const char *name, wsrt_span text)
{
    if (text.len > 0)
        l->fields[l->count++] =
            (wsrt_field){.name_cstr = name, .kind = WSRT_FIELD_TEXT, .text = text};
}

static void add_int(struct list *l, const char *name, int64_t number)
{
    l->fields[l->count++] =
        (wsrt_field){.name_cstr = name, .kind = WSRT_FIELD_INT, .number = number};
}

static void add_real(struct list *l, const char *name, double real)
{
    l->fields[l->count++] = (wsrt_field){.name_cstr = name, .kind = WSRT_FIELD_REAL, .real = real};
}

static int service_type(const wsrt_service_failure *why)
{
    const struct wsrt_service_row *known = wsrt_error_service(why->service);

    if (known != NULL)
        return known->type;
    return why->status == WSRT_ERR_TIMEOUT ? WSRT_ERROR_TIMEOUT : WSRT_ERROR_EXTERNAL_SERVICE;
}

static void add_service(struct list *l, const wsrt_service_failure *why)
{
    add_text(l, "service", why->service);
    add_text(l, "operation", why->operation);
    add_text(l, "state", why->state);
    if (why->total_requests > 0) {
        add_real(l, "failureRate", why->failure_rate);
        add_int(l, "totalRequests",
                why->total_requests > INT64_MAX ? INT64_MAX : (int64_t)why->total_requests);
    }
    if (why->next_attempt > 0)
        add_int(l, "nextAttemptTime", why->next_attempt);
}

/* 0 = it has come. */
static int64_t time_until(int64_t then, int64_t now)
{
    int64_t left;

    if (then <= now)
        return 0;
    return __builtin_sub_overflow(then, now, &left) ? INT64_MAX : left;
}

int wsrt_error_from_service(wsrt_error *e, const wsrt_service_failure *why, wsrt_field *details)
{
    wsrt_service_failure in;
    struct list l = {details, 0};

    if (why == NULL || details == NULL || !wsrt_size_valid(e, sizeof *e))
        return WSRT_ERR_INVALID;
    int rc = wsrt_options_load(&in, sizeof in, sizeof in, why);
    if (rc < 0)
        return rc;
    if (in.status >= 0)
        return WSRT_ERR_INVALID;
    add_service(&l, &in);
    int open = in.status == WSRT_ERR_CIRCUIT_OPEN;
    e->type = service_type(&in);
    e->code = open ? wsrt_span_cstr("CIRCUIT_OPEN") : (wsrt_span){0};
    e->http_status = open ? 503 : 0;
    e->retry_after_ms = open ? time_until(in.next_attempt, e->wall) : 0;
    e->details = l.fields;
    e->detail_count = l.count;
    return WSRT_OK;
}

int wsrt_error_from_database(wsrt_error *e, wsrt_span engine, wsrt_span name, wsrt_span operation,
                             wsrt_field *details)
{
    struct list l = {details, 0};

    if (details == NULL || !wsrt_size_valid(e, sizeof *e) ||
        (engine.ptr == NULL && engine.len > 0) || (name.ptr == NULL && name.len > 0))
        return WSRT_ERR_INVALID;
    const wsrt_suggestion *row = wsrt_suggestion_named(engine, &name);
    add_text(&l, "engine", engine);
    add_text(&l, "code", name);
    add_text(&l, "operation", operation);
    if (row != NULL)
        add_text(&l, "suggestion", wsrt_span_cstr(row->text_cstr));
    e->type = WSRT_ERROR_DATABASE;
    e->http_status = row == NULL ? 0 : row->http_status;
    e->retry_after_ms = row == NULL ? 0 : row->retry_after_ms;
    e->flags &= ~(uint32_t)(WSRT_ERROR_RETRYABLE | WSRT_ERROR_NOT_RETRYABLE);
    if (row != NULL && row->retry_after_ms < 0)
        e->flags |= WSRT_ERROR_NOT_RETRYABLE;
    e->details = l.fields;
    e->detail_count = l.count;
    return WSRT_OK;
}
