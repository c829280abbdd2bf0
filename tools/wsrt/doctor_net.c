#define _GNU_SOURCE
#include "doctor.h"
#include "rules.h"

#include <errno.h>
#include <libgen.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { ADDRESS = 300 };

/* ---- ports ---- */

/* "ADDR:PORT" or "[V6]:PORT"; NULL when there is no such address. */
static struct addrinfo *resolve(const char *listen)
{
    const struct addrinfo hints = {.ai_flags = AI_PASSIVE | AI_NUMERICSERV,
                                   .ai_family = AF_UNSPEC,
                                   .ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    char host[ADDRESS];

    snprintf(host, sizeof host, "%s", *listen == '[' ? listen + 1 : listen);
    char *colon = strrchr(host, ':');
    if (colon == NULL)
        return NULL;
    *colon = '\0';
    if (*listen == '[' && colon > host)
        colon[-1] = '\0';
    return getaddrinfo(host, colon + 1, &hints, &found) == 0 ? found : NULL;
}

/* 0, or what bind(2) says. */
static int try_bind(const struct sockaddr *to, socklen_t len)
{
    int one = 1, fd = socket(to->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return errno;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    int rc = bind(fd, to, len) == 0 && listen(fd, 1) == 0 ? 0 : errno;
    close(fd);
    return rc;
}

static void tell_port(struct doctor *d, const char *listen, int error)
{
    const char *port = strrchr(listen, ':') + 1;

    if (error == 0) {
        findings_add(&d->report, FINDING_OK, "port", "%s is free", listen);
        return;
    }
    findings_add(&d->report, FINDING_FAIL, "port", "cannot listen on %s: %s", listen,
                 strerror(error));
    if (error == EADDRINUSE)
        findings_try(&d->report, "ss -ltnp 'sport = :%s', which tells who does", port);
    else if (error == EACCES)
        findings_try(&d->report, "setcap cap_net_bind_service=+ep /usr/bin/wsrt, or wsrt.socket");
    else
        findings_try(&d->report, "ip address, which lists this machine's");
}

static void check_tcp(struct doctor *d, const char *listen)
{
    struct addrinfo *found = resolve(listen);
    int error = EADDRNOTAVAIL;

    if (found != NULL) {
        error = try_bind(found->ai_addr, found->ai_addrlen);
        freeaddrinfo(found);
    }
    tell_port(d, listen, error);
}

/* A socket that is there is left alone, for it may be another server's: its folder alone is asked. */
static int try_socket(const char *path)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    struct stat at;

    if (strlen(path) >= sizeof to.sun_path)
        return ENAMETOOLONG;
    memcpy(to.sun_path, path, strlen(path) + 1);
    if (stat(path, &at) != 0) {
        int error = try_bind((struct sockaddr *)&to, sizeof to);
        if (error == 0)
            unlink(path);
        return error;
    }
    if (!S_ISSOCK(at.st_mode))
        return EEXIST;
    return access(dirname(to.sun_path), W_OK | X_OK) == 0 ? 0 : errno;
}

static void check_unix(struct doctor *d, const char *listen)
{
    const char *path = listen + strlen("unix:");
    int error = try_socket(path);

    if (error == 0) {
        findings_add(&d->report, FINDING_OK, "port", "%s can be made", listen);
        return;
    }
    findings_add(&d->report, FINDING_FAIL, "port", "cannot make %s: %s", listen, strerror(error));
    findings_try(&d->report, "mkdir -p \"$(dirname '%s')\", as the server's user", path);
}

static void check_list(struct doctor *d, const struct text_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        if (strncmp(list->items[i].ptr, "unix:", 5) == 0)
            check_unix(d, list->items[i].ptr);
        else
            check_tcp(d, list->items[i].ptr);
}

void doctor_ports(struct doctor *d)
{
    check_list(d, &d->settings->listen);
    check_list(d, &d->settings->admin);
}

/* ---- origins ---- */

static void check_origin(struct doctor *d, const char *origin)
{
    const char *host = strstr(origin, "://");
    size_t len = host == NULL ? 0 : strcspn(host + 3, "/?#");

    if (strcmp(origin, "*") == 0) {
        findings_add(&d->report, FINDING_WARN, "origin",
                     "every page may connect, as whoever looks at it");
        findings_try(&d->report, "--allow-origin https://THE.PAGES.HOST");
    } else if (host != NULL && host[3 + len] != '\0') {
        findings_add(&d->report, FINDING_FAIL, "origin", "'%s' has a path, so no browser sends it",
                     origin);
        findings_try(&d->report, "--allow-origin %.*s", (int)(host + 3 + len - origin), origin);
    } else if (strncmp(origin, "http://", 7) == 0 && d->settings->tls_cert != NULL) {
        findings_add(&d->report, FINDING_WARN, "origin",
                     "%s is no secure page: whoever is on its way may speak for it", origin);
        findings_try(&d->report, "--allow-origin https://%s", origin + 7);
    } else {
        findings_add(&d->report, FINDING_OK, "origin", "%s", origin);
    }
}

void doctor_origins(struct doctor *d)
{
    const struct text_list *origins = &d->settings->origins;

    if (origins->count == 0)
        findings_add(&d->report, FINDING_OK, "origin", "the server's own pages alone");
    for (size_t i = 0; i < origins->count; i++)
        check_origin(d, origins->items[i].ptr);
}

/* ---- the service manager ---- */

static int is_heard(const char *path)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    size_t len = strlen(path);

    if (len < 2 || len >= sizeof to.sun_path)
        return 0;
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return 0;
    memcpy(to.sun_path, path, len);
    if (path[0] == '@')
        to.sun_path[0] = '\0';
    int rc = connect(fd, (struct sockaddr *)&to,
                     (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len));
    close(fd);
    return rc == 0;
}

static void check_watchdog(struct doctor *d)
{
    const char *usec = getenv("WATCHDOG_USEC");

    if (usec == NULL || parse_integer(usec) >= 1000000)
        return;
    findings_add(&d->report, FINDING_WARN, "systemd",
                 "WATCHDOG_USEC=%s: a handler that waits a second would end the server", usec);
    findings_try(&d->report, "WatchdogSec=30 in the unit");
}

static void check_sockets(struct doctor *d)
{
    const char *fds = getenv("LISTEN_FDS"), *pid = getenv("LISTEN_PID");

    if (fds == NULL && pid == NULL)
        return;
    int is_whole = fds != NULL && pid != NULL && parse_integer(fds) > 0 && parse_integer(pid) > 0;
    findings_add(&d->report, is_whole ? FINDING_OK : FINDING_FAIL, "systemd",
                 "LISTEN_FDS=%s for process LISTEN_PID=%s", fds == NULL ? "" : fds,
                 pid == NULL ? "" : pid);
    if (!is_whole)
        findings_try(&d->report, "unset LISTEN_FDS LISTEN_PID, or start by wsrt.socket");
}

void doctor_manager(struct doctor *d)
{
    const char *notify = getenv("NOTIFY_SOCKET");

    if (notify == NULL)
        findings_add(&d->report, FINDING_OK, "systemd", "no service manager waits for READY");
    else if (is_heard(notify))
        findings_add(&d->report, FINDING_OK, "systemd", "NOTIFY_SOCKET=%s is heard", notify);
    else {
        findings_add(&d->report, FINDING_FAIL, "systemd",
                     "NOTIFY_SOCKET=%s: nobody listens, and the unit would time out", notify);
        findings_try(&d->report, "unset NOTIFY_SOCKET, or NotifyAccess=main in the unit");
    }
    check_watchdog(d);
    check_sockets(d);
}
