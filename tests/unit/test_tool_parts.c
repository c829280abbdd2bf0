#include "suite.h"

#include "condition.h"
#include "histogram.h"
#include "host_facts.h"
#include "option.h"
#include "systemd.h"

#include "common/log_text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- values ---- */

static const struct {
    const char *text;
    int64_t ms;
} durations[] = {
    {"0", 0},
    {"7", 7000},
    {"500ms", 500},
    {"10s", 10000},
    {"5m", 300000},
    {"1h", 3600000},
    {"2d", 172800000},
    {"", -1},
    {"s", -1},
    {"-1s", -1},
    {"1 s", -1},
    {" 1s", -1},
    {"1S", -1},
    {"1.5s", -1},
    {"0x10", -1},
    {"1h30m", -1},
    {"9223372036854775807ms", INT64_MAX},
    {"9223372036854775808ms", -1},
    {"9223372036854775807s", -1},
};

START_TEST(a_duration_is_a_number_and_a_unit)
{
    ck_assert_int_eq(parse_duration(durations[_i].text), durations[_i].ms);
}
END_TEST

static const struct {
    const char *text;
    int64_t bytes;
} sizes[] = {
    {"0", 0},          {"64", 64},
    {"64B", 64},       {"64KiB", 65536},
    {"3MiB", 3145728}, {"1GiB", 1073741824},
    {"1KB", -1},       {"1kib", -1},
    {"KiB", -1},       {"9007199254740992GiB", -1},
};

START_TEST(a_size_is_a_number_and_a_binary_unit)
{
    ck_assert_int_eq(parse_size(sizes[_i].text), sizes[_i].bytes);
}
END_TEST

START_TEST(an_integer_has_nothing_around_it)
{
    ck_assert_int_eq(parse_integer("42"), 42);
    ck_assert_int_eq(parse_integer("42s"), -1);
    ck_assert_int_eq(parse_integer("+1"), -1);
    ck_assert_int_eq(parse_integer(""), -1);
}
END_TEST

/* ---- options ---- */

struct settings {
    struct text_list names;
    int64_t limit;
    int64_t wait;
    const char *mode;
    int32_t flag;
};

static const struct option_row rows[] = {
    {.name = "name",
     .kind = OPTION_LIST,
     .fallback = "nobody",
     .help = "",
     .offset = offsetof(struct settings, names)},
    {.name = "limit",
     .kind = OPTION_INTEGER,
     .zero_is_off = 1,
     .help = "",
     .offset = offsetof(struct settings, limit)},
    {.name = "wait",
     .kind = OPTION_DURATION,
     .fallback = "2s",
     .help = "",
     .offset = offsetof(struct settings, wait)},
    {.name = "mode",
     .kind = OPTION_CHOICE,
     .argument = "auto|json|pretty",
     .help = "",
     .offset = offsetof(struct settings, mode)},
    {.name = "flag",
     .kind = OPTION_FLAG,
     .letter = 'f',
     .help = "",
     .offset = offsetof(struct settings, flag)},
};
static const struct option_table table = {rows, sizeof rows / sizeof *rows};
static const struct command command = {.name = "try",
                                       .operands = "",
                                       .summary = "",
                                       .table = &table,
                                       .settings_size = sizeof(struct settings)};

/* Reads up to three arguments over what the environment says; -1 = go on. */
static int read_options(struct settings *s, const char *a, const char *b, const char *c)
{
    static char words[4][32] = {"try"}; /* settings point into it */
    char *argv[5] = {words[0], NULL};
    const char *given[] = {a, b, c};
    static struct options o; /* what settings point into lives until the next reading */
    int argc = 1;
    int first = 0;

    options_free(&o);
    for (int i = 0; i < 3 && given[i] != NULL; i++) {
        snprintf(words[argc], sizeof words[argc], "%s", given[i]);
        argv[argc] = words[argc];
        argc++;
    }
    int status = options_read(&o, &command, argc, argv, &first);
    memcpy(s, o.settings, sizeof *s);
    return status;
}

START_TEST(what_is_not_given_has_its_default)
{
    struct settings s;

    ck_assert_int_eq(read_options(&s, NULL, NULL, NULL), -1);
    ck_assert_uint_eq(s.names.count, 1);
    ck_assert_mem_eq(s.names.items[0].ptr, "nobody", 7);
    ck_assert_int_eq(s.limit, 0);
    ck_assert_int_eq(s.wait, 2000);
    ck_assert_int_eq(s.flag, 0);
}
END_TEST

START_TEST(a_given_zero_means_off_where_the_row_says_so)
{
    struct settings s;

    ck_assert_int_eq(read_options(&s, "--limit=0", "--wait=0", NULL), -1);
    ck_assert_int_eq(s.limit, -1);
    ck_assert_int_eq(s.wait, 0);
}
END_TEST

START_TEST(a_variable_beats_the_default_and_an_argument_beats_the_variable)
{
    struct settings s;

    setenv("WSRT_WAIT", "3s", 1);
    setenv("WSRT_FLAG", "true", 1);
    ck_assert_int_eq(read_options(&s, NULL, NULL, NULL), -1);
    ck_assert_int_eq(s.wait, 3000);
    ck_assert_int_eq(s.flag, 1);
    ck_assert_int_eq(read_options(&s, "--wait=4s", NULL, NULL), -1);
    unsetenv("WSRT_WAIT");
    unsetenv("WSRT_FLAG");
    ck_assert_int_eq(s.wait, 4000);
}
END_TEST

START_TEST(arguments_replace_a_list_of_the_environment)
{
    struct settings s;

    setenv("WSRT_NAME", "a,b,c", 1);
    ck_assert_int_eq(read_options(&s, NULL, NULL, NULL), -1);
    ck_assert_uint_eq(s.names.count, 3);
    ck_assert_mem_eq(s.names.items[2].ptr, "c", 2);
    ck_assert_int_eq(read_options(&s, "--name=x", "-f", "--name=y"), -1);
    unsetenv("WSRT_NAME");
    ck_assert_uint_eq(s.names.count, 2);
    ck_assert_mem_eq(s.names.items[0].ptr, "x", 1);
    ck_assert_mem_eq(s.names.items[1].ptr, "y", 1);
}
END_TEST

START_TEST(a_list_has_an_end)
{
    struct settings s;
    char many[256] = "";

    for (int i = 0; i <= OPTION_LIST_MAX; i++)
        memcpy(many + 2 * i, "x,", 3);
    setenv("WSRT_NAME", many, 1);
    ck_assert_int_eq(read_options(&s, NULL, NULL, NULL), 78);
    unsetenv("WSRT_NAME");
}
END_TEST

static const struct {
    const char *given;
    int status;
} choices[] = {
    {"--mode=auto", -1},      {"--mode=json", -1}, {"--mode=pretty", -1},   {"--mode=aut", 2},
    {"--mode=autoa", 2},      {"--mode=", 2},      {"--mode=auto|json", 2}, {"--mode=json|", 2},
    {"--mode=json|prett", 2}, {"--mode=|", 2},
};

START_TEST(a_choice_is_one_of_its_words)
{
    struct settings s;

    ck_assert_int_eq(read_options(&s, choices[_i].given, NULL, NULL), choices[_i].status);
}
END_TEST

/* ---- escaping ---- */

static const struct {
    const char *in;
    const char *pretty;
    const char *json;
} escapes[] = {
    {"plain text", "plain text", "plain text"},
    {"line\r\nfeed\t", "line\\u000D\\u000Afeed\\u0009", "line\\u000D\\u000Afeed\\u0009"},
    {"\033[31mred\177", "\\u001B[31mred\\u007F", "\\u001B[31mred\\u007F"},
    {"say \"a\\b\"", "say \\\"a\\\\b\\\"", "say \\\"a\\\\b\\\""},
    {"Gr\xc3\xbc\xc3\x9f"
     "e \xf0\x9f\x99\x82",
     "Gr\xc3\xbc\xc3\x9f"
     "e \xf0\x9f\x99\x82",
     "Gr\xc3\xbc\xc3\x9f"
     "e \xf0\x9f\x99\x82"},
    {"C1 \xc2\x9b sep \xe2\x80\xa8", "C1 \\u009B sep \\u2028", "C1 \\u009B sep \\u2028"},
    {"bidi \xe2\x80\xae\xe2\x81\xa6", "bidi \\u202E\\u2066", "bidi \\u202E\\u2066"},
    {"lone \x80 cut \xe2\x82", "lone \\x80 cut \\xE2\\x82", "lone \\\\x80 cut \\\\xE2\\\\x82"},
    {"overlong \xc0\xaf", "overlong \\xC0\\xAF", "overlong \\\\xC0\\\\xAF"},
    {"surrogate \xed\xa0\x80", "surrogate \\xED\\xA0\\x80", "surrogate \\\\xED\\\\xA0\\\\x80"},
    {"beyond \xf4\x90\x80\x80", "beyond \\xF4\\x90\\x80\\x80",
     "beyond \\\\xF4\\\\x90\\\\x80\\\\x80"},
};

static void check_escape(const char *in, int json, const char *wanted)
{
    char out[256];
    /* A heap copy of the exact size: a read beyond it is seen by the sanitizers. */
    size_t len = strlen(in);
    char *exact = malloc(len);

    ck_assert_ptr_nonnull(exact);
    memcpy(exact, in, len);
    size_t n = wsrt_log_escape(out, sizeof out, (wsrt_span){exact, len}, json);
    free(exact);
    ck_assert_uint_eq(n, strlen(wanted));
    ck_assert_mem_eq(out, wanted, n);
}

START_TEST(client_text_stays_on_its_line_and_shows_what_it_holds)
{
    check_escape(escapes[_i].in, 0, escapes[_i].pretty);
    check_escape(escapes[_i].in, 1, escapes[_i].json);
}
END_TEST

START_TEST(escaping_stops_before_the_buffer_ends)
{
    char out[8] = "-------";
    size_t n = wsrt_log_escape(out, 7, (wsrt_span){"ab\n\n", 4}, 1);

    ck_assert_uint_eq(n, 2);
    ck_assert_int_eq(out[7], '\0');
}
END_TEST

START_TEST(long_client_text_is_cut)
{
    static char text[2000];
    static char out[4000];

    memset(text, 'x', sizeof text);
    ck_assert_uint_eq(wsrt_log_escape(out, sizeof out, (wsrt_span){text, sizeof text}, 0), 512);
}
END_TEST

/* ---- histogram ---- */

START_TEST(a_quantile_is_within_one_percent_at_every_scale)
{
    for (int64_t v = 1; v < INT64_C(1) << 50; v = v * 3 + 1) {
        struct histogram *h = calloc(1, sizeof *h);
        ck_assert_ptr_nonnull(h);
        histogram_add(h, v);
        histogram_add(h, v * 2); /* so that the maximum does not hide the error */
        int64_t got = histogram_quantile(h, 0.5);
        free(h);
        ck_assert_int_le(llabs(got - v) * 100, v);
    }
}
END_TEST

START_TEST(quantiles_rank_what_was_counted)
{
    struct histogram *h = calloc(1, sizeof *h);

    ck_assert_ptr_nonnull(h);
    for (int64_t v = 100; v >= 1; v--)
        histogram_add(h, v);
    ck_assert_int_eq(histogram_quantile(h, 0.50), 50);
    ck_assert_int_eq(histogram_quantile(h, 0.99), 99);
    ck_assert_int_eq(histogram_quantile(h, 1.0), 100);
    ck_assert_int_eq(h->max, 100);
    ck_assert_uint_eq(h->count, 100);
    free(h);
}
END_TEST

START_TEST(odd_durations_are_counted_too)
{
    struct histogram *h = calloc(1, sizeof *h);

    ck_assert_ptr_nonnull(h);
    ck_assert_int_eq(histogram_quantile(h, 0.5), 0);
    histogram_add(h, -5);
    ck_assert_int_eq(histogram_quantile(h, 0.5), 0);
    histogram_add(h, INT64_MAX);
    ck_assert_int_eq(h->max, INT64_MAX);
    ck_assert_uint_eq(h->count, 2);
    free(h);
}
END_TEST

/* ---- conditions ---- */

static const struct {
    const char *text;
    int holds; /* -1 = not a condition */
} conditions[] = {
    {"", 0},
    {"p99>2ms", 1},
    {"p99>2.6ms", 0},
    {"p99>=2500us", 1},
    {"p50<1s", 1},
    {"p99.9<3ms", 0},
    {"max<=4ms", 1},
    {"errors>0", 1},
    {"errors>10", 0},
    {"received<100", 1},
    {"throughput<50", 0},
    {"errors>99,p99>2ms,received<1", 1},
    {"p99", -1},
    {"p99>", -1},
    {"p99>20", -1},
    {"p99>20h", -1},
    {"p98>1ms", -1},
    {"errors>1ms", -1},
    {"errors=1", -1},
    {">1", -1},
    {"errors>-1", -1},
    {"errors>1,,", -1},
    {"p99>1ms;", -1},
    {"p99>0x10ms", -1}, /* a bound in other digits, or one that nothing reaches, would fail never */
    {"p99>1e400ms", -1},
    {"p99>1e3us", 1},
};

START_TEST(a_condition_compares_a_figure_with_a_bound)
{
    struct report r = {.throughput = 75.5,
                       .received = 99,
                       .connect = 1,
                       .closed = 2,
                       .timeout = 3,
                       .mismatch = 4,
                       .p50 = 1000000,
                       .p99 = 2500000,
                       .p999 = 3500000,
                       .max = 4000000};
    struct condition_list list;
    char failed[CONDITION_TEXT_MAX];
    int status = conditions_parse(&list, conditions[_i].text);

    ck_assert_int_eq(status, conditions[_i].holds < 0 ? 2 : 0);
    if (status == 0)
        ck_assert_int_eq(conditions_check(&list, &r, failed, 0), conditions[_i].holds);
}
END_TEST

START_TEST(conditions_that_hold_are_listed_for_people_and_for_json)
{
    struct report r = {.max = 5, .received = 7};
    struct condition_list list;
    char failed[CONDITION_TEXT_MAX];

    ck_assert_int_eq(conditions_parse(&list, "max>1us,received>=7,errors<1"), 0);
    ck_assert_int_eq(conditions_check(&list, &r, failed, 0), 2);
    ck_assert_str_eq(failed, "received>=7,errors<1");
    conditions_check(&list, &r, failed, 1);
    ck_assert_str_eq(failed, "\"received>=7\",\"errors<1\"");
}
END_TEST

#define ROWS(table) ((int)(sizeof(table) / sizeof *(table)))

/* ---- a service manager ---------------------------------------------------------------------- */

static const char *const managers[] = {"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID",
                                       "LISTEN_PID",    "LISTEN_FDS",    "LISTEN_FDNAMES"};

START_TEST(the_managers_variables_are_gone_once_they_have_been_read)
{
    struct text_list listen = {.count = 0}, admin = {.count = 0};
    struct manager m;
    char pid[16];

    snprintf(pid, sizeof pid, "%d", (int)getpid());
    for (size_t i = 0; i < sizeof managers / sizeof *managers; i++)
        setenv(managers[i], pid, 1);
    setenv("NOTIFY_SOCKET", "/nowhere", 1);
    setenv("LISTEN_FDS", "3", 1);
    setenv("LISTEN_FDNAMES", "a:admin:b", 1);
    manager_find(&m);
    ck_assert_int_eq(manager_take_sockets(&listen, &admin), 0);
    manager_close(&m);
    for (size_t i = 0; i < sizeof managers / sizeof *managers; i++)
        ck_assert_ptr_null(getenv(managers[i]));
    ck_assert_uint_eq(listen.count, 2);
    ck_assert_str_eq(listen.items[0].ptr, "fd:3");
    ck_assert_str_eq(listen.items[1].ptr, "fd:5");
    ck_assert_uint_eq(admin.count, 1);
    ck_assert_str_eq(admin.items[0].ptr, "fd:4");
}
END_TEST

/* ---- a machine ------------------------------------------------------------------------------ */

/* Descriptors, fs.file-max, somaxconn, SYN backlog, wall clock, synchronised, wanted. */
static const struct {
    struct host_facts facts;
    const char *check; /* of the one finding that is not well; NULL = all are */
    const char *remedy;
    enum finding_level level;
} machines[] = {
    {{1000000, 9000000, 4096, 1024, 1795168800, 1, 0}, NULL, NULL, FINDING_OK},
    {{1000000, 9000000, 4096, 1024, 1795168800, 1, 900000}, NULL, NULL, FINDING_OK},
    {{1000000, 9000000, 4096, 1024, 1795168800, 1, 900001},
     "descriptors",
     "LimitNOFILE=",
     FINDING_FAIL},
    {{4095, 9000000, 4096, 1024, 1795168800, 1, 0}, "descriptors", "ulimit -Hn", FINDING_WARN},
    {{63, 9000000, 4096, 1024, 1795168800, 1, 0}, "descriptors", "ulimit -Hn", FINDING_FAIL},
    {{1000000, 99, 4096, 1024, 1795168800, 1, 100}, "descriptors", "fs.file-max=200", FINDING_FAIL},
    {{1000000, 9000000, 1023, 1024, 1795168800, 1, 0},
     "kernel",
     "sysctl -w net.core.somaxconn=4096",
     FINDING_WARN},
    {{1000000, 9000000, 4096, 128, 1795168800, 1, 0},
     "kernel",
     "net.ipv4.tcp_max_syn_backlog=4096",
     FINDING_WARN},
    {{1000000, 9000000, 4096, 1024, 1767225599, 1, 0}, "clock", "set-ntp", FINDING_FAIL},
    {{1000000, 9000000, 4096, 1024, 1767225600, 1, 0}, NULL, NULL, FINDING_OK},
    {{1000000, 9000000, 4096, 1024, 1795168800, 0, 0}, "clock", "set-ntp", FINDING_WARN},
    {{1000000, 9000000, 4096, 1024, 1795168800, -1, 0}, NULL, NULL, FINDING_OK},
    {{-1, -1, -1, -1, 1795168800, -1, 0}, NULL, NULL, FINDING_OK},
};

START_TEST(what_a_machine_lacks_is_found_with_what_to_type)
{
    struct findings r = {.count = 0};
    const struct finding *bad = NULL;

    host_facts_judge(&machines[_i].facts, &r);
    for (size_t i = 0; i < r.count; i++)
        if (r.items[i].level != FINDING_OK) {
            ck_assert_ptr_null(bad);
            bad = &r.items[i];
        } else {
            ck_assert_str_eq(r.items[i].remedy, "");
        }
    ck_assert_uint_eq(r.count > 0, 1);
    ck_assert_int_eq(bad != NULL, machines[_i].check != NULL);
    if (bad == NULL)
        return;
    ck_assert_str_eq(bad->check, machines[_i].check);
    ck_assert_int_eq(bad->level, machines[_i].level);
    ck_assert_ptr_nonnull(strstr(bad->remedy, machines[_i].remedy));
}
END_TEST

START_TEST(a_report_that_is_full_takes_no_more)
{
    static struct findings r;

    for (int i = 0; i < FINDINGS_MOST + 2; i++)
        findings_add(&r, FINDING_WARN, "x", "%d", i);
    ck_assert_uint_eq(r.count, FINDINGS_MOST);
    ck_assert_uint_eq(findings_count(&r, FINDING_WARN), FINDINGS_MOST);
    findings_add(&r, FINDING_FAIL, "x", "%s", "y");
    ck_assert_uint_eq(findings_count(&r, FINDING_FAIL), 0);
}
END_TEST

Suite *suite(void)
{
    Suite *s = suite_create("tool_parts");
    TCase *t = tcase_create("tool-parts");

    tcase_add_loop_test(t, a_duration_is_a_number_and_a_unit, 0, ROWS(durations));
    tcase_add_loop_test(t, a_size_is_a_number_and_a_binary_unit, 0, ROWS(sizes));
    tcase_add_test(t, an_integer_has_nothing_around_it);
    tcase_add_test(t, what_is_not_given_has_its_default);
    tcase_add_test(t, a_given_zero_means_off_where_the_row_says_so);
    tcase_add_test(t, a_variable_beats_the_default_and_an_argument_beats_the_variable);
    tcase_add_test(t, arguments_replace_a_list_of_the_environment);
    tcase_add_test(t, a_list_has_an_end);
    tcase_add_loop_test(t, a_choice_is_one_of_its_words, 0, ROWS(choices));
    tcase_add_loop_test(t, client_text_stays_on_its_line_and_shows_what_it_holds, 0, ROWS(escapes));
    tcase_add_test(t, escaping_stops_before_the_buffer_ends);
    tcase_add_test(t, long_client_text_is_cut);
    tcase_add_test(t, a_quantile_is_within_one_percent_at_every_scale);
    tcase_add_test(t, quantiles_rank_what_was_counted);
    tcase_add_test(t, odd_durations_are_counted_too);
    tcase_add_loop_test(t, a_condition_compares_a_figure_with_a_bound, 0, ROWS(conditions));
    tcase_add_test(t, conditions_that_hold_are_listed_for_people_and_for_json);
    tcase_add_test(t, the_managers_variables_are_gone_once_they_have_been_read);
    tcase_add_loop_test(t, what_a_machine_lacks_is_found_with_what_to_type, 0, ROWS(machines));
    tcase_add_test(t, a_report_that_is_full_takes_no_more);
    suite_add_tcase(s, t);
    return s;
}
