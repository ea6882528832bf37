"""What a node knows of itself and its peers when it decides."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

from swarm_chain.agent.contribution import Contribution
from swarm_chain.agent.heads import Heads
from swarm_chain.agent.journal import Journal
from swarm_chain.agent.policy import Policy
from swarm_chain.core.rounds import Situation
from swarm_chain.errors import DataError, ForeignCommitment
from swarm_chain.ports import Chain, Trainer
from swarm_chain.types import Address, BlockNumber, ChainView, NodeRegistered, NodeRemoved, Phase, RoundNumber

log = logging.getLogger(__name__)

REST, LONGEST_REST = 60.0, 3600.0
"""Seconds for which a node contributes nothing after a training that failed, and the most of them."""
PAUSE = 20.0
"""How many times as long as it took to count samples they are not counted again."""


class Lookout:
    """Completes a look at the chain with what journal, data and clock say. All of it can be had anew after a kill."""

    def __init__(
        self,
        *,
        account: Address,
        chain: Chain,
        trainer: Trainer,
        journal: Journal,
        heads: Heads,
        contribution: Contribution,
        policy: Policy,
        clock: Callable[[], float],
    ) -> None:
        self._account = account
        self._chain = chain
        self._trainer = trainer
        self._journal = journal
        self._heads = heads
        self._contribution = contribution
        self._policy = policy
        self._clock = clock
        self._sits_out: RoundNumber | None = None
        self._failures = 0
        self._rests_until = 0.0
        self._count, self._counts_at = -1, float("-inf")
        self._due: tuple[tuple[RoundNumber, Phase] | None, float] | None = None
        self._peers: dict[Address, None] = {}
        self._scanned: BlockNumber | None = None
        self._absent: tuple[tuple[int, int], tuple[Address, ...]] = ((0, 0), ())

    def sit_out(self, round_number: RoundNumber) -> None:
        """Takes no part in a round any more."""
        self._sits_out = round_number

    def training_failed(self) -> None:
        """Contributes nothing for a while, longer with each failure in a row: so that no peer waits for this node."""
        self._failures += 1
        self._rests_until = self._clock() + min(REST * 2.0 ** (self._failures - 1), LONGEST_REST)

    def training_succeeded(self) -> None:
        self._failures = 0

    def sits_out(self, round_number: int) -> bool:
        return self._sits_out == round_number

    def situation(self, view: ChainView) -> Situation:
        """Everything `decide` asks for besides the view."""
        adopted, update = self._journal.adopted(), self._journal.update(view.round.round)
        training = self._contribution.training()
        return Situation(
            account=self._account,
            adopted=adopted[0] if adopted and self._heads.holds(adopted[1]) else None,
            trained_on=training.base if training else None,
            staged=update.staged if update else None,
            is_willing=self._is_willing(view),
            is_deep=self._is_deep(view),
            sits_out=self._sits_out,
            waited=self._waited(view),
            absent=self._absent_nodes(view),
            spread=self._policy.spread,
        )

    def _is_willing(self, view: ChainView) -> bool:
        """Whether this node has something to contribute: an update under way, or data that are new and in order."""
        if view.round.phase != Phase.IDLE and self._journal.update(view.round.round) is not None:
            return True
        training, last = self._contribution.training(), self._journal.last_samples()
        if training is not None and training.base == view.swarm.head:
            return True
        if self._clock() < self._rests_until:
            return False
        if self._failures == 0 and (self._policy.min_new_samples == 0 or last is None):
            return True
        return self._has_samples(0 if last is None else last + self._policy.min_new_samples)

    def _has_samples(self, wanted: int) -> bool:
        """Whether there is so much to train on, as counted not long ago: counting may mean to read all data."""
        began = self._clock()
        if began >= self._counts_at:
            self._count = self._counted()
            self._counts_at = self._clock() + (self._clock() - began) * PAUSE
        return self._count >= wanted

    def _counted(self) -> int:
        try:
            return self._trainer.samples()
        except DataError as error:
            log.error("not contributing: %s", error)
            return -1

    def _is_deep(self, view: ChainView) -> bool:
        if self._policy.confirmations == 0 or view.round.phase != Phase.REVEALING:
            return True
        deep = self._chain.look(depth=self._policy.confirmations).round
        return deep.round == view.round.round and deep.phase == view.round.phase

    def _waited(self, view: ChainView) -> float:
        """Seconds since this node first saw what it sees now: the swarm idle, or a deadline passed."""
        is_due = view.round.phase == Phase.IDLE or view.now >= view.round.deadline
        seen = (view.round.round, view.round.phase) if is_due else None
        if self._due is None or self._due[0] != seen:
            self._due = seen, self._clock()
        return self._clock() - self._due[1]

    def _absent_nodes(self, view: ChainView) -> tuple[Address, ...]:
        """The other nodes that anyone may suspend; looked for when a round is over, and when one was suspended."""
        if view.round.phase != Phase.IDLE:
            return ()
        seen = view.round.round, view.swarm.active_nodes
        if self._absent[0] != seen:
            self._absent = seen, self._find_absent(view)
        # Somebody else may have suspended one meanwhile, and another node joined.
        still = self._still_absent(self._absent[1])
        self._absent = seen, still
        return still

    def _find_absent(self, view: ChainView) -> tuple[Address, ...]:
        for event in self._chain.events(from_block=self._scanned, kinds=(NodeRegistered, NodeRemoved)):
            if isinstance(event, NodeRegistered):
                self._peers[event.node] = None
            elif isinstance(event, NodeRemoved):
                self._peers.pop(event.node, None)
        self._peers.pop(self._account, None)
        self._scanned = view.block_number
        return self._still_absent(tuple(self._peers))

    def _still_absent(self, nodes: Sequence[Address]) -> tuple[Address, ...]:
        infos = self._chain.node_infos(nodes)
        return tuple(node for node, info in zip(nodes, infos, strict=True) if info.is_absent)

    def check_commitment(self, view: ChainView) -> None:
        """Raises `ForeignCommitment`, once a round, where the chain holds one that this node does not know."""
        round_number = view.round.round
        is_committed = view.round.phase != Phase.IDLE and view.node.committed_round == round_number
        if not is_committed or view.node.revealed_round == round_number or self.sits_out(round_number):
            return
        update = self._journal.update(round_number)
        if update is None or update.staged.commitment != view.commitment:
            self.sit_out(round_number)
            raise ForeignCommitment(
                f"round {round_number} holds a commitment of this account that its journal does not know: another "
                "agent uses the same account, or the journal was lost; sitting the round out"
            )
