"""Module `tools` of programs: what there is to call, asked when a program wants to know.

The host answers, out of what the execution is granted; nothing of it is in the image. Asking blocks, like any ordinary
function: a program that looks around has nothing else to do.
"""

import sys
import types

import guest_loop
import guest_tools

MODULE = "tools"


def question(name, parameter):
    """A question to the host that has one text as its argument."""
    parameter = {"name": parameter, "key": parameter, "required": True, "takes_null": False, "annotation": "str"}
    return guest_tools.Signature(f"{MODULE}.{name}", {"parameters": [parameter], "takes_more": False, "returns": ""})


SEARCH = question("search", "query")
DESCRIBE = question("describe", "name")


def search(query: str = "") -> list[dict]:
    """Finds tools by words that say what they do: [{"name": "data.get_devices", "summary": "..."}], the best match first.

    Without words, lists all tools."""
    return ask(SEARCH, query)


def describe(name: str) -> str:
    """How to call a tool, as Python with a docstring: describe("data.get_devices"); all tools of a module: describe("data").

    Raises ToolError, which names near matches, if there is no such tool."""
    return ask(DESCRIBE, name)


def ask(question, *arguments):
    """The host's answer; raises `ToolError`."""
    call_id = guest_tools.begin(question.full_name, guest_tools.encode_call(question, arguments, {}))
    return guest_tools.decode_reply(question.full_name, guest_loop.wait_for(call_id))


def install():
    """Makes the module, if there are tools to find out about."""
    if not guest_tools.modules:
        return
    module = types.ModuleType(MODULE, "Finding out which tools there are, and how to call them.")
    vars(module).update(guest_tools.ERRORS)
    module.__all__ = ["search", "describe"]
    for function in (search, describe):
        function.__module__ = MODULE
        setattr(module, function.__name__, function)
    sys.modules[MODULE] = module
    # Whoever may call any tool may find out about it.
    guest_tools.modules[MODULE] = [name for names in guest_tools.modules.values() for name in names]
