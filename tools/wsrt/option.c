#define _GNU_SOURCE
#include "option.h"
#include "tool.h"

#include <ctype.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NAME_MAX_LEN = 64, FIRST_LONG = 256 };

/* ---- rows ---- */

size_t option_count(const struct command *command)
{
    return command->table->count + (command->more == NULL ? 0 : command->more->count);
}

const struct option_row *option_row(const struct command *command, size_t i)
{
    return i < command->table->count ? &command->table->rows[i]
                                     : &command->more->rows[i - command->table->count];
}

void *option_slot(const struct options *o, size_t i)
{
    return (char *)o->settings + option_row(o->command, i)->offset;
}

void option_variable(const struct option_row *row, char *dst, size_t cap)
{
    size_t n = (size_t)snprintf(dst, cap, "WSRT_%s", row->name);

    for (size_t i = 0; i < n && i < cap; i++)
        dst[i] = dst[i] == '-' ? '_' : (char)toupper((unsigned char)dst[i]);
}

/* ---- defaults ---- */

static int from_defaults(struct options *o)
{
    const struct option_place from = {.what = "default", .status = TOOL_INTERNAL};
    int status = 0;

    for (size_t i = 0; status == 0 && i < option_count(o->command); i++) {
        const struct option_row *row = option_row(o->command, i);
        if (row->fallback != NULL && row->kind != OPTION_LIST)
            status = option_store(o, i, row->fallback, &from);
    }
    return status;
}

static void default_lists(struct options *o)
{
    for (size_t i = 0; i < option_count(o->command); i++) {
        const struct option_row *row = option_row(o->command, i);
        struct text_list *list = option_slot(o, i);
        if (row->kind == OPTION_LIST && row->fallback != NULL && list->count == 0)
            list->items[list->count++] = wsrt_span_cstr(row->fallback);
    }
}

/* ---- environment ---- */

static int from_secret_file(struct options *o, size_t i, const char *name)
{
    char file_name[NAME_MAX_LEN + 8];
    const struct option_place from = {
        .what = file_name, .status = TOOL_CONFIG, .origin = {.source = OPTION_VARIABLE}};

    snprintf(file_name, sizeof file_name, "%s_FILE", name);
    const char *path = getenv(file_name);
    if (path == NULL)
        return 0;
    const char *text = option_read_secret(o, path);
    if (text == NULL)
        return complain(TOOL_CONFIG, "%s: cannot read '%s'", file_name, path);
    return option_store(o, i, text, &from);
}

static int from_words(struct options *o, size_t i, const char *value,
                      const struct option_place *from)
{
    char *copy = option_keep(o, strlen(value) + 1);
    char *rest = NULL;
    int status = 0;

    if (copy == NULL)
        return complain(TOOL_INTERNAL, "out of memory");
    memcpy(copy, value, strlen(value));
    for (char *word = strtok_r(copy, ",", &rest); word != NULL && status == 0;
         word = strtok_r(NULL, ",", &rest))
        status = option_store(o, i, word, from);
    return status;
}

static int from_variable(struct options *o, size_t i)
{
    const struct option_row *row = option_row(o->command, i);
    char name[NAME_MAX_LEN];
    const struct option_place from = {
        .what = name, .status = TOOL_CONFIG, .origin = {.source = OPTION_VARIABLE}};

    option_variable(row, name, sizeof name);
    const char *value = getenv(name);
    if (value == NULL)
        return row->secret ? from_secret_file(o, i, name) : 0;
    return row->kind == OPTION_LIST ? from_words(o, i, value, &from)
                                    : option_store(o, i, value, &from);
}

/* ---- arguments ---- */

/* What stood on the command line, in its order. */
struct given {
    size_t count;
    struct {
        size_t row;
        const char *value;
    } items[];
};

static int distance_within(const char *a, const char *b, int most)
{
    if (*a == '\0' && *b == '\0')
        return 1;
    if (*a == *b && *a != '\0')
        return distance_within(a + 1, b + 1, most);
    if (most == 0)
        return 0;
    return (*a != '\0' && distance_within(a + 1, b, most - 1)) ||
           (*b != '\0' && distance_within(a, b + 1, most - 1)) ||
           (*a != '\0' && *b != '\0' && distance_within(a + 1, b + 1, most - 1));
}

int is_nearly(const char *given, const char *wanted)
{
    return distance_within(given, wanted, 2);
}

static int no_flag(const struct option_row *row)
{
    char variable[NAME_MAX_LEN];

    option_variable(row, variable, sizeof variable);
    return complain(TOOL_USAGE, "unknown option --%s: set %s or %s_FILE, which not everybody sees",
                    row->name, variable, variable);
}

static int bad_option(const struct command *command, const char *given)
{
    char name[NAME_MAX_LEN] = "";

    if (optopt >= FIRST_LONG)
        return complain(TOOL_USAGE, "--%s takes no value",
                        option_row(command, (size_t)(optopt - FIRST_LONG))->name);
    if (optopt != 0)
        return complain(TOOL_USAGE, "unknown option -%c: see wsrt %s --help", optopt,
                        command->name);
    size_t len = strcspn(given, "="); /* what follows may be a secret */
    if (strncmp(given, "--", 2) == 0)
        snprintf(name, sizeof name, "%.*s", (int)len - 2, given + 2);
    for (size_t i = 0; name[0] != '\0' && i < option_count(command); i++) {
        const struct option_row *row = option_row(command, i);
        if (row->no_flag && strcmp(name, row->name) == 0)
            return no_flag(row);
        if (!row->no_flag && is_nearly(name, row->name))
            return complain(TOOL_USAGE, "unknown option --%s: did you mean --%s?", name, row->name);
    }
    return complain(TOOL_USAGE, "unknown option %.*s: see wsrt %s --help", (int)len, given,
                    command->name);
}

static void build_getopt(const struct command *command, struct option *longs, char *shorts)
{
    size_t n = 0, count = 0;

    shorts[n++] = ':';
    shorts[n++] = 'h';
    for (size_t i = 0; i < option_count(command); i++) {
        const struct option_row *row = option_row(command, i);
        if (row->no_flag)
            continue;
        int takes = row->kind == OPTION_FLAG ? no_argument : required_argument;
        longs[count++] = (struct option){row->name, takes, NULL, FIRST_LONG + (int)i};
        if (row->letter != 0)
            shorts[n++] = row->letter;
        if (row->letter != 0 && takes == required_argument)
            shorts[n++] = ':';
    }
    longs[count] = (struct option){"help", no_argument, NULL, 'h'};
    longs[count + 1] = (struct option){0};
    shorts[n] = '\0';
}

static size_t row_of(const struct command *command, int key)
{
    size_t i = 0;

    if (key >= FIRST_LONG)
        return (size_t)(key - FIRST_LONG);
    while (i < option_count(command) && option_row(command, i)->letter != key)
        i++;
    return i;
}

/* Splits the command line; values are judged later. */
static int gather(const struct command *command, int argc, char **argv, struct given *given)
{
    struct option longs[OPTION_ROWS_MAX + 2];
    char shorts[2 * OPTION_ROWS_MAX + 3];
    int key;

    build_getopt(command, longs, shorts);
    optind = 0;
    opterr = 0;
    while ((key = getopt_long(argc, argv, shorts, longs, NULL)) != -1) {
        size_t row = row_of(command, key);
        if (key == 'h') {
            options_help(command);
            return TOOL_OK;
        }
        if (key == ':')
            return complain(TOOL_USAGE, "%s needs a value", argv[optind - 1]);
        if (row == option_count(command))
            return bad_option(command, argv[optind - 1]);
        given->items[given->count].row = row;
        given->items[given->count++].value =
            option_row(command, row)->kind == OPTION_FLAG ? "1" : optarg;
    }
    return -1;
}

static int from_arguments(struct options *o, const struct given *given)
{
    int status = 0;

    for (size_t i = 0; i < given->count; i++) {
        char what[NAME_MAX_LEN];
        const struct option_place from = {
            .what = what, .status = TOOL_USAGE, .origin = {.source = OPTION_ARGUMENT}};
        snprintf(what, sizeof what, "--%s", option_row(o->command, given->items[i].row)->name);
        int fault = option_store(o, given->items[i].row, given->items[i].value, &from);
        o->faults += fault != 0;
        status = status == 0 ? fault : status;
    }
    return status;
}

/* ---- all of it ---- */

/* The file is read before what wins over it, so its path is looked for first. */
static void find_config(struct options *o, const struct given *given)
{
    for (size_t i = 0; i < option_count(o->command); i++) {
        const struct option_row *row = option_row(o->command, i);
        char name[NAME_MAX_LEN];
        if (row->kind != OPTION_CONFIG)
            continue;
        option_variable(row, name, sizeof name);
        o->config = getenv(name);
        for (size_t k = 0; k < given->count; k++)
            if (given->items[k].row == i)
                o->config = given->items[k].value;
    }
    if (o->config != NULL && o->config[0] == '\0')
        o->config = NULL; /* which is complained about where it stands */
}

static int read_values(struct options *o, const struct given *given)
{
    int status = from_defaults(o);

    if (status != 0)
        return status;
    find_config(o, given);
    if (o->config != NULL)
        status = config_read(o);
    for (size_t i = 0; i < option_count(o->command); i++) {
        int fault = from_variable(o, i);
        o->faults += fault != 0;
        status = status == 0 ? fault : status;
    }
    int fault = from_arguments(o, given);
    default_lists(o);
    return status == 0 ? fault : status;
}

static int count_operands(const struct command *command, int argc, char **argv)
{
    size_t operands = (size_t)(argc - optind);

    if (operands < command->least_operands)
        return complain(TOOL_USAGE, "%s needs %s: see wsrt %s --help", command->name,
                        command->operands, command->name);
    if (operands > command->most_operands)
        return complain(TOOL_USAGE, "%s: unexpected '%s'", command->name,
                        argv[optind + (int)command->most_operands]);
    return -1;
}

int options_read(struct options *o, const struct command *command, int argc, char **argv,
                 int *first)
{
    *o = (struct options){.command = command, .argc = argc, .argv = argv};
    struct given *given =
        (void *)option_keep(o, sizeof *given + sizeof *given->items * (size_t)argc);
    o->settings = option_keep(o, command->settings_size);
    if (given == NULL || o->settings == NULL)
        return complain(TOOL_INTERNAL, "out of memory");
    int status = gather(command, argc, argv, given);
    if (status != -1)
        return status;
    *first = optind;
    status = count_operands(command, argc, argv);
    if (status != -1)
        return status;
    status = read_values(o, given);
    return status == 0 || (command->goes_on && status == TOOL_CONFIG) ? -1 : status;
}

/* ---- help ---- */

static void help_row(const struct option_row *row)
{
    char flag[96];
    char variable[NAME_MAX_LEN];
    char letter[8] = "    ";

    if (row->letter != 0)
        snprintf(letter, sizeof letter, "-%c, ", row->letter);
    option_variable(row, variable, sizeof variable);
    snprintf(flag, sizeof flag, "%s--%s%s%s", letter, row->name, row->argument == NULL ? "" : " ",
             row->argument == NULL ? "" : row->argument);
    if (row->no_flag)
        snprintf(flag, sizeof flag, "    (no flag)");
    printf("  %-36s %s", flag, row->help);
    if (row->kind == OPTION_LIST)
        printf("; repeatable");
    if (row->live)
        printf("; again at HUP");
    if (row->fallback != NULL)
        printf(" (%s)", row->fallback);
    printf(" [%s%s]\n", variable, row->secret ? ", its file: …_FILE" : "");
}

void options_help(const struct command *command)
{
    printf("usage: wsrt %s%s%s%s\n\n%s\n\n", command->name,
           option_count(command) > 0 ? " [OPTION]..." : "", command->operands[0] != '\0' ? " " : "",
           command->operands, command->summary);
    for (size_t i = 0; i < option_count(command); i++)
        help_row(option_row(command, i));
    printf("  %-36s this text\n", "-h, --help");
}
