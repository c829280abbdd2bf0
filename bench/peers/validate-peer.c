#include "validate-peer.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MOST_GROUPS = 32 };

struct message {
    char *text;
    size_t len;
};

struct group {
    char name[32];
    struct message *messages;
    size_t count;
};

static struct group groups[MOST_GROUPS];
static size_t group_count;
extern volatile size_t peer_kept;
volatile size_t peer_kept; /* so that no work is left out */

static void die(const char *why)
{
    fprintf(stderr, "%s: %s\n", peer_name, why);
    exit(1);
}

static void read_message(FILE *f, struct message *m)
{
    if (fscanf(f, "%zu", &m->len) != 1 || fgetc(f) != '\n')
        die("bad file of messages");
    m->text = calloc(1, m->len + PEER_PADDING);
    if (m->text == NULL || fread(m->text, 1, m->len, f) != m->len)
        die("short file of messages");
}

static void read_groups(const char *path)
{
    FILE *f = fopen(path, "rb");
    struct group g;

    while (f != NULL && group_count < MOST_GROUPS &&
           fscanf(f, " group %31s %zu", g.name, &g.count) == 2) {
        g.messages = calloc(g.count, sizeof *g.messages);
        for (size_t i = 0; i < g.count; i++)
            read_message(f, &g.messages[i]);
        groups[group_count++] = g;
    }
    if (group_count == 0)
        die("no messages");
    fclose(f);
}

static const struct group *find_group(const char *name)
{
    for (size_t i = 0; i < group_count; i++)
        if (strcmp(groups[i].name, name) == 0)
            return &groups[i];
    die("unknown group");
    return NULL;
}

static void check(const struct group *g)
{
    for (size_t i = 0; i < g->count; i++) {
        struct peer_fields fields = {{0}, {0}};
        size_t bytes = 0;
        int ok = peer_judge(g->messages[i].text, g->messages[i].len, PEER_DECODED, &fields);
        for (int k = 0; k < PEER_FIELDS; k++)
            bytes += fields.len[k];
        if (ok)
            printf("1:%zu ", bytes);
        else
            printf("0 ");
    }
    putchar('\n');
}

static int64_t cpu_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static int64_t run(const struct group *g, int loops, int form)
{
    struct peer_fields fields = {{0}, {0}};
    size_t sink = 0;
    int64_t start = cpu_ns();

    for (int n = 0; n < loops; n++)
        for (size_t i = 0; i < g->count; i++) {
            sink += (size_t)peer_judge(g->messages[i].text, g->messages[i].len, form, &fields);
            sink += fields.len[PEER_MESSAGE];
        }
    start = cpu_ns() - start;
    peer_kept = sink;
    return start;
}

static void obey(const char *line)
{
    char name[32];
    int loops, form;

    if (sscanf(line, "check %31s", name) == 1)
        check(find_group(name));
    else if (sscanf(line, "run %31s %d %d", name, &loops, &form) == 3 && form < PEER_FORMS)
        printf("%lld\n", (long long)run(find_group(name), loops, form));
    else
        die("unknown command");
    fflush(stdout);
}

int main(int argc, char **argv)
{
    char line[128];

    if (argc != 2)
        die("give the file of messages");
    read_groups(argv[1]);
    peer_start();
    printf("ready %s %s\n", peer_name, peer_version());
    fflush(stdout);
    while (fgets(line, sizeof line, stdin) != NULL)
        obey(line);
    return 0;
}
