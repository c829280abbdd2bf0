#include "condition.h"
#include "tool.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const double bound_most = 1e18; /* ns, or a number */

enum figure { P50, P90, P99, P999, MAX, ERRORS, THROUGHPUT, RECEIVED, FIGURES };

static const char *const names[FIGURES] = {"p50", "p90",    "p99",        "p99.9",
                                           "max", "errors", "throughput", "received"};

static double figure_of(const struct report *r, int what)
{
    switch (what) {
    case P50:
        return (double)r->p50;
    case P90:
        return (double)r->p90;
    case P99:
        return (double)r->p99;
    case P999:
        return (double)r->p999;
    case MAX:
        return (double)r->max;
    case ERRORS:
        return (double)(r->connect + r->closed + r->timeout + r->mismatch);
    case THROUGHPUT:
        return r->throughput;
    default:
        return (double)r->received;
    }
}

static int is_latency(int what)
{
    return what <= MAX;
}

/* The factor to ns of a unit that ends at `end`; 0 when it is none. */
static double unit_factor(const char *unit, const char *end, int latency)
{
    static const struct {
        const char *name;
        double factor;
    } units[] = {{"us", 1e3}, {"ms", 1e6}, {"s", 1e9}};
    size_t len = (size_t)(end - unit);

    if (!latency)
        return len == 0 ? 1 : 0;
    for (size_t i = 0; i < sizeof units / sizeof *units; i++)
        if (len == strlen(units[i].name) && memcmp(unit, units[i].name, len) == 0)
            return units[i].factor;
    return 0;
}

static int parse_one(struct condition *c, const char *text, int len)
{
    const char *end = text + len;
    size_t name_len = strcspn(text, "<>");
    char *unit;

    *c = (struct condition){.text = text, .len = len, .what = FIGURES};
    if ((int)name_len >= len)
        return -1;
    for (int i = 0; i < FIGURES; i++)
        if (strlen(names[i]) == name_len && memcmp(text, names[i], name_len) == 0)
            c->what = i;
    const char *p = text + name_len;
    c->below = *p++ == '<';
    c->or_equal = *p == '=';
    p += c->or_equal;
    if (c->what == FIGURES || *p < '0' || *p > '9')
        return -1;
    c->bound = strtod(p, &unit);
    double factor = unit > end ? 0 : unit_factor(unit, end, is_latency(c->what));
    c->bound *= factor;
    return factor == 0 || c->bound > bound_most || p[1] == 'x' || p[1] == 'X' ? -1 : 0;
}

int conditions_parse(struct condition_list *list, const char *text)
{
    list->count = 0;
    for (const char *p = text; *p != '\0';) {
        int len = (int)strcspn(p, ",");
        if (list->count == CONDITION_MAX || parse_one(&list->items[list->count], p, len) != 0)
            return complain(TOOL_USAGE, "--fail-if: '%.*s' is not a condition such as p99>20ms",
                            len, p);
        list->count++;
        p += len + (p[len] == ',');
    }
    return 0;
}

static int holds(const struct condition *c, const struct report *r)
{
    double value = figure_of(r, c->what);

    if (c->or_equal && value >= c->bound && value <= c->bound)
        return 1;
    return c->below ? value < c->bound : value > c->bound;
}

int conditions_check(const struct condition_list *list, const struct report *r, char *dst,
                     int quoted)
{
    const char *quote = quoted ? "\"" : "";
    size_t at = 0;
    int count = 0;

    dst[0] = '\0';
    for (int i = 0; i < list->count; i++) {
        const struct condition *c = &list->items[i];
        if (!holds(c, r))
            continue;
        int n = snprintf(dst + at, CONDITION_TEXT_MAX - at, "%s%s%.*s%s", count > 0 ? "," : "",
                         quote, c->len, c->text, quote);
        if (n > 0 && (size_t)n < CONDITION_TEXT_MAX - at)
            at += (size_t)n;
        dst[at] = '\0'; /* what does not fit whole is not told */
        count++;
    }
    return count;
}
