/* A feed's life. */
#include "stream/feed.h"

#include "base/env.h"
#include "base/options.h"
#include "sender/sender.h"

#include <string.h>

enum { LEAST_MESSAGE = 1024 };

#define MOST_MESSAGE ((uint64_t)16 << 20)
#define MOST_SUBSCRIBERS ((uint64_t)1 << 31)
#define MOST_COALESCE_MS ((int64_t)86400000)

static uint64_t or_default(uint64_t given, uint64_t usual)
{
    return given == 0 ? usual : given;
}

static int is_latest(const wsrt_latest *l)
{
    return wsrt_size_valid(l->ops, sizeof *l->ops) && l->ops->put != NULL &&
           l->ops->remove != NULL && l->ops->each != NULL;
}

static int is_store(const wsrt_store *s)
{
    return wsrt_size_valid(s->ops, sizeof *s->ops) && s->ops->remove != NULL;
}

static int check(const wsrt_feed_options *o)
{
    if ((o->flags & ~(uint32_t)WSRT_FEED_STORED) != 0)
        return WSRT_ERR_UNSUPPORTED;
    if ((o->max_message != 0 &&
         (o->max_message < LEAST_MESSAGE || o->max_message > MOST_MESSAGE)) ||
        o->max_subscribers > MOST_SUBSCRIBERS || o->coalesce_ms < 0 ||
        o->coalesce_ms > MOST_COALESCE_MS)
        return WSRT_ERR_INVALID;
    if ((o->sender != NULL && !wsrt_sender_valid(o->sender)) ||
        (o->latest != NULL && !is_latest(o->latest)) || (o->store != NULL && !is_store(o->store)))
        return WSRT_ERR_INVALID;
    if ((o->flags & WSRT_FEED_STORED) != 0 &&
        (o->store == NULL || o->store->ops->get == NULL || o->store->ops->each == NULL ||
         o->store->ops->set_filters == NULL))
        return WSRT_ERR_INVALID;
    return WSRT_OK;
}

static void fill(wsrt_feed *f, const wsrt_feed_options *o)
{
    f->flags = o->flags;
    if (o->sender != NULL)
        f->sender = *o->sender;
    if (o->store != NULL)
        f->store = *o->store;
    if (o->latest != NULL)
        f->latest = *o->latest;
    f->attempts = o->attempts == 0 ? 3 : o->attempts;
    f->max_message = or_default(o->max_message, 131072);
    f->max_subscribers = or_default(o->max_subscribers, (uint64_t)1 << 20);
    f->max_filters = o->max_filters == 0 ? 10000 : o->max_filters;
    f->coalesce = o->coalesce_ms * 1000000;
    f->dead_letter = o->dead_letter;
    f->user = o->user;
    f->due = INT64_MAX;
    f->waiting.heap.allocator = f->heap.allocator;
    wsrt_slots_init(&f->filters);
    wsrt_slots_init(&f->audiences);
    wsrt_slots_init(&f->subscribers);
    wsrt_slots_init(&f->waiting.entries);
}

static int copy_names(wsrt_feed *f, const wsrt_feed_options *o)
{
    wsrt_span type = o->type_member.len > 0 ? o->type_member : wsrt_span_cstr("entity_type");
    wsrt_span id = o->id_member.len > 0 ? o->id_member : wsrt_span_cstr("entity_id");

    f->names_size = type.len + id.len;
    f->names = wsrt_mem_alloc(&f->heap.allocator, f->names_size);
    if (f->names == NULL)
        return WSRT_ERR_NOMEM;
    memcpy(f->names, type.ptr, type.len);
    memcpy(f->names + type.len, id.ptr, id.len);
    f->type_member = (wsrt_span){f->names, type.len};
    f->id_member = (wsrt_span){f->names + type.len, id.len};
    return WSRT_OK;
}

static int build(wsrt_feed *f, const wsrt_feed_options *o)
{
    int rc = wsrt_env_load(&f->env, o->env);

    if (rc == WSRT_OK)
        rc = f->env.random(f->env.user, &f->key, sizeof f->key);
    if (rc == WSRT_OK)
        rc = copy_names(f, o);
    if (rc != WSRT_OK)
        return rc;
    if (pthread_mutex_init(&f->turn, NULL) != 0)
        return WSRT_ERR_NOMEM;
    if (pthread_mutex_init(&f->lock, NULL) == 0)
        return WSRT_OK;
    pthread_mutex_destroy(&f->turn);
    return WSRT_ERR_NOMEM;
}

static void free_block(wsrt_feed *f)
{
    wsrt_allocator a = f->heap.allocator;

    wsrt_mem_free(&a, f->names, f->names_size);
    wsrt_mem_free(&a, f, sizeof *f);
}

int wsrt_feed_new(wsrt_feed **out, const wsrt_feed_options *opts)
{
    wsrt_feed_options o;
    wsrt_allocator allocator;

    if (out == NULL)
        return WSRT_ERR_INVALID;
    *out = NULL;
    int rc = wsrt_options_load(&o, sizeof o, sizeof(wsrt_feed_options), opts);
    if (rc == WSRT_OK)
        rc = check(&o);
    if (rc == WSRT_OK)
        rc = wsrt_allocator_load(&allocator, &o.allocator);
    if (rc != WSRT_OK)
        return rc;
    wsrt_feed *f = wsrt_mem_zalloc(&allocator, sizeof *f);
    if (f == NULL)
        return WSRT_ERR_NOMEM;
    f->heap.allocator = allocator;
    fill(f, &o);
    rc = build(f, &o);
    if (rc != WSRT_OK)
        free_block(f);
    else
        *out = f;
    return rc;
}

int wsrt_feed_set_sender(wsrt_feed *f, const wsrt_sender *sender)
{
    if (f == NULL || (sender != NULL && !wsrt_sender_valid(sender)))
        return WSRT_ERR_INVALID;
    f->sender = sender == NULL ? (wsrt_sender){NULL, NULL} : *sender;
    return WSRT_OK;
}

void wsrt_feed_free(wsrt_feed *f)
{
    if (f == NULL)
        return;
    wsrt_feed_waiting_free(f);
    wsrt_feed_subscribers_free(f);
    wsrt_feed_tables_free(f);
    pthread_mutex_destroy(&f->lock);
    pthread_mutex_destroy(&f->turn);
    free_block(f);
}
