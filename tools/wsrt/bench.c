/* Open-loop load: every send has a planned time, and latency counts from it, so that a server that
 * stalls cannot hide the wait. */
#define _GNU_SOURCE
#include "client.h"
#include "commands.h"
#include "condition.h"
#include "histogram.h"
#include "tool.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/timerfd.h>
#include <unistd.h>

enum { EVENTS = 256, SENDS = 256, SEQUENCE_DIGITS = 16, LATE_NS = 1000000, TIMER = -1 };
static const int64_t reply_within = INT64_C(2000000000);

struct bench {
    const struct bench_settings *settings;
    struct report *report;
    struct client *clients;
    uint64_t *next; /* for each connection the sequence number that must come next */
    struct histogram latency;
    char *payload;
    int fanout;
    int epoll;
    int timer;
    int64_t start;    /* ns, planned time of message 0 */
    uint64_t planned; /* messages to send */
    uint64_t warm;    /* of them, not measured */
    uint64_t sent;
    uint64_t open;
    uint64_t missing; /* replies under way */
    int64_t replied;  /* ns, when the last one came that is measured */
    size_t current;   /* the connection being read */
};

static int64_t planned_time(const struct bench *b, uint64_t sequence)
{
    uint64_t rate = (uint64_t)b->settings->rate;

    return b->start + (int64_t)(sequence / rate * 1000000000 + sequence % rate * 1000000000 / rate);
}

/* ---- receiving ---- */

/* The sequence number inside a reply; UINT64_MAX when it holds none. */
static uint64_t sequence_of(const struct bench *b, const char *data, size_t len)
{
    static const char marker[] = "\"content\":\"";
    static const char digits[] = "0123456789abcdef";
    uint64_t sequence = 0;

    if (b->fanout) {
        const char *content = memmem(data, len, marker, sizeof marker - 1);
        if (content == NULL)
            return UINT64_MAX;
        len -= (size_t)(content - data) + sizeof marker - 1;
        data = content + sizeof marker - 1;
    }
    if (len < SEQUENCE_DIGITS)
        return UINT64_MAX;
    for (int i = 0; i < SEQUENCE_DIGITS; i++) {
        const char *digit = memchr(digits, data[i], 16);
        if (digit == NULL)
            return UINT64_MAX;
        sequence = sequence << 4 | (uint64_t)(digit - digits);
    }
    return sequence;
}

static int is_echo(const struct bench *b, const char *data, size_t len)
{
    size_t padding = (size_t)b->settings->payload - SEQUENCE_DIGITS;

    return len == (size_t)b->settings->payload &&
           memcmp(data + SEQUENCE_DIGITS, b->payload + SEQUENCE_DIGITS, padding) == 0;
}

/* From one reply of a connection to its next. */
static uint64_t step(const struct bench *b)
{
    return b->fanout ? 1 : (uint64_t)b->settings->connections;
}

/* A reply that does not come is no fast one: it counts as long as it was waited for, at least. */
static void lose(struct bench *b, size_t i, uint64_t until)
{
    for (; b->next[i] < until; b->next[i] += step(b)) {
        int64_t waited = clock_ns() - planned_time(b, b->next[i]);
        b->missing--;
        if (b->next[i] < b->warm)
            continue;
        histogram_add(&b->latency, waited > reply_within ? waited : reply_within);
        b->report->timeout++;
    }
}

static void on_reply(void *user, int opcode, const unsigned char *data, size_t len)
{
    struct bench *b = user;
    uint64_t *next = &b->next[b->current];
    uint64_t sequence = sequence_of(b, (const char *)data, len);

    (void)opcode;
    if (b->fanout && (sequence == UINT64_MAX || b->current == 0))
        return; /* a notice of the application; what comes back to the sender is not measured */
    if (sequence < *next || sequence >= b->sent || (sequence - *next) % step(b) != 0 ||
        (!b->fanout && !is_echo(b, (const char *)data, len))) {
        b->report->mismatch++;
        return;
    }
    lose(b, b->current, sequence); /* they come in order, so what one leaves out never comes */
    *next += step(b);
    b->missing--;
    if (sequence < b->warm)
        return;
    b->replied = clock_ns();
    int64_t latency = b->replied - planned_time(b, sequence);
    histogram_add(&b->latency, latency);
    b->report->received++;
    if (latency > reply_within)
        b->report->timeout++;
}

static void drop(struct bench *b, size_t i)
{
    epoll_ctl(b->epoll, EPOLL_CTL_DEL, b->clients[i].fd, NULL);
    client_end(&b->clients[i]);
    b->report->closed++;
    b->open--;
}

static void watch(struct bench *b, size_t i, int how)
{
    struct epoll_event interest = {.events = EPOLLIN, .data.u64 = i};

    if (client_has_unsent(&b->clients[i]))
        interest.events |= EPOLLOUT;
    epoll_ctl(b->epoll, how, b->clients[i].fd, &interest);
}

static void serve_connection(struct bench *b, size_t i, uint32_t events)
{
    struct client *c = &b->clients[i];
    int rc = 0;

    b->current = i;
    if (c->fd < 0)
        return;
    if (events & EPOLLOUT) {
        rc = client_flush(c);
        if (rc == 0 && !client_has_unsent(c))
            watch(b, i, EPOLL_CTL_MOD);
    }
    if (rc == 0 && events & ~(uint32_t)EPOLLOUT)
        rc = client_receive(c, on_reply, b);
    if (rc != 0)
        drop(b, i);
}

/* ---- sending ---- */

static size_t write_message(const struct bench *b, uint64_t sequence, char *dst, size_t cap)
{
    int n;

    snprintf(b->payload, SEQUENCE_DIGITS + 1, "%016" PRIx64, sequence);
    b->payload[SEQUENCE_DIGITS] = 'x';
    if (!b->fanout)
        n = snprintf(dst, cap, "%s", b->payload);
    else
        n = snprintf(
            dst, cap,
            "{\"type\":\"message\",\"data\":{\"action\":\"broadcast\",\"message\":\"%s\"}}",
            b->payload);
    return (size_t)n;
}

static uint64_t replies_to_one(const struct bench *b)
{
    return b->fanout ? (uint64_t)b->settings->connections - 1 : 1;
}

static void send_one(struct bench *b, int64_t now, char *text, size_t cap)
{
    uint64_t sequence = b->sent++;
    size_t i = b->fanout ? 0 : (size_t)(sequence % (uint64_t)b->settings->connections);
    size_t len = write_message(b, sequence, text, cap);

    b->missing += replies_to_one(b);
    if (b->clients[i].fd < 0)
        return;
    if (sequence >= b->warm) {
        b->report->sent++;
        b->report->late_sends += now - planned_time(b, sequence) > LATE_NS;
    }
    int waiting = client_has_unsent(&b->clients[i]);
    if (client_send(&b->clients[i], WSRT_WS_OP_TEXT, text, len) != 0)
        drop(b, i);
    else if (!waiting && client_has_unsent(&b->clients[i]))
        watch(b, i, EPOLL_CTL_MOD);
}

/* A generator that cannot keep up reads replies between its sends all the same. */
static void send_due(struct bench *b, char *text, size_t cap)
{
    int64_t now = clock_ns();

    for (int n = 0; n < SENDS && b->sent < b->planned && planned_time(b, b->sent) <= now; n++) {
        send_one(b, now, text, cap);
        now = clock_ns();
    }
}

static void arm_timer(const struct bench *b, int64_t at)
{
    struct itimerspec when = {.it_value = {(time_t)(at / 1000000000), (long)(at % 1000000000)}};

    timerfd_settime(b->timer, TFD_TIMER_ABSTIME, &when, NULL);
}

/* ---- the run ---- */

static void turn(struct bench *b)
{
    struct epoll_event events[EVENTS];
    uint64_t expirations;
    int n = epoll_wait(b->epoll, events, EVENTS, 1000);

    for (int k = 0; k < n; k++) {
        if (events[k].data.u64 == (uint64_t)TIMER) {
            ssize_t ignored = read(b->timer, &expirations, sizeof expirations);
            (void)ignored;
        } else {
            serve_connection(b, (size_t)events[k].data.u64, events[k].events);
        }
    }
}

/* Those that are open are served meanwhile: a server pings them. */
static void rest_until(struct bench *b, int64_t end)
{
    while (clock_ns() < end) {
        arm_timer(b, end);
        turn(b);
    }
}

static int open_clients(struct bench *b, const struct client_request *request)
{
    size_t count = (size_t)b->settings->connections;
    int status = 0;

    for (size_t i = 0; i < count; i++) {
        int64_t begun = clock_ns();
        b->next[i] = b->fanout ? 0 : i;
        int rc = client_open(&b->clients[i], request, b->report->connect > 0);
        if (rc != 0) {
            b->report->connect++;
            status = rc;
            continue;
        }
        b->open++;
        watch(b, i, EPOLL_CTL_ADD);
        if (client_has_early(&b->clients[i]))
            serve_connection(b, i, EPOLLIN);
        rest_until(b, begun + b->settings->ramp_ms * 1000000 / (int64_t)count);
    }
    return b->open == 0 ? status : 0;
}

static void progress(const struct bench *b, int64_t *shown)
{
    int64_t now = clock_ns();

    if (!isatty(STDERR_FILENO) || (now - *shown < 200000000 && b->sent < b->planned))
        return;
    *shown = now;
    fprintf(stderr, "\r%3d %%  sent %" PRIu64 "  received %" PRIu64 "%s",
            (int)(b->sent * 100 / b->planned), b->report->sent, b->report->received,
            b->sent < b->planned ? "" : "\n");
}

/* What is still missing; and, where no connection is left to send by, what was planned. */
static void lose_rest(struct bench *b)
{
    uint64_t from = b->sent > b->warm ? b->sent : b->warm;
    uint64_t unsent = (b->planned - from) * replies_to_one(b);

    for (size_t i = b->fanout ? 1 : 0; i < (size_t)b->settings->connections; i++)
        lose(b, i, b->sent);
    histogram_add_many(&b->latency, reply_within, unsent);
    b->report->timeout += unsent;
}

static int measure(struct bench *b)
{
    size_t cap = (size_t)b->settings->payload + 128;
    char *text = malloc(cap);
    int64_t shown = 0;

    if (text == NULL)
        return complain(TOOL_INTERNAL, "out of memory");
    b->start = clock_ns() + 1000000;
    while (b->sent < b->planned && b->open > 0) {
        arm_timer(b, planned_time(b, b->sent));
        turn(b);
        send_due(b, text, cap);
        progress(b, &shown);
    }
    int64_t end = clock_ns() + reply_within;
    while (b->missing > 0 && b->open > 0 && clock_ns() < end) {
        arm_timer(b, end);
        turn(b);
    }
    lose_rest(b);
    free(text);
    return 0;
}

static void fill_report(struct bench *b)
{
    struct report *r = b->report;

    int64_t begin = planned_time(b, b->warm);
    int64_t end = begin + b->settings->duration_ms * 1000000;

    r->seconds = (double)b->settings->duration_ms / 1000;
    r->throughput =
        (double)r->received * 1e9 / (double)((b->replied > end ? b->replied : end) - begin);
    r->p50 = histogram_quantile(&b->latency, 0.50);
    r->p90 = histogram_quantile(&b->latency, 0.90);
    r->p99 = histogram_quantile(&b->latency, 0.99);
    r->p999 = histogram_quantile(&b->latency, 0.999);
    r->max = b->latency.max;
}

static void print_report(const struct bench_settings *s, const struct report *r, const char *failed)
{
    if (strcmp(s->format, "json") == 0) {
        printf("{\"connections\":%" PRId64 ",\"rate\":%" PRId64 ",\"duration_s\":%.3f,"
               "\"payload\":%" PRId64 ",\"sent\":%" PRIu64 ",\"received\":%" PRIu64
               ",\"throughput\":%.1f,",
               s->connections, s->rate, r->seconds, s->payload, r->sent, r->received,
               r->throughput);
        printf("\"errors\":{\"connect\":%" PRIu64 ",\"closed\":%" PRIu64 ",\"timeout\":%" PRIu64
               ",\"mismatch\":%" PRIu64 "},",
               r->connect, r->closed, r->timeout, r->mismatch);
        printf("\"latency_us\":{\"p50\":%.1f,\"p90\":%.1f,\"p99\":%.1f,\"p99.9\":%.1f,"
               "\"max\":%.1f},\"late_sends\":%" PRIu64 ",\"fail_if\":[%s]}\n",
               (double)r->p50 / 1e3, (double)r->p90 / 1e3, (double)r->p99 / 1e3,
               (double)r->p999 / 1e3, (double)r->max / 1e3, r->late_sends, failed);
        return;
    }
    printf("connections %" PRId64 "  rate %" PRId64 "/s  for %.3f s  payload %" PRId64 " B\n",
           s->connections, s->rate, r->seconds, s->payload);
    printf("sent %" PRIu64 "  received %" PRIu64 "  %.1f/s\n", r->sent, r->received, r->throughput);
    printf("latency  p50 %.3f ms  p90 %.3f ms  p99 %.3f ms  p99.9 %.3f ms  max %.3f ms\n",
           (double)r->p50 / 1e6, (double)r->p90 / 1e6, (double)r->p99 / 1e6, (double)r->p999 / 1e6,
           (double)r->max / 1e6);
    printf("errors  connect %" PRIu64 "  closed %" PRIu64 "  timeout %" PRIu64 "  mismatch %" PRIu64
           "\n",
           r->connect, r->closed, r->timeout, r->mismatch);
    if (failed[0] != '\0')
        printf("failed  %s\n", failed);
}

static int prepare(struct bench *b)
{
    const struct bench_settings *s = b->settings;
    struct rlimit limit;
    struct epoll_event interest = {.events = EPOLLIN, .data.u64 = (uint64_t)TIMER};

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
    b->clients = calloc((size_t)s->connections, sizeof *b->clients);
    b->next = calloc((size_t)s->connections, sizeof *b->next);
    b->payload = calloc(1, (size_t)s->payload + 1);
    b->epoll = epoll_create1(EPOLL_CLOEXEC);
    b->timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    if (b->clients == NULL || b->next == NULL || b->payload == NULL || b->epoll < 0 || b->timer < 0)
        return complain(TOOL_INTERNAL, "out of memory or descriptors");
    for (int64_t i = 0; i < s->connections; i++)
        b->clients[i].fd = -1;
    memset(b->payload, 'x', (size_t)s->payload);
    b->warm = (uint64_t)(s->rate * s->warmup_ms / 1000);
    b->planned = b->warm + (uint64_t)(s->rate * s->duration_ms / 1000);
    b->fanout = strcmp(s->mode, "fanout") == 0;
    if (b->fanout && s->connections < 2)
        return complain(TOOL_USAGE, "--mode fanout needs at least 2 connections");
    if (b->planned == b->warm)
        return complain(TOOL_USAGE, "no message at this --rate and --duration");
    return epoll_ctl(b->epoll, EPOLL_CTL_ADD, b->timer, &interest) == 0
               ? 0
               : complain(TOOL_INTERNAL, "epoll_ctl failed");
}

static void clean_up(struct bench *b)
{
    for (int64_t i = 0; b->clients != NULL && i < b->settings->connections; i++) {
        if (b->clients[i].fd < 0)
            continue;
        client_close(&b->clients[i], 1000);
        client_end(&b->clients[i]);
    }
    free(b->clients);
    free(b->next);
    free(b->payload);
    close(b->epoll);
    close(b->timer);
}

static int run_bench_on(struct bench *b, const struct client_request *request,
                        const struct condition_list *conditions)
{
    char failed[CONDITION_TEXT_MAX];
    int status = prepare(b);

    if (status == 0)
        status = open_clients(b, request);
    if (status == 0)
        status = measure(b);
    if (status != 0)
        return status;
    fill_report(b);
    int unmet =
        conditions_check(conditions, b->report, failed, strcmp(b->settings->format, "json") == 0);
    print_report(b->settings, b->report, failed);
    if (b->report->late_sends * 100 > b->report->sent)
        fprintf(stderr,
                "wsrt: the generator itself was late: %" PRIu64 " of %" PRIu64
                " sends by more than 1 ms\n",
                b->report->late_sends, b->report->sent);
    return unmet ? TOOL_UNMET : TOOL_OK;
}

int run_bench(struct options *o, char **operands)
{
    static struct bench b;
    static struct report report;
    struct url url;
    struct condition_list conditions;
    const struct bench_settings *s = o->settings;
    struct client_request request = {.url = &url, .token = s->token, .timeout_ms = 10000};
    int status = url_parse(&url, operands[0]);

    if (status == 0)
        status = conditions_parse(&conditions, s->fail_if == NULL ? "" : s->fail_if);
    if (status == 0)
        status = client_trust(&request.tls, &url, s->cacert, s->insecure);
    if (status != 0)
        return status;
    b.settings = s;
    b.report = &report;
    b.epoll = b.timer = -1;
    status = run_bench_on(&b, &request, &conditions);
    clean_up(&b);
    wsrt_tls_free(request.tls);
    return status;
}
