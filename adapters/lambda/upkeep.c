#include "lambda/upkeep.h"

#include "common/support.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define SECOND_NS INT64_C(1000000000)

enum { MAX_DOCUMENT = 65536, REREAD_S = 60 };

/* ---- log ---------------------------------------------------------------------------------- */

static void tell(const wsrt_lambda_upkeep *u, int level, const char *event, const char *reason,
                 const char *pointer)
{
    const wsrt_field fields[] = {
        {.name_cstr = "reason", .kind = WSRT_FIELD_TEXT, .text = wsrt_span_cstr(reason)},
        {.name_cstr = "pointer", .kind = WSRT_FIELD_TEXT, .text = wsrt_span_cstr(pointer)},
    };

    u->env->log(u->env->user, level, event, fields, pointer != NULL ? 2 : 1);
}

/* ---- metrics ------------------------------------------------------------------------------ */

static int keep_line(const void *data, size_t len, void *user)
{
    wsrt_lambda_upkeep *u = user;

    if (len > u->cap - u->len) {
        size_t cap = u->cap == 0 ? 4096 : u->cap;
        while (cap - u->len < len)
            cap *= 2;
        char *grown = wsrt_adapter_realloc(u->allocator, u->lines, u->cap, cap);
        if (grown == NULL)
            return WSRT_ERR_NOMEM;
        u->lines = grown;
        u->cap = cap;
    }
    memcpy(u->lines + u->len, data, len);
    u->len += len;
    return WSRT_OK;
}

static int write_lines(const wsrt_lambda_upkeep *u)
{
    for (size_t at = 0; at < u->len;) {
        ssize_t n = write(u->metrics_fd, u->lines + at, u->len - at);
        if (n < 0 && errno != EINTR)
            return WSRT_ERR_IO;
        at += n > 0 ? (size_t)n : 0;
    }
    return WSRT_OK;
}

static void write_metrics(wsrt_lambda_upkeep *u)
{
    const wsrt_export_options how = {.struct_size = sizeof how,
                                     .format = WSRT_EXPORT_EMF,
                                     .wall = u->env->wall(u->env->user),
                                     .since = u->reader};

    u->len = 0;
    int rc = wsrt_monitor_export(wsrt_runtime_monitor(u->rt), &how, keep_line, u);
    if (rc == WSRT_OK)
        rc = write_lines(u);
    if (rc != WSRT_OK)
        tell(u, WSRT_LEVEL_WARN, "lambda_metrics_lost", wsrt_status_name(rc), NULL);
}

/* ---- breakers ----------------------------------------------------------------------------- */

/* Reads the whole file into memory of MAX_DOCUMENT + 1 bytes. */
static int read_file(const char *path, char *dst, size_t *len)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = 1;

    *len = 0;
    if (fd < 0)
        return WSRT_ERR_IO;
    while (n > 0 && *len <= MAX_DOCUMENT) {
        n = read(fd, dst + *len, MAX_DOCUMENT + 1 - *len);
        if (n < 0 && errno == EINTR)
            n = 1;
        else if (n > 0)
            *len += (size_t)n;
    }
    close(fd);
    if (n < 0)
        return WSRT_ERR_IO;
    return *len > MAX_DOCUMENT ? WSRT_ERR_TOO_LARGE : WSRT_OK;
}

static int configure(const wsrt_lambda_upkeep *u, wsrt_span document)
{
    wsrt_breakers_error why = {0};
    int rc = wsrt_breakers_configure(wsrt_runtime_breakers(u->rt), document,
                                     WSRT_RECONFIGURE_EXISTING, u->read_at, &why);

    if (rc == WSRT_ERR_MALFORMED || rc == WSRT_ERR_REJECTED)
        tell(u, WSRT_LEVEL_ERROR, "lambda_breakers_refused", why.text_cstr, why.pointer);
    else if (rc != WSRT_OK)
        tell(u, WSRT_LEVEL_ERROR, "lambda_breakers_refused", wsrt_status_name(rc), NULL);
    return rc;
}

static int replace_document(wsrt_lambda_upkeep *u, const char *text, size_t len)
{
    if (u->document != NULL && len == u->document_len && memcmp(u->document, text, len) == 0)
        return WSRT_OK; /* as it was */
    char *kept = wsrt_adapter_realloc(u->allocator, NULL, 0, len + 1);
    if (kept == NULL)
        return WSRT_ERR_NOMEM;
    memcpy(kept, text, len);
    /* Kept even when it is refused: the log says it once, not every minute. */
    if (u->document != NULL)
        wsrt_adapter_realloc(u->allocator, u->document, u->document_len + 1, 0);
    u->document = kept;
    u->document_len = len;
    return configure(u, (wsrt_span){kept, len});
}

static int read_document(const wsrt_lambda_upkeep *u, char *dst, size_t *len)
{
    int rc = WSRT_ERR_UNSUPPORTED;

    *len = 0;
    if (u->read != NULL)
        rc = u->read(u->breakers, dst, MAX_DOCUMENT + 1, len, u->read_user);
    if (rc == WSRT_ERR_UNSUPPORTED)
        return read_file(u->breakers, dst, len);
    return rc >= 0 && *len > MAX_DOCUMENT ? WSRT_ERR_TOO_LARGE : rc;
}

static int read_breakers(wsrt_lambda_upkeep *u)
{
    char *text = wsrt_adapter_realloc(u->allocator, NULL, 0, MAX_DOCUMENT + 1);
    size_t len;

    u->read_at = u->env->now(u->env->user);
    if (text == NULL)
        return WSRT_ERR_NOMEM;
    int rc = read_document(u, text, &len);
    if (rc == WSRT_OK)
        rc = replace_document(u, text, len);
    else
        tell(u, WSRT_LEVEL_ERROR, "lambda_breakers_unreadable", wsrt_status_name(rc), NULL);
    wsrt_adapter_realloc(u->allocator, text, MAX_DOCUMENT + 1, 0);
    return rc;
}

/* ---- life --------------------------------------------------------------------------------- */

/* Breakers are there for the time when a service is not: a start must not need one. */
static int may_come_later(int rc)
{
    return rc == WSRT_ERR_UNAVAILABLE || rc == WSRT_ERR_THROTTLED || rc == WSRT_ERR_TIMEOUT;
}

int wsrt_lambda_upkeep_start(wsrt_lambda_upkeep *u, wsrt_runtime *rt, const wsrt_lambda_options *o)
{
    const char *breakers = o->breakers_cstr;
    int rc = WSRT_OK;

    *u = (wsrt_lambda_upkeep){.rt = rt,
                              .env = wsrt_runtime_env(rt),
                              .allocator = &o->allocator,
                              .metrics_fd = o->metrics_fd,
                              .breakers = breakers != NULL && *breakers != '\0' ? breakers : NULL,
                              .read = o->document,
                              .read_user = o->document_user};
    if (o->metrics_fd >= 0)
        rc = wsrt_monitor_reader_new(&u->reader, wsrt_runtime_monitor(rt));
    if (rc == WSRT_OK && u->breakers != NULL)
        rc = read_breakers(u);
    return may_come_later(rc) ? WSRT_OK : rc;
}

void wsrt_lambda_upkeep_run(wsrt_lambda_upkeep *u)
{
    int64_t now = u->env->now(u->env->user);

    if (now >= wsrt_runtime_next_deadline(u->rt))
        wsrt_runtime_tick(u->rt, now, u->env->wall(u->env->user));
    if (u->reader != NULL)
        write_metrics(u);
    if (u->breakers != NULL && now - u->read_at >= REREAD_S * SECOND_NS)
        (void)read_breakers(u);
}

void wsrt_lambda_upkeep_free(wsrt_lambda_upkeep *u)
{
    wsrt_monitor_reader_free(u->reader);
    if (u->lines != NULL)
        wsrt_adapter_realloc(u->allocator, u->lines, u->cap, 0);
    if (u->document != NULL)
        wsrt_adapter_realloc(u->allocator, u->document, u->document_len + 1, 0);
    *u = (wsrt_lambda_upkeep){0};
}
