/* Who serves the loops: the host's own loop steps the only one, or threads run them all. */
#include "server/internal.h"

#include <signal.h>

int wsrt_run_is_over(const wsrt_loop *l)
{
    return l->drain.stage == WSRT_DRAIN_ENDED ||
           atomic_load_explicit(&l->server->stopping, memory_order_acquire);
}

static int is_inside(const wsrt_server *s)
{
    for (uint32_t i = 0; i < s->loop_count; i++)
        if (pthread_equal(atomic_load_explicit(&s->loops[i].owner, memory_order_relaxed),
                          pthread_self()))
            return 1;
    return 0;
}

/* ---- the host's loop ------------------------------------------------------------------------ */

/* Several loops have threads of their own and no descriptor that stands for them all. */
static int refuse_several(wsrt_server *s)
{
    wsrt_loop_log(&s->loops[0], WSRT_LEVEL_ERROR, "server.not_embeddable", "advice",
                  wsrt_span_cstr("call wsrt_server_run(), or ask for one loop"));
    return WSRT_ERR_UNSUPPORTED;
}

int wsrt_server_fd(wsrt_server *s)
{
    return s->loop_count > 1 ? refuse_several(s) : s->loops[0].epoll;
}

int wsrt_server_timeout(wsrt_server *s)
{
    if (s->loop_count > 1)
        return refuse_several(s);
    wsrt_loop_read_clock(&s->loops[0]);
    return wsrt_loop_timeout(&s->loops[0]);
}

int wsrt_server_step(wsrt_server *s)
{
    if (s == NULL)
        return WSRT_ERR_INVALID;
    if (s->loop_count > 1)
        return refuse_several(s);
    wsrt_loop *l = &s->loops[0];
    if (is_inside(s) || wsrt_run_is_over(l))
        return WSRT_ERR_STATE;
    int rc = wsrt_loop_turn(l, 0);
    return rc == WSRT_OK && wsrt_run_is_over(l) ? WSRT_ERR_STATE : rc;
}

/* ---- own threads ---------------------------------------------------------------------------- */

/* What one loop cannot go on with ends them all; one whose handlers outlive a drain ends alone. */
static void serve(wsrt_loop *l)
{
    l->result = WSRT_OK;
    while (l->result == WSRT_OK && !wsrt_run_is_over(l))
        l->result = wsrt_loop_turn(l, wsrt_loop_timeout(l));
    if (l->result != WSRT_OK)
        wsrt_server_stop(l->server);
    else if (l->drain.stage == WSRT_DRAIN_ENDED && l->boxes > 0)
        l->result = WSRT_ERR_TIMEOUT;
}

static void *serve_in_thread(void *user)
{
    serve(user);
    return NULL;
}

/* Signals are the host's: no thread of ours is there to take them. */
static int start_thread(wsrt_loop *l)
{
    sigset_t all, before;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int rc = pthread_create(&l->thread, NULL, serve_in_thread, l);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return rc == 0 ? WSRT_OK : WSRT_ERR_IO;
}

int wsrt_server_run(wsrt_server *s)
{
    uint32_t started = 1;
    int rc = WSRT_OK;

    if (s == NULL)
        return WSRT_ERR_INVALID;
    if (is_inside(s))
        return WSRT_ERR_STATE;
    while (started < s->loop_count && rc == WSRT_OK) {
        rc = start_thread(&s->loops[started]);
        started += rc == WSRT_OK;
    }
    if (rc != WSRT_OK)
        wsrt_server_stop(s);
    serve(&s->loops[0]);
    for (uint32_t i = 1; i < started; i++)
        pthread_join(s->loops[i].thread, NULL);
    for (uint32_t i = 0; i < started && rc == WSRT_OK; i++)
        rc = s->loops[i].result;
    return rc;
}
