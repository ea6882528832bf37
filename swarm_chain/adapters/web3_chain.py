"""`Chain` over JSON-RPC: one coordinator on a real chain, on behalf of one account or of none."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol, Self

from swarm_chain.adapters.ethereum.abi import CoordinatorAbi, coordinator_abi
from swarm_chain.adapters.ethereum.attempts import Patience
from swarm_chain.adapters.ethereum.clock import ChainClock
from swarm_chain.adapters.ethereum.endpoint import RpcError
from swarm_chain.adapters.ethereum.endpoints import Endpoints
from swarm_chain.adapters.ethereum.hexes import as_bytes, as_hex, as_int, as_objects
from swarm_chain.adapters.ethereum.logs import LogReader, decode_log, position_of
from swarm_chain.adapters.ethereum.reverts import explain, revert_in
from swarm_chain.adapters.ethereum.transactions import (
    Message,
    Sender,
    TransactionSigner,
    receipt_hash,
)
from swarm_chain.adapters.meter import Meter
from swarm_chain.core.gas import gas_limit
from swarm_chain.errors import AccountError, ChainError, InvalidAnswer, NotACoordinator, TransactionFailed
from swarm_chain.ports import OnSigned
from swarm_chain.types import (
    ZERO_ADDRESS,
    Address,
    BlockNumber,
    Call,
    ChainView,
    Digest,
    Event,
    Gas,
    NodeInfo,
    Receipt,
    RoundNumber,
    Salt,
    SwarmInfo,
    Timestamp,
)

NODES_AT_ONCE: Final = 100
BLOCKS_AT_ONCE: Final = 100
"""Records and blocks in one request: endpoints limit their batches."""

_LOOKS = 3
"""How often a view is read anew because the chain was reorganised meanwhile."""


class Signer(TransactionSigner, Protocol):
    """An account that signs transactions, and salts that only it can find again."""

    def salt(self, chain_id: int, contract: Address, round_number: RoundNumber) -> Salt | None: ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Block:
    """One block of the chain."""

    number: BlockNumber
    hash: bytes
    timestamp: Timestamp


class Web3Chain:
    """A coordinator behind one or more RPC endpoints. Made by `connect`, which checks that it is there."""

    def __init__(
        self,
        urls: str | Sequence[str],
        coordinator: Address,
        *,
        chain_id: int | None = None,
        signer: Signer | None = None,
        deployed_at: BlockNumber | None = None,
        timeout: float = 10.0,
        patience: Patience | None = None,
        meter: Meter | None = None,
    ) -> None:
        """Asks nothing yet. `chain_id` is the expected one, `deployed_at` the contract's block where that is known.

        Without a `signer` it only reads. `timeout` is for one request, `patience` for a transaction. `meter` counts
        the bytes of requests and answers.
        """
        rpc_urls = [urls] if isinstance(urls, str) else list(urls)
        self._endpoints = Endpoints(rpc_urls, chain_id=chain_id, timeout=timeout, meter=meter)
        self._abi: CoordinatorAbi = coordinator_abi()
        self._coordinator = coordinator
        self._signer = signer
        self._deployed_at = deployed_at
        self._clock = ChainClock()
        self._logs = LogReader(self._endpoints, self._abi, coordinator)
        self._sender = None if signer is None else Sender(self._endpoints, signer, self._abi, patience=patience)

    @classmethod
    def connect(
        cls,
        urls: str | Sequence[str],
        coordinator: Address,
        *,
        chain_id: int | None = None,
        signer: Signer | None = None,
        deployed_at: BlockNumber | None = None,
        timeout: float = 10.0,
        patience: Patience | None = None,
        meter: Meter | None = None,
    ) -> Self:
        """A chain that answers, is the expected one, and has a coordinator at the address.

        Raises `ChainUnavailable`, `WrongChain`, `NotACoordinator`, `ConfigurationError`.
        """
        chain = cls(
            urls,
            coordinator,
            chain_id=chain_id,
            signer=signer,
            deployed_at=deployed_at,
            timeout=timeout,
            patience=patience,
            meter=meter,
        )
        chain.swarm_info()
        return chain

    @property
    def chain_id(self) -> int:
        """The chain's id, asked once. Raises `ChainUnavailable`, `WrongChain`."""
        return self._endpoints.chain_id

    @property
    def coordinator(self) -> Address:
        """The contract's address."""
        return self._coordinator

    @property
    def account(self) -> Address | None:
        """Who sends; None for a reader."""
        return None if self._signer is None else self._signer.address

    @property
    def endpoints(self) -> str:
        """The RPC endpoints, without their URLs' secrets."""
        return self._endpoints.names

    # -------------------------------------------------------------------------------------------------------- reads

    def look(self, *, depth: int = 0) -> ChainView:
        """The state `depth` blocks below the tip, or at deployment where the chain is not that deep yet.

        All of it at one block; the time is the chain's now, whatever the depth.
        """
        for _ in range(_LOOKS):
            latest, now = self._tip()
            number = BlockNumber(max(latest.number - depth, self.deployed_at())) if depth else latest.number
            view = self._view(number, now)
            if depth or view.block_hash == latest.hash:
                return view
        raise InvalidAnswer(f"{self._endpoints.names} changes its mind about the newest block; use another endpoint")

    def _tip(self) -> tuple[Block, Timestamp]:
        latest, pending = self._endpoints.batch(
            [("eth_getBlockByNumber", ["latest", False]), ("eth_getBlockByNumber", ["pending", False])]
        )
        block = _block(_result(latest))
        pending_at = Timestamp(as_int(pending.get("timestamp"))) if isinstance(pending, Mapping) else None
        return block, self._clock.now(latest=block.hash, latest_at=block.timestamp, pending_at=pending_at)

    def _view(self, number: BlockNumber, now: Timestamp) -> ChainView:
        account = self.account or ZERO_ADDRESS
        views = (("swarmInfo", ()), ("roundInfo", ()), ("nodeInfo", (account,)), ("commitmentOf", (account,)))
        block, *answers = self._endpoints.batch(
            [
                ("eth_getBlockByNumber", [hex(number), False]),
                *(self._view_request(name, arguments, number) for name, arguments in views),
            ]
        )
        read = [self._decoded(name, answer) for (name, _), answer in zip(views, answers, strict=True)]
        return ChainView(
            block_number=number,
            block_hash=_block(_result(block)).hash,
            now=now,
            swarm=read[0],
            round=read[1],
            node=read[2],
            commitment=read[3],
        )

    def swarm_info(self, *, block: BlockNumber | None = None) -> SwarmInfo:
        """The swarm at a glance, at the tip unless told. Raises `NotACoordinator`."""
        info: SwarmInfo = self._read("swarmInfo", block=block)
        return info

    def node_info(self, node: Address, *, block: BlockNumber | None = None) -> NodeInfo:
        """Any node's record at the tip, unless told."""
        info: NodeInfo = self._read("nodeInfo", node, block=block)
        return info

    def node_infos(self, nodes: Sequence[Address]) -> Sequence[NodeInfo]:
        """Their records at the tip, in their order, with few requests."""
        found: list[NodeInfo] = []
        for start in range(0, len(nodes), NODES_AT_ONCE):
            asked = [self._view_request("nodeInfo", (node,), None) for node in nodes[start : start + NODES_AT_ONCE]]
            found.extend(self._decoded("nodeInfo", answer) for answer in self._endpoints.batch(asked))
        return found

    def attestations_for(self, result: Digest, *, block: BlockNumber | None = None) -> int:
        """How many attest to a result in the running or last round."""
        return int(self._read("attestationsFor", result, block=block))

    def events(
        self,
        *,
        from_block: BlockNumber | None = None,
        to_block: BlockNumber | None = None,
        round_number: RoundNumber | None = None,
        kinds: Collection[type[Event]] | None = None,
    ) -> Sequence[Event]:
        """The coordinator's events in order, both blocks included; of one round, of some kinds if asked."""
        first = self.deployed_at() if from_block is None else from_block
        last = self.block().number if to_block is None else to_block
        return self._logs.events(first, last, round_number=round_number, kinds=kinds)

    def block(self, number: BlockNumber | None = None) -> Block:
        """A block by its number; the newest unless told. Raises `InvalidAnswer` if the chain has none."""
        return _block(
            self._endpoints.request("eth_getBlockByNumber", "latest" if number is None else hex(number), False)
        )

    def timestamps(self, blocks: Sequence[BlockNumber]) -> Sequence[Timestamp]:
        """When these blocks were, in their order, with few requests. Raises `InvalidAnswer` if the chain lacks one."""
        found: list[Timestamp] = []
        for start in range(0, len(blocks), BLOCKS_AT_ONCE):
            asked = [
                ("eth_getBlockByNumber", [hex(number), False]) for number in blocks[start : start + BLOCKS_AT_ONCE]
            ]
            found.extend(_block(_result(answer)).timestamp for answer in self._endpoints.batch(asked))
        return found

    def code(self, *, block: BlockNumber | None = None) -> bytes:
        """The runtime code at the coordinator's address, at the tip unless told; empty where there is none."""
        return as_bytes(self._endpoints.request("eth_getCode", as_hex(self._coordinator), _tag(block)))

    def deployed_at(self, at: BlockNumber | None = None) -> BlockNumber:
        """The first block with code at the address; the first of the chain where the endpoint forgot old states.

        Looked for once, up to block `at`, which is the newest unless told.
        """
        if self._deployed_at is None:
            self._deployed_at = self._find_deployment(self.block().number if at is None else at)
        return self._deployed_at

    def _find_deployment(self, at: BlockNumber) -> BlockNumber:
        low, high = 0, int(at)
        try:
            while low < high:
                middle = (low + high) // 2
                if self.code(block=BlockNumber(middle)):
                    high = middle
                else:
                    low = middle + 1
        except RpcError:
            return BlockNumber(0)
        return BlockNumber(low)

    def _read(self, function: str, *arguments: object, block: BlockNumber | None) -> Any:
        (answer,) = self._endpoints.batch([self._view_request(function, arguments, block)])
        return self._decoded(function, answer)

    def _view_request(
        self, function: str, arguments: Sequence[object], block: BlockNumber | None
    ) -> tuple[str, Sequence[Any]]:
        data = self._abi.encode(function, *arguments)
        return "eth_call", [{"to": as_hex(self._coordinator), "data": as_hex(data)}, _tag(block)]

    def _decoded(self, function: str, answer: Any) -> Any:
        if isinstance(answer, RpcError):
            if revert_in(answer, self._abi) is not None:
                raise self._not_a_coordinator("another contract") from answer
            raise answer
        data = as_bytes(answer)
        if not data:
            raise self._not_a_coordinator("no contract")
        try:
            return self._abi.decode_result(function, data)
        except InvalidAnswer as error:
            raise self._not_a_coordinator("another contract") from error

    def _not_a_coordinator(self, what: str) -> NotACoordinator:
        return NotACoordinator(
            f"there is {what} at {as_hex(self._coordinator)} on chain {self.chain_id}, where a swarm's coordinator "
            "should be; check the address and the RPC URL"
        )

    # ------------------------------------------------------------------------------------------------------- writes

    def send(self, call: Call, *, on_signed: OnSigned | None = None) -> Receipt:
        """Sends a call and waits until it is in a block.

        Raises the `Reverted` of the contract's error, without sending where the call would fail as things stand;
        `InsufficientFunds`, `TransactionFailed`, `TransactionStuck`, `ChainUnavailable`. `on_signed` is told the hash,
        the signed bytes and the nonce of every transaction before it leaves.
        """
        self._require_account()
        assert self._sender is not None  # noqa: S101
        message = Message(
            name=call.function, to=self._coordinator, data=self._abi.encode_call(call), gas=gas_limit(call)
        )
        receipt = self._sender.send(message, on_signed)
        if as_int(receipt.get("status", "0x1")) != 1:
            raise self._failure(message, receipt)
        return self._receipt(receipt)

    def settle(self, signed: Sequence[bytes], nonce: int, *, on_signed: OnSigned | None = None) -> None:
        """Returns once a nonce, for which transactions were signed before, is used or known to be free again.

        `signed` are these, the newest last. It is handed over if need be; where it does not get into a block, a
        transfer of nothing to oneself takes the nonce, and is told to `on_signed` before it leaves. Raises
        `InsufficientFunds`, `TransactionFailed`, `TransactionStuck`, `ChainUnavailable`: call it again later.
        """
        self._require_account()
        assert self._sender is not None  # noqa: S101
        self._sender.settle(signed, nonce, on_signed)

    def salt(self, round_number: RoundNumber) -> Salt | None:
        """keccak256 of the account's deterministic signature over chain, contract and round; None for a reader."""
        return None if self._signer is None else self._signer.salt(self.chain_id, self._coordinator, round_number)

    def _require_account(self) -> Address:
        if self.account is None:
            raise AccountError("this needs an account to send from, and none is given; give one with --account")
        return self.account

    def _receipt(self, receipt: Mapping[str, Any]) -> Receipt:
        logs = as_objects(receipt.get("logs"))
        ours = [log for log in logs if as_bytes(log.get("address")) == self._coordinator]
        events = (decode_log(log, position_of(log), self._abi) for log in ours)
        return Receipt(
            transaction=receipt_hash(receipt),
            block_number=BlockNumber(as_int(receipt.get("blockNumber"))),
            gas_used=Gas(as_int(receipt.get("gasUsed"))),
            events=tuple(event for event in events if event is not None),
        )

    def _failure(self, message: Message, receipt: Mapping[str, Any]) -> ChainError:
        """Why a transaction failed: what the same call says at its block, else before it, else its trace."""
        transaction = as_hex(receipt_hash(receipt))
        number = as_int(receipt.get("blockNumber"))
        call = {
            "from": as_hex(self._require_account()),
            "to": as_hex(self._coordinator),
            "data": as_hex(message.data),
            "gas": hex(message.gas),
        }
        replays = self._endpoints.batch(
            [
                ("debug_traceTransaction", [transaction, {"tracer": "callTracer"}]),
                ("eth_call", [call, hex(number)]),
                ("eth_call", [call, hex(max(number - 1, 0))]),
            ]
        )
        for replay in replays:
            found = self._reason(replay)
            if found is not None:
                return found
        used = as_int(receipt.get("gasUsed"))
        why = f"it used all its gas ({used})" if used >= message.gas else "no endpoint says why"
        return TransactionFailed(
            f"{message.name} failed in transaction {transaction}: {why}; look at it in an explorer"
        )

    def _reason(self, replay: object) -> ChainError | None:
        if isinstance(replay, RpcError):
            return revert_in(replay, self._abi)
        output = replay.get("output") if isinstance(replay, Mapping) else None
        return explain(as_bytes(output), self._abi) if isinstance(output, str) else None


def _tag(block: BlockNumber | None) -> str:
    return "latest" if block is None else hex(block)


def _block(answer: object) -> Block:
    if not isinstance(answer, Mapping):
        raise InvalidAnswer("an RPC endpoint does not have a block that was asked for; use another, or an archive node")
    return Block(
        number=BlockNumber(as_int(answer.get("number"))),
        hash=as_bytes(answer.get("hash")),
        timestamp=Timestamp(as_int(answer.get("timestamp"))),
    )


def _result(answer: Any) -> Any:
    if isinstance(answer, RpcError):
        raise answer
    return answer
