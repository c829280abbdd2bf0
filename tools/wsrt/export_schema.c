/* The schema of the configuration file, from the option table. */
#include "export.h"

#include <stdio.h>
#include <string.h>

static void put_pair(wsrt_json_writer *w, const char *name, const char *text)
{
    wsrt_json_key(w, name);
    wsrt_json_string_cstr(w, text);
}

static void put_type(wsrt_json_writer *w, const char *type)
{
    put_pair(w, "type", type);
}

static void put_bounds(wsrt_json_writer *w, int64_t least, int64_t most)
{
    wsrt_json_key(w, "minimum");
    wsrt_json_write_int64(w, least);
    if (most == 0)
        return;
    wsrt_json_key(w, "maximum");
    wsrt_json_write_int64(w, most);
}

/* A text with a unit, or a number of the plain unit. */
static void put_measure(wsrt_json_writer *w, const char *pattern)
{
    wsrt_json_key(w, "type");
    wsrt_json_array(w);
    wsrt_json_string_cstr(w, "string");
    wsrt_json_string_cstr(w, "integer");
    wsrt_json_array_end(w);
    put_pair(w, "pattern", pattern);
    put_bounds(w, 0, 0);
}

static void put_choices(wsrt_json_writer *w, const char *choices)
{
    wsrt_json_key(w, "enum");
    wsrt_json_array(w);
    while (*choices != '\0') {
        size_t len = strcspn(choices, "|");
        wsrt_json_string(w, (wsrt_span){choices, len});
        choices += len + (choices[len] == '|');
    }
    wsrt_json_array_end(w);
}

static void put_list(wsrt_json_writer *w)
{
    put_type(w, "array");
    wsrt_json_key(w, "items");
    wsrt_json_object(w);
    put_type(w, "string");
    wsrt_json_object_end(w);
    wsrt_json_key(w, "maxItems");
    wsrt_json_write_int64(w, OPTION_LIST_MAX);
}

static void put_kind(wsrt_json_writer *w, const struct option_row *row)
{
    switch (row->kind) {
    case OPTION_FLAG:
        put_type(w, "boolean");
        break;
    case OPTION_LIST:
        put_list(w);
        break;
    case OPTION_INTEGER:
        put_type(w, "integer");
        put_bounds(w, row->least, row->most);
        break;
    case OPTION_DURATION:
        put_measure(w, "^[0-9]+(ms|s|m|h|d)?$");
        break;
    case OPTION_SIZE:
        put_measure(w, "^[0-9]+(B|KiB|MiB|GiB)?$");
        break;
    case OPTION_CHOICE:
        put_choices(w, row->argument);
        break;
    case OPTION_TEXT:
    case OPTION_CONFIG:
        put_type(w, "string");
        break;
    }
}

static void put_default(wsrt_json_writer *w, const struct option_row *row)
{
    wsrt_json_key(w, "default");
    if (row->kind == OPTION_LIST)
        wsrt_json_array(w);
    if (row->kind == OPTION_INTEGER)
        wsrt_json_write_int64(w, parse_integer(row->fallback));
    else
        wsrt_json_string_cstr(w, row->fallback);
    if (row->kind == OPTION_LIST)
        wsrt_json_array_end(w);
}

static void put_member(wsrt_json_writer *w, const struct option_row *row)
{
    char name[96];

    snprintf(name, sizeof name, "%s%s", row->name, row->secret ? "-file" : "");
    wsrt_json_key(w, name);
    wsrt_json_object(w);
    put_kind(w, row);
    snprintf(name, sizeof name, "file that holds the %s", row->help);
    put_pair(w, "description", row->secret ? name : row->help);
    if (row->fallback != NULL)
        put_default(w, row);
    wsrt_json_object_end(w);
}

int export_config_schema(const struct export_model *m, struct export_text *out)
{
    struct export_text json = {0};
    char buffer[512];
    wsrt_json_writer w;

    (void)m;
    wsrt_json_writer_sink(&w, buffer, sizeof buffer, 0, text_sink, &json);
    wsrt_json_object(&w);
    put_pair(&w, "$schema", "https://json-schema.org/draft/2020-12/schema");
    put_pair(&w, "title", "Configuration file of wsrt serve");
    put_type(&w, "object");
    wsrt_json_key(&w, "properties");
    wsrt_json_object(&w);
    wsrt_json_key(&w, "$schema");
    wsrt_json_object(&w);
    put_type(&w, "string");
    wsrt_json_object_end(&w);
    for (size_t i = 0; i < serve_table.count; i++)
        if (serve_table.rows[i].kind != OPTION_CONFIG)
            put_member(&w, &serve_table.rows[i]);
    wsrt_json_object_end(&w);
    wsrt_json_key(&w, "additionalProperties");
    wsrt_json_write_bool(&w, 0);
    wsrt_json_object_end(&w);
    return export_json_end(&w, &json, NULL, out);
}
