/* fault-proxy PORT SEED: says its own port, then takes the names of faults on stdin, until its end. */
#include "fault_proxy.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int main(int argc, char **argv)
{
    char line[64];

    if (argc != 3)
        return 2;
    struct fault_proxy *p = fault_proxy_start(atoi(argv[1]), strtoull(argv[2], NULL, 10));
    printf("%d\n", fault_proxy_port(p));
    fflush(stdout);
    while (fgets(line, sizeof line, stdin) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        for (int i = 0; i < FAULTS; i++)
            if (strcmp(fault_name(i), line) == 0)
                fault_proxy_set(p, (enum fault)i);
        puts("ok");
        fflush(stdout);
    }
    fault_proxy_stop(p);
    return 0;
}
