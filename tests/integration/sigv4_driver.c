/* Signs what it is told, line by line: words in hexadecimal, "-" for an empty one. In: secret, region,
 * service, time, method, path, query, body, then name and value of each field. Out: the canonical
 * request in hexadecimal, and the signature. */
#include "common/sigv4.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LINE = 1 << 20, FIRST = 8 };

static unsigned digit(char c)
{
    return (unsigned)(c <= '9' ? c - '0' : c - 'a' + 10);
}

/* Decodes a word where it lies. */
static wsrt_span decode(char *word)
{
    size_t len = strcmp(word, "-") == 0 ? 0 : strlen(word) / 2;

    for (size_t i = 0; i < len; i++)
        word[i] = (char)(digit(word[2 * i]) << 4 | digit(word[2 * i + 1]));
    return (wsrt_span){word, len};
}

static int answer(const wsrt_span *words, size_t count)
{
    static char canonical[LINE];
    wsrt_http_field fields[WSRT_HTTP_FIELDS_MAX];
    char body_hex[WSRT_SHA256_HEX], signature[WSRT_SHA256_HEX];
    unsigned char key[WSRT_SHA256_LEN];
    wsrt_sigv4_scope scope = {.region = words[1], .service = words[2]};
    wsrt_sigv4_request r = {.method = words[4],
                            .path = words[5],
                            .query = words[6],
                            .fields = fields,
                            .body_hex = body_hex};
    size_t len;

    for (size_t i = FIRST; i + 1 < count; i += 2)
        fields[r.field_count++] = (wsrt_http_field){words[i], words[i + 1]};
    wsrt_sha256_hex(body_hex, words[7]);
    memcpy(scope.time, words[3].ptr, sizeof scope.time);
    wsrt_sigv4_key(key, words[0], &scope);
    if (wsrt_sigv4_canonical(&r, canonical, sizeof canonical, &len) != WSRT_OK ||
        wsrt_sigv4_sign(&r, &scope, key, signature) != WSRT_OK)
        return 0;
    for (size_t i = 0; i < len; i++)
        printf("%02x", (unsigned)(unsigned char)canonical[i]);
    printf(" %.*s\n", WSRT_SHA256_HEX, signature);
    return 1;
}

int main(void)
{
    static char line[LINE];
    wsrt_span words[FIRST + 2 * WSRT_HTTP_FIELDS_MAX];

    while (fgets(line, sizeof line, stdin) != NULL) {
        size_t count = 0;
        for (char *w = strtok(line, " \n"); w != NULL && count < sizeof words / sizeof words[0];
             w = strtok(NULL, " \n"))
            words[count++] = decode(w);
        if (count < FIRST || !answer(words, count))
            puts("refused");
        fflush(stdout);
    }
    return 0;
}
