#include "error/envelope.h"

#include "error/redact.h"

#include "base/date.h"
#include "base/hash.h"
#include "base/options.h"
#include "json/number.h"
#include "json/write.h"

#include <string.h>

enum { CODE_MOST = 63 };

/* One rendering under way: the error, its row, where it goes. No JSON writer: nearly all of an
 * envelope is known text, copied in long pieces. */
struct envelope {
    const wsrt_error *e;
    const struct wsrt_error_row *row;
    char *at, *end;
    size_t over; /* bytes that did not fit; once one did not, none does */
    int form;
    int id_valid; /* the correlation id may be written, as it is */
    uint64_t hidden;
};

static void overflow(struct envelope *v, size_t len)
{
    v->end = v->at;
    v->over = len > SIZE_MAX - v->over ? SIZE_MAX : v->over + len;
}

static inline void put(struct envelope *v, const char *text, size_t len)
{
    if (len > (size_t)(v->end - v->at)) {
        overflow(v, len);
        return;
    }
    memcpy(v->at, text, len);
    v->at += len;
}

#define PUT(v, literal) put(v, "" literal, sizeof(literal) - 1)

/* With what stands before and behind it: one look at the room for all three. */
static void put_time(struct envelope *v)
{
    static const char before[] = "\",\"timestamp\":\"";
    const size_t len = sizeof before - 1 + WSRT_ISO_LEN;

    if ((size_t)(v->end - v->at) < len) {
        overflow(v, len);
        return;
    }
    memcpy(v->at, before, sizeof before - 1);
    wsrt_iso_time(v->e->wall, v->at + sizeof before - 1);
    v->at += len;
}

/* Likewise. */
#define PUT_ID(v, before) put_id(v, "" before, sizeof(before) - 1)
static void put_id(struct envelope *v, const char *before, size_t len)
{
    wsrt_span id = v->e->correlation_id;

    if ((size_t)(v->end - v->at) < len + id.len) {
        overflow(v, len + id.len);
        return;
    }
    memcpy(v->at, before, len);
    memcpy(v->at + len, id.ptr, id.len);
    v->at += len + id.len;
}

/* ---- what the error says, or its row ---- */

/* What a caller forgot to point at is as good as empty. */
static int has_text(wsrt_span text)
{
    return text.len > 0 && text.ptr != NULL;
}

static int is_code(wsrt_span code)
{
    if (!has_text(code) || code.len > CODE_MOST)
        return 0;
    for (size_t i = 0; i < code.len; i++) {
        char c = code.ptr[i];
        if (!(c >= 'A' && c <= 'Z') && !(c >= '0' && c <= '9') && c != '_')
            return 0;
    }
    return 1;
}

wsrt_span wsrt_error_code(const wsrt_error *e, const struct wsrt_error_row *row)
{
    return is_code(e->code) ? e->code : row->code;
}

static int names_outside_service(int type)
{
    return type == WSRT_ERROR_EXTERNAL_SERVICE || type == WSRT_ERROR_TIMEOUT ||
           type == WSRT_ERROR_DATABASE;
}

/* The catalogue's text; of an outside service that is named, the text for it. */
static wsrt_span default_message(const struct envelope *v)
{
    for (size_t i = 0; names_outside_service(v->e->type) && i < v->e->detail_count; i++) {
        const wsrt_field *f = &v->e->details[i];
        if (f->kind != WSRT_FIELD_TEXT || strcmp(f->name_cstr, "service") != 0 ||
            !has_text(f->text))
            continue;
        const struct wsrt_service_row *service = wsrt_error_service(f->text);
        if (service != NULL)
            return wsrt_span_cstr(service->text_cstr);
    }
    return v->row->message;
}

static int retryable(const struct envelope *v)
{
    if ((v->e->flags & WSRT_ERROR_NOT_RETRYABLE) != 0)
        return 0;
    return (v->e->flags & WSRT_ERROR_RETRYABLE) != 0 || v->row->info.retryable;
}

/* All who are sent away by a restart would come back at once: up to ten seconds by the id. */
static int64_t spread(const struct envelope *v)
{
    enum { MOST = 10000 };
    wsrt_span id = v->e->correlation_id;

    return v->id_valid ? 1 + (int64_t)(wsrt_hash(0, id.ptr, id.len) % MOST) : -1;
}

/* Milliseconds; -1 = none. */
static int64_t retry_after(const struct envelope *v)
{
    if (v->e->retry_after_ms != 0)
        return v->e->retry_after_ms > 0 ? v->e->retry_after_ms : -1;
    if (!retryable(v))
        return -1;
    return v->e->type == WSRT_ERROR_SERVICE_RESTART ? spread(v) : v->row->info.retry_after_ms;
}

static int is_frame(const struct envelope *v)
{
    return v->form == WSRT_ERROR_FORM_FRAME || v->form == WSRT_ERROR_FORM_DEVELOPER_FRAME;
}

static int is_for_developers(const struct envelope *v)
{
    return v->form == WSRT_ERROR_FORM_DEVELOPER || v->form == WSRT_ERROR_FORM_DEVELOPER_FRAME;
}

/* ---- values ---- */

static void put_span(struct envelope *v, wsrt_span text)
{
    put(v, text.ptr, text.len);
}

static void put_int(struct envelope *v, int64_t number)
{
    char text[WSRT_NUMBER_TEXT];

    if (v->end - v->at >= WSRT_NUMBER_TEXT)
        v->at += wsrt_int64_text(number, v->at);
    else
        put(v, text, wsrt_int64_text(number, text));
}

static void put_bool(struct envelope *v, int truth)
{
    if (truth)
        PUT(v, "true");
    else
        PUT(v, "false");
}

static void put_real(struct envelope *v, double real)
{
    char text[WSRT_NUMBER_TEXT];

    if (__builtin_isfinite(real))
        put(v, text, wsrt_double_text(real, text));
    else
        PUT(v, "null");
}

/* Free text as a JSON string has it. */
static void put_escaped(struct envelope *v, wsrt_span text)
{
    wsrt_json_writer w;
    uint32_t html = (v->e->flags & WSRT_ERROR_HTML_SAFE) != 0 ? WSRT_JSON_HTML_SAFE : 0;
    size_t room = (size_t)(v->end - v->at);

    wsrt_json_writer_init(&w, v->at, room, WSRT_JSON_REPLACE_UTF8 | html);
    wsrt_json_string_part(&w, text);
    if (w.len > room)
        overflow(v, w.len);
    else
        v->at += w.len;
}

static void put_clean(void *user, wsrt_span piece, int escaped)
{
    struct envelope *v = user;

    if (escaped)
        put_span(v, piece);
    else
        put_escaped(v, piece);
}

/* A string of free text, between its quotes. */
static void put_free_text(struct envelope *v, wsrt_span text)
{
    v->hidden += wsrt_redact_pieces(text, 0, put_clean, v);
}

/* ---- members ---- */

static void message_value(struct envelope *v)
{
    if (has_text(v->e->message))
        put_free_text(v, v->e->message);
    else
        put_span(v, default_message(v));
}

/* Of JSON, which has these in strings only. */
static void put_without_markup(struct envelope *v, wsrt_span json)
{
    for (const char *end = json.ptr + json.len; json.ptr < end; json.ptr++) {
        if (*json.ptr == '<')
            PUT(v, "\\u003c");
        else if (*json.ptr == '>')
            PUT(v, "\\u003e");
        else if (*json.ptr == '&')
            PUT(v, "\\u0026");
        else
            put(v, json.ptr, 1);
    }
}

static void issues_member(struct envelope *v)
{
    wsrt_json issues;

    if (!has_text(v->e->issues) || wsrt_json_parse(&issues, v->e->issues, NULL) < 0 ||
        issues.kind != WSRT_JSON_ARRAY)
        return;
    PUT(v, ",\"issues\":");
    if ((v->e->flags & WSRT_ERROR_HTML_SAFE) != 0)
        put_without_markup(v, issues.text);
    else
        put_span(v, issues.text);
}

static void retry_members(struct envelope *v)
{
    int64_t after = retry_after(v);
    int again = retryable(v);

    if (again)
        PUT(v, ",\"retryable\":true");
    else if (is_frame(v))
        PUT(v, ",\"retryable\":false");
    if (after >= 0) {
        PUT(v, ",\"retryAfter\":");
        put_int(v, after);
    }
}

static void limit_members(struct envelope *v)
{
    if (!has_text(v->e->scope))
        return;
    PUT(v, ",\"scope\":\"");
    put_escaped(v, v->e->scope);
    PUT(v, "\",\"limit\":");
    put_int(v, v->e->limit);
    PUT(v, ",\"remaining\":");
    put_int(v, v->e->remaining);
}

/* ---- developers only ---- */

/* `"name":`, behind a comma unless it is the first of its object. */
static void put_name(struct envelope *v, const char *name, int *members)
{
    if ((*members)++ > 0)
        PUT(v, ",");
    PUT(v, "\"");
    put_span(v, wsrt_span_cstr(name));
    PUT(v, "\":");
}

static void text_member(struct envelope *v, const char *name, wsrt_span text, int *members)
{
    put_name(v, name, members);
    PUT(v, "\"");
    put_free_text(v, text);
    PUT(v, "\"");
}

static void optional_member(struct envelope *v, const char *name, wsrt_span text, int *members)
{
    if (has_text(text))
        text_member(v, name, text, members);
}

static void detail_member(struct envelope *v, const wsrt_field *f, int *members)
{
    if (f->kind == WSRT_FIELD_TEXT) {
        text_member(v, f->name_cstr, f->text, members);
        return;
    }
    put_name(v, f->name_cstr, members);
    if (f->kind == WSRT_FIELD_INT)
        put_int(v, f->number);
    else if (f->kind == WSRT_FIELD_BOOL)
        put_bool(v, f->number != 0);
    else
        put_real(v, f->real);
}

static int is_kind(const wsrt_field *f)
{
    return (f->kind == WSRT_FIELD_TEXT && (f->text.len == 0 || has_text(f->text))) ||
           f->kind == WSRT_FIELD_INT || f->kind == WSRT_FIELD_BOOL || f->kind == WSRT_FIELD_REAL;
}

/* Of those of one name the first is told. */
static int is_told(const struct envelope *v, const wsrt_field *f)
{
    if (!is_kind(f) || !wsrt_error_detail_allowed(v->e->type, f->name_cstr))
        return 0;
    for (const wsrt_field *other = v->e->details; other < f; other++)
        if (is_kind(other) && strcmp(other->name_cstr, f->name_cstr) == 0)
            return 0;
    return 1;
}

static void details_member(struct envelope *v)
{
    int members = 0;

    PUT(v, ",\"details\":{");
    for (size_t i = 0; i < v->e->detail_count; i++) {
        if (is_told(v, &v->e->details[i]))
            detail_member(v, &v->e->details[i], &members);
        else
            v->hidden++;
    }
    PUT(v, "}");
}

static void debug_member(struct envelope *v)
{
    int members = 0;

    PUT(v, ",\"debug\":{");
    optional_member(v, "requestId", v->e->request_id, &members);
    optional_member(v, "userAgent", v->e->user_agent, &members);
    optional_member(v, "sourceIp", v->e->source_ip, &members);
    optional_member(v, "stage", v->e->stage, &members);
    optional_member(v, "connectionId", v->e->connection_id, &members);
    optional_member(v, "userId", v->e->user_id, &members);
    optional_member(v, "action", v->e->action, &members);
    PUT(v, "}");
}

static void developer_members(struct envelope *v)
{
    details_member(v);
    if (has_text(v->e->stack)) {
        PUT(v, ",\"stack\":\"");
        put_free_text(v, v->e->stack);
        PUT(v, "\"");
    }
    debug_member(v);
}

/* ---- renderings ---- */

/* Type, message and code; mostly the row's own. */
static void what_members(struct envelope *v)
{
    wsrt_span code = wsrt_error_code(v->e, v->row);

    if (!has_text(v->e->message) && code.ptr == v->row->code.ptr &&
        default_message(v).ptr == v->row->message.ptr) {
        put_span(v, v->row->usual);
        return;
    }
    put_span(v, v->row->name);
    PUT(v, "\",\"message\":\"");
    message_value(v);
    PUT(v, "\",\"code\":\"");
    put_span(v, code);
}

static void error_members(struct envelope *v)
{
    what_members(v);
    put_time(v);
    if (v->id_valid)
        PUT_ID(v, "\",\"correlationId\":\"");
    PUT(v, "\"");
    retry_members(v);
    if ((v->e->flags & WSRT_ERROR_RECONNECT) != 0)
        PUT(v, ",\"reconnect\":true");
    limit_members(v);
    issues_member(v);
    if (is_for_developers(v))
        developer_members(v);
}

static void write_body(struct envelope *v)
{
    PUT(v, "{\"success\":false,\"error\":{\"type\":\"");
    error_members(v);
    PUT(v, "}}");
}

static void write_frame(struct envelope *v)
{
    PUT(v, "{\"type\":\"error\",\"success\":false,\"error\":{\"type\":\"");
    error_members(v);
    PUT(v, "},\"timestamp\":");
    put_int(v, v->e->wall);
    if (v->id_valid) {
        PUT_ID(v, ",\"correlationId\":\"");
        PUT(v, "\"");
    }
    PUT(v, "}");
}

/* urn:wsrt:error:validation-error */
static void put_kebab(struct envelope *v, wsrt_span name)
{
    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i] == '_' ? '-' : (char)(name.ptr[i] - 'A' + 'a');
        put(v, &c, 1);
    }
}

static void write_problem(struct envelope *v)
{
    PUT(v, "{\"type\":\"urn:wsrt:error:");
    put_kebab(v, v->row->name);
    PUT(v, "\",\"title\":\"");
    put_span(v, v->row->message);
    PUT(v, "\",\"status\":");
    put_int(v, v->e->http_status != 0 ? v->e->http_status : v->row->info.http_status);
    PUT(v, ",\"detail\":\"");
    message_value(v);
    if (v->id_valid)
        PUT_ID(v, "\",\"instance\":\"");
    PUT(v, "\",\"code\":\"");
    put_span(v, wsrt_error_code(v->e, v->row));
    PUT(v, "\"");
    retry_members(v);
    issues_member(v);
    PUT(v, "}");
}

/* Nothing in these depends on the error, so nothing can go wrong in them. */
static void write_minimal(struct envelope *v)
{
    if (is_frame(v))
        PUT(v, "{\"type\":\"error\",\"success\":false,\"error\":{\"type\":\"INTERNAL_ERROR\","
               "\"message\":\"Internal error\",\"code\":\"INTERNAL_ERROR\",\"retryable\":true}}");
    else if (v->form == WSRT_ERROR_FORM_PROBLEM)
        PUT(v, "{\"type\":\"urn:wsrt:error:internal-error\",\"title\":\"Internal error\","
               "\"status\":500,\"code\":\"INTERNAL_ERROR\"}");
    else
        PUT(v, "{\"success\":false,\"error\":{\"type\":\"INTERNAL_ERROR\","
               "\"message\":\"Internal error\",\"code\":\"INTERNAL_ERROR\"}}");
}

/* ---- the way in ---- */

static int is_valid(const wsrt_error *e)
{
    const uint32_t known = WSRT_ERROR_RETRYABLE | WSRT_ERROR_NOT_RETRYABLE | WSRT_ERROR_RECONNECT |
                           WSRT_ERROR_HTML_SAFE;

    if ((e->flags & ~known) != 0 || (e->details == NULL && e->detail_count > 0))
        return 0;
    for (size_t i = 0; i < e->detail_count; i++)
        if (e->details[i].name_cstr == NULL)
            return 0;
    return 1;
}

const wsrt_error *wsrt_error_load(wsrt_error *room, const wsrt_error *given)
{
    if (given->struct_size != sizeof *given) {
        if (wsrt_options_load(room, sizeof *room, sizeof *room, given) < 0)
            return NULL;
        given = room;
    }
    return is_valid(given) ? given : NULL;
}

static void render(struct envelope *v)
{
    v->row = wsrt_error_row(v->e->type);
    v->id_valid = wsrt_correlation_id_valid(v->e->correlation_id);
    if (v->form == WSRT_ERROR_FORM_PROBLEM)
        write_problem(v);
    else if (is_frame(v))
        write_frame(v);
    else
        write_body(v);
    if (v->e->hidden != NULL)
        *v->e->hidden += v->hidden;
}

int wsrt_error_write(const wsrt_error *e, int form, char *dst, size_t cap, size_t *len)
{
    wsrt_error room;
    struct envelope v;

    if (e == NULL || form < WSRT_ERROR_FORM_CLIENT || form > WSRT_ERROR_FORM_DEVELOPER_FRAME ||
        (dst == NULL && cap > 0))
        return WSRT_ERR_INVALID;
    v = (struct envelope){.e = wsrt_error_load(&room, e), .at = dst, .end = dst, .form = form};
    if (cap > 0)
        v.end += cap;
    if (v.e == NULL)
        write_minimal(&v);
    else
        render(&v);
    size_t wrote = cap == 0 ? 0 : (size_t)(v.at - dst);
    size_t need = v.over > SIZE_MAX - wrote ? SIZE_MAX : wrote + v.over;
    if (len != NULL)
        *len = need;
    if (need < cap)
        *v.at = '\0';
    return need <= cap ? WSRT_OK : WSRT_ERR_LIMIT;
}
