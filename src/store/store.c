#include <wsrt/store.h>
