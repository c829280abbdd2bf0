/* Sends each chat message back: `chat-server plain|validated`. Validated it has to fit the schema that ships
 * with the library; the handler is the same. */
#include "host.h"

#include <string.h>

int main(int argc, char **argv)
{
    const wsrt_runtime_options parts = {.struct_size = sizeof parts,
                                        .flags = WSRT_RUNTIME_NO_LIMITS};
    wsrt_schema *schema = NULL;

    if (argc > 1 && strcmp(argv[1], "validated") == 0 &&
        wsrt_schema_builtin(&schema, "message", NULL) != WSRT_OK)
        return 1;
    int status = host_serve(&parts, (wsrt_server_options){0}, host_echo, schema);
    wsrt_schema_free(schema);
    return status;
}
