/* The configuration file: a JSON object whose members are options by their names. */
#include "file.h"
#include "option.h"
#include "tool.h"

#include <wsrt/json.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NAME_MOST = 64, PLACE_MOST = 512, NUMBER_MOST = 24 };

static const char file_suffix[] = "-file";

struct reader {
    struct options *o;
    wsrt_span text;
    char seen[OPTION_ROWS_MAX];
};

/* A value, or a member's name, and where it stands. */
struct spot {
    const wsrt_json *json;
    char pointer[PLACE_MOST];
    char what[2 * PLACE_MOST];
    struct option_place place;
};

static size_t line_of(const struct reader *r, const char *at)
{
    size_t line = 1;

    for (const char *p = r->text.ptr; p < at; p++)
        line += *p == '\n';
    return line;
}

static void find_place(const struct reader *r, struct spot *s)
{
    s->place = (struct option_place){
        .what = s->what,
        .status = TOOL_CONFIG,
        .origin = {.source = OPTION_FILE, .line = line_of(r, s->json->text.ptr)}};
    snprintf(s->what, sizeof s->what, "%.300s:%zu: %s", r->o->config, s->place.origin.line,
             s->pointer);
}

static int wrong(struct reader *r, const struct spot *s, const char *rule)
{
    r->o->faults++;
    return complain(TOOL_CONFIG, "%s: %s", s->what, rule);
}

/* ---- values ---- */

static char *room_for(struct reader *r, size_t len)
{
    char *text = option_keep(r->o, len + 1);

    if (text == NULL)
        complain(TOOL_INTERNAL, "out of memory");
    return text;
}

static const char *take_string(struct reader *r, const struct spot *s)
{
    size_t len = 0;

    wsrt_json_text(s->json, NULL, 0, &len);
    char *text = room_for(r, len);
    if (text == NULL)
        return NULL;
    wsrt_json_text(s->json, text, len, NULL);
    if (memchr(text, '\0', len) == NULL)
        return text;
    wrong(r, s, "holds a zero byte");
    return NULL;
}

static const char *take_number(struct reader *r, const struct spot *s)
{
    int64_t number = 0;

    if (wsrt_json_int64(s->json, &number) != WSRT_OK) {
        wrong(r, s, "is not a whole number");
        return NULL;
    }
    if (number < 0) {
        wrong(r, s, "is negative");
        return NULL;
    }
    char *text = room_for(r, NUMBER_MOST);
    if (text != NULL)
        snprintf(text, NUMBER_MOST, "%" PRId64, number);
    return text;
}

/* The text of a string or of a number, kept; NULL once it was complained about. */
static const char *take_text(struct reader *r, const struct spot *s)
{
    return s->json->kind == WSRT_JSON_STRING ? take_string(r, s) : take_number(r, s);
}

static int store(struct reader *r, size_t i, const struct spot *s)
{
    const char *text = take_text(r, s);
    int status = text == NULL ? TOOL_CONFIG : option_store(r->o, i, text, &s->place);

    r->o->faults += text != NULL && status != 0;
    return status;
}

static int read_list(struct reader *r, size_t i, const struct spot *list)
{
    wsrt_json_iter it = {0};
    wsrt_json item;
    struct spot s = {.json = &item};
    int status = 0;

    if (list->json->kind != WSRT_JSON_ARRAY)
        return wrong(r, list, "is not an array of strings");
    option_store_nothing(r->o, i, &list->place);
    while (wsrt_json_next(list->json, &it, NULL, &item) == WSRT_OK) {
        snprintf(s.pointer, sizeof s.pointer, "%.400s/%" PRIu64, list->pointer, it.count - 1);
        find_place(r, &s);
        int fault =
            item.kind == WSRT_JSON_STRING ? store(r, i, &s) : wrong(r, &s, "is not a string");
        status = status == 0 ? fault : status;
    }
    return status;
}

static int read_flag(struct reader *r, size_t i, const struct spot *s)
{
    int on = 0;

    if (wsrt_json_bool(s->json, &on) != WSRT_OK)
        return wrong(r, s, "is neither true nor false");
    return option_store(r->o, i, on ? "1" : "0", &s->place);
}

static int read_value(struct reader *r, size_t i, const struct spot *s)
{
    int is_text = s->json->kind == WSRT_JSON_STRING, is_number = s->json->kind == WSRT_JSON_NUMBER;

    switch (option_row(r->o->command, i)->kind) {
    case OPTION_FLAG:
        return read_flag(r, i, s);
    case OPTION_LIST:
        return read_list(r, i, s);
    case OPTION_INTEGER:
        return is_number ? store(r, i, s) : wrong(r, s, "is not a whole number");
    case OPTION_DURATION:
        return is_text || is_number
                   ? store(r, i, s)
                   : wrong(r, s, "is neither a duration such as \"10s\" nor a number of seconds");
    case OPTION_SIZE:
        return is_text || is_number
                   ? store(r, i, s)
                   : wrong(r, s, "is neither a size such as \"64KiB\" nor a number of bytes");
    case OPTION_TEXT:
    case OPTION_CHOICE:
    case OPTION_CONFIG:
        break;
    }
    return is_text ? store(r, i, s) : wrong(r, s, "is not a string");
}

/* The member is "...-file". */
static int read_secret(struct reader *r, size_t i, const struct spot *s)
{
    const char *path = s->json->kind == WSRT_JSON_STRING ? take_text(r, s) : NULL;

    if (s->json->kind != WSRT_JSON_STRING)
        return wrong(r, s, "is not a string");
    if (path == NULL)
        return TOOL_CONFIG;
    const char *text = option_read_secret(r->o, path);
    if (text == NULL) {
        r->o->faults++;
        return complain(TOOL_CONFIG, "%s: cannot read '%s'", s->what, path);
    }
    int status = option_store(r->o, i, text, &s->place);
    r->o->faults += status != 0;
    return status;
}

/* ---- members ---- */

static int is_of_file(const struct option_row *row, const char *name)
{
    size_t len = strlen(row->name);

    return strncmp(name, row->name, len) == 0 &&
           strcmp(name + len, row->secret ? file_suffix : "") == 0;
}

static int unknown(struct reader *r, const struct spot *s, const char *name)
{
    char rule[2 * NAME_MOST];

    for (size_t i = 0; i < r->o->command->table->count; i++) {
        const struct option_row *row = &r->o->command->table->rows[i];
        if (strcmp(name, row->name) != 0)
            continue;
        if (!row->secret)
            return wrong(r, s, "a configuration file names no other");
        snprintf(rule, sizeof rule, "no secret is kept here: name its file by %s%s", row->name,
                 file_suffix);
        return wrong(r, s, rule);
    }
    for (size_t i = 0; i < r->o->command->table->count; i++) {
        const struct option_row *row = &r->o->command->table->rows[i];
        if (row->kind != OPTION_CONFIG && !row->secret && is_nearly(name, row->name)) {
            snprintf(rule, sizeof rule, "unknown member: did you mean %s?", row->name);
            return wrong(r, s, rule);
        }
    }
    return wrong(r, s, "unknown member");
}

static void name_member(struct reader *r, struct spot *s, const wsrt_json *key, char *name)
{
    size_t len = 0, n = 1;

    if (wsrt_json_text(key, name, NAME_MOST - 1, &len) != WSRT_OK)
        memcpy(name, key->text.ptr, len = NAME_MOST - 1);
    name[len] = '\0';
    for (char *zero; (zero = memchr(name, '\0', len)) != NULL;)
        *zero = '?'; /* what stands before it is no name */
    s->pointer[0] = '/';
    for (size_t i = 0; i < len; i++) {
        if (name[i] == '~' || name[i] == '/')
            s->pointer[n++] = '~';
        s->pointer[n++] = name[i] == '~' ? '0' : name[i] == '/' ? '1' : name[i];
    }
    s->pointer[n] = '\0';
    find_place(r, s);
}

static int read_member(struct reader *r, const wsrt_json *key, const wsrt_json *value)
{
    struct spot s = {.json = key};
    char name[NAME_MOST];

    name_member(r, &s, key, name);
    if (strcmp(name, "$schema") == 0)
        return 0;
    for (size_t i = 0; i < r->o->command->table->count; i++) {
        const struct option_row *row = &r->o->command->table->rows[i];
        if (row->kind == OPTION_CONFIG || !is_of_file(row, name))
            continue;
        if (r->seen[i])
            return wrong(r, &s, "is there twice");
        r->seen[i] = 1;
        s.json = value;
        find_place(r, &s);
        return row->secret ? read_secret(r, i, &s) : read_value(r, i, &s);
    }
    return unknown(r, &s, name);
}

static int read_root(struct reader *r)
{
    wsrt_json_error why = {0};
    wsrt_json root, key, value;
    wsrt_json_iter it = {0};
    int status = 0;

    if (wsrt_json_parse(&root, r->text, &why) != WSRT_OK) {
        r->o->faults++;
        return complain(TOOL_CONFIG, "%s:%zu: byte %zu: %s", r->o->config,
                        line_of(r, r->text.ptr + why.offset), why.offset, why.text_cstr);
    }
    struct spot s = {.json = &root, .pointer = "/"};
    find_place(r, &s);
    if (root.kind != WSRT_JSON_OBJECT)
        return wrong(r, &s, "is not an object");
    while (wsrt_json_next(&root, &it, &key, &value) == WSRT_OK) {
        int fault = read_member(r, &key, &value);
        status = status == 0 ? fault : status;
    }
    return status;
}

int config_read(struct options *o)
{
    struct reader r = {.o = o};
    char *text = NULL;
    int status = read_file("", o->config, TOOL_CONFIG, &text, &r.text.len);

    r.text.ptr = text;
    if (status == 0 && r.text.len > FILE_MAX)
        status = complain(TOOL_CONFIG, "%s: is longer than 1 MiB", o->config);
    o->faults += status != 0;
    if (status == 0)
        status = read_root(&r);
    free(text);
    return status;
}
