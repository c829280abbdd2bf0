/* What a machine gives a server, and what is too little of it. */
#ifndef WSRT_TOOL_HOST_FACTS_H
#define WSRT_TOOL_HOST_FACTS_H

#include "findings.h"

#include <stdint.h>

/* -1 = cannot be known here. */
struct host_facts {
    int64_t descriptors; /* hard limit, to which the tool raises its own */
    int64_t file_max;    /* fs.file-max */
    int64_t somaxconn;   /* net.core.somaxconn */
    int64_t syn_backlog; /* net.ipv4.tcp_max_syn_backlog */
    int64_t wall;        /* Unix seconds */
    int64_t synchronised;
    int64_t wanted; /* connections that are asked for; 0 = as many as there may be */
};

/* Reads them, `wanted` excepted. */
void host_facts_read(struct host_facts *h);

/* Judges descriptors, kernel and clock. */
void host_facts_judge(const struct host_facts *h, struct findings *r);

#endif
