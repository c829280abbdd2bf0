/* Feeds the sans-IO parsers of adapters/common as a connection would, in pieces, and writes what came
 * out as lines of text, so that two ways of feeding can be compared:
 *
 *     text 68656c6c6f      (a whole message, put together from its pieces)
 *     binary, ping, pong   (likewise)
 *     close 1000 627965
 *     fail 1002
 *
 * Each call of a parser gets a fresh copy that ends where its bytes end. Broken promises of the parser
 * (bytes unaccounted for, noise after the end, a cap passed) abort. */
#ifndef WSRT_TEST_FEED_H
#define WSRT_TEST_FEED_H

#include "common/http1.h"
#include "common/ws.h"

/* How the input is cut: `first` bytes, then `step` bytes at a time; step 0 = the rest at once. */
struct split {
    size_t first;
    size_t step;
};

/* Lines of text, always NUL-terminated. Free with text_free(). */
struct text {
    char *ptr;
    size_t len;
    size_t room;
};
void text_free(struct text *t);

/* Where copies lie: flush against an unmapped page (slow), or in a heap block of their size. */
enum where { GUARDED, HEAP };

struct text feed_frames(wsrt_span in, struct split split, const wsrt_ws_limits *limits,
                        enum where where);

/* "done HEAD_LEN method path query host flags", then the fields; or "status N". A head that needs
 * more than the input is "more". */
struct text feed_request(wsrt_span in, struct split split, const wsrt_http_limits *limits,
                         enum where where);

/* The same for a response; then the body in hex, and what became of it. */
struct text feed_response(wsrt_span in, struct split split, enum where where);

#endif
