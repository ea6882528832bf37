"""Source files that are run as they were read: a module from bytes, and what is wrong with them at their own line."""

from __future__ import annotations

import linecache
import sys
import traceback
from collections.abc import Sequence
from hashlib import sha256
from types import ModuleType

from swarm_chain.errors import SwarmChainError

SOURCE = "__swarm_chain_source__"
"""Where a module has the bytes it was made of."""
MAX_SOURCE = 1024 * 1024
"""Bytes of the largest source that is read."""


def text_of(source: bytes, *, filename: str, error: type[SwarmChainError]) -> str:
    """The text of a source. Raises `error` for bytes that are no UTF-8.

    Python would read a file in the encoding that its first lines name: then it could run what nobody was shown.
    """
    try:
        return source.decode("utf-8-sig")
    except UnicodeDecodeError as wrong:
        line = source.count(b"\n", 0, wrong.start) + 1
        raise error(f"{filename}, line {line}: no text in UTF-8: save the file in UTF-8") from wrong


def lines_of(text: str) -> list[str]:
    """The lines of a source as Python counts them; other characters that end a line elsewhere stay in theirs."""
    return text.replace("\r\n", "\n").replace("\r", "\n").removesuffix("\n").split("\n")


def run_source(source: bytes, *, filename: str, prefix: str, error: type[SwarmChainError]) -> ModuleType:
    """The module that a source makes, the same for the same bytes. Raises `error`, naming the line."""
    text = text_of(source, filename=filename, error=error)
    name = f"{prefix}_{sha256(source).hexdigest()}"
    if name in sys.modules:
        return sys.modules[name]
    module = ModuleType(name)
    module.__file__ = filename
    vars(module)[SOURCE] = source
    # Dataclasses, and whoever looks a class up by its module, need to find it while it runs.
    sys.modules[name] = module
    # A source from a store is no file here, and a traceback shows its lines all the same.
    linecache.cache[filename] = (len(source), None, [line + "\n" for line in lines_of(text)], filename)
    try:
        exec(compile(text, filename, "exec", dont_inherit=True), vars(module))  # noqa: S102  the operator accepted it
    except BaseException as wrong:
        del sys.modules[name]
        if isinstance(wrong, Exception | SystemExit):
            raise _failure(wrong, filename, error) from wrong
        raise
    return module


def _failure(wrong: BaseException, filename: str, error: type[SwarmChainError]) -> SwarmChainError:
    """What is wrong with a source, at its own line; with the traceback from there on."""
    frames = traceback.extract_tb(wrong.__traceback__)
    first = next((number for number, frame in enumerate(frames) if frame.filename == filename), len(frames))
    details = "".join([*traceback.format_list(frames[first:]), *traceback.format_exception_only(wrong)])
    line, said = _own_line(frames, filename), str(wrong) or "no message"
    if isinstance(wrong, SyntaxError) and wrong.filename == filename:
        line, said = wrong.lineno, wrong.msg
    place = filename if line is None else f"{filename}, line {line}"
    return error(f"{place}: {type(wrong).__name__}: {said}; repair the file", details=details)


def _own_line(frames: Sequence[traceback.FrameSummary], filename: str) -> int | None:
    """The last line of the file that was running; None where it did not get to run."""
    return next((frame.lineno for frame in reversed(frames) if frame.filename == filename), None)
