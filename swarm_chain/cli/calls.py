"""Calls of the contract from the command line: one sender, one call, and what came of it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, fields
from enum import Enum
from functools import wraps
from typing import Any, TypeVar

import click

from swarm_chain.cli.options import Place, Sender, contract_option, place_options, sender_options
from swarm_chain.cli.output import checksum, printable, say
from swarm_chain.errors import AccountError, TransactionFailed
from swarm_chain.ports import Chain
from swarm_chain.types import Address, Call, Event, Receipt, RoundNumber, Salt

F = TypeVar("F", bound=Callable[..., Any])

_WHERE = {"block_number", "log_index", "transaction"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Calling:
    """Whose calls go to which contract on which chain."""

    contract: str | None
    place: Place
    sender: Sender

    def open(self) -> Line:
        """The contract, with an account that can send."""
        from swarm_chain.cli.connect import confirmations_of, connect, find_contract, open_signer

        found = find_contract(self.place, self.contract)
        signer = open_signer(self.sender, found.target.chain_id)
        return Line(chain=connect(found, signer), confirmations=confirmations_of(self.sender, found.target))

    def send(self, call: Call) -> Receipt:
        """Sends a call, waits until it is as deep as was asked, and says what happened."""
        return self.open().send(call)


@dataclass(frozen=True, kw_only=True, slots=True)
class Line:
    """A contract with an account that can send, and how deep a transaction must be before a command ends."""

    chain: Chain
    confirmations: int

    def send(self, call: Call) -> Receipt:
        """Sends a call, waits until it is as deep as was asked, and says what happened."""
        receipt = self.chain.send(call)
        self.report(receipt, call.function)
        return receipt

    def report(self, receipt: Receipt, function: str) -> None:
        """Waits until a transaction is as deep as was asked, and says what happened."""
        wait_for_depth(self.chain, receipt, self.confirmations)
        say(f"{function}: block {receipt.block_number}, {receipt.gas_used:,} gas, 0x{receipt.transaction.hex()}")
        for event in receipt.events:
            click.echo(describe_event(event))


def calling_options(command: F) -> F:
    """Adds the options of a command that calls the contract; it gets them as `to`."""

    @contract_option
    @place_options
    @sender_options
    @wraps(command)
    def run(*args: Any, contract: str | None, place: Place, sender: Sender, **options: Any) -> Any:
        return command(*args, to=Calling(contract=contract, place=place, sender=sender), **options)

    return run  # type: ignore[return-value]  # click reads the options off the function it is given


def wait_for_depth(chain: Chain, receipt: Receipt, confirmations: int) -> None:
    """Returns once so many blocks lie on top of the receipt's. Raises `TransactionFailed` if it fell out meanwhile."""
    if confirmations == 0:
        return
    say(f"waiting for {confirmations} blocks on top of block {receipt.block_number}")
    while chain.look().block_number < receipt.block_number + confirmations:
        time.sleep(0.5)
    there = chain.events(from_block=receipt.block_number, to_block=receipt.block_number)
    if receipt.events and receipt.transaction not in {event.transaction for event in there}:
        raise TransactionFailed(f"0x{receipt.transaction.hex()} is no longer in the chain; send it again")


def sender_of(chain: Chain) -> Address:
    """The account that `chain` sends from."""
    if chain.account is None:
        raise AccountError("nobody can sign; give --account NAME")
    return chain.account


def current_round(chain: Chain, given: int | None) -> RoundNumber:
    """The round that was given, or the running or last one."""
    return RoundNumber(given) if given is not None else chain.look().round.round


def salt_for(chain: Chain, round_number: RoundNumber, given: bytes | None) -> Salt:
    """The salt that was given, or the account's own for that round."""
    salt = Salt(given) if given is not None else chain.salt(round_number)
    if salt is None:
        raise AccountError("this account cannot derive a salt; give --salt")
    return salt


def describe_event(event: Event) -> str:
    """An event in one line: `NodeRegistered node=0x… active_from=1 label=clinic`."""
    names = (field.name for field in fields(event) if field.name not in _WHERE)
    shown = (f"{name}={_shown(getattr(event, name))}" for name in names)
    return f"{type(event).__name__} {' '.join(shown)}"


def _shown(value: object) -> str:
    if isinstance(value, Enum):
        return value.name.lower()
    if isinstance(value, bytes):
        return checksum(value) if len(value) == 20 else "0x" + value.hex()
    return printable(str(value))
