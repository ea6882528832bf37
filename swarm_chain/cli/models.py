"""From options to the results that a swarm agreed on."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from swarm_chain.cli.options import Place
from swarm_chain.errors import NotACoordinator

if TYPE_CHECKING:
    from swarm_chain.cli.connect import Found
    from swarm_chain.models.line import Elsewhere
    from swarm_chain.models.reading import SwarmReading
    from swarm_chain.ports import UpdateStore
    from swarm_chain.types import Address, Digest


@dataclass(frozen=True, kw_only=True, slots=True)
class Results:
    """A swarm's results, and how to find those of earlier swarms."""

    reading: SwarmReading
    elsewhere: Elsewhere


def open_results(place: Place, contract: str | None, stores: Sequence[str]) -> Results:
    """The results of the swarm that was asked for. Raises what reaching it, its stores and its chain do."""
    from swarm_chain.cli.connect import connect, evidence_of, find_contract
    from swarm_chain.models.reading import SwarmReading

    found = find_contract(place, contract)
    store = evidence_of(found, stores)
    return Results(reading=SwarmReading(connect(found), store), elsewhere=on_same_chain(found, store))


def open_readable(stores: Sequence[str]) -> UpdateStore:
    """The stores to read from; the one in `HOME/store` unless told."""
    from swarm_chain.adapters.stores import open_stores
    from swarm_chain.cli.connect import store_specs

    return open_stores(store_specs(stores), writable=False)


def on_same_chain(found: Found, store: UpdateStore) -> Elsewhere:
    """Finds swarms on the same chain; those on others cannot be asked with the same endpoints."""

    def find(chain_id: int, contract: Address) -> SwarmReading | None:
        from dataclasses import replace

        from swarm_chain.cli.connect import connect, known_block
        from swarm_chain.models.reading import SwarmReading

        if chain_id != found.target.chain_id:
            return None
        block = known_block(found.target, contract)
        try:
            return SwarmReading(connect(replace(found, contract=contract, deployed_at=block)), store)
        except NotACoordinator:
            # Many development chains have the same id.
            return None

    return find


# ------------------------------------------------------------------------------------------------------- naming results


@dataclass(frozen=True, kw_only=True, slots=True)
class ResultName:
    """A result as people name it: by its digest, or by a swarm's contract (None: the only one) and a round (None: the
    head's)."""

    digest: Digest | None = None
    contract: str | None = None
    round: int | None = None


class ResultParam(click.ParamType[ResultName]):
    """A result: `CONTRACT@ROUND`, `@ROUND`, `CONTRACT` for its head, or the result's own CID."""

    name = "RESULT"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> ResultName:
        """What is named; whether it is there, the chain says later."""
        from swarm_chain.cli.params import DIGEST

        if isinstance(value, ResultName):
            return value
        text = str(value)
        if re.fullmatch("0x[0-9a-fA-F]{64}|f[0-9a-f]{72}|baf[a-z2-7]{56}", text):
            return ResultName(digest=DIGEST.convert(text, param, ctx))
        contract, at, number = text.rpartition("@")
        if not at:
            return ResultName(contract=text)
        if not re.fullmatch(r"\d{1,9}", number):
            self.fail(f"{text!r} names no round: write e.g. {contract or ''}@3.", param, ctx)
        return ResultName(contract=contract or None, round=int(number))


RESULT = ResultParam()


def contract_and_path(names: Sequence[str], what: str) -> tuple[str | None, str]:
    """The two arguments of `[CONTRACT] PATH`, of which the first may be left out. Raises a usage error."""
    if not 1 <= len(names) <= 2:
        raise click.UsageError(f"give {what}, and before it the contract where the chain has several deployments.")
    return (names[0] if len(names) == 2 else None), names[-1]


# --------------------------------------------------------------------------------------------------------------- people


def measured_at(sites: int, test_samples: int | None) -> str:
    """What stands behind a mean, in words: `4 sites, 600 test examples`."""
    where = f"{sites} site{'' if sites == 1 else 's'}"
    return where if test_samples is None else f"{where}, {test_samples:,} test examples"
