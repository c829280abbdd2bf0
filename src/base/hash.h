/* Keyed hashes (Aumasson and Bernstein): SipHash-1-3 for tables whose keys clients choose. */
#ifndef WSRT_SRC_HASH_H
#define WSRT_SRC_HASH_H

#include <stddef.h>
#include <stdint.h>

uint64_t wsrt_hash(uint64_t key, const void *data, size_t len);

enum { WSRT_MAC_LEN = 16 };

/* A tag nobody can make without the key: SipHash-2-4 with 128 bits of key and of result. */
void wsrt_mac(const unsigned char key[16], const void *data, size_t len,
              unsigned char tag[WSRT_MAC_LEN]);

#endif
