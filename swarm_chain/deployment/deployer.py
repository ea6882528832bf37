"""What migrations need of a chain: to send from one account, to look, and to find what was sent before a crash."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import astuple
from typing import Any, Final

from swarm_chain.accounts import Signer
from swarm_chain.adapters.ethereum.abi import coordinator_abi
from swarm_chain.adapters.ethereum.attempts import Patience
from swarm_chain.adapters.ethereum.endpoint import RpcError
from swarm_chain.adapters.ethereum.endpoints import Endpoints
from swarm_chain.adapters.ethereum.hexes import as_bytes, as_hex, as_int
from swarm_chain.adapters.ethereum.reverts import revert_in
from swarm_chain.adapters.ethereum.transactions import Message, Sender
from swarm_chain.artifacts import Artifact
from swarm_chain.core.commitments import keccak256
from swarm_chain.errors import DeploymentError, TransactionFailed, TransactionStuck
from swarm_chain.types import Address, BlockNumber, Gas, SwarmConfig

OnSigned = Callable[[bytes, int], None]
"""Told a transaction's signed bytes and its nonce before anybody else sees them."""
Transaction = Mapping[str, Any]
"""A receipt, as JSON-RPC gives it."""

_MARGIN: Final = 5
"""A fifth of the estimate is added to it: what is left comes back."""


class Deployer:
    """One account on one chain. Without a signer it looks and estimates for `sender`, and sends nothing."""

    def __init__(
        self,
        urls: Sequence[str],
        *,
        sender: Address,
        signer: Signer | None = None,
        chain_id: int | None = None,
        timeout: float = 20.0,
        patience: Patience | None = None,
    ) -> None:
        """`chain_id` is the expected one. Raises `ConfigurationError` for an unusable URL; asks nothing yet."""
        self.sender = sender
        self.urls = tuple(urls)
        self._endpoints = Endpoints(list(urls), chain_id=chain_id, timeout=timeout)
        self._abi = coordinator_abi()
        self._patience = patience or Patience()
        self._sender = None if signer is None else Sender(self._endpoints, signer, self._abi, patience=self._patience)

    @classmethod
    def of(cls, urls: Sequence[str], signer: Signer, *, chain_id: int | None = None) -> Deployer:
        """A deployer that signs with an account's key."""
        return cls(urls, sender=signer.address, signer=signer, chain_id=chain_id)

    @property
    def chain_id(self) -> int:
        """The chain's id. Raises `ChainUnavailable`, `WrongChain`."""
        return self._endpoints.chain_id

    def chain_start(self) -> bytes:
        """The hash of the chain's first block, which tells a development chain from its successor."""
        return as_bytes(self._block("0x0")["hash"])

    def has_code(self, address: Address) -> bool:
        """Whether a contract lies at an address."""
        return as_bytes(self._endpoints.request("eth_getCode", as_hex(address), "latest")) != b""

    def read(self, contract: Address, function: str, *arguments: object) -> Any:
        """What a view of the coordinator returns."""
        call = {"to": as_hex(contract), "data": as_hex(self._abi.encode(function, *arguments))}
        return self._abi.decode_result(function, as_bytes(self._endpoints.request("eth_call", call, "latest")))

    def encode(self, function: str, *arguments: object) -> bytes:
        """The data of a call to the coordinator."""
        return self._abi.encode(function, *arguments)

    def estimate(self, to: Address | None, data: bytes) -> Gas:
        """Gas a transaction takes. Raises the contract's error where it would revert, `TransactionFailed`."""
        call = {"from": as_hex(self.sender), "data": as_hex(data)} | ({"to": as_hex(to)} if to else {})
        try:
            return Gas(as_int(self._endpoints.request("eth_estimateGas", call)))
        except RpcError as error:
            raise revert_in(error, self._abi) or TransactionFailed(f"gas cannot be estimated: {error}") from error

    def send(self, name: str, to: Address | None, data: bytes, on_signed: OnSigned) -> Transaction:
        """The receipt of a transaction that succeeded; `to` None deploys. Raises what `Sender.send` does."""
        if self._sender is None:
            raise DeploymentError("this needs an account that can sign; open a keystore, or look with --dry-run only")
        estimate = self.estimate(to, data)
        message = Message(name=name, to=to, data=data, gas=Gas(estimate + estimate // _MARGIN))
        receipt = self._sender.send(message, lambda _, signed, nonce: on_signed(signed, nonce))
        if as_int(receipt.get("status")) != 1:
            raise TransactionFailed(f"{name} failed in transaction {receipt['transactionHash']}; run it again")
        return receipt

    def resume(self, signed: Sequence[bytes], nonce: int) -> Transaction | None:
        """The receipt of a transaction signed earlier, handed over again; None where it never gets into a block.

        That is so once another transaction has its nonce. Raises `TransactionStuck` if nothing happens for long.
        """
        end = time.monotonic() + self._patience.replace_after
        is_handed_over = False
        while time.monotonic() < end:
            receipt = self._receipt_of(signed)
            if receipt is not None or self._used_nonces() > nonce:
                return receipt or self._receipt_of(signed)
            # Not before looking: Ganache executes an account's first transaction each time it is handed over.
            if not is_handed_over:
                self._hand_over(signed[-1])
                is_handed_over = True
            time.sleep(self._patience.longest_poll / 2)
        raise TransactionStuck(
            f"transaction {as_hex(keccak256(signed[-1]))} of an earlier run is not in a block yet; run this again "
            "later, or take `pending` out of the deployments file to send another one"
        )

    def wait_for_depth(self, block: BlockNumber, confirmations: int, on_progress: Callable[[str], None]) -> None:
        """Returns once so many blocks lie on top of `block`."""
        left = confirmations
        while (now := confirmations - (as_int(self._block("latest")["number"]) - block)) > 0:
            if now != left:
                left = now
                on_progress(f"waiting for {left} more blocks")
            time.sleep(1.0)

    def _hand_over(self, signed: bytes) -> None:
        try:
            self._endpoints.request("eth_sendRawTransaction", as_hex(signed))
        except RpcError:
            return  # Known, included or replaced already: the receipt and the nonce tell which.

    def _receipt_of(self, signed: Sequence[bytes]) -> Transaction | None:
        for raw in signed:
            receipt = self._endpoints.request("eth_getTransactionReceipt", as_hex(keccak256(raw)))
            if isinstance(receipt, Mapping) and receipt.get("blockNumber") is not None:
                return receipt
        return None

    def _used_nonces(self) -> int:
        return as_int(self._endpoints.request("eth_getTransactionCount", as_hex(self.sender), "latest"))

    def _block(self, which: str) -> Mapping[str, Any]:
        block: Mapping[str, Any] = self._endpoints.request("eth_getBlockByNumber", which, False)
        return block


def creation_data(artifact: Artifact, config: SwarmConfig) -> bytes:
    """The data of the transaction that deploys a coordinator: its code, and the configuration."""
    from eth_abi.abi import encode
    from eth_utils.abi import collapse_if_tuple

    constructor = next(entry for entry in artifact.abi if entry["type"] == "constructor")
    types = [collapse_if_tuple(dict(each)) for each in constructor["inputs"]]
    return artifact.bytecode + encode(types, [astuple(config)])
