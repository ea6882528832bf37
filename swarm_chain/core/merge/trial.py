"""Whether a rule that does not ship gives the same bytes twice: tried when it is first used."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import numpy as np

from swarm_chain.core.merge.engine import merge
from swarm_chain.core.merge.inputs import Contribution
from swarm_chain.core.merge.own_code import blamed_on
from swarm_chain.core.merge.recipe import Recipe
from swarm_chain.core.merge.rule import MOST_UPDATES
from swarm_chain.core.weights import encode
from swarm_chain.errors import MergeError
from swarm_chain.types import Address, Parameters

_SETTINGS = ((None, 1), (37, 2), (1, 1))
"""Size of a block, and threads."""


def try_rule(recipe: Recipe) -> None:
    """Returns if a rule gives one result for one input, whatever the blocks, threads and order. Raises `MergeError`.

    What it does on other machines is not seen here; whoever writes a rule keeps to what `MergeRule` says.
    """
    _try(recipe, str(recipe))


@lru_cache(maxsize=64)
def _try(recipe: Recipe, name: str) -> None:
    chance = np.random.Generator(np.random.PCG64(7))
    updates = [_model(chance) for _ in range(max(5, _fewest(recipe)))]
    base = encode(_model(chance))
    given = [
        Contribution(node=Address(place.to_bytes(20, "big")), weights=encode(one), samples=place + 1)
        for place, one in enumerate(updates)
    ]
    found = set()
    for seed, (block, threads) in enumerate(_SETTINGS):
        Random(seed).shuffle(given)
        found.add(_merged(given, recipe, base, block, threads))
    if len(found) != 1:
        raise MergeError(
            f"the merge rule {name} gives other results with other blocks: compute every element by itself, in the "
            "order of the rows, without np.sum, BLAS, randomness or a clock"
        )


def _fewest(recipe: Recipe) -> int:
    with blamed_on(type(recipe.rule)):
        for number in (recipe.rule.minimum_updates, recipe.rule.safe_updates):
            if type(number) is not int:
                raise MergeError(f"the merge rule {recipe.name} needs {number!r} updates; give a whole number")
            if number > MOST_UPDATES:
                raise MergeError(f"the merge rule {recipe.name} needs {number:,} updates; a round has {MOST_UPDATES:,}")
        return recipe.minimum_updates


def _merged(
    given: list[Contribution], recipe: Recipe, base: bytes, block: int | None, threads: int
) -> tuple[bytes, tuple[int, ...]]:
    with TemporaryDirectory(prefix="swarm-chain-trial-") as folder:
        out = Path(folder) / "out"
        done = merge(
            given,
            rule=recipe,
            max_samples=1 << 32,
            max_share_bps=10_000,
            out=out,
            base=base,
            state_out=Path(folder) / "state",
            block=block,
            threads=threads,
            sync=False,
        )
        return out.read_bytes() if done else b"", tuple(done.weights.values()) if done else ()


def _model(chance: np.random.Generator) -> Parameters:
    return {
        "double": chance.normal(size=60),
        "large": chance.normal(size=(30, 40)).astype(np.float32),
        "scalar": np.array(chance.normal(), np.float32),
    }
