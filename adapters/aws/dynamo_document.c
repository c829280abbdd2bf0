/* A text in an item of its own, for settings that change without a deployment. */
#include "aws/dynamo.h"

#include <string.h>

static const char scheme[] = "dynamodb:";

/* "dynamodb:TABLE/ID"; the id may hold slashes. */
static int take_apart(wsrt_span name, char table[WSRT_DYNAMO_NAME + 1], wsrt_span *id)
{
    const size_t from = sizeof scheme - 1;

    if (name.len < from || memcmp(name.ptr, scheme, from) != 0)
        return WSRT_ERR_UNSUPPORTED;
    const char *slash = memchr(name.ptr + from, '/', name.len - from);
    size_t len = slash == NULL ? 0 : (size_t)(slash - name.ptr) - from;
    *id = slash == NULL ? (wsrt_span){NULL, 0} : (wsrt_span){slash + 1, name.len - from - len - 1};
    if (len == 0 || len > WSRT_DYNAMO_NAME || id->len == 0 ||
        !wsrt_aws_text_ok(name, WSRT_AWS_LONGEST_URL))
        return WSRT_ERR_INVALID;
    memcpy(table, name.ptr + from, len);
    table[len] = '\0';
    return WSRT_OK;
}

static void write_key(wsrt_json_writer *w, const void *arg)
{
    const wsrt_span *id = arg;

    wsrt_json_key(w, "Key");
    wsrt_json_object(w);
    wsrt_dynamo_write_text(w, "id", *id);
    wsrt_json_object_end(w);
}

static int read_text(const wsrt_json *body, char *dst, size_t cap, size_t *len)
{
    wsrt_json item, text;
    int rc = wsrt_json_find(body, wsrt_span_cstr("/Item"), &item);

    if (rc != WSRT_OK)
        return rc;
    if (wsrt_json_find(&item, wsrt_span_cstr("/document/S"), &text) != WSRT_OK)
        return WSRT_ERR_CORRUPT;
    rc = wsrt_json_text(&text, dst, cap, len);
    return rc == WSRT_OK ? WSRT_OK : rc == WSRT_ERR_LIMIT ? WSRT_ERR_TOO_LARGE : WSRT_ERR_CORRUPT;
}

int wsrt_aws_tables_document(wsrt_aws_tables *t, wsrt_span name, char *dst, size_t cap, size_t *len)
{
    char table[WSRT_DYNAMO_NAME + 1];
    wsrt_aws_answer answer;
    wsrt_json body;
    wsrt_span id;

    if (t == NULL || dst == NULL || len == NULL)
        return WSRT_ERR_INVALID;
    int rc = take_apart(name, table, &id);
    if (rc != WSRT_OK)
        return rc;
    const wsrt_dynamo_request q = {.operation = "GetItem",
                                   .table = table,
                                   .projection = "#d",
                                   .names = {{"#d", "document"}},
                                   .more = write_key,
                                   .arg = &id,
                                   .deadline = wsrt_dynamo_deadline(t)};
    rc = wsrt_dynamo_ask(t, &q, &answer, &body);
    if (rc == WSRT_OK)
        rc = read_text(&body, dst, cap, len);
    wsrt_aws_answer_free(t->a, &answer);
    return rc;
}
