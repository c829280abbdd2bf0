/* Asking again where a sender said THROTTLED. */
#ifndef WSRT_SRC_SENDER_RETRY_H
#define WSRT_SRC_SENDER_RETRY_H

#include <wsrt/sender.h>

/* Zero but for its first two members at the start of what shares one deadline. */
struct wsrt_retry {
    const wsrt_sender *sender;
    const wsrt_env *env;
    int64_t deadline; /* monotonic ns; 0 = WSRT_RETRY_FOR_MS after the first wait */
    int turn;
};

enum { WSRT_RETRY_FOR_MS = 1000 };

/* WSRT_OK after a wait: ask again. WSRT_ERR_THROTTLED: the sender does not wait, or time is over. */
int wsrt_retry_wait(struct wsrt_retry *r);

/* One post with its retries, until the post's deadline. */
int wsrt_retry_post(const wsrt_sender *s, const wsrt_env *env, const wsrt_span *id,
                    const wsrt_post *post);

#endif
