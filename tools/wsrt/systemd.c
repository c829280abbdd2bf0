#define _GNU_SOURCE
#include "systemd.h"

#include "tool.h"

#include <errno.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { FIRST_FD = 3, FDS_MOST = OPTION_LIST_MAX, TEXT_MAX = 16 };

/* ---- telling -------------------------------------------------------------------------------- */

static void find_socket(struct manager *m)
{
    const char *path = getenv("NOTIFY_SOCKET");
    size_t len = path == NULL ? 0 : strlen(path);

    m->fd = -1;
    if (len < 2 || len >= sizeof m->to.sun_path || (path[0] != '/' && path[0] != '@'))
        return;
    m->to = (struct sockaddr_un){.sun_family = AF_UNIX};
    memcpy(m->to.sun_path, path, len);
    if (path[0] == '@') /* of no file system */
        m->to.sun_path[0] = '\0';
    m->len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
    m->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
}

/* Four times as often as is asked for: each loop has its own beat. */
static void find_watchdog(struct manager *m)
{
    const char *usec = getenv("WATCHDOG_USEC"), *pid = getenv("WATCHDOG_PID");
    int64_t value = usec == NULL ? 0 : parse_integer(usec);

    if (m->fd < 0 || value <= 0 || (pid != NULL && parse_integer(pid) != getpid()))
        return;
    m->pulse_ms = value / 4000 < 100 ? 100 : value / 4000;
}

void manager_find(struct manager *m)
{
    *m = (struct manager){.fd = -1};
    find_socket(m);
    find_watchdog(m);
    unsetenv("NOTIFY_SOCKET");
    unsetenv("WATCHDOG_USEC");
    unsetenv("WATCHDOG_PID");
}

void manager_close(struct manager *m)
{
    if (m->fd >= 0)
        close(m->fd);
    m->fd = -1;
}

static void tell(const struct manager *m, const char *text, int flags)
{
    int saved = errno;

    if (m != NULL && m->fd >= 0)
        (void)sendto(m->fd, text, strlen(text), MSG_NOSIGNAL | flags,
                     (const struct sockaddr *)&m->to, m->len);
    errno = saved;
}

void manager_tell(const struct manager *m, const char *text)
{
    tell(m, text, 0);
}

void manager_mention(const struct manager *m, const char *text)
{
    tell(m, text, MSG_DONTWAIT);
}

void manager_tell_reloading(const struct manager *m)
{
    struct timespec now;
    char text[96];

    clock_gettime(CLOCK_MONOTONIC, &now);
    snprintf(text, sizeof text, "RELOADING=1\nMONOTONIC_USEC=%" PRId64,
             (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000);
    manager_tell(m, text);
}

/* ---- sockets -------------------------------------------------------------------------------- */

static char texts[FDS_MOST][TEXT_MAX]; /* which the lists point into */

static int add(struct text_list *list, int i)
{
    if (list->count == OPTION_LIST_MAX)
        return complain(TOOL_CONFIG, "LISTEN_FDS: more than %d sockets", OPTION_LIST_MAX);
    snprintf(texts[i], sizeof texts[i], "fd:%d", FIRST_FD + i);
    list->items[list->count++] = wsrt_span_cstr(texts[i]);
    return 0;
}

/* Names stand in their sockets' order, between colons. */
static int take(int64_t count, const char *names, struct text_list *listen, struct text_list *admin)
{
    struct text_list others = {.count = 0};
    int status = 0;

    for (int i = 0; i < count && status == 0; i++) {
        size_t len = names == NULL ? 0 : strcspn(names, ":");
        int is_admin = len == 5 && memcmp(names, "admin", 5) == 0;
        status = add(is_admin ? admin : &others, i);
        if (names != NULL)
            names = names[len] == ':' ? names + len + 1 : NULL;
    }
    if (others.count > 0)
        *listen = others;
    return status;
}

int manager_take_sockets(struct text_list *listen, struct text_list *admin)
{
    const char *pid = getenv("LISTEN_PID"), *fds = getenv("LISTEN_FDS");
    int64_t count = fds == NULL ? 0 : parse_integer(fds);
    int status = 0;

    if (pid != NULL && parse_integer(pid) == getpid() && count > 0) {
        if (count > FDS_MOST)
            return complain(TOOL_CONFIG, "LISTEN_FDS: more than %d sockets", FDS_MOST);
        status = take(count, getenv("LISTEN_FDNAMES"), listen, admin);
    }
    unsetenv("LISTEN_PID");
    unsetenv("LISTEN_FDS");
    unsetenv("LISTEN_FDNAMES");
    return status;
}
