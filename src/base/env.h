/* The environment as objects keep it: the caller's members over the defaults. */
#ifndef WSRT_SRC_ENV_H
#define WSRT_SRC_ENV_H

#include <wsrt/base.h>

/* WSRT_OK; WSRT_ERR_INVALID or WSRT_ERR_UNSUPPORTED for a struct of a wrong size. `given` may be
 * NULL. Every member of `out` is callable afterwards. A caller's member gets the caller's `user`,
 * a default ignores it. */
int wsrt_env_load(wsrt_env *out, const wsrt_env *given);

#endif
