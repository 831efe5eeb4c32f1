"""Converts an exception to the result's `error` object. Its size is bounded, even for hostile exceptions.

CPython's `traceback` module formats the text. This module only cuts its input: it keeps the frames of the program, and
limits the length of exception chains and the number of members of groups.
"""

import json
import linecache
import traceback
from collections import deque
from itertools import islice

import guest_hints
import guest_program
from guest_tools import files
from guest_values import UnawaitedCoroutineError

MESSAGE_CHARS_MAX = 10_000
TRACEBACK_BYTES_MAX = 64 * 1024
NAME_CHARS_MAX = 200
# JSON escapes can make a text six times longer. The host allows 128 KiB for the whole result except its value.
ENCODED_BYTES_MAX = 120 * 1024
FRAMES_MAX = 1500
# Exceptions shown in all: the raised one, its causes and contexts, and members of groups.
LINKED_MAX = 40
NOTES_MAX = 20
SYNTAX_ERRORS = (SyntaxError, IndentationError, TabError)

encode_json = json.JSONEncoder(ensure_ascii=False).encode
# Getters of the real attributes. A class can override ordinary attribute access.
name_of = type.__dict__["__name__"].__get__
traceback_of = BaseException.__traceback__.__get__
cause_of = BaseException.__cause__.__get__
context_of = BaseException.__context__.__get__
members_of = BaseExceptionGroup.exceptions.__get__


def encode(error):
    """Returns the result's `error` object as JSON bytes. Raises nothing but `MemoryError`."""
    try:
        fields = describe(error)
    except MemoryError:
        raise
    except BaseException:
        # The program's exception classes can make any of these steps fail.
        fields = dict.fromkeys(("line", "column", "hint")) | {"message": "", "traceback": ""}
        fields |= {"type": name_of(type(error))[:NAME_CHARS_MAX], "compiled": guest_program.is_compiled}
    while len(encoded := encode_json(fields).encode("utf-8", "replace")) > ENCODED_BYTES_MAX:
        for name in ("message", "traceback"):
            fields[name] = cut(fields[name], len(fields[name]) // 2)
    return encoded


def describe(error):
    """Returns the fields of the `error` object."""
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
    """Returns `str(error)`, or a placeholder if that raises. The message of a `SyntaxError` has no location in it."""
    try:
        text = error.msg if type(error) in SYNTAX_ERRORS else str(error)
        return cut(str.__str__(text), MESSAGE_CHARS_MAX)
    except BaseException:
        return "<exception str() failed>"


def cut(text, chars_max):
    """Returns `text`. If it is longer than `chars_max`, a note replaces its middle."""
    if len(text) <= chars_max:
        return text
    note = f"\n[… {len(text) - chars_max} characters left out …]\n"
    kept = max(chars_max - len(note), 0)
    return text[: kept // 2] + note + text[len(text) - kept // 2 :]


def place_of(error):
    """Returns the line and column of the innermost frame of the current program, counted from 1.

    An exception without such a frame may carry a location itself. Unknown numbers are `None`.
    """
    frames = frames_of(error, 1, files[-1:])
    if frames:
        frame = frames[-1]
        return frame.lineno, column_of(frame.lineno, frame.colno)
    if type(error) in SYNTAX_ERRORS and error.filename == files[-1]:
        return number_of(error.lineno), number_of(error.offset)
    if type(error) is UnawaitedCoroutineError:
        return number_of(error.line), None
    return None, None


def number_of(value):
    """Returns `value` if it can be a line or column, else `None`: a program can set these attributes to anything."""
    return value if type(value) is int and 0 < value < 1 << 31 else None


def column_of(line, byte_offset):
    """Converts an offset into a line's UTF-8 to a column, counted in characters from 1."""
    if byte_offset is None:
        return None
    return len(linecache.getline(files[-1], line).encode()[:byte_offset].decode("utf-8", "replace")) + 1


def frames_of(error, frames_max, of=files):
    """Returns at most `frames_max` frames of the programs in the files `of` from the traceback: the innermost ones,
    outermost first.
    """
    kept = deque(maxlen=frames_max)
    entry = traceback_of(error)
    while entry is not None:
        if entry.tb_frame.f_code.co_filename in of:
            kept.append(entry)
        entry = entry.tb_next
    return [summary_of(entry) for entry in kept]


def summary_of(entry):
    """Converts a traceback entry to a `FrameSummary`."""
    code = entry.tb_frame.f_code
    positions = next(islice(code.co_positions(), entry.tb_lasti // 2, None), (None,) * 4)
    line, end_line, column, end_column = positions
    return traceback.FrameSummary(
        code.co_filename, line or entry.tb_lineno, code.co_name, lookup_line=False,
        end_lineno=end_line, colno=column, end_colno=end_column,
    )  # fmt: skip


def format_traceback(error, kind, message):
    """Returns the traceback's text and CPython's suggestion ("Did you mean: …"), which may be ""."""
    try:
        summary = summarize(error, [])
        suggestion = suggestion_in(str(summary).removeprefix(message))
        text = "".join(summary.format())
    except BaseException:
        # The program's exception classes can make any of these steps fail. The fallback reads only real attributes.
        text, suggestion = "".join(Frames(frames_of(error, FRAMES_MAX)).format()), ""
        text = (text and "Traceback (most recent call last):\n" + text) + (f"{kind}: {message}" if message else kind)
    return cut_bytes(text.rstrip("\n")), suggestion


class Frames(traceback.StackSummary):
    """A stack summary that formats each distinct frame once: in a deep recursion, most frames are the same."""

    def format_frame_summary(self, frame_summary, **options):
        """Returns the base class's text, cached by function and position."""
        texts = vars(self).setdefault("texts", {})
        key = (frame_summary.filename, frame_summary.name, frame_summary.lineno, frame_summary.colno, frame_summary.end_colno)
        if key not in texts:
            texts[key] = super().format_frame_summary(frame_summary, **options)
        return texts[key]


def suggestion_in(rest):
    """Returns the suggestion ("Did you mean: …") that CPython appends to a message, or ""."""
    return rest[2:] if rest.startswith(". Did you ") else ""


def summarize(error, seen):
    """Builds the `TracebackException` of an exception and of those linked to it.

    `seen` holds the ids of the exceptions summarized so far.
    """
    seen.append(id(error))
    # `_seen` keeps the class from following the links itself, which has no length limit. It needs the real traceback to
    # find suggestions; `limit=0` keeps it from reading frames.
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
    """Summarizes a cause or context. Returns `None` if there is none, it was shown before, or the limit is reached."""
    if error is None or id(error) in seen or len(seen) >= LINKED_MAX:
        return None
    return summarize(error, seen)


def summarize_members(errors, seen):
    """Summarizes the first members of a group."""
    return [summarize(error, seen) for error in errors[:LINKED_MAX] if len(seen) < LINKED_MAX]


def bound(summary):
    """Limits the size of `summary`. Adds the source line of a `SyntaxError`, which CPython looks for in a file."""
    if len(summary._str) > MESSAGE_CHARS_MAX:
        summary._str = cut(summary._str, MESSAGE_CHARS_MAX)
    notes = summary.__notes__
    summary.__notes__ = notes[:NOTES_MAX] if type(notes) is list else None
    if getattr(summary, "text", "") is None and summary.filename in files:
        summary.text = linecache.getline(summary.filename, int(summary.lineno))


def cut_bytes(text):
    """Returns `text`. If its UTF-8 is longer than `TRACEBACK_BYTES_MAX`, a note replaces its middle."""
    while len(text.encode("utf-8", "replace")) > TRACEBACK_BYTES_MAX:
        text = cut(text, min(len(text) * 3 // 4, TRACEBACK_BYTES_MAX))
    return text
