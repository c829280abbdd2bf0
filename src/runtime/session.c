/* Who a connection is: its principal, in the transport's session and in the store. */
#include "runtime/runtime_internal.h"

#include "base/alloc.h"
#include "base/hash.h"

#include <wsrt/json.h>

#include <string.h>

/* Layout of wsrt_session.opaque. */
enum { WORD_CELL, WORD_IDENTITY, WORD_CONNECTED_AT, WORD_REFUSALS };

/* Layout of WORD_REFUSALS, from the highest bit: when the window began, in ms (32) | refusals in it (16)
 * | those in a row (13) | owed closes (2) | whether its messages are numbered (1). */
enum { NUMBERED = 1, OWES_SHIFT = 1, ROW_SHIFT = 3, WINDOW_SHIFT = 16, START_SHIFT = 32 };
enum { OWES_ROW = 1 << OWES_SHIFT, OWES_WINDOW = 2 << OWES_SHIFT };
enum { ROW_MOST = (1 << 13) - 1, WINDOW_MOST = (1 << 16) - 1, WINDOW_MS_MOST = 86400000 };

/* A principal with its text behind it, in one block. */
struct identity {
    wsrt_principal who;
    size_t size;
    struct identity *next; /* of those that a handler may still hold */
};

enum { SUMMARY_MAX = 2048, RECORD_TEXT_USUAL = 1024, RECORD_TEXT_MOST = 16384 };

wsrt_limiter_cell *wsrt_session_cell(const wsrt_event *ev)
{
    _Static_assert(sizeof(wsrt_limiter_cell) == sizeof(uint64_t), "a cell is one word");
    return ev->session == NULL ? NULL : (wsrt_limiter_cell *)&ev->session->opaque[WORD_CELL];
}

static struct identity *session_identity(const wsrt_event *ev)
{
    return ev->session == NULL ? NULL
                               : (struct identity *)(uintptr_t)ev->session->opaque[WORD_IDENTITY];
}

int64_t wsrt_session_expires_at(const wsrt_session *s)
{
    const struct identity *id =
        s == NULL ? NULL : (const struct identity *)(uintptr_t)s->opaque[WORD_IDENTITY];

    return id == NULL ? -1 : id->who.expires_at;
}

int wsrt_session_close_code(const wsrt_session *s)
{
    uint64_t word = s == NULL ? 0 : s->opaque[WORD_REFUSALS];

    if ((word & OWES_ROW) != 0)
        return 1008;
    return (word & OWES_WINDOW) != 0 ? 4429 : 0;
}

const char *wsrt_session_policy_load(struct refusal_policy *out, const wsrt_runtime_options *o,
                                     const char **rule_cstr)
{
    int never = o->refusals_in_a_row == UINT32_MAX;

    _Static_assert(ROW_MOST == 8191 && WINDOW_MOST == 65535 && WINDOW_MS_MOST == 86400000,
                   "the rules say so");
    if (o->refusals_in_a_row > ROW_MOST && !never) {
        *rule_cstr = "at most 8191, or UINT32_MAX";
        return "refusals_in_a_row";
    }
    if (o->refusals_in_window > WINDOW_MOST) {
        *rule_cstr = "at most 65535";
        return "refusals_in_window";
    }
    if (o->refusal_window_ms < 0 || o->refusal_window_ms > WINDOW_MS_MOST) {
        *rule_cstr = "from 0 to 86400000";
        return "refusal_window_ms";
    }
    out->in_a_row = o->refusals_in_a_row == 0 ? 100 : o->refusals_in_a_row;
    out->in_window = o->refusals_in_window == 0 ? UINT32_MAX : o->refusals_in_window;
    out->window_ms = o->refusal_window_ms == 0 ? 10000 : (uint32_t)o->refusal_window_ms;
    return NULL;
}

static uint64_t one_more(uint64_t word, int shift, uint64_t most)
{
    return (word >> shift & most) < most ? word + ((uint64_t)1 << shift) : word;
}

void wsrt_session_refused(wsrt_context *ctx)
{
    const struct refusal_policy *p = &ctx->rt->refusals;
    uint32_t now = (uint32_t)((uint64_t)ctx->now / 1000000);

    if (ctx->event->session == NULL)
        return;
    uint64_t *at = &ctx->event->session->opaque[WORD_REFUSALS], word = *at;
    if ((word >> WINDOW_SHIFT & WINDOW_MOST) == 0 ||
        now - (uint32_t)(word >> START_SHIFT) >= p->window_ms)
        word = (uint64_t)now << START_SHIFT | (word & (((uint64_t)1 << WINDOW_SHIFT) - 1));
    word = one_more(one_more(word, WINDOW_SHIFT, WINDOW_MOST), ROW_SHIFT, ROW_MOST);
    if ((word >> ROW_SHIFT & ROW_MOST) >= p->in_a_row)
        word |= OWES_ROW;
    if ((word >> WINDOW_SHIFT & WINDOW_MOST) >= p->in_window)
        word |= OWES_WINDOW;
    *at = word;
}

void wsrt_session_admitted(wsrt_context *ctx)
{
    if (ctx->event->session != NULL)
        ctx->event->session->opaque[WORD_REFUSALS] &= ~((uint64_t)ROW_MOST << ROW_SHIFT);
}

static wsrt_span moved(char **next, wsrt_span text)
{
    wsrt_span out = {*next, text.len};

    if (text.len > 0)
        memcpy(*next, text.ptr, text.len);
    *next += text.len;
    return out;
}

static wsrt_principal principal_copy(char *text, const wsrt_principal *who)
{
    wsrt_principal out = {.struct_size = sizeof out, .expires_at = who->expires_at};

    out.user_id = moved(&text, who->user_id);
    out.username = moved(&text, who->username);
    out.email = moved(&text, who->email);
    out.groups = moved(&text, who->groups);
    out.scopes = moved(&text, who->scopes);
    return out;
}

static size_t principal_text(const wsrt_principal *who)
{
    return who->user_id.len + who->username.len + who->email.len + who->groups.len +
           who->scopes.len;
}

static struct identity *identity_new(const wsrt_allocator *a, const wsrt_principal *who)
{
    size_t size = sizeof(struct identity) + principal_text(who);
    struct identity *id = wsrt_mem_alloc(a, size);

    if (id == NULL)
        return NULL;
    id->size = size;
    id->next = NULL;
    id->who = principal_copy((char *)(id + 1), who);
    return id;
}

/* What a handler was told of the old one it may hold until it returns. */
static void session_set(wsrt_context *ctx, struct identity *id)
{
    struct identity *old = session_identity(ctx->event);

    if (old != NULL) {
        old->next = ctx->replaced;
        ctx->replaced = old;
    }
    ctx->event->session->opaque[WORD_IDENTITY] = (uint64_t)(uintptr_t)id;
}

void wsrt_session_drop_replaced(wsrt_context *ctx)
{
    for (struct identity *id = ctx->replaced, *next; id != NULL; id = next) {
        next = id->next;
        wsrt_mem_free(&ctx->rt->allocator, id, id->size);
    }
}

/* ---- the store's summary of a principal: JSON, so that every store keeps it as it is ---- */

static const char *const member_names[] = {"username", "email", "groups", "scopes"};

static void members_of(wsrt_principal *who, wsrt_span *members[4])
{
    members[0] = &who->username;
    members[1] = &who->email;
    members[2] = &who->groups;
    members[3] = &who->scopes;
}

static int summary_write(const wsrt_principal *given, char *dst, size_t cap, wsrt_span *out)
{
    wsrt_principal who = *given;
    wsrt_span *members[4];
    wsrt_json_writer w;
    size_t len = 0;

    members_of(&who, members);
    wsrt_json_writer_init(&w, dst, cap, WSRT_JSON_REPLACE_UTF8);
    wsrt_json_object(&w);
    for (size_t i = 0; i < 4; i++) {
        if (members[i]->len == 0)
            continue;
        wsrt_json_key(&w, member_names[i]);
        wsrt_json_string(&w, *members[i]);
    }
    if (who.expires_at != 0) {
        wsrt_json_key(&w, "exp");
        wsrt_json_write_int64(&w, who.expires_at);
    }
    wsrt_json_object_end(&w);
    int rc = wsrt_json_finish(&w, &len);
    *out = (wsrt_span){dst, len};
    return rc == WSRT_ERR_LIMIT ? WSRT_ERR_TOO_LARGE : rc;
}

/* Decoded strings are never longer than their JSON. A summary that cannot be read names nobody: it
 * might have held an expiry. */
static int summary_read(wsrt_span summary, char *text, wsrt_principal *who)
{
    wsrt_json whole, value, key;
    wsrt_json_iter it = {0};
    wsrt_span *members[4];

    members_of(who, members);
    if (wsrt_json_parse(&whole, summary, NULL) != WSRT_OK || whole.kind != WSRT_JSON_OBJECT)
        return WSRT_ERR_CORRUPT;
    while (wsrt_json_next(&whole, &it, &key, &value) == WSRT_OK) {
        if (wsrt_json_equal(&key, wsrt_span_cstr("exp")) &&
            wsrt_json_int64(&value, &who->expires_at) != WSRT_OK)
            return WSRT_ERR_CORRUPT;
        for (size_t i = 0; i < 4; i++) {
            size_t len;
            if (!wsrt_json_equal(&key, wsrt_span_cstr(member_names[i])) ||
                wsrt_json_text(&value, text, value.text.len, &len) != WSRT_OK)
                continue;
            *members[i] = (wsrt_span){text, len};
            text += len;
        }
    }
    return WSRT_OK;
}

/* ---- the record ---- */

static int64_t expiry(const wsrt_context *ctx, int64_t wall, int64_t connected_at)
{
    const wsrt_runtime *rt = ctx->rt;
    int64_t at = wall / 1000 + rt->idle_ttl_s;

    /* A transport that keeps a session says itself when the connection ends. */
    if (ctx->event->session != NULL)
        return 0;
    if (rt->max_lifetime_s > 0 && connected_at > 0 && at > connected_at / 1000 + rt->max_lifetime_s)
        at = connected_at / 1000 + rt->max_lifetime_s;
    return at;
}

static wsrt_span cut(wsrt_span text, size_t most)
{
    if (text.len > most)
        text.len = most;
    return text;
}

int wsrt_record_put(wsrt_context *ctx, const wsrt_principal *who)
{
    wsrt_runtime *rt = ctx->rt;
    const wsrt_event *ev = ctx->event;
    int64_t wall = wsrt_context_wall(ctx);
    char summary[SUMMARY_MAX];
    wsrt_record r = {
        .struct_size = sizeof r,
        .connection_id = ev->connection_id,
        .source_ip = cut(ev->source_ip, 63),
        .user_agent = ev->user_agent, /* which stores cut, between characters */
        .node = rt->node,
        .epoch = rt->epoch,
        .connected_at = ctx->connected_at,
        .last_active_at = wall,
        .expires_at = expiry(ctx, wall, ctx->connected_at),
    };

    if (who != NULL) {
        int rc = summary_write(who, summary, sizeof summary, &r.principal);
        if (rc != WSRT_OK)
            return rc;
        r.user_id = who->user_id;
    }
    if (r.expires_at != 0)
        atomic_store_explicit(&rt->expiring, 1, memory_order_relaxed);
    return rt->store.ops->put(rt->store.self, &r, 0, wall / 1000);
}

int wsrt_session_open(wsrt_context *ctx, const wsrt_principal *who)
{
    struct identity *id = NULL;

    if (ctx->event->session == NULL)
        return WSRT_OK;
    if (who != NULL && (id = identity_new(&ctx->rt->allocator, who)) == NULL)
        return WSRT_ERR_NOMEM;
    session_set(ctx, id);
    ctx->event->session->opaque[WORD_CONNECTED_AT] = (uint64_t)ctx->connected_at;
    ctx->event->session->opaque[WORD_REFUSALS] = 0;
    return WSRT_OK;
}

void wsrt_session_resumes(const wsrt_event *ev)
{
    if (ev->session != NULL)
        ev->session->opaque[WORD_REFUSALS] |= NUMBERED;
}

int wsrt_session_has_numbers(const wsrt_runtime *rt, const wsrt_event *ev)
{
    return rt->resume != NULL &&
           (ev->session == NULL || (ev->session->opaque[WORD_REFUSALS] & NUMBERED) != 0);
}

void wsrt_session_close(wsrt_context *ctx)
{
    if (ctx->event->session != NULL)
        session_set(ctx, NULL);
}

static void touch(wsrt_context *ctx, const wsrt_record *r)
{
    wsrt_runtime *rt = ctx->rt;
    int64_t wall = wsrt_context_wall(ctx);

    if (rt->store.ops->touch == NULL || r->expires_at == 0 ||
        wall - r->last_active_at < rt->idle_ttl_s * 1000 / 4)
        return;
    (void)rt->store.ops->touch(
        rt->store.self, &ctx->event->connection_id, wall,
        expiry(ctx, wall, r->connected_at)); /* the next message tries again */
}

/* Most records are small; the large ones get what serves every record. */
static int get_record(wsrt_context *ctx, wsrt_record *out)
{
    static const size_t sizes[] = {RECORD_TEXT_USUAL, RECORD_TEXT_MOST};
    const wsrt_store *store = &ctx->rt->store;
    int64_t now_s = wsrt_context_wall(ctx) / 1000;
    int rc = WSRT_ERR_LIMIT;

    for (size_t i = 0; i < 2 && rc == WSRT_ERR_LIMIT; i++) {
        char *text = wsrt_arena_alloc(&ctx->arena, sizes[i]);
        if (text == NULL)
            return WSRT_ERR_NOMEM;
        *out = (wsrt_record){.struct_size = sizeof *out};
        rc = store->ops->get(store->self, &ctx->event->connection_id, now_s, out, text, sizes[i]);
    }
    return rc;
}

/* NULL = nobody. WSRT_ERR_NOT_FOUND: no record says who; a summary that cannot be read says nobody
 * for certain. */
static int from_store(wsrt_context *ctx, const wsrt_principal **out)
{
    wsrt_principal *who = wsrt_arena_alloc(&ctx->arena, sizeof *who);
    wsrt_record r;

    if (who == NULL)
        return WSRT_ERR_NOMEM;
    int rc = get_record(ctx, &r);
    if (rc != WSRT_OK)
        return rc;
    ctx->connected_at = r.connected_at;
    touch(ctx, &r);
    if (r.user_id.len == 0)
        return WSRT_ERR_NOT_FOUND;
    *who = (wsrt_principal){.struct_size = sizeof *who, .user_id = r.user_id};
    char *decoded = wsrt_arena_alloc(&ctx->arena, r.principal.len);
    if (decoded == NULL)
        return WSRT_ERR_NOMEM;
    if (summary_read(r.principal, decoded, who) == WSRT_OK)
        *out = who;
    return WSRT_OK;
}

static int is_over(wsrt_context *ctx, const wsrt_principal *who)
{
    return who->expires_at != 0 && who->expires_at <= wsrt_context_wall(ctx) / 1000;
}

/* Moves a record on that nobody has to read, at most once in a quarter of its time as far as this
 * process knows: another may have done so, which is harmless. */
static void keep_alive(wsrt_context *ctx)
{
    const uint64_t times = ((uint64_t)1 << MOVED_BITS) - 1;
    wsrt_runtime *rt = ctx->rt;
    wsrt_span id = ctx->event->connection_id;
    uint64_t hash = wsrt_hash(0, id.ptr, id.len);
    _Atomic uint64_t *slot = &rt->moved_on[hash % MOVED_SLOTS];
    uint64_t tag = (hash | (uint64_t)1 << MOVED_BITS) & ~times; /* never 0: nobody yet */
    int64_t wall = wsrt_context_wall(ctx);
    uint64_t ms = (uint64_t)wall & times, old = atomic_load(slot);

    if (rt->store.ops->touch == NULL ||
        ((old & ~times) == tag && ((ms - old) & times) < (uint64_t)rt->idle_ttl_s * 1000 / 4))
        return;
    int rc = rt->store.ops->touch(rt->store.self, &id, wall,
                                  expiry(ctx, wall, ctx->event->connected_at));
    if (rc == WSRT_OK || rc == WSRT_ERR_NOT_FOUND) /* else the next message tries again */
        atomic_store(slot, tag | ms);
}

/* An authorizer goes on telling who connected, also when that token is over; then the record knows
 * whether it has been renewed. */
static void ask_store(wsrt_context *ctx)
{
    const wsrt_principal *told = ctx->event->principal;
    int is_message = ctx->event->kind == WSRT_EVENT_MESSAGE;

    if (told != NULL && (!is_message || !is_over(ctx, told))) {
        ctx->principal = told;
        if (is_message)
            keep_alive(ctx);
        return;
    }
    int rc = from_store(ctx, &ctx->principal);
    if (rc == WSRT_ERR_NOT_FOUND)
        ctx->principal = told;
    else if (rc < 0)
        ctx->principal_status = rc;
}

int64_t wsrt_session_connected_at(const wsrt_context *ctx)
{
    const wsrt_event *ev = ctx->event;

    if (ctx->connected_at != 0)
        return ctx->connected_at;
    return ev->session != NULL ? (int64_t)ev->session->opaque[WORD_CONNECTED_AT] : ev->connected_at;
}

const wsrt_principal *wsrt_session_principal(wsrt_context *ctx)
{
    const wsrt_event *ev = ctx->event;

    if (ctx->principal_known)
        return ctx->principal;
    ctx->principal_known = 1;
    if (ev->session != NULL) {
        struct identity *id = session_identity(ev);
        ctx->principal = id == NULL ? ev->principal : &id->who;
        ctx->connected_at = (int64_t)ev->session->opaque[WORD_CONNECTED_AT];
    } else if (ev->connection_id.len > 0) {
        ask_store(ctx);
    }
    return ctx->principal;
}

/* ---- signing in ---- */

static int keep_identity(wsrt_context *ctx, const wsrt_principal *who)
{
    wsrt_runtime *rt = ctx->rt;
    struct identity *id = NULL;
    char summary[SUMMARY_MAX];
    wsrt_span text;
    int rc = summary_write(who, summary, sizeof summary, &text);

    if (rc != WSRT_OK)
        return rc;
    if (rt->store.ops->set_principal == NULL)
        return WSRT_ERR_UNSUPPORTED;
    if (ctx->event->session != NULL && (id = identity_new(&rt->allocator, who)) == NULL)
        return WSRT_ERR_NOMEM;
    rc = rt->store.ops->set_principal(rt->store.self, &ctx->event->connection_id, &who->user_id,
                                      &text);
    if (rc == WSRT_OK && id != NULL)
        session_set(ctx, id);
    else if (id != NULL)
        wsrt_mem_free(&rt->allocator, id, id->size);
    return rc == WSRT_ERR_NOT_FOUND ? WSRT_ERR_GONE : rc;
}

int wsrt_session_sign_in(wsrt_context *ctx, const wsrt_principal *who)
{
    char *text = wsrt_arena_alloc(&ctx->arena, principal_text(who));
    wsrt_principal *mine = wsrt_arena_alloc(&ctx->arena, sizeof *mine);

    if (text == NULL || mine == NULL)
        return WSRT_ERR_NOMEM;
    /* Its word comes with each message, so nobody else can take its place. */
    const wsrt_principal *told = ctx->event->principal;
    if (told != NULL && ctx->event->session == NULL &&
        !wsrt_span_equal(told->user_id, who->user_id))
        return wsrt_fail(ctx, WSRT_ERR_FORBIDDEN, "ANOTHER_USER",
                         "The connection is another user's");
    /* Who is still connecting is stored when that has been accepted. */
    int rc = ctx->event->kind == WSRT_EVENT_CONNECT ? WSRT_OK : keep_identity(ctx, who);
    if (rc != WSRT_OK)
        return rc;
    if (ctx->rt->resume != NULL)
        wsrt_resume_signed_in(ctx->rt->resume, ctx->event->connection_id, who->user_id);
    *mine = principal_copy(text, who);
    ctx->principal = mine;
    ctx->principal_known = 1;
    return WSRT_OK;
}

static const char *reason_code(int reason)
{
    switch (reason) {
    case WSRT_AUTH_MISSING_TOKEN:
        return "MISSING_TOKEN";
    case WSRT_AUTH_TOKEN_EXPIRED:
        return "TOKEN_EXPIRED";
    default:
        return "INVALID_TOKEN";
    }
}

static int judge(wsrt_context *ctx, wsrt_span token, wsrt_auth_result *out)
{
    const wsrt_authenticator *a = &ctx->rt->authenticator;

    if (token.len == 0) {
        out->reason = WSRT_AUTH_MISSING_TOKEN;
        return WSRT_ERR_UNAUTHENTICATED;
    }
    if (a->ops == NULL) {
        out->reason = WSRT_AUTH_INVALID_TOKEN;
        return WSRT_ERR_UNAUTHENTICATED;
    }
    int rc = a->ops->authenticate(a->self, &token, wsrt_context_wall(ctx), out);
    if (rc == WSRT_OK && (out->principal == NULL || out->principal->user_id.len == 0))
        return WSRT_ERR_INTERNAL; /* fail closed: an identity without a name is none */
    if (rc == WSRT_OK && out->principal->user_id.len > WSRT_USER_ID_MAX) {
        out->reason = WSRT_AUTH_INVALID_TOKEN; /* no store has room for such a name */
        return WSRT_ERR_UNAUTHENTICATED;
    }
    return rc > 0 ? WSRT_ERR_INTERNAL : rc;
}

/* Whose a token is, or what is wrong with it; a token that could not be judged is no bad one. */
static size_t token_fields(wsrt_context *ctx, wsrt_span token, int rc,
                           const wsrt_auth_result *found, wsrt_field *out)
{
    const char *type = rc == WSRT_ERR_UNAUTHENTICATED
                           ? reason_code(found->reason)
                           : wsrt_error_type_info(wsrt_error_type_of(rc))->name_cstr;
    size_t n = 0;

    out[n++] = wsrt_int_field("tokenLength", (int64_t)token.len);
    out[n] = wsrt_int_field("hasToken", token.len > 0);
    out[n++].kind = WSRT_FIELD_BOOL;
    if (rc == WSRT_OK) {
        out[n++] = wsrt_text_field("userId", found->principal->user_id);
        return n;
    }
    out[n++] = wsrt_text_field("error", wsrt_span_cstr(wsrt_status_name(rc)));
    out[n++] = wsrt_text_field("errorType", wsrt_span_cstr(type));
    if (rc == WSRT_ERR_UNAUTHENTICATED && found->expires_at != 0) {
        out[n++] = wsrt_int_field("exp", found->expires_at);
        out[n++] = wsrt_int_field("now", wsrt_context_wall(ctx) / 1000);
    }
    return n;
}

static int refuse_token(wsrt_context *ctx, wsrt_span token, const wsrt_auth_result *found,
                        const wsrt_field *fields, size_t n)
{
    wsrt_context_log(ctx, WSRT_LEVEL_INFO, "token_refused", fields, n);
    (void)wsrt_fail(ctx, WSRT_ERR_UNAUTHENTICATED, reason_code(found->reason), NULL);
    ctx->failure.token.is_judged = 1;
    ctx->failure.token.length = token.len;
    ctx->failure.token.expires_at = found->expires_at;
    return WSRT_ERR_UNAUTHENTICATED;
}

int wsrt_token_check(wsrt_context *ctx, wsrt_span token, wsrt_auth_result *out)
{
    const wsrt_env *env = &ctx->rt->env;
    wsrt_field fields[6];
    wsrt_op op;

    *out = (wsrt_auth_result){.struct_size = sizeof *out};
    (void)wsrt_op_start(ctx->rt->monitor, ctx->event->recorder, WSRT_OP_JWT_VERIFICATION,
                        env->now(env->user), &op);
    int rc = judge(ctx, token, out);
    wsrt_op_result result = {.struct_size = sizeof result,
                             .success = rc == WSRT_OK,
                             .request_size = (int64_t)token.len,
                             .response_size = -1,
                             .attrs = fields,
                             .attr_count = token_fields(ctx, token, rc, out, fields)};
    (void)wsrt_op_complete(&op, env->now(env->user), &result);
    if (rc == WSRT_ERR_UNAUTHENTICATED)
        return refuse_token(ctx, token, out, fields, result.attr_count);
    if (rc != WSRT_OK) {
        ctx->failure.status = 0;
        wsrt_blame_service(ctx, rc, wsrt_span_cstr("cognito"), wsrt_span_cstr("verifyJWT"), NULL);
    }
    return rc;
}

int wsrt_authenticate(wsrt_context *ctx, wsrt_span token)
{
    wsrt_auth_result result;

    if (ctx == NULL)
        return WSRT_ERR_INVALID;
    int rc = wsrt_token_check(ctx, token, &result);
    return rc == WSRT_OK ? wsrt_session_sign_in(ctx, result.principal) : rc;
}
