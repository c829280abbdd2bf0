/* Tables of DynamoDB: how requests are written and judged, how items become records. */
#ifndef WSRT_AWS_DYNAMO_H
#define WSRT_AWS_DYNAMO_H

#include "aws/internal.h"

#include "common/store_rules.h"

#include <wsrt/json.h>

enum { WSRT_DYNAMO_NAME = 255, WSRT_DYNAMO_ALIASES = 8, WSRT_DYNAMO_VALUES = 4 };

struct wsrt_aws_tables {
    wsrt_aws *a;
    wsrt_aws_endpoint endpoint;
    int shape;
    uint32_t shards; /* 0 = `connected` is always "true" */
    int64_t timeout_ms;
    char connections[WSRT_DYNAMO_NAME + 1]; /* "" = no such table */
    char messages[WSRT_DYNAMO_NAME + 1];
    char partition_key[WSRT_DYNAMO_NAME + 1];
    char sort_key[WSRT_DYNAMO_NAME + 1];
    char index[WSRT_DYNAMO_NAME + 1];
    char session_key[WSRT_DYNAMO_NAME + 1];
    char message_key[WSRT_DYNAMO_NAME + 1];
    char ttl[WSRT_DYNAMO_NAME + 1];
};

/* ---- requests (dynamo_request.c) ------------------------------------------------------------ */

/* `type` is the wire's: "S", "N" or "B". */
typedef struct wsrt_dynamo_value {
    const char *alias; /* as ":t" */
    const char *type;
    wsrt_span text; /* of S and B */
    int64_t number; /* of N */
} wsrt_dynamo_value;

typedef struct wsrt_dynamo_request {
    const char *operation;
    const char *table;
    const char *index;         /* NULL = none, and so for each text below */
    const char *condition;     /* an expression; names and values by alias */
    const char *update;        /* likewise */
    const char *key_condition; /* likewise */
    const char *filter;        /* likewise */
    const char *projection;    /* likewise */
    struct {
        const char *alias; /* as "#t"; NULL ends the list */
        const char *name;
    } names[WSRT_DYNAMO_ALIASES];
    wsrt_dynamo_value values[WSRT_DYNAMO_VALUES]; /* one without an alias ends the list */
    /* Writes the members that are this request's own; NULL = none. */
    void (*more)(wsrt_json_writer *w, const void *arg);
    const void *arg;
    int mends; /* what is no UTF-8 is replaced; otherwise it is WSRT_ERR_INVALID */
    int64_t deadline;
} wsrt_dynamo_request;

/* Asks: WSRT_OK and a JSON object in `body`; WSRT_ERR_EXISTS: the condition is not met; otherwise a
 * status of the store. The answer is to be freed whatever the status. */
int wsrt_dynamo_ask(wsrt_aws_tables *t, const wsrt_dynamo_request *q, wsrt_aws_answer *answer,
                    wsrt_json *body);
/* The same for a request whose answer does not matter. */
int wsrt_dynamo_tell(wsrt_aws_tables *t, const wsrt_dynamo_request *q);
/* When a call that begins now has to end. */
int64_t wsrt_dynamo_deadline(const wsrt_aws_tables *t);

/* Write an attribute value, and a member that is one. */
void wsrt_dynamo_write_value(wsrt_json_writer *w, const wsrt_dynamo_value *v);
void wsrt_dynamo_write_text(wsrt_json_writer *w, const char *name, wsrt_span text);
void wsrt_dynamo_write_number(wsrt_json_writer *w, const char *name, int64_t number);

/* ---- pages (dynamo_pages.c) ----------------------------------------------------------------- */

/* A way through the pages of the service. Its pages may be empty and not the last, and the last of ours
 * is known by looking on; so it goes on until `full` is set or nothing follows. */
typedef struct wsrt_dynamo_pages {
    wsrt_aws_tables *t;
    int64_t deadline;
    uint64_t limit;  /* items to look at in one request, growing; 0 = whole pages */
    wsrt_span below; /* the service's own word for where to go on; empty = the caller knows */
    int full;        /* set by `take`: there is more than the caller wants now */
    int at_end;
    wsrt_dynamo_request (*ask)(const void *user);
    int (*take)(void *user, const wsrt_json *body); /* WSRT_OK, or a status that ends it */
    int (*next)(void *user); /* 1: there is another part to read; NULL = there never is */
} wsrt_dynamo_pages;

/* For a caller that wants up to `max` elements now. */
void wsrt_dynamo_pages_start(wsrt_dynamo_pages *p, wsrt_aws_tables *t, size_t max);
int wsrt_dynamo_pages_read(wsrt_dynamo_pages *p, void *user);
/* The array of items in an answer. */
int wsrt_dynamo_items(const wsrt_json *body, wsrt_json *items);

/* ---- items (dynamo_item.c) ------------------------------------------------------------------ */

/* The attributes of a record but for its keys, as members of an item. */
void wsrt_dynamo_write_record(wsrt_json_writer *w, const wsrt_aws_tables *t, const wsrt_record *r);
void wsrt_dynamo_write_entry(wsrt_json_writer *w, const wsrt_aws_tables *t,
                             const wsrt_history_entry *e);
/* Members of a key. */
void wsrt_dynamo_write_connection_key(wsrt_json_writer *w, const wsrt_aws_tables *t, wsrt_span id);
void wsrt_dynamo_write_message_key(wsrt_json_writer *w, const wsrt_aws_tables *t,
                                   const wsrt_history_entry *e);

enum {
    WSRT_DYNAMO_RECORD_TEXT = 12288, /* holds the texts of any record */
    WSRT_DYNAMO_ENTRY_TEXT = 69632   /* and of any message */
};

/* Reads an item into a record whose texts lie in `text`, of WSRT_DYNAMO_RECORD_TEXT bytes. 0 = it is
 * none. */
int wsrt_dynamo_read_record(const wsrt_aws_tables *t, const wsrt_json *item, wsrt_record *out,
                            char *text);
int wsrt_dynamo_read_entry(const wsrt_aws_tables *t, const wsrt_json *item, wsrt_history_entry *out,
                           char *text);

/* Every value of `connected`, by its number. */
enum { WSRT_DYNAMO_CONNECTED = 16 };
wsrt_span wsrt_dynamo_connected(const wsrt_aws_tables *t, uint32_t shard,
                                char dst[WSRT_DYNAMO_CONNECTED]);
uint32_t wsrt_dynamo_shard(const wsrt_aws_tables *t, wsrt_span id);

/* Whether an expiry can be stored: 0 is never, and milliseconds are no seconds. */
int wsrt_dynamo_expiry_ok(int64_t expires_at);
/* Whether a message's time has few enough digits. */
int wsrt_dynamo_timestamp_ok(int64_t timestamp);
/* Tells the walks of one table apart from another's. */
uint64_t wsrt_dynamo_identity(const wsrt_aws_tables *t, const char *table);
/* Says that an item was left out of a walk. */
void wsrt_dynamo_skipped(const wsrt_aws_tables *t, const char *table);

/* ---- stores (dynamo_connections.c, dynamo_walk.c, dynamo_history.c) --------------------------- */

int wsrt_dynamo_each(void *self, const wsrt_span *user_id, uint32_t flags, wsrt_cursor *cursor,
                     int64_t now_s, wsrt_record *out, size_t max, char *buf, size_t cap,
                     size_t *count);
int wsrt_dynamo_count(void *self, int64_t now_s, uint64_t *out);

extern const wsrt_store_ops wsrt_dynamo_connection_ops;
extern const wsrt_history_ops wsrt_dynamo_history_ops;

#endif
