"""Lets a program that calls `asyncio.run(main())` at module level give its stack back while `main` waits.

A call of `asyncio.run` keeps the program's frame on the stack. Where the call stands at module level, it is rewritten to
an await of `guest_loop.run_here`, which does what `asyncio.run` does in the program's own loop. Only programs that may be
asked for their stack are rewritten.
"""

import ast
import re

# Not an identifier, so no source can contain it.
RUN = "@asyncio.run, in the program's own loop"
RUN_WORD = re.compile(r"\brun\b")

OTHER_SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda, ast.GeneratorExp)
AWAITS = (ast.Await, ast.AsyncFor, ast.AsyncWith)


def may_run(source):
    """Returns whether the program may call `asyncio.run`."""
    return "asyncio" in source and RUN_WORD.search(source) is not None


def await_runs(tree, source):
    """Rewrites calls of `asyncio.run` at module level to awaits. Returns whether there are any.

    Leaves a program unchanged that itself awaits at module level: its other tasks must not run during `asyncio.run`.
    """
    if not may_run(source):
        return False
    names, places = set(), []
    # An explicit stack, because programs may be nested deeper than Python's recursion limit.
    stack = [tree]
    while stack:
        node = stack.pop()
        if isinstance(node, AWAITS) or (type(node) is ast.comprehension and node.is_async):
            return False
        names.update(names_of_run(node))
        for place, child in children(node):
            if not isinstance(child, OTHER_SCOPES):
                stack.append(child)
                if type(child) is ast.Call:
                    places.append((*place, child))
    # Innermost first, because rewriting an outer call copies its arguments.
    calls = [place for place in reversed(places) if full_name(place[-1].func) in names]
    for holder, key, call in calls:
        holder[key] = awaited(call)
    return bool(calls)


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
