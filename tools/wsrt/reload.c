#define _GNU_SOURCE
#include "reload.h"

#include "breakers_file.h"
#include "tool.h"

#include <signal.h>
#include <string.h>
#include <time.h>

enum { LOOKS = 1000 };

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

/* ---- breakers ---- */

static int load_breakers(struct reload *r)
{
    const wsrt_env *env = wsrt_runtime_env(r->runtime);

    return breakers_file_apply(r->breakers, wsrt_runtime_breakers(r->runtime), env->now(env->user));
}

int reload_first(struct reload *r)
{
    return r->breakers == NULL ? 0 : load_breakers(r);
}

/* ---- the thread ---- */

static void tell(const struct reload *r, int level, const char *event, const char *file)
{
    wsrt_field field = {.name_cstr = "file", .text = wsrt_span_cstr(file), .kind = WSRT_FIELD_TEXT};

    r->env->log(r->env->user, level, event, &field, 1);
}

static uint64_t certificates_read(const struct reload *r)
{
    wsrt_server_stats stats = {.struct_size = sizeof stats};

    if (wsrt_server_get_stats(r->server, &stats) != WSRT_OK)
        return 0;
    return stats.certificates_loaded + stats.certificates_refused;
}

/* The server's loop reads it, and tells how that went. */
static void reload_certificate(const struct reload *r)
{
    const struct timespec a_while = {.tv_nsec = 5 * 1000000};
    uint64_t before = certificates_read(r);

    if (wsrt_server_reload_certificate(r->server) != WSRT_OK)
        return;
    for (int i = 0; i < LOOKS && certificates_read(r) == before; i++)
        nanosleep(&a_while, NULL);
}

/* What is wrong with a file has been told by then; what was in force stays so. */
static void reload(struct reload *r)
{
    if (r->server != NULL)
        reload_certificate(r);
    if (r->breakers == NULL && r->server == NULL)
        tell(r, WSRT_LEVEL_INFO, "reload.nothing", "");
    else if (r->breakers == NULL)
        return;
    else if (load_breakers(r) == 0)
        tell(r, WSRT_LEVEL_INFO, "reload.taken", r->breakers);
    else
        tell(r, WSRT_LEVEL_ERROR, "reload.refused", r->breakers);
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
            reload(r);
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
