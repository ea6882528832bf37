"""The attacks, by name. Where attackers send equal updates there is a form with noise too: `sign_flip+jitter`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Final

from swarm_chain.errors import ConfigurationError
from swarm_chain.lab.attacks.attack import Attack, EqualAttack, Sight
from swarm_chain.lab.attacks.broken import Filled, WrongShapes
from swarm_chain.lab.attacks.copied import Copied
from swarm_chain.lab.attacks.gaussian import Gaussian
from swarm_chain.lab.attacks.jitter import Jittered
from swarm_chain.lab.attacks.label_flip import LabelFlip
from swarm_chain.lab.attacks.little import Little
from swarm_chain.lab.attacks.mean_times import MeanTimes
from swarm_chain.lab.attacks.mimic import Mimic
from swarm_chain.lab.attacks.min_max import MinMax
from swarm_chain.lab.attacks.zero import Zero

CLEAN: Final = "clean"
"""Names no attack: all nodes are honest."""
_JITTER: Final = "+jitter"

_PLAIN: Final[Mapping[str, Attack]] = {
    "label_flip": LabelFlip(),
    "sign_flip": MeanTimes(-1.0),
    "sign_flip_10": MeanTimes(-10.0),
    "times_minus_100": MeanTimes(-100.0),
    "inner_product_0.1": MeanTimes(-0.1),
    "inner_product_0.5": MeanTimes(-0.5),
    "inner_product_2": MeanTimes(-2.0),
    "gaussian": Gaussian(),
    "little": Little(),
    "little_1.5": Little(1.5),
    "min_max": MinMax(),
    "zero": Zero(),
    "mimic": Mimic(),
    "copied": Copied(),
    "nan": Filled(float("nan")),
    "infinity": Filled(float("inf")),
    "wrong_shapes": WrongShapes(),
}


def _all() -> Iterator[tuple[str, Attack]]:
    for name, attack in _PLAIN.items():
        yield name, attack
        if isinstance(attack, EqualAttack):
            yield name + _JITTER, Jittered(attack)


ATTACKS: Final[Mapping[str, Attack]] = MappingProxyType(dict(_all()))


def find_attack(name: str) -> Attack:
    """The attack of that name. Raises `ConfigurationError`."""
    if name not in ATTACKS:
        raise ConfigurationError(f"there is no attack {name!r}; use some of {', '.join(ATTACKS)}")
    return ATTACKS[name]


__all__ = ["ATTACKS", "CLEAN", "Attack", "EqualAttack", "Sight", "find_attack"]
