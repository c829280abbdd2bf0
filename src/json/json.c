#include <wsrt/json.h>
