/* Memory that mbedTLS itself asks for and does not get. It calls calloc() by its name, and finds the
 * one of this program. */
#include "jwt_rig.h"

#include <stdlib.h>

static struct {
    size_t calls, nth; /* 0 = nothing fails */
    int sticky, tripped;
} plan;

/* By way of a pointer that may change: or the compiler makes a calloc() of it. */
static void *(*volatile allocate)(size_t) = malloc;

__attribute__((visibility("default"))) void *calloc(size_t count, size_t size)
{
    plan.calls++;
    if (plan.nth != 0 && (plan.calls == plan.nth || (plan.sticky && plan.calls > plan.nth))) {
        plan.tripped = 1;
        return NULL;
    }
    if (size != 0 && count > SIZE_MAX / size)
        return NULL;
    void *p = allocate(count * size);
    if (p != NULL)
        memset(p, 0, count * size);
    return p;
}

static void arm(size_t nth, int sticky)
{
    plan.calls = 0;
    plan.nth = nth;
    plan.sticky = sticky;
    plan.tripped = 0;
}

/* ---- one key of each family ------------------------------------------------------------------ */

static const struct {
    int algorithm;
    const char *name;
} kinds[] = {{WSRT_JWT_RS256, "RS256"}, {WSRT_JWT_ES256, "ES256"}};
enum { KINDS = sizeof kinds / sizeof kinds[0] };

struct trial {
    wsrt_jwt_options options;
    char set[WSRT_JWS_JWK_MAX];
    wsrt_span token;
    wsrt_span forged; /* its signature is another */
};

static void prepare(struct trial *t, int kind)
{
    static char forged[sizeof token_text];
    wsrt_jws_key *key;
    char header[512];
    size_t len;

    ck_assert_int_eq(wsrt_jws_key_make(&key, kinds[kind].algorithm), WSRT_OK);
    ck_assert_int_eq(wsrt_jws_key_write(key, WSRT_JWS_PUBLIC_SET, t->set, sizeof t->set - 1, &len),
                     WSRT_OK);
    t->set[len] = '\0';
    snprintf(header, sizeof header, "{\"alg\":\"%s\",\"kid\":\"%s\"}", kinds[kind].name,
             wsrt_jws_key_kid(key));
    t->token = sign_with(key, header, good_claims);
    memcpy(forged, t->token.ptr, t->token.len);
    forged[t->token.len - 10] = forged[t->token.len - 10] == 'A' ? 'B' : 'A'; /* of the signature */
    t->forged = (wsrt_span){forged, t->token.len};
    t->options = usual();
    t->options.keys = TEXT(t->set);
    t->options.cache_entries = -1;
    wsrt_jws_key_free(key);
    ck_assert_str_eq(reason_of(&t->options, t->token), "");
    ck_assert_str_ne(reason_of(&t->options, t->forged), "");
}

/* ---- the sweep ----------------------------------------------------------------------------- */

enum { EVERY = 300, STEP = 23 };

static size_t next_point(size_t n)
{
    return n < EVERY ? n + 1 : n + n / STEP;
}

/* Reads the keys, then judges. */
static int judge(const struct trial *t, wsrt_span token)
{
    wsrt_jwt *j;
    int rc = wsrt_jwt_new(&j, &t->options);

    if (rc == WSRT_OK)
        rc = ask(j, token);
    wsrt_jwt_free(j);
    return rc;
}

START_TEST(a_good_token_is_taken_or_not_judged_and_never_called_bad)
{
    struct trial t;
    size_t points = 0;

    prepare(&t, _i / 2);
    plan.tripped = 1;
    for (size_t n = 1; plan.tripped; n = next_point(n), points++) {
        arm(n, _i % 2);
        int rc = judge(&t, t.token);
        plan.nth = 0;
        ck_assert_msg(rc == WSRT_OK || rc == WSRT_ERR_NOMEM, "%s, point %zu: %s",
                      kinds[_i / 2].name, n, wsrt_status_name(rc));
    }
    ck_assert_uint_gt(points, 10);
    printf("# allocation points: %zu (%s)\n", points, kinds[_i / 2].name);
}
END_TEST

START_TEST(a_forged_token_is_never_taken)
{
    struct trial t;

    prepare(&t, _i / 2);
    plan.tripped = 1;
    for (size_t n = 1; plan.tripped; n = next_point(n)) {
        arm(n, _i % 2);
        int rc = judge(&t, t.forged);
        plan.nth = 0;
        ck_assert_msg(rc == WSRT_ERR_UNAUTHENTICATED || rc == WSRT_ERR_NOMEM, "%s, point %zu: %s",
                      kinds[_i / 2].name, n, wsrt_status_name(rc));
    }
}
END_TEST

START_TEST(a_verifier_that_ran_out_of_memory_judges_right_afterwards)
{
    struct trial t;

    prepare(&t, _i);
    wsrt_jwt *j = make(&t.options);
    for (size_t n = 1; n < 2000; n = next_point(n)) {
        arm(n, 1);
        (void)ask(j, t.token); /* whatever it says */
        plan.nth = 0;
        ck_assert_int_eq(ask(j, t.forged), WSRT_ERR_UNAUTHENTICATED);
        ck_assert_int_eq(ask(j, t.token), WSRT_OK);
    }
    wsrt_jwt_free(j);
}
END_TEST

Suite *suite(void)
{
    TCase *t = tcase_create("memory");
    Suite *s = suite_of("jwt_memory", t);

    tcase_set_timeout(t, 120);
    tcase_add_loop_test(t, a_good_token_is_taken_or_not_judged_and_never_called_bad, 0, 2 * KINDS);
    tcase_add_loop_test(t, a_forged_token_is_never_taken, 0, 2 * KINDS);
    tcase_add_loop_test(t, a_verifier_that_ran_out_of_memory_judges_right_afterwards, 0, KINDS);
    return s;
}
