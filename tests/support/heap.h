/* An allocator that counts what is live and fails on request, for allocation sweeps:
 *
 *     for (size_t n = 1;; n++) {
 *         heap_arm(&heap, n, sticky);       // fail the n-th allocation (and, sticky, all after it)
 *         int rc = wsrt_thing_new(&t, &(wsrt_thing_options){..., .allocator = heap.allocator});
 *         if (!heap.tripped) break;         // n is past the last allocation
 *         ck_assert_int_eq(rc, WSRT_ERR_NOMEM);
 *         ck_assert_uint_eq(heap.live, 0);
 *         heap.points++;
 *     }
 */
#ifndef WSRT_TEST_HEAP_H
#define WSRT_TEST_HEAP_H

#include <wsrt/base.h>

struct heap {
    wsrt_allocator allocator; /* hand this to the object under test */
    size_t live;              /* bytes */
    size_t blocks;
    size_t calls;   /* allocations and growths since heap_arm() */
    size_t fail_at; /* 0 = never */
    size_t points;  /* for the test's own count */
    int sticky;
    int tripped; /* 1 once an allocation was refused */
};

void heap_init(struct heap *h);
void heap_arm(struct heap *h, size_t fail_at, int sticky);
int heap_disarm(struct heap *h); /* 1 when something was refused; other threads may allocate */

#endif
