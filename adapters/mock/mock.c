/* The object: clock, randomness, fault plan, environment. */
#include "mock/internal.h"

#include "common/support.h"

#include <string.h>

enum { START_NOW = 1000000000, NS_PER_MS = 1000000, MAX_POST = 131072 };

static const int64_t start_wall = 1795168800000;

static int load_settings(wsrt_mock_options *o, const wsrt_mock_options *given)
{
    int rc = wsrt_adapter_options(o, sizeof *o, sizeof(wsrt_mock_options), given);

    if (rc != WSRT_OK)
        return rc;
    if (o->flags != 0)
        return WSRT_ERR_UNSUPPORTED;
    return o->now < 0 || o->wall < 0 ? WSRT_ERR_INVALID : WSRT_OK;
}

int wsrt_mock_new(wsrt_mock **out, const wsrt_mock_options *opts)
{
    wsrt_mock_options o;

    if (out == NULL)
        return WSRT_ERR_INVALID;
    *out = NULL;
    int rc = load_settings(&o, opts);
    if (rc != WSRT_OK)
        return rc;
    wsrt_mock *m = wsrt_adapter_realloc(&o.allocator, NULL, 0, sizeof *m);
    if (m == NULL)
        return WSRT_ERR_NOMEM;
    memset(m, 0, sizeof *m);
    m->allocator = o.allocator;
    m->now = m->started = o.now != 0 ? o.now : START_NOW;
    m->wall = o.wall != 0 ? o.wall : start_wall;
    m->random = o.seed;
    m->max_post = o.max_post != 0 ? o.max_post : MAX_POST;
    pthread_mutex_init(&m->lock, NULL);
    *out = m;
    return WSRT_OK;
}

void wsrt_mock_free(wsrt_mock *m)
{
    if (m == NULL)
        return;
    wsrt_mock_clear(m);
    wsrt_allocator a = m->allocator;
    wsrt_memory_store_free(m->memory);
    wsrt_adapter_realloc(&a, m->entries, m->entry_cap * sizeof *m->entries, 0);
    wsrt_adapter_realloc(&a, m->peers, m->peer_cap * sizeof *m->peers, 0);
    wsrt_adapter_realloc(&a, m->places, m->place_count * sizeof *m->places, 0);
    pthread_mutex_destroy(&m->lock);
    wsrt_adapter_realloc(&a, m, sizeof *m, 0);
}

int wsrt_mock_grow_(wsrt_mock *m, void **array, size_t count, size_t *cap, size_t size)
{
    size_t more = *cap == 0 ? 16 : *cap * 2;

    if (count < *cap)
        return WSRT_OK;
    if (more > SIZE_MAX / size)
        return WSRT_ERR_NOMEM;
    void *grown = wsrt_adapter_realloc(&m->allocator, *array, *cap * size, more * size);
    if (grown == NULL)
        return WSRT_ERR_NOMEM;
    *array = grown;
    *cap = more;
    return WSRT_OK;
}

/* ---- what the test decides ---------------------------------------------------------------- */

int wsrt_mock_advance(wsrt_mock *m, int64_t ns)
{
    int rc = WSRT_ERR_INVALID;

    if (m == NULL)
        return rc;
    pthread_mutex_lock(&m->lock);
    if (ns >= 0 && ns <= INT64_MAX - m->now) {
        m->now += ns;
        rc = WSRT_OK;
    }
    pthread_mutex_unlock(&m->lock);
    return rc;
}

int wsrt_mock_fail(wsrt_mock *m, int part, uint64_t nth, int status, int sticky)
{
    if (m == NULL || part < WSRT_MOCK_STORE || part > WSRT_MOCK_RANDOM)
        return WSRT_ERR_INVALID;
    if (nth > 0 && status >= 0)
        return WSRT_ERR_INVALID;
    pthread_mutex_lock(&m->lock);
    m->plans[part] = (wsrt_mock_plan){.countdown = nth, .status = status, .sticky = sticky};
    pthread_mutex_unlock(&m->lock);
    return WSRT_OK;
}

int wsrt_mock_delay(wsrt_mock *m, int part, int64_t ns)
{
    if (m == NULL || (part != WSRT_MOCK_STORE && part != WSRT_MOCK_HISTORY) || ns < 0)
        return WSRT_ERR_INVALID;
    pthread_mutex_lock(&m->lock);
    m->delays[part] = ns;
    pthread_mutex_unlock(&m->lock);
    return WSRT_OK;
}

int wsrt_mock_trip_(wsrt_mock *m, int part)
{
    wsrt_mock_plan *plan = &m->plans[part];
    int64_t delay = m->delays[part];

    m->now = delay > INT64_MAX - m->now ? INT64_MAX : m->now + delay;
    if (plan->countdown == 0)
        return WSRT_OK;
    if (plan->countdown > 1) {
        plan->countdown--;
        return WSRT_OK;
    }
    if (!plan->sticky)
        plan->countdown = 0;
    return plan->status;
}

/* ---- environment -------------------------------------------------------------------------- */

int64_t wsrt_mock_wall_(const wsrt_mock *m)
{
    return m->wall + (m->now - m->started) / NS_PER_MS;
}

static int64_t env_now(void *user)
{
    wsrt_mock *m = user;

    pthread_mutex_lock(&m->lock);
    int64_t now = m->now;
    pthread_mutex_unlock(&m->lock);
    return now;
}

static int64_t env_wall(void *user)
{
    wsrt_mock *m = user;

    pthread_mutex_lock(&m->lock);
    int64_t wall = wsrt_mock_wall_(m);
    pthread_mutex_unlock(&m->lock);
    return wall;
}

static int64_t env_unknown(void *user)
{
    (void)user;
    return -1;
}

/* SplitMix64 (Steele, Lea and Flood). */
static uint64_t next_random(wsrt_mock *m)
{
    uint64_t z = m->random += 0x9e3779b97f4a7c15u;

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static int env_random(void *user, void *dst, size_t len)
{
    wsrt_mock *m = user;
    unsigned char *p = dst;

    pthread_mutex_lock(&m->lock);
    int rc = wsrt_mock_trip_(m, WSRT_MOCK_RANDOM);
    if (rc == WSRT_OK)
        for (size_t i = 0; i < len; i++)
            p[i] = (unsigned char)(next_random(m) >> 56);
    pthread_mutex_unlock(&m->lock);
    return rc;
}

static void env_log(void *user, int level, const char *event_cstr, const wsrt_field *fields,
                    size_t count)
{
    wsrt_mock *m = user;
    wsrt_mock_record line = {.kind = WSRT_MOCK_LOG,
                             .code = level,
                             .data = wsrt_span_cstr(event_cstr),
                             .fields = fields,
                             .field_count = count};

    pthread_mutex_lock(&m->lock);
    wsrt_mock_note_(m, &line);
    pthread_mutex_unlock(&m->lock);
}

void wsrt_mock_env(wsrt_mock *m, wsrt_env *out)
{
    *out = (wsrt_env){.struct_size = sizeof *out,
                      .user = m,
                      .now = env_now,
                      .wall = env_wall,
                      .cpu = env_unknown,
                      .resident = env_unknown,
                      .random = env_random,
                      .log = env_log};
}
