/* Records and messages as items of a table, and back. What other writers put into the same table is
 * read as far as it makes sense: an attribute of another type counts as absent. */
#include "aws/dynamo.h"

#include "common/base64.h"

#include <stdio.h>
#include <string.h>

enum {
    LONGEST_AGENT_READ = 1024, /* is cut later */
    TIMESTAMP_DIGITS = 13,
    SLACK = 3 /* base64 decodes in groups */
};

#define NOT_SECONDS INT64_C(100000000000) /* the year 5138; milliseconds are beyond it */
#define LAST_TIMESTAMP INT64_C(9999999999999)

static const char connection_prefix[] = "CONNECTION#";

typedef enum part {
    OPTIONAL, /* not written when it is zero */
    ALWAYS,
    ORDERING /* always, and without it an item has no place in a walk */
} part;

/* One attribute and where it stands in a struct; NULL is the attribute of the expiry. */
typedef struct field {
    const char *name;
    const char *type;
    size_t offset;
    size_t most; /* bytes of a text */
    part part;
} field;

static const field record_fields[] = {
    {"userId", "S", offsetof(wsrt_record, user_id), WSRT_USER_ID_MAX, OPTIONAL},
    {"principal", "B", offsetof(wsrt_record, principal), WSRT_PRINCIPAL_MAX, OPTIONAL},
    {"sourceIp", "S", offsetof(wsrt_record, source_ip), WSRT_SOURCE_IP_MAX, OPTIONAL},
    {"userAgent", "S", offsetof(wsrt_record, user_agent), LONGEST_AGENT_READ, OPTIONAL},
    {"filters", "B", offsetof(wsrt_record, filters), WSRT_FILTERS_MAX, OPTIONAL},
    {"node", "S", offsetof(wsrt_record, node), WSRT_NODE_MAX, OPTIONAL},
    {"epoch", "N", offsetof(wsrt_record, epoch), 0, OPTIONAL},
    {"connectedAt", "N", offsetof(wsrt_record, connected_at), 0, ORDERING},
    {"lastActiveAt", "N", offsetof(wsrt_record, last_active_at), 0, ALWAYS},
    {NULL, "N", offsetof(wsrt_record, expires_at), 0, OPTIONAL},
};

static const field entry_fields[] = {
    {"messageId", "S", offsetof(wsrt_history_entry, message_id), WSRT_MESSAGE_ID_MAX, OPTIONAL},
    {"connectionId", "S", offsetof(wsrt_history_entry, connection_id), WSRT_CONNECTION_ID_MAX,
     OPTIONAL},
    {"userId", "S", offsetof(wsrt_history_entry, user_id), WSRT_USER_ID_MAX, OPTIONAL},
    {"content", "S", offsetof(wsrt_history_entry, content), WSRT_CONTENT_MAX, OPTIONAL},
    {"timestamp", "N", offsetof(wsrt_history_entry, timestamp), 0, ORDERING},
    {NULL, "N", offsetof(wsrt_history_entry, expires_at), 0, OPTIONAL},
};

enum {
    RECORD_FIELDS = sizeof record_fields / sizeof record_fields[0],
    ENTRY_FIELDS = sizeof entry_fields / sizeof entry_fields[0]
};

static const char *name_of(const wsrt_aws_tables *t, const field *f)
{
    return f->name != NULL ? f->name : t->ttl;
}

/* ---- writing ------------------------------------------------------------------------------- */

static void write_fields(wsrt_json_writer *w, const wsrt_aws_tables *t, const field *fields,
                         size_t count, const void *from)
{
    for (size_t i = 0; i < count; i++) {
        const field *f = &fields[i];
        wsrt_dynamo_value v = {.type = f->type};
        int is_number = f->type[0] == 'N';
        memcpy(is_number ? (void *)&v.number : (void *)&v.text, (const char *)from + f->offset,
               is_number ? sizeof v.number : sizeof v.text);
        if (f->part == OPTIONAL && v.number == 0 && v.text.len == 0)
            continue;
        wsrt_json_key(w, name_of(t, f));
        wsrt_dynamo_write_value(w, &v);
    }
}

void wsrt_dynamo_write_record(wsrt_json_writer *w, const wsrt_aws_tables *t, const wsrt_record *r)
{
    char connected[WSRT_DYNAMO_CONNECTED];

    if (t->shape == WSRT_AWS_SHAPE_A)
        wsrt_dynamo_write_text(w, "connectionId", r->connection_id);
    else
        wsrt_dynamo_write_text(
            w, "connected",
            wsrt_dynamo_connected(t, wsrt_dynamo_shard(t, r->connection_id), connected));
    write_fields(w, t, record_fields, RECORD_FIELDS, r);
}

void wsrt_dynamo_write_entry(wsrt_json_writer *w, const wsrt_aws_tables *t,
                             const wsrt_history_entry *e)
{
    wsrt_dynamo_write_text(w, "type",
                           wsrt_span_cstr(e->author == WSRT_AUTHOR_BOT ? "bot" : "user"));
    write_fields(w, t, entry_fields, ENTRY_FIELDS, e);
}

void wsrt_dynamo_write_connection_key(wsrt_json_writer *w, const wsrt_aws_tables *t, wsrt_span id)
{
    char key[sizeof connection_prefix + WSRT_CONNECTION_ID_MAX];
    int len = snprintf(key, sizeof key, "%s%.*s", connection_prefix, (int)id.len, id.ptr);

    if (t->shape == WSRT_AWS_SHAPE_A) {
        wsrt_dynamo_write_text(w, t->partition_key, (wsrt_span){key, (size_t)len});
        wsrt_dynamo_write_text(w, t->sort_key, (wsrt_span){key, (size_t)len});
    } else {
        wsrt_dynamo_write_text(w, t->partition_key, id);
    }
}

/* The digits have a fixed number, so that text sorts as time. */
void wsrt_dynamo_write_message_key(wsrt_json_writer *w, const wsrt_aws_tables *t,
                                   const wsrt_history_entry *e)
{
    char key[TIMESTAMP_DIGITS + 8 + WSRT_MESSAGE_ID_MAX];
    int len = snprintf(key, sizeof key, "%0*lld#", TIMESTAMP_DIGITS, (long long)e->timestamp);

    memcpy(key + len, e->message_id.ptr, e->message_id.len);
    wsrt_dynamo_write_text(w, t->session_key, e->session_id);
    wsrt_dynamo_write_text(w, t->message_key, (wsrt_span){key, (size_t)len + e->message_id.len});
}

/* ---- reading ------------------------------------------------------------------------------- */

/* Where decoded texts go. */
typedef struct room {
    char *text;
    size_t left;
} room;

/* The value of {"S": value}, if that is its type. */
static int untag(const wsrt_json *tagged, const char *type, wsrt_json *value)
{
    wsrt_json_iter it = {0};
    wsrt_json key;

    return tagged->kind == WSRT_JSON_OBJECT &&
           wsrt_json_next(tagged, &it, &key, value) == WSRT_OK &&
           wsrt_json_equal(&key, wsrt_span_cstr(type)) && value->kind == WSRT_JSON_STRING;
}

static int read_text(const wsrt_json *tagged, size_t most, room *to, wsrt_span *out)
{
    wsrt_json value;
    size_t len, cap = most < to->left ? most : to->left;

    if (!untag(tagged, "S", &value) || wsrt_json_text(&value, to->text, cap, &len) != WSRT_OK)
        return 0;
    *out = (wsrt_span){to->text, len};
    to->text += len;
    to->left -= len;
    return 1;
}

static int read_bytes(const wsrt_json *tagged, size_t most, room *to, wsrt_span *out)
{
    char plain[(WSRT_FILTERS_MAX + 2) / 3 * 4];
    wsrt_json value;
    size_t len;

    if (!untag(tagged, "B", &value))
        return read_text(tagged, most, to, out);
    if (wsrt_json_text(&value, plain, sizeof plain, &len) != WSRT_OK ||
        len / 4 * 3 > most + SLACK || len / 4 * 3 > to->left ||
        wsrt_base64_decode(to->text, (wsrt_span){plain, len}, &len) != WSRT_OK || len > most)
        return 0;
    *out = (wsrt_span){to->text, len};
    to->text += len;
    to->left -= len;
    return 1;
}

/* A number is text here; others may have written 1.7951688E12. */
static int read_number(const wsrt_json *tagged, int64_t *n)
{
    wsrt_json value, number;

    return untag(tagged, "N", &value) && wsrt_json_parse(&number, value.text, NULL) == WSRT_OK &&
           wsrt_json_int64(&number, n) == WSRT_OK;
}

/* Other writers have expiries with a fraction, and in milliseconds. */
static int64_t read_expiry(const wsrt_json *tagged)
{
    wsrt_json value, number;
    double d = 0;

    if (!untag(tagged, "N", &value) || wsrt_json_parse(&number, value.text, NULL) != WSRT_OK ||
        wsrt_json_double(&number, &d) != WSRT_OK || d < 0 || d > 9e18)
        return 0;
    d = d > NOT_SECONDS ? d / 1000 : d;
    return d > NOT_SECONDS ? NOT_SECONDS : (int64_t)d;
}

/* 0 = what the place of the item in an index depends on is not what it should be. */
static int read_field(const field *f, const wsrt_json *tagged, room *to, void *into)
{
    wsrt_span text = {0};
    int64_t number = 0;
    int ok = 1;

    if (f->type[0] != 'N') {
        (void)(f->type[0] == 'B' ? read_bytes : read_text)(tagged, f->most, to, &text);
        memcpy((char *)into + f->offset, &text, sizeof text);
        return 1;
    }
    if (f->name == NULL)
        number = read_expiry(tagged);
    else
        ok = read_number(tagged, &number) || f->part != ORDERING;
    memcpy((char *)into + f->offset, &number, sizeof number);
    return ok;
}

/* A struct being filled from the members of an item. */
typedef struct reading {
    const wsrt_aws_tables *t;
    const field *fields;
    size_t count;
    room to;
    void *into;
} reading;

static int read_member(reading *r, const wsrt_json *key, const wsrt_json *tagged)
{
    for (size_t i = 0; i < r->count; i++)
        if (wsrt_json_equal(key, wsrt_span_cstr(name_of(r->t, &r->fields[i]))))
            return read_field(&r->fields[i], tagged, &r->to, r->into);
    return 1;
}

/* The id in "CONNECTION#id". */
static int strip(wsrt_span *key)
{
    const size_t len = sizeof connection_prefix - 1;

    if (key->len <= len || memcmp(key->ptr, connection_prefix, len) != 0)
        return 0;
    key->ptr += len;
    key->len -= len;
    return 1;
}

/* The texts that are no field of the struct go through here: 1 = this member was one of them. */
static int read_own(reading *r, const wsrt_json *key, const wsrt_json *tagged, const char *name,
                    wsrt_span *out)
{
    enum { LONGEST_OWN = sizeof connection_prefix + WSRT_CONNECTION_ID_MAX };

    return wsrt_json_equal(key, wsrt_span_cstr(name)) &&
           (read_text(tagged, LONGEST_OWN, &r->to, out), 1);
}

int wsrt_dynamo_read_record(const wsrt_aws_tables *t, const wsrt_json *item, wsrt_record *out,
                            char *text)
{
    wsrt_record record = {.struct_size = sizeof record};
    reading r = {t, record_fields, RECORD_FIELDS, {text, WSRT_DYNAMO_RECORD_TEXT}, &record};
    int in_a = t->shape == WSRT_AWS_SHAPE_A, ok = item->kind == WSRT_JSON_OBJECT;
    wsrt_span sort = {0}, *id = &record.connection_id;
    wsrt_json_iter it = {0};
    wsrt_json key, value;

    while (ok && wsrt_json_next(item, &it, &key, &value) == WSRT_OK)
        ok = read_own(&r, &key, &value, t->partition_key, id) ||
             (in_a && read_own(&r, &key, &value, t->sort_key, &sort)) ||
             read_member(&r, &key, &value);
    if (ok && in_a)
        ok = wsrt_span_equal(*id, sort) && strip(id);
    *out = (wsrt_record){.struct_size = sizeof *out};
    return ok && wsrt_record_load(out, &record) == WSRT_OK;
}

int wsrt_dynamo_read_entry(const wsrt_aws_tables *t, const wsrt_json *item, wsrt_history_entry *out,
                           char *text)
{
    wsrt_history_entry entry = {.struct_size = sizeof entry, .author = WSRT_AUTHOR_USER};
    reading r = {t, entry_fields, ENTRY_FIELDS, {text, WSRT_DYNAMO_ENTRY_TEXT}, &entry};
    int ok = item->kind == WSRT_JSON_OBJECT;
    wsrt_json_iter it = {0};
    wsrt_json key, value;
    wsrt_span type = {0};

    while (ok && wsrt_json_next(item, &it, &key, &value) == WSRT_OK)
        ok = read_own(&r, &key, &value, t->session_key, &entry.session_id) ||
             read_own(&r, &key, &value, "type", &type) || read_member(&r, &key, &value);
    if (wsrt_span_equal(type, wsrt_span_cstr("bot")))
        entry.author = WSRT_AUTHOR_BOT;
    *out = (wsrt_history_entry){.struct_size = sizeof *out};
    return ok && wsrt_dynamo_timestamp_ok(entry.timestamp) &&
           wsrt_history_entry_load(out, &entry) == WSRT_OK;
}

/* ---- small rules --------------------------------------------------------------------------- */

wsrt_span wsrt_dynamo_connected(const wsrt_aws_tables *t, uint32_t shard,
                                char dst[WSRT_DYNAMO_CONNECTED])
{
    if (t->shards == 0)
        return wsrt_span_cstr("true");
    int len = snprintf(dst, WSRT_DYNAMO_CONNECTED, "true#%u", shard);
    return (wsrt_span){dst, (size_t)len};
}

uint32_t wsrt_dynamo_shard(const wsrt_aws_tables *t, wsrt_span id)
{
    return t->shards == 0 ? 0 : (uint32_t)(wsrt_walk_hash(id) % t->shards);
}

int wsrt_dynamo_timestamp_ok(int64_t timestamp)
{
    return timestamp >= 0 && timestamp <= LAST_TIMESTAMP;
}

int wsrt_dynamo_expiry_ok(int64_t expires_at)
{
    return expires_at >= 0 && expires_at <= NOT_SECONDS;
}

uint64_t wsrt_dynamo_identity(const wsrt_aws_tables *t, const char *table)
{
    return wsrt_walk_hash(wsrt_span_cstr(t->endpoint.url)) ^
           (wsrt_walk_hash(wsrt_span_cstr(t->a->region)) * 3) ^
           (wsrt_walk_hash(wsrt_span_cstr(table)) * 5);
}

void wsrt_dynamo_skipped(const wsrt_aws_tables *t, const char *table)
{
    wsrt_aws_log(t->a, WSRT_LEVEL_WARN, "aws.item_skipped", table, 0);
}
