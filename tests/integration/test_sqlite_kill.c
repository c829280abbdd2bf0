/* kill -9 at the writes of a process that stores and acknowledges: it dies as it enters the Nth call of
 * a kind. The usual run samples the points; WSRT_KILL_POINTS=all takes every one, a number
 * so many at least of a run of 1000 steps, which moves the log into the database several times. */
#include "sqlite_writer.h"
#include "suite.h"

#include "scratch.h"
#include "store_script.h"

#include <wsrt/sqlite.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static struct scratch scratch;
static char path[544];

/* One sweep over the points of a kind of call. */
struct sweep {
    const char *call;
    int threads, steps;
    int early;
    int points; /* of a sampled run */
    int share;  /* of those that are wanted, in a hundred; 0 = as ever */
    /* what came of it */
    int calls, killed, survived, lost, acknowledged;
    double slowest; /* CPU seconds to open what was left */
};

static void setup(void)
{
    scratch_make(&scratch);
    snprintf(path, sizeof path, "%s", scratch_path(&scratch, "store.db").ptr);
}

static void teardown(void)
{
    scratch_remove(&scratch);
}

static void remove_files(void)
{
    static const char *const names[] = {"store.db", "store.db-wal", "store.db-shm",
                                        "store.db-journal"};

    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        unlink(scratch_path(&scratch, names[i]).ptr);
}

/* ---- the process -------------------------------------------------------------------------- */

/* It dies at the Nth call; 0 = never. */
static pid_t start_writer(const struct sweep *w, int n, int out)
{
    char threads[16], steps[16], number[16];
    const char *writer = getenv("WSRT_WRITER");

    ck_assert_msg(writer != NULL, "WSRT_WRITER does not name the writer");
    snprintf(threads, sizeof threads, "%d", w->threads);
    snprintf(steps, sizeof steps, "%d", w->steps);
    snprintf(number, sizeof number, "%d", n);
    const char *const argv[] = {
        writer, path, threads, steps, w->call, number, w->early ? "early" : NULL, NULL};
    pid_t pid = fork();
    if (pid != 0)
        return pid;
    dup2(out, STDOUT_FILENO);
    execv(writer, (char *const *)(uintptr_t)argv);
    _exit(127);
}

/* Reads acknowledgements to the end: how far each thread is known to have come. */
static void listen_to(int in, struct sweep *w, struct script *scripts)
{
    struct acknowledgement a;

    while (read(in, &a, sizeof a) == (ssize_t)sizeof a) {
        if (a.thread == ALL_CALLS) {
            w->calls = a.step;
            continue;
        }
        ck_assert(a.thread >= 0 && a.thread < SCRIPT_THREADS);
        ck_assert_int_eq(a.step, scripts[a.thread].step);
        script_advance(&scripts[a.thread]);
        w->acknowledged++;
    }
}

/* 1 = it was killed, 0 = it came to its end. */
static int run_writer(struct sweep *w, int n, struct script *scripts)
{
    int ends[2], status;

    ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
    pid_t pid = start_writer(w, n, ends[1]);
    ck_assert_int_gt(pid, 0);
    close(ends[1]);
    listen_to(ends[0], w, scripts);
    close(ends[0]);
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    int killed = WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
    ck_assert_msg(killed || (WIFEXITED(status) && WEXITSTATUS(status) == 0),
                  "the writer failed: status %d", status);
    return killed;
}

/* ---- what is left ------------------------------------------------------------------------- */

static double cpu_seconds(void)
{
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Each thread's step under way may be there or not; all before it must be. */
static int everything_is_there(const struct sweep *w, const struct script *scripts,
                               const wsrt_store *store, const wsrt_history *history)
{
    for (int i = 0; i < w->threads; i++) {
        struct script next = scripts[i];
        script_advance(&next);
        if (!script_matches(&scripts[i], store, history, 0) &&
            !script_matches(&next, store, history, 0))
            return 0;
    }
    return 1;
}

static void judge(struct sweep *w, const struct script *scripts)
{
    wsrt_sqlite_store *db;
    wsrt_sqlite_error why;
    wsrt_store store;
    wsrt_history history;
    double start = cpu_seconds();
    int rc = wsrt_sqlite_store_new(&db, wsrt_span_cstr(path), NULL, &why);
    double took = cpu_seconds() - start;

    ck_assert_msg(rc == WSRT_OK, "%s", why.text);
    w->slowest = took > w->slowest ? took : w->slowest;
    wsrt_sqlite_store_connections(db, &store);
    wsrt_sqlite_store_history(db, &history);
    w->lost += !everything_is_there(w, scripts, &store, &history);
    wsrt_sqlite_store_free(db);
}

/* ---- sweeps ------------------------------------------------------------------------------- */

/* How often the writer makes the call when nobody kills it. */
static void count_calls(struct sweep *w)
{
    struct script scripts[SCRIPT_THREADS] = {{.thread = 0}};

    for (int i = 0; i < SCRIPT_THREADS; i++)
        scripts[i].thread = i;
    remove_files();
    ck_assert_int_eq(run_writer(w, 0, scripts), 0);
    ck_assert_int_gt(w->calls, 0);
    w->acknowledged = 0;
}

static void kill_at(struct sweep *w, int n)
{
    struct script scripts[SCRIPT_THREADS] = {{.thread = 0}};

    for (int i = 0; i < SCRIPT_THREADS; i++)
        scripts[i].thread = i;
    remove_files();
    if (run_writer(w, n, scripts))
        w->killed++;
    else
        w->survived++;
    judge(w, scripts);
}

static int points_wanted(void)
{
    const char *wanted = getenv("WSRT_KILL_POINTS");

    return wanted == NULL ? 0 : atoi(wanted);
}

/* From one point to the next. */
static int plan(struct sweep *w)
{
    const char *wanted = getenv("WSRT_KILL_POINTS");
    int number = points_wanted() * w->share / 100;

    if (number > 0) {
        w->points = number;
        w->steps = 1000;
    }
    count_calls(w);
    int every = wanted != NULL && points_wanted() == 0 && w->share > 0 ? 1 : w->calls / w->points;
    return every < 1 ? 1 : every;
}

static void sweep(struct sweep *w)
{
    int every = plan(w);

    for (int n = 1; n <= w->calls; n += every)
        kill_at(w, n);
    printf(
        "# kill points: %d at %s, %d threads, %d acknowledged, %d lost, slowest restart %.0f ms\n",
        w->killed, w->call, w->threads, w->acknowledged, w->lost, w->slowest * 1000);
}

START_TEST(a_process_killed_at_any_write_has_lost_nothing_that_it_acknowledged)
{
    struct sweep sweeps[] = {
        {.call = "pwrite64", .threads = 1, .steps = 120, .points = 40, .share = 60},
        {.call = "fdatasync", .threads = 1, .steps = 60, .points = 10, .share = 25},
        {.call = "write", .threads = 1, .steps = 60, .points = 6, .share = 20},
    };
    int killed = 0;

    for (size_t i = 0; i < sizeof sweeps / sizeof *sweeps; i++) {
        sweep(&sweeps[i]);
        ck_assert_int_eq(sweeps[i].lost, 0);
        ck_assert_int_gt(sweeps[i].acknowledged, 0);
        ck_assert(sweeps[i].slowest < 1);
        killed += sweeps[i].killed;
    }
    ck_assert_int_ge(killed, points_wanted() > 0 ? points_wanted() : 50);
}
END_TEST

START_TEST(threads_killed_within_a_group_have_lost_nothing_that_they_acknowledged)
{
    struct sweep w = {.call = "pwrite64", .threads = 4, .steps = 30, .points = 20};

    sweep(&w);
    ck_assert_int_eq(w.lost, 0);
    ck_assert_int_ge(w.killed, 10);
}
END_TEST

/* The control: a writer that acknowledges before it stores. */
START_TEST(a_writer_that_acknowledges_too_early_is_seen_to_lose)
{
    struct sweep w = {.call = "pwrite64", .threads = 1, .steps = 30, .early = 1, .points = 10};

    sweep(&w);
    ck_assert_int_gt(w.lost, 0);
}
END_TEST

Suite *suite(void)
{
    Suite *s = suite_create("sqlite_kill");
    TCase *t = tcase_create("kill");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_set_timeout(t, 900);
    tcase_add_test(t, a_process_killed_at_any_write_has_lost_nothing_that_it_acknowledged);
    tcase_add_test(t, threads_killed_within_a_group_have_lost_nothing_that_they_acknowledged);
    tcase_add_test(t, a_writer_that_acknowledges_too_early_is_seen_to_lose);
    suite_add_tcase(s, t);
    return s;
}
