import functools
import logging
import time

logging.basicConfig(level=logging.WARNING)


def timed(label=None):
    def decorate(function):
        @functools.wraps(function)
        def wrapper(*args, **kwargs):
            start = time.monotonic()
            try:
                return function(*args, **kwargs)
            finally:
                logging.debug("%s took %.3f", label or function.__name__, time.monotonic() - start)

        wrapper.calls = 0
        return wrapper

    return decorate


def retry(times, exceptions=(Exception,)):
    def decorate(function):
        @functools.wraps(function)
        def wrapper(*args, **kwargs):
            for attempt in range(times):
                try:
                    return function(*args, **kwargs)
                except exceptions as error:
                    last = error
            raise last

        return wrapper

    return decorate


attempts = []


@timed("work")
@retry(3, (ValueError,))
def work(x):
    """Does work."""
    attempts.append(x)
    if len(attempts) < 3:
        raise ValueError("again")
    return x * 10


print(work(4), attempts, work.__name__, work.__doc__)
#> stdout: "40 [4, 4, 4] work Does work.\n"
