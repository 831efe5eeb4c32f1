/* What the host serves of WASI preview 1. */
#ifndef HOST_H
#define HOST_H

#include <stddef.h>
#include <stdint.h>
#include <wasi/api.h>

#define HOST(function) __attribute__((import_module("wasi_snapshot_preview1"), import_name(#function)))

HOST(clock_res_get) int32_t host_clock_res_get(int32_t clock, __wasi_timestamp_t *resolution);
HOST(clock_time_get) int32_t host_clock_time_get(int32_t clock, __wasi_timestamp_t precision, __wasi_timestamp_t *time);
HOST(fd_read) int32_t host_fd_read(int32_t fd, const __wasi_iovec_t *vectors, size_t count, size_t *length);
HOST(fd_write) int32_t host_fd_write(int32_t fd, const __wasi_ciovec_t *vectors, size_t count, size_t *length);
HOST(poll_oneoff)
int32_t host_poll_oneoff(const __wasi_subscription_t *subscriptions, __wasi_event_t *events, size_t count, size_t *happened);
HOST(proc_exit) _Noreturn void host_proc_exit(int32_t status);
HOST(random_get) int32_t host_random_get(uint8_t *bytes, size_t length);
HOST(sched_yield) int32_t host_sched_yield(void);

#endif
