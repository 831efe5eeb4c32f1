"""The bridge to the operator's tools: ordinary modules of ordinary async functions.

A tool's definition comes from an operator or from an upstream server, so its texts are data: nothing here builds
source code from them. Calling a tool sends its arguments to the host and waits, through the event loop, for the reply.
"""

import inspect
import json
import keyword
import re
import sys
import types

import guest_loop
import guest_values

ARGUMENT_BYTES_MAX = 1 << 20
ANNOTATIONS = {"string": str, "integer": int, "number": float, "boolean": bool, "array": list, "object": dict}


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

# Modules that hold tools, by their Python name, each with the full names of its tools.
modules = {}
# Legal in Python, but refused by the validator; from the recipe.
refused_names = frozenset()
# Names of the modules and tools that this execution may use; `None`: all.
granted = None
encode_json = json.JSONEncoder().encode
decode_json = json.JSONDecoder().decode


def install(tools, refused):
    """Makes a module for each module of `tools`, and their functions, with names that are not `refused`."""
    global refused_names
    refused_names = frozenset(refused)
    for module_name in dict.fromkeys(tool["module"] for tool in tools):
        define_module(module_name, [tool for tool in tools if tool["module"] == module_name])


def define_module(module_name, tools):
    """Makes one module and puts it where `import` finds it."""
    python_name = legal_name(module_name, sys.modules.keys() | sys.stdlib_module_names)
    module = types.ModuleType(python_name, f"Tools of {module_name}.")
    vars(module).update(ERRORS)
    module.__all__ = []
    for tool in tools:
        name = legal_name(tool["name"], vars(module))
        setattr(module, name, make_function(tool, python_name, name))
        module.__all__.append(name)
    sys.modules[python_name] = module
    modules[python_name] = [f"{module_name}.{tool['name']}" for tool in tools]


def legal_name(text, taken):
    """A Python name for `text` that grammar and validator accept and that is not in `taken`."""
    base = re.sub(r"\W", "_", text, flags=re.ASCII)
    if not base or base[0].isdigit() or base.startswith("__"):
        base = "t_" + base.lstrip("_")
    if keyword.iskeyword(base) or base in refused_names:
        base += "_"
    name, number = base, 2
    while name in taken:
        name, number = f"{base}_{number}", number + 1
    return name


def make_function(tool, module_name, function_name):
    """An async function that calls `tool`, and looks as if it had been written by hand."""
    full_name = f"{tool['module']}.{tool['name']}"
    schema = tool["parameters"]
    parameters = read_parameters(schema)
    takes_more = bool(schema.get("additionalProperties"))

    async def function(*args, **kwargs):
        return await call(full_name, bind(full_name, parameters, takes_more, args, kwargs))

    function.__name__ = function.__qualname__ = function_name
    function.__module__ = module_name
    function.__doc__ = tool.get("description")
    function.__signature__ = signature_of(parameters, takes_more)
    function.__annotations__ = {name: p.annotation for name, p in parameters.items() if p.annotation is not EMPTY}
    return function


def read_parameters(schema):
    """The properties of a JSON Schema as `{Python name: Parameter}`, required ones first."""
    required = schema.get("required", ())
    properties = schema.get("properties", {})
    parameters = {}
    for json_name in sorted(properties, key=lambda name: name not in required):
        parameter = Parameter(json_name, properties[json_name], json_name in required)
        parameters[legal_name(json_name, parameters)] = parameter
    return parameters


class Parameter:
    """One argument of a tool, as its schema describes it."""

    def __init__(self, json_name, schema, required):
        # A property's schema may also be `true`, and `type` a list.
        schema = schema if isinstance(schema, dict) else {}
        kinds = schema.get("type", ())
        kinds = [kinds] if isinstance(kinds, str) else kinds
        self.json_name = json_name
        self.required = required
        self.takes_null = "null" in kinds
        self.default = EMPTY if required else schema.get("default")
        self.annotation = annotation_of(kinds, self.takes_null or self.default is None)


def annotation_of(kinds, optional):
    """The Python type for JSON Schema types; none when a kind is unknown or not given."""
    types_of_kinds = [ANNOTATIONS[kind] for kind in kinds if kind in ANNOTATIONS]
    if not types_of_kinds:
        return EMPTY
    annotation = types_of_kinds[0]
    for other in types_of_kinds[1:]:
        annotation |= other
    return annotation | None if optional else annotation


def signature_of(parameters, takes_more):
    """What `inspect.signature` says of the function."""
    kinds = inspect.Parameter
    signature = [
        kinds(name, kinds.POSITIONAL_OR_KEYWORD, default=p.default, annotation=p.annotation)
        for name, p in parameters.items()
    ]
    if takes_more:
        signature.append(kinds(legal_name("more", parameters), kinds.VAR_KEYWORD))
    return inspect.Signature(signature)


def bind(full_name, parameters, takes_more, args, kwargs):
    """The JSON arguments of one call; those that are not set are left out. Raises `ToolArgumentError`."""
    if len(args) > len(parameters):
        raise ToolArgumentError(f"{full_name}() takes {len(parameters)} arguments, but {len(args)} were given")
    given = dict(zip(parameters, args))
    for name in kwargs:
        if name in given:
            raise ToolArgumentError(f"{full_name}() got two values for argument '{name}'")
        if name not in parameters and not takes_more:
            known = ", ".join(parameters) or "none"
            raise ToolArgumentError(f"{full_name}() has no argument '{name}' (it has: {known})")
    given |= kwargs
    for name, parameter in parameters.items():
        if parameter.required and name not in given:
            raise ToolArgumentError(f"{full_name}() needs argument '{name}'")
    return json_arguments(parameters, given)


def json_arguments(parameters, given):
    """Gives arguments their JSON names. `None` for an optional one means that it is not set, unless null is a value."""
    arguments = {}
    for name, value in given.items():
        parameter = parameters.get(name)
        if parameter is None:
            arguments[name] = value
        elif value is not None or parameter.required or parameter.takes_null:
            arguments[parameter.json_name] = value
    return arguments


async def call(full_name, arguments):
    """Calls a tool on the host; returns its answer or raises `ToolError`."""
    if not is_callable(full_name):
        raise ToolDenied(f"Tool '{full_name}' is not granted to this execution")
    payload = encode_call(full_name, arguments)
    try:
        future = guest_loop.start_call(payload)
    except RuntimeError:
        raise ToolDenied(
            f"'{full_name}' was not called: the budget of calls, or of arguments under way, is exhausted"
        ) from None
    reply = decode_json(str(await future, "utf-8"))
    if "error" in reply:
        raise ERRORS.get(reply["error"]["kind"], ToolError)(reply["error"]["message"])
    return reply["ok"]


def encode_call(full_name, arguments):
    """The call as the host wants it. Raises `ToolArgumentError` for what JSON cannot carry."""
    fields = [
        f"{encode_json(name)}:".encode() + encode_argument(full_name, name, value) for name, value in arguments.items()
    ]
    return b'{"tool":%b,"arguments":{%b}}' % (encode_json(full_name).encode(), b",".join(fields))


def encode_argument(full_name, name, value):
    """One argument's JSON, by the rules for values, but nothing may become a repr."""
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
