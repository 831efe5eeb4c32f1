"""Rewrites CPython 3.13's interpreter loop: from one function with a `switch` to one function for each instruction.

    tail_calls.py DIRECTORY    changes ceval.c and ceval_macros.h in DIRECTORY (CPython's Python/)

Each function ends with a tail call of the next one, as CPython 3.14 can do by itself. In WebAssembly the loop is by far
the largest function, and compilers keep nearly all of its variables in memory; those of small functions stay in
registers. The code remains CPython's: `goto` becomes a tail call of what is at the label. The thread's state is looked up
where it is needed, the loop's first frame is known by its owner, and an instruction that gives up its specialization begins
the plain one anew. For builds without a debugger and without tracing of the loop itself (`LLTRACE`, `Py_STATS`).
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
"""

ENTRY = "_PyEval_EvalFrameDefault(PyThreadState *tstate, _PyInterpreterFrame *frame, int throwflag)\n{\n"


def main(directory: Path) -> None:
    ceval = directory / "ceval.c"
    cases = read_cases((directory / "generated_cases.c.h").read_text())
    ceval.write_text(rewrite(ceval.read_text(), cases))
    macros = directory / "ceval_macros.h"
    macros.write_text(tail_calls(macros.read_text()))


def rewrite(ceval: str, cases: dict[str, str]) -> str:
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
    functions = {f"do_{op}": body for op, body in instructions.items()}
    functions["do_unknown_opcode"] = "/* Tell C compilers" + unknown
    functions |= at_labels(f"start_frame:\n{start}pop_4_error:\n{errors}exit_unwind:\n{leave}")
    switch = "".join(f"    case {op}: TAIL_CALL(do_{op}, argument >> 8);\n" for op in instructions)
    enter = enter.replace('#include "opcode_targets.h"\n', "")
    enter = re.sub(r"\bgoto (\w+);", r"return at_\1(frame, NULL, NULL, 0);", enter)
    return "".join([
        before,
        PRELUDE,
        *(f"static loop_function {name} __attribute__((noinline));\n" for name in functions),
        *(define(name, body) for name, body in functions.items()),
        "static PyObject *dispatch(LOOP_VARIABLES)\n{\n    switch ((uint8_t)argument) {\n",
        f"{switch}    default: TAIL_CALL(do_unknown_opcode, argument >> 8);\n    }}\n}}\n\n",
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


def define(name: str, body: str) -> str:
    opcode = f" = {name.removeprefix('do_')}" if name.startswith("do_") and name != "do_unknown_opcode" else ""
    variables = f"    int oparg = (int)argument;\n    uint8_t opcode{opcode};\n"
    return f"static PyObject *{name}(LOOP_VARIABLES)\n{{\n{variables}{tail_calls(body)}}}\n\n"


def tail_calls(text: str) -> str:
    """`goto` as a tail call; what only the loop's own function could tell of its first frame."""
    text = re.sub(r"\bgoto (\w+)", r"GOTO(\1)", text)
    return re.sub(r"frame (.)= &entry_frame", r"frame->owner \1= FRAME_OWNED_BY_CSTACK", text)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
