#include <wsrt/auth.h>
