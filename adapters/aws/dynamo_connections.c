/* Single connections in a table: every change is one conditional request. */
#include "aws/dynamo.h"

#include <string.h>

/* The record that a request is about. */
struct subject {
    const wsrt_aws_tables *t;
    wsrt_span id;
    const wsrt_record *record;
};

static void write_item(wsrt_json_writer *w, const void *arg)
{
    const struct subject *s = arg;

    wsrt_json_key(w, "Item");
    wsrt_json_object(w);
    wsrt_dynamo_write_connection_key(w, s->t, s->id);
    wsrt_dynamo_write_record(w, s->t, s->record);
    wsrt_json_object_end(w);
}

static void write_key(wsrt_json_writer *w, const void *arg)
{
    const struct subject *s = arg;

    wsrt_json_key(w, "Key");
    wsrt_json_object(w);
    wsrt_dynamo_write_connection_key(w, s->t, s->id);
    wsrt_json_object_end(w);
}

static void write_consistent_key(wsrt_json_writer *w, const void *arg)
{
    write_key(w, arg);
    wsrt_json_key(w, "ConsistentRead");
    wsrt_json_write_bool(w, 1);
}

/* ---- storing ------------------------------------------------------------------------------- */

static int is_utf8(wsrt_span text)
{
    wsrt_json_writer w;

    wsrt_json_writer_init(&w, NULL, 0, 0);
    wsrt_json_string(&w, text);
    return wsrt_json_finish(&w, NULL) != WSRT_ERR_MALFORMED;
}

static int get_record(wsrt_aws_tables *t, wsrt_span id, int64_t deadline, wsrt_record *out,
                      char *text)
{
    const struct subject s = {t, id, NULL};
    wsrt_dynamo_request q = {.operation = "GetItem",
                             .table = t->connections,
                             .more = write_consistent_key,
                             .arg = &s,
                             .deadline = deadline};
    wsrt_aws_answer answer;
    wsrt_json body, item;

    int rc = wsrt_dynamo_ask(t, &q, &answer, &body);
    if (rc == WSRT_OK)
        rc = wsrt_json_find(&body, wsrt_span_cstr("/Item"), &item);
    if (rc == WSRT_OK && !wsrt_dynamo_read_record(t, &item, out, text))
        rc = WSRT_ERR_CORRUPT;
    wsrt_aws_answer_free(t->a, &answer);
    return rc;
}

/* An attempt whose answer was lost may have stored the record that stands in its own way. */
static int look_whose(wsrt_aws_tables *t, const wsrt_record *in, int64_t deadline)
{
    char text[WSRT_DYNAMO_RECORD_TEXT];
    wsrt_record there;
    int rc = get_record(t, in->connection_id, deadline, &there, text);

    if (rc != WSRT_OK)
        return rc == WSRT_ERR_NOT_FOUND ? WSRT_ERR_EXISTS : rc; /* another's, gone by now */
    return there.connected_at == in->connected_at && there.last_active_at == in->last_active_at &&
                   there.expires_at == in->expires_at && wsrt_span_equal(there.user_id, in->user_id)
               ? WSRT_OK
               : WSRT_ERR_EXISTS;
}

static int put(void *self, const wsrt_record *record, int if_absent, int64_t now_s)
{
    wsrt_aws_tables *t = self;
    wsrt_record in = {.struct_size = sizeof in};
    wsrt_aws_answer answer;
    wsrt_json body;
    int rc = wsrt_record_load(&in, record);

    if (rc != WSRT_OK)
        return rc;
    if (!wsrt_dynamo_expiry_ok(in.expires_at) || !is_utf8(in.user_id))
        return WSRT_ERR_INVALID;
    const struct subject s = {t, in.connection_id, &in};
    wsrt_dynamo_request q = {.operation = "PutItem",
                             .table = t->connections,
                             .more = write_item,
                             .arg = &s,
                             .mends = 1,
                             .deadline = wsrt_dynamo_deadline(t)};
    if (if_absent) {
        q.condition = "attribute_not_exists(#p) OR #t <= :now";
        q.names[0].alias = "#p";
        q.names[0].name = t->partition_key;
        q.names[1].alias = "#t";
        q.names[1].name = t->ttl;
        q.values[0] = (wsrt_dynamo_value){.alias = ":now", .type = "N", .number = now_s};
    }
    rc = wsrt_dynamo_ask(t, &q, &answer, &body);
    if (rc == WSRT_ERR_EXISTS && answer.repeated)
        rc = look_whose(t, &in, q.deadline);
    wsrt_aws_answer_free(t->a, &answer);
    return rc;
}

static int get(void *self, const wsrt_span *id, int64_t now_s, wsrt_record *out, char *buf,
               size_t cap)
{
    char text[WSRT_DYNAMO_RECORD_TEXT];
    wsrt_record r;
    wsrt_page page;

    if (!wsrt_adapter_id_ok(id) || wsrt_page_start(&page, out, sizeof *out, 1) != WSRT_OK ||
        wsrt_page_text(&page, buf, cap) != WSRT_OK)
        return WSRT_ERR_INVALID;
    int rc = get_record(self, *id, wsrt_dynamo_deadline(self), &r, text);
    if (rc == WSRT_OK && r.expires_at != 0 && r.expires_at <= now_s)
        rc = WSRT_ERR_NOT_FOUND;
    if (rc != WSRT_OK)
        return rc;
    wsrt_span *const texts[] = {&r.connection_id, &r.user_id, &r.principal, &r.source_ip,
                                &r.user_agent,    &r.filters, &r.node};
    return wsrt_page_add(&page, &r, sizeof r, texts, 7) ? WSRT_OK : WSRT_ERR_LIMIT;
}

static int remove_record(void *self, const wsrt_span *id, int64_t if_connected_at)
{
    wsrt_aws_tables *t = self;

    if (!wsrt_adapter_id_ok(id))
        return WSRT_ERR_INVALID;
    const struct subject s = {t, *id, NULL};
    wsrt_dynamo_request q = {.operation = "DeleteItem",
                             .table = t->connections,
                             .more = write_key,
                             .arg = &s,
                             .deadline = wsrt_dynamo_deadline(t)};
    if (if_connected_at != 0) {
        q.condition = "#c = :c";
        q.names[0].alias = "#c";
        q.names[0].name = "connectedAt";
        q.values[0] = (wsrt_dynamo_value){.alias = ":c", .type = "N", .number = if_connected_at};
    }
    int rc = wsrt_dynamo_tell(t, &q);
    return rc == WSRT_ERR_EXISTS ? WSRT_OK : rc; /* absent, or another's by now */
}

/* ---- changes of a record that is there ------------------------------------------------------- */

static int found(int rc)
{
    return rc == WSRT_ERR_EXISTS ? WSRT_ERR_NOT_FOUND : rc;
}

static wsrt_dynamo_request update_of(wsrt_aws_tables *t, const struct subject *s)
{
    return (wsrt_dynamo_request){.operation = "UpdateItem",
                                 .table = t->connections,
                                 .condition = "attribute_exists(#p)",
                                 .names = {{"#p", t->partition_key}},
                                 .more = write_key,
                                 .arg = s,
                                 .deadline = wsrt_dynamo_deadline(t)};
}

static int touch(void *self, const wsrt_span *id, int64_t last_active_at, int64_t expires_at)
{
    wsrt_aws_tables *t = self;

    if (!wsrt_adapter_id_ok(id) || !wsrt_dynamo_expiry_ok(expires_at))
        return WSRT_ERR_INVALID;
    const struct subject s = {t, *id, NULL};
    wsrt_dynamo_request q = update_of(t, &s);
    int64_t now_s = last_active_at / 1000 - (last_active_at % 1000 < 0);
    q.condition = "attribute_exists(#p) AND (attribute_not_exists(#t) OR #t > :now)";
    q.update = expires_at == 0 ? "SET #a = :a REMOVE #t" : "SET #a = :a, #t = :t";
    q.names[1].alias = "#t";
    q.names[1].name = t->ttl;
    q.names[2].alias = "#a";
    q.names[2].name = "lastActiveAt";
    q.values[0] = (wsrt_dynamo_value){.alias = ":now", .type = "N", .number = now_s};
    q.values[1] = (wsrt_dynamo_value){.alias = ":a", .type = "N", .number = last_active_at};
    if (expires_at != 0)
        q.values[2] = (wsrt_dynamo_value){.alias = ":t", .type = "N", .number = expires_at};
    return found(wsrt_dynamo_tell(t, &q));
}

/* Sets or, empty, removes both; DynamoDB refuses an alias that is not used. */
static int set_principal(void *self, const wsrt_span *id, const wsrt_span *user_id,
                         const wsrt_span *principal)
{
    static const char *const updates[] = {"REMOVE #u, #c", "SET #c = :c REMOVE #u",
                                          "SET #u = :u REMOVE #c", "SET #u = :u, #c = :c"};
    wsrt_aws_tables *t = self;
    size_t n = 0;

    if (!wsrt_adapter_id_ok(id) || user_id == NULL || principal == NULL ||
        !wsrt_adapter_fits(*user_id, 0, WSRT_USER_ID_MAX) ||
        !wsrt_adapter_fits(*principal, 0, WSRT_PRINCIPAL_MAX))
        return WSRT_ERR_INVALID;
    const struct subject s = {t, *id, NULL};
    wsrt_dynamo_request q = update_of(t, &s);
    q.update = updates[2 * (user_id->len > 0) + (principal->len > 0)];
    q.names[1].alias = "#u";
    q.names[1].name = "userId";
    q.names[2].alias = "#c";
    q.names[2].name = "principal";
    if (user_id->len > 0)
        q.values[n++] = (wsrt_dynamo_value){.alias = ":u", .type = "S", .text = *user_id};
    if (principal->len > 0)
        q.values[n++] = (wsrt_dynamo_value){.alias = ":c", .type = "B", .text = *principal};
    return found(wsrt_dynamo_tell(t, &q));
}

static int set_filters(void *self, const wsrt_span *id, const wsrt_span *filters)
{
    wsrt_aws_tables *t = self;

    if (!wsrt_adapter_id_ok(id) || filters == NULL ||
        !wsrt_adapter_fits(*filters, 0, WSRT_FILTERS_MAX))
        return WSRT_ERR_INVALID;
    const struct subject s = {t, *id, NULL};
    wsrt_dynamo_request q = update_of(t, &s);
    q.update = filters->len > 0 ? "SET #f = :f" : "REMOVE #f";
    q.names[1].alias = "#f";
    q.names[1].name = "filters";
    if (filters->len > 0)
        q.values[0] = (wsrt_dynamo_value){.alias = ":f", .type = "B", .text = *filters};
    return found(wsrt_dynamo_tell(t, &q));
}

const wsrt_store_ops wsrt_dynamo_connection_ops = {
    .struct_size = sizeof(wsrt_store_ops),
    .put = put,
    .get = get,
    .remove = remove_record,
    .touch = touch,
    .set_principal = set_principal,
    .set_filters = set_filters,
    .each = wsrt_dynamo_each,
    .count = wsrt_dynamo_count,
};
