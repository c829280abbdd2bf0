/* The object: which tables, where, and how their attributes are named. */
#include "aws/dynamo.h"

#include "common/support.h"

#include <stdio.h>
#include <string.h>

enum { MOST_SHARDS = 64, DEFAULT_TIMEOUT = 5000 };

/* The given name, else the variable's, else the usual one. */
static int name(char dst[WSRT_DYNAMO_NAME + 1], wsrt_span given, const char *variable,
                const char *usual)
{
    const char *set = variable != NULL ? wsrt_aws_getenv(variable) : NULL;

    if (given.len == 0)
        given = wsrt_span_cstr(set != NULL ? set : usual);
    if (!wsrt_aws_text_ok(given, WSRT_DYNAMO_NAME))
        return 0;
    if (given.len > 0)
        memcpy(dst, given.ptr, given.len);
    return 1;
}

/* 0 = neither A nor B. */
static int shape_of(int given)
{
    const char *set = wsrt_aws_getenv("WSRT_CONNECTIONS_SHAPE");

    if (given != 0)
        return given == WSRT_AWS_SHAPE_A || given == WSRT_AWS_SHAPE_B ? given : 0;
    if (set == NULL)
        return WSRT_AWS_SHAPE_A;
    if (set[1] != '\0')
        return 0;
    return set[0] == 'A' || set[0] == 'a'   ? WSRT_AWS_SHAPE_A
           : set[0] == 'B' || set[0] == 'b' ? WSRT_AWS_SHAPE_B
                                            : 0;
}

static int take_names(wsrt_aws_tables *t, const wsrt_aws_tables_options *o)
{
    int in_a = t->shape == WSRT_AWS_SHAPE_A;

    return name(t->connections, o->connections, "CONNECTIONS_TABLE_NAME", NULL) &&
           name(t->messages, o->messages, "WEBSOCKET_MESSAGES_TABLE", NULL) &&
           name(t->partition_key, o->partition_key, NULL, in_a ? "PK" : "connectionId") &&
           name(t->sort_key, o->sort_key, NULL, "SK") &&
           name(t->index, o->index, in_a ? NULL : "WSRT_CONNECTIONS_INDEX",
                in_a ? "userId-index" : "connected-index") &&
           name(t->session_key, o->session_key, NULL, "sessionId") &&
           name(t->message_key, o->message_key, NULL, "timestamp#messageId") &&
           name(t->ttl, o->ttl, NULL, "ttl") &&
           (t->connections[0] != '\0' || t->messages[0] != '\0');
}

static int set_endpoint(wsrt_aws_tables *t, wsrt_span given)
{
    const char *set = wsrt_aws_getenv("AWS_ENDPOINT_URL_DYNAMODB");
    char url[sizeof "https://dynamodb..amazonaws.com.cn" + WSRT_AWS_LONGEST_REGION];

    if (given.len > 0)
        return wsrt_aws_endpoint_serve(&t->endpoint, given);
    if (set == NULL)
        set = wsrt_aws_getenv("AWS_ENDPOINT_URL");
    if (set != NULL)
        return wsrt_aws_endpoint_serve(&t->endpoint, wsrt_span_cstr(set));
    snprintf(url, sizeof url, "https://dynamodb.%s.amazonaws.com%s", t->a->region,
             strncmp(t->a->region, "cn-", 3) == 0 ? ".cn" : "");
    return wsrt_aws_endpoint_serve(&t->endpoint, wsrt_span_cstr(url));
}

static int load(wsrt_aws_tables_options *o, const wsrt_aws_tables_options *given)
{
    int rc = wsrt_adapter_options(o, sizeof *o, sizeof(wsrt_aws_tables_options), given);

    if (rc != WSRT_OK)
        return rc;
    if (o->flags != 0)
        return WSRT_ERR_UNSUPPORTED;
    o->shape = shape_of(o->shape);
    o->timeout_ms = o->timeout_ms == 0 ? DEFAULT_TIMEOUT : o->timeout_ms;
    return o->shape != 0 && o->shards <= MOST_SHARDS && o->timeout_ms > 0 &&
                   o->timeout_ms <= INT32_MAX
               ? WSRT_OK
               : WSRT_ERR_INVALID;
}

int wsrt_aws_tables_new(wsrt_aws_tables **out, wsrt_aws *a, const wsrt_aws_tables_options *opts)
{
    wsrt_aws_tables_options o;

    if (out == NULL)
        return WSRT_ERR_INVALID;
    *out = NULL;
    int rc = load(&o, opts);
    wsrt_aws_tables *t = wsrt_aws_object_new(a, sizeof *t, &rc);
    if (t == NULL)
        return rc;
    t->a = a;
    t->shape = o.shape;
    t->shards = o.shape == WSRT_AWS_SHAPE_B && o.shards > 1 ? o.shards : 0;
    t->timeout_ms = o.timeout_ms;
    rc = take_names(t, &o) ? set_endpoint(t, o.endpoint) : WSRT_ERR_INVALID;
    if (rc == WSRT_OK)
        *out = t;
    else
        wsrt_aws_tables_free(t);
    return rc;
}

void wsrt_aws_tables_free(wsrt_aws_tables *t)
{
    if (t != NULL)
        wsrt_adapter_realloc(&t->a->allocator, t, sizeof *t, 0);
}

void wsrt_aws_tables_connections(wsrt_aws_tables *t, wsrt_store *out)
{
    if (t != NULL && out != NULL && t->connections[0] != '\0')
        *out = (wsrt_store){&wsrt_dynamo_connection_ops, t};
}

void wsrt_aws_tables_history(wsrt_aws_tables *t, wsrt_history *out)
{
    if (t != NULL && out != NULL && t->messages[0] != '\0')
        *out = (wsrt_history){&wsrt_dynamo_history_ops, t};
}
