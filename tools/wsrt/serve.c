#define _GNU_SOURCE
#include "app.h"
#include "breakers_file.h"
#include "commands.h"
#include "life.h"
#include "page.h"
#include "rules.h"
#include "service.h"
#include "tool.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SIGN_IN_MS = 10000, STORE_WORKERS = 4 };

static int slow_reader(const struct serve_settings *s)
{
    if (strcmp(s->slow_policy, "drop-oldest") == 0)
        return WSRT_SLOW_READER_DROP_OLDEST;
    return strcmp(s->slow_policy, "conflate") == 0 ? WSRT_SLOW_READER_CONFLATE
                                                   : WSRT_SLOW_READER_CLOSE;
}

const char *service_level(const struct serve_settings *s)
{
    return s->quiet ? "error" : s->verbose ? "debug" : s->log_level;
}

int64_t service_now(const struct service *v)
{
    const wsrt_env *env = wsrt_runtime_env(v->runtime);

    return env->now(env->user);
}

/* Those of the runtime, which the judge of tokens needs before there is one. */
static int make_breakers(struct service *v)
{
    wsrt_env clock = {.struct_size = sizeof clock};
    wsrt_breakers_options opts = {.struct_size = sizeof opts, .env = &v->env};
    int rc = wsrt_env_default(&clock);

    if (rc == WSRT_OK) {
        opts.now = clock.now(clock.user);
        rc = wsrt_breakers_new(&v->breakers, &opts);
    }
    return rc == WSRT_OK ? 0 : complain(TOOL_INTERNAL, "cannot start: %s", wsrt_status_name(rc));
}

static int make_judge(struct service *v)
{
    const struct serve_settings *s = v->settings;
    struct jwks_rules rules = {.source = s->jwks,
                               .issuer = s->issuer,
                               .audiences = &s->audiences,
                               .env = &v->env,
                               .breakers = v->breakers};

    return s->jwks == NULL ? 0 : jwks_open(&v->judge, &rules);
}

static int make_auth(struct service *v)
{
    const struct text_list *given = &v->settings->dev_tokens;
    wsrt_static_token tokens[OPTION_LIST_MAX];
    wsrt_principal people[OPTION_LIST_MAX];

    for (size_t i = 0; i < given->count; i++) {
        wsrt_span pair = given->items[i];
        size_t len = (size_t)((const char *)memrchr(pair.ptr, '=', pair.len) - pair.ptr);
        wsrt_span name = wsrt_span_cstr(pair.ptr + len + 1);
        people[i] =
            (wsrt_principal){.struct_size = sizeof people[i], .user_id = name, .username = name};
        tokens[i] = (wsrt_static_token){{pair.ptr, len}, &people[i]};
    }
    if (given->count == 0)
        return 0;
    int rc = wsrt_static_auth_new(&v->auth, tokens, given->count, NULL);
    if (rc == WSRT_ERR_INVALID)
        return complain(TOOL_CONFIG, "--dev-token: the same token is given twice");
    return rc == WSRT_OK ? 0 : complain(TOOL_INTERNAL, "--dev-token: %s", wsrt_status_name(rc));
}

static int make_store(struct service *v)
{
    const char *store = v->settings->store;

    return strcmp(store, "memory") == 0
               ? 0
               : tool_store_open(&v->store, store + strlen("sqlite:"), &v->env);
}

static uint32_t runtime_flags(const struct serve_settings *s)
{
    int unlimited = s->no_rate_limit || strcmp(s->app, "echo") == 0;

    return (s->developer_errors ? WSRT_RUNTIME_DEVELOPER_ERRORS : 0U) |
           (unlimited ? WSRT_RUNTIME_NO_LIMITS : 0U) | (s->aws ? WSRT_RUNTIME_API_GATEWAY : 0U) |
           (s->require_auth ? WSRT_RUNTIME_REQUIRE_AUTH : 0U);
}

/* Clients of the applications come back without loss; API Gateway knows no such thing. */
static int knows_sessions(const struct serve_settings *s)
{
    return !s->aws && strcmp(s->app, "echo") != 0;
}

static int make_sessions(struct service *v)
{
    const wsrt_resume_options opts = {.struct_size = sizeof opts, .env = &v->env};

    if (!knows_sessions(v->settings))
        return 0;
    int rc = wsrt_resume_new(&v->sessions, &opts);
    return rc == WSRT_OK ? 0 : complain(TOOL_INTERNAL, "cannot start: %s", wsrt_status_name(rc));
}

static int add_sessions(struct service *v)
{
    int known = v->auth != NULL || v->judge != NULL;
    const wsrt_route route = {.struct_size = sizeof route,
                              .key = wsrt_span_cstr("resume"),
                              .handler = wsrt_resume_handler,
                              .access = known ? WSRT_ACCESS_SIGNED_IN : WSRT_ACCESS_ANYONE};

    return v->sessions == NULL ? WSRT_OK : wsrt_runtime_route(v->runtime, &route);
}

static int install(struct service *v)
{
    struct app_settings app = {.name = v->settings->app,
                               .coalesce_ms = v->settings->coalesce_ms,
                               .latest = v->store.opened != NULL ? &v->store.latest : NULL,
                               .signed_in = v->auth != NULL || v->judge != NULL};

    return app_install(v->runtime, &app, &v->feed);
}

static const char *environment(const struct serve_settings *s)
{
    return s->environment != NULL ? s->environment : getenv("ENVIRONMENT");
}

static int make_runtime(struct service *v)
{
    wsrt_authenticator authenticator = {0};
    wsrt_runtime_options opts = {
        .struct_size = sizeof opts,
        .flags = runtime_flags(v->settings),
        .env = &v->env,
        .breakers = v->breakers,
        .environment = wsrt_span_cstr(environment(v->settings)),
        .selection = wsrt_span_cstr(v->settings->route_expr),
    };

    opts.resume = v->sessions;
    if (v->store.opened != NULL) {
        opts.store = &v->store.connections;
        opts.history = &v->store.history;
    }
    if (v->auth != NULL) {
        wsrt_static_auth_interface(v->auth, &authenticator);
        opts.authenticator = &authenticator;
    }
    if (v->judge != NULL) {
        jwks_authenticator(v->judge, &authenticator);
        opts.authenticator = &authenticator;
    }
    int rc = wsrt_runtime_new(&v->runtime, &opts);
    if (rc == WSRT_ERR_INVALID && v->settings->route_expr != NULL)
        return serve_broken(v->options, "route-expr", "'%s' is no route selection expression",
                            v->settings->route_expr);
    if (rc == WSRT_OK)
        rc = install(v);
    if (rc == WSRT_OK)
        rc = add_sessions(v);
    return rc == WSRT_OK ? 0 : complain(TOOL_INTERNAL, "cannot start: %s", wsrt_status_name(rc));
}

/* The log line has said what is wrong with the pair, unless the server was refused for more. */
static int explain_tls(const struct serve_settings *s, int rc)
{
    if (rc == WSRT_ERR_UNSUPPORTED)
        return complain(TOOL_CONFIG, "--tls-cert: this build has no TLS");
    return complain(TOOL_CONFIG, "cannot serve with certificate %s and key %s", s->tls_cert,
                    s->tls_key);
}

static const char *option_of(const char *setting)
{
    static const char *const pairs[][2] = {{"hosts", "host"},
                                           {"origins", "allow-origin"},
                                           {"trusted_proxies", "trusted-proxy"},
                                           {"management_token", "management"},
                                           {"management_access_key", "management"},
                                           {"management_secret_key", "management"}};

    for (size_t i = 0; i < COUNT(pairs); i++)
        if (strcmp(setting, pairs[i][0]) == 0)
            return pairs[i][1];
    return setting;
}

/* What was refused is an address or a setting. */
static int explain_start(const struct service *v, int rc, int error)
{
    const struct serve_settings *s = v->settings;
    int creating = error == ENOENT || error == ENOTDIR || error == EROFS;
    const char *refused = v->live.fault;

    if (rc == WSRT_ERR_IO && creating && strncmp(refused, "unix:", 5) == 0)
        return complain(TOOL_NO_CREATE, "cannot create %s: %s", refused, strerror(error));
    if (rc == WSRT_ERR_IO && *refused != '\0')
        return complain(TOOL_UNAVAILABLE, "cannot listen on %s: %s", refused, strerror(error));
    if (rc == WSRT_ERR_INVALID && strchr(refused, ':') != NULL)
        return complain(TOOL_CONFIG, "cannot listen on %s: it is no socket for that", refused);
    if (rc == WSRT_ERR_INVALID)
        return serve_broken(v->options, option_of(refused), "the server refuses what --%s says",
                            option_of(refused));
    if (s->tls_cert != NULL && (rc == WSRT_ERR_REJECTED || rc == WSRT_ERR_UNSUPPORTED))
        return explain_tls(s, rc);
    return complain(TOOL_INTERNAL, "cannot start: %s", wsrt_status_name(rc));
}

/* A durable store makes handlers wait for the disk: they commit in groups, and no loop waits. */
static int32_t workers(const struct service *v, const struct serve_settings *s)
{
    if (s->workers != 0)
        return s->workers < 0 ? 0 : (int32_t)s->workers;
    return v->store.opened != NULL ? STORE_WORKERS : 0;
}

/* On the loop: whoever waits for it to be told waits in vain when the loop is stuck. */
static void tell_alive(void *user)
{
    struct service *v = user;
    wsrt_server_stats stats = {.struct_size = sizeof stats};
    char text[96];

    if (wsrt_server_get_stats(v->server, &stats) != WSRT_OK)
        return;
    snprintf(text, sizeof text, "WATCHDOG=1\nSTATUS=%s, %llu connections",
             stats.draining ? "draining" : "serving", (unsigned long long)stats.open);
    manager_mention(&v->manager, text);
}

static void add_secrets(wsrt_server_options *opts, const struct serve_settings *s)
{
    if (s->management_token != NULL)
        opts->management_token = wsrt_span_cstr(s->management_token);
    if (s->management_access_key != NULL)
        opts->management_access_key = wsrt_span_cstr(s->management_access_key);
    if (s->management_secret_key != NULL)
        opts->management_secret_key = wsrt_span_cstr(s->management_secret_key);
}

void service_options(struct service *v, const struct serve_settings *s, wsrt_server_options *opts)
{
    *opts = (wsrt_server_options){
        .struct_size = sizeof *opts,
        .flags = (s->aws ? WSRT_SERVER_API_GATEWAY : 0U) |
                 (s->insecure || serve_knows_callers(s) ? WSRT_SERVER_INSECURE : 0U),
        .env = &v->env,
        .listen = s->listen.items,
        .listen_count = s->listen.count,
        .hosts = s->hosts.items,
        .host_count = s->hosts.count,
        .trusted_proxies = s->proxies.items,
        .trusted_proxy_count = s->proxies.count,
        .admin = s->admin.items,
        .admin_count = s->admin.count,
        .origins = s->origins.items,
        .origin_count = s->origins.count,
        .stage = wsrt_span_cstr(s->stage),
        .app = wsrt_span_cstr(s->app),
        .tls_cert = wsrt_span_cstr(s->tls_cert),
        .tls_key = wsrt_span_cstr(s->tls_key),
        .pulse = v->manager.pulse_ms > 0 ? tell_alive : NULL,
        .pulse_user = v,
        .pulse_ms = v->manager.pulse_ms,
        .loops = (int32_t)s->loops,
        .workers = workers(v, s),
        .max_connections = s->max_connections,
        .max_per_ip = s->max_per_ip,
        .accept_rate = s->no_rate_limit ? -1 : 0,
        .idle_ms = s->idle_ms,
        .lifetime_ms = s->lifetime_ms,
        .ping_ms = s->ping_ms,
        .pong_ms = s->pong_ms,
        .drain_ms = s->drain_ms,
        .slow_reader = slow_reader(s),
        .management = serve_management(s),
        .feed = v->feed,
        .sign_in_ms = s->jwks != NULL ? SIGN_IN_MS : -1,
        .documents = &wsrt_page,
        .document_count = 1,
        .state = live_write,
        .state_user = &v->live,
    };

    add_secrets(opts, s);
}

static int make_server(struct service *v)
{
    wsrt_server_options opts;

    service_options(v, v->settings, &opts);
    errno = 0;
    int rc = wsrt_server_new(&v->server, v->runtime, &opts);
    return rc == WSRT_OK ? 0 : explain_start(v, rc, errno);
}

static int make_cloudwatch(struct service *v)
{
    const struct serve_settings *s = v->settings;

    return s->cloudwatch == NULL ? 0
                                 : cloudwatch_open(&v->cloudwatch, s->cloudwatch, s->cloudwatch_ms,
                                                   &v->env, wsrt_runtime_monitor(v->runtime));
}

/* ---- trying ---- */

struct refusal {
    char setting[64]; /* a member of wsrt_server_options */
};

static void note_setting(void *user, int level, const char *event_cstr, const wsrt_field *fields,
                         size_t count)
{
    struct refusal *r = user;

    (void)level;
    if (count > 0 && strcmp(event_cstr, "server.settings_refused") == 0)
        snprintf(r->setting, sizeof r->setting, "%.*s", (int)fields[0].text.len,
                 fields[0].text.ptr);
}

static int try_server(struct service *v, const struct refusal *r)
{
    const wsrt_span nowhere = {NULL, 0};
    wsrt_server_options opts;

    service_options(v, v->settings, &opts);
    opts.listen = &nowhere;
    opts.listen_count = opts.admin_count = opts.document_count = 0;
    opts.tls_cert = opts.tls_key = nowhere;
    opts.loops = opts.workers = 0;
    opts.pulse = NULL;
    opts.state = NULL;
    int rc = wsrt_server_new(&v->server, v->runtime, &opts);
    if (rc == WSRT_ERR_INVALID)
        return serve_broken(v->options, option_of(r->setting), "the server refuses what --%s says",
                            option_of(r->setting));
    return rc == WSRT_OK ? 0 : complain(TOOL_INTERNAL, "cannot try: %s", wsrt_status_name(rc));
}

int service_try(const struct options *o)
{
    struct service *v = calloc(1, sizeof *v);
    struct refusal r = {""};

    if (v == NULL)
        return complain(TOOL_INTERNAL, "out of memory");
    v->options = o;
    v->settings = o->settings;
    v->env = (wsrt_env){.struct_size = sizeof v->env, .user = &r, .log = note_setting};
    int status = make_breakers(v);
    if (status == 0)
        status = make_runtime(v);
    if (status == 0)
        status = try_server(v, &r);
    wsrt_server_free(v->server);
    wsrt_runtime_free(v->runtime);
    wsrt_breakers_free(v->breakers);
    free(v);
    return status;
}

/* ---- life ---- */

static int set_breakers(struct service *v)
{
    struct breakers_file file;
    int status = breakers_file_load(&file, v->settings->breakers);

    if (status == 0)
        status = breakers_file_apply(&file, v->breakers, service_now(v));
    breakers_file_free(&file);
    return status;
}

static int start(struct service *v)
{
    int status = serve_check(v->options);

    if (status == 0)
        status = make_auth(v);
    if (status == 0)
        status = make_store(v);
    if (status == 0)
        status = make_breakers(v);
    if (status == 0)
        status = make_judge(v);
    if (status == 0)
        status = make_sessions(v);
    if (status == 0)
        status = make_runtime(v);
    if (status == 0)
        status = live_start(&v->live, v->runtime, v->settings->app);
    if (status == 0)
        status = make_server(v);
    if (status == 0)
        status = make_cloudwatch(v);
    if (status == 0 && v->settings->breakers != NULL)
        status = set_breakers(v);
    v->reload = (struct reload){.again = service_again, .user = v, .manager = &v->manager};
    if (status == 0)
        status = reload_start(&v->reload);
    return status;
}

/* Where proxies are trusted, those on loopback want a listener of their own. */
static int is_managed(const struct serve_settings *s)
{
    int mode = serve_management(s);

    return mode != WSRT_MANAGEMENT_OFF &&
           (mode != WSRT_MANAGEMENT_LOOPBACK || s->admin.count > 0 || s->proxies.count == 0);
}

static int live(struct service *v)
{
    const struct serve_settings *s = v->settings;
    struct life life = {.server = v->server,
                        .app = s->app,
                        .tls = s->tls_cert != NULL,
                        .aws = s->aws,
                        .managed = is_managed(s),
                        .managed_at = s->admin.count > 0 ? s->listen.count : 0,
                        .public_count = s->listen.count,
                        .manager = &v->manager};
    int status = life_announce(&life);

    if (status != 0)
        return status;
    manager_tell(&v->manager, "READY=1\nSTATUS=serving");
    return life_run(&life);
}

int run_serve(struct options *o, char **operands)
{
    static struct service v;
    struct serve_settings *s = o->settings;

    (void)operands;
    v.options = o;
    v.settings = s;
    log_setup(&v.live.log, s->log_format, service_level(s));
    v.env = (wsrt_env){.struct_size = sizeof v.env, .user = &v.live, .log = live_log};
    signal(SIGPIPE, SIG_IGN);
    reload_block();
    (void)life_raise_descriptors();
    manager_find(&v.manager);
    int status = manager_take_sockets(&s->listen, &s->admin);
    if (status == 0)
        status = start(&v);
    if (status == 0)
        status = live(&v);
    reload_stop(&v.reload);
    cloudwatch_close(&v.cloudwatch);
    wsrt_server_free(v.server);
    live_stop(&v.live);
    wsrt_runtime_free(v.runtime);
    wsrt_resume_free(v.sessions);
    tool_store_close(&v.store);
    wsrt_static_auth_free(v.auth);
    jwks_close(v.judge);
    wsrt_breakers_free(v.breakers);
    manager_close(&v.manager);
    return status;
}
