#include <wsrt/error.h>

#include "error/block.h"

#include <string.h>

static const char hex[] = "0123456789abcdef";

/* ---- correlation ids ---- */

/* Which of sixteen bytes may stand in an id. */
static wsrt_block id_bytes(wsrt_block b)
{
    wsrt_block lower = b | wsrt_block_of(0x20);

    return wsrt_block_range(lower, 'a', 'z') | wsrt_block_range(b, '0', ';') |
           wsrt_block_range(b, '-', '.') | wsrt_block_same(b, '=') | wsrt_block_same(b, '_');
}

int wsrt_correlation_id_valid(wsrt_span offered)
{
    char padded[WSRT_BLOCK];
    size_t i = 0;
    wsrt_block valid = wsrt_block_of('\xff');

    if (offered.ptr == NULL || offered.len == 0 || offered.len > WSRT_CORRELATION_ID_MAX)
        return 0;
    for (; offered.len - i > WSRT_BLOCK; i += WSRT_BLOCK)
        valid &= id_bytes(wsrt_block_load(offered.ptr + i));
    if (offered.len < WSRT_BLOCK) {
        memset(padded, 'x', sizeof padded);
        memcpy(padded, offered.ptr, offered.len);
        return wsrt_block_all(id_bytes(wsrt_block_load(padded)));
    }
    /* the last sixteen, most of them for the second time */
    return wsrt_block_all(valid &
                          id_bytes(wsrt_block_load(offered.ptr + offered.len - WSRT_BLOCK)));
}

/* ---- UUIDv7 and ULID ---- */

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

/* 48 bits of time and 12 of counter, and 68 of chance behind them, of which `seed` has the first four. */
struct made {
    uint64_t id;
    uint16_t seed;
    uint64_t tail;
};

static int make(uint64_t *last, int64_t wall, const void *random, struct made *out)
{
    if (last == NULL || random == NULL || wall < 0 || wall >> CLOCK_BITS != 0)
        return WSRT_ERR_INVALID;
    memcpy(&out->seed, random, sizeof out->seed);
    memcpy(&out->tail, (const char *)random + sizeof out->seed, sizeof out->tail);
    out->id = advance(last, (uint64_t)wall << COUNTER_BITS | (out->seed & 0x7ffu));
    return WSRT_OK;
}

int wsrt_uuid7(uint64_t *last, int64_t wall, const void *random, char *dst)
{
    struct made m;

    if (dst == NULL || make(last, wall, random, &m) != WSRT_OK)
        return WSRT_ERR_INVALID;
    put_hex(&dst, m.id >> (COUNTER_BITS + 16), 8);
    *dst++ = '-';
    put_hex(&dst, m.id >> COUNTER_BITS, 4);
    *dst++ = '-';
    put_hex(&dst, 0x7000 | (m.id & 0xfff), 4);
    *dst++ = '-';
    put_hex(&dst, 0x8000 | (m.tail >> 48 & 0x3fff), 4);
    *dst++ = '-';
    put_hex(&dst, m.tail, 12);
    return WSRT_OK;
}

static void put_base32(char *dst, uint64_t v, int digits)
{
    static const char crockford[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

    for (int i = 0; i < digits; i++)
        dst[i] = crockford[v >> (5 * (digits - 1 - i)) & 31];
}

int wsrt_ulid(uint64_t *last, int64_t wall, const void *random, char *dst)
{
    struct made m;

    if (dst == NULL || make(last, wall, random, &m) != WSRT_OK)
        return WSRT_ERR_INVALID;
    put_base32(dst, m.id >> COUNTER_BITS, 10);
    uint64_t high = (m.id & 0xfff) << 28 | (uint64_t)(m.seed >> 12) << 24 | m.tail >> 40;
    put_base32(dst + 10, high, 8);
    put_base32(dst + 18, m.tail, 8);
    return WSRT_OK;
}
