"""The three things an agent talks to. Whoever implements one of them is an adapter.

Chain        who belongs, which round is running, what was agreed      web3_chain, memory
UpdateStore  blocks by CID: documents and weights                     local_store, kubo_store, gateway_store, memory
Trainer      one node's data and model                                torch_trainer
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING, Protocol

from swarm_chain.types import (
    Address,
    BlockNumber,
    Call,
    ChainView,
    Digest,
    Event,
    Metrics,
    NodeInfo,
    Parameters,
    Receipt,
    RoundNumber,
    Salt,
    Samples,
    Timestamp,
    TrainingOutcome,
)

if TYPE_CHECKING:
    from swarm_chain.core.cids import Cid
    from swarm_chain.core.publication import Publication
    from swarm_chain.core.retention import Retention

MAX_BLOCK = 2 * 1024 * 1024
"""Bytes of the largest block a store passes on; ours have at most 1 MiB of data."""

Progress = Callable[[float], None]
"""Told how much of a training is done, from 0.0 to 1.0, between batches. May raise to stop it."""

OnSigned = Callable[[bytes, bytes, int], None]
"""Told a transaction's digest, its signed bytes and its nonce before anybody else sees them."""


class Chain(Protocol):
    """One coordinator, read and written on behalf of at most one account.

    Every call may raise `ChainUnavailable`, `WrongChain` or another `ChainError`.
    """

    @property
    def chain_id(self) -> int: ...

    @property
    def coordinator(self) -> Address: ...

    @property
    def account(self) -> Address | None:
        """Who sends; None for a reader."""

    def look(self, *, depth: int = 0) -> ChainView:
        """The state `depth` blocks below the tip, the account's record with it, and the chain's time now."""

    def node_info(self, node: Address) -> NodeInfo:
        """Any node's record at the tip."""

    def node_infos(self, nodes: Sequence[Address]) -> Sequence[NodeInfo]:
        """Many nodes' records at the tip, in their order, with few requests."""

    def attestations_for(self, result: Digest) -> int:
        """How many attest to a result in the running or last round."""

    def events(
        self,
        *,
        from_block: BlockNumber | None = None,
        to_block: BlockNumber | None = None,
        round_number: RoundNumber | None = None,
        kinds: Collection[type[Event]] | None = None,
    ) -> Sequence[Event]:
        """The coordinator's events in the chain's order, since its deployment unless told.

        Only those of a round, and of some kinds (the classes of `types.py`), if asked.
        """

    def timestamps(self, blocks: Sequence[BlockNumber]) -> Sequence[Timestamp]:
        """When these blocks were, in their order, with few requests."""

    def send(self, call: Call, *, on_signed: OnSigned | None = None) -> Receipt:
        """Sends a call and waits until it is in a block. Raises the `Reverted` of the contract's error."""

    def settle(self, signed: Sequence[bytes], nonce: int, *, on_signed: OnSigned | None = None) -> None:
        """Returns once a nonce is used or known to be free again, for which `signed` were signed before, newest last.

        Hands the newest over; where none gets into a block, signs another that takes the nonce and does nothing.
        """

    def salt(self, round_number: RoundNumber) -> Salt | None:
        """keccak256 of the account's deterministic signature over chain, contract and round; None if it cannot."""


class UpdateStore(Protocol):
    """Blocks by CID. What is read has been verified against its CID."""

    @property
    def name(self) -> str:
        """As `--store` takes it: `local:PATH`."""

    @property
    def is_writable(self) -> bool: ...

    def put(self, cid: Cid, data: bytes) -> None:
        """Keeps a block, on disk when this returns. Raises `CidMismatch`, `StoreUnavailable`."""

    def publish(self, publication: Publication) -> None:
        """Keeps a document with its files, pinned, on disk when this returns. Raises `StoreUnavailable`."""

    def get(self, cid: Cid, *, max_bytes: int = MAX_BLOCK) -> bytes:
        """The block's bytes. Raises `BlockNotFound`, `CorruptedBlock`, `TooLarge`, `StoreUnavailable`."""

    def has(self, cid: Cid) -> bool:
        """Whether the block is here; its bytes are not looked at."""

    def pinned(self, cids: Collection[Cid]) -> frozenset[Cid]:
        """Those of some documents and files that stay here until they are let go of. Raises `StoreUnavailable`."""

    def prune(self, retention: Retention) -> None:
        """Lets go of the files of old rounds that no other document here names. Raises `StoreUnavailable`."""


class Trainer(Protocol):
    """One node's data, and the task's training on it. Same data, base, memory and round: same outcome, bit for bit.

    `memory` is what the node's last training left behind; nothing before the first.
    """

    def samples(self) -> Samples:
        """Training examples there are now. Raises `DataError`."""

    def train(
        self, base: Parameters, *, memory: Parameters, round_number: RoundNumber, on_progress: Progress
    ) -> TrainingOutcome:
        """Parameters trained from `base` on this node's data. Raises `DataError`, `NotFinite`, `ShapeMismatch`."""

    def evaluate(self, parameters: Parameters, *, memory: Parameters) -> Metrics:
        """Metrics of `parameters` on this node's held-out data."""
