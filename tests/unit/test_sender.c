#include "suite.h"

#include <wsrt/sender.h>

#include <string.h>

START_TEST(a_connection_id_is_made_of_64_characters_and_equals)
{
    const char *good = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_=+/-";

    for (int c = 0; c < 256; c++) {
        char id[3] = {'a', (char)c, 'z'};
        int wanted = c != 0 && strchr(good, c) != NULL;
        ck_assert_msg(wsrt_connection_id_valid((wsrt_span){id, 3}) == wanted, "byte %d", c);
    }
}
END_TEST

START_TEST(a_connection_id_has_1_to_128_bytes)
{
    char id[129];

    memset(id, 'x', sizeof id);
    for (size_t len = 0; len <= sizeof id; len++)
        ck_assert_int_eq(wsrt_connection_id_valid((wsrt_span){id, len}), len >= 1 && len <= 128);
    ck_assert_int_eq(wsrt_connection_id_valid((wsrt_span){NULL, 0}), 0);
}
END_TEST

START_TEST(every_byte_of_a_connection_id_counts)
{
    char id[128];

    memset(id, 'x', sizeof id);
    for (size_t i = 0; i < sizeof id; i++) {
        id[i] = '.';
        ck_assert_int_eq(wsrt_connection_id_valid((wsrt_span){id, sizeof id}), 0);
        id[i] = 'x';
    }
    ck_assert_int_eq(wsrt_connection_id_valid((wsrt_span){id, sizeof id}), 1);
}
END_TEST

Suite *suite(void)
{
    Suite *s = suite_create("sender");
    TCase *t = tcase_create("sender");

    tcase_add_test(t, a_connection_id_is_made_of_64_characters_and_equals);
    tcase_add_test(t, a_connection_id_has_1_to_128_bytes);
    tcase_add_test(t, every_byte_of_a_connection_id_counts);
    suite_add_tcase(s, t);
    return s;
}
