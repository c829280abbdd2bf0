#define _GNU_SOURCE
#include "option.h"
#include "tool.h"

#include <ctype.h>
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROWS_MAX = 64, NAME_MAX_LEN = 64, SECRET_MAX = 16384, FIRST_LONG = 256 };

/* Where a value came from decides how a bad one is called and which status it costs. */
struct origin {
    const char *what; /* "--listen" or "WSRT_LISTEN" */
    int status;
};

/* ---- values ---- */

struct unit {
    const char *name;
    int64_t factor;
};

static int64_t parse_with_units(const char *text, const struct unit *units, size_t count)
{
    int64_t value = 0;
    const char *p = text;

    if (!isdigit((unsigned char)*p))
        return -1;
    for (; isdigit((unsigned char)*p); p++) {
        if (value > (INT64_MAX - (*p - '0')) / 10)
            return -1;
        value = value * 10 + (*p - '0');
    }
    for (size_t i = 0; i < count; i++)
        if (strcmp(p, units[i].name) == 0)
            return value > INT64_MAX / units[i].factor ? -1 : value * units[i].factor;
    return -1;
}

int64_t parse_duration(const char *text)
{
    static const struct unit units[] = {{"", 1000},   {"ms", 1},      {"s", 1000},
                                        {"m", 60000}, {"h", 3600000}, {"d", 86400000}};

    return parse_with_units(text, units, sizeof units / sizeof *units);
}

int64_t parse_size(const char *text)
{
    static const struct unit units[] = {
        {"", 1}, {"B", 1}, {"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}};

    return parse_with_units(text, units, sizeof units / sizeof *units);
}

int64_t parse_integer(const char *text)
{
    static const struct unit plain = {"", 1};

    return parse_with_units(text, &plain, 1);
}

static int parse_flag(const char *text, int32_t *out)
{
    static const char *const yes[] = {"1", "true", "yes", "on"};
    static const char *const no[] = {"", "0", "false", "no", "off"};

    for (size_t i = 0; i < sizeof yes / sizeof *yes; i++)
        if (strcasecmp(text, yes[i]) == 0)
            return *out = 1, 0;
    for (size_t i = 0; i < sizeof no / sizeof *no; i++)
        if (strcasecmp(text, no[i]) == 0)
            return *out = 0, 0;
    return -1;
}

static int is_choice(const char *choices, const char *value)
{
    size_t len = strlen(value);

    for (const char *p = choices; p != NULL && len > 0; p = strchr(p, '|')) {
        p += *p == '|';
        if (strncmp(p, value, len) == 0 && (p[len] == '|' || p[len] == '\0'))
            return 1;
    }
    return 0;
}

static int store_number(const struct option_row *row, int64_t value, void *slot,
                        const struct origin *from, const char *text)
{
    static const char *const expected[] = {
        [OPTION_INTEGER] = "a whole number",
        [OPTION_DURATION] = "a duration such as 500ms, 10s or 1h",
        [OPTION_SIZE] = "a size such as 64 or 64KiB",
    };

    if (value < 0)
        return complain(from->status, "%s: '%s' is not %s", from->what, text, expected[row->kind]);
    if (value < row->least || (row->most > 0 && value > row->most))
        return complain(from->status, "%s: '%s' is out of range", from->what, text);
    if (value == 0 && row->zero_is_off)
        value = -1;
    memcpy(slot, &value, sizeof value);
    return 0;
}

static int add_to_list(struct text_list *list, const char *text, const struct origin *from)
{
    if (list->count == OPTION_LIST_MAX)
        return complain(from->status, "%s: more than %d values", from->what, OPTION_LIST_MAX);
    list->items[list->count++] = wsrt_span_cstr(text);
    return 0;
}

/* Stores one value; `text` outlives the settings. */
static int store(const struct option_row *row, void *settings, const char *text,
                 const struct origin *from)
{
    void *slot = (char *)settings + row->offset;
    const char *wrong = row->check == NULL ? NULL : row->check(text);

    if (wrong != NULL)
        return complain(from->status, "%s: '%s' %s", from->what, row->secret ? "…" : text, wrong);
    switch (row->kind) {
    case OPTION_FLAG:
        if (parse_flag(text, slot) != 0)
            return complain(from->status, "%s: '%s' is neither true nor false", from->what, text);
        return 0;
    case OPTION_INTEGER:
        return store_number(row, parse_integer(text), slot, from, text);
    case OPTION_DURATION:
        return store_number(row, parse_duration(text), slot, from, text);
    case OPTION_SIZE:
        return store_number(row, parse_size(text), slot, from, text);
    case OPTION_LIST:
        return add_to_list(slot, text, from);
    case OPTION_CHOICE:
        if (!is_choice(row->argument, text))
            return complain(from->status, "%s: '%s' is not one of %s", from->what, text,
                            row->argument);
        break;
    case OPTION_TEXT:
        break;
    }
    memcpy(slot, &text, sizeof text);
    return 0;
}

/* ---- environment ---- */

static void env_name(const struct option_row *row, char *dst, size_t cap)
{
    size_t n = (size_t)snprintf(dst, cap, "WSRT_%s", row->name);

    for (size_t i = 0; i < n && i < cap; i++)
        dst[i] = dst[i] == '-' ? '_' : (char)toupper((unsigned char)dst[i]);
}

/* Zeroed memory that lives as long as the process: settings point into it. */
static char *keep(size_t size)
{
    static struct kept {
        struct kept *next;
        char text[];
    } * all;
    struct kept *one = calloc(1, sizeof *one + size);

    if (one == NULL)
        return NULL;
    one->next = all;
    all = one;
    return one->text;
}

/* The first line of a file, NULL when it cannot be read. */
static char *read_secret(const char *path)
{
    char *text = keep(SECRET_MAX);
    FILE *file = fopen(path, "re");

    if (file == NULL || text == NULL || fread(text, 1, SECRET_MAX - 1, file) == 0)
        text = NULL;
    else
        text[strcspn(text, "\r\n")] = '\0';
    if (file != NULL)
        fclose(file);
    return text;
}

static int from_secret_file(const struct option_row *row, void *settings, const char *name)
{
    char file_name[NAME_MAX_LEN + 8];
    struct origin from = {.what = file_name, .status = TOOL_CONFIG};

    snprintf(file_name, sizeof file_name, "%s_FILE", name);
    const char *path = getenv(file_name);
    if (path == NULL)
        return 0;
    char *text = read_secret(path);
    if (text == NULL)
        return complain(TOOL_CONFIG, "%s: cannot read '%s'", file_name, path);
    return store(row, settings, text, &from);
}

static int from_variable(const struct option_row *row, void *settings)
{
    char name[NAME_MAX_LEN];
    struct origin from = {.what = name, .status = TOOL_CONFIG};
    int status = 0;

    env_name(row, name, sizeof name);
    const char *value = getenv(name);
    if (value == NULL)
        return row->secret ? from_secret_file(row, settings, name) : 0;
    if (row->kind != OPTION_LIST)
        return store(row, settings, value, &from);
    char *copy = keep(strlen(value) + 1);
    if (copy == NULL)
        return complain(TOOL_INTERNAL, "out of memory");
    memcpy(copy, value, strlen(value));
    char *rest = NULL;
    for (char *word = strtok_r(copy, ",", &rest); word != NULL && status == 0;
         word = strtok_r(NULL, ",", &rest))
        status = store(row, settings, word, &from);
    return status;
}

static int from_defaults(const struct command *command, void *settings)
{
    const struct origin from = {.what = "default", .status = TOOL_INTERNAL};

    for (size_t i = 0; i < command->row_count; i++) {
        const struct option_row *row = &command->rows[i];
        if (row->fallback == NULL || row->kind == OPTION_LIST)
            continue;
        int status = store(row, settings, row->fallback, &from);
        if (status != 0)
            return status;
    }
    return 0;
}

static void default_lists(const struct command *command, void *settings)
{
    for (size_t i = 0; i < command->row_count; i++) {
        const struct option_row *row = &command->rows[i];
        struct text_list *list = (void *)((char *)settings + row->offset);
        if (row->kind == OPTION_LIST && row->fallback != NULL && list->count == 0)
            list->items[list->count++] = wsrt_span_cstr(row->fallback);
    }
}

/* ---- arguments ---- */

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

static int bad_option(const struct command *command, const char *given)
{
    char name[NAME_MAX_LEN] = "";

    if (optopt >= FIRST_LONG)
        return complain(TOOL_USAGE, "--%s takes no value", command->rows[optopt - FIRST_LONG].name);
    if (optopt != 0)
        return complain(TOOL_USAGE, "unknown option -%c: see wsrt %s --help", optopt,
                        command->name);
    if (strncmp(given, "--", 2) == 0)
        snprintf(name, sizeof name, "%.*s", (int)strcspn(given + 2, "="), given + 2);
    for (size_t i = 0; name[0] != '\0' && i < command->row_count; i++)
        if (!command->rows[i].no_flag && is_nearly(name, command->rows[i].name))
            return complain(TOOL_USAGE, "unknown option --%s: did you mean --%s?", name,
                            command->rows[i].name);
    return complain(TOOL_USAGE, "unknown option %s: see wsrt %s --help", given, command->name);
}

static void build_getopt(const struct command *command, struct option *longs, char *shorts)
{
    size_t n = 0, count = 0;

    shorts[n++] = ':';
    shorts[n++] = 'h';
    for (size_t i = 0; i < command->row_count; i++) {
        const struct option_row *row = &command->rows[i];
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

static const struct option_row *row_of(const struct command *command, int key)
{
    if (key >= FIRST_LONG)
        return &command->rows[key - FIRST_LONG];
    for (size_t i = 0; i < command->row_count; i++)
        if (command->rows[i].letter == key)
            return &command->rows[i];
    return NULL;
}

static int take_argument(const struct option_row *row, void *settings, const char *value, int again)
{
    char what[NAME_MAX_LEN];
    struct origin from = {.what = what, .status = TOOL_USAGE};
    struct text_list *list = (void *)((char *)settings + row->offset);

    snprintf(what, sizeof what, "--%s", row->name);
    if (row->kind == OPTION_LIST && !again)
        list->count = 0; /* arguments replace what the environment said */
    return store(row, settings, row->kind == OPTION_FLAG ? "1" : value, &from);
}

static int from_arguments(const struct command *command, void *settings, int argc, char **argv)
{
    struct option longs[ROWS_MAX + 2];
    char shorts[2 * ROWS_MAX + 3];
    char seen[ROWS_MAX] = {0};
    int key;

    build_getopt(command, longs, shorts);
    optind = 0;
    opterr = 0;
    while ((key = getopt_long(argc, argv, shorts, longs, NULL)) != -1) {
        const struct option_row *row = row_of(command, key);
        if (key == 'h') {
            options_help(command);
            return TOOL_OK;
        }
        if (key == ':')
            return complain(TOOL_USAGE, "%s needs a value", argv[optind - 1]);
        if (row == NULL)
            return bad_option(command, argv[optind - 1]);
        int status = take_argument(row, settings, optarg, seen[row - command->rows]);
        if (status != 0)
            return status;
        seen[row - command->rows] = 1;
    }
    return -1;
}

int options_read(const struct command *command, void *settings, int argc, char **argv, int *first)
{
    int status = from_defaults(command, settings);

    for (size_t i = 0; status == 0 && i < command->row_count; i++)
        status = from_variable(&command->rows[i], settings);
    if (status != 0)
        return status;
    status = from_arguments(command, settings, argc, argv);
    if (status != -1)
        return status;
    default_lists(command, settings);
    *first = optind;
    size_t operands = (size_t)(argc - optind);
    if (operands < command->least_operands)
        return complain(TOOL_USAGE, "%s needs %s: see wsrt %s --help", command->name,
                        command->operands, command->name);
    if (operands > command->most_operands)
        return complain(TOOL_USAGE, "%s: unexpected '%s'", command->name,
                        argv[optind + (int)command->most_operands]);
    return -1;
}

/* ---- help ---- */

static void help_row(const struct option_row *row)
{
    char flag[96];
    char variable[NAME_MAX_LEN];
    char letter[8] = "    ";

    if (row->letter != 0)
        snprintf(letter, sizeof letter, "-%c, ", row->letter);
    env_name(row, variable, sizeof variable);
    snprintf(flag, sizeof flag, "%s--%s%s%s", letter, row->name, row->argument == NULL ? "" : " ",
             row->argument == NULL ? "" : row->argument);
    if (row->no_flag)
        snprintf(flag, sizeof flag, "    (no flag)");
    printf("  %-36s %s", flag, row->help);
    if (row->kind == OPTION_LIST)
        printf("; repeatable");
    if (row->fallback != NULL)
        printf(" (%s)", row->fallback);
    printf(" [%s%s]\n", variable, row->secret ? ", its file: …_FILE" : "");
}

void options_help(const struct command *command)
{
    printf("usage: wsrt %s%s%s%s\n\n%s\n\n", command->name,
           command->row_count > 0 ? " [OPTION]..." : "", command->operands[0] != '\0' ? " " : "",
           command->operands, command->summary);
    for (size_t i = 0; i < command->row_count; i++)
        help_row(&command->rows[i]);
    printf("  %-36s this text\n", "-h, --help");
}
