/* CloudWatch on the loopback as a program: prints its port, then a line for each request: whether it was
 * signed, its target and its body. It answers 200, or what a line of stdin says, and ends with stdin. */
#include "fake_aws.h"

#include <wsrt/json.h>

#include <stdio.h>
#include <stdlib.h>

static int status = 200; /* by atomic operations */

static void member(wsrt_json_writer *w, const char *name, wsrt_span text)
{
    wsrt_json_key(w, name);
    wsrt_json_string(w, text);
}

static void tell(void *user, const struct fake_request *q, struct fake_answer *answer)
{
    static char line[600000];
    wsrt_span target = {0};
    wsrt_json_writer w;

    (void)user;
    wsrt_http_find(&q->head->fields, "x-amz-target", &target);
    wsrt_json_writer_init(&w, line, sizeof line, 0);
    wsrt_json_object(&w);
    wsrt_json_key(&w, "signed");
    wsrt_json_write_bool(&w, q->signed_ok);
    member(&w, "target", target);
    member(&w, "body", q->body);
    wsrt_json_object_end(&w);
    if (wsrt_json_finish(&w, NULL) == WSRT_OK)
        puts(line);
    fflush(stdout);
    answer->status = __atomic_load_n(&status, __ATOMIC_RELAXED);
}

int main(void)
{
    struct fake_aws *fake = fake_aws_start(tell, NULL);
    char line[16];

    printf("%d\n", fake_aws_port(fake));
    fflush(stdout);
    while (fgets(line, sizeof line, stdin) != NULL)
        __atomic_store_n(&status, (int)strtol(line, NULL, 10), __ATOMIC_RELAXED);
    fake_aws_stop(fake);
    return 0;
}
