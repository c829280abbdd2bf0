#include "feed.h"
#include "guarded.h"
#include "suite.h"

#include <stdlib.h>
#include <string.h>

#define COUNT(a) (sizeof(a) / sizeof(a)[0])
#define BYTES(literal)                                                                             \
    {                                                                                              \
        "" literal, sizeof(literal) - 1                                                            \
    }

/* Header of a client's frame under the mask 0, which leaves the payload readable. */
#define MASKED(first, len) first len "\0\0\0\0"

static const wsrt_ws_limits server = {
    .max_frame = 300, .max_message = 400, .max_fragments = 4, .flags = 0};
static const wsrt_ws_limits text_only = {
    .max_frame = 300, .max_message = 400, .max_fragments = 4, .flags = WSRT_WS_NO_BINARY};
static const wsrt_ws_limits client = {
    .max_frame = 300, .max_message = 400, .max_fragments = 4, .flags = WSRT_WS_CLIENT};
static const wsrt_ws_limits roomy = {
    .max_frame = 1u << 31, .max_message = UINT32_MAX, .max_fragments = 1024, .flags = 0};

#define TEN(x) x x x x x x x x x x
#define A100 TEN("aaaaaaaaaa")
#define A56 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define H100 TEN("61616161616161616161")
#define H56                                                                                        \
    "616161616161616161616161616161616161616161616161616161616161616161616161616161616161616161"   \
    "6161616161616161616161"

static const struct {
    const char *name;
    wsrt_span in;
    const char *events;
    const wsrt_ws_limits *limits;
} rows[] = {
    /* what passes */
    {"a text message", BYTES(MASKED("\x81", "\x85") "hello"), "text 68656c6c6f\n", &server},
    {"an empty message", BYTES(MASKED("\x81", "\x80")), "text \n", &server},
    {"a binary message", BYTES(MASKED("\x82", "\x82") "\xff\x00"), "binary ff00\n", &server},
    {"a mask", BYTES("\x81\x83\x01\x02\x03\x04\x60\x60\x60"), "text 616263\n", &server},
    {"two messages", BYTES(MASKED("\x81", "\x81") "a" MASKED("\x82", "\x81") "b"),
     "text 61\nbinary 62\n", &server},
    {"a message in three fragments",
     BYTES(MASKED("\x01", "\x81") "a" MASKED("\x00", "\x81") "b" MASKED("\x80", "\x81") "c"),
     "text 616263\n", &server},
    {"a message of empty fragments",
     BYTES(MASKED("\x01", "\x80") MASKED("\x00", "\x80") MASKED("\x80", "\x80")), "text \n",
     &server},
    {"a fragmented message, then a whole one",
     BYTES(MASKED("\x02", "\x81") "a" MASKED("\x80", "\x80") MASKED("\x81", "\x81") "b"),
     "binary 61\ntext 62\n", &server},
    {"control frames between fragments are answered at once",
     BYTES(MASKED("\x01", "\x81") "a" MASKED("\x89", "\x81") "p" MASKED("\x8a", "\x80")
               MASKED("\x80", "\x81") "b"),
     "ping 70\npong \ntext 6162\n", &server},
    {"every ping is reported",
     BYTES(MASKED("\x89", "\x81") "1" MASKED("\x89", "\x81") "2" MASKED("\x89", "\x80")),
     "ping 31\nping 32\nping \n", &server},
    {"a ping of 125 bytes", BYTES(MASKED("\x89", "\xfd") A100 "bbbbbbbbbbbbbbbbbbbbbbbbb"),
     "ping " H100 "62626262626262626262626262626262626262626262626262\n", &server},
    {"a length of 16 bits", BYTES(MASKED("\x82", "\xfe\x00\x7e") A100 "bbbbbbbbbbbbbbbbbbbbbbbbbb"),
     "binary " H100 "6262626262626262626262626262626262626262626262626262\n", &server},
    {"two messages with lengths of 16 bits",
     BYTES(MASKED("\x82", "\xfe\x01\x00") A100 A100 A56 MASKED("\x82", "\xfe\x01\x00")
               A100 A100 A56),
     "binary " H100 H100 H56 "\nbinary " H100 H100 H56 "\n", &roomy},
    {"a ping behind an empty fragment",
     BYTES(MASKED("\x01", "\x80") MASKED("\x89", "\x83") "abc" MASKED("\x80", "\x81") "d"),
     "ping 616263\ntext 64\n", &server},
    {"an unmasked frame in the client role", BYTES("\x81\x02hi\x89\x01p"), "text 6869\nping 70\n",
     &client},
    /* 1002: the frame */
    {"unmasked client frame", BYTES("\x81\x01"), "fail 1002\n", &server},
    {"unmasked client frame with its payload", BYTES("\x81\x0a" A100 A56), "fail 1002\n", &server},
    {"unmasked client ping", BYTES("\x89\x00"), "fail 1002\n", &server},
    {"masked server frame", BYTES("\x81\x81"), "fail 1002\n", &client},
    {"RSV1", BYTES("\xc1\x80"), "fail 1002\n", &server},
    {"RSV2", BYTES("\xa1\x80"), "fail 1002\n", &server},
    {"RSV3", BYTES("\x91\x80"), "fail 1002\n", &server},
    {"RSV1 on a control frame", BYTES("\xc9\x80"), "fail 1002\n", &server},
    {"opcode 3", BYTES("\x83\x80"), "fail 1002\n", &server},
    {"opcode 7", BYTES("\x87\x80"), "fail 1002\n", &server},
    {"opcode 11", BYTES("\x8b\x80"), "fail 1002\n", &server},
    {"opcode 15", BYTES("\x8f\x80"), "fail 1002\n", &server},
    {"125 in 16 bits", BYTES("\x82\xfe\x00\x7d"), "fail 1002\n", &server},
    {"125 in 16 bits with its payload",
     BYTES(MASKED("\x82", "\xfe\x00\x7d") A100 "bbbbbbbbbbbbbbbbbbbbbbbbb"), "fail 1002\n",
     &server},
    {"65535 in 64 bits", BYTES("\x82\xff\0\0\0\0\0\0\xff\xff"), "fail 1002\n", &roomy},
    {"125 in 64 bits", BYTES("\x82\xff\0\0\0\0\0\0\0\x7d"), "fail 1002\n", &server},
    {"length 2^63", BYTES("\x82\xff\x80\0\0\0\0\0\0\0"), "fail 1002\n", &server},
    {"length 2^64 - 1", BYTES("\x82\xff\xff\xff\xff\xff\xff\xff\xff\xff"), "fail 1002\n", &server},
    /* 1002: sequence */
    {"fragmented ping", BYTES("\x09\x80"), "fail 1002\n", &server},
    {"fragmented close", BYTES("\x08\x80"), "fail 1002\n", &server},
    {"ping of 126 bytes", BYTES("\x89\xfe"), "fail 1002\n", &server},
    {"close of 126 bytes", BYTES("\x88\xfe"), "fail 1002\n", &server},
    {"pong with a length of 64 bits", BYTES("\x8a\xff"), "fail 1002\n", &server},
    {"stray continuation", BYTES("\x80\x80"), "fail 1002\n", &server},
    {"stray continuation that goes on", BYTES("\x00\x80"), "fail 1002\n", &server},
    {"continuation after a whole message", BYTES(MASKED("\x81", "\x80") "\x80\x80"),
     "text \nfail 1002\n", &server},
    {"continuation after a fragmented message",
     BYTES(MASKED("\x01", "\x80") MASKED("\x80", "\x80") "\x80\x80"), "text \nfail 1002\n",
     &server},
    {"text inside a message",
     BYTES(MASKED("\x01", "\x81") "a"
                                  "\x81\x80"),
     "fail 1002\n", &server},
    {"a whole text inside a message", BYTES(MASKED("\x01", "\x81") "a" MASKED("\x81", "\x81") "b"),
     "fail 1002\n", &server},
    {"binary inside a message", BYTES(MASKED("\x02", "\x80") "\x02\x80"), "fail 1002\n", &server},
    /* 1007 */
    {"a lone continuation byte", BYTES(MASKED("\x81", "\x81") "\x80"), "fail 1007\n", &server},
    {"bad UTF-8 is not held against binary", BYTES(MASKED("\x82", "\x81") "\x80"), "binary 80\n",
     &server},
    {"bad UTF-8 before the end of its frame", BYTES(MASKED("\x81", "\xfe\x01\x00") "ab\xff"),
     "fail 1007\n", &server},
    {"bad UTF-8 in an open message", BYTES(MASKED("\x01", "\x81") "\xff"), "fail 1007\n", &server},
    {"a character over two fragments",
     BYTES(MASKED("\x01", "\x81") "\xe2" MASKED("\x80", "\x82") "\x82\xac"), "text e282ac\n",
     &server},
    {"a character over three fragments and a ping",
     BYTES(MASKED("\x01", "\x81") "\xe2" MASKED("\x00", "\x81") "\x82" MASKED(
         "\x89", "\x81") "\xff" MASKED("\x80", "\x81") "\xac"),
     "ping ff\ntext e282ac\n", &server},
    {"a character broken by the next fragment",
     BYTES(MASKED("\x01", "\x81") "\xe2" MASKED("\x80", "\x81") "a"), "fail 1007\n", &server},
    {"a character cut by the end", BYTES(MASKED("\x81", "\x82") "\xe2\x82"), "fail 1007\n",
     &server},
    {"a character cut by an empty last fragment",
     BYTES(MASKED("\x01", "\x81") "\xe2" MASKED("\x80", "\x80")), "fail 1007\n", &server},
    /* 1009, from the header */
    {"frame over the cap, announced", BYTES("\x82\xfe\x01\x2d"), "fail 1009\n", &server},
    {"frame over the cap in 64 bits", BYTES("\x82\xff\0\0\0\0\0\1\0\0"), "fail 1009\n", &server},
    {"frame of 2^63 - 1", BYTES("\x82\xff\x7f\xff\xff\xff\xff\xff\xff\xff"), "fail 1009\n", &roomy},
    {"frame of 2^32 + 1", BYTES("\x82\xff\0\0\0\1\0\0\0\1"), "fail 1009\n", &roomy},
    {"message over the cap, announced by its last frame",
     BYTES(MASKED("\x02", "\xfe\x00\xc8") A100 A100 "\x80\xfe\x00\xc9"), "fail 1009\n", &server},
    {"message at the cap",
     BYTES(MASKED("\x02", "\xfe\x00\xc8") A100 A100 MASKED("\x80", "\xfe\x00\xc8") A100 A100),
     "binary " H100 H100 H100 H100 "\n", &server},
    {"fragments at the cap",
     BYTES(MASKED("\x02", "\x80") MASKED("\x00", "\x80") MASKED("\x00", "\x80")
               MASKED("\x80", "\x80")),
     "binary \n", &server},
    {"fragments over the cap",
     BYTES(MASKED("\x02", "\x80") MASKED("\x00", "\x80") MASKED("\x00", "\x80")
               MASKED("\x00", "\x80") "\x80\x80"),
     "fail 1009\n", &server},
    /* 1003 */
    {"binary where only text is taken", BYTES("\x82\x80"), "fail 1003\n", &text_only},
    {"text where only text is taken", BYTES(MASKED("\x01", "\x80") MASKED("\x80", "\x81") "a"),
     "text 61\n", &text_only},
    /* close */
    {"close without a code", BYTES(MASKED("\x88", "\x80")), "close 1005 \n", &server},
    {"close 1000", BYTES(MASKED("\x88", "\x82") "\x03\xe8"), "close 1000 \n", &server},
    {"close with a reason",
     BYTES(MASKED("\x88", "\x85") "\x03\xe9"
                                  "bye"),
     "close 1001 627965\n", &server},
    {"close inside a message", BYTES(MASKED("\x01", "\x81") "a" MASKED("\x88", "\x80")),
     "close 1005 \n", &server},
    {"close of 1 byte", BYTES(MASKED("\x88", "\x81") "\x03"), "fail 1002\n", &server},
    {"bad UTF-8 in a reason", BYTES(MASKED("\x88", "\x83") "\x03\xe8\xff"), "fail 1007\n", &server},
    {"a reason that ends inside a character",
     BYTES(MASKED("\x88", "\x83") "\x03\xe8\xc3" MASKED("\x81", "\x80")), "fail 1007\n", &server},
    {"silence after a close",
     BYTES(MASKED("\x88", "\x80") MASKED("\x81", "\x81") "a"
                                                         "\xff\xff"),
     "close 1005 \n", &server},
    {"silence after a failure", BYTES("\xff\x00" MASKED("\x81", "\x81") "a"), "fail 1002\n",
     &server},
};

static void check_split(size_t row, struct split split)
{
    struct text got = feed_frames(rows[row].in, split, rows[row].limits, GUARDED);

    ck_assert_msg(strcmp(got.ptr, rows[row].events) == 0, "%s, cut at %zu/%zu: got %s want %s",
                  rows[row].name, split.first, split.step, got.ptr, rows[row].events);
    text_free(&got);
}

START_TEST(every_row_gives_its_events_whole_bytewise_and_at_every_split)
{
    size_t row = (size_t)_i;

    check_split(row, (struct split){0, 0});
    for (size_t first = 1; first < rows[row].in.len; first++)
        check_split(row, (struct split){first, 0});
    for (size_t step = 1; step <= 3; step++)
        check_split(row, (struct split){step, step});
}
END_TEST

/* One client frame under a mask, in a block of its own. */
static unsigned char *client_frame(int first, const void *payload, size_t len, size_t *size)
{
    static const unsigned char key[4] = {0x37, 0xfa, 0x21, 0x3d};
    unsigned char *frame = malloc(WSRT_WS_HEADER_MAX + len);

    ck_assert_ptr_nonnull(frame);
    size_t header = wsrt_ws_header(frame, first & 15, first >> 7, len, key);
    wsrt_ws_mask(frame + header, payload, len, key);
    *size = header + len;
    return frame;
}

static int decode(const wsrt_ws_limits *limits, unsigned char *in, size_t len, wsrt_ws_event *event)
{
    wsrt_ws_decoder decoder = {0};

    return wsrt_ws_decode(&decoder, limits, in, len, event);
}

START_TEST(close_codes_that_may_be_sent_are_echoed_and_others_fail)
{
    for (unsigned code = 0; code <= 65535; code++) {
        unsigned char payload[2] = {(unsigned char)(code >> 8), (unsigned char)code};
        size_t size;
        wsrt_ws_event event;
        int legal = (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) ||
                    (code >= 3000 && code <= 4999);
        unsigned char *frame = client_frame(0x88, payload, 2, &size);

        ck_assert_int_eq(decode(&server, frame, size, &event),
                         legal ? WSRT_WS_CLOSE : WSRT_WS_FAIL);
        ck_assert_uint_eq(event.code, legal ? code : 1002);
        free(frame);
    }
}
END_TEST

/* ---- UTF-8, against the definition -------------------------------------------------------- */

/* Whether `text` is one well-formed character: shortest form, no surrogate, at most U+10FFFF. */
static int is_character(const unsigned char *text, size_t len)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    uint32_t point = text[0];
    size_t want = point < 0x80 ? 1 : point >> 5 == 6 ? 2 : point >> 4 == 14 ? 3 : 4;

    if (want != len || (want == 4 && point >> 3 != 30))
        return 0;
    if (want > 1)
        point &= 0x7fu >> want;
    for (size_t i = 1; i < len; i++) {
        if (text[i] >> 6 != 2)
            return 0;
        point = point << 6 | (text[i] & 63u);
    }
    return point >= least[len] && point <= 0x10ffff && (point < 0xd800 || point > 0xdfff);
}

static int text_is_taken(const unsigned char *text, size_t len)
{
    unsigned char frame[WSRT_WS_HEADER_MAX + 16];
    wsrt_ws_event event;
    size_t header = wsrt_ws_header(frame, WSRT_WS_OP_TEXT, 1, len, NULL);

    memcpy(frame + header, text, len);
    return decode(&client, frame, header + len, &event) == WSRT_WS_MESSAGE;
}

START_TEST(two_bytes_are_text_when_they_are_characters)
{
    for (unsigned n = 0; n <= 0xffff; n++) {
        unsigned char t[2] = {(unsigned char)(n >> 8), (unsigned char)n};
        int want = is_character(t, 2) || (is_character(t, 1) && is_character(t + 1, 1));
        ck_assert_msg(text_is_taken(t, 2) == want, "%04x", n);
    }
}
END_TEST

START_TEST(three_and_four_bytes_are_text_when_they_are_one_character)
{
    static const unsigned char edges[] = {0x00, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0};
    size_t n = COUNT(edges);
    size_t good = 0;

    for (size_t i = 0; i < 256 * n * n * n; i++) {
        unsigned char t[4] = {(unsigned char)(i % 256), edges[i / 256 % n], edges[i / 256 / n % n],
                              edges[i / 256 / n / n]};
        if (t[0] < 0xe0)
            continue;
        ck_assert_msg(text_is_taken(t, 4) ==
                          (is_character(t, 4) || (is_character(t, 3) && is_character(t + 3, 1))),
                      "%02x %02x %02x %02x", t[0], t[1], t[2], t[3]);
        good += (size_t)text_is_taken(t, 4);
        ck_assert_int_eq(text_is_taken(t, 3), is_character(t, 3));
    }
    ck_assert_uint_gt(good, 100);
}
END_TEST

START_TEST(bad_bytes_are_found_at_every_place_of_a_long_text)
{
    unsigned char text[80];

    for (size_t at = 0; at < sizeof text; at++) {
        size_t size;
        wsrt_ws_event event;
        memset(text, 'a', sizeof text);
        text[at] = 0xc0;
        unsigned char *frame = client_frame(0x81, text, sizeof text, &size);
        ck_assert_int_eq(decode(&server, frame, size, &event), WSRT_WS_FAIL);
        ck_assert_uint_eq(event.code, 1007);
        free(frame);
    }
}
END_TEST

/* ---- masks, headers, state ---------------------------------------------------------------- */

START_TEST(masking_of_every_length_is_the_plain_xor_and_stays_inside)
{
    static const unsigned char key[4] = {0x01, 0x80, 0x5a, 0xff};
    unsigned char plain[100] = {0}, want[100] = {0};

    for (size_t len = 0; len <= sizeof plain; len++) {
        for (size_t i = 0; i < len; i++) {
            plain[i] = (unsigned char)(i * 7);
            want[i] = plain[i] ^ key[i % 4];
        }
        char *in_place = guarded_copy(plain, len), *apart = guarded_copy(want, len);
        wsrt_ws_mask(in_place, in_place, len, key);
        ck_assert_mem_eq(in_place, want, len);
        wsrt_ws_mask(apart, plain, len, key);
        ck_assert_mem_eq(apart, want, len);
        guarded_free(in_place, len);
        guarded_free(apart, len);
    }
}
END_TEST

START_TEST(unmasking_writes_nothing_outside_the_payload)
{
    for (size_t len = 1; len <= 70; len++) {
        unsigned char plain[70], *room = malloc(2 * len + 32);
        size_t size;
        wsrt_ws_event event;
        memset(plain, 'x', sizeof plain);
        unsigned char *frame = client_frame(0x82, plain, len, &size);
        memcpy(room, frame, size);
        memset(room + size, 0x99, len);
        ck_assert_int_eq(decode(&server, room, size, &event), WSRT_WS_MESSAGE);
        ck_assert_mem_eq(room + size - len, plain, len);
        ck_assert_mem_eq(room, frame, size - len);
        for (size_t i = 0; i < len; i++)
            ck_assert_uint_eq(room[size + i], 0x99);
        free(frame);
        free(room);
    }
}
END_TEST

START_TEST(a_masked_message_comes_back_at_every_split)
{
    unsigned char plain[260];
    size_t size;

    for (size_t i = 0; i < sizeof plain; i++)
        plain[i] = (unsigned char)(i ^ 0x5a);
    unsigned char *frame = client_frame(0x82, plain, sizeof plain, &size);
    wsrt_span in = {(char *)frame, size};
    struct text whole = feed_frames(in, (struct split){0, 0}, &server, HEAP);
    ck_assert_uint_eq(whole.len, strlen("binary \n") + 2 * sizeof plain);
    ck_assert_int_eq(strncmp(whole.ptr, "binary 5a5b58", 13), 0);
    for (size_t first = 1; first < size; first++)
        for (size_t step = 0; step < 20; step++) {
            struct text cut = feed_frames(in, (struct split){first, step}, &server, HEAP);
            ck_assert_str_eq(cut.ptr, whole.ptr);
            text_free(&cut);
        }
    text_free(&whole);
    free(frame);
}
END_TEST

START_TEST(a_whole_message_points_into_the_input)
{
    size_t size;
    wsrt_ws_event event;
    unsigned char *frame = client_frame(0x81, "hello", 5, &size);

    ck_assert_int_eq(decode(&server, frame, size, &event), WSRT_WS_MESSAGE);
    ck_assert_ptr_eq(event.payload.ptr, frame + 6);
    ck_assert_uint_eq(event.payload.len, 5);
    ck_assert_uint_eq(event.opcode, WSRT_WS_OP_TEXT);
    ck_assert_uint_eq(event.used, size);
    free(frame);
}
END_TEST

START_TEST(a_message_of_65536_bytes_is_whole_too)
{
    size_t len = 65536, size;
    unsigned char *plain = calloc(1, len);
    wsrt_ws_event event;
    unsigned char *frame = client_frame(0x81, plain, len, &size);

    ck_assert_int_eq(decode(&roomy, frame, size, &event), WSRT_WS_MESSAGE);
    ck_assert_uint_eq(event.payload.len, len);
    ck_assert_mem_eq(event.payload.ptr, plain, len);
    ck_assert_uint_eq(event.used, size);
    free(frame);
    free(plain);
}
END_TEST

START_TEST(pieces_tell_how_much_of_their_frame_is_to_come)
{
    wsrt_ws_decoder decoder = {0};
    wsrt_ws_event event;
    size_t size;
    unsigned char *frame = client_frame(0x82, "0123456789", 10, &size);

    ck_assert_int_eq(wsrt_ws_decode(&decoder, &server, frame, 6, &event), WSRT_WS_NEED);
    ck_assert_uint_eq(event.used, 6);
    ck_assert_int_eq(wsrt_ws_in_message(&decoder), 1);
    ck_assert_int_eq(wsrt_ws_decode(&decoder, &server, frame + 6, 4, &event), WSRT_WS_PIECE);
    ck_assert_uint_eq(event.left, 6);
    ck_assert_uint_eq(event.last, 0);
    ck_assert_int_eq(wsrt_ws_decode(&decoder, &server, frame + 10, 6, &event), WSRT_WS_PIECE);
    ck_assert_uint_eq(event.left, 0);
    ck_assert_uint_eq(event.last, 1);
    ck_assert_int_eq(wsrt_ws_in_message(&decoder), 0);
    free(frame);
}
END_TEST

START_TEST(an_incomplete_control_frame_is_left_untouched_in_the_input)
{
    wsrt_ws_decoder decoder = {0};
    wsrt_ws_event event;
    size_t size;
    unsigned char payload[WSRT_WS_CONTROL_MAX] = {0};
    unsigned char *frame = client_frame(0x89, payload, sizeof payload, &size);

    ck_assert_uint_eq(size - 1, WSRT_WS_TAIL_MAX);
    ck_assert_int_eq(wsrt_ws_decode(&decoder, &server, frame, size - 1, &event), WSRT_WS_NEED);
    ck_assert_uint_eq(event.used, 0);
    ck_assert_int_eq(wsrt_ws_decode(&decoder, &server, frame, size, &event), WSRT_WS_PING);
    ck_assert_mem_eq(event.payload.ptr, payload, sizeof payload);
    free(frame);
}
END_TEST

START_TEST(no_input_is_no_event)
{
    wsrt_ws_decoder fresh = {0}, inside = {0};
    wsrt_ws_event event;
    unsigned char header[] = {0x82, 0x85, 0, 0, 0, 0};

    ck_assert_int_eq(wsrt_ws_decode(&fresh, &server, NULL, 0, &event), WSRT_WS_NEED);
    ck_assert_uint_eq(event.used, 0);
    wsrt_ws_decode(&inside, &server, header, sizeof header, &event);
    ck_assert_int_eq(wsrt_ws_decode(&inside, &server, NULL, 0, &event), WSRT_WS_NEED);
    ck_assert_uint_eq(event.used, 0);
}
END_TEST

START_TEST(decoder_state_is_sixteen_bytes)
{
    ck_assert_uint_eq(sizeof(wsrt_ws_decoder), 16);
}
END_TEST

START_TEST(counters_begin_anew_with_each_message)
{
    wsrt_ws_decoder decoder = {0};
    wsrt_ws_event event;
    unsigned char plain[300] = {0};
    size_t size;

    for (int round = 0; round < 10; round++) {
        unsigned char *frame = client_frame(0x82, plain, sizeof plain, &size);
        ck_assert_int_eq(wsrt_ws_decode(&decoder, &server, frame, size, &event), WSRT_WS_MESSAGE);
        free(frame);
    }
}
END_TEST

START_TEST(caps_hold_for_short_messages_too)
{
    static const struct {
        wsrt_ws_limits limits;
        int kind, code;
    } rows_of_caps[] = {
        {{.max_frame = 5, .max_message = 5, .max_fragments = 1}, WSRT_WS_MESSAGE, 0},
        {{.max_frame = 4, .max_message = 5, .max_fragments = 1}, WSRT_WS_FAIL, 1009},
        {{.max_frame = 5, .max_message = 4, .max_fragments = 1}, WSRT_WS_FAIL, 1009},
        {{.max_frame = 5, .max_message = 5, .max_fragments = 0}, WSRT_WS_FAIL, 1009},
        {{.max_frame = 5, .max_message = 5, .max_fragments = 1, .flags = WSRT_WS_NO_BINARY},
         WSRT_WS_FAIL,
         1003},
    };

    for (size_t i = 0; i < COUNT(rows_of_caps); i++) {
        size_t size;
        wsrt_ws_event event;
        unsigned char *frame = client_frame(0x82, "hello", 5, &size);
        ck_assert_int_eq(decode(&rows_of_caps[i].limits, frame, size, &event),
                         rows_of_caps[i].kind);
        if (rows_of_caps[i].code != 0)
            ck_assert_uint_eq(event.code, rows_of_caps[i].code);
        free(frame);
    }
}
END_TEST

START_TEST(headers_have_the_shortest_length_and_are_read_back)
{
    static const struct {
        uint64_t len;
        size_t header;
    } sizes[] = {{0, 2},     {1, 2},      {125, 2},         {126, 4},       {127, 4},
                 {65535, 4}, {65536, 10}, {UINT32_MAX, 10}, {INT64_MAX, 10}};
    static const unsigned char key[4] = {1, 2, 3, 4};

    for (size_t i = 0; i < COUNT(sizes); i++) {
        unsigned char plain[WSRT_WS_HEADER_MAX + 1], masked[WSRT_WS_HEADER_MAX + 1];
        memset(plain, 0x99, sizeof plain);
        memset(masked, 0x99, sizeof masked);
        size_t n = wsrt_ws_header(plain, WSRT_WS_OP_BINARY, 1, sizes[i].len, NULL);
        ck_assert_uint_eq(n, sizes[i].header);
        ck_assert_uint_eq(plain[0], 0x82);
        ck_assert_uint_eq(wsrt_ws_header(masked, WSRT_WS_OP_BINARY, 0, sizes[i].len, key), n + 4);
        ck_assert_uint_eq(masked[0], 0x02);
        ck_assert_uint_eq(masked[1], plain[1] | 0x80u);
        ck_assert_mem_eq(masked + 2, plain + 2, n - 2);
        ck_assert_mem_eq(masked + n, key, 4);
        ck_assert_uint_eq(plain[n], 0x99);
        ck_assert_uint_eq(masked[n + 4], 0x99);
        uint64_t len = plain[1];
        for (size_t k = 2; k < n; k++)
            len = (k == 2 ? 0 : len << 8) | plain[k];
        ck_assert_uint_eq(len, sizes[i].len);
    }
}
END_TEST

START_TEST(close_payloads_carry_code_and_reason)
{
    unsigned char out[WSRT_WS_CONTROL_MAX];

    ck_assert_uint_eq(wsrt_ws_close_payload(out, 1000, (wsrt_span){NULL, 0}), 2);
    ck_assert_mem_eq(out, "\x03\xe8", 2);
    ck_assert_uint_eq(wsrt_ws_close_payload(out, 1012, (wsrt_span){"bye", 3}), 5);
    ck_assert_mem_eq(out,
                     "\x03\xf4"
                     "bye",
                     5);
    ck_assert_uint_eq(wsrt_ws_close_payload(out, 0, (wsrt_span){"bye", 3}), 0);
    ck_assert_uint_eq(wsrt_ws_close_payload(out, 1005, (wsrt_span){"bye", 3}), 0);
}
END_TEST

START_TEST(a_reason_of_123_bytes_is_whole_and_a_longer_one_is_cut_there)
{
    unsigned char out[WSRT_WS_CONTROL_MAX];
    char reason[WSRT_WS_CONTROL_MAX + 1];

    memset(reason, 'x', sizeof reason);
    for (size_t len = 122; len <= sizeof reason; len++) {
        size_t wanted = len < 123 ? len : 123;
        memset(out, 0, sizeof out);
        ck_assert_uint_eq(wsrt_ws_close_payload(out, 1000, (wsrt_span){reason, len}), 2 + wanted);
        ck_assert_mem_eq(out + 2, reason, wanted);
    }
}
END_TEST

START_TEST(long_reasons_are_cut_between_characters)
{
    for (size_t lead = 0; lead < 4; lead++) {
        unsigned char out[WSRT_WS_CONTROL_MAX], frame[WSRT_WS_HEADER_MAX + sizeof out];
        char reason[200];
        wsrt_ws_event event;
        for (size_t i = 0; i < sizeof reason; i++)
            reason[i] = i < lead ? 'x' : "\xf0\x9f\x98\x80"[(i - lead) % 4];
        size_t len = wsrt_ws_close_payload(out, 1000, (wsrt_span){reason, sizeof reason});
        ck_assert_uint_le(len, WSRT_WS_CONTROL_MAX);
        ck_assert_uint_gt(len, WSRT_WS_CONTROL_MAX - 4);
        size_t header = wsrt_ws_header(frame, WSRT_WS_OP_CLOSE, 1, len, NULL);
        memcpy(frame + header, out, len);
        ck_assert_int_eq(decode(&client, frame, header + len, &event), WSRT_WS_CLOSE);
    }
}
END_TEST

Suite *suite(void)
{
    Suite *s = suite_create("ws");
    TCase *t = tcase_create("ws");

    tcase_add_loop_test(t, every_row_gives_its_events_whole_bytewise_and_at_every_split, 0,
                        (int)COUNT(rows));
    tcase_add_test(t, close_codes_that_may_be_sent_are_echoed_and_others_fail);
    tcase_add_test(t, two_bytes_are_text_when_they_are_characters);
    tcase_add_test(t, three_and_four_bytes_are_text_when_they_are_one_character);
    tcase_add_test(t, bad_bytes_are_found_at_every_place_of_a_long_text);
    tcase_add_test(t, masking_of_every_length_is_the_plain_xor_and_stays_inside);
    tcase_add_test(t, unmasking_writes_nothing_outside_the_payload);
    tcase_add_test(t, a_masked_message_comes_back_at_every_split);
    tcase_add_test(t, a_whole_message_points_into_the_input);
    tcase_add_test(t, a_message_of_65536_bytes_is_whole_too);
    tcase_add_test(t, pieces_tell_how_much_of_their_frame_is_to_come);
    tcase_add_test(t, an_incomplete_control_frame_is_left_untouched_in_the_input);
    tcase_add_test(t, no_input_is_no_event);
    tcase_add_test(t, decoder_state_is_sixteen_bytes);
    tcase_add_test(t, counters_begin_anew_with_each_message);
    tcase_add_test(t, caps_hold_for_short_messages_too);
    tcase_add_test(t, headers_have_the_shortest_length_and_are_read_back);
    tcase_add_test(t, close_payloads_carry_code_and_reason);
    tcase_add_test(t, a_reason_of_123_bytes_is_whole_and_a_longer_one_is_cut_there);
    tcase_add_test(t, long_reasons_are_cut_between_characters);
    suite_add_tcase(s, t);
    return s;
}
