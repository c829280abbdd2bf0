#include "store_rules.h"

#include "support.h"

#include <wsrt/sender.h>

#include <string.h>

enum { LARGEST = 4096 };

int wsrt_adapter_id_ok(const wsrt_span *id)
{
    return id != NULL && wsrt_connection_id_valid(*id);
}

int wsrt_adapter_fits(wsrt_span text, size_t least, size_t most)
{
    return text.len >= least && text.len <= most && (text.len == 0 || text.ptr != NULL);
}

/* ---- pages -------------------------------------------------------------------------------- */

int wsrt_page_start(wsrt_page *p, void *out, size_t first, size_t max)
{
    uint32_t size;

    if (out == NULL || max == 0)
        return WSRT_ERR_INVALID;
    memcpy(&size, out, sizeof size);
    *p = (wsrt_page){.out = out, .stride = size == 0 ? first : size, .max = max};
    return p->stride < first || size > LARGEST || size % 8 != 0 ? WSRT_ERR_INVALID : WSRT_OK;
}

int wsrt_page_text(wsrt_page *p, char *buf, size_t cap)
{
    p->text = buf;
    p->left = cap;
    return buf == NULL && cap != 0 ? WSRT_ERR_INVALID : WSRT_OK;
}

static void write_element(const wsrt_page *p, const void *value, size_t size)
{
    char *element = p->out + p->count * p->stride;
    uint32_t mine = (uint32_t)p->stride;

    memset(element, 0, p->stride);
    memcpy(element, value, p->stride < size ? p->stride : size);
    memcpy(element, &mine, sizeof mine);
}

int wsrt_page_add(wsrt_page *p, void *value, size_t size, wsrt_span *const *texts, size_t count)
{
    size_t sum = 0;

    for (size_t i = 0; i < count; i++)
        sum += texts[i]->len;
    if (p->count == p->max || sum > p->left)
        return 0;
    p->left -= sum;
    for (size_t i = 0; i < count; i++) {
        if (texts[i]->len != 0)
            memcpy(p->text, texts[i]->ptr, texts[i]->len);
        texts[i]->ptr = p->text;
        p->text += texts[i]->len;
    }
    write_element(p, value, size);
    p->count++;
    return 1;
}

/* ---- cursors ------------------------------------------------------------------------------ */

int wsrt_cursor_open(const wsrt_cursor *cursor, void *place, size_t size)
{
    if (cursor->length == 0)
        return WSRT_OK;
    if (cursor->length != size)
        return WSRT_ERR_INVALID;
    memcpy(place, cursor->bytes, size);
    return WSRT_OK;
}

void wsrt_cursor_keep(wsrt_cursor *cursor, const void *place, size_t size, int at_end)
{
    memcpy(cursor->bytes, place, size);
    cursor->length = (uint32_t)size;
    cursor->at_end = (uint32_t)at_end;
}

uint64_t wsrt_walk_hash(wsrt_span text)
{
    uint64_t hash = 0xcbf29ce484222325u; /* FNV-1a */

    for (size_t i = 0; i < text.len; i++)
        hash = (hash ^ (unsigned char)text.ptr[i]) * 0x100000001b3u;
    return hash;
}
