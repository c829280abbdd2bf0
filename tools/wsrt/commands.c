/* The option table: parser, help and names of environment variables all come from here. */
#include "commands.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <string.h>
#include <sys/un.h>

/* ---- judgements of single values ---- */

/* A number: which of a name's addresses is meant would be anybody's guess. */
static int is_address(const char *value, size_t len)
{
    int brackets = len > 2 && value[0] == '[' && value[len - 1] == ']';
    char text[INET6_ADDRSTRLEN];
    unsigned char address[16];

    if (brackets) {
        value++;
        len -= 2;
    }
    if (len >= sizeof text)
        return 0;
    memcpy(text, value, len);
    text[len] = '\0';
    return inet_pton(brackets ? AF_INET6 : AF_INET, text, address) == 1;
}

static const char *check_socket_path(const char *path)
{
    if (*path == '\0')
        return "has no path";
    return strlen(path) < sizeof((struct sockaddr_un *)0)->sun_path
               ? NULL
               : "has a path of more than 107 bytes";
}

const char *check_listen(const char *value)
{
    const char *colon = strrchr(value, ':');

    if (strncmp(value, "unix:", 5) == 0)
        return check_socket_path(value + 5);
    if (colon == NULL || colon == value)
        return "is not ADDR:PORT, [V6]:PORT or unix:PATH";
    int64_t port = parse_integer(colon + 1);
    if (port < 0 || port > 65535)
        return "has no port between 0 and 65535";
    return is_address(value, (size_t)(colon - value))
               ? NULL
               : "begins with no address such as 127.0.0.1 or [::1]";
}

static const char *check_demo_listen(const char *value)
{
    return strncmp(value, "unix:", 5) == 0 ? "is not ADDR:PORT" : check_listen(value);
}

static const char *check_claim(const char *value)
{
    const char *equals = strchr(value, '=');

    return equals == NULL || equals == value ? "is not NAME=VALUE" : NULL;
}

static const char *check_header(const char *value)
{
    const char *colon = strchr(value, ':');

    if (colon == NULL || colon == value || strpbrk(value, "\r\n") != NULL)
        return "is not 'Name: value'";
    return NULL;
}

const char *check_not_empty(const char *value)
{
    return value[0] == '\0' ? "is empty" : NULL;
}

static int consists_of(const char *value, const char *others, size_t most)
{
    size_t len = 0;

    while (isalnum((unsigned char)value[len]) ||
           (value[len] != '\0' && strchr(others, value[len]) != NULL))
        len++;
    return len > 0 && len <= most && value[len] == '\0';
}

const char *check_environment(const char *value)
{
    return consists_of(value, "_.:/-", 255) ? NULL : "is not made of letters, digits and _.:/-";
}

const char *check_region(const char *value)
{
    return consists_of(value, "-", 32) ? NULL : "is not a region such as eu-central-1";
}

static const char *check_suffix(const char *value)
{
    return consists_of(value, "_-", 64) ? NULL : "is not 1 to 64 letters, digits, _ and -";
}

static const char *check_function(const char *value)
{
    return consists_of(value, "_-", 64) ? NULL : "is not the name of a Lambda function";
}

/* ---- rows ---- */

static const struct option_row demo_rows[] = {
    {.name = "listen",
     .argument = "ADDR:PORT",
     .fallback = "127.0.0.1:0",
     .help = "where to listen, on loopback; port 0 takes a free one",
     .kind = OPTION_TEXT,
     .check = check_demo_listen,
     AT(demo_settings, listen)},
    {.name = "app",
     .argument = "chat|dashboard",
     .fallback = "chat",
     .help = "what to show",
     .kind = OPTION_CHOICE,
     AT(demo_settings, app)},
    {.name = "clients",
     .argument = "N",
     .fallback = "1000",
     .help = "synthetic clients; fewer where descriptors are short",
     .kind = OPTION_INTEGER,
     .least = 1,
     .most = 100000,
     AT(demo_settings, clients)},
    {.name = "duration",
     .argument = "DURATION",
     .help = "end after so long (never)",
     .kind = OPTION_DURATION,
     .least = 1,
     .most = MS_PER_DAY,
     AT(demo_settings, duration_ms)},
    {.name = "seed",
     .argument = "N",
     .fallback = "1",
     .help = "the same seed makes the clients choose the same",
     .kind = OPTION_INTEGER,
     .most = INT32_MAX,
     AT(demo_settings, seed)},
    {.name = "open",
     .help = "open the page in a browser",
     .kind = OPTION_FLAG,
     AT(demo_settings, open)},
    {.name = "verbose",
     .letter = 'v',
     .help = "log what the server does",
     .kind = OPTION_FLAG,
     AT(demo_settings, verbose)},
};

#define TOKEN_ROW(type)                                                                            \
    {                                                                                              \
        .name = "token", .argument = "TOKEN", .help = "bearer token", .kind = OPTION_TEXT,         \
        .check = check_not_empty, .secret = 1, AT(type, token)                                     \
    }

#define TRUST_ROWS(type)                                                                           \
    {.name = "cacert",                                                                             \
     .argument = "FILE",                                                                           \
     .help = "authorities to believe for wss:// (those of the system)",                            \
     .kind = OPTION_TEXT,                                                                          \
     .check = check_not_empty,                                                                     \
     AT(type, cacert)},                                                                            \
    {                                                                                              \
        .name = "insecure", .help = "do not verify the server of wss://", .kind = OPTION_FLAG,     \
        AT(type, insecure)                                                                         \
    }

static const struct option_row connect_rows[] = {
    TOKEN_ROW(connect_settings),
    TRUST_ROWS(connect_settings),
    {.name = "send",
     .argument = "TEXT",
     .help = "send a message instead of the lines of stdin",
     .kind = OPTION_LIST,
     AT(connect_settings, send)},
    {.name = "stdin",
     .help = "send the lines of stdin after --send",
     .kind = OPTION_FLAG,
     AT(connect_settings, read_stdin)},
    {.name = "binary",
     .help = "send binary messages",
     .kind = OPTION_FLAG,
     AT(connect_settings, binary)},
    {.name = "expect",
     .argument = "N",
     .help = "end well once N messages came, else with status 1",
     .kind = OPTION_INTEGER,
     .most = 1000000000,
     AT(connect_settings, expect)},
    {.name = "timeout",
     .argument = "DURATION",
     .fallback = "10s",
     .help = "for the connection, and for --expect",
     .kind = OPTION_DURATION,
     .least = 1,
     .most = MS_PER_DAY,
     AT(connect_settings, timeout_ms)},
    {.name = "linger",
     .argument = "DURATION",
     .fallback = "500ms",
     .help = "without --expect, end after so much silence",
     .kind = OPTION_DURATION,
     .most = MS_PER_DAY,
     AT(connect_settings, linger_ms)},
    {.name = "header",
     .argument = "'NAME: VALUE'",
     .help = "header of the upgrade request",
     .kind = OPTION_LIST,
     .check = check_header,
     AT(connect_settings, headers)},
    {.name = "subprotocol",
     .argument = "NAME",
     .help = "subprotocol to offer",
     .kind = OPTION_TEXT,
     .check = check_not_empty,
     AT(connect_settings, subprotocol)},
    {.name = "format",
     .argument = "raw|json",
     .fallback = "raw",
     .help = "a message a line, or {\"t_ms\",\"type\",\"data\"}",
     .kind = OPTION_CHOICE,
     AT(connect_settings, format)},
};

static const struct option_row bench_rows[] = {
    {.name = "connections",
     .argument = "N",
     .fallback = "10",
     .help = "connections",
     .kind = OPTION_INTEGER,
     .least = 1,
     .most = 1000000,
     AT(bench_settings, connections)},
    {.name = "rate",
     .argument = "N",
     .fallback = "1000",
     .help = "messages a second in total",
     .kind = OPTION_INTEGER,
     .least = 1,
     .most = 10000000,
     AT(bench_settings, rate)},
    {.name = "duration",
     .argument = "DURATION",
     .fallback = "10s",
     .help = "of the measurement",
     .kind = OPTION_DURATION,
     .least = 1,
     .most = MS_PER_DAY,
     AT(bench_settings, duration_ms)},
    {.name = "warmup",
     .argument = "DURATION",
     .fallback = "0",
     .help = "send so long before measuring",
     .kind = OPTION_DURATION,
     .most = MS_PER_DAY,
     AT(bench_settings, warmup_ms)},
    {.name = "ramp",
     .argument = "DURATION",
     .fallback = "0",
     .help = "spread the connects over so long",
     .kind = OPTION_DURATION,
     .most = MS_PER_DAY,
     AT(bench_settings, ramp_ms)},
    {.name = "payload",
     .argument = "SIZE",
     .fallback = "64",
     .help = "bytes of a message",
     .kind = OPTION_SIZE,
     .least = 24,
     .most = 131072,
     AT(bench_settings, payload)},
    {.name = "mode",
     .argument = "echo|fanout",
     .fallback = "echo",
     .help = "echo: each message comes back; fanout: one sender to all, through the chat app",
     .kind = OPTION_CHOICE,
     AT(bench_settings, mode)},
    TOKEN_ROW(bench_settings),
    TRUST_ROWS(bench_settings),
    {.name = "fail-if",
     .argument = "EXPR",
     .help = "status 1 if one holds, as 'p99>20ms,errors>0'",
     .kind = OPTION_TEXT,
     .check = check_not_empty,
     AT(bench_settings, fail_if)},
    {.name = "format",
     .argument = "text|json",
     .fallback = "text",
     .help = "of the report",
     .kind = OPTION_CHOICE,
     AT(bench_settings, format)},
};

static const struct option_row validate_rows[] = {
    {.name = "schema",
     .argument = "FILE",
     .help = "JSON Schema to judge by",
     .kind = OPTION_TEXT,
     .check = check_not_empty,
     AT(validate_settings, schema)},
    {.name = "builtin",
     .argument = "NAME",
     .help = "schema that ships with the library",
     .kind = OPTION_TEXT,
     .check = check_not_empty,
     AT(validate_settings, builtin)},
    {.name = "print",
     .help = "print the builtin schema and end",
     .kind = OPTION_FLAG,
     AT(validate_settings, print)},
    {.name = "resource",
     .argument = "URI=FILE",
     .help = "document that the schema may refer to",
     .kind = OPTION_LIST,
     AT(validate_settings, resource)},
    {.name = "dialect",
     .argument = "2020-12|draft-07",
     .help = "where the schema names none",
     .kind = OPTION_CHOICE,
     AT(validate_settings, dialect)},
    {.name = "strict",
     .help = "unknown keywords are errors",
     .kind = OPTION_FLAG,
     AT(validate_settings, strict)},
    {.name = "assert-format",
     .help = "format asserts",
     .kind = OPTION_FLAG,
     AT(validate_settings, assert_format)},
    {.name = "max-issues",
     .argument = "N",
     .fallback = "16",
     .help = "issues of one message",
     .kind = OPTION_INTEGER,
     .least = 1,
     .most = 1000,
     AT(validate_settings, max_issues)},
    {.name = "max-bytes",
     .argument = "SIZE",
     .fallback = "128KiB",
     .help = "of one message",
     .kind = OPTION_SIZE,
     .least = 1,
     .most = 1 << 30,
     AT(validate_settings, max_bytes)},
    {.name = "max-depth",
     .argument = "N",
     .fallback = "64",
     .help = "of one message",
     .kind = OPTION_INTEGER,
     .least = 1,
     .most = 4096,
     AT(validate_settings, max_depth)},
    {.name = "whole",
     .help = "the input is one message, line feeds and all",
     .kind = OPTION_FLAG,
     AT(validate_settings, whole)},
    {.name = "format",
     .argument = "text|json",
     .fallback = "json",
     .help = "of the results",
     .kind = OPTION_CHOICE,
     AT(validate_settings, format)},
};

static const struct option_row token_rows[] = {
    {.name = "sub",
     .argument = "USER",
     .help = "make: whom the token is about",
     .kind = OPTION_TEXT,
     .check = check_not_empty,
     AT(token_settings, sub)},
    {.name = "key",
     .argument = "FILE",
     .fallback = "wsrt-dev.json",
     .help = "make: private key, made if it is not there",
     .kind = OPTION_TEXT,
     .check = check_not_empty,
     AT(token_settings, key)},
    {.name = "jwks",
     .argument = "FILE|URL",
     .help = "key set (the key's name with .jwks.json)",
     .kind = OPTION_TEXT,
     .check = check_not_empty,
     AT(token_settings, jwks)},
    {.name = "issuer",
     .argument = "TEXT",
     .help = "who issues the token, or must have",
     .kind = OPTION_TEXT,
     .check = check_not_empty,
     AT(token_settings, issuer)},
    {.name = "audience",
     .argument = "TEXT",
     .help = "whom it is for, or must be",
     .kind = OPTION_LIST,
     .check = check_not_empty,
     AT(token_settings, audiences)},
    {.name = "ttl",
     .argument = "DURATION",
     .fallback = "1h",
     .help = "make: how long it is good",
     .kind = OPTION_DURATION,
     .least = 1000,
     .most = 365LL * MS_PER_DAY,
     AT(token_settings, ttl_ms)},
    {.name = "claim",
     .argument = "NAME=VALUE",
     .help = "make: one claim more; VALUE is JSON or text",
     .kind = OPTION_LIST,
     .check = check_claim,
     AT(token_settings, claims)},
    {.name = "alg",
     .argument = "RS256|ES256",
     .help = "make: of a key that is made (ES256)",
     .kind = OPTION_CHOICE,
     AT(token_settings, alg)},
    {.name = "format",
     .argument = "raw|json",
     .fallback = "raw",
     .help = "make: the token alone, or with kid and end",
     .kind = OPTION_CHOICE,
     AT(token_settings, format)},
};

static const struct option_row export_rows[] = {
    {.name = "environment",
     .argument = "NAME",
     .help = "value of the dimension Environment ($ENVIRONMENT, else dev)",
     .kind = OPTION_TEXT,
     .check = check_environment,
     AT(export_settings, environment)},
    {.name = "region",
     .argument = "NAME",
     .help = "of dashboards (us-east-1; cloudformation: the stack's)",
     .kind = OPTION_TEXT,
     .check = check_region,
     AT(export_settings, region)},
    {.name = "operations",
     .argument = "NAME,...",
     .help = "operations to watch and show (the four built-in ones)",
     .kind = OPTION_LIST,
     .check = check_not_empty,
     AT(export_settings, operations)},
    {.name = "full",
     .help = "every graph there is",
     .kind = OPTION_FLAG,
     AT(export_settings, full)},
    {.name = "warning",
     .help = "a twin at 0.8 of each limit",
     .kind = OPTION_FLAG,
     AT(export_settings, warning)},
    {.name = "name-suffix",
     .argument = "TEXT",
     .help = "-TEXT behind each name; two environments in one account need it",
     .kind = OPTION_TEXT,
     .check = check_suffix,
     AT(export_settings, name_suffix)},
    {.name = "stream-function",
     .argument = "NAME",
     .help = "watch the age of what this Lambda function reads from a stream",
     .kind = OPTION_TEXT,
     .check = check_function,
     AT(export_settings, stream_function)},
    {.name = "config",
     .argument = "FILE",
     .help = "JSON: a dashboard of your own, limits of operations",
     .kind = OPTION_TEXT,
     .check = check_not_empty,
     AT(export_settings, config)},
    {.name = "part",
     .argument = "monitoring|functions|all",
     .fallback = "monitoring",
     .help = "of a CloudFormation or Terraform template",
     .kind = OPTION_CHOICE,
     AT(export_settings, part)},
    {.name = "schema",
     .argument = "message|message-action",
     .fallback = "message",
     .help = "what the functions' messages are, and so their routes",
     .kind = OPTION_CHOICE,
     AT(export_settings, schema)},
    {.name = "output",
     .argument = "FILE",
     .letter = 'o',
     .help = "write there instead of to stdout",
     .kind = OPTION_TEXT,
     .check = check_not_empty,
     AT(export_settings, output)},
};

static const struct option_row config_rows[] = {
    {.name = "origin",
     .help = "show: each value's place too: a line of the file, a variable, an option",
     .kind = OPTION_FLAG,
     AT(config_settings, origin)},
};

static const struct option_row doctor_rows[] = {
    {.name = "format",
     .argument = "text|json",
     .fallback = "text",
     .help = "of the findings",
     .kind = OPTION_CHOICE,
     AT(doctor_settings, format)},
};

static const struct option_row version_rows[] = {
    {.name = "format",
     .argument = "text|json",
     .fallback = "text",
     .help = "of the answer",
     .kind = OPTION_CHOICE,
     AT(version_settings, format)},
};

#define TABLE(rows) (&(const struct option_table){rows, COUNT(rows)})
#define COMMAND(word)                                                                              \
    .name = #word, .table = TABLE(word##_rows), .settings_size = sizeof(struct word##_settings),   \
    .run = run_##word
/* With the options of `serve`, whose settings come first in its own. */
#define SERVE_COMMAND(word)                                                                        \
    .name = #word, .table = &serve_table, .settings_size = sizeof(struct word##_settings),         \
    .run = run_##word

const struct command wsrt_commands[] = {
    {SERVE_COMMAND(serve), .operands = "", .summary = "Runs the standalone WebSocket server."},
    {COMMAND(demo), .operands = "",
     .summary = "Shows it all: a server, a live page, synthetic clients, a downstream that fails."},
    {COMMAND(connect), .operands = "URL", .least_operands = 1, .most_operands = 1,
     .summary = "Talks to a WebSocket server: sends lines, prints messages."},
    {COMMAND(bench), .operands = "URL", .least_operands = 1, .most_operands = 1,
     .summary = "Measures latency at a planned rate that a slow server cannot hide."},
    {COMMAND(validate), .operands = "[FILE|-]", .most_operands = 1,
     .summary = "Judges each line of a file by a schema."},
    {COMMAND(token), .operands = "make | check [TOKEN]", .least_operands = 1, .most_operands = 2,
     .summary =
         "Makes tokens for development, and judges tokens; check reads stdin without TOKEN."},
    {COMMAND(export),
     .operands = "cloudwatch-dashboard|cloudwatch-alarms|cloudformation|terraform|grafana|"
                 "prometheus-rules|completion-bash|completion-zsh|completion-fish|config-schema",
     .least_operands = 1, .most_operands = 1,
     .summary = "Writes dashboards, alarms and rules for a monitor's metrics, shell completion, or "
                "the schema "
                "of the configuration file."},
    {SERVE_COMMAND(config), .more = TABLE(config_rows), .operands = "check | show",
     .least_operands = 1, .most_operands = 1,
     .summary = "Judges the settings that serve would run with, or shows them with their sources."},
    {SERVE_COMMAND(doctor), .more = TABLE(doctor_rows), .operands = "", .goes_on = 1,
     .summary = "Looks for what would keep serve from running well here, and tells what to type."},
    {COMMAND(version), .operands = "", .summary = "Prints version, ABI and features."},
};
const size_t wsrt_command_count = COUNT(wsrt_commands);
