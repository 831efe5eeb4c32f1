/* The module `_files`: what the Python half of the guest decides about files. */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "files.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static PyObject *
install(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(ignored))
{
    static const char *const directories[] = {"/tmp", "/work", "/packages"};
    for (size_t i = 0; i < sizeof directories / sizeof *directories; i++) {
        if (mkdir(directories[i], 0755) < 0) {
            return PyErr_SetFromErrno(PyExc_OSError);
        }
    }
    if (chdir("/work") < 0) {
        return PyErr_SetFromErrno(PyExc_OSError);
    }
    Py_RETURN_NONE;
}

/* The texts of a tuple of `str`, with NULL at the end. They live as long as the tuple. NULL with an exception set. */
static const char **
texts_of(PyObject *tuple)
{
    Py_ssize_t count = PyTuple_GET_SIZE(tuple);
    const char **texts = PyMem_New(const char *, (size_t)count + 1);
    if (texts == NULL) {
        PyErr_NoMemory();
        return NULL;
    }
    for (Py_ssize_t i = 0; i < count; i++) {
        texts[i] = PyUnicode_AsUTF8(PyTuple_GET_ITEM(tuple, i));
        if (texts[i] == NULL) {
            PyMem_Free(texts);
            return NULL;
        }
    }
    texts[count] = NULL;
    return texts;
}

static PyObject *
restrict_files(PyObject *Py_UNUSED(module), PyObject *args)
{
    static PyObject *held_names, *held_patterns;
    static const char **names, **patterns;
    PyObject *new_names, *new_patterns;
    if (!PyArg_ParseTuple(args, "O!O!", &PyTuple_Type, &new_names, &PyTuple_Type, &new_patterns)) {
        return NULL;
    }
    const char **name_texts = texts_of(new_names);
    const char **pattern_texts = name_texts != NULL ? texts_of(new_patterns) : NULL;
    if (pattern_texts == NULL) {
        PyMem_Free(name_texts);
        return NULL;
    }
    files_restrict(name_texts, pattern_texts);
    PyMem_Free(names);
    PyMem_Free(patterns);
    names = name_texts;
    patterns = pattern_texts;
    Py_XSETREF(held_names, Py_NewRef(new_names));
    Py_XSETREF(held_patterns, Py_NewRef(new_patterns));
    Py_RETURN_NONE;
}

static PyObject *
permit_all(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(ignored))
{
    files_restrict(NULL, NULL);
    Py_RETURN_NONE;
}

static PyObject *
matches(PyObject *Py_UNUSED(module), PyObject *args)
{
    const char *pattern, *path;
    if (!PyArg_ParseTuple(args, "ss", &pattern, &path)) {
        return NULL;
    }
    return PyBool_FromLong(files_match(pattern, path));
}

/* Reads exactly `length` bytes of standard input. */
static bool
read_exactly(void *bytes, size_t length)
{
    return fread(bytes, 1, length, stdin) == length;
}

/* Makes the directories in which a file lies, below `directory`. */
static __wasi_errno_t
make_directories(struct node *directory, const char *path)
{
    __wasi_errno_t error = __WASI_ERRNO_SUCCESS;
    for (const char *slash = strchr(path, '/'); slash != NULL && !error; slash = strchr(slash + 1, '/')) {
        struct place place;
        error = files_find(directory, path, (size_t)(slash - path), true, &place);
        if (!error && place.node == NULL) {
            error = files_make(&place, __WASI_FILETYPE_DIRECTORY);
        }
    }
    return error;
}

/* Copies the next `left` bytes of standard input into a new file. */
static __wasi_errno_t
unpack_file(struct node *directory, const char *path, size_t left)
{
    static unsigned char bytes[16 * 1024];
    struct place place;
    __wasi_errno_t error = make_directories(directory, path);
    error = error ? error : files_find(directory, path, strlen(path), true, &place);
    error = error ? error : files_make(&place, __WASI_FILETYPE_REGULAR_FILE);
    for (uint64_t offset = 0; left > 0 && !error;) {
        size_t count = left < sizeof bytes ? left : sizeof bytes, written;
        if (!read_exactly(bytes, count)) {
            return __WASI_ERRNO_IO;
        }
        error = files_write(place.node, offset, bytes, count, &written);
        if (!error && written < count) {
            error = __WASI_ERRNO_NOSPC;
        }
        offset += count;
        left -= count;
    }
    return error;
}

static PyObject *
unpack(PyObject *Py_UNUSED(module), PyObject *directory)
{
    struct place place;
    Py_ssize_t length;
    const char *text = PyUnicode_AsUTF8AndSize(directory, &length);
    if (text == NULL) {
        return NULL;
    }
    errno = files_find(files_root(), text, (size_t)length, true, &place);
    uint32_t sizes[2]; /* WebAssembly is little-endian, as the archive is */
    while (errno == 0 && read_exactly(sizes, sizeof sizes)) {
        char path[PATH_BYTES_MAX + 1];
        if (sizes[0] > PATH_BYTES_MAX || !read_exactly(path, sizes[0])) {
            errno = EIO;
            break;
        }
        path[sizes[0]] = '\0';
        errno = unpack_file(place.node, path, sizes[1]);
    }
    if (errno != 0) {
        return PyErr_SetFromErrnoWithFilenameObject(PyExc_OSError, directory);
    }
    Py_RETURN_NONE;
}

static PyObject *
fix(PyObject *Py_UNUSED(module), PyObject *path)
{
    struct place place;
    Py_ssize_t length;
    const char *text = PyUnicode_AsUTF8AndSize(path, &length);
    if (text == NULL) {
        return NULL;
    }
    errno = files_find(files_root(), text, (size_t)length, true, &place);
    if (errno == 0 && (place.node == NULL || !files_is_directory(place.node))) {
        errno = ENOTDIR;
    }
    if (errno != 0) {
        return PyErr_SetFromErrnoWithFilenameObject(PyExc_OSError, path);
    }
    files_fix(place.node);
    Py_RETURN_NONE;
}

static PyMethodDef functions[] = {
    {"install", install, METH_NOARGS, "install() -> None\n\nMake /tmp, /work and /packages, and go to /work."},
    {"restrict", restrict_files, METH_VARARGS,
     "restrict(names: tuple[str, ...], patterns: tuple[str, ...]) -> None\n\n"
     "From now on, only files of these names can be opened, and for writing only those that match a pattern; all relative "
     "to /work."},
    {"permit_all", permit_all, METH_NOARGS, "permit_all() -> None\n\nEnd the restriction."},
    {"matches", matches, METH_VARARGS,
     "matches(pattern: str, path: str) -> bool\n\nWhether a relative path matches a pattern."},
    {"unpack", unpack, METH_O,
     "unpack(directory: str) -> None\n\n"
     "Put the files that follow the recipe on standard input into a directory. Each is the lengths of its path and of its "
     "content, as 32-bit integers, its path and its content."},
    {"fix", fix, METH_O, "fix(directory: str) -> None\n\nMake a directory and everything in it read-only."},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT,
    .m_name = "_files",
    .m_doc = "The file system in this interpreter's memory.",
    .m_size = -1,
    .m_methods = functions,
};

PyObject *
PyInit__files(void)
{
    return PyModule_Create(&definition);
}
