/* The same thing so often that whatever is kept each time would show. WSRT_RECONNECTS and WSRT_ODD_PATHS
 * say how often: 1,000 and 100 in the ordinary run, 10^6 and 10,000 in the long lane. */
#include "server_rig.h"
#include "suite.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { WARM_UP = 100, LINES_ROOM = 1 << 20, RESIDENT_MORE = 4096 * 1024 };

static struct rig rig;
static char text[LINES_ROOM];

static size_t from_environment(const char *name, size_t standard)
{
    const char *given = getenv(name);

    return given == NULL ? standard : strtoul(given, NULL, 10);
}

static void start(void)
{
    wsrt_server_options o = {.struct_size = sizeof o, .max_connections = 900000};

    rig_start(&rig, &o);
}

static size_t resident(void)
{
    unsigned long pages = 0;
    FILE *f = fopen("/proc/self/statm", "r");

    ck_assert_ptr_nonnull(f);
    ck_assert_int_eq(fscanf(f, "%*u %lu", &pages), 1);
    fclose(f);
    return pages * (size_t)sysconf(_SC_PAGESIZE);
}

/* What a process holds, at the begin and at the end. */
struct held {
    size_t resident;
    size_t live;
    int descriptors;
};

static struct held look(void)
{
    return (struct held){resident(), rig.heap.live, rig_open_descriptors()};
}

static void expect_flat(const char *what, size_t times, struct held before)
{
    struct held now = look();

    printf("# %s: %zu times, resident %zu to %zu KiB, heap %zu to %zu, descriptors %d to %d\n",
           what, times, before.resident / 1024, now.resident / 1024, before.live, now.live,
           before.descriptors, now.descriptors);
    ck_assert_uint_eq(now.live, before.live);
    ck_assert_int_eq(now.descriptors, before.descriptors);
    ck_assert_uint_le(now.resident, before.resident + RESIDENT_MORE);
}

/* ---- reconnects ----------------------------------------------------------------------------- */

static void come_and_go(char *id)
{
    int fd = rig_open(&rig);

    memcpy(id, rig.id, WSRT_ID_LEN);
    close(fd);
    rig_steps(&rig, 3);
}

static int post_to(const char *id)
{
    wsrt_span to = {id, WSRT_ID_LEN};
    wsrt_post p = {.struct_size = sizeof p, .data = wsrt_span_cstr("x")};

    return rig.sender.ops->post(rig.sender.self, &to, &p);
}

START_TEST(no_id_of_many_connections_reaches_a_later_one_nor_leaves_memory)
{
    size_t count = from_environment("WSRT_RECONNECTS", 1000), wrong = 0;
    char *ids = malloc(count * WSRT_ID_LEN), byte;
    int ended;

    start();
    memset(ids, 'A', count * WSRT_ID_LEN); /* so that it is resident */
    for (size_t i = 0; i < WARM_UP; i++)
        come_and_go(ids);
    struct held before = look();
    for (size_t i = 0; i < count; i++)
        come_and_go(ids + i * WSRT_ID_LEN);
    expect_flat("reconnects", count, before);
    int last = rig_open(&rig);
    for (size_t i = 0; i < count; i++)
        wrong += post_to(ids + i * WSRT_ID_LEN) != WSRT_ERR_GONE;
    ck_assert_uint_eq(wrong, 0);
    ck_assert_uint_eq(rig_read(&rig, last, &byte, 1, &ended), 0);
    close(last);
    rig_steps(&rig, 3);
    free(ids);
    rig_stop(&rig);
}
END_TEST

/* ---- odd paths ------------------------------------------------------------------------------ */

static int ask(const char *method, const char *path)
{
    char request[512];
    int len =
        snprintf(request, sizeof request,
                 "%s %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", method, path);

    return rig_ask(&rig, request, (size_t)len, text, sizeof text);
}

static size_t lines(void)
{
    size_t n = 0;

    ck_assert_int_eq(ask("GET", "/metrics"), 200);
    for (const char *p = text; (p = strchr(p, '\n')) != NULL; p++)
        n++;
    return n;
}

static uint64_t dice = 1;

static unsigned roll(unsigned sides)
{
    dice = dice * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (unsigned)(dice >> 33) % sides;
}

/* Line breaks, quotes, braces, bytes beyond ASCII: as escapes, and some as they are. */
static void make_odd(char *path, size_t number)
{
    static const char *const pieces[] = {
        "%0d%0a",    "%00", "%22", "\"",   "{le=\"1\"}",   "%7B", "\\",
        "%ff%fe",    "..",  "//",  "%2F",  "@connections", "'",   "$(x)",
        "%E2%80%AE", ";",   "=",   "&amp", "<b>",          "*",   "~"};
    size_t at = (size_t)sprintf(path, "/%zu", number);

    for (unsigned i = roll(8) + 1; i > 0; i--)
        at += (size_t)sprintf(path + at, "%s", pieces[roll(sizeof pieces / sizeof *pieces)]);
}

START_TEST(odd_paths_become_no_labels_and_leave_no_memory)
{
    size_t count = from_environment("WSRT_ODD_PATHS", 100);
    char path[256], method[16];

    start();
    ask("GET", "/nope");
    ask("POST", "/@connections/AAAAAAAAAAAAAAA=");
    ask("DROP", "/@connections/AAAAAAAAAAAAAAA=");
    ask("GET", "/@connections/");
    ask("GET", "/bad%zz");
    for (size_t i = 0; i < WARM_UP; i++) {
        make_odd(path, i);
        ask("GET", path);
    }
    size_t series = lines();
    struct held before = look();
    for (size_t i = 0; i < count; i++) {
        make_odd(path, i);
        sprintf(method, "M%zu", i % 1000);
        int status = ask(i % 2 == 0 ? "GET" : method, path);
        ck_assert_msg(status >= 400 && status < 500, "%s: %d", path, status);
        ck_assert_ptr_null(strstr(text, "\r\n\r\n\r\n"));
    }
    expect_flat("odd paths", count, before);
    ck_assert_uint_eq(lines(), series);
    rig_stop(&rig);
}
END_TEST

Suite *suite(void)
{
    Suite *s = suite_create("server_endurance");
    TCase *t = tcase_create("all");

    tcase_set_timeout(t, 60);
    tcase_add_test(t, no_id_of_many_connections_reaches_a_later_one_nor_leaves_memory);
    tcase_add_test(t, odd_paths_become_no_labels_and_leave_no_memory);
    suite_add_tcase(s, t);
    return s;
}
