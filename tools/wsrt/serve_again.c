/* What HUP does: file and environment are read again. */
#define _GNU_SOURCE
#include "breakers_file.h"
#include "rules.h"
#include "service.h"
#include "tool.h"

#include <string.h>

static void tell(const struct service *v, int level, const char *event, const char *name,
                 const char *value)
{
    wsrt_field field = {.name_cstr = name, .text = wsrt_span_cstr(value), .kind = WSRT_FIELD_TEXT};

    v->env.log(v->env.user, level, event, &field, 1);
}

static void note_fault(void *service, const char *text)
{
    tell(service, WSRT_LEVEL_ERROR, "reload.fault", "fault", text);
}

/* ---- reading ---- */

static int is_handed_over(const struct text_list *list)
{
    return list->count > 0 && strncmp(list->items[0].ptr, "fd:", 3) == 0;
}

/* Sockets of a service manager stay what they are. */
static void keep_sockets(const struct service *v, struct serve_settings *s)
{
    if (is_handed_over(&v->settings->listen))
        s->listen = v->settings->listen;
    if (is_handed_over(&v->settings->admin))
        s->admin = v->settings->admin;
}

static int read_again(struct service *v, struct options *fresh, struct breakers_file *breakers)
{
    const struct options *o = v->options;
    int first = 0, status = options_read(fresh, o->command, o->argc, o->argv, &first);

    if (status != -1)
        return status == 0 ? TOOL_USAGE : status;
    const struct serve_settings *s = fresh->settings;
    keep_sockets(v, fresh->settings);
    status = serve_check(fresh);
    if (status == 0)
        status = service_try(fresh);
    if (s->breakers != NULL) {
        int fault = breakers_file_load(breakers, s->breakers);
        status = status == 0 ? fault : status;
    }
    return status;
}

/* ---- taking ---- */

static void name_what_waits(const struct service *v, const struct options *fresh)
{
    for (size_t i = 0; i < fresh->command->table->count; i++) {
        const struct option_row *row = option_row(fresh->command, i);
        if (!row->live && option_differs(v->options, fresh, i))
            tell(v, WSRT_LEVEL_WARN, "reload.needs_restart", "option", row->name);
    }
}

/* What only a new server would heed is as it was: it is named by option here. */
static void keep_start(struct service *v, wsrt_server_options *opts)
{
    wsrt_server_options start;

    service_options(v, v->settings, &start);
    opts->flags = start.flags;
    opts->listen = start.listen;
    opts->listen_count = start.listen_count;
    opts->admin = start.admin;
    opts->admin_count = start.admin_count;
    opts->stage = start.stage;
    opts->app = start.app;
    opts->loops = start.loops;
    opts->workers = start.workers;
    opts->accept_rate = start.accept_rate;
    opts->sign_in_ms = start.sign_in_ms;
}

/* The server judges last: what it takes, the breakers take too, which have been judged. */
static int take(struct service *v, const struct options *fresh,
                const struct breakers_file *breakers)
{
    const struct serve_settings *s = fresh->settings;
    wsrt_server_options opts;

    service_options(v, s, &opts);
    keep_start(v, &opts);
    if (wsrt_server_reload(v->server, &opts) != WSRT_OK)
        return TOOL_CONFIG;
    if (breakers->text != NULL)
        breakers_file_apply(breakers, v->breakers, service_now(v));
    log_set_level(&v->live.log, service_level(s));
    name_what_waits(v, fresh);
    return 0;
}

void service_again(void *user)
{
    struct service *v = user;
    const char *file = v->options->config == NULL ? "" : v->options->config;
    struct breakers_file breakers = {.text = NULL};
    struct options fresh;

    complaints_go_to(note_fault, v);
    int status = read_again(v, &fresh, &breakers);
    if (status != 0)
        (void)wsrt_server_reload(v->server, NULL); /* counts it */
    else
        status = take(v, &fresh, &breakers);
    complaints_go_to(NULL, NULL);
    breakers_file_free(&breakers);
    options_free(&fresh);
    if (status == 0)
        tell(v, WSRT_LEVEL_INFO, "reload.taken", "file", file);
    else
        tell(v, WSRT_LEVEL_ERROR, "reload.refused", "file", file);
}
