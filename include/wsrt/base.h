/**
 * @file base.h
 * The floor that every libwsrt header stands on: status codes, byte spans, the allocator and the
 * environment (clock, entropy, log). Nothing here does I/O by itself.
 *
 * Conventions of the whole library
 *  - A function that can fail returns `int`: WSRT_OK (0), a positive qualified success, or a negative
 *    `WSRT_ERR_*`. Outputs are written on success only; a constructor sets `*out` to NULL on failure.
 *  - `_free(NULL)` does nothing. What the library allocated is given back to the library.
 *  - Text is pointer + length and need not be NUL-terminated, except where a name ends in `_cstr`.
 *  - Monotonic time is `int64_t` nanoseconds, wall time is `int64_t` milliseconds since 1970 (Unix),
 *    unless a name or comment says otherwise.
 *  - Structs that begin with `struct_size` grow between releases. Zero-fill them, set `struct_size`
 *    to sizeof the struct, then set what you need: zero always means "default". Non-zero bytes that
 *    this release does not know are refused with WSRT_ERR_UNSUPPORTED; `flags` must hold known bits.
 *  - Callbacks take their `user` pointer last (or first where they are members of a table with a
 *    `self`), and are never called with a library lock held.
 */
#ifndef WSRT_BASE_H
#define WSRT_BASE_H

#include <stddef.h>
#include <stdint.h>

#ifndef WSRT_API
#if defined(__GNUC__)
#define WSRT_API __attribute__((visibility("default")))
#else
#define WSRT_API
#endif
#endif

#define WSRT_VERSION_MAJOR 0
#define WSRT_VERSION_MINOR 1
#define WSRT_VERSION_PATCH 0

#ifdef __cplusplus
extern "C" {
#endif

/** Result of every libwsrt function. Values are fixed for ever and never reused. @since 0.1 */
typedef enum wsrt_status {
    WSRT_OK = 0,                    /**< done */
    WSRT_STALE = 1,                 /**< done, but the thing acted upon had been superseded */
    WSRT_ERR_INVALID = -1,          /**< usage error: an argument breaks a documented rule */
    WSRT_ERR_STATE = -2,            /**< usage error: not now (twice, too early, too late) */
    WSRT_ERR_NOMEM = -3,            /**< the allocator refused; nothing changed */
    WSRT_ERR_LIMIT = -4,            /**< a configured cap or a caller's buffer is too small */
    WSRT_ERR_UNSUPPORTED = -5,      /**< valid, but not by this release or this object */
    WSRT_ERR_VERSION = -6,          /**< data written by an unknown version */
    WSRT_ERR_MALFORMED = -7,        /**< not JSON, not HTTP, not what it claims to be */
    WSRT_ERR_REJECTED = -8,         /**< well-formed, but against a rule */
    WSRT_ERR_NOT_FOUND = -9,        /**< no such thing */
    WSRT_ERR_EXISTS = -10,          /**< already there */
    WSRT_ERR_GONE = -11,            /**< the peer has left */
    WSRT_ERR_TIMEOUT = -12,         /**< a deadline passed */
    WSRT_ERR_UNAVAILABLE = -13,     /**< an outside service cannot be reached or is failing */
    WSRT_ERR_THROTTLED = -14,       /**< a peer asked us to slow down */
    WSRT_ERR_RATE_LIMITED = -15,    /**< we ask the caller to slow down */
    WSRT_ERR_CIRCUIT_OPEN = -16,    /**< a breaker refused the call */
    WSRT_ERR_UNAUTHENTICATED = -17, /**< nobody knows who is asking */
    WSRT_ERR_FORBIDDEN = -18,       /**< known, and not allowed */
    WSRT_ERR_TOO_LARGE = -19,       /**< more bytes than may be sent or taken */
    WSRT_ERR_CORRUPT = -20,         /**< stored data is damaged */
    WSRT_ERR_IO = -21,              /**< the operating system refused */
    WSRT_ERR_INTERNAL = -22,        /**< a fault of ours */
    WSRT_STATUS_MIN_ = -2147483647 - 1,
    WSRT_STATUS_MAX_ = 2147483647
} wsrt_status;

/**
 * Bytes, borrowed: whoever hands out a span says how long it stays valid. `ptr` may be NULL when
 * `len` is 0. Nothing else in the library is called a span. @since 0.1
 */
typedef struct wsrt_span {
    const char *ptr; /**< first byte; not NUL-terminated */
    size_t len;      /**< bytes */
} wsrt_span;

/**
 * The bytes of a NUL-terminated string, without the NUL.
 *
 * @param text_cstr  string that outlives the span; NULL gives the empty span
 * @return the span; never fails. Any thread. @since 0.1
 */
WSRT_API wsrt_span wsrt_span_cstr(const char *text_cstr);

/**
 * Compares two spans byte by byte.
 *
 * @return 1 when they hold the same bytes, else 0. Not constant-time: do not compare secrets with
 *         it. Never fails. Any thread. @since 0.1
 */
WSRT_API int wsrt_span_equal(wsrt_span a, wsrt_span b);

/**
 * Writes Unix milliseconds in UTC as ISO 8601 has it, `2026-11-20T10:00:00.123Z`: no locale, no time
 * zone. What lies outside of the years 1970 to 9999 is brought into them.
 *
 * @param dst  receives 24 characters, no NUL; not NULL
 * Never fails. Any thread. @since 0.1
 */
WSRT_API void wsrt_iso_time(int64_t ms, char *dst);

/**
 * Release of the library that is loaded: major * 1000000 + minor * 1000 + patch.
 * Never fails. Any thread. @since 0.1
 */
WSRT_API int wsrt_version(void);

/** The same as constant text, for example "0.1.0"; owned by the library. Any thread. @since 0.1 */
WSRT_API const char *wsrt_version_string(void);

/**
 * Name of a status.
 *
 * @param status  any int
 * @return constant text owned by the library, as "WSRT_ERR_NOMEM"; "WSRT_ERR_UNKNOWN" for a number
 *         that is no status. Never NULL. Any thread. @since 0.1
 */
WSRT_API const char *wsrt_status_name(int status);

/**
 * Value of an enumerator of the core's headers by name, for bindings without a C compiler.
 *
 * @param name_cstr  as spelt in the header, "WSRT_ERR_GONE"; NULL is WSRT_ERR_INVALID
 * @param value      written on WSRT_OK only
 * @return WSRT_OK, WSRT_ERR_NOT_FOUND, WSRT_ERR_INVALID. Any thread. @since 0.1
 */
WSRT_API int wsrt_constant(const char *name_cstr, int64_t *value);

/* ---- memory ------------------------------------------------------------------------------- */

/**
 * Where an object takes its memory from. Copied by value into each object at its construction; the
 * caller's variable may go away, `user` must outlive the object. All zero means libc. @since 0.1
 */
typedef struct wsrt_allocator {
    /**
     * Behaves as realloc, and is told the old size, so that an arena can implement it:
     * `ptr` NULL allocates `new_size` bytes (`old_size` is 0); `new_size` 0 frees and returns NULL;
     * otherwise resizes. Returns memory aligned for any object, or NULL and leaves `ptr` as it was.
     * Must be thread-safe if the object that uses it is.
     */
    void *(*realloc)(void *user, void *ptr, size_t old_size, size_t new_size);
    void *user; /**< handed to every call */
} wsrt_allocator;

/* ---- environment -------------------------------------------------------------------------- */

/** Severity of a log line. @since 0.1 */
typedef enum wsrt_level {
    WSRT_LEVEL_TRACE = 1,
    WSRT_LEVEL_DEBUG = 2,
    WSRT_LEVEL_INFO = 3,
    WSRT_LEVEL_WARN = 4,
    WSRT_LEVEL_ERROR = 5,
    WSRT_LEVEL_MIN_ = -2147483647 - 1,
    WSRT_LEVEL_MAX_ = 2147483647
} wsrt_level;

/** What a log field holds. @since 0.1 */
typedef enum wsrt_field_kind {
    WSRT_FIELD_TEXT = 1, /**< `text` */
    WSRT_FIELD_INT = 2,  /**< `number` */
    WSRT_FIELD_REAL = 3, /**< `real` */
    WSRT_FIELD_BOOL = 4, /**< `number` is 0 or 1 */
    WSRT_FIELD_MIN_ = -2147483647 - 1,
    WSRT_FIELD_MAX_ = 2147483647
} wsrt_field_kind;

/**
 * One named value of a log line. Text may hold any bytes a client sent: a sink escapes it.
 * Tokens, message bodies and query strings never reach a sink. @since 0.1
 */
typedef struct wsrt_field {
    const char *name_cstr; /**< constant text */
    wsrt_span text;        /**< valid during the call */
    int64_t number;
    double real;
    int32_t kind;      /**< a wsrt_field_kind */
    uint32_t reserved; /**< 0 */
} wsrt_field;

/**
 * Everything the library asks of the outside world. Pass one in an object's options to inject time,
 * entropy or a log sink; a NULL member keeps the default of that member. The struct is copied; `user`
 * must outlive the objects that use it. Members are called from any thread that uses the object.
 *
 * Defaults: CLOCK_BOOTTIME (CLOCK_MONOTONIC where it is missing), CLOCK_REALTIME,
 * CLOCK_THREAD_CPUTIME_ID, /proc/self/statm, getrandom(2), and a log that says nothing. @since 0.1
 */
typedef struct wsrt_env {
    uint32_t struct_size;            /**< sizeof(wsrt_env) */
    uint32_t flags;                  /**< 0 */
    void *user;                      /**< handed to every member */
    int64_t (*now)(void *user);      /**< monotonic nanoseconds, any origin */
    int64_t (*wall)(void *user);     /**< Unix time in milliseconds */
    int64_t (*cpu)(void *user);      /**< CPU nanoseconds of the calling thread; -1 = unknown */
    int64_t (*resident)(void *user); /**< resident bytes of the process; -1 = unknown */
    /** Fills `dst` with `len` unpredictable bytes; WSRT_OK or WSRT_ERR_IO. */
    int (*random)(void *user, void *dst, size_t len);
    /** Takes one structured line; level is a wsrt_level. Must not block for long. */
    void (*log)(void *user, int level, const char *event_cstr, const wsrt_field *fields,
                size_t count);
} wsrt_env;

/**
 * Fills an environment with the defaults named above.
 *
 * @param out  `struct_size` set by the caller; every other member is overwritten
 * @return WSRT_OK, WSRT_ERR_INVALID for NULL or a wrong size. Any thread. @since 0.1
 */
WSRT_API int wsrt_env_default(wsrt_env *out);

#ifdef __cplusplus
}
#endif
#endif
