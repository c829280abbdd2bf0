/* `$connect` as a Lambda function of its own (`bootstrap`): 200 and a record of the connection in the
 * table CONNECTIONS_TABLE_NAME; 500 when it cannot be stored. With WSRT_REQUIRE_AUTH=1 nobody gets in
 * whom no authorizer knows: 401. */
#include "aws-parts.h"

int main(void)
{
    const wsrt_lambda_options opts = {.struct_size = sizeof opts,
                                      .kind = WSRT_LAMBDA_CONNECT,
                                      .required_cstr = "AWS_REGION CONNECTIONS_TABLE_NAME"};

    return aws_parts_main(&opts, aws_parts_make);
}
