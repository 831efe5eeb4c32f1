"""Files of requests and results, in a directory of the test's own."""

import pathlib
import sys
import tempfile
import unittest

from . import files, forget_program, run

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
