#include "http1.h"

#include <stdint.h>
#include <string.h>

static const wsrt_http_limits defaults = {.max_head = 8192, .max_target = 4096, .max_body = 131072};

/* ---- characters --------------------------------------------------------------------------- */

static int in_set(const uint64_t *set, char c)
{
    unsigned char u = (unsigned char)c;

    return u < 128 && (set[u / 64] >> (u % 64) & 1) != 0;
}

static int all_in_set(const uint64_t *set, wsrt_span text)
{
    uint64_t good = 1;
    unsigned char seen = 0;

    for (size_t i = 0; i < text.len; i++) {
        unsigned char u = (unsigned char)text.ptr[i];
        good &= set[u / 64 & 1] >> u % 64;
        seen |= u;
    }
    return good != 0 && seen < 128;
}

/* tchar of RFC 9110: letters, digits and !#$%&'*+-.^_`|~ */
static const uint64_t token_set[2] = {0x03ff6cfa00000000u, 0x57ffffffc7fffffeu};
/* Letters, digits and -._~!$&'()*+,;=:%[] of RFC 3986, for a host and its port. */
static const uint64_t host_set[2] = {0x2fff7ff200000000u, 0x47fffffeaffffffeu};

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = lower(c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static int is_blank(char c)
{
    return c == ' ' || c == '\t';
}

wsrt_span wsrt_http_trim(wsrt_span text)
{
    while (text.len > 0 && is_blank(text.ptr[0])) {
        text.ptr++;
        text.len--;
    }
    while (text.len > 0 && is_blank(text.ptr[text.len - 1]))
        text.len--;
    return text;
}

static wsrt_span of_cstr(const char *text)
{
    return (wsrt_span){text, strlen(text)};
}

int wsrt_http_same_text(wsrt_span a, wsrt_span b)
{
    if (a.len != b.len)
        return 0;
    if (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0)
        return 1;
    for (size_t i = 0; i < a.len; i++)
        if (lower(a.ptr[i]) != lower(b.ptr[i]))
            return 0;
    return 1;
}

/* Cuts `text` at the first `at`: returns what stands before it and leaves what stands behind it.
 * Without one returns everything and leaves a span whose pointer is NULL. */
static wsrt_span cut(wsrt_span *text, char at)
{
    /* No text is longer than PTRDIFF_MAX, which compilers that inline deeply want to hear. */
    const char *found = text->len - 1 < PTRDIFF_MAX ? memchr(text->ptr, at, text->len) : NULL;
    wsrt_span before = *text;

    if (found == NULL) {
        *text = (wsrt_span){NULL, 0};
        return before;
    }
    before.len = (size_t)(found - before.ptr);
    *text = (wsrt_span){found + 1, text->len - before.len - 1};
    return before;
}

/* ---- finding the end of a head ------------------------------------------------------------- */

enum { TOO_LONG = 2, BAD_BYTE = 3 };

static int is_text_byte(char c)
{
    unsigned char u = (unsigned char)c;

    return (u >= 0x20 && u != 0x7f) || u == '\t';
}

/* The first byte at or behind i that is no text, or stop; eight at a time while they all are. */
static size_t skip_text(const char *text, size_t i, size_t stop)
{
    const uint64_t each = 0x0101010101010101u, high = each << 7;

    for (uint64_t word; i + sizeof word <= stop; i += sizeof word) {
        memcpy(&word, text + i, sizeof word);
        uint64_t deleted = word ^ (each * 0x7f);
        if ((((word - each * 0x20) & ~word) | ((deleted - each) & ~deleted)) & high)
            break;
    }
    while (i < stop && is_text_byte(text[i]))
        i++;
    return i;
}

/* Looks at every byte once and decides by the bytes up to it alone, so that the split of the input
 * cannot change the verdict. A CR is left for the call that sees the byte behind it. */
static int find_end(wsrt_span in, uint32_t max, uint32_t *scanned, size_t *end)
{
    size_t stop = in.len < max ? in.len : max, i = *scanned;

    for (; (i = skip_text(in.ptr, i, stop)) < stop; i++) {
        if (in.ptr[i] == '\r' && i + 1 == stop)
            break;
        if (in.ptr[i] != '\r' || in.ptr[i + 1] != '\n')
            return BAD_BYTE;
        i++;
        if (i >= 3 && in.ptr[i - 2] == '\n') {
            *end = i + 1;
            return WSRT_HTTP_DONE;
        }
    }
    *scanned = (uint32_t)i;
    return stop == max ? TOO_LONG : WSRT_HTTP_MORE;
}

/* The next line of a head whose line ends were checked. */
static wsrt_span next_line(wsrt_span *head)
{
    wsrt_span line = cut(head, '\n');

    line.len--;
    return line;
}

static wsrt_span without_empty_line(wsrt_span head)
{
    if (head.len >= 2 && head.ptr[0] == '\r')
        return (wsrt_span){head.ptr + 2, head.len - 2};
    return head;
}

/* ---- fields ------------------------------------------------------------------------------- */

enum { FIELDS_OK, FIELDS_BAD, FIELDS_TOO_MANY };

static int read_fields(wsrt_span head, wsrt_http_fields *fields)
{
    fields->count = 0;
    for (;;) {
        wsrt_span value = next_line(&head);
        if (value.len == 0)
            return FIELDS_OK;
        wsrt_span name = cut(&value, ':');
        if (value.ptr == NULL || name.len == 0 || !all_in_set(token_set, name))
            return FIELDS_BAD;
        if (fields->count == WSRT_HTTP_FIELDS_MAX)
            return FIELDS_TOO_MANY;
        fields->items[fields->count++] = (wsrt_http_field){name, wsrt_http_trim(value)};
    }
}

size_t wsrt_http_find(const wsrt_http_fields *fields, const char *name_cstr, wsrt_span *value)
{
    wsrt_span name = of_cstr(name_cstr);
    size_t found = 0;

    for (size_t i = 0; i < fields->count; i++) {
        if (!wsrt_http_same_text(fields->items[i].name, name))
            continue;
        if (found++ == 0 && value != NULL)
            *value = fields->items[i].value;
    }
    return found;
}

static int list_has(wsrt_span list, wsrt_span token)
{
    while (list.ptr != NULL)
        if (wsrt_http_same_text(wsrt_http_trim(cut(&list, ',')), token))
            return 1;
    return 0;
}

int wsrt_http_has_token(const wsrt_http_fields *fields, const char *name_cstr,
                        const char *token_cstr)
{
    wsrt_span name = of_cstr(name_cstr), token = of_cstr(token_cstr);

    for (size_t i = 0; i < fields->count; i++)
        if (wsrt_http_same_text(fields->items[i].name, name) &&
            list_has(fields->items[i].value, token))
            return 1;
    return 0;
}

static int read_number(wsrt_span text, uint64_t *number)
{
    uint64_t value = 0;

    if (text.len == 0)
        return 0;
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] < '0' || text.ptr[i] > '9')
            return 0;
        uint64_t digit = (uint64_t)(text.ptr[i] - '0');
        if (value > (UINT64_MAX - digit) / 10)
            return 0;
        value = value * 10 + digit;
    }
    *number = value;
    return 1;
}

/* What the fields say about the end of the body. */
struct framing {
    uint64_t length;
    int has_length;
    int has_coding;
    int is_chunked; /* the only coding, named once */
    const char *why;
};

/* Returns 0 and sets `why` when the fields contradict themselves or the version. */
static int read_framing(const wsrt_http_fields *fields, int minor, struct framing *f)
{
    wsrt_span length = {NULL, 0}, coding = {NULL, 0};
    size_t lengths = wsrt_http_find(fields, "content-length", &length);
    size_t codings = wsrt_http_find(fields, "transfer-encoding", &coding);

    *f = (struct framing){.has_length = lengths > 0, .has_coding = codings > 0};
    f->is_chunked = codings == 1 && wsrt_http_same_text(coding, of_cstr("chunked"));
    if (lengths > 1)
        f->why = "second Content-Length";
    else if (lengths == 1 && !read_number(length, &f->length))
        f->why = "Content-Length is not a number";
    else if (f->has_length && f->has_coding)
        f->why = "Transfer-Encoding with Content-Length";
    else if (f->has_coding && minor == 0)
        f->why = "Transfer-Encoding in HTTP/1.0";
    return f->why == NULL;
}

/* ---- requests ----------------------------------------------------------------------------- */

static int refuse(wsrt_http_request *req, int status, const char *why)
{
    req->why = why;
    return status;
}

/* "HTTP/d.d": 1 and the digits, or 0. */
static int read_version(wsrt_span text, int *major, int *minor)
{
    if (text.len != 8 || memcmp(text.ptr, "HTTP/", 5) != 0 || text.ptr[6] != '.')
        return 0;
    *major = text.ptr[5] - '0';
    *minor = text.ptr[7] - '0';
    return *major >= 0 && *major <= 9 && *minor >= 0 && *minor <= 9;
}

static int is_sound_target(wsrt_span target)
{
    for (size_t i = 0; i < target.len; i++) {
        char c = target.ptr[i];
        if (c < '!' || c > '~' || c == '#')
            return 0;
        if (c == '%' && (target.len - i < 3 || hex_value(target.ptr[i + 1]) < 0 ||
                         hex_value(target.ptr[i + 2]) < 0))
            return 0;
    }
    return target.len > 0;
}

/* Takes "http://host" off an absolute target and keeps the host; a target of another form stays. */
static void take_authority(wsrt_span *target, wsrt_span *host)
{
    static const char *const schemes[] = {"http://", "https://"};

    for (size_t i = 0; i < 2; i++) {
        size_t n = strlen(schemes[i]), end = n;
        if (target->len < n ||
            !wsrt_http_same_text((wsrt_span){target->ptr, n}, of_cstr(schemes[i])))
            continue;
        while (end < target->len && target->ptr[end] != '/' && target->ptr[end] != '?')
            end++;
        *host = (wsrt_span){target->ptr + n, end - n};
        *target = (wsrt_span){target->ptr + end, target->len - end};
        return;
    }
}

static int read_target(wsrt_span target, wsrt_http_request *req)
{
    wsrt_span rest = target;

    req->host = (wsrt_span){NULL, 0};
    if (!is_sound_target(target))
        return refuse(req, 400, "bad request target");
    take_authority(&rest, &req->host);
    if (req->host.ptr != NULL && req->host.len == 0)
        return refuse(req, 400, "request target without a host");
    req->path = cut(&rest, '?');
    req->query = rest;
    if (req->path.len == 0 && req->host.ptr != NULL)
        req->path = (wsrt_span){"/", 1};
    int asterisk = req->path.len == 1 && req->path.ptr[0] == '*' && rest.ptr == NULL &&
                   req->method.len == 7 && memcmp(req->method.ptr, "OPTIONS", 7) == 0;
    if (req->path.len == 0 || (req->path.ptr[0] != '/' && !asterisk))
        return refuse(req, 400, "request target is no path");
    return WSRT_HTTP_DONE;
}

static int read_request_line(wsrt_span line, uint32_t max_target, wsrt_http_request *req)
{
    wsrt_span rest = line;
    int major, minor;

    req->method = cut(&rest, ' ');
    wsrt_span target = cut(&rest, ' ');
    if (req->method.len == 0 || !all_in_set(token_set, req->method) || rest.ptr == NULL ||
        !read_version(rest, &major, &minor))
        return refuse(req, 400, "bad request line");
    if (major != 1)
        return refuse(req, 505, "not HTTP/1.x");
    req->minor = minor > 0;
    if (target.len > max_target)
        return refuse(req, 414, "target too long");
    return read_target(target, req);
}

/* A host, maybe with a port; or nothing. */
static int is_authority(wsrt_span text)
{
    return all_in_set(host_set, text) && (text.len == 0 || text.ptr[0] != ':');
}

static int read_host(wsrt_http_request *req)
{
    wsrt_span host = {"", 0};
    size_t hosts = wsrt_http_find(&req->fields, "host", &host);

    if (hosts > 1)
        return refuse(req, 400, "second Host");
    if (host.len == 0 && req->minor > 0)
        return refuse(req, 400, "no Host");
    if (req->host.ptr == NULL)
        req->host = host;
    if (!is_authority(host) || !is_authority(req->host))
        return refuse(req, 400, "bad Host");
    return WSRT_HTTP_DONE;
}

static int read_request_body(const wsrt_http_limits *limits, wsrt_http_request *req)
{
    struct framing f;

    if (!read_framing(&req->fields, req->minor, &f))
        return refuse(req, 400, f.why);
    if (f.has_coding)
        return f.is_chunked ? refuse(req, 411, "chunked body")
                            : refuse(req, 501, "unknown transfer coding");
    req->content_length = f.length;
    if (f.length > limits->max_body)
        return refuse(req, 413, "body too large");
    return WSRT_HTTP_DONE;
}

static int read_request(wsrt_span head, const wsrt_http_limits *limits, wsrt_http_request *req)
{
    int rc = read_request_line(next_line(&head), limits->max_target, req);

    if (rc != WSRT_HTTP_DONE)
        return rc;
    rc = read_fields(head, &req->fields);
    if (rc != FIELDS_OK)
        return rc == FIELDS_BAD ? refuse(req, 400, "bad field line")
                                : refuse(req, 431, "too many fields");
    rc = read_host(req);
    if (rc != WSRT_HTTP_DONE)
        return rc;
    req->keep_alive = req->minor > 0 && !wsrt_http_has_token(&req->fields, "connection", "close");
    req->expect_continue =
        req->minor > 0 && wsrt_http_has_token(&req->fields, "expect", "100-continue");
    return read_request_body(limits, req);
}

int wsrt_http_parse_request(const char *buf, size_t len, const wsrt_http_limits *limits,
                            uint32_t *scanned, wsrt_http_request *req)
{
    wsrt_span in = {buf, len};
    size_t end = 0;

    if (limits == NULL)
        limits = &defaults;
    switch (find_end(in, limits->max_head, scanned, &end)) {
    case WSRT_HTTP_MORE:
        return WSRT_HTTP_MORE;
    case BAD_BYTE:
        return refuse(req, 400, "bare CR or LF, or a control character");
    case TOO_LONG:
        in = without_empty_line((wsrt_span){buf, limits->max_head});
        cut(&in, '\n');
        return in.ptr == NULL ? refuse(req, 414, "request line too long")
                              : refuse(req, 431, "head too large");
    default:
        req->head_len = end;
        in.len = end;
        return read_request(without_empty_line(in), limits, req);
    }
}

/* ---- responses ---------------------------------------------------------------------------- */

static int reject(wsrt_http_response *resp, int status, const char *why)
{
    resp->why = why;
    return status;
}

static int read_status_line(wsrt_span line, wsrt_http_response *resp)
{
    wsrt_span rest = line;
    int major, minor;
    uint64_t status;

    if (!read_version(cut(&rest, ' '), &major, &minor) || major != 1)
        return 0;
    wsrt_span digits = cut(&rest, ' ');
    if (digits.len != 3 || !read_number(digits, &status) || status < 100 || status > 599)
        return 0;
    resp->minor = minor > 0;
    resp->status = (uint16_t)status;
    resp->reason = rest;
    return 1;
}

static int read_response_framing(wsrt_http_response *resp)
{
    struct framing f;
    int bodiless = resp->status < 200 || resp->status == 204 || resp->status == 304;

    if (!read_framing(&resp->fields, resp->minor, &f))
        return reject(resp, WSRT_ERR_MALFORMED, f.why);
    if (f.has_coding && !f.is_chunked)
        return reject(resp, WSRT_ERR_MALFORMED, "unknown transfer coding");
    resp->framing = bodiless       ? WSRT_HTTP_NO_BODY
                    : f.has_coding ? WSRT_HTTP_BY_CHUNKS
                    : f.has_length ? WSRT_HTTP_BY_LENGTH
                                   : WSRT_HTTP_UNTIL_CLOSE;
    resp->content_length = resp->framing == WSRT_HTTP_BY_LENGTH ? f.length : 0;
    resp->keep_alive = resp->minor > 0 && resp->framing != WSRT_HTTP_UNTIL_CLOSE &&
                       !wsrt_http_has_token(&resp->fields, "connection", "close");
    return WSRT_HTTP_DONE;
}

int wsrt_http_parse_response(const char *buf, size_t len, const wsrt_http_limits *limits,
                             uint32_t *scanned, wsrt_http_response *resp)
{
    wsrt_span in = {buf, len};
    size_t end = 0;
    int rc = find_end(in, (limits != NULL ? limits : &defaults)->max_head, scanned, &end);

    if (rc == WSRT_HTTP_MORE)
        return rc;
    if (rc == TOO_LONG)
        return reject(resp, WSRT_ERR_TOO_LARGE, "head too large");
    if (rc == BAD_BYTE)
        return reject(resp, WSRT_ERR_MALFORMED, "bare CR or LF, or a control character");
    resp->head_len = end;
    in.len = end;
    if (!read_status_line(next_line(&in), resp))
        return reject(resp, WSRT_ERR_MALFORMED, "bad status line");
    rc = read_fields(in, &resp->fields);
    if (rc == FIELDS_TOO_MANY)
        return reject(resp, WSRT_ERR_TOO_LARGE, "too many fields");
    if (rc == FIELDS_BAD)
        return reject(resp, WSRT_ERR_MALFORMED, "bad field line");
    return read_response_framing(resp);
}

/* ---- bodies of responses ------------------------------------------------------------------ */

enum {
    DATA,
    DATA_CR,
    DATA_LF,
    SIZE,
    SIZE_MORE,
    EXTENSION,
    SIZE_LF,
    TRAILER,
    TRAILER_MORE,
    TRAILER_LF,
    END_LF,
    END,
    BROKEN
};
enum { EXTRA_MAX = 8192 };

void wsrt_http_body_start(wsrt_http_body *body, const wsrt_http_response *resp)
{
    *body = (wsrt_http_body){.framing = resp->framing, .state = DATA};
    if (resp->framing == WSRT_HTTP_BY_CHUNKS)
        body->state = SIZE;
    if (resp->framing == WSRT_HTTP_UNTIL_CLOSE)
        body->left = UINT64_MAX;
    if (resp->framing == WSRT_HTTP_BY_LENGTH)
        body->left = resp->content_length;
    if (body->state == DATA && body->left == 0)
        body->state = END;
}

static int add_size_digit(wsrt_http_body *body, char c)
{
    int digit = hex_value(c);

    if (digit < 0 || body->left > UINT64_MAX >> 8)
        return 0;
    body->left = body->left << 4 | (uint64_t)digit;
    return 1;
}

/* The state behind one byte of chunk framing. */
static int after_framing_byte(wsrt_http_body *body, char c)
{
    switch (body->state) {
    case DATA_CR:
        return c == '\r' ? DATA_LF : BROKEN;
    case DATA_LF:
        return c == '\n' ? SIZE : BROKEN;
    case SIZE:
        return add_size_digit(body, c) ? SIZE_MORE : BROKEN;
    case SIZE_MORE:
        if (hex_value(c) >= 0)
            return add_size_digit(body, c) ? SIZE_MORE : BROKEN;
        if (c == '\r')
            return SIZE_LF;
        return c == ';' || is_blank(c) ? EXTENSION : BROKEN;
    case EXTENSION:
        if (c == '\r')
            return SIZE_LF;
        return is_text_byte(c) ? EXTENSION : BROKEN;
    case SIZE_LF:
        if (c != '\n')
            return BROKEN;
        return body->left > 0 ? DATA : TRAILER;
    case TRAILER:
        if (c == '\r')
            return END_LF;
        return in_set(token_set, c) ? TRAILER_MORE : BROKEN;
    case TRAILER_MORE:
        if (c == '\r')
            return TRAILER_LF;
        return is_text_byte(c) ? TRAILER_MORE : BROKEN;
    case TRAILER_LF:
        return c == '\n' ? TRAILER : BROKEN;
    default: /* END_LF */
        return c == '\n' ? END : BROKEN;
    }
}

static wsrt_span take_data(wsrt_http_body *body, wsrt_span *in)
{
    size_t take = body->left < in->len ? (size_t)body->left : in->len;
    wsrt_span piece = {in->ptr, take};

    in->ptr += take;
    in->len -= take;
    body->extra = 0;
    if (body->framing != WSRT_HTTP_UNTIL_CLOSE)
        body->left -= take;
    if (body->left == 0)
        body->state = body->framing == WSRT_HTTP_BY_CHUNKS ? DATA_CR : END;
    return piece;
}

int wsrt_http_body_read(wsrt_http_body *body, wsrt_span *in, wsrt_span *piece)
{
    for (;;) {
        if (body->state == END)
            return WSRT_HTTP_DONE;
        if (body->state == BROKEN)
            return WSRT_ERR_MALFORMED;
        if (in->len == 0)
            return WSRT_HTTP_MORE;
        if (body->state == DATA) {
            *piece = take_data(body, in);
            return WSRT_HTTP_PIECE;
        }
        body->state = (uint8_t)after_framing_byte(body, in->ptr[0]);
        in->ptr++;
        in->len--;
        if (++body->extra > EXTRA_MAX)
            body->state = BROKEN;
    }
}

/* ---- targets ------------------------------------------------------------------------------ */

int wsrt_http_segment(wsrt_span *path, wsrt_span *segment)
{
    wsrt_span rest = *path;

    if (rest.len == 0 || rest.ptr[0] != '/')
        return 0;
    rest.ptr++;
    rest.len--;
    size_t end = 0;
    while (end < rest.len && rest.ptr[end] != '/')
        end++;
    *segment = (wsrt_span){rest.ptr, end};
    *path = (wsrt_span){rest.ptr + end, rest.len - end};
    return 1;
}

size_t wsrt_http_unescape(char *dst, wsrt_span text)
{
    size_t out = 0;

    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (c == '%' && text.len - i >= 3) {
            int high = hex_value(text.ptr[i + 1]), low = hex_value(text.ptr[i + 2]);
            if (high >= 0 && low >= 0) {
                c = (char)(high << 4 | low);
                i += 2;
            }
        }
        dst[out++] = c;
    }
    return out;
}

size_t wsrt_http_query(wsrt_span query, const char *name_cstr, wsrt_span *value)
{
    size_t found = 0, len = strlen(name_cstr);

    while (query.ptr != NULL) {
        wsrt_span rest = cut(&query, '&');
        wsrt_span name = cut(&rest, '=');
        if (name.len != len || memcmp(name.ptr, name_cstr, len) != 0)
            continue;
        if (found++ == 0)
            *value = rest;
    }
    return found;
}
