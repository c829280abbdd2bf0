/* API Gateway's way to reach a connection: `[/{stage}]/@connections/{id}`. SDKs take the answers for
 * the original's, so names of errors and fields are the original's too. */
#include "server/date.h"
#include "server/endpoints.h"

#include <wsrt/json.h>

#include <stdio.h>
#include <string.h>

enum { RECORD_ROOM = 16384, ANSWER_ROOM = 2048, REQUEST_ID = 37 };

/* ---- answers -------------------------------------------------------------------------------- */

static const struct {
    int status;
    const char *name;
} errors[] = {
    {400, "BadRequestException"},
    {403, "ForbiddenException"},
    {410, "GoneException"},
    {413, "PayloadTooLargeException"},
    {429, "LimitExceededException"},
    {500, "InternalServerErrorException"},
    {503, "ServiceUnavailableException"},
};

static const char *error_name(int status)
{
    for (size_t i = 0; i < sizeof errors / sizeof errors[0]; i++)
        if (errors[i].status == status)
            return errors[i].name;
    return NULL;
}

/* A random UUID; zeroes when there is no randomness, since an answer matters more than its name. */
static void write_request_id(wsrt_loop *l, char *dst)
{
    static const char digits[] = "0123456789abcdef";
    unsigned char raw[16] = {0};
    char *p = dst;

    (void)l->set->env.random(l->set->env.user, raw, sizeof raw);
    raw[6] = (unsigned char)((raw[6] & 15) | 64);
    raw[8] = (unsigned char)((raw[8] & 63) | 128);
    for (int i = 0; i < 16; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10)
            *p++ = '-';
        *p++ = digits[raw[i] >> 4];
        *p++ = digits[raw[i] & 15];
    }
    *p = '\0';
}

const char *wsrt_management_lines(wsrt_loop *l, int status, char *dst)
{
    const char *name = error_name(status);
    char id[REQUEST_ID];

    write_request_id(l, id);
    snprintf(dst, WSRT_MANAGEMENT_LINES, "x-amzn-RequestId: %s\r\n%s%s%s%s", id,
             name != NULL ? "x-amzn-ErrorType: " : "", name != NULL ? name : "",
             name != NULL ? "\r\n" : "", status == 405 ? "Allow: DELETE, GET, HEAD, POST\r\n" : "");
    return dst;
}

static wsrt_managed operation_of(const wsrt_exchange *k)
{
    if (wsrt_exchange_is(k, "POST"))
        return WSRT_MANAGED_POST;
    if (wsrt_exchange_is(k, "DELETE"))
        return WSRT_MANAGED_DELETE;
    return k->head_only || wsrt_exchange_is(k, "GET") ? WSRT_MANAGED_GET : WSRT_MANAGED_OTHER;
}

static void answer(const wsrt_exchange *k, int status, wsrt_span body)
{
    char lines[WSRT_MANAGEMENT_LINES];

    wsrt_series_managed(&k->loop->series, operation_of(k), status);
    wsrt_exchange_answer(
        k, (wsrt_answer){.status = status,
                         .body = body,
                         .extra_cstr = wsrt_management_lines(k->loop, status, lines)});
}

static void answer_status(const wsrt_exchange *k, int status)
{
    answer(k, status, (wsrt_span){NULL, 0});
}

static int status_of(int rc)
{
    switch (rc) {
    case WSRT_OK:
        return 200;
    case WSRT_ERR_GONE:
        return 410;
    case WSRT_ERR_TOO_LARGE:
        return 413;
    case WSRT_ERR_THROTTLED:
        return 429;
    case WSRT_ERR_INVALID:
        return 400;
    default:
        return 500;
    }
}

/* ---- operations ----------------------------------------------------------------------------- */

static void post(const wsrt_exchange *k, wsrt_span id)
{
    wsrt_post p = {.struct_size = sizeof p, .data = k->body};

    p.flags = wsrt_utf8_valid(k->body) ? 0 : WSRT_POST_BINARY;
    answer_status(k, status_of(wsrt_server_sender_ops.post(k->loop->server, &id, &p)));
}

/* The connection itself keeps no text: its agent is in the store. */
static wsrt_span agent_of(wsrt_loop *l, wsrt_span id, char *buf)
{
    const wsrt_store *store = wsrt_runtime_store(l->server->runtime);
    wsrt_record record = {.struct_size = sizeof record};
    int64_t now = l->set->env.wall(l->set->env.user) / 1000;

    if (store->ops->get(store->self, &id, now, &record, buf, RECORD_ROOM) != WSRT_OK)
        return (wsrt_span){NULL, 0};
    return record.user_agent;
}

static void member(wsrt_json_writer *w, const char *name_cstr, const char *value_cstr)
{
    wsrt_json_key(w, name_cstr);
    wsrt_json_string_cstr(w, value_cstr);
}

static void describe(const wsrt_exchange *k, wsrt_span id)
{
    wsrt_connection_info info = {.struct_size = sizeof info};
    char text[ANSWER_ROOM], record[RECORD_ROOM], connected[WSRT_ISO_DATE], active[WSRT_ISO_DATE];
    wsrt_json_writer w;
    size_t len;

    if (wsrt_server_sender_ops.get(k->loop->server, &id, &info) != WSRT_OK) {
        answer_status(k, 410);
        return;
    }
    wsrt_iso_date(connected, info.connected_at);
    wsrt_iso_date(active, info.last_active_at);
    wsrt_json_writer_init(&w, text, sizeof text, 0);
    wsrt_json_object(&w);
    member(&w, "connectedAt", connected);
    wsrt_json_key(&w, "identity");
    wsrt_json_object(&w);
    member(&w, "sourceIp", info.source_ip);
    wsrt_json_key(&w, "userAgent");
    wsrt_json_string(&w, agent_of(k->loop, id, record));
    wsrt_json_object_end(&w);
    member(&w, "lastActiveAt", active);
    wsrt_json_object_end(&w);
    if (wsrt_json_finish(&w, &len) == WSRT_OK)
        answer(k, 200, (wsrt_span){text, len});
    else
        answer_status(k, 500);
}

static void disconnect(const wsrt_exchange *k, wsrt_span id)
{
    int rc = wsrt_server_sender_ops.disconnect(k->loop->server, &id, 1000, NULL);

    answer_status(k, rc == WSRT_OK ? 204 : status_of(rc));
}

/* Nobody is there before the 101, as with the original. */
static void operate(const wsrt_exchange *k, wsrt_span id)
{
    wsrt_managed operation = operation_of(k);

    if (operation == WSRT_MANAGED_OTHER)
        answer_status(k, 405);
    else if (!wsrt_sender_finds(k->loop->server, id))
        answer_status(k, 410);
    else if (operation == WSRT_MANAGED_POST)
        post(k, id);
    else if (operation == WSRT_MANAGED_GET)
        describe(k, id);
    else
        disconnect(k, id);
}

/* ---- paths ---------------------------------------------------------------------------------- */

typedef struct target {
    wsrt_span stage; /* as received; ptr NULL = none */
    wsrt_span id;    /* likewise */
} target;

static int decodes_to(wsrt_span segment, wsrt_span wanted)
{
    char text[512];

    return segment.len <= sizeof text &&
           wsrt_span_equal((wsrt_span){text, wsrt_http_unescape(text, segment)}, wanted);
}

static int is_marker(wsrt_span segment)
{
    return decodes_to(segment, wsrt_span_cstr("@connections"));
}

static int parse(wsrt_span path, target *t)
{
    wsrt_span first, more;

    *t = (target){.stage = {NULL, 0}};
    if (!wsrt_http_segment(&path, &first))
        return 0;
    if (!is_marker(first)) {
        t->stage = first;
        if (!wsrt_http_segment(&path, &first) || !is_marker(first))
            return 0;
    }
    return wsrt_http_segment(&path, &t->id) && !wsrt_http_segment(&path, &more);
}

int wsrt_management_is(wsrt_span path)
{
    target t;

    return parse(path, &t);
}

/* 0, or why the request goes no further. */
static int judge(const wsrt_exchange *k, const target *t)
{
    int refusal = wsrt_guard_judge(k, 0);

    if (refusal != 0)
        return refusal;
    if (t->stage.ptr != NULL && !decodes_to(t->stage, k->loop->set->stage))
        return 403;
    return wsrt_is_draining(k->loop->server) ? 503 : 0;
}

int wsrt_management_answer(const wsrt_exchange *k)
{
    target t;

    if (!parse(k->req->path, &t))
        return 0;
    int refusal = judge(k, &t);
    if (refusal == 404)
        return 0;
    wsrt_span id = {k->loop->text, 0};
    if (t.id.len <= sizeof k->loop->text)
        id.len = wsrt_http_unescape(k->loop->text, t.id);
    if (refusal == 0 && !wsrt_connection_id_valid(id))
        refusal = 400;
    if (refusal != 0)
        answer_status(k, refusal);
    else
        operate(k, id);
    return 1;
}
