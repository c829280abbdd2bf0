/* The live page, made by page/embed.py. */
#ifndef WSRT_TOOL_PAGE_H
#define WSRT_TOOL_PAGE_H

#include <wsrt/server.h>

extern const wsrt_server_document wsrt_page;

#endif
