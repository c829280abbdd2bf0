/* Judges the tokens of tests/clients/tokens.mjs and cognito.mjs: reads one JSON object a line, prints a verdict a line. */
#include <wsrt/json.h>
#include <wsrt/jwt.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NAME_MAX_LEN = 256 };

static wsrt_span text_of(const wsrt_json *line, const char *pointer, char *dst, size_t cap)
{
    wsrt_json value;
    size_t len;

    if (wsrt_json_find(line, wsrt_span_cstr(pointer), &value) != WSRT_OK ||
        wsrt_json_text(&value, dst, cap, &len) != WSRT_OK)
        exit(2);
    return (wsrt_span){dst, len};
}

static wsrt_span text_or(const wsrt_json *line, const char *pointer, char *dst, const char *other)
{
    wsrt_json value;

    return wsrt_json_find(line, wsrt_span_cstr(pointer), &value) == WSRT_OK
               ? text_of(line, pointer, dst, NAME_MAX_LEN)
               : wsrt_span_cstr(other);
}

static int64_t number_of(const wsrt_json *line, const char *pointer)
{
    wsrt_json value;
    int64_t out;

    if (wsrt_json_find(line, wsrt_span_cstr(pointer), &value) != WSRT_OK ||
        wsrt_json_int64(&value, &out) != WSRT_OK)
        exit(2);
    return out;
}

/* Both ways in must agree. */
static const char *ask(wsrt_jwt *j, wsrt_span token, int64_t wall, wsrt_jwt_report *r)
{
    wsrt_auth_result result = {.struct_size = sizeof result};
    wsrt_authenticator a;
    int rc = wsrt_jwt_verify(j, token, wall, r);

    wsrt_jwt_interface(j, &a);
    for (int i = 0; i < 2; i++) /* the second time by memory */
        if (a.ops->authenticate(a.self, &token, wall, &result) != rc || result.reason != r->reason)
            return "contradiction";
    if (rc == WSRT_OK)
        return wsrt_span_equal(result.principal->user_id, wsrt_span_cstr("u1")) ? "ok" : "stranger";
    if (rc != WSRT_ERR_UNAUTHENTICATED || result.principal != NULL)
        return wsrt_status_name(rc);
    return r->reason == WSRT_AUTH_TOKEN_EXPIRED ? "expired" : "invalid";
}

static void judge(const wsrt_json *line)
{
    static char keys[65536], token[65536];
    char names[3][NAME_MAX_LEN];
    wsrt_span audience = text_or(line, "/audience", names[0], "app");
    wsrt_jwt_report r = {.struct_size = sizeof r, .text_cstr = ""};
    const char *verdict = "no keys";
    wsrt_jwt *j;
    wsrt_jwt_options o = {.struct_size = sizeof o,
                          .issuer = text_or(line, "/issuer", names[1], "me"),
                          .token_use = text_or(line, "/token_use", names[2], ""),
                          .audiences = &audience,
                          .audience_count = 1,
                          .leeway_s = (int32_t)number_of(line, "/leeway"),
                          .algorithms = (uint32_t)number_of(line, "/algorithms"),
                          .keys = text_of(line, "/keys", keys, sizeof keys)};

    int rc = wsrt_jwt_new(&j, &o);
    if (rc == WSRT_OK)
        verdict =
            ask(j, text_of(line, "/token", token, sizeof token), number_of(line, "/wall"), &r);
    else if (rc != WSRT_ERR_REJECTED)
        verdict = wsrt_status_name(rc);
    printf("%s\t%s\n", verdict, r.text_cstr);
    wsrt_jwt_free(j);
}

int main(void)
{
    char *line = NULL;
    size_t cap = 0;
    ssize_t n;

    while ((n = getline(&line, &cap, stdin)) > 0) {
        wsrt_json value;
        if (wsrt_json_parse(&value, (wsrt_span){line, (size_t)n}, NULL) != WSRT_OK)
            return 2;
        judge(&value);
    }
    free(line);
    return 0;
}
