/* What each asserted format takes for good and for bad. Values stand as in JSON, escapes and all. */
#include "guarded.h"
#include "suite.h"

#include <wsrt/schema.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct row {
    const char *what;
    const char *value;
    int good;
};

static wsrt_schema *schema;
static wsrt_issue issue;
static wsrt_schema_error why;

static int compile(const char *text, uint32_t flags)
{
    wsrt_schema_options o = {.struct_size = sizeof o, .flags = flags};

    wsrt_schema_free(schema);
    return wsrt_schema_new(&schema, text, strlen(text), &o, &why);
}

static void use(const char *format)
{
    char text[64];

    snprintf(text, sizeof text, "{\"format\":\"%s\"}", format);
    ck_assert_msg(compile(text, WSRT_SCHEMA_ASSERT_FORMAT) == WSRT_OK, "%s", text);
}

/* Judges a text that ends at an unmapped page. */
static int judge(const char *text, size_t len)
{
    char *copy = guarded_copy(text, len);
    wsrt_validation answer = {.struct_size = sizeof answer,
                              .issues = &issue,
                              .issue_cap = 1,
                              .scratch_cap = wsrt_schema_scratch(schema, NULL)};

    answer.scratch = malloc(answer.scratch_cap);
    int rc = wsrt_validate(schema, copy, len, NULL, &answer);
    free(answer.scratch);
    guarded_free(copy, len);
    return rc;
}

static int judge_string(const char *value)
{
    char text[1024];
    int len = snprintf(text, sizeof text, "\"%s\"", value);

    ck_assert_int_lt(len, (int)sizeof text);
    return judge(text, (size_t)len);
}

static void expect(const char *format, const struct row *rows, size_t count)
{
    use(format);
    for (size_t i = 0; i < count; i++) {
        issue = (wsrt_issue){.code = 0};
        int rc = judge_string(rows[i].value);
        ck_assert_msg(rc == (rows[i].good ? WSRT_OK : WSRT_ERR_REJECTED), "%s, %s: %s", format,
                      rows[i].what, wsrt_status_name(rc));
        ck_assert_int_eq(issue.code, rows[i].good ? 0 : WSRT_ISSUE_INVALID_FORMAT);
        if (!rows[i].good)
            ck_assert_str_eq(issue.keyword_cstr, "format");
    }
}
#define EXPECT(format, rows) expect(format, rows, sizeof(rows) / sizeof(rows)[0])

#define TEN "abcdefghij"
#define SIXTY TEN TEN TEN TEN TEN TEN
#define LABEL SIXTY "abc"

START_TEST(date_time_is_rfc_3339)
{
    static const struct row rows[] = {
        {"in UTC", "1985-04-12T23:20:50Z", 1},
        {"with a fraction", "1985-04-12T23:20:50.52Z", 1},
        {"with a long fraction", "1985-04-12T23:20:50.123456789012345678901234567890Z", 1},
        {"with an offset", "1996-12-19T16:39:57-08:00", 1},
        {"in small letters", "1985-04-12t23:20:50z", 1},
        {"a leap second", "1990-12-31T23:59:60Z", 1},
        {"a leap second elsewhere", "1990-12-31T15:59:60-08:00", 1},
        {"with escapes", "1985\\u002d04-12\\u005423:20:50Z", 1},
        {"empty", "", 0},
        {"a date alone", "1985-04-12", 0},
        {"a space between", "1985-04-12 23:20:50Z", 0},
        {"no zone", "1985-04-12T23:20:50", 0},
        {"a wrong date", "1990-02-31T15:59:59Z", 0},
        {"a leap second at noon", "1998-12-31T12:00:60Z", 0},
        {"text behind it", "1985-04-12T23:20:50Z ", 0},
        {"text before it", " 1985-04-12T23:20:50Z", 0},
        {"a foreign digit", "1985-04-1\\u096812T23:20:50Z", 0},
        {"a NUL behind it", "1985-04-12T23:20:50Z\\u0000", 0},
    };

    EXPECT("date-time", rows);
}
END_TEST

START_TEST(date_knows_months_and_leap_years)
{
    static const struct row rows[] = {
        {"plain", "1963-06-19", 1},
        {"the last of January", "2021-01-31", 1},
        {"the last of April", "2021-04-30", 1},
        {"a leap day", "2020-02-29", 1},
        {"a leap day of a fourth century", "2000-02-29", 1},
        {"the year 0", "0000-01-01", 1},
        {"no leap year", "2021-02-29", 0},
        {"a century", "1900-02-29", 0},
        {"April 31", "2021-04-31", 0},
        {"day 0", "2021-01-00", 0},
        {"month 0", "2021-00-10", 0},
        {"month 13", "2021-13-10", 0},
        {"a short month", "1998-1-20", 0},
        {"a short day", "1998-01-1", 0},
        {"a long year", "11998-01-20", 0},
        {"slashes", "1963/06/19", 0},
        {"a day of the year", "2013-350", 0},
        {"without dashes", "20230328", 0},
    };

    EXPECT("date", rows);
}
END_TEST

START_TEST(time_needs_a_zone_and_knows_leap_seconds)
{
    static const struct row rows[] = {
        {"in UTC", "08:30:06Z", 1},
        {"with a fraction", "23:20:50.52Z", 1},
        {"with an offset", "08:30:06+23:59", 1},
        {"a leap second in UTC", "23:59:60Z", 1},
        {"a leap second to the east", "01:29:60+01:30", 1},
        {"a leap second to the west", "23:29:60+23:30", 1},
        {"midnight as hour 24", "24:00:00Z", 0},
        {"minute 60", "00:60:00Z", 0},
        {"second 61", "23:59:61Z", 0},
        {"a leap second off the day's end", "22:59:60Z", 0},
        {"a leap second off by its offset", "23:59:60+01:00", 0},
        {"no zone", "12:00:00", 0},
        {"an empty fraction", "12:00:00.Z", 0},
        {"a comma", "12:00:00,5Z", 0},
        {"offset hour 24", "12:00:00+24:00", 0},
        {"offset minute 60", "12:00:00+00:60", 0},
        {"an offset without colon", "12:00:00+0100", 0},
        {"zone and offset", "12:00:00Z+01:00", 0},
        {"no seconds", "12:00Z", 0},
        {"an hour alone", "12", 0},
        {"a short hour", "1:00:00Z", 0},
        {"a short minute", "12:0:00Z", 0},
        {"a short second", "12:00:0Z", 0},
        {"a dash for a colon", "12-00:00Z", 0},
        {"an offset of one digit", "12:00:00+1", 0},
        {"an offset of an hour", "12:00:00+01", 0},
        {"an offset of a short minute", "12:00:00+01:0", 0},
    };

    EXPECT("time", rows);
}
END_TEST

START_TEST(duration_keeps_the_order_of_units)
{
    static const struct row rows[] = {
        {"all units", "P4Y3M5DT12H30M5S", 1},
        {"days", "P4D", 1},
        {"zero seconds", "PT0S", 1},
        {"months are not minutes", "P1M", 1},
        {"minutes", "PT1M", 1},
        {"months and days", "P1M2D", 1},
        {"weeks", "P12W", 1},
        {"many digits", "P123456789012345678901234567890D", 1},
        {"empty", "", 0},
        {"nothing but P", "P", 0},
        {"nothing behind T", "P1YT", 0},
        {"nothing but T", "PT", 0},
        {"wrong order", "P2D1Y", 0},
        {"a unit twice", "P1D1D", 0},
        {"a unit left out", "P1Y2D", 0},
        {"a unit of time left out", "PT1H2S", 0},
        {"time without T", "P2S", 0},
        {"a date's unit behind T", "PT1D", 0},
        {"weeks and days", "P1W2D", 0},
        {"days and weeks", "P1D2W", 0},
        {"no unit", "P1", 0},
        {"a fraction", "PT1.5S", 0},
        {"negative", "-P1D", 0},
        {"small letters", "p1d", 0},
    };

    EXPECT("duration", rows);
}
END_TEST

START_TEST(email_is_a_mailbox_of_rfc_5321)
{
    static const struct row rows[] = {
        {"plain", "joe.bloggs@example.com", 1},
        {"a host without a dot", "root@localhost", 1},
        {"tilde, plus and the like", "~te+s!t=x/y@example.com", 1},
        {"quoted", "\\\"joe bloggs\\\"@example.com", 1},
        {"quoted dots and at", "\\\"joe..b@c\\\"@example.com", 1},
        {"a quoted quote", "\\\"a\\\\\\\"b\\\"@example.com", 1},
        {"an IPv4 literal", "joe@[127.0.0.1]", 1},
        {"an IPv6 literal", "joe@[IPv6:::1]", 1},
        {"a local part of 64", SIXTY "abcd@example.com", 1},
        {"an escaped at", "joe\\u0040example.com", 1},
        {"no at", "2962", 0},
        {"no local part", "@example.com", 0},
        {"no domain", "joe@", 0},
        {"a dot first", ".test@example.com", 0},
        {"a dot last", "test.@example.com", 0},
        {"two dots", "te..st@example.com", 0},
        {"two ats", "a@b@example.com", 0},
        {"a space", "joe bloggs@example.com", 0},
        {"a wrong domain", "joe@invalid=domain.com", 0},
        {"a wrong IPv4 literal", "joe@[127.0.0.300]", 0},
        {"an open literal", "joe@[127.0.0.1", 0},
        {"an IPv6 literal without tag", "joe@[::1]", 0},
        {"an open quote", "\\\"joe@example.com", 0},
        {"a control character in quotes", "\\\"a\\u0007\\\"@example.com", 0},
        {"not ASCII", "jos\xc3\xa9@example.com", 0},
        {"a local part of 65", SIXTY "abcde@example.com", 0},
        {"255 in all", "a@" LABEL "." LABEL "." LABEL "." SIXTY "a", 0},
        {"text before it", "Joe <joe@example.com>", 0},
    };

    EXPECT("email", rows);
}
END_TEST

START_TEST(hostname_is_rfc_1123)
{
    static const struct row rows[] = {
        {"plain", "www.example.com", 1},
        {"one label", "hostname", 1},
        {"a digit first", "1host.example", 1},
        {"a dash inside", "h-ost", 1},
        {"punycode", "xn--4gbwdl.xn--wgbh1c", 1},
        {"a label of 63", LABEL ".com", 1},
        {"253 in all", LABEL "." LABEL "." LABEL "." SIXTY "a", 1},
        {"empty", "", 0},
        {"a dot", ".", 0},
        {"a dot first", ".example", 0},
        {"a dot last", "example.", 0},
        {"two dots", "a..b", 0},
        {"a dash first", "-a.example", 0},
        {"a dash last", "a-.example", 0},
        {"an underscore", "not_valid", 0},
        {"a port", "example.com:80", 0},
        {"a label of 64", LABEL "d.com", 0},
        {"254 in all", LABEL "." LABEL "." LABEL "." SIXTY "ab", 0},
        {"not ASCII", "\xe5\xae\x9f.example", 0},
        {"a wide dot",
         "a\xe3\x80\x82"
         "b",
         0},
    };

    EXPECT("hostname", rows);
}
END_TEST

START_TEST(ipv4_is_four_decimal_octets)
{
    static const struct row rows[] = {
        {"plain", "192.168.0.1", 1},
        {"the lowest", "0.0.0.0", 1},
        {"the highest", "255.255.255.255", 1},
        {"an escaped digit", "\\u0031.2.3.4", 1},
        {"too many octets", "127.0.0.0.1", 0},
        {"too few octets", "127.0.0", 0},
        {"too big", "256.1.1.1", 0},
        {"a leading zero", "087.10.0.1", 0},
        {"two zeros", "00.1.1.1", 0},
        {"hexadecimal", "0x7f.0.0.1", 0},
        {"one number", "2130706433", 0},
        {"an empty octet", "1..2.3", 0},
        {"a mask", "192.168.1.0/24", 0},
        {"a dot last", "1.2.3.4.", 0},
        {"a foreign digit", "1\xe0\xa7\xa7.2.3.4", 0},
        {"empty", "", 0},
    };

    EXPECT("ipv4", rows);
}
END_TEST

START_TEST(ipv6_is_rfc_4291)
{
    static const struct row rows[] = {
        {"all groups", "2001:db8:0:0:8:800:200C:417A", 1},
        {"nothing but a gap", "::", 1},
        {"a gap first", "::abef", 1},
        {"a gap last", "1::", 1},
        {"a gap inside", "d6::42", 1},
        {"a gap for one group", "1:2:3:4:5:6:7::", 1},
        {"an IPv4 tail", "::ffff:192.168.0.1", 1},
        {"six groups and an IPv4 tail", "1:2:3:4:5:6:1.2.3.4", 1},
        {"a gap, five groups and a tail", "1:2:3:4:5::1.2.3.4", 1},
        {"an IPv4 tail alone behind a gap", "::1.2.3.4", 1},
        {"empty", "", 0},
        {"a colon", ":", 0},
        {"a group of five", "12345::", 0},
        {"no hexadecimal", "::laptop", 0},
        {"nine groups", "1:2:3:4:5:6:7:8:9", 0},
        {"seven groups", "1:2:3:4:5:6:7", 0},
        {"a gap for no group", "1:2:3:4::5:6:7:8", 0},
        {"two gaps", "1::d6::42", 0},
        {"three colons", "1:::2", 0},
        {"a colon first", ":2:3:4:5:6:7:8", 0},
        {"a colon last", "1:2:3:4:5:6:7:", 0},
        {"a colon behind eight", "1:2:3:4:5:6:7:8:", 0},
        {"a wrong IPv4 tail", "1::2:256.3.4.5", 0},
        {"an IPv4 tail not last", "::1.2.3.4:5", 0},
        {"seven groups and a tail", "1:2:3:4:5:6:7:1.2.3.4", 0},
        {"a gap, six groups and a tail", "1:2:3:4:5:6::1.2.3.4", 0},
        {"IPv4", "127.0.0.1", 0},
        {"a zone", "fe80::a%eth1", 0},
        {"a prefix length", "fe80::/64", 0},
        {"brackets", "[::1]", 0},
    };

    EXPECT("ipv6", rows);
}
END_TEST

START_TEST(uri_is_absolute_rfc_3986)
{
    static const struct row rows[] = {
        {"all parts", "http://u:p@example.com:8080/a;b/c?x=y&z#f/?", 1},
        {"no authority", "urn:oasis:names:docbook:4.1.2", 1},
        {"mail", "mailto:John.Doe@example.com", 1},
        {"an IPv6 host", "ldap://[2001:db8::7]/c=GB?objectClass?one", 1},
        {"a host of the future", "http://[v7.a:b]/", 1},
        {"an empty authority", "file:///etc/hosts", 1},
        {"a percent-encoding", "http://example.com/%7Efoo%2f", 1},
        {"escaped slashes", "http:\\/\\/example.com\\/", 1},
        {"an empty port", "http://example.com:/", 1},
        {"a scheme alone", "a:", 1},
        {"empty", "", 0},
        {"a path", "/abc", 0},
        {"a network path", "//foo.bar/", 0},
        {"no scheme", "example.com/a", 0},
        {"an empty scheme", "://x", 0},
        {"a digit first", "1http://x", 0},
        {"a space", "http://example.com/a b", 0},
        {"a backslash", "http://example.com\\\\a", 0},
        {"a broken percent-encoding", "http://example.com/%7", 0},
        {"a percent-encoding of no digits", "http://example.com/%zz", 0},
        {"angle brackets", "http://example.com/<>", 0},
        {"braces", "http://example.com/{id}", 0},
        {"two fragments", "http://example.com/#a#b", 0},
        {"a bracket in the path", "http://example.com/[a]", 0},
        {"a bracket without authority", "urn:[a]", 0},
        {"a bracket in the user", "http://[a@example.com/", 0},
        {"a wrong IPv6 host", "http://[::1::2]/", 0},
        {"an open bracket", "http://[::1/", 0},
        {"letters for a port", "http://example.com:8a/", 0},
        {"a capital future", "http://[V1F.a]/", 1},
        {"a future without a version", "http://[v.a]/", 0},
        {"a future without a dot", "http://[v1a]/", 0},
        {"a future of nothing", "http://[v1.]/", 0},
        {"an open future", "http://[v1.a", 0},
        {"a broken percent-encoding in the user", "http://a%2@example.com/", 0},
        {"a broken percent-encoding in the query", "http://example.com/?%2", 0},
        {"a broken percent-encoding in the fragment", "http://example.com/#%2", 0},
        {"a broken percent-encoding in the host", "http://ex%2", 0},
        {"not ASCII", "http://example.com/\xc3\xbc", 0},
    };

    EXPECT("uri", rows);
}
END_TEST

START_TEST(uri_reference_may_be_relative)
{
    static const struct row rows[] = {
        {"a URI", "http://example.com/a?b#c", 1},
        {"empty", "", 1},
        {"a network path", "//foo.bar/?baz=qux#quux", 1},
        {"an absolute path", "/abc", 1},
        {"a relative path", "../a/b:c", 1},
        {"a query", "?a=b", 1},
        {"a fragment", "#fragment", 1},
        {"an at in the first segment", "a@b", 1},
        {"two slashes inside", "a//b", 1},
        {"a colon in the first segment", "1a:b", 0},
        {"a colon first", ":a", 0},
        {"a backslash", "\\\\\\\\WINDOWS\\\\share", 0},
        {"two fragments", "#a#b", 0},
        {"a quote", "a\\\"b", 0},
        {"a broken percent-encoding", "a%2", 0},
        {"a broken percent-encoding behind a slash", "a/%2", 0},
        {"a broken percent-encoding in a query", "?%2", 0},
        {"a broken percent-encoding in a network path", "//%2", 0},
        {"not ASCII", "\xc3\xbc", 0},
    };

    EXPECT("uri-reference", rows);
}
END_TEST

START_TEST(uuid_has_five_groups_of_digits)
{
    static const struct row rows[] = {
        {"small", "2eb8aa08-aa98-11ea-b4aa-73b441d16380", 1},
        {"capital", "2EB8AA08-AA98-11EA-B4AA-73B441D16380", 1},
        {"nil", "00000000-0000-0000-0000-000000000000", 1},
        {"an escaped dash", "2eb8aa08\\u002daa98-11ea-b4aa-73b441d16380", 1},
        {"a digit too few", "2eb8aa08-aa98-11ea-b4aa-73b441d1638", 0},
        {"a digit too many", "2eb8aa08-aa98-11ea-b4aa-73b441d163800", 0},
        {"a group too few", "2eb8aa08-aa98-11ea-73b441d16380", 0},
        {"no dashes", "2eb8aa08aa9811eab4aa73b441d16380", 0},
        {"dashes elsewhere", "2eb8aa0-8aa98-11ea-b4aa-73b441d16380", 0},
        {"no digit", "2eb8aa08-aa98-11ea-b4ga-73b441d16380", 0},
        {"no digit in the last group", "2eb8aa08-aa98-11ea-b4aa-73b441d1638g", 0},
        {"an underscore for a dash", "2eb8aa08_aa98-11ea-b4aa-73b441d16380", 0},
        {"braces", "{2eb8aa08-aa98-11ea-b4aa-73b441d16380}", 0},
        {"a URN", "urn:uuid:2eb8aa08-aa98-11ea-b4aa-73b441d16380", 0},
        {"empty", "", 0},
    };

    EXPECT("uuid", rows);
}
END_TEST

START_TEST(json_pointer_is_rfc_6901)
{
    static const struct row rows[] = {
        {"empty", "", 1},
        {"escapes", "/foo/bar~0/baz~1/%a", 1},
        {"empty segments", "//", 1},
        {"any character", "/\\\"\\\\ \\u0000\xc3\xbc", 1},
        {"an escaped slash", "\\/a", 1},
        {"no slash first", "a/b", 0},
        {"a fragment", "#/a", 0},
        {"a tilde last", "/foo/bar~", 0},
        {"an unknown tilde", "/~2", 0},
        {"a tilde before a slash", "/~/a", 0},
        {"two tildes", "/~~", 0},
    };

    EXPECT("json-pointer", rows);
}
END_TEST

START_TEST(relative_json_pointer_counts_up_first)
{
    static const struct row rows[] = {
        {"up and down", "1/foo~1", 1},
        {"here", "0", 1},
        {"the name", "0#", 1},
        {"many digits", "120/a", 1},
        {"empty", "", 0},
        {"a pointer", "/foo", 0},
        {"negative", "-1/a", 0},
        {"a plus", "+1/a", 0},
        {"a leading zero", "01/a", 0},
        {"two signs", "0##", 0},
        {"a sign before a path", "0#/a", 0},
        {"a wrong pointer", "1a", 0},
        {"a wrong escape", "1/~", 0},
    };

    EXPECT("relative-json-pointer", rows);
}
END_TEST

START_TEST(regex_is_ecma_262_with_the_u_flag)
{
    static const struct row rows[] = {
        {"empty", "", 1},
        {"groups and quantifiers", "^(?:a|(b+?))*c{2,3}$", 1},
        {"a class", "[^a-z\\\\d\\\\-\\\\]_-]", 1},
        {"look-around", "(?=a)(?!b)(?<=c)(?<!d)e", 1},
        {"a name and its use", "(?<year>\\\\d{4})\\\\k<year>", 1},
        {"a reference before its group", "\\\\1(a)", 1},
        {"escapes", "\\\\t\\\\x41\\\\u0041\\\\u{1F600}\\\\cA\\\\0\\\\/\\\\.", 1},
        {"properties", "\\\\p{L}\\\\P{Script=Greek}", 1},
        {"a range of pairs", "[\\\\ud83d\\\\ude00-\\\\ud83d\\\\ude4f]", 1},
        {"not ASCII", "\xc3\xbc+", 1},
        {"a repeated group behind a look-ahead", "(?=a)(b)*", 1},
        {"a repeated group with a look-ahead", "((?=a)b)*", 1},
        {"an open group", "(a", 0},
        {"a group closed twice", "a)", 0},
        {"an open class", "[a", 0},
        {"a bracket alone", "a]", 0},
        {"a brace alone", "a}", 0},
        {"an open brace", "a{1", 0},
        {"a quantifier of no number", "a{,2}", 0},
        {"bounds reversed", "a{3,2}", 0},
        {"nothing to repeat", "*a", 0},
        {"repeated twice", "a**", 0},
        {"a repeated start", "^*", 0},
        {"a repeated look-ahead", "(?=a)*", 0},
        {"a repeated alternative", "a|+", 0},
        {"a backslash last", "a\\\\", 0},
        {"an unknown escape", "^a\\\\Z", 0},
        {"an escaped dash", "\\\\-", 0},
        {"a range reversed", "[z-a]", 0},
        {"a range of pairs reversed", "[\\\\ud83d\\\\ude4f-\\\\ud83d\\\\ude00]", 0},
        {"a range of a set", "[\\\\d-z]", 0},
        {"a range to a set", "[a-\\\\d]", 0},
        {"a reference to no group", "(a)\\\\2", 0},
        {"a name that is nowhere", "\\\\k<a>", 0},
        {"a wrong name", "(?<1>a)", 0},
        {"an unknown group", "(?P<a>b)", 0},
        {"a code point too big", "\\\\u{110000}", 0},
        {"an octal escape", "\\\\01", 0},
        {"an open property", "\\\\p{L", 0},
        {"an empty property", "\\\\p{}", 0},
        {"a property of nothing", "\\\\p{Script=}", 0},
        {"a property without braces", "\\\\pL", 0},
        {"word boundaries", "\\\\ba\\\\B", 1},
        {"a backspace in a class", "[\\\\b]", 1},
        {"no word boundary in a class", "[\\\\B]", 0},
        {"a quantifier behind a boundary", "\\\\b*", 0},
        {"a name of every kind", "(?<$_a1\xc3\xa9>b)", 1},
        {"a use without a name", "(?<a>b)\\\\k", 0},
        {"a use of no name", "(?<a>b)\\\\k<>", 0},
        {"an open use", "(?<a>b)\\\\k<a", 0},
        {"a control letter in a class", "[\\\\cZ]", 1},
        {"a control that is none", "\\\\c1", 0},
        {"one hexadecimal digit", "\\\\x4", 0},
        {"a wrong hexadecimal digit", "\\\\x4g", 0},
        {"three hexadecimal digits", "\\\\u004", 0},
        {"no code point", "\\\\u{}", 0},
        {"a wrong code point", "\\\\u{4g}", 0},
        {"an open code point", "\\\\u{41", 0},
        {"a lone high surrogate", "[\\\\ud83d-\\\\ud83e]", 1},
        {"a high surrogate and a letter", "[\\\\ud83d\\\\u0041]", 1},
        {"a high surrogate and an escape", "[\\\\ud83d\\\\n]", 1},
        {"a high surrogate and half an escape", "\\\\ud83d\\\\ude0", 0},
        {"a count beyond all numbers", "a{99999999999999999999}", 1},
        {"counts beyond all numbers", "a{1,99999999999999999999}", 1},
    };

    EXPECT("regex", rows);
}
END_TEST

START_TEST(regex_nests_256_groups_at_most)
{
    char text[1100];

    use("regex");
    for (size_t depth = 256; depth <= 257; depth++) {
        memset(text, '(', depth);
        memset(text + depth, ')', depth);
        text[2 * depth] = '\0';
        ck_assert_int_eq(judge_string(text), depth == 256 ? WSRT_OK : WSRT_ERR_REJECTED);
    }
}
END_TEST

START_TEST(regex_knows_look_arounds_at_any_depth)
{
    char text[512];

    use("regex");
    for (size_t depth = 60; depth <= 200; depth += 35) {
        memset(text, '(', depth);
        memcpy(text + depth, "(?=a)*", 6);
        memset(text + depth + 6, ')', depth);
        text[2 * depth + 6] = '\0';
        ck_assert_int_eq(judge_string(text), WSRT_ERR_REJECTED);
        text[depth + 5] = 'b';
        ck_assert_int_eq(judge_string(text), WSRT_OK);
    }
}
END_TEST

START_TEST(jwt_has_three_parts)
{
    static const struct row rows[] = {
        {"plain", "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_w", 1},
        {"short parts", "ab.cd.ef", 1},
        {"an escaped dot", "ab\\u002ecd.ef", 1},
        {"empty", "", 0},
        {"two parts", "ab.cd", 0},
        {"four parts", "ab.cd.ef.gh", 0},
        {"an empty header", ".cd.ef", 0},
        {"no signature", "ab.cd.", 0},
        {"padding", "ab==.cd.ef", 0},
        {"plain base64", "a+/b.cd.ef", 0},
        {"a part of no whole byte", "ab.cdefg.hi", 0},
        {"a space", "ab.cd.ef ", 0},
    };

    EXPECT("jwt", rows);
}
END_TEST

START_TEST(base64url_has_no_padding)
{
    static const struct row rows[] = {
        {"empty", "", 1},
        {"one byte", "Zg", 1},
        {"two bytes", "Zm8", 1},
        {"three bytes", "Zm9v", 1},
        {"its own letters", "-_-_", 1},
        {"an escaped letter", "Zm9\\u0076", 1},
        {"no whole byte", "Z", 0},
        {"no whole byte behind four", "Zm9vZ", 0},
        {"padding", "Zg==", 0},
        {"a plus", "Zm+v", 0},
        {"a slash", "Zm\\/v", 0},
        {"a line", "Zm9v\\n", 0},
        {"not ASCII", "\xc3\xbcxx", 0},
    };

    EXPECT("base64url", rows);
}
END_TEST

START_TEST(other_names_are_refused_where_formats_assert)
{
    static const char *const names[] = {"",      "DATE",       "idn-email", "iri", "uri-template",
                                        "uuid ", "date\\u0000"};
    char text[64];

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        snprintf(text, sizeof text, "{\"items\":{\"format\":\"%s\"}}", names[i]);
        ck_assert_int_eq(compile(text, 0), WSRT_OK);
        ck_assert_int_eq(compile(text, WSRT_SCHEMA_ASSERT_FORMAT), WSRT_ERR_REJECTED);
        ck_assert_int_eq(why.code, WSRT_SCHEMA_FORMAT_UNKNOWN);
        ck_assert_str_eq(why.pointer, "/items/format");
    }
}
END_TEST

START_TEST(a_name_may_be_escaped_in_the_schema)
{
    use("\\u0064ate");
    ck_assert_int_eq(judge_string("2020-02-29"), WSRT_OK);
    ck_assert_int_eq(judge_string("2021-02-29"), WSRT_ERR_REJECTED);
}
END_TEST

START_TEST(nothing_but_strings_has_a_format)
{
    static const char *const values[] = {"12", "null", "true", "{}", "[]"};

    use("date");
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++)
        ck_assert_msg(judge(values[i], strlen(values[i])) == WSRT_OK, "%s", values[i]);
}
END_TEST

START_TEST(a_format_holds_beside_other_rules_for_names_and_in_unions)
{
    static const struct {
        const char *schema;
        const char *message;
        int status;
    } rows[] = {
        {"{\"format\":\"ipv4\",\"maxLength\":8}", "\"1.2.3.4\"", WSRT_OK},
        {"{\"format\":\"ipv4\",\"maxLength\":8}", "\"1.2.3\"", WSRT_ERR_REJECTED},
        {"{\"format\":\"ipv4\",\"maxLength\":8}", "\"11.22.33.44\"", WSRT_ERR_REJECTED},
        {"{\"propertyNames\":{\"format\":\"date\"}}", "{\"2020-01-01\":1}", WSRT_OK},
        {"{\"propertyNames\":{\"format\":\"date\"}}", "{\"2020-01-32\":1}", WSRT_ERR_REJECTED},
        {"{\"anyOf\":[{\"format\":\"ipv4\"},{\"format\":\"ipv6\"}]}", "\"::1\"", WSRT_OK},
        {"{\"anyOf\":[{\"format\":\"ipv4\"},{\"format\":\"ipv6\"}]}", "\"x\"", WSRT_ERR_REJECTED},
        {"{\"not\":{\"format\":\"uuid\"}}", "\"x\"", WSRT_OK},
        {"{\"allOf\":[{\"format\":\"date\"},{\"format\":\"uuid\"}]}", "\"2020-01-01\"",
         WSRT_ERR_REJECTED},
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        ck_assert_int_eq(compile(rows[i].schema, WSRT_SCHEMA_ASSERT_FORMAT), WSRT_OK);
        ck_assert_msg(judge(rows[i].message, strlen(rows[i].message)) == rows[i].status, "%s: %s",
                      rows[i].schema, rows[i].message);
    }
}
END_TEST

START_TEST(a_text_of_ones_own_is_told)
{
    ck_assert_int_eq(compile("{\"format\":\"date\",\"errorMessage\":{\"format\":\"No date\"}}",
                             WSRT_SCHEMA_ASSERT_FORMAT),
                     WSRT_OK);
    ck_assert_int_eq(judge("\"x\"", 3), WSRT_ERR_REJECTED);
    ck_assert_str_eq(issue.text_cstr, "No date");
}
END_TEST

static void clean_up(void)
{
    wsrt_schema_free(schema);
    schema = NULL;
}

START_TEST(every_month_has_its_own_last_day)
{
    static const int last[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    char text[16];

    use("date");
    for (int month = 1; month <= 12; month++)
        for (int day = 28; day <= 32; day++) {
            snprintf(text, sizeof text, "2021-%02d-%02d", month, day);
            ck_assert_msg(judge_string(text) ==
                              (day <= last[month - 1] ? WSRT_OK : WSRT_ERR_REJECTED),
                          "%s", text);
        }
}
END_TEST

Suite *suite(void)
{
    Suite *s = suite_create("schema_format");
    TCase *t = tcase_create("formats");

    suite_add_tcase(s, t);
    tcase_add_checked_fixture(t, NULL, clean_up);
    tcase_add_test(t, date_time_is_rfc_3339);
    tcase_add_test(t, date_knows_months_and_leap_years);
    tcase_add_test(t, time_needs_a_zone_and_knows_leap_seconds);
    tcase_add_test(t, duration_keeps_the_order_of_units);
    tcase_add_test(t, email_is_a_mailbox_of_rfc_5321);
    tcase_add_test(t, hostname_is_rfc_1123);
    tcase_add_test(t, ipv4_is_four_decimal_octets);
    tcase_add_test(t, ipv6_is_rfc_4291);
    tcase_add_test(t, uri_is_absolute_rfc_3986);
    tcase_add_test(t, uri_reference_may_be_relative);
    tcase_add_test(t, uuid_has_five_groups_of_digits);
    tcase_add_test(t, json_pointer_is_rfc_6901);
    tcase_add_test(t, relative_json_pointer_counts_up_first);
    tcase_add_test(t, regex_is_ecma_262_with_the_u_flag);
    tcase_add_test(t, regex_nests_256_groups_at_most);
    tcase_add_test(t, regex_knows_look_arounds_at_any_depth);
    tcase_add_test(t, jwt_has_three_parts);
    tcase_add_test(t, base64url_has_no_padding);
    tcase_add_test(t, other_names_are_refused_where_formats_assert);
    tcase_add_test(t, a_name_may_be_escaped_in_the_schema);
    tcase_add_test(t, nothing_but_strings_has_a_format);
    tcase_add_test(t, a_format_holds_beside_other_rules_for_names_and_in_unions);
    tcase_add_test(t, a_text_of_ones_own_is_told);
    tcase_add_test(t, every_month_has_its_own_last_day);
    return s;
}
