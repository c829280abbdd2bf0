/* examples/echo-lambda without its metrics: what the loop, the reading of an event and the writing of a
 * result cost. */
int shipped_main(void);

#define main shipped_main
#include "echo-lambda.c"
#undef main

int main(void)
{
    const wsrt_lambda_options opts = {.struct_size = sizeof opts, .metrics_fd = -1};

    return wsrt_lambda_main(&opts, make, NULL);
}
