"""Merge rules that come as a source file: `my_rule.py:MyRule` here, a link in a task document elsewhere.

A source from elsewhere is run only once its digest was accepted, and is known to this process from then on.
"""

from __future__ import annotations

import inspect
import re
from dataclasses import is_dataclass
from pathlib import Path

from swarm_chain.core import sources
from swarm_chain.core.cids import Cid
from swarm_chain.core.fields import is_name
from swarm_chain.core.merge.rule import MergeRule, Rule, WeighingRule, has_known_fields
from swarm_chain.core.sources import MAX_SOURCE
from swarm_chain.core.unixfs import import_bytes
from swarm_chain.errors import MergeError

_NAMED = re.compile(r"(?P<path>.+?\.py)(?::(?P<kind>[A-Za-z_]\w*))?(?::(?P<rest>.*))?")
_ACCEPTED: dict[Cid, type[MergeRule]] = {}


def rule_file(text: str) -> tuple[Path, str | None, str] | None:
    """File, class and parameters of a text like `my_rule.py:MyRule:f=1`; None for one that names no file."""
    match = _NAMED.fullmatch(text)
    return None if match is None else (Path(match["path"]), match["kind"], match["rest"] or "")


def load_rule(path: Path, kind: str | None) -> type[MergeRule]:
    """The rule in a file of one's own, which is run: known from now on. Raises `MergeError`."""
    try:
        with path.open("rb") as file:
            source = file.read(MAX_SOURCE + 1)
    except OSError as error:
        raise MergeError(f"the merge rule {path} cannot be read ({error.strerror}): check its path") from error
    if len(source) > MAX_SOURCE:
        raise MergeError(f"{path} has more than the {MAX_SOURCE:,} bytes that a rule's source may have")
    found = _rules_in(source, filename=str(path))
    chosen = [one for one in found if kind in (None, one.__name__)]
    if len(chosen) != 1:
        there = ", ".join(one.__name__ for one in found) or "none"
        raise MergeError(f"{path} has no one merge rule to choose; it has {there}; name one: {path}:NAME")
    return _remembered(source, chosen[0])


def accept_source(source: bytes, name: str) -> type[MergeRule]:
    """The rule of that name in a source that was accepted, which is run: known from now on. Raises `MergeError`."""
    found = [one for one in _rules_in(source, filename=f"{name}.py") if one.name == name]
    if len(found) != 1:
        raise MergeError(f"the source has {len(found)} merge rules named {name}, and must have one: do not join")
    return _remembered(source, found[0])


def accepted_rule(link: Cid) -> type[MergeRule] | None:
    """The rule of a source that this process may run, if it was accepted or is one's own."""
    return _ACCEPTED.get(link)


def source_bytes(kind: type[MergeRule]) -> bytes | None:
    """The source that a rule was made of here; None for one that was imported."""
    found: bytes | None = getattr(inspect.getmodule(kind), sources.SOURCE, None)
    return found


def _remembered(source: bytes, kind: type[MergeRule]) -> type[MergeRule]:
    _ACCEPTED[import_bytes(source).cid] = kind
    return kind


def _rules_in(source: bytes, *, filename: str) -> list[type[MergeRule]]:
    """The rules that a source defines, each of them finished. Raises `MergeError`."""
    module = sources.run_source(source, filename=filename, prefix="swarm_chain_rule", error=MergeError)
    found = [value for value in vars(module).values() if _is_rule(value) and value.__module__ == module.__name__]
    for one in found:
        if not _is_finished(one):
            raise MergeError(
                f"{filename}: {one.__name__} is no finished rule: make it a frozen, keyword-only dataclass "
                "with a name, fields of int, float, str or bool, and `combine` or `weigh`"
            )
    return sorted(found, key=lambda one: one.__name__)


def _is_finished(kind: type[MergeRule]) -> bool:
    if kind.__abstractmethods__ or not is_dataclass(kind) or not is_name(getattr(kind, "name", None)):
        return False
    is_frozen: bool = kind.__dataclass_params__.frozen
    return is_frozen and has_known_fields(kind)


def _is_rule(value: object) -> bool:
    return inspect.isclass(value) and issubclass(value, MergeRule) and value not in (MergeRule, Rule, WeighingRule)
