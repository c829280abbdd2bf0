#include "live.h"

#include "tool.h"

#include <stdio.h>
#include <string.h>

enum { CONNECTIONS_SHOWN = 40, CIRCUITS_SHOWN = 32, STORE_TEXT = 16 * 1024 };

static const int64_t remake_ns = 1000000000;

static void number(wsrt_json_writer *w, const char *name_cstr, int64_t value)
{
    wsrt_json_key(w, name_cstr);
    wsrt_json_write_int64(w, value);
}

static void text(wsrt_json_writer *w, const char *name_cstr, wsrt_span value)
{
    wsrt_json_key(w, name_cstr);
    wsrt_json_string(w, value);
}

/* Cuts what is too long before a character, not inside one. */
static void keep(char *dst, size_t cap, wsrt_span value)
{
    size_t len = value.len < cap ? value.len : cap - 1;

    while (len < value.len && len > 0 && ((unsigned char)value.ptr[len] & 0xC0) == 0x80)
        len--;
    if (len > 0)
        memcpy(dst, value.ptr, len);
    dst[len] = '\0';
}

/* ---- messages that a schema refused ---- */

static void note_field(struct live_refusal *r, const wsrt_field *f)
{
    const struct {
        const char *name;
        char *dst;
        size_t cap;
    } texts[] = {
        {"connectionId", r->connection, sizeof r->connection},
        {"path", r->path, sizeof r->path},
        {"rule", r->rule, sizeof r->rule},
        {"code", r->code, sizeof r->code},
        {"text", r->text, sizeof r->text},
    };

    if (strcmp(f->name_cstr, "issues") == 0)
        r->issues = f->number;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        if (strcmp(f->name_cstr, texts[i].name) == 0)
            keep(texts[i].dst, texts[i].cap, f->text);
}

static void note_refusal(struct live *l, const wsrt_field *fields, size_t count)
{
    struct live_refusal r = {.wall = 0};

    for (size_t i = 0; i < count; i++)
        note_field(&r, &fields[i]);
    const wsrt_env *env = wsrt_runtime_env(l->runtime);
    r.wall = env->wall(env->user);
    pthread_mutex_lock(&l->lock);
    l->refusals[l->refused++ % LIVE_REFUSALS] = r;
    pthread_mutex_unlock(&l->lock);
}

void live_log(void *user, int level, const char *event_cstr, const wsrt_field *fields, size_t count)
{
    struct live *l = user;
    int fails = strcmp(event_cstr, "server.listen_failed") == 0;

    if (fails || strcmp(event_cstr, "server.settings_refused") == 0)
        keep(l->fault, sizeof l->fault, fields[0].text);
    if (fails)
        return; /* whoever starts it says so */
    if (l->runtime != NULL && strcmp(event_cstr, "invalid_message") == 0)
        note_refusal(l, fields, count);
    log_write(&l->log, level, event_cstr, fields, count);
}

static void write_refusals(wsrt_json_writer *w, const struct live *l)
{
    uint64_t first = l->refused > LIVE_REFUSALS ? l->refused - LIVE_REFUSALS : 0;

    wsrt_json_key(w, "invalid");
    wsrt_json_object(w);
    number(w, "total", (int64_t)l->refused);
    wsrt_json_key(w, "recent");
    wsrt_json_array(w);
    for (uint64_t i = first; i < l->refused; i++) {
        const struct live_refusal *r = &l->refusals[i % LIVE_REFUSALS];
        wsrt_json_object(w);
        number(w, "sequence", (int64_t)i + 1);
        number(w, "time", r->wall);
        text(w, "connection", wsrt_span_cstr(r->connection));
        text(w, "path", wsrt_span_cstr(r->path));
        text(w, "rule", wsrt_span_cstr(r->rule));
        text(w, "code", wsrt_span_cstr(r->code));
        text(w, "text", wsrt_span_cstr(r->text));
        number(w, "issues", r->issues);
        wsrt_json_object_end(w);
    }
    wsrt_json_array_end(w);
    wsrt_json_object_end(w);
}

/* ---- breakers ---- */

static void read_events(struct live *l)
{
    const wsrt_env *env = wsrt_runtime_env(l->runtime);
    int64_t now = env->now(env->user), wall = env->wall(env->user);
    wsrt_breaker_event e = {.struct_size = sizeof e};

    while (wsrt_breaker_cursor_next(l->cursor, &e) == WSRT_OK) {
        struct live_event *kept = &l->events[l->happened++ % LIVE_EVENTS];
        kept->event = e;
        kept->wall = wall - (now - e.time) / 1000000;
        keep(kept->service, sizeof kept->service, e.service);
        keep(kept->operation, sizeof kept->operation, e.operation);
    }
}

static const char *state_name(int state)
{
    static const char *const names[] = {"CLOSED",      "HALF_OPEN", "OPEN",
                                        "FORCED_OPEN", "DISABLED",  "METRICS_ONLY"};

    return state >= 0 && state < (int)(sizeof names / sizeof *names) ? names[state] : "";
}

static const char *kind_name(int kind)
{
    static const char *const names[] = {
        "",           "transition", "probe lost",     "reconfigured", "settings differ",
        "would open", "store down", "store up again", "events lost",  "rejected"};

    return kind > 0 && kind < (int)(sizeof names / sizeof *names) ? names[kind] : "";
}

static const char *cause_name(int cause)
{
    static const char *const names[] = {
        "",        "failures", "slow calls",  "wait is over", "probe succeeded", "probe failed",
        "command", "restored", "shared state"};

    return cause > 0 && cause < (int)(sizeof names / sizeof *names) ? names[cause] : "";
}

static void write_event(wsrt_json_writer *w, const struct live_event *kept)
{
    const wsrt_breaker_event *e = &kept->event;

    wsrt_json_object(w);
    number(w, "sequence", (int64_t)e->sequence);
    number(w, "time", kept->wall);
    text(w, "kind", wsrt_span_cstr(kind_name(e->kind)));
    text(w, "service", wsrt_span_cstr(kept->service));
    text(w, "operation", wsrt_span_cstr(kept->operation));
    if (e->kind == WSRT_BREAKER_EVENT_TRANSITION) {
        text(w, "from", wsrt_span_cstr(state_name(e->from)));
        text(w, "to", wsrt_span_cstr(state_name(e->to)));
        text(w, "cause", wsrt_span_cstr(cause_name(e->cause)));
        number(w, "wait_ms", e->wait_ms);
        number(w, "failures", (int64_t)e->failure_count);
        number(w, "successes", (int64_t)e->success_count);
        number(w, "rejected", (int64_t)e->rejected);
    }
    wsrt_json_object_end(w);
}

static void write_events(wsrt_json_writer *w, const struct live *l)
{
    uint64_t first = l->happened > LIVE_EVENTS ? l->happened - LIVE_EVENTS : 0;

    wsrt_json_key(w, "breaker_events");
    wsrt_json_array(w);
    for (uint64_t i = first; i < l->happened; i++)
        write_event(w, &l->events[i % LIVE_EVENTS]);
    wsrt_json_array_end(w);
}

/* What the server's own list of breakers does not tell. */
struct circuits {
    wsrt_json_writer *w;
    const wsrt_env *env;
    size_t left;
    uint64_t rejected;
};

static int write_circuit(wsrt_breaker *b, void *user)
{
    struct circuits *c = user;
    wsrt_breaker_stats s = {.struct_size = sizeof s};

    wsrt_breaker_get_stats(b, c->env->now(c->env->user), c->env->wall(c->env->user), &s);
    c->rejected += s.rejected;
    if (c->left == 0)
        return 0;
    c->left--;
    wsrt_json_object(c->w);
    text(c->w, "service", wsrt_breaker_service(b));
    text(c->w, "operation", wsrt_breaker_operation(b));
    text(c->w, "state", wsrt_span_cstr(state_name(s.true_state)));
    number(c->w, "rejected", (int64_t)s.rejected);
    number(c->w, "opened", (int64_t)s.opened);
    number(c->w, "slow", (int64_t)s.slow);
    wsrt_json_object_end(c->w);
    return 0;
}

static void write_circuits(wsrt_json_writer *w, const struct live *l)
{
    struct circuits c = {w, wsrt_runtime_env(l->runtime), CIRCUITS_SHOWN, 0};

    wsrt_json_key(w, "circuits");
    wsrt_json_array(w);
    (void)wsrt_breakers_foreach(wsrt_runtime_breakers(l->runtime), write_circuit, &c);
    wsrt_json_array_end(w);
    number(w, "rejected", (int64_t)c.rejected);
}

/* ---- limits ---- */

static void write_limiter(wsrt_json_writer *w, const struct live *l)
{
    wsrt_limiter *limiter = wsrt_runtime_limiter(l->runtime);
    wsrt_limiter_stats s = {.struct_size = sizeof s};

    wsrt_json_key(w, "limited");
    wsrt_json_object(w);
    if (limiter != NULL && wsrt_limiter_get_stats(limiter, &s) == WSRT_OK)
        for (int scope = WSRT_SCOPE_CONNECTION; scope <= WSRT_SCOPE_PING; scope++)
            number(w, wsrt_scope_name(scope), (int64_t)s.refused[scope]);
    wsrt_json_object_end(w);
}

/* ---- what takes some work: once a second ---- */

static void write_record(wsrt_json_writer *w, const wsrt_record *r)
{
    wsrt_json_object(w);
    text(w, "id", r->connection_id);
    text(w, "user", r->user_id);
    text(w, "ip", r->source_ip);
    text(w, "agent", r->user_agent);
    number(w, "connected", r->connected_at);
    wsrt_json_object_end(w);
}

static void write_connections(wsrt_json_writer *w, const struct live *l)
{
    const wsrt_store *store = wsrt_runtime_store(l->runtime);
    const wsrt_env *env = wsrt_runtime_env(l->runtime);
    wsrt_record records[CONNECTIONS_SHOWN];
    wsrt_cursor cursor = {0};
    char room[STORE_TEXT];
    size_t count = 0;

    memset(records, 0, sizeof records);
    records[0].struct_size = sizeof records[0];
    if (store->ops->each(store->self, NULL, 0, &cursor, env->wall(env->user) / 1000, records,
                         CONNECTIONS_SHOWN, room, sizeof room, &count) != WSRT_OK)
        count = 0;
    wsrt_json_array(w);
    for (size_t i = 0; i < count; i++)
        write_record(w, &records[i]);
    wsrt_json_array_end(w);
}

static int take(const void *data, size_t len, void *user)
{
    struct live *l = user;

    if (l->snapshot_len + len > sizeof l->snapshot)
        return WSRT_ERR_LIMIT;
    memcpy(l->snapshot + l->snapshot_len, data, len);
    l->snapshot_len += len;
    return WSRT_OK;
}

static void remake_snapshot(struct live *l)
{
    const wsrt_env *env = wsrt_runtime_env(l->runtime);
    wsrt_export_options opts = {.struct_size = sizeof opts,
                                .format = WSRT_EXPORT_DASHBOARD,
                                .wall = env->wall(env->user),
                                .since = l->reader};

    l->snapshot_len = 0;
    if (wsrt_monitor_export(wsrt_runtime_monitor(l->runtime), &opts, take, l) != WSRT_OK)
        l->snapshot_len = 0;
}

static void remake_list(struct live *l)
{
    wsrt_json_writer w;

    wsrt_json_writer_init(&w, l->list, sizeof l->list, WSRT_JSON_REPLACE_UTF8);
    write_connections(&w, l);
    if (wsrt_json_finish(&w, &l->list_len) != WSRT_OK)
        l->list_len = 0;
}

/* ---- all of it ---- */

static void raw(wsrt_json_writer *w, const char *name_cstr, wsrt_span json)
{
    wsrt_json_key(w, name_cstr);
    wsrt_json_raw(w, json.len > 0 ? json : wsrt_span_cstr("null"));
}

static void write_own(wsrt_json_writer *w, struct live *l)
{
    const wsrt_env *env = wsrt_runtime_env(l->runtime);
    int64_t now = env->now(env->user);

    pthread_mutex_lock(&l->lock);
    if (l->made == 0 || now - l->made >= remake_ns) {
        remake_snapshot(l);
        remake_list(l);
        l->made = now;
    }
    read_events(l);
    write_events(w, l);
    write_circuits(w, l);
    write_refusals(w, l);
    write_limiter(w, l);
    raw(w, "monitor", (wsrt_span){l->snapshot, l->snapshot_len});
    raw(w, "inspect", (wsrt_span){l->list, l->list_len});
    pthread_mutex_unlock(&l->lock);
}

void live_write(wsrt_json_writer *w, size_t room, void *user)
{
    struct live *l = user;
    const wsrt_env *env = wsrt_runtime_env(l->runtime);

    (void)room;
    text(w, "app", wsrt_span_cstr(l->app));
    number(w, "time", env->wall(env->user));
    write_own(w, l);
    if (l->more != NULL)
        l->more(w, l->more_user);
}

int live_start(struct live *l, wsrt_runtime *rt, const char *app)
{
    int rc = wsrt_breaker_cursor_new(&l->cursor, wsrt_runtime_breakers(rt), 0);

    if (rc == WSRT_OK)
        rc = wsrt_monitor_reader_new(&l->reader, wsrt_runtime_monitor(rt));
    if (rc != WSRT_OK)
        return complain(TOOL_INTERNAL, "cannot start: %s", wsrt_status_name(rc));
    pthread_mutex_init(&l->lock, NULL);
    l->app = app;
    l->runtime = rt;
    return 0;
}

void live_stop(struct live *l)
{
    wsrt_breaker_cursor_free(l->cursor);
    wsrt_monitor_reader_free(l->reader);
    l->cursor = NULL;
    l->reader = NULL;
}
