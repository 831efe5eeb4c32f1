"""Files of requests and results, in a directory of the test's own."""

import pathlib
import struct
import sys
import tempfile
import types
import unittest

from . import files, forget_program, run

guest_absent = sys.modules["guest_absent"]
guest_files = sys.modules["guest_files"]


class Files(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.addCleanup(setattr, guest_files, "WORK", guest_files.WORK)
        self.addCleanup(setattr, guest_files, "returned", ())
        self.addCleanup(setattr, guest_files, "are_wanted", False)
        self.addCleanup(forget_program)
        guest_files.WORK = directory.name
        self.work = pathlib.Path(directory.name)

    def test_files_of_the_request_are_there(self):
        given = [{"path": "a/b.txt", "text": "é"}, {"path": "c", "base64": "/wA="}]
        run("1", files=given, return_files=["out/x/*.txt", "o*/y"])
        self.assertEqual((self.work / "a/b.txt").read_text(encoding="utf-8"), "é")
        self.assertEqual((self.work / "c").read_bytes(), b"\xff\0")
        self.assertTrue((self.work / "out/x").is_dir())
        self.assertEqual(sorted(path.name for path in self.work.iterdir()), ["a", "c", "out"])
        self.assertEqual(files.restriction, (["a/b.txt", "c"], ["o*/y", "out/x/*.txt"]))

    def test_files_come_back_with_the_result(self):
        (self.work / "no.log").write_text("no")
        code = f"""
unclosed = open({str(self.work / 'b.txt')!r}, 'w')
unclosed.write('b')
with open({str(self.work / 'a.txt')!r}, 'wb') as file:
    file.write(b'\\xff')"""
        result = run(code, return_files=["*.txt"])
        self.assertEqual(result["error"], None)
        self.assertEqual(result["files"], [{"path": "a.txt", "base64": "/w=="}, {"path": "b.txt", "text": "b"}])
        self.assertEqual(result["left_out"], [])

    def test_what_does_not_fit_is_named(self):
        for name, size in {"a": 100, "b": 300, "c": 100}.items():
            (self.work / name).write_text("x" * size)
        result = run("1", return_files=["?"], result_bytes_max=300)
        self.assertEqual([file["path"] for file in result["files"]], ["a", "c"])
        self.assertEqual(result["left_out"], ["b"])

    def test_a_value_shows_itself(self):
        code = "class A:\n    def _repr_svg_(self): return '<svg/>'\n    def _repr_png_(self): return 'iVBO'\nA()"
        result = run(code)
        self.assertEqual([(file["path"], file.get("text")) for file in result["files"]], [("value.png", None), ("value.svg", "<svg/>")])
        self.assertTrue(result["value_is_repr"])
        for failing in ("_repr_svg_(self): return 1 / 0", "_repr_png_(self): return 'x'"):
            result = run(f"class A:\n    def {failing}\nA()")
            self.assertEqual((result["error"], "files" in result), (None, False), failing)

    def test_a_program_without_files_has_none(self):
        self.assertNotIn("files", run("1 + 1"))
        self.assertEqual(run("open('x')")["error"]["type"], "NameError")


class TestPackages(unittest.TestCase):
    def package(self, name, **modules):
        """Writes a package into a new directory, from which it can be imported."""
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        package = pathlib.Path(directory.name, name)
        package.mkdir()
        for module, source in modules.items():
            package.joinpath(f"{module}.py").write_text(source)
        sys.path.insert(0, directory.name)
        self.addCleanup(sys.path.remove, directory.name)
        self.addCleanup(self.forget, name)

    @staticmethod
    def forget(name):
        for module in [module for module in sys.modules if module.split(".")[0] == name]:
            del sys.modules[module]

    def test_only_the_package_that_needs_a_stub_finds_it(self):
        before = sys.modules.pop("ctypes", None)
        self.addCleanup(lambda: before and sys.modules.update(ctypes=before))
        source = "from ctypes import c_long, sizeof\nsize = sizeof(c_long)\n"
        self.package("sympy", __init__=source)
        guest_files.import_package("sympy")
        self.assertEqual(sys.modules["sympy"].size, struct.calcsize("l"))
        self.assertNotIn("ctypes", sys.modules)
        with guest_absent.stubs_for("others"):
            self.assertNotIn("ctypes", sys.modules)

    def test_stubs_give_way_to_what_was_there(self):
        ctypes = sys.modules.setdefault("ctypes", types.ModuleType("ctypes"))
        with self.assertRaises(KeyError), guest_absent.stubs_for("sympy"):
            self.assertIsNot(sys.modules["ctypes"], ctypes)
            with self.assertRaisesRegex(AttributeError, "ctypes.cdll does not exist in this sandbox"):
                sys.modules["ctypes"].cdll
            raise KeyError
        self.assertIs(sys.modules["ctypes"], ctypes)

    def test_a_package_that_fails_leaves_no_modules(self):
        self.package("half_done", __init__="from . import part\nfrom . import missing\n", part="")
        guest_files.import_package("half_done")
        self.assertFalse([name for name in sys.modules if name.startswith("half_done")])
