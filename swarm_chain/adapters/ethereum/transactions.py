"""Transactions of one account: signed here, sent once, replaced when stuck, and their receipts.

One account's transactions go one after another: the next one's nonce is known only when the last one is in a block.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from threading import Lock
from typing import Any, Final, Protocol

from swarm_chain.adapters.ethereum.abi import CoordinatorAbi
from swarm_chain.adapters.ethereum.attempts import (
    Attempt,
    FeeTooLowError,
    NonceTakenError,
    Patience,
    required,
    wants_funds,
)
from swarm_chain.adapters.ethereum.endpoint import RpcError
from swarm_chain.adapters.ethereum.endpoints import Endpoints
from swarm_chain.adapters.ethereum.fees import Fees, highest, suggested
from swarm_chain.adapters.ethereum.hexes import as_bytes, as_hex, as_int, as_object
from swarm_chain.adapters.ethereum.reverts import revert_in
from swarm_chain.core.commitments import keccak256
from swarm_chain.errors import (
    ChainError,
    DeadlineNotReached,
    InsufficientFunds,
    InvalidAnswer,
    TransactionFailed,
    TransactionStuck,
)
from swarm_chain.ports import OnSigned
from swarm_chain.types import Address, Gas

RETRIES: Final = 3
"""How often a call starts anew because another program used the account's nonce meanwhile."""

CANCELLING_GAS: Final = Gas(50_000)
"""For a transfer to oneself, which takes 21,000 and more where accounts have code; what is left comes back."""

CEILING: Final = 4
"""How many times what the chain suggests a transaction is offered at most to settle a nonce, lest fees run away."""


class TransactionSigner(Protocol):
    """What signs: an account's key, wherever it lies."""

    @property
    def address(self) -> Address: ...

    def sign_transaction(self, transaction: Mapping[str, Any]) -> bytes: ...


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
                except NonceTakenError:
                    continue
        raise TransactionFailed(
            f"{message.name}: other transactions of {as_hex(self._signer.address)} keep taking its place; "
            "let only one program use this account"
        )

    def settle(self, signed: Sequence[bytes], nonce: int, on_signed: OnSigned | None = None) -> None:
        """Returns once a nonce, for which transactions were signed before, is used or known to be free again.

        `signed` are these, the newest last: it is handed over if the chain does not know it. Where none gets into a
        block, or the newest is refused, a transfer of nothing to oneself takes the nonce, with a higher fee. Raises
        `InsufficientFunds`, `TransactionFailed`, `TransactionStuck`, `ChainUnavailable`: call it again later.
        """
        with _LOCKS[self._endpoints.chain_id, self._signer.address]:
            attempt = self._attempt(nonce, signed)
            for _ in range(self._patience.replacements):
                refusal = self._settled(attempt)
                if refusal is None:
                    return
                self._cancel(attempt, refusal, on_signed)
            refusal = self._settled(attempt)
            if refusal is not None:
                raise refusal

    def _settled(self, attempt: Attempt) -> ChainError | None:
        """None once the nonce is settled, otherwise why not. Raises `InsufficientFunds`."""
        if attempt.is_settled():
            return None
        what = f"what was signed before (nonce {attempt.nonce} of {as_hex(self._signer.address)})"
        if attempt.refusal is None:
            return TransactionStuck(f"{what} is not in a block; see whether the chain makes blocks")
        self._require_paid(what, attempt.refusal)
        return TransactionFailed(f"{what} is refused: {attempt.refusal}")

    def _cancel(self, attempt: Attempt, refusal: ChainError, on_signed: OnSigned | None) -> None:
        """Signs what takes the nonce if what was signed before does not. Raises `refusal` where that offers enough."""
        to_oneself = Message(
            name="replacing what was signed before", to=self._signer.address, data=b"", gas=CANCELLING_GAS
        )
        quote = replace(self._quote(to_oneself), nonce=attempt.nonce)
        offered = highest(attempt.signed)
        if offered.exceeds(quote.fees, CEILING):
            raise refusal
        quote = replace(quote, fees=quote.fees.replacing(offered))
        self._require_funds(to_oneself, quote.fees, quote.balance)
        attempt.add(self._signed(to_oneself, quote, on_signed))

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
            nonce=as_int(required(nonce)),
            balance=as_int(required(balance)),
            fees=suggested(
                base_fee=_optional_int(as_object(required(block)).get("baseFeePerGas")),
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
        attempt = self._attempt(quote.nonce)
        for _ in range(self._patience.replacements + 1):
            self._require_funds(message, quote.fees, quote.balance)
            if self._broadcast(message, attempt, self._signed(message, quote, on_signed)):
                receipt = attempt.receipt()
                if receipt is not None:
                    return receipt
            quote = replace(quote, fees=self._quote(message).fees.replacing(quote.fees))
        raise TransactionStuck(
            f"{message.name} is not in a block after {self._patience.replacements} replacements (nonce {quote.nonce} "
            f"of {as_hex(self._signer.address)}); see whether the chain makes blocks and an earlier transaction waits"
        )

    def _attempt(self, nonce: int, signed: Sequence[bytes] = ()) -> Attempt:
        return Attempt(self._endpoints, as_hex(self._signer.address), nonce, self._patience, signed)

    def _signed(self, message: Message, quote: _Quote, on_signed: OnSigned | None) -> bytes:
        transaction = {
            "chainId": self._endpoints.chain_id,
            "nonce": quote.nonce,
            "to": bytes(message.to or b""),
            "value": message.value,
            "data": message.data,
            "gas": message.gas,
            **quote.fees.fields(),
        }
        try:
            raw = self._signer.sign_transaction(transaction)
        except (TypeError, ValueError, OverflowError) as error:
            raise InvalidAnswer(
                f"{message.name} cannot be signed with nonce {quote.nonce} and fees {quote.fees.most}, "
                "as an RPC endpoint says; use another"
            ) from error
        if on_signed is not None:
            on_signed(keccak256(raw), raw, quote.nonce)
        return raw

    def _broadcast(self, message: Message, attempt: Attempt, raw: bytes) -> bool:
        """Whether the transaction may be on its way; False where the endpoint wants a higher fee."""
        try:
            attempt.broadcast(raw)
        except FeeTooLowError:
            return False
        except RpcError as error:
            self._require_paid(message.name, error)
            # Ganache can be told to say so although the transaction is in a block.
            raise revert_in(error, self._abi) or TransactionFailed(f"{message.name}: {error.text}") from error
        return True

    def _require_paid(self, what: str, refusal: RpcError) -> None:
        if wants_funds(refusal):
            raise InsufficientFunds(
                f"{what}: {as_hex(self._signer.address)} cannot pay; send it some ether ({refusal.text})"
            ) from refusal


def receipt_hash(receipt: Mapping[str, Any]) -> bytes:
    """The hash of the transaction that a receipt is of."""
    return as_bytes(receipt.get("transactionHash"))


def _optional_int(answer: object) -> int | None:
    return None if answer is None or isinstance(answer, RpcError) else as_int(answer)


def _ether(wei: int) -> str:
    return f"{wei / 10**18:.6f} ether"
