/* Keyed hash for tables whose keys clients choose: SipHash-1-3 (Aumasson and Bernstein). */
#ifndef WSRT_SRC_HASH_H
#define WSRT_SRC_HASH_H

#include <stddef.h>
#include <stdint.h>

uint64_t wsrt_hash(uint64_t key, const void *data, size_t len);

#endif
