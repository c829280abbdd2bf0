#include "scenario.h"

#include <wsrt/json.h>

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { VARIABLES = 16, NAME = 32, LINE = 32768 };

struct variable {
    char name[NAME];
    char text[256];
};

struct scenario {
    const struct scenario_driver *driver;
    void *self;
    int strict;
    const char *path;
    size_t line, played;
    char names[SCENARIO_CLIENTS][NAME];
    int here[SCENARIO_CLIENTS];
    struct variable variables[VARIABLES];
    char actual[SCENARIO_MESSAGE];
};

/* ---- captured texts ----------------------------------------------------------------------- */

static struct variable *find_variable(struct scenario *s, const char *name, size_t len)
{
    for (size_t i = 0; i < VARIABLES; i++)
        if (strncmp(s->variables[i].name, name, len) == 0 && s->variables[i].name[len] == '\0')
            return &s->variables[i];
    return NULL;
}

/* The first text of a name is kept, later ones must be the same. */
static int capture(struct scenario *s, const char *name, size_t len, const char *text)
{
    struct variable *v = find_variable(s, name, len);

    if (v != NULL)
        return strcmp(v->text, text) == 0;
    v = find_variable(s, "", 0);
    ck_assert_ptr_nonnull(v);
    snprintf(v->name, sizeof v->name, "%.*s", (int)len, name);
    snprintf(v->text, sizeof v->text, "%s", text);
    return 1;
}

/* ${name} becomes the text kept under it. */
static void expand(struct scenario *s, const char *from, char *to, size_t cap)
{
    size_t n = 0;

    while (*from != '\0' && n + 1 < cap) {
        const char *end = strncmp(from, "${", 2) == 0 ? strchr(from, '}') : NULL;
        if (end == NULL) {
            to[n++] = *from++;
            continue;
        }
        struct variable *v = find_variable(s, from + 2, (size_t)(end - from - 2));
        n += (size_t)snprintf(to + n, cap - n, "%s", v != NULL ? v->text : "");
        from = end + 1;
    }
    to[n] = '\0';
}

/* ---- matching ----------------------------------------------------------------------------- */

static int is_uuid7(const char *text)
{
    if (strlen(text) != 36 || text[14] != '7')
        return 0;
    for (size_t i = 0; i < 36; i++)
        if (i == 8 || i == 13 || i == 18 || i == 23 ? text[i] != '-'
                                                    : strchr("0123456789abcdef", text[i]) == NULL)
            return 0;
    return 1;
}

static int is_iso(const char *text)
{
    int year, month, day, hour, minute, second, ms, used = 0;

    return sscanf(text, "%4d-%2d-%2dT%2d:%2d:%2d.%3dZ%n", &year, &month, &day, &hour, &minute,
                  &second, &ms, &used) == 7 &&
           used == 24 && text[24] == '\0' && year >= 2020 && month <= 12 && day <= 31;
}

static int is_ms(const wsrt_json *value)
{
    int64_t ms;

    return wsrt_json_int64(value, &ms) == WSRT_OK && ms > 1600000000000 && ms < 4000000000000;
}

/* A placeholder as "uuid" or "uuid:name". */
static int fits(struct scenario *s, const char *holder, const wsrt_json *actual)
{
    char text[256] = "";
    size_t kind = strcspn(holder, ":"), len = 0;

    if (strcmp(holder, "any") == 0)
        return 1;
    if (strcmp(holder, "ms") == 0)
        return is_ms(actual);
    if (wsrt_json_text(actual, text, sizeof text - 1, &len) != WSRT_OK || len == 0)
        return 0;
    text[len] = '\0';
    if (strcmp(holder, "iso") == 0)
        return is_iso(text);
    if (strncmp(holder, "uuid", kind) == 0 ? !is_uuid7(text) : strncmp(holder, "text", kind) != 0)
        return 0;
    return holder[kind] == '\0' || capture(s, holder + kind + 1, strlen(holder + kind + 1), text);
}

static int match(struct scenario *s, const wsrt_json *wanted, const wsrt_json *actual);

static int match_string(struct scenario *s, const wsrt_json *wanted, const wsrt_json *actual)
{
    static char text[LINE];
    size_t len;

    if (wsrt_json_text(wanted, text, sizeof text - 1, &len) != WSRT_OK)
        return 0;
    text[len] = '\0';
    if (len > 2 && text[0] == '<' && text[len - 1] == '>') {
        char holder[64];
        snprintf(holder, sizeof holder, "%.*s", (int)len - 2, text + 1);
        return fits(s, holder, actual);
    }
    return wsrt_json_equal(actual, (wsrt_span){text, len});
}

static int find_member(const wsrt_json *object, const wsrt_json *key, wsrt_json *out)
{
    wsrt_json_iter it = {0};
    wsrt_json name;

    while (wsrt_json_next(object, &it, &name, out) == WSRT_OK)
        if (wsrt_span_equal(name.text, key->text))
            return 1;
    return 0;
}

static size_t count_members(const wsrt_json *object)
{
    wsrt_json_iter it = {0};
    wsrt_json child;

    while (wsrt_json_next(object, &it, NULL, &child) == WSRT_OK)
        ;
    return (size_t)it.count;
}

static int match_object(struct scenario *s, const wsrt_json *wanted, const wsrt_json *actual)
{
    wsrt_json_iter it = {0};
    wsrt_json key, value, found;
    size_t listed = 0;
    int open = 0;

    while (wsrt_json_next(wanted, &it, &key, &value) == WSRT_OK) {
        if (wsrt_json_equal(&key, wsrt_span_cstr("..."))) {
            open = 1;
            continue;
        }
        listed++;
        if (!find_member(actual, &key, &found) || !match(s, &value, &found))
            return 0;
    }
    return open || count_members(actual) == listed;
}

static int match_array(struct scenario *s, const wsrt_json *wanted, const wsrt_json *actual)
{
    wsrt_json_iter one = {0}, two = {0};
    wsrt_json value, found;

    while (wsrt_json_next(wanted, &one, NULL, &value) == WSRT_OK)
        if (wsrt_json_next(actual, &two, NULL, &found) != WSRT_OK || !match(s, &value, &found))
            return 0;
    return wsrt_json_next(actual, &two, NULL, &found) == WSRT_ERR_NOT_FOUND;
}

static int match(struct scenario *s, const wsrt_json *wanted, const wsrt_json *actual)
{
    if (wanted->kind == WSRT_JSON_STRING)
        return match_string(s, wanted, actual);
    if (wanted->kind != actual->kind)
        return 0;
    if (wanted->kind == WSRT_JSON_OBJECT)
        return match_object(s, wanted, actual);
    if (wanted->kind == WSRT_JSON_ARRAY)
        return match_array(s, wanted, actual);
    return wsrt_span_equal(wanted->text, actual->text);
}

/* ---- the lines ---------------------------------------------------------------------------- */

static size_t client_number(struct scenario *s, const char *name)
{
    for (size_t i = 0; i < SCENARIO_CLIENTS; i++) {
        if (s->names[i][0] == '\0')
            snprintf(s->names[i], NAME, "%.31s", name);
        if (strcmp(s->names[i], name) == 0)
            return i;
    }
    ck_abort_msg("%s:%zu: too many clients", s->path, s->line);
    return 0;
}

static void play_connect(struct scenario *s, size_t client, char *rest)
{
    char *token = strtok(rest, " "), *refused = strtok(NULL, " "), *status = strtok(NULL, " ");
    int wanted = refused != NULL && status != NULL ? atoi(status) : 0;
    int got = s->driver->connect(s->self, client, token);

    s->here[client] = got == 0;
    if (s->strict)
        ck_assert_msg(got == wanted, "%s:%zu: connect answered %d, not %d", s->path, s->line, got,
                      wanted);
}

static void play_send(struct scenario *s, size_t client, const char *rest)
{
    static char text[LINE];

    expand(s, rest, text, sizeof text);
    s->driver->send(s->self, client, text);
}

static void play_expect(struct scenario *s, size_t client, const char *rest)
{
    wsrt_json wanted, actual;

    if (!s->strict)
        return;
    ck_assert_msg(wsrt_json_parse(&wanted, wsrt_span_cstr(rest), NULL) == WSRT_OK,
                  "%s:%zu: the expectation is not JSON", s->path, s->line);
    ck_assert_msg(s->driver->receive(s->self, client, s->actual, sizeof s->actual),
                  "%s:%zu: no message came", s->path, s->line);
    ck_assert_msg(wsrt_json_parse(&actual, wsrt_span_cstr(s->actual), NULL) == WSRT_OK &&
                      match(s, &wanted, &actual),
                  "%s:%zu: wanted %s\n got %s", s->path, s->line, rest, s->actual);
}

static void play_leave(struct scenario *s, size_t client, int politely)
{
    if (s->here[client])
        (politely ? s->driver->close : s->driver->vanish)(s->self, client);
    s->here[client] = 0;
}

static void play_records(struct scenario *s, const char *rest)
{
    uint64_t wanted = strtoull(rest, NULL, 10), got = s->driver->records(s->self);

    if (s->strict)
        ck_assert_msg(got == wanted, "%s:%zu: %llu records, not %llu", s->path, s->line,
                      (unsigned long long)got, (unsigned long long)wanted);
}

static void play_publish(struct scenario *s, const char *rest)
{
    ck_assert_msg(s->driver->publish != NULL, "%s:%zu: nothing is published here", s->path,
                  s->line);
    s->driver->publish(s->self, rest);
}

static void play_line(struct scenario *s, char *line)
{
    char *verb = strchr(line, ' ');

    ck_assert_msg(verb != NULL, "%s:%zu: half a line", s->path, s->line);
    *verb++ = '\0';
    if (strcmp(line, "records") == 0) {
        play_records(s, verb);
        return;
    }
    if (strcmp(line, "publish") == 0) {
        play_publish(s, verb);
        return;
    }
    size_t client = client_number(s, line);
    char *rest = strchr(verb, ' ');
    if (rest != NULL)
        *rest++ = '\0';
    if (strcmp(verb, "connect") == 0)
        play_connect(s, client, rest != NULL ? rest : (char[]){""});
    else if (strcmp(verb, "send") == 0 && rest != NULL)
        play_send(s, client, rest);
    else if (strcmp(verb, "expect") == 0 && rest != NULL)
        play_expect(s, client, rest);
    else if (strcmp(verb, "close") == 0 || strcmp(verb, "vanish") == 0)
        play_leave(s, client, verb[0] == 'c');
    else
        ck_abort_msg("%s:%zu: no such step: %s", s->path, s->line, verb);
}

static size_t play(const char *path, const struct scenario_driver *driver, void *self, int strict)
{
    static struct scenario s;
    static char line[LINE];
    FILE *file = fopen(path, "r");

    ck_assert_msg(file != NULL, "cannot read %s", path);
    memset(&s, 0, sizeof s);
    s.driver = driver;
    s.self = self;
    s.strict = strict;
    s.path = path;
    while (fgets(line, sizeof line, file) != NULL) {
        s.line++;
        line[strcspn(line, "\n")] = '\0';
        if (line[0] == '\0' || line[0] == '#')
            continue;
        play_line(&s, line);
        s.played++;
    }
    fclose(file);
    for (size_t i = 0; i < SCENARIO_CLIENTS && !strict; i++)
        play_leave(&s, i, 1);
    return s.played;
}

const char *scenario_path(const char *name)
{
    static char path[1024];
    const char *folder = getenv("WSRT_SCENARIOS");

    ck_assert_ptr_nonnull(folder);
    snprintf(path, sizeof path, "%s/%s.scenario", folder, name);
    return path;
}

size_t scenario_play(const char *path, const struct scenario_driver *driver, void *self)
{
    return play(path, driver, self, 1);
}

size_t scenario_storm(const char *path, const struct scenario_driver *driver, void *self)
{
    return play(path, driver, self, 0);
}
