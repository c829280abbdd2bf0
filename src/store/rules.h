/* The rules of records, messages and latest values that are of one field. */
#ifndef WSRT_STORE_RULES_H
#define WSRT_STORE_RULES_H

#include <wsrt/store.h>

/* Whether a text has at least `least` and at most `most` bytes, and is there. */
int wsrt_store_fits(wsrt_span text, size_t least, size_t most);

#endif
