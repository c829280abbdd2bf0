#include "lambda/log.h"

#include "common/log_text.h"

#include <wsrt/json.h>

#include <string.h>
#include <time.h>
#include <unistd.h>

enum { LINE_SIZE = 8192 };

static const char *const names[] = {"", "trace", "debug", "info", "warn", "error"};

int wsrt_lambda_log_level(const char *name)
{
    for (int i = WSRT_LEVEL_TRACE; name != NULL && i <= WSRT_LEVEL_ERROR; i++)
        if (strcmp(name, names[i]) == 0)
            return i;
    return WSRT_LEVEL_INFO;
}

static void write_time(wsrt_json_writer *w)
{
    struct timespec now;
    struct tm t;
    char text[32];

    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &t);
    size_t n = strftime(text, sizeof text - 8, "%Y-%m-%dT%H:%M:%S", &t);
    text[n++] = '.';
    for (long unit = 100000000; unit >= 1000000; unit /= 10)
        text[n++] = (char)('0' + now.tv_nsec / unit % 10);
    text[n++] = 'Z';
    wsrt_json_key(w, "time");
    wsrt_json_string(w, (wsrt_span){text, n});
}

/* Nothing of what a client sent ends the line, or turns it around. */
static void write_text(wsrt_json_writer *w, wsrt_span text)
{
    char quoted[WSRT_LOG_TEXT_ROOM + 2];
    size_t len = wsrt_log_escape(quoted + 1, WSRT_LOG_TEXT_ROOM, text, 1);

    quoted[0] = quoted[len + 1] = '"';
    wsrt_json_raw(w, (wsrt_span){quoted, len + 2});
}

static void write_value(wsrt_json_writer *w, const wsrt_field *f)
{
    switch (f->kind) {
    case WSRT_FIELD_INT:
        wsrt_json_write_int64(w, f->number);
        break;
    case WSRT_FIELD_REAL:
        if (f->real - f->real == 0)
            wsrt_json_write_double(w, f->real);
        else
            wsrt_json_write_null(w);
        break;
    case WSRT_FIELD_BOOL:
        wsrt_json_write_bool(w, f->number != 0);
        break;
    default:
        write_text(w, f->text);
        break;
    }
}

static int write_line(char *dst, size_t cap, int level, const char *event, const wsrt_field *fields,
                      size_t count, size_t *len)
{
    wsrt_json_writer w;

    wsrt_json_writer_init(&w, dst, cap, WSRT_JSON_REPLACE_UTF8);
    wsrt_json_object(&w);
    write_time(&w);
    wsrt_json_key(&w, "level");
    wsrt_json_string_cstr(&w, names[level]);
    wsrt_json_key(&w, "event");
    wsrt_json_string_cstr(&w, event);
    for (size_t i = 0; i < count; i++) {
        wsrt_json_key(&w, fields[i].name_cstr);
        write_value(&w, &fields[i]);
    }
    wsrt_json_object_end(&w);
    return wsrt_json_finish(&w, len);
}

void wsrt_lambda_log(void *user, int level, const char *event_cstr, const wsrt_field *fields,
                     size_t count)
{
    char line[LINE_SIZE];
    size_t len = 0;

    if (level < *(const int *)user || level < WSRT_LEVEL_TRACE || level > WSRT_LEVEL_ERROR)
        return;
    /* What does not fit goes, from the last field on: half an object would be no JSON. */
    while (write_line(line, sizeof line - 1, level, event_cstr, fields, count, &len) != WSRT_OK)
        if (count-- == 0)
            return;
    line[len++] = '\n';
    ssize_t n = write(STDERR_FILENO, line, len); /* one call: lines never mix */
    (void)n;
}
