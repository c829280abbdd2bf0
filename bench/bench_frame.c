/* The frame codec against the floor of any echo, copying the bytes in and out: 64 masked text messages
 * are copied into a receive buffer, decoded, and answered into an output buffer. */
#include "bench.h"

#include "common/ws.h"

enum { MESSAGES = 64, LARGEST = 16384, BYTES = 1 << 28, QUICK_BYTES = 1 << 20 };

struct state {
    unsigned char *wire, *in, *out;
    size_t payload, frame, rounds;
};

static const wsrt_ws_limits limits = {
    .max_frame = 131072, .max_message = 131072, .max_fragments = 1024, .flags = 0};
static volatile unsigned char result;

static double copies(const struct state *s)
{
    size_t header = s->frame - s->payload;
    int64_t start = bench_cpu();

    for (size_t round = 0; round < s->rounds; round++) {
        unsigned char *out = s->out;
        memcpy(s->in, s->wire, MESSAGES * s->frame);
        for (size_t i = 0; i < MESSAGES; i++, out += s->payload)
            memcpy(out, s->in + i * s->frame + header, s->payload);
        result ^= s->out[round % s->payload];
    }
    return (double)(bench_cpu() - start) / (double)(s->rounds * MESSAGES);
}

static unsigned char *answer(unsigned char *out, const wsrt_ws_event *event)
{
    out += wsrt_ws_header(out, event->opcode, 1, event->payload.len, NULL);
    memcpy(out, event->payload.ptr, event->payload.len);
    return out + event->payload.len;
}

static double echoes(const struct state *s)
{
    wsrt_ws_decoder decoder = {0};
    wsrt_ws_event event;
    size_t answered = 0, len = MESSAGES * s->frame;
    int64_t start = bench_cpu();

    for (size_t round = 0; round < s->rounds; round++) {
        unsigned char *out = s->out;
        memcpy(s->in, s->wire, len);
        for (size_t at = 0;
             wsrt_ws_decode(&decoder, &limits, s->in + at, len - at, &event) == WSRT_WS_MESSAGE;
             at += event.used, answered++)
            out = answer(out, &event);
        result ^= s->out[round % s->payload];
    }
    double ns = (double)(bench_cpu() - start) / (double)(s->rounds * MESSAGES);
    if (answered != s->rounds * MESSAGES)
        exit(1);
    return ns;
}

static void fill(struct state *s, size_t payload, const char *pattern, size_t bytes)
{
    unsigned char key[4] = {0x9a, 0x3c, 0x51, 0xe7}, *at = s->wire;
    static unsigned char text[LARGEST];

    for (size_t i = 0; i < payload; i++)
        text[i] = (unsigned char)pattern[i % strlen(pattern)];
    for (size_t i = 0; i < MESSAGES; i++) {
        at += wsrt_ws_header(at, WSRT_WS_OP_TEXT, 1, payload, key);
        wsrt_ws_mask(at, text, payload, key);
        at += payload;
        key[i % 4]++;
    }
    s->payload = payload;
    s->frame = (size_t)(at - s->wire) / MESSAGES;
    s->rounds = bytes / (MESSAGES * (payload + 200)) + 1;
}

static void measure(struct bench *b, struct state *s, const char *name)
{
    double ours[BENCH_PASSES], ratio[BENCH_PASSES];
    char label[64];

    for (int i = 0; i < BENCH_PASSES; i++) {
        double floor_ns = copies(s);
        ours[i] = echoes(s);
        ratio[i] = ours[i] / floor_ns;
    }
    snprintf(label, sizeof label, "%s_ns", name);
    bench_row(b, label, bench_median(ours, BENCH_PASSES), "ns a message");
    snprintf(label, sizeof label, "%s_per_copy", name);
    bench_row(b, label, bench_median(ratio, BENCH_PASSES), "times the copies");
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name, *pattern;
        size_t payload;
    } rows[] = {{"echo_20", "hello ", 20},
                {"echo_200", "hello ", 200},
                {"echo_200_umlauts", "\xc3\xbc\xc3\x9f \xe2\x82\xac x", 200},
                {"echo_16k", "hello ", LARGEST}};
    struct bench b = bench_start(argc, argv);
    size_t room = MESSAGES * (LARGEST + WSRT_WS_HEADER_MAX);
    struct state s = {.wire = malloc(room), .in = malloc(room), .out = malloc(room)};

    if (s.wire == NULL || s.in == NULL || s.out == NULL)
        return 1;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        fill(&s, rows[i].payload, rows[i].pattern, b.quick ? QUICK_BYTES : BYTES);
        measure(&b, &s, rows[i].name);
    }
    bench_end(&b);
    free(s.wire);
    free(s.in);
    free(s.out);
    return 0;
}
