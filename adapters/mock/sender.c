/* The recording sender. */
#include "mock/internal.h"

#include "common/support.h"

#include <wsrt/json.h>
#include <wsrt/sender.h>

#include <string.h>

/* ---- peers by their ids ------------------------------------------------------------------- */

/* Where an id is, or would be; there are places, and some are free. */
static uint32_t *place_of(const wsrt_mock *m, wsrt_span id)
{
    uint64_t hash = 0xcbf29ce484222325u; /* FNV-1a */

    for (size_t i = 0; i < id.len; i++)
        hash = (hash ^ (unsigned char)id.ptr[i]) * 0x100000001b3u;
    for (size_t at = (size_t)(hash ^ hash >> 32);; at++) {
        uint32_t *place = &m->places[at & (m->place_count - 1)];
        if (*place == 0 || wsrt_span_equal(wsrt_span_cstr(m->peers[*place - 1].id), id))
            return place;
    }
}

/* Room for one more, and as many free places. */
static int grow_places(wsrt_mock *m)
{
    size_t before = m->place_count, count = before == 0 ? 32 : before * 2;

    if (2 * (m->peer_count + 1) <= before)
        return WSRT_OK;
    uint32_t *places = wsrt_adapter_realloc(&m->allocator, NULL, 0, count * sizeof *places);
    if (places == NULL)
        return WSRT_ERR_NOMEM;
    memset(places, 0, count * sizeof *places);
    if (m->places != NULL)
        wsrt_adapter_realloc(&m->allocator, m->places, before * sizeof *places, 0);
    m->places = places;
    m->place_count = count;
    for (size_t i = 0; i < m->peer_count; i++)
        *place_of(m, wsrt_span_cstr(m->peers[i].id)) = (uint32_t)i + 1;
    return WSRT_OK;
}

wsrt_mock_peer *wsrt_mock_peer_(wsrt_mock *m, wsrt_span id)
{
    uint32_t number = m->place_count == 0 ? 0 : *place_of(m, id);

    return number == 0 ? NULL : &m->peers[number - 1];
}

static wsrt_mock_peer *add_peer(wsrt_mock *m, wsrt_span id)
{
    void *array = m->peers;

    if (wsrt_mock_grow_(m, &array, m->peer_count, &m->peer_cap, sizeof *m->peers) != WSRT_OK)
        return NULL;
    m->peers = array;
    if (grow_places(m) != WSRT_OK)
        return NULL;
    *place_of(m, id) = (uint32_t)m->peer_count + 1;
    wsrt_mock_peer *peer = &m->peers[m->peer_count++];
    *peer = (wsrt_mock_peer){.open = 0};
    memcpy(peer->id, id.ptr, id.len);
    return peer;
}

/* ---- connections -------------------------------------------------------------------------- */

int wsrt_mock_open_(wsrt_mock *m, wsrt_span id, int open)
{
    wsrt_mock_peer *peer = wsrt_mock_peer_(m, id);

    if (peer == NULL && open)
        peer = add_peer(m, id);
    if (peer == NULL)
        return open ? WSRT_ERR_NOMEM : WSRT_OK;
    if (open && !peer->open)
        peer->connected_at = wsrt_mock_wall_(m);
    peer->open = open;
    peer->scripted = WSRT_OK;
    peer->times = 0;
    return WSRT_OK;
}

int wsrt_mock_open(wsrt_mock *m, const char *id_cstr, int open)
{
    wsrt_span id = wsrt_span_cstr(id_cstr);

    if (m == NULL || !wsrt_connection_id_valid(id))
        return WSRT_ERR_INVALID;
    pthread_mutex_lock(&m->lock);
    int rc = wsrt_mock_open_(m, id, open != 0);
    pthread_mutex_unlock(&m->lock);
    return rc;
}

int wsrt_mock_script(wsrt_mock *m, const char *id_cstr, int status, uint64_t times)
{
    if (m == NULL || status > WSRT_OK)
        return WSRT_ERR_INVALID;
    pthread_mutex_lock(&m->lock);
    wsrt_mock_peer *peer = wsrt_mock_peer_(m, wsrt_span_cstr(id_cstr));
    if (peer != NULL) {
        peer->scripted = status;
        peer->times = times;
    }
    pthread_mutex_unlock(&m->lock);
    return peer != NULL ? WSRT_OK : WSRT_ERR_NOT_FOUND;
}

static int follow_script(wsrt_mock_peer *peer)
{
    int status = peer->scripted;

    if (peer->times > 0 && --peer->times == 0)
        peer->scripted = WSRT_OK;
    if (status == WSRT_ERR_GONE)
        peer->open = 0;
    return status;
}

/* A writer without a buffer judges the text as it counts it. */
static int is_utf8(wsrt_span text)
{
    wsrt_json_writer w;

    wsrt_json_writer_init(&w, NULL, 0, 0);
    wsrt_json_string(&w, text);
    return wsrt_json_finish(&w, NULL) == WSRT_ERR_LIMIT;
}

static int judge(wsrt_mock *m, const wsrt_span *id, const wsrt_post *post)
{
    if (!wsrt_connection_id_valid(*id) ||
        (post->flags & ~(uint32_t)(WSRT_POST_BINARY | WSRT_POST_REPLY)) != 0)
        return WSRT_ERR_INVALID;
    if (post->data.len > m->max_post)
        return WSRT_ERR_TOO_LARGE;
    if ((post->flags & WSRT_POST_BINARY) == 0 && !is_utf8(post->data))
        return WSRT_ERR_INVALID;
    wsrt_mock_peer *peer = wsrt_mock_peer_(m, *id);
    return peer == NULL || !peer->open ? WSRT_ERR_GONE : follow_script(peer);
}

static int post_one(void *self, const wsrt_span *id, const wsrt_post *post)
{
    wsrt_mock *m = self;
    wsrt_mock_record what = {
        .kind = WSRT_MOCK_POST, .flags = post->flags, .connection_id = *id, .data = post->data};

    pthread_mutex_lock(&m->lock);
    what.status = judge(m, id, post);
    int rc = wsrt_mock_note_(m, &what);
    pthread_mutex_unlock(&m->lock);
    return rc != WSRT_OK ? rc : what.status;
}

static int post_many(void *self, const wsrt_span *ids, size_t n, const wsrt_post *post,
                     int *results)
{
    for (size_t i = 0; i < n; i++)
        results[i] = post_one(self, &ids[i], post);
    return WSRT_OK;
}

static int get_info(void *self, const wsrt_span *id, wsrt_connection_info *out)
{
    wsrt_mock *m = self;
    wsrt_connection_info info = {.struct_size = sizeof info, .source_ip = "192.0.2.1"};

    pthread_mutex_lock(&m->lock);
    const wsrt_mock_peer *peer = wsrt_mock_peer_(m, *id);
    int open = peer != NULL && peer->open;
    if (open) {
        info.connected_at = peer->connected_at;
        info.last_active_at = wsrt_mock_wall_(m);
    }
    pthread_mutex_unlock(&m->lock);
    return open ? wsrt_adapter_report(out, sizeof info, sizeof(wsrt_connection_info), &info)
                : WSRT_ERR_GONE;
}

static int disconnect(void *self, const wsrt_span *id, int code, const wsrt_span *reason)
{
    wsrt_mock *m = self;
    wsrt_mock_record what = {
        .kind = WSRT_MOCK_DISCONNECT, .code = code, .connection_id = *id, .data = *reason};

    pthread_mutex_lock(&m->lock);
    wsrt_mock_peer *peer = wsrt_mock_peer_(m, *id);
    what.status = peer == NULL || !peer->open ? WSRT_ERR_GONE : WSRT_OK;
    if (what.status == WSRT_OK)
        peer->open = 0;
    int rc = wsrt_mock_note_(m, &what);
    pthread_mutex_unlock(&m->lock);
    return rc != WSRT_OK ? rc : what.status;
}

/* Waiting is what moves a clock that stands still. */
static int wait_until(void *self, int64_t until)
{
    wsrt_mock *m = self;

    pthread_mutex_lock(&m->lock);
    if (until > m->now)
        m->now = until;
    pthread_mutex_unlock(&m->lock);
    return WSRT_OK;
}

static const wsrt_sender_ops sender_ops = {.struct_size = sizeof sender_ops,
                                           .post = post_one,
                                           .post_many = post_many,
                                           .get = get_info,
                                           .disconnect = disconnect,
                                           .wait = wait_until};

void wsrt_mock_sender(wsrt_mock *m, wsrt_sender *out)
{
    out->ops = &sender_ops;
    out->self = m;
}
