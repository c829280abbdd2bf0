/* What every adapter needs besides public headers: memory through a wsrt_allocator, and reading and
 * filling the structs that grow between releases. */
#ifndef WSRT_ADAPTER_SUPPORT_H
#define WSRT_ADAPTER_SUPPORT_H

#include <wsrt/base.h>

/* As wsrt_allocator.realloc, for the zero allocator too. */
void *wsrt_adapter_realloc(const wsrt_allocator *a, void *ptr, size_t old_size, size_t new_size);

/* Copies a caller's size-first options over zeroes; NULL gives all zero. `known` is sizeof today,
 * `first` in the first release. WSRT_ERR_INVALID for an impossible size, WSRT_ERR_UNSUPPORTED for a
 * non-zero byte beyond `known`. */
int wsrt_adapter_options(void *out, size_t known, size_t first, const void *given);

/* The same for a table of functions: longer than known is fine. */
int wsrt_adapter_table(void *out, size_t known, size_t first, const void *given);

/* Judges options where they stand, for who reads no more of them than their size says. NULL is invalid. */
int wsrt_adapter_judge(const void *given, size_t known, size_t first);

/* Fills a caller's size-first report with what fits; its size stays. WSRT_ERR_INVALID as above. */
int wsrt_adapter_report(void *given, size_t known, size_t first, const void *report);

/* For a report whose known members are filled one by one: zeroes the rest. */
int wsrt_adapter_amend(void *given, size_t known, size_t first);

/* Whether a host, an IPv6 address in brackets, is this machine: 127.0.0.1, and not
 * 127.0.0.1.example.com. */
int wsrt_adapter_is_loopback(wsrt_span host);
/* The host of an authority "host:port". */
wsrt_span wsrt_adapter_host(wsrt_span authority);
/* Whether nobody can change on its way what a URL gives: https, or http to this machine. */
int wsrt_adapter_is_safe_url(wsrt_span url);

#endif
