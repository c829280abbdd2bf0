/* The scenarios through the Lambda adapter with what a function has on AWS: connections and messages in
 * DynamoDB, as dynalite knows it, and posts through a Management API of our own, which hands them to
 * the mock's recording sender. */
#include "chat.h"
#include "dashboard.h"
#include "dynalite.h"
#include "fake_aws.h"
#include "lambda_function.h"
#include "suite.h"

#include <wsrt/aws.h>

#include <stdio.h>
#include <string.h>

struct cloud {
    wsrt_mock *mock;
    wsrt_sender inbox; /* the mock's */
    struct fake_aws *gateway;
    wsrt_aws *aws;
    wsrt_aws_tables *tables;
    wsrt_aws_sender *posts;
    wsrt_store store;
    wsrt_history history;
    wsrt_sender sender;
    int unsigned_ones;
};

static struct cloud cloud;

/* The id in "/prod/@connections/client-1-0%3D". */
static wsrt_span client_of(wsrt_span path, char *dst)
{
    static const char lead[] = "/prod/@connections/";
    const size_t from = sizeof lead - 1, tail = 3;

    ck_assert(path.len > from + tail && path.len < 128 && memcmp(path.ptr, lead, from) == 0);
    ck_assert_mem_eq(path.ptr + path.len - tail, "%3D", tail);
    memcpy(dst, path.ptr + from, path.len - from - tail);
    dst[path.len - from - tail] = '=';
    return (wsrt_span){dst, path.len - from - tail + 1};
}

static void serve(void *user, const struct fake_request *q, struct fake_answer *answer)
{
    struct cloud *c = user;
    char id[128];
    wsrt_span client = client_of(q->head->path, id);
    wsrt_post post = {.struct_size = sizeof post, .data = q->body};

    c->unsigned_ones += !q->signed_ok;
    int rc = c->inbox.ops->post(c->inbox.self, &client, &post);
    answer->status = !q->signed_ok ? 403 : rc == WSRT_ERR_GONE ? 410 : rc == WSRT_OK ? 200 : 500;
}

static void open_cloud(int shape)
{
    struct cloud *c = &cloud;
    struct dynalite_tables made;
    char endpoint[64];
    const wsrt_aws_options a = {.struct_size = sizeof a,
                                .region = wsrt_span_cstr("us-east-1"),
                                .access_key = wsrt_span_cstr(FAKE_ACCESS_KEY),
                                .secret_key = wsrt_span_cstr(FAKE_SECRET_KEY)};
    wsrt_aws_tables_options t = {.struct_size = sizeof t, .shape = shape, .timeout_ms = 30000};
    wsrt_aws_sender_options p = {.struct_size = sizeof p};

    *c = (struct cloud){0};
    dynalite_make(&made);
    ck_assert_int_eq(wsrt_mock_new(&c->mock, NULL), WSRT_OK);
    wsrt_mock_sender(c->mock, &c->inbox);
    c->gateway = fake_aws_start(serve, c);
    snprintf(endpoint, sizeof endpoint, "http://127.0.0.1:%d/prod", fake_aws_port(c->gateway));
    p.endpoint = wsrt_span_cstr(endpoint);
    t.endpoint = wsrt_span_cstr(dynalite_url());
    t.connections =
        wsrt_span_cstr(shape == WSRT_AWS_SHAPE_A ? made.connections_a : made.connections_b);
    t.messages = wsrt_span_cstr(made.messages);
    ck_assert_int_eq(wsrt_aws_new(&c->aws, &a), WSRT_OK);
    ck_assert_int_eq(wsrt_aws_tables_new(&c->tables, c->aws, &t), WSRT_OK);
    ck_assert_int_eq(wsrt_aws_sender_new(&c->posts, c->aws, &p), WSRT_OK);
    wsrt_aws_tables_connections(c->tables, &c->store);
    wsrt_aws_tables_history(c->tables, &c->history);
    wsrt_aws_sender_interface(c->posts, &c->sender);
}

static void close_cloud(void)
{
    struct cloud *c = &cloud;

    wsrt_aws_sender_free(c->posts);
    wsrt_aws_tables_free(c->tables);
    wsrt_aws_free(c->aws);
    fake_aws_stop(c->gateway);
    wsrt_mock_free(c->mock);
}

static void play(const char *name, int shape, int (*install)(struct lambda_function *f))
{
    open_cloud(shape);
    const wsrt_runtime_options parts = {
        .store = &cloud.store, .history = &cloud.history, .sender = &cloud.sender};
    lambda_play(name, cloud.mock, &parts, install);
    ck_assert_int_eq(cloud.unsigned_ones, 0);
    ck_assert_int_gt(fake_aws_requests(cloud.gateway), 0);
    close_cloud();
}

static int install_chat(struct lambda_function *f)
{
    return chat_add_routes(f->rt, &(chat_options){.skip_sender = 1});
}

START_TEST(the_chat_scenario_plays_on_aws_with_tables_of_each_shape)
{
    play("chat", _i, install_chat);
}
END_TEST

static wsrt_memory_store *table; /* where the latest values are */

static int install_dashboard(struct lambda_function *f)
{
    wsrt_latest latest;
    dashboard_options opts = {.sender = &cloud.sender, .latest = &latest, .stored = 1};

    wsrt_memory_store_latest(table, &latest);
    return dashboard_add_routes(f->rt, &opts, NULL);
}

START_TEST(the_dashboard_scenario_plays_on_aws_with_tables_of_each_shape)
{
    ck_assert_int_eq(wsrt_memory_store_new(&table, NULL), WSRT_OK);
    play("dashboard", _i, install_dashboard);
    wsrt_memory_store_free(table);
}
END_TEST

Suite *suite(void)
{
    Suite *s = suite_create("scenario_aws");
    TCase *t = tcase_create("scenario_aws");

    (void)dynalite_url();
    tcase_set_timeout(t, 120);
    tcase_add_loop_test(t, the_chat_scenario_plays_on_aws_with_tables_of_each_shape,
                        WSRT_AWS_SHAPE_A, WSRT_AWS_SHAPE_B + 1);
    tcase_add_loop_test(t, the_dashboard_scenario_plays_on_aws_with_tables_of_each_shape,
                        WSRT_AWS_SHAPE_A, WSRT_AWS_SHAPE_B + 1);
    suite_add_tcase(s, t);
    return s;
}
