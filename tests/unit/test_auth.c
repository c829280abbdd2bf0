#include "heap.h"
#include "suite.h"

#include <wsrt/auth.h>

#include <stdio.h>
#include <string.h>

#define TEXT(s) ((wsrt_span){(s), sizeof(s) - 1})

static wsrt_principal person(const char *user_id)
{
    return (wsrt_principal){.struct_size = sizeof(wsrt_principal),
                            .user_id = wsrt_span_cstr(user_id),
                            .username = TEXT("Ada"),
                            .email = TEXT("ada@example.org"),
                            .groups = TEXT("staff admin"),
                            .scopes = TEXT("read write")};
}

static wsrt_principal bearers[3];

/* A row whose bearer is the i-th. */
static wsrt_static_token row(size_t i, const char *token, const char *user_id)
{
    bearers[i] = person(user_id);
    return (wsrt_static_token){wsrt_span_cstr(token), &bearers[i]};
}

static int ask(wsrt_static_auth *a, const char *token, int64_t wall, wsrt_auth_result *out)
{
    wsrt_authenticator auth;
    wsrt_span text = wsrt_span_cstr(token);

    *out = (wsrt_auth_result){.struct_size = sizeof *out};
    wsrt_static_auth_interface(a, &auth);
    return auth.ops->authenticate(auth.self, &text, wall, out);
}

static const struct {
    const char *list, *word;
    int held;
} lists[] = {
    {"read write", "read", 1},
    {"read write", "write", 1},
    {"read", "read", 1},
    {"read write", "rea", 0},
    {"read write", "ad", 0},
    {"reads", "read", 0},
    {"read  write", "write", 1},
    {" read ", "read", 1},
    {"read write", "read write", 0},
    {"read  write", "", 0},
    {"", "", 0},
    {"", "read", 0},
};

START_TEST(a_list_holds_whole_words_only)
{
    wsrt_span list = wsrt_span_cstr(lists[_i].list), word = wsrt_span_cstr(lists[_i].word);

    ck_assert_int_eq(wsrt_list_contains(list, word), lists[_i].held);
}
END_TEST

START_TEST(a_result_holds_copies_of_the_text)
{
    char name[] = "user-1";
    wsrt_principal who = person(name);
    wsrt_auth_result out = {.struct_size = sizeof out, .reason = WSRT_AUTH_INVALID_TOKEN};

    who.expires_at = 77;
    ck_assert_int_eq(wsrt_auth_result_set(&out, &who), WSRT_OK);
    memset(name, 'x', sizeof name - 1);
    ck_assert_int_eq(out.reason, WSRT_AUTH_OK);
    ck_assert_int_eq(out.expires_at, 77);
    ck_assert_int_eq(out.principal->expires_at, 77);
    ck_assert_int_eq(wsrt_span_equal(out.principal->user_id, TEXT("user-1")), 1);
    ck_assert_int_eq(wsrt_span_equal(out.principal->username, TEXT("Ada")), 1);
    ck_assert_int_eq(wsrt_span_equal(out.principal->email, TEXT("ada@example.org")), 1);
    ck_assert_int_eq(wsrt_span_equal(out.principal->groups, TEXT("staff admin")), 1);
    ck_assert_int_eq(wsrt_span_equal(out.principal->scopes, TEXT("read write")), 1);
}
END_TEST

START_TEST(a_result_takes_1024_bytes_of_text_and_not_one_more)
{
    static const char big[1025];
    wsrt_principal who = {.struct_size = sizeof who, .groups = {big, 1024}};
    wsrt_auth_result out = {.struct_size = sizeof out}, before = out;

    who.scopes = (wsrt_span){big, 1};
    ck_assert_int_eq(wsrt_auth_result_set(&out, &who), WSRT_ERR_LIMIT);
    who.scopes = (wsrt_span){big, SIZE_MAX};
    ck_assert_int_eq(wsrt_auth_result_set(&out, &who), WSRT_ERR_LIMIT);
    ck_assert_mem_eq(&out, &before, sizeof out);
    who.scopes = (wsrt_span){0};
    ck_assert_int_eq(wsrt_auth_result_set(&out, &who), WSRT_OK);
    ck_assert_uint_eq(out.principal->groups.len, 1024);
}
END_TEST

START_TEST(a_result_or_principal_of_a_wrong_size_is_refused)
{
    wsrt_principal who = person("u");
    wsrt_auth_result out = {0};

    ck_assert_int_eq(wsrt_auth_result_set(&out, &who), WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_auth_result_set(NULL, &who), WSRT_ERR_INVALID);
    out.struct_size = sizeof out;
    ck_assert_int_eq(wsrt_auth_result_set(&out, NULL), WSRT_ERR_INVALID);
    who.struct_size = 8;
    ck_assert_int_eq(wsrt_auth_result_set(&out, &who), WSRT_ERR_INVALID);
    who = person("u");
    who.flags = 1;
    ck_assert_int_eq(wsrt_auth_result_set(&out, &who), WSRT_ERR_UNSUPPORTED);
}
END_TEST

START_TEST(a_known_token_names_its_bearer)
{
    wsrt_static_token rows[] = {row(0, "red", "ann"), row(1, "green", "bob"),
                                row(2, "blue", "cid")};
    wsrt_static_auth *a;
    wsrt_auth_result out;

    ck_assert_int_eq(wsrt_static_auth_new(&a, rows, 3, NULL), WSRT_OK);
    memset(rows, 0, sizeof rows);
    memset(bearers, 0, sizeof bearers);
    ck_assert_int_eq(ask(a, "green", 0, &out), WSRT_OK);
    ck_assert_int_eq(wsrt_span_equal(out.principal->user_id, TEXT("bob")), 1);
    ck_assert_int_eq(ask(a, "red", 0, &out), WSRT_OK);
    ck_assert_int_eq(wsrt_span_equal(out.principal->user_id, TEXT("ann")), 1);
    wsrt_static_auth_free(a);
}
END_TEST

static const struct {
    const char *token;
    int reason;
} strangers[] = {
    {"", WSRT_AUTH_MISSING_TOKEN},       {"gree", WSRT_AUTH_INVALID_TOKEN},
    {"greenn", WSRT_AUTH_INVALID_TOKEN}, {"Green", WSRT_AUTH_INVALID_TOKEN},
    {"greem", WSRT_AUTH_INVALID_TOKEN},
};

START_TEST(an_unknown_token_is_refused_with_a_reason_and_nobody_in_the_result)
{
    wsrt_static_token one = row(0, "green", "bob");
    wsrt_static_auth *a;
    wsrt_auth_result out;

    ck_assert_int_eq(wsrt_static_auth_new(&a, &one, 1, NULL), WSRT_OK);
    ck_assert_int_eq(ask(a, "green", 0, &out), WSRT_OK);
    ck_assert_int_eq(ask(a, strangers[_i].token, 0, &out), WSRT_ERR_UNAUTHENTICATED);
    ck_assert_int_eq(out.reason, strangers[_i].reason);
    ck_assert_ptr_null(out.principal);
    wsrt_static_auth_free(a);
}
END_TEST

START_TEST(a_token_is_good_until_the_second_it_expires)
{
    wsrt_static_token one = row(0, "green", "bob");
    wsrt_static_auth *a;
    wsrt_auth_result out;

    bearers[0].expires_at = 100;
    ck_assert_int_eq(wsrt_static_auth_new(&a, &one, 1, NULL), WSRT_OK);
    ck_assert_int_eq(ask(a, "green", 99999, &out), WSRT_OK);
    ck_assert_int_eq(out.expires_at, 100);
    ck_assert_int_eq(ask(a, "green", 100000, &out), WSRT_ERR_UNAUTHENTICATED);
    ck_assert_int_eq(out.reason, WSRT_AUTH_TOKEN_EXPIRED);
    ck_assert_int_eq(out.expires_at, 100);
    ck_assert_ptr_null(out.principal);
    wsrt_static_auth_free(a);
}
END_TEST

START_TEST(a_token_that_ends_admits_nobody_where_the_time_is_unknown)
{
    wsrt_static_token one = row(0, "green", "bob");
    wsrt_static_auth *a;
    wsrt_auth_result out;

    bearers[0].expires_at = 100;
    ck_assert_int_eq(wsrt_static_auth_new(&a, &one, 1, NULL), WSRT_OK);
    ck_assert_int_eq(ask(a, "green", 0, &out), WSRT_ERR_UNAVAILABLE);
    ck_assert_ptr_null(out.principal);
    ck_assert_int_eq(ask(a, "green", -1, &out), WSRT_ERR_UNAVAILABLE);
    ck_assert_int_eq(ask(a, "green", 1, &out), WSRT_OK);
    wsrt_static_auth_free(a);
}
END_TEST

START_TEST(a_table_without_sense_is_refused)
{
    static const char big[1025];
    wsrt_static_auth *a;
    wsrt_principal ann = person("ann"), nobody = person(""), unsized = ann, talkative = ann;
    wsrt_static_token twice[] = {{TEXT("red"), &ann}, {TEXT("red"), &ann}};
    const wsrt_static_token senseless[] = {{TEXT("red"), &nobody},
                                           {TEXT("red"), NULL},
                                           {TEXT(""), &ann},
                                           {TEXT("red"), &talkative},
                                           {TEXT("red"), &unsized}};

    talkative.groups = (wsrt_span){big, sizeof big};
    unsized.struct_size = 0;
    ck_assert_int_eq(wsrt_static_auth_new(&a, twice, 2, NULL), WSRT_ERR_INVALID);
    for (size_t i = 0; i < sizeof senseless / sizeof senseless[0]; i++)
        ck_assert_int_eq(wsrt_static_auth_new(&a, &senseless[i], 1, NULL), WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_static_auth_new(&a, twice, 0, NULL), WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_static_auth_new(&a, twice, 1025, NULL), WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_static_auth_new(&a, NULL, 1, NULL), WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_static_auth_new(NULL, twice, 1, NULL), WSRT_ERR_INVALID);
    ck_assert_ptr_null(a);
    ck_assert_int_eq(wsrt_static_auth_new(&a, twice, 1, NULL), WSRT_OK);
    wsrt_static_auth_free(a);
    wsrt_static_auth_free(NULL);
}
END_TEST

START_TEST(a_refused_allocation_leaves_no_table_behind)
{
    struct heap heap;
    wsrt_static_token one = row(0, "red", "ann");
    wsrt_static_auth *a = NULL;

    heap_init(&heap);
    for (size_t n = 1;; n++) {
        heap_arm(&heap, n, 1);
        int rc = wsrt_static_auth_new(&a, &one, 1, &heap.allocator);
        if (!heap.tripped)
            break;
        heap.points++;
        ck_assert_int_eq(rc, WSRT_ERR_NOMEM);
        ck_assert_ptr_null(a);
        ck_assert_uint_eq(heap.live, 0);
    }
    ck_assert_uint_ge(heap.points, 1);
    ck_assert_uint_gt(heap.live, 0);
    wsrt_static_auth_free(a);
    ck_assert_uint_eq(heap.live, 0);
    printf("# allocation points: %zu\n", heap.points);
}
END_TEST

START_TEST(no_token_at_all_is_a_missing_one)
{
    wsrt_static_token one = row(0, "green", "bob");
    wsrt_auth_result out = {.struct_size = sizeof out}, unsized = {.struct_size = 8};
    wsrt_authenticator auth;
    wsrt_static_auth *a;
    wsrt_span token = TEXT("green");

    ck_assert_int_eq(wsrt_static_auth_new(&a, &one, 1, NULL), WSRT_OK);
    wsrt_static_auth_interface(a, &auth);
    ck_assert_int_eq(auth.ops->authenticate(auth.self, NULL, 0, &out), WSRT_ERR_UNAUTHENTICATED);
    ck_assert_int_eq(out.reason, WSRT_AUTH_MISSING_TOKEN);
    ck_assert_int_eq(auth.ops->authenticate(auth.self, &token, 0, &unsized), WSRT_ERR_INVALID);
    ck_assert_int_eq(auth.ops->authenticate(auth.self, &token, 0, NULL), WSRT_ERR_INVALID);
    wsrt_static_auth_free(a);
}
END_TEST

START_TEST(an_interface_of_nothing_is_nothing)
{
    wsrt_authenticator auth = {NULL, NULL};
    wsrt_static_token one = row(0, "green", "bob");
    wsrt_static_auth *a;

    wsrt_static_auth_interface(NULL, &auth);
    ck_assert_ptr_null(auth.ops);
    ck_assert_int_eq(wsrt_static_auth_new(&a, &one, 1, NULL), WSRT_OK);
    wsrt_static_auth_interface(a, NULL);
    wsrt_static_auth_free(a);
}
END_TEST

START_TEST(a_token_longer_than_all_memory_makes_no_table)
{
    static const char red[] = "red", blue[] = "blue";
    wsrt_principal ann = person("ann");
    const wsrt_static_token rows[] = {{{red, SIZE_MAX}, &ann}, {{blue, 4}, &ann}};
    wsrt_static_auth *a;

    ck_assert_int_eq(wsrt_static_auth_new(&a, rows, 1, NULL), WSRT_ERR_NOMEM);
    ck_assert_ptr_null(a);
}
END_TEST

Suite *suite(void)
{
    Suite *s = suite_create("auth");
    TCase *t = tcase_create("auth");

    tcase_add_loop_test(t, a_list_holds_whole_words_only, 0, sizeof lists / sizeof lists[0]);
    tcase_add_test(t, a_result_holds_copies_of_the_text);
    tcase_add_test(t, a_result_takes_1024_bytes_of_text_and_not_one_more);
    tcase_add_test(t, a_result_or_principal_of_a_wrong_size_is_refused);
    tcase_add_test(t, a_known_token_names_its_bearer);
    tcase_add_loop_test(t, an_unknown_token_is_refused_with_a_reason_and_nobody_in_the_result, 0,
                        sizeof strangers / sizeof strangers[0]);
    tcase_add_test(t, a_token_is_good_until_the_second_it_expires);
    tcase_add_test(t, a_token_that_ends_admits_nobody_where_the_time_is_unknown);
    tcase_add_test(t, a_table_without_sense_is_refused);
    tcase_add_test(t, a_refused_allocation_leaves_no_table_behind);
    tcase_add_test(t, no_token_at_all_is_a_missing_one);
    tcase_add_test(t, an_interface_of_nothing_is_nothing);
    tcase_add_test(t, a_token_longer_than_all_memory_makes_no_table);
    suite_add_tcase(s, t);
    return s;
}
