/* Frames of either role: however the input is cut, the same messages, control frames and end; the caps
 * hold, and after the end there is silence (feed.c aborts otherwise). The first three bytes choose
 * role and cut, the rest is what arrives. */
#include "target.h"

#include "feed.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 3 || size > 4096)
        return 0;
    wsrt_ws_limits limits = {
        .max_frame = 600, .max_message = 1000, .max_fragments = 6, .flags = data[0] & 3};
    struct split splits[] = {{1, 1}, {data[1], 0}, {data[1], data[2]}};
    wsrt_span in = {(const char *)data + 3, size - 3};
    struct text whole = feed_frames(in, (struct split){0, 0}, &limits, HEAP);

    for (size_t i = 0; i < sizeof splits / sizeof splits[0]; i++) {
        struct text cut = feed_frames(in, splits[i], &limits, HEAP);
        if (strcmp(whole.ptr, cut.ptr) != 0)
            abort();
        text_free(&cut);
    }
    text_free(&whole);
    return 0;
}
