#include <wsrt/runtime.h>

#include <string.h>

static unsigned char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (unsigned char)(c + ('a' - 'A')) : (unsigned char)c;
}

static int same_name(wsrt_span a, wsrt_span b)
{
    if (a.len != b.len)
        return 0;
    for (size_t i = 0; i < a.len; i++)
        if (lower(a.ptr[i]) != lower(b.ptr[i]))
            return 0;
    return 1;
}

static int find_pair(const wsrt_pair *pairs, size_t count, const char *name_cstr, wsrt_span *value)
{
    wsrt_span name = wsrt_span_cstr(name_cstr);

    for (size_t i = 0; i < count; i++) {
        if (same_name(pairs[i].name, name)) {
            *value = pairs[i].value;
            return WSRT_OK;
        }
    }
    return WSRT_ERR_NOT_FOUND;
}

int wsrt_event_header(const wsrt_event *ev, const char *name_cstr, wsrt_span *value)
{
    if (ev == NULL || name_cstr == NULL || value == NULL)
        return WSRT_ERR_INVALID;
    return find_pair(ev->headers, ev->header_count, name_cstr, value);
}

int wsrt_event_query(const wsrt_event *ev, const char *name_cstr, wsrt_span *value)
{
    if (ev == NULL || name_cstr == NULL || value == NULL)
        return WSRT_ERR_INVALID;
    return find_pair(ev->query, ev->query_count, name_cstr, value);
}
