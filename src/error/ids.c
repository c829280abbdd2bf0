#include <wsrt/error.h>

#include <string.h>

static const char hex[] = "0123456789abcdef";

/* ---- correlation ids ---- */

static int is_alnum(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static int is_id_char(char c)
{
    return is_alnum(c) || (c != '\0' && strchr("._:=;-", c) != NULL);
}

int wsrt_correlation_id_valid(wsrt_span offered)
{
    if (offered.len == 0 || offered.len > WSRT_CORRELATION_ID_MAX)
        return 0;
    for (size_t i = 0; i < offered.len; i++)
        if (!is_id_char(offered.ptr[i]))
            return 0;
    return 1;
}

/* ---- UUIDv7 ---- */

enum { COUNTER_BITS = 12, CLOCK_BITS = 48 };

/* Milliseconds and a counter in one word that only grows. The counter starts in its lower half; when
 * it runs over, the id runs ahead of the clock by a millisecond (RFC 9562, 6.2, method 1). */
static uint64_t advance(uint64_t *last, uint64_t now)
{
    uint64_t before = __atomic_load_n(last, __ATOMIC_RELAXED), next;

    do {
        next = now > before ? now : before + 1;
    } while (
        !__atomic_compare_exchange_n(last, &before, next, 1, __ATOMIC_RELAXED, __ATOMIC_RELAXED));
    return next;
}

static void put_hex(char **dst, uint64_t v, int digits)
{
    for (int i = digits - 1; i >= 0; i--)
        *(*dst)++ = hex[v >> (4 * i) & 15];
}

int wsrt_uuid7(uint64_t *last, int64_t wall, const void *random, char *dst)
{
    uint16_t seed;
    uint64_t tail;

    if (last == NULL || random == NULL || dst == NULL || wall < 0 || wall >> CLOCK_BITS != 0)
        return WSRT_ERR_INVALID;
    memcpy(&seed, random, sizeof seed);
    memcpy(&tail, (const char *)random + sizeof seed, sizeof tail);
    uint64_t id = advance(last, (uint64_t)wall << COUNTER_BITS | (seed & 0x7ffu));
    put_hex(&dst, id >> (COUNTER_BITS + 16), 8);
    *dst++ = '-';
    put_hex(&dst, id >> COUNTER_BITS, 4);
    *dst++ = '-';
    put_hex(&dst, 0x7000 | (id & 0xfff), 4);
    *dst++ = '-';
    put_hex(&dst, 0x8000 | (tail >> 48 & 0x3fff), 4);
    *dst++ = '-';
    put_hex(&dst, tail, 12);
    return WSRT_OK;
}

/* ---- trace contexts ---- */

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
        p = stop + 1;
    }
    if (trace.trace_id[0] == '\0')
        return WSRT_ERR_MALFORMED;
    *out = trace;
    return WSRT_OK;
}
