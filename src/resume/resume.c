/* The table of sessions: one lock, under which nothing is called. Messages of one session are sent one
 * by one, so that their numbers arrive in order; who comes meanwhile waits for its turn. */
#include "resume/internal.h"

#include "base/alloc.h"
#include "base/env.h"
#include "base/hash.h"
#include "base/options.h"
#include "json/number.h"

#include <pthread.h>
#include <string.h>

enum { LEAST_CHAINS = 64, MOST_SESSIONS = 10000000, MOST_MESSAGES = 10000, MOST_MS = 86400000 };

#define MILLISECOND INT64_C(1000000)

enum state { LIVE, REPLAYING, WAITING };

/* A message with its number in it; under the lock but for its bytes. */
struct kept {
    unsigned holders;
    uint64_t seq;
    size_t len;
    char text[];
};

struct session {
    struct session *by_id; /* next of its chain */
    struct session *by_connection;
    struct session *by_former;
    struct session *earlier; /* those that wait, by the end of their wait */
    struct session *later;
    unsigned char id[SESSION_ID];
    enum state state;
    int sending;    /* LIVE: a thread has the turn */
    unsigned opens; /* how often its client has come back */
    uint64_t user;
    uint64_t first; /* number of the oldest that is kept; behind `seq` when none is */
    uint64_t seq;   /* of the newest message */
    uint64_t told;  /* REPLAYING: sent up to here */
    size_t bytes;
    int64_t ends_at;
    unsigned seen_at;
    uint64_t seen[SEEN_IDS];
    size_t connection_len;
    char connection[MAX_CONNECTION_ID];
    size_t former_len; /* the connection it had before; 0 = none */
    char former[MAX_CONNECTION_ID];
    struct kept *ring[]; /* by number */
};

struct wsrt_resume {
    wsrt_allocator allocator;
    wsrt_env env;
    pthread_mutex_t lock;
    pthread_cond_t turn;
    unsigned in_line; /* threads that wait for a turn */
    unsigned char key[MAC_KEY];
    uint64_t hash_key;
    uint32_t max_sessions;
    uint32_t max_messages;
    uint64_t max_bytes;
    int64_t wait_ms;
    int64_t token_ms;
    size_t chains; /* a power of two */
    struct session **by_id;
    struct session **by_connection;
    struct session **by_former;
    struct session *next_to_end;
    struct session *last_to_end;
    uint64_t count;
    wsrt_resume_stats stats;
};

/* ---- life ---- */

static int load_options(wsrt_resume_options *o, const wsrt_resume_options *given)
{
    int rc = wsrt_options_load(o, sizeof *o, sizeof(wsrt_resume_options), given);

    if (rc != WSRT_OK)
        return rc;
    if (o->flags != 0)
        return WSRT_ERR_UNSUPPORTED;
    if (o->max_sessions > MOST_SESSIONS || o->max_messages > MOST_MESSAGES || o->wait_ms < 0 ||
        o->wait_ms > MOST_MS || o->token_ms < 0 || o->token_ms > 366 * (int64_t)MOST_MS ||
        o->max_bytes > SIZE_MAX / 2)
        return WSRT_ERR_INVALID;
    return WSRT_OK;
}

static void take_options(wsrt_resume *r, const wsrt_resume_options *o)
{
    r->max_sessions = o->max_sessions == 0 ? 10000 : o->max_sessions;
    r->max_messages = o->max_messages == 0 ? 100 : o->max_messages;
    r->max_bytes = o->max_bytes == 0 ? 65536 : o->max_bytes;
    r->wait_ms = o->wait_ms == 0 ? 120000 : o->wait_ms;
    r->token_ms = o->token_ms == 0 ? MOST_MS : o->token_ms;
    r->chains = LEAST_CHAINS;
    while (r->chains < r->max_sessions / 4)
        r->chains *= 2;
}

static int fill(wsrt_resume *r)
{
    size_t size = r->chains * sizeof(struct session *);

    r->by_id = wsrt_mem_zalloc(&r->allocator, size);
    r->by_connection = wsrt_mem_zalloc(&r->allocator, size);
    r->by_former = wsrt_mem_zalloc(&r->allocator, size);
    if (r->by_id == NULL || r->by_connection == NULL || r->by_former == NULL)
        return WSRT_ERR_NOMEM;
    if (r->env.random(r->env.user, r->key, sizeof r->key) != WSRT_OK ||
        r->env.random(r->env.user, &r->hash_key, sizeof r->hash_key) != WSRT_OK)
        return WSRT_ERR_IO;
    return WSRT_OK;
}

static void dispose(wsrt_resume *r)
{
    size_t size = r->chains * sizeof(struct session *);
    wsrt_allocator allocator = r->allocator;

    wsrt_mem_free(&allocator, r->by_id, size);
    wsrt_mem_free(&allocator, r->by_connection, size);
    wsrt_mem_free(&allocator, r->by_former, size);
    explicit_bzero(r->key, sizeof r->key);
    wsrt_mem_free(&allocator, r, sizeof *r);
}

static int init_locks(wsrt_resume *r)
{
    if (pthread_mutex_init(&r->lock, NULL) != 0)
        return 0;
    if (pthread_cond_init(&r->turn, NULL) == 0)
        return 1;
    pthread_mutex_destroy(&r->lock);
    return 0;
}

int wsrt_resume_new(wsrt_resume **out, const wsrt_resume_options *opts)
{
    wsrt_resume_options o;
    wsrt_allocator allocator;
    wsrt_env env;

    if (out == NULL)
        return WSRT_ERR_INVALID;
    *out = NULL;
    int rc = load_options(&o, opts);
    if (rc == WSRT_OK)
        rc = wsrt_allocator_load(&allocator, &o.allocator);
    if (rc == WSRT_OK)
        rc = wsrt_env_load(&env, o.env);
    if (rc != WSRT_OK)
        return rc;
    wsrt_resume *r = wsrt_mem_zalloc(&allocator, sizeof *r);
    if (r == NULL)
        return WSRT_ERR_NOMEM;
    r->allocator = allocator;
    r->env = env;
    take_options(r, &o);
    rc = fill(r);
    if (rc == WSRT_OK && !init_locks(r))
        rc = WSRT_ERR_NOMEM;
    if (rc != WSRT_OK)
        dispose(r);
    else
        *out = r;
    return rc;
}

/* ---- kept messages; all under the lock from here on, unless it says otherwise ---- */

static void release(wsrt_resume *r, struct kept *k)
{
    if (--k->holders == 0)
        wsrt_mem_free(&r->allocator, k, sizeof *k + k->len);
}

static struct kept **place_of(const wsrt_resume *r, struct session *s, uint64_t seq)
{
    return &s->ring[seq % r->max_messages];
}

static void drop_first(wsrt_resume *r, struct session *s)
{
    struct kept **k = place_of(r, s, s->first++);

    s->bytes -= (*k)->len;
    r->stats.bytes -= (*k)->len;
    release(r, *k);
    *k = NULL;
}

static void drop_up_to(wsrt_resume *r, struct session *s, uint64_t seq)
{
    while (s->first <= s->seq && s->first <= seq)
        drop_first(r, s);
}

/* A client that is coming back has been promised all that it has not been told, so only what is behind
 * that may make room. */
static int has_room(const wsrt_resume *r, struct session *s, size_t len)
{
    uint64_t first = s->first;
    size_t bytes = s->bytes;

    if (s->state != REPLAYING)
        return 1;
    for (;
         first <= s->told && (s->seq - first + 1 >= r->max_messages || len > r->max_bytes - bytes);
         first++)
        bytes -= (*place_of(r, s, first))->len;
    return s->seq + 1 - first < r->max_messages && len <= r->max_bytes - bytes;
}

/* What is not kept leaves a gap: nothing older is of use either. */
static void take_number(wsrt_resume *r, struct session *s, struct kept *k)
{
    while (s->first <= s->seq &&
           (s->seq - s->first + 1 >= r->max_messages || k->len > r->max_bytes - s->bytes))
        drop_first(r, s);
    s->seq++;
    if (k->len > r->max_bytes) {
        s->first = s->seq + 1;
        return;
    }
    *place_of(r, s, s->seq) = k;
    k->holders++;
    s->bytes += k->len;
    r->stats.bytes += k->len;
}

static void take_back_number(wsrt_resume *r, struct session *s)
{
    struct kept **k = place_of(r, s, s->seq);

    if (s->first > s->seq) {
        s->first = s->seq--;
        return;
    }
    s->bytes -= (*k)->len;
    r->stats.bytes -= (*k)->len;
    release(r, *k);
    *k = NULL;
    s->seq--;
}

static int is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* `{"seq":7,` before what follows the brace. */
static struct kept *new_kept(const wsrt_resume *r, uint64_t seq, wsrt_span message)
{
    char head[sizeof "{\"seq\":," + WSRT_NUMBER_TEXT] = "{\"seq\":";
    const char *rest = (const char *)memchr(message.ptr, '{', message.len) + 1;
    const char *end = message.ptr + message.len, *p = rest;
    size_t head_len = strlen(head), rest_len = (size_t)(end - rest);

    head_len += wsrt_uint64_text(seq, head + head_len);
    while (p < end && is_space(*p))
        p++;
    if (p == end || *p != '}')
        head[head_len++] = ',';
    struct kept *k = wsrt_mem_alloc(&r->allocator, sizeof *k + head_len + rest_len);
    if (k == NULL)
        return NULL;
    *k = (struct kept){.holders = 1, .seq = seq, .len = head_len + rest_len};
    memcpy(k->text, head, head_len);
    memcpy(k->text + head_len, rest, rest_len);
    return k;
}

static int is_object(wsrt_span text)
{
    size_t i = 0;

    while (i < text.len && is_space(text.ptr[i]))
        i++;
    return i < text.len && text.ptr[i] == '{';
}

/* ---- sessions ---- */

static struct session **chain_of(const wsrt_resume *r, struct session **chains, uint64_t hash)
{
    return &chains[hash & (r->chains - 1)];
}

static struct session **connection_chain(const wsrt_resume *r, wsrt_span id)
{
    return chain_of(r, r->by_connection, wsrt_hash(r->hash_key, id.ptr, id.len));
}

static struct session **id_chain(const wsrt_resume *r, const unsigned char id[SESSION_ID])
{
    return chain_of(r, r->by_id, wsrt_hash(r->hash_key, id, SESSION_ID));
}

static wsrt_span connection_of(const struct session *s)
{
    return (wsrt_span){s->connection, s->connection_len};
}

static struct session *find(const wsrt_resume *r, wsrt_span connection)
{
    struct session *s = *connection_chain(r, connection);

    while (s != NULL && !wsrt_span_equal(connection_of(s), connection))
        s = s->by_connection;
    return s;
}

static struct session *find_id(const wsrt_resume *r, const unsigned char id[SESSION_ID])
{
    struct session *s = *id_chain(r, id);

    while (s != NULL && memcmp(s->id, id, SESSION_ID) != 0)
        s = s->by_id;
    return s;
}

static void stop_waiting(wsrt_resume *r, struct session *s)
{
    if (s->state != WAITING)
        return;
    *(s->earlier != NULL ? &s->earlier->later : &r->next_to_end) = s->later;
    *(s->later != NULL ? &s->later->earlier : &r->last_to_end) = s->earlier;
    s->earlier = s->later = NULL;
    s->state = LIVE;
}

static void start_waiting(wsrt_resume *r, struct session *s)
{
    if (s->state == WAITING)
        return;
    s->state = WAITING;
    s->ends_at = r->env.now(r->env.user) + r->wait_ms * MILLISECOND;
    s->earlier = r->last_to_end;
    *(s->earlier != NULL ? &s->earlier->later : &r->next_to_end) = s;
    r->last_to_end = s;
}

static void unbind(wsrt_resume *r, struct session *s)
{
    struct session **at = connection_chain(r, connection_of(s));

    while (*at != s)
        at = &(*at)->by_connection;
    *at = s->by_connection;
}

static void bind_to(wsrt_resume *r, struct session *s, wsrt_span connection)
{
    struct session **chain = connection_chain(r, connection);

    memcpy(s->connection, connection.ptr, connection.len);
    s->connection_len = connection.len;
    s->by_connection = *chain;
    *chain = s;
}

static struct session **former_chain(const wsrt_resume *r, wsrt_span id)
{
    return chain_of(r, r->by_former, wsrt_hash(r->hash_key, id.ptr, id.len));
}

static wsrt_span former_of(const struct session *s)
{
    return (wsrt_span){s->former, s->former_len};
}

static void forget_former(wsrt_resume *r, struct session *s)
{
    if (s->former_len == 0)
        return;
    struct session **at = former_chain(r, former_of(s));
    while (*at != s)
        at = &(*at)->by_former;
    *at = s->by_former;
    s->former_len = 0;
}

/* What is under way on a connection that its session leaves still belongs to the session. */
static void keep_former(wsrt_resume *r, struct session *s)
{
    forget_former(r, s);
    memcpy(s->former, s->connection, s->connection_len);
    s->former_len = s->connection_len;
    struct session **chain = former_chain(r, former_of(s));
    s->by_former = *chain;
    *chain = s;
}

/* Also by the connection that a session had before. */
static struct session *find_moved(const wsrt_resume *r, wsrt_span connection)
{
    struct session *s = find(r, connection);

    if (s != NULL)
        return s;
    s = *former_chain(r, connection);
    while (s != NULL && !wsrt_span_equal(former_of(s), connection))
        s = s->by_former;
    return s;
}

static size_t session_size(const wsrt_resume *r)
{
    return sizeof(struct session) + r->max_messages * sizeof(struct kept *);
}

static void end_session(wsrt_resume *r, struct session *s)
{
    struct session **at = id_chain(r, s->id);

    while (*at != s)
        at = &(*at)->by_id;
    *at = s->by_id;
    unbind(r, s);
    forget_former(r, s);
    stop_waiting(r, s);
    drop_up_to(r, s, s->seq);
    wsrt_mem_free(&r->allocator, s, session_size(r));
    r->count--;
}

static int new_session(wsrt_resume *r, wsrt_span connection, uint64_t user, struct session **out)
{
    if (r->count >= r->max_sessions)
        return WSRT_ERR_LIMIT;
    struct session *s = wsrt_mem_zalloc(&r->allocator, session_size(r));
    if (s == NULL)
        return WSRT_ERR_NOMEM;
    if (r->env.random(r->env.user, s->id, sizeof s->id) != WSRT_OK) {
        wsrt_mem_free(&r->allocator, s, session_size(r));
        return WSRT_ERR_IO;
    }
    s->user = user;
    s->first = 1;
    s->state = REPLAYING; /* until its client has heard of it */
    struct session **chain = id_chain(r, s->id);
    s->by_id = *chain;
    *chain = s;
    bind_to(r, s, connection);
    r->count++;
    *out = s;
    return WSRT_OK;
}

void wsrt_resume_free(wsrt_resume *r)
{
    if (r == NULL)
        return;
    for (size_t i = 0; i < r->chains; i++)
        while (r->by_id[i] != NULL)
            end_session(r, r->by_id[i]);
    pthread_cond_destroy(&r->turn);
    pthread_mutex_destroy(&r->lock);
    dispose(r);
}

/* ---- opening ---- */

static uint64_t user_of(const wsrt_resume *r, wsrt_span user_id)
{
    unsigned char tag[WSRT_MAC_LEN];
    uint64_t out;

    wsrt_mac(r->key, user_id.ptr, user_id.len, tag);
    memcpy(&out, tag, sizeof out);
    return out;
}

/* The session of a token, and whether it can go on. */
static int judge(wsrt_resume *r, const wsrt_resume_request *q, uint64_t user, struct session **out)
{
    struct claim c;

    if (q->token.len == 0)
        return WSRT_RESUME_NEW;
    if (!wsrt_claim_read(&c, r->key, q->token) || c.user != user)
        return WSRT_RESUME_UNKNOWN;
    struct session *s = find_id(r, c.session);
    *out = s;
    if (s == NULL || c.expires <= (uint64_t)r->env.wall(r->env.user) ||
        (s->state == WAITING && s->ends_at <= r->env.now(r->env.user)))
        return WSRT_RESUME_EXPIRED;
    if (q->last > s->seq || q->last + 1 < s->first)
        return WSRT_RESUME_GAP;
    return WSRT_RESUME_RESUMED;
}

static void count_reason(wsrt_resume *r, int reason)
{
    uint64_t *const counts[] = {
        [WSRT_RESUME_RESUMED] = &r->stats.resumed, [WSRT_RESUME_NEW] = NULL,
        [WSRT_RESUME_EXPIRED] = &r->stats.expired, [WSRT_RESUME_GAP] = &r->stats.gaps,
        [WSRT_RESUME_UNKNOWN] = &r->stats.unknown,
    };

    if (counts[reason] != NULL)
        ++*counts[reason];
}

static void describe(const wsrt_resume *r, const struct session *s, wsrt_resume_result *out)
{
    struct claim c = {.number = s->seq, .user = s->user};

    out->seq = s->seq;
    out->missed = s->state == REPLAYING ? s->seq - s->told : 0;
    out->expires = r->env.wall(r->env.user) + r->token_ms;
    memcpy(c.session, s->id, SESSION_ID);
    c.expires = (uint64_t)out->expires;
    wsrt_claim_write(&c, r->key, out->token);
}

/* The connection has one session at the end: `s`, or a new one. */
static int settle(wsrt_resume *r, const wsrt_resume_request *q, uint64_t user, struct session **s)
{
    struct session *other = find(r, q->connection_id);

    if (other != NULL && other != *s)
        end_session(r, other);
    if (*s == NULL)
        return new_session(r, q->connection_id, user, s);
    stop_waiting(r, *s);
    if (!wsrt_span_equal(connection_of(*s), q->connection_id))
        keep_former(r, *s);
    unbind(r, *s);
    bind_to(r, *s, q->connection_id);
    drop_up_to(r, *s, q->last);
    (*s)->opens++;
    (*s)->told = q->last;
    (*s)->state = REPLAYING;
    return WSRT_OK;
}

static int open_locked(wsrt_resume *r, const wsrt_resume_request *q, wsrt_resume_result *out)
{
    uint64_t user = user_of(r, q->user_id);
    struct session *s = NULL;

    out->reason = judge(r, q, user, &s);
    count_reason(r, out->reason);
    if (s != NULL && !wsrt_span_equal(connection_of(s), q->connection_id))
        memcpy(out->old_connection_id, s->connection, s->connection_len);
    if (s != NULL && out->reason != WSRT_RESUME_RESUMED) {
        end_session(r, s);
        s = NULL;
    }
    int rc = settle(r, q, user, &s);
    if (rc == WSRT_OK)
        describe(r, s, out);
    return rc;
}

int wsrt_resume_open(wsrt_resume *r, const wsrt_resume_request *request, wsrt_resume_result *out)
{
    wsrt_resume_result result = {.struct_size = sizeof result};
    wsrt_resume_request q;

    if (r == NULL || request == NULL || !wsrt_size_valid(out, sizeof(wsrt_resume_result)))
        return WSRT_ERR_INVALID;
    int rc = wsrt_options_load(&q, sizeof q, sizeof(wsrt_resume_request), request);
    if (rc != WSRT_OK)
        return rc;
    if (q.flags != 0)
        return WSRT_ERR_UNSUPPORTED;
    if (q.connection_id.ptr == NULL || q.connection_id.len == 0 ||
        q.connection_id.len > MAX_CONNECTION_ID)
        return WSRT_ERR_INVALID;
    pthread_mutex_lock(&r->lock);
    rc = open_locked(r, &q, &result);
    pthread_mutex_unlock(&r->lock);
    return rc == WSRT_OK ? wsrt_report_fill(out, sizeof result, sizeof result, &result) : rc;
}

/* ---- messages to the client ---- */

/* After a failed send of `k`, `is_same` unless the client has come back meanwhile: then it was told again
 * what is kept. */
static int after_failure(wsrt_resume *r, struct session *s, int is_same, const struct kept *k,
                         int rc)
{
    int is_kept = k->len <= r->max_bytes;

    if (!is_same)
        return *place_of(r, s, k->seq) == k ? WSRT_OK : rc;
    if (rc == WSRT_ERR_GONE) {
        start_waiting(r, s);
        return is_kept ? WSRT_OK : WSRT_ERR_TOO_LARGE;
    }
    if (s->seq != k->seq)
        return is_kept ? WSRT_OK : rc;
    take_back_number(r, s);
    return rc;
}

struct sending {
    wsrt_span connection;
    wsrt_resume_send_fn send;
    void *user;
};

/* Under the lock, which it lets go of for the sending. */
static int send_kept(wsrt_resume *r, wsrt_span connection, struct kept *k,
                     wsrt_resume_send_fn send_one, void *user)
{
    pthread_mutex_unlock(&r->lock);
    int rc = send_one(&connection, (wsrt_span){k->text, k->len}, user);
    pthread_mutex_lock(&r->lock);
    return rc;
}

static struct session *wait_for_turn(wsrt_resume *r, wsrt_span connection)
{
    struct session *s;

    while ((s = find(r, connection)) != NULL && s->state == LIVE && s->sending) {
        r->in_line++;
        pthread_cond_wait(&r->turn, &r->lock);
        r->in_line--;
    }
    return s;
}

/* The session may have ended meanwhile, or got another connection. */
static int send_in_turn(wsrt_resume *r, struct session *s, struct kept *k,
                        const struct sending *out)
{
    unsigned char id[SESSION_ID];
    unsigned opens = s->opens;

    memcpy(id, s->id, sizeof id);
    s->sending = 1;
    int rc = send_kept(r, out->connection, k, out->send, out->user);
    s = find_id(r, id);
    if (s != NULL)
        s->sending = 0;
    if (r->in_line > 0)
        pthread_cond_broadcast(&r->turn);
    return s != NULL && rc < 0 ? after_failure(r, s, s->opens == opens, k, rc) : rc;
}

static int post_locked(wsrt_resume *r, wsrt_span message, const struct sending *out)
{
    struct session *s = wait_for_turn(r, out->connection);

    if (s == NULL)
        return WSRT_ERR_NOT_FOUND;
    struct kept *k = new_kept(r, s->seq + 1, message);
    if (k == NULL)
        return WSRT_ERR_NOMEM;
    int rc = WSRT_OK, fits = k->len <= r->max_bytes, away = s->state != LIVE;
    if (away && !fits)
        rc = WSRT_ERR_TOO_LARGE;
    if (!has_room(r, s, k->len)) {
        release(r, k);
        return fits ? WSRT_ERR_THROTTLED : rc;
    }
    take_number(r, s, k);
    if (!away)
        rc = send_in_turn(r, s, k, out);
    release(r, k);
    return rc;
}

int wsrt_resume_post(wsrt_resume *r, wsrt_span connection_id, wsrt_span message,
                     wsrt_resume_send_fn send, void *user)
{
    if (r == NULL || send == NULL || message.ptr == NULL || !is_object(message))
        return WSRT_ERR_INVALID;
    const struct sending out = {connection_id, send, user};
    pthread_mutex_lock(&r->lock);
    int rc = post_locked(r, message, &out);
    pthread_mutex_unlock(&r->lock);
    return rc;
}

/* The next that its client has not been told; NULL when there is none and posts go straight again. */
static struct kept *next_untold(wsrt_resume *r, wsrt_span connection)
{
    struct session *s = find(r, connection);

    if (s == NULL || s->state != REPLAYING)
        return NULL;
    if (s->told == s->seq) {
        s->state = LIVE;
        return NULL;
    }
    struct kept *k = *place_of(r, s, ++s->told);
    k->holders++;
    return k;
}

static void stop_replay(wsrt_resume *r, wsrt_span connection)
{
    struct session *s = find(r, connection);

    if (s != NULL && s->state == REPLAYING)
        start_waiting(r, s);
}

int wsrt_resume_replay(wsrt_resume *r, wsrt_span connection_id, wsrt_resume_send_fn send,
                       void *user)
{
    struct kept *k;
    int rc = WSRT_OK;

    if (r == NULL || send == NULL)
        return WSRT_ERR_INVALID;
    pthread_mutex_lock(&r->lock);
    while (rc >= 0 && (k = next_untold(r, connection_id)) != NULL) {
        rc = send_kept(r, connection_id, k, send, user);
        release(r, k);
        r->stats.replayed += rc >= 0;
    }
    if (rc < 0)
        stop_replay(r, connection_id);
    pthread_mutex_unlock(&r->lock);
    return rc < 0 ? rc : WSRT_OK;
}

/* ---- messages of the client ---- */

static int note_id(wsrt_resume *r, struct session *s, uint64_t hash)
{
    for (unsigned i = 0; i < SEEN_IDS; i++) {
        if (s->seen[i] == hash) {
            r->stats.duplicates++;
            return WSRT_ERR_EXISTS;
        }
    }
    s->seen[s->seen_at++ % SEEN_IDS] = hash;
    return WSRT_OK;
}

/* Never 0, which is an empty place. */
static uint64_t id_hash(const wsrt_resume *r, wsrt_span id)
{
    return wsrt_hash(r->hash_key, id.ptr, id.len) | 1;
}

int wsrt_resume_received(wsrt_resume *r, wsrt_span connection_id, wsrt_span id)
{
    if (r == NULL || (id.ptr == NULL && id.len > 0))
        return WSRT_ERR_INVALID;
    if (id.len == 0)
        return WSRT_OK;
    uint64_t hash = id_hash(r, id);
    pthread_mutex_lock(&r->lock);
    struct session *s = find_moved(r, connection_id);
    int rc = s == NULL ? WSRT_OK : note_id(r, s, hash);
    pthread_mutex_unlock(&r->lock);
    return rc;
}

void wsrt_resume_refused(wsrt_resume *r, wsrt_span connection_id, wsrt_span id)
{
    if (r == NULL || id.ptr == NULL || id.len == 0)
        return;
    uint64_t hash = id_hash(r, id);
    pthread_mutex_lock(&r->lock);
    struct session *s = find_moved(r, connection_id);
    for (unsigned i = 0; s != NULL && i < SEEN_IDS; i++)
        if (s->seen[i] == hash)
            s->seen[i] = 0;
    pthread_mutex_unlock(&r->lock);
}

wsrt_span wsrt_resume_current(wsrt_resume *r, wsrt_span connection_id, char room[WSRT_RESUME_ROOM])
{
    wsrt_span current = connection_id;

    pthread_mutex_lock(&r->lock);
    struct session *s = find_moved(r, connection_id);
    if (s != NULL) {
        memcpy(room, s->connection, s->connection_len);
        current = (wsrt_span){room, s->connection_len};
    }
    pthread_mutex_unlock(&r->lock);
    return current;
}

/* ---- connections that close ---- */

static int comes_back(int code)
{
    return code != 1000 && code != 1001 && code != 1002 && code != 1003 &&
           (code < 1007 || code > 1009) && (code < 4000 || code == 4401);
}

int wsrt_resume_closed(wsrt_resume *r, wsrt_span connection_id, int code)
{
    if (r == NULL)
        return 0;
    pthread_mutex_lock(&r->lock);
    struct session *s = find(r, connection_id);
    int waits = s != NULL && comes_back(code);
    if (waits)
        start_waiting(r, s);
    else if (s != NULL)
        end_session(r, s);
    pthread_mutex_unlock(&r->lock);
    return waits;
}

void wsrt_resume_signed_in(wsrt_resume *r, wsrt_span connection_id, wsrt_span user_id)
{
    if (r == NULL)
        return;
    pthread_mutex_lock(&r->lock);
    struct session *s = find(r, connection_id);
    if (s != NULL && s->user != user_of(r, user_id))
        end_session(r, s);
    pthread_mutex_unlock(&r->lock);
}

int64_t wsrt_resume_tick(wsrt_resume *r, void (*ended)(wsrt_span connection_id, void *user),
                         void *user)
{
    char connection[MAX_CONNECTION_ID];
    int64_t next = INT64_MAX;

    if (r == NULL)
        return next;
    int64_t now = r->env.now(r->env.user);
    pthread_mutex_lock(&r->lock);
    while (r->next_to_end != NULL && r->next_to_end->ends_at <= now) {
        wsrt_span id = {connection, r->next_to_end->connection_len};
        memcpy(connection, r->next_to_end->connection, id.len);
        end_session(r, r->next_to_end);
        pthread_mutex_unlock(&r->lock);
        if (ended != NULL)
            ended(id, user);
        pthread_mutex_lock(&r->lock);
    }
    if (r->next_to_end != NULL)
        next = r->next_to_end->ends_at;
    pthread_mutex_unlock(&r->lock);
    return next;
}

int wsrt_resume_get_stats(wsrt_resume *r, wsrt_resume_stats *out)
{
    if (r == NULL || out == NULL)
        return WSRT_ERR_INVALID;
    pthread_mutex_lock(&r->lock);
    wsrt_resume_stats stats = r->stats;
    for (const struct session *s = r->next_to_end; s != NULL; s = s->later)
        stats.waiting++;
    stats.live = r->count - stats.waiting;
    pthread_mutex_unlock(&r->lock);
    stats.struct_size = out->struct_size;
    return wsrt_report_fill(out, sizeof stats, sizeof stats, &stats);
}
