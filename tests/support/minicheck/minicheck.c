#include "check.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>

struct planned {
    const TTest *test;
    int first, end;
};

struct TCase {
    TCase *next;
    const char *name;
    SFun setup, teardown;            /* around each case */
    SFun first_setup, last_teardown; /* around all of them */
    struct planned *tests;
    size_t count;
};

struct Suite {
    const char *name;
    TCase *first, **last;
};

struct SRunner {
    Suite *suite;
    int ran, failed;
};

/* Where a failed assertion goes, and what it said. */
static struct {
    jmp_buf out;
    pthread_t thread;
    char text[1024];
} current;

static void *zeroed(size_t size)
{
    void *p = calloc(1, size);

    if (p == NULL)
        abort();
    return p;
}

Suite *suite_create(const char *name)
{
    Suite *s = zeroed(sizeof *s);

    s->name = name;
    s->last = &s->first;
    return s;
}

TCase *tcase_create(const char *name)
{
    TCase *tc = zeroed(sizeof *tc);

    tc->name = name;
    return tc;
}

void suite_add_tcase(Suite *s, TCase *tc)
{
    *s->last = tc;
    s->last = &tc->next;
}

void tcase_set_tags(TCase *tc, const char *tags)
{
    (void)tc;
    (void)tags;
}

void tcase_set_timeout(TCase *tc, double seconds)
{
    (void)tc;
    (void)seconds;
}

void tcase_add_checked_fixture(TCase *tc, SFun setup, SFun teardown)
{
    tc->setup = setup;
    tc->teardown = teardown;
}

void tcase_add_unchecked_fixture(TCase *tc, SFun setup, SFun teardown)
{
    tc->first_setup = setup;
    tc->last_teardown = teardown;
}

void minicheck_add(TCase *tc, const TTest *test, int first, int end)
{
    tc->tests = realloc(tc->tests, (tc->count + 1) * sizeof *tc->tests);
    if (tc->tests == NULL)
        abort();
    tc->tests[tc->count++] = (struct planned){test, first, end};
}

SRunner *srunner_create(Suite *s)
{
    SRunner *sr = zeroed(sizeof *sr);

    sr->suite = s;
    return sr;
}

void srunner_set_tap(SRunner *sr, const char *where)
{
    (void)sr;
    (void)where;
}

void minicheck_fail(const char *file, int line, const char *text, ...)
{
    va_list args;
    int used = snprintf(current.text, sizeof current.text, "%s:%d: ", file, line);

    va_start(args, text);
    vsnprintf(current.text + used, sizeof current.text - (size_t)used, text, args);
    va_end(args);
    if (!pthread_equal(current.thread, pthread_self())) {
        printf("Bail out! %s (in a thread of the test)\n", current.text);
        abort();
    }
    longjmp(current.out, 1);
}

static void call(SFun f)
{
    if (f != NULL)
        f();
}

static void run_case(SRunner *sr, const TCase *tc, const struct planned *p, int i)
{
    sr->ran++;
    if (setjmp(current.out) == 0) {
        call(tc->setup);
        p->test->run(i);
        call(tc->teardown);
        printf("ok %d - %s:%s: Passed\n", sr->ran, tc->name, p->test->name);
        return;
    }
    sr->failed++;
    printf("not ok %d - %s:%s: %s\n", sr->ran, tc->name, p->test->name, current.text);
}

void srunner_run_all(SRunner *sr, enum print_output mode)
{
    (void)mode;
    current.thread = pthread_self();
    for (const TCase *tc = sr->suite->first; tc != NULL; tc = tc->next) {
        call(tc->first_setup);
        for (size_t t = 0; t < tc->count; t++)
            for (int i = tc->tests[t].first; i < tc->tests[t].end; i++)
                run_case(sr, tc, &tc->tests[t], i);
        call(tc->last_teardown);
    }
    printf("1..%d\n", sr->ran);
}

int srunner_ntests_failed(SRunner *sr)
{
    return sr->failed;
}

void srunner_free(SRunner *sr)
{
    for (TCase *tc = sr->suite->first, *next; tc != NULL; tc = next) {
        next = tc->next;
        free(tc->tests);
        free(tc);
    }
    free(sr->suite);
    free(sr);
}
