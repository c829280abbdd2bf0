/* Who signs: the chain of places to look, and when to look again. */
#include "aws/internal.h"

#include "common/support.h"

#include <stdio.h>
#include <string.h>

enum {
    MINUTE = 60 * 1000,
    EARLY = 15 * MINUTE, /* before the end: time to ask for others */
    PAUSE = 10 * 1000,   /* after a search, while what there is serves */
    CONTAINER_TIMEOUT = 2000,
    METADATA_TIMEOUT = 1000,
    LARGEST_ANSWER = 64 * 1024,
    LONGEST_LINE = 8192 + 64
};

/* ---- keys --------------------------------------------------------------------------------- */

static wsrt_aws_keys *keys_new(const wsrt_aws *a)
{
    wsrt_aws_keys *keys = wsrt_adapter_realloc(&a->allocator, NULL, 0, sizeof *keys);

    if (keys == NULL)
        return NULL;
    memset(keys, 0, sizeof *keys);
    atomic_init(&keys->users, 1);
    pthread_mutex_init(&keys->lock, NULL);
    return keys;
}

void wsrt_aws_keys_give(wsrt_aws *a, wsrt_aws_keys *keys)
{
    if (keys == NULL || atomic_fetch_sub(&keys->users, 1) != 1)
        return;
    pthread_mutex_destroy(&keys->lock);
    explicit_bzero(keys, sizeof *keys);
    wsrt_adapter_realloc(&a->allocator, keys, sizeof *keys, 0);
}

static int is_within(const char *text, char least)
{
    while (*text >= least && *text <= '~')
        text++;
    return *text == '\0';
}

int wsrt_aws_keys_ok(const wsrt_aws_keys *keys)
{
    return is_within(keys->access, '!') && is_within(keys->secret, ' ') &&
           is_within(keys->token, '!');
}

static const wsrt_aws_derived *find_derived(const wsrt_aws_keys *keys, const char *date,
                                            const char *service)
{
    for (size_t i = 0; i < WSRT_AWS_DERIVED; i++)
        if (keys->derived[i].service != NULL && strcmp(keys->derived[i].service, service) == 0 &&
            memcmp(keys->derived[i].date, date, 8) == 0)
            return &keys->derived[i];
    return NULL;
}

void wsrt_aws_keys_derive(wsrt_aws_keys *keys, const wsrt_sigv4_scope *scope, const char *service,
                          unsigned char *key)
{
    pthread_mutex_lock(&keys->lock);
    const wsrt_aws_derived *known = find_derived(keys, scope->time, service);
    if (known == NULL) {
        wsrt_aws_derived *d = &keys->derived[keys->next];
        keys->next = (keys->next + 1) % WSRT_AWS_DERIVED;
        memcpy(d->date, scope->time, sizeof d->date);
        d->service = service;
        wsrt_sigv4_key(d->key, wsrt_span_cstr(keys->secret), scope);
        known = d;
    }
    memcpy(key, known->key, WSRT_SHA256_LEN);
    pthread_mutex_unlock(&keys->lock);
}

/* ---- places to look ------------------------------------------------------------------------- */

static int from_environment(wsrt_aws_keys *keys)
{
    const char *access = wsrt_aws_getenv("AWS_ACCESS_KEY_ID");
    const char *secret = wsrt_aws_getenv("AWS_SECRET_ACCESS_KEY");
    const char *token = wsrt_aws_getenv("AWS_SESSION_TOKEN");

    if (access == NULL || secret == NULL)
        return WSRT_ERR_NOT_FOUND;
    return wsrt_aws_copy(keys->access, sizeof keys->access, access) &&
                   wsrt_aws_copy(keys->secret, sizeof keys->secret, secret) &&
                   wsrt_aws_copy(keys->token, sizeof keys->token, token != NULL ? token : "")
               ? WSRT_OK
               : WSRT_ERR_MALFORMED;
}

static int from_files(wsrt_aws *a, wsrt_aws_keys *keys)
{
    wsrt_aws_profile *p = wsrt_adapter_realloc(&a->allocator, NULL, 0, sizeof *p);

    if (p == NULL)
        return WSRT_ERR_NOMEM;
    int rc = wsrt_aws_profile_load(a, p);
    if (rc == WSRT_OK) {
        memcpy(keys->access, p->access, sizeof keys->access);
        memcpy(keys->secret, p->secret, sizeof keys->secret);
        memcpy(keys->token, p->token, sizeof keys->token);
    }
    if (rc == WSRT_ERR_FORBIDDEN)
        wsrt_aws_log(a, WSRT_LEVEL_ERROR, "aws.profile_refused",
                     p->unsupported != NULL ? p->unsupported : "no profile of that name", 0);
    explicit_bzero(p, sizeof *p);
    wsrt_adapter_realloc(&a->allocator, p, sizeof *p, 0);
    return rc;
}

/* Asks one of the endpoints that hand out credentials. */
static int ask(wsrt_aws *a, wsrt_aws_request *r)
{
    int rc = wsrt_aws_ask(a, r);

    if (rc != WSRT_OK)
        return rc;
    if (r->answer.status == 200)
        return WSRT_OK;
    return r->answer.status >= 500 ? WSRT_ERR_UNAVAILABLE : WSRT_ERR_FORBIDDEN;
}

static void forget(wsrt_aws *a, wsrt_aws_request *r)
{
    if (r->answer.body != NULL)
        explicit_bzero(r->answer.body, r->answer.cap);
    wsrt_aws_answer_free(a, &r->answer);
}

/* The line of the Authorization field; "" when there is none to send. */
static int authorization(wsrt_aws *a, char *line)
{
    static const char name[] = "Authorization: ";
    const char *path = wsrt_aws_getenv("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE");
    const char *token = wsrt_aws_getenv("AWS_CONTAINER_AUTHORIZATION_TOKEN");
    size_t len = token == NULL ? 0 : strlen(token);
    char *text = path == NULL ? NULL : wsrt_aws_file_read(&a->allocator, path, &len);

    line[0] = '\0';
    if (path != NULL && text == NULL)
        return WSRT_ERR_FORBIDDEN;
    const char *from = text != NULL ? text : token;
    int bad = len > WSRT_AWS_LONGEST_TOKEN ||
              (len > 0 && (memchr(from, '\r', len) != NULL || memchr(from, '\n', len) != NULL ||
                           memchr(from, '\0', len) != NULL));
    if (!bad && len > 0)
        snprintf(line, LONGEST_LINE, "%s%.*s", name, (int)len, from);
    if (text != NULL)
        wsrt_aws_file_free(&a->allocator, text);
    return bad ? WSRT_ERR_FORBIDDEN : WSRT_OK;
}

/* The endpoint keeps scheme and authority, the request gets the path; a query may be in it. */
static int container_place(wsrt_aws_endpoint *e, wsrt_aws_request *r)
{
    const char *relative = wsrt_aws_getenv("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
    const char *full = wsrt_aws_getenv("AWS_CONTAINER_CREDENTIALS_FULL_URI");
    wsrt_span base = wsrt_span_cstr("http://169.254.170.2");

    if (relative == NULL && full == NULL)
        return WSRT_ERR_NOT_FOUND;
    if (relative == NULL) {
        const char *authority = strstr(full, "://");
        relative = authority == NULL ? NULL : strpbrk(authority + 3, "/?");
        base = wsrt_span_cstr(full);
        base.len -= relative == NULL ? 0 : strlen(relative);
        relative = relative == NULL ? "/" : relative;
    }
    return wsrt_aws_endpoint_set(e, base) == WSRT_OK && wsrt_aws_endpoint_trusted(e) &&
                   relative[0] == '/' && strpbrk(relative, " \t\r\n#") == NULL &&
                   wsrt_aws_copy(r->path, sizeof r->path, relative)
               ? WSRT_OK
               : WSRT_ERR_FORBIDDEN;
}

static int from_container(wsrt_aws *a, wsrt_aws_keys *keys)
{
    wsrt_aws_endpoint e;
    wsrt_aws_request r = {.endpoint = &e,
                          .method = "GET",
                          .flags = WSRT_AWS_SECRET,
                          .most = LARGEST_ANSWER,
                          .timeout_ms = CONTAINER_TIMEOUT};
    char line[LONGEST_LINE];
    int rc = container_place(&e, &r);

    if (rc == WSRT_OK)
        rc = authorization(a, line);
    if (rc != WSRT_OK)
        return rc;
    r.extra = line[0] != '\0' ? line : NULL;
    rc = ask(a, &r);
    if (rc == WSRT_OK)
        rc = wsrt_aws_keys_parse(keys, (wsrt_span){r.answer.body, r.answer.len});
    forget(a, &r);
    explicit_bzero(line, sizeof line);
    return rc;
}

/* One step with the metadata service; its answer is a line of text. */
static int metadata_text(wsrt_aws *a, wsrt_aws_request *r, char *dst, size_t cap)
{
    int rc = ask(a, r);
    size_t len = r->answer.len;

    if (rc == WSRT_OK && len > 0 && len < cap && strlen(r->answer.body) == len &&
        strpbrk(r->answer.body, "\r\n") == NULL)
        memcpy(dst, r->answer.body, len + 1);
    else if (rc == WSRT_OK)
        rc = WSRT_ERR_MALFORMED;
    forget(a, r);
    return rc;
}

static int metadata_keys(wsrt_aws *a, wsrt_aws_request *r, wsrt_aws_keys *keys)
{
    char role[256];

    (void)wsrt_aws_copy(r->path, sizeof r->path, "/latest/meta-data/iam/security-credentials/");
    int rc = metadata_text(a, r, role, sizeof role);
    if (rc == WSRT_OK && !wsrt_aws_escape(r->path, sizeof r->path, wsrt_span_cstr(role)))
        rc = WSRT_ERR_MALFORMED;
    if (rc != WSRT_OK)
        return rc;
    rc = ask(a, r);
    if (rc == WSRT_OK)
        rc = wsrt_aws_keys_parse(keys, (wsrt_span){r->answer.body, r->answer.len});
    forget(a, r);
    return rc;
}

static int from_metadata(wsrt_aws *a, wsrt_aws_keys *keys)
{
    static const char name[] = "x-aws-ec2-metadata-token: ";
    const char *off = wsrt_aws_getenv("AWS_EC2_METADATA_DISABLED");
    char token[1024], line[sizeof name + sizeof token];
    wsrt_aws_request r = {.endpoint = &a->metadata,
                          .method = "PUT",
                          .path = "/latest/api/token",
                          .extra = "x-aws-ec2-metadata-token-ttl-seconds: 21600",
                          .flags = WSRT_AWS_NO_RETRY | WSRT_AWS_SECRET,
                          .most = LARGEST_ANSWER,
                          .timeout_ms = METADATA_TIMEOUT};

    if (off != NULL && strcmp(off, "true") == 0)
        return WSRT_ERR_NOT_FOUND;
    int rc = metadata_text(a, &r, token, sizeof token);
    if (rc != WSRT_OK)
        return rc;
    snprintf(line, sizeof line, "%s%s", name, token);
    r.method = "GET";
    r.extra = line;
    rc = metadata_keys(a, &r, keys);
    explicit_bzero(token, sizeof token);
    explicit_bzero(line, sizeof line);
    return rc;
}

/* Who is told to be somebody by a token for it must not be the machine instead. */
static int from_web_identity(const wsrt_aws *a)
{
    if (wsrt_aws_getenv("AWS_WEB_IDENTITY_TOKEN_FILE") == NULL)
        return WSRT_ERR_NOT_FOUND;
    wsrt_aws_log(a, WSRT_LEVEL_ERROR, "aws.profile_refused", "AWS_WEB_IDENTITY_TOKEN_FILE", 0);
    return WSRT_ERR_FORBIDDEN;
}

/* The first place that has some, or has them and fails. */
static int search(wsrt_aws *a, wsrt_aws_keys **out)
{
    wsrt_aws_keys *keys = keys_new(a);

    if (keys == NULL)
        return WSRT_ERR_NOMEM;
    int rc = from_environment(keys);
    if (rc == WSRT_ERR_NOT_FOUND)
        rc = from_files(a, keys);
    if (rc == WSRT_ERR_NOT_FOUND)
        rc = from_web_identity(a);
    if (rc == WSRT_ERR_NOT_FOUND)
        rc = from_container(a, keys);
    if (rc == WSRT_ERR_NOT_FOUND)
        rc = from_metadata(a, keys);
    if (rc == WSRT_OK && !wsrt_aws_keys_ok(keys))
        rc = WSRT_ERR_MALFORMED;
    if (rc == WSRT_OK)
        *out = keys;
    else
        wsrt_aws_keys_give(a, keys);
    return rc;
}

/* ---- when to look ------------------------------------------------------------------------- */

enum need { NOTHING, SOON, NOW };

static enum need need_of(const wsrt_aws *a, int64_t wall)
{
    const wsrt_aws_keys *keys = a->credentials.keys;

    if (keys == NULL)
        return NOW;
    if (a->credentials.fixed)
        return NOTHING;
    if (a->credentials.refused)
        return NOW;
    if (keys->expires_at == 0 || wall < keys->expires_at - EARLY)
        return NOTHING;
    int serves = wall < keys->expires_at;
    if (wall < a->credentials.not_before && (serves || a->credentials.outcome == WSRT_OK))
        return NOTHING; /* nobody has newer ones */
    return serves ? SOON : NOW;
}

/* With the lock held, which is given up meanwhile. */
static int refresh(wsrt_aws *a)
{
    wsrt_aws_keys *fresh = NULL;

    a->credentials.asking = 1;
    pthread_mutex_unlock(&a->credentials.lock);
    int rc = search(a, &fresh);
    if (rc != WSRT_OK)
        wsrt_aws_log(a, WSRT_LEVEL_WARN, "aws.credentials_failed", wsrt_status_name(rc), 0);
    int64_t wall = a->env.wall(a->env.user);
    pthread_mutex_lock(&a->credentials.lock);
    a->credentials.asking = 0;
    a->credentials.not_before = wall + PAUSE;
    a->credentials.outcome = rc;
    a->credentials.searches++;
    if (rc == WSRT_OK) {
        wsrt_aws_keys_give(a, a->credentials.keys);
        a->credentials.keys = fresh;
        a->credentials.refused = 0;
    }
    pthread_cond_broadcast(&a->credentials.changed);
    return rc;
}

/* What there is to do after the searches of others; `*rc` is theirs when they were in vain. With the
 * lock held. */
static enum need wait_for_others(wsrt_aws *a, int64_t wall, int *rc)
{
    unsigned before = a->credentials.searches;
    enum need need = need_of(a, wall);

    while (need == NOW && a->credentials.asking && *rc == WSRT_OK) {
        pthread_cond_wait(&a->credentials.changed, &a->credentials.lock);
        need = need_of(a, wall);
        if (need == NOW && a->credentials.searches != before)
            *rc = a->credentials.outcome;
    }
    return need;
}

int wsrt_aws_keys_take(wsrt_aws *a, wsrt_aws_keys **out)
{
    int64_t wall = a->env.wall(a->env.user);
    int rc = WSRT_OK;

    pthread_mutex_lock(&a->credentials.lock);
    enum need need = wait_for_others(a, wall, &rc);
    if (rc == WSRT_OK && (need == NOW || (need == SOON && !a->credentials.asking)))
        rc = refresh(a);
    if (need == SOON)
        rc = WSRT_OK; /* the old ones still serve */
    if (rc == WSRT_OK) {
        *out = a->credentials.keys;
        atomic_fetch_add(&(*out)->users, 1);
    }
    pthread_mutex_unlock(&a->credentials.lock);
    return rc;
}

void wsrt_aws_keys_refused(wsrt_aws *a, const wsrt_aws_keys *keys)
{
    pthread_mutex_lock(&a->credentials.lock);
    if (a->credentials.keys == keys)
        a->credentials.refused = 1;
    pthread_mutex_unlock(&a->credentials.lock);
}

int wsrt_aws_keys_fix(wsrt_aws *a, const wsrt_aws_options *o)
{
    wsrt_aws_keys *keys = keys_new(a);

    if (keys == NULL)
        return WSRT_ERR_NOMEM;
    memcpy(keys->access, o->access_key.ptr, o->access_key.len);
    memcpy(keys->secret, o->secret_key.ptr, o->secret_key.len);
    if (o->session_token.len > 0)
        memcpy(keys->token, o->session_token.ptr, o->session_token.len);
    a->credentials.keys = keys;
    a->credentials.fixed = 1;
    return wsrt_aws_keys_ok(keys) ? WSRT_OK : WSRT_ERR_INVALID;
}

int wsrt_aws_credentials(wsrt_aws *a, char *access_key, size_t cap)
{
    wsrt_aws_keys *keys;

    if (a == NULL)
        return WSRT_ERR_INVALID;
    int rc = wsrt_aws_keys_take(a, &keys);
    if (rc != WSRT_OK)
        return rc;
    size_t len = strlen(keys->access) + 1;
    if (access_key != NULL && len <= cap)
        memcpy(access_key, keys->access, len);
    else if (access_key != NULL)
        rc = WSRT_ERR_LIMIT;
    wsrt_aws_keys_give(a, keys);
    return rc;
}
