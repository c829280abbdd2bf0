/* Envelopes and redaction against one clock read, and against snprintf writing the same bytes: short
 * passes that alternate, thread CPU time, medians. Exits 1 above a bound, but not with --quick. */
#include "bench.h"

#include <wsrt/error.h>

#include <malloc.h>

enum { CALLS = 5000, QUICK_CALLS = 500, PASSES = 101, QUICK_PASSES = 5 };

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
    double clocks[PASSES], client[PASSES], print[PASSES], clean[PASSES], dirty[PASSES];
    size_t passes = b.quick ? QUICK_PASSES : PASSES;

    _Static_assert(sizeof prose == 161 && sizeof named == 161, "160 bytes");
    s.error = (wsrt_error){.struct_size = sizeof s.error,
                           .type = WSRT_ERROR_RATE_LIMIT,
                           .retry_after_ms = 1500,
                           .correlation_id = wsrt_span_cstr("0193abcd-ef01-77ff-bfff-ffffffffffff"),
                           .wall = 1795168800123};
    size_t heap = mallinfo2().uordblks;
    for (size_t i = 0; i < passes; i++) {
        clocks[i] = clock_reads(&s);
        double ns = envelopes(&s);
        client[i] = ns / clocks[i];
        print[i] = ns / by_snprintf(&s);
        clean[i] = redactions(&s, prose, sizeof prose - 1) / clocks[i];
        dirty[i] = redactions(&s, named, sizeof named - 1) / clocks[i];
    }
    heap = mallinfo2().uordblks - heap;
    bench_row(&b, "clock_read_ns", bench_median(clocks, passes), "ns");
    bench_row(&b, "client_envelope_bytes", (double)strlen(s.out), "bytes");
    bench_row(&b, "client_envelope", bench_median(client, passes), "clock reads (goal 3.5)");
    bench_row(&b, "client_envelope_to_snprintf", bench_median(print, passes), "(goal 0.2)");
    bench_row(&b, "redact_160_clean", bench_median(clean, passes), "clock reads (goal 3.5)");
    bench_row(&b, "redact_160_with_a_secret", bench_median(dirty, passes), "clock reads");
    bench_row(&b, "bytes_allocated", (double)heap, "(goal 0)");
    bench_end(&b);
    int late = client[passes / 2] > 3.5 || print[passes / 2] > 0.2 || clean[passes / 2] > 3.5;
    return (late || heap > 0) && !b.quick;
}
