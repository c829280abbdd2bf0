/* The store of libwsrt-aws on tables of both shapes. */
#include "store_suite.h"

#include "dynalite.h"
#include "suite.h"

#include <wsrt/aws.h>

#include <stdlib.h>
#include <string.h>

struct opened {
    wsrt_aws *aws;
    wsrt_aws_tables *tables;
};

static void *open_tables(wsrt_store *s, wsrt_history *h, int shape, uint32_t shards)
{
    struct opened *o = malloc(sizeof *o);
    struct dynalite_tables made;
    wsrt_aws_options a = {.struct_size = sizeof a,
                          .region = wsrt_span_cstr("us-east-1"),
                          .access_key = wsrt_span_cstr("AKIDEXAMPLE"),
                          .secret_key = wsrt_span_cstr("secret")};
    wsrt_aws_tables_options t = {.struct_size = sizeof t, .shape = shape, .shards = shards};

    dynalite_make(&made);
    t.endpoint = wsrt_span_cstr(dynalite_url());
    t.connections =
        wsrt_span_cstr(shape == WSRT_AWS_SHAPE_A ? made.connections_a : made.connections_b);
    t.messages = wsrt_span_cstr(made.messages);
    t.timeout_ms = 60000; /* whatever else runs here */
    ck_assert_int_eq(wsrt_aws_new(&o->aws, &a), WSRT_OK);
    ck_assert_int_eq(wsrt_aws_tables_new(&o->tables, o->aws, &t), WSRT_OK);
    wsrt_aws_tables_connections(o->tables, s);
    wsrt_aws_tables_history(o->tables, h);
    return o;
}

static void *open_a(wsrt_store *s, wsrt_history *h)
{
    return open_tables(s, h, WSRT_AWS_SHAPE_A, 0);
}

static void *open_b(wsrt_store *s, wsrt_history *h)
{
    return open_tables(s, h, WSRT_AWS_SHAPE_B, 0);
}

static void *open_b_in_shards(wsrt_store *s, wsrt_history *h)
{
    return open_tables(s, h, WSRT_AWS_SHAPE_B, 3);
}

static void close_tables(void *opened)
{
    struct opened *o = opened;

    wsrt_aws_tables_free(o->tables);
    wsrt_aws_free(o->aws);
    free(o);
}

static const struct store_factory a = {.open = open_a,
                                       .close = close_tables,
                                       .steps = 1500,
                                       .threads = 4,
                                       .rounds = 150,
                                       .no_expire = 1,
                                       .needs_timestamp = 1};

Suite *suite(void)
{
    static struct store_factory factory;
    Suite *s = suite_create("store_dynamodb");
    const char *shape = getenv("WSRT_SHAPE");

    factory = a;
    if (strcmp(shape, "a") != 0)
        factory.open = strcmp(shape, "b") == 0 ? open_b : open_b_in_shards;
    (void)dynalite_url();
    suite_add_tcase(s, store_suite(&factory));
    return s;
}
