import csv, errno, filecmp, fileinput, glob, gzip, io, os, pathlib, pickle, shelve, shutil, stat, tarfile, tempfile, time, zipfile


def raises(kind, function, *args, **keywords):
    try:
        function(*args, **keywords)
    except kind as error:
        return type(error) is kind
    raise AssertionError(f"{kind.__name__} was not raised")


def write(path, content=""):
    with open(path, "w") as file:
        file.write(content)


assert os.getcwd() == "/work" and os.listdir() == [] and sorted(os.listdir("/")) == ["packages", "tmp", "work"]

# Modes, positions and buffers.
write("a.txt", "one\ntwo\n")
with open("a.txt", "r+") as file:
    assert file.readline() == "one\n"
    file.seek(0, io.SEEK_END)
    file.write("three")
    file.seek(0)
    assert file.read() == "one\ntwo\nthree" and file.tell() == 13
with open("a.txt", "a+b", buffering=0) as file:
    file.seek(0)
    file.write(b"!")
    assert file.tell() == 14 and file.seek(3) == 3 and file.read(2) == b"\nt"
    assert file.truncate(5) == 5 and os.fstat(file.fileno()).st_size == 5
    file.seek(10)
    file.write(b"?")
assert open("a.txt", "rb").read() == b"one\nt?"
with open("sparse", "wb") as file:
    file.seek(3_000_000_000)
    file.write(b"x")
assert os.path.getsize("sparse") == 3_000_000_001
with open("sparse", "rb") as file:
    file.seek(2_999_999_990)
    assert file.read() == bytes(10) + b"x"
os.truncate("sparse", 70_000)
os.truncate("sparse", 140_000)
assert open("sparse", "rb").read() == bytes(140_000)
with open("long", "wb") as file:
    for number in range(300):
        file.write(bytes([number % 251]) * 1000)
content = open("long", "rb").read()
assert len(content) == 300_000 and all(content[n * 1000] == content[n * 1000 + 999] == n % 251 for n in range(300))
assert os.pread(os.open("long", os.O_RDONLY), 3, 250_999) == bytes([250, 0, 0])
assert raises(FileExistsError, open, "long", "x") and raises(io.UnsupportedOperation, open("long").write, "x")
assert raises(OSError, open("long", "rb").seek, -1)
with open("too large", "wb", buffering=0) as file:
    file.seek(1 << 40)
    assert raises(OSError, file.write, b"x")

# Directories, and the paths through them.
os.makedirs("d/e/f")
os.makedirs("d/e/f", exist_ok=True)
write("d/e/f/g.txt", "g")
assert [(a, sorted(b), sorted(c)) for a, b, c in os.walk("d")] == [
    ("d", ["e"], []), ("d/e", ["f"], []), ("d/e/f", [], ["g.txt"]),
]
assert open("/work/./d//e/../e/f/g.txt").read() == "g" and os.path.samefile("/../..//work/d", "d/e/..")
os.chdir("d/e")
os.chdir("../e/f/")
assert os.getcwd() == "/work/d/e/f" and os.listdir("..") == ["f"]
os.chdir("/work")
for kind, function, *args in [
    (FileNotFoundError, open, "d/x/y"), (FileNotFoundError, open, ""), (FileNotFoundError, os.mkdir, "x/y"),
    (NotADirectoryError, open, "a.txt/"), (NotADirectoryError, os.listdir, "a.txt"), (NotADirectoryError, os.rmdir, "a.txt"),
    (NotADirectoryError, os.chdir, "a.txt"), (IsADirectoryError, open, "d"), (IsADirectoryError, open, "d", "w"),
    (IsADirectoryError, os.unlink, "d"), (FileExistsError, os.mkdir, "a.txt"), (FileExistsError, os.mkdir, "d"),
    (OSError, os.rmdir, "d"), (OSError, os.rmdir, "/"), (OSError, os.rename, "d", "d/e/h"), (OSError, os.rename, "/", "r"),
    (OSError, open, "n" * 256, "w"), (OSError, open, "n/" * 3000), (ValueError, open, "a\0b"),
    (FileNotFoundError, os.rename, "x", "y"), (NotADirectoryError, os.rename, "d", "a.txt"),
    (IsADirectoryError, os.rename, "a.txt", "d"), (FileNotFoundError, open, "/etc/passwd"), (FileNotFoundError, open, "/dev/null"),
    (OSError, open, "/packages/x", "w"), (OSError, os.mkdir, "/packages/x"), (OSError, os.chmod, "/packages", 0o777),
]:
    try:
        function(*args)
    except kind:
        continue
    raise AssertionError(f"{function.__name__}{args} raised nothing")
assert not os.path.exists("") and raises(FileNotFoundError, os.stat, "")

# Names.
os.rename("d/e", "d2")
os.rename("a.txt", "long")
assert os.listdir("d") == [] and open("long", "rb").read(3) == b"one" and os.path.exists("d2/f/g.txt")
os.mkdir("empty")
os.rename("d2", "empty")
assert sorted(os.listdir()) == ["d", "empty", "long", "sparse", "too large"]
file = open("long", "rb")
os.unlink("long")
assert file.read(3) == b"one" and not os.path.exists("long") and os.fstat(file.fileno()).st_nlink == 0
os.mkdir("gone")
os.chdir("gone")
os.rmdir("/work/gone")
assert raises(FileNotFoundError, open, "x", "w") and raises(FileNotFoundError, os.listdir)
os.chdir("/work")

# Links.
write("target", "t")
os.symlink("target", "link")
os.symlink("/work/empty/f", "to directory")
os.symlink("nowhere", "dangling")
os.symlink("loop", "loop")
os.link("target", "second")
assert open("link").read() == "t" and os.readlink("link") == "target" and os.path.realpath("link") == "/work/target"
assert open("to directory/g.txt").read() == "g" and os.path.islink("to directory") and os.path.isdir("to directory")
assert os.path.lexists("dangling") and not os.path.exists("dangling") and raises(OSError, open, "loop")
write("dangling", "made")
assert open("nowhere").read() == "made" and os.stat("second").st_nlink == 2 and os.path.samefile("second", "link")
assert stat.S_ISLNK(os.lstat("link").st_mode) and raises(OSError, os.readlink, "target")
os.unlink("link")
os.unlink("target")
assert open("second").read() == "t" and raises(PermissionError, os.link, "empty", "hard")

# Metadata.
os.chmod("second", 0o600)
os.utime("second", (1.5, 2.25))
status = os.stat("second")
assert (stat.S_IMODE(status.st_mode), status.st_atime, status.st_mtime) == (0o600, 1.5, 2.25)
assert stat.filemode(os.stat("empty").st_mode) == "drwxr-xr-x" and stat.filemode(os.stat("/packages").st_mode) == "dr-xr-xr-x"
before = time.time() - 5
write("second", "u")
assert before < os.stat("second").st_mtime < time.time() + 5
assert os.access("second", os.W_OK) and not os.access("second", os.X_OK) and not os.access("/packages", os.W_OK)

# Many names, and names that vanish while they are listed.
os.mkdir("many")
for number in range(2000):
    write(f"many/{number}")
assert len(os.listdir("many")) == 2000 and len(set(os.listdir("many"))) == 2000
seen = []
for entry in os.scandir("many"):
    seen.append(entry.name)
    os.unlink(entry.path)
assert len(seen) == len(set(seen)) == 2000 and os.listdir("many") == []
os.rmdir("many")

# Descriptors.
opened = []
try:
    while True:
        opened.append(os.open("second", os.O_RDONLY))
except OSError as error:
    assert error.errno == errno.EMFILE and len(opened) > 900
for descriptor in opened:
    os.close(descriptor)
first = os.open("second", os.O_RDWR)
copy = os.dup(first)
os.write(first, b"abc")
assert os.lseek(copy, 0, os.SEEK_CUR) == 3 and os.close(first) is None and os.pread(copy, 9, 0) == b"abc"
assert raises(OSError, os.close, first) and raises(OSError, os.read, 500, 1)

# The library on top of it.
assert tempfile.gettempdir() == "/tmp"
with tempfile.TemporaryDirectory() as folder, tempfile.NamedTemporaryFile("w+", dir=folder) as file:
    file.write("x")
    file.flush()
    shutil.copy(file.name, "copied")
    assert filecmp.cmp(file.name, "copied")
assert os.listdir("/tmp") == []
shutil.copytree("empty", "tree")
shutil.move("copied", "tree/f")
assert sorted(glob.glob("tree/**", recursive=True)) == ["tree/", "tree/f", "tree/f/copied", "tree/f/g.txt"]
with zipfile.ZipFile("tree.zip", "w", zipfile.ZIP_DEFLATED) as archive:
    archive.write("tree/f/g.txt", "g.txt")
    archive.writestr("in/side.txt", "s" * 1000)
with zipfile.ZipFile("tree.zip") as archive:
    archive.extractall("unzipped")
assert open("unzipped/in/side.txt").read() == "s" * 1000
with tarfile.open("tree.tar.gz", "w:gz") as archive:
    archive.add("tree")
with tarfile.open("tree.tar.gz") as archive:
    archive.extractall("untarred", filter="data")
assert open("untarred/tree/f/g.txt").read() == "g"
with gzip.open("text.gz", "wt") as file:
    file.write("zipped")
assert gzip.open("text.gz", "rt").read() == "zipped"
with open("rows.csv", "w", newline="") as file:
    csv.writer(file).writerows([["a", "b"], [1, "x,y"]])
assert list(csv.DictReader(open("rows.csv"))) == [{"a": "1", "b": "x,y"}]
with open("object", "wb") as file:
    pickle.dump({"a": [1]}, file)
assert pickle.load(open("object", "rb")) == {"a": [1]}
with shelve.open("shelf") as shelf:
    shelf["key"] = {1, 2}
with shelve.open("shelf") as shelf:
    assert shelf["key"] == {1, 2}
path = pathlib.Path("p") / "q.txt"
path.parent.mkdir()
path.write_text("ü")
assert path.read_bytes() == b"\xc3\xbc" and [*path.parent.iterdir()] == [path] and path.resolve() == pathlib.Path("/work/p/q.txt")
assert [line.strip() for line in fileinput.input(["rows.csv"])] == ["a,b", '1,"x,y"']
shutil.rmtree("tree")
assert not os.path.exists("tree")

"done"
