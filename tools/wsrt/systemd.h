/* What a service manager is told, and the sockets it hands over: sd_notify(3), sd_listen_fds(3). Without
 * one, nothing of this does anything. */
#ifndef WSRT_TOOL_SYSTEMD_H
#define WSRT_TOOL_SYSTEMD_H

#include "option.h"

#include <sys/socket.h>
#include <sys/un.h>

struct manager {
    int fd; /* -1 = nobody wants to know */
    struct sockaddr_un to;
    socklen_t len;
    int64_t pulse_ms; /* how often to say that we live; 0 = never */
};

/* Reads NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID, and takes them out of the environment. */
void manager_find(struct manager *m);
void manager_close(struct manager *m);

/* Sends "NAME=VALUE" lines; NULL is nobody. Async-signal-safe. Where a loop may not wait for a
 * manager that has too much to read, it is not told. */
void manager_tell(const struct manager *m, const char *text);
void manager_mention(const struct manager *m, const char *text);
void manager_tell_reloading(const struct manager *m);

/* Sockets of LISTEN_FDS for this process, as "fd:N": those named "admin" for `admin`, the others for
 * `listen`, in whose place they stand. The variables are taken out of the environment. */
int manager_take_sockets(struct text_list *listen, struct text_list *admin);

#endif
