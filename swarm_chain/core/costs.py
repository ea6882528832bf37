"""What a swarm's transactions cost: a call, a node's part in a round, a round, and setting a swarm up.

From what was measured (`artifacts.gas`), each call at the most it took; so a bill is never below what is paid for it,
and above it by the zero bytes in the data of a call, 12 units of gas each.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

from swarm_chain.artifacts.gas import WHOLE_ROUND, load_gas, most
from swarm_chain.core.quorum import quorum
from swarm_chain.types import Gas

DEFAULT_QUORUM_BPS = 5001
GWEI_IN_AN_ETHER = 10**9


@dataclass(frozen=True, kw_only=True, slots=True)
class Item:
    """A number of equal transactions, of `gas` each. `case` says which of a call's cases this is, where it has some."""

    call: str
    case: str = ""
    transactions: int = 1
    gas: Gas

    @property
    def total(self) -> Gas:
        """All of these transactions together."""
        return Gas(self.transactions * self.gas)


@dataclass(frozen=True, kw_only=True, slots=True)
class Bill:
    """What something takes, item by item."""

    items: tuple[Item, ...]

    @property
    def gas(self) -> Gas:
        """All of it together."""
        return Gas(sum(item.total for item in self.items))

    @property
    def transactions(self) -> int:
        """How many transactions that are."""
        return sum(item.transactions for item in self.items)


@dataclass(frozen=True, kw_only=True, slots=True)
class Price:
    """What gas costs: in 10^-9 of the chain's coin, and that coin in dollars, where one knows."""

    gwei: Decimal
    dollars: Decimal | None = None

    def coins(self, gas: int) -> Decimal:
        """So much gas in the chain's coin."""
        return gas * self.gwei / GWEI_IN_AN_ETHER

    def in_dollars(self, gas: int) -> Decimal | None:
        """So much gas in dollars; None where the coin's price is not known."""
        return None if self.dollars is None else self.coins(gas) * self.dollars


@dataclass(frozen=True, kw_only=True, slots=True)
class Estimate:
    """What a swarm of `nodes` takes, `quorum` of which must agree: to set up, in a round, of one node in it."""

    nodes: int
    quorum: int
    is_sealed: bool
    set_up: Bill
    round: Bill
    node: Bill
    calls: Bill


def estimate(nodes: int, *, is_sealed: bool) -> Estimate:
    """What a swarm with the default quorum takes, and each call by itself."""
    return Estimate(
        nodes=nodes,
        quorum=quorum(nodes, DEFAULT_QUORUM_BPS),
        is_sealed=is_sealed,
        set_up=set_up(nodes),
        round=whole_round(nodes, is_sealed=is_sealed),
        node=one_node(is_sealed=is_sealed),
        calls=every_call(),
    )


def every_call() -> Bill:
    """One of each call in each of its cases."""
    names = sorted({name.rpartition("/")[2] for name in load_gas()} - {WHOLE_ROUND})
    return Bill(items=tuple(_item(name) for name in names))


def set_up(nodes: int) -> Bill:
    """A new contract, and so many nodes that join it with invitations."""
    return Bill(
        items=tuple(
            _some(
                _item("deploy"),
                _item("registerWithInvitation, first"),
                _item("registerWithInvitation", nodes - 1),
            )
        )
    )


def whole_round(nodes: int, *, is_sealed: bool, quorum_bps: int = DEFAULT_QUORUM_BPS) -> Bill:
    """A round that every node takes part in, and that ends when a quorum agreed on one result."""
    needed = quorum(nodes, quorum_bps)
    calls = ("commitUpdate", "revealUpdate") if is_sealed else ("submitUpdate",)
    updates = [item for call in calls for item in (_item(call, nodes - 1), _item(f"{call}, last"))]
    agreeing = (_agreeing("attest, first"), _agreeing("attest", needed - 2), _agreeing("attest, last"))
    return Bill(items=tuple(_some(_item("openRound"), *updates, *agreeing)))


def one_node(*, is_sealed: bool) -> Bill:
    """A node's own transactions in a round, where it is neither the first nor the last to do anything."""
    calls = ("commitUpdate", "revealUpdate") if is_sealed else ("submitUpdate",)
    return Bill(items=(*(_item(call) for call in calls), _agreeing("attest")))


def _item(name: str, transactions: int = 1) -> Item:
    call, _, case = name.partition(", ")
    return Item(call=call, case=case, transactions=transactions, gas=Gas(most(name)))


def _agreeing(name: str, transactions: int = 1) -> Item:
    """As in a round after one that was finalised: after an abort, the last attestation costs some more."""
    call, _, case = name.partition(", ")
    gas = max(most(name, "sealed/"), most(name, "direct/"))
    return Item(call=call, case=case, transactions=transactions, gas=Gas(gas))


def _some(*items: Item) -> Iterator[Item]:
    return (item for item in items if item.transactions > 0)
