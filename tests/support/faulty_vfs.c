#include "faulty_vfs.h"

#include <pthread.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_FILES = 8, SECTOR = 512 };

/* A write since the last sync; without data, a truncation to `offset`. */
struct pending {
    struct pending *next;
    size_t offset;
    size_t len;
    char data[];
};

struct contents {
    char name[512]; /* without folder; empty = free */
    char *bytes;    /* what is certain */
    size_t size;
    struct pending *first;
    struct pending **last;
};

struct file {
    sqlite3_file base;
    struct contents *contents;
    sqlite3_file *real; /* behind this struct */
};

static struct {
    sqlite3_vfs vfs;
    sqlite3_vfs *real;
    pthread_mutex_t lock;
    struct contents files[MOST_FILES];
    struct {
        size_t countdown;
        int code, sticky;
    } faults[FAULTY_CALLS];
    int lies;
    uint64_t waited;
    void (*hear)(void *user, enum faulty_call call);
    void *user;
} disk = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* ---- what is certain, and what is not ----------------------------------------------------- */

static void grow(char **bytes, size_t *size, size_t needed)
{
    if (needed <= *size)
        return;
    *bytes = realloc(*bytes, needed);
    memset(*bytes + *size, 0, needed - *size);
    *size = needed;
}

static void note(struct contents *c, const void *data, size_t len, size_t offset)
{
    struct pending *p = malloc(sizeof *p + len);

    *p = (struct pending){.offset = offset, .len = data == NULL ? 0 : len};
    if (data != NULL)
        memcpy(p->data, data, len);
    *c->last = p;
    c->last = &p->next;
}

static void apply(char **bytes, size_t *size, const struct pending *p)
{
    if (p->len == 0) {
        *size = p->offset < *size ? p->offset : *size;
        return;
    }
    grow(bytes, size, p->offset + p->len);
    memcpy(*bytes + p->offset, p->data, p->len);
}

static void forget(struct contents *c)
{
    while (c->first != NULL) {
        struct pending *p = c->first;
        c->first = p->next;
        free(p);
    }
    c->last = &c->first;
}

static void make_certain(struct contents *c)
{
    for (struct pending *p = c->first; p != NULL; p = p->next)
        apply(&c->bytes, &c->size, p);
    forget(c);
}

static unsigned next_random(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)(*state >> 33);
}

/* All of a write, nothing of it, or each of its sectors or not. */
static void apply_some(char **bytes, size_t *size, const struct pending *p, uint64_t *random)
{
    unsigned fate = next_random(random) % 4;

    if (fate == 0)
        return;
    if (fate < 3 || p->len == 0) {
        apply(bytes, size, p);
        return;
    }
    for (size_t at = 0; at < p->len; at += SECTOR) {
        size_t len = p->len - at < SECTOR ? p->len - at : SECTOR;
        if (next_random(random) % 2 == 0)
            continue;
        grow(bytes, size, p->offset + at + len);
        memcpy(*bytes + p->offset + at, p->data + at, len);
    }
}

static void write_image(const char *folder, const struct contents *c, uint64_t *random)
{
    char path[1024], *bytes = malloc(c->size + 1);
    size_t size = c->size;

    if (c->size > 0)
        memcpy(bytes, c->bytes, c->size);
    for (const struct pending *p = c->first; p != NULL; p = p->next)
        apply_some(&bytes, &size, p, random);
    snprintf(path, sizeof path, "%s/%s", folder, c->name);
    FILE *f = fopen(path, "wb");
    if (f == NULL || fwrite(bytes, 1, size, f) != size)
        abort();
    fclose(f);
    free(bytes);
}

void faulty_cut(const char *folder, uint64_t *random)
{
    pthread_mutex_lock(&disk.lock);
    for (int i = 0; i < MOST_FILES; i++)
        if (disk.files[i].name[0] != '\0')
            write_image(folder, &disk.files[i], random);
    pthread_mutex_unlock(&disk.lock);
}

/* ---- files -------------------------------------------------------------------------------- */

static sqlite3_file *real_of(sqlite3_file *f)
{
    return ((struct file *)f)->real;
}

static struct contents *contents_of(const char *path, int make)
{
    const char *slash = strrchr(path, '/'), *name = slash == NULL ? path : slash + 1;
    struct contents *empty = NULL;

    for (int i = 0; i < MOST_FILES; i++) {
        if (strcmp(disk.files[i].name, name) == 0)
            return &disk.files[i];
        if (disk.files[i].name[0] == '\0')
            empty = &disk.files[i];
    }
    if (!make)
        return NULL;
    if (empty == NULL)
        abort();
    *empty = (struct contents){.last = NULL};
    empty->last = &empty->first;
    snprintf(empty->name, sizeof empty->name, "%s", name);
    return empty;
}

/* The code that the call is to fail with; 0 = it may go on. */
static int announce(enum faulty_call call)
{
    int code = 0;

    pthread_mutex_lock(&disk.lock);
    void (*hear)(void *user, enum faulty_call call) = disk.hear;
    pthread_mutex_unlock(&disk.lock);
    if (hear != NULL)
        hear(disk.user, call);
    pthread_mutex_lock(&disk.lock);
    if (disk.faults[call].countdown > 0 && --disk.faults[call].countdown == 0) {
        code = disk.faults[call].code;
        disk.faults[call].countdown = (size_t)disk.faults[call].sticky;
    }
    pthread_mutex_unlock(&disk.lock);
    return code;
}

static int faulty_write(sqlite3_file *f, const void *data, int len, sqlite3_int64 offset)
{
    struct file *mine = (struct file *)f;
    int rc = announce(FAULTY_WRITE);

    if (rc != 0)
        return rc;
    rc = mine->real->pMethods->xWrite(mine->real, data, len, offset);
    if (rc == SQLITE_OK && mine->contents != NULL) {
        pthread_mutex_lock(&disk.lock);
        note(mine->contents, data, (size_t)len, (size_t)offset);
        pthread_mutex_unlock(&disk.lock);
    }
    return rc;
}

static int faulty_truncate(sqlite3_file *f, sqlite3_int64 size)
{
    struct file *mine = (struct file *)f;
    int rc = mine->real->pMethods->xTruncate(mine->real, size);

    if (rc == SQLITE_OK && mine->contents != NULL) {
        pthread_mutex_lock(&disk.lock);
        note(mine->contents, NULL, 0, (size_t)size);
        pthread_mutex_unlock(&disk.lock);
    }
    return rc;
}

static int faulty_sync(sqlite3_file *f, int flags)
{
    struct file *mine = (struct file *)f;
    int rc = announce(FAULTY_SYNC);

    (void)flags; /* nobody waits for the true disk */
    if (rc == 0 && mine->contents != NULL && !disk.lies) {
        pthread_mutex_lock(&disk.lock);
        make_certain(mine->contents);
        pthread_mutex_unlock(&disk.lock);
    }
    return rc;
}

static int faulty_close(sqlite3_file *f)
{
    return real_of(f)->pMethods->xClose(real_of(f));
}

static int faulty_read(sqlite3_file *f, void *data, int len, sqlite3_int64 offset)
{
    return real_of(f)->pMethods->xRead(real_of(f), data, len, offset);
}

static int faulty_size(sqlite3_file *f, sqlite3_int64 *size)
{
    return real_of(f)->pMethods->xFileSize(real_of(f), size);
}

static int faulty_lock(sqlite3_file *f, int level)
{
    return real_of(f)->pMethods->xLock(real_of(f), level);
}

static int faulty_unlock(sqlite3_file *f, int level)
{
    return real_of(f)->pMethods->xUnlock(real_of(f), level);
}

static int faulty_reserved(sqlite3_file *f, int *out)
{
    return real_of(f)->pMethods->xCheckReservedLock(real_of(f), out);
}

static int faulty_control(sqlite3_file *f, int op, void *arg)
{
    return real_of(f)->pMethods->xFileControl(real_of(f), op, arg);
}

static int faulty_sector(sqlite3_file *f)
{
    (void)f;
    return SECTOR;
}

static int faulty_device(sqlite3_file *f)
{
    return real_of(f)->pMethods->xDeviceCharacteristics(real_of(f));
}

static int faulty_shm_map(sqlite3_file *f, int page, int size, int extend, void volatile **out)
{
    return real_of(f)->pMethods->xShmMap(real_of(f), page, size, extend, out);
}

static int faulty_shm_lock(sqlite3_file *f, int offset, int n, int flags)
{
    return real_of(f)->pMethods->xShmLock(real_of(f), offset, n, flags);
}

static void faulty_shm_barrier(sqlite3_file *f)
{
    real_of(f)->pMethods->xShmBarrier(real_of(f));
}

static int faulty_shm_unmap(sqlite3_file *f, int erase)
{
    return real_of(f)->pMethods->xShmUnmap(real_of(f), erase);
}

static const sqlite3_io_methods methods = {
    .iVersion = 2,
    .xClose = faulty_close,
    .xRead = faulty_read,
    .xWrite = faulty_write,
    .xTruncate = faulty_truncate,
    .xSync = faulty_sync,
    .xFileSize = faulty_size,
    .xLock = faulty_lock,
    .xUnlock = faulty_unlock,
    .xCheckReservedLock = faulty_reserved,
    .xFileControl = faulty_control,
    .xSectorSize = faulty_sector,
    .xDeviceCharacteristics = faulty_device,
    .xShmMap = faulty_shm_map,
    .xShmLock = faulty_shm_lock,
    .xShmBarrier = faulty_shm_barrier,
    .xShmUnmap = faulty_shm_unmap,
};

/* ---- the file system ---------------------------------------------------------------------- */

static int faulty_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *f, int flags, int *out)
{
    struct file *mine = (struct file *)f;
    int watched = SQLITE_OPEN_MAIN_DB | SQLITE_OPEN_WAL | SQLITE_OPEN_MAIN_JOURNAL;

    (void)vfs;
    memset(mine, 0, sizeof *mine);
    mine->real = (sqlite3_file *)(mine + 1);
    int rc = disk.real->xOpen(disk.real, name, mine->real, flags, out);
    if (rc != SQLITE_OK)
        return rc;
    if (name != NULL && (flags & watched) != 0) {
        pthread_mutex_lock(&disk.lock);
        mine->contents = contents_of(name, 1);
        pthread_mutex_unlock(&disk.lock);
    }
    mine->base.pMethods = &methods;
    return rc;
}

static int faulty_delete(sqlite3_vfs *vfs, const char *name, int sync)
{
    (void)vfs;
    int rc = disk.real->xDelete(disk.real, name, sync);
    pthread_mutex_lock(&disk.lock);
    struct contents *c = rc == SQLITE_OK ? contents_of(name, 0) : NULL;
    if (c != NULL) {
        forget(c);
        free(c->bytes);
        c->name[0] = '\0';
    }
    pthread_mutex_unlock(&disk.lock);
    return rc;
}

static int faulty_sleep(sqlite3_vfs *vfs, int us)
{
    (void)vfs;
    pthread_mutex_lock(&disk.lock);
    disk.waited += (uint64_t)us;
    pthread_mutex_unlock(&disk.lock);
    return us;
}

void faulty_install(void)
{
    disk.real = sqlite3_vfs_find(NULL);
    disk.vfs = *disk.real;
    disk.vfs.pNext = NULL;
    disk.vfs.zName = "faulty";
    disk.vfs.szOsFile = (int)sizeof(struct file) + disk.real->szOsFile;
    disk.vfs.xOpen = faulty_open;
    disk.vfs.xDelete = faulty_delete;
    disk.vfs.xSleep = faulty_sleep;
    sqlite3_vfs_register(&disk.vfs, 1);
}

void faulty_remove(void)
{
    sqlite3_vfs_unregister(&disk.vfs);
    for (int i = 0; i < MOST_FILES; i++) {
        if (disk.files[i].name[0] == '\0')
            continue;
        forget(&disk.files[i]);
        free(disk.files[i].bytes);
    }
    memset(disk.files, 0, sizeof disk.files);
    memset(disk.faults, 0, sizeof disk.faults);
    disk.lies = 0;
    disk.waited = 0;
    disk.hear = NULL;
}

void faulty_fail(enum faulty_call call, size_t nth, int code, int sticky)
{
    pthread_mutex_lock(&disk.lock);
    disk.faults[call].countdown = nth;
    disk.faults[call].code = code;
    disk.faults[call].sticky = sticky;
    pthread_mutex_unlock(&disk.lock);
}

void faulty_lie(int on)
{
    disk.lies = on;
}

uint64_t faulty_waited(void)
{
    pthread_mutex_lock(&disk.lock);
    uint64_t waited = disk.waited;
    pthread_mutex_unlock(&disk.lock);
    return waited;
}

void faulty_watch(void (*hear)(void *user, enum faulty_call call), void *user)
{
    pthread_mutex_lock(&disk.lock);
    disk.hear = hear;
    disk.user = user;
    pthread_mutex_unlock(&disk.lock);
}
