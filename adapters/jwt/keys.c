#include "jwt/keys.h"

#include "common/support.h"
#include "jwt/base64url.h"
#include "jwt/strict.h"

#include <string.h>

enum { NUMBER_MAX = 2048 };

static const struct {
    const char *name;
    int algorithm;
    const char *type;
    const char *curve;
} algorithms[] = {
    {"RS256", WSRT_JWT_RS256, "RSA", NULL},   {"RS384", WSRT_JWT_RS384, "RSA", NULL},
    {"RS512", WSRT_JWT_RS512, "RSA", NULL},   {"PS256", WSRT_JWT_PS256, "RSA", NULL},
    {"ES256", WSRT_JWT_ES256, "EC", "P-256"}, {"ES384", WSRT_JWT_ES384, "EC", "P-384"},
    {"ES512", WSRT_JWT_ES512, "EC", "P-521"}, {"HS256", WSRT_JWT_HS256, "oct", NULL},
};

enum { ALGORITHMS = sizeof algorithms / sizeof algorithms[0] };

static int is(const wsrt_json *value, const char *text_cstr)
{
    return wsrt_json_equal(value, wsrt_span_cstr(text_cstr));
}

int wsrt_jwt_algorithm_of(const wsrt_json *name)
{
    for (size_t i = 0; i < ALGORITHMS; i++)
        if (is(name, algorithms[i].name))
            return algorithms[i].algorithm;
    return 0;
}

/* ---- one key -------------------------------------------------------------------------------- */

/* Reads the keys of a set. WSRT_STALE from one of them: not for us, the next one may be. */
typedef struct reader {
    wsrt_jwt_keys *set;
    uint32_t allowed;
    const char *why;
    unsigned char room[2 * NUMBER_MAX];
    size_t used;
} reader;

static int for_signatures(const wsrt_json *key)
{
    wsrt_json use = wsrt_jwt_member(key, "use"), ops = wsrt_jwt_member(key, "key_ops");
    wsrt_json_iter it = {0};
    wsrt_json op;

    if (use.kind != WSRT_JSON_NONE && !is(&use, "sig"))
        return 0;
    if (ops.kind == WSRT_JSON_NONE)
        return 1;
    while (ops.kind == WSRT_JSON_ARRAY && wsrt_json_next(&ops, &it, NULL, &op) == WSRT_OK)
        if (is(&op, "verify"))
            return 1;
    return 0;
}

/* Row of the one algorithm a key is for; ALGORITHMS = none. A secret must name it. */
static size_t row_of(const wsrt_json *key)
{
    wsrt_json type = wsrt_jwt_member(key, "kty"), alg = wsrt_jwt_member(key, "alg");
    wsrt_json curve = wsrt_jwt_member(key, "crv");

    for (size_t i = 0; i < ALGORITHMS; i++) {
        if (!is(&type, algorithms[i].type) ||
            (algorithms[i].curve != NULL && !is(&curve, algorithms[i].curve)))
            continue;
        if (alg.kind == WSRT_JSON_NONE ? algorithms[i].algorithm != WSRT_JWT_HS256
                                       : is(&alg, algorithms[i].name))
            return i;
    }
    return ALGORITHMS;
}

static int read_number(reader *r, const wsrt_json *key, const char *name, wsrt_span *out)
{
    wsrt_json value = wsrt_jwt_member(key, name);
    unsigned char *at = r->room + r->used;
    size_t len;

    if (value.kind != WSRT_JSON_STRING || value.escaped || value.text.len == 0 ||
        value.text.len > (size_t)NUMBER_MAX / 4 * 4 ||
        wsrt_jwt_decode(at, value.text, &len) != WSRT_OK)
        return WSRT_ERR_REJECTED;
    *out = (wsrt_span){(const char *)at, len};
    r->used += len;
    return WSRT_OK;
}

static int read_numbers(reader *r, const wsrt_json *key, wsrt_jwt_numbers *out)
{
    int secret = out->algorithm == WSRT_JWT_HS256;
    wsrt_json type = wsrt_jwt_member(key, "kty");
    int ec = is(&type, "EC");

    r->used = 0;
    int rc = read_number(r, key, secret ? "k" : ec ? "x" : "n", &out->first);
    if (rc == WSRT_OK && !secret)
        rc = read_number(r, key, ec ? "y" : "e", &out->second);
    return rc;
}

static int holds_private_part(const wsrt_json *key)
{
    static const char *const parts[] = {"d", "p", "q", "dp", "dq", "qi", "oth"};

    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
        if (wsrt_jwt_member(key, parts[i]).kind != WSRT_JSON_NONE)
            return 1;
    return 0;
}

static int refuse(reader *r, const char *why)
{
    r->why = why;
    return WSRT_ERR_REJECTED;
}

static int read_kid(reader *r, const wsrt_json *key, wsrt_span *out)
{
    wsrt_json kid = wsrt_jwt_member(key, "kid");
    char text[WSRT_JWT_KID_MAX];
    size_t len = 0;

    *out = (wsrt_span){NULL, 0};
    if (kid.kind == WSRT_JSON_NONE)
        return WSRT_OK;
    if (wsrt_json_text(&kid, text, sizeof text, &len) != WSRT_OK || len == 0)
        return refuse(r, "a kid is not a string of 1 to 256 bytes");
    for (size_t i = 0; i < r->set->count; i++)
        if (wsrt_span_equal(r->set->items[i].kid, (wsrt_span){text, len}))
            return refuse(r, "two keys have one kid");
    char *copy = wsrt_adapter_realloc(&r->set->allocator, NULL, 0, len);
    if (copy == NULL)
        return WSRT_ERR_NOMEM;
    memcpy(copy, text, len);
    *out = (wsrt_span){copy, len};
    return WSRT_OK;
}

static void drop_kid(const wsrt_jwt_keys *set, wsrt_span kid)
{
    if (kid.len > 0)
        wsrt_adapter_realloc(&set->allocator, (void *)(uintptr_t)kid.ptr, kid.len, 0);
}

static int add_key(reader *r, const wsrt_json *key, int algorithm)
{
    wsrt_jwt_key *slot = &r->set->items[r->set->count];
    wsrt_jwt_numbers numbers = {.algorithm = algorithm};

    if (read_numbers(r, key, &numbers) != WSRT_OK)
        return WSRT_STALE;
    int rc = read_kid(r, key, &slot->kid);
    if (rc != WSRT_OK)
        return rc;
    rc = wsrt_jwt_crypto_new(&slot->crypto, &numbers, &r->set->allocator);
    if (rc != WSRT_OK) {
        drop_kid(r->set, slot->kid);
        return rc == WSRT_ERR_REJECTED ? WSRT_STALE : rc;
    }
    slot->algorithm = algorithm;
    r->set->count++;
    return WSRT_OK;
}

static int read_key(reader *r, const wsrt_json *key)
{
    if (key->kind != WSRT_JSON_OBJECT)
        return refuse(r, "a key is not an object");
    if (holds_private_part(key))
        return refuse(r, "a private key is among the public ones");
    size_t row = row_of(key);
    if (row == ALGORITHMS || !for_signatures(key) ||
        ((uint32_t)algorithms[row].algorithm & r->allowed) == 0)
        return WSRT_STALE;
    if (r->set->count == WSRT_JWT_KEYS_MAX)
        return refuse(r, "more than 64 keys");
    return add_key(r, key, algorithms[row].algorithm);
}

/* ---- the set -------------------------------------------------------------------------------- */

static int read_set(reader *r, wsrt_span text)
{
    wsrt_json root, keys, key;
    wsrt_json_iter it = {0};
    int rc = wsrt_jwt_object(text, &root, &r->why);

    if (rc != WSRT_OK)
        return rc;
    keys = wsrt_jwt_member(&root, "keys");
    if (keys.kind != WSRT_JSON_ARRAY)
        return refuse(r, "no array of keys");
    while (wsrt_json_next(&keys, &it, NULL, &key) == WSRT_OK) {
        rc = read_key(r, &key);
        if (rc < 0)
            return rc;
    }
    return r->set->count > 0 ? WSRT_OK : refuse(r, "no key in it can be used");
}

int wsrt_jwt_keys_new(wsrt_jwt_keys **out, wsrt_span text, uint32_t allowed,
                      const wsrt_allocator *a, const char **why)
{
    reader r = {.allowed = allowed, .why = "out of memory"};

    *out = NULL;
    *why = "longer than 64 KiB";
    if (text.len > WSRT_JWT_KEYS_BYTES)
        return WSRT_ERR_TOO_LARGE;
    r.set = wsrt_adapter_realloc(a, NULL, 0, sizeof *r.set);
    if (r.set == NULL)
        return *why = r.why, WSRT_ERR_NOMEM;
    memset(r.set, 0, sizeof *r.set);
    r.set->allocator = *a;
    atomic_init(&r.set->refs, 1);
    int rc = wsrt_jwt_sha256(r.set->digest, text);
    if (rc == WSRT_OK)
        rc = read_set(&r, text);
    wsrt_jwt_wipe(r.room, sizeof r.room);
    *why = r.why;
    if (rc == WSRT_OK)
        *out = r.set;
    else
        wsrt_jwt_keys_release(r.set);
    return rc;
}

void wsrt_jwt_keys_release(wsrt_jwt_keys *set)
{
    if (set == NULL || atomic_fetch_sub_explicit(&set->refs, 1, memory_order_acq_rel) != 1)
        return;
    wsrt_allocator a = set->allocator;
    for (size_t i = 0; i < set->count; i++) {
        drop_kid(set, set->items[i].kid);
        wsrt_jwt_crypto_free(set->items[i].crypto, &a);
    }
    wsrt_adapter_realloc(&a, set, sizeof *set, 0);
}

const wsrt_jwt_key *wsrt_jwt_keys_find(const wsrt_jwt_keys *set, wsrt_span kid)
{
    if (kid.len == 0)
        return set->count == 1 ? &set->items[0] : NULL;
    for (size_t i = 0; i < set->count; i++)
        if (wsrt_span_equal(set->items[i].kid, kid))
            return &set->items[i];
    return NULL;
}
