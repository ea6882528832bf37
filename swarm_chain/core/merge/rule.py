"""What a merge rule is, and where rules are found by name."""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, Field, dataclass, fields
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, ClassVar

from swarm_chain.core.cids import Cid
from swarm_chain.core.documents import MAX_REVEALED
from swarm_chain.core.dtypes import Float64
from swarm_chain.core.fields import Scalar
from swarm_chain.core.merge.distances import Distances
from swarm_chain.core.unixfs import import_file
from swarm_chain.errors import MergeError

ENTRY_POINTS = "swarm_chain.rules"
MOST_UPDATES = MAX_REVEALED
"""Of a merge: a round's result has room for no more."""
_KINDS: Mapping[str, tuple[type, ...]] = {"int": (int,), "float": (float, int), "str": (str,), "bool": (bool,)}

_WORDS = {"int": "a whole number", "float": "a number", "str": "a text", "bool": "true or false"}


class MergeRule(ABC):
    """What all rules have. A rule is a `Rule`, or a `WeighingRule`.

    A subclass is a frozen, keyword-only dataclass. Its fields are the rule's parameters, of type int, float, str or
    bool; `__post_init__` raises `MergeError` for values that make no sense. What it computes must have the same bits
    on any machine: elementwise NumPy arithmetic in the order of the rows, `sqrt`, `math.fsum`; no BLAS, no `np.sum`,
    no `exp`, `log` or power.

    A package adds a rule by an entry point of the group `swarm_chain.rules`, of the rule's name; or it is named by its
    file, `my_rule.py:MyRule`.
    """

    name: ClassVar[str]
    uses_samples: ClassVar[bool] = False
    """Whether updates weigh by their samples; otherwise each weighs one."""

    @property
    def minimum_updates(self) -> int:
        """Fewest updates it can merge; with fewer, the base is carried forward."""
        return 1

    @property
    def safe_updates(self) -> int:
        """Fewest updates at which it keeps what it promises against dishonest nodes."""
        return self.minimum_updates

    @property
    def parameters(self) -> dict[str, Scalar]:
        """The rule's parameters by name."""
        return parameters_of(self)

    def __str__(self) -> str:
        """As `--merge` takes it: `trimmed_mean:f=1`."""
        return written(self.name, self.parameters)


class Rule(MergeRule):
    """Makes one block of parameters out of the same block of every update, element by element."""

    takes_rows: ClassVar[bool] = False
    """Whether `combine` also takes a list of rows, of float32 where that holds the updates, and writes to none."""

    @abstractmethod
    def combine(self, updates: Float64, shares: tuple[float, ...]) -> Float64:
        """One row of numbers from `updates`: a row an update, ordered by node address, a column an element.

        `shares` are the updates' parts of the whole, which add up to one. `updates` may be overwritten.
        """


@dataclass(frozen=True, kw_only=True, slots=True)
class Weighing:
    """How much of a result each update makes, and the base: parts that add up to one. An update of 0 is rejected."""

    updates: tuple[float, ...]
    base: float = 0.0


class WeighingRule(MergeRule):
    """Weighs whole updates, by how far they are from each other and from the base."""

    needs_distances: ClassVar[bool] = True
    """Whether `weigh` looks at the distances; else these are zero, and are not computed."""

    @abstractmethod
    def weigh(self, distances: Distances, shares: tuple[float, ...]) -> Weighing:
        """How much each update counts; `shares` are their parts of the whole, which add up to one."""


def make_rule(kind: type[MergeRule], parameters: Mapping[str, Scalar]) -> MergeRule:
    """A rule with these parameters. Raises `MergeError` naming what is missing, unknown or of the wrong kind."""
    made: MergeRule = make_with(kind, parameters, f"the merge rule {kind.name}", f"{kind.name}:")
    return made


def make_with(kind: type[Any], parameters: Mapping[str, Scalar], what: str, example: str) -> Any:
    """An object whose fields are parameters. Raises `MergeError` naming what is missing, unknown or of another kind."""
    known = {item.name: item for item in fields(kind)}
    if unknown := sorted(parameters.keys() - known.keys()):
        has = f"it has {', '.join(sorted(known))}" if known else "it has none"
        raise MergeError(f"{what} has no parameter {unknown[0]!r}; {has}")
    for name, item in known.items():
        if name not in parameters and item.default is MISSING and item.default_factory is MISSING:
            raise MergeError(f"{what} needs {name}; write {example}{name}=…")
        if name in parameters and not _is_kind(parameters[name], _kind(item)):
            raise MergeError(f"{name} of {what} is {parameters[name]!r}; pass {_WORDS[_kind(item)]}")
    return kind(**{name: _exact(value, _kind(known[name])) for name, value in parameters.items()})


def load_plugin(name: str) -> type[MergeRule] | None:
    """The rule that an installed package offers under a name, if any."""
    for found in entry_points(group=ENTRY_POINTS, name=name):
        kind = found.load()
        if not (isinstance(kind, type) and issubclass(kind, MergeRule) and kind.name == name):
            raise MergeError(f"{found.value} is no merge rule named {name}; repair or remove the package that has it")
        return kind
    return None


def plugin_names() -> Iterator[str]:
    """The names of the rules that installed packages offer."""
    for found in entry_points(group=ENTRY_POINTS):
        yield found.name


def source_file(kind: type[MergeRule]) -> Path:
    """The file a rule is written in: what a task links to where the rule does not ship."""
    return Path(inspect.getfile(kind))


def source_link(kind: type[MergeRule]) -> Cid:
    """The CID of a rule's source file."""
    return import_file(source_file(kind)).cid


def parameters_of(made: object) -> dict[str, Scalar]:
    """The values of an object's fields, by name."""
    kind: Any = type(made)  # every concrete rule is a dataclass
    return {item.name: getattr(made, item.name) for item in fields(kind)}


def written(name: str, parameters: Mapping[str, Scalar]) -> str:
    """A name and its parameters as `--merge` takes them."""
    shown = ",".join(f"{key}={_text(value)}" for key, value in sorted(parameters.items()))
    return f"{name}:{shown}" if shown else name


def at_least(what: str, value: float, least: float, advice: str) -> None:
    """Returns if a parameter is a number from `least` on. Raises `MergeError`."""
    if not least <= value < float("inf"):
        raise MergeError(f"{what} is {value}; {advice}")


def within(what: str, value: float, least: float, most: float, advice: str) -> None:
    """Returns if a parameter is a number from `least` to `most`. Raises `MergeError`."""
    if not least <= value <= most:
        raise MergeError(f"{what} is {value}, and must be from {least:,} to {most:,}; {advice}")


def has_known_fields(kind: type[Any]) -> bool:
    """Whether a dataclass has fields that parameters can be: int, float, str or bool."""
    return all(_kind(item) in _KINDS for item in fields(kind))


def _kind(item: Field[Any]) -> str:
    return item.type if isinstance(item.type, str) else getattr(item.type, "__name__", str(item.type))


def _is_kind(value: Scalar, kind: str) -> bool:
    return isinstance(value, _KINDS[kind]) and (kind == "bool" or not isinstance(value, bool))


def _exact(value: Scalar, kind: str) -> Scalar:
    # A document tells 1 from 1.0: what was typed as either is one rule.
    return float(value) if kind == "float" else value


def _text(value: Scalar) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


__all__ = [
    "MOST_UPDATES",
    "Distances",
    "MergeRule",
    "Rule",
    "Weighing",
    "WeighingRule",
    "at_least",
    "has_known_fields",
    "load_plugin",
    "make_rule",
    "make_with",
    "parameters_of",
    "plugin_names",
    "source_file",
    "source_link",
    "within",
    "written",
]
