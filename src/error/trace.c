/* W3C and X-Ray trace contexts, read and written. */
#include <wsrt/error.h>

#include <string.h>

static const char hex[] = "0123456789abcdef";

/* ---- reading ---- */

static int lower_hex(const char *p, size_t digits)
{
    for (size_t i = 0; i < digits; i++)
        if (p[i] == '\0' || strchr(hex, p[i]) == NULL)
            return 0;
    return 1;
}

static int all_zero(const char *p, size_t digits)
{
    for (size_t i = 0; i < digits; i++)
        if (p[i] != '0')
            return 0;
    return 1;
}

static int hex_value(char c)
{
    return (int)(strchr(hex, c) - hex);
}

/* version "-" trace id "-" parent id "-" flags, then nothing in version 00. */
int wsrt_trace_from_traceparent(wsrt_span header, wsrt_trace *out)
{
    enum { TRACE = 3, PARENT = 36, FLAGS = 53, LEN = 55 };
    const char *p = header.ptr;
    wsrt_trace trace = {0};

    if (out == NULL || header.len < LEN || p[2] != '-' || p[35] != '-' || p[52] != '-')
        return WSRT_ERR_MALFORMED;
    if (!lower_hex(p, 2) || !lower_hex(p + TRACE, 32) || !lower_hex(p + PARENT, 16) ||
        !lower_hex(p + FLAGS, 2))
        return WSRT_ERR_MALFORMED;
    if (memcmp(p, "ff", 2) == 0 || all_zero(p + TRACE, 32) || all_zero(p + PARENT, 16))
        return WSRT_ERR_MALFORMED;
    if (header.len > LEN && (memcmp(p, "00", 2) == 0 || p[LEN] != '-'))
        return WSRT_ERR_MALFORMED;
    memcpy(trace.trace_id, p + TRACE, 32);
    memcpy(trace.parent_id, p + PARENT, 16);
    trace.sampled = hex_value(p[FLAGS + 1]) & 1;
    *out = trace;
    return WSRT_OK;
}

static int copy_hex(char *dst, const char *p, size_t digits)
{
    for (size_t i = 0; i < digits; i++) {
        char c = p[i] >= 'A' && p[i] <= 'F' ? (char)(p[i] - 'A' + 'a') : p[i];
        if (!lower_hex(&c, 1))
            return 0;
        dst[i] = c;
    }
    return 1;
}

/* 1-8hex-24hex */
static int read_root(wsrt_trace *trace, wsrt_span value)
{
    const char *p = value.ptr;

    return value.len == 35 && p[0] == '1' && p[1] == '-' && p[10] == '-' &&
           copy_hex(trace->trace_id, p + 2, 8) && copy_hex(trace->trace_id + 8, p + 11, 24) &&
           !all_zero(trace->trace_id, 32);
}

static int starts_with(wsrt_span field, const char *name, wsrt_span *value)
{
    size_t len = strlen(name);

    if (field.len < len || memcmp(field.ptr, name, len) != 0)
        return 0;
    *value = (wsrt_span){field.ptr + len, field.len - len};
    return 1;
}

/* Fields that are not ours (Self, Lineage) are passed over. */
static int read_xray_field(wsrt_trace *trace, wsrt_span field)
{
    wsrt_span value;

    if (starts_with(field, "Root=", &value))
        return read_root(trace, value);
    if (starts_with(field, "Parent=", &value))
        return value.len == 16 && copy_hex(trace->parent_id, value.ptr, 16);
    if (starts_with(field, "Sampled=", &value))
        trace->sampled = value.len != 1        ? -1
                         : value.ptr[0] == '1' ? 1
                         : value.ptr[0] == '0' ? 0
                                               : -1;
    return 1;
}

int wsrt_trace_from_xray(wsrt_span header, wsrt_trace *out)
{
    wsrt_trace trace = {.sampled = -1};
    const char *p = header.ptr;

    if (out == NULL || header.len == 0)
        return WSRT_ERR_MALFORMED;
    for (const char *end = p + header.len; p < end;) {
        while (p < end && *p == ' ')
            p++;
        const char *stop = memchr(p, ';', (size_t)(end - p));
        stop = stop == NULL ? end : stop;
        if (!read_xray_field(&trace, (wsrt_span){p, (size_t)(stop - p)}))
            return WSRT_ERR_MALFORMED;
        p = stop < end ? stop + 1 : end;
    }
    if (trace.trace_id[0] == '\0')
        return WSRT_ERR_MALFORMED;
    *out = trace;
    return WSRT_OK;
}

/* ---- writing ---- */

static void put_hex(char *dst, const unsigned char *bytes, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        dst[2 * i] = hex[bytes[i] >> 4];
        dst[2 * i + 1] = hex[bytes[i] & 15];
    }
    dst[2 * count] = '\0';
}

/* Ids of zeroes alone are invalid: one bit of luck too little is set by hand. */
static void make_id(char *dst, const unsigned char *random, size_t count)
{
    put_hex(dst, random, count);
    if (all_zero(dst, 2 * count))
        dst[2 * count - 1] = '1';
}

int wsrt_trace_child(wsrt_trace *trace, const void *random)
{
    const unsigned char *bytes = random;

    if (trace == NULL || random == NULL)
        return WSRT_ERR_INVALID;
    if (trace->trace_id[0] == '\0')
        make_id(trace->trace_id, bytes, 16);
    make_id(trace->parent_id, bytes + 16, 8);
    return WSRT_OK;
}

static char *put(char *dst, const char *text, size_t len)
{
    memcpy(dst, text, len);
    return dst + len;
}

static size_t put_traceparent(const wsrt_trace *t, char *dst)
{
    char *p = put(dst, "00-", 3);

    p = put(p, t->trace_id, 32);
    p = put(p, "-", 1);
    p = put(p, t->parent_id, 16);
    p = put(p, t->sampled == 1 ? "-01" : "-00", 3);
    return (size_t)(p - dst);
}

static size_t put_xray(const wsrt_trace *t, char *dst)
{
    char *p = put(dst, "Root=1-", 7);

    p = put(p, t->trace_id, 8);
    p = put(p, "-", 1);
    p = put(p, t->trace_id + 8, 24);
    if (t->parent_id[0] != '\0') {
        p = put(p, ";Parent=", 8);
        p = put(p, t->parent_id, 16);
    }
    if (t->sampled >= 0)
        p = put(p, t->sampled == 1 ? ";Sampled=1" : ";Sampled=0", 10);
    return (size_t)(p - dst);
}

static int is_id(const char *text, size_t digits)
{
    return memchr(text, '\0', digits + 1) == text + digits && lower_hex(text, digits) &&
           !all_zero(text, digits);
}

int wsrt_trace_write(const wsrt_trace *trace, int form, char *dst, size_t cap, size_t *len)
{
    char text[80];

    if (trace == NULL || (dst == NULL && cap > 0) || !is_id(trace->trace_id, 32))
        return WSRT_ERR_INVALID;
    if (!is_id(trace->parent_id, 16) &&
        (form == WSRT_TRACE_TRACEPARENT || trace->parent_id[0] != '\0'))
        return WSRT_ERR_INVALID;
    if (form != WSRT_TRACE_TRACEPARENT && form != WSRT_TRACE_XRAY)
        return WSRT_ERR_INVALID;
    size_t need =
        form == WSRT_TRACE_TRACEPARENT ? put_traceparent(trace, text) : put_xray(trace, text);
    if (len != NULL)
        *len = need;
    if (need > cap)
        return WSRT_ERR_LIMIT;
    memcpy(dst, text, need);
    return WSRT_OK;
}
