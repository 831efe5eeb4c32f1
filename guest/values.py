"""Converts a program's value to JSON, by the rules of the documented interface.

Most values are already plain: one pass in C loops confirms that, and the C encoder does the rest. For other values,
`Converter` builds a plain copy. Rules are selected by the real class, never by `__class__`, and builtin containers are
read through the methods of their builtin base class. A program's overrides can make the conversion fail, but cannot
mislead it.
"""

import asyncio
import collections
import collections.abc
import dataclasses
import datetime
import decimal
import enum
import fractions
import math
import sys
import types
from itertools import chain, islice
from json import encoder

DEPTH_MAX = 100
REPR_CHARS_MAX = 1000

# Scalars that never need conversion. A float may be a NaN, which does.
UNCHANGED = frozenset({str, int, bool, type(None)})

bases_of = type.__dict__["__mro__"].__get__

RETURN_VALUE = "Return value"


def show(_value):
    """Called with the program's value if it is not plain. `guest_files` replaces it."""


class UnawaitedCoroutineError(TypeError):
    """A coroutine, task or tool was used where its result was meant."""

    __module__ = "builtins"  # so that tracebacks show it without a module, as CPython's own exceptions

    def __init__(self, message, line=None):
        super().__init__(message)
        self.line = line


def encode(value, bytes_max, what=RETURN_VALUE):
    """Returns the JSON bytes of `value`, and whether any part of them is a repr.

    `what` names the value in messages. Raises `ValueError` for cycles, for nesting deeper than `DEPTH_MAX`, for
    integers with too many digits and for JSON longer than `bytes_max`. Raises `UnawaitedCoroutineError`, and any
    exception that the value's own methods raise.
    """
    text, used_repr = encode_as_it_is(value, bytes_max), False
    if text is None:
        if what is RETURN_VALUE:
            show(value)
        text, used_repr = encode_converted(value, bytes_max, what)
    try:
        encoded = text.encode()
    except UnicodeEncodeError:  # lone surrogates
        encoded = text.encode("utf-8", "replace")
    if len(encoded) > bytes_max:
        raise ValueError(f"{what} is {len(encoded)} bytes; limit is {bytes_max} bytes")
    return encoded, used_repr


def encode_as_it_is(value, items_max):
    """Returns the JSON text of a plain value, and `None` for any other."""
    if type(value) not in LEAVES and not is_plain(value, items_max):
        return None
    try:
        return encode_plain(value)
    except ValueError:  # a NaN, or an integer of more digits than Python prints by default
        return None


def encode_plain(value):
    """Returns the JSON text of a plain value. Raises `ValueError` for a NaN, an infinity or a too long integer."""
    return "".join(encode_chunks(value, 0))


# `json.JSONEncoder.encode` creates this object in every call; here it is created once. The arguments are: cycle
# markers, default, text encoder, indent, separators, sort_keys, skipkeys, allow_nan.
encode_chunks = encoder.c_make_encoder(
    None, lambda leaf: RULES[type(leaf)](None, leaf), encoder.c_encode_basestring, None, ":", ",", False, False, False
)


def encode_converted(value, items_max, what):
    """Returns the JSON text of a plain copy of `value`, and whether any part of it is a repr."""
    converter = Converter(items_max, what)
    plain = converter.convert(value)
    try:
        return encode_plain(plain), converter.used_repr
    except ValueError:  # not a NaN: the copy has none
        # Python clients that parse the answer have the same limit on digits.
        digits = sys.get_int_max_str_digits()
        raise ValueError(f"{what} contains an integer of more than {digits} digits: send it as hex() text") from None


def is_plain(value, items_max):
    """Returns whether the C encoder can write `value`: it has only JSON's types and `LEAVES`, is nested no deeper than
    `DEPTH_MAX`, and has at most `items_max` items.

    Checks level by level in C loops, which takes a few nanoseconds per item.
    """
    level = [value]
    for _ in range(DEPTH_MAX + 1):
        kinds = set(map(type, level))
        if kinds <= LEAVES:
            return True
        if not kinds <= PLAIN:
            return False
        dicts = [item for item in level if type(item) is dict] if dict in kinds else ()
        # The encoder accepts some other types of keys, but its text for them differs from `key_text`.
        if not set(map(type, set(chain.from_iterable(dicts)))) <= {str}:
            return False
        arrays = () if kinds.isdisjoint(ARRAYS) else [item for item in level if type(item) in ARRAYS]
        # Stop one item beyond the limit: with a cycle, the number of items can double at every level.
        items = chain(chain.from_iterable(map(dict.values, dicts)), chain.from_iterable(arrays))
        level = list(islice(items, items_max + 1))
        items_max -= len(level)
        if items_max < 0:
            return False
    return False


class Converter:
    """Builds a plain copy of one value."""

    def __init__(self, items_max, what):
        self.used_repr = False
        self.what = what
        self._items_max = items_max
        self._items_left = items_max
        self._open = set()  # ids of the containers around the current item

    def convert(self, value):
        """Returns a plain copy of `value` that the JSON encoder writes in the documented form."""
        kind = type(value)
        rule = RULES.get(kind) or find_rule(kind)
        return rule(self, value)

    def array(self, value, items):
        """Converts the items of the container `value` to a list."""
        items = self._enter(value, items)
        plain = [item if type(item) in UNCHANGED else self.convert(item) for item in items]
        self._open.remove(id(value))
        return plain

    def object(self, value, pairs):
        """Converts the keys and values of the container `value` to a dict."""
        pairs = self._enter(value, pairs)
        plain = {
            key if type(key) is str else key_text(key): item if type(item) in UNCHANGED else self.convert(item)
            for key, item in pairs
        }
        self._open.remove(id(value))
        return plain

    def set(self, value, items):
        """Converts the items to a list, sorted if they can be ordered."""
        items = list(items)
        try:
            items.sort()
        except Exception:
            pass
        return self.array(value, items)

    def repr(self, value):
        """Returns the repr that represents a value which has no JSON form."""
        self.used_repr = True
        return repr(value)[:REPR_CHARS_MAX]

    def _enter(self, value, items):
        """Marks a container as open and returns its items as a list.

        The caller removes the container from `_open` after it has converted them.
        """
        if id(value) in self._open:
            raise ValueError(f"{self.what} contains a circular reference")
        if len(self._open) == DEPTH_MAX:
            raise ValueError(f"{self.what} is nested deeper than {DEPTH_MAX} levels")
        self._open.add(id(value))
        # The byte limit also bounds the items, because each takes at least one byte of JSON. A program's own iterators
        # may never end.
        items = list(islice(items, self._items_left + 1))
        self.count(len(items))
        return items

    def count(self, items):
        """Counts the items of a container towards the limit."""
        self._items_left -= items
        if self._items_left < 0:
            raise ValueError(f"{self.what} is more than {self._items_max} bytes; limit is {self._items_max} bytes")


def key_text(key):
    """Returns the text of a key whose type is not exactly `str`."""
    return str.__str__(key) if issubclass(type(key), str) else str(key)


def find_rule(kind):
    """Returns the rule for a class that is not in `RULES`: for enums the enum rule, else that of the nearest base in
    `RULES`, else for dataclasses the dataclass rule, else the repr.
    """
    bases = bases_of(kind)
    if "numpy" in sys.modules and numpy is None:
        add_rules_for_numpy()
    if enum.Enum in bases:
        return RULES[enum.Enum]
    for base in bases:
        if base in RULES:
            return RULES[base]
    return convert_dataclass if dataclasses.is_dataclass(kind) else Converter.repr


def convert_dataclass(converter, value):
    """Converts an instance of a dataclass to an object of its fields."""
    names = [field.name for field in dataclasses.fields(value)]
    return converter.object(value, [(name, getattr(value, name)) for name in names])


def refuse_coroutine(converter, value):
    """Reports a common mistake: an async function called without `await`."""
    raise UnawaitedCoroutineError(f"{converter.what} contains a coroutine that was never awaited: {value.__name__}()")


def refuse_future(converter, value):
    """Reports the same mistake with the results of `gather` and `create_task`.

    When the program has ended, no such future is pending any more.
    """
    raise UnawaitedCoroutineError(f"{converter.what} contains a {type(value).__name__.strip('_')}, not its result")


def add_rules_for_numpy():
    """Adds the rules for arrays and scalars. Called when a value has a class that is not in `RULES`."""
    global numpy
    import numpy

    RULES.update({kind: convert_scalar for kind in {*numpy.sctypeDict.values(), numpy.generic}})
    RULES.update(dict.fromkeys((numpy.str_, numpy.bytes_), convert_text))
    RULES.update({numpy.datetime64: convert_datetime64, numpy.timedelta64: convert_timedelta64, numpy.void: convert_record})
    RULES[numpy.ndarray] = convert_ndarray


def convert_scalar(converter, value):
    """Converts a number of numpy. Numbers of more digits than Python has are rounded."""
    if isinstance(value, numpy.inexact):
        return converter.convert(float(value) if isinstance(value, numpy.floating) else complex(value))
    return numpy.generic.item(value)


def convert_text(converter, value):
    """Converts a text or bytes of numpy as those of Python, of which they are subclasses."""
    return converter.convert(numpy.generic.item(value))


def convert_datetime64(_, value):
    """Converts a time to ISO 8601 text, and `NaT` to null."""
    return None if numpy.isnat(value) else str(value)


def convert_timedelta64(converter, value):
    """Converts a duration to seconds, months and years to their number, and `NaT` to null."""
    if numpy.isnat(value):
        return None
    try:
        return converter.convert(float(value / numpy.timedelta64(1, "s")))
    except TypeError:
        return int(value.astype("int64"))


def convert_record(converter, value):
    """Converts a record to an object of its fields, and other memory as bytes."""
    names = value.dtype.names
    if names is None:
        return converter.convert(numpy.generic.item(value))
    return converter.object(value, [(name, value[name]) for name in names])


def convert_ndarray(converter, value):
    """Converts an array to nested lists; masked items and those that are not finite are null."""
    masked = sys.modules.get("numpy.ma")
    if masked is not None and issubclass(type(value), masked.MaskedArray):
        return converter.convert(masked.MaskedArray.tolist(value))
    array = numpy.asarray(value)
    if array.ndim == 0:
        return converter.convert(array[()])
    if array.dtype.kind not in "biuf" or array.dtype.itemsize > 8:
        return converter.array(value, array)
    converter.count(array.size)
    if array.dtype.kind == "f":
        finite = numpy.isfinite(array)
        if not finite.all():
            array = numpy.where(finite, array.astype(object), None)
    return array.tolist()


def array_of(iterate):
    """Returns a rule for containers. `iterate` returns an iterator over their items."""
    return lambda converter, value: converter.array(value, iterate(value))


# The module, once a value may be of its classes.
numpy = None

RULES = {
    str: lambda _, value: value,
    int: lambda _, value: value,
    bool: lambda _, value: value,
    type(None): lambda _, value: value,
    float: lambda _, value: value if math.isfinite(value) else None,
    dict: lambda converter, value: converter.object(value, dict.items(value)),
    list: array_of(list.__iter__),
    tuple: array_of(tuple.__iter__),
    set: lambda converter, value: converter.set(value, set.__iter__(value)),
    frozenset: lambda converter, value: converter.set(value, frozenset.__iter__(value)),
    collections.deque: array_of(collections.deque.__iter__),
    range: array_of(iter),
    type({}.keys()): array_of(iter),
    type({}.values()): array_of(iter),
    type({}.items()): array_of(iter),
    collections.abc.MappingView: array_of(iter),
    collections.abc.Mapping: lambda converter, value: converter.object(value, value.items()),
    types.MappingProxyType: lambda converter, value: converter.object(value, value.items()),
    enum.Enum: lambda converter, value: converter.convert(value.value),
    datetime.datetime: lambda _, value: datetime.datetime.isoformat(value),
    datetime.date: lambda _, value: datetime.date.isoformat(value),
    datetime.time: lambda _, value: datetime.time.isoformat(value),
    datetime.timedelta: lambda _, value: datetime.timedelta.total_seconds(value),
    decimal.Decimal: lambda _, value: str(value),
    fractions.Fraction: lambda _, value: str(value),
    complex: lambda _, value: str(value),
    bytes: lambda _, value: bytes.decode(value, "utf-8", "backslashreplace"),
    bytearray: lambda _, value: bytearray.decode(value, "utf-8", "backslashreplace"),
    memoryview: lambda _, value: value.tobytes().decode("utf-8", "backslashreplace"),
    types.CoroutineType: refuse_coroutine,
    asyncio.Future: refuse_future,
}

# Exact types without nested values. The encoder calls their rules itself.
LEAVES = UNCHANGED | {
    float, datetime.datetime, datetime.date, datetime.time, datetime.timedelta, decimal.Decimal, fractions.Fraction,
    complex, bytes, bytearray,
}  # fmt: skip
ARRAYS = frozenset({list, tuple})
PLAIN = LEAVES | ARRAYS | {dict}
