#include "aws_library.h"

#include "tool.h"

#include <dlfcn.h>

int aws_library_find(const char *what, const struct aws_function *wanted, size_t count)
{
    void *library = dlopen(WSRT_TOOL_AWS, RTLD_NOW | RTLD_LOCAL);

    if (library == NULL)
        return complain(TOOL_CONFIG, "%s needs libwsrt-aws: %s", what, dlerror());
    for (size_t i = 0; i < count; i++) {
        void *found = dlsym(library, wanted[i].name);
        if (found == NULL)
            return complain(TOOL_CONFIG, "%s needs a newer libwsrt-aws: %s", what, dlerror());
        *(void **)wanted[i].at = found; /* ISO C has no such conversion, POSIX has */
    }
    return 0;
}
