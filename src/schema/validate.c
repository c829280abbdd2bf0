#include <wsrt/schema.h>

#include "base/options.h"
#include "schema/run.h"

#include <string.h>

enum {
    DEFAULT_BYTES = 131072,
    DEFAULT_DEPTH = 64,
    DEEPEST = 4096,
    DEFAULT_NUMBER = 1024,
    UNIQUE_BYTES = 16384,
    PADDING = 32,
    KNOWN_FLAGS = WSRT_VALIDATE_COLLECT_ALL | WSRT_VALIDATE_REJECT_UNKNOWN_DUPLICATES |
                  WSRT_VALIDATE_ALLOW_LONE_SURROGATE | WSRT_VALIDATE_SHOW_NAMES |
                  WSRT_VALIDATE_INPUT_PADDED
};

static int load(wsrt_validate_options *out, const wsrt_validate_options *given)
{
    int rc = WSRT_OK;

    if (given != NULL && given->struct_size == sizeof *out)
        *out = *given; /* no other release: nothing to translate */
    else
        rc = wsrt_options_load(out, sizeof *out, sizeof *out, given);
    if (rc != WSRT_OK)
        return rc;
    if (out->flags & ~(uint32_t)KNOWN_FLAGS || out->max_depth > DEEPEST)
        return WSRT_ERR_INVALID;
    out->max_bytes = out->max_bytes == 0 ? DEFAULT_BYTES : out->max_bytes;
    out->max_depth = out->max_depth == 0 ? DEFAULT_DEPTH : out->max_depth;
    out->max_number_len = out->max_number_len == 0 ? DEFAULT_NUMBER : out->max_number_len;
    return WSRT_OK;
}

static size_t levels_size(const wsrt_validate_options *o)
{
    return o->max_depth / 8 + 1;
}

static size_t scratch_size(const wsrt_schema *s, const wsrt_validate_options *o)
{
    int names = (o->flags & WSRT_VALIDATE_REJECT_UNKNOWN_DUPLICATES) != 0;
    size_t depth = s->image->depth < o->max_depth && !names ? s->image->depth : o->max_depth;
    size_t frame = ((sizeof(struct wsrt_frame) + 15) & ~(size_t)15) + s->group_size;

    return levels_size(o) + 16 + depth * frame + 2 * s->group_size + s->image->scratch_extra +
           (s->image->unique || names ? UNIQUE_BYTES : 0);
}

size_t wsrt_schema_scratch(const wsrt_schema *s, const wsrt_validate_options *opts)
{
    wsrt_validate_options o;

    return s == NULL || load(&o, opts) != WSRT_OK ? 0 : scratch_size(s, &o);
}

/* ---- the answer --------------------------------------------------------------------------- */

static void clear_slots(const wsrt_schema *s, const wsrt_validation *v)
{
    size_t count = (size_t)s->image->table[WSRT_TABLE_SLOTS].count;

    count = count < v->slot_cap ? count : v->slot_cap;
    if (count > 0)
        memset(v->slots, 0, count * sizeof *v->slots);
}

static int class_of(int code)
{
    switch (code) {
    case WSRT_ISSUE_JSON_DEPTH:
    case WSRT_ISSUE_JSON_SIZE:
    case WSRT_ISSUE_LIMIT:
        return WSRT_ERR_LIMIT;
    default:
        return WSRT_ERR_MALFORMED;
    }
}

/* A fault of the text replaces what was found before it. */
static int answer_fault(struct wsrt_run *r)
{
    wsrt_validation *v = r->v;

    v->issue_total = 1;
    v->issue_count = v->issue_cap > 0;
    if (v->issue_cap > 0) {
        size_t at = (size_t)(r->in.at - r->in.base), len = (size_t)(r->in.end - r->in.base);
        v->issues[0] = (wsrt_issue){.code = r->in.code,
                                    .offset = at,
                                    .length = at < len,
                                    .keyword_cstr = "",
                                    .text_cstr = r->in.text,
                                    .node = WSRT_NONE};
    }
    clear_slots(r->s, v);
    return class_of(r->in.code);
}

/* Turns `count` issues behind `from` into the place of `to`. */
static void rotate(wsrt_issue *list, size_t to, size_t from, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        wsrt_issue one = list[from + i];
        memmove(list + to + i + 1, list + to + i, (from - to) * sizeof *list);
        list[to + i] = one;
    }
}

/* Judges the branch that got furthest once more, aloud, and puts its issues behind the summary. */
static int explain(struct wsrt_run *r, size_t at)
{
    wsrt_validation *v = r->v;
    wsrt_issue summary = v->issues[at];
    size_t before = v->issue_count, total = v->issue_total;
    int replace = (summary.flags & WSRT_ISSUE_REPLACE) != 0;
    unsigned char *bump = r->bump;

    v->issues[at].aux = 0;
    v->issues[at].flags = 0;
    if (!replace && (r->flags & WSRT_VALIDATE_COLLECT_ALL) == 0)
        return 1; /* the summary is the first issue */
    if (summary.length > r->work)
        return 1;
    r->work -= summary.length;
    r->dead = 0;
    wsrt_run_value(r, r->in.base + summary.offset, summary.aux);
    r->bump = bump;
    r->in.code = 0;
    size_t found = v->issue_count - before;
    if (replace && v->issue_total > total)
        v->issue_total--;
    rotate(v->issues, at + 1, before, found);
    if (replace && found > 0) {
        memmove(v->issues + at, v->issues + at + 1, (v->issue_count - at - 1) * sizeof *v->issues);
        v->issue_count--;
        return 0; /* look at this place again */
    }
    return 1;
}

static int answer(struct wsrt_run *r)
{
    wsrt_validation *v = r->v;

    if (!r->rejected)
        return WSRT_OK;
    for (size_t i = 0; i < v->issue_count;)
        i += v->issues[i].aux == 0 || explain(r, i);
    clear_slots(r->s, v);
    return WSRT_ERR_REJECTED;
}

/* ---- entry -------------------------------------------------------------------------------- */

static int run(struct wsrt_run *r)
{
    const unsigned char *p = wsrt_lex_space(r->in.base, r->in.end);

    p = wsrt_run_value(r, p, r->s->image->root);
    if (p != NULL) {
        p = wsrt_lex_space(p, r->in.end);
        if (p < r->in.end)
            wsrt_lex_fault(&r->in, WSRT_ISSUE_JSON_TRAILING, p, "Something follows the value");
    }
    return r->in.code != 0 ? answer_fault(r) : answer(r);
}

static int is_usable(const wsrt_schema *s, const void *msg, size_t len, const wsrt_validation *v)
{
    return s != NULL && wsrt_size_valid(v, sizeof *v) && (msg != NULL || len == 0) &&
           (v->slots != NULL || v->slot_cap == 0) && (v->issues != NULL || v->issue_cap == 0) &&
           v->scratch != NULL;
}

/* Everything but the message. One by one: clearing it all first costs as much as a short message. */
static void prepare(struct wsrt_run *r, const wsrt_schema *s, wsrt_validation *v,
                    const wsrt_validate_options *o)
{
    unsigned char *scratch = v->scratch;

    if (v->struct_size > sizeof *v)
        memset(v + 1, 0, v->struct_size - sizeof *v);
    r->in.max_depth = o->max_depth;
    r->in.max_number_len = o->max_number_len;
    r->in.lone_surrogates = (o->flags & WSRT_VALIDATE_ALLOW_LONE_SURROGATE) != 0;
    r->in.code = 0;
    r->in.at = NULL;
    r->in.text = NULL;
    r->in.kernel = s->kernel;
    r->in.levels = scratch;
    r->s = s;
    r->v = v;
    r->flags = o->flags;
    r->dead = r->rejected = 0;
    r->hash_key = (uint64_t)(uintptr_t)scratch * 0x9e3779b97f4a7c15u ^ o->hash_key;
    r->bump = scratch + levels_size(o);
    r->bump += -(uintptr_t)r->bump & 15;
    r->bump_end = scratch + v->scratch_cap;
}

int wsrt_validate(const wsrt_schema *s, const void *msg, size_t len,
                  const wsrt_validate_options *opts, wsrt_validation *v)
{
    static const unsigned char nothing[1] = {0};
    const unsigned char *base = len == 0 ? nothing : msg;
    wsrt_validate_options o;

    if (!is_usable(s, msg, len, v))
        return WSRT_ERR_INVALID;
    int rc = load(&o, opts);
    if (rc != WSRT_OK)
        return rc;
    if (v->flags != 0 || v->scratch_cap < scratch_size(s, &o))
        return WSRT_ERR_INVALID;
    v->issue_count = v->issue_total = 0;
    clear_slots(s, v);
    struct wsrt_run r;
    prepare(&r, s, v, &o);
    r.in.base = base;
    r.in.end = r.in.loadable = len > o.max_bytes ? base : base + len;
    if (len > o.max_bytes) { /* nothing of it is looked at */
        wsrt_lex_fault(&r.in, WSRT_ISSUE_JSON_SIZE, base, "Message too large");
        return answer_fault(&r);
    }
    r.work = o.work_limit != 0 ? o.work_limit : 128 * (uint64_t)len + 65536;
    if (len > r.work) {
        wsrt_lex_fault(&r.in, WSRT_ISSUE_LIMIT, base, "Too much work");
        return answer_fault(&r);
    }
    r.work -= len;
    if (len > 0 && (o.flags & WSRT_VALIDATE_INPUT_PADDED))
        r.in.loadable += PADDING;
    return run(&r);
}
