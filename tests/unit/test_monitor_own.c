/* Metrics of the application's own. */
#include "monitor_rig.h"

#include <pthread.h>
#include <time.h>

static wsrt_business_metric business(int kind, const char *name, const char *attribute)
{
    return (wsrt_business_metric){.struct_size = sizeof(wsrt_business_metric),
                                  .kind = kind,
                                  .operation = WSRT_OP_CHAT_MESSAGE,
                                  .name_cstr = name,
                                  .attribute_cstr = attribute};
}

static void add(wsrt_business_metric b)
{
    ck_assert_int_eq(wsrt_monitor_business(m, &b), WSRT_OK);
}

static int refusal(wsrt_business_metric b)
{
    return wsrt_monitor_business(m, &b);
}

static wsrt_field number(const char *name, double value)
{
    return (wsrt_field){.name_cstr = name, .real = value, .kind = WSRT_FIELD_REAL};
}

static void order(const wsrt_field *attrs, size_t count, int ok)
{
    wsrt_op_result r = ok ? success() : failure();
    wsrt_op op;

    r.attrs = attrs;
    r.attr_count = count;
    wsrt_op_start(m, NULL, WSRT_OP_CHAT_MESSAGE, 0, &op);
    ck_assert_int_eq(wsrt_op_complete(&op, MS, &r), WSRT_OK);
}

static void order_in(const char *town, double price, int ok)
{
    const wsrt_field attrs[] = {text("town", town), number("price", price)};

    order(attrs, 2, ok);
}

#define OWN(name, labels)                                                                          \
    "wsrt_business_" name "{handler=\"chat_message_processing\"," labels "environment=\"dev\"}"
#define OWN_CATEGORY(name, value)                                                                  \
    "wsrt_business_" name                                                                          \
    "{handler=\"chat_message_processing\",environment=\"dev\",category=\"" value "\"}"
#define DROPPED "wsrt_self_series_dropped_total{environment=\"dev\"}"
#define UNDECLARED "wsrt_self_attributes_dropped_total{environment=\"dev\"}"

START_TEST(each_kind_is_made_of_its_attribute)
{
    add(business(WSRT_BUSINESS_COUNTER, "orders", "town"));
    add(business(WSRT_BUSINESS_COUNTER, "revenue", "price"));
    add(business(WSRT_BUSINESS_GAUGE, "lastPrice", "price"));
    add(business(WSRT_BUSINESS_RATIO, "orderSuccess", "town"));
    add(business(WSRT_BUSINESS_AVERAGE, "meanPrice", "price"));
    add(business(WSRT_BUSINESS_CATEGORY, "orderTown", "town"));
    order_in("Ulm", 2.5, 1);
    order_in("Ulm", -1, 0);
    order_in("Bern", 4, 1);
    order(NULL, 0, 1);
    ck_assert_double_eq(metric(OWN("orders_total", "")), 3);
    ck_assert_double_eq(metric(OWN("revenue_total", "")), 6.5);
    ck_assert_double_eq(metric(OWN("last_price", "")), 4);
    ck_assert_double_eq_tol(metric(OWN("order_success", "")), 2.0 / 3, 1e-12);
    ck_assert_double_eq_tol(metric(OWN("mean_price", "")), 5.5 / 3, 1e-12);
    ck_assert_double_eq(metric(OWN_CATEGORY("order_town_total", "Ulm")), 2);
    ck_assert_double_eq(metric(OWN_CATEGORY("order_town_total", "Bern")), 1);
    scrape();
    (void)check_page();
}
END_TEST

START_TEST(a_value_chooses_the_completions_that_count)
{
    wsrt_business_metric count = business(WSRT_BUSINESS_COUNTER, "ulmOrders", "town");
    wsrt_business_metric ratio = business(WSRT_BUSINESS_RATIO, "ulmSuccess", "town");

    count.value_cstr = ratio.value_cstr = "Ulm";
    add(count);
    add(ratio);
    order_in("Ulm", 1, 1);
    order_in("Ulm", 1, 0);
    order_in("Ulmen", 1, 0);
    ck_assert_double_eq(metric(OWN("ulm_orders_total", "")), 2);
    ck_assert_double_eq(metric(OWN("ulm_success", "")), 0.5);
}
END_TEST

START_TEST(what_no_completion_told_is_absent)
{
    add(business(WSRT_BUSINESS_AVERAGE, "meanPrice", "price"));
    add(business(WSRT_BUSINESS_RATIO, "orderSuccess", "town"));
    order(NULL, 0, 1);
    ck_assert(!has("mean_price") && !has("order_success"));
}
END_TEST

START_TEST(each_set_of_dimensions_has_a_series)
{
    static const char *const by[] = {"town", "size"};
    wsrt_business_metric b = business(WSRT_BUSINESS_COUNTER, "orders", "price");
    const wsrt_field attrs[] = {number("price", 1), text("town", "Ulm"), text("town", "Bern"),
                                text("size", "large")};

    b.dimensions = by;
    b.dimension_count = 2;
    add(b);
    order(attrs, 2, 1);
    order(attrs, 3, 1);
    order(attrs, 4, 1);
    ck_assert_double_eq(metric(OWN("orders_total", "town=\"Ulm\",size=\"none\",")), 1);
    ck_assert_double_eq(metric(OWN("orders_total", "town=\"Bern\",size=\"none\",")), 1);
    ck_assert_double_eq(metric(OWN("orders_total", "town=\"Bern\",size=\"large\",")), 1);
}
END_TEST

START_TEST(own_attributes_are_declared_for_their_operation_only)
{
    const wsrt_field attr = text("town", "Ulm");

    add(business(WSRT_BUSINESS_COUNTER, "orders", "town"));
    order(&attr, 1, 1);
    ck_assert_double_eq(metric(UNDECLARED), 0);
    run_with(WSRT_OP_CONVERSATION, &attr, 1);
    ck_assert_double_eq(metric(UNDECLARED), 1);
}
END_TEST

/* ---- caps ---- */

static void add_by_town(void)
{
    static const char *const by[] = {"town"};
    wsrt_business_metric b = business(WSRT_BUSINESS_COUNTER, "orders", "price");

    b.dimensions = by;
    b.dimension_count = 1;
    add(b);
}

START_TEST(sets_beyond_the_caps_are_counted_in_one_series)
{
    wsrt_monitor_options o = options();
    char town[8];

    if (_i == 0)
        o.max_metric_values = 3;
    else
        o.max_values = 3;
    remake(o);
    add_by_town();
    for (int i = 0; i < 10; i++) {
        snprintf(town, sizeof town, "t%d", i % 5);
        order_in(town, 1, 1);
    }
    ck_assert_double_eq(metric(OWN("orders_total", "town=\"t2\",")), 2);
    ck_assert_double_eq(metric(OWN("orders_total", "town=\"__overflow__\",")), 4);
    ck_assert(!has("\"t3\""));
    ck_assert_double_eq(metric(DROPPED), 4);
}
END_TEST

START_TEST(values_that_no_export_could_carry_are_counted_together)
{
    char long_town[257];
    static const char *const odd[] = {"K\xc3\xb6ln", "a\nb", ":colon", "   ", "\x7f"};

    memset(long_town, 'x', sizeof long_town);
    long_town[256] = '\0';
    add_by_town();
    for (size_t i = 0; i < COUNT(odd); i++)
        order_in(odd[i], 1, 1);
    order_in(long_town, 1, 1);
    order_in(long_town + 1, 1, 1);
    ck_assert_double_eq(metric(OWN("orders_total", "town=\"__overflow__\",")), 6);
    ck_assert_double_eq(metric(DROPPED), 6);
    ck_assert(has("\"xxxxxxxx"));
}
END_TEST

/* ---- who may be a dimension ---- */

START_TEST(identities_are_dimensions_by_leave_only)
{
    static const char *const by_user[] = {"userId"};
    wsrt_business_metric b = business(WSRT_BUSINESS_COUNTER, "orders", "price");
    wsrt_business_metric category = business(WSRT_BUSINESS_CATEGORY, "buyers", "userId");
    const wsrt_field attrs[] = {number("price", 1), text("userId", "ada")};
    wsrt_monitor_options o = options();

    b.dimensions = by_user;
    b.dimension_count = 1;
    ck_assert_int_eq(refusal(b), WSRT_ERR_FORBIDDEN);
    ck_assert_int_eq(refusal(category), WSRT_ERR_FORBIDDEN);
    o.allow_identity_dimensions = WSRT_IDENTITY_USER_ID;
    remake(o);
    add(b);
    order(attrs, 2, 1);
    ck_assert_double_eq(metric(OWN("orders_total", "user_id=\"ada\",")), 1);
}
END_TEST

START_TEST(traces_and_free_text_are_never_dimensions)
{
    static const char *const names[] = {"correlationId", "requestId", "traceId", "errorMessage"};
    wsrt_monitor_options o = options();

    o.allow_identity_dimensions = 127;
    remake(o);
    for (size_t i = 0; i < COUNT(names); i++) {
        wsrt_business_metric b = business(WSRT_BUSINESS_COUNTER, "orders", "price");
        b.dimensions = &names[i];
        b.dimension_count = 1;
        ck_assert_int_eq(refusal(b), WSRT_ERR_FORBIDDEN);
        ck_assert_int_eq(refusal(business(WSRT_BUSINESS_CATEGORY, "orders", names[i])),
                         WSRT_ERR_FORBIDDEN);
    }
}
END_TEST

/* ---- registration ---- */

static void read_nothing(wsrt_samples *to, void *user)
{
    (void)to;
    (void)user;
}

START_TEST(a_name_is_one_metrics_and_no_dimensions)
{
    static const char *const taken[] = {"HandlerDuration", "Duration",     "Success",
                                        "messageTypes",    "CircuitState", "successRate"};
    static const char *const town[] = {"town"};
    wsrt_business_metric b = business(WSRT_BUSINESS_COUNTER, "orders", "price");

    for (size_t i = 0; i < COUNT(taken); i++)
        ck_assert_int_eq(refusal(business(WSRT_BUSINESS_COUNTER, taken[i], "price")),
                         WSRT_ERR_EXISTS);
    ck_assert_int_eq(wsrt_monitor_source(m, "Queue", WSRT_SOURCE_GAUGE, read_nothing, m), WSRT_OK);
    ck_assert_int_eq(refusal(business(WSRT_BUSINESS_GAUGE, "queue", "price")), WSRT_ERR_EXISTS);
    b.dimensions = town;
    b.dimension_count = 1;
    add(b);
    ck_assert_int_eq(refusal(b), WSRT_ERR_EXISTS);
    ck_assert_int_eq(refusal(business(WSRT_BUSINESS_COUNTER, "town", "price")), WSRT_ERR_EXISTS);
    ck_assert_int_eq(refusal(business(WSRT_BUSINESS_GAUGE, "Orders_total", "price")),
                     WSRT_ERR_EXISTS);
    ck_assert_int_eq(wsrt_monitor_source(m, "orders", WSRT_SOURCE_GAUGE, read_nothing, m),
                     WSRT_ERR_EXISTS);
    add(business(WSRT_BUSINESS_COUNTER, "sales", "price"));
    static const char *const sales[] = {"Sales"};
    wsrt_business_metric by_sales = business(WSRT_BUSINESS_COUNTER, "returns", "price");
    by_sales.dimensions = sales;
    by_sales.dimension_count = 1;
    ck_assert_int_eq(refusal(by_sales), WSRT_ERR_EXISTS);
}
END_TEST

START_TEST(a_name_that_prometheus_would_write_like_one_of_the_catalogue_is_taken)
{
    static const char *const taken[] = {"messages_per_minute", "MessagesPerMinute", "message_types",
                                        "messageTypesTotal", "averageConnectionDurationSeconds"};

    for (size_t i = 0; i < COUNT(taken); i++)
        ck_assert_msg(refusal(business(WSRT_BUSINESS_COUNTER, taken[i], "price")) ==
                          WSRT_ERR_EXISTS,
                      "%s", taken[i]);
}
END_TEST

START_TEST(only_counters_end_in_total)
{
    wsrt_export_options o = {.struct_size = sizeof o, .format = WSRT_EXPORT_OPENMETRICS};

    add(business(WSRT_BUSINESS_GAUGE, "openOrdersTotal", "price"));
    add(business(WSRT_BUSINESS_COUNTER, "madeOrdersTotal", "price"));
    order_in("Ulm", 2, 1);
    ck_assert_double_eq(metric(OWN("open_orders", "")), 2);
    ck_assert_double_eq(metric(OWN("made_orders_total", "")), 2);
    check_page();
    page.len = 0;
    ck_assert_int_eq(wsrt_monitor_export(m, &o, append, &page), WSRT_OK);
    page.text[page.len] = '\0';
    ck_assert_ptr_nonnull(strstr(page.text, "# TYPE wsrt_business_open_orders gauge\n"));
    ck_assert_ptr_nonnull(strstr(page.text, "# TYPE wsrt_business_made_orders counter\n"));
}
END_TEST

START_TEST(a_help_text_stays_on_its_line)
{
    wsrt_business_metric b = business(WSRT_BUSINESS_COUNTER, "orders", "price");
    wsrt_export_options o = {.struct_size = sizeof o, .format = WSRT_EXPORT_OPENMETRICS};

    b.help_cstr = "All \"orders\"\\\nwsrt_forged 1\xff";
    add(b);
    order_in("Ulm", 2, 1);
    ck_assert(
        has("# HELP wsrt_business_orders_total All \"orders\"\\\\\\nwsrt_forged 1\xef\xbf\xbd\n"));
    check_page();
    page.len = 0;
    ck_assert_int_eq(wsrt_monitor_export(m, &o, append, &page), WSRT_OK);
    page.text[page.len] = '\0';
    ck_assert_ptr_nonnull(
        strstr(page.text,
               "# HELP wsrt_business_orders All \\\"orders\\\"\\\\\\nwsrt_forged 1\xef\xbf\xbd\n"));
}
END_TEST

START_TEST(a_category_too_long_for_a_name_of_cloudwatch_is_left_out_and_counted)
{
    static const int formats[] = {WSRT_EXPORT_CLOUDWATCH, WSRT_EXPORT_EMF};
    char town[256];

    add(business(WSRT_BUSINESS_CATEGORY, "orderTown", "town"));
    for (size_t len = 244; len <= 246; len++) {
        memset(town, 'a' + (int)(len - 244), len);
        town[len] = '\0';
        order_in(town, 1, 1);
    }
    for (size_t i = 0; i < COUNT(formats); i++) {
        wsrt_export_options o = {.struct_size = sizeof o, .format = formats[i], .wall = 1};
        page.len = 0;
        ck_assert_int_eq(wsrt_monitor_export(m, &o, append, &page), WSRT_OK);
        page.text[page.len] = '\0';
        ck_assert_ptr_nonnull(strstr(page.text, "orderTown.aaa"));
        ck_assert_ptr_nonnull(strstr(page.text, "orderTown.bbb")); /* 255 bytes */
        ck_assert_ptr_null(strstr(page.text, "orderTown.ccc"));
    }
    ck_assert_double_eq(metric("wsrt_self_export_dropped_total{environment=\"dev\"}"), 2);
}
END_TEST

static size_t times(const char *part)
{
    size_t n = 0;

    for (const char *at = page.text; (at = strstr(at, part)) != NULL; at++)
        n++;
    return n;
}

START_TEST(a_line_of_emf_has_each_name_once)
{
    static const char *const by[] = {"routeKey"};
    wsrt_business_metric b = business(WSRT_BUSINESS_COUNTER, "action", "price");
    const wsrt_field attrs[] = {text("routeKey", "buy"), number("price", 2)};
    const wsrt_field about[] = {text("routeKey", "sell"), text("action", "x"),
                                text("traceId", "t")};
    const wsrt_export_options o = {.struct_size = sizeof o,
                                   .format = WSRT_EXPORT_EMF,
                                   .wall = 1,
                                   .members = about,
                                   .member_count = COUNT(about)};

    b.dimensions = by;
    b.dimension_count = 1;
    add(b);
    order(attrs, 2, 1);
    page.len = 0;
    ck_assert_int_eq(wsrt_monitor_export(m, &o, append, &page), WSRT_OK);
    page.text[page.len] = '\0';
    size_t lines = times("\n");
    ck_assert_uint_eq(times("\"traceId\":\"t\""), lines);
    ck_assert_uint_eq(times("\"routeKey\":\"buy\""), 1);
    ck_assert_uint_eq(times("\"routeKey\":\"sell\""), lines - 1);
    ck_assert_uint_eq(times("\"action\":2"), 1);
    ck_assert_uint_eq(times("\"action\":\"x\""), lines - 1);
}
END_TEST

static int swallow(const void *data, size_t len, void *user)
{
    (void)data, (void)len, (void)user;
    return WSRT_OK;
}

/* CPU time of the best of three. */
static double cost_of_a_dashboard(int towns)
{
    const wsrt_export_options o = {.struct_size = sizeof o, .format = WSRT_EXPORT_DASHBOARD};
    double best = 1e9;
    char town[16];

    remake(options());
    add_by_town();
    for (int i = 0; i < towns; i++) {
        snprintf(town, sizeof town, "t%d", i);
        order_in(town, 1, 1);
    }
    for (int i = 0; i < 3; i++) {
        clock_t from = clock();
        ck_assert_int_eq(wsrt_monitor_export(m, &o, swallow, NULL), WSRT_OK);
        double took = (double)(clock() - from) / CLOCKS_PER_SEC;
        best = took < best ? took : best;
    }
    return best;
}

START_TEST(the_time_of_a_dashboard_grows_with_its_series_and_no_faster)
{
    double small = cost_of_a_dashboard(600), large = cost_of_a_dashboard(9600);

    ck_assert_msg(large < 64 * (small + 1e-4), "%g, then %g", small, large);
}
END_TEST

START_TEST(dimensions_up_to_twenty_eight_are_taken)
{
    static char names[29][8];
    const char *by[29];
    wsrt_business_metric b = business(WSRT_BUSINESS_COUNTER, "orders", "price");

    for (int i = 0; i < 29; i++) {
        snprintf(names[i], sizeof names[i], "d%d", i);
        by[i] = names[i];
    }
    b.dimensions = by;
    b.dimension_count = 29;
    ck_assert_int_eq(refusal(b), WSRT_ERR_INVALID);
    b.dimension_count = 28;
    ck_assert_int_eq(refusal(b), WSRT_OK);
}
END_TEST

START_TEST(metrics_that_are_none_are_refused)
{
    static const char *const reserved[] = {"Handler", "environment", "category", "le", "orders"};
    static const char *const twice[] = {"town", "Town"};
    static const char text256[] =
        "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789"
        "abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123"
        "456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
    wsrt_business_metric bad[18];

    _Static_assert(sizeof text256 == 257, "256 bytes");
    for (size_t i = 0; i < COUNT(bad); i++)
        bad[i] = business(WSRT_BUSINESS_COUNTER, "orders", "price");
    bad[0].kind = 0;
    bad[1].kind = 6;
    bad[2].name_cstr = NULL;
    bad[3].name_cstr = "or ders";
    bad[4].attribute_cstr = NULL;
    bad[5].attribute_cstr = "1st";
    bad[6].name_cstr = "Environment";
    bad[7].dimension_count = 1;
    bad[8].unit_cstr = "BytesOfAVeryLongKindOfUnitIndeed";
    bad[9].help_cstr = text256;
    bad[10].value_cstr = text256;
    bad[11].kind = WSRT_BUSINESS_AVERAGE;
    bad[11].value_cstr = "x";
    bad[12].dimensions = twice;
    bad[12].dimension_count = 2;
    bad[13].struct_size = 4;
    bad[14].dimensions = reserved;
    bad[14].dimension_count = 1;
    bad[15].name_cstr = "";
    bad[16].unit_cstr = "Co\"unt";
    bad[17].unit_cstr = "";
    for (size_t i = 0; i < COUNT(bad); i++)
        ck_assert_int_eq(wsrt_monitor_business(m, &bad[i]), WSRT_ERR_INVALID);
    for (size_t i = 0; i < COUNT(reserved); i++, bad[14].dimensions++)
        ck_assert_int_eq(wsrt_monitor_business(m, &bad[14]), WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_monitor_business(NULL, &bad[0]), WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_monitor_business(m, NULL), WSRT_ERR_INVALID);
    bad[0] = business(WSRT_BUSINESS_COUNTER, "orders", "price");
    bad[0].operation = 99;
    ck_assert_int_eq(wsrt_monitor_business(m, &bad[0]), WSRT_ERR_NOT_FOUND);
}
END_TEST

START_TEST(metrics_are_as_many_as_the_cap_allows)
{
    char name[16];

    for (int i = 0; i < 256; i++) {
        snprintf(name, sizeof name, "own%d", i);
        add(business(WSRT_BUSINESS_COUNTER, name, "price"));
    }
    ck_assert_int_eq(refusal(business(WSRT_BUSINESS_COUNTER, "last", "price")), WSRT_ERR_LIMIT);
}
END_TEST

/* ---- memory and threads ---- */

START_TEST(refused_memory_registers_nothing)
{
    for (size_t n = 1;; n++) {
        heap_arm(&heap, n, 0);
        int rc = refusal(business(WSRT_BUSINESS_COUNTER, "orders", "price"));
        int tripped = heap.tripped;
        heap_arm(&heap, 0, 0);
        if (!tripped)
            break;
        ck_assert_int_eq(rc, WSRT_ERR_NOMEM);
        heap.points++;
    }
    ck_assert_uint_eq(heap.points, 2);
    order_in("Ulm", 1, 1);
    ck_assert_double_eq(metric(OWN("orders_total", "")), 1);
}
END_TEST

START_TEST(refused_memory_loses_no_completion)
{
    add_by_town();
    order_in("Ulm", 1, 1);
    heap_arm(&heap, 1, 1);
    order_in("Bern", 1, 1);
    heap_arm(&heap, 0, 0);
    ck_assert_double_eq(metric(OWN("orders_total", "town=\"__overflow__\",")), 1);
}
END_TEST

START_TEST(warm_completions_allocate_nothing)
{
    add_by_town();
    add(business(WSRT_BUSINESS_CATEGORY, "orderTown", "town"));
    order_in("Ulm", 1, 1);
    heap_arm(&heap, 1, 1);
    for (int i = 0; i < 1000; i++)
        order_in("Ulm", 1, 1);
    ck_assert(!heap.tripped);
    heap_arm(&heap, 0, 0);
}
END_TEST

enum { ORDERS = 2000 };

static void *order_for_long(void *user)
{
    char town[8];

    for (int i = 0; i < ORDERS; i++) {
        snprintf(town, sizeof town, "t%d", i % 50);
        order_in(town, 0.5, 1);
    }
    return user;
}

START_TEST(threads_that_complete_at_once_lose_nothing)
{
    pthread_t others[3];
    double sum = 0;
    char series[160];

    add_by_town();
    for (size_t i = 0; i < COUNT(others); i++)
        ck_assert_int_eq(pthread_create(&others[i], NULL, order_for_long, NULL), 0);
    scrape();
    for (size_t i = 0; i < COUNT(others); i++)
        pthread_join(others[i], NULL);
    for (int i = 0; i < 50; i++) {
        snprintf(series, sizeof series, OWN("orders_total", "town=\"t%d\","), i);
        sum += metric(series);
    }
    ck_assert_double_eq(sum, COUNT(others) * ORDERS * 0.5);
}
END_TEST

START_TEST(refused_memory_makes_an_export_fail_clean)
{
    const wsrt_export_options o = {.struct_size = sizeof o, .format = WSRT_EXPORT_EMF, .wall = 1};

    add_by_town();
    add(business(WSRT_BUSINESS_CATEGORY, "orderTown", "town"));
    order_in("Ulm", 1, 1);
    for (size_t n = 1;; n++) {
        page.len = 0;
        heap_arm(&heap, n, 0);
        int rc = wsrt_monitor_export(m, &o, append, &page);
        int tripped = heap.tripped;
        heap_arm(&heap, 0, 0);
        if (!tripped)
            break;
        ck_assert_int_eq(rc, WSRT_ERR_NOMEM);
    }
    page.text[page.len] = '\0';
    ck_assert_ptr_nonnull(strstr(page.text, "\"orderTown.Ulm\":1"));
}
END_TEST

Suite *suite(void)
{
    Suite *s = suite_create("monitor_own");
    TCase *c = tcase_create("monitor_own");

    tcase_add_checked_fixture(c, setup, teardown);
    tcase_add_test(c, each_kind_is_made_of_its_attribute);
    tcase_add_test(c, a_value_chooses_the_completions_that_count);
    tcase_add_test(c, what_no_completion_told_is_absent);
    tcase_add_test(c, each_set_of_dimensions_has_a_series);
    tcase_add_test(c, own_attributes_are_declared_for_their_operation_only);
    tcase_add_loop_test(c, sets_beyond_the_caps_are_counted_in_one_series, 0, 2);
    tcase_add_test(c, values_that_no_export_could_carry_are_counted_together);
    tcase_add_test(c, identities_are_dimensions_by_leave_only);
    tcase_add_test(c, traces_and_free_text_are_never_dimensions);
    tcase_add_test(c, a_name_is_one_metrics_and_no_dimensions);
    tcase_add_test(c, dimensions_up_to_twenty_eight_are_taken);
    tcase_add_test(c, a_name_that_prometheus_would_write_like_one_of_the_catalogue_is_taken);
    tcase_add_test(c, only_counters_end_in_total);
    tcase_add_test(c, a_help_text_stays_on_its_line);
    tcase_add_test(c, a_category_too_long_for_a_name_of_cloudwatch_is_left_out_and_counted);
    tcase_add_test(c, a_line_of_emf_has_each_name_once);
    tcase_add_test(c, the_time_of_a_dashboard_grows_with_its_series_and_no_faster);
    tcase_add_test(c, metrics_that_are_none_are_refused);
    tcase_add_test(c, metrics_are_as_many_as_the_cap_allows);
    tcase_add_test(c, refused_memory_registers_nothing);
    tcase_add_test(c, refused_memory_loses_no_completion);
    tcase_add_test(c, warm_completions_allocate_nothing);
    tcase_add_test(c, threads_that_complete_at_once_lose_nothing);
    tcase_add_test(c, refused_memory_makes_an_export_fail_clean);
    suite_add_tcase(s, c);
    return s;
}
