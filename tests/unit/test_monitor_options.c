/* Options of a monitor, what of it changes at run time, and its exports into buffers. */
#include "comma_locale.h"
#include "monitor_rig.h"

#include <wsrt/error.h>

/* ---- who a line is about ---- */

static const wsrt_field person[] = {
    {.name_cstr = "userId", .text = {"ada", 3}, .kind = WSRT_FIELD_TEXT},
    {.name_cstr = "connectionId", .text = {"c-17", 4}, .kind = WSRT_FIELD_TEXT},
};

static void lines_about(const wsrt_field *members, size_t count)
{
    const wsrt_export_options o = {.struct_size = sizeof o,
                                   .format = WSRT_EXPORT_EMF,
                                   .wall = 1795168800000,
                                   .members = members,
                                   .member_count = count};

    page.len = 0;
    run(NULL, WSRT_OP_CONVERSATION, MS);
    ck_assert_int_eq(wsrt_monitor_export(m, &o, append, &page), WSRT_OK);
    page.text[page.len] = '\0';
}

static int in_lines(const char *part)
{
    return strstr(page.text, part) != NULL;
}

/* The ten digits that stand for a user. */
static void digits_of_user(wsrt_monitor_options o, char out[11])
{
    remake(o);
    lines_about(person, 1);
    const char *at = strstr(page.text, "\"userId\":\"#");
    ck_assert_ptr_nonnull(at);
    memcpy(out, at + 11, 10);
    out[10] = '\0';
    ck_assert_uint_eq(strspn(out, "0123456789abcdef"), 10);
    ck_assert_int_eq(at[21], '"');
}

START_TEST(identities_are_hashed_alike_under_one_key)
{
    wsrt_monitor_options o = options();
    char first[11], again[11], other[11], drawn[11];

    o.identity_key = wsrt_span_cstr("sixteen bytes it has");
    digits_of_user(o, first);
    digits_of_user(o, again);
    ck_assert_str_eq(first, again);
    o.identity_key = wsrt_span_cstr("sixteen bytes it had");
    digits_of_user(o, other);
    ck_assert_str_ne(first, other);
    digits_of_user(options(), drawn);
    ck_assert_str_ne(first, drawn);
}
END_TEST

START_TEST(identities_are_told_as_they_are_where_the_option_says)
{
    wsrt_monitor_options o = options();

    lines_about(person, 2);
    ck_assert(!in_lines("ada") && !in_lines("c-17"));
    o.log_identity_plain = WSRT_IDENTITY_CONNECTION_ID;
    remake(o);
    lines_about(person, 2);
    ck_assert(in_lines("\"connectionId\":\"c-17\""));
    ck_assert(!in_lines("ada") && in_lines("\"userId\":\"#"));
}
END_TEST

START_TEST(short_keys_unknown_identities_and_flags_are_refused)
{
    wsrt_monitor *none = m;
    wsrt_monitor_options short_key = options(), plain = options(), allowed = options(),
                         flags = options();

    short_key.identity_key = wsrt_span_cstr("fifteen bytes..");
    plain.log_identity_plain = 128;
    allowed.allow_identity_dimensions = 128;
    flags.flags = 2;
    ck_assert_int_eq(wsrt_monitor_new(&none, &short_key), WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_monitor_new(&none, &plain), WSRT_ERR_UNSUPPORTED);
    ck_assert_int_eq(wsrt_monitor_new(&none, &allowed), WSRT_ERR_UNSUPPORTED);
    ck_assert_int_eq(wsrt_monitor_new(&none, &flags), WSRT_ERR_UNSUPPORTED);
    ck_assert_ptr_null(none);
}
END_TEST

START_TEST(an_error_message_is_told_without_its_secrets_and_cut)
{
    char long_text[2000], member[600];
    wsrt_field what =
        text("errorMessage", "login of ada@example.org with token=abcdefghijkl failed");
    wsrt_monitor_options o = options();

    lines_about(&what, 1);
    ck_assert(!in_lines("errorMessage"));
    o.redact = wsrt_redact;
    remake(o);
    lines_about(&what, 1);
    ck_assert(in_lines("\"errorMessage\":\"login of [redacted] with token=[redacted] failed\""));
    memset(long_text, 'x', sizeof long_text);
    for (size_t i = 9; i < sizeof long_text; i += 10)
        long_text[i] = ' ';
    what.text = (wsrt_span){long_text, sizeof long_text};
    lines_about(&what, 1);
    snprintf(member, sizeof member, "\"errorMessage\":\"%.512s\"", long_text);
    ck_assert(in_lines(member));
}
END_TEST

/* ---- memory ---- */

static int64_t resident;

static int64_t fake_resident(void *user)
{
    (void)user;
    return resident;
}

static const wsrt_env growing = {.struct_size = sizeof(wsrt_env),
                                 .cpu = fake_cpu,
                                 .random = fake_random,
                                 .resident = fake_resident};

static void grow(wsrt_recorder *rec, int64_t from, int64_t to, int64_t told)
{
    wsrt_op_result r = success();
    wsrt_op op;

    resident = from;
    wsrt_op_start(m, rec, WSRT_OP_CONVERSATION, 0, &op);
    wsrt_op_add_bytes(&op, told);
    resident = to;
    ck_assert_int_eq(wsrt_op_complete(&op, MS, &r), WSRT_OK);
    wsrt_op_start(m, rec, WSRT_OP_CONNECTION, 0, &op); /* gives back what was told */
    wsrt_op_add_bytes(&op, -told);
    wsrt_op_cancel(&op);
}

START_TEST(what_the_process_grows_by_is_memory_when_it_is_more_than_was_told)
{
    wsrt_monitor_options o = options();
    wsrt_recorder *rec = NULL;

    o.env = &growing;
    o.flags = WSRT_MONITOR_RESIDENT_DELTA;
    remake(o);
    if (_i == 0)
        ck_assert_int_eq(wsrt_recorder_new(&rec, m), WSRT_OK);
    grow(rec, 1000000, 1004096, 0);
    ck_assert_uint_eq(totals(0).memory_max, 4096);
    grow(rec, 1000000, 1004096, 5000);
    ck_assert_uint_eq(totals(0).memory_max, 5000);
    grow(rec, 1004096, 1000000, 0);
    grow(rec, -1, 1000000, 0);
    ck_assert_uint_eq(totals(0).memory_count, 2);
    ck_assert_uint_eq(totals(0).memory_sum, 9096);
    wsrt_recorder_free(rec);
}
END_TEST

START_TEST(resident_memory_is_read_for_none_but_who_asks)
{
    wsrt_monitor_options o = options();

    o.env = &growing;
    remake(o);
    grow(NULL, 1000000, 1004096, 0);
    ck_assert_uint_eq(totals(0).memory_count, 0);
}
END_TEST

START_TEST(cpu_time_is_sampled_as_ever_where_memory_is_read)
{
    wsrt_monitor_options o = options();
    wsrt_recorder *rec;

    o.env = &growing;
    o.flags = WSRT_MONITOR_RESIDENT_DELTA;
    o.cpu_sampling = 10;
    remake(o);
    ck_assert_int_eq(wsrt_recorder_new(&rec, m), WSRT_OK);
    for (int i = 0; i < 100; i++) {
        wsrt_op op;
        ck_assert_int_eq(wsrt_recorder_due(rec), 1);
        wsrt_op_start(m, rec, WSRT_OP_CONVERSATION, i * MS, &op);
        wsrt_op_complete(&op, i * MS + 1000, NULL);
    }
    ck_assert_uint_eq(totals(0).cpu_samples, 10);
    wsrt_recorder_free(rec);
}
END_TEST

START_TEST(memory_taken_through_a_recorder_is_told_to_its_operations)
{
    const wsrt_allocator *a;
    wsrt_op_result r = success();
    wsrt_recorder *rec;
    wsrt_op outer, inner;

    ck_assert_ptr_null(wsrt_recorder_allocator(NULL));
    ck_assert_int_eq(wsrt_recorder_new(&rec, m), WSRT_OK);
    a = wsrt_recorder_allocator(rec);
    wsrt_op_start(m, rec, WSRT_OP_CONVERSATION, 0, &outer);
    void *first = a->realloc(a->user, NULL, 0, 100);
    wsrt_op_start(m, rec, WSRT_OP_CHAT_MESSAGE, 0, &inner);
    void *second = a->realloc(a->user, NULL, 0, 50);
    second = a->realloc(a->user, second, 50, 70);
    wsrt_op_complete(&inner, MS, &r);
    a->realloc(a->user, second, 70, 0);
    a->realloc(a->user, first, 100, 0);
    wsrt_op_complete(&outer, MS, &r);
    ck_assert_uint_eq(totals(WSRT_OP_CHAT_MESSAGE).memory_max, 70);
    ck_assert_uint_eq(totals(WSRT_OP_CONVERSATION).memory_max, 170);
    wsrt_op_start(m, rec, WSRT_OP_CONVERSATION, 0, &outer);
    heap_arm(&heap, 1, 1);
    ck_assert_ptr_null(a->realloc(a->user, NULL, 0, 100));
    heap_arm(&heap, 0, 0);
    wsrt_op_complete(&outer, MS, &r);
    ck_assert_uint_eq(totals(WSRT_OP_CONVERSATION).memory_count, 1);
    wsrt_recorder_free(rec);
}
END_TEST

/* ---- attributes from the start ---- */

static void end_with(const wsrt_field *from_start, const wsrt_field *at_end, int ok)
{
    wsrt_op_result r = ok ? success() : failure();
    wsrt_op op;

    wsrt_op_start(m, NULL, WSRT_OP_CONVERSATION, 0, &op);
    wsrt_op_attributes(&op, from_start, 1);
    r.attrs = at_end;
    r.attr_count = at_end != NULL;
    ck_assert_int_eq(wsrt_op_complete(&op, MS, &r), WSRT_OK);
}

START_TEST(attributes_of_the_start_are_counted_before_those_of_the_result)
{
    wsrt_field early = text("messageType", "auth"), late = text("messageType", "ping");
    wsrt_field size = {.name_cstr = "requestSize", .number = 40, .kind = WSRT_FIELD_INT};
    wsrt_field larger = {.name_cstr = "requestSize", .number = 90, .kind = WSRT_FIELD_INT};

    end_with(&early, NULL, 1);
    end_with(&early, &late, 1);
    end_with(&size, &larger, 1);
    ck_assert_double_eq(
        metric("wsrt_business_message_types_total{handler=\"websocket_conversation\","
               "environment=\"dev\",category=\"auth\"}"),
        2);
    ck_assert_double_eq(
        metric("wsrt_business_message_types_total{handler=\"websocket_conversation\","
               "environment=\"dev\",category=\"ping\"}"),
        1);
    ck_assert_uint_eq(totals(0).request_bytes, 40);
}
END_TEST

START_TEST(attributes_of_an_operation_that_is_none_are_no_ones)
{
    wsrt_field attr = text("messageType", "auth");
    wsrt_op op = {0};

    wsrt_op_attributes(NULL, &attr, 1);
    wsrt_op_attributes(&op, &attr, 1);
    ck_assert_int_eq(wsrt_op_complete(&op, MS, NULL), WSRT_ERR_STATE);
    wsrt_op_start(m, NULL, 0, 0, &op);
    wsrt_op_attributes(&op, NULL, 1);
    ck_assert_int_eq(wsrt_op_complete(&op, MS, NULL), WSRT_OK);
    ck_assert_uint_eq(totals(0).count, 1);
}
END_TEST

/* ---- settings that change ---- */

static int alerts;

static void count_alert(const wsrt_alert *a, void *user)
{
    (void)a;
    (void)user;
    alerts++;
}

#define SLOWER_THAN(ms)                                                                            \
    {                                                                                              \
        .struct_size = sizeof(wsrt_threshold), .watched = WSRT_WATCH_DURATION,                     \
        .critical = (ms)*1e6, .statistic = WSRT_STATISTIC_P95                                      \
    }

static const wsrt_threshold slower_than_10 = SLOWER_THAN(10), slower_than_less = SLOWER_THAN(-1);

static int slow_window(int64_t from_s)
{
    alerts = 0;
    ck_assert_int_eq(wsrt_monitor_tick(m, from_s * 1000 * MS, 0), WSRT_OK);
    run(NULL, WSRT_OP_CONVERSATION, 50 * MS);
    run(NULL, WSRT_OP_CONNECTION, 50 * MS);
    ck_assert_int_eq(wsrt_monitor_tick(m, (from_s + 10) * 1000 * MS, 0), WSRT_OK);
    return alerts;
}

START_TEST(thresholds_change_as_one_block_or_not_at_all)
{
    wsrt_operation_threshold both[] = {{.operation = 0, .threshold = &slower_than_10},
                                       {.operation = 99, .threshold = &slower_than_10}};
    wsrt_monitor_settings s = {
        .struct_size = sizeof s, .thresholds = both, .threshold_count = COUNT(both)};
    wsrt_monitor_options o = options();

    o.on_alert = count_alert;
    remake(o);
    ck_assert_int_eq(wsrt_monitor_configure(m, &s), WSRT_ERR_NOT_FOUND);
    both[1] = (wsrt_operation_threshold){.operation = 1, .threshold = &slower_than_less};
    ck_assert_int_eq(wsrt_monitor_configure(m, &s), WSRT_ERR_INVALID);
    both[1].threshold = NULL;
    ck_assert_int_eq(wsrt_monitor_configure(m, &s), WSRT_ERR_INVALID);
    ck_assert_int_eq(slow_window(0), 0);
    both[1].threshold = &slower_than_10;
    ck_assert_int_eq(wsrt_monitor_configure(m, &s), WSRT_OK);
    ck_assert_int_eq(slow_window(10), 2);
}
END_TEST

START_TEST(settings_that_are_none_are_refused)
{
    wsrt_monitor_settings s = {.struct_size = sizeof s, .threshold_count = 1};

    ck_assert_int_eq(wsrt_monitor_configure(NULL, &s), WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_monitor_configure(m, NULL), WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_monitor_configure(m, &s), WSRT_ERR_INVALID);
    s.threshold_count = 0;
    ck_assert_int_eq(wsrt_monitor_configure(m, &s), WSRT_OK);
    s.struct_size = 4;
    ck_assert_int_eq(wsrt_monitor_configure(m, &s), WSRT_ERR_INVALID);
}
END_TEST

START_TEST(refused_memory_changes_no_setting)
{
    wsrt_operation_threshold both[] = {{.operation = 0, .threshold = &slower_than_10},
                                       {.operation = 1, .threshold = &slower_than_10}};
    wsrt_monitor_settings s = {
        .struct_size = sizeof s, .thresholds = both, .threshold_count = COUNT(both)};
    wsrt_monitor_options o = options();

    o.on_alert = count_alert;
    remake(o);
    for (size_t n = 1;; n++) {
        heap_arm(&heap, n, 0);
        int rc = wsrt_monitor_configure(m, &s);
        int tripped = heap.tripped;
        heap_arm(&heap, 0, 0);
        if (!tripped)
            break;
        ck_assert_int_eq(rc, WSRT_ERR_NOMEM);
        ck_assert_int_eq(slow_window((int64_t)n * 20), 0);
        heap.points++;
    }
    ck_assert_uint_eq(heap.points, 3);
}
END_TEST

static uint64_t samples_of_next(wsrt_recorder *rec, int operations)
{
    static int64_t now;
    uint64_t before = totals(0).cpu_samples;

    for (int i = 0; i < operations; i++) {
        wsrt_op op;
        now += 2 * MS;
        wsrt_op_start(m, rec, WSRT_OP_CONVERSATION, now, &op);
        wsrt_op_complete(&op, now + MS, NULL);
    }
    return totals(0).cpu_samples - before;
}

START_TEST(sampling_may_begin_change_and_end_while_operations_run)
{
    wsrt_monitor_settings s = {.struct_size = sizeof s, .cpu_sampling = 4};
    wsrt_monitor_options o = options();
    wsrt_recorder *rec;

    o.cpu_sampling = UINT32_MAX;
    remake(o);
    ck_assert_int_eq(wsrt_recorder_new(&rec, m), WSRT_OK);
    ck_assert_uint_eq(samples_of_next(rec, 65), 0);
    ck_assert_int_eq(wsrt_monitor_configure(m, &s), WSRT_OK);
    (void)samples_of_next(rec, 64);
    ck_assert_uint_eq(samples_of_next(rec, 40), 10);
    s.cpu_sampling = UINT32_MAX;
    ck_assert_int_eq(wsrt_monitor_configure(m, &s), WSRT_OK);
    ck_assert_uint_eq(samples_of_next(rec, 200), 0);
    ck_assert_int_eq(wsrt_recorder_due(rec), 0);
    wsrt_recorder_free(rec);
}
END_TEST

START_TEST(a_lower_limit_keeps_the_values_that_are_there)
{
    wsrt_monitor_settings s = {.struct_size = sizeof s, .max_metric_values = 1};
    wsrt_field old = text("action", "old"), fresh = text("action", "new");

    run_with(0, &old, 1);
    ck_assert_int_eq(wsrt_monitor_configure(m, &s), WSRT_OK);
    run_with(0, &old, 1);
    ck_assert_double_eq(metric("wsrt_self_series_dropped_total{environment=\"dev\"}"), 0);
    run_with(0, &fresh, 1);
    ck_assert_double_eq(metric("wsrt_self_series_dropped_total{environment=\"dev\"}"), 1);
}
END_TEST

/* ---- into a buffer ---- */

START_TEST(an_export_is_served_to_every_buffer_size)
{
    static char whole[8192], part[8192];
    wsrt_export_options o = {.struct_size = sizeof o, .format = WSRT_EXPORT_EMF, .wall = 1};
    size_t len, again;

    run(NULL, WSRT_OP_CONVERSATION, MS);
    ck_assert_int_eq(wsrt_monitor_reader_new(&o.since, m), WSRT_OK);
    ck_assert_int_eq(wsrt_monitor_export_to(m, &o, NULL, 0, &len), WSRT_ERR_LIMIT);
    ck_assert_uint_lt(len, sizeof whole);
    for (size_t cap = 1; cap < len; cap++) {
        memset(part, '?', sizeof part);
        ck_assert_int_eq(wsrt_monitor_export_to(m, &o, part, cap, &again), WSRT_ERR_LIMIT);
        ck_assert_uint_eq(again, len);
        ck_assert_int_eq(part[cap], '?');
    }
    ck_assert_int_eq(wsrt_monitor_export_to(m, &o, whole, len, &again), WSRT_OK);
    ck_assert_uint_eq(again, len);
    ck_assert_int_eq(whole[len - 1], '\n');
    ck_assert_ptr_nonnull(strstr(whole, "\"HandlerDuration\":[1"));
    ck_assert_int_eq(wsrt_monitor_export_to(m, &o, part, len + 1, &again), WSRT_OK);
    ck_assert_uint_eq(again, 0);
    wsrt_monitor_reader_free(o.since);
}
END_TEST

START_TEST(an_export_into_no_place_is_refused)
{
    const wsrt_export_options o = {.struct_size = sizeof o, .format = WSRT_EXPORT_EMF};
    size_t len = 9;
    char one;

    ck_assert_int_eq(wsrt_monitor_export_to(m, &o, NULL, 1, &len), WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_monitor_export_to(m, &o, &one, 1, NULL), WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_monitor_export_to(m, NULL, &one, 1, &len), WSRT_ERR_INVALID);
    ck_assert_uint_eq(len, 0);
}
END_TEST

/* ---- the surroundings ---- */

static size_t export_as(int format, char *dst, size_t cap)
{
    const wsrt_export_options o = {
        .struct_size = sizeof o, .format = format, .wall = 1795168892123};
    size_t len;

    ck_assert_int_eq(wsrt_monitor_export_to(m, &o, dst, cap, &len), WSRT_OK);
    return len;
}

START_TEST(a_locale_with_a_decimal_comma_changes_no_export)
{
    enum { ROOM = 65536 };
    static char plain[WSRT_EXPORT_BINARY][ROOM], comma[ROOM];
    size_t lens[WSRT_EXPORT_BINARY];

    for (int i = 1; i <= 7; i++)
        run(NULL, WSRT_OP_CONVERSATION, i * 1234567);
    for (int i = 0; i < WSRT_EXPORT_BINARY; i++)
        lens[i] = export_as(i + 1, plain[i], ROOM);
    use_comma_locale();
    for (int i = 0; i < WSRT_EXPORT_BINARY; i++) {
        ck_assert_uint_eq(export_as(i + 1, comma, ROOM), lens[i]);
        ck_assert_mem_eq(plain[i], comma, lens[i]);
    }
    setlocale(LC_ALL, "C");
}
END_TEST

START_TEST(a_locale_with_a_decimal_comma_changes_no_envelope)
{
    const wsrt_field rate = {.name_cstr = "failureRate", .real = 0.625, .kind = WSRT_FIELD_REAL};
    const wsrt_error e = {.struct_size = sizeof e,
                          .type = WSRT_ERROR_EXTERNAL_SERVICE,
                          .wall = 1795168800123,
                          .details = &rate,
                          .detail_count = 1};
    char out[512];
    size_t len;

    use_comma_locale();
    int rc = wsrt_error_write(&e, WSRT_ERROR_FORM_DEVELOPER, out, sizeof out, &len);
    setlocale(LC_ALL, "C");
    ck_assert_int_eq(rc, WSRT_OK);
    ck_assert_ptr_nonnull(strstr(out, "\"failureRate\":0.625"));
}
END_TEST

Suite *suite(void)
{
    Suite *s = suite_create("monitor_options");
    TCase *c = tcase_create("monitor_options");

    tcase_add_checked_fixture(c, setup, teardown);
    tcase_set_timeout(c, 60); /* a locale is made */
    tcase_add_test(c, identities_are_hashed_alike_under_one_key);
    tcase_add_test(c, identities_are_told_as_they_are_where_the_option_says);
    tcase_add_test(c, short_keys_unknown_identities_and_flags_are_refused);
    tcase_add_test(c, an_error_message_is_told_without_its_secrets_and_cut);
    tcase_add_loop_test(c, what_the_process_grows_by_is_memory_when_it_is_more_than_was_told, 0, 2);
    tcase_add_test(c, resident_memory_is_read_for_none_but_who_asks);
    tcase_add_test(c, cpu_time_is_sampled_as_ever_where_memory_is_read);
    tcase_add_test(c, memory_taken_through_a_recorder_is_told_to_its_operations);
    tcase_add_test(c, attributes_of_the_start_are_counted_before_those_of_the_result);
    tcase_add_test(c, attributes_of_an_operation_that_is_none_are_no_ones);
    tcase_add_test(c, thresholds_change_as_one_block_or_not_at_all);
    tcase_add_test(c, settings_that_are_none_are_refused);
    tcase_add_test(c, refused_memory_changes_no_setting);
    tcase_add_test(c, sampling_may_begin_change_and_end_while_operations_run);
    tcase_add_test(c, a_lower_limit_keeps_the_values_that_are_there);
    tcase_add_test(c, an_export_is_served_to_every_buffer_size);
    tcase_add_test(c, an_export_into_no_place_is_refused);
    tcase_add_test(c, a_locale_with_a_decimal_comma_changes_no_export);
    tcase_add_test(c, a_locale_with_a_decimal_comma_changes_no_envelope);
    suite_add_tcase(s, c);
    return s;
}
