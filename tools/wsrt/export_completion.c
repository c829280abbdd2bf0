/* Completion of the command line, from the option table. */
#include "export.h"

#include <string.h>

static int is_file(const struct option_row *row)
{
    return row->argument != NULL && strcmp(row->argument, "FILE") == 0;
}

/* Text with a backslash before each character of `special`, and quoted as the shell has it. */
static void put_escaped(struct export_text *t, const char *text, const char *special,
                        const char *quote)
{
    for (; *text != '\0'; text++) {
        if (*text == '\'')
            text_put(t, quote);
        else {
            if (strchr(special, *text) != NULL)
                text_put(t, "\\");
            text_sink(t, text, 1);
        }
    }
}

/* "a|b" as "a b". */
static void put_words(struct export_text *t, const char *choices)
{
    for (; *choices != '\0'; choices++)
        text_sink(t, *choices == '|' ? " " : choices, 1);
}

/* The words that a command's operand may be: those of its help text that stand for themselves. */
static size_t put_operands(struct export_text *t, const struct command *c)
{
    const char *p = c->operands;
    size_t count = 0;

    while (*p != '\0') {
        size_t len = strcspn(p, "| []");
        if (*p >= 'a' && *p <= 'z') {
            text_put(t, count++ > 0 ? " " : "");
            text_span(t, (wsrt_span){p, len});
        }
        p += len + (p[len] != '\0');
    }
    return count;
}

static int takes_file(const struct command *c)
{
    return strstr(c->operands, "FILE") != NULL;
}

static void put_commands(struct export_text *t)
{
    for (size_t i = 0; i < wsrt_command_count; i++) {
        text_put(t, wsrt_commands[i].name);
        text_put(t, " ");
    }
    text_put(t, "help");
}

/* ---- bash ---- */

/* What may follow an option; files are what bash offers where nothing does. */
static void bash_value(struct export_text *t, const struct option_row *row)
{
    text_put(t, "        --");
    text_put(t, row->name);
    if (row->letter != 0) {
        text_put(t, "|-");
        text_sink(t, &row->letter, 1);
    }
    text_put(t, ") ");
    if (row->kind == OPTION_CHOICE) {
        text_put(t, "words=\"");
        put_words(t, row->argument);
        text_put(t, "\" ;;\n");
    } else {
        text_put(t, is_file(row) ? "return ;;\n" : "compopt +o default; return ;;\n");
    }
}

static void bash_command(struct export_text *t, const struct command *c)
{
    text_put(t, "    ");
    text_put(t, c->name);
    text_put(t, ")\n        case $before in\n");
    for (size_t i = 0; i < option_count(c); i++)
        if (option_row(c, i)->kind != OPTION_FLAG && !option_row(c, i)->no_flag)
            bash_value(t, option_row(c, i));
    text_put(t, "        *) words=\"");
    if (put_operands(t, c) > 0)
        text_put(t, " ");
    for (size_t i = 0; i < option_count(c); i++) {
        if (option_row(c, i)->no_flag)
            continue;
        text_put(t, "--");
        text_put(t, option_row(c, i)->name);
        text_put(t, " ");
    }
    text_put(t, "--help\" ;;\n        esac ;;\n");
}

int export_completion_bash(const struct export_model *m, struct export_text *out)
{
    (void)m;
    text_put(out,
             "# Completion of wsrt for bash: source it, or put it where bash-completion looks.\n"
             "_wsrt() {\n"
             "    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]} words=\n"
             "    COMPREPLY=()\n"
             "    [ \"$COMP_CWORD\" != 1 ] || words=\"");
    put_commands(out);
    text_put(out, "\"\n    [ \"$COMP_CWORD\" = 1 ] || case ${COMP_WORDS[1]} in\n");
    for (size_t i = 0; i < wsrt_command_count; i++)
        bash_command(out, &wsrt_commands[i]);
    text_put(out, "    esac\n"
                  "    mapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$word\")\n"
                  "}\n"
                  "complete -o default -F _wsrt wsrt\n");
    return 0;
}

/* ---- zsh ---- */

/* `'--name=`, `'*--name=` where it may be repeated, `{-n,--name=}'` where it has a letter. */
static void zsh_names(struct export_text *t, const struct option_row *row)
{
    if (row->letter != 0) {
        text_put(t, "{-");
        text_sink(t, &row->letter, 1);
        text_put(t, row->kind == OPTION_FLAG ? "," : "+,");
    } else {
        text_put(t, row->kind == OPTION_LIST ? "'*" : "'");
    }
    text_put(t, "--");
    text_put(t, row->name);
    text_put(t, row->kind == OPTION_FLAG ? "" : "=");
    text_put(t, row->letter != 0 ? "}'" : "");
}

static void zsh_option(struct export_text *t, const struct option_row *row)
{
    text_put(t, "            ");
    zsh_names(t, row);
    text_put(t, "[");
    put_escaped(t, row->help, "[]:\\", "'\\''");
    text_put(t, "]");
    if (row->kind != OPTION_FLAG) {
        text_put(t, ":");
        put_escaped(t, row->kind == OPTION_CHOICE ? row->name : row->argument, ":\\", "'\\''");
        text_put(t, ":");
    }
    if (row->kind == OPTION_CHOICE) {
        text_put(t, "(");
        put_words(t, row->argument);
        text_put(t, ")");
    }
    text_put(t, is_file(row) ? "_files' \\\n" : "' \\\n");
}

static void zsh_command(struct export_text *t, const struct command *c)
{
    text_put(t, "    ");
    text_put(t, c->name);
    text_put(t, ")\n        _arguments \\\n");
    for (size_t i = 0; i < option_count(c); i++)
        if (!option_row(c, i)->no_flag)
            zsh_option(t, option_row(c, i));
    text_put(t, "            '(- *)'{-h,--help}'[this text]'");
    if (c->operands[0] != '\0') {
        text_put(t, " \\\n            '1:operand:");
        text_put(t, takes_file(c) ? "_files'" : "(");
        put_operands(t, c);
        text_put(t, takes_file(c) ? "" : ")'");
    }
    text_put(t, " ;;\n");
}

int export_completion_zsh(const struct export_model *m, struct export_text *out)
{
    (void)m;
    text_put(out, "#compdef wsrt\n"
                  "# Completion of wsrt for zsh: put it as _wsrt into a folder of $fpath.\n"
                  "_wsrt() {\n"
                  "    if (( CURRENT == 2 )); then\n"
                  "        local -a commands=(\n");
    for (size_t i = 0; i < wsrt_command_count; i++) {
        text_put(out, "            '");
        text_put(out, wsrt_commands[i].name);
        text_put(out, ":");
        put_escaped(out, wsrt_commands[i].summary, ":\\", "'\\''");
        text_put(out, "'\n");
    }
    text_put(out, "        )\n"
                  "        _describe command commands\n"
                  "        return\n"
                  "    fi\n"
                  "    local command=$words[2]\n"
                  "    shift words\n"
                  "    (( CURRENT-- ))\n"
                  "    case $command in\n");
    for (size_t i = 0; i < wsrt_command_count; i++)
        zsh_command(out, &wsrt_commands[i]);
    text_put(out, "    esac\n"
                  "}\n"
                  "_wsrt \"$@\"\n");
    return 0;
}

/* ---- fish ---- */

static void fish_text(struct export_text *t, const char *text)
{
    text_put(t, " -d '");
    put_escaped(t, text, "\\", "\\'");
    text_put(t, "'\n");
}

static void fish_seen(struct export_text *t, const struct command *c)
{
    text_put(t, "complete -c wsrt -n '__fish_seen_subcommand_from ");
    text_put(t, c->name);
    text_put(t, "'");
}

static void fish_option(struct export_text *t, const struct command *c,
                        const struct option_row *row)
{
    fish_seen(t, c);
    text_put(t, " -l ");
    text_put(t, row->name);
    if (row->letter != 0) {
        text_put(t, " -s ");
        text_sink(t, &row->letter, 1);
    }
    if (row->kind == OPTION_CHOICE) {
        text_put(t, " -xa '");
        put_words(t, row->argument);
        text_put(t, "'");
    } else if (row->kind != OPTION_FLAG) {
        text_put(t, is_file(row) ? " -rF" : " -x");
    }
    fish_text(t, row->help);
}

int export_completion_fish(const struct export_model *m, struct export_text *out)
{
    (void)m;
    text_put(out,
             "# Completion of wsrt for fish: put it as wsrt.fish into its folder completions.\n"
             "complete -c wsrt -f\n");
    for (size_t i = 0; i < wsrt_command_count; i++) {
        const struct command *c = &wsrt_commands[i];
        text_put(out, "complete -c wsrt -n __fish_use_subcommand -a ");
        text_put(out, c->name);
        fish_text(out, c->summary);
        fish_seen(out, c);
        text_put(out, takes_file(c) ? " -F -a '" : " -a '");
        put_operands(out, c);
        text_put(out, "'\n");
        for (size_t k = 0; k < option_count(c); k++)
            if (!option_row(c, k)->no_flag)
                fish_option(out, c, option_row(c, k));
    }
    return 0;
}
