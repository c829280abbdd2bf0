/* Who asks for the same: filters and sets of filters, each kept once. */
#include "stream/feed.h"

#include "base/hash.h"

#include <string.h>

/* ---- filters ------------------------------------------------------------------------------ */

static struct feed_filter *filter_at(const wsrt_feed *f, uint32_t slot)
{
    return wsrt_slots_at(&f->filters, slot);
}

static uint64_t hash_of(const wsrt_feed *f, wsrt_span text)
{
    return wsrt_hash(f->key, text.ptr, text.len);
}

static void drop_filter(wsrt_feed *f, struct feed_filter *e)
{
    if (--e->refs > 0)
        return;
    wsrt_index_drop(&f->filter_index, hash_of(f, wsrt_filter_text(e->filter)), e->slot);
    wsrt_slots_release(&f->filters, e->slot);
    wsrt_filter_free(e->filter);
    wsrt_store_free(&f->heap, e, sizeof *e);
}

static struct feed_filter *find_filter(const wsrt_feed *f, wsrt_span text, uint64_t hash)
{
    size_t step = 0;
    uint32_t slot;

    do
        slot = wsrt_index_next(&f->filter_index, hash, &step);
    while (slot != WSRT_NO_SLOT &&
           !wsrt_span_equal(wsrt_filter_text(filter_at(f, slot)->filter), text));
    return slot == WSRT_NO_SLOT ? NULL : filter_at(f, slot);
}

/* Takes over the compiled filter, in success and failure. */
static int keep_filter(wsrt_feed *f, wsrt_filter *compiled, struct feed_filter **out)
{
    wsrt_span text = wsrt_filter_text(compiled);
    uint64_t hash = hash_of(f, text);
    struct feed_filter *e = find_filter(f, text, hash);
    int rc = WSRT_ERR_LIMIT;

    if (e != NULL) {
        wsrt_filter_free(compiled);
        e->refs++;
        *out = e;
        return WSRT_OK;
    }
    if (f->filters.used < f->max_filters) {
        e = wsrt_store_alloc(&f->heap, sizeof *e);
        rc = WSRT_ERR_NOMEM;
    }
    if (e == NULL || wsrt_slots_reserve(&f->filters, &f->heap) != WSRT_OK ||
        wsrt_index_reserve(&f->filter_index, &f->heap) != WSRT_OK) {
        wsrt_filter_free(compiled);
        wsrt_store_free(&f->heap, e, sizeof *e);
        return rc;
    }
    *e = (struct feed_filter){.filter = compiled, .refs = 1};
    e->slot = wsrt_slots_take(&f->filters, e);
    wsrt_index_add(&f->filter_index, hash, e->slot);
    *out = e;
    return WSRT_OK;
}

/* ---- audiences ---------------------------------------------------------------------------- */

static struct feed_audience *audience_at(const wsrt_feed *f, uint32_t slot)
{
    return wsrt_slots_at(&f->audiences, slot);
}

static wsrt_span text_of(const struct feed_audience *a)
{
    return (wsrt_span){a->text, a->text_len};
}

static void free_audience(wsrt_feed *f, struct feed_audience *a)
{
    for (uint32_t i = 0; i < a->filter_count; i++)
        drop_filter(f, a->filters[i]);
    wsrt_store_free(&f->heap, a->members, a->member_cap * sizeof *a->members);
    wsrt_store_free(&f->heap, a, sizeof *a + a->text_len);
}

static int read_filters(wsrt_feed *f, struct feed_audience *a)
{
    wsrt_json root, element;
    wsrt_json_iter it = {0};
    wsrt_filter *compiled;
    int rc = wsrt_json_parse(&root, text_of(a), NULL);

    if (rc != WSRT_OK || root.kind != WSRT_JSON_ARRAY)
        return WSRT_ERR_REJECTED;
    while (wsrt_json_next(&root, &it, NULL, &element) == WSRT_OK) {
        if (a->filter_count == WSRT_FEED_OWN_MOST)
            return WSRT_ERR_LIMIT;
        rc = wsrt_filter_new(&compiled, element.text, &f->heap.allocator, NULL);
        if (rc == WSRT_OK)
            rc = keep_filter(f, compiled, &a->filters[a->filter_count]);
        if (rc != WSRT_OK)
            return rc == WSRT_ERR_MALFORMED ? WSRT_ERR_REJECTED : rc;
        a->filter_count++;
    }
    return WSRT_OK;
}

static int make_audience(wsrt_feed *f, wsrt_span text, uint64_t hash, struct feed_audience **out)
{
    struct feed_audience *a = wsrt_store_alloc(&f->heap, sizeof *a + text.len);

    if (a == NULL)
        return WSRT_ERR_NOMEM;
    memset(a, 0, sizeof *a);
    a->text_len = text.len;
    memcpy(a->text, text.ptr, text.len);
    int rc = read_filters(f, a);
    if (rc == WSRT_OK && (wsrt_slots_reserve(&f->audiences, &f->heap) != WSRT_OK ||
                          wsrt_index_reserve(&f->audience_index, &f->heap) != WSRT_OK))
        rc = WSRT_ERR_NOMEM;
    if (rc != WSRT_OK) {
        free_audience(f, a);
        return rc;
    }
    a->slot = wsrt_slots_take(&f->audiences, a);
    wsrt_index_add(&f->audience_index, hash, a->slot);
    *out = a;
    return WSRT_OK;
}

int wsrt_feed_audience(wsrt_feed *f, wsrt_span text, struct feed_audience **out)
{
    uint64_t hash = hash_of(f, text);
    size_t step = 0;
    uint32_t slot;

    do
        slot = wsrt_index_next(&f->audience_index, hash, &step);
    while (slot != WSRT_NO_SLOT && !wsrt_span_equal(text_of(audience_at(f, slot)), text));
    if (slot == WSRT_NO_SLOT)
        return make_audience(f, text, hash, out);
    *out = audience_at(f, slot);
    return WSRT_OK;
}

void wsrt_feed_audience_release(wsrt_feed *f, struct feed_audience *a)
{
    if (a == NULL || a->member_count > 0)
        return;
    wsrt_index_drop(&f->audience_index, hash_of(f, text_of(a)), a->slot);
    wsrt_slots_release(&f->audiences, a->slot);
    free_audience(f, a);
}

int wsrt_feed_audience_reserve(wsrt_feed *f, struct feed_audience *a)
{
    uint32_t cap = a->member_cap == 0 ? 4 : a->member_cap * 2;

    if (a->member_count < a->member_cap)
        return WSRT_OK;
    uint32_t *members = wsrt_store_alloc(&f->heap, cap * sizeof *members);
    if (members == NULL)
        return WSRT_ERR_NOMEM;
    if (a->member_count > 0)
        memcpy(members, a->members, a->member_count * sizeof *members);
    wsrt_store_free(&f->heap, a->members, a->member_cap * sizeof *members);
    a->members = members;
    a->member_cap = cap;
    return WSRT_OK;
}

void wsrt_feed_audiences_drop(wsrt_feed *f)
{
    uint32_t slot = 0;

    while ((slot = wsrt_slots_next(&f->audiences, slot)) != WSRT_NO_SLOT) {
        wsrt_feed_audience_release(f, audience_at(f, slot++));
    }
}

void wsrt_feed_tables_free(wsrt_feed *f)
{
    wsrt_feed_audiences_drop(f);
    wsrt_index_free(&f->audience_index, &f->heap);
    wsrt_slots_free(&f->audiences, &f->heap);
    wsrt_index_free(&f->filter_index, &f->heap);
    wsrt_slots_free(&f->filters, &f->heap);
}

/* ---- judging ------------------------------------------------------------------------------ */

static uint64_t judge_filter(wsrt_feed *f, struct feed_filter *e, const struct update *updates,
                             size_t count, wsrt_feed_report *report)
{
    if (e->judged == f->batch)
        return e->mask;
    e->judged = f->batch;
    e->mask = 0;
    for (size_t i = 0; i < count; i++) {
        wsrt_span type = wsrt_span_cstr(wsrt_change_name(updates[i].kind));
        e->mask |= (uint64_t)wsrt_filter_matches(e->filter, type, updates[i].data) << i;
    }
    report->evaluations += count;
    return e->mask;
}

uint64_t wsrt_feed_judge(wsrt_feed *f, struct feed_audience *a, const struct update *updates,
                         size_t count, wsrt_feed_report *report)
{
    uint64_t mask = 0;

    for (uint32_t i = 0; i < a->filter_count; i++)
        mask |= judge_filter(f, a->filters[i], updates, count, report);
    return mask;
}
