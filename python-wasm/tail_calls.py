"""Rewrites CPython 3.13's interpreter loop: from one function with a `switch` to one function for each instruction.

    tail_calls.py DIRECTORY    changes ceval.c and ceval_macros.h in DIRECTORY (CPython's Python/)

Each function ends with a tail call of the next one, as CPython 3.14 can do by itself. In WebAssembly the loop is by far
the largest function, and compilers keep nearly all of its variables in memory; those of small functions stay in
registers. The code remains CPython's: `goto` becomes a tail call of what is at the label. The thread's state is looked up
where it is needed, the loop's first frame is known by its owner, and an instruction that gives up its specialization begins
the plain one anew. Objects that die in a simple instruction are deallocated at its end. For builds without a debugger and
without tracing of the loop itself (`LLTRACE`, `Py_STATS`).
"""

import re
import sys
from pathlib import Path

# The loop's variables are handed from function to function. Four words: with the two that WebAssembly runtimes add,
# they fit into x86-64's registers for arguments. The thread's state has a fixed address where there are no threads.
# What dispatch() gets is an instruction as it lies in memory, opcode first, with all of its argument above that.
PRELUDE = r"""
#define LOOP_VARIABLES _PyInterpreterFrame *frame, PyObject **stack_pointer, _Py_CODEUNIT *next_instr, uint64_t argument
#define TAIL_CALL(function, argument) __attribute__((musttail)) return function(frame, stack_pointer, next_instr, argument)
#define GOTO(label) TAIL_CALL(at_##label, (uint32_t)oparg)
#define tstate (_PyThreadState_GET())
#define TIER_ONE 1

#undef DISPATCH
#define DISPATCH() TAIL_CALL(dispatch, *(uint16_t *)next_instr)
#undef DISPATCH_GOTO
#define DISPATCH_GOTO() TAIL_CALL(dispatch, (uint64_t)(uint32_t)oparg << 8 | opcode)
#undef GO_TO_INSTRUCTION
#define GO_TO_INSTRUCTION(op) do { \
        opcode = op; \
        next_instr -= 1 + _PyOpcode_Caches[op]; \
        DISPATCH_GOTO(); \
    } while (0)
#undef PREDICTED
#define PREDICTED(op)

typedef PyObject *loop_function(LOOP_VARIABLES);
static loop_function dispatch __attribute__((noinline));
static loop_function at_dealloc __attribute__((noinline));
static loop_function at_dealloc_of_several __attribute__((noinline));
"""

# Frequent instructions that call nothing, but for what WITHOUT_CALLS puts off.
SIMPLE = """
    BINARY_OP_ADD_FLOAT BINARY_OP_MULTIPLY_FLOAT BINARY_OP_SUBTRACT_FLOAT BINARY_SUBSCR_LIST_INT BINARY_SUBSCR_TUPLE_INT
    CALL_PY_EXACT_ARGS COMPARE_OP_FLOAT COMPARE_OP_INT COPY END_FOR FOR_ITER_GEN FOR_ITER_LIST FOR_ITER_TUPLE IS_OP
    JUMP_FORWARD LOAD_ATTR_CLASS LOAD_ATTR_INSTANCE_VALUE LOAD_ATTR_METHOD_LAZY_DICT LOAD_ATTR_METHOD_NO_DICT
    LOAD_ATTR_METHOD_WITH_VALUES LOAD_ATTR_MODULE LOAD_ATTR_SLOT LOAD_ATTR_WITH_HINT LOAD_CONST LOAD_DEREF LOAD_FAST
    LOAD_FAST_AND_CLEAR LOAD_FAST_CHECK LOAD_FAST_LOAD_FAST LOAD_GLOBAL_BUILTIN LOAD_GLOBAL_MODULE NOP POP_JUMP_IF_FALSE
    POP_JUMP_IF_NONE POP_JUMP_IF_NOT_NONE POP_JUMP_IF_TRUE POP_TOP PUSH_NULL RESUME_CHECK STORE_ATTR_INSTANCE_VALUE
    STORE_ATTR_SLOT STORE_FAST STORE_FAST_LOAD_FAST STORE_FAST_STORE_FAST STORE_SUBSCR_LIST_INT SWAP TO_BOOL_ALWAYS_TRUE
    TO_BOOL_BOOL TO_BOOL_INT TO_BOOL_LIST TO_BOOL_NONE TO_BOOL_STR UNARY_NOT UNPACK_SEQUENCE_LIST UNPACK_SEQUENCE_TUPLE
    UNPACK_SEQUENCE_TWO_TUPLE
""".split()

# A function that calls another keeps registers on its stack, whether it gets there or not. So objects that die are put into
# a list, linked in their counts of references, which is dealt with after the instruction. What else might be called is
# left to the instruction as it was, from its beginning.
WITHOUT_CALLS = r"""
#pragma push_macro("Py_DECREF")
#pragma push_macro("Py_XDECREF")
#pragma push_macro("_Py_DECREF_SPECIALIZED")
#undef Py_DECREF
#define Py_DECREF(arg) do { \
        PyObject *op = _PyObject_CAST(arg); \
        if (!_Py_IsImmortal(op) && --op->ob_refcnt == 0) { \
            op->ob_refcnt = (Py_ssize_t)dead; \
            dead = op; \
        } \
    } while (0)
#undef Py_XDECREF
#define Py_XDECREF(arg) do { if ((arg) != NULL) Py_DECREF(arg); } while (0)
#undef _Py_DECREF_SPECIALIZED
#define _Py_DECREF_SPECIALIZED(arg, dealloc) Py_DECREF(arg)
#undef DISPATCH
#define DISPATCH() do { \
        if (dead != NULL) TAIL_CALL(at_dealloc, (uintptr_t)dead); \
        TAIL_CALL(dispatch, *(uint16_t *)next_instr); \
    } while (0)
#define BEGIN_ANEW do { next_instr = frame->instr_ptr; TAIL_CALL(AS_IT_WAS, (uint32_t)oparg); } while (0)
#define PyFloat_FromDouble(value) ({ BEGIN_ANEW; NULL; })
#define _PyEval_FormatExcCheckArg(...) BEGIN_ANEW
#define _PyEval_FormatExcUnbound(...) BEGIN_ANEW
"""
PUT_OFF = "DECREF_INPUTS_AND_REUSE_FLOAT", "_PyEval_FormatExcCheckArg", "_PyEval_FormatExcUnbound"
WITH_CALLS = r"""
#undef PyFloat_FromDouble
#undef _PyEval_FormatExcCheckArg
#undef _PyEval_FormatExcUnbound
#pragma pop_macro("Py_DECREF")
#pragma pop_macro("Py_XDECREF")
#pragma pop_macro("_Py_DECREF_SPECIALIZED")
"""

# How many objects may die in a simple instruction.
DEAD_MAX = 4

# Integers are freed as by the instructions that know their type. Of several objects, those that still wait look as if
# something refers to them: what the others' ends lead to may see them.
DEALLOC = r"""
static PyObject *at_dealloc(LOOP_VARIABLES)
{
    PyObject *dead = (PyObject *)(uintptr_t)argument;
    if (dead->ob_refcnt != 0) TAIL_CALL(at_dealloc_of_several, argument);
    if (PyLong_CheckExact(dead)) PyObject_Free(dead);
    else Py_TYPE(dead)->tp_dealloc(dead);
    DISPATCH();
}

static PyObject *at_dealloc_of_several(LOOP_VARIABLES)
{
    PyObject *dead = (PyObject *)(uintptr_t)argument, *in_order[DEAD_MAX];
    int count = 0;
    do {
        PyObject *before = (PyObject *)dead->ob_refcnt;
        dead->ob_refcnt = 1;
        in_order[count++] = dead;
        dead = before;
    } while (dead != NULL);
    do Py_DECREF(in_order[--count]); while (count > 0);
    DISPATCH();
}
""".replace("DEAD_MAX", str(DEAD_MAX))

ENTRY = "_PyEval_EvalFrameDefault(PyThreadState *tstate, _PyInterpreterFrame *frame, int throwflag)\n{\n"


def main(directory: Path) -> None:
    ceval = directory / "ceval.c"
    cases = read_cases((directory / "generated_cases.c.h").read_text())
    ids = (directory.parent / "Include/opcode_ids.h").read_text()
    numbers = {op: int(number) for op, number in re.findall(r"^#define (\w+) +(\d+)$", ids, re.M)}
    ceval.write_text(rewrite(ceval.read_text(), cases, numbers))
    macros = directory / "ceval_macros.h"
    macros.write_text(tail_calls(macros.read_text()))


def rewrite(ceval: str, cases: dict[str, str], numbers: dict[str, int]) -> str:
    """The text of ceval.c with functions instead of the loop."""
    before, ceval = split(ceval, "PyObject* _Py_HOT_FUNCTION\n" + ENTRY)
    enter, ceval = split(ceval, "start_frame:\n")
    start, ceval = split(ceval, "    {\n    /* Start instructions */\n")
    _, ceval = split(ceval, "        case INSTRUMENTED_LINE:\n#endif\n")
    line, ceval = split(ceval, "#if USE_COMPUTED_GOTOS\n        _unknown_opcode:\n")
    _, ceval = split(ceval, "    /* Tell C compilers")
    unknown, ceval = split(ceval, "        } /* End instructions */\n")
    _, ceval = split(ceval, "pop_4_error:\n")
    errors, ceval = split(ceval, "    }\n\nexit_unwind:\n")
    leave, ceval = split(ceval, "#ifdef _Py_TIER2\n\n// Tier 2 is also here!\n")
    _, after = split(ceval, "#endif // _Py_TIER2\n\n}\n")

    instructions = cases | {"INSTRUMENTED_LINE": line}
    simple = {op: instructions[op] for op in SIMPLE}
    functions = {f"do_{op}": body for op, body in instructions.items() if op not in simple}
    functions |= {f"as_it_was_{op}": body for op, body in simple.items() if any(call in body for call in PUT_OFF)}
    functions["do_unknown_opcode"] = "/* Tell C compilers" + unknown
    functions |= at_labels(f"start_frame:\n{start}pop_4_error:\n{errors}exit_unwind:\n{leave}")
    switch = {op: f"    case {op}: TAIL_CALL(do_{op}, argument >> 8);\n" for op in instructions}
    # All that fit into a byte: then a compiler need not look whether it is one of them.
    for number in sorted(set(range(256)) - {numbers[op] for op in instructions}):
        switch[number] = f"    case {number}: TAIL_CALL(do_unknown_opcode, argument >> 8);\n"
    enter = enter.replace('#include "opcode_targets.h"\n', "")
    enter = re.sub(r"\bgoto (\w+);", r"return at_\1(frame, NULL, NULL, 0);", enter)
    return "".join([
        before,
        PRELUDE,
        *(declare(name) for name in [*functions, *(f"do_{op}" for op in simple)]),
        "static PyObject *dispatch(LOOP_VARIABLES)\n{\n    switch ((uint8_t)argument) {\n",
        *switch.values(),
        "    default: Py_UNREACHABLE();\n    }\n}\n\n",
        DEALLOC,
        *(define(name, body) for name, body in functions.items()),
        WITHOUT_CALLS,
        *(define_simple(op, body) for op, body in simple.items()),
        WITH_CALLS,
        "#undef TIER_ONE\n#undef tstate\n\n",
        f"PyObject* _Py_HOT_FUNCTION\n{ENTRY}{enter}    return at_start_frame(frame, NULL, NULL, 0);\n}}\n",
        after,
    ])


def split(text: str, separator: str) -> tuple[str, str]:
    before, found, after = text.partition(separator)
    if not found or separator in after:
        raise SystemExit(f"tail_calls.py: not exactly once in ceval.c: {separator!r}")
    return before, after


def read_cases(text: str) -> dict[str, str]:
    """The block of each instruction."""
    cases = dict(re.findall(r"^        TARGET\((\w+)\) (\{\n.*?^        \}\n)", text, re.M | re.S))
    if len(cases) != text.count("TARGET("):
        raise SystemExit("tail_calls.py: generated_cases.c.h is written in another way")

    # An instrumented instruction that goes on in the middle of the plain one gets that part of it: there it is told
    # from the plain one by `opcode`, which is not handed on.
    def rest_of(match: re.Match[str]) -> str:
        return "{" + cases[match[1]].partition(f"PREDICTED({match[1]});")[2]

    return {op: re.sub(r"\bGO_TO_INSTRUCTION\((\w+)\);", rest_of, body) for op, body in cases.items()}


def at_labels(text: str) -> dict[str, str]:
    """What is at each label, and a jump to the next one where control would fall through."""
    _, *pieces = re.split(r"^(\w+):\n", text, flags=re.M)
    labels, bodies = pieces[::2], pieces[1::2]
    functions = {}
    for label, body, following in zip(labels, bodies, [*labels[1:], None]):
        if not re.search(r"\b(DISPATCH\(\)|goto \w+);[\s}]*\Z", body):
            body += f"    goto {following};\n"
        functions[f"at_{label}"] = body
    return functions


def declare(name: str) -> str:
    return f"static loop_function {name} __attribute__((noinline));\n"


def define(name: str, body: str) -> str:
    op = re.fullmatch(r"(?:do|as_it_was)_([A-Z0-9_]+)", name)
    opcode = f" = {op[1]}" if op else ""
    variables = f"    int oparg = (int)argument;\n    uint8_t opcode{opcode};\n"
    return f"static PyObject *{name}(LOOP_VARIABLES)\n{{\n{variables}{tail_calls(body)}}}\n\n"


def define_simple(op: str, body: str) -> str:
    if len(re.findall(r"DECREF|SETLOCAL", body)) > DEAD_MAX:
        raise SystemExit(f"tail_calls.py: {op} may end the life of more than {DEAD_MAX} objects")
    function = define(f"do_{op}", f"    PyObject *dead = NULL;\n    {body}")
    return f"#define AS_IT_WAS as_it_was_{op}\n{function}#undef AS_IT_WAS\n"


def tail_calls(text: str) -> str:
    """`goto` as a tail call; what only the loop's own function could tell of its first frame."""
    text = re.sub(r"\bgoto (\w+)", r"GOTO(\1)", text)
    return re.sub(r"frame (.)= &entry_frame", r"frame->owner \1= FRAME_OWNED_BY_CSTACK", text)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
