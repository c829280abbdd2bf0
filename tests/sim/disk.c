/* SQLite's files in memory: what is certain, as of the last sync, and what was written since. One
 * process, one thread; SQLite never loses the processor inside of it. */
#include "sim.h"

#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_FILES = 4, MOST_NAME = 64, MOST_REGIONS = 8, SHM_LOCKS = 8, SECTOR = 512 };

/* A write since the last sync; without data, a truncation to `offset`. */
struct pending {
    struct pending *next;
    size_t offset, len;
    unsigned char data[];
};

struct bytes {
    unsigned char *ptr;
    size_t size, cap;
};

struct disk_file {
    char name[MOST_NAME]; /* empty = free */
    struct bytes now, sure;
    struct pending *first, **last;
    int shared, reserved, exclusive; /* locks */
    unsigned char *regions[MOST_REGIONS];
    int shm_shared[SHM_LOCKS], shm_exclusive[SHM_LOCKS];
};

struct handle {
    sqlite3_file base;
    struct disk_file *file;
    int level;
    unsigned shm_shared, shm_exclusive; /* bits */
};

struct disk_image {
    struct {
        char name[MOST_NAME];
        struct bytes bytes;
    } files[MOST_FILES];
};

static struct {
    sqlite3_vfs vfs;
    struct disk_file files[MOST_FILES];
    int countdown;
    void (*cut)(void);
} disk;

/* ---- bytes -------------------------------------------------------------------------------- */

static void resize(struct bytes *b, size_t size)
{
    if (size > b->cap) {
        b->cap = size * 2;
        b->ptr = realloc(b->ptr, b->cap);
    }
    if (size > b->size)
        memset(b->ptr + b->size, 0, size - b->size);
    b->size = size;
}

static void put(struct bytes *b, size_t offset, const void *data, size_t len)
{
    if (offset + len > b->size)
        resize(b, offset + len);
    memcpy(b->ptr + offset, data, len);
}

static void copy(struct bytes *to, const struct bytes *from)
{
    resize(to, from->size);
    if (from->size > 0)
        memcpy(to->ptr, from->ptr, from->size);
}

static void release(struct bytes *b)
{
    free(b->ptr);
    *b = (struct bytes){0};
}

static void note(struct disk_file *f, const void *data, size_t len, size_t offset)
{
    struct pending *p = malloc(sizeof *p + len);

    *p = (struct pending){.offset = offset, .len = len};
    if (len > 0)
        memcpy(p->data, data, len);
    *f->last = p;
    f->last = &p->next;
}

static void forget(struct disk_file *f)
{
    while (f->first != NULL) {
        struct pending *p = f->first;
        f->first = p->next;
        free(p);
    }
    f->last = &f->first;
}

/* ---- power -------------------------------------------------------------------------------- */

static void apply(struct bytes *b, const struct pending *p)
{
    if (p->len > 0)
        put(b, p->offset, p->data, p->len);
    else
        resize(b, p->offset < b->size ? p->offset : b->size);
}

/* All of a write, nothing of it, or each of its sectors or not. */
static void apply_some(struct bytes *b, const struct pending *p)
{
    uint64_t fate = dice_below(DICE_DISK, 4);

    if (fate == 0)
        return;
    if (fate < 3 || p->len == 0) {
        apply(b, p);
        return;
    }
    for (size_t at = 0; at < p->len; at += SECTOR)
        if (dice_chance(DICE_DISK, 500))
            put(b, p->offset + at, p->data + at, p->len - at < SECTOR ? p->len - at : SECTOR);
}

struct disk_image *disk_cut(void)
{
    struct disk_image *image = calloc(1, sizeof *image);

    for (int i = 0; i < MOST_FILES; i++) {
        const struct disk_file *f = &disk.files[i];
        memcpy(image->files[i].name, f->name, MOST_NAME);
        copy(&image->files[i].bytes, &f->sure);
        for (const struct pending *p = f->first; p != NULL; p = p->next)
            apply_some(&image->files[i].bytes, p);
    }
    return image;
}

static void empty(struct disk_file *f)
{
    forget(f);
    release(&f->now);
    release(&f->sure);
    for (int i = 0; i < MOST_REGIONS; i++)
        free(f->regions[i]);
    memset(f, 0, sizeof *f);
    f->last = &f->first;
}

void disk_restore(struct disk_image *image)
{
    for (int i = 0; i < MOST_FILES; i++) {
        struct disk_file *f = &disk.files[i];
        empty(f);
        memcpy(f->name, image->files[i].name, MOST_NAME);
        copy(&f->now, &image->files[i].bytes);
        f->sure = image->files[i].bytes;
    }
    free(image);
}

void disk_watch(int nth, void (*cut)(void))
{
    disk.countdown = nth;
    disk.cut = cut;
}

/* Something is about to be written or synced; 1 = it fails. */
static int announce(void)
{
    if (disk.countdown > 0 && --disk.countdown == 0)
        disk.cut();
    if (!dice_chance(DICE_DISK, plan.disk_bad))
        return 0;
    work.faults++;
    world_note("disk", 1, 0);
    return 1;
}

/* ---- a file ------------------------------------------------------------------------------- */

static struct disk_file *file_of(sqlite3_file *f)
{
    return ((struct handle *)f)->file;
}

static int disk_read(sqlite3_file *f, void *dst, int len, sqlite3_int64 offset)
{
    const struct bytes *b = &file_of(f)->now;
    size_t from = (size_t)offset, n = from >= b->size ? 0 : b->size - from;

    n = n < (size_t)len ? n : (size_t)len;
    if (n > 0)
        memcpy(dst, b->ptr + from, n);
    if (n == (size_t)len)
        return SQLITE_OK;
    memset((char *)dst + n, 0, (size_t)len - n);
    return SQLITE_IOERR_SHORT_READ;
}

static int disk_write(sqlite3_file *f, const void *data, int len, sqlite3_int64 offset)
{
    if (announce())
        return dice_chance(DICE_DISK, 500) ? SQLITE_FULL : SQLITE_IOERR_WRITE;
    put(&file_of(f)->now, (size_t)offset, data, (size_t)len);
    note(file_of(f), data, (size_t)len, (size_t)offset);
    return SQLITE_OK;
}

static int disk_truncate(sqlite3_file *f, sqlite3_int64 size)
{
    resize(&file_of(f)->now, (size_t)size);
    note(file_of(f), NULL, 0, (size_t)size);
    return SQLITE_OK;
}

static int disk_sync(sqlite3_file *f, int flags)
{
    struct disk_file *file = file_of(f);

    (void)flags;
    if (announce())
        return SQLITE_IOERR_FSYNC;
    for (const struct pending *p = file->first; p != NULL; p = p->next)
        apply(&file->sure, p);
    forget(file);
    return SQLITE_OK;
}

static int disk_size(sqlite3_file *f, sqlite3_int64 *size)
{
    *size = (sqlite3_int64)file_of(f)->now.size;
    return SQLITE_OK;
}

static int lock_exclusive(struct handle *h, int level)
{
    struct disk_file *file = h->file;

    if (h->level < SQLITE_LOCK_RESERVED) {
        if (file->reserved)
            return SQLITE_BUSY;
        file->reserved = 1;
        h->level = SQLITE_LOCK_RESERVED;
    }
    if (level < SQLITE_LOCK_EXCLUSIVE)
        return SQLITE_OK;
    if (file->shared > 1)
        return SQLITE_BUSY;
    file->exclusive = 1;
    h->level = SQLITE_LOCK_EXCLUSIVE;
    return SQLITE_OK;
}

static int disk_lock(sqlite3_file *f, int level)
{
    struct handle *h = (struct handle *)f;

    if (h->level >= level)
        return SQLITE_OK;
    if (h->level == SQLITE_LOCK_NONE) {
        if (h->file->exclusive)
            return SQLITE_BUSY;
        h->file->shared++;
        h->level = SQLITE_LOCK_SHARED;
    }
    return level > SQLITE_LOCK_SHARED ? lock_exclusive(h, level) : SQLITE_OK;
}

static int disk_unlock(sqlite3_file *f, int level)
{
    struct handle *h = (struct handle *)f;

    if (h->level >= SQLITE_LOCK_EXCLUSIVE)
        h->file->exclusive = 0;
    if (h->level >= SQLITE_LOCK_RESERVED)
        h->file->reserved = 0;
    if (h->level >= SQLITE_LOCK_SHARED && level == SQLITE_LOCK_NONE)
        h->file->shared--;
    h->level = level < h->level ? level : h->level;
    return SQLITE_OK;
}

static int disk_reserved(sqlite3_file *f, int *out)
{
    *out = file_of(f)->reserved;
    return SQLITE_OK;
}

static int disk_control(sqlite3_file *f, int op, void *arg)
{
    (void)f;
    (void)op;
    (void)arg;
    return SQLITE_NOTFOUND;
}

static int disk_sector(sqlite3_file *f)
{
    (void)f;
    return SECTOR;
}

static int disk_device(sqlite3_file *f)
{
    (void)f;
    return 0;
}

/* ---- the index of the log ----------------------------------------------------------------- */

static int shm_map(sqlite3_file *f, int region, int size, int extend, void volatile **out)
{
    struct disk_file *file = file_of(f);

    *out = NULL;
    if (region >= MOST_REGIONS)
        return SQLITE_NOMEM;
    if (file->regions[region] == NULL && extend)
        file->regions[region] = calloc(1, (size_t)size);
    *out = file->regions[region];
    return SQLITE_OK;
}

static int shm_take(struct handle *h, int i, int exclusive)
{
    unsigned bit = 1u << i;
    struct disk_file *file = h->file;

    if (((h->shm_shared | h->shm_exclusive) & bit) != 0)
        return SQLITE_OK;
    if (file->shm_exclusive[i] > 0 || (exclusive && file->shm_shared[i] > 0))
        return SQLITE_BUSY;
    *(exclusive ? &file->shm_exclusive[i] : &file->shm_shared[i]) += 1;
    *(exclusive ? &h->shm_exclusive : &h->shm_shared) |= bit;
    return SQLITE_OK;
}

static void shm_give(struct handle *h, int i)
{
    unsigned bit = 1u << i;

    h->file->shm_shared[i] -= (h->shm_shared & bit) != 0;
    h->file->shm_exclusive[i] -= (h->shm_exclusive & bit) != 0;
    h->shm_shared &= ~bit;
    h->shm_exclusive &= ~bit;
}

static int shm_lock(sqlite3_file *f, int offset, int n, int flags)
{
    struct handle *h = (struct handle *)f;

    for (int i = offset; i < offset + n; i++) {
        if ((flags & SQLITE_SHM_UNLOCK) != 0) {
            shm_give(h, i);
        } else if (shm_take(h, i, (flags & SQLITE_SHM_EXCLUSIVE) != 0) != SQLITE_OK) {
            while (i-- > offset)
                shm_give(h, i);
            return SQLITE_BUSY;
        }
    }
    return SQLITE_OK;
}

static void shm_barrier(sqlite3_file *f)
{
    (void)f;
}

static int shm_unmap(sqlite3_file *f, int erase)
{
    struct disk_file *file = file_of(f);

    for (int i = 0; i < SHM_LOCKS; i++)
        shm_give((struct handle *)f, i);
    for (int i = 0; erase && i < MOST_REGIONS; i++) {
        free(file->regions[i]);
        file->regions[i] = NULL;
    }
    return SQLITE_OK;
}

static int disk_close(sqlite3_file *f)
{
    disk_unlock(f, SQLITE_LOCK_NONE);
    return SQLITE_OK;
}

static const sqlite3_io_methods methods = {
    .iVersion = 2,
    .xClose = disk_close,
    .xRead = disk_read,
    .xWrite = disk_write,
    .xTruncate = disk_truncate,
    .xSync = disk_sync,
    .xFileSize = disk_size,
    .xLock = disk_lock,
    .xUnlock = disk_unlock,
    .xCheckReservedLock = disk_reserved,
    .xFileControl = disk_control,
    .xSectorSize = disk_sector,
    .xDeviceCharacteristics = disk_device,
    .xShmMap = shm_map,
    .xShmLock = shm_lock,
    .xShmBarrier = shm_barrier,
    .xShmUnmap = shm_unmap,
};

/* ---- the file system ---------------------------------------------------------------------- */

static struct disk_file *find(const char *name)
{
    for (int i = 0; i < MOST_FILES; i++)
        if (strcmp(disk.files[i].name, name) == 0)
            return &disk.files[i];
    return NULL;
}

static int disk_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *f, int flags, int *out)
{
    struct handle *h = (struct handle *)f;

    (void)vfs;
    memset(h, 0, sizeof *h);
    if (name == NULL || strlen(name) >= MOST_NAME)
        return SQLITE_CANTOPEN;
    h->file = find(name);
    if (h->file == NULL) {
        h->file = find("");
        if (h->file == NULL)
            abort();
        empty(h->file);
        strcpy(h->file->name, name);
    }
    h->base.pMethods = &methods;
    if (out != NULL)
        *out = flags;
    return SQLITE_OK;
}

static int disk_delete(sqlite3_vfs *vfs, const char *name, int sync)
{
    struct disk_file *f = find(name);

    (void)vfs;
    (void)sync;
    if (f == NULL)
        return SQLITE_IOERR_DELETE_NOENT;
    empty(f);
    return SQLITE_OK;
}

static int disk_access(sqlite3_vfs *vfs, const char *name, int flags, int *out)
{
    const struct disk_file *f = find(name);

    (void)vfs;
    (void)flags;
    *out = f != NULL && (flags != SQLITE_ACCESS_EXISTS || f->now.size > 0);
    return SQLITE_OK;
}

static int disk_full_path(sqlite3_vfs *vfs, const char *name, int cap, char *out)
{
    (void)vfs;
    sqlite3_snprintf(cap, out, "%s", name);
    return SQLITE_OK;
}

static int disk_random(sqlite3_vfs *vfs, int len, char *out)
{
    (void)vfs;
    for (int i = 0; i < len; i++)
        out[i] = (char)dice(DICE_DISK);
    return len;
}

static int disk_sleep(sqlite3_vfs *vfs, int us)
{
    (void)vfs;
    return us;
}

static int disk_time(sqlite3_vfs *vfs, double *out)
{
    (void)vfs;
    *out = 2461000.5;
    return SQLITE_OK;
}

void disk_begin(void)
{
    for (int i = 0; i < MOST_FILES; i++)
        empty(&disk.files[i]);
    disk.countdown = 0;
    if (disk.vfs.zName == NULL) {
        disk.vfs = (sqlite3_vfs){.iVersion = 1,
                                 .szOsFile = sizeof(struct handle),
                                 .mxPathname = MOST_NAME,
                                 .zName = "sim",
                                 .xOpen = disk_open,
                                 .xDelete = disk_delete,
                                 .xAccess = disk_access,
                                 .xFullPathname = disk_full_path,
                                 .xRandomness = disk_random,
                                 .xSleep = disk_sleep,
                                 .xCurrentTime = disk_time};
        sqlite3_vfs_register(&disk.vfs, 1);
    }
    sqlite3_randomness(0, NULL); /* seeded anew, from the seed's dice */
}

void disk_end(void)
{
    for (int i = 0; i < MOST_FILES; i++)
        empty(&disk.files[i]);
    if (sqlite3_memory_used() != 0)
        violated("memory", "SQLite holds %lld bytes at the end", (long long)sqlite3_memory_used());
}
