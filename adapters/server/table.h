/* Two open-addressed tables: connection ids to slots, and addresses to their number of connections.
 * Keys are looked up in what they point to, so an entry is 8 or 16 bytes. */
#ifndef WSRT_SERVER_TABLE_H
#define WSRT_SERVER_TABLE_H

#include <wsrt/base.h>

enum { WSRT_ID_LEN = 16 };

/* Ids are unpredictable text that no client chooses: their own bytes are the hash. */
typedef struct wsrt_ids {
    const wsrt_allocator *mem;
    struct wsrt_id_entry *entries;
    uint32_t mask; /* entries - 1; entries NULL = empty */
    uint32_t count;
    const char *(*id)(void *user, uint32_t slot);
    void *user;
} wsrt_ids;

void wsrt_ids_init(wsrt_ids *t, const wsrt_allocator *mem,
                   const char *(*id)(void *user, uint32_t slot), void *user);
void wsrt_ids_free(wsrt_ids *t);
int wsrt_ids_reserve(wsrt_ids *t); /* room for one more; WSRT_OK or WSRT_ERR_NOMEM */
void wsrt_ids_add(wsrt_ids *t, const char *id, uint32_t slot); /* after a reserve */
void wsrt_ids_remove(wsrt_ids *t, const char *id);
uint32_t wsrt_ids_find(const wsrt_ids *t, wsrt_span id); /* slot; UINT32_MAX = none */

/* Connections per address; IPv6 counts per /64. */
typedef struct wsrt_peers {
    const wsrt_allocator *mem;
    struct wsrt_peer *entries;
    uint32_t mask;
    uint32_t count;
    uint64_t key; /* of the hash: clients choose addresses */
} wsrt_peers;

void wsrt_peers_init(wsrt_peers *t, const wsrt_allocator *mem, uint64_t key);
void wsrt_peers_free(wsrt_peers *t);
int wsrt_peers_add(wsrt_peers *t, const unsigned char ip[16]); /* WSRT_OK; WSRT_ERR_NOMEM */
void wsrt_peers_remove(wsrt_peers *t, const unsigned char ip[16]);
uint32_t wsrt_peers_count(const wsrt_peers *t, const unsigned char ip[16]);

#endif
