/* What other modules tell when they are asked: samples, whose labels are kept once a snapshot. */
#include "monitor/catalogue.h"
#include "monitor/own.h"
#include "monitor/document.h"

#include "base/alloc.h"
#include "base/hash.h"

#include <string.h>

struct wsrt_samples {
    wsrt_snapshot *snapshot;
    struct family *family;
    int status;
};

/* ---- sets of labels ---- */

static int has_labels(const struct label_set *set, const wsrt_field *labels, size_t count)
{
    if (set->count != count)
        return 0;
    for (size_t i = 0; i < count; i++)
        if (strcmp(set->labels[i].name, labels[i].name_cstr) != 0 ||
            !wsrt_span_equal(set->labels[i].value, labels[i].text))
            return 0;
    return 1;
}

static uint64_t hash_of(const wsrt_snapshot *s, const wsrt_field *labels, size_t count)
{
    uint64_t hash = s->monitor->key;

    for (size_t i = 0; i < count; i++) {
        hash = wsrt_hash(hash, labels[i].name_cstr, strlen(labels[i].name_cstr));
        hash = wsrt_hash(hash, labels[i].text.ptr, labels[i].text.len);
    }
    return hash;
}

static struct label_set *find_set(const wsrt_snapshot *s, uint64_t hash, const wsrt_field *labels,
                                  size_t count)
{
    struct label_set *set = s->sets.chains[hash % SET_CHAINS];

    while (set != NULL && (set->hash != hash || !has_labels(set, labels, count)))
        set = set->chain;
    return set;
}

static struct label_set *new_set(wsrt_snapshot *s, uint64_t hash, const wsrt_field *labels,
                                 size_t count)
{
    struct label_set *set = wsrt_snapshot_room(s, 1, sizeof *set + count * sizeof set->labels[0]);

    for (size_t i = 0; set != NULL && i < count; i++) {
        char *name = wsrt_arena_copy(&s->arena, wsrt_span_cstr(labels[i].name_cstr));
        char *value = wsrt_arena_copy(&s->arena, labels[i].text);
        if (name == NULL || value == NULL)
            return NULL;
        set->labels[i] = (struct label){name, {value, labels[i].text.len}};
        set->count++;
    }
    if (set == NULL)
        return NULL;
    set->hash = hash;
    set->number = s->sets.count++;
    set->chain = s->sets.chains[hash % SET_CHAINS];
    s->sets.chains[hash % SET_CHAINS] = set;
    *s->sets.last = set;
    s->sets.last = &set->next;
    return set;
}

static const struct label_set *set_of(wsrt_snapshot *s, const wsrt_field *labels, size_t count)
{
    struct label_set *set = s->sets.expected;

    if (set == NULL || !has_labels(set, labels, count)) {
        uint64_t hash = hash_of(s, labels, count);
        set = find_set(s, hash, labels, count);
        if (set == NULL)
            set = new_set(s, hash, labels, count);
    }
    s->sets.expected = set == NULL || set->next == NULL ? s->sets.first : set->next;
    return set;
}

/* ---- sources: called without the lock, over a copy of their list ---- */

/* One of another name than those before it; the label `environment` is the monitor's own. */
static int label_fits(const wsrt_field *labels, size_t which, char names[][MAX_FAMILY])
{
    if (labels[which].kind != WSRT_FIELD_TEXT || !wsrt_source_name_fits(labels[which].name_cstr))
        return 0;
    wsrt_snake_case(names[which], labels[which].name_cstr);
    for (size_t i = 0; i < which; i++)
        if (strcmp(names[i], names[which]) == 0)
            return 0;
    return strcmp(names[which], "environment") != 0;
}

static int labels_fit(const wsrt_field *labels, size_t count)
{
    char names[MAX_LABELS][MAX_FAMILY];

    if (count > MAX_LABELS || (count > 0 && labels == NULL))
        return 0;
    for (size_t i = 0; i < count; i++)
        if (!label_fits(labels, i, names))
            return 0;
    return 1;
}

struct sample *wsrt_family_add(wsrt_snapshot *s, struct family *f, const wsrt_field *labels,
                               size_t count, double number)
{
    const struct label_set *set = set_of(s, labels, count);
    struct sample *fresh = set == NULL ? NULL : wsrt_snapshot_room(s, 1, sizeof *fresh);

    if (fresh == NULL)
        return NULL;
    fresh->number = number;
    fresh->set = set;
    *f->last = fresh;
    f->last = &fresh->next;
    return fresh;
}

int wsrt_sample_value(const struct family *f, const struct sample *s, double *out)
{
    *out = s->number;
    if (f->kind == FAMILY_MEAN)
        *out = s->count > 0 ? s->number / s->count : 0;
    return f->kind != FAMILY_MEAN || s->count > 0;
}

const char *wsrt_family_help(const struct family *f)
{
    return f->own != NULL ? f->own->help : "A metric of the application.";
}

void wsrt_family_name(const struct family *f, char out[FAMILY_NAME])
{
    const char *before = f->own != NULL ? "wsrt_business_" : "wsrt_app_";

    if (f->metric != NULL) {
        memcpy(out, f->metric->prometheus, strlen(f->metric->prometheus) + 1);
        return;
    }
    memcpy(out, before, strlen(before));
    wsrt_name_abroad(out + strlen(before), f->name);
}

int wsrt_dimension_fits(wsrt_span value)
{
    int seen = 0;

    for (size_t i = 0; i < value.len; i++) {
        if (value.ptr[i] < ' ' || value.ptr[i] > '~')
            return 0;
        seen |= value.ptr[i] != ' ';
    }
    return seen && value.len <= MAX_DIMENSION && value.ptr[0] != ':';
}

int wsrt_sample(wsrt_samples *to, const wsrt_field *labels, size_t count, double value)
{
    if (to == NULL || !labels_fit(labels, count))
        return WSRT_ERR_INVALID;
    if (!is_finite(value)) {
        count_up(&to->snapshot->monitor->export_dropped, 1, 1);
        return WSRT_OK;
    }
    if (wsrt_family_add(to->snapshot, to->family, labels, count, value) == NULL) {
        to->status = WSRT_ERR_NOMEM;
        return WSRT_ERR_NOMEM;
    }
    return WSRT_OK;
}

struct family *wsrt_family_new(wsrt_snapshot *s, const char *name, int kind)
{
    struct family **at = &s->families;
    struct family *fresh = wsrt_snapshot_room(s, 1, sizeof *fresh);

    if (fresh == NULL)
        return NULL;
    fresh->name = name;
    fresh->kind = kind;
    fresh->last = &fresh->samples;
    while (*at != NULL)
        at = &(*at)->next;
    *at = fresh;
    return fresh;
}

/* Names of the catalogue are known by their row, so that only the user's own are compared. */
static int is_named(const struct family *f, const struct metric *metric, const char *name)
{
    return f->metric == metric && (metric != NULL || strcmp(f->name, name) == 0);
}

static struct family *family_of(wsrt_snapshot *s, const struct source *source)
{
    struct family *f = s->families;

    while (f != NULL && !is_named(f, source->metric, source->name))
        f = f->next;
    if (f == NULL)
        f = wsrt_family_new(s, source->name, source->kind);
    if (f != NULL)
        f->metric = source->metric;
    return f;
}

static int read_source(wsrt_snapshot *s, const struct source *source)
{
    wsrt_samples samples = {s, family_of(s, source), WSRT_OK};

    if (samples.family == NULL)
        return WSRT_ERR_NOMEM;
    s->sets.expected = s->sets.first;
    source->read(&samples, source->user);
    return samples.status;
}

static size_t list_sources(const wsrt_snapshot *s, struct source *to, size_t room)
{
    wsrt_monitor *m = s->monitor;

    pthread_mutex_lock(&m->lock);
    size_t count = m->source_count;
    for (size_t i = 0; i < count && i < room; i++)
        to[i] = *m->sources[i];
    pthread_mutex_unlock(&m->lock);
    return count;
}

int wsrt_samples_take(wsrt_snapshot *s)
{
    size_t room = list_sources(s, NULL, 0);
    struct source *sources = wsrt_snapshot_room(s, room, sizeof *sources);

    s->sets.last = &s->sets.first;
    if (sources == NULL)
        return WSRT_ERR_NOMEM;
    size_t count = list_sources(s, sources, room);
    int rc = WSRT_OK;
    for (size_t i = 0; rc == WSRT_OK && i < count && i < room; i++)
        rc = read_source(s, &sources[i]);
    return rc == WSRT_OK ? wsrt_own_samples(s) : rc;
}

/* ---- by labels ---- */

static size_t wanted(const struct picking *how)
{
    size_t count = 0;

    for (const struct family *f = how->snapshot->families; f != NULL; f = f->next)
        for (const struct sample *x = how->wants(f, how->user) ? f->samples : NULL; x != NULL;
             x = x->next)
            count++;
    return count;
}

/* `last` holds an empty place for each set. */
static void chain(const struct picking *how, struct pick *picks, struct pick **last)
{
    for (const struct family *f = how->snapshot->families; f != NULL; f = f->next) {
        const struct sample *x = how->wants(f, how->user) ? f->samples : NULL;
        for (; x != NULL; x = x->next) {
            struct pick *p = picks++, **end = &last[x->set->number];
            *p = (struct pick){f, x, NULL};
            if (*end != NULL)
                (*end)->next = p;
            *end = p;
        }
    }
}

int wsrt_samples_pick(const struct picking *how)
{
    const wsrt_allocator *a = &how->snapshot->monitor->allocator;
    size_t count = wanted(how), sets = how->snapshot->sets.count;
    size_t size = count * sizeof(struct pick) + sets * sizeof(struct pick *);
    int rc = WSRT_OK;

    if (count == 0)
        return WSRT_OK;
    struct pick *picks = wsrt_mem_zalloc(a, size);
    if (picks == NULL)
        return WSRT_ERR_NOMEM;
    struct pick **last = (struct pick **)(void *)(picks + count);
    chain(how, picks, last);
    memset(last, 0, sets * sizeof *last);
    for (size_t i = 0; rc >= 0 && i < count; i++) {
        struct pick **told = &last[picks[i].sample->set->number];
        if (*told == NULL)
            rc = how->take(&picks[i], how->user);
        *told = &picks[i];
    }
    wsrt_mem_free(a, picks, size);
    return rc < 0 ? rc : WSRT_OK;
}

/* ---- what is new since another snapshot ---- */

static int is_same_set(const struct label_set *a, const struct label_set *b)
{
    if (a->hash != b->hash || a->count != b->count)
        return 0;
    for (size_t i = 0; i < a->count; i++)
        if (strcmp(a->labels[i].name, b->labels[i].name) != 0 ||
            !wsrt_span_equal(a->labels[i].value, b->labels[i].value))
            return 0;
    return 1;
}

/* For each set of `now` by its number that of `base`, or NULL. */
static const struct label_set **sets_before(wsrt_snapshot *now, const wsrt_snapshot *base)
{
    const struct label_set **out = wsrt_snapshot_room(now, now->sets.count, sizeof *out);

    for (const struct label_set *set = now->sets.first; out != NULL && set != NULL;
         set = set->next) {
        const struct label_set *old = base->sets.chains[set->hash % SET_CHAINS];
        while (old != NULL && !is_same_set(old, set))
            old = old->chain;
        out[set->number] = old;
    }
    return out;
}

static const struct family *family_in(const wsrt_snapshot *s, const struct family *like)
{
    const struct family *f = s->families;

    while (f != NULL && (f->own != like->own || !is_named(f, like->metric, like->name)))
        f = f->next;
    return f;
}

/* Sources mostly write the same series in the same order: look behind the last one found first. */
static const struct sample *sample_in(const struct family *f, const struct label_set *set,
                                      const struct sample **hint)
{
    const struct sample *s = *hint;

    if (set == NULL)
        return NULL;
    if (s == NULL || s->set != set)
        s = f->samples;
    while (s != NULL && s->set != set)
        s = s->next;
    if (s != NULL)
        *hint = s->next;
    return s;
}

/* What went down began anew. */
static void subtract_samples(const struct family *f, const struct family *old,
                             const struct label_set *const *before)
{
    const struct sample *hint = old->samples;

    for (struct sample *s = f->samples; s != NULL; s = s->next) {
        const struct sample *known = sample_in(old, before[s->set->number], &hint);
        if (known != NULL && known->number <= s->number)
            s->number -= known->number;
    }
}

/* Those that are new stand before the old ones, so both walks agree; the overflow is behind them. */
static void subtract_own(const struct family *f, const struct family *old)
{
    const struct sample *known = old->samples;

    for (struct sample *s = f->samples; s != NULL && known != NULL; s = s->next) {
        if (s->origin != known->origin)
            continue;
        s->number -= known->number;
        s->count -= known->count;
        known = known->next;
    }
}

static int copy_samples(wsrt_snapshot *now, struct family *f)
{
    const struct sample *from = f->samples;

    for (f->last = &f->samples; from != NULL; from = from->next) {
        struct sample *s = wsrt_snapshot_copy(now, from, sizeof *from);
        *f->last = s;
        if (s == NULL)
            return WSRT_ERR_NOMEM;
        f->last = &s->next;
    }
    return WSRT_OK;
}

int wsrt_samples_since(wsrt_snapshot *now, wsrt_snapshot *delta, const wsrt_snapshot *base)
{
    const struct label_set **before = sets_before(now, base);
    struct family **at = &delta->families;

    if (before == NULL)
        return WSRT_ERR_NOMEM;
    for (const struct family *from = now->families; from != NULL; from = from->next) {
        const struct family *old = family_in(base, from);
        struct family *f = wsrt_snapshot_copy(now, from, sizeof *from);
        *at = f;
        if (f == NULL)
            return WSRT_ERR_NOMEM;
        at = &f->next;
        if (f->kind == WSRT_SOURCE_GAUGE || old == NULL)
            continue;
        if (copy_samples(now, f) != WSRT_OK)
            return WSRT_ERR_NOMEM;
        if (f->own != NULL)
            subtract_own(f, old);
        else
            subtract_samples(f, old, before);
    }
    return WSRT_OK;
}
