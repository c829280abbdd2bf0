#include <wsrt/json.h>

#include "json/scan.h"

#include <string.h>

/* Text may be anything here: every step is bounded by the end, and a value that is only stepped
 * over is judged by its quotes and brackets alone. */

static int literal(const char *p, const char *end, const char *name, const char **behind)
{
    size_t len = strlen(name);

    if ((size_t)(end - p) < len || memcmp(p, name, len) != 0)
        return 0;
    *behind = p + len;
    return 1;
}

static const char *skip_container(const char *p, const char *end)
{
    size_t depth = 0;
    uint32_t escaped;

    for (; p < end; p++) {
        if (*p == '"') {
            p = wsrt_scan_quote(p + 1, end, &escaped);
            if (p == NULL)
                return NULL;
        } else if (*p == '{' || *p == '[') {
            depth++;
        } else if ((*p == '}' || *p == ']') && --depth == 0) {
            return p + 1;
        }
    }
    return NULL;
}

static int step_string(const char *p, const char *end, const char **behind, wsrt_json *out)
{
    uint32_t escaped;
    const char *quote = wsrt_scan_quote(p + 1, end, &escaped);

    if (quote == NULL)
        return WSRT_ERR_MALFORMED;
    *out = (wsrt_json){{p + 1, (size_t)(quote - p - 1)}, WSRT_JSON_STRING, escaped};
    *behind = quote + 1;
    return WSRT_OK;
}

static int step_value(const char *p, const char *end, const char **behind, wsrt_json *out)
{
    const char *bad;
    int kind = WSRT_JSON_NONE;

    if (p == end)
        return WSRT_ERR_MALFORMED;
    if (*p == '"')
        return step_string(p, end, behind, out);
    if (*p == '{' || *p == '[') {
        kind = *p == '{' ? WSRT_JSON_OBJECT : WSRT_JSON_ARRAY;
        *behind = skip_container(p, end);
    } else if (literal(p, end, "true", behind) || literal(p, end, "false", behind)) {
        kind = WSRT_JSON_BOOL;
    } else if (literal(p, end, "null", behind)) {
        kind = WSRT_JSON_NULL;
    } else {
        kind = WSRT_JSON_NUMBER;
        *behind = wsrt_scan_number(p, end, &bad);
    }
    if (*behind == NULL)
        return WSRT_ERR_MALFORMED;
    *out = (wsrt_json){{p, (size_t)(*behind - p)}, kind, 0};
    return WSRT_OK;
}

/* Moves to the next child's first byte, over the opening or the comma. */
static int step_to_child(const wsrt_json *in, const wsrt_json_iter *it, const char **at)
{
    const char *end = in->text.ptr + in->text.len;
    const char *p = wsrt_scan_space(in->text.ptr + it->offset, end);
    char open = in->kind == WSRT_JSON_OBJECT ? '{' : '[';
    char close = in->kind == WSRT_JSON_OBJECT ? '}' : ']';
    int first = it->offset == 0;

    if (p < end && *p == (first ? open : ',')) {
        p = wsrt_scan_space(p + 1, end);
        if (first && p < end && *p == close)
            return WSRT_ERR_NOT_FOUND;
        *at = p;
        return WSRT_OK;
    }
    return !first && p < end && *p == close ? WSRT_ERR_NOT_FOUND : WSRT_ERR_MALFORMED;
}

static int step_name(const char **at, const char *end, wsrt_json *name)
{
    const char *p = *at;

    if (p == end || *p != '"' || step_string(p, end, &p, name) < 0)
        return WSRT_ERR_MALFORMED;
    p = wsrt_scan_space(p, end);
    if (p == end || *p != ':')
        return WSRT_ERR_MALFORMED;
    *at = wsrt_scan_space(p + 1, end);
    return WSRT_OK;
}

int wsrt_json_next(const wsrt_json *in, wsrt_json_iter *it, wsrt_json *key, wsrt_json *child)
{
    wsrt_json name = {0}, value;
    const char *p, *end;

    if (in == NULL || it == NULL || child == NULL || in->text.ptr == NULL ||
        it->offset > in->text.len)
        return WSRT_ERR_INVALID;
    if (in->kind != WSRT_JSON_OBJECT && in->kind != WSRT_JSON_ARRAY)
        return WSRT_ERR_INVALID;
    end = in->text.ptr + in->text.len;
    int rc = step_to_child(in, it, &p);
    if (rc == WSRT_OK && in->kind == WSRT_JSON_OBJECT)
        rc = step_name(&p, end, &name);
    if (rc == WSRT_OK)
        rc = step_value(p, end, &p, &value);
    if (rc < 0)
        return rc;
    it->offset = (size_t)(p - in->text.ptr);
    it->count++;
    if (key != NULL)
        *key = name;
    *child = value;
    return WSRT_OK;
}

/* ---- strings ---- */

/* The next piece of a string as UTF-8: a run without escapes in place, or one decoded escape in
 * `room`. 0 for a bad escape. */
static int next_piece(const char **p, const char *end, char room[4], wsrt_span *piece)
{
    uint32_t code_point;

    if (**p != '\\') {
        const char *stop = memchr(*p, '\\', (size_t)(end - *p));
        stop = stop == NULL ? end : stop;
        *piece = (wsrt_span){*p, (size_t)(stop - *p)};
        *p = stop;
        return 1;
    }
    if (end - *p >= 2 &&
        ((*p)[1] == '"' || (*p)[1] == '\\')) { /* most of them stand for themselves */
        *piece = (wsrt_span){*p + 1, 1};
        *p += 2;
        return 1;
    }
    size_t len = wsrt_scan_escape(*p, end, &code_point);
    if (len == 0 || (code_point >= 0xd800 && code_point <= 0xdfff))
        return 0;
    *p += len;
    *piece = (wsrt_span){room, wsrt_utf8_encode(code_point, room)};
    return 1;
}

int wsrt_json_text(const wsrt_json *value, char *dst, size_t cap, size_t *len)
{
    size_t total = 0;
    char room[4];
    wsrt_span piece;

    if (value == NULL || value->kind != WSRT_JSON_STRING || (dst == NULL && cap > 0))
        return WSRT_ERR_INVALID;
    const char *p = value->text.len == 0 ? room : value->text.ptr;
    for (const char *end = p + value->text.len; p < end;) {
        if (!next_piece(&p, end, room, &piece))
            return WSRT_ERR_MALFORMED;
        if (total <= cap && piece.len <= cap - total)
            memcpy(dst + total, piece.ptr, piece.len);
        total += piece.len;
    }
    if (len != NULL)
        *len = total;
    return total <= cap ? WSRT_OK : WSRT_ERR_LIMIT;
}

static int equal_decoded(const wsrt_json *value, wsrt_span text)
{
    size_t done = 0;
    char room[4];
    wsrt_span piece;

    for (const char *p = value->text.ptr, *end = p + value->text.len; p < end;) {
        if (!next_piece(&p, end, room, &piece) || piece.len > text.len - done ||
            memcmp(text.ptr + done, piece.ptr, piece.len) != 0)
            return 0;
        done += piece.len;
    }
    return done == text.len;
}

int wsrt_json_equal(const wsrt_json *value, wsrt_span text)
{
    if (value == NULL || value->kind != WSRT_JSON_STRING)
        return 0;
    if (!value->escaped)
        return wsrt_span_equal(value->text, text);
    return equal_decoded(value, text);
}

int wsrt_json_bool(const wsrt_json *value, int *out)
{
    if (value == NULL || out == NULL || value->kind != WSRT_JSON_BOOL || value->text.len == 0)
        return WSRT_ERR_INVALID;
    *out = value->text.ptr[0] == 't';
    return WSRT_OK;
}

/* ---- pointers ---- */

static int pointer_valid(wsrt_span pointer)
{
    if (pointer.len > 0 && (pointer.ptr == NULL || pointer.ptr[0] != '/'))
        return 0;
    for (size_t i = 0; i < pointer.len; i++)
        if (pointer.ptr[i] == '~' &&
            (i + 1 == pointer.len || (pointer.ptr[i + 1] != '0' && pointer.ptr[i + 1] != '1')))
            return 0;
    return 1;
}

/* Compares `piece` with the front of a token in which ~0 and ~1 stand for ~ and /. */
static int token_starts_with(wsrt_span *token, wsrt_span piece)
{
    for (size_t i = 0; i < piece.len; i++) {
        if (token->len == 0)
            return 0;
        size_t used = token->ptr[0] == '~' ? 2 : 1;
        char c = used == 1 ? token->ptr[0] : token->ptr[1] == '0' ? '~' : '/';
        if (c != piece.ptr[i])
            return 0;
        token->ptr += used;
        token->len -= used;
    }
    return 1;
}

static int name_matches(const wsrt_json *name, wsrt_span token)
{
    char room[4];
    wsrt_span piece;

    if (token.len == 0 || memchr(token.ptr, '~', token.len) == NULL)
        return wsrt_json_equal(name, token);
    for (const char *p = name->text.ptr, *end = p + name->text.len; p < end;)
        if (!next_piece(&p, end, room, &piece) || !token_starts_with(&token, piece))
            return 0;
    return token.len == 0;
}

/* An array index without leading zeros; 0 when the token is none or beyond any array. */
static int token_index(wsrt_span token, uint64_t *index)
{
    uint64_t n = 0;

    if (token.len == 0 || token.len > 19 || (token.len > 1 && token.ptr[0] == '0'))
        return 0;
    for (size_t i = 0; i < token.len; i++) {
        if (token.ptr[i] < '0' || token.ptr[i] > '9')
            return 0;
        n = n * 10 + (uint64_t)(token.ptr[i] - '0');
    }
    *index = n;
    return 1;
}

static int find_child(const wsrt_json *in, wsrt_span token, wsrt_json *out)
{
    wsrt_json_iter it = {0};
    wsrt_json name, child;
    uint64_t index = 0;
    int array = in->kind == WSRT_JSON_ARRAY;

    if (array && !token_index(token, &index))
        return WSRT_ERR_NOT_FOUND;
    while (wsrt_json_next(in, &it, &name, &child) == WSRT_OK) {
        if (array ? it.count == index + 1 : name_matches(&name, token)) {
            *out = child;
            return WSRT_OK;
        }
    }
    return WSRT_ERR_NOT_FOUND;
}

int wsrt_json_find(const wsrt_json *from, wsrt_span pointer, wsrt_json *out)
{
    if (from == NULL || out == NULL || !pointer_valid(pointer))
        return WSRT_ERR_INVALID;
    wsrt_json at = *from;
    const char *p = pointer.ptr;
    for (size_t left = pointer.len; left > 0;) {
        const char *slash = left > 1 ? memchr(p + 1, '/', left - 1) : NULL;
        size_t len = slash == NULL ? left - 1 : (size_t)(slash - p) - 1;
        int rc = find_child(&at, (wsrt_span){p + 1, len}, &at);
        if (rc < 0)
            return rc;
        p += len + 1;
        left -= len + 1;
    }
    *out = at;
    return WSRT_OK;
}
