/* The option table of `serve`, which `config` and `doctor` share. */
#include "commands.h"

#include <arpa/inet.h>
#include <string.h>

#define DIGITS "0123456789"
#define LETTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

/* ---- judgements of single values ---- */

static const char *check_proxy(const char *value)
{
    size_t len = strcspn(value, "/");
    unsigned char address[16];
    char text[INET6_ADDRSTRLEN] = "";

    if (strcmp(value, "unix") == 0)
        return NULL;
    if (len < sizeof text)
        memcpy(text, value, len);
    int v4 = inet_pton(AF_INET, text, address) == 1;
    if (!v4 && inet_pton(AF_INET6, text, address) != 1)
        return "is not an address, a range such as 10.0.0.0/8, or unix";
    int64_t bits = value[len] == '/' ? parse_integer(value + len + 1) : 0;
    if (bits < 0 || bits > (v4 ? 32 : 128))
        return v4 ? "has no length from 0 to 32 behind the slash"
                  : "has no length from 0 to 128 behind the slash";
    return NULL;
}

static const char *check_origin(const char *value)
{
    if (strcmp(value, "*") == 0 || strstr(value, "://") != NULL)
        return NULL;
    return "is not an origin such as https://example.com";
}

static const char *check_stage(const char *value)
{
    static const char *const taken[] = {"api", "healthz", "metrics", "readyz", "version", "ws"};
    size_t len = strlen(value);

    if (len == 0 || len > 128 || strspn(value, LETTERS DIGITS "-_") != len)
        return "is not 1 to 128 letters, digits and _-";
    for (size_t i = 0; i < COUNT(taken); i++)
        if (strcmp(value, taken[i]) == 0)
            return "is a path that the server has another use for";
    return NULL;
}

static const char *check_host(const char *value)
{
    size_t len = strlen(value);

    return len == 0 || strspn(value, LETTERS DIGITS "-_.:[]") != len
               ? "is not a name such as example.com, maybe with a port"
               : NULL;
}

static const char *check_dev_token(const char *value)
{
    const char *equals = strrchr(value, '=');

    return equals == NULL || equals == value || equals[1] == '\0' ? "is not TOKEN=USER" : NULL;
}

static const char *check_store(const char *value)
{
    if (strcmp(value, "memory") == 0)
        return NULL;
    if (strncmp(value, "sqlite:", 7) != 0)
        return "is not memory or sqlite:PATH";
    return value[7] == '\0' ? "has no path" : NULL;
}

/* ---- rows ---- */

static const struct option_row serve_rows[] = {
    {.name = "config",
     .argument = "FILE",
     .help = "JSON: the other options by their names, which variables and flags win over",
     .kind = OPTION_CONFIG,
     .check = check_not_empty,
     .live = 1,
     AT(serve_settings, config)},
    {.name = "listen",
     .argument = "ADDR:PORT|unix:PATH",
     .fallback = "127.0.0.1:8080",
     .help = "where to listen; port 0 takes a free one",
     .kind = OPTION_LIST,
     .check = check_listen,
     AT(serve_settings, listen)},
    {.name = "app",
     .argument = "chat|dashboard|echo",
     .fallback = "chat",
     .help = "what to serve",
     .kind = OPTION_CHOICE,
     AT(serve_settings, app)},
    {.name = "store",
     .argument = "memory|sqlite:PATH",
     .fallback = "memory",
     .help = "where to keep connections, history and latest values",
     .kind = OPTION_TEXT,
     .check = check_store,
     AT(serve_settings, store)},
    {.name = "breakers",
     .argument = "FILE",
     .help = "settings of circuit breakers",
     .kind = OPTION_TEXT,
     .check = check_not_empty,
     .live = 1,
     AT(serve_settings, breakers)},
    {.name = "aws",
     .help = "limits and answers of API Gateway",
     .kind = OPTION_FLAG,
     AT(serve_settings, aws)},
    {.name = "stage",
     .argument = "NAME",
     .fallback = "prod",
     .help = "stage: /NAME is an upgrade path too",
     .kind = OPTION_TEXT,
     .check = check_stage,
     AT(serve_settings, stage)},
    {.name = "route-expr",
     .argument = "EXPR",
     .help = "route selection expression ($request.body.type)",
     .kind = OPTION_TEXT,
     .check = check_not_empty,
     AT(serve_settings, route_expr)},
    {.name = "management",
     .argument = "loopback|bearer|sigv4|off",
     .fallback = "loopback",
     .help = "who may use /@connections, /metrics and /api",
     .kind = OPTION_CHOICE,
     .live = 1,
     AT(serve_settings, management)},
    {.name = "management-token",
     .help = "secret of --management bearer",
     .kind = OPTION_TEXT,
     .check = check_not_empty,
     .secret = 1,
     .no_flag = 1,
     .live = 1,
     AT(serve_settings, management_token)},
    {.name = "management-access-key",
     .help = "access key of --management sigv4",
     .kind = OPTION_TEXT,
     .check = check_not_empty,
     .secret = 1,
     .no_flag = 1,
     .live = 1,
     AT(serve_settings, management_access_key)},
    {.name = "management-secret-key",
     .help = "secret key of --management sigv4",
     .kind = OPTION_TEXT,
     .check = check_not_empty,
     .secret = 1,
     .no_flag = 1,
     .live = 1,
     AT(serve_settings, management_secret_key)},
    {.name = "allow-origin",
     .argument = "ORIGIN",
     .help = "foreign origin to let in; * = all",
     .kind = OPTION_LIST,
     .check = check_origin,
     .live = 1,
     AT(serve_settings, origins)},
    {.name = "host",
     .argument = "NAME",
     .help = "Host name to trust besides loopback",
     .kind = OPTION_LIST,
     .check = check_host,
     .live = 1,
     AT(serve_settings, hosts)},
    {.name = "dev-token",
     .argument = "TOKEN=USER",
     .help = "accept TOKEN as USER; for development, holds no secret",
     .kind = OPTION_LIST,
     .masked = 1,
     .check = check_dev_token,
     AT(serve_settings, dev_tokens)},
    {.name = "jwks",
     .argument = "FILE|URL",
     .help = "accept tokens signed by a key of this set",
     .kind = OPTION_TEXT,
     .check = check_not_empty,
     AT(serve_settings, jwks)},
    {.name = "issuer",
     .argument = "TEXT",
     .help = "who must have issued them",
     .kind = OPTION_TEXT,
     .check = check_not_empty,
     AT(serve_settings, issuer)},
    {.name = "audience",
     .argument = "TEXT",
     .help = "whom they must be for; one of several suffices",
     .kind = OPTION_LIST,
     .check = check_not_empty,
     AT(serve_settings, audiences)},
    {.name = "require-auth",
     .help = "refuse a connection without a valid token",
     .kind = OPTION_FLAG,
     AT(serve_settings, require_auth)},
    {.name = "tls-cert",
     .argument = "FILE",
     .help = "certificate chain in PEM: serve wss:// and https:// only",
     .kind = OPTION_TEXT,
     .check = check_not_empty,
     .live = 1,
     AT(serve_settings, tls_cert)},
    {.name = "tls-key",
     .argument = "FILE",
     .help = "its private key in PEM",
     .kind = OPTION_TEXT,
     .check = check_not_empty,
     .live = 1,
     AT(serve_settings, tls_key)},
    {.name = "trusted-proxy",
     .argument = "CIDR",
     .help =
         "proxy that is believed when it names its client in X-Forwarded-For; 'unix': who comes "
         "by a unix socket",
     .kind = OPTION_LIST,
     .check = check_proxy,
     .live = 1,
     AT(serve_settings, proxies)},
    {.name = "admin",
     .argument = "ADDR:PORT|unix:PATH",
     .help = "where alone the paths are that manage the server",
     .kind = OPTION_LIST,
     .check = check_listen,
     AT(serve_settings, admin)},
    {.name = "loops",
     .argument = "N",
     .help = "event loops, each in a thread; connections are spread over them",
     .kind = OPTION_INTEGER,
     .fallback = "1",
     .least = 1,
     .most = 64,
     AT(serve_settings, loops)},
    {.name = "workers",
     .argument = "N",
     .help = "threads that run handlers, so that none holds up a loop; 0: on the loops (4 with a "
             "durable store, else 0)",
     .kind = OPTION_INTEGER,
     .most = 256,
     .zero_is_off = 1,
     AT(serve_settings, workers)},
    {.name = "max-connections",
     .argument = "N",
     .help = "connections at once (90 % of the descriptors)",
     .kind = OPTION_INTEGER,
     .least = 1,
     .most = 10000000,
     .live = 1,
     AT(serve_settings, max_connections)},
    {.name = "max-per-ip",
     .argument = "N",
     .help = "connections of one address, loopback excepted; 0 = any (256)",
     .kind = OPTION_INTEGER,
     .most = 10000000,
     .zero_is_off = 1,
     .live = 1,
     AT(serve_settings, max_per_ip)},
    {.name = "idle-timeout",
     .argument = "DURATION",
     .help = "close after so long without a message; 0 = never (600s)",
     .kind = OPTION_DURATION,
     .most = 30LL * MS_PER_DAY,
     .zero_is_off = 1,
     .live = 1,
     AT(serve_settings, idle_ms)},
    {.name = "lifetime",
     .argument = "DURATION",
     .help = "close after so long in any case; 0 = never (never, 2h with --aws)",
     .kind = OPTION_DURATION,
     .most = 365LL * MS_PER_DAY,
     .zero_is_off = 1,
     .live = 1,
     AT(serve_settings, lifetime_ms)},
    {.name = "ping-interval",
     .argument = "DURATION",
     .help = "ping a silent peer so often; 0 = never (25s, never with --aws)",
     .kind = OPTION_DURATION,
     .most = MS_PER_DAY,
     .zero_is_off = 1,
     .live = 1,
     AT(serve_settings, ping_ms)},
    {.name = "ping-timeout",
     .argument = "DURATION",
     .help = "wait so long for a sign of life after a ping (20s)",
     .kind = OPTION_DURATION,
     .least = 1,
     .most = MS_PER_DAY,
     .live = 1,
     AT(serve_settings, pong_ms)},
    {.name = "slow-policy",
     .argument = "close|drop-oldest|conflate",
     .fallback = "close",
     .help = "what happens to a client slower than its messages",
     .kind = OPTION_CHOICE,
     .live = 1,
     AT(serve_settings, slow_policy)},
    {.name = "drain-timeout",
     .argument = "DURATION",
     .help = "after TERM or INT, reset what is left after so long (30s)",
     .kind = OPTION_DURATION,
     .least = 1,
     .most = MS_PER_DAY,
     .live = 1,
     AT(serve_settings, drain_ms)},
    {.name = "coalesce",
     .argument = "DURATION",
     .help = "of a dashboard's entities tell only the last update, so often; 0 = all (0)",
     .kind = OPTION_DURATION,
     .most = MS_PER_DAY,
     AT(serve_settings, coalesce_ms)},
    {.name = "environment",
     .argument = "NAME",
     .help = "value of the metrics' dimension Environment ($ENVIRONMENT, else dev)",
     .kind = OPTION_TEXT,
     .check = check_environment,
     AT(serve_settings, environment)},
    {.name = "metrics-cloudwatch",
     .argument = "REGION",
     .help = "publish metrics to CloudWatch there; auto: $AWS_REGION or the profile's region",
     .kind = OPTION_TEXT,
     .check = check_region,
     AT(serve_settings, cloudwatch)},
    {.name = "metrics-interval",
     .argument = "DURATION",
     .fallback = "1m",
     .help = "between two readings for CloudWatch",
     .kind = OPTION_DURATION,
     .least = 1000,
     .most = MS_PER_DAY,
     AT(serve_settings, cloudwatch_ms)},
    {.name = "no-rate-limit",
     .help = "no limit to messages, connects and accepts a second",
     .kind = OPTION_FLAG,
     AT(serve_settings, no_rate_limit)},
    {.name = "developer-errors",
     .help = "allow details in error envelopes",
     .kind = OPTION_FLAG,
     AT(serve_settings, developer_errors)},
    {.name = "insecure",
     .help = "listen beyond loopback without authentication and TLS",
     .kind = OPTION_FLAG,
     AT(serve_settings, insecure)},
    {.name = "log-format",
     .argument = "auto|json|pretty",
     .fallback = "auto",
     .help = "auto: pretty on a terminal, else JSON",
     .kind = OPTION_CHOICE,
     AT(serve_settings, log_format)},
    {.name = "log-level",
     .argument = "trace|debug|info|warn|error",
     .fallback = "info",
     .help = "least level to log",
     .kind = OPTION_CHOICE,
     .live = 1,
     AT(serve_settings, log_level)},
    {.name = "quiet",
     .letter = 'q',
     .help = "log errors only",
     .kind = OPTION_FLAG,
     .live = 1,
     AT(serve_settings, quiet)},
    {.name = "verbose",
     .letter = 'v',
     .help = "log debug lines too",
     .kind = OPTION_FLAG,
     .live = 1,
     AT(serve_settings, verbose)},
};

const struct option_table serve_table = {serve_rows, COUNT(serve_rows)};
