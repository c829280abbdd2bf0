#include "aws-parts.h"

#include <stdlib.h>

enum {
    GATEWAY_LIFETIME_S = 2 * 3600 + 600
}; /* API Gateway ends every connection after two hours */

int aws_parts_open(aws_parts *p, wsrt_runtime_options *parts)
{
    wsrt_aws_options opts = {.struct_size = sizeof opts, .env = parts->env};
    const char *endpoint = getenv("WEBSOCKET_API_ENDPOINT"), *idle = getenv("WSRT_IDLE_TTL_S");
    int rc = wsrt_aws_new(&p->aws, &opts);

    if (rc == WSRT_OK)
        rc = wsrt_aws_tables_new(&p->tables, p->aws, NULL);
    if (rc == WSRT_OK && endpoint != NULL && *endpoint != '\0')
        rc = wsrt_aws_sender_new(&p->posts, p->aws, NULL);
    if (rc != WSRT_OK)
        return rc;
    wsrt_aws_tables_connections(p->tables, &p->store);
    wsrt_aws_tables_history(p->tables, &p->history);
    wsrt_aws_sender_interface(p->posts, &p->sender);
    parts->store = p->store.ops != NULL ? &p->store : NULL;
    parts->history = p->history.ops != NULL ? &p->history : NULL;
    parts->sender = p->posts != NULL ? &p->sender : NULL;
    parts->idle_ttl_s = idle != NULL ? strtol(idle, NULL, 10) : 0;
    parts->max_lifetime_s = GATEWAY_LIFETIME_S;
    return WSRT_OK;
}

int aws_parts_make(wsrt_runtime **out, wsrt_runtime_options *parts, void *user)
{
    int rc = aws_parts_open(user, parts);

    return rc != WSRT_OK ? rc : wsrt_runtime_new(out, parts);
}

static int read_document(const char *name_cstr, char *dst, size_t cap, size_t *len, void *user)
{
    aws_parts *p = user;

    return wsrt_aws_tables_document(p->tables, wsrt_span_cstr(name_cstr), dst, cap, len);
}

int aws_parts_main(const wsrt_lambda_options *opts, wsrt_lambda_make_fn make)
{
    aws_parts p = {0};
    wsrt_lambda_options all = *opts;

    all.document = read_document;
    all.document_user = &p;
    int code = wsrt_lambda_main(&all, make, &p);
    wsrt_aws_sender_free(p.posts);
    wsrt_aws_tables_free(p.tables);
    wsrt_aws_free(p.aws);
    return code;
}
