"""A fake file system: the module `_files` without one. Tests set `guest_files.WORK` to a directory of their own."""

import fnmatch
import types


class FakeFiles(types.ModuleType):
    """The functions that `files/module.c` provides. Nothing is restricted; `restriction` shows what would be."""

    def __init__(self):
        super().__init__("_files")
        self.restriction = None

    def install(self):
        pass

    def unpack(self, directory):
        pass

    def fix(self, directory):
        pass

    def restrict(self, names, patterns):
        self.restriction = (sorted(names), sorted(patterns))

    def permit_all(self):
        self.restriction = None

    def matches(self, pattern, path):
        return pattern.count("/") == path.count("/") and fnmatch.fnmatchcase(path, pattern)
