/* The same changes of a store over and over: step n of thread t always does the same, so that what a
 * store holds after a crash can be compared with what it had acknowledged. */
#ifndef WSRT_TEST_STORE_SCRIPT_H
#define WSRT_TEST_STORE_SCRIPT_H

#include <wsrt/store.h>

enum { SCRIPT_IDS = 5, SCRIPT_THREADS = 8 };

/* What a store holds of one thread after some steps. */
struct script {
    int thread;
    int step; /* the next one */
    struct {
        int there;
        int64_t connected_at, last_active_at;
        int64_t settled_at; /* last_active_at as a power cut leaves it at least */
        int user, filters;
    } records[SCRIPT_IDS];
    int messages;
};

/* Does the next step on a store; 1 when its answer is the right one. */
int script_play(const struct script *s, const wsrt_store *store, const wsrt_history *history);
/* Counts the next step as done. */
void script_advance(struct script *s);
/* 1 when the store holds exactly this; with `cut`, after a power cut: touches may be undone as far
 * as the last durable change. */
int script_matches(const struct script *s, const wsrt_store *store, const wsrt_history *history,
                   int cut);

#endif
