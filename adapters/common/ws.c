#include "ws.h"

#include <string.h>

/* wsrt_ws_decoder.state: the low bits are the opcode of the open message. */
enum { OPCODE = 0x0f, LAST_FRAME = 0x10, IN_FRAME = 0x20, SILENT = 0x40 };
enum { SERVER_MASK_LEN = 4, LEN_16 = 126, LEN_64 = 127 };
enum { CONTROL = 8 };

/* A frame header as read. */
struct frame {
    uint64_t len;
    size_t header;
    uint32_t key;
    uint8_t opcode;
    uint8_t fin;
};

/* ---- masking ------------------------------------------------------------------------------ */

typedef uint64_t wide __attribute__((vector_size(16)));

static const uint64_t high_bits = 0x8080808080808080u;

/* The key as it stands `n` bytes further on. */
static uint32_t turned(uint32_t key, size_t n)
{
    unsigned bits = (unsigned)(n % 4) * 8, rest = (32 - bits) % 32;

    if (__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__)
        return key >> bits | key << rest;
    return key << bits | key >> rest;
}

static unsigned char turned_byte(uint32_t key, size_t n)
{
    uint32_t t = turned(key, n);
    unsigned char first;

    memcpy(&first, &t, 1);
    return first;
}

static uint64_t doubled(uint32_t key)
{
    return (uint64_t)key << 32 | key;
}

static uint64_t load64(const unsigned char *src)
{
    uint64_t word;

    memcpy(&word, src, sizeof word);
    return word;
}

/* By pointer: not every target passes vectors. */
static void load_wide(wide *word, const unsigned char *src)
{
    memcpy(word, src, sizeof *word);
}

static void store_wide(unsigned char *dst, const wide *word)
{
    memcpy(dst, word, sizeof *word);
}

/* The mask functions return a word without high bits only if the whole output is ASCII. The last word
 * may overlap the one before, so it is read before anything is written in place. */
static uint64_t mask_wide(unsigned char *dst, const unsigned char *src, size_t len, uint32_t key)
{
    uint64_t k = doubled(key), t = doubled(turned(key, len));
    size_t end = len - sizeof(wide);
    wide keys = {k, k}, tail_keys = {t, t};
    wide a, b, c, d, tail, seen;

    load_wide(&tail, src + end);
    tail ^= tail_keys;
    seen = tail;

    size_t i = 0;
    for (; i + 4 * sizeof(wide) <= end; i += 4 * sizeof(wide)) {
        load_wide(&a, src + i);
        load_wide(&b, src + i + 16);
        load_wide(&c, src + i + 32);
        load_wide(&d, src + i + 48);
        a ^= keys, b ^= keys, c ^= keys, d ^= keys;
        store_wide(dst + i, &a);
        store_wide(dst + i + 16, &b);
        store_wide(dst + i + 32, &c);
        store_wide(dst + i + 48, &d);
        seen |= (a | b) | (c | d);
    }
    for (; i < end; i += sizeof(wide)) {
        load_wide(&a, src + i);
        a ^= keys;
        seen |= a;
        store_wide(dst + i, &a);
    }
    store_wide(dst + end, &tail);
    return seen[0] | seen[1];
}

static uint64_t mask_16_to_32(unsigned char *dst, const unsigned char *src, size_t len,
                              uint32_t key)
{
    uint64_t k = doubled(key), t = doubled(turned(key, len));
    wide keys = {k, k}, tail_keys = {t, t};
    wide first, last, seen;

    load_wide(&first, src);
    load_wide(&last, src + len - sizeof last);
    first ^= keys, last ^= tail_keys;
    seen = first | last;

    store_wide(dst, &first);
    store_wide(dst + len - sizeof last, &last);
    return seen[0] | seen[1];
}

static uint64_t mask_8_to_15(unsigned char *dst, const unsigned char *src, size_t len, uint32_t key)
{
    uint64_t first = load64(src) ^ doubled(key);
    uint64_t last = load64(src + len - 8) ^ doubled(turned(key, len));

    memcpy(dst, &first, sizeof first);
    memcpy(dst + len - 8, &last, sizeof last);
    return first | last;
}

static uint64_t mask_up_to_7(unsigned char *dst, const unsigned char *src, size_t len, uint32_t key)
{
    uint64_t seen = 0;

    for (size_t i = 0; i < len; i++) {
        dst[i] = src[i] ^ turned_byte(key, i);
        seen |= dst[i];
    }
    return seen;
}

static uint64_t mask(unsigned char *dst, const unsigned char *src, size_t len, uint32_t key)
{
    if (len > 2 * sizeof(wide))
        return mask_wide(dst, src, len, key);
    if (len >= sizeof(wide))
        return mask_16_to_32(dst, src, len, key);
    if (len >= 8)
        return mask_8_to_15(dst, src, len, key);
    return mask_up_to_7(dst, src, len, key);
}

void wsrt_ws_mask(void *dst, const void *src, size_t len, const unsigned char *key)
{
    uint32_t word;

    memcpy(&word, key, sizeof word);
    if (len > 0)
        mask(dst, src, len, word);
}

/* ---- UTF-8 -------------------------------------------------------------------------------- */

/* The automaton of RFC 3629 section 4. A state is the position of its six bits in a row; the row of a
 * byte holds, at each state, the state that follows: one table look-up and one shift a byte. */
enum {
    BETWEEN = 0,
    ONE_MORE = 6,
    TWO_MORE = 12,
    THREE_MORE = 18,
    AFTER_E0 = 24, /* no overlong form */
    AFTER_ED = 30, /* no surrogate */
    AFTER_F0 = 36, /* no overlong form */
    AFTER_F4 = 42, /* not above U+10FFFF */
    BAD = 48
};

#define ROW(between, one, two, three, e0, ed, f0, f4)                                              \
    ((uint64_t)(between) | (uint64_t)(one) << ONE_MORE | (uint64_t)(two) << TWO_MORE |             \
     (uint64_t)(three) << THREE_MORE | (uint64_t)(e0) << AFTER_E0 | (uint64_t)(ed) << AFTER_ED |   \
     (uint64_t)(f0) << AFTER_F0 | (uint64_t)(f4) << AFTER_F4 | (uint64_t)BAD << BAD)
#define LEAD(next) ROW(next, BAD, BAD, BAD, BAD, BAD, BAD, BAD)
#define R4(x) x, x, x, x
#define R16(x) R4(x), R4(x), R4(x), R4(x)

enum { ASCII, T80, T90, TA0, NONE, L2, LE0, L3, LED, LF0, L4, LF4 };

static const uint64_t rows[] = {
    [ASCII] = LEAD(BETWEEN),
    [T80] = ROW(BAD, BETWEEN, ONE_MORE, TWO_MORE, BAD, ONE_MORE, BAD, TWO_MORE),
    [T90] = ROW(BAD, BETWEEN, ONE_MORE, TWO_MORE, BAD, ONE_MORE, TWO_MORE, BAD),
    [TA0] = ROW(BAD, BETWEEN, ONE_MORE, TWO_MORE, ONE_MORE, BAD, TWO_MORE, BAD),
    [NONE] = LEAD(BAD),
    [L2] = LEAD(ONE_MORE),
    [LE0] = LEAD(AFTER_E0),
    [L3] = LEAD(TWO_MORE),
    [LED] = LEAD(AFTER_ED),
    [LF0] = LEAD(AFTER_F0),
    [L4] = LEAD(THREE_MORE),
    [LF4] = LEAD(AFTER_F4),
};

static const uint8_t row_of[256] = {
    R16(ASCII), R16(ASCII), R16(ASCII), R16(ASCII), R16(ASCII), R16(ASCII), R16(ASCII), R16(ASCII),
    R16(T80),   R16(T90),   R16(TA0),   R16(TA0),   NONE,       NONE,       L2,         L2,
    R4(L2),     R4(L2),     R4(L2),     R16(L2),    LE0,        L3,         L3,         L3,
    R4(L3),     R4(L3),     L3,         LED,        L3,         L3,         LF0,        L4,
    L4,         L4,         LF4,        NONE,       NONE,       NONE,       R4(NONE),   R4(NONE),
};

/* Words of ASCII between two characters are skipped; the choice is made once a word, not once a byte,
 * because mixed text makes it unpredictable. */
static uint8_t utf8_next(uint8_t state, const unsigned char *p, size_t len)
{
    uint64_t s = state;
    size_t i = 0;

    for (; len - i >= 8; i += 8) {
        if ((s & 63) == BETWEEN && (load64(p + i) & high_bits) == 0)
            continue;
        for (size_t k = 0; k < 8; k++)
            s = rows[row_of[p[i + k]]] >> (s & 63);
    }
    for (; i < len; i++)
        s = rows[row_of[p[i]]] >> (s & 63);
    return s & 63;
}

/* ---- receiving ---------------------------------------------------------------------------- */

static const char not_text[] = "text is not UTF-8";

static int fail(wsrt_ws_decoder *d, wsrt_ws_event *event, uint16_t code, const char *why)
{
    d->state = SILENT;
    event->code = code;
    event->why = why;
    return WSRT_WS_FAIL;
}

static int is_open(const wsrt_ws_decoder *d)
{
    return (d->state & OPCODE) != 0;
}

/* The rules that the first two bytes decide; NULL when they hold. */
static const char *broken_rule(const wsrt_ws_decoder *d, const wsrt_ws_limits *limits,
                               const unsigned char *p)
{
    unsigned known = 1u << WSRT_WS_OP_CONTINUATION | 1u << WSRT_WS_OP_TEXT |
                     1u << WSRT_WS_OP_BINARY | 1u << WSRT_WS_OP_CLOSE | 1u << WSRT_WS_OP_PING |
                     1u << WSRT_WS_OP_PONG;
    unsigned opcode = p[0] & OPCODE;

    if ((p[0] & 0x70) != 0)
        return "reserved bit set";
    if ((known >> opcode & 1) == 0)
        return "unknown opcode";
    if ((p[1] >> 7 != 0) == ((limits->flags & WSRT_WS_CLIENT) != 0))
        return p[1] >> 7 ? "masked server frame" : "unmasked client frame";
    if ((opcode & CONTROL) != 0) {
        if (p[0] >> 7 == 0)
            return "fragmented control frame";
        return (p[1] & 127) > WSRT_WS_CONTROL_MAX ? "control frame too long" : NULL;
    }
    if (opcode == WSRT_WS_OP_CONTINUATION)
        return is_open(d) ? NULL : "continuation of no message";
    return is_open(d) ? "new message inside a message" : NULL;
}

static uint64_t big_endian(const unsigned char *p, size_t len)
{
    uint64_t value = 0;

    for (size_t i = 0; i < len; i++)
        value = value << 8 | p[i];
    return value;
}

/* Caps, decided before a byte of the payload is taken; 0 or the close code. */
static uint16_t over_cap(const wsrt_ws_decoder *d, const wsrt_ws_limits *limits,
                         const struct frame *f, const char **why)
{
    if (f->opcode == WSRT_WS_OP_BINARY && (limits->flags & WSRT_WS_NO_BINARY) != 0) {
        *why = "binary is not taken";
        return 1003;
    }
    *why = "message too big";
    if (f->len > limits->max_frame)
        *why = "frame too big";
    else if (d->fragments >= limits->max_fragments)
        *why = "too many fragments";
    else if (d->announced <= limits->max_message && f->len <= limits->max_message - d->announced)
        return 0;
    return 1009;
}

/* Reads the header at `p`: WSRT_WS_MESSAGE when it is there, WSRT_WS_NEED or WSRT_WS_FAIL. */
static int read_header(wsrt_ws_decoder *d, const wsrt_ws_limits *limits, wsrt_span in,
                       struct frame *f, wsrt_ws_event *event)
{
    const unsigned char *p = (const unsigned char *)in.ptr;

    if (in.len < 2)
        return WSRT_WS_NEED;
    const char *why = broken_rule(d, limits, p);
    if (why != NULL)
        return fail(d, event, 1002, why);
    f->opcode = p[0] & OPCODE;
    f->fin = p[0] >> 7;
    f->len = p[1] & 127;
    f->header = 2;
    f->key = 0;
    if (f->len >= LEN_16) {
        size_t wide_len = f->len == LEN_16 ? 2 : 8;
        if (in.len < 2 + wide_len)
            return WSRT_WS_NEED;
        f->header += wide_len;
        f->len = big_endian(p + 2, wide_len);
        if (f->len < LEN_16 || (wide_len == 8 && (f->len <= 0xffff || f->len >> 63 != 0)))
            return fail(d, event, 1002, "length not minimal or beyond 2^63");
    }
    if ((f->opcode & CONTROL) == 0) {
        uint16_t code = over_cap(d, limits, f, &why);
        if (code != 0)
            return fail(d, event, code, why);
    }
    if (p[1] >> 7 != 0) {
        if (in.len < f->header + SERVER_MASK_LEN)
            return WSRT_WS_NEED;
        memcpy(&f->key, p + f->header, SERVER_MASK_LEN);
        f->header += SERVER_MASK_LEN;
    }
    return WSRT_WS_MESSAGE;
}

static int may_be_received(uint16_t code)
{
    if (code >= 3000)
        return code <= 4999;
    return code >= 1000 && code <= 1014 && (code < 1004 || code > 1006);
}

static int read_close(wsrt_ws_decoder *d, const unsigned char *p, size_t len, wsrt_ws_event *event)
{
    event->code = 1005;
    if (len == 1)
        return fail(d, event, 1002, "close code cut short");
    if (len >= 2) {
        event->code = (uint16_t)big_endian(p, 2);
        event->payload = (wsrt_span){(const char *)p + 2, len - 2};
        if (!may_be_received(event->code))
            return fail(d, event, 1002, "bad close code");
        if (utf8_next(BETWEEN, p + 2, len - 2) != BETWEEN)
            return fail(d, event, 1007, "close reason is not UTF-8");
    }
    d->state = SILENT;
    return WSRT_WS_CLOSE;
}

static int read_control(wsrt_ws_decoder *d, const struct frame *f, unsigned char *p,
                        wsrt_ws_event *event)
{
    size_t len = (size_t)f->len;

    mask(p, p, len, f->key);
    event->payload = (wsrt_span){(const char *)p, len};
    if (f->opcode == WSRT_WS_OP_CLOSE)
        return read_close(d, p, len, event);
    return f->opcode == WSRT_WS_OP_PING ? WSRT_WS_PING : WSRT_WS_PONG;
}

/* Takes `len` bytes of the frame under way; they may be all of it, or none. */
static int read_payload(wsrt_ws_decoder *d, unsigned char *p, size_t len, wsrt_ws_event *event)
{
    uint64_t seen = mask(p, p, len, d->key);

    d->key = turned(d->key, len);
    d->left -= (uint32_t)len;
    event->opcode = d->state & OPCODE;
    event->payload = (wsrt_span){(const char *)p, len};
    event->left = d->left;
    event->last = d->left == 0 && (d->state & LAST_FRAME) != 0;
    if (event->opcode == WSRT_WS_OP_TEXT) {
        if ((seen & high_bits) != 0 || d->utf8 != BETWEEN)
            d->utf8 = utf8_next(d->utf8, p, len);
        if (d->utf8 == BAD || (event->last && d->utf8 != BETWEEN))
            return fail(d, event, 1007, not_text);
    }
    if (event->last)
        *d = (wsrt_ws_decoder){0};
    else if (d->left == 0)
        d->state &= OPCODE;
    return WSRT_WS_PIECE;
}

static void begin_frame(wsrt_ws_decoder *d, const struct frame *f)
{
    unsigned opcode = f->opcode != WSRT_WS_OP_CONTINUATION ? f->opcode : d->state & OPCODE;

    d->state = (uint8_t)(IN_FRAME | opcode | (f->fin ? LAST_FRAME : 0));
    d->left = (uint32_t)f->len;
    d->announced += (uint32_t)f->len;
    d->key = f->key;
    d->fragments++;
}

/* The common case in few steps: a fresh decoder and a whole message of less than 64 KiB in a masked
 * frame within the caps. Answers WSRT_WS_NEED when it is anything else, for the long way to judge. */
static int read_short_message(wsrt_ws_decoder *d, const wsrt_ws_limits *limits, unsigned char *in,
                              size_t len, wsrt_ws_event *event)
{
    enum { WHOLE_TEXT = 0x81, WHOLE_BINARY = 0x82 };
    size_t header = 2 + SERVER_MASK_LEN;
    uint32_t key;

    if (d->state != 0 || len < header || limits->flags != 0 || limits->max_fragments == 0 ||
        (in[0] != WHOLE_TEXT && in[0] != WHOLE_BINARY))
        return WSRT_WS_NEED;
    size_t payload = in[1] ^ 0x80u;
    if (payload == LEN_16 && len >= header + 2) {
        payload = (size_t)in[2] << 8 | in[3];
        header += 2;
        if (payload < LEN_16)
            return WSRT_WS_NEED;
    } else if (payload > WSRT_WS_CONTROL_MAX) {
        return WSRT_WS_NEED;
    }
    if (payload > len - header || payload > limits->max_frame || payload > limits->max_message)
        return WSRT_WS_NEED;
    memcpy(&key, in + header - SERVER_MASK_LEN, SERVER_MASK_LEN);
    uint64_t seen = mask(in + header, in + header, payload, key);
    event->used = header + payload;
    event->payload = (wsrt_span){(const char *)in + header, payload};
    event->left = 0;
    event->opcode = in[0] & OPCODE;
    event->last = 1;
    if (in[0] == WHOLE_TEXT && (seen & high_bits) != 0 &&
        utf8_next(BETWEEN, in + header, payload) != BETWEEN)
        return fail(d, event, 1007, not_text);
    return WSRT_WS_MESSAGE;
}

/* Anything else. Apart, so that the common case saves no registers for it. */
static __attribute__((noinline)) int read_at_length(wsrt_ws_decoder *d,
                                                    const wsrt_ws_limits *limits, unsigned char *in,
                                                    size_t len, wsrt_ws_event *event)
{
    size_t at = 0;

    for (;;) {
        int found = WSRT_WS_PIECE;
        event->used = len;
        if (len == 0 || (d->state & SILENT))
            return WSRT_WS_NEED;
        if (!(d->state & IN_FRAME)) {
            struct frame f;
            int kind = read_header(d, limits, (wsrt_span){(char *)in + at, len - at}, &f, event);
            int whole = kind == WSRT_WS_MESSAGE && f.len <= len - at - f.header;
            if (kind == WSRT_WS_FAIL)
                return kind;
            event->used = at;
            if (kind == WSRT_WS_NEED || ((f.opcode & CONTROL) && !whole))
                return WSRT_WS_NEED;
            at += f.header;
            if (f.opcode & CONTROL) {
                event->used = at + (size_t)f.len;
                return read_control(d, &f, in + at, event);
            }
            if (whole && f.fin && !is_open(d))
                found = WSRT_WS_MESSAGE;
            begin_frame(d, &f);
        }
        size_t take = d->left < len - at ? d->left : len - at;
        event->used = at + take;
        if (take == 0 && d->left > 0)
            return WSRT_WS_NEED;
        int kind = read_payload(d, in + at, take, event);
        if (kind == WSRT_WS_FAIL)
            return kind;
        if (take > 0 || event->last)
            return found;
    }
}

int wsrt_ws_decode(wsrt_ws_decoder *d, const wsrt_ws_limits *limits, unsigned char *in, size_t len,
                   wsrt_ws_event *event)
{
    int kind = read_short_message(d, limits, in, len, event);

    return kind != WSRT_WS_NEED ? kind : read_at_length(d, limits, in, len, event);
}

int wsrt_ws_in_message(const wsrt_ws_decoder *decoder)
{
    return is_open(decoder);
}

/* ---- sending ------------------------------------------------------------------------------ */

static void put_big_endian(unsigned char *dst, uint64_t value, size_t len)
{
    for (size_t i = len; i-- > 0; value >>= 8)
        dst[i] = (unsigned char)value;
}

size_t wsrt_ws_header(unsigned char *dst, int opcode, int fin, uint64_t len,
                      const unsigned char *key)
{
    size_t at = 2;

    dst[0] = (unsigned char)((fin ? 0x80 : 0) | opcode);
    if (len < LEN_16) {
        dst[1] = (unsigned char)len;
    } else if (len <= 0xffff) {
        dst[1] = LEN_16;
        put_big_endian(dst + 2, len, 2);
        at = 4;
    } else {
        dst[1] = LEN_64;
        put_big_endian(dst + 2, len, 8);
        at = 10;
    }
    if (key == NULL)
        return at;
    dst[1] |= 0x80;
    memcpy(dst + at, key, 4);
    return at + 4;
}

size_t wsrt_ws_close_payload(unsigned char *dst, uint16_t code, wsrt_span reason)
{
    size_t len = reason.len;

    if (code == 0 || code == 1005)
        return 0;
    if (len > WSRT_WS_CONTROL_MAX - 2)
        for (len = WSRT_WS_CONTROL_MAX - 2; len > 0; len--)
            if (((unsigned char)reason.ptr[len] & 0xc0) != 0x80)
                break;
    put_big_endian(dst, code, 2);
    if (len > 0)
        memcpy(dst + 2, reason.ptr, len);
    return 2 + len;
}
