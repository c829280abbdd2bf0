/* The paths a server answers itself. */
#include "server/endpoints.h"
#include "server/memory.h"

#include <wsrt/json.h>

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { VERSION_ROOM = 1024 };

void wsrt_exchange_answer(const wsrt_exchange *k, wsrt_answer a)
{
    a.head_only = k->head_only;
    a.close = a.close || !k->req->keep_alive;
    wsrt_http_answer(k->loop, k->conn, &a);
}

/* ---- small ones ----------------------------------------------------------------------------- */

static void answer_health(const wsrt_exchange *k)
{
    wsrt_exchange_answer(
        k, (wsrt_answer){.status = 200, .body = wsrt_span_cstr("{\"status\":\"ok\"}")});
}

static void answer_ready(const wsrt_exchange *k)
{
    char text[128];
    int draining = wsrt_is_draining(k->loop->server), store = wsrt_state_store_works(k->loop);
    int n =
        snprintf(text, sizeof text, "{\"ready\":%s,\"draining\":%s,\"checks\":{\"store\":\"%s\"}}",
                 store && !draining ? "true" : "false", draining ? "true" : "false",
                 store ? "ok" : "failing");

    wsrt_exchange_answer(
        k, (wsrt_answer){.status = store && !draining ? 200 : 503, .body = {text, (size_t)n}});
}

/* What this server does and another may not. */
static void write_features(wsrt_json_writer *w, const wsrt_settings *set)
{
    const struct {
        const char *name_cstr;
        int is_on;
    } rows[] = {
        {"tls", set->has_tls},
        {"api-gateway", (set->flags & WSRT_SERVER_API_GATEWAY) != 0},
        {"workers", set->workers > 0},
        {"publish", set->feed != NULL},
    };

    wsrt_json_array(w);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (rows[i].is_on)
            wsrt_json_string_cstr(w, rows[i].name_cstr);
    wsrt_json_array_end(w);
}

static void answer_version(const wsrt_exchange *k)
{
    const wsrt_settings *set = k->loop->set;
    char text[VERSION_ROOM];
    wsrt_json_writer w;
    size_t len = 0;

    wsrt_json_writer_init(&w, text, sizeof text, 0);
    wsrt_json_object(&w);
    wsrt_json_key(&w, "version");
    wsrt_json_string_cstr(&w, wsrt_version_string());
    wsrt_json_key(&w, "abi");
    wsrt_json_write_int64(&w, 0);
    wsrt_json_key(&w, "app");
    wsrt_json_string(&w, set->app);
    wsrt_json_key(&w, "features");
    write_features(&w, set);
    wsrt_json_object_end(&w);
    int rc = wsrt_json_finish(&w, &len);
    wsrt_exchange_answer(k,
                         (wsrt_answer){.status = rc == WSRT_OK ? 200 : 500, .body = {text, len}});
}

/* ---- metrics -------------------------------------------------------------------------------- */

typedef struct text {
    const wsrt_allocator *mem;
    char *bytes;
    size_t len;
    size_t cap;
} text;

static int append(const void *data, size_t len, void *user)
{
    text *t = user;

    if (t->cap - t->len < len) {
        size_t cap = (t->len + len) * 2;
        char *grown = wsrt_server_resize(t->mem, t->bytes, t->cap, cap);
        if (grown == NULL)
            return WSRT_ERR_NOMEM;
        t->bytes = grown;
        t->cap = cap;
    }
    memcpy(t->bytes + t->len, data, len);
    t->len += len;
    return WSRT_OK;
}

/* What the catalogue of metrics has no name for; connections and messages are among its series. */
static int append_transport(text *t, const wsrt_server *s)
{
    const struct {
        const char *name, *kind;
        uint64_t value;
    } rows[] = {
        {"wsrt_upgrades_refused_total", "counter", wsrt_server_sum(s, WSRT_COUNT_REFUSED)},
        {"wsrt_queued_bytes", "gauge",
         (uint64_t)atomic_load_explicit(&s->queued_total, memory_order_relaxed)},
    };
    char line[256];
    int rc = WSRT_OK;

    for (size_t i = 0; i < sizeof rows / sizeof rows[0] && rc == WSRT_OK; i++) {
        int len = snprintf(line, sizeof line, "# TYPE %s %s\n%s %" PRIu64 "\n", rows[i].name,
                           rows[i].kind, rows[i].name, rows[i].value);
        rc = append(line, (size_t)len, t);
    }
    return rc;
}

/* Whether the guard lets a request in; otherwise it has been answered. */
static int is_admitted(const wsrt_exchange *k)
{
    int refusal = wsrt_guard_judge(k, 0);

    if (refusal != 0)
        wsrt_exchange_answer(k, (wsrt_answer){.status = refusal});
    return refusal == 0;
}

static void answer_metrics(const wsrt_exchange *k)
{
    text t = {.mem = &k->loop->set->mem};

    if (!is_admitted(k))
        return;
    int rc = wsrt_monitor_prometheus(wsrt_runtime_monitor(k->loop->server->runtime), append, &t);
    if (rc == WSRT_OK)
        rc = append_transport(&t, k->loop->server);
    if (rc == WSRT_OK)
        rc = wsrt_series_write(k->loop->server, append, &t);
    if (rc == WSRT_OK)
        wsrt_exchange_answer(k,
                             (wsrt_answer){.status = 200,
                                           .type_cstr = "text/plain; version=0.0.4; charset=utf-8",
                                           .body = {t.bytes, t.len}});
    else
        wsrt_exchange_answer(k, (wsrt_answer){.status = 500});
    wsrt_server_release(t.mem, t.bytes, t.cap);
}

/* ---- updates -------------------------------------------------------------------------------- */

static void answer_publish(const wsrt_exchange *k)
{
    wsrt_published done;

    if (k->loop->set->feed == NULL) {
        wsrt_exchange_answer(k, (wsrt_answer){.status = 404});
        return;
    }
    if (!is_admitted(k))
        return;
    wsrt_publish_run(k->loop, k->req, k->body, &done);
    wsrt_exchange_answer(k, (wsrt_answer){.status = done.status, .body = {done.text, done.len}});
}

/* ---- which ---------------------------------------------------------------------------------- */

typedef struct endpoint {
    const char *path;
    void (*answer)(const wsrt_exchange *k);
    int posts; /* 1 = takes POST, else GET and HEAD */
} endpoint;

static const endpoint endpoints[] = {
    {"/api/publish", answer_publish, 1}, {"/healthz", answer_health, 0},
    {"/metrics", answer_metrics, 0},     {"/readyz", answer_ready, 0},
    {"/version", answer_version, 0},
};

int wsrt_path_is(wsrt_loop *l, wsrt_span path, wsrt_span wanted)
{
    wsrt_span segment, name;

    while (wsrt_http_segment(&path, &segment))
        if (!wsrt_http_segment(&wanted, &name) || segment.len > sizeof l->text ||
            !wsrt_span_equal((wsrt_span){l->text, wsrt_http_unescape(l->text, segment)}, name))
            return 0;
    return wanted.len == 0;
}

static const endpoint *find_endpoint(wsrt_loop *l, wsrt_span path)
{
    for (size_t i = 0; i < sizeof endpoints / sizeof endpoints[0]; i++)
        if (wsrt_path_is(l, path, wsrt_span_cstr(endpoints[i].path)))
            return &endpoints[i];
    return NULL;
}

/* The path's only segment, decoded; 0 when it has several. */
static int only_segment(wsrt_loop *l, wsrt_span path, wsrt_span *name)
{
    wsrt_span segment, another;

    if (!wsrt_http_segment(&path, &segment) || wsrt_http_segment(&path, &another) ||
        segment.len > sizeof l->text)
        return 0;
    *name = (wsrt_span){l->text, wsrt_http_unescape(l->text, segment)};
    return 1;
}

static int takes_websockets(const wsrt_loop *l, wsrt_span name)
{
    return name.len == 0 || wsrt_span_equal(name, wsrt_span_cstr("ws")) ||
           wsrt_span_equal(name, l->set->stage);
}

static void answer_plain_socket_path(const wsrt_exchange *k)
{
    wsrt_exchange_answer(
        k, (wsrt_answer){.status = 426,
                         .extra_cstr = "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"});
}

static int takes_method(const wsrt_exchange *k, const endpoint *e)
{
    if (e->posts)
        return wsrt_span_equal(k->req->method, wsrt_span_cstr("POST"));
    return k->head_only || wsrt_span_equal(k->req->method, wsrt_span_cstr("GET"));
}

void wsrt_endpoint_answer(wsrt_loop *l, wsrt_conn *c, const wsrt_http_request *req, wsrt_span body)
{
    static const endpoint plain_socket_path = {"", answer_plain_socket_path, 0};
    wsrt_exchange k = {l, c, req, body, wsrt_span_equal(req->method, wsrt_span_cstr("HEAD"))};
    const endpoint *found;
    wsrt_span name;

    if (wsrt_management_answer(&k) || wsrt_state_answer(&k))
        return;
    if (only_segment(l, req->path, &name) && takes_websockets(l, name)) {
        if (wsrt_upgrade_try(l, c, req))
            return;
        found = &plain_socket_path;
    } else {
        found = find_endpoint(l, req->path);
    }
    if ((found == NULL || found == &plain_socket_path) && wsrt_host_answer(&k))
        return;
    if (found == NULL)
        wsrt_exchange_answer(&k, (wsrt_answer){.status = 404});
    else if (!takes_method(&k, found))
        wsrt_exchange_answer(
            &k,
            (wsrt_answer){.status = 405,
                          .extra_cstr = found->posts ? "Allow: POST\r\n" : "Allow: GET, HEAD\r\n"});
    else
        found->answer(&k);
}
