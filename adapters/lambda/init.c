#include "lambda/init.h"

#include "lambda/event.h"
#include "lambda/log.h"

#include "common/support.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MAX_EVENT = 6291556, MESSAGE_SIZE = 513, EXIT_CONFIG = 78, LIMITED_KEYS = 8192 };

int wsrt_lambda_options_load(wsrt_lambda_options *out, const wsrt_lambda_options *given)
{
    const size_t first = sizeof(wsrt_lambda_options);
    int rc = wsrt_adapter_options(out, sizeof *out, first, given);

    if (rc != WSRT_OK)
        return rc;
    if (out->kind < WSRT_LAMBDA_ANY || out->kind > WSRT_LAMBDA_DISCONNECT || out->metrics_fd < -1)
        return WSRT_ERR_INVALID;
    if ((out->flags & ~(uint32_t)WSRT_LAMBDA_EXTENSION) != 0)
        return WSRT_ERR_UNSUPPORTED;
    if (out->endpoint.len == 0)
        out->endpoint = wsrt_span_cstr(getenv("AWS_LAMBDA_RUNTIME_API"));
    if (out->max_event == 0)
        out->max_event = MAX_EVENT;
    if (out->metrics_fd == 0)
        out->metrics_fd = 1;
    if (out->breakers_cstr == NULL)
        out->breakers_cstr = getenv("WSRT_BREAKERS");
    return WSRT_OK;
}

/* ---- a start that fails ------------------------------------------------------------------- */

/* A setting that is missing or wrong; anything else may be better at the next try. */
static int is_configuration(int status)
{
    switch (status) {
    case WSRT_ERR_INVALID:
    case WSRT_ERR_NOT_FOUND:
    case WSRT_ERR_IO:
    case WSRT_ERR_MALFORMED:
    case WSRT_ERR_REJECTED:
    case WSRT_ERR_TOO_LARGE:
    case WSRT_ERR_UNSUPPORTED:
        return 1;
    default:
        return 0;
    }
}

int wsrt_lambda_init_post(wsrt_lambda_client *c, int status, const char *message)
{
    const char *type = is_configuration(status) ? "Wsrt.Configuration" : "Wsrt.InitError";
    char json[6 * MESSAGE_SIZE + 128];
    wsrt_lambda_request request = {.method = "POST",
                                   .path = "/2018-06-01/runtime/init/error",
                                   .header_name = "Lambda-Runtime-Function-Error-Type",
                                   .header_value = type};
    wsrt_lambda_answer answer;
    size_t len;
    int rc = wsrt_lambda_error_write(json, sizeof json, type, message, &len);

    if (rc != WSRT_OK)
        return rc;
    request.body = (wsrt_span){json, len};
    rc = wsrt_lambda_exchange(c, &request, &answer);
    if (rc == WSRT_OK && (answer.status < 200 || answer.status > 299))
        rc = WSRT_ERR_UNAVAILABLE;
    return rc;
}

int wsrt_lambda_init_error(const wsrt_lambda_options *opts, int status, const char *message_cstr)
{
    wsrt_lambda_options o;
    wsrt_lambda_client client;

    if (status >= 0 || message_cstr == NULL || strlen(message_cstr) >= MESSAGE_SIZE)
        return WSRT_ERR_INVALID;
    int rc = wsrt_lambda_options_load(&o, opts);
    if (rc == WSRT_OK)
        rc = wsrt_lambda_client_init(&client, o.endpoint, &o.allocator);
    if (rc != WSRT_OK)
        return rc;
    client.max_body = o.max_event;
    rc = wsrt_lambda_init_post(&client, status, message_cstr);
    wsrt_lambda_client_free(&client);
    return rc == WSRT_OK || rc == WSRT_ERR_NOMEM ? rc : WSRT_ERR_UNAVAILABLE;
}

/* ---- a whole main ------------------------------------------------------------------------- */

/* What the environment of a whole main knows; the log reads the level through its address. */
typedef struct host {
    int level;
    int statm; /* kept open: it is read after each event */
} host;

/* The second number of statm is the resident pages. */
static int64_t resident(void *user)
{
    const host *h = user;
    char text[96], *rest;
    ssize_t n = pread(h->statm, text, sizeof text - 1, 0);

    if (n <= 0)
        return -1;
    text[n] = '\0';
    strtoll(text, &rest, 10);
    return strtoll(rest, NULL, 10) * sysconf(_SC_PAGESIZE);
}

static void on_term(int number)
{
    (void)number;
    wsrt_lambda_stop();
}

static void catch_signals(void)
{
    const struct sigaction term = {.sa_handler = on_term}, pipe = {.sa_handler = SIG_IGN};

    sigaction(SIGTERM, &term, NULL);
    sigaction(SIGPIPE, &pipe, NULL);
}

static int is_on(const char *name)
{
    const char *value = getenv(name);

    return value != NULL && strcmp(value, "1") == 0;
}

/* Lists the variables that are not there, or empty; 1 when there are any. */
static int find_missing(const char *names, char *dst, size_t cap)
{
    size_t len = (size_t)snprintf(dst, cap, "missing environment variables:");
    const size_t before = len;

    while (names != NULL && *names != '\0') {
        size_t n = strcspn(names, " ");
        char name[128];
        snprintf(name, sizeof name, "%.*s", (int)n, names);
        const char *value = getenv(name);
        if (n > 0 && (value == NULL || *value == '\0') && len + n + 2 < cap)
            len += (size_t)snprintf(dst + len, cap - len, "%s %s", len == before ? "" : ",", name);
        names += n;
        names += *names == ' ';
    }
    return len > before;
}

static int fail(const wsrt_lambda_options *opts, const wsrt_env *env, int status,
                const char *message)
{
    const wsrt_field field = {
        .name_cstr = "reason", .kind = WSRT_FIELD_TEXT, .text = wsrt_span_cstr(message)};

    env->log(env->user, WSRT_LEVEL_ERROR, "lambda_init_failed", &field, 1);
    (void)wsrt_lambda_init_error(opts, status, message);
    return is_configuration(status) ? EXIT_CONFIG : EXIT_FAILURE;
}

static int serve(wsrt_runtime *rt, const wsrt_lambda_options *opts, const wsrt_env *env)
{
    int rc = wsrt_lambda_run(rt, opts);
    const wsrt_field field = {.name_cstr = "reason",
                              .kind = WSRT_FIELD_TEXT,
                              .text = wsrt_span_cstr(wsrt_status_name(rc))};

    if (rc == WSRT_OK)
        return EXIT_SUCCESS;
    env->log(env->user, WSRT_LEVEL_ERROR, "lambda_ended", &field, 1);
    return is_configuration(rc) ? EXIT_CONFIG : EXIT_FAILURE;
}

/* An instance serves one event after the other: it never sees as many clients in a few seconds as the
 * default has room for, 1.4 MB. */
static wsrt_limiter *small_limiter(void)
{
    wsrt_limiter_options o = {.struct_size = sizeof o, .max_keys = LIMITED_KEYS};
    wsrt_env env = {.struct_size = sizeof env};
    wsrt_limiter *limiter = NULL;

    if (wsrt_env_default(&env) == WSRT_OK &&
        env.random(env.user, &o.hash_key, sizeof o.hash_key) == WSRT_OK)
        (void)wsrt_limiter_new(&limiter, &o);
    return limiter; /* NULL: the runtime makes its own, or says why not */
}

/* One operation at a time: what the process grew by meanwhile is its own, whoever allocated it. To
 * look takes two system calls an operation, so nobody does where no metrics go out. */
static wsrt_monitor *resident_monitor(const wsrt_env *env, wsrt_span environment, int metrics_fd)
{
    const wsrt_monitor_options o = {.struct_size = sizeof o,
                                    .flags = metrics_fd >= 0 ? WSRT_MONITOR_RESIDENT_DELTA : 0,
                                    .env = env,
                                    .environment = environment,
                                    .redact = wsrt_redact};
    wsrt_monitor *monitor = NULL;

    (void)wsrt_monitor_new(&monitor, &o);
    return monitor; /* NULL: as above */
}

int wsrt_lambda_main(const wsrt_lambda_options *opts, wsrt_lambda_make_fn make, void *user)
{
    host h = {wsrt_lambda_log_level(getenv("WSRT_LOG_LEVEL")), -1};
    const wsrt_env env = {
        .struct_size = sizeof env, .user = &h, .log = wsrt_lambda_log, .resident = resident};
    wsrt_runtime_options parts = {.struct_size = sizeof parts,
                                  .env = &env,
                                  .environment = wsrt_span_cstr(getenv("ENVIRONMENT"))};
    char message[MESSAGE_SIZE];
    wsrt_lambda_options o;
    wsrt_runtime *rt = NULL;

    int rc = make == NULL ? WSRT_ERR_INVALID : wsrt_lambda_options_load(&o, opts);
    if (rc != WSRT_OK)
        return fail(NULL, &env, rc, "the options of wsrt_lambda_main() are wrong");
    catch_signals();
    h.statm = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
    if (o.endpoint.len == 0)
        (void)find_missing("AWS_LAMBDA_RUNTIME_API", message, sizeof message);
    if (o.endpoint.len == 0 || find_missing(o.required_cstr, message, sizeof message))
        return fail(opts, &env, WSRT_ERR_NOT_FOUND, message);
    if (is_on("WSRT_DEVELOPER_ERRORS"))
        parts.flags |= WSRT_RUNTIME_DEVELOPER_ERRORS;
    if (is_on("WSRT_REQUIRE_AUTH"))
        parts.flags |= WSRT_RUNTIME_REQUIRE_AUTH;
    wsrt_limiter *limiter = small_limiter();
    wsrt_monitor *monitor = resident_monitor(&env, parts.environment, o.metrics_fd);
    parts.limiter = limiter;
    parts.monitor = monitor;
    rc = make(&rt, &parts, user);
    if (rc < 0) {
        snprintf(message, sizeof message, "the function cannot start: %s", wsrt_status_name(rc));
        rc = fail(opts, &env, rc, message);
    } else {
        rc = serve(rt, opts, &env);
    }
    wsrt_runtime_free(rt);
    wsrt_limiter_free(limiter);
    wsrt_monitor_free(monitor);
    close(h.statm);
    return rc;
}
