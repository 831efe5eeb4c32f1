"""An exception as the caller is told of it: bounded in size, whatever the program did to its exceptions.

Layout is CPython's own: the `traceback` module formats, and only what it is given is cut: frames of the program alone,
a few links of a chain, a few members of a group.
"""

import json
import linecache
import traceback
from collections import deque
from itertools import islice

import guest_hints
import guest_program
from guest_tools import FILENAME
from guest_values import UnawaitedCoroutineError

MESSAGE_CHARS_MAX = 10_000
TRACEBACK_BYTES_MAX = 64 * 1024
NAME_CHARS_MAX = 200
# JSON escapes can make a text six times longer; the host allows 128 KiB for everything.
ENCODED_BYTES_MAX = 120 * 1024
FRAMES_MAX = 1500
# Exceptions shown: the one that was raised, its causes, the members of groups.
LINKED_MAX = 40
NOTES_MAX = 20
SYNTAX_ERRORS = (SyntaxError, IndentationError, TabError)

encode_json = json.JSONEncoder(ensure_ascii=False).encode
# The real attributes, where a class might show others.
name_of = type.__dict__["__name__"].__get__
traceback_of = BaseException.__traceback__.__get__
cause_of = BaseException.__cause__.__get__
context_of = BaseException.__context__.__get__
members_of = BaseExceptionGroup.exceptions.__get__


def encode(error):
    """The `error` object of a result, as JSON bytes. Raises `MemoryError` only."""
    try:
        fields = describe(error)
    except MemoryError:
        raise
    except BaseException:
        # The program's exceptions can make all of that fail.
        fields = dict.fromkeys(("line", "column", "hint")) | {"message": "", "traceback": ""}
        fields |= {"type": name_of(type(error))[:NAME_CHARS_MAX], "compiled": guest_program.is_compiled}
    while len(encoded := encode_json(fields).encode("utf-8", "replace")) > ENCODED_BYTES_MAX:
        for name in ("message", "traceback"):
            fields[name] = cut(fields[name], len(fields[name]) // 2)
    return encoded


def describe(error):
    """The fields of the `error` object."""
    kind = name_of(type(error))[:NAME_CHARS_MAX]
    message = message_of(error)
    line, column = place_of(error)
    text, suggestion = format_traceback(error, kind, message)
    return {
        "type": kind,
        "message": message,
        "line": line,
        "column": column,
        "hint": guest_hints.hint(error, message, suggestion),
        "traceback": text,
        "compiled": guest_program.is_compiled,
    }


def message_of(error):
    """`str(error)`, as far as it can be had; without the place if it is a `SyntaxError`."""
    try:
        text = error.msg if type(error) in SYNTAX_ERRORS else str(error)
        return cut(str.__str__(text), MESSAGE_CHARS_MAX)
    except BaseException:
        return "<exception str() failed>"


def cut(text, chars_max):
    """The text, with its middle left out if it is too long."""
    if len(text) <= chars_max:
        return text
    note = f"\n[… {len(text) - chars_max} characters left out …]\n"
    kept = max(chars_max - len(note), 0)
    return text[: kept // 2] + note + text[len(text) - kept // 2 :]


def place_of(error):
    """Line and column, from 1, of the innermost frame of the program; else those that the error itself names."""
    frames = frames_of(error, 1)
    if frames:
        frame = frames[-1]
        return frame.lineno, column_of(frame.lineno, frame.colno)
    if type(error) in SYNTAX_ERRORS and error.filename == FILENAME:
        return number_of(error.lineno), number_of(error.offset)
    if type(error) is UnawaitedCoroutineError:
        return number_of(error.line), None
    return None, None


def number_of(value):
    """A line or column as found in an exception, where a program may have put anything."""
    return value if type(value) is int and 0 < value < 1 << 31 else None


def column_of(line, byte_offset):
    """The column, from 1, of an offset into a line's UTF-8."""
    if byte_offset is None:
        return None
    return len(linecache.getline(FILENAME, line).encode()[:byte_offset].decode("utf-8", "replace")) + 1


def frames_of(error, frames_max):
    """The innermost frames of the program where `error` passed, outermost first."""
    kept = deque(maxlen=frames_max)
    entry = traceback_of(error)
    while entry is not None:
        if entry.tb_frame.f_code.co_filename == FILENAME:
            kept.append(entry)
        entry = entry.tb_next
    return [summary_of(entry) for entry in kept]


def summary_of(entry):
    """One traceback entry as `traceback` wants it."""
    code = entry.tb_frame.f_code
    positions = next(islice(code.co_positions(), entry.tb_lasti // 2, None), (None,) * 4)
    line, end_line, column, end_column = positions
    return traceback.FrameSummary(
        FILENAME, line or entry.tb_lineno, code.co_name, lookup_line=False,
        end_lineno=end_line, colno=column, end_colno=end_column,
    )  # fmt: skip


def format_traceback(error, kind, message):
    """The traceback's text, and what CPython suggests beyond the message ("Did you mean: …"), or ""."""
    try:
        summary = summarize(error, [])
        suggestion = suggestion_in(str(summary).removeprefix(message))
        text = "".join(summary.format())
    except BaseException:
        # The program's exceptions can make all of that fail, but not what is read here.
        text, suggestion = "".join(Frames(frames_of(error, FRAMES_MAX)).format()), ""
        text = (text and "Traceback (most recent call last):\n" + text) + (f"{kind}: {message}" if message else kind)
    return cut_bytes(text.rstrip("\n")), suggestion


class Frames(traceback.StackSummary):
    """A stack that formats a line once, however often a recursion passes it."""

    def format_frame_summary(self, frame_summary, **options):
        """As in the base class."""
        texts = vars(self).setdefault("texts", {})
        key = (frame_summary.name, frame_summary.lineno, frame_summary.colno, frame_summary.end_colno)
        if key not in texts:
            texts[key] = super().format_frame_summary(frame_summary, **options)
        return texts[key]


def suggestion_in(rest):
    """What CPython adds to a message ("Did you mean: …"), or ""."""
    return rest[2:] if rest.startswith(". Did you ") else ""


def summarize(error, seen):
    """An exception and what is linked to it, for `traceback` to format. `seen` holds the ids of those done before."""
    seen.append(id(error))
    # With `_seen`, the class does not follow the links by itself, however long the chain. With the real traceback it
    # finds suggestions; `limit` keeps it from reading the frames that are not shown.
    summary = traceback.TracebackException(
        type(error), error, traceback_of(error), limit=0, lookup_lines=False, compact=True, _seen=set()
    )
    summary.stack = Frames(frames_of(error, FRAMES_MAX))
    bound(summary)
    summary.__cause__ = summarize_link(cause_of(error), seen)
    summary.__context__ = summarize_link(context_of(error), seen)
    is_group = issubclass(type(error), BaseExceptionGroup)
    summary.exceptions = summarize_members(members_of(error), seen) if is_group else None
    return summary


def summarize_link(error, seen):
    """A cause or context; `None` when there is none, or it was shown before, or there are too many."""
    if error is None or id(error) in seen or len(seen) >= LINKED_MAX:
        return None
    return summarize(error, seen)


def summarize_members(errors, seen):
    """The first members of a group."""
    return [summarize(error, seen) for error in errors[:LINKED_MAX] if len(seen) < LINKED_MAX]


def bound(summary):
    """Cuts texts, and adds the line of a `SyntaxError` that CPython looked for in a file."""
    if len(summary._str) > MESSAGE_CHARS_MAX:
        summary._str = cut(summary._str, MESSAGE_CHARS_MAX)
    notes = summary.__notes__
    summary.__notes__ = notes[:NOTES_MAX] if type(notes) is list else None
    if getattr(summary, "text", "") is None and summary.filename == FILENAME:
        summary.text = linecache.getline(FILENAME, int(summary.lineno))


def cut_bytes(text):
    """The text, with its middle left out if its UTF-8 is too long."""
    while len(text.encode("utf-8", "replace")) > TRACEBACK_BYTES_MAX:
        text = cut(text, min(len(text) * 3 // 4, TRACEBACK_BYTES_MAX))
    return text
