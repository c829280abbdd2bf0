/* Any message against two shipped schemas: both modes give one class, it agrees with the JSON reader,
 * issues lie inside the message and are told in JSON; those of the union are the ones that its rules,
 * written out, give. */
#include "target.h"

#include "reference.h"

#include <wsrt/schema.h>

#include <stdlib.h>

enum { ISSUES = 8, SLOTS = 16 };

struct judged {
    wsrt_validation answer;
    wsrt_issue issues[ISSUES];
    wsrt_slot slots[SLOTS];
    int status;
};

static void require(int truth)
{
    if (!truth)
        abort();
}

static void judge(struct judged *j, const wsrt_schema *s, wsrt_span message, uint32_t flags)
{
    wsrt_validate_options o = {.struct_size = sizeof o, .flags = flags};
    size_t cap = wsrt_schema_scratch(s, &o);

    j->answer = (wsrt_validation){.struct_size = sizeof j->answer,
                                  .slots = j->slots,
                                  .slot_cap = SLOTS,
                                  .issues = j->issues,
                                  .issue_cap = ISSUES,
                                  .scratch = malloc(cap),
                                  .scratch_cap = cap};
    j->status = wsrt_validate(s, message.ptr, message.len, &o, &j->answer);
    free(j->answer.scratch);
    j->answer.scratch = NULL;
}

static void check_issues(const struct judged *j, size_t len)
{
    require((j->answer.issue_total > 0) == (j->status != WSRT_OK));
    require(j->answer.issue_count <= ISSUES && j->answer.issue_count <= j->answer.issue_total);
    for (size_t i = 0; i < j->answer.issue_count; i++) {
        const wsrt_issue *one = &j->issues[i];
        require(one->offset <= len && one->length <= len - one->offset);
        require(one->other_offset <= len);
    }
}

static void check_slots(const struct judged *j, const wsrt_schema *s, wsrt_span message)
{
    for (int i = 0; i < wsrt_schema_slot_count(s); i++) {
        wsrt_span text = j->slots[i].text;
        require(j->status == WSRT_OK || j->slots[i].flags == 0);
        if (j->slots[i].flags != 0)
            require(text.ptr >= message.ptr && text.len <= message.len &&
                    text.ptr + text.len <= message.ptr + message.len);
    }
}

static void check_told(const struct judged *j, const wsrt_schema *s, wsrt_span message)
{
    wsrt_json_writer w;
    size_t len;

    wsrt_json_writer_init(&w, NULL, 0, 0);
    wsrt_issues_write(&w, s, message.ptr, message.len, &j->answer);
    require(wsrt_json_finish(&w, &len) == WSRT_ERR_LIMIT);
    char *text = malloc(len);
    wsrt_json_writer_init(&w, text, len, 0);
    wsrt_issues_write(&w, s, message.ptr, message.len, &j->answer);
    require(wsrt_json_finish(&w, &len) == WSRT_OK);
    require(wsrt_json_parse(NULL, (wsrt_span){text, len}, NULL) == WSRT_OK);
    free(text);
}

static void check_class(int status, wsrt_span message)
{
    int is_json = wsrt_json_parse(NULL, message, NULL) == WSRT_OK;

    switch (status) {
    case WSRT_OK:
    case WSRT_ERR_REJECTED:
        require(is_json);
        break;
    case WSRT_ERR_MALFORMED:
        require(!is_json);
        break;
    default:
        require(status == WSRT_ERR_LIMIT);
    }
}

static void run(const wsrt_schema *s, wsrt_span message)
{
    struct judged first, all;

    judge(&first, s, message, 0);
    judge(&all, s, message, WSRT_VALIDATE_COLLECT_ALL);
    require(first.status == all.status);
    check_class(all.status, message);
    check_issues(&first, message.len);
    check_issues(&all, message.len);
    check_slots(&first, s, message);
    check_slots(&all, s, message);
    check_told(&first, s, message);
    check_told(&all, s, message);
}

static void check_reference(const wsrt_schema *s, wsrt_span message)
{
    size_t cap = wsrt_schema_scratch(s, NULL);
    void *scratch = malloc(cap);

    require(reference_differs(s, message.ptr, message.len, scratch, cap) == NULL);
    free(scratch);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const names[] = {"message", "message-dashboard"};
    static wsrt_schema *schemas[2]; /* compiled once, for speed */
    wsrt_span message = {(const char *)data, size};

    for (int i = 0; i < 2; i++) {
        if (schemas[i] == NULL)
            require(wsrt_schema_builtin(&schemas[i], names[i], NULL) == WSRT_OK);
        run(schemas[i], message);
    }
    check_reference(schemas[0], message);
    return 0;
}
