/* The options of a server, checked, with every default filled in and all text copied. */
#ifndef WSRT_SERVER_SETTINGS_H
#define WSRT_SERVER_SETTINGS_H

#include "server/proxy.h"

#include <wsrt/server.h>

typedef struct wsrt_texts {
    wsrt_span *items;
    size_t count;
} wsrt_texts;

typedef struct wsrt_settings {
    wsrt_allocator mem;
    wsrt_env env;
    wsrt_texts listen;
    wsrt_texts admin;
    wsrt_texts hosts;
    wsrt_texts origins;
    wsrt_span stage;
    wsrt_span app;
    wsrt_span tls_cert; /* empty = clear text */
    wsrt_span tls_key;
    wsrt_span management_token;
    wsrt_span management_access_key;
    wsrt_span management_secret_key;
    wsrt_proxies proxies;
    void *block; /* holds all text */
    size_t block_size;
    size_t max_message;
    size_t max_frame;
    int64_t accept_rate; /* a second; 0 = off */
    int64_t drain_ms;
    int64_t queue_soft;
    int64_t queue_hard;
    int64_t queue_total;
    int64_t partial_total;
    uint32_t flags;
    int32_t slow_reader;       /* a wsrt_slow_reader */
    int32_t management;        /* a wsrt_management */
    void (*pulse)(void *user); /* NULL = none */
    void *pulse_user;
    int64_t pulse_ns;
    uint32_t loops;
    uint32_t workers;
    uint32_t max_connections;
    uint32_t max_per_ip; /* UINT32_MAX = off */
    /* Ticks; 0 = off. */
    uint32_t handshake;
    uint32_t idle;
    uint32_t lifetime;
    uint32_t ping;
    uint32_t pong;
    uint32_t keep_alive;
    uint32_t body;
    uint32_t message;
    uint32_t close;
    uint32_t stall;
    uint32_t sign_in;
    int64_t expired_ms; /* -1 = never */
    wsrt_feed *feed;    /* NULL = none */
    const wsrt_server_document *documents;
    size_t document_count;
    const wsrt_server_action *actions;
    size_t action_count;
    wsrt_server_state_fn state; /* NULL = none */
    void *state_user;
} wsrt_settings;

/* WSRT_OK, or nothing is held: WSRT_ERR_INVALID, WSRT_ERR_UNSUPPORTED, WSRT_ERR_NOMEM. */
int wsrt_server_settings_load(wsrt_settings *out, wsrt_runtime *rt,
                              const wsrt_server_options *given);
void wsrt_server_settings_free(wsrt_settings *s);

/* Reads a size-first struct of the caller over zeroes, as base.h says. */
int wsrt_server_options_read(void *out, size_t known, const void *given);

#endif
