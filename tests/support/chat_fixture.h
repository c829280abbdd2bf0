/* The chat application as every scenario test runs it, and clients of a recording sender. */
#ifndef WSRT_TEST_CHAT_FIXTURE_H
#define WSRT_TEST_CHAT_FIXTURE_H

#include "scenario.h"

#include <wsrt/mock.h>

/* Tokens of alice, bob and carol. */
wsrt_static_auth *chat_auth(void);
uint64_t chat_records(wsrt_runtime *rt);

/* What the clients of a mock's sender have read so far. */
struct mailboxes {
    wsrt_mock *mock;
    size_t seen[SCENARIO_CLIENTS]; /* records looked at */
    unsigned generation;           /* sets the ids of one play apart from another's */
};

/* The connection id of a client: valid everywhere, and different in each generation. */
const char *mailbox_id(const struct mailboxes *m, size_t client);
int mailbox_receive(struct mailboxes *m, size_t client, char *dst, size_t cap);

#endif
