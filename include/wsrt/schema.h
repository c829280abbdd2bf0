/**
 * @file schema.h
 * Message validation: a JSON Schema compiled once into an immutable object, and a validator that
 * judges bytes against it in one pass, without a tree and without an allocation.
 *
 *     wsrt_schema *s;
 *     wsrt_schema_builtin(&s, "message", NULL);
 *     wsrt_slot slots[8]; wsrt_issue issues[16]; unsigned char scratch[4096];
 *     wsrt_validation v = {.struct_size = sizeof v, .slots = slots, .slot_cap = 8,
 *                          .issues = issues, .issue_cap = 16,
 *                          .scratch = scratch, .scratch_cap = sizeof scratch};
 *     int rc = wsrt_validate(s, bytes, len, NULL, &v);
 *
 * Dialects: JSON Schema 2020-12 and, by `$schema`, draft-07. What the compiler cannot honour
 * exactly is an error with its place, never a silent pass. docs/validation.md lists every keyword.
 */
#ifndef WSRT_SCHEMA_H
#define WSRT_SCHEMA_H

#include <wsrt/base.h>
#include <wsrt/json.h>

#ifdef __cplusplus
extern "C" {
#endif

/** A compiled schema: immutable, shared by any number of threads. @since 0.1 */
typedef struct wsrt_schema wsrt_schema;

/** Why a schema does not compile, or what is doubtful about it. @since 0.1 */
typedef enum wsrt_schema_code {
    WSRT_SCHEMA_JSON = 1,                 /**< not JSON */
    WSRT_SCHEMA_DUPLICATE_KEY = 2,        /**< a keyword or member twice */
    WSRT_SCHEMA_TYPE = 3,                 /**< a keyword's value has the wrong type */
    WSRT_SCHEMA_VALUE = 4,                /**< right type, impossible value */
    WSRT_SCHEMA_DIALECT = 5,              /**< `$schema` names no dialect known here */
    WSRT_SCHEMA_KEYWORD_UNSUPPORTED = 6,  /**< a known keyword that is refused */
    WSRT_SCHEMA_KEYWORD_UNKNOWN = 7,      /**< not a keyword, and the schema is strict */
    WSRT_SCHEMA_REF_UNRESOLVED = 8,       /**< `$ref` leads nowhere */
    WSRT_SCHEMA_REF_CYCLE = 9,            /**< references that consume no input */
    WSRT_SCHEMA_PATTERN_SYNTAX = 10,      /**< not a regular expression */
    WSRT_SCHEMA_PATTERN_UNSUPPORTED = 11, /**< not in the linear-time subset */
    WSRT_SCHEMA_FORMAT_UNKNOWN = 12,      /**< asserted format without a check */
    WSRT_SCHEMA_LIMIT = 13,               /**< larger than the compiler's limits */
    WSRT_SCHEMA_CODE_MIN_ = -2147483647 - 1,
    WSRT_SCHEMA_CODE_MAX_ = 2147483647
} wsrt_schema_code;

/** Place and reason of a schema that does not compile, or of a warning. @since 0.1 */
typedef struct wsrt_schema_error {
    int32_t code;          /**< a wsrt_schema_code */
    uint32_t pointer_len;  /**< bytes of `pointer` */
    size_t offset;         /**< byte in the schema text; inside a pattern: in the decoded pattern */
    const char *text_cstr; /**< constant, fit to show */
    char pointer[256];     /**< JSON Pointer into the schema, NUL-terminated, cut at a token */
} wsrt_schema_error;

/** Name of a code as "schema_pattern_syntax"; constant; "schema_unknown" otherwise. @since 0.1 */
WSRT_API const char *wsrt_schema_code_name(int code);

/** Bits of wsrt_schema_options.flags. @since 0.1 */
typedef enum wsrt_schema_flag {
    WSRT_SCHEMA_STRICT = 1,         /**< unknown keywords are errors (x-* excepted) */
    WSRT_SCHEMA_LENIENT = 2,        /**< unknown keywords are ignored, even without `$schema` */
    WSRT_SCHEMA_ASSERT_FORMAT = 4,  /**< `format` asserts */
    WSRT_SCHEMA_DRAFT_07 = 8,       /**< the dialect where the text names none */
    WSRT_SCHEMA_DRAFT_2020_12 = 16, /**< the same, 2020-12; makes unknown keywords legal */
    WSRT_SCHEMA_FLAG_MIN_ = -2147483647 - 1,
    WSRT_SCHEMA_FLAG_MAX_ = 2147483647
} wsrt_schema_flag;

/** A document that `$ref` may reach; nothing is ever fetched. @since 0.1 */
typedef struct wsrt_schema_resource {
    wsrt_span uri;  /**< absolute, without fragment */
    wsrt_span text; /**< JSON text, at most 1 MiB; read only when a reference leads to it */
} wsrt_schema_resource;

/** Options of compilation; zero = default. @since 0.1 */
typedef struct wsrt_schema_options {
    uint32_t struct_size;     /**< sizeof(wsrt_schema_options) */
    uint32_t flags;           /**< bits of wsrt_schema_flag */
    wsrt_allocator allocator; /**< zero = libc */
    /**
     * Builtin schemas only: JSON text `{"auth":["login"],"message":[…],"ping":[…]}`. An action not
     * listed for its type is invalid_value at /data/action; a type not named takes any. Empty = any.
     */
    wsrt_span actions;
    const wsrt_schema_resource *resources; /**< needed during the call only */
    size_t resource_count;
    /**
     * Receives what compiles and yet is doubtful, in the order in which it is found: a keyword that
     * is unknown and ignored, a keyword that draft-07 ignores beside `$ref`, rules that no value can
     * fulfil together (minLength above maxLength, an empty enum). NULL = not wanted.
     */
    wsrt_schema_error *warnings;
    size_t warning_cap;    /**< elements of `warnings` */
    size_t *warning_count; /**< how many there are, perhaps more than fit; NULL is fine */
} wsrt_schema_options;

/**
 * Compiles JSON Schema text.
 *
 * @param out   the schema; NULL on failure. Give it back with wsrt_schema_free()
 * @param json  the text, needed during the call only; @param len its bytes, at most 1 MiB
 * @param opts  NULL = defaults
 * @param why   place and reason of WSRT_ERR_REJECTED, _MALFORMED and _LIMIT; NULL is fine
 * @return WSRT_OK; WSRT_ERR_MALFORMED (not JSON); WSRT_ERR_REJECTED (a rule of `why`);
 *         WSRT_ERR_LIMIT; WSRT_ERR_NOMEM (nothing is left behind); WSRT_ERR_INVALID,
 *         WSRT_ERR_UNSUPPORTED (options). Any thread. @since 0.1
 */
WSRT_API int wsrt_schema_new(wsrt_schema **out, const void *json, size_t len,
                             const wsrt_schema_options *opts, wsrt_schema_error *why);

/**
 * Compiles one of the schemas that ship inside the library: "message" (the union of auth, chat and
 * ping on /type), "message-auth", "message-chat", "message-ping", "message-basic" (without the
 * cross-field rules), "message-dashboard" (the union plus subscribe and unsubscribe),
 * "message-action" (routed on /action: auth, chat_message, ping). Their slots: type, action,
 * message, sessionId, token, correlationId (filled when it is a string, never judged); of
 * "message-dashboard" also filter and snapshot.
 *
 * @return as wsrt_schema_new(), and WSRT_ERR_NOT_FOUND for an unknown name. @since 0.1
 */
WSRT_API int wsrt_schema_builtin(wsrt_schema **out, const char *name_cstr,
                                 const wsrt_schema_options *opts);

/**
 * Text of a schema that ships inside the library.
 * @return WSRT_OK and a span owned by the library, or WSRT_ERR_NOT_FOUND. Any thread. @since 0.1
 */
WSRT_API int wsrt_schema_builtin_text(const char *name_cstr, wsrt_span *out);

/* ---- building ----------------------------------------------------------------------------- */

/**
 * A schema in the making, for programs that would rather call than write JSON:
 *
 *     wsrt_builder_open(b, "object");
 *     wsrt_builder_required(b, "name", "A name, please");
 *     wsrt_builder_at(b, "properties", "name");
 *     wsrt_builder_open(b, "string");
 *     wsrt_builder_rule(b, "minLength", "1", "The name is empty");
 *     wsrt_builder_text(b, "x-wsrt-extract", "name", NULL);
 *     wsrt_builder_close(b);
 *     wsrt_builder_close(b);
 *     int rc = wsrt_builder_finish(&s, b, NULL, &why);
 *
 * Keywords are those of JSON Schema, and mean the same. Calls copy what they are given. They return
 * nothing: the first failure sticks, and finish tells it. A NULL builder is ignored. One thread at a
 * time. @since 0.1
 */
typedef struct wsrt_builder wsrt_builder;

/**
 * Makes a builder. @param out NULL on failure; @param allocator NULL = libc
 * @return WSRT_OK, WSRT_ERR_NOMEM, WSRT_ERR_INVALID. @since 0.1
 */
WSRT_API int wsrt_builder_new(wsrt_builder **out, const wsrt_allocator *allocator);

/** Frees a builder, not the schemas made with it; NULL is fine. @since 0.1 */
WSRT_API void wsrt_builder_free(wsrt_builder *b);

/**
 * Opens the schema itself or, after wsrt_builder_at(), one inside the open schema.
 * @param type_cstr  "object", "array", "string", "integer", "number", "boolean" or "null"; NULL = any.
 * @since 0.1
 */
WSRT_API void wsrt_builder_open(wsrt_builder *b, const char *type_cstr);

/** Closes the open schema. @since 0.1 */
WSRT_API void wsrt_builder_close(wsrt_builder *b);

/**
 * Says where in the open schema the next one goes.
 * @param keyword_cstr  a keyword that holds schemas: "properties", "items", "oneOf", "$defs", "if" …
 * @param name_cstr     the name below "properties", "patternProperties", "$defs", "dependentSchemas";
 *                      NULL elsewhere. Each call with "oneOf" and its like adds one to the list.
 * @since 0.1
 */
WSRT_API void wsrt_builder_at(wsrt_builder *b, const char *keyword_cstr, const char *name_cstr);

/**
 * Adds a rule to the open schema.
 * @param json_cstr     its value as JSON: "10", "[\"a\",\"b\"]", "true"
 * @param message_cstr  text of its issues; NULL = the default. @since 0.1
 */
WSRT_API void wsrt_builder_rule(wsrt_builder *b, const char *keyword_cstr, const char *json_cstr,
                                const char *message_cstr);

/** As wsrt_builder_rule() with a string that needs no quotes: pattern, format, $ref. @since 0.1 */
WSRT_API void wsrt_builder_text(wsrt_builder *b, const char *keyword_cstr, const char *text_cstr,
                                const char *message_cstr);

/** Demands a member of the open schema; `message_cstr` NULL = the default text. @since 0.1 */
WSRT_API void wsrt_builder_required(wsrt_builder *b, const char *name_cstr,
                                    const char *message_cstr);

/** Text of all issues of the open schema that have none of their own. @since 0.1 */
WSRT_API void wsrt_builder_message(wsrt_builder *b, const char *message_cstr);

/**
 * Compiles what was built. The builder stays the caller's, and may go on or be finished again.
 *
 * @param out   the schema; NULL on failure
 * @param opts  as of wsrt_schema_new(), but for `warnings`, which are not used; NULL = defaults
 * @param why   place and reason; NULL is fine
 * @return as wsrt_schema_new(); rules that contradict each other are WSRT_ERR_REJECTED here;
 *         WSRT_ERR_STATE for calls that do not fit together; the first failure of a call. @since 0.1
 */
WSRT_API int wsrt_builder_finish(wsrt_schema **out, wsrt_builder *b,
                                 const wsrt_schema_options *opts, wsrt_schema_error *why);

/* ---- keeping ------------------------------------------------------------------------------ */

/**
 * Writes a compiled schema as bytes, for wsrt_schema_load() of the same release on a machine of the
 * same byte order. They hold the whole schema and nothing else: no pointer, no allocator.
 *
 * @param dst  receives the bytes, any alignment; NULL with `cap` 0 only asks for their number
 * @param len  set to the bytes needed, also when they do not fit
 * @return WSRT_OK; WSRT_ERR_LIMIT when `cap` is too small (`dst` is untouched); WSRT_ERR_INVALID.
 *         Any thread. @since 0.1
 */
WSRT_API int wsrt_schema_save(const wsrt_schema *s, void *dst, size_t cap, size_t *len);

/**
 * Makes a schema of bytes that wsrt_schema_save() wrote. Every length and every index in them is
 * checked first, so that damaged or hostile bytes are refused and never followed.
 *
 * @param out        the schema; NULL on failure. Give it back with wsrt_schema_free()
 * @param blob       the bytes, any alignment, needed during the call only; @param len their number
 * @param allocator  NULL = libc
 * @return WSRT_OK; WSRT_ERR_VERSION (another release or byte order); WSRT_ERR_CORRUPT (cut,
 *         changed, or not such bytes at all); WSRT_ERR_NOMEM; WSRT_ERR_INVALID. Any thread.
 * @since 0.1
 */
WSRT_API int wsrt_schema_load(wsrt_schema **out, const void *blob, size_t len,
                              const wsrt_allocator *allocator);

/** Frees a schema; NULL is fine. No thread may be validating with it. @since 0.1 */
WSRT_API void wsrt_schema_free(wsrt_schema *s);

/**
 * Index of a slot by the name given in the schema (`"x-wsrt-extract": "name"`).
 * @return an index into wsrt_validation.slots (>= 0), or WSRT_ERR_NOT_FOUND. Any thread. @since 0.1
 */
WSRT_API int wsrt_schema_slot(const wsrt_schema *s, const char *name_cstr);

/** How many slots a valid message fills at most. Any thread. @since 0.1 */
WSRT_API int wsrt_schema_slot_count(const wsrt_schema *s);

/* ---- validating --------------------------------------------------------------------------- */

/** Bits of wsrt_validate_options.flags. @since 0.1 */
typedef enum wsrt_validate_flag {
    WSRT_VALIDATE_COLLECT_ALL = 1,               /**< all issues, not only the first */
    WSRT_VALIDATE_REJECT_UNKNOWN_DUPLICATES = 2, /**< names the schema does not know, too */
    WSRT_VALIDATE_ALLOW_LONE_SURROGATE = 4,      /**< \ud800 alone counts as one code point */
    WSRT_VALIDATE_SHOW_NAMES = 8,                /**< unknown member names appear in pointers */
    WSRT_VALIDATE_INPUT_PADDED = 16, /**< 32 bytes behind the end of the input are readable */
    WSRT_VALIDATE_FLAG_MIN_ = -2147483647 - 1,
    WSRT_VALIDATE_FLAG_MAX_ = 2147483647
} wsrt_validate_flag;

/** Limits of one validation; zero = default. @since 0.1 */
typedef struct wsrt_validate_options {
    uint32_t struct_size;    /**< sizeof(wsrt_validate_options) */
    uint32_t flags;          /**< bits of wsrt_validate_flag */
    uint64_t max_bytes;      /**< 0 = 131072 */
    uint64_t work_limit;     /**< node and byte steps; 0 = 128 x length + 65536 */
    uint32_t max_depth;      /**< 0 = 64; at most 4096 */
    uint32_t max_number_len; /**< digits and signs of one number; 0 = 1024 */
    uint64_t hash_key;       /**< secret of the process, against chosen collisions; 0 is allowed */
} wsrt_validate_options;

/** State of a slot; bits of wsrt_slot.flags. @since 0.1 */
typedef enum wsrt_slot_flag {
    WSRT_SLOT_PRESENT = 1, /**< the member was there */
    WSRT_SLOT_ESCAPED = 2, /**< a string with at least one backslash escape */
    WSRT_SLOT_FLAG_MIN_ = -2147483647 - 1,
    WSRT_SLOT_FLAG_MAX_ = 2147483647
} wsrt_slot_flag;

/**
 * A field extracted by validation, borrowing from the message. A string's text excludes its quotes
 * and still holds its escapes. Absent = all zero. @since 0.1
 */
typedef struct wsrt_slot {
    wsrt_span text;
    int32_t kind;   /**< a wsrt_json_kind */
    uint32_t flags; /**< bits of wsrt_slot_flag */
} wsrt_slot;

/** Views a slot as a JSON value for the readers of json.h. Never fails. Any thread. @since 0.1 */
WSRT_API void wsrt_slot_json(const wsrt_slot *slot, wsrt_json *out);

/** What is wrong with a message; stable numbers and names. @since 0.1 */
typedef enum wsrt_issue_code {
    WSRT_ISSUE_INVALID_TYPE = 1,
    WSRT_ISSUE_INVALID_VALUE = 2,
    WSRT_ISSUE_TOO_SMALL = 3,
    WSRT_ISSUE_TOO_BIG = 4,
    WSRT_ISSUE_INVALID_FORMAT = 5,
    WSRT_ISSUE_NOT_MULTIPLE_OF = 6,
    WSRT_ISSUE_NOT_UNIQUE = 7,
    WSRT_ISSUE_REQUIRED = 8,
    WSRT_ISSUE_UNRECOGNIZED_KEY = 9,
    WSRT_ISSUE_DUPLICATE_KEY = 10,
    WSRT_ISSUE_INVALID_UNION = 11,
    WSRT_ISSUE_FORBIDDEN = 12,
    WSRT_ISSUE_CUSTOM = 13,
    WSRT_ISSUE_JSON_SYNTAX = 14,
    WSRT_ISSUE_JSON_UTF8 = 15,
    WSRT_ISSUE_JSON_TRAILING = 16,
    WSRT_ISSUE_JSON_DEPTH = 17,
    WSRT_ISSUE_JSON_SIZE = 18,
    WSRT_ISSUE_LIMIT = 19,
    WSRT_ISSUE_CODE_MIN_ = -2147483647 - 1,
    WSRT_ISSUE_CODE_MAX_ = 2147483647
} wsrt_issue_code;

/** Name of an issue code as "too_small"; constant; "unknown" otherwise. Any thread. @since 0.1 */
WSRT_API const char *wsrt_issue_code_name(int code);

/**
 * One finding. Holds no byte of the input. Text is constant or belongs to the schema. Pointers are
 * written on demand by wsrt_issue_pointer(). @since 0.1
 */
typedef struct wsrt_issue {
    int32_t code;             /**< a wsrt_issue_code */
    int32_t got;              /**< a wsrt_json_kind; WSRT_JSON_NONE when a member is missing */
    uint32_t expected_types;  /**< invalid_type: bit 1 << wsrt_json_kind; bit 7 = integer only */
    uint32_t flags;           /**< 0 */
    size_t offset;            /**< first byte of the offending value in the message */
    size_t length;            /**< its bytes */
    size_t other_offset;      /**< duplicate_key: the first of the two names */
    const char *keyword_cstr; /**< the keyword that failed, "" for the text itself */
    const char *text_cstr;    /**< fit to show; the schema's errorMessage or a default */
    wsrt_span limit;  /**< the bound that failed, decimal text from the schema; may be empty */
    wsrt_span member; /**< required: the missing member's name, from the schema */
    uint32_t node;    /**< private: place in the schema */
    uint32_t aux;     /**< private */
} wsrt_issue;

/**
 * The caller's work area and the answer. Arrays are the caller's; NULL with capacity 0 is legal for
 * slots and issues. The input must outlive the slots. Use one from one thread at a time. @since 0.1
 */
typedef struct wsrt_validation {
    uint32_t struct_size; /**< sizeof(wsrt_validation) */
    uint32_t flags;       /**< 0 */
    wsrt_slot *slots;     /**< filled after WSRT_OK, zeroed otherwise */
    size_t slot_cap;      /**< fewer than wsrt_schema_slot_count() drops the rest */
    wsrt_issue *issues;   /**< filled after WSRT_ERR_MALFORMED, _REJECTED and _LIMIT */
    size_t issue_cap;
    void *scratch; /**< at least wsrt_schema_scratch() bytes, any alignment */
    size_t scratch_cap;
    size_t issue_count; /**< out: issues written */
    size_t issue_total; /**< out: issues found; larger than issue_count = truncated */
} wsrt_validation;

/**
 * Scratch bytes that wsrt_validate() needs; less than 4096 for the shipped schemas with defaults.
 * @param opts  NULL = defaults; max_depth matters. Any thread. @since 0.1
 */
WSRT_API size_t wsrt_schema_scratch(const wsrt_schema *s, const wsrt_validate_options *opts);

/**
 * Judges a message. Never allocates, never reads outside [msg, msg + len), ignores the locale, is
 * reentrant; linear in len times the active nodes of the schema.
 *
 * @param s     any thread may share it
 * @param msg   the bytes; @param len their number
 * @param opts  NULL = defaults
 * @param v     work area and answer
 * @return WSRT_OK (valid); WSRT_ERR_MALFORMED (not JSON); WSRT_ERR_REJECTED (JSON, but invalid);
 *         WSRT_ERR_LIMIT (size, depth, work, number length; an issue says which);
 *         WSRT_ERR_INVALID (usage: NULL, scratch too small, unknown flag). @since 0.1
 */
WSRT_API int wsrt_validate(const wsrt_schema *s, const void *msg, size_t len,
                           const wsrt_validate_options *opts, wsrt_validation *v);

/**
 * Writes the JSON Pointer of an issue, found again in the message it came from.
 *
 * @param issue  from the last wsrt_validate() of this schema and message
 * @param flags  0 or WSRT_VALIDATE_SHOW_NAMES; without it a name unknown to the schema is `*`
 * @param dst    receives the pointer, NUL-terminated; cut at a token boundary when too small
 * @param cap    bytes at `dst`, at least 1
 * @param len    bytes written without the NUL; NULL is fine
 * @return WSRT_OK; WSRT_ERR_LIMIT when it was cut; WSRT_ERR_INVALID. Any thread. @since 0.1
 */
WSRT_API int wsrt_issue_pointer(const wsrt_schema *s, const void *msg, size_t msg_len,
                                const wsrt_issue *issue, uint32_t flags, char *dst, size_t cap,
                                size_t *len);

/**
 * Writes the schema pointer of an issue ("/properties/type/enum"); as wsrt_issue_pointer(). Any thread.
 * @since 0.1
 */
WSRT_API int wsrt_issue_schema_pointer(const wsrt_schema *s, const wsrt_issue *issue, char *dst,
                                       size_t cap, size_t *len);

/**
 * Writes the issues of a validation as the array of the error envelope:
 * `[{"path","code","message","limits":{"min"|"max":n}}]`.
 *
 * @param w  a writer in value position. Errors stick in it. @since 0.1
 */
WSRT_API void wsrt_issues_write(wsrt_json_writer *w, const wsrt_schema *s, const void *msg,
                                size_t msg_len, const wsrt_validation *v);

#ifdef __cplusplus
}
#endif
#endif
