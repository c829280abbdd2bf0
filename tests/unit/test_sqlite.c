/* What the SQLite store does beyond the suite of every store. */
#include "suite.h"

#include "faulty_vfs.h"
#include "heap.h"
#include "scratch.h"
#include "store_script.h"

#include "sqlite/internal.h"

#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { NOW = 1000 };

static struct scratch scratch;
static char path[544];
static wsrt_sqlite_store *db;
static wsrt_store store;
static wsrt_history history;
static struct {
    char text[4096];
    size_t used;
} heard;

static void hear_log(void *user, int level, const char *event, const wsrt_field *fields, size_t n)
{
    (void)user;
    (void)level;
    (void)fields;
    ck_assert_uint_ge(n, 1);
    heard.used +=
        (size_t)snprintf(heard.text + heard.used, sizeof heard.text - heard.used, "%s ", event);
}

static void open_with(wsrt_sqlite_store_options *o)
{
    wsrt_env env = {.struct_size = sizeof env, .log = hear_log};
    wsrt_sqlite_error why;

    o->struct_size = sizeof *o;
    o->env = &env;
    int rc = wsrt_sqlite_store_new(&db, wsrt_span_cstr(path), o, &why);
    ck_assert_msg(rc == WSRT_OK, "%s", why.text);
    wsrt_sqlite_store_connections(db, &store);
    wsrt_sqlite_store_history(db, &history);
}

static void open_db(void)
{
    open_with(&(wsrt_sqlite_store_options){.busy_ms = -1});
}

static void close_db(void)
{
    wsrt_sqlite_store_free(db);
    db = NULL;
}

static void setup(void)
{
    memset(&heard, 0, sizeof heard);
    scratch_make(&scratch);
    snprintf(path, sizeof path, "%s", scratch_path(&scratch, "store.db").ptr);
    faulty_install();
    open_db();
}

static void teardown(void)
{
    close_db();
    faulty_remove();
    scratch_remove(&scratch);
}

static wsrt_record connection(const char *id)
{
    return (wsrt_record){.struct_size = sizeof(wsrt_record),
                         .connection_id = wsrt_span_cstr(id),
                         .connected_at = 5000};
}

static int put_id(const char *id)
{
    wsrt_record r = connection(id);

    return store.ops->put(store.self, &r, 0, NOW);
}

static int is_there(const char *id)
{
    static char buffer[16384];
    wsrt_span span = wsrt_span_cstr(id);
    wsrt_record r = {.struct_size = sizeof r};
    int rc = store.ops->get(store.self, &span, NOW, &r, buffer, sizeof buffer);

    ck_assert(rc == WSRT_OK || rc == WSRT_ERR_NOT_FOUND);
    return rc == WSRT_OK;
}

static int touch_id(const char *id, int64_t at)
{
    wsrt_span span = wsrt_span_cstr(id);

    return store.ops->touch(store.self, &span, at, 0);
}

static void append_number(int number)
{
    char id[16];
    wsrt_history_entry e = {.struct_size = sizeof e,
                            .author = WSRT_AUTHOR_USER,
                            .session_id = wsrt_span_cstr("s"),
                            .timestamp = number};

    snprintf(id, sizeof id, "m%d", number);
    e.message_id = wsrt_span_cstr(id);
    ck_assert_int_eq(history.ops->append(history.self, &e), WSRT_OK);
}

/* The newest `max` messages from a cursor on, as numbers. */
static size_t listed(wsrt_cursor *c, int64_t *numbers, size_t max)
{
    static char buffer[98304];
    wsrt_history_entry page[64] = {{.struct_size = sizeof page[0]}};
    wsrt_span session = wsrt_span_cstr("s");
    size_t n = 0;

    ck_assert_int_eq(
        history.ops->list(history.self, &session, c, NOW, page, max, buffer, sizeof buffer, &n),
        WSRT_OK);
    for (size_t i = 0; i < n; i++)
        numbers[i] = page[i].timestamp;
    return n;
}

/* ---- the file ----------------------------------------------------------------------------- */

START_TEST(the_files_are_their_owners_alone)
{
    static const char *const names[] = {"store.db", "store.db-wal", "store.db-shm"};
    struct stat st;

    ck_assert_int_eq(put_id("a"), WSRT_OK);
    for (int i = 0; i < 3; i++) {
        ck_assert_msg(stat(scratch_path(&scratch, names[i]).ptr, &st) == 0, "%s", names[i]);
        ck_assert_int_eq((int)(st.st_mode & 0777), 0600);
    }
}
END_TEST

START_TEST(everything_is_there_when_the_file_is_opened_again)
{
    struct script s = {0};

    for (int i = 0; i < 200; i++) {
        ck_assert_msg(script_play(&s, &store, &history), "step %d", i);
        script_advance(&s);
        if (i % 20 == 0) {
            close_db();
            open_db();
            ck_assert_msg(script_matches(&s, &store, &history, 0), "step %d", i);
        }
    }
}
END_TEST

START_TEST(a_path_that_sqlite_reads_otherwise_is_a_file_all_the_same)
{
    static const char *const names[] = {":memory:", "file:x?mode=memory"};
    wsrt_sqlite_store *other;
    char here[256];

    ck_assert_ptr_nonnull(getcwd(here, sizeof here));
    ck_assert_int_eq(chdir(scratch.folder), 0);
    ck_assert_int_eq(wsrt_sqlite_store_new(&other, wsrt_span_cstr(names[_i]), NULL, NULL), WSRT_OK);
    ck_assert_int_eq(access(names[_i], F_OK), 0);
    wsrt_sqlite_store_free(other);
    ck_assert_int_eq(chdir(here), 0);
}
END_TEST

START_TEST(a_cursor_is_good_after_the_file_was_opened_again)
{
    wsrt_cursor c = {0};
    int64_t numbers[64];

    for (int i = 0; i < 5; i++)
        append_number(i);
    ck_assert_uint_eq(listed(&c, numbers, 2), 2);
    close_db();
    open_db();
    append_number(9);
    ck_assert_uint_eq(listed(&c, numbers, 9), 3);
    ck_assert_int_eq(numbers[0], 2);
}
END_TEST

static const struct {
    wsrt_sqlite_sql which;
    const char *index;
} plans[] = {
    {WSRT_SQL_GET, "USING INDEX sqlite_autoindex_connection_1"},
    {WSRT_SQL_EACH, "USING INTEGER PRIMARY KEY (rowid>?)"},
    {WSRT_SQL_EACH_BRIEF, "USING INTEGER PRIMARY KEY (rowid>?)"},
    {WSRT_SQL_EACH_OF_USER, "USING INDEX connection_user (user_id=? AND rowid>?)"},
    {WSRT_SQL_EACH_OF_USER_BRIEF, "USING INDEX connection_user (user_id=? AND rowid>?)"},
    {WSRT_SQL_EXPIRE, "USING COVERING INDEX connection_expiry (expires_at<?)"},
    {WSRT_SQL_EXPIRE_MESSAGES, "USING COVERING INDEX message_expiry (expires_at<?)"},
    {WSRT_SQL_LIST, "USING INDEX message_order (session_id=?)"},
    {WSRT_SQL_LIST_ON, "USING INDEX message_order (session_id=? AND (timestamp,message_id)<(?,?))"},
    {WSRT_SQL_REMOVE, "USING INDEX sqlite_autoindex_connection_1"},
    {WSRT_SQL_FIND_LATEST, "USING INDEX sqlite_autoindex_latest_1"},
    {WSRT_SQL_EACH_LATEST, "USING INTEGER PRIMARY KEY (rowid>?)"},
    {WSRT_SQL_TOUCH, "USING INDEX sqlite_autoindex_connection_1"},
};

START_TEST(no_statement_of_every_day_scans_or_sorts_a_table)
{
    char sql[2048], plan[4096] = "";
    sqlite3_stmt *st = wsrt_sqlite_statement(&db->writer.link, plans[_i].which), *explain;
    size_t used = 0;

    snprintf(sql, sizeof sql, "EXPLAIN QUERY PLAN %s", sqlite3_sql(st));
    ck_assert_int_eq(sqlite3_prepare_v2(db->writer.link.db, sql, -1, &explain, NULL), SQLITE_OK);
    while (sqlite3_step(explain) == SQLITE_ROW)
        used += (size_t)snprintf(plan + used, sizeof plan - used, "%s\n",
                                 (const char *)sqlite3_column_text(explain, 3));
    sqlite3_finalize(explain);
    ck_assert_msg(strstr(plan, plans[_i].index) != NULL, "%s: %s", sql, plan);
    ck_assert_msg(strstr(plan, "TEMP B-TREE") == NULL, "%s: %s", sql, plan);
}
END_TEST

/* ---- caps --------------------------------------------------------------------------------- */

START_TEST(the_cap_of_records_is_kept_and_expired_ones_make_room)
{
    wsrt_record brief = connection("brief");

    close_db();
    open_with(&(wsrt_sqlite_store_options){.max_records = 3});
    brief.expires_at = NOW + 1;
    ck_assert_int_eq(put_id("a"), WSRT_OK);
    ck_assert_int_eq(store.ops->put(store.self, &brief, 0, NOW), WSRT_OK);
    ck_assert_int_eq(put_id("b"), WSRT_OK);
    ck_assert_int_eq(put_id("c"), WSRT_ERR_LIMIT);
    ck_assert(!is_there("c"));
    ck_assert_int_eq(put_id("a"), WSRT_OK); /* replacing needs no room */
    wsrt_record late = connection("late");
    ck_assert_int_eq(store.ops->put(store.self, &late, 0, NOW + 1), WSRT_OK);
    close_db();
    open_with(&(wsrt_sqlite_store_options){.max_records = 3});
    ck_assert_int_eq(put_id("c"), WSRT_ERR_LIMIT);
    wsrt_span id = wsrt_span_cstr("a");
    ck_assert_int_eq(store.ops->remove(store.self, &id, 0), WSRT_OK);
    ck_assert_int_eq(put_id("c"), WSRT_OK);
}
END_TEST

static int put_latest(const char *key)
{
    wsrt_latest latest;
    wsrt_latest_entry e = {.struct_size = sizeof e, .key = wsrt_span_cstr(key), .timestamp = 1};

    wsrt_sqlite_store_latest(db, &latest);
    return latest.ops->put(latest.self, &e);
}

START_TEST(the_cap_of_latest_values_is_kept)
{
    wsrt_latest latest;
    wsrt_span key = wsrt_span_cstr("a");

    close_db();
    open_with(&(wsrt_sqlite_store_options){.max_latest = 2});
    ck_assert_int_eq(put_latest("a"), WSRT_OK);
    ck_assert_int_eq(put_latest("b"), WSRT_OK);
    ck_assert_int_eq(put_latest("c"), WSRT_ERR_LIMIT);
    ck_assert_int_eq(put_latest("a"), WSRT_OK); /* replacing needs no room */
    close_db();
    open_with(&(wsrt_sqlite_store_options){.max_latest = 2});
    ck_assert_int_eq(put_latest("c"), WSRT_ERR_LIMIT);
    wsrt_sqlite_store_latest(db, &latest);
    ck_assert_int_eq(latest.ops->remove(latest.self, &key, 1), WSRT_OK);
    ck_assert_int_eq(put_latest("c"), WSRT_OK);
}
END_TEST

START_TEST(beyond_the_cap_the_message_that_arrived_first_goes)
{
    static const int arrivals[] = {50, 10, 40, 30, 20};
    int64_t numbers[64];
    wsrt_cursor c = {0};

    close_db();
    open_with(&(wsrt_sqlite_store_options){.max_messages = 3});
    for (int i = 0; i < 5; i++)
        append_number(arrivals[i]);
    append_number(20); /* there already: nothing goes */
    ck_assert_uint_eq(listed(&c, numbers, 9), 3);
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(numbers[i], 40 - 10 * i);
}
END_TEST

START_TEST(a_lowered_cap_of_messages_is_reached_a_little_at_a_time)
{
    int64_t numbers[64];
    wsrt_cursor c = {0};

    for (int i = 0; i < 150; i++)
        append_number(i);
    close_db();
    open_with(&(wsrt_sqlite_store_options){.max_messages = 2});
    for (int i = 150; i < 153; i++)
        append_number(i);
    ck_assert_uint_eq(listed(&c, numbers, 9), 2);
    ck_assert_int_eq(numbers[0], 152);
    ck_assert_int_eq(numbers[1], 151);
}
END_TEST

/* ---- a run that was killed ---------------------------------------------------------------- */

START_TEST(a_purge_takes_what_earlier_runs_of_the_node_left_and_nothing_else)
{
    static const struct {
        const char *id, *node;
        int64_t epoch;
        int stays;
    } rows[] = {{"a", "n1", 1, 0},
                {"b", "n1", 9, 0},
                {"c", "n1", 10, 1},
                {"d", "n2", 1, 1},
                {"e", "", 1, 1}};
    uint64_t removed = 0;

    for (int i = 0; i < 5; i++) {
        wsrt_record r = connection(rows[i].id);
        r.node = wsrt_span_cstr(rows[i].node);
        r.epoch = rows[i].epoch;
        ck_assert_int_eq(store.ops->put(store.self, &r, 0, NOW), WSRT_OK);
    }
    ck_assert_int_eq(wsrt_sqlite_store_purge(db, wsrt_span_cstr("n1"), 10, &removed), WSRT_OK);
    ck_assert_uint_eq(removed, 2);
    for (int i = 0; i < 5; i++)
        ck_assert_int_eq(is_there(rows[i].id), rows[i].stays);
    ck_assert_int_eq(wsrt_sqlite_store_purge(db, wsrt_span_cstr(""), 10, NULL), WSRT_OK);
    ck_assert(!is_there("e") && is_there("d"));
    ck_assert_int_eq(wsrt_sqlite_store_purge(NULL, wsrt_span_cstr(""), 10, NULL), WSRT_ERR_INVALID);
}
END_TEST

/* ---- groups ------------------------------------------------------------------------------- */

enum { CALLERS = 8 };

static struct {
    pthread_mutex_t lock;
    int syncs, callers, returned, returned_too_early;
} group = {.lock = PTHREAD_MUTEX_INITIALIZER};

static int queued(void)
{
    int n = 0;

    pthread_mutex_lock(&db->queue.lock);
    for (wsrt_sqlite_job *job = db->queue.first; job != NULL; job = job->next)
        n++;
    pthread_mutex_unlock(&db->queue.lock);
    return n;
}

static void *call_put(void *arg)
{
    char id[16];

    snprintf(id, sizeof id, "c%d", *(int *)arg);
    int rc = put_id(id);
    pthread_mutex_lock(&group.lock);
    group.returned++;
    pthread_mutex_unlock(&group.lock);
    return (void *)(intptr_t)rc;
}

/* The first caller's sync does not end before all the others wait behind it. */
static void hold_first_sync(void)
{
    if (group.callers == 0)
        return;
    while (queued() < group.callers - 1)
        sched_yield();
    pthread_mutex_lock(&group.lock);
    group.returned_too_early += group.returned;
    group.callers = 0;
    pthread_mutex_unlock(&group.lock);
}

static void count_sync(void *user, enum faulty_call call)
{
    (void)user;
    if (call != FAULTY_SYNC)
        return;
    hold_first_sync();
    group.syncs++;
}

static void call_together(void (*hear)(void *user, enum faulty_call call))
{
    pthread_t threads[CALLERS];
    int numbers[CALLERS];
    void *rc;

    ck_assert_int_eq(put_id("warm"), WSRT_OK);
    group.syncs = group.returned = group.returned_too_early = 0;
    group.callers = CALLERS;
    faulty_watch(hear, NULL);
    for (int i = 0; i < CALLERS; i++) {
        numbers[i] = i;
        ck_assert_int_eq(pthread_create(&threads[i], NULL, call_put, &numbers[i]), 0);
    }
    for (int i = 0; i < CALLERS; i++) {
        pthread_join(threads[i], &rc);
        ck_assert_int_eq((int)(intptr_t)rc, WSRT_OK);
    }
    faulty_watch(NULL, NULL);
}

START_TEST(callers_that_come_together_share_one_wait_for_the_disk)
{
    char id[16];

    call_together(count_sync);
    ck_assert_int_eq(group.syncs, 2);
    ck_assert_int_eq(group.returned_too_early, 0);
    for (int i = 0; i < CALLERS; i++) {
        snprintf(id, sizeof id, "c%d", i);
        ck_assert(is_there(id));
    }
}
END_TEST

/* The group's transaction fails once; taken apart, each succeeds. */
static void hold_then_fail(void *user, enum faulty_call call)
{
    int held = group.callers;

    (void)user;
    if (call != FAULTY_SYNC)
        return;
    hold_first_sync();
    if (held != 0)
        faulty_fail(FAULTY_WRITE, 1, SQLITE_FULL, 0);
}

START_TEST(a_group_that_fails_is_taken_apart)
{
    call_together(hold_then_fail);
    ck_assert(is_there("c0") && is_there("c7"));
}
END_TEST

START_TEST(touching_does_not_wait_for_the_disk_and_flushing_does)
{
    ck_assert_int_eq(put_id("a"), WSRT_OK);
    group.syncs = group.callers = 0;
    faulty_watch(count_sync, NULL);
    for (int i = 0; i < 20; i++)
        ck_assert_int_eq(touch_id("a", NOW * 1000 + i), WSRT_OK);
    ck_assert_int_eq(group.syncs, 0);
    ck_assert_int_eq(store.ops->flush(store.self), WSRT_OK);
    ck_assert_int_eq(group.syncs, 1);
    ck_assert_int_eq(store.ops->flush(store.self), WSRT_OK); /* nothing is left to do */
    ck_assert_int_eq(group.syncs, 1);
    faulty_watch(NULL, NULL);
}
END_TEST

/* SQLite writes nothing where a row is already as it is to be. */
START_TEST(a_put_that_finds_its_record_touched_into_place_waits_for_the_disk_too)
{
    wsrt_record r = connection("a");

    ck_assert_int_eq(put_id("a"), WSRT_OK);
    ck_assert_int_eq(touch_id("a", NOW * 1000), WSRT_OK);
    r.last_active_at = NOW * 1000;
    group.syncs = group.callers = 0;
    faulty_watch(count_sync, NULL);
    ck_assert_int_eq(store.ops->put(store.self, &r, 0, NOW), WSRT_OK);
    faulty_watch(NULL, NULL);
    ck_assert_int_eq(group.syncs, 1);
}
END_TEST

/* ---- many latest values at once ----------------------------------------------------------- */

enum { BATCH = 64 };

static int change_many(int64_t timestamp, int *results)
{
    static char keys[BATCH][8];
    wsrt_latest_entry entries[BATCH];
    wsrt_latest latest;

    wsrt_sqlite_store_latest(db, &latest);
    for (int i = 0; i < BATCH; i++) {
        snprintf(keys[i], sizeof keys[i], "k%d", i);
        entries[i] = (wsrt_latest_entry){.struct_size = sizeof entries[i],
                                         .key = wsrt_span_cstr(keys[i]),
                                         .value = wsrt_span_cstr("v"),
                                         .timestamp = timestamp};
    }
    return latest.ops->change(latest.self, entries, BATCH, results);
}

static size_t latest_count(void)
{
    wsrt_latest_entry page[2 * BATCH] = {{.struct_size = sizeof page[0]}};
    wsrt_cursor cursor = {0};
    wsrt_latest latest;
    char text[4096];
    size_t n = 0;

    wsrt_sqlite_store_latest(db, &latest);
    ck_assert_int_eq(latest.ops->each(latest.self, &cursor, page, 2 * BATCH, text, sizeof text, &n),
                     WSRT_OK);
    return n;
}

START_TEST(a_batch_of_latest_values_waits_for_the_disk_once)
{
    int results[BATCH];

    ck_assert_int_eq(put_id("warm"), WSRT_OK);
    group.syncs = group.callers = 0;
    faulty_watch(count_sync, NULL);
    ck_assert_int_eq(change_many(1, results), WSRT_OK);
    faulty_watch(NULL, NULL);
    ck_assert_int_eq(group.syncs, 1);
    ck_assert_uint_eq(latest_count(), BATCH);
}
END_TEST

START_TEST(a_batch_that_the_disk_refuses_changes_nothing)
{
    int results[BATCH];

    faulty_fail(FAULTY_WRITE, 1, SQLITE_FULL, 1);
    ck_assert_int_eq(change_many(1, results), WSRT_ERR_IO);
    ck_assert_uint_eq(latest_count(), 0);
    faulty_fail(FAULTY_WRITE, 0, 0, 0);
    ck_assert_int_eq(change_many(1, results), WSRT_OK);
    ck_assert_uint_eq(latest_count(), BATCH);
}
END_TEST

START_TEST(of_a_batch_beyond_the_cap_what_fits_is_kept)
{
    int results[BATCH];

    close_db();
    open_with(&(wsrt_sqlite_store_options){.max_latest = 10});
    ck_assert_int_eq(change_many(1, results), WSRT_OK);
    for (int i = 0; i < BATCH; i++)
        ck_assert_int_eq(results[i], i < 10 ? WSRT_OK : WSRT_ERR_LIMIT);
    ck_assert_uint_eq(latest_count(), 10);
}
END_TEST

/* ---- a disk that fails -------------------------------------------------------------------- */

START_TEST(a_failed_write_changes_nothing_and_the_next_call_works)
{
    static const int codes[] = {SQLITE_FULL, SQLITE_IOERR_WRITE, SQLITE_READONLY};
    struct script s = {0};
    int points = 0;

    for (int i = 0; i < 60; i++) {
        for (size_t n = 1; n < 40; n++) {
            faulty_fail(FAULTY_WRITE, n, codes[_i], 0);
            int played = script_play(&s, &store, &history);
            faulty_fail(FAULTY_WRITE, 0, 0, 0);
            if (played)
                break;
            ck_assert_msg(script_matches(&s, &store, &history, 0), "step %d, write %zu", i, n);
            points++;
        }
        ck_assert(script_play(&s, &store, &history)); /* again: steps may be repeated */
        script_advance(&s);
        ck_assert_msg(script_matches(&s, &store, &history, 0), "step %d", i);
    }
    close_db();
    open_db();
    ck_assert(script_matches(&s, &store, &history, 0));
    ck_assert_int_ge(points, 100);
    printf("# failed writes: %d\n", points);
}
END_TEST

START_TEST(the_log_hears_once_that_calls_fail_and_once_that_they_work_again)
{
    ck_assert_int_eq(put_id("a"), WSRT_OK);
    faulty_fail(FAULTY_WRITE, 1, SQLITE_FULL, 1);
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(put_id("b"), WSRT_ERR_IO);
    ck_assert(is_there("a") && !is_there("b")); /* reads go on */
    faulty_fail(FAULTY_WRITE, 0, 0, 0);
    ck_assert_int_eq(put_id("b"), WSRT_OK);
    ck_assert_str_eq(heard.text, "store_failed store_recovered ");
}
END_TEST

START_TEST(a_failed_sync_is_an_error_and_the_next_put_works)
{
    ck_assert_int_eq(put_id("a"), WSRT_OK);
    faulty_fail(FAULTY_SYNC, 1, SQLITE_IOERR_FSYNC, 0);
    ck_assert_int_eq(put_id("b"), WSRT_ERR_IO);
    ck_assert(!is_there("b"));
    ck_assert_int_eq(put_id("b"), WSRT_OK);
    ck_assert(is_there("a") && is_there("b"));
}
END_TEST

START_TEST(a_failed_sync_behind_a_lazy_commit_ends_writing_until_the_file_is_opened_again)
{
    ck_assert_int_eq(put_id("a"), WSRT_OK);
    ck_assert_int_eq(touch_id("a", NOW * 1000), WSRT_OK);
    faulty_fail(FAULTY_SYNC, 1, SQLITE_IOERR_FSYNC, 0);
    ck_assert_int_eq(put_id("b"), WSRT_ERR_IO);
    ck_assert_int_eq(put_id("b"), WSRT_ERR_IO);
    ck_assert_int_eq(touch_id("a", NOW * 1000 + 1), WSRT_ERR_IO);
    ck_assert(is_there("a"));
    close_db();
    open_db();
    ck_assert(is_there("a") && !is_there("b"));
    ck_assert_int_eq(put_id("b"), WSRT_OK);
}
END_TEST

START_TEST(another_process_lock_is_told_and_reads_go_on)
{
    sqlite3 *other;

    ck_assert_int_eq(put_id("a"), WSRT_OK);
    ck_assert_int_eq(sqlite3_open(path, &other), SQLITE_OK);
    ck_assert_int_eq(sqlite3_exec(other, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
    ck_assert_int_eq(put_id("b"), WSRT_ERR_UNAVAILABLE);
    ck_assert(is_there("a") && !is_there("b"));
    ck_assert_int_eq(sqlite3_exec(other, "ROLLBACK", NULL, NULL, NULL), SQLITE_OK);
    ck_assert_int_eq(put_id("b"), WSRT_OK);
    sqlite3_close(other);
}
END_TEST

/* Closes while another process holds the lock; returns the milliseconds it was waited for. */
static uint64_t close_locked(void)
{
    sqlite3 *other;

    ck_assert_int_eq(sqlite3_open(path, &other), SQLITE_OK);
    ck_assert_int_eq(sqlite3_exec(other, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
    uint64_t before = faulty_waited();
    close_db();
    uint64_t waited = faulty_waited() - before;
    ck_assert_int_eq(sqlite3_exec(other, "ROLLBACK", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(other);
    open_db();
    ck_assert(is_there("a"));
    return waited / 1000;
}

START_TEST(the_end_waits_for_no_lock_when_everything_is_durable)
{
    close_db();
    open_with(&(wsrt_sqlite_store_options){.busy_ms = 5000});
    ck_assert_int_eq(put_id("a"), WSRT_OK);
    ck_assert_uint_eq(close_locked(), 0);
    ck_assert_str_eq(heard.text, "");
}
END_TEST

START_TEST(the_end_waits_for_a_lock_a_quarter_of_a_second)
{
    close_db();
    open_with(&(wsrt_sqlite_store_options){.busy_ms = 5000});
    ck_assert_int_eq(put_id("a"), WSRT_OK);
    ck_assert_int_eq(touch_id("a", NOW * 1000), WSRT_OK);
    uint64_t waited = close_locked();
    ck_assert_uint_ge(waited, 200);
    ck_assert_uint_le(waited, 250);
    ck_assert_str_eq(heard.text, "store_failed ");
}
END_TEST

START_TEST(a_database_at_its_cap_refuses_and_reads_on)
{
    char id[16];
    int stored = 0;

    close_db();
    open_with(&(wsrt_sqlite_store_options){.max_bytes = 200000});
    for (int rc = WSRT_OK; rc == WSRT_OK && stored < 10000; stored += rc == WSRT_OK) {
        snprintf(id, sizeof id, "c%d", stored);
        rc = put_id(id);
        ck_assert(rc == WSRT_OK || rc == WSRT_ERR_IO);
    }
    ck_assert_int_gt(stored, 400);
    ck_assert_int_lt(stored, 10000);
    for (int i = 0; i < stored; i++) {
        snprintf(id, sizeof id, "c%d", i);
        ck_assert(is_there(id));
    }
    wsrt_span first = wsrt_span_cstr("c0");
    for (int i = 0; i < stored / 2; i++) { /* emptied pages are used again */
        snprintf(id, sizeof id, "c%d", i);
        first = wsrt_span_cstr(id);
        ck_assert_int_eq(store.ops->remove(store.self, &first, 0), WSRT_OK);
    }
    ck_assert_int_eq(put_id("again"), WSRT_OK);
}
END_TEST

/* ---- memory ------------------------------------------------------------------------------- */

START_TEST(options_without_sense_are_refused)
{
    wsrt_sqlite_store *s = db;
    wsrt_sqlite_error why = {0};
    wsrt_sqlite_store_options o = {.struct_size = sizeof o, .flags = 1};
    wsrt_span name = wsrt_span_cstr(path);

    ck_assert_int_eq(wsrt_sqlite_store_new(&s, name, &o, &why), WSRT_ERR_UNSUPPORTED);
    ck_assert_ptr_null(s);
    ck_assert_uint_gt(why.text_len, 0);
    o = (wsrt_sqlite_store_options){.struct_size = sizeof o, .busy_ms = -2};
    ck_assert_int_eq(wsrt_sqlite_store_new(&s, name, &o, NULL), WSRT_ERR_INVALID);
    o = (wsrt_sqlite_store_options){.struct_size = sizeof o, .max_messages = (1ull << 31) + 1};
    ck_assert_int_eq(wsrt_sqlite_store_new(&s, name, &o, NULL), WSRT_ERR_INVALID);
    o.struct_size = 8;
    ck_assert_int_eq(wsrt_sqlite_store_new(&s, name, &o, NULL), WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_sqlite_store_new(&s, wsrt_span_cstr(""), NULL, NULL), WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_sqlite_store_new(&s, (wsrt_span){"a\0b", 3}, NULL, NULL),
                     WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_sqlite_store_new(NULL, name, NULL, NULL), WSRT_ERR_INVALID);
    wsrt_sqlite_store_free(NULL);
}
END_TEST

START_TEST(a_refused_allocation_of_ours_leaves_nothing_behind)
{
    struct heap heap;

    heap_init(&heap);
    close_db();
    for (size_t n = 1;; n++) {
        wsrt_sqlite_store_options o = {.struct_size = sizeof o, .allocator = heap.allocator};
        heap_arm(&heap, n, _i);
        int rc = wsrt_sqlite_store_new(&db, wsrt_span_cstr(path), &o, NULL);
        if (!heap.tripped) {
            ck_assert_int_eq(rc, WSRT_OK);
            break;
        }
        ck_assert_int_eq(rc, WSRT_ERR_NOMEM);
        ck_assert_uint_eq(heap.live, 0);
        heap.points++;
    }
    close_db();
    ck_assert_uint_eq(heap.live, 0);
    ck_assert_uint_ge(heap.points, 2);
    printf("# allocation points: %zu\n", heap.points);
    open_db();
}
END_TEST

/* SQLite's own memory, refused through the table it offers for that. */
static struct {
    sqlite3_mem_methods real;
    size_t calls, fail_at;
    int sticky;
} memory;

static int refused(void)
{
    memory.calls++;
    return memory.fail_at != 0 &&
           (memory.calls == memory.fail_at || (memory.sticky && memory.calls > memory.fail_at));
}

static void *refusing_malloc(int size)
{
    return refused() ? NULL : memory.real.xMalloc(size);
}

static void *refusing_realloc(void *ptr, int size)
{
    return refused() ? NULL : memory.real.xRealloc(ptr, size);
}

static void use_refusing_memory(void)
{
    sqlite3_shutdown();
    sqlite3_config(SQLITE_CONFIG_GETMALLOC, &memory.real);
    sqlite3_mem_methods own = memory.real;
    own.xMalloc = refusing_malloc;
    own.xRealloc = refusing_realloc;
    sqlite3_config(SQLITE_CONFIG_MALLOC, &own);
}

static void use_plain_memory(void)
{
    sqlite3_shutdown();
    sqlite3_config(SQLITE_CONFIG_MALLOC, &memory.real);
}

static void arm(size_t fail_at, int sticky)
{
    memory.calls = 0;
    memory.fail_at = fail_at;
    memory.sticky = sticky;
}

/* Plays some steps; one that is refused works once there is memory again. */
static void play_through(struct script *s)
{
    wsrt_sqlite_store_connections(db, &store);
    wsrt_sqlite_store_history(db, &history);
    for (int i = 0; i < 12; i++) {
        if (!script_play(s, &store, &history)) {
            memory.fail_at = 0;
            ck_assert_msg(script_play(s, &store, &history), "step %d", s->step);
        }
        script_advance(s);
    }
}

/* Opens and plays with the nth allocation refused: 1 = it was. */
static int live_with_refusal(size_t n, int sticky, struct script *s)
{
    arm(n, sticky);
    int rc = wsrt_sqlite_store_new(&db, wsrt_span_cstr(path), NULL, NULL);
    if (rc == WSRT_OK) {
        play_through(s);
        close_db();
    } else {
        ck_assert_msg(rc == WSRT_ERR_NOMEM || rc == WSRT_ERR_IO, "%s", wsrt_status_name(rc));
        ck_assert_ptr_null(db);
    }
    int hit = memory.calls >= n;
    arm(0, 0);
    return hit;
}

START_TEST(sqlite_without_memory_loses_nothing_that_was_acknowledged)
{
    struct script s = {0};
    size_t points = 0, n = 1;

    close_db();
    faulty_remove();
    use_refusing_memory();
    while (live_with_refusal(n, _i, &s)) {
        open_db();
        ck_assert_msg(script_matches(&s, &store, &history, 0), "allocation %zu", n);
        close_db();
        points++;
        n += 1 + n / 12; /* dense at first, then sampled */
    }
    use_plain_memory();
    faulty_install();
    open_db();
    ck_assert_uint_ge(points, 40);
    printf("# allocation points: %zu\n", points);
}
END_TEST

Suite *suite(void)
{
    Suite *s = suite_create("sqlite");
    TCase *t = tcase_create("sqlite"), *full = tcase_create("full");

    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, the_files_are_their_owners_alone);
    tcase_add_test(t, everything_is_there_when_the_file_is_opened_again);
    tcase_add_loop_test(t, a_path_that_sqlite_reads_otherwise_is_a_file_all_the_same, 0, 2);
    tcase_add_test(t, a_cursor_is_good_after_the_file_was_opened_again);
    tcase_add_loop_test(t, no_statement_of_every_day_scans_or_sorts_a_table, 0,
                        sizeof plans / sizeof plans[0]);
    tcase_add_test(t, the_cap_of_records_is_kept_and_expired_ones_make_room);
    tcase_add_test(t, the_cap_of_latest_values_is_kept);
    tcase_add_test(t, beyond_the_cap_the_message_that_arrived_first_goes);
    tcase_add_test(t, a_lowered_cap_of_messages_is_reached_a_little_at_a_time);
    tcase_add_test(t, a_purge_takes_what_earlier_runs_of_the_node_left_and_nothing_else);
    tcase_add_test(t, callers_that_come_together_share_one_wait_for_the_disk);
    tcase_add_test(t, a_group_that_fails_is_taken_apart);
    tcase_add_test(t, touching_does_not_wait_for_the_disk_and_flushing_does);
    tcase_add_test(t, a_put_that_finds_its_record_touched_into_place_waits_for_the_disk_too);
    tcase_add_test(t, a_batch_of_latest_values_waits_for_the_disk_once);
    tcase_add_test(t, a_batch_that_the_disk_refuses_changes_nothing);
    tcase_add_test(t, of_a_batch_beyond_the_cap_what_fits_is_kept);
    tcase_add_loop_test(t, a_failed_write_changes_nothing_and_the_next_call_works, 0, 3);
    tcase_add_test(t, the_log_hears_once_that_calls_fail_and_once_that_they_work_again);
    tcase_add_test(t, a_failed_sync_is_an_error_and_the_next_put_works);
    tcase_add_test(t,
                   a_failed_sync_behind_a_lazy_commit_ends_writing_until_the_file_is_opened_again);
    tcase_add_test(t, another_process_lock_is_told_and_reads_go_on);
    tcase_add_test(t, the_end_waits_for_no_lock_when_everything_is_durable);
    tcase_add_test(t, the_end_waits_for_a_lock_a_quarter_of_a_second);
    tcase_add_test(t, options_without_sense_are_refused);
    tcase_add_loop_test(t, a_refused_allocation_of_ours_leaves_nothing_behind, 0, 2);
    tcase_add_loop_test(t, sqlite_without_memory_loses_nothing_that_was_acknowledged, 0, 2);
    suite_add_tcase(s, t);
    tcase_set_timeout(full, 60);
    tcase_set_tags(full, SLOW);
    tcase_add_checked_fixture(full, setup, teardown);
    tcase_add_test(full, a_database_at_its_cap_refuses_and_reads_on);
    suite_add_tcase(s, full);
    return s;
}
