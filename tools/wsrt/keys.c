#include "keys.h"

#include "tool.h"

#include <dlfcn.h>
#include <stddef.h>

/* ISO C has no conversion between the two kinds of pointer, POSIX has. */
static int find(void *library, const char *name, void *function)
{
    void *found = dlsym(library, name);

    *(void **)function = found;
    return found != NULL;
}

int keys_open(struct keys *k, const wsrt_env *env)
{
    wsrt_aws_options o = {.struct_size = sizeof o, .env = env};
    int (*new_aws)(wsrt_aws * *out, const wsrt_aws_options *opts);
    void (*interface)(wsrt_aws * aws, wsrt_jwks_fetcher * out);

    k->library = dlopen(WSRT_TOOL_AWS, RTLD_NOW | RTLD_LOCAL);
    if (k->library == NULL)
        return complain(TOOL_CONFIG, "--jwks: an address needs libwsrt-aws: %s", dlerror());
    if (!find(k->library, "wsrt_aws_new", &new_aws) ||
        !find(k->library, "wsrt_aws_free", &k->free_aws) ||
        !find(k->library, "wsrt_aws_jwks_interface", &interface))
        return complain(TOOL_CONFIG, "--jwks: an address needs a newer libwsrt-aws: %s", dlerror());
    int rc = new_aws(&k->aws, &o);
    if (rc != WSRT_OK)
        return complain(TOOL_INTERNAL, "--jwks: no client for its address: %s",
                        wsrt_status_name(rc));
    interface(k->aws, &k->fetcher);
    return 0;
}

/* libcurl may have left something behind that a closed library would take along. */
void keys_close(struct keys *k)
{
    if (k->aws != NULL)
        k->free_aws(k->aws);
    k->aws = NULL;
}
