/* Any bytes as a document of breaker settings: accepted, or refused with a place inside the text. */
#include "target.h"

#include <wsrt/breaker.h>

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    wsrt_breakers *r;
    wsrt_breaker *b, *c;
    wsrt_breakers_error why;
    wsrt_permit p;

    if (wsrt_breakers_new(&r, NULL) != WSRT_OK ||
        wsrt_breakers_get(r, wsrt_span_cstr("s"), wsrt_span_cstr("o"), NULL, &b, NULL) != WSRT_OK)
        abort();
    int rc = wsrt_breakers_configure(r, (wsrt_span){(const char *)data, size},
                                     WSRT_RECONFIGURE_EXISTING | WSRT_RECONFIGURE_WAIT, 0, &why);
    if (rc != WSRT_OK && (why.offset > size || memchr(why.pointer, 0, sizeof why.pointer) == NULL))
        abort();
    if (wsrt_breakers_get(r, wsrt_span_cstr("s"), wsrt_span_cstr("p"), NULL, &c, NULL) != WSRT_OK)
        abort();
    for (int64_t i = 0; i < 20; i++) {
        wsrt_breaker *which = i % 2 ? b : c;
        if (wsrt_breaker_try_acquire(which, i << (2 * i), &p, NULL) == WSRT_OK)
            wsrt_breaker_record(which, &p, i << (2 * i + 1), i % 3 ? WSRT_FAILURE : WSRT_SUCCESS);
    }
    wsrt_breaker_release_ref(c);
    wsrt_breaker_release_ref(b);
    wsrt_breakers_free(r);
    return 0;
}
