"""The reference of what everything costs, made from what the contract's tests measured.

python -m swarm_chain.cli.cost_reference > docs/reference/gas.md
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal

from swarm_chain.artifacts.gas import SIZES, STAGES, WHOLE_ROUND, load_gas
from swarm_chain.core.costs import Price, every_call, one_node, set_up, whole_round
from swarm_chain.core.gas import GAS_CAPS

_INTRODUCTION = """\
# What everything costs

Made from `swarm_chain/artifacts/gas.json` (`python -m swarm_chain.cli.cost_reference > docs/reference/gas.md`); a test
compares. The contract's tests measure that file (`make snapshot`), and one unit of gas more or less turns them red.

Gas of whole transactions: with their 21,000 and their data. `swarm-chain cost --gas-price GWEI --eth-price USD`
prices them. A rollup charges, on top, for the data that it writes to its base chain; no figure here has that.
"""

_STAGE_TITLES = {
    "first": "first",
    "second": "second",
    "two-hundredth": "two-hundredth",
    "after absence": "first after 100 missed",
}
_PRICES = (Decimal("0.01"), Decimal("0.1"), Decimal(1), Decimal(10))
_DOLLARS = Decimal(2_500)


def render() -> str:
    """The whole reference in Markdown."""
    sections = (_rounds(), _parts(), _stages("sealed"), _stages("direct"), _calls())
    return "\n".join([_INTRODUCTION, *("\n".join([*section, ""]) for section in sections)]).rstrip("\n") + "\n"


def _rounds() -> Iterator[str]:
    yield "## A round"
    yield ""
    yield "All nodes take part, and a quorum agrees. Measured, the dearest of the rounds below."
    yield ""
    yield from _table(
        ("nodes", "sealed", "a node", "direct", "a node"),
        ([nodes, *_whole("sealed", nodes), *_whole("direct", nodes)] for nodes in SIZES),
    )


def _whole(kind: str, nodes: int) -> tuple[str, str]:
    gas = max(load_gas()[f"{kind}/{nodes}/{stage}/{WHOLE_ROUND}"] for stage in STAGES)
    return f"{gas:,}", f"{gas // nodes:,}"


def _parts() -> Iterator[str]:
    yield "## At a price"
    yield ""
    yield f"In dollars, at {_DOLLARS:,} dollars for the chain's coin, and at several prices of gas:"
    yield ""
    bills = {
        "set up a swarm of 4: the contract, and 4 nodes that join": set_up(4).gas,
        "a sealed round of 4": whole_round(4, is_sealed=True).gas,
        "a direct round of 4": whole_round(4, is_sealed=False).gas,
        "a sealed round of 50": whole_round(50, is_sealed=True).gas,
        "a node's part in a sealed round": one_node(is_sealed=True).gas,
        "a node's part in a direct round": one_node(is_sealed=False).gas,
    }
    yield from _table(
        ("", "gas", *(f"{price} gwei" for price in _PRICES)),
        ([what, f"{gas:,}", *(_dollars(gas, price) for price in _PRICES)] for what, gas in bills.items()),
    )


def _dollars(gas: int, gwei: Decimal) -> str:
    return f"{Price(gwei=gwei, dollars=_DOLLARS).in_dollars(gas):,.4f}"


def _stages(kind: str) -> Iterator[str]:
    yield f"## Calls of a {kind} round"
    yield ""
    yield "The most that a call took, in each of its cases: `last` ends a phase, or the round."
    yield ""
    rows = ([f"`{call}`{_comma(case)}", nodes, *row] for call, case, nodes, row in _measured(kind))
    yield from _table(("call", "nodes", *(_STAGE_TITLES[stage] for stage in STAGES)), rows)


def _measured(kind: str) -> Iterator[tuple[str, str, int, Sequence[str]]]:
    figures = load_gas()
    start = f"{kind}/{SIZES[0]}/{STAGES[0]}/"
    for name in (name.removeprefix(start) for name in figures if name.startswith(start)):
        call, _, case = name.partition(", ")
        for nodes in SIZES:
            if name != WHOLE_ROUND:
                yield call, case, nodes, [f"{figures[f'{kind}/{nodes}/{stage}/{name}']:,}" for stage in STAGES]


def _calls() -> Iterator[str]:
    caps = {type_.__name__[0].lower() + type_.__name__[1:]: cap for type_, cap in GAS_CAPS.items()}
    yield "## Every call"
    yield ""
    yield "The most that was measured anywhere, and the cap: agents send with half as much again as that."
    yield ""
    rows = (
        [f"`{one.call}`{_comma(one.case)}", f"{one.gas:,}", f"{caps[one.call]:,}" if one.call in caps else ""]
        for one in every_call().items
    )
    yield from _table(("call", "gas", "cap"), rows)


def _comma(case: str) -> str:
    return f", {case}" if case else ""


def _table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> Iterator[str]:
    yield "| " + " | ".join(columns) + " |"
    yield "| --- |" + " ---: |" * (len(columns) - 1)
    for row in rows:
        yield "| " + " | ".join(str(cell) for cell in row) + " |"


if __name__ == "__main__":
    sys.stdout.write(render())
