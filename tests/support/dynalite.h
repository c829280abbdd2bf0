/* DynamoDB as dynalite knows it: a process of node's beside the test program, for as long as that runs.
 * Limits: it checks the form of a signature, not its truth; its indexes are never late; nothing is
 * throttled, and nothing expires. */
#ifndef WSRT_TEST_DYNALITE_H
#define WSRT_TEST_DYNALITE_H

struct dynalite_tables {
    char connections_a[64]; /* of either shape */
    char connections_b[64];
    char messages[64];
};

/* Its address, "http://127.0.0.1:PORT"; starts it at the first call, best before a test forks. */
const char *dynalite_url(void);
/* Makes empty tables that nobody else has. */
void dynalite_make(struct dynalite_tables *tables);

#endif
