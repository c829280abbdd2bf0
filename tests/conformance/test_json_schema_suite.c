/* The required cases of the JSON Schema suite, draft 2020-12. A group is either judged right in all
 * its cases, in both modes and by every kernel, or refused when it is compiled; never judged wrong.
 * Then all of it again with schemas that were written as bytes and read back. Judging calls no
 * allocator, and compiling any of the schemas stands the refusal of any of its allocations. */
#include "heap.h"
#include "kernels.h"

#include <wsrt/json.h>
#include <wsrt/schema.h>

#include "refused_groups.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    SKIPPED = 77,
    FILES = 45,
    REMOTES = 20,
    GROUPS = 364,
    CASES = 1166,
    RIGHT_GROUPS = 264,
    RIGHT_CASES = 910,
    MOST_REMOTES = 64
};
_Static_assert(sizeof refused_list / sizeof refused_list[0] == GROUPS - RIGHT_GROUPS, "the list");

static const char remote_uri[] = "http://localhost:1234/draft2020-12/";
static wsrt_schema_resource remotes[MOST_REMOTES];
static size_t remote_count;
static int files, groups, cases, right_groups, right_cases, refused_groups, refused_cases, wrong;
static int by_bytes; /* judge by schemas that were saved and loaded */
static struct heap heap;
static int judging; /* nobody may allocate */
static size_t refused_allocations;

static void *allocate(void *user, void *ptr, size_t old_size, size_t new_size)
{
    if (judging)
        abort();
    return heap.allocator.realloc(user, ptr, old_size, new_size);
}

static char *read_file(const char *path, size_t *len)
{
    FILE *f = fopen(path, "rb");
    char *text = malloc(1 << 20);

    if (f == NULL || text == NULL) {
        printf("cannot read %s\n", path);
        exit(1);
    }
    *len = fread(text, 1, 1 << 20, f);
    fclose(f);
    return text;
}

static void add_remotes(const char *folder, const char *below)
{
    char path[4096], name[512];
    DIR *dir = opendir(folder);

    for (struct dirent *e; dir != NULL && (e = readdir(dir)) != NULL;) {
        size_t len;
        if (e->d_name[0] == '.')
            continue;
        snprintf(path, sizeof path, "%s/%s", folder, e->d_name);
        snprintf(name, sizeof name, "%s%s", below, e->d_name);
        if (strstr(e->d_name, ".json") == NULL) {
            strcat(name, "/");
            add_remotes(path, name);
            continue;
        }
        char *uri = malloc(sizeof remote_uri + strlen(name)), *text = read_file(path, &len);
        sprintf(uri, "%s%s", remote_uri, name);
        if (remote_count == MOST_REMOTES)
            exit(1);
        remotes[remote_count++] = (wsrt_schema_resource){wsrt_span_cstr(uri), {text, len}};
    }
    if (dir != NULL)
        closedir(dir);
}

static wsrt_json member(const wsrt_json *object, const char *pointer)
{
    wsrt_json out = {0};

    if (wsrt_json_find(object, wsrt_span_cstr(pointer), &out) != WSRT_OK) {
        printf("no %s in a case\n", pointer);
        exit(1);
    }
    return out;
}

/* The value as it stands in the file, a string with its quotes. */
static wsrt_span raw(const wsrt_json *v)
{
    return v->kind == WSRT_JSON_STRING ? (wsrt_span){v->text.ptr - 1, v->text.len + 2} : v->text;
}

static int validate(wsrt_schema *s, wsrt_span data, uint32_t flags)
{
    wsrt_validate_options o = {.struct_size = sizeof o, .flags = flags};
    wsrt_issue issues[4];
    wsrt_validation v = {.struct_size = sizeof v, .issues = issues, .issue_cap = 4};
    char *exact = malloc(data.len == 0 ? 1 : data.len); /* a read beyond is a sanitizer's finding */

    v.scratch_cap = wsrt_schema_scratch(s, &o);
    v.scratch = malloc(v.scratch_cap);
    memcpy(exact, data.ptr, data.len);
    judging = 1;
    int rc = wsrt_validate(s, exact, data.len, &o, &v);
    if (rc != kernels_judge(s, data.ptr, data.len, flags, NULL) ||
        (rc == WSRT_ERR_REJECTED && v.issue_count == 0))
        rc = WSRT_ERR_INTERNAL;
    judging = 0;
    free(v.scratch);
    free(exact);
    return rc;
}

struct place {
    const char *file;
    wsrt_span group;
};

static int run_case(wsrt_schema *s, const wsrt_json *test, const struct place *where)
{
    wsrt_json data = member(test, "/data"), valid = member(test, "/valid");
    wsrt_json name = member(test, "/description");
    int want, ok = 1;

    wsrt_json_bool(&valid, &want);
    for (uint32_t flags = 0; flags <= WSRT_VALIDATE_COLLECT_ALL; flags++) {
        int rc = validate(s, raw(&data), flags);
        if (rc == (want ? WSRT_OK : WSRT_ERR_REJECTED))
            continue;
        printf("WRONG %s: %.*s: %.*s: %s with flags %u\n", where->file, (int)where->group.len,
               where->group.ptr, (int)name.text.len, name.text.ptr, wsrt_status_name(rc), flags);
        wrong++;
        ok = 0;
    }
    return ok;
}

/* Refused groups come in the order of the list. */
static int is_listed_refusal(const char *file, wsrt_span group, int code)
{
    const struct refused_group *want = &refused_list[refused_groups - 1];

    return refused_groups <= GROUPS - RIGHT_GROUPS && strcmp(file, want->file) == 0 &&
           wsrt_span_equal(group, wsrt_span_cstr(want->group)) && code == want->code;
}

/* The same schema, written as bytes and read back; NULL when that goes wrong. */
static wsrt_schema *through_bytes(wsrt_schema *s)
{
    wsrt_schema *out = NULL;
    size_t len;

    wsrt_schema_save(s, NULL, 0, &len);
    char *bytes = malloc(len);
    wsrt_schema_save(s, bytes, len, &len);
    wsrt_allocator own = {allocate, &heap};
    if (wsrt_schema_load(&out, bytes, len, &own) != WSRT_OK)
        wrong++;
    free(bytes);
    wsrt_schema_free(s);
    return out;
}

/* Every allocation of a compilation fails once: the status says so, and nothing is left. */
static void sweep(wsrt_span schema, const wsrt_schema_options *o)
{
    size_t live = heap.live;
    wsrt_schema *s;

    for (size_t n = 1;; n++) {
        heap_arm(&heap, n, 0);
        int rc = wsrt_schema_new(&s, schema.ptr, schema.len, o, NULL);
        if (!heap.tripped) {
            wsrt_schema_free(s);
            break;
        }
        wrong += rc != WSRT_ERR_NOMEM || s != NULL || heap.live != live;
        refused_allocations++;
    }
    heap_arm(&heap, 0, 0);
}

static void run_group(const wsrt_json *group, const char *file)
{
    wsrt_json schema = member(group, "/schema"), name = member(group, "/description");
    wsrt_json tests = member(group, "/tests"), test;
    wsrt_json_iter it = {0};
    wsrt_schema_options o = {
        .struct_size = sizeof o, .resources = remotes, .resource_count = remote_count};
    o.allocator = (wsrt_allocator){allocate, &heap};
    wsrt_schema_error why;
    wsrt_schema *s;
    struct place where = {file, name.text};
    int count = 0, ok = 0;

    if (!by_bytes)
        sweep(raw(&schema), &o);
    int rc = wsrt_schema_new(&s, raw(&schema).ptr, raw(&schema).len, &o, &why);
    if (s != NULL && by_bytes)
        s = through_bytes(s);
    while (wsrt_json_next(&tests, &it, NULL, &test) == WSRT_OK) {
        count++;
        ok += s != NULL && run_case(s, &test, &where);
    }
    groups++;
    cases += count;
    if (rc == WSRT_OK) {
        right_groups += ok == count;
        right_cases += ok;
    } else {
        printf("# refused %s: %.*s: %s at %s: %s\n", file, (int)name.text.len, name.text.ptr,
               wsrt_schema_code_name(why.code), why.pointer, why.text_cstr);
        refused_groups++;
        refused_cases += count;
        wrong += !is_listed_refusal(file, name.text, why.code);
    }
    wsrt_schema_free(s);
}

static void run_file(const char *folder, const char *name)
{
    char path[8192];
    size_t len;
    wsrt_json root, group;
    wsrt_json_iter it = {0};

    snprintf(path, sizeof path, "%s/%s", folder, name);
    char *text = read_file(path, &len);
    if (wsrt_json_parse(&root, (wsrt_span){text, len}, NULL) != WSRT_OK) {
        printf("%s is not JSON\n", name);
        exit(1);
    }
    files++;
    while (wsrt_json_next(&root, &it, NULL, &group) == WSRT_OK)
        run_group(&group, name);
    free(text);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void run_folder(const char *folder)
{
    char *names[128];
    size_t count = 0;
    DIR *dir = opendir(folder);

    for (struct dirent *e; dir != NULL && (e = readdir(dir)) != NULL;)
        if (strstr(e->d_name, ".json") != NULL && count < 128)
            names[count++] = strdup(e->d_name);
    if (dir != NULL)
        closedir(dir);
    qsort(names, count, sizeof names[0], by_name);
    for (size_t i = 0; i < count; i++) {
        run_file(folder, names[i]);
        free(names[i]);
    }
}

static int check(const char *what, int got, int want)
{
    printf("# %s: %d of %d\n", what, got, want);
    return got == want;
}

/* All of the suite; 1 when everything is as it should be. */
static int run_suite(const char *folder)
{
    files = groups = cases = right_groups = right_cases = refused_groups = refused_cases = wrong =
        0;
    printf("# schemas %s\n", by_bytes ? "written as bytes and read back" : "as they were compiled");
    run_folder(folder);
    int whole = check("files", files, FILES);
    whole &= check("remote documents", (int)remote_count, REMOTES);
    whole &= check("groups", groups, GROUPS);
    whole &= check("cases", cases, CASES);
    whole &= check("groups right", right_groups, RIGHT_GROUPS);
    whole &= check("cases right", right_cases, RIGHT_CASES);
    whole &= check("groups refused", refused_groups, GROUPS - RIGHT_GROUPS);
    whole &= check("cases refused", refused_cases, CASES - RIGHT_CASES);
    whole &= check("wrong verdicts and refusals that are not listed", wrong, 0);
    whole &= check("bytes left behind", (int)heap.live, 0);
    return whole;
}

int main(void)
{
    const char *root = getenv("WSRT_SUITES_DIR");
    char path[4096];

    if (root == NULL) {
        printf("SKIP: WSRT_SUITES_DIR is not set\n");
        return SKIPPED;
    }
    heap_init(&heap);
    snprintf(path, sizeof path, "%s/json-schema-test-suite/remotes/draft2020-12", root);
    add_remotes(path, "");
    snprintf(path, sizeof path, "%s/json-schema-test-suite/tests/draft2020-12", root);
    int whole = run_suite(path);
    by_bytes = 1;
    whole &= run_suite(path);
    printf("# allocation points: %zu\n", refused_allocations);
    for (size_t i = 0; i < remote_count; i++) {
        free((void *)(uintptr_t)remotes[i].uri.ptr);
        free((void *)(uintptr_t)remotes[i].text.ptr);
    }
    return whole ? 0 : 1;
}
