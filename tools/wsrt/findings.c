#include "findings.h"

#include <wsrt/json.h>

#include <stdarg.h>
#include <stdio.h>

static const char *const levels[] = {"ok", "warn", "fail"};

__attribute__((format(printf, 2, 0))) static void put(char *dst, const char *format, va_list args)
{
    vsnprintf(dst, FINDING_TEXT, format, args);
    for (; *dst != '\0'; dst++)
        if ((unsigned char)*dst < 0x20 || *dst == 0x7f)
            *dst = '?';
}

void findings_add(struct findings *r, enum finding_level level, const char *check,
                  const char *format, ...)
{
    va_list args;

    if (r->count == FINDINGS_MOST)
        return;
    struct finding *f = &r->items[r->count++];
    f->level = level;
    f->check = check;
    f->remedy[0] = '\0';
    va_start(args, format);
    put(f->text, format, args);
    va_end(args);
}

void findings_try(struct findings *r, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    if (r->count > 0)
        put(r->items[r->count - 1].remedy, format, args);
    va_end(args);
}

size_t findings_count(const struct findings *r, enum finding_level level)
{
    size_t count = 0;

    for (size_t i = 0; i < r->count; i++)
        count += r->items[i].level == level;
    return count;
}

void findings_print_text(const struct findings *r)
{
    for (size_t i = 0; i < r->count; i++) {
        const struct finding *f = &r->items[i];
        printf("%-5s %-11s %s%s%s\n", levels[f->level], f->check, f->text,
               f->remedy[0] == '\0' ? "" : "; try: ", f->remedy);
    }
}

static int print(void *file, const void *bytes, size_t len)
{
    return fwrite(bytes, 1, len, file) == len ? WSRT_OK : WSRT_ERR_IO;
}

static void put_text(wsrt_json_writer *w, const char *name, const char *text)
{
    wsrt_json_key(w, name);
    wsrt_json_string_cstr(w, text);
}

void findings_print_json(const struct findings *r)
{
    char piece[1024];
    wsrt_json_writer w;

    wsrt_json_writer_sink(&w, piece, sizeof piece, WSRT_JSON_REPLACE_UTF8, print, stdout);
    wsrt_json_object(&w);
    wsrt_json_key(&w, "failed");
    wsrt_json_write_uint64(&w, findings_count(r, FINDING_FAIL));
    wsrt_json_key(&w, "warned");
    wsrt_json_write_uint64(&w, findings_count(r, FINDING_WARN));
    wsrt_json_key(&w, "checks");
    wsrt_json_array(&w);
    for (size_t i = 0; i < r->count; i++) {
        wsrt_json_object(&w);
        put_text(&w, "check", r->items[i].check);
        put_text(&w, "result", levels[r->items[i].level]);
        put_text(&w, "text", r->items[i].text);
        put_text(&w, "try", r->items[i].remedy);
        wsrt_json_object_end(&w);
    }
    wsrt_json_array_end(&w);
    wsrt_json_object_end(&w);
    (void)wsrt_json_finish(&w, NULL); /* main sees that stdout failed */
    putchar('\n');
}
