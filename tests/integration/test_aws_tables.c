/* The stores of libwsrt-aws against a DynamoDB on the loopback that says what a test wants: requests to
 * the letter, each answer of the service, and what is no answer. */
#include "aws_rig.h"
#include "heap.h"
#include "suite.h"

#include <wsrt/runtime.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(a) (sizeof(a) / sizeof(a)[0])

enum { NOW = AWS_WALL };

static struct aws_rig r;

/* A rig that plays `steps`. */
static void open_with(int shape, const struct aws_step *steps, size_t count)
{
    aws_rig_start(&r, aws_serve);
    r.script.steps = steps;
    r.script.step_count = count;
    r.script.sums = 1;
    aws_rig_tables(&r, NULL, shape);
}

static void close_rig(void)
{
    ck_assert_int_eq(r.script.unsigned_ones, 0);
    aws_rig_close(&r);
}

static wsrt_record record(void)
{
    return (wsrt_record){.struct_size = sizeof(wsrt_record),
                         .connection_id = wsrt_span_cstr("c1="),
                         .user_id = wsrt_span_cstr("ann"),
                         .connected_at = 1795168800001,
                         .last_active_at = 1795168800002,
                         .expires_at = NOW + 600};
}

static wsrt_history_entry entry(void)
{
    return (wsrt_history_entry){.struct_size = sizeof(wsrt_history_entry),
                                .author = WSRT_AUTHOR_BOT,
                                .message_id = wsrt_span_cstr("m1"),
                                .session_id = wsrt_span_cstr("s1"),
                                .content = wsrt_span_cstr("h\xc3\xa9"),
                                .timestamp = 1795168800003,
                                .expires_at = NOW + 86400};
}

/* ---- words: each does one thing to the stores ------------------------------------------------ */

static char buffer[98304];

static int do_put(void)
{
    wsrt_record in = record();

    return r.store.ops->put(r.store.self, &in, 0, NOW);
}

static int do_put_if_absent(void)
{
    wsrt_record in = record();

    return r.store.ops->put(r.store.self, &in, 1, NOW);
}

static int get_into(wsrt_record *out)
{
    wsrt_span id = wsrt_span_cstr("c1=");

    *out = (wsrt_record){.struct_size = sizeof *out};
    return r.store.ops->get(r.store.self, &id, NOW, out, buffer, sizeof buffer);
}

static int do_get(void)
{
    wsrt_record out;

    return get_into(&out);
}

static int do_remove(void)
{
    wsrt_span id = wsrt_span_cstr("c1=");

    return r.store.ops->remove(r.store.self, &id, 0);
}

static int do_remove_if(void)
{
    wsrt_span id = wsrt_span_cstr("c1=");

    return r.store.ops->remove(r.store.self, &id, 1795168800001);
}

static int do_touch(void)
{
    wsrt_span id = wsrt_span_cstr("c1=");

    return r.store.ops->touch(r.store.self, &id, (int64_t)NOW * 1000, NOW + 600);
}

static int do_touch_for_ever(void)
{
    wsrt_span id = wsrt_span_cstr("c1=");

    return r.store.ops->touch(r.store.self, &id, (int64_t)NOW * 1000, 0);
}

static int do_sign_in(void)
{
    wsrt_span id = wsrt_span_cstr("c1="), user = wsrt_span_cstr("ann"), who = wsrt_span_cstr("{}");

    return r.store.ops->set_principal(r.store.self, &id, &user, &who);
}

static int do_sign_out(void)
{
    wsrt_span id = wsrt_span_cstr("c1="), none = {0};

    return r.store.ops->set_principal(r.store.self, &id, &none, &none);
}

static int do_subscribe(void)
{
    wsrt_span id = wsrt_span_cstr("c1="), filters = wsrt_span_cstr("\xff\xfe");

    return r.store.ops->set_filters(r.store.self, &id, &filters);
}

/* More than fits where requests usually do. */
static int do_subscribe_much(void)
{
    static const char much[8192];
    wsrt_span id = wsrt_span_cstr("c1="), filters = {much, sizeof much};

    return r.store.ops->set_filters(r.store.self, &id, &filters);
}

static int walk_into(const char *user, uint32_t flags, wsrt_record *out, size_t max, size_t *n)
{
    wsrt_span name = wsrt_span_cstr(user);
    wsrt_cursor c = {0};

    out->struct_size = sizeof *out;
    return r.store.ops->each(r.store.self, user == NULL ? NULL : &name, flags, &c, NOW, out, max,
                             buffer, sizeof buffer, n);
}

static int do_walk(void)
{
    wsrt_record out[4];
    size_t n;

    return walk_into(NULL, 0, out, 4, &n);
}

static int do_walk_of_user(void)
{
    wsrt_record out[4];
    size_t n;

    return walk_into("ann", WSRT_EACH_BRIEF, out, 4, &n);
}

static int do_walk_signed_in(void)
{
    wsrt_record out[4];
    size_t n;

    return walk_into(NULL, WSRT_EACH_SIGNED_IN, out, 4, &n);
}

static int do_count(void)
{
    uint64_t n;

    return r.store.ops->count(r.store.self, NOW, &n);
}

static int do_append(void)
{
    wsrt_history_entry in = entry();

    return r.history.ops->append(r.history.self, &in);
}

static int do_list(void)
{
    wsrt_span session = wsrt_span_cstr("s1");
    wsrt_history_entry out[4] = {{.struct_size = sizeof out[0]}};
    wsrt_cursor c = {0};
    size_t n;

    return r.history.ops->list(r.history.self, &session, &c, NOW, out, 4, buffer, sizeof buffer,
                               &n);
}

/* ---- requests -------------------------------------------------------------------------------- */

#define KEY_A "\"PK\":{\"S\":\"CONNECTION#c1=\"},\"SK\":{\"S\":\"CONNECTION#c1=\"}"
#define KEY_B "\"connectionId\":{\"S\":\"c1=\"}"
#define TIMES                                                                                      \
    "\"connectedAt\":{\"N\":\"1795168800001\"},\"lastActiveAt\":{\"N\":\"1795168800002\"},"        \
    "\"ttl\":{\"N\":\"1795169400\"}"
#define LIVE "attribute_not_exists(#t) OR #t > :now"
#define NOW_VALUE "\":now\":{\"N\":\"1795168800\"}"
#define EMPTY_PAGE "{\"Items\":[],\"Count\":0}"

static const struct request_row {
    int (*act)(void);
    int shape;
    const char *operation, *body;
} request_rows[] = {
    {do_put, WSRT_AWS_SHAPE_A, "PutItem",
     "{\"TableName\":\"conn\",\"Item\":{" KEY_A
     ",\"connectionId\":{\"S\":\"c1=\"},\"userId\":{\"S\":\"ann\"}," TIMES "}}"},
    {do_put_if_absent, WSRT_AWS_SHAPE_B, "PutItem",
     "{\"TableName\":\"conn\",\"ConditionExpression\":\"attribute_not_exists(#p) OR #t <= :now\","
     "\"ExpressionAttributeNames\":{\"#p\":\"connectionId\",\"#t\":\"ttl\"},"
     "\"ExpressionAttributeValues\":{" NOW_VALUE "},\"Item\":{" KEY_B
     ",\"connected\":{\"S\":\"true\"},\"userId\":{\"S\":\"ann\"}," TIMES "}}"},
    {do_get, WSRT_AWS_SHAPE_A, "GetItem",
     "{\"TableName\":\"conn\",\"Key\":{" KEY_A "},\"ConsistentRead\":true}"},
    {do_remove, WSRT_AWS_SHAPE_B, "DeleteItem", "{\"TableName\":\"conn\",\"Key\":{" KEY_B "}}"},
    {do_remove_if, WSRT_AWS_SHAPE_B, "DeleteItem",
     "{\"TableName\":\"conn\",\"ConditionExpression\":\"#c = :c\",\"ExpressionAttributeNames\":{"
     "\"#c\":\"connectedAt\"},\"ExpressionAttributeValues\":{\":c\":{\"N\":\"1795168800001\"}},"
     "\"Key\":{" KEY_B "}}"},
    {do_touch, WSRT_AWS_SHAPE_B, "UpdateItem",
     "{\"TableName\":\"conn\",\"ConditionExpression\":\"attribute_exists(#p) AND (" LIVE
     ")\",\"UpdateExpression\":\"SET #a = :a, #t = :t\",\"ExpressionAttributeNames\":{\"#p\":"
     "\"connectionId\",\"#t\":\"ttl\",\"#a\":\"lastActiveAt\"},\"ExpressionAttributeValues\":"
     "{" NOW_VALUE ",\":a\":{\"N\":\"1795168800000\"},\":t\":{\"N\":\"1795169400\"}},"
     "\"Key\":{" KEY_B "}}"},
    {do_touch_for_ever, WSRT_AWS_SHAPE_B, "UpdateItem",
     "{\"TableName\":\"conn\",\"ConditionExpression\":\"attribute_exists(#p) AND (" LIVE
     ")\",\"UpdateExpression\":\"SET #a = :a REMOVE #t\",\"ExpressionAttributeNames\":{\"#p\":"
     "\"connectionId\",\"#t\":\"ttl\",\"#a\":\"lastActiveAt\"},\"ExpressionAttributeValues\":"
     "{" NOW_VALUE ",\":a\":{\"N\":\"1795168800000\"}},\"Key\":{" KEY_B "}}"},
    {do_sign_in, WSRT_AWS_SHAPE_B, "UpdateItem",
     "{\"TableName\":\"conn\",\"ConditionExpression\":\"attribute_exists(#p)\","
     "\"UpdateExpression\":\"SET #u = :u, #c = :c\",\"ExpressionAttributeNames\":{\"#p\":"
     "\"connectionId\",\"#u\":\"userId\",\"#c\":\"principal\"},\"ExpressionAttributeValues\":{"
     "\":u\":{\"S\":\"ann\"},\":c\":{\"B\":\"e30=\"}},\"Key\":{" KEY_B "}}"},
    {do_sign_out, WSRT_AWS_SHAPE_B, "UpdateItem",
     "{\"TableName\":\"conn\",\"ConditionExpression\":\"attribute_exists(#p)\","
     "\"UpdateExpression\":\"REMOVE #u, #c\",\"ExpressionAttributeNames\":{\"#p\":"
     "\"connectionId\",\"#u\":\"userId\",\"#c\":\"principal\"},\"Key\":{" KEY_B "}}"},
    {do_subscribe, WSRT_AWS_SHAPE_B, "UpdateItem",
     "{\"TableName\":\"conn\",\"ConditionExpression\":\"attribute_exists(#p)\","
     "\"UpdateExpression\":\"SET #f = :f\",\"ExpressionAttributeNames\":{\"#p\":"
     "\"connectionId\",\"#f\":\"filters\"},\"ExpressionAttributeValues\":{\":f\":{\"B\":"
     "\"//4=\"}},\"Key\":{" KEY_B "}}"},
    {do_walk, WSRT_AWS_SHAPE_A, "Scan",
     "{\"TableName\":\"conn\",\"FilterExpression\":\"begins_with(#p, :p) AND #p = #s AND (" LIVE
     ")\",\"ExpressionAttributeNames\":{\"#t\":\"ttl\",\"#p\":\"PK\",\"#s\":\"SK\"},"
     "\"ExpressionAttributeValues\":{" NOW_VALUE ",\":p\":{\"S\":\"CONNECTION#\"}},"
     "\"ConsistentRead\":true,\"Limit\":5}"},
    {do_walk_of_user, WSRT_AWS_SHAPE_A, "Query",
     "{\"TableName\":\"conn\",\"IndexName\":\"userId-index\",\"KeyConditionExpression\":"
     "\"#u = :u\",\"FilterExpression\":\"" LIVE "\",\"ProjectionExpression\":"
     "\"#p, #s, #u, #n, #a, #t\",\"ExpressionAttributeNames\":{\"#t\":\"ttl\",\"#u\":\"userId\","
     "\"#p\":\"PK\",\"#s\":\"SK\",\"#n\":\"connectedAt\",\"#a\":\"lastActiveAt\"},"
     "\"ExpressionAttributeValues\":{" NOW_VALUE ",\":u\":{\"S\":\"ann\"}},\"Limit\":5}"},
    {do_walk_signed_in, WSRT_AWS_SHAPE_B, "Query",
     "{\"TableName\":\"conn\",\"IndexName\":\"connected-index\",\"KeyConditionExpression\":"
     "\"#c = :c\",\"FilterExpression\":\"(" LIVE ") AND attribute_exists(#u)\","
     "\"ExpressionAttributeNames\":{\"#t\":\"ttl\",\"#c\":\"connected\",\"#u\":\"userId\"},"
     "\"ExpressionAttributeValues\":{" NOW_VALUE ",\":c\":{\"S\":\"true\"}},\"Limit\":5}"},
    {do_walk_of_user, WSRT_AWS_SHAPE_B, "Query",
     "{\"TableName\":\"conn\",\"IndexName\":\"connected-index\",\"KeyConditionExpression\":"
     "\"#c = :c\",\"FilterExpression\":\"(" LIVE ") AND #u = :u\",\"ProjectionExpression\":"
     "\"#p, #u, #n, #a, #t\",\"ExpressionAttributeNames\":{\"#t\":\"ttl\",\"#c\":\"connected\","
     "\"#u\":\"userId\",\"#p\":\"connectionId\",\"#n\":\"connectedAt\",\"#a\":\"lastActiveAt\"},"
     "\"ExpressionAttributeValues\":{" NOW_VALUE
     ",\":c\":{\"S\":\"true\"},\":u\":{\"S\":\"ann\"}},\"Limit\":5}"},
    {do_count, WSRT_AWS_SHAPE_A, "Scan",
     "{\"TableName\":\"conn\",\"FilterExpression\":\"begins_with(#p, :p) AND #p = #s AND (" LIVE
     ")\",\"ExpressionAttributeNames\":{\"#t\":\"ttl\",\"#p\":\"PK\",\"#s\":\"SK\"},"
     "\"ExpressionAttributeValues\":{" NOW_VALUE ",\":p\":{\"S\":\"CONNECTION#\"}},"
     "\"ConsistentRead\":true,\"Select\":\"COUNT\"}"},
    {do_count, WSRT_AWS_SHAPE_B, "Query",
     "{\"TableName\":\"conn\",\"IndexName\":\"connected-index\",\"KeyConditionExpression\":"
     "\"#c = :c\",\"FilterExpression\":\"" LIVE "\",\"ExpressionAttributeNames\":{\"#t\":\"ttl\","
     "\"#c\":\"connected\"},\"ExpressionAttributeValues\":{" NOW_VALUE
     ",\":c\":{\"S\":\"true\"}},\"Select\":\"COUNT\"}"},
    {do_append, WSRT_AWS_SHAPE_A, "PutItem",
     "{\"TableName\":\"msgs\",\"ConditionExpression\":\"attribute_not_exists(#s)\","
     "\"ExpressionAttributeNames\":{\"#s\":\"sessionId\"},\"Item\":{\"sessionId\":{\"S\":\"s1\"},"
     "\"timestamp#messageId\":{\"S\":\"1795168800003#m1\"},\"type\":{\"S\":\"bot\"},"
     "\"messageId\":{\"S\":\"m1\"},\"content\":{\"S\":\"h\xc3\xa9\"},"
     "\"timestamp\":{\"N\":\"1795168800003\"},\"ttl\":{\"N\":\"1795255200\"}}}"},
    {do_list, WSRT_AWS_SHAPE_A, "Query",
     "{\"TableName\":\"msgs\",\"KeyConditionExpression\":\"#s = :s\",\"FilterExpression\":\"" LIVE
     "\",\"ExpressionAttributeNames\":{\"#s\":\"sessionId\",\"#t\":\"ttl\"},"
     "\"ExpressionAttributeValues\":{\":s\":{\"S\":\"s1\"}," NOW_VALUE "},"
     "\"ScanIndexForward\":false,\"ConsistentRead\":true,\"Limit\":5}"},
};

START_TEST(each_operation_is_one_request_to_the_letter)
{
    static const struct aws_step steps[] = {{.status = 200, .body = EMPTY_PAGE}};
    const struct request_row *row = &request_rows[_i];

    open_with(row->shape, steps, COUNT(steps));
    int rc = row->act();
    ck_assert_int_eq(rc, row->act == do_get ? WSRT_ERR_NOT_FOUND : WSRT_OK);
    ck_assert_str_eq(r.script.targets[0], row->operation);
    ck_assert_str_eq(r.script.bodies[0], row->body);
    ck_assert_str_eq(r.script.last_method, "POST");
    ck_assert_str_eq(r.script.last_path, "/");
    ck_assert_str_eq(r.script.last_type, "application/x-amz-json-1.0");
    ck_assert_int_eq(fake_aws_requests(r.fake), 1);
    close_rig();
}
END_TEST

/* ---- answers --------------------------------------------------------------------------------- */

enum breaker { HEALTHY, FAILING, NOT_ASKED };

#define AMAZON "{\"__type\":\"com.amazonaws.dynamodb.v20120810#"
#define CORAL "{\"__type\":\"com.amazon.coral.service#"
#define SAYS "\",\"message\":\"as asked\"}"

static const struct answer_row {
    int status;
    const char *body;
    int result;   /* of a put */
    int requests; /* until that */
    enum breaker breaker;
} answer_rows[] = {
    {200, "{}", WSRT_OK, 1, HEALTHY},
    {400, AMAZON "ProvisionedThroughputExceededException" SAYS, WSRT_ERR_THROTTLED, 3, FAILING},
    {400, AMAZON "ThrottlingException" SAYS, WSRT_ERR_THROTTLED, 3, FAILING},
    {400, CORAL "ThrottlingException\",\"throttlingReasons\":[{}]}", WSRT_ERR_THROTTLED, 3,
     FAILING},
    {400, AMAZON "RequestLimitExceeded" SAYS, WSRT_ERR_THROTTLED, 3, FAILING},
    {429, "", WSRT_ERR_THROTTLED, 3, FAILING},
    {400, AMAZON "TransactionConflictException" SAYS, WSRT_ERR_INTERNAL, 3, NOT_ASKED},
    {400, AMAZON "TransactionInProgressException" SAYS, WSRT_ERR_INTERNAL, 3, NOT_ASKED},
    {409, AMAZON "ReplicatedWriteConflictException" SAYS, WSRT_ERR_INTERNAL, 3, NOT_ASKED},
    {400, AMAZON "ItemCollectionSizeLimitExceededException" SAYS, WSRT_ERR_LIMIT, 1, NOT_ASKED},
    {400, AMAZON "ResourceNotFoundException" SAYS, WSRT_ERR_INTERNAL, 1, NOT_ASKED},
    {400, CORAL "ValidationException" SAYS, WSRT_ERR_INTERNAL, 1, NOT_ASKED},
    {400, "{\"__type\":\"com.amazon.coral.validate#ValidationException\",\"Message\":\"x\"}",
     WSRT_ERR_INTERNAL, 1, NOT_ASKED},
    {400, CORAL "SerializationException\"}", WSRT_ERR_INTERNAL, 1, NOT_ASKED},
    {400, CORAL "AccessDeniedException" SAYS, WSRT_ERR_INTERNAL, 1, NOT_ASKED},
    {400, CORAL "UnrecognizedClientException" SAYS, WSRT_ERR_INTERNAL, 1, NOT_ASKED},
    {400, CORAL "MissingAuthenticationTokenException" SAYS, WSRT_ERR_INTERNAL, 1, NOT_ASKED},
    {400, CORAL "IncompleteSignatureException" SAYS, WSRT_ERR_INTERNAL, 1, NOT_ASKED},
    {400, CORAL "InvalidSignatureException" SAYS, WSRT_ERR_INTERNAL, 1, NOT_ASKED},
    {400, CORAL "ExpiredTokenException" SAYS, WSRT_ERR_INTERNAL, 2, NOT_ASKED},
    {403, "", WSRT_ERR_INTERNAL, 1, NOT_ASKED},
    {413, "<html>", WSRT_ERR_INTERNAL, 1, NOT_ASKED},
    {302, "", WSRT_ERR_UNAVAILABLE, 1, FAILING},
    {500, AMAZON "InternalServerError" SAYS, WSRT_ERR_UNAVAILABLE, 3, FAILING},
    {500, "", WSRT_ERR_UNAVAILABLE, 3, FAILING},
    {502, "<html>", WSRT_ERR_UNAVAILABLE, 3, FAILING},
    {503, "", WSRT_ERR_UNAVAILABLE, 3, FAILING},
    {504, "", WSRT_ERR_UNAVAILABLE, 3, FAILING},
};

START_TEST(each_answer_has_its_result_and_is_asked_for_again_or_not)
{
    const struct answer_row *row = &answer_rows[_i];
    const struct aws_step steps[] = {{.status = row->status, .body = row->body}};

    open_with(WSRT_AWS_SHAPE_A, steps, COUNT(steps));
    ck_assert_int_eq(do_put(), row->result);
    ck_assert_int_eq(fake_aws_requests(r.fake), row->requests);
    close_rig();
}
END_TEST

static void keep_status(const wsrt_response *response, void *user)
{
    *(int *)user = response->status;
}

/* A client that connects, seen by the breaker and by the client. */
START_TEST(each_answer_counts_for_the_breaker_as_it_should)
{
    const struct answer_row *row = &answer_rows[_i];
    const struct aws_step steps[] = {{.status = row->status, .body = row->body}};
    wsrt_runtime_options parts = {.struct_size = sizeof parts, .store = &r.store};
    wsrt_event connect = {.struct_size = sizeof connect,
                          .kind = WSRT_EVENT_CONNECT,
                          .connection_id = wsrt_span_cstr("c1=")};
    wsrt_breaker_stats stats = {.struct_size = sizeof stats};
    wsrt_breaker *b;
    wsrt_runtime *rt;
    int status = 0;

    open_with(WSRT_AWS_SHAPE_A, steps, COUNT(steps));
    ck_assert_int_eq(wsrt_runtime_new(&rt, &parts), WSRT_OK);
    wsrt_runtime_dispatch(rt, &connect, keep_status, &status);
    ck_assert_int_eq(wsrt_breakers_find(wsrt_runtime_breakers(rt), wsrt_span_cstr("dynamodb"),
                                        wsrt_span_cstr("storeConnection"), &b),
                     WSRT_OK);
    ck_assert_int_eq(wsrt_breaker_get_stats(b, wsrt_runtime_env(rt)->now(NULL), 0, &stats),
                     WSRT_OK);
    wsrt_breaker_release_ref(b);
    ck_assert_uint_eq(stats.success_count, row->breaker == HEALTHY);
    ck_assert_uint_eq(stats.failure_count, row->breaker == FAILING);
    ck_assert_uint_eq(stats.ignored, row->breaker == NOT_ASKED);
    ck_assert_int_eq(status, row->result == WSRT_OK ? 200 : 500);
    wsrt_runtime_free(rt);
    close_rig();
}
END_TEST

static const struct {
    int (*act)(void);
    int result;
} condition_rows[] = {
    {do_put_if_absent, WSRT_ERR_EXISTS}, {do_remove_if, WSRT_OK},
    {do_touch, WSRT_ERR_NOT_FOUND},      {do_sign_in, WSRT_ERR_NOT_FOUND},
    {do_subscribe, WSRT_ERR_NOT_FOUND},  {do_append, WSRT_OK},
};

START_TEST(a_condition_that_is_not_met_is_an_answer)
{
    static const struct aws_step steps[] = {
        {.status = 400, .body = AMAZON "ConditionalCheckFailedException" SAYS}};

    open_with(WSRT_AWS_SHAPE_A, steps, COUNT(steps));
    ck_assert_int_eq(condition_rows[_i].act(), condition_rows[_i].result);
    ck_assert_int_eq(fake_aws_requests(r.fake), 1);
    close_rig();
}
END_TEST

START_TEST(trouble_that_passes_is_not_seen)
{
    static const struct aws_step rows[] = {
        {.status = 400, .body = AMAZON "ProvisionedThroughputExceededException" SAYS},
        {.status = 500},
        {.status = 200, .fields = "x-amz-crc32: 1\r\n"},
        {.status = 200, .manner = FAKE_TRUNCATED},
        {.status = 200, .manner = FAKE_CLOSE}};
    const struct aws_step steps[] = {rows[_i], rows[_i], {.status = 200}};

    open_with(WSRT_AWS_SHAPE_A, steps, COUNT(steps));
    r.script.sums = 0;
    ck_assert_int_eq(do_put(), WSRT_OK);
    ck_assert_int_eq(fake_aws_requests(r.fake), 3);
    close_rig();
}
END_TEST

/* The sum of {} is 2745614147. */
START_TEST(an_answer_is_taken_with_the_right_sum_or_none)
{
    static const struct {
        const char *fields;
        int result;
    } rows[] = {
        {NULL, WSRT_OK},
        {"x-amz-crc32: 2745614147\r\n", WSRT_OK},
        {"X-Amz-CRC32:2745614147\r\n", WSRT_OK},
        {"x-amz-crc32: 2745614146\r\n", WSRT_ERR_CORRUPT},
        {"x-amz-crc32: 27456141470\r\n", WSRT_ERR_CORRUPT},
        {"x-amz-crc32: a3a6bf43\r\n", WSRT_ERR_CORRUPT},
        {"x-amz-crc32: -1\r\n", WSRT_ERR_CORRUPT},
    };
    const struct aws_step steps[] = {{.status = 200, .fields = rows[_i].fields}};

    open_with(WSRT_AWS_SHAPE_A, steps, COUNT(steps));
    r.script.sums = 0;
    ck_assert_int_eq(do_put(), rows[_i].result);
    ck_assert_int_eq(fake_aws_requests(r.fake), rows[_i].result == WSRT_OK ? 1 : 3);
    close_rig();
}
END_TEST

static char logged[512];

static void keep_log(void *user, int level, const char *event, const wsrt_field *fields,
                     size_t count)
{
    (void)user;
    (void)count;
    snprintf(logged, sizeof logged, "%d %s: %.*s", level, event, (int)fields[0].text.len,
             fields[0].text.ptr);
}

START_TEST(a_refusal_is_logged_in_the_services_words_and_health_is_not)
{
    static const struct {
        struct aws_step step;
        const char *line;
    } rows[] = {
        {{.status = 400, .body = AMAZON "ResourceNotFoundException" SAYS},
         "aws.table_refused: ResourceNotFoundException: as asked"},
        {{.status = 400, .body = CORAL "ValidationException\",\"Message\":\"no\"}"},
         "aws.table_refused: ValidationException: no"},
        {{.status = 403}, "aws.table_refused: "},
        {{.status = 503}, ""},
        {{.status = 400, .body = AMAZON "ConditionalCheckFailedException" SAYS}, ""},
    };
    char wanted[128] = "";

    aws_rig_start(&r, aws_serve);
    logged[0] = '\0';
    r.env.log = keep_log;
    r.script.steps = &rows[_i].step;
    r.script.step_count = 1;
    aws_rig_tables(&r, NULL, WSRT_AWS_SHAPE_A);
    ck_assert_int_ne(do_put_if_absent(), WSRT_OK);
    if (rows[_i].line[0] != '\0')
        snprintf(wanted, sizeof wanted, "%d %s", WSRT_LEVEL_ERROR, rows[_i].line);
    ck_assert_str_eq(logged, wanted);
    close_rig();
}
END_TEST

/* ---- what is no answer ----------------------------------------------------------------------- */

#define DEEP "[[[[[[[[[[[[[[[["
#define DEEPER DEEP DEEP DEEP DEEP DEEP

static const struct {
    int (*act)(void);
    const char *body;
    enum fake_manner manner;
    int result, requests;
} hostile_rows[] = {
    {do_get, "", FAKE_PLAIN, WSRT_ERR_CORRUPT, 1},
    {do_get, "{\"Item\":", FAKE_PLAIN, WSRT_ERR_CORRUPT, 1},
    {do_get, "[]", FAKE_PLAIN, WSRT_ERR_CORRUPT, 1},
    {do_get, "<html>", FAKE_CHUNKED, WSRT_ERR_CORRUPT, 1},
    {do_get, "{\"Item\":" DEEPER, FAKE_PLAIN, WSRT_ERR_CORRUPT, 1},
    {do_get, "{\"Item\":7}", FAKE_PLAIN, WSRT_ERR_CORRUPT, 1},
    {do_get, "{\"Item\":{}}", FAKE_PLAIN, WSRT_ERR_CORRUPT, 1},
    {do_get, "{\"Item\":{\"PK\":{\"N\":\"1\"},\"SK\":7}}", FAKE_PLAIN, WSRT_ERR_CORRUPT, 1},
    {do_get, "{}", FAKE_CHUNKED, WSRT_ERR_NOT_FOUND, 1},
    {do_get, "{}", FAKE_TRUNCATED, WSRT_ERR_UNAVAILABLE, 3},
    {do_get, "{}", FAKE_ENDLESS, WSRT_ERR_CORRUPT, 1},
    {do_walk, "{}", FAKE_PLAIN, WSRT_ERR_CORRUPT, 1},
    {do_walk, "{\"Items\":{}}", FAKE_PLAIN, WSRT_ERR_CORRUPT, 1},
    {do_walk, "{\"Items\":[1,{},null]}", FAKE_PLAIN, WSRT_OK, 1},
    {do_walk, "{\"Items\":[],\"LastEvaluatedKey\":7}", FAKE_PLAIN, WSRT_OK, 1},
    {do_count, "{\"Count\":-1}", FAKE_PLAIN, WSRT_ERR_CORRUPT, 1},
    {do_count, "{\"Count\":\"1\"}", FAKE_PLAIN, WSRT_ERR_CORRUPT, 1},
    {do_list, "{\"Items\":7}", FAKE_PLAIN, WSRT_ERR_CORRUPT, 1},
    {do_list, "{\"Items\":[{\"sessionId\":{\"S\":\"s1\"}}]}", FAKE_PLAIN, WSRT_OK, 1},
};

START_TEST(what_is_no_answer_is_told_and_nothing_is_read_from_it)
{
    const struct aws_step steps[] = {
        {.status = 200, .body = hostile_rows[_i].body, .manner = hostile_rows[_i].manner}};

    open_with(WSRT_AWS_SHAPE_A, steps, COUNT(steps));
    ck_assert_int_eq(hostile_rows[_i].act(), hostile_rows[_i].result);
    ck_assert_int_eq(fake_aws_requests(r.fake), hostile_rows[_i].requests);
    close_rig();
}
END_TEST

START_TEST(a_service_that_stops_in_the_middle_times_out)
{
    const struct aws_step steps[] = {
        {.status = 200, .manner = _i == 0 ? FAKE_SILENT : FAKE_STALLED}};

    aws_rig_start(&r, aws_serve);
    wsrt_aws_options o = aws_rig_options(&r);
    o.timeout_ms = 400; /* the service has to hear of each, on a busy machine too */
    o.attempts = 2;
    r.script.steps = steps;
    r.script.step_count = 1;
    aws_rig_tables(&r, &o, WSRT_AWS_SHAPE_A);
    ck_assert_int_eq(do_put(), WSRT_ERR_TIMEOUT);
    ck_assert_int_eq(fake_aws_requests(r.fake), 2);
    close_rig();
}
END_TEST

static int64_t now_ns;

/* A clock that a second passes at each look. */
static int64_t hurried_now(void *user)
{
    (void)user;
    return now_ns += 1000000000;
}

START_TEST(a_walk_that_never_ends_is_ended_by_its_time)
{
    static const struct aws_step steps[] = {
        {.status = 200, .body = "{\"Items\":[],\"Count\":0,\"LastEvaluatedKey\":{}}"}};
    int (*const acts[])(void) = {do_walk, do_count, do_list};

    aws_rig_start(&r, aws_serve);
    r.env.now = hurried_now;
    wsrt_aws_options o = aws_rig_options(&r);
    r.script.steps = steps;
    r.script.step_count = 1;
    aws_rig_tables(&r, &o, WSRT_AWS_SHAPE_A);
    ck_assert_int_eq(acts[_i](), WSRT_ERR_TIMEOUT);
    ck_assert_int_le(fake_aws_requests(r.fake), 5);
    close_rig();
}
END_TEST

START_TEST(nobody_listening_is_unavailable)
{
    static const struct aws_step steps[] = {{.status = 200}};

    open_with(WSRT_AWS_SHAPE_A, steps, COUNT(steps));
    fake_aws_stop(r.fake);
    ck_assert_int_eq(do_put(), WSRT_ERR_UNAVAILABLE);
    r.fake = fake_aws_start(aws_serve, &r.script);
    close_rig();
}
END_TEST

/* ---- signatures ------------------------------------------------------------------------------ */

START_TEST(a_clock_ten_minutes_off_is_put_right_once)
{
    static const struct aws_step steps[] = {
        {.status = 400,
         .body = CORAL "InvalidSignatureException" SAYS,
         .fields = "Date: Fri, 20 Nov 2026 10:10:00 GMT\r\n"},
        {.status = 200, .fields = "Date: Fri, 20 Nov 2026 10:10:00 GMT\r\n"}};

    open_with(WSRT_AWS_SHAPE_A, steps, COUNT(steps));
    ck_assert_int_eq(do_put(), WSRT_OK);
    ck_assert_str_eq(r.script.last_date, "20261120T101000Z");
    ck_assert_int_eq(fake_aws_requests(r.fake), 2);
    ck_assert_int_eq(do_put(), WSRT_OK);
    ck_assert_str_eq(r.script.last_date, "20261120T101000Z");
    ck_assert_int_eq(fake_aws_requests(r.fake), 3);
    close_rig();
}
END_TEST

/* A container's endpoint at /creds and DynamoDB, which takes the second credentials only. */
static void expire_first(void *user, const struct fake_request *q, struct fake_answer *answer)
{
    struct aws_script *s = user;

    if (q->head->path.len > 1) {
        snprintf(answer->body, sizeof answer->body,
                 "{\"AccessKeyId\":\"AK%d\",\"SecretAccessKey\":\"S\",\"Token\":\"T%d\","
                 "\"Expiration\":\"2026-11-20T18:00:00Z\"}",
                 s->only_first, s->only_first);
        s->only_first++;
        return;
    }
    answer->status = fake_field_is(q, "x-amz-security-token", "T1") ? 200 : 400;
    strcpy(answer->body, answer->status == 200 ? "{}" : CORAL "ExpiredTokenException" SAYS);
}

START_TEST(credentials_that_have_expired_are_asked_for_again)
{
    char url[80];

    aws_rig_start(&r, expire_first);
    snprintf(url, sizeof url, "%s/creds", r.url);
    setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", url, 1);
    wsrt_aws_options o = aws_rig_options(&r);
    o.access_key = o.secret_key = (wsrt_span){0};
    aws_rig_tables(&r, &o, WSRT_AWS_SHAPE_A);
    ck_assert_int_eq(do_put(), WSRT_OK);
    ck_assert_int_eq(fake_aws_requests(r.fake), 4); /* two for credentials */
    ck_assert_int_eq(do_put(), WSRT_OK);
    ck_assert_int_eq(fake_aws_requests(r.fake), 5);
    aws_rig_close(&r);
}
END_TEST

START_TEST(without_credentials_nothing_is_asked)
{
    static const struct aws_step steps[] = {{.status = 200}};

    aws_rig_start(&r, aws_serve);
    setenv("AWS_EC2_METADATA_DISABLED", "true", 1);
    wsrt_aws_options o = aws_rig_options(&r);
    o.access_key = o.secret_key = (wsrt_span){0};
    r.script.steps = steps;
    aws_rig_tables(&r, &o, WSRT_AWS_SHAPE_A);
    ck_assert_int_eq(do_put(), WSRT_ERR_INTERNAL);
    ck_assert_int_eq(fake_aws_requests(r.fake), 0);
    close_rig();
}
END_TEST

/* ---- an answer that was lost ------------------------------------------------------------------- */

#define EXISTS_ALREADY                                                                             \
    {                                                                                              \
        .status = 400, .body = AMAZON "ConditionalCheckFailedException" SAYS                       \
    }
#define OURS "{\"Item\":{" KEY_A ",\"userId\":{\"S\":\"ann\"}," TIMES "}}"
#define ANOTHERS "{\"Item\":{" KEY_A ",\"userId\":{\"S\":\"bob\"}," TIMES "}}"

START_TEST(a_put_that_finds_what_its_lost_attempt_stored_has_succeeded)
{
    static const struct aws_step ours[] = {{.status = 500}, EXISTS_ALREADY, {200, OURS, NULL, 0}};
    static const struct aws_step other[] = {
        {.status = 500}, EXISTS_ALREADY, {200, ANOTHERS, NULL, 0}};
    static const struct aws_step at_once[] = {EXISTS_ALREADY, {200, OURS, NULL, 0}};

    open_with(WSRT_AWS_SHAPE_A, ours, COUNT(ours));
    ck_assert_int_eq(do_put_if_absent(), WSRT_OK);
    ck_assert_str_eq(r.script.targets[2], "GetItem");
    close_rig();
    open_with(WSRT_AWS_SHAPE_A, other, COUNT(other));
    ck_assert_int_eq(do_put_if_absent(), WSRT_ERR_EXISTS);
    close_rig();
    open_with(WSRT_AWS_SHAPE_A, at_once, COUNT(at_once));
    ck_assert_int_eq(do_put_if_absent(), WSRT_ERR_EXISTS);
    ck_assert_int_eq(fake_aws_requests(r.fake), 1);
    close_rig();
}
END_TEST

START_TEST(a_put_that_cannot_look_whose_record_is_there_says_why)
{
    static const struct aws_step steps[] = {{.status = 500}, EXISTS_ALREADY, {.status = 503}};
    static const struct aws_step gone[] = {{.status = 500}, EXISTS_ALREADY, {.status = 200}};

    open_with(WSRT_AWS_SHAPE_A, steps, COUNT(steps));
    ck_assert_int_eq(do_put_if_absent(), WSRT_ERR_UNAVAILABLE);
    close_rig();
    open_with(WSRT_AWS_SHAPE_A, gone, COUNT(gone));
    ck_assert_int_eq(do_put_if_absent(), WSRT_ERR_EXISTS);
    close_rig();
}
END_TEST

/* Not only our own attempts: libcurl makes another where a kept connection turns out closed. */
START_TEST(a_put_that_a_kept_connection_has_lost_finds_what_it_stored)
{
    static const struct aws_step steps[] = {
        {.status = 200}, {.manner = FAKE_CLOSE}, EXISTS_ALREADY, {200, OURS, NULL, 0}};

    open_with(WSRT_AWS_SHAPE_A, steps, COUNT(steps));
    ck_assert_int_eq(do_get(), WSRT_ERR_NOT_FOUND);
    ck_assert_int_eq(do_put_if_absent(), WSRT_OK);
    ck_assert_int_eq(fake_aws_requests(r.fake), 4);
    close_rig();
}
END_TEST

/* ---- items of other writers ------------------------------------------------------------------ */

START_TEST(what_others_wrote_is_read_as_far_as_it_makes_sense)
{
    static const struct aws_step steps[] = {
        {.status = 200,
         .body = "{\"Item\":{" KEY_A ",\"userId\":{\"S\":\"\\u0061nn\"},\"type\":{\"S\":\"x\"},"
                 "\"connectedAt\":{\"N\":\"1.795168800001E12\"},\"lastActiveAt\":{\"S\":\"now\"},"
                 "\"ttl\":{\"N\":\"1795169400000\"},\"epoch\":{\"N\":\"1.5\"},"
                 "\"sourceIp\":{\"N\":\"7\"},\"node\":{\"NULL\":true},"
                 "\"principal\":{\"S\":\"plain\"},\"filters\":{\"B\":\"\\/\\/4=\"},"
                 "\"tags\":{\"SS\":[\"a\"]},\"more\":{\"M\":{\"ttl\":{\"N\":\"1\"}}}}}"}};
    wsrt_record out;

    open_with(WSRT_AWS_SHAPE_A, steps, COUNT(steps));
    ck_assert_int_eq(get_into(&out), WSRT_OK);
    ck_assert(wsrt_span_equal(out.connection_id, wsrt_span_cstr("c1=")));
    ck_assert(wsrt_span_equal(out.user_id, wsrt_span_cstr("ann")));
    ck_assert_int_eq(out.connected_at, 1795168800001);
    ck_assert_int_eq(out.last_active_at, 0);
    ck_assert_int_eq(out.expires_at, 1795169400);
    ck_assert_int_eq(out.epoch, 0);
    ck_assert_uint_eq(out.source_ip.len + out.node.len, 0);
    ck_assert(wsrt_span_equal(out.principal, wsrt_span_cstr("plain")));
    ck_assert(wsrt_span_equal(out.filters, wsrt_span_cstr("\xff\xfe")));
    close_rig();
}
END_TEST

#define ITEM_A(id, more)                                                                           \
    "{\"PK\":{\"S\":\"" id "\"},\"SK\":{\"S\":\"" id "\"},\"connectedAt\":{\"N\":\"5\"}" more "}"

START_TEST(a_walk_leaves_out_what_is_no_connection_or_has_expired)
{
    static const struct aws_step steps[] = {
        {.status = 200,
         .body = "{\"Items\":[" ITEM_A("CONNECTION#a", "") "," ITEM_A(
             "USER#7",
             "") ","
                 "{\"PK\":{\"S\":\"CONNECTION#b\"},\"SK\":{\"S\":\"SESSION#b\"}}," ITEM_A(
                     "CONNECTION#no id",
                     "") "," ITEM_A("CONNECTION#late",
                                    ",\"ttl\":{\"N\":\"1795168800\"}") ","
                                                                       "{\"PK\":{\"S\":"
                                                                       "\"CONNECTION#f\"},\"SK\":{"
                                                                       "\"S\":\"CONNECTION#f\"},"
                                                                       "\"connectedAt\":{\"N\":\"5."
                                                                       "5\"}}," ITEM_A(
                                                                           "CONNECTION#z",
                                                                           "") "]}"}};
    wsrt_record out[8];
    size_t n;

    open_with(WSRT_AWS_SHAPE_A, steps, COUNT(steps));
    ck_assert_int_eq(walk_into(NULL, 0, out, 8, &n), WSRT_OK);
    ck_assert_uint_eq(n, 2);
    ck_assert(wsrt_span_equal(out[0].connection_id, wsrt_span_cstr("a")));
    ck_assert(wsrt_span_equal(out[1].connection_id, wsrt_span_cstr("z")));
    close_rig();
}
END_TEST

/* A page may be empty and not the last: its key is sent back unchanged, and more is asked for. */
START_TEST(a_walk_goes_on_where_the_service_says)
{
    static const struct aws_step steps[] = {
        {.status = 200,
         .body =
             "{\"Items\":[],\"LastEvaluatedKey\":{\"SK\":{\"S\":\"x\"}, \"odd\":{\"N\":\"1\"}}}"},
        {.status = 200, .body = "{\"Items\":[" ITEM_A("CONNECTION#a", "") "]}"}};
    wsrt_record out[4];
    size_t n;

    open_with(WSRT_AWS_SHAPE_A, steps, COUNT(steps));
    ck_assert_int_eq(walk_into(NULL, 0, out, 4, &n), WSRT_OK);
    ck_assert_uint_eq(n, 1);
    ck_assert_ptr_nonnull(strstr(r.script.bodies[1], "\"Limit\":20,\"ExclusiveStartKey\":{\"SK\":"
                                                     "{\"S\":\"x\"}, \"odd\":{\"N\":\"1\"}}"));
    close_rig();
}
END_TEST

/* ---- documents ------------------------------------------------------------------------------- */

static int read_document(const char *name, char *dst, size_t cap, size_t *len)
{
    return wsrt_aws_tables_document(r.tables, wsrt_span_cstr(name), dst, cap, len);
}

START_TEST(a_document_is_an_attribute_of_an_item)
{
    static const struct aws_step steps[] = {
        {.status = 200, .body = "{\"Item\":{\"document\":{\"S\":\"{\\\"a\\\":1}\"}}}"}};
    char text[8] = "12345678";
    size_t len = 0;

    open_with(WSRT_AWS_SHAPE_A, steps, COUNT(steps));
    ck_assert_int_eq(read_document("dynamodb:settings/prod/breakers", text, 7, &len), WSRT_OK);
    ck_assert_uint_eq(len, 7);
    ck_assert_mem_eq(text, "{\"a\":1}8", 8);
    ck_assert_str_eq(r.script.targets[0], "GetItem");
    ck_assert_str_eq(r.script.bodies[0],
                     "{\"TableName\":\"settings\",\"ProjectionExpression\":\"#d\","
                     "\"ExpressionAttributeNames\":{\"#d\":\"document\"},"
                     "\"Key\":{\"id\":{\"S\":\"prod/breakers\"}}}");
    ck_assert_int_eq(read_document("dynamodb:settings/prod/breakers", text, 6, &len),
                     WSRT_ERR_TOO_LARGE);
    close_rig();
}
END_TEST

static const struct {
    const char *name, *body;
    int result;
} document_rows[] = {
    {"/etc/breakers.json", NULL, WSRT_ERR_UNSUPPORTED},
    {"dynamodb", NULL, WSRT_ERR_UNSUPPORTED},
    {"dynamodb:", NULL, WSRT_ERR_INVALID},
    {"dynamodb:table", NULL, WSRT_ERR_INVALID},
    {"dynamodb:table/", NULL, WSRT_ERR_INVALID},
    {"dynamodb:/id", NULL, WSRT_ERR_INVALID},
    {"dynamodb:t/i", "{}", WSRT_ERR_NOT_FOUND},
    {"dynamodb:t/i", "{\"Item\":{}}", WSRT_ERR_CORRUPT},
    {"dynamodb:t/i", "{\"Item\":{\"document\":{\"S\":1}}}", WSRT_ERR_CORRUPT},
    {"dynamodb:t/i", "{\"Item\":{\"document\":{\"N\":\"1\"}}}", WSRT_ERR_CORRUPT},
};

START_TEST(what_is_no_document_is_told)
{
    const struct aws_step steps[] = {{.status = 200, .body = document_rows[_i].body}};
    char text[16];
    size_t len;

    open_with(WSRT_AWS_SHAPE_A, steps, COUNT(steps));
    ck_assert_int_eq(read_document(document_rows[_i].name, text, sizeof text, &len),
                     document_rows[_i].result);
    ck_assert_int_eq(fake_aws_requests(r.fake), document_rows[_i].body != NULL);
    close_rig();
}
END_TEST

/* ---- rules ----------------------------------------------------------------------------------- */

START_TEST(what_cannot_be_stored_is_refused_here)
{
    static const struct aws_step steps[] = {{.status = 200}};
    wsrt_record in = record();
    wsrt_history_entry e = entry();
    wsrt_span id = wsrt_span_cstr("c1="), bad = wsrt_span_cstr("\xff"), none = {0};

    open_with(WSRT_AWS_SHAPE_A, steps, COUNT(steps));
    in.expires_at = (int64_t)NOW * 1000; /* milliseconds */
    ck_assert_int_eq(r.store.ops->put(r.store.self, &in, 0, NOW), WSRT_ERR_INVALID);
    ck_assert_int_eq(r.store.ops->touch(r.store.self, &id, 1, in.expires_at), WSRT_ERR_INVALID);
    in.expires_at = -1;
    ck_assert_int_eq(r.store.ops->put(r.store.self, &in, 0, NOW), WSRT_ERR_INVALID);
    in = record();
    in.user_id = bad;
    ck_assert_int_eq(r.store.ops->put(r.store.self, &in, 0, NOW), WSRT_ERR_INVALID);
    ck_assert_int_eq(r.store.ops->set_principal(r.store.self, &id, &bad, &none), WSRT_ERR_INVALID);
    e.timestamp = -1;
    ck_assert_int_eq(r.history.ops->append(r.history.self, &e), WSRT_ERR_INVALID);
    e.timestamp = 10000000000000;
    ck_assert_int_eq(r.history.ops->append(r.history.self, &e), WSRT_ERR_INVALID);
    e = entry();
    e.content = bad;
    ck_assert_int_eq(r.history.ops->append(r.history.self, &e), WSRT_ERR_INVALID);
    ck_assert_int_eq(fake_aws_requests(r.fake), 0);
    close_rig();
}
END_TEST

START_TEST(a_user_agent_that_is_no_utf_8_is_mended)
{
    static const struct aws_step steps[] = {{.status = 200}};
    wsrt_record in = record();

    open_with(WSRT_AWS_SHAPE_A, steps, COUNT(steps));
    in.user_agent = wsrt_span_cstr("caf\xe9");
    ck_assert_int_eq(r.store.ops->put(r.store.self, &in, 0, NOW), WSRT_OK);
    ck_assert_ptr_nonnull(strstr(r.script.bodies[0], "\"userAgent\":{\"S\":\"caf\xef\xbf\xbd\"}"));
    close_rig();
}
END_TEST

START_TEST(names_come_from_the_options_then_the_environment)
{
    static const struct aws_step steps[] = {{.status = 200, .body = EMPTY_PAGE}};
    wsrt_aws_tables_options o = {.struct_size = sizeof o};

    aws_rig_start(&r, aws_serve);
    wsrt_aws_options a = aws_rig_options(&r);
    r.script.steps = steps;
    r.script.step_count = 1;
    ck_assert_int_eq(wsrt_aws_new(&r.aws, &a), WSRT_OK);
    setenv("CONNECTIONS_TABLE_NAME", "from-env", 1);
    setenv("WSRT_CONNECTIONS_SHAPE", "b", 1);
    setenv("WSRT_CONNECTIONS_INDEX", "env-index", 1);
    setenv("AWS_ENDPOINT_URL", r.url, 1);
    ck_assert_int_eq(wsrt_aws_tables_new(&r.tables, r.aws, NULL), WSRT_OK);
    wsrt_aws_tables_connections(r.tables, &r.store);
    wsrt_aws_tables_history(r.tables, &r.history);
    ck_assert_ptr_null(r.history.ops); /* there is no such table */
    ck_assert_int_eq(do_walk(), WSRT_OK);
    ck_assert_ptr_nonnull(strstr(r.script.bodies[0], "\"from-env\",\"IndexName\":\"env-index\""));
    wsrt_aws_tables_free(r.tables);
    setenv("AWS_ENDPOINT_URL_DYNAMODB", "http://127.0.0.1:1", 1);
    o.endpoint = wsrt_span_cstr(r.url);
    o.connections = wsrt_span_cstr("given");
    o.shape = WSRT_AWS_SHAPE_A;
    o.partition_key = wsrt_span_cstr("hash");
    o.sort_key = wsrt_span_cstr("range");
    o.ttl = wsrt_span_cstr("until");
    ck_assert_int_eq(wsrt_aws_tables_new(&r.tables, r.aws, &o), WSRT_OK);
    wsrt_aws_tables_connections(r.tables, &r.store);
    ck_assert_int_eq(do_put(), WSRT_OK);
    ck_assert_ptr_nonnull(strstr(r.script.bodies[1],
                                 "\"given\",\"Item\":{\"hash\":{\"S\":\"CONNECTION#c1=\"},"
                                 "\"range\":{\"S\":\"CONNECTION#c1=\"}"));
    ck_assert_ptr_nonnull(strstr(r.script.bodies[1], "\"until\":{\"N\":\"1795169400\"}"));
    close_rig();
}
END_TEST

START_TEST(settings_without_sense_are_refused)
{
    static char long_name[257];
    wsrt_aws_tables_options o = {.struct_size = sizeof o, .connections = wsrt_span_cstr("c")};
    wsrt_aws_tables *t;

    aws_rig_start(&r, aws_serve);
    wsrt_aws_options a = aws_rig_options(&r);
    ck_assert_int_eq(wsrt_aws_new(&r.aws, &a), WSRT_OK);
    ck_assert_int_eq(wsrt_aws_tables_new(&t, r.aws, NULL), WSRT_ERR_INVALID); /* no table */
    ck_assert_int_eq(wsrt_aws_tables_new(&t, NULL, &o), WSRT_ERR_INVALID);
    ck_assert_int_eq(wsrt_aws_tables_new(NULL, r.aws, &o), WSRT_ERR_INVALID);
    o.shape = 3;
    ck_assert_int_eq(wsrt_aws_tables_new(&t, r.aws, &o), WSRT_ERR_INVALID);
    o.shape = 0;
    o.shards = 65;
    ck_assert_int_eq(wsrt_aws_tables_new(&t, r.aws, &o), WSRT_ERR_INVALID);
    o.shards = 0;
    o.timeout_ms = -1;
    ck_assert_int_eq(wsrt_aws_tables_new(&t, r.aws, &o), WSRT_ERR_INVALID);
    o.timeout_ms = 0;
    o.endpoint = wsrt_span_cstr("nowhere");
    ck_assert_int_eq(wsrt_aws_tables_new(&t, r.aws, &o), WSRT_ERR_INVALID);
    o.endpoint = wsrt_span_cstr("http://127.0.0.1//");
    ck_assert_int_eq(wsrt_aws_tables_new(&t, r.aws, &o), WSRT_OK); /* slashes at the end are none */
    wsrt_aws_tables_free(t);
    o.endpoint = wsrt_span_cstr("http://127.0.0.1//x");
    ck_assert_int_eq(wsrt_aws_tables_new(&t, r.aws, &o), WSRT_ERR_INVALID);
    o.endpoint.ptr = NULL;
    ck_assert_int_eq(wsrt_aws_tables_new(&t, r.aws, &o), WSRT_ERR_INVALID);
    o.endpoint.len = 0;
    memset(long_name, 'x', 256);
    o.messages = wsrt_span_cstr(long_name);
    ck_assert_int_eq(wsrt_aws_tables_new(&t, r.aws, &o), WSRT_ERR_INVALID);
    o.messages.len = 255;
    o.flags = 1;
    ck_assert_int_eq(wsrt_aws_tables_new(&t, r.aws, &o), WSRT_ERR_UNSUPPORTED);
    ck_assert_ptr_null(t);
    o.flags = 0;
    setenv("WSRT_CONNECTIONS_SHAPE", "AB", 1);
    ck_assert_int_eq(wsrt_aws_tables_new(&t, r.aws, &o), WSRT_ERR_INVALID);
    o.shape = WSRT_AWS_SHAPE_B;
    ck_assert_int_eq(wsrt_aws_tables_new(&t, r.aws, &o), WSRT_OK);
    wsrt_aws_tables_free(t);
    wsrt_aws_tables_free(NULL);
    wsrt_aws_tables_connections(NULL, &r.store);
    ck_assert_ptr_null(r.store.ops);
    close_rig();
}
END_TEST

/* ---- memory ---------------------------------------------------------------------------------- */

static int (*const acts[])(void) = {do_put,          do_get,       do_remove_if,      do_touch,
                                    do_sign_in,      do_subscribe, do_subscribe_much, do_walk,
                                    do_walk_of_user, do_count,     do_append,         do_list};

static int act_on_all(void)
{
    int rc = WSRT_OK;

    for (size_t i = 0; i < COUNT(acts) && rc == WSRT_OK; i++)
        rc = acts[i]();
    return rc;
}

/* Each allocation of ours refused once, or from then on; libcurl's are its own. */
START_TEST(a_refused_allocation_fails_a_call_and_nothing_else)
{
    static const struct aws_step steps[] = {
        {.status = 200, .body = "{\"Item\":{" KEY_A "},\"Items\":[],\"Count\":0}"}};
    struct heap heap;

    aws_rig_start(&r, aws_serve);
    r.script.steps = steps;
    r.script.step_count = 1;
    heap_init(&heap);
    for (size_t n = 1;; n++) {
        wsrt_aws_options o = aws_rig_options(&r);
        const wsrt_aws_tables_options t = {.struct_size = sizeof t,
                                           .endpoint = wsrt_span_cstr(r.url),
                                           .connections = wsrt_span_cstr("conn"),
                                           .messages = wsrt_span_cstr("msgs")};
        o.allocator = heap.allocator;
        heap_arm(&heap, n, _i);
        r.tables = NULL;
        int rc = wsrt_aws_new(&r.aws, &o);
        if (rc == WSRT_OK)
            rc = wsrt_aws_tables_new(&r.tables, r.aws, &t);
        wsrt_aws_tables_connections(r.tables, &r.store);
        wsrt_aws_tables_history(r.tables, &r.history);
        if (rc == WSRT_OK)
            rc = act_on_all();
        int tripped = heap.tripped;
        heap_arm(&heap, 0, 0);
        if (r.tables != NULL)
            ck_assert_int_eq(act_on_all(), WSRT_OK);
        wsrt_aws_tables_free(r.tables);
        wsrt_aws_free(r.aws);
        ck_assert_uint_eq(heap.live, 0);
        ck_assert_int_eq(rc, tripped ? WSRT_ERR_NOMEM : WSRT_OK);
        if (!tripped)
            break;
        heap.points++;
    }
    printf("# allocation points: %zu\n", heap.points);
    fake_aws_stop(r.fake);
}
END_TEST

Suite *suite(void)
{
    Suite *s = suite_create("aws_tables");
    TCase *t = tcase_create("aws_tables");

    tcase_set_timeout(t, 60);
    tcase_add_loop_test(t, each_operation_is_one_request_to_the_letter, 0, COUNT(request_rows));
    tcase_add_loop_test(t, each_answer_has_its_result_and_is_asked_for_again_or_not, 0,
                        COUNT(answer_rows));
    tcase_add_loop_test(t, each_answer_counts_for_the_breaker_as_it_should, 0, COUNT(answer_rows));
    tcase_add_loop_test(t, a_condition_that_is_not_met_is_an_answer, 0, COUNT(condition_rows));
    tcase_add_loop_test(t, trouble_that_passes_is_not_seen, 0, 5);
    tcase_add_loop_test(t, an_answer_is_taken_with_the_right_sum_or_none, 0, 7);
    tcase_add_loop_test(t, a_refusal_is_logged_in_the_services_words_and_health_is_not, 0, 5);
    tcase_add_loop_test(t, what_is_no_answer_is_told_and_nothing_is_read_from_it, 0,
                        COUNT(hostile_rows));
    tcase_add_loop_test(t, a_service_that_stops_in_the_middle_times_out, 0, 2);
    tcase_add_loop_test(t, a_walk_that_never_ends_is_ended_by_its_time, 0, 3);
    tcase_add_test(t, nobody_listening_is_unavailable);
    tcase_add_test(t, a_clock_ten_minutes_off_is_put_right_once);
    tcase_add_test(t, credentials_that_have_expired_are_asked_for_again);
    tcase_add_test(t, without_credentials_nothing_is_asked);
    tcase_add_test(t, a_put_that_finds_what_its_lost_attempt_stored_has_succeeded);
    tcase_add_test(t, a_put_that_cannot_look_whose_record_is_there_says_why);
    tcase_add_test(t, a_put_that_a_kept_connection_has_lost_finds_what_it_stored);
    tcase_add_test(t, what_others_wrote_is_read_as_far_as_it_makes_sense);
    tcase_add_test(t, a_walk_leaves_out_what_is_no_connection_or_has_expired);
    tcase_add_test(t, a_walk_goes_on_where_the_service_says);
    tcase_add_test(t, a_document_is_an_attribute_of_an_item);
    tcase_add_loop_test(t, what_is_no_document_is_told, 0, COUNT(document_rows));
    tcase_add_test(t, what_cannot_be_stored_is_refused_here);
    tcase_add_test(t, a_user_agent_that_is_no_utf_8_is_mended);
    tcase_add_test(t, names_come_from_the_options_then_the_environment);
    tcase_add_test(t, settings_without_sense_are_refused);
    tcase_add_loop_test(t, a_refused_allocation_fails_a_call_and_nothing_else, 0, 2);
    suite_add_tcase(s, t);
    return s;
}
