/* A sample service outside of the server that can be made to fail and to be slow, for `wsrt demo`. */
#ifndef WSRT_TOOL_DOWNSTREAM_H
#define WSRT_TOOL_DOWNSTREAM_H

#include <wsrt/breaker.h>
#include <wsrt/json.h>

#include <stdatomic.h>

enum downstream_mode { DOWNSTREAM_WELL, DOWNSTREAM_FAILING, DOWNSTREAM_SLOW };

struct downstream {
    const char *service_cstr; /* its name in the registry of breakers, */
    const char *operation_cstr;
    wsrt_breakers *breakers; /* which is this one */
    const wsrt_env *env;
    atomic_int mode;
    atomic_llong calls;
    atomic_llong failures;
    atomic_llong probes; /* calls that came while their breaker was half open */
};

/* One call: WSRT_OK, or WSRT_ERR_UNAVAILABLE while it fails; while it fails or is slow it takes 120 ms, so
 * that calls at the same time overlap. Any thread. */
int downstream_call(struct downstream *d);

/* A wsrt_server_action_fn with a struct downstream as `user`: {"mode":"fail"}, "slow" or "recover";
 * answers as downstream_write(), 400 for anything else. */
int downstream_command(wsrt_span body, wsrt_json_writer *answer, void *user);

/* Writes {"service":"…","mode":"ok","calls":n,"failures":n,"probes":n}. Any thread. */
void downstream_write(struct downstream *d, wsrt_json_writer *w);

#endif
