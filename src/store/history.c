#include "store/memory.h"

#include "base/hash.h"
#include "base/options.h"
#include "store/rules.h"

#include <string.h>

enum { EXPIRE_WORK = 65536 };

/* One block a message: this, then session, id, connection, user, content. It hangs in two lists:
 * its session's, from the newest on, and that of all messages in the order they arrived. */
struct message {
    int64_t expires_at; /* first, for the slots */
    int64_t timestamp;
    uint32_t older;
    uint32_t newer;
    uint32_t arrived_before;
    uint32_t arrived_after;
    uint32_t content;
    uint8_t session;
    uint8_t id;
    uint8_t connection;
    uint8_t user;
    int32_t author;
    uint32_t reserved;
};

/* ---- blocks ------------------------------------------------------------------------------- */

static char *text_of(const struct message *e)
{
    return (char *)(uintptr_t)(e + 1);
}

static wsrt_span session_of(const struct message *e)
{
    return (wsrt_span){text_of(e), e->session};
}

static wsrt_span id_of(const struct message *e)
{
    return (wsrt_span){text_of(e) + e->session, e->id};
}

static size_t size_of(const struct message *e)
{
    return sizeof *e + e->session + e->id + e->connection + e->user + e->content;
}

static wsrt_span cut(char **at, size_t len)
{
    wsrt_span out = {*at, len};

    *at += len;
    return out;
}

static wsrt_history_entry view_of(const struct message *e)
{
    char *at = text_of(e);
    wsrt_history_entry out = {.struct_size = sizeof out,
                              .author = e->author,
                              .timestamp = e->timestamp,
                              .expires_at = e->expires_at};

    out.session_id = cut(&at, e->session);
    out.message_id = cut(&at, e->id);
    out.connection_id = cut(&at, e->connection);
    out.user_id = cut(&at, e->user);
    out.content = cut(&at, e->content);
    return out;
}

static void copy_in(char **at, wsrt_span text)
{
    if (text.len != 0)
        memcpy(*at, text.ptr, text.len);
    *at += text.len;
}

static struct message *build(wsrt_store_heap *heap, const wsrt_history_entry *in)
{
    struct message lengths = {.expires_at = in->expires_at,
                              .timestamp = in->timestamp,
                              .content = (uint32_t)in->content.len,
                              .session = (uint8_t)in->session_id.len,
                              .id = (uint8_t)in->message_id.len,
                              .connection = (uint8_t)in->connection_id.len,
                              .user = (uint8_t)in->user_id.len,
                              .author = in->author};
    struct message *e = wsrt_store_alloc(heap, size_of(&lengths));

    if (e == NULL)
        return NULL;
    *e = lengths;
    char *at = text_of(e);
    copy_in(&at, in->session_id);
    copy_in(&at, in->message_id);
    copy_in(&at, in->connection_id);
    copy_in(&at, in->user_id);
    copy_in(&at, in->content);
    return e;
}

/* ---- looking up --------------------------------------------------------------------------- */

static uint64_t session_hash(const wsrt_memory_store *m, wsrt_span session)
{
    return wsrt_hash(m->hash_key, session.ptr, session.len);
}

static uint64_t message_hash(uint64_t session, wsrt_span id)
{
    return wsrt_hash(session, id.ptr, id.len);
}

static struct message *at(const wsrt_memory_store *m, uint32_t slot)
{
    return wsrt_slots_at(&m->messages.slots, slot);
}

static uint32_t find_message(const wsrt_memory_store *m, wsrt_span session, wsrt_span id,
                             uint64_t hash)
{
    size_t step = 0;
    uint32_t slot;

    do
        slot = wsrt_index_next(&m->messages.ids, hash, &step);
    while (slot != WSRT_NO_SLOT && !(wsrt_span_equal(id_of(at(m, slot)), id) &&
                                     wsrt_span_equal(session_of(at(m, slot)), session)));
    return slot;
}

/* The newest message of a session. */
static uint32_t find_session(const wsrt_memory_store *m, wsrt_span session, uint64_t hash)
{
    size_t step = 0;
    uint32_t slot;

    do
        slot = wsrt_index_next(&m->messages.sessions, hash, &step);
    while (slot != WSRT_NO_SLOT && !wsrt_span_equal(session_of(at(m, slot)), session));
    return slot;
}

/* Whether a message comes before another's time and id in a list that begins with the newest. */
static int newer_than(const struct message *e, int64_t timestamp, wsrt_span id)
{
    if (e->timestamp != timestamp)
        return e->timestamp > timestamp;
    size_t shorter = e->id < id.len ? e->id : id.len;
    int order = memcmp(id_of(e).ptr, id.ptr, shorter);
    return order != 0 ? order > 0 : e->id > id.len;
}

/* From `slot` on towards older ones, the first that is not newer than that. */
static uint32_t seek(const wsrt_memory_store *m, uint32_t slot, int64_t timestamp, wsrt_span id)
{
    while (slot != WSRT_NO_SLOT && newer_than(at(m, slot), timestamp, id))
        slot = at(m, slot)->older;
    return slot;
}

/* ---- the two lists ------------------------------------------------------------------------ */

/* Room in the index of sessions is reserved. Messages mostly come in order: the search is short. */
static void join_session(wsrt_memory_store *m, uint32_t slot, uint64_t hash)
{
    struct message *e = at(m, slot);
    uint32_t newest = find_session(m, session_of(e), hash), newer = WSRT_NO_SLOT;

    e->older = newest;
    while (e->older != WSRT_NO_SLOT && newer_than(at(m, e->older), e->timestamp, id_of(e))) {
        newer = e->older;
        e->older = at(m, newer)->older;
    }
    e->newer = newer;
    if (e->older != WSRT_NO_SLOT)
        at(m, e->older)->newer = slot;
    if (newer != WSRT_NO_SLOT)
        at(m, newer)->older = slot;
    else if (newest != WSRT_NO_SLOT)
        wsrt_index_change(&m->messages.sessions, hash, newest, slot);
    else
        wsrt_index_add(&m->messages.sessions, hash, slot);
}

static void leave_session(wsrt_memory_store *m, uint32_t slot, uint64_t hash)
{
    struct message *e = at(m, slot);

    if (e->newer != WSRT_NO_SLOT)
        at(m, e->newer)->older = e->older;
    else if (e->older != WSRT_NO_SLOT)
        wsrt_index_change(&m->messages.sessions, hash, slot, e->older);
    else
        wsrt_index_drop(&m->messages.sessions, hash, slot);
    if (e->older != WSRT_NO_SLOT)
        at(m, e->older)->newer = e->newer;
}

static void arrive(wsrt_memory_store *m, uint32_t slot)
{
    struct message *e = at(m, slot);

    e->arrived_before = m->messages.latest;
    e->arrived_after = WSRT_NO_SLOT;
    if (m->messages.latest != WSRT_NO_SLOT)
        at(m, m->messages.latest)->arrived_after = slot;
    else
        m->messages.oldest = slot;
    m->messages.latest = slot;
}

static void depart(wsrt_memory_store *m, uint32_t slot)
{
    struct message *e = at(m, slot);

    if (e->arrived_before != WSRT_NO_SLOT)
        at(m, e->arrived_before)->arrived_after = e->arrived_after;
    else
        m->messages.oldest = e->arrived_after;
    if (e->arrived_after != WSRT_NO_SLOT)
        at(m, e->arrived_after)->arrived_before = e->arrived_before;
    else
        m->messages.latest = e->arrived_before;
}

static void drop(wsrt_memory_store *m, uint32_t slot)
{
    struct message *e = at(m, slot);
    uint64_t hash = session_hash(m, session_of(e));

    leave_session(m, slot, hash);
    depart(m, slot);
    wsrt_index_drop(&m->messages.ids, message_hash(hash, id_of(e)), slot);
    wsrt_slots_release(&m->messages.slots, slot);
    wsrt_store_free(&m->heap, e, size_of(e));
}

/* ---- the table ---------------------------------------------------------------------------- */

static int insert(wsrt_memory_store *m, const wsrt_history_entry *in, uint64_t session,
                  uint64_t hash)
{
    int rc = wsrt_slots_reserve(&m->messages.slots, &m->heap);

    if (rc == WSRT_OK)
        rc = wsrt_index_reserve(&m->messages.ids, &m->heap);
    if (rc == WSRT_OK)
        rc = wsrt_index_reserve(&m->messages.sessions, &m->heap);
    if (rc != WSRT_OK)
        return rc;
    struct message *e = build(&m->heap, in);
    if (e == NULL)
        return WSRT_ERR_NOMEM;
    if (m->messages.slots.used >= m->messages.max)
        drop(m, m->messages.oldest);
    uint32_t slot = wsrt_slots_take(&m->messages.slots, e);
    wsrt_index_add(&m->messages.ids, hash, slot);
    join_session(m, slot, session);
    arrive(m, slot);
    return WSRT_OK;
}

static int append(void *self, const wsrt_history_entry *entry)
{
    wsrt_memory_store *m = self;
    wsrt_history_entry in = {.struct_size = sizeof in};
    int rc = wsrt_history_entry_load(&in, entry);

    if (rc != WSRT_OK)
        return rc;
    uint64_t session = session_hash(m, in.session_id);
    uint64_t hash = message_hash(session, in.message_id);
    pthread_mutex_lock(&m->lock);
    if (find_message(m, in.session_id, in.message_id, hash) == WSRT_NO_SLOT)
        rc = insert(m, &in, session, hash);
    pthread_mutex_unlock(&m->lock);
    return rc;
}

/* The message that a listing goes on with: its order, so that the place outlives it. */
struct place {
    uint64_t store;
    uint64_t session;
    int64_t timestamp;
    uint64_t length;
    char id[WSRT_MESSAGE_ID_MAX];
};

static uint32_t visible_from(const wsrt_memory_store *m, uint32_t slot, int64_t now_s)
{
    while (slot != WSRT_NO_SLOT && wsrt_slots_expired(at(m, slot), now_s))
        slot = at(m, slot)->older;
    return slot;
}

static int start(const wsrt_memory_store *m, wsrt_span session, uint64_t hash,
                 const wsrt_cursor *cursor, uint32_t *slot)
{
    struct place p = {0};
    int began;
    int rc = wsrt_cursor_read(cursor, &p, sizeof p, &began);

    if (rc != WSRT_OK || p.length > sizeof p.id ||
        (began && (p.store != m->identity || p.session != hash)))
        return WSRT_ERR_INVALID;
    *slot = cursor->at_end ? WSRT_NO_SLOT : find_session(m, session, hash);
    if (!began || *slot == WSRT_NO_SLOT)
        return WSRT_OK;
    wsrt_span id = {p.id, (size_t)p.length};
    uint32_t same = find_message(m, session, id, message_hash(hash, id));
    *slot = same != WSRT_NO_SLOT && at(m, same)->timestamp == p.timestamp
                ? same
                : seek(m, *slot, p.timestamp, id);
    return WSRT_OK;
}

static void keep_place(const wsrt_memory_store *m, uint64_t hash, uint32_t slot,
                       wsrt_cursor *cursor)
{
    struct place p = {.store = m->identity, .session = hash};

    if (slot != WSRT_NO_SLOT) {
        wsrt_span id = id_of(at(m, slot));
        p.timestamp = at(m, slot)->timestamp;
        p.length = id.len;
        memcpy(p.id, id.ptr, id.len);
    }
    wsrt_cursor_write(cursor, &p, sizeof p);
    cursor->at_end = slot == WSRT_NO_SLOT;
}

static int emit(const struct message *e, void *out, size_t stride, wsrt_text_sink *sink)
{
    wsrt_history_entry v = view_of(e);
    wsrt_text_sink try = *sink;

    if (!wsrt_text_copy(&try, &v.message_id) || !wsrt_text_copy(&try, &v.session_id) ||
        !wsrt_text_copy(&try, &v.connection_id) || !wsrt_text_copy(&try, &v.user_id) ||
        !wsrt_text_copy(&try, &v.content))
        return 0;
    *sink = try;
    wsrt_out_write(out, stride, &v, sizeof v);
    return 1;
}

static int list(void *self, const wsrt_span *session_id, wsrt_cursor *cursor, int64_t now_s,
                wsrt_history_entry *out, size_t max, char *buf, size_t cap, size_t *count)
{
    wsrt_memory_store *m = self;
    wsrt_text_sink sink = {buf, cap};
    uint32_t slot;
    size_t n = 0;

    if (session_id == NULL || cursor == NULL || out == NULL || count == NULL || max == 0 ||
        (buf == NULL && cap != 0) || !wsrt_store_fits(*session_id, 1, WSRT_MESSAGE_ID_MAX))
        return WSRT_ERR_INVALID;
    size_t stride = wsrt_out_stride(out, sizeof *out);
    if (stride == 0)
        return WSRT_ERR_INVALID;
    uint64_t hash = session_hash(m, *session_id);
    pthread_mutex_lock(&m->lock);
    int rc = start(m, *session_id, hash, cursor, &slot);
    while (rc == WSRT_OK) {
        slot = visible_from(m, slot, now_s);
        if (slot == WSRT_NO_SLOT || n == max ||
            !emit(at(m, slot), (char *)out + n * stride, stride, &sink))
            break;
        slot = at(m, slot)->older;
        n++;
    }
    if (rc == WSRT_OK && n == 0 && slot != WSRT_NO_SLOT)
        rc = WSRT_ERR_LIMIT;
    if (rc == WSRT_OK) {
        keep_place(m, hash, slot, cursor);
        *count = n;
    }
    pthread_mutex_unlock(&m->lock);
    return rc;
}

static int expire(void *self, int64_t now_s, size_t limit, size_t *removed)
{
    wsrt_memory_store *m = self;

    if (removed == NULL)
        return WSRT_ERR_INVALID;
    pthread_mutex_lock(&m->lock);
    wsrt_slots_round round = wsrt_slots_round_start(&m->messages.slots, EXPIRE_WORK);
    for (*removed = 0; *removed < limit; ++*removed) {
        uint32_t slot = wsrt_slots_round_next(&m->messages.slots, &round, now_s);
        if (slot == WSRT_NO_SLOT)
            break;
        drop(m, slot);
    }
    pthread_mutex_unlock(&m->lock);
    return WSRT_OK;
}

const wsrt_history_ops wsrt_memory_history_ops = {
    .struct_size = sizeof(wsrt_history_ops),
    .append = append,
    .list = list,
    .expire = expire,
};

void wsrt_memory_messages_free(wsrt_memory_store *m)
{
    uint32_t slot = 0;

    while ((slot = wsrt_slots_next(&m->messages.slots, slot)) != WSRT_NO_SLOT) {
        struct message *e = at(m, slot++);
        wsrt_store_free(&m->heap, e, size_of(e));
    }
    wsrt_index_free(&m->messages.ids, &m->heap);
    wsrt_index_free(&m->messages.sessions, &m->heap);
    wsrt_slots_free(&m->messages.slots, &m->heap);
}
