/* The rules of the message union as one would write them by hand behind a parser. */
#include "validate-peer.h"

#include <string.h>

/* Bit 0: action, bit 1: session, bit 2: token. */
static unsigned char classes[256];

__attribute__((constructor)) static void fill_classes(void)
{
    for (int c = 0; c < 128; c++) {
        int word = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        classes[c] = (unsigned char)((word || c == '_') | (word || c == '_' || c == '-') << 1 |
                                     (word || c == '_' || c == '-' || c == '.') << 2);
    }
}

static int all_in(const char *text, size_t len, unsigned bit)
{
    unsigned char all = 0xff;

    for (size_t i = 0; i < len; i++)
        all &= classes[(unsigned char)text[i]];
    return (all & bit) != 0;
}

static size_t code_points(const char *text, size_t len)
{
    size_t out = 0;

    for (size_t i = 0; i < len; i++)
        out += ((unsigned char)text[i] & 0xc0) != 0x80;
    return out;
}

static int is(const struct peer_fields *f, const char *type)
{
    return f->len[PEER_TYPE] == strlen(type) && memcmp(f->ptr[PEER_TYPE], type, strlen(type)) == 0;
}

static int word_holds(const struct peer_fields *f, int field, size_t most, unsigned bit)
{
    return f->ptr[field] == NULL || (f->len[field] >= 1 && f->len[field] <= most &&
                                     all_in(f->ptr[field], f->len[field], bit));
}

static int message_holds(const struct peer_fields *f)
{
    return f->ptr[PEER_MESSAGE] == NULL ||
           (f->len[PEER_MESSAGE] >= 1 &&
            code_points(f->ptr[PEER_MESSAGE], f->len[PEER_MESSAGE]) <= 10000);
}

int peer_accepts(const struct peer_fields *f)
{
    if (f->ptr[PEER_TYPE] == NULL || f->ptr[PEER_ACTION] == NULL)
        return 0;
    if (!word_holds(f, PEER_ACTION, 50, 1) || !word_holds(f, PEER_SESSION, 100, 2) ||
        !word_holds(f, PEER_TOKEN, 10000, 4) || !message_holds(f))
        return 0;
    if (is(f, "auth"))
        return f->ptr[PEER_TOKEN] != NULL;
    if (is(f, "message"))
        return f->ptr[PEER_MESSAGE] != NULL;
    return is(f, "ping");
}
