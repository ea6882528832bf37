"""What was measured without a chain is what chains charge."""

from __future__ import annotations

from dataclasses import replace

import pytest

from swarm_chain import types
from swarm_chain.artifacts.gas import most
from swarm_chain.core.commitments import keccak256
from swarm_chain.core.costs import whole_round
from swarm_chain.devnet import Devnet
from swarm_chain.types import Digest, RoundNumber, Samples
from tests.chains import CONFIG, DevnetWorld, commit, creation_data, reveal, send_raw

NODES = 4
ONE = RoundNumber(1)
ALMOST = 0.995
"""Zero bytes in a call's data, and small numbers there, cost less than what the tests measured."""


def full(text: str) -> Digest:
    """A digest like any other, without a run of zero bytes."""
    return Digest(keccak256(text.encode()))


@pytest.mark.parametrize("is_sealed", [True, False])
def test_round__every_node_takes_part__costs_what_was_measured(devnet: Devnet, is_sealed: bool) -> None:
    world = DevnetWorld(devnet, replace(CONFIG, is_sealed=is_sealed))
    chains = [world.chain(index) for index in range(NODES)]
    for chain in chains:
        chain.send(types.RegisterNode(label="a node"))
    spent = chains[0].send(types.OpenRound()).gas_used
    if is_sealed:
        spent += sum(commit(chain, 1, full(f"update {at}"), 2**60 + 1).gas_used for at, chain in enumerate(chains))
        spent += sum(reveal(chain, 1, full(f"update {at}"), 2**60 + 1).gas_used for at, chain in enumerate(chains))
    else:
        for at, chain in enumerate(chains):
            call = types.SubmitUpdate(round=ONE, digest=full(f"update {at}"), samples=Samples(2**60 + 1))
            spent += chain.send(call).gas_used
    spent += sum(chain.send(types.Attest(round=ONE, result=full("result"))).gas_used for chain in chains[:3])
    bill = whole_round(NODES, is_sealed=is_sealed).gas
    assert ALMOST * bill <= spent <= bill


def test_deploy__on_a_chain__costs_what_was_measured(devnet: Devnet) -> None:
    used = int(send_raw(devnet, data=creation_data(CONFIG), gas=6_000_000)["gasUsed"], 16)
    assert ALMOST * most("deploy") <= used <= 1.001 * most("deploy")
