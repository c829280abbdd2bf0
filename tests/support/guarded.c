#include "guarded.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static size_t page(void)
{
    return (size_t)sysconf(_SC_PAGESIZE);
}

static size_t readable(size_t len)
{
    return (len / page() + 1) * page();
}

char *guarded_copy(const void *data, size_t len)
{
    size_t size = readable(len);
    char *base =
        mmap(NULL, size + page(), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (base == MAP_FAILED || mprotect(base + size, page(), PROT_NONE) != 0)
        abort();
    char *copy = base + size - len;
    if (len > 0)
        memcpy(copy, data, len);
    return copy;
}

void guarded_protect(char *copy, size_t len)
{
    size_t size = readable(len);

    if (mprotect(copy + len - size, size, PROT_READ) != 0)
        abort();
}

void guarded_free(char *copy, size_t len)
{
    size_t size = readable(len);

    munmap(copy + len - size, size + page());
}
