"""The coordinator's model in Python against the contract, both as `Chain`: the same calls, and what an agent sees.

`test_chain_machine` compares every view, over many more calls.
"""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass, replace

import pytest

from swarm_chain import errors
from swarm_chain.adapters.coordinator_model import CoordinatorModel
from swarm_chain.adapters.ethereum.abi import coordinator_abi
from swarm_chain.adapters.ethereum.endpoint import Endpoint, RpcError
from swarm_chain.adapters.ethereum.reverts import revert_in
from swarm_chain.devnet import Devnet
from swarm_chain.ports import Chain
from swarm_chain.types import (
    ZERO_ADDRESS,
    ZERO_DIGEST,
    AddNode,
    Address,
    Announce,
    Attest,
    Call,
    ChainView,
    CloseRound,
    Lift,
    NodeStatus,
    OpenRound,
    Phase,
    RegisterNode,
    RemoveNode,
    Resume,
    RoundNumber,
    Samples,
    Seconds,
    SubmitUpdate,
    Suspend,
    SwarmConfig,
)
from tests.chains import (
    CONFIG,
    DevnetWorld,
    MemoryWorld,
    commitment_call,
    creation_data,
    digest,
    invitation_call,
    normalised,
    reveal_call,
    signer,
)

NODES = 5
SHORT = replace(
    CONFIG,
    initial_window=Seconds(60),
    min_window=Seconds(10),
    max_window=Seconds(200),
    reveal_window=Seconds(30),
    merge_window=Seconds(50),
)
VARIANTS = {
    "sealed": SHORT,
    "direct": replace(SHORT, is_sealed=False),
    "invited": replace(SHORT, open_registration=False, absence_limit=1, quorum_bps=7_500),
}


@dataclass
class Both:
    """A contract and its model, at the same address and time."""

    real: DevnetWorld
    model: MemoryWorld

    @classmethod
    def deployed(cls, devnet: Devnet, config: SwarmConfig) -> Both:
        real = DevnetWorld(devnet, config)
        return cls(real, MemoryWorld(config, coordinator=real.coordinator, start=real.start))

    def wait(self, seconds: int) -> None:
        self.real.wait(seconds)
        self.model.wait(seconds)

    def send(self, index: int, call: Call) -> str:
        """Sends a call to both, and compares what comes back and what is there afterwards; the error's name, or ok."""
        theirs, ours = outcome(self.real.chain(index), call), outcome(self.model.chain(index), call)
        assert theirs == ours, (index, call)
        assert state(self.real.chain(index)) == state(self.model.chain(index)), (index, call)
        return ours[0]


def outcome(chain: Chain, call: Call) -> tuple[str, object]:
    try:
        return "ok", normalised(chain.send(call).events)
    except errors.Reverted as error:
        return type(error).__name__, error.arguments


def state(chain: Chain) -> ChainView:
    """All that a view shows, less where it lies and the time, which on a real chain goes on by itself."""
    return replace(chain.look(), block_number=0, block_hash=b"", now=0)  # type: ignore[arg-type]


def random_call(dice: random.Random, world: MemoryWorld, index: int) -> Call:
    """A call that often makes sense: most are what the account would do next, the others anything."""
    chain = world.chain(index)
    view = chain.look()
    if dice.random() < 0.8:
        return back_again(dice, chain) if index == 0 and dice.random() < 0.3 else sensible_call(dice, chain, view)
    return any_call(dice, world, index)


def any_call(dice: random.Random, world: MemoryWorld, index: int) -> Call:
    """Any call, whether it makes sense or not."""
    chain = world.chain(index)
    view = chain.look()
    node = signer(dice.randrange(NODES)).address
    number = RoundNumber(max(0, view.swarm.current_round + dice.choice((0, 0, 0, 0, 0, 1, -1))))
    update, samples = digest(dice.choice((0, 1, 1, 1, 2))), Samples(dice.choice((0, 1, 1, 1, 2**64 - 1)))
    return dice.choice(
        (
            lambda: RegisterNode(label=dice.choice(("", "a", "x" * 65))),
            lambda: random_invitation(dice, chain, world.now),
            lambda: AddNode(node=dice.choice((node, node, ZERO_ADDRESS)), label="added"),
            lambda: RemoveNode(node=node),
            lambda: Announce(stores=bytes(dice.choice((0, 10, 513)))),
            lambda: Suspend(node=node),
            lambda: Lift(node=node),
            Resume,
            OpenRound,
            lambda: commitment_call(chain, number, update, samples),
            lambda: replace(commitment_call(chain, number, update, samples), commitment=bytes(32)),  # type: ignore[arg-type]
            lambda: reveal_call(chain, number, update, samples),
            lambda: SubmitUpdate(round=number, digest=update, samples=samples),
            lambda: CloseRound(round=number),
            lambda: Attest(round=number, result=digest(dice.choice((0, 8, 9)))),
        )
    )()


def random_invitation(dice: random.Random, chain: Chain, now: int) -> Call:
    account = chain.account or ZERO_ADDRESS
    return invitation_call(
        chain,
        dice.choice((account, account, account, signer(9).address)),
        registrar=dice.choice((0, 0, 0, 9)),
        expiry=now + dice.choice((0, 1, 100)),
        by=dice.choice((None, None, None, 8)),
    )


def back_again(dice: random.Random, chain: Chain) -> Call:
    """What the registrar does for a node that cannot come back by itself."""
    node = signer(dice.randrange(NODES)).address
    status = chain.node_info(node).status
    return Lift(node=node) if status is NodeStatus.SUSPENDED_BY_REGISTRAR else AddNode(node=node, label="again")


def sensible_call(dice: random.Random, chain: Chain, view: ChainView) -> Call:
    number = view.swarm.current_round
    if view.node.status is NodeStatus.SUSPENDED:
        return Resume()
    if view.node.status is NodeStatus.UNREGISTERED and not view.swarm.config.open_registration:
        return invitation_call(chain, chain.account or ZERO_ADDRESS, expiry=view.now + 1_000)
    if view.node.status is NodeStatus.UNREGISTERED:
        return RegisterNode(label="node")
    if view.round.phase is not Phase.IDLE and view.now >= view.round.deadline:
        return CloseRound(round=number)
    match view.round.phase:
        case Phase.IDLE:
            return OpenRound()
        case Phase.TRAINING if view.swarm.config.is_sealed:
            return commitment_call(chain, number, digest(1), 1)
        case Phase.TRAINING:
            return SubmitUpdate(round=number, digest=digest(1), samples=Samples(1))
        case Phase.REVEALING:
            return reveal_call(chain, number, digest(1), 1)
        case _:
            return Attest(round=number, result=digest(dice.choice((8, 8, 8, 9))))


def random_wait(dice: random.Random, world: MemoryWorld) -> int:
    """Mostly nothing; sometimes to a second before the deadline, to it, or beyond."""
    deadline = world.chain(None).look().round.deadline
    left = max(0, deadline - world.now)
    return dice.choice((max(0, left - 1), left, left + 3)) if dice.random() < 0.04 else dice.choice((0, 0, 0, 1))


def play(both: Both, *, calls: int, seed: int) -> Counter[str]:
    """So many random calls; how often each outcome came."""
    dice = random.Random(seed)
    seen: Counter[str] = Counter()
    for _ in range(calls):
        both.wait(random_wait(dice, both.model))
        index = dice.randrange(NODES)
        seen[both.send(index, random_call(dice, both.model, index))] += 1
    theirs, ours = (normalised(world.chain(None).events()) for world in (both.real, both.model))
    assert theirs == ours
    nodes: list[Address] = [signer(index).address for index in range(NODES)]
    for node in nodes:
        assert both.real.chain(None).node_info(node) == both.model.chain(None).node_info(node)
    for result in (ZERO_DIGEST, digest(8), digest(9)):
        assert both.real.chain(None).attestations_for(result) == both.model.chain(None).attestations_for(result)
    seen.update(finalized=sum(type(event).__name__ == "RoundFinalized" for event in ours))
    return seen


@pytest.mark.parametrize("variant", VARIANTS)
def test_model__random_calls__says_what_the_contract_says(anvil: Devnet, variant: str) -> None:
    both = Both.deployed(anvil, VARIANTS[variant])

    seen = play(both, calls=200, seed=1)

    assert seen["ok"] > 60
    assert len(seen) > 10
    assert seen["finalized"] > 0


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"task_digest": ZERO_DIGEST}, "ZeroTaskDigest"),
        ({"genesis_digest": ZERO_DIGEST}, "ZeroGenesisDigest"),
        ({"admin": ZERO_ADDRESS}, "ZeroAdmin"),
        ({"quorum_bps": 5_000}, "QuorumOutOfRange"),
        ({"quorum_bps": 10_001}, "QuorumOutOfRange"),
        ({"min_updates": 1}, "MinUpdatesTooSmall"),
        ({"min_window": 0}, "ZeroWindow"),
        ({"reveal_window": 0}, "ZeroWindow"),
        ({"merge_window": 0}, "ZeroWindow"),
        ({"initial_window": 59}, "WindowsOutOfOrder"),
        ({"initial_window": 3_601}, "WindowsOutOfOrder"),
        ({"max_window": 180 * 86_400 + 1}, "MaxWindowTooLong"),
        ({"reveal_window": 3_601}, "RevealWindowTooLong"),
        ({"merge_window": 3_601}, "MergeWindowTooLong"),
        ({"absence_limit": 0}, "ZeroAbsenceLimit"),
    ],
)
def test_deploying__nonsense__is_refused_by_both_with_the_same_error(
    devnet: Devnet, changes: dict[str, object], error: str
) -> None:
    config = replace(CONFIG, **changes)  # type: ignore[arg-type]

    with pytest.raises(errors.Reverted) as ours:
        CoordinatorModel(config, chain_id=31337, address=Address(bytes(20)))
    with pytest.raises(RpcError) as refusal:
        Endpoint(devnet.rpc_url).request(
            "eth_call", {"from": signer(0).checksum_address, "data": "0x" + creation_data(config).hex()}, "latest"
        )

    theirs = revert_in(refusal.value, coordinator_abi())
    assert isinstance(theirs, errors.Reverted)
    assert type(theirs).__name__ == type(ours.value).__name__ == error
    assert theirs.arguments == ours.value.arguments
