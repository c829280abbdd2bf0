#include <wsrt/message.h>
