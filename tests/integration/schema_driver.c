/* Judges values against schemas, for differential tests. A line "S" and a schema is answered by "ok" or
 * by the code of its refusal; a line "I" and a value is judged by the schema before it. */
#include <wsrt/schema.h>

#include <stdio.h>
#include <stdlib.h>

static wsrt_schema *schema;

static const char *compile(const char *text, size_t len)
{
    wsrt_schema_options o = {.struct_size = sizeof o, .flags = WSRT_SCHEMA_DRAFT_2020_12};
    wsrt_schema_error why;

    wsrt_schema_free(schema);
    if (wsrt_schema_new(&schema, text, len, &o, &why) == WSRT_OK)
        return "ok";
    return wsrt_schema_code_name(why.code);
}

/* Both modes must agree. */
static const char *judge(const char *text, size_t len)
{
    int status[2];

    if (schema == NULL)
        return "no schema";
    for (uint32_t flags = 0; flags <= WSRT_VALIDATE_COLLECT_ALL; flags++) {
        wsrt_validate_options o = {.struct_size = sizeof o, .flags = flags};
        wsrt_validation v = {.struct_size = sizeof v,
                             .scratch_cap = wsrt_schema_scratch(schema, &o)};
        v.scratch = malloc(v.scratch_cap);
        status[flags] = wsrt_validate(schema, text, len, &o, &v);
        free(v.scratch);
    }
    return status[0] == status[1] ? wsrt_status_name(status[0]) : "contradiction";
}

int main(void)
{
    char *line = NULL;
    size_t cap = 0;
    ssize_t n;

    while ((n = getline(&line, &cap, stdin)) > 1) {
        size_t len = (size_t)n - 2; /* without the letter and the end of the line */
        puts(line[0] == 'S' ? compile(line + 1, len) : judge(line + 1, len));
    }
    free(line);
    wsrt_schema_free(schema);
    return ferror(stdout) ? 1 : 0;
}
