#include "jwt/token.h"

#include "jwt/strict.h"

#include <string.h>

enum { PARTS = 3 };

static const char *split(wsrt_span text, wsrt_span parts[PARTS])
{
    for (size_t n = 0; n < PARTS; n++) {
        const char *dot = text.len == 0 ? NULL : memchr(text.ptr, '.', text.len);
        size_t len = dot == NULL ? text.len : (size_t)(dot - text.ptr);
        if (n + 1 < PARTS && dot == NULL)
            return "fewer than three parts";
        if (n + 1 == PARTS && dot != NULL)
            return "more than three parts";
        parts[n] = (wsrt_span){text.ptr, len};
        len += dot != NULL;
        text.ptr += len;
        text.len -= len;
    }
    return parts[PARTS - 1].len == 0 ? "no signature" : NULL;
}

#define NAME(text)                                                                                 \
    {                                                                                              \
        text, sizeof text - 1                                                                      \
    }

/* Members of a header: what is read, then what is refused. */
enum member { ALG, KID, TYP, FORBIDDEN, MEMBERS = FORBIDDEN + 7 };

static const wsrt_span names[MEMBERS] = {NAME("alg"), NAME("kid"), NAME("typ"), NAME("crit"),
                                         NAME("b64"), NAME("zip"), NAME("jku"), NAME("jwk"),
                                         NAME("x5u"), NAME("x5c")};

static const char *check_forbidden(const wsrt_json *members)
{
    static const char *const why[] = {"header: crit", "header: b64", "header: zip", "header: jku",
                                      "header: jwk",  "header: x5u", "header: x5c"};

    for (size_t i = FORBIDDEN; i < MEMBERS; i++)
        if (members[i].kind != WSRT_JSON_NONE)
            return why[i - FORBIDDEN];
    return NULL;
}

static const char *read_header(wsrt_jwt_token *out, wsrt_span text)
{
    wsrt_json header, members[MEMBERS];
    const char *why;
    size_t len;

    if (wsrt_jwt_object(text, &header, &why) != WSRT_OK)
        return why;
    wsrt_jwt_members(&header, names, members, MEMBERS);
    why = check_forbidden(members);
    if (why != NULL)
        return why;
    out->algorithm = wsrt_jwt_algorithm_of(&members[ALG]);
    if (out->algorithm == 0)
        return "header: alg is none of ours";
    if (members[TYP].kind != WSRT_JSON_NONE && members[TYP].kind != WSRT_JSON_STRING)
        return "header: typ is not a string";
    if (members[KID].kind == WSRT_JSON_NONE)
        return NULL;
    if (wsrt_json_text(&members[KID], out->kid_text, sizeof out->kid_text, &len) != WSRT_OK ||
        len == 0)
        return "header: kid is not a string of 1 to 256 bytes";
    out->kid = (wsrt_span){out->kid_text, len};
    return NULL;
}

const char *wsrt_jwt_token_split(wsrt_jwt_token *out, wsrt_span text)
{
    wsrt_span parts[PARTS], decoded[PARTS];
    unsigned char *at = out->decoded;
    const char *why = split(text, parts);

    out->used = 0;
    if (why != NULL)
        return why;
    for (size_t i = 0; i < PARTS; i++) {
        size_t len;
        out->used += parts[i].len / 4 * 3 + 2;
        if (wsrt_jwt_decode(at, parts[i], &len) != WSRT_OK)
            return "not base64url";
        decoded[i] = (wsrt_span){(const char *)at, len};
        at += len;
    }
    out->input_len = text.len - parts[2].len - 1;
    out->payload = decoded[1];
    out->signature = decoded[2];
    out->kid = (wsrt_span){NULL, 0};
    return read_header(out, decoded[0]);
}
