/* Strings written in pieces, for rooms that change text on its way into an envelope. */
#ifndef WSRT_SRC_JSON_WRITE_H
#define WSRT_SRC_JSON_WRITE_H

#include <wsrt/json.h>

void wsrt_json_string_open(wsrt_json_writer *w);
void wsrt_json_string_part(wsrt_json_writer *w, wsrt_span text);    /* escaped as needed */
void wsrt_json_string_literal(wsrt_json_writer *w, wsrt_span text); /* already escaped */
void wsrt_json_string_close(wsrt_json_writer *w);

#endif
