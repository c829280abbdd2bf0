#include "schema/quick.h"

#include "schema/kernel.h"
#include "schema/pattern.h"

enum { MOST_WORDS = 16, MOST_MEMBERS = 8, LONGEST_MEMBER = 16 };

static size_t rounded(size_t size)
{
    return (size + 15) & ~(size_t)15;
}

size_t wsrt_quick_size(const struct wsrt_image *image)
{
    const struct wsrt_table_place *t = image->table;

    return rounded((size_t)t[WSRT_TABLE_NODES].count * sizeof(struct wsrt_quick)) +
           rounded((size_t)t[WSRT_TABLE_LITERALS].count * sizeof(struct wsrt_word)) +
           rounded((size_t)t[WSRT_TABLE_SWITCHES].count * sizeof(struct wsrt_word)) +
           rounded((size_t)t[WSRT_TABLE_PROPS].count * sizeof(struct wsrt_member)) +
           rounded((size_t)t[WSRT_TABLE_BRIEFS].count * sizeof(struct wsrt_class));
}

/* ---- words and classes -------------------------------------------------------------------- */

/* Whether the text stands for itself between quotes. */
static int is_bare(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)text[i] < 0x20 || text[i] == '"' || text[i] == '\\')
            return 0;
    return len > 0;
}

static struct wsrt_word word_of(const struct wsrt_schema *s, uint32_t text, uint32_t len)
{
    struct wsrt_word w = {.text = text};
    unsigned char head[8] = {0}, mask[8] = {0};
    size_t size = (size_t)len + 1 < sizeof head ? (size_t)len + 1 : sizeof head;

    if (!is_bare(s->text + text, len))
        return w;
    memcpy(head, s->text + text, size);
    if (len < sizeof head)
        head[len] = '"';
    memset(mask, 0xff, size);
    memcpy(&w.head, head, sizeof head);
    memcpy(&w.mask, mask, sizeof mask);
    w.len = len;
    return w;
}

static struct wsrt_member member_of(const struct wsrt_schema *s, const struct wsrt_prop *p)
{
    struct wsrt_member m = {.child = p->child, .bit = (uint64_t)1 << (p->index & 63)};
    unsigned char text[LONGEST_MEMBER] = "\"", mask[LONGEST_MEMBER] = {0};

    if (p->len + 3 > sizeof text || (p->len > 0 && !is_bare(s->text + p->name, p->len)))
        return m;
    m.len = p->len + 3;
    if (p->len > 0)
        memcpy(text + 1, s->text + p->name, p->len);
    memcpy(text + 1 + p->len, "\":", 2);
    memset(mask, 0xff, m.len);
    memcpy(m.text, text, sizeof text);
    memcpy(m.mask, mask, sizeof mask);
    return m;
}

static struct wsrt_class class_of(const struct wsrt_charset *set)
{
    struct wsrt_class out = {.set = {.bits = {set->bits[0], set->bits[1]}}};

    wsrt_charset_ranges(&out.set);
    for (unsigned c = 0x20; c < 128; c++)
        if (wsrt_charset_has(set, c) && c != '"' && c != '\\')
            out.rows[c & 15] |= (uint8_t)(1u << (c >> 4));
    return out;
}

/* ---- nodes -------------------------------------------------------------------------------- */

static const struct wsrt_check *check_at(const struct wsrt_schema *s, const struct wsrt_node *node,
                                         uint32_t i)
{
    return &s->checks[node->checks + i];
}

static int lists(const struct wsrt_check *c)
{
    return c->kind == WSRT_CHECK_ENUM || c->kind == WSRT_CHECK_CONST;
}

/* The shortest list that a value must be on. */
static const struct wsrt_check *shortest_list(const struct wsrt_schema *s,
                                              const struct wsrt_node *node)
{
    const struct wsrt_check *out = NULL;

    for (uint32_t i = 0; i < node->check_count; i++) {
        const struct wsrt_check *c = check_at(s, node, i);
        if (lists(c) && (out == NULL || c->b < out->b))
            out = c;
        else if (!lists(c) && c->kind != WSRT_CHECK_TYPE)
            return NULL;
    }
    return out;
}

static int has_string(const struct wsrt_schema *s, const struct wsrt_check *c,
                      const struct wsrt_literal *l)
{
    for (uint32_t i = 0; i < c->b; i++) {
        const struct wsrt_literal *o = &s->literals[c->a + i];
        if (o->kind == WSRT_JSON_STRING && o->len == l->len &&
            memcmp(s->text + o->text, s->text + l->text, l->len) == 0)
            return 1;
    }
    return 0;
}

/* Whether every rule of the node holds for the string. */
static int accepts(const struct wsrt_schema *s, const struct wsrt_node *node,
                   const struct wsrt_literal *l)
{
    if (l->kind != WSRT_JSON_STRING)
        return 0;
    for (uint32_t i = 0; i < node->check_count; i++) {
        const struct wsrt_check *c = check_at(s, node, i);
        if (lists(c) ? !has_string(s, c, l) : (c->a >> WSRT_JSON_STRING & 1) == 0)
            return 0;
    }
    return 1;
}

static void find_words(const struct wsrt_schema *s, const struct wsrt_node *node,
                       struct wsrt_quick *q)
{
    const struct wsrt_check *list = shortest_list(s, node);

    if (list == NULL || list->b > MOST_WORDS)
        return;
    for (uint32_t i = 0; i < list->b; i++)
        if (!accepts(s, node, &s->literals[list->a + i]))
            return;
    q->flags |= WSRT_QUICK_WORDS;
    q->words = list->a;
    q->word_count = list->b;
}

static void find_brief(const struct wsrt_schema *s, const struct wsrt_node *node,
                       struct wsrt_quick *q)
{
    if ((node->flags & WSRT_NODE_BRIEF) == 0 || (node->types >> WSRT_JSON_STRING & 1) == 0)
        return;
    const struct wsrt_brief *b = &s->briefs[node->brief];
    q->flags |= WSRT_QUICK_BRIEF | (b->has_set ? WSRT_QUICK_CLASS : 0u);
    q->class = node->brief;
    q->least = b->least;
    q->most = b->most;
}

/* Whether a container of this kind always passes the rule, required names apart. */
static int is_harmless(const struct wsrt_check *c, int kind)
{
    if (c->kind == WSRT_CHECK_TYPE)
        return c->a >> kind & 1;
    if (c->kind >= WSRT_CHECK_MIN_LENGTH && c->kind <= WSRT_CHECK_MULTIPLE_OF)
        return 1;
    if (c->kind >= WSRT_CHECK_REQUIRED && c->kind <= WSRT_CHECK_DEPENDENT_REQUIRED)
        return kind == WSRT_JSON_ARRAY || (c->kind == WSRT_CHECK_REQUIRED && c->a < 64);
    return c->kind >= WSRT_CHECK_MIN_ITEMS && kind == WSRT_JSON_OBJECT;
}

static void find_containers(const struct wsrt_schema *s, const struct wsrt_node *node,
                            struct wsrt_quick *q)
{
    int object = node->slot == WSRT_NONE, array = object;

    for (uint32_t i = 0; i < node->check_count; i++) {
        const struct wsrt_check *c = check_at(s, node, i);
        object &= is_harmless(c, WSRT_JSON_OBJECT);
        array &= is_harmless(c, WSRT_JSON_ARRAY);
        if (c->kind == WSRT_CHECK_REQUIRED && c->a < 64)
            q->required |= (uint64_t)1 << c->a;
    }
    q->flags |= (object ? WSRT_QUICK_OBJECT : 0u) | (array ? WSRT_QUICK_ARRAY : 0u);
    if (node != &s->nodes[WSRT_NODE_ANY] && (node->flags & WSRT_NODE_SWITCH) == 0)
        q->flags |= WSRT_QUICK_ENTER;
}

/* A few names that can each be told at once; of more, a hash tells. */
static void find_members(const struct wsrt_schema *s, const struct wsrt_node *node,
                         struct wsrt_quick *q)
{
    if (node->known > MOST_MEMBERS)
        return;
    for (uint32_t i = 0; i < node->known; i++)
        if (s->members[node->names + i].len == 0)
            return;
    q->members = node->names;
    q->member_count = node->known;
}

static void find_names(const struct wsrt_node *node, struct wsrt_quick *q)
{
    if (node->known == 0)
        return;
    q->names = node->props;
    q->name_mask = ((uint32_t)1 << node->props_log) - 1;
    q->name_shift = 64 - node->props_log;
}

/* Where a tag's word settles the member that holds it, too. */
static void settle_tag(const struct wsrt_schema *s, const struct wsrt_switch *sw,
                       const struct wsrt_literal *l, struct wsrt_word *w)
{
    const struct wsrt_node *node = &s->nodes[l->node];

    if ((node->flags & (WSRT_NODE_SETS | WSRT_NODE_SWITCH)) != 0)
        return;
    for (uint32_t i = 0; i < node->known && i < 64; i++) {
        const struct wsrt_prop *p = &s->props[node->names + i];
        const struct wsrt_quick *q = &s->quick[p->child];
        if (p->len != sw->len || memcmp(s->text + p->name, s->text + sw->prop, p->len) != 0)
            continue;
        for (uint32_t k = 0; (q->flags & WSRT_QUICK_WORDS) && k < q->word_count; k++) {
            const struct wsrt_literal *o = &s->literals[q->words + k];
            if (o->len != l->len || memcmp(s->text + o->text, s->text + l->text, l->len) != 0)
                continue;
            w->bit = (uint64_t)1 << i;
            w->slot = q->slot;
        }
    }
}

static void settle_tags(const struct wsrt_schema *s, struct wsrt_word *words)
{
    for (uint64_t i = 0; i < s->image->table[WSRT_TABLE_SWITCHES].count; i++)
        for (uint32_t k = 0; k < s->switches[i].count; k++) {
            uint32_t at = s->switches[i].first + k;
            settle_tag(s, &s->switches[i], &s->literals[at], &words[at]);
        }
}

/* ---- all of them -------------------------------------------------------------------------- */

static void fill_nodes(const struct wsrt_schema *s, struct wsrt_quick *out)
{
    for (uint64_t i = 0; i < s->image->table[WSRT_TABLE_NODES].count; i++) {
        out[i] = (struct wsrt_quick){.slot = s->nodes[i].slot};
        find_names(&s->nodes[i], &out[i]);
        find_members(s, &s->nodes[i], &out[i]);
        if (s->nodes[i].flags & WSRT_NODE_SETS)
            continue;
        find_words(s, &s->nodes[i], &out[i]);
        find_brief(s, &s->nodes[i], &out[i]);
        find_containers(s, &s->nodes[i], &out[i]);
    }
}

void wsrt_quick_fill(struct wsrt_schema *s, unsigned char *place)
{
    const struct wsrt_table_place *t = s->image->table;
    struct wsrt_quick *quick = (struct wsrt_quick *)(void *)place;

    place += rounded((size_t)t[WSRT_TABLE_NODES].count * sizeof *quick);
    struct wsrt_word *words = (struct wsrt_word *)(void *)place;
    place += rounded((size_t)t[WSRT_TABLE_LITERALS].count * sizeof *words);
    struct wsrt_word *tags = (struct wsrt_word *)(void *)place;
    place += rounded((size_t)t[WSRT_TABLE_SWITCHES].count * sizeof *tags);
    struct wsrt_member *members = (struct wsrt_member *)(void *)place;
    place += rounded((size_t)t[WSRT_TABLE_PROPS].count * sizeof *members);
    struct wsrt_class *classes = (struct wsrt_class *)(void *)place;
    for (uint64_t i = 0; i < t[WSRT_TABLE_LITERALS].count; i++)
        words[i] = word_of(s, s->literals[i].text, s->literals[i].len);
    for (uint64_t i = 0; i < t[WSRT_TABLE_SWITCHES].count; i++)
        tags[i] = word_of(s, s->switches[i].prop, s->switches[i].len);
    for (uint64_t i = 0; i < t[WSRT_TABLE_BRIEFS].count; i++)
        classes[i] = class_of(&s->briefs[i].set);
    for (uint64_t i = 0; i < t[WSRT_TABLE_PROPS].count; i++)
        members[i] = member_of(s, &s->props[i]);
    s->members = members;
    fill_nodes(s, quick);
    s->quick = quick;
    s->words = words;
    s->tags = tags;
    s->classes = classes;
    settle_tags(s, words);
    s->group_size = wsrt_group_size(s->image);
    s->kernel = wsrt_kernel_choose();
}
