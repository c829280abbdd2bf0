/* Single values of options: what they mean and where they go. */
#define _GNU_SOURCE
#include "option.h"
#include "tool.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SECRET_MAX = 16384 };

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
    size_t len = strlen(value), n = 0;

    for (const char *p = choices; len > 0; p += n + 1) {
        n = strcspn(p, "|");
        if (n == len && memcmp(p, value, len) == 0)
            return 1;
        if (p[n] == '\0')
            return 0;
    }
    return 0;
}

/* ---- storing ---- */

/* A bound as one would write it: the largest unit that leaves a whole number. */
static void write_bound(char dst[32], enum option_kind kind, int64_t value)
{
    static const struct unit times[] = {
        {"d", 86400000}, {"h", 3600000}, {"m", 60000}, {"s", 1000}, {"ms", 1}};
    static const struct unit sizes[] = {{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}};
    const struct unit *units = kind == OPTION_DURATION ? times : sizes;
    size_t count = kind == OPTION_DURATION ? sizeof times / sizeof *times
                   : kind == OPTION_SIZE   ? sizeof sizes / sizeof *sizes
                                           : 0;

    for (size_t i = 0; i < count; i++)
        if (value > 0 && value % units[i].factor == 0) {
            snprintf(dst, 32, "%lld%s", (long long)(value / units[i].factor), units[i].name);
            return;
        }
    snprintf(dst, 32, "%lld", (long long)value);
}

static int out_of_range(const struct option_row *row, const char *text,
                        const struct option_place *from)
{
    char least[32], most[32];

    write_bound(least, row->kind, row->least);
    write_bound(most, row->kind, row->most);
    if (row->most == 0)
        return complain(from->status, "%s: '%s' is less than %s", from->what, text, least);
    return complain(from->status, "%s: '%s' is not from %s to %s", from->what, text, least, most);
}

static int store_number(const struct option_row *row, const char *text, void *slot,
                        const struct option_place *from)
{
    static const struct {
        const char *expected;
        int64_t (*parse)(const char *text);
    } kinds[] = {
        [OPTION_INTEGER] = {"a whole number", parse_integer},
        [OPTION_DURATION] = {"a duration such as 500ms, 10s or 1h", parse_duration},
        [OPTION_SIZE] = {"a size such as 64 or 64KiB", parse_size},
    };
    int64_t value = kinds[row->kind].parse(text);

    if (value < 0)
        return complain(from->status, "%s: '%s' is not %s", from->what, text,
                        kinds[row->kind].expected);
    if (value < row->least || (row->most > 0 && value > row->most))
        return out_of_range(row, text, from);
    if (value == 0 && row->zero_is_off)
        value = -1;
    memcpy(slot, &value, sizeof value);
    return 0;
}

static int add_to_list(struct text_list *list, const char *text, const struct option_place *from)
{
    if (list->count == OPTION_LIST_MAX)
        return complain(from->status, "%s: more than %d values", from->what, OPTION_LIST_MAX);
    list->items[list->count++] = wsrt_span_cstr(text);
    return 0;
}

static void note_origin(struct options *o, size_t i, const struct option_place *from)
{
    struct text_list *list = option_slot(o, i);

    if (option_row(o->command, i)->kind == OPTION_LIST && o->from[i].source != from->origin.source)
        list->count = 0;
    o->from[i] = from->origin;
}

void option_store_nothing(struct options *o, size_t i, const struct option_place *from)
{
    note_origin(o, i, from);
}

int option_store(struct options *o, size_t i, const char *text, const struct option_place *from)
{
    const struct option_row *row = option_row(o->command, i);
    void *slot = option_slot(o, i);
    const char *wrong = row->check == NULL ? NULL : row->check(text);

    note_origin(o, i, from);
    if (wrong != NULL)
        return complain(from->status, "%s: '%s' %s", from->what,
                        row->secret || row->masked ? "…" : text, wrong);
    switch (row->kind) {
    case OPTION_FLAG:
        if (parse_flag(text, slot) != 0)
            return complain(from->status, "%s: '%s' is neither true nor false", from->what, text);
        return 0;
    case OPTION_INTEGER:
    case OPTION_DURATION:
    case OPTION_SIZE:
        return store_number(row, text, slot, from);
    case OPTION_LIST:
        return add_to_list(slot, text, from);
    case OPTION_CHOICE:
        if (!is_choice(row->argument, text))
            return complain(from->status, "%s: '%s' is not one of %s", from->what, text,
                            row->argument);
        break;
    case OPTION_TEXT:
    case OPTION_CONFIG:
        break;
    }
    memcpy(slot, &text, sizeof text);
    return 0;
}

/* ---- comparing ---- */

static int same_texts(const char *a, const char *b)
{
    return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

static int same_lists(const struct text_list *a, const struct text_list *b)
{
    size_t i = 0;

    while (i < a->count && i < b->count && wsrt_span_equal(a->items[i], b->items[i]))
        i++;
    return i == a->count && i == b->count;
}

int option_differs(const struct options *a, const struct options *b, size_t i)
{
    const void *one = option_slot(a, i), *other = option_slot(b, i);

    switch (option_row(a->command, i)->kind) {
    case OPTION_FLAG:
        return memcmp(one, other, sizeof(int32_t)) != 0;
    case OPTION_INTEGER:
    case OPTION_DURATION:
    case OPTION_SIZE:
        return memcmp(one, other, sizeof(int64_t)) != 0;
    case OPTION_LIST:
        return !same_lists(one, other);
    case OPTION_TEXT:
    case OPTION_CHOICE:
    case OPTION_CONFIG:
        break;
    }
    return !same_texts(*(const char *const *)one, *(const char *const *)other);
}

/* ---- memory ---- */

struct kept {
    struct kept *next;
    size_t size;
    char text[];
};

char *option_keep(struct options *o, size_t size)
{
    struct kept *one = calloc(1, sizeof *one + size);

    if (one == NULL)
        return NULL;
    one->next = o->kept;
    one->size = size;
    o->kept = one;
    return one->text;
}

void options_free(struct options *o)
{
    while (o->kept != NULL) {
        struct kept *next = o->kept->next;
        explicit_bzero(o->kept->text, o->kept->size); /* secrets are among them */
        free(o->kept);
        o->kept = next;
    }
    *o = (struct options){0};
}

const char *option_read_secret(struct options *o, const char *path)
{
    static const char byte_order_mark[] = "\xEF\xBB\xBF"; /* which some editors write */
    char *text = option_keep(o, SECRET_MAX);
    FILE *file = fopen(path, "re");

    if (file == NULL || text == NULL || fread(text, 1, SECRET_MAX - 1, file) == 0)
        text = NULL;
    else
        text[strcspn(text, "\r\n")] = '\0';
    if (file != NULL)
        fclose(file);
    return text != NULL && strncmp(text, byte_order_mark, 3) == 0 ? text + 3 : text;
}
