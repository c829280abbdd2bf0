/* The threads: each serves a box until it is empty. */
#include "server/workers.h"

#include "server/memory.h"

#include <poll.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

enum { HEAR_EVERY_MS = 50 };

typedef struct wsrt_worker {
    struct wsrt_crew *crew;
    wsrt_server *server;
    wsrt_recorder *recorder;
    pthread_t thread;
    int started;
    wsrt_box *box; /* being served */
    wsrt_event event;
    wsrt_times times;
    wsrt_span routed; /* of the event dispatched last */
    wsrt_http_request request;
    wsrt_pair pairs[WSRT_HTTP_FIELDS_MAX];
    wsrt_pair query[WSRT_QUERY_MAX];
    char text[WSRT_TEXT_MAX];
} wsrt_worker;

struct wsrt_crew {
    pthread_mutex_t lock;
    pthread_cond_t work;
    wsrt_box *first; /* those that wait for a worker */
    wsrt_box *last;
    int ending;
    uint32_t idle;
    uint32_t count;
    wsrt_worker workers[];
};

/* ---- what waits ----------------------------------------------------------------------------- */

/* Under the crew's lock. */
static void enqueue(struct wsrt_crew *crew, wsrt_box *b)
{
    b->next = NULL;
    if (crew->last != NULL)
        crew->last->next = b;
    else
        crew->first = b;
    crew->last = b;
}

void wsrt_crew_add(wsrt_box *b, wsrt_job *j)
{
    struct wsrt_crew *crew = b->loop->server->crew;

    atomic_fetch_add_explicit(&b->waiting, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&b->bytes, j->len, memory_order_relaxed);
    atomic_fetch_add_explicit(&b->loop->jobs, 1, memory_order_relaxed);
    pthread_mutex_lock(&crew->lock);
    j->next = NULL;
    if (b->first == NULL)
        b->first = j;
    else
        b->last->next = j;
    b->last = j;
    int wakes = !b->busy;
    if (wakes)
        enqueue(crew, b);
    b->busy = 1;
    wakes = wakes && crew->idle > 0;
    pthread_mutex_unlock(&crew->lock);
    if (wakes)
        pthread_cond_signal(&crew->work);
}

/* ---- a worker's side ------------------------------------------------------------------------ */

/* The loop looks at the box; its first news of a row wake it. */
static void tell(wsrt_box *b, int news)
{
    wsrt_loop *l = b->loop;
    int wake = 0;

    pthread_mutex_lock(&l->lock);
    if (b->news == 0) {
        wake = atomic_load_explicit(&l->news, memory_order_relaxed) == NULL;
        b->next_news = atomic_load_explicit(&l->news, memory_order_relaxed);
        atomic_store_explicit(&l->news, b, memory_order_relaxed);
    }
    b->news |= news;
    pthread_mutex_unlock(&l->lock);
    if (wake)
        wsrt_loop_wake(l);
}

/* Copies the verdict for the loop; without memory there is none. */
static void give_later(const wsrt_verdict *v, wsrt_connecting *u)
{
    wsrt_box *b = ((wsrt_worker *)u->user)->box;
    size_t size = v->head.len + v->body.len;
    char *text = size == 0 ? NULL : wsrt_server_alloc(&u->server->set.mem, size);

    b->verdict = (wsrt_verdict){.accepted = v->accepted, .keep_alive = v->keep_alive};
    if (size > 0 && text == NULL)
        return;
    b->verdict = *v;
    b->text = text;
    b->text_size = size;
    if (v->head.len > 0)
        memcpy(text, v->head.ptr, v->head.len);
    if (v->body.len > 0)
        memcpy(text + v->head.len, v->body.ptr, v->body.len);
    b->verdict.head.ptr = text;
    b->verdict.body.ptr = text == NULL ? NULL : text + v->head.len;
}

static int run_connect(wsrt_worker *w, const wsrt_job *j)
{
    static const wsrt_http_limits limits = {8192, 4096, UINT64_MAX};
    wsrt_connect_room room = {w->pairs, w->query, w->text};
    wsrt_connecting u = {w->server, &w->request, j->accept, give_later, w};
    uint32_t scanned = 0;

    /* It has been read before: it is whole, and good. */
    if (wsrt_http_parse_request(j->bytes, j->len, &limits, &scanned, &w->request) != WSRT_HTTP_DONE)
        return WSRT_ERR_INTERNAL;
    w->event.flags = j->flags;
    atomic_store_explicit(&w->box->connecting, pthread_self(), memory_order_relaxed);
    int rc = wsrt_connect_dispatch(&u, &room, &w->event);
    atomic_store_explicit(&w->box->connecting, (pthread_t)0, memory_order_relaxed);
    return rc;
}

/* A reply to the connection whose message this is. */
static int reply(void *worker, const char *data, size_t len, uint32_t event_flags)
{
    wsrt_worker *w = worker;
    wsrt_post post = {.struct_size = sizeof post, .flags = WSRT_POST_REPLY, .data = {data, len}};

    if ((event_flags & WSRT_EVENT_BINARY) != 0)
        post.flags |= WSRT_POST_BINARY;
    return wsrt_server_sender_ops.post(w->server, &w->event.connection_id, &post);
}

/* The answer of a two-way route goes back as a message. */
static void answer(const wsrt_response *response, void *worker)
{
    if (response->body.len > 0)
        (void)reply(worker, response->body.ptr, response->body.len, response->flags);
}

static int run_message(wsrt_worker *w, const wsrt_job *j)
{
    w->event.kind = WSRT_EVENT_MESSAGE;
    w->event.body = (wsrt_span){j->bytes, j->len};
    w->event.flags = j->flags;
    w->event.reply = reply;
    w->event.transport = w;
    return wsrt_runtime_dispatch(w->server->runtime, &w->event, answer, w);
}

static int run_disconnect(wsrt_worker *w, const wsrt_job *j)
{
    w->event.kind = WSRT_EVENT_DISCONNECT;
    w->event.disconnect_code = j->code;
    w->event.disconnect_reason = (wsrt_span){j->bytes, j->len};
    return wsrt_runtime_dispatch(w->server->runtime, &w->event, NULL, NULL);
}

static void run_job(wsrt_worker *w, const wsrt_job *j)
{
    const wsrt_env *env = &w->server->set.env;
    wsrt_box *b = w->box;
    int rc;

    w->event = (wsrt_event){.struct_size = sizeof w->event,
                            .connection_id = {b->id, WSRT_ID_LEN},
                            .stage = w->server->set.stage,
                            .source_ip = {b->ip, strlen(b->ip)},
                            .session = &b->session,
                            .recorder = w->recorder,
                            .connected_at = b->wall,
                            .routed = &w->routed};
    int64_t began = env->now(env->user);
    if (j->kind == WSRT_EVENT_CONNECT)
        rc = run_connect(w, j);
    else
        rc = j->kind == WSRT_EVENT_MESSAGE ? run_message(w, j) : run_disconnect(w, j);
    wsrt_times_note(&w->times, w->routed);
    wsrt_times_settle(&w->times, env->now(env->user) - began);
    if (rc != WSRT_OK)
        wsrt_loop_log(b->loop, WSRT_LEVEL_ERROR, "server.event_failed", "status",
                      wsrt_span_cstr(wsrt_status_name(rc)));
    if (j->kind == WSRT_EVENT_DISCONNECT)
        return;
    atomic_store_explicit(&b->expires, wsrt_session_expires_at(&b->session), memory_order_relaxed);
    atomic_store_explicit(&b->owed, wsrt_session_close_code(&b->session), memory_order_relaxed);
}

/* Runs what was there when the box was opened. Returns the news that end its being served. */
static int serve_box(wsrt_worker *w, wsrt_job *jobs)
{
    wsrt_box *b = w->box;
    int news = 0;

    while (jobs != NULL) {
        wsrt_job *j = jobs;
        jobs = j->next;
        run_job(w, j);
        if (j->kind == WSRT_EVENT_CONNECT)
            news = WSRT_NEWS_CONNECT;
        if (j->kind == WSRT_EVENT_DISCONNECT)
            news = WSRT_NEWS_ENDED;
        atomic_fetch_sub(&b->waiting, 1);
        atomic_fetch_sub(&b->bytes, j->len);
        wsrt_server_release(&b->loop->set->mem, j, j->size);
        if (wsrt_box_has_room(b) && atomic_exchange(&b->held, 0))
            tell(b, WSRT_NEWS_ROOM);
        /* The loop asks the runtime for its deadlines until nothing is under way. */
        atomic_fetch_sub_explicit(&b->loop->jobs, 1, memory_order_release);
    }
    return news;
}

/* Under the lock: the next box, with its jobs; NULL when the crew ends. */
static wsrt_box *next_box(struct wsrt_crew *crew, wsrt_job **jobs)
{
    while (crew->first == NULL && !crew->ending) {
        crew->idle++;
        pthread_cond_wait(&crew->work, &crew->lock);
        crew->idle--;
    }
    wsrt_box *b = crew->first;
    if (b == NULL)
        return NULL;
    crew->first = b->next;
    if (crew->first == NULL)
        crew->last = NULL;
    *jobs = b->first;
    b->first = b->last = NULL;
    return b;
}

/* News that end a box's service are told when it is nobody's: the loop may free it then. */
static void *work(void *user)
{
    wsrt_worker *w = user;
    struct wsrt_crew *crew = w->crew;
    wsrt_job *jobs;

    pthread_mutex_lock(&crew->lock);
    while ((w->box = next_box(crew, &jobs)) != NULL) {
        pthread_mutex_unlock(&crew->lock);
        int news = serve_box(w, jobs);
        pthread_mutex_lock(&crew->lock);
        wsrt_box *b = w->box;
        b->busy = b->first != NULL;
        if (b->busy)
            enqueue(crew, b);
        if (news != 0) {
            pthread_mutex_unlock(&crew->lock);
            tell(b, news);
            pthread_mutex_lock(&crew->lock);
        }
    }
    pthread_mutex_unlock(&crew->lock);
    return NULL;
}

/* ---- the crew ------------------------------------------------------------------------------- */

static size_t size_of(uint32_t count)
{
    return sizeof(struct wsrt_crew) + count * sizeof(wsrt_worker);
}

static int start_worker(wsrt_server *s, wsrt_worker *w)
{
    sigset_t all, before;

    w->crew = s->crew;
    w->server = s;
    int rc = wsrt_recorder_new(&w->recorder, wsrt_runtime_monitor(s->runtime));
    if (rc != WSRT_OK)
        return rc;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    w->started = pthread_create(&w->thread, NULL, work, w) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return w->started ? WSRT_OK : WSRT_ERR_IO;
}

int wsrt_crew_start(wsrt_server *s)
{
    uint32_t count = s->set.workers;
    int rc = WSRT_OK;

    if (count == 0)
        return WSRT_OK;
    s->crew = wsrt_server_zalloc(&s->set.mem, size_of(count));
    if (s->crew == NULL)
        return WSRT_ERR_NOMEM;
    s->crew->count = count;
    pthread_mutex_init(&s->crew->lock, NULL);
    pthread_cond_init(&s->crew->work, NULL);
    for (uint32_t i = 0; i < count && rc == WSRT_OK; i++)
        rc = start_worker(s, &s->crew->workers[i]);
    return rc;
}

size_t wsrt_crew_add_times(const wsrt_server *s, wsrt_route_sum *sums, size_t count)
{
    for (uint32_t i = 0; s->crew != NULL && i < s->crew->count; i++)
        count = wsrt_times_add(&s->crew->workers[i].times, sums, count);
    return count;
}

/* Waits until the workers have brought what they owe, and hears of it. */
static void hear_out(wsrt_loop *l)
{
    uint64_t count;

    while (l->boxes > 0) {
        struct pollfd woken = {.fd = l->wake, .events = POLLIN};
        wsrt_box_take_news(l);
        if (l->boxes > 0 && poll(&woken, 1, HEAR_EVERY_MS) > 0)
            (void)!read(l->wake, &count, sizeof count);
    }
}

void wsrt_crew_stop(wsrt_server *s)
{
    struct wsrt_crew *crew = s->crew;

    if (crew == NULL)
        return;
    for (uint32_t i = 0; i < s->loop_count; i++)
        hear_out(&s->loops[i]);
    pthread_mutex_lock(&crew->lock);
    crew->ending = 1;
    pthread_mutex_unlock(&crew->lock);
    pthread_cond_broadcast(&crew->work);
    for (uint32_t i = 0; i < crew->count; i++) {
        if (crew->workers[i].started)
            pthread_join(crew->workers[i].thread, NULL);
        wsrt_recorder_free(crew->workers[i].recorder);
    }
    pthread_cond_destroy(&crew->work);
    pthread_mutex_destroy(&crew->lock);
    wsrt_server_release(&s->set.mem, crew, size_of(crew->count));
    s->crew = NULL;
}
