/* Text on its way to a caller's sink: buffered, locale-free, the first error sticks. */
#ifndef WSRT_SRC_MONITOR_TEXT_H
#define WSRT_SRC_MONITOR_TEXT_H

#include <wsrt/base.h>

#include <string.h>

struct text {
    int (*write)(const void *data, size_t len, void *user);
    void *user;
    int status;
    size_t len;
    char buf[4096];
};

void wsrt_text_init(struct text *t, int (*write)(const void *data, size_t len, void *user),
                    void *user);
void wsrt_text_more(struct text *t, wsrt_span bytes); /* more than there is room for */

static inline void wsrt_text_bytes(struct text *t, wsrt_span bytes)
{
    if (bytes.len >= sizeof t->buf - t->len) {
        wsrt_text_more(t, bytes);
        return;
    }
    if (bytes.len > 0)
        memcpy(t->buf + t->len, bytes.ptr, bytes.len);
    t->len += bytes.len;
}

static inline void wsrt_text_put(struct text *t, const char *text_cstr)
{
    wsrt_text_bytes(t, (wsrt_span){text_cstr, strlen(text_cstr)});
}

void wsrt_text_u64(struct text *t, uint64_t v);
void wsrt_text_scaled(struct text *t, uint64_t v, unsigned decimals); /* v / 10^decimals, exact */
void wsrt_text_double(struct text *t, double v);                      /* finite */
/* On one line: backslashes and newlines are escaped, and `quotes` if so; bad UTF-8 becomes U+FFFD. */
void wsrt_text_line(struct text *t, wsrt_span value, int quotes);
/* A label's value, so, between quotes. */
void wsrt_text_label(struct text *t, wsrt_span value);
int wsrt_text_finish(struct text *t);

#endif
