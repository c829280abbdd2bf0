#include "sigv4.h"

#include <string.h>

enum { LONGEST_NAME = 64, SECONDS_A_DAY = 86400 };

/* Where the canonical request goes: into a digest, and into a buffer as far as it reaches. */
struct sink {
    wsrt_sha256 digest;
    char *dst;
    size_t cap;
    size_t len;
};

static void put(struct sink *s, const char *bytes, size_t len)
{
    if (s->dst == NULL)
        wsrt_sha256_add(&s->digest, bytes, len);
    else if (s->len < s->cap)
        memcpy(s->dst + s->len, bytes, len < s->cap - s->len ? len : s->cap - s->len);
    s->len += len;
}

static void put_span(struct sink *s, wsrt_span text)
{
    if (text.len > 0)
        put(s, text.ptr, text.len);
}

static int is_plain(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '.' || c == '_' || c == '~';
}

static size_t escape(char *dst, char c)
{
    static const char digits[] = "0123456789ABCDEF";

    if (is_plain(c)) {
        dst[0] = c;
        return 1;
    }
    dst[0] = '%';
    dst[1] = digits[(unsigned char)c >> 4];
    dst[2] = digits[(unsigned char)c & 15];
    return 3;
}

/* ---- path --------------------------------------------------------------------------------- */

static int is_dots(wsrt_span segment)
{
    return (segment.len == 1 || segment.len == 2) && segment.ptr[0] == '.' &&
           segment.ptr[segment.len - 1] == '.';
}

int wsrt_sigv4_path_ok(wsrt_span path)
{
    wsrt_span segment;

    if (path.len > 0 && path.ptr[0] != '/')
        return 0;
    while (wsrt_http_segment(&path, &segment))
        if ((segment.len == 0 && path.len > 0) || is_dots(segment))
            return 0;
    return 1;
}

/* Escaped once more than on the wire. */
static void put_path(struct sink *s, wsrt_span path)
{
    char escaped[3];
    size_t from = 0;

    if (path.len == 0)
        put(s, "/", 1);
    for (size_t i = 0; i < path.len; i++) {
        if (path.ptr[i] == '/' || is_plain(path.ptr[i]))
            continue;
        put(s, path.ptr + from, i - from);
        put(s, escaped, escape(escaped, path.ptr[i]));
        from = i + 1;
    }
    if (from < path.len)
        put(s, path.ptr + from, path.len - from);
}

/* ---- query -------------------------------------------------------------------------------- */

struct parameter {
    wsrt_span name;
    wsrt_span value;
};

/* A text, decoded and encoded anew, byte by byte. */
struct reader {
    wsrt_span left;
    char bytes[3];
    size_t at, len;
};

static int next_byte(struct reader *r)
{
    if (r->at == r->len) {
        size_t taken = r->left.len >= 3 && r->left.ptr[0] == '%' ? 3 : 1;
        char plain[3];
        if (r->left.len == 0)
            return -1;
        if (wsrt_http_unescape(plain, (wsrt_span){r->left.ptr, taken}) != 1)
            taken = 1; /* an escape that is none */
        r->len = escape(r->bytes, taken == 1 ? r->left.ptr[0] : plain[0]);
        r->at = 0;
        r->left.ptr += taken;
        r->left.len -= taken;
    }
    return (unsigned char)r->bytes[r->at++];
}

static int compare_encoded(wsrt_span a, wsrt_span b)
{
    struct reader x = {.left = a}, y = {.left = b};
    int left, right;

    do {
        left = next_byte(&x);
        right = next_byte(&y);
    } while (left == right && left >= 0);
    return left - right;
}

static int compare_parameters(const struct parameter *a, const struct parameter *b)
{
    int names = compare_encoded(a->name, b->name);

    return names != 0 ? names : compare_encoded(a->value, b->value);
}

static void insert_parameter(struct parameter *sorted, size_t count, struct parameter p)
{
    for (; count > 0 && compare_parameters(&sorted[count - 1], &p) > 0; count--)
        sorted[count] = sorted[count - 1];
    sorted[count] = p;
}

static struct parameter parameter_of(wsrt_span text)
{
    const char *equals = text.len > 0 ? memchr(text.ptr, '=', text.len) : NULL;
    size_t name = equals == NULL ? text.len : (size_t)(equals - text.ptr);
    size_t value = equals == NULL ? name : name + 1;

    return (struct parameter){{text.ptr, name}, {text.ptr + value, text.len - value}};
}

static int split_query(wsrt_span query, struct parameter *sorted, size_t *count)
{
    for (*count = 0; query.len > 0;) {
        const char *end = memchr(query.ptr, '&', query.len);
        size_t len = end == NULL ? query.len : (size_t)(end - query.ptr);
        if (len > 0 && *count == WSRT_SIGV4_PARAMETERS)
            return WSRT_ERR_LIMIT;
        if (len > 0) {
            insert_parameter(sorted, *count, parameter_of((wsrt_span){query.ptr, len}));
            ++*count;
        }
        len += end != NULL;
        query.ptr += len;
        query.len -= len;
    }
    return WSRT_OK;
}

static void put_encoded(struct sink *s, wsrt_span text)
{
    struct reader r = {.left = text};

    for (int byte = next_byte(&r); byte >= 0; byte = next_byte(&r)) {
        char c = (char)byte;
        put(s, &c, 1);
    }
}

static int put_query(struct sink *s, wsrt_span query)
{
    struct parameter sorted[WSRT_SIGV4_PARAMETERS];
    size_t count;
    int rc = split_query(query, sorted, &count);

    for (size_t i = 0; rc == WSRT_OK && i < count; i++) {
        if (i > 0)
            put(s, "&", 1);
        put_encoded(s, sorted[i].name);
        put(s, "=", 1);
        put_encoded(s, sorted[i].value);
    }
    return rc;
}

/* ---- fields ------------------------------------------------------------------------------- */

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
}

static int is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static int compare_names(wsrt_span a, wsrt_span b)
{
    for (size_t i = 0; i < a.len && i < b.len; i++)
        if (lower(a.ptr[i]) != lower(b.ptr[i]))
            return (unsigned char)lower(a.ptr[i]) - (unsigned char)lower(b.ptr[i]);
    return (a.len > b.len) - (a.len < b.len);
}

struct order {
    const wsrt_http_field *at[WSRT_HTTP_FIELDS_MAX];
    size_t count;
};

/* By name alone; fields of one name stay in their order. */
static int sort_fields(const wsrt_sigv4_request *r, struct order *o)
{
    if (r->field_count > WSRT_HTTP_FIELDS_MAX)
        return WSRT_ERR_LIMIT;
    for (o->count = 0; o->count < r->field_count; o->count++) {
        const wsrt_http_field *field = &r->fields[o->count];
        size_t i = o->count;
        for (; i > 0 && compare_names(o->at[i - 1]->name, field->name) > 0; i--)
            o->at[i] = o->at[i - 1];
        o->at[i] = field;
    }
    return WSRT_OK;
}

static int repeats(const struct order *o, size_t i)
{
    return i > 0 && compare_names(o->at[i - 1]->name, o->at[i]->name) == 0;
}

static void put_name(struct sink *s, wsrt_span name)
{
    char text[LONGEST_NAME];

    while (name.len > 0) {
        size_t len = name.len < sizeof text ? name.len : sizeof text;
        for (size_t i = 0; i < len; i++)
            text[i] = lower(name.ptr[i]);
        put(s, text, len);
        name.ptr += len;
        name.len -= len;
    }
}

/* Without the blanks around it, those within as one space. */
static void put_value(struct sink *s, wsrt_span value)
{
    size_t i = 0, from;

    for (int first = 1; i < value.len; first = 0) {
        while (i < value.len && is_blank(value.ptr[i]))
            i++;
        for (from = i; i < value.len && !is_blank(value.ptr[i]); i++)
            ;
        if (i > from && !first && from > 0 && is_blank(value.ptr[from - 1]))
            put(s, " ", 1);
        if (i > from)
            put(s, value.ptr + from, i - from);
    }
}

static void put_fields(struct sink *s, const struct order *o)
{
    for (size_t i = 0; i < o->count; i++) {
        if (repeats(o, i)) {
            put(s, ",", 1);
        } else {
            if (i > 0)
                put(s, "\n", 1);
            put_name(s, o->at[i]->name);
            put(s, ":", 1);
        }
        put_value(s, o->at[i]->value);
    }
    if (o->count > 0)
        put(s, "\n", 1);
}

static void put_names(struct sink *s, const struct order *o)
{
    for (size_t i = 0; i < o->count; i++) {
        if (repeats(o, i))
            continue;
        if (i > 0)
            put(s, ";", 1);
        put_name(s, o->at[i]->name);
    }
}

/* ---- the canonical request ------------------------------------------------------------------ */

static int put_request(struct sink *s, const wsrt_sigv4_request *r, struct order *o)
{
    if (!wsrt_sigv4_path_ok(r->path))
        return WSRT_ERR_INVALID;
    int rc = sort_fields(r, o);
    if (rc != WSRT_OK)
        return rc;
    put_span(s, r->method);
    put(s, "\n", 1);
    put_path(s, r->path);
    put(s, "\n", 1);
    rc = put_query(s, r->query);
    put(s, "\n", 1);
    put_fields(s, o);
    put(s, "\n", 1);
    put_names(s, o);
    put(s, "\n", 1);
    put(s, r->body_hex, WSRT_SHA256_HEX);
    return rc;
}

int wsrt_sigv4_canonical(const wsrt_sigv4_request *r, char *dst, size_t cap, size_t *len)
{
    struct sink s = {.dst = dst, .cap = cap};
    struct order o;
    int rc = put_request(&s, r, &o);

    *len = s.len;
    return rc == WSRT_OK && s.len > cap ? WSRT_ERR_LIMIT : rc;
}

/* ---- signing ------------------------------------------------------------------------------- */

static void put_number(char *dst, int64_t n, size_t width)
{
    while (width-- > 0) {
        dst[width] = (char)('0' + n % 10);
        n /= 10;
    }
}

/* Days since 1970 to a date; the era of 400 years begins in March (Hinnant's reckoning). */
static void put_date(char *dst, int64_t days)
{
    int64_t shifted = days + 719468, era = shifted / 146097, day = shifted % 146097;
    int64_t year = (day - day / 1460 + day / 36524 - day / 146096) / 365;
    int64_t rest = day - (365 * year + year / 4 - year / 100);
    int64_t month = (5 * rest + 2) / 153;

    put_number(dst + 6, rest - (153 * month + 2) / 5 + 1, 2);
    put_number(dst + 4, month < 10 ? month + 3 : month - 9, 2);
    put_number(dst, year + 400 * era + (month >= 10), 4);
}

void wsrt_sigv4_time(char *dst, int64_t wall)
{
    int64_t seconds = wall < 0 ? 0 : wall / 1000;

    put_date(dst, seconds / SECONDS_A_DAY);
    seconds %= SECONDS_A_DAY;
    dst[8] = 'T';
    put_number(dst + 9, seconds / 3600, 2);
    put_number(dst + 11, seconds / 60 % 60, 2);
    put_number(dst + 13, seconds % 60, 2);
    dst[15] = 'Z';
}

void wsrt_sigv4_key(unsigned char *key, wsrt_span secret, const wsrt_sigv4_scope *scope)
{
    const wsrt_span link = {(const char *)key, WSRT_SHA256_LEN};
    char first[4 + WSRT_SIGV4_SECRET] = "AWS4";
    size_t len = secret.len < sizeof first - 4 ? secret.len : sizeof first - 4;

    if (len > 0)
        memcpy(first + 4, secret.ptr, len);
    wsrt_hmac_sha256(key, (wsrt_span){first, 4 + len}, (wsrt_span){scope->time, 8});
    wsrt_hmac_sha256(key, link, scope->region);
    wsrt_hmac_sha256(key, link, scope->service);
    wsrt_hmac_sha256(key, link, (wsrt_span){"aws4_request", 12});
    explicit_bzero(first, sizeof first);
}

static void put_scope(struct sink *s, const wsrt_sigv4_scope *scope)
{
    put(s, scope->time, 8);
    put(s, "/", 1);
    put_span(s, scope->region);
    put(s, "/", 1);
    put_span(s, scope->service);
    put(s, "/aws4_request", 13);
}

static int sign(const wsrt_sigv4_request *r, const wsrt_sigv4_scope *scope,
                const unsigned char *key, struct order *o, char *signature)
{
    struct sink request = {0};
    unsigned char digest[WSRT_SHA256_LEN];
    char text[17 + WSRT_SIGV4_TIME + 1 + 9 + 2 * (LONGEST_NAME + 1) + 12 + 1 + WSRT_SHA256_HEX];
    struct sink s = {.dst = text, .cap = sizeof text};

    if (scope->region.len > LONGEST_NAME || scope->service.len > LONGEST_NAME)
        return WSRT_ERR_LIMIT;
    wsrt_sha256_start(&request.digest);
    int rc = put_request(&request, r, o);
    wsrt_sha256_end(&request.digest, digest);
    if (rc != WSRT_OK)
        return rc;
    put(&s, "AWS4-HMAC-SHA256\n", 17);
    put(&s, scope->time, WSRT_SIGV4_TIME);
    put(&s, "\n", 1);
    put_scope(&s, scope);
    put(&s, "\n", 1);
    wsrt_hex(text + s.len, digest, sizeof digest);
    wsrt_hmac_sha256(digest, (wsrt_span){(const char *)key, WSRT_SHA256_LEN},
                     (wsrt_span){text, s.len + WSRT_SHA256_HEX});
    wsrt_hex(signature, digest, sizeof digest);
    return WSRT_OK;
}

int wsrt_sigv4_sign(const wsrt_sigv4_request *r, const wsrt_sigv4_scope *scope,
                    const unsigned char *key, char *signature)
{
    struct order o;

    return sign(r, scope, key, &o, signature);
}

int wsrt_sigv4_authorize(const wsrt_sigv4_request *r, const wsrt_sigv4_scope *scope,
                         const wsrt_sigv4_signer *signer, char *dst, size_t cap)
{
    char signature[WSRT_SHA256_HEX];
    struct sink s = {.dst = dst, .cap = cap};
    struct order o;
    int rc = sign(r, scope, signer->key, &o, signature);

    if (rc != WSRT_OK)
        return rc;
    put(&s, "AWS4-HMAC-SHA256 Credential=", 28);
    put_span(&s, signer->access_key);
    put(&s, "/", 1);
    put_scope(&s, scope);
    put(&s, ", SignedHeaders=", 16);
    put_names(&s, &o);
    put(&s, ", Signature=", 12);
    put(&s, signature, sizeof signature);
    put(&s, "", 1);
    return s.len > cap ? WSRT_ERR_LIMIT : WSRT_OK;
}
