#include "jwt/base64url.h"

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/* Value of a character, 0xff for none. */
static const unsigned char values[256] = {
#define NONE4 0xff, 0xff, 0xff, 0xff
#define NONE16 NONE4, NONE4, NONE4, NONE4
    NONE16, NONE16, NONE4,  NONE4,  NONE4,                                  /* 0..43 */
    0xff,   62,     0xff,   0xff,                                           /* , - . / */
    52,     53,     54,     55,     56,     57,     58,     59,     60, 61, /* 0..9 */
    0xff,   0xff,   0xff,   0xff,   0xff,   0xff,   0xff,                   /* : .. @ */
    0,      1,      2,      3,      4,      5,      6,      7,      8,  9,  /* A..J */
    10,     11,     12,     13,     14,     15,     16,     17,     18, 19, /* K..T */
    20,     21,     22,     23,     24,     25,                             /* U..Z */
    0xff,   0xff,   0xff,   0xff,   63,     0xff,                           /* [ .. ` */
    26,     27,     28,     29,     30,     31,     32,     33,     34, 35, /* a..j */
    36,     37,     38,     39,     40,     41,     42,     43,     44, 45, /* k..t */
    46,     47,     48,     49,     50,     51,                             /* u..z */
    0xff,   NONE4,                                                          /* { .. 127 */
    NONE16, NONE16, NONE16, NONE16, NONE16, NONE16, NONE16, NONE16,         /* 128.. */
};

/* The two or three characters behind the last whole group. */
static int decode_rest(unsigned char **dst, const unsigned char *in, size_t left)
{
    unsigned a = values[in[0]], b = values[in[1]], c = left == 3 ? values[in[2]] : 0;

    if ((a | b | c) > 63 || (left == 2 ? b & 15 : c & 3) != 0)
        return WSRT_ERR_MALFORMED;
    *(*dst)++ = (unsigned char)(a << 2 | b >> 4);
    if (left == 3)
        *(*dst)++ = (unsigned char)((b & 15) << 4 | c >> 2);
    return WSRT_OK;
}

int wsrt_jwt_decode(unsigned char *dst, wsrt_span text, size_t *len)
{
    const unsigned char *in = (const unsigned char *)text.ptr;
    unsigned char *out = dst;
    size_t left = text.len;
    unsigned bad = 0;

    for (; left >= 4; left -= 4, in += 4) {
        unsigned a = values[in[0]], b = values[in[1]], c = values[in[2]], d = values[in[3]];
        bad |= a | b | c | d;
        *out++ = (unsigned char)(a << 2 | b >> 4);
        *out++ = (unsigned char)((b & 15) << 4 | c >> 2);
        *out++ = (unsigned char)((c & 3) << 6 | d);
    }
    if (bad > 63 || left == 1 || (left > 0 && decode_rest(&out, in, left) != WSRT_OK))
        return WSRT_ERR_MALFORMED;
    *len = (size_t)(out - dst);
    return WSRT_OK;
}

size_t wsrt_jwt_encode(char *dst, const void *data, size_t len)
{
    const unsigned char *in = data;
    char *out = dst;

    for (; len >= 3; len -= 3, in += 3) {
        *out++ = digits[in[0] >> 2];
        *out++ = digits[(in[0] & 3) << 4 | in[1] >> 4];
        *out++ = digits[(in[1] & 15) << 2 | in[2] >> 6];
        *out++ = digits[in[2] & 63];
    }
    if (len > 0) {
        unsigned next = len == 2 ? in[1] : 0U;
        *out++ = digits[in[0] >> 2];
        *out++ = digits[(in[0] & 3U) << 4 | next >> 4];
        if (len == 2)
            *out++ = digits[(next & 15) << 2];
    }
    return (size_t)(out - dst);
}
