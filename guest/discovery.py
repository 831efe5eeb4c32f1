"""The module `tools`, in which programs look up the tools that they can call.

The host answers each query at run time from the execution's grants; the image contains none of the answers. The
functions block instead of being async, because a program that looks up tools rarely has other work to do.
"""

import sys
import types

import guest_loop
import guest_tools

MODULE = "tools"


def question(name, parameter):
    """Returns the signature of a query to the host. Its one argument is a text."""
    parameter = {"name": parameter, "key": parameter, "required": True, "takes_null": False, "annotation": "str"}
    return guest_tools.Signature(f"{MODULE}.{name}", {"parameters": [parameter], "takes_more": False, "returns": ""})


SEARCH = question("search", "query")
DESCRIBE = question("describe", "name")


def search(query: str = "") -> list[dict]:
    """Searches for tools by keywords. An empty query returns all tools.

    Returns [{"name": "data.get_devices", "summary": "..."}], best match first."""
    return ask(SEARCH, query)


def describe(name: str) -> str:
    """Shows how to call a tool: describe("data.get_devices"); or all tools in a module: describe("data").

    Returns Python stubs with docstrings. Raises ToolError if there is no such tool; its message lists similar names."""
    return ask(DESCRIBE, name)


def ask(question, *arguments):
    """Sends a query to the host and returns its answer. Blocks. Raises `ToolError`."""
    call_id = guest_tools.begin(question.full_name, guest_tools.encode_call(question, arguments, {}))
    return guest_tools.decode_reply(question.full_name, guest_loop.wait_for(call_id))


def install():
    """Creates the module `tools`, unless there are no tools. Call it again after the tools have changed."""
    guest_tools.modules.pop(MODULE, None)
    # A program that may call at least one tool may import this module.
    names = [name for names in guest_tools.modules.values() for name in names]
    if not names:
        return
    guest_tools.modules[MODULE] = names
    if MODULE in sys.modules:
        return
    module = types.ModuleType(MODULE, "Find tools and see how to call them.")
    vars(module).update(guest_tools.ERRORS)
    module.__all__ = ["search", "describe"]
    for function in (search, describe):
        function.__module__ = MODULE
        setattr(module, function.__name__, function)
    sys.modules[MODULE] = module
