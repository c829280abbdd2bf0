/* Query and Scan answer by pages of their own; this leads from one to the next. */
#include "aws/dynamo.h"

enum { MOST_AT_ONCE = 10000, WIDEN = 4 };

/* One more than are wanted tells whether anything follows. */
void wsrt_dynamo_pages_start(wsrt_dynamo_pages *p, wsrt_aws_tables *t, size_t max)
{
    p->t = t;
    p->deadline = wsrt_dynamo_deadline(t);
    p->limit = max < MOST_AT_ONCE ? max + 1 : MOST_AT_ONCE;
}

int wsrt_dynamo_items(const wsrt_json *body, wsrt_json *items)
{
    return wsrt_json_find(body, wsrt_span_cstr("/Items"), items) == WSRT_OK &&
                   items->kind == WSRT_JSON_ARRAY
               ? WSRT_OK
               : WSRT_ERR_CORRUPT;
}

/* What was looked at in vain was filtered out: the further, the larger the steps. */
static void go_on(wsrt_dynamo_pages *p, const wsrt_json *body, void *user)
{
    wsrt_json last;

    p->limit = p->limit * WIDEN < MOST_AT_ONCE ? p->limit * WIDEN : MOST_AT_ONCE;
    p->below = (wsrt_span){NULL, 0};
    if (wsrt_json_find(body, wsrt_span_cstr("/LastEvaluatedKey"), &last) == WSRT_OK &&
        last.kind == WSRT_JSON_OBJECT)
        p->below = last.text;
    else
        p->at_end = p->next == NULL || !p->next(user);
}

int wsrt_dynamo_pages_read(wsrt_dynamo_pages *p, void *user)
{
    const wsrt_env *env = &p->t->a->env;
    wsrt_aws_answer answer = {0}, before;
    int rc = WSRT_OK;

    while (rc == WSRT_OK && !p->full && !p->at_end) {
        wsrt_dynamo_request q = p->ask(user);
        wsrt_json body;
        if (env->now(env->user) >= p->deadline) {
            rc = WSRT_ERR_TIMEOUT;
            break;
        }
        q.deadline = p->deadline;
        before = answer; /* holds the key to go on from */
        rc = wsrt_dynamo_ask(p->t, &q, &answer, &body);
        wsrt_aws_answer_free(p->t->a, &before);
        if (rc == WSRT_OK)
            rc = p->take(user, &body);
        if (rc == WSRT_OK && !p->full)
            go_on(p, &body, user);
    }
    wsrt_aws_answer_free(p->t->a, &answer);
    return rc;
}
