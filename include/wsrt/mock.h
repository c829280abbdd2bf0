/**
 * @file mock.h
 * libwsrt-mock: what a test of a handler needs: a clock that stands still, randomness with a seed, a
 * sender that records, a store that fails on request, event builders.
 */
#ifndef WSRT_MOCK_H
#define WSRT_MOCK_H

#include <wsrt/base.h>
#include <wsrt/runtime.h>

#endif
