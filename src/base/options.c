#include "base/options.h"

#include <string.h>

enum { LARGEST = 4096 };

static uint32_t size_of(const void *given)
{
    uint32_t size;

    memcpy(&size, given, sizeof size);
    return size;
}

static void copy_known(void *out, size_t known, const void *given, size_t size)
{
    uint32_t mine = (uint32_t)known;

    memset(out, 0, known);
    memcpy(out, given, size < known ? size : known);
    memcpy(out, &mine, sizeof mine);
}

int wsrt_options_load(void *out, size_t known, size_t first, const void *given)
{
    if (given == NULL) {
        uint32_t mine = (uint32_t)known;
        memset(out, 0, known);
        memcpy(out, &mine, sizeof mine);
        return WSRT_OK;
    }
    size_t size = size_of(given);
    if (size < first || size > LARGEST)
        return WSRT_ERR_INVALID;
    for (size_t i = known; i < size; i++)
        if (((const unsigned char *)given)[i] != 0)
            return WSRT_ERR_UNSUPPORTED;
    copy_known(out, known, given, size);
    return WSRT_OK;
}

int wsrt_size_valid(const void *given, size_t first)
{
    return given != NULL && size_of(given) >= first && size_of(given) <= LARGEST;
}

int wsrt_table_load(void *out, size_t known, size_t first, const void *given)
{
    if (!wsrt_size_valid(given, first))
        return WSRT_ERR_INVALID;
    copy_known(out, known, given, size_of(given));
    return WSRT_OK;
}

int wsrt_report_fill(void *given, size_t known, size_t first, const void *report)
{
    if (given == NULL)
        return WSRT_ERR_INVALID;
    uint32_t size = size_of(given);
    if (size < first || size > LARGEST)
        return WSRT_ERR_INVALID;
    memset(given, 0, size);
    memcpy(given, report, size < known ? size : known);
    memcpy(given, &size, sizeof size);
    return WSRT_OK;
}
