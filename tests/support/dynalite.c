#include "dynalite.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct {
    FILE *to, *from;
    char url[64];
} process;

static const char *variable(const char *name)
{
    const char *value = getenv(name);

    if (value == NULL) {
        fprintf(stderr, "dynalite: %s is not set\n", name);
        exit(1);
    }
    return value;
}

static void start(void)
{
    const char *node = variable("WSRT_NODE"), *program = variable("WSRT_DYNALITE");
    int in[2], out[2];
    int port = 0;

    if (pipe(in) != 0 || pipe(out) != 0)
        abort();
    pid_t pid = fork();
    if (pid == 0) {
        dup2(in[0], STDIN_FILENO);
        dup2(out[1], STDOUT_FILENO);
        for (int i = 0; i < 2; i++) {
            close(in[i]);
            close(out[i]);
        }
        execl(node, node, program, (char *)NULL);
        _exit(127);
    }
    close(in[0]);
    close(out[1]);
    process.to = fdopen(in[1], "w");
    process.from = fdopen(out[0], "r");
    if (pid < 0 || process.to == NULL || process.from == NULL ||
        fscanf(process.from, "%d", &port) != 1) {
        fprintf(stderr, "dynalite does not start; `scripts/deps test` installs it\n");
        exit(1);
    }
    snprintf(process.url, sizeof process.url, "http://127.0.0.1:%d", port);
}

const char *dynalite_url(void)
{
    if (process.to == NULL)
        start();
    return process.url;
}

void dynalite_make(struct dynalite_tables *tables)
{
    static unsigned made;
    char prefix[32], word[16] = "";

    (void)dynalite_url();
    snprintf(prefix, sizeof prefix, "t%d.%u", (int)getpid(), made++);
    fprintf(process.to, "tables %s\n", prefix);
    fflush(process.to);
    ck_assert_int_eq(fscanf(process.from, "%15s", word), 1);
    ck_assert_str_eq(word, "made");
    snprintf(tables->connections_a, sizeof tables->connections_a, "%s-a", prefix);
    snprintf(tables->connections_b, sizeof tables->connections_b, "%s-b", prefix);
    snprintf(tables->messages, sizeof tables->messages, "%s-messages", prefix);
}
