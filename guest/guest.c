/* The C half of the guest: what python.wasm exports and imports. guest/README.md is its contract.
 *
 * One instance makes one image (initialize) or runs one program (run) and is then thrown away: nothing in here
 * cleans up behind itself, and there is no Py_Finalize.
 */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

/* The compiler's own interface to syntax trees: Python's makes objects of each node, which takes longer than the rest. */
#define Py_BUILD_CORE
#include <internal/pycore_ast.h>
#include <internal/pycore_compile.h>
#include <internal/pycore_parser.h>
#include <internal/pycore_pyarena.h>

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define IMPORT(function) __attribute__((import_module("executor"), import_name(#function)))
#define EXPORT(function) __attribute__((export_name(#function)))

IMPORT(call) int32_t executor_call(const void *payload, size_t length);
IMPORT(wait) int32_t executor_wait(int64_t timeout_ns, void *completions, size_t capacity);
IMPORT(finish) void executor_finish(const void *result, size_t length);
IMPORT(refuel) void executor_refuel(void);

/* Written by python-wasm/freeze.py: the whole importable standard library, and where its modules say that they are. */
extern const struct _frozen executor_stdlib[];
extern const wchar_t executor_stdlib_dir[];

/* python-wasm/modules.c */
extern int executor_add_modules(void);

/* python-wasm/task_names.patch, python-wasm/watched_names.patch */
extern uint64_t _PyAsyncio_task_name_counter;
extern PyObject *_PyEval_watched_names, *_PyEval_watcher;

static const size_t STDIN_CHUNK_BYTES = 16 * 1024;
static const size_t COMPLETIONS_BYTES = 64 * 1024;
static const size_t COMPLETION_HEADER_BYTES = 8;

static PyObject *entry_run;         /* entry.run of the recipe */
static PyObject *remembered_value;  /* strong reference or NULL */
static unsigned char *completions;  /* what wait() writes into */
static size_t completions_capacity;

/* ---- module _executor ------------------------------------------------------------------------------------------- */

static PyObject *
call(PyObject *Py_UNUSED(module), PyObject *payload)
{
    char *bytes;
    Py_ssize_t length;
    if (PyBytes_AsStringAndSize(payload, &bytes, &length) < 0) {
        return NULL;
    }
    int32_t id = executor_call(bytes, (size_t)length);
    if (id < 0) {
        PyErr_SetString(PyExc_RuntimeError, "the host does not take this call");
        return NULL;
    }
    return PyLong_FromLong(id);
}

/* One (id, reply) of the list, and the position behind it; NULL with an exception set. */
static PyObject *
parse_completion(const unsigned char *bytes, size_t length, size_t *position)
{
    size_t left = length - *position;
    uint32_t header[2];
    if (left < COMPLETION_HEADER_BYTES) {
        PyErr_SetString(PyExc_RuntimeError, "the host sent half a completion");
        return NULL;
    }
    memcpy(header, bytes + *position, sizeof header); /* WebAssembly is little-endian, as the message is */
    left -= COMPLETION_HEADER_BYTES;
    if (header[1] > left) {
        PyErr_SetString(PyExc_RuntimeError, "the host sent half a completion");
        return NULL;
    }
    const char *reply = (const char *)bytes + *position + COMPLETION_HEADER_BYTES;
    *position += COMPLETION_HEADER_BYTES + header[1];
    return Py_BuildValue("(Iy#)", (unsigned int)header[0], reply, (Py_ssize_t)header[1]);
}

static PyObject *
parse_completions(const unsigned char *bytes, size_t length)
{
    PyObject *list = PyList_New(0);
    if (list == NULL) {
        return NULL;
    }
    for (size_t position = 0; position < length;) {
        PyObject *completion = parse_completion(bytes, length, &position);
        if (completion == NULL || PyList_Append(list, completion) < 0) {
            Py_XDECREF(completion);
            Py_DECREF(list);
            return NULL;
        }
        Py_DECREF(completion);
    }
    return list;
}

static int
grow_completions(size_t capacity)
{
    unsigned char *grown = realloc(completions, capacity);
    if (grown == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    completions = grown;
    completions_capacity = capacity;
    return 0;
}

static PyObject *
wait(PyObject *Py_UNUSED(module), PyObject *timeout)
{
    long long timeout_ns = PyLong_AsLongLong(timeout);
    if (timeout_ns == -1 && PyErr_Occurred()) {
        return NULL;
    }
    int32_t written = executor_wait(timeout_ns, completions, completions_capacity);
    if (written < 0) {
        /* The next completion alone is larger than the buffer. It is ready: the second wait() does not block. */
        if (grow_completions((size_t)-(int64_t)written) < 0) {
            return NULL;
        }
        written = executor_wait(timeout_ns, completions, completions_capacity);
    }
    if (written < 0 || (size_t)written > completions_capacity) {
        PyErr_SetString(PyExc_RuntimeError, "the host broke the contract of wait");
        return NULL;
    }
    return parse_completions(completions, (size_t)written);
}

static PyObject *
remember(PyObject *Py_UNUSED(module), PyObject *value)
{
    if (value != Py_None) {
        Py_XSETREF(remembered_value, Py_NewRef(value));
    }
    Py_RETURN_NONE;
}

static PyObject *
remembered(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(ignored))
{
    return Py_NewRef(remembered_value != NULL ? remembered_value : Py_None);
}

/* The tree of a source text as that of an interactive statement, which hands the values of its expressions to
 * sys.displayhook. NULL without an exception: it begins with a docstring, which has to become its `__doc__`. */
static mod_ty
parse_interactive(const char *text, PyObject *filename, PyCompilerFlags *flags, PyArena *arena)
{
    mod_ty tree = _PyParser_ASTFromString(text, filename, Py_file_input, flags, arena);
    if (tree == NULL) {
        return NULL;
    }
    asdl_stmt_seq *body = tree->v.Module.body;
    if (_PyAST_GetDocString(body) != NULL) {
        return NULL;
    }
    return _PyAST_Interactive(body, arena);
}

static PyObject *
compile_interactive(PyObject *Py_UNUSED(module), PyObject *args)
{
    const char *text;
    PyObject *filename;
    if (!PyArg_ParseTuple(args, "sU", &text, &filename)) {
        return NULL;
    }
    PyArena *arena = _PyArena_New();
    if (arena == NULL) {
        return NULL;
    }
    PyCompilerFlags flags = _PyCompilerFlags_INIT;
    flags.cf_flags = PyCF_ALLOW_TOP_LEVEL_AWAIT | PyCF_IGNORE_COOKIE;
    mod_ty tree = parse_interactive(text, filename, &flags, arena);
    PyObject *code = NULL;
    if (tree != NULL) {
        code = (PyObject *)_PyAST_Compile(tree, filename, &flags, 0, arena);
    }
    else if (!PyErr_Occurred()) {
        code = Py_NewRef(Py_None);
    }
    _PyArena_Free(arena);
    return code;
}

static PyObject *
immortalize(PyObject *Py_UNUSED(module), PyObject *object)
{
    object->ob_refcnt = _Py_IMMORTAL_REFCNT;
    Py_RETURN_NONE;
}

static PyObject *
watch(PyObject *Py_UNUSED(module), PyObject *args)
{
    PyObject *names, *watcher;
    if (!PyArg_ParseTuple(args, "O!O", &PyFrozenSet_Type, &names, &watcher)) {
        return NULL;
    }
    Py_XSETREF(_PyEval_watched_names, Py_NewRef(names));
    Py_XSETREF(_PyEval_watcher, Py_NewRef(watcher));
    Py_RETURN_NONE;
}

static PyMethodDef executor_functions[] = {
    {"call", call, METH_O, "call(payload: bytes) -> int\n\nStart a tool call; returns its id."},
    {"wait", wait, METH_O,
     "wait(timeout_ns: int) -> list[tuple[int, bytes]]\n\n"
     "Block until a started call has completed or the time is over (-1: no limit)."},
    {"remember", remember, METH_O,
     "remember(value) -> None\n\nKeep value as the program's latest expression value unless it is None."},
    {"remembered", remembered, METH_NOARGS, "remembered() -> object\n\nThe value kept last, or None."},
    {"compile", compile_interactive, METH_VARARGS,
     "compile(source: str, filename: str) -> code | None\n\n"
     "Compile a program for interactive mode; None if it begins with a docstring."},
    {"immortalize", immortalize, METH_O,
     "immortalize(object) -> None\n\nNever count references to object again: reading it no longer writes to memory."},
    {"watch", watch, METH_VARARGS,
     "watch(names: frozenset, watcher) -> None\n\n"
     "What a class pattern finds in an attribute of these names goes through watcher(name, value)."},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef executor_module = {
    PyModuleDef_HEAD_INIT,
    .m_name = "_executor",
    .m_doc = "What the host gives to the Python half of the guest.",
    .m_size = -1,
    .m_methods = executor_functions,
};

static PyObject *
PyInit__executor(void)
{
    return PyModule_Create(&executor_module);
}

/* ---- stdin ------------------------------------------------------------------------------------------------------ */

/* Everything up to end of file, as bytes; NULL with an exception set. */
static PyObject *
read_stdin(void)
{
    size_t length = 0;
    size_t capacity = STDIN_CHUNK_BYTES;
    PyObject *bytes = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)capacity);
    while (bytes != NULL) {
        ssize_t count = read(STDIN_FILENO, PyBytes_AS_STRING(bytes) + length, capacity - length);
        if (count < 0) {
            Py_DECREF(bytes);
            return PyErr_SetFromErrno(PyExc_OSError);
        }
        if (count == 0) {
            _PyBytes_Resize(&bytes, (Py_ssize_t)length);
            break;
        }
        length += (size_t)count;
        if (length == capacity) {
            capacity *= 2;
            _PyBytes_Resize(&bytes, (Py_ssize_t)capacity); /* sets bytes to NULL when it fails */
        }
    }
    return bytes;
}

/* ---- initialize ------------------------------------------------------------------------------------------------- */

/* The image cannot be made: say why on stderr, then trap. */
static _Noreturn void
fail(const char *why)
{
    fprintf(stderr, "initialize: %s\n", why);
    if (PyErr_Occurred()) {
        PyObject *exception = PyErr_GetRaisedException();
        PyErr_DisplayException(exception);
    }
    fflush(stderr);
    __builtin_trap();
}

static void
check(PyStatus status)
{
    if (PyStatus_Exception(status)) {
        fail(status.err_msg != NULL ? status.err_msg : "CPython does not start");
    }
}

static void
set_string(PyConfig *config, wchar_t **field, const wchar_t *value)
{
    check(PyConfig_SetString(config, field, value));
}

static void
start_python(void)
{
    PyPreConfig preconfig;
    PyPreConfig_InitIsolatedConfig(&preconfig);
    preconfig.utf8_mode = 1;
    check(Py_PreInitialize(&preconfig));

    PyImport_FrozenModules = executor_stdlib;
    if (PyImport_AppendInittab("_executor", PyInit__executor) < 0 || executor_add_modules() < 0) {
        fail("modules cannot be registered");
    }
    /* An empty search path: without it zoneinfo asks sysconfig, which is not in here, for directories. */
    setenv("PYTHONTZPATH", "", 1);

    PyConfig config;
    PyConfig_InitIsolatedConfig(&config);
    config.site_import = 0;
    config.write_bytecode = 0;
    config.use_frozen_modules = 1;
    /* An image must come out the same every time. A sandbox serves one program, which can only slow down itself. */
    config.use_hash_seed = 1;
    config.hash_seed = 0;
    /* The output of a run that is killed must have reached the host by then. */
    config.buffered_stdio = 0;
    set_string(&config, &config.stdio_encoding, L"utf-8");
    set_string(&config, &config.stdio_errors, L"backslashreplace");
    /* All paths are given, and lead nowhere: the modules are frozen. */
    set_string(&config, &config.program_name, L"python");
    set_string(&config, &config.executable, L"");
    set_string(&config, &config.base_executable, L"");
    set_string(&config, &config.home, L"/python");
    set_string(&config, &config.prefix, L"/python");
    set_string(&config, &config.base_prefix, L"/python");
    set_string(&config, &config.exec_prefix, L"/python");
    set_string(&config, &config.base_exec_prefix, L"/python");
    set_string(&config, &config.stdlib_dir, executor_stdlib_dir);
    config.module_search_paths_set = 1;
    check(Py_InitializeFromConfig(&config));
    PyConfig_Clear(&config);
}

/* A real module made of source text, in sys.modules; strong reference. */
static PyObject *
make_module(PyObject *name, PyObject *source)
{
    PyObject *filename = PyUnicode_FromFormat("<guest %U>", name);
    const char *text = PyUnicode_AsUTF8(source);
    if (filename == NULL || text == NULL) {
        return NULL;
    }
    PyObject *code = Py_CompileStringObject(text, filename, Py_file_input, NULL, -1);
    PyObject *module = code != NULL ? Py_XNewRef(PyImport_AddModuleObject(name)) : NULL;
    if (module == NULL || PyModule_AddObjectRef(module, "__file__", filename) < 0 ||
        PyModule_AddObjectRef(module, "__builtins__", PyEval_GetBuiltins()) < 0) {
        return NULL;
    }
    PyObject *globals = PyModule_GetDict(module);
    PyObject *nothing = PyEval_EvalCode(code, globals, globals);
    if (nothing == NULL) {
        return NULL;
    }
    Py_DECREF(nothing);
    Py_DECREF(code);
    Py_DECREF(filename);
    return module;
}

/* The recipe is one line. The files of packages may follow it (files/module.c). */
static PyObject *
parse_recipe(void)
{
    char *line = NULL;
    size_t capacity = 0;
    ssize_t length = getline(&line, &capacity, stdin);
    PyObject *text = length >= 0 ? PyBytes_FromStringAndSize(line, length) : PyErr_SetFromErrno(PyExc_OSError);
    free(line);
    PyObject *json = text != NULL ? PyImport_ImportModule("json") : NULL;
    PyObject *recipe = json != NULL ? PyObject_CallMethod(json, "loads", "N", text) : NULL;
    Py_XDECREF(json);
    return recipe;
}

static void
make_modules(PyObject *recipe)
{
    PyObject *modules = PyMapping_GetItemString(recipe, "modules");
    Py_ssize_t count = modules != NULL ? PyObject_Size(modules) : -1;
    if (count < 0) {
        fail("the recipe has no list of modules");
    }
    for (Py_ssize_t i = 0; i < count; i++) {
        PyObject *pair = PySequence_GetItem(modules, i);
        PyObject *name, *source;
        if (pair == NULL || !PyArg_Parse(pair, "(UU)", &name, &source)) {
            fail("a module of the recipe is not a pair of strings");
        }
        PyObject *module = make_module(name, source);
        if (module == NULL) {
            fail("a module of the recipe does not start");
        }
        Py_DECREF(module);
        Py_DECREF(pair);
    }
    Py_DECREF(modules);
}

static void
prepare_entry(PyObject *recipe)
{
    PyObject *name = PyMapping_GetItemString(recipe, "entry");
    PyObject *entry = name != NULL ? PyImport_Import(name) : NULL;
    entry_run = entry != NULL ? PyObject_GetAttrString(entry, "run") : NULL;
    if (entry_run == NULL) {
        fail("the recipe's entry has no function run");
    }
    PyObject *nothing = PyObject_CallMethod(entry, "prepare", "O", recipe);
    if (nothing == NULL) {
        fail("prepare() failed");
    }
    Py_DECREF(nothing);
    Py_DECREF(entry);
    Py_DECREF(name);
}

EXPORT(initialize) void
initialize(void)
{
    start_python();
    if (grow_completions(COMPLETIONS_BYTES) < 0) {
        fail("out of memory");
    }
    PyObject *recipe = parse_recipe();
    if (recipe == NULL) {
        fail("the recipe is not JSON");
    }
    make_modules(recipe);
    prepare_entry(recipe);
    Py_DECREF(recipe);
    _PyAsyncio_task_name_counter = 0; /* tasks of what prepare() tried out do not count */
}

/* ---- run -------------------------------------------------------------------------------------------------------- */

/* The host gets an answer even when the runner has no memory left to make one: nothing here allocates. */
static void
finish_with_exception(void)
{
    static char result[256];
    char type[64];
    PyObject *raised = PyErr_Occurred();
    const char *name = raised != NULL ? ((PyTypeObject *)raised)->tp_name : "SystemError";
    size_t length = 0;
    /* A program can name its exception as it likes; this is JSON. */
    for (; *name != '\0' && length < sizeof type - 1; name++) {
        if (Py_ISALNUM(*name) || *name == '_' || *name == '.') {
            type[length++] = *name;
        }
    }
    type[length] = '\0';
    int written = snprintf(result, sizeof result,
                           "{\"value\": null, \"value_is_repr\": false, \"error\": {\"type\": \"%s\", \"message\": \"\", "
                           "\"line\": null, \"column\": null, \"hint\": null, \"traceback\": \"\", \"compiled\": true}}",
                           type);
    executor_finish(result, (size_t)written);
}

EXPORT(run) void
run(void)
{
    Py_CLEAR(remembered_value); /* what prepare() tried out is not this program's */
    PyObject *request = read_stdin();
    PyObject *result = request != NULL ? PyObject_CallOneArg(entry_run, request) : NULL;
    char *bytes;
    Py_ssize_t length;
    if (result == NULL || PyBytes_AsStringAndSize(result, &bytes, &length) < 0) {
        finish_with_exception();
        return;
    }
    executor_finish(bytes, (size_t)length);
}

/* The meter calls this, which the host adds to all code here (src/image/meter.rs). */
EXPORT(refuel) void
refuel(void)
{
    executor_refuel();
}
