#include <wsrt/limiter.h>
