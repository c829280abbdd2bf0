/* Stream events of DynamoDB: records, and attributes as plain JSON. */
#include <wsrt/stream.h>

#include "base/options.h"
#include "json/number.h"

#include <string.h>

enum { DEPTH_MOST = 60, SEQUENCE_MOST = 40 };

/* ---- records ------------------------------------------------------------------------------ */

int wsrt_changes_open(wsrt_span event, wsrt_json *records, wsrt_json_error *why)
{
    wsrt_json root, found;

    if (records == NULL)
        return WSRT_ERR_INVALID;
    int rc = wsrt_json_parse(&root, event, why);
    if (rc != WSRT_OK)
        return rc;
    if (root.kind != WSRT_JSON_OBJECT ||
        wsrt_json_find(&root, wsrt_span_cstr("/Records"), &found) != WSRT_OK ||
        found.kind != WSRT_JSON_ARRAY)
        return WSRT_ERR_REJECTED;
    *records = found;
    return WSRT_OK;
}

static int read_kind(const wsrt_json *value)
{
    static const char *const names[] = {"INSERT", "MODIFY", "REMOVE"};

    for (int i = 0; i < 3; i++)
        if (wsrt_json_equal(value, wsrt_span_cstr(names[i])))
            return i + 1;
    return 0;
}

/* Seconds, whole or not, to milliseconds. */
static int64_t read_time(const wsrt_json *value)
{
    double seconds;

    if (wsrt_json_double(value, &seconds) != WSRT_OK || !(seconds > 0 && seconds < 9e12))
        return 0;
    return (int64_t)(seconds * 1000 + 0.5);
}

static int is_digits(wsrt_span text)
{
    for (size_t i = 0; i < text.len; i++)
        if (text.ptr[i] < '0' || text.ptr[i] > '9')
            return 0;
    return text.len > 0 && text.len <= SEQUENCE_MOST;
}

/* One member of `dynamodb`; 0 when it is not what it has to be. */
static int read_member(wsrt_change *c, const wsrt_json *key, const wsrt_json *value)
{
    wsrt_span *image = wsrt_json_equal(key, wsrt_span_cstr("Keys"))       ? &c->keys
                       : wsrt_json_equal(key, wsrt_span_cstr("NewImage")) ? &c->new_image
                       : wsrt_json_equal(key, wsrt_span_cstr("OldImage")) ? &c->old_image
                                                                          : NULL;

    if (image != NULL) {
        *image = value->text;
        return value->kind == WSRT_JSON_OBJECT;
    }
    if (wsrt_json_equal(key, wsrt_span_cstr("SequenceNumber"))) {
        if (value->kind != WSRT_JSON_STRING || !is_digits(value->text))
            return 0;
        c->sequence = value->text;
    }
    if (wsrt_json_equal(key, wsrt_span_cstr("ApproximateCreationDateTime")))
        c->created_at = read_time(value);
    return 1;
}

static int read_change(wsrt_change *c, const wsrt_json *table)
{
    wsrt_json_iter it = {0};
    wsrt_json key, value;
    int good = table->kind == WSRT_JSON_OBJECT;

    while (table->kind == WSRT_JSON_OBJECT && wsrt_json_next(table, &it, &key, &value) == WSRT_OK)
        good = read_member(c, &key, &value) && good;
    return good;
}

int wsrt_changes_next(const wsrt_json *records, wsrt_json_iter *it, wsrt_change *out)
{
    wsrt_change c = {.struct_size = sizeof c};
    wsrt_json record, key, value;
    wsrt_json_iter members = {0};
    int good = 0;

    if (records == NULL || it == NULL || out == NULL)
        return WSRT_ERR_INVALID;
    int rc = wsrt_json_next(records, it, NULL, &record);
    if (rc != WSRT_OK)
        return rc;
    c.record = record.text;
    while (record.kind == WSRT_JSON_OBJECT &&
           wsrt_json_next(&record, &members, &key, &value) == WSRT_OK) {
        if (wsrt_json_equal(&key, wsrt_span_cstr("eventName")))
            c.kind = read_kind(&value);
        else if (wsrt_json_equal(&key, wsrt_span_cstr("dynamodb")))
            good = read_change(&c, &value);
    }
    rc = wsrt_report_fill(out, sizeof c, sizeof(wsrt_change), &c);
    if (rc != WSRT_OK)
        return rc;
    return good && c.kind != 0 ? WSRT_OK : WSRT_ERR_REJECTED;
}

/* ---- attributes --------------------------------------------------------------------------- */

static int write_tagged(wsrt_json_writer *w, const wsrt_json *tagged, int depth);

/* A string as it stands, with its quotes. */
static void write_quoted(wsrt_json_writer *w, const wsrt_json *value)
{
    wsrt_json_raw(w, (wsrt_span){value->text.ptr - 1, value->text.len + 2});
}

static int write_text(wsrt_json_writer *w, const wsrt_json *value)
{
    if (value->kind != WSRT_JSON_STRING)
        return WSRT_ERR_REJECTED;
    write_quoted(w, value);
    return WSRT_OK;
}

static int write_number(wsrt_json_writer *w, const wsrt_json *value)
{
    wsrt_decimal d;

    if (value->kind != WSRT_JSON_STRING || value->escaped || !wsrt_decimal_read(&d, value->text))
        return WSRT_ERR_REJECTED;
    wsrt_json_raw(w, value->text);
    return WSRT_OK;
}

static int write_bool(wsrt_json_writer *w, const wsrt_json *value)
{
    int b;

    if (wsrt_json_bool(value, &b) != WSRT_OK)
        return WSRT_ERR_REJECTED;
    wsrt_json_write_bool(w, b);
    return WSRT_OK;
}

static int write_null(wsrt_json_writer *w, const wsrt_json *value)
{
    int b;

    if (wsrt_json_bool(value, &b) != WSRT_OK || !b)
        return WSRT_ERR_REJECTED;
    wsrt_json_write_null(w);
    return WSRT_OK;
}

/* Of names with escapes only those that a key may have, up to 255 bytes, are taken. */
static int write_name(wsrt_json_writer *w, const wsrt_json *key)
{
    char decoded[255];
    size_t len;

    if (!key->escaped) {
        wsrt_json_key_span(w, key->text);
        return WSRT_OK;
    }
    if (wsrt_json_text(key, decoded, sizeof decoded, &len) != WSRT_OK)
        return WSRT_ERR_REJECTED;
    wsrt_json_key_span(w, (wsrt_span){decoded, len});
    return WSRT_OK;
}

static int write_map(wsrt_json_writer *w, const wsrt_json *map, int depth)
{
    wsrt_json_iter it = {0};
    wsrt_json key, value;
    int rc = map->kind == WSRT_JSON_OBJECT ? WSRT_OK : WSRT_ERR_REJECTED;

    if (rc != WSRT_OK)
        return rc;
    wsrt_json_object(w);
    while (rc == WSRT_OK && wsrt_json_next(map, &it, &key, &value) == WSRT_OK) {
        rc = write_name(w, &key);
        if (rc == WSRT_OK)
            rc = write_tagged(w, &value, depth);
    }
    wsrt_json_object_end(w);
    return rc;
}

static int write_list(wsrt_json_writer *w, const wsrt_json *list, int depth)
{
    wsrt_json_iter it = {0};
    wsrt_json value;
    int rc = list->kind == WSRT_JSON_ARRAY ? WSRT_OK : WSRT_ERR_REJECTED;

    if (rc != WSRT_OK)
        return rc;
    wsrt_json_array(w);
    while (rc == WSRT_OK && wsrt_json_next(list, &it, NULL, &value) == WSRT_OK)
        rc = write_tagged(w, &value, depth);
    wsrt_json_array_end(w);
    return rc;
}

static int write_set(wsrt_json_writer *w, const wsrt_json *set,
                     int (*write)(wsrt_json_writer *, const wsrt_json *))
{
    wsrt_json_iter it = {0};
    wsrt_json value;
    int rc = set->kind == WSRT_JSON_ARRAY ? WSRT_OK : WSRT_ERR_REJECTED;

    if (rc != WSRT_OK)
        return rc;
    wsrt_json_array(w);
    while (rc == WSRT_OK && wsrt_json_next(set, &it, NULL, &value) == WSRT_OK)
        rc = write(w, &value);
    wsrt_json_array_end(w);
    return rc;
}

static int write_tagged(wsrt_json_writer *w, const wsrt_json *tagged, int depth)
{
    static const struct {
        const char *tag;
        int (*one)(wsrt_json_writer *, const wsrt_json *);
        int (*set)(wsrt_json_writer *, const wsrt_json *);
        int (*nested)(wsrt_json_writer *, const wsrt_json *, int);
    } tags[] = {
        {"S", write_text, NULL, NULL},    {"N", write_number, NULL, NULL},
        {"B", write_text, NULL, NULL},    {"BOOL", write_bool, NULL, NULL},
        {"NULL", write_null, NULL, NULL}, {"M", NULL, NULL, write_map},
        {"L", NULL, NULL, write_list},    {"SS", NULL, write_text, NULL},
        {"NS", NULL, write_number, NULL}, {"BS", NULL, write_text, NULL},
    };
    wsrt_json_iter it = {0};
    wsrt_json key, value, other;

    if (depth == 0 || tagged->kind != WSRT_JSON_OBJECT ||
        wsrt_json_next(tagged, &it, &key, &value) != WSRT_OK ||
        wsrt_json_next(tagged, &it, NULL, &other) != WSRT_ERR_NOT_FOUND)
        return WSRT_ERR_REJECTED;
    for (size_t i = 0; i < sizeof tags / sizeof tags[0]; i++) {
        if (!wsrt_json_equal(&key, wsrt_span_cstr(tags[i].tag)))
            continue;
        if (tags[i].one != NULL)
            return tags[i].one(w, &value);
        if (tags[i].set != NULL)
            return write_set(w, &value, tags[i].set);
        return tags[i].nested(w, &value, depth - 1);
    }
    return WSRT_ERR_REJECTED;
}

int wsrt_attributes_write(wsrt_json_writer *w, wsrt_span attributes)
{
    wsrt_json map = {.text = attributes, .kind = WSRT_JSON_OBJECT};

    if (w == NULL || attributes.ptr == NULL || attributes.len == 0)
        return WSRT_ERR_INVALID;
    return write_map(w, &map, DEPTH_MOST);
}
