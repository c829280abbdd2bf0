/* Requests signed with AWS's Signature Version 4, in their Authorization field. Whoever has seen one may
 * repeat it for as long as it is young. */
#include "server/endpoints.h"

#include "common/sigv4.h"

#include <string.h>

enum { YOUNG_S = 300, SECONDS_A_DAY = 86400 };

static const char algorithm[] = "AWS4-HMAC-SHA256 ";

/* ---- the Authorization field ---------------------------------------------------------------- */

typedef struct claim {
    wsrt_span access_key;
    wsrt_span date;
    wsrt_span names; /* of the signed fields */
    wsrt_span signature;
    wsrt_sigv4_scope scope;
} claim;

/* Cuts off what stands before the mark; without one, all of it. */
static wsrt_span cut(wsrt_span *text, char mark)
{
    const char *at = text->len == 0 ? NULL : memchr(text->ptr, mark, text->len);
    wsrt_span part = {text->ptr, at == NULL ? text->len : (size_t)(at - text->ptr)};
    size_t used = part.len + (at != NULL);

    text->ptr = text->ptr == NULL ? NULL : text->ptr + used;
    text->len -= used;
    return part;
}

/* Takes the value behind "Name=". */
static void take_value(wsrt_span pair, const char *name_cstr, wsrt_span *out)
{
    size_t len = strlen(name_cstr);

    if (pair.len > len && memcmp(pair.ptr, name_cstr, len) == 0)
        *out = (wsrt_span){pair.ptr + len, pair.len - len};
}

static int read_claim(wsrt_span text, claim *c)
{
    wsrt_span credential = {NULL, 0};

    *c = (claim){.names = {NULL, 0}};
    if (text.len < sizeof algorithm || memcmp(text.ptr, algorithm, sizeof algorithm - 1) != 0)
        return 0;
    text = (wsrt_span){text.ptr + sizeof algorithm - 1, text.len - (sizeof algorithm - 1)};
    for (int i = 0; i < 3; i++) {
        wsrt_span pair = cut(&text, ',');
        while (pair.len > 0 && pair.ptr[0] == ' ')
            pair = (wsrt_span){pair.ptr + 1, pair.len - 1};
        take_value(pair, "Credential=", &credential);
        take_value(pair, "SignedHeaders=", &c->names);
        take_value(pair, "Signature=", &c->signature);
    }
    c->access_key = cut(&credential, '/');
    c->date = cut(&credential, '/');
    c->scope.region = cut(&credential, '/');
    c->scope.service = cut(&credential, '/');
    return text.len == 0 && c->names.len > 0 && c->signature.len == WSRT_SHA256_HEX &&
           wsrt_span_equal(c->scope.service, wsrt_span_cstr("execute-api")) &&
           wsrt_span_equal(credential, wsrt_span_cstr("aws4_request"));
}

/* ---- time ----------------------------------------------------------------------------------- */

static int two_digits(const char *text, int *out)
{
    if (text[0] < '0' || text[0] > '9' || text[1] < '0' || text[1] > '9')
        return 0;
    *out = (text[0] - '0') * 10 + text[1] - '0';
    return 1;
}

/* Days since 1970 of a date of the years 2000 to 2099. */
static int64_t days_of(int year, int month, int day)
{
    static const int before[] = {0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334};
    int leaps = (year + 3) / 4 + (year % 4 == 0 && month > 2);

    return 10957 + (int64_t)year * 365 + leaps + before[month - 1] + day - 1;
}

/* "20260102T030405Z" as Unix seconds; -1 = it is none. */
static int64_t seconds_of(wsrt_span text)
{
    int century, year, month, day, hour, minute, second;

    if (text.len != WSRT_SIGV4_TIME || text.ptr[8] != 'T' || text.ptr[15] != 'Z' ||
        !two_digits(text.ptr, &century) || !two_digits(text.ptr + 2, &year) ||
        !two_digits(text.ptr + 4, &month) || !two_digits(text.ptr + 6, &day) ||
        !two_digits(text.ptr + 9, &hour) || !two_digits(text.ptr + 11, &minute) ||
        !two_digits(text.ptr + 13, &second) || century != 20 || month < 1 || month > 12)
        return -1;
    return days_of(year, month, day) * SECONDS_A_DAY + hour * 3600 + minute * 60 + second;
}

static int is_young(wsrt_span date, int64_t wall_ms)
{
    int64_t then = seconds_of(date), apart = wall_ms / 1000 - then;

    return then >= 0 && apart <= YOUNG_S && apart >= -YOUNG_S;
}

/* ---- the signature -------------------------------------------------------------------------- */

/* Adds the fields of that name to those signed; 0 = there is none, or are too many. */
static int add_named(const wsrt_http_fields *all, wsrt_span name, wsrt_sigv4_request *r,
                     wsrt_http_field *signed_fields)
{
    size_t before = r->field_count;

    for (size_t i = 0; i < all->count; i++) {
        if (!wsrt_http_same_text(all->items[i].name, name))
            continue;
        if (r->field_count == WSRT_HTTP_FIELDS_MAX)
            return 0;
        signed_fields[r->field_count++] = all->items[i];
    }
    return r->field_count > before;
}

/* The host and the time must be among them, each once. */
static int take_fields(const wsrt_http_fields *all, wsrt_span names, wsrt_sigv4_request *r,
                       wsrt_http_field *signed_fields)
{
    int hosts = 0, dates = 0;

    r->fields = signed_fields;
    while (names.len > 0) {
        wsrt_span name = cut(&names, ';');
        hosts += wsrt_http_same_text(name, wsrt_span_cstr("host"));
        dates += wsrt_http_same_text(name, wsrt_span_cstr("x-amz-date"));
        if (!add_named(all, name, r, signed_fields))
            return 0;
    }
    return hosts == 1 && dates == 1;
}

/* As long as it takes, whatever is given. */
static int same_digits(const char *a, const char *b)
{
    volatile unsigned char differ = 0;

    for (size_t i = 0; i < WSRT_SHA256_HEX; i++)
        differ |= (unsigned char)(a[i] ^ b[i]);
    return differ == 0;
}

static int verify(const wsrt_exchange *k, const claim *c)
{
    wsrt_http_field fields[WSRT_HTTP_FIELDS_MAX];
    unsigned char key[WSRT_SHA256_LEN];
    char body[WSRT_SHA256_HEX], signature[WSRT_SHA256_HEX];
    wsrt_sigv4_request r = {
        .method = k->req->method, .path = k->req->path, .query = k->req->query, .body_hex = body};

    if (!take_fields(&k->req->fields, c->names, &r, fields))
        return 0;
    wsrt_sha256_hex(body, k->body);
    wsrt_sigv4_key(key, k->loop->terms->management_secret_key, &c->scope);
    int rc = wsrt_sigv4_sign(&r, &c->scope, key, signature);
    explicit_bzero(key, sizeof key);
    return rc == WSRT_OK && same_digits(signature, c->signature.ptr);
}

int wsrt_signature_valid(const wsrt_exchange *k)
{
    const wsrt_settings *set = k->loop->set;
    wsrt_span authorization, date;
    claim c;

    if (wsrt_http_find(&k->req->fields, "Authorization", &authorization) != 1 ||
        wsrt_http_find(&k->req->fields, "X-Amz-Date", &date) != 1 ||
        !read_claim(authorization, &c) || !is_young(date, set->env.wall(set->env.user)) ||
        !wsrt_guard_is_secret(c.access_key, k->loop->terms->management_access_key))
        return 0;
    memcpy(c.scope.time, date.ptr, WSRT_SIGV4_TIME);
    return c.date.len == 8 && memcmp(c.date.ptr, date.ptr, 8) == 0 && verify(k, &c);
}
