/* Options as data: one row gives the flag, its environment variable, the member of the configuration
 * file, its default and its help. */
#ifndef WSRT_TOOL_OPTION_H
#define WSRT_TOOL_OPTION_H

#include <wsrt/base.h>

enum { OPTION_LIST_MAX = 64, OPTION_ROWS_MAX = 96 };

/* Where a value is stored, by kind, at the row's offset in the command's settings. */
enum option_kind {
    OPTION_FLAG = 1, /* int32_t, 0 or 1 */
    OPTION_TEXT,     /* const char *, NULL when not given */
    OPTION_LIST,     /* struct text_list; a flag may be repeated, a variable uses commas */
    OPTION_INTEGER,  /* int64_t */
    OPTION_DURATION, /* int64_t, ms; 500ms 10s 5m 1h 2d, a bare number is seconds */
    OPTION_SIZE,     /* int64_t, bytes; 64 64KiB 1MiB */
    OPTION_CHOICE,   /* const char *, one word of `argument`, which separates them by | */
    OPTION_CONFIG,   /* const char *, path of the file that the other rows are read from */
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
    char secret;      /* 1 = also WSRT_NAME_FILE, a file that holds the value; never shown */
    char no_flag;     /* 1 = a variable only: arguments are seen by everybody */
    char masked;      /* 1 = never shown */
    char live;        /* 1 = of a file that is read again, taken without a new start */
};

struct option_table {
    const struct option_row *rows;
    size_t count;
};

struct options;

struct command {
    const char *name;
    const char *operands; /* "URL"; "" = none */
    const char *summary;  /* one sentence */
    const struct option_table *table;
    const struct option_table *more; /* rows behind those; NULL = none */
    size_t settings_size;
    size_t least_operands;
    size_t most_operands;
    int goes_on; /* 1 = it runs with faulty values too, and tells that there are some */
    int (*run)(struct options *o, char **operands);
};

/* Where a value comes from; the later wins. */
enum option_source { OPTION_DEFAULT, OPTION_FILE, OPTION_VARIABLE, OPTION_ARGUMENT };

struct option_origin {
    enum option_source source;
    size_t line; /* of the file */
};

/* A command's values, read. */
struct options {
    const struct command *command;
    void *settings;     /* settings_size bytes */
    const char *config; /* the file; NULL = none was named */
    struct option_origin from[OPTION_ROWS_MAX];
    int faults; /* values that were complained about */
    int argc;   /* what they were read from, to do it again */
    char **argv;
    struct kept *kept; /* what settings point into */
};

size_t option_count(const struct command *command);
const struct option_row *option_row(const struct command *command, size_t i);
/* Its place in the settings. */
void *option_slot(const struct options *o, size_t i);

/* Reads defaults, file, environment and arguments, argv[0] being the command's name, complains about
 * every fault, and moves the operands to the end of argv, from *first on. Returns -1 to go on, or an
 * exit status once help was printed or something was wrong. Ended by options_free() in any case. */
int options_read(struct options *o, const struct command *command, int argc, char **argv,
                 int *first);
void options_free(struct options *o);

/* Whether a row's value is another one in `b` than in `a`, which are of the same command. */
int option_differs(const struct options *a, const struct options *b, size_t i);

/* Prints `wsrt COMMAND --help`. */
void options_help(const struct command *command);

/* WSRT_FOO_BAR. */
void option_variable(const struct option_row *row, char *dst, size_t cap);

/* 500ms, 10s, 5m, 1h, 2d or seconds, to milliseconds; -1 when it is none. */
int64_t parse_duration(const char *text);

/* Bytes, with KiB, MiB or GiB; -1 when it is none. */
int64_t parse_size(const char *text);

/* A decimal number without anything around it; -1 when it is none. */
int64_t parse_integer(const char *text);

/* Whether two edits make one word of the other. */
int is_nearly(const char *given, const char *wanted);

/* ---- between the readers: value.c, config.c ---- */

/* Where a value stands decides how a bad one is called and which status it costs. */
struct option_place {
    const char *what; /* "--listen", "WSRT_LISTEN" or "wsrt.json:7: /listen/0" */
    int status;
    struct option_origin origin;
};

/* Stores the value of a row; `text` outlives the settings. Values of one origin add up in a list,
 * another origin's replace them. 0, or an exit status, complained about. */
int option_store(struct options *o, size_t i, const char *text, const struct option_place *from);
/* A list that is there and empty. */
void option_store_nothing(struct options *o, size_t i, const struct option_place *from);

/* Zeroed memory that lives as long as the options; NULL when there is none. */
char *option_keep(struct options *o, size_t size);

/* The first line of a file, kept; NULL when it cannot be read. */
const char *option_read_secret(struct options *o, const char *path);

/* Reads o->config; 0 or an exit status, every fault complained about. */
int config_read(struct options *o);

#endif
