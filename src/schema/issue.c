/* What is wrong, and how it is told. */
#include "schema/run.h"

#include "schema/value.h"

#include <string.h>

/* ---- default texts ------------------------------------------------------------------------ */

static const char *expected_text(uint32_t types, int got)
{
    static const char *const texts[7][7] = {
        /* in the order of wsrt_json_kind, got null to object; the last row is integer */
        {"", "Expected null, got boolean", "Expected null, got number", "Expected null, got string",
         "Expected null, got array", "Expected null, got object", ""},
        {"Expected boolean, got null", "", "Expected boolean, got number",
         "Expected boolean, got string", "Expected boolean, got array",
         "Expected boolean, got object", ""},
        {"Expected number, got null", "Expected number, got boolean", "",
         "Expected number, got string", "Expected number, got array", "Expected number, got object",
         ""},
        {"Expected string, got null", "Expected string, got boolean", "Expected string, got number",
         "", "Expected string, got array", "Expected string, got object", ""},
        {"Expected array, got null", "Expected array, got boolean", "Expected array, got number",
         "Expected array, got string", "", "Expected array, got object", ""},
        {"Expected object, got null", "Expected object, got boolean", "Expected object, got number",
         "Expected object, got string", "Expected object, got array", "", ""},
        {"Expected integer, got null", "Expected integer, got boolean",
         "Expected integer, got number with a fraction", "Expected integer, got string",
         "Expected integer, got array", "Expected integer, got object", ""},
    };

    for (int kind = WSRT_JSON_NULL; kind <= 7; kind++)
        if (types == (uint32_t)1 << kind)
            return texts[kind - 1][got - 1];
    return "Wrong type";
}

static const char *default_text(const struct wsrt_check *c, int got)
{
    switch (c->issue) {
    case WSRT_ISSUE_INVALID_TYPE:
        return expected_text(c->a, got);
    case WSRT_ISSUE_INVALID_VALUE:
        return "Not one of the allowed values";
    case WSRT_ISSUE_TOO_SMALL:
        return got == WSRT_JSON_STRING   ? "Too short"
               : got == WSRT_JSON_ARRAY  ? "Too few items"
               : got == WSRT_JSON_OBJECT ? "Too few members"
                                         : "Too small";
    case WSRT_ISSUE_TOO_BIG:
        return got == WSRT_JSON_STRING   ? "Too long"
               : got == WSRT_JSON_ARRAY  ? "Too many items"
               : got == WSRT_JSON_OBJECT ? "Too many members"
                                         : "Too big";
    case WSRT_ISSUE_INVALID_FORMAT:
        return "Wrong format";
    case WSRT_ISSUE_NOT_MULTIPLE_OF:
        return "Not a multiple";
    case WSRT_ISSUE_NOT_UNIQUE:
        return "Items are not unique";
    case WSRT_ISSUE_REQUIRED:
        return "Required";
    case WSRT_ISSUE_UNRECOGNIZED_KEY:
        return "Unknown member";
    case WSRT_ISSUE_INVALID_UNION:
        return "Matches none, or too many, of the alternatives";
    default:
        return "Not allowed";
    }
}

/* ---- raising ------------------------------------------------------------------------------ */

static wsrt_issue *place_issue(struct wsrt_run *r)
{
    wsrt_validation *v = r->v;

    r->rejected = 1;
    if ((r->flags & WSRT_VALIDATE_COLLECT_ALL) == 0)
        r->dead = 1;
    v->issue_total++;
    return v->issue_count < v->issue_cap ? &v->issues[v->issue_count++] : NULL;
}

wsrt_issue *wsrt_issue_raise(struct wsrt_run *r, const struct wsrt_check *c, int got,
                             const unsigned char *from, const unsigned char *to)
{
    wsrt_issue *out = place_issue(r);

    if (out == NULL)
        return NULL;
    *out = (wsrt_issue){.code = (int32_t)c->issue,
                        .got = got,
                        .offset = (size_t)(from - r->in.base),
                        .length = to == NULL ? 0 : (size_t)(to - from),
                        .keyword_cstr = r->s->text + c->keyword,
                        .node = (uint32_t)(c - r->s->checks)};
    out->expected_types = c->issue == WSRT_ISSUE_INVALID_TYPE ? c->a : 0;
    out->text_cstr = c->text != 0 ? r->s->text + c->text : default_text(c, got);
    if (c->limit != 0)
        out->limit = wsrt_span_cstr(r->s->text + c->limit);
    return out;
}

void wsrt_issue_duplicate(struct wsrt_run *r, const unsigned char *object,
                          const unsigned char *name, const unsigned char *end)
{
    struct wsrt_child it = {.p = object + 1};
    struct wsrt_lex in = r->in;
    wsrt_issue *out = place_issue(r);

    if (out == NULL)
        return;
    *out = (wsrt_issue){.code = WSRT_ISSUE_DUPLICATE_KEY,
                        .offset = (size_t)(name - 1 - in.base),
                        .length = (size_t)(end + 1 - (name - 1)),
                        .keyword_cstr = "",
                        .text_cstr = "Member given twice",
                        .node = WSRT_NONE};
    while (wsrt_child_next(&in, &it, 1))
        if (wsrt_text_equal(it.name, it.name_end, name, end)) {
            out->other_offset = (size_t)(it.name - 1 - in.base);
            return;
        }
}

/* ---- pointers ----------------------------------------------------------------------------- */

struct writer {
    char *dst;
    size_t cap;
    size_t len;
    int cut;
};

/* Appends a token, whole or not at all. */
static void put_token(struct writer *w, const unsigned char *text, size_t len)
{
    size_t need = 1;

    for (size_t i = 0; i < len; i++)
        need += text[i] == '/' || text[i] == '~' ? 2 : 1;
    if (w->cut || need >= w->cap - w->len) {
        w->cut = 1;
        return;
    }
    w->dst[w->len++] = '/';
    for (size_t i = 0; i < len; i++) {
        int escaped = text[i] == '/' || text[i] == '~';
        w->dst[w->len++] = escaped ? '~' : (char)text[i];
        if (escaped)
            w->dst[w->len++] = text[i] == '/' ? '1' : '0';
    }
}

static void put_index(struct writer *w, uint64_t index)
{
    unsigned char digits[20];
    size_t at = sizeof digits;

    do {
        digits[--at] = (unsigned char)('0' + index % 10);
        index /= 10;
    } while (index > 0);
    put_token(w, digits + at, sizeof digits - at);
}

/* A name that stands in the schema is no secret of the message's. */
static int is_schema_name(const wsrt_schema *s, const unsigned char *name, const unsigned char *end,
                          wsrt_span *plain)
{
    for (uint64_t i = 0; i < s->image->table[WSRT_TABLE_PROPS].count; i++) {
        const struct wsrt_prop *p = &s->props[i];
        if (wsrt_name_equals(name, end, s->text + p->name, p->len)) {
            *plain = (wsrt_span){s->text + p->name, p->len};
            return 1;
        }
    }
    return 0;
}

static int is_visible(uint32_t point)
{
    return point >= 0x20 && point != '"' && point != '\\' && (point < 0x7f || point >= 0xa0) &&
           point != 0x061c && point != 0xfeff && !(point >= 0xd800 && point <= 0xdfff) &&
           !(point >= 0x200b && point <= 0x200f) && !(point >= 0x2028 && point <= 0x202e) &&
           !(point >= 0x2066 && point <= 0x2069);
}

static size_t put_hidden(unsigned char *dst, uint32_t point)
{
    static const char hex[] = "0123456789abcdef";

    dst[0] = '\\';
    dst[1] = 'u';
    for (int i = 0; i < 4; i++)
        dst[2 + i] = (unsigned char)hex[point >> (12 - 4 * i) & 15];
    return 6;
}

/* An unknown name as it may be shown: escaped, at most 64 bytes. */
static void put_shown(struct writer *w, const unsigned char *name, const unsigned char *end)
{
    unsigned char text[64];
    size_t len = 0;
    int32_t point;

    while (len + 6 <= sizeof text && (point = wsrt_lex_point(&name, end)) >= 0)
        len += is_visible((uint32_t)point) ? wsrt_lex_encode(text + len, (uint32_t)point)
                                           : put_hidden(text + len, (uint32_t)point);
    put_token(w, text, len);
}

static void put_name(struct writer *w, const wsrt_schema *s, const struct wsrt_child *it,
                     uint32_t flags)
{
    wsrt_span plain;

    if (is_schema_name(s, it->name, it->name_end, &plain))
        put_token(w, (const unsigned char *)plain.ptr, plain.len);
    else if (flags & WSRT_VALIDATE_SHOW_NAMES)
        put_shown(w, it->name, it->name_end);
    else
        put_token(w, (const unsigned char *)"*", 1);
}

/* Walks from the root to the value at `offset`, one token a level. */
static void put_path(struct writer *w, const wsrt_schema *s, struct wsrt_lex *in, size_t offset,
                     uint32_t flags)
{
    const unsigned char *p = wsrt_lex_space(in->base, in->end), *want = in->base + offset;

    while (p < in->end && p < want && (*p == '{' || *p == '[')) {
        int object = *p == '{';
        struct wsrt_child it = {.p = p + 1};
        uint64_t index = 0;
        while (wsrt_child_next(in, &it, object) && it.end <= want)
            index++;
        if (it.end == NULL || it.end <= want)
            return;
        if (object)
            put_name(w, s, &it, flags);
        else
            put_index(w, index);
        p = it.value;
    }
}

static int finish_pointer(const struct writer *w, size_t *len)
{
    w->dst[w->len] = '\0';
    if (len != NULL)
        *len = w->len;
    return w->cut ? WSRT_ERR_LIMIT : WSRT_OK;
}

int wsrt_issue_pointer(const wsrt_schema *s, const void *msg, size_t msg_len,
                       const wsrt_issue *issue, uint32_t flags, char *dst, size_t cap, size_t *len)
{
    struct writer w = {.dst = dst, .cap = cap};
    unsigned char levels[513];
    struct wsrt_lex in = {.base = msg,
                          .max_depth = 4096,
                          .max_number_len = UINT32_MAX,
                          .lone_surrogates = 1,
                          .levels = levels};

    if (s == NULL || issue == NULL || dst == NULL || cap == 0 || (msg == NULL && msg_len > 0) ||
        (flags & ~(uint32_t)WSRT_VALIDATE_SHOW_NAMES) != 0 || issue->offset > msg_len)
        return WSRT_ERR_INVALID;
    if (issue->code < WSRT_ISSUE_JSON_SYNTAX && msg_len > 0) {
        in.end = in.loadable = in.base + msg_len;
        put_path(&w, s, &in, issue->offset, flags);
        if (issue->member.ptr != NULL)
            put_token(&w, (const unsigned char *)issue->member.ptr, issue->member.len);
    }
    return finish_pointer(&w, len);
}

int wsrt_issue_schema_pointer(const wsrt_schema *s, const wsrt_issue *issue, char *dst, size_t cap,
                              size_t *len)
{
    struct writer w = {.dst = dst, .cap = cap};

    if (s == NULL || issue == NULL || dst == NULL || cap == 0)
        return WSRT_ERR_INVALID;
    if (issue->node >= s->image->table[WSRT_TABLE_CHECKS].count)
        return finish_pointer(&w, len);
    const char *origin = s->text + s->checks[issue->node].origin;
    size_t size = strlen(origin), fit = size < cap ? size : cap - 1;
    w.cut = fit < size;
    while (w.cut && fit > 0 && origin[fit] != '/')
        fit--;
    memcpy(dst, origin, fit);
    w.len = fit;
    if (issue->keyword_cstr[0] != '\0')
        put_token(&w, (const unsigned char *)issue->keyword_cstr, strlen(issue->keyword_cstr));
    return finish_pointer(&w, len);
}

/* ---- the envelope's array ----------------------------------------------------------------- */

static void write_limits(wsrt_json_writer *w, const wsrt_issue *issue)
{
    if (issue->limit.len == 0 ||
        (issue->code != WSRT_ISSUE_TOO_SMALL && issue->code != WSRT_ISSUE_TOO_BIG))
        return;
    wsrt_json_key(w, "limits");
    wsrt_json_object(w);
    wsrt_json_key(w, issue->code == WSRT_ISSUE_TOO_SMALL ? "min" : "max");
    wsrt_json_raw(w, issue->limit);
    wsrt_json_object_end(w);
}

void wsrt_issues_write(wsrt_json_writer *w, const wsrt_schema *s, const void *msg, size_t msg_len,
                       const wsrt_validation *v)
{
    char path[256];
    size_t len;

    wsrt_json_array(w);
    for (size_t i = 0; i < v->issue_count; i++) {
        const wsrt_issue *issue = &v->issues[i];
        len = 0;
        if (wsrt_issue_pointer(s, msg, msg_len, issue, 0, path, sizeof path, &len) ==
            WSRT_ERR_INVALID)
            len = 0;
        wsrt_json_object(w);
        wsrt_json_key(w, "path");
        wsrt_json_string(w, (wsrt_span){path, len});
        wsrt_json_key(w, "code");
        wsrt_json_string_cstr(w, wsrt_issue_code_name(issue->code));
        wsrt_json_key(w, "message");
        wsrt_json_string_cstr(w, issue->text_cstr);
        write_limits(w, issue);
        wsrt_json_object_end(w);
    }
    wsrt_json_array_end(w);
}
