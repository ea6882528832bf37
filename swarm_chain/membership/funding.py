"""Ether from one account to another: what a new node needs to pay for its transactions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from swarm_chain.accounts import Signer
from swarm_chain.adapters.ethereum.abi import coordinator_abi
from swarm_chain.adapters.ethereum.endpoints import Endpoints
from swarm_chain.adapters.ethereum.hexes import as_hex, as_int
from swarm_chain.adapters.ethereum.transactions import Message, Sender, receipt_hash
from swarm_chain.errors import TransactionFailed
from swarm_chain.types import Address, Gas

TRANSFER_GAS: Final = Gas(21_000)
"""What a transfer to an account without code takes, on every chain."""
DEFAULT_FUNDS: Final = 10**18
"""Wei that a new node gets unless told: one ether, which on a development chain pays for everything."""


def send_ether(urls: Sequence[str], signer: Signer, to: Address, wei: int, *, chain_id: int) -> bytes:
    """The transaction that gave `to` so much, once it is in a block.

    Raises `InsufficientFunds`, `TransactionFailed`, `TransactionStuck`, `ChainUnavailable`, `WrongChain`.
    """
    endpoints = Endpoints(list(urls), chain_id=chain_id)
    sender = Sender(endpoints, signer, coordinator_abi())
    message = Message(name=f"funding {as_hex(to)}", to=to, data=b"", gas=TRANSFER_GAS, value=wei)
    receipt = sender.send(message)
    if as_int(receipt.get("status", "0x1")) != 1:
        raise TransactionFailed(f"{as_hex(to)} refused the ether: it is a contract; send it by another wallet")
    return receipt_hash(receipt)
