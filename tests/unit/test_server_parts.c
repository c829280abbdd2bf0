#include "heap.h"
#include "suite.h"

#include "server/date.h"
#include "server/internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* ---- timer wheel ---------------------------------------------------------------------------- */

enum { TIMERS = 300 };

static wsrt_timer timers[TIMERS];
static wsrt_wheel wheel;

static wsrt_timer *timer_at(void *user, uint32_t number)
{
    (void)user;
    return &timers[number];
}

static void begin_wheel(void)
{
    wsrt_wheel_init(&wheel, timer_at, NULL);
    for (int i = 0; i < TIMERS; i++)
        timers[i].due = WSRT_NONE;
}

START_TEST(an_empty_wheel_has_no_next_tick)
{
    begin_wheel();
    ck_assert_uint_eq(wsrt_wheel_next(&wheel), WSRT_NONE);
    ck_assert_uint_eq(wsrt_wheel_take(&wheel, 1000000), WSRT_NONE);
}
END_TEST

START_TEST(entries_come_out_at_their_tick_and_not_before)
{
    static const uint32_t ticks[] = {1, 2, 63, 64, 65, 1000, 2046, 2047};

    begin_wheel();
    for (uint32_t i = 0; i < 8; i++)
        wsrt_wheel_need(&wheel, i, ticks[i]);
    for (uint32_t i = 0; i < 8; i++) {
        ck_assert_uint_eq(wsrt_wheel_next(&wheel), ticks[i]);
        ck_assert_uint_eq(wsrt_wheel_take(&wheel, ticks[i] - 1), WSRT_NONE);
        ck_assert_uint_eq(wsrt_wheel_take(&wheel, ticks[i]), i);
    }
    ck_assert_uint_eq(wsrt_wheel_next(&wheel), WSRT_NONE);
}
END_TEST

START_TEST(an_entry_beyond_the_wheel_is_looked_at_at_its_end)
{
    begin_wheel();
    wsrt_wheel_need(&wheel, 0, 1000000);
    ck_assert_uint_eq(wsrt_wheel_next(&wheel), WSRT_WHEEL_SLOTS - 1);
}
END_TEST

START_TEST(a_later_need_does_not_move_an_entry_and_an_earlier_one_does)
{
    begin_wheel();
    wsrt_wheel_need(&wheel, 0, 50);
    wsrt_wheel_need(&wheel, 0, 90);
    ck_assert_uint_eq(wsrt_wheel_next(&wheel), 50);
    wsrt_wheel_need(&wheel, 0, 20);
    ck_assert_uint_eq(wsrt_wheel_next(&wheel), 20);
    wsrt_wheel_remove(&wheel, 0);
    ck_assert_uint_eq(wsrt_wheel_next(&wheel), WSRT_NONE);
}
END_TEST

START_TEST(a_wheel_agrees_with_a_list_over_random_operations)
{
    uint32_t due[TIMERS], now = 0, seed = 1, early = 0, late = 0;

    begin_wheel();
    memset(due, 0xff, sizeof due);
    for (int step = 0; step < 100000; step++) {
        seed = seed * 1664525 + 1013904223;
        uint32_t n = (seed >> 8) % TIMERS, ahead = 1 + (seed >> 20) % 2047;
        if (seed >> 30 != 0) {
            wsrt_wheel_need(&wheel, n, now + ahead);
            due[n] = due[n] < now + ahead ? due[n] : now + ahead;
        } else {
            now += ahead / 8;
            for (uint32_t got; (got = wsrt_wheel_take(&wheel, now)) != WSRT_NONE;) {
                early += due[got] > now;
                due[got] = WSRT_NONE;
            }
            for (int i = 0; i < TIMERS; i++)
                late += due[i] <= now;
        }
    }
    ck_assert_uint_eq(early, 0);
    ck_assert_uint_eq(late, 0);
}
END_TEST

START_TEST(milliseconds_become_enough_ticks)
{
    ck_assert_uint_eq(wsrt_ticks(0), 0);
    ck_assert_uint_eq(wsrt_ticks(1), 1);
    ck_assert_uint_eq(wsrt_ticks(68), 2);
    ck_assert_uint_eq(wsrt_ticks(INT64_MAX), 0x7fffffff);
    for (int64_t ms = 1; ms < 100000; ms += 997)
        ck_assert_int_ge((int64_t)wsrt_ticks(ms) << WSRT_TICK_SHIFT, ms * 1000000);
}
END_TEST

/* ---- tables --------------------------------------------------------------------------------- */

enum { IDS = 1000 };

static char ids[IDS][WSRT_ID_LEN + 1];

static const char *id_at(void *user, uint32_t slot)
{
    (void)user;
    return ids[slot];
}

START_TEST(ids_are_found_while_they_are_in_the_table_and_only_then)
{
    struct heap heap;
    wsrt_ids table;
    char in[IDS] = {0};
    uint32_t seed = 7, wrong = 0;

    heap_init(&heap);
    wsrt_ids_init(&table, &heap.allocator, id_at, NULL);
    for (int i = 0; i < IDS; i++)
        snprintf(ids[i], sizeof ids[i], "%015d=", i * 7919);
    ck_assert_uint_eq(wsrt_ids_find(&table, wsrt_span_cstr(ids[0])), UINT32_MAX);
    for (int step = 0; step < 20000; step++) {
        seed = seed * 1664525 + 1013904223;
        uint32_t n = (seed >> 8) % IDS;
        if (in[n]) {
            wsrt_ids_remove(&table, ids[n]);
        } else {
            ck_assert_int_eq(wsrt_ids_reserve(&table), WSRT_OK);
            wsrt_ids_add(&table, ids[n], n);
        }
        in[n] = !in[n];
        uint32_t other = (seed >> 4) % IDS;
        wrong +=
            wsrt_ids_find(&table, wsrt_span_cstr(ids[other])) != (in[other] ? other : UINT32_MAX);
    }
    ck_assert_uint_eq(wrong, 0);
    for (uint32_t i = 0; i < IDS; i++)
        ck_assert_uint_eq(wsrt_ids_find(&table, wsrt_span_cstr(ids[i])), in[i] ? i : UINT32_MAX);
    wsrt_ids_free(&table);
    ck_assert_uint_eq(heap.live, 0);
}
END_TEST

START_TEST(an_id_of_another_length_is_not_found)
{
    struct heap heap;
    wsrt_ids table;

    heap_init(&heap);
    wsrt_ids_init(&table, &heap.allocator, id_at, NULL);
    strcpy(ids[0], "AAAAAAAAAAAAAAA=");
    ck_assert_int_eq(wsrt_ids_reserve(&table), WSRT_OK);
    wsrt_ids_add(&table, ids[0], 0);
    ck_assert_uint_eq(wsrt_ids_find(&table, (wsrt_span){ids[0], 15}), UINT32_MAX);
    ck_assert_uint_eq(wsrt_ids_find(&table, wsrt_span_cstr("AAAAAAAAAAAAAAA==")), UINT32_MAX);
    ck_assert_uint_eq(wsrt_ids_find(&table, wsrt_span_cstr("")), UINT32_MAX);
    wsrt_ids_free(&table);
}
END_TEST

START_TEST(addresses_count_ipv6_by_network_and_ipv4_whole)
{
    unsigned char a[16] = {0x20, 1, 0xd, 0xb8, [15] = 1}, b[16] = {0x20, 1, 0xd, 0xb8, [8] = 9};
    unsigned char c[16] = {0x20, 1, 0xd, 0xb8, [7] = 1};
    unsigned char v4[16] = {[10] = 0xff, [11] = 0xff, 192, 0, 2, 1};
    unsigned char other[16] = {[10] = 0xff, [11] = 0xff, 192, 0, 2, 2};
    struct heap heap;
    wsrt_peers table;

    heap_init(&heap);
    wsrt_peers_init(&table, &heap.allocator, 42);
    ck_assert_uint_eq(wsrt_peers_count(&table, a), 0);
    ck_assert_int_eq(wsrt_peers_add(&table, a), WSRT_OK);
    ck_assert_int_eq(wsrt_peers_add(&table, b), WSRT_OK);
    ck_assert_int_eq(wsrt_peers_add(&table, v4), WSRT_OK);
    ck_assert_uint_eq(wsrt_peers_count(&table, a), 2);
    ck_assert_uint_eq(wsrt_peers_count(&table, c), 0);
    ck_assert_uint_eq(wsrt_peers_count(&table, v4), 1);
    ck_assert_uint_eq(wsrt_peers_count(&table, other), 0);
    wsrt_peers_remove(&table, a);
    ck_assert_uint_eq(wsrt_peers_count(&table, b), 1);
    wsrt_peers_free(&table);
    ck_assert_uint_eq(heap.live, 0);
}
END_TEST

START_TEST(addresses_agree_with_an_array_over_random_operations)
{
    static uint32_t counts[500];
    struct heap heap;
    wsrt_peers table;
    uint32_t seed = 3, wrong = 0;

    heap_init(&heap);
    wsrt_peers_init(&table, &heap.allocator, 1);
    for (int step = 0; step < 50000; step++) {
        seed = seed * 1664525 + 1013904223;
        uint32_t n = (seed >> 8) % 500;
        unsigned char ip[16] = {[10] = 0xff,
                                [11] = 0xff,
                                10,
                                0,
                                [14] = (unsigned char)(n >> 8),
                                [15] = (unsigned char)n};
        if (seed >> 31 != 0) {
            wrong += wsrt_peers_add(&table, ip) != WSRT_OK;
            counts[n]++;
        } else if (counts[n] > 0) {
            wsrt_peers_remove(&table, ip);
            counts[n]--;
        }
        wrong += wsrt_peers_count(&table, ip) != counts[n];
    }
    ck_assert_uint_eq(wrong, 0);
    wsrt_peers_free(&table);
}
END_TEST

/* ---- trust ---------------------------------------------------------------------------------- */

static wsrt_span names[] = {{"chat.example", 12}, {"api.example:8443", 16}};
static wsrt_span origins[4];
static wsrt_server believing;
static wsrt_terms belief;
static wsrt_loop believer = {.server = &believing, .set = &believing.set, .terms = &belief};

static void begin_trust(const char *first, const char *second)
{
    belief.hosts = (wsrt_texts){names, 2};
    origins[0] = wsrt_span_cstr(first);
    origins[1] = wsrt_span_cstr(second);
    belief.origins = (wsrt_texts){origins, second != NULL ? 2 : first != NULL ? 1 : 0};
    believing.listener_count = 1;
    strcpy(believing.listeners[0].address, "192.0.2.7:8080");
    believing.listeners[0].len = 14;
}

static const struct {
    const char *host;
    int trusted;
} hosts[] = {
    {"localhost", 1},
    {"LOCALHOST:8080", 1},
    {"127.0.0.1", 1},
    {"127.9.9.9:1", 1},
    {"[::1]", 1},
    {"[::1]:8080", 1},
    {"192.0.2.7:8080", 1},
    {"192.0.2.7:99", 1},
    {"chat.example", 1},
    {"Chat.Example:443", 1},
    {"api.example:8443", 1},
    {"api.example", 0},
    {"api.example:8444", 0},
    {"evil.example", 0},
    {"127.0.0.1.evil.example", 0},
    {"localhost.evil.ex", 0},
    {"[::2]", 0},
    {"", 0},
    {":8080", 0},
    {"192.0.2.8", 0},
    {"xchat.example", 0},
};

START_TEST(a_host_is_trusted_by_name_address_or_loopback)
{
    begin_trust(NULL, NULL);
    ck_assert_msg(wsrt_host_trusted(&believer, wsrt_span_cstr(hosts[_i].host)) == hosts[_i].trusted,
                  "%s", hosts[_i].host);
}
END_TEST

static const struct {
    const char *allow, *origin;
    int allowed;
} origin_rows[] = {
    {NULL, "http://localhost:8080", 1},
    {NULL, "http://LOCALHOST:8080", 1},
    {NULL, "https://localhost:8080", 0},
    {NULL, "http://localhost:8081", 0},
    {NULL, "http://evil.example", 0},
    {NULL, "null", 0},
    {NULL, "", 0},
    {"*", "null", 1},
    {"*", "http://evil.example", 1},
    {"https://app.example", "https://app.example", 1},
    {"https://app.example", "https://app.example:443", 1},
    {"https://app.example:443", "https://APP.example", 1},
    {"https://app.example", "http://app.example", 0},
    {"https://app.example", "https://app.example:8443", 0},
    {"https://app.example", "https://app.example.evil", 0},
    {"https://app.example", "https://xapp.example", 0},
    {"https://*.example.com", "https://a.example.com", 1},
    {"https://*.example.com", "https://a.b.example.com", 0},
    {"https://*.example.com", "https://example.com", 0},
    {"https://*.example.com", "https://.example.com", 0},
    {"https://*.example.com", "https://aexample.com", 0},
    {"https://*.example.com", "http://a.example.com", 0},
    {"https://*.example.com", "https://a/b.example.com", 0},
    {"https://*.example.com", "https://a@b.example.com", 0},
};

START_TEST(an_origin_is_allowed_when_it_is_our_own_or_named)
{
    begin_trust(origin_rows[_i].allow, NULL);
    ck_assert_msg(wsrt_origin_allowed(&believer, wsrt_span_cstr(origin_rows[_i].origin),
                                      wsrt_span_cstr("localhost:8080")) == origin_rows[_i].allowed,
                  "%s for %s", origin_rows[_i].origin, origin_rows[_i].allow);
}
END_TEST

/* ---- utf-8 ---------------------------------------------------------------------------------- */

static const struct {
    const char *text;
    size_t len;
    int valid;
} utf8_rows[] = {
    {"", 0, 1},
    {"plain", 5, 1},
    {"\0", 1, 1},
    {"\xc3\xa9", 2, 1},
    {"\xe2\x82\xac", 3, 1},
    {"\xf0\x9f\x98\x80", 4, 1},
    {"\xf4\x8f\xbf\xbf", 4, 1},
    {"\xed\x9f\xbf", 3, 1},
    {"\xee\x80\x80", 3, 1},
    {"01234567\xc3\xa9", 10, 1},
    {"\x80", 1, 0},
    {"\xc0\x80", 2, 0},
    {"\xc1\xbf", 2, 0},
    {"\xe0\x9f\xbf", 3, 0},
    {"\xed\xa0\x80", 3, 0},
    {"\xf0\x8f\xbf\xbf", 4, 0},
    {"\xf4\x90\x80\x80", 4, 0},
    {"\xf5\x80\x80\x80", 4, 0},
    {"\xc3", 1, 0},
    {"\xe2\x82", 2, 0},
    {"\xf0\x9f\x98", 3, 0},
    {"\xc3(", 2, 0},
    {"\xe2(\xac", 3, 0},
    {"01234567\xff", 9, 0},
};

START_TEST(text_is_utf8_or_it_is_not)
{
    char *exact = malloc(utf8_rows[_i].len + 1); /* a read beyond is a sanitizer's finding */

    memcpy(exact, utf8_rows[_i].text, utf8_rows[_i].len);
    exact = realloc(exact, utf8_rows[_i].len > 0 ? utf8_rows[_i].len : 1);
    ck_assert_int_eq(wsrt_utf8_valid((wsrt_span){exact, utf8_rows[_i].len}), utf8_rows[_i].valid);
    free(exact);
}
END_TEST

START_TEST(one_bad_byte_is_found_at_every_place_of_a_text_of_any_length)
{
    for (size_t len = 1; len <= 200; len++) {
        char *text = malloc(len); /* a read beyond is a sanitizer's finding */
        memset(text, 'a', len);
        ck_assert_int_eq(wsrt_utf8_valid((wsrt_span){text, len}), 1);
        for (size_t at = 0; at < len; at++) {
            text[at] = (char)0x80;
            ck_assert_int_eq(wsrt_utf8_valid((wsrt_span){text, len}), 0);
            text[at] = 'a';
        }
        free(text);
    }
}
END_TEST

/* ---- settings ------------------------------------------------------------------------------- */

static wsrt_runtime *rt;
static wsrt_terms set; /* without its texts */
static const char *wrong;

static int load(wsrt_server_options o)
{
    wsrt_settings fixed;
    wsrt_terms *terms;

    o.struct_size = sizeof o;
    int rc = wsrt_server_settings_load(&fixed, rt, &o, &wrong);
    wsrt_server_settings_free(&fixed);
    if (rc == WSRT_OK)
        rc = wsrt_terms_new(&terms, &o, &wrong);
    if (rc != WSRT_OK)
        return rc;
    memcpy(&set, terms, sizeof set);
    wsrt_terms_release(terms);
    return WSRT_OK;
}

static void begin_settings(void)
{
    ck_assert_int_eq(wsrt_runtime_new(&rt, NULL), WSRT_OK);
}

START_TEST(the_defaults_are_those_of_the_manual)
{
    begin_settings();
    ck_assert_int_eq(load((wsrt_server_options){0}), WSRT_OK);
    ck_assert_uint_eq(set.max_message, 131072);
    ck_assert_uint_eq(set.max_frame, 131072);
    ck_assert_uint_eq(set.max_per_ip, 256);
    ck_assert_int_eq(set.accept_rate, 500);
    ck_assert_uint_eq(set.idle, wsrt_ticks(600000));
    ck_assert_uint_eq(set.lifetime, 0);
    ck_assert_uint_eq(set.ping, wsrt_ticks(25000));
    ck_assert_int_eq(set.queue_soft, 262144);
    ck_assert_int_eq(set.queue_hard, 1048576);
    wsrt_runtime_free(rt);
}
END_TEST

START_TEST(api_gateway_has_limits_of_its_own_which_single_settings_override)
{
    begin_settings();
    ck_assert_int_eq(load((wsrt_server_options){.flags = WSRT_SERVER_API_GATEWAY}), WSRT_OK);
    ck_assert_uint_eq(set.max_message, 131072);
    ck_assert_uint_eq(set.max_frame, 32768);
    ck_assert_uint_eq(set.lifetime, wsrt_ticks(7200000));
    ck_assert_uint_eq(set.ping, 0);
    ck_assert_int_eq(load((wsrt_server_options){.flags = WSRT_SERVER_API_GATEWAY,
                                                .lifetime_ms = -1,
                                                .ping_ms = 1000,
                                                .max_frame = 500}),
                     WSRT_OK);
    ck_assert_uint_eq(set.max_frame, 500);
    ck_assert_uint_eq(set.lifetime, 0);
    ck_assert_uint_eq(set.ping, wsrt_ticks(1000));
    wsrt_runtime_free(rt);
}
END_TEST

START_TEST(settings_that_make_no_sense_are_refused_by_name)
{
    const wsrt_span empty[1] = {{"", 0}};
    const struct {
        const char *wrong;
        wsrt_server_options options;
    } rows[] = {
        {"max_message", {.max_message = -1}},
        {"max_message", {.max_message = INT64_MAX}},
        {"handshake_ms", {.handshake_ms = -1}},
        {"idle_ms", {.idle_ms = -2}},
        {"expired_ms", {.expired_ms = -2}},
        {"queue_hard", {.queue_hard = 10, .queue_soft = 20}},
        {"listen", {.listen = empty, .listen_count = 1}},
        {"listen", {.listen = empty, .listen_count = 17}},
        {"stage", {.stage = wsrt_span_cstr("a/b")}},
        {"stage", {.stage = wsrt_span_cstr("a%62")}},
        {"stage", {.stage = wsrt_span_cstr("@connections")}},
        {"hosts", {.host_count = 1}},
        {"origins", {.origins = empty, .origin_count = 1}},
        {"tls_cert", {.tls_cert = wsrt_span_cstr("cert.pem")}},
        {"slow_reader", {.slow_reader = 9}},
        {"management", {.management = -1}},
        {"management", {.management = 9}},
        {"management_token", {.management = WSRT_MANAGEMENT_BEARER}},
        {"allocator", {.allocator = {.user = &rt}}},
        {"workers", {.workers = -1}},
    };

    begin_settings();
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        ck_assert_msg(load(rows[i].options) == WSRT_ERR_INVALID, "row %zu", i);
        ck_assert_str_eq(wrong, rows[i].wrong);
    }
    ck_assert_int_eq(load((wsrt_server_options){.flags = 1u << 20}), WSRT_ERR_UNSUPPORTED);
    wsrt_runtime_free(rt);
}
END_TEST

#define ROWS(table) (int)(sizeof table / sizeof table[0])

START_TEST(dates_of_http_are_those_of_the_calendar)
{
    char want[64], got[WSRT_HTTP_DATE];
    struct tm tm;

    for (time_t at = 0; at < 5000000000; at += 86399 * 7 + 1) {
        ck_assert_ptr_nonnull(gmtime_r(&at, &tm));
        strftime(want, sizeof want, "%a, %d %b %Y %H:%M:%S GMT", &tm);
        wsrt_http_date(got, at);
        ck_assert_str_eq(got, want);
    }
}
END_TEST

/* ---- proxies -------------------------------------------------------------------------------- */

static const struct {
    const char *range;
    const char *inside; /* NULL = the range is none */
    const char *outside;
} ranges[] = {
    {"10.0.0.0/8", "10.255.0.1", "11.0.0.1"},
    {"192.0.2.1", "192.0.2.1", "192.0.2.2"},
    {"192.0.2.128/25", "192.0.2.129", "192.0.2.127"},
    {"0.0.0.0/0", "203.0.113.9", "2001:db8::1"},
    {"::/0", "192.0.2.1", NULL},
    {"2001:db8::/32", "2001:db8:ffff::1", "2001:db9::1"},
    {"2001:db8::1", "2001:db8::1", "2001:db8::2"},
    {"::ffff:192.0.2.0/24", "192.0.2.7", "192.0.3.7"},
    {"", NULL, NULL},
    {"10.0.0.0/33", NULL, NULL},
    {"10.0.0.0/", NULL, NULL},
    {"10.0.0.0/x", NULL, NULL},
    {"10.0.0/8", NULL, NULL},
    {"2001:db8::/129", NULL, NULL},
    {"example.com", NULL, NULL},
};

static int has(wsrt_range *range, const char *ip_cstr)
{
    wsrt_proxies one = {range, 1, 0};
    wsrt_range ip;

    ck_assert_int_eq(wsrt_range_parse(wsrt_span_cstr(ip_cstr), &ip), 1);
    return wsrt_proxies_have(&one, ip.ip);
}

START_TEST(a_range_of_addresses_has_those_with_its_first_bits)
{
    wsrt_range range;
    int ok = wsrt_range_parse(wsrt_span_cstr(ranges[_i].range), &range);

    ck_assert_int_eq(ok, ranges[_i].inside != NULL);
    if (!ok)
        return;
    ck_assert(has(&range, ranges[_i].inside));
    if (ranges[_i].outside != NULL)
        ck_assert(!has(&range, ranges[_i].outside));
}
END_TEST

START_TEST(nine_descriptors_of_ten_are_for_connections_however_many_there_are)
{
    ck_assert_int_eq(wsrt_connections_of(1), 1);
    ck_assert_int_eq(wsrt_connections_of(1024), 921);
    ck_assert_int_eq(wsrt_connections_of(1048576), 943718);
    ck_assert_int_eq(wsrt_connections_of(17000000), 15300000);
    ck_assert_int_eq(wsrt_connections_of(UINT64_MAX), 1 << 24);
}
END_TEST

Suite *suite(void)
{
    Suite *s = suite_create("server_parts");
    TCase *t = tcase_create("all");

    tcase_add_test(t, an_empty_wheel_has_no_next_tick);
    tcase_add_test(t, entries_come_out_at_their_tick_and_not_before);
    tcase_add_test(t, an_entry_beyond_the_wheel_is_looked_at_at_its_end);
    tcase_add_test(t, a_later_need_does_not_move_an_entry_and_an_earlier_one_does);
    tcase_add_test(t, a_wheel_agrees_with_a_list_over_random_operations);
    tcase_add_test(t, milliseconds_become_enough_ticks);
    tcase_add_test(t, ids_are_found_while_they_are_in_the_table_and_only_then);
    tcase_add_test(t, an_id_of_another_length_is_not_found);
    tcase_add_test(t, addresses_count_ipv6_by_network_and_ipv4_whole);
    tcase_add_test(t, addresses_agree_with_an_array_over_random_operations);
    tcase_add_test(t, dates_of_http_are_those_of_the_calendar);
    tcase_add_loop_test(t, a_host_is_trusted_by_name_address_or_loopback, 0, ROWS(hosts));
    tcase_add_loop_test(t, an_origin_is_allowed_when_it_is_our_own_or_named, 0, ROWS(origin_rows));
    tcase_add_loop_test(t, text_is_utf8_or_it_is_not, 0, ROWS(utf8_rows));
    tcase_add_test(t, one_bad_byte_is_found_at_every_place_of_a_text_of_any_length);
    tcase_add_test(t, the_defaults_are_those_of_the_manual);
    tcase_add_test(t, nine_descriptors_of_ten_are_for_connections_however_many_there_are);
    tcase_add_test(t, api_gateway_has_limits_of_its_own_which_single_settings_override);
    tcase_add_test(t, settings_that_make_no_sense_are_refused_by_name);
    tcase_add_loop_test(t, a_range_of_addresses_has_those_with_its_first_bits, 0,
                        (int)(sizeof ranges / sizeof ranges[0]));
    suite_add_tcase(s, t);
    return s;
}
