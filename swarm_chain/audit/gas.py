"""What a swarm's transactions cost."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence

from swarm_chain.audit.reader import TransactionRecord
from swarm_chain.audit.report import GasUse
from swarm_chain.types import Address, Gas, RoundNumber

INDIRECT = "(through another contract)"
"""What stands for the call where a wallet made it."""


def gas_uses(transactions: Sequence[TransactionRecord]) -> tuple[GasUse, ...]:
    """The gas of each account's transactions, call by call."""
    spent: dict[tuple[str, Address], list[int]] = defaultdict(list)
    for one in transactions:
        spent[one.function or INDIRECT, one.sender].append(one.gas_used)
    return tuple(
        GasUse(call=call, account=account, transactions=len(amounts), gas=Gas(sum(amounts)))
        for (call, account), amounts in sorted(spent.items())
    )


def gas_by_round(transactions: Sequence[TransactionRecord]) -> Counter[RoundNumber]:
    """The gas of all transactions that did something in a round, round by round."""
    spent: Counter[RoundNumber] = Counter()
    for one in transactions:
        numbers = (getattr(event, "round", None) for event in one.events)
        for number in {number for number in numbers if number is not None}:
            spent[number] += one.gas_used
    return spent
