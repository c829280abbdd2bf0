/* `wsrt doctor`: what would keep a server from running well here. */
#ifndef WSRT_TOOL_DOCTOR_H
#define WSRT_TOOL_DOCTOR_H

#include "commands.h"
#include "findings.h"

struct doctor {
    const struct options *options;
    const struct serve_settings *settings;
    struct findings report;
};

/* ---- doctor_net.c: what it listens at, whom it lets in */
void doctor_ports(struct doctor *d);
void doctor_origins(struct doctor *d);
void doctor_manager(struct doctor *d);

/* ---- doctor_data.c: what it reads and writes */
void doctor_tls(struct doctor *d);
void doctor_store(struct doctor *d);
void doctor_keys(struct doctor *d);
void doctor_metrics(struct doctor *d);

#endif
