#include "life.h"

#include "tool.h"

#include <wsrt/json.h>

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

enum { ADDRESS_MAX = 256 };

/* ---- signals ---- */

static wsrt_server *volatile signalled_server;
static const struct manager *volatile signalled_manager;
static volatile sig_atomic_t signal_count;
static volatile sig_atomic_t last_signal;

static void on_signal(int number)
{
    int saved = errno;

    last_signal = number;
    if (signal_count++ == 0) {
        manager_mention(signalled_manager, "STOPPING=1\nSTATUS=draining");
        (void)wsrt_server_drain(signalled_server, NULL);
    } else {
        wsrt_server_stop(signalled_server);
    }
    errno = saved;
}

static void catch_signals(const struct life *l)
{
    struct sigaction action = {.sa_handler = on_signal};

    signalled_server = l->server;
    signalled_manager = l->manager;
    sigemptyset(&action.sa_mask);
    sigaddset(&action.sa_mask, SIGINT);
    sigaddset(&action.sa_mask, SIGTERM);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

static void release_signals(void)
{
    signal(SIGINT, SIG_IGN);
    signal(SIGTERM, SIG_IGN);
}

int64_t life_raise_descriptors(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return 1024;
    if (limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
    return limit.rlim_cur > INT32_MAX ? INT32_MAX : (int64_t)limit.rlim_cur;
}

/* ---- the ready line ---- */

static const char *websocket_scheme(const struct life *l, const char *address)
{
    return l->tls && strncmp(address, "unix:", 5) != 0 ? "wss" : "ws";
}

static void put_url(wsrt_json_writer *w, const char *scheme, const char *address)
{
    char url[ADDRESS_MAX + 32];

    if (strncmp(address, "unix:", 5) == 0)
        snprintf(url, sizeof url, "ws+%s:/", address);
    else
        snprintf(url, sizeof url, "%s://%s%s", scheme, address, *scheme == 'w' ? "/" : "");
    wsrt_json_string_cstr(w, url);
}

static void put_urls(wsrt_json_writer *w, const struct life *l)
{
    char address[ADDRESS_MAX];
    size_t len;

    wsrt_json_array(w);
    for (size_t i = 0;
         (l->public_count == 0 || i < l->public_count) &&
         wsrt_server_address(l->server, i, address, sizeof address - 1, &len) == WSRT_OK;
         i++) {
        address[len] = '\0';
        put_url(w, websocket_scheme(l, address), address);
    }
    wsrt_json_array_end(w);
}

int life_address(const struct life *l, char *dst, size_t cap)
{
    size_t len = 0;

    if (wsrt_server_address(l->server, 0, dst, cap - 1, &len) != WSRT_OK)
        return complain(TOOL_INTERNAL, "the server has no address");
    dst[len] = '\0';
    return 0;
}

/* Where SDKs find the paths that manage; null = nowhere, or at a unix socket. */
static void put_management(wsrt_json_writer *w, const struct life *l)
{
    char address[ADDRESS_MAX];
    size_t len = 0;

    if (!l->managed ||
        wsrt_server_address(l->server, l->managed_at, address, sizeof address - 1, &len) != WSRT_OK)
        len = 0;
    address[len] = '\0';
    if (len == 0 || strncmp(address, "unix:", 5) == 0)
        wsrt_json_write_null(w);
    else
        put_url(w, l->tls ? "https" : "http", address);
}

int life_announce(const struct life *l)
{
    char text[16384];
    char address[ADDRESS_MAX];
    size_t len = 0;
    wsrt_json_writer w;

    int status = life_address(l, address, sizeof address);
    if (status != 0)
        return status;
    catch_signals(l); /* whoever reads the line may send one */
    wsrt_json_writer_init(&w, text, sizeof text, WSRT_JSON_REPLACE_UTF8);
    wsrt_json_object(&w);
    wsrt_json_key(&w, "event");
    wsrt_json_string_cstr(&w, "listening");
    wsrt_json_key(&w, "url");
    put_url(&w, websocket_scheme(l, address), address);
    wsrt_json_key(&w, "pid");
    wsrt_json_write_int64(&w, getpid());
    wsrt_json_key(&w, "http");
    if (strncmp(address, "unix:", 5) == 0)
        wsrt_json_write_null(&w);
    else
        put_url(&w, l->tls ? "https" : "http", address);
    wsrt_json_key(&w, "management");
    put_management(&w, l);
    wsrt_json_key(&w, "urls");
    put_urls(&w, l);
    wsrt_json_key(&w, "app");
    wsrt_json_string_cstr(&w, l->app);
    wsrt_json_key(&w, "aws");
    wsrt_json_write_bool(&w, l->aws);
    wsrt_json_key(&w, "version");
    wsrt_json_string_cstr(&w, wsrt_version_string());
    wsrt_json_object_end(&w);
    if (wsrt_json_finish(&w, &len) != WSRT_OK)
        return complain(TOOL_INTERNAL, "the ready line does not fit");
    printf("%s\n", text);
    return fflush(stdout) == 0 ? 0 : complain(TOOL_INTERNAL, "cannot write to stdout");
}

/* ---- the run ---- */

int life_run(const struct life *l)
{
    int rc = wsrt_server_run(l->server);
    release_signals();
    if (rc == WSRT_ERR_TIMEOUT) { /* to free the server would be to wait for that handler */
        (void)complain(TOOL_INTERNAL, "a handler still runs after the drain");
        _exit(TOOL_INTERNAL);
    }
    if (rc != WSRT_OK)
        return complain(TOOL_INTERNAL, "the server failed: %s", wsrt_status_name(rc));
    return signal_count > 1 ? 128 + last_signal : TOOL_OK;
}
