/* A connection's box, as its loop sees it: what goes in, and what is heard of it. */
#include "server/memory.h"
#include "server/workers.h"

#include <string.h>

int wsrt_box_has_room(const wsrt_box *b)
{
    return atomic_load(&b->waiting) <= WSRT_BOX_MESSAGES / 2 &&
           atomic_load(&b->bytes) <= WSRT_BOX_BYTES / 2;
}

/* ---- jobs and boxes ------------------------------------------------------------------------- */

static wsrt_job *new_job(wsrt_loop *l, int kind, size_t room)
{
    wsrt_job *j = wsrt_server_alloc(&l->set->mem, sizeof *j + room);

    if (j == NULL)
        return NULL;
    memset(j, 0, sizeof *j);
    j->size = sizeof *j + room;
    j->kind = kind;
    return j;
}

static void fill(wsrt_job *j, wsrt_span bytes)
{
    j->len = bytes.len;
    if (bytes.len > 0)
        memcpy(j->bytes, bytes.ptr, bytes.len);
}

static void release_job(wsrt_loop *l, wsrt_job *j)
{
    if (j != NULL)
        wsrt_server_release(&l->set->mem, j, j->size);
}

static void release_box(wsrt_loop *l, wsrt_box *b)
{
    release_job(l, b->farewell);
    wsrt_server_release(&l->set->mem, b->text, b->text_size);
    wsrt_server_release(&l->set->mem, b, sizeof *b);
    l->boxes--;
}

static wsrt_box *new_box(wsrt_loop *l, const wsrt_conn *c)
{
    wsrt_box *b = wsrt_server_zalloc(&l->set->mem, sizeof *b);

    if (b == NULL)
        return NULL;
    l->boxes++;
    b->loop = l;
    b->wall = c->wall;
    b->slot = c->slot;
    b->gen = c->gen;
    memcpy(b->id, c->id, WSRT_ID_LEN);
    wsrt_input_ip_text(c, b->ip);
    atomic_init(&b->expires, -1);
    b->farewell = new_job(l, WSRT_EVENT_DISCONNECT, WSRT_WS_CONTROL_MAX);
    if (b->farewell != NULL)
        return b;
    release_box(l, b);
    return NULL;
}

/* ---- in ------------------------------------------------------------------------------------- */

/* The head of the request is in `head`; what follows it waits for the answer. */
int wsrt_box_connect(wsrt_loop *l, wsrt_conn *c, const char *accept)
{
    wsrt_job *j = new_job(l, WSRT_EVENT_CONNECT, l->head.len);
    wsrt_box *b = j == NULL ? NULL : new_box(l, c);

    if (b == NULL) {
        release_job(l, j);
        return WSRT_ERR_NOMEM;
    }
    fill(j, l->head);
    j->flags = c->trust & WSRT_TRUST_DEVELOPER;
    memcpy(j->accept, accept, sizeof j->accept);
    c->box = b;
    c->state = WSRT_CONN_CONNECTING;
    if ((c->flags & WSRT_CONN_SERVED) != 0)
        c->since = wsrt_stamp(l); /* one that asked before has its time from here on */
    wsrt_conn_need(l, c, c->since + l->terms->handshake);
    wsrt_conn_announce(l, c);
    wsrt_conn_hold(l, c);
    wsrt_crew_add(b, j);
    return WSRT_OK;
}

/* Too much waits: reading stops, unless a worker has made room meanwhile. */
static void hold(wsrt_loop *l, wsrt_conn *c, wsrt_box *b)
{
    atomic_store(&b->held, 1);
    if (!wsrt_box_has_room(b) || !atomic_exchange(&b->held, 0))
        wsrt_conn_hold(l, c);
}

int wsrt_box_message(wsrt_loop *l, wsrt_conn *c, wsrt_span body, uint32_t flags)
{
    wsrt_box *b = c->box;
    wsrt_job *j = new_job(l, WSRT_EVENT_MESSAGE, body.len);

    if (j == NULL)
        return WSRT_ERR_NOMEM;
    j->flags = flags;
    fill(j, body);
    wsrt_crew_add(b, j);
    if (atomic_load(&b->waiting) >= WSRT_BOX_MESSAGES || atomic_load(&b->bytes) >= WSRT_BOX_BYTES)
        hold(l, c, b);
    return WSRT_OK;
}

static void say_farewell(wsrt_box *b, int code, wsrt_span reason)
{
    wsrt_job *j = b->farewell;

    b->farewell = NULL;
    j->code = code;
    fill(j, reason);
    wsrt_crew_add(b, j);
}

/* The connection is not known any more; its box lives until the event has been handled. */
void wsrt_box_disconnect(wsrt_loop *l, wsrt_conn *c, wsrt_span reason)
{
    wsrt_box *b = c->box;

    (void)l;
    c->box = NULL;
    say_farewell(b, c->code, reason);
}

/* ---- out ------------------------------------------------------------------------------------ */

/* The connection of a box, while it is in that state. */
static wsrt_conn *conn_of(wsrt_loop *l, const wsrt_box *b, int state)
{
    wsrt_conn *c = wsrt_conn_at(l, b->slot);

    return c->gen == b->gen && c->state == state ? c : NULL;
}

static void finish_connect(wsrt_loop *l, wsrt_box *b)
{
    wsrt_conn *c = conn_of(l, b, WSRT_CONN_CONNECTING);
    int accepted = b->verdict.accepted;

    l->runtime_dirty = 1;
    if (c != NULL && !accepted) {
        wsrt_conn_withdraw(l, c); /* whoever posts looks into the box */
        c->box = NULL;
    }
    if (c != NULL) {
        wsrt_connect_finish(l, c, &b->verdict, &b->early);
    } else {
        wsrt_connect_forget(l);
        wsrt_sender_take_early(l, &b->early);
    }
    if (c == NULL && accepted) /* by the application, but not any more by the client */
        say_farewell(b, 1006, (wsrt_span){NULL, 0});
    else if (!accepted)
        release_box(l, b);
}

static void take(wsrt_loop *l, wsrt_box *b, int news)
{
    wsrt_conn *c;

    if ((news & WSRT_NEWS_CONNECT) != 0) {
        finish_connect(l, b);
        return;
    }
    if ((news & WSRT_NEWS_ROOM) != 0 && (c = conn_of(l, b, WSRT_CONN_OPEN)) != NULL)
        wsrt_conn_unhold(l, c);
    if ((news & WSRT_NEWS_ENDED) != 0)
        release_box(l, b);
}

/* Hears of the boxes whose workers had something to tell. */
void wsrt_box_take_news(wsrt_loop *l)
{
    if (atomic_load_explicit(&l->news, memory_order_relaxed) == NULL)
        return;
    pthread_mutex_lock(&l->lock);
    wsrt_box *b = atomic_exchange_explicit(&l->news, NULL, memory_order_relaxed);
    pthread_mutex_unlock(&l->lock);
    while (b != NULL) {
        pthread_mutex_lock(&l->lock);
        int news = b->news;
        wsrt_box *next = b->next_news;
        b->news = 0; /* from here on it may come into the list again */
        pthread_mutex_unlock(&l->lock);
        take(l, b, news);
        b = next;
    }
    wsrt_conn_retire(l);
}
