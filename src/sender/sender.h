/* What the rooms above ask of a sender that they are given. */
#ifndef WSRT_SRC_SENDER_H
#define WSRT_SRC_SENDER_H

#include <wsrt/sender.h>

/* Whether its table has a size of some release and the mandatory function. */
int wsrt_sender_valid(const wsrt_sender *s);

/* Whether somebody found GONE, who connected at `connected_at`, may be just arriving. Unix ms. */
int wsrt_sender_may_be_opening(const wsrt_sender *s, int64_t connected_at, int64_t wall);

/* One message to `n` peers, each tried once; every one of `results` is written. */
void wsrt_sender_post_many(const wsrt_sender *s, const wsrt_span *ids, size_t n,
                           const wsrt_post *post, int *results);

#endif
