/* `$disconnect` as a Lambda function of its own (`bootstrap`): removes the record of the connection from
 * the table CONNECTIONS_TABLE_NAME, and answers 200 whatever happens. */
#include "aws-parts.h"

int main(void)
{
    const wsrt_lambda_options opts = {.struct_size = sizeof opts,
                                      .kind = WSRT_LAMBDA_DISCONNECT,
                                      .required_cstr = "AWS_REGION CONNECTIONS_TABLE_NAME"};

    return aws_parts_main(&opts, aws_parts_make);
}
