/* The scenarios through the Lambda adapter; what the function posts goes to a recording sender. */
#include "chat.h"
#include "dashboard.h"
#include "lambda_function.h"
#include "suite.h"

static void play(const char *name, int (*install)(struct lambda_function *f))
{
    const wsrt_runtime_options parts = {0};
    wsrt_mock *mock;

    ck_assert_int_eq(wsrt_mock_new(&mock, NULL), WSRT_OK);
    lambda_play(name, mock, &parts, install);
    wsrt_mock_free(mock);
}

static int install_chat(struct lambda_function *f)
{
    return chat_add_routes(f->rt, &(chat_options){.skip_sender = 1});
}

START_TEST(the_chat_scenario_plays_through_the_lambda_adapter)
{
    play("chat", install_chat);
}
END_TEST

static wsrt_memory_store *table; /* where the latest values are */

static int install_dashboard(struct lambda_function *f)
{
    wsrt_sender sender;
    wsrt_latest latest;
    dashboard_options opts = {.sender = &sender, .latest = &latest, .stored = 1};

    wsrt_mock_sender(f->mail.mock, &sender);
    wsrt_memory_store_latest(table, &latest);
    return dashboard_add_routes(f->rt, &opts, NULL);
}

START_TEST(the_dashboard_scenario_plays_through_the_lambda_adapter_with_stored_subscriptions)
{
    ck_assert_int_eq(wsrt_memory_store_new(&table, NULL), WSRT_OK);
    play("dashboard", install_dashboard);
    wsrt_memory_store_free(table);
}
END_TEST

Suite *suite(void)
{
    Suite *s = suite_create("scenario_lambda");
    TCase *t = tcase_create("scenario_lambda");

    tcase_set_timeout(t, 60);
    tcase_add_test(t, the_chat_scenario_plays_through_the_lambda_adapter);
    tcase_add_test(
        t, the_dashboard_scenario_plays_through_the_lambda_adapter_with_stored_subscriptions);
    suite_add_tcase(s, t);
    return s;
}
