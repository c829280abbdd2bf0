/* Connection ids, wherever one crosses an interface. */
#ifndef WSRT_SRC_ID_H
#define WSRT_SRC_ID_H

#include <wsrt/base.h>

/* 1 for 1..128 bytes of [A-Za-z0-9_=+/-], else 0. */
int wsrt_id_valid(wsrt_span id);

#endif
