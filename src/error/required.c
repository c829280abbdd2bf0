/* Required members of a message, without a schema: codes and texts are those of validation. */
#include <wsrt/error.h>

#include "json/write.h"

static const char *kind_name(int kind)
{
    static const char *const names[] = {"",       "null",  "boolean", "number",
                                        "string", "array", "object"};

    return names[kind];
}

/* A string, array or object without content. */
static int is_empty(const wsrt_json *v)
{
    wsrt_json_iter it = {0};
    wsrt_json child;

    if (v->kind == WSRT_JSON_STRING)
        return v->text.len == 0;
    return (v->kind == WSRT_JSON_ARRAY || v->kind == WSRT_JSON_OBJECT) &&
           wsrt_json_next(v, &it, NULL, &child) == WSRT_ERR_NOT_FOUND;
}

static const char *empty_text(int kind)
{
    return kind == WSRT_JSON_STRING  ? "Too short"
           : kind == WSRT_JSON_ARRAY ? "Too few items"
                                     : "Too few members";
}

static void open_issue(wsrt_json_writer *w, wsrt_span pointer, const char *code)
{
    wsrt_json_object(w);
    wsrt_json_key(w, "path");
    wsrt_json_string(w, pointer);
    wsrt_json_key(w, "code");
    wsrt_json_string_cstr(w, code);
    wsrt_json_key(w, "message");
}

static void write_issue(wsrt_json_writer *w, wsrt_span pointer, const char *code, const char *text)
{
    open_issue(w, pointer, code);
    wsrt_json_string_cstr(w, text);
    wsrt_json_object_end(w);
}

static void write_wrong_kind(wsrt_json_writer *w, wsrt_span pointer, int want, int got)
{
    open_issue(w, pointer, "invalid_type");
    wsrt_json_string_open(w);
    wsrt_json_string_part(
        w, wsrt_span_cstr(want == WSRT_JSON_NONE ? "Expected a value" : "Expected "));
    wsrt_json_string_part(w, wsrt_span_cstr(kind_name(want)));
    wsrt_json_string_part(w, wsrt_span_cstr(", got "));
    wsrt_json_string_part(w, wsrt_span_cstr(kind_name(got)));
    wsrt_json_string_close(w);
    wsrt_json_object_end(w);
}

/* Writes what is wrong with one member; 1 = something is. */
static int judge(wsrt_json_writer *w, const wsrt_json *body, const wsrt_required *want)
{
    wsrt_json v;

    if (wsrt_json_find(body, want->pointer, &v) != WSRT_OK)
        write_issue(w, want->pointer, "required", "Required");
    else if (want->kind == WSRT_JSON_NONE ? v.kind == WSRT_JSON_NULL : v.kind != want->kind)
        write_wrong_kind(w, want->pointer, want->kind, v.kind);
    else if (is_empty(&v))
        write_issue(w, want->pointer, "too_small", empty_text(v.kind));
    else
        return 0;
    return 1;
}

/* A pointer that is none must be known before anything is written. */
static int is_valid(const wsrt_json *body, const wsrt_required *want)
{
    wsrt_json v;

    return want->kind >= WSRT_JSON_NONE && want->kind <= WSRT_JSON_OBJECT &&
           wsrt_json_find(body, want->pointer, &v) != WSRT_ERR_INVALID;
}

int wsrt_error_required(wsrt_json_writer *w, wsrt_span body, const wsrt_required *want,
                        size_t count)
{
    wsrt_json whole;
    int wrong = 0;

    if (w == NULL || (want == NULL && count > 0) || (body.ptr == NULL && body.len > 0))
        return WSRT_ERR_INVALID;
    if (wsrt_json_parse(&whole, body, NULL) != WSRT_OK)
        return WSRT_ERR_MALFORMED;
    for (size_t i = 0; i < count; i++)
        if (!is_valid(&whole, &want[i]))
            return WSRT_ERR_INVALID;
    wsrt_json_array(w);
    for (size_t i = 0; i < count; i++)
        wrong |= judge(w, &whole, &want[i]);
    wsrt_json_array_end(w);
    return wrong ? WSRT_ERR_REJECTED : WSRT_OK;
}
