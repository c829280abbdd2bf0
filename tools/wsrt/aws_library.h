/* libwsrt-aws, which is loaded when something of it is asked for and only then: libcurl and what it brings
 * would make every start of the tool several times as slow. */
#ifndef WSRT_TOOL_AWS_LIBRARY_H
#define WSRT_TOOL_AWS_LIBRARY_H

#include <stddef.h>

/* A function by its name, and where its address goes. */
struct aws_function {
    const char *name;
    void *at;
};

/* Loads it, once and for good: libcurl may leave something behind that a closed library would take along.
 * 0, or what is wrong was complained about, and an exit status; `what` is who asks for it. */
int aws_library_find(const char *what, const struct aws_function *wanted, size_t count);

#endif
