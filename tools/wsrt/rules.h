/* What the settings of `serve` must be among each other. */
#ifndef WSRT_TOOL_RULES_H
#define WSRT_TOOL_RULES_H

#include "commands.h"

/* Complains about everything that cannot work together; 0 or an exit status. The settings are those of
 * `serve`, or begin with them. */
int serve_check(const struct options *o);

/* Complains about an option, calling it by its place where that is a file; the exit status. */
int serve_broken(const struct options *o, const char *name, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Tokens that say whose and for whom they are may face other machines. */
int serve_knows_callers(const struct serve_settings *s);

/* The wsrt_management that is asked for. */
int serve_management(const struct serve_settings *s);

#endif
