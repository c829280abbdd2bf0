#include "breakers_file.h"

#include "file.h"
#include "tool.h"

#include <stdlib.h>

int breakers_file_apply(const char *path, wsrt_breakers *into, int64_t now)
{
    wsrt_breakers_error why = {.text_cstr = ""};
    char *text;
    size_t len;
    int status = read_file(path, TOOL_CONFIG, &text, &len);
    int rc = WSRT_OK;

    if (status == 0 && len > FILE_MAX)
        status = complain(TOOL_CONFIG, "%s is too long", path);
    if (status == 0)
        rc = wsrt_breakers_configure(into, (wsrt_span){text, len}, WSRT_RECONFIGURE_EXISTING, now,
                                     &why);
    free(text);
    if (rc == WSRT_OK)
        return status;
    if (rc == WSRT_ERR_MALFORMED || rc == WSRT_ERR_REJECTED)
        return complain(TOOL_CONFIG, "%s: byte %zu, '%s': %s", path, why.offset, why.pointer,
                        why.text_cstr);
    return complain(TOOL_INTERNAL, "%s: %s", path, wsrt_status_name(rc));
}

int breakers_file_check(const char *path)
{
    wsrt_breakers *scratch = NULL;
    int rc = wsrt_breakers_new(&scratch, NULL);

    if (rc != WSRT_OK)
        return complain(TOOL_INTERNAL, "%s: %s", path, wsrt_status_name(rc));
    int status = breakers_file_apply(path, scratch, 0);
    wsrt_breakers_free(scratch);
    return status;
}
