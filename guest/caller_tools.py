"""The tools that an execution's caller answers itself: modules that come with the request instead of the image."""

import sys

import guest_discovery
import guest_tools
import guest_views

# The definitions of each module that is defined here.
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
    guest_discovery.install()
    if guest_discovery.MODULE in sys.modules:
        guest_views.views[guest_discovery.MODULE] = sys.modules[guest_discovery.MODULE]


def remove(name):
    """Removes a module. The program may still hold its functions."""
    for full_name in guest_tools.modules.pop(name):
        guest_tools.signatures.pop(full_name).is_gone = True
        guest_tools.of_caller.discard(full_name)
    del defined[name], sys.modules[name], guest_views.views[name]
