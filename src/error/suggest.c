/* What to do about errors of databases and of AWS: one table, and names as engines decorate them. */
#include "error/types.h"

#include <string.h>

#define AWS "aws"
#define POST "apigateway-management"
#define SQLITE "sqlite"
#define REDIS "redis"

enum { NEVER = -1, SOON = 1000, LATER = 5000 };
/* retry, HTTP status, retryAfter */
#define NO WSRT_RETRY_NO, 500, NEVER, 0
#define YES WSRT_RETRY_YES, 500, SOON, 0
#define THROTTLED WSRT_RETRY_YES, 503, SOON, 0
#define SLOWLY WSRT_RETRY_SLOWLY, 500, LATER, 0
#define OVERLOADED WSRT_RETRY_SLOWLY, 503, LATER, 0
#define ONCE WSRT_RETRY_ONCE, 500, SOON, 0
#define CALLER WSRT_RETRY_CALLER, 500, NEVER, 0

/* clang-format off */
static const wsrt_suggestion rows[] = {
    {AWS, "ProvisionedThroughputExceeded", "Look for hot keys and spread them; raise the capacity or switch to on-demand", THROTTLED},
    {AWS, "Throttling", "Back off with jitter; pre-warm the table before a known peak", THROTTLED},
    {AWS, "RequestLimitExceeded", "The account's quota for this region is used up: slow down everywhere, ask for more", OVERLOADED},
    {AWS, "LimitExceeded", "Too many table changes at a time: make them one after another", OVERLOADED},
    {AWS, "ConditionalCheckFailed", "Somebody was faster, or it is not there: re-read and decide again", NO},
    {AWS, "TransactionCanceled", "Read the cancellation reasons: try again only if all of them are throttling or conflicts", CALLER},
    {AWS, "TransactionConflict", "Another transaction holds the item: back off, and keep hot items out of transactions", YES},
    {AWS, "TransactionInProgress", "The same transaction is still running: repeat it with the same client token", YES},
    {AWS, "IdempotentParameterMismatch", "The client token was used for another request: take a new one", NO},
    {AWS, "DuplicateItem", "The key exists: update it, or make the insert conditional", NO},
    {AWS, "ReplicatedWriteConflict", "Two regions write one key: pin each key to a region", YES},
    {AWS, "ItemCollectionSizeLimitExceeded", "A partition with a local index holds at most 10 GB: split the key", NO},
    {AWS, "ResourceNotFound", "Check the names of table and index, the region, and the variables that set them", NO},
    {AWS, "ResourceInUse", "The table is being changed: wait until it is ACTIVE", SLOWLY},
    {AWS, "Validation", "Check expression, key attributes and types, and the item's size (at most 400 KB)", NO},
    {AWS, "AccessDenied", "The role lacks the action, or the ARN of the table or of its index", NO},
    {AWS, "UnrecognizedClient InvalidSignature", "Check the credentials and the clock", NO},
    {AWS, "MissingAuthenticationToken IncompleteSignature", "The request arrived unsigned: look for a proxy that drops headers, check the path", NO},
    {AWS, "RequestTimeTooSkewed RequestExpired", "Set the signing clock by the answer's Date header, then sign again", ONCE},
    {AWS, "ExpiredToken", "Fetch new credentials, then sign again", ONCE},
    {AWS, "InternalServerError", "The request may have been carried out: repeat it only if that is harmless", YES},
    {AWS, "ServiceUnavailable", "Back off; the breaker counts it", THROTTLED},
    {AWS, "IndexNotFound", "Create the index, or correct its name", NO},
    {AWS, "InvalidEndpoint", "The discovered endpoint is stale: resolve it again", ONCE},
    {AWS, "UnprocessedItems UnprocessedKeys", "Send only the remainder again, in smaller batches", THROTTLED},
    {POST, "Gone 410", "The connection has left, or is still inside its connect: delete the record", WSRT_RETRY_NO, 410, NEVER, 0},
    {POST, "LimitExceeded 429", "This connection gets too much: slow down for this peer only", THROTTLED},
    {POST, "PayloadTooLarge 413", "A message has at most 128 KB: split it", WSRT_RETRY_NO, 413, NEVER, 0},
    {POST, "Forbidden 403", "Check execute-api:ManageConnections and the stage in the endpoint", WSRT_RETRY_NO, 403, NEVER, 0},
    {SQLITE, "BUSY", "Another writer holds the lock: set a busy timeout, use WAL, keep transactions short", THROTTLED},
    {SQLITE, "BUSY_SNAPSHOT", "The snapshot is too old to write: begin the transaction with IMMEDIATE", ONCE},
    {SQLITE, "BUSY_RECOVERY", "Another process replays the WAL: wait for it", THROTTLED},
    {SQLITE, "LOCKED LOCKED_SHAREDCACHE", "Reset or finalise the open statements of this connection", YES},
    {SQLITE, "FULL", "Free space on the disk, or raise max_page_count", NO},
    {SQLITE, "IOERR", "Look at disk, mount and file system; the extended code says which call", NO},
    {SQLITE, "CORRUPT NOTADB", "Stop writing, keep a copy of the file, restore a backup", NO},
    {SQLITE, "CANTOPEN", "Check the path, and the rights on the directory (it must be writable for the WAL)", NO},
    {SQLITE, "READONLY READONLY_DBMOVED", "The file is read-only, moved or replaced: check the rights, open it again", NO},
    {SQLITE, "CONSTRAINT_UNIQUE CONSTRAINT_PRIMARYKEY", "A duplicate: use an upsert, or treat it as already done", NO},
    {SQLITE, "CONSTRAINT_FOREIGNKEY CONSTRAINT_NOTNULL CONSTRAINT_CHECK", "The data breaks a constraint: correct it", NO},
    {SQLITE, "SCHEMA", "The schema changed under the statement: prepare it again", ONCE},
    {SQLITE, "TOOBIG", "The value is beyond the limit: store it elsewhere and keep a reference", NO},
    {SQLITE, "NOMEM", "Memory is short: shed load, look at the cache size", OVERLOADED},
    {SQLITE, "MISUSE", "A bug of the caller: a statement or connection used after its end, or from two threads", NO},
    {SQLITE, "INTERRUPT", "Our own deadline ended it: try again only if there is time left", CALLER},
    {REDIS, "LOADING", "The server is reading its data: wait", OVERLOADED},
    {REDIS, "BUSY", "A script runs too long: wait, then look at SCRIPT KILL and the script", OVERLOADED},
    {REDIS, "OOM", "maxmemory is reached: set TTLs and an eviction policy, or add memory", NO},
    {REDIS, "READONLY", "This is a replica: find the primary", ONCE},
    {REDIS, "MASTERDOWN NOMASTERLINK", "The replica has lost its primary: ask another node", YES},
    {REDIS, "CLUSTERDOWN", "The cluster does not cover all slots: wait, look at CLUSTER INFO", OVERLOADED},
    {REDIS, "MOVED ASK", "Follow it; on MOVED refresh the slot map, too", ONCE},
    {REDIS, "TRYAGAIN", "The slot is migrating: wait a little", YES},
    {REDIS, "CROSSSLOT", "Give keys of one command a common {tag}", NO},
    {REDIS, "NOSCRIPT", "Send the script itself, by EVAL", ONCE},
    {REDIS, "WRONGTYPE", "The key holds another type: look for a clash of names", NO},
    {REDIS, "NOAUTH WRONGPASS", "Check the credentials", NO},
    {REDIS, "NOPERM", "The ACL lacks the command, the key pattern or the channel", NO},
    {REDIS, "MISCONF", "Persistence fails and writes are stopped: look at the server's disk and log", NO},
    {REDIS, "EXECABORT", "A command of the transaction was refused: see the first error", NO},
    {REDIS, "NOREPLICAS", "Too few replicas are in step: wait, look at their lag", YES},
    {REDIS, "DENIED", "Protected mode: set a password or bind an address", NO},
};
/* clang-format on */

static int same(wsrt_span a, const char *b_cstr)
{
    return wsrt_span_equal(a, wsrt_span_cstr(b_cstr));
}

static int starts_with(wsrt_span text, const char *with)
{
    size_t len = strlen(with);

    return text.len >= len && memcmp(text.ptr, with, len) == 0;
}

static wsrt_span from(wsrt_span text, size_t offset)
{
    return (wsrt_span){text.ptr + offset, text.len - offset};
}

/* com.amazonaws.dynamodb.v20120810#ThrottlingException:http://… is a Throttling. */
static wsrt_span bare_aws(wsrt_span name)
{
    static const char suffix[] = "Exception";
    const size_t tail = sizeof suffix - 1;
    const char *mark = memchr(name.ptr, ':', name.len);

    if (mark != NULL)
        name.len = (size_t)(mark - name.ptr);
    mark = memchr(name.ptr, '#', name.len);
    if (mark != NULL)
        name = from(name, (size_t)(mark + 1 - name.ptr));
    if (name.len > tail && memcmp(name.ptr + name.len - tail, suffix, tail) == 0)
        name.len -= tail;
    return name;
}

static wsrt_span bare_redis(wsrt_span reply)
{
    if (starts_with(reply, "-"))
        reply = from(reply, 1);
    const char *space = memchr(reply.ptr, ' ', reply.len);
    if (space != NULL)
        reply.len = (size_t)(space - reply.ptr);
    return reply;
}

static int among(wsrt_span name, const char *names)
{
    for (;;) {
        const char *space = strchr(names, ' ');
        size_t len = space == NULL ? strlen(names) : (size_t)(space - names);
        if (name.len == len && memcmp(name.ptr, names, len) == 0)
            return 1;
        if (space == NULL)
            return 0;
        names = space + 1;
    }
}

static const wsrt_suggestion *find(const char *engine_cstr, wsrt_span name)
{
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (strcmp(rows[i].engine_cstr, engine_cstr) == 0 && among(name, rows[i].names_cstr))
            return &rows[i];
    return NULL;
}

static wsrt_span bare_sqlite(wsrt_span name)
{
    return starts_with(name, "SQLITE_") ? from(name, 7) : name;
}

/* IOERR_FSYNC is an IOERR. */
static const wsrt_suggestion *find_sqlite(wsrt_span name)
{
    const wsrt_suggestion *row = find(SQLITE, name);
    const char *mark = row == NULL && name.len > 0 ? memchr(name.ptr, '_', name.len) : NULL;

    return mark == NULL ? row : find(SQLITE, (wsrt_span){name.ptr, (size_t)(mark - name.ptr)});
}

static const wsrt_suggestion *find_posting(wsrt_span name)
{
    const wsrt_suggestion *row = find(POST, name);

    return row != NULL ? row : find(AWS, name);
}

const wsrt_suggestion *wsrt_suggestion_named(wsrt_span engine, wsrt_span *name)
{
    if (name->ptr == NULL || name->len == 0)
        return NULL;
    if (same(engine, SQLITE)) {
        *name = bare_sqlite(*name);
        return find_sqlite(*name);
    }
    if (same(engine, REDIS)) {
        *name = bare_redis(*name);
        return find(REDIS, *name);
    }
    *name = bare_aws(*name);
    return same(engine, POST) ? find_posting(*name) : find(AWS, *name);
}

const wsrt_suggestion *wsrt_suggestion_find(wsrt_span engine, wsrt_span name)
{
    return wsrt_suggestion_named(engine, &name);
}

const wsrt_suggestion *wsrt_suggestion_at(size_t index)
{
    return index < sizeof rows / sizeof rows[0] ? &rows[index] : NULL;
}
