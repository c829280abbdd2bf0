/* Requests signed with Signature Version 4 as they arrive at the server: whatever stands in their
 * fields, and whoever is let in, is not with one byte of the body changed. The input is a request, head
 * and body, at the time that the corpus was signed for. */
#include "target.h"

#include "server/endpoints.h"

#include <stdlib.h>
#include <string.h>

static int64_t wall(void *user)
{
    (void)user;
    return INT64_C(1795168800000); /* 20261120T100000Z */
}

static int is_valid(const wsrt_http_request *req, wsrt_span body)
{
    static wsrt_terms terms = {.management_access_key = {"AKIDEXAMPLE", 11},
                               .management_secret_key = {"sesame", 6}};
    static wsrt_settings set = {.env = {.wall = wall}};
    static wsrt_loop loop = {.set = &set, .terms = &terms};
    wsrt_exchange k = {.loop = &loop, .req = req, .body = body};

    return wsrt_signature_valid(&k);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static wsrt_http_request req;
    uint32_t scanned = 0;

    if (wsrt_http_parse_request((const char *)data, size, NULL, &scanned, &req) != WSRT_HTTP_DONE)
        return 0;
    size_t len = size - req.head_len;
    char *body = malloc(len + 1);
    memcpy(body, data + req.head_len, len);
    int valid = is_valid(&req, (wsrt_span){body, len});
    if (len > 0)
        body[len / 2] ^= 1;
    else
        body[len++] = 'x';
    if (valid && is_valid(&req, (wsrt_span){body, len}))
        abort();
    free(body);
    return 0;
}
