/* Compiling where memory ends: wherever that is, nothing is left behind and nothing else is said. */
#include "heap.h"
#include "suite.h"

#include <wsrt/schema.h>

#include <stdio.h>
#include <string.h>

#define COUNT(a) (sizeof(a) / sizeof(a)[0])

/* A comment of varying length before each schema, decoded into the compiler's memory, moves every later
 * allocation, so that in turn each of them is the first that does not fit. */
enum { STEPS = 90, STEP = 3 * 16 };

static const char *const schemas[] = {
    "\"$id\":\"https://e.org/"
    "r\",\"$defs\":{\"a\":{\"$anchor\":\"a\",\"pattern\":\"^(x|[a-f])+$\","
    "\"errorMessage\":\"no\"}},\"properties\":{\"\\u0061\":{\"$ref\":\"#a\"},\"b\":{\"$ref\":"
    "\"other#/"
    "$defs/z\"}},\"patternProperties\":{\"^p[ab]*q\":{\"enum\":[1,\"x\"]}},\"required\":[\"t\"],"
    "\"propertyNames\":{\"format\":\"regex\"}}",
    "\"type\":\"object\",\"required\":[\"t\"],\"oneOf\":[{\"properties\":{\"t\":{\"const\":\"1\"}}}"
    ",{"
    "\"properties\":{\"t\":{\"const\":\"2\"},\"u\":{\"x-wsrt-extract\":\"u\"}}},{\"properties\":{"
    "\"t\":{"
    "\"enum\":[\"3\",\"4\"]},\"v\":{\"type\":\"integer\"}}}]}",
    "\"allOf\":[{\"if\":{\"properties\":{\"k\":{\"const\":\"a\"}},\"required\":[\"k\"]},\"then\":{"
    "\"properties\":{\"v\":{\"minLength\":1,\"errorMessage\":\"Too "
    "short\"}}},\"else\":{\"required\":["
    "\"w\"]}}],\"dependentRequired\":{\"a\":[\"b\",\"c\"]},\"dependentSchemas\":{\"d\":{"
    "\"minProperties\":2}},\"not\":{\"required\":[\"z\"]},\"additionalProperties\":false,"
    "\"properties\":{\"a\":true,\"b\":true,\"c\":true,\"d\":true,\"k\":true,\"v\":true,\"w\":true}"
    "}",
    "\"prefixItems\":[{\"type\":\"string\",\"maxLength\":9},{\"const\":{\"a\":[1,null]}}],"
    "\"items\":{"
    "\"anyOf\":[{\"type\":\"null\"},{\"minimum\":1,\"multipleOf\":0.5},{\"exclusiveMaximum\":7,"
    "\"enum\":"
    "[3,4]}]},\"contains\":{\"const\":1},\"minContains\":1,\"maxContains\":3,\"uniqueItems\":true,"
    "\"minItems\":1,\"maxItems\":9}",
    "\"properties\":{\"a\":{\"$ref\":\"#\"},\"b\":{\"not\":{\"anyOf\":[{\"pattern\":\"(a|b){2,30}"
    "c\"},{"
    "\"maxProperties\":0}]}},\"c\":{\"format\":\"uuid\",\"x-wsrt-minBytes\":1}},\"unevaluated\":1}",
};

/* Compiles one of them with `pad` bytes before it. */
static int compile(wsrt_schema **out, int which, size_t pad, const wsrt_allocator *a)
{
    static char text[STEPS * STEP + 4096];
    const wsrt_schema_resource other = {
        wsrt_span_cstr("https://e.org/other"),
        wsrt_span_cstr("{\"$defs\":{\"z\":{\"not\":{\"const\":0}}}}")};
    const wsrt_schema_options o = {.struct_size = sizeof o,
                                   .flags = WSRT_SCHEMA_ASSERT_FORMAT | WSRT_SCHEMA_LENIENT,
                                   .allocator = *a,
                                   .resources = &other,
                                   .resource_count = 1};
    wsrt_schema_error why;
    size_t len = (size_t)snprintf(text, sizeof text, "{\"$comment\":\"\\n");

    memset(text + len, 'x', pad);
    len += pad;
    len += (size_t)snprintf(text + len, sizeof text - len, "\",%s", schemas[which]);
    return wsrt_schema_new(out, text, len, &o, &why);
}

START_TEST(wherever_memory_ends_nothing_is_left_behind)
{
    struct heap heap;
    wsrt_schema *s;

    heap_init(&heap);
    for (size_t step = 0; step < STEPS; step++) {
        for (size_t n = 1;; n++) {
            heap_arm(&heap, n, 0);
            int rc = compile(&s, _i, step * STEP, &heap.allocator);
            if (!heap_disarm(&heap)) {
                ck_assert_int_eq(rc, WSRT_OK);
                break;
            }
            ck_assert_int_eq(rc, WSRT_ERR_NOMEM);
            ck_assert_ptr_null(s);
            ck_assert_uint_eq(heap.live, 0);
            heap.points++;
        }
        wsrt_schema_free(s);
        ck_assert_uint_eq(heap.live, 0);
    }
    printf("# allocation points: %zu\n", heap.points);
    ck_assert_uint_ge(heap.points, 2 * STEPS);
}
END_TEST

Suite *suite(void)
{
    Suite *s = suite_create("schema_memory");
    TCase *t = tcase_create("memory");

    tcase_set_timeout(t, 60);
    tcase_add_loop_test(t, wherever_memory_ends_nothing_is_left_behind, 0, (int)COUNT(schemas));
    suite_add_tcase(s, t);
    return s;
}
