/* One request to DynamoDB, API version 2012-08-10, protocol JSON 1.0: written, asked, judged. */
#include "aws/dynamo.h"

#include "common/base64.h"
#include "common/support.h"

#include <stdio.h>
#include <string.h>

enum {
    USUAL_REQUEST = 2048,
    LARGEST_BYTES = WSRT_FILTERS_MAX, /* of a value of type B */
    LARGEST_ANSWER = 8 << 20,         /* a page is 1 MB of items, and JSON longer */
    LONGEST_DETAIL = 256,
    MILLION = 1000000
};

/* ---- writing ------------------------------------------------------------------------------- */

static void write_bytes(wsrt_json_writer *w, wsrt_span bytes)
{
    char text[(LARGEST_BYTES + 2) / 3 * 4];

    wsrt_json_string(w, (wsrt_span){text, wsrt_base64_encode(text, bytes.ptr, bytes.len)});
}

void wsrt_dynamo_write_value(wsrt_json_writer *w, const wsrt_dynamo_value *v)
{
    char digits[24];

    wsrt_json_object(w);
    wsrt_json_key(w, v->type);
    switch (v->type[0]) {
    case 'N': /* a number is text on this wire */
        snprintf(digits, sizeof digits, "%lld", (long long)v->number);
        wsrt_json_string_cstr(w, digits);
        break;
    case 'B':
        write_bytes(w, v->text);
        break;
    default:
        wsrt_json_string(w, v->text);
    }
    wsrt_json_object_end(w);
}

void wsrt_dynamo_write_text(wsrt_json_writer *w, const char *name, wsrt_span text)
{
    const wsrt_dynamo_value v = {.type = "S", .text = text};

    wsrt_json_key(w, name);
    wsrt_dynamo_write_value(w, &v);
}

void wsrt_dynamo_write_number(wsrt_json_writer *w, const char *name, int64_t number)
{
    const wsrt_dynamo_value v = {.type = "N", .number = number};

    wsrt_json_key(w, name);
    wsrt_dynamo_write_value(w, &v);
}

static void write_texts(wsrt_json_writer *w, const wsrt_dynamo_request *q)
{
    const struct {
        const char *name, *text;
    } members[] = {
        {"TableName", q->table},
        {"IndexName", q->index},
        {"ConditionExpression", q->condition},
        {"UpdateExpression", q->update},
        {"KeyConditionExpression", q->key_condition},
        {"FilterExpression", q->filter},
        {"ProjectionExpression", q->projection},
    };

    for (size_t i = 0; i < sizeof members / sizeof members[0]; i++) {
        if (members[i].text == NULL)
            continue;
        wsrt_json_key(w, members[i].name);
        wsrt_json_string_cstr(w, members[i].text);
    }
}

static void write_aliases(wsrt_json_writer *w, const wsrt_dynamo_request *q)
{
    if (q->names[0].alias != NULL) {
        wsrt_json_key(w, "ExpressionAttributeNames");
        wsrt_json_object(w);
        for (size_t i = 0; i < WSRT_DYNAMO_ALIASES && q->names[i].alias != NULL; i++) {
            wsrt_json_key(w, q->names[i].alias);
            wsrt_json_string_cstr(w, q->names[i].name);
        }
        wsrt_json_object_end(w);
    }
    if (q->values[0].alias == NULL)
        return;
    wsrt_json_key(w, "ExpressionAttributeValues");
    wsrt_json_object(w);
    for (size_t i = 0; i < WSRT_DYNAMO_VALUES && q->values[i].alias != NULL; i++) {
        wsrt_json_key(w, q->values[i].alias);
        wsrt_dynamo_write_value(w, &q->values[i]);
    }
    wsrt_json_object_end(w);
}

static int write_request(const wsrt_dynamo_request *q, char *buf, size_t cap, size_t *len)
{
    wsrt_json_writer w;

    wsrt_json_writer_init(&w, buf, cap, q->mends ? WSRT_JSON_REPLACE_UTF8 : 0);
    wsrt_json_object(&w);
    write_texts(&w, q);
    write_aliases(&w, q);
    if (q->more != NULL)
        q->more(&w, q->arg);
    wsrt_json_object_end(&w);
    return wsrt_json_finish(&w, len);
}

/* ---- judging ------------------------------------------------------------------------------- */

/* Refusals that no other call will get: wrong settings, no permission, a request of ours, another
 * writer's transaction. They say nothing about the health of the service. */
static int status_of_error(const wsrt_aws_answer *answer)
{
    wsrt_aws_verdict verdict = wsrt_aws_judge(answer, 0);

    if (strcmp(answer->error, "ConditionalCheckFailedException") == 0)
        return WSRT_ERR_EXISTS;
    if (strcmp(answer->error, "ItemCollectionSizeLimitExceededException") == 0)
        return WSRT_ERR_LIMIT;
    if (verdict == WSRT_AWS_THROTTLED &&
        strcmp(answer->error, "TransactionInProgressException") != 0)
        return WSRT_ERR_THROTTLED;
    return answer->status >= 400 && answer->status < 500 ? WSRT_ERR_INTERNAL : WSRT_ERR_UNAVAILABLE;
}

/* No answer at all, or none that can be read. */
static int status_of_failure(const wsrt_aws_tables *t, const wsrt_aws_request *r)
{
    switch (r->answer.rc) {
    case WSRT_ERR_NOT_FOUND: /* no credentials */
    case WSRT_ERR_MALFORMED:
    case WSRT_ERR_FORBIDDEN:
        return WSRT_ERR_INTERNAL;
    case WSRT_ERR_TOO_LARGE:
        return WSRT_ERR_CORRUPT;
    case WSRT_ERR_UNAVAILABLE:
        return t->a->env.now(t->a->env.user) >= r->deadline ? WSRT_ERR_TIMEOUT
                                                            : WSRT_ERR_UNAVAILABLE;
    default:
        return r->answer.rc;
    }
}

/* Somebody has to look at it. */
static void complain(const wsrt_aws_tables *t, const wsrt_aws_answer *answer)
{
    static const char *const places[] = {"/message", "/Message"};
    char text[LONGEST_DETAIL] = "", detail[LONGEST_DETAIL + WSRT_AWS_LONGEST_ERROR + 2];
    wsrt_json body, message;
    size_t len = 0;

    if (answer->len > 0 &&
        wsrt_json_parse(&body, (wsrt_span){answer->body, answer->len}, NULL) == WSRT_OK)
        for (size_t i = 0; i < 2; i++)
            if (wsrt_json_find(&body, wsrt_span_cstr(places[i]), &message) == WSRT_OK &&
                wsrt_json_text(&message, text, sizeof text - 1, &len) == WSRT_OK)
                text[len] = '\0';
    snprintf(detail, sizeof detail, "%s%s%s", answer->error, text[0] != '\0' ? ": " : "", text);
    wsrt_aws_log(t->a, WSRT_LEVEL_ERROR, "aws.table_refused", detail, answer->status);
}

static int judge(const wsrt_aws_tables *t, const wsrt_aws_request *r, wsrt_json *body)
{
    const wsrt_aws_answer *answer = &r->answer;
    int ok = answer->status >= 200 && answer->status < 300;
    int rc = answer->rc != WSRT_OK ? status_of_failure(t, r)
             : ok                  ? WSRT_OK
                                   : status_of_error(answer);

    if (rc == WSRT_ERR_INTERNAL)
        complain(t, answer);
    if (rc == WSRT_OK &&
        (wsrt_json_parse(body, (wsrt_span){answer->body, answer->len}, NULL) != WSRT_OK ||
         body->kind != WSRT_JSON_OBJECT))
        rc = WSRT_ERR_CORRUPT;
    return rc;
}

/* ---- asking -------------------------------------------------------------------------------- */

int64_t wsrt_dynamo_deadline(const wsrt_aws_tables *t)
{
    return t->a->env.now(t->a->env.user) + t->timeout_ms * MILLION;
}

static int exchange(wsrt_aws_tables *t, const wsrt_dynamo_request *q, wsrt_aws_request *r,
                    wsrt_json *body)
{
    char target[64];

    snprintf(target, sizeof target, "DynamoDB_20120810.%s", q->operation);
    r->endpoint = &t->endpoint;
    r->service = "dynamodb";
    r->method = "POST";
    (void)wsrt_aws_copy(r->path, sizeof r->path, "/");
    r->content_type = "application/x-amz-json-1.0";
    r->target = target;
    r->most = LARGEST_ANSWER;
    r->deadline = q->deadline;
    (void)wsrt_aws_ask(t->a, r); /* the answer says it all */
    return judge(t, r, body);
}

int wsrt_dynamo_ask(wsrt_aws_tables *t, const wsrt_dynamo_request *q, wsrt_aws_answer *answer,
                    wsrt_json *body)
{
    const wsrt_allocator *m = &t->a->allocator;
    char usual[USUAL_REQUEST], *text = usual;
    size_t len = 0, cap = sizeof usual;
    wsrt_aws_request r = {0};

    *answer = (wsrt_aws_answer){0};
    int rc = write_request(q, text, cap, &len);
    if (rc == WSRT_ERR_LIMIT) {
        cap = len + 1;
        text = wsrt_adapter_realloc(m, NULL, 0, cap);
        if (text == NULL)
            return WSRT_ERR_NOMEM;
        rc = write_request(q, text, cap, &len);
    }
    if (rc == WSRT_OK) {
        r.body = (wsrt_span){text, len};
        rc = exchange(t, q, &r, body);
        *answer = r.answer;
    } else {
        rc = WSRT_ERR_INVALID; /* text that is no UTF-8 */
    }
    if (text != usual)
        wsrt_adapter_realloc(m, text, cap, 0);
    return rc;
}

int wsrt_dynamo_tell(wsrt_aws_tables *t, const wsrt_dynamo_request *q)
{
    wsrt_aws_answer answer;
    wsrt_json body;
    int rc = wsrt_dynamo_ask(t, q, &answer, &body);

    wsrt_aws_answer_free(t->a, &answer);
    return rc;
}
