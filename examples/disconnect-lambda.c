/* `$disconnect` as a Lambda function of its own (`bootstrap`): removes the record of the connection from
 * the table CONNECTIONS_TABLE_NAME, and answers 200 whatever happens. */
#include "aws-parts.h"

#include <wsrt/lambda.h>

static int make(wsrt_runtime **out, wsrt_runtime_options *parts, void *user)
{
    int rc = aws_parts_open(user, parts);

    return rc != WSRT_OK ? rc : wsrt_runtime_new(out, parts);
}

int main(void)
{
    aws_parts parts = {0};
    const wsrt_lambda_options opts = {.struct_size = sizeof opts,
                                      .kind = WSRT_LAMBDA_DISCONNECT,
                                      .required_cstr = "AWS_REGION CONNECTIONS_TABLE_NAME",
                                      .document = aws_parts_document,
                                      .document_user = &parts};
    int code = wsrt_lambda_main(&opts, make, &parts);

    aws_parts_close(&parts);
    return code;
}
