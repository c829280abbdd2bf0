#include "lambda/event.h"

#include "common/base64.h"
#include "common/support.h"

#include <wsrt/json.h>
#include <wsrt/sender.h>

#include <string.h>

enum { CLOSE_NONE = 1005, CLOSE_LOST = 1006, CLOSE_MAX = 4999 };

/* The members of interest, found in one walk. */
typedef struct parts {
    wsrt_json records, type, method_arn, context, headers, multi_headers, query, multi_query, body,
        base64;
    wsrt_json event_type, route_key, connection_id, request_id, stage, domain, connected_at,
        identity, authorizer, close_code, close_reason;
    wsrt_json source_ip, user_agent;
    wsrt_json principal_id, user_id, username, email, groups, scopes, expires;
} parts;

typedef struct place {
    const char *name;
    size_t len;
    size_t offset;
    const struct place *inside; /* members of interest of an object; NULL = none */
} place;

#define PLACE(name, member)                                                                        \
    {                                                                                              \
        name, sizeof(name) - 1, offsetof(parts, member), NULL                                      \
    }
#define OBJECT(name, member, inside)                                                               \
    {                                                                                              \
        name, sizeof(name) - 1, offsetof(parts, member), inside                                    \
    }
#define END                                                                                        \
    {                                                                                              \
        NULL, 0, 0, NULL                                                                           \
    }

static const place identity_places[] = {
    PLACE("sourceIp", source_ip),
    PLACE("userAgent", user_agent),
    END,
};

static const place authorizer_places[] = {
    PLACE("principalId", principal_id),
    PLACE("userId", user_id),
    PLACE("username", username),
    PLACE("email", email),
    PLACE("groups", groups),
    PLACE("scopes", scopes),
    PLACE("exp", expires),
    END,
};

static const place context_places[] = {
    PLACE("eventType", event_type),
    PLACE("routeKey", route_key),
    PLACE("connectionId", connection_id),
    PLACE("requestId", request_id),
    PLACE("stage", stage),
    PLACE("domainName", domain),
    PLACE("connectedAt", connected_at),
    OBJECT("identity", identity, identity_places),
    OBJECT("authorizer", authorizer, authorizer_places),
    PLACE("disconnectStatusCode", close_code),
    PLACE("disconnectReason", close_reason),
    END,
};

static const place root_places[] = {
    PLACE("Records", records),
    PLACE("type", type),
    PLACE("methodArn", method_arn),
    OBJECT("requestContext", context, context_places),
    PLACE("headers", headers),
    PLACE("multiValueHeaders", multi_headers),
    PLACE("queryStringParameters", query),
    PLACE("multiValueQueryStringParameters", multi_query),
    PLACE("body", body),
    PLACE("isBase64Encoded", base64),
    END,
};

/* Most keys are told apart by their length. */
static int is_named(const wsrt_json *key, const place *at)
{
    if (key->escaped)
        return wsrt_json_equal(key, (wsrt_span){at->name, at->len});
    return key->text.len == at->len && memcmp(key->text.ptr, at->name, at->len) == 0;
}

/* ---- one walk over a text that wsrt_json_parse() has found to be JSON: nothing is judged here ---- */

static const char *skip_space(const char *p)
{
    while (*p == ' ' || *p == '\n' || *p == '\r' || *p == '\t')
        p++;
    return p;
}

/* p stands at the opening quote; returns what is behind the closing one. */
static const char *take_string(const char *p, wsrt_json *out)
{
    const char *begin = ++p;

    out->kind = WSRT_JSON_STRING;
    out->escaped = 0;
    for (; *p != '"'; p++)
        if (*p == '\\') {
            out->escaped = 1;
            p++;
        }
    out->text = (wsrt_span){begin, (size_t)(p - begin)};
    return p + 1;
}

static const char *skip_container(const char *p)
{
    wsrt_json ignored;
    size_t depth = 0;

    for (;;) {
        if (*p == '"') {
            p = take_string(p, &ignored);
            continue;
        }
        depth += *p == '{' || *p == '[';
        depth -= *p == '}' || *p == ']';
        p++;
        if (depth == 0)
            return p;
    }
}

static const char *take_token(const char *p, wsrt_json *out)
{
    const char *begin = p;

    out->kind = *p == 't' || *p == 'f' ? WSRT_JSON_BOOL
                : *p == 'n'            ? WSRT_JSON_NULL
                                       : WSRT_JSON_NUMBER;
    while (*p != ',' && *p != '}' && *p != ']' && *p > ' ')
        p++;
    out->text = (wsrt_span){begin, (size_t)(p - begin)};
    out->escaped = 0;
    return p;
}

static const place *find_place(const place *places, const wsrt_json *key)
{
    while (places->name != NULL && !is_named(key, places))
        places++;
    return places;
}

static const char *take_object(const char *p, const place *places, parts *out);

/* A value where `inside` are its members of interest, if it is an object. */
static const char *take_value(const char *p, const place *inside, parts *out, wsrt_json *value)
{
    const char *begin = p;

    if (*p == '"')
        return take_string(p, value);
    if (*p != '{' && *p != '[')
        return take_token(p, value);
    p = *p == '{' && inside != NULL ? take_object(p, inside, out) : skip_container(p);
    *value = (wsrt_json){
        {begin, (size_t)(p - begin)}, *begin == '{' ? WSRT_JSON_OBJECT : WSRT_JSON_ARRAY, 0};
    return p;
}

/* Notes where the members of an object are; null counts as absent, of duplicates the first counts. */
static const char *take_object(const char *p, const place *places, parts *out)
{
    wsrt_json key, value;

    for (p = skip_space(p + 1); *p != '}'; p = skip_space(*p == ',' ? p + 1 : p)) {
        p = skip_space(skip_space(take_string(p, &key)) + 1);
        const place *at = find_place(places, &key);
        wsrt_json *to = at->name == NULL ? NULL : (wsrt_json *)(void *)((char *)out + at->offset);
        int wanted = to != NULL && to->kind == WSRT_JSON_NONE;
        p = skip_space(take_value(p, wanted ? at->inside : NULL, out, &value));
        if (wanted && value.kind != WSRT_JSON_NULL)
            *to = value;
    }
    return p + 1;
}

/* ---- the shape ---------------------------------------------------------------------------- */

static int kind_of(const parts *p, const wsrt_invocation *how)
{
    static const struct {
        const char *name;
        int kind;
    } names[] = {{"CONNECT", WSRT_EVENT_CONNECT},
                 {"MESSAGE", WSRT_EVENT_MESSAGE},
                 {"DISCONNECT", WSRT_EVENT_DISCONNECT}};

    /* A REQUEST authorizer's event carries the request context of its CONNECT. */
    if (p->method_arn.kind != WSRT_JSON_NONE)
        return p->method_arn.kind == WSRT_JSON_STRING &&
                       wsrt_json_equal(&p->type, wsrt_span_cstr("REQUEST"))
                   ? WSRT_EVENT_AUTHORIZE
                   : 0;
    if (p->event_type.kind == WSRT_JSON_NONE)
        return how != NULL ? how->kind : WSRT_LAMBDA_ANY; /* the same numbers */
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (wsrt_json_equal(&p->event_type, wsrt_span_cstr(names[i].name)))
            return names[i].kind;
    return 0;
}

/* Records of several services have this shape; one batch has one source. */
static int is_stream(const wsrt_json *records)
{
    wsrt_json_iter it = {0};
    wsrt_json first, source;

    return records->kind == WSRT_JSON_ARRAY &&
           wsrt_json_next(records, &it, NULL, &first) == WSRT_OK &&
           wsrt_json_find(&first, wsrt_span_cstr("/eventSource"), &source) == WSRT_OK &&
           wsrt_json_equal(&source, wsrt_span_cstr("aws:dynamodb"));
}

static int is_string_or_absent(const wsrt_json *value)
{
    return value->kind == WSRT_JSON_STRING || value->kind == WSRT_JSON_NONE;
}

static int take_apart(parts *p, const wsrt_json *root, const wsrt_invocation *how, int *kind)
{
    if (root->kind == WSRT_JSON_OBJECT)
        take_object(root->text.ptr, root_places, p);
    if (p->context.kind == WSRT_JSON_NONE && is_stream(&p->records)) {
        *kind = WSRT_EVENT_STREAM;
        return WSRT_OK;
    }
    *kind = kind_of(p, how);
    if (*kind == WSRT_EVENT_AUTHORIZE)
        return WSRT_OK;
    if (*kind < WSRT_EVENT_CONNECT || *kind > WSRT_EVENT_DISCONNECT)
        return WSRT_ERR_UNSUPPORTED;
    if (p->connection_id.kind != WSRT_JSON_STRING || !is_string_or_absent(&p->body) ||
        !is_string_or_absent(&p->route_key))
        return WSRT_ERR_REJECTED;
    if (p->base64.kind != WSRT_JSON_NONE && p->base64.kind != WSRT_JSON_BOOL)
        return WSRT_ERR_REJECTED;
    return WSRT_OK;
}

/* ---- memory: pairs, then text. No text grows when it is decoded, so the JSON's own size serves -- */

typedef struct store {
    wsrt_pair *pairs;
    char *text;
    size_t left;
} store;

static wsrt_span plain(store *s, const wsrt_json *value)
{
    size_t len;

    if (value->kind != WSRT_JSON_STRING)
        return (wsrt_span){NULL, 0};
    if (!value->escaped)
        return value->text;
    if (wsrt_json_text(value, s->text, s->left, &len) != WSRT_OK)
        return (wsrt_span){NULL, 0};
    wsrt_span text = {s->text, len};
    s->text += len;
    s->left -= len;
    return text;
}

/* Authorizers hand on strings, numbers and booleans. */
static wsrt_span scalar(store *s, const wsrt_json *value)
{
    if (value->kind == WSRT_JSON_NUMBER || value->kind == WSRT_JSON_BOOL)
        return value->text;
    return plain(s, value);
}

static size_t count_children(const wsrt_json *value)
{
    wsrt_json_iter it = {0};
    wsrt_json child;
    size_t n = 0;

    while (wsrt_json_next(value, &it, NULL, &child) == WSRT_OK)
        n += child.kind == WSRT_JSON_ARRAY ? count_children(&child) : 1;
    return n;
}

static void add_values(store *s, wsrt_span name, const wsrt_json *values)
{
    wsrt_json_iter it = {0};
    wsrt_json value;

    while (wsrt_json_next(values, &it, NULL, &value) == WSRT_OK)
        if (value.kind == WSRT_JSON_STRING)
            *s->pairs++ = (wsrt_pair){name, plain(s, &value)};
}

static const wsrt_pair *take_pairs(store *s, const wsrt_json *object, size_t *count)
{
    wsrt_pair *first = s->pairs;
    wsrt_json_iter it = {0};
    wsrt_json key, value;

    while (wsrt_json_next(object, &it, &key, &value) == WSRT_OK) {
        if (value.kind == WSRT_JSON_STRING) {
            wsrt_span name = plain(s, &key);
            *s->pairs++ = (wsrt_pair){name, plain(s, &value)};
        } else if (value.kind == WSRT_JSON_ARRAY) {
            add_values(s, plain(s, &key), &value);
        }
    }
    *count = (size_t)(s->pairs - first);
    return *count > 0 ? first : NULL;
}

static const wsrt_json *richer(const wsrt_json *multi, const wsrt_json *single)
{
    return multi->kind == WSRT_JSON_OBJECT ? multi : single;
}

static int make_room(wsrt_lambda_event *out, store *s, const parts *p, size_t json_len,
                     const wsrt_allocator *allocator)
{
    size_t pairs = count_children(richer(&p->multi_headers, &p->headers)) +
                   count_children(richer(&p->multi_query, &p->query));
    size_t text = json_len + p->body.text.len; /* a body is decoded twice when it is base64 */

    /* A pair takes two bytes of JSON at least. */
    if (json_len > SIZE_MAX / (2 * sizeof(wsrt_pair)))
        return WSRT_ERR_NOMEM;
    size_t size = pairs * sizeof(wsrt_pair) + text;
    out->block = wsrt_adapter_realloc(allocator, NULL, 0, size);
    if (out->block == NULL)
        return WSRT_ERR_NOMEM;
    out->block_size = size;
    s->pairs = out->block;
    s->text = (char *)(s->pairs + pairs);
    s->left = text;
    return WSRT_OK;
}

/* ---- members ------------------------------------------------------------------------------ */

enum { PLAIN_DIGITS = 18 }; /* so many always fit */

static int64_t integer(const wsrt_json *value, int64_t otherwise)
{
    int64_t n = 0;
    size_t i = 0;

    if (value->kind != WSRT_JSON_NUMBER)
        return otherwise;
    for (; i < value->text.len && i < PLAIN_DIGITS; i++) {
        if (value->text.ptr[i] < '0' || value->text.ptr[i] > '9')
            break;
        n = n * 10 + (value->text.ptr[i] - '0');
    }
    if (i == value->text.len)
        return n;
    return wsrt_json_int64(value, &n) == WSRT_OK ? n : otherwise;
}

/* Seconds as a number or as its text; a fraction is dropped. WSRT_ERR_REJECTED for anything else. */
static int take_expiry(wsrt_span text, int64_t *out)
{
    int64_t n = 0;
    size_t i = 0;

    for (; i < text.len && text.ptr[i] >= '0' && text.ptr[i] <= '9'; i++) {
        if (n > (INT64_MAX - 9) / 10)
            return WSRT_ERR_REJECTED;
        n = n * 10 + (text.ptr[i] - '0');
    }
    if (i == 0 || (i < text.len && text.ptr[i] != '.'))
        return WSRT_ERR_REJECTED;
    *out = n;
    return WSRT_OK;
}

static void take_principal(wsrt_lambda_event *out, store *s, const parts *p)
{
    wsrt_principal *who = &out->principal;
    wsrt_span user = scalar(s, &p->user_id);
    wsrt_span expires = scalar(s, &p->expires);

    if (user.len == 0)
        user = scalar(s, &p->principal_id);
    *who = (wsrt_principal){.struct_size = sizeof *who,
                            .user_id = user,
                            .username = scalar(s, &p->username),
                            .email = scalar(s, &p->email),
                            .groups = scalar(s, &p->groups),
                            .scopes = scalar(s, &p->scopes)};
    /* An expiry that cannot be read must not become "never": then nobody is signed in. */
    if (user.len > 0 && (expires.len == 0 || take_expiry(expires, &who->expires_at) == WSRT_OK))
        out->event.principal = who;
}

static int take_body(wsrt_event *ev, store *s, const parts *p)
{
    int encoded = 0;
    size_t len;

    ev->body = plain(s, &p->body);
    wsrt_json_bool(&p->base64, &encoded);
    if (!encoded)
        return WSRT_OK;
    ev->flags |= WSRT_EVENT_BINARY;
    if (wsrt_base64_decode(s->text, ev->body, &len) != WSRT_OK)
        return WSRT_ERR_REJECTED;
    ev->body = (wsrt_span){s->text, len};
    s->text += len;
    s->left -= len;
    return WSRT_OK;
}

static int close_code(const wsrt_json *value)
{
    int64_t code = integer(value, CLOSE_NONE);

    return code < 0 || code > CLOSE_MAX ? CLOSE_LOST : (int)code;
}

/* What only an event of a connection has. */
static int fill_connection(wsrt_lambda_event *out, store *s, const parts *p)
{
    wsrt_event *ev = &out->event;

    if (!wsrt_connection_id_valid(ev->connection_id))
        return WSRT_ERR_REJECTED;
    if (ev->kind == WSRT_EVENT_DISCONNECT) {
        ev->disconnect_code = close_code(&p->close_code);
        ev->disconnect_reason = plain(s, &p->close_reason);
    }
    take_principal(out, s, p);
    return take_body(ev, s, p);
}

static int fill(wsrt_lambda_event *out, store *s, const parts *p, int kind)
{
    wsrt_event *ev = &out->event;

    ev->kind = kind;
    ev->connection_id = plain(s, &p->connection_id);
    /* What API Gateway could not route, our own routes may know. */
    if (!wsrt_json_equal(&p->route_key, wsrt_span_cstr("$default")))
        ev->route_key = plain(s, &p->route_key);
    ev->request_id = plain(s, &p->request_id);
    ev->stage = plain(s, &p->stage);
    ev->domain = plain(s, &p->domain);
    ev->source_ip = plain(s, &p->source_ip);
    ev->user_agent = plain(s, &p->user_agent);
    ev->connected_at = integer(&p->connected_at, 0);
    ev->headers = take_pairs(s, richer(&p->multi_headers, &p->headers), &ev->header_count);
    ev->query = take_pairs(s, richer(&p->multi_query, &p->query), &ev->query_count);
    if (kind != WSRT_EVENT_AUTHORIZE)
        return fill_connection(out, s, p);
    out->method_arn = plain(s, &p->method_arn);
    return out->method_arn.len > 0 ? WSRT_OK : WSRT_ERR_REJECTED;
}

int wsrt_lambda_event_map(wsrt_lambda_event *out, wsrt_span json, const wsrt_invocation *how,
                          const wsrt_allocator *allocator)
{
    parts p = {0};
    store s = {0};
    wsrt_json root;
    int kind = 0;

    *out = (wsrt_lambda_event){.event = {.struct_size = sizeof out->event}};
    if (wsrt_json_parse(&root, json, NULL) != WSRT_OK)
        return WSRT_ERR_MALFORMED;
    int rc = take_apart(&p, &root, how, &kind);
    if (rc == WSRT_OK && kind == WSRT_EVENT_STREAM) {
        out->event.kind = kind;
        out->event.body = json;
        return WSRT_OK;
    }
    if (rc == WSRT_OK)
        rc = make_room(out, &s, &p, json.len, allocator);
    if (rc != WSRT_OK)
        return rc;
    rc = fill(out, &s, &p, kind);
    if (rc != WSRT_OK)
        wsrt_lambda_event_free(out, allocator);
    return rc;
}

void wsrt_lambda_event_free(wsrt_lambda_event *e, const wsrt_allocator *allocator)
{
    if (e->block != NULL)
        wsrt_adapter_realloc(allocator, e->block, e->block_size, 0);
    e->block = NULL;
    e->block_size = 0;
}

wsrt_span wsrt_lambda_trace_root(wsrt_span header)
{
    static const char key[] = "Root=";
    const size_t key_len = sizeof key - 1;

    for (size_t at = 0, end; at < header.len; at = end + 1) {
        const char *stop = memchr(header.ptr + at, ';', header.len - at);
        end = stop == NULL ? header.len : (size_t)(stop - header.ptr);
        if (end - at > key_len && memcmp(header.ptr + at, key, key_len) == 0)
            return (wsrt_span){header.ptr + at + key_len, end - at - key_len};
    }
    return (wsrt_span){NULL, 0};
}
