/* A build without TLS. */
#include "common/tls/tls.h"

#include <errno.h>

static int unsupported(wsrt_tls **out, const char **why_cstr)
{
    *out = NULL;
    *why_cstr = "this build has no TLS";
    return WSRT_ERR_UNSUPPORTED;
}

int wsrt_tls_server_new(wsrt_tls **out, const wsrt_tls_random *random, wsrt_tls *peer,
                        const char **why_cstr)
{
    (void)random;
    (void)peer;
    return unsupported(out, why_cstr);
}

int wsrt_tls_client_new(wsrt_tls **out, const wsrt_tls_random *random, const wsrt_tls_trust *trust,
                        const char **why_cstr)
{
    (void)random;
    (void)trust;
    return unsupported(out, why_cstr);
}

int wsrt_tls_server_load(wsrt_tls *t, wsrt_span cert, wsrt_span key, const char **why_cstr)
{
    (void)t;
    (void)cert;
    (void)key;
    *why_cstr = "this build has no TLS";
    return WSRT_ERR_UNSUPPORTED;
}

const char *wsrt_tls_version(void)
{
    return NULL;
}

int wsrt_tls_inspect(wsrt_span cert, wsrt_tls_chain *out, const char **why_cstr)
{
    (void)cert;
    (void)out;
    *why_cstr = "this build has no TLS";
    return WSRT_ERR_UNSUPPORTED;
}

int wsrt_tls_server_prepare(wsrt_tls *const *all, size_t count, wsrt_span cert, wsrt_span key,
                            wsrt_tls_config **configs, const char **why_cstr)
{
    (void)all;
    (void)count;
    (void)cert;
    (void)key;
    (void)configs;
    *why_cstr = "this build has no TLS";
    return WSRT_ERR_UNSUPPORTED;
}

void wsrt_tls_server_adopt(wsrt_tls *t, wsrt_tls_config *config)
{
    (void)t;
    (void)config;
}

void wsrt_tls_config_release(wsrt_tls_config *config)
{
    (void)config;
}

int wsrt_tls_server_rotate(wsrt_tls *t, int64_t now)
{
    (void)t;
    (void)now;
    return WSRT_ERR_UNSUPPORTED;
}

void wsrt_tls_free(wsrt_tls *t)
{
    (void)t;
}

int wsrt_tls_open(wsrt_tls_session **out, wsrt_tls *t, int fd, const char *host_cstr)
{
    (void)t;
    (void)fd;
    (void)host_cstr;
    *out = NULL;
    return WSRT_ERR_UNSUPPORTED;
}

int wsrt_tls_handshake(wsrt_tls_session *s)
{
    (void)s;
    return WSRT_ERR_UNSUPPORTED;
}

int wsrt_tls_resumed(const wsrt_tls_session *s)
{
    (void)s;
    return 0;
}

const char *wsrt_tls_why(const wsrt_tls_session *s)
{
    (void)s;
    return "this build has no TLS";
}

const char *wsrt_tls_suite(const wsrt_tls_session *s)
{
    (void)s;
    return "none";
}

ssize_t wsrt_tls_read(wsrt_tls_session *s, void *dst, size_t room)
{
    (void)s;
    (void)dst;
    (void)room;
    errno = ENOTSUP;
    return -1;
}

ssize_t wsrt_tls_write(wsrt_tls_session *s, const void *bytes, size_t len)
{
    (void)s;
    (void)bytes;
    (void)len;
    errno = ENOTSUP;
    return -1;
}

int wsrt_tls_flush(wsrt_tls_session *s)
{
    (void)s;
    return -1;
}

size_t wsrt_tls_unsent(const wsrt_tls_session *s)
{
    (void)s;
    return 0;
}

void wsrt_tls_bye(wsrt_tls_session *s)
{
    (void)s;
}

void wsrt_tls_close(wsrt_tls_session *s)
{
    (void)s;
}
