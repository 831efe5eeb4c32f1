"""The bridge to the operator's tools: ordinary modules of ordinary async functions.

A tool's definition comes from an operator or from an upstream server, so its texts are data: nothing here builds
source code from them. The host has made legal Python names of its names, and a signature of its schema. Calling a tool
sends its arguments to the host and waits, through the event loop, for the reply.

A call that nobody awaits is not made, and a program must not take it for one that was: each is remembered until it
begins.
"""

import inspect
import json
import sys
import types
import warnings

import _executor
import guest_loop
import guest_values

ARGUMENT_BYTES_MAX = 1 << 20
REFUSED_CHARS_MAX = 1000
SMALL = 10**15
# What programs are called in tracebacks.
FILENAME = "main.py"


class ToolError(Exception):
    """A tool call failed."""


class ToolTimeout(ToolError):
    """The tool took too long."""


class ToolDenied(ToolError):
    """This execution may not call the tool."""


class ToolArgumentError(ToolError):
    """The arguments do not fit the tool."""


ERRORS = {error.__name__: error for error in (ToolError, ToolTimeout, ToolDenied, ToolArgumentError)}
for _error in ERRORS.values():
    _error.__module__ = "builtins"  # that is where user code finds them

EMPTY = inspect.Parameter.empty

# Modules that hold tools, each with the full names of its tools; a program that may call one may import the module.
modules = {}
# Names of the modules and tools that this execution may use; `None`: all.
granted = None
# The functions in those modules, with their full names.
functions = {}
# Calls that have not begun: their coroutine, their tool, and their line in the program.
not_begun = {}
encode_json = json.JSONEncoder().encode
encode_text = json.encoder.encode_basestring_ascii
decode_json = json.JSONDecoder().raw_decode


class Annotation(str):
    """A type as text, which `inspect.signature` and `help` show as it is."""

    __repr__ = str.__str__


def install(tools):
    """Makes a module for each module of `tools`, with their functions."""
    for module_name in dict.fromkeys(tool["module"] for tool in tools):
        define_module(module_name, [tool for tool in tools if tool["module"] == module_name])
    guest_values.RULES[types.FunctionType] = refuse_tool
    warnings._warn_unawaited_coroutine = warn_unawaited


def define_module(module_name, tools):
    """Makes one module and puts it where `import` finds it."""
    module = types.ModuleType(module_name, f"Tools of {module_name}.")
    vars(module).update(ERRORS)
    module.__all__ = [tool["name"] for tool in tools]
    for tool in tools:
        setattr(module, tool["name"], make_function(tool))
    sys.modules[module_name] = module
    modules[module_name] = [f"{module_name}.{tool['name']}" for tool in tools]


def make_function(tool):
    """An async function that calls `tool`, and looks as if it had been written by hand."""
    full_name = f"{tool['module']}.{tool['name']}"
    signature = Signature(full_name, tool["signature"])

    async def begin_call(key, args, kwargs):
        """Calls the tool on the host; returns its answer or raises `ToolError`. A call that is given up ends on the host
        too."""
        del not_begun[key]
        try:
            payload = encode_call(signature, args, kwargs)
        except ToolArgumentError as error:
            # The host has it on record, and answers with it.
            payload = encode_refused(full_name, error)
        is_alone = guest_loop.is_idle()
        call_id = begin(full_name, payload)
        reply = guest_loop.wait_for(call_id) if is_alone else None
        if reply is None:
            reply = guest_loop.reply_of(call_id)
            try:
                reply = await reply
            except BaseException:
                guest_loop.give_up(call_id)
                raise
        return decode_reply(full_name, reply)

    def function(*args, **kwargs):
        key = object()
        coroutine = begin_call(key, args, kwargs)
        not_begun[key] = (coroutine, full_name, line_of_program(sys._getframe(1)))
        return coroutine

    functions[function] = full_name
    mark_as_async(function)
    for made in (function, begin_call):
        made.__name__ = made.__qualname__ = tool["name"]
    function.__module__ = tool["module"]
    function.__doc__ = tool["description"]
    function.__signature__ = shown = signature.shown()
    function.__annotations__ = {p.name: p.annotation for p in shown.parameters.values() if p.annotation is not EMPTY}
    if shown.return_annotation is not EMPTY:
        function.__annotations__["return"] = shown.return_annotation
    return function


def mark_as_async(function):
    """Lets `inspect` and `help` say what the function is to its callers."""
    if hasattr(inspect, "markcoroutinefunction"):  # from CPython 3.12 on
        inspect.markcoroutinefunction(function)


def line_of_program(frame):
    """The line of the innermost frame of the program, from `frame` outwards; `None` if there is none."""
    while frame is not None and frame.f_code.co_filename != FILENAME:
        frame = frame.f_back
    return frame and frame.f_lineno


def refuse_forgotten_calls():
    """Raises `UnawaitedCoroutineError` for calls that the program has never awaited. One that it has closed, or whose
    task it has cancelled, is not forgotten."""
    calls = [(name, line) for coroutine, name, line in not_begun.values() if coroutine.cr_frame is not None]
    if not calls:
        return
    name, line = calls[0]
    place = f" in line {line}" if line else ""
    more = f", and {len(calls) - 1} more" if len(calls) > 1 else ""
    message = f"{name}(){place} was never awaited, so the tool was not called{more}"
    raise guest_values.UnawaitedCoroutineError(message, line)


def warn_unawaited(coroutine):
    """Takes the place of CPython's own warning about a coroutine of the program that is thrown away, which would name
    a line of the runner where the program has ended."""
    line = line_of_program(sys._getframe(1)) or coroutine.cr_code.co_firstlineno
    text = f"coroutine '{coroutine.__qualname__}' was never awaited"
    warnings.warn_explicit(text, RuntimeWarning, coroutine.cr_code.co_filename, line)


def refuse_tool(converter, function):
    """A tool where its reply was meant; any other function has its repr."""
    if function in functions:
        name = functions[function]
        raise guest_values.UnawaitedCoroutineError(f"{converter.what} contains the tool {name} itself: it was not called")
    return converter.repr(function)


class Parameter:
    """One argument of a tool."""

    def __init__(self, parameter):
        self.key = parameter["key"]
        self.encoded_key = encode_key(self.key)
        self.required = parameter["required"]
        self.takes_null = parameter["takes_null"]
        self.default = EMPTY if self.required else parameter["default"]
        self.annotation = annotation_of(parameter["annotation"])


def annotation_of(text):
    """The annotation that shows `text`."""
    return Annotation(text) if text else EMPTY


class Signature:
    """What a tool takes."""

    def __init__(self, full_name, signature):
        self.full_name = full_name
        self.parameters = {parameter["name"]: Parameter(parameter) for parameter in signature["parameters"]}
        self.required = [name for name, parameter in self.parameters.items() if parameter.required]
        self.takes_more = signature["takes_more"]
        self.returns = annotation_of(signature["returns"])
        self.head_of_call = b'{"tool":%b,"arguments":{' % encode_json(full_name).encode()

    def shown(self):
        """What `inspect.signature` says of the function."""
        kinds = inspect.Parameter
        parameters = [
            kinds(name, kinds.POSITIONAL_OR_KEYWORD, default=p.default, annotation=p.annotation)
            for name, p in self.parameters.items()
        ]
        if self.takes_more:
            more = "more"
            while more in self.parameters:
                more += "_"
            parameters.append(kinds(more, kinds.VAR_KEYWORD))
        return inspect.Signature(parameters, return_annotation=self.returns)

    def bind(self, args, kwargs):
        """The arguments of one call by their names. Raises `ToolArgumentError`."""
        full_name, parameters = self.full_name, self.parameters
        if len(args) > len(parameters):
            raise ToolArgumentError(f"{full_name}() takes {len(parameters)} arguments, but {len(args)} were given")
        given = dict(zip(parameters, args))
        for name in kwargs:
            if name in given:
                raise ToolArgumentError(f"{full_name}() got two values for argument '{name}'")
            if name not in parameters and not self.takes_more:
                known = ", ".join(parameters) or "none"
                raise ToolArgumentError(f"{full_name}() has no argument '{name}' (it has: {known})")
        given.update(kwargs)
        for name in self.required:
            if name not in given:
                raise ToolArgumentError(f"{full_name}() needs argument '{name}'")
        return given


def begin(full_name, payload):
    """Hands a call to the host, and returns its id. Raises `ToolDenied`."""
    try:
        return _executor.call(payload)
    except RuntimeError:
        raise ToolDenied(f"'{full_name}' was not called: this execution has gone on calling beyond its budget") from None


def decode_reply(full_name, reply):
    """The answer in a reply's bytes; raises the `ToolError` in it."""
    try:
        reply, _ = decode_json(str(reply, "utf-8"))
    except (ValueError, RecursionError) as error:
        raise ToolError(f"The answer of '{full_name}' cannot be read: {unreadable(error)}") from None
    if "error" in reply:
        raise ERRORS.get(reply["error"]["kind"], ToolError)(reply["error"]["message"])
    return reply["ok"]


def unreadable(error):
    """What is wrong with JSON that the host has found to be JSON."""
    if type(error) is RecursionError:
        return "it is nested too deep"
    if type(error) is ValueError:
        return f"it has an integer of more than {sys.get_int_max_str_digits()} digits"
    return str(error)


def encode_call(signature, args, kwargs):
    """The call as the host wants it, with the names of arguments that it knows. `None` for an optional one means that it is
    not set, unless null is a value. Raises `ToolArgumentError` for what does not fit the signature, or JSON."""
    fields = []
    for name, value in signature.bind(args, kwargs).items():
        parameter = signature.parameters.get(name)
        if parameter is None:
            fields.append(encode_key(name) + encode_argument(signature.full_name, name, value))
        elif value is not None or parameter.required or parameter.takes_null:
            fields.append(parameter.encoded_key + encode_argument(signature.full_name, parameter.key, value))
    return b"%b%b}}" % (signature.head_of_call, b",".join(fields))


def encode_key(name):
    """An argument's name before its value."""
    return f"{encode_json(name)}:".encode()


def encode_refused(full_name, error):
    """What the host is told of a call whose arguments do not fit the function's signature, or JSON."""
    fields = {"tool": full_name, "refused": str(error)[:REFUSED_CHARS_MAX]}
    return encode_json(fields).encode()


def encode_argument(full_name, name, value):
    """One argument's JSON, by the rules for values, but nothing may become a repr."""
    # Most are short plain text or small numbers.
    if type(value) is str and value.isascii() and len(value) < 1000:
        return encode_text(value).encode()
    if type(value) is int and abs(value) < SMALL:
        return b"%d" % value
    what = f"Argument '{name}' of {full_name}()"
    try:
        encoded, used_repr = guest_values.encode(value, ARGUMENT_BYTES_MAX, what)
    except (ValueError, guest_values.UnawaitedCoroutineError) as error:
        raise ToolArgumentError(str(error)) from None
    if used_repr:
        raise ToolArgumentError(f"{what} cannot be sent as JSON: {type(value).__name__}")
    return encoded


def is_callable(full_name):
    """Whether this execution may call the tool."""
    return granted is None or full_name in granted or full_name.partition(".")[0] in granted


def is_granted(python_name):
    """Whether `python_name` is a module of tools of which this execution may call any."""
    return any(map(is_callable, modules.get(python_name, ())))
