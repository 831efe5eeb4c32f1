"""Runs a program: from source text to its value.

CPython's interactive mode passes the value of every expression statement at module level to `sys.displayhook`, nested
blocks included and functions excluded. The interface defines a program's value in the same way, so programs are
compiled in that mode.

The source never changes; the syntax tree changes in two cases. Interactive mode does not distinguish assignments to
`_` from other ways to bind it, so a marker is inserted after each assignment. `str.format` and `object.__setattr__` are
guarded. Most programs need neither and are compiled directly.
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

# Not an identifier, so no source can contain it; too long for CPython to suggest it for a misspelled name.
ASSIGNED = "@assigned by a statement at the module level"
NOTHING = object()

# Returned instead of a value when the program has given its stack back; `go_on` continues it.
WAITING = object()

# While it is false, nothing of the program has run.
is_compiled = False
# The file name of the program in tracebacks.
file_name = "main.py"
# The program's namespace, and while it waits, the value of its latest expression statement. That value is saved here
# because `_executor` forgets it whenever the host calls the interpreter.
namespace = value_so_far = None
# Whether the namespace and the event loop stay for another program after this one, and whether the host may ask this one
# for its stack.
keeps = parks = False
# Whether they have stayed from another program before this one.
is_kept = False

REWRITTEN_NAME = re.compile(r"\b(?:_|__setattr__)\b")

COMPILE_FLAGS = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
# The fields of a node that hold statements of the same scope.
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
# The field of a node that holds nodes with such statements.
PARTS = {ast.Try: "handlers", ast.TryStar: "handlers", ast.Match: "cases"}


def run(source, variables):
    """Runs `source` as `__main__` with `variables` as its initial variables. Returns its value or `WAITING`.

    Raises what the program raises.
    """
    global is_compiled, namespace
    is_compiled = False
    if is_kept:
        names = follow()
    else:
        module = types.ModuleType("__main__")
        namespace = names = vars(module)
        names["__builtins__"] = guest_guards.user_builtins
        # `dataclasses`, `typing` and others look up the module of a class by name.
        sys.modules["__main__"] = module
    names.update(variables)
    show_source_lines(source)
    _executor.remember(NOTHING)
    has_ended = True
    try:
        code = compile_source(source, names)
        is_compiled = True
        result = eval(code, names)
        if code.co_flags & inspect.CO_COROUTINE:
            if names.get(guest_module_runs.RUN):
                result = guest_loop.run_outside(result)
            has_ended = guest_loop.run(to_its_end(result), keeps)
    except SystemExit as error:
        accept_exit(error)
    return end() if has_ended else pause()


def follow():
    """Prepares for a program that follows another one in the same namespace. Returns the namespace."""
    global file_name
    namespace.pop(ASSIGNED, None)
    namespace.pop(guest_module_runs.RUN, None)
    guest_tools.not_begun.clear()
    guest_loop.in_flight.clear()
    file_name = f"main-{len(guest_tools.files) + 1}.py"
    guest_tools.files.append(file_name)
    return namespace


def go_on():
    """Continues a program that waits. Returns and raises what `run` does."""
    _executor.remember(value_so_far)
    has_ended = True
    try:
        has_ended = guest_loop.go_on()
    except SystemExit as error:
        accept_exit(error)
    return end() if has_ended else pause()


def accept_exit(error):
    """Ends the program as a success if that is what it exits with; else raises the exit again."""
    if not (error.code is None or (type(error.code) in (int, bool) and error.code == 0)):
        raise error


def pause():
    """Keeps what the interpreter forgets until the program is continued."""
    global value_so_far
    value_so_far = _executor.remembered()
    return WAITING


def end():
    """Returns the program's value."""
    if guest_tools.not_begun:
        guest_tools.refuse_forgotten_calls()
    return value_of(namespace)


def value_of(namespace):
    """Returns the program's value: the final `_` if a statement assigned it, else the last expression's value."""
    value = _executor.remembered()
    if namespace.get(ASSIGNED) and "_" in namespace:
        value = namespace["_"]
    return None if value is NOTHING else value


def show_source_lines(source):
    """Lets tracebacks and warnings show the program's source lines."""
    lines = [line + "\n" for line in source.replace("\r\n", "\n").replace("\r", "\n").split("\n")]
    linecache.cache[file_name] = (len(source), None, lines, file_name)


def compile_source(source, namespace):
    """Compiles the program and sets `__doc__` in `namespace`. Raises `SyntaxError`."""
    if not (parks or needs_tree(source)) and source.isascii():
        code = _executor.compile(source, file_name)
        if code is not None:
            return code
    tree = compile(source, file_name, "exec", COMPILE_FLAGS | ast.PyCF_ONLY_AST, dont_inherit=True)
    if guest_guards.enabled:
        guest_attribute_guards.guard_attributes(tree, source)
    if parks and guest_module_runs.await_runs(tree, source):
        namespace[guest_module_runs.RUN] = guest_loop.run_here
    body = tree.body
    # A string on its own is the program's value, not its docstring.
    if len(body) > 1 and (docstring := ast.get_docstring(tree)) is not None:
        namespace["__doc__"] = docstring
    if "_" in source:
        mark_assignments(body)
    return compile(ast.Interactive(body), file_name, "single", COMPILE_FLAGS, dont_inherit=True, optimize=0)


def needs_tree(source):
    """Returns whether the program's syntax tree may need changes. Other programs are compiled directly."""
    return "format" in source or "\0" in source or ("_" in source and REWRITTEN_NAME.search(source) is not None)


async def to_its_end(program):
    """Runs the program, then refuses forgotten tool calls.

    This must happen inside the loop: when it closes, it starts the tasks that are ready before it cancels them.
    """
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
    """Yields the lists of statements in `node` that belong to the same scope."""
    for field in BLOCKS.get(type(node), ()):
        yield getattr(node, field)
    for part in getattr(node, PARTS.get(type(node), ""), ()):
        yield from blocks_of(part)


def assigns_underscore(statement):
    """Returns `True` if the statement assigns only `_`, `False` if it deletes `_`, and otherwise `None`."""
    kind = type(statement)
    if kind is ast.Assign:
        return (len(statement.targets) == 1 and is_underscore(statement.targets[0])) or None
    if kind is ast.AugAssign or (kind is ast.AnnAssign and statement.value):
        return is_underscore(statement.target) or None
    if kind is ast.Delete and any(map(deletes_underscore, statement.targets)):
        return False
    return None


def is_underscore(target):
    """Returns whether `target` is just `_`. In `key, _, value = …`, the name marks a value that is not needed."""
    return type(target) is ast.Name and target.id == "_"


def deletes_underscore(target):
    """Returns whether `del target` deletes `_`."""
    if type(target) in (ast.Tuple, ast.List):
        return any(map(deletes_underscore, target.elts))
    return is_underscore(target)


def marker(assigned, statement):
    """Returns a statement that sets `ASSIGNED` to `assigned`, with the source location of `statement`."""
    node = ast.Assign([ast.Name(ASSIGNED, ast.Store())], ast.Constant(assigned))
    for part in (node, node.targets[0], node.value):
        ast.copy_location(part, statement)
    return node
