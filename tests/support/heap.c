#include "heap.h"

#include <pthread.h>
#include <stdlib.h>

static pthread_mutex_t heap_lock = PTHREAD_MUTEX_INITIALIZER;

static int refused(struct heap *h)
{
    h->calls++;
    if (h->fail_at == 0 || h->calls < h->fail_at || (h->calls > h->fail_at && !h->sticky))
        return 0;
    h->tripped = 1;
    return 1;
}

static void *heap_realloc(void *user, void *ptr, size_t old_size, size_t new_size)
{
    struct heap *h = user;
    void *out = NULL;

    pthread_mutex_lock(&heap_lock);
    if (new_size == 0) {
        if (ptr != NULL)
            h->blocks--;
        h->live -= old_size;
        free(ptr);
    } else if (!refused(h)) {
        out = realloc(ptr, new_size);
        if (out == NULL)
            abort();
        if (ptr == NULL)
            h->blocks++;
        h->live += new_size - old_size;
    }
    pthread_mutex_unlock(&heap_lock);
    return out;
}

void heap_init(struct heap *h)
{
    *h = (struct heap){.allocator = {heap_realloc, h}};
}

void heap_arm(struct heap *h, size_t fail_at, int sticky)
{
    pthread_mutex_lock(&heap_lock);
    h->calls = 0;
    h->fail_at = fail_at;
    h->sticky = sticky;
    h->tripped = 0;
    pthread_mutex_unlock(&heap_lock);
}

int heap_disarm(struct heap *h)
{
    pthread_mutex_lock(&heap_lock);
    int tripped = h->tripped;
    h->fail_at = 0;
    pthread_mutex_unlock(&heap_lock);
    return tripped;
}
