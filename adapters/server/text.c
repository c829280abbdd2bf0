#include "server/text.h"

#include <string.h>

enum { TEXT_MOST = 1024 };

size_t wsrt_texts_room(const wsrt_span *items, size_t count)
{
    size_t n = count * sizeof(wsrt_span);

    for (size_t i = 0; i < count; i++)
        n += items[i].len;
    return n;
}

wsrt_span wsrt_copy_text(wsrt_copier *c, wsrt_span text)
{
    wsrt_span out = {c->text, text.len};

    if (text.len > 0)
        memcpy(c->text, text.ptr, text.len);
    c->text += text.len;
    return out;
}

wsrt_texts wsrt_copy_texts(wsrt_copier *c, const wsrt_span *items, size_t count)
{
    wsrt_texts out = {c->spans, count};

    for (size_t i = 0; i < count; i++)
        *c->spans++ = wsrt_copy_text(c, items[i]);
    return out;
}

int wsrt_texts_valid(const wsrt_span *items, size_t count, size_t most)
{
    if (count > most || (count > 0 && items == NULL))
        return 0;
    for (size_t i = 0; i < count; i++)
        if (items[i].len == 0 || items[i].len > TEXT_MOST || items[i].ptr == NULL)
            return 0;
    return 1;
}
