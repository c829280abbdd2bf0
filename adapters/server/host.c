/* What the host adds to a server: documents, actions, and members of its state. */
#include "server/endpoints.h"
#include "server/memory.h"

#include <wsrt/json.h>

#include <ctype.h>
#include <stdio.h>
#include <string.h>

enum {
    TABLE_MOST = 64,
    ROW_MOST = 4096,
    PATH_MOST = 256,
    TYPE_MOST = 128,
    POLICY_MOST = 1024,
    TAG_MOST = 64,
    LINES_MOST = 2048,
    ANSWER_MOST = 64 * 1024,
    CLOSING_BRACE = 1
};

/* ---- judged when the server is made --------------------------------------------------------- */

/* One line of printable ASCII, since it becomes a field of an answer. */
static int is_line(wsrt_span text, size_t most)
{
    if (text.len > most || (text.len > 0 && text.ptr == NULL))
        return 0;
    for (size_t i = 0; i < text.len; i++)
        if (text.ptr[i] < ' ' || text.ptr[i] > '~')
            return 0;
    return 1;
}

static int is_path(wsrt_span path)
{
    return path.len > 0 && path.ptr != NULL && path.ptr[0] == '/' && is_line(path, PATH_MOST);
}

static int is_tag(wsrt_span tag)
{
    for (size_t i = 0; i < tag.len && tag.len <= TAG_MOST; i++)
        if (!isalnum((unsigned char)tag.ptr[i]))
            return 0;
    return tag.len <= TAG_MOST;
}

static int document_valid(const wsrt_server_document *d)
{
    return d->flags == 0 && is_path(d->path) && d->type.len > 0 && is_line(d->type, TYPE_MOST) &&
           is_line(d->policy, POLICY_MOST) && is_tag(d->tag);
}

/* A row as its caller wrote it: of this release or, with zeroes behind, of a later one. */
static const void *row_at(const void *rows, size_t i)
{
    uint32_t size;

    memcpy(&size, rows, sizeof size);
    return (const char *)rows + i * size;
}

static const wsrt_server_document *document_at(const wsrt_settings *set, size_t i)
{
    return row_at(set->documents, i);
}

static const wsrt_server_action *action_at(const wsrt_settings *set, size_t i)
{
    return row_at(set->actions, i);
}

/* All rows have the size of the first, since that is the step from one to the next. */
static int rows_fit(const void *rows, size_t count, size_t known)
{
    if (count > TABLE_MOST || (count > 0 && rows == NULL))
        return WSRT_ERR_INVALID;
    for (size_t i = 0; i < count; i++) {
        const unsigned char *row = row_at(rows, i);
        uint32_t size;
        memcpy(&size, row, sizeof size);
        if (memcmp(row, rows, sizeof size) != 0 || size < known || size > ROW_MOST)
            return WSRT_ERR_INVALID;
        for (size_t k = known; k < size; k++)
            if (row[k] != 0)
                return WSRT_ERR_UNSUPPORTED;
    }
    return WSRT_OK;
}

static int rows_valid(const wsrt_settings *set)
{
    for (size_t i = 0; i < set->document_count; i++)
        if (!document_valid(document_at(set, i)))
            return 0;
    for (size_t i = 0; i < set->action_count; i++) {
        const wsrt_server_action *a = action_at(set, i);
        if (a->flags != 0 || !is_path(a->path) || a->run == NULL)
            return 0;
    }
    return 1;
}

int wsrt_host_load(wsrt_settings *out, const wsrt_server_options *o)
{
    int rc = rows_fit(o->documents, o->document_count, sizeof(wsrt_server_document));

    if (rc == WSRT_OK)
        rc = rows_fit(o->actions, o->action_count, sizeof(wsrt_server_action));
    if (rc != WSRT_OK)
        return rc;
    out->documents = o->documents;
    out->document_count = o->document_count;
    out->actions = o->actions;
    out->action_count = o->action_count;
    out->state = o->state;
    out->state_user = o->state_user;
    return rows_valid(out) ? WSRT_OK : WSRT_ERR_INVALID;
}

/* ---- documents ------------------------------------------------------------------------------ */

/* Cuts the text before the next separator off. */
static wsrt_span cut(wsrt_span *rest, char separator)
{
    const char *end = rest->len == 0 ? NULL : memchr(rest->ptr, separator, rest->len);
    wsrt_span piece = {rest->ptr, end == NULL ? rest->len : (size_t)(end - rest->ptr)};
    size_t used = piece.len + (end != NULL);

    *rest = (wsrt_span){rest->ptr == NULL ? NULL : rest->ptr + used, rest->len - used};
    return wsrt_http_trim(piece);
}

/* "q=0", "q=0.000": not acceptable. */
static int is_zero_weight(wsrt_span weight)
{
    if (weight.len < 3 || (weight.ptr[0] != 'q' && weight.ptr[0] != 'Q') || weight.ptr[1] != '=')
        return 0;
    for (size_t i = 2; i < weight.len; i++)
        if (weight.ptr[i] != '0' && weight.ptr[i] != '.')
            return 0;
    return 1;
}

static int takes_gzip(const wsrt_exchange *k)
{
    wsrt_span list = {NULL, 0};

    wsrt_http_find(&k->req->fields, "Accept-Encoding", &list);
    while (list.len > 0) {
        wsrt_span weight = cut(&list, ',');
        wsrt_span coding = cut(&weight, ';');
        if (wsrt_http_same_text(coding, wsrt_span_cstr("gzip")))
            return !is_zero_weight(wsrt_http_trim(weight));
    }
    return 0;
}

/* Whether the client has what it asks for: If-None-Match names the tag, or any. */
static int is_known(const wsrt_exchange *k, const char *tag_cstr)
{
    wsrt_span list = {NULL, 0};

    wsrt_http_find(&k->req->fields, "If-None-Match", &list);
    while (list.len > 0) {
        wsrt_span one = cut(&list, ',');
        if (one.len > 2 && one.ptr[0] == 'W' && one.ptr[1] == '/')
            one = (wsrt_span){one.ptr + 2, one.len - 2};
        if (wsrt_span_equal(one, wsrt_span_cstr("*")) ||
            wsrt_span_equal(one, wsrt_span_cstr(tag_cstr)))
            return 1;
    }
    return 0;
}

static void hand_out(const wsrt_exchange *k, const wsrt_server_document *d)
{
    wsrt_span policy = d->policy.len > 0 ? d->policy : wsrt_span_cstr("default-src 'none'");
    int packed = d->gzip.len > 0 && takes_gzip(k);
    char tag[TAG_MOST + 8] = "", lines[LINES_MOST], type[TYPE_MOST + 1];
    wsrt_answer a = {
        .status = 200, .type_cstr = type, .extra_cstr = lines, .body = packed ? d->gzip : d->body};

    if (d->tag.len > 0)
        snprintf(tag, sizeof tag, "\"%.*s%s\"", (int)d->tag.len, d->tag.ptr, packed ? "-gz" : "");
    if (d->tag.len > 0 && is_known(k, tag))
        a = (wsrt_answer){.status = 304, .extra_cstr = lines};
    snprintf(type, sizeof type, "%.*s", (int)d->type.len, d->type.ptr);
    snprintf(lines, sizeof lines,
             "Content-Security-Policy: %.*s\r\nX-Content-Type-Options: nosniff\r\n"
             "X-Frame-Options: DENY\r\nReferrer-Policy: no-referrer\r\n"
             "Cross-Origin-Resource-Policy: same-origin\r\nCache-Control: no-cache\r\n"
             "%s%s%s%s%s",
             (int)policy.len, policy.ptr, tag[0] != '\0' ? "ETag: " : "", tag,
             tag[0] != '\0' ? "\r\n" : "", d->gzip.len > 0 ? "Vary: Accept-Encoding\r\n" : "",
             packed ? "Content-Encoding: gzip\r\n" : "");
    wsrt_exchange_answer(k, a);
}

static void answer_document(const wsrt_exchange *k, const wsrt_server_document *d)
{
    if (!k->head_only && !wsrt_exchange_is(k, "GET"))
        wsrt_exchange_answer(k, (wsrt_answer){.status = 405, .extra_cstr = "Allow: GET, HEAD\r\n"});
    else if (!wsrt_host_trusted(k->loop, k->req->host))
        wsrt_exchange_answer(k, (wsrt_answer){.status = 421});
    else
        hand_out(k, d);
}

/* ---- actions -------------------------------------------------------------------------------- */

static void run_action(const wsrt_exchange *k, const wsrt_server_action *action)
{
    static const char no_store[] = "Cache-Control: no-store\r\n";
    char *text = wsrt_server_alloc(&k->loop->set->mem, ANSWER_MOST);
    wsrt_json_writer w;
    size_t len = 0;

    if (text == NULL) {
        wsrt_exchange_answer(k, (wsrt_answer){.status = 500});
        return;
    }
    wsrt_json_writer_init(&w, text, ANSWER_MOST, 0);
    int status = action->run(k->body, &w, action->user);
    if ((w.len > 0 && wsrt_json_finish(&w, &len) != WSRT_OK) || status < 200 || status > 599) {
        status = 500;
        len = 0;
    }
    wsrt_exchange_answer(
        k, (wsrt_answer){.status = status, .extra_cstr = no_store, .body = {text, len}});
    wsrt_server_release(&k->loop->set->mem, text, ANSWER_MOST);
}

static void answer_action(const wsrt_exchange *k, const wsrt_server_action *action)
{
    int refusal = wsrt_guard_judge(k, WSRT_GUARD_OWN_PAGES);

    if (refusal != 0)
        wsrt_exchange_answer(k, (wsrt_answer){.status = refusal});
    else if (!wsrt_exchange_is(k, "POST"))
        wsrt_exchange_answer(k, (wsrt_answer){.status = 405, .extra_cstr = "Allow: POST\r\n"});
    else
        run_action(k, action);
}

int wsrt_host_answer(const wsrt_exchange *k)
{
    const wsrt_settings *set = k->loop->set;

    for (size_t i = 0; i < set->document_count; i++)
        if (wsrt_path_is(k->loop, k->req->path, document_at(set, i)->path)) {
            answer_document(k, document_at(set, i));
            return 1;
        }
    for (size_t i = 0; i < set->action_count; i++)
        if (wsrt_path_is(k->loop, k->req->path, action_at(set, i)->path)) {
            answer_action(k, action_at(set, i));
            return 1;
        }
    return 0;
}

/* ---- state ---------------------------------------------------------------------------------- */

/* Whether a writer in the middle of an object could still end it. */
static int could_end(wsrt_json_writer w, size_t most)
{
    wsrt_json_object_end(&w);
    return wsrt_json_finish(&w, NULL) == WSRT_OK && w.len <= most;
}

void wsrt_host_describe(wsrt_loop *l, wsrt_json_writer *w, size_t most)
{
    wsrt_json_writer before = *w;

    if (l->set->state == NULL || w->len + CLOSING_BRACE >= most)
        return;
    l->set->state(w, most - w->len - CLOSING_BRACE, l->set->state_user);
    if (!could_end(*w, most))
        *w = before;
}
