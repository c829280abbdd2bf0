/* Events from JSON. */
#include "mock/internal.h"

#include "common/support.h"

#include <wsrt/json.h>

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

enum { MOST_PAIRS = 64, LARGEST_FILE = 1 << 25 };

/* One event while it is read. Decoded text goes into `room`, which no text can outgrow. */
struct reading {
    wsrt_mock *m;
    char *room;
    wsrt_event ev;
    wsrt_principal who;
    wsrt_pair headers[MOST_PAIRS];
    wsrt_pair query[MOST_PAIRS];
    const char *broken; /* rule */
    wsrt_json at;       /* and place */
};

static int refuse(struct reading *r, const wsrt_json *at, const char *rule_cstr)
{
    r->broken = rule_cstr;
    r->at = *at;
    return WSRT_ERR_REJECTED;
}

/* ---- values ------------------------------------------------------------------------------- */

static int take_text(struct reading *r, const wsrt_json *value, wsrt_span *out)
{
    size_t len = 0;

    if (value->kind != WSRT_JSON_STRING)
        return refuse(r, value, "a string is needed here");
    (void)wsrt_json_text(value, r->room, value->text.len, &len); /* was parsed, and only shrinks */
    *out = (wsrt_span){r->room, len};
    r->room += value->text.len;
    return WSRT_OK;
}

/* Text as it is; any other JSON by its own text. */
static int take_body(struct reading *r, const wsrt_json *value, wsrt_span *out)
{
    if (value->kind == WSRT_JSON_STRING)
        return take_text(r, value, out);
    *out = value->text;
    return WSRT_OK;
}

static int take_number(struct reading *r, const wsrt_json *value, int64_t *out)
{
    return wsrt_json_int64(value, out) == WSRT_OK ? WSRT_OK
                                                  : refuse(r, value, "an integer is needed here");
}

static int take_code(struct reading *r, const wsrt_json *value, int32_t *out)
{
    int64_t code = 0;

    if (take_number(r, value, &code) != WSRT_OK || code < 1000 || code > 4999)
        return refuse(r, value, "a close code is an integer from 1000 to 4999");
    *out = (int32_t)code;
    return WSRT_OK;
}

static int take_flag(struct reading *r, const wsrt_json *value, uint32_t flag)
{
    int on = 0;

    if (wsrt_json_bool(value, &on) != WSRT_OK)
        return refuse(r, value, "true or false is needed here");
    r->ev.flags |= on ? flag : 0;
    return WSRT_OK;
}

static int take_kind(struct reading *r, const wsrt_json *value)
{
    static const char *const names[] = {"connect", "message", "disconnect", "stream", "authorize"};

    for (int i = 0; i < 5; i++)
        if (wsrt_json_equal(value, wsrt_span_cstr(names[i]))) {
            r->ev.kind = WSRT_EVENT_CONNECT + i;
            return WSRT_OK;
        }
    return refuse(r, value, "kind is connect, message, disconnect, stream or authorize");
}

static int take_pairs(struct reading *r, const wsrt_json *value, wsrt_pair *pairs, size_t *count)
{
    wsrt_json_iter it = {0};
    wsrt_json key, child;
    int rc = WSRT_OK;

    if (value->kind != WSRT_JSON_OBJECT)
        return refuse(r, value, "an object of strings is needed here");
    for (*count = 0; rc == WSRT_OK && wsrt_json_next(value, &it, &key, &child) == WSRT_OK;) {
        if (*count == MOST_PAIRS)
            return refuse(r, &key, "there are more than 64 members");
        rc = take_text(r, &key, &pairs[*count].name);
        if (rc == WSRT_OK)
            rc = take_text(r, &child, &pairs[(*count)++].value);
    }
    return rc;
}

/* ---- members ------------------------------------------------------------------------------ */

struct text_member {
    const char *name_cstr;
    size_t at;
};

/* WSRT_ERR_NOT_FOUND: not one of these. */
static int take_member_text(struct reading *r, const wsrt_json *key, const wsrt_json *value,
                            const struct text_member *rows, void *base)
{
    for (; rows->name_cstr != NULL; rows++)
        if (wsrt_json_equal(key, wsrt_span_cstr(rows->name_cstr)))
            return take_text(r, value, (wsrt_span *)(void *)((char *)base + rows->at));
    return WSRT_ERR_NOT_FOUND;
}

static int take_principal(struct reading *r, const wsrt_json *value)
{
    static const struct text_member texts[] = {
        {"userId", offsetof(wsrt_principal, user_id)},
        {"username", offsetof(wsrt_principal, username)},
        {"email", offsetof(wsrt_principal, email)},
        {"groups", offsetof(wsrt_principal, groups)},
        {"scopes", offsetof(wsrt_principal, scopes)},
        {NULL, 0},
    };
    wsrt_json_iter it = {0};
    wsrt_json key, child;
    int rc = WSRT_OK;

    if (value->kind != WSRT_JSON_OBJECT)
        return refuse(r, value, "a principal is an object");
    r->who = (wsrt_principal){.struct_size = sizeof r->who};
    r->ev.principal = &r->who;
    while (rc == WSRT_OK && wsrt_json_next(value, &it, &key, &child) == WSRT_OK) {
        if (wsrt_json_equal(&key, wsrt_span_cstr("expiresAt")))
            rc = take_number(r, &child, &r->who.expires_at);
        else
            rc = take_member_text(r, &key, &child, texts, &r->who);
        if (rc == WSRT_ERR_NOT_FOUND)
            rc = refuse(r, &key, "a principal has no such member");
    }
    return rc;
}

static int is_named(const wsrt_json *key, const char *name_cstr)
{
    return wsrt_json_equal(key, wsrt_span_cstr(name_cstr));
}

static int take_member(struct reading *r, const wsrt_json *key, const wsrt_json *value)
{
    static const struct text_member texts[] = {
        {"connectionId", offsetof(wsrt_event, connection_id)},
        {"requestId", offsetof(wsrt_event, request_id)},
        {"correlationId", offsetof(wsrt_event, correlation_id)},
        {"routeKey", offsetof(wsrt_event, route_key)},
        {"stage", offsetof(wsrt_event, stage)},
        {"domain", offsetof(wsrt_event, domain)},
        {"sourceIp", offsetof(wsrt_event, source_ip)},
        {"userAgent", offsetof(wsrt_event, user_agent)},
        {"disconnectReason", offsetof(wsrt_event, disconnect_reason)},
        {NULL, 0},
    };
    int rc = take_member_text(r, key, value, texts, &r->ev);

    if (rc != WSRT_ERR_NOT_FOUND)
        return rc;
    if (is_named(key, "kind"))
        return WSRT_OK; /* was read first */
    if (is_named(key, "body"))
        return take_body(r, value, &r->ev.body);
    if (is_named(key, "headers"))
        return take_pairs(r, value, r->headers, &r->ev.header_count);
    if (is_named(key, "query"))
        return take_pairs(r, value, r->query, &r->ev.query_count);
    if (is_named(key, "principal"))
        return take_principal(r, value);
    if (is_named(key, "connectedAt"))
        return take_number(r, value, &r->ev.connected_at);
    if (is_named(key, "disconnectCode"))
        return take_code(r, value, &r->ev.disconnect_code);
    if (is_named(key, "binary"))
        return take_flag(r, value, WSRT_EVENT_BINARY);
    if (is_named(key, "developer"))
        return take_flag(r, value, WSRT_EVENT_DEVELOPER);
    return refuse(r, key, "an event has no such member");
}

static int read_event(struct reading *r, const wsrt_json *json)
{
    wsrt_json kind = {0}, key, value;
    wsrt_json_iter it = {0};

    if (json->kind != WSRT_JSON_OBJECT ||
        wsrt_json_find(json, wsrt_span_cstr("/kind"), &kind) != WSRT_OK)
        return refuse(r, json, "an event is an object with a kind");
    int rc = take_kind(r, &kind);
    if (rc == WSRT_OK)
        (void)wsrt_mock_event(r->m, &r->ev, r->ev.kind, NULL, NULL); /* the kind is one */
    r->ev.headers = r->headers;
    r->ev.query = r->query;
    while (rc == WSRT_OK && wsrt_json_next(json, &it, &key, &value) == WSRT_OK)
        rc = take_member(r, &key, &value);
    return rc;
}

/* ---- playing ------------------------------------------------------------------------------ */

struct play {
    wsrt_mock *m;
    wsrt_runtime *rt;
    wsrt_span json;
    char *room;
    struct reading *reading;
    wsrt_json_error why;
};

static int play_event(struct play *p, const wsrt_json *json)
{
    struct reading *r = p->reading;

    *r = (struct reading){.m = p->m, .room = p->room};
    int rc = read_event(r, json);
    if (rc == WSRT_OK) {
        r->at = *json;
        r->broken = "the runtime does not take this event";
        rc = wsrt_mock_dispatch(p->m, p->rt, &r->ev);
    }
    if (rc < 0)
        p->why = (wsrt_json_error){(size_t)(r->at.text.ptr - p->json.ptr), r->broken};
    return rc;
}

static int play_all(struct play *p)
{
    wsrt_json root, event;
    wsrt_json_iter it = {0};
    int rc = wsrt_json_parse(&root, p->json, &p->why);

    if (rc != WSRT_OK)
        return rc;
    if (root.kind != WSRT_JSON_ARRAY)
        return play_event(p, &root);
    while (rc >= 0 && wsrt_json_next(&root, &it, NULL, &event) == WSRT_OK)
        rc = play_event(p, &event);
    return rc;
}

int wsrt_mock_play(wsrt_mock *m, wsrt_runtime *rt, wsrt_span json, wsrt_json_error *why)
{
    struct play p = {.m = m, .rt = rt, .json = json};

    if (m == NULL || rt == NULL || (json.ptr == NULL && json.len > 0))
        return WSRT_ERR_INVALID;
    p.room = wsrt_adapter_realloc(&m->allocator, NULL, 0, json.len + 1);
    p.reading = wsrt_adapter_realloc(&m->allocator, NULL, 0, sizeof *p.reading);
    int rc = p.room == NULL || p.reading == NULL ? WSRT_ERR_NOMEM : play_all(&p);
    if (p.room != NULL)
        wsrt_adapter_realloc(&m->allocator, p.room, json.len + 1, 0);
    if (p.reading != NULL)
        wsrt_adapter_realloc(&m->allocator, p.reading, sizeof *p.reading, 0);
    if (rc < 0 && why != NULL)
        *why = p.why;
    return rc;
}

/* ---- files -------------------------------------------------------------------------------- */

static int grow(const wsrt_allocator *a, char **text, size_t *cap)
{
    size_t more = *cap == 0 ? 4096 : *cap * 2;

    if (more > LARGEST_FILE)
        return WSRT_ERR_TOO_LARGE;
    char *grown = wsrt_adapter_realloc(a, *text, *cap, more);
    if (grown == NULL)
        return WSRT_ERR_NOMEM;
    *text = grown;
    *cap = more;
    return WSRT_OK;
}

static int read_all(const wsrt_allocator *a, FILE *file, char **text, size_t *cap, size_t *len)
{
    size_t got;

    do {
        int rc = *len == *cap ? grow(a, text, cap) : WSRT_OK;
        if (rc != WSRT_OK)
            return rc;
        got = fread(*text + *len, 1, *cap - *len, file);
        *len += got;
    } while (got > 0);
    return ferror(file) ? WSRT_ERR_IO : WSRT_OK;
}

int wsrt_mock_play_file(wsrt_mock *m, wsrt_runtime *rt, const char *path_cstr, wsrt_json_error *why)
{
    char *text = NULL;
    size_t cap = 0, len = 0;

    if (m == NULL || rt == NULL || path_cstr == NULL)
        return WSRT_ERR_INVALID;
    FILE *file = fopen(path_cstr, "rbe");
    int rc = file != NULL ? WSRT_OK : errno == ENOENT ? WSRT_ERR_NOT_FOUND : WSRT_ERR_IO;
    if (rc == WSRT_OK)
        rc = read_all(&m->allocator, file, &text, &cap, &len);
    if (file != NULL)
        (void)fclose(file); /* was only read */
    if (rc != WSRT_OK && why != NULL)
        *why = (wsrt_json_error){0, "the file cannot be read"};
    if (rc == WSRT_OK)
        rc = wsrt_mock_play(m, rt, (wsrt_span){text, len}, why);
    if (text != NULL)
        wsrt_adapter_realloc(&m->allocator, text, cap, 0);
    return rc;
}
