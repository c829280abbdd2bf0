/* What the parts of libwsrt-aws know of each other. Requests are made and judged here, services build
 * them. */
#ifndef WSRT_AWS_INTERNAL_H
#define WSRT_AWS_INTERNAL_H

#include <wsrt/aws.h>

#include "common/sha256.h"
#include "common/sigv4.h"

#include <curl/curl.h>
#include <pthread.h>
#include <stdatomic.h>

enum {
    WSRT_AWS_LONGEST_KEY = 128,
    WSRT_AWS_LONGEST_TOKEN = 8192,
    WSRT_AWS_LONGEST_URL = 1024,
    WSRT_AWS_LONGEST_PATH = 512,
    WSRT_AWS_LONGEST_ERROR = 96,
    WSRT_AWS_LONGEST_REGION = 32,
    WSRT_AWS_DERIVED = 4
};

/* ---- endpoints (endpoint.c) ----------------------------------------------------------------- */

typedef struct wsrt_aws_endpoint {
    char url[WSRT_AWS_LONGEST_URL]; /* scheme, authority and path, without a slash at its end */
    wsrt_span authority;            /* inside `url`: what the Host field says */
    wsrt_span path;                 /* inside `url`, may be empty */
    int direct;                     /* this machine or its metadata: never through a proxy */
    int secure;                     /* https */
    atomic_llong skew;              /* its clock less ours in ms, when that has mattered */
} wsrt_aws_endpoint;

/* Fills it in place, never to be moved; WSRT_ERR_INVALID for what is no http or https URL. */
int wsrt_aws_endpoint_set(wsrt_aws_endpoint *e, wsrt_span url);
/* The same for a service: its path must be one that can be signed. */
int wsrt_aws_endpoint_serve(wsrt_aws_endpoint *e, wsrt_span url);
/* Whether a container's credentials may be asked for there. */
int wsrt_aws_endpoint_trusted(const wsrt_aws_endpoint *e);
/* Where the certificates of authorities are when libcurl's own place, `usual`, has none, as on a system
 * that it was not built for; NULL = leave it to libcurl. */
const char *wsrt_aws_certificates(const char *usual, int (*is_there)(const char *path));
/* Copies a text and its NUL; 0, and nothing, when it does not fit. */
int wsrt_aws_copy(char *dst, size_t cap, const char *text_cstr);
/* Appends a text with all but A-Z a-z 0-9 - . _ ~ percent-encoded; 0 when it does not fit. */
int wsrt_aws_escape(char *dst, size_t cap, wsrt_span text);

/* ---- credentials (credentials.c, profile.c) --------------------------------------------------- */

/* A signing key derived from a secret: good for one day, region and service. */
typedef struct wsrt_aws_derived {
    char date[8];
    const char *service;
    unsigned char key[WSRT_SHA256_LEN];
} wsrt_aws_derived;

/* Credentials; immutable but for the keys derived from them. */
typedef struct wsrt_aws_keys {
    atomic_int users;
    char access[WSRT_AWS_LONGEST_KEY + 1];
    char secret[WSRT_SIGV4_SECRET + 1];
    char token[WSRT_AWS_LONGEST_TOKEN + 1];
    int64_t expires_at; /* Unix ms; 0 = never */
    pthread_mutex_t lock;
    wsrt_aws_derived derived[WSRT_AWS_DERIVED];
    size_t next;
} wsrt_aws_keys;

/* Whether they can stand in fields of a request. */
int wsrt_aws_keys_ok(const wsrt_aws_keys *keys);
/* Takes those of the options. */
int wsrt_aws_keys_fix(wsrt_aws *a, const wsrt_aws_options *o);
/* Current credentials, to be given back; asks for new ones when their time has come. */
int wsrt_aws_keys_take(wsrt_aws *a, wsrt_aws_keys **out);
void wsrt_aws_keys_give(wsrt_aws *a, wsrt_aws_keys *keys);
/* The service has refused these as expired: the next take asks for others. */
void wsrt_aws_keys_refused(wsrt_aws *a, const wsrt_aws_keys *keys);
void wsrt_aws_keys_derive(wsrt_aws_keys *keys, const wsrt_sigv4_scope *scope, const char *service,
                          unsigned char *key);

/* What a profile says; each text NUL-terminated, "" = nothing. */
typedef struct wsrt_aws_profile {
    char access[WSRT_AWS_LONGEST_KEY + 1];
    char secret[WSRT_SIGV4_SECRET + 1];
    char token[WSRT_AWS_LONGEST_TOKEN + 1];
    char region[WSRT_AWS_LONGEST_REGION + 1];
    int is_there;            /* in one of the files at least */
    const char *unsupported; /* the setting that says where else its credentials are; NULL = none */
} wsrt_aws_profile;

/* Takes over what the section of a profile sets; a line that is too long for its place is left out.
 * `prefixed`: sections are "[profile NAME]", as in the config file. */
void wsrt_aws_profile_read(wsrt_aws_profile *p, wsrt_span text, wsrt_span name, int prefixed);
/* Credentials as JSON, of a container's endpoint or the metadata service. */
int wsrt_aws_keys_parse(wsrt_aws_keys *keys, wsrt_span json);
/* 2026-11-20T10:00:00Z, perhaps with a fraction, as Unix ms; WSRT_ERR_MALFORMED. */
int wsrt_aws_iso_parse(wsrt_span text, int64_t *ms);
/* Of the profile in both files. WSRT_ERR_NOT_FOUND: they hold no credentials for it; WSRT_ERR_FORBIDDEN: nor
 * may others be taken instead, for one of this name was asked for and is not there, or it says that its
 * credentials are somewhere that is not looked at. */
int wsrt_aws_profile_load(wsrt_aws *a, wsrt_aws_profile *p);
/* A file's text, its first 256 KiB; NULL when it cannot be read. */
char *wsrt_aws_file_read(const wsrt_allocator *m, const char *path, size_t *len);
/* Wipes it. */
void wsrt_aws_file_free(const wsrt_allocator *m, char *text);

/* ---- requests (http.c, retry.c) --------------------------------------------------------------- */

typedef enum wsrt_aws_request_flag {
    WSRT_AWS_ONCE = 1,     /* not to be repeated where it may have been done */
    WSRT_AWS_NO_RETRY = 2, /* the caller decides */
    WSRT_AWS_SECRET = 4    /* its answer is: nothing of it stays in memory that is given back */
} wsrt_aws_request_flag;

typedef struct wsrt_aws_answer {
    int rc;                             /* WSRT_OK: the service has answered, whatever it said */
    int status;                         /* of HTTP */
    char error[WSRT_AWS_LONGEST_ERROR]; /* name, without namespace; "" = none */
    char *body;                         /* NUL behind it; of the allocator */
    size_t len;
    size_t cap;
    int64_t date;        /* Unix ms by the service's clock; 0 = it did not say */
    int64_t retry_after; /* ms; 0 = it did not say */
    int64_t max_age;     /* s, of Cache-Control */
    uint32_t crc;        /* of the body, as the service says */
    int has_crc;         /* it says so */
    int repeated;        /* an earlier attempt may have done what was asked */
    int unsure;          /* nobody knows whether it was done: the answer was lost */
} wsrt_aws_answer;

typedef struct wsrt_aws_request {
    wsrt_aws_endpoint *endpoint;
    const char *service; /* its name for signing; NULL = not signed */
    const char *method;
    char path[WSRT_AWS_LONGEST_PATH]; /* behind the endpoint's, as on the wire */
    const char *content_type;         /* NULL = none */
    const char *target;               /* X-Amz-Target; NULL = none */
    const char *extra;                /* a whole field line, not signed; NULL = none */
    wsrt_span body;
    const char *body_hex; /* its SHA-256; NULL = to be computed */
    uint32_t flags;
    size_t index;       /* the caller's */
    size_t most;        /* bytes of an answer's body; more are WSRT_ERR_TOO_LARGE */
    int64_t timeout_ms; /* of an attempt; 0 = the setting */
    int64_t deadline;   /* monotonic; 0 = none */
    wsrt_aws_answer answer;
} wsrt_aws_request;

/* Requests, several at a time, in the order in which `next` names them. */
typedef struct wsrt_aws_batch {
    int (*next)(void *user, wsrt_aws_request *r);  /* 1, or 0 when there are no more */
    void (*done)(void *user, wsrt_aws_request *r); /* the answer's body is freed after it */
    void *user;
    size_t width;
    int64_t interval; /* ns between two beginnings */
    int64_t deadline; /* monotonic: what is left then need not wait for its turn; 0 = none */
} wsrt_aws_batch;

/* WSRT_OK when each request was done; WSRT_ERR_NOMEM when not even one could begin. */
int wsrt_aws_run(wsrt_aws *a, const wsrt_aws_batch *batch);
/* The same for a caller that may not wait: begun, stepped until it is done, ended, which abandons what is
 * under way. A step waits at most so many ms, and where credentials come from an endpoint, for those. */
typedef struct wsrt_aws_job wsrt_aws_job;
int wsrt_aws_job_begin(wsrt_aws_job **out, wsrt_aws *a, const wsrt_aws_batch *batch);
int wsrt_aws_job_step(wsrt_aws_job *job, int most_ms); /* 1 when all is done */
void wsrt_aws_job_end(wsrt_aws_job *job);              /* NULL is fine */
/* One request; its status. The answer's body is the caller's to free by wsrt_aws_answer_free(). */
int wsrt_aws_ask(wsrt_aws *a, wsrt_aws_request *r);
void wsrt_aws_answer_free(wsrt_aws *a, wsrt_aws_answer *answer);
void wsrt_aws_lanes_free(wsrt_aws *a);

typedef enum wsrt_aws_verdict {
    WSRT_AWS_DONE,      /* for good or bad */
    WSRT_AWS_TRANSIENT, /* try again */
    WSRT_AWS_THROTTLED, /* try again, slowly */
    WSRT_AWS_SKEWED,    /* sign again, by the service's clock */
    WSRT_AWS_EXPIRED    /* sign again, with other credentials */
} wsrt_aws_verdict;

/* `wall`: by the clock that signed the request. */
wsrt_aws_verdict wsrt_aws_judge(const wsrt_aws_answer *answer, int64_t wall);
/* Whether the status says enough of an answer whose body did not come, or not all of it. */
int wsrt_aws_is_told(const wsrt_aws_answer *answer);
/* Whether settings or permissions are wrong, and not the request. */
int wsrt_aws_is_refused(const wsrt_aws_answer *answer);
/* Keeps the name of an error: what is behind '#' and before ':'. */
void wsrt_aws_error_name(char *dst, wsrt_span text);
/* The name in an error's JSON body, if it has one. */
void wsrt_aws_error_body(wsrt_aws_answer *answer);
/* ms to wait before retry `n` (0 = the first), for a random number of 32 bits. */
int64_t wsrt_aws_delay(uint32_t base_ms, int n, uint32_t chance, int64_t retry_after);

/* ---- the object (aws.c) ----------------------------------------------------------------------- */

enum { WSRT_AWS_QUOTA = 500, WSRT_AWS_RETRY_COST = 5 };

struct wsrt_aws_lane;

struct wsrt_aws {
    wsrt_allocator allocator;
    wsrt_env env;
    char region[WSRT_AWS_LONGEST_REGION + 1]; /* "" = nobody says it */
    char certificates[WSRT_AWS_LONGEST_PATH]; /* a file; "" = libcurl's own */
    char *profile;                            /* NULL = by the environment */
    size_t profile_size;
    uint32_t attempts;
    uint32_t timeout_ms;
    uint32_t connect_timeout_ms;
    uint32_t backoff_ms;
    atomic_int quota; /* tokens that retries cost */
    wsrt_aws_endpoint metadata;
    struct {
        pthread_mutex_t lock;
        pthread_cond_t changed;
        wsrt_aws_keys *keys;
        int fixed;          /* given in the options */
        int asking;         /* a thread is at it */
        int refused;        /* by a service: only others will do */
        int outcome;        /* of the last search */
        unsigned searches;  /* that have ended */
        int64_t not_before; /* Unix ms: a while after the last search */
    } credentials;
    struct {
        pthread_mutex_t lock;
        struct wsrt_aws_lane *idle;
    } lanes;
};

/* A variable of the environment; an empty one counts as not set: NULL. */
const char *wsrt_aws_getenv(const char *name_cstr);
/* Zero-filled memory for what is made of a client. `*rc` is how its options were read; NULL where that
 * or something here is a failure, which `*rc` then is: WSRT_ERR_INVALID (no client), WSRT_ERR_NOT_FOUND
 * (no region), WSRT_ERR_NOMEM. */
void *wsrt_aws_object_new(wsrt_aws *a, size_t size, int *rc);

void wsrt_aws_log(const wsrt_aws *a, int level, const char *event_cstr, const char *detail_cstr,
                  int status);
/* Everything that options of several objects share: text within its bound. */
int wsrt_aws_text_ok(wsrt_span text, size_t most);

#endif
