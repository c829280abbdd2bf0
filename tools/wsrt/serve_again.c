/* What HUP does: file and environment are read again. */
#define _GNU_SOURCE
#include "breakers_file.h"
#include "rules.h"
#include "service.h"
#include "tool.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { LOOKS = 1000 };

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

static const struct options *in_force(const struct service *v)
{
    return v->again.settings != NULL ? &v->again : v->options;
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

static int read_again(struct service *v, struct options *fresh)
{
    const struct options *o = v->options;
    int first = 0, status = options_read(fresh, o->command, o->argc, o->argv, &first);

    if (status != -1)
        return status == 0 ? TOOL_USAGE : status;
    const struct serve_settings *s = fresh->settings;
    keep_sockets(v, fresh->settings);
    status = serve_check(fresh);
    if (s->breakers != NULL) {
        int fault = breakers_file_check(s->breakers);
        status = status == 0 ? fault : status;
    }
    return status;
}

/* ---- taking ---- */

static uint64_t certificates_read(const struct service *v)
{
    wsrt_server_stats stats = {.struct_size = sizeof stats};

    if (wsrt_server_get_stats(v->server, &stats) != WSRT_OK)
        return 0;
    return stats.certificates_loaded + stats.certificates_refused;
}

/* The server's loop reads it, and tells how that went. */
static void reload_certificate(const struct service *v)
{
    const struct timespec a_while = {.tv_nsec = 5 * 1000000};
    uint64_t before = certificates_read(v);

    if (v->settings->tls_cert == NULL || wsrt_server_reload_certificate(v->server) != WSRT_OK)
        return;
    for (int i = 0; i < LOOKS && certificates_read(v) == before; i++)
        nanosleep(&a_while, NULL);
}

/* Against what was taken last, so that each change is told once. */
static void name_what_waits(struct service *v, const struct options *fresh)
{
    for (size_t i = 0; i < fresh->command->table->count; i++) {
        const struct option_row *row = option_row(fresh->command, i);
        if (!row->live && row->kind != OPTION_CONFIG && option_differs(in_force(v), fresh, i))
            tell(v, WSRT_LEVEL_WARN, "reload.needs_restart", "option", row->name);
    }
}

static int take(struct service *v, const struct serve_settings *s)
{
    reload_certificate(v);
    if (s->breakers == NULL)
        return 0;
    return breakers_file_apply(s->breakers, v->breakers, service_now(v));
}

static int reads_files(const struct options *o)
{
    const struct serve_settings *s = o->settings;

    return o->config != NULL || s->breakers != NULL || s->tls_cert != NULL;
}

void service_again(void *user)
{
    struct service *v = user;
    struct options fresh;

    complaints_go_to(note_fault, v);
    int status = read_again(v, &fresh);
    if (status == 0)
        status = take(v, fresh.settings);
    complaints_go_to(NULL, NULL);
    const char *file = v->options->config == NULL ? "" : v->options->config;
    if (status != 0) {
        options_free(&fresh);
        tell(v, WSRT_LEVEL_ERROR, "reload.refused", "file", file);
        return;
    }
    name_what_waits(v, &fresh);
    log_set_level(&v->live.log, service_level(fresh.settings));
    int has_files = reads_files(&fresh);
    options_free(&v->again);
    v->again = fresh;
    tell(v, WSRT_LEVEL_INFO, has_files ? "reload.taken" : "reload.nothing", "file", file);
}
