/* A document in memory that grows, for formats whose receivers take whole ones. */
#ifndef WSRT_SRC_MONITOR_DOCUMENT_H
#define WSRT_SRC_MONITOR_DOCUMENT_H

#include "monitor/snapshot.h"

#include <wsrt/json.h>

/* An export under way. */
struct export
{
    const wsrt_snapshot *snapshot;
    const wsrt_export_options *options;
    int64_t began; /* Unix ms of the reading before; 0 = unknown */
    int is_delta;
    int (*write)(const void *data, size_t len, void *user);
    void *user;
};

struct document {
    const wsrt_allocator *allocator;
    char *data;
    size_t len;
    size_t cap;
    wsrt_json_writer json; /* appends to it */
    char buf[256];
};

void wsrt_document_init(struct document *d, const wsrt_allocator *allocator);
void wsrt_document_free(struct document *d);
void wsrt_document_begin(struct document *d); /* empties it and starts a JSON value */
int wsrt_document_end(struct document *d);    /* the writer's status */
int wsrt_document_append(struct document *d, const void *data, size_t len);
int wsrt_document_send(struct document *d, const struct export *e);

/* JSON pieces the formats share. */
void wsrt_json_member(wsrt_json_writer *w, const char *name, wsrt_span value);
void wsrt_json_number(wsrt_json_writer *w, const char *name, double v);
/* As a string; and so where a double could not hold it. */
void wsrt_json_digits(wsrt_json_writer *w, uint64_t v);
void wsrt_json_whole(wsrt_json_writer *w, uint64_t v);
void wsrt_json_count(wsrt_json_writer *w, const char *name, uint64_t v);

static inline int is_finite(double v)
{
    return v - v == 0;
}

/* The formats, each in a file of its own. */
int wsrt_export_page(const struct export *e);
int wsrt_export_dashboard(const struct export *e);
int wsrt_export_emf(const struct export *e);
int wsrt_export_cloudwatch(const struct export *e);
int wsrt_export_otlp(const struct export *e);
int wsrt_export_binary(const struct export *e);

#endif
