/* Any bytes: the cursor stays inside them and ends; what parses is written again and reads equal. */
#include "target.h"

#include <wsrt/json.h>

#include <stdlib.h>
#include <string.h>

enum { MAX_DEPTH = 200, CHILDREN = 4096 };

static void require(int truth)
{
    if (!truth)
        abort();
}

static void require_inside(wsrt_span outer, wsrt_span inner)
{
    require(inner.len <= outer.len);
    require(inner.ptr >= outer.ptr && inner.ptr + inner.len <= outer.ptr + outer.len);
}

static void read_scalar(const wsrt_json *value)
{
    int64_t i;
    uint64_t u;
    double d;
    int b;
    size_t len;
    char room[16];

    wsrt_json_int64(value, &i);
    wsrt_json_uint64(value, &u);
    wsrt_json_double(value, &d);
    wsrt_json_bool(value, &b);
    wsrt_json_text(value, room, sizeof room, &len);
    wsrt_json_equal(value, (wsrt_span){"type", 4});
}

/* Walks text that nobody has checked. */
static void walk(wsrt_span outer, const wsrt_json *value, int depth)
{
    wsrt_json_iter it = {0};
    wsrt_json key, child;

    read_scalar(value);
    if (depth == MAX_DEPTH)
        return;
    while (it.count < CHILDREN && wsrt_json_next(value, &it, &key, &child) == WSRT_OK) {
        require_inside(outer, child.text);
        if (key.kind != WSRT_JSON_NONE) {
            require_inside(outer, key.text);
            read_scalar(&key);
        }
        walk(child.text, &child, depth + 1);
    }
}

static char *decode(const wsrt_json *string, size_t *len)
{
    require(wsrt_json_text(string, NULL, 0, len) ==
            (string->text.len > 0 ? WSRT_ERR_LIMIT : WSRT_OK));
    char *text = malloc(*len + 1);
    require(wsrt_json_text(string, text, *len, len) == WSRT_OK);
    return text;
}

static void write_string(wsrt_json_writer *w, const wsrt_json *string, int is_key)
{
    size_t len;
    char *text = decode(string, &len);

    require(wsrt_json_equal(string, (wsrt_span){text, len}));
    if (is_key)
        wsrt_json_key_span(w, (wsrt_span){text, len});
    else
        wsrt_json_string(w, (wsrt_span){text, len});
    free(text);
}

static void write_number(wsrt_json_writer *w, const wsrt_json *number)
{
    int64_t i;
    uint64_t u;
    double d;

    if (wsrt_json_int64(number, &i) == WSRT_OK)
        wsrt_json_write_int64(w, i);
    else if (wsrt_json_uint64(number, &u) == WSRT_OK)
        wsrt_json_write_uint64(w, u);
    else if (wsrt_json_double(number, &d) == WSRT_OK)
        wsrt_json_write_double(w, d == 0 ? 0 : d); /* -1e-400 and then -0 are one number */
    else
        wsrt_json_raw(w, number->text);
}

static void write_value(wsrt_json_writer *w, const wsrt_json *value)
{
    wsrt_json_iter it = {0};
    wsrt_json key, child;
    int object = value->kind == WSRT_JSON_OBJECT;

    if (value->kind == WSRT_JSON_STRING) {
        write_string(w, value, 0);
    } else if (value->kind == WSRT_JSON_NUMBER) {
        write_number(w, value);
    } else if (!object && value->kind != WSRT_JSON_ARRAY) {
        wsrt_json_raw(w, value->text);
    } else {
        object ? wsrt_json_object(w) : wsrt_json_array(w);
        while (wsrt_json_next(value, &it, &key, &child) == WSRT_OK) {
            if (object)
                write_string(w, &key, 1);
            write_value(w, &child);
        }
        object ? wsrt_json_object_end(w) : wsrt_json_array_end(w);
    }
}

/* The text of a checked value, members in order, strings decoded, numbers in their one form. */
static char *rewritten(const wsrt_json *value, size_t *len)
{
    wsrt_json_writer w;

    wsrt_json_writer_init(&w, NULL, 0, 0);
    write_value(&w, value);
    int rc = wsrt_json_finish(&w, len);
    require(rc == WSRT_ERR_LIMIT);
    char *text = malloc(*len);
    wsrt_json_writer_init(&w, text, *len, 0);
    write_value(&w, value);
    require(wsrt_json_finish(&w, len) == WSRT_OK);
    return text;
}

static void round_trip(const wsrt_json *value)
{
    wsrt_json again;
    size_t len, len2;
    char *text = rewritten(value, &len);

    require(wsrt_json_parse(&again, (wsrt_span){text, len}, NULL) == WSRT_OK);
    char *text2 = rewritten(&again, &len2);
    require(len == len2 && memcmp(text, text2, len) == 0);
    free(text);
    free(text2);
}

/* Any bytes as a string's text: written with replacement, it reads back as one string. */
static void write_anything(wsrt_span bytes, uint32_t flags)
{
    wsrt_json_writer w;
    wsrt_json value;
    size_t cap = bytes.len * 6 + 2, len;
    char *text = malloc(cap);

    wsrt_json_writer_init(&w, text, cap, flags);
    wsrt_json_string(&w, bytes);
    require(wsrt_json_finish(&w, &len) == WSRT_OK);
    require(wsrt_json_parse(&value, (wsrt_span){text, len}, NULL) == WSRT_OK);
    require(value.kind == WSRT_JSON_STRING);
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    wsrt_span text = {(const char *)data, size};
    wsrt_json value, found;

    if (size == 0)
        return 0;
    for (int kind = WSRT_JSON_NUMBER; kind <= WSRT_JSON_OBJECT; kind++)
        walk(text, &(wsrt_json){text, kind, 1}, 0);
    wsrt_json_find(&(wsrt_json){text, WSRT_JSON_OBJECT, 0}, (wsrt_span){"/data/0/~0a", 11}, &found);
    write_anything(text, WSRT_JSON_REPLACE_UTF8);
    write_anything(text, WSRT_JSON_REPLACE_UTF8 | WSRT_JSON_HTML_SAFE);
    if (wsrt_json_parse(&value, text, NULL) == WSRT_OK)
        round_trip(&value);
    return 0;
}
