/* Events where memory ends: each is answered, and nothing is lost. */
#include "runtime_world.h"
#include "suite.h"

#include <stdio.h>
#include <string.h>

#define TEXT(s) ((wsrt_span){"" s, sizeof(s) - 1})

/* The longer the array, the earlier what is made of the message leaves the context's own memory. */
START_TEST(wherever_memory_ends_a_message_is_answered_and_nothing_is_lost)
{
    wsrt_runtime_options o = world_options();
    wsrt_event ev = world_event(WSRT_EVENT_MESSAGE, "c1", NULL);
    static char body[16384];
    size_t points = 0;

    o.selection = TEXT("${request.body.a}:${request.body.b}");
    world_begin(&o);
    world_add_route("else", world_say_route, NULL); /* so that there is something to select */
    world_add_route("$default", world_sign_in, NULL);
    world_connect("c1", NULL, NULL);
    for (int elements = 300; elements < 420; elements += 3) {
        size_t len = (size_t)snprintf(body, sizeof body,
                                      "{\"b\":\"\\u0062\",\"token\":\"ann-token\",\"a\":[");
        for (int i = 0; i < elements; i++)
            len += (size_t)snprintf(body + len, sizeof body - len, "%s\"\\u0061%d\"",
                                    i > 0 ? "," : "", i);
        len += (size_t)snprintf(body + len, sizeof body - len, "]}");
        ev.body = (wsrt_span){body, len};
        for (size_t n = 1;; n++, points++) {
            size_t posts = w.post_count;
            heap_arm(&w.heap, n, 0);
            ck_assert_int_eq(world_dispatch(&ev), WSRT_OK);
            int refused = heap_disarm(&w.heap);
            ck_assert_uint_eq(w.post_count, posts + 1);
            if (!refused)
                break;
        }
        ck_assert_str_eq(world_last_post(), "ann");
        w.post_count = 0;
    }
    printf("# allocation points: %zu\n", points);
    ck_assert_uint_ge(points, 40);
}
END_TEST

START_TEST(wherever_memory_ends_a_bad_message_is_refused)
{
    wsrt_schema *schema;
    wsrt_event ev = world_event(WSRT_EVENT_MESSAGE, "c1", NULL);
    static char body[16384];
    size_t points = 0;

    ck_assert_int_eq(wsrt_schema_builtin(&schema, "message", NULL), WSRT_OK);
    const wsrt_route r = {.schema = schema};
    wsrt_runtime_options o = world_options();
    o.selection = TEXT("${request.body.correlationId}-"); /* takes as much memory as it is long */
    world_begin(&o);
    world_add_route("else", world_say_route, NULL);
    world_add_route("$default", world_say_route, &r);
    for (size_t pad = 0; pad < 8200; pad += 100) {
        size_t len = (size_t)snprintf(
            body, sizeof body,
            "{\"type\":\"message\",\"correlationId\":\"%0*d\",\"data\":{\"action\":7}}",
            (int)pad + 1, 7);
        ev.body = (wsrt_span){body, len};
        for (size_t n = 1;; n++, points++) {
            heap_arm(&w.heap, n, 1);
            ck_assert_int_eq(world_dispatch(&ev), WSRT_OK);
            ck_assert_ptr_nonnull(strstr(world_last_post(), "\"success\":false"));
            w.post_count = 0;
            if (!heap_disarm(&w.heap))
                break;
        }
    }
    printf("# allocation points: %zu\n", points);
    ck_assert_uint_ge(points, 40);
    world_tear_down();
    wsrt_schema_free(schema);
    world_set_up();
}
END_TEST

START_TEST(a_connect_without_memory_is_refused_and_leaves_no_session)
{
    wsrt_session s = {{0}};

    for (size_t n = 1;; n++) {
        heap_arm(&w.heap, n, 1);
        world_connect("c1", &s, "ann-token");
        int refused = heap_disarm(&w.heap);
        ck_assert_int_eq(w.status, refused && wsrt_session_expires_at(&s) == -1 ? 500 : 200);
        if (!refused)
            break;
        world_disconnect("c1", &s);
    }
    ck_assert_int_eq(wsrt_session_expires_at(&s), 0);
    world_disconnect("c1", &s);
}
END_TEST

Suite *suite(void)
{
    Suite *s = suite_create("runtime_memory");
    TCase *t = tcase_create("memory");

    tcase_add_checked_fixture(t, world_set_up, world_tear_down);
    tcase_set_timeout(t, 60);
    tcase_add_test(t, wherever_memory_ends_a_message_is_answered_and_nothing_is_lost);
    tcase_add_test(t, wherever_memory_ends_a_bad_message_is_refused);
    tcase_add_test(t, a_connect_without_memory_is_refused_and_leaves_no_session);
    suite_add_tcase(s, t);
    return s;
}
