/**
 * @file jwt.h
 * libwsrt-jwt: an authenticator (auth.h) for signed JSON Web Tokens: RFC 7519, RFC 7515 in its
 * compact form, keys as RFC 7517, algorithms as RFC 7518, with the advice of RFC 8725.
 *
 *     wsrt_jwt_options o = {.struct_size = sizeof o, .issuer = issuer, .audiences = &audience,
 *                           .audience_count = 1, .keys_file = wsrt_span_cstr("jwks.json")};
 *     wsrt_jwt *jwt;
 *     wsrt_authenticator a;
 *     if (wsrt_jwt_new(&jwt, &o) == WSRT_OK)
 *         wsrt_jwt_interface(jwt, &a);
 *
 * A key is bound to one algorithm, and a token must name exactly that one. It never chooses a key
 * by what it brings along: headers that name or hold keys, `crit`, `b64` and `zip` are refused, and
 * so is every algorithm that is not listed below, `none` first of all. Whatever goes wrong, nobody is
 * let in. A client learns only that its token is missing, invalid or expired; the reason goes to the
 * log. Tokens and keys are never logged, and are wiped from memory after use.
 */
#ifndef WSRT_JWT_H
#define WSRT_JWT_H

#include <wsrt/auth.h>
#include <wsrt/base.h>
#include <wsrt/breaker.h>

#ifdef __cplusplus
extern "C" {
#endif

/** A verifier: rules, keys, and the tokens verified lately; thread-safe. @since 0.1 */
typedef struct wsrt_jwt wsrt_jwt;

/** Signature algorithms (RFC 7518 section 3.1); bits of wsrt_jwt_options.algorithms. @since 0.1 */
typedef enum wsrt_jwt_algorithm {
    WSRT_JWT_RS256 = 1, /**< also for an RSA key that names no `alg` */
    WSRT_JWT_RS384 = 2,
    WSRT_JWT_RS512 = 4,
    WSRT_JWT_PS256 = 8,
    WSRT_JWT_ES256 = 16,  /**< keys on P-256 */
    WSRT_JWT_ES384 = 32,  /**< keys on P-384 */
    WSRT_JWT_ES512 = 64,  /**< keys on P-521 */
    WSRT_JWT_HS256 = 128, /**< a shared secret of at least 32 bytes; never on by default */
    WSRT_JWT_ALGORITHM_MIN_ = -2147483647 - 1,
    WSRT_JWT_ALGORITHM_MAX_ = 2147483647
} wsrt_jwt_algorithm;

/** One fetch of a key set. @since 0.1 */
typedef struct wsrt_jwks_fetch {
    uint32_t struct_size; /**< sizeof(wsrt_jwks_fetch) */
    uint32_t flags;       /**< 0 */
    wsrt_span url;        /**< as in the options */
    char *dst;            /**< where the body goes */
    size_t cap;           /**< bytes at `dst`; a longer body is WSRT_ERR_TOO_LARGE */
    size_t len;           /**< set by the fetcher: bytes of the body */
    int64_t timeout_ms;   /**< the whole fetch may take so long */
    int64_t max_age_s;    /**< set by the fetcher: from Cache-Control; stays 0 when unknown */
} wsrt_jwks_fetch;

/** A fetcher's functions; called from any thread that authenticates, one at a time. @since 0.1 */
typedef struct wsrt_jwks_fetcher_ops {
    uint32_t struct_size; /**< sizeof(wsrt_jwks_fetcher_ops) */
    uint32_t flags;       /**< 0 */
    /**
     * Gets the URL, follows no redirect to another host, and blocks at most `timeout_ms`. WSRT_OK:
     * status 200, the body is in `dst`. Otherwise a negative status, which is a failure of the key
     * server. Called without a lock held. Mandatory.
     */
    int (*fetch)(void *self, wsrt_jwks_fetch *f);
} wsrt_jwks_fetcher_ops;

/** A fetcher: table and object. Copied; `self` must outlive its users. @since 0.1 */
typedef struct wsrt_jwks_fetcher {
    const wsrt_jwks_fetcher_ops *ops;
    void *self;
} wsrt_jwks_fetcher;

/**
 * Rules of a verifier; zero = default. Text is copied. Keys come from exactly one of `keys`,
 * `keys_file` and `keys_url`. @since 0.1
 */
typedef struct wsrt_jwt_options {
    uint32_t struct_size;       /**< sizeof(wsrt_jwt_options) */
    uint32_t flags;             /**< 0 */
    wsrt_allocator allocator;   /**< zero = libc; mbedTLS has its own */
    const wsrt_env *env;        /**< `now` and `log`; copied; NULL = defaults */
    wsrt_span issuer;           /**< `iss`, byte for byte; empty = any, which trusts every issuer
                                     whose keys are in the set */
    const wsrt_span *audiences; /**< one of them must be in `aud`; at most 16 */
    size_t audience_count;      /**< 0 = any */
    wsrt_span token_use; /**< Amazon Cognito: "access" or "id"; then `token_use` must equal it,
                                     and an access token's audience is its `client_id` */
    wsrt_span keys;      /**< a JWKS */
    wsrt_span keys_file; /**< path of one; read again for an unknown `kid`, at most once a second */
    wsrt_span keys_url;  /**< address of one, https, or http to this machine; needs `fetcher` */
    const wsrt_jwks_fetcher *fetcher; /**< copied */
    wsrt_breakers *breakers; /**< borrowed: fetches are guarded by its `cognito`/`verifyJWT`; NULL =
                                  unguarded */
    uint32_t algorithms;     /**< bits of wsrt_jwt_algorithm; 0 = all but HS256 */
    int32_t leeway_s;        /**< clocks may differ so much; 0..60 */
    int64_t fresh_s;         /**< fetched keys are fetched again after so long; default max-age,
                                  60 to 86400, else 3600 */
    int64_t stale_s;         /**< while fetching fails, keys serve so long; default 86400 */
    int64_t
        cache_entries; /**< verified tokens remembered; default 1024; at most 65536; -1 = none */
    /** For a host that may not wait: with it authenticate() never fetches. It is called, at most once
     *  in ten seconds and on the thread that authenticates, when wsrt_jwt_refresh() ought to be, which
     *  the host does on a thread that may wait. Only with `keys_url`; NULL = none */
    void (*wanted)(void *user);
    void *wanted_user;
} wsrt_jwt_options;

/**
 * Makes a verifier. Keys in memory or in a file are read now, those behind a URL at the first token.
 *
 * A key set holds at most 64 KiB and 64 keys. Keys that are not for signatures, or of an algorithm
 * that is unknown or not allowed, are passed over, and so are those too weak: RSA below 2048 bits, a
 * secret below 32 bytes. A private key in the set, two keys of one `kid`, or no usable key refuse it.
 *
 * @param out   NULL on failure; give it back with wsrt_jwt_free()
 * @param opts  borrowed during the call
 * @return WSRT_OK; WSRT_ERR_INVALID (NULL, no source of keys or several, a number out of range);
 *         WSRT_ERR_UNSUPPORTED; WSRT_ERR_IO (the file); WSRT_ERR_MALFORMED, WSRT_ERR_REJECTED (the key
 *         set; the log says why); WSRT_ERR_TOO_LARGE; WSRT_ERR_NOMEM. @since 0.1
 */
WSRT_API int wsrt_jwt_new(wsrt_jwt **out, const wsrt_jwt_options *opts);

/** Frees it and wipes what it knew; NULL is fine. No other thread may be using it. @since 0.1 */
WSRT_API void wsrt_jwt_free(wsrt_jwt *j);

/**
 * Its authenticator interface, valid as long as the object; NULL arguments do nothing. Any thread.
 *
 * `user_id` is the claim `sub`, `username` is `cognito:username` or `username`, `email` is `email`,
 * groups are `cognito:groups` or `groups`, scopes `scope`; `expires_at` is `exp` with the leeway.
 * `exp` and `sub` are required. Of a set of keys behind a URL one caller at a time fetches, inside
 * its authenticate(): when there are none yet, when they are no longer fresh, and for an unknown
 * `kid`, at most once in ten seconds; everybody else is served with the keys there are. With `wanted`
 * nobody fetches there, and WSRT_ERR_UNAVAILABLE answers a token for whose key a fetch is awaited. A
 * token of an unknown `kid` is not invalid while the last fetch has failed: it could not be judged.
 * @since 0.1
 */
WSRT_API void wsrt_jwt_interface(wsrt_jwt *j, wsrt_authenticator *out);

/** What was found out about one token, for tools and logs, never for the client. @since 0.1 */
typedef struct wsrt_jwt_report {
    uint32_t struct_size;  /**< sizeof(wsrt_jwt_report), set by the caller */
    int32_t reason;        /**< a wsrt_auth_reason */
    const char *text_cstr; /**< why it was refused; constant text, "" for a good one */
    int64_t expires_at;    /**< `exp`, rounded down; 0 = not known */
    char *claims;          /**< set by the caller: receives the claims of a good token as the JSON
                                they are; NULL = not wanted */
    size_t claims_cap;     /**< set by the caller: bytes at `claims`; 7500 hold any */
    size_t claims_len;     /**< bytes of the claims, also when they did not fit */
} wsrt_jwt_report;

/**
 * Judges a token and says why. Does not use the memory of verified tokens.
 *
 * @param token  without "Bearer "
 * @param wall   Unix ms; below 1 means that nobody knows the time, and nobody is let in
 * @param out    filled unless WSRT_ERR_INVALID; NULL is fine
 * @return as wsrt_authenticator_ops.authenticate; WSRT_ERR_LIMIT for a good token whose claims do not
 *         fit; WSRT_ERR_INVALID. Any thread. @since 0.1
 */
WSRT_API int wsrt_jwt_verify(wsrt_jwt *j, wsrt_span token, int64_t wall, wsrt_jwt_report *out);

/**
 * Puts other keys in the place of all there are; who is being judged meanwhile is judged by the old
 * ones. Tokens verified before are forgotten.
 *
 * @param jwks  as `keys` of the options
 * @return WSRT_OK; on failure the old keys stay: WSRT_ERR_MALFORMED, WSRT_ERR_REJECTED,
 *         WSRT_ERR_TOO_LARGE, WSRT_ERR_NOMEM, WSRT_ERR_INVALID. Any thread. @since 0.1
 */
WSRT_API int wsrt_jwt_set_keys(wsrt_jwt *j, wsrt_span jwks);

/**
 * Reads the file or fetches the URL now, however fresh the keys are; blocks as long as that takes. The
 * same bytes again change no key and forget no token.
 *
 * @return WSRT_OK; on failure the old keys stay: WSRT_ERR_STATE (another thread is at it);
 *         WSRT_ERR_UNSUPPORTED (keys in memory); WSRT_ERR_CIRCUIT_OPEN; the fetcher's status;
 *         WSRT_ERR_IO; and as wsrt_jwt_set_keys(). Any thread. @since 0.1
 */
WSRT_API int wsrt_jwt_refresh(wsrt_jwt *j);

#ifdef __cplusplus
}
#endif
#endif
