#include "support.h"

#include <stdlib.h>
#include <string.h>

enum { LARGEST = 4096 };

void *wsrt_adapter_realloc(const wsrt_allocator *a, void *ptr, size_t old_size, size_t new_size)
{
    if (a->realloc != NULL)
        return a->realloc(a->user, ptr, old_size, new_size);
    if (new_size > 0)
        return realloc(ptr, new_size);
    free(ptr);
    return NULL;
}

/* The size a caller's struct begins with; 0 when no release ever had it. */
static size_t given_size(const void *given, size_t first)
{
    uint32_t size;

    memcpy(&size, given, sizeof size);
    return size < first || size > LARGEST ? 0 : size;
}

static void take(void *out, size_t known, const void *given, size_t size)
{
    uint32_t mine = (uint32_t)known;

    memset(out, 0, known);
    if (given != NULL)
        memcpy(out, given, size < known ? size : known);
    memcpy(out, &mine, sizeof mine);
}

int wsrt_adapter_options(void *out, size_t known, size_t first, const void *given)
{
    size_t size = given != NULL ? given_size(given, first) : known;

    if (size == 0)
        return WSRT_ERR_INVALID;
    for (size_t i = known; i < size; i++)
        if (((const unsigned char *)given)[i] != 0)
            return WSRT_ERR_UNSUPPORTED;
    take(out, known, given, size);
    return WSRT_OK;
}

int wsrt_adapter_table(void *out, size_t known, size_t first, const void *given)
{
    size_t size = given != NULL ? given_size(given, first) : 0;

    if (size == 0)
        return WSRT_ERR_INVALID;
    take(out, known, given, size);
    return WSRT_OK;
}

int wsrt_adapter_report(void *given, size_t known, size_t first, const void *report)
{
    size_t size = given != NULL ? given_size(given, first) : 0;
    uint32_t theirs = (uint32_t)size;

    if (size == 0)
        return WSRT_ERR_INVALID;
    memset(given, 0, size);
    memcpy(given, report, size < known ? size : known);
    memcpy(given, &theirs, sizeof theirs);
    return WSRT_OK;
}
