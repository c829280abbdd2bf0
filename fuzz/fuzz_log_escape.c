/* What clients send as fields of log lines, in the logs of `wsrt serve` for machines and for
 * people and in a function's: one line a record, without controls and within its bound, valid
 * JSON where it is JSON, and a text that is UTF-8 reads back as it came. The input is taken
 * apart by input.h. */
#define _GNU_SOURCE
#include "line.h"
#include "target.h"

#include "lambda/log.h"
#include "log.h"

#include <fcntl.h>
#include <unistd.h>

enum { FIELDS = 5, LINE = 8192, TEXT = 1024, TAKEN = 512 };

struct record {
    wsrt_field fields[FIELDS];
    char texts[FIELDS][TEXT];
};

/* A piece once or several times, so that there are long ones, too. */
static wsrt_span repeated(struct input *in, char *room)
{
    unsigned times = 1 + take_byte(in) % 6;
    wsrt_span piece = take_text(in), whole = {room, 0};

    for (; times > 0 && whole.len + piece.len <= TEXT; times--) {
        if (piece.len > 0)
            memcpy(room + whole.len, piece.ptr, piece.len);
        whole.len += piece.len;
    }
    return whole;
}

static size_t take_fields(struct record *r, struct input *in)
{
    static const char *const names[FIELDS] = {"reason", "connectionId", "userId", "path", "count"};
    size_t count = 0;

    for (; count < FIELDS && in->at < in->end; count++) {
        wsrt_field *f = &r->fields[count];
        *f = (wsrt_field){.name_cstr = names[count], .kind = (int32_t)(take_byte(in) % 5)};
        if (f->kind == 0 || f->kind == WSRT_FIELD_TEXT)
            f->text = repeated(in, r->texts[count]);
        else
            f->number = take_number(in);
        memcpy(&f->real, &f->number, sizeof f->real);
    }
    return count;
}

/* What a sink writes to standard error, which is the fuzzer's own, too. */
static wsrt_span written(void (*sink)(void *, int, const char *, const wsrt_field *, size_t),
                         void *user, const struct record *r, size_t count)
{
    static int ends[2], saved;
    static char line[LINE + 1];

    if (saved == 0) {
        saved = dup(STDERR_FILENO);
        require(saved > 0 && pipe2(ends, O_NONBLOCK) == 0);
    }
    dup2(ends[1], STDERR_FILENO);
    sink(user, WSRT_LEVEL_WARN, "tried", r->fields, count);
    dup2(saved, STDERR_FILENO);
    ssize_t n = read(ends[0], line, sizeof line);
    require(n > 1 && n <= LINE && line[n - 1] == '\n');
    return (wsrt_span){line, (size_t)n - 1};
}

static int is_utf8(wsrt_span text)
{
    for (const char *p = text.ptr, *end = p + text.len; p < end;) {
        int len = wsrt_scan_utf8(p, end);
        if (len < 0)
            return 0;
        p += len;
    }
    return 1;
}

/* The fields of a line are the first of the record's, in their order. */
static void check_fields(const wsrt_json *line, const struct record *r, size_t count, int all)
{
    wsrt_json_iter it = {0};
    wsrt_json key, value;

    for (int i = 0; i < 3; i++) /* time, level, event */
        require(wsrt_json_next(line, &it, &key, &value) == WSRT_OK);
    for (size_t i = 0; i < count; i++) {
        const wsrt_field *f = &r->fields[i];
        if (wsrt_json_next(line, &it, &key, &value) != WSRT_OK) {
            require(!all);
            return;
        }
        require(wsrt_json_equal(&key, wsrt_span_cstr(f->name_cstr)));
        if (f->kind == WSRT_FIELD_TEXT && f->text.len <= TAKEN && is_utf8(f->text))
            require(wsrt_json_equal(&value, f->text));
    }
    require(wsrt_json_next(line, &it, &key, &value) == WSRT_ERR_NOT_FOUND);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct record r;
    struct log machine = {.level = WSRT_LEVEL_INFO, .json = 1}, human = {.level = WSRT_LEVEL_INFO};
    int level = WSRT_LEVEL_INFO;
    struct input in = {data, data + size};
    size_t count = take_fields(&r, &in);
    wsrt_json line;

    require_line(written(log_write, &human, &r, count));
    require_object(written(log_write, &machine, &r, count), &line);
    check_fields(&line, &r, count, count < 3);
    require_object(written(wsrt_lambda_log, &level, &r, count), &line);
    check_fields(&line, &r, count, count < 3);
    return 0;
}
