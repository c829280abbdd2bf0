#include "monitor/text.h"

#include "json/number.h"
#include "json/scan.h"

#include <string.h>

void wsrt_text_init(struct text *t, int (*write)(const void *data, size_t len, void *user),
                    void *user)
{
    t->write = write;
    t->user = user;
    t->status = WSRT_OK;
    t->len = 0;
}

static void flush(struct text *t)
{
    if (t->len > 0 && t->status >= 0)
        t->status = t->write(t->buf, t->len, t->user);
    t->len = 0;
}

void wsrt_text_more(struct text *t, wsrt_span bytes)
{
    while (bytes.len > 0 && t->status >= 0) {
        size_t room = sizeof t->buf - t->len;
        size_t n = bytes.len < room ? bytes.len : room;
        memcpy(t->buf + t->len, bytes.ptr, n);
        t->len += n;
        bytes.ptr += n;
        bytes.len -= n;
        if (t->len == sizeof t->buf)
            flush(t);
    }
}

void wsrt_text_scaled(struct text *t, uint64_t v, unsigned decimals)
{
    char digits[24];
    size_t at = sizeof digits;
    unsigned done = 0;

    for (; decimals > 0 && v % 10 == 0; decimals--)
        v /= 10;
    do {
        if (done == decimals && decimals > 0)
            digits[--at] = '.';
        digits[--at] = (char)('0' + v % 10);
        v /= 10;
        done++;
    } while (v > 0 || done <= decimals);
    wsrt_text_bytes(t, (wsrt_span){digits + at, sizeof digits - at});
}

void wsrt_text_u64(struct text *t, uint64_t v)
{
    wsrt_text_scaled(t, v, 0);
}

void wsrt_text_double(struct text *t, double v)
{
    char digits[WSRT_NUMBER_TEXT];

    wsrt_text_bytes(t, (wsrt_span){digits, wsrt_double_text(v, digits)});
}

static void escaped(struct text *t, char c, int quotes)
{
    const char *as = c == '"' && quotes ? "\\\"" : c == '\\' ? "\\\\" : c == '\n' ? "\\n" : NULL;

    if (as != NULL)
        wsrt_text_put(t, as);
    else
        wsrt_text_bytes(t, (wsrt_span){&c, 1});
}

/* So many bytes from the front need no look of their own. */
static size_t plain(wsrt_span value)
{
    size_t n = 0;

    while (n < value.len && (unsigned char)value.ptr[n] < 0x80 && value.ptr[n] != '"' &&
           value.ptr[n] != '\\' && value.ptr[n] != '\n')
        n++;
    return n;
}

void wsrt_text_line(struct text *t, wsrt_span value, int quotes)
{
    size_t i = plain(value);

    wsrt_text_bytes(t, (wsrt_span){value.ptr, i});
    while (i < value.len) {
        int n = wsrt_scan_utf8(value.ptr + i, value.ptr + value.len);
        if (n == 1)
            escaped(t, value.ptr[i], quotes);
        else if (n > 1)
            wsrt_text_bytes(t, (wsrt_span){value.ptr + i, (size_t)n});
        else
            wsrt_text_put(t, "\xef\xbf\xbd");
        i += (size_t)(n > 0 ? n : -n);
    }
}

void wsrt_text_label(struct text *t, wsrt_span value)
{
    wsrt_text_put(t, "\"");
    wsrt_text_line(t, value, 1);
    wsrt_text_put(t, "\"");
}

int wsrt_text_finish(struct text *t)
{
    flush(t);
    return t->status < 0 ? t->status : WSRT_OK;
}
