#define _GNU_SOURCE
#include "export.h"
#include "tool.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- texts ---- */

int text_sink(void *text, const void *bytes, size_t len)
{
    struct export_text *t = text;
    size_t cap = t->cap == 0 ? 4096 : t->cap;

    if (t->failed)
        return WSRT_ERR_NOMEM;
    while (cap - t->len < len)
        cap *= 2;
    char *grown = cap == t->cap ? t->bytes : realloc(t->bytes, cap);
    if (grown == NULL) {
        t->failed = 1;
        return WSRT_ERR_NOMEM;
    }
    t->bytes = grown;
    t->cap = cap;
    memcpy(t->bytes + t->len, bytes, len);
    t->len += len;
    return WSRT_OK;
}

void text_put(struct export_text *t, const char *text)
{
    text_sink(t, text, strlen(text));
}

void text_span(struct export_text *t, wsrt_span s)
{
    text_sink(t, s.ptr, s.len);
}

void text_number(struct export_text *t, double v)
{
    char digits[64];
    wsrt_json_writer w;
    size_t len = 0;

    wsrt_json_writer_init(&w, digits, sizeof digits, 0);
    wsrt_json_write_double(&w, v);
    wsrt_json_finish(&w, &len);
    text_sink(t, digits, len);
}

void text_quoted(struct export_text *t, wsrt_span s)
{
    char buffer[512];
    wsrt_json_writer w;

    wsrt_json_writer_sink(&w, buffer, sizeof buffer, 0, text_sink, t);
    wsrt_json_string(&w, s);
    wsrt_json_finish(&w, NULL);
}

static void new_line(struct export_text *t, size_t depth)
{
    text_put(t, "\n");
    for (size_t i = 0; i < depth; i++)
        text_put(t, "  ");
}

/* A string begins at `i`; the place behind it. */
static size_t copy_string(struct export_text *t, const struct export_text *json, size_t i)
{
    size_t start = i++;

    while (i < json->len && json->bytes[i] != '"')
        i += json->bytes[i] == '\\' ? 2 : 1;
    text_sink(t, json->bytes + start, i + 1 - start);
    return i + 1;
}

static void text_indented(struct export_text *t, const struct export_text *json)
{
    size_t depth = 0;

    for (size_t i = 0; i < json->len;) {
        char c = json->bytes[i];
        int is_empty =
            i + 1 < json->len && (json->bytes[i + 1] == '}' || json->bytes[i + 1] == ']');
        if (c == '"') {
            i = copy_string(t, json, i);
            continue;
        }
        if (c == '}' || c == ']')
            new_line(t, --depth);
        text_sink(t, &c, 1);
        if ((c == '{' || c == '[') && is_empty)
            text_sink(t, &json->bytes[++i], 1);
        else if (c == '{' || c == '[')
            new_line(t, ++depth);
        else if (c == ',')
            new_line(t, depth);
        else if (c == ':')
            text_put(t, " ");
        i++;
    }
    text_put(t, "\n");
}

int export_json_end(wsrt_json_writer *w, struct export_text *json, struct export_text *part,
                    struct export_text *out)
{
    int rc = wsrt_json_finish(w, NULL);

    if (rc == WSRT_OK)
        text_indented(out, json);
    out->failed |= rc != WSRT_OK || json->failed || (part != NULL && part->failed);
    free(json->bytes);
    free(part == NULL ? NULL : part->bytes);
    return TOOL_OK;
}

/* ---- the command ---- */

enum part { ALARMS = 1, GRAPHS = 2 };

static const struct output {
    const char *name;
    int (*write)(const struct export_model *m, struct export_text *out);
    int parts;
} outputs[] = {
    {"cloudwatch-dashboard", export_dashboard, GRAPHS},
    {"cloudwatch-alarms", export_alarms, ALARMS},
    {"cloudformation", export_cloudformation, ALARMS | GRAPHS},
    {"terraform", export_terraform, ALARMS | GRAPHS},
    {"grafana", export_grafana, GRAPHS},
    {"prometheus-rules", export_rules, ALARMS},
    {"completion-bash", export_completion_bash, 0},
    {"completion-zsh", export_completion_zsh, 0},
    {"completion-fish", export_completion_fish, 0},
    {"config-schema", export_config_schema, 0},
};

static const struct output *find_output(const char *name)
{
    for (size_t i = 0; i < sizeof outputs / sizeof *outputs; i++)
        if (strcmp(outputs[i].name, name) == 0)
            return &outputs[i];
    return NULL;
}

static int save(const struct export_text *t, const char *path)
{
    FILE *file = path == NULL ? stdout : fopen(path, "we");

    if (file == NULL)
        return complain(TOOL_NO_CREATE, "cannot create '%s': %s", path, strerror(errno));
    int failed = fwrite(t->bytes, 1, t->len, file) != t->len;
    if (path == NULL) /* main flushes it */
        return failed ? complain(TOOL_INTERNAL, "cannot write to stdout") : TOOL_OK;
    failed |= fclose(file) != 0;
    return failed ? complain(TOOL_NO_CREATE, "cannot write '%s': %s", path, strerror(errno))
                  : TOOL_OK;
}

int run_export(struct options *o, char **operands)
{
    const struct export_settings *s = o->settings;
    const struct output *output = find_output(operands[0]);
    struct export_model model = {0};
    struct export_text text = {0};

    if (output == NULL)
        return complain(TOOL_USAGE, "export: there is no '%s': see wsrt export --help",
                        operands[0]);
    if (output->parts != (ALARMS | GRAPHS) && strcmp(s->part, "monitoring") != 0)
        return complain(TOOL_USAGE, "--part %s is for cloudformation and terraform", s->part);
    int status =
        output->parts == 0 ? TOOL_OK : export_model_build(&model, s, output->parts & ALARMS);
    if (status == TOOL_OK)
        status = output->write(&model, &text);
    if (status == TOOL_OK && text.failed)
        status = complain(TOOL_INTERNAL, "out of memory");
    if (status == TOOL_OK)
        status = save(&text, s->output);
    free(text.bytes);
    export_model_free(&model);
    return status;
}
