/* cJSON: a tree from bytes, then the rules. */
#include "validate-peer.h"

#include <cjson/cJSON.h>
#include <string.h>

const char peer_name[] = "cJSON";

const char *peer_version(void)
{
    return cJSON_Version();
}

void peer_start(void)
{
}

static int take(const cJSON *object, const char *name, int field, struct peer_fields *out)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, name);

    out->ptr[field] = NULL;
    out->len[field] = 0;
    if (item == NULL)
        return 1;
    if (!cJSON_IsString(item))
        return 0;
    out->ptr[field] = item->valuestring;
    out->len[field] = strlen(item->valuestring);
    return 1;
}

static int judge(const cJSON *root, struct peer_fields *out)
{
    const cJSON *data = cJSON_GetObjectItemCaseSensitive(root, "data");

    return cJSON_IsObject(root) && cJSON_IsObject(data) && take(root, "type", PEER_TYPE, out) &&
           take(data, "action", PEER_ACTION, out) && take(data, "message", PEER_MESSAGE, out) &&
           take(data, "sessionId", PEER_SESSION, out) && take(data, "token", PEER_TOKEN, out) &&
           peer_accepts(out);
}

int peer_judge(const char *text, size_t len, int form, struct peer_fields *out)
{
    const char *end = NULL;
    cJSON *root = cJSON_ParseWithLengthOpts(text, len, &end, 0);

    (void)form;
    while (root != NULL && end < text + len && strchr(" \t\r\n", *end) != NULL)
        end++;
    int ok = root != NULL && end == text + len && judge(root, out);
    cJSON_Delete(root);
    return ok;
}
