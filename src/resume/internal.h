/* Sessions, their rings of kept messages, and tokens. */
#ifndef WSRT_SRC_RESUME_INTERNAL_H
#define WSRT_SRC_RESUME_INTERNAL_H

#include "resume/resume.h"

enum {
    SESSION_ID = 16,
    MAC_KEY = 16,
    TOKEN_CHARS = 76,
    SEEN_IDS = 128,
    MAX_CONNECTION_ID = WSRT_RESUME_ROOM
};

/* What a token says. */
struct claim {
    unsigned char session[SESSION_ID];
    uint64_t number; /* of the newest message when it was made */
    uint64_t user;
    uint64_t expires; /* Unix ms */
};

void wsrt_claim_write(const struct claim *c, const unsigned char key[MAC_KEY],
                      char dst[TOKEN_CHARS]);
/* 0 for what is not a token of this key. */
int wsrt_claim_read(struct claim *c, const unsigned char key[MAC_KEY], wsrt_span token);

#endif
