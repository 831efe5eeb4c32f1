"""Makes the operator's tools callable: a module of async functions for each module of tools.

Tool definitions come from an operator or an upstream server, so their texts are data: this module never builds source
code from them. The host has converted their names to legal Python names, and their schemas to signatures. Calling a
tool sends its arguments to the host and waits for the reply in the event loop.

The host is not called until the coroutine is awaited. Calls that have not begun are recorded, so that a program that
forgets an `await` fails instead of assuming that the tool was called.
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
# The file names of the programs that this interpreter has run, in tracebacks. The current program's is the last.
files = ["main.py"]


class ToolError(Exception):
    """A tool call failed."""


class ToolTimeout(ToolError):
    """The tool took too long."""


class ToolDenied(ToolError):
    """This execution may not call the tool."""


class ToolArgumentError(ToolError):
    """The arguments do not fit the tool."""


class ToolInterrupted(ToolError):
    """Nobody knows whether the call had its effect: the executor stopped while it was under way."""


ERRORS = {
    error.__name__: error for error in (ToolError, ToolTimeout, ToolDenied, ToolArgumentError, ToolInterrupted)
}
for _error in ERRORS.values():
    _error.__module__ = "builtins"  # user code finds them there

EMPTY = inspect.Parameter.empty

# The full names of the tools in each module. A program may import a module if it may call at least one of its tools.
modules = {}
# Names of the modules and tools that this execution may use; `None` means all.
granted = None
# The full names of the tools that the execution's caller answers itself. They are always granted.
of_caller = set()
# The full name of each function in these modules.
functions = {}
# The current signature of each tool, by full name.
signatures = {}
# Calls that have not begun: coroutine, full name of the tool, and line in the program.
not_begun = {}
encode_json = json.JSONEncoder().encode
encode_text = json.encoder.encode_basestring_ascii
decode_json = json.JSONDecoder().raw_decode


class Annotation(str):
    """A type as text, which `inspect.signature` and `help` show without quotes."""

    __repr__ = str.__str__


def install(tools):
    """Creates the modules and functions of `tools`."""
    for module_name in dict.fromkeys(tool["module"] for tool in tools):
        define_module(module_name, [tool for tool in tools if tool["module"] == module_name])
    guest_values.RULES[types.FunctionType] = refuse_tool
    warnings._warn_unawaited_coroutine = warn_unawaited


def define_module(module_name, tools):
    """Creates one module of tools and registers it in `sys.modules`. Functions that there are already are taken over."""
    module = types.ModuleType(module_name, f"Tools of {module_name}.")
    vars(module).update(ERRORS)
    module.__all__ = [tool["name"] for tool in tools]
    for tool in tools:
        known = signatures.get(f"{module_name}.{tool['name']}")
        setattr(module, tool["name"], known.function if known else make_function(tool))
    sys.modules[module_name] = module
    modules[module_name] = [f"{module_name}.{tool['name']}" for tool in tools]


def make_function(tool):
    """Returns an async function that calls `tool`. Its metadata is that of a handwritten function."""
    full_name = f"{tool['module']}.{tool['name']}"
    signature = signatures[full_name] = Signature(full_name, tool["signature"], tool.get("digest"))

    async def begin_call(key, args, kwargs):
        """Calls the tool on the host and returns its reply. Raises `ToolError`.

        If the task stops waiting, the call is cancelled on the host too.
        """
        # It is not there if an earlier program of this interpreter has forgotten it.
        *_, line = not_begun.pop(key, (None,))
        if signature.is_gone:
            raise ToolDenied(f"'{full_name}' {signature.is_gone}")
        try:
            payload = encode_call(signature, args, kwargs, line)
        except ToolArgumentError as error:
            # The host logs the refused call and replies with the error.
            payload = encode_refused(full_name, error)
        is_alone = guest_loop.is_idle()
        call_id = begin(full_name, payload)
        reply = guest_loop.wait_for(call_id, gives_up=True) if is_alone else None
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
    signature.function = function
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
    """Lets `inspect` and `help` show the function as async."""
    if hasattr(inspect, "markcoroutinefunction"):  # from CPython 3.12 on
        inspect.markcoroutinefunction(function)


def line_of_program(frame):
    """Returns the line of the innermost frame of the program, starting at `frame`, or `None` if there is none."""
    while frame is not None and frame.f_code.co_filename != files[-1]:
        frame = frame.f_back
    return frame and frame.f_lineno


def refuse_forgotten_calls():
    """Raises `UnawaitedCoroutineError` if the program has created tool calls that it never awaited.

    Calls that the program has closed, or whose tasks it has cancelled, do not count.
    """
    calls = [(name, line) for coroutine, name, line in not_begun.values() if coroutine.cr_frame is not None]
    if not calls:
        return
    name, line = calls[0]
    place = f" in line {line}" if line else ""
    more = f", and {len(calls) - 1} more" if len(calls) > 1 else ""
    message = f"{name}(){place} was never awaited, so the tool was not called{more}"
    raise guest_values.UnawaitedCoroutineError(message, line)


def warn_unawaited(coroutine):
    """Replaces CPython's warning about a coroutine that was never awaited.

    If the program has already ended, CPython's own warning would name a line of the runner.
    """
    line = line_of_program(sys._getframe(1)) or coroutine.cr_code.co_firstlineno
    text = f"coroutine '{coroutine.__qualname__}' was never awaited"
    warnings.warn_explicit(text, RuntimeWarning, coroutine.cr_code.co_filename, line)


def refuse_tool(converter, function):
    """Raises `UnawaitedCoroutineError` if `function` is a tool, because its reply was meant. Other functions become
    their repr.
    """
    if function in functions:
        name = functions[function]
        raise guest_values.UnawaitedCoroutineError(f"{converter.what} contains the tool {name} itself: it was not called")
    return converter.repr(function)


class Parameter:
    """One argument of a tool."""

    def __init__(self, parameter):
        self.encoded_key = encode_key(parameter["key"])
        self.required = parameter["required"]
        self.takes_null = parameter["takes_null"]
        self.default = EMPTY if self.required else parameter["default"]
        self.annotation = annotation_of(parameter["annotation"])


def annotation_of(text):
    """Returns an annotation that displays as `text`, or none if the text is empty."""
    return Annotation(text) if text else EMPTY


class Signature:
    """The parameters of a tool."""

    def __init__(self, full_name, signature, digest=None):
        self.full_name = full_name
        self.parameters = {parameter["name"]: Parameter(parameter) for parameter in signature["parameters"]}
        self.required = [name for name, parameter in self.parameters.items() if parameter.required]
        self.takes_more = signature["takes_more"]
        self.returns = annotation_of(signature["returns"])
        self.head_of_call = b'{"tool":%b,"arguments":{' % encode_json(full_name).encode()
        # A digest of what a program relies on that calls the tool; `None` for tools of the execution's caller.
        self.digest = digest
        # Why this definition no longer holds. A later program in the same interpreter may come with others.
        self.is_gone = None

    def shown(self):
        """Returns the `inspect.Signature` of the tool's function."""
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
        """Returns the arguments of one call by name. Raises `ToolArgumentError`."""
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
    """Starts a call on the host and returns its id. Raises `ToolDenied`."""
    try:
        return _executor.call(payload)
    except RuntimeError:
        raise ToolDenied(f"'{full_name}' was not called: too many calls exceed the budget: make fewer calls") from None


def decode_reply(full_name, reply):
    """Returns the value in a reply's bytes, or raises the `ToolError` in it."""
    try:
        reply, _ = decode_json(str(reply, "utf-8"))
    except (ValueError, RecursionError) as error:
        raise ToolError(f"The reply of '{full_name}' cannot be read: {unreadable(error)}") from None
    if "error" in reply:
        raise ERRORS.get(reply["error"]["kind"], ToolError)(reply["error"]["message"])
    return reply["ok"]


def unreadable(error):
    """Returns why valid JSON cannot be parsed. The host has validated the syntax, so only limits remain."""
    if type(error) is RecursionError:
        return "it is nested too deeply"
    if type(error) is ValueError:
        return f"it has an integer of more than {sys.get_int_max_str_digits()} digits"
    return str(error)


def encode_call(signature, args, kwargs, line=None):
    """Encodes a call for the host, with the host's names of the arguments and the line of the program that makes it.

    Leaves out optional arguments that are `None`, unless the parameter accepts null. Raises `ToolArgumentError` for
    arguments that do not fit the signature or cannot be JSON.
    """
    fields = []
    for name, value in signature.bind(args, kwargs).items():
        parameter = signature.parameters.get(name)
        if parameter is None:
            fields.append(encode_key(name) + encode_argument(signature.full_name, name, value))
        elif value is not None or parameter.required or parameter.takes_null:
            fields.append(parameter.encoded_key + encode_argument(signature.full_name, name, value))
    if line is None:
        return b"%b%b}}" % (signature.head_of_call, b",".join(fields))
    return b'%b%b},"line":%d}' % (signature.head_of_call, b",".join(fields), line)


def encode_key(name):
    """Encodes an argument's name and the colon after it."""
    return f"{encode_json(name)}:".encode()


def encode_refused(full_name, error):
    """Encodes a call whose arguments do not fit the function's signature or cannot be JSON."""
    fields = {"tool": full_name, "refused": str(error)[:REFUSED_CHARS_MAX]}
    return encode_json(fields).encode()


def encode_argument(full_name, name, value):
    """Encodes one argument by the rules for a program's value. Raises `ToolArgumentError` where those use a repr."""
    # Fast path: most arguments are short ASCII strings or small integers.
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
    """Returns whether this execution may call the tool."""
    if granted is None or full_name in of_caller:
        return True
    return full_name in granted or full_name.partition(".")[0] in granted


def is_granted(python_name):
    """Returns whether `python_name` is a module with at least one tool that this execution may call."""
    return any(map(is_callable, modules.get(python_name, ())))
