#define _GNU_SOURCE
#include "reload.h"

#include "tool.h"

#include <signal.h>
#include <string.h>

static void signals(sigset_t *set)
{
    sigemptyset(set);
    sigaddset(set, SIGHUP);
    sigaddset(set, SIGUSR2); /* ends the thread */
}

void reload_block(void)
{
    sigset_t set;

    signals(&set);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
}

static void *wait_for_signals(void *user)
{
    struct reload *r = user;
    sigset_t set;
    int number;

    signals(&set);
    while (sigwait(&set, &number) == 0)
        if (number == SIGHUP) {
            manager_tell_reloading(r->manager);
            r->again(r->user);
            manager_tell(r->manager, "READY=1");
        } else if (!__atomic_load_n(&r->running, __ATOMIC_ACQUIRE))
            break;
    return NULL;
}

int reload_start(struct reload *r)
{
    __atomic_store_n(&r->running, 1, __ATOMIC_RELEASE);
    int rc = pthread_create(&r->thread, NULL, wait_for_signals, r);
    if (rc == 0)
        return 0;
    r->running = 0;
    return complain(TOOL_INTERNAL, "cannot start a thread: %s", strerror(rc));
}

void reload_stop(struct reload *r)
{
    if (!__atomic_exchange_n(&r->running, 0, __ATOMIC_ACQ_REL))
        return;
    pthread_kill(r->thread, SIGUSR2);
    pthread_join(r->thread, NULL);
}
