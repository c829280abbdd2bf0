/* Later terms: judged whole on the caller's thread, then taken by each loop between two of its turns. */
#include "server/internal.h"

#include <string.h>

enum { NAMES_ROOM = 128 };

/* ---- what stays ----------------------------------------------------------------------------- */

static int same_texts(wsrt_texts have, const wsrt_span *items, size_t count)
{
    int same = have.count == count;

    for (size_t i = 0; i < count && same; i++)
        same = wsrt_span_equal(have.items[i], items[i]);
    return same;
}

static void add_name(char *names, const char *name_cstr)
{
    size_t len = strlen(names);

    if (len > 0)
        memcpy(names + len, ", ", 3);
    memcpy(names + strlen(names), name_cstr, strlen(name_cstr) + 1);
}

/* Tells which settings would only count after a restart. */
static void warn_of_fixed(wsrt_server *s, const wsrt_server_options *o)
{
    const wsrt_settings *set = &s->set;
    wsrt_span stage = o->stage.len > 0 ? o->stage : wsrt_span_cstr("prod");
    const struct {
        const char *name_cstr;
        int same;
    } rows[] = {
        {"listen", o->listen == NULL || same_texts(set->listen, o->listen, o->listen_count)},
        {"admin", same_texts(set->admin, o->admin, o->admin_count)},
        {"loops", set->loops == (o->loops == 0 ? 1 : (uint32_t)o->loops)},
        {"workers", set->workers == (uint32_t)o->workers},
        {"flags", set->flags == o->flags},
        {"stage", wsrt_span_equal(set->stage, stage)},
        {"app", wsrt_span_equal(set->app, o->app)},
        {"tls", set->has_tls == (o->tls_cert.len > 0)},
    };
    char names[NAMES_ROOM] = "";

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (!rows[i].same)
            add_name(names, rows[i].name_cstr);
    if (names[0] != '\0')
        wsrt_loop_log(&s->loops[0], WSRT_LEVEL_WARN, "server.restart_needed", "settings",
                      wsrt_span_cstr(names));
}

/* ---- the call ------------------------------------------------------------------------------- */

/* For threads that post, which look at no loop's. */
static void publish(wsrt_server *s, const wsrt_terms *t)
{
    atomic_store_explicit(&s->max_message, t->max_message, memory_order_relaxed);
    atomic_store_explicit(&s->queue_total, t->queue_total, memory_order_relaxed);
    atomic_store_explicit(&s->slow_reader, t->slow_reader, memory_order_relaxed);
}

/* Takes over the reference. */
void wsrt_reload_begin(wsrt_server *s, wsrt_terms *terms)
{
    pthread_mutex_init(&s->reload_lock, NULL);
    s->terms = terms;
    publish(s, terms);
}

/* One that a loop did not take by now was for nobody. */
static void hand_out(wsrt_server *s, wsrt_terms *t)
{
    wsrt_terms_release(s->terms);
    s->terms = t;
    publish(s, t);
    for (uint32_t i = 0; i < s->loop_count; i++) {
        wsrt_terms_hold(t);
        wsrt_terms_release(atomic_exchange(&s->loops[i].next_terms, t));
        wsrt_loop_wake(&s->loops[i]);
    }
}

/* Under the lock. Whether there is TLS at all stays as it is. */
static int replace(wsrt_server *s, wsrt_server_options *o, const char **wrong_cstr)
{
    wsrt_tls_config *configs[WSRT_LOOPS_MAX];
    wsrt_terms *t;

    if (o->tls_cert.len == 0 || !s->set.has_tls) {
        o->tls_cert = s->terms->tls_cert;
        o->tls_key = s->terms->tls_key;
    }
    int rc = wsrt_terms_new(&t, o, wrong_cstr);
    if (rc != WSRT_OK)
        return rc;
    if (s->set.has_tls && wsrt_handshake_prepare(s, t, configs, wrong_cstr) != WSRT_OK) {
        wsrt_terms_release(t);
        return WSRT_ERR_REJECTED;
    }
    hand_out(s, t);
    if (s->set.has_tls)
        wsrt_handshake_hand_out(s, configs);
    return WSRT_OK;
}

/* What the host could not read itself is refused like what makes no sense. */
static int judge(wsrt_server_options *o, const wsrt_server_options *given, const char **wrong_cstr)
{
    *wrong_cstr = "none could be read";
    if (given == NULL)
        return WSRT_ERR_INVALID;
    *wrong_cstr = "struct_size";
    int rc = wsrt_server_options_read(o, sizeof *o, given);
    return rc != WSRT_OK ? rc : wsrt_server_settings_judge(o, wrong_cstr);
}

int wsrt_server_reload(wsrt_server *s, const wsrt_server_options *opts)
{
    const char *wrong_cstr;
    wsrt_server_options o;

    if (s == NULL)
        return WSRT_ERR_INVALID;
    int rc = judge(&o, opts, &wrong_cstr);
    if (rc == WSRT_OK) {
        wsrt_server_options mine = o;
        mine.allocator = s->set.mem;
        mine.flags = s->set.flags;
        pthread_mutex_lock(&s->reload_lock);
        rc = replace(s, &mine, &wrong_cstr);
        pthread_mutex_unlock(&s->reload_lock);
    }
    atomic_fetch_add(rc == WSRT_OK ? &s->reloads : &s->reloads_refused, 1);
    if (rc != WSRT_OK) {
        wsrt_loop_log(&s->loops[0], WSRT_LEVEL_ERROR, "server.settings_refused", "setting",
                      wsrt_span_cstr(wrong_cstr));
        return rc;
    }
    warn_of_fixed(s, &o);
    wsrt_loop_log(&s->loops[0], WSRT_LEVEL_INFO, "server.settings_taken", "settings",
                  wsrt_span_cstr("all"));
    return WSRT_OK;
}

/* ---- on the loop ---------------------------------------------------------------------------- */

/* Every deadline may be another one now: so all look when their next one is. */
static void look_again(wsrt_loop *l, int pings)
{
    for (uint32_t slot = 0; slot < l->chunk_count * WSRT_SLAB_CHUNK; slot++) {
        wsrt_conn *c = wsrt_conn_at(l, slot);
        if (c->state == WSRT_CONN_FREE)
            continue;
        if (pings && c->state == WSRT_CONN_OPEN && (c->flags & WSRT_CONN_PONG_DUE) == 0)
            c->ping = wsrt_stamp(l) + wsrt_conn_ping_ticks(l);
        wsrt_conn_need(l, c, l->tick + 1);
    }
}

void wsrt_reload_take(wsrt_loop *l)
{
    wsrt_terms *before = l->terms;

    if (atomic_load_explicit(&l->next_terms, memory_order_relaxed) == NULL)
        return;
    wsrt_terms *t = atomic_exchange(&l->next_terms, NULL);
    pthread_mutex_lock(&l->lock);
    l->terms = t;
    pthread_mutex_unlock(&l->lock);
    wsrt_loop_set_limits(l);
    look_again(l, t->ping != before->ping);
    wsrt_terms_release(before);
}
