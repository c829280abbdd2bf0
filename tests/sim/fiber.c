/* Threads that are none: each has a stack, and the seed says who runs next. Who may run is asked only
 * where a thread could lose the processor and it matters: at locks, at waits, and in system calls. */
#undef _FORTIFY_SOURCE /* its longjmp() knows one stack only */
#include "sim.h"

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>

#if defined(__SANITIZE_ADDRESS__)
#define SIM_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SIM_ASAN 1
#endif
#endif
#ifdef SIM_ASAN
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif

enum { MOST_FIBERS = 32, MOST_HELD = 64, STACK = 512 * 1024, MOST_TURNS = 3000000 };

struct fiber {
    ucontext_t context; /* how it begins */
    jmp_buf place;      /* where it goes on */
    int begun;
    char *stack;
    void *fake; /* AddressSanitizer's */
    void *(*run)(void *);
    void *arg;
    void *result;
    enum { FREE, READY, WAITING, ENDED } state;
    const void *on;
    int64_t until;
    int timed_out;
};

static struct {
    struct fiber fibers[MOST_FIBERS];
    int count;
    int current; /* -1 = the world */
    ucontext_t world;
    jmp_buf world_place;
    void *world_fake;
    const void *world_stack;
    size_t world_size;
    uint64_t turns;
    struct {
        const void *mutex;
        int owner;
    } held[MOST_HELD];
    int held_count;
} all = {.current = -1};

/* ---- switching ---------------------------------------------------------------------------- */

static void leaving(void **fake, const void *stack, size_t size)
{
#ifdef SIM_ASAN
    __sanitizer_start_switch_fiber(fake, stack, size);
#else
    (void)fake;
    (void)stack;
    (void)size;
#endif
}

static void arrived(void *fake, const void **stack, size_t *size)
{
#ifdef SIM_ASAN
    __sanitizer_finish_switch_fiber(fake, stack, size);
#else
    (void)fake;
    (void)stack;
    (void)size;
#endif
}

/* swapcontext() asks the kernel for the signal mask each time. */
static void to_world(struct fiber *f, int for_ever)
{
    int saved = errno;

    leaving(for_ever ? NULL : &f->fake, all.world_stack, all.world_size);
#ifdef SIM_ASAN
    swapcontext(&f->context, &all.world);
#else
    if (_setjmp(f->place) == 0)
        _longjmp(all.world_place, 1);
#endif
    arrived(f->fake, &all.world_stack, &all.world_size);
    errno = saved;
}

static void enter(void)
{
    struct fiber *f = &all.fibers[all.current];

    arrived(NULL, &all.world_stack, &all.world_size);
    f->result = f->run(f->arg);
    f->state = ENDED;
    fiber_wake(f, 1);
    to_world(f, 1);
}

static void to_fiber(int number)
{
    struct fiber *f = &all.fibers[number];

    all.current = number;
    leaving(&all.world_fake, f->stack, STACK);
#ifdef SIM_ASAN
    swapcontext(&all.world, &f->context);
#else
    if (_setjmp(all.world_place) == 0) {
        if (f->begun)
            _longjmp(f->place, 1);
        f->begun = 1;
        setcontext(&f->context);
    }
#endif
    arrived(all.world_fake, NULL, NULL);
    all.current = -1;
}

int fiber_inside(void)
{
    return all.current >= 0;
}

int fiber_start(void *(*run)(void *), void *arg)
{
    struct fiber *f = &all.fibers[all.count];

    if (all.count == MOST_FIBERS)
        violated("bounds", "more than %d threads", MOST_FIBERS);
    char *stack = f->stack;
    if (stack == NULL)
        stack = mmap(NULL, STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (stack == MAP_FAILED)
        abort();
#ifdef SIM_ASAN
    __asan_unpoison_memory_region(stack, STACK); /* of who had it before */
#endif
    memset(f, 0, sizeof *f);
    f->stack = stack;
    f->run = run;
    f->arg = arg;
    f->state = READY;
    getcontext(&f->context);
    f->context.uc_stack.ss_sp = stack;
    f->context.uc_stack.ss_size = STACK;
    makecontext(&f->context, enter, 0);
    return all.count++;
}

void fibers_begin(void)
{
    all.count = 0;
    all.held_count = 0;
    all.turns = 0;
}

int fiber_run_one(void)
{
    int ready[MOST_FIBERS], n = 0;

    for (int i = 0; i < all.count; i++)
        if (all.fibers[i].state == READY)
            ready[n++] = i;
    if (n == 0)
        return 0;
    if (++all.turns > MOST_TURNS)
        violated("progress", "it spins: %d turns of its threads", MOST_TURNS);
    to_fiber(ready[n == 1 ? 0 : dice_below(DICE_SCHEDULE, (uint64_t)n)]);
    return 1;
}

int fiber_ended(int number)
{
    return all.fibers[number].state == ENDED;
}

/* ---- waiting ------------------------------------------------------------------------------ */

int fiber_wait(const void *on, int64_t until)
{
    struct fiber *f = &all.fibers[all.current];

    if (all.current < 0)
        violated("harness", "the world itself would wait");
    f->state = WAITING;
    f->on = on;
    f->until = until;
    f->timed_out = 0;
    to_world(f, 0);
    return !f->timed_out;
}

void fiber_wake(const void *on, int every)
{
    int waiting[MOST_FIBERS], n = 0;

    for (int i = 0; i < all.count; i++)
        if (all.fibers[i].state == WAITING && all.fibers[i].on == on)
            waiting[n++] = i;
    if (!every && n > 1) {
        waiting[0] = waiting[dice_below(DICE_SCHEDULE, (uint64_t)n)];
        n = 1;
    }
    for (int i = 0; i < n; i++)
        all.fibers[waiting[i]].state = READY;
}

void fiber_sleep(int64_t ns)
{
    static const char nothing;

    (void)fiber_wait(&nothing, world_now() + ns);
}

void fiber_pause(void)
{
    if (all.current >= 0 && dice_chance(DICE_SCHEDULE, plan.preempt))
        to_world(&all.fibers[all.current], 0);
}

int64_t fiber_next(void)
{
    int64_t first = SIM_NEVER;

    for (int i = 0; i < all.count; i++)
        if (all.fibers[i].state == WAITING && all.fibers[i].until < first)
            first = all.fibers[i].until;
    return first;
}

void fiber_expire(void)
{
    for (int i = 0; i < all.count; i++) {
        struct fiber *f = &all.fibers[i];
        if (f->state != WAITING || f->until > world_now())
            continue;
        f->state = READY;
        f->timed_out = 1;
    }
}

/* ---- pthread ------------------------------------------------------------------------------ */

int __wrap_pthread_create(pthread_t *out, const pthread_attr_t *attr, void *(*run)(void *),
                          void *arg);
int __wrap_pthread_join(pthread_t thread, void **result);
pthread_t __wrap_pthread_self(void);
int __wrap_pthread_mutex_lock(pthread_mutex_t *m);
int __wrap_pthread_mutex_trylock(pthread_mutex_t *m);
int __wrap_pthread_mutex_unlock(pthread_mutex_t *m);
int __wrap_pthread_cond_wait(pthread_cond_t *c, pthread_mutex_t *m);
int __wrap_pthread_cond_signal(pthread_cond_t *c);
int __wrap_pthread_cond_broadcast(pthread_cond_t *c);
int __wrap_pthread_sigmask(int how, const sigset_t *set, sigset_t *old);

int __wrap_pthread_create(pthread_t *out, const pthread_attr_t *attr, void *(*run)(void *),
                          void *arg)
{
    (void)attr;
    *out = (pthread_t)fiber_start(run, arg) + 2;
    return 0;
}

int __wrap_pthread_join(pthread_t thread, void **result)
{
    struct fiber *f = &all.fibers[thread - 2];

    while (f->state != ENDED)
        (void)fiber_wait(f, SIM_NEVER);
    if (result != NULL)
        *result = f->result;
    return 0;
}

/* 0 is no thread, 1 the world. */
pthread_t __wrap_pthread_self(void)
{
    return (pthread_t)(all.current + 2);
}

static int find_held(const void *m)
{
    for (int i = 0; i < all.held_count; i++)
        if (all.held[i].mutex == m)
            return i;
    return -1;
}

int __wrap_pthread_mutex_trylock(pthread_mutex_t *m)
{
    if (find_held(m) >= 0)
        return EBUSY;
    if (all.held_count == MOST_HELD)
        violated("bounds", "more than %d locks are held", MOST_HELD);
    all.held[all.held_count].mutex = m;
    all.held[all.held_count++].owner = all.current;
    return 0;
}

int __wrap_pthread_mutex_lock(pthread_mutex_t *m)
{
    fiber_pause();
    while (__wrap_pthread_mutex_trylock(m) != 0) {
        if (all.held[find_held(m)].owner == all.current)
            violated("locks", "a thread waits for itself");
        (void)fiber_wait(m, SIM_NEVER);
    }
    return 0;
}

int __wrap_pthread_mutex_unlock(pthread_mutex_t *m)
{
    int i = find_held(m);

    if (i < 0 || all.held[i].owner != all.current)
        violated("locks", "a thread gives back a lock that it does not have");
    all.held[i] = all.held[--all.held_count];
    fiber_wake(m, 1);
    fiber_pause();
    return 0;
}

int __wrap_pthread_cond_wait(pthread_cond_t *c, pthread_mutex_t *m)
{
    int i = find_held(m);

    if (i < 0 || all.held[i].owner != all.current)
        violated("locks", "a thread waits without the lock");
    all.held[i] = all.held[--all.held_count];
    fiber_wake(m, 1);
    if (!dice_chance(DICE_SCHEDULE, 10)) /* else it wakes for no reason, as it may */
        (void)fiber_wait(c, SIM_NEVER);
    return __wrap_pthread_mutex_lock(m);
}

int __wrap_pthread_cond_signal(pthread_cond_t *c)
{
    fiber_wake(c, 0);
    fiber_pause();
    return 0;
}

int __wrap_pthread_cond_broadcast(pthread_cond_t *c)
{
    fiber_wake(c, 1);
    fiber_pause();
    return 0;
}

int __wrap_pthread_sigmask(int how, const sigset_t *set, sigset_t *old)
{
    (void)how;
    (void)set;
    if (old != NULL)
        sigemptyset(old);
    return 0;
}
