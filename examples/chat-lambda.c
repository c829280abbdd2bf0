/* The chat application as a Lambda function (`bootstrap`) beside connect-lambda and disconnect-lambda:
 * API Gateway's authorizer says who is asking, answers are posted to the clients. */
#include "aws-parts.h"
#include "chat.h"

static int make(wsrt_runtime **out, wsrt_runtime_options *parts, void *user)
{
    int rc = aws_parts_make(out, parts, user);

    return rc != WSRT_OK ? rc : chat_add_routes(*out, NULL);
}

int main(void)
{
    const wsrt_lambda_options opts = {
        .struct_size = sizeof opts,
        .required_cstr = "AWS_REGION CONNECTIONS_TABLE_NAME WEBSOCKET_MESSAGES_TABLE "
                         "WEBSOCKET_API_ENDPOINT"};

    return aws_parts_main(&opts, make);
}
