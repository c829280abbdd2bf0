/* The settings of every command and the table that describes them. */
#ifndef WSRT_TOOL_COMMANDS_H
#define WSRT_TOOL_COMMANDS_H

#include "option.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))
#define AT(type, member) .offset = offsetof(struct type, member)

enum { MS_PER_DAY = 86400000 };

struct serve_settings {
    const char *config;
    struct text_list listen;
    const char *app;
    const char *store;
    const char *breakers;
    const char *slow_policy;
    int32_t aws;
    int32_t require_auth;
    const char *stage;
    const char *route_expr;
    const char *management;
    const char *management_token;
    const char *management_access_key;
    const char *management_secret_key;
    struct text_list origins;
    struct text_list hosts;
    struct text_list proxies;
    struct text_list admin;
    struct text_list dev_tokens;
    const char *jwks;
    const char *issuer;
    struct text_list audiences;
    const char *tls_cert;
    const char *tls_key;
    int64_t loops;
    int64_t workers; /* 0 = as the store wants it, -1 = none */
    int64_t max_connections;
    int64_t max_per_ip;
    int64_t idle_ms;
    int64_t lifetime_ms;
    int64_t ping_ms;
    int64_t pong_ms;
    int64_t drain_ms;
    int64_t coalesce_ms;
    int32_t no_rate_limit;
    int32_t developer_errors;
    int32_t insecure;
    int32_t quiet;
    int32_t verbose;
    const char *log_format;
    const char *log_level;
    const char *environment;
    const char *cloudwatch;
    int64_t cloudwatch_ms;
};

struct config_settings {
    struct serve_settings serve;
    int32_t origin;
};

struct doctor_settings {
    struct serve_settings serve;
    const char *format;
};

struct demo_settings {
    const char *listen;
    const char *app;
    int64_t clients;
    int64_t duration_ms;
    int64_t seed;
    int32_t open;
    int32_t verbose;
};

struct connect_settings {
    struct text_list send;
    struct text_list headers;
    const char *token;
    const char *subprotocol;
    const char *cacert;
    const char *format;
    int64_t expect;
    int64_t timeout_ms;
    int64_t linger_ms;
    int32_t binary;
    int32_t read_stdin;
    int32_t insecure;
};

struct bench_settings {
    const char *mode;
    const char *token;
    const char *fail_if;
    const char *format;
    const char *cacert;
    int64_t connections;
    int64_t rate;
    int64_t duration_ms;
    int64_t warmup_ms;
    int64_t ramp_ms;
    int64_t payload;
    int32_t insecure;
};

struct token_settings {
    const char *sub;
    const char *key;
    const char *jwks;
    const char *issuer;
    const char *alg;
    const char *format;
    struct text_list audiences;
    struct text_list claims;
    int64_t ttl_ms;
};

struct version_settings {
    const char *format;
};

struct validate_settings {
    const char *schema;
    const char *builtin;
    const char *dialect;
    const char *format;
    struct text_list resource; /* URI=FILE */
    int64_t max_issues;
    int64_t max_bytes;
    int64_t max_depth;
    int32_t strict;
    int32_t assert_format;
    int32_t whole;
    int32_t print;
};

struct export_settings {
    const char *region;
    const char *environment;
    struct text_list operations;
    const char *name_suffix;
    const char *stream_function;
    const char *config;
    const char *output;
    const char *part;
    const char *schema;
    int32_t full;
    int32_t warning;
};

/* Each takes its options and operands, and returns an exit status. */
int run_serve(struct options *o, char **operands);
int run_demo(struct options *o, char **operands);
int run_connect(struct options *o, char **operands);
int run_bench(struct options *o, char **operands);
int run_validate(struct options *o, char **operands);
int run_token(struct options *o, char **operands);
int run_export(struct options *o, char **operands);
int run_doctor(struct options *o, char **operands);
int run_config(struct options *o, char **operands);
int run_version(struct options *o, char **operands);

/* NULL, or what is wrong with a value. */
const char *check_environment(const char *value);
const char *check_region(const char *value);
const char *check_listen(const char *value);
const char *check_not_empty(const char *value);

extern const struct option_table serve_table;
extern const struct command wsrt_commands[];
extern const size_t wsrt_command_count;

#endif
