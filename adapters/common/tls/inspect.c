#define _GNU_SOURCE /* timegm */
/* What a certificate chain says of itself. */
#include "common/tls/internal.h"

#include <string.h>
#include <time.h>

static int64_t seconds(const mbedtls_x509_time *t)
{
    struct tm utc = {.tm_year = t->year - 1900,
                     .tm_mon = t->mon - 1,
                     .tm_mday = t->day,
                     .tm_hour = t->hour,
                     .tm_min = t->min,
                     .tm_sec = t->sec};

    return (int64_t)timegm(&utc);
}

static int same_name(const mbedtls_x509_buf *a, const mbedtls_x509_buf *b)
{
    return a->len == b->len && memcmp(a->p, b->p, a->len) == 0;
}

const char *wsrt_tls_version(void)
{
    return MBEDTLS_VERSION_STRING;
}

int wsrt_tls_inspect(wsrt_span cert, wsrt_tls_chain *out, const char **why_cstr)
{
    wsrt_tls_config c;

    mbedtls_x509_crt_init(&c.chain);
    int rc = wsrt_tls_read_chain(&c, cert, why_cstr);
    *out = (wsrt_tls_chain){.ends = INT64_MAX};
    for (mbedtls_x509_crt *one = &c.chain; rc == WSRT_OK && one != NULL; one = one->next) {
        int64_t ends = seconds(&one->valid_to);
        out->certificates++;
        out->ends = ends < out->ends ? ends : out->ends;
        if (one->next != NULL && out->misplaced == 0 &&
            !same_name(&one->issuer_raw, &one->next->subject_raw))
            out->misplaced = out->certificates;
    }
    out->self_signed = rc == WSRT_OK && same_name(&c.chain.issuer_raw, &c.chain.subject_raw);
    mbedtls_x509_crt_free(&c.chain);
    return rc;
}
