/* The dashboard as a Lambda function (`bootstrap`) behind a table's stream. Give the runtime the store
 * that the connections' functions write, and the dashboard a sender that reaches their clients; until
 * then every batch fails, and the stream keeps it. */
#include "dashboard.h"

#include <wsrt/lambda.h>

#include <signal.h>
#include <stdio.h>

static void on_term(int number)
{
    (void)number;
    wsrt_lambda_stop();
}

int main(void)
{
    wsrt_runtime *rt = NULL;
    struct sigaction action = {.sa_handler = on_term};
    int rc = wsrt_runtime_new(&rt, NULL);

    sigaction(SIGTERM, &action, NULL);
    rc = rc != WSRT_OK ? rc : dashboard_add_routes(rt, &(dashboard_options){.stored = 1}, NULL);
    rc = rc != WSRT_OK ? rc : wsrt_lambda_run(rt, NULL);
    if (rc != WSRT_OK)
        fprintf(stderr, "stream-processor: %s\n", wsrt_status_name(rc));
    wsrt_runtime_free(rt);
    return rc == WSRT_OK ? 0 : 1;
}
