"""Transactions of one account: signed here, sent once, replaced when stuck, and their receipts.

One account's transactions go one after another: the next one's nonce is known only when the last one is in a block.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from threading import Lock
from typing import Any, Final, Protocol

from swarm_chain.adapters.ethereum.abi import CoordinatorAbi
from swarm_chain.adapters.ethereum.endpoint import RpcError
from swarm_chain.adapters.ethereum.endpoints import Endpoints
from swarm_chain.adapters.ethereum.fees import Fees, suggested
from swarm_chain.adapters.ethereum.hexes import as_bytes, as_hex, as_int
from swarm_chain.adapters.ethereum.reverts import revert_in
from swarm_chain.core.commitments import keccak256
from swarm_chain.errors import (
    ChainUnavailable,
    DeadlineNotReached,
    InsufficientFunds,
    TransactionFailed,
    TransactionStuck,
)
from swarm_chain.ports import OnSigned
from swarm_chain.types import Address, Gas

RETRIES: Final = 3
"""How often a call starts anew because another program used the account's nonce meanwhile."""

MISSING: Final = 5
"""Looks that must find a nonce used, and none of its transactions: an endpoint's parts lag behind each other."""

_KNOWN = ("already known", "known transaction", "already imported", "already exists")
_NONCE = ("nonce too low", "correct nonce", "nonce is too low", "old nonce", "invalid nonce")
_FUNDS = ("insufficient funds", "insufficient balance", "doesn't have enough funds", "enough balance")
_FEES = ("underpriced", "less than block base fee", "less than the block's basefee", "fee too low", "feecap")


class TransactionSigner(Protocol):
    """What signs: an account's key, wherever it lies."""

    @property
    def address(self) -> Address: ...

    def sign_transaction(self, transaction: Mapping[str, Any]) -> bytes: ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Patience:
    """How long to wait for a transaction, in seconds.

    Its receipt is asked for every `poll` seconds at first, later every `longest_poll`; after `replace_after` it is sent
    again with a higher fee, at most `replacements` times.
    """

    poll: float = 0.05
    longest_poll: float = 1.0
    replace_after: float = 60.0
    replacements: int = 4


@dataclass(frozen=True, kw_only=True, slots=True)
class Message:
    """What to send: data for a contract, the gas it may take, and ether in wei.

    `name` is what errors call it, `to` None deploys.
    """

    name: str
    to: Address | None
    data: bytes
    gas: Gas
    value: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class _Quote:
    nonce: int
    fees: Fees
    balance: int
    preview: object


class _NonceTakenError(Exception):
    """Another program's transaction of this account has our nonce: ours will never be in a block."""


class _FeeTooLowError(Exception):
    """The endpoint wants more for this transaction."""


_LOCKS: defaultdict[tuple[int, Address], Lock] = defaultdict(Lock)


class Sender:
    """Sends one account's transactions."""

    def __init__(
        self, endpoints: Endpoints, signer: TransactionSigner, abi: CoordinatorAbi, *, patience: Patience | None = None
    ) -> None:
        self._endpoints = endpoints
        self._signer = signer
        self._abi = abi
        self._patience = patience or Patience()

    def send(self, message: Message, on_signed: OnSigned | None = None) -> Mapping[str, Any]:
        """The receipt, of success or failure, once the transaction is in a block.

        Raises the contract's error without sending where the call would revert as things stand, and
        `InsufficientFunds`, `TransactionFailed`, `TransactionStuck`, `ChainUnavailable`.
        """
        with _LOCKS[self._endpoints.chain_id, self._signer.address]:
            for _ in range(RETRIES):
                quote = self._quote(message)
                self._require_acceptance(quote)
                try:
                    return self._deliver(message, quote, on_signed)
                except _NonceTakenError:
                    continue
        raise TransactionFailed(
            f"{message.name}: other transactions of {as_hex(self._signer.address)} keep taking its place; "
            "let only one program use this account"
        )

    def settle(self, raw: bytes, nonce: int) -> None:
        """Hands over a transaction signed before; returns once it, or another of its nonce, is in a block.

        Raises `TransactionStuck`, `ChainUnavailable`, and `TransactionFailed` where the chain refuses it for good.
        """
        attempt = _Attempt(self._endpoints, nonce, self._patience, as_hex(self._signer.address))
        with _LOCKS[self._endpoints.chain_id, self._signer.address]:
            try:
                attempt.take_up(raw)
                if attempt.receipt() is not None:
                    return
            except _NonceTakenError:
                return
            except _FeeTooLowError:
                return  # It cannot get into a block any more: the call is made anew, with the same nonce.
            except RpcError as error:
                raise TransactionFailed(f"a transaction signed before is refused: {error.text}") from error
        raise TransactionStuck(
            f"a transaction signed before (nonce {nonce}) is not in a block; see whether the chain makes blocks"
        )

    # ----------------------------------------------------------------------------------------------------- preparing

    def _quote(self, message: Message) -> _Quote:
        """What the transaction needs to know, and what it would do now: one round trip."""
        account = as_hex(self._signer.address)
        call = {"from": account, "data": as_hex(message.data), "gas": hex(message.gas)}
        if message.value:
            call["value"] = hex(message.value)
        if message.to is not None:
            call["to"] = as_hex(message.to)
        nonce, balance, block, tip, gas_price, preview = self._endpoints.batch(
            [
                ("eth_getTransactionCount", [account, "pending"]),
                ("eth_getBalance", [account, "latest"]),
                ("eth_getBlockByNumber", ["latest", False]),
                ("eth_maxPriorityFeePerGas", []),
                ("eth_gasPrice", []),
                ("eth_call", [call, "pending"]),
            ]
        )
        return _Quote(
            nonce=as_int(_required(nonce)),
            balance=as_int(_required(balance)),
            fees=suggested(
                base_fee=_optional_int(_required(block).get("baseFeePerGas")),
                tip=_optional_int(tip),
                gas_price=_optional_int(gas_price),
            ),
            preview=preview,
        )

    def _require_acceptance(self, quote: _Quote) -> None:
        if not isinstance(quote.preview, RpcError):
            return
        reverted = revert_in(quote.preview, self._abi)
        # A development chain's clock stands still while nobody mines: only the transaction itself moves it.
        if reverted is not None and not isinstance(reverted, DeadlineNotReached):
            raise reverted

    def _require_funds(self, message: Message, fees: Fees, balance: int) -> None:
        needed = message.value + message.gas * fees.most
        if balance < needed:
            raise InsufficientFunds(
                f"{message.name} may cost {_ether(needed)} and {as_hex(self._signer.address)} has {_ether(balance)}; "
                "send it some ether"
            )

    # ---------------------------------------------------------------------------------------------------- delivering

    def _deliver(self, message: Message, quote: _Quote, on_signed: OnSigned | None) -> Mapping[str, Any]:
        attempt = _Attempt(self._endpoints, quote.nonce, self._patience, as_hex(self._signer.address))
        for _ in range(self._patience.replacements + 1):
            self._require_funds(message, quote.fees, quote.balance)
            raw = self._signed(message, quote)
            if on_signed is not None:
                on_signed(keccak256(raw), raw, quote.nonce)
            if self._broadcast(message, attempt, raw):
                receipt = attempt.receipt()
                if receipt is not None:
                    return receipt
            quote = replace(quote, fees=self._quote(message).fees.replacing(quote.fees))
        raise TransactionStuck(
            f"{message.name} is not in a block after {self._patience.replacements} replacements (nonce {quote.nonce} "
            f"of {as_hex(self._signer.address)}); see whether the chain makes blocks and an earlier transaction waits"
        )

    def _signed(self, message: Message, quote: _Quote) -> bytes:
        return self._signer.sign_transaction(
            {
                "chainId": self._endpoints.chain_id,
                "nonce": quote.nonce,
                "to": bytes(message.to or b""),
                "value": message.value,
                "data": message.data,
                "gas": message.gas,
                **quote.fees.fields(),
            }
        )

    def _broadcast(self, message: Message, attempt: _Attempt, raw: bytes) -> bool:
        """Whether the transaction may be on its way; False where the endpoint wants a higher fee."""
        try:
            attempt.broadcast(raw)
        except _FeeTooLowError:
            return False
        except RpcError as error:
            if any(words in error.text.lower() for words in _FUNDS):
                raise InsufficientFunds(
                    f"{message.name}: {as_hex(self._signer.address)} cannot pay; send it some ether ({error.text})"
                ) from error
            # Ganache can be told to say so although the transaction is in a block.
            raise revert_in(error, self._abi) or TransactionFailed(f"{message.name}: {error.text}") from error
        return True


class _Attempt:
    """Everything sent with one nonce: the transaction and its replacements, of which at most one gets into a block."""

    def __init__(self, endpoints: Endpoints, nonce: int, patience: Patience, account: str) -> None:
        self._endpoints = endpoints
        self._nonce = nonce
        self._patience = patience
        self._account = account
        self._hashes: list[str] = []
        self._last = b""
        self._missing = 0

    def broadcast(self, raw: bytes) -> None:
        """Hands a transaction to the chain. One that it may have received counts as sent."""
        self._last = raw
        self._hashes.append(as_hex(keccak256(raw)))
        self._hand_over()

    def take_up(self, raw: bytes) -> None:
        """Goes on with a transaction signed before, and hands it over only if the chain does not know it.

        Ganache executes one with nonce 0 again and again.
        """
        self._last = raw
        self._hashes.append(as_hex(keccak256(raw)))
        count, known = self._endpoints.batch(
            [
                ("eth_getTransactionCount", [self._account, "latest"]),
                ("eth_getTransactionByHash", [self._hashes[-1]]),
            ]
        )
        if known is None and as_int(_required(count)) <= self._nonce:
            self._hand_over()

    def _hand_over(self) -> None:
        try:
            self._endpoints.request("eth_sendRawTransaction", as_hex(self._last))
        except ChainUnavailable:
            return  # It may have arrived: `receipt` finds out.
        except RpcError as error:
            text = error.text.lower()
            if any(words in text for words in _KNOWN):
                return
            if any(words in text for words in _NONCE):
                return  # Ours was included, or another program's: `receipt` finds out.
            if any(words in text for words in _FEES):
                raise _FeeTooLowError from error
            raise

    def receipt(self) -> Mapping[str, Any] | None:
        """The receipt of whichever got into a block; None if none did in time.

        Raises `_NonceTakenError`, and `ChainUnavailable` where nobody answered all that time.
        """
        end = time.monotonic() + self._patience.replace_after
        pause = self._patience.poll
        problem: ChainUnavailable | None = None
        unanswered = True
        while True:
            try:
                found = self._look()
                unanswered = False
            except ChainUnavailable as error:
                found, problem = None, error
            if found is not None:
                return found
            if time.monotonic() >= end:
                break
            time.sleep(pause)
            pause = min(pause * 1.3, self._patience.longest_poll)
        if unanswered and problem is not None:
            raise problem
        return None

    def _look(self) -> Mapping[str, Any] | None:
        """A receipt if there is one. A transaction that the chain forgot is handed over again."""
        count, known, *receipts = self._endpoints.batch(
            [
                ("eth_getTransactionCount", [self._account, "latest"]),
                ("eth_getTransactionByHash", [self._hashes[-1]]),
                *(("eth_getTransactionReceipt", [each]) for each in self._hashes),
            ]
        )
        for receipt in receipts:
            if isinstance(receipt, Mapping) and receipt.get("blockNumber") is not None:
                return receipt
        if not isinstance(count, RpcError) and as_int(count) > self._nonce:
            return self._last_look()
        if known is None:
            self._hand_over_again()
        return None

    def _last_look(self) -> Mapping[str, Any] | None:
        """The receipt, now that the nonce is used: by one of ours, unless none of them is known."""
        answers = self._endpoints.batch(
            [
                query
                for each in self._hashes
                for query in (("eth_getTransactionReceipt", [each]), ("eth_getTransactionByHash", [each]))
            ]
        )
        for receipt in answers[::2]:
            if isinstance(receipt, Mapping) and receipt.get("blockNumber") is not None:
                return receipt
        self._missing = self._missing + 1 if all(answer is None for answer in answers) else 0
        if self._missing >= MISSING:
            raise _NonceTakenError
        return None

    def _hand_over_again(self) -> None:
        try:
            self._hand_over()
        except (_FeeTooLowError, RpcError):
            return  # A replacement with a higher fee is next.


def receipt_hash(receipt: Mapping[str, Any]) -> bytes:
    """The hash of the transaction that a receipt is of."""
    return as_bytes(receipt.get("transactionHash"))


def _required(answer: Any) -> Any:
    if isinstance(answer, RpcError):
        raise answer
    return answer


def _optional_int(answer: object) -> int | None:
    return None if answer is None or isinstance(answer, RpcError) else as_int(answer)


def _ether(wei: int) -> str:
    return f"{wei / 10**18:.6f} ether"
