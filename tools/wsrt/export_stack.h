/* What `--part functions` deploys: an API of WebSockets, its functions, their roles, and tables. The lists
 * here are what both template languages write. */
#ifndef WSRT_TOOL_EXPORT_STACK_H
#define WSRT_TOOL_EXPORT_STACK_H

#include "export.h"

enum { STACK_VARIABLES = 8, STACK_STATEMENTS = 5, STACK_KEYS = 3 };

/* Texts here may hold placeholders, "@{connections.arn}", which each language has words for. */
struct stack_statement {
    const char *actions; /* with a space between; NULL ends the list */
    const char *resource;
    const char *b_actions; /* in their place where connections have shape B; NULL = the same */
    const char *b_resource;
};

struct stack_function {
    const char *logical;                       /* as in "ConnectFunction" */
    const char *name;                          /* as in "websocket-dev-connect" */
    const char *id;                            /* as in "aws_lambda_function.connect" */
    const char *program;                       /* whose zip it is */
    int memory;                                /* MB */
    int timeout;                               /* s */
    int is_authorizer;                         /* there only where there is authentication */
    int is_integration;                        /* API Gateway calls it for routes */
    const char *variables[STACK_VARIABLES][2]; /* a NULL name ends the list */
    struct stack_statement statements[STACK_STATEMENTS];
};

struct stack_route {
    const char *key;
    const char *logical; /* as in "ConnectRoute" */
    const char *id;
    const struct stack_function *function;
};

struct stack_key {
    const char *attribute;
    const char *type; /* S or N */
};

/* Its first one or two keys are the table's; the rest are an index's. */
struct stack_shape {
    struct stack_key keys[STACK_KEYS]; /* those that exist; each of them once */
    const char *hash;
    const char *range; /* NULL = none */
    const char *index; /* NULL = none */
    const char *index_hash;
    const char *index_range;
};

struct stack_table {
    const char *logical; /* as in "ConnectionsTable" */
    const char *name;
    struct stack_shape shape;   /* of connections: A */
    struct stack_shape shape_b; /* without a hash: the table has one shape */
    int has_stream;
};

struct stack_parameter {
    const char *logical; /* CloudFormation's */
    const char *name;    /* Terraform's */
    const char *fallback;
    const char *description;
    const char *rule; /* a pattern, or the values with | between */
    int is_choice;
    int is_switch; /* on, off; Terraform: bool */
};

struct stack_output {
    const char *logical;
    const char *name;
    const char *text;
};

extern const struct stack_function stack_functions[];
extern const size_t stack_function_count;
extern const struct stack_table stack_tables[];
extern const size_t stack_table_count;
extern const struct stack_parameter stack_parameters[];
extern const size_t stack_parameter_count;
extern const struct stack_output stack_outputs[];
extern const size_t stack_output_count;

/* Routes of a dialect of messages, "message" or "message-action"; their number. */
size_t stack_routes(const char *schema, const struct stack_route **routes);
/* Its route selection expression. */
const char *stack_selection(const char *schema);

enum stack_language { STACK_CLOUDFORMATION, STACK_TERRAFORM };

/* Adds JSON that is written with ' for ", with placeholders in a language's words and `argument` for each
 * %. */
void stack_put(struct export_text *t, const char *raw, const char *argument,
               enum stack_language language);
int stack_has_placeholder(const char *text);
/* Writes a member whose value is the text, which is freed. */
void stack_member(wsrt_json_writer *w, const char *key, struct export_text *value);
/* The same of a template that takes no argument. */
void stack_raw_member(wsrt_json_writer *w, const char *key, const char *raw,
                      enum stack_language language);

/* ---- the members of each section ---- */
void stack_cloudformation_parameters(wsrt_json_writer *w);
void stack_cloudformation_conditions(wsrt_json_writer *w);
void stack_cloudformation_resources(wsrt_json_writer *w, const char *schema);
void stack_cloudformation_outputs(wsrt_json_writer *w);
void stack_terraform_variables(wsrt_json_writer *w);
void stack_terraform_data(wsrt_json_writer *w);
void stack_terraform_resources(wsrt_json_writer *w, const char *schema);
void stack_terraform_outputs(wsrt_json_writer *w);

#endif
