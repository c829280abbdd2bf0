#include "base/id.h"

enum { LONGEST = 128 };

/* One bit a byte value: + - / 0-9 = and A-Z _ a-z. */
static const uint64_t allowed[4] = {0x23ffa80000000000, 0x07fffffe87fffffe, 0, 0};

int wsrt_id_valid(wsrt_span id)
{
    uint64_t good = 1;

    if (id.ptr == NULL || id.len < 1 || id.len > LONGEST)
        return 0;
    for (size_t i = 0; i < id.len; i++) {
        unsigned char c = (unsigned char)id.ptr[i];
        good &= allowed[c >> 6] >> (c & 63);
    }
    return (int)good;
}
