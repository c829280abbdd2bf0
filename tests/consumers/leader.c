/* A service written from the documents: players report points, everybody hears of a new leader. */
#include <wsrt/server.h>

#include <stdio.h>
#include <string.h>

static const char rules[] =
    "{\"type\":\"object\",\"required\":[\"type\",\"player\",\"points\"],\"properties\":{"
    "\"type\":{\"const\":\"score\"},"
    "\"player\":{\"type\":\"string\",\"pattern\":\"^[a-z]{1,20}$\",\"x-wsrt-extract\":\"player\"},"
    "\"points\":{\"type\":\"integer\",\"maximum\":99999,\"x-wsrt-extract\":\"points\"}}}";

static int score(wsrt_context *ctx, const wsrt_request *req, void *user)
{
    int64_t *best = user, points = 0;
    wsrt_span player;
    wsrt_json value;
    char text[128];

    wsrt_slot_json(&req->slots[wsrt_schema_slot(req->schema, "points")], &value);
    if (wsrt_request_text(ctx, req, "player", &player) != WSRT_OK ||
        wsrt_json_int64(&value, &points) != WSRT_OK)
        return WSRT_ERR_INTERNAL;
    if (points <= *best)
        return wsrt_reply(ctx, wsrt_span_cstr("{\"type\":\"beaten\"}"));
    *best = points;
    snprintf(text, sizeof text, "{\"type\":\"leader\",\"player\":\"%.*s\",\"points\":%d}",
             (int)player.len, player.ptr, (int)points);
    wsrt_post post = {.struct_size = sizeof post, .data = wsrt_span_cstr(text)};
    return wsrt_broadcast(wsrt_context_runtime(ctx), NULL, &post, NULL);
}

int main(void)
{
    int64_t best = 0;
    wsrt_span any = wsrt_span_cstr("127.0.0.1:0");
    wsrt_server_options opts = {.struct_size = sizeof opts, .listen = &any, .listen_count = 1};
    wsrt_route route = {.struct_size = sizeof route, .handler = score, .user = &best};
    wsrt_schema *schema = NULL;
    wsrt_runtime *rt = NULL;
    wsrt_server *server = NULL;
    char address[64];

    if (wsrt_schema_new(&schema, rules, strlen(rules), NULL, NULL) == WSRT_OK &&
        wsrt_runtime_new(&rt, NULL) == WSRT_OK) {
        route.key = wsrt_span_cstr("score");
        route.schema = schema;
        if (wsrt_runtime_route(rt, &route) == WSRT_OK &&
            wsrt_server_new(&server, rt, &opts) == WSRT_OK &&
            wsrt_server_address(server, 0, address, sizeof address, NULL) == WSRT_OK) {
            printf("%s\n", address);
            fflush(stdout);
            wsrt_server_run(server);
        }
    }
    wsrt_server_free(server);
    wsrt_runtime_free(rt);
    wsrt_schema_free(schema);
    return server == NULL;
}
