#include <wsrt/runtime.h>
