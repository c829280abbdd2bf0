/* A running `wsrt serve`. */
#ifndef WSRT_TOOL_SERVICE_H
#define WSRT_TOOL_SERVICE_H

#include "cloudwatch.h"
#include "commands.h"
#include "jwks.h"
#include "live.h"
#include "reload.h"
#include "store.h"

#include <wsrt/server.h>

struct service {
    const struct options *options; /* it was started with */
    const struct serve_settings *settings;
    struct live live;
    wsrt_env env;
    struct tool_store store;
    wsrt_static_auth *auth;
    struct jwks_judge *judge;
    wsrt_resume *sessions; /* NULL = none */
    wsrt_breakers *breakers;
    wsrt_runtime *runtime;
    wsrt_feed *feed; /* NULL = the application has none */
    wsrt_server *server;
    struct cloudwatch cloudwatch;
    struct reload reload;
    struct manager manager;
};

/* What the library's server is told, of settings that outlive `opts`. */
void service_options(struct service *v, const struct serve_settings *s, wsrt_server_options *opts);
const char *service_level(const struct serve_settings *s); /* of the log */
int64_t service_now(const struct service *v);

/* Whether the libraries take the settings, asked of a server that listens nowhere; 0 or an exit status,
 * complained about. */
int service_try(const struct options *o);

/* Reads file and environment again and takes what may change while it runs. All of it is judged
 * before any of it is taken; how that went is logged. A struct service as `user`; one thread. */
void service_again(void *user);

#endif
