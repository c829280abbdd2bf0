/**
 * @file auth.h
 * Who is asking: the principal, and the interface that turns a token into one. libwsrt-jwt
 * implements it for JSON Web Tokens; the static table here serves development and tests.
 */
#ifndef WSRT_AUTH_H
#define WSRT_AUTH_H

#include <wsrt/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/** An authenticated caller. Text is borrowed; whoever fills it says from where. @since 0.1 */
typedef struct wsrt_principal {
    uint32_t struct_size; /**< sizeof(wsrt_principal) */
    uint32_t flags;       /**< 0 */
    wsrt_span user_id;    /**< empty = nobody */
    wsrt_span username;
    wsrt_span email;
    wsrt_span groups;   /**< separated by single spaces */
    wsrt_span scopes;   /**< separated by single spaces */
    int64_t expires_at; /**< Unix seconds; 0 = never */
} wsrt_principal;

/**
 * Whether a space-separated list holds a word, as the scopes of RFC 6749 section 3.3.
 *
 * @param list  words between spaces, compared byte by byte; not for secrets
 * @param word  one word: an empty one, or one with a space in it, is never held
 * @return 1 or 0. Never fails. Any thread. @since 0.1
 */
WSRT_API int wsrt_list_contains(wsrt_span list, wsrt_span word);

/** Why a token was refused; the codes that reach the client. @since 0.1 */
typedef enum wsrt_auth_reason {
    WSRT_AUTH_OK = 0,
    WSRT_AUTH_MISSING_TOKEN = 1,
    WSRT_AUTH_INVALID_TOKEN = 2,
    WSRT_AUTH_TOKEN_EXPIRED = 3,
    WSRT_AUTH_REASON_MIN_ = -2147483647 - 1,
    WSRT_AUTH_REASON_MAX_ = 2147483647
} wsrt_auth_reason;

/** How much a result holds. @since 0.1 */
typedef enum wsrt_auth_limit {
    WSRT_AUTH_TEXT_MAX = 1024, /**< bytes of all texts of a principal together */
    WSRT_AUTH_LIMIT_MIN_ = -2147483647 - 1,
    WSRT_AUTH_LIMIT_MAX_ = 2147483647
} wsrt_auth_limit;

/** Result of one authentication. Holds copies: nothing borrows from the token. Zeroes and
 *  `struct_size` make an empty one; a copy of it still points into the first. @since 0.1 */
typedef struct wsrt_auth_result {
    uint32_t struct_size;            /**< sizeof(wsrt_auth_result), set by the caller */
    int32_t reason;                  /**< a wsrt_auth_reason */
    int64_t expires_at;              /**< of an expired token too, Unix seconds; 0 = none */
    const wsrt_principal *principal; /**< who asks, in `room` with its text; NULL = nobody */
    uint64_t room[160];              /**< for wsrt_auth_result_set() alone */
} wsrt_auth_result;

/** An authenticator's functions; called from any thread. @since 0.1 */
typedef struct wsrt_authenticator_ops {
    uint32_t struct_size; /**< sizeof(wsrt_authenticator_ops) */
    uint32_t flags;       /**< 0 */
    /**
     * Judges a token. `wall` is Unix ms.
     * WSRT_OK: `out->principal` is who asks. WSRT_ERR_UNAUTHENTICATED: `out->reason` says why, and
     * `out->principal` is NULL. `token` NULL or empty: WSRT_AUTH_MISSING_TOKEN.
     * WSRT_ERR_UNAVAILABLE, _TIMEOUT, _CIRCUIT_OPEN, _NOMEM: could not be judged, so nobody is let
     * in. Fails closed: anything but WSRT_OK admits nobody. Mandatory.
     */
    int (*authenticate)(void *self, const wsrt_span *token, int64_t wall, wsrt_auth_result *out);
} wsrt_authenticator_ops;

/** An authenticator: table and object. Copied freely; `self` must outlive its users. @since 0.1 */
typedef struct wsrt_authenticator {
    const wsrt_authenticator_ops *ops;
    void *self;
} wsrt_authenticator;

/**
 * Fills a result with a principal: copies of its text, its `expires_at`, and WSRT_AUTH_OK as the
 * reason; for implementers.
 *
 * @param out  `struct_size` set by the caller; unchanged on failure
 * @param who  borrowed during the call; its text lies outside `out`
 * @return WSRT_OK; WSRT_ERR_LIMIT for more text than WSRT_AUTH_TEXT_MAX; WSRT_ERR_INVALID (NULL, a
 *         wrong size); WSRT_ERR_UNSUPPORTED. Any thread, each with an `out` of its own. @since 0.1
 */
WSRT_API int wsrt_auth_result_set(wsrt_auth_result *out, const wsrt_principal *who);

/** One development token. Text is borrowed from the caller. @since 0.1 */
typedef struct wsrt_static_token {
    wsrt_span token;                 /**< compared in constant time */
    const wsrt_principal *principal; /**< who bears it; `expires_at` is honoured */
} wsrt_static_token;

/** A fixed table of tokens, for development and tests: no real secret belongs here. @since 0.1 */
typedef struct wsrt_static_auth wsrt_static_auth;

/**
 * Makes an authenticator over a table. It looks at every row whatever the token is, so that the
 * time it takes tells nothing but lengths.
 *
 * @param out        the object; NULL on failure; give it back with wsrt_static_auth_free()
 * @param tokens     copied with their principals and text
 * @param count      1..1024
 * @param allocator  NULL = libc
 * @return WSRT_OK; WSRT_ERR_INVALID (no token, no principal, an empty token or user id, a token
 *         twice, more text than WSRT_AUTH_TEXT_MAX); WSRT_ERR_UNSUPPORTED; WSRT_ERR_NOMEM. The object
 *         is immutable: any thread. @since 0.1
 */
WSRT_API int wsrt_static_auth_new(wsrt_static_auth **out, const wsrt_static_token *tokens,
                                  size_t count, const wsrt_allocator *allocator);

/** Its authenticator interface, valid as long as the object; NULL arguments do nothing. Any thread.
 *  Where `wall` is below 1 nobody knows the time, and a token that ends is WSRT_ERR_UNAVAILABLE.
 *  @since 0.1 */
WSRT_API void wsrt_static_auth_interface(wsrt_static_auth *a, wsrt_authenticator *out);

/** Frees it; NULL is fine. No other thread may be using it. @since 0.1 */
WSRT_API void wsrt_static_auth_free(wsrt_static_auth *a);

#ifdef __cplusplus
}
#endif
#endif
