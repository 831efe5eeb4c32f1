"""Modules of tools that come with the request instead of the image: tools that an execution's caller answers itself, and
the executor's tools in an interpreter that began with others.
"""

import sys

import guest_discovery
import guest_tools
import guest_views

REDEFINED = "is not there any more, or has changed: import it again"
REMOVED = "is not there any more: the executor has other tools now. See `tools.search`"
CHANGED = "has changed since it was imported: import it again, and see `tools.describe`"
# The definitions of each module of the caller's tools.
defined = {}


def define(tools):
    """Creates the modules of `tools`, and removes those of an earlier program that are not the same any more.

    A module whose definitions have not changed stays. Functions of the others raise `ToolDenied` when they are called.
    """
    modules = {}
    for tool in tools:
        modules.setdefault(tool["module"], []).append(tool)
    for name in [name for name, definitions in defined.items() if modules.get(name) != definitions]:
        remove(name)
    for name, definitions in modules.items():
        if name not in defined:
            guest_tools.define_module(name, definitions)
            guest_tools.of_caller.update(guest_tools.modules[name])
            guest_views.views[name] = sys.modules[name]
            defined[name] = definitions
    update_discovery()


def update_discovery():
    """Lets programs import the module `tools` if there are tools."""
    guest_discovery.install()
    if guest_discovery.MODULE in sys.modules:
        guest_views.views[guest_discovery.MODULE] = sys.modules[guest_discovery.MODULE]


def remove(name):
    """Removes a module. The program may still hold its functions."""
    for full_name in guest_tools.modules.pop(name):
        guest_tools.signatures.pop(full_name).is_gone = REDEFINED
        guest_tools.of_caller.discard(full_name)
    del defined[name], sys.modules[name], guest_views.views[name]


def redefine(tools):
    """Replaces the executor's tools by `tools`, and their modules by new ones.

    Functions of tools that a program can use as before go on working, also in the modules that it has imported. Others
    raise `ToolDenied` when they are called.
    """
    modules, digests = {}, {}
    for tool in tools:
        modules.setdefault(tool["module"], []).append(tool)
        digests[f"{tool['module']}.{tool['name']}"] = tool["digest"]
    for name in [name for name in defined if name in modules]:
        remove(name)
    replaced = {}
    for name in [name for name in guest_tools.modules if name not in defined and name != guest_discovery.MODULE]:
        for full_name in guest_tools.modules.pop(name):
            signature = guest_tools.signatures[full_name]
            if signature.digest != digests.get(full_name):
                signature.is_gone = CHANGED if full_name in digests else REMOVED
                del guest_tools.signatures[full_name]
        # A program may have removed it there.
        replaced[name] = sys.modules.pop(name, None)
        guest_views.views.pop(name, None)
    for name, definitions in modules.items():
        guest_tools.define_module(name, definitions)
        guest_views.views[name] = module = sys.modules[name]
        if replaced.get(name):
            # Tools that have come since are also in the module that the program has imported.
            vars(replaced[name]).update(vars(module) | vars(replaced[name]))
    update_discovery()
