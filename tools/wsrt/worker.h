/* A thread for what may wait: it does one thing each time it is told. */
#ifndef WSRT_TOOL_WORKER_H
#define WSRT_TOOL_WORKER_H

#include <pthread.h>

struct worker {
    void (*work)(void *user);
    void *user;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t told;
    int is_told;
    int is_ending;
    int is_running;
};

/* Fills in a zeroed worker; an exit status, complained about. */
int worker_start(struct worker *w, void (*work)(void *user), void *user);
/* Never waits for the work. Told twice before it begins, it does it once. Any thread. */
void worker_tell(void *w);
/* Waits until the work under way is done. One that was never started is fine. */
void worker_stop(struct worker *w);

#endif
