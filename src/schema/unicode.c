#include "schema/unicode.h"

#include <string.h>

#include "schema/unicode_runs.h"

enum { RUNS = sizeof runs / sizeof runs[0], LAST_POINT = 0x10ffff };

/* Order of the bits as in scripts/unicode-table. */
enum {
    LU = 1 << 0,
    LL = 1 << 1,
    LT = 1 << 2,
    LM = 1 << 3,
    LO = 1 << 4,
    MN = 1 << 5,
    MC = 1 << 6,
    ME = 1 << 7,
    ND = 1 << 8,
    NL = 1 << 9,
    NO = 1 << 10,
    PC = 1 << 11,
    PD = 1 << 12,
    PS = 1 << 13,
    PE = 1 << 14,
    PI = 1 << 15,
    PF = 1 << 16,
    PO = 1 << 17,
    SM = 1 << 18,
    SC = 1 << 19,
    SK = 1 << 20,
    SO = 1 << 21,
    ZS = 1 << 22,
    ZL = 1 << 23,
    ZP = 1 << 24,
    CC = 1 << 25,
    CF = 1 << 26,
    CS = 1 << 27,
    CO = 1 << 28,
    CN = 1 << 29,
    ASCII = 1 << 30
};

static const struct property {
    char short_name[6];
    char long_name[22];
    uint32_t mask;
} properties[] = {
    {"L", "Letter", LU | LL | LT | LM | LO},
    {"LC", "Cased_Letter", LU | LL | LT},
    {"Lu", "Uppercase_Letter", LU},
    {"Ll", "Lowercase_Letter", LL},
    {"Lt", "Titlecase_Letter", LT},
    {"Lm", "Modifier_Letter", LM},
    {"Lo", "Other_Letter", LO},
    {"M", "Mark", MN | MC | ME},
    {"M", "Combining_Mark", MN | MC | ME},
    {"Mn", "Nonspacing_Mark", MN},
    {"Mc", "Spacing_Mark", MC},
    {"Me", "Enclosing_Mark", ME},
    {"N", "Number", ND | NL | NO},
    {"Nd", "Decimal_Number", ND},
    {"Nd", "digit", ND},
    {"Nl", "Letter_Number", NL},
    {"No", "Other_Number", NO},
    {"P", "Punctuation", PC | PD | PS | PE | PI | PF | PO},
    {"P", "punct", PC | PD | PS | PE | PI | PF | PO},
    {"Pc", "Connector_Punctuation", PC},
    {"Pd", "Dash_Punctuation", PD},
    {"Ps", "Open_Punctuation", PS},
    {"Pe", "Close_Punctuation", PE},
    {"Pi", "Initial_Punctuation", PI},
    {"Pf", "Final_Punctuation", PF},
    {"Po", "Other_Punctuation", PO},
    {"S", "Symbol", SM | SC | SK | SO},
    {"Sm", "Math_Symbol", SM},
    {"Sc", "Currency_Symbol", SC},
    {"Sk", "Modifier_Symbol", SK},
    {"So", "Other_Symbol", SO},
    {"Z", "Separator", ZS | ZL | ZP},
    {"Zs", "Space_Separator", ZS},
    {"Zl", "Line_Separator", ZL},
    {"Zp", "Paragraph_Separator", ZP},
    {"C", "Other", CC | CF | CS | CO | CN},
    {"Cc", "Control", CC},
    {"Cc", "cntrl", CC},
    {"Cf", "Format", CF},
    {"Cs", "Surrogate", CS},
    {"Co", "Private_Use", CO},
    {"Cn", "Unassigned", CN},
    {"Any", "Any", ASCII - 1},
    {"ASCII", "ASCII", ASCII},
};

static int is_name(const char *name, size_t len, const char *word)
{
    return strlen(word) == len && memcmp(name, word, len) == 0;
}

uint32_t wsrt_unicode_mask(const char *name, size_t len)
{
    static const char *const prefixes[] = {"General_Category=", "gc="};

    for (size_t i = 0; i < 2; i++) {
        size_t skip = strlen(prefixes[i]);
        if (len > skip && memcmp(name, prefixes[i], skip) == 0) {
            name += skip;
            len -= skip;
            break;
        }
    }
    for (size_t i = 0; i < sizeof properties / sizeof properties[0]; i++)
        if (is_name(name, len, properties[i].short_name) ||
            is_name(name, len, properties[i].long_name))
            return properties[i].mask;
    return 0;
}

int wsrt_unicode_run(uint32_t i, uint32_t mask, uint32_t *low, uint32_t *high)
{
    if (mask == ASCII) {
        *low = 0;
        *high = 127;
        return i == 0;
    }
    if (i >= RUNS)
        return 0;
    *low = runs[i] >> 5;
    *high = i + 1 < RUNS ? (runs[i + 1] >> 5) - 1 : LAST_POINT;
    if ((mask >> (runs[i] & 31) & 1) == 0) {
        *low = 1;
        *high = 0;
    }
    return 1;
}
