/* What the server reads and fills. */
#include "growing.h"

#include <wsrt/server.h>

static int with_server(const wsrt_server_options *o, int (*then)(wsrt_server *s, void *block),
                       void *block)
{
    wsrt_runtime *rt = NULL;
    wsrt_server *s = NULL;

    ck_assert_int_eq(wsrt_runtime_new(&rt, NULL), WSRT_OK);
    int rc = wsrt_server_new(&s, rt, o);
    if (rc == WSRT_OK && then != NULL)
        rc = then(s, block);
    wsrt_server_free(s);
    wsrt_runtime_free(rt);
    return rc;
}

static const wsrt_span any = {"127.0.0.1:0", 11};

static wsrt_server_options usual(void)
{
    return (wsrt_server_options){
        .struct_size = sizeof(wsrt_server_options), .listen = &any, .listen_count = 1};
}

static void prepare_options(void *block)
{
    wsrt_server_options *o = block;

    o->listen = &any;
    o->listen_count = 1;
}

static int use_options(void *block)
{
    return with_server(block, NULL, NULL);
}

static void prepare_document(void *block)
{
    wsrt_server_document *d = block;

    d->path = wsrt_span_cstr("/page");
    d->type = wsrt_span_cstr("text/plain");
}

static int use_document(void *block)
{
    wsrt_server_options o = usual();

    o.documents = block;
    o.document_count = 1;
    return with_server(&o, NULL, NULL);
}

static int act(wsrt_span body, wsrt_json_writer *answer, void *user)
{
    (void)body, (void)answer, (void)user;
    return 200;
}

static void prepare_action(void *block)
{
    wsrt_server_action *a = block;

    a->path = wsrt_span_cstr("/act");
    a->run = act;
}

static int use_action(void *block)
{
    wsrt_server_options o = usual();

    o.actions = block;
    o.action_count = 1;
    return with_server(&o, NULL, NULL);
}

static int drain(wsrt_server *s, void *block)
{
    return wsrt_server_drain(s, block);
}

static int use_drain(void *block)
{
    wsrt_server_options o = usual();

    return with_server(&o, drain, block);
}

static int stats(wsrt_server *s, void *block)
{
    return wsrt_server_get_stats(s, block);
}

static int use_stats(void *block)
{
    wsrt_server_options o = usual();

    return with_server(&o, stats, block);
}

static wsrt_sender sender_of(wsrt_server *s)
{
    wsrt_sender out = {0};

    wsrt_server_sender(s, &out);
    return out;
}

/* Nobody is connected: a post that is well said is to somebody who is gone. */
static int post(wsrt_server *s, void *block)
{
    wsrt_sender sender = sender_of(s);
    wsrt_span id = wsrt_span_cstr("AAAAAAAAAAAAAAA=");
    int rc = sender.ops->post(sender.self, &id, block);

    return rc == WSRT_ERR_GONE ? WSRT_OK : rc;
}

static int use_post(void *block)
{
    wsrt_server_options o = usual();

    return with_server(&o, post, block);
}

static const struct row rows[] = {
    ROW(wsrt_server_options, GIVEN, prepare_options, use_options),
    ROW(wsrt_server_document, GIVEN, prepare_document, use_document),
    ROW(wsrt_server_action, GIVEN, prepare_action, use_action),
    ROW(wsrt_drain_options, GIVEN, NULL, use_drain),
    ROW(wsrt_server_stats, FILLED, NULL, use_stats),
    ROW(wsrt_post, GIVEN, NULL, use_post),
};

Suite *suite(void)
{
    return growing_suite(rows, sizeof rows / sizeof rows[0]);
}
