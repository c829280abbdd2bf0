/* Credentials as files and endpoints write them. Pure, but for reading a file. */
#include "aws/internal.h"

#include <wsrt/json.h>

#include "common/support.h"

#include <stdio.h>
#include <string.h>

enum { LARGEST_FILE = 256 * 1024 };

#define PROCESS "credential_process"

static wsrt_span trim(wsrt_span s)
{
    while (s.len > 0 && (unsigned char)s.ptr[0] <= ' ') {
        s.ptr++;
        s.len--;
    }
    while (s.len > 0 && (unsigned char)s.ptr[s.len - 1] <= ' ')
        s.len--;
    return s;
}

static int take_line(wsrt_span *text, wsrt_span *line)
{
    if (text->len == 0)
        return 0;
    const char *end = memchr(text->ptr, '\n', text->len);
    size_t len = end == NULL ? text->len : (size_t)(end - text->ptr);

    *line = (wsrt_span){text->ptr, len};
    len += end != NULL;
    text->ptr += len;
    text->len -= len;
    return 1;
}

/* "[default]", "[name]" or, in the config file, "[profile name]". */
static int is_section(wsrt_span line, wsrt_span name, int prefixed)
{
    const char *end = memchr(line.ptr, ']', line.len);
    wsrt_span inside = {line.ptr + 1, end == NULL ? 0 : (size_t)(end - line.ptr) - 1};

    inside = trim(inside);
    if (prefixed && inside.len > 8 && memcmp(inside.ptr, "profile", 7) == 0 &&
        (inside.ptr[7] == ' ' || inside.ptr[7] == '\t'))
        inside = trim((wsrt_span){inside.ptr + 8, inside.len - 8});
    else if (prefixed && !wsrt_span_equal(inside, wsrt_span_cstr("default")))
        return 0;
    return wsrt_span_equal(inside, name);
}

static void keep(char *dst, size_t cap, wsrt_span value)
{
    if (value.len == 0 || value.len >= cap)
        return;
    memcpy(dst, value.ptr, value.len);
    dst[value.len] = '\0';
}

static void take_setting(wsrt_aws_profile *p, wsrt_span line)
{
    const struct {
        const char *name;
        char *dst;
        size_t cap;
    } places[] = {
        {"aws_access_key_id", p->access, sizeof p->access},
        {"aws_secret_access_key", p->secret, sizeof p->secret},
        {"aws_session_token", p->token, sizeof p->token},
        {"region", p->region, sizeof p->region},
    };
    /* What AWS's own libraries heed before keys in the same section, and the one that they heed after. */
    static const char *const elsewhere[] = {"role_arn", "sso_session", "sso_account_id",
                                            "web_identity_token_file", PROCESS};
    const char *equals = memchr(line.ptr, '=', line.len);

    if (equals == NULL)
        return;
    wsrt_span name = trim((wsrt_span){line.ptr, (size_t)(equals - line.ptr)});
    wsrt_span value = trim((wsrt_span){equals + 1, line.len - (size_t)(equals + 1 - line.ptr)});
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++)
        if (wsrt_span_equal(name, wsrt_span_cstr(places[i].name)))
            keep(places[i].dst, places[i].cap, value);
    for (size_t i = 0; i < sizeof elsewhere / sizeof elsewhere[0]; i++)
        if (wsrt_span_equal(name, wsrt_span_cstr(elsewhere[i])) &&
            (p->unsupported == NULL || strcmp(elsewhere[i], PROCESS) != 0))
            p->unsupported = elsewhere[i];
}

void wsrt_aws_profile_read(wsrt_aws_profile *p, wsrt_span text, wsrt_span name, int prefixed)
{
    wsrt_span line;
    int inside = 0;

    while (take_line(&text, &line)) {
        int nested = line.len > 0 && (line.ptr[0] == ' ' || line.ptr[0] == '\t');
        line = trim(line);
        if (line.len == 0 || line.ptr[0] == '#' || line.ptr[0] == ';')
            continue;
        if (line.ptr[0] == '[')
            inside = is_section(line, name, prefixed);
        else if (inside && !nested)
            take_setting(p, line);
        p->is_there |= inside;
    }
}

char *wsrt_aws_file_read(const wsrt_allocator *m, const char *path, size_t *len)
{
    FILE *file = fopen(path, "re");
    char *text = file == NULL ? NULL : wsrt_adapter_realloc(m, NULL, 0, LARGEST_FILE);

    if (text != NULL) {
        setvbuf(file, NULL, _IONBF, 0);
        *len = fread(text, 1, LARGEST_FILE, file);
        if (ferror(file)) {
            wsrt_adapter_realloc(m, text, LARGEST_FILE, 0);
            text = NULL;
        }
    }
    if (file != NULL)
        fclose(file);
    return text;
}

void wsrt_aws_file_free(const wsrt_allocator *m, char *text)
{
    explicit_bzero(text, LARGEST_FILE);
    wsrt_adapter_realloc(m, text, LARGEST_FILE, 0);
}

static void load_file(wsrt_aws *a, wsrt_aws_profile *p, const char *path, wsrt_span name,
                      int prefixed)
{
    size_t len;
    char *text = wsrt_aws_file_read(&a->allocator, path, &len);

    if (text == NULL)
        return;
    wsrt_aws_profile_read(p, (wsrt_span){text, len}, name, prefixed);
    wsrt_aws_file_free(&a->allocator, text);
}

/* The credentials file has the last word. */
int wsrt_aws_profile_load(wsrt_aws *a, wsrt_aws_profile *p)
{
    static const struct {
        const char *variable, *place;
        int prefixed;
    } files[] = {{"AWS_CONFIG_FILE", ".aws/config", 1},
                 {"AWS_SHARED_CREDENTIALS_FILE", ".aws/credentials", 0}};
    const char *name = a->profile != NULL ? a->profile : wsrt_aws_getenv("AWS_PROFILE");
    const char *home = wsrt_aws_getenv("HOME");
    char path[4096];

    memset(p, 0, sizeof *p);
    for (int i = 0; i < 2; i++) {
        const char *given = wsrt_aws_getenv(files[i].variable);
        if (given == NULL && home == NULL)
            continue;
        int len = given != NULL ? snprintf(path, sizeof path, "%s", given)
                                : snprintf(path, sizeof path, "%s/%s", home, files[i].place);
        if (len > 0 && (size_t)len < sizeof path)
            load_file(a, p, path, wsrt_span_cstr(name != NULL ? name : "default"),
                      files[i].prefixed);
    }
    int has_keys = p->access[0] != '\0' && p->secret[0] != '\0';
    if (p->unsupported != NULL && !(has_keys && strcmp(p->unsupported, PROCESS) == 0))
        return WSRT_ERR_FORBIDDEN;
    if (name != NULL && !p->is_there)
        return WSRT_ERR_FORBIDDEN;
    return has_keys ? WSRT_OK : WSRT_ERR_NOT_FOUND;
}

/* ---- answers ------------------------------------------------------------------------------ */

static int digits(wsrt_span *text, size_t count, int64_t *n)
{
    if (text->len < count)
        return 0;
    for (*n = 0; count > 0; count--) {
        if (text->ptr[0] < '0' || text->ptr[0] > '9')
            return 0;
        *n = *n * 10 + (text->ptr[0] - '0');
        text->ptr++;
        text->len--;
    }
    return 1;
}

static int sign_is(wsrt_span *text, char c)
{
    if (text->len == 0 || text->ptr[0] != c)
        return 0;
    text->ptr++;
    text->len--;
    return 1;
}

static int64_t days_of(int64_t year, int64_t month, int64_t day)
{
    int64_t y = month <= 2 ? year - 1 : year, m = month <= 2 ? month + 9 : month - 3;

    return 365 * y + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 + day - 1 - 719468;
}

int wsrt_aws_iso_parse(wsrt_span text, int64_t *ms)
{
    int64_t year, month, day, hour, minute, second, ignored;

    if (!digits(&text, 4, &year) || !sign_is(&text, '-') || !digits(&text, 2, &month) ||
        !sign_is(&text, '-') || !digits(&text, 2, &day) || !sign_is(&text, 'T') ||
        !digits(&text, 2, &hour) || !sign_is(&text, ':') || !digits(&text, 2, &minute) ||
        !sign_is(&text, ':') || !digits(&text, 2, &second))
        return WSRT_ERR_MALFORMED;
    if (sign_is(&text, '.'))
        while (digits(&text, 1, &ignored))
            ;
    int utc = wsrt_span_equal(text, wsrt_span_cstr("Z")) ||
              wsrt_span_equal(text, wsrt_span_cstr("+00:00"));
    if (!utc || month < 1 || month > 12 || day < 1 || day > 31 || hour > 23 || minute > 59 ||
        second > 60)
        return WSRT_ERR_MALFORMED;
    *ms = (days_of(year, month, day) * 86400 + hour * 3600 + minute * 60 + second) * 1000;
    return WSRT_OK;
}

static int member(const wsrt_json *from, const char *pointer, char *dst, size_t cap)
{
    wsrt_json value;
    size_t len;

    if (wsrt_json_find(from, wsrt_span_cstr(pointer), &value) != WSRT_OK ||
        wsrt_json_text(&value, dst, cap - 1, &len) != WSRT_OK || len == 0 ||
        memchr(dst, '\0', len) != NULL)
        return 0;
    dst[len] = '\0';
    return 1;
}

int wsrt_aws_keys_parse(wsrt_aws_keys *keys, wsrt_span json)
{
    wsrt_json all;
    char text[64];

    if (wsrt_json_parse(&all, json, NULL) != WSRT_OK || all.kind != WSRT_JSON_OBJECT ||
        (member(&all, "/Code", text, sizeof text) && strcmp(text, "Success") != 0) ||
        !member(&all, "/AccessKeyId", keys->access, sizeof keys->access) ||
        !member(&all, "/SecretAccessKey", keys->secret, sizeof keys->secret) ||
        !member(&all, "/Token", keys->token, sizeof keys->token) ||
        !member(&all, "/Expiration", text, sizeof text))
        return WSRT_ERR_MALFORMED;
    return wsrt_aws_keys_ok(keys) ? wsrt_aws_iso_parse(wsrt_span_cstr(text), &keys->expires_at)
                                  : WSRT_ERR_MALFORMED;
}
