/* A service of AWS on the loopback: takes HTTP requests, checks their signatures, and answers, or
 * misbehaves, as a test says. Limits: HTTP/1.1 without TLS, bodies up to 256 KiB; whether a signature's
 * time is near is checked against the fake's own clock. */
#ifndef WSRT_TEST_FAKE_AWS_H
#define WSRT_TEST_FAKE_AWS_H

#include "common/http1.h"

#define FAKE_ACCESS_KEY "AKIDEXAMPLE"
#define FAKE_SECRET_KEY "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"

struct fake_request {
    const wsrt_http_request *head;
    wsrt_span body;
    int number;     /* of all requests, from 1 */
    int connection; /* number of its connection, from 1 */
    int signed_ok;  /* 1: by FAKE_SECRET_KEY */
};

enum fake_manner {
    FAKE_PLAIN,
    FAKE_CHUNKED,
    FAKE_TRUNCATED, /* announces more than it sends, then closes */
    FAKE_STALLED,   /* sends half of the body, then nothing */
    FAKE_ENDLESS,   /* sends blanks as long as somebody takes them */
    FAKE_SILENT,    /* never answers */
    FAKE_CLOSE      /* closes without an answer */
};

struct fake_answer {
    int status;
    enum fake_manner manner;
    char fields[1024]; /* whole lines, each with CR LF */
    char body[65536];  /* NUL-terminated */
};

/* Fills an answer, which is a plain, empty 200; one request at a time. */
typedef void (*fake_handler)(void *user, const struct fake_request *q, struct fake_answer *answer);

struct fake_aws;

struct fake_aws *fake_aws_start(fake_handler handler, void *user);
void fake_aws_stop(struct fake_aws *f);
int fake_aws_port(const struct fake_aws *f);
int fake_aws_requests(struct fake_aws *f);
int fake_aws_connections(struct fake_aws *f);

/* A listener on the loopback that takes connections and never says a word; accepting does not block. */
int fake_aws_silent(int *port);

/* 1 when the field is there and has the value. */
int fake_field_is(const struct fake_request *q, const char *name, const char *value);

#endif
