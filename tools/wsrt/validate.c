#define _GNU_SOURCE
#include "commands.h"
#include "file.h"
#include "tool.h"

#include "common/log_text.h"

#include <wsrt/json.h>
#include <wsrt/schema.h>

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { WARNINGS_MAX = 16, READ_MAX = 256 * 1024, POINTER_MAX = 1024 };
enum { PADDING = 32 }; /* readable behind every message, as the validator likes it */

struct judge {
    const struct validate_settings *settings;
    wsrt_schema *schema;
    wsrt_validate_options options;
    wsrt_issue *issues;
    void *scratch;
    size_t scratch_len;
    const char *message; /* what is being judged */
    size_t message_len;
    char *kept;       /* start of a line that one read did not bring; max_bytes + 1 */
    uint64_t pending; /* bytes of that line, also of those not kept */
    int64_t number;
    int invalid;
    int json;
};

/* ---- schemas ---- */

static int schema_failed(int rc, const wsrt_schema_error *why)
{
    if (rc == WSRT_ERR_REJECTED || rc == WSRT_ERR_MALFORMED || rc == WSRT_ERR_LIMIT)
        return complain(
            TOOL_USAGE, "schema error at %s: %s: %s", why->pointer_len == 0 ? "/" : why->pointer,
            wsrt_schema_code_name(why->code), why->text_cstr == NULL ? "" : why->text_cstr);
    return complain(rc == WSRT_ERR_NOMEM ? TOOL_INTERNAL : TOOL_USAGE, "schema error: %s",
                    wsrt_status_name(rc));
}

static uint32_t schema_flags(const struct validate_settings *s)
{
    uint32_t flags =
        (s->strict ? WSRT_SCHEMA_STRICT : 0U) | (s->assert_format ? WSRT_SCHEMA_ASSERT_FORMAT : 0U);

    if (s->dialect != NULL)
        flags |= s->dialect[0] == '2' ? WSRT_SCHEMA_DRAFT_2020_12 : WSRT_SCHEMA_DRAFT_07;
    return flags;
}

struct resources {
    wsrt_schema_resource list[OPTION_LIST_MAX];
    char *texts[OPTION_LIST_MAX];
    size_t count;
};

/* One URI=FILE. The last "=" parts them, since a URI may hold more. */
static int load_resource(struct resources *r, wsrt_span given)
{
    const char *parting = memrchr(given.ptr, '=', given.len);
    size_t uri_len = parting == NULL ? 0 : (size_t)(parting - given.ptr), len;

    if (uri_len == 0 || uri_len + 1 == given.len)
        return complain(TOOL_USAGE, "--resource: '%.*s' is not URI=FILE", (int)given.len,
                        given.ptr);
    char *path = strndup(parting + 1, given.len - uri_len - 1);
    if (path == NULL)
        return complain(TOOL_INTERNAL, "out of memory");
    int status = read_file("", path, TOOL_USAGE, &r->texts[r->count], &len);
    if (status == 0 && len > FILE_MAX)
        status = complain(TOOL_USAGE, "--resource: '%s' is larger than 1 MiB", path);
    free(path);
    r->list[r->count].uri = (wsrt_span){given.ptr, uri_len};
    r->list[r->count].text = (wsrt_span){r->texts[r->count], len};
    r->count++;
    return status;
}

static int load_resources(struct resources *r, const struct text_list *given)
{
    int status = 0;

    for (size_t i = 0; status == 0 && i < given->count; i++)
        status = load_resource(r, given->items[i]);
    return status;
}

static int compile_builtin(struct judge *j, const wsrt_schema_options *options)
{
    const char *name = j->settings->builtin;
    wsrt_schema_error why = {0};
    int rc = wsrt_schema_builtin(&j->schema, name, options);

    if (rc == WSRT_ERR_NOT_FOUND)
        return complain(TOOL_USAGE, "--builtin: there is no schema '%s'", name);
    return rc == WSRT_OK ? 0 : schema_failed(rc, &why);
}

static int compile_file(struct judge *j, const wsrt_schema_options *options)
{
    wsrt_schema_error why = {0};
    char *text = NULL;
    size_t len = 0;
    int status = read_file("--schema: ", j->settings->schema, TOOL_USAGE, &text, &len);

    if (status == 0) {
        int rc = wsrt_schema_new(&j->schema, text, len, options, &why);
        status = rc == WSRT_OK ? 0 : schema_failed(rc, &why);
    }
    free(text);
    return status;
}

static void tell_warnings(const wsrt_schema_error *list, size_t count)
{
    for (size_t i = 0; i < count && i < WARNINGS_MAX; i++)
        complain(0, "schema warning at %s: %s: %s", list[i].pointer,
                 wsrt_schema_code_name(list[i].code), list[i].text_cstr);
    if (count > WARNINGS_MAX)
        complain(0, "and %zu more schema warnings", count - WARNINGS_MAX);
}

static int load_schema(struct judge *j)
{
    wsrt_schema_error warnings[WARNINGS_MAX];
    size_t warning_count = 0;
    struct resources resources = {.count = 0};
    wsrt_schema_options options = {.struct_size = sizeof options,
                                   .flags = schema_flags(j->settings)};
    int status = load_resources(&resources, &j->settings->resource);

    options.resources = resources.list;
    options.resource_count = resources.count;
    options.warnings = warnings;
    options.warning_cap = WARNINGS_MAX;
    options.warning_count = &warning_count;
    if (status == 0)
        status =
            j->settings->builtin != NULL ? compile_builtin(j, &options) : compile_file(j, &options);
    for (size_t i = 0; i < resources.count; i++)
        free(resources.texts[i]);
    if (status == 0)
        tell_warnings(warnings, warning_count);
    return status;
}

static int print_builtin(const char *name)
{
    wsrt_span text;

    if (name == NULL)
        return complain(TOOL_USAGE, "--print needs --builtin NAME");
    if (wsrt_schema_builtin_text(name, &text) != WSRT_OK)
        return complain(TOOL_USAGE, "--builtin: there is no schema '%s'", name);
    fwrite(text.ptr, 1, text.len, stdout);
    if (text.len > 0 && text.ptr[text.len - 1] != '\n')
        putchar('\n');
    return TOOL_OK;
}

/* ---- results ---- */

static int to_stdout(void *user, const void *data, size_t len)
{
    (void)user;
    return fwrite(data, 1, len, stdout) == len ? WSRT_OK : WSRT_ERR_IO;
}

static const char *kind_name(int kind)
{
    static const char *const names[] = {"none",   "null",  "boolean", "number",
                                        "string", "array", "object"};

    return kind >= 0 && kind <= WSRT_JSON_OBJECT ? names[kind] : "none";
}

static void put_expected(wsrt_json_writer *w, const wsrt_issue *issue)
{
    wsrt_json_key(w, "expected");
    if (issue->code == WSRT_ISSUE_REQUIRED) {
        wsrt_json_string(w, issue->member);
    } else if (issue->expected_types != 0) {
        wsrt_json_array(w);
        for (int kind = WSRT_JSON_NULL; kind <= WSRT_JSON_OBJECT; kind++)
            if (issue->expected_types >> kind & 1)
                wsrt_json_string_cstr(w, kind_name(kind));
        if (issue->expected_types >> 7 & 1)
            wsrt_json_string_cstr(w, "integer");
        wsrt_json_array_end(w);
    } else if (issue->limit.len > 0) {
        wsrt_json_raw(w, issue->limit);
    } else {
        wsrt_json_write_null(w);
    }
}

static void put_issue(wsrt_json_writer *w, const struct judge *j, const wsrt_issue *issue)
{
    char pointer[POINTER_MAX];

    wsrt_json_object(w);
    wsrt_json_key(w, "code");
    wsrt_json_string_cstr(w, wsrt_issue_code_name(issue->code));
    wsrt_json_key(w, "keyword");
    wsrt_json_string_cstr(w, issue->keyword_cstr);
    wsrt_json_key(w, "instancePath");
    wsrt_issue_pointer(j->schema, j->message, j->message_len, issue, WSRT_VALIDATE_SHOW_NAMES,
                       pointer, sizeof pointer, NULL);
    wsrt_json_string_cstr(w, pointer);
    wsrt_json_key(w, "schemaPath");
    wsrt_issue_schema_pointer(j->schema, issue, pointer, sizeof pointer, NULL);
    wsrt_json_string_cstr(w, pointer);
    wsrt_json_key(w, "offset");
    wsrt_json_write_uint64(w, issue->offset);
    wsrt_json_key(w, "length");
    wsrt_json_write_uint64(w, issue->length);
    put_expected(w, issue);
    wsrt_json_key(w, "got");
    wsrt_json_string_cstr(w, kind_name(issue->got));
    wsrt_json_key(w, "message");
    wsrt_json_string_cstr(w, issue->text_cstr);
    wsrt_json_object_end(w);
}

static void print_json(const struct judge *j, int rc, const wsrt_validation *v)
{
    char buffer[4096];
    wsrt_json_writer w;

    if (rc == WSRT_OK) {
        printf("{\"line\":%" PRId64 ",\"valid\":true}\n", j->number);
        return;
    }
    wsrt_json_writer_sink(&w, buffer, sizeof buffer, WSRT_JSON_REPLACE_UTF8, to_stdout, NULL);
    wsrt_json_object(&w);
    wsrt_json_key(&w, "line");
    wsrt_json_write_int64(&w, j->number);
    wsrt_json_key(&w, "valid");
    wsrt_json_write_bool(&w, 0);
    wsrt_json_key(&w, "issues");
    wsrt_json_array(&w);
    for (size_t i = 0; i < v->issue_count; i++)
        put_issue(&w, j, &v->issues[i]);
    wsrt_json_array_end(&w);
    wsrt_json_key(&w, "total");
    wsrt_json_write_uint64(&w, v->issue_total);
    wsrt_json_key(&w, "truncated");
    wsrt_json_write_bool(&w, v->issue_total > v->issue_count);
    wsrt_json_object_end(&w);
    wsrt_json_finish(&w, NULL);
    putchar('\n');
}

/* A schema's own text may hold anything; a line of ours stays one line. */
static void put_text(const char *text)
{
    char escaped[4096];
    size_t len = wsrt_log_escape(escaped, sizeof escaped, wsrt_span_cstr(text), 0);

    fwrite(escaped, 1, len, stdout);
}

static void print_text(const struct judge *j, int rc, const wsrt_validation *v)
{
    char pointer[POINTER_MAX] = "";

    printf("%" PRId64 ": %s", j->number, rc == WSRT_OK ? "valid" : "invalid");
    if (rc != WSRT_OK && v->issue_count > 0) {
        wsrt_issue_pointer(j->schema, j->message, j->message_len, &v->issues[0],
                           WSRT_VALIDATE_SHOW_NAMES, pointer, sizeof pointer, NULL);
        printf(": ");
        put_text(pointer[0] == '\0' ? "/" : pointer);
        printf(": %s: ", wsrt_issue_code_name(v->issues[0].code));
        put_text(v->issues[0].text_cstr);
    }
    if (rc != WSRT_OK && v->issue_total > 1)
        printf(" (+%zu more)", v->issue_total - 1);
    putchar('\n');
}

/* ---- input ---- */

static int judge_message(struct judge *j, const char *message, size_t len)
{
    wsrt_validation v = {.struct_size = sizeof v,
                         .issues = j->issues,
                         .issue_cap = (size_t)j->settings->max_issues,
                         .scratch = j->scratch,
                         .scratch_cap = j->scratch_len};
    int rc = wsrt_validate(j->schema, message, len, &j->options, &v);

    if (rc == WSRT_ERR_INVALID || rc == WSRT_ERR_UNSUPPORTED)
        return complain(TOOL_INTERNAL, "cannot validate: %s", wsrt_status_name(rc));
    j->message = message;
    j->message_len = len;
    j->invalid |= rc != WSRT_OK;
    if (j->json)
        print_json(j, rc, &v);
    else
        print_text(j, rc, &v);
    return ferror(stdout) ? complain(TOOL_INTERNAL, "cannot write to stdout") : 0;
}

/* Of a line that goes on in the next read, max_bytes + 1 bytes: one more than is ever needed. */
static void keep(struct judge *j, const char *bytes, size_t len)
{
    uint64_t most = (uint64_t)j->settings->max_bytes + 1;

    if (j->pending < most) {
        uint64_t room = most - j->pending;
        memcpy(j->kept + j->pending, bytes, len < room ? len : (size_t)room);
    }
    j->pending += len;
}

static size_t kept_len(const struct judge *j)
{
    uint64_t most = (uint64_t)j->settings->max_bytes + 1;

    return (size_t)(j->pending < most ? j->pending : most);
}

/* `whole` says that all of the line is there; else its end was not kept. */
static int judge_line(struct judge *j, const char *line, size_t len, int whole)
{
    j->number++;
    if (whole && len > 0 && line[len - 1] == '\r')
        len--;
    return len == 0 ? 0 : judge_message(j, line, len);
}

static int judge_kept(struct judge *j)
{
    size_t len = kept_len(j);
    int whole = len == j->pending;

    j->pending = 0;
    return judge_line(j, j->kept, len, whole);
}

static int take(struct judge *j, const char *bytes, size_t len)
{
    const char *end;
    int status = 0;

    while (status == 0 && len > 0 && (end = memchr(bytes, '\n', len)) != NULL) {
        size_t n = (size_t)(end - bytes);
        if (j->pending == 0) {
            status = judge_line(j, bytes, n, 1);
        } else {
            keep(j, bytes, n);
            status = judge_kept(j);
        }
        bytes += n + 1;
        len -= n + 1;
    }
    keep(j, bytes, len);
    return status;
}

static int finish_input(struct judge *j)
{
    if (!j->settings->whole)
        return j->pending > 0 ? judge_kept(j) : 0;
    j->number = 1;
    return judge_message(j, j->kept, kept_len(j));
}

/* What was judged is told before more is waited for. */
static ssize_t read_more(int fd, char *buffer, int *status)
{
    ssize_t n;

    if (fflush(stdout) != 0) {
        *status = complain(TOOL_INTERNAL, "cannot write to stdout");
        return 0;
    }
    do
        n = read(fd, buffer, READ_MAX);
    while (n < 0 && errno == EINTR);
    return n;
}

static int judge_file(struct judge *j, const char *path)
{
    static char buffer[READ_MAX + PADDING];
    int standard = path == NULL || strcmp(path, "-") == 0;
    int fd = standard ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = -1;
    int status = 0;

    while (fd >= 0 && status == 0 && (n = read_more(fd, buffer, &status)) > 0)
        if (j->settings->whole)
            keep(j, buffer, (size_t)n);
        else
            status = take(j, buffer, (size_t)n);
    if (n < 0)
        status = complain(TOOL_USAGE, "cannot read '%s': %s", standard ? "stdin" : path,
                          strerror(errno));
    if (fd >= 0 && !standard)
        close(fd);
    if (status == 0)
        status = finish_input(j);
    return status == 0 && fflush(stdout) != 0 ? complain(TOOL_INTERNAL, "cannot write to stdout")
                                              : status;
}

static int allocate(struct judge *j)
{
    j->options =
        (wsrt_validate_options){.struct_size = sizeof j->options,
                                .flags = WSRT_VALIDATE_COLLECT_ALL | WSRT_VALIDATE_INPUT_PADDED,
                                .max_bytes = (uint64_t)j->settings->max_bytes,
                                .max_depth = (uint32_t)j->settings->max_depth};
    j->scratch_len = wsrt_schema_scratch(j->schema, &j->options);
    j->scratch = malloc(j->scratch_len + 1);
    j->issues = calloc((size_t)j->settings->max_issues, sizeof *j->issues);
    j->kept = malloc((size_t)j->settings->max_bytes + 1 + PADDING);
    if (j->scratch == NULL || j->issues == NULL || j->kept == NULL)
        return complain(TOOL_INTERNAL, "out of memory");
    return 0;
}

int run_validate(struct options *o, char **operands)
{
    struct judge j = {.settings = o->settings};
    const struct validate_settings *s = o->settings;

    if (s->print)
        return print_builtin(s->builtin);
    if ((s->schema == NULL) == (s->builtin == NULL))
        return complain(TOOL_USAGE, "validate needs either --schema FILE or --builtin NAME");
    j.json = strcmp(s->format, "json") == 0;
    int status = load_schema(&j);
    if (status == 0)
        status = allocate(&j);
    if (status == 0)
        status = judge_file(&j, operands[0]);
    wsrt_schema_free(j.schema);
    free(j.issues);
    free(j.scratch);
    free(j.kept);
    return status != 0 ? status : j.invalid ? TOOL_UNMET : TOOL_OK;
}
