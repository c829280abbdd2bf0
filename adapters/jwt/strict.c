#include "jwt/strict.h"

#include <string.h>

enum { NOBODY = UINT16_MAX, CHAINS = 256 };

/* A name on the way down, and the one before it whose hash has the same chain. */
typedef struct member {
    wsrt_json name;
    uint64_t hash;
    uint16_t before;
} member;

/* Names of the objects from the root down to the value being looked at. */
typedef struct checker {
    member names[WSRT_JWT_MEMBERS_MAX];
    uint16_t chains[CHAINS]; /* the last of each */
    size_t used;
    const char *why;
} checker;

static int refuse(checker *c, const char *why)
{
    c->why = why;
    return WSRT_ERR_REJECTED;
}

/* FNV-1a from where the stack happens to lie, so that nobody can send names that share a chain. */
static uint64_t hash_of(const checker *c, const char *text, size_t len)
{
    uint64_t hash = (uint64_t)(uintptr_t)c * 0x9e3779b97f4a7c15u;

    for (size_t i = 0; i < len; i++)
        hash = (hash ^ (unsigned char)text[i]) * 0x100000001b3u;
    return hash ^ hash >> 32;
}

static int is_there(const checker *c, uint64_t hash, wsrt_span name, size_t first)
{
    uint16_t i = c->chains[hash % CHAINS];

    for (; i != NOBODY && i >= first; i = c->names[i].before)
        if (c->names[i].hash == hash && wsrt_json_equal(&c->names[i].name, name))
            return 1;
    return 0;
}

static void leave(checker *c, size_t first)
{
    while (c->used > first) {
        const member *last = &c->names[--c->used];
        c->chains[last->hash % CHAINS] = last->before;
    }
}

static int check_name(checker *c, const wsrt_json *name, size_t first)
{
    char text[WSRT_JWT_NAME_MAX];
    size_t len;

    if (c->used == WSRT_JWT_MEMBERS_MAX)
        return refuse(c, "too many members");
    if (wsrt_json_text(name, text, sizeof text, &len) != WSRT_OK)
        return refuse(c, "a name is too long");
    if (len > 0 && memchr(text, '\0', len) != NULL)
        return refuse(c, "a name holds a NUL");
    uint64_t hash = hash_of(c, text, len);
    if (is_there(c, hash, (wsrt_span){text, len}, first))
        return refuse(c, "a member is there twice");
    uint16_t *chain = &c->chains[hash % CHAINS];
    c->names[c->used] = (member){*name, hash, *chain};
    *chain = (uint16_t)c->used++;
    return WSRT_OK;
}

static int check(checker *c, const wsrt_json *value, int depth)
{
    wsrt_json_iter it = {0};
    wsrt_json name, child;
    size_t first = c->used;
    int rc = WSRT_OK;

    if (value->kind != WSRT_JSON_OBJECT && value->kind != WSRT_JSON_ARRAY)
        return WSRT_OK;
    if (depth > WSRT_JWT_DEPTH_MAX)
        return refuse(c, "too many levels");
    while (rc == WSRT_OK && wsrt_json_next(value, &it, &name, &child) == WSRT_OK) {
        if (value->kind == WSRT_JSON_OBJECT)
            rc = check_name(c, &name, first);
        if (rc == WSRT_OK)
            rc = check(c, &child, depth + 1);
    }
    leave(c, first);
    return rc;
}

int wsrt_jwt_object(wsrt_span text, wsrt_json *out, const char **why)
{
    checker c;
    wsrt_json root;

    c.used = 0;
    memset(c.chains, 0xff, sizeof c.chains); /* NOBODY */
    if (wsrt_json_parse(&root, text, NULL) != WSRT_OK) {
        *why = "not JSON";
        return WSRT_ERR_MALFORMED;
    }
    if (root.kind != WSRT_JSON_OBJECT) {
        *why = "not a JSON object";
        return WSRT_ERR_MALFORMED;
    }
    int rc = check(&c, &root, 1);
    if (rc == WSRT_OK)
        *out = root;
    else
        *why = c.why;
    return rc;
}

static int is_named(const wsrt_json *name, wsrt_span wanted)
{
    if (name->escaped)
        return wsrt_json_equal(name, wanted);
    return name->text.len == wanted.len && memcmp(name->text.ptr, wanted.ptr, wanted.len) == 0;
}

void wsrt_jwt_members(const wsrt_json *object, const wsrt_span *names, wsrt_json *out, size_t count)
{
    wsrt_json_iter it = {0};
    wsrt_json name, child;

    memset(out, 0, count * sizeof *out);
    while (wsrt_json_next(object, &it, &name, &child) == WSRT_OK)
        for (size_t i = 0; i < count; i++)
            if (is_named(&name, names[i])) {
                out[i] = child;
                break;
            }
}

wsrt_json wsrt_jwt_member(const wsrt_json *object, const char *name_cstr)
{
    wsrt_span wanted = wsrt_span_cstr(name_cstr);
    wsrt_json out;

    wsrt_jwt_members(object, &wanted, &out, 1);
    return out;
}
