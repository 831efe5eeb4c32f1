"""Runs `asyncio.run(main())` at module level in the program's own loop.

A nested loop keeps the outer one on the stack, so a program that waits in it cannot give its stack back. Most programs
that call `asyncio.run` do so once, at module level. Such a call is rewritten to an await of the same coroutine.
"""

import ast
import re

# Not an identifier, so no source can contain it.
RUN = "@asyncio.run, in the program's own loop"
RUN_WORD = re.compile(r"\brun\b")

OTHER_SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda, ast.GeneratorExp)
AWAITS = (ast.Await, ast.AsyncFor, ast.AsyncWith)

# The name of the task in which the program itself runs; `None` for the next one of `Task-1`, `Task-2`, ….
program_task = None


def may_run(source):
    """Returns whether the program may call `asyncio.run`."""
    return "asyncio" in source and RUN_WORD.search(source) is not None


def await_runs(tree, source):
    """Rewrites calls of `asyncio.run` at module level to awaits.

    Leaves a program unchanged that itself awaits at module level: its other tasks must not run during `asyncio.run`.
    """
    global program_task
    program_task = None
    if not may_run(source):
        return
    names, places = set(), []
    # An explicit stack, because programs may be nested deeper than Python's recursion limit.
    stack = [tree]
    while stack:
        node = stack.pop()
        if isinstance(node, AWAITS) or (type(node) is ast.comprehension and node.is_async):
            return
        names.update(names_of_run(node))
        for place, child in children(node):
            if not isinstance(child, OTHER_SCOPES):
                stack.append(child)
                if type(child) is ast.Call:
                    places.append((*place, child))
    # Innermost first, because rewriting an outer call copies its arguments.
    for holder, key, call in reversed(places):
        if full_name(call.func) in names:
            holder[key] = awaited(call)
            # The coroutine's task is the first that the program can see.
            program_task = "program"


def children(node):
    """Yields each child of `node`, preceded by the container and the key or index under which it can be replaced."""
    for field, value in vars(node).items():
        if type(value) is list:
            yield from (((value, index), child) for index, child in enumerate(value) if isinstance(child, ast.AST))
        elif isinstance(value, ast.AST):
            yield (vars(node), field), value


def names_of_run(node):
    """Returns the names of `asyncio.run` that `node` introduces if it is an import."""
    if type(node) is ast.Import:
        return [f"{alias.asname or alias.name}.run" for alias in node.names if alias.name == "asyncio"]
    if type(node) is ast.ImportFrom and node.module == "asyncio":
        return [alias.asname or alias.name for alias in node.names if alias.name == "run"]
    return ()


def full_name(function):
    """Returns the text of a plain or dotted name, such as `asyncio.run`, and `None` for any other expression."""
    if type(function) is ast.Name:
        return function.id
    if type(function) is ast.Attribute and type(function.value) is ast.Name:
        return f"{function.value.id}.{function.attr}"
    return None


def awaited(call):
    """Returns the `await` expression that replaces `call`."""
    name = ast.Name(RUN, ast.Load())
    inner = ast.Call(name, [call.func, *call.args], call.keywords)
    made = ast.Await(inner)
    for node in (name, inner, made):
        ast.copy_location(node, call)
    return made
