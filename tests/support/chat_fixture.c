#include "chat_fixture.h"

#include <check.h>
#include <stdio.h>
#include <string.h>

wsrt_static_auth *chat_auth(void)
{
    const char *names[] = {"alice", "bob", "carol"};
    const char *tokens[] = {"alice-token", "bob-token", "carol-token"};
    wsrt_static_token table[3];
    wsrt_principal people[3];
    wsrt_static_auth *auth;

    for (size_t i = 0; i < 3; i++) {
        table[i] = (wsrt_static_token){wsrt_span_cstr(tokens[i]), &people[i]};
        people[i] =
            (wsrt_principal){.struct_size = sizeof people[i], .user_id = wsrt_span_cstr(names[i])};
    }
    ck_assert_int_eq(wsrt_static_auth_new(&auth, table, 3, NULL), WSRT_OK);
    return auth;
}

uint64_t chat_records(wsrt_runtime *rt)
{
    const wsrt_store *store = wsrt_runtime_store(rt);
    const wsrt_env *env = wsrt_runtime_env(rt);
    uint64_t n = 0;

    ck_assert_int_eq(store->ops->count(store->self, env->wall(env->user) / 1000, &n), WSRT_OK);
    return n;
}

const char *mailbox_id(const struct mailboxes *m, size_t client)
{
    static char id[32];

    snprintf(id, sizeof id, "client-%u-%zu=", m->generation, client);
    return id;
}

int mailbox_receive(struct mailboxes *m, size_t client, char *dst, size_t cap)
{
    wsrt_mock_record r = {.struct_size = sizeof r};
    const char *id = mailbox_id(m, client);

    while (wsrt_mock_get(m->mock, WSRT_MOCK_POST, m->seen[client], &r) == WSRT_OK) {
        m->seen[client]++;
        if (r.status != WSRT_OK || strcmp(r.connection_id.ptr, id) != 0)
            continue;
        snprintf(dst, cap, "%s", r.data.ptr);
        return 1;
    }
    return 0;
}
