"""A whole merge: a rule, what is done to the updates before it, and the step after it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Any

from swarm_chain.core.fields import Scalar
from swarm_chain.core.merge.mixing import MIXINGS, Mixing, NearestNeighbourMixing
from swarm_chain.core.merge.own_code import blamed_on
from swarm_chain.core.merge.rule import MergeRule, WeighingRule, make_rule, make_with, written
from swarm_chain.core.merge.steps import STEPS, Step
from swarm_chain.errors import MergeError

BEFORE, BEFORE_F, STEP = "before", "before_f", "step"


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """What a task's merge settings say. Its parameters are the rule's, and those of what comes before and after it."""

    rule: MergeRule
    before: tuple[Mixing, ...] = ()
    step: Step | None = None

    @property
    def name(self) -> str:
        """The rule's name."""
        return self.rule.name

    @property
    def minimum_updates(self) -> int:
        """Fewest updates it can merge; with fewer, the base is carried forward."""
        return max(1, self.rule.minimum_updates, *(one.minimum_updates for one in self.before))

    @property
    def safe_updates(self) -> int:
        """Fewest updates at which it keeps what it promises against dishonest nodes."""
        return max(self.minimum_updates, self.rule.safe_updates)

    def require(self, updates: int) -> None:
        """Returns if so many updates can be merged. Raises `MergeError`."""
        if updates < self.minimum_updates:
            give = "1 node gives" if updates == 1 else f"{updates} nodes give"
            raise MergeError(
                f"the merge rule {self} needs {self.minimum_updates} updates, and {give} no more than {updates}: "
                "take more nodes, or parameters against fewer dishonest ones"
            )

    def warnings(self, nodes: int) -> Iterator[str]:
        """What people should know who plan a swarm of so many nodes."""
        if nodes < self.safe_updates:
            yield (
                f"the merge rule {self} merges {nodes} updates, and withstands dishonest ones as it says from "
                f"{self.safe_updates} on"
            )
        needed = self.minimum_updates + self.against
        if nodes < needed:
            yield (
                f"a round with fewer than {self.minimum_updates} updates changes nothing, and of {nodes} nodes "
                f"{self.against} can bring that about, by updates that are left out or never come: "
                f"plan for {needed} nodes or more"
            )

    @property
    def against(self) -> int:
        """The most dishonest nodes that its parameters, `f` and `before_f`, speak of."""
        spoken = (self.parameters.get(name, 0) for name in ("f", BEFORE_F))
        return max(value if type(value) is int else 0 for value in spoken)

    @property
    def needs_distances(self) -> bool:
        """Whether it looks at the distances between updates."""
        return bool(self.before) or (isinstance(self.rule, WeighingRule) and self.rule.needs_distances)

    @property
    def parameters(self) -> dict[str, Scalar]:
        """All parameters by name, as a task document has them."""
        found = dict(self.rule.parameters)
        if self.before:
            found[BEFORE] = "+".join(one.name for one in self.before)
        for one in self.before:
            if isinstance(one, NearestNeighbourMixing):
                found[BEFORE_F] = one.f
        return found if self.step is None else {**found, STEP: self.step.name, **self.step.parameters}

    def __str__(self) -> str:
        """As `--merge` takes it."""
        return written(self.name, self.parameters)


def make_recipe(kind: type[MergeRule], parameters: Mapping[str, Scalar]) -> Recipe:
    """The recipe with these parameters. Raises `MergeError` naming what is missing, unknown or of the wrong kind."""
    _require_free_names(kind)
    given = dict(parameters)
    before, before_f, step = (given.pop(name, None) for name in (BEFORE, BEFORE_F, STEP))
    of_step = {name: given.pop(name) for name in list(given) if name.startswith("step_")}
    # The rule first: a preset gives its `f` to what comes before it too, and nobody typed that.
    with blamed_on(kind):
        rule = make_rule(kind, given)
    return Recipe(rule=rule, before=_before(before, before_f), step=_step(step, of_step))


def _before(names: Scalar | None, f: Scalar | None) -> tuple[Mixing, ...]:
    if names is None and f is None:
        return ()
    if not isinstance(names, str):
        problem = "before_f needs before" if names is None else f"before is {names!r}, and names what is done first"
        raise MergeError(f"{problem}; write before={NearestNeighbourMixing.name},before_f=1")
    made = tuple(_mixing(name, f) for name in names.split("+"))
    if len({one.name for one in made}) != len(made):
        raise MergeError(f"before={names} has the same twice; name each once")
    if f is not None and not any(isinstance(one, NearestNeighbourMixing) for one in made):
        raise MergeError(f"before={names} takes no before_f; leave it away")
    return made


def _mixing(name: str, f: Scalar | None) -> Mixing:
    kind = MIXINGS.get(name)
    if kind is None:
        raise MergeError(f"nothing to do before a merge is called {name!r}; use {' or '.join(MIXINGS)}, joined by +")
    if kind is not NearestNeighbourMixing:
        return kind()
    if f is None:
        raise MergeError(f"before={name} needs before_f, how many nodes may be dishonest; write before_f=1")
    return NearestNeighbourMixing(f=_whole("before_f", f))


def _whole(name: str, value: Scalar) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise MergeError(f"{name} of a merge is {value!r}; pass a whole number")
    return value


def _step(name: Scalar | None, parameters: Mapping[str, Scalar]) -> Step | None:
    if name in (None, "none"):
        if parameters:
            raise MergeError(f"{min(parameters)} needs a step; write step={next(iter(STEPS))}")
        return None
    kind = STEPS.get(str(name))
    if kind is None:
        raise MergeError(f"there is no step {name!r} after a merge; use none, {' or '.join(STEPS)}")
    made: Step = make_with(kind, parameters, f"the step {name}", "")
    return made


def _require_free_names(kind: type[Any]) -> None:
    for item in fields(kind):
        if item.name in (BEFORE, BEFORE_F, STEP) or item.name.startswith("step_"):
            raise MergeError(f"a parameter of the merge rule {kind.name} is called {item.name}, as one of all rules is")


Preset = Callable[[Mapping[str, Scalar]], dict[str, Scalar]]


def robust(given: Mapping[str, Scalar]) -> dict[str, Scalar]:
    """The parameters of the preset `robust`: a trimmed mean of clipped and mixed updates, against `f` of the nodes."""
    f = given.get("f", 1)
    usual: dict[str, Scalar] = {"f": f, BEFORE: "norm_clipping+nearest_neighbour_mixing"}
    found = {**usual, **given}
    return {BEFORE_F: f, **found} if NearestNeighbourMixing.name in str(found[BEFORE]).split("+") else found


PRESETS: Mapping[str, tuple[str, Preset]] = {"robust": ("trimmed_mean", robust)}
"""Names for a rule with parameters: what the task document gets is these."""
