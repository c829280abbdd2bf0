/* JSON as tokens and key sets may hold it: an object, no member twice at any level, few levels. */
#ifndef WSRT_JWT_STRICT_H
#define WSRT_JWT_STRICT_H

#include <wsrt/json.h>

enum { WSRT_JWT_DEPTH_MAX = 8, WSRT_JWT_NAME_MAX = 256, WSRT_JWT_MEMBERS_MAX = 256 };

/* WSRT_OK and the object; else WSRT_ERR_MALFORMED or WSRT_ERR_REJECTED, and *why is constant text.
 * Names have at most WSRT_JWT_NAME_MAX bytes and no NUL; on the way down to any value lie at most
 * WSRT_JWT_MEMBERS_MAX members. */
int wsrt_jwt_object(wsrt_span text, wsrt_json *out, const char **why);

/* Finds members by name in one pass over an object; kind WSRT_JSON_NONE where there is none. */
void wsrt_jwt_members(const wsrt_json *object, const wsrt_span *names, wsrt_json *out,
                      size_t count);

/* One of them. */
wsrt_json wsrt_jwt_member(const wsrt_json *object, const char *name_cstr);

#endif
