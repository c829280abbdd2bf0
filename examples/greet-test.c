#include "greet.h"

#include <stdio.h>
#include <wsrt/mock.h>

int main(void)
{
    wsrt_mock *m = NULL;
    wsrt_runtime *rt = NULL;
    int rc = wsrt_mock_new(&m, NULL);

    rc = rc != WSRT_OK ? rc : wsrt_mock_runtime(&rt, m, NULL);
    rc = rc != WSRT_OK ? rc : greet_add_routes(rt);
    if (rc == WSRT_OK && wsrt_mock_connect(m, rt, "c1", NULL) == 200)
        wsrt_mock_message(m, rt, "c1", "{\"type\":\"greet\"}");
    puts(rc == WSRT_OK ? wsrt_mock_last(m, "c1") : wsrt_status_name(rc));
    wsrt_runtime_free(rt);
    wsrt_mock_free(m);
    return rc == WSRT_OK ? 0 : 1;
}
