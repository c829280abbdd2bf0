/* The loop over the Runtime API: next, handle, answer. */
#include "lambda/client.h"
#include "lambda/event.h"
#include "lambda/init.h"
#include "lambda/upkeep.h"

#include "common/support.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#define API "/2018-06-01/runtime/invocation/"

enum { STATUS_OK = 200, MAX_FAILURES = 3, PAUSE_NS = 20000000, PATH_SIZE = 192 };

typedef struct loop {
    wsrt_runtime *rt;
    const wsrt_env *env;
    wsrt_lambda_options opts;
    wsrt_lambda_client client;
    wsrt_lambda_client extension; /* open while it is registered */
    wsrt_lambda_upkeep upkeep;
    wsrt_lambda_answer next; /* the invocation under way */
    char *result;            /* kept, grows */
    size_t result_cap;
    size_t result_len;
} loop;

static wsrt_lambda_stopper stopper = {.waiting = WSRT_LAMBDA_NOBODY};

void wsrt_lambda_stop(void)
{
    int saved = errno;

    wsrt_lambda_stopper_end(&stopper);
    errno = saved;
}

/* ---- log ---------------------------------------------------------------------------------- */

static void tell(const loop *l, int level, const char *event, int status, const char *reason)
{
    const wsrt_field fields[] = {
        {.name_cstr = "requestId",
         .kind = WSRT_FIELD_TEXT,
         .text = wsrt_span_cstr(l->next.request_id)},
        {.name_cstr = "status", .kind = WSRT_FIELD_INT, .number = status},
        {.name_cstr = "reason", .kind = WSRT_FIELD_TEXT, .text = wsrt_span_cstr(reason)},
    };

    l->env->log(l->env->user, level, event, fields, sizeof fields / sizeof fields[0]);
}

/* ---- posting ------------------------------------------------------------------------------ */

/* WSRT_OK: go on. WSRT_ERR_TOO_LARGE: post an error instead. WSRT_ERR_UNAVAILABLE: end. */
static int judge_post(const loop *l, int status)
{
    if (status >= 200 && status <= 299)
        return WSRT_OK;
    if (status >= 500) {
        tell(l, WSRT_LEVEL_ERROR, "lambda_interface_broken", status, "post");
        return WSRT_ERR_UNAVAILABLE;
    }
    tell(l, WSRT_LEVEL_WARN, "lambda_result_refused", status, "post");
    return status == 413 ? WSRT_ERR_TOO_LARGE : WSRT_OK;
}

static void write_path(char path[PATH_SIZE], const char *id, const char *what)
{
    char *to = path;

    for (const char *const *part = (const char *const[]){API, id, "/", what, NULL}; *part; part++) {
        size_t len = strlen(*part);
        memcpy(to, *part, len + 1);
        to += len;
    }
}

static int post(loop *l, const char *what, const char *error_type, wsrt_span body)
{
    char path[PATH_SIZE];
    wsrt_lambda_request request = {
        .method = "POST",
        .path = path,
        .header_name = error_type != NULL ? "Lambda-Runtime-Function-Error-Type" : NULL,
        .header_value = error_type,
        .body = body,
        .status_only = 1};
    wsrt_lambda_answer answer;

    write_path(path, l->next.request_id, what);
    int rc = wsrt_lambda_exchange(&l->client, &request, &answer);
    if (rc != WSRT_OK) /* a kept connection may have died in a freeze: once more on a new one */
        rc = wsrt_lambda_exchange(&l->client, &request, &answer);
    if (rc == WSRT_OK)
        return judge_post(l, answer.status);
    tell(l, WSRT_LEVEL_ERROR, "lambda_interface_broken", 0, wsrt_status_name(rc));
    return WSRT_ERR_UNAVAILABLE;
}

static int post_error(loop *l, int status)
{
    const char *type = wsrt_lambda_error_type(status);
    char json[256];
    size_t len;

    tell(l, WSRT_LEVEL_ERROR, "lambda_event_failed", status, type);
    int rc = wsrt_lambda_error_write(json, sizeof json, type, wsrt_lambda_error_text(status), &len);
    if (rc == WSRT_OK)
        rc = post(l, "error", type, (wsrt_span){json, len});
    return rc == WSRT_ERR_TOO_LARGE ? WSRT_OK : rc;
}

/* ---- handling ----------------------------------------------------------------------------- */

static void keep_result(const void *json, size_t len, void *user)
{
    loop *l = user;

    l->result_len = 0;
    if (len > l->result_cap) {
        char *grown = wsrt_adapter_realloc(&l->opts.allocator, l->result, l->result_cap, len);
        if (grown == NULL)
            return;
        l->result = grown;
        l->result_cap = len;
    }
    memcpy(l->result, json, len);
    l->result_len = len;
}

static int handle(loop *l)
{
    wsrt_invocation how = {
        .struct_size = sizeof how,
        .kind = l->opts.kind,
        .allocator = l->opts.allocator,
        .request_id = wsrt_span_cstr(l->next.request_id),
        .trace_id = wsrt_span_cstr(l->next.trace_id),
        .deadline_wall = l->next.deadline_ms,
    };

    l->result_len = 0;
    int rc = wsrt_lambda_handle(l->rt, l->next.body, &how, keep_result, l);
    if (rc == WSRT_OK && l->result_len == 0)
        rc = WSRT_ERR_NOMEM;
    if (rc == WSRT_OK)
        rc = post(l, "response", NULL, (wsrt_span){l->result, l->result_len});
    else
        return post_error(l, rc);
    return rc == WSRT_ERR_TOO_LARGE ? post_error(l, rc) : rc;
}

/* ---- waiting for work --------------------------------------------------------------------- */

static void pause_briefly(void)
{
    const struct timespec time = {.tv_nsec = PAUSE_NS};

    nanosleep(&time, NULL);
}

/* An answer that is no work: 403 and 5xx go away or do not, and so does one without an id. */
static int judge_next(const wsrt_lambda_answer *a)
{
    if (a->status < 200 || a->status > 299)
        return WSRT_ERR_UNAVAILABLE;
    return a->request_id[0] == '\0' ? WSRT_ERR_MALFORMED : WSRT_OK;
}

/* WSRT_OK: an invocation; WSRT_ERR_NOMEM, _TOO_LARGE: one whose body could not be taken;
 * WSRT_ERR_STATE: stopped; WSRT_ERR_UNAVAILABLE: too many failures in a row. */
static int wait_for_work(loop *l)
{
    const wsrt_lambda_request request = {.method = "GET", .path = API "next", .may_stop = 1};

    for (int failures = 0; failures < MAX_FAILURES;) {
        int kept = l->client.fd >= 0;
        int rc = wsrt_lambda_exchange(&l->client, &request, &l->next);
        if (rc == WSRT_OK || rc == WSRT_ERR_NOMEM || rc == WSRT_ERR_TOO_LARGE) {
            int judged = judge_next(&l->next);
            if (judged == WSRT_OK)
                return rc;
            rc = judged;
        } else if (rc == WSRT_ERR_STATE) {
            return rc;
        } else if (kept && rc == WSRT_ERR_UNAVAILABLE) {
            continue; /* the connection had died in a freeze */
        }
        failures++;
        tell(l, WSRT_LEVEL_WARN, "lambda_next_failed", l->next.status, wsrt_status_name(rc));
        if (failures < MAX_FAILURES)
            pause_briefly();
    }
    return WSRT_ERR_UNAVAILABLE;
}

static int serve(loop *l)
{
    uint64_t served = 0;

    while (atomic_load(&stopper.wanted) == 0) {
        int rc = wait_for_work(l);
        if (rc == WSRT_ERR_STATE)
            break;
        if (rc == WSRT_OK)
            rc = handle(l);
        else if (rc == WSRT_ERR_NOMEM || rc == WSRT_ERR_TOO_LARGE)
            rc = post_error(l, rc == WSRT_ERR_TOO_LARGE ? WSRT_ERR_LIMIT : rc);
        wsrt_lambda_upkeep_run(&l->upkeep);
        if (rc != WSRT_OK)
            return rc;
        if (++served == l->opts.max_invocations)
            break;
    }
    return WSRT_OK;
}

/* ---- start and end ------------------------------------------------------------------------ */

/* SIGTERM comes before SIGKILL only where an extension is registered; this one wants no events, and
 * its request for the next one is never answered. A refusal costs no more than the signal. */
static void register_extension(loop *l)
{
    wsrt_lambda_request request = {.method = "POST",
                                   .path = "/2020-01-01/extension/register",
                                   .header_name = "Lambda-Extension-Name",
                                   .header_value = "wsrt",
                                   .body = wsrt_span_cstr("{\"events\":[]}")};
    wsrt_lambda_answer answer = {0};
    int rc = wsrt_lambda_client_init(&l->extension, l->opts.endpoint, &l->opts.allocator);

    l->extension.max_body = l->opts.max_event;
    if (rc == WSRT_OK)
        rc = wsrt_lambda_exchange(&l->extension, &request, &answer);
    if (rc == WSRT_OK && (answer.status != STATUS_OK || answer.extension_id[0] == '\0'))
        rc = WSRT_ERR_UNAVAILABLE;
    request = (wsrt_lambda_request){.method = "GET",
                                    .path = "/2020-01-01/extension/event/next",
                                    .header_name = "Lambda-Extension-Identifier",
                                    .header_value = answer.extension_id};
    if (rc == WSRT_OK)
        rc = wsrt_lambda_send(&l->extension, &request);
    if (rc == WSRT_OK)
        return;
    wsrt_lambda_client_close(&l->extension);
    tell(l, WSRT_LEVEL_WARN, "lambda_extension_refused", answer.status, wsrt_status_name(rc));
}

static int load_settings(loop *l, const wsrt_lambda_options *given)
{
    wsrt_lambda_options *o = &l->opts;
    int rc = wsrt_lambda_options_load(o, given);

    if (rc == WSRT_OK)
        rc = wsrt_lambda_client_init(&l->client, o->endpoint, &o->allocator);
    if (rc != WSRT_OK)
        return rc;
    l->client.max_body = o->max_event;
    l->client.stopper = &stopper;
    return WSRT_OK;
}

static int start(loop *l)
{
    static const char text[] = "the document of WSRT_BREAKERS cannot be used";
    int rc = wsrt_lambda_upkeep_start(&l->upkeep, l->rt, &l->opts);

    if (rc == WSRT_ERR_NOMEM)
        return rc;
    if (rc != WSRT_OK) {
        (void)wsrt_lambda_init_post(&l->client, rc, text);
        return rc;
    }
    if ((l->opts.flags & WSRT_LAMBDA_EXTENSION) != 0)
        register_extension(l);
    return WSRT_OK;
}

int wsrt_lambda_run(wsrt_runtime *rt, const wsrt_lambda_options *opts)
{
    loop l = {.rt = rt, .extension = {.fd = -1}};

    if (rt == NULL)
        return WSRT_ERR_INVALID;
    l.env = wsrt_runtime_env(rt);
    int rc = load_settings(&l, opts);
    if (rc != WSRT_OK)
        return rc;
    rc = start(&l);
    if (rc == WSRT_OK)
        rc = serve(&l);
    atomic_store(&stopper.wanted, 0);
    wsrt_lambda_upkeep_free(&l.upkeep);
    wsrt_lambda_client_free(&l.extension);
    wsrt_lambda_client_free(&l.client);
    if (l.result != NULL)
        wsrt_adapter_realloc(&l.opts.allocator, l.result, l.result_cap, 0);
    return rc;
}
