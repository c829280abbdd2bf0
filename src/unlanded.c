/* Placeholders, weak, for rooms that are still being built, so that the others link and run. */
#include <wsrt/wsrt.h>

#include <string.h>
#pragma GCC diagnostic ignored "-Wunused-parameter"
#pragma GCC diagnostic ignored "-Wcast-qual"
#define W __attribute__((weak, visibility("default")))
static char thing;
W void wsrt_slot_json(const wsrt_slot *s, wsrt_json *o){}
W int wsrt_schema_slot(const wsrt_schema *s, const char *n){return WSRT_ERR_NOT_FOUND;}
W int wsrt_schema_slot_count(const wsrt_schema *s){return 0;}
W size_t wsrt_schema_scratch(const wsrt_schema *s, const wsrt_validate_options *o){return 16;}
W int wsrt_validate(const wsrt_schema *s, const void *m, size_t l, const wsrt_validate_options *o, wsrt_validation *v){return WSRT_OK;}
W int wsrt_schema_builtin(wsrt_schema **o, const char *n, const wsrt_schema_options *p){*o=(wsrt_schema*)&thing;return WSRT_OK;}
W void wsrt_schema_free(wsrt_schema *s){}
W const char *wsrt_issue_code_name(int c){return "unknown";}
W int wsrt_issue_pointer(const wsrt_schema *s, const void *m, size_t ml, const wsrt_issue *i, uint32_t f, char *d, size_t c, size_t *l){*d=0;return WSRT_OK;}
W void wsrt_issues_write(wsrt_json_writer *w, const wsrt_schema *s, const void *m, size_t l, const wsrt_validation *v){}
W int wsrt_schema_new(wsrt_schema **o, const void *j, size_t l, const wsrt_schema_options *p, wsrt_schema_error *w){return WSRT_ERR_UNSUPPORTED;}
W int wsrt_schema_builtin_text(const char *n, wsrt_span *o){return WSRT_ERR_NOT_FOUND;}
W const char *wsrt_schema_code_name(int c){return "schema_unknown";}
W int wsrt_issue_schema_pointer(const wsrt_schema *s, const wsrt_issue *i, char *d, size_t c, size_t *l){*d=0;return WSRT_OK;}
