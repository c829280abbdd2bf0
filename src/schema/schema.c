#include <wsrt/schema.h>

#include "base/alloc.h"
#include "base/options.h"
#include "schema/builtin.h"
#include "schema/compile.h"

#include <string.h>

enum {
    KNOWN_FLAGS = WSRT_SCHEMA_STRICT | WSRT_SCHEMA_LENIENT | WSRT_SCHEMA_ASSERT_FORMAT |
                  WSRT_SCHEMA_DRAFT_07 | WSRT_SCHEMA_DRAFT_2020_12
};

const char *wsrt_schema_code_name(int code)
{
    static const char *const names[] = {"schema_unknown",
                                        "schema_json",
                                        "schema_duplicate_key",
                                        "schema_type",
                                        "schema_value",
                                        "schema_dialect",
                                        "schema_keyword_unsupported",
                                        "schema_keyword_unknown",
                                        "schema_ref_unresolved",
                                        "schema_ref_cycle",
                                        "schema_pattern_syntax",
                                        "schema_pattern_unsupported",
                                        "schema_format_unknown",
                                        "schema_limit"};

    return names[code >= WSRT_SCHEMA_JSON && code <= WSRT_SCHEMA_LIMIT ? code : 0];
}

const char *wsrt_issue_code_name(int code)
{
    static const char *const names[] = {
        "unknown",        "invalid_type",    "invalid_value", "too_small", "too_big",
        "invalid_format", "not_multiple_of", "not_unique",    "required",  "unrecognized_key",
        "duplicate_key",  "invalid_union",   "forbidden",     "custom",    "json_syntax",
        "json_utf8",      "json_trailing",   "json_depth",    "json_size", "limit"};

    return names[code >= WSRT_ISSUE_INVALID_TYPE && code <= WSRT_ISSUE_LIMIT ? code : 0];
}

int wsrt_schema_options_load(wsrt_schema_options *out, const wsrt_schema_options *given)
{
    uint32_t both = WSRT_SCHEMA_STRICT | WSRT_SCHEMA_LENIENT;
    uint32_t drafts = WSRT_SCHEMA_DRAFT_07 | WSRT_SCHEMA_DRAFT_2020_12;
    int rc = wsrt_options_load(out, sizeof *out, sizeof *out, given);

    if (rc == WSRT_OK && ((out->flags & ~(uint32_t)KNOWN_FLAGS) || (out->flags & both) == both ||
                          (out->flags & drafts) == drafts))
        rc = WSRT_ERR_INVALID;
    if (rc == WSRT_OK && ((out->resources == NULL && out->resource_count > 0) ||
                          (out->warnings == NULL && out->warning_cap > 0)))
        rc = WSRT_ERR_INVALID;
    wsrt_allocator given_allocator = out->allocator;
    return rc == WSRT_OK ? wsrt_allocator_load(&out->allocator, &given_allocator) : rc;
}

int wsrt_schema_new(wsrt_schema **out, const void *json, size_t len,
                    const wsrt_schema_options *opts, wsrt_schema_error *why)
{
    wsrt_schema_options o;
    wsrt_span text = {json, len}, none = {NULL, 0};

    if (out == NULL)
        return WSRT_ERR_INVALID;
    *out = NULL;
    int rc = wsrt_schema_options_load(&o, opts);
    if (rc == WSRT_OK && (json == NULL || o.actions.len > 0))
        rc = WSRT_ERR_INVALID;
    return rc == WSRT_OK ? wsrt_compile(&o, text, none, why, out) : rc;
}

int wsrt_schema_builtin(wsrt_schema **out, const char *name_cstr, const wsrt_schema_options *opts)
{
    wsrt_schema_options o;
    wsrt_span text, overlay = {NULL, 0};

    if (out == NULL)
        return WSRT_ERR_INVALID;
    *out = NULL;
    int rc = wsrt_schema_options_load(&o, opts);
    if (rc == WSRT_OK)
        rc = wsrt_schema_builtin_text(name_cstr, &text);
    if (rc == WSRT_OK && o.actions.len > 0)
        rc = wsrt_builtin_overlay(&o.allocator, o.actions, &overlay);
    if (rc == WSRT_OK)
        rc = wsrt_compile(&o, text, overlay, NULL, out);
    if (overlay.ptr != NULL)
        wsrt_builtin_overlay_free(&o.allocator, overlay);
    return rc;
}

void wsrt_schema_free(wsrt_schema *s)
{
    if (s != NULL) {
        wsrt_allocator allocator = s->allocator;
        wsrt_mem_free(&allocator, s, s->size);
    }
}

int wsrt_schema_slot(const wsrt_schema *s, const char *name_cstr)
{
    if (s == NULL || name_cstr == NULL)
        return WSRT_ERR_NOT_FOUND;
    for (uint64_t i = 0; i < s->image->table[WSRT_TABLE_SLOTS].count; i++)
        if (strcmp(s->text + s->slots[i].text, name_cstr) == 0)
            return (int)i;
    return WSRT_ERR_NOT_FOUND;
}

int wsrt_schema_slot_count(const wsrt_schema *s)
{
    return s == NULL ? 0 : (int)s->image->table[WSRT_TABLE_SLOTS].count;
}

void wsrt_slot_json(const wsrt_slot *slot, wsrt_json *out)
{
    *out = (wsrt_json){
        .text = slot->text, .kind = slot->kind, .escaped = (slot->flags & WSRT_SLOT_ESCAPED) != 0};
}
