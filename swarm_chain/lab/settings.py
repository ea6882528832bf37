"""What a lab tries: which swarm, which rules, which attacks, how often."""

from __future__ import annotations

import math
from dataclasses import dataclass

from swarm_chain.core.merge import Recipe, parse_rule
from swarm_chain.errors import ConfigurationError
from swarm_chain.lab.attacks import CLEAN, find_attack
from swarm_chain.tasks.base import SplitTask, Task


@dataclass(frozen=True, kw_only=True, slots=True)
class LabSettings:
    """A lab's choices. The last `byzantine` of the nodes attack.

    `alpha` is how skewed labels are: the parameter of a Dirichlet distribution, None for nodes that all have the same
    mix. Tasks other than `digits` deal out their data as they do, and have none. `task_name` is what the task was
    loaded by: another process does the same.
    """

    task: Task
    task_name: str
    nodes: int
    byzantine: int
    alpha: float | None
    rules: tuple[str, ...]
    attacks: tuple[str, ...]
    seeds: tuple[int, ...]
    rounds: int

    def __post_init__(self) -> None:
        """Refuses what cannot be tried."""
        if not 0 < self.byzantine < self.nodes:
            raise ConfigurationError(
                f"{self.byzantine} of {self.nodes} nodes cannot attack: leave an honest node, and one that is not"
            )
        for what, chosen in (("rules", self.rules), ("attacks", self.attacks)):
            if not chosen or len(set(chosen)) != len(chosen):
                raise ConfigurationError(f"there are {what} that come twice, or none: name one or more, each once")
        if self.alpha is not None and not math.isfinite(self.alpha):
            raise ConfigurationError(f"alpha is {self.alpha}; pass a number above 0, such as 0.5")
        for rule in self.recipes:
            rule.require(self.nodes)
        for attack in self.attacks:
            find_attack(attack)
        if not isinstance(self.task, SplitTask) or self.task.private:
            raise ConfigurationError(
                f"the task {self.task.name} cannot be attacked here: choose one that deals out its own data, such as "
                "digits or heart, and whose nodes share all of the model"
            )
        if self.alpha is not None and self.task.name != "digits":
            raise ConfigurationError(f"the task {self.task.name} deals out its data as they are: leave --alpha away")

    @property
    def recipes(self) -> tuple[Recipe, ...]:
        """The rules, ready to merge. Raises `MergeError`."""
        return tuple(parse_rule(rule) for rule in self.rules)

    @property
    def honest(self) -> int:
        """Nodes that do not attack."""
        return self.nodes - self.byzantine

    @property
    def played(self) -> tuple[str, ...]:
        """What is played with each rule and seed: nobody attacking, and every attack."""
        return (CLEAN, *self.attacks)

    @property
    def sources(self) -> tuple[str, ...]:
        """Where the data set lies that the task deals out, where that was said."""
        return self.task.sources if isinstance(self.task, SplitTask) else ()


def usual_rules(nodes: int, byzantine: int) -> tuple[str, ...]:
    """The rules that ship, against so many attackers; those left out that so few nodes cannot meet.

    >>> usual_rules(4, 1)[2]
    'trimmed_mean:f=1'
    """
    f = byzantine
    all_of_them = {
        "weighted_mean": 1,
        "coordinate_median": 1,
        f"trimmed_mean:f={f}": 2 * f + 1,
        "geometric_median": 1,
        f"krum:f={f}": f + 3,
        f"multi_krum:f={f},m={nodes - f}": f + 3,
        "centered_clipping": 1,
        f"robust:f={f}": 2 * f + 1,
        f"robust:f={f},step=momentum,step_beta=0.5": 2 * f + 1,
    }
    return tuple(rule for rule, needed in all_of_them.items() if nodes >= needed)
