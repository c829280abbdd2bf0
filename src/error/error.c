#include <wsrt/error.h>
