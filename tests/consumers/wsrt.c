/* A program outside the tree that embeds the core, in the C that is C++ too. As a program of an older
 * release it holds later ones to what they promised: values, sizes, defaults, answers. */
#include <wsrt/wsrt.h>

#include <stdio.h>
#include <string.h>

#define HOLDS(what) ((what) ? 0 : (printf("%s:%d: not so: %s\n", __FILE__, __LINE__, #what), 1))

static int constants(void)
{
    static const struct {
        const char *name;
        int64_t value;
    } compiled[] = {
        {"WSRT_ERR_INVALID", WSRT_ERR_INVALID},
        {"WSRT_ERR_GONE", WSRT_ERR_GONE},
        {"WSRT_ERR_INTERNAL", WSRT_ERR_INTERNAL},
        {"WSRT_LEVEL_ERROR", WSRT_LEVEL_ERROR},
        {"WSRT_SCOPE_CONNECTION", WSRT_SCOPE_CONNECTION},
        {"WSRT_SCOPE_PING", WSRT_SCOPE_PING},
        {"WSRT_RECONNECT_GATEWAY", WSRT_RECONNECT_GATEWAY},
        {"WSRT_RECONNECT_STOP", WSRT_RECONNECT_STOP},
        {"WSRT_VALIDATE_COLLECT_ALL", WSRT_VALIDATE_COLLECT_ALL},
        {"WSRT_REJECT_OPEN", WSRT_REJECT_OPEN},
    };
    int wrong = 0;

    for (size_t i = 0; i < sizeof compiled / sizeof *compiled; i++) {
        int64_t today = 0;

        if (wsrt_constant(compiled[i].name, &today) != WSRT_OK || today != compiled[i].value) {
            printf("%s was %d\n", compiled[i].name, (int)compiled[i].value);
            wrong++;
        }
    }
    return wrong;
}

static int validation(void)
{
    static const char good[] = "{\"type\":\"ping\",\"data\":{\"action\":\"now\"}}";
    wsrt_schema *schema = NULL;
    wsrt_slot slots[8];
    unsigned char scratch[4096];
    wsrt_validation v;
    int wrong = HOLDS(wsrt_schema_builtin(&schema, "message", NULL) == WSRT_OK);

    memset(&v, 0, sizeof v);
    v.struct_size = sizeof v;
    v.slots = slots;
    v.slot_cap = 8;
    v.scratch = scratch;
    v.scratch_cap = sizeof scratch;
    wrong += HOLDS(wsrt_validate(schema, good, strlen(good), NULL, &v) == WSRT_OK);
    wrong += HOLDS(slots[wsrt_schema_slot(schema, "type")].text.len == 4);
    wrong += HOLDS(wsrt_validate(schema, "{}", 2, NULL, &v) == WSRT_ERR_REJECTED);
    wsrt_schema_free(schema);
    return wrong;
}

/* By default five failures open a breaker, and 20 messages of one connection pass at once. */
static int defaults(void)
{
    wsrt_breakers *breakers = NULL;
    wsrt_breaker *b = NULL;
    wsrt_limiter *limiter = NULL;
    wsrt_permit permit;
    wsrt_limit_key key;
    wsrt_limit_result result;
    int64_t calls = 0, messages = 0;
    int wrong = HOLDS(wsrt_breakers_new(&breakers, NULL) == WSRT_OK);

    wrong += HOLDS(wsrt_breakers_get(breakers, wsrt_span_cstr("a"), wsrt_span_cstr("b"), NULL, &b,
                                     NULL) == WSRT_OK);
    while (calls < 1000 && wsrt_breaker_try_acquire(b, calls, &permit, NULL) == WSRT_OK) {
        wsrt_breaker_record(b, &permit, calls, WSRT_FAILURE);
        calls++;
    }
    wsrt_breaker_release_ref(b);
    wsrt_breakers_free(breakers);

    memset(&key, 0, sizeof key);
    key.scope = WSRT_SCOPE_CONNECTION;
    key.key = wsrt_span_cstr("c1");
    wrong += HOLDS(wsrt_limiter_new(&limiter, NULL) == WSRT_OK);
    while (messages < 1000 && wsrt_limiter_check(limiter, &key, 1, 1, 0, &result) == WSRT_OK)
        messages++;
    wsrt_limiter_free(limiter);
    return wrong + HOLDS(calls == 5) + HOLDS(messages == 20);
}

static int sizes(void)
{
    wsrt_reconnect machine;
    wsrt_reconnect_options opts;
    wsrt_reconnect_close why;
    int64_t delay = -1;
    int wrong = 0;

    memset(&opts, 0, sizeof opts);
    opts.struct_size = sizeof opts;
    opts.profile = WSRT_RECONNECT_GATEWAY;
    opts.base_delay = 1000000000;
    wrong += HOLDS(wsrt_reconnect_init(&machine, &opts) == WSRT_OK);
    memset(&why, 0, sizeof why);
    why.struct_size = sizeof why;
    why.code = 1006;
    wsrt_reconnect_opened(&machine, 0);
    wrong += HOLDS(wsrt_reconnect_closed(&machine, 1, &why, &delay) == WSRT_RECONNECT_RETRY);
    wrong += HOLDS(delay >= 0 && delay <= opts.base_delay);
    opts.struct_size = 4;
    return wrong + HOLDS(wsrt_reconnect_init(&machine, &opts) == WSRT_ERR_INVALID);
}

int main(void)
{
    wsrt_runtime *rt = NULL;
    int wrong = constants() + validation() + defaults() + sizes();

    wrong += HOLDS(wsrt_version() >= 1000) + HOLDS(wsrt_runtime_new(&rt, NULL) == WSRT_OK);
    wsrt_runtime_free(rt);
    return wrong != 0;
}
