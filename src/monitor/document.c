#include "monitor/document.h"

#include "base/alloc.h"
#include "json/number.h"

#include <string.h>

int wsrt_document_append(struct document *d, const void *data, size_t len)
{
    if (len > d->cap - d->len) {
        size_t cap = d->cap == 0 ? 4096 : d->cap;
        while (len > cap - d->len) {
            if (cap > SIZE_MAX / 2)
                return WSRT_ERR_NOMEM;
            cap *= 2;
        }
        char *more = wsrt_mem_resize(d->allocator, d->data, d->cap, cap);
        if (more == NULL)
            return WSRT_ERR_NOMEM;
        d->data = more;
        d->cap = cap;
    }
    memcpy(d->data + d->len, data, len);
    d->len += len;
    return WSRT_OK;
}

void wsrt_document_init(struct document *d, const wsrt_allocator *allocator)
{
    *d = (struct document){.allocator = allocator};
}

void wsrt_document_free(struct document *d)
{
    wsrt_mem_free(d->allocator, d->data, d->cap);
}

static int append(void *user, const void *data, size_t len)
{
    return wsrt_document_append(user, data, len);
}

void wsrt_document_begin(struct document *d)
{
    d->len = 0;
    wsrt_json_writer_sink(&d->json, d->buf, sizeof d->buf, WSRT_JSON_REPLACE_UTF8, append, d);
}

int wsrt_document_end(struct document *d)
{
    return wsrt_json_finish(&d->json, NULL);
}

int wsrt_document_send(struct document *d, const struct export *e)
{
    int rc = e->write(d->data, d->len, e->user);

    return rc < 0 ? rc : WSRT_OK;
}

void wsrt_json_member(wsrt_json_writer *w, const char *name, wsrt_span value)
{
    wsrt_json_key(w, name);
    wsrt_json_string(w, value);
}

void wsrt_json_number(wsrt_json_writer *w, const char *name, double v)
{
    wsrt_json_key(w, name);
    wsrt_json_write_double(w, v);
}

void wsrt_json_digits(wsrt_json_writer *w, uint64_t v)
{
    char text[WSRT_NUMBER_TEXT];

    wsrt_json_string(w, (wsrt_span){text, wsrt_uint64_text(v, text)});
}

void wsrt_json_whole(wsrt_json_writer *w, uint64_t v)
{
    if (v < (uint64_t)1 << 53)
        wsrt_json_write_uint64(w, v);
    else
        wsrt_json_digits(w, v);
}

void wsrt_json_count(wsrt_json_writer *w, const char *name, uint64_t v)
{
    wsrt_json_key(w, name);
    wsrt_json_whole(w, v);
}
