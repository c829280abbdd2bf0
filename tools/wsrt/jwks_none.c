/* In the place of jwks.c and token.c where libwsrt-jwt is not built. */
#include "commands.h"
#include "jwks.h"
#include "tool.h"

int jwks_open(struct jwks_judge **out, const struct jwks_rules *rules)
{
    (void)rules;
    *out = NULL;
    return complain(TOOL_CONFIG, "--jwks: this build does not know tokens: libwsrt-jwt is missing");
}

void jwks_authenticator(struct jwks_judge *j, wsrt_authenticator *out)
{
    (void)j;
    (void)out;
}

void jwks_close(struct jwks_judge *j)
{
    (void)j;
}

int jwks_check(struct jwks_judge *j, wsrt_span token)
{
    (void)j;
    (void)token;
    return TOOL_CONFIG;
}

int run_token(struct options *o, char **operands)
{
    (void)o;
    (void)operands;
    return complain(TOOL_CONFIG, "token: this build does not know tokens: libwsrt-jwt is missing");
}
