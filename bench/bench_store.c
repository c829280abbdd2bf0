/* A million idle connections in the memory store: bytes a record, nanoseconds an operation. */
#include "bench.h"

#include <wsrt/store.h>

enum { RECORDS = 1000000, QUICK_RECORDS = 2000, PAGE = 256, ID = 16, NOW = 1000 };

struct state {
    wsrt_memory_store *memory;
    wsrt_store store;
    int count;
    char (*ids)[ID];
    uint64_t held; /* bytes by our own count, with what malloc adds to a block */
};

static void *count_realloc(void *user, void *ptr, size_t old_size, size_t new_size)
{
    uint64_t *held = user;

    *held -= old_size == 0 ? 0 : (old_size + 8 + 15) / 16 * 16;
    *held += new_size == 0 ? 0 : (new_size + 8 + 15) / 16 * 16;
    if (new_size == 0) {
        free(ptr);
        return NULL;
    }
    return realloc(ptr, new_size);
}

static void setup(struct state *s)
{
    wsrt_memory_store_options o = {.struct_size = sizeof o, .allocator = {count_realloc, &s->held}};
    uint64_t random = 1;

    s->ids = calloc((size_t)s->count, ID);
    if (s->ids == NULL || wsrt_memory_store_new(&s->memory, &o) != WSRT_OK)
        exit(1);
    wsrt_memory_store_connections(s->memory, &s->store);
    for (int i = 0; i < s->count; i++)
        for (int k = 0; k < ID; k++) {
            random = random * 6364136223846793005u + 1442695040888963407u;
            s->ids[i][k] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdef"[random >> 59];
        }
}

static void must(int rc)
{
    if (rc == WSRT_OK)
        return;
    fprintf(stderr, "%s\n", wsrt_status_name(rc));
    exit(1);
}

static void put_all(const struct state *s)
{
    wsrt_record r = {.struct_size = sizeof r, .source_ip = wsrt_span_cstr("192.0.2.1")};

    for (int i = 0; i < s->count; i++) {
        r.connection_id = (wsrt_span){s->ids[i], ID};
        r.connected_at = i + 1;
        r.expires_at = NOW + 600 + i % 60;
        must(s->store.ops->put(s->store.self, &r, 1, NOW));
    }
}

static void get_all(const struct state *s)
{
    wsrt_record out = {.struct_size = sizeof out};
    char buf[512];

    for (int i = 0; i < s->count; i++) {
        wsrt_span id = {s->ids[(uint64_t)i * 7919 % (uint64_t)s->count], ID};
        must(s->store.ops->get(s->store.self, &id, NOW, &out, buf, sizeof buf));
    }
}

static void touch_all(const struct state *s)
{
    for (int i = 0; i < s->count; i++) {
        wsrt_span id = {s->ids[(uint64_t)i * 7919 % (uint64_t)s->count], ID};
        must(s->store.ops->touch(s->store.self, &id, NOW * 1000, NOW + 700));
    }
}

static void walk_all(const struct state *s)
{
    static wsrt_record page[PAGE];
    static char buf[65536];
    wsrt_cursor c = {0};
    size_t n, seen = 0;

    page[0].struct_size = sizeof page[0];
    while (!c.at_end) {
        must(s->store.ops->each(s->store.self, NULL, WSRT_EACH_BRIEF, &c, NOW, page, PAGE, buf,
                                sizeof buf, &n));
        seen += n;
    }
    if (seen != (size_t)s->count)
        exit(1);
}

/* The same first page over and over. */
static void walk_warm(const struct state *s)
{
    static wsrt_record page[PAGE];
    static char buf[65536];
    size_t n;

    page[0].struct_size = sizeof page[0];
    for (int i = 0; i < s->count; i += (int)n) {
        wsrt_cursor c = {0};
        must(s->store.ops->each(s->store.self, NULL, WSRT_EACH_BRIEF, &c, NOW, page, PAGE, buf,
                                sizeof buf, &n));
    }
}

static void expire_nothing(const struct state *s)
{
    size_t removed;

    for (int i = 0; i < s->count; i += 1000)
        must(s->store.ops->expire(s->store.self, NOW, 100, &removed));
}

static void remove_all(const struct state *s)
{
    for (int i = 0; i < s->count; i++) {
        wsrt_span id = {s->ids[i], ID};
        must(s->store.ops->remove(s->store.self, &id, i + 1));
    }
}

static void timed(struct bench *b, const struct state *s, const char *name,
                  void (*work)(const struct state *), int operations)
{
    int64_t start = bench_cpu();

    work(s);
    bench_row(b, name, (double)(bench_cpu() - start) / operations, "ns");
}

int main(int argc, char **argv)
{
    struct bench b = bench_start(argc, argv);
    struct state s = {.count = b.quick ? QUICK_RECORDS : RECORDS};

    setup(&s);
    timed(&b, &s, "put", put_all, s.count);
    bench_row(&b, "records", s.count, "");
    bench_row(&b, "bytes_a_record", (double)wsrt_memory_store_bytes(s.memory) / s.count,
              "B, 25 of them text");
    bench_row(&b, "malloc_bytes_a_record", (double)s.held / s.count, "B (goal 225 with its text)");
    timed(&b, &s, "get", get_all, s.count);
    timed(&b, &s, "touch", touch_all, s.count);
    timed(&b, &s, "each_brief", walk_all, s.count);
    timed(&b, &s, "each_brief_warm", walk_warm, s.count);
    timed(&b, &s, "expire_nothing_a_call", expire_nothing, s.count / 1000);
    timed(&b, &s, "remove", remove_all, s.count);
    bench_end(&b);
    wsrt_memory_store_free(s.memory);
    free(s.ids);
    return 0;
}
