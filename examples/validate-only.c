/* Judges each line of standard input by a schema that ships with the library.
 *
 *     cc validate-only.c $(pkg-config --cflags --libs wsrt) -o validate-only
 *     echo '{"type":"ping","data":{"action":"now"}}' | ./validate-only
 */
#include <wsrt/json.h>
#include <wsrt/schema.h>

#include <stdio.h>
#include <string.h>

int main(void)
{
    wsrt_schema *schema = NULL;
    wsrt_slot slots[8];
    wsrt_issue issues[16];
    unsigned char scratch[4096];
    char line[16384];
    int invalid = 0;
    wsrt_validate_options opts = {.struct_size = sizeof opts, .flags = WSRT_VALIDATE_COLLECT_ALL};

    if (wsrt_schema_builtin(&schema, "message", NULL) != WSRT_OK)
        return 2;
    while (fgets(line, sizeof line, stdin) != NULL) {
        size_t len = strcspn(line, "\n");
        wsrt_validation v = {.struct_size = sizeof v,
                             .slots = slots,
                             .slot_cap = 8,
                             .issues = issues,
                             .issue_cap = 16,
                             .scratch = scratch,
                             .scratch_cap = sizeof scratch};
        int rc = wsrt_validate(schema, line, len, &opts, &v);

        if (rc == WSRT_OK) {
            int type = wsrt_schema_slot(schema, "type");
            printf("valid %.*s message\n", (int)slots[type].text.len, slots[type].text.ptr);
            continue;
        }
        invalid = 1;
        for (size_t i = 0; i < v.issue_count; i++) {
            char path[256];
            wsrt_issue_pointer(schema, line, len, &issues[i], 0, path, sizeof path, NULL);
            printf("%s: %s: %s\n", path, wsrt_issue_code_name(issues[i].code), issues[i].text_cstr);
        }
    }
    wsrt_schema_free(schema);
    return invalid;
}
