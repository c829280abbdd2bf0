#include <wsrt/monitor.h>
