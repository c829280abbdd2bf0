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
    V = VALUE,                                                        /* ? | \ ` */
    U = DOMAIN | VALUE,                                               /* beyond ASCII */
};
static const unsigned char kinds[256] = {
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    /*  !  "  #  $  %  &  '  (  )  *  +  ,  -  .  / */
    0, W, 0, W, W, W, 0, 0, 0, 0, W, B, 0, D, P, B, N, N, N, N, N, N, N, N, N, N, W, 0, 0, T, 0, V,
    W, H, H, H, H, H, H, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, 0, V, 0, W, B,
    V, H, H, H, H, H, H, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, 0, V, 0, T, 0,
    U, U, U, U, U, U, U, U, U, U, U, U, U, U, U, U, U, U, U, U, U, U, U, U, U, U, U, U, U, U, U, U,
    U, U, U, U, U, U, U, U, U, U, U, U, U, U, U, U, U, U, U, U, U, U, U, U, U, U, U, U, U, U, U, U,
    U, U, U, U, U, U, U, U, U, U, U, U, U, U, U, U, U, U, U, U, U, U, U, U, U, U, U, U, U, U, U, U,
    U, U, U, U, U, U, U, U, U, U, U, U, U, U, U, U, U, U, U, U, U, U, U, U, U, U, U, U, U, U, U, U,
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

static const char *run_gap(const char *p, const char *end)
{
    while (p < end && (*p == ' ' || *p == '\t'))
        p++;
    return p;
}

/* A word, or the scheme of an address in front of its ://. */
static const char *run_word(const char *p, const char *end)
{
    while (p < end && is(*p, WORD) && !(end - p > 2 && memcmp(p, "://", 3) == 0))
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

/* What stands before it is known to hold no control but tabs. */
static void redact(struct scrubber *s, const char *from, const char *to)
{
    while (s->p < from) {
        if (*s->p == '\t')
            escape(s, '\t', 1);
        else
            s->p++;
    }
    flush(s);
    s->put(s->user, (wsrt_span){"[redacted]", 10}, 0);
    s->p = s->from = to;
    s->found++;
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
    const char *gap = s->p + (bearer ? 6 : 5), *from = run_gap(gap, s->end);
    const char *stop = from == gap ? from : run(from, s->end, TOKEN);
    if (stop == from || (!bearer && (stop - from < SHORT_BASIC || !looks_encoded(from, stop))))
        return 0;
    redact(s, from, stop);
    return 1;
}

/* ---- values by their names ---- */

/* Which name the word before `stop` ends with: "token" of accessToken; NULL = none. */
static const char *secret_name(const char *word, const char *stop)
{
    static const char *const names[] = {"token",  "signature", "password",
                                        "secret", "cookie",    "cookies"};

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        size_t len = strlen(names[i]);
        if ((size_t)(stop - word) >= len && same_name(stop - len, stop, names[i]))
            return names[i];
    }
    return NULL;
}

/* Backslashes that stand before p, in JSON within JSON before each quote. */
static size_t escapes(const char *begin, const char *p)
{
    size_t n = 0;

    while (p > begin && p[-1] == '\\') {
        p--;
        n++;
    }
    return n;
}

/* A string ends with a quote that is escaped like the first; one that does not end, with its line. */
static const char *run_string(const char *begin, const char *p, const char *end)
{
    char quote = *p;
    size_t depth = escapes(begin, p);

    for (p++; p < end && *p != '\n' && *p != '\r'; p++)
        if (*p == quote && escapes(begin, p) == depth)
            return p - depth;
    return p;
}

/* Behind the scheme of credentials these follow. */
static const char *run_value(const char *p, const char *end)
{
    const char *stop = run(p, end, VALUE);
    int is_scheme = (stop - p == 6 && same_name(p, stop, "bearer")) ||
                    (stop - p == 5 && same_name(p, stop, "basic"));

    return is_scheme ? run(run_gap(stop, end), end, VALUE) : stop;
}

static const char *run_marks(const char *p, const char *end, const char *marks)
{
    while (p < end && *p != '\0' && strchr(marks, *p) != NULL)
        p++;
    return p;
}

/* token=x, "accessToken": "x", X-Amz-Signature=x, 'secret' => 'x'; of Cookie: the whole line. The word
 * ends at `stop`, and what is hidden begins at `from`, or with the value where that is NULL. */
static int named_value(struct scrubber *s, const char *stop, const char *from)
{
    const char *p = run_gap(run_marks(stop, s->end, "\\\"'"), s->end), *to;

    if (p == s->end || (*p != '=' && *p != ':'))
        return 0;
    const char *name = secret_name(s->p, stop);
    if (name == NULL)
        return 0;
    p += s->end - p > 1 && p[0] == '=' && p[1] == '>' ? 2 : 1;
    p = run_gap(p, s->end);
    const char *quote = run_marks(p, s->end, "\\");
    int is_string = quote < s->end && (*quote == '"' || *quote == '\'');
    if (name[0] == 'c')
        to = run_line(p, s->end);
    else if (is_string)
        to = run_string(p, quote, s->end);
    else
        to = run_value(p, s->end);
    p = is_string && name[0] != 'c' ? quote + 1 : p;
    if (to <= p)
        return 0;
    redact(s, from != NULL ? from : p, to);
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
    if (s->end - s->p > LEN && is(s->p[LEN], ALNUM))
        return 0;
    redact(s, s->p, run(s->p + LEN, s->end, BASE64));
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

/* 13 to 19 digits, single spaces or dashes between them. Groups of three and more may be followed by
 * others that are not of the number. */
static int card(struct scrubber *s)
{
    char digits[CARD_MOST];
    int count = 0, group = 0, has_short = 0;
    const char *p = s->p, *stop = NULL;

    while (p < s->end && is(*p, DIGIT) && count < CARD_MOST) {
        digits[count++] = *p++;
        group++;
        if (p < s->end && is(*p, ALNUM))
            continue;
        int is_last = s->end - p < 2 || (*p != ' ' && *p != '-') || !is(p[1], DIGIT);
        has_short |= group < 3;
        if (count >= CARD_LEAST && (is_last || !has_short) && luhn(digits, count))
            stop = p;
        if (is_last)
            break;
        p++;
        group = 0;
    }
    if (stop == NULL)
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
    if (named_value(s, stop, s->p))
        return 1;
    while (stop < s->end && *stop == '=')
        stop++;
    redact(s, s->p, stop);
    return 1;
}

/* ---- addresses ---- */

/* The next @ in front of what may be a host. */
static void find_at(struct scrubber *s, const char *from)
{
    const char *at = from;

    while (at < s->word_end && (at = memchr(at, '@', (size_t)(s->word_end - at))) != NULL &&
           (at + 1 == s->end || !is(at[1], DOMAIN)))
        at++;
    s->at = at == NULL || at > s->word_end ? s->word_end : at;
}

static void measure_word(struct scrubber *s)
{
    s->word_end = run_word(s->p, s->end);
    find_at(s, s->p + 1);
}

/* What stands before the @: behind an equals sign. `colon` is set when it has one. */
static const char *local_part(const struct scrubber *s, int *colon)
{
    const char *from = s->p;

    *colon = 0;
    for (const char *p = s->p; p < s->at; p++) {
        if (*p == '=' && p + 1 < s->at) {
            from = p + 1;
            *colon = 0;
        } else if (*p == ':') {
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
    if (s->at < s->word_end && s->at <= s->p)
        find_at(s, s->p + 1);
    if (s->at >= s->word_end)
        return 0;
    const char *from = local_part(s, &colon), *stop = run(s->at + 1, s->end, DOMAIN);
    redact(s, from, colon ? s->at : stop);
    find_at(s, s->p + 1);
    return 1;
}

/* scheme://user:password@host: all up to the last @ of the authority, whatever it is made of. */
static int user_info(struct scrubber *s)
{
    const char *at = NULL;

    if (s->end - s->p < 3 || memcmp(s->p, "://", 3) != 0)
        return 0;
    for (const char *p = s->p + 3;
         p < s->end && (unsigned char)*p > ' ' && strchr("/?#\"<>\\`", *p) == NULL; p++)
        at = *p == '@' ? p : at;
    if (at == NULL || at == s->p + 3)
        return 0;
    redact(s, s->p + 3, at);
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
    } else if (s->p[0] == '\xc2' && (unsigned char)s->p[1] < 0xa0) {
        escape(s, (unsigned char)s->p[1], 2); /* a second set of controls: CSI is one */
    } else {
        s->p += len;
    }
}

/* The rest of a word whose beginning has been looked at; a mark is a word of its own. */
static const char *word_stop(const struct scrubber *s)
{
    return is(*s->p, ALNUM) ? run(s->p + 1, s->end, ALNUM) : s->p + 1;
}

static void word(struct scrubber *s)
{
    const char *stop = word_stop(s);

    if (!public_id(s) && !named_value(s, stop, NULL) && !secret(s) && !address(s) && !long_run(s))
        s->p = stop;
}

static void step(struct scrubber *s)
{
    unsigned char c = (unsigned char)*s->p;

    if (c >= 0x80)
        beyond_ascii(s);
    else if (c < 0x20 || c == 0x7f)
        escape(s, c, 1);
    else if (c == ':' && user_info(s))
        return;
    else if (!is((char)c, WORD) || after_alnum(s))
        s->p++;
    else
        word(s);
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
