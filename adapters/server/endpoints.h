/* One request for a path that the server answers itself, shared by the files that do. */
#ifndef WSRT_SERVER_ENDPOINTS_H
#define WSRT_SERVER_ENDPOINTS_H

#include "server/internal.h"

typedef struct wsrt_exchange {
    wsrt_loop *loop;
    wsrt_conn *conn;
    const wsrt_http_request *req;
    wsrt_span body;
    int head_only;
} wsrt_exchange;

/* Answers; an answer to HEAD has no body, one to a client that leaves closes. */
void wsrt_exchange_answer(const wsrt_exchange *k, wsrt_answer a);

/* Whether a request's path is this one: decoded segment by segment, since an escaped slash
 * separates nothing. */
int wsrt_path_is(wsrt_loop *l, wsrt_span path, wsrt_span wanted);

static inline int wsrt_exchange_is(const wsrt_exchange *k, const char *method_cstr)
{
    return wsrt_span_equal(k->req->method, wsrt_span_cstr(method_cstr));
}

/* guard.c: 0, or the status of the refusal: 403, or 404 where there is no such path. A page of our
 * own may be let in besides programs. */
enum { WSRT_GUARD_OWN_PAGES = 1 };
int wsrt_guard_judge(const wsrt_exchange *k, int flags);
int wsrt_guard_is_secret(wsrt_span given, wsrt_span secret);

/* signature.c: whether who has the secret key has signed the request lately. */
int wsrt_signature_valid(const wsrt_exchange *k);

/* management.c: answers a path with `@connections` in it; 0 = it is another. */
int wsrt_management_answer(const wsrt_exchange *k);
/* Whether a path is of that kind, for a request that is refused before it is served. */
int wsrt_management_is(wsrt_span path);
/* The field lines that an error of that kind carries; returns `dst`. */
enum { WSRT_MANAGEMENT_LINES = 160 };
const char *wsrt_management_lines(wsrt_loop *l, int status, char *dst);

/* state.c: answers /api/state and /api/breakers; 0 = it is another path. */
int wsrt_state_answer(const wsrt_exchange *k);
/* Whether the store works, as of a moment ago. */
int wsrt_state_store_works(wsrt_loop *l);

/* breakers.c: as many as fit into `most` bytes as a JSON array, and their number as the member
 * breakers_total behind it; all of them with their settings; PUT of settings. */
void wsrt_breakers_write(wsrt_loop *l, struct wsrt_json_writer *w, size_t most);
void wsrt_breakers_list(const wsrt_exchange *k);
void wsrt_breakers_replace(const wsrt_exchange *k);

/* host.c: what the host adds to the server's own paths. */
int wsrt_host_load(wsrt_settings *out, const wsrt_server_options *given);
int wsrt_host_answer(const wsrt_exchange *k); /* 0 = the path is not the host's */
void wsrt_host_describe(wsrt_loop *l, struct wsrt_json_writer *w, size_t most);

#endif
