#include <wsrt/mock.h>
