/* What the runtime asks of sessions beyond their header. */
#ifndef WSRT_SRC_RESUME_H
#define WSRT_SRC_RESUME_H

#include <wsrt/resume.h>

/* Takes back what wsrt_resume_received() noted: sent again, the message is new. */
void wsrt_resume_refused(wsrt_resume *r, wsrt_span connection_id, wsrt_span id);

#endif
