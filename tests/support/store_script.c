#include "store_script.h"

#include <stdio.h>

enum { NOW = 1000, BUFFER = 98304 };
enum act { PUT, REMOVE, SIGN_IN, FILTER, SAY, TOUCH };

/* What a step is: drawn from its number alone. */
struct step {
    enum act act;
    int record;
    int value;
};

static struct step draw(const struct script *s)
{
    static const enum act acts[] = {PUT, PUT, PUT, REMOVE, SIGN_IN, FILTER, SAY, SAY, TOUCH};
    uint64_t x = ((uint64_t)s->thread << 32 | (uint64_t)s->step) * 0x9e3779b97f4a7c15u;

    x = (x ^ x >> 29) * 0xbf58476d1ce4e5b9u;
    x ^= x >> 32;
    return (struct step){acts[x % 9], (int)(x / 9 % SCRIPT_IDS), (int)(x / 64 % 4)};
}

/* A text of its own for each number, of different sizes; 0 = empty. */
static wsrt_span text_of(int value)
{
    static const char bytes[2000] = "?";
    static const size_t sizes[] = {0, 7, 300, 2000};

    return (wsrt_span){bytes, sizes[value]};
}

static wsrt_span user_of(int value)
{
    static const char *const users[] = {"", "ann", "bob", "cid"};

    return wsrt_span_cstr(users[value]);
}

static wsrt_span id_of(const struct script *s, int record, char *room, size_t cap)
{
    snprintf(room, cap, "thread%d-record%d", s->thread, record);
    return wsrt_span_cstr(room);
}

static int say(const struct script *s, int value, const wsrt_history *history)
{
    char session[16], message[24];
    wsrt_history_entry e = {.struct_size = sizeof e,
                            .author = WSRT_AUTHOR_USER,
                            .content = text_of(value),
                            .timestamp = s->messages};

    snprintf(session, sizeof session, "session%d", s->thread);
    snprintf(message, sizeof message, "message%d", s->messages);
    e.session_id = wsrt_span_cstr(session);
    e.message_id = wsrt_span_cstr(message);
    return history->ops->append(history->self, &e);
}

int script_play(const struct script *s, const wsrt_store *store, const wsrt_history *history)
{
    struct step step = draw(s);
    char room[40];
    wsrt_span id = id_of(s, step.record, room, sizeof room), user = user_of(step.value),
              text = text_of(step.value);
    wsrt_record r = {.struct_size = sizeof r,
                     .connection_id = id,
                     .filters = text,
                     .connected_at = s->step + 1,
                     .last_active_at = s->step + 1};
    int there = s->records[step.record].there ? WSRT_OK : WSRT_ERR_NOT_FOUND;

    switch (step.act) {
    case PUT:
        return store->ops->put(store->self, &r, 0, NOW) == WSRT_OK;
    case REMOVE:
        return store->ops->remove(store->self, &id, 0) == WSRT_OK;
    case SIGN_IN:
        return store->ops->set_principal(store->self, &id, &user, &text) == there;
    case FILTER:
        return store->ops->set_filters(store->self, &id, &text) == there;
    case TOUCH:
        return store->ops->touch(store->self, &id, s->step + 1, 0) == there;
    case SAY:
        break;
    }
    return say(s, step.value, history) == WSRT_OK;
}

static void change(struct script *s, const struct step *step)
{
    int there = s->records[step->record].there;

    switch (step->act) {
    case PUT:
        s->records[step->record].there = 1;
        s->records[step->record].user = 0;
        s->records[step->record].filters = step->value;
        s->records[step->record].connected_at = s->records[step->record].last_active_at =
            s->step + 1;
        return;
    case REMOVE:
        s->records[step->record].there = 0;
        return;
    case SIGN_IN:
        s->records[step->record].user = there ? step->value : 0;
        return;
    case FILTER:
        s->records[step->record].filters = there ? step->value : 0;
        return;
    case SAY:
        s->messages++;
        return;
    case TOUCH:
        break;
    }
    if (there)
        s->records[step->record].last_active_at = s->step + 1;
}

void script_advance(struct script *s)
{
    struct step step = draw(s);

    change(s, &step);
    if (step.act != TOUCH)
        for (int i = 0; i < SCRIPT_IDS; i++)
            s->records[i].settled_at = s->records[i].last_active_at;
    s->step++;
}

static int record_matches(const struct script *s, int i, const wsrt_store *store, int cut)
{
    static char buffer[16384];
    char room[40];
    wsrt_span id = id_of(s, i, room, sizeof room);
    wsrt_record r = {.struct_size = sizeof r};
    int rc = store->ops->get(store->self, &id, NOW, &r, buffer, sizeof buffer);

    if (!s->records[i].there || rc != WSRT_OK)
        return rc == (s->records[i].there ? WSRT_OK : WSRT_ERR_NOT_FOUND);
    if (r.last_active_at != s->records[i].last_active_at &&
        (!cut || r.last_active_at < s->records[i].settled_at ||
         r.last_active_at > s->records[i].last_active_at))
        return 0;
    return r.connected_at == s->records[i].connected_at &&
           wsrt_span_equal(r.user_id, user_of(s->records[i].user)) &&
           wsrt_span_equal(r.filters, text_of(s->records[i].filters));
}

static int messages_match(const struct script *s, const wsrt_history *history)
{
    static wsrt_history_entry page[32];
    static char buffer[BUFFER];
    char session[16];
    wsrt_cursor c = {0};
    int next = s->messages;
    size_t n;

    snprintf(session, sizeof session, "session%d", s->thread);
    wsrt_span id = wsrt_span_cstr(session);
    while (!c.at_end) {
        page[0].struct_size = sizeof page[0];
        if (history->ops->list(history->self, &id, &c, NOW, page, 32, buffer, sizeof buffer, &n) !=
            WSRT_OK)
            return 0;
        for (size_t i = 0; i < n; i++)
            if (page[i].timestamp != --next)
                return 0;
    }
    return next == 0;
}

int script_matches(const struct script *s, const wsrt_store *store, const wsrt_history *history,
                   int cut)
{
    for (int i = 0; i < SCRIPT_IDS; i++)
        if (!record_matches(s, i, store, cut))
            return 0;
    return messages_match(s, history);
}
