/* A WebSocket client over a real socket, for tests: blocking, one message at a time. */
#ifndef WSRT_TEST_WS_CLIENT_H
#define WSRT_TEST_WS_CLIENT_H

#include <stddef.h>

struct ws_client;

/* Opens "ws://ADDRESS/?QUERY" at an "A.B.C.D:PORT". *status is 101, or the refusal's: then NULL. */
struct ws_client *ws_client_open(const char *address, const char *query, int *status);
void ws_client_send(struct ws_client *c, const char *text);
/* The next text message, NUL-terminated; pings are answered meanwhile. 0 when none comes within ten
 * seconds or the peer closes. */
int ws_client_receive(struct ws_client *c, char *dst, size_t cap);
void ws_client_close(struct ws_client *c); /* with a close frame, waits for the peer's; frees */
void ws_client_drop(struct ws_client *c);  /* resets the connection; frees */

#endif
