/* What the files of the runtime share. Nothing outside src/runtime includes this. */
#ifndef WSRT_SRC_RUNTIME_INTERNAL_H
#define WSRT_SRC_RUNTIME_INTERNAL_H

#include <wsrt/runtime.h>

#include "base/arena.h"

#include <stdatomic.h>

enum {
    CONTEXT_MEMORY = 8192, /* on the dispatching thread's stack; an arena takes over beyond */
    RESPONSE_HEADERS = 16,
    ISSUES_SHOWN = 16,
    EXPIRED_GRACE_S = 60,
};

/* Fields of the shipped protocol that the runtime reads for itself. */
enum slot_name { SLOT_TYPE, SLOT_ACTION, SLOT_MESSAGE, SLOT_SESSION, SLOT_TOKEN, SLOT_CORRELATION };
enum { SLOT_COUNT = SLOT_CORRELATION + 1 };

struct route {
    wsrt_span key;
    wsrt_handler handler;
    void *user;
    void (*destroy)(void *user);
    const wsrt_schema *schema;
    wsrt_span any_group;
    wsrt_span all_scopes;
    wsrt_rule rule;
    size_t text_size; /* of the block that holds key, any_group and all_scopes */
    size_t scratch;
    size_t slot_count;
    int slots[SLOT_COUNT]; /* indices of the fields the runtime itself reads; -1 = none */
    int operation;         /* -1 = none */
    int access;
    uint32_t flags;
    int has_rule;
};

/* One piece of a selection expression: literal text, or a place to read. */
struct piece {
    enum { PIECE_TEXT, PIECE_BODY, PIECE_HEADER } kind;
    wsrt_span text; /* literal; JSON Pointer; header name, NUL-terminated */
};

struct selection {
    struct piece *pieces;
    size_t count;
    char *text; /* what the pieces point into */
    size_t text_size;
};

enum { CIRCUIT_SOURCES = 10, FALLBACK_SLOTS = 64, MOVED_SLOTS = 256, MOVED_BITS = 44 };

/* What a source of the monitor reads: the runtime's number `which`. */
struct metric_source {
    wsrt_runtime *rt;
    int which;
};

/* How many refusals by the limiter a connection outlives; UINT32_MAX = any number. */
struct refusal_policy {
    uint32_t in_a_row;
    uint32_t in_window;
    uint32_t window_ms;
};

struct wsrt_runtime {
    wsrt_allocator allocator;
    wsrt_env env;
    wsrt_store store;
    wsrt_history history;
    wsrt_sender outside; /* what `guarded` guards */
    wsrt_sender_ops guarded;
    wsrt_sender transport; /* as it was given, or guarded; ops NULL = none */
    wsrt_sender sender;    /* the same, or the sessions before it */
    wsrt_resume *resume;   /* NULL = none */
    wsrt_authenticator authenticator;
    wsrt_breakers *breakers;
    wsrt_limiter *limiter;
    wsrt_monitor *monitor;
    wsrt_memory_store *owned_store;
    wsrt_breakers *owned_breakers;
    wsrt_limiter *owned_limiter;
    wsrt_monitor *owned_monitor;
    struct selection selection;
    struct route **routes;
    size_t route_count;
    size_t route_cap;
    struct route *on_connect; /* the reserved keys, also in `routes` */
    struct route *on_disconnect;
    struct route *on_default;
    struct route *on_stream;
    int selects; /* 1 when a route needs the selection expression */
    uint32_t flags;
    wsrt_span node; /* in text */
    char *text;
    size_t text_size;
    int64_t epoch;
    int64_t idle_ttl_s;
    int64_t max_lifetime_s;
    uint64_t max_message;
    struct refusal_policy refusals;
    uint64_t last_uuid;
    atomic_int started;  /* a dispatch has happened */
    atomic_int busy;     /* something was counted since the last tick */
    atomic_int expiring; /* records with a time to live may exist */
    struct {
        _Atomic uint64_t server_errors; /* events answered with a status of 500 or more */
        _Atomic uint64_t send_failures;
        _Atomic uint64_t stale_removed; /* records of connections that had gone or expired */
        _Atomic uint64_t unguarded;     /* calls made without a breaker, for want of room */
        _Atomic uint64_t redactions;    /* what envelopes would have told */
    } counts;
    struct {
        _Atomic int64_t at;  /* monotonic; INT64_MIN = never */
        _Atomic int64_t age; /* ms: of the oldest record then */
    } stream;
    struct metric_source sources[CIRCUIT_SOURCES]; /* the first serves all but the circuits */
    wsrt_breaker_listener *listener;
    _Atomic int64_t last_tick;
    _Atomic int64_t last_sweep;
    _Atomic int64_t resume_due; /* when a session's wait is over */
    /* By hash of service and operation, when a fallback was logged: tag (24 bits) | ms (40). */
    _Atomic uint64_t fallback_logged[FALLBACK_SLOTS];
    /* By hash of a connection's id, when its record was moved on without being read: tag (20 bits)
     * | ms (44). */
    _Atomic uint64_t moved_on[MOVED_SLOTS];
};

/* The error a handler, a guarded call or the runtime itself wants the client to see. */
struct failure {
    int status; /* 0 = none said */
    int type;   /* a wsrt_error_type; 0 = by status */
    wsrt_span code;
    wsrt_span message;
    int64_t retry_after_ms;
    wsrt_span issues;
    wsrt_limit_result limit;
    struct {
        int is_judged;
        size_t length;
        int64_t expires_at; /* Unix seconds; 0 = unknown */
    } token;
    wsrt_service_failure service; /* its status is 0 unless an outside service is to blame */
};

struct identity;

struct wsrt_context {
    wsrt_runtime *rt;
    const wsrt_event *event;
    int64_t now;
    int64_t started_at;
    /* Zeroes at first, up to `failure.status`: neighbours, so that they take few stores. */
    const struct route *route;
    wsrt_request request;
    int64_t wall; /* 0 = not read yet */
    wsrt_span correlation_id;
    const wsrt_principal *principal;
    int64_t connected_at;
    wsrt_span response_body;
    size_t header_count;
    size_t response_size;
    struct identity *replaced; /* by signing in, during this event */
    int principal_known;       /* 1 once looked for */
    int principal_status;      /* why it could not be read; 0 = it could */
    int call_outcome;          /* set by wsrt_call_outcome() */
    int in_call;
    int response_status;
    int response_set;       /* 1 once a reply or wsrt_respond() gave the body */
    struct failure failure; /* its status decides over the rest */
    int operation;          /* of the monitor: this event's */
    int op_started;         /* 0: it will be counted in one step, at its end */
    wsrt_arena arena;
    wsrt_op op;
    wsrt_op route_op;
    wsrt_pair headers[RESPONSE_HEADERS];
    unsigned char memory[CONTEXT_MEMORY];
};

/* select.c */
int wsrt_selection_compile(struct selection *out, const wsrt_allocator *a, wsrt_span expression);
void wsrt_selection_free(struct selection *s, const wsrt_allocator *a);
/* The key an event selects; empty when its pieces are not there. WSRT_ERR_NOMEM. */
int wsrt_selection_apply(const struct selection *s, wsrt_context *ctx, wsrt_span *key);

/* runtime.c */
struct route *wsrt_route_find(const wsrt_runtime *rt, wsrt_span key);

/* metrics.c */
void wsrt_metrics_note_stream(wsrt_context *ctx); /* how old the records of its event are */

/* dispatch.c */
/* Limits, validation and access of the context's route, then its handler. */
int wsrt_run_handler(wsrt_context *ctx);
int wsrt_check_access(wsrt_context *ctx);
int wsrt_refuse_rate(wsrt_context *ctx, const wsrt_limit_result *limit);
void wsrt_operations_start(wsrt_context *ctx, int id);
/* Something under way has to be noted: the operation begins after all. */
void wsrt_operations_note(wsrt_context *ctx);
void wsrt_operations_complete(wsrt_context *ctx, int status, const wsrt_field *attrs, size_t n);
wsrt_field wsrt_text_field(const char *name_cstr, wsrt_span text);
wsrt_field wsrt_int_field(const char *name_cstr, int64_t number);
/* What a route's slot holds; NULL = no such slot, or absent. */
const wsrt_slot *wsrt_route_slot(const wsrt_context *ctx, enum slot_name name);

/* connection.c */
void wsrt_on_connect(wsrt_context *ctx);
void wsrt_on_disconnect(wsrt_context *ctx);
/* The setting that is out of its range, with the rule for it; NULL = none is. */
const char *wsrt_session_policy_load(struct refusal_policy *out, const wsrt_runtime_options *o,
                                     const char **rule_cstr);
/* The connection's own limits refused or admitted a message. */
void wsrt_session_refused(wsrt_context *ctx);
void wsrt_session_admitted(wsrt_context *ctx);
/* Leaves in the context's principal who was found, also for a refusal. */
void wsrt_on_authorize(wsrt_context *ctx);

/* session.c */
wsrt_limiter_cell *wsrt_session_cell(const wsrt_event *ev);
int wsrt_session_open(wsrt_context *ctx, const wsrt_principal *who);
void wsrt_session_close(wsrt_context *ctx);
int wsrt_session_sign_in(wsrt_context *ctx, const wsrt_principal *who);
/* Who the event's connection belongs to, looked up once; NULL = nobody. */
const wsrt_principal *wsrt_session_principal(wsrt_context *ctx);
/* As far as it is known without asking the store; 0 = unknown. */
int64_t wsrt_session_connected_at(const wsrt_context *ctx);
int wsrt_record_put(wsrt_context *ctx, const wsrt_principal *who);
/* From now on messages to the event's connection may have numbers. */
void wsrt_session_resumes(const wsrt_event *ev);
int wsrt_session_has_numbers(const wsrt_runtime *rt, const wsrt_event *ev);
void wsrt_session_drop_replaced(wsrt_context *ctx);
/* Judges a token; on failure the context's failure says why. */
int wsrt_token_check(wsrt_context *ctx, wsrt_span token, wsrt_auth_result *out);

/* call.c */
/* A call to a service counts for the operations under way. */
void wsrt_count_call(wsrt_context *ctx, const char *service_cstr);
/* Says that an outside service is to blame for `status`; what its breaker knows, or NULL. */
void wsrt_blame_service(wsrt_context *ctx, int status, wsrt_span service, wsrt_span operation,
                        const wsrt_breaker_stats *stats);

/* guard.c */
#define WSRT_POST_SERVICE "apigateway-management"
/* The sender itself, or the same behind its breaker. */
wsrt_sender wsrt_guard_sender(wsrt_runtime *rt, const wsrt_sender *sender);

/* resume.c */
void wsrt_sender_settle(wsrt_runtime *rt, const wsrt_sender *sender);
/* Whether the client has sent this message before. */
int wsrt_is_duplicate(wsrt_context *ctx);
/* It was refused: sent again it is new. */
void wsrt_may_come_again(wsrt_context *ctx);
/* Whether the record of a connection that closes stays for its session. */
int wsrt_sessions_keep(wsrt_runtime *rt, const wsrt_event *ev);
void wsrt_sessions_tick(wsrt_runtime *rt);

/* answer.c */
/* Answers the client with the envelope for `status` and what the context knows of the failure. */
void wsrt_answer_error(wsrt_context *ctx, int status);
void wsrt_answer_forbidden(wsrt_context *ctx);
int wsrt_answer_body(wsrt_context *ctx, wsrt_span body, int copy);
void wsrt_answer_respond(wsrt_context *ctx, wsrt_response_fn respond, void *user);

/* metrics.c */
int wsrt_metrics_open(wsrt_runtime *rt);
void wsrt_metrics_close(wsrt_runtime *rt);
static inline void wsrt_count(_Atomic uint64_t *counter, uint64_t n)
{
    (void)atomic_fetch_add_explicit(counter, n, memory_order_relaxed);
}

/* delivery.c */
/* Drops the record of a peer that a send found gone; never fails the send. */
void wsrt_forget_peer(wsrt_runtime *rt, wsrt_span id, int64_t connected_at);

#endif
