/* A token that a client sends is never told: not in issues, not in logs, not in answers. As the name
 * of a member it is told only to those who ask for names. */
#include "suite.h"

#include <wsrt/json.h>
#include <wsrt/mock.h>
#include <wsrt/schema.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const names[] = {"message",       "message-auth",  "message-chat",
                                    "message-ping",  "message-basic", "message-dashboard",
                                    "message-action"};
enum { NAMES = sizeof names / sizeof names[0] };

/* Nothing is unknown to be right or wrong in this one: every kind of rule fails somewhere. */
static const char strict[] =
    "{\"additionalProperties\":false,\"properties\":{\"type\":{\"enum\":[1,\"x\"]},\"action\":{"
    "\"const\":2},\"message\":{\"maxLength\":3,\"pattern\":\"^a\",\"x-wsrt-maxBytes\":2},\"token\":"
    "{\"format\":\"date\",\"type\":\"number\"},\"sessionId\":{\"anyOf\":[{\"type\":\"null\"},"
    "{\"minLength\":999}]},\"correlationId\":{\"not\":{\"type\":\"string\"}},\"data\":{"
    "\"propertyNames\":{\"maxLength\":1},\"patternProperties\":{\"^.\":{\"type\":\"null\"}},"
    "\"minProperties\":9},\"filter\":{\"uniqueItems\":true,\"items\":{\"type\":\"null\"},"
    "\"contains\":{\"type\":\"object\"}},\"snapshot\":{\"oneOf\":[true,true]}}}";

/* Where a value or a name may stand: %s. A type that leads to each branch comes before. */
static const char *const places[] = {
    "{\"type\":%s,\"data\":{\"action\":\"a\"}}",
    "{\"type\":\"auth\",\"data\":%s}",
    "{\"type\":\"ping\",\"action\":%s,\"data\":{\"action\":%s}}",
    ("{\"type\":\"message\",\"action\":\"chat_message\",\"message\":%s,\"data\":{\"action\":\"a\","
     "\"message\":%s,\"message\":%s}}"),
    "{\"type\":\"auth\",\"action\":\"auth\",\"token\":%s,\"data\":{\"action\":\"a\",\"token\":%s}}",
    "{\"type\":\"auth\",\"sessionId\":%s,\"data\":{\"action\":\"a\",\"sessionId\":%s}}",
    "{\"type\":\"subscribe\",\"filter\":%s,\"data\":{\"filter\":%s,\"snapshot\":%s}}",
    "{\"type\":\"ping\",\"correlationId\":%s,\"snapshot\":%s,\"data\":{\"action\":\"\"}}",
    "%s",
    "[%s,%s]",
};
/* A correlation id is what a client wants to find in answers and logs again. */
enum { PLACES = sizeof places / sizeof places[0], CORRELATION = 7, FORMS = 6 };

static char token[33];
static const char *value_forms[FORMS] = {"\"%s\"",         "\"%s !\"",      "[\"%s\",\"%s\"]",
                                         "{\"x\":\"%s\"}", "\"%s\\u0000\"", "%s"};
static const char *name_forms[2] = {"{\"%s\":1}", "{\"x\":{\"%s\":1},\"%s\":1,\"%s\":1}"};

/* Another one in each run. */
static void make_token(void)
{
    unsigned char bytes[16];
    FILE *f = fopen("/dev/urandom", "rb");

    ck_assert_ptr_nonnull(f);
    ck_assert_uint_eq(fread(bytes, 1, sizeof bytes, f), sizeof bytes);
    fclose(f);
    for (size_t i = 0; i < sizeof bytes; i++)
        sprintf(token + 2 * i, "%02x", bytes[i]);
}

/* Replaces each %s by `text`. */
static char *filled(const char *form, const char *text)
{
    char *out = malloc(2000), *end = out;

    while (*form != '\0')
        if (form[0] == '%') {
            end += sprintf(end, "%s", text);
            form += 2;
        } else {
            *end++ = *form++;
        }
    *end = '\0';
    return out;
}

/* Eight characters of it are enough to be a leak. */
static int shows(const char *text, size_t len)
{
    for (size_t i = 0; len >= 8 && i <= len - 8; i++)
        for (size_t k = 0; k + 8 < sizeof token; k++)
            if (memcmp(text + i, token + k, 8) == 0)
                return 1;
    return 0;
}

static int shows_span(wsrt_span s)
{
    return s.ptr != NULL && shows(s.ptr, s.len);
}

static int pointer_shows(const wsrt_schema *s, const char *message, const wsrt_issue *issue,
                         uint32_t flags)
{
    char pointer[512], where[512];
    size_t len = 0, size = 0;

    wsrt_issue_pointer(s, message, strlen(message), issue, flags, pointer, sizeof pointer, &len);
    wsrt_issue_schema_pointer(s, issue, where, sizeof where, &size);
    return shows(pointer, len) || shows(where, size);
}

/* What is told of a message, in both modes: issues found; how many show the token, and how many do
 * when names are asked for. */
struct told {
    size_t issues;
    size_t shown;
    size_t shown_with_names;
};

static void tell(const wsrt_schema *s, const char *message, uint32_t flags, struct told *out)
{
    static unsigned char scratch[1 << 16];
    static char text[1 << 16];
    wsrt_validate_options o = {.struct_size = sizeof o, .flags = flags};
    wsrt_issue issues[32];
    wsrt_validation v = {.struct_size = sizeof v, .issues = issues, .issue_cap = 32};
    wsrt_json_writer w;
    size_t len;

    v.scratch = scratch;
    v.scratch_cap = sizeof scratch;
    ck_assert_int_ne(wsrt_validate(s, message, strlen(message), &o, &v), WSRT_ERR_INVALID);
    for (size_t i = 0; i < v.issue_count; i++) {
        const wsrt_issue *one = &issues[i];
        out->shown +=
            (size_t)(shows(one->text_cstr, strlen(one->text_cstr)) +
                     shows(one->keyword_cstr, strlen(one->keyword_cstr)) + shows_span(one->limit) +
                     shows_span(one->member) + pointer_shows(s, message, one, 0));
        out->shown_with_names += (size_t)pointer_shows(s, message, one, WSRT_VALIDATE_SHOW_NAMES);
    }
    wsrt_json_writer_init(&w, text, sizeof text, 0);
    wsrt_issues_write(&w, s, message, strlen(message), &v);
    ck_assert_int_eq(wsrt_json_finish(&w, &len), WSRT_OK);
    out->shown += (size_t)shows(text, len);
    out->issues += v.issue_count;
}

static struct told tell_all(const wsrt_schema *s, const char *const *forms, size_t count)
{
    struct told out = {0};

    for (size_t i = 0; i < PLACES; i++)
        for (size_t k = 0; k < count; k++) {
            char *value = filled(forms[k], token), *message = filled(places[i], value);
            tell(s, message, 0, &out);
            tell(s, message, WSRT_VALIDATE_COLLECT_ALL, &out);
            tell(s, message, WSRT_VALIDATE_REJECT_UNKNOWN_DUPLICATES, &out);
            free(message);
            free(value);
        }
    return out;
}

static wsrt_schema *schema_at(size_t i)
{
    wsrt_schema_options o = {.struct_size = sizeof o, .flags = WSRT_SCHEMA_ASSERT_FORMAT};
    wsrt_schema *s;

    ck_assert_int_eq(i < NAMES ? wsrt_schema_builtin(&s, names[i], NULL)
                               : wsrt_schema_new(&s, strict, sizeof strict - 1, &o, NULL),
                     WSRT_OK);
    return s;
}

START_TEST(a_token_as_any_members_value_is_in_no_issue_row_75)
{
    make_token();
    for (size_t i = 0; i <= NAMES; i++) {
        wsrt_schema *s = schema_at(i);
        struct told told = tell_all(s, value_forms, FORMS);
        ck_assert_uint_gt(told.issues, 100);
        ck_assert_uint_eq(told.shown, 0);
        ck_assert_uint_eq(told.shown_with_names, 0);
        wsrt_schema_free(s);
    }
}
END_TEST

START_TEST(a_token_as_a_name_is_told_to_those_who_ask_for_names_only_row_75)
{
    make_token();
    wsrt_schema *s = schema_at(NAMES);
    struct told told = tell_all(s, name_forms, 2);
    ck_assert_uint_eq(told.shown, 0);
    ck_assert_uint_gt(told.shown_with_names, 0);
    wsrt_schema_free(s);
    for (size_t i = 0; i < NAMES; i++) {
        s = schema_at(i);
        ck_assert_uint_eq(tell_all(s, name_forms, 2).shown, 0);
        wsrt_schema_free(s);
    }
}
END_TEST

/* ---- what a runtime writes ------------------------------------------------------------------- */

static int take(wsrt_context *ctx, const wsrt_request *req, void *user)
{
    (void)ctx;
    (void)req;
    (void)user;
    return WSRT_OK;
}

static void expect_silence(wsrt_mock *m)
{
    for (size_t i = 0; i < wsrt_mock_count(m, 0); i++) {
        wsrt_mock_record r = {.struct_size = sizeof r};
        ck_assert_int_eq(wsrt_mock_get(m, 0, i, &r), WSRT_OK);
        ck_assert_msg(!shows_span(r.data), "%d: %.*s", r.kind, (int)r.data.len, r.data.ptr);
        for (size_t k = 0; k < r.field_count; k++)
            ck_assert(!shows_span(r.fields[k].text));
        for (size_t k = 0; k < r.header_count; k++)
            ck_assert(!shows_span(r.headers[k].value));
    }
}

START_TEST(a_token_in_a_refused_message_is_in_no_log_line_and_no_answer)
{
    wsrt_runtime *rt;
    wsrt_mock *m;
    wsrt_schema *s = schema_at(0);
    wsrt_route route = {.struct_size = sizeof route, .schema = s, .handler = take};
    size_t refused = 0;

    make_token();
    route.key = wsrt_span_cstr("$default");
    wsrt_runtime_options o = {.struct_size = sizeof o, .flags = WSRT_RUNTIME_NO_LIMITS};
    ck_assert_int_eq(wsrt_mock_new(&m, NULL), WSRT_OK);
    ck_assert_int_eq(wsrt_mock_runtime(&rt, m, &o), WSRT_OK);
    ck_assert_int_eq(wsrt_runtime_route(rt, &route), WSRT_OK);
    ck_assert_int_eq(wsrt_mock_connect(m, rt, "c1", NULL), 200);
    for (size_t i = 0; i < PLACES; i++)
        for (size_t k = 0; k < FORMS + 2 && i != CORRELATION; k++) {
            char *value = filled(k < FORMS ? value_forms[k] : name_forms[k - FORMS], token);
            char *message = filled(places[i], value);
            refused += wsrt_mock_message(m, rt, "c1", message) != 200;
            free(message);
            free(value);
        }
    ck_assert_uint_gt(refused, 20);
    ck_assert_uint_gt(wsrt_mock_count(m, WSRT_MOCK_LOG), 0);
    expect_silence(m);
    wsrt_runtime_free(rt);
    wsrt_mock_free(m);
    wsrt_schema_free(s);
}
END_TEST

Suite *suite(void)
{
    Suite *s = suite_create("schema_canary");
    TCase *t = tcase_create("canary");

    tcase_set_timeout(t, 60);
    tcase_add_test(t, a_token_as_any_members_value_is_in_no_issue_row_75);
    tcase_add_test(t, a_token_as_a_name_is_told_to_those_who_ask_for_names_only_row_75);
    tcase_add_test(t, a_token_in_a_refused_message_is_in_no_log_line_and_no_answer);
    suite_add_tcase(s, t);
    return s;
}
