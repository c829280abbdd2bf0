/* Any text as a schema: it compiles and judges, or says what is wrong and where. */
#include "target.h"

#include <wsrt/schema.h>

#include <stdlib.h>
#include <string.h>

static void require(int truth)
{
    if (!truth)
        abort();
}

static void judge(const wsrt_schema *s, const char *message)
{
    wsrt_issue issue;
    wsrt_validation answer = {.struct_size = sizeof answer, .issues = &issue, .issue_cap = 1};

    answer.scratch_cap = wsrt_schema_scratch(s, NULL);
    answer.scratch = malloc(answer.scratch_cap);
    int rc = wsrt_validate(s, message, strlen(message), NULL, &answer);
    require(rc == WSRT_OK || rc == WSRT_ERR_REJECTED || rc == WSRT_ERR_LIMIT);
    free(answer.scratch);
}

static void check_error(const wsrt_schema_error *why, int status, size_t size)
{
    require(status == WSRT_ERR_MALFORMED || status == WSRT_ERR_REJECTED ||
            status == WSRT_ERR_LIMIT);
    require(why->code != 0 && strcmp(wsrt_schema_code_name(why->code), "schema_unknown") != 0);
    require(why->offset <= size);
    require(memchr(why->pointer, '\0', sizeof why->pointer) != NULL);
}

static void run(const uint8_t *data, size_t size, uint32_t flags)
{
    static const char *const messages[] = {"{}", "[1,1]", "\"2020-02-29\"", "{\"a\":{\"a\":[0]}}"};
    wsrt_schema_options o = {.struct_size = sizeof o, .flags = flags};
    wsrt_schema_error why = {.code = 0, .offset = SIZE_MAX};
    wsrt_schema *s;

    memset(why.pointer, 'x', sizeof why.pointer);
    int rc = wsrt_schema_new(&s, data, size, &o, &why);
    if (rc == WSRT_OK)
        for (size_t i = 0; i < sizeof messages / sizeof messages[0]; i++)
            judge(s, messages[i]);
    else
        check_error(&why, rc, size);
    require((rc == WSRT_OK) == (s != NULL));
    wsrt_schema_free(s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    run(data, size, WSRT_SCHEMA_STRICT);
    run(data, size, WSRT_SCHEMA_LENIENT | WSRT_SCHEMA_ASSERT_FORMAT);
    run(data, size, WSRT_SCHEMA_DRAFT_07);
    return 0;
}
