/* The SQLite store where the world around it is in the way: files that are none, disks that are full
 * or may not be written, and power that goes. */
#include "suite.h"

#include "faulty_vfs.h"
#include "scratch.h"
#include "store_script.h"

#include <wsrt/sqlite.h>

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

enum { NOW = 1000 };

static struct scratch scratch;
static char path[544];
static wsrt_store store;
static wsrt_history history;

static void setup(void)
{
    scratch_make(&scratch);
    snprintf(path, sizeof path, "%s", scratch_path(&scratch, "store.db").ptr);
}

static void teardown(void)
{
    scratch_remove(&scratch);
}

static wsrt_sqlite_store *open_at(const char *where)
{
    wsrt_sqlite_store_options o = {.struct_size = sizeof o, .busy_ms = -1};
    wsrt_sqlite_store *db;
    wsrt_sqlite_error why;
    int rc = wsrt_sqlite_store_new(&db, wsrt_span_cstr(where), &o, &why);

    ck_assert_msg(rc == WSRT_OK, "%s", why.text);
    wsrt_sqlite_store_connections(db, &store);
    wsrt_sqlite_store_history(db, &history);
    return db;
}

static int put_number(int number)
{
    static const char bytes[1000] = "filters";
    char id[16];
    wsrt_record r = {
        .struct_size = sizeof r, .connected_at = number + 1, .filters = {bytes, sizeof bytes}};

    snprintf(id, sizeof id, "c%d", number);
    r.connection_id = wsrt_span_cstr(id);
    return store.ops->put(store.self, &r, 0, NOW);
}

static int is_there(int number)
{
    static char buffer[16384];
    char id[16];
    wsrt_record r = {.struct_size = sizeof r};

    snprintf(id, sizeof id, "c%d", number);
    wsrt_span span = wsrt_span_cstr(id);
    return store.ops->get(store.self, &span, NOW, &r, buffer, sizeof buffer) == WSRT_OK;
}

/* ---- files that are none ------------------------------------------------------------------ */

static void write_file(const char *bytes, size_t len)
{
    FILE *f = fopen(path, "wb");

    ck_assert_ptr_nonnull(f);
    ck_assert_uint_eq(fwrite(bytes, 1, len, f), len);
    fclose(f);
}

static void run_sql(const char *sql)
{
    sqlite3 *other;

    ck_assert_int_eq(sqlite3_open(path, &other), SQLITE_OK);
    ck_assert_int_eq(sqlite3_exec(other, sql, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(other);
}

static void make_nothing(void)
{
    snprintf(path, sizeof path, "%s", scratch_path(&scratch, "missing/store.db").ptr);
}

static void make_file_for_folder(void)
{
    write_file("x", 1);
    strcat(path, "/store.db");
}

static void make_text(void)
{
    static char text[8192];

    memset(text, 'x', sizeof text);
    write_file(text, sizeof text);
}

static void make_short_text(void)
{
    write_file("no database", 11);
}

static void make_other_program(void)
{
    run_sql("CREATE TABLE notes(text)");
}

static void make_other_application(void)
{
    run_sql("PRAGMA application_id=7;CREATE TABLE notes(text);PRAGMA user_version=1");
}

static void make_newer(void)
{
    wsrt_sqlite_store_free(open_at(path));
    run_sql("PRAGMA user_version=2");
}

static void overwrite(long from, size_t len)
{
    static char junk[65536];
    FILE *f = fopen(path, "r+b");

    ck_assert_ptr_nonnull(f);
    memset(junk, 0x5a, sizeof junk);
    fseek(f, from, SEEK_SET);
    fwrite(junk, 1, len, f);
    fclose(f);
}

static void make_damaged(void)
{
    wsrt_sqlite_store_free(open_at(path));
    overwrite(4096, 40960); /* every page but the first */
}

static void make_damaged_schema(void)
{
    wsrt_sqlite_store_free(open_at(path));
    overwrite(100, 3000);
}

static void make_robbed(void)
{
    wsrt_sqlite_store_free(open_at(path));
    run_sql("DROP TABLE store");
}

static sqlite3 *holder;

static void make_locked(void)
{
    wsrt_sqlite_store_free(open_at(path));
    ck_assert_int_eq(sqlite3_open(path, &holder), SQLITE_OK);
    ck_assert_int_eq(
        sqlite3_exec(holder, "PRAGMA locking_mode=EXCLUSIVE;BEGIN EXCLUSIVE", NULL, NULL, NULL),
        SQLITE_OK);
}

static const struct {
    const char *what;
    void (*make)(void);
    int status;
    const char *rule;
} refusals[] = {
    {"no directory", make_nothing, WSRT_ERR_NOT_FOUND, "the directory does not exist"},
    {"a file for a directory", make_file_for_folder, WSRT_ERR_NOT_FOUND, "directory"},
    {"a text", make_text, WSRT_ERR_MALFORMED, "not an SQLite database"},
    {"a short text", make_short_text, WSRT_ERR_MALFORMED, "not an SQLite database"},
    {"another program's", make_other_program, WSRT_ERR_REJECTED, "another program"},
    {"another application", make_other_application, WSRT_ERR_REJECTED, "another program"},
    {"a newer release's", make_newer, WSRT_ERR_VERSION, "newer release"},
    {"damaged", make_damaged, WSRT_ERR_CORRUPT, "damaged"},
    {"damaged schema", make_damaged_schema, WSRT_ERR_CORRUPT, "damaged"},
    {"without a table of ours", make_robbed, WSRT_ERR_CORRUPT, "damaged"},
    {"locked", make_locked, WSRT_ERR_UNAVAILABLE, "locked"},
};

START_TEST(a_file_that_cannot_be_used_is_refused_with_its_path_and_the_rule)
{
    wsrt_sqlite_store_options o = {.struct_size = sizeof o, .busy_ms = -1};
    wsrt_sqlite_store *db = (wsrt_sqlite_store *)&o;
    wsrt_sqlite_error why;

    refusals[_i].make();
    int rc = wsrt_sqlite_store_new(&db, wsrt_span_cstr(path), &o, &why);
    ck_assert_msg(rc == refusals[_i].status, "%s: %s %s", refusals[_i].what, wsrt_status_name(rc),
                  why.text);
    ck_assert_ptr_null(db);
    ck_assert_msg(strstr(why.text, path) == why.text, "%s", why.text);
    ck_assert_msg(strstr(why.text, refusals[_i].rule) != NULL, "%s", why.text);
    ck_assert_uint_eq(why.text_len, strlen(why.text));
    sqlite3_close(holder);
    holder = NULL;
}
END_TEST

START_TEST(a_file_of_no_bytes_becomes_a_store)
{
    write_file("", 0);
    wsrt_sqlite_store *db = open_at(path);
    ck_assert_int_eq(put_number(1), WSRT_OK);
    wsrt_sqlite_store_free(db);
}
END_TEST

START_TEST(a_long_path_is_shown_by_its_end)
{
    char deep[3001];
    wsrt_sqlite_store *db;
    wsrt_sqlite_error why;

    for (size_t i = 0; i + 1 < sizeof deep; i++)
        deep[i] = i % 100 == 0 ? '/' : 'd';
    memcpy(deep + sizeof deep - 9, "/last.db", 9);
    ck_assert_int_eq(wsrt_sqlite_store_new(&db, wsrt_span_cstr(deep), NULL, &why),
                     WSRT_ERR_NOT_FOUND);
    ck_assert_msg(strstr(why.text, "/last.db: the directory does not exist") != NULL, "%s",
                  why.text);
}
END_TEST

/* A page goes bad while the store is open: what needs it says so, the rest is read. */
START_TEST(damage_is_told_and_what_is_whole_is_read)
{
    wsrt_sqlite_store *db = open_at(path);
    int damaged = 0, whole = 0;

    for (int i = 0; i < 400; i++)
        ck_assert_int_eq(put_number(i), WSRT_OK);
    wsrt_sqlite_store_free(db);
    run_sql("PRAGMA journal_mode=WAL;PRAGMA wal_checkpoint(TRUNCATE)");
    struct stat st;
    ck_assert_int_eq(stat(path, &st), 0);
    overwrite((long)(st.st_size / 8192 * 4096), 4096);
    db = open_at(path);
    for (int i = 0; i < 400; i++) {
        static char buffer[16384];
        char id[16];
        wsrt_record r = {.struct_size = sizeof r};
        snprintf(id, sizeof id, "c%d", i);
        wsrt_span span = wsrt_span_cstr(id);
        int rc = store.ops->get(store.self, &span, NOW, &r, buffer, sizeof buffer);
        ck_assert_msg(rc == WSRT_OK || rc == WSRT_ERR_CORRUPT, "%s", wsrt_status_name(rc));
        damaged += rc == WSRT_ERR_CORRUPT;
        whole += rc == WSRT_OK;
    }
    wsrt_sqlite_store_free(db);
    ck_assert_int_gt(damaged, 0);
    ck_assert_int_gt(whole, 300);
}
END_TEST

/* ---- a file system of our own ------------------------------------------------------------- */

static void write_word(const char *name, const char *word)
{
    int fd = open(name, O_WRONLY);

    if (fd >= 0 && write(fd, word, strlen(word)) < 0)
        ck_abort_msg("%s: %s", name, strerror(errno));
    if (fd >= 0)
        close(fd);
}

/* In a mount namespace of this process, root's or a user's; 0 = some containers allow neither. */
static int mount_small_disk(void)
{
    char map[64];

    snprintf(map, sizeof map, "0 %u 1", (unsigned)getuid());
    if (unshare(CLONE_NEWNS) != 0) {
        if (unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0) {
            printf("# SKIP: this system allows no mount: %s\n", strerror(errno));
            return 0;
        }
        write_word("/proc/self/setgroups", "deny");
        write_word("/proc/self/uid_map", map);
    }
    ck_assert_int_eq(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), 0);
    ck_assert_msg(mount("wsrt", scratch.folder, "tmpfs", 0, "size=2m") == 0, "%s", strerror(errno));
    return 1;
}

static void remount(unsigned long flags)
{
    ck_assert_msg(mount("wsrt", scratch.folder, "tmpfs", MS_REMOUNT | flags, "size=2m") == 0, "%s",
                  strerror(errno));
}

START_TEST(a_disk_smaller_than_the_data_loses_nothing_that_was_acknowledged)
{
    if (!mount_small_disk())
        return;
    wsrt_sqlite_store *db = open_at(path);
    int stored = 0, refused = 0;

    for (; refused < 5 && stored < 100000; stored += refused == 0) {
        int rc = put_number(stored);
        ck_assert_msg(rc == WSRT_OK || rc == WSRT_ERR_IO, "%s", wsrt_status_name(rc));
        refused += rc != WSRT_OK;
    }
    ck_assert_int_eq(refused, 5);
    for (int i = 0; i < stored; i++)
        ck_assert_msg(is_there(i), "%d of %d", i, stored); /* reads go on */
    ck_assert(!is_there(stored));
    wsrt_sqlite_store_free(db);
    db = open_at(path);
    for (int i = 0; i < stored; i++)
        ck_assert_msg(is_there(i), "%d of %d", i, stored);
    wsrt_sqlite_store_free(db);
    printf("# stored before the disk was full: %d\n", stored);
    ck_assert_int_eq(umount2(scratch.folder, MNT_DETACH), 0);
}
END_TEST

START_TEST(room_on_the_disk_makes_a_full_store_work_again)
{
    char ballast[560];
    static char bytes[65536];

    if (!mount_small_disk())
        return;
    wsrt_sqlite_store *db = open_at(path);
    ck_assert_int_eq(put_number(0), WSRT_OK);
    snprintf(ballast, sizeof ballast, "%s/ballast", scratch.folder);
    int fd = open(ballast, O_CREAT | O_WRONLY, 0600);
    while (write(fd, bytes, sizeof bytes) == (ssize_t)sizeof bytes)
        ;
    while (write(fd, bytes, 1) == 1)
        ;
    close(fd);
    int stored = 1;
    while (stored < 1000 && put_number(stored) == WSRT_OK)
        stored++;
    ck_assert_int_lt(stored, 1000);
    ck_assert(is_there(0));
    unlink(ballast);
    ck_assert_int_eq(put_number(stored), WSRT_OK);
    ck_assert(is_there(stored));
    wsrt_sqlite_store_free(db);
    ck_assert_int_eq(umount2(scratch.folder, MNT_DETACH), 0);
}
END_TEST

START_TEST(a_read_only_file_system_is_refused_and_its_records_stay)
{
    wsrt_sqlite_store *db;
    wsrt_sqlite_error why;

    if (!mount_small_disk())
        return;
    db = open_at(path);
    ck_assert_int_eq(put_number(0), WSRT_OK);
    wsrt_sqlite_store_free(db);
    remount(MS_RDONLY);
    ck_assert_int_eq(wsrt_sqlite_store_new(&db, wsrt_span_cstr(path), NULL, &why),
                     WSRT_ERR_FORBIDDEN);
    ck_assert_msg(strstr(why.text, path) == why.text, "%s", why.text);
    ck_assert_int_eq(wsrt_sqlite_store_new(&db, scratch_path(&scratch, "new.db"), NULL, &why),
                     WSRT_ERR_FORBIDDEN);
    remount(0);
    db = open_at(path);
    ck_assert(is_there(0));
    wsrt_sqlite_store_free(db);
    ck_assert_int_eq(umount2(scratch.folder, MNT_DETACH), 0);
}
END_TEST

/* ---- others at the file ------------------------------------------------------------------- */

static int append_number(const wsrt_history *h, int number, int64_t expires_at)
{
    char id[16];
    wsrt_history_entry e = {.struct_size = sizeof e,
                            .author = WSRT_AUTHOR_USER,
                            .session_id = wsrt_span_cstr("s"),
                            .timestamp = number,
                            .expires_at = expires_at};

    snprintf(id, sizeof id, "m%d", number);
    e.message_id = wsrt_span_cstr(id);
    return h->ops->append(h->self, &e);
}

static size_t messages_of(const wsrt_history *h)
{
    static char buffer[98304];
    wsrt_history_entry page[128] = {{.struct_size = sizeof page[0]}};
    wsrt_span session = wsrt_span_cstr("s");
    wsrt_cursor c = {0};
    size_t n = 0;

    ck_assert_int_eq(h->ops->list(h->self, &session, &c, NOW, page, 128, buffer, sizeof buffer, &n),
                     WSRT_OK);
    return n;
}

/* Two servers on one file by mistake: what one stored and the other expired is on nobody's count. */
START_TEST(expiring_what_another_process_stored_costs_no_other_message)
{
    wsrt_sqlite_store *first = open_at(path);
    wsrt_history theirs = history;
    wsrt_sqlite_store *second = open_at(path);
    size_t removed = 0;

    for (int i = 0; i < 70; i++)
        ck_assert_int_eq(append_number(&theirs, i, i < 3 ? NOW : 0), WSRT_OK);
    ck_assert_int_eq(history.ops->expire(history.self, NOW, 100, &removed), WSRT_OK);
    ck_assert_uint_eq(removed, 3);
    ck_assert_int_eq(append_number(&history, 70, 0), WSRT_OK);
    ck_assert_uint_eq(messages_of(&history), 68);
    wsrt_sqlite_store_free(second);
    wsrt_sqlite_store_free(first);
}
END_TEST

START_TEST(removing_what_another_process_stored_leaves_room_for_records)
{
    wsrt_sqlite_store *first = open_at(path);
    wsrt_store theirs = store;
    wsrt_sqlite_store *second = open_at(path);
    wsrt_store ours = store;
    wsrt_span id = wsrt_span_cstr("c1");

    store = theirs;
    ck_assert_int_eq(put_number(1), WSRT_OK);
    store = ours;
    ck_assert_int_eq(store.ops->remove(store.self, &id, 0), WSRT_OK);
    ck_assert_int_eq(put_number(2), WSRT_OK);
    wsrt_sqlite_store_free(second);
    wsrt_sqlite_store_free(first);
}
END_TEST

/* Whether the file is one that readers need not wait for. */
static int writes_ahead(void)
{
    sqlite3 *other;
    sqlite3_stmt *st;

    ck_assert_int_eq(sqlite3_open(path, &other), SQLITE_OK);
    ck_assert_int_eq(sqlite3_prepare_v2(other, "PRAGMA journal_mode", -1, &st, NULL), SQLITE_OK);
    ck_assert_int_eq(sqlite3_step(st), SQLITE_ROW);
    int ours = strcmp((const char *)sqlite3_column_text(st, 0), "wal") == 0;
    sqlite3_finalize(st);
    sqlite3_close(other);
    return ours;
}

/* 1 = it was refused. */
static int opens_with_fault(enum faulty_call call, size_t nth)
{
    wsrt_sqlite_store *db;
    wsrt_sqlite_error why = {0};

    unlink(path);
    faulty_fail(call, nth, call == FAULTY_SYNC ? SQLITE_IOERR_FSYNC : SQLITE_FULL, 0);
    int rc = wsrt_sqlite_store_new(&db, wsrt_span_cstr(path), NULL, &why);
    faulty_fail(call, 0, 0, 0);
    if (rc == WSRT_OK)
        ck_assert_msg(writes_ahead(), "no write-ahead log after fault %zu", nth);
    else
        ck_assert_msg(strstr(why.text, path) == why.text, "%s", why.text);
    wsrt_sqlite_store_free(rc == WSRT_OK ? db : open_at(path));
    ck_assert(writes_ahead());
    return rc != WSRT_OK;
}

START_TEST(a_disk_that_fails_once_while_a_store_is_made_leaves_no_store_of_another_kind)
{
    int refused = 0;

    faulty_install();
    for (size_t nth = 1; nth < 12; nth++)
        refused += opens_with_fault(_i, nth);
    faulty_remove();
    ck_assert_int_ge(refused, 2);
}
END_TEST

/* ---- power -------------------------------------------------------------------------------- */

static struct {
    struct script acked;
    char folder[280]; /* for images */
    uint64_t random;
    int images, lost, every, calls, lied;
} power;

/* What the disk would hold if the power went now is opened, and must hold what was acknowledged; the
 * step under way may be there or not. */
static void judge_image(void)
{
    char image[560];
    struct script next = power.acked;
    wsrt_store s;
    wsrt_history h;
    wsrt_sqlite_store *db;
    wsrt_sqlite_error why;

    snprintf(image, sizeof image, "%s/store.db", power.folder);
    int rc = wsrt_sqlite_store_new(&db, wsrt_span_cstr(image), NULL, &why);
    power.images++;
    if (rc != WSRT_OK) {
        power.lost++;
        ck_assert_msg(power.lied, "image %d: %s", power.images, why.text);
        return;
    }
    wsrt_sqlite_store_connections(db, &s);
    wsrt_sqlite_store_history(db, &h);
    script_advance(&next);
    if (!script_matches(&power.acked, &s, &h, 1) && !script_matches(&next, &s, &h, 1))
        power.lost++;
    wsrt_sqlite_store_free(db);
}

static void remove_image(void)
{
    static const char *const names[] = {"store.db", "store.db-wal", "store.db-shm",
                                        "store.db-journal"};
    char image[560];

    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        snprintf(image, sizeof image, "%s/%s", power.folder, names[i]);
        unlink(image);
    }
}

static void cut_now_and_then(void *user, enum faulty_call call)
{
    sqlite3_vfs *faulty = sqlite3_vfs_find("faulty");

    (void)user;
    (void)call;
    if (power.calls++ % power.every != 0)
        return;
    faulty_watch(NULL, NULL);
    faulty_cut(power.folder, &power.random);
    sqlite3_vfs_register(sqlite3_vfs_find("unix"), 1); /* the image is on a disk without fault */
    judge_image();
    sqlite3_vfs_register(faulty, 1);
    remove_image();
    faulty_watch(cut_now_and_then, NULL);
}

static void live_with_cuts(int steps)
{
    faulty_install();
    wsrt_sqlite_store *db = open_at(path);
    faulty_lie(power.lied);
    faulty_watch(cut_now_and_then, NULL);
    for (int i = 0; i < steps; i++) {
        ck_assert(script_play(&power.acked, &store, &history));
        script_advance(&power.acked);
    }
    faulty_watch(NULL, NULL);
    wsrt_sqlite_store_free(db);
    faulty_remove();
}

static int images_wanted(void)
{
    const char *deep = getenv("WSRT_POWER_CUTS");

    return deep == NULL ? 300 : atoi(deep);
}

static void start_cuts(int lied)
{
    memset(&power, 0, sizeof power);
    power.random = 20261121;
    power.lied = lied;
    snprintf(power.folder, sizeof power.folder, "%s/image", scratch.folder);
    ck_assert_int_eq(mkdir(power.folder, 0700), 0);
    /* A step makes about six calls; the log is moved into the database every 1000 pages. */
    power.every = 7;
}

START_TEST(a_power_cut_at_any_write_undoes_nothing_that_was_acknowledged)
{
    int wanted = images_wanted();

    start_cuts(0);
    live_with_cuts(wanted * 3 / 2 + 50);
    ck_assert_int_ge(power.images, wanted);
    ck_assert_int_eq(power.lost, 0);
    printf("# power cuts: %d, %d steps, %d lost something\n", power.images, power.acked.step,
           power.lost);
    rmdir(power.folder);
}
END_TEST

/* The control: on a disk that only says that it synced, the same check must see a loss. */
START_TEST(a_power_cut_on_a_disk_that_lies_is_seen_to_lose)
{
    start_cuts(1);
    live_with_cuts(60);
    ck_assert_int_gt(power.lost, power.images / 4);
    printf("# power cuts on a disk that lies: %d, %d lost something\n", power.images, power.lost);
    rmdir(power.folder);
}
END_TEST

static int64_t last_active_in(const char *where)
{
    static char buffer[16384];
    wsrt_span id = wsrt_span_cstr("c0");
    wsrt_record r = {.struct_size = sizeof r};
    wsrt_sqlite_store *db = open_at(where);

    ck_assert_int_eq(store.ops->get(store.self, &id, NOW, &r, buffer, sizeof buffer), WSRT_OK);
    wsrt_sqlite_store_free(db);
    return r.last_active_at;
}

/* How many of some power cuts now undo the touch of the record. */
static int cuts_that_undo(int64_t last_active)
{
    sqlite3_vfs *faulty = sqlite3_vfs_find("faulty");
    char image[560];
    int undone = 0;

    snprintf(image, sizeof image, "%s/store.db", power.folder);
    for (int i = 0; i < 8; i++) {
        faulty_cut(power.folder, &power.random);
        sqlite3_vfs_register(sqlite3_vfs_find("unix"), 1);
        undone += last_active_in(image) != last_active;
        sqlite3_vfs_register(faulty, 1);
        remove_image();
    }
    return undone;
}

/* The first store is never heard of again, as if its process had been killed. */
START_TEST(flushing_makes_durable_what_a_killed_run_had_committed)
{
    wsrt_span id = wsrt_span_cstr("c0");

    start_cuts(0);
    faulty_install();
    wsrt_sqlite_store *killed = open_at(path);
    ck_assert_int_eq(put_number(0), WSRT_OK);
    ck_assert_int_eq(store.ops->touch(store.self, &id, 77000, 0), WSRT_OK);
    ck_assert_int_gt(cuts_that_undo(77000), 0);
    wsrt_sqlite_store *next = open_at(path);
    ck_assert_int_eq(store.ops->flush(store.self), WSRT_OK);
    ck_assert_int_eq(cuts_that_undo(77000), 0);
    wsrt_sqlite_store_free(next);
    wsrt_sqlite_store_free(killed);
    faulty_remove();
    rmdir(power.folder);
}
END_TEST

/* As `.recover` may leave a file whose page of it was damaged. */
START_TEST(a_file_that_lost_its_identity_is_given_one_and_flushing_waits_for_the_disk)
{
    wsrt_span id = wsrt_span_cstr("c0");

    start_cuts(0);
    faulty_install();
    wsrt_sqlite_store_free(open_at(path));
    run_sql("DELETE FROM store");
    wsrt_sqlite_store *db = open_at(path);
    ck_assert_int_eq(put_number(0), WSRT_OK);
    ck_assert_int_eq(store.ops->touch(store.self, &id, 77000, 0), WSRT_OK);
    ck_assert_int_eq(store.ops->flush(store.self), WSRT_OK);
    ck_assert_int_eq(cuts_that_undo(77000), 0);
    wsrt_sqlite_store_free(db);
    faulty_remove();
    rmdir(power.folder);
}
END_TEST

Suite *suite(void)
{
    Suite *s = suite_create("sqlite_faults");
    TCase *t = tcase_create("files"), *disks = tcase_create("disks"), *p = tcase_create("power");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_set_timeout(t, 60);
    tcase_add_loop_test(t, a_file_that_cannot_be_used_is_refused_with_its_path_and_the_rule, 0,
                        sizeof refusals / sizeof refusals[0]);
    tcase_add_test(t, a_file_of_no_bytes_becomes_a_store);
    tcase_add_test(t, a_long_path_is_shown_by_its_end);
    tcase_add_test(t, damage_is_told_and_what_is_whole_is_read);
    tcase_add_loop_test(
        t, a_disk_that_fails_once_while_a_store_is_made_leaves_no_store_of_another_kind, 0,
        FAULTY_CALLS);
    tcase_add_test(t, expiring_what_another_process_stored_costs_no_other_message);
    tcase_add_test(t, removing_what_another_process_stored_leaves_room_for_records);
    tcase_add_checked_fixture(disks, setup, teardown);
    tcase_set_timeout(disks, 60);
    tcase_add_test(disks, a_disk_smaller_than_the_data_loses_nothing_that_was_acknowledged);
    tcase_add_test(disks, room_on_the_disk_makes_a_full_store_work_again);
    tcase_add_test(disks, a_read_only_file_system_is_refused_and_its_records_stay);
    tcase_add_checked_fixture(p, setup, teardown);
    tcase_set_timeout(p, 600);
    tcase_add_test(p, a_power_cut_at_any_write_undoes_nothing_that_was_acknowledged);
    tcase_add_test(p, a_power_cut_on_a_disk_that_lies_is_seen_to_lose);
    tcase_add_test(p, flushing_makes_durable_what_a_killed_run_had_committed);
    tcase_add_test(p, a_file_that_lost_its_identity_is_given_one_and_flushing_waits_for_the_disk);
    suite_add_tcase(s, t);
    suite_add_tcase(s, disks);
    suite_add_tcase(s, p);
    return s;
}
