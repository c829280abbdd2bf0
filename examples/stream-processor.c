/* The dashboard as a Lambda function (`bootstrap`) behind a table's stream: tells the clients whose
 * connections are in CONNECTIONS_TABLE_NAME, and who have subscribed, what has changed. */
#include "aws-parts.h"
#include "dashboard.h"

static int make(wsrt_runtime **out, wsrt_runtime_options *parts, void *user)
{
    int rc = aws_parts_make(out, parts, user);
    dashboard_options opts = {.sender = parts->sender, .stored = 1};

    return rc != WSRT_OK ? rc : dashboard_add_routes(*out, &opts, NULL);
}

int main(void)
{
    const wsrt_lambda_options opts = {
        .struct_size = sizeof opts,
        .required_cstr = "AWS_REGION CONNECTIONS_TABLE_NAME WEBSOCKET_API_ENDPOINT"};

    return aws_parts_main(&opts, make);
}
