/* wsrt-sim: plays what seeds decide, and judges it.
 *
 *     wsrt-sim --seed A..B      all of these
 *     wsrt-sim --seed A --hash  says the hash of what happened, for each seed
 *     wsrt-sim --seed A --trace tells it
 *     wsrt-sim --seed A..B --plant=NAME   with a lie that is to be found
 *
 * Exit: 0 everything held; 1 it did not, with the seed and how to repeat it; 2 usage. */
#include "sim.h"

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const char *const plants[PLANTS] = {
    [PLANT_NONE] = "none",
    [PLANT_ACKNOWLEDGED] = "acknowledged",
    [PLANT_RESURRECTED] = "resurrected",
    [PLANT_ORDER] = "order",
    [PLANT_PROBES] = "probes",
    [PLANT_BURST] = "burst",
    [PLANT_RECORDED] = "recorded",
    [PLANT_MEMORY] = "memory",
    [PLANT_ARRIVING] = "arriving",
};

/* Seeds differ in kind, too: some are calm, some have every fault there is. */
static struct sim_plan draw(void)
{
    int calm = dice_chance(DICE_PLAN, 200);
    struct sim_plan p = {
        .loops = dice_chance(DICE_PLAN, 600) ? 1 : (int)dice_between(DICE_PLAN, 2, 3),
        .workers = dice_chance(DICE_PLAN, 400) ? 0 : (int)dice_between(DICE_PLAN, 1, 4),
        .clients = (int)dice_between(DICE_PLAN, 1, 12),
        .sqlite = dice_chance(DICE_PLAN, 350),
        .sessions = dice_chance(DICE_PLAN, 350),
        .kept = (int)dice_between(DICE_PLAN, 5, 100),
        .abrupt = dice_chance(DICE_PLAN, 250),
        .preempt = dice_chance(DICE_PLAN, 400) ? 0 : (int)dice_between(DICE_PLAN, 5, 300),
        .length = dice_between(DICE_PLAN, 3, 15) * SIM_SECOND,
        .permits = (int)dice_between(DICE_PLAN, 1, 3),
        .burst = (uint32_t)dice_between(DICE_PLAN, 5, 40),
        .rate = (double)dice_between(DICE_PLAN, 2, 20),
    };

    p.store_slow = dice_chance(DICE_PLAN, 500) ? (int)dice_between(DICE_PLAN, 1, 300) : 0;
    if (calm)
        return p;
    p.store_bad = dice_chance(DICE_PLAN, 400) ? (int)dice_between(DICE_PLAN, 1, 100) : 0;
    p.disk_bad = dice_chance(DICE_PLAN, 300) ? (int)dice_between(DICE_PLAN, 1, 30) : 0;
    p.net_bad = dice_chance(DICE_PLAN, 700) ? (int)dice_between(DICE_PLAN, 1, 150) : 0;
    p.call_bad = dice_chance(DICE_PLAN, 400) ? (int)dice_between(DICE_PLAN, 1, 50) : 0;
    p.memory_bad = dice_chance(DICE_PLAN, 200) ? (int)dice_between(DICE_PLAN, 1, 100) : 0;
    if (p.sqlite && dice_chance(DICE_PLAN, 700))
        p.power_cut = (int)dice_between(DICE_PLAN, 20, 600);
    return p;
}

static uint64_t play(uint64_t seed)
{
    world_begin(seed);
    plan = draw();
    if (world_starves)
        plan.memory_bad = (int)dice_between(DICE_PLAN, 20, 200);
    world_note("loops, workers", plan.loops, plan.workers);
    world_note("store, sessions", plan.sqlite, plan.sessions);
    fibers_begin();
    disk_begin();
    ledger_begin();
    app_begin();
    clients_forget();
    host_run();
    net_begin();
    disk_end();
    work.seeds++;
    work.virtual_ns += world_now() - world_start();
    return world_hash();
}

static double seconds(void)
{
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void report(uint64_t all, double took)
{
    double simulated = (double)work.virtual_ns / 1e9;

    printf("simulated: %llu seeds, %.0f s in %.1f s of CPU (%.0f times as fast), hash %016llx\n",
           (unsigned long long)work.seeds, simulated, took, simulated / took,
           (unsigned long long)all);
    printf("it saw: %llu connections, %llu refused, %llu messages, %llu acknowledged, %llu calls, "
           "%llu probes, %llu sessions resumed, %llu power cuts, %llu restarts, %llu allocations "
           "refused, %llu faults\n",
           (unsigned long long)work.connections, (unsigned long long)work.refused,
           (unsigned long long)work.messages, (unsigned long long)work.acknowledged,
           (unsigned long long)work.calls, (unsigned long long)work.probes,
           (unsigned long long)work.resumed, (unsigned long long)work.cuts,
           (unsigned long long)work.restarts, (unsigned long long)work.starved,
           (unsigned long long)work.faults);
}

static int usage(void)
{
    fputs("usage: wsrt-sim --seed A[..B] [--hash] [--trace] [--starve] [--plant=NAME]\n"
          "--starve: memory is refused whatever the seed says\n",
          stderr);
    return 2;
}

static int find_plant(const char *name)
{
    for (int i = 0; i < PLANTS; i++)
        if (strcmp(plants[i], name) == 0)
            return i;
    return -1;
}

int main(int argc, char **argv)
{
    uint64_t first = 0, last = 0, all = 0;
    int hashes = 0, named = 0;

    for (int i = 1; i < argc; i++) {
        char *rest;
        if (strcmp(argv[i], "--seed") == 0 && i + 1 < argc) {
            first = last = strtoull(argv[++i], &rest, 10);
            if (strncmp(rest, "..", 2) == 0)
                last = strtoull(rest + 2, &rest, 10);
            named = *rest == '\0' && last >= first;
        } else if (strcmp(argv[i], "--hash") == 0) {
            hashes = 1;
        } else if (strcmp(argv[i], "--trace") == 0) {
            world_tells = 1;
        } else if (strcmp(argv[i], "--starve") == 0) {
            world_starves = 1;
        } else if (strncmp(argv[i], "--plant=", 8) == 0 && find_plant(argv[i] + 8) >= 0) {
            planted_name = argv[i] + 8;
            planted = (enum sim_plant)find_plant(planted_name);
        } else {
            return usage();
        }
    }
    if (!named)
        return usage();
    mallopt(M_TRIM_THRESHOLD, 1 << 28); /* the next seed wants the same again */
    mallopt(M_MMAP_THRESHOLD, 1 << 28);
    double began = seconds();
    for (uint64_t seed = first; seed <= last; seed++) {
        uint64_t hash = play(seed);
        all = (all ^ hash) * UINT64_C(0x9fb21c651e98df25);
        if (hashes)
            printf("seed %llu: %016llx\n", (unsigned long long)seed, (unsigned long long)hash);
    }
    report(all, seconds() - began);
    return 0;
}
