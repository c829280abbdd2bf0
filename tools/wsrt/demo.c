#define _GNU_SOURCE
#include "commands.h"
#include "downstream.h"
#include "entities.h"
#include "fleet.h"
#include "life.h"
#include "live.h"
#include "page.h"
#include "tool.h"

#include "chat.h"
#include "dashboard.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Handlers wait for the sample service, several at once: so it would be seen if two probes went out. */
enum { SPARE_DESCRIPTORS = 64, PORT_MAX = 8, WORKERS = 8 };

/* So that a minute is enough to see it all: ten failures open it, four seconds later a probe goes. */
static const char breaker_settings[] =
    "{\"failureThreshold\":10,\"minimumRequestCount\":10,\"minFailureRate\":0.2,"
    "\"monitoringWindow\":2000,\"recoveryTimeout\":4000,\"backoffFactor\":1.5,"
    "\"maxRecoveryTimeout\":10000,\"expectedResponseTime\":25,\"slowPolicy\":\"rate\","
    "\"slowRate\":0.3}";

struct demo {
    const struct demo_settings *settings;
    struct live live;
    wsrt_env env;
    struct downstream downstream;
    struct fleet fleet;
    struct entities entities;
    wsrt_runtime *runtime;
    wsrt_feed *feed;          /* NULL = the application has none */
    wsrt_server_action lever; /* lives as long as the server */
    wsrt_server *server;
    size_t clients;
    int64_t end; /* monotonic ns; 0 = never */
};

/* ---- the application ---- */

/* Anybody who says who he is: a demonstration has no secrets. */
static int believe(void *self, const wsrt_span *token, int64_t wall, wsrt_auth_result *out)
{
    wsrt_principal who = {.struct_size = sizeof who};

    (void)self;
    (void)wall;
    if (token == NULL || token->len == 0 || token->len > 64) {
        *out = (wsrt_auth_result){.struct_size = out->struct_size,
                                  .reason = token == NULL || token->len == 0
                                                ? WSRT_AUTH_MISSING_TOKEN
                                                : WSRT_AUTH_INVALID_TOKEN};
        return WSRT_ERR_UNAUTHENTICATED;
    }
    who.user_id = who.username = *token;
    return wsrt_auth_result_set(out, &who);
}

static const wsrt_authenticator_ops believer = {.struct_size = sizeof believer,
                                                .authenticate = believe};

static int ask_downstream(wsrt_context *ctx, void *downstream)
{
    (void)ctx;
    return downstream_call(downstream);
}

static int respond(wsrt_context *ctx, wsrt_span message, chat_answer *to, void *user)
{
    struct demo *d = user;

    (void)message;
    int rc = wsrt_call(ctx, d->downstream.service_cstr, d->downstream.operation_cstr,
                       ask_downstream, NULL, &d->downstream);
    return rc < 0 ? rc : chat_say(to, wsrt_span_cstr("Noted, and thank you."));
}

static int is_board(const struct demo *d)
{
    return strcmp(d->settings->app, "dashboard") == 0;
}

static int install(struct demo *d)
{
    const chat_options chat = {.responder = respond, .user = d};
    const dashboard_options board = {.signed_in = 1};

    return is_board(d) ? dashboard_add_routes(d->runtime, &board, &d->feed)
                       : chat_add_routes(d->runtime, &chat);
}

static int set_breaker(const struct demo *d)
{
    char text[sizeof breaker_settings + 64];

    snprintf(text, sizeof text, "{\"services\":{\"%s\":%s}}", d->downstream.service_cstr,
             breaker_settings);
    return wsrt_breakers_configure(wsrt_runtime_breakers(d->runtime), wsrt_span_cstr(text), 0,
                                   clock_ns(), NULL);
}

/* Limits that the sample service reaches when it is slow. */
static int watch_closely(wsrt_runtime *rt)
{
    const wsrt_threshold duration = {.struct_size = sizeof duration,
                                     .watched = WSRT_WATCH_DURATION,
                                     .critical = 100000000,
                                     .warning = 60000000};

    return wsrt_monitor_threshold(wsrt_runtime_monitor(rt), WSRT_OP_CHAT_MESSAGE, &duration);
}

static int make_runtime(struct demo *d)
{
    wsrt_authenticator authenticator = {&believer, NULL};
    wsrt_runtime_options opts = {
        .struct_size = sizeof opts, .env = &d->env, .authenticator = &authenticator};
    int rc = wsrt_runtime_new(&d->runtime, &opts);

    d->downstream.breakers = rc == WSRT_OK ? wsrt_runtime_breakers(d->runtime) : NULL;
    d->downstream.env = rc == WSRT_OK ? wsrt_runtime_env(d->runtime) : NULL;
    if (rc == WSRT_OK)
        rc = install(d);
    if (rc == WSRT_OK)
        rc = set_breaker(d);
    if (rc == WSRT_OK)
        rc = watch_closely(d->runtime);
    return rc == WSRT_OK ? 0 : complain(TOOL_INTERNAL, "cannot start: %s", wsrt_status_name(rc));
}

/* ---- the server ---- */

static void describe(wsrt_json_writer *w, void *user)
{
    struct demo *d = user;

    wsrt_json_key(w, "demo");
    wsrt_json_object(w);
    wsrt_json_key(w, "token");
    wsrt_json_string_cstr(w, "visitor");
    wsrt_json_key(w, "downstream");
    downstream_write(&d->downstream, w);
    wsrt_json_key(w, "fleet");
    fleet_write(&d->fleet, w);
    wsrt_json_object_end(w);
}

static int explain(const struct demo *d, int rc, int error)
{
    const char *listen = d->settings->listen;

    if (rc == WSRT_ERR_IO)
        return complain(TOOL_UNAVAILABLE, "cannot listen on %s: %s", listen, strerror(error));
    if (rc == WSRT_ERR_INVALID)
        return complain(TOOL_CONFIG, "a demonstration stays on this machine: %s is not loopback",
                        listen);
    return complain(TOOL_INTERNAL, "cannot start: %s", wsrt_status_name(rc));
}

static int make_server(struct demo *d)
{
    const wsrt_span listen = wsrt_span_cstr(d->settings->listen);
    wsrt_server_options opts = {.struct_size = sizeof opts,
                                .env = &d->env,
                                .listen = &listen,
                                .listen_count = 1,
                                .app = wsrt_span_cstr(d->settings->app),
                                .accept_rate = -1,
                                .workers = WORKERS,
                                .feed = d->feed,
                                .documents = &wsrt_page,
                                .document_count = 1,
                                .actions = &d->lever,
                                .action_count = 1,
                                .state = live_write,
                                .state_user = &d->live};

    d->lever = (wsrt_server_action){.struct_size = sizeof d->lever,
                                    .path = wsrt_span_cstr("/api/demo/downstream"),
                                    .run = downstream_command,
                                    .user = &d->downstream};
    errno = 0;
    int rc = wsrt_server_new(&d->server, d->runtime, &opts);
    return rc == WSRT_OK ? 0 : explain(d, rc, errno);
}

/* ---- what is said ---- */

static void suggest(const struct demo *d, const char *address)
{
    const struct fleet_rates *r = &d->fleet.rates;

    fprintf(
        stderr,
        "%zu clients arrive at %.0f a second and send about %.0f messages a second; now and then\n"
        "one is invalid, or a client hurries. The limits are the usual ones: 10 messages a second\n"
        "of a connection, 20 of a user.\n\n"
        "  1  open http://%s/ and press \"Make it fail\"; then \"Recover\"\n"
        "  2  wsrt connect ws://%s/ --send '{\"type\":\"ping\",\"data\":{\"action\":\"now\"}}'\n"
        "  3  curl --data '{\"mode\":\"slow\"}' http://%s/api/demo/downstream\n\n",
        d->clients, r->opens, r->talks + r->pings, address, address, address);
}

/* The browser is nobody's business if there is none. */
static void open_browser(const char *address)
{
    char url[300], name[] = "xdg-open";
    char *argv[] = {name, url, NULL};
    posix_spawn_file_actions_t quiet;
    pid_t pid;

    snprintf(url, sizeof url, "http://%s/", address);
    posix_spawn_file_actions_init(&quiet);
    posix_spawn_file_actions_addopen(&quiet, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
    posix_spawn_file_actions_addopen(&quiet, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
    if (posix_spawnp(&pid, name, &quiet, NULL, argv, environ) != 0)
        fprintf(stderr, "wsrt: no xdg-open here: open %s yourself\n", url);
    posix_spawn_file_actions_destroy(&quiet);
}

/* ---- life ---- */

/* Each client has two descriptors here: its own and the server's. */
static void choose_clients(struct demo *d)
{
    int64_t most = (life_raise_descriptors() * 9 / 10 - SPARE_DESCRIPTORS) / 2;

    d->clients = (size_t)d->settings->clients;
    if (most < 1)
        most = 1;
    if (d->settings->clients <= most)
        return;
    d->clients = (size_t)most;
    fprintf(stderr,
            "wsrt: %zu clients instead of %lld: that is what the limit of descriptors allows "
            "(ulimit -n)\n",
            d->clients, (long long)d->settings->clients);
}

static void beat(void *user, int64_t now)
{
    struct demo *d = user;

    if (d->feed != NULL)
        entities_beat(&d->entities, now);
    if (d->end != 0 && now >= d->end) {
        d->end = 0;
        (void)wsrt_server_drain(d->server, NULL);
    }
}

static int start_fleet(struct demo *d, const char *address)
{
    char url[300];
    struct fleet_settings settings = {.count = d->clients,
                                      .seed = (uint64_t)d->settings->seed,
                                      .subscribes = d->feed != NULL,
                                      .beat = beat,
                                      .user = d};

    snprintf(url, sizeof url, "ws://%s/", address);
    int status = url_parse(&settings.url, url);
    if (status == 0 && d->settings->duration_ms > 0)
        d->end = clock_ns() + d->settings->duration_ms * 1000000;
    d->entities = (struct entities){.feed = d->feed,
                                    .breakers = wsrt_runtime_breakers(d->runtime),
                                    .downstream = &d->downstream,
                                    .dice = (uint64_t)d->settings->seed};
    return status != 0 ? status : fleet_start(&d->fleet, &settings);
}

static int start(struct demo *d)
{
    int status = make_runtime(d);

    if (status == 0)
        status = live_start(&d->live, d->runtime, d->settings->app);
    if (status == 0)
        status = make_server(d);
    return status;
}

static int run(struct demo *d)
{
    const struct life life = {.server = d->server, .app = d->settings->app, .managed = 1};
    char address[256];
    int status = life_address(&life, address, sizeof address);

    if (status == 0)
        status = life_announce(&life);
    if (status == 0)
        status = start_fleet(d, address);
    if (status != 0)
        return status;
    suggest(d, address);
    if (d->settings->open)
        open_browser(address);
    return life_run(&life);
}

int run_demo(struct options *o, char **operands)
{
    static struct demo d;

    (void)operands;
    d.settings = o->settings;
    d.downstream.service_cstr = is_board(&d) ? "telemetry" : "assistant";
    d.downstream.operation_cstr = is_board(&d) ? "read" : "reply";
    d.live.more = describe;
    d.live.more_user = &d;
    log_setup(&d.live.log, "auto", d.settings->verbose ? "info" : "error");
    d.env = (wsrt_env){.struct_size = sizeof d.env, .user = &d.live, .log = live_log};
    signal(SIGPIPE, SIG_IGN);
    choose_clients(&d);
    int status = start(&d);
    if (status == 0)
        status = run(&d);
    fleet_stop(&d.fleet);
    wsrt_server_free(d.server);
    live_stop(&d.live);
    wsrt_runtime_free(d.runtime);
    return status;
}
