/* Reads heads of requests from stdin, each behind its length of four bytes (least significant first),
 * and prints what the parser of adapters/common makes of them: "STATUS" of the refusal, "more", or
 * "done HEAD_LEN CONTENT_LENGTH METHOD TARGET". */
#include "common/http1.h"

#include <stdio.h>
#include <stdlib.h>

static void print_request(const wsrt_http_request *r)
{
    printf("done %zu %llu %.*s %.*s", r->head_len, (unsigned long long)r->content_length,
           (int)r->method.len, r->method.ptr, (int)r->path.len, r->path.ptr);
    if (r->query.ptr != NULL)
        printf("?%.*s", (int)r->query.len, r->query.ptr);
    putchar('\n');
}

int main(void)
{
    static wsrt_http_request request;
    unsigned char header[4];

    while (fread(header, 1, sizeof header, stdin) == sizeof header) {
        size_t len = (size_t)header[0] | (size_t)header[1] << 8 | (size_t)header[2] << 16;
        uint32_t scanned = 0;
        char *bytes = malloc(len + 1);
        if (bytes == NULL || fread(bytes, 1, len, stdin) != len) {
            free(bytes);
            return 1;
        }
        int rc = wsrt_http_parse_request(bytes, len, NULL, &scanned, &request);
        if (rc == WSRT_HTTP_DONE)
            print_request(&request);
        else if (rc == WSRT_HTTP_MORE)
            puts("more");
        else
            printf("%d\n", rc);
        free(bytes);
    }
    return ferror(stdout) ? 1 : 0;
}
