#include "export_config.h"
#include "file.h"
#include "tool.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TITLE_MAX = 255 };

int config_wrong(const struct config_reader *r, const char *rule)
{
    return complain(TOOL_CONFIG, "%s: %s: %s", r->path, r->len == 0 ? "/" : r->pointer, rule);
}

size_t config_enter(struct config_reader *r, wsrt_span name)
{
    size_t before = r->len;

    if (2 * name.len + 2 > sizeof r->pointer - r->len)
        return before; /* the parent has to do */
    r->pointer[r->len++] = '/';
    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i];
        if (c == '~' || c == '/')
            r->pointer[r->len++] = '~';
        r->pointer[r->len++] = c == '~' ? '0' : c == '/' ? '1' : c;
    }
    r->pointer[r->len] = '\0';
    return before;
}

void config_leave(struct config_reader *r, size_t before)
{
    r->len = before;
    r->pointer[before] = '\0';
}

size_t config_enter_index(struct config_reader *r, uint64_t index)
{
    char digits[24];

    snprintf(digits, sizeof digits, "%" PRIu64, index);
    return config_enter(r, wsrt_span_cstr(digits));
}

/* ---- values ---- */

int config_read_text(struct config_reader *r, const wsrt_json *value, void *into)
{
    wsrt_span *out = into;
    size_t len = 0;

    if (value->kind != WSRT_JSON_STRING)
        return config_wrong(r, "is not a string");
    wsrt_json_text(value, NULL, 0, &len);
    if (len == 0 || len > TITLE_MAX)
        return config_wrong(r, "is not a string of 1 to 255 bytes");
    char *text = export_keep(r->model, len + 1);
    if (text == NULL)
        return complain(TOOL_INTERNAL, "out of memory");
    wsrt_json_text(value, text, len, NULL);
    *out = (wsrt_span){text, len};
    return TOOL_OK;
}

int config_read_whole(struct config_reader *r, const wsrt_json *value, uint32_t least,
                      uint32_t most, uint32_t *out)
{
    char rule[96];
    uint64_t v = 0;

    if (wsrt_json_uint64(value, &v) != WSRT_OK || v < least || v > most) {
        snprintf(rule, sizeof rule, "is not a whole number from %" PRIu32 " to %" PRIu32, least,
                 most);
        return config_wrong(r, rule);
    }
    *out = (uint32_t)v;
    return TOOL_OK;
}

static int unknown_member(struct config_reader *r, const struct config_object *o, wsrt_span name)
{
    char text[64], rule[160];

    snprintf(text, sizeof text, "%.*s", (int)name.len, name.ptr);
    for (size_t i = 0; i < o->count; i++)
        if (is_nearly(text, o->members[i].name)) {
            snprintf(rule, sizeof rule, "unknown member: did you mean %s?", o->members[i].name);
            return config_wrong(r, rule);
        }
    return config_wrong(r, "unknown member");
}

static int read_member(struct config_reader *r, struct config_object *o, const wsrt_json *name,
                       const wsrt_json *value)
{
    for (size_t i = 0; i < o->count; i++) {
        if (!wsrt_json_equal(name, wsrt_span_cstr(o->members[i].name)))
            continue;
        if (o->seen >> i & 1)
            return config_wrong(r, "is there twice");
        o->seen |= 1U << i;
        return o->members[i].read(r, value, o->into);
    }
    return unknown_member(r, o, name->text);
}

int config_read_object(struct config_reader *r, const wsrt_json *json, struct config_object *o)
{
    wsrt_json_iter it = {0};
    wsrt_json name, value;
    int status = TOOL_OK;

    if (json->kind != WSRT_JSON_OBJECT)
        return config_wrong(r, "is not an object");
    while (status == TOOL_OK && wsrt_json_next(json, &it, &name, &value) == WSRT_OK) {
        size_t before = config_enter(r, name.text);
        status = read_member(r, o, &name, &value);
        if (status == TOOL_OK)
            config_leave(r, before);
    }
    return status;
}

/* ---- limits ---- */

static int add_limit(struct config_reader *r, const wsrt_json *value, const char *row, double most)
{
    struct export_model *m = r->model;
    double v = 0;

    if (wsrt_json_double(value, &v) != WSRT_OK || v <= 0 || v > most)
        return config_wrong(r, most == 100 ? "is not a number above 0, at most 100"
                                           : "is not a number above 0");
    struct export_limit *grown = realloc(m->limits, (m->limit_count + 1) * sizeof *grown);
    if (grown == NULL)
        return complain(TOOL_INTERNAL, "out of memory");
    m->limits = grown;
    m->limits[m->limit_count++] = (struct export_limit){m->limit_operation, row, v};
    return TOOL_OK;
}

static int read_duration_limit(struct config_reader *r, const wsrt_json *value, void *into)
{
    (void)into;
    return add_limit(r, value, "duration", 1e15);
}

static int read_memory_limit(struct config_reader *r, const wsrt_json *value, void *into)
{
    (void)into;
    return add_limit(r, value, "memory", 1e15);
}

static int read_error_limit(struct config_reader *r, const wsrt_json *value, void *into)
{
    (void)into;
    return add_limit(r, value, "error-rate", 100);
}

static int read_limits(struct config_reader *r, const wsrt_json *value)
{
    static const struct config_member members[] = {{"duration", read_duration_limit},
                                                   {"memory", read_memory_limit},
                                                   {"error-rate", read_error_limit}};
    struct export_model *m = r->model;
    wsrt_json_iter it = {0};
    wsrt_json name, limits;
    int status = TOOL_OK;

    if (value->kind != WSRT_JSON_OBJECT)
        return config_wrong(r, "is not an object");
    while (status == TOOL_OK && wsrt_json_next(value, &it, &name, &limits) == WSRT_OK) {
        size_t before = config_enter(r, name.text);
        status = config_read_text(r, &name, &m->limit_operation);
        if (status == TOOL_OK && !export_operation_fits(m->limit_operation))
            return config_wrong(r, "is not 1 to 255 letters, digits and _.-");
        struct config_object o = {members, COUNT(members), NULL, 0};
        if (status == TOOL_OK)
            status = config_read_object(r, &limits, &o);
        if (status == TOOL_OK && m->settings->operations.count == 0)
            status = export_add_operation(m, m->limit_operation);
        if (status == TOOL_OK)
            config_leave(r, before);
    }
    return status;
}

double export_config_limit(const struct export_model *m, wsrt_span operation, const char *row)
{
    for (size_t i = 0; i < m->limit_count; i++)
        if (wsrt_span_equal(m->limits[i].operation, operation) &&
            strcmp(m->limits[i].row, row) == 0)
            return m->limits[i].value;
    return 0;
}

/* ---- the file ---- */

/* Read before all else: graphs show the operations it names. */
static int limits_are_read(struct config_reader *r, const wsrt_json *value, void *into)
{
    (void)r;
    (void)value;
    (void)into;
    return TOOL_OK;
}

static int read_limits_first(struct config_reader *r, const wsrt_json *root)
{
    wsrt_json limits;

    if (root->kind != WSRT_JSON_OBJECT ||
        wsrt_json_find(root, wsrt_span_cstr("/limits"), &limits) != WSRT_OK)
        return TOOL_OK;
    size_t before = config_enter(r, wsrt_span_cstr("limits"));
    int status = read_limits(r, &limits);
    if (status == TOOL_OK)
        config_leave(r, before);
    return status;
}

static int read_title(struct config_reader *r, const wsrt_json *value, void *into)
{
    (void)into;
    return config_read_text(r, value, &r->model->title);
}

static int read_root(struct config_reader *r, wsrt_span text)
{
    static const struct config_member members[] = {
        {"title", read_title}, {"widgets", config_read_widgets}, {"limits", limits_are_read}};
    struct config_object o = {members, COUNT(members), NULL, 0};
    wsrt_json_error why = {0};
    wsrt_json root;

    if (wsrt_json_parse(&root, text, &why) != WSRT_OK)
        return complain(TOOL_CONFIG, "%s: byte %zu: %s", r->path, why.offset, why.text_cstr);
    int status = read_limits_first(r, &root);
    if (status == TOOL_OK)
        status = config_read_object(r, &root, &o);
    if (status == TOOL_OK && (o.seen & 3) != 0 && (o.seen & 3) != 3)
        return config_wrong(r, "a dashboard of your own needs a title and widgets");
    return status;
}

int export_config_read(struct export_model *m, const char *path)
{
    struct config_reader r = {.model = m, .path = path};
    char *text = NULL;
    size_t len = 0;
    int status = read_file("", path, TOOL_CONFIG, &text, &len);

    if (status == TOOL_OK && len > FILE_MAX)
        status = complain(TOOL_CONFIG, "%s: is longer than 1 MiB", path);
    if (status == TOOL_OK)
        status = read_root(&r, (wsrt_span){text, len});
    free(text);
    return status;
}
