/* What a server tells of itself: /api/state, /api/breakers, the series of /metrics. */
#include "server_rig.h"
#include "suite.h"

#include <wsrt/json.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct rig rig;
static char got[4000000];

static void start(void)
{
    wsrt_server_options o = {.struct_size = sizeof o, .max_connections = 900000};

    rig_start(&rig, &o);
}

static void stop(void)
{
    rig_stop(&rig);
}

static int ask(const char *method, const char *path, const char *fields, const char *body)
{
    static char request[200000];
    int len = snprintf(request, sizeof request,
                       "%s %s HTTP/1.1\r\nHost: localhost\r\n%sContent-Length: %zu\r\n\r\n%s",
                       method, path, fields, strlen(body), body);

    return rig_ask(&rig, request, (size_t)len, got, sizeof got);
}

static const char *body(void)
{
    return strstr(got, "\r\n\r\n") + 4;
}

static void expect_in(const char *text)
{
    ck_assert_msg(strstr(got, text) != NULL, "no %s in %.3000s", text,
                  strlen(got) > 3000 ? got + strlen(got) - 3000 : got);
}

static void expect_not_in(const char *text)
{
    ck_assert_msg(strstr(got, text) == NULL, "%s in %.3000s", text, got);
}

static wsrt_breaker *breaker(const char *service, const char *operation)
{
    wsrt_breaker *b;

    ck_assert_int_eq(wsrt_breakers_get(wsrt_runtime_breakers(rig.rt), wsrt_span_cstr(service),
                                       wsrt_span_cstr(operation), NULL, &b, NULL),
                     WSRT_OK);
    return b;
}

/* ---- /api/state ----------------------------------------------------------------------------- */

START_TEST(the_state_has_exactly_these_members)
{
    start();
    ck_assert_int_eq(ask("GET", "/api/state", "", ""), 200);
    expect_in("\r\nCache-Control: no-store\r\n");
    char *memory = strstr(got, "\"memory\":{\"resident\":");
    ck_assert_ptr_nonnull(memory);
    *memory = '\0';
    ck_assert_str_eq(body(),
                     "{\"schema\":1,\"uptime_ms\":0,\"draining\":false,"
                     "\"connections\":{\"open\":0,\"opened\":0,\"closed\":0,\"per_loop\":[0]},"
                     "\"messages\":{\"in\":0,\"out\":0},\"closes\":{},"
                     "\"queues\":{\"bytes\":0,\"partial_bytes\":0},\"breakers\":[],"
                     "\"breakers_total\":0,"
                     "\"limits\":{\"message\":131072,\"frame\":131072,\"connections\":"
                     "900000,\"per_ip\":256,\"queue_soft\":262144,"
                     "\"queue_hard\":1048576,\"queue_total\":268435456},");
    stop();
}
END_TEST

START_TEST(the_state_is_rebuilt_ten_times_a_second_at_most)
{
    start();
    ck_assert_int_eq(ask("GET", "/api/state", "", ""), 200);
    int fd = rig_open(&rig);
    rig.now += 99000000;
    ck_assert_int_eq(ask("GET", "/api/state", "", ""), 200);
    expect_in("\"open\":0,");
    rig.now += 1000000;
    ck_assert_int_eq(ask("GET", "/api/state", "", ""), 200);
    expect_in("\"open\":1,");
    close(fd);
    stop();
}
END_TEST

START_TEST(the_state_counts_closes_by_their_code)
{
    start();
    for (int i = 0; i < 3; i++) {
        int fd = rig_open(&rig);
        rig_frame(fd, WSRT_WS_OP_CLOSE, 1, i == 0 ? "\x0f\xa3" : "\x03\xe8", 2); /* 4003, 1000 */
        rig_steps(&rig, 3);
        close(fd);
        rig_steps(&rig, 3);
    }
    ck_assert_int_eq(ask("GET", "/api/state", "", ""), 200);
    expect_in("\"closes\":{\"1000\":2,\"other\":1}");
    stop();
}
END_TEST

START_TEST(the_state_stays_under_256_kib_with_ten_thousand_breakers)
{
    char name[200];

    start();
    memset(name, 'n', sizeof name);
    for (int i = 0; i < 10000; i++) {
        snprintf(name + 190, 10, "%d", i);
        wsrt_breaker_release_ref(breaker("service", name));
    }
    ck_assert_int_eq(ask("GET", "/api/state", "", ""), 200);
    ck_assert_uint_le(strlen(body()), 256 * 1024);
    ck_assert_uint_ge(strlen(body()), 200 * 1024);
    ck_assert_ptr_nonnull(strstr(body(), "],\"breakers_total\":10000,\"limits\":{"));
    stop();
}
END_TEST

START_TEST(the_state_is_for_programs_of_this_machine_and_our_own_pages)
{
    start();
    ck_assert_int_eq(ask("GET", "/api/state", "Origin: http://localhost\r\n", ""), 200);
    ck_assert_int_eq(ask("GET", "/api/state", "Origin: http://evil.example\r\n", ""), 403);
    ck_assert_int_eq(ask("GET", "/api/state", "Origin: null\r\n", ""), 403);
    ck_assert_int_eq(ask("GET", "/api/state", "X-Forwarded-For: 1.2.3.4\r\n", ""), 403);
    ck_assert_int_eq(ask("GET", "/api/breakers", "Origin: http://localhost\r\n", ""), 403);
    stop();
}
END_TEST

START_TEST(a_form_of_a_foreign_page_changes_nothing)
{
    start();
    ck_assert_int_eq(ask("POST", "/api/breakers",
                         "Content-Type: text/plain\r\nOrigin: http://evil.example\r\n", "{}"),
                     403);
    ck_assert_int_eq(ask("POST", "/api/breakers", "", "{}"), 405);
    expect_in("\r\nAllow: GET, HEAD, PUT\r\n");
    ck_assert_int_eq(ask("PUT", "/api/state", "", "{}"), 405);
    stop();
}
END_TEST

START_TEST(neither_a_token_nor_a_query_is_in_the_state_or_the_metrics)
{
    const char request[] = "GET /?token=hush-hush HTTP/1.1\r\nHost: localhost\r\n"
                           "Upgrade: websocket\r\nConnection: Upgrade\r\n"
                           "Sec-WebSocket-Version: 13\r\n"
                           "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    int ended;

    start();
    int fd = rig_adopt(&rig);
    rig_send(fd, request, sizeof request - 1);
    ck_assert_uint_eq(rig_read(&rig, fd, got, 129, &ended), 129);
    ck_assert_int_eq(ask("GET", "/api/state", "", ""), 200);
    expect_not_in("hush");
    ck_assert_int_eq(ask("GET", "/metrics", "", ""), 200);
    expect_not_in("hush");
    close(fd);
    stop();
}
END_TEST

/* ---- /api/breakers -------------------------------------------------------------------------- */

START_TEST(breakers_are_listed_with_their_settings_and_statistics)
{
    start();
    wsrt_breaker_release_ref(breaker("dynamodb", "storeConnection"));
    ck_assert_int_eq(ask("GET", "/api/breakers", "", ""), 200);
    expect_in("\r\nCache-Control: no-store\r\n");
    expect_in("{\"breakers\":[{\"service\":\"dynamodb\",\"operation\":\"storeConnection\","
              "\"settings\":{\"failureThreshold\":3,\"recoveryTimeout\":20000,"
              "\"expectedResponseTime\":500,\"monitoringWindow\":60000,\"minimumRequestCount\":5,"
              "\"mode\":\"window\",\"slowPolicy\":\"failure\",\"minFailureRate\":0,"
              "\"slowRate\":0.5,\"halfOpenPermits\":1,\"halfOpenSuccesses\":1,"
              "\"probeLease\":20000,\"backoffFactor\":1,\"maxRecoveryTimeout\":300000,"
              "\"jitter\":0,\"stripes\":1},\"stats\":{\"state\":\"CLOSED\",\"failureCount\":0,");
    expect_in("}}],\"breakers_total\":1}");
    stop();
}
END_TEST

START_TEST(all_breakers_are_listed_however_many_there_are)
{
    char name[32];
    int listed = 0;

    start();
    for (int i = 0; i < 4000; i++) {
        snprintf(name, sizeof name, "operation-%d", i);
        wsrt_breaker_release_ref(breaker("service", name));
    }
    ck_assert_int_eq(ask("GET", "/api/breakers", "", ""), 200);
    for (const char *at = body(); (at = strstr(at, "\"settings\"")) != NULL; at++)
        listed++;
    ck_assert_int_eq(listed, 4000);
    ck_assert_str_eq(strrchr(body(), ']'), "],\"breakers_total\":4000}");
    stop();
}
END_TEST

static void fail_once(wsrt_breaker *b)
{
    wsrt_permit p;

    ck_assert_int_eq(wsrt_breaker_try_acquire(b, rig.now, &p, NULL), WSRT_OK);
    wsrt_breaker_record(b, &p, rig.now, WSRT_FAILURE);
}

START_TEST(new_settings_are_live_and_keep_what_was_counted)
{
    wsrt_permit p;

    start();
    wsrt_breaker *b = breaker("mine", "call");
    fail_once(b);
    fail_once(b);
    ck_assert_int_eq(ask("PUT", "/api/breakers", "",
                         "{\"services\":{\"mine\":{\"failureThreshold\":3,"
                         "\"minimumRequestCount\":3}}}"),
                     204);
    fail_once(b);
    ck_assert_int_eq(wsrt_breaker_try_acquire(b, rig.now, &p, NULL), WSRT_ERR_CIRCUIT_OPEN);
    wsrt_breaker_release_ref(b);
    stop();
}
END_TEST

static const struct {
    const char *document, *answer;
} bad_documents[] = {
    {"{\"services\":{\"mine\":{\"failureThreshold\":1,\"minimumRequestCount\":1},"
     "\"b\":{\"failureThreshold\":0}}}",
     "\"pointer\":\"/services/b/failureThreshold\",\"offset\":91}"},
    {"{\"services\":{\"mine\":{\"failureThreshold\":1,\"minimumRequestCount\":1,\"x\":1}}}",
     "\"pointer\":\"/services/mine/x\",\"offset\":"},
    {"{\"services\":", "\"pointer\":\"\",\"offset\":12}"},
};

START_TEST(a_bad_document_is_refused_whole_and_says_where)
{
    wsrt_permit p;

    start();
    wsrt_breaker *b = breaker("mine", "call");
    ck_assert_int_eq(ask("PUT", "/api/breakers", "", bad_documents[_i].document), 400);
    expect_in("{\"message\":\"");
    expect_in(bad_documents[_i].answer);
    fail_once(b);
    ck_assert_int_eq(wsrt_breaker_try_acquire(b, rig.now, &p, NULL), WSRT_OK);
    wsrt_breaker_release(b, &p, rig.now);
    wsrt_breaker_release_ref(b);
    stop();
}
END_TEST

/* ---- series --------------------------------------------------------------------------------- */

START_TEST(the_monitor_knows_the_transport)
{
    start();
    int fd = rig_open(&rig), gone = rig_open(&rig);
    rig_text(fd, "x");
    rig_steps(&rig, 3);
    close(gone);
    rig_steps(&rig, 3);
    ck_assert_int_eq(ask("GET", "/metrics", "", ""), 200);
    expect_in("\nwsrt_transport_connections_active{environment=\"dev\"} 1\n");
    expect_in("\nwsrt_transport_connect_count_total{environment=\"dev\"} 2\n");
    expect_in("\nwsrt_transport_disconnect_count_total{environment=\"dev\"} 1\n");
    expect_in("\nwsrt_transport_message_count_total{environment=\"dev\"} 2\n");
    close(fd);
    stop();
}
END_TEST

START_TEST(what_happens_is_counted_by_label)
{
    start();
    int fd = rig_open(&rig);
    rig_frame(fd, 3, 1, "x", 1); /* an unknown opcode */
    rig_steps(&rig, 3);
    ask("POST", "/@connections/AAAAAAAAAAAAAAA=", "", "x");
    ask("GET", "/@connections/AAAAAAAAAAAAAAA=", "", "");
    ask("GET", "/", "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n",
        "");
    ck_assert_int_eq(ask("GET", "/metrics", "", ""), 200);
    expect_in("\nwsrt_closes_total{code=\"1002\"} 1\n");
    expect_in("\nwsrt_upgrades_total{result=\"101\"} 1\n");
    expect_in("\nwsrt_upgrades_total{result=\"400\"} 1\n");
    expect_in("\nwsrt_management_requests_total{op=\"post\",status=\"410\"} 1\n");
    expect_in("\nwsrt_management_requests_total{op=\"get\",status=\"410\"} 1\n");
    expect_in("\nwsrt_limited_total{limit=\"queue\"} 0\n");
    expect_in("\nwsrt_dropped_total{policy=\"close\"} 0\n");
    close(fd);
    stop();
}
END_TEST

static int dawdle(struct rig *r, wsrt_context *ctx, const wsrt_request *req)
{
    (void)ctx;
    r->now += INT64_C(1000000) * atoi(req->event->body.ptr);
    return 0;
}

START_TEST(a_handler_that_takes_more_than_20_ms_is_warned_of_once_a_second)
{
    start();
    rig.on_message = dawdle;
    int fd = rig_open(&rig);
    rig_text(fd, "20 ms");
    rig_steps(&rig, 3);
    ck_assert_int_eq(rig.warnings, 0);
    rig_text(fd, "21 ms");
    rig_steps(&rig, 3);
    ck_assert_int_eq(rig.warnings, 1);
    ck_assert_str_eq(rig.event, "server.handler_slow");
    ck_assert_str_eq(rig.slow_route, "$default");
    rig_text(fd, "30 ms");
    rig_steps(&rig, 3);
    ck_assert_int_eq(rig.warnings, 1);
    rig.now += INT64_C(1000000000);
    rig_text(fd, "30 ms");
    rig_steps(&rig, 3);
    ck_assert_int_eq(rig.warnings, 2);
    ck_assert_int_eq(ask("GET", "/metrics", "", ""), 200);
    expect_in("\nwsrt_loop_slow_turns_total 3\n");
    expect_in("\nwsrt_loop_lag_seconds 0.030000\n");
    close(fd);
    stop();
}
END_TEST

START_TEST(the_time_of_handlers_is_summed_by_route)
{
    start();
    rig.on_message = dawdle;
    int fd = rig_open(&rig);
    rig_text(fd, "5 ms");
    rig_steps(&rig, 3);
    rig_text(fd, "2 ms");
    rig_text(fd, "3 ms"); /* of the same read */
    rig_steps(&rig, 3);
    ck_assert_int_eq(ask("GET", "/metrics", "", ""), 200);
    expect_in("\nwsrt_handler_seconds_sum{route=\"$default\"} 0.010000000\n");
    expect_in("\nwsrt_handler_seconds_count{route=\"$default\"} 3\n");
    expect_in("\nwsrt_handler_seconds_count{route=\"$connect\"} 1\n");
    close(fd);
    rig_steps(&rig, 3);
    ck_assert_int_eq(ask("GET", "/metrics", "", ""), 200);
    expect_in("\nwsrt_handler_seconds_count{route=\"$disconnect\"} 1\n");
    stop();
}
END_TEST

START_TEST(routes_of_one_read_share_its_time_evenly)
{
    static const char first[] = "one", second[] = "two";
    wsrt_route_sum sums[WSRT_ROUTE_ROWS];
    wsrt_times t = {.used = 0};

    wsrt_times_note(&t, wsrt_span_cstr(first));
    wsrt_times_note(&t, wsrt_span_cstr(second));
    wsrt_times_note(&t, wsrt_span_cstr(first));
    wsrt_times_note(&t, wsrt_span_cstr(first));
    wsrt_times_settle(&t, 400);
    ck_assert_uint_eq(wsrt_times_add(&t, sums, 0), 2);
    ck_assert_uint_eq(sums[0].handled, 3);
    ck_assert_uint_eq(sums[0].ns, 300);
    ck_assert_uint_eq(sums[1].handled, 1);
    ck_assert_uint_eq(sums[1].ns, 100);
}
END_TEST

START_TEST(more_routes_than_rows_are_counted_together)
{
    static char keys[2 * WSRT_ROUTE_ROWS];
    wsrt_route_sum sums[WSRT_ROUTE_ROWS];
    wsrt_times t = {.used = 0};
    uint64_t handled = 0;

    for (int i = 0; i < 2 * WSRT_ROUTE_ROWS; i++) {
        wsrt_times_note(&t, (wsrt_span){&keys[i], 1});
        wsrt_times_settle(&t, 1);
    }
    size_t n = wsrt_times_add(&t, sums, 0);
    ck_assert_uint_eq(n, WSRT_ROUTE_ROWS);
    for (size_t i = 0; i < n; i++)
        handled += sums[i].handled;
    ck_assert_uint_eq(handled, 2 * WSRT_ROUTE_ROWS);
}
END_TEST

START_TEST(every_series_of_the_transport_is_there)
{
    static const char *const series[] = {"transport_connections_active",
                                         "transport_connect_count_total",
                                         "upgrades_total",
                                         "closes_total",
                                         "messages_total",
                                         "bytes_total",
                                         "queued_bytes",
                                         "dropped_total",
                                         "handshakes_total",
                                         "handler_seconds",
                                         "loop_lag_seconds",
                                         "loop_slow_turns_total",
                                         "management_requests_total",
                                         "reloads_total",
                                         "limited_total"};
    char line[96];

    start();
    int fd = rig_open(&rig);
    rig_text(fd, "1 ms");
    rig_steps(&rig, 3);
    ck_assert_int_eq(ask("GET", "/metrics", "", ""), 200);
    for (size_t i = 0; i < sizeof series / sizeof *series; i++) {
        snprintf(line, sizeof line, "# TYPE wsrt_%s ", series[i]);
        expect_in(line);
    }
    expect_in("\nwsrt_messages_total{direction=\"in\"} 1\n");
    close(fd);
    stop();
}
END_TEST

Suite *suite(void)
{
    Suite *s = suite_create("server_state");
    TCase *t = tcase_create("all");

    tcase_set_timeout(t, 60);
    tcase_add_test(t, the_state_has_exactly_these_members);
    tcase_add_test(t, the_state_is_rebuilt_ten_times_a_second_at_most);
    tcase_add_test(t, the_state_counts_closes_by_their_code);
    tcase_add_test(t, the_state_stays_under_256_kib_with_ten_thousand_breakers);
    tcase_add_test(t, the_state_is_for_programs_of_this_machine_and_our_own_pages);
    tcase_add_test(t, a_form_of_a_foreign_page_changes_nothing);
    tcase_add_test(t, neither_a_token_nor_a_query_is_in_the_state_or_the_metrics);
    tcase_add_test(t, breakers_are_listed_with_their_settings_and_statistics);
    tcase_add_test(t, all_breakers_are_listed_however_many_there_are);
    tcase_add_test(t, new_settings_are_live_and_keep_what_was_counted);
    tcase_add_loop_test(t, a_bad_document_is_refused_whole_and_says_where, 0,
                        (int)(sizeof bad_documents / sizeof bad_documents[0]));
    tcase_add_test(t, the_monitor_knows_the_transport);
    tcase_add_test(t, what_happens_is_counted_by_label);
    tcase_add_test(t, a_handler_that_takes_more_than_20_ms_is_warned_of_once_a_second);
    tcase_add_test(t, the_time_of_handlers_is_summed_by_route);
    tcase_add_test(t, routes_of_one_read_share_its_time_evenly);
    tcase_add_test(t, more_routes_than_rows_are_counted_together);
    tcase_add_test(t, every_series_of_the_transport_is_there);
    suite_add_tcase(s, t);
    return s;
}
