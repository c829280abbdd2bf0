#include "stream_event.h"

#include <wsrt/json.h>

#include <check.h>
#include <stdio.h>
#include <string.h>

static const char *tag_of(const wsrt_json *value)
{
    switch (value->kind) {
    case WSRT_JSON_STRING:
        return "S";
    case WSRT_JSON_NUMBER:
        return "N";
    case WSRT_JSON_BOOL:
        return "BOOL";
    default:
        ck_abort_msg("no flat value: %.*s", (int)value->text.len, value->text.ptr);
        return NULL;
    }
}

static void write_image(wsrt_json_writer *w, const wsrt_json *data)
{
    wsrt_json_iter it = {0};
    wsrt_json key, value;

    wsrt_json_object(w);
    while (wsrt_json_next(data, &it, &key, &value) == WSRT_OK) {
        wsrt_json_key_span(w, key.text);
        wsrt_json_object(w);
        wsrt_json_key(w, tag_of(&value));
        if (value.kind == WSRT_JSON_BOOL)
            wsrt_json_raw(w, value.text);
        else
            wsrt_json_string(w, value.text);
        wsrt_json_object_end(w);
    }
    wsrt_json_object_end(w);
}

static void write_change(wsrt_json_writer *w, const wsrt_json *update, uint64_t sequence, int gone)
{
    wsrt_json data, time;
    int64_t ms;
    char text[32];

    ck_assert_int_eq(wsrt_json_find(update, wsrt_span_cstr("/data"), &data), WSRT_OK);
    ck_assert_int_eq(wsrt_json_find(update, wsrt_span_cstr("/timestamp"), &time), WSRT_OK);
    ck_assert_int_eq(wsrt_json_int64(&time, &ms), WSRT_OK);
    wsrt_json_key(w, "dynamodb");
    wsrt_json_object(w);
    wsrt_json_key(w, "ApproximateCreationDateTime");
    snprintf(text, sizeof text, "%lld.%03lld", (long long)(ms / 1000), (long long)(ms % 1000));
    wsrt_json_raw(w, wsrt_span_cstr(text));
    wsrt_json_key(w, "SequenceNumber");
    snprintf(text, sizeof text, "%llu", (unsigned long long)sequence);
    wsrt_json_string_cstr(w, text);
    wsrt_json_key(w, gone ? "OldImage" : "NewImage");
    write_image(w, &data);
    wsrt_json_object_end(w);
}

static void write_record(wsrt_json_writer *w, const wsrt_json *update, uint64_t sequence)
{
    wsrt_json type;

    ck_assert_int_eq(wsrt_json_find(update, wsrt_span_cstr("/eventType"), &type), WSRT_OK);
    wsrt_json_object(w);
    wsrt_json_key(w, "eventSource");
    wsrt_json_string_cstr(w, "aws:dynamodb");
    wsrt_json_key(w, "eventName");
    wsrt_json_string(w, type.text);
    write_change(w, update, sequence, wsrt_json_equal(&type, wsrt_span_cstr("REMOVE")));
    wsrt_json_object_end(w);
}

void stream_event(const char *updates, uint64_t *sequence, char *dst, size_t cap)
{
    wsrt_json root, update;
    wsrt_json_iter it = {0};
    wsrt_json_writer w;
    size_t len;

    ck_assert_int_eq(wsrt_json_parse(&root, wsrt_span_cstr(updates), NULL), WSRT_OK);
    wsrt_json_writer_init(&w, dst, cap - 1, 0);
    wsrt_json_object(&w);
    wsrt_json_key(&w, "Records");
    wsrt_json_array(&w);
    if (root.kind == WSRT_JSON_OBJECT)
        write_record(&w, &root, ++*sequence);
    while (root.kind == WSRT_JSON_ARRAY && wsrt_json_next(&root, &it, NULL, &update) == WSRT_OK)
        write_record(&w, &update, ++*sequence);
    wsrt_json_array_end(&w);
    wsrt_json_object_end(&w);
    ck_assert_int_eq(wsrt_json_finish(&w, &len), WSRT_OK);
    dst[len] = '\0';
}
