/* Reading the file of --config: a reader that knows the JSON Pointer of where it is, for complaints. */
#ifndef WSRT_TOOL_EXPORT_CONFIG_H
#define WSRT_TOOL_EXPORT_CONFIG_H

#include "export.h"

enum { CONFIG_POINTER = 1024 };

struct config_reader {
    struct export_model *model;
    const char *path;
    char pointer[CONFIG_POINTER];
    size_t len;
};

struct config_member {
    const char *name;
    int (*read)(struct config_reader *r, const wsrt_json *value, void *into);
};

/* An object to read: what its members are and where they go. */
struct config_object {
    const struct config_member *members;
    size_t count;
    void *into;
    uint32_t seen; /* one bit a member that was there */
};

/* Says what is wrong with the value here; the exit status. */
int config_wrong(const struct config_reader *r, const char *rule);
/* Goes down to a child; what it returns leads back. */
size_t config_enter(struct config_reader *r, wsrt_span name);
size_t config_enter_index(struct config_reader *r, uint64_t index);
void config_leave(struct config_reader *r, size_t before);

/* Each reads a value, or says what is wrong with it; an exit status. */
int config_read_text(struct config_reader *r, const wsrt_json *value, void *into); /* a wsrt_span */
int config_read_whole(struct config_reader *r, const wsrt_json *value, uint32_t least,
                      uint32_t most, uint32_t *out);
int config_read_object(struct config_reader *r, const wsrt_json *json, struct config_object *o);

/* ---- export_widget.c ---- */
int config_read_widgets(struct config_reader *r, const wsrt_json *value, void *into);

#endif
