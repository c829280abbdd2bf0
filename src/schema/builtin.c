#include "schema/builtin.h"

#include "base/alloc.h"
#include "schema/reader.h"

#include <string.h>

#include "builtin_texts.h"

int wsrt_schema_builtin_text(const char *name_cstr, wsrt_span *out)
{
    if (name_cstr == NULL || out == NULL)
        return WSRT_ERR_NOT_FOUND;
    for (size_t i = 0; i < sizeof builtins / sizeof builtins[0]; i++)
        if (strcmp(builtins[i].name, name_cstr) == 0) {
            *out = (wsrt_span){(const char *)builtins[i].text, builtins[i].len};
            return WSRT_OK;
        }
    return WSRT_ERR_NOT_FOUND;
}

/* ---- actions ------------------------------------------------------------------------------ */

struct text {
    char *dst; /* NULL only counts */
    size_t len;
};

static void put(struct text *t, wsrt_span s)
{
    if (t->dst != NULL && s.len > 0)
        memcpy(t->dst + t->len, s.ptr, s.len);
    t->len += s.len;
}

static void put_cstr(struct text *t, const char *s)
{
    put(t, wsrt_span_cstr(s));
}

static int is_actions(const struct wsrt_tree *t)
{
    if (t->kind != WSRT_JSON_OBJECT)
        return 0;
    for (const struct wsrt_tree *i = t->child; i != NULL; i = i->next) {
        if (i->kind != WSRT_JSON_ARRAY)
            return 0;
        for (const struct wsrt_tree *k = i->child; k != NULL; k = k->next)
            if (k->kind != WSRT_JSON_STRING)
                return 0;
    }
    return 1;
}

/* Type names are plain words, since no other type passes the schema's own enum. */
static int is_word(wsrt_span s)
{
    for (size_t i = 0; i < s.len; i++)
        if (s.ptr[i] < 'a' || s.ptr[i] > 'z')
            return 0;
    return s.len > 0;
}

static void put_overlay(struct text *out, const struct wsrt_tree *actions)
{
    put_cstr(out, "{\"type\":\"object\",\"allOf\":[true");
    for (const struct wsrt_tree *i = actions->child; i != NULL; i = i->next) {
        put_cstr(out, ",{\"if\":{\"properties\":{\"type\":{\"const\":\"");
        put(out, i->name);
        put_cstr(out, "\"}},\"required\":[\"type\"]},\"then\":{\"properties\":{\"data\":"
                      "{\"properties\":{\"action\":{\"enum\":");
        put(out, i->raw);
        put_cstr(out, "}}}}}}");
    }
    put_cstr(out, "]}");
}

static int build_overlay(const wsrt_allocator *a, const struct wsrt_tree *actions, wsrt_span *out)
{
    struct text text = {0};

    if (!is_actions(actions))
        return WSRT_ERR_INVALID;
    for (const struct wsrt_tree *i = actions->child; i != NULL; i = i->next)
        if (!is_word(i->name))
            return WSRT_ERR_INVALID;
    put_overlay(&text, actions);
    char *dst = wsrt_mem_alloc(a, text.len);
    if (dst == NULL)
        return WSRT_ERR_NOMEM;
    text = (struct text){dst, 0};
    put_overlay(&text, actions);
    *out = (wsrt_span){dst, text.len};
    return WSRT_OK;
}

int wsrt_builtin_overlay(const wsrt_allocator *a, wsrt_span actions, wsrt_span *out)
{
    struct wsrt_read_error why;
    wsrt_arena arena;

    wsrt_arena_init(&arena, a, NULL, 0);
    const struct wsrt_tree *t = wsrt_read_tree(&arena, actions, &why);
    int rc = t != NULL       ? build_overlay(a, t, out)
             : why.code == 0 ? WSRT_ERR_NOMEM
                             : WSRT_ERR_INVALID;
    wsrt_arena_free(&arena);
    return rc;
}

void wsrt_builtin_overlay_free(const wsrt_allocator *a, wsrt_span overlay)
{
    char *text = NULL;

    memcpy(&text, &overlay.ptr, sizeof text); /* it was made here, as plain memory */
    wsrt_mem_free(a, text, overlay.len);
}
