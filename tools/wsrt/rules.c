#include "rules.h"

#include "tool.h"

#include <wsrt/server.h>

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int serve_broken(const struct options *o, const char *name, const char *format, ...)
{
    char text[512], place[512] = "";
    va_list args;

    for (size_t i = 0; i < option_count(o->command); i++)
        if (strcmp(option_row(o->command, i)->name, name) == 0 && o->from[i].source == OPTION_FILE)
            snprintf(place, sizeof place, "%.400s:%zu: /%s: ", o->config, o->from[i].line, name);
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    return complain(TOOL_CONFIG, "%s%s", place, text);
}

static int is_local(wsrt_span listen)
{
    static const char *const local[] = {"127.", "[::1]:", "unix:", "fd:"};

    for (size_t i = 0; i < sizeof local / sizeof *local; i++)
        if (strncmp(listen.ptr, local[i], strlen(local[i])) == 0)
            return 1;
    return 0;
}

/* Tokens that say whose and for whom they are may face other machines. */
int serve_knows_callers(const struct serve_settings *s)
{
    return s->jwks != NULL && s->issuer != NULL && s->audiences.count > 0;
}

static int is_exposed(const struct options *o, const char *option, const struct text_list *at)
{
    const struct serve_settings *s = o->settings;

    for (size_t i = 0; i < at->count; i++) {
        if (is_local(at->items[i]))
            continue;
        serve_broken(o, option, "%s is reachable from other machines, and %s", at->items[i].ptr,
                     s->jwks == NULL ? "nobody is asked for a token"
                                     : "a token may be of any issuer or audience");
        advise("ask for tokens with --jwks FILE|URL --issuer TEXT --audience TEXT, listen on "
               "127.0.0.1");
        advise("behind a proxy that does so, or say --insecure to serve anyone who can connect");
        return 1;
    }
    return 0;
}

static int check_exposure(const struct options *o)
{
    const struct serve_settings *s = o->settings;

    if (s->insecure || serve_knows_callers(s))
        return 0;
    return is_exposed(o, "listen", &s->listen) || is_exposed(o, "admin", &s->admin) ? TOOL_CONFIG
                                                                                    : 0;
}

static int check_auth(const struct options *o)
{
    const struct serve_settings *s = o->settings;
    if (s->jwks != NULL && s->dev_tokens.count > 0)
        return serve_broken(o, "dev-token", "--jwks and --dev-token exclude each other");
    if (s->jwks == NULL && (s->issuer != NULL || s->audiences.count > 0))
        return serve_broken(o, s->issuer != NULL ? "issuer" : "audience",
                            "--issuer and --audience need --jwks");
    if (s->require_auth && s->jwks == NULL && s->dev_tokens.count == 0)
        return serve_broken(o, "require-auth",
                            "--require-auth without --jwks or --dev-token admits nobody");
    return 0;
}

int serve_management(const struct serve_settings *s)
{
    if (strcmp(s->management, "off") == 0)
        return WSRT_MANAGEMENT_OFF;
    if (strcmp(s->management, "sigv4") == 0)
        return WSRT_MANAGEMENT_SIGV4;
    return strcmp(s->management, "bearer") == 0 ? WSRT_MANAGEMENT_BEARER : WSRT_MANAGEMENT_LOOPBACK;
}

static int check_management(const struct options *o)
{
    const struct serve_settings *s = o->settings;
    int bearer = serve_management(s) == WSRT_MANAGEMENT_BEARER;

    if (bearer && s->management_token == NULL)
        return serve_broken(o, "management",
                            "--management bearer needs a secret in WSRT_MANAGEMENT_TOKEN "
                            "or in the file that WSRT_MANAGEMENT_TOKEN_FILE names");
    int sigv4 = serve_management(s) == WSRT_MANAGEMENT_SIGV4;
    int keys = (s->management_access_key != NULL) + (s->management_secret_key != NULL);
    if (sigv4 && keys < 2)
        return serve_broken(o, "management",
                            "--management sigv4 needs WSRT_MANAGEMENT_ACCESS_KEY and "
                            "WSRT_MANAGEMENT_SECRET_KEY, or files that the same names with "
                            "_FILE name");
    if (!sigv4 && keys > 0)
        return serve_broken(o, "management",
                            "WSRT_MANAGEMENT_ACCESS_KEY and .._SECRET_KEY need "
                            "--management sigv4");
    if (!bearer && s->management_token != NULL)
        return serve_broken(o, "management", "WSRT_MANAGEMENT_TOKEN needs --management bearer");
    return 0;
}

static int check_app(const struct options *o)
{
    const struct serve_settings *s = o->settings;
    if (s->coalesce_ms > 0 && strcmp(s->app, "dashboard") != 0)
        return serve_broken(o, "coalesce", "--coalesce is for --app dashboard");
    return 0;
}

static int check_environment_variable(const struct options *o)
{
    const struct serve_settings *s = o->settings;
    const char *given = s->environment == NULL ? getenv("ENVIRONMENT") : NULL;
    const char *wrong = given == NULL || *given == '\0' ? NULL : check_environment(given);

    return wrong == NULL ? 0 : complain(TOOL_CONFIG, "ENVIRONMENT: '%s' %s", given, wrong);
}

static int check_tls(const struct options *o)
{
    const struct serve_settings *s = o->settings;
    if ((s->tls_cert == NULL) != (s->tls_key == NULL))
        return serve_broken(o, s->tls_cert != NULL ? "tls-cert" : "tls-key",
                            "--tls-cert and --tls-key belong together");
    return 0;
}

int serve_check(const struct options *o)
{
    static int (*const rules[])(const struct options *o) = {
        check_exposure, check_auth, check_management,
        check_app,      check_tls,  check_environment_variable};
    int status = 0;

    for (size_t i = 0; i < COUNT(rules); i++) {
        int fault = rules[i](o);
        status = status == 0 ? fault : status;
    }
    return status;
}
