/* Puts a second of the SQLite store from 1, 4 and 16 threads, beside the plain way (one connection
 * behind a lock, one transaction a put) and the disk itself; nanoseconds of a get. */
#include "bench.h"

#include <wsrt/sqlite.h>

#include <fcntl.h>
#include <pthread.h>
#include <sqlite3.h>
#include <unistd.h>

enum { ROUNDS = 3, MOST_THREADS = 16, NOW = 1000 };

static const int thread_counts[] = {1, 4, 16};

struct state {
    char folder[256];
    int puts; /* of a thread and round */
    wsrt_sqlite_store *db;
    wsrt_store store;
    struct {
        sqlite3 *db;
        sqlite3_stmt *begin, *put, *commit, *get;
        pthread_mutex_t lock;
    } plain;
    int disk;
};

static const char *path_of(const struct state *s, const char *name, char *room, size_t cap)
{
    snprintf(room, cap, "%s/%s", s->folder, name);
    return room;
}

static void must(int good, const char *what)
{
    if (good)
        return;
    fprintf(stderr, "%s failed\n", what);
    exit(1);
}

static sqlite3_stmt *prepare(const struct state *s, const char *sql)
{
    sqlite3_stmt *st = NULL;

    must(sqlite3_prepare_v2(s->plain.db, sql, -1, &st, NULL) == SQLITE_OK, sql);
    return st;
}

static void open_plain(struct state *s)
{
    static const char setup[] = "PRAGMA journal_mode=WAL;PRAGMA synchronous=FULL;"
                                "CREATE TABLE connection(id TEXT PRIMARY KEY,user_id TEXT,"
                                "connected_at INTEGER,expires_at INTEGER,source_ip TEXT)";
    char path[320];

    must(sqlite3_open(path_of(s, "plain.db", path, sizeof path), &s->plain.db) == SQLITE_OK, path);
    must(sqlite3_exec(s->plain.db, setup, NULL, NULL, NULL) == SQLITE_OK, "setup");
    s->plain.begin = prepare(s, "BEGIN IMMEDIATE");
    s->plain.put = prepare(s, "INSERT OR REPLACE INTO connection VALUES(?1,'',?2,0,'192.0.2.1')");
    s->plain.commit = prepare(s, "COMMIT");
    s->plain.get = prepare(s, "SELECT * FROM connection WHERE id=?1");
    pthread_mutex_init(&s->plain.lock, NULL);
}

static void setup(struct state *s)
{
    const char *place = getenv("TMPDIR");
    char path[320];

    snprintf(s->folder, sizeof s->folder, "%s/wsrt-bench-XXXXXX", place == NULL ? "/tmp" : place);
    must(mkdtemp(s->folder) != NULL, s->folder);
    path_of(s, "ours.db", path, sizeof path);
    must(wsrt_sqlite_store_new(&s->db, wsrt_span_cstr(path), NULL, NULL) == WSRT_OK, path);
    wsrt_sqlite_store_connections(s->db, &s->store);
    open_plain(s);
    s->disk = open(path_of(s, "disk", path, sizeof path), O_CREAT | O_RDWR, 0600);
    must(s->disk >= 0, path);
}

static void teardown(struct state *s)
{
    static const char *const names[] = {"ours.db", "plain.db", "disk"};
    char path[320];

    wsrt_sqlite_store_free(s->db);
    sqlite3_finalize(s->plain.begin);
    sqlite3_finalize(s->plain.put);
    sqlite3_finalize(s->plain.commit);
    sqlite3_finalize(s->plain.get);
    sqlite3_close(s->plain.db);
    close(s->disk);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        unlink(path_of(s, names[i], path, sizeof path));
    rmdir(s->folder);
}

/* ---- puts --------------------------------------------------------------------------------- */

struct worker {
    struct state *s;
    pthread_barrier_t *start;
    void (*put)(struct state *s, const char *id, int64_t number);
    int number;
    int round;
};

static void put_ours(struct state *s, const char *id, int64_t number)
{
    wsrt_record r = {.struct_size = sizeof r,
                     .connection_id = wsrt_span_cstr(id),
                     .source_ip = wsrt_span_cstr("192.0.2.1"),
                     .connected_at = number};

    must(s->store.ops->put(s->store.self, &r, 0, NOW) == WSRT_OK, "put");
}

static void put_plain(struct state *s, const char *id, int64_t number)
{
    sqlite3_stmt *const all[] = {s->plain.begin, s->plain.put, s->plain.commit};

    pthread_mutex_lock(&s->plain.lock);
    sqlite3_bind_text(s->plain.put, 1, id, -1, SQLITE_STATIC);
    sqlite3_bind_int64(s->plain.put, 2, number);
    for (int i = 0; i < 3; i++) {
        must(sqlite3_step(all[i]) == SQLITE_DONE, "plain put");
        sqlite3_reset(all[i]);
    }
    pthread_mutex_unlock(&s->plain.lock);
}

static void put_disk(struct state *s, const char *id, int64_t number)
{
    static const char page[4096] = "page";

    (void)id;
    must(pwrite(s->disk, page, sizeof page, number % 1000 * 4096) == 4096, "write");
    must(fdatasync(s->disk) == 0, "sync");
}

static void *work(void *arg)
{
    struct worker *w = arg;
    char id[48];

    pthread_barrier_wait(w->start);
    for (int i = 0; i < w->s->puts; i++) {
        snprintf(id, sizeof id, "connection-%d-%d-%d", w->round, w->number, i);
        w->put(w->s, id, i);
    }
    return NULL;
}

static double wall(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Puts a second. */
static double rate(struct state *s, void (*put)(struct state *, const char *, int64_t), int threads,
                   int round)
{
    struct worker workers[MOST_THREADS];
    pthread_t ids[MOST_THREADS];
    pthread_barrier_t start;

    pthread_barrier_init(&start, NULL, (unsigned)threads + 1);
    for (int i = 0; i < threads; i++) {
        workers[i] = (struct worker){s, &start, put, i, round * 100 + threads};
        must(pthread_create(&ids[i], NULL, work, &workers[i]) == 0, "thread");
    }
    pthread_barrier_wait(&start);
    double began = wall();
    for (int i = 0; i < threads; i++)
        pthread_join(ids[i], NULL);
    double took = wall() - began;
    pthread_barrier_destroy(&start);
    return threads * s->puts / took;
}

/* Ours, the plain way and the disk by turns, so that neighbours disturb all alike. */
static void puts_of(struct bench *b, struct state *s)
{
    double ours[3][ROUNDS], plain[3][ROUNDS], disk[ROUNDS], one = 0;
    char name[48];

    for (int round = 0; round < ROUNDS; round++) {
        disk[round] = rate(s, put_disk, 1, round);
        for (int i = 0; i < 3; i++) {
            ours[i][round] = rate(s, put_ours, thread_counts[i], round);
            plain[i][round] = rate(s, put_plain, thread_counts[i], round);
        }
    }
    bench_row(b, "disk_writes_synced", bench_median(disk, ROUNDS), "/s, one page each");
    for (int i = 0; i < 3; i++) {
        double mine = bench_median(ours[i], ROUNDS), theirs = bench_median(plain[i], ROUNDS);
        one = i == 0 ? mine : one;
        snprintf(name, sizeof name, "puts_%d_threads", thread_counts[i]);
        bench_row(b, name, mine, "/s");
        snprintf(name, sizeof name, "puts_%d_threads_plain", thread_counts[i]);
        bench_row(b, name, theirs, "/s");
        snprintf(name, sizeof name, "ratio_%d_threads", thread_counts[i]);
        bench_row(b, name, mine / theirs, "ours / plain");
        snprintf(name, sizeof name, "gain_%d_threads", thread_counts[i]);
        bench_row(b, name, mine / one, "ours / ours with 1");
    }
}

/* ---- gets --------------------------------------------------------------------------------- */

static void get_ours(struct state *s, const char *id)
{
    char buf[16384];
    wsrt_span span = wsrt_span_cstr(id);
    wsrt_record r = {.struct_size = sizeof r};

    must(s->store.ops->get(s->store.self, &span, NOW, &r, buf, sizeof buf) == WSRT_OK, "get");
}

static void get_plain(struct state *s, const char *id)
{
    pthread_mutex_lock(&s->plain.lock);
    sqlite3_bind_text(s->plain.get, 1, id, -1, SQLITE_STATIC);
    must(sqlite3_step(s->plain.get) == SQLITE_ROW, "plain get");
    sqlite3_reset(s->plain.get);
    pthread_mutex_unlock(&s->plain.lock);
}

static double get_time(struct state *s, void (*get)(struct state *, const char *))
{
    int count = s->puts * 16;
    char id[48];
    int64_t start = bench_cpu();

    for (int i = 0; i < count; i++) {
        snprintf(id, sizeof id, "connection-%d-%d-%d", 16, i % 16, i / 16);
        get(s, id);
    }
    return (double)(bench_cpu() - start) / count;
}

static void gets_of(struct bench *b, struct state *s)
{
    double ours[ROUNDS], plain[ROUNDS];

    for (int round = 0; round < ROUNDS; round++) {
        ours[round] = get_time(s, get_ours);
        plain[round] = get_time(s, get_plain);
    }
    double mine = bench_median(ours, ROUNDS), theirs = bench_median(plain, ROUNDS);
    bench_row(b, "get", mine, "ns");
    bench_row(b, "get_plain", theirs, "ns");
    bench_row(b, "ratio_get", mine / theirs, "ours / plain");
}

int main(int argc, char **argv)
{
    struct bench b = bench_start(argc, argv);
    struct state s = {.puts = b.quick ? 5 : 50};

    setup(&s);
    puts_of(&b, &s);
    gets_of(&b, &s);
    bench_end(&b);
    teardown(&s);
    return 0;
}
