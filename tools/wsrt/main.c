#include "commands.h"
#include "jwks.h"
#include "tool.h"

#include <stdio.h>
#include <string.h>

#include <wsrt/base.h>

int run_version(struct options *o, char **operands)
{
    const struct version_settings *s = o->settings;

    (void)operands;
    if (strcmp(s->format, "json") == 0)
        printf("{\"version\":\"%s\",\"abi\":%d,\"features\":[\"server\"%s]}\n",
               wsrt_version_string(), WSRT_TOOL_ABI, jwks_built_in() ? ",\"jwt\"" : "");
    else
        printf("wsrt %s (ABI %d, features: server%s)\n", wsrt_version_string(), WSRT_TOOL_ABI,
               jwks_built_in() ? " jwt" : "");
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
    if (fflush(stdout) != 0 && status == TOOL_OK)
        return complain(TOOL_INTERNAL, "cannot write to stdout");
    return status;
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        help(stderr);
        return TOOL_USAGE;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 ||
        strcmp(argv[1], "help") == 0) {
        help(stdout);
        return TOOL_OK;
    }
    const char *word = strcmp(argv[1], "--version") == 0 ? "version" : argv[1];
    for (size_t i = 0; i < wsrt_command_count; i++)
        if (strcmp(word, wsrt_commands[i].name) == 0)
            return run(&wsrt_commands[i], argc - 1, argv + 1);
    return complain(TOOL_USAGE, "unknown command '%s': see wsrt --help", argv[1]);
}
