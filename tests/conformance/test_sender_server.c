/* The standalone server as a sender, over loopback sockets: called by another thread, and by the one
 * that runs its loop. */
#include "sender_suite.h"

#include "suite.h"
#include "ws_client.h"

#include <wsrt/server.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { OPEN = 10, LONGEST = 256 };

/* What the loop's thread is asked to do. */
struct errand {
    int (*run)(const struct errand *e);
    const wsrt_span *ids;
    size_t n;
    const wsrt_post *post;
    int *results;
    wsrt_connection_info *info;
    int code;
    const wsrt_span *reason;
    wsrt_sender *to;
    int answer;
};

struct opened {
    wsrt_runtime *rt;
    wsrt_server *server;
    wsrt_sender sender; /* the server's */
    wsrt_sender given;  /* the suite's */
    pthread_t thread;
    struct ws_client *control; /* its messages make the loop's thread run the errand */
    struct errand *errand;
    struct peer {
        struct ws_client *client;
        char id[LONGEST];
        size_t count;
        char last[LONGEST];
    } peers[OPEN];
};

static int run_errand(wsrt_context *ctx, const wsrt_request *req, void *user)
{
    struct opened *o = user;

    if (!wsrt_span_equal(req->event->body, wsrt_span_cstr("errand")))
        return wsrt_reply(ctx, req->event->connection_id);
    o->errand->answer = o->errand->run(o->errand);
    return wsrt_reply(ctx, wsrt_span_cstr("done"));
}

static int ask(struct opened *o, struct errand *e)
{
    char answer[LONGEST] = "";

    o->errand = e;
    ws_client_send(o->control, "errand");
    ws_client_receive(o->control, answer, sizeof answer);
    ck_assert_str_eq(answer, "done");
    return e->answer;
}

/* ---- the sender, called on the loop's thread ------------------------------------------------ */

static int do_post(const struct errand *e)
{
    return e->to->ops->post(e->to->self, e->ids, e->post);
}

static int do_post_many(const struct errand *e)
{
    return e->to->ops->post_many(e->to->self, e->ids, e->n, e->post, e->results);
}

static int do_get(const struct errand *e)
{
    return e->to->ops->get(e->to->self, e->ids, e->info);
}

static int do_disconnect(const struct errand *e)
{
    return e->to->ops->disconnect(e->to->self, e->ids, e->code, e->reason);
}

static int loop_post(void *self, const wsrt_span *id, const wsrt_post *post)
{
    struct opened *o = self;

    return ask(o, &(struct errand){.run = do_post, .to = &o->sender, .ids = id, .post = post});
}

static int loop_post_many(void *self, const wsrt_span *ids, size_t n, const wsrt_post *post,
                          int *results)
{
    struct opened *o = self;
    struct errand e = {.run = do_post_many,
                       .to = &o->sender,
                       .ids = ids,
                       .n = n,
                       .post = post,
                       .results = results};

    return ask(o, &e);
}

static int loop_get(void *self, const wsrt_span *id, wsrt_connection_info *out)
{
    struct opened *o = self;

    return ask(o, &(struct errand){.run = do_get, .to = &o->sender, .ids = id, .info = out});
}

static int loop_disconnect(void *self, const wsrt_span *id, int code, const wsrt_span *reason)
{
    struct opened *o = self;
    struct errand e = {
        .run = do_disconnect, .to = &o->sender, .ids = id, .code = code, .reason = reason};

    return ask(o, &e);
}

static const wsrt_sender_ops loop_ops = {.struct_size = sizeof loop_ops,
                                         .post = loop_post,
                                         .post_many = loop_post_many,
                                         .get = loop_get,
                                         .disconnect = loop_disconnect};

/* ---- the factories -------------------------------------------------------------------------- */

static void *serve(void *user)
{
    (void)wsrt_server_run(((struct opened *)user)->server);
    return NULL;
}

static void start(struct opened *o)
{
    wsrt_runtime_options parts = {.struct_size = sizeof parts, .flags = WSRT_RUNTIME_NO_LIMITS};
    wsrt_span listen = wsrt_span_cstr("127.0.0.1:0");
    wsrt_server_options opts = {.struct_size = sizeof opts, .listen = &listen, .listen_count = 1};
    wsrt_route route = {.struct_size = sizeof route,
                        .key = wsrt_span_cstr("$default"),
                        .handler = run_errand,
                        .user = o};

    ck_assert_int_eq(wsrt_runtime_new(&o->rt, &parts), WSRT_OK);
    ck_assert_int_eq(wsrt_runtime_route(o->rt, &route), WSRT_OK);
    ck_assert_int_eq(wsrt_server_new(&o->server, o->rt, &opts), WSRT_OK);
    wsrt_server_sender(o->server, &o->sender);
    ck_assert_int_eq(pthread_create(&o->thread, NULL, serve, o), 0);
}

static struct opened *open_server(void)
{
    struct opened *o = calloc(1, sizeof *o);
    char address[64];
    int status;

    start(o);
    ck_assert_int_eq(wsrt_server_address(o->server, 0, address, sizeof address, NULL), WSRT_OK);
    o->control = ws_client_open(address, "", &status);
    for (int i = 0; i < OPEN; i++) {
        struct peer *p = &o->peers[i];
        p->client = ws_client_open(address, "", &status);
        ck_assert_int_eq(status, 101);
        ws_client_send(p->client, "{}");
        ck_assert_int_eq(ws_client_receive(p->client, p->id, sizeof p->id), 1);
    }
    return o;
}

static void *open_afar(wsrt_sender *sender)
{
    struct opened *o = open_server();

    *sender = o->given = o->sender;
    return o;
}

static void *open_on_loop(wsrt_sender *sender)
{
    struct opened *o = open_server();

    *sender = o->given = (wsrt_sender){&loop_ops, o};
    return o;
}

static void close_server(void *opened)
{
    struct opened *o = opened;

    wsrt_server_stop(o->server);
    pthread_join(o->thread, NULL);
    ws_client_drop(o->control);
    for (int i = 0; i < OPEN; i++)
        ws_client_drop(o->peers[i].client);
    wsrt_server_free(o->server);
    wsrt_runtime_free(o->rt);
    free(o);
}

static struct peer *peer_of(struct opened *o, const char *name)
{
    return strncmp(name, "open-", 5) == 0 ? &o->peers[name[5] - '0'] : NULL;
}

static const char *id_of(void *opened, const char *name_cstr)
{
    const struct peer *p = peer_of(opened, name_cstr);

    return p == NULL ? name_cstr : p->id;
}

/* Messages to one connection keep their order: what was posted before a mark arrives before it. */
static size_t received(void *opened, const char *name_cstr, char *dst, size_t cap)
{
    static const char mark[] = "- - - mark - - -";
    struct opened *o = opened;
    struct peer *p = peer_of(o, name_cstr);
    wsrt_post post = {.struct_size = sizeof post, .data = wsrt_span_cstr(mark)};
    char text[LONGEST];

    if (p == NULL)
        return 0;
    wsrt_span id = wsrt_span_cstr(p->id);
    ck_assert_int_eq(o->given.ops->post(o->given.self, &id, &post), WSRT_OK);
    while (ws_client_receive(p->client, text, sizeof text) && strcmp(text, mark) != 0) {
        p->count++;
        snprintf(p->last, sizeof p->last, "%s", text);
    }
    ck_assert_str_eq(text, mark);
    snprintf(dst, cap, "%s", p->last);
    return p->count;
}

static const struct sender_factory afar = {open_afar, close_server, received, id_of, 1};
static const struct sender_factory on_loop = {open_on_loop, close_server, received, id_of, 0};

Suite *suite(void)
{
    Suite *s = suite_create("sender_server");

    suite_add_tcase(s, sender_suite(&afar));
    suite_add_tcase(s, sender_suite(&on_loop));
    return s;
}
