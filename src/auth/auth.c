#include <wsrt/auth.h>

#include "base/alloc.h"
#include "base/options.h"

#include <string.h>

enum { MOST_TOKENS = 1024, TEXTS = 5 };

_Static_assert(sizeof(wsrt_principal) + WSRT_AUTH_TEXT_MAX <= sizeof(((wsrt_auth_result *)0)->room),
               "a result has room for a principal and its text");

int wsrt_list_contains(wsrt_span list, wsrt_span word)
{
    size_t start = 0;

    if (word.len == 0 || list.len == 0 || memchr(word.ptr, ' ', word.len) != NULL)
        return 0;
    for (size_t i = 0; i <= list.len; i++) {
        if (i < list.len && list.ptr[i] != ' ')
            continue;
        if (wsrt_span_equal((wsrt_span){list.ptr + start, i - start}, word))
            return 1;
        start = i + 1;
    }
    return 0;
}

/* ---- results ------------------------------------------------------------------------------ */

static void texts_of(wsrt_principal *p, wsrt_span *texts[TEXTS])
{
    texts[0] = &p->user_id;
    texts[1] = &p->username;
    texts[2] = &p->email;
    texts[3] = &p->groups;
    texts[4] = &p->scopes;
}

/* Bytes of a principal's text; SIZE_MAX when they cannot be counted. */
static size_t text_size(const wsrt_principal *who)
{
    wsrt_principal p = *who;
    wsrt_span *texts[TEXTS];
    size_t sum = 0;

    texts_of(&p, texts);
    for (size_t i = 0; i < TEXTS; i++)
        if (__builtin_add_overflow(sum, texts[i]->len, &sum))
            return SIZE_MAX;
    return sum;
}

static wsrt_span copy_text(char **at, wsrt_span text)
{
    wsrt_span out = {*at, text.len};

    if (text.len != 0)
        memcpy(*at, text.ptr, text.len);
    *at += text.len;
    return out;
}

/* Moves the text of a principal to `at` and beyond; returns the byte behind it. */
static char *own_texts(wsrt_principal *p, char *at)
{
    wsrt_span *texts[TEXTS];

    texts_of(p, texts);
    for (size_t i = 0; i < TEXTS; i++)
        *texts[i] = copy_text(&at, *texts[i]);
    return at;
}

static int load_principal(wsrt_principal *out, const wsrt_principal *who)
{
    if (who == NULL)
        return WSRT_ERR_INVALID;
    int rc = wsrt_options_load(out, sizeof *out, sizeof(wsrt_principal), who);
    return rc == WSRT_OK && out->flags != 0 ? WSRT_ERR_UNSUPPORTED : rc;
}

int wsrt_auth_result_set(wsrt_auth_result *out, const wsrt_principal *who)
{
    wsrt_principal p;

    if (!wsrt_size_valid(out, sizeof *out))
        return WSRT_ERR_INVALID;
    int rc = load_principal(&p, who);
    if (rc != WSRT_OK)
        return rc;
    if (text_size(&p) > WSRT_AUTH_TEXT_MAX)
        return WSRT_ERR_LIMIT;
    memset(out + 1, 0, out->struct_size - sizeof *out);
    own_texts(&p, (char *)out->room + sizeof p);
    memcpy(out->room, &p, sizeof p); /* not assigned: the room is declared as numbers */
    out->principal = (const wsrt_principal *)(const void *)out->room;
    out->reason = WSRT_AUTH_OK;
    out->expires_at = p.expires_at;
    return WSRT_OK;
}

/* ---- the static table --------------------------------------------------------------------- */

struct row {
    wsrt_span token;
    wsrt_principal bearer;
};

struct wsrt_static_auth {
    wsrt_allocator allocator;
    size_t size; /* of the one block that holds object, rows and text */
    size_t count;
    struct row *rows;
};

/* Looks at every byte whatever differs; only the lengths show in the time it takes. */
static int equal_in_constant_time(wsrt_span a, wsrt_span b)
{
    volatile unsigned char difference = 0;

    if (a.len != b.len)
        return 0;
    for (size_t i = 0; i < a.len; i++)
        difference |= (unsigned char)(a.ptr[i] ^ b.ptr[i]);
    return difference == 0;
}

static int refuse(wsrt_auth_result *out, int reason, int64_t expires_at)
{
    memset(out + 1, 0, out->struct_size - sizeof *out);
    out->reason = reason;
    out->expires_at = expires_at;
    out->principal = NULL;
    return WSRT_ERR_UNAUTHENTICATED;
}

static int authenticate(void *self, const wsrt_span *token, int64_t wall, wsrt_auth_result *out)
{
    const wsrt_static_auth *a = self;
    const struct row *found = NULL;

    if (!wsrt_size_valid(out, sizeof *out))
        return WSRT_ERR_INVALID;
    if (token == NULL || token->len == 0)
        return refuse(out, WSRT_AUTH_MISSING_TOKEN, 0);
    for (size_t i = 0; i < a->count; i++) /* to the end: a hit must not come back sooner */
        if (equal_in_constant_time(a->rows[i].token, *token))
            found = &a->rows[i];
    if (found == NULL)
        return refuse(out, WSRT_AUTH_INVALID_TOKEN, 0);
    int64_t expires_at = found->bearer.expires_at;
    if (expires_at != 0 && wall < 1) {
        refuse(out, WSRT_AUTH_INVALID_TOKEN, expires_at);
        return WSRT_ERR_UNAVAILABLE; /* nobody knows the time */
    }
    if (expires_at != 0 && expires_at <= wall / 1000)
        return refuse(out, WSRT_AUTH_TOKEN_EXPIRED, expires_at);
    return wsrt_auth_result_set(out, &found->bearer);
}

static int check_row(const wsrt_static_token *rows, size_t i)
{
    wsrt_principal p;
    int rc = load_principal(&p, rows[i].principal);

    if (rc != WSRT_OK)
        return rc;
    if (rows[i].token.len == 0 || p.user_id.len == 0 || text_size(&p) > WSRT_AUTH_TEXT_MAX)
        return WSRT_ERR_INVALID;
    for (size_t k = 0; k < i; k++)
        if (wsrt_span_equal(rows[k].token, rows[i].token))
            return WSRT_ERR_INVALID;
    return WSRT_OK;
}

/* Bytes of object, rows and text; 0 when there are too many. */
static size_t block_size(const wsrt_static_token *rows, size_t count)
{
    size_t size = sizeof(struct wsrt_static_auth) + count * sizeof(struct row);

    for (size_t i = 0; i < count; i++)
        if (__builtin_add_overflow(size, text_size(rows[i].principal), &size) ||
            __builtin_add_overflow(size, rows[i].token.len, &size))
            return 0;
    return size;
}

static void copy_rows(wsrt_static_auth *a, const wsrt_static_token *rows, size_t count)
{
    char *at = (char *)(a + 1) + count * sizeof(struct row);

    a->rows = (struct row *)(a + 1);
    a->count = count;
    for (size_t i = 0; i < count; i++) {
        (void)load_principal(&a->rows[i].bearer, rows[i].principal); /* check_row() did */
        a->rows[i].token = copy_text(&at, rows[i].token);
        at = own_texts(&a->rows[i].bearer, at);
    }
}

int wsrt_static_auth_new(wsrt_static_auth **out, const wsrt_static_token *tokens, size_t count,
                         const wsrt_allocator *allocator)
{
    wsrt_allocator mine;

    if (out == NULL)
        return WSRT_ERR_INVALID;
    *out = NULL;
    if (tokens == NULL || count < 1 || count > MOST_TOKENS)
        return WSRT_ERR_INVALID;
    int rc = wsrt_allocator_load(&mine, allocator);
    for (size_t i = 0; i < count && rc == WSRT_OK; i++)
        rc = check_row(tokens, i);
    if (rc != WSRT_OK)
        return rc;
    size_t size = block_size(tokens, count);
    wsrt_static_auth *a = size == 0 ? NULL : wsrt_mem_alloc(&mine, size);
    if (a == NULL)
        return WSRT_ERR_NOMEM;
    a->allocator = mine;
    a->size = size;
    copy_rows(a, tokens, count);
    *out = a;
    return WSRT_OK;
}

void wsrt_static_auth_interface(wsrt_static_auth *a, wsrt_authenticator *out)
{
    static const wsrt_authenticator_ops ops = {
        .struct_size = sizeof ops,
        .authenticate = authenticate,
    };

    if (a != NULL && out != NULL)
        *out = (wsrt_authenticator){&ops, a};
}

void wsrt_static_auth_free(wsrt_static_auth *a)
{
    if (a == NULL)
        return;
    wsrt_allocator allocator = a->allocator;
    wsrt_mem_free(&allocator, a, a->size);
}
