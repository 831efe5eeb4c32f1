"""A program: from source text to its value.

CPython's interactive mode hands the value of every expression statement at module level, nested blocks included and
functions excluded, to `sys.displayhook`. That is exactly what the contract asks for, so the module is compiled in that
mode and the source itself never changes. Three things are changed in its tree. What the mode does not do is tell
assignments to `_` from other ways to bind it: a marker follows each of those. `str.format` is guarded. And `asyncio.run` is
awaited. Most programs need none of it, and are compiled in one go.
"""

import ast
import inspect
import linecache
import re
import sys
import types

import _executor
import guest_guards
import guest_attribute_guards
import guest_loop
import guest_module_runs
import guest_tools
from guest_tools import FILENAME

# A name that no source text can spell, and too long to be suggested for another.
ASSIGNED = "@assigned by a statement at the module level"
NOTHING = object()

# What a program comes to that has given its stack back: `go_on` continues it.
WAITING = object()

# Until then, nothing of the program has run.
is_compiled = False
# The program's names, and while it waits, the value of its latest expression: each entry into the interpreter forgets it.
namespace = value_so_far = None

UNDERSCORE = re.compile(r"\b_\b")

COMPILE_FLAGS = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
# The fields of a node that hold blocks of the same scope.
BLOCKS = {
    ast.If: ("body", "orelse"),
    ast.For: ("body", "orelse"),
    ast.AsyncFor: ("body", "orelse"),
    ast.While: ("body", "orelse"),
    ast.With: ("body",),
    ast.AsyncWith: ("body",),
    ast.Try: ("body", "orelse", "finalbody"),
    ast.TryStar: ("body", "orelse", "finalbody"),
    ast.ExceptHandler: ("body",),
    ast.match_case: ("body",),
}
# The fields that hold nodes with such blocks.
PARTS = {ast.Try: "handlers", ast.TryStar: "handlers", ast.Match: "cases"}


def run(source, variables):
    """Runs `source` as `__main__`, with `variables` set before; returns its value, or `WAITING`. Raises what the program
    raises."""
    global is_compiled, namespace
    is_compiled = False
    module = types.ModuleType("__main__")
    namespace = vars(module)
    namespace["__builtins__"] = guest_guards.user_builtins
    namespace.update(variables)
    # Dataclasses, type hints and the like look their module up by name.
    sys.modules["__main__"] = module
    show_source_lines(source)
    _executor.remember(NOTHING)
    return advance(begin, source)


def go_on():
    """Continues the program that waits; as `run`."""
    _executor.remember(value_so_far)
    return advance(guest_loop.go_on)


def advance(step, *args):
    """Takes the program further by `step`, which says whether it has come to its end."""
    global value_so_far
    has_ended = True
    try:
        has_ended = step(*args)
    except SystemExit as error:
        if not (error.code is None or (type(error.code) in (int, bool) and error.code == 0)):
            raise
    if not has_ended:
        value_so_far = _executor.remembered()
        return WAITING
    if guest_tools.not_begun:
        guest_tools.refuse_forgotten_calls()
    return value_of(namespace)


def begin(source):
    """Compiles the program and runs it; in the event loop if it awaits anything. Returns whether it has ended."""
    global is_compiled
    code = compile_source(source, namespace)
    is_compiled = True
    result = eval(code, namespace)
    return not code.co_flags & inspect.CO_COROUTINE or guest_loop.run(to_its_end(result))


def value_of(namespace):
    """The value by the contract: the final `_` if a statement assigned it, else the last expression's."""
    value = _executor.remembered()
    if namespace.get(ASSIGNED) and "_" in namespace:
        value = namespace["_"]
    return None if value is NOTHING else value


def show_source_lines(source):
    """Lets tracebacks and warnings find the program's lines."""
    lines = [line + "\n" for line in source.replace("\r\n", "\n").replace("\r", "\n").split("\n")]
    linecache.cache[FILENAME] = (len(source), None, lines, FILENAME)


def compile_source(source, namespace):
    """Compiles the program, and sets `__doc__`. Raises `SyntaxError`."""
    if not needs_tree(source) and source.isascii():
        code = _executor.compile(source, FILENAME)
        if code is not None:
            return code
    tree = compile(source, FILENAME, "exec", COMPILE_FLAGS | ast.PyCF_ONLY_AST, dont_inherit=True)
    if guest_guards.enabled:
        guest_attribute_guards.guard_formats(tree, source)
    if guest_module_runs.may_run(source):
        guest_module_runs.await_runs(tree)
    body = tree.body
    # Alone it is the program's value, and nothing that describes the program.
    if len(body) > 1 and (docstring := ast.get_docstring(tree)) is not None:
        namespace["__doc__"] = docstring
    if "_" in source:
        mark_assignments(body)
    return compile(ast.Interactive(body), FILENAME, "single", COMPILE_FLAGS, dont_inherit=True, optimize=0)


def needs_tree(source):
    """Whether the program's tree may have to be changed. The rest is compiled in one go."""
    if "format" in source or "\0" in source or ("_" in source and UNDERSCORE.search(source) is not None):
        return True
    return guest_module_runs.may_run(source)


async def to_its_end(program):
    """The program, and a look at what it forgot: the loop would begin tasks that are ready, and then cancel them."""
    await program
    guest_tools.refuse_forgotten_calls()


def mark_assignments(body):
    """Inserts a marker after each statement of this scope that assigns or deletes `_`."""
    for index in range(len(body) - 1, -1, -1):
        statement = body[index]
        assigned = assigns_underscore(statement)
        if assigned is not None:
            body.insert(index + 1, marker(assigned, statement))
        for block in blocks_of(statement):
            mark_assignments(block)


def blocks_of(node):
    """The lists of statements inside `node` that belong to the same scope."""
    for field in BLOCKS.get(type(node), ()):
        yield getattr(node, field)
    for part in getattr(node, PARTS.get(type(node), ""), ()):
        yield from blocks_of(part)


def assigns_underscore(statement):
    """`True` if the statement assigns `_` alone, `False` if it deletes it, else `None`."""
    kind = type(statement)
    if kind is ast.Assign:
        return (len(statement.targets) == 1 and is_underscore(statement.targets[0])) or None
    if kind is ast.AugAssign or (kind is ast.AnnAssign and statement.value):
        return is_underscore(statement.target) or None
    if kind is ast.Delete and any(map(deletes_underscore, statement.targets)):
        return False
    return None


def is_underscore(target):
    """Whether `target` is `_` and nothing beside it: in `key, _, value = …` the name means that nobody wants it."""
    return type(target) is ast.Name and target.id == "_"


def deletes_underscore(target):
    """Whether `_` is among the names of `del target`."""
    if type(target) in (ast.Tuple, ast.List):
        return any(map(deletes_underscore, target.elts))
    return is_underscore(target)


def marker(assigned, statement):
    """The assignment of `assigned` to the name that tells of it, at the place of `statement`."""
    node = ast.Assign([ast.Name(ASSIGNED, ast.Store())], ast.Constant(assigned))
    for part in (node, node.targets[0], node.value):
        ast.copy_location(part, statement)
    return node
