/* `serve --metrics-cloudwatch`: a thread that tells CloudWatch what the monitor counts. */
#ifndef WSRT_TOOL_CLOUDWATCH_H
#define WSRT_TOOL_CLOUDWATCH_H

#include <wsrt/aws.h>

#include <pthread.h>

struct cloudwatch {
    int (*step)(wsrt_aws_metrics *m, uint32_t wait_ms, uint32_t *next_ms);
    int (*flush)(wsrt_aws_metrics *m, uint32_t timeout_ms);
    void (*free_sink)(wsrt_aws_metrics *m);
    void (*free_aws)(wsrt_aws *aws);
    wsrt_aws *aws;
    wsrt_aws_metrics *sink; /* NULL = not opened */
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t told;
    int is_ending;
    int is_running;
};

/* Fills in a zeroed one; `region` may be "auto". 0, or what is wrong was complained about, and an exit
 * status. `env` and `monitor` outlive it. */
int cloudwatch_open(struct cloudwatch *c, const char *region, int64_t interval_ms,
                    const wsrt_env *env, wsrt_monitor *monitor);
/* Tells what is left, for a few seconds at most. One that was not opened is fine. */
void cloudwatch_close(struct cloudwatch *c);

/* Whether it could be opened and has credentials; 0 or an exit status, complained about. */
int cloudwatch_check(const char *region);

#endif
