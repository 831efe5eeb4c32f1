"""The event loop: CPython's `asyncio` with the host's `wait` as its select step.

Tool calls are the only external events. The host runs them in parallel, and waiting for a timer uses no CPU time. All
state is in plain objects. When the host asks for the stack, the program's loop stops and `run` returns. The whole
program is then in linear memory, and `go_on` continues it, in this instance or in a copy.
"""

import asyncio
import contextlib
import functools
import math
from asyncio import base_events, events, runners, tasks

import _executor

DEADLOCK = "deadlock: all tasks are waiting and nothing can wake them"

# Futures of the tool calls in flight, by the host's id. Shared by all loops: with a nested `asyncio.run`, the inner
# loop may receive the reply to a call that a task of the outer one has started.
in_flight = {}

# The id of a completion that belongs to no call: the host asks for the stack, because nothing runs and the wait may be
# long.
STACK_WANTED = 0xFFFF_FFFF
# Seconds. The host does not wait as long.
LONGEST_SLEEP = 1e9
# The loop of the program itself. The stack can be given back only if no nested loop is running.
program_loop = None
# While a program runs `asyncio.run` in its own loop: a future that ends it, if another task exits the program.
exit_of_run = None
# Whether the loop stays for the next program, whose locks, queues and events belong to it.
is_kept = False


def reply_of(call_id):
    """Returns a future of the reply's bytes. `call_id` is a call that the host has accepted."""
    future = in_flight[call_id] = events.get_running_loop().create_future()
    return future


def give_up(call_id):
    """Cancels a call on the host, because nobody waits for it any more. Does nothing if its reply has arrived."""
    if in_flight.pop(call_id, None) is not None:
        _executor.call(b'{"cancel":%d}' % call_id)


def is_idle():
    """Returns whether the running loop has no other ready task, timer or call.

    If so, a task that awaits a tool call can block instead, which saves a turn of the loop.
    """
    loop = events.get_running_loop()
    if type(loop) is not HostLoop or in_flight or loop._ready or loop._scheduled:
        return False
    # A stopping loop must return before the reply comes. An eager task must suspend, so that the task that created it
    # continues.
    return not loop._stopping and loop._task_factory is None


def wait_for(call_id, *, gives_up=False):
    """Blocks until the tool call has ended, and returns the reply's bytes.

    With `gives_up`, returns `None` if the host asks for the stack; the task must then wait in the loop. No task runs in
    the meantime: tasks whose calls end are woken when the loop continues.
    """
    reply = None
    while reply is None:
        for ended, its_reply in _executor.wait(-1):
            if ended == call_id:
                reply = its_reply
            elif ended == STACK_WANTED:
                if gives_up:
                    return None
            else:
                completed(ended, its_reply)
    return reply


def outside_running_loop(function):
    """Lets `function` run a loop inside a running one, which is suspended until `function` returns."""

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
    """Wakes the task that waits for a tool call which has ended."""
    future = in_flight.pop(call_id, None)
    if future is not None and not future.done():
        future.set_result(reply)


def run(coroutine, keeps=False):
    """Runs the program itself, as `asyncio.run` does. Returns what `go_on` returns. `keeps` is as in `guest_program.run`.

    Leaves out what a sandbox does not need: signals, threads, and cleanup when there is nothing to clean up.
    """
    global program_loop, is_kept
    program_loop, is_kept = program_loop or HostLoop(), keeps
    # Named, so that the program's first own task is `Task-1`.
    program_loop._main = main = program_loop.create_task(coroutine, name="program")
    main._log_destroy_pending = False
    main.add_done_callback(base_events._run_until_complete_cb)
    return go_on()


async def run_outside(program):
    """Runs the program's own statements as if they ran outside of any loop. `run_here` runs the loop for them."""
    tasks._unregister_task(asyncio.current_task())
    events._set_running_loop(None)
    try:
        await program
    finally:
        events._set_running_loop(program_loop)


async def run_here(function, *args, **kwargs):
    """Calls `function`, which was written as `asyncio.run` in the program. If it is, its coroutine runs in the program's
    own loop, and the rest is as at the end of `asyncio.run`.
    """
    global exit_of_run
    if function is not asyncio.run or kwargs or len(args) != 1 or not asyncio.iscoroutine(args[0]):
        return function(*args, **kwargs)
    loop = program_loop
    events._set_running_loop(loop)
    exit_of_run = loop.create_future()
    try:
        task = loop.create_task(*args)
        await asyncio.wait((task, exit_of_run), return_when=asyncio.FIRST_COMPLETED)
    finally:
        exited, exit_of_run = exit_of_run, None
        left = [task for task in asyncio.all_tasks() if task.cancel()]
        if left:
            await asyncio.gather(*left, return_exceptions=True)
            report_failures(loop, left)
        if loop._asyncgens:
            await loop.shutdown_asyncgens()
            loop._asyncgens_shutdown_called = False
        forget_all(loop)
        events._set_running_loop(None)
    if exited.done():
        if task.done() and not task.cancelled():
            # Mark the exception as retrieved: it is this one.
            task.exception()
        raise exited.result()
    return task.result()


def report_failures(loop, tasks):
    """Reports exceptions of tasks that were cancelled at the end of a run, as `asyncio.run` does."""
    for task in tasks:
        if not task.cancelled() and task.exception() is not None:
            message = "unhandled exception during asyncio.run() shutdown"
            loop.call_exception_handler({"message": message, "exception": task.exception(), "task": task})


def forget_all(loop):
    """Forgets what a loop has left to do and what a program has set in it, as if it were another one."""
    loop._ready.clear()
    loop._scheduled.clear()
    loop._timer_cancelled_count = 0
    loop.set_task_factory(None)
    loop.set_exception_handler(None)


def go_on():
    """Runs the program until it ends (returns `True`), or until it waits and the host asks for the stack (returns
    `False`). Raises what the program raises.
    """
    loop, main = program_loop, program_loop._main
    try:
        run_on(loop, main)
        if loop.gives_stack_back and not main.done():
            loop.gives_stack_back = False
            return False
    except BaseException:
        # Mark the exception as retrieved, because the caller gets it. Otherwise asyncio would log it.
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


def run_on(loop, main):
    """Runs the loop until it stops. An exit out of `run_here` reaches the program's own statements."""
    while True:
        try:
            return loop.run_forever()
        except (SystemExit, KeyboardInterrupt) as error:
            if main.done() or exit_of_run is None or exit_of_run.done():
                raise
            exit_of_run.set_result(error)


def close(loop):
    """Cancels the program's remaining tasks, and closes its loop unless it is kept."""
    global program_loop
    if not is_kept:
        program_loop = None
    if asyncio.all_tasks(loop):
        # Cancelling tasks that wait for each other recurses without end.
        with contextlib.suppress(RecursionError):
            runners._cancel_all_tasks(loop)
    if loop._asyncgens:
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop._asyncgens_shutdown_called = False
    if not is_kept:
        loop.close()


def wakes_after():
    """Returns the nanoseconds until a timer wakes the program, `None` if only the end of a call can wake it."""
    if program_loop._ready:
        return 0
    if not program_loop._scheduled:
        return None
    return max(0, math.ceil(min(program_loop._scheduled[0].when() - program_loop.time(), LONGEST_SLEEP) * 1e9))


class HostLoop(base_events.BaseEventLoop):
    """An event loop of tasks, timers and tool calls; there are no threads, files or sockets to watch."""

    def __init__(self):
        super().__init__()
        self._selector = self
        self._main = None
        self.gives_stack_back = False

    def select(self, timeout):
        """Waits up to `timeout` seconds (`None`: no limit) for tool calls to complete."""
        if in_flight:
            return _executor.wait(-1 if timeout is None else math.ceil(timeout * 1e9))
        if timeout is None:
            self._break_deadlock()
        elif timeout > 0:
            return _executor.wait(math.ceil(timeout * 1e9))
        return ()

    def call_soon(self, callback, *args, context=None):
        """Does what the base class does, without its debug mode. It is called several times for each tool call."""
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
        """Fails the future that the main task waits for: the execution ends at once, and the traceback shows the line
        that waits.
        """
        waited_for, tasks = self._main, set()
        while isinstance(waited_for, asyncio.Task) and waited_for not in tasks:
            tasks.add(waited_for)
            waited_for = waited_for._fut_waiter
        # There is no such future, or the tasks wait for each other: the error cannot be raised in any of them.
        if waited_for is None or waited_for in tasks or waited_for.done():
            raise RuntimeError(DEADLOCK)
        waited_for.set_exception(RuntimeError(DEADLOCK))

    def _check_running(self):
        if self.is_running():
            raise RuntimeError("This event loop is already running")

    run_forever = outside_running_loop(base_events.BaseEventLoop.run_forever)

    def run_until_complete(self, future):
        """Does what the base class does, and keeps the task for `_break_deadlock`."""
        self._check_closed()
        self._check_running()
        self._main = asyncio.ensure_future(future, loop=self)
        if self._main is not future:
            self._main._log_destroy_pending = False
        try:
            return super().run_until_complete(self._main)
        finally:
            # Mark the exception as retrieved, because the caller gets it. Otherwise asyncio would log it.
            if self._main.done() and not self._main.cancelled():
                self._main.exception()

    def run_in_executor(self, executor, func, *args):
        """Runs `func` at once, because there are no threads, and returns a future that is done."""
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
        """Does nothing: there are no other threads that could wake the loop."""

    async def _refuse_socket(self, *args, **kwargs):
        raise OSError("sockets do not exist in this sandbox")

    async def _refuse_process(self, *args, **kwargs):
        raise OSError("processes do not exist in this sandbox")

    getaddrinfo = create_connection = create_server = create_datagram_endpoint = _refuse_socket
    subprocess_exec = subprocess_shell = _refuse_process


class HostLoopPolicy(events.BaseDefaultEventLoopPolicy):
    """Creates a `HostLoop` for every new loop."""

    _loop_factory = HostLoop


def install():
    """Makes `asyncio` use this loop, and lets `asyncio.run` work while a loop is running."""
    asyncio.EventLoop = asyncio.SelectorEventLoop = HostLoop
    asyncio.DefaultEventLoopPolicy = HostLoopPolicy
    asyncio.set_event_loop_policy(HostLoopPolicy())
    asyncio.run = runners.run = outside_running_loop(runners.run)
    for name in ("run", "close"):
        setattr(asyncio.Runner, name, outside_running_loop(getattr(asyncio.Runner, name)))
