/* Keys and their sources, remembered tokens, memory, threads. */
#include "jwt_rig.h"

#include "heap.h"

#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

static const int64_t s_ns = 1000000000;

/* ---- key sets ---- */

#define EC_X "\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\""
#define EC_Y "\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\""
#define EC "\"kty\":\"EC\",\"crv\":\"P-256\"," EC_X "," EC_Y

static const struct {
    const char *text;
    int status;
} sets[] = {
    {"{\"keys\":[{" EC "}]}", WSRT_OK},
    {"{\"more\":1,\"keys\":[{" EC ",\"use\":\"sig\",\"alg\":\"ES256\",\"kid\":\"a\"}]}", WSRT_OK},
    {"{\"keys\":[{\"kty\":\"new\"},{" EC "}]}", WSRT_OK}, /* passed over */
    {"{\"keys\":[{" EC ",\"use\":\"enc\"},{" EC "}]}", WSRT_OK},
    {"{\"keys\":[{" EC ",\"key_ops\":[\"verify\"]}]}", WSRT_OK},
    {"{\"keys\":[{" EC ",\"kid\":\"a\"},{" EC ",\"kid\":\"b\"}]}", WSRT_OK},
    {"{\"keys\":[{" EC ",\"kid\":\"a\"},{" EC ",\"kid\":\"\\u0061\"}]}", WSRT_ERR_REJECTED},
    {"{\"keys\":[{" EC ",\"key_ops\":[\"sign\"]}]}", WSRT_ERR_REJECTED},
    {"{\"keys\":[{" EC ",\"alg\":\"ES384\"}]}", WSRT_ERR_REJECTED},
    {"{\"keys\":[{" EC ",\"alg\":\"RS256\"}]}", WSRT_ERR_REJECTED},
    {"{\"keys\":[{" EC ",\"alg\":\"ECDH-ES\"}]}", WSRT_ERR_REJECTED},
    {"{\"keys\":[{" EC ",\"d\":\"AQ\"}]}", WSRT_ERR_REJECTED},
    {"{\"keys\":[{" EC ",\"kid\":7}]}", WSRT_ERR_REJECTED},
    {"{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\"," EC_X "," EC_X "}]}", WSRT_ERR_REJECTED},
    {"{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\"," EC_X ",\"y\":\"AQ\"}]}", WSRT_ERR_REJECTED},
    {"{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\"," EC_X
     ",\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a4\"}]}",
     WSRT_ERR_REJECTED}, /* not on the curve */
    {"{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-384\"," EC_X "," EC_Y "}]}", WSRT_ERR_REJECTED},
    {"{\"keys\":[{\"kty\":\"EC\",\"crv\":\"secp256k1\"," EC_X "," EC_Y "}]}", WSRT_ERR_REJECTED},
    {"{\"keys\":[{\"kty\":\"RSA\",\"n\":\"wQ\",\"e\":\"AQAB\"}]}", WSRT_ERR_REJECTED},
    {"{\"keys\":[{\"kty\":\"oct\",\"k\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\","
     "\"alg\":\"HS256\"}]}",
     WSRT_ERR_REJECTED}, /* not allowed unless asked for */
    {"{\"keys\":[]}", WSRT_ERR_REJECTED},
    {"{\"keys\":{}}", WSRT_ERR_REJECTED},
    {"{\"keys\":[1]}", WSRT_ERR_REJECTED},
    {"{}", WSRT_ERR_REJECTED},
    {"{" EC "}", WSRT_ERR_REJECTED},
    {"{\"keys\":[],\"keys\":[]}", WSRT_ERR_REJECTED},
    {"{\"keys\":[{\"kty\":\"EC\",\"kty\":\"EC\"}]}", WSRT_ERR_REJECTED},
    {"nonsense", WSRT_ERR_MALFORMED},
};

START_TEST(a_key_set_is_taken_or_refused_as_a_whole)
{
    wsrt_jwt_options o = usual();
    wsrt_jwt *j;

    o.keys = TEXT(sets[_i].text);
    ck_assert_int_eq(wsrt_jwt_new(&j, &o), sets[_i].status);
    ck_assert((j != NULL) == (sets[_i].status == WSRT_OK));
    wsrt_jwt_free(j);
}
END_TEST

#define SECRET(k) "{\"keys\":[{\"kty\":\"oct\",\"k\":\"" k "\",\"alg\":\"HS256\"}]}"

START_TEST(a_secret_has_at_least_32_bytes_and_is_asked_for)
{
    wsrt_jwt_options o = usual();
    wsrt_jwt *j;

    o.algorithms = WSRT_JWT_HS256;
    o.keys = TEXT(SECRET("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"));
    ck_assert_int_eq(wsrt_jwt_new(&j, &o), WSRT_OK);
    wsrt_jwt_free(j);
    o.keys = TEXT(SECRET("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"));
    ck_assert_int_eq(wsrt_jwt_new(&j, &o), WSRT_ERR_REJECTED);
    o.keys = TEXT(jwks); /* a public key, and only secrets are allowed */
    ck_assert_int_eq(wsrt_jwt_new(&j, &o), WSRT_ERR_REJECTED);
}
END_TEST

static void count_wish(void *user);

START_TEST(rules_without_sense_are_refused)
{
    const wsrt_jwt_options good = usual();
    wsrt_jwt_options bad[14];
    wsrt_span nothing = {NULL, 0};
    wsrt_jwt *j;

    for (size_t i = 0; i < 14; i++)
        bad[i] = good;
    bad[0].keys = nothing;
    bad[1].keys_file = TEXT("also.json");
    bad[2].leeway_s = -1;
    bad[3].leeway_s = 61;
    bad[4].cache_entries = -2;
    bad[5].cache_entries = 65537;
    bad[6].token_use = TEXT("refresh");
    bad[7].audiences = NULL;
    bad[8].audiences = &nothing;
    bad[9].audience_count = 17;
    bad[10].keys = nothing;
    bad[10].keys_url = TEXT("https://example.com/jwks.json"); /* nobody to fetch it */
    bad[11].stale_s = -1;
    bad[12].struct_size = 8;
    bad[13].wanted = count_wish; /* nothing is fetched */
    for (size_t i = 0; i < 14; i++) {
        ck_assert_int_eq(wsrt_jwt_new(&j, &bad[i]), WSRT_ERR_INVALID);
        ck_assert_ptr_null(j);
    }
    bad[0] = good;
    bad[0].flags = 1;
    ck_assert_int_eq(wsrt_jwt_new(&j, &bad[0]), WSRT_ERR_UNSUPPORTED);
    bad[0] = good;
    bad[0].algorithms = 256;
    ck_assert_int_eq(wsrt_jwt_new(&j, &bad[0]), WSRT_ERR_UNSUPPORTED);
    bad[0] = good;
    bad[0].keys = nothing;
    bad[0].keys_file = TEXT("/nowhere/jwks.json");
    ck_assert_int_eq(wsrt_jwt_new(&j, &bad[0]), WSRT_ERR_IO);
    ck_assert_int_eq(wsrt_jwt_new(&j, NULL), WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_jwt_new(NULL, &good), WSRT_ERR_INVALID);
    wsrt_jwt_free(NULL);
}
END_TEST

/* ---- remembered tokens ---- */

START_TEST(a_repeated_token_is_remembered)
{
    struct heap heap;
    wsrt_jwt_options o = usual();
    wsrt_auth_result first, again;

    heap_init(&heap);
    o.allocator = heap.allocator;
    wsrt_jwt *j = make(&o);
    wsrt_span t = sign_with(ours, NULL, good_claims);
    heap_arm(&heap, 0, 0);
    ck_assert_int_eq(ask_at(j, t, now_ms, &first), WSRT_OK);
    ck_assert_uint_eq(heap.calls, 1);
    ck_assert_int_eq(ask_at(j, t, now_ms, &again), WSRT_OK);
    ck_assert_uint_eq(heap.calls, 1);
    ck_assert(wsrt_span_equal(first.principal->user_id, again.principal->user_id));
    ck_assert_int_eq(first.principal->expires_at, again.principal->expires_at);
    wsrt_jwt_free(j);
    ck_assert_uint_eq(heap.live, 0);
}
END_TEST

START_TEST(a_remembered_token_ends_with_its_time)
{
    wsrt_jwt_options o = usual();
    wsrt_jwt *j = make(&o);
    wsrt_auth_result out;
    wsrt_span t = sign_with(ours, NULL, CLAIMS("\"exp\":1000060,\"nbf\":1000000"));

    ck_assert_int_eq(ask_at(j, t, now_ms, &out), WSRT_OK);
    ck_assert_int_eq(ask_at(j, t, now_ms + 59999, &out), WSRT_OK);
    ck_assert_int_eq(ask_at(j, t, now_ms - 1, &out), WSRT_ERR_UNAUTHENTICATED);
    ck_assert_int_eq(ask_at(j, t, now_ms + 60000, &out), WSRT_ERR_UNAUTHENTICATED);
    ck_assert_int_eq(out.reason, WSRT_AUTH_TOKEN_EXPIRED);
    ck_assert_ptr_null(out.principal);
    wsrt_jwt_free(j);
}
END_TEST

START_TEST(a_remembered_token_ends_with_its_key)
{
    wsrt_jwt_options o = usual();
    wsrt_jwt *j = make(&o);
    wsrt_span t = sign_with(ours, NULL, good_claims);

    ck_assert_int_eq(ask(j, t), WSRT_OK);
    ck_assert_int_eq(wsrt_jwt_set_keys(j, TEXT("nonsense")), WSRT_ERR_MALFORMED);
    ck_assert_int_eq(ask(j, t), WSRT_OK);
    ck_assert_int_eq(wsrt_jwt_set_keys(j, TEXT(other_jwks)), WSRT_OK);
    ck_assert_int_eq(ask(j, t), WSRT_ERR_UNAUTHENTICATED);
    wsrt_jwt_free(j);
}
END_TEST

START_TEST(what_is_remembered_is_bounded)
{
    struct heap heap;
    wsrt_jwt_options o = usual();
    char claims[256];

    heap_init(&heap);
    o.allocator = heap.allocator;
    o.cache_entries = 4;
    wsrt_jwt *j = make(&o);
    size_t before = heap.blocks;
    for (int i = 0; i < 12; i++) {
        snprintf(claims, sizeof claims, CLAIMS("\"exp\":1000060,\"n\":%d"), i);
        ck_assert_int_eq(ask(j, sign_with(ours, NULL, claims)), WSRT_OK);
    }
    ck_assert_uint_eq(heap.blocks, before + 4);
    wsrt_jwt_free(j);
    ck_assert_uint_eq(heap.live, 0);
}
END_TEST

START_TEST(without_memory_a_token_is_judged_and_not_remembered)
{
    struct heap heap;
    wsrt_jwt_options o = usual();

    heap_init(&heap);
    o.allocator = heap.allocator;
    wsrt_jwt *j = make(&o);
    wsrt_span t = sign_with(ours, NULL, good_claims);
    heap_arm(&heap, 1, 1);
    ck_assert_int_eq(ask(j, t), WSRT_OK);
    ck_assert_int_eq(heap.tripped, 1);
    heap_arm(&heap, 0, 0);
    wsrt_jwt_free(j);
    ck_assert_uint_eq(heap.live, 0);
}
END_TEST

/* ---- keys behind a URL ---- */

struct server {
    int64_t now;
    const char *body;
    int status;
    int calls;
    int64_t max_age_s;
    int wishes; /* of a verifier whose host fetches */
};

static int fetch(void *self, wsrt_jwks_fetch *f)
{
    struct server *s = self;

    s->calls++;
    ck_assert(wsrt_span_equal(f->url, TEXT("https://example.com/jwks.json")));
    if (s->status != WSRT_OK)
        return s->status;
    f->len = strlen(s->body);
    f->max_age_s = s->max_age_s;
    ck_assert_uint_le(f->len, f->cap);
    memcpy(f->dst, s->body, f->len);
    return WSRT_OK;
}

static int64_t server_now(void *user)
{
    return ((struct server *)user)->now;
}

static const wsrt_jwks_fetcher_ops fetcher_ops = {.struct_size = sizeof fetcher_ops,
                                                  .fetch = fetch};

static void count_wish(void *user)
{
    ((struct server *)user)->wishes++;
}

/* A verifier whose keys are at a server; a patient one leaves the fetching to its host. */
static wsrt_jwt *make_remote(struct server *s, wsrt_breakers *breakers, int is_patient)
{
    wsrt_jwt_options o = usual();
    wsrt_env env = {.struct_size = sizeof env, .user = s, .now = server_now};
    wsrt_jwks_fetcher fetcher = {&fetcher_ops, s};

    o.keys = (wsrt_span){NULL, 0};
    o.keys_url = TEXT("https://example.com/jwks.json");
    o.fetcher = &fetcher;
    o.env = &env;
    o.breakers = breakers;
    if (is_patient) {
        o.wanted = count_wish;
        o.wanted_user = s;
    }
    return make(&o);
}

/* The server, a verifier of its keys, and a token that is good with them. */
static struct server server;
static wsrt_jwt *remote;
static wsrt_span good;

static void open_remote(int is_patient)
{
    server = (struct server){.body = jwks};
    remote = make_remote(&server, NULL, is_patient);
    good = sign_with(ours, NULL, good_claims);
}

static void open_eager(void)
{
    open_remote(0);
}

static void open_patient(void)
{
    open_remote(1);
}

static void close_remote(void)
{
    wsrt_jwt_free(remote);
}

START_TEST(keys_are_fetched_with_the_first_token_and_kept)
{
    ck_assert_int_eq(server.calls, 0);
    ck_assert_int_eq(ask(remote, good), WSRT_OK);
    ck_assert_int_eq(ask(remote, good), WSRT_OK);
    server.now += 3599 * s_ns;
    ck_assert_int_eq(ask(remote, good), WSRT_OK);
    ck_assert_int_eq(server.calls, 1);
    server.now += 2 * s_ns;
    ck_assert_int_eq(ask(remote, good), WSRT_OK);
    ck_assert_int_eq(server.calls, 2);
}
END_TEST

START_TEST(the_key_server_says_how_long_keys_are_fresh)
{
    server.max_age_s = 120;
    ck_assert_int_eq(ask(remote, good), WSRT_OK);
    server.now += 121 * s_ns;
    ck_assert_int_eq(ask(remote, good), WSRT_OK);
    ck_assert_int_eq(server.calls, 2);
}
END_TEST

START_TEST(while_the_key_server_fails_the_old_keys_serve_until_they_are_stale)
{
    ck_assert_int_eq(ask(remote, good), WSRT_OK);
    server.status = WSRT_ERR_UNAVAILABLE;
    server.now += 86399 * s_ns;
    ck_assert_int_eq(ask(remote, good), WSRT_OK);
    ck_assert_int_eq(server.calls, 2);
    server.now += 2 * s_ns;
    ck_assert_int_eq(ask(remote, good), WSRT_ERR_UNAVAILABLE);
    server.status = WSRT_OK;
    server.body = "{\"keys\":[]}";
    server.now += 11 * s_ns;
    ck_assert_int_eq(ask(remote, good), WSRT_ERR_UNAVAILABLE);
    server.body = jwks;
    server.now += 11 * s_ns;
    ck_assert_int_eq(ask(remote, good), WSRT_OK);
}
END_TEST

START_TEST(a_failing_key_server_is_asked_once_in_ten_seconds)
{
    server.status = WSRT_ERR_TIMEOUT;
    ck_assert_int_eq(ask(remote, good), WSRT_ERR_TIMEOUT);
    for (int i = 0; i < 9; i++) {
        server.now += s_ns;
        ck_assert_int_eq(ask(remote, good), WSRT_ERR_UNAVAILABLE);
    }
    ck_assert_int_eq(server.calls, 1);
    server.now += s_ns;
    ck_assert_int_eq(ask(remote, good), WSRT_ERR_TIMEOUT);
    ck_assert_int_eq(server.calls, 2);
}
END_TEST

START_TEST(an_unknown_kid_fetches_once_in_ten_seconds)
{
    server.body = other_jwks;
    ck_assert_int_eq(ask(remote, good), WSRT_ERR_UNAUTHENTICATED);
    ck_assert_int_eq(ask(remote, good), WSRT_ERR_UNAUTHENTICATED);
    ck_assert_int_eq(server.calls, 1);
    server.body = jwks;
    server.now += 9 * s_ns;
    ck_assert_int_eq(ask(remote, good), WSRT_ERR_UNAUTHENTICATED);
    server.now += s_ns;
    ck_assert_int_eq(ask(remote, good), WSRT_OK);
    ck_assert_int_eq(server.calls, 2);
}
END_TEST

/* Its key may be the one that the server would tell of. */
START_TEST(an_unknown_kid_is_not_called_invalid_while_the_key_server_fails)
{
    server.body = other_jwks;
    ck_assert_int_eq(ask(remote, good), WSRT_ERR_UNAUTHENTICATED);
    server.status = WSRT_ERR_TIMEOUT;
    server.now += 10 * s_ns;
    ck_assert_int_eq(ask(remote, good), WSRT_ERR_TIMEOUT);
    ck_assert_int_eq(ask(remote, good), WSRT_ERR_UNAVAILABLE);
    ck_assert_int_eq(server.calls, 2);
    server.status = WSRT_OK;
    server.now += 10 * s_ns;
    ck_assert_int_eq(ask(remote, good), WSRT_ERR_UNAUTHENTICATED);
    ck_assert_int_eq(ask(remote, good), WSRT_ERR_UNAUTHENTICATED);
    ck_assert_int_eq(server.calls, 3);
}
END_TEST

START_TEST(a_token_of_another_issuer_fetches_nothing)
{
    server.body = other_jwks;
    ck_assert_int_eq(wsrt_jwt_refresh(remote), WSRT_OK);
    server.now += 60 * s_ns;
    ck_assert_int_eq(
        ask(remote, sign_with(ours, NULL, "{\"iss\":\"you\",\"sub\":\"u1\",\"exp\":1000060}")),
        WSRT_ERR_UNAUTHENTICATED);
    ck_assert_int_eq(server.calls, 1);
}
END_TEST

START_TEST(three_fetches_of_five_that_time_out_open_the_circuit)
{
    static const int endings[] = {WSRT_OK, WSRT_ERR_TIMEOUT, WSRT_OK, WSRT_ERR_TIMEOUT,
                                  WSRT_ERR_TIMEOUT};
    struct server s = {.body = jwks, .now = s_ns};
    wsrt_breaker_stats stats = {.struct_size = sizeof stats};
    wsrt_breakers *breakers;
    wsrt_breaker *b;

    ck_assert_int_eq(wsrt_breakers_new(&breakers, NULL), WSRT_OK);
    wsrt_jwt *j = make_remote(&s, breakers, 0);
    ck_assert_int_eq(wsrt_breakers_find(breakers, TEXT("cognito"), TEXT("verifyJWT"), &b), WSRT_OK);
    for (int i = 0; i < 5; i++, s.now += 5 * s_ns) {
        wsrt_breaker_get_stats(b, s.now, now_ms, &stats);
        ck_assert_int_eq(stats.state, WSRT_BREAKER_CLOSED);
        s.status = endings[i];
        wsrt_jwt_refresh(j);
        ck_assert_int_eq(s.calls, i + 1);
    }
    wsrt_breaker_get_stats(b, s.now, now_ms, &stats);
    ck_assert_int_eq(stats.state, WSRT_BREAKER_OPEN);
    ck_assert_uint_eq(stats.failure_count, 3);
    wsrt_breaker_release_ref(b);
    wsrt_jwt_free(j);
    wsrt_breakers_free(breakers);
}
END_TEST

START_TEST(the_breaker_guards_the_fetch_and_an_invalid_token_never_counts)
{
    struct server s = {.body = jwks, .status = WSRT_ERR_UNAVAILABLE, .now = s_ns};
    wsrt_breakers *breakers;
    wsrt_breaker *b;
    wsrt_breaker_stats stats = {.struct_size = sizeof stats};

    ck_assert_int_eq(wsrt_breakers_new(&breakers, NULL), WSRT_OK);
    wsrt_jwt *j = make_remote(&s, breakers, 0);
    wsrt_span t = sign_with(ours, NULL, good_claims);
    ck_assert_int_eq(wsrt_breakers_find(breakers, TEXT("cognito"), TEXT("verifyJWT"), &b), WSRT_OK);
    for (int i = 0; i < 20 && ask(j, t) != WSRT_ERR_CIRCUIT_OPEN; i++)
        s.now += 10 * s_ns;
    int calls = s.calls;
    ck_assert_int_lt(calls, 20);
    ck_assert_int_eq(wsrt_breaker_get_stats(b, s.now, now_ms, &stats), WSRT_OK);
    ck_assert_int_eq(stats.state, WSRT_BREAKER_OPEN);
    s.status = WSRT_OK;
    s.now += 120 * s_ns;
    ck_assert_int_eq(ask(j, t), WSRT_OK);
    for (int i = 0; i < 50; i++)
        ck_assert_int_eq(ask(j, TEXT("a.b.c")), WSRT_ERR_UNAUTHENTICATED);
    ck_assert_int_eq(wsrt_breaker_get_stats(b, s.now, now_ms, &stats), WSRT_OK);
    ck_assert_uint_eq(stats.lifetime_failures, (uint64_t)calls);
    ck_assert_int_eq(s.calls, calls + 1);
    wsrt_breaker_release_ref(b);
    wsrt_jwt_free(j);
    wsrt_breakers_free(breakers);
}
END_TEST

/* ---- a host that may not wait ---- */

START_TEST(a_host_that_may_not_wait_is_told_and_fetches_itself)
{
    ck_assert_int_eq(ask(remote, good), WSRT_ERR_UNAVAILABLE);
    ck_assert_int_eq(ask(remote, good), WSRT_ERR_UNAVAILABLE);
    ck_assert_int_eq(server.wishes, 1);
    ck_assert_int_eq(server.calls, 0);
    ck_assert_int_eq(wsrt_jwt_refresh(remote), WSRT_OK);
    ck_assert_int_eq(ask(remote, good), WSRT_OK);
    ck_assert_int_eq(server.calls, 1);
}
END_TEST

START_TEST(keys_that_are_no_longer_fresh_serve_while_the_host_is_told)
{
    ck_assert_int_eq(wsrt_jwt_refresh(remote), WSRT_OK);
    server.now += 3600 * s_ns;
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(ask(remote, good), WSRT_OK);
    ck_assert_int_eq(server.wishes, 1);
    server.now += 10 * s_ns; /* nobody came: it is told again */
    ck_assert_int_eq(ask(remote, good), WSRT_OK);
    ck_assert_int_eq(server.wishes, 2);
    server.now += 86400 * s_ns;
    ck_assert_int_eq(ask(remote, good), WSRT_ERR_UNAVAILABLE);
    ck_assert_int_eq(server.calls, 1);
}
END_TEST

START_TEST(a_token_of_an_awaited_key_is_put_off_and_not_refused)
{
    wsrt_jwt_report r = {.struct_size = sizeof r};

    server.body = other_jwks;
    ck_assert_int_eq(wsrt_jwt_refresh(remote), WSRT_OK);
    ck_assert_int_eq(ask(remote, good), WSRT_ERR_UNAUTHENTICATED); /* the set is seconds old */
    server.now += 10 * s_ns;
    ck_assert_int_eq(wsrt_jwt_verify(remote, good, now_ms, &r), WSRT_ERR_UNAVAILABLE);
    ck_assert_str_eq(r.text_cstr, "the key of this kid is awaited");
    ck_assert_int_eq(server.wishes, 1);
    ck_assert_int_eq(wsrt_jwt_refresh(remote), WSRT_OK);
    ck_assert_int_eq(ask(remote, good), WSRT_ERR_UNAUTHENTICATED); /* it did not come */
    ck_assert_int_eq(server.wishes, 1);
    server.status = WSRT_ERR_TIMEOUT;
    ck_assert_int_eq(wsrt_jwt_refresh(remote), WSRT_ERR_TIMEOUT);
    ck_assert_int_eq(ask(remote, good), WSRT_ERR_UNAVAILABLE); /* nobody knows */
}
END_TEST

static const struct {
    const char *url;
    int status;
} urls[] = {
    {"https://example.com/keys", WSRT_OK},
    {"http://127.0.0.1:8080/keys", WSRT_OK},
    {"http://localhost/keys", WSRT_OK},
    {"http://[::1]:8080/keys", WSRT_OK},
    {"http://example.com/keys", WSRT_ERR_INVALID},
    {"http://127.0.0.1.example.com/keys", WSRT_ERR_INVALID},
    {"http://127.0.0.1:80@example.com/keys", WSRT_ERR_INVALID},
    {"http://[::1].example.com/keys", WSRT_ERR_INVALID},
    {"http://localhost@example.com", WSRT_ERR_INVALID},
    {"http://", WSRT_ERR_INVALID},
    {"ftp://127.0.0.1/keys", WSRT_ERR_INVALID},
    {"HTTPS//example.com", WSRT_ERR_INVALID},
};

START_TEST(keys_come_by_https_or_from_this_machine)
{
    struct server s = {.body = jwks};
    wsrt_jwks_fetcher fetcher = {&fetcher_ops, &s};
    wsrt_jwt_options o = usual();
    wsrt_jwt *j;

    o.keys = (wsrt_span){NULL, 0};
    o.keys_url = TEXT(urls[_i].url);
    o.fetcher = &fetcher;
    ck_assert_int_eq(wsrt_jwt_new(&j, &o), urls[_i].status);
    wsrt_jwt_free(j);
}
END_TEST

START_TEST(a_file_is_read_again_when_told)
{
    char path[] = "/tmp/wsrt-jwks-XXXXXX";
    int fd = mkstemp(path);
    wsrt_jwt_options o = usual();

    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(write(fd, other_jwks, strlen(other_jwks)), (ssize_t)strlen(other_jwks));
    o.keys = (wsrt_span){NULL, 0};
    o.keys_file = TEXT(path);
    wsrt_jwt *j = make(&o);
    wsrt_span t = sign_with(ours, NULL, good_claims);
    ck_assert_int_eq(ask(j, t), WSRT_ERR_UNAUTHENTICATED);
    ck_assert_int_eq(pwrite(fd, jwks, strlen(jwks), 0), (ssize_t)strlen(jwks));
    ck_assert_int_eq(ftruncate(fd, (off_t)strlen(jwks)), 0);
    ck_assert_int_eq(wsrt_jwt_refresh(j), WSRT_OK);
    ck_assert_int_eq(ask(j, t), WSRT_OK);
    close(fd);
    unlink(path);
    ck_assert_int_eq(wsrt_jwt_refresh(j), WSRT_ERR_IO);
    ck_assert_int_eq(ask(j, t), WSRT_OK);
    wsrt_jwt_free(j);
}
END_TEST

/* Or everybody's tokens would be judged anew whenever somebody sends an unknown kid. */
START_TEST(the_same_keys_read_again_forget_no_token)
{
    struct heap heap;
    struct server s = {.body = jwks};
    wsrt_jwks_fetcher fetcher = {&fetcher_ops, &s};
    wsrt_jwt_options o = usual();

    heap_init(&heap);
    o.allocator = heap.allocator;
    o.keys = (wsrt_span){NULL, 0};
    o.keys_url = TEXT("https://example.com/jwks.json");
    o.fetcher = &fetcher;
    wsrt_jwt *j = make(&o);
    wsrt_span t = sign_with(ours, NULL, good_claims);
    ck_assert_int_eq(ask(j, t), WSRT_OK);
    ck_assert_int_eq(wsrt_jwt_refresh(j), WSRT_OK);
    heap_arm(&heap, 0, 0);
    ck_assert_int_eq(ask(j, t), WSRT_OK);
    ck_assert_uint_eq(heap.calls, 0); /* it was known */
    s.body = other_jwks;
    ck_assert_int_eq(wsrt_jwt_refresh(j), WSRT_OK);
    ck_assert_int_eq(ask(j, t), WSRT_ERR_UNAUTHENTICATED);
    wsrt_jwt_free(j);
    ck_assert_uint_eq(heap.live, 0);
}
END_TEST

/* ---- memory and threads ---- */

/* Makes a verifier and asks it, with keys from a fetcher; returns the first failure. */
static int scenario(struct heap *heap, struct server *s, wsrt_span token)
{
    wsrt_jwt_options o = usual();
    wsrt_jwks_fetcher fetcher = {&fetcher_ops, s};
    wsrt_jwt *j;

    o.allocator = heap->allocator;
    o.keys = (wsrt_span){NULL, 0};
    o.keys_url = TEXT("https://example.com/jwks.json");
    o.fetcher = &fetcher;
    int rc = wsrt_jwt_new(&j, &o);
    if (rc == WSRT_OK)
        rc = ask(j, token);
    if (rc == WSRT_OK)
        rc = wsrt_jwt_set_keys(j, TEXT(other_jwks));
    wsrt_jwt_free(j);
    return rc;
}

START_TEST(every_refused_allocation_denies_and_leaves_nothing_behind)
{
    struct heap heap;
    struct server s = {.body = jwks};
    wsrt_span t = sign_with(ours, NULL, good_claims);

    heap_init(&heap);
    for (int sticky = 0; sticky < 2; sticky++) {
        for (size_t n = 1;; n++) {
            heap_arm(&heap, n, sticky);
            int rc = scenario(&heap, &s, t);
            ck_assert_uint_eq(heap.live, 0);
            if (!heap.tripped)
                break;
            heap.points++;
            ck_assert(rc == WSRT_ERR_NOMEM || rc == WSRT_OK); /* OK: it was not remembered */
        }
    }
    ck_assert_uint_ge(heap.points, 16);
    printf("# allocation points: %zu\n", heap.points);
}
END_TEST

struct racer {
    wsrt_jwt *jwt;
    wsrt_span good, other;
    int good_seen, other_seen, wrong;
};

static void *race(void *arg)
{
    struct racer *r = arg;

    for (int i = 0; i < 60; i++) {
        int a = ask(r->jwt, r->good), b = ask(r->jwt, r->other);
        r->good_seen += a == WSRT_OK;
        r->other_seen += b == WSRT_OK;
        r->wrong += (a != WSRT_OK && a != WSRT_ERR_UNAUTHENTICATED) ||
                    (b != WSRT_OK && b != WSRT_ERR_UNAUTHENTICATED);
    }
    return NULL;
}

START_TEST(threads_judge_while_keys_are_swapped)
{
    static char first[2000], second[2000];
    wsrt_jwt_options o = usual();
    pthread_t threads[4];
    struct racer racers[4];
    int seen = 0;

    wsrt_span t = sign_with(ours, NULL, good_claims);
    memcpy(first, t.ptr, t.len);
    wsrt_span u = sign_with(theirs, NULL, good_claims);
    memcpy(second, u.ptr, u.len);
    wsrt_jwt *j = make(&o);
    for (int i = 0; i < 4; i++) {
        racers[i] = (struct racer){j, {first, t.len}, {second, u.len}, 0, 0, 0};
        ck_assert_int_eq(pthread_create(&threads[i], NULL, race, &racers[i]), 0);
    }
    for (int i = 0; i < 40; i++)
        ck_assert_int_eq(wsrt_jwt_set_keys(j, TEXT(i % 2 == 0 ? other_jwks : jwks)), WSRT_OK);
    for (int i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
        ck_assert_int_eq(racers[i].wrong, 0);
        seen += racers[i].good_seen + racers[i].other_seen;
    }
    ck_assert_int_gt(seen, 0);
    ck_assert_int_eq(ask(j, racers[0].good), WSRT_OK);
    ck_assert_int_eq(ask(j, racers[0].other), WSRT_ERR_UNAUTHENTICATED);
    wsrt_jwt_free(j);
    printf("# contended calls: %d\n", 4 * 60 * 2);
}
END_TEST

/* ---- private keys ---- */

START_TEST(a_private_key_is_written_and_read_and_signs_the_same)
{
    static const int algorithms[] = {WSRT_JWT_ES256, WSRT_JWT_RS256};
    static const char *const headers_of[] = {"{\"alg\":\"ES256\"}", "{\"alg\":\"RS256\"}"};
    static char text[WSRT_JWS_JWK_MAX], set[WSRT_JWS_JWK_MAX];
    wsrt_jwt_options o = usual();
    wsrt_jws_key *made, *read;
    const char *why;
    size_t len;

    ck_assert_int_eq(wsrt_jws_key_make(&made, algorithms[_i]), WSRT_OK);
    ck_assert_int_eq(wsrt_jws_key_write(made, WSRT_JWS_PRIVATE, text, sizeof text, &len), WSRT_OK);
    ck_assert_int_eq(wsrt_jws_key_read(&read, (wsrt_span){text, len}, &why), WSRT_OK);
    ck_assert_str_eq(wsrt_jws_key_kid(made), wsrt_jws_key_kid(read));
    ck_assert_int_eq(wsrt_jws_key_write(made, WSRT_JWS_PUBLIC_SET, set, sizeof set, &len), WSRT_OK);
    o.keys = (wsrt_span){set, len};
    ck_assert_str_eq(reason_of(&o, sign_with(read, headers_of[_i], good_claims)), "");
    wsrt_jws_key_free(made);
    wsrt_jws_key_free(read);
}
END_TEST

START_TEST(what_is_no_private_key_is_not_read)
{
    wsrt_jws_key *k;
    const char *why;

    ck_assert_int_eq(wsrt_jws_key_read(&k, TEXT("x"), &why), WSRT_ERR_MALFORMED);
    ck_assert_int_eq(wsrt_jws_key_read(&k, TEXT(jwks), &why), WSRT_ERR_UNSUPPORTED);
    ck_assert_int_eq(wsrt_jws_key_read(&k, TEXT("{" EC "}"), &why), WSRT_ERR_REJECTED);
    ck_assert_int_eq(wsrt_jws_key_read(&k, TEXT("{" EC ",\"d\":\"AA\"}"), &why), WSRT_ERR_REJECTED);
    ck_assert_ptr_null(k);
}
END_TEST

Suite *suite(void)
{
    TCase *t = tcase_create("keys"), *eager = tcase_create("fetched");
    TCase *patient = tcase_create("left to the host");
    Suite *s = suite_of("jwt_keys", t);

    tcase_add_loop_test(t, a_key_set_is_taken_or_refused_as_a_whole, 0,
                        sizeof sets / sizeof sets[0]);
    tcase_add_test(t, a_secret_has_at_least_32_bytes_and_is_asked_for);
    tcase_add_test(t, rules_without_sense_are_refused);
    tcase_add_test(t, a_repeated_token_is_remembered);
    tcase_add_test(t, a_remembered_token_ends_with_its_time);
    tcase_add_test(t, a_remembered_token_ends_with_its_key);
    tcase_add_test(t, what_is_remembered_is_bounded);
    tcase_add_test(t, without_memory_a_token_is_judged_and_not_remembered);
    tcase_add_test(t, the_breaker_guards_the_fetch_and_an_invalid_token_never_counts);
    tcase_add_loop_test(t, keys_come_by_https_or_from_this_machine, 0,
                        sizeof urls / sizeof urls[0]);
    tcase_add_test(t, three_fetches_of_five_that_time_out_open_the_circuit);
    tcase_add_test(t, a_file_is_read_again_when_told);
    tcase_add_test(t, the_same_keys_read_again_forget_no_token);
    tcase_add_test(t, every_refused_allocation_denies_and_leaves_nothing_behind);
    tcase_add_test(t, threads_judge_while_keys_are_swapped);
    tcase_add_loop_test(t, a_private_key_is_written_and_read_and_signs_the_same, 0, 2);
    tcase_add_test(t, what_is_no_private_key_is_not_read);
    add_cases(s, eager);
    tcase_add_checked_fixture(eager, open_eager, close_remote);
    tcase_add_test(eager, keys_are_fetched_with_the_first_token_and_kept);
    tcase_add_test(eager, the_key_server_says_how_long_keys_are_fresh);
    tcase_add_test(eager, while_the_key_server_fails_the_old_keys_serve_until_they_are_stale);
    tcase_add_test(eager, a_failing_key_server_is_asked_once_in_ten_seconds);
    tcase_add_test(eager, an_unknown_kid_fetches_once_in_ten_seconds);
    tcase_add_test(eager, an_unknown_kid_is_not_called_invalid_while_the_key_server_fails);
    tcase_add_test(eager, a_token_of_another_issuer_fetches_nothing);
    add_cases(s, patient);
    tcase_add_checked_fixture(patient, open_patient, close_remote);
    tcase_add_test(patient, a_host_that_may_not_wait_is_told_and_fetches_itself);
    tcase_add_test(patient, keys_that_are_no_longer_fresh_serve_while_the_host_is_told);
    tcase_add_test(patient, a_token_of_an_awaited_key_is_put_off_and_not_refused);
    return s;
}
