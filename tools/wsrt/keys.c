#include "keys.h"

#include "aws_library.h"
#include "tool.h"

int keys_open(struct keys *k, const wsrt_env *env)
{
    wsrt_aws_options o = {.struct_size = sizeof o, .env = env};
    int (*new_aws)(wsrt_aws * *out, const wsrt_aws_options *opts);
    void (*interface)(wsrt_aws * aws, wsrt_jwks_fetcher * out);
    const struct aws_function wanted[] = {{"wsrt_aws_new", &new_aws},
                                          {"wsrt_aws_free", &k->free_aws},
                                          {"wsrt_aws_jwks_interface", &interface}};
    int status = aws_library_find("--jwks: an address", wanted, sizeof wanted / sizeof *wanted);

    if (status != 0)
        return status;
    int rc = new_aws(&k->aws, &o);
    if (rc != WSRT_OK)
        return complain(TOOL_INTERNAL, "--jwks: no client for its address: %s",
                        wsrt_status_name(rc));
    interface(k->aws, &k->fetcher);
    return 0;
}

void keys_close(struct keys *k)
{
    if (k->aws != NULL)
        k->free_aws(k->aws);
    k->aws = NULL;
}
