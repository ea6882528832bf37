"""A chain and a store in memory: for tests, and for whoever wants to see a swarm without installing anything.

`MemoryChain` obeys `CoordinatorModel`, its clock is moved by hand, and every call is a block of its own.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass
from threading import RLock

from swarm_chain.adapters.coordinator_model import CoordinatorModel, Transaction
from swarm_chain.adapters.pruning import Documents, removable
from swarm_chain.core.cids import Cid, verify
from swarm_chain.core.commitments import keccak256
from swarm_chain.core.gas import GAS_CAPS
from swarm_chain.core.publication import Publication
from swarm_chain.core.retention import Retention
from swarm_chain.errors import AccountError, BlockNotFound, Reverted, TooLarge
from swarm_chain.ports import MAX_BLOCK, OnSigned
from swarm_chain.types import (
    Address,
    BlockNumber,
    Call,
    ChainView,
    Digest,
    Event,
    NodeInfo,
    Receipt,
    RoundNumber,
    Salt,
    Seconds,
    SwarmConfig,
    Timestamp,
)

MEMORY_CHAIN_ID = 31337


@dataclass(frozen=True, kw_only=True, slots=True)
class MemoryBlock:
    """One block: at most one call that succeeded, its events, and the contract as it was afterwards.

    `sender` and `call` are None in the block of the deployment, and in those that `mine` added.
    """

    number: BlockNumber
    hash: bytes
    timestamp: Timestamp
    transaction: bytes
    sender: Address | None
    call: Call | None
    events: tuple[Event, ...]
    state: CoordinatorModel


class _Ledger:
    """What all accounts share: blocks of one call each, and a clock."""

    def __init__(self, config: SwarmConfig, *, chain_id: int, coordinator: Address, now: Timestamp) -> None:
        self.lock = RLock()
        self.nonces: defaultdict[Address, int] = defaultdict(int)
        self.signed: dict[bytes, Call] = {}
        self.chain_id = chain_id
        self.now = now
        self.model = CoordinatorModel(config, chain_id=chain_id, address=coordinator)
        self.blocks: list[MemoryBlock] = []
        self.mine()

    def next_transaction(self, caller: Address) -> Transaction:
        number = BlockNumber(len(self.blocks))
        return Transaction(caller=caller, now=self.now, block_number=number, digest=_digest(b"transaction", number))

    def mine(
        self, call: Call | None = None, transaction: Transaction | None = None, events: tuple[Event, ...] = ()
    ) -> None:
        number = BlockNumber(len(self.blocks))
        self.blocks.append(
            MemoryBlock(
                number=number,
                hash=_digest(b"block", number),
                timestamp=self.now,
                transaction=_digest(b"transaction", number),
                sender=None if transaction is None else transaction.caller,
                call=call,
                events=events,
                state=self.model.copy(),
            )
        )


def _digest(kind: bytes, number: BlockNumber) -> bytes:
    return keccak256(kind + number.to_bytes(8, "big"))


class MemoryChain:
    """One account's view of a coordinator in memory; `as_account` gives another's of the same one."""

    def __init__(
        self,
        config: SwarmConfig,
        *,
        chain_id: int = MEMORY_CHAIN_ID,
        coordinator: Address = Address(b"\xc0" * 20),  # noqa: B008
        now: Timestamp = Timestamp(1_700_000_000),  # noqa: B008
    ) -> None:
        """Deploys it, with the clock at `now`. Raises the constructor's errors for a configuration it refuses."""
        self._ledger = _Ledger(config, chain_id=chain_id, coordinator=coordinator, now=now)
        self._account: Address | None = None

    @property
    def chain_id(self) -> int:
        """The chain's id, which commitments and invitations are bound to."""
        return self._ledger.chain_id

    @property
    def coordinator(self) -> Address:
        """The contract's address."""
        return self._ledger.model.address

    @property
    def account(self) -> Address | None:
        """Who sends; None for a reader."""
        return self._account

    def as_account(self, account: Address | None) -> MemoryChain:
        """The same chain, seen and used by `account`."""
        twin = object.__new__(MemoryChain)
        twin._ledger, twin._account = self._ledger, account
        return twin

    # -------------------------------------------------------------------------------------------------------- reads

    def look(self, *, depth: int = 0) -> ChainView:
        """The state `depth` blocks below the tip, or at deployment where the chain is not that deep yet."""
        with self._ledger.lock:
            block = self._ledger.blocks[max(0, len(self._ledger.blocks) - 1 - depth)]
            account = self._account or Address(bytes(20))
            return ChainView(
                block_number=block.number,
                block_hash=block.hash,
                now=self._ledger.now,
                swarm=block.state.swarm_info(),
                round=block.state.round_info(),
                node=block.state.node_info(account),
                commitment=block.state.commitment_of(account),
            )

    def node_info(self, node: Address) -> NodeInfo:
        """Any node's record at the tip."""
        with self._ledger.lock:
            return self._ledger.model.node_info(node)

    def node_infos(self, nodes: Sequence[Address]) -> Sequence[NodeInfo]:
        """Their records at the tip, in their order."""
        with self._ledger.lock:
            return [self._ledger.model.node_info(node) for node in nodes]

    def attestations_for(self, result: Digest) -> int:
        """How many attest to a result in the running or last round."""
        with self._ledger.lock:
            return self._ledger.model.attestations_for(result)

    def events(
        self,
        *,
        from_block: BlockNumber | None = None,
        to_block: BlockNumber | None = None,
        round_number: RoundNumber | None = None,
        kinds: Collection[type[Event]] | None = None,
    ) -> Sequence[Event]:
        """The coordinator's events in order, both blocks included; of one round, of some kinds if asked."""
        with self._ledger.lock:
            last = len(self._ledger.blocks) - 1 if to_block is None else to_block
            blocks = self._ledger.blocks[from_block or 0 : last + 1]
        chosen = [event for block in blocks for event in block.events if kinds is None or type(event) in kinds]
        if round_number is None:
            return tuple(chosen)
        return tuple(event for event in chosen if getattr(event, "round", None) == round_number)

    def timestamps(self, blocks: Sequence[BlockNumber]) -> Sequence[Timestamp]:
        """When these blocks were, in their order."""
        there = self.blocks
        return [there[number].timestamp for number in blocks]

    @property
    def blocks(self) -> Sequence[MemoryBlock]:
        """Every block from the deployment on."""
        with self._ledger.lock:
            return tuple(self._ledger.blocks)

    # ------------------------------------------------------------------------------------------------------- writes

    def send(self, call: Call, *, on_signed: OnSigned | None = None) -> Receipt:
        """Executes a call in a block of its own. Raises the `Reverted` of the contract's error, and uses no nonce."""
        account = self._require_account()
        ledger = self._ledger
        with ledger.lock:
            nonce = ledger.nonces[account]
            signed = keccak256(account + nonce.to_bytes(8, "big") + repr(call).encode())
            ledger.signed[signed] = call
        if on_signed is not None:
            on_signed(signed, signed, nonce)
        return self._execute(account, call)

    def settle(self, signed: Sequence[bytes], nonce: int, *, on_signed: OnSigned | None = None) -> None:
        """Executes the newest of what was signed before, unless its nonce is used. A revert is no error here."""
        account = self._require_account()
        if self._ledger.nonces[account] == nonce:
            with suppress(Reverted):
                self._execute(account, self._ledger.signed[signed[-1]])

    def _execute(self, account: Address, call: Call) -> Receipt:
        ledger = self._ledger
        with ledger.lock:
            transaction = ledger.next_transaction(account)
            events = ledger.model.execute(call, transaction)
            ledger.nonces[account] += 1
            ledger.mine(call, transaction, events)
        return Receipt(
            transaction=transaction.digest,
            block_number=transaction.block_number,
            gas_used=GAS_CAPS[type(call)],
            events=events,
        )

    def _require_account(self) -> Address:
        if self._account is None:
            raise AccountError("this needs an account to send from; use `as_account`")
        return self._account

    def salt(self, round_number: RoundNumber) -> Salt | None:
        """A salt that is the same whenever it is asked for; None for a reader."""
        if self._account is None:
            return None
        place = self.chain_id.to_bytes(32, "big") + self.coordinator + round_number.to_bytes(32, "big")
        return Salt(keccak256(b"memory salt" + self._account + place))

    # ---------------------------------------------------------------------------------------------- moving the world

    def advance(self, seconds: int) -> None:
        """Moves the clock forward."""
        with self._ledger.lock:
            self._ledger.now = Timestamp(self._ledger.now + Seconds(seconds))

    def set_time(self, now: Timestamp) -> None:
        """Sets the clock, which never runs backwards."""
        with self._ledger.lock:
            self._ledger.now = max(now, self._ledger.now)

    def mine(self, blocks: int = 1) -> None:
        """Adds blocks without calls, for those who wait for depth."""
        with self._ledger.lock:
            for _ in range(blocks):
                self._ledger.mine()

    def set_registrar(self, account: Address, *, is_registrar: bool = True) -> None:
        """Grants or takes a registrar's role, as the admin does on a real chain."""
        with self._ledger.lock:
            registrars = self._ledger.model.registrars
            registrars.add(account) if is_registrar else registrars.discard(account)
            self._ledger.mine()


class MemoryStore:
    """Blocks in a dictionary, checked like in any other store."""

    def __init__(self, name: str = "memory:") -> None:
        """An empty store; `name` is what errors call it."""
        self._name = name
        self._blocks: dict[Cid, bytes] = {}
        self._lock = RLock()

    @property
    def name(self) -> str:
        """What errors call this store."""
        return self._name

    @property
    def is_writable(self) -> bool:
        """Always."""
        return True

    def put(self, cid: Cid, data: bytes) -> None:
        """Keeps a block. Raises `CidMismatch`."""
        verify(cid, data)
        with self._lock:
            self._blocks[cid] = bytes(data)

    def publish(self, publication: Publication) -> None:
        """Keeps a document with its files."""
        for cid, data in publication.blocks():
            self.put(cid, data)

    def get(self, cid: Cid, *, max_bytes: int = MAX_BLOCK) -> bytes:
        """The block's bytes. Raises `BlockNotFound`, `TooLarge`."""
        with self._lock:
            data = self._blocks.get(cid)
        if data is None:
            raise BlockNotFound(f"{self._name} does not have {cid}; ask another store")
        if len(data) > max_bytes:
            raise TooLarge(f"{cid} has {len(data)} bytes, more than {max_bytes}; refuse it, or allow more")
        return data

    def has(self, cid: Cid) -> bool:
        """Whether the block is here."""
        with self._lock:
            return cid in self._blocks

    def cids(self) -> tuple[Cid, ...]:
        """The blocks that are here."""
        with self._lock:
            return tuple(self._blocks)

    def pinned(self, cids: Collection[Cid]) -> frozenset[Cid]:
        """Those that are here."""
        return frozenset(filter(self.has, cids))

    def prune(self, retention: Retention) -> None:
        """Removes the files of old rounds that no other document here names."""
        for cid in removable(self, retention, Documents()):
            with self._lock:
                self._blocks.pop(cid, None)
