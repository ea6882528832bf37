"""What Solidity sources say, read just far enough for the checks: functions, their calls, and the errors they name.

Not a compiler: every name followed by a parenthesis is a call. The contract has no overloads, no function of the same
name as an error, and no call through a variable; a check that misread it would ask for a test too many, not too few.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

_COMMENT = re.compile(r"//[^\n]*|/\*.*?\*/", re.DOTALL)
_FUNCTION = re.compile(r"\b(?:function\s+(\w+)|(constructor))\s*\(")
_CONTRACT = re.compile(r"\b(?:abstract\s+)?contract\s+(\w+)[^{;]*\{")
_ERROR = re.compile(r"\berror\s+(\w+)\s*\(")
_CALL = re.compile(r"\b(\w+)\s*\(")


def read_source(path: Path) -> str:
    """A file's code, without its comments."""
    return _COMMENT.sub("", path.read_text(encoding="utf-8"))


def contracts(source: str) -> dict[str, str]:
    """Each contract's code between its braces."""
    return {match[1]: _block(source, match.end() - 1) for match in _CONTRACT.finditer(source)}


def functions(source: str) -> dict[str, str]:
    """Each function's code, from its parameters to its last brace; declarations without a body are left out."""
    found = {}
    for match in _FUNCTION.finditer(source):
        brace, end = source.find("{", match.end()), source.find(";", match.end())
        if brace != -1 and (end == -1 or brace < end):
            found[match[1] or match[2]] = source[match.end() : brace] + _block(source, brace)
    return found


def errors(source: str) -> set[str]:
    """The names of the errors that are declared."""
    return set(_ERROR.findall(source))


def reached(name: str, bodies: Mapping[str, str]) -> str:
    """The code of a function and of every function that it calls, whatever the depth."""
    seen: dict[str, None] = {}
    waiting = [name]
    while waiting:
        one = waiting.pop()
        if one not in seen and one in bodies:
            seen[one] = None
            waiting.extend(_CALL.findall(bodies[one]))
    return "\n".join(bodies[one] for one in seen)


def errors_raised(name: str, bodies: Mapping[str, str], declared: set[str]) -> set[str]:
    """The declared errors that a call of this function can end in."""
    return declared.intersection(_CALL.findall(reached(name, bodies)))


def _block(source: str, start: int) -> str:
    """From the brace at `start` to the one that closes it."""
    depth = 0
    for at in range(start, len(source)):
        depth += {"{": 1, "}": -1}.get(source[at], 0)
        if depth == 0:
            return source[start : at + 1]
    raise ValueError(f"a brace is never closed: {source[start : start + 60]!r}")
