/* What an update costs a feed with 100,000 subscriptions, over 50 and over 100 distinct filters none of
 * which holds: the judging alone. And how fast a stream event becomes plain JSON, beside parsing it. */
#include "bench.h"

#include <wsrt/stream.h>

enum { SUBSCRIPTIONS = 100000, QUICK = 2000, UPDATES = 500, QUICK_UPDATES = 20, RECORDS = 100 };

static uint64_t posts;

static int count_post(void *self, const wsrt_span *id, const wsrt_post *post)
{
    (void)self, (void)id, (void)post;
    posts++;
    return WSRT_OK;
}

static const wsrt_sender_ops counting = {.struct_size = sizeof counting, .post = count_post};

static void must(int rc)
{
    if (rc != WSRT_OK)
        exit(1);
}

/* ---- updates ------------------------------------------------------------------------------ */

/* A feed whose subscribers are spread evenly over so many filters. */
static wsrt_feed *make_feed(int subscriptions, int filters)
{
    const wsrt_sender sender = {&counting, NULL};
    wsrt_feed_options o = {.struct_size = sizeof o, .sender = &sender};
    wsrt_feed *feed;
    char id[16], filter[96];

    must(wsrt_feed_new(&feed, &o));
    for (int i = 0; i < subscriptions; i++) {
        int n = snprintf(id, sizeof id, "c%d", i);
        int len =
            snprintf(filter, sizeof filter,
                     "{\"entity_type\":[\"host\"],\"metric_value\":{\"gte\":%d}}", i % filters);
        must(wsrt_feed_subscribe(feed, (wsrt_span){id, (size_t)n}, 0,
                                 (wsrt_span){filter, (size_t)len}, 0, NULL));
    }
    return feed;
}

struct run {
    double ns;
    uint64_t evaluations;
};

static struct run publish(wsrt_feed *feed, const char *update, int times)
{
    wsrt_feed_report report = {.struct_size = sizeof report};
    struct run r = {0};
    int64_t start = bench_cpu();

    for (int i = 0; i < times; i++) {
        must(wsrt_feed_publish(feed, wsrt_span_cstr(update), NULL, &report));
        r.evaluations += report.evaluations;
    }
    r.ns = (double)(bench_cpu() - start) / times;
    r.evaluations /= (uint64_t)times;
    return r;
}

static void measure_updates(struct bench *b)
{
    static const char update[] = "{\"data\":{\"entity_type\":\"host\",\"entity_id\":\"h1\","
                                 "\"metric_value\":-1,\"unit\":\"percent\"}}";
    int count = b->quick ? QUICK : SUBSCRIPTIONS, times = b->quick ? QUICK_UPDATES : UPDATES;
    wsrt_feed *none = make_feed(0, 1), *fifty = make_feed(count, 50),
              *hundred = make_feed(count, 100), *few = make_feed(count / 10, 50);
    double floor_ns[BENCH_PASSES], ns[3][BENCH_PASSES], ratio[2][BENCH_PASSES];
    struct run runs[3] = {{0}};

    for (int i = 0; i < BENCH_PASSES; i++) {
        floor_ns[i] = publish(none, update, times).ns;
        runs[0] = publish(fifty, update, times);
        runs[1] = publish(hundred, update, times);
        runs[2] = publish(few, update, times);
        for (int k = 0; k < 3; k++)
            ns[k][i] = runs[k].ns;
        ratio[0][i] = (runs[1].ns - floor_ns[i]) / (runs[0].ns - floor_ns[i]);
        ratio[1][i] = runs[0].ns / runs[2].ns;
    }
    bench_row(b, "subscriptions", count, "");
    bench_row(b, "no_filter_ns", bench_median(floor_ns, BENCH_PASSES), "ns an update");
    bench_row(b, "filters_50_ns", bench_median(ns[0], BENCH_PASSES), "ns an update");
    bench_row(b, "filters_50_evaluations", (double)runs[0].evaluations, "an update");
    bench_row(b, "filters_100_ns", bench_median(ns[1], BENCH_PASSES), "ns an update");
    bench_row(b, "filters_100_evaluations", (double)runs[1].evaluations, "an update");
    bench_row(b, "twice_the_filters", bench_median(ratio[0], BENCH_PASSES), "times the judging");
    bench_row(b, "ten_times_the_subscribers", bench_median(ratio[1], BENCH_PASSES),
              "times the cost");
    wsrt_feed_free(none);
    wsrt_feed_free(fifty);
    wsrt_feed_free(hundred);
    wsrt_feed_free(few);
}

/* ---- the decoder -------------------------------------------------------------------------- */

static size_t write_event(char *dst, size_t cap)
{
    size_t len = (size_t)snprintf(dst, cap, "{\"Records\":[");

    for (int i = 0; i < RECORDS; i++)
        len += (size_t)snprintf(
            dst + len, cap - len,
            "%s{\"eventID\":\"%d\",\"eventName\":\"MODIFY\",\"eventSource\":\"aws:dynamodb\","
            "\"dynamodb\":{\"ApproximateCreationDateTime\":1795168831,\"Keys\":{\"entity_id\":"
            "{\"S\":\"stream-%d\"}},\"NewImage\":{\"entity_id\":{\"S\":\"stream-%d\"},"
            "\"entity_type\":{\"S\":\"stream\"},\"metric_value\":{\"N\":\"%d\"},\"tags\":{\"SS\":"
            "[\"a\",\"b\"]},\"meta\":{\"M\":{\"ok\":{\"BOOL\":true},\"gap\":{\"NULL\":true}}}},"
            "\"SequenceNumber\":\"4000000000000000%05d\"}}",
            i > 0 ? "," : "", i, i, i, i * 7, i);
    return len + (size_t)snprintf(dst + len, cap - len, "]}");
}

static double decode(wsrt_span event, int times)
{
    char plain[2048];
    size_t len;
    int64_t start = bench_cpu();

    for (int i = 0; i < times; i++) {
        wsrt_json records;
        wsrt_json_iter it = {0};
        wsrt_json_writer w;
        wsrt_change c = {.struct_size = sizeof c};
        must(wsrt_changes_open(event, &records, NULL));
        while (wsrt_changes_next(&records, &it, &c) == WSRT_OK) {
            wsrt_json_writer_init(&w, plain, sizeof plain, 0);
            must(wsrt_attributes_write(&w, c.new_image));
            must(wsrt_json_finish(&w, &len));
        }
    }
    return (double)(bench_cpu() - start) / times;
}

static double parse(wsrt_span event, int times)
{
    int64_t start = bench_cpu();

    for (int i = 0; i < times; i++)
        must(wsrt_json_parse(NULL, event, NULL));
    return (double)(bench_cpu() - start) / times;
}

static void measure_decoder(struct bench *b)
{
    static char text[RECORDS * 600];
    wsrt_span event = {text, write_event(text, sizeof text)};
    int times = b->quick ? 1 : UPDATES / 5;
    double ns[BENCH_PASSES], ratio[BENCH_PASSES];

    for (int i = 0; i < BENCH_PASSES; i++) {
        double floor_ns = parse(event, times);
        ns[i] = decode(event, times);
        ratio[i] = ns[i] / floor_ns;
    }
    double median = bench_median(ns, BENCH_PASSES);
    bench_row(b, "decode_record_ns", median / RECORDS, "ns a record");
    bench_row(b, "decode_mb_s", (double)event.len * 1000 / median, "MB/s");
    bench_row(b, "decode_per_parse", bench_median(ratio, BENCH_PASSES), "times parsing alone");
}

int main(int argc, char **argv)
{
    struct bench b = bench_start(argc, argv);

    measure_updates(&b);
    measure_decoder(&b);
    bench_end(&b);
    return posts == 0 ? 0 : 1; /* no filter held: nothing but judging was measured */
}
