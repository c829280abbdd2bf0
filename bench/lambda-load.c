/* A Runtime API for one function process, with a stopwatch: lambda-load COUNT EVENT PROGRAM [ARG...]
 *
 * Starts the program and prints one line of JSON, in nanoseconds and bytes: from the start to the first
 * request for work (cold), from an event to its result and to the next request (medians: result,
 * cycle), and the resident size after a tenth of the events and after all. With COUNT 0 the program is
 * only started and waited for: cold is its whole life. */
#define _GNU_SOURCE
#include "bench.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

enum { BUFFER = 65536 };

static char buf[BUFFER + 1];
static size_t have;

static int64_t clock_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void die(const char *what)
{
    fprintf(stderr, "lambda-load: %s\n", what);
    exit(1);
}

/* Bytes of the first request in the buffer; 0 = not whole yet. Looks at the starts of lines only: what
 * this takes is in every measurement. */
static size_t request_size(void)
{
    static const char length[] = "content-length:";
    size_t body = 0;

    buf[have] = '\0';
    for (const char *line = buf; (line = strchr(line, '\n')) != NULL;) {
        line++;
        if ((*line | 0x20) == 'c' && strncasecmp(line, length, sizeof length - 1) == 0)
            body = strtoul(line + sizeof length - 1, NULL, 10);
        if (*line == '\r') {
            size_t size = (size_t)(line - buf) + 2 + body;
            return size <= have ? size : 0;
        }
    }
    return 0;
}

static void take_request(int fd, const char *method)
{
    size_t size;

    while ((size = request_size()) == 0) {
        ssize_t n = recv(fd, buf + have, BUFFER - have, 0);
        if (n <= 0)
            die("the program hung up");
        have += (size_t)n;
    }
    if (strncmp(buf, method, strlen(method)) != 0)
        die("an unexpected request");
    have -= size;
    memmove(buf, buf + size, have);
}

static int64_t resident(pid_t pid)
{
    char path[64];
    long pages = 0;

    snprintf(path, sizeof path, "/proc/%d/statm", (int)pid);
    FILE *f = fopen(path, "r");
    if (f == NULL || fscanf(f, "%*d %ld", &pages) != 1)
        die("no statm");
    fclose(f);
    return (int64_t)pages * sysconf(_SC_PAGESIZE);
}

static pid_t start(char **argv)
{
    posix_spawn_file_actions_t files;
    pid_t pid;

    posix_spawn_file_actions_init(&files);
    posix_spawn_file_actions_addopen(&files, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
    if (posix_spawnp(&pid, argv[0], &files, NULL, argv, environ) != 0)
        die("cannot start the program");
    posix_spawn_file_actions_destroy(&files);
    return pid;
}

static int listen_here(void)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof at;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    char endpoint[32];

    if (bind(fd, (struct sockaddr *)&at, len) != 0 || listen(fd, 4) != 0)
        die("cannot listen");
    getsockname(fd, (struct sockaddr *)&at, &len);
    snprintf(endpoint, sizeof endpoint, "127.0.0.1:%d", ntohs(at.sin_port));
    setenv("AWS_LAMBDA_RUNTIME_API", endpoint, 1);
    return fd;
}

/* Writes a number over each run of #. */
static void number_event(char *event, const char *pattern, size_t number)
{
    for (const char *at = strchr(pattern, '#'); at != NULL; at = strchr(at, '#')) {
        size_t len = strspn(at, "#"), rest = number;
        char *digits = event + (at - pattern);
        for (size_t i = len; i > 0; i--, rest /= 10)
            digits[i - 1] = (char)('0' + rest % 10);
        at += len;
    }
}

static double median(double *values, size_t n)
{
    qsort(values, n, sizeof *values, bench_compare);
    return values[n / 2];
}

int main(int argc, char **argv)
{
    static const char accepted[] = "HTTP/1.1 202 Accepted\r\nContent-Type: application/json\r\n"
                                   "Content-Length: 16\r\n\r\n{\"status\":\"OK\"}\n";
    size_t count = argc > 3 ? strtoul(argv[1], NULL, 10) : 0, len;
    double *result = calloc(count + 1, sizeof *result), *cycle = calloc(count + 1, sizeof *cycle);
    int64_t early = 0;
    char event[8192], pattern[sizeof event];
    int on = 1;

    if (argc < 4 || result == NULL || cycle == NULL)
        die("COUNT EVENT PROGRAM [ARG...]");
    len = (size_t)snprintf(event, sizeof event,
                           "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
                           "Lambda-Runtime-Aws-Request-Id: 8476a536-e9f4-11e8-9739-2dfe598c3fcd\r\n"
                           "Lambda-Runtime-Deadline-Ms: 4102444800000\r\n"
                           "Lambda-Runtime-Trace-Id: Root=1-6920a1b2-0123456789abcdef01234567\r\n"
                           "Content-Length: %zu\r\n\r\n%s",
                           strlen(argv[2]), argv[2]);
    memcpy(pattern, event, sizeof event);
    int listener = listen_here();
    int64_t began = clock_ns();
    pid_t pid = start(argv + 3);
    if (count == 0) {
        waitpid(pid, NULL, 0);
        printf("{\"cold\":%lld}\n", (long long)(clock_ns() - began));
        return 0;
    }
    int fd = accept(listener, NULL, NULL);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    take_request(fd, "GET ");
    int64_t cold = clock_ns() - began;
    for (size_t i = 0; i < count; i++) {
        number_event(event, pattern, i);
        int64_t t0 = clock_ns();
        if (send(fd, event, len, MSG_NOSIGNAL) != (ssize_t)len)
            die("cannot send");
        take_request(fd, "POST ");
        result[i] = (double)(clock_ns() - t0);
        if (send(fd, accepted, sizeof accepted - 1, MSG_NOSIGNAL) < 0)
            die("cannot send");
        take_request(fd, "GET ");
        cycle[i] = (double)(clock_ns() - t0);
        if (i == count / 10)
            early = resident(pid);
    }
    int64_t late = resident(pid);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    printf("{\"cold\":%lld,\"result\":%.0f,\"cycle\":%.0f,\"early\":%lld,\"late\":%lld}\n",
           (long long)cold, median(result, count), median(cycle, count), (long long)early,
           (long long)late);
    return 0;
}
