/* One message to COUNT connections through libwsrt-aws: fanout-client ENDPOINT COUNT prints one line of
 * JSON, the CPU time and the time of the second post_many in nanoseconds. The first opens the
 * connections. */
#include "bench.h"

#include <wsrt/aws.h>

#include <sys/resource.h>

enum { WARM_UP = 500, ID = 16, ROOM = 32 };

static const char message[] = "{\"type\":\"METRICS_UPDATE\",\"updates\":[{\"eventType\":\"MODIFY\","
                              "\"timestamp\":1795168831120,\"data\":{\"entity_id\":\"stream-001\","
                              "\"entity_type\":\"stream\",\"metric_value\":1234}}]}";

static int64_t cpu_ns(void)
{
    struct rusage u;

    getrusage(RUSAGE_SELF, &u);
    return ((int64_t)u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1000000000 +
           ((int64_t)u.ru_utime.tv_usec + u.ru_stime.tv_usec) * 1000;
}

static int64_t now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void post(const wsrt_sender *s, const wsrt_span *ids, size_t count, int *results)
{
    const wsrt_post what = {.struct_size = sizeof what, .data = wsrt_span_cstr(message)};
    int rc = s->ops->post_many(s->self, ids, count, &what, results);

    for (size_t i = 0; rc == WSRT_OK && i < count; i++)
        rc = results[i];
    if (rc != WSRT_OK) {
        fprintf(stderr, "post_many: %s\n", wsrt_status_name(rc));
        exit(1);
    }
}

int main(int argc, char **argv)
{
    size_t count = argc > 2 ? strtoul(argv[2], NULL, 10) : 0;
    char *names = malloc((count + 1) * ROOM);
    wsrt_span *ids = malloc((count + 1) * sizeof *ids);
    int *results = malloc((count + 1) * sizeof *results);
    wsrt_aws_options o = {.struct_size = sizeof o,
                          .region = wsrt_span_cstr("eu-west-1"),
                          .access_key = wsrt_span_cstr("AKIDEXAMPLE"),
                          .secret_key = wsrt_span_cstr("wJalrXUtnFEMI")};
    wsrt_aws_sender_options p = {.struct_size = sizeof p, .timeout_ms = 120000};
    wsrt_aws_sender *posts;
    wsrt_sender sender;
    wsrt_aws *aws;

    if (count == 0 || names == NULL || ids == NULL || results == NULL)
        return 2;
    p.endpoint = wsrt_span_cstr(argv[1]);
    for (size_t i = 0; i < count; i++) {
        snprintf(names + i * ROOM, ROOM, "QbT4%08zuJ0A=", i);
        ids[i] = (wsrt_span){names + i * ROOM, ID};
    }
    if (wsrt_aws_new(&aws, &o) != WSRT_OK || wsrt_aws_sender_new(&posts, aws, &p) != WSRT_OK)
        return 1;
    wsrt_aws_sender_interface(posts, &sender);
    post(&sender, ids, count < WARM_UP ? count : WARM_UP, results);
    int64_t cpu = cpu_ns(), began = now_ns();
    post(&sender, ids, count, results);
    printf("{\"cpu\":%lld,\"wall\":%lld}\n", (long long)(cpu_ns() - cpu),
           (long long)(now_ns() - began));
    wsrt_aws_sender_free(posts);
    wsrt_aws_free(aws);
    free(results);
    free(ids);
    free(names);
    return 0;
}
