"""Refreshes state that the snapshot froze and that every run must have anew.

Most of it is the seed of `random`. Seeding takes a quarter of a small program's run time, so it is deferred until the
program imports a module that may need it: a program cannot reach that state without such an import. The time at which
`logging` started is refreshed when it is imported.
"""

import functools
import logging
import os
import random
import sys
import time
import uuid

# Modules that neither hold such state nor give access to a module that does.
STATELESS = frozenset(
    "__future__ abc argparse array ast asyncio base64 binascii bisect calendar cmath codecs collections colorsys"
    " concurrent contextlib contextvars copy csv dataclasses datetime decimal difflib enum fractions functools graphlib"
    " hashlib heapq hmac html inspect io ipaddress itertools json keyword math numbers operator pprint queue re"
    " secrets string struct textwrap time timeit tomllib traceback types typing unicodedata urllib warnings weakref"
    " xml zlib zoneinfo".split()
)
# The size of the state of a Mersenne Twister.
STATE_WORDS = 624
# Seconds before CPython 3.13, nanoseconds since.
start_time = time.time_ns if isinstance(logging._startTime, int) else time.time

has_started_logging = False
# Modules with a generator for the whole program: those that have been seeded in this run, and those whose state the program
# has chosen itself.
seeded, chosen = set(), set()


def install():
    """Notes when a program seeds a generator itself, so that its choice outlives the program in a kept interpreter."""
    for module, names in (("random", ("seed", "setstate")), ("numpy.random", ("seed", "set_state"))):
        for name in names if module in sys.modules else ():
            setattr(sys.modules[module], name, noted(module, getattr(sys.modules[module], name)))


def noted(module, function):
    """Returns a function that calls `function`, and notes whether the program chose the state."""

    @functools.wraps(function)
    def call(*args, **kwargs):
        if any(value is not None for value in (*args, *kwargs.values())):
            chosen.add(module)
        else:
            chosen.discard(module)
        return function(*args, **kwargs)

    return call


def freeze():
    """Call it last when the image is made.

    Clears the node address that `uuid` caches, and its lookup functions: all runs would share an address found now.
    """
    global has_started_logging
    uuid._GETTERS = []
    uuid._node = uuid._last_timestamp = None
    has_started_logging = False
    seeded.clear()
    chosen.clear()


def refresh_for(root):
    """Refreshes the state if the top-level module `root` may need it. Call it before user code imports `root`.

    Without it, every run would get the same numbers from `random`.
    """
    global has_started_logging
    if root == "logging" and not has_started_logging:
        logging._startTime = start_time()
        has_started_logging = True
    elif root == "numpy":
        seed("numpy.random")
    elif root not in STATELESS:
        seed("random")


def seed(module):
    """Seeds the generator of a module, once in a run."""
    if module not in seeded and module in sys.modules:
        SEEDS[module]()
        seeded.add(module)


def seed_numpy():
    """Seeds the generator of `numpy.random`. Its own function would mix few bytes into a state; this reads all of it."""
    generator = sys.modules["numpy.random"].mtrand._rand
    words = memoryview(os.urandom(4 * STATE_WORDS)).cast("I")
    generator.set_state(("MT19937", sys.modules["numpy"].asarray(words), STATE_WORDS))


def refresh_again():
    """Seeds the generators anew for a program that follows another one, unless that one has chosen the state: two
    programs that continue the same one must not get the same random numbers.
    """
    for module in seeded - chosen:
        SEEDS[module]()


SEEDS = {"random": random.seed, "numpy.random": seed_numpy}
