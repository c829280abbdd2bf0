#include "lambda/event.h"

#include "common/base64.h"
#include "common/support.h"

#include <wsrt/json.h>

enum { MAX_POLICY = 8192 };

/* The body as it goes into the JSON: text, or base64 in memory of its own. */
typedef struct body {
    wsrt_span text;
    char *encoded;
    size_t size;
    int binary;
} body;

static int prepare_body(body *b, const wsrt_response *r, const wsrt_allocator *allocator)
{
    *b = (body){.text = r->body, .binary = (r->flags & WSRT_EVENT_BINARY) != 0};
    if (!b->binary || b->text.len == 0)
        return WSRT_OK;
    if (b->text.len > SIZE_MAX / 2)
        return WSRT_ERR_NOMEM;
    b->size = (b->text.len + 2) / 3 * 4;
    b->encoded = wsrt_adapter_realloc(allocator, NULL, 0, b->size);
    if (b->encoded == NULL)
        return WSRT_ERR_NOMEM;
    b->text = (wsrt_span){b->encoded, wsrt_base64_encode(b->encoded, r->body.ptr, r->body.len)};
    return WSRT_OK;
}

static void write_headers(wsrt_json_writer *w, const wsrt_response *r)
{
    wsrt_json_key(w, "headers");
    wsrt_json_object(w);
    for (size_t i = 0; i < r->header_count; i++) {
        wsrt_json_key_span(w, r->headers[i].name);
        wsrt_json_string(w, r->headers[i].value);
    }
    wsrt_json_object_end(w);
}

static int write_json(const wsrt_response *r, const body *b, char *dst, size_t cap, size_t *len)
{
    wsrt_json_writer w;

    wsrt_json_writer_init(&w, dst, cap, WSRT_JSON_REPLACE_UTF8);
    wsrt_json_object(&w);
    wsrt_json_key(&w, "statusCode");
    wsrt_json_write_int64(&w, r->status);
    if (r->header_count > 0)
        write_headers(&w, r);
    if (b->text.len > 0) {
        wsrt_json_key(&w, "body");
        wsrt_json_string(&w, b->text);
        wsrt_json_key(&w, "isBase64Encoded");
        wsrt_json_write_bool(&w, b->binary);
    }
    wsrt_json_object_end(&w);
    return wsrt_json_finish(&w, len);
}

/* Memory for a text of which one try has said how long it is. */
static int make_room(wsrt_lambda_text *out, const wsrt_allocator *allocator)
{
    out->size = out->len;
    out->text = wsrt_adapter_realloc(allocator, NULL, 0, out->size);
    return out->text != NULL ? WSRT_OK : WSRT_ERR_NOMEM;
}

void wsrt_lambda_text_free(wsrt_lambda_text *t, const wsrt_allocator *allocator)
{
    if (t->text != NULL && t->text != t->brief)
        wsrt_adapter_realloc(allocator, t->text, t->size, 0);
    t->text = NULL;
}

int wsrt_lambda_result_write(const wsrt_response *response, const wsrt_allocator *allocator,
                             wsrt_lambda_text *out)
{
    body b;
    int rc = prepare_body(&b, response, allocator);

    out->text = out->brief;
    if (rc != WSRT_OK)
        return rc;
    rc = write_json(response, &b, out->brief, sizeof out->brief, &out->len);
    if (rc == WSRT_ERR_LIMIT) {
        rc = make_room(out, allocator);
        if (rc == WSRT_OK)
            rc = write_json(response, &b, out->text, out->size, &out->len);
    }
    if (rc != WSRT_OK)
        wsrt_lambda_text_free(out, allocator);
    if (b.encoded != NULL)
        wsrt_adapter_realloc(allocator, b.encoded, b.size, 0);
    return rc;
}

/* ---- authorizers -------------------------------------------------------------------------- */

static void write_statement(wsrt_json_writer *w, int allow, wsrt_span arn)
{
    wsrt_json_key(w, "policyDocument");
    wsrt_json_object(w);
    wsrt_json_key(w, "Version");
    wsrt_json_string_cstr(w, "2012-10-17");
    wsrt_json_key(w, "Statement");
    wsrt_json_array(w);
    wsrt_json_object(w);
    wsrt_json_key(w, "Action");
    wsrt_json_string_cstr(w, "execute-api:Invoke");
    wsrt_json_key(w, "Effect");
    wsrt_json_string_cstr(w, allow ? "Allow" : "Deny");
    wsrt_json_key(w, "Resource");
    wsrt_json_string(w, arn);
    wsrt_json_object_end(w);
    wsrt_json_array_end(w);
    wsrt_json_object_end(w);
}

static void write_known(wsrt_json_writer *w, const char *name, wsrt_span text)
{
    if (text.len == 0)
        return;
    wsrt_json_key(w, name);
    wsrt_json_string(w, text);
}

/* The members that an event's authorizer object is read for: strings and numbers, nothing nested. */
static void write_context(wsrt_json_writer *w, const wsrt_principal *who)
{
    wsrt_json_key(w, "context");
    wsrt_json_object(w);
    write_known(w, "userId", who->user_id);
    write_known(w, "username", who->username);
    write_known(w, "email", who->email);
    write_known(w, "groups", who->groups);
    write_known(w, "scopes", who->scopes);
    if (who->expires_at != 0) {
        wsrt_json_key(w, "exp");
        wsrt_json_write_int64(w, who->expires_at);
    }
    wsrt_json_object_end(w);
}

static int write_policy(const wsrt_response *r, wsrt_span arn, char *dst, size_t cap, size_t *len)
{
    int allow = r->status >= 200 && r->status <= 299;
    wsrt_json_writer w;

    wsrt_json_writer_init(&w, dst, cap, WSRT_JSON_REPLACE_UTF8);
    wsrt_json_object(&w);
    wsrt_json_key(&w, "principalId");
    wsrt_json_string(&w, r->principal->user_id);
    write_statement(&w, allow, arn);
    if (allow)
        write_context(&w, r->principal);
    wsrt_json_object_end(&w);
    return wsrt_json_finish(&w, len);
}

int wsrt_lambda_policy_write(const wsrt_response *response, wsrt_span method_arn,
                             const wsrt_allocator *allocator, wsrt_lambda_text *out)
{
    out->text = out->brief;
    int rc = write_policy(response, method_arn, out->brief, sizeof out->brief, &out->len);
    if (rc != WSRT_ERR_LIMIT)
        return rc;
    if (out->len > MAX_POLICY)
        return WSRT_ERR_TOO_LARGE;
    rc = make_room(out, allocator);
    return rc == WSRT_OK ? write_policy(response, method_arn, out->text, out->size, &out->len) : rc;
}

/* ---- failed invocations ------------------------------------------------------------------- */

typedef struct failure {
    int status;
    const char *type;
    const char *text;
} failure;

static const failure failures[] = {
    {WSRT_ERR_MALFORMED, "Wsrt.MalformedEvent", "the event is not JSON"},
    {WSRT_ERR_UNSUPPORTED, "Wsrt.UnsupportedEvent", "no route here takes such an event"},
    {WSRT_ERR_REJECTED, "Wsrt.InvalidEvent", "the event lacks a member or breaks its shape"},
    /* API Gateway answers 401 to this text and no other. */
    {WSRT_ERR_UNAUTHENTICATED, "Wsrt.Unauthorized", "Unauthorized"},
    {WSRT_ERR_UNAVAILABLE, "Wsrt.AuthenticationUnavailable", "the token could not be judged"},
    {WSRT_ERR_LIMIT, "Wsrt.EventTooLarge", "the event is too large"},
    {WSRT_ERR_TOO_LARGE, "Function.ResponseSizeTooLarge", "the response is too large"},
    {WSRT_ERR_NOMEM, "Wsrt.OutOfMemory", "out of memory"},
    {0, "Wsrt.InternalError", "internal error"},
};

static const failure *find_failure(int status)
{
    const failure *f = failures;

    while (f->status != 0 && f->status != status)
        f++;
    return f;
}

const char *wsrt_lambda_error_type(int status)
{
    return find_failure(status)->type;
}

const char *wsrt_lambda_error_text(int status)
{
    return find_failure(status)->text;
}

int wsrt_lambda_error_write(char *dst, size_t cap, const char *type, const char *text, size_t *len)
{
    wsrt_json_writer w;

    wsrt_json_writer_init(&w, dst, cap, WSRT_JSON_REPLACE_UTF8);
    wsrt_json_object(&w);
    wsrt_json_key(&w, "errorMessage");
    wsrt_json_string_cstr(&w, text);
    wsrt_json_key(&w, "errorType");
    wsrt_json_string_cstr(&w, type);
    wsrt_json_key(&w, "stackTrace");
    wsrt_json_array(&w);
    wsrt_json_array_end(&w);
    wsrt_json_object_end(&w);
    return wsrt_json_finish(&w, len);
}
