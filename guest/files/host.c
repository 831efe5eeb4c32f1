/* What libc asks of WASI preview 1 besides files: the host serves it.
 *
 * All functions of WASI that libc uses are defined in this directory. If one was missing, libc's own definition of it would
 * be linked, and the linker would refuse the others as duplicates: so no function of the host is imported by mistake.
 */
#include "host.h"

__wasi_errno_t
__wasi_clock_res_get(__wasi_clockid_t clock, __wasi_timestamp_t *resolution)
{
    return (__wasi_errno_t)host_clock_res_get((int32_t)clock, resolution);
}

__wasi_errno_t
__wasi_clock_time_get(__wasi_clockid_t clock, __wasi_timestamp_t precision, __wasi_timestamp_t *time)
{
    return (__wasi_errno_t)host_clock_time_get((int32_t)clock, precision, time);
}

__wasi_errno_t
__wasi_poll_oneoff(const __wasi_subscription_t *subscriptions, __wasi_event_t *events, __wasi_size_t count, __wasi_size_t *happened)
{
    return (__wasi_errno_t)host_poll_oneoff(subscriptions, events, count, happened);
}

_Noreturn void
__wasi_proc_exit(__wasi_exitcode_t status)
{
    host_proc_exit((int32_t)status);
}

__wasi_errno_t
__wasi_random_get(uint8_t *bytes, __wasi_size_t length)
{
    return (__wasi_errno_t)host_random_get(bytes, length);
}

__wasi_errno_t
__wasi_sched_yield(void)
{
    return (__wasi_errno_t)host_sched_yield();
}

/* There is no environment. */
__wasi_errno_t
__wasi_environ_sizes_get(__wasi_size_t *count, __wasi_size_t *bytes)
{
    *count = *bytes = 0;
    return __WASI_ERRNO_SUCCESS;
}

__wasi_errno_t
__wasi_environ_get(uint8_t **variables, uint8_t *bytes)
{
    (void)variables, (void)bytes;
    return __WASI_ERRNO_SUCCESS;
}
