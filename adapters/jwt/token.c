#include "jwt/token.h"

#include "jwt/strict.h"

#include <string.h>

enum { PARTS = 3 };

static const char *split(wsrt_span text, wsrt_span parts[PARTS])
{
    size_t start = 0, n = 0;

    for (size_t i = 0; i <= text.len; i++) {
        if (i < text.len && text.ptr[i] != '.')
            continue;
        if (n == PARTS)
            return "more than three parts";
        parts[n++] = (wsrt_span){text.ptr + start, i - start};
        start = i + 1;
    }
    if (n < PARTS)
        return "fewer than three parts";
    if (parts[2].len == 0)
        return "no signature";
    return NULL;
}

static const char *check_forbidden(const wsrt_json *header)
{
    static const char *const members[][2] = {
        {"crit", "header: crit"}, {"b64", "header: b64"}, {"zip", "header: zip"},
        {"jku", "header: jku"},   {"jwk", "header: jwk"}, {"x5u", "header: x5u"},
        {"x5c", "header: x5c"},
    };

    for (size_t i = 0; i < sizeof members / sizeof members[0]; i++)
        if (wsrt_jwt_member(header, members[i][0]).kind != WSRT_JSON_NONE)
            return members[i][1];
    return NULL;
}

static const char *read_header(wsrt_jwt_token *out, wsrt_span text)
{
    wsrt_json header;
    const char *why;
    size_t len;

    if (wsrt_jwt_object(text, &header, &why) != WSRT_OK)
        return why;
    why = check_forbidden(&header);
    if (why != NULL)
        return why;
    wsrt_json alg = wsrt_jwt_member(&header, "alg"), kid = wsrt_jwt_member(&header, "kid");
    wsrt_json typ = wsrt_jwt_member(&header, "typ");
    out->algorithm = wsrt_jwt_algorithm_of(&alg);
    if (out->algorithm == 0)
        return "header: alg is none of ours";
    if (typ.kind != WSRT_JSON_NONE && typ.kind != WSRT_JSON_STRING)
        return "header: typ is not a string";
    if (kid.kind == WSRT_JSON_NONE)
        return NULL;
    if (wsrt_json_text(&kid, out->kid_text, sizeof out->kid_text, &len) != WSRT_OK || len == 0)
        return "header: kid is not a string of 1 to 256 bytes";
    out->kid = (wsrt_span){out->kid_text, len};
    return NULL;
}

const char *wsrt_jwt_token_split(wsrt_jwt_token *out, wsrt_span text)
{
    wsrt_span parts[PARTS], decoded[PARTS];
    unsigned char *at = out->decoded;
    const char *why = split(text, parts);

    if (why != NULL)
        return why;
    for (size_t i = 0; i < PARTS; i++) {
        size_t len;
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
