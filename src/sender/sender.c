#include <wsrt/sender.h>
