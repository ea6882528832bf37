"""What a merge rule is, and where rules are found by name."""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, Field, fields
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, ClassVar

from swarm_chain.core.cids import Cid
from swarm_chain.core.dtypes import Float64
from swarm_chain.core.fields import Scalar
from swarm_chain.core.unixfs import import_file
from swarm_chain.errors import MergeError

ENTRY_POINTS = "swarm_chain.rules"
_KINDS: Mapping[str, tuple[type, ...]] = {"int": (int,), "float": (float, int), "str": (str,), "bool": (bool,)}


class Rule(ABC):
    """Makes one block of parameters out of the same block of every update.

    A subclass is a frozen, keyword-only dataclass. Its fields are the rule's parameters, of type int, float, str or
    bool; `__post_init__` raises `MergeError` for values that make no sense. `combine` must give the same bits on any
    machine: elementwise NumPy arithmetic in the order of the rows, no BLAS, no `np.sum`, no `exp` or `log`.

    A package adds a rule by an entry point of the group `swarm_chain.rules`, of the rule's name.
    """

    name: ClassVar[str]
    uses_samples: ClassVar[bool] = False
    """Whether updates weigh by their samples; otherwise each weighs one."""

    @property
    def minimum_updates(self) -> int:
        """Fewest updates it can merge; with fewer, the base is carried forward."""
        return 1

    @abstractmethod
    def combine(self, updates: Float64, shares: tuple[float, ...]) -> Float64:
        """One row of numbers from `updates`: a row an update, ordered by node address, a column an element.

        `shares` are the updates' parts of the whole, which add up to one. `updates` may be overwritten.
        """

    @property
    def parameters(self) -> dict[str, Scalar]:
        """The rule's parameters by name."""
        return {item.name: getattr(self, item.name) for item in _parameters(type(self))}

    def __str__(self) -> str:
        """As `--merge` takes it: `trimmed_mean:f=1`."""
        shown = ",".join(f"{name}={_text(value)}" for name, value in sorted(self.parameters.items()))
        return f"{self.name}:{shown}" if shown else self.name


def make_rule(kind: type[Rule], parameters: Mapping[str, Scalar]) -> Rule:
    """A rule with these parameters. Raises `MergeError` naming what is missing, unknown or of the wrong kind."""
    known = {item.name: item for item in _parameters(kind)}
    if unknown := sorted(parameters.keys() - known.keys()):
        has = f"it has {', '.join(sorted(known))}" if known else "it has none"
        raise MergeError(f"the merge rule {kind.name} has no parameter {unknown[0]!r}; {has}")
    for name, item in known.items():
        if name not in parameters and item.default is MISSING and item.default_factory is MISSING:
            raise MergeError(f"the merge rule {kind.name} needs {name}; write {kind.name}:{name}=…")
        if name in parameters and not _is_kind(parameters[name], _kind(item)):
            raise MergeError(f"{name} of the merge rule {kind.name} is {parameters[name]!r}; pass a {_kind(item)}")
    return kind(**parameters)


def load_plugin(name: str) -> type[Rule] | None:
    """The rule that an installed package offers under a name, if any."""
    for found in entry_points(group=ENTRY_POINTS, name=name):
        kind = found.load()
        if not (isinstance(kind, type) and issubclass(kind, Rule) and kind.name == name):
            raise MergeError(f"{found.value} is no merge rule named {name}; repair or remove the package that has it")
        return kind
    return None


def plugin_names() -> Iterator[str]:
    """The names of the rules that installed packages offer."""
    for found in entry_points(group=ENTRY_POINTS):
        yield found.name


def source_file(kind: type[Rule]) -> Path:
    """The file a rule is written in: what a task links to where the rule does not ship."""
    return Path(inspect.getfile(kind))


def source_link(kind: type[Rule]) -> Cid:
    """The CID of a rule's source file."""
    return import_file(source_file(kind)).cid


def _parameters(kind: type[Rule]) -> tuple[Field[Any], ...]:
    return fields(kind)  # type: ignore[arg-type]  # every concrete rule is a dataclass


def _kind(item: Field[Any]) -> str:
    return item.type if isinstance(item.type, str) else item.type.__name__


def _is_kind(value: Scalar, kind: str) -> bool:
    return isinstance(value, _KINDS[kind]) and (kind == "bool" or not isinstance(value, bool))


def _text(value: Scalar) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
