/* Any bytes as a stream event, and as a filter with an update behind a NUL: records and images stay inside
 * the event, plain data is JSON, a feed answers and sends JSON, and a filter's text means the same. */
#include "target.h"

#include <wsrt/stream.h>

#include <stdlib.h>
#include <string.h>

static void require(int truth)
{
    if (!truth)
        abort();
}

static void require_inside(wsrt_span outer, wsrt_span inner)
{
    require(inner.len == 0 ||
            (inner.ptr >= outer.ptr && inner.ptr + inner.len <= outer.ptr + outer.len));
}

/* ---- records ------------------------------------------------------------------------------ */

static void read_image(wsrt_span image, char *room, size_t cap)
{
    wsrt_json_writer w;
    size_t len;

    wsrt_json_writer_init(&w, room, cap, 0);
    if (image.len == 0 || wsrt_attributes_write(&w, image) != WSRT_OK)
        return;
    require(wsrt_json_finish(&w, &len) == WSRT_OK && len <= image.len);
    require(wsrt_json_parse(NULL, (wsrt_span){room, len}, NULL) == WSRT_OK);
}

static void read_records(wsrt_span event)
{
    wsrt_json records;
    wsrt_json_iter it = {0};
    wsrt_change c = {.struct_size = sizeof c};
    int rc = wsrt_changes_open(event, &records, NULL);
    char *room = malloc(event.len + 1);

    require(room != NULL);
    while (rc == WSRT_OK && (rc = wsrt_changes_next(&records, &it, &c)) != WSRT_ERR_NOT_FOUND) {
        const wsrt_span parts[] = {c.record, c.sequence, c.keys, c.new_image, c.old_image};
        require(rc == WSRT_OK || rc == WSRT_ERR_REJECTED);
        for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
            require_inside(event, parts[i]);
        for (size_t i = 2; rc == WSRT_OK && i < sizeof parts / sizeof parts[0]; i++)
            read_image(parts[i], room, event.len + 1);
        rc = WSRT_OK;
    }
    free(room);
}

/* ---- a feed ------------------------------------------------------------------------------- */

static int take(void *self, const wsrt_span *id, const wsrt_post *post)
{
    (void)self, (void)id;
    require(post->data.len <= 131072);
    require(wsrt_json_parse(NULL, post->data, NULL) == WSRT_OK);
    return WSRT_OK;
}

static void feed_both_ways(wsrt_span input)
{
    static const wsrt_sender_ops ops = {.struct_size = sizeof ops, .post = take};
    const wsrt_sender sender = {&ops, NULL};
    wsrt_feed_options o = {.struct_size = sizeof o, .sender = &sender};
    wsrt_feed_report report = {.struct_size = sizeof report};
    wsrt_json_error why = {0};
    wsrt_feed *feed;
    char answer[128];
    size_t len;

    require(wsrt_feed_new(&feed, &o) == WSRT_OK);
    require(wsrt_feed_subscribe(feed, wsrt_span_cstr("c"), 0, wsrt_span_cstr("{}"), 0, NULL) ==
            WSRT_OK);
    if (wsrt_feed_changes(feed, input, answer, sizeof answer, &len, &report) == WSRT_OK)
        require(wsrt_json_parse(NULL, (wsrt_span){answer, len}, NULL) == WSRT_OK);
    if (wsrt_feed_publish(feed, input, &why, &report) != WSRT_OK)
        require(why.offset <= input.len);
    else
        require(report.sent == report.attempted && (report.updates == 0) == (report.sent == 0));
    wsrt_feed_free(feed);
}

/* ---- filters ------------------------------------------------------------------------------ */

static void compare_filters(wsrt_span text, wsrt_span data)
{
    static const char *const types[] = {"INSERT", "MODIFY", "REMOVE"};
    wsrt_filter *f, *same;
    wsrt_filter_error why = {0};
    wsrt_json root;

    if (wsrt_filter_new(&f, text, NULL, &why) != WSRT_OK) {
        require(f == NULL && why.offset <= text.len);
        return;
    }
    require(wsrt_filter_new(&same, wsrt_filter_text(f), NULL, NULL) == WSRT_OK);
    require(wsrt_span_equal(wsrt_filter_text(f), wsrt_filter_text(same)));
    if (wsrt_json_parse(&root, data, NULL) == WSRT_OK && root.kind == WSRT_JSON_OBJECT)
        for (size_t i = 0; i < 3; i++)
            require(wsrt_filter_matches(f, wsrt_span_cstr(types[i]), data) ==
                    wsrt_filter_matches(same, wsrt_span_cstr(types[i]), data));
    wsrt_filter_free(same);
    wsrt_filter_free(f);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    wsrt_span input = {(const char *)data, size};
    const char *nul = size == 0 ? NULL : memchr(data, 0, size);
    size_t first = nul == NULL ? size : (size_t)(nul - input.ptr);

    read_records(input);
    feed_both_ways(input);
    compare_filters((wsrt_span){input.ptr, first},
                    nul == NULL ? wsrt_span_cstr("{\"a\":1,\"b\":\"x\",\"c\":null}")
                                : (wsrt_span){nul + 1, size - first - 1});
    return 0;
}
