/* nst/JSONTestSuite through wsrt_json_parse() and every kernel of wsrt_validate(): $WSRT_SUITES_DIR/jsontestsuite/test_parsing. */
#include "guarded.h"
#include "kernels.h"

#include <wsrt/json.h>

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SKIP = 77 };
enum { MUST_PASS = 95, MUST_FAIL = 188, FREE = 35, FREE_NUMBERS = 10, LARGEST = 1 << 20 };

struct tally {
    wsrt_schema *anything;
    int passes, failures, free, free_numbers, wrong;
};

/* The file's bytes, flush against an unmapped page; NULL when it cannot be read. */
static char *load(const char *folder, const char *name, size_t *len)
{
    static char bytes[LARGEST];
    char path[4096];

    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *f = fopen(path, "rb");
    if (f == NULL)
        return NULL;
    *len = fread(bytes, 1, sizeof bytes, f);
    int whole = feof(f) && !ferror(f);
    fclose(f);
    return whole ? guarded_copy(bytes, *len) : NULL;
}

/* Whether a name must be accepted; counts it. The ten free numbers are JSON by its grammar, only
 * far from any machine number. */
static int wanted(struct tally *t, const char *name)
{
    int number = strncmp(name, "i_number_", 9) == 0;

    t->passes += name[0] == 'y';
    t->failures += name[0] == 'n';
    t->free += name[0] == 'i';
    t->free_numbers += number;
    return name[0] == 'y' || number;
}

static void judge(struct tally *t, const char *folder, const char *name)
{
    size_t len;
    char *text = load(folder, name, &len);

    if (text == NULL) {
        printf("not read: %s\n", name);
        t->wrong++;
        return;
    }
    int accepted = wsrt_json_parse(NULL, (wsrt_span){text, len}, NULL) == WSRT_OK;
    int valid = kernels_judge(t->anything, text, len, 0, NULL) == WSRT_OK;
    if (accepted != wanted(t, name) || valid != accepted) {
        printf("%s: %s\n", accepted ? "accepted" : "refused", name);
        t->wrong++;
    }
    guarded_free(text, len);
}

/* The one free file that is JSON and only too deep for the default. */
static int judge_deep(struct tally *t, const char *folder)
{
    static unsigned char scratch[1 << 16];
    wsrt_validate_options o = {.struct_size = sizeof o, .max_depth = 512};
    wsrt_validation v = {
        .struct_size = sizeof v, .scratch = scratch, .scratch_cap = sizeof scratch};
    size_t len;
    char *text = load(folder, "i_structure_500_nested_arrays.json", &len);

    if (text == NULL)
        return 0;
    int valid = wsrt_validate(t->anything, text, len, &o, &v) == WSRT_OK &&
                wsrt_validate(t->anything, text, len, NULL, &v) == WSRT_ERR_LIMIT;
    guarded_free(text, len);
    return valid;
}

int main(void)
{
    const char *suites = getenv("WSRT_SUITES_DIR");
    struct tally t = {0};
    char folder[2048];

    if (suites == NULL) {
        puts("SKIP: WSRT_SUITES_DIR is not set");
        return SKIP;
    }
    snprintf(folder, sizeof folder, "%s/jsontestsuite/test_parsing", suites);
    if (wsrt_schema_new(&t.anything, "true", 4, NULL, NULL) != WSRT_OK)
        return 1;
    DIR *dir = opendir(folder);
    if (dir == NULL) {
        printf("FAIL: no folder %s\n", folder);
        return 1;
    }
    for (struct dirent *e = readdir(dir); e != NULL; e = readdir(dir))
        if (strlen(e->d_name) > 2 && e->d_name[1] == '_')
            judge(&t, folder, e->d_name);
    closedir(dir);
    if (!judge_deep(&t, folder)) {
        puts("500 nested arrays are not valid with a depth of 512 alone");
        t.wrong++;
    }
    wsrt_schema_free(t.anything);
    printf("y %d, n %d, i %d (%d numbers); wrong %d\n", t.passes, t.failures, t.free,
           t.free_numbers, t.wrong);
    int whole = t.passes == MUST_PASS && t.failures == MUST_FAIL && t.free == FREE &&
                t.free_numbers == FREE_NUMBERS;
    puts(whole ? "the suite is complete" : "FAIL: the suite is not complete");
    return whole && t.wrong == 0 ? 0 : 1;
}
