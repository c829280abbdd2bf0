#define _GNU_SOURCE
#include "log.h"

#include "common/log_text.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { LINE_MAX_LEN = 8192 };

static const char *const level_names[] = {"", "trace", "debug", "info", "warn", "error"};
static const char *const level_colors[] = {"",         "\033[2m",  "\033[36m",
                                           "\033[32m", "\033[33m", "\033[31m"};

struct line {
    char text[LINE_MAX_LEN];
    size_t len;
};

void log_setup(struct log *log, const char *format, const char *level)
{
    int terminal = isatty(STDERR_FILENO);

    log->json = strcmp(format, "json") == 0 || (strcmp(format, "auto") == 0 && !terminal);
    log->color = !log->json && terminal && getenv("NO_COLOR") == NULL;
    log_set_level(log, level);
}

void log_set_level(struct log *log, const char *level)
{
    int found = WSRT_LEVEL_INFO;

    for (int i = WSRT_LEVEL_TRACE; i <= WSRT_LEVEL_ERROR; i++)
        if (strcmp(level, level_names[i]) == 0)
            found = i;
    __atomic_store_n(&log->level, found, __ATOMIC_RELAXED);
}

/* ---- lines ---- */

static void put(struct line *line, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void put(struct line *line, const char *format, ...)
{
    size_t room = sizeof line->text - 8 - line->len; /* the end of the line always fits */
    va_list args;

    va_start(args, format);
    int n = vsnprintf(line->text + line->len, room, format, args);
    va_end(args);
    if (n > 0)
        line->len += (size_t)n < room ? (size_t)n : room - 1;
}

static void put_text(struct line *line, wsrt_span text, int json)
{
    size_t room = sizeof line->text - 16 - line->len;

    if (line->len + 16 >= sizeof line->text)
        return;
    put(line, "\"");
    line->len += wsrt_log_escape(line->text + line->len, room, text, json);
    put(line, "\"");
}

static void put_value(struct line *line, const wsrt_field *f, int json)
{
    switch (f->kind) {
    case WSRT_FIELD_INT:
        put(line, "%" PRId64, f->number);
        break;
    case WSRT_FIELD_REAL:
        put(line, f->real - f->real == 0 ? "%.6g" : "null", f->real);
        break;
    case WSRT_FIELD_BOOL:
        put(line, "%s", f->number ? "true" : "false");
        break;
    default:
        put_text(line, f->text, json);
        break;
    }
}

static void put_time(struct line *line, int whole)
{
    struct timespec now;
    struct tm t;
    char text[32];

    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &t);
    strftime(text, sizeof text, whole ? "%Y-%m-%dT%H:%M:%S" : "%H:%M:%S", &t);
    put(line, "%s.%03ld%s", text, now.tv_nsec / 1000000, whole ? "Z" : "");
}

static int fits(const struct line *line, const wsrt_field *f)
{
    size_t text = f->kind == WSRT_FIELD_TEXT ? WSRT_LOG_TEXT_ROOM : 32;

    return line->len + strlen(f->name_cstr) + text + 32 < sizeof line->text;
}

static void write_json(struct line *line, int level, const char *event, const wsrt_field *fields,
                       size_t count)
{
    put(line, "{\"time\":\"");
    put_time(line, 1);
    put(line, "\",\"level\":\"%s\",\"event\":\"%s\"", level_names[level], event);
    for (size_t i = 0; i < count && fits(line, &fields[i]); i++) {
        put(line, ",\"%s\":", fields[i].name_cstr);
        put_value(line, &fields[i], 1);
    }
    put(line, "}\n");
}

static void write_pretty(struct line *line, const struct log *log, int level, const char *event,
                         const wsrt_field *fields, size_t count)
{
    put_time(line, 0);
    put(line, " %s%-5s%s %s", log->color ? level_colors[level] : "", level_names[level],
        log->color ? "\033[0m" : "", event);
    for (size_t i = 0; i < count && fits(line, &fields[i]); i++) {
        put(line, " %s=", fields[i].name_cstr);
        put_value(line, &fields[i], 0);
    }
    put(line, "\n");
}

void log_write(void *user, int level, const char *event_cstr, const wsrt_field *fields,
               size_t count)
{
    const struct log *log = user;
    struct line line; /* its text would be cleared for nothing */

    if (level < __atomic_load_n(&log->level, __ATOMIC_RELAXED) || level < WSRT_LEVEL_TRACE ||
        level > WSRT_LEVEL_ERROR)
        return;
    line.len = 0;
    if (log->json)
        write_json(&line, level, event_cstr, fields, count);
    else
        write_pretty(&line, log, level, event_cstr, fields, count);
    ssize_t ignored = write(STDERR_FILENO, line.text, line.len); /* one call: lines never mix */
    (void)ignored;
}
