"""Merging: one set of weights from a round's updates, the same bits on every machine.

A rule is a small class in a file of its own; `engine` runs it over mapped files, block by block.
"""

from __future__ import annotations

from collections.abc import Mapping

from swarm_chain.core.cids import Cid
from swarm_chain.core.documents import MergeSettings, RuleChoice
from swarm_chain.core.fields import Scalar
from swarm_chain.core.merge.centered_clipping import CenteredClipping
from swarm_chain.core.merge.coordinate_median import CoordinateMedian
from swarm_chain.core.merge.engine import Merged, merge
from swarm_chain.core.merge.geometric_median import GeometricMedian
from swarm_chain.core.merge.in_memory import MergedParameters, merge_parameters
from swarm_chain.core.merge.inputs import Contribution
from swarm_chain.core.merge.krum import Krum
from swarm_chain.core.merge.mean import Mean
from swarm_chain.core.merge.multi_krum import MultiKrum
from swarm_chain.core.merge.recipe import PRESETS, Recipe, make_recipe
from swarm_chain.core.merge.rule import (
    Distances,
    MergeRule,
    Rule,
    Weighing,
    WeighingRule,
    load_plugin,
    make_rule,
    plugin_names,
    source_file,
    source_link,
)
from swarm_chain.core.merge.sources import accept_source, accepted_rule, load_rule, rule_file, source_bytes
from swarm_chain.core.merge.trial import try_rule
from swarm_chain.core.merge.trimmed_mean import TrimmedMean
from swarm_chain.core.merge.weighted_mean import WeightedMean
from swarm_chain.core.merge.weighting import node_weights, shares_of
from swarm_chain.core.unixfs import import_bytes
from swarm_chain.errors import MergeError, RuleNotAccepted

SHIPPED: Mapping[str, type[MergeRule]] = {
    rule.name: rule
    for rule in (
        WeightedMean,
        Mean,
        CoordinateMedian,
        TrimmedMean,
        GeometricMedian,
        Krum,
        MultiKrum,
        CenteredClipping,
    )
}


def find_rule(name: str) -> type[MergeRule]:
    """The rule of that name, shipped or offered by an installed package. Raises `MergeError` if there is none."""
    rule = SHIPPED.get(name) or load_plugin(name)
    if rule is None:
        names = ", ".join((*rule_names(), *PRESETS))
        raise MergeError(f"there is no merge rule {name!r}; use one of {names}, or a file: my_rule.py:MyRule")
    return rule


def rule_names() -> tuple[str, ...]:
    """The names of all rules there are, the shipped ones first."""
    return (*SHIPPED, *sorted(set(plugin_names()) - SHIPPED.keys()))


def parse_rule(text: str) -> Recipe:
    """What a text like `trimmed_mean:f=1` says; a preset becomes what it stands for. Raises `MergeError`.

    >>> parse_rule("trimmed_mean:f=1").parameters
    {'f': 1}
    >>> str(parse_rule("krum:f=1,before=norm_clipping,step=momentum"))
    'krum:before=norm_clipping,f=1,step=momentum,step_beta=0.9,step_rate=1.0'
    """
    file = rule_file(text)
    name, _, rest = text.partition(":")
    if file is not None:
        rest = file[2]
    parameters: dict[str, Scalar] = {}
    for part in rest.split(",") if rest else ():
        key, equals, value = part.partition("=")
        if not equals or key in parameters:
            raise MergeError(f"{part!r} in the merge rule {text!r} is no new name=value; write e.g. trimmed_mean:f=1")
        parameters[key] = _scalar(value)
    if name in PRESETS:
        name, preset = PRESETS[name]
        parameters = preset(parameters)
    return _tried(make_recipe(load_rule(*file[:2]) if file else find_rule(name), parameters))


def rule_of(settings: MergeSettings) -> Recipe:
    """How a task's updates are merged. Raises `MergeError`.

    `RuleNotAccepted` where the rule is source code that nobody accepted here, and no installed package has.
    """
    kind = None if settings.source is None else accepted_rule(settings.source)
    if kind is None or kind.name != settings.rule:
        kind = _installed(settings)
    return _tried(make_recipe(kind, settings.parameters))


def _installed(settings: MergeSettings) -> type[MergeRule]:
    kind = SHIPPED.get(settings.rule) or load_plugin(settings.rule)
    source = None if kind is None else rule_source(kind)
    if settings.source is not None and source != settings.source:
        has = f"the one installed here has source {source}" if kind else "no package here has it"
        raise RuleNotAccepted(
            f"the task's merge rule {settings.rule} is source code, {settings.source}, that nobody has accepted here, "
            f"and {has}; read it with `swarm-chain task show`, then give --accept-rule 0x{settings.source.digest.hex()}"
        )
    if kind is None or source != settings.source:
        raise MergeError(f"there is no merge rule {settings.rule!r} that ships; update swarm-chain")
    return kind


def _tried(recipe: Recipe) -> Recipe:
    """The same recipe, once a rule that does not ship was seen to give one result for one input."""
    if SHIPPED.get(recipe.name) is type(recipe.rule):
        return recipe
    if recipe.name in (*SHIPPED, *PRESETS):
        raise MergeError(f"a merge rule that ships is called {recipe.name}: give yours another name")
    try_rule(recipe)
    return recipe


def read_rule_source(settings: MergeSettings) -> bytes | None:
    """The source that a task's rule links to, where it is at hand; None where it is not, and for one that ships."""
    if settings.source is None:
        return None
    kind = accepted_rule(settings.source)
    if kind is not None:
        return source_bytes(kind)
    kind = load_plugin(settings.rule)
    return source_file(kind).read_bytes() if kind and source_link(kind) == settings.source else None


def rule_source(kind: type[MergeRule]) -> Cid | None:
    """The link a task has to a rule's source: None for a rule that ships."""
    if SHIPPED.get(kind.name) is kind:
        return None
    source = source_bytes(kind)
    return source_link(kind) if source is None else import_bytes(source).cid


def _scalar(text: str) -> Scalar:
    if text in ("true", "false"):
        return text == "true"
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


__all__ = [
    "PRESETS",
    "SHIPPED",
    "Contribution",
    "Distances",
    "MergeRule",
    "MergeSettings",
    "Merged",
    "MergedParameters",
    "Recipe",
    "Rule",
    "RuleChoice",
    "Weighing",
    "WeighingRule",
    "accept_source",
    "accepted_rule",
    "find_rule",
    "make_recipe",
    "make_rule",
    "merge",
    "merge_parameters",
    "node_weights",
    "parse_rule",
    "read_rule_source",
    "rule_names",
    "rule_of",
    "rule_source",
    "shares_of",
]
