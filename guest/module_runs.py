"""`asyncio.run(main())` at module level, in the program's own loop.

A loop inside a loop keeps the outer one on the stack, so a program that waits there cannot give its stack back. Most
programs that call `asyncio.run` do so once, at module level: there it becomes an await of the same coroutine.
"""

import ast
import re

# A name that no source text can spell.
RUN = "@asyncio.run, in the program's own loop"
RUN_WORD = re.compile(r"\brun\b")

OTHER_SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda, ast.GeneratorExp)
AWAITS = (ast.Await, ast.AsyncFor, ast.AsyncWith)


def may_run(source):
    """Whether the program may have such a call."""
    return "asyncio" in source and RUN_WORD.search(source) is not None


def await_runs(tree):
    """Lets the program await what it gives to `asyncio.run` at module level. One that awaits anything there itself has
    tasks that stand still while `asyncio.run` runs: it stays as it is."""
    names, places = set(), []
    # A stack of its own: programs may be nested deeper than Python functions.
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
    # The innermost first: an outer call takes its arguments along.
    for holder, key, call in reversed(places):
        if full_name(call.func) in names:
            holder[key] = awaited(call)


def children(node):
    """Each node under `node`, behind where it can be replaced."""
    for field, value in vars(node).items():
        if type(value) is list:
            yield from (((value, index), child) for index, child in enumerate(value) if isinstance(child, ast.AST))
        elif isinstance(value, ast.AST):
            yield (vars(node), field), value


def names_of_run(node):
    """By which names the program knows `asyncio.run` after the import `node`."""
    if type(node) is ast.Import:
        return [f"{alias.asname or alias.name}.run" for alias in node.names if alias.name == "asyncio"]
    if type(node) is ast.ImportFrom and node.module == "asyncio":
        return [alias.asname or alias.name for alias in node.names if alias.name == "run"]
    return ()


def full_name(function):
    """`asyncio.run` of its tree; `None` for what is no such name."""
    if type(function) is ast.Name:
        return function.id
    if type(function) is ast.Attribute and type(function.value) is ast.Name:
        return f"{function.value.id}.{function.attr}"
    return None


def awaited(call):
    """The await in place of `call`."""
    name = ast.Name(RUN, ast.Load())
    inner = ast.Call(name, [call.func, *call.args], call.keywords)
    made = ast.Await(inner)
    for node in (name, inner, made):
        ast.copy_location(node, call)
    return made
