/* A folder of a test's own, under $TMPDIR or /tmp. */
#ifndef WSRT_TEST_SCRATCH_H
#define WSRT_TEST_SCRATCH_H

#include <wsrt/base.h>

struct scratch {
    char folder[256];
    char path[544]; /* of the last scratch_path() */
};

void scratch_make(struct scratch *s);
/* Of a file in it; valid until the next call. */
wsrt_span scratch_path(struct scratch *s, const char *name);
/* Removes the folder and the files in it. */
void scratch_remove(struct scratch *s);

#endif
