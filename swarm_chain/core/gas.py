"""How much gas a call may take: never estimated, because a development chain's clock stands still while nobody mines.

The caps are PROTOCOL §3's, checked by the contract's tests. What has no cap there was measured; labels and stores cost
by length, so theirs stand for the longest.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from swarm_chain import types
from swarm_chain.types import Call, Gas

GAS_CAPS: Mapping[type[Call], Gas] = MappingProxyType(
    {
        types.RegisterWithInvitation: Gas(113_000),
        types.RegisterNode: Gas(100_000),
        types.AddNode: Gas(110_000),
        types.RemoveNode: Gas(50_000),
        types.Announce: Gas(60_000),
        types.Suspend: Gas(50_000),
        types.Lift: Gas(50_000),
        types.Resume: Gas(50_000),
        types.OpenRound: Gas(43_000),
        types.CommitUpdate: Gas(45_500),
        types.RevealUpdate: Gas(43_500),
        types.SubmitUpdate: Gas(41_000),
        types.CloseRound: Gas(32_000),
        types.Attest: Gas(68_000),
    }
)
"""The most gas a transaction with this call uses."""

_WALLET = Gas(300_000)


def gas_limit(call: Call) -> Gas:
    """The gas a transaction with this call is sent with: half as much again as it can use.

    An invitation that a contract wallet signed costs what that wallet's code costs, so that call gets more.
    """
    extra = _WALLET if isinstance(call, types.RegisterWithInvitation) else 0
    return Gas(GAS_CAPS[type(call)] * 3 // 2 + extra)
