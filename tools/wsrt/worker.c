#include "worker.h"

#include "tool.h"

#include <string.h>

static void *live(void *arg)
{
    struct worker *w = arg;

    pthread_mutex_lock(&w->lock);
    for (;;) {
        while (!w->is_told && !w->is_ending)
            pthread_cond_wait(&w->told, &w->lock);
        if (w->is_ending)
            break;
        w->is_told = 0;
        pthread_mutex_unlock(&w->lock);
        w->work(w->user);
        pthread_mutex_lock(&w->lock);
    }
    pthread_mutex_unlock(&w->lock);
    return NULL;
}

int worker_start(struct worker *w, void (*work)(void *user), void *user)
{
    w->work = work;
    w->user = user;
    pthread_mutex_init(&w->lock, NULL);
    pthread_cond_init(&w->told, NULL);
    int rc = pthread_create(&w->thread, NULL, live, w);
    w->is_running = rc == 0;
    return rc == 0 ? 0 : complain(TOOL_INTERNAL, "cannot start a thread: %s", strerror(rc));
}

void worker_tell(void *worker)
{
    struct worker *w = worker;

    pthread_mutex_lock(&w->lock);
    w->is_told = 1;
    pthread_cond_signal(&w->told);
    pthread_mutex_unlock(&w->lock);
}

void worker_stop(struct worker *w)
{
    if (!w->is_running)
        return;
    pthread_mutex_lock(&w->lock);
    w->is_ending = 1;
    pthread_cond_signal(&w->told);
    pthread_mutex_unlock(&w->lock);
    pthread_join(w->thread, NULL);
    pthread_cond_destroy(&w->told);
    pthread_mutex_destroy(&w->lock);
    w->is_running = 0;
}
