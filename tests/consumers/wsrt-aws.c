/* A program outside the tree that talks to AWS, in the C that is C++ too; nothing is sent here. */
#include <wsrt/aws.h>

#include <stdio.h>
#include <string.h>

#define HOLDS(what) ((what) ? 0 : (printf("%s:%d: not so: %s\n", __FILE__, __LINE__, #what), 1))

int main(void)
{
    wsrt_aws *a = NULL;
    wsrt_aws_options o;
    wsrt_aws_sender *sender = NULL;
    wsrt_aws_sender_options so;
    char key[129] = "";
    int wrong = 0;

    memset(&o, 0, sizeof o);
    o.struct_size = sizeof o;
    o.region = wsrt_span_cstr("eu-west-1");
    o.access_key = wsrt_span_cstr("AKIDEXAMPLE");
    wrong += HOLDS(wsrt_aws_new(&a, &o) == WSRT_ERR_INVALID && a == NULL);
    o.secret_key = wsrt_span_cstr("secret");
    wrong += HOLDS(wsrt_aws_new(&a, &o) == WSRT_OK);
    wrong += HOLDS(wsrt_aws_credentials(a, key, sizeof key) == WSRT_OK);
    wrong += HOLDS(strcmp(key, "AKIDEXAMPLE") == 0);
    memset(&so, 0, sizeof so);
    so.struct_size = sizeof so;
    so.endpoint = wsrt_span_cstr("https://x.execute-api.eu-west-1.amazonaws.com/prod");
    wrong += HOLDS(wsrt_aws_sender_new(&sender, a, &so) == WSRT_OK);
    wsrt_aws_sender_free(sender);
    wsrt_aws_free(a);
    return wrong != 0;
}
