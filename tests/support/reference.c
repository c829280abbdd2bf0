#include "reference.h"

#include <wsrt/json.h>

#include <stdlib.h>
#include <string.h>

enum tag { NO_TAG, AUTH, MESSAGE, PING };

struct rule {
    const char *name;
    const char *pointer;
    size_t least;
    size_t most;
    const char *allowed; /* NULL = any */
};

#define LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
static const struct rule rules[] = {
    {"action", "/data/action", 1, 50, LETTERS "_"},
    {"message", "/data/message", 1, 10000, NULL},
    {"sessionId", "/data/sessionId", 1, 100, LETTERS "_-"},
    {"token", "/data/token", 1, 10000, LETTERS "_-."},
};
enum { RULES = sizeof rules / sizeof rules[0], ACTION = 0, TEXT = 1, TOKEN = 3 };

struct judge {
    struct reference *out;
    const char *message;
    enum tag tag;
};

static void raise(struct judge *j, int code, const wsrt_json *v, const char *pointer)
{
    size_t quotes = v->kind == WSRT_JSON_STRING;

    j->out->status = WSRT_ERR_REJECTED;
    if (j->out->total < REFERENCE_ISSUES)
        j->out->issues[j->out->total] = (struct reference_issue){
            code, (size_t)(v->text.ptr - j->message) - quotes, v->text.len + 2 * quotes, pointer};
    j->out->total++;
}

static void judge_string(struct judge *j, const struct rule *r, const wsrt_json *v)
{
    size_t len = 0, points = 0;
    int outside = 0;

    if (v->kind != WSRT_JSON_STRING) {
        raise(j, WSRT_ISSUE_INVALID_TYPE, v, r->pointer);
        return;
    }
    char *text = malloc(v->text.len + 1);
    if (wsrt_json_text(v, text, v->text.len + 1, &len) != WSRT_OK)
        abort();
    for (size_t i = 0; i < len; i++) {
        points += ((unsigned char)text[i] & 0xc0) != 0x80;
        outside |= r->allowed != NULL && (text[i] == '\0' || strchr(r->allowed, text[i]) == NULL);
    }
    free(text);
    if (points < r->least)
        raise(j, WSRT_ISSUE_TOO_SMALL, v, r->pointer);
    if (points > r->most)
        raise(j, WSRT_ISSUE_TOO_BIG, v, r->pointer);
    if (outside || (r->allowed != NULL && points == 0))
        raise(j, WSRT_ISSUE_INVALID_FORMAT, v, r->pointer);
}

/* Marks a name that is known; one that was marked before is an issue. */
static void see(struct judge *j, int *seen, const wsrt_json *name, const char *pointer)
{
    if (*seen)
        raise(j, WSRT_ISSUE_DUPLICATE_KEY, name, pointer);
    *seen = 1;
}

static void judge_data(struct judge *j, const wsrt_json *data)
{
    wsrt_json_iter it = {0};
    wsrt_json name, value;
    int seen[RULES] = {0};

    if (data->kind != WSRT_JSON_OBJECT) {
        raise(j, WSRT_ISSUE_INVALID_TYPE, data, "/data");
        return;
    }
    while (wsrt_json_next(data, &it, &name, &value) == WSRT_OK)
        for (size_t i = 0; i < RULES; i++)
            if (wsrt_json_equal(&name, wsrt_span_cstr(rules[i].name))) {
                see(j, &seen[i], &name, rules[i].pointer);
                judge_string(j, &rules[i], &value);
            }
    if (!seen[ACTION])
        raise(j, WSRT_ISSUE_REQUIRED, data, rules[ACTION].pointer);
    if (j->tag == AUTH && !seen[TOKEN])
        raise(j, WSRT_ISSUE_REQUIRED, data, rules[TOKEN].pointer);
    if (j->tag == MESSAGE && !seen[TEXT])
        raise(j, WSRT_ISSUE_REQUIRED, data, rules[TEXT].pointer);
}

static enum tag tag_of(const wsrt_json *v)
{
    return wsrt_json_equal(v, wsrt_span_cstr("auth"))      ? AUTH
           : wsrt_json_equal(v, wsrt_span_cstr("message")) ? MESSAGE
           : wsrt_json_equal(v, wsrt_span_cstr("ping"))    ? PING
                                                           : NO_TAG;
}

static void judge_type(struct judge *j, const wsrt_json *v)
{
    if (v->kind != WSRT_JSON_STRING)
        raise(j, WSRT_ISSUE_INVALID_TYPE, v, "/type");
    if (tag_of(v) == NO_TAG)
        raise(j, WSRT_ISSUE_INVALID_VALUE, v, "/type");
    if (j->tag != NO_TAG && tag_of(v) != j->tag) /* a second one: the first chose the branch */
        raise(j, WSRT_ISSUE_INVALID_VALUE, v, "/type");
}

static void judge_root(struct judge *j, const wsrt_json *root)
{
    wsrt_json_iter it = {0};
    wsrt_json name, value;
    int type = 0, data = 0, id = 0;

    if (root->kind != WSRT_JSON_OBJECT) {
        raise(j, WSRT_ISSUE_INVALID_TYPE, root, "");
        return;
    }
    if (wsrt_json_find(root, wsrt_span_cstr("/type"), &value) == WSRT_OK)
        j->tag = tag_of(&value);
    while (wsrt_json_next(root, &it, &name, &value) == WSRT_OK) {
        if (wsrt_json_equal(&name, wsrt_span_cstr("type"))) {
            see(j, &type, &name, "/type");
            judge_type(j, &value);
        } else if (wsrt_json_equal(&name, wsrt_span_cstr("data"))) {
            see(j, &data, &name, "/data");
            judge_data(j, &value);
        } else if (wsrt_json_equal(&name, wsrt_span_cstr("correlationId"))) {
            see(j, &id, &name, "/correlationId");
        }
    }
    if (!type)
        raise(j, WSRT_ISSUE_REQUIRED, root, "/type");
    if (!data)
        raise(j, WSRT_ISSUE_REQUIRED, root, "/data");
}

void reference_judge(struct reference *out, const char *message, size_t len)
{
    struct judge j = {.out = out, .message = message};
    wsrt_json root;

    *out = (struct reference){0};
    out->status = wsrt_json_parse(&root, (wsrt_span){message, len}, NULL);
    if (out->status == WSRT_OK)
        judge_root(&j, &root);
}

static const char *issue_differs(const wsrt_schema *s, wsrt_span message, const wsrt_issue *got,
                                 const struct reference_issue *want)
{
    char pointer[64];

    if (got->code != want->code)
        return "code";
    if (got->offset != want->offset || got->length != want->length)
        return "place";
    if (wsrt_issue_pointer(s, message.ptr, message.len, got, 0, pointer, sizeof pointer, NULL) !=
            WSRT_OK ||
        strcmp(pointer, want->pointer) != 0)
        return "pointer";
    return NULL;
}

const char *reference_differs(const wsrt_schema *s, const char *message, size_t len, void *scratch,
                              size_t scratch_cap)
{
    wsrt_issue issues[REFERENCE_ISSUES];
    wsrt_validate_options o = {.struct_size = sizeof o, .flags = WSRT_VALIDATE_COLLECT_ALL};
    wsrt_validation v = {.struct_size = sizeof v,
                         .issues = issues,
                         .issue_cap = REFERENCE_ISSUES,
                         .scratch = scratch,
                         .scratch_cap = scratch_cap};
    struct reference want;
    int status = wsrt_validate(s, message, len, &o, &v);

    reference_judge(&want, message, len);
    if (status == WSRT_ERR_LIMIT && issues[0].code == WSRT_ISSUE_LIMIT && len > 1024)
        return NULL;
    if (status != want.status)
        return "status";
    if (status != WSRT_ERR_REJECTED)
        return NULL;
    if (v.issue_total != want.total)
        return "number of issues";
    for (size_t i = 0; i < v.issue_count; i++) {
        const char *what = issue_differs(s, (wsrt_span){message, len}, &issues[i], &want.issues[i]);
        if (what != NULL)
            return what;
    }
    return NULL;
}
