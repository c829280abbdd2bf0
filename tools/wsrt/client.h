/* A WebSocket client over one socket, for `connect` and `bench`. */
#ifndef WSRT_TOOL_CLIENT_H
#define WSRT_TOOL_CLIENT_H

#include "option.h"

#include "common/tls/tls.h"
#include "common/ws.h"

/* Where to go: ws://HOST[:PORT][/PATH], wss://... or ws+unix:FILE[:/PATH]. */
struct url {
    char host[256]; /* as the Host field says it, without the port */
    char port[8];
    char socket[108]; /* path of a unix socket; "" = TCP */
    char target[2048];
    int tls;
};

struct client_request {
    const struct url *url;
    const char *token;       /* NULL = none */
    const char *subprotocol; /* NULL = none */
    const struct text_list *headers;
    int64_t timeout_ms;
    wsrt_tls *tls; /* for wss: client_trust() */
};

struct client {
    int fd;                /* non-blocking; -1 = closed */
    wsrt_tls_session *tls; /* NULL = clear text */
    wsrt_ws_decoder decoder;
    unsigned char tail[WSRT_WS_TAIL_MAX]; /* start of a frame, not yet decoded */
    size_t tail_len;
    unsigned char *early; /* came right behind the handshake; NULL = nothing */
    size_t early_len;
    unsigned char *message; /* pieces of the message under way */
    size_t message_len;
    size_t message_cap;
    unsigned char *out; /* not yet taken by the socket */
    size_t out_len;
    size_t out_cap;
    int close_sent;
    int close_code;   /* the peer's, 1005 = none, 1006 = lost; 0 = still open */
    char reason[126]; /* the peer's, or what was wrong */
};

typedef void (*client_message_fn)(void *user, int opcode, const unsigned char *data, size_t len);

/* Takes an URL apart; complains and returns an exit status when it is none. */
int url_parse(struct url *url, const char *text);

/* Whom connections to `url` believe: NULL for a clear one. `cacert` NULL = the system's authorities.
 * Complains and returns an exit status when that cannot be. Give it back with wsrt_tls_free(). */
int client_trust(wsrt_tls **out, const struct url *url, const char *cacert, int insecure);

/* Connects and upgrades. Complains and returns TOOL_UNAVAILABLE, or TOOL_REFUSED for 401 and 403;
 * with `silent` it only returns. */
int client_open(struct client *c, const struct client_request *request, int silent);

/* Queues a frame and sends what the socket takes; -1 when the connection is lost. */
int client_send(struct client *c, int opcode, const void *data, size_t len);

/* Whether something waits for the socket to take it. */
int client_has_unsent(const struct client *c);

/* Sends more of the queue; -1 when the connection is lost. */
int client_flush(struct client *c);

/* Sends a close frame, once. */
void client_close(struct client *c, uint16_t code);

/* Reads what is there, calls `fn` for each message, answers pings and a close. -1 once the
 * connection has ended; close_code tells how. */
int client_receive(struct client *c, client_message_fn fn, void *user);

/* Whether a read would find something without waiting for the socket. */
int client_has_early(const struct client *c);

/* Closes the socket and frees what it holds. */
void client_end(struct client *c);

/* Monotonic nanoseconds. */
int64_t clock_ns(void);

#endif
