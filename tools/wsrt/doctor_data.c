#define _GNU_SOURCE
#include "cloudwatch.h"
#include "doctor.h"
#include "jwks.h"
#include "tool.h"

#include "common/tls/tls.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

enum { DAY = 86400, DAYS_LEFT = 14, FULL_MIB = 16 };

/* ---- TLS ---- */

static int draw(void *user, void *dst, size_t len)
{
    const wsrt_env *env = user;

    return env->random(env->user, dst, len);
}

/* NULL, or why the pair cannot be served. */
static const char *judge_pair(wsrt_span cert, wsrt_span key)
{
    wsrt_env env = {.struct_size = sizeof env};
    const wsrt_tls_random random = {draw, &env};
    const char *why = "no random bytes";
    wsrt_tls *tls = NULL;
    int rc = wsrt_env_default(&env);

    if (rc == WSRT_OK)
        rc = wsrt_tls_server_new(&tls, &random, NULL, &why);
    if (rc == WSRT_OK)
        rc = wsrt_tls_server_load(tls, cert, key, &why);
    wsrt_tls_free(tls);
    return rc == WSRT_OK ? NULL : why;
}

static void judge_chain(struct doctor *d, const char *path)
{
    wsrt_tls_chain chain;
    const char *why;

    if (wsrt_tls_inspect(wsrt_span_cstr(path), &chain, &why) != WSRT_OK)
        return;
    int64_t days = (chain.ends - (int64_t)time(NULL)) / DAY;
    if (chain.misplaced > 0) {
        findings_add(&d->report, FINDING_FAIL, "tls",
                     "%s: the issuer of certificate %d is not behind it", path, chain.misplaced);
        findings_try(&d->report, "cat server.pem issuer.pem > %s", path);
    } else if (days < DAYS_LEFT) {
        findings_add(&d->report, FINDING_WARN, "tls", "%s ends in %" PRId64 " day%s", path, days,
                     days == 1 ? "" : "s");
        findings_try(&d->report, "certbot renew, then kill -HUP of the server");
    } else if (chain.self_signed || chain.certificates == 1) {
        findings_add(&d->report, FINDING_WARN, "tls",
                     chain.self_signed
                         ? "%s is signed by itself: no browser believes it"
                         : "%s is alone: clients that lack its issuer do not believe it",
                     path);
        findings_try(&d->report, "a certificate of an authority, with its whole chain");
    } else {
        findings_add(&d->report, FINDING_OK, "tls",
                     "%s: %d certificates, good for %" PRId64 " days", path, chain.certificates,
                     days);
    }
}

static void judge_key_file(struct doctor *d, const char *path)
{
    struct stat at;

    if (stat(path, &at) != 0 || (at.st_mode & (S_IRWXO | S_IWGRP)) == 0)
        return;
    findings_add(&d->report, FINDING_WARN, "tls", "%s can be %s", path,
                 (at.st_mode & S_IROTH) != 0 ? "read by everybody" : "changed by others");
    findings_try(&d->report, "chmod 640 %s", path);
}

void doctor_tls(struct doctor *d)
{
    const char *cert = d->settings->tls_cert, *key = d->settings->tls_key;

    if (cert == NULL || key == NULL) {
        findings_add(&d->report, FINDING_OK, "tls", "none");
        return;
    }
    errno = 0;
    const char *why = judge_pair(wsrt_span_cstr(cert), wsrt_span_cstr(key));
    if (why != NULL) {
        int error = errno;
        findings_add(&d->report, FINDING_FAIL, "tls", "%s and %s: %s%s%s", cert, key, why,
                     error == 0 ? "" : ": ", error == 0 ? "" : strerror(error));
        findings_try(&d->report, "openssl x509 -noout -dates -subject -in %s", cert);
        return;
    }
    judge_chain(d, cert);
    judge_key_file(d, key);
}

/* ---- the store ---- */

/* 0, or why no file can be written beside `path`. */
static int try_write(const char *path)
{
    char name[4096];

    if (snprintf(name, sizeof name, "%s.doctor-XXXXXX", path) >= (int)sizeof name)
        return ENAMETOOLONG;
    int fd = mkostemp(name, O_CLOEXEC);
    if (fd < 0)
        return errno;
    int rc = write(fd, "x", 1) == 1 ? 0 : errno;
    close(fd);
    unlink(name);
    return rc;
}

/* 0, or what is wrong with the file itself; one that is missing is made later. */
static int try_database(const char *path, const char **why)
{
    static const char magic[] = "SQLite format 3";
    char head[sizeof magic] = "";
    int fd = open(path, O_RDWR | O_CLOEXEC);

    *why = NULL;
    if (fd < 0)
        return errno == ENOENT ? 0 : errno;
    ssize_t n = read(fd, head, sizeof head);
    close(fd);
    if (n != 0 && (n != sizeof head || memcmp(head, magic, sizeof magic) != 0))
        *why = "is no SQLite database";
    return 0;
}

static void judge_room(struct doctor *d, const char *path)
{
    char folder[4096];
    struct statvfs fs;

    snprintf(folder, sizeof folder, "%s", path);
    char *slash = strrchr(folder, '/');
    if (slash != NULL)
        slash[1] = '\0';
    if (statvfs(slash == NULL ? "." : folder, &fs) != 0)
        return;
    uint64_t mib = (uint64_t)fs.f_bavail * fs.f_frsize >> 20;
    findings_add(&d->report, mib < FULL_MIB ? FINDING_WARN : FINDING_OK, "store",
                 "%s: %" PRIu64 " MiB are free", path, mib);
    if (mib < FULL_MIB)
        findings_try(&d->report, "df -h, and a file system with room");
}

void doctor_store(struct doctor *d)
{
    const char *why, *path = d->settings->store;

    if (strcmp(path, "memory") == 0) {
        findings_add(&d->report, FINDING_OK, "store", "in memory: an end forgets it");
        return;
    }
    path += strlen("sqlite:");
    int error = try_database(path, &why);
    if (error == 0 && why == NULL)
        error = try_write(path);
    if (error == 0 && why == NULL) {
        judge_room(d, path);
        return;
    }
    findings_add(&d->report, FINDING_FAIL, "store", "%s %s", path,
                 why != NULL ? why : strerror(error));
    if (why != NULL)
        findings_try(&d->report, "--store sqlite:ANOTHER.db");
    else
        findings_try(&d->report,
                     "install -d -o \"$USER\" \"$(dirname '%s')\", as the server's user", path);
}

/* ---- keys of tokens ---- */

static void note_refusal(void *doctor, const char *text)
{
    struct doctor *d = doctor;

    findings_add(&d->report, FINDING_FAIL, "jwks", "%s", text);
    findings_try(&d->report, "curl -fsS '%s'", d->settings->jwks);
}

void doctor_keys(struct doctor *d)
{
    const struct serve_settings *s = d->settings;
    const struct jwks_rules rules = {
        .source = s->jwks, .issuer = s->issuer, .audiences = &s->audiences};
    struct jwks_judge *judge = NULL;

    if (s->jwks == NULL) {
        findings_add(&d->report, FINDING_OK, "jwks", "nobody is asked for a token by it");
        return;
    }
    complaints_go_to(note_refusal, d);
    int status = jwks_open(&judge, &rules);
    complaints_go_to(NULL, NULL);
    jwks_close(judge);
    if (status == 0)
        findings_add(&d->report, FINDING_OK, "jwks", "%s has keys", s->jwks);
}

/* ---- metrics ---- */

static void note_silence(void *doctor, const char *text)
{
    struct doctor *d = doctor;

    findings_add(&d->report, FINDING_FAIL, "cloudwatch", "%s", text);
    findings_try(&d->report, strstr(text, "needs ") != NULL
                                 ? "apt install libwsrt-aws0"
                                 : "aws sts get-caller-identity, as the server's user");
}

void doctor_metrics(struct doctor *d)
{
    const char *region = d->settings->cloudwatch;

    if (region == NULL)
        return;
    complaints_go_to(note_silence, d);
    int status = cloudwatch_check(region);
    complaints_go_to(NULL, NULL);
    if (status == 0)
        findings_add(&d->report, FINDING_OK, "cloudwatch", "%s, with credentials", region);
}
