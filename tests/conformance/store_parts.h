/* What the parts of the suite of stores share: the store under test, and words to speak of it. */
#ifndef WSRT_TEST_STORE_PARTS_H
#define WSRT_TEST_STORE_PARTS_H

#include "store_suite.h"

enum { BUFFER = 131072, NOW = 1000 };

#define TEXT(s) ((wsrt_span){(s), sizeof(s) - 1})

extern const struct store_factory *factory;
extern wsrt_store store;
extern wsrt_history history;
extern char buffer[BUFFER];

wsrt_record connection(const char *id);
int put(const wsrt_record *r);
void put_user(const char *id, const char *user);
int get_at(const char *id, int64_t now_s, wsrt_record *out);
int is_there(const char *id);
int remove_id(const char *id, int64_t if_connected_at);
int is(wsrt_span text, const char *wanted);
uint64_t count_at(int64_t now_s);
int page(const char *user, uint32_t flags, wsrt_cursor *c, wsrt_record *out, size_t max, size_t *n);
/* Walks to the end in pages of `max`; ids seen are joined as " a b c". */
void walk(const char *user, uint32_t flags, size_t max, char *seen, size_t room);
int times_in(const char *seen, const char *id);
uint64_t next_random(uint64_t *state);

void store_add_walks(TCase *t);
void store_add_history(TCase *t);
void store_add_model(TCase *t);
void store_add_threads(TCase *t);

#endif
