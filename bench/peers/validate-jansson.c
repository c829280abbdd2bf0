/* jansson: a tree from bytes, then the rules. */
#include "validate-peer.h"

#include <jansson.h>

const char peer_name[] = "jansson";

const char *peer_version(void)
{
    return JANSSON_VERSION;
}

void peer_start(void)
{
}

static int take(const json_t *object, const char *name, int field, struct peer_fields *out)
{
    const json_t *item = json_object_get(object, name);

    out->ptr[field] = NULL;
    out->len[field] = 0;
    if (item == NULL)
        return 1;
    out->ptr[field] = json_string_value(item);
    out->len[field] = json_string_length(item);
    return json_is_string(item);
}

static int judge(const json_t *root, struct peer_fields *out)
{
    const json_t *data = json_object_get(root, "data");

    return json_is_object(root) && json_is_object(data) && take(root, "type", PEER_TYPE, out) &&
           take(data, "action", PEER_ACTION, out) && take(data, "message", PEER_MESSAGE, out) &&
           take(data, "sessionId", PEER_SESSION, out) && take(data, "token", PEER_TOKEN, out) &&
           peer_accepts(out);
}

int peer_judge(const char *text, size_t len, int form, struct peer_fields *out)
{
    json_t *root = json_loadb(text, len, 0, NULL);

    (void)form;
    int ok = root != NULL && judge(root, out);
    json_decref(root);
    return ok;
}
