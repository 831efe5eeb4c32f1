# No other thread could end any of these waits: each fails at once or runs into its timeout.
import _thread
import concurrent.futures
import queue
import threading
import time

held = threading.Lock()
held.acquire()
recursive = _thread.RLock()
recursive.acquire()
future = concurrent.futures.Future()
full = queue.Queue(1)
full.put(1)
said = []
begun = time.monotonic()
for wait in (
    held.acquire,
    lambda: recursive._acquire_restore((1, 5)),
    threading.Event().wait,
    threading.Barrier(2).wait,
    threading.Semaphore(0).acquire,
    queue.Queue().get,
    queue.SimpleQueue().get,
    queue.LifoQueue().get,
    full.join,
    lambda: full.put(2),
    future.result,
    future.exception,
    lambda: concurrent.futures.wait([future]),
    lambda: list(concurrent.futures.as_completed([future])),
    lambda: held.acquire(timeout=0.001),
    lambda: threading.Event().wait(0.001),
    lambda: queue.SimpleQueue().get(timeout=0.001),
    lambda: queue.Queue().get(timeout=0.001),
    lambda: future.result(timeout=0.001),
    lambda: held.acquire(False),
    lambda: threading.Thread(target=print).start(),
    lambda: threading.main_thread().join(),
):
    try:
        said.append(str(wait()))
    except BaseException as error:
        said.append(f"{type(error).__name__} {error}".partition(":")[0])
said.append(0.005 <= time.monotonic() - begun < 5)
said
#> class: "self denial of service"
#> outcome: ["completed"]
#> rejected: true
#> value: ["RuntimeError deadlock", "RuntimeError deadlock", "RuntimeError deadlock", "RuntimeError deadlock", "RuntimeError deadlock", "RuntimeError deadlock", "RuntimeError deadlock", "RuntimeError deadlock", "RuntimeError deadlock", "RuntimeError deadlock", "RuntimeError deadlock", "RuntimeError deadlock", "RuntimeError deadlock", "RuntimeError deadlock", "False", "False", "Empty ", "Empty ", "TimeoutError ", "False", "RuntimeError can't start new thread", "RuntimeError cannot join current thread", true]
