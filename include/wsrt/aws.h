/**
 * @file aws.h
 * libwsrt-aws: the services of AWS that a WebSocket backend behind API Gateway needs.
 *
 *     wsrt_aws *aws; wsrt_aws_sender *posts; wsrt_sender sender;
 *     wsrt_aws_sender_options o = {.struct_size = sizeof o, .endpoint = endpoint};
 *     if (wsrt_aws_new(&aws, NULL) == WSRT_OK && wsrt_aws_sender_new(&posts, aws, &o) == WSRT_OK)
 *         wsrt_aws_sender_interface(posts, &sender);
 *
 * Requests go over connections that are kept and are signed with Signature Version 4. Every call
 * blocks until it is answered or its time is over, and where credentials come from an endpoint and
 * have expired, until that has answered, for which an attempt has 2 s. None starts a thread. Secrets are
 * wiped from memory after use and never logged. Certificates are verified by the authorities in the file
 * AWS_CA_BUNDLE, else in libcurl's own place, else where Linux systems have them.
 */
#ifndef WSRT_AWS_H
#define WSRT_AWS_H

#include <wsrt/base.h>
#include <wsrt/monitor.h>
#include <wsrt/sender.h>
#include <wsrt/store.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Credentials, region, connections and the rules of retrying; thread-safe. @since 0.1 */
typedef struct wsrt_aws wsrt_aws;

/**
 * Settings; zero = default. Text is copied.
 *
 * Credentials are, of these, the first that is there: the ones given here; the environment
 * (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN); the profile in the files
 * ~/.aws/credentials and ~/.aws/config, or those that AWS_SHARED_CREDENTIALS_FILE and AWS_CONFIG_FILE
 * name; the endpoint of a container (AWS_CONTAINER_CREDENTIALS_RELATIVE_URI or _FULL_URI); the
 * instance metadata service, version 2 only, unless AWS_EC2_METADATA_DISABLED is "true". Those that
 * expire are asked for again from 15 minutes before, by one caller at a time, at most every 10 s; while
 * that fails, the old ones serve until they expire.
 *
 * Roles, SSO, web identities and processes are not looked at. Where a profile, or
 * AWS_WEB_IDENTITY_TOKEN_FILE, says that the credentials are there, or the profile asked for is in no
 * file, the search ends, and does not come to the machine's own. The log line `aws.profile_refused`
 * says why.
 * @since 0.1
 */
typedef struct wsrt_aws_options {
    uint32_t struct_size;        /**< sizeof(wsrt_aws_options) */
    uint32_t flags;              /**< 0 */
    wsrt_allocator allocator;    /**< zero = libc; libcurl has its own */
    const wsrt_env *env;         /**< `now`, `wall`, `random` and `log`; copied; NULL = defaults */
    wsrt_span region;            /**< default AWS_REGION, AWS_DEFAULT_REGION, then the profile's */
    wsrt_span access_key;        /**< with `secret_key` */
    wsrt_span secret_key;        /**< at most 1024 bytes */
    wsrt_span session_token;     /**< of temporary credentials */
    wsrt_span profile;           /**< default AWS_PROFILE, then "default" */
    wsrt_span metadata_endpoint; /**< default `http://169.254.169.254` */
    uint32_t attempts;           /**< of one request, the first included; 0 = 3, at most 10 */
    uint32_t timeout_ms;         /**< of one attempt; 0 = 10000 */
    uint32_t connect_timeout_ms; /**< 0 = 3000 */
    uint32_t backoff_ms;         /**< the wait before a retry is random, at most so long before the
                                      first, twice before the second, ..., 20 s; after being throttled
                                      20 times so long; 0 = 50 */
} wsrt_aws_options;

/**
 * Makes one. The region is looked for now, credentials when the first request needs them.
 *
 * @param out   NULL on failure; give it back with wsrt_aws_free()
 * @param opts  borrowed during the call; NULL = defaults
 * @return WSRT_OK; WSRT_ERR_INVALID (NULL, one key without the other, a number out of range, an
 *         endpoint that is no http or https URL, a region with other than letters, digits and dashes
 *         between them, credentials with control characters); WSRT_ERR_UNSUPPORTED; WSRT_ERR_NOMEM.
 *         Any thread.
 * @since 0.1
 */
WSRT_API int wsrt_aws_new(wsrt_aws **out, const wsrt_aws_options *opts);

/** Closes the connections and wipes the credentials; NULL is fine. Nothing made with it may be in use
 *  any more. @since 0.1 */
WSRT_API void wsrt_aws_free(wsrt_aws *a);

/**
 * Finds credentials now, as the first request would.
 *
 * @param access_key  receives the access key id, NUL-terminated: 129 bytes hold any; NULL = not wanted
 * @param cap         bytes at `access_key`
 * @return WSRT_OK; WSRT_ERR_NOT_FOUND: nothing of the list is there; WSRT_ERR_UNAVAILABLE or
 *         WSRT_ERR_TIMEOUT: the endpoint does not answer; WSRT_ERR_FORBIDDEN: an endpoint that may not
 *         be asked, a profile that is not there or not supported; WSRT_ERR_MALFORMED: no credentials
 *         in the answer; WSRT_ERR_LIMIT; WSRT_ERR_NOMEM; WSRT_ERR_INVALID. Any thread. @since 0.1
 */
WSRT_API int wsrt_aws_credentials(wsrt_aws *a, char *access_key, size_t cap);

/* ---- DynamoDB --------------------------------------------------------------------------------- */

/** Connections and message history in tables of DynamoDB; thread-safe. @since 0.1 */
typedef struct wsrt_aws_tables wsrt_aws_tables;

/** How a table of connections is laid out; docs/aws.md shows both. @since 0.1 */
typedef enum wsrt_aws_shape {
    WSRT_AWS_SHAPE_A = 1, /**< keys PK and SK, both `CONNECTION#id`; an index by userId and SK */
    WSRT_AWS_SHAPE_B = 2, /**< key connectionId; an index by connected ("true") and connectedAt */
    WSRT_AWS_SHAPE_MIN_ = -2147483647 - 1,
    WSRT_AWS_SHAPE_MAX_ = 2147483647
} wsrt_aws_shape;

/** Settings of tables; zero = default. Text is copied; a name has at most 255 bytes. @since 0.1 */
typedef struct wsrt_aws_tables_options {
    uint32_t struct_size;  /**< sizeof(wsrt_aws_tables_options) */
    uint32_t flags;        /**< 0 */
    int32_t shape;         /**< a wsrt_aws_shape; 0 = WSRT_CONNECTIONS_SHAPE, "A" or "B", then A */
    uint32_t shards;       /**< shape B: values of `connected`, "true#0", "true#1", ..., so that no
                                  partition of the index holds everybody; 0, 1 = "true"; most 64 */
    wsrt_span endpoint;    /**< default AWS_ENDPOINT_URL_DYNAMODB, AWS_ENDPOINT_URL, then
                                  `https://dynamodb.{region}.amazonaws.com` */
    wsrt_span connections; /**< table; default CONNECTIONS_TABLE_NAME */
    wsrt_span messages;    /**< table; default WEBSOCKET_MESSAGES_TABLE */
    wsrt_span partition_key; /**< of connections; default "PK", of shape B "connectionId" */
    wsrt_span sort_key;      /**< of connections, shape A; default "SK" */
    wsrt_span index;         /**< of connections; default "userId-index", of shape B
                                  WSRT_CONNECTIONS_INDEX, then "connected-index" */
    wsrt_span session_key;   /**< partition key of messages; default "sessionId" */
    wsrt_span message_key;   /**< sort key of messages; default "timestamp#messageId" */
    wsrt_span ttl;           /**< attribute of both tables, Unix seconds; default "ttl" */
    int64_t timeout_ms;      /**< of a call, all its attempts and pages together; 0 = 5000 */
} wsrt_aws_tables_options;

/**
 * Makes the stores; nothing is asked of DynamoDB yet.
 *
 * @param out   NULL on failure; give it back with wsrt_aws_tables_free()
 * @param a     borrowed: must outlive the object
 * @param opts  borrowed during the call; NULL = defaults
 * @return WSRT_OK; WSRT_ERR_INVALID (NULL, a number out of range, neither table named, a name too long,
 *         an endpoint that is no http or https URL or has `//` or a segment of dots in its path, a shape
 *         that is none); WSRT_ERR_UNSUPPORTED;
 *         WSRT_ERR_NOT_FOUND: no region; WSRT_ERR_NOMEM. Any thread. @since 0.1
 */
WSRT_API int wsrt_aws_tables_new(wsrt_aws_tables **out, wsrt_aws *a,
                                 const wsrt_aws_tables_options *opts);

/** Frees it; NULL is fine. Nobody may be using it. @since 0.1 */
WSRT_API void wsrt_aws_tables_free(wsrt_aws_tables *t);

/**
 * Its connection store (store.h), valid as long as the object; without a table of connections, and for
 * NULL arguments, nothing is written to `out`. Any thread.
 *
 * get, remove and, in shape A, walks of all connections read what was last written. Walks over an index
 * (of a user; in shape B all of them) may miss what was written a moment ago. In shape B the walk of a
 * user reads everybody's records, for there is no index by user. expire is not there: DynamoDB deletes
 * expired items itself, some days late, and until then they are invisible here.
 *
 * Besides what wsrt_store_ops says: WSRT_ERR_INVALID also for a user id that is not UTF-8 (in other text
 * what is not is replaced) and for an expiry below 0 or above 10^11, which is no time in seconds.
 * WSRT_ERR_INTERNAL: DynamoDB refuses the request, and the log says why: no such table, no permission, no
 * credentials, keys of other names, another writer's transaction. WSRT_ERR_CORRUPT: answers that are
 * none, or no records. @since 0.1
 */
WSRT_API void wsrt_aws_tables_connections(wsrt_aws_tables *t, wsrt_store *out);

/**
 * Its history, as the connection store. A message that comes again is known by its id and timestamp
 * together. WSRT_ERR_INVALID also for timestamps outside 0..9999999999999. @since 0.1
 */
WSRT_API void wsrt_aws_tables_history(wsrt_aws_tables *t, wsrt_history *out);

/**
 * Reads a text that is an item of its own: the attribute `document` of the item whose partition key `id`,
 * the table's only key, has a value. For settings that change without a deployment, as those of breakers
 * (`document` in wsrt_lambda_options).
 *
 * @param name  `dynamodb:TABLE/ID`; any table, reached as the object's own
 * @param dst   receives the text, no NUL is added
 * @param cap   bytes at `dst`
 * @param len   bytes written; set on WSRT_OK only
 * @return WSRT_OK; WSRT_ERR_UNSUPPORTED: the name begins otherwise; WSRT_ERR_NOT_FOUND: no such item;
 *         WSRT_ERR_CORRUPT: it has no such text, or the answer is none; WSRT_ERR_TOO_LARGE: `cap`;
 *         WSRT_ERR_INVALID (NULL, no table, no id); otherwise as a get. Any thread. @since 0.1
 */
WSRT_API int wsrt_aws_tables_document(wsrt_aws_tables *t, wsrt_span name, char *dst, size_t cap,
                                      size_t *len);

/* ---- API Gateway's Management API ----------------------------------------------------------- */

/** A sender to WebSocket clients behind API Gateway; thread-safe. @since 0.1 */
typedef struct wsrt_aws_sender wsrt_aws_sender;

/** Bits of wsrt_aws_sender_options.flags. @since 0.1 */
typedef enum wsrt_aws_sender_flag {
    WSRT_AWS_AT_MOST_ONCE = 1, /**< no retry where the message may have been delivered; else after a
                                    lost answer a client can get a message twice */
    WSRT_AWS_SENDER_FLAG_MIN_ = -2147483647 - 1,
    WSRT_AWS_SENDER_FLAG_MAX_ = 2147483647
} wsrt_aws_sender_flag;

/** Settings of a sender; zero = default. Text is copied. @since 0.1 */
typedef struct wsrt_aws_sender_options {
    uint32_t struct_size; /**< sizeof(wsrt_aws_sender_options) */
    uint32_t flags;       /**< bits of wsrt_aws_sender_flag */
    wsrt_span endpoint;   /**< `https://{api}.execute-api.{region}.amazonaws.com/{stage}`; behind a
                               custom domain without the stage. Default WEBSOCKET_API_ENDPOINT. For
                               `wss:` `https:` is taken */
    uint32_t width;       /**< requests of one post_many at a time; 0 = 64, at most 1024 */
    uint32_t rate;        /**< of one post_many a second; 0 = as fast as it goes */
    int64_t timeout_ms;   /**< of a call whose post names no deadline; 0 = 15000 */
} wsrt_aws_sender_options;

/**
 * Makes a sender.
 *
 * @param out   NULL on failure; give it back with wsrt_aws_sender_free()
 * @param a     borrowed: must outlive the sender
 * @param opts  borrowed during the call; NULL = defaults
 * @return WSRT_OK; WSRT_ERR_INVALID (NULL, a number out of range, no endpoint, or one that is no http
 *         or https URL or has `//` or a segment of dots in its path); WSRT_ERR_UNSUPPORTED;
 *         WSRT_ERR_NOT_FOUND: no region; WSRT_ERR_NOMEM. Any thread. @since 0.1
 */
WSRT_API int wsrt_aws_sender_new(wsrt_aws_sender **out, wsrt_aws *a,
                                 const wsrt_aws_sender_options *opts);

/** Frees it; NULL is fine. Nobody may be using it. @since 0.1 */
WSRT_API void wsrt_aws_sender_free(wsrt_aws_sender *s);

/**
 * Its sender interface (sender.h), valid as long as the object; NULL arguments do nothing. Any thread.
 *
 * Each call asks API Gateway and waits. 410 is WSRT_ERR_GONE; a message above 131072 bytes is
 * WSRT_ERR_TOO_LARGE before anything is sent, and so is 413; 400 is WSRT_ERR_INVALID; 401, 403, 404,
 * missing credentials and a certificate that is not to be trusted are WSRT_ERR_FORBIDDEN: the settings
 * are wrong, and no connection is gone. 429, which stands for a slow client too, is tried again, then
 * WSRT_ERR_THROTTLED; 500 and above and lost connections likewise, then WSRT_ERR_UNAVAILABLE;
 * WSRT_ERR_TIMEOUT when the time is over, and for what had not been sent by then: it is not sent.
 * post_many posts to several clients at a time. disconnect sends neither code nor reason: API Gateway
 * has no place for them. Text is not checked for UTF-8.
 * @since 0.1
 */
WSRT_API void wsrt_aws_sender_interface(wsrt_aws_sender *s, wsrt_sender *out);

/* ---- CloudWatch's metrics ------------------------------------------------------------------- */

/** A monitor's metrics on their way to CloudWatch; one thread at a time. @since 0.1 */
typedef struct wsrt_aws_metrics wsrt_aws_metrics;

/** Bits of wsrt_aws_metrics_options.flags. @since 0.1 */
typedef enum wsrt_aws_metrics_flag {
    WSRT_AWS_METRICS_AT_LEAST_ONCE = 1, /**< after a lost answer a body is sent again, and what it
                                             tells may be counted twice; else it is given up */
    WSRT_AWS_METRICS_FLAG_MIN_ = -2147483647 - 1,
    WSRT_AWS_METRICS_FLAG_MAX_ = 2147483647
} wsrt_aws_metrics_flag;

/** Settings of a sink; zero = default. Text is copied. @since 0.1 */
typedef struct wsrt_aws_metrics_options {
    uint32_t struct_size; /**< sizeof(wsrt_aws_metrics_options) */
    uint32_t flags;       /**< bits of wsrt_aws_metrics_flag */
    wsrt_span endpoint;   /**< default AWS_ENDPOINT_URL_CLOUDWATCH, AWS_ENDPOINT_URL, then
                               `https://monitoring.{region}.amazonaws.com` */
    int32_t names;        /**< a wsrt_metric_names */
    uint32_t interval_ms; /**< between two readings of the monitor; 0 = 60000, at most a day */
    uint64_t
        queue_bytes; /**< what may wait while CloudWatch fails; the oldest goes first. 0 = 8 MiB,
                               at least 1 MiB */
} wsrt_aws_metrics_options;

/**
 * Makes a sink. It reads the monitor for the first time when an interval has passed.
 *
 * @param out      NULL on failure; give it back with wsrt_aws_metrics_free()
 * @param a        borrowed: must outlive the sink; its clocks are the sink's
 * @param monitor  borrowed, likewise; its numbers since its start are told
 * @param opts     borrowed during the call; NULL = defaults
 * @return WSRT_OK; WSRT_ERR_INVALID (NULL, a number out of range, an endpoint as with
 *         wsrt_aws_sender_new()); WSRT_ERR_UNSUPPORTED; WSRT_ERR_NOT_FOUND: no region; WSRT_ERR_NOMEM.
 *         Any thread. @since 0.1
 */
WSRT_API int wsrt_aws_metrics_new(wsrt_aws_metrics **out, wsrt_aws *a, wsrt_monitor *monitor,
                                  const wsrt_aws_metrics_options *opts);

/** Frees it, gives up what is under way and what waits; NULL is fine. wsrt_aws_metrics_flush() comes
 *  before it. @since 0.1 */
WSRT_API void wsrt_aws_metrics_free(wsrt_aws_metrics *m);

/**
 * Does what there is to do: reads the monitor when that is due, sends, takes answers. It never waits for
 * CloudWatch longer than it is told to, with one exception: credentials that come from an endpoint and
 * have expired are waited for.
 *
 * Requests are PutMetricData in AWS JSON 1.0 (version 2010-08-01), one at a time. A body that fails
 * stays, and is tried again after up to 1, 2, ... 20 s, while throttled up to 4, 8, ... 20 s; what came
 * meanwhile waits behind it. A body is given up when CloudWatch calls it wrong (400, but for refusals of
 * who asks), when the queue is full, and unless the flag says otherwise when the connection broke and
 * nobody knows whether it was taken. Each of these is counted and logged.
 *
 * @param wait_ms  0 = for an event loop, which goes on at once; at most a day
 * @param next_ms  receives when to come again, in ms; NULL = not wanted
 * @return WSRT_OK, also when CloudWatch fails; WSRT_ERR_NOMEM: nothing is lost, it is tried again;
 *         WSRT_ERR_INVALID. @since 0.1
 */
WSRT_API int wsrt_aws_metrics_step(wsrt_aws_metrics *m, uint32_t wait_ms, uint32_t *next_ms);

/**
 * Reads the monitor now and sends everything, for the end of a program.
 *
 * @param timeout_ms  at most a day
 * @return WSRT_OK: CloudWatch has all but what it called wrong; else what ended it, and the rest waits:
 *         WSRT_ERR_TIMEOUT; WSRT_ERR_UNAVAILABLE; WSRT_ERR_THROTTLED; WSRT_ERR_FORBIDDEN;
 *         WSRT_ERR_NOT_FOUND: no credentials; WSRT_ERR_STATE: an answer was lost; WSRT_ERR_NOMEM;
 *         WSRT_ERR_INVALID. @since 0.1
 */
WSRT_API int wsrt_aws_metrics_flush(wsrt_aws_metrics *m, uint32_t timeout_ms);

/** What became of bodies, each up to 1000 metrics. @since 0.1 */
typedef struct wsrt_aws_metrics_counts {
    uint32_t struct_size;  /**< set by the caller */
    uint32_t flags;        /**< 0 */
    uint64_t sent;         /**< CloudWatch has them */
    uint64_t failed;       /**< attempts that did not tell anything; the body stayed */
    uint64_t refused;      /**< CloudWatch called them wrong */
    uint64_t unsure;       /**< given up: the answer was lost */
    uint64_t dropped;      /**< given up: the queue was full */
    uint64_t queued_bytes; /**< waiting or under way, now */
} wsrt_aws_metrics_counts;

/** Reads the counts. @return WSRT_OK; WSRT_ERR_INVALID. @since 0.1 */
WSRT_API int wsrt_aws_metrics_count(const wsrt_aws_metrics *m, wsrt_aws_metrics_counts *out);

/* ---- keys of tokens ------------------------------------------------------------------------- */

struct wsrt_jwks_fetcher; /* of jwt.h */

/**
 * A fetcher of key sets for libwsrt-jwt (`fetcher` in the options of its verifier), valid as long as the
 * object; NULL arguments do nothing. Any thread.
 *
 * It gets a URL by GET, unsigned and without credentials, and asks once. https, whose certificate is
 * verified, or http to this machine; redirects are not followed. WSRT_OK: status 200.
 * WSRT_ERR_UNAVAILABLE: no connection, or another status; WSRT_ERR_TIMEOUT; WSRT_ERR_TOO_LARGE;
 * WSRT_ERR_FORBIDDEN: the certificate is not to be trusted; WSRT_ERR_INVALID: another kind of URL, or
 * one with a query; WSRT_ERR_NOMEM. `max_age_s` is that of Cache-Control.
 * @since 0.1
 */
WSRT_API void wsrt_aws_jwks_interface(wsrt_aws *a, struct wsrt_jwks_fetcher *out);

#ifdef __cplusplus
}
#endif
#endif
