"""The specification of the contract as trees (`tests/contracts/trees`), and the names of its tests that follow from it.

A tree's first line is the test contract, and behind `::` the functions it is about. Below stand conditions (`given` a
state, `when` a call) and, at the ends, what then holds (`it should …`). A condition with outcomes is a leaf, and one
test: its name is its condition's words, `given the round is over` being `test_GivenTheRoundIsOver`, or
`test_RevertGiven_TheRoundIsOver` where the first outcome is `it should revert with …`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_BRANCH = re.compile(r"^((?:│   |    )*)(?:├── |└── )(\S.*)$")


class TreeError(ValueError):
    """A tree that does not follow the form."""


@dataclass(frozen=True, kw_only=True)
class Leaf:
    """One test: what it is called, and what it must show."""

    contract: str
    functions: tuple[str, ...]
    condition: str
    outcomes: tuple[str, ...]

    @property
    def test(self) -> str:
        """The test's name."""
        kind, _, words = self.condition.partition(" ")
        title = "".join(word[0].upper() + word[1:] for word in re.sub(r"[,']", "", words).replace("-", " ").split())
        if self.outcomes[0].startswith("it should revert with "):
            return f"test_Revert{kind.capitalize()}_{title}"
        return f"test_{kind.capitalize()}{title}"

    @property
    def errors(self) -> set[str]:
        """The errors that it must show."""
        return set(self._named("it should revert with "))

    @property
    def events(self) -> set[str]:
        """The events that it must show."""
        return set(self._named("it should emit "))

    def _named(self, start: str) -> list[str]:
        return [outcome.removeprefix(start) for outcome in self.outcomes if outcome.startswith(start)]


def read_leaves(path: Path) -> list[Leaf]:
    """The leaves of a file's trees, in order. Raises `TreeError`."""
    trees = re.split(r"\n{2,}", path.read_text(encoding="utf-8").strip())
    try:
        return [leaf for tree in trees for leaf in parse_tree(tree)]
    except TreeError as error:
        raise TreeError(f"{path.name}: {error}") from error


def parse_tree(text: str) -> Iterator[Leaf]:
    """The leaves of one tree. Raises `TreeError`."""
    root, *lines = text.splitlines()
    contract, _, names = root.partition("::")
    if not re.fullmatch(r"\w+Test", contract):
        raise TreeError(f"{root!r} names no test contract")
    for condition, below in _conditions([_branch(line) for line in lines]):
        yield Leaf(
            contract=contract, functions=tuple(names.split(", ") if names else ()), condition=condition, outcomes=below
        )


def _conditions(branches: list[tuple[int, str]]) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Each condition that has outcomes, with them."""
    for at, (depth, text) in enumerate(branches):
        if text.startswith("it should "):
            continue
        if not text.startswith(("given ", "when ")):
            raise TreeError(f"{text!r} is no `given`, `when` or `it should`")
        below = _below(branches, at)
        outcomes = tuple(line for _, line in below if line.startswith("it should "))
        if not outcomes:
            raise TreeError(f"{text!r} has no outcome")
        if len(outcomes) == len(below):
            yield text, outcomes
        elif any(line in outcomes for deeper, line in below if deeper == depth + 1):
            raise TreeError(f"{text!r} has outcomes beside conditions")


def _below(branches: list[tuple[int, str]], at: int) -> list[tuple[int, str]]:
    below = []
    for depth, text in branches[at + 1 :]:
        if depth <= branches[at][0]:
            break
        below.append((depth, text))
    return below


def _branch(line: str) -> tuple[int, str]:
    match = _BRANCH.match(line)
    if not match:
        raise TreeError(f"{line!r} is no branch")
    return len(match[1]) // 4, match[2].rstrip()
