/* What must hold, whatever happens: kept beside the server, from what it says and does. */
#include "sim.h"

#include <wsrt/breaker.h>
#include <wsrt/store.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_NUMBER = 256, USERS = 8, STORED = 1, PROMISED = 2, PAGE = 16, ROOM = 128 * 1024 };

#define PATIENCE (SIM_HANDSHAKE_MS * SIM_MS) /* the server's, which begins when it has accepted */

/* Units that come back with time, as a limit is defined. */
struct bucket {
    int64_t since;
    double used;
};

struct connection {
    char id[LEDGER_TEXT];
    int user, connects, disconnects, life;
    int put, removing, parted;
    int64_t dialled;
    int put_at_cut, removed_at_cut;
    uint64_t removed; /* when; 0 = it was not */
    int64_t last;     /* number of the last message that the application saw */
    struct bucket bucket;
    unsigned char messages[MOST_NUMBER]; /* bits: STORED, PROMISED */
};

static struct {
    struct connection connections[LEDGER_CONNECTIONS];
    int count, life;
    uint64_t moment; /* grows with each removal */
    struct bucket users[USERS];
    uint64_t outcomes[4], refused_calls;
    uint64_t generation; /* of the probes under way */
    int probes;
} ledger;

/* ---- who is who --------------------------------------------------------------------------- */

int ledger_dialled(int user)
{
    if (ledger.count == LEDGER_CONNECTIONS - 8) /* others send under the last numbers */
        return -1;
    ledger.connections[ledger.count] =
        (struct connection){.user = user, .life = ledger.life, .dialled = world_now()};
    return ledger.count++;
}

int ledger_find(wsrt_span id)
{
    for (int c = ledger.count - 1; c >= 0; c--)
        if (strlen(ledger.connections[c].id) == id.len && id.len > 0 &&
            memcmp(ledger.connections[c].id, id.ptr, id.len) == 0)
            return c;
    return -1;
}

wsrt_span ledger_id(int c)
{
    return wsrt_span_cstr(ledger.connections[c].id);
}

int ledger_some(void)
{
    return ledger.count == 0 ? -1 : (int)dice_below(DICE_APP, (uint64_t)ledger.count);
}

static struct connection *known(wsrt_span id, const char *by)
{
    int c = ledger_find(id);

    if (c < 0)
        violated("identity", "%s knows a connection that nobody made: %.*s", by, (int)id.len,
                 id.ptr);
    return &ledger.connections[c];
}

/* ---- the application's side --------------------------------------------------------------- */

void ledger_connects(int c, wsrt_span id)
{
    struct connection *k = &ledger.connections[c];

    if (ledger_find(id) >= 0)
        violated("identity", "the id %.*s is given twice", (int)id.len, id.ptr);
    if (k->connects++ > 0)
        violated("order", "connection %d has two CONNECTs", c);
    snprintf(k->id, sizeof k->id, "%.*s", (int)id.len, id.ptr);
    work.connections++;
}

void ledger_disconnects(wsrt_span id)
{
    struct connection *k = known(id, "a DISCONNECT");

    if (k->disconnects++ > 0)
        violated("order", "%s has two DISCONNECTs", k->id);
}

static void charge(struct bucket *b, int64_t now, double rate, double burst, const char *whose)
{
    if (now > b->since) {
        b->used -= (double)(now - b->since) / 1e9 * rate;
        b->since = now;
    }
    b->used = (b->used < 0 ? 0 : b->used) + 1;
    if (b->used > burst + 1e-4)
        violated("burst", "%.4f units of %.0f are used at once by %s", b->used, burst, whose);
}

void ledger_message(wsrt_span id, int64_t n, int64_t now)
{
    struct connection *k = known(id, "a message");

    if (k->disconnects > 0)
        violated("order", "a message of %s comes after its DISCONNECT", k->id);
    if (n <= k->last)
        violated("order", "message %lld of %s comes after %lld", (long long)n, k->id,
                 (long long)k->last);
    k->last = n;
    work.messages++;
    charge(&k->bucket, now, plan.rate, plan.burst, "a connection");
    if (k->user > 0)
        charge(&ledger.users[k->user], now, plan.rate * 2, plan.burst * 2, "a user");
}

void ledger_stored(int c, int64_t n)
{
    ledger.connections[c].messages[n] |= STORED;
}

uint64_t ledger_call_begins(int state, uint64_t generation)
{
    work.calls++;
    if (state != WSRT_BREAKER_HALF_OPEN)
        return 0;
    ledger.probes = generation == ledger.generation ? ledger.probes + 1 : 1;
    ledger.generation = generation;
    work.probes++;
    if (ledger.probes > plan.permits)
        violated("probes", "%d are under way, %d may be", ledger.probes, plan.permits);
    return generation;
}

void ledger_call_ends(int outcome, uint64_t probe)
{
    ledger.outcomes[outcome]++;
    ledger.probes -= probe != 0 && probe == ledger.generation;
}

void ledger_call_refused(void)
{
    ledger.refused_calls++;
}

/* ---- the store's side --------------------------------------------------------------------- */

uint64_t ledger_moment(void)
{
    return ledger.moment;
}

void ledger_put(wsrt_span id)
{
    known(id, "the store")->put = 1;
}

/* Nothing but the end of its time, or the application, may part a client from its server before the 101. */
static int arrives(const struct connection *k)
{
    return k->put && !k->parted && k->disconnects == 0 && plan.call_bad == 0 &&
           plan.memory_bad == 0 && host_serves() && world_now() - k->dialled < PATIENCE &&
           clients_ask((int)(k - ledger.connections));
}

void ledger_parts(wsrt_span id)
{
    known(id, "an end")->parted = 1;
}

void ledger_removing(wsrt_span id)
{
    struct connection *k = known(id, "a removal");

    if (arrives(k))
        violated("arriving", "the record of %s is given up, and its client waits for the 101",
                 k->id);
    k->removing = 1;
}

void ledger_removed(wsrt_span id, int rc)
{
    struct connection *k = known(id, "a removal");

    if (rc == WSRT_OK && k->disconnects > 0)
        k->removed = ++ledger.moment;
}

void ledger_found(wsrt_span id, uint64_t since, const char *by)
{
    const struct connection *k = known(id, by);

    if (k->removed != 0 && k->removed <= since)
        violated("resurrected", "%s finds connection %d of life %d, which was removed", by,
                 (int)(k - ledger.connections), k->life);
}

/* ---- the client's side -------------------------------------------------------------------- */

void ledger_answered(int c, int64_t n)
{
    work.acknowledged++;
    if ((ledger.connections[c].messages[n] & STORED) == 0)
        violated("acknowledged", "message %lld of connection %d, which was not stored",
                 (long long)n, c);
}

/* ---- judgements --------------------------------------------------------------------------- */

void ledger_judge_calls(const wsrt_breaker_stats *s)
{
    uint64_t made = ledger.outcomes[WSRT_SUCCESS] + ledger.outcomes[WSRT_FAILURE] +
                    ledger.outcomes[WSRT_IGNORED];
    uint64_t told = s->lifetime_successes + s->lifetime_failures + s->ignored + s->stale;

    if (told > made ||
        (told < made && plan.memory_bad == 0)) /* a call may go unguarded for want of it */
        violated("recorded",
                 "%llu calls were made (%llu successes, %llu failures), the breaker "
                 "recorded %llu (%llu, %llu, %llu ignored, %llu stale)",
                 (unsigned long long)made, (unsigned long long)ledger.outcomes[WSRT_SUCCESS],
                 (unsigned long long)ledger.outcomes[WSRT_FAILURE], (unsigned long long)told,
                 (unsigned long long)s->lifetime_successes,
                 (unsigned long long)s->lifetime_failures, (unsigned long long)s->ignored,
                 (unsigned long long)s->stale);
    if (s->lifetime_failures > ledger.outcomes[WSRT_FAILURE] ||
        s->lifetime_successes > ledger.outcomes[WSRT_SUCCESS])
        violated("recorded", "%llu successes and %llu failures, of %llu and %llu that there were",
                 (unsigned long long)s->lifetime_successes,
                 (unsigned long long)s->lifetime_failures,
                 (unsigned long long)ledger.outcomes[WSRT_SUCCESS],
                 (unsigned long long)ledger.outcomes[WSRT_FAILURE]);
    if (s->rejected != ledger.refused_calls && plan.memory_bad == 0)
        violated("recorded", "%llu calls were refused, the breaker says %llu",
                 (unsigned long long)ledger.refused_calls, (unsigned long long)s->rejected);
}

void ledger_judge_messages(uint64_t came, uint64_t counted)
{
    if (counted > came || (counted < came && plan.memory_bad == 0))
        violated("recorded", "%llu messages came, the monitor counted %llu",
                 (unsigned long long)came, (unsigned long long)counted);
}

static int number_of(wsrt_span id)
{
    char text[LEDGER_TEXT];

    snprintf(text, sizeof text, "%.*s", (int)id.len, id.ptr);
    return atoi(text + 1);
}

/* Marks what the history holds of a connection's messages. */
static void read_history(const wsrt_history *history, int c, unsigned char *found)
{
    static char buffer[ROOM];
    wsrt_history_entry page[PAGE];
    wsrt_cursor cursor = {0};
    char text[LEDGER_TEXT];
    size_t count;

    snprintf(text, sizeof text, "s%d", c);
    wsrt_span session = wsrt_span_cstr(text);
    while (!cursor.at_end) {
        page[0].struct_size = sizeof page[0];
        int rc = history->ops->list(history->self, &session, &cursor, world_wall() / 1000, page,
                                    PAGE, buffer, sizeof buffer, &count);
        if (rc != WSRT_OK)
            violated("acknowledged", "the history of %s cannot be read: %s", text,
                     wsrt_status_name(rc));
        for (size_t i = 0; i < count; i++) {
            int n = number_of(page[i].message_id);
            if (n > 0 && n < MOST_NUMBER)
                found[n] = 1;
        }
    }
}

static void judge_messages(const wsrt_history *history, int c, int after_cut)
{
    const struct connection *k = &ledger.connections[c];
    unsigned char found[MOST_NUMBER] = {0};
    int bit = after_cut ? PROMISED : STORED;

    read_history(history, c, found);
    for (int n = 0; n < MOST_NUMBER; n++)
        if ((k->messages[n] & bit) != 0 && !found[n])
            violated("acknowledged", "message %d of connection %d is lost%s", n, c,
                     after_cut ? " in a power cut" : "");
}

static void judge_record(const wsrt_store *store, int c, int after_cut)
{
    static char buffer[16384];
    const struct connection *k = &ledger.connections[c];
    wsrt_record r = {.struct_size = sizeof r};
    wsrt_span id = wsrt_span_cstr(k->id);

    if (id.len == 0)
        return;
    int there = store->ops->get(store->self, &id, world_wall() / 1000, &r, buffer, sizeof buffer) ==
                WSRT_OK;
    if (after_cut && k->removed_at_cut && there)
        violated("resurrected", "the power cut brought %s back", k->id);
    if (after_cut && k->put_at_cut && !there)
        violated("acknowledged", "the power cut took %s away", k->id);
    if (!after_cut && there && (k->removed != 0 || (plan.store_bad == 0 && plan.disk_bad == 0)))
        violated("resurrected", "%s is still stored, and nobody is connected", k->id);
}

void ledger_judge_store(const wsrt_store *store, const wsrt_history *history, int after_cut)
{
    for (int c = 0; c < ledger.count; c++) {
        judge_record(store, c, after_cut);
        judge_messages(history, c, after_cut);
    }
}

void ledger_judge_end(void)
{
    for (int c = 0; c < ledger.count; c++) {
        const struct connection *k = &ledger.connections[c];
        if (k->put && k->disconnects != 1)
            violated("order", "%s has connected, and has %d DISCONNECTs", k->id, k->disconnects);
    }
}

void ledger_cut(void)
{
    for (int c = 0; c < ledger.count; c++) {
        struct connection *k = &ledger.connections[c];
        k->put_at_cut = k->put && !k->removing;
        k->removed_at_cut = k->removed != 0;
        for (int n = 0; n < MOST_NUMBER; n++)
            k->messages[n] |= (k->messages[n] & STORED) != 0 ? PROMISED : 0;
    }
}

/* Only what was promised before the cut has to be there from now on. */
void ledger_new_life(void)
{
    for (int c = 0; c < ledger.count; c++) {
        struct connection *k = &ledger.connections[c];
        for (int n = 0; n < MOST_NUMBER; n++)
            k->messages[n] = (k->messages[n] & PROMISED) != 0 ? STORED : 0;
        if (k->put)
            k->removed =
                ++ledger.moment; /* those of an earlier life are removed at the start of the next */
    }
    ledger.life++;
    memset(ledger.users, 0, sizeof ledger.users);
    memset(ledger.outcomes, 0, sizeof ledger.outcomes);
    ledger.refused_calls = 0;
    ledger.generation = 0;
    ledger.probes = 0;
}

void ledger_begin(void)
{
    memset(&ledger, 0, sizeof ledger);
}
