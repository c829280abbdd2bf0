/* Clients: they dial, say things, listen, and go in every way there is. */
#include "sim.h"

#include "common/ws.h"

#include <wsrt/base.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_CLIENTS = 16, INBOX = 1 << 20, MOST_NUMBER = 250, USERS = 4 };

struct client {
    int number, user;
    struct wire *wire; /* NULL = not connected */
    int c;             /* this connection, in the ledger */
    enum { IDLE, ASKING, OPEN, LEAVING } state;
    int64_t n; /* of the last message sent */
    unsigned char *inbox;
    size_t have;
    /* The session that outlives connections. */
    char token[128];
    int64_t seq;
    int resuming; /* the next number follows the last one */
    /* Numbers of what came last, by the connection that caused it. */
    int64_t acknowledged[LEDGER_CONNECTIONS];
    int64_t told[LEDGER_CONNECTIONS];
};

static struct {
    struct client clients[MOST_CLIENTS];
    int resting;
} room;

static void dial_later(struct client *k, int64_t least_ms, int64_t most_ms);

/* ---- sending ------------------------------------------------------------------------------ */

static void send_frame(struct client *k, int opcode, int fin, const char *text, size_t len)
{
    unsigned char frame[4096 + WSRT_WS_HEADER_MAX], key[4];

    for (size_t i = 0; i < sizeof key; i++)
        key[i] = (unsigned char)dice(DICE_CLIENTS);
    size_t head = wsrt_ws_header(frame, opcode, fin, len, key);
    wsrt_ws_mask(frame + head, text, len, key);
    net_send(k->wire, frame, head + len);
}

static void send_text(struct client *k, const char *text)
{
    size_t len = strlen(text), first = dice_below(DICE_CLIENTS, len);

    if (!dice_chance(DICE_CLIENTS, 50)) {
        send_frame(k, WSRT_WS_OP_TEXT, 1, text, len);
        return;
    }
    send_frame(k, WSRT_WS_OP_TEXT, 0, text, first);
    if (dice_chance(DICE_CLIENTS, 500))
        send_frame(k, WSRT_WS_OP_PING, 1, "between", 7);
    send_frame(k, WSRT_WS_OP_CONTINUATION, 1, text + first, len - first);
}

static void say(struct client *k, const char *type)
{
    static const char padding[] =
        "................................................................";
    char text[1024];
    int pad = dice_chance(DICE_CLIENTS, 100) ? 64 : 0;

    if (k->n >= MOST_NUMBER)
        return;
    snprintf(text, sizeof text, "{\"type\":\"%s\",\"data\":{\"n\":%lld,\"pad\":\"%.*s\"}}", type,
             (long long)++k->n, pad, padding);
    send_text(k, text);
}

static void ask_for_session(struct client *k)
{
    char text[256];

    if (!plan.sessions)
        return;
    if (k->token[0] == '\0')
        snprintf(text, sizeof text, "{\"type\":\"resume\",\"data\":{}}");
    else
        snprintf(text, sizeof text,
                 "{\"type\":\"resume\",\"data\":{\"token\":\"%s\",\"last\":%lld}}", k->token,
                 (long long)k->seq);
    send_text(k, text);
}

static void send_close(struct client *k, uint16_t code)
{
    unsigned char payload[WSRT_WS_CONTROL_MAX];
    size_t len = wsrt_ws_close_payload(payload, code, (wsrt_span){NULL, 0});

    send_frame(k, WSRT_WS_OP_CLOSE, 1, (const char *)payload, len);
}

/* ---- what comes --------------------------------------------------------------------------- */

static int64_t number_after(const char *text, const char *key)
{
    const char *at = strstr(text, key);

    return at == NULL ? -1 : atoll(at + strlen(key));
}

/* Of one cause, numbers only grow. */
static void in_order(const struct client *k, int64_t *last, int64_t n, const char *what, int64_t c)
{
    if (n <= *last)
        violated("order", "client %d gets %s %lld of connection %lld after %lld", k->number, what,
                 (long long)n, (long long)c, (long long)*last);
    *last = n;
}

/* What a session numbers comes without a gap after it was resumed, and never twice. */
static void count_session(struct client *k, const char *text)
{
    int64_t seq = number_after(text, "\"seq\":");

    if (seq < 0)
        return;
    if (seq <= k->seq)
        violated("order", "client %d gets number %lld of its session after %lld", k->number,
                 (long long)seq, (long long)k->seq);
    if (k->resuming && seq != k->seq + 1)
        violated("order", "client %d resumed after %lld, and gets %lld", k->number,
                 (long long)k->seq, (long long)seq);
    k->resuming = 0;
    k->seq = seq;
}

static void take_session(struct client *k, const char *text)
{
    const char *token = strstr(text, "\"token\":\"");
    int resumed = strstr(text, "\"resumed\":true") != NULL;

    if (token != NULL)
        snprintf(k->token, sizeof k->token, "%.*s", (int)strcspn(token + 9, "\""), token + 9);
    work.resumed += (uint64_t)resumed;
    /* Of a session that keeps all it can, the oldest goes when one more comes before the replay. */
    k->resuming = resumed && number_after(text, "\"missed\":") < plan.kept;
    if (!resumed)
        k->seq = number_after(text, "\"seq\":");
    if (!resumed && k->seq < 0)
        k->seq = 0;
}

static void take_text(struct client *k, const char *text)
{
    int64_t c = number_after(text, "\"c\":"), n = number_after(text, "\"ack\":");

    if (strstr(text, "\"type\":\"session\"") != NULL) {
        take_session(k, text);
        return;
    }
    count_session(k, text);
    if (c < 0 || c >= LEDGER_CONNECTIONS)
        return;
    if (plan.sessions && strstr(text, "\"seq\":") == NULL)
        return; /* before it resumes: its session is told the same */
    if (n >= 0) {
        ledger_answered((int)c, n);
        in_order(k, &k->acknowledged[c], n, "answer", c);
    }
    n = number_after(text, "\"told\":");
    if (n >= 0)
        in_order(k, &k->told[c], n, "news", c);
}

static void end_in_order(struct client *k)
{
    k->state = LEAVING;
    net_close(k->wire);
    k->wire = NULL;
    dial_later(k, 10, 4000);
}

static void take_frame(struct client *k, int opcode, const unsigned char *payload, size_t len)
{
    char text[1024];

    world_note_bytes("receive", payload, len);
    if (opcode == WSRT_WS_OP_PING)
        send_frame(k, WSRT_WS_OP_PONG, 1, (const char *)payload, len);
    if (opcode == WSRT_WS_OP_TEXT) {
        snprintf(text, sizeof text, "%.*s", (int)len, (const char *)payload);
        take_text(k, text);
    }
    if (opcode == WSRT_WS_OP_CLOSE && k->state == OPEN) {
        send_frame(k, WSRT_WS_OP_CLOSE, 1, (const char *)payload, len);
        k->state = LEAVING;
    }
}

/* Bytes of a whole frame at the inbox's start; 0 = not there yet. */
static size_t frame_size(const struct client *k, size_t *head)
{
    size_t len;

    if (k->have < 2)
        return 0;
    if ((k->inbox[0] & 0xf0) != 0x80 || (k->inbox[1] & 0x80) != 0)
        violated("protocol", "the server sends a frame that begins %02x %02x", k->inbox[0],
                 k->inbox[1]);
    len = k->inbox[1];
    *head = len == 126 ? 4 : len == 127 ? 10 : 2;
    if (k->have < *head)
        return 0;
    for (size_t i = 2; i < *head; i++)
        len = (i == 2 ? 0 : len << 8) | k->inbox[i];
    return k->have < *head + len ? 0 : *head + len;
}

static void used(struct client *k, size_t n)
{
    k->have -= n;
    memmove(k->inbox, k->inbox + n, k->have);
}

static void take_frames(struct client *k)
{
    size_t head, size;

    while ((k->state == OPEN || k->state == LEAVING) && k->wire != NULL &&
           (size = frame_size(k, &head)) > 0) {
        take_frame(k, k->inbox[0] & 15, k->inbox + head, size - head);
        used(k, size);
    }
}

static void act(void *user, uint64_t c);

static void take_answer(struct client *k)
{
    unsigned char *end = memmem(k->inbox, k->have, "\r\n\r\n", 4);

    if (end == NULL)
        return;
    int opened = memcmp(k->inbox, "HTTP/1.1 101", 12) == 0;
    world_note("answer", k->number, opened);
    used(k, (size_t)(end - k->inbox) + 4);
    if (!opened) {
        work.refused++;
        end_in_order(k);
        return;
    }
    k->state = OPEN;
    ask_for_session(k);
    act(k, (uint64_t)k->c);
}

static void on_bytes(void *user, const unsigned char *bytes, size_t len)
{
    struct client *k = user;

    if (k->wire == NULL)
        return;
    if (k->have + len > INBOX)
        violated("bounds", "a client is sent more than %d bytes at once", INBOX);
    memcpy(k->inbox + k->have, bytes, len);
    k->have += len;
    if (k->state == ASKING)
        take_answer(k);
    if (k->state != ASKING)
        take_frames(k);
}

static void on_end(void *user, int reset)
{
    struct client *k = user;

    if (k->wire == NULL)
        return;
    world_note("end", k->number, reset);
    end_in_order(k);
}

/* ---- what they do ------------------------------------------------------------------------- */

static void break_network(struct client *k)
{
    uint64_t how = dice_below(DICE_CLIENTS, 4);

    world_note("network", k->number, (int64_t)how);
    work.faults++;
    if (how == 0) {
        net_stop_reading(k->wire, dice_between(DICE_CLIENTS, 100, 9000) * SIM_MS);
        return;
    }
    if (how == 1)
        net_reset(k->wire);
    else if (how == 2)
        net_darken(k->wire);
    else
        net_close(k->wire); /* without a close frame */
    k->wire = NULL;
    dial_later(k, 10, 5000);
}

static void misbehave(struct client *k)
{
    static const char *const bad[] = {"\x81\x05hello", "\xf1\x80\0\0\0\0", "\x83\x80\0\0\0\0",
                                      "\x80\x80\0\0\0\0"};
    uint64_t which = dice_below(DICE_CLIENTS, 4);

    net_send(k->wire, bad[which], which == 0 ? 7 : 6);
}

static void act_once(struct client *k)
{
    uint64_t choice = dice_below(DICE_CLIENTS, 1000);

    if (choice < 450)
        say(k, "say");
    else if (choice < 650)
        say(k, "call");
    else if (choice < 750)
        say(k, "shout");
    else if (choice < 850)
        say(k, "whisper");
    else if (choice < 900)
        send_frame(k, WSRT_WS_OP_PING, 1, "ping", 4);
    else if (choice < 920)
        say(k, "nonsense");
    else if (choice < 935)
        misbehave(k);
    else if (choice < 960) {
        send_close(k, dice_chance(DICE_CLIENTS, 500) ? 1000 : 4000);
        k->state = LEAVING;
    } else
        for (int64_t i = dice_between(DICE_CLIENTS, 3, 30); i > 0; i--)
            say(k, "say");
}

/* On this connection, as long as it is open. */
static void act(void *user, uint64_t c)
{
    struct client *k = user;

    if (k->state != OPEN || k->c != (int)c || k->wire == NULL)
        return;
    if (dice_chance(DICE_CLIENTS, plan.net_bad))
        break_network(k);
    else
        act_once(k);
    int64_t pause = dice_chance(DICE_CLIENTS, 300) ? 5 : 1500;
    world_later(dice_between(DICE_CLIENTS, 0, pause) * SIM_MS, act, k, c);
}

static void dial(void *user, uint64_t arg)
{
    struct client *k = user;
    const struct wire_ends ends = {on_bytes, on_end, k};
    char request[512], token[32] = "";

    (void)arg;
    if (room.resting || k->wire != NULL)
        return;
    k->c = ledger_dialled(k->user);
    k->wire = k->c < 0 ? NULL : net_dial(0x7f000001u + (uint32_t)k->number, &ends);
    if (k->wire == NULL)
        return;
    k->state = ASKING;
    k->n = 0;
    k->have = 0;
    k->resuming = 0;
    if (k->user > 0)
        snprintf(token, sizeof token, "&token=user-%d", k->user);
    int len = snprintf(request, sizeof request,
                       "GET /?c=%d%s HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
                       "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                       "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
                       k->c, token);
    world_note("dial", k->number, k->c);
    net_send(k->wire, request, (size_t)len);
}

static void dial_later(struct client *k, int64_t least_ms, int64_t most_ms)
{
    if (!room.resting)
        world_later(dice_between(DICE_CLIENTS, least_ms, most_ms) * SIM_MS, dial, k, 0);
}

int clients_ask(int c)
{
    for (int i = 0; i < plan.clients; i++)
        if (room.clients[i].c == c && room.clients[i].wire != NULL)
            return room.clients[i].state == ASKING;
    return 0;
}

void clients_rest(void)
{
    room.resting = 1;
}

void clients_forget(void)
{
    for (int i = 0; i < MOST_CLIENTS; i++)
        room.clients[i].wire = NULL;
}

void clients_begin(void)
{
    room.resting = 0;
    for (int i = 0; i < plan.clients; i++) {
        struct client *k = &room.clients[i];
        unsigned char *inbox = k->inbox == NULL ? malloc(INBOX) : k->inbox;
        if (k->wire != NULL)
            net_reset(k->wire);
        memset(k, 0, sizeof *k);
        k->inbox = inbox;
        k->number = i;
        k->user = (int)dice_below(DICE_CLIENTS, USERS);
        dial_later(k, 0, 1000);
    }
}
