#include <wsrt/server.h>
