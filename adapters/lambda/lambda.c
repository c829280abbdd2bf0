#include <wsrt/lambda.h>
