/* This library: bytes in, verdict and slots out. */
#include "validate-peer.h"

#include <wsrt/schema.h>

#include <stdlib.h>
#include <string.h>

const char peer_name[] = "wsrt";

static wsrt_schema *schema;
static unsigned char scratch[4096];
static wsrt_slot slots[8];
static int places[PEER_FIELDS];
static char decoded[PEER_FIELDS][PEER_MOST_TEXT];

const char *peer_version(void)
{
    return wsrt_version_string();
}

void peer_start(void)
{
    static const char *const names[PEER_FIELDS] = {"type", "action", "message", "sessionId",
                                                   "token"};

    if (wsrt_schema_builtin(&schema, "message", NULL) != WSRT_OK)
        exit(1);
    for (int i = 0; i < PEER_FIELDS; i++)
        places[i] = wsrt_schema_slot(schema, names[i]);
}

static void decode(struct peer_fields *out)
{
    for (int i = 0; i < PEER_FIELDS; i++) {
        wsrt_json value;
        size_t len = 0;
        const wsrt_slot *slot = &slots[places[i]];
        out->ptr[i] = slot->text.ptr;
        out->len[i] = slot->text.len;
        if ((slot->flags & WSRT_SLOT_ESCAPED) == 0)
            continue;
        wsrt_slot_json(slot, &value);
        if (wsrt_json_text(&value, decoded[i], sizeof decoded[i], &len) != WSRT_OK)
            exit(1);
        out->ptr[i] = decoded[i];
        out->len[i] = len;
    }
}

int peer_judge(const char *text, size_t len, int form, struct peer_fields *out)
{
    static const wsrt_validate_options padded = {.struct_size = sizeof padded,
                                                 .flags = WSRT_VALIDATE_INPUT_PADDED};
    wsrt_validation v = {.struct_size = sizeof v,
                         .slots = slots,
                         .slot_cap = 8,
                         .scratch = scratch,
                         .scratch_cap = sizeof scratch};

    if (wsrt_validate(schema, text, len, form == PEER_BARE ? NULL : &padded, &v) != WSRT_OK)
        return 0;
    if (form == PEER_DECODED)
        decode(out);
    else /* the slots are the fields */
        out->len[PEER_MESSAGE] = slots[places[PEER_MESSAGE]].text.len;
    return 1;
}
