/* Where systems keep the certificates of the authorities they trust. */
#ifndef WSRT_ADAPTER_ROOTS_H
#define WSRT_ADAPTER_ROOTS_H

/* The first of the usual PEM files that is there; NULL = none is. */
const char *wsrt_roots_find(int (*is_there)(const char *path));

#endif
