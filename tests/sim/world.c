#include "sim.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MOST_EVENTS = 8192 };

struct event {
    int64_t at;
    uint64_t order;
    void (*fn)(void *user, uint64_t arg);
    void *user;
    uint64_t arg;
};

struct sim_plan plan;
enum sim_plant planted;
struct sim_work work;
int world_tells;   /* --trace */
int world_starves; /* --starve */
const char *planted_name;

static struct world {
    uint64_t seed;
    uint64_t dice[DICE_STREAMS];
    uint64_t hash;
    int64_t now, wall_offset;
    size_t event_count;
    uint64_t order;
    size_t live;
    int spared;                       /* memory: nothing is refused */
    int64_t starved_till;             /* everything is */
    struct event events[MOST_EVENTS]; /* a heap */
} world;

static const int64_t first_moment = 1000 * SIM_SECOND;

/* ---- chance ------------------------------------------------------------------------------- */

/* SplitMix64 (Steele, Lea, Flood: Fast Splittable Pseudorandom Number Generators, 2014). */
uint64_t dice(enum sim_dice which)
{
    uint64_t z = world.dice[which] += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

uint64_t dice_below(enum sim_dice which, uint64_t n)
{
    return n == 0 ? 0 : dice(which) % n;
}

int64_t dice_between(enum sim_dice which, int64_t least, int64_t most)
{
    return least + (int64_t)dice_below(which, (uint64_t)(most - least) + 1);
}

int dice_chance(enum sim_dice which, int in_a_thousand)
{
    return in_a_thousand > 0 && dice_below(which, 1000) < (uint64_t)in_a_thousand;
}

/* ---- time --------------------------------------------------------------------------------- */

int64_t world_start(void)
{
    return first_moment;
}

int64_t world_now(void)
{
    return world.now;
}

int64_t world_wall(void)
{
    return INT64_C(1795168800000) + (world.now - first_moment) / SIM_MS + world.wall_offset;
}

void world_step_wall(int64_t ms)
{
    world.wall_offset += ms;
    world_note("wall", ms, 0);
}

static int before(const struct event *a, const struct event *b)
{
    return a->at != b->at ? a->at < b->at : a->order < b->order;
}

static void swap(size_t i, size_t j)
{
    struct event e = world.events[i];

    world.events[i] = world.events[j];
    world.events[j] = e;
}

void world_later(int64_t delay, void (*fn)(void *user, uint64_t arg), void *user, uint64_t arg)
{
    size_t i = world.event_count++;

    if (i >= MOST_EVENTS)
        violated("bounds", "more than %d events wait", MOST_EVENTS);
    world.events[i] = (struct event){world.now + delay, world.order++, fn, user, arg};
    for (; i > 0 && before(&world.events[i], &world.events[(i - 1) / 2]); i = (i - 1) / 2)
        swap(i, (i - 1) / 2);
}

static struct event take_first(void)
{
    struct event first = world.events[0];

    world.events[0] = world.events[--world.event_count];
    for (size_t i = 0;;) {
        size_t least = i;
        for (size_t k = 2 * i + 1; k <= 2 * i + 2 && k < world.event_count; k++)
            if (before(&world.events[k], &world.events[least]))
                least = k;
        if (least == i)
            return first;
        swap(i, least);
        i = least;
    }
}

int64_t world_next(void)
{
    return world.event_count == 0 ? SIM_NEVER : world.events[0].at;
}

void world_reach(int64_t now)
{
    if (now > world.now)
        world.now = now;
    while (world_next() <= world.now) {
        struct event e = take_first();
        e.fn(e.user, e.arg);
    }
}

/* ---- what happened ------------------------------------------------------------------------ */

static void mix(uint64_t word)
{
    world.hash = (world.hash ^ word) * UINT64_C(0x9fb21c651e98df25);
    world.hash ^= world.hash >> 32;
}

static void mix_bytes(const void *bytes, size_t len)
{
    const unsigned char *p = bytes;
    uint64_t word = len;

    for (size_t i = 0; i < len; i++) {
        word = word << 8 | p[i];
        if (i % 8 == 7)
            mix(word);
    }
    mix(word);
}

void world_note(const char *what, int64_t a, int64_t b)
{
    mix_bytes(what, strlen(what));
    mix((uint64_t)world.now);
    mix((uint64_t)a);
    mix((uint64_t)b);
    if (world_tells)
        printf("%10.6f %s %lld %lld\n", (double)(world.now - first_moment) / 1e9, what,
               (long long)a, (long long)b);
}

void world_note_bytes(const char *what, const void *bytes, size_t len)
{
    world_note(what, (int64_t)len, 0);
    mix_bytes(bytes, len);
    if (world_tells)
        printf("           %.*s\n", (int)(len < 200 ? len : 200), (const char *)bytes);
}

uint64_t world_hash(void)
{
    return world.hash;
}

void violated(const char *invariant, const char *format, ...)
{
    char why[512];
    va_list list;

    va_start(list, format);
    vsnprintf(why, sizeof why, format, list);
    va_end(list);
    printf("seed %llu: %s: %s (after %.3f s, %llu seeds before it)\nrepeat: wsrt-sim --seed %llu",
           (unsigned long long)world.seed, invariant, why, (double)(world.now - first_moment) / 1e9,
           (unsigned long long)work.seeds, (unsigned long long)world.seed);
    printf("%s%s%s --trace\n", world_starves ? " --starve" : "",
           planted == PLANT_NONE ? "" : " --plant=", planted == PLANT_NONE ? "" : planted_name);
    fflush(stdout);
    _exit(1); /* what is under way cannot be taken apart in order */
}

/* ---- the environment ---------------------------------------------------------------------- */

static int64_t env_now(void *user)
{
    (void)user;
    return world.now;
}

static int64_t env_wall(void *user)
{
    (void)user;
    return world_wall();
}

static int64_t env_zero(void *user)
{
    (void)user;
    return 0;
}

static int env_random(void *user, void *dst, size_t len)
{
    unsigned char *p = dst;

    (void)user;
    for (uint64_t word = 0; len > 0; len--, word >>= 8) {
        if (word == 0)
            word = dice(DICE_ENTROPY);
        *p++ = (unsigned char)word;
    }
    return WSRT_OK;
}

static void env_log(void *user, int level, const char *event, const wsrt_field *fields, size_t n)
{
    (void)user;
    (void)fields;
    if (level >= WSRT_LEVEL_WARN)
        world_note(event, level, (int64_t)n);
}

const wsrt_env world_env = {.struct_size = sizeof world_env,
                            .now = env_now,
                            .wall = env_wall,
                            .cpu = env_zero,
                            .resident = env_zero,
                            .random = env_random,
                            .log = env_log};

/* ---- memory ------------------------------------------------------------------------------- */

/* One allocation, or all of some milliseconds. */
static int refused(void)
{
    if (world.spared || !fiber_inside())
        return 0;
    if (world.now > world.starved_till && dice_below(DICE_APP, 10000) >= (uint64_t)plan.memory_bad)
        return 0;
    if (world.now > world.starved_till && dice_chance(DICE_APP, 100))
        world.starved_till = world.now + dice_between(DICE_APP, 0, 300) * SIM_MS;
    work.starved++;
    return 1;
}

void world_spare_memory(int on)
{
    world.spared = on;
    world.starved_till = 0;
}

static void *counting_realloc(void *user, void *ptr, size_t old_size, size_t new_size)
{
    (void)user;
    if (new_size > old_size && plan.memory_bad > 0 && refused())
        return NULL;
    world.live += new_size - old_size;
    if (new_size == 0) {
        free(ptr);
        return NULL;
    }
    ptr = realloc(ptr, new_size);
    if (ptr == NULL)
        abort();
    return ptr;
}

wsrt_allocator world_memory = {counting_realloc, NULL};

size_t world_live(void)
{
    return world.live;
}

void world_begin(uint64_t seed)
{
    memset(&world, 0, offsetof(struct world, events));
    world.seed = seed;
    world.now = first_moment;
    for (uint64_t i = 0; i < DICE_STREAMS; i++)
        world.dice[i] = (seed * DICE_STREAMS + i) * UINT64_C(0xd1342543de82ef95);
    for (int i = 0; i < DICE_STREAMS; i++)
        for (int k = 0; k < 4; k++)
            dice((enum sim_dice)i);
}
