/* Errors of any text, ids, details and issues, in one of the forms: one line of valid JSON
 * without controls, as long as was said before, never longer than its texts allow, the same each
 * time; markup is escaped where that was asked for, what is for developers stays with them, and
 * a token in a text is hidden. The input is taken apart by input.h. */
#include "line.h"
#include "target.h"

#include <wsrt/error.h>
#include <wsrt/schema.h>

enum { DETAILS = 4, FRAME = 1024, GROWTH = 12, ISSUES = 8 };

#define TOKEN "q7Zr2Vx9LkPw"

struct made {
    wsrt_error e;
    wsrt_field details[WSRT_ERROR_DETAILS];
    uint64_t hidden;
    char stack[600];
    char issues[4096];
};

/* What a message breaks of the shipped rules. */
static wsrt_span issues_of(struct made *m, wsrt_span message)
{
    static unsigned char scratch[4096];
    static wsrt_schema *s;
    wsrt_issue issues[ISSUES];
    wsrt_validation v = {.struct_size = sizeof v,
                         .issues = issues,
                         .issue_cap = ISSUES,
                         .scratch = scratch,
                         .scratch_cap = sizeof scratch};
    wsrt_json_writer w;
    size_t len = 0;

    if (s == NULL)
        require(wsrt_schema_builtin(&s, "message", NULL) == WSRT_OK);
    if (wsrt_validate(s, message.ptr, message.len, NULL, &v) == WSRT_OK)
        return (wsrt_span){0};
    wsrt_json_writer_init(&w, m->issues, sizeof m->issues, 0);
    wsrt_issues_write(&w, s, message.ptr, message.len, &v);
    require(wsrt_json_finish(&w, &len) == WSRT_OK);
    return (wsrt_span){m->issues, len};
}

static void take_details(struct made *m, struct input *in)
{
    static const char *const names[] = {"service",    "operation", "engine", "code", "scope",
                                        "issueCount", "size",      "exp",    "kind", "unheardOf"};

    for (size_t i = 0; i < DETAILS; i++) {
        wsrt_field *f = &m->details[i];
        f->name_cstr = names[take_byte(in) % (sizeof names / sizeof names[0])];
        f->kind = (int32_t)take_byte(in) % 6;
        f->text = take_text(in);
        f->number = take_number(in);
        memcpy(&f->real, &f->number, sizeof f->real);
    }
    m->e.details = m->details;
    m->e.detail_count = DETAILS;
}

static void take_cause(struct made *m, struct input *in)
{
    wsrt_service_failure why = {.struct_size = sizeof why, .status = -(int32_t)take_byte(in) - 1};
    unsigned cause = take_byte(in) % 3;

    why.service = take_text(in);
    why.operation = take_text(in);
    why.state = take_text(in);
    why.total_requests = (uint64_t)take_number(in);
    memcpy(&why.failure_rate, &why.total_requests, sizeof why.failure_rate);
    why.next_attempt = take_number(in);
    if (cause == 0)
        take_details(m, in);
    else if (cause == 1)
        require(wsrt_error_from_service(&m->e, &why, m->details) == WSRT_OK);
    else
        require(wsrt_error_from_database(&m->e, why.service, why.state, why.operation,
                                         m->details) == WSRT_OK);
}

static void take_error(struct made *m, struct input *in)
{
    static const char *const scopes[] = {"", "connection", "user", "route", "stage"};
    wsrt_error *e = &m->e;

    *m = (struct made){.e = {.struct_size = sizeof *e, .type = (int32_t)take_byte(in) - 1}};
    take_cause(m, in);
    e->flags = take_byte(in) & 15;
    e->scope = wsrt_span_cstr(scopes[take_byte(in) % (sizeof scopes / sizeof scopes[0])]);
    wsrt_span *const texts[] = {&e->code,          &e->message, &e->correlation_id, &e->stack,
                                &e->request_id,    &e->stage,   &e->user_agent,     &e->source_ip,
                                &e->connection_id, &e->user_id, &e->action};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        *texts[i] = take_text(in);
    int64_t *const numbers[] = {&e->wall, &e->limit, &e->remaining};
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
        *numbers[i] = take_number(in);
    e->issues = issues_of(m, take_text(in));
    e->hidden = &m->hidden;
}

/* A credential behind whatever else is told. */
static void plant(struct made *m)
{
    static const char line[] = "\nAuthorization: Bearer " TOKEN "\n/?token=" TOKEN "&a=1";
    size_t len = m->e.stack.len;

    if (len > 0)
        memcpy(m->stack, m->e.stack.ptr, len);
    memcpy(m->stack + len, line, sizeof line - 1);
    m->e.stack = (wsrt_span){m->stack, len + sizeof line - 1};
}

static int holds(wsrt_span text, const char *word)
{
    size_t len = strlen(word);

    for (size_t i = 0; i + len <= text.len; i++)
        if (memcmp(text.ptr + i, word, len) == 0)
            return 1;
    return 0;
}

static void check(const wsrt_error *e, int form, wsrt_span text)
{
    int frame = form == WSRT_ERROR_FORM_FRAME || form == WSRT_ERROR_FORM_DEVELOPER_FRAME;
    int developer = form == WSRT_ERROR_FORM_DEVELOPER || form == WSRT_ERROR_FORM_DEVELOPER_FRAME;
    wsrt_json root, found;

    require_object(text, &root);
    require(!holds(text, TOKEN));
    if ((e->flags & WSRT_ERROR_HTML_SAFE) != 0)
        require(!holds(text, "<") && !holds(text, ">") && !holds(text, "&"));
    require(wsrt_json_find(&root, wsrt_span_cstr("/error/stack"), &found) ==
            (developer ? WSRT_OK : WSRT_ERR_NOT_FOUND));
    if (form == WSRT_ERROR_FORM_PROBLEM)
        return;
    require(wsrt_json_find(&root, wsrt_span_cstr("/error/type"), &found) == WSRT_OK);
    require(wsrt_json_equal(&found, wsrt_span_cstr(wsrt_error_type_info(e->type)->name_cstr)));
    int rc = wsrt_json_find(
        &root, wsrt_span_cstr(frame ? "/correlationId" : "/error/correlationId"), &found);
    require((rc == WSRT_OK) == wsrt_correlation_id_valid(e->correlation_id));
    require(rc != WSRT_OK || wsrt_span_equal(found.text, e->correlation_id));
}

static void render(struct made *m, int form, size_t most)
{
    size_t len = 0, again = 0;

    require(wsrt_error_write(&m->e, form, NULL, 0, &len) == WSRT_ERR_LIMIT && len <= most);
    char *text = malloc(len), *same = malloc(len + 1);
    require(wsrt_error_write(&m->e, form, text, len, &again) == WSRT_OK && again == len);
    require(wsrt_error_write(&m->e, form, same, len + 1, &again) == WSRT_OK && again == len);
    require(memcmp(text, same, len) == 0 && same[len] == '\0');
    require(m->hidden % 3 == 0);
    check(&m->e, form, (wsrt_span){text, len});
    require(wsrt_error_write(&m->e, form, same, len - 1, &again) == WSRT_ERR_LIMIT && again == len);
    free(text);
    free(same);
}

static void read_headers(const wsrt_error *e, int form)
{
    wsrt_span name, value;

    for (size_t i = 0; wsrt_error_header(e, form, &i, &name, &value) == WSRT_OK;) {
        require(name.len > 0 && value.len > 0 && value.len <= 128);
        for (size_t k = 0; k < value.len; k++)
            require(value.ptr[k] > ' ' && value.ptr[k] < 0x7f);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct made m;
    struct input in = {data, data + size};

    if (size > 4096 || holds((wsrt_span){(const char *)data, size}, TOKEN))
        return 0;
    int form = WSRT_ERROR_FORM_CLIENT + (int)take_byte(&in) % WSRT_ERROR_FORM_DEVELOPER_FRAME;
    take_error(&m, &in);
    plant(&m);
    render(&m, form, FRAME + GROWTH * (size + m.e.issues.len));
    read_headers(&m.e, form);
    return 0;
}
