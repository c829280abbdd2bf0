/* Options as data: one row gives the flag, its environment variable, its default and its help. */
#ifndef WSRT_TOOL_OPTION_H
#define WSRT_TOOL_OPTION_H

#include <wsrt/base.h>

enum { OPTION_LIST_MAX = 64 };

/* Where a value is stored, by kind, at the row's offset in the command's settings. */
enum option_kind {
    OPTION_FLAG = 1, /* int32_t, 0 or 1 */
    OPTION_TEXT,     /* const char *, NULL when not given */
    OPTION_LIST,     /* struct text_list; a flag may be repeated, a variable uses commas */
    OPTION_INTEGER,  /* int64_t */
    OPTION_DURATION, /* int64_t, ms; 500ms 10s 5m 1h 2d, a bare number is seconds */
    OPTION_SIZE,     /* int64_t, bytes; 64 64KiB 1MiB */
    OPTION_CHOICE,   /* const char *, one word of `argument`, which separates them by | */
};

struct text_list {
    wsrt_span items[OPTION_LIST_MAX];
    size_t count;
};

struct option_row {
    const char *name; /* without the dashes */
    const char *argument;
    const char *fallback; /* parsed like a given value; NULL = nothing */
    const char *help;
    size_t offset;
    int64_t least; /* INTEGER, DURATION, SIZE */
    int64_t most;
    /* Extra judgement of one value; NULL or what is wrong with it. */
    const char *(*check)(const char *value);
    enum option_kind kind;
    char letter;      /* short form; 0 = none */
    char zero_is_off; /* a given 0 is stored as -1; not given stays 0 */
    char secret;      /* 1 = also WSRT_NAME_FILE, a file that holds the value */
    char no_flag;     /* 1 = a variable only: arguments are seen by everybody */
};

struct command {
    const char *name;
    const char *operands; /* "URL"; "" = none */
    const char *summary;  /* one sentence */
    const struct option_row *rows;
    size_t row_count;
    size_t settings_size;
    size_t least_operands;
    size_t most_operands;
    int (*run)(void *settings, char **operands);
};

/* Fills `settings` (zeroed, settings_size bytes) from defaults, environment and arguments, argv[0]
 * being the command's name, and moves the operands to the end of argv, from *first on. Returns -1
 * to go on, or an exit status once help was printed or something was wrong. */
int options_read(const struct command *command, void *settings, int argc, char **argv, int *first);

/* Prints `wsrt COMMAND --help`. */
void options_help(const struct command *command);

/* 500ms, 10s, 5m, 1h, 2d or seconds, to milliseconds; -1 when it is none. */
int64_t parse_duration(const char *text);

/* Bytes, with KiB, MiB or GiB; -1 when it is none. */
int64_t parse_size(const char *text);

/* A decimal number without anything around it; -1 when it is none. */
int64_t parse_integer(const char *text);

/* Whether two edits make one word of the other. */
int is_nearly(const char *given, const char *wanted);

#endif
