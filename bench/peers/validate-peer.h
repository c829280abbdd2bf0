/* What every engine of bench/validate shares: the messages, the commands, the clock.
 *
 * An engine is started with the file of messages, prints `ready NAME VERSION`, and obeys lines:
 *   check GROUP             one word a message: 0 = refused, 1:N = accepted, N bytes of decoded fields
 *   run GROUP LOOPS FORM    judges the group LOOPS times and prints the CPU ns that it took
 */
#ifndef WSRT_BENCH_VALIDATE_PEER_H
#define WSRT_BENCH_VALIDATE_PEER_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { PEER_FIELDS = 5, PEER_PADDING = 64, PEER_MOST_TEXT = 65536 };
enum peer_field { PEER_TYPE, PEER_ACTION, PEER_MESSAGE, PEER_SESSION, PEER_TOKEN };

struct peer_fields {
    const char *ptr[PEER_FIELDS];
    size_t len[PEER_FIELDS];
};

/* How the answer is wanted; an engine takes the forms that it knows. */
enum peer_form {
    PEER_PLAIN,   /* fields as the engine hands them out */
    PEER_DECODED, /* every field without escapes */
    PEER_BARE,    /* ours: nothing may be read behind the end */
    PEER_UTF8,    /* simdjson: only whether the bytes are UTF-8 */
    PEER_FORMS
};

/* ---- given by the engine */
extern const char peer_name[];
const char *peer_version(void);
void peer_start(void);
/* `text` has PEER_PADDING zero bytes behind it. 1 = accepted, with the fields. */
int peer_judge(const char *text, size_t len, int form, struct peer_fields *out);

/* ---- the hand-written rules of the message union, for engines that only parse */
int peer_accepts(const struct peer_fields *f);

#ifdef __cplusplus
}
#endif
#endif
