/* A locale that writes 1,5; made here, since few machines have one, in the program's byte order,
 * which may be an emulator's. setlocale(LC_ALL, "C") ends it. */
#ifndef WSRT_TEST_COMMA_LOCALE_H
#define WSRT_TEST_COMMA_LOCALE_H

#include "suite.h"

#include <locale.h>
#include <stdio.h>
#include <stdlib.h>

static inline void use_comma_locale(void)
{
    const char *order = __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__ ? "big" : "little";
    char folder[] = "/tmp/wsrt-locale-XXXXXX", command[200], text[16];

    ck_assert_ptr_nonnull(mkdtemp(folder));
    snprintf(command, sizeof command,
             "localedef --%s-endian -c -i de_DE -f UTF-8 %s/de_DE.UTF-8 2>/dev/null", order,
             folder);
    ck_assert_int_eq(system(command), 0);
    setenv("LOCPATH", folder, 1);
    const char *set = setlocale(LC_ALL, "de_DE.UTF-8");
    snprintf(command, sizeof command, "rm -r %s", folder);
    ck_assert_int_eq(system(command), 0);
    ck_assert_ptr_nonnull(set);
    snprintf(text, sizeof text, "%.1f", 1.5);
#ifdef __GLIBC__ /* musl writes a point in every locale */
    ck_assert_str_eq(text, "1,5");
#endif
}

#endif
