/* The state of the pass, and those of its steps that no kernel needs to have for itself. */
#ifndef WSRT_SRC_SCHEMA_MACHINE_H
#define WSRT_SRC_SCHEMA_MACHINE_H

#include "schema/run.h"

struct wsrt_machine {
    struct wsrt_run *r;
    struct wsrt_frame *top;
    struct wsrt_group *group; /* what is asked of the next value: the general lane, */
    uint32_t node;            /* or, when there is no group, a node */
    uint32_t depth;
    uint32_t no_skip; /* unknown names are judged, too */
    uint32_t reserved;
    const struct wsrt_word *tag; /* that chose the node, if it was met at once; */
    const unsigned char *tag_at; /* behind its opening quote */
};

/* Each returns 0 with a fault. */

/* Judges a value that has ended by what was asked of it. */
int wsrt_machine_finish(struct wsrt_machine *m, struct wsrt_subject *sub);
/* Settles which lane the value at `p` takes. */
int wsrt_machine_lane(struct wsrt_machine *m, const unsigned char *p);
/* Ends the container whose bracket is before `end`. */
int wsrt_machine_close(struct wsrt_machine *m, const unsigned char *end);
/* What is asked of a member or element of a group. */
int wsrt_machine_aim(struct wsrt_machine *m, const unsigned char *name,
                     const struct wsrt_text *text, const unsigned char *value);

#endif
