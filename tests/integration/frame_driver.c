/* Reads streams of frames from stdin and prints their events, for differential tests. A stream is its
 * role (1 = the client receives), two bytes that say how to cut it (struct split), a length of four
 * bytes, least significant first, and that many bytes. Its events end with a line "end". */
#include "feed.h"

#include <stdio.h>
#include <stdlib.h>

int main(void)
{
    unsigned char header[7];

    while (fread(header, 1, sizeof header, stdin) == sizeof header) {
        size_t len = (size_t)header[3] | (size_t)header[4] << 8 | (size_t)header[5] << 16 |
                     (size_t)header[6] << 24;
        struct split split = {header[1], header[2]};
        wsrt_ws_limits limits = {.max_frame = 1u << 20,
                                 .max_message = 1u << 20,
                                 .max_fragments = 1024,
                                 .flags = header[0] & WSRT_WS_CLIENT};
        char *bytes = malloc(len + 1);
        if (bytes == NULL || fread(bytes, 1, len, stdin) != len) {
            free(bytes);
            return 1;
        }
        struct text log = feed_frames((wsrt_span){bytes, len}, split, &limits, HEAP);
        fputs(log.ptr, stdout);
        puts("end");
        text_free(&log);
        free(bytes);
    }
    return ferror(stdout) ? 1 : 0;
}
