"""The program's files: puts those of the request into the file system, and returns those that it asks for.

The file system is in this interpreter's memory (`files/`). Where the guards are enabled, a program can open only what
its requests brought, and write only what they ask for; C code enforces that for every way to open a file.
"""

import binascii
import builtins
import contextlib
import gc
import importlib
import io
import json
import os
import sys

import _files
import guest_absent
import guest_guards
import guest_values

# The program's current directory. All paths of requests and results are relative to it.
WORK = "/work"
PACKAGES = "/packages"
# Maximum number of files that are named because they do not fit.
LEFT_OUT_MAX = 100
# The methods by which a value shows itself in Jupyter, and the file that holds what each returns.
SHOWN = {
    "_repr_png_": "value.png",
    "_repr_svg_": "value.svg",
    "_repr_html_": "value.html",
    "_repr_markdown_": "value.md",
}
WILDCARDS = frozenset("*?[")

# What may be opened here: names that requests brought, and patterns by which they asked for files.
names, patterns = set(), set()
# The patterns of the running program's request.
returned = ()
# Files that show the program's value, by name.
shown = {}
# Whether the result has files.
are_wanted = False


def install(recipe):
    """Creates the file system with the recipe's packages, and imports them. If the recipe enables the guards, programs
    can open nothing.
    """
    guest_values.show = show
    _files.install()
    _files.unpack(PACKAGES)
    _files.fix(PACKAGES)
    if recipe["guards"]:
        _files.restrict((), ())
    sys.path.append(PACKAGES)
    for name in recipe["packages"]:
        import_package(name)


def import_package(name):
    """Imports a package. One that needs what is not here says so to the program that imports it."""
    try:
        with guest_absent.stubs_for(name):
            importlib.import_module(name)
    except (Exception, SystemExit):
        # The program's import begins anew: submodules that are there already would not become attributes.
        for module in [module for module in sys.modules if module.startswith(f"{name}.")]:
            del sys.modules[module]


def prepare_for(request):
    """Puts the request's files into the file system."""
    global returned, are_wanted
    files, returned = request.get("files", ()), request.get("return_files", ())
    are_wanted = bool(returned)
    shown.clear()
    if not (files or returned):
        return
    _files.permit_all()
    for file in files:
        make_directory_of(file["path"])
        content = file["text"].encode() if "text" in file else binascii.a2b_base64(file["base64"])
        with open(os.path.join(WORK, file["path"]), "wb") as opened:
            opened.write(content)
    for pattern in returned:
        make_directory_of(pattern)
    if guest_guards.enabled:
        names.update(file["path"] for file in files)
        patterns.update(returned)
        guest_guards.user_builtins["open"] = builtins.open
        _files.restrict(tuple(names), tuple(patterns))


def make_directory_of(path):
    """Creates the directories in which `path` lies, up to the first one with a wildcard in its name."""
    *directories, _ = path.split("/")
    plain = next((i for i, name in enumerate(directories) if WILDCARDS.intersection(name)), len(directories))
    os.makedirs(os.path.join(WORK, *directories[:plain]), exist_ok=True)


def show(value):
    """Keeps what `value` shows of itself by Jupyter's protocol. A method that fails shows nothing."""
    global are_wanted
    for method, name in SHOWN.items():
        if getattr(type(value), method, None) is None:
            continue
        with contextlib.suppress(Exception):
            content = getattr(value, method)()
            if type(content) is tuple and content:
                content, *_ = content  # and its metadata
            if isinstance(content, str):
                shown[name] = binascii.a2b_base64(content) if name.endswith(".png") else content.encode("utf-8", "replace")
            elif isinstance(content, (bytes, bytearray)):
                shown[name] = bytes(content)
    are_wanted = are_wanted or bool(shown)


def collect(bytes_max):
    """Returns the last fields of the result's JSON: the files that match the request's patterns and those that show the
    value, and the names of those for which `bytes_max` does not suffice.
    """
    flush()
    entries, left_out = [], []
    for path in [*shown, *sorted(filter(is_returned, paths_below(WORK)))]:
        entry = entry_of(path, bytes_max)
        if entry is None:
            left_out.append(path)
        else:
            entries.append(entry)
            bytes_max -= len(entry)
    left_out = [path for path in left_out[:LEFT_OUT_MAX] if len(path) <= 1024]
    names = json.dumps(left_out, ensure_ascii=False).encode()
    return b',"files":[%b],"left_out":%b' % (b",".join(entries), names)


def flush():
    """Writes what the program has left in the buffers of its open files."""
    for thing in gc.get_objects():
        if issubclass(type(thing), (io.TextIOWrapper, io.BufferedWriter, io.BufferedRandom)) and not thing.closed:
            with contextlib.suppress(Exception):
                thing.flush()


def paths_below(directory, prefix=""):
    """Yields the relative paths of all regular files below `directory`. Does not follow symbolic links."""
    with os.scandir(directory) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                yield from paths_below(entry.path, f"{prefix}{entry.name}/")
            elif entry.is_file(follow_symlinks=False):
                yield prefix + entry.name


def is_returned(path):
    """Returns whether the request asks for the file `path`. A name that is not valid UTF-8 cannot be returned."""
    try:
        return any(_files.matches(pattern, path) for pattern in returned) and path not in shown
    except UnicodeEncodeError:
        return False


def entry_of(path, bytes_max):
    """Returns a file as JSON, and `None` if that is longer than `bytes_max`."""
    content = shown.get(path)
    if content is None:
        if os.path.getsize(os.path.join(WORK, path)) > bytes_max:
            return None
        with open(os.path.join(WORK, path), "rb") as file:
            content = file.read()
    try:
        field, text = "text", content.decode()
    except UnicodeDecodeError:
        field, text = "base64", binascii.b2a_base64(content, newline=False).decode()
    entry = json.dumps({"path": path, field: text}, ensure_ascii=False).encode()
    return entry if len(entry) <= bytes_max else None
