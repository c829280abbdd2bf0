/* A compiled schema as bytes, and back. Nothing of it is believed before it is checked. */
#include <wsrt/schema.h>

#include "base/alloc.h"
#include "base/hash.h"
#include "schema/verify.h"

#include <string.h>

enum { VERSION = 1, ENDIANNESS = 0x01020304 };
static const unsigned char magic[8] = {'w', 's', 'r', 't', 's', 'c', 'h', '\n'};

struct header {
    unsigned char magic[8];
    uint32_t endianness;
    uint32_t version;
    uint64_t layout;   /* of the tables, by the sizes of their elements */
    uint64_t size;     /* bytes that follow */
    uint64_t checksum; /* of them */
};

static struct header header_of(const void *image, size_t size)
{
    struct header out = {.endianness = ENDIANNESS, .version = VERSION, .size = size};

    memcpy(out.magic, magic, sizeof magic);
    out.layout = wsrt_compile_layout();
    out.checksum = wsrt_hash(VERSION, image, size);
    return out;
}

int wsrt_schema_save(const wsrt_schema *s, void *dst, size_t cap, size_t *len)
{
    if (s == NULL || len == NULL || (dst == NULL && cap > 0))
        return WSRT_ERR_INVALID;
    size_t size = (size_t)s->image->size;
    *len = sizeof(struct header) + size;
    if (cap < *len)
        return WSRT_ERR_LIMIT;
    struct header header = header_of(s->image, size);
    memcpy(dst, &header, sizeof header);
    memcpy((unsigned char *)dst + sizeof header, s->image, size);
    return WSRT_OK;
}

static int check_header(const unsigned char *blob, size_t len)
{
    struct header given;

    if (len < sizeof given)
        return WSRT_ERR_CORRUPT;
    memcpy(&given, blob, sizeof given);
    if (memcmp(given.magic, magic, sizeof magic) != 0)
        return WSRT_ERR_CORRUPT;
    if (given.endianness != ENDIANNESS || given.version != VERSION ||
        given.layout != wsrt_compile_layout())
        return WSRT_ERR_VERSION;
    if (given.size != len - sizeof given || given.size < sizeof(struct wsrt_image))
        return WSRT_ERR_CORRUPT;
    struct header right = header_of(blob + sizeof given, len - sizeof given);
    return right.checksum == given.checksum ? WSRT_OK : WSRT_ERR_CORRUPT;
}

/* The tables where the image says they are, if they are where the compiler would have put them. */
static int find_tables(struct wsrt_compiler *c, unsigned char *image, size_t size)
{
    struct wsrt_image given;

    memcpy(&given, image, sizeof given);
    for (int i = 0; i < WSRT_TABLES; i++) {
        if (given.table[i].count > size || given.table[i].offset > size)
            return WSRT_ERR_CORRUPT;
        c->tables[i].count = c->tables[i].cap = (size_t)given.table[i].count;
        c->tables[i].data = image + given.table[i].offset;
    }
    c->image.root = given.root;
    return wsrt_compile_lay_out(c) == size &&
                   memcmp(c->image.table, given.table, sizeof given.table) == 0
               ? WSRT_OK
               : WSRT_ERR_CORRUPT;
}

static int load(struct wsrt_compiler *c, const unsigned char *from, size_t size, wsrt_schema **out)
{
    unsigned char *image = wsrt_arena_alloc(&c->arena, size); /* aligned */

    if (image == NULL)
        return WSRT_ERR_NOMEM;
    memcpy(image, from, size);
    int rc = find_tables(c, image, size);
    if (rc != WSRT_OK)
        return rc;
    uint8_t *starts = wsrt_compile_alloc(c, c->tables[WSRT_TABLE_REGEX].count / 8 + 1);
    if (starts == NULL)
        return WSRT_ERR_NOMEM;
    if (!wsrt_tables_hold(c, starts))
        return WSRT_ERR_CORRUPT;
    rc = wsrt_bounds_find(c);
    if (rc != WSRT_OK)
        return rc == WSRT_ERR_NOMEM ? rc : WSRT_ERR_CORRUPT;
    if (memcmp(&c->image, image, sizeof c->image) != 0)
        return WSRT_ERR_CORRUPT;
    return wsrt_compile_assemble(c, out);
}

int wsrt_schema_load(wsrt_schema **out, const void *blob, size_t len,
                     const wsrt_allocator *allocator)
{
    wsrt_schema_options o = {.struct_size = sizeof o};
    struct wsrt_compiler c = {.options = &o};

    if (out == NULL)
        return WSRT_ERR_INVALID;
    *out = NULL;
    if (blob == NULL)
        return WSRT_ERR_INVALID;
    int rc = wsrt_allocator_load(&o.allocator, allocator);
    if (rc == WSRT_OK)
        rc = check_header(blob, len);
    if (rc != WSRT_OK)
        return rc;
    wsrt_arena_init(&c.arena, &o.allocator, NULL, 0);
    rc = load(&c, (const unsigned char *)blob + sizeof(struct header), len - sizeof(struct header),
              out);
    wsrt_arena_free(&c.arena);
    return rc;
}
