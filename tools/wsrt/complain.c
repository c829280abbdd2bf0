#include "tool.h"

#include <stdarg.h>
#include <stdio.h>

static struct {
    void (*take)(void *user, const char *text);
    void *user;
} listener;

void complaints_go_to(void (*take)(void *user, const char *text), void *user)
{
    listener.take = take;
    listener.user = user;
}

int complain(int status, const char *format, ...)
{
    char text[1024];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    for (char *p = text; *p != '\0'; p++)
        if ((unsigned char)*p < 0x20 || *p == 0x7f)
            *p = '?';
    if (listener.take != NULL)
        listener.take(listener.user, text);
    else
        fprintf(stderr, "wsrt: %s\n", text);
    return status;
}

void advise(const char *text)
{
    if (listener.take == NULL)
        fprintf(stderr, "wsrt: %s\n", text);
}
