#include "breakers_file.h"

#include "file.h"
#include "tool.h"

#include <stdlib.h>

static int tell(const struct breakers_file *f, int rc)
{
    return complain(TOOL_INTERNAL, "--breakers: %s: %s", f->path, wsrt_status_name(rc));
}

int breakers_file_apply(const struct breakers_file *f, wsrt_breakers *into, int64_t now)
{
    wsrt_breakers_error why = {.text_cstr = ""};
    int rc = wsrt_breakers_configure(into, (wsrt_span){f->text, f->len}, WSRT_RECONFIGURE_EXISTING,
                                     now, &why);

    if (rc == WSRT_OK)
        return 0;
    if (rc == WSRT_ERR_MALFORMED || rc == WSRT_ERR_REJECTED)
        return complain(TOOL_CONFIG, "--breakers: %s: byte %zu, '%s': %s", f->path, why.offset,
                        why.pointer, why.text_cstr);
    return tell(f, rc);
}

static int judge(const struct breakers_file *f)
{
    wsrt_breakers *scratch = NULL;
    int rc = wsrt_breakers_new(&scratch, NULL);

    if (rc != WSRT_OK)
        return tell(f, rc);
    int status = breakers_file_apply(f, scratch, 0);
    wsrt_breakers_free(scratch);
    return status;
}

int breakers_file_load(struct breakers_file *f, const char *path)
{
    *f = (struct breakers_file){.path = path};
    int status = read_file("--breakers: ", path, TOOL_CONFIG, &f->text, &f->len);

    if (status != 0)
        return status;
    if (f->len > FILE_MAX)
        return complain(TOOL_CONFIG, "--breakers: %s is too long", path);
    return judge(f);
}

void breakers_file_free(struct breakers_file *f)
{
    free(f->text);
    f->text = NULL;
}

int breakers_file_check(const char *path)
{
    struct breakers_file f;
    int status = breakers_file_load(&f, path);

    breakers_file_free(&f);
    return status;
}
