/* The variants of exports: other names, other forms of durations, members of EMF lines. */
#include "monitor_rig.h"

#include <wsrt/json.h>

static wsrt_export_options of_format(int32_t format, uint32_t flags)
{
    return (wsrt_export_options){.struct_size = sizeof(wsrt_export_options),
                                 .format = format,
                                 .flags = flags,
                                 .wall = 1795168831120};
}

static const char *export_all(const wsrt_export_options *o)
{
    page.len = 0;
    ck_assert_int_eq(wsrt_monitor_export(m, o, append, &page), WSRT_OK);
    page.text[page.len] = '\0';
    return page.text;
}

static const char *export_as(int32_t format, uint32_t flags)
{
    wsrt_export_options o = of_format(format, flags);

    return export_all(&o);
}

/* One call that took no time, two of a millisecond, one of four. */
static void four_calls(void)
{
    run(NULL, 2, 0);
    run(NULL, 2, MS);
    run(NULL, 2, MS);
    run(NULL, 2, 4 * MS);
}

static size_t times(const char *text, const char *part)
{
    size_t n = 0;

    for (const char *p = text; (p = strstr(p, part)) != NULL; p += strlen(part))
        n++;
    return n;
}

/* ---- durations in other forms ---- */

#define JWT "{handler=\"authentication_jwt_verification\",environment=\"dev\""
#define SECONDS "wsrt_operation_duration_seconds"

START_TEST(durations_may_be_a_summary_of_quantiles)
{
    four_calls();
    const char *text = export_as(WSRT_EXPORT_PROMETHEUS, WSRT_EXPORT_SUMMARY);
    ck_assert_ptr_nonnull(strstr(text, "# TYPE " SECONDS " summary\n"));
    ck_assert_ptr_nonnull(strstr(text, SECONDS JWT ",quantile=\"0.5\"} 0.001007616\n"));
    ck_assert_ptr_nonnull(strstr(text, SECONDS JWT ",quantile=\"0.999\"} 0.004\n"));
    ck_assert_ptr_nonnull(strstr(text, SECONDS "_sum" JWT "} 0.006\n"));
    ck_assert_ptr_nonnull(strstr(text, SECONDS "_count" JWT "} 4\n"));
    ck_assert_ptr_null(strstr(text, SECONDS "_bucket"));
    ck_assert_uint_eq(times(text, ",quantile="), 4); /* none of those that never ran */
}
END_TEST

START_TEST(bounds_may_be_those_of_the_buckets)
{
    four_calls();
    const char *text = export_as(WSRT_EXPORT_PROMETHEUS, WSRT_EXPORT_SNAP_BOUNDS);
    ck_assert_ptr_nonnull(strstr(text, SECONDS "_bucket" JWT ",le=\"0.001015807\"} 3\n"));
    ck_assert_ptr_nonnull(strstr(text, SECONDS "_bucket" JWT ",le=\"0.005111807\"} 4\n"));
    ck_assert_ptr_nonnull(strstr(text, SECONDS "_bucket" JWT ",le=\"+Inf\"} 4\n"));
    ck_assert_ptr_null(strstr(text, "le=\"0.001\""));
}
END_TEST

START_TEST(durations_may_be_an_exponential_histogram_of_scale_3)
{
    four_calls();
    const char *text = export_as(WSRT_EXPORT_OTLP, WSRT_EXPORT_EXPONENTIAL);
    ck_assert_int_eq(wsrt_json_parse(NULL, wsrt_span_cstr(text), NULL), WSRT_OK);
    ck_assert_ptr_nonnull(strstr(
        text,
        "\"count\":\"4\",\"sum\":0.006,\"scale\":3,\"zeroCount\":\"1\",\"positive\":{"
        "\"offset\":-80,\"bucketCounts\":[\"2\",\"0\",\"0\",\"0\",\"0\",\"0\",\"0\",\"0\",\"0\","
        "\"0\",\"0\",\"0\",\"0\",\"0\",\"0\",\"0\",\"1\"]}"));
    ck_assert_ptr_null(strstr(text, "explicitBounds"));
}
END_TEST

START_TEST(an_exponential_histogram_of_zeros_has_no_buckets)
{
    run(NULL, 2, 0);
    const char *text = export_as(WSRT_EXPORT_OTLP, WSRT_EXPORT_EXPONENTIAL);
    ck_assert_ptr_nonnull(strstr(text, "\"scale\":3,\"zeroCount\":\"1\"}"));
    ck_assert_ptr_null(strstr(text, "positive"));
}
END_TEST

static const int64_t extremes[] = {1, 2, 1023, 1024, 1000000000, INT64_MAX / 2, INT64_MAX - 1000};

START_TEST(an_exponential_histogram_has_a_place_for_every_duration)
{
    run(NULL, 2, extremes[_i]);
    const char *text = export_as(WSRT_EXPORT_OTLP, WSRT_EXPORT_EXPONENTIAL);
    const char *offset = strstr(text, "\"offset\":");
    ck_assert_ptr_nonnull(offset);
    ck_assert_ptr_nonnull(strstr(offset, ",\"bucketCounts\":[\"1\"]"));
}
END_TEST

START_TEST(an_emf_line_may_have_values_with_their_counts)
{
    four_calls();
    const char *text = export_as(WSRT_EXPORT_EMF, WSRT_EXPORT_COUNTS);
    ck_assert_ptr_nonnull(
        strstr(text, "\"HandlerDuration\":{\"Values\":[0,1.007616,4],\"Counts\":[1,2,1]}"));
    ck_assert_uint_eq(times(text, "\n"), 1);
}
END_TEST

START_TEST(durations_too_many_for_their_lines_are_told_as_statistics)
{
    for (int i = 0; i < 1100; i++)
        run(NULL, 2, i * MS);
    const char *text = export_as(WSRT_EXPORT_EMF, 0);
    ck_assert_ptr_nonnull(strstr(text, "\"HandlerDuration\":{\"Min\":0,\"Max\":"));
    ck_assert_ptr_nonnull(strstr(text, "\"Count\":1100}"));
    ck_assert_uint_eq(times(text, "\"HandlerDuration\":["), 0);
}
END_TEST

/* ---- names ---- */

static const struct {
    int32_t names;
    int of_handler, of_service;
} names[] = {{WSRT_NAMES_HANDLER, 1, 0}, {WSRT_NAMES_SERVICE, 0, 1}, {WSRT_NAMES_BOTH, 1, 1}};

START_TEST(metrics_of_operations_go_by_the_names_that_are_asked_for)
{
    static const int32_t formats[] = {WSRT_EXPORT_EMF, WSRT_EXPORT_CLOUDWATCH};

    four_calls();
    for (size_t i = 0; i < COUNT(formats); i++) {
        wsrt_export_options o = of_format(formats[i], 0);
        o.names = names[_i].names;
        const char *text = export_all(&o);
        ck_assert_int_eq(strstr(text, "\"HandlerDuration\"") != NULL, names[_i].of_handler);
        ck_assert_int_eq(strstr(text, "\"Duration\"") != NULL, names[_i].of_service);
        ck_assert_int_eq(strstr(text, "\"InFlight\"") != NULL, names[_i].of_handler);
        ck_assert_ptr_nonnull(strstr(text, "\"Success\""));
        ck_assert_ptr_nonnull(strstr(text, "\"DatabaseCalls\""));
    }
}
END_TEST

START_TEST(a_name_of_metrics_that_is_none_is_refused)
{
    wsrt_export_options o = of_format(WSRT_EXPORT_EMF, 0);

    for (o.names = -1; o.names <= WSRT_NAMES_BOTH + 1; o.names++)
        ck_assert_int_eq(wsrt_monitor_export(m, &o, append, &page),
                         o.names < 0 || o.names > WSRT_NAMES_BOTH ? WSRT_ERR_INVALID : WSRT_OK);
}
END_TEST

/* ---- members of lines ---- */

static const char *with_members(const wsrt_field *members, size_t count)
{
    wsrt_export_options o = of_format(WSRT_EXPORT_EMF, WSRT_EXPORT_COUNTS);

    o.members = members;
    o.member_count = count;
    return export_all(&o);
}

static uint64_t dropped(void)
{
    return (uint64_t)metric("wsrt_self_attributes_dropped_total{environment=\"dev\"}");
}

START_TEST(each_line_carries_the_members_that_are_known)
{
    const wsrt_field members[] = {
        text("requestId", "r-1"),
        {.name_cstr = "messageLength", .kind = WSRT_FIELD_INT, .number = -5},
        {.name_cstr = "hasToken", .kind = WSRT_FIELD_BOOL, .number = 1},
        {.name_cstr = "tokenLength", .kind = WSRT_FIELD_REAL, .real = 1.5},
        {.name_cstr = "now", .kind = WSRT_FIELD_REAL, .real = __builtin_inf()},
        {.name_cstr = "nonsense", .kind = WSRT_FIELD_INT, .number = 5},
        {.name_cstr = "exp", .kind = 99, .number = 5},
        {.kind = WSRT_FIELD_INT},
    };
    uint64_t before = dropped();

    run(NULL, 2, MS);
    const char *text = with_members(members, COUNT(members));
    ck_assert_ptr_nonnull(strstr(
        text, "\"requestId\":\"r-1\",\"messageLength\":-5,\"hasToken\":1,\"tokenLength\":1.5}"));
    ck_assert_uint_eq(dropped() - before, 2);
}
END_TEST

START_TEST(a_dimension_or_metric_of_the_line_comes_before_a_member_of_its_name)
{
    const wsrt_field members[] = {text("Handler", "mine"), text("Success", "mine"),
                                  text("eventType", "yours")};

    run(NULL, 2, MS);
    const char *text = with_members(members, COUNT(members));
    ck_assert_ptr_null(strstr(text, "mine"));
    ck_assert_ptr_nonnull(strstr(text, "\"eventType\":\"yours\"}"));
}
END_TEST

START_TEST(who_is_named_is_written_as_a_tag_unless_the_host_wants_it_plain)
{
    const wsrt_field members[] = {text("userId", "ann"),
                                  {.name_cstr = "sessionId", .kind = WSRT_FIELD_INT, .number = 7}};
    wsrt_monitor_options o = options();

    run(NULL, 2, MS);
    const char *text = with_members(members, COUNT(members)), *tag = strstr(text, "\"userId\":\"#");
    ck_assert_ptr_nonnull(tag);
    ck_assert_uint_eq(strspn(tag + 11, "0123456789abcdef"), 10);
    ck_assert_ptr_null(strstr(text, "ann\""));
    ck_assert_ptr_null(strstr(text, "sessionId"));
    o.log_identity_plain = WSRT_IDENTITY_USER_ID;
    remake(o);
    run(NULL, 2, MS);
    text = with_members(members, COUNT(members));
    ck_assert_ptr_nonnull(strstr(text, "\"userId\":\"ann\""));
    ck_assert_ptr_null(strstr(text, "sessionId"));
}
END_TEST

static int redact(wsrt_span in, uint32_t flags, char *dst, size_t cap, size_t *len, size_t *hidden)
{
    static const char clean[] = "clean";

    (void)flags;
    (void)hidden;
    if (in.len > 0 && in.ptr[0] == '!')
        return WSRT_ERR_INVALID;
    *len = in.len > 100 ? 600 : sizeof clean - 1;
    if (*len > cap)
        return WSRT_ERR_LIMIT;
    memset(dst, 'c', *len);
    memcpy(dst, clean, sizeof clean - 1);
    return WSRT_OK;
}

START_TEST(a_text_of_an_error_is_redacted_and_cut)
{
    static char huge[1 << 17], long_text[200];
    wsrt_monitor_options o = options();
    wsrt_field members[] = {text("errorMessage", "a secret")};

    memset(huge, 'x', sizeof huge);
    memset(long_text, 'x', sizeof long_text);
    run(NULL, 2, MS);
    ck_assert_ptr_null(strstr(with_members(members, 1), "errorMessage")); /* nobody cleans it */
    o.redact = redact;
    remake(o);
    run(NULL, 2, MS);
    ck_assert_ptr_nonnull(strstr(with_members(members, 1), "\"errorMessage\":\"clean\"}"));
    members[0].text = (wsrt_span){long_text, sizeof long_text};
    const char *cut = strstr(with_members(members, 1), "\"errorMessage\":\"clean");
    ck_assert_ptr_nonnull(cut);
    ck_assert_uint_eq(strspn(cut + sizeof "\"errorMessage\":\"" - 1, "clean"), 512);
    members[0].text = wsrt_span_cstr("!");
    ck_assert_ptr_null(strstr(with_members(members, 1), "errorMessage"));
    members[0].text = (wsrt_span){huge, sizeof huge};
    ck_assert_ptr_null(strstr(with_members(members, 1), "errorMessage"));
    members[0].kind = WSRT_FIELD_INT;
    ck_assert_ptr_null(strstr(with_members(members, 1), "errorMessage"));
}
END_TEST

Suite *suite(void)
{
    Suite *s = suite_create("monitor_variants");
    TCase *t = tcase_create("variants");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, durations_may_be_a_summary_of_quantiles);
    tcase_add_test(t, bounds_may_be_those_of_the_buckets);
    tcase_add_test(t, durations_may_be_an_exponential_histogram_of_scale_3);
    tcase_add_test(t, an_exponential_histogram_of_zeros_has_no_buckets);
    tcase_add_loop_test(t, an_exponential_histogram_has_a_place_for_every_duration, 0,
                        (int)COUNT(extremes));
    tcase_add_test(t, an_emf_line_may_have_values_with_their_counts);
    tcase_add_test(t, durations_too_many_for_their_lines_are_told_as_statistics);
    tcase_add_loop_test(t, metrics_of_operations_go_by_the_names_that_are_asked_for, 0,
                        (int)COUNT(names));
    tcase_add_test(t, a_name_of_metrics_that_is_none_is_refused);
    tcase_add_test(t, each_line_carries_the_members_that_are_known);
    tcase_add_test(t, a_dimension_or_metric_of_the_line_comes_before_a_member_of_its_name);
    tcase_add_test(t, who_is_named_is_written_as_a_tag_unless_the_host_wants_it_plain);
    tcase_add_test(t, a_text_of_an_error_is_redacted_and_cut);
    suite_add_tcase(s, t);
    return s;
}
