"""What a transaction offers per unit of gas: EIP-1559 where the chain has a base fee, one gas price elsewhere."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

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


def suggested(*, base_fee: int | None, tip: int | None, gas_price: int | None) -> Fees:
    """Fees that stay good while the base fee doubles, which takes six full blocks in a row."""
    if base_fee is None:
        return Fees(most=gas_price or DEFAULT_TIP, tip=None)
    tip = DEFAULT_TIP if tip is None else tip
    return Fees(most=2 * base_fee + tip, tip=tip)


def _quarter_more(value: int) -> int:
    return value + value // 4 + 1
