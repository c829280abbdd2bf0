/* libwsrt-aws against a service on the loopback that does as a script says: for tests of each of its
 * clients. Time stands still unless a test moves it; nothing comes from the environment it runs in. */
#ifndef WSRT_TEST_AWS_RIG_H
#define WSRT_TEST_AWS_RIG_H

#include "fake_aws.h"

#include <wsrt/aws.h>

enum { AWS_WALL = 1795168800 }; /* 2026-11-20T10:00:00Z */

enum { AWS_STEPS = 8 };

/* One answer of a sequence. */
struct aws_step {
    int status;
    const char *body;   /* NULL = {} */
    const char *fields; /* whole lines; NULL = none */
    enum fake_manner manner;
};

/* What the fake does, and what it has seen. */
struct aws_script {
    const struct aws_step *steps; /* in order, the last of them again and again; NULL = as below */
    size_t step_count;
    int sums;                     /* answers of steps tell the sum of their body */
    size_t at;                    /* steps done */
    char targets[AWS_STEPS][64];  /* of the first requests: X-Amz-Target, less its prefix, */
    char bodies[AWS_STEPS][4096]; /* and the body */
    struct fake_answer answer;    /* to each request ... */
    int only_first;               /* ... to so many, 0 = all; then 200 */
    int unsigned_ones;
    int gone_every; /* 410 to the ids whose number this divides */
    char last_path[256];
    char last_method[8];
    char last_type[64];
    char last_body[64];
    char last_token[64];
    char last_date[32];
    int64_t wants_date; /* answers 403 to any other x-amz-date hour; 0 = does not care */
};

struct aws_rig {
    struct aws_script script;
    struct fake_aws *fake;
    wsrt_env env;
    wsrt_aws *aws;
    wsrt_aws_sender *posts;
    wsrt_sender sender;
    wsrt_aws_tables *tables;
    wsrt_store store;
    wsrt_history history;
    char url[64];
};

/* Unix ms of every rig. */
extern int64_t aws_wall_ms;

/* An environment without AWS in it, and a service whose handler gets `user`. */
void aws_rig_serve(struct aws_rig *r, fake_handler handler, void *user);
/* The same with the script. */
void aws_rig_start(struct aws_rig *r, fake_handler handler);
/* The handler that plays the script. */
void aws_serve(void *user, const struct fake_request *q, struct fake_answer *answer);
/* Settings that reach the service. */
wsrt_aws_options aws_rig_options(struct aws_rig *r);
/* A sender; NULL = the settings above. */
void aws_rig_sender(struct aws_rig *r, const wsrt_aws_options *given, uint32_t flags);
/* Stores of a shape, with a table "conn" and a table "msgs". */
void aws_rig_tables(struct aws_rig *r, const wsrt_aws_options *given, int shape);
void aws_rig_close(struct aws_rig *r);

#endif
