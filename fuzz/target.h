/* What every fuzz target defines; libFuzzer or replay.c calls it. */
#ifndef WSRT_FUZZ_TARGET_H
#define WSRT_FUZZ_TARGET_H

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
