/* Sends the metrics of a few operations to the CloudWatch that the environment names, ROUNDS times. */
#include <wsrt/aws.h>

#include <stdio.h>
#include <stdlib.h>

static void work(wsrt_monitor *monitor, int round)
{
    const wsrt_op_result good = {.struct_size = sizeof good, .success = 1},
                         bad = {.struct_size = sizeof bad};
    wsrt_op op;

    for (int i = 0; i < 10 + round; i++) {
        int64_t begun = (int64_t)i * 1000000000;
        if (wsrt_op_start(monitor, NULL, i % 4, begun, &op) != WSRT_OK)
            exit(2);
        (void)wsrt_op_complete(&op, begun + (int64_t)(i + 1) * 1234567, i % 5 == 0 ? &bad : &good);
    }
}

int main(int argc, char **argv)
{
    wsrt_aws_metrics_counts counts = {.struct_size = sizeof counts};
    int rounds = argc > 1 ? atoi(argv[1]) : 1;
    wsrt_aws_metrics *sink;
    wsrt_monitor *monitor;
    wsrt_aws *aws;

    if (wsrt_monitor_new(&monitor, NULL) != WSRT_OK || wsrt_aws_new(&aws, NULL) != WSRT_OK ||
        wsrt_aws_metrics_new(&sink, aws, monitor, NULL) != WSRT_OK)
        return 2;
    for (int i = 0; i < rounds; i++) {
        work(monitor, i);
        printf("%s\n", wsrt_status_name(wsrt_aws_metrics_flush(sink, 20000)));
    }
    (void)wsrt_aws_metrics_count(sink, &counts);
    printf("sent %llu, failed %llu\n", (unsigned long long)counts.sent,
           (unsigned long long)counts.failed);
    wsrt_aws_metrics_free(sink);
    wsrt_aws_free(aws);
    wsrt_monitor_free(monitor);
    return 0;
}
