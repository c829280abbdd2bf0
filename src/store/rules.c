#include "store/rules.h"

#include "base/id.h"
#include "base/options.h"

#include <string.h>

int wsrt_store_fits(wsrt_span text, size_t least, size_t most)
{
    return text.len >= least && text.len <= most && (text.len == 0 || text.ptr != NULL);
}

/* Not ending within a UTF-8 character. */
static wsrt_span cut_agent(wsrt_span agent)
{
    if (agent.len <= WSRT_USER_AGENT_MAX)
        return agent;
    agent.len = WSRT_USER_AGENT_MAX;
    for (size_t i = 0; i < 3 && ((unsigned char)agent.ptr[agent.len] & 0xc0) == 0x80; i++)
        agent.len--;
    return agent;
}

static int load(void *out, size_t first, const void *given)
{
    uint32_t known;

    if (given == NULL || !wsrt_size_valid(out, first))
        return WSRT_ERR_INVALID;
    memcpy(&known, out, sizeof known);
    return wsrt_options_load(out, known, first, given);
}

int wsrt_record_load(wsrt_record *out, const wsrt_record *given)
{
    int rc = load(out, sizeof(wsrt_record), given);

    if (rc != WSRT_OK)
        return rc;
    if (out->flags != 0)
        return WSRT_ERR_UNSUPPORTED;
    if (!wsrt_id_valid(out->connection_id) || !wsrt_store_fits(out->user_id, 0, WSRT_USER_ID_MAX) ||
        !wsrt_store_fits(out->principal, 0, WSRT_PRINCIPAL_MAX) ||
        !wsrt_store_fits(out->source_ip, 0, WSRT_SOURCE_IP_MAX) ||
        !wsrt_store_fits(out->user_agent, 0, SIZE_MAX) ||
        !wsrt_store_fits(out->filters, 0, WSRT_FILTERS_MAX) ||
        !wsrt_store_fits(out->node, 0, WSRT_NODE_MAX))
        return WSRT_ERR_INVALID;
    out->user_agent = cut_agent(out->user_agent);
    return WSRT_OK;
}

int wsrt_history_entry_load(wsrt_history_entry *out, const wsrt_history_entry *given)
{
    int rc = load(out, sizeof(wsrt_history_entry), given);

    if (rc != WSRT_OK)
        return rc;
    if ((out->author != WSRT_AUTHOR_USER && out->author != WSRT_AUTHOR_BOT) ||
        !wsrt_store_fits(out->message_id, 1, WSRT_MESSAGE_ID_MAX) ||
        !wsrt_store_fits(out->session_id, 1, WSRT_MESSAGE_ID_MAX) ||
        !wsrt_store_fits(out->connection_id, 0, WSRT_CONNECTION_ID_MAX) ||
        !wsrt_store_fits(out->user_id, 0, WSRT_USER_ID_MAX) ||
        !wsrt_store_fits(out->content, 0, WSRT_CONTENT_MAX))
        return WSRT_ERR_INVALID;
    return WSRT_OK;
}

int wsrt_latest_entry_load(wsrt_latest_entry *out, const wsrt_latest_entry *given)
{
    int rc = load(out, sizeof(wsrt_latest_entry), given);

    if (rc != WSRT_OK)
        return rc;
    if ((out->flags & ~(uint32_t)WSRT_LATEST_REMOVED) != 0 ||
        !wsrt_store_fits(out->key, 1, WSRT_LATEST_KEY_MAX) ||
        !wsrt_store_fits(out->value, 0, WSRT_LATEST_VALUE_MAX))
        return WSRT_ERR_INVALID;
    return WSRT_OK;
}
