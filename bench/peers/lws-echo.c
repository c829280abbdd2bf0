/* A libwebsockets echo server of the ordinary kind: one callback, a reply per writeable event. With a
 * certificate and its key, over TLS. */
#include <libwebsockets.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LARGEST = 128 * 1024 };

struct reply {
    struct reply *next;
    size_t len;
    enum lws_write_protocol kind;
    unsigned char bytes[]; /* LWS_PRE bytes of room, then the message */
};

struct session {
    struct reply *first;
    struct reply **last;
};

static int keep(struct session *s, struct lws *wsi, const void *in, size_t len)
{
    struct reply *r = malloc(sizeof *r + LWS_PRE + len);

    if (r == NULL)
        return -1;
    r->next = NULL;
    r->len = len;
    r->kind = lws_frame_is_binary(wsi) ? LWS_WRITE_BINARY : LWS_WRITE_TEXT;
    memcpy(r->bytes + LWS_PRE, in, len);
    *s->last = r;
    s->last = &r->next;
    lws_callback_on_writable(wsi);
    return 0;
}

static void drop_first(struct session *s)
{
    struct reply *r = s->first;

    s->first = r->next;
    if (s->first == NULL)
        s->last = &s->first;
    free(r);
}

static int write_some(struct session *s, struct lws *wsi)
{
    while (s->first != NULL) {
        struct reply *r = s->first;
        if (lws_write(wsi, r->bytes + LWS_PRE, r->len, r->kind) < (int)r->len)
            return -1;
        drop_first(s);
        if (lws_send_pipe_choked(wsi)) {
            lws_callback_on_writable(wsi);
            break;
        }
    }
    return 0;
}

static int on_event(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in,
                    size_t len)
{
    struct session *s = user;

    switch ((int)reason) {
    case LWS_CALLBACK_ESTABLISHED:
        s->first = NULL;
        s->last = &s->first;
        return 0;
    case LWS_CALLBACK_RECEIVE:
        return keep(s, wsi, in, len);
    case LWS_CALLBACK_SERVER_WRITEABLE:
        return write_some(s, wsi);
    case LWS_CALLBACK_CLOSED:
        while (s->first != NULL)
            drop_first(s);
        return 0;
    default:
        return 0;
    }
}

int main(int argc, char **argv)
{
    static const struct lws_protocols protocols[] = {
        {"echo", on_event, sizeof(struct session), LARGEST, 0, NULL, 0},
        {NULL, NULL, 0, 0, 0, NULL, 0},
    };
    struct lws_context_creation_info info;

    memset(&info, 0, sizeof info);
    info.port = 0;
    info.iface = "127.0.0.1";
    info.protocols = protocols;
    info.gid = -1;
    info.uid = -1;
    info.pt_serv_buf_size = LARGEST;
    info.options = LWS_SERVER_OPTION_EXPLICIT_VHOSTS;
    if (argc == 3) {
        info.options |= LWS_SERVER_OPTION_DO_SSL_GLOBAL_INIT;
        info.ssl_cert_filepath = argv[1];
        info.ssl_private_key_filepath = argv[2];
    }
    lws_set_log_level(LLL_ERR, NULL);
    struct lws_context *context = lws_create_context(&info);
    struct lws_vhost *host = context == NULL ? NULL : lws_create_vhost(context, &info);
    if (host == NULL)
        return 1;
    printf("{\"event\":\"listening\",\"port\":%d}\n", lws_get_vhost_listen_port(host));
    fflush(stdout);
    while (lws_service(context, 0) >= 0)
        continue;
    lws_context_destroy(context);
    return 0;
}
