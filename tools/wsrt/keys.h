/* How `--jwks URL` gets its keys: through libwsrt-aws. */
#ifndef WSRT_TOOL_KEYS_H
#define WSRT_TOOL_KEYS_H

#include <wsrt/aws.h>
#include <wsrt/jwt.h>

struct keys {
    wsrt_aws *aws; /* NULL = not opened */
    void (*free_aws)(wsrt_aws *aws);
    wsrt_jwks_fetcher fetcher;
};

/* Fills in zeroed keys; 0, or what is wrong was complained about, and an exit status. */
int keys_open(struct keys *k, const wsrt_env *env);
void keys_close(struct keys *k); /* zeroed ones are fine */

#endif
