#include "schema/format.h"

#include "schema/scan.h"

#include <string.h>

enum { LONGEST_LABEL = 63, LONGEST_HOST = 253, LONGEST_LOCAL = 64, LONGEST_EMAIL = 254 };

struct cursor {
    const unsigned char *next;
    const unsigned char *end;
    size_t at;     /* code points that were taken */
    int32_t point; /* to be taken; below 0 = the end */
};

static void look(struct cursor *t)
{
    t->point = wsrt_lex_point(&t->next, t->end);
}

static void step(struct cursor *t)
{
    t->at++;
    look(t);
}

static int take(struct cursor *t, char c)
{
    if (t->point != c)
        return 0;
    step(t);
    return 1;
}

static int is_digit(int32_t c)
{
    return c >= '0' && c <= '9';
}

static int is_alpha(int32_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static int is_alnum(int32_t c)
{
    return is_digit(c) || is_alpha(c);
}

static int is_hex(int32_t c)
{
    return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

static int is_one_of(int32_t c, const char *set)
{
    return c > 0 && c < 128 && strchr(set, (int)c) != NULL;
}

static size_t take_run(struct cursor *t, int (*belongs)(int32_t c))
{
    size_t from = t->at;

    while (belongs(t->point))
        step(t);
    return t->at - from;
}

/* ---- dates and times: RFC 3339 ------------------------------------------------------------ */

static int take_number(struct cursor *t, int digits, int *out)
{
    for (*out = 0; digits > 0; digits--) {
        if (!is_digit(t->point))
            return 0;
        *out = *out * 10 + (int)(t->point - '0');
        step(t);
    }
    return 1;
}

static int days_of(int year, int month)
{
    static const unsigned char days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);

    return month == 2 && leap ? 29 : days[month - 1];
}

static int take_date(struct cursor *t)
{
    int year, month, day;

    return take_number(t, 4, &year) && take(t, '-') && take_number(t, 2, &month) && take(t, '-') &&
           take_number(t, 2, &day) && month >= 1 && month <= 12 && day >= 1 &&
           day <= days_of(year, month);
}

static int take_zone(struct cursor *t, int *minutes_east)
{
    int sign = t->point == '-' ? -1 : 1, hours, minutes;

    *minutes_east = 0;
    if (take(t, 'Z') || take(t, 'z'))
        return 1;
    if (!take(t, '+') && !take(t, '-'))
        return 0;
    if (!take_number(t, 2, &hours) || !take(t, ':') || !take_number(t, 2, &minutes))
        return 0;
    *minutes_east = sign * (60 * hours + minutes);
    return hours <= 23 && minutes <= 59;
}

static int take_time(struct cursor *t)
{
    enum { DAY = 24 * 60 };
    int hour, minute, second, east;

    if (!take_number(t, 2, &hour) || !take(t, ':') || !take_number(t, 2, &minute) ||
        !take(t, ':') || !take_number(t, 2, &second))
        return 0;
    if (take(t, '.') && take_run(t, is_digit) == 0)
        return 0;
    if (!take_zone(t, &east) || hour > 23 || minute > 59 || second > 60)
        return 0;
    int utc = (60 * hour + minute - east + DAY) % DAY;
    return second < 60 || utc == DAY - 1; /* leap seconds end a day of UTC */
}

static int take_date_time(struct cursor *t)
{
    return take_date(t) && (take(t, 'T') || take(t, 't')) && take_time(t);
}

/* Counts such as 1Y2M: in the order of `units`, and none left out between two. */
static int take_counts(struct cursor *t, const char *units)
{
    const char *next = units;
    int first = 1;

    for (; take_run(t, is_digit) > 0; first = 0) {
        const char *unit = is_one_of(t->point, next) ? strchr(next, (int)t->point) : NULL;
        if (unit == NULL || (!first && unit != next))
            return 0;
        next = unit + 1;
        step(t);
    }
    return !first;
}

static int take_duration(struct cursor *t)
{
    struct cursor weeks;

    if (!take(t, 'P'))
        return 0;
    weeks = *t;
    if (take_run(&weeks, is_digit) > 0 && take(&weeks, 'W')) {
        *t = weeks;
        return 1;
    }
    if (t->point != 'T' && !take_counts(t, "YMD"))
        return 0;
    return !take(t, 'T') || take_counts(t, "HMS");
}

/* ---- addresses ---------------------------------------------------------------------------- */

static int take_label(struct cursor *t)
{
    size_t from = t->at;
    int32_t last = '-';

    if (t->point == '-')
        return 0;
    while (is_alnum(t->point) || t->point == '-') {
        last = t->point;
        step(t);
    }
    return last != '-' && t->at - from <= LONGEST_LABEL;
}

/* RFC 1123, section 2.1 */
static int take_hostname(struct cursor *t)
{
    size_t from = t->at;

    do {
        if (!take_label(t))
            return 0;
    } while (take(t, '.'));
    return t->at - from <= LONGEST_HOST;
}

static int take_octet(struct cursor *t)
{
    int value = 0, digits = 0, zero = t->point == '0';

    for (; digits < 3 && is_digit(t->point); digits++) {
        value = 10 * value + (int)(t->point - '0');
        step(t);
    }
    return digits > 0 && value <= 255 && !(zero && digits > 1);
}

/* RFC 2673, section 3.2; no leading zeros, which some read as octal */
static int take_ipv4(struct cursor *t)
{
    return take_octet(t) && take(t, '.') && take_octet(t) && take(t, '.') && take_octet(t) &&
           take(t, '.') && take_octet(t);
}

/* RFC 4291, section 2.2 */
static int take_ipv6(struct cursor *t)
{
    int groups = 0, gap = 0, after_gap = 0;

    if (take(t, ':')) {
        if (!take(t, ':'))
            return 0;
        gap = after_gap = 1;
    }
    for (;;) {
        struct cursor group = *t;
        size_t digits = take_run(t, is_hex);
        if (digits == 0)
            return after_gap && groups <= 7;
        if (t->point == '.') {
            *t = group;
            return take_ipv4(t) && (gap ? groups <= 5 : groups == 6);
        }
        if (digits > 4 || ++groups > 8)
            return 0;
        if (!take(t, ':'))
            return gap ? groups <= 7 : groups == 8;
        after_gap = take(t, ':');
        if (after_gap && gap)
            return 0;
        gap |= after_gap;
    }
}

static int is_atom(int32_t c)
{
    return is_alnum(c) || is_one_of(c, "!#$%&'*+-/=?^_`{|}~");
}

static int take_quoted(struct cursor *t)
{
    while (!take(t, '"')) {
        take(t, '\\');
        if (t->point < ' ' || t->point > '~')
            return 0;
        step(t);
    }
    return 1;
}

static int take_local(struct cursor *t)
{
    if (take(t, '"'))
        return take_quoted(t);
    do {
        if (take_run(t, is_atom) == 0)
            return 0;
    } while (take(t, '.'));
    return 1;
}

static int take_address_literal(struct cursor *t)
{
    if (is_digit(t->point))
        return take_ipv4(t) && take(t, ']');
    for (const char *tag = "ipv6"; *tag != '\0'; tag++)
        if (!take(t, *tag) && (!is_alpha(*tag) || !take(t, (char)(*tag - 'a' + 'A'))))
            return 0;
    return take(t, ':') && take_ipv6(t) && take(t, ']');
}

/* RFC 5321, section 4.1.2: Mailbox, ASCII only */
static int take_email(struct cursor *t)
{
    if (!take_local(t) || t->at > LONGEST_LOCAL || !take(t, '@'))
        return 0;
    if (!(take(t, '[') ? take_address_literal(t) : take_hostname(t)))
        return 0;
    return t->at <= LONGEST_EMAIL;
}

/* ---- URIs: RFC 3986 ----------------------------------------------------------------------- */

static int is_uri_char(int32_t c)
{
    return is_alnum(c) || is_one_of(c, "-._~!$&'()*+,;=");
}

/* Takes what a component may hold, `extra` too. 0 at a broken percent-encoding. */
static int take_component(struct cursor *t, const char *extra)
{
    for (;;) {
        if (take(t, '%')) {
            for (int i = 0; i < 2; i++, step(t))
                if (!is_hex(t->point))
                    return 0;
        } else if (is_uri_char(t->point) || is_one_of(t->point, extra)) {
            step(t);
        } else {
            return 1;
        }
    }
}

static int is_future_char(int32_t c)
{
    return is_uri_char(c) || c == ':';
}

static int take_ip_literal(struct cursor *t)
{
    if (take(t, 'v') || take(t, 'V'))
        return take_run(t, is_hex) > 0 && take(t, '.') && take_run(t, is_future_char) > 0 &&
               take(t, ']');
    return take_ipv6(t) && take(t, ']');
}

static int take_authority(struct cursor *t)
{
    struct cursor user = *t;

    if (take_component(&user, ":") && take(&user, '@'))
        *t = user;
    if (!(take(t, '[') ? take_ip_literal(t) : take_component(t, "")))
        return 0;
    if (take(t, ':'))
        take_run(t, is_digit);
    return 1;
}

/* An authority and a path, or either. */
static int take_hierarchy(struct cursor *t)
{
    if (take(t, '/') && take(t, '/'))
        return take_authority(t) && (t->point != '/' || take_component(t, "/:@"));
    return take_component(t, "/:@");
}

static int take_query_and_fragment(struct cursor *t)
{
    if (take(t, '?') && !take_component(t, "/:@?"))
        return 0;
    return !take(t, '#') || take_component(t, "/:@?");
}

static int take_scheme(struct cursor *t)
{
    if (!is_alpha(t->point))
        return 0;
    while (is_alnum(t->point) || is_one_of(t->point, "+-."))
        step(t);
    return take(t, ':');
}

static int take_uri(struct cursor *t)
{
    return take_scheme(t) && take_hierarchy(t) && take_query_and_fragment(t);
}

static int take_uri_reference(struct cursor *t)
{
    struct cursor whole = *t;

    if (take_scheme(&whole))
        return take_uri(t);
    if (t->point == '/')
        return take_hierarchy(t) && take_query_and_fragment(t);
    return take_component(t, "@") && (t->point != '/' || take_component(t, "/:@")) &&
           take_query_and_fragment(t);
}

/* ---- identifiers and pointers ------------------------------------------------------------- */

/* RFC 4122, section 3 */
static int take_uuid(struct cursor *t)
{
    static const unsigned char groups[] = {8, 4, 4, 4, 12};

    for (size_t i = 0; i < sizeof groups; i++)
        if ((i > 0 && !take(t, '-')) || take_run(t, is_hex) != groups[i])
            return 0;
    return 1;
}

/* RFC 6901, section 3 */
static int take_pointer(struct cursor *t)
{
    if (t->point >= 0 && t->point != '/')
        return 0;
    while (t->point >= 0) {
        if (take(t, '~') && t->point != '0' && t->point != '1')
            return 0;
        step(t);
    }
    return 1;
}

static int take_relative_pointer(struct cursor *t)
{
    if (!take(t, '0') && take_run(t, is_digit) == 0)
        return 0;
    return take(t, '#') || take_pointer(t);
}

static int is_base64url(int32_t c)
{
    return is_alnum(c) || c == '-' || c == '_';
}

/* RFC 4648, section 5, without padding */
static int take_base64url(struct cursor *t)
{
    return take_run(t, is_base64url) % 4 != 1;
}

static int take_jwt(struct cursor *t)
{
    for (int i = 0; i < 3; i++)
        if ((i > 0 && !take(t, '.')) || !is_base64url(t->point) || !take_base64url(t))
            return 0;
    return 1;
}

/* ---- regular expressions: ECMA-262 with the `u` flag -------------------------------------- */

enum { DEEPEST = 256, BAD = -1, SET = -2, ASSERTION = -3 };

struct regex {
    uint64_t looks[DEEPEST / 64]; /* one bit a level: a look-around, which takes no quantifier */
    uint64_t groups;
    uint64_t reference; /* the highest */
    uint32_t depth;
    int has_names;
    int uses_names;
};

static uint64_t take_count(struct cursor *t)
{
    uint64_t out = 0;

    for (; is_digit(t->point); step(t))
        out = out > UINT32_MAX ? out : 10 * out + (uint64_t)(t->point - '0');
    return out;
}

static int take_name(struct cursor *t)
{
    if (is_digit(t->point))
        return 0;
    size_t from = t->at;
    while (is_alnum(t->point) || t->point == '$' || t->point == '_' || t->point > 127)
        step(t);
    return t->at > from && take(t, '>');
}

static int is_property(int32_t c)
{
    return is_alnum(c) || c == '_';
}

static int take_property(struct cursor *t)
{
    return take(t, '{') && take_run(t, is_property) > 0 &&
           (!take(t, '=') || take_run(t, is_property) > 0) && take(t, '}');
}

static int32_t take_hex(struct cursor *t, int digits)
{
    int32_t out = 0;

    for (; digits > 0; digits--, step(t)) {
        if (!is_hex(t->point))
            return BAD;
        out = out << 4 | (is_digit(t->point) ? t->point - '0' : (t->point | 0x20) - 'a' + 10);
    }
    return out;
}

static int32_t take_code_point(struct cursor *t)
{
    int32_t out = 0;

    do {
        int32_t digit = take_hex(t, 1);
        if (digit == BAD)
            return BAD;
        out = out << 4 | digit;
        if (out > 0x10ffff)
            return BAD;
    } while (!take(t, '}'));
    return out;
}

static int32_t take_unicode(struct cursor *t)
{
    if (take(t, '{'))
        return take_code_point(t);
    int32_t unit = take_hex(t, 4);
    struct cursor rest = *t;
    if (unit < 0xd800 || unit > 0xdbff || !take(&rest, '\\') || !take(&rest, 'u'))
        return unit;
    int32_t low = take_hex(&rest, 4);
    if (low < 0xdc00 || low > 0xdfff)
        return unit;
    *t = rest;
    return 0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00);
}

static int32_t take_reference(struct regex *x, struct cursor *t, int32_t first)
{
    if (first == 'k') {
        x->uses_names = 1;
        return take(t, '<') && take_name(t) ? SET : BAD;
    }
    uint64_t number = take_count(t);
    x->reference = number > x->reference ? number : x->reference;
    return SET;
}

static int32_t take_control(struct cursor *t)
{
    int32_t letter = t->point;

    if (!is_alpha(letter))
        return BAD;
    step(t);
    return letter & 31;
}

/* Behind a backslash: the code point that is meant, SET, ASSERTION or BAD. */
static int32_t take_escape(struct regex *x, struct cursor *t, int in_class)
{
    static const char names[] = "fnrtv", values[] = "\f\n\r\t\v";
    int32_t c = t->point;

    if (!in_class && (c == 'k' || (c >= '1' && c <= '9'))) {
        if (c == 'k')
            step(t);
        return take_reference(x, t, c);
    }
    if (!is_one_of(c, "bBcdDfnpPrsStuvwWx0-^$\\.*+?()[]{}|/"))
        return BAD;
    step(t);
    if (is_one_of(c, "dDsSwW"))
        return SET;
    if (is_one_of(c, names))
        return values[strchr(names, (int)c) - names];
    switch (c) {
    case 'b':
        return in_class ? '\b' : ASSERTION;
    case 'B':
        return in_class ? BAD : ASSERTION;
    case '-':
        return in_class ? c : BAD;
    case '0':
        return is_digit(t->point) ? BAD : 0;
    case 'c':
        return take_control(t);
    case 'p':
    case 'P':
        return take_property(t) ? SET : BAD;
    case 'u':
        return take_unicode(t);
    case 'x':
        return take_hex(t, 2);
    default:
        return c;
    }
}

static int32_t take_class_atom(struct regex *x, struct cursor *t)
{
    int32_t c = t->point;

    if (take(t, '\\'))
        return take_escape(x, t, 1);
    if (c < 0)
        return BAD;
    step(t);
    return c;
}

static int take_class(struct regex *x, struct cursor *t)
{
    take(t, '^');
    while (!take(t, ']')) {
        int32_t low = take_class_atom(x, t);
        if (low == BAD)
            return 0;
        if (!take(t, '-') || t->point == ']')
            continue;
        int32_t high = take_class_atom(x, t);
        if (low < 0 || high < low)
            return 0;
    }
    return 1;
}

static int take_group(struct regex *x, struct cursor *t)
{
    int look = 0, counts = 1;

    if (x->depth == DEEPEST)
        return 0;
    if (take(t, '?')) {
        int behind = take(t, '<');
        look = take(t, '=') || take(t, '!');
        counts = behind && !look;
        if (counts)
            x->has_names = 1;
        if (!look && !(behind ? take_name(t) : take(t, ':')))
            return 0;
    }
    uint64_t bit = (uint64_t)1 << (x->depth & 63);
    uint64_t *word = &x->looks[x->depth++ >> 6];
    *word = look ? *word | bit : *word & ~bit;
    x->groups += (uint64_t)counts;
    return 1;
}

static int take_quantifier(struct cursor *t)
{
    uint64_t least, most;

    if (take(t, '{')) {
        if (!is_digit(t->point))
            return 0;
        least = most = take_count(t);
        if (take(t, ','))
            most = is_digit(t->point) ? take_count(t) : UINT64_MAX;
        if (most < least || !take(t, '}'))
            return 0;
    } else {
        step(t);
    }
    take(t, '?');
    return 1;
}

/* Takes a part that is not quantified yet: 1, 0, or ASSERTION when it must stay so. */
static int take_term(struct regex *x, struct cursor *t)
{
    int32_t c = t->point, escaped;

    step(t);
    switch (c) {
    case '|':
    case '^':
    case '$':
        return ASSERTION;
    case '(':
        return take_group(x, t) ? ASSERTION : 0;
    case ')':
        if (x->depth == 0)
            return 0;
        x->depth--;
        return x->looks[x->depth >> 6] >> (x->depth & 63) & 1 ? ASSERTION : 1;
    case '[':
        return take_class(x, t);
    case '\\':
        escaped = take_escape(x, t, 0);
        return escaped == BAD ? 0 : escaped == ASSERTION ? ASSERTION : 1;
    default:
        return !is_one_of(c, "*+?{}]");
    }
}

static int take_regex(struct cursor *t)
{
    struct regex x = {.depth = 0};

    while (t->point >= 0) {
        int term = take_term(&x, t);
        if (term == 0)
            return 0;
        if (term == 1 && is_one_of(t->point, "*+?{") && !take_quantifier(t))
            return 0;
    }
    return x.depth == 0 && x.reference <= x.groups && (x.has_names || !x.uses_names);
}

/* ---- entry -------------------------------------------------------------------------------- */

static const struct {
    const char *name;
    int (*take)(struct cursor *t);
} formats[] = {
    {"date-time", take_date_time},
    {"date", take_date},
    {"time", take_time},
    {"duration", take_duration},
    {"email", take_email},
    {"hostname", take_hostname},
    {"ipv4", take_ipv4},
    {"ipv6", take_ipv6},
    {"uri", take_uri},
    {"uri-reference", take_uri_reference},
    {"uuid", take_uuid},
    {"json-pointer", take_pointer},
    {"relative-json-pointer", take_relative_pointer},
    {"regex", take_regex},
    {"jwt", take_jwt},
    {"base64url", take_base64url},
};

_Static_assert(sizeof formats / sizeof *formats == WSRT_FORMATS, "count them");

uint32_t wsrt_format_find(wsrt_span name)
{
    for (uint32_t i = 0; i < sizeof formats / sizeof *formats; i++)
        if (wsrt_span_equal(name, wsrt_span_cstr(formats[i].name)))
            return i + 1;
    return 0;
}

int wsrt_format_match(uint32_t format, const unsigned char *p, const unsigned char *end)
{
    struct cursor t = {.next = p, .end = end};

    look(&t);
    return formats[format - 1].take(&t) && t.point < 0;
}
