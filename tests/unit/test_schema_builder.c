/* Schemas made by calls are the schemas of the same text. */
#include "heap.h"
#include "suite.h"

#include <wsrt/json.h>
#include <wsrt/schema.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static wsrt_schema_error why;

static char *cstr(wsrt_span s)
{
    char *out = malloc(s.len + 1);

    memcpy(out, s.ptr, s.len);
    out[s.len] = '\0';
    return out;
}

static int is_one_of(const char *word, const char *const *list)
{
    for (; *list != NULL; list++)
        if (strcmp(word, *list) == 0)
            return 1;
    return 0;
}

static void replay(wsrt_builder *b, const wsrt_json *schema);

static void replay_at(wsrt_builder *b, const char *keyword, const char *name,
                      const wsrt_json *schema)
{
    wsrt_builder_at(b, keyword, name);
    replay(b, schema);
}

/* The text that `schema` gives to a keyword; NULL = none. */
static char *message_of(const wsrt_json *schema, const char *keyword, const char *member)
{
    char pointer[128];
    wsrt_json out;

    sprintf(pointer, "/errorMessage/%s%s%s", keyword, member ? "/" : "", member ? member : "");
    if (wsrt_json_find(schema, wsrt_span_cstr(pointer), &out) != WSRT_OK) {
        if (member != NULL)
            return message_of(schema, keyword, NULL);
        return NULL;
    }
    return out.kind == WSRT_JSON_STRING ? cstr(out.text) : NULL;
}

static void replay_required(wsrt_builder *b, const wsrt_json *schema, const wsrt_json *list)
{
    wsrt_json_iter it = {0};
    wsrt_json name;

    while (wsrt_json_next(list, &it, NULL, &name) == WSRT_OK) {
        char *text = cstr(name.text), *message = message_of(schema, "required", text);
        wsrt_builder_required(b, text, message);
        free(text);
        free(message);
    }
}

static void replay_member(wsrt_builder *b, const wsrt_json *schema, const char *keyword,
                          const wsrt_json *value)
{
    static const char *const maps[] = {"properties", "$defs", NULL};
    static const char *const lists[] = {"oneOf", "anyOf", "allOf", NULL};
    static const char *const ones[] = {"items", "if", "then", "else", "not", NULL};
    wsrt_json_iter it = {0};
    wsrt_json child;
    wsrt_json name;

    if (is_one_of(keyword, maps)) {
        while (wsrt_json_next(value, &it, &name, &child) == WSRT_OK) {
            char *text = cstr(name.text);
            replay_at(b, keyword, text, &child);
            free(text);
        }
    } else if (is_one_of(keyword, lists)) {
        while (wsrt_json_next(value, &it, NULL, &child) == WSRT_OK)
            replay_at(b, keyword, NULL, &child);
    } else if (is_one_of(keyword, ones)) {
        replay_at(b, keyword, NULL, value);
    } else if (strcmp(keyword, "required") == 0) {
        replay_required(b, schema, value);
    } else if (strcmp(keyword, "errorMessage") == 0) {
        if (value->kind == WSRT_JSON_STRING) {
            char *text = cstr(value->text);
            wsrt_builder_message(b, text);
            free(text);
        }
    } else if (strcmp(keyword, "type") != 0) {
        wsrt_span raw = value->kind == WSRT_JSON_STRING
                            ? (wsrt_span){value->text.ptr - 1, value->text.len + 2}
                            : value->text;
        char *json = cstr(raw), *message = message_of(schema, keyword, NULL);
        wsrt_builder_rule(b, keyword, json, message);
        free(json);
        free(message);
    }
}

static void replay(wsrt_builder *b, const wsrt_json *schema)
{
    wsrt_json_iter it = {0};
    wsrt_json value;
    wsrt_json name;
    char *type = NULL;

    if (wsrt_json_find(schema, wsrt_span_cstr("/type"), &value) == WSRT_OK)
        type = cstr(value.text);
    wsrt_builder_open(b, type);
    free(type);
    while (wsrt_json_next(schema, &it, &name, &value) == WSRT_OK) {
        char *keyword = cstr(name.text);
        replay_member(b, schema, keyword, &value);
        free(keyword);
    }
    wsrt_builder_close(b);
}

static wsrt_builder *builder(void)
{
    wsrt_builder *b;

    ck_assert_int_eq(wsrt_builder_new(&b, NULL), WSRT_OK);
    return b;
}

static void expect_same_nodes(wsrt_schema *a, wsrt_schema *b)
{
    size_t a_len, b_len;

    wsrt_schema_save(a, NULL, 0, &a_len);
    wsrt_schema_save(b, NULL, 0, &b_len);
    ck_assert_uint_eq(a_len, b_len);
    unsigned char *x = malloc(a_len), *y = malloc(b_len);
    ck_assert_int_eq(wsrt_schema_save(a, x, a_len, &a_len), WSRT_OK);
    ck_assert_int_eq(wsrt_schema_save(b, y, b_len, &b_len), WSRT_OK);
    ck_assert_mem_eq(x, y, a_len); /* every node, check, name and text */
    free(x);
    free(y);
    wsrt_schema_free(a);
    wsrt_schema_free(b);
}

START_TEST(the_shipped_schemas_come_out_the_same_by_calls)
{
    static const char *const names[] = {"message",       "message-auth",  "message-chat",
                                        "message-ping",  "message-basic", "message-dashboard",
                                        "message-action"};

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        wsrt_schema *by_text, *by_calls;
        wsrt_span text;
        wsrt_json root;
        wsrt_builder *b = builder();
        ck_assert_int_eq(wsrt_schema_builtin(&by_text, names[i], NULL), WSRT_OK);
        wsrt_schema_builtin_text(names[i], &text);
        ck_assert_int_eq(wsrt_json_parse(&root, text, NULL), WSRT_OK);
        replay(b, &root);
        int rc = wsrt_builder_finish(&by_calls, b, NULL, &why);
        ck_assert_msg(rc == WSRT_OK, "%s: %s at %s", names[i], why.text_cstr, why.pointer);
        expect_same_nodes(by_text, by_calls);
        wsrt_builder_free(b);
    }
}
END_TEST

static void build_person(wsrt_builder *b)
{
    wsrt_builder_open(b, "object");
    wsrt_builder_message(b, "A person, please");
    wsrt_builder_required(b, "name", "Who?");
    wsrt_builder_at(b, "properties", "name");
    wsrt_builder_open(b, "string");
    wsrt_builder_rule(b, "minLength", "1", "The name is empty");
    wsrt_builder_text(b, "pattern", "^[\\w \"-]+$", NULL);
    wsrt_builder_text(b, "x-wsrt-extract", "name", NULL);
    wsrt_builder_close(b);
    wsrt_builder_at(b, "properties", "tags");
    wsrt_builder_open(b, "array");
    wsrt_builder_rule(b, "uniqueItems", "true", NULL);
    wsrt_builder_at(b, "items", NULL);
    wsrt_builder_open(b, NULL);
    wsrt_builder_text(b, "$ref", "#/$defs/tag", NULL);
    wsrt_builder_close(b);
    wsrt_builder_close(b);
    wsrt_builder_at(b, "$defs", "tag");
    wsrt_builder_open(b, NULL);
    wsrt_builder_at(b, "anyOf", NULL);
    wsrt_builder_open(b, "null");
    wsrt_builder_close(b);
    wsrt_builder_at(b, "anyOf", NULL);
    wsrt_builder_open(b, "integer");
    wsrt_builder_close(b);
    wsrt_builder_close(b);
    wsrt_builder_close(b);
}

START_TEST(calls_mean_what_the_text_means)
{
    static const char text[] =
        "{\"type\":\"object\",\"required\":[\"name\"],\"errorMessage\":{\"required\":{\"name\":"
        "\"Who?\"},\"_\":\"A person, please\"},\"properties\":{\"name\":{\"type\":\"string\","
        "\"minLength\":1,\"pattern\":\"^[\\\\w \\\"-]+$\",\"x-wsrt-extract\":\"name\","
        "\"errorMessage\":{\"minLength\":\"The name is empty\"}},\"tags\":{\"type\":\"array\","
        "\"uniqueItems\":true,\"items\":{\"$ref\":\"#/$defs/"
        "tag\"}}},\"$defs\":{\"tag\":{\"anyOf\":["
        "{\"type\":\"null\"},{\"type\":\"integer\"}]}}}";
    wsrt_schema *by_text, *by_calls;
    wsrt_builder *b = builder();

    ck_assert_int_eq(wsrt_schema_new(&by_text, text, sizeof text - 1, NULL, &why), WSRT_OK);
    build_person(b);
    ck_assert_int_eq(wsrt_builder_finish(&by_calls, b, NULL, &why), WSRT_OK);
    expect_same_nodes(by_text, by_calls);
    wsrt_builder_free(b);
}
END_TEST

/* One character a call: ( open, ) close, p a place, r a rule, m a member to require. */
static int finish(const char *calls)
{
    wsrt_builder *b = builder();
    wsrt_schema *s;

    for (; *calls != '\0'; calls++) {
        if (*calls == '(')
            wsrt_builder_open(b, "object");
        if (*calls == ')')
            wsrt_builder_close(b);
        if (*calls == 'p')
            wsrt_builder_at(b, "properties", "a");
        if (*calls == 'r')
            wsrt_builder_rule(b, "minProperties", "1", NULL);
        if (*calls == 'm')
            wsrt_builder_required(b, "a", NULL);
    }
    int rc = wsrt_builder_finish(&s, b, NULL, &why);
    ck_assert((rc == WSRT_OK) == (s != NULL));
    wsrt_schema_free(s);
    wsrt_builder_free(b);
    return rc;
}

START_TEST(calls_that_do_not_fit_together_show_at_finish)
{
    static const char *const wrong[] = {"",       "(", ")",      "())", "()()", "(()",   "(p)",
                                        "(pp())", "r", "(pr())", "()r", "p()",  "(pm())"};

    ck_assert_int_eq(finish("(rmp(r))"), WSRT_OK);
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        ck_assert_msg(finish(wrong[i]) == WSRT_ERR_STATE, "%s", wrong[i]);
        ck_assert_int_eq(why.code, WSRT_SCHEMA_VALUE);
        ck_assert_ptr_nonnull(why.text_cstr);
    }
    ck_assert_int_eq(finish("(p()p())"), WSRT_ERR_REJECTED); /* a name twice */
    ck_assert_int_eq(why.code, WSRT_SCHEMA_DUPLICATE_KEY);
}
END_TEST

START_TEST(impossible_rules_are_refused)
{
    static const struct {
        const char *keyword;
        const char *json;
        int status;
    } rows[] = {
        {"minLength", "3", WSRT_OK},
        {"minLength", "11", WSRT_ERR_REJECTED}, /* above maxLength */
        {"minLength", "-1", WSRT_ERR_REJECTED},
        {"minLength", "\"3\"", WSRT_ERR_REJECTED},
        {"minLength", "3]", WSRT_ERR_MALFORMED},
        {"minLength", "", WSRT_ERR_INVALID},
        {"minLength", NULL, WSRT_ERR_INVALID},
        {"minLenght", "3", WSRT_ERR_REJECTED},
        {NULL, "3", WSRT_ERR_INVALID},
        {"pattern", "\"\xff\"", WSRT_ERR_MALFORMED},
        {"maxLength", "10", WSRT_ERR_REJECTED}, /* twice */
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        wsrt_builder *b = builder();
        wsrt_schema *s;
        wsrt_builder_open(b, "string");
        wsrt_builder_rule(b, "maxLength", "10", NULL);
        wsrt_builder_rule(b, rows[i].keyword, rows[i].json, NULL);
        wsrt_builder_close(b);
        int rc = wsrt_builder_finish(&s, b, NULL, &why);
        ck_assert_msg(rc == rows[i].status, "row %zu: %s", i, wsrt_status_name(rc));
        wsrt_schema_free(s);
        wsrt_builder_free(b);
    }
}
END_TEST

START_TEST(a_builder_may_be_finished_twice_and_options_count)
{
    wsrt_schema_options o = {.struct_size = sizeof o, .flags = WSRT_SCHEMA_LENIENT};
    wsrt_builder *b = builder();
    wsrt_schema *first, *second;

    wsrt_builder_open(b, "string");
    wsrt_builder_rule(b, "unheard-of", "3", NULL);
    wsrt_builder_close(b);
    ck_assert_int_eq(wsrt_builder_finish(&first, b, NULL, NULL), WSRT_ERR_REJECTED);
    ck_assert_int_eq(wsrt_builder_finish(&first, b, &o, NULL), WSRT_OK);
    ck_assert_int_eq(wsrt_builder_finish(&second, b, &o, NULL), WSRT_OK);
    expect_same_nodes(first, second);
    wsrt_builder_free(b);
    wsrt_builder_free(NULL);
    wsrt_builder_open(NULL, NULL);
    wsrt_builder_close(NULL);
    ck_assert_int_eq(wsrt_builder_new(NULL, NULL), WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_builder_finish(&first, NULL, NULL, NULL), WSRT_ERR_INVALID);
}
END_TEST

START_TEST(every_refused_allocation_of_a_builder_leaves_nothing_behind)
{
    struct heap heap;

    heap_init(&heap);
    for (int sticky = 0; sticky < 2; sticky++)
        for (size_t n = 1;; n++) {
            wsrt_schema_options o = {.struct_size = sizeof o, .allocator = heap.allocator};
            wsrt_builder *b = NULL;
            wsrt_schema *s = NULL;
            heap_arm(&heap, n, sticky);
            int rc = wsrt_builder_new(&b, &heap.allocator);
            if (rc == WSRT_OK) {
                build_person(b);
                rc = wsrt_builder_finish(&s, b, &o, &why);
            }
            wsrt_builder_free(b);
            if (!heap.tripped) {
                ck_assert_int_eq(rc, WSRT_OK);
                wsrt_schema_free(s);
                ck_assert_uint_eq(heap.live, 0);
                break;
            }
            ck_assert_int_eq(rc, WSRT_ERR_NOMEM);
            ck_assert_ptr_null(s);
            ck_assert_uint_eq(heap.live, 0);
            heap.points++;
        }
    printf("# allocation points: %zu\n", heap.points);
}
END_TEST

Suite *suite(void)
{
    Suite *s = suite_create("schema_builder");
    TCase *t = tcase_create("builder");

    tcase_add_test(t, the_shipped_schemas_come_out_the_same_by_calls);
    tcase_add_test(t, calls_mean_what_the_text_means);
    tcase_add_test(t, calls_that_do_not_fit_together_show_at_finish);
    tcase_add_test(t, impossible_rules_are_refused);
    tcase_add_test(t, a_builder_may_be_finished_twice_and_options_count);
    tcase_add_test(t, every_refused_allocation_of_a_builder_leaves_nothing_behind);
    suite_add_tcase(s, t);
    return s;
}
