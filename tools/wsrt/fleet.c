#define _GNU_SOURCE
#include "fleet.h"

#include "tool.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

enum { EVENTS = 256, BEAT_MS = 20, BURST = 40, TEXT_MAX = 512, OPENS_A_BEAT = 16 };

uint64_t fleet_dice(uint64_t *state)
{
    uint64_t z = *state += UINT64_C(0x9E3779B97F4A7C15);

    z = (z ^ z >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ z >> 27) * UINT64_C(0x94D049BB133111EB);
    return z ^ z >> 31;
}

static double at_most(double value, double most)
{
    return value < most ? value : most;
}

/* Few clients talk more each, so that a small fleet makes a living page too. */
static struct fleet_rates rates_for(size_t count, int subscribes)
{
    double n = (double)count;
    double talks = n * 0.1 > 40 ? at_most(n * 0.1, 200) : at_most(n * 2, 40);

    return (struct fleet_rates){.opens = n / 8 > 10 ? n / 8 : 10,
                                .talks = subscribes ? 0 : talks,
                                .pings = at_most(n * 0.1, 200),
                                .broadcasts = subscribes ? 0 : 1,
                                .mistakes = 0.5,
                                .bursts = n > 200 ? at_most(n * 0.00025, 0.25) : 0.05,
                                .leaves = at_most(n * 0.002, 5)};
}

/* ---- one client ---- */

static void watch(struct fleet *f, size_t i, int how)
{
    struct epoll_event interest = {.events = EPOLLIN, .data.u64 = i};

    if (client_has_unsent(&f->clients[i]))
        interest.events |= EPOLLOUT;
    epoll_ctl(f->epoll, how, f->clients[i].fd, &interest);
}

static void drop(struct fleet *f, size_t i)
{
    epoll_ctl(f->epoll, EPOLL_CTL_DEL, f->clients[i].fd, NULL);
    client_end(&f->clients[i]);
    atomic_fetch_sub(&f->open, 1);
}

static void say(struct fleet *f, size_t i, const char *text)
{
    struct client *c = &f->clients[i];
    int waiting;

    if (c->fd < 0)
        return;
    waiting = client_has_unsent(c);
    atomic_fetch_add(&f->sent, 1);
    if (client_send(c, WSRT_WS_OP_TEXT, text, strlen(text)) != 0)
        drop(f, i);
    else if (!waiting && client_has_unsent(c))
        watch(f, i, EPOLL_CTL_MOD);
}

static void greet(struct fleet *f, size_t i)
{
    static const char *const regions[] = {"north", "south", "east", "west"};
    char text[TEXT_MAX];

    snprintf(text, sizeof text,
             "{\"type\":\"auth\",\"data\":{\"action\":\"login\",\"token\":\"fleet-%zu\"}}", i);
    say(f, i, text);
    if (!f->settings.subscribes)
        return;
    snprintf(text, sizeof text,
             "{\"type\":\"subscribe\",\"data\":{\"filter\":{\"region\":[\"%s\"],"
             "\"load\":{\"gte\":%.1f}}}}",
             regions[i % 4], (double)(i % 10) / 10);
    say(f, i, text);
}

static void open_client(struct fleet *f, size_t i)
{
    struct client_request request = {.url = &f->settings.url, .timeout_ms = 2000};

    if (client_open(&f->clients[i], &request, 1) != 0)
        return;
    atomic_fetch_add(&f->open, 1);
    atomic_fetch_add(&f->opened, 1);
    watch(f, i, EPOLL_CTL_ADD);
    greet(f, i);
}

static void count_message(void *user, int opcode, const unsigned char *data, size_t len)
{
    struct fleet *f = user;

    (void)opcode;
    (void)data;
    (void)len;
    atomic_fetch_add(&f->received, 1);
}

static void serve(struct fleet *f, size_t i, uint32_t events)
{
    struct client *c = &f->clients[i];
    int rc = 0;

    if (c->fd < 0)
        return;
    if (events & EPOLLOUT) {
        rc = client_flush(c);
        if (rc == 0 && !client_has_unsent(c))
            watch(f, i, EPOLL_CTL_MOD);
    }
    if (rc == 0 && events & ~(uint32_t)EPOLLOUT)
        rc = client_receive(c, count_message, f);
    if (rc != 0)
        drop(f, i);
}

/* ---- what they do ---- */

static size_t choose(struct fleet *f, enum fleet_action for_what, size_t count)
{
    return (size_t)(fleet_dice(&f->dice[for_what]) % count);
}

static size_t pick(struct fleet *f, enum fleet_action for_what)
{
    return choose(f, for_what, f->settings.count);
}

static void talk(struct fleet *f)
{
    static const char *const lines[] = {
        "what is the weather in Oslo",   "book a table for two",
        "is the lift working again",     "when does the next train go",
        "who is on call tonight",        "how far is the moon",
        "remind me to water the plants", "translate good morning to Finnish",
    };
    char text[TEXT_MAX];
    size_t line = choose(f, FLEET_TALK, sizeof lines / sizeof *lines);

    snprintf(text, sizeof text,
             "{\"type\":\"message\",\"data\":{\"action\":\"say\",\"message\":\"%s\"}}",
             lines[line]);
    say(f, pick(f, FLEET_TALK), text);
}

static void ping(struct fleet *f)
{
    say(f, pick(f, FLEET_PING), "{\"type\":\"ping\",\"data\":{\"action\":\"keepalive\"}}");
}

static void broadcast(struct fleet *f)
{
    say(f, pick(f, FLEET_BROADCAST),
        "{\"type\":\"message\",\"data\":{\"action\":\"broadcast\",\"message\":\"hello, all\"}}");
}

static void mistake(struct fleet *f)
{
    static const char *const texts[] = {
        "{\"type\":\"message\",\"data\":{\"action\":\"say\",\"message\":\"\"}}",
        "{\"type\":\"massage\",\"data\":{\"action\":\"say\"}}",
        "{\"type\":\"message\",\"data\":{\"action\":\"say what?\",\"message\":\"hm\"}}",
        "{\"type\":\"auth\",\"data\":{\"action\":\"login\"}}",
        "{\"type\":\"ping\",\"data\":{}}",
        "{\"type\":\"ping\",\"data\":{\"action\":17}}",
        "{\"type\":\"message\",\"data\":{\"action\":\"say\",\"message\":[\"a\",\"b\"]}}",
    };

    size_t which = choose(f, FLEET_MISTAKE, sizeof texts / sizeof *texts);

    say(f, pick(f, FLEET_MISTAKE), texts[which]);
}

static void burst(struct fleet *f)
{
    size_t i = pick(f, FLEET_BURST);

    for (int n = 0; n < BURST; n++)
        say(f, i, "{\"type\":\"ping\",\"data\":{\"action\":\"hurry\"}}");
}

static void leave(struct fleet *f)
{
    static const uint16_t codes[] = {1000, 1001, 4000};
    size_t i = pick(f, FLEET_LEAVE);
    uint16_t code = codes[choose(f, FLEET_LEAVE, 3)];

    if (f->clients[i].fd >= 0)
        client_close(&f->clients[i], code);
}

static void open_one(struct fleet *f)
{
    size_t count = f->settings.count;
    size_t i = (size_t)atomic_load(&f->opened) % count;

    for (size_t n = 0; n < count; n++, i = (i + 1) % count)
        if (f->clients[i].fd < 0) {
            open_client(f, i);
            return;
        }
}

/* As often as its rate wants since the last beat; what is left over is kept. */
static void repeat(struct fleet *f, enum fleet_action which, double wanted,
                   void (*action)(struct fleet *))
{
    f->due[which] += wanted;
    if (f->due[which] > OPENS_A_BEAT)
        f->due[which] = OPENS_A_BEAT;
    for (; f->due[which] >= 1; f->due[which] -= 1)
        action(f);
}

static void beat(struct fleet *f, int64_t now)
{
    double s = (double)(now - f->last) / 1e9;
    const struct fleet_rates *r = &f->rates;

    f->last = now;
    if ((size_t)atomic_load(&f->open) < f->settings.count)
        repeat(f, FLEET_OPEN, r->opens * s, open_one);
    repeat(f, FLEET_TALK, r->talks * s, talk);
    repeat(f, FLEET_PING, r->pings * s, ping);
    repeat(f, FLEET_BROADCAST, r->broadcasts * s, broadcast);
    repeat(f, FLEET_MISTAKE, r->mistakes * s, mistake);
    repeat(f, FLEET_BURST, r->bursts * s, burst);
    repeat(f, FLEET_LEAVE, r->leaves * s, leave);
    if (f->settings.beat != NULL)
        f->settings.beat(f->settings.user, now);
}

/* ---- the thread ---- */

static void turn(struct fleet *f)
{
    struct epoll_event events[EVENTS];
    int64_t left = BEAT_MS - (clock_ns() - f->last) / 1000000;
    int n = epoll_wait(f->epoll, events, EVENTS, left > 0 ? (int)left : 0);

    for (int k = 0; k < n; k++)
        serve(f, (size_t)events[k].data.u64, events[k].events);
    int64_t now = clock_ns();
    if (now - f->last >= BEAT_MS * INT64_C(1000000))
        beat(f, now);
}

static void *live(void *user)
{
    struct fleet *f = user;

    f->last = clock_ns();
    while (!atomic_load(&f->stop))
        turn(f);
    return NULL;
}

/* Signals are the server's, on the first thread. */
static int spawn(struct fleet *f)
{
    sigset_t all, before;

    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &before);
    int rc = pthread_create(&f->thread, NULL, live, f);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    f->started = rc == 0;
    return rc == 0 ? 0 : complain(TOOL_INTERNAL, "no thread: %s", strerror(rc));
}

int fleet_start(struct fleet *f, const struct fleet_settings *settings)
{
    f->settings = *settings;
    f->rates = rates_for(settings->count, settings->subscribes);
    uint64_t seed = settings->seed;
    for (size_t i = 0; i < FLEET_ACTIONS; i++)
        f->dice[i] = fleet_dice(&seed);
    f->clients = calloc(settings->count, sizeof *f->clients);
    f->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (f->clients == NULL || f->epoll < 0)
        return complain(TOOL_INTERNAL, "out of memory or descriptors");
    for (size_t i = 0; i < settings->count; i++)
        f->clients[i].fd = -1;
    return spawn(f);
}

void fleet_stop(struct fleet *f)
{
    if (f->clients == NULL)
        return;
    atomic_store(&f->stop, 1);
    if (f->started)
        pthread_join(f->thread, NULL);
    for (size_t i = 0; i < f->settings.count; i++)
        if (f->clients[i].fd >= 0)
            client_end(&f->clients[i]);
    free(f->clients);
    f->clients = NULL;
    close(f->epoll);
}

static void number(wsrt_json_writer *w, const char *name_cstr, long long value)
{
    wsrt_json_key(w, name_cstr);
    wsrt_json_write_int64(w, value);
}

void fleet_write(struct fleet *f, wsrt_json_writer *w)
{
    const struct fleet_rates *r = &f->rates;

    wsrt_json_object(w);
    number(w, "wanted", (long long)f->settings.count);
    number(w, "open", atomic_load(&f->open));
    number(w, "opened", atomic_load(&f->opened));
    number(w, "sent", atomic_load(&f->sent));
    number(w, "received", atomic_load(&f->received));
    number(w, "rate", (long long)(r->talks + r->pings + r->mistakes + r->bursts * BURST));
    wsrt_json_object_end(w);
}
