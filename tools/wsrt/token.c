/* wsrt token make, wsrt token check. */
#define _GNU_SOURCE
#include "commands.h"
#include "jwks.h"
#include "tool.h"

#include "jwt/sign.h"

#include <wsrt/json.h>
#include <wsrt/jwt.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { TOKEN_MAX = 10000, CLAIMS_MAX = 7000, PATH_MAX_LEN = 4096 };

/* ---- files ---- */

static int read_text(const char *path, char *dst, size_t cap, size_t *len)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = 1;

    *len = 0;
    while (fd >= 0 && *len < cap && (n = read(fd, dst + *len, cap - *len)) > 0)
        *len += (size_t)n;
    int error = errno;
    if (fd >= 0)
        close(fd);
    errno = error;
    return fd < 0 || n < 0 ? -1 : 0;
}

/* Writes a file that must not be there yet; what cannot be written whole does not stay. */
static int create(const char *path, unsigned mode, const char *text, size_t len)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);

    if (fd < 0)
        return complain(TOOL_NO_CREATE, "cannot create '%s': %s", path, strerror(errno));
    ssize_t n = write(fd, text, len);
    if (close(fd) == 0 && n == (ssize_t)len)
        return 0;
    unlink(path);
    return complain(TOOL_NO_CREATE, "cannot write '%s'", path);
}

/* FILE less .json, and .jwks.json. */
static void set_path(const struct token_settings *s, char *dst, size_t cap)
{
    size_t len = strlen(s->key);

    if (len > 5 && strcmp(s->key + len - 5, ".json") == 0)
        len -= 5;
    if (s->jwks != NULL)
        snprintf(dst, cap, "%s", s->jwks);
    else
        snprintf(dst, cap, "%.*s.jwks.json", (int)len, s->key);
}

/* ---- keys ---- */

static int write_key(const wsrt_jws_key *key, enum wsrt_jws_form form, const char *path)
{
    char text[WSRT_JWS_JWK_MAX];
    size_t len;
    int rc = wsrt_jws_key_write(key, form, text, sizeof text - 1, &len);

    if (rc != WSRT_OK)
        return complain(TOOL_INTERNAL, "cannot write the key: %s", wsrt_status_name(rc));
    text[len++] = '\n';
    int status = create(path, form == WSRT_JWS_PRIVATE ? 0600 : 0644, text, len);
    explicit_bzero(text, sizeof text);
    return status;
}

static int make_key(const struct token_settings *s, const char *set, wsrt_jws_key **out)
{
    int rs256 = s->alg != NULL && strcmp(s->alg, "RS256") == 0;

    if (access(set, F_OK) == 0)
        return complain(TOOL_NO_CREATE, "'%s' is of another key: there is no '%s'", set, s->key);
    if (wsrt_jws_key_make(out, rs256 ? WSRT_JWT_RS256 : WSRT_JWT_ES256) != WSRT_OK)
        return complain(TOOL_INTERNAL, "cannot make a key");
    return write_key(*out, WSRT_JWS_PRIVATE, s->key);
}

static int load_key(const struct token_settings *s, const char *text, size_t len,
                    wsrt_jws_key **out)
{
    const char *why;
    int rc = wsrt_jws_key_read(out, (wsrt_span){text, len}, &why);

    if (rc != WSRT_OK)
        return complain(TOOL_CONFIG, "'%s' is no key to sign with: %s", s->key, why);
    const char *alg = wsrt_jws_key_algorithm(*out) == WSRT_JWT_RS256 ? "RS256" : "ES256";
    if (s->alg != NULL && strcmp(s->alg, alg) != 0)
        return complain(TOOL_CONFIG, "'%s' is for %s, not %s", s->key, alg, s->alg);
    return 0;
}

static int open_key(const struct token_settings *s, const char *set, wsrt_jws_key **out)
{
    char text[WSRT_JWS_JWK_MAX];
    size_t len;
    int status;

    if (read_text(s->key, text, sizeof text, &len) == 0)
        status = load_key(s, text, len, out);
    else if (errno == ENOENT)
        status = make_key(s, set, out);
    else
        return complain(TOOL_CONFIG, "cannot read '%s': %s", s->key, strerror(errno));
    explicit_bzero(text, sizeof text);
    if (status == 0 && access(set, F_OK) != 0)
        status = write_key(*out, WSRT_JWS_PUBLIC_SET, set);
    return status;
}

/* ---- claims ---- */

static int has_name(wsrt_span claim, const char *name, size_t len)
{
    return claim.len > len && claim.ptr[len] == '=' && strncmp(claim.ptr, name, len) == 0;
}

static int check_claims(const struct token_settings *s)
{
    static const char *const ours[] = {"iss", "sub", "aud", "iat", "exp"};

    for (size_t i = 0; i < s->claims.count; i++) {
        wsrt_span claim = s->claims.items[i];
        size_t len = strcspn(claim.ptr, "=");
        for (size_t k = 0; k < sizeof ours / sizeof *ours; k++)
            if (has_name(claim, ours[k], strlen(ours[k])))
                return complain(TOOL_USAGE, "--claim: '%s' has an option of its own or is set",
                                ours[k]);
        for (size_t k = 0; k < i; k++)
            if (has_name(s->claims.items[k], claim.ptr, len))
                return complain(TOOL_USAGE, "--claim: '%.*s' is given twice", (int)len, claim.ptr);
    }
    return 0;
}

/* A value that is JSON is taken as it is, any other as text. */
static void put_claim(wsrt_json_writer *w, wsrt_span claim)
{
    size_t len = strcspn(claim.ptr, "=");
    wsrt_span value = {claim.ptr + len + 1, claim.len - len - 1};

    wsrt_json_key_span(w, (wsrt_span){claim.ptr, len});
    if (wsrt_json_parse(NULL, value, NULL) == WSRT_OK)
        wsrt_json_raw(w, value);
    else
        wsrt_json_string(w, value);
}

static void put_audience(wsrt_json_writer *w, const struct text_list *list)
{
    if (list->count == 0)
        return;
    wsrt_json_key(w, "aud");
    if (list->count > 1)
        wsrt_json_array(w);
    for (size_t i = 0; i < list->count; i++)
        wsrt_json_string(w, list->items[i]);
    if (list->count > 1)
        wsrt_json_array_end(w);
}

static int write_claims(const struct token_settings *s, int64_t now, char *dst, size_t *len)
{
    wsrt_json_writer w;
    int rc;

    wsrt_json_writer_init(&w, dst, CLAIMS_MAX, 0);
    wsrt_json_object(&w);
    if (s->issuer != NULL) {
        wsrt_json_key(&w, "iss");
        wsrt_json_string_cstr(&w, s->issuer);
    }
    wsrt_json_key(&w, "sub");
    wsrt_json_string_cstr(&w, s->sub);
    put_audience(&w, &s->audiences);
    wsrt_json_key(&w, "iat");
    wsrt_json_write_int64(&w, now);
    wsrt_json_key(&w, "exp");
    wsrt_json_write_int64(&w, now + s->ttl_ms / 1000);
    for (size_t i = 0; i < s->claims.count; i++)
        put_claim(&w, s->claims.items[i]);
    wsrt_json_object_end(&w);
    rc = wsrt_json_finish(&w, len);
    if (rc == WSRT_ERR_MALFORMED)
        return complain(TOOL_USAGE, "a claim is not UTF-8");
    return rc == WSRT_OK ? 0 : complain(TOOL_USAGE, "the claims do not fit into a token");
}

/* ---- make ---- */

static int sign(const wsrt_jws_key *key, wsrt_span claims, char *token, size_t *len)
{
    char header[256];

    snprintf(header, sizeof header, "{\"alg\":\"%s\",\"typ\":\"JWT\",\"kid\":\"%s\"}",
             wsrt_jws_key_algorithm(key) == WSRT_JWT_RS256 ? "RS256" : "ES256",
             wsrt_jws_key_kid(key));
    int rc =
        wsrt_jws_sign(key, &(wsrt_jws_text){wsrt_span_cstr(header), claims}, token, TOKEN_MAX, len);
    return rc == WSRT_OK ? 0 : complain(TOOL_INTERNAL, "cannot sign: %s", wsrt_status_name(rc));
}

/* An argument as a shell takes it. */
static void put_word(const char *flag, const char *word)
{
    fprintf(stderr, " %s ", flag);
    if (word[strspn(word, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                          "-_./:@%+=,")] == '\0') {
        fputs(word, stderr);
        return;
    }
    fputc('\'', stderr);
    for (; *word != '\0'; word++)
        fputs(*word == '\'' ? "'\\''" : (const char[]){*word, '\0'}, stderr);
    fputc('\'', stderr);
}

static void show_serve(const struct token_settings *s, const char *set)
{
    fputs("wsrt serve", stderr);
    put_word("--jwks", set);
    if (s->issuer != NULL)
        put_word("--issuer", s->issuer);
    for (size_t i = 0; i < s->audiences.count; i++)
        put_word("--audience", s->audiences.items[i].ptr);
    fputs(" --require-auth\n", stderr);
}

static void show_token(const struct token_settings *s, const wsrt_jws_key *key, wsrt_span token,
                       int64_t expires_at)
{
    if (strcmp(s->format, "json") == 0)
        printf("{\"token\":\"%.*s\",\"kid\":\"%s\",\"expires_at\":%lld}\n", (int)token.len,
               token.ptr, wsrt_jws_key_kid(key), (long long)expires_at);
    else
        printf("%.*s\n", (int)token.len, token.ptr);
}

static int make(const struct token_settings *s)
{
    char set[PATH_MAX_LEN], token[TOKEN_MAX], claims[CLAIMS_MAX];
    wsrt_env env = {.struct_size = sizeof env};
    wsrt_jws_key *key = NULL;
    size_t len, claims_len;

    if (s->sub == NULL)
        return complain(TOOL_USAGE, "token make needs --sub");
    if (check_claims(s) != 0)
        return TOOL_USAGE;
    if (wsrt_env_default(&env) != WSRT_OK)
        return complain(TOOL_INTERNAL, "no clock");
    int64_t now = env.wall(env.user) / 1000;
    set_path(s, set, sizeof set);
    int status = write_claims(s, now, claims, &claims_len);
    if (status == 0)
        status = open_key(s, set, &key);
    if (status == 0)
        status = sign(key, (wsrt_span){claims, claims_len}, token, &len);
    if (status == 0) {
        show_token(s, key, (wsrt_span){token, len}, now + s->ttl_ms / 1000);
        show_serve(s, set);
    }
    wsrt_jws_key_free(key);
    return status;
}

/* ---- check ---- */

/* The first line of stdin: an argument is seen by every process. */
static wsrt_span token_of_stdin(char *dst, size_t cap)
{
    size_t len = fread(dst, 1, cap, stdin);

    for (size_t i = 0; i < len; i++)
        if (dst[i] == '\n' || dst[i] == '\r')
            len = i;
    return (wsrt_span){dst, len};
}

static int check(const struct token_settings *s, const char *given)
{
    char set[PATH_MAX_LEN], line[TOKEN_MAX + 2];
    struct jwks_rules rules = {
        .source = set, .issuer = s->issuer, .audiences = &s->audiences, .env = NULL};
    struct jwks_judge *judge = NULL;

    set_path(s, set, sizeof set);
    int status = jwks_open(&judge, &rules);
    if (status == 0)
        status = jwks_check(judge, given != NULL ? wsrt_span_cstr(given)
                                                 : token_of_stdin(line, sizeof line));
    jwks_close(judge);
    return status;
}

int run_token(struct options *o, char **operands)
{
    if (strcmp(operands[0], "make") == 0 && operands[1] == NULL)
        return make(o->settings);
    if (strcmp(operands[0], "check") == 0)
        return check(o->settings, operands[1]);
    return complain(TOOL_USAGE,
                    "token make takes no operand, token check one token, and '%s' is "
                    "neither",
                    operands[0]);
}
