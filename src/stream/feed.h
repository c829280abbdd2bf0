/* What the files of the stream room share. */
#ifndef WSRT_SRC_STREAM_FEED_H
#define WSRT_SRC_STREAM_FEED_H

#include <wsrt/stream.h>

#include "base/arena.h"
#include "store/index.h"
#include "store/slots.h"

#include <pthread.h>

enum {
    WSRT_FEED_ID_MOST = 128,
    WSRT_FEED_OWN_MOST = 16, /* filters of one connection */
    WSRT_FEED_BATCH = 64,    /* updates judged at once: one bit each */
    WSRT_FEED_REMEMBERED = 1024
};

/* A distinct filter, shared by all who ask for the same. Slots want expires_at first; it stays 0. */
struct feed_filter {
    int64_t expires_at;
    wsrt_filter *filter;
    uint64_t refs;
    uint64_t mask;   /* of the batch `judged`: the updates it holds for */
    uint64_t judged; /* number of the last batch it was asked for */
    uint32_t slot;
    uint32_t reserved;
};

/* Those who hold the same set of filters, named by its text: an array of canonical filters, sorted. */
struct feed_audience {
    int64_t expires_at;
    struct feed_filter *filters[WSRT_FEED_OWN_MOST];
    uint32_t filter_count;
    uint32_t slot;
    uint32_t *members; /* slots of subscribers */
    uint32_t member_count;
    uint32_t member_cap;
    size_t text_len;
    char text[];
};

struct feed_subscriber {
    int64_t expires_at;
    int64_t connected_at;
    struct feed_audience *audience;
    uint32_t place;  /* among its members */
    uint32_t serial; /* tells it from a later one in the same slot */
    uint32_t slot;
    uint32_t id_len;
    char id[];
};

/* An update as it goes out, with what filters and tables need. In a batch's arena. */
struct update {
    wsrt_span text; /* {"eventType":...,"timestamp":...,"data":...} */
    wsrt_span data; /* inside it */
    wsrt_span key;  /* of the entity; empty = none */
    int64_t timestamp;
    int kind; /* a wsrt_change_kind */
};

/* Updates that wait to be coalesced, in the order of their entities' first; under `turn`. */
struct waiting {
    wsrt_store_heap heap;
    wsrt_slots entries;
    wsrt_index index; /* by key */
};

struct wsrt_feed {
    wsrt_store_heap heap; /* under lock, but for constructor and destructor */
    wsrt_env env;
    wsrt_sender sender; /* ops NULL = none */
    wsrt_store store;
    wsrt_latest latest;
    uint32_t flags;
    uint32_t attempts;
    uint64_t max_message;
    uint64_t max_subscribers;
    uint32_t max_filters;
    uint32_t next_serial;
    int64_t coalesce; /* ns */
    void (*dead_letter)(void *user, const wsrt_change *change, int status);
    void *user;
    char *names; /* type_member, id_member */
    size_t names_size;
    wsrt_span type_member;
    wsrt_span id_member;
    uint64_t key; /* of the hashes */

    pthread_mutex_t turn; /* held by who delivers; before `lock` */
    uint64_t batch;
    uint64_t remembered[WSRT_FEED_REMEMBERED]; /* hashes of sequence numbers told */
    size_t remembered_at;
    struct waiting waiting;

    pthread_mutex_t lock; /* the tables below; never held while others are called */
    wsrt_slots filters;
    wsrt_index filter_index; /* by text */
    wsrt_slots audiences;
    wsrt_index audience_index; /* by text */
    wsrt_slots subscribers;
    wsrt_index subscriber_index; /* by id */
    int64_t due;                 /* INT64_MAX = nothing waits */
};

/* audience.c; with `lock` held */
/* The audience named by a text. WSRT_ERR_REJECTED, WSRT_ERR_LIMIT, WSRT_ERR_NOMEM. One without members goes
 * with wsrt_feed_audience_release(). */
int wsrt_feed_audience(wsrt_feed *f, wsrt_span text, struct feed_audience **out);
void wsrt_feed_audience_release(wsrt_feed *f, struct feed_audience *a);
/* Makes room for one more member. */
int wsrt_feed_audience_reserve(wsrt_feed *f, struct feed_audience *a);
/* The updates of a batch that any filter of an audience holds for, one bit each. */
uint64_t wsrt_feed_judge(wsrt_feed *f, struct feed_audience *a, const struct update *updates,
                         size_t count, wsrt_feed_report *report);
/* Drops all that have no members, which is all of a feed with STORED. */
void wsrt_feed_audiences_drop(wsrt_feed *f);
void wsrt_feed_tables_free(wsrt_feed *f); /* after the subscribers */

/* subscribe.c; with `lock` held */
struct feed_subscriber *wsrt_feed_find(const wsrt_feed *f, wsrt_span id);
void wsrt_feed_drop(wsrt_feed *f, struct feed_subscriber *s);
void wsrt_feed_subscribers_free(wsrt_feed *f);

/* deliver.c; with `turn` held */
int wsrt_feed_deliver(wsrt_feed *f, const struct update *updates, size_t count,
                      wsrt_feed_report *report);
/* Sends updates to one connection, split to messages. */
int wsrt_feed_tell(wsrt_feed *f, wsrt_span id, const struct update *updates, size_t count);

/* publish.c */
int wsrt_feed_update_write(wsrt_feed *f, wsrt_arena *a, struct update *out, wsrt_span data,
                           int64_t timestamp, int kind);
int wsrt_feed_release(wsrt_feed *f, struct update *updates, size_t count, wsrt_feed_report *report);
const char *wsrt_change_name(int kind);

/* waiting.c; with `turn` held */
int wsrt_feed_wait(wsrt_feed *f, const struct update *update);
void wsrt_feed_waiting_free(wsrt_feed *f);

#endif
