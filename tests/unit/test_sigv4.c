#include "common/sigv4.h"
#include "guarded.h"
#include "suite.h"

#include <stdio.h>
#include <string.h>

#define COUNT(a) (sizeof(a) / sizeof(a)[0])
static wsrt_span span_of(const char *text)
{
    return (wsrt_span){text, text == NULL ? 0 : strlen(text)};
}

#define TEXT(s) ((wsrt_span){(s), sizeof(s) - 1})

static const wsrt_span secret = {"wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", 40};

/* ---- digests ------------------------------------------------------------------------------ */

static void expect_hex(const unsigned char *bytes, const char *wanted)
{
    char hex[WSRT_SHA256_HEX + 1] = {0};

    wsrt_hex(hex, bytes, WSRT_SHA256_LEN);
    ck_assert_str_eq(hex, wanted);
}

START_TEST(sha256_of_the_published_vectors)
{
    static const struct {
        const char *in, *hex;
    } rows[] = {
        {"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
        {"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
        {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
         "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        char hex[WSRT_SHA256_HEX + 1] = {0};
        wsrt_sha256_hex(hex, (wsrt_span){rows[i].in, strlen(rows[i].in)});
        ck_assert_str_eq(hex, rows[i].hex);
    }
}
END_TEST

START_TEST(sha256_is_the_same_however_the_bytes_arrive)
{
    unsigned char data[300], whole[WSRT_SHA256_LEN], parts[WSRT_SHA256_LEN];
    wsrt_sha256 s;

    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (unsigned char)(i * 7);
    for (size_t len = 0; len <= sizeof data; len++)
        for (size_t step = 1; step < 130; step += 21) {
            wsrt_sha256_start(&s);
            wsrt_sha256_add(&s, data, len);
            wsrt_sha256_end(&s, whole);
            wsrt_sha256_start(&s);
            for (size_t at = 0; at < len; at += step)
                wsrt_sha256_add(&s, data + at, len - at < step ? len - at : step);
            wsrt_sha256_end(&s, parts);
            ck_assert_mem_eq(whole, parts, sizeof whole);
        }
}
END_TEST

START_TEST(sha256_leaves_no_trace_of_what_it_took)
{
    static const wsrt_sha256 nothing;
    unsigned char digest[WSRT_SHA256_LEN];
    wsrt_sha256 s;

    wsrt_sha256_start(&s);
    wsrt_sha256_add(&s, secret.ptr, secret.len);
    wsrt_sha256_end(&s, digest);
    ck_assert_mem_eq(&s, &nothing, sizeof s);
}
END_TEST

/* RFC 4231, test cases 1, 2 and 6. */
START_TEST(hmac_of_the_published_vectors)
{
    unsigned char mac[WSRT_SHA256_LEN];
    char key[131];

    memset(key, 0x0b, sizeof key);
    wsrt_hmac_sha256(mac, (wsrt_span){key, 20}, TEXT("Hi There"));
    expect_hex(mac, "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
    wsrt_hmac_sha256(mac, TEXT("Jefe"), TEXT("what do ya want for nothing?"));
    expect_hex(mac, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    memset(key, 0xaa, sizeof key);
    wsrt_hmac_sha256(mac, (wsrt_span){key, sizeof key},
                     TEXT("Test Using Larger Than Block-Size Key - Hash Key First"));
    expect_hex(mac, "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
}
END_TEST

/* ---- vectors ------------------------------------------------------------------------------ */

struct vector {
    const char *method, *path, *host, *service, *time, *body;
    const char *more[4]; /* names and values of further fields */
    const char *canonical, *signature;
};

/* Of AWS's published suite, and of API Gateway; both by the same keys. */
#define OF_THE_SUITE                                                                               \
    .path = "/", .host = "example.amazonaws.com", .service = "service", .time = "20150830T123600Z"
#define OF_THE_GATEWAY                                                                             \
    .host = "abc123.execute-api.us-east-1.amazonaws.com", .service = "execute-api", .time = THEN
#define THEN "20260102T030405Z"

static const struct vector vectors[] = {
    {.method = "GET",
     OF_THE_SUITE,
     .canonical = "bb579772317eb040ac9ed261061d46c1f17a8133879d6129b6e1c25292927e63",
     .signature = "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"},
    {.method = "POST",
     OF_THE_SUITE,
     .signature = "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"},
    {.method = "POST",
     .path = "/prod/@connections/L0SM9cOFvHcCIhw%3D",
     OF_THE_GATEWAY,
     .body = "{\"type\":\"ping\"}",
     .more = {"Content-Type", "application/json"},
     .canonical = "6e28f23c05753711d311de737bf12705be1989295195c52c7e4028a707e73943",
     .signature = "6d5f2bf2ec79761804114399cab8eddbcca7864c49d57014048be492d6c0435d"},
    {.method = "POST",
     .path = "/prod/@connections/L0SM9cOFvHcCIhw%3D",
     OF_THE_GATEWAY,
     .body = "{\"type\":\"ping\"}",
     .more = {"X-Amz-Security-Token", "TOKEN/EXAMPLE+==", "content-type", "application/json"},
     .canonical = "3ce816eaa5249c430af3476f482519b942db4415b26b594ec5c1e8b9f314b52a",
     .signature = "662a5938b778fd0a3bbb9fa5d4d84fa64915e385a071eb5819c9e672d0eaf98b"},
    {.method = "DELETE",
     .path = "/prod/@connections/L0SM9cOFvHcCIhw%3D",
     OF_THE_GATEWAY,
     .canonical = "b4a77475b7b3c5408ba60cd385a88e69a6cece99235d0a4789d420196845bb25",
     .signature = "23cd3507f085516d1f40b5c8c6e9c8b958741c9009aa646cd4e23d7ab8e55940"},
    {.method = "GET",
     .path = "/prod/@connections/L0SM9cOFvHcCIhw",
     OF_THE_GATEWAY,
     .canonical = "9df04e74edca98f0355692599bfca662db234d21245cbc69444f2a4c29c5f090",
     .signature = "de7dc35215745709727bd5cf8b1ee89e9fc8d902f32cdd06d422f5e61aff5d71"},
    {.method = "POST",
     .path = "/",
     .host = "dynamodb.us-east-1.amazonaws.com",
     .service = "dynamodb",
     .time = THEN,
     .body = "{}",
     .more = {"Content-Type", "application/x-amz-json-1.0", "X-Amz-Target",
              "DynamoDB_20120810.ListTables"},
     .canonical = "bd979e0d2909822e33138138d030b89e5578f2054f8ba29a5c9e59e55b82e690",
     .signature = "f1feeba628b3ba736f7b472f8193c1a2f6bc48160bb25a2a715f6899f3dadc55"},
};

struct request {
    wsrt_http_field fields[4];
    char body_hex[WSRT_SHA256_HEX];
    wsrt_sigv4_request r;
    wsrt_sigv4_scope scope;
};

static void load(struct request *q, const struct vector *v)
{
    *q = (struct request){
        .fields = {{TEXT("Host"), span_of(v->host)}, {TEXT("X-Amz-Date"), span_of(v->time)}}};
    q->r = (wsrt_sigv4_request){.method = span_of(v->method),
                                .path = span_of(v->path),
                                .fields = q->fields,
                                .field_count = 2,
                                .body_hex = q->body_hex};
    for (size_t i = 0; i < 4 && v->more[i] != NULL; i += 2)
        q->fields[q->r.field_count++] =
            (wsrt_http_field){span_of(v->more[i]), span_of(v->more[i + 1])};
    wsrt_sha256_hex(q->body_hex, span_of(v->body));
    memcpy(q->scope.time, v->time, sizeof q->scope.time);
    q->scope.region = TEXT("us-east-1");
    q->scope.service = span_of(v->service);
}

START_TEST(a_request_is_signed_as_the_vectors_say)
{
    const struct vector *v = &vectors[_i];
    char canonical[1024], hex[WSRT_SHA256_HEX + 1] = {0}, signature[WSRT_SHA256_HEX + 1] = {0};
    unsigned char key[WSRT_SHA256_LEN];
    struct request q;
    size_t len;

    load(&q, v);
    ck_assert_int_eq(wsrt_sigv4_canonical(&q.r, canonical, sizeof canonical, &len), WSRT_OK);
    wsrt_sha256_hex(hex, (wsrt_span){canonical, len});
    if (v->canonical != NULL)
        ck_assert_str_eq(hex, v->canonical);
    wsrt_sigv4_key(key, secret, &q.scope);
    ck_assert_int_eq(wsrt_sigv4_sign(&q.r, &q.scope, key, signature), WSRT_OK);
    ck_assert_str_eq(signature, v->signature);
}
END_TEST

START_TEST(the_authorization_names_scope_and_fields)
{
    wsrt_sigv4_signer signer = {.access_key = TEXT("AKIDEXAMPLE")};
    char text[512];
    struct request q;

    load(&q, &vectors[3]);
    wsrt_sigv4_key(signer.key, secret, &q.scope);
    ck_assert_int_eq(wsrt_sigv4_authorize(&q.r, &q.scope, &signer, text, sizeof text), WSRT_OK);
    ck_assert_str_eq(
        text,
        "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20260102/us-east-1/execute-api/aws4_request, "
        "SignedHeaders=content-type;host;x-amz-date;x-amz-security-token, "
        "Signature=662a5938b778fd0a3bbb9fa5d4d84fa64915e385a071eb5819c9e672d0eaf98b");
    for (size_t cap = 0; cap <= strlen(text); cap++)
        ck_assert_int_eq(wsrt_sigv4_authorize(&q.r, &q.scope, &signer, text, cap), WSRT_ERR_LIMIT);
}
END_TEST

/* ---- the canonical request ------------------------------------------------------------------ */

static const char *canonical_of(const wsrt_sigv4_request *given)
{
    static char text[4096];
    static const char body[] = "0123456789012345678901234567890123456789012345678901234567890123";
    wsrt_sigv4_request r = *given;
    size_t len;

    r.method = TEXT("GET");
    r.body_hex = body;
    ck_assert_int_eq(wsrt_sigv4_canonical(&r, text, sizeof text - 1, &len), WSRT_OK);
    ck_assert_uint_gt(len, sizeof body);
    ck_assert_mem_eq(text + len - (sizeof body - 1), body, sizeof body - 1);
    text[len - sizeof body] = '\0';
    return text;
}

START_TEST(a_path_is_escaped_once_more_than_on_the_wire)
{
    static const char *const rows[][2] = {
        {"", "/"},
        {"/", "/"},
        {"/a/", "/a/"},
        {"/a%2Fb", "/a%252Fb"},
        {"/@connections/x%3D", "/%40connections/x%253D"},
        {"/-._~", "/-._~"},
        {"/\xe1\x88\xb4", "/%E1%88%B4"},
        {"/...", "/..."},
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        char wanted[64];
        wsrt_sigv4_request r = {.path = span_of(rows[i][0])};
        snprintf(wanted, sizeof wanted, "GET\n%s\n\n\n", rows[i][1]);
        ck_assert_str_eq(canonical_of(&r), wanted);
    }
}
END_TEST

START_TEST(a_path_that_aws_would_rewrite_is_refused)
{
    static const char *const rows[] = {"//", "/a//b", "/.", "/..", "/a/./b", "/a/../b", "a"};

    for (size_t i = 0; i < COUNT(rows); i++) {
        char signature[WSRT_SHA256_HEX];
        unsigned char key[WSRT_SHA256_LEN] = {0};
        struct request q;
        load(&q, &vectors[0]);
        q.r.path = span_of(rows[i]);
        ck_assert_msg(wsrt_sigv4_sign(&q.r, &q.scope, key, signature) == WSRT_ERR_INVALID, "%s",
                      rows[i]);
    }
}
END_TEST

START_TEST(a_query_is_encoded_anew_and_sorted)
{
    static const char *const rows[][2] = {
        {"", ""},
        {"b=2&a=1", "a=1&b=2"},
        {"a=2&a=1&a", "a=&a=1&a=2"},
        {"a-=1&a=1", "a=1&a-=1"},
        {"B=1&a=1", "B=1&a=1"},
        {"k=%7e%2f&k=a/b", "k=a%2Fb&k=~%2F"},
        {"a=b=c", "a=b%3Dc"},
        {"a=1+2&b=1%202", "a=1%2B2&b=1%202"},
        {"&&a=1&", "a=1"},
        {"a=%", "a=%25"},
        {"a=%4", "a=%254"},
        {"a=%zz", "a=%25zz"},
        {"=v", "=v"},
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        char wanted[64];
        char *query = guarded_copy(rows[i][0], strlen(rows[i][0]));
        wsrt_sigv4_request r = {.query = {query, strlen(rows[i][0])}};
        snprintf(wanted, sizeof wanted, "GET\n/\n%s\n\n", rows[i][1]);
        ck_assert_str_eq(canonical_of(&r), wanted);
        guarded_free(query, strlen(rows[i][0]));
    }
}
END_TEST

START_TEST(fields_are_sorted_by_name_and_their_blanks_squeezed)
{
    wsrt_http_field fields[] = {
        {TEXT("X-Ab"), TEXT("1")}, {TEXT("x-a"), TEXT("  a \t b  c ")},
        {TEXT("HOST"), TEXT("h")}, {TEXT("X-A"), TEXT("z")},
        {TEXT("x-a"), TEXT("")},   {TEXT("Empty"), TEXT("   ")},
    };
    wsrt_sigv4_request r = {.fields = fields, .field_count = COUNT(fields)};

    ck_assert_str_eq(canonical_of(&r), "GET\n/\n\nempty:\nhost:h\nx-a:a b c,z,\nx-ab:1\n\n"
                                       "empty;host;x-a;x-ab");
}
END_TEST

START_TEST(too_many_fields_or_parameters_are_refused)
{
    static wsrt_http_field fields[WSRT_HTTP_FIELDS_MAX + 1];
    char query[2 * (WSRT_SIGV4_PARAMETERS + 1)], text[4096];
    struct request q;
    size_t len;

    memset(query, '&', sizeof query);
    for (size_t i = 0; i < sizeof query; i += 2)
        query[i] = 'a';
    load(&q, &vectors[0]);
    q.r.query = (wsrt_span){query, sizeof query - 2};
    ck_assert_int_eq(wsrt_sigv4_canonical(&q.r, text, sizeof text, &len), WSRT_OK);
    q.r.query.len += 2;
    ck_assert_int_eq(wsrt_sigv4_canonical(&q.r, text, sizeof text, &len), WSRT_ERR_LIMIT);
    load(&q, &vectors[0]);
    q.r.fields = fields;
    q.r.field_count = COUNT(fields);
    ck_assert_int_eq(wsrt_sigv4_canonical(&q.r, text, sizeof text, &len), WSRT_ERR_LIMIT);
}
END_TEST

START_TEST(times_are_written_as_dates)
{
    static const struct {
        int64_t wall;
        const char *text;
    } rows[] = {
        {-5, "19700101T000000Z"},
        {951782399999, "20000228T235959Z"},
        {951782400000, "20000229T000000Z"},
        {1440938160000, "20150830T123600Z"},
        {1767323045999, "20260102T030405Z"},
        {4107542400000, "21000301T000000Z"},
        {253402300799999, "99991231T235959Z"},
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        char text[WSRT_SIGV4_TIME + 1] = {0};
        wsrt_sigv4_time(text, rows[i].wall);
        ck_assert_str_eq(text, rows[i].text);
    }
}
END_TEST

Suite *suite(void)
{
    Suite *s = suite_create("sigv4");
    TCase *t = tcase_create("sigv4");

    tcase_add_test(t, sha256_of_the_published_vectors);
    tcase_add_test(t, sha256_is_the_same_however_the_bytes_arrive);
    tcase_add_test(t, sha256_leaves_no_trace_of_what_it_took);
    tcase_add_test(t, hmac_of_the_published_vectors);
    tcase_add_loop_test(t, a_request_is_signed_as_the_vectors_say, 0, COUNT(vectors));
    tcase_add_test(t, the_authorization_names_scope_and_fields);
    tcase_add_test(t, a_path_is_escaped_once_more_than_on_the_wire);
    tcase_add_test(t, a_path_that_aws_would_rewrite_is_refused);
    tcase_add_test(t, a_query_is_encoded_anew_and_sorted);
    tcase_add_test(t, fields_are_sorted_by_name_and_their_blanks_squeezed);
    tcase_add_test(t, too_many_fields_or_parameters_are_refused);
    tcase_add_test(t, times_are_written_as_dates);
    suite_add_tcase(s, t);
    return s;
}
