#include "suite.h"

#include <stdio.h>

int main(void)
{
    SRunner *runner = srunner_create(suite());

    setvbuf(stdout, NULL, _IOLBF, 0);
    srunner_set_tap(runner, "-");
    srunner_run_all(runner, CK_SILENT);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
