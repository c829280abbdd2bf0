#include "server/settings.h"

#include "server/endpoints.h"
#include "server/memory.h"
#include "server/timer.h"

#include <string.h>
#include <sys/resource.h>

enum {
    LARGEST_STRUCT = 4096,
    LISTEN_MOST = 16,
    NAMES_MOST = 4096,
    PEM_MOST = 1 << 20,
    PULSE_LEAST = 100,
    SECRET_MOST = 1024,
    LOOPS_MOST = 64,
    WORKERS_MOST = 256
};

static const int64_t most = INT64_C(0x7fffffff);

int wsrt_server_options_read(void *out, size_t known, const void *given)
{
    uint32_t size = (uint32_t)known;

    memset(out, 0, known);
    memcpy(out, &size, sizeof size);
    if (given == NULL)
        return WSRT_OK;
    memcpy(&size, given, sizeof size);
    if (size < known || size > LARGEST_STRUCT)
        return WSRT_ERR_INVALID;
    for (size_t i = known; i < size; i++)
        if (((const unsigned char *)given)[i] != 0)
            return WSRT_ERR_UNSUPPORTED;
    memcpy(out, given, known);
    size = (uint32_t)known;
    memcpy(out, &size, sizeof size);
    return WSRT_OK;
}

/* ---- numbers -------------------------------------------------------------------------------- */

/* What a number may be, besides 0 for its default. */
typedef struct rule {
    int64_t given;
    int64_t standard;
    int64_t most;
    int may_be_off; /* -1, which reads as 0 */
} rule;

static int number(rule r, int64_t *out)
{
    if (r.given == -1 && r.may_be_off)
        *out = 0;
    else if (r.given == 0)
        *out = r.standard;
    else if (r.given < 0 || r.given > r.most)
        return WSRT_ERR_INVALID;
    else
        *out = r.given;
    return WSRT_OK;
}

static int64_t descriptors(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur > 1000000)
        return 900000;
    int64_t n = (int64_t)limit.rlim_cur * 9 / 10;
    return n < 1 ? 1 : n;
}

static int load_sizes(wsrt_settings *s, const wsrt_server_options *o)
{
    int aws = (o->flags & WSRT_SERVER_API_GATEWAY) != 0;
    int64_t message, frame, connections, per_ip;
    const struct {
        rule rule;
        int64_t *out;
    } rows[] = {
        {{o->max_message, 131072, 1 << 30, 0}, &message},
        {{o->max_connections, descriptors(), 1 << 24, 0}, &connections},
        {{o->max_per_ip, 256, most, 1}, &per_ip},
        {{o->accept_rate, 500, 1000000, 1}, &s->accept_rate},
        {{o->queue_soft, 262144, 1 << 30, 0}, &s->queue_soft},
        {{o->queue_hard, 1048576, 1 << 30, 0}, &s->queue_hard},
        {{o->queue_total, 268435456, INT64_C(1) << 40, 0}, &s->queue_total},
        {{o->partial_total, 268435456, INT64_C(1) << 40, 0}, &s->partial_total},
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (number(rows[i].rule, rows[i].out) != WSRT_OK)
            return WSRT_ERR_INVALID;
    if (number((rule){o->max_frame, aws && message > 32768 ? 32768 : message, 1 << 30, 0},
               &frame) != WSRT_OK)
        return WSRT_ERR_INVALID;
    s->max_message = (size_t)message;
    s->max_frame = (size_t)frame;
    s->max_connections = (uint32_t)connections;
    s->max_per_ip = per_ip == 0 ? UINT32_MAX : (uint32_t)per_ip;
    return s->queue_hard < s->queue_soft ? WSRT_ERR_INVALID : WSRT_OK;
}

static int load_times(wsrt_settings *s, const wsrt_server_options *o)
{
    int aws = (o->flags & WSRT_SERVER_API_GATEWAY) != 0;
    const struct {
        rule rule;
        uint32_t *out;
    } rows[] = {
        {{o->handshake_ms, 10000, most, 0}, &s->handshake},
        {{o->idle_ms, 600000, most, 1}, &s->idle},
        {{o->lifetime_ms, aws ? 7200000 : 0, most, 1}, &s->lifetime},
        {{o->ping_ms, aws ? 0 : 25000, most, 1}, &s->ping},
        {{o->pong_ms, 20000, most, 0}, &s->pong},
        {{o->keep_alive_ms, 30000, most, 0}, &s->keep_alive},
        {{o->body_ms, 10000, most, 0}, &s->body},
        {{o->message_ms, 30000, most, 0}, &s->message},
        {{o->close_ms, 5000, most, 0}, &s->close},
        {{o->stall_ms, 30000, most, 1}, &s->stall},
        {{o->sign_in_ms, 0, most, 1}, &s->sign_in},
    };
    int64_t ms;

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (number(rows[i].rule, &ms) != WSRT_OK)
            return WSRT_ERR_INVALID;
        *rows[i].out = wsrt_ticks(ms);
    }
    if (o->expired_ms == -1)
        s->expired_ms = -1;
    else if (number((rule){o->expired_ms, 60000, most, 0}, &s->expired_ms) != WSRT_OK)
        return WSRT_ERR_INVALID;
    return number((rule){o->drain_ms, 30000, most, 0}, &s->drain_ms);
}

/* ---- text ----------------------------------------------------------------------------------- */

typedef struct copier {
    wsrt_span *spans;
    char *text;
} copier;

static size_t room_for(const wsrt_span *items, size_t count)
{
    size_t n = count * sizeof(wsrt_span);

    for (size_t i = 0; i < count; i++)
        n += items[i].len;
    return n;
}

static wsrt_span copy_text(copier *c, wsrt_span text)
{
    wsrt_span out = {c->text, text.len};

    if (text.len > 0)
        memcpy(c->text, text.ptr, text.len);
    c->text += text.len;
    return out;
}

static wsrt_texts copy_texts(copier *c, const wsrt_span *items, size_t count)
{
    wsrt_texts out = {c->spans, count};

    for (size_t i = 0; i < count; i++)
        *c->spans++ = copy_text(c, items[i]);
    return out;
}

static int texts_valid(const wsrt_span *items, size_t count, size_t limit)
{
    if (count > limit || (count > 0 && items == NULL))
        return 0;
    for (size_t i = 0; i < count; i++)
        if (items[i].len == 0 || items[i].len > 1024 || items[i].ptr == NULL)
            return 0;
    return 1;
}

static int pair_valid(const wsrt_server_options *o)
{
    return (o->tls_cert.len > 0) == (o->tls_key.len > 0) && o->tls_cert.len <= PEM_MOST &&
           o->tls_key.len <= PEM_MOST;
}

/* "unix" stands for whoever comes by a unix socket. */
static int read_proxies(wsrt_proxies *p, const wsrt_server_options *o)
{
    for (size_t i = 0; i < o->trusted_proxy_count; i++) {
        if (wsrt_span_equal(o->trusted_proxies[i], wsrt_span_cstr("unix")))
            p->local = 1;
        else if (!wsrt_range_parse(o->trusted_proxies[i], &p->ranges[p->count++]))
            return WSRT_ERR_INVALID;
    }
    return WSRT_OK;
}

static int keys_valid(const wsrt_server_options *o)
{
    if (o->management != WSRT_MANAGEMENT_SIGV4)
        return o->management_access_key.len <= SECRET_MOST &&
               o->management_secret_key.len <= SECRET_MOST;
    return o->management_access_key.len > 0 && o->management_access_key.len <= 128 &&
           o->management_secret_key.len > 0 && o->management_secret_key.len <= SECRET_MOST;
}

static int load_text(wsrt_settings *s, const wsrt_server_options *o)
{
    const wsrt_span standard = wsrt_span_cstr("127.0.0.1:8080");
    const wsrt_span *listen = o->listen != NULL ? o->listen : &standard;
    size_t count = o->listen != NULL ? o->listen_count : 1;
    wsrt_span stage = o->stage.len > 0 ? o->stage : wsrt_span_cstr("prod");

    if (!texts_valid(listen, count, LISTEN_MOST) ||
        !texts_valid(o->hosts, o->host_count, NAMES_MOST) ||
        !texts_valid(o->admin, o->admin_count, LISTEN_MOST - count) ||
        !texts_valid(o->trusted_proxies, o->trusted_proxy_count, NAMES_MOST) ||
        !texts_valid(o->origins, o->origin_count, NAMES_MOST) || stage.len > 128 ||
        o->app.len > 128 || !pair_valid(o) || o->management_token.len > 4096 ||
        (o->management == WSRT_MANAGEMENT_BEARER && o->management_token.len == 0) || !keys_valid(o))
        return WSRT_ERR_INVALID;
    s->block_size = room_for(listen, count) + room_for(o->hosts, o->host_count) +
                    room_for(o->origins, o->origin_count) + room_for(o->admin, o->admin_count) +
                    o->trusted_proxy_count * sizeof(wsrt_range) + stage.len + o->app.len +
                    o->tls_cert.len + o->tls_key.len + o->management_token.len +
                    o->management_access_key.len + o->management_secret_key.len;
    s->block = wsrt_server_alloc(&s->mem, s->block_size);
    if (s->block == NULL)
        return WSRT_ERR_NOMEM;
    copier c = {s->block, NULL};
    s->proxies.ranges =
        (wsrt_range *)(c.spans + count + o->host_count + o->origin_count + o->admin_count);
    c.text = (char *)(s->proxies.ranges + o->trusted_proxy_count);
    s->listen = copy_texts(&c, listen, count);
    s->hosts = copy_texts(&c, o->hosts, o->host_count);
    s->origins = copy_texts(&c, o->origins, o->origin_count);
    s->stage = copy_text(&c, stage);
    s->app = copy_text(&c, o->app);
    s->tls_cert = copy_text(&c, o->tls_cert);
    s->tls_key = copy_text(&c, o->tls_key);
    s->admin = copy_texts(&c, o->admin, o->admin_count);
    s->management_token = copy_text(&c, o->management_token);
    s->management_access_key = copy_text(&c, o->management_access_key);
    s->management_secret_key = copy_text(&c, o->management_secret_key);
    return read_proxies(&s->proxies, o);
}

/* ---- all of it ------------------------------------------------------------------------------ */

/* The caller's members over the runtime's, which are complete. */
static int load_env(wsrt_env *out, wsrt_runtime *rt, const wsrt_env *given)
{
    wsrt_env own;

    *out = *wsrt_runtime_env(rt);
    if (given == NULL)
        return WSRT_OK;
    int rc = wsrt_server_options_read(&own, sizeof own, given);
    if (rc != WSRT_OK)
        return rc;
    if (own.now == NULL || own.wall == NULL || own.random == NULL || own.log == NULL)
        rc = wsrt_env_default(out);
    out->user = own.user;
    out->now = own.now != NULL ? own.now : out->now;
    out->wall = own.wall != NULL ? own.wall : out->wall;
    out->random = own.random != NULL ? own.random : out->random;
    out->log = own.log != NULL ? own.log : out->log;
    return rc;
}

void wsrt_server_settings_free(wsrt_settings *s)
{
    if (s->block != NULL)
        explicit_bzero(s->block, s->block_size);
    wsrt_server_release(&s->mem, s->block, s->block_size);
    s->block = NULL;
}

int wsrt_server_settings_load(wsrt_settings *out, wsrt_runtime *rt,
                              const wsrt_server_options *given)
{
    const uint32_t known_flags =
        WSRT_SERVER_API_GATEWAY | WSRT_SERVER_TEXT_ONLY | WSRT_SERVER_INSECURE;
    wsrt_server_options o;
    int rc = wsrt_server_options_read(&o, sizeof o, given);

    memset(out, 0, sizeof *out);
    if (rc != WSRT_OK)
        return rc;
    if ((o.flags & ~known_flags) != 0)
        return WSRT_ERR_UNSUPPORTED;
    if (o.allocator.realloc == NULL && o.allocator.user != NULL)
        return WSRT_ERR_INVALID;
    if (o.slow_reader < 0 || o.slow_reader > WSRT_SLOW_READER_CONFLATE)
        return WSRT_ERR_INVALID;
    out->mem = o.allocator;
    if (o.loops < 0 || o.loops > LOOPS_MOST || o.workers < 0 || o.workers > WORKERS_MOST)
        return WSRT_ERR_INVALID;
    out->loops = o.loops == 0 ? 1 : (uint32_t)o.loops;
    out->workers = (uint32_t)o.workers;
    if (o.pulse != NULL && (o.pulse_ms < PULSE_LEAST || o.pulse_ms > most))
        return WSRT_ERR_INVALID;
    out->pulse = o.pulse;
    out->pulse_user = o.pulse_user;
    out->pulse_ns = o.pulse_ms * 1000000;
    if (o.management < 0 || o.management > WSRT_MANAGEMENT_SIGV4)
        return WSRT_ERR_INVALID;
    out->flags = o.flags;
    out->slow_reader = o.slow_reader == 0 ? WSRT_SLOW_READER_CLOSE : o.slow_reader;
    out->management = o.management == 0 ? WSRT_MANAGEMENT_LOOPBACK : o.management;
    out->feed = o.feed;
    rc = wsrt_host_load(out, &o);
    if (rc != WSRT_OK)
        return rc;
    if (load_sizes(out, &o) != WSRT_OK || load_times(out, &o) != WSRT_OK)
        return WSRT_ERR_INVALID;
    rc = load_env(&out->env, rt, o.env);
    if (rc == WSRT_OK)
        rc = load_text(out, &o);
    if (rc != WSRT_OK)
        wsrt_server_settings_free(out);
    return rc;
}
