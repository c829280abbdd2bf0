#include "error/redact.h"

#include "error/block.h"
#include "json/scan.h"

#include <string.h>

enum {
    LONG_RUN = 32,   /* hex or base64 that may be a key */
    SHORT_BASIC = 8, /* "basic" is a word, too: what follows must be this long */
    CARD_LEAST = 13, /* digits of a card number */
    CARD_MOST = 19,
    IPV6_MOST = 45
};

/* One pass: `p` only moves forward. Three marks remember what lies ahead, so that no run of bytes is
 * measured twice. Clean bytes between `from` and `p` wait to be written. */
struct scrubber {
    const char *begin, *p, *end, *from;
    const char *run_end;  /* of the base64 run around p */
    const char *word_end; /* the word around p, for its @ */
    const char *at;       /* its next @, or word_end */
    uint32_t flags;
    size_t found;
    wsrt_redact_fn put;
    void *user;
};

/* ---- kinds of bytes ---- */

enum {
    DIGIT = 1,
    ALNUM = 2,
    HEX = 4,
    BASE64 = 8, /* and - _ of its URL form */
    TOKEN = 16, /* what may follow Bearer */
    DOMAIN = 32,
    VALUE = 64, /* what may follow token= */
    WORD = 128
};

/* clang-format off */
enum {
    N = DIGIT | HEX | ALNUM | BASE64 | TOKEN | DOMAIN | VALUE | WORD, /* 0-9 */
    H = N - DIGIT,                                                    /* A-F a-f */
    L = H - HEX,                                                      /* other letters */
    D = BASE64 | TOKEN | DOMAIN | VALUE | WORD,                       /* - */
    P = TOKEN | DOMAIN | VALUE | WORD,                                /* . */
    B = BASE64 | TOKEN | VALUE | WORD,                                /* + / _ */
    T = TOKEN | VALUE | WORD,                                         /* = ~ */
    W = VALUE | WORD,                                                 /* other marks of a word */
    V = VALUE,                                                        /* ? | \ ` and beyond ASCII */
};
static const unsigned char kinds[256] = {
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    /*  !  "  #  $  %  &  '  (  )  *  +  ,  -  .  / */
    0, W, 0, W, W, W, 0, 0, 0, 0, W, B, 0, D, P, B, N, N, N, N, N, N, N, N, N, N, W, 0, 0, T, 0, V,
    W, H, H, H, H, H, H, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, 0, V, 0, W, B,
    V, H, H, H, H, H, H, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, 0, V, 0, T, 0,
    V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V,
    V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V,
    V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V,
    V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V,
};
/* clang-format on */

static int is(char c, int kind)
{
    return kinds[(unsigned char)c] & kind;
}

static const char *run(const char *p, const char *end, int kind)
{
    while (p < end && is(*p, kind))
        p++;
    return p;
}

static const char *run_jwt(const char *p, const char *end)
{
    while (p < end && (is(*p, ALNUM) || *p == '-' || *p == '_' || *p == '.'))
        p++;
    return p;
}

static const char *run_ipv6(const char *p, const char *end)
{
    while (p < end && (is(*p, HEX) || *p == ':' || *p == '.'))
        p++;
    return p;
}

static const char *run_line(const char *p, const char *end)
{
    while (p < end && *p != '\n' && *p != '\r')
        p++;
    return p;
}

/* ---- writing ---- */

static void flush(struct scrubber *s)
{
    if (s->p > s->from)
        s->put(s->user, (wsrt_span){s->from, (size_t)(s->p - s->from)}, 0);
    s->from = s->p;
}

static void redact(struct scrubber *s, const char *from, const char *to)
{
    s->p = from;
    flush(s);
    s->put(s->user, (wsrt_span){"[redacted]", 10}, 0);
    s->p = s->from = to;
    s->found++;
}

static void escape(struct scrubber *s, uint32_t code_point, size_t len)
{
    static const char hex[] = "0123456789abcdef";
    char text[6] = {'\\', 'u'};

    for (int i = 0; i < 4; i++)
        text[2 + i] = hex[code_point >> (12 - 4 * i) & 15];
    flush(s);
    s->put(s->user, (wsrt_span){text, sizeof text}, 1);
    s->p = s->from = s->p + len;
}

/* ---- what looks like a secret at a word's beginning; each returns 1 when it moved p ---- */

static int same_name(const char *p, const char *end, const char *name)
{
    for (; *name != '\0'; name++, p++) {
        char c = p < end && *p >= 'A' && *p <= 'Z' ? (char)(*p - 'A' + 'a') : p < end ? *p : '\0';
        if (c != *name)
            return 0;
    }
    return 1;
}

static int jwt(struct scrubber *s)
{
    int dots = 0;

    if (s->end - s->p < 3 || memcmp(s->p, "eyJ", 3) != 0)
        return 0;
    const char *stop = run_jwt(s->p, s->end);
    for (const char *p = s->p; p < stop; p++)
        dots += *p == '.';
    if (dots < 2)
        return 0;
    redact(s, s->p, stop);
    return 1;
}

static int looks_encoded(const char *p, const char *end)
{
    for (; p < end; p++)
        if (is(*p, DIGIT) || *p == '=' || (*p >= 'A' && *p <= 'Z'))
            return 1;
    return 0;
}

static int credentials(struct scrubber *s)
{
    int bearer = same_name(s->p, s->end, "bearer");

    if (!bearer && !same_name(s->p, s->end, "basic"))
        return 0;
    const char *gap = s->p + (bearer ? 6 : 5), *from = gap;
    while (from < s->end && (*from == ' ' || *from == '\t'))
        from++;
    const char *stop = run(from, s->end, TOKEN);
    if (from == gap || stop == from ||
        (!bearer && (stop - from < SHORT_BASIC || !looks_encoded(from, stop))))
        return 0;
    redact(s, from, stop);
    return 1;
}

/* token=x, "token": "x", X-Amz-Signature=x; of Cookie: the whole line. */
static int named_value(struct scrubber *s)
{
    static const char *const names[] = {"token", "signature", "password", "secret", "cookie"};
    size_t i = 0, count = sizeof names / sizeof names[0];

    while (i < count && !same_name(s->p, s->end, names[i]))
        i++;
    if (i == count)
        return 0;
    const char *p = s->p + strlen(names[i]);
    p += p < s->end && (*p == '"' || *p == '\'');
    while (p < s->end && *p == ' ')
        p++;
    if (p == s->end || (*p != '=' && *p != ':'))
        return 0;
    for (p++; p < s->end && (*p == ' ' || *p == '"' || *p == '\'');)
        p++;
    const char *stop = i + 1 == count ? run_line(p, s->end) : run(p, s->end, VALUE);
    if (stop == p)
        return 0;
    redact(s, p, stop);
    return 1;
}

static int access_key(struct scrubber *s)
{
    enum { LEN = 20 };

    if (s->end - s->p < LEN || (memcmp(s->p, "AKIA", 4) != 0 && memcmp(s->p, "ASIA", 4) != 0))
        return 0;
    for (int i = 4; i < LEN; i++)
        if (!is(s->p[i], ALNUM) || (s->p[i] >= 'a' && s->p[i] <= 'z'))
            return 0;
    if (s->end - s->p > LEN && is(s->p[LEN], BASE64))
        return 0;
    redact(s, s->p, s->p + LEN);
    return 1;
}

static int luhn(const char *digits, int count)
{
    int sum = 0;

    for (int i = 0; i < count; i++) {
        int d = digits[count - 1 - i] - '0';
        d = i % 2 == 1 ? 2 * d : d;
        sum += d > 9 ? d - 9 : d;
    }
    return sum % 10 == 0;
}

/* 13 to 19 digits, single spaces or dashes between them. */
static int card(struct scrubber *s)
{
    char digits[CARD_MOST];
    int count = 0;
    const char *p = s->p, *stop = p;

    while (p < s->end && is(*p, DIGIT)) {
        if (count == CARD_MOST)
            return 0;
        digits[count++] = *p++;
        stop = p;
        if (p < s->end && (*p == ' ' || *p == '-'))
            p++;
    }
    if (count < CARD_LEAST || !luhn(digits, count) || (stop < s->end && is(*stop, ALNUM)))
        return 0;
    redact(s, s->p, stop);
    return 1;
}

static int ipv4(struct scrubber *s)
{
    const char *p = s->p;

    for (int part = 0; part < 4; part++) {
        int value = 0, digits = 0;
        for (; p < s->end && is(*p, DIGIT) && digits < 4; digits++)
            value = value * 10 + (*p++ - '0');
        if (digits == 0 || digits > 3 || value > 255)
            return 0;
        if (part < 3 && (p == s->end || *p++ != '.'))
            return 0;
    }
    redact(s, s->p, p);
    return 1;
}

static int ipv6(struct scrubber *s)
{
    int colons = 0, doubled = 0, digits = 0;
    const char *limit = s->end - s->p > IPV6_MOST + 1 ? s->p + IPV6_MOST + 1 : s->end;
    const char *stop = run_ipv6(s->p, limit);

    for (const char *p = s->p; p < stop; p++) {
        colons += *p == ':';
        digits += is(*p, HEX);
        doubled |= *p == ':' && p + 1 < stop && p[1] == ':';
    }
    if (stop - s->p > IPV6_MOST || digits == 0 || colons < 2 || (!doubled && colons != 7) ||
        (stop < s->end && is(*stop, ALNUM)))
        return 0;
    redact(s, s->p, stop);
    return 1;
}

/* ---- runs that may be keys ---- */

/* 'x' is a hex digit, anything else itself. */
static int has_shape(const char *p, const char *end, const char *shape)
{
    if ((size_t)(end - p) != strlen(shape))
        return 0;
    for (; p < end; p++, shape++)
        if (*shape == 'x' ? !is(*p, HEX) : *p != *shape)
            return 0;
    return 1;
}

/* UUIDs, W3C and X-Ray trace contexts are meant to be read. */
static int is_public_id(const char *p, const char *end)
{
    return has_shape(p, end, "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx") ||
           has_shape(p, end, "00-xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx-xxxxxxxxxxxxxxxx-xx") ||
           has_shape(p, end, "1-xxxxxxxx-xxxxxxxxxxxxxxxxxxxxxxxx");
}

static int public_id(struct scrubber *s)
{
    if (s->p < s->run_end)
        return 0;
    s->run_end = run(s->p, s->end, BASE64);
    if (!is_public_id(s->p, s->run_end))
        return 0;
    s->p = s->run_end;
    return 1;
}

static int long_run(struct scrubber *s)
{
    const char *stop = s->run_end;

    if (stop - s->p < LONG_RUN)
        return 0;
    while (stop < s->end && *stop == '=')
        stop++;
    redact(s, s->p, stop);
    return 1;
}

/* ---- addresses ---- */

static void find_at(struct scrubber *s, const char *from)
{
    s->at = from < s->word_end ? memchr(from, '@', (size_t)(s->word_end - from)) : NULL;
    if (s->at == NULL)
        s->at = s->word_end;
}

static void measure_word(struct scrubber *s)
{
    s->word_end = run(s->p, s->end, WORD);
    find_at(s, s->p + 1);
}

/* What stands before the @: behind a scheme or an equals sign. `colon` is set when it has one. */
static const char *local_part(const struct scrubber *s, int *colon)
{
    const char *from = s->p;

    *colon = 0;
    for (const char *p = s->p; p < s->at; p++) {
        if (*p == ':' && s->at - p > 3 && p[1] == '/' && p[2] == '/') {
            from = p + 3;
            *colon = 0;
        } else if (*p == '=') {
            from = p + 1;
            *colon = 0;
        } else if (*p == ':' && p >= from) {
            *colon = 1;
        }
    }
    return from;
}

/* user:password@host keeps the host; name@domain goes as a whole. */
static int address(struct scrubber *s)
{
    int colon;

    if (s->p >= s->word_end)
        measure_word(s);
    while (s->at < s->word_end && s->at <= s->p)
        find_at(s, s->at + 1);
    if (s->at >= s->word_end)
        return 0;
    const char *from = local_part(s, &colon), *stop = run(s->at + 1, s->word_end, DOMAIN);
    if (from == s->at || stop == s->at + 1) {
        find_at(s, s->at + 1);
        return 0;
    }
    redact(s, from, colon ? s->at : stop);
    find_at(s, s->p + 1);
    return 1;
}

/* ---- the pass ---- */

static int after_alnum(const struct scrubber *s)
{
    return s->p > s->begin && is(s->p[-1], ALNUM);
}

static int secret(struct scrubber *s)
{
    if ((s->flags & WSRT_REDACT_IP) != 0 && (ipv4(s) || ipv6(s)))
        return 1;
    switch (*s->p | 0x20) {
    case 'a':
        return access_key(s);
    case 'b':
        return credentials(s);
    case 'e':
        return jwt(s);
    case 'c':
    case 'p':
    case 's':
    case 't':
        return named_value(s);
    default:
        return is(*s->p, DIGIT) && card(s);
    }
}

static uint32_t decode3(const char *p)
{
    const unsigned char *u = (const unsigned char *)p;

    return (uint32_t)(u[0] & 15) << 12 | (uint32_t)(u[1] & 63) << 6 | (uint32_t)(u[2] & 63);
}

/* Line separators, and what changes the direction of the text around it. */
static int is_deceptive(uint32_t cp)
{
    return cp == 0x200e || cp == 0x200f || (cp >= 0x2028 && cp <= 0x202e) ||
           (cp >= 0x2066 && cp <= 0x2069);
}

static void beyond_ascii(struct scrubber *s)
{
    int len = wsrt_scan_utf8(s->p, s->end);

    if (len < 0) {
        flush(s);
        s->put(s->user, (wsrt_span){"\xef\xbf\xbd", 3}, 0);
        s->p = s->from = s->p - len;
    } else if (len == 3 && is_deceptive(decode3(s->p))) {
        escape(s, decode3(s->p), 3);
    } else if (len == 2 && memcmp(s->p, "\xd8\x9c", 2) == 0) {
        escape(s, 0x061c, 2);
    } else {
        s->p += len;
    }
}

static void step(struct scrubber *s)
{
    unsigned char c = (unsigned char)*s->p;

    if (c >= 0x80)
        beyond_ascii(s);
    else if (c < 0x20 || c == 0x7f)
        escape(s, c, 1);
    else if (!is((char)c, WORD) || after_alnum(s))
        s->p++;
    else if (!public_id(s) && !secret(s) && !address(s) && !long_run(s))
        s->p = run(s->p + 1, s->end, ALNUM);
}

/* ---- text that is plainly clean ----
 *
 * Most text holds nothing at all that could be hidden or escaped, and a few looks at many bytes at
 * once can show it: each secret has a byte, or two bytes some places apart, without which it is
 * none. A doubt does no harm, the pass above decides. */

/* A stretch is two blocks, and AHEAD more bytes that may be read. Of a card number's 13 digits,
 * however spaced, at least seven stand in one stretch. */
enum { STRETCH = 2 * WSRT_BLOCK, AHEAD = 4, DOUBTFUL_DIGITS = 7 };

/* Controls, DEL and all beyond ASCII; @ of addresses; = and : of named values. */
static wsrt_block marks(wsrt_block b)
{
    return wsrt_block_below(wsrt_block_plus(b, 1), ' ' + 1) | wsrt_block_same(b, '@') |
           wsrt_block_same(b, '=') | wsrt_block_same(b, ':');
}

/* b...e(r), b...c, J, A.I: bearer, basic, eyJ, AKIA and ASIA. */
static wsrt_block words(wsrt_block b, wsrt_block third, wsrt_block fifth)
{
    const wsrt_block fold = wsrt_block_of(0x20);
    wsrt_block ends = wsrt_block_same(fifth | fold, 'e') | wsrt_block_same(fifth | fold, 'c');

    return (wsrt_block_same(b | fold, 'b') & ends) | wsrt_block_same(b, 'J') |
           (wsrt_block_same(b, 'A') & wsrt_block_same(third, 'I'));
}

static inline wsrt_block doubts(const char *p, wsrt_block b)
{
    return marks(b) | words(b, wsrt_block_load(p + 2), wsrt_block_load(p + AHEAD));
}

/* A base64 run of 32 fills a whole block, which then has no byte below '+', as a space is. */
static int may_be_run(wsrt_block b)
{
    return !wsrt_block_any(wsrt_block_below(b, '+'));
}

static int digits_in(wsrt_block a, wsrt_block b)
{
    wsrt_block ones = wsrt_block_range(a, '0', '9') + wsrt_block_range(b, '0', '9');
    uint64_t sum = wsrt_block_sum(-ones);

    return (int)(sum * UINT64_C(0x0101010101010101) >> 56);
}

static inline int is_doubtful(const char *p)
{
    wsrt_block a = wsrt_block_load(p), b = wsrt_block_load(p + WSRT_BLOCK);

    return wsrt_block_any(doubts(p, a) | doubts(p + WSRT_BLOCK, b)) || may_be_run(a) ||
           may_be_run(b) || digits_in(a, b) >= DOUBTFUL_DIGITS;
}

static int any_doubtful(const char *p, size_t stretches)
{
    for (; stretches > 0; stretches--, p += STRETCH)
        if (is_doubtful(p))
            return 1;
    return 0;
}

static int plainly_clean(wsrt_span text)
{
    char tail[2 * STRETCH + AHEAD];
    size_t whole = text.len < AHEAD ? 0 : (text.len - AHEAD) / STRETCH;
    size_t rest = text.len - whole * STRETCH;

    if (any_doubtful(text.ptr, whole))
        return 0;
    memset(tail, ' ', sizeof tail);
    memcpy(tail, text.ptr + whole * STRETCH, rest);
    return !any_doubtful(tail, rest > STRETCH ? 2 : 1);
}

size_t wsrt_redact_pieces(wsrt_span text, uint32_t flags, wsrt_redact_fn put, void *user)
{
    if (text.len == 0)
        return 0;
    if ((flags & WSRT_REDACT_IP) == 0 && plainly_clean(text)) {
        put(user, text, 0);
        return 0;
    }
    struct scrubber s = {.begin = text.ptr,
                         .p = text.ptr,
                         .end = text.ptr + text.len,
                         .from = text.ptr,
                         .flags = flags,
                         .put = put,
                         .user = user};
    s.run_end = s.word_end = s.at = text.ptr;
    while (s.p < s.end)
        step(&s);
    flush(&s);
    return s.found;
}

struct buffer {
    char *dst;
    size_t cap, len;
};

static void append(void *user, wsrt_span piece, int escaped)
{
    struct buffer *b = user;

    (void)escaped;
    if (b->len <= b->cap && piece.len <= b->cap - b->len)
        memcpy(b->dst + b->len, piece.ptr, piece.len);
    b->len += piece.len;
}

int wsrt_redact(wsrt_span text, uint32_t flags, char *dst, size_t cap, size_t *len, size_t *found)
{
    struct buffer b = {dst, cap, 0};

    if ((text.ptr == NULL && text.len > 0) || (dst == NULL && cap > 0) ||
        (flags & ~(uint32_t)WSRT_REDACT_IP) != 0)
        return WSRT_ERR_INVALID;
    size_t count = wsrt_redact_pieces(text, flags, append, &b);
    if (len != NULL)
        *len = b.len;
    if (found != NULL)
        *found = count;
    return b.len <= cap ? WSRT_OK : WSRT_ERR_LIMIT;
}
