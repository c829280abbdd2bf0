/* CRC-32 as in ISO 3309, Ethernet and zip: what DynamoDB says of its answers. */
#ifndef WSRT_COMMON_CRC32_H
#define WSRT_COMMON_CRC32_H

#include <wsrt/base.h>

uint32_t wsrt_crc32(wsrt_span bytes);

#endif
