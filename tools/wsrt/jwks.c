#include "jwks.h"
#include "tool.h"

#include <wsrt/jwt.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CLAIMS_MAX = 7500 };

struct jwks_judge {
    const wsrt_env *env; /* NULL = nobody listens */
    const char *refusal; /* of the key set; constant text */
    wsrt_jwt *jwt;
};

/* Why a key set is refused is for the complaint; the rest goes where lines go. */
static void take_line(void *user, int level, const char *event_cstr, const wsrt_field *fields,
                      size_t count)
{
    struct jwks_judge *j = user;

    if (j->jwt == NULL && strcmp(event_cstr, "jwt.keys_refused") == 0)
        j->refusal = fields[0].text.ptr;
    else if (j->jwt != NULL && j->env != NULL && j->env->log != NULL)
        j->env->log(j->env->user, level, event_cstr, fields, count);
}

static int explain(const struct jwks_judge *j, const char *file, int rc, int error)
{
    if (rc == WSRT_ERR_IO)
        return complain(TOOL_CONFIG, "--jwks: cannot read '%s': %s", file, strerror(error));
    if (j->refusal != NULL)
        return complain(TOOL_CONFIG, "--jwks: '%s' is no key set to use: %s", file, j->refusal);
    return complain(TOOL_CONFIG, "--jwks: '%s': %s", file, wsrt_status_name(rc));
}

int jwks_open(struct jwks_judge **out, const struct jwks_rules *rules)
{
    struct jwks_judge *j = calloc(1, sizeof *j);
    wsrt_env env = {.struct_size = sizeof env, .user = j, .log = take_line};
    wsrt_jwt_options o = {
        .struct_size = sizeof o,
        .env = &env,
        .issuer = wsrt_span_cstr(rules->issuer),
        .audiences = rules->audiences->items,
        .audience_count = rules->audiences->count,
        .keys_file = wsrt_span_cstr(rules->file),
    };

    *out = j;
    if (j == NULL)
        return complain(TOOL_INTERNAL, "out of memory");
    if (strstr(rules->file, "://") != NULL)
        return complain(TOOL_CONFIG, "--jwks: this build reads key sets from files only");
    j->env = rules->env;
    errno = 0;
    int rc = wsrt_jwt_new(&j->jwt, &o);
    return rc == WSRT_OK ? 0 : explain(j, rules->file, rc, errno);
}

void jwks_authenticator(struct jwks_judge *j, wsrt_authenticator *out)
{
    wsrt_jwt_interface(j->jwt, out);
}

void jwks_close(struct jwks_judge *j)
{
    if (j != NULL)
        wsrt_jwt_free(j->jwt);
    free(j);
}

int jwks_check(struct jwks_judge *j, wsrt_span token)
{
    char claims[CLAIMS_MAX];
    wsrt_jwt_report r = {.struct_size = sizeof r, .claims = claims, .claims_cap = sizeof claims};
    wsrt_env env = {.struct_size = sizeof env};

    if (wsrt_env_default(&env) != WSRT_OK)
        return complain(TOOL_INTERNAL, "no clock");
    int rc = wsrt_jwt_verify(j->jwt, token, env.wall(env.user), &r);
    if (rc == WSRT_ERR_UNAUTHENTICATED)
        return complain(TOOL_UNMET, "the token is refused: %s", r.text_cstr);
    if (rc != WSRT_OK)
        return complain(TOOL_INTERNAL, "cannot judge: %s", wsrt_status_name(rc));
    printf("%.*s\n", (int)r.claims_len, claims);
    return TOOL_OK;
}

int jwks_built_in(void)
{
    return 1;
}
