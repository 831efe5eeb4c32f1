# The library copies, reads or evaluates names given by the program. With permitted names, all of this works.
import contextlib
import copy
import dataclasses
import enum
import functools
import json
import types
import typing

name = "__glo" + "bals__"
reached = []


class Anything(type):
    def __instancecheck__(cls, thing):
        return True


class Open(metaclass=Anything):
    __match_args__ = (name,)


class Text(str):
    __match_args__ = ("format",)


def match_class():
    match json.dumps:
        case Open(found):
            return found


def match_format():
    match Text("{0." + name + "}"):
        case Text(found):
            return found(json.dumps)


def copy_stream():
    stream = contextlib.redirect_stdout(None)
    stream._stream = "modules"
    with stream:
        pass


def read_by_enum():
    field = enum.property()
    field._attr_type, field._cls_type, field.name = "attr", json.dumps, name
    return field.__get__(1, enum.Enum)


def read_by_dataclass():
    @dataclasses.dataclass
    class Fields:
        __annotations__ = {"__getattri" + "bute__": int}

    return dataclasses.fields(Fields)[0].default


def run_by_dataclass():
    @dataclasses.dataclass
    class Fields:
        __annotations__ = {"x=__import__('os'),y": int}


def module_by_name():
    class Hinted:
        __module__ = "os"
        __annotations__ = {"x": "abort"}

    return typing.get_type_hints(Hinted)


def forward_module():
    return typing.ForwardRef("abort", module="os")._evaluate({}, {}, recursive_guard=frozenset())


def copied(namespace):
    if len(str(namespace)) < 200:
        raise AttributeError("`update_wrapper` leaves out what it cannot have")
    return namespace


def convert():
    return enum.Enum._convert_("Found", "os", lambda each: each == "abort")


for attempt in (
    lambda: copied(functools.update_wrapper(types.SimpleNamespace(), json.dumps, assigned=[name], updated=[])),
    lambda: copied(functools.wraps(json.dumps, assigned=[name], updated=[])(types.SimpleNamespace())),
    lambda: functools.update_wrapper(types.SimpleNamespace(), json.dumps, assigned=[], updated=[name]),
    lambda: typing.get_type_hints(type("X", (), {"__annotations__": {"a": "__import__('os').abort"}})),
    lambda: typing.get_type_hints(type("X", (), {"__annotations__": {"a": "json.dumps.__globals__"}})),
    lambda: typing.get_type_hints(type("X", (), {"__annotations__": {"a": "open"}})),
    match_class, match_format, copy_stream, read_by_enum, read_by_dataclass, run_by_dataclass, module_by_name,
    forward_module, convert,
):  # fmt: skip
    try:
        reached.append(str(attempt()))
    except (AttributeError, NameError, TypeError, KeyError):
        pass


@dataclasses.dataclass
class Candle:
    high: float
    low: float


@functools.wraps(match_class)
def wrapped():
    """Replaced."""


match Candle(1, 2):
    case Candle(high, low):
        reached.append([high, low, wrapped.__name__, copy.replace(Candle(1, 2), low=0)])
reached
#> value: [[1, 2, "match_class", {"high": 1, "low": 0}]]
#> host: "only the sandbox watches patterns"
