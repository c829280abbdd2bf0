#include "ws.h"

#include "base64.h"
#include "sha1.h"

#include <string.h>

static const char protocol_id[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

enum { NONCE_LEN = 16, ID_LEN = sizeof protocol_id - 1 };

static void accept_value(char *dst, const char *key)
{
    char text[WSRT_WS_KEY_LEN + ID_LEN];
    unsigned char digest[WSRT_SHA1_LEN];

    memcpy(text, key, WSRT_WS_KEY_LEN);
    memcpy(text + WSRT_WS_KEY_LEN, protocol_id, ID_LEN);
    wsrt_sha1(digest, text, sizeof text);
    wsrt_base64_encode(dst, digest, sizeof digest);
}

static int is_key(wsrt_span text)
{
    unsigned char nonce[WSRT_WS_KEY_LEN / 4 * 3];
    size_t len;

    return text.len == WSRT_WS_KEY_LEN && wsrt_base64_decode(nonce, text, &len) == WSRT_OK &&
           len == NONCE_LEN;
}

static int is_text(wsrt_span a, const char *b)
{
    return a.len == strlen(b) && memcmp(a.ptr, b, a.len) == 0;
}

static int asks_for_websocket(const wsrt_http_fields *fields)
{
    return wsrt_http_has_token(fields, "upgrade", "websocket") &&
           wsrt_http_has_token(fields, "connection", "upgrade");
}

int wsrt_ws_upgrade(const wsrt_http_request *req, char *accept)
{
    wsrt_span value = {NULL, 0};

    if (!asks_for_websocket(&req->fields))
        return WSRT_WS_PLAIN;
    if (!is_text(req->method, "GET"))
        return 405;
    if (req->minor == 0 || req->content_length > 0)
        return 400;
    if (wsrt_http_find(&req->fields, "sec-websocket-version", &value) != 1 || !is_text(value, "13"))
        return 426;
    if (wsrt_http_find(&req->fields, "sec-websocket-key", &value) != 1 || !is_key(value))
        return 400;
    accept_value(accept, value.ptr);
    return WSRT_WS_SWITCH;
}

void wsrt_ws_key(char *dst, const unsigned char *random)
{
    wsrt_base64_encode(dst, random, NONCE_LEN);
}

const char *wsrt_ws_refused(const wsrt_http_response *resp, const char *key)
{
    char accept[WSRT_WS_ACCEPT_LEN];
    wsrt_span value = {NULL, 0};

    if (resp->status != 101)
        return "the server did not switch protocols";
    if (!asks_for_websocket(&resp->fields))
        return "the answer does not upgrade to websocket";
    accept_value(accept, key);
    if (wsrt_http_find(&resp->fields, "sec-websocket-accept", &value) != 1 ||
        value.len != sizeof accept || memcmp(value.ptr, accept, sizeof accept) != 0)
        return "wrong Sec-WebSocket-Accept";
    if (wsrt_http_find(&resp->fields, "sec-websocket-extensions", NULL) != 0)
        return "an extension that was not offered";
    return NULL;
}
