/* What the runtime asks of sessions beyond their header. */
#ifndef WSRT_SRC_RESUME_H
#define WSRT_SRC_RESUME_H

#include <wsrt/resume.h>

/* Takes back what wsrt_resume_received() noted: sent again, the message is new. */
void wsrt_resume_refused(wsrt_resume *r, wsrt_span connection_id, wsrt_span id);

enum { WSRT_RESUME_ROOM = 128 }; /* of a connection's id */

/* The connection that has the session which this one has, or had before its client came back; else
 * itself. */
wsrt_span wsrt_resume_current(wsrt_resume *r, wsrt_span connection_id, char room[WSRT_RESUME_ROOM]);

#endif
