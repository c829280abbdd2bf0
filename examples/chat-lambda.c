/* The chat application as a Lambda function (`bootstrap`) beside connect-lambda and disconnect-lambda:
 * API Gateway's authorizer says who is asking, answers are posted to the clients. */
#include "aws-parts.h"
#include "chat.h"

#include <wsrt/lambda.h>

static int make(wsrt_runtime **out, wsrt_runtime_options *parts, void *user)
{
    int rc = aws_parts_open(user, parts);

    rc = rc != WSRT_OK ? rc : wsrt_runtime_new(out, parts);
    return rc != WSRT_OK ? rc : chat_add_routes(*out, NULL);
}

int main(void)
{
    aws_parts parts = {0};
    const wsrt_lambda_options opts = {
        .struct_size = sizeof opts,
        .required_cstr = "AWS_REGION CONNECTIONS_TABLE_NAME WEBSOCKET_MESSAGES_TABLE "
                         "WEBSOCKET_API_ENDPOINT",
        .document = aws_parts_document,
        .document_user = &parts};
    int code = wsrt_lambda_main(&opts, make, &parts);

    aws_parts_close(&parts);
    return code;
}
