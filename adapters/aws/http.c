/* Requests over libcurl. A lane is a set of connections that one thread at a time drives: threads that
 * ask at once take different lanes, and give them back with their connections kept. */
#include "aws/internal.h"

#include "common/crc32.h"
#include "common/support.h"

#include <stdio.h>
#include <string.h>

enum {
    FIELDS = 8,
    LINE = 256,
    LONGEST_AUTHORIZATION = 640,
    LONGEST_POLL = 1000,
    FIRST_BODY = 1024,
    MILLION = 1000000,
    THROTTLE_FACTOR = 20,
    MOST_CONNECTIONS = 1024
};

typedef enum stage { IDLE, WAITING, ACTIVE } stage;

/* One request under way. Its field lines are curl's list, laid out without an allocation. */
typedef struct slot {
    CURL *easy;
    wsrt_aws *a;
    wsrt_aws_keys *keys; /* that signed it */
    wsrt_aws_request r;
    stage stage;
    int retries;
    int signed_anew; /* bits of what may be done once */
    int repeated;    /* as the answer's */
    int sent;        /* times that libcurl has written this attempt */
    int64_t skew;    /* by which it was signed */
    int64_t wake;
    struct curl_slist list[FIELDS];
    size_t lines;
    char host[WSRT_AWS_LONGEST_URL + 8], type[LINE], target[LINE], date[40];
    char token[WSRT_AWS_LONGEST_TOKEN + 32], authorization[LONGEST_AUTHORIZATION];
    char url[WSRT_AWS_LONGEST_URL + WSRT_AWS_LONGEST_PATH];
} slot;

typedef struct wsrt_aws_lane {
    CURLM *multi;
    slot **slots;
    size_t count;
    size_t active;
    struct wsrt_aws_lane *next;
} lane;

/* A batch under way. */
typedef struct run {
    wsrt_aws *a;
    lane *lane;
    const wsrt_aws_batch *batch;
    int64_t next_start;
    int exhausted;
    int no_keys; /* why there are no credentials: the rest of the batch does not look again */
    size_t busy; /* slots that hold a request */
} run;

/* ---- memory ------------------------------------------------------------------------------- */

void wsrt_aws_answer_free(wsrt_aws *a, wsrt_aws_answer *answer)
{
    if (answer->body != NULL)
        wsrt_adapter_realloc(&a->allocator, answer->body, answer->cap, 0);
    *answer = (wsrt_aws_answer){0};
}

static void lane_free(wsrt_aws *a, lane *l)
{
    for (size_t i = 0; i < l->count; i++) {
        curl_easy_cleanup(l->slots[i]->easy);
        wsrt_adapter_realloc(&a->allocator, l->slots[i], sizeof *l->slots[i], 0);
    }
    if (l->slots != NULL)
        wsrt_adapter_realloc(&a->allocator, l->slots, l->count * sizeof *l->slots, 0);
    curl_multi_cleanup(l->multi);
    wsrt_adapter_realloc(&a->allocator, l, sizeof *l, 0);
}

void wsrt_aws_lanes_free(wsrt_aws *a)
{
    while (a->lanes.idle != NULL) {
        lane *l = a->lanes.idle;
        a->lanes.idle = l->next;
        lane_free(a, l);
    }
}

static lane *lane_take(wsrt_aws *a)
{
    pthread_mutex_lock(&a->lanes.lock);
    lane *l = a->lanes.idle;
    if (l != NULL)
        a->lanes.idle = l->next;
    pthread_mutex_unlock(&a->lanes.lock);
    if (l != NULL)
        return l;
    l = wsrt_adapter_realloc(&a->allocator, NULL, 0, sizeof *l);
    if (l == NULL)
        return NULL;
    *l = (lane){.multi = curl_multi_init()};
    if (l->multi == NULL) {
        wsrt_adapter_realloc(&a->allocator, l, sizeof *l, 0);
        return NULL;
    }
    /* By default libcurl closes idle connections when a batch ends, which the next would use. */
    curl_multi_setopt(l->multi, CURLMOPT_MAXCONNECTS, (long)MOST_CONNECTIONS);
    return l;
}

static void lane_give(wsrt_aws *a, lane *l)
{
    pthread_mutex_lock(&a->lanes.lock);
    l->next = a->lanes.idle;
    a->lanes.idle = l;
    pthread_mutex_unlock(&a->lanes.lock);
}

/* ---- what comes in -------------------------------------------------------------------------- */

static char *grow_body(slot *s, size_t cap)
{
    const wsrt_aws_answer *answer = &s->r.answer;
    const wsrt_allocator *m = &s->a->allocator;

    if ((s->r.flags & WSRT_AWS_SECRET) == 0 || answer->cap == 0)
        return wsrt_adapter_realloc(m, answer->body, answer->cap, cap);
    char *body = wsrt_adapter_realloc(m, NULL, 0, cap);
    if (body == NULL)
        return NULL;
    memcpy(body, answer->body, answer->len);
    explicit_bzero(answer->body, answer->cap);
    wsrt_adapter_realloc(m, answer->body, answer->cap, 0);
    return body;
}

static int keep_body(slot *s, const char *data, size_t len)
{
    wsrt_aws_answer *answer = &s->r.answer;
    size_t needed = answer->len + len + 1, cap = answer->cap == 0 ? FIRST_BODY : answer->cap;

    while (cap < needed)
        cap *= 2;
    if (cap != answer->cap) {
        char *body = grow_body(s, cap);
        if (body == NULL)
            return WSRT_ERR_NOMEM;
        answer->body = body;
        answer->cap = cap;
    }
    memcpy(answer->body + answer->len, data, len);
    answer->len += len;
    answer->body[answer->len] = '\0';
    return WSRT_OK;
}

static size_t on_body(char *data, size_t size, size_t count, void *user)
{
    slot *s = user;
    size_t len = size * count;

    if (len > s->r.most - s->r.answer.len)
        s->r.answer.rc = WSRT_ERR_TOO_LARGE;
    else
        s->r.answer.rc = keep_body(s, data, len);
    return s->r.answer.rc == WSRT_OK ? len : 0;
}

static int64_t decimal(wsrt_span text)
{
    int64_t n = 0;

    for (size_t i = 0; i < text.len && text.ptr[i] >= '0' && text.ptr[i] <= '9'; i++)
        n = n < INT32_MAX ? n * 10 + (text.ptr[i] - '0') : n;
    return n;
}

/* What is no number of 32 bits is a sum that hardly any body has. */
static uint32_t checksum(wsrt_span text)
{
    uint64_t n = 0;

    for (size_t i = 0; i < text.len && n <= UINT32_MAX; i++)
        n = text.ptr[i] >= '0' && text.ptr[i] <= '9' ? n * 10 + (uint64_t)(text.ptr[i] - '0')
                                                     : UINT64_MAX;
    return text.len > 0 && n <= UINT32_MAX ? (uint32_t)n : UINT32_MAX;
}

static int64_t max_age_of(wsrt_span value)
{
    static const char name[] = "max-age=";

    for (size_t i = 0; i + sizeof name - 1 < value.len; i++)
        if (wsrt_http_same_text((wsrt_span){value.ptr + i, sizeof name - 1}, wsrt_span_cstr(name)))
            return decimal(
                (wsrt_span){value.ptr + i + sizeof name - 1, value.len - i - (sizeof name - 1)});
    return 0;
}

static void take_field(wsrt_aws_answer *answer, wsrt_span name, wsrt_span value)
{
    char text[64];

    if (wsrt_http_same_text(name, wsrt_span_cstr("x-amzn-errortype"))) {
        wsrt_aws_error_name(answer->error, value);
    } else if (wsrt_http_same_text(name, wsrt_span_cstr("x-amz-retry-after"))) {
        answer->retry_after = decimal(value);
    } else if (wsrt_http_same_text(name, wsrt_span_cstr("x-amz-crc32"))) {
        answer->crc = checksum(value);
        answer->has_crc = 1;
    } else if (wsrt_http_same_text(name, wsrt_span_cstr("cache-control"))) {
        answer->max_age = max_age_of(value);
    } else if (wsrt_http_same_text(name, wsrt_span_cstr("date")) && value.len < sizeof text) {
        memcpy(text, value.ptr, value.len);
        text[value.len] = '\0';
        time_t date = curl_getdate(text, NULL);
        answer->date = date > 0 ? (int64_t)date * 1000 : 0;
    }
}

static size_t on_field(char *data, size_t size, size_t count, void *user)
{
    slot *s = user;
    size_t len = size * count, used = len;
    const char *colon = memchr(data, ':', len);

    while (used > 0 && (unsigned char)data[used - 1] <= ' ')
        used--;
    if (colon == NULL || (size_t)(colon - data) >= used)
        return len;
    const char *value = colon + 1;
    while (value < data + used && *value == ' ')
        value++;
    take_field(&s->r.answer, (wsrt_span){data, (size_t)(colon - data)},
               (wsrt_span){value, (size_t)(data + used - value)});
    return len;
}

/* Just before a request is written. By itself libcurl writes it again, over a new connection, when a
 * kept one turns out closed before a byte of the answer came. */
static int on_send(void *user, char *peer, char *local, int peer_port, int local_port)
{
    slot *s = user;

    (void)peer;
    (void)local;
    (void)peer_port;
    (void)local_port;
    if (s->sent > 0 && (s->r.flags & WSRT_AWS_ONCE) != 0)
        return CURL_PREREQFUNC_ABORT;
    s->repeated |= s->sent > 0;
    s->sent++;
    return CURL_PREREQFUNC_OK;
}

/* ---- what goes out ------------------------------------------------------------------------- */

static void add_line(slot *s, char *line)
{
    s->list[s->lines] = (struct curl_slist){.data = line};
    if (s->lines > 0)
        s->list[s->lines - 1].next = &s->list[s->lines];
    s->lines++;
}

/* The name and value of a line as one of the fields to sign. */
static wsrt_http_field field_of(const char *line)
{
    const char *colon = strchr(line, ':');

    return (wsrt_http_field){{line, (size_t)(colon - line)}, wsrt_span_cstr(colon + 2)};
}

static int sign(slot *s)
{
    wsrt_aws_request *r = &s->r;
    wsrt_aws_endpoint *e = r->endpoint;
    wsrt_http_field fields[FIELDS];
    char path[WSRT_AWS_LONGEST_URL + WSRT_AWS_LONGEST_PATH], body_hex[WSRT_SHA256_HEX];
    wsrt_sigv4_scope scope = {.region = wsrt_span_cstr(s->a->region),
                              .service = wsrt_span_cstr(r->service)};
    wsrt_sigv4_signer signer = {.access_key = wsrt_span_cstr(s->keys->access)};
    static const char lead[] = "Authorization: ";

    s->skew = atomic_load(&e->skew);
    wsrt_sigv4_time(scope.time, s->a->env.wall(s->a->env.user) + s->skew);
    snprintf(s->date, sizeof s->date, "X-Amz-Date: %.*s", WSRT_SIGV4_TIME, scope.time);
    add_line(s, s->date);
    if (s->keys->token[0] != '\0') {
        snprintf(s->token, sizeof s->token, "X-Amz-Security-Token: %s", s->keys->token);
        add_line(s, s->token);
    }
    for (size_t i = 0; i < s->lines; i++)
        fields[i] = field_of(s->list[i].data);
    if (r->body_hex == NULL)
        wsrt_sha256_hex(body_hex, r->body);
    int len = snprintf(path, sizeof path, "%.*s%s", (int)e->path.len, e->path.ptr, r->path);
    wsrt_sigv4_request q = {.method = wsrt_span_cstr(r->method),
                            .path = {path, (size_t)len},
                            .fields = fields,
                            .field_count = s->lines,
                            .body_hex = r->body_hex != NULL ? r->body_hex : body_hex};
    wsrt_aws_keys_derive(s->keys, &scope, r->service, signer.key);
    memcpy(s->authorization, lead, sizeof lead);
    int rc = wsrt_sigv4_authorize(&q, &scope, &signer, s->authorization + sizeof lead - 1,
                                  sizeof s->authorization - (sizeof lead - 1));
    explicit_bzero(signer.key, sizeof signer.key);
    if (rc == WSRT_OK)
        add_line(s, s->authorization);
    return rc;
}

static int write_head(slot *s)
{
    wsrt_aws_request *r = &s->r;
    static char no_expect[] = "Expect:", no_type[] = "Content-Type:";
    int rc = WSRT_OK;

    s->lines = 0;
    snprintf(s->url, sizeof s->url, "%s%s", r->endpoint->url, r->path);
    snprintf(s->host, sizeof s->host, "Host: %.*s", (int)r->endpoint->authority.len,
             r->endpoint->authority.ptr);
    add_line(s, s->host);
    if (r->content_type != NULL) {
        snprintf(s->type, sizeof s->type, "Content-Type: %s", r->content_type);
        add_line(s, s->type);
    }
    if (r->target != NULL) {
        snprintf(s->target, sizeof s->target, "X-Amz-Target: %s", r->target);
        add_line(s, s->target);
    }
    if (r->service != NULL)
        rc = sign(s);
    add_line(s, no_expect);
    if (r->content_type == NULL)
        add_line(s, no_type);
    if (r->extra != NULL && r->service == NULL) {
        snprintf(s->token, sizeof s->token, "%s", r->extra);
        add_line(s, s->token);
    }
    return rc;
}

static long attempt_timeout(const slot *s)
{
    const wsrt_aws_request *r = &s->r;
    int64_t most = r->timeout_ms > 0 ? r->timeout_ms : s->a->timeout_ms;

    if (r->deadline != 0) {
        int64_t left = (r->deadline - s->a->env.now(s->a->env.user)) / MILLION;
        most = left < most ? left : most;
    }
    return (long)(most < 1 ? 1 : most);
}

static void set_method(slot *s)
{
    const wsrt_aws_request *r = &s->r;
    int has_body = strcmp(r->method, "POST") == 0 || strcmp(r->method, "PUT") == 0;

    if (has_body) {
        curl_easy_setopt(s->easy, CURLOPT_POST, 1L);
        curl_easy_setopt(s->easy, CURLOPT_POSTFIELDS, r->body.len > 0 ? r->body.ptr : "");
        curl_easy_setopt(s->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)r->body.len);
    } else {
        curl_easy_setopt(s->easy, CURLOPT_HTTPGET, 1L);
    }
    curl_easy_setopt(s->easy, CURLOPT_CUSTOMREQUEST, r->method);
}

static void set_up(slot *s)
{
    CURL *e = s->easy;

    curl_easy_setopt(e, CURLOPT_URL, s->url);
    curl_easy_setopt(e, CURLOPT_HTTPHEADER, s->list);
    curl_easy_setopt(e, CURLOPT_TIMEOUT_MS, attempt_timeout(s));
    curl_easy_setopt(e, CURLOPT_PROXY, s->r.endpoint->direct ? "" : NULL);
    set_method(s);
}

/* What is the same for every request of a handle. */
static CURL *easy_new(slot *s)
{
    CURL *e = curl_easy_init();

    if (e == NULL)
        return NULL;
    curl_easy_setopt(e, CURLOPT_PRIVATE, s);
    curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
#if LIBCURL_VERSION_NUM >= 0x075700
    /* Otherwise what times out waits for the thread that looks a name up; so that ends by itself. */
    curl_easy_setopt(e, CURLOPT_QUICK_EXIT, 1L);
#endif
    curl_easy_setopt(e, CURLOPT_PATH_AS_IS, 1L);
    curl_easy_setopt(e, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(e, CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(e, CURLOPT_SSLVERSION, CURL_SSLVERSION_TLSv1_2);
    if (s->a->certificates[0] != '\0') {
        curl_easy_setopt(e, CURLOPT_CAINFO, s->a->certificates);
        curl_easy_setopt(e, CURLOPT_CAPATH, NULL);
    }
    curl_easy_setopt(e, CURLOPT_CONNECTTIMEOUT_MS, (long)s->a->connect_timeout_ms);
    curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(e, CURLOPT_WRITEDATA, s);
    curl_easy_setopt(e, CURLOPT_HEADERFUNCTION, on_field);
    curl_easy_setopt(e, CURLOPT_HEADERDATA, s);
    curl_easy_setopt(e, CURLOPT_PREREQFUNCTION, on_send);
    curl_easy_setopt(e, CURLOPT_PREREQDATA, s);
    return e;
}

/* ---- an attempt ------------------------------------------------------------------------------ */

static int take_keys(run *r, slot *s)
{
    wsrt_aws_keys_give(s->a, s->keys);
    s->keys = NULL;
    if (s->r.service != NULL && r->no_keys == WSRT_OK)
        r->no_keys = wsrt_aws_keys_take(s->a, &s->keys);
    return s->r.service != NULL ? r->no_keys : WSRT_OK;
}

static int is_late(const slot *s)
{
    return s->r.deadline != 0 && s->a->env.now(s->a->env.user) >= s->r.deadline;
}

static void begin(run *r, slot *s)
{
    wsrt_aws_answer *answer = &s->r.answer;

    s->stage = WAITING;
    s->sent = 0;
    *answer = (wsrt_aws_answer){.body = answer->body, .cap = answer->cap};
    int rc = is_late(s) ? WSRT_ERR_TIMEOUT : take_keys(r, s);
    if (rc == WSRT_OK)
        rc = is_late(s) ? WSRT_ERR_TIMEOUT : write_head(s);
    if (rc == WSRT_OK) {
        set_up(s);
        rc = curl_multi_add_handle(r->lane->multi, s->easy) == CURLM_OK ? WSRT_OK : WSRT_ERR_NOMEM;
    }
    answer->rc = rc;
    if (rc != WSRT_OK)
        return;
    s->stage = ACTIVE;
    r->lane->active++;
}

static int status_of(CURLcode code, int so_far)
{
    if (so_far != WSRT_OK)
        return so_far; /* a callback of ours has ended it */
    switch (code) {
    case CURLE_OK:
        return WSRT_OK;
    case CURLE_OPERATION_TIMEDOUT:
        return WSRT_ERR_TIMEOUT;
    case CURLE_OUT_OF_MEMORY:
        return WSRT_ERR_NOMEM;
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
        return WSRT_ERR_FORBIDDEN;
    default:
        return WSRT_ERR_UNAVAILABLE;
    }
}

static void read_answer(slot *s, CURLcode code)
{
    wsrt_aws_answer *answer = &s->r.answer;
    long status = 0;

    answer->rc = status_of(code, answer->rc);
    curl_easy_getinfo(s->easy, CURLINFO_RESPONSE_CODE, &status);
    answer->status = (int)status;
    if (wsrt_aws_is_told(answer))
        answer->rc = WSRT_OK;
    else
        answer->unsure = code != CURLE_OK && s->sent > 0;
    answer->repeated = s->repeated;
    if (code == CURLE_OK && answer->rc == WSRT_OK && answer->has_crc &&
        wsrt_crc32((wsrt_span){answer->body, answer->len}) != answer->crc)
        answer->rc = WSRT_ERR_CORRUPT;
    if (answer->rc == WSRT_OK && status >= 400)
        wsrt_aws_error_body(answer);
    if (answer->rc == WSRT_ERR_FORBIDDEN)
        wsrt_aws_log(s->a, WSRT_LEVEL_ERROR, "aws.not_trusted", curl_easy_strerror(code), 0);
}

static int take_tokens(wsrt_aws *a)
{
    int had = atomic_load(&a->quota);

    while (had >= WSRT_AWS_RETRY_COST)
        if (atomic_compare_exchange_weak(&a->quota, &had, had - WSRT_AWS_RETRY_COST))
            return 1;
    return 0;
}

static void give_tokens(wsrt_aws *a, int tokens)
{
    int had = atomic_load(&a->quota), now;

    do
        now = had + tokens < WSRT_AWS_QUOTA ? had + tokens : WSRT_AWS_QUOTA;
    while (now != had && !atomic_compare_exchange_weak(&a->quota, &had, now));
}

/* Signs once more, by another clock or with other credentials; each of them once. */
static int sign_anew(slot *s, wsrt_aws_verdict verdict)
{
    int bit = 1 << verdict;

    if (s->r.service == NULL || (s->signed_anew & bit) != 0)
        return 0;
    s->signed_anew |= bit;
    if (verdict == WSRT_AWS_SKEWED)
        atomic_store(&s->r.endpoint->skew, s->r.answer.date - s->a->env.wall(s->a->env.user));
    else
        wsrt_aws_keys_refused(s->a, s->keys);
    s->wake = 0;
    return 1;
}

static int retry(slot *s, wsrt_aws_verdict verdict)
{
    wsrt_aws *a = s->a;
    uint32_t base = a->backoff_ms, chance = 0;
    int once = (s->r.flags & WSRT_AWS_ONCE) != 0;

    if (verdict == WSRT_AWS_SKEWED || verdict == WSRT_AWS_EXPIRED)
        return sign_anew(s, verdict);
    if (verdict == WSRT_AWS_DONE || (s->r.flags & WSRT_AWS_NO_RETRY) != 0 ||
        (uint32_t)s->retries + 1 >= a->attempts ||
        (once && s->sent > 0 && verdict == WSRT_AWS_TRANSIENT) ||
        a->env.random(a->env.user, &chance, sizeof chance) != WSRT_OK)
        return 0;
    base = verdict == WSRT_AWS_THROTTLED ? base * THROTTLE_FACTOR : base;
    int64_t delay = wsrt_aws_delay(base, s->retries, chance, s->r.answer.retry_after);
    s->wake = a->env.now(a->env.user) + delay * MILLION;
    if ((s->r.deadline != 0 && s->wake >= s->r.deadline) || !take_tokens(a))
        return 0;
    s->repeated |= s->sent > 0 && verdict == WSRT_AWS_TRANSIENT;
    s->retries++;
    return 1;
}

/* 1 when the request has come to its end. */
static int finish(lane *l, slot *s, CURLcode code)
{
    wsrt_aws *a = s->a;

    curl_multi_remove_handle(l->multi, s->easy);
    l->active--;
    s->stage = WAITING;
    read_answer(s, code);
    wsrt_aws_verdict verdict = wsrt_aws_judge(&s->r.answer, a->env.wall(a->env.user) + s->skew);
    if (verdict == WSRT_AWS_DONE && s->r.answer.rc == WSRT_OK)
        give_tokens(a, s->retries > 0 ? WSRT_AWS_RETRY_COST : 1);
    return !retry(s, verdict);
}

/* ---- a batch --------------------------------------------------------------------------------- */

static int grow(run *r)
{
    lane *l = r->lane;
    const wsrt_allocator *m = &r->a->allocator;
    slot *s = wsrt_adapter_realloc(m, NULL, 0, sizeof *s);
    slot **slots = NULL;

    if (s == NULL)
        return WSRT_ERR_NOMEM;
    memset(s, 0, sizeof *s);
    s->a = r->a;
    s->easy = easy_new(s);
    if (s->easy != NULL)
        slots = wsrt_adapter_realloc(m, l->slots, l->count * sizeof *l->slots,
                                     (l->count + 1) * sizeof *l->slots);
    if (slots == NULL) {
        curl_easy_cleanup(s->easy);
        wsrt_adapter_realloc(m, s, sizeof *s, 0);
        return WSRT_ERR_NOMEM;
    }
    l->slots = slots;
    l->slots[l->count++] = s;
    return WSRT_OK;
}

static void end_request(run *r, slot *s)
{
    s->stage = IDLE;
    r->busy--;
    wsrt_aws_keys_give(r->a, s->keys);
    s->keys = NULL;
    r->batch->done(r->batch->user, &s->r);
    wsrt_aws_answer_free(r->a, &s->r.answer);
    explicit_bzero(s->token, sizeof s->token);
}

static void attempt(run *r, slot *s)
{
    begin(r, s);
    if (s->stage != ACTIVE)
        end_request(r, s);
}

/* Gives a new request to an idle slot; 0 when there are no more, or it is too early. */
static int start_next(run *r, slot *s)
{
    int64_t now = r->batch->interval > 0 ? r->a->env.now(r->a->env.user) : 0;
    int is_over = r->batch->deadline != 0 && now >= r->batch->deadline;

    if (r->exhausted || (now < r->next_start && !is_over))
        return 0;
    s->r = (wsrt_aws_request){0};
    if (!r->batch->next(r->batch->user, &s->r)) {
        r->exhausted = 1;
        return 0;
    }
    if (r->batch->interval > 0)
        r->next_start = (r->next_start == 0 ? now : r->next_start) + r->batch->interval;
    s->retries = s->signed_anew = s->repeated = 0;
    r->busy++;
    attempt(r, s);
    return 1;
}

/* Begins what can begin, and says how many ms there are to wait for the rest. */
static int start_all(run *r)
{
    int64_t now = r->a->env.now(r->a->env.user), wake = INT64_MAX;
    lane *l = r->lane;

    for (size_t i = 0; i < l->count && i < r->batch->width; i++) {
        slot *s = l->slots[i];
        if (s->stage == WAITING && s->wake <= now)
            attempt(r, s);
        while (s->stage == IDLE && start_next(r, s))
            ;
        if (s->stage == WAITING && s->wake < wake)
            wake = s->wake;
    }
    if (!r->exhausted && r->batch->interval > 0 && r->busy < r->batch->width &&
        r->next_start < wake)
        wake = r->next_start;
    int64_t ms = wake == INT64_MAX ? LONGEST_POLL : (wake - now) / MILLION + 1;
    return (int)(ms < 0 ? 0 : ms < LONGEST_POLL ? ms : LONGEST_POLL);
}

static int reap(run *r)
{
    CURLMsg *m;
    int left, reaped = 0;

    while ((m = curl_multi_info_read(r->lane->multi, &left)) != NULL) {
        slot *s = NULL;
        CURLcode code = m->data.result;
        if (m->msg != CURLMSG_DONE)
            continue;
        curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, (char **)&s);
        reaped = 1;
        if (finish(r->lane, s, code))
            end_request(r, s);
    }
    return reaped;
}

/* Does what can be done, waits at most so long for more; 1 when all is done. */
static int step(run *r, int most_ms)
{
    int running, wait = start_all(r);

    if (r->busy == 0 && r->exhausted)
        return 1;
    curl_multi_perform(r->lane->multi, &running);
    if (!reap(r))
        curl_multi_poll(r->lane->multi, NULL, 0, wait < most_ms ? wait : most_ms, NULL);
    return 0;
}

/* Takes a lane as wide as memory allows. */
static int open_run(run *r)
{
    int rc = WSRT_OK;

    r->lane = lane_take(r->a);
    if (r->lane == NULL)
        return WSRT_ERR_NOMEM;
    while (r->lane->count < r->batch->width && rc == WSRT_OK)
        rc = grow(r);
    if (r->lane->count > 0)
        return WSRT_OK;
    lane_give(r->a, r->lane);
    return rc;
}

int wsrt_aws_run(wsrt_aws *a, const wsrt_aws_batch *batch)
{
    run r = {.a = a, .batch = batch};
    int rc = open_run(&r);

    if (rc != WSRT_OK)
        return rc;
    while (!step(&r, LONGEST_POLL))
        ;
    lane_give(a, r.lane);
    return WSRT_OK;
}

/* ---- a batch that nobody waits for ----------------------------------------------------------- */

struct wsrt_aws_job {
    run run;
    wsrt_aws_batch batch;
};

int wsrt_aws_job_begin(wsrt_aws_job **out, wsrt_aws *a, const wsrt_aws_batch *batch)
{
    wsrt_aws_job *j = wsrt_adapter_realloc(&a->allocator, NULL, 0, sizeof *j);

    *out = NULL;
    if (j == NULL)
        return WSRT_ERR_NOMEM;
    j->batch = *batch;
    j->run = (run){.a = a, .batch = &j->batch};
    int rc = open_run(&j->run);
    if (rc == WSRT_OK)
        *out = j;
    else
        wsrt_adapter_realloc(&a->allocator, j, sizeof *j, 0);
    return rc;
}

int wsrt_aws_job_step(wsrt_aws_job *j, int most_ms)
{
    return step(&j->run, most_ms);
}

static void abandon(run *r, slot *s)
{
    if (s->stage == ACTIVE) {
        curl_multi_remove_handle(r->lane->multi, s->easy);
        r->lane->active--;
    }
    if (s->stage != IDLE) {
        s->r.answer.rc = WSRT_ERR_UNAVAILABLE;
        s->r.answer.unsure = 1;
        end_request(r, s);
    }
}

void wsrt_aws_job_end(wsrt_aws_job *j)
{
    if (j == NULL)
        return;
    wsrt_aws *a = j->run.a;
    for (size_t i = 0; i < j->run.lane->count; i++)
        abandon(&j->run, j->run.lane->slots[i]);
    lane_give(a, j->run.lane);
    wsrt_adapter_realloc(&a->allocator, j, sizeof *j, 0);
}

/* ---- a single request ------------------------------------------------------------------------ */

struct single {
    wsrt_aws_request *r;
    int given;
};

static int next_single(void *user, wsrt_aws_request *r)
{
    struct single *one = user;

    if (one->given)
        return 0;
    one->given = 1;
    *r = *one->r;
    return 1;
}

static void done_single(void *user, wsrt_aws_request *r)
{
    struct single *one = user;

    one->r->answer = r->answer;
    r->answer = (wsrt_aws_answer){0}; /* the body has another owner now */
}

int wsrt_aws_ask(wsrt_aws *a, wsrt_aws_request *r)
{
    struct single one = {.r = r};
    const wsrt_aws_batch batch = {next_single, done_single, &one, 1, 0, 0};

    r->answer = (wsrt_aws_answer){0};
    int rc = wsrt_aws_run(a, &batch);
    if (rc != WSRT_OK)
        r->answer.rc = rc;
    return r->answer.rc;
}
