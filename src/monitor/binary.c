#include "monitor/binary.h"

#include "monitor/business.h"
#include "monitor/document.h"

#include "base/alloc.h"
#include "base/hash.h"

/* Values whose text stays here, of each operation and category. */
struct folded {
    uint64_t all[CATEGORIES];
    uint64_t good[CATEGORIES];
};

static void put_bytes(struct pen *p, const void *data, size_t len)
{
    if (p->status == WSRT_OK)
        p->status = wsrt_document_append(&p->to, data, len);
}

void wsrt_pen_put(struct pen *p, uint64_t n)
{
    unsigned char bytes[10];
    size_t len = 0;

    for (; n >= 0x80; n >>= 7)
        bytes[len++] = (unsigned char)(n | 0x80);
    bytes[len++] = (unsigned char)n;
    put_bytes(p, bytes, len);
}

void wsrt_pen_text(struct pen *p, const char *text, size_t len)
{
    wsrt_pen_put(p, len);
    put_bytes(p, text, len);
}

static void put_chunks(struct pen *p, const wsrt_snapshot *s, int id)
{
    const struct operation_view *v = &s->operations[id];
    const uint32_t *counters = v->counters;

    wsrt_pen_put(p, v->chunk_count);
    for (unsigned c = 0; c < s->monitor->chunks; c++) {
        if (v->place[c] == 0)
            continue;
        wsrt_pen_put(p, c);
        for (unsigned i = 0; i < CHUNK_COUNTERS; i++)
            wsrt_pen_put(p, *counters++);
    }
}

static void put_minutes(struct pen *p, const struct export *e, int id)
{
    struct minute_view *room = p->minutes;
    size_t count = e->is_delta ? 0 : wsrt_ring_read(e->snapshot->monitor, id, room);

    wsrt_pen_put(p, count);
    for (size_t i = 0; i < count; i++) {
        wsrt_pen_put(p, room[i].age);
        wsrt_pen_put(p, room[i].count);
        wsrt_pen_put(p, room[i].errors);
        wsrt_pen_put(p, room[i].sum);
        wsrt_pen_put(p, room[i].max);
        wsrt_pen_put(p, room[i].p50);
        wsrt_pen_put(p, room[i].p99);
    }
}

static void put_operation(struct pen *p, const struct export *e, int id)
{
    const struct operation_view *v = &e->snapshot->operations[id];

    wsrt_pen_text(p, v->operation->name, v->operation->name_len);
    for (unsigned i = 0; i < WINDOW_DURATION; i++)
        wsrt_pen_put(p, v->sums.counters[i]);
    for (unsigned i = 0; i < NUMBERS; i++) {
        wsrt_pen_put(p, v->sums.sum[i]);
        wsrt_pen_put(p, v->sums.count[i]);
    }
    for (unsigned i = 0; i < CATEGORIES; i++) {
        wsrt_pen_put(p, v->sums.overflow[i] + p->folded[id].all[i]);
        wsrt_pen_put(p, v->sums.overflow_good[i] + p->folded[id].good[i]);
    }
    put_chunks(p, e->snapshot, id);
    put_minutes(p, e, id);
}

/* Errors have registered names; of what clients say only what a metric names is told. A value may be
 * of an operation that came after the operations had been read. */
static int is_told(const wsrt_snapshot *s, const struct value_view *v)
{
    return v->value->operation < s->operation_count &&
           (v->value->category == ERROR_CATEGORY || wsrt_business_tells(v->value));
}

static void fold_values(struct pen *p, const wsrt_snapshot *s)
{
    for (size_t i = 0; i < s->value_count; i++) {
        const struct value *v = s->values[i].value;
        if (v->operation >= s->operation_count || is_told(s, &s->values[i]))
            continue;
        p->folded[v->operation].all[v->category] += s->values[i].all;
        p->folded[v->operation].good[v->category] += s->values[i].good;
    }
}

static void put_values(struct pen *p, const wsrt_snapshot *s)
{
    size_t count = 0;

    for (size_t i = 0; i < s->value_count; i++)
        count += (size_t)is_told(s, &s->values[i]);
    wsrt_pen_put(p, count);
    for (size_t i = 0; i < s->value_count; i++) {
        const struct value *v = s->values[i].value;
        if (!is_told(s, &s->values[i]))
            continue;
        wsrt_pen_put(p, v->operation);
        wsrt_pen_put(p, v->category);
        wsrt_pen_text(p, v->text, v->len);
        wsrt_pen_put(p, s->values[i].all);
        wsrt_pen_put(p, s->values[i].good);
    }
}

static void put_hash(struct pen *p)
{
    uint64_t hash = wsrt_hash(0, p->to.data, p->to.len);
    unsigned char bytes[BINARY_HASH_LEN];

    for (int i = 0; i < BINARY_HASH_LEN; i++)
        bytes[i] = (unsigned char)(hash >> (8 * i));
    put_bytes(p, bytes, sizeof bytes);
}

static void put_all(struct pen *p, const struct export *e)
{
    const wsrt_snapshot *s = e->snapshot;

    fold_values(p, s);
    put_bytes(p, BINARY_MAGIC, BINARY_MAGIC_LEN);
    wsrt_pen_put(p, BINARY_VERSION);
    wsrt_pen_put(p, e->is_delta ? 0 : BINARY_SINCE_START);
    wsrt_pen_put(p, s->monitor->bits);
    wsrt_pen_put(p, e->options->wall < 0 ? 0 : (uint64_t)e->options->wall);
    wsrt_pen_put(p, (uint64_t)s->operation_count);
    for (int id = 0; id < s->operation_count; id++)
        put_operation(p, e, id);
    put_values(p, s);
    for (int i = 0; i < SELVES; i++)
        wsrt_pen_put(p, s->self[i]);
    wsrt_own_write(p, s);
    if (p->status == WSRT_OK)
        put_hash(p);
}

int wsrt_export_binary(const struct export *e)
{
    const wsrt_allocator *a = &e->snapshot->monitor->allocator;
    size_t minutes = TREND_MINUTES * sizeof(struct minute_view);
    size_t folded = (size_t)e->snapshot->operation_count * sizeof(struct folded);
    struct pen p = {.minutes = wsrt_mem_alloc(a, minutes), .folded = wsrt_mem_zalloc(a, folded)};

    wsrt_document_init(&p.to, a);
    p.status = p.minutes == NULL || p.folded == NULL ? WSRT_ERR_NOMEM : WSRT_OK;
    if (p.status == WSRT_OK)
        put_all(&p, e);
    if (p.status == WSRT_OK)
        p.status = wsrt_document_send(&p.to, e);
    wsrt_document_free(&p.to);
    wsrt_mem_free(a, p.folded, folded);
    wsrt_mem_free(a, p.minutes, minutes);
    return p.status;
}
