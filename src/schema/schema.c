#include <wsrt/schema.h>
