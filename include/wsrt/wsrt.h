/**
 * @file wsrt.h
 * The whole core in one include. Adapters have headers of their own: server.h, lambda.h, mock.h.
 */
#ifndef WSRT_WSRT_H
#define WSRT_WSRT_H

#include <wsrt/auth.h>
#include <wsrt/base.h>
#include <wsrt/breaker.h>
#include <wsrt/error.h>
#include <wsrt/json.h>
#include <wsrt/limiter.h>
#include <wsrt/message.h>
#include <wsrt/monitor.h>
#include <wsrt/reconnect.h>
#include <wsrt/resume.h>
#include <wsrt/runtime.h>
#include <wsrt/schema.h>
#include <wsrt/sender.h>
#include <wsrt/store.h>
#include <wsrt/stream.h>

#endif
