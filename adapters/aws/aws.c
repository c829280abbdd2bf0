#include "aws/internal.h"

#include "common/support.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    MOST_ATTEMPTS = 10,
    MOST_MS = 3600 * 1000,
    LONGEST_PROFILE = 255,
};

static pthread_once_t curl_once = PTHREAD_ONCE_INIT;

static void start_curl(void)
{
    curl_global_init(CURL_GLOBAL_DEFAULT);
}

const char *wsrt_aws_getenv(const char *name_cstr)
{
    const char *value = getenv(name_cstr);

    return value != NULL && value[0] != '\0' ? value : NULL;
}

int wsrt_aws_text_ok(wsrt_span text, size_t most)
{
    return text.len <= most &&
           (text.len == 0 || (text.ptr != NULL && memchr(text.ptr, '\0', text.len) == NULL));
}

void wsrt_aws_log(const wsrt_aws *a, int level, const char *event_cstr, const char *detail_cstr,
                  int status)
{
    wsrt_field fields[] = {
        {.name_cstr = "detail", .kind = WSRT_FIELD_TEXT, .text = wsrt_span_cstr(detail_cstr)},
        {.name_cstr = "status", .kind = WSRT_FIELD_INT, .number = status},
    };

    a->env.log(a->env.user, level, event_cstr, fields, 2);
}

static void say_nothing(void *user, int level, const char *event_cstr, const wsrt_field *fields,
                        size_t count)
{
    (void)user;
    (void)level;
    (void)event_cstr;
    (void)fields;
    (void)count;
}

/* The caller's members with the caller's `user`; mixed with defaults, which ignore it. */
static int load_env(wsrt_env *out, const wsrt_env *given)
{
    wsrt_env env;

    out->struct_size = sizeof *out;
    int rc = wsrt_env_default(out);
    if (rc == WSRT_OK && given != NULL)
        rc = wsrt_adapter_options(&env, sizeof env, sizeof(wsrt_env), given);
    if (rc == WSRT_OK && given != NULL) {
        out->user = env.user;
        out->now = env.now != NULL ? env.now : out->now;
        out->wall = env.wall != NULL ? env.wall : out->wall;
        out->random = env.random != NULL ? env.random : out->random;
        out->log = env.log;
    }
    if (out->log == NULL)
        out->log = say_nothing;
    return rc;
}

static uint32_t number(uint32_t given, uint32_t otherwise)
{
    return given == 0 ? otherwise : given;
}

static int load(wsrt_aws_options *o, const wsrt_aws_options *given)
{
    int rc = wsrt_adapter_options(o, sizeof *o, sizeof(wsrt_aws_options), given);

    if (rc != WSRT_OK)
        return rc;
    if (o->flags != 0)
        return WSRT_ERR_UNSUPPORTED;
    o->attempts = number(o->attempts, 3);
    o->timeout_ms = number(o->timeout_ms, 10000);
    o->connect_timeout_ms = number(o->connect_timeout_ms, 3000);
    o->backoff_ms = number(o->backoff_ms, 50);
    if (o->metadata_endpoint.len == 0)
        o->metadata_endpoint = wsrt_span_cstr("http://169.254.169.254");
    return (o->access_key.len == 0) == (o->secret_key.len == 0) &&
                   (o->session_token.len == 0 || o->access_key.len > 0) &&
                   wsrt_aws_text_ok(o->access_key, WSRT_AWS_LONGEST_KEY) &&
                   wsrt_aws_text_ok(o->secret_key, WSRT_SIGV4_SECRET) &&
                   wsrt_aws_text_ok(o->session_token, WSRT_AWS_LONGEST_TOKEN) &&
                   wsrt_aws_text_ok(o->region, WSRT_AWS_LONGEST_REGION) &&
                   wsrt_aws_text_ok(o->profile, LONGEST_PROFILE) && o->attempts <= MOST_ATTEMPTS &&
                   o->timeout_ms <= MOST_MS && o->connect_timeout_ms <= MOST_MS &&
                   o->backoff_ms <= MOST_MS
               ? WSRT_OK
               : WSRT_ERR_INVALID;
}

static int keep_profile(wsrt_aws *a, wsrt_span name)
{
    if (name.len == 0)
        return WSRT_OK;
    a->profile_size = name.len + 1;
    a->profile = wsrt_adapter_realloc(&a->allocator, NULL, 0, a->profile_size);
    if (a->profile == NULL)
        return WSRT_ERR_NOMEM;
    memcpy(a->profile, name.ptr, name.len);
    a->profile[name.len] = '\0';
    return WSRT_OK;
}

/* A part of host names, to which signed requests go. */
static int is_region(wsrt_span name)
{
    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i];
        int is_plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (!is_plain && (c != '-' || i == 0 || i + 1 == name.len))
            return 0;
    }
    return name.len <= WSRT_AWS_LONGEST_REGION;
}

static int find_region(wsrt_aws *a, wsrt_span given)
{
    const char *named = wsrt_aws_getenv("AWS_REGION");

    if (named == NULL)
        named = wsrt_aws_getenv("AWS_DEFAULT_REGION");
    if (given.len == 0)
        given = wsrt_span_cstr(named);
    if (!is_region(given))
        return WSRT_ERR_INVALID;
    if (given.len > 0) {
        memcpy(a->region, given.ptr, given.len);
        return WSRT_OK;
    }
    wsrt_aws_profile *p = wsrt_adapter_realloc(&a->allocator, NULL, 0, sizeof *p);
    if (p == NULL)
        return WSRT_ERR_NOMEM;
    (void)wsrt_aws_profile_load(a, p); /* a profile may name a region alone */
    memcpy(a->region, p->region, sizeof a->region);
    explicit_bzero(p, sizeof *p);
    wsrt_adapter_realloc(&a->allocator, p, sizeof *p, 0);
    return is_region(wsrt_span_cstr(a->region)) ? WSRT_OK : WSRT_ERR_INVALID;
}

static int is_readable(const char *path)
{
    return access(path, R_OK) == 0;
}

static int find_certificates(wsrt_aws *a)
{
    const char *path = wsrt_aws_getenv("AWS_CA_BUNDLE");

    if (path == NULL)
        path = wsrt_aws_certificates(curl_version_info(CURLVERSION_NOW)->cainfo, is_readable);
    return path == NULL || wsrt_aws_copy(a->certificates, sizeof a->certificates, path)
               ? WSRT_OK
               : WSRT_ERR_INVALID;
}

static int prepare(wsrt_aws *a, const wsrt_aws_options *o)
{
    int rc = load_env(&a->env, o->env);

    if (rc == WSRT_OK)
        rc = find_certificates(a);
    if (rc == WSRT_OK)
        rc = wsrt_aws_endpoint_set(&a->metadata, o->metadata_endpoint);
    if (rc == WSRT_OK)
        rc = keep_profile(a, o->profile);
    if (rc == WSRT_OK)
        rc = find_region(a, o->region);
    if (rc == WSRT_OK && o->access_key.len > 0)
        rc = wsrt_aws_keys_fix(a, o);
    return rc;
}

void *wsrt_aws_object_new(wsrt_aws *a, size_t size, int *rc)
{
    if (a == NULL)
        *rc = WSRT_ERR_INVALID;
    else if (*rc == WSRT_OK && a->region[0] == '\0')
        *rc = WSRT_ERR_NOT_FOUND;
    if (*rc != WSRT_OK)
        return NULL;
    void *object = wsrt_adapter_realloc(&a->allocator, NULL, 0, size);
    if (object == NULL)
        *rc = WSRT_ERR_NOMEM;
    return object == NULL ? NULL : memset(object, 0, size);
}

int wsrt_aws_new(wsrt_aws **out, const wsrt_aws_options *opts)
{
    wsrt_aws_options o;

    if (out == NULL)
        return WSRT_ERR_INVALID;
    *out = NULL;
    int rc = load(&o, opts);
    if (rc != WSRT_OK)
        return rc;
    pthread_once(&curl_once, start_curl);
    wsrt_aws *a = wsrt_adapter_realloc(&o.allocator, NULL, 0, sizeof *a);
    if (a == NULL)
        return WSRT_ERR_NOMEM;
    memset(a, 0, sizeof *a);
    a->allocator = o.allocator;
    a->attempts = o.attempts;
    a->timeout_ms = o.timeout_ms;
    a->connect_timeout_ms = o.connect_timeout_ms;
    a->backoff_ms = o.backoff_ms;
    atomic_init(&a->quota, WSRT_AWS_QUOTA);
    pthread_mutex_init(&a->credentials.lock, NULL);
    pthread_cond_init(&a->credentials.changed, NULL);
    pthread_mutex_init(&a->lanes.lock, NULL);
    rc = prepare(a, &o);
    if (rc == WSRT_OK)
        *out = a;
    else
        wsrt_aws_free(a);
    return rc;
}

void wsrt_aws_free(wsrt_aws *a)
{
    if (a == NULL)
        return;
    wsrt_allocator m = a->allocator;
    wsrt_aws_lanes_free(a);
    wsrt_aws_keys_give(a, a->credentials.keys);
    pthread_mutex_destroy(&a->lanes.lock);
    pthread_cond_destroy(&a->credentials.changed);
    pthread_mutex_destroy(&a->credentials.lock);
    if (a->profile != NULL)
        wsrt_adapter_realloc(&m, a->profile, a->profile_size, 0);
    wsrt_adapter_realloc(&m, a, sizeof *a, 0);
}
