#include "monitor_rig.h"

#include "monitor/catalogue.h"

static wsrt_metric_info metric_at(size_t index)
{
    wsrt_metric_info info = {.struct_size = sizeof info};

    ck_assert_int_eq(wsrt_catalogue_metric(index, &info), WSRT_OK);
    return info;
}

static wsrt_alarm_info alarm_at(size_t index)
{
    wsrt_alarm_info info = {.struct_size = sizeof info};

    ck_assert_int_eq(wsrt_catalogue_alarm(index, &info), WSRT_OK);
    return info;
}

static int next_line(size_t *index, wsrt_line_info *out)
{
    *out = (wsrt_line_info){.struct_size = sizeof *out};
    return wsrt_catalogue_line((*index)++, out) == WSRT_OK;
}

static size_t alarms(void)
{
    wsrt_alarm_info info = {.struct_size = sizeof info};
    size_t n = 0;

    while (wsrt_catalogue_alarm(n, &info) == WSRT_OK)
        n++;
    return n;
}

static int ends_with(const char *text, const char *end)
{
    size_t len = strlen(text), tail = strlen(end);

    return len >= tail && strcmp(text + len - tail, end) == 0;
}

static int is_aws(const wsrt_metric_info *info)
{
    return strncmp(info->namespace_cstr, "AWS/", 4) == 0;
}

/* ---- metrics ---- */

START_TEST(walks_end_with_not_found)
{
    wsrt_metric_info metric = {.struct_size = sizeof metric};
    wsrt_alarm_info alarm = {.struct_size = sizeof alarm};
    wsrt_line_info line = {.struct_size = sizeof line};

    ck_assert_int_eq(wsrt_catalogue_metric(METRICS - 1, &metric), WSRT_OK);
    ck_assert_int_eq(wsrt_catalogue_metric(METRICS, &metric), WSRT_ERR_NOT_FOUND);
    ck_assert_int_eq(wsrt_catalogue_metric(SIZE_MAX, &metric), WSRT_ERR_NOT_FOUND);
    ck_assert_int_eq(wsrt_catalogue_alarm(SIZE_MAX, &alarm), WSRT_ERR_NOT_FOUND);
    ck_assert_int_eq(wsrt_catalogue_line(SIZE_MAX, &line), WSRT_ERR_NOT_FOUND);
}
END_TEST

START_TEST(walks_refuse_no_place_and_one_of_another_size)
{
    wsrt_metric_info metric = {.struct_size = sizeof metric - 1};
    wsrt_alarm_info alarm = {.struct_size = sizeof alarm - 1};
    wsrt_line_info line = {.struct_size = sizeof line - 1};

    ck_assert_int_eq(wsrt_catalogue_metric(0, NULL), WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_catalogue_alarm(0, NULL), WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_catalogue_line(0, NULL), WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_catalogue_metric(0, &metric), WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_catalogue_alarm(0, &alarm), WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_catalogue_line(0, &line), WSRT_ERR_INVALID);
}
END_TEST

START_TEST(a_namespace_has_each_name_once)
{
    for (size_t i = 0; i < METRICS; i++) {
        wsrt_metric_info a = metric_at(i);
        for (size_t k = 0; k < i; k++) {
            wsrt_metric_info b = metric_at(k);
            ck_assert_msg(strcmp(a.namespace_cstr, b.namespace_cstr) != 0 ||
                              strcmp(a.name_cstr, b.name_cstr) != 0,
                          "%s twice", a.name_cstr);
        }
    }
}
END_TEST

START_TEST(no_metric_is_named_like_a_dimension)
{
    for (size_t i = 0; i < METRICS; i++) {
        wsrt_metric_info a = metric_at(i);
        for (size_t d = 0; d < a.dimension_count; d++)
            for (size_t k = 0; k < METRICS; k++)
                ck_assert_str_ne(a.dimensions[d], metric_at(k).name_cstr);
    }
}
END_TEST

START_TEST(every_metric_of_ours_has_the_environment_as_its_last_dimension)
{
    for (size_t i = 0; i < METRICS; i++) {
        wsrt_metric_info info = metric_at(i);
        ck_assert_uint_ge(info.dimension_count, 1);
        if (is_aws(&info))
            continue;
        ck_assert_str_eq(info.namespace_cstr, "WebSocket/Performance");
        ck_assert_str_eq(info.dimensions[info.dimension_count - 1], "Environment");
        ck_assert_ptr_null(info.values[info.dimension_count - 1]);
    }
}
END_TEST

static const struct {
    const char *row;
    const char *dimensions;
} dimension_sets[] = {
    {"duration", "Handler Environment "},
    {"memory", "Handler Environment "},
    {"error-rate", "Handler Environment "},
    {"success", "Handler Environment "},
    {"errors", "Handler Environment "},
    {"calls", "Handler Environment "},
    {"sizes", "Handler Environment "},
    {"cpu", "Handler Environment "},
    {"load", "Handler Environment "},
    {"circuit", "Service Operation Environment "},
    {"transport", "Environment "},
    {"limiter", "Scope Environment "},
    {"stream", "Handler Environment "},
    {"store", "TableName Environment "},
    {"self", "Environment "},
    {"business", "Handler Environment "},
    {"AWS/Lambda", "FunctionName "},
    {"AWS/DynamoDB", "TableName "},
    {"AWS/ApiGateway", "ApiId Stage "},
};

START_TEST(a_row_has_one_set_of_dimensions)
{
    size_t met = 0;

    for (size_t i = 0; i < METRICS; i++) {
        wsrt_metric_info info = metric_at(i);
        char names[128] = "";
        if (strcmp(info.row_cstr, dimension_sets[_i].row) != 0)
            continue;
        for (size_t d = 0; d < info.dimension_count; d++)
            strcat(strcat(names, info.dimensions[d]), " ");
        ck_assert_str_eq(names, dimension_sets[_i].dimensions);
        met++;
    }
    ck_assert_uint_ge(met, 1);
}
END_TEST

START_TEST(every_metric_stands_in_a_known_row)
{
    for (size_t i = 0; i < METRICS; i++) {
        size_t k = 0;
        wsrt_metric_info info = metric_at(i);
        while (k < COUNT(dimension_sets) && strcmp(info.row_cstr, dimension_sets[k].row) != 0)
            k++;
        ck_assert_msg(k < COUNT(dimension_sets), "%s: %s", info.name_cstr, info.row_cstr);
    }
}
END_TEST

START_TEST(sums_end_in_total_and_nothing_else_does)
{
    for (size_t i = 0; i < METRICS; i++) {
        wsrt_metric_info info = metric_at(i);
        ck_assert_int_eq(info.family_cstr == NULL, is_aws(&info));
        ck_assert_int_eq(info.sum_cstr == NULL, info.count_cstr == NULL);
        if (info.family_cstr == NULL)
            continue;
        int total = ends_with(info.family_cstr, "_total");
        /* Success is a share of what the family counts. */
        ck_assert_msg(total == (info.form == WSRT_METRIC_SUM) || i == METRIC_SUCCESS, "%s",
                      info.family_cstr);
    }
}
END_TEST

START_TEST(units_tell_how_prometheus_scales)
{
    static const struct {
        const char *unit;
        const char *ending;
        double scale;
    } rules[] = {{"Milliseconds", "_seconds", 0.001},
                 {"Bytes", "_bytes", 1},
                 {"Percent", NULL, 0.01},
                 {"Count", NULL, 1},
                 {"None", NULL, 1}};

    for (size_t i = 0; i < METRIC_AWS; i++) {
        wsrt_metric_info info = metric_at(i);
        size_t k = 0;
        if (info.unit_cstr == NULL) {
            ck_assert(ends_with(info.family_cstr, "_timestamp_seconds"));
            continue;
        }
        while (k < COUNT(rules) && strcmp(info.unit_cstr, rules[k].unit) != 0)
            k++;
        ck_assert_uint_lt(k, COUNT(rules));
        ck_assert_double_eq(info.scale, rules[k].scale);
        if (rules[k].ending != NULL)
            ck_assert_msg(ends_with(info.family_cstr, rules[k].ending), "%s", info.family_cstr);
    }
}
END_TEST

START_TEST(the_name_preset_service_has_six_metrics)
{
    static const char *const names[] = {"Duration",   "MemoryUsage",   "Success",
                                        "ErrorCount", "ExternalCalls", "DatabaseCalls"};
    size_t n = 0;

    for (size_t i = 0; i < METRICS; i++) {
        const char *name = metric_at(i).service_name_cstr;
        if (name == NULL)
            continue;
        ck_assert_uint_lt(n, COUNT(names));
        ck_assert_str_eq(name, names[n++]);
    }
    ck_assert_uint_eq(n, COUNT(names));
}
END_TEST

/* ---- what the monitor itself writes ---- */

static void one_sample(wsrt_samples *to, void *user)
{
    (void)user;
    wsrt_sample(to, NULL, 0, 1);
}

static void fill_with_everything(void)
{
    wsrt_field attrs[] = {
        text("messageType", "auth"),
        text("eventType", "connect"),
        text("disconnectReason", "normal"),
        {.name_cstr = "messageLength", .number = 5, .kind = WSRT_FIELD_INT},
        {.name_cstr = "connectionDuration", .number = 5, .kind = WSRT_FIELD_INT},
    };

    for (size_t i = METRIC_SATURATION; i <= METRIC_REDACTIONS; i++) {
        wsrt_metric_info info = metric_at(i);
        int kind = info.form == WSRT_METRIC_SUM ? WSRT_SOURCE_COUNTER : WSRT_SOURCE_GAUGE;
        ck_assert_int_eq(wsrt_monitor_source(m, info.name_cstr, kind, one_sample, NULL), WSRT_OK);
    }
    wsrt_monitor_tick(m, 0, 0);
    for (int id = 0; id < 4; id++)
        run_with(id, attrs, COUNT(attrs));
    for (int64_t s = 10; s <= 130; s += 10)
        wsrt_monitor_tick(m, s * 1000 * MS, 0);
}

static const char *type_of(const wsrt_metric_info *info)
{
    if (info->form == WSRT_METRIC_VALUES)
        return "histogram";
    if (info->form == WSRT_METRIC_GAUGE || info->sum_cstr == NULL)
        return info->form == WSRT_METRIC_SUM ? "counter" : "gauge";
    return ends_with(info->sum_cstr, "_sum") ? "summary" : "gauge";
}

START_TEST(a_page_has_every_family_with_its_help_and_type)
{
    char head[512];

    fill_with_everything();
    scrape();
    for (size_t i = 0; i < METRIC_AWS; i++) {
        wsrt_metric_info info = metric_at(i);
        const char *type = i == METRIC_SUCCESS ? "counter" : type_of(&info);
        snprintf(head, sizeof head, "# HELP %s %s\n# TYPE %s %s\n", info.family_cstr,
                 info.help_cstr, info.family_cstr, type);
        ck_assert_msg(strstr(page.text, head) != NULL, "no %s in\n%s", head, page.text);
    }
}
END_TEST

START_TEST(a_page_has_no_family_beside_the_catalogue)
{
    fill_with_everything();
    scrape();
    for (const char *p = strstr(page.text, "# TYPE "); p != NULL; p = strstr(p + 1, "# TYPE ")) {
        size_t len = (size_t)(strchr(p + 7, ' ') - (p + 7)), i = 0;
        for (; i < METRIC_AWS; i++) {
            const char *family = metric_at(i).family_cstr;
            if (strlen(family) == len && memcmp(family, p + 7, len) == 0)
                break;
        }
        ck_assert_msg(i < METRIC_AWS, "%.*s", (int)len, p + 7);
    }
}
END_TEST

START_TEST(a_business_metric_is_the_series_of_its_operation_and_category)
{
    char series[256];

    fill_with_everything();
    scrape();
    for (size_t i = METRIC_BUSINESS; i < METRIC_AWS; i++) {
        wsrt_metric_info info = metric_at(i);
        snprintf(series, sizeof series, "\n%s{handler=\"%s\",environment=\"dev\"%s%s} ",
                 info.family_cstr, info.values[0], info.selector_cstr == NULL ? "" : ",",
                 info.selector_cstr == NULL ? "" : info.selector_cstr);
        ck_assert_msg(strstr(page.text, series) != NULL, "no %s", series);
    }
}
END_TEST

/* ---- alarms ---- */

static const struct {
    const char *id;
    const char *metric;
    double threshold;
    uint32_t period;
    const char *handler;
} limits[] = {
    {"WebSocketDurationAlarm", "HandlerDuration", 5000, 60, "websocket_conversation"},
    {"WebSocketMemoryAlarm", "MemoryUsage", 104857600, 60, "websocket_conversation"},
    {"WebSocketErrorRateAlarm", "ErrorRate", 5, 300, "websocket_conversation"},
    {"WebSocketDurationAlarm-websocket_connection", "HandlerDuration", 2000, 60,
     "websocket_connection"},
    {"WebSocketMemoryAlarm-websocket_connection", "MemoryUsage", 52428800, 60,
     "websocket_connection"},
    {"WebSocketErrorRateAlarm-websocket_connection", "ErrorRate", 2, 300, "websocket_connection"},
    {"WebSocketDurationAlarm-authentication_jwt_verification", "HandlerDuration", 3000, 60,
     "authentication_jwt_verification"},
    {"WebSocketMemoryAlarm-authentication_jwt_verification", "MemoryUsage", 20971520, 60,
     "authentication_jwt_verification"},
    {"WebSocketErrorRateAlarm-authentication_jwt_verification", "ErrorRate", 10, 300,
     "authentication_jwt_verification"},
    {"WebSocketDurationAlarm-chat_message_processing", "HandlerDuration", 1000, 60,
     "chat_message_processing"},
    {"WebSocketMemoryAlarm-chat_message_processing", "MemoryUsage", 31457280, 60,
     "chat_message_processing"},
    {"WebSocketErrorRateAlarm-chat_message_processing", "ErrorRate", 5, 300,
     "chat_message_processing"},
};

START_TEST(each_operation_has_three_limits_and_their_warnings)
{
    wsrt_alarm_info a = alarm_at((size_t)_i);

    ck_assert_str_eq(a.id_cstr, limits[_i].id);
    ck_assert_int_eq(a.kind, WSRT_ALARM_LIMIT);
    ck_assert_str_eq(metric_at(a.metric).name_cstr, limits[_i].metric);
    ck_assert_str_eq(a.values[0], limits[_i].handler);
    ck_assert_ptr_null(a.values[1]);
    ck_assert_str_eq(a.statistic_cstr, "Average");
    ck_assert_uint_eq(a.period, limits[_i].period);
    ck_assert_uint_eq(a.periods, 2);
    ck_assert_double_eq(a.threshold, limits[_i].threshold);
    ck_assert_double_eq(a.warning, 0.8 * limits[_i].threshold);
}
END_TEST

START_TEST(the_limits_are_the_thresholds_of_the_monitor)
{
    double scale = _i % 3 == 0 ? 1e6 : _i % 3 == 1 ? 1 : 0.01;

    ck_assert_double_eq_tol(wsrt_catalogue_limit(_i / 3, _i % 3 + 1), scale * limits[_i].threshold,
                            1e-12);
}
END_TEST

START_TEST(each_alarm_has_one_id)
{
    for (size_t i = 0; i < alarms(); i++)
        for (size_t k = 0; k < i; k++)
            ck_assert_str_ne(alarm_at(i).id_cstr, alarm_at(k).id_cstr);
}
END_TEST

START_TEST(an_alarm_leaves_no_dimension_open_but_the_environment)
{
    for (size_t i = 0; i < alarms(); i++) {
        wsrt_alarm_info a = alarm_at(i);
        wsrt_metric_info info = metric_at(a.metric);
        for (size_t d = 0; !is_aws(&info) && d < info.dimension_count; d++)
            ck_assert_int_eq(a.values[d] == NULL, strcmp(info.dimensions[d], "Environment") == 0);
    }
}
END_TEST

START_TEST(an_alarm_of_our_own_watches_six_circuits_and_a_stream)
{
    static const struct {
        const char *id;
        uint32_t periods;
        double threshold;
    } rows[] = {
        {"CircuitOpenAlarm-cognito-verifyJWT", 1, 2},
        {"CircuitOpenAlarm-apigateway-management-postToConnection", 1, 2},
        {"CircuitOpenAlarm-dynamodb-storeUserMessage", 1, 2},
        {"CircuitOpenAlarm-dynamodb-storeBotMessage", 1, 2},
        {"CircuitOpenAlarm-dynamodb-storeConnection", 1, 2},
        {"CircuitOpenAlarm-dynamodb-removeConnection", 1, 2},
        {"StreamIteratorAgeAlarm", 3, 60000},
        {"StreamFunctionIteratorAgeAlarm", 3, 60000},
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        wsrt_alarm_info a = alarm_at(COUNT(limits) + i);
        ck_assert_str_eq(a.id_cstr, rows[i].id);
        ck_assert_str_eq(a.statistic_cstr, "Maximum");
        ck_assert_uint_eq(a.period, 60);
        ck_assert_uint_eq(a.periods, rows[i].periods);
        ck_assert_double_eq(a.threshold, rows[i].threshold);
        ck_assert_double_eq(a.warning, 0);
    }
}
END_TEST

START_TEST(each_operation_has_a_trend)
{
    for (size_t i = 0; i < 4; i++) {
        wsrt_alarm_info a = alarm_at(alarms() - 4 + i);
        ck_assert_int_eq(a.kind, WSRT_ALARM_TREND);
        ck_assert_str_eq(a.values[0], limits[3 * i].handler);
        ck_assert_double_eq(a.threshold, 2);
        ck_assert_double_eq(a.warning, 1.5);
    }
}
END_TEST

/* ---- graphs ---- */

START_TEST(the_short_dashboard_has_three_graphs)
{
    static const struct {
        const char *title;
        const char *metric;
        const char *handler;
        uint32_t y;
    } rows[] = {
        {"Handler Duration", "HandlerDuration", "websocket_conversation", 0},
        {"Handler Duration", "HandlerDuration", "websocket_connection", 0},
        {"Memory Usage", "MemoryUsage", "websocket_conversation", 6},
        {"Error Rate", "ErrorRate", "websocket_conversation", 12},
    };
    wsrt_line_info line;
    size_t i = 0, n = 0;

    while (next_line(&i, &line)) {
        if (line.full)
            continue;
        ck_assert_uint_lt(n, COUNT(rows));
        ck_assert_str_eq(line.title_cstr, rows[n].title);
        ck_assert_str_eq(metric_at(line.metric).name_cstr, rows[n].metric);
        ck_assert_str_eq(line.handler_cstr, rows[n].handler);
        ck_assert_str_eq(line.statistic_cstr, "Average");
        ck_assert_uint_eq(line.x, 0);
        ck_assert_uint_eq(line.y, rows[n++].y);
        ck_assert_uint_eq(line.width, 12);
        ck_assert_uint_eq(line.height, 6);
    }
    ck_assert_uint_eq(n, COUNT(rows));
}
END_TEST

START_TEST(graphs_do_not_overlap_and_lines_of_one_stand_together)
{
    const char *cells[24 * 256] = {0};
    const char *last = "";
    wsrt_line_info line;

    for (size_t i = 0; next_line(&i, &line);) {
        const char **cell = &cells[line.y * 24 + line.x];
        ck_assert_uint_le(line.x + line.width, 24);
        ck_assert_uint_lt(line.y, 250);
        if (strcmp(last, line.title_cstr) == 0) {
            ck_assert_str_eq(*cell, line.title_cstr);
            continue;
        }
        last = line.title_cstr;
        for (size_t y = 0; y < line.height; y++)
            for (size_t x = 0; x < line.width; x++) {
                ck_assert_ptr_null(cell[y * 24 + x]);
                cell[y * 24 + x] = last;
            }
    }
}
END_TEST

START_TEST(a_percentile_is_shown_only_of_single_values)
{
    wsrt_line_info line;
    size_t percentiles = 0;

    for (size_t i = 0; next_line(&i, &line);) {
        if (line.statistic_cstr[0] != 'p')
            continue;
        ck_assert_int_eq(metric_at(line.metric).form, WSRT_METRIC_VALUES);
        percentiles++;
    }
    ck_assert_uint_eq(percentiles, 2);
}
END_TEST

Suite *suite(void)
{
    Suite *s = suite_create("monitor_catalogue");
    TCase *plain = tcase_create("catalogue");
    TCase *live = tcase_create("monitor");

    tcase_add_test(plain, walks_end_with_not_found);
    tcase_add_test(plain, walks_refuse_no_place_and_one_of_another_size);
    tcase_add_test(plain, a_namespace_has_each_name_once);
    tcase_add_test(plain, no_metric_is_named_like_a_dimension);
    tcase_add_test(plain, every_metric_of_ours_has_the_environment_as_its_last_dimension);
    tcase_add_loop_test(plain, a_row_has_one_set_of_dimensions, 0, COUNT(dimension_sets));
    tcase_add_test(plain, every_metric_stands_in_a_known_row);
    tcase_add_test(plain, sums_end_in_total_and_nothing_else_does);
    tcase_add_test(plain, units_tell_how_prometheus_scales);
    tcase_add_test(plain, the_name_preset_service_has_six_metrics);
    tcase_add_loop_test(plain, each_operation_has_three_limits_and_their_warnings, 0,
                        COUNT(limits));
    tcase_add_loop_test(plain, the_limits_are_the_thresholds_of_the_monitor, 0, COUNT(limits));
    tcase_add_test(plain, each_alarm_has_one_id);
    tcase_add_test(plain, an_alarm_leaves_no_dimension_open_but_the_environment);
    tcase_add_test(plain, an_alarm_of_our_own_watches_six_circuits_and_a_stream);
    tcase_add_test(plain, each_operation_has_a_trend);
    tcase_add_test(plain, the_short_dashboard_has_three_graphs);
    tcase_add_test(plain, graphs_do_not_overlap_and_lines_of_one_stand_together);
    tcase_add_test(plain, a_percentile_is_shown_only_of_single_values);
    suite_add_tcase(s, plain);
    tcase_add_checked_fixture(live, setup, teardown);
    tcase_add_test(live, a_page_has_every_family_with_its_help_and_type);
    tcase_add_test(live, a_page_has_no_family_beside_the_catalogue);
    tcase_add_test(live, a_business_metric_is_the_series_of_its_operation_and_category);
    suite_add_tcase(s, live);
    return s;
}
