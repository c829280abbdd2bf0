#define _GNU_SOURCE
#include "file.h"
#include "tool.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int read_file(const char *whose, const char *path, int status, char **text, size_t *len)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = -1;

    *text = malloc(FILE_MAX + 1);
    *len = 0;
    while (fd >= 0 && *text != NULL && *len <= FILE_MAX &&
           (n = read(fd, *text + *len, FILE_MAX + 1 - *len)) > 0)
        *len += (size_t)n;
    int error = errno;
    if (fd >= 0)
        close(fd);
    if (*text == NULL)
        return complain(TOOL_INTERNAL, "out of memory");
    if (fd < 0 || n < 0)
        return complain(status, "%scannot read '%s': %s", whose, path, strerror(error));
    return 0;
}
