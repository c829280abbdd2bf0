/* Envelopes and redaction against one clock read, and against snprintf writing the same bytes. */
#include "bench.h"

#include <wsrt/error.h>

#include <malloc.h>

enum { CALLS = 500000, QUICK_CALLS = 500 };

struct state {
    wsrt_error error;
    char out[512];
    int calls;
};

static volatile int64_t result;

static double clock_reads(const struct state *s)
{
    struct timespec t;
    int64_t start = bench_cpu();

    for (int i = 0; i < s->calls; i++) {
        clock_gettime(CLOCK_MONOTONIC, &t);
        result += t.tv_nsec;
    }
    return (double)(bench_cpu() - start) / s->calls;
}

static double envelopes(struct state *s)
{
    size_t len = 0;
    int64_t start = bench_cpu();

    for (int i = 0; i < s->calls; i++) {
        s->error.wall += 1001;
        wsrt_error_write(&s->error, WSRT_ERROR_FORM_CLIENT, s->out, sizeof s->out, &len);
        result += (int64_t)len;
    }
    return (double)(bench_cpu() - start) / s->calls;
}

/* The bytes that envelopes() writes, by a hand that is given the time in parts. */
static double by_snprintf(struct state *s)
{
    int64_t start = bench_cpu();

    for (int i = 0; i < s->calls; i++)
        result += snprintf(s->out, sizeof s->out,
                           "{\"success\":false,\"error\":{\"type\":\"%s\",\"message\":\"%s\","
                           "\"code\":\"%s\",\"timestamp\":\"%04d-%02d-%02dT%02d:%02d:%02d.%03dZ\","
                           "\"correlationId\":\"%.*s\",\"retryable\":%s,\"retryAfter\":%d}}",
                           "RATE_LIMIT_ERROR", "Too many requests", "RATE_LIMITED", 2026, 11, 20,
                           10, 0, i % 60, i % 1000, (int)s->error.correlation_id.len,
                           s->error.correlation_id.ptr, "true", 1500);
    return (double)(bench_cpu() - start) / s->calls;
}

static double redactions(struct state *s, const char *text, size_t len)
{
    char out[512];
    size_t n = 0;
    int64_t start = bench_cpu();

    for (int i = 0; i < s->calls; i++) {
        wsrt_redact((wsrt_span){text, len}, 0, out, sizeof out, &n, NULL);
        result += out[i % 160] + (int64_t)n;
    }
    return (double)(bench_cpu() - start) / s->calls;
}

static const char prose[] =
    "The conversation could not be stored because the table is being moved to another"
    " region, which takes about 15 minutes (we are told), so please try it later on. ";
static const char named[] =
    "store failed: connection refused by upstream after 3 attempts, last one took 200"
    "0 ms; breaker dynamodb/storeUserMessage: open since 12:30:05, token=abcdefghijkk";

int main(int argc, char **argv)
{
    struct bench b = bench_start(argc, argv);
    struct state s = {.calls = b.quick ? QUICK_CALLS : CALLS};
    double clocks[BENCH_PASSES], client[BENCH_PASSES], print[BENCH_PASSES], clean[BENCH_PASSES],
        dirty[BENCH_PASSES];

    _Static_assert(sizeof prose == 161 && sizeof named == 161, "160 bytes");
    s.error = (wsrt_error){.struct_size = sizeof s.error,
                           .type = WSRT_ERROR_RATE_LIMIT,
                           .retry_after_ms = 1500,
                           .correlation_id = wsrt_span_cstr("0193abcd-ef01-77ff-bfff-ffffffffffff"),
                           .wall = 1795168800123};
    size_t heap = mallinfo2().uordblks;
    for (int i = 0; i < BENCH_PASSES; i++) {
        clocks[i] = clock_reads(&s);
        double ns = envelopes(&s);
        client[i] = ns / clocks[i];
        print[i] = ns / by_snprintf(&s);
        clean[i] = redactions(&s, prose, sizeof prose - 1) / clocks[i];
        dirty[i] = redactions(&s, named, sizeof named - 1) / clocks[i];
    }
    heap = mallinfo2().uordblks - heap;
    bench_row(&b, "clock_read_ns", bench_median(clocks, BENCH_PASSES), "ns");
    bench_row(&b, "client_envelope_bytes", (double)strlen(s.out), "bytes");
    bench_row(&b, "client_envelope", bench_median(client, BENCH_PASSES), "clock reads (goal 3.5)");
    bench_row(&b, "client_envelope_to_snprintf", bench_median(print, BENCH_PASSES), "(goal 0.2)");
    bench_row(&b, "redact_160_clean", bench_median(clean, BENCH_PASSES), "clock reads (goal 3.5)");
    bench_row(&b, "redact_160_with_a_secret", bench_median(dirty, BENCH_PASSES), "clock reads");
    bench_row(&b, "bytes_allocated", (double)heap, "(goal 0)");
    bench_end(&b);
    return 0;
}
