/* What every file of the wsrt tool shares: exit statuses and the one way to complain. */
#ifndef WSRT_TOOL_H
#define WSRT_TOOL_H

enum exit_status {
    TOOL_OK = 0,
    TOOL_UNMET = 1,        /* the condition that was asked for is not met */
    TOOL_USAGE = 2,        /* the command line is wrong */
    TOOL_UNAVAILABLE = 69, /* cannot connect, bind, reach */
    TOOL_INTERNAL = 70,    /* a fault of ours */
    TOOL_NO_CREATE = 73,   /* cannot create a file or socket */
    TOOL_REFUSED = 77,     /* the peer or the system says no */
    TOOL_CONFIG = 78,      /* the settings cannot work */
};

/* Writes `wsrt: …` and a line feed to stderr and returns `status`, so that a caller can return it.
 * Control characters in the text are replaced. */
int complain(int status, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* One line more behind a complaint. */
void advise(const char *text);

/* Complaints go to a function instead, and advice nowhere; NULL = to stderr again. One thread alone. */
void complaints_go_to(void (*take)(void *user, const char *text), void *user);

#endif
