/* API Gateway's WebSocket events, DynamoDB's streams, and results as JSON: pure functions, no I/O. */
#ifndef WSRT_LAMBDA_EVENT_H
#define WSRT_LAMBDA_EVENT_H

#include <wsrt/lambda.h>

/* An event taken from its JSON. It points to itself (do not copy it), to the JSON text and to a block
 * of decoded text. */
typedef struct wsrt_lambda_event {
    wsrt_event event;
    wsrt_principal principal;
    wsrt_span method_arn; /* AUTHORIZE */
    void *block;
    size_t block_size;
} wsrt_lambda_event;

/* Maps a WebSocket proxy event, a REQUEST authorizer's, or a stream event, whose body is the whole
 * text. Members may be absent or null; unknown ones are ignored. `how` may
 * be NULL. Times of the event stay 0, except connected_at.
 * WSRT_OK; WSRT_ERR_MALFORMED (not JSON), _UNSUPPORTED (another kind of event), _REJECTED (a member
 * that breaks its shape), _NOMEM: then nothing is held. */
int wsrt_lambda_event_map(wsrt_lambda_event *out, wsrt_span json, const wsrt_invocation *how,
                          const wsrt_allocator *allocator);
void wsrt_lambda_event_free(wsrt_lambda_event *e, const wsrt_allocator *allocator);

/* The trace's root in an X-Ray header, "1-…-…"; empty when it has none. */
wsrt_span wsrt_lambda_trace_root(wsrt_span header);

/* A text that was written: in place when it is short, else in memory of an allocator. */
typedef struct wsrt_lambda_text {
    char *text;
    size_t len;
    size_t size; /* of the allocator's memory */
    char brief[1024];
} wsrt_lambda_text;

void wsrt_lambda_text_free(wsrt_lambda_text *t, const wsrt_allocator *allocator);

/* Writes `{"statusCode":…}`. WSRT_OK; WSRT_ERR_NOMEM: then nothing is held. */
int wsrt_lambda_result_write(const wsrt_response *response, const wsrt_allocator *allocator,
                             wsrt_lambda_text *out);

/* Writes an authorizer's answer in the same way: a policy that allows a principal its connect, or
 * denies it when `response` is no success, and what events of the connection will say of it.
 * WSRT_OK; WSRT_ERR_NOMEM; WSRT_ERR_TOO_LARGE (more than API Gateway takes). */
int wsrt_lambda_policy_write(const wsrt_response *response, wsrt_span method_arn,
                             const wsrt_allocator *allocator, wsrt_lambda_text *out);

/* What an invocation that failed with `status` reports: a Category.Reason pair, and a text that
 * tells nothing about the event. */
const char *wsrt_lambda_error_type(int status);
const char *wsrt_lambda_error_text(int status);

/* Writes the body of an error report. WSRT_OK; WSRT_ERR_LIMIT. */
int wsrt_lambda_error_write(char *dst, size_t cap, const char *type, const char *text, size_t *len);

#endif
