#include "json/write.h"

#include "json/number.h"
#include "json/scan.h"

#include <string.h>

enum { LEVELS = 128, SMALLEST_SINK = 64, SHORT = 256 };
enum { FLAGS = WSRT_JSON_HTML_SAFE | WSRT_JSON_REPLACE_UTF8 };

/* What may come next; the writer's `state`. */
enum {
    START = 0, /* the outermost value */
    FIRST,     /* a container was opened */
    NEXT,      /* a container holds something */
    VALUE,     /* a name was written */
    DONE
};

static void fail(wsrt_json_writer *w, int status)
{
    if (w->status == WSRT_OK)
        w->status = status;
}

static void flush(wsrt_json_writer *w)
{
    if (w->len == 0 || w->status < 0)
        return;
    int rc = w->sink(w->sink_user, w->buf, w->len);
    w->flushed += w->len;
    w->len = 0;
    if (rc < 0)
        fail(w, rc);
}

/* A fixed buffer that overflows only counts from then on: len > cap. */
static void put_fixed(wsrt_json_writer *w, size_t len)
{
    w->len = len > SIZE_MAX - w->len ? SIZE_MAX : w->len + len;
}

static void put_sink(wsrt_json_writer *w, const char *data, size_t len)
{
    while (len > w->cap - w->len) {
        size_t part = w->cap - w->len;
        memcpy(w->buf + w->len, data, part);
        w->len += part;
        data += part;
        len -= part;
        flush(w);
        if (w->status < 0)
            return;
    }
    memcpy(w->buf + w->len, data, len);
    w->len += len;
}

/* What fits as it is: so many bytes, and nothing has failed. */
static int has_room(const wsrt_json_writer *w, size_t len)
{
    return w->status == WSRT_OK && w->len <= w->cap && len <= w->cap - w->len;
}

static void put(wsrt_json_writer *w, const char *data, size_t len)
{
    if (w->status < 0 || len == 0)
        return;
    if (has_room(w, len)) {
        memcpy(w->buf + w->len, data, len);
        w->len += len;
    } else if (w->sink == NULL) {
        put_fixed(w, len);
    } else {
        put_sink(w, data, len);
    }
}

static void put_char(wsrt_json_writer *w, char c)
{
    if (w->len < w->cap && w->status == WSRT_OK)
        w->buf[w->len++] = c;
    else
        put(w, &c, 1);
}

/* ---- nesting ---- */

static int in_object(const wsrt_json_writer *w)
{
    uint32_t level = w->depth - 1;

    return w->depth > 0 && (w->nest[level / 64] >> level % 64 & 1) != 0;
}

/* Whether a value may stand here; sets the comma before it. */
static int begin_value(wsrt_json_writer *w)
{
    if (w->status < 0)
        return 0;
    if (w->state == DONE || (in_object(w) && w->state != VALUE)) {
        fail(w, WSRT_ERR_INVALID);
        return 0;
    }
    if (w->state == NEXT)
        put_char(w, ',');
    return w->status == WSRT_OK;
}

static void end_value(wsrt_json_writer *w)
{
    w->state = w->depth == 0 ? DONE : NEXT;
}

static void open_container(wsrt_json_writer *w, int object)
{
    if (!begin_value(w))
        return;
    if (w->depth == LEVELS) {
        fail(w, WSRT_ERR_INVALID);
        return;
    }
    uint64_t bit = UINT64_C(1) << w->depth % 64;
    w->nest[w->depth / 64] &= ~bit;
    w->nest[w->depth / 64] |= object ? bit : 0;
    w->depth++;
    w->state = FIRST;
    put_char(w, object ? '{' : '[');
}

static void close_container(wsrt_json_writer *w, int object)
{
    if (w->status < 0)
        return;
    if (w->depth == 0 || in_object(w) != object || w->state == VALUE) {
        fail(w, WSRT_ERR_INVALID);
        return;
    }
    put_char(w, object ? '}' : ']');
    w->depth--;
    end_value(w);
}

void wsrt_json_object(wsrt_json_writer *w)
{
    open_container(w, 1);
}

void wsrt_json_object_end(wsrt_json_writer *w)
{
    close_container(w, 1);
}

void wsrt_json_array(wsrt_json_writer *w)
{
    open_container(w, 0);
}

void wsrt_json_array_end(wsrt_json_writer *w)
{
    close_container(w, 0);
}

/* ---- strings ---- */

static void put_unicode_escape(wsrt_json_writer *w, uint32_t unit)
{
    static const char hex[] = "0123456789abcdef";
    char text[6] = {
        '\\', 'u', hex[unit >> 12 & 15], hex[unit >> 8 & 15], hex[unit >> 4 & 15], hex[unit & 15]};

    put(w, text, sizeof text);
}

static void put_escape(wsrt_json_writer *w, char c)
{
    static const char names[] = "\0\0\0\0\0\0\0\0btn\0fr"; /* of 0 to 13; NUL = it has none */
    char text[2] = {'\\', c};

    if ((unsigned char)c < sizeof names)
        text[1] = names[(unsigned char)c];
    else if (c != '"' && c != '\\')
        text[1] = '\0';
    if (text[1] == '\0')
        put_unicode_escape(w, (unsigned char)c);
    else
        put(w, text, sizeof text);
}

static int is_markup(char c)
{
    return c == '<' || c == '>' || c == '&';
}

/* A line or paragraph separator, three bytes that JavaScript once took for a line's end. */
static int is_separator(const char *p, int len)
{
    return len == 3 && memcmp(p, "\xe2\x80", 2) == 0 && (p[2] == '\xa8' || p[2] == '\xa9');
}

/* How far the text from p can be copied as it is. */
static const char *clean_run(const wsrt_json_writer *w, const char *p, const char *end)
{
    int html = (w->flags & WSRT_JSON_HTML_SAFE) != 0;

    for (;;) {
        const char *stop = wsrt_scan_plain(p, end);
        for (; html && p < stop; p++)
            if (is_markup(*p))
                return p;
        p = stop;
        if (p == end || (unsigned char)*p < 0x80)
            return p;
        int len = wsrt_scan_utf8(p, end);
        if (len < 0 || (html && is_separator(p, len)))
            return p;
        p += len;
    }
}

/* What cannot be copied at p: escapes or replaces it; its bytes. */
static size_t put_unclean(wsrt_json_writer *w, const char *p, const char *end)
{
    int len;

    if ((unsigned char)*p < 0x80) {
        put_escape(w, *p);
        return 1;
    }
    len = wsrt_scan_utf8(p, end);
    if (len > 0) {
        put_unicode_escape(w, p[2] == '\xa8' ? 0x2028 : 0x2029);
        return (size_t)len;
    }
    if ((w->flags & WSRT_JSON_REPLACE_UTF8) != 0)
        put(w, "\xef\xbf\xbd", 3);
    else
        fail(w, WSRT_ERR_MALFORMED);
    return (size_t)-len;
}

void wsrt_json_string_part(wsrt_json_writer *w, wsrt_span text)
{
    if (text.len == 0)
        return;
    for (const char *p = text.ptr, *end = p + text.len; p < end && w->status == WSRT_OK;) {
        const char *stop = clean_run(w, p, end);
        put(w, p, (size_t)(stop - p));
        p = stop;
        if (p < end)
            p += put_unclean(w, p, end);
    }
}

void wsrt_json_string_literal(wsrt_json_writer *w, wsrt_span text)
{
    put(w, text.ptr, text.len);
}

void wsrt_json_string_open(wsrt_json_writer *w)
{
    if (begin_value(w))
        put_char(w, '"');
}

void wsrt_json_string_close(wsrt_json_writer *w)
{
    if (w->status < 0)
        return;
    put_char(w, '"');
    end_value(w);
}

/* The way of most strings: what fits and has nothing to escape goes in at once, in its quotes. */
static int put_clean(wsrt_json_writer *w, wsrt_span text)
{
    if (text.len > SHORT || !has_room(w, text.len + 2) || (w->flags & WSRT_JSON_HTML_SAFE) != 0)
        return 0;
    char *to = w->buf + w->len;
    if (text.len > 0) {
        if (wsrt_scan_plain(text.ptr, text.ptr + text.len) != text.ptr + text.len)
            return 0;
        memcpy(to + 1, text.ptr, text.len);
    }
    to[0] = to[text.len + 1] = '"';
    w->len += text.len + 2;
    return 1;
}

void wsrt_json_string(wsrt_json_writer *w, wsrt_span text)
{
    if (!begin_value(w))
        return;
    if (!put_clean(w, text)) {
        put_char(w, '"');
        wsrt_json_string_part(w, text);
        put_char(w, '"');
    }
    end_value(w);
}

void wsrt_json_string_cstr(wsrt_json_writer *w, const char *text_cstr)
{
    wsrt_json_string(w, wsrt_span_cstr(text_cstr));
}

void wsrt_json_key_span(wsrt_json_writer *w, wsrt_span name)
{
    if (w->status < 0)
        return;
    if (!in_object(w) || w->state == VALUE) {
        fail(w, WSRT_ERR_INVALID);
        return;
    }
    if (w->state == NEXT)
        put_char(w, ',');
    if (!put_clean(w, name)) {
        put_char(w, '"');
        wsrt_json_string_part(w, name);
        put_char(w, '"');
    }
    put_char(w, ':');
    w->state = VALUE;
}

void wsrt_json_key(wsrt_json_writer *w, const char *name_cstr)
{
    wsrt_json_key_span(w, wsrt_span_cstr(name_cstr));
}

/* ---- other values ---- */

static void write_token(wsrt_json_writer *w, const char *text, size_t len)
{
    if (!begin_value(w))
        return;
    put(w, text, len);
    end_value(w);
}

void wsrt_json_raw(wsrt_json_writer *w, wsrt_span json)
{
    if (json.len == 0)
        fail(w, WSRT_ERR_INVALID);
    write_token(w, json.ptr, json.len);
}

void wsrt_json_write_int64(wsrt_json_writer *w, int64_t v)
{
    char text[WSRT_NUMBER_TEXT];

    write_token(w, text, wsrt_int64_text(v, text));
}

void wsrt_json_write_uint64(wsrt_json_writer *w, uint64_t v)
{
    char text[WSRT_NUMBER_TEXT];

    write_token(w, text, wsrt_uint64_text(v, text));
}

void wsrt_json_write_double(wsrt_json_writer *w, double v)
{
    char text[WSRT_NUMBER_TEXT];

    if (!__builtin_isfinite(v)) {
        fail(w, WSRT_ERR_INVALID);
        return;
    }
    write_token(w, text, wsrt_double_text(v, text));
}

void wsrt_json_write_bool(wsrt_json_writer *w, int v)
{
    write_token(w, v != 0 ? "true" : "false", v != 0 ? 4 : 5);
}

void wsrt_json_write_null(wsrt_json_writer *w)
{
    write_token(w, "null", 4);
}

/* ---- start and end ---- */

void wsrt_json_writer_init(wsrt_json_writer *w, void *buf, size_t cap, uint32_t flags)
{
    *w = (wsrt_json_writer){.buf = buf, .cap = cap, .flags = flags};
    if ((flags & ~(uint32_t)FLAGS) != 0 || (buf == NULL && cap > 0))
        w->status = WSRT_ERR_INVALID;
}

void wsrt_json_writer_sink(wsrt_json_writer *w, void *buf, size_t cap, uint32_t flags,
                           int (*sink)(void *user, const void *data, size_t len), void *user)
{
    wsrt_json_writer_init(w, buf, cap, flags);
    w->sink = sink;
    w->sink_user = user;
    if (sink == NULL || cap < SMALLEST_SINK)
        fail(w, WSRT_ERR_INVALID);
}

int wsrt_json_finish(wsrt_json_writer *w, size_t *len)
{
    if (w->state != DONE)
        fail(w, WSRT_ERR_INVALID);
    if (w->sink != NULL)
        flush(w);
    if (w->status < 0)
        return w->status;
    uint64_t total = w->flushed + w->len;
    if (len != NULL)
        *len = total > SIZE_MAX ? SIZE_MAX : (size_t)total;
    if (w->sink != NULL)
        return WSRT_OK;
    if (w->len < w->cap)
        w->buf[w->len] = '\0';
    return w->len <= w->cap ? WSRT_OK : WSRT_ERR_LIMIT;
}
