/* Any bytes as a configuration file of `wsrt serve`, with rows of every kind: it is taken
 * without a word, or every fault is told with its line; what is taken keeps the bounds of its
 * rows, and written as a file and read again it is the same. Secrets are left out, because their
 * files would be read. */
#define _GNU_SOURCE
#include "input.h"
#include "target.h"

#include "option.h"
#include "tool.h"

#include <wsrt/json.h>

#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

enum { LONGEST = 4096, ROOM = 8 * LONGEST };

struct settings {
    struct text_list names, origins;
    int64_t limit, wait, room;
    const char *config, *path, *mode;
    int32_t flag;
};

static const char *check_path(const char *value)
{
    return value[0] == '/' ? NULL : "is not a path from the root";
}

#define AT(member) .offset = offsetof(struct settings, member), .help = ""
static const struct option_row rows[] = {
    {.name = "config", .kind = OPTION_CONFIG, AT(config)},
    {.name = "names", .kind = OPTION_LIST, .fallback = "nobody", AT(names)},
    {.name = "origins", .kind = OPTION_LIST, .check = check_path, .masked = 1, AT(origins)},
    {.name = "limit", .kind = OPTION_INTEGER, .least = 2, .most = 1000, AT(limit)},
    {.name = "wait", .kind = OPTION_DURATION, .fallback = "2s", .zero_is_off = 1, AT(wait)},
    {.name = "room", .kind = OPTION_SIZE, .most = INT64_C(1) << 40, AT(room)},
    {.name = "path", .kind = OPTION_TEXT, .check = check_path, AT(path)},
    {.name = "mode", .kind = OPTION_CHOICE, .argument = "auto|json|pretty", AT(mode)},
    {.name = "flag", .kind = OPTION_FLAG, AT(flag)},
};
enum { ROWS = sizeof rows / sizeof rows[0], FIRST = 1 };
static const struct option_table table = {rows, ROWS};
static const struct command command = {.name = "try",
                                       .operands = "",
                                       .summary = "",
                                       .table = &table,
                                       .settings_size = sizeof(struct settings)};

struct reading {
    char file[64]; /* its name */
    size_t lines, complaints;
    struct options o;
    int status;
};

/* "FILE:LINE: what is wrong" */
static void take_complaint(void *user, const char *text)
{
    struct reading *r = user;
    size_t len = strlen(r->file);
    char *rest;

    r->complaints++;
    for (const char *p = text; *p != '\0'; p++)
        require((unsigned char)*p >= ' ' && *p != 0x7f);
    require(strncmp(text, r->file, len) == 0 && text[len] == ':');
    unsigned long line = strtoul(text + len + 1, &rest, 10);
    require(line >= 1 && line <= r->lines && strncmp(rest, ": ", 2) == 0 && rest[2] != '\0');
}

static void read_config(struct reading *r, wsrt_span text)
{
    static char name[] = "try", given[80];
    static int fd = -1;
    char *argv[] = {name, given, NULL};
    int first = 0;

    if (fd < 0)
        fd = memfd_create("config", MFD_CLOEXEC);
    *r = (struct reading){.lines = 1};
    for (size_t i = 0; i < text.len; i++)
        r->lines += text.ptr[i] == '\n';
    require(ftruncate(fd, 0) == 0 && pwrite(fd, text.ptr, text.len, 0) == (ssize_t)text.len);
    snprintf(r->file, sizeof r->file, "/proc/self/fd/%d", fd);
    snprintf(given, sizeof given, "--config=%s", r->file);
    complaints_go_to(take_complaint, r);
    r->status = options_read(&r->o, &command, 2, argv, &first);
    complaints_go_to(NULL, NULL);
    require((r->status == -1) == (r->complaints == 0) && r->o.faults == (int)r->complaints);
    require(r->status == -1 || r->status == TOOL_CONFIG);
}

static void check_bounds(const struct settings *s)
{
    require(s->names.count <= OPTION_LIST_MAX && s->origins.count <= OPTION_LIST_MAX);
    for (size_t i = 0; i < s->origins.count; i++)
        require(s->origins.items[i].ptr[0] == '/');
    require(s->limit == 0 || (s->limit >= 2 && s->limit <= 1000));
    require(s->wait == -1 || s->wait > 0);
    require(s->room >= 0 && s->room <= INT64_C(1) << 40);
    require(s->path == NULL || s->path[0] == '/');
    require(s->mode == NULL || strcmp(s->mode, "auto") == 0 || strcmp(s->mode, "json") == 0 ||
            strcmp(s->mode, "pretty") == 0);
    require(s->flag == 0 || s->flag == 1);
}

static void write_list(wsrt_json_writer *w, const struct text_list *list)
{
    wsrt_json_array(w);
    for (size_t i = 0; i < list->count; i++)
        wsrt_json_string(w, list->items[i]);
    wsrt_json_array_end(w);
}

static void write_row(wsrt_json_writer *w, const struct options *o, size_t i)
{
    const void *slot = option_slot(o, i);
    char number[32];

    wsrt_json_key(w, rows[i].name);
    if (rows[i].kind == OPTION_LIST) {
        write_list(w, slot);
    } else if (rows[i].kind == OPTION_FLAG) {
        wsrt_json_write_bool(w, *(const int32_t *)slot);
    } else if (rows[i].kind == OPTION_TEXT || rows[i].kind == OPTION_CHOICE) {
        wsrt_json_string_cstr(w, *(const char *const *)slot);
    } else {
        long long value = *(const int64_t *)slot;
        snprintf(number, sizeof number, "%lldms", value < 0 ? 0 : value);
        if (rows[i].kind == OPTION_DURATION)
            wsrt_json_string_cstr(w, number);
        else
            wsrt_json_write_int64(w, value);
    }
}

static void read_again(const struct options *o)
{
    static char text[ROOM];
    static struct reading again;
    wsrt_json_writer w;
    size_t len = 0;

    wsrt_json_writer_init(&w, text, sizeof text, 0);
    wsrt_json_object(&w);
    for (size_t i = FIRST; i < ROWS; i++)
        if (o->from[i].source == OPTION_FILE)
            write_row(&w, o, i);
    wsrt_json_object_end(&w);
    require(wsrt_json_finish(&w, &len) == WSRT_OK);
    read_config(&again, (wsrt_span){text, len});
    require(again.status == -1);
    for (size_t i = FIRST; i < ROWS; i++)
        require(!option_differs(o, &again.o, i));
    options_free(&again.o);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct reading r;

    if (size > LONGEST)
        return 0;
    read_config(&r, (wsrt_span){(const char *)data, size});
    if (r.status == -1) {
        check_bounds(r.o.settings);
        read_again(&r.o);
    }
    options_free(&r.o);
    return 0;
}
