/* What a function does between two invocations: metrics go out, settings of breakers come in. */
#ifndef WSRT_LAMBDA_UPKEEP_H
#define WSRT_LAMBDA_UPKEEP_H

#include <wsrt/lambda.h>

typedef struct wsrt_lambda_upkeep {
    wsrt_runtime *rt;
    const wsrt_env *env;
    const wsrt_allocator *allocator;
    wsrt_monitor_reader *reader; /* NULL = no metrics go out */
    int metrics_fd;
    char *lines; /* of one export; kept, grows */
    size_t len;
    size_t cap;
    const char *breakers;         /* name of the document; NULL = none */
    wsrt_lambda_document_fn read; /* NULL = it is a file */
    void *read_user;
    char *document; /* as it is in force */
    size_t document_len;
    int64_t read_at; /* monotonic ns of the last reading */
} wsrt_lambda_upkeep;

/* `o` is borrowed but for its `metrics_fd`, `breakers_cstr` and `document`. WSRT_OK; WSRT_ERR_NOMEM; of
 * the document: WSRT_ERR_IO, _TOO_LARGE, _MALFORMED, _REJECTED, or what its reader says, with a line in
 * the log. Free it in either case. */
int wsrt_lambda_upkeep_start(wsrt_lambda_upkeep *u, wsrt_runtime *rt, const wsrt_lambda_options *o);

/* Metrics since the last call go out as EMF lines, all in one write; the document is read again when a
 * minute has passed; the runtime's tick is run when it is due. Nothing here can fail an invocation:
 * what goes wrong is in the log, and the document in force stays. */
void wsrt_lambda_upkeep_run(wsrt_lambda_upkeep *u);

void wsrt_lambda_upkeep_free(wsrt_lambda_upkeep *u);

#endif
