"""`concurrent.futures` without threads and processes: an executor runs each call at once, in the caller's thread."""

import concurrent.futures
import concurrent.futures.thread
from concurrent.futures import _base


class InlineExecutor(_base.Executor):
    """Runs each submitted call before `submit` returns. The future has then its result or its exception."""

    def __init__(self, max_workers, initializer, initargs):
        if max_workers is not None and max_workers <= 0:
            raise ValueError("max_workers must be greater than 0")
        if initializer is not None and not callable(initializer):
            raise TypeError("initializer must be a callable")
        self._initializer, self._initargs = initializer, initargs
        self._is_shut_down = False

    def submit(self, fn, /, *args, **kwargs):
        if self._is_shut_down:
            raise RuntimeError("cannot schedule new futures after shutdown")
        initializer, self._initializer = self._initializer, None
        if initializer is not None:
            initializer(*self._initargs)
        future = _base.Future()
        future.set_running_or_notify_cancel()
        try:
            result = fn(*args, **kwargs)
        except BaseException as error:
            future.set_exception(error)
        else:
            future.set_result(result)
        return future

    def shutdown(self, wait=True, *, cancel_futures=False):
        self._is_shut_down = True


class ThreadPoolExecutor(InlineExecutor):
    """Replaces the executor of threads."""

    def __init__(self, max_workers=None, thread_name_prefix="", initializer=None, initargs=()):
        super().__init__(max_workers, initializer, initargs)


class ProcessPoolExecutor(InlineExecutor):
    """Replaces the executor of processes."""

    def __init__(self, max_workers=None, mp_context=None, initializer=None, initargs=(), *, max_tasks_per_child=None):
        super().__init__(max_workers, initializer, initargs)


def install():
    """Replaces the executors of `concurrent.futures`."""
    for executor in (ThreadPoolExecutor, ProcessPoolExecutor):
        executor.__module__ = "concurrent.futures"
        setattr(concurrent.futures, executor.__name__, executor)
    # `asyncio` looks it up here.
    concurrent.futures.thread.ThreadPoolExecutor = ThreadPoolExecutor
