/* A conversation between clients and an application, told in a file and played on any transport.
 *
 *     # a comment
 *     alice connect [TOKEN]          connects, with a token in the query
 *     eve connect TOKEN refused 401  is refused with that status
 *     alice send TEXT                sends the rest of the line; ${name} stands for a captured text
 *     alice expect JSON              the next message alice gets; members in any order, all of them
 *     alice close                    leaves with a close frame
 *     bob vanish                     leaves without a word
 *     records N                      so many connections are known
 *     publish JSON                   updates happen: one, or an array of them
 *
 * In expected JSON "<any>" is any value, "<text>" a text that is not empty, "<uuid>" a UUIDv7, "<ms>"
 * a Unix time in milliseconds, "<iso>" the same as text; "<uuid:name>" and "<text:name>" also keep it
 * as `name`, or demand the text kept before. A member "...": true allows members not listed. */
#ifndef WSRT_TEST_SCENARIO_H
#define WSRT_TEST_SCENARIO_H

#include <stddef.h>
#include <stdint.h>

enum { SCENARIO_CLIENTS = 8, SCENARIO_MESSAGE = 65536 };

/* A transport, as clients see it. `client` is a number below SCENARIO_CLIENTS. */
struct scenario_driver {
    int (*connect)(void *self, size_t client, const char *token); /* 0, or the refusal's status */
    void (*send)(void *self, size_t client, const char *text);
    /* The next message, NUL-terminated; 0 when none comes within the driver's patience. */
    int (*receive)(void *self, size_t client, char *dst, size_t cap);
    void (*close)(void *self, size_t client);
    void (*vanish)(void *self, size_t client);
    uint64_t (*records)(void *self);
    void (*publish)(void *self, const char *updates); /* NULL = none happen there */
};

/* The file of a scenario, by its name: in the folder that the variable WSRT_SCENARIOS names. */
const char *scenario_path(const char *name);

/* Plays a file; what does not happen as told fails the test with the file's line. Returns the number
 * of lines played. */
size_t scenario_play(const char *path, const struct scenario_driver *driver, void *self);

/* Plays it whatever comes back: for runs in which something is made to fail. Expectations are not
 * looked at; at the end every client that is still there leaves. */
size_t scenario_storm(const char *path, const struct scenario_driver *driver, void *self);

#endif
