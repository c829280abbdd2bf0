/* Any JSON as an item of DynamoDB: what is read of it stays inside its memory and keeps the rules of the
 * stores, and written as an item it reads the same again. */
#include "target.h"

#include "aws/dynamo.h"

#include <stdlib.h>
#include <string.h>

enum { WRITTEN = 6 * WSRT_DYNAMO_ENTRY_TEXT };

static char text[WSRT_DYNAMO_ENTRY_TEXT], again[WSRT_DYNAMO_ENTRY_TEXT], written[WRITTEN];

static void require(int truth)
{
    if (!truth)
        abort();
}

static void require_held(wsrt_span span, size_t cap)
{
    require(span.len == 0 || ((uintptr_t)span.ptr >= (uintptr_t)text &&
                              (uintptr_t)span.ptr + span.len <= (uintptr_t)text + cap));
}

static void parse(const wsrt_json_writer *w, wsrt_json *item)
{
    wsrt_json_writer copy = *w;
    size_t len = 0;

    require(wsrt_json_finish(&copy, &len) == WSRT_OK);
    require(wsrt_json_parse(item, (wsrt_span){written, len}, NULL) == WSRT_OK);
}

static void try_record(const wsrt_aws_tables *t, const wsrt_json *item)
{
    wsrt_record r, same;
    wsrt_json_writer w;
    wsrt_json back;

    if (!wsrt_dynamo_read_record(t, item, &r, text))
        return;
    const wsrt_span texts[] = {r.connection_id, r.user_id, r.principal, r.source_ip,
                               r.user_agent,    r.filters, r.node};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        require_held(texts[i], WSRT_DYNAMO_RECORD_TEXT);
    require(wsrt_adapter_id_ok(&r.connection_id) && wsrt_dynamo_expiry_ok(r.expires_at));
    wsrt_json_writer_init(&w, written, sizeof written, 0);
    wsrt_json_object(&w);
    wsrt_dynamo_write_connection_key(&w, t, r.connection_id);
    wsrt_dynamo_write_record(&w, t, &r);
    wsrt_json_object_end(&w);
    parse(&w, &back);
    require(wsrt_dynamo_read_record(t, &back, &same, again));
    const wsrt_span others[] = {same.connection_id, same.user_id, same.principal, same.source_ip,
                                same.user_agent,    same.filters, same.node};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        require(wsrt_span_equal(texts[i], others[i]));
    require(r.expires_at == same.expires_at && r.connected_at == same.connected_at &&
            r.last_active_at == same.last_active_at && r.epoch == same.epoch);
}

static void try_entry(const wsrt_aws_tables *t, const wsrt_json *item)
{
    wsrt_history_entry e, same;
    wsrt_json_writer w;
    wsrt_json back;

    if (!wsrt_dynamo_read_entry(t, item, &e, text))
        return;
    const wsrt_span texts[] = {e.message_id, e.session_id, e.connection_id, e.user_id, e.content};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        require_held(texts[i], WSRT_DYNAMO_ENTRY_TEXT);
    wsrt_json_writer_init(&w, written, sizeof written, 0);
    wsrt_json_object(&w);
    wsrt_dynamo_write_message_key(&w, t, &e);
    wsrt_dynamo_write_entry(&w, t, &e);
    wsrt_json_object_end(&w);
    parse(&w, &back);
    require(wsrt_dynamo_read_entry(t, &back, &same, again));
    const wsrt_span others[] = {same.message_id, same.session_id, same.connection_id, same.user_id,
                                same.content};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        require(wsrt_span_equal(texts[i], others[i]));
    require(e.author == same.author && e.timestamp == same.timestamp &&
            e.expires_at == same.expires_at);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const wsrt_aws_tables in_a = {.shape = WSRT_AWS_SHAPE_A,
                                         .partition_key = "PK",
                                         .sort_key = "SK",
                                         .session_key = "sessionId",
                                         .message_key = "timestamp#messageId",
                                         .ttl = "ttl"};
    static const wsrt_aws_tables in_b = {
        .shape = WSRT_AWS_SHAPE_B, .shards = 3, .partition_key = "connectionId", .ttl = "ttl"};
    wsrt_json item;

    if (wsrt_json_parse(&item, (wsrt_span){(const char *)data, size}, NULL) != WSRT_OK)
        return 0;
    try_record(&in_a, &item);
    try_record(&in_b, &item);
    try_entry(&in_a, &item);
    return 0;
}
