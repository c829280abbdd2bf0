/**
 * @file json.h
 * Reading JSON without a tree and writing it without an allocation.
 *
 * The cursor walks any text, valid or not, and never reads a byte outside it. The writer fills a
 * caller's buffer or feeds a sink. Both are plain structs on the caller's stack: no constructor, no
 * free, no thread of their own. Grammar: RFC 8259, nothing more; pointers: RFC 6901.
 */
#ifndef WSRT_JSON_H
#define WSRT_JSON_H

#include <wsrt/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Kind of a JSON value. @since 0.1 */
typedef enum wsrt_json_kind {
    WSRT_JSON_NONE = 0, /**< no value */
    WSRT_JSON_NULL = 1,
    WSRT_JSON_BOOL = 2,
    WSRT_JSON_NUMBER = 3,
    WSRT_JSON_STRING = 4,
    WSRT_JSON_ARRAY = 5,
    WSRT_JSON_OBJECT = 6,
    WSRT_JSON_KIND_MIN_ = -2147483647 - 1,
    WSRT_JSON_KIND_MAX_ = 2147483647
} wsrt_json_kind;

/**
 * One value inside a text. `text` covers the whole value (a string without its quotes, an object
 * with its braces) and borrows from the input. All zero means "no value". @since 0.1
 */
typedef struct wsrt_json {
    wsrt_span text;   /**< bytes of the value; a string's still hold their escapes */
    int32_t kind;     /**< a wsrt_json_kind */
    uint32_t escaped; /**< 1 when a string holds at least one backslash escape */
} wsrt_json;

/** Why a text is not JSON. @since 0.1 */
typedef struct wsrt_json_error {
    size_t offset;         /**< byte at which the text stops being JSON */
    const char *text_cstr; /**< constant, fit to show */
} wsrt_json_error;

/**
 * Checks a whole text against RFC 8259 (strict UTF-8, no lone surrogates, nothing after the value,
 * depth at most 64) and yields its value. Members of one object may share a name. No recursion.
 *
 * @param out   the value, borrowing from `text`; NULL to check only
 * @param text  the bytes; need not be NUL-terminated
 * @param why   place and reason on failure; NULL is fine
 * @return WSRT_OK; WSRT_ERR_MALFORMED, also for an empty text; WSRT_ERR_LIMIT at the 65th level.
 *         Never allocates. Any thread.
 * @since 0.1
 */
WSRT_API int wsrt_json_parse(wsrt_json *out, wsrt_span text, wsrt_json_error *why);

/**
 * Looks up a JSON Pointer inside a value ("" is the value itself, "/data/0/name" a member).
 * Linear in the bytes skipped; of duplicate names the first is found. Works on unchecked text too:
 * what cannot be followed is not found. To search a text that was not parsed, fill a wsrt_json by
 * hand with the text (white space before its first bracket is fine) and the kind it should have.
 * Names compare by code points after decoding; an index has no sign and no leading zero.
 *
 * @param from     where to start
 * @param pointer  UTF-8, with ~0 for ~ and ~1 for / inside a token
 * @param out      the value, borrowing from the text of `from`; may be the same struct
 * @return WSRT_OK; WSRT_ERR_NOT_FOUND; WSRT_ERR_INVALID for NULL or a pointer that is none. Any
 *         thread.
 * @since 0.1
 */
WSRT_API int wsrt_json_find(const wsrt_json *from, wsrt_span pointer, wsrt_json *out);

/** Position inside an object or array; zero-filled = before the first child. @since 0.1 */
typedef struct wsrt_json_iter {
    size_t offset;  /**< private */
    uint64_t count; /**< children yielded so far */
} wsrt_json_iter;

/**
 * Steps through the members of an object or the elements of an array. Of unchecked text, names and
 * the child itself are checked for their shape; what lies deeper is only skipped by its quotes and
 * brackets, so only wsrt_json_parse() says that a text is JSON.
 *
 * @param in    an object or array
 * @param it    zero-filled before the first call
 * @param key   the member's name (a WSRT_JSON_STRING); zeroed for an array; NULL is fine
 * @param child the value
 * @return WSRT_OK; WSRT_ERR_NOT_FOUND at the end; WSRT_ERR_MALFORMED where the text breaks;
 *         WSRT_ERR_INVALID for NULL, or when `in` has no children by kind. `it` moves on WSRT_OK
 *         only, so an end or a break stays one. Any thread. @since 0.1
 */
WSRT_API int wsrt_json_next(const wsrt_json *in, wsrt_json_iter *it, wsrt_json *key,
                            wsrt_json *child);

/**
 * Decodes a string value to UTF-8. Escapes are checked, the bytes between them copied.
 *
 * @param value  a WSRT_JSON_STRING
 * @param dst    receives the bytes, no NUL is added; NULL with cap 0 asks for the length
 * @param cap    bytes at `dst`
 * @param len    the decoded length, also when it did not fit; NULL is fine
 * @return WSRT_OK; WSRT_ERR_LIMIT when `cap` is too small (nothing useful in `dst`);
 *         WSRT_ERR_INVALID when not a string; WSRT_ERR_MALFORMED for a bad escape. Any thread.
 * @since 0.1
 */
WSRT_API int wsrt_json_text(const wsrt_json *value, char *dst, size_t cap, size_t *len);

/**
 * Compares a string value, decoded, with plain text; allocates nothing.
 * @return 1 when equal, else 0 (also when `value` is no string). Any thread. @since 0.1
 */
WSRT_API int wsrt_json_equal(const wsrt_json *value, wsrt_span text);

/**
 * Reads a number that has no fraction (1, 1.0 and 10e-1 are the integer 1).
 * @return WSRT_OK; WSRT_ERR_INVALID for NULL or when not an integral number; WSRT_ERR_LIMIT when out
 *         of range. Exact for any number of digits. Any thread. @since 0.1
 */
WSRT_API int wsrt_json_int64(const wsrt_json *value, int64_t *out);

/** As wsrt_json_int64(), for 0..2^64-1 (and -0). Any thread. @since 0.1 */
WSRT_API int wsrt_json_uint64(const wsrt_json *value, uint64_t *out);

/**
 * Reads a number as the nearest double (ties to even), whatever the locale and the number of
 * digits. What is too small for a double reads as zero, -0 keeps its sign.
 * @return WSRT_OK; WSRT_ERR_INVALID for NULL or when not a number; WSRT_ERR_LIMIT when it overflows.
 *         Any thread. @since 0.1
 */
WSRT_API int wsrt_json_double(const wsrt_json *value, double *out);

/**
 * Whether a number is exactly the double that wsrt_json_double() reads: 0.5 and 1e22 are, 0.1, 1e23,
 * 2^53 + 1 and 1e-400, which reads as zero, are not.
 * @return 1 when it is; 0 when it is rounded, overflows, or is no number. Any thread. @since 0.1
 */
WSRT_API int wsrt_json_is_double(const wsrt_json *value);

/**
 * Reads a boolean.
 * @return WSRT_OK and 0 or 1 in `out`; WSRT_ERR_INVALID for NULL or when not a boolean. Any thread.
 * @since 0.1
 */
WSRT_API int wsrt_json_bool(const wsrt_json *value, int *out);

/* ---- writer ------------------------------------------------------------------------------- */

/** Behaviour of a writer; bits of wsrt_json_writer_init()'s `flags`. @since 0.1 */
typedef enum wsrt_json_writer_flag {
    WSRT_JSON_HTML_SAFE = 1,    /**< also escape < > & U+2028 U+2029 */
    WSRT_JSON_REPLACE_UTF8 = 2, /**< bad UTF-8 becomes U+FFFD instead of an error */
    WSRT_JSON_WRITER_FLAG_MIN_ = -2147483647 - 1,
    WSRT_JSON_WRITER_FLAG_MAX_ = 2147483647
} wsrt_json_writer_flag;

/**
 * Writes one JSON value, with commas and colons set by itself. The first error sticks: later calls
 * do nothing, and finish reports it. A buffer that overflows is no error until then: the size needed
 * is still counted. At most 128 levels. The struct belongs to one thread and is never NULL in the
 * calls below; spans and text are read during the call only; NULL text is empty text. Members are
 * private. @since 0.1
 */
typedef struct wsrt_json_writer {
    char *buf;
    size_t cap;
    size_t len; /**< bytes written, or needed once it overflowed */
    int (*sink)(void *user, const void *data, size_t len);
    void *sink_user;
    uint64_t flushed;
    uint64_t nest[2]; /**< one bit a level: 1 = object */
    uint32_t depth;
    uint32_t flags;
    uint32_t state;
    int32_t status;
} wsrt_json_writer;

/**
 * Starts a writer over a fixed buffer. The buffer stays the caller's. What is wrong with the
 * arguments shows at finish, as WSRT_ERR_INVALID.
 *
 * @param buf    NULL with cap 0 counts the bytes that would be written
 * @param flags  bits of wsrt_json_writer_flag
 * @since 0.1
 */
WSRT_API void wsrt_json_writer_init(wsrt_json_writer *w, void *buf, size_t cap, uint32_t flags);

/**
 * Starts a writer that hands its bytes to `sink` each time `buf` (at least 64 bytes) is full and at
 * finish. A sink's negative status sticks, and it is not called again.
 *
 * @param sink  takes `len` bytes, borrowed during the call; WSRT_OK or a negative status
 * @param user  handed to `sink`
 * @since 0.1
 */
WSRT_API void wsrt_json_writer_sink(wsrt_json_writer *w, void *buf, size_t cap, uint32_t flags,
                                    int (*sink)(void *user, const void *data, size_t len),
                                    void *user);

WSRT_API void wsrt_json_object(wsrt_json_writer *w);     /**< opens an object. @since 0.1 */
WSRT_API void wsrt_json_object_end(wsrt_json_writer *w); /**< closes it. @since 0.1 */
WSRT_API void wsrt_json_array(wsrt_json_writer *w);      /**< opens an array. @since 0.1 */
WSRT_API void wsrt_json_array_end(wsrt_json_writer *w);  /**< closes it. @since 0.1 */
/** Writes a member's name; its value is the next call. @since 0.1 */
WSRT_API void wsrt_json_key(wsrt_json_writer *w, const char *name_cstr);
/** As wsrt_json_key() with any bytes. @since 0.1 */
WSRT_API void wsrt_json_key_span(wsrt_json_writer *w, wsrt_span name);
WSRT_API void wsrt_json_string(wsrt_json_writer *w, wsrt_span text);             /**< @since 0.1 */
WSRT_API void wsrt_json_string_cstr(wsrt_json_writer *w, const char *text_cstr); /**< @since 0.1 */
/** Writes JSON text as it is; the caller answers for its validity. Empty is an error. @since 0.1 */
WSRT_API void wsrt_json_raw(wsrt_json_writer *w, wsrt_span json);
WSRT_API void wsrt_json_write_int64(wsrt_json_writer *w, int64_t v);   /**< @since 0.1 */
WSRT_API void wsrt_json_write_uint64(wsrt_json_writer *w, uint64_t v); /**< @since 0.1 */
/**
 * Writes the shortest digits that read back the same, of those the nearest, as ECMAScript prints
 * them but for the plus sign of an exponent; -0 keeps its sign. NaN and infinity are errors.
 * @since 0.1
 */
WSRT_API void wsrt_json_write_double(wsrt_json_writer *w, double v);
WSRT_API void wsrt_json_write_bool(wsrt_json_writer *w, int v); /**< @since 0.1 */
WSRT_API void wsrt_json_write_null(wsrt_json_writer *w);        /**< @since 0.1 */

/**
 * Ends the value. In a fixed buffer a NUL is added when there is room, never counted.
 *
 * @param len  bytes of the text (all that went to the sink); after WSRT_ERR_LIMIT the size needed;
 *             NULL is fine
 * @return WSRT_OK; WSRT_ERR_LIMIT when the buffer is too small (nothing useful in it);
 *         WSRT_ERR_INVALID for bad nesting, a missing name, NaN; WSRT_ERR_MALFORMED for bad UTF-8; or
 *         the sink's status.
 * @since 0.1
 */
WSRT_API int wsrt_json_finish(wsrt_json_writer *w, size_t *len);

#ifdef __cplusplus
}
#endif
#endif
