#include "chat.h"

#include <stdlib.h>
#include <string.h>

enum { HISTORY_TTL_S = 86400, SMALL_MESSAGE = 4096 };

typedef struct chat {
    chat_options opts;
    wsrt_schema *schema;
} chat;

/* ---- ping and auth ------------------------------------------------------------------------ */

static int on_ping(wsrt_context *ctx, const wsrt_request *req, void *user)
{
    char json[SMALL_MESSAGE];
    size_t len;
    wsrt_pong_message pong = {.struct_size = sizeof pong,
                              .timestamp = wsrt_context_wall(ctx),
                              .correlation_id = wsrt_context_correlation_id(ctx),
                              .connection_id = req->event->connection_id};

    (void)user;
    int rc = wsrt_pong_message_write(&pong, json, sizeof json, &len);
    return rc != WSRT_OK ? rc : wsrt_reply(ctx, (wsrt_span){json, len});
}

static int on_auth(wsrt_context *ctx, const wsrt_request *req, void *user)
{
    char json[SMALL_MESSAGE];
    size_t len;
    wsrt_span token;

    (void)user;
    int rc = wsrt_request_text(ctx, req, "token", &token);
    if (rc == WSRT_OK)
        rc = wsrt_authenticate(ctx, token);
    if (rc != WSRT_OK)
        return rc;
    wsrt_system_message welcome = {.struct_size = sizeof welcome,
                                   .event = WSRT_SYSTEM_AUTHENTICATED,
                                   .timestamp = wsrt_context_wall(ctx),
                                   .correlation_id = wsrt_context_correlation_id(ctx),
                                   .user_id = wsrt_context_principal(ctx)->user_id,
                                   .connection_id = req->event->connection_id};
    rc = wsrt_system_message_write(&welcome, json, sizeof json, &len);
    return rc != WSRT_OK ? rc : wsrt_reply(ctx, (wsrt_span){json, len});
}

/* ---- messages ----------------------------------------------------------------------------- */

/* One message on its way: what the client sent, and what every answer to it repeats. */
typedef struct turn {
    wsrt_context *ctx;
    const wsrt_request *req;
    wsrt_span text;
    wsrt_span session_id;
} turn;

static int open_turn(turn *t)
{
    int rc = wsrt_request_text(t->ctx, t->req, "message", &t->text);

    if (rc != WSRT_OK)
        return rc;
    rc = wsrt_request_text(t->ctx, t->req, "sessionId", &t->session_id);
    return rc == WSRT_ERR_NOT_FOUND ? wsrt_context_new_id(t->ctx, &t->session_id) : rc;
}

static int append(wsrt_context *ctx, void *arg)
{
    const wsrt_history *history = wsrt_context_history(ctx);

    return history->ops->append(history->self, arg);
}

/* Stores one side's message. */
static int store(const turn *t, int author, wsrt_span content, wsrt_span id)
{
    int64_t wall = wsrt_context_wall(t->ctx);
    wsrt_history_entry entry = {.struct_size = sizeof entry,
                                .author = author,
                                .message_id = id,
                                .session_id = t->session_id,
                                .connection_id = t->req->event->connection_id,
                                .user_id = wsrt_context_principal(t->ctx)->user_id,
                                .content = content,
                                .timestamp = wall,
                                .expires_at = wall / 1000 + HISTORY_TTL_S};

    return wsrt_call(t->ctx, "dynamodb",
                     author == WSRT_AUTHOR_USER ? "storeUserMessage" : "storeBotMessage", append,
                     NULL, &entry);
}

/* Writes a response with what every answer of the turn repeats. */
static int write_response(const turn *t, wsrt_chat_response *m, wsrt_span *out)
{
    size_t len = 0;

    m->struct_size = sizeof *m;
    m->timestamp = wsrt_context_wall(t->ctx);
    m->correlation_id = wsrt_context_correlation_id(t->ctx);
    m->session_id = t->session_id;
    int rc = wsrt_chat_response_write(m, NULL, 0, &len); /* asks for the length */
    if (rc != WSRT_ERR_LIMIT)
        return rc;
    char *json = wsrt_context_alloc(t->ctx, len);
    if (json == NULL)
        return WSRT_ERR_NOMEM;
    *out = (wsrt_span){json, len};
    return wsrt_chat_response_write(m, json, len, &len);
}

static int reply(const turn *t, wsrt_chat_response *m)
{
    wsrt_span json;
    int rc = write_response(t, m, &json);

    return rc != WSRT_OK ? rc : wsrt_reply(t->ctx, json);
}

/* Best effort: an indicator that is lost must not lose the message. */
static void show_typing(const turn *t, int is_typing)
{
    char json[SMALL_MESSAGE];
    size_t len;
    wsrt_typing_message typing = {.struct_size = sizeof typing,
                                  .is_typing = is_typing,
                                  .timestamp = wsrt_context_wall(t->ctx),
                                  .correlation_id = wsrt_context_correlation_id(t->ctx),
                                  .session_id = t->session_id};

    /* Without a sender there is room for one reply, and that is the answer's. */
    if (wsrt_context_sender(t->ctx) == NULL)
        return;
    if (wsrt_typing_message_write(&typing, json, sizeof json, &len) == WSRT_OK)
        (void)wsrt_reply(t->ctx, (wsrt_span){json, len});
}

/* ---- answers, whole or in parts ----------------------------------------------------------- */

struct chat_answer {
    const turn *t;
    wsrt_span id;
    int streams;
    uint64_t chunks;
    char *text; /* all that was said */
    size_t len;
    size_t cap;
};

static int gather(chat_answer *a, wsrt_span text)
{
    if (text.len > a->cap - a->len) {
        size_t cap = 2 * a->cap + text.len;
        char *grown = wsrt_context_alloc(a->t->ctx, cap);
        if (grown == NULL)
            return WSRT_ERR_NOMEM;
        if (a->len > 0)
            memcpy(grown, a->text, a->len);
        a->text = grown;
        a->cap = cap;
    }
    memcpy(a->text + a->len, text.ptr, text.len);
    a->len += text.len;
    return WSRT_OK;
}

static int send_chunk(chat_answer *a, wsrt_span text, uint32_t flags)
{
    wsrt_chat_response m = {.flags = WSRT_CHAT_CHUNKED | flags,
                            .content = text,
                            .message_id = a->id,
                            .chunk = a->chunks++};

    return reply(a->t, &m);
}

int chat_say(chat_answer *a, wsrt_span text)
{
    if (text.len == 0)
        return WSRT_OK;
    int rc = gather(a, text);
    return rc != WSRT_OK || !a->streams ? rc : send_chunk(a, text, 0);
}

/* What was said is stored before the client hears that it was all. */
static int finish(chat_answer *a)
{
    wsrt_chat_response whole = {.content = {a->text, a->len}, .message_id = a->id};
    int rc = store(a->t, WSRT_AUTHOR_BOT, whole.content, a->id);

    if (rc != WSRT_OK)
        return rc;
    return a->streams ? send_chunk(a, (wsrt_span){NULL, 0}, WSRT_CHAT_FINAL) : reply(a->t, &whole);
}

static int answer(const turn *t, const chat *c)
{
    chat_answer a = {.t = t};
    int rc = wsrt_context_new_id(t->ctx, &a.id);

    if (rc != WSRT_OK)
        return rc;
    /* Without a sender there is room for one reply. */
    a.streams = c->opts.stream && wsrt_context_sender(t->ctx) != NULL;
    show_typing(t, 1);
    rc = c->opts.responder(t->ctx, t->text, &a, c->opts.user);
    show_typing(t, 0);
    return rc != WSRT_OK ? rc : finish(&a);
}

/* ---- broadcasts --------------------------------------------------------------------------- */

static int write_sender(const turn *t, char *dst, size_t cap, size_t *len)
{
    wsrt_json_writer w;

    wsrt_json_writer_init(&w, dst, cap, 0);
    wsrt_json_object(&w);
    wsrt_json_key(&w, "from");
    wsrt_json_string(&w, wsrt_context_principal(t->ctx)->user_id);
    wsrt_json_object_end(&w);
    return wsrt_json_finish(&w, len);
}

static int broadcast(const turn *t, const chat *c, wsrt_span id)
{
    char from[SMALL_MESSAGE];
    size_t len;
    wsrt_span json;
    wsrt_audience to = {.struct_size = sizeof to, .signed_in = 1};
    int rc = write_sender(t, from, sizeof from, &len);

    wsrt_chat_response m = {.content = t->text, .message_id = id, .metadata = {from, len}};
    if (rc == WSRT_OK)
        rc = write_response(t, &m, &json);
    if (rc != WSRT_OK)
        return rc;
    if (c->opts.skip_sender)
        to.except = t->req->event->connection_id;
    wsrt_post post = {.struct_size = sizeof post, .flags = WSRT_POST_REPLY, .data = json};
    return wsrt_broadcast(wsrt_context_runtime(t->ctx), &to, &post, NULL);
}

static int on_message(wsrt_context *ctx, const wsrt_request *req, void *user)
{
    const chat *c = user;
    turn t = {.ctx = ctx, .req = req};
    wsrt_span action, id;
    int rc = open_turn(&t);

    if (rc == WSRT_OK)
        rc = wsrt_request_text(ctx, req, "action", &action);
    if (rc == WSRT_OK)
        rc = wsrt_context_new_id(ctx, &id);
    if (rc == WSRT_OK)
        rc = store(&t, WSRT_AUTHOR_USER, t.text, id);
    if (rc != WSRT_OK)
        return rc;
    if (wsrt_span_equal(action, wsrt_span_cstr("broadcast")))
        return broadcast(&t, c, id);
    return answer(&t, c);
}

/* ---- the shipped responder ---------------------------------------------------------------- */

static int echo(wsrt_context *ctx, wsrt_span message, chat_answer *to, void *user)
{
    (void)ctx;
    (void)user;
    int rc = chat_say(to, wsrt_span_cstr("You said: "));
    return rc != WSRT_OK ? rc : chat_say(to, message);
}

/* ---- routes ------------------------------------------------------------------------------- */

/* The schema refuses every type that has no route of its own, so nothing valid comes here. */
static int on_unknown(wsrt_context *ctx, const wsrt_request *req, void *user)
{
    (void)ctx;
    (void)req;
    (void)user;
    return WSRT_ERR_NOT_FOUND;
}

static void free_chat(void *user)
{
    chat *c = user;

    wsrt_schema_free(c->schema);
    free(c);
}

static int add_route(wsrt_runtime *rt, chat *c, const char *key, wsrt_handler handler,
                     const wsrt_rule *rate)
{
    int is_message = handler == on_message;
    wsrt_route route = {.struct_size = sizeof route,
                        .flags = handler == on_ping ? WSRT_ROUTE_PING : 0,
                        .key = wsrt_span_cstr(key),
                        .handler = handler,
                        .user = c,
                        .destroy = handler == on_unknown ? free_chat : NULL,
                        .schema = c->schema,
                        .rule = rate != NULL ? *rate : (wsrt_rule){0},
                        .access = is_message ? WSRT_ACCESS_SIGNED_IN : WSRT_ACCESS_ANYONE,
                        .operation = wsrt_span_cstr(is_message ? "chat_message_processing" : NULL)};

    return wsrt_runtime_route(rt, &route);
}

int chat_add_routes(wsrt_runtime *rt, const chat_options *opts)
{
    chat *c = calloc(1, sizeof *c);

    if (c == NULL)
        return WSRT_ERR_NOMEM;
    if (opts != NULL)
        c->opts = *opts;
    if (c->opts.responder == NULL)
        c->opts.responder = echo;
    int rc = wsrt_schema_builtin(&c->schema, "message", NULL);
    if (rc == WSRT_OK)
        rc = add_route(rt, c, "$default", on_unknown, NULL); /* from here on the runtime owns it */
    if (rc != WSRT_OK) {
        free_chat(c);
        return rc;
    }
    rc = add_route(rt, c, "auth", on_auth, &c->opts.auth_rate);
    if (rc == WSRT_OK)
        rc = add_route(rt, c, "message", on_message, &c->opts.message_rate);
    return rc != WSRT_OK ? rc : add_route(rt, c, "ping", on_ping, &c->opts.ping_rate);
}
