/* The dashboard as a Lambda function (`bootstrap`) behind a table's stream: tells the clients whose
 * connections are in CONNECTIONS_TABLE_NAME, and who have subscribed, what has changed. */
#include "aws-parts.h"
#include "dashboard.h"

#include <wsrt/lambda.h>

static int make(wsrt_runtime **out, wsrt_runtime_options *parts, void *user)
{
    int rc = aws_parts_open(user, parts);
    dashboard_options opts = {.sender = parts->sender, .stored = 1};

    rc = rc != WSRT_OK ? rc : wsrt_runtime_new(out, parts);
    return rc != WSRT_OK ? rc : dashboard_add_routes(*out, &opts, NULL);
}

int main(void)
{
    aws_parts parts = {0};
    const wsrt_lambda_options opts = {
        .struct_size = sizeof opts,
        .required_cstr = "AWS_REGION CONNECTIONS_TABLE_NAME WEBSOCKET_API_ENDPOINT",
        .document = aws_parts_document,
        .document_user = &parts};
    int code = wsrt_lambda_main(&opts, make, &parts);

    aws_parts_close(&parts);
    return code;
}
