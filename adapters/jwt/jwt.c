/* The verifier: made, asked, freed. */
#include "jwt/internal.h"

#include "common/support.h"
#include "jwt/strict.h"
#include "jwt/token.h"

#include <string.h>

enum {
    ALL_PUBLIC = WSRT_JWT_RS256 | WSRT_JWT_RS384 | WSRT_JWT_RS512 | WSRT_JWT_PS256 |
                 WSRT_JWT_ES256 | WSRT_JWT_ES384 | WSRT_JWT_ES512,
    DEFAULT_CACHE = 1024,
    CACHE_MAX = 65536,
    DEFAULT_STALE_S = 86400
};

void wsrt_jwt_log(const wsrt_jwt *j, int level, const char *event_cstr, const char *reason_cstr)
{
    wsrt_field field = {
        .name_cstr = "reason", .kind = WSRT_FIELD_TEXT, .text = wsrt_span_cstr(reason_cstr)};

    if (j->env.log != NULL)
        j->env.log(j->env.user, level, event_cstr, &field, 1);
}

/* ---- judging -------------------------------------------------------------------------------- */

/* One question and its answer. */
typedef struct question {
    wsrt_span token;
    int64_t wall;
    wsrt_auth_result *out;
    wsrt_jwt_report *report; /* NULL = not wanted */
    int reason;
    int64_t expires_at;
    const char *why;
} question;

static int refuse(question *q, const char *why)
{
    q->reason = WSRT_AUTH_INVALID_TOKEN;
    q->why = why;
    return WSRT_ERR_UNAUTHENTICATED;
}

/* An unknown kid sends nobody to the key server but who at least names our issuer. */
static int find_key(wsrt_jwt *j, const wsrt_jwt_token *t, wsrt_jwt_keys **keys,
                    const wsrt_jwt_key **key)
{
    wsrt_jwt_claims claims;

    *key = wsrt_jwt_keys_find(*keys, t->kid);
    if (*key != NULL || t->kid.len == 0 || !wsrt_jwt_keys_renewable(j) ||
        wsrt_jwt_claims_read(t->payload, &claims) != NULL ||
        wsrt_jwt_issuer_judge(&j->rules, &claims) != NULL)
        return WSRT_OK;
    int rc = wsrt_jwt_keys_renew(j, keys);
    *key = wsrt_jwt_keys_find(*keys, t->kid);
    return rc;
}

static int check_signature(const wsrt_jwt_key *key, const wsrt_jwt_token *t, question *q,
                           const wsrt_jwt_known *known)
{
    wsrt_jwt_signed what = {
        .input = {q->token.ptr, t->input_len}, .sha256 = known->digest, .signature = t->signature};

    if (key == NULL)
        return refuse(q, "no key of this kid");
    if (key->algorithm != t->algorithm)
        return refuse(q, "alg is not the key's");
    int rc = wsrt_jwt_crypto_verify(key->crypto, &what);
    return rc == WSRT_ERR_REJECTED ? refuse(q, "the signature is not the key's") : rc;
}

static int check_times(const wsrt_jwt_times *times, question *q)
{
    q->expires_at = (int64_t)times->exp;
    if ((double)q->wall >= times->until) {
        q->reason = WSRT_AUTH_TOKEN_EXPIRED;
        q->why = "expired";
        return WSRT_ERR_UNAUTHENTICATED;
    }
    return (double)q->wall < times->from ? refuse(q, "not valid yet") : WSRT_OK;
}

static int give_claims(const wsrt_jwt_token *t, wsrt_jwt_report *r)
{
    if (r == NULL || r->claims == NULL)
        return WSRT_OK;
    r->claims_len = t->payload.len;
    if (t->payload.len > r->claims_cap)
        return WSRT_ERR_LIMIT;
    memcpy(r->claims, t->payload.ptr, t->payload.len);
    return WSRT_OK;
}

static int judge_claims(const wsrt_jwt *j, const wsrt_jwt_token *t, question *q,
                        wsrt_jwt_times *times)
{
    wsrt_jwt_claims claims;
    const char *why = wsrt_jwt_claims_read(t->payload, &claims);

    if (why == NULL)
        why = wsrt_jwt_claims_judge(&j->rules, &claims);
    if (why == NULL)
        why = wsrt_jwt_times_read(&j->rules, &claims, times);
    if (why != NULL)
        return refuse(q, why);
    int rc = check_times(times, q);
    if (rc != WSRT_OK)
        return rc;
    int64_t ends = (int64_t)(times->until / 1000);
    why = wsrt_jwt_principal_read(&claims, ends > 0 ? ends : 1, q->out);
    return why != NULL ? refuse(q, why) : give_claims(t, q->report);
}

static void remember(wsrt_jwt *j, const wsrt_jwt_keys *by, const wsrt_jwt_known *known,
                     const wsrt_jwt_times *times, const wsrt_principal *who)
{
    pthread_mutex_lock(&j->lock);
    if (j->keys == by) /* or they were replaced meanwhile */
        wsrt_jwt_cache_put(&j->cache, known, times, who);
    pthread_mutex_unlock(&j->lock);
}

static int judge_anew(wsrt_jwt *j, wsrt_jwt_keys **keys, const wsrt_jwt_known *known, question *q)
{
    wsrt_jwt_token t;
    wsrt_jwt_times times;
    const wsrt_jwt_key *key = NULL;
    const char *why = wsrt_jwt_token_split(&t, q->token);
    int rc = why != NULL ? refuse(q, why) : WSRT_OK;

    if (rc == WSRT_OK)
        rc = find_key(j, &t, keys, &key);
    if (why == NULL && rc != WSRT_OK)
        q->why = "the key of this kid is awaited";
    if (rc == WSRT_OK)
        rc = check_signature(key, &t, q, known);
    if (rc == WSRT_OK)
        rc = judge_claims(j, &t, q, &times);
    if (rc == WSRT_OK)
        remember(j, *keys, known, &times, q->out->principal);
    wsrt_jwt_wipe(t.decoded, t.used);
    return rc;
}

static int is_remembered(wsrt_jwt *j, const wsrt_jwt_known *known, question *q)
{
    if (q->report != NULL)
        return 0;
    pthread_mutex_lock(&j->lock);
    int found = wsrt_jwt_cache_get(&j->cache, known, q->wall, q->out);
    pthread_mutex_unlock(&j->lock);
    return found;
}

static size_t before_last_dot(wsrt_span text)
{
    size_t n = text.len;

    while (n > 0 && text.ptr[n - 1] != '.')
        n--;
    return n == 0 ? 0 : n - 1;
}

static int judge(wsrt_jwt *j, question *q)
{
    wsrt_jwt_known known;
    wsrt_jwt_keys *keys;

    if (q->wall <= 0) {
        q->why = "nobody knows the time";
        return WSRT_ERR_UNAVAILABLE;
    }
    if (q->token.len > WSRT_JWT_TOKEN_MAX)
        return refuse(q, "longer than 10000 bytes");
    size_t signed_len = before_last_dot(q->token);
    if (signed_len == 0)
        return refuse(q, "fewer than three parts");
    q->why = "no keys to judge by";
    int rc = wsrt_jwt_keys_get(j, &keys);
    if (rc != WSRT_OK)
        return rc;
    q->why = "";
    known.signature = (wsrt_span){q->token.ptr + signed_len + 1, q->token.len - signed_len - 1};
    rc = wsrt_jwt_sha256(known.digest, (wsrt_span){q->token.ptr, signed_len});
    if (rc == WSRT_OK && !is_remembered(j, &known, q))
        rc = judge_anew(j, &keys, &known, q);
    wsrt_jwt_keys_release(keys);
    return rc;
}

/* Who is refused learns the reason and no more; nobody stays in the result. */
static int conclude(const wsrt_jwt *j, question *q, int rc)
{
    if (rc == WSRT_OK)
        return rc;
    if (rc != WSRT_ERR_LIMIT) {
        wsrt_field fields[] = {
            {.name_cstr = "reason", .kind = WSRT_FIELD_TEXT, .text = wsrt_span_cstr(q->why)},
            {.name_cstr = "exp", .kind = WSRT_FIELD_INT, .number = q->expires_at},
            {.name_cstr = "now", .kind = WSRT_FIELD_INT, .number = q->wall / 1000},
        };
        if (j->env.log != NULL)
            j->env.log(j->env.user, WSRT_LEVEL_INFO, "jwt.refused", fields,
                       q->reason == WSRT_AUTH_TOKEN_EXPIRED ? 3 : 1);
    }
    wsrt_jwt_wipe(q->out->room, sizeof q->out->room);
    q->out->reason = q->reason != WSRT_AUTH_OK ? q->reason : WSRT_AUTH_INVALID_TOKEN;
    q->out->expires_at = q->expires_at;
    q->out->principal = NULL;
    return rc;
}

static int ask(wsrt_jwt *j, question *q)
{
    if (q->token.len > 0)
        return conclude(j, q, judge(j, q));
    q->why = "no token";
    q->reason = WSRT_AUTH_MISSING_TOKEN;
    return conclude(j, q, WSRT_ERR_UNAUTHENTICATED);
}

static int authenticate(void *self, const wsrt_span *token, int64_t wall, wsrt_auth_result *out)
{
    question q = {.wall = wall, .out = out, .why = ""};

    if (wsrt_adapter_amend(out, sizeof *out, sizeof(wsrt_auth_result)) != WSRT_OK)
        return WSRT_ERR_INVALID;
    if (token != NULL)
        q.token = *token;
    return ask(self, &q);
}

void wsrt_jwt_interface(wsrt_jwt *j, wsrt_authenticator *out)
{
    static const wsrt_authenticator_ops ops = {
        .struct_size = sizeof ops,
        .authenticate = authenticate,
    };

    if (j != NULL && out != NULL)
        *out = (wsrt_authenticator){&ops, j};
}

int wsrt_jwt_verify(wsrt_jwt *j, wsrt_span token, int64_t wall, wsrt_jwt_report *out)
{
    wsrt_auth_result result = {.struct_size = sizeof result};
    wsrt_jwt_report mine = {.struct_size = sizeof mine};

    if (j == NULL || (token.ptr == NULL && token.len > 0) ||
        (out != NULL && wsrt_adapter_amend(out, sizeof *out, sizeof(wsrt_jwt_report)) != WSRT_OK))
        return WSRT_ERR_INVALID;
    if (out == NULL)
        out = &mine;
    out->claims_len = 0;
    question q = {.token = token, .wall = wall, .out = &result, .report = out, .why = ""};
    int rc = ask(j, &q);
    out->reason = rc == WSRT_OK || rc == WSRT_ERR_LIMIT ? WSRT_AUTH_OK : result.reason;
    out->text_cstr = q.why;
    out->expires_at = q.expires_at;
    wsrt_jwt_wipe(&result, sizeof result);
    return rc;
}

/* ---- keys ----------------------------------------------------------------------------------- */

int wsrt_jwt_set_keys(wsrt_jwt *j, wsrt_span jwks)
{
    if (j == NULL || (jwks.ptr == NULL && jwks.len > 0))
        return WSRT_ERR_INVALID;
    return wsrt_jwt_keys_take(j, jwks);
}

int wsrt_jwt_refresh(wsrt_jwt *j)
{
    if (j == NULL)
        return WSRT_ERR_INVALID;
    return wsrt_jwt_keys_renewable(j) ? wsrt_jwt_keys_load(j, 1) : WSRT_ERR_UNSUPPORTED;
}

/* ---- making --------------------------------------------------------------------------------- */

static int is_fetcher(const wsrt_jwks_fetcher *f)
{
    wsrt_jwks_fetcher_ops ops;

    return f != NULL && wsrt_adapter_table(&ops, sizeof ops, sizeof ops, f->ops) == WSRT_OK &&
           ops.fetch != NULL;
}

static int check_sources(const wsrt_jwt_options *o)
{
    int sources = (o->keys.len > 0) + (o->keys_file.len > 0) + (o->keys_url.len > 0);

    if (sources != 1)
        return WSRT_ERR_INVALID;
    if (o->keys_file.len > 0 && memchr(o->keys_file.ptr, '\0', o->keys_file.len) != NULL)
        return WSRT_ERR_INVALID;
    if (o->keys_url.len > 0 && (!is_fetcher(o->fetcher) || !wsrt_adapter_is_safe_url(o->keys_url)))
        return WSRT_ERR_INVALID;
    return o->wanted != NULL && o->keys_url.len == 0 ? WSRT_ERR_INVALID : WSRT_OK;
}

static int check_options(const wsrt_jwt_options *o)
{
    if (o->flags != 0 || (o->algorithms & ~(uint32_t)(ALL_PUBLIC | WSRT_JWT_HS256)) != 0)
        return WSRT_ERR_UNSUPPORTED;
    if (o->leeway_s < 0 || o->leeway_s > WSRT_JWT_LEEWAY_MAX || o->fresh_s < 0 || o->stale_s < 0 ||
        o->cache_entries < -1 || o->cache_entries > CACHE_MAX ||
        o->audience_count > WSRT_JWT_AUDIENCES_MAX ||
        (o->audience_count > 0 && o->audiences == NULL))
        return WSRT_ERR_INVALID;
    for (size_t i = 0; i < o->audience_count; i++)
        if (o->audiences[i].len == 0)
            return WSRT_ERR_INVALID;
    if (o->token_use.len > 0 && !wsrt_span_equal(o->token_use, wsrt_span_cstr("access")) &&
        !wsrt_span_equal(o->token_use, wsrt_span_cstr("id")))
        return WSRT_ERR_INVALID;
    return check_sources(o);
}

static wsrt_span copied(char **at, wsrt_span text)
{
    wsrt_span out = {*at, text.len};

    if (text.len > 0)
        memcpy(*at, text.ptr, text.len);
    (*at)[text.len] = '\0';
    *at += text.len + 1;
    return out;
}

static int copy_text(wsrt_jwt *j, const wsrt_jwt_options *o)
{
    size_t size = o->issuer.len + o->token_use.len + o->keys_file.len + o->keys_url.len + 4;

    for (size_t i = 0; i < o->audience_count; i++)
        size += o->audiences[i].len + 1;
    char *at = wsrt_adapter_realloc(&j->allocator, NULL, 0, size);
    if (at == NULL)
        return WSRT_ERR_NOMEM;
    j->text = at;
    j->text_size = size;
    j->rules.issuer = copied(&at, o->issuer);
    j->rules.token_use = copied(&at, o->token_use);
    for (size_t i = 0; i < o->audience_count; i++)
        j->rules.audiences[i] = copied(&at, o->audiences[i]);
    j->rules.audience_count = o->audience_count;
    if (o->keys_file.len > 0)
        j->source.file = at;
    copied(&at, o->keys_file);
    if (o->keys_url.len > 0)
        j->source.url = at;
    copied(&at, o->keys_url);
    return WSRT_OK;
}

static int load_env(wsrt_jwt *j, const wsrt_env *given)
{
    wsrt_env env;

    j->env.struct_size = sizeof j->env;
    int rc = wsrt_env_default(&j->env);
    if (rc == WSRT_OK)
        rc = wsrt_adapter_options(&env, sizeof env, sizeof(wsrt_env), given);
    if (rc != WSRT_OK || given == NULL)
        return rc;
    j->env.user = env.user;
    if (env.log != NULL)
        j->env.log = env.log;
    if (env.now != NULL)
        j->env.now = env.now;
    return WSRT_OK;
}

static int load_source(wsrt_jwt *j, const wsrt_jwt_options *o)
{
    j->source.fresh_s = o->fresh_s;
    j->source.stale_s = o->stale_s == 0 ? DEFAULT_STALE_S : o->stale_s;
    j->source.next_try = INT64_MIN;
    if (o->keys_url.len > 0) {
        j->source.fetcher = *o->fetcher;
        j->source.wanted = o->wanted;
        j->source.wanted_user = o->wanted_user;
        return o->breakers == NULL
                   ? WSRT_OK
                   : wsrt_breakers_get(o->breakers, wsrt_span_cstr("cognito"),
                                       wsrt_span_cstr("verifyJWT"), NULL, &j->source.breaker, NULL);
    }
    return j->source.file != NULL ? wsrt_jwt_keys_load(j, 1) : wsrt_jwt_keys_take(j, o->keys);
}

static int fill(wsrt_jwt *j, const wsrt_jwt_options *o)
{
    size_t entries = o->cache_entries < 0    ? 0
                     : o->cache_entries == 0 ? DEFAULT_CACHE
                                             : (size_t)o->cache_entries;

    j->algorithms = o->algorithms == 0 ? ALL_PUBLIC : o->algorithms;
    j->rules.leeway_ms = (int64_t)o->leeway_s * 1000;
    int rc = load_env(j, o->env);
    if (rc == WSRT_OK)
        rc = copy_text(j, o);
    if (rc == WSRT_OK)
        rc = wsrt_jwt_cache_init(&j->cache, entries, &j->allocator);
    return rc == WSRT_OK ? load_source(j, o) : rc;
}

int wsrt_jwt_new(wsrt_jwt **out, const wsrt_jwt_options *opts)
{
    wsrt_jwt_options o;

    if (out == NULL)
        return WSRT_ERR_INVALID;
    *out = NULL;
    if (opts == NULL)
        return WSRT_ERR_INVALID;
    int rc = wsrt_adapter_options(&o, sizeof o, sizeof(wsrt_jwt_options), opts);
    if (rc == WSRT_OK)
        rc = check_options(&o);
    if (rc != WSRT_OK)
        return rc;
    wsrt_jwt *j = wsrt_adapter_realloc(&o.allocator, NULL, 0, sizeof *j);
    if (j == NULL)
        return WSRT_ERR_NOMEM;
    memset(j, 0, sizeof *j);
    j->allocator = o.allocator;
    pthread_mutex_init(&j->lock, NULL);
    rc = fill(j, &o);
    if (rc == WSRT_OK)
        *out = j;
    else
        wsrt_jwt_free(j);
    return rc;
}

void wsrt_jwt_free(wsrt_jwt *j)
{
    if (j == NULL)
        return;
    wsrt_allocator a = j->allocator;
    wsrt_jwt_cache_free(&j->cache);
    wsrt_jwt_keys_release(j->keys);
    wsrt_breaker_release_ref(j->source.breaker);
    if (j->text != NULL)
        wsrt_adapter_realloc(&a, j->text, j->text_size, 0);
    pthread_mutex_destroy(&j->lock);
    wsrt_adapter_realloc(&a, j, sizeof *j, 0);
}
