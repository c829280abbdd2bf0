/* Saved schemas with bytes changed, and a checksum that is right again: they are refused, or safe
 * to validate with. The input: which schema, then changes of three bytes each, place and value. */
#include "target.h"

#include <wsrt/schema.h>

#include "base/hash.h"

#include <stdlib.h>
#include <string.h>

enum { HEADER = 40, CHECKSUM_AT = 32 };

static const char *const schemas[] = {
    "{\"type\":\"object\",\"required\":[\"a\"],\"properties\":{\"a\":{\"enum\":[1,\"x\",[1]]},"
    "\"longer-than-eight\":{\"minimum\":1,\"multipleOf\":0.5},\"p\":{\"pattern\":\"^(ab|c)+$\"}}}",
    "{\"anyOf\":[{\"items\":{\"$ref\":\"#\"},\"uniqueItems\":true},{\"pattern\":\"^[a-z]{2,9}$\"},"
    "{\"patternProperties\":{\"^q\":{\"maxLength\":3}},\"propertyNames\":{\"minLength\":1},"
    "\"additionalProperties\":false}],\"if\":{\"type\":\"string\"},\"then\":{\"format\":\"date\"}}",
    "{\"type\":\"object\",\"oneOf\":[{\"required\":[\"k\"],\"properties\":{\"k\":{\"const\":\"1\"}}"
    "},"
    "{\"required\":[\"k\"],\"properties\":{\"k\":{\"enum\":[\"2\",\"3\"]},\"z\":{\"x-wsrt-"
    "extract\":"
    "\"z\"}}}],\"dependentRequired\":{\"a\":[\"z\"]},\"dependentSchemas\":{\"z\":{"
    "\"minProperties\":2}}}",
    "{\"prefixItems\":[{\"type\":\"string\"}],\"contains\":{\"const\":1},\"maxContains\":2,"
    "\"not\":{\"maxItems\":1}}",
};

static const char *const messages[] = {
    "{\"a\":1,\"longer-than-eight\":1.5,\"p\":\"abc\",\"z\":[]}",
    "{\"k\":\"1\",\"z\":\"x\\u0041\",\"q1\":\"abcd\"}",
    "{\"z\":{\"k\":0},\"k\":\"2\",\"a\":\"x\"}",
    "[\"s\",1,1,[[2],[2.0]],1]",
    "\"abc\"",
};

static void judge(const wsrt_schema *s, const char *message)
{
    wsrt_issue issues[4];
    wsrt_slot slots[2];
    wsrt_validate_options o = {.struct_size = sizeof o, .flags = WSRT_VALIDATE_COLLECT_ALL};
    wsrt_validation v = {.struct_size = sizeof v, .issues = issues, .issue_cap = 4, .slots = slots};
    size_t len = strlen(message);
    char pointer[32];

    v.slot_cap = 2;
    v.scratch_cap = wsrt_schema_scratch(s, &o);
    v.scratch = malloc(v.scratch_cap);
    int rc = wsrt_validate(s, message, len, &o, &v);
    if (v.scratch != NULL && rc == WSRT_ERR_INVALID)
        abort();
    for (size_t i = 0; rc != WSRT_OK && i < v.issue_count; i++) {
        wsrt_issue_pointer(s, message, len, &v.issues[i], 0, pointer, sizeof pointer, NULL);
        wsrt_issue_schema_pointer(s, &v.issues[i], pointer, sizeof pointer, NULL);
        if (strlen(v.issues[i].text_cstr) + strlen(v.issues[i].keyword_cstr) > 1 << 20)
            abort();
    }
    free(v.scratch);
}

static unsigned char *save(const char *text, size_t *len)
{
    wsrt_schema_options o = {.struct_size = sizeof o, .flags = WSRT_SCHEMA_ASSERT_FORMAT};
    wsrt_schema *s;

    if (wsrt_schema_new(&s, text, strlen(text), &o, NULL) != WSRT_OK)
        abort();
    wsrt_schema_save(s, NULL, 0, len);
    unsigned char *out = malloc(*len);
    if (wsrt_schema_save(s, out, *len, len) != WSRT_OK)
        abort();
    wsrt_schema_free(s);
    return out;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t len;
    wsrt_schema *s;

    if (size == 0)
        return 0;
    unsigned char *blob = save(schemas[data[0] % (sizeof schemas / sizeof schemas[0])], &len);
    for (size_t i = 1; i + 3 <= size; i += 3)
        blob[HEADER + (data[i] + 256U * data[i + 1]) % (len - HEADER)] = data[i + 2];
    uint64_t sum = wsrt_hash(1, blob + HEADER, len - HEADER);
    memcpy(blob + CHECKSUM_AT, &sum, sizeof sum);
    int rc = wsrt_schema_load(&s, blob, len, NULL);
    if (rc == WSRT_OK)
        for (size_t i = 0; i < sizeof messages / sizeof messages[0]; i++)
            judge(s, messages[i]);
    else if (rc != WSRT_ERR_CORRUPT)
        abort();
    wsrt_schema_free(s);
    free(blob);
    return 0;
}
