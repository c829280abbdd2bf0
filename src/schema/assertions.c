/* Keywords that judge a value by itself. */
#include "schema/keywords.h"

#include "schema/decimal.h"
#include "schema/format.h"

#include <string.h>

static const struct limit_keyword {
    const char *name;
    int kind;
    int issue;
} limits[] = {
    {"minLength", WSRT_CHECK_MIN_LENGTH, WSRT_ISSUE_TOO_SMALL},
    {"maxLength", WSRT_CHECK_MAX_LENGTH, WSRT_ISSUE_TOO_BIG},
    {"x-wsrt-minBytes", WSRT_CHECK_MIN_BYTES, WSRT_ISSUE_TOO_SMALL},
    {"x-wsrt-maxBytes", WSRT_CHECK_MAX_BYTES, WSRT_ISSUE_TOO_BIG},
    {"x-wsrt-minUtf16Length", WSRT_CHECK_MIN_UTF16, WSRT_ISSUE_TOO_SMALL},
    {"x-wsrt-maxUtf16Length", WSRT_CHECK_MAX_UTF16, WSRT_ISSUE_TOO_BIG},
    {"minProperties", WSRT_CHECK_MIN_PROPERTIES, WSRT_ISSUE_TOO_SMALL},
    {"maxProperties", WSRT_CHECK_MAX_PROPERTIES, WSRT_ISSUE_TOO_BIG},
    {"minItems", WSRT_CHECK_MIN_ITEMS, WSRT_ISSUE_TOO_SMALL},
    {"maxItems", WSRT_CHECK_MAX_ITEMS, WSRT_ISSUE_TOO_BIG},
};
static const struct limit_keyword bounds[] = {
    {"minimum", WSRT_CHECK_MINIMUM, WSRT_ISSUE_TOO_SMALL},
    {"exclusiveMinimum", WSRT_CHECK_EXCLUSIVE_MINIMUM, WSRT_ISSUE_TOO_SMALL},
    {"maximum", WSRT_CHECK_MAXIMUM, WSRT_ISSUE_TOO_BIG},
    {"exclusiveMaximum", WSRT_CHECK_EXCLUSIVE_MAXIMUM, WSRT_ISSUE_TOO_BIG},
    {"multipleOf", WSRT_CHECK_MULTIPLE_OF, WSRT_ISSUE_NOT_MULTIPLE_OF},
};

static const struct limit_keyword *find_limit(const struct limit_keyword *list, size_t count,
                                              wsrt_span name)
{
    for (size_t i = 0; i < count; i++)
        if (wsrt_span_equal(name, wsrt_span_cstr(list[i].name)))
            return &list[i];
    return NULL;
}

int wsrt_kw_limit(struct wsrt_compiler *c, struct wsrt_source *s, struct wsrt_tree *v)
{
    const struct limit_keyword *k = find_limit(limits, sizeof limits / sizeof *limits, v->name);
    uint64_t n;
    int rc = wsrt_kw_count(c, v, &n);

    if (rc != WSRT_OK)
        return rc;
    struct wsrt_rule *r = wsrt_rule_new(c, s, k->kind, k->issue, k->name);
    if (r == NULL)
        return WSRT_ERR_NOMEM;
    r->n = n;
    r->limit = v->raw;
    return WSRT_OK;
}

int wsrt_kw_bound(struct wsrt_compiler *c, struct wsrt_source *s, struct wsrt_tree *v)
{
    const struct limit_keyword *k = find_limit(bounds, sizeof bounds / sizeof *bounds, v->name);

    if (v->kind != WSRT_JSON_NUMBER)
        return wsrt_wrong_type(c, v, "Expected a number");
    if (k->kind == WSRT_CHECK_MULTIPLE_OF) {
        struct wsrt_exact d = wsrt_exact_read((const unsigned char *)v->raw.ptr, v->raw.len);
        if (d.sign <= 0)
            return wsrt_compile_fail(c, WSRT_SCHEMA_VALUE, v, "multipleOf must be above 0");
        if (d.count > 18)
            return wsrt_compile_fail(c, WSRT_SCHEMA_LIMIT, v, "multipleOf has over 18 digits");
    }
    struct wsrt_rule *r = wsrt_rule_new(c, s, k->kind, k->issue, k->name);
    if (r == NULL)
        return WSRT_ERR_NOMEM;
    r->limit = v->raw;
    return WSRT_OK;
}

static uint32_t type_bit(wsrt_span name)
{
    static const struct {
        const char *name;
        uint32_t bit;
    } types[] = {{"null", 1 << WSRT_JSON_NULL},     {"boolean", 1 << WSRT_JSON_BOOL},
                 {"number", 1 << WSRT_JSON_NUMBER}, {"string", 1 << WSRT_JSON_STRING},
                 {"array", 1 << WSRT_JSON_ARRAY},   {"object", 1 << WSRT_JSON_OBJECT},
                 {"integer", WSRT_TYPE_INTEGER}};

    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (wsrt_span_equal(name, wsrt_span_cstr(types[i].name)))
            return types[i].bit;
    return 0;
}

int wsrt_kw_type(struct wsrt_compiler *c, struct wsrt_source *s, struct wsrt_tree *v)
{
    struct wsrt_tree *one = v->kind == WSRT_JSON_ARRAY ? v->child : v;
    uint32_t bits = 0;

    if (one == NULL)
        return wsrt_compile_fail(c, WSRT_SCHEMA_VALUE, v, "An empty list of types");
    for (; one != NULL; one = v->kind == WSRT_JSON_ARRAY ? one->next : NULL) {
        if (one->kind != WSRT_JSON_STRING)
            return wsrt_wrong_type(c, one, "Expected the name of a type");
        uint32_t bit = type_bit(one->text);
        if (bit == 0 || (bits & bit) != 0)
            return wsrt_compile_fail(c, WSRT_SCHEMA_VALUE, one,
                                     bit == 0 ? "Unknown type" : "A type twice");
        bits |= bit;
    }
    if (bits & 1 << WSRT_JSON_NUMBER)
        bits &= ~(uint32_t)WSRT_TYPE_INTEGER;
    struct wsrt_rule *r = wsrt_rule_new(c, s, WSRT_CHECK_TYPE, WSRT_ISSUE_INVALID_TYPE, "type");
    if (r == NULL)
        return WSRT_ERR_NOMEM;
    r->bits = bits;
    s->types = bits;
    return WSRT_OK;
}

int wsrt_kw_enum(struct wsrt_compiler *c, struct wsrt_source *s, struct wsrt_tree *v)
{
    if (v->kind != WSRT_JSON_ARRAY)
        return wsrt_wrong_type(c, v, "Expected an array");
    struct wsrt_rule *r = wsrt_rule_new(c, s, WSRT_CHECK_ENUM, WSRT_ISSUE_INVALID_VALUE, "enum");
    if (r == NULL)
        return WSRT_ERR_NOMEM;
    r->value = v;
    return WSRT_OK;
}

int wsrt_kw_const(struct wsrt_compiler *c, struct wsrt_source *s, struct wsrt_tree *v)
{
    struct wsrt_rule *r = wsrt_rule_new(c, s, WSRT_CHECK_CONST, WSRT_ISSUE_INVALID_VALUE, "const");

    if (r == NULL)
        return WSRT_ERR_NOMEM;
    r->value = v;
    return WSRT_OK;
}

int wsrt_kw_pattern(struct wsrt_compiler *c, struct wsrt_source *s, struct wsrt_tree *v)
{
    struct wsrt_pattern *pattern;

    if (v->kind != WSRT_JSON_STRING)
        return wsrt_wrong_type(c, v, "Expected a string");
    int rc = wsrt_kw_compile_pattern(c, v, v->text, &pattern);
    if (rc != WSRT_OK || pattern->kind == WSRT_PATTERN_ALL)
        return rc;
    int kind = pattern->kind == WSRT_PATTERN_CLASS ? WSRT_CHECK_CLASS : WSRT_CHECK_REGEX;
    struct wsrt_rule *r = wsrt_rule_new(c, s, kind, WSRT_ISSUE_INVALID_FORMAT, "pattern");
    if (r == NULL)
        return WSRT_ERR_NOMEM;
    r->pattern = pattern;
    return WSRT_OK;
}

int wsrt_kw_format(struct wsrt_compiler *c, struct wsrt_source *s, struct wsrt_tree *v)
{
    if (v->kind != WSRT_JSON_STRING)
        return wsrt_wrong_type(c, v, "Expected a string");
    if ((c->options->flags & WSRT_SCHEMA_ASSERT_FORMAT) == 0)
        return WSRT_OK;
    uint32_t format = wsrt_format_find(v->text);
    if (format == 0)
        return wsrt_compile_fail(c, WSRT_SCHEMA_FORMAT_UNKNOWN, v,
                                 "This format cannot be asserted");
    struct wsrt_rule *r =
        wsrt_rule_new(c, s, WSRT_CHECK_FORMAT, WSRT_ISSUE_INVALID_FORMAT, "format");
    if (r == NULL)
        return WSRT_ERR_NOMEM;
    r->bits = format;
    return WSRT_OK;
}

int wsrt_kw_unique(struct wsrt_compiler *c, struct wsrt_source *s, struct wsrt_tree *v)
{
    if (v->kind != WSRT_JSON_BOOL)
        return wsrt_wrong_type(c, v, "Expected true or false");
    if (v->raw.ptr[0] == 'f')
        return WSRT_OK;
    return wsrt_rule_new(c, s, WSRT_CHECK_UNIQUE_ITEMS, WSRT_ISSUE_NOT_UNIQUE, "uniqueItems") ==
                   NULL
               ? WSRT_ERR_NOMEM
               : WSRT_OK;
}

static int names_list(struct wsrt_compiler *c, const struct wsrt_tree *v)
{
    if (v->kind != WSRT_JSON_ARRAY)
        return wsrt_wrong_type(c, v, "Expected an array of names");
    for (struct wsrt_tree *t = v->child; t != NULL; t = t->next) {
        if (t->kind != WSRT_JSON_STRING)
            return wsrt_wrong_type(c, t, "Expected a name");
        for (struct wsrt_tree *o = v->child; o != t; o = o->next)
            if (wsrt_span_equal(o->text, t->text))
                return wsrt_compile_fail(c, WSRT_SCHEMA_VALUE, t, "A name twice");
        wsrt_compile_count(c, t->index);
        int rc = wsrt_compile_goes_on(c, t);
        if (rc != WSRT_OK)
            return rc;
    }
    return WSRT_OK;
}

int wsrt_kw_require(struct wsrt_compiler *c, struct wsrt_source *s, struct wsrt_tree *v,
                    const char *keyword)
{
    int dependent = v->name.ptr != NULL && strcmp(keyword, "required") != 0;
    int rc = names_list(c, v);

    for (struct wsrt_tree *t = v->child; rc == WSRT_OK && t != NULL; t = t->next) {
        struct wsrt_rule *r =
            wsrt_rule_new(c, s, dependent ? WSRT_CHECK_DEPENDENT_REQUIRED : WSRT_CHECK_REQUIRED,
                          WSRT_ISSUE_REQUIRED, keyword);
        if (r == NULL || wsrt_named_get(c, &s->props, t->text) == NULL ||
            (dependent && wsrt_named_get(c, &s->props, v->name) == NULL))
            return WSRT_ERR_NOMEM;
        r->value = t;
        r->text = wsrt_message_for(s, keyword, t->text);
        rc = wsrt_compile_goes_on(c, t);
    }
    return rc;
}

int wsrt_kw_required(struct wsrt_compiler *c, struct wsrt_source *s, struct wsrt_tree *v)
{
    return wsrt_kw_require(c, s, v, "required");
}

int wsrt_kw_dependent_required(struct wsrt_compiler *c, struct wsrt_source *s, struct wsrt_tree *v)
{
    int rc = v->kind == WSRT_JSON_OBJECT ? WSRT_OK : wsrt_wrong_type(c, v, "Expected an object");

    for (struct wsrt_tree *t = v->child; rc == WSRT_OK && t != NULL; t = t->next)
        rc = wsrt_kw_require(c, s, t, "dependentRequired");
    return rc;
}
