"""The event loop: real `asyncio`, whose select step is the host's `wait`.

Tool calls are the only thing outside to wait for. The host runs them in parallel; a timer costs nothing while it is
waited for. All state is in plain objects. When the host asks for the stack, the program's own loop stops and `run`
returns: then everything that the program is lies in memory, and `go_on` continues it, in this instance or in a copy.
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

# In place of a call's id: the host asks for the stack, because nothing is under way and this wait may be long.
STACK_WANTED = 0xFFFF_FFFF
# The loop of the program itself. Only when nothing but this one waits, the stack can be given back.
program_loop = None


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
    """Blocks until one tool call has ended; returns the reply's bytes, or `None` when the host asks for the stack: then the
    task has to wait in the loop. No task runs meanwhile: those whose calls end wake when the loop goes on."""
    reply = None
    while reply is None:
        for ended, its_reply in _executor.wait(-1):
            if ended == call_id:
                reply = its_reply
            elif ended == STACK_WANTED:
                return None
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
    It is meant for the program itself and called once. Returns as `go_on` does."""
    global program_loop
    program_loop = HostLoop()
    program_loop._main = main = program_loop.create_task(coroutine)
    main._log_destroy_pending = False
    main.add_done_callback(base_events._run_until_complete_cb)
    return go_on()


def go_on():
    """Runs the program until it has ended (`True`), or waits and the host asks for the stack (`False`). Raises what the
    program raises."""
    loop, main = program_loop, program_loop._main
    try:
        loop.run_forever()
        if loop.gives_stack_back and not main.done():
            loop.gives_stack_back = False
            return False
    except BaseException:
        # The caller gets the exception; asyncio need not complain that nobody looked at it.
        if main.done() and not main.cancelled():
            main.exception()
        close(loop)
        raise
    try:
        if not main.done():
            raise RuntimeError("Event loop stopped before Future completed.")
        main.result()
    finally:
        close(loop)
    return True


def close(loop):
    """Cancels what the program has left, and closes its loop."""
    global program_loop
    program_loop = None
    if asyncio.all_tasks(loop):
        # Tasks that wait for each other cannot be cancelled.
        with contextlib.suppress(RecursionError):
            runners._cancel_all_tasks(loop)
    if loop._asyncgens:
        loop.run_until_complete(loop.shutdown_asyncgens())
    loop.close()


def wakes_after():
    """Nanoseconds until the program goes on by itself; `None` if only the end of a call can wake it."""
    if program_loop._ready:
        return 0
    if not program_loop._scheduled:
        return None
    return max(0, math.ceil((program_loop._scheduled[0].when() - program_loop.time()) * 1e9))


class HostLoop(base_events.BaseEventLoop):
    """An event loop of tasks, timers and tool calls; there are no threads, files or sockets to watch."""

    def __init__(self):
        super().__init__()
        self._selector = self
        self._main = None
        self.gives_stack_back = False

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
            future = in_flight.pop(call_id, None)
            if future is not None:
                if not future.done():
                    future.set_result(reply)
            elif call_id == STACK_WANTED and self is program_loop and not self._stopping:
                self.gives_stack_back = self._stopping = True

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


async def run_here(function, *args, **options):
    """What a call of `asyncio.run` at module level becomes: the program's own loop runs the coroutine, so that its stack
    can be given back. Any other function is called as it is."""
    if function is not asyncio.run or options or len(args) != 1 or not asyncio.iscoroutine(args[0]):
        return function(*args, **options)
    loop, before = events.get_running_loop(), asyncio.all_tasks()
    error = value = None
    try:
        error, value = await loop.create_task(contained(args[0]))
    finally:
        left = asyncio.all_tasks() - before
        for task in left:
            task.cancel()
        if left:
            await asyncio.gather(*left, return_exceptions=True)
        if loop._asyncgens:
            await loop.shutdown_asyncgens()
            loop._asyncgens_shutdown_called = False
    if error is not None:
        raise error
    return value


async def contained(coroutine):
    """An exit of the coroutine, or none, and its value: what ends a task like that would end the loop."""
    try:
        return None, await coroutine
    except (SystemExit, KeyboardInterrupt) as error:
        return error, None


def install():
    """Makes `asyncio` use this loop, and `asyncio.run` work where a loop is running already."""
    asyncio.EventLoop = asyncio.SelectorEventLoop = HostLoop
    asyncio.DefaultEventLoopPolicy = HostLoopPolicy
    asyncio.set_event_loop_policy(HostLoopPolicy())
    asyncio.run = runners.run = outside_running_loop(runners.run)
    for name in ("run", "close"):
        setattr(asyncio.Runner, name, outside_running_loop(getattr(asyncio.Runner, name)))
