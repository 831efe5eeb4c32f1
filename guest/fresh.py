"""What the snapshot froze and a run must have anew.

The seed of `random` is nearly all of it, and making one is a quarter of what a small program costs. So it waits for
the import of a module that may need it: nothing else leads there.
"""

import logging
import random
import time
import uuid

# Modules that neither keep such state nor hand on one that does.
STATELESS = frozenset(
    "__future__ abc array asyncio base64 bisect calendar cmath collections colorsys contextlib copy csv dataclasses"
    " datetime decimal difflib enum fractions functools graphlib hashlib heapq hmac html io ipaddress itertools json"
    " keyword math numbers operator pprint re secrets string struct textwrap time types typing unicodedata urllib zlib"
    " zoneinfo".split()
)
# Seconds before CPython 3.13, nanoseconds since.
start_time = time.time_ns if isinstance(logging._startTime, int) else time.time

is_fresh = False


def freeze():
    """Call it last while the image is made. The address of a network card must not be looked up once for all runs."""
    global is_fresh
    uuid._GETTERS = []
    uuid._node = uuid._last_timestamp = None
    is_fresh = False


def refresh_for(root):
    """Call it before user code imports `root`. Without it, `random` would give every run the same numbers."""
    global is_fresh
    if not is_fresh and root not in STATELESS:
        random.seed()
        logging._startTime = start_time()
        is_fresh = True
