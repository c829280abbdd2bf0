/* POST /api/publish: updates for the feed, and what became of them. */
#include "server/internal.h"

#include <wsrt/error.h>

#include <string.h>

static const char correlation_header[] = "X-Correlation-ID";

/* The request's own id, else a new one in `room`; empty without entropy. */
static wsrt_span correlation_of(const wsrt_loop *l, const wsrt_http_request *req, char *room)
{
    const wsrt_env *env = &l->set->env;
    unsigned char random[10];
    uint64_t last = 0;
    wsrt_span offered = {NULL, 0};

    if (wsrt_http_find(&req->fields, correlation_header, &offered) == 1 &&
        wsrt_correlation_id_valid(offered))
        return offered;
    if (env->random(env->user, random, sizeof random) != WSRT_OK ||
        wsrt_uuid7(&last, env->wall(env->user), random, room) != WSRT_OK)
        return (wsrt_span){NULL, 0};
    return (wsrt_span){room, WSRT_UUID_LEN};
}

static void put_count(wsrt_json_writer *w, const char *name, uint64_t n)
{
    wsrt_json_key(w, name);
    wsrt_json_write_int64(w, n > INT64_MAX ? INT64_MAX : (int64_t)n);
}

static void tell_success(wsrt_published *out, const wsrt_feed_report *r)
{
    wsrt_json_writer w;

    out->status = 200;
    wsrt_json_writer_init(&w, out->text, sizeof out->text, 0);
    wsrt_json_object(&w);
    put_count(&w, "updates", r->updates);
    put_count(&w, "stale", r->stale);
    put_count(&w, "evaluations", r->evaluations);
    put_count(&w, "attempted", r->attempted);
    put_count(&w, "sent", r->sent);
    put_count(&w, "gone", r->gone);
    put_count(&w, "throttled", r->throttled);
    put_count(&w, "failed", r->failed);
    wsrt_json_object_end(&w);
    (void)wsrt_json_finish(&w, &out->len); /* numbers fit */
}

/* One issue: the rule that was broken, and at which byte. */
static size_t write_issue(char *dst, size_t cap, int rc, const wsrt_json_error *why)
{
    wsrt_json_writer w;
    size_t len = 0;

    wsrt_json_writer_init(&w, dst, cap, 0);
    wsrt_json_array(&w);
    wsrt_json_object(&w);
    wsrt_json_key(&w, "path");
    wsrt_json_string_cstr(&w, "");
    wsrt_json_key(&w, "code");
    wsrt_json_string_cstr(&w, rc == WSRT_ERR_MALFORMED ? "json_syntax" : "invalid_value");
    wsrt_json_key(&w, "message");
    wsrt_json_string_cstr(&w, why->text_cstr);
    wsrt_json_key(&w, "offset");
    wsrt_json_write_int64(&w, (int64_t)why->offset);
    wsrt_json_object_end(&w);
    wsrt_json_array_end(&w);
    return wsrt_json_finish(&w, &len) == WSRT_OK ? len : 0;
}

static void tell_failure(wsrt_published *out, wsrt_error *e, int rc, const wsrt_json_error *why)
{
    char issue[512];
    int is_input = rc == WSRT_ERR_MALFORMED || rc == WSRT_ERR_REJECTED;

    e->struct_size = sizeof *e;
    e->type = wsrt_error_type_of(rc);
    if (is_input) {
        e->code = wsrt_span_cstr("INVALID_UPDATE");
        e->message = wsrt_span_cstr("Invalid update");
    }
    if (is_input && why->text_cstr != NULL)
        e->issues = (wsrt_span){issue, write_issue(issue, sizeof issue, rc, why)};
    out->status = wsrt_error_type_info(e->type)->http_status;
    if (wsrt_error_write(e, WSRT_ERROR_FORM_CLIENT, out->text, sizeof out->text, &out->len) !=
        WSRT_OK)
        out->len = 0;
    e->issues = (wsrt_span){0};
}

void wsrt_publish_run(wsrt_loop *l, const wsrt_http_request *req, wsrt_span body,
                      wsrt_published *out)
{
    const wsrt_env *env = &l->set->env;
    char id[WSRT_UUID_LEN];
    wsrt_feed_report report = {.struct_size = sizeof report};
    wsrt_json_error why = {0};
    int rc = wsrt_feed_publish(l->set->feed, body, &why, &report);

    *out = (wsrt_published){0};
    if (rc == WSRT_OK) {
        tell_success(out, &report);
        return;
    }
    wsrt_error e = {.wall = env->wall(env->user), .correlation_id = correlation_of(l, req, id)};
    tell_failure(out, &e, rc, &why);
}
