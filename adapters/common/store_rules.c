#include "store_rules.h"

#include "support.h"

#include <string.h>

enum { LONGEST_IP = 63, LONGEST_AGENT = 255, LONGEST_CONTENT = 65536, LARGEST = 4096 };

/* ---- rules -------------------------------------------------------------------------------- */

static int id_character(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '=' || c == '+' || c == '/' || c == '-';
}

int wsrt_adapter_id_ok(const wsrt_span *id)
{
    if (id == NULL || !wsrt_adapter_fits(*id, 1, WSRT_LONGEST_ID))
        return 0;
    for (size_t i = 0; i < id->len; i++)
        if (!id_character(id->ptr[i]))
            return 0;
    return 1;
}

int wsrt_adapter_fits(wsrt_span text, size_t least, size_t most)
{
    return text.len >= least && text.len <= most && (text.len == 0 || text.ptr != NULL);
}

/* At most LONGEST_AGENT bytes, not ending within a UTF-8 character. */
static wsrt_span cut_agent(wsrt_span agent)
{
    if (agent.len <= LONGEST_AGENT)
        return agent;
    agent.len = LONGEST_AGENT;
    for (size_t i = 0; i < 3 && ((unsigned char)agent.ptr[agent.len] & 0xc0) == 0x80; i++)
        agent.len--;
    return agent;
}

int wsrt_adapter_record(wsrt_record *in, const wsrt_record *given)
{
    if (given == NULL)
        return WSRT_ERR_INVALID;
    int rc = wsrt_adapter_options(in, sizeof *in, sizeof(wsrt_record), given);
    if (rc != WSRT_OK)
        return rc;
    if (in->flags != 0)
        return WSRT_ERR_UNSUPPORTED;
    if (!wsrt_adapter_id_ok(&in->connection_id) ||
        !wsrt_adapter_fits(in->user_id, 0, WSRT_LONGEST_USER) ||
        !wsrt_adapter_fits(in->principal, 0, WSRT_LONGEST_PRINCIPAL) ||
        !wsrt_adapter_fits(in->source_ip, 0, LONGEST_IP) ||
        !wsrt_adapter_fits(in->user_agent, 0, SIZE_MAX) ||
        !wsrt_adapter_fits(in->filters, 0, WSRT_LONGEST_FILTERS) ||
        !wsrt_adapter_fits(in->node, 0, WSRT_LONGEST_NODE))
        return WSRT_ERR_INVALID;
    in->user_agent = cut_agent(in->user_agent);
    return WSRT_OK;
}

int wsrt_adapter_entry(wsrt_history_entry *in, const wsrt_history_entry *given)
{
    if (given == NULL)
        return WSRT_ERR_INVALID;
    int rc = wsrt_adapter_options(in, sizeof *in, sizeof(wsrt_history_entry), given);
    if (rc != WSRT_OK)
        return rc;
    if ((in->author != WSRT_AUTHOR_USER && in->author != WSRT_AUTHOR_BOT) ||
        !wsrt_adapter_fits(in->message_id, 1, WSRT_LONGEST_ID) ||
        !wsrt_adapter_fits(in->session_id, 1, WSRT_LONGEST_ID) ||
        !wsrt_adapter_fits(in->connection_id, 0, WSRT_LONGEST_ID) ||
        !wsrt_adapter_fits(in->user_id, 0, WSRT_LONGEST_USER) ||
        !wsrt_adapter_fits(in->content, 0, LONGEST_CONTENT))
        return WSRT_ERR_INVALID;
    return WSRT_OK;
}

/* ---- pages -------------------------------------------------------------------------------- */

int wsrt_page_start(wsrt_page *p, void *out, size_t first, size_t max)
{
    uint32_t size;

    if (out == NULL || max == 0)
        return WSRT_ERR_INVALID;
    memcpy(&size, out, sizeof size);
    *p = (wsrt_page){.out = out, .stride = size == 0 ? first : size, .max = max};
    return p->stride < first || size > LARGEST || size % 8 != 0 ? WSRT_ERR_INVALID : WSRT_OK;
}

int wsrt_page_text(wsrt_page *p, char *buf, size_t cap)
{
    p->text = buf;
    p->left = cap;
    return buf == NULL && cap != 0 ? WSRT_ERR_INVALID : WSRT_OK;
}

static void write_element(const wsrt_page *p, const void *value, size_t size)
{
    char *element = p->out + p->count * p->stride;
    uint32_t mine = (uint32_t)p->stride;

    memset(element, 0, p->stride);
    memcpy(element, value, p->stride < size ? p->stride : size);
    memcpy(element, &mine, sizeof mine);
}

int wsrt_page_add(wsrt_page *p, void *value, size_t size, wsrt_span *const *texts, size_t count)
{
    size_t sum = 0;

    for (size_t i = 0; i < count; i++)
        sum += texts[i]->len;
    if (p->count == p->max || sum > p->left)
        return 0;
    p->left -= sum;
    for (size_t i = 0; i < count; i++) {
        if (texts[i]->len != 0)
            memcpy(p->text, texts[i]->ptr, texts[i]->len);
        texts[i]->ptr = p->text;
        p->text += texts[i]->len;
    }
    write_element(p, value, size);
    p->count++;
    return 1;
}

/* ---- cursors ------------------------------------------------------------------------------ */

int wsrt_cursor_open(const wsrt_cursor *cursor, void *place, size_t size)
{
    if (cursor->length == 0)
        return WSRT_OK;
    if (cursor->length != size)
        return WSRT_ERR_INVALID;
    memcpy(place, cursor->bytes, size);
    return WSRT_OK;
}

void wsrt_cursor_keep(wsrt_cursor *cursor, const void *place, size_t size, int at_end)
{
    memcpy(cursor->bytes, place, size);
    cursor->length = (uint32_t)size;
    cursor->at_end = (uint32_t)at_end;
}

uint64_t wsrt_walk_hash(wsrt_span text)
{
    uint64_t hash = 0xcbf29ce484222325u; /* FNV-1a */

    for (size_t i = 0; i < text.len; i++)
        hash = (hash ^ (unsigned char)text.ptr[i]) * 0x100000001b3u;
    return hash;
}
