/* The one file of the core that talks to the operating system. */
#include "base/env.h"

#include "base/options.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#ifdef CLOCK_BOOTTIME
#define STEADY_CLOCK CLOCK_BOOTTIME /* advances while a sandbox is frozen */
#else
#define STEADY_CLOCK CLOCK_MONOTONIC
#endif

static int64_t clock_ns(clockid_t which)
{
    struct timespec t;

    if (clock_gettime(which, &t) != 0)
        return -1;
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static int64_t default_now(void *user)
{
    (void)user;
    return clock_ns(STEADY_CLOCK);
}

static int64_t default_wall(void *user)
{
    (void)user;
    return clock_ns(CLOCK_REALTIME) / 1000000;
}

static int64_t default_cpu(void *user)
{
    (void)user;
    return clock_ns(CLOCK_THREAD_CPUTIME_ID);
}

/* The second number of statm: resident pages. */
static int64_t resident_pages(const char *text, ssize_t len)
{
    int64_t pages = 0;
    ssize_t i = 0;

    while (i < len && text[i] != ' ')
        i++;
    for (i++; i < len && text[i] >= '0' && text[i] <= '9'; i++)
        pages = pages * 10 + (text[i] - '0');
    return pages;
}

static int64_t default_resident(void *user)
{
    char text[96];
    int fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);

    (void)user;
    if (fd < 0)
        return -1;
    ssize_t len = read(fd, text, sizeof text);
    close(fd);
    return len <= 0 ? -1 : resident_pages(text, len) * sysconf(_SC_PAGESIZE);
}

static int default_random(void *user, void *dst, size_t len)
{
    unsigned char *p = dst;

    (void)user;
    while (len > 0) {
        ssize_t n = getrandom(p, len, 0);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return WSRT_ERR_IO;
        p += n;
        len -= (size_t)n;
    }
    return WSRT_OK;
}

static void default_log(void *user, int level, const char *event_cstr, const wsrt_field *fields,
                        size_t count)
{
    (void)user;
    (void)level;
    (void)event_cstr;
    (void)fields;
    (void)count;
}

static void fill_gaps(wsrt_env *env)
{
    if (env->now == NULL)
        env->now = default_now;
    if (env->wall == NULL)
        env->wall = default_wall;
    if (env->cpu == NULL)
        env->cpu = default_cpu;
    if (env->resident == NULL)
        env->resident = default_resident;
    if (env->random == NULL)
        env->random = default_random;
    if (env->log == NULL)
        env->log = default_log;
}

int wsrt_env_load(wsrt_env *out, const wsrt_env *given)
{
    int rc = wsrt_options_load(out, sizeof *out, sizeof(wsrt_env), given);

    if (rc != WSRT_OK)
        return rc;
    if (out->flags != 0)
        return WSRT_ERR_UNSUPPORTED;
    fill_gaps(out);
    return WSRT_OK;
}

int wsrt_env_default(wsrt_env *out)
{
    wsrt_env env;

    wsrt_env_load(&env, NULL);
    return wsrt_report_fill(out, sizeof env, sizeof(wsrt_env), &env);
}
