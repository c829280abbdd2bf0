#include <wsrt/message.h>

#include "base/options.h"
#include "json/scan.h"
#include "json/write.h"

/* ---- the frame around every message ---- */

static void string_member(wsrt_json_writer *w, const char *name, wsrt_span text)
{
    wsrt_json_key(w, name);
    wsrt_json_string(w, text);
}

static void optional_member(wsrt_json_writer *w, const char *name, wsrt_span text)
{
    if (text.len > 0)
        string_member(w, name, text);
}

static void bool_member(wsrt_json_writer *w, const char *name, int truth)
{
    wsrt_json_key(w, name);
    wsrt_json_write_bool(w, truth);
}

static void open_message(wsrt_json_writer *w, const char *type)
{
    wsrt_json_object(w);
    string_member(w, "type", wsrt_span_cstr(type));
    wsrt_json_key(w, "data");
    wsrt_json_object(w);
}

static int close_message(wsrt_json_writer *w, int64_t timestamp, wsrt_span correlation_id,
                         size_t *len)
{
    wsrt_json_object_end(w);
    wsrt_json_key(w, "timestamp");
    wsrt_json_write_int64(w, timestamp);
    string_member(w, "correlationId", correlation_id);
    wsrt_json_object_end(w);
    return wsrt_json_finish(w, len);
}

/* Loads the caller's struct and starts the writer; the structs all begin alike. */
static int begin(wsrt_json_writer *w, void *copy, size_t size, const void *given)
{
    if (given == NULL)
        return WSRT_ERR_INVALID;
    return w->status < 0 ? w->status : wsrt_options_load(copy, size, size, given);
}

/* ---- system ---- */

struct notice {
    const char *name;
    const char *text;
};

static const struct notice *notice_of(int event)
{
    static const struct notice notices[] = {
        [WSRT_SYSTEM_CONNECTED] = {"connected", "Connected"},
        [WSRT_SYSTEM_AUTHENTICATED] = {"authenticated", "Authenticated"},
        [WSRT_SYSTEM_SUBSCRIBED] = {"subscribed", "Subscribed"},
        [WSRT_SYSTEM_UNSUBSCRIBED] = {"unsubscribed", "Unsubscribed"},
        [WSRT_SYSTEM_DRAINING] = {"draining", "The server is going away; please reconnect"},
    };

    if (event < WSRT_SYSTEM_CONNECTED || event > WSRT_SYSTEM_DRAINING)
        return NULL;
    return &notices[event];
}

int wsrt_system_message_write(const wsrt_system_message *m, char *dst, size_t cap, size_t *len)
{
    wsrt_system_message in;
    wsrt_json_writer w;

    wsrt_json_writer_init(&w, dst, cap, 0);
    int rc = begin(&w, &in, sizeof in, m);
    if (rc < 0)
        return rc;
    const struct notice *notice = notice_of(in.event);
    if (notice == NULL)
        return WSRT_ERR_INVALID;
    open_message(&w, "system");
    string_member(&w, "event", wsrt_span_cstr(notice->name));
    string_member(&w, "message", in.message.len > 0 ? in.message : wsrt_span_cstr(notice->text));
    if (in.event == WSRT_SYSTEM_AUTHENTICATED) {
        optional_member(&w, "userId", in.user_id);
        optional_member(&w, "connectionId", in.connection_id);
    }
    return close_message(&w, in.timestamp, in.correlation_id, len);
}

/* ---- pong and typing ---- */

int wsrt_pong_message_write(const wsrt_pong_message *m, char *dst, size_t cap, size_t *len)
{
    wsrt_pong_message in;
    wsrt_json_writer w;

    wsrt_json_writer_init(&w, dst, cap, 0);
    int rc = begin(&w, &in, sizeof in, m);
    if (rc < 0)
        return rc;
    if (in.flags != 0)
        return WSRT_ERR_INVALID;
    open_message(&w, "pong");
    string_member(&w, "connectionId", in.connection_id);
    return close_message(&w, in.timestamp, in.correlation_id, len);
}

int wsrt_typing_message_write(const wsrt_typing_message *m, char *dst, size_t cap, size_t *len)
{
    wsrt_typing_message in;
    wsrt_json_writer w;

    wsrt_json_writer_init(&w, dst, cap, 0);
    int rc = begin(&w, &in, sizeof in, m);
    if (rc < 0)
        return rc;
    if (in.is_typing != 0 && in.is_typing != 1)
        return WSRT_ERR_INVALID;
    open_message(&w, "typing_indicator");
    bool_member(&w, "isTyping", in.is_typing);
    string_member(&w, "sessionId", in.session_id);
    return close_message(&w, in.timestamp, in.correlation_id, len);
}

/* ---- chat ---- */

enum { CHAT_FLAGS = WSRT_CHAT_CHUNKED | WSRT_CHAT_FINAL | WSRT_CHAT_CONTENT_JSON };

/* Whether bytes may stand between two quotes as they are. */
static int is_string_inside(wsrt_span text)
{
    uint32_t code_point;

    for (const char *p = text.ptr, *end = p + text.len; p < end;) {
        p = wsrt_scan_plain(p, end);
        if (p < end && *p == '\\') {
            size_t len = wsrt_scan_escape(p, end, &code_point);
            if (len == 0 || (code_point >= 0xd800 && code_point <= 0xdfff))
                return 0;
            p += len;
        } else if (p < end) {
            int len = wsrt_scan_utf8(p, end);
            if (len < 2)
                return 0;
            p += len;
        }
    }
    return 1;
}

static void content_member(wsrt_json_writer *w, const wsrt_chat_response *in)
{
    wsrt_json_key(w, "content");
    wsrt_json_string_open(w);
    if ((in->flags & WSRT_CHAT_CONTENT_JSON) != 0)
        wsrt_json_string_literal(w, in->content);
    else
        wsrt_json_string_part(w, in->content);
    wsrt_json_string_close(w);
}

static int check_chat(const wsrt_chat_response *in, wsrt_json *metadata)
{
    if ((in->flags & ~(uint32_t)CHAT_FLAGS) != 0 ||
        (in->flags & (WSRT_CHAT_CHUNKED | WSRT_CHAT_FINAL)) == WSRT_CHAT_FINAL)
        return WSRT_ERR_INVALID;
    if ((in->flags & WSRT_CHAT_CONTENT_JSON) != 0 && in->content.len > 0 &&
        !is_string_inside(in->content))
        return WSRT_ERR_MALFORMED;
    if (in->metadata.len > 0 &&
        (wsrt_json_parse(metadata, in->metadata, NULL) < 0 || metadata->kind != WSRT_JSON_OBJECT))
        return WSRT_ERR_MALFORMED;
    return WSRT_OK;
}

int wsrt_chat_response_write(const wsrt_chat_response *m, char *dst, size_t cap, size_t *len)
{
    wsrt_chat_response in;
    wsrt_json metadata = {0};
    wsrt_json_writer w;

    wsrt_json_writer_init(&w, dst, cap, 0);
    int rc = begin(&w, &in, sizeof in, m);
    if (rc == WSRT_OK)
        rc = check_chat(&in, &metadata);
    if (rc < 0)
        return rc;
    open_message(&w, "chat_response");
    content_member(&w, &in);
    string_member(&w, "sessionId", in.session_id);
    string_member(&w, "messageId", in.message_id);
    if (metadata.kind == WSRT_JSON_OBJECT) {
        wsrt_json_key(&w, "metadata");
        wsrt_json_raw(&w, metadata.text);
    }
    if ((in.flags & WSRT_CHAT_CHUNKED) != 0) {
        wsrt_json_key(&w, "chunk");
        wsrt_json_write_uint64(&w, in.chunk);
        bool_member(&w, "final", (in.flags & WSRT_CHAT_FINAL) != 0);
    }
    return close_message(&w, in.timestamp, in.correlation_id, len);
}
