/* The part of libcheck's interface that the tests use, for targets where libcheck is not to be had:
 * other processors, other C libraries. The same test files build with either. Everything runs in one
 * process, as libcheck does with CK_FORK=no; a failed assertion leaves its case and the next begins. */
#ifndef WSRT_TEST_MINICHECK_H
#define WSRT_TEST_MINICHECK_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct Suite Suite;
typedef struct TCase TCase;
typedef struct SRunner SRunner;
typedef struct {
    const char *name;
    void (*run)(int);
} TTest;
typedef void (*SFun)(void);
enum print_output { CK_SILENT };

Suite *suite_create(const char *name);
TCase *tcase_create(const char *name);
void suite_add_tcase(Suite *s, TCase *tc);
void tcase_set_timeout(TCase *tc, double seconds); /* the program's own limit holds instead */
void tcase_set_tags(TCase *tc, const char *tags);  /* every case runs */
void tcase_add_checked_fixture(TCase *tc, SFun setup, SFun teardown);
void tcase_add_unchecked_fixture(TCase *tc, SFun setup, SFun teardown);
void minicheck_add(TCase *tc, const TTest *test, int first, int end);
SRunner *srunner_create(Suite *s);
void srunner_set_tap(SRunner *sr, const char *where); /* always "-" */
void srunner_run_all(SRunner *sr, enum print_output mode);
int srunner_ntests_failed(SRunner *sr);
void srunner_free(SRunner *sr);

__attribute__((noreturn, format(printf, 3, 4))) void minicheck_fail(const char *file, int line,
                                                                    const char *text, ...);

#define tcase_add_test(tc, test) minicheck_add((tc), (test), 0, 1)
#define tcase_add_loop_test(tc, test, first, end) minicheck_add((tc), (test), (first), (end))

#define START_TEST(test)                                                                           \
    static void test##_fn(int _i);                                                                 \
    static const TTest test##_ttest = {#test, test##_fn};                                          \
    static const TTest *const test = &test##_ttest;                                                \
    static void test##_fn(int _i __attribute__((unused)))
#define END_TEST

#define MINICHECK_FAIL(...) minicheck_fail(__FILE__, __LINE__, __VA_ARGS__)

#define ck_abort_msg(...) MINICHECK_FAIL(__VA_ARGS__)
#define ck_assert_msg(holds, ...) ((holds) ? (void)0 : MINICHECK_FAIL(__VA_ARGS__))
#define ck_assert(holds) ck_assert_msg(holds, "'%s' does not hold", #holds)

#define MINICHECK_COMPARE(type, format, a, op, b)                                                  \
    do {                                                                                           \
        type minicheck_a = (type)(a);                                                              \
        type minicheck_b = (type)(b);                                                              \
        ck_assert_msg(minicheck_a op minicheck_b, "'%s': %s is " format ", %s is " format,         \
                      #a " " #op " " #b, #a, minicheck_a, #b, minicheck_b);                        \
    } while (0)

#define MINICHECK_INT(a, op, b) MINICHECK_COMPARE(long long, "%lld", a, op, b)
#define MINICHECK_UINT(a, op, b) MINICHECK_COMPARE(unsigned long long, "%llu", a, op, b)
#define MINICHECK_DOUBLE(a, op, b) MINICHECK_COMPARE(double, "%.17g", a, op, b)
#define MINICHECK_PTR(a, op, b) MINICHECK_COMPARE(const void *, "%p", a, op, b)

#define ck_assert_int_eq(a, b) MINICHECK_INT(a, ==, b)
#define ck_assert_int_ne(a, b) MINICHECK_INT(a, !=, b)
#define ck_assert_int_lt(a, b) MINICHECK_INT(a, <, b)
#define ck_assert_int_le(a, b) MINICHECK_INT(a, <=, b)
#define ck_assert_int_gt(a, b) MINICHECK_INT(a, >, b)
#define ck_assert_int_ge(a, b) MINICHECK_INT(a, >=, b)
#define ck_assert_uint_eq(a, b) MINICHECK_UINT(a, ==, b)
#define ck_assert_uint_ne(a, b) MINICHECK_UINT(a, !=, b)
#define ck_assert_uint_lt(a, b) MINICHECK_UINT(a, <, b)
#define ck_assert_uint_le(a, b) MINICHECK_UINT(a, <=, b)
#define ck_assert_uint_gt(a, b) MINICHECK_UINT(a, >, b)
#define ck_assert_uint_ge(a, b) MINICHECK_UINT(a, >=, b)
#define ck_assert_double_eq(a, b) MINICHECK_DOUBLE(a, ==, b)
#define ck_assert_double_le(a, b) MINICHECK_DOUBLE(a, <=, b)
#define ck_assert_double_gt(a, b) MINICHECK_DOUBLE(a, >, b)
#define ck_assert_double_ge(a, b) MINICHECK_DOUBLE(a, >=, b)
#define ck_assert_double_eq_tol(a, b, tol)                                                         \
    ck_assert_msg((a) - (b) <= (tol) && (b) - (a) <= (tol), "%s is %.17g, %s is %.17g", #a,        \
                  (double)(a), #b, (double)(b))
#define ck_assert_ptr_eq(a, b) MINICHECK_PTR(a, ==, b)
#define ck_assert_ptr_ne(a, b) MINICHECK_PTR(a, !=, b)
#define ck_assert_ptr_null(a) MINICHECK_PTR(a, ==, NULL)
#define ck_assert_ptr_nonnull(a) MINICHECK_PTR(a, !=, NULL)

#define MINICHECK_STR(a, op, b)                                                                    \
    do {                                                                                           \
        const char *minicheck_a = (a), *minicheck_b = (b);                                         \
        ck_assert_msg(                                                                             \
            minicheck_a != NULL && minicheck_b != NULL && strcmp(minicheck_a, minicheck_b) op 0,   \
            "'%s': %s is \"%s\", %s is \"%s\"", #a " " #op " " #b, #a,                             \
            minicheck_a ? minicheck_a : "(null)", #b, minicheck_b ? minicheck_b : "(null)");       \
    } while (0)
#define ck_assert_str_eq(a, b) MINICHECK_STR(a, ==, b)
#define ck_assert_str_ne(a, b) MINICHECK_STR(a, !=, b)
#define ck_assert_mem_eq(a, b, len)                                                                \
    ck_assert_msg(memcmp((a), (b), (len)) == 0, "'%s' and '%s' differ", #a, #b)
#define ck_assert_mem_ne(a, b, len)                                                                \
    ck_assert_msg(memcmp((a), (b), (len)) != 0, "'%s' and '%s' are the same", #a, #b)

#endif
