/* A runtime on the mock, and events for it. */
#include "mock/internal.h"

#include "common/support.h"

enum { CLOSE_NORMAL = 1000 };

int wsrt_mock_runtime(wsrt_runtime **out, wsrt_mock *m, const wsrt_runtime_options *opts)
{
    wsrt_runtime_options o;
    wsrt_env env;
    wsrt_sender sender;
    wsrt_store store;
    wsrt_history history;

    if (out == NULL || m == NULL)
        return WSRT_ERR_INVALID;
    *out = NULL;
    int rc = wsrt_adapter_options(&o, sizeof o, sizeof(wsrt_runtime_options), opts);
    if (rc == WSRT_OK)
        rc = wsrt_mock_store(m, o.store, &store);
    if (rc == WSRT_OK)
        rc = wsrt_mock_history(m, o.history, &history);
    if (rc != WSRT_OK)
        return rc;
    wsrt_mock_env(m, &env);
    wsrt_mock_sender(m, &sender);
    o.store = &store;
    o.history = &history;
    if (o.env == NULL)
        o.env = &env;
    if (o.sender == NULL)
        o.sender = &sender;
    return wsrt_runtime_new(out, &o);
}

/* ---- building ----------------------------------------------------------------------------- */

int wsrt_mock_event(wsrt_mock *m, wsrt_event *ev, int kind, const char *id_cstr,
                    const char *body_cstr)
{
    wsrt_env env;

    if (m == NULL || ev == NULL || kind < WSRT_EVENT_CONNECT || kind > WSRT_EVENT_AUTHORIZE)
        return WSRT_ERR_INVALID;
    wsrt_mock_env(m, &env);
    *ev = (wsrt_event){.struct_size = sizeof *ev,
                       .kind = kind,
                       .disconnect_code = kind == WSRT_EVENT_DISCONNECT ? CLOSE_NORMAL : 0,
                       .connection_id = wsrt_span_cstr(id_cstr),
                       .body = wsrt_span_cstr(body_cstr),
                       .request_id = wsrt_span_cstr("mock-request"),
                       .stage = wsrt_span_cstr("test"),
                       .source_ip = wsrt_span_cstr("192.0.2.1"),
                       .user_agent = wsrt_span_cstr("wsrt-mock"),
                       .connected_at = kind == WSRT_EVENT_CONNECT ? env.wall(m) : 0,
                       .now = env.now(m)};
    return WSRT_OK;
}

/* ---- dispatching -------------------------------------------------------------------------- */

typedef struct answer {
    wsrt_mock *m;
    const wsrt_event *event;
    int status;
} answer;

static void take_response(const wsrt_response *response, void *user)
{
    answer *a = user;
    wsrt_mock_record what = {.kind = WSRT_MOCK_RESPONSE,
                             .flags = response->flags,
                             .status = response->status,
                             .connection_id = a->event->connection_id,
                             .data = response->body,
                             .headers = response->headers,
                             .header_count = response->header_count};

    pthread_mutex_lock(&a->m->lock);
    int rc = wsrt_mock_note_(a->m, &what);
    a->status = rc != WSRT_OK ? rc : response->status;
    pthread_mutex_unlock(&a->m->lock);
}

static int set_open(wsrt_mock *m, wsrt_span id, int open)
{
    pthread_mutex_lock(&m->lock);
    int rc = wsrt_mock_open_(m, id, open);
    pthread_mutex_unlock(&m->lock);
    return rc;
}

int wsrt_mock_dispatch(wsrt_mock *m, wsrt_runtime *rt, const wsrt_event *ev)
{
    answer a = {.m = m, .event = ev, .status = WSRT_ERR_INTERNAL};

    if (m == NULL || ev == NULL)
        return WSRT_ERR_INVALID;
    if (ev->kind == WSRT_EVENT_DISCONNECT)
        set_open(m, ev->connection_id, 0);
    int rc = wsrt_runtime_dispatch(rt, ev, take_response, &a);
    if (rc != WSRT_OK)
        return rc;
    if (ev->kind == WSRT_EVENT_CONNECT && a.status >= 200 && a.status <= 299)
        rc = set_open(m, ev->connection_id, 1);
    return rc != WSRT_OK ? rc : a.status;
}

int wsrt_mock_connect(wsrt_mock *m, wsrt_runtime *rt, const char *id_cstr, const char *token_cstr)
{
    wsrt_event ev;
    wsrt_pair token = {wsrt_span_cstr("token"), wsrt_span_cstr(token_cstr)};
    int rc = wsrt_mock_event(m, &ev, WSRT_EVENT_CONNECT, id_cstr, NULL);

    if (rc != WSRT_OK)
        return rc;
    if (token_cstr != NULL) {
        ev.query = &token;
        ev.query_count = 1;
    }
    return wsrt_mock_dispatch(m, rt, &ev);
}

int wsrt_mock_message(wsrt_mock *m, wsrt_runtime *rt, const char *id_cstr, const char *json_cstr)
{
    wsrt_event ev;
    int rc = wsrt_mock_event(m, &ev, WSRT_EVENT_MESSAGE, id_cstr, json_cstr);

    return rc != WSRT_OK ? rc : wsrt_mock_dispatch(m, rt, &ev);
}

int wsrt_mock_disconnect(wsrt_mock *m, wsrt_runtime *rt, const char *id_cstr, int code)
{
    wsrt_event ev;
    int rc = wsrt_mock_event(m, &ev, WSRT_EVENT_DISCONNECT, id_cstr, NULL);

    if (rc != WSRT_OK)
        return rc;
    ev.disconnect_code = code;
    return wsrt_mock_dispatch(m, rt, &ev);
}

int wsrt_mock_stream(wsrt_mock *m, wsrt_runtime *rt, const char *json_cstr)
{
    wsrt_event ev;
    int rc = wsrt_mock_event(m, &ev, WSRT_EVENT_STREAM, NULL, json_cstr);

    return rc != WSRT_OK ? rc : wsrt_mock_dispatch(m, rt, &ev);
}
