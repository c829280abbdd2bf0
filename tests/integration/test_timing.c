/* How long something takes tells nothing of secrets, and is at most linear in what a client sends. Only
 * the deep lanes run it: timings want a while and a quiet machine. Each has a control that must be caught. */
#include "suite.h"

#include "server/endpoints.h"
#include "common/sigv4.h"
#include "jwt/base64url.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <wsrt/jwt.h>
#include <wsrt/wsrt.h>

static int64_t cpu_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* ---- constant time ---- */

enum { SAMPLES = 1000000, SECRET = 43 };

#define T_LIMIT 4.5

struct moments {
    double n, mean, m2;
};

static void add(struct moments *m, double x)
{
    double delta = x - m->mean;

    m->n += 1;
    m->mean += delta / m->n;
    m->m2 += delta * (x - m->mean);
}

/* Welch's t of two classes of samples. */
static double welch(const struct moments *a, const struct moments *b)
{
    double spread = a->m2 / (a->n - 1) / a->n + b->m2 / (b->n - 1) / b->n;

    return fabs(a->mean - b->mean) / sqrt(spread);
}

static int by_value(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;

    return (x > y) - (x < y);
}

/* Asks `judge` of two guesses in an order that a generator draws, both from one place: where a text lies can
 * be told, too. What took longer than nine in ten samples was interrupted, and is left out. */
static double t_of(int (*judge)(void *arg, wsrt_span guess), void *arg, const wsrt_span guesses[2])
{
    enum { TRIED = 10000, LONGEST = 1024 };
    static float tried[TRIED];
    static char place[LONGEST];
    struct moments classes[2] = {{0}};
    double limit = INFINITY;
    uint64_t state = 88172645463325252u;

    for (int i = -TRIED; i < SAMPLES; i++) {
        state ^= state << 13, state ^= state >> 7, state ^= state << 17;
        int which = (int)(state & 1);
        struct timespec from, to;
        memcpy(place, guesses[which].ptr, guesses[which].len);
        clock_gettime(CLOCK_MONOTONIC, &from);
        judge(arg, (wsrt_span){place, guesses[which].len});
        clock_gettime(CLOCK_MONOTONIC, &to);
        double took = (double)(to.tv_sec - from.tv_sec) * 1e9 + (double)(to.tv_nsec - from.tv_nsec);
        if (i < 0)
            tried[i + TRIED] = (float)took;
        else if (took <= limit)
            add(&classes[which], took);
        if (i == -1) {
            qsort(tried, TRIED, sizeof *tried, by_value);
            limit = tried[TRIED * 9 / 10];
        }
    }
    return welch(&classes[0], &classes[1]);
}

static const char secret[] = "c2VjcmV0LW9mLTMyLWJ5dGVzLWZvci10aGUtdGVzdHM";

static int early_exit(void *arg, wsrt_span guess)
{
    volatile const char *s = arg;
    size_t i = 0;

    while (i < guess.len && s[i] == guess.ptr[i])
        i++;
    return i == guess.len;
}

static int by_table(void *arg, wsrt_span guess)
{
    const wsrt_authenticator *a = arg;
    static wsrt_auth_result out = {.struct_size = sizeof out};

    return a->ops->authenticate(a->self, &guess, 1000, &out);
}

static int by_signature(void *arg, wsrt_span guess)
{
    return wsrt_jwt_verify(arg, guess, 1000, NULL);
}

/* The secret with another first byte, and with another last one. */
static void wrong_guesses(char (*texts)[64], wsrt_span *guesses)
{
    for (int i = 0; i < 2; i++) {
        memcpy(texts[i], secret, SECRET);
        texts[i][i == 0 ? 0 : SECRET - 1] = '-';
        guesses[i] = (wsrt_span){texts[i], SECRET};
    }
}

/* A busy machine may bring one series out of step; three would be a leak. */
static double least_t(int (*judge)(void *arg, wsrt_span guess), void *arg,
                      const wsrt_span guesses[2])
{
    double least = INFINITY;

    for (int i = 0; i < 3 && least >= T_LIMIT; i++)
        least = fmin(least, t_of(judge, arg, guesses));
    return least;
}

START_TEST(an_early_exit_is_seen)
{
    char texts[2][64], copy[64];
    wsrt_span guesses[2];

    wrong_guesses(texts, guesses);
    memcpy(copy, secret, sizeof secret);
    double t = t_of(early_exit, copy, guesses);
    printf("# t of an early exit: %.1f\n", t);
    ck_assert(t > T_LIMIT);
}
END_TEST

START_TEST(a_table_of_tokens_takes_as_long_for_every_guess)
{
    char texts[2][64];
    wsrt_span guesses[2];
    const wsrt_principal ann = {.struct_size = sizeof ann, .user_id = wsrt_span_cstr("ann")};
    const wsrt_static_token row = {{secret, SECRET}, &ann};
    wsrt_static_auth *table = NULL;
    wsrt_authenticator a;

    wrong_guesses(texts, guesses);
    ck_assert_int_eq(wsrt_static_auth_new(&table, &row, 1, NULL), WSRT_OK);
    wsrt_static_auth_interface(table, &a);
    double t = least_t(by_table, &a, guesses);
    printf("# t of the table: %.1f\n", t);
    ck_assert_msg(t < T_LIMIT, "%.1f", t);
    wsrt_static_auth_free(table);
}
END_TEST

/* 32 zero bytes. */
static const char shared_key[] = "{\"keys\":[{\"kty\":\"oct\",\"kid\":\"k\",\"alg\":\"HS256\","
                                 "\"k\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"}]}";

START_TEST(a_signature_takes_as_long_wherever_it_is_wrong)
{
    /* The right signature is below, with one digit changed. */
    static const char first[] =
        "eyJhbGciOiJIUzI1NiIsImtpZCI6ImsifQ."
        "eyJzdWIiOiJhbm4iLCJleHAiOjIwMDAwMDAwMDAsImlzcyI6Im1lIiwiYXVkIjoiYXBwIn0."
        "Afh7NE8DoWo0oN6VaWwTkTD1gGkoH8VKkB949Q8B_F0";
    static const char last[] =
        "eyJhbGciOiJIUzI1NiIsImtpZCI6ImsifQ."
        "eyJzdWIiOiJhbm4iLCJleHAiOjIwMDAwMDAwMDAsImlzcyI6Im1lIiwiYXVkIjoiYXBwIn0."
        "Sfh7NE8DoWo0oN6VaWwTkTD1gGkoH8VKkB949Q8B_F8";
    wsrt_span audience = wsrt_span_cstr("app");
    wsrt_jwt_options o = {.struct_size = sizeof o,
                          .issuer = wsrt_span_cstr("me"),
                          .audiences = &audience,
                          .audience_count = 1,
                          .keys = wsrt_span_cstr(shared_key),
                          .algorithms = WSRT_JWT_HS256};
    wsrt_span guesses[2] = {wsrt_span_cstr(first), wsrt_span_cstr(last)};
    wsrt_jwt *j = NULL;

    ck_assert_int_eq(wsrt_jwt_new(&j, &o), WSRT_OK);
    ck_assert_int_eq(wsrt_jwt_verify(j, guesses[0], 1000, NULL), WSRT_ERR_UNAUTHENTICATED);
    double t = least_t(by_signature, j, guesses);
    printf("# t of a signature: %.1f\n", t);
    ck_assert_msg(t < T_LIMIT, "%.1f", t);
    wsrt_jwt_free(j);
}
END_TEST

/* ---- who manages a server ---- */

static int by_bearer(void *arg, wsrt_span guess)
{
    return wsrt_guard_is_secret(guess, *(const wsrt_span *)arg);
}

START_TEST(the_secret_of_management_takes_as_long_for_every_guess)
{
    char texts[2][64];
    wsrt_span guesses[2], wanted = {secret, SECRET};

    wrong_guesses(texts, guesses);
    ck_assert(by_bearer(&wanted, wanted));
    ck_assert(!by_bearer(&wanted, guesses[0]) && !by_bearer(&wanted, guesses[1]));
    double t = least_t(by_bearer, &wanted, guesses);
    printf("# t of a bearer of management: %.1f\n", t);
    ck_assert_msg(t < T_LIMIT, "%.1f", t);
}
END_TEST

enum { WALL_S = 1795168800 };

static int64_t fixed_wall(void *user)
{
    (void)user;
    return WALL_S * INT64_C(1000);
}

static const wsrt_span no_body = {"", 0};
static const wsrt_span access_key = {"AKIDEXAMPLE", 11};

/* A request as it reaches the server; what it says of its signature is its last field. */
static void make_request(wsrt_http_request *req, char *time)
{
    wsrt_sigv4_time(time, WALL_S * INT64_C(1000));
    *req = (wsrt_http_request){.method = wsrt_span_cstr("GET"), .path = wsrt_span_cstr("/api")};
    req->fields.items[0] = (wsrt_http_field){wsrt_span_cstr("host"), wsrt_span_cstr("h")};
    req->fields.items[1] = (wsrt_http_field){wsrt_span_cstr("x-amz-date"), {time, WSRT_SIGV4_TIME}};
    req->fields.items[2].name = wsrt_span_cstr("authorization");
    req->fields.count = 3;
}

/* The right words, as a client with the secret key writes them. */
static void authorize(const wsrt_http_request *req, const char *time, char *dst, size_t cap)
{
    char body[WSRT_SHA256_HEX];
    wsrt_sigv4_scope scope = {.region = wsrt_span_cstr("r"),
                              .service = wsrt_span_cstr("execute-api")};
    wsrt_sigv4_signer signer = {.access_key = access_key};
    wsrt_sigv4_request signed_part = {.method = req->method,
                                      .path = req->path,
                                      .fields = req->fields.items,
                                      .field_count = 2,
                                      .body_hex = body};

    wsrt_sha256_hex(body, no_body);
    memcpy(scope.time, time, WSRT_SIGV4_TIME);
    wsrt_sigv4_key(signer.key, (wsrt_span){secret, SECRET}, &scope);
    ck_assert_int_eq(wsrt_sigv4_authorize(&signed_part, &scope, &signer, dst, cap), WSRT_OK);
}

static int by_sigv4(void *arg, wsrt_span guess)
{
    static wsrt_terms terms = {.management_access_key = {"AKIDEXAMPLE", 11},
                               .management_secret_key = {secret, SECRET}};
    static wsrt_settings set = {.env = {.wall = fixed_wall}};
    static wsrt_loop loop = {.set = &set};
    wsrt_http_request *req = arg;
    const wsrt_exchange k = {.loop = &loop, .req = req, .body = no_body};

    loop.terms = &terms;
    req->fields.items[2].value = guess;
    return wsrt_signature_valid(&k);
}

START_TEST(a_signature_of_management_takes_as_long_wherever_it_is_wrong)
{
    static wsrt_http_request req;
    char time[WSRT_SIGV4_TIME], right[512], texts[2][512];
    wsrt_span guesses[2];

    make_request(&req, time);
    authorize(&req, time, right, sizeof right);
    size_t len = strlen(right);
    ck_assert(by_sigv4(&req, (wsrt_span){right, len}));
    for (int i = 0; i < 2; i++) {
        memcpy(texts[i], right, len);
        char *digit = &texts[i][i == 0 ? len - WSRT_SHA256_HEX : len - 1];
        *digit = *digit == '0' ? '1' : '0';
        guesses[i] = (wsrt_span){texts[i], len};
        ck_assert(!by_sigv4(&req, guesses[i]));
    }
    double t = least_t(by_sigv4, &req, guesses);
    printf("# t of a signature of management: %.1f\n", t);
    ck_assert_msg(t < T_LIMIT, "%.1f", t);
}
END_TEST

/* ---- linear time ---- */

#define RATIO_LIMIT 2.3

/* A text of about n bytes, and something that reads it. */
struct reading {
    const char *name;
    const char *schema;
    const char *head, *each,
        *tail; /* the text: each again and again between the two; %zu is its number */
};

static const struct reading readings[] = {
    {"a string", "true", "\"", "aaaaaaaa", "\""},
    {"escapes", "true", "\"", "\\ud83d\\ude00", "\""},
    {"many members", "true", "{", "\"member-%zu\":1,", "\"z\":1}"},
    {"members of names that are alike", "{\"additionalProperties\":{\"type\":\"integer\"}}", "{",
     "\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa%zu\":1,", "\"z\":1}"},
    {"a long array", "{\"items\":{\"type\":\"integer\"}}", "[", "%zu,", "1]"},
    {"items that differ at the end", "{\"uniqueItems\":true}", "[",
     "\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa%zu\",", "1]"},
    {"a pattern that nests", "{\"pattern\":\"^(a+)+$\"}", "\"", "aaaaaaaa", "b\""},
    {"a pattern of alternatives", "{\"pattern\":\"^(a|aa|aaa)*$\"}", "\"", "aaaaaaaa", "b\""},
    {"branches that fail late",
     "{\"anyOf\":[{\"items\":{\"maximum\":0}},{\"items\":{\"maximum\":1}},{\"items\":{\"not\":{}}}]"
     "}",
     "[", "1,", "9]"},
};
enum { READINGS = sizeof readings / sizeof *readings, BYTES = 1 << 18 };

static size_t write_text(const struct reading *r, char *dst, size_t bytes)
{
    size_t len = (size_t)sprintf(dst, "%s", r->head);

    for (size_t i = 0; len < bytes; i++) {
        const char *number = strstr(r->each, "%zu");
        if (number == NULL)
            len += (size_t)sprintf(dst + len, "%s", r->each);
        else
            len += (size_t)sprintf(dst + len, "%.*s%zu%s", (int)(number - r->each), r->each,
                                   i + 1000000, number + 3);
    }
    return len + (size_t)sprintf(dst + len, "%s", r->tail);
}

static int judge_text(const wsrt_schema *s, const char *text, size_t len)
{
    static unsigned char scratch[1 << 20];
    wsrt_slot slots[8];
    wsrt_validate_options o = {
        .struct_size = sizeof o, .max_bytes = 8 * BYTES, .work_limit = (uint64_t)1 << 40};
    wsrt_validation v = {.struct_size = sizeof v,
                         .slots = slots,
                         .slot_cap = 8,
                         .scratch = scratch,
                         .scratch_cap = sizeof scratch};

    return wsrt_validate(s, text, len, &o, &v);
}

static int quadratic(const wsrt_schema *s, const char *text, size_t len)
{
    volatile size_t same = 0;

    (void)s;
    for (size_t i = 0; i < len; i += 64)
        for (size_t j = 0; j < i; j += 64)
            same += text[i] == text[j];
    return same == SIZE_MAX ? WSRT_ERR_INTERNAL : WSRT_OK;
}

/* time(2n) / time(n): the least of some rounds of each, interleaved. */
static double ratio_of(const struct reading *r,
                       int (*read)(const wsrt_schema *s, const char *text, size_t len))
{
    static char text[2][2 * BYTES + 256];
    int64_t least[2] = {INT64_MAX, INT64_MAX};
    size_t lens[2];
    wsrt_schema *s = NULL;

    ck_assert_int_eq(wsrt_schema_new(&s, r->schema, strlen(r->schema), NULL, NULL), WSRT_OK);
    for (int i = 0; i < 2; i++)
        lens[i] = write_text(r, text[i], (size_t)BYTES << i);
    for (int round = 0; round < 40; round++) {
        int which = round & 1;
        int64_t began = cpu_ns();
        int rc = read(s, text[which], lens[which]);
        int64_t took = cpu_ns() - began;
        ck_assert_msg(rc == WSRT_OK || rc == WSRT_ERR_REJECTED, "%s: %d", r->name, rc);
        least[which] = took < least[which] ? took : least[which];
    }
    wsrt_schema_free(s);
    return (double)least[1] / (double)least[0];
}

START_TEST(twice_the_text_takes_twice_the_time)
{
    const struct reading *r = &readings[_i];
    double ratio = ratio_of(r, judge_text);

    for (int i = 0; i < 2 && ratio > RATIO_LIMIT; i++)
        ratio = fmin(ratio, ratio_of(r, judge_text));
    printf("# %s: time(2n)/time(n) = %.2f\n", r->name, ratio);
    ck_assert_msg(ratio <= RATIO_LIMIT, "%s: %.2f", r->name, ratio);
}
END_TEST

/* A token whose header has so many members, and whose key nobody has. */
static wsrt_span crowded_token(char *dst, int members)
{
    char header[8192];
    size_t len = (size_t)sprintf(header, "{\"alg\":\"HS256\",\"kid\":\"none\"");

    for (int i = 0; i < members; i++)
        len += (size_t)sprintf(header + len, ",\"\\u0061aaaa%03d\":0", i);
    len += (size_t)sprintf(header + len, "}");
    len = wsrt_jwt_encode(dst, header, len);
    len += (size_t)sprintf(dst + len, ".e30.AAAA");
    return (wsrt_span){dst, len};
}

static double ratio_of_headers(wsrt_jwt *j)
{
    enum { MEMBERS = 110, AT_ONCE = 20 };
    static char texts[2][16384];
    int64_t least[2] = {INT64_MAX, INT64_MAX};
    wsrt_span tokens[2] = {crowded_token(texts[0], MEMBERS), crowded_token(texts[1], 2 * MEMBERS)};

    for (int round = 0; round < 40; round++) {
        int which = round & 1;
        int64_t began = cpu_ns();
        for (int i = 0; i < AT_ONCE; i++)
            ck_assert_int_eq(by_signature(j, tokens[which]), WSRT_ERR_UNAUTHENTICATED);
        int64_t took = cpu_ns() - began;
        least[which] = took < least[which] ? took : least[which];
    }
    return (double)least[1] / (double)least[0];
}

START_TEST(twice_the_members_of_a_tokens_header_take_twice_the_time)
{
    wsrt_jwt_options o = {
        .struct_size = sizeof o, .keys = wsrt_span_cstr(shared_key), .algorithms = WSRT_JWT_HS256};
    wsrt_jwt *j = NULL;

    ck_assert_int_eq(wsrt_jwt_new(&j, &o), WSRT_OK);
    double ratio = ratio_of_headers(j);
    for (int i = 0; i < 2 && ratio > RATIO_LIMIT; i++)
        ratio = fmin(ratio, ratio_of_headers(j));
    printf("# a token's header: time(2n)/time(n) = %.2f\n", ratio);
    ck_assert_msg(ratio <= RATIO_LIMIT, "%.2f", ratio);
    wsrt_jwt_free(j);
}
END_TEST

START_TEST(what_grows_faster_is_seen)
{
    double ratio = ratio_of(&readings[0], quadratic);

    printf("# a quadratic reader: time(2n)/time(n) = %.2f\n", ratio);
    ck_assert(ratio > RATIO_LIMIT);
}
END_TEST

Suite *suite(void)
{
    Suite *s = suite_create("timing");
    TCase *secrets = tcase_create("constant time"), *linear = tcase_create("linear time");

    tcase_set_timeout(secrets, 300);
    tcase_add_test(secrets, an_early_exit_is_seen);
    tcase_add_test(secrets, a_table_of_tokens_takes_as_long_for_every_guess);
    tcase_add_test(secrets, a_signature_takes_as_long_wherever_it_is_wrong);
    tcase_add_test(secrets, the_secret_of_management_takes_as_long_for_every_guess);
    tcase_add_test(secrets, a_signature_of_management_takes_as_long_wherever_it_is_wrong);
    suite_add_tcase(s, secrets);
    tcase_set_timeout(linear, 120);
    tcase_add_loop_test(linear, twice_the_text_takes_twice_the_time, 0, READINGS);
    tcase_add_test(linear, twice_the_members_of_a_tokens_header_take_twice_the_time);
    tcase_add_test(linear, what_grows_faster_is_seen);
    suite_add_tcase(s, linear);
    return s;
}
