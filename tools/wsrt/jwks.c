#include "jwks.h"
#include "keys.h"
#include "tool.h"
#include "worker.h"

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
    struct keys keys;     /* loaded for a URL */
    struct worker worker; /* fetches them */
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
    if (rc == WSRT_ERR_INVALID && j->keys.aws != NULL)
        return complain(TOOL_CONFIG, "--jwks: '%s' is neither https nor http to this machine",
                        file);
    return complain(TOOL_CONFIG, "--jwks: '%s': %s", file, wsrt_status_name(rc));
}

static void fetch_keys(void *user)
{
    struct jwks_judge *j = user;

    (void)wsrt_jwt_refresh(j->jwt); /* it tells how that went */
}

static int open_keys(struct jwks_judge *j, const struct jwks_rules *rules, wsrt_jwt_options *o)
{
    if (strstr(rules->source, "://") == NULL) {
        o->keys_file = wsrt_span_cstr(rules->source);
        return 0;
    }
    o->keys_url = wsrt_span_cstr(rules->source);
    o->fetcher = &j->keys.fetcher;
    o->breakers = rules->breakers;
    if (rules->breakers != NULL) { /* a server, whose loop may not wait */
        o->wanted = worker_tell;
        o->wanted_user = &j->worker;
    }
    return keys_open(&j->keys, rules->env);
}

/* A server may be up before its key server is: it lets nobody in until then. */
static int first_fetch(struct jwks_judge *j, const struct jwks_rules *rules)
{
    if (j->keys.aws == NULL)
        return 0;
    int rc = wsrt_jwt_refresh(j->jwt);
    if (rules->breakers != NULL)
        return worker_start(&j->worker, fetch_keys, j);
    return rc == WSRT_OK ? 0
                         : complain(TOOL_UNAVAILABLE, "--jwks: no keys from '%s': %s",
                                    rules->source, wsrt_status_name(rc));
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
    };

    *out = j;
    if (j == NULL)
        return complain(TOOL_INTERNAL, "out of memory");
    int status = open_keys(j, rules, &o);
    if (status != 0)
        return status;
    j->env = rules->env;
    errno = 0;
    int rc = wsrt_jwt_new(&j->jwt, &o);
    return rc == WSRT_OK ? first_fetch(j, rules) : explain(j, rules->source, rc, errno);
}

void jwks_authenticator(struct jwks_judge *j, wsrt_authenticator *out)
{
    wsrt_jwt_interface(j->jwt, out);
}

void jwks_close(struct jwks_judge *j)
{
    if (j == NULL)
        return;
    worker_stop(&j->worker);
    wsrt_jwt_free(j->jwt);
    keys_close(&j->keys);
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
