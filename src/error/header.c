/* The headers of an error's rendering over HTTP. */
#include "error/envelope.h"

#include <string.h>

enum { VALUE_MOST = 128 };

static wsrt_span text(const char *text_cstr)
{
    return wsrt_span_cstr(text_cstr);
}

static int is_visible(wsrt_span value)
{
    if (value.ptr == NULL || value.len == 0 || value.len > VALUE_MOST)
        return 0;
    for (size_t i = 0; i < value.len; i++)
        if (value.ptr[i] <= 0x20 || value.ptr[i] >= 0x7f)
            return 0;
    return 1;
}

static wsrt_span header_name(size_t index)
{
    static const char *const names[] = {"Content-Type", "X-Request-ID", "X-Correlation-ID",
                                        "X-Error-Type", "X-Error-Code", "X-Debug-Mode"};

    return index < sizeof names / sizeof names[0] ? text(names[index]) : (wsrt_span){0};
}

static wsrt_span header_value(const wsrt_error *e, int form, size_t index)
{
    switch (index) {
    case 0:
        return text(form == WSRT_ERROR_FORM_PROBLEM ? "application/problem+json"
                                                    : "application/json");
    case 1:
        return e->request_id;
    case 2:
        return e->correlation_id;
    case 3:
        return wsrt_error_row(e->type)->name;
    case 4:
        return wsrt_error_code(e, wsrt_error_row(e->type));
    default:
        return form == WSRT_ERROR_FORM_DEVELOPER ? text("enabled") : (wsrt_span){0};
    }
}

int wsrt_error_header(const wsrt_error *e, int form, size_t *index, wsrt_span *name,
                      wsrt_span *value)
{
    wsrt_error room;

    if (e == NULL || index == NULL || name == NULL || value == NULL ||
        form < WSRT_ERROR_FORM_CLIENT || form > WSRT_ERROR_FORM_DEVELOPER_FRAME)
        return WSRT_ERR_INVALID;
    if ((e = wsrt_error_load(&room, e)) == NULL)
        return WSRT_ERR_INVALID;
    for (;; ++*index) {
        wsrt_span found = header_name(*index), holds = header_value(e, form, *index);
        if (found.len == 0)
            return WSRT_ERR_NOT_FOUND;
        if (!is_visible(holds))
            continue;
        *name = found;
        *value = holds;
        ++*index;
        return WSRT_OK;
    }
}
