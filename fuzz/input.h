/* Takes a fuzz input apart: single bytes, numbers, and texts behind a byte that says how long
 * they are. Where the input is at its end there are zeros and empty texts, so that every input
 * is a good one. */
#ifndef WSRT_FUZZ_INPUT_H
#define WSRT_FUZZ_INPUT_H

#include <wsrt/base.h>

#include <stdlib.h>
#include <string.h>

struct input {
    const uint8_t *at, *end;
};

static inline void require(int truth)
{
    if (!truth)
        abort();
}

static inline unsigned take_byte(struct input *in)
{
    return in->at < in->end ? *in->at++ : 0;
}

static inline int64_t take_number(struct input *in)
{
    uint64_t number = 0;

    for (int i = 0; i < 8; i++)
        number |= (uint64_t)take_byte(in) << (8 * i);
    return (int64_t)number;
}

static inline wsrt_span take_text(struct input *in)
{
    size_t len = take_byte(in);
    wsrt_span text = {(const char *)in->at, len};

    if (len > (size_t)(in->end - in->at))
        text.len = (size_t)(in->end - in->at);
    in->at += text.len;
    return text;
}

#endif
