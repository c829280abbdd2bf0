#include "commands.h"
#include "tool.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/tls/tls.h"

#include <wsrt/json.h>

static void print_json(const char *tls)
{
    char text[512];
    const char *word = WSRT_TOOL_FEATURES;
    wsrt_json_writer w;

    wsrt_json_writer_init(&w, text, sizeof text, 0);
    wsrt_json_object(&w);
    wsrt_json_key(&w, "version");
    wsrt_json_string_cstr(&w, wsrt_version_string());
    wsrt_json_key(&w, "abi");
    wsrt_json_write_int64(&w, WSRT_TOOL_ABI);
    wsrt_json_key(&w, "features");
    wsrt_json_array(&w);
    while (*word != '\0') {
        size_t len = strcspn(word, " ");
        wsrt_json_string(&w, (wsrt_span){word, len});
        word += len + (word[len] == ' ');
    }
    wsrt_json_array_end(&w);
    wsrt_json_key(&w, "mbedtls");
    if (tls == NULL)
        wsrt_json_write_null(&w);
    else
        wsrt_json_string_cstr(&w, tls);
    wsrt_json_object_end(&w);
    if (wsrt_json_finish(&w, NULL) == WSRT_OK)
        puts(text);
}

int run_version(struct options *o, char **operands)
{
    const struct version_settings *s = o->settings;
    const char *tls = wsrt_tls_version();

    (void)operands;
    if (strcmp(s->format, "json") == 0)
        print_json(tls);
    else
        printf("wsrt %s (ABI %d, features: %s%s%s)\n", wsrt_version_string(), WSRT_TOOL_ABI,
               WSRT_TOOL_FEATURES, tls == NULL ? "" : ", mbedTLS ", tls == NULL ? "" : tls);
    return TOOL_OK;
}

static void help(FILE *out)
{
    fputs("usage: wsrt COMMAND [OPTION]...\n\n", out);
    for (size_t i = 0; i < wsrt_command_count; i++)
        fprintf(out, "  %-10s %s\n", wsrt_commands[i].name, wsrt_commands[i].summary);
    fputs("\nwsrt COMMAND --help shows its options. An option --foo-bar may also be set by the\n"
          "environment variable WSRT_FOO_BAR; a flag wins. serve takes them from a file too: "
          "--config.\n",
          out);
}

static int run(const struct command *command, int argc, char **argv)
{
    struct options o;
    int first = argc;
    int status = options_read(&o, command, argc, argv, &first);

    if (status == -1)
        status = command->run(&o, argv + first);
    options_free(&o);
    return status;
}

/* A write that failed before leaves nothing to flush: it is in the error alone. */
static int finish(int status)
{
    if ((fflush(stdout) != 0 || ferror(stdout)) && status == TOOL_OK)
        return complain(TOOL_INTERNAL, "cannot write to stdout");
    return status;
}

/* The number of one that is not open would be the next socket's, which then gets what is printed. What
 * takes its place fails as it would: there is nothing to read, and nothing can be written. */
static int fill_standard_descriptors(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        if (fcntl(fd, F_GETFD) < 0 && errno == EBADF &&
            open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY) != fd)
            return -1;
    return 0;
}

int main(int argc, char **argv)
{
    if (fill_standard_descriptors() != 0)
        return TOOL_INTERNAL;
    if (argc < 2) {
        help(stderr);
        return TOOL_USAGE;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 ||
        strcmp(argv[1], "help") == 0) {
        help(stdout);
        return finish(TOOL_OK);
    }
    const char *word = strcmp(argv[1], "--version") == 0 ? "version" : argv[1];
    for (size_t i = 0; i < wsrt_command_count; i++)
        if (strcmp(word, wsrt_commands[i].name) == 0)
            return finish(run(&wsrt_commands[i], argc - 1, argv + 1));
    return complain(TOOL_USAGE, "unknown command '%s': see wsrt --help", argv[1]);
}
