"""The event loop: real `asyncio`, whose select step is the host's `wait`.

Tool calls are the only thing outside to wait for. The host runs them in parallel; a timer costs nothing while it is
waited for. All state is in plain objects and the only place that blocks is `HostLoop.select`, so that a waiting
execution could be written down and continued elsewhere.
"""

import asyncio
import contextlib
import functools
import math
from asyncio import base_events, events, runners

import _executor

DEADLOCK = "deadlock: all tasks are waiting and nothing can wake them"

# Futures of the tool calls in flight, by the host's id. Shared by all loops: with a nested `asyncio.run`, the inner
# loop may be told of a call that a task of the outer one has started.
in_flight = {}


def reply_of(call_id):
    """A future of the reply's bytes to a call that the host has taken."""
    future = in_flight[call_id] = events.get_running_loop().create_future()
    return future


def give_up(call_id):
    """Ends a call on the host, unless its reply is here already: nobody waits for it any more."""
    if in_flight.pop(call_id, None) is not None:
        _executor.call(b'{"cancel":%d}' % call_id)


def is_idle():
    """Whether the running loop has nothing to do until the next tool call ends: no other task, timer or call. What then
    awaits a call may as well block."""
    loop = events.get_running_loop()
    if type(loop) is not HostLoop or in_flight or loop._ready or loop._scheduled:
        return False
    # A loop that stops does so before the reply comes, and an eager task lets the one that made it go on.
    return not loop._stopping and loop._task_factory is None


def wait_for(call_id):
    """Blocks until one tool call has ended; returns the reply's bytes. No task runs meanwhile: those whose calls end wake
    when the loop goes on."""
    reply = None
    while reply is None:
        for ended, its_reply in _executor.wait(-1):
            if ended == call_id:
                reply = its_reply
            else:
                completed(ended, its_reply)
    return reply


def outside_running_loop(function):
    """Lets `function` run a loop although one is running: that one stands still until it returns."""

    @functools.wraps(function)
    def call(*args, **kwargs):
        outer = events._get_running_loop()
        events._set_running_loop(None)
        try:
            return function(*args, **kwargs)
        finally:
            events._set_running_loop(outer)

    return call


def completed(call_id, reply):
    """Wakes the task whose tool call has ended."""
    future = in_flight.pop(call_id, None)
    if future is not None and not future.done():
        future.set_result(reply)


def run(coroutine):
    """As `asyncio.run`, without what is not needed here: signals, threads, and loops and tasks that find nothing to do.
    It is meant for the program itself and called once."""
    loop = HostLoop()
    try:
        return loop.run_until_complete(coroutine)
    finally:
        if asyncio.all_tasks(loop):
            # Tasks that wait for each other cannot be cancelled.
            with contextlib.suppress(RecursionError):
                runners._cancel_all_tasks(loop)
        if loop._asyncgens:
            loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()


class HostLoop(base_events.BaseEventLoop):
    """An event loop of tasks, timers and tool calls; there are no threads, files or sockets to watch."""

    def __init__(self):
        super().__init__()
        self._selector = self
        self._main = None

    def select(self, timeout):
        """Waits `timeout` seconds (None: without limit) for tool calls to complete."""
        if in_flight:
            return _executor.wait(-1 if timeout is None else math.ceil(timeout * 1e9))
        if timeout is None:
            self._break_deadlock()
        elif timeout > 0:
            return _executor.wait(math.ceil(timeout * 1e9))
        return ()

    def call_soon(self, callback, *args, context=None):
        """As in the base class, without its debug mode: this is called several times for each call of a tool."""
        if self._closed:
            self._check_closed()
        handle = events.Handle(callback, args, self, context)
        self._ready.append(handle)
        return handle

    def _process_events(self, event_list):
        for call_id, reply in event_list:
            completed(call_id, reply)

    def _break_deadlock(self):
        """Fails what the main task waits for, so that the caller gets an answer now and the user's line shows."""
        waited_for, tasks = self._main, set()
        while isinstance(waited_for, asyncio.Task) and waited_for not in tasks:
            tasks.add(waited_for)
            waited_for = waited_for._fut_waiter
        # Nothing there, or tasks that wait for each other: then it cannot be raised in any of them.
        if waited_for is None or waited_for in tasks or waited_for.done():
            raise RuntimeError(DEADLOCK)
        waited_for.set_exception(RuntimeError(DEADLOCK))

    def _check_running(self):
        if self.is_running():
            raise RuntimeError("This event loop is already running")

    run_forever = outside_running_loop(base_events.BaseEventLoop.run_forever)

    def run_until_complete(self, future):
        """As in the base class; keeps the task for the case that nothing can wake it."""
        self._check_closed()
        self._check_running()
        self._main = asyncio.ensure_future(future, loop=self)
        if self._main is not future:
            self._main._log_destroy_pending = False
        try:
            return super().run_until_complete(self._main)
        finally:
            # The caller gets the exception; asyncio need not complain that nobody looked at it.
            if self._main.done() and not self._main.cancelled():
                self._main.exception()

    def run_in_executor(self, executor, func, *args):
        """There are no threads: runs `func` at once and returns a future that is done."""
        self._check_closed()
        future = self.create_future()
        try:
            future.set_result(func(*args))
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as error:
            future.set_exception(error)
        return future

    def _write_to_self(self):
        """Nothing can call from another thread, so there is nothing to wake."""

    async def _refuse_socket(self, *args, **kwargs):
        raise OSError("sockets do not exist in this sandbox")

    async def _refuse_process(self, *args, **kwargs):
        raise OSError("processes do not exist in this sandbox")

    getaddrinfo = create_connection = create_server = create_datagram_endpoint = _refuse_socket
    subprocess_exec = subprocess_shell = _refuse_process


class HostLoopPolicy(events.BaseDefaultEventLoopPolicy):
    """Makes every new loop one of ours."""

    _loop_factory = HostLoop


def install():
    """Makes `asyncio` use this loop, and `asyncio.run` work where a loop is running already."""
    asyncio.EventLoop = asyncio.SelectorEventLoop = HostLoop
    asyncio.DefaultEventLoopPolicy = HostLoopPolicy
    asyncio.set_event_loop_policy(HostLoopPolicy())
    asyncio.run = runners.run = outside_running_loop(runners.run)
    for name in ("run", "close"):
        setattr(asyncio.Runner, name, outside_running_loop(getattr(asyncio.Runner, name)))
