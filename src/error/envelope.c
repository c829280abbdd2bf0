#include "error/redact.h"
#include "error/types.h"

#include "base/options.h"
#include "json/write.h"

#include <string.h>

enum { CODE_MOST = 63, ISO_LEN = 24 };

/* One rendering under way: the error, its row, where it goes. */
struct envelope {
    const wsrt_error *e;
    const wsrt_error_info *info;
    wsrt_json_writer w;
    int form;
};

/* ---- time ---- */

static void put_decimal(char *dst, int64_t v, int digits)
{
    for (int i = digits - 1; i >= 0; i--, v /= 10)
        dst[i] = (char)('0' + v % 10);
}

/* Unix milliseconds as 2026-11-20T10:00:00.123Z. Days are counted from March of year 0, so that a
 * leap day comes last: an era of 400 years has 146,097 of them. */
static void iso_time(int64_t ms, char dst[ISO_LEN])
{
    const int64_t last = INT64_C(253402300799999); /* the year 9999 */
    ms = ms < 0 ? 0 : ms > last ? last : ms;
    int64_t days = ms / 86400000 + 719468, clock = ms % 86400000;
    int64_t era = days / 146097, day = days % 146097;
    int64_t year = (day - day / 1460 + day / 36524 - day / 146096) / 365;
    int64_t of_year = day - (365 * year + year / 4 - year / 100);
    int64_t from_march = (5 * of_year + 2) / 153;
    int64_t month = from_march < 10 ? from_march + 3 : from_march - 9;

    memcpy(dst, "0000-00-00T00:00:00.000Z", ISO_LEN);
    put_decimal(dst, era * 400 + year + (month <= 2), 4);
    put_decimal(dst + 5, month, 2);
    put_decimal(dst + 8, of_year - (153 * from_march + 2) / 5 + 1, 2);
    put_decimal(dst + 11, clock / 3600000, 2);
    put_decimal(dst + 14, clock / 60000 % 60, 2);
    put_decimal(dst + 17, clock / 1000 % 60, 2);
    put_decimal(dst + 20, clock % 1000, 3);
}

/* ---- what the error says, or its row ---- */

static int is_code(wsrt_span code)
{
    if (code.len == 0 || code.len > CODE_MOST)
        return 0;
    for (size_t i = 0; i < code.len; i++) {
        char c = code.ptr[i];
        if (!(c >= 'A' && c <= 'Z') && !(c >= '0' && c <= '9') && c != '_')
            return 0;
    }
    return 1;
}

static wsrt_span code_of(const struct envelope *v)
{
    return is_code(v->e->code) ? v->e->code : wsrt_span_cstr(v->info->code_cstr);
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
        if (f->kind != WSRT_FIELD_TEXT || strcmp(f->name_cstr, "service") != 0)
            continue;
        const char *text = wsrt_error_service_text(f->text);
        if (text[0] != '\0')
            return wsrt_span_cstr(text);
    }
    return wsrt_span_cstr(v->info->message_cstr);
}

static int retryable(const struct envelope *v)
{
    if ((v->e->flags & WSRT_ERROR_NOT_RETRYABLE) != 0)
        return 0;
    return (v->e->flags & WSRT_ERROR_RETRYABLE) != 0 || v->info->retryable;
}

/* Milliseconds; -1 = none. */
static int64_t retry_after(const struct envelope *v)
{
    if (v->e->retry_after_ms != 0)
        return v->e->retry_after_ms > 0 ? v->e->retry_after_ms : -1;
    return retryable(v) ? v->info->retry_after_ms : -1;
}

/* ---- members ---- */

static void text_member(struct envelope *v, const char *name, wsrt_span text)
{
    wsrt_json_key(&v->w, name);
    wsrt_json_string(&v->w, text);
}

static void optional_member(struct envelope *v, const char *name, wsrt_span text)
{
    if (text.len > 0)
        text_member(v, name, text);
}

static void int_member(struct envelope *v, const char *name, int64_t number)
{
    wsrt_json_key(&v->w, name);
    wsrt_json_write_int64(&v->w, number);
}

static void bool_member(struct envelope *v, const char *name, int truth)
{
    wsrt_json_key(&v->w, name);
    wsrt_json_write_bool(&v->w, truth);
}

static void put_clean(void *user, wsrt_span piece, int escaped)
{
    wsrt_json_writer *w = user;

    if (escaped)
        wsrt_json_string_literal(w, piece);
    else
        wsrt_json_string_part(w, piece);
}

static void redacted_member(struct envelope *v, const char *name, wsrt_span text)
{
    wsrt_json_key(&v->w, name);
    wsrt_json_string_open(&v->w);
    wsrt_redact_pieces(text, 0, put_clean, &v->w);
    wsrt_json_string_close(&v->w);
}

static void message_member(struct envelope *v, const char *name)
{
    if (v->e->message.len > 0)
        redacted_member(v, name, v->e->message);
    else
        text_member(v, name, default_message(v));
}

static void time_member(struct envelope *v)
{
    char text[ISO_LEN];

    iso_time(v->e->wall, text);
    text_member(v, "timestamp", (wsrt_span){text, sizeof text});
}

static void issues_member(struct envelope *v)
{
    wsrt_json issues;

    if (v->e->issues.len == 0 || wsrt_json_parse(&issues, v->e->issues, NULL) < 0 ||
        issues.kind != WSRT_JSON_ARRAY)
        return;
    wsrt_json_key(&v->w, "issues");
    wsrt_json_raw(&v->w, issues.text);
}

static void retry_members(struct envelope *v)
{
    int64_t after = retry_after(v);

    if (v->form == WSRT_ERROR_FORM_FRAME || retryable(v))
        bool_member(v, "retryable", retryable(v));
    if (after >= 0)
        int_member(v, "retryAfter", after);
}

static void limit_members(struct envelope *v)
{
    if (v->e->scope.len == 0)
        return;
    text_member(v, "scope", v->e->scope);
    int_member(v, "limit", v->e->limit);
    int_member(v, "remaining", v->e->remaining);
}

/* ---- developers only ---- */

static void detail_member(struct envelope *v, const wsrt_field *f)
{
    switch (f->kind) {
    case WSRT_FIELD_TEXT:
        redacted_member(v, f->name_cstr, f->text);
        break;
    case WSRT_FIELD_INT:
        int_member(v, f->name_cstr, f->number);
        break;
    case WSRT_FIELD_BOOL:
        bool_member(v, f->name_cstr, f->number != 0);
        break;
    case WSRT_FIELD_REAL:
        wsrt_json_key(&v->w, f->name_cstr);
        if (__builtin_isfinite(f->real))
            wsrt_json_write_double(&v->w, f->real);
        else
            wsrt_json_write_null(&v->w);
        break;
    default:
        break;
    }
}

static void details_member(struct envelope *v)
{
    wsrt_json_key(&v->w, "details");
    wsrt_json_object(&v->w);
    for (size_t i = 0; i < v->e->detail_count; i++)
        if (wsrt_error_detail_allowed(v->e->type, v->e->details[i].name_cstr))
            detail_member(v, &v->e->details[i]);
    wsrt_json_object_end(&v->w);
}

static void debug_member(struct envelope *v)
{
    wsrt_json_key(&v->w, "debug");
    wsrt_json_object(&v->w);
    optional_member(v, "requestId", v->e->request_id);
    if (v->e->user_agent.len > 0)
        redacted_member(v, "userAgent", v->e->user_agent);
    optional_member(v, "sourceIp", v->e->source_ip);
    optional_member(v, "stage", v->e->stage);
    wsrt_json_object_end(&v->w);
}

static void developer_members(struct envelope *v)
{
    details_member(v);
    if (v->e->stack.len > 0)
        redacted_member(v, "stack", v->e->stack);
    debug_member(v);
}

/* ---- renderings ---- */

static void error_member(struct envelope *v)
{
    wsrt_json_key(&v->w, "error");
    wsrt_json_object(&v->w);
    text_member(v, "type", wsrt_span_cstr(v->info->name_cstr));
    message_member(v, "message");
    text_member(v, "code", code_of(v));
    time_member(v);
    optional_member(v, "correlationId", v->e->correlation_id);
    retry_members(v);
    if ((v->e->flags & WSRT_ERROR_RECONNECT) != 0)
        bool_member(v, "reconnect", 1);
    limit_members(v);
    issues_member(v);
    if (v->form == WSRT_ERROR_FORM_DEVELOPER)
        developer_members(v);
    wsrt_json_object_end(&v->w);
}

static void write_envelope(struct envelope *v)
{
    wsrt_json_object(&v->w);
    if (v->form == WSRT_ERROR_FORM_FRAME)
        text_member(v, "type", wsrt_span_cstr("error"));
    bool_member(v, "success", 0);
    error_member(v);
    if (v->form == WSRT_ERROR_FORM_FRAME) {
        int_member(v, "timestamp", v->e->wall);
        optional_member(v, "correlationId", v->e->correlation_id);
    }
    wsrt_json_object_end(&v->w);
}

/* urn:wsrt:error:validation-error */
static void problem_type(struct envelope *v)
{
    wsrt_json_key(&v->w, "type");
    wsrt_json_string_open(&v->w);
    wsrt_json_string_part(&v->w, wsrt_span_cstr("urn:wsrt:error:"));
    for (const char *p = v->info->name_cstr; *p != '\0'; p++) {
        char c = *p == '_' ? '-' : (char)(*p - 'A' + 'a');
        wsrt_json_string_part(&v->w, (wsrt_span){&c, 1});
    }
    wsrt_json_string_close(&v->w);
}

static void write_problem(struct envelope *v)
{
    wsrt_json_object(&v->w);
    problem_type(v);
    text_member(v, "title", wsrt_span_cstr(v->info->message_cstr));
    int_member(v, "status", v->e->http_status != 0 ? v->e->http_status : v->info->http_status);
    message_member(v, "detail");
    optional_member(v, "instance", v->e->correlation_id);
    text_member(v, "code", code_of(v));
    retry_members(v);
    issues_member(v);
    wsrt_json_object_end(&v->w);
}

/* Nothing in these depends on the error, so nothing can go wrong in them. */
static wsrt_span minimal(int form)
{
    switch (form) {
    case WSRT_ERROR_FORM_FRAME:
        return wsrt_span_cstr("{\"type\":\"error\",\"success\":false,\"error\":{"
                              "\"type\":\"INTERNAL_ERROR\",\"message\":\"Internal error\","
                              "\"code\":\"INTERNAL_ERROR\",\"retryable\":true}}");
    case WSRT_ERROR_FORM_PROBLEM:
        return wsrt_span_cstr("{\"type\":\"urn:wsrt:error:internal-error\","
                              "\"title\":\"Internal error\",\"status\":500,"
                              "\"code\":\"INTERNAL_ERROR\"}");
    default:
        return wsrt_span_cstr("{\"success\":false,\"error\":{\"type\":\"INTERNAL_ERROR\","
                              "\"message\":\"Internal error\",\"code\":\"INTERNAL_ERROR\"}}");
    }
}

static int write_minimal(int form, char *dst, size_t cap, size_t *len)
{
    wsrt_json_writer w;

    wsrt_json_writer_init(&w, dst, cap, 0);
    wsrt_json_raw(&w, minimal(form));
    return wsrt_json_finish(&w, len);
}

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

int wsrt_error_write(const wsrt_error *e, int form, char *dst, size_t cap, size_t *len)
{
    wsrt_error in;
    struct envelope v = {.e = &in, .form = form};

    if (e == NULL || form < WSRT_ERROR_FORM_CLIENT || form > WSRT_ERROR_FORM_PROBLEM ||
        (dst == NULL && cap > 0))
        return WSRT_ERR_INVALID;
    if (wsrt_options_load(&in, sizeof in, sizeof in, e) < 0 || !is_valid(&in))
        return write_minimal(form, dst, cap, len);
    v.info = wsrt_error_type_info(in.type);
    wsrt_json_writer_init(&v.w, dst, cap,
                          WSRT_JSON_REPLACE_UTF8 |
                              ((in.flags & WSRT_ERROR_HTML_SAFE) != 0 ? WSRT_JSON_HTML_SAFE : 0));
    if (form == WSRT_ERROR_FORM_PROBLEM)
        write_problem(&v);
    else
        write_envelope(&v);
    int rc = wsrt_json_finish(&v.w, len);
    return rc == WSRT_OK || rc == WSRT_ERR_LIMIT ? rc : write_minimal(form, dst, cap, len);
}
