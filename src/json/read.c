#include <wsrt/json.h>

#include "json/scan.h"

#include <string.h>

enum { MAX_DEPTH = 64 };

struct reader {
    const char *begin, *p, *end;
    uint64_t nest; /* one bit a level, the innermost lowest: 1 = object */
    int depth;
    wsrt_json_error why;
};

static int broken(struct reader *r, const char *at, const char *text)
{
    r->why.offset = (size_t)(at - r->begin);
    r->why.text_cstr = at == r->end ? "Unexpected end of the text" : text;
    return WSRT_ERR_MALFORMED;
}

static void skip_space(struct reader *r)
{
    r->p = wsrt_scan_space(r->p, r->end);
}

static int take(struct reader *r, char c)
{
    skip_space(r);
    if (r->p == r->end || *r->p != c)
        return 0;
    r->p++;
    return 1;
}

static int read_escape(struct reader *r)
{
    uint32_t code_point;
    size_t len = wsrt_scan_escape(r->p, r->end, &code_point);

    if (len == 0)
        return broken(r, r->p, "Invalid escape");
    if (code_point >= 0xd800 && code_point <= 0xdfff)
        return broken(r, r->p, "Lone surrogate");
    r->p += len;
    return WSRT_OK;
}

/* r->p stands behind the opening quote, afterwards behind the closing one. */
static int read_string(struct reader *r, uint32_t *escaped)
{
    *escaped = 0;
    for (;;) {
        r->p = wsrt_scan_plain(r->p, r->end);
        if (r->p == r->end)
            return broken(r, r->p, "");
        if (*r->p == '"') {
            r->p++;
            return WSRT_OK;
        }
        if (*r->p == '\\') {
            *escaped = 1;
            int rc = read_escape(r);
            if (rc < 0)
                return rc;
            continue;
        }
        int len = wsrt_scan_utf8(r->p, r->end);
        if (len < 0)
            return broken(r, r->p, "Invalid UTF-8");
        if (len == 1)
            return broken(r, r->p, "Control character in a string");
        r->p += len;
    }
}

static int read_name(struct reader *r)
{
    uint32_t escaped;

    if (!take(r, '"'))
        return broken(r, r->p, "Expected a member name");
    int rc = read_string(r, &escaped);
    if (rc < 0)
        return rc;
    return take(r, ':') ? WSRT_OK : broken(r, r->p, "Expected ':'");
}

static int read_number(struct reader *r)
{
    const char *bad, *behind = wsrt_scan_number(r->p, r->end, &bad);

    if (behind == NULL)
        return broken(r, bad, "Invalid number");
    if (behind < r->end && *behind >= '0' && *behind <= '9')
        return broken(r, behind, "Invalid number: leading zero");
    r->p = behind;
    return WSRT_OK;
}

static int read_literal(struct reader *r, const char *literal)
{
    for (; *literal != '\0'; literal++, r->p++)
        if (r->p == r->end || *r->p != *literal)
            return broken(r, r->p, "Expected a value");
    return WSRT_OK;
}

static int open_container(struct reader *r, int object)
{
    if (r->depth == MAX_DEPTH) {
        broken(r, r->p, "Nested too deeply");
        return WSRT_ERR_LIMIT;
    }
    r->nest = r->nest << 1 | (uint64_t)object;
    r->depth++;
    r->p++;
    return WSRT_OK;
}

static void close_container(struct reader *r)
{
    r->nest >>= 1;
    r->depth--;
}

enum { OPENED = 1 }; /* beside WSRT_OK: a container with something in it */

static int read_opening(struct reader *r, int object)
{
    int rc = open_container(r, object);

    if (rc < 0)
        return rc;
    if (take(r, object ? '}' : ']')) {
        close_container(r);
        return WSRT_OK;
    }
    rc = object ? read_name(r) : WSRT_OK;
    return rc < 0 ? rc : OPENED;
}

/* What starts at r->p: a scalar or an empty container as a whole (WSRT_OK), or the opening of a
 * container up to its first value (OPENED). */
static int read_start(struct reader *r, uint32_t *escaped)
{
    skip_space(r);
    switch (r->p == r->end ? '\0' : *r->p) {
    case '{':
        return read_opening(r, 1);
    case '[':
        return read_opening(r, 0);
    case '"':
        r->p++;
        return read_string(r, escaped);
    case 't':
        return read_literal(r, "true");
    case 'f':
        return read_literal(r, "false");
    case 'n':
        return read_literal(r, "null");
    case '-':
    case '0':
    case '1':
    case '2':
    case '3':
    case '4':
    case '5':
    case '6':
    case '7':
    case '8':
    case '9':
        return read_number(r);
    default:
        return broken(r, r->p, "Expected a value");
    }
}

/* Behind a value: closes what ends here, until another value follows (OPENED) or the outermost is
 * complete (WSRT_OK). */
static int read_end(struct reader *r)
{
    while (r->depth > 0) {
        int object = (int)(r->nest & 1);
        if (take(r, ',')) {
            int rc = object ? read_name(r) : WSRT_OK;
            return rc < 0 ? rc : OPENED;
        }
        if (!take(r, object ? '}' : ']'))
            return broken(r, r->p, object ? "Expected ',' or '}'" : "Expected ',' or ']'");
        close_container(r);
    }
    return WSRT_OK;
}

static int read_value(struct reader *r, uint32_t *escaped)
{
    int rc;

    do {
        rc = read_start(r, escaped);
        if (rc == WSRT_OK)
            rc = read_end(r);
    } while (rc == OPENED);
    return rc;
}

static int kind_of(char first)
{
    switch (first) {
    case '{':
        return WSRT_JSON_OBJECT;
    case '[':
        return WSRT_JSON_ARRAY;
    case '"':
        return WSRT_JSON_STRING;
    case 't':
    case 'f':
        return WSRT_JSON_BOOL;
    case 'n':
        return WSRT_JSON_NULL;
    default:
        return WSRT_JSON_NUMBER;
    }
}

static wsrt_json value_of(const char *begin, const char *end, uint32_t escaped)
{
    wsrt_json value = {{begin, (size_t)(end - begin)}, kind_of(*begin), 0};

    if (value.kind == WSRT_JSON_STRING) {
        value.text = (wsrt_span){begin + 1, (size_t)(end - begin) - 2};
        value.escaped = escaped;
    }
    return value;
}

static int read_text(struct reader *r, wsrt_json *out)
{
    uint32_t escaped = 0;

    if (r->end - r->p >= 3 && memcmp(r->p, "\xef\xbb\xbf", 3) == 0)
        return broken(r, r->p, "Byte order mark");
    skip_space(r);
    const char *first = r->p;
    int rc = read_value(r, &escaped);
    if (rc < 0)
        return rc;
    *out = value_of(first, r->p, escaped);
    skip_space(r);
    return r->p == r->end ? WSRT_OK : broken(r, r->p, "Something follows the value");
}

int wsrt_json_parse(wsrt_json *out, wsrt_span text, wsrt_json_error *why)
{
    static const char nothing[1] = {0};
    const char *begin = text.ptr == NULL ? nothing : text.ptr;
    size_t len = text.ptr == NULL ? 0 : text.len;
    struct reader r = {.begin = begin, .p = begin, .end = begin + len};
    wsrt_json value;

    int rc = read_text(&r, &value);
    if (rc == WSRT_OK && out != NULL)
        *out = value;
    if (rc < 0 && why != NULL)
        *why = r.why;
    return rc;
}
