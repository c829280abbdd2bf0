/* URI references (RFC 3986, section 5). */
#ifndef WSRT_SRC_SCHEMA_URI_H
#define WSRT_SRC_SCHEMA_URI_H

#include "base/arena.h"

/* `ref` seen from `base`; 0 without memory. Either may be relative. */
int wsrt_uri_resolve(wsrt_arena *arena, wsrt_span base, wsrt_span ref, wsrt_span *out);
/* Cuts the fragment off; its decoded text in `fragment`, ptr NULL = none. 0 without memory. */
int wsrt_uri_split(wsrt_arena *arena, wsrt_span *uri, wsrt_span *fragment);

#endif
