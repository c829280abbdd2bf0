#include "growing.h"

#include <stdlib.h>
#include <string.h>
#include <wsrt/store.h>

enum { LATER = 64, MOST = 4096 };

static const struct row *rows;

/* The struct of a row in a block of its own, as a caller hands it in whose header has `size` bytes of
 * it; beyond what is known today each byte is `tail`. */
static void *block_of(const struct row *row, size_t size, int tail)
{
    uint32_t said = (uint32_t)size;
    size_t room = size < row->size ? row->size : size;
    unsigned char *block = malloc(room);

    ck_assert_ptr_nonnull(block);
    memset(block, 0, room);
    memcpy(block, &said, sizeof said);
    if (row->prepare != NULL)
        row->prepare(block);
    memset(block + row->size, tail, room - row->size);
    memcpy(block, &said, sizeof said);
    return block;
}

static int said_size(const void *block)
{
    uint32_t size;

    memcpy(&size, block, sizeof size);
    return (int)size;
}

START_TEST(a_block_of_just_its_size_is_enough)
{
    const struct row *row = &rows[_i];
    void *block = block_of(row, row->size, 0);

    ck_assert_msg(row->use(block) >= 0, "%s", row->name);
    free(block);
}
END_TEST

START_TEST(what_a_later_release_left_zero_is_taken)
{
    const struct row *row = &rows[_i];
    void *block = block_of(row, row->size + LATER, 0);

    ck_assert_msg(row->use(block) >= 0, "%s", row->name);
    ck_assert_int_eq(said_size(block), (int)row->size + LATER);
    free(block);
}
END_TEST

START_TEST(what_a_later_release_set_is_refused_not_called_or_cleared)
{
    const struct row *row = &rows[_i];
    unsigned char *block = block_of(row, row->size + LATER, 0xa5);
    int rc = row->use(block);

    if (row->kind == GIVEN)
        ck_assert_msg(rc == WSRT_ERR_UNSUPPORTED, "%s: %d", row->name, rc);
    else
        ck_assert_msg(rc >= 0, "%s: %d", row->name, rc);
    for (size_t i = row->size; row->kind == FILLED && i < row->size + LATER; i++)
        ck_assert_msg(block[i] == 0, "%s: byte %zu", row->name, i);
    free(block);
}
END_TEST

START_TEST(a_size_that_no_release_had_is_refused)
{
    const struct row *row = &rows[_i];
    size_t sizes[] = {4, row->size - 1, MOST + 1, 0};
    size_t count = row->may_be_zero ? 3 : 4;
    int refusal = row->refusal != 0 ? row->refusal : WSRT_ERR_INVALID;

    for (size_t i = 0; i < count; i++) {
        void *block = block_of(row, sizes[i], 0);
        int rc = row->use(block);
        ck_assert_msg(rc == refusal, "%s of %zu: %d", row->name, sizes[i], rc);
        free(block);
    }
}
END_TEST

void growing_record(void *block)
{
    wsrt_record *record = block;

    record->connection_id = wsrt_span_cstr("c1");
    record->connected_at = 1000;
    record->expires_at = 5000;
}

void growing_history_entry(void *block)
{
    wsrt_history_entry *entry = block;

    entry->message_id = wsrt_span_cstr("m1");
    entry->session_id = wsrt_span_cstr("s1");
    entry->content = wsrt_span_cstr("hello");
    entry->author = WSRT_AUTHOR_USER;
    entry->timestamp = 1;
    entry->expires_at = 1000;
}

void growing_latest_entry(void *block)
{
    wsrt_latest_entry *entry = block;

    entry->key = wsrt_span_cstr("k");
    entry->value = wsrt_span_cstr("{}");
    entry->timestamp = 1;
}

int growing_authenticate(const wsrt_authenticator *a, void *result)
{
    wsrt_span token = wsrt_span_cstr("a token of nobody");
    int rc = a->ops->authenticate(a->self, &token, 1000, result);

    return rc == WSRT_ERR_UNAUTHENTICATED ? WSRT_OK : rc;
}

Suite *growing_suite(const struct row *given, size_t count)
{
    Suite *s = suite_create("growing");
    TCase *released = tcase_create("released");
    TCase *tc = tcase_create("other releases");
    int n = (int)count;

    rows = given;
    /* What a release promises to the next: scripts/abi-check runs it against the libraries of today. */
    tcase_add_loop_test(released, a_block_of_just_its_size_is_enough, 0, n);
    suite_add_tcase(s, released);
    tcase_add_loop_test(tc, what_a_later_release_left_zero_is_taken, 0, n);
    tcase_add_loop_test(tc, what_a_later_release_set_is_refused_not_called_or_cleared, 0, n);
    tcase_add_loop_test(tc, a_size_that_no_release_had_is_refused, 0, n);
    suite_add_tcase(s, tc);
    return s;
}
