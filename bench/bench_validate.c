/* The validator alone: what grows with the size of a message, schemas without the fast shapes, and
 * compiling. `bench/validate` compares it with its peers. */
#include "bench.h"

#include <wsrt/schema.h>

enum { SCRATCH = 1 << 24, ROOM = 1 << 22, COMPILES = 200 };

struct work {
    wsrt_schema *schema;
    wsrt_validate_options options;
    unsigned char *scratch;
    char *text;
    size_t len;
    int want;
};

/* A message that can be had in any size; the schema it is for. */
struct growth {
    const char *name;
    const char *schema;
    const char *head, *unit, *tail; /* `unit` may number itself by one %zu */
    const char *closing;            /* repeated as often, behind the units; NULL = none */
    size_t count;
    int want;
};

static const struct growth growths[] = {
    {"unknown names", "{\"properties\":{\"a\":true}}", "{\"b\":0", ",\"key%zu\":0", "}", NULL, 5000,
     WSRT_OK},
    {"skipped nesting", "true", "", "[", "", "]", 2000, WSRT_OK},
    {"judged nesting", "{\"items\":{\"$ref\":\"#\"},\"type\":\"array\"}", "", "[", "", "]", 2000,
     WSRT_OK},
    {"recursive alternatives",
     "{\"anyOf\":[{\"type\":\"null\"},{\"type\":\"array\",\"items\":{\"$ref\":\"#\"}}]}", "", "[",
     "", "]", 2000, WSRT_OK},
    {"^(a+)+$", "{\"pattern\":\"^(a+)+$\"}", "\"", "aaaaaaaa", "!\"", NULL, 6000,
     WSRT_ERR_REJECTED},
    {"(a|a)*b", "{\"pattern\":\"(a|a)*b\"}", "\"", "aaaaaaaa", "\"", NULL, 6000, WSRT_ERR_REJECTED},
    {"(.*)*x", "{\"pattern\":\"(.*)*x\"}", "\"", "aaaaaaaa", "\"", NULL, 6000, WSRT_ERR_REJECTED},
    {"uniqueItems", "{\"uniqueItems\":true}", "[0", ",1%zu", "]", NULL, 2000, WSRT_OK},
    {"tag behind its data", NULL, "{\"data\":{\"action\":\"a\",\"x\":[0", ",[1,\"two\"]",
     "]},\"type\":\"ping\"}", NULL, 4000, WSRT_OK},
};

/* Alternatives without a tag, bounds that the scan does not answer, no slots. */
static const char general_schema[] =
    "{\"type\":\"object\",\"required\":[\"type\",\"data\"],\"properties\":{"
    "\"type\":{\"type\":\"string\",\"x-wsrt-maxBytes\":20},"
    "\"data\":{\"type\":\"object\",\"required\":[\"action\"],\"properties\":{"
    "\"action\":{\"type\":\"string\",\"minLength\":1,\"maxLength\":50},"
    "\"sessionId\":{\"type\":\"string\",\"minLength\":1,\"maxLength\":100},"
    "\"message\":{\"type\":\"string\",\"minLength\":1,\"maxLength\":10000}},"
    "\"anyOf\":[{\"required\":[\"message\"]},{\"required\":[\"token\"]}]}}}";
/* The same with patterns that need a table of states. */
static const char table_schema[] =
    "{\"type\":\"object\",\"required\":[\"type\",\"data\"],\"properties\":{"
    "\"type\":{\"enum\":[\"auth\",\"message\",\"ping\"]},"
    "\"data\":{\"type\":\"object\",\"required\":[\"action\"],\"properties\":{"
    "\"action\":{\"type\":\"string\",\"pattern\":\"^[a-z]+(_[a-z]+)*$\"},"
    "\"sessionId\":{\"type\":\"string\",\"pattern\":\"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"
    "\"},"
    "\"message\":{\"type\":\"string\",\"minLength\":1,\"maxLength\":10000}}}}}";
static const char chat[] =
    "{\"type\":\"message\",\"data\":{\"action\":\"send_message\","
    "\"sessionId\":\"5f1c2b3a-0a1b-4c2d-8e3f-001122334455\","
    "\"message\":\"Good morning, this is the text of a message as people write them, no more.\"}}";

static void put(struct work *w, const char *format, size_t n)
{
    char one[64];

    for (const char *p = format; *p != '\0' && w->len < ROOM; p++) {
        if (p[0] != '%') {
            w->text[w->len++] = *p;
            continue;
        }
        int digits = snprintf(one, sizeof one, "%zu", n);
        memcpy(w->text + w->len, one, (size_t)digits);
        w->len += (size_t)digits;
        p += 2;
    }
}

static void write_message(struct work *w, const struct growth *g, size_t count)
{
    w->len = 0;
    put(w, g->head, 0);
    for (size_t i = 0; i < count; i++)
        put(w, g->unit, i);
    for (size_t i = 0; i < count && g->closing != NULL; i++)
        put(w, g->closing, 0);
    put(w, g->tail, 0);
}

static void compile(struct work *w, const char *schema)
{
    wsrt_schema_options o = {.struct_size = sizeof o};

    wsrt_schema_free(w->schema);
    int rc = schema == NULL ? wsrt_schema_builtin(&w->schema, "message", &o)
                            : wsrt_schema_new(&w->schema, schema, strlen(schema), &o, NULL);
    if (rc != WSRT_OK) {
        fprintf(stderr, "a schema does not compile: %d\n", rc);
        exit(1);
    }
}

static double judge(const struct work *w, int loops)
{
    wsrt_slot slots[8];
    wsrt_validation v = {.struct_size = sizeof v,
                         .slots = slots,
                         .slot_cap = 8,
                         .scratch = w->scratch,
                         .scratch_cap = SCRATCH};
    int64_t start = bench_cpu();

    for (int i = 0; i < loops; i++)
        if (wsrt_validate(w->schema, w->text, w->len, &w->options, &v) != w->want) {
            fprintf(stderr, "a verdict is not as expected\n");
            exit(1);
        }
    return (double)(bench_cpu() - start) / loops;
}

static double grow(struct work *w, const struct growth *g, int loops)
{
    double ratio[BENCH_PASSES];

    compile(w, g->schema);
    w->want = g->want;
    for (int i = 0; i < BENCH_PASSES; i++) {
        write_message(w, g, g->count);
        double once = judge(w, 2 * loops);
        write_message(w, g, 2 * g->count);
        ratio[i] = judge(w, loops) / once;
    }
    return bench_median(ratio, BENCH_PASSES);
}

static double per_byte(struct work *w, const char *schema, int loops)
{
    compile(w, schema);
    w->want = WSRT_OK;
    w->len = sizeof chat - 1;
    memcpy(w->text, chat, w->len);
    judge(w, loops / 10);
    return judge(w, loops) / (double)w->len;
}

/* A schema without the fast shapes against the shipped one, on the same message. */
static double slowness(struct work *w, const char *schema, int loops)
{
    double ratio[BENCH_PASSES];

    for (int i = 0; i < BENCH_PASSES; i++)
        ratio[i] = per_byte(w, schema, loops) / per_byte(w, NULL, loops);
    return bench_median(ratio, BENCH_PASSES);
}

/* What the allocator is asked for and keeps. */
static void *count_bytes(void *user, void *ptr, size_t old_size, size_t new_size)
{
    *(size_t *)user += new_size - old_size;
    if (new_size == 0) {
        free(ptr);
        return NULL;
    }
    return realloc(ptr, new_size);
}

static void compiling(struct bench *b, const char *name)
{
    size_t held = 0;
    wsrt_schema_options o = {.struct_size = sizeof o, .allocator = {count_bytes, &held}};
    wsrt_schema *s = NULL;
    char row[64];
    int loops = b->quick ? 2 : COMPILES;
    int64_t start = bench_cpu();

    for (int i = 0; i < loops; i++) {
        wsrt_schema_free(s);
        if (wsrt_schema_builtin(&s, name, &o) != WSRT_OK)
            exit(1);
    }
    snprintf(row, sizeof row, "compile %s", name);
    bench_row(b, row, (double)(bench_cpu() - start) / loops / 1000, "us");
    snprintf(row, sizeof row, "size %s", name);
    bench_row(b, row, (double)held, "bytes");
    wsrt_schema_free(s);
}

int main(int argc, char **argv)
{
    struct bench b = bench_start(argc, argv);
    struct work w = {.options = {.struct_size = sizeof w.options, .max_bytes = ROOM}};
    char row[64];

    w.options.max_depth = 4096;
    w.text = malloc(ROOM + 64);
    w.scratch = malloc(SCRATCH);
    if (w.text == NULL || w.scratch == NULL)
        return 1;
    for (size_t i = 0; i < sizeof growths / sizeof growths[0]; i++) {
        snprintf(row, sizeof row, "growth %s", growths[i].name);
        bench_row(&b, row, grow(&w, &growths[i], b.quick ? 1 : 40), "times (goal 2.2)");
    }
    int loops = b.quick ? 10 : 40000;
    bench_row(&b, "without fast shapes", slowness(&w, general_schema, loops), "times (goal 2)");
    bench_row(&b, "with tables", slowness(&w, table_schema, loops), "times");
    compiling(&b, "message");
    compiling(&b, "message-dashboard");
    bench_end(&b);
    wsrt_schema_free(w.schema);
    free(w.scratch);
    free(w.text);
    return 0;
}
