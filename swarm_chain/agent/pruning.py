"""Letting go of old weights, round by round, where a node's operator asked for that."""

from __future__ import annotations

import logging
from typing import Final

from swarm_chain.core.cids import Cid
from swarm_chain.core.retention import Keeper, Past
from swarm_chain.errors import StoreError
from swarm_chain.ports import Chain, UpdateStore
from swarm_chain.types import Address, BlockNumber, ChainView, Digest, RoundFinalized, RoundNumber, UpdateRevealed

log = logging.getLogger(__name__)

_KINDS: Final = (RoundFinalized, UpdateRevealed)


class Pruning:
    """Prunes a node's own stores after each finalised round, so that the last `keep` rounds can be re-executed."""

    def __init__(
        self, *, chain: Chain, store: UpdateStore, keep: int, account: Address, confirmations: int = 0
    ) -> None:
        """`store` is this node's own. A round counts once it lies as deep in the chain as `confirmations` ask."""
        self._chain, self._store, self._keep = chain, store, keep
        self._account, self._confirmations = account, confirmations
        self._past: Past | None = None
        self._keeper: Keeper | None = None
        self._head: Digest | None = None
        self._due: int | None = None
        self._since: BlockNumber | None = None

    def advance(self, view: ChainView) -> None:
        """Prunes, if a round was finalised since the last time. Raises what the chain does.

        What a store cannot do now is done after the next round: no round fails for it.
        """
        if view.swarm.head != self._head:
            self._head, self._due = view.swarm.head, view.block_number + self._confirmations
        if self._due is None or view.block_number < self._due:
            return
        keeper = self._up_to(view, BlockNumber(view.block_number - self._confirmations))
        self._due = None
        try:
            retention = keeper.due()
            if retention is not None:
                self._store.prune(retention)
                keeper.done(retention)
                log.info("%s: %s", self._store.name, describe(retention.lost))
        except StoreError as error:
            log.warning("old weights stay where they are for now: %s", error)

    def _up_to(self, view: ChainView, until: BlockNumber) -> Keeper:
        """The keeper, told what happened up to a block."""
        if self._past is None or self._keeper is None:
            config = view.swarm.config
            self._past = Past(task=config.task_digest, genesis=config.genesis_digest)
            self._keeper = Keeper(self._past, keep=self._keep, read=self._read, own={self._account})
        if self._since is None or until >= self._since:
            self._past.add(self._chain.events(from_block=self._since, to_block=until, kinds=_KINDS))
            self._since = BlockNumber(until + 1)
        return self._keeper

    def _read(self, cid: Cid) -> bytes | None:
        return self._store.get(cid) if self._store.has(cid) else None


def describe(lost: tuple[RoundNumber, ...]) -> str:
    """What it means that weights are let go of: `round 1 can no longer be re-executed from what is kept here`."""
    rounds = f"round {lost[0]}" if len(lost) == 1 else f"rounds {lost[0]} to {lost[-1]}"
    return f"let go of old weights; {rounds} can no longer be re-executed from what is kept here"
