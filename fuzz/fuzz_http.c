/* Heads of requests, and responses with their bodies: however the input is cut, the same result. The
 * first three bytes choose what is parsed and the cut, the rest is what arrives. */
#include "target.h"

#include "feed.h"

#include <stdlib.h>
#include <string.h>

static struct text feed(unsigned kind, wsrt_span in, struct split split)
{
    static const wsrt_http_limits small = {.max_head = 300, .max_target = 40, .max_body = 100};

    if (kind % 4 == 0)
        return feed_response(in, split, HEAP);
    return feed_request(in, split, kind % 4 == 1 ? &small : NULL, HEAP);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 3 || size > 600)
        return 0;
    struct split splits[] = {{1, 1}, {data[1], 0}, {data[1], data[2]}};
    wsrt_span in = {(const char *)data + 3, size - 3};
    struct text whole = feed(data[0], in, (struct split){0, 0});

    for (size_t i = 0; i < sizeof splits / sizeof splits[0]; i++) {
        struct text cut = feed(data[0], in, splits[i]);
        if (whole.len != cut.len || (whole.len > 0 && memcmp(whole.ptr, cut.ptr, whole.len) != 0))
            abort();
        text_free(&cut);
    }
    text_free(&whole);
    return 0;
}
