#define _GNU_SOURCE
#include "host_facts.h"

#include <inttypes.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/timex.h>
#include <time.h>

enum { BACKLOG = 1024, FEW_DESCRIPTORS = 4096, NO_DESCRIPTORS = 64 };

static const int64_t release = 1767225600; /* 2026-01-01: no clock of this release is earlier */

static int64_t read_number(const char *path)
{
    FILE *file = fopen(path, "re");
    int64_t value = -1;

    if (file == NULL)
        return -1;
    if (fscanf(file, "%" SCNd64, &value) != 1)
        value = -1;
    fclose(file);
    return value;
}

void host_facts_read(struct host_facts *h)
{
    struct timex clock = {.modes = 0};
    struct rlimit limit;

    h->descriptors = getrlimit(RLIMIT_NOFILE, &limit) != 0 ? -1
                     : limit.rlim_max > INT32_MAX          ? INT32_MAX
                                                           : (int64_t)limit.rlim_max;
    h->file_max = read_number("/proc/sys/fs/file-max");
    h->somaxconn = read_number("/proc/sys/net/core/somaxconn");
    h->syn_backlog = read_number("/proc/sys/net/ipv4/tcp_max_syn_backlog");
    h->wall = (int64_t)time(NULL);
    int state = adjtimex(&clock);
    h->synchronised = state < 0 ? -1 : state != TIME_ERROR;
}

static void judge_descriptors(const struct host_facts *h, struct findings *r)
{
    static const char check[] = "descriptors";
    int64_t room = h->descriptors * 9 / 10;

    if (h->descriptors < 0)
        return;
    enum finding_level level = FINDING_OK;
    if (h->descriptors < FEW_DESCRIPTORS)
        level = FINDING_WARN;
    if (h->descriptors < NO_DESCRIPTORS || h->wanted > room)
        level = FINDING_FAIL;
    if (h->wanted > room)
        findings_add(r, level, check,
                     "%" PRId64 " allow %" PRId64
                     " connections, --max-connections asks for %" PRId64,
                     h->descriptors, room, h->wanted);
    else
        findings_add(r, level, check, "%" PRId64 " allow %" PRId64 " connections", h->descriptors,
                     room);
    if (level != FINDING_OK)
        findings_try(r, "ulimit -Hn 1048576, or LimitNOFILE=1048576 in the unit");
    if (h->file_max >= 0 && h->file_max < h->wanted) {
        findings_add(r, FINDING_FAIL, check, "all processes share %" PRId64, h->file_max);
        findings_try(r, "sysctl -w fs.file-max=%" PRId64, 2 * h->wanted);
    }
}

static void judge_backlog(struct findings *r, const char *name, int64_t value)
{
    if (value < 0)
        return;
    findings_add(r, value < BACKLOG ? FINDING_WARN : FINDING_OK, "kernel", "%s is %" PRId64 "%s",
                 name, value,
                 value < BACKLOG ? ": connects that come at once are dropped, and wait a second"
                                 : "");
    if (value < BACKLOG)
        findings_try(r, "sysctl -w %s=4096", name);
}

static void judge_clock(const struct host_facts *h, struct findings *r)
{
    static const char check[] = "clock", remedy[] = "timedatectl set-ntp true";
    time_t wall = (time_t)h->wall;
    char text[32] = "";
    struct tm utc;

    if (gmtime_r(&wall, &utc) != NULL)
        strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &utc);
    if (h->wall < release)
        findings_add(r, FINDING_FAIL, check,
                     "it is not %s: tokens and certificates would be judged wrongly", text);
    else if (h->synchronised == 0)
        findings_add(r, FINDING_WARN, check, "%s, and nothing sets it", text);
    else
        findings_add(r, FINDING_OK, check, "%s", text);
    if (h->wall < release || h->synchronised == 0)
        findings_try(r, "%s", remedy);
}

void host_facts_judge(const struct host_facts *h, struct findings *r)
{
    judge_descriptors(h, r);
    judge_backlog(r, "net.core.somaxconn", h->somaxconn);
    judge_backlog(r, "net.ipv4.tcp_max_syn_backlog", h->syn_backlog);
    judge_clock(h, r);
}
