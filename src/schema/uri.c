#include "schema/uri.h"

#include <string.h>

struct uri {
    wsrt_span scheme; /* without the colon; ptr NULL = none, as in all of these */
    wsrt_span authority;
    wsrt_span path;
    wsrt_span query;
    wsrt_span fragment;
};

static wsrt_span cut(wsrt_span *text, size_t len)
{
    wsrt_span out = {text->ptr, len};

    text->ptr += len;
    text->len -= len;
    return out;
}

static size_t until(wsrt_span text, const char *stops)
{
    size_t i = 0;

    while (i < text.len && strchr(stops, text.ptr[i]) == NULL)
        i++;
    return i;
}

static struct uri parse(wsrt_span text)
{
    struct uri out = {0};
    size_t colon = until(text, ":/?#");

    if (text.len == 0)
        text.ptr = "";
    if (colon > 0 && colon < text.len && text.ptr[colon] == ':') {
        out.scheme = cut(&text, colon);
        cut(&text, 1);
    }
    if (text.len >= 2 && text.ptr[0] == '/' && text.ptr[1] == '/') {
        cut(&text, 2);
        out.authority = cut(&text, until(text, "/?#"));
    }
    out.path = cut(&text, until(text, "?#"));
    if (text.len > 0 && text.ptr[0] == '?') {
        cut(&text, 1);
        out.query = cut(&text, until(text, "#"));
    }
    if (text.len > 0) {
        cut(&text, 1);
        out.fragment = text;
    }
    return out;
}

static size_t put(char *dst, size_t at, wsrt_span text)
{
    if (text.len > 0)
        memcpy(dst + at, text.ptr, text.len);
    return at + text.len;
}

static size_t put_cstr(char *dst, size_t at, const char *text_cstr)
{
    return put(dst, at, wsrt_span_cstr(text_cstr));
}

/* Removes "." and ".." segments in place; returns the new length. */
static size_t remove_dots(char *path, size_t len)
{
    size_t in = 0, out = 0;

    while (in < len) {
        size_t end = in + 1;
        while (end < len && path[end] != '/')
            end++;
        size_t skip = path[in] == '/';
        size_t size = end - in - skip;
        int one = size == 1 && path[in + skip] == '.';
        int two = size == 2 && path[in + skip] == '.' && path[in + skip + 1] == '.';
        if (one || two) {
            while (two && out > 0 && path[--out] != '/')
                continue;
            if (end == len && skip)
                path[out++] = '/';
        } else {
            memmove(path + out, path + in, end - in);
            out += end - in;
        }
        in = end;
    }
    return out;
}

static size_t put_merged(char *dst, size_t at, const struct uri *base, wsrt_span path)
{
    size_t from = at, keep = base->path.len;

    if (base->authority.ptr != NULL && base->path.len == 0) {
        at = put_cstr(dst, at, "/");
    } else {
        while (keep > 0 && base->path.ptr[keep - 1] != '/')
            keep--;
        at = put(dst, at, (wsrt_span){base->path.ptr, keep});
    }
    at = put(dst, at, path);
    return from + remove_dots(dst + from, at - from);
}

static size_t put_path(char *dst, size_t at, const struct uri *base, const struct uri *r)
{
    if (r->scheme.ptr == NULL && r->authority.ptr == NULL && r->path.len == 0)
        return put(dst, at, base->path);
    if (r->scheme.ptr == NULL && r->authority.ptr == NULL && r->path.ptr[0] != '/')
        return put_merged(dst, at, base, r->path);
    return at + remove_dots(dst + at, put(dst, at, r->path) - at);
}

int wsrt_uri_resolve(wsrt_arena *arena, wsrt_span base_text, wsrt_span ref, wsrt_span *out)
{
    struct uri base = parse(base_text), r = parse(ref);
    char *dst = wsrt_arena_alloc(arena, base_text.len + ref.len + 8);
    wsrt_span scheme = r.scheme.ptr != NULL ? r.scheme : base.scheme;
    wsrt_span authority =
        r.scheme.ptr != NULL || r.authority.ptr != NULL ? r.authority : base.authority;
    size_t at = 0;

    if (dst == NULL)
        return 0;
    if (scheme.ptr != NULL)
        at = put_cstr(dst, put(dst, at, scheme), ":");
    if (authority.ptr != NULL)
        at = put(dst, put_cstr(dst, at, "//"), authority);
    at = put_path(dst, at, &base, &r);
    wsrt_span query = r.query;
    if (query.ptr == NULL && r.scheme.ptr == NULL && r.authority.ptr == NULL && r.path.len == 0)
        query = base.query;
    if (query.ptr != NULL)
        at = put(dst, put_cstr(dst, at, "?"), query);
    if (r.fragment.ptr != NULL)
        at = put(dst, put_cstr(dst, at, "#"), r.fragment);
    *out = (wsrt_span){dst, at};
    return 1;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

int wsrt_uri_split(wsrt_arena *arena, wsrt_span *uri, wsrt_span *fragment)
{
    struct uri parts = parse(*uri);
    size_t len = 0;

    *fragment = (wsrt_span){NULL, 0};
    if (parts.fragment.ptr == NULL)
        return 1;
    uri->len -= parts.fragment.len + 1;
    char *dst = wsrt_arena_alloc(arena, parts.fragment.len);
    if (dst == NULL)
        return 0;
    for (size_t i = 0; i < parts.fragment.len; i++) {
        const char *p = parts.fragment.ptr + i;
        int high = *p == '%' && parts.fragment.len - i > 2 ? hex_digit(p[1]) : -1;
        int low = high >= 0 ? hex_digit(p[2]) : -1;
        dst[len++] = *p;
        if (low < 0)
            continue;
        dst[len - 1] = (char)(high << 4 | low);
        i += 2;
    }
    *fragment = (wsrt_span){dst, len};
    return 1;
}
