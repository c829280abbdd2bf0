/* CloudWatch as a sink: what a monitor's reader says goes to a bounded queue of bodies, and from there,
 * one at a time and by the caller's steps, to PutMetricData. A body leaves the queue when CloudWatch has
 * it, or for good reason. */
#include "aws/internal.h"

#include <wsrt/monitor.h>

#include "common/support.h"

#include <stdio.h>
#include <string.h>

enum {
    LARGEST_ANSWER = 65536,
    DEFAULT_INTERVAL = 60000,
    MOST_INTERVAL = 24 * 3600 * 1000,
    DEFAULT_QUEUE = 8 << 20,
    LEAST_QUEUE = 1 << 20, /* a body of the largest size fits */
    FIRST_WAIT =
        1000, /* ms: before a body is tried again, doubled each time; while throttled ... */
    FIRST_THROTTLED = 4000,
    UNDER_WAY = 10, /* ms: a caller that does not wait comes again after so long */
    MILLION = 1000000
};

typedef struct body {
    struct body *next;
    size_t len;
    char text[];
} body;

struct wsrt_aws_metrics {
    wsrt_aws *a;
    wsrt_monitor *monitor;
    wsrt_monitor_reader *reader;
    wsrt_aws_endpoint endpoint;
    uint32_t flags;
    int32_t names;
    int64_t interval; /* ns */
    uint64_t most_queued;
    int64_t next_reading;
    body *first; /* of the queue, the oldest */
    body *last;
    body *current;     /* on its way, no longer in the queue */
    int is_taken;      /* the job has it */
    wsrt_aws_job *job; /* NULL = nothing is on its way */
    int status;        /* how the last one went */
    int failures;      /* in a row */
    int64_t not_before;
    wsrt_aws_metrics_counts counts;
};

/* ---- the queue ------------------------------------------------------------------------------ */

static void drop(wsrt_aws_metrics *m, body *b)
{
    m->counts.queued_bytes -= b->len;
    wsrt_adapter_realloc(&m->a->allocator, b, sizeof *b + b->len, 0);
}

static body *take_first(wsrt_aws_metrics *m)
{
    body *b = m->first;

    m->first = b->next;
    if (m->first == NULL)
        m->last = NULL;
    b->next = NULL;
    return b;
}

static void put_back(wsrt_aws_metrics *m, body *b)
{
    b->next = m->first;
    m->first = b;
    if (m->last == NULL)
        m->last = b;
}

static void make_room(wsrt_aws_metrics *m)
{
    while (m->counts.queued_bytes > m->most_queued && m->first != NULL) {
        drop(m, take_first(m));
        m->counts.dropped++;
    }
}

/* What one reading tells, until all of it is there. */
struct reading {
    wsrt_aws_metrics *m;
    body *first;
    body *last;
};

static int take_body(const void *data, size_t len, void *user)
{
    struct reading *r = user;
    body *b = wsrt_adapter_realloc(&r->m->a->allocator, NULL, 0, sizeof *b + len);

    if (b == NULL)
        return WSRT_ERR_NOMEM;
    b->next = NULL;
    b->len = len;
    memcpy(b->text, data, len);
    r->m->counts.queued_bytes += len;
    if (r->last != NULL)
        r->last->next = b;
    else
        r->first = b;
    r->last = b;
    return WSRT_OK;
}

/* All of a reading or nothing: where it fails the reader has not moved, and the next tells it again. */
static int read_monitor(wsrt_aws_metrics *m)
{
    struct reading r = {.m = m};
    wsrt_export_options o = {.struct_size = sizeof o,
                             .format = WSRT_EXPORT_CLOUDWATCH,
                             .names = m->names,
                             .wall = m->a->env.wall(m->a->env.user),
                             .since = m->reader};
    int rc = wsrt_monitor_export(m->monitor, &o, take_body, &r);

    while (rc != WSRT_OK && r.first != NULL) {
        body *b = r.first;
        r.first = b->next;
        drop(m, b);
    }
    if (r.first == NULL)
        return rc;
    if (m->last != NULL)
        m->last->next = r.first;
    else
        m->first = r.first;
    m->last = r.last;
    make_room(m);
    return WSRT_OK;
}

static int read_if_due(wsrt_aws_metrics *m, int64_t now)
{
    if (now < m->next_reading)
        return WSRT_OK;
    int rc = read_monitor(m);
    if (rc == WSRT_OK) {
        m->next_reading += m->interval;
        if (m->next_reading <= now) /* nobody came for long */
            m->next_reading = now + m->interval;
    }
    return rc;
}

/* ---- one body on its way -------------------------------------------------------------------- */

static int next_request(void *user, wsrt_aws_request *r)
{
    wsrt_aws_metrics *m = user;

    if (m->is_taken)
        return 0;
    m->is_taken = 1;
    r->endpoint = &m->endpoint;
    r->service = "monitoring";
    r->method = "POST";
    r->path[0] = '/';
    r->content_type = "application/x-amz-json-1.0";
    r->target = "GraniteServiceVersion20100801.PutMetricData";
    r->body = (wsrt_span){m->current->text, m->current->len};
    r->flags = WSRT_AWS_NO_RETRY;
    if ((m->flags & WSRT_AWS_METRICS_AT_LEAST_ONCE) == 0)
        r->flags |= WSRT_AWS_ONCE;
    r->most = LARGEST_ANSWER;
    return 1;
}

/* What becomes of the body, as a status: WSRT_OK: CloudWatch has it; WSRT_ERR_INVALID: will never have
 * it; WSRT_ERR_STATE: nobody knows whether it has it; any other: it has not. */
static int judge(const wsrt_aws_metrics *m, const wsrt_aws_answer *answer)
{
    if (answer->status >= 200 && answer->status < 300)
        return WSRT_OK;
    if (answer->rc != WSRT_OK) {
        int again = !answer->unsure || (m->flags & WSRT_AWS_METRICS_AT_LEAST_ONCE) != 0;
        return again ? answer->rc : WSRT_ERR_STATE;
    }
    switch (wsrt_aws_judge(answer, m->a->env.wall(m->a->env.user))) {
    case WSRT_AWS_THROTTLED:
        return WSRT_ERR_THROTTLED;
    case WSRT_AWS_TRANSIENT:
        return WSRT_ERR_UNAVAILABLE;
    case WSRT_AWS_EXPIRED:
    case WSRT_AWS_SKEWED:
        return WSRT_ERR_FORBIDDEN;
    default:
        break;
    }
    if (wsrt_aws_is_refused(answer))
        return WSRT_ERR_FORBIDDEN;
    return answer->status >= 400 && answer->status < 500 ? WSRT_ERR_INVALID : WSRT_ERR_UNAVAILABLE;
}

static void wait_longer(wsrt_aws_metrics *m, int64_t retry_after)
{
    wsrt_env *env = &m->a->env;
    uint32_t chance = UINT32_MAX,
             base = m->status == WSRT_ERR_THROTTLED ? FIRST_THROTTLED : FIRST_WAIT;

    (void)env->random(env->user, &chance, sizeof chance); /* without chance it is the longest */
    m->not_before =
        env->now(env->user) + wsrt_aws_delay(base, m->failures++, chance, retry_after) * MILLION;
}

static void request_done(void *user, wsrt_aws_request *r)
{
    wsrt_aws_metrics *m = user;
    body *b = m->current;

    m->current = NULL;
    m->status = judge(m, &r->answer);
    if (m->status == WSRT_OK) {
        m->counts.sent++;
        m->failures = 0;
        drop(m, b);
        return;
    }
    wsrt_aws_log(m->a, WSRT_LEVEL_WARN, "aws.metrics_not_sent",
                 r->answer.error[0] != '\0' ? r->answer.error : wsrt_status_name(m->status),
                 r->answer.status);
    if (m->status == WSRT_ERR_INVALID || m->status == WSRT_ERR_STATE) {
        m->counts.refused += m->status == WSRT_ERR_INVALID;
        m->counts.unsure += m->status == WSRT_ERR_STATE;
        drop(m, b);
    } else {
        m->counts.failed++;
        put_back(m, b);
        make_room(m);
    }
    if (m->status != WSRT_ERR_INVALID) /* the service answers well, the next may go */
        wait_longer(m, r->answer.retry_after);
}

static int begin(wsrt_aws_metrics *m)
{
    const wsrt_aws_batch batch = {next_request, request_done, m, 1, 0, 0};

    m->is_taken = 0;
    m->current = take_first(m);
    int rc = wsrt_aws_job_begin(&m->job, m->a, &batch);
    if (rc == WSRT_OK)
        return rc;
    put_back(m, m->current);
    m->current = NULL;
    return rc;
}

/* Moves what is on its way; begins with the next when it may. 1 while there is something under way. */
static int advance(wsrt_aws_metrics *m, int most_ms, int *rc)
{
    *rc = WSRT_OK;
    if (m->job == NULL) {
        if (m->first == NULL || m->a->env.now(m->a->env.user) < m->not_before)
            return 0;
        *rc = begin(m);
        if (*rc != WSRT_OK)
            return 0;
    }
    if (wsrt_aws_job_step(m->job, most_ms)) {
        wsrt_aws_job_end(m->job);
        m->job = NULL;
    }
    return m->job != NULL || m->first != NULL;
}

/* ---- the caller's steps --------------------------------------------------------------------- */

static uint32_t wait_of(const wsrt_aws_metrics *m, int64_t now)
{
    int64_t next = m->next_reading;

    if (m->job != NULL)
        return UNDER_WAY;
    if (m->first != NULL && m->not_before < next)
        next = m->not_before;
    return next <= now ? 0 : (uint32_t)((next - now) / MILLION + 1);
}

int wsrt_aws_metrics_step(wsrt_aws_metrics *m, uint32_t wait_ms, uint32_t *next_ms)
{
    int sending;

    if (m == NULL || wait_ms > MOST_INTERVAL)
        return WSRT_ERR_INVALID;
    wsrt_env *env = &m->a->env;
    int64_t now = env->now(env->user), until = now + (int64_t)wait_ms * MILLION;
    int rc = read_if_due(m, now), sent = WSRT_OK;
    do {
        int64_t left = (until - now + MILLION - 1) / MILLION;
        sending = advance(m, (int)left, &sent);
        now = env->now(env->user);
    } while (sending && now < until);
    if (next_ms != NULL)
        *next_ms = wait_of(m, now);
    return rc != WSRT_OK ? rc : sent;
}

int wsrt_aws_metrics_flush(wsrt_aws_metrics *m, uint32_t timeout_ms)
{
    if (m == NULL || timeout_ms > MOST_INTERVAL)
        return WSRT_ERR_INVALID;
    wsrt_env *env = &m->a->env;
    int64_t now = env->now(env->user), until = now + (int64_t)timeout_ms * MILLION;
    int rc = read_monitor(m);
    m->next_reading = now + m->interval;
    m->not_before = now;
    m->status = WSRT_OK;
    while (rc == WSRT_OK && (m->job != NULL || m->first != NULL)) {
        if (now >= until)
            return WSRT_ERR_TIMEOUT;
        (void)advance(m, (int)((until - now + MILLION - 1) / MILLION), &rc);
        if (rc == WSRT_OK && m->status != WSRT_ERR_INVALID)
            rc = m->status;
        now = env->now(env->user);
    }
    return rc;
}

int wsrt_aws_metrics_count(const wsrt_aws_metrics *m, wsrt_aws_metrics_counts *out)
{
    if (m == NULL || out == NULL)
        return WSRT_ERR_INVALID;
    return wsrt_adapter_report(out, sizeof m->counts, sizeof(wsrt_aws_metrics_counts), &m->counts);
}

/* ---- the object ----------------------------------------------------------------------------- */

static int set_endpoint(wsrt_aws_metrics *m, wsrt_span given)
{
    char url[WSRT_AWS_LONGEST_URL];
    const char *named = wsrt_aws_getenv("AWS_ENDPOINT_URL_CLOUDWATCH");

    if (named == NULL)
        named = wsrt_aws_getenv("AWS_ENDPOINT_URL");
    if (given.len == 0)
        given = wsrt_span_cstr(named);
    if (given.len == 0) {
        int len = snprintf(url, sizeof url, "https://monitoring.%s.amazonaws.com%s", m->a->region,
                           strncmp(m->a->region, "cn-", 3) == 0 ? ".cn" : "");
        given = (wsrt_span){url, (size_t)len};
    }
    return wsrt_aws_endpoint_serve(&m->endpoint, given);
}

static int load(wsrt_aws_metrics_options *o, const wsrt_aws_metrics_options *given)
{
    int rc = wsrt_adapter_options(o, sizeof *o, sizeof(wsrt_aws_metrics_options), given);

    if (rc != WSRT_OK)
        return rc;
    if ((o->flags & ~(uint32_t)WSRT_AWS_METRICS_AT_LEAST_ONCE) != 0)
        return WSRT_ERR_UNSUPPORTED;
    o->interval_ms = o->interval_ms == 0 ? DEFAULT_INTERVAL : o->interval_ms;
    o->queue_bytes = o->queue_bytes == 0 ? DEFAULT_QUEUE : o->queue_bytes;
    return o->interval_ms <= MOST_INTERVAL && o->queue_bytes >= LEAST_QUEUE &&
                   o->names >= WSRT_NAMES_HANDLER && o->names <= WSRT_NAMES_BOTH &&
                   wsrt_aws_text_ok(o->endpoint, WSRT_AWS_LONGEST_URL)
               ? WSRT_OK
               : WSRT_ERR_INVALID;
}

int wsrt_aws_metrics_new(wsrt_aws_metrics **out, wsrt_aws *a, wsrt_monitor *monitor,
                         const wsrt_aws_metrics_options *opts)
{
    wsrt_aws_metrics_options o;

    if (out == NULL)
        return WSRT_ERR_INVALID;
    *out = NULL;
    int rc = monitor == NULL ? WSRT_ERR_INVALID : load(&o, opts);
    wsrt_aws_metrics *m = wsrt_aws_object_new(a, sizeof *m, &rc);
    if (m == NULL)
        return rc;
    m->a = a;
    m->monitor = monitor;
    m->flags = o.flags;
    m->names = o.names;
    m->interval = (int64_t)o.interval_ms * MILLION;
    m->most_queued = o.queue_bytes;
    m->next_reading = a->env.now(a->env.user) + m->interval;
    m->not_before = INT64_MIN;
    rc = set_endpoint(m, o.endpoint);
    if (rc == WSRT_OK)
        rc = wsrt_monitor_reader_new(&m->reader, monitor);
    if (rc == WSRT_OK)
        *out = m;
    else
        wsrt_aws_metrics_free(m);
    return rc;
}

void wsrt_aws_metrics_free(wsrt_aws_metrics *m)
{
    if (m == NULL)
        return;
    wsrt_aws_job_end(m->job);
    while (m->first != NULL)
        drop(m, take_first(m));
    wsrt_monitor_reader_free(m->reader);
    wsrt_adapter_realloc(&m->a->allocator, m, sizeof *m, 0);
}
