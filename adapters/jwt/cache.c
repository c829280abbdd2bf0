#include "jwt/cache.h"

#include "common/support.h"

#include <string.h>

enum { WAYS = 4 };

struct wsrt_jwt_entry {
    unsigned char digest[WSRT_JWT_SHA256];
    wsrt_jwt_times when;
    wsrt_principal who; /* its text is in `text` */
    char *text;         /* and behind it the signature; NULL = nothing here */
    size_t size;
    size_t signature_len;
};

int wsrt_jwt_cache_init(wsrt_jwt_cache *c, size_t entries, const wsrt_allocator *a)
{
    size_t count = (entries + WAYS - 1) / WAYS * WAYS;

    *c = (wsrt_jwt_cache){.allocator = a};
    if (count == 0)
        return WSRT_OK;
    c->entries = wsrt_adapter_realloc(a, NULL, 0, count * sizeof *c->entries);
    if (c->entries == NULL)
        return WSRT_ERR_NOMEM;
    memset(c->entries, 0, count * sizeof *c->entries);
    c->count = count;
    return WSRT_OK;
}

static void forget(const wsrt_jwt_cache *c, wsrt_jwt_entry *e)
{
    if (e->text != NULL) {
        wsrt_jwt_wipe(e->text, e->size);
        wsrt_adapter_realloc(c->allocator, e->text, e->size, 0);
    }
    wsrt_jwt_wipe(e, sizeof *e);
}

void wsrt_jwt_cache_clear(wsrt_jwt_cache *c)
{
    for (size_t i = 0; i < c->count; i++)
        if (c->entries[i].text != NULL)
            forget(c, &c->entries[i]);
}

void wsrt_jwt_cache_free(wsrt_jwt_cache *c)
{
    wsrt_jwt_cache_clear(c);
    if (c->entries != NULL)
        wsrt_adapter_realloc(c->allocator, c->entries, c->count * sizeof *c->entries, 0);
    c->entries = NULL;
    c->count = 0;
}

/* The few places where a token may be. */
static wsrt_jwt_entry *ways_of(const wsrt_jwt_cache *c, const wsrt_jwt_known *token)
{
    uint64_t n;

    memcpy(&n, token->digest, sizeof n);
    return &c->entries[(size_t)(n % (c->count / WAYS)) * WAYS];
}

static int is(const wsrt_jwt_entry *e, const wsrt_jwt_known *token)
{
    size_t len = token->signature.len;

    return e->text != NULL && e->signature_len == len &&
           wsrt_jwt_same(e->digest, token->digest, sizeof e->digest) &&
           wsrt_jwt_same((const unsigned char *)e->text + e->size - len,
                         (const unsigned char *)token->signature.ptr, len);
}

int wsrt_jwt_cache_get(const wsrt_jwt_cache *c, const wsrt_jwt_known *token, int64_t wall,
                       wsrt_auth_result *out)
{
    const wsrt_jwt_entry *found = NULL;

    if (c->count == 0)
        return 0;
    wsrt_jwt_entry *ways = ways_of(c, token);
    for (size_t i = 0; i < WAYS; i++)
        if (is(&ways[i], token))
            found = &ways[i];
    if (found == NULL || (double)wall >= found->when.until || (double)wall < found->when.from)
        return 0;
    return wsrt_auth_result_set(out, &found->who) == WSRT_OK;
}

/* A place that is free, else the one whose token ends first. */
static wsrt_jwt_entry *place_for(wsrt_jwt_entry *ways, const wsrt_jwt_known *token)
{
    wsrt_jwt_entry *best = &ways[0];

    for (size_t i = 0; i < WAYS; i++)
        if (is(&ways[i], token))
            return &ways[i];
    for (size_t i = 1; i < WAYS; i++)
        if (best->text != NULL && (ways[i].text == NULL || ways[i].when.until < best->when.until))
            best = &ways[i];
    return best;
}

static wsrt_span kept(wsrt_span text, char **at)
{
    wsrt_span out = {*at, text.len};

    if (text.len > 0)
        memcpy(*at, text.ptr, text.len);
    *at += text.len;
    return out;
}

void wsrt_jwt_cache_put(wsrt_jwt_cache *c, const wsrt_jwt_known *token, const wsrt_jwt_times *when,
                        const wsrt_principal *who)
{
    size_t size = who->user_id.len + who->username.len + who->email.len + who->groups.len +
                  who->scopes.len + token->signature.len;

    if (c->count == 0)
        return;
    wsrt_jwt_entry *e = place_for(ways_of(c, token), token);
    char *text = wsrt_adapter_realloc(c->allocator, NULL, 0, size);
    if (text == NULL)
        return;
    forget(c, e);
    memcpy(e->digest, token->digest, sizeof e->digest);
    e->signature_len = token->signature.len;
    e->when = *when;
    e->text = text;
    e->size = size;
    e->who = *who;
    e->who.user_id = kept(who->user_id, &text);
    e->who.username = kept(who->username, &text);
    e->who.email = kept(who->email, &text);
    e->who.groups = kept(who->groups, &text);
    e->who.scopes = kept(who->scopes, &text);
    (void)kept(token->signature, &text);
}
