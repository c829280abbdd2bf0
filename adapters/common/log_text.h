/* Text of a stranger as a line of a log holds it. */
#ifndef WSRT_COMMON_LOG_TEXT_H
#define WSRT_COMMON_LOG_TEXT_H

#include <wsrt/base.h>

/* The longest text that is taken, and what it can become. */
enum { WSRT_LOG_TEXT_MOST = 512, WSRT_LOG_TEXT_ROOM = 6 * WSRT_LOG_TEXT_MOST };

/* Copies client text so that it stays on its line and shows what it holds: C0, DEL, C1, line and
 * paragraph separators and bidi controls as \uXXXX, bad UTF-8 as \xXX, `"` and `\` escaped. With
 * `json` a backslash is doubled, so that the result is the inside of a JSON string. What begins
 * within the first WSRT_LOG_TEXT_MOST bytes is taken. Returns the length, at most `cap`. */
size_t wsrt_log_escape(char *dst, size_t cap, wsrt_span text, int json);

#endif
