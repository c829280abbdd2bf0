#include <wsrt/breaker.h>
