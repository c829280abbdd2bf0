/* Plays the script on a store from some threads and acknowledges each step on stdout when it is done:
 * sqlite-writer PATH THREADS STEPS [early]. With `early` it acknowledges what is not done yet, which
 * the test must see. */
#include "sqlite_writer.h"

#include "store_script.h"

#include <wsrt/sqlite.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static struct {
    wsrt_store store;
    wsrt_history history;
    int steps, early;
} run;

static void acknowledge(const struct script *s)
{
    struct acknowledgement a = {.thread = s->thread, .step = s->step};

    if (write(STDOUT_FILENO, &a, sizeof a) != (ssize_t)sizeof a)
        _exit(3);
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

    if (argc < 4)
        return 2;
    int count = atoi(argv[2]);
    run.steps = atoi(argv[3]);
    run.early = argc > 4;
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
    return 0;
}
