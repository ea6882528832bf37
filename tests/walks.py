"""Random walks through a coordinator's life: random calls by random accounts at random times, on any kind of chain."""

from __future__ import annotations

import random
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

from swarm_chain.core.commitments import commitment_to
from swarm_chain.errors import Reverted
from swarm_chain.types import (
    AddNode,
    Address,
    Announce,
    Attest,
    Call,
    CloseRound,
    CommitUpdate,
    Digest,
    Lift,
    OpenRound,
    Phase,
    RegisterNode,
    RemoveNode,
    Resume,
    RevealUpdate,
    RoundNumber,
    Salt,
    Samples,
    SubmitUpdate,
    Suspend,
    SwarmConfig,
)
from tests.chains import CONFIG, World, signer

ADMIN = 0
NODES = range(1, 7)
SALT = Salt(b"\x05" * 32)
RESULTS = [Digest(bytes([number]) * 32) for number in (7, 8, 9)]


class Walk:
    """The likely calls more often, the impossible ones too."""

    def __init__(self, deployed: Callable[[SwarmConfig], World], seed: int, *, is_sealed: bool) -> None:
        self.random = random.Random(seed)
        config = replace(
            CONFIG,
            is_sealed=is_sealed,
            min_updates=self.random.choice((2, 2, 3)),
            quorum_bps=self.random.choice((5_001, 6_667, 10_000)),
            absence_limit=self.random.choice((1, 2, 4)),
        )
        self.config = config
        self.world = deployed(config)
        for node in NODES[:4]:
            self.world.chain(node).send(RegisterNode(label="early"))

    def run(self, steps: int) -> None:
        """Takes as many steps, of which some revert."""
        for _ in range(steps):
            if self.random.random() < 0.1:
                self.world.wait(self.random.choice((1, 30, 200, 700)))
            account, call = self._move()
            with suppress(Reverted):
                self.world.chain(account).send(call)

    def _move(self) -> tuple[int, Call]:
        account = self.random.choice(NODES)
        if self.random.random() < 0.06:
            return self._membership(account)
        if self.random.random() < 0.2:
            absent = [one for one in NODES if self.world.chain(None).node_info(address(one)).is_absent]
            if absent:
                return account, Suspend(node=address(self.random.choice(absent)))
        look = self.world.chain(None).look().round
        number = RoundNumber(look.round + (self.random.random() < 0.02))
        is_due = look.phase is not Phase.IDLE and self.world.now >= look.deadline
        if self.random.random() < (0.5 if is_due else 0.02):
            return account, CloseRound(round=number)
        match look.phase:
            case Phase.IDLE:
                return account, OpenRound()
            case Phase.TRAINING:
                return account, self._submission(account, number)
            case Phase.REVEALING:
                digest = digest_of(number, account)
                return account, RevealUpdate(round=number, digest=digest, samples=Samples(3), salt=SALT)
            case _:
                return account, Attest(round=number, result=self.random.choice(RESULTS[:1] * 8 + RESULTS))

    def _membership(self, account: int) -> tuple[int, Call]:
        other = address(self.random.choice(NODES))
        by_admin: list[Call] = [AddNode(node=other, label="x"), RemoveNode(node=other), Lift(node=other)]
        by_node: list[Call] = [RegisterNode(label="y"), Resume(), Suspend(node=address(account)), Announce(stores=b"s")]
        call = self.random.choice([*by_admin, *by_node * 2, Suspend(node=other)])
        is_admins = call in by_admin or self.random.random() < 0.2
        return (ADMIN if is_admins else account), call

    def _submission(self, account: int, number: RoundNumber) -> Call:
        digest, samples = digest_of(number, account), Samples(3)
        if not self.config.is_sealed:
            return SubmitUpdate(round=number, digest=digest, samples=samples)
        commitment = commitment_to(
            chain_id=self.world.chain(None).chain_id,
            coordinator=self.world.chain(None).coordinator,
            round_number=number,
            node=address(account),
            digest=digest,
            samples=samples,
            salt=SALT,
        )
        return CommitUpdate(round=number, commitment=commitment)


def address(account: int) -> Address:
    """A development account's address."""
    return signer(account).address


def digest_of(round_number: int, account: int) -> Digest:
    """What an account submits in a round."""
    return Digest(round_number.to_bytes(12, "big") + address(account))
