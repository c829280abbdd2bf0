/* TLS on a non-blocking socket, for the server and for the tool's client: what is offered and
 * accepted is pinned here, whatever the library below would choose. No type of that library shows.
 *
 * Without TLS in the build (none.c) the two constructors answer WSRT_ERR_UNSUPPORTED.
 * One thread at a time uses a context and its sessions. Memory is libc's. */
#ifndef WSRT_COMMON_TLS_H
#define WSRT_COMMON_TLS_H

#include <wsrt/base.h>

#include <sys/types.h>

enum {
    WSRT_TLS_RECORD = 16384, /* most bytes of a record: wsrt_tls_read() needs as much room */
    WSRT_TLS_MORE = 1        /* the handshake waits for the peer */
};

typedef struct wsrt_tls wsrt_tls;
typedef struct wsrt_tls_session wsrt_tls_session;

typedef struct wsrt_tls_random {
    int (*fill)(void *user, void *dst, size_t len); /* as wsrt_env's; must outlive the context */
    void *user;
} wsrt_tls_random;

/* Whom a client believes. */
typedef struct wsrt_tls_trust {
    const char *roots_cstr; /* PEM file; NULL = the system's */
    int insecure;           /* neither chain nor name are verified */
    int resume;             /* offer the last session */
} wsrt_tls_trust;

/* ---- contexts. `*why_cstr` is constant text, set on failure. */

/* A server: its generator and its ticket keys, no certificate yet. Of several that serve side by side,
 * each on a thread, the later share the ticket keys of the first (`peer`; NULL = own keys). */
int wsrt_tls_server_new(wsrt_tls **out, const wsrt_tls_random *random, wsrt_tls *peer,
                        const char **why_cstr);

/* Certificate chain and key for the sessions to come: PEM text, or paths of files. Open sessions
 * keep theirs, and so does the context when this fails: WSRT_ERR_IO (errno tells),
 * WSRT_ERR_REJECTED (no certificate, no key, no pair, out of its time), WSRT_ERR_NOMEM. */
int wsrt_tls_server_load(wsrt_tls *t, wsrt_span cert, wsrt_span key, const char **why_cstr);

/* What there is to know of a chain besides whether it can be loaded. */
typedef struct wsrt_tls_chain {
    int64_t ends;     /* Unix seconds: when the first of its certificates ends */
    int certificates; /* how many there are */
    int misplaced;    /* number, from 1, of one that is not its successor's; 0 = all are in order */
    int self_signed;  /* the first is its own issuer */
} wsrt_tls_chain;

/* "2.28.3"; NULL without TLS. */
const char *wsrt_tls_version(void);

/* As wsrt_tls_server_load(), of a chain alone. */
int wsrt_tls_inspect(wsrt_span cert, wsrt_tls_chain *out, const char **why_cstr);

/* wsrt_tls_server_load() in two steps, for servers side by side: `configs[i]` is for `all[i]`, which may be in use on
 * its thread meanwhile; all are of one reading, or there is none. A context adopts its own on its
 * thread. `all[0]` is the caller's. */
typedef struct wsrt_tls_config wsrt_tls_config;
int wsrt_tls_server_prepare(wsrt_tls *const *all, size_t count, wsrt_span cert, wsrt_span key,
                            wsrt_tls_config **configs, const char **why_cstr);
void wsrt_tls_server_adopt(wsrt_tls *t, wsrt_tls_config *config);
void wsrt_tls_config_release(wsrt_tls_config *config); /* one that nobody adopts; NULL is fine */

/* Changes the ticket keys every 12 h; the previous still open. `now` is monotonic, in ns. */
int wsrt_tls_server_rotate(wsrt_tls *t, int64_t now);

/* WSRT_ERR_IO, WSRT_ERR_REJECTED (the roots), WSRT_ERR_NOMEM. */
int wsrt_tls_client_new(wsrt_tls **out, const wsrt_tls_random *random, const wsrt_tls_trust *trust,
                        const char **why_cstr);

void wsrt_tls_free(wsrt_tls *t); /* after its sessions; NULL is fine */

/* ---- sessions. The descriptor remains the caller's. */

/* `host_cstr`: a client's name or address of the server; NULL for a server. */
int wsrt_tls_open(wsrt_tls_session **out, wsrt_tls *t, int fd, const char *host_cstr);

/* WSRT_OK, WSRT_TLS_MORE, or WSRT_ERR_REJECTED: then an alert has been sent, or waits. What one call
 * takes from the socket is bounded, here and in wsrt_tls_read(): poll the descriptor by level. */
int wsrt_tls_handshake(wsrt_tls_session *s);

int wsrt_tls_resumed(const wsrt_tls_session *s);       /* a server's: by a ticket */
const char *wsrt_tls_why(const wsrt_tls_session *s);   /* a client's handshake failed */
const char *wsrt_tls_suite(const wsrt_tls_session *s); /* what was agreed on */

/* As recv(2): 0 = the peer ended, with a close_notify or without; -1 and errno. A record is never
 * left behind in part when there is WSRT_TLS_RECORD room. */
ssize_t wsrt_tls_read(wsrt_tls_session *s, void *dst, size_t room);

/* As send(2). Bytes that were taken may wait here for the socket: see wsrt_tls_unsent(). */
ssize_t wsrt_tls_write(wsrt_tls_session *s, const void *bytes, size_t len);

/* Sends what waits as far as the socket takes it; -1 = lost. */
int wsrt_tls_flush(wsrt_tls_session *s);
size_t wsrt_tls_unsent(const wsrt_tls_session *s);

void wsrt_tls_bye(wsrt_tls_session *s);   /* close_notify, once */
void wsrt_tls_close(wsrt_tls_session *s); /* frees; NULL is fine */

#endif
