/* SQLite's files with a disk that can fail, lie and lose power. While installed it is the default for
 * every database opened; it remembers what each file holds for certain (as of its last sync) and what
 * was written since. One at a time, for any number of threads. */
#ifndef WSRT_TEST_FAULTY_VFS_H
#define WSRT_TEST_FAULTY_VFS_H

#include <stddef.h>
#include <stdint.h>

enum faulty_call { FAULTY_WRITE, FAULTY_SYNC, FAULTY_CALLS };

void faulty_install(void);
/* Every database that was opened with it must be closed. */
void faulty_remove(void);

/* The nth call from now on (1 = the next) and, with `sticky`, all after it return `code`; nth 0 = none. */
void faulty_fail(enum faulty_call call, size_t nth, int code, int sticky);
/* Says that it synced, and did not. */
void faulty_lie(int on);
/* Hears of every write and sync before it happens; NULL = nobody. It may call faulty_cut(). */
void faulty_watch(void (*hear)(void *user, enum faulty_call call), void *user);

/* How long SQLite has waited for others' locks, in microseconds; nobody really waits. */
uint64_t faulty_waited(void);

/* Writes to `folder` what a power cut now might leave of every file: what was synced, and of each
 * write since all, nothing, or some of its sectors. */
void faulty_cut(const char *folder, uint64_t *random);

#endif
