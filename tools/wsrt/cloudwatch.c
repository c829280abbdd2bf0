#define _GNU_SOURCE
#include "cloudwatch.h"

#include "aws_library.h"
#include "tool.h"

#include <string.h>
#include <time.h>

enum { STEP_MS = 500, FAREWELL_MS = 5000, KEY_MOST = 129 };

static const char option[] = "--metrics-cloudwatch";

/* Functions of libwsrt-aws, which is looked for when it is wanted. */
typedef int (*new_aws_fn)(wsrt_aws **out, const wsrt_aws_options *opts);
typedef int (*new_sink_fn)(wsrt_aws_metrics **out, wsrt_aws *a, wsrt_monitor *m,
                           const wsrt_aws_metrics_options *opts);

/* ---- making --------------------------------------------------------------------------------- */

static int open_aws(wsrt_aws **out, const char *region, const wsrt_env *env, new_aws_fn new_aws)
{
    wsrt_aws_options o = {.struct_size = sizeof o, .env = env};

    if (strcmp(region, "auto") != 0)
        o.region = wsrt_span_cstr(region);
    int rc = new_aws(out, &o);
    return rc == WSRT_OK ? 0 : complain(TOOL_CONFIG, "%s: %s", option, wsrt_status_name(rc));
}

static int explain(int rc)
{
    if (rc == WSRT_ERR_NOT_FOUND)
        return complain(TOOL_CONFIG, "%s auto finds no region: name it, or set AWS_REGION", option);
    if (rc == WSRT_ERR_INVALID)
        return complain(TOOL_CONFIG,
                        "%s: AWS_ENDPOINT_URL_CLOUDWATCH or AWS_ENDPOINT_URL is no URL", option);
    return complain(TOOL_INTERNAL, "%s: %s", option, wsrt_status_name(rc));
}

/* ---- the thread ----------------------------------------------------------------------------- */

static void rest(struct cloudwatch *c, uint32_t ms)
{
    struct timespec until;

    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += ms / 1000;
    until.tv_nsec += (long)(ms % 1000) * 1000000;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    (void)pthread_cond_timedwait(&c->told, &c->lock, &until);
}

static void *work(void *user)
{
    struct cloudwatch *c = user;

    pthread_mutex_lock(&c->lock);
    while (!c->is_ending) {
        uint32_t next_ms = STEP_MS;
        pthread_mutex_unlock(&c->lock);
        (void)c->step(c->sink, STEP_MS, &next_ms);
        pthread_mutex_lock(&c->lock);
        if (!c->is_ending && next_ms > 0)
            rest(c, next_ms);
    }
    pthread_mutex_unlock(&c->lock);
    return NULL;
}

static int start(struct cloudwatch *c)
{
    pthread_condattr_t monotonic;

    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_mutex_init(&c->lock, NULL);
    pthread_cond_init(&c->told, &monotonic);
    pthread_condattr_destroy(&monotonic);
    int rc = pthread_create(&c->thread, NULL, work, c);
    c->is_running = rc == 0;
    return rc == 0 ? 0 : complain(TOOL_INTERNAL, "cannot start a thread: %s", strerror(rc));
}

int cloudwatch_open(struct cloudwatch *c, const char *region, int64_t interval_ms,
                    const wsrt_env *env, wsrt_monitor *monitor)
{
    wsrt_aws_metrics_options o = {.struct_size = sizeof o, .interval_ms = (uint32_t)interval_ms};
    new_aws_fn new_aws;
    new_sink_fn new_sink;
    const struct aws_function wanted[] = {
        {"wsrt_aws_new", &new_aws},          {"wsrt_aws_free", &c->free_aws},
        {"wsrt_aws_metrics_new", &new_sink}, {"wsrt_aws_metrics_free", &c->free_sink},
        {"wsrt_aws_metrics_step", &c->step}, {"wsrt_aws_metrics_flush", &c->flush},
    };
    int status = aws_library_find(option, wanted, sizeof wanted / sizeof *wanted);

    if (status == 0)
        status = open_aws(&c->aws, region, env, new_aws);
    if (status != 0)
        return status;
    int rc = new_sink(&c->sink, c->aws, monitor, &o);
    return rc == WSRT_OK ? start(c) : explain(rc);
}

void cloudwatch_close(struct cloudwatch *c)
{
    if (c->is_running) {
        pthread_mutex_lock(&c->lock);
        c->is_ending = 1;
        pthread_cond_signal(&c->told);
        pthread_mutex_unlock(&c->lock);
        pthread_join(c->thread, NULL);
        (void)c->flush(c->sink, FAREWELL_MS); /* it logs what could not be told */
        pthread_cond_destroy(&c->told);
        pthread_mutex_destroy(&c->lock);
    }
    if (c->sink != NULL)
        c->free_sink(c->sink);
    if (c->aws != NULL)
        c->free_aws(c->aws);
    *c = (struct cloudwatch){.is_running = 0};
}

/* ---- the check ------------------------------------------------------------------------------ */

int cloudwatch_check(const char *region)
{
    new_aws_fn new_aws;
    int (*credentials)(wsrt_aws * a, char *access_key, size_t cap);
    void (*free_aws)(wsrt_aws * aws);
    const struct aws_function wanted[] = {{"wsrt_aws_new", &new_aws},
                                          {"wsrt_aws_free", &free_aws},
                                          {"wsrt_aws_credentials", &credentials}};
    wsrt_aws *aws = NULL;
    char key[KEY_MOST];
    int status = aws_library_find(option, wanted, sizeof wanted / sizeof *wanted);

    if (status == 0)
        status = open_aws(&aws, region, NULL, new_aws);
    if (status != 0)
        return status;
    int rc = credentials(aws, key, sizeof key);
    free_aws(aws);
    return rc == WSRT_OK
               ? 0
               : complain(TOOL_CONFIG, "%s: no credentials: %s", option, wsrt_status_name(rc));
}
