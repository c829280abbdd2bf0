/* Updates as records of a DynamoDB stream. */
#ifndef WSRT_TEST_STREAM_EVENT_H
#define WSRT_TEST_STREAM_EVENT_H

#include <stddef.h>
#include <stdint.h>

/* Writes the event that a table sends for these updates (one, or an array; flat `data`), NUL-terminated.
 * *sequence is the last sequence number used. What is no update fails the test. */
void stream_event(const char *updates, uint64_t *sequence, char *dst, size_t cap);

#endif
