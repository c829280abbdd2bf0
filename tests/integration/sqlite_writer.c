/* Plays the script on a store from some threads and acknowledges each step on stdout when it is done:
 * sqlite-writer PATH THREADS STEPS CALL N [early]. It dies by SIGKILL as it enters the Nth CALL of its
 * threads; with N 0 it lives, and says at the end how many there were. With `early` it acknowledges what
 * is not done yet, which the test must see.
 *
 * SQLite's calls come here because a program's own functions go before those of libraries. strace can
 * kill there as well, at ten times the cost. */
#include "sqlite_writer.h"

#include "store_script.h"

#include <wsrt/sqlite.h>

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static struct {
    wsrt_store store;
    wsrt_history history;
    int steps, early;
} run;

/* ---- the calls that it may die at --------------------------------------------------------- */

static struct {
    const char *call;
    int fatal; /* the how many-th; 0 = none */
    atomic_int made;
    useconds_t moment_us; /* between the call and the end */
} death;

static void enter(const char *call)
{
    if (death.call == NULL || strcmp(call, death.call) != 0)
        return;
    if (atomic_fetch_add(&death.made, 1) + 1 != death.fatal)
        return;
    if (death.moment_us > 0) /* other threads say what they hold for stored */
        usleep(death.moment_us);
    kill(getpid(), SIGKILL);
}

#define OVERRIDES __attribute__((visibility("default")))

OVERRIDES ssize_t pwrite64(int fd, const void *bytes, size_t len, off64_t at)
{
    enter("pwrite64");
    return syscall(SYS_pwrite64, fd, bytes, len, at);
}

OVERRIDES int fdatasync(int fd)
{
    enter("fdatasync");
    return (int)syscall(SYS_fdatasync, fd);
}

static void say(int thread, int number)
{
    struct acknowledgement a = {.thread = thread, .step = number};

    if (write(STDOUT_FILENO, &a, sizeof a) != (ssize_t)sizeof a)
        _exit(3);
}

/* ---- the script ---------------------------------------------------------------------------- */

static void acknowledge(const struct script *s)
{
    enter("write");
    say(s->thread, s->step);
}

static void *play(void *arg)
{
    struct script *s = arg;

    while (s->step < run.steps) {
        if (run.early)
            acknowledge(s);
        if (!script_play(s, &run.store, &run.history))
            _exit(2);
        if (!run.early)
            acknowledge(s);
        script_advance(s);
    }
    return NULL;
}

int main(int argc, char **argv)
{
    static struct script scripts[SCRIPT_THREADS];
    pthread_t threads[SCRIPT_THREADS];
    wsrt_sqlite_store *db;
    wsrt_sqlite_error why;

    if (argc < 6)
        return 2;
    int count = atoi(argv[2]);
    run.steps = atoi(argv[3]);
    death.fatal = atoi(argv[5]);
    death.call = argv[4];
    death.moment_us = count > 1 ? 5000 : 0;
    run.early = argc > 6;
    if (wsrt_sqlite_store_new(&db, wsrt_span_cstr(argv[1]), NULL, &why) != WSRT_OK) {
        fprintf(stderr, "%s\n", why.text);
        return 1;
    }
    wsrt_sqlite_store_connections(db, &run.store);
    wsrt_sqlite_store_history(db, &run.history);
    for (int i = 1; i < count; i++) {
        scripts[i].thread = i;
        pthread_create(&threads[i], NULL, play, &scripts[i]);
    }
    play(&scripts[0]);
    for (int i = 1; i < count; i++)
        pthread_join(threads[i], NULL);
    wsrt_sqlite_store_free(db);
    say(ALL_CALLS, death.made);
    return 0;
}
