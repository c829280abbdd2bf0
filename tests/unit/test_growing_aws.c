/* What the services of AWS read and fill. Nothing is sent. */
#include "growing.h"

#include <wsrt/aws.h>

static void prepare_options(void *block)
{
    wsrt_aws_options *o = block;

    o->region = wsrt_span_cstr("eu-west-1");
    o->access_key = wsrt_span_cstr("AKIDEXAMPLE");
    o->secret_key = wsrt_span_cstr("secret");
}

static int use_options(void *block)
{
    wsrt_aws *a = NULL;
    int rc = wsrt_aws_new(&a, block);

    wsrt_aws_free(a);
    return rc;
}

static int with_aws(int (*then)(wsrt_aws *a, void *block), void *block)
{
    wsrt_aws_options o = {.struct_size = sizeof o};
    wsrt_aws *a = NULL;

    prepare_options(&o);
    ck_assert_int_eq(wsrt_aws_new(&a, &o), WSRT_OK);
    int rc = then(a, block);
    wsrt_aws_free(a);
    return rc;
}

static int make_tables(wsrt_aws *a, void *block)
{
    wsrt_aws_tables *t = NULL;
    int rc = wsrt_aws_tables_new(&t, a, block);

    wsrt_aws_tables_free(t);
    return rc;
}

static void prepare_tables(void *block)
{
    wsrt_aws_tables_options *o = block;

    o->connections = wsrt_span_cstr("connections");
    o->messages = wsrt_span_cstr("messages");
}

static int use_tables(void *block)
{
    return with_aws(make_tables, block);
}

static void prepare_sender(void *block)
{
    wsrt_aws_sender_options *o = block;

    o->endpoint = wsrt_span_cstr("https://x.execute-api.eu-west-1.amazonaws.com/prod");
}

static int make_sender(wsrt_aws *a, void *block)
{
    wsrt_aws_sender *s = NULL;
    int rc = wsrt_aws_sender_new(&s, a, block);

    wsrt_aws_sender_free(s);
    return rc;
}

static int use_sender(void *block)
{
    return with_aws(make_sender, block);
}

static char too_much[129 * 1024];

static void prepare_post(void *block)
{
    ((wsrt_post *)block)->data = (wsrt_span){too_much, sizeof too_much};
}

/* Too large to be sent, which is found when the struct has been judged. */
static int post(wsrt_aws *a, void *block)
{
    wsrt_aws_sender_options o = {.struct_size = sizeof o};
    wsrt_aws_sender *s = NULL;
    wsrt_sender sender;
    wsrt_span id = wsrt_span_cstr("Ik3c9dGJoAMCKXg=");

    prepare_sender(&o);
    ck_assert_int_eq(wsrt_aws_sender_new(&s, a, &o), WSRT_OK);
    wsrt_aws_sender_interface(s, &sender);
    int rc = sender.ops->post(sender.self, &id, block);
    wsrt_aws_sender_free(s);
    return rc == WSRT_ERR_TOO_LARGE ? WSRT_OK : rc;
}

static int use_post(void *block)
{
    return with_aws(post, block);
}

static int with_metrics(wsrt_aws *a, const wsrt_aws_metrics_options *o,
                        wsrt_aws_metrics_counts *counts)
{
    wsrt_monitor *monitor = NULL;
    wsrt_aws_metrics *m = NULL;

    ck_assert_int_eq(wsrt_monitor_new(&monitor, NULL), WSRT_OK);
    int rc = wsrt_aws_metrics_new(&m, a, monitor, o);
    if (rc == WSRT_OK && counts != NULL)
        rc = wsrt_aws_metrics_count(m, counts);
    wsrt_aws_metrics_free(m);
    wsrt_monitor_free(monitor);
    return rc;
}

static int make_metrics(wsrt_aws *a, void *block)
{
    return with_metrics(a, block, NULL);
}

static int use_metrics(void *block)
{
    return with_aws(make_metrics, block);
}

static int count_metrics(wsrt_aws *a, void *block)
{
    return with_metrics(a, NULL, block);
}

static int use_counts(void *block)
{
    return with_aws(count_metrics, block);
}

static const struct row rows[] = {
    ROW(wsrt_aws_options, GIVEN, prepare_options, use_options),
    ROW(wsrt_aws_tables_options, GIVEN, prepare_tables, use_tables),
    ROW(wsrt_aws_sender_options, GIVEN, prepare_sender, use_sender),
    ROW(wsrt_post, GIVEN, prepare_post, use_post),
    ROW(wsrt_aws_metrics_options, GIVEN, NULL, use_metrics),
    ROW(wsrt_aws_metrics_counts, FILLED, NULL, use_counts),
};

Suite *suite(void)
{
    return growing_suite(rows, sizeof rows / sizeof rows[0]);
}
