/* Manual control and live reconfiguration of one breaker. */
#include "breaker/breaker_internal.h"

static const int64_t wait_max = (int64_t)30 * 24 * 3600 * 1000;

static int commanded_state(int command)
{
    switch (command) {
    case WSRT_BREAKER_TRIP:
        return WSRT_BREAKER_OPEN;
    case WSRT_BREAKER_FORCE_OPEN:
        return WSRT_BREAKER_FORCED_OPEN;
    case WSRT_BREAKER_DISABLE:
        return WSRT_BREAKER_DISABLED;
    case WSRT_BREAKER_OBSERVE_ONLY:
        return WSRT_BREAKER_METRICS_ONLY;
    default:
        return WSRT_BREAKER_CLOSED;
    }
}

int wsrt_breaker_control(wsrt_breaker *b, int command, int64_t wait_ms, int64_t now)
{
    if (b == NULL || command < WSRT_BREAKER_RESET || command > WSRT_BREAKER_OBSERVE_ONLY ||
        wait_ms < -1 || wait_ms > wait_max || (wait_ms != 0 && command != WSRT_BREAKER_TRIP))
        return WSRT_ERR_INVALID;
    const struct settings *s = breaker_settings(b);
    uint64_t word;
    struct move m = {.state = commanded_state(command),
                     .kind = WSRT_BREAKER_EVENT_TRANSITION,
                     .cause = WSRT_CAUSE_COMMAND,
                     .t = breaker_time(s, now)};

    if (command == WSRT_BREAKER_TRIP) {
        m.wait_ms = wait_ms > 0 ? wait_ms : wait_ms < 0 ? 0 : wsrt_breaker_wait(s, 0);
        m.deadline = deadline_after(m.t, m.wait_ms);
    }
    do {
        word = atomic_load(&b->word);
        m.counts = wsrt_breaker_counts(b, s, word, m.t);
        m.freeze = m.state == WSRT_BREAKER_OPEN || m.state == WSRT_BREAKER_FORCED_OPEN;
    } while (!wsrt_breaker_move(b, word, &m));
    return WSRT_OK;
}
