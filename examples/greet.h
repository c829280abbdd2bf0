/* One handler for every transport: docs/getting-started.md walks through it. */
#ifndef EXAMPLE_GREET_H
#define EXAMPLE_GREET_H

#include <wsrt/wsrt.h>

int greet_add_routes(wsrt_runtime *rt);

#endif
