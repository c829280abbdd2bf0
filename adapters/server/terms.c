#include "server/terms.h"

#include "server/memory.h"
#include "server/timer.h"

#include <string.h>
#include <sys/resource.h>

enum {
    NAMES_MOST = 4096,
    PEM_MOST = 1 << 20,
    TOKEN_MOST = 4096,
    SECRET_MOST = 1024,
    CONNECTIONS_MOST = 1 << 24
};

static const int64_t most = INT64_C(0x7fffffff);

/* ---- numbers -------------------------------------------------------------------------------- */

/* What a number may be, besides 0 for its default. */
typedef struct rule {
    const char *name_cstr;
    int64_t given;
    int64_t standard;
    int64_t most;
    int may_be_off; /* -1, which reads as 0 */
} rule;

static int number(const rule *r, int64_t *out, const char **wrong_cstr)
{
    if (r->given == -1 && r->may_be_off) {
        *out = 0;
    } else if (r->given == 0) {
        *out = r->standard;
    } else if (r->given < 0 || r->given > r->most) {
        *wrong_cstr = r->name_cstr;
        return WSRT_ERR_INVALID;
    } else {
        *out = r->given;
    }
    return WSRT_OK;
}

int64_t wsrt_connections_of(uint64_t descriptors)
{
    uint64_t n = descriptors / 10 * 9 + descriptors % 10 * 9 / 10;

    return n < 1 ? 1 : n > CONNECTIONS_MOST ? CONNECTIONS_MOST : (int64_t)n;
}

static int64_t default_connections(void)
{
    struct rlimit limit;

    return wsrt_connections_of(getrlimit(RLIMIT_NOFILE, &limit) == 0 ? limit.rlim_cur : 1024);
}

static int load_messages(wsrt_terms *t, const wsrt_server_options *o, const char **wrong_cstr)
{
    int aws = (o->flags & WSRT_SERVER_API_GATEWAY) != 0;
    int64_t message, frame;
    rule of_message = {"max_message", o->max_message, 131072, 1 << 30, 0};

    if (number(&of_message, &message, wrong_cstr) != WSRT_OK)
        return WSRT_ERR_INVALID;
    rule of_frame = {"max_frame", o->max_frame, aws && message > 32768 ? 32768 : message, 1 << 30,
                     0};
    if (number(&of_frame, &frame, wrong_cstr) != WSRT_OK)
        return WSRT_ERR_INVALID;
    t->max_message = (size_t)message;
    t->max_frame = (size_t)frame;
    return WSRT_OK;
}

static int load_sizes(wsrt_terms *t, const wsrt_server_options *o, const char **wrong_cstr)
{
    int64_t connections, per_ip;
    const struct {
        rule rule;
        int64_t *out;
    } rows[] = {
        {{"max_connections", o->max_connections, default_connections(), CONNECTIONS_MOST, 0},
         &connections},
        {{"max_per_ip", o->max_per_ip, 256, most, 1}, &per_ip},
        {{"accept_rate", o->accept_rate, 500, 1000000, 1}, &t->accept_rate},
        {{"queue_soft", o->queue_soft, 262144, 1 << 30, 0}, &t->queue_soft},
        {{"queue_hard", o->queue_hard, 1048576, 1 << 30, 0}, &t->queue_hard},
        {{"queue_total", o->queue_total, 268435456, INT64_C(1) << 40, 0}, &t->queue_total},
        {{"partial_total", o->partial_total, 268435456, INT64_C(1) << 40, 0}, &t->partial_total},
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (number(&rows[i].rule, rows[i].out, wrong_cstr) != WSRT_OK)
            return WSRT_ERR_INVALID;
    t->max_connections = (uint32_t)connections;
    t->max_per_ip = per_ip == 0 ? UINT32_MAX : (uint32_t)per_ip;
    if (t->queue_hard >= t->queue_soft)
        return WSRT_OK;
    *wrong_cstr = "queue_hard";
    return WSRT_ERR_INVALID;
}

static int load_ticks(wsrt_terms *t, const wsrt_server_options *o, const char **wrong_cstr)
{
    int aws = (o->flags & WSRT_SERVER_API_GATEWAY) != 0;
    const struct {
        rule rule;
        uint32_t *out;
    } rows[] = {
        {{"handshake_ms", o->handshake_ms, 10000, most, 0}, &t->handshake},
        {{"idle_ms", o->idle_ms, 600000, most, 1}, &t->idle},
        {{"lifetime_ms", o->lifetime_ms, aws ? 7200000 : 0, most, 1}, &t->lifetime},
        {{"ping_ms", o->ping_ms, aws ? 0 : 25000, most, 1}, &t->ping},
        {{"pong_ms", o->pong_ms, 20000, most, 0}, &t->pong},
        {{"keep_alive_ms", o->keep_alive_ms, 30000, most, 0}, &t->keep_alive},
        {{"body_ms", o->body_ms, 10000, most, 0}, &t->body},
        {{"message_ms", o->message_ms, 30000, most, 0}, &t->message},
        {{"close_ms", o->close_ms, 5000, most, 0}, &t->close},
        {{"stall_ms", o->stall_ms, 30000, most, 1}, &t->stall},
        {{"sign_in_ms", o->sign_in_ms, 0, most, 1}, &t->sign_in},
    };
    int64_t ms;

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (number(&rows[i].rule, &ms, wrong_cstr) != WSRT_OK)
            return WSRT_ERR_INVALID;
        *rows[i].out = wsrt_ticks(ms);
    }
    return WSRT_OK;
}

static int load_times(wsrt_terms *t, const wsrt_server_options *o, const char **wrong_cstr)
{
    rule expired = {"expired_ms", o->expired_ms, 60000, most, 1};
    rule drain = {"drain_ms", o->drain_ms, 30000, most, 0};

    if (load_ticks(t, o, wrong_cstr) != WSRT_OK ||
        number(&expired, &t->expired_ms, wrong_cstr) != WSRT_OK)
        return WSRT_ERR_INVALID;
    if (o->expired_ms == -1)
        t->expired_ms = -1;
    return number(&drain, &t->drain_ms, wrong_cstr);
}

/* ---- text ----------------------------------------------------------------------------------- */

static int keys_valid(const wsrt_server_options *o)
{
    if (o->management != WSRT_MANAGEMENT_SIGV4)
        return o->management_access_key.len <= SECRET_MOST &&
               o->management_secret_key.len <= SECRET_MOST;
    return o->management_access_key.len > 0 && o->management_access_key.len <= 128 &&
           o->management_secret_key.len > 0 && o->management_secret_key.len <= SECRET_MOST;
}

static int token_valid(const wsrt_server_options *o)
{
    return o->management_token.len <= TOKEN_MOST &&
           (o->management != WSRT_MANAGEMENT_BEARER || o->management_token.len > 0);
}

static int proxies_valid(const wsrt_server_options *o)
{
    wsrt_range range;

    if (!wsrt_texts_valid(o->trusted_proxies, o->trusted_proxy_count, NAMES_MOST))
        return 0;
    for (size_t i = 0; i < o->trusted_proxy_count; i++)
        if (!wsrt_span_equal(o->trusted_proxies[i], wsrt_span_cstr("unix")) &&
            !wsrt_range_parse(o->trusted_proxies[i], &range))
            return 0;
    return 1;
}

/* The setting that is wrong; NULL = none is. */
static const char *wrong_text(const wsrt_server_options *o)
{
    if (!wsrt_texts_valid(o->hosts, o->host_count, NAMES_MOST))
        return "hosts";
    if (!wsrt_texts_valid(o->origins, o->origin_count, NAMES_MOST))
        return "origins";
    if (!proxies_valid(o))
        return "trusted_proxies";
    if ((o->tls_cert.len > 0) != (o->tls_key.len > 0) || o->tls_cert.len > PEM_MOST)
        return "tls_cert";
    if (o->tls_key.len > PEM_MOST)
        return "tls_key";
    if (o->slow_reader < 0 || o->slow_reader > WSRT_SLOW_READER_CONFLATE)
        return "slow_reader";
    if (o->management < 0 || o->management > WSRT_MANAGEMENT_SIGV4)
        return "management";
    if (!token_valid(o))
        return "management_token";
    return keys_valid(o) ? NULL : "management_secret_key";
}

/* "unix" stands for whoever comes by a unix socket. */
static void copy_proxies(wsrt_proxies *p, const wsrt_server_options *o)
{
    for (size_t i = 0; i < o->trusted_proxy_count; i++) {
        if (wsrt_span_equal(o->trusted_proxies[i], wsrt_span_cstr("unix")))
            p->local = 1;
        else
            p->count += (size_t)wsrt_range_parse(o->trusted_proxies[i], &p->ranges[p->count]);
    }
}

static int copy_all(wsrt_terms *t, const wsrt_server_options *o)
{
    t->block_size =
        wsrt_texts_room(o->hosts, o->host_count) + wsrt_texts_room(o->origins, o->origin_count) +
        o->trusted_proxy_count * sizeof(wsrt_range) + o->tls_cert.len + o->tls_key.len +
        o->management_token.len + o->management_access_key.len + o->management_secret_key.len;
    if (t->block_size == 0)
        return WSRT_OK;
    t->block = wsrt_server_alloc(&t->mem, t->block_size);
    if (t->block == NULL)
        return WSRT_ERR_NOMEM;
    wsrt_copier c = {t->block, NULL};
    t->proxies.ranges = (wsrt_range *)(c.spans + o->host_count + o->origin_count);
    c.text = (char *)(t->proxies.ranges + o->trusted_proxy_count);
    t->hosts = wsrt_copy_texts(&c, o->hosts, o->host_count);
    t->origins = wsrt_copy_texts(&c, o->origins, o->origin_count);
    t->tls_cert = wsrt_copy_text(&c, o->tls_cert);
    t->tls_key = wsrt_copy_text(&c, o->tls_key);
    t->management_token = wsrt_copy_text(&c, o->management_token);
    t->management_access_key = wsrt_copy_text(&c, o->management_access_key);
    t->management_secret_key = wsrt_copy_text(&c, o->management_secret_key);
    copy_proxies(&t->proxies, o);
    return WSRT_OK;
}

/* ---- all of it ------------------------------------------------------------------------------ */

void wsrt_terms_hold(wsrt_terms *t)
{
    atomic_fetch_add_explicit(&t->refs, 1, memory_order_relaxed);
}

void wsrt_terms_release(wsrt_terms *t)
{
    wsrt_allocator mem;

    if (t == NULL || atomic_fetch_sub_explicit(&t->refs, 1, memory_order_acq_rel) != 1)
        return;
    mem = t->mem;
    if (t->block != NULL)
        explicit_bzero(t->block, t->block_size);
    wsrt_server_release(&mem, t->block, t->block_size);
    wsrt_server_release(&mem, t, sizeof *t);
}

int wsrt_terms_new(wsrt_terms **out, const wsrt_server_options *o, const char **wrong_cstr)
{
    wsrt_terms *t = wsrt_server_zalloc(&o->allocator, sizeof *t);
    int rc;

    *out = NULL;
    *wrong_cstr = "allocator";
    if (t == NULL)
        return WSRT_ERR_NOMEM;
    t->mem = o->allocator;
    atomic_init(&t->refs, 1);
    t->slow_reader = o->slow_reader == 0 ? WSRT_SLOW_READER_CLOSE : o->slow_reader;
    t->management = o->management == 0 ? WSRT_MANAGEMENT_LOOPBACK : o->management;
    const char *wrong = wrong_text(o);
    if (wrong != NULL)
        *wrong_cstr = wrong;
    rc = wrong != NULL ? WSRT_ERR_INVALID : load_messages(t, o, wrong_cstr);
    if (rc == WSRT_OK)
        rc = load_sizes(t, o, wrong_cstr);
    if (rc == WSRT_OK)
        rc = load_times(t, o, wrong_cstr);
    if (rc == WSRT_OK)
        rc = copy_all(t, o);
    if (rc == WSRT_OK)
        *out = t;
    else
        wsrt_terms_release(t);
    return rc;
}
