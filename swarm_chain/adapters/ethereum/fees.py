"""What a transaction offers per unit of gas: EIP-1559 where the chain has a base fee, one gas price elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import rlp  # type: ignore[import-untyped]

from swarm_chain.errors import InvalidAnswer

DEFAULT_TIP = 1_000_000_000
"""Wei per gas, for endpoints that suggest none."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Fees:
    """Wei per unit of gas: at most `most`, of which `tip` goes to the block's producer. No tip: a legacy price."""

    most: int
    tip: int | None

    def fields(self) -> dict[str, Any]:
        """The transaction's fields that say so."""
        if self.tip is None:
            return {"gasPrice": self.most}
        return {"type": 2, "maxFeePerGas": self.most, "maxPriorityFeePerGas": self.tip}

    def replacing(self, earlier: Fees) -> Fees:
        """What replaces one that offered `earlier`: these, and at least a quarter more (nodes ask a tenth)."""
        tip = None if self.tip is None else max(self.tip, _quarter_more(earlier.tip or 0))
        return Fees(most=max(self.most, _quarter_more(earlier.most), tip or 0), tip=tip)

    def exceeds(self, other: Fees, times: int) -> bool:
        """Whether these offer more than so many times as much as `other`, in everything."""
        return self.most > times * other.most and (self.tip or 0) > times * (other.tip or 0)


def highest(signed: Sequence[bytes]) -> Fees:
    """The most that any of these signed transactions offers. Raises `InvalidAnswer` for what is no transaction."""
    offers = [_offered(raw) for raw in signed]
    return Fees(
        most=max(each.most for each in offers), tip=max(each.most if each.tip is None else each.tip for each in offers)
    )


def _offered(raw: bytes) -> Fees:
    try:
        is_typed = raw[:1] == b"\x02"
        fields = rlp.decode(raw[1:] if is_typed else raw)
        numbers = [int.from_bytes(each, "big") for each in fields[:4]]
        return Fees(most=numbers[3], tip=numbers[2]) if is_typed else Fees(most=numbers[1], tip=None)
    except (rlp.DecodingError, IndexError, TypeError) as error:
        raise InvalidAnswer("what was signed before is no transaction; move the journal away") from error


def suggested(*, base_fee: int | None, tip: int | None, gas_price: int | None) -> Fees:
    """Fees that stay good while the base fee doubles, which takes six full blocks in a row."""
    if base_fee is None:
        return Fees(most=gas_price or DEFAULT_TIP, tip=None)
    tip = DEFAULT_TIP if tip is None else tip
    return Fees(most=2 * base_fee + tip, tip=tip)


def _quarter_more(value: int) -> int:
    return value + value // 4 + 1
