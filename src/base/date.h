/* Unix time as people and protocols write it: wsrt_iso_time() of the public header. */
#ifndef WSRT_SRC_DATE_H
#define WSRT_SRC_DATE_H

#include <wsrt/base.h>

enum { WSRT_ISO_LEN = 24 };

#endif
