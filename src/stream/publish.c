/* Updates come in: as JSON text, or as records of a stream. */
#include "stream/feed.h"

#include "base/hash.h"
#include "base/options.h"

#include <string.h>

enum { KEY_MOST = 255 };

const char *wsrt_change_name(int kind)
{
    return kind == WSRT_CHANGE_INSERT ? "INSERT" : kind == WSRT_CHANGE_REMOVE ? "REMOVE" : "MODIFY";
}

/* ---- updates ------------------------------------------------------------------------------ */

static int member(const wsrt_json *object, wsrt_span name, wsrt_json *out)
{
    wsrt_json_iter it = {0};
    wsrt_json key;

    while (wsrt_json_next(object, &it, &key, out) == WSRT_OK)
        if (wsrt_json_equal(&key, name))
            return 1;
    return 0;
}

/* Type and id as written, one byte that no JSON text has between them. */
static int write_key(const wsrt_feed *f, wsrt_arena *a, struct update *u)
{
    wsrt_json data = {.text = u->data, .kind = WSRT_JSON_OBJECT}, type, id;
    int typed = member(&data, f->type_member, &type);

    if (!member(&data, f->id_member, &id) ||
        (id.kind != WSRT_JSON_STRING && id.kind != WSRT_JSON_NUMBER))
        return WSRT_OK;
    size_t type_len = typed && type.kind == WSRT_JSON_STRING ? type.text.len : 0;
    if (type_len + 1 + id.text.len > KEY_MOST)
        return WSRT_OK;
    char *dst = wsrt_arena_alloc(a, type_len + 1 + id.text.len);
    if (dst == NULL)
        return WSRT_ERR_NOMEM;
    if (type_len > 0)
        memcpy(dst, type.text.ptr, type_len);
    dst[type_len] = '\x1f';
    memcpy(dst + type_len + 1, id.text.ptr, id.text.len);
    u->key = (wsrt_span){dst, type_len + 1 + id.text.len};
    return WSRT_OK;
}

int wsrt_feed_update_write(wsrt_feed *f, wsrt_arena *a, struct update *out, wsrt_span data,
                           int64_t timestamp, int kind)
{
    size_t cap = data.len + 96, len = 0;
    char *dst = wsrt_arena_alloc(a, cap);
    wsrt_json_writer w;

    if (dst == NULL)
        return WSRT_ERR_NOMEM;
    *out = (struct update){.timestamp = timestamp, .kind = kind};
    wsrt_json_writer_init(&w, dst, cap, 0);
    wsrt_json_object(&w);
    wsrt_json_key(&w, "eventType");
    wsrt_json_string_cstr(&w, wsrt_change_name(kind));
    wsrt_json_key(&w, "timestamp");
    wsrt_json_write_int64(&w, timestamp);
    wsrt_json_key(&w, "data");
    wsrt_json_raw(&w, data);
    wsrt_json_object_end(&w);
    int rc = wsrt_json_finish(&w, &len);
    if (rc != WSRT_OK)
        return rc;
    if (len > f->max_message - 256)
        return WSRT_ERR_TOO_LARGE;
    out->text = (wsrt_span){dst, len};
    out->data = (wsrt_span){dst + len - 1 - data.len, data.len};
    return write_key(f, a, out);
}

/* ---- what all ways in share --------------------------------------------------------------- */

/* The table of latest values first: who subscribes later learns of it there. WSRT_STALE = known. */
static int keep_one(const wsrt_feed *f, const wsrt_latest_entry *e)
{
    const wsrt_latest *to = &f->latest;
    wsrt_latest_entry put = *e;
    int rc = WSRT_ERR_INTERNAL;

    put.flags = 0;
    for (uint32_t turn = 0; turn < f->attempts && rc < 0; turn++)
        rc = (e->flags & WSRT_LATEST_REMOVED) != 0
                 ? to->ops->remove(to->self, &e->key, e->timestamp)
                 : to->ops->put(to->self, &put);
    return rc;
}

static int first_error(int rc, const int *results, size_t n)
{
    for (size_t i = 0; i < n && rc == WSRT_OK; i++)
        rc = results[i] < 0 ? results[i] : WSRT_OK;
    return rc;
}

/* All together where the table can. Asked again, what was kept before is of the same instant, and is
 * no older than itself. */
static int keep_entries(const wsrt_feed *f, const wsrt_latest_entry *entries, size_t n,
                        int *results)
{
    const wsrt_latest *to = &f->latest;
    int rc = n == 0 ? WSRT_OK : WSRT_ERR_INTERNAL;

    if (n > 1 && to->ops->change != NULL) {
        for (uint32_t turn = 0; turn < f->attempts && rc < 0; turn++)
            rc = first_error(to->ops->change(to->self, entries, n, results), results, n);
        return rc;
    }
    for (size_t i = 0; i < n; i++) {
        rc = results[i] = keep_one(f, &entries[i]);
        if (rc < 0)
            return rc;
    }
    return WSRT_OK;
}

static int keep_latest(wsrt_feed *f, const struct update *updates, size_t count, int *results)
{
    wsrt_latest_entry entries[WSRT_FEED_BATCH];
    size_t of[WSRT_FEED_BATCH], n = 0;
    int kept[WSRT_FEED_BATCH];

    memset(results, 0, count * sizeof *results); /* WSRT_OK */
    for (size_t i = 0; f->latest.ops != NULL && i < count; i++) {
        const struct update *u = &updates[i];
        if (u->key.len == 0)
            continue;
        entries[n] = (wsrt_latest_entry){.struct_size = sizeof entries[n],
                                         .key = u->key,
                                         .value = u->text,
                                         .timestamp = u->timestamp};
        if (u->kind == WSRT_CHANGE_REMOVE)
            entries[n].flags = WSRT_LATEST_REMOVED;
        of[n++] = i;
    }
    int rc = keep_entries(f, entries, n, kept);
    for (size_t i = 0; i < n && rc == WSRT_OK; i++)
        results[of[i]] = kept[i];
    return rc;
}

/* Tells up to WSRT_FEED_BATCH updates, or keeps them for the tick. Those known already are left out. */
int wsrt_feed_release(wsrt_feed *f, struct update *updates, size_t count, wsrt_feed_report *report)
{
    int results[WSRT_FEED_BATCH];
    size_t kept = 0;
    int known = keep_latest(f, updates, count, results);

    if (known != WSRT_OK)
        return known;
    for (size_t i = 0; i < count; i++) {
        report->stale += results[i] == WSRT_STALE;
        if (results[i] == WSRT_OK)
            updates[kept++] = updates[i];
    }
    report->updates += kept;
    if (f->coalesce == 0)
        return kept == 0 ? WSRT_OK : wsrt_feed_deliver(f, updates, kept, report);
    for (size_t i = 0; i < kept; i++) {
        int rc = wsrt_feed_wait(f, &updates[i]);
        if (rc != WSRT_OK)
            return rc;
    }
    return WSRT_OK;
}

static int begin_report(wsrt_feed_report *mine, wsrt_feed_report *given)
{
    *mine = (wsrt_feed_report){.struct_size = sizeof *mine};
    return given == NULL ? WSRT_OK
                         : wsrt_report_fill(given, sizeof *mine, sizeof(wsrt_feed_report), mine);
}

static int end_report(const wsrt_feed_report *mine, wsrt_feed_report *given, int rc)
{
    if (given != NULL)
        (void)wsrt_report_fill(given, sizeof *mine, sizeof(wsrt_feed_report), mine);
    return rc;
}

/* ---- text --------------------------------------------------------------------------------- */

/* The updates of one call. */
struct intake {
    wsrt_feed *f;
    wsrt_arena arena;
    wsrt_allocator allocator;
    struct update *updates;
    size_t count;
    size_t cap;
    int64_t wall;
    wsrt_span text;
    wsrt_json_error *why;
};

static int refuse(const struct intake *in, wsrt_span at, const char *text)
{
    if (in->why != NULL)
        *in->why = (wsrt_json_error){(size_t)(at.ptr - in->text.ptr), text};
    return WSRT_ERR_REJECTED;
}

static struct update *next_update(struct intake *in)
{
    if (in->count == in->cap) {
        size_t cap = in->cap == 0 ? WSRT_FEED_BATCH : in->cap * 2;
        struct update *more = wsrt_arena_alloc(&in->arena, cap * sizeof *more);
        if (more == NULL)
            return NULL;
        if (in->count > 0)
            memcpy(more, in->updates, in->count * sizeof *more);
        in->updates = more;
        in->cap = cap;
    }
    return &in->updates[in->count];
}

static int read_kind(const struct intake *in, const wsrt_json *update, int *kind)
{
    wsrt_json value;

    *kind = WSRT_CHANGE_MODIFY;
    if (!member(update, wsrt_span_cstr("eventType"), &value))
        return WSRT_OK;
    for (int i = WSRT_CHANGE_INSERT; i <= WSRT_CHANGE_REMOVE; i++) {
        if (wsrt_json_equal(&value, wsrt_span_cstr(wsrt_change_name(i)))) {
            *kind = i;
            return WSRT_OK;
        }
    }
    return refuse(in, value.text, "eventType is INSERT, MODIFY or REMOVE");
}

static int take_update(struct intake *in, const wsrt_json *update)
{
    struct update *u = next_update(in);
    wsrt_json data, time;
    int64_t timestamp = in->wall;
    int kind;

    if (u == NULL)
        return WSRT_ERR_NOMEM;
    if (update->kind != WSRT_JSON_OBJECT)
        return refuse(in, update->text, "an update is an object");
    if (!member(update, wsrt_span_cstr("data"), &data) || data.kind != WSRT_JSON_OBJECT)
        return refuse(in, update->text, "an update has an object data");
    if (member(update, wsrt_span_cstr("timestamp"), &time) &&
        wsrt_json_int64(&time, &timestamp) != WSRT_OK)
        return refuse(in, time.text, "timestamp is a whole number of milliseconds");
    int rc = read_kind(in, update, &kind);
    if (rc == WSRT_OK)
        rc = wsrt_feed_update_write(in->f, &in->arena, u, data.text, timestamp, kind);
    in->count += rc == WSRT_OK;
    return rc;
}

static int take_value(struct intake *in, wsrt_span text)
{
    wsrt_json root, element;
    wsrt_json_iter it = {0};
    wsrt_json_error why;
    int rc = wsrt_json_parse(&root, text, &why);

    if (rc != WSRT_OK) {
        if (in->why != NULL)
            *in->why =
                (wsrt_json_error){(size_t)(text.ptr - in->text.ptr) + why.offset, why.text_cstr};
        return WSRT_ERR_MALFORMED;
    }
    if (root.kind != WSRT_JSON_ARRAY)
        return take_update(in, &root);
    while (rc == WSRT_OK && wsrt_json_next(&root, &it, NULL, &element) == WSRT_OK)
        rc = take_update(in, &element);
    return rc;
}

static int is_blank(wsrt_span text)
{
    for (size_t i = 0; i < text.len; i++)
        if (text.ptr[i] != ' ' && text.ptr[i] != '\t' && text.ptr[i] != '\r')
            return 0;
    return 1;
}

/* A text that is one value is taken as it is, any other line by line. */
static int take_text(struct intake *in)
{
    wsrt_span rest = in->text;
    int rc = WSRT_OK;

    if (wsrt_json_parse(NULL, rest, NULL) == WSRT_OK)
        return take_value(in, rest);
    while (rc == WSRT_OK && rest.len > 0) {
        const char *end = memchr(rest.ptr, '\n', rest.len);
        wsrt_span line = {rest.ptr, end == NULL ? rest.len : (size_t)(end - rest.ptr)};
        size_t used = line.len + (end != NULL);
        if (!is_blank(line))
            rc = take_value(in, line);
        rest = (wsrt_span){rest.ptr + used, rest.len - used};
    }
    return rc;
}

static int release_all(struct intake *in, wsrt_feed_report *report)
{
    int rc = WSRT_OK;

    for (size_t at = 0; rc == WSRT_OK && at < in->count; at += WSRT_FEED_BATCH) {
        size_t left = in->count - at;
        rc = wsrt_feed_release(in->f, in->updates + at,
                               left < WSRT_FEED_BATCH ? left : WSRT_FEED_BATCH, report);
    }
    return rc;
}

int wsrt_feed_publish(wsrt_feed *f, wsrt_span text, wsrt_json_error *why, wsrt_feed_report *report)
{
    struct intake in = {.f = f, .text = text, .why = why};
    wsrt_feed_report mine;

    if (f == NULL || (text.ptr == NULL && text.len > 0) || begin_report(&mine, report) != WSRT_OK)
        return WSRT_ERR_INVALID;
    if (f->sender.ops == NULL)
        return WSRT_ERR_UNSUPPORTED;
    in.allocator = f->heap.allocator;
    in.wall = f->env.wall(f->env.user);
    wsrt_arena_init(&in.arena, &in.allocator, NULL, 0);
    int rc = take_text(&in);
    if (rc == WSRT_OK) {
        pthread_mutex_lock(&f->turn);
        rc = release_all(&in, &mine);
        pthread_mutex_unlock(&f->turn);
    }
    wsrt_arena_free(&in.arena);
    return end_report(&mine, report, rc);
}

/* ---- stream events ------------------------------------------------------------------------ */

/* Records on their way: as many as make a batch. */
struct batch {
    struct update updates[WSRT_FEED_BATCH];
    wsrt_span sequences[WSRT_FEED_BATCH];
    size_t count;
    wsrt_arena arena;
    wsrt_allocator allocator;
};

static uint64_t mark_of(const wsrt_feed *f, wsrt_span sequence)
{
    uint64_t mark = wsrt_hash(f->key, sequence.ptr, sequence.len);

    return mark == 0 ? 1 : mark;
}

static int is_remembered(const wsrt_feed *f, wsrt_span sequence)
{
    uint64_t mark = mark_of(f, sequence);

    for (size_t i = 0; sequence.len > 0 && i < WSRT_FEED_REMEMBERED; i++)
        if (f->remembered[i] == mark)
            return 1;
    return 0;
}

static void remember(wsrt_feed *f, wsrt_span sequence)
{
    if (sequence.len == 0)
        return;
    f->remembered[f->remembered_at] = mark_of(f, sequence);
    f->remembered_at = (f->remembered_at + 1) % WSRT_FEED_REMEMBERED;
}

static wsrt_span image_of(const wsrt_change *c)
{
    wsrt_span image = c->kind == WSRT_CHANGE_REMOVE ? c->old_image : c->new_image;

    return image.len > 0 ? image : c->keys;
}

/* Plain JSON is never longer than the attributes it comes from. */
static int read_record(wsrt_feed *f, struct batch *b, const wsrt_change *c, struct update *out)
{
    wsrt_span image = image_of(c), data;
    wsrt_json_writer w;

    if (image.len == 0)
        return WSRT_ERR_REJECTED;
    char *dst = wsrt_arena_alloc(&b->arena, image.len + 1);
    if (dst == NULL)
        return WSRT_ERR_NOMEM;
    wsrt_json_writer_init(&w, dst, image.len + 1, 0);
    int rc = wsrt_attributes_write(&w, image);
    if (rc == WSRT_OK)
        rc = wsrt_json_finish(&w, &data.len);
    if (rc != WSRT_OK)
        return rc;
    data.ptr = dst;
    int64_t time = c->created_at != 0 ? c->created_at : f->env.wall(f->env.user);
    return wsrt_feed_update_write(f, &b->arena, out, data, time, c->kind);
}

/* Tells what was gathered; on failure the first sequence number to be repeated is in `failed`. */
static int flush(wsrt_feed *f, struct batch *b, wsrt_span *failed, wsrt_feed_report *report)
{
    int rc = b->count == 0 ? WSRT_OK : wsrt_feed_release(f, b->updates, b->count, report);

    for (size_t i = 0; rc == WSRT_OK && i < b->count; i++)
        remember(f, b->sequences[i]);
    if (rc != WSRT_OK)
        *failed = b->sequences[0];
    b->count = 0;
    wsrt_arena_reset(&b->arena);
    return rc;
}

static void bury(wsrt_feed *f, const wsrt_change *c, int status, wsrt_feed_report *report)
{
    report->poisoned++;
    remember(f, c->sequence);
    if (f->dead_letter != NULL)
        f->dead_letter(f->user, c, status);
}

static int is_in(const struct batch *b, wsrt_span sequence)
{
    for (size_t i = 0; i < b->count; i++)
        if (sequence.len > 0 && wsrt_span_equal(b->sequences[i], sequence))
            return 1;
    return 0;
}

static int take_record(wsrt_feed *f, struct batch *b, const wsrt_change *c, int status,
                       wsrt_feed_report *report)
{
    if (is_remembered(f, c->sequence) || is_in(b, c->sequence)) {
        report->duplicates++;
        return WSRT_OK;
    }
    if (status == WSRT_OK)
        status = read_record(f, b, c, &b->updates[b->count]);
    if (status == WSRT_ERR_NOMEM)
        return status;
    if (status != WSRT_OK)
        bury(f, c, status, report);
    else
        b->sequences[b->count++] = c->sequence;
    return WSRT_OK;
}

static int take_records(wsrt_feed *f, const wsrt_json *records, struct batch *b, wsrt_span *failed,
                        wsrt_feed_report *report)
{
    wsrt_json_iter it = {0};
    wsrt_change c = {.struct_size = sizeof c};
    int status, rc = WSRT_OK;

    while (rc == WSRT_OK && (status = wsrt_changes_next(records, &it, &c)) != WSRT_ERR_NOT_FOUND) {
        rc = take_record(f, b, &c, status, report);
        if (rc != WSRT_OK)
            *failed = b->count > 0 ? b->sequences[0] : c.sequence;
        else if (b->count == WSRT_FEED_BATCH)
            rc = flush(f, b, failed, report);
    }
    return rc == WSRT_OK ? flush(f, b, failed, report) : rc;
}

static int write_answer(wsrt_span failed, char *dst, size_t cap, size_t *len)
{
    wsrt_json_writer w;

    wsrt_json_writer_init(&w, dst, cap, 0);
    wsrt_json_object(&w);
    wsrt_json_key(&w, "batchItemFailures");
    wsrt_json_array(&w);
    if (failed.len > 0) {
        wsrt_json_object(&w);
        wsrt_json_key(&w, "itemIdentifier");
        wsrt_json_string(&w, failed);
        wsrt_json_object_end(&w);
    }
    wsrt_json_array_end(&w);
    wsrt_json_object_end(&w);
    return wsrt_json_finish(&w, len);
}

int wsrt_feed_changes(wsrt_feed *f, wsrt_span event, char *dst, size_t cap, size_t *len,
                      wsrt_feed_report *report)
{
    wsrt_feed_report mine;
    wsrt_json records;
    wsrt_span failed = {NULL, 0};

    if (f == NULL || len == NULL || (dst == NULL && cap > 0) ||
        begin_report(&mine, report) != WSRT_OK)
        return WSRT_ERR_INVALID;
    if (f->sender.ops == NULL)
        return WSRT_ERR_UNSUPPORTED;
    int rc = wsrt_changes_open(event, &records, NULL);
    if (rc != WSRT_OK)
        return rc;
    wsrt_allocator allocator = f->heap.allocator;
    struct batch *b = wsrt_mem_alloc(&allocator, sizeof *b);
    if (b == NULL)
        return WSRT_ERR_NOMEM;
    b->count = 0;
    b->allocator = allocator;
    wsrt_arena_init(&b->arena, &b->allocator, NULL, 0);
    pthread_mutex_lock(&f->turn);
    rc = take_records(f, &records, b, &failed, &mine);
    pthread_mutex_unlock(&f->turn);
    wsrt_arena_free(&b->arena);
    wsrt_mem_free(&allocator, b, sizeof *b);
    if (rc == WSRT_OK || failed.len > 0)
        rc = write_answer(failed, dst, cap, len);
    return end_report(&mine, report, rc);
}
