/* What happened: records, each in one block with the text it points to. */
#include "mock/internal.h"

#include "common/support.h"

#include <string.h>

typedef struct block {
    char *at;
} block;

static size_t text_size(const wsrt_mock_record *r)
{
    size_t size = r->connection_id.len + 1 + r->data.len + 1;

    for (size_t i = 0; i < r->header_count; i++)
        size += r->headers[i].name.len + 1 + r->headers[i].value.len + 1;
    for (size_t i = 0; i < r->field_count; i++)
        size += strlen(r->fields[i].name_cstr) + 1 + r->fields[i].text.len + 1;
    return size;
}

static wsrt_span keep(block *b, wsrt_span text)
{
    wsrt_span kept = {b->at, text.len};

    if (text.len > 0)
        memcpy(b->at, text.ptr, text.len);
    b->at[text.len] = '\0';
    b->at += text.len + 1;
    return kept;
}

static void keep_headers(block *b, wsrt_mock_record *r, wsrt_pair *to)
{
    for (size_t i = 0; i < r->header_count; i++) {
        to[i].name = keep(b, r->headers[i].name);
        to[i].value = keep(b, r->headers[i].value);
    }
    r->headers = to;
}

static void keep_fields(block *b, wsrt_mock_record *r, wsrt_field *to)
{
    for (size_t i = 0; i < r->field_count; i++) {
        to[i] = r->fields[i];
        to[i].name_cstr = keep(b, wsrt_span_cstr(r->fields[i].name_cstr)).ptr;
        to[i].text = keep(b, r->fields[i].text);
    }
    r->fields = to;
}

int wsrt_mock_note_(wsrt_mock *m, const wsrt_mock_record *what)
{
    size_t headers = what->header_count * sizeof(wsrt_pair);
    size_t fields = what->field_count * sizeof(wsrt_field);
    size_t size = sizeof(wsrt_mock_entry) + headers + fields + text_size(what);
    void *array = m->entries;

    if (wsrt_mock_grow_(m, &array, m->entry_count, &m->entry_cap, sizeof *m->entries) != WSRT_OK)
        return WSRT_ERR_NOMEM;
    m->entries = array;
    wsrt_mock_entry *entry = wsrt_adapter_realloc(&m->allocator, NULL, 0, size);
    if (entry == NULL)
        return WSRT_ERR_NOMEM;
    entry->size = size;
    entry->record = *what;
    entry->record.now = m->now;
    char *after = (char *)(entry + 1);
    block b = {after + headers + fields};
    keep_headers(&b, &entry->record, (wsrt_pair *)(void *)after);
    keep_fields(&b, &entry->record, (wsrt_field *)(void *)(after + headers));
    entry->record.connection_id = keep(&b, what->connection_id);
    entry->record.data = keep(&b, what->data);
    m->entries[m->entry_count++] = entry;
    return WSRT_OK;
}

static int of_kind(const wsrt_mock_entry *entry, int kind)
{
    return kind == 0 || entry->record.kind == kind;
}

size_t wsrt_mock_count(wsrt_mock *m, int kind)
{
    size_t n = 0;

    if (m == NULL)
        return 0;
    pthread_mutex_lock(&m->lock);
    for (size_t i = 0; i < m->entry_count; i++)
        n += (size_t)of_kind(m->entries[i], kind);
    pthread_mutex_unlock(&m->lock);
    return n;
}

static const wsrt_mock_entry *find_entry(const wsrt_mock *m, int kind, size_t index)
{
    if (kind == 0) /* a world asks for each */
        return index < m->entry_count ? m->entries[index] : NULL;
    for (size_t i = 0; i < m->entry_count; i++)
        if (of_kind(m->entries[i], kind) && index-- == 0)
            return m->entries[i];
    return NULL;
}

int wsrt_mock_get(wsrt_mock *m, int kind, size_t index, wsrt_mock_record *out)
{
    int rc = WSRT_ERR_NOT_FOUND;

    if (m == NULL || out == NULL)
        return WSRT_ERR_INVALID;
    pthread_mutex_lock(&m->lock);
    const wsrt_mock_entry *entry = find_entry(m, kind, index);
    if (entry != NULL)
        rc = wsrt_adapter_report(out, sizeof *out, sizeof(wsrt_mock_record), &entry->record);
    pthread_mutex_unlock(&m->lock);
    return rc;
}

static int took(const wsrt_mock_record *r, wsrt_span id)
{
    return r->kind == WSRT_MOCK_POST && r->status == WSRT_OK &&
           wsrt_span_equal(r->connection_id, id);
}

const char *wsrt_mock_last(wsrt_mock *m, const char *id_cstr)
{
    const char *last = "";

    if (m == NULL)
        return last;
    pthread_mutex_lock(&m->lock);
    for (size_t i = m->entry_count; i-- > 0 && *last == '\0';)
        if (took(&m->entries[i]->record, wsrt_span_cstr(id_cstr)))
            last = m->entries[i]->record.data.ptr;
    pthread_mutex_unlock(&m->lock);
    return last;
}

void wsrt_mock_clear(wsrt_mock *m)
{
    if (m == NULL)
        return;
    for (size_t i = 0; i < m->entry_count; i++)
        wsrt_adapter_realloc(&m->allocator, m->entries[i], m->entries[i]->size, 0);
    m->entry_count = 0;
}
