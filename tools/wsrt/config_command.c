/* `wsrt config`: what serve would run with, judged or shown. */
#include "breakers_file.h"
#include "commands.h"
#include "rules.h"
#include "service.h"
#include "tool.h"

#include <wsrt/json.h>

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { PIECE = 1024, PLACE = 1200 };

static int print(void *file, const void *bytes, size_t len)
{
    return fwrite(bytes, 1, len, file) == len ? WSRT_OK : WSRT_ERR_IO;
}

/* ---- values ---- */

/* In the largest unit that it is whole in. */
static void put_duration(wsrt_json_writer *w, int64_t ms)
{
    static const struct {
        int64_t ms;
        const char *unit;
    } units[] = {{MS_PER_DAY, "d"}, {3600000, "h"}, {60000, "m"}, {1000, "s"}, {1, "ms"}};
    char text[32];
    size_t i = 0;

    while (ms % units[i].ms != 0)
        i++;
    snprintf(text, sizeof text, "%" PRId64 "%s", ms / units[i].ms, ms == 0 ? "s" : units[i].unit);
    wsrt_json_string_cstr(w, text);
}

static void put_number(wsrt_json_writer *w, const struct option_row *row, int64_t value, int given)
{
    if (value == 0 && !given && row->fallback == NULL) {
        wsrt_json_write_null(w); /* the library's own */
        return;
    }
    value = value < 0 ? 0 : value;
    if (row->kind == OPTION_DURATION)
        put_duration(w, value);
    else
        wsrt_json_write_int64(w, value);
}

static void put_list(wsrt_json_writer *w, const struct option_row *row,
                     const struct text_list *list)
{
    wsrt_json_array(w);
    for (size_t i = 0; i < list->count; i++)
        if (row->masked)
            wsrt_json_string_cstr(w, "***");
        else
            wsrt_json_string(w, list->items[i]);
    wsrt_json_array_end(w);
}

static void put_text(wsrt_json_writer *w, const struct option_row *row, const char *text)
{
    if (text == NULL)
        wsrt_json_write_null(w);
    else
        wsrt_json_string_cstr(w, row->secret || row->masked ? "***" : text);
}

static void put_value(wsrt_json_writer *w, const struct options *o, size_t i)
{
    const struct option_row *row = option_row(o->command, i);
    const void *slot = option_slot(o, i);

    switch (row->kind) {
    case OPTION_FLAG:
        wsrt_json_write_bool(w, *(const int32_t *)slot);
        break;
    case OPTION_LIST:
        put_list(w, row, slot);
        break;
    case OPTION_INTEGER:
    case OPTION_DURATION:
    case OPTION_SIZE:
        put_number(w, row, *(const int64_t *)slot, o->from[i].source != OPTION_DEFAULT);
        break;
    case OPTION_TEXT:
    case OPTION_CHOICE:
    case OPTION_CONFIG:
        put_text(w, row, *(const char *const *)slot);
        break;
    }
}

/* ---- their sources ---- */

static void put_place(wsrt_json_writer *w, const struct options *o, size_t i)
{
    const struct option_row *row = option_row(o->command, i);
    char text[PLACE] = "";

    wsrt_json_key(w, "place");
    switch (o->from[i].source) {
    case OPTION_DEFAULT:
        wsrt_json_write_null(w);
        return;
    case OPTION_FILE:
        snprintf(text, sizeof text, "%.1100s:%zu", o->config, o->from[i].line);
        break;
    case OPTION_VARIABLE:
        option_variable(row, text, sizeof text);
        break;
    case OPTION_ARGUMENT:
        snprintf(text, sizeof text, "--%s", row->name);
        break;
    }
    wsrt_json_string_cstr(w, text);
}

static void put_row(const struct options *o, size_t i, int with_place)
{
    static const char *const sources[] = {
        [OPTION_DEFAULT] = "default",
        [OPTION_FILE] = "file",
        [OPTION_VARIABLE] = "environment",
        [OPTION_ARGUMENT] = "option",
    };
    char piece[PIECE];
    wsrt_json_writer w;

    printf("%s\n  \"%s\": ", i == 0 ? "{" : ",", option_row(o->command, i)->name);
    wsrt_json_writer_sink(&w, piece, sizeof piece, WSRT_JSON_REPLACE_UTF8, print, stdout);
    wsrt_json_object(&w);
    wsrt_json_key(&w, "value");
    put_value(&w, o, i);
    wsrt_json_key(&w, "source");
    wsrt_json_string_cstr(&w, sources[o->from[i].source]);
    if (with_place)
        put_place(&w, o, i);
    wsrt_json_object_end(&w);
    (void)wsrt_json_finish(&w, NULL); /* main sees that stdout failed */
}

/* Options of serve alone: `config`'s own are no setting of anything. */
static void show(const struct options *o, int with_places)
{
    for (size_t i = 0; i < o->command->table->count; i++)
        put_row(o, i, with_places);
    puts("\n}");
}

int run_config(struct options *o, char **operands)
{
    const struct config_settings *s = o->settings;
    int checks = strcmp(operands[0], "check") == 0;

    if (!checks && strcmp(operands[0], "show") != 0)
        return complain(TOOL_USAGE, "config: '%s' is neither check nor show", operands[0]);
    int status = serve_check(o);
    if (status == 0)
        status = service_try(o);
    if (s->serve.breakers != NULL) {
        int fault = breakers_file_check(s->serve.breakers);
        status = status == 0 ? fault : status;
    }
    if (status != 0)
        return status;
    if (checks)
        puts("ok");
    else
        show(o, s->origin);
    return TOOL_OK;
}
