/* Group commit: whoever finds the writer free leads, and commits in one transaction what all threads
 * queued meanwhile; they share one wait for the disk. */
#include "sqlite/internal.h"

#include <string.h>

enum { CHECKPOINT_FRAMES = 1000, EXPIRE_AT_ONCE = 10000 };

/* What the log is to hear of a turn. */
struct outcome {
    int code;
    int refused;
};

/* ---- within a transaction ----------------------------------------------------------------- */

static int troubled(wsrt_sqlite_store *s)
{
    int code = sqlite3_extended_errcode(s->writer.link.db);

    s->writer.trouble = code == SQLITE_OK ? SQLITE_INTERNAL : code;
    return wsrt_sqlite_status(s->writer.trouble);
}

sqlite3_stmt *wsrt_sqlite_writing(wsrt_sqlite_store *s, wsrt_sqlite_sql which)
{
    sqlite3_stmt *st = wsrt_sqlite_statement(&s->writer.link, which);

    if (st == NULL)
        troubled(s);
    return st;
}

int wsrt_sqlite_change(wsrt_sqlite_store *s, sqlite3_stmt *st, int *rows)
{
    int rc = WSRT_OK;

    if (st == NULL)
        return wsrt_sqlite_status(s->writer.trouble);
    if (sqlite3_step(st) != SQLITE_DONE)
        rc = troubled(s);
    else if (rows != NULL)
        *rows = sqlite3_changes(s->writer.link.db);
    sqlite3_reset(st);
    return rc;
}

int wsrt_sqlite_ask(wsrt_sqlite_store *s, sqlite3_stmt *st, int64_t *answer)
{
    int rc = WSRT_OK;

    if (st == NULL)
        return wsrt_sqlite_status(s->writer.trouble);
    int code = sqlite3_step(st);
    if (code == SQLITE_ROW)
        *answer = sqlite3_column_int64(st, 0);
    else
        rc = code == SQLITE_DONE ? WSRT_ERR_NOT_FOUND : troubled(s);
    sqlite3_reset(st);
    return rc;
}

int wsrt_sqlite_expire_some(wsrt_sqlite_store *s, void *expiry)
{
    wsrt_sqlite_expiry *e = expiry;
    sqlite3_stmt *st = wsrt_sqlite_writing(s, e->which);

    sqlite3_bind_int64(st, 1, e->now_s);
    sqlite3_bind_int64(st, 2, e->limit < EXPIRE_AT_ONCE ? (int64_t)e->limit : EXPIRE_AT_ONCE);
    int rc = wsrt_sqlite_change(s, st, &e->rows);
    if (rc == WSRT_OK)
        wsrt_sqlite_less(e->count, e->rows);
    return rc;
}

/* ---- the transaction ---------------------------------------------------------------------- */

static int run(wsrt_sqlite_store *s, wsrt_sqlite_sql which)
{
    return wsrt_sqlite_change(s, wsrt_sqlite_writing(s, which), NULL);
}

static int set_waiting(wsrt_sqlite_store *s, int waits)
{
    if (s->writer.waits == waits)
        return WSRT_OK;
    const char *sql = waits ? "PRAGMA synchronous=FULL" : "PRAGMA synchronous=NORMAL";
    if (sqlite3_exec(s->writer.link.db, sql, NULL, NULL, NULL) != SQLITE_OK)
        return troubled(s);
    s->writer.waits = waits;
    return WSRT_OK;
}

/* After a failed sync the kernel may hold for clean what never reached the disk. What the transaction
 * itself wrote is written again by the next; what was committed before without waiting is not, and
 * everything behind it in the log would be lost with it. */
static void judge_disk(wsrt_sqlite_store *s, int code)
{
    if (s->writer.unsettled && (code == SQLITE_IOERR_FSYNC || code == SQLITE_IOERR_DIR_FSYNC))
        s->writer.refuses = 1;
}

/* Ends a transaction that is still open. */
static int leave(wsrt_sqlite_store *s)
{
    return sqlite3_get_autocommit(s->writer.link.db) ? WSRT_OK : run(s, WSRT_SQL_ROLLBACK);
}

/* Without memory even this may fail; the next transaction tries again. */
static void roll_back(wsrt_sqlite_store *s, wsrt_sqlite_counts counts)
{
    int code = s->writer.trouble;

    (void)leave(s);
    s->writer.trouble = code;
    s->writer.counts = counts;
    judge_disk(s, code);
}

static int all_lazy(const wsrt_sqlite_job *first, const wsrt_sqlite_job *end)
{
    for (; first != end; first = first->next)
        if (!first->lazily)
            return 0;
    return 1;
}

/* What waits for the disk waits for everything before it too: SQLite writes, and syncs, nothing where
 * a change finds the row as it is to be, and that row may be one that was committed lazily. */
static int begin(wsrt_sqlite_store *s)
{
    int rc = run(s, WSRT_SQL_BEGIN);

    return rc == WSRT_OK && s->writer.waits && s->writer.unsettled ? run(s, WSRT_SQL_MARK) : rc;
}

static int work_through(wsrt_sqlite_store *s, wsrt_sqlite_job *first, const wsrt_sqlite_job *end)
{
    int rc = begin(s);

    if (rc != WSRT_OK)
        return rc;
    for (; first != end && s->writer.trouble == 0; first = first->next)
        first->result = first->work(s, first->arg);
    return s->writer.trouble != 0 ? wsrt_sqlite_status(s->writer.trouble) : run(s, WSRT_SQL_COMMIT);
}

/* One transaction; on failure nothing has changed. */
static int transact(wsrt_sqlite_store *s, wsrt_sqlite_job *first, const wsrt_sqlite_job *end)
{
    wsrt_sqlite_counts counts = s->writer.counts;
    int waits = !all_lazy(first, end);

    s->writer.trouble = 0;
    int rc = leave(s);
    if (rc == WSRT_OK)
        rc = set_waiting(s, waits);
    if (rc != WSRT_OK)
        return rc;
    int before = sqlite3_total_changes(s->writer.link.db);
    rc = work_through(s, first, end);
    if (rc != WSRT_OK)
        roll_back(s, counts);
    else if (sqlite3_total_changes(s->writer.link.db) != before)
        s->writer.unsettled = !waits;
    return rc;
}

/* A batch that fails is taken apart, so that what one of them asks does not hurt the others. A lock
 * hurts all the same, and only once. */
static void serve(wsrt_sqlite_store *s, wsrt_sqlite_job *first)
{
    if (s->writer.refuses) {
        for (wsrt_sqlite_job *job = first; job != NULL; job = job->next)
            job->result = WSRT_ERR_IO;
        return;
    }
    int rc = transact(s, first, NULL);
    int together = first->next == NULL || (s->writer.trouble & 0xff) == SQLITE_BUSY;
    for (wsrt_sqlite_job *job = first; rc != WSRT_OK && job != NULL; job = job->next) {
        int own = together ? rc : transact(s, job, job->next);
        if (own != WSRT_OK)
            job->result = own;
    }
}

/* ---- the queue ---------------------------------------------------------------------------- */

static void finish(wsrt_sqlite_store *s, wsrt_sqlite_job *first)
{
    pthread_mutex_lock(&s->queue.lock);
    while (first != NULL) {
        wsrt_sqlite_job *next = first->next; /* once done, the job is its owner's again */
        first->done = 1;
        first = next;
    }
    pthread_cond_broadcast(&s->queue.done);
    pthread_mutex_unlock(&s->queue.lock);
}

/* Moves the log into the database when it has grown. Those served have their answers by then; who comes
 * meanwhile waits. */
static void checkpoint(wsrt_sqlite_store *s)
{
    if (s->writer.frames < CHECKPOINT_FRAMES || s->writer.refuses)
        return;
    s->writer.frames = 0;
    if (sqlite3_wal_checkpoint_v2(s->writer.link.db, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL) !=
        SQLITE_OK)
        judge_disk(s, sqlite3_extended_errcode(s->writer.link.db));
}

static struct outcome lead(wsrt_sqlite_store *s, wsrt_sqlite_job *first)
{
    serve(s, first);
    struct outcome o = {s->writer.trouble, s->writer.refuses};
    finish(s, first);
    checkpoint(s);
    return o;
}

static void enqueue(wsrt_sqlite_store *s, wsrt_sqlite_job *job)
{
    *s->queue.last = job;
    s->queue.last = &job->next;
}

static wsrt_sqlite_job *take_queue(wsrt_sqlite_store *s)
{
    wsrt_sqlite_job *first = s->queue.first;

    s->queue.first = NULL;
    s->queue.last = &s->queue.first;
    return first;
}

int wsrt_sqlite_commit(wsrt_sqlite_store *s, wsrt_sqlite_work work, void *arg, int lazily)
{
    wsrt_sqlite_job job = {.work = work, .arg = arg, .lazily = lazily};

    pthread_mutex_lock(&s->queue.lock);
    enqueue(s, &job);
    while (!job.done && s->queue.led)
        pthread_cond_wait(&s->queue.done, &s->queue.lock);
    if (job.done) {
        pthread_mutex_unlock(&s->queue.lock);
        return job.result;
    }
    s->queue.led = 1;
    wsrt_sqlite_job *first = take_queue(s);
    pthread_mutex_unlock(&s->queue.lock);

    struct outcome o = lead(s, first);

    pthread_mutex_lock(&s->queue.lock);
    s->queue.led = 0;
    pthread_cond_broadcast(&s->queue.done);
    pthread_mutex_unlock(&s->queue.lock);
    wsrt_sqlite_tell(s, &s->write_state, o.code, o.refused);
    return job.result;
}

static int nothing(wsrt_sqlite_store *s, void *arg)
{
    (void)s;
    (void)arg;
    return WSRT_OK;
}

int wsrt_sqlite_settle(wsrt_sqlite_store *s)
{
    return wsrt_sqlite_commit(s, nothing, NULL, 0);
}

int wsrt_sqlite_expire(wsrt_sqlite_store *s, wsrt_sqlite_expiry *e, size_t *removed)
{
    if (removed == NULL)
        return WSRT_ERR_INVALID;
    int rc = wsrt_sqlite_commit(s, wsrt_sqlite_expire_some, e, 1);
    if (rc == WSRT_OK)
        *removed = (size_t)e->rows;
    return rc;
}
