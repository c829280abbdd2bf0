#include "server/table.h"

#include "server/memory.h"

#include <string.h>

enum { FIRST_SIZE = 64 };

typedef struct wsrt_id_entry {
    uint32_t tag;
    uint32_t slot; /* + 1; 0 = free */
} wsrt_id_entry;

typedef struct wsrt_peer {
    uint64_t net;
    uint32_t connections; /* 0 = free */
    uint32_t reserved;
} wsrt_peer;

/* ---- ids ------------------------------------------------------------------------------------ */

static uint32_t tag_of(const char *id)
{
    uint64_t a, b;

    memcpy(&a, id, sizeof a);
    memcpy(&b, id + 8, sizeof b);
    a = (a ^ (b << 1)) * UINT64_C(0x9e3779b97f4a7c15);
    return (uint32_t)(a >> 32);
}

void wsrt_ids_init(wsrt_ids *t, const wsrt_allocator *mem,
                   const char *(*id)(void *user, uint32_t slot), void *user)
{
    *t = (wsrt_ids){.mem = mem, .id = id, .user = user};
}

void wsrt_ids_free(wsrt_ids *t)
{
    if (t->entries != NULL)
        wsrt_server_release(t->mem, t->entries, ((size_t)t->mask + 1) * sizeof *t->entries);
    t->entries = NULL;
    t->count = 0;
}

static void place_id(wsrt_id_entry *entries, uint32_t mask, wsrt_id_entry e)
{
    uint32_t at = e.tag & mask;

    while (entries[at].slot != 0)
        at = (at + 1) & mask;
    entries[at] = e;
}

int wsrt_ids_reserve(wsrt_ids *t)
{
    size_t old = t->entries == NULL ? 0 : (size_t)t->mask + 1;

    if (t->count < old - old / 4)
        return WSRT_OK;
    size_t size = old == 0 ? FIRST_SIZE : old * 2;
    if (size > UINT32_MAX / 2)
        return WSRT_ERR_NOMEM;
    wsrt_id_entry *entries = wsrt_server_zalloc(t->mem, size * sizeof *entries);
    if (entries == NULL)
        return WSRT_ERR_NOMEM;
    for (size_t i = 0; i < old; i++)
        if (t->entries[i].slot != 0)
            place_id(entries, (uint32_t)size - 1, t->entries[i]);
    wsrt_server_release(t->mem, t->entries, old * sizeof *entries);
    t->entries = entries;
    t->mask = (uint32_t)size - 1;
    return WSRT_OK;
}

void wsrt_ids_add(wsrt_ids *t, const char *id, uint32_t slot)
{
    place_id(t->entries, t->mask, (wsrt_id_entry){tag_of(id), slot + 1});
    t->count++;
}

/* Index of the entry; UINT32_MAX = none. */
static uint32_t locate(const wsrt_ids *t, const char *id)
{
    uint32_t tag = tag_of(id);

    if (t->entries == NULL)
        return UINT32_MAX;
    for (uint32_t at = tag & t->mask; t->entries[at].slot != 0; at = (at + 1) & t->mask)
        if (t->entries[at].tag == tag &&
            memcmp(t->id(t->user, t->entries[at].slot - 1), id, WSRT_ID_LEN) == 0)
            return at;
    return UINT32_MAX;
}

uint32_t wsrt_ids_find(const wsrt_ids *t, wsrt_span id)
{
    if (id.len != WSRT_ID_LEN)
        return UINT32_MAX;
    uint32_t at = locate(t, id.ptr);
    return at == UINT32_MAX ? UINT32_MAX : t->entries[at].slot - 1;
}

/* Closes the gap by moving back every follower that is away from its place. */
void wsrt_ids_remove(wsrt_ids *t, const char *id)
{
    uint32_t gap = locate(t, id);

    if (gap == UINT32_MAX)
        return;
    for (uint32_t at = (gap + 1) & t->mask; t->entries[at].slot != 0; at = (at + 1) & t->mask) {
        uint32_t home = t->entries[at].tag & t->mask;
        if (((at - home) & t->mask) >= ((at - gap) & t->mask)) {
            t->entries[gap] = t->entries[at];
            gap = at;
        }
    }
    t->entries[gap].slot = 0;
    t->count--;
}

/* ---- addresses ------------------------------------------------------------------------------ */

static const unsigned char v4_prefix[12] = {[10] = 0xff, [11] = 0xff};

static uint64_t net_of(const unsigned char ip[16])
{
    uint64_t net;

    /* IPv4 has the address in the low half, IPv6 the network in the high one. */
    memcpy(&net, memcmp(ip, v4_prefix, sizeof v4_prefix) == 0 ? ip + 8 : ip, sizeof net);
    return net;
}

static uint32_t place_of(const wsrt_peers *t, uint64_t net, uint32_t mask)
{
    uint64_t h = net ^ t->key;

    h = (h ^ (h >> 32)) * UINT64_C(0xd6e8feb86659fd93);
    h = (h ^ (h >> 32) ^ t->key) * UINT64_C(0xd6e8feb86659fd93);
    return (uint32_t)(h >> 32) & mask;
}

void wsrt_peers_init(wsrt_peers *t, const wsrt_allocator *mem, uint64_t key)
{
    *t = (wsrt_peers){.mem = mem, .key = key};
}

void wsrt_peers_free(wsrt_peers *t)
{
    if (t->entries != NULL)
        wsrt_server_release(t->mem, t->entries, ((size_t)t->mask + 1) * sizeof *t->entries);
    t->entries = NULL;
    t->count = 0;
}

static wsrt_peer *find_peer(const wsrt_peers *t, wsrt_peer *entries, uint32_t mask, uint64_t net)
{
    uint32_t at = place_of(t, net, mask);

    while (entries[at].connections != 0 && entries[at].net != net)
        at = (at + 1) & mask;
    return &entries[at];
}

static int grow_peers(wsrt_peers *t)
{
    size_t old = t->entries == NULL ? 0 : (size_t)t->mask + 1;

    if (t->count < old - old / 4)
        return WSRT_OK;
    size_t size = old == 0 ? FIRST_SIZE : old * 2;
    wsrt_peer *entries = wsrt_server_zalloc(t->mem, size * sizeof *entries);
    if (entries == NULL)
        return WSRT_ERR_NOMEM;
    for (size_t i = 0; i < old; i++)
        if (t->entries[i].connections != 0)
            *find_peer(t, entries, (uint32_t)size - 1, t->entries[i].net) = t->entries[i];
    wsrt_server_release(t->mem, t->entries, old * sizeof *entries);
    t->entries = entries;
    t->mask = (uint32_t)size - 1;
    return WSRT_OK;
}

int wsrt_peers_add(wsrt_peers *t, const unsigned char ip[16])
{
    if (grow_peers(t) != WSRT_OK)
        return WSRT_ERR_NOMEM;
    wsrt_peer *p = find_peer(t, t->entries, t->mask, net_of(ip));
    if (p->connections == 0) {
        p->net = net_of(ip);
        t->count++;
    }
    p->connections++;
    return WSRT_OK;
}

uint32_t wsrt_peers_count(const wsrt_peers *t, const unsigned char ip[16])
{
    return t->entries == NULL ? 0 : find_peer(t, t->entries, t->mask, net_of(ip))->connections;
}

void wsrt_peers_remove(wsrt_peers *t, const unsigned char ip[16])
{
    if (t->entries == NULL)
        return;
    wsrt_peer *p = find_peer(t, t->entries, t->mask, net_of(ip));
    if (p->connections == 0 || --p->connections != 0)
        return;
    t->count--;
    uint32_t gap = (uint32_t)(p - t->entries);
    for (uint32_t at = (gap + 1) & t->mask; t->entries[at].connections != 0;
         at = (at + 1) & t->mask) {
        uint32_t home = place_of(t, t->entries[at].net, t->mask);
        if (((at - home) & t->mask) >= ((at - gap) & t->mask)) {
            t->entries[gap] = t->entries[at];
            t->entries[at].connections = 0;
            gap = at;
        }
    }
}
