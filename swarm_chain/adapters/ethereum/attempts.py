"""Everything sent with one nonce, until one of its transactions is in a block."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from swarm_chain.adapters.ethereum.endpoint import RpcError
from swarm_chain.adapters.ethereum.endpoints import Endpoints
from swarm_chain.adapters.ethereum.hexes import as_hex, as_int
from swarm_chain.core.commitments import keccak256
from swarm_chain.errors import ChainUnavailable

MISSING: Final = 5
"""Looks that must find a nonce used, and none of its transactions: an endpoint's parts lag behind each other."""

_KNOWN = ("already known", "known transaction", "already imported", "already exists", "alreadyknown")
_NONCE = ("nonce too low", "correct nonce", "nonce is too low", "old nonce", "invalid nonce")
_OUTBID = ("replacement transaction underpriced", "another transaction with same nonce", "replacementnotallowed")
_FEES = ("underpriced", "less than block base fee", "less than the block's basefee", "fee too low", "feecap")
_FUNDS = ("insufficient funds", "insufficient balance", "doesn't have enough funds", "enough balance")

T = TypeVar("T")


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


class NonceTakenError(Exception):
    """Another program's transaction of this account has our nonce: ours will never be in a block."""


class FeeTooLowError(Exception):
    """The endpoint wants more for this transaction."""


class OutbidError(FeeTooLowError):
    """The endpoint holds another transaction of this nonce, and ours does not offer enough more to replace it."""


class Attempt:
    """The transactions of one nonce, of which at most one gets into a block: the first and its replacements."""

    def __init__(
        self, endpoints: Endpoints, account: str, nonce: int, patience: Patience, signed: Sequence[bytes] = ()
    ) -> None:
        """`signed` are those signed before, the newest last."""
        self.nonce = nonce
        self._endpoints = endpoints
        self._account = account
        self._patience = patience
        self._signed = list(signed)
        self._refusal: RpcError | None = None
        self._missing = 0
        self._lacks_earlier = False

    @property
    def signed(self) -> Sequence[bytes]:
        """The transactions, the newest last."""
        return tuple(self._signed)

    @property
    def refusal(self) -> RpcError | None:
        """Why the endpoint does not take the newest, as `is_settled` found last."""
        return self._refusal

    # ----------------------------------------------------------------------------------------------------- handing over

    def add(self, raw: bytes) -> None:
        """Makes a transaction the newest, without handing it over."""
        self._signed.append(raw)

    def broadcast(self, raw: bytes) -> None:
        """Hands a transaction to the chain. One that it may have received counts as sent.

        Raises `FeeTooLowError`, and `RpcError` where the endpoint refuses it for another reason.
        """
        self.add(raw)
        self._hand_over()

    def _hand_over(self) -> None:
        try:
            self._endpoints.request("eth_sendRawTransaction", as_hex(self._signed[-1]))
        except ChainUnavailable:
            return  # It may have arrived: looking finds out.
        except RpcError as error:
            text = error.text.lower()
            if any(words in text for words in (*_KNOWN, *_NONCE)):
                return  # It is there, or its nonce is used by ours or another program's: looking finds out.
            if any(words in text for words in _OUTBID):
                raise OutbidError from error
            if any(words in text for words in _FEES):
                raise FeeTooLowError from error
            raise

    # ---------------------------------------------------------------------------------------------------------- waiting

    def receipt(self) -> Mapping[str, Any] | None:
        """The receipt of whichever got into a block; None if none did in time.

        Raises `NonceTakenError`, and `ChainUnavailable` where nobody answered all that time.
        """
        return self._wait_for(self._look)

    def is_settled(self) -> bool:
        """Whether the nonce is used, or free again; False when it takes a new transaction, at once or in time.

        Hands the newest over where the chain does not know it. It is free again where the chain has lacked the nonces
        before it all that time: the chain was set back. Raises `ChainUnavailable` where nobody answered all that time.
        """
        settled = self._wait_for(self._ending)
        return self._lacks_earlier if settled is None else settled

    def _wait_for(self, look: Callable[[], T | None]) -> T | None:
        """What `look` finds; None if it found nothing in time."""
        end = time.monotonic() + self._patience.replace_after
        pause = self._patience.poll
        problem: ChainUnavailable | None = None
        unanswered = True
        while True:
            try:
                found = look()
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
        receipt = _included(receipts)
        if receipt is not None:
            return receipt
        if not isinstance(count, RpcError) and as_int(count) > self.nonce:
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
        receipt = _included(answers[::2])
        if receipt is not None:
            return receipt
        self._missing = self._missing + 1 if all(answer is None for answer in answers) else 0
        if self._missing >= MISSING:
            raise NonceTakenError
        return None

    def _ending(self) -> bool | None:
        """True once the nonce is used, False where the newest offers too little; None while it waits."""
        count, next_nonce, known, *receipts = self._endpoints.batch(
            [
                ("eth_getTransactionCount", [self._account, "latest"]),
                ("eth_getTransactionCount", [self._account, "pending"]),
                ("eth_getTransactionByHash", [self._hashes[-1]]),
                *(("eth_getTransactionReceipt", [each]) for each in self._hashes),
            ]
        )
        if _included(receipts) is not None:
            return True
        if isinstance(count, RpcError) or isinstance(next_nonce, RpcError):
            return None
        if as_int(count) > self.nonce:
            return True
        self._lacks_earlier = as_int(next_nonce) < self.nonce
        # Not one that it knows: Ganache executes an account's first transaction each time it is handed over.
        return None if known is not None or self._lacks_earlier else self._is_refused()

    def _is_refused(self) -> bool | None:
        """False where the newest must be replaced now; None where it is on its way, or may be taken later."""
        self._refusal = None
        try:
            self._hand_over()
        except OutbidError:
            return None  # One of those signed before, or another program's, gets into a block; or is outbid later.
        except FeeTooLowError:
            return False
        except RpcError as error:
            self._refusal = error
            return False if wants_funds(error) else None
        return None

    def _hand_over_again(self) -> None:
        try:
            self._hand_over()
        except (FeeTooLowError, RpcError):
            return  # A replacement with a higher fee is next.

    @property
    def _hashes(self) -> list[str]:
        return [as_hex(keccak256(raw)) for raw in self._signed]


def _included(receipts: Sequence[object]) -> Mapping[str, Any] | None:
    """The first of these answers that is the receipt of a transaction in a block."""
    found = (one for one in receipts if isinstance(one, Mapping) and one.get("blockNumber") is not None)
    return next(found, None)


def wants_funds(error: RpcError) -> bool:
    """Whether an endpoint refuses a transaction because its account cannot pay."""
    return any(words in error.text.lower() for words in _FUNDS)


def required(answer: Any) -> Any:
    """An answer of a batch. Raises what the endpoint refused it with."""
    if isinstance(answer, RpcError):
        raise answer
    return answer
