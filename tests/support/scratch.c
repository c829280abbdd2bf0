#include "scratch.h"

#include <check.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

void scratch_make(struct scratch *s)
{
    const char *place = getenv("TMPDIR");

    snprintf(s->folder, sizeof s->folder, "%s/wsrt-test-XXXXXX", place == NULL ? "/tmp" : place);
    ck_assert_ptr_nonnull(mkdtemp(s->folder));
}

wsrt_span scratch_path(struct scratch *s, const char *name)
{
    snprintf(s->path, sizeof s->path, "%s/%s", s->folder, name);
    return wsrt_span_cstr(s->path);
}

void scratch_remove(struct scratch *s)
{
    DIR *dir = opendir(s->folder);

    for (struct dirent *e = dir == NULL ? NULL : readdir(dir); e != NULL; e = readdir(dir))
        if (e->d_name[0] != '.')
            unlink(scratch_path(s, e->d_name).ptr);
    if (dir != NULL)
        closedir(dir);
    rmdir(s->folder);
}
