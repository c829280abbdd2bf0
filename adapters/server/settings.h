/* The options of a server that a reload cannot change, checked, with every default filled in and all
 * text copied. */
#ifndef WSRT_SERVER_SETTINGS_H
#define WSRT_SERVER_SETTINGS_H

#include "server/text.h"

#include <wsrt/server.h>

typedef struct wsrt_settings {
    wsrt_allocator mem;
    wsrt_env env;
    wsrt_texts listen;
    wsrt_texts admin;
    wsrt_span stage;
    wsrt_span app;
    void *block; /* holds all text */
    size_t block_size;
    uint32_t flags;
    uint32_t loops;
    uint32_t workers;
    int has_tls;
    void (*pulse)(void *user); /* NULL = none */
    void *pulse_user;
    int64_t pulse_ns;
    wsrt_feed *feed; /* NULL = none */
    const wsrt_server_document *documents;
    size_t document_count;
    const wsrt_server_action *actions;
    size_t action_count;
    wsrt_server_state_fn state; /* NULL = none */
    void *state_user;
} wsrt_settings;

/* WSRT_OK, or nothing is held: WSRT_ERR_INVALID, WSRT_ERR_UNSUPPORTED, WSRT_ERR_NOMEM; then
 * `*wrong_cstr` names the setting, as the options do. */
int wsrt_server_settings_load(wsrt_settings *out, wsrt_runtime *rt, const wsrt_server_options *o,
                              const char **wrong_cstr);
void wsrt_server_settings_free(wsrt_settings *s);

/* Whether numbers and flags may be as they are. */
int wsrt_server_settings_judge(const wsrt_server_options *o, const char **wrong_cstr);

/* Reads a size-first struct of the caller over zeroes, as base.h says. */
int wsrt_server_options_read(void *out, size_t known, const void *given);

#endif
