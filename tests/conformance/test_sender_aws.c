#include "sender_suite.h"

#include "fake_aws.h"
#include "suite.h"

#include <wsrt/aws.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { OPEN = 10 };

struct opened {
    struct fake_aws *fake;
    wsrt_aws *aws;
    wsrt_aws_sender *posts;
    struct {
        size_t count;
        int closed;
        char last[256];
    } peers[OPEN];
};

/* The number of an open connection, from "/@connections/open-N"; -1 = none. */
static int peer_of(const struct opened *o, wsrt_span path)
{
    static const char lead[] = "/@connections/open-";

    if (path.len != sizeof lead || memcmp(path.ptr, lead, sizeof lead - 1) != 0)
        return -1;
    int n = path.ptr[path.len - 1] - '0';
    return n >= 0 && n < OPEN && !o->peers[n].closed ? n : -1;
}

static void serve(void *user, const struct fake_request *q, struct fake_answer *answer)
{
    struct opened *o = user;
    int n = peer_of(o, q->head->path);

    answer->status = !q->signed_ok ? 403 : n < 0 ? 410 : 200;
    if (answer->status != 200)
        return;
    if (q->head->method.ptr[0] == 'P') {
        o->peers[n].count++;
        memcpy(o->peers[n].last, q->body.ptr, q->body.len);
        o->peers[n].last[q->body.len] = '\0';
    } else if (q->head->method.ptr[0] == 'D') {
        o->peers[n].closed = 1;
        answer->status = 204;
    } else {
        snprintf(answer->body, sizeof answer->body, "{\"connectedAt\":\"2026-11-20T10:00:00Z\"}");
    }
}

static void *open_aws(wsrt_sender *sender)
{
    struct opened *o = calloc(1, sizeof *o);
    wsrt_aws_options a = {.struct_size = sizeof a,
                          .region = wsrt_span_cstr("us-east-1"),
                          .access_key = wsrt_span_cstr(FAKE_ACCESS_KEY),
                          .secret_key = wsrt_span_cstr(FAKE_SECRET_KEY)};
    wsrt_aws_sender_options p = {.struct_size = sizeof p};
    char url[64];

    o->fake = fake_aws_start(serve, o);
    snprintf(url, sizeof url, "http://127.0.0.1:%d", fake_aws_port(o->fake));
    p.endpoint = wsrt_span_cstr(url);
    ck_assert_int_eq(wsrt_aws_new(&o->aws, &a), WSRT_OK);
    ck_assert_int_eq(wsrt_aws_sender_new(&o->posts, o->aws, &p), WSRT_OK);
    wsrt_aws_sender_interface(o->posts, sender);
    return o;
}

static void close_aws(void *opened)
{
    struct opened *o = opened;

    wsrt_aws_sender_free(o->posts);
    wsrt_aws_free(o->aws);
    fake_aws_stop(o->fake);
    free(o);
}

/* A post has its answer when the fake is done with it. */
static size_t received(void *opened, const char *id_cstr, char *dst, size_t cap)
{
    struct opened *o = opened;
    int n = strncmp(id_cstr, "open-", 5) == 0 ? id_cstr[5] - '0' : -1;

    if (n < 0)
        return 0;
    snprintf(dst, cap, "%s", o->peers[n].last);
    return o->peers[n].count;
}

static const struct sender_factory aws = {open_aws, close_aws, received, NULL, 0};

Suite *suite(void)
{
    Suite *s = suite_create("sender_aws");

    suite_add_tcase(s, sender_suite(&aws));
    return s;
}
