"""A report on a swarm of many sites and rounds, without the swarm: site 0 does best, the last one worst."""

from __future__ import annotations

from swarm_chain.chronicle import Outcome
from swarm_chain.reporting import Part, Report, ResultEntry, RoundEntry, Taking
from swarm_chain.types import Address, BlockNumber, Digest, Gas, Metrics, RoundNumber, Timestamp
from tests.chains import CONFIG, digest


def many_sites(*, sites: int, rounds: int) -> Report:
    """Every seventh site is excluded in every fifth round, and away in the one after."""
    nodes = [Address(site.to_bytes(20, "big")) for site in range(1, sites + 1)]
    return Report(
        chain_id=1,
        contract=Address(b"\xc0" * 20),
        block_number=BlockNumber(9),
        block_hash=bytes(32),
        block_time=Timestamp(1_700_000_000),
        config=CONFIG,
        task=None,
        origin=None,
        head=_result(rounds),
        active_nodes=sites,
        labels={node: f"site {site}" for site, node in enumerate(nodes)},
        rounds=tuple(_round(number, nodes) for number in range(1, rounds + 1)),
        results=tuple(_scored(number, nodes) for number in range(rounds + 1)),
        gas=(),
    )


def _scored(number: int, nodes: list[Address]) -> ResultEntry:
    sites = {node: metrics(site, number) for site, node in enumerate(nodes)}
    return ResultEntry(round=RoundNumber(number), digest=_result(number), sites=sites)


def _round(number: int, nodes: list[Address]) -> RoundEntry:
    return RoundEntry(
        number=RoundNumber(number),
        outcome=Outcome.FINALIZED,
        abort_reason=None,
        base=_result(number - 1),
        result=_result(number),
        opened_at=Timestamp(1_600_000_000 + 100 * number),
        ended_at=Timestamp(1_600_000_060 + 100 * number),
        quorum=len(nodes) // 2 + 1,
        attested=len(nodes) // 2 + 1,
        gas=Gas(100_000 * len(nodes)),
        nodes=tuple(_taking(site, node, number) for site, node in enumerate(nodes)),
    )


def _taking(site: int, node: Address, number: int) -> Taking:
    if site % 7 == 0 and number % 5 == 1:
        return Taking(node=node, part=Part.NOTHING)
    is_out = site % 7 == 0 and number % 5 == 0
    return Taking(
        node=node,
        part=Part.EXCLUDED if is_out else Part.INCLUDED,
        reason="unavailable" if is_out else None,
        samples=100,
        put=5_000,
        fetched=5_000 * 59,
        metrics=metrics(site, number),
    )


def metrics(site: int, number: int) -> Metrics:
    """Better with every round, and worse with every site."""
    value = 0.9 - 0.4 / (number + 1) - 0.004 * site
    return {"accuracy": value, "accuracy_low": value - 0.05, "accuracy_high": value + 0.05, "test_samples": 40.0}


def _result(number: int) -> Digest:
    return digest(1_000 + number)
