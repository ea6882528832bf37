"""Invitations of a registrar: for one account, or for every node of an earlier swarm at once."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from swarm_chain.accounts import Signer
from swarm_chain.core.files import replacing
from swarm_chain.core.invitation_codes import InvitationCode, encode_invitation
from swarm_chain.errors import ConfigurationError
from swarm_chain.ports import Chain
from swarm_chain.types import Address, BlockNumber, Invitation, NodeRegistered, NodeStatus, Timestamp

ENDING: Final = ".code"
_LONGEST: Final = 40
_BELONGS: Final = (NodeStatus.ACTIVE, NodeStatus.SUSPENDED)


@dataclass(frozen=True, kw_only=True, slots=True)
class Member:
    """A node of a swarm, by its account and by what people call it. The label is its own choice: hostile."""

    account: Address
    label: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Terms:
    """What all invitations to a swarm have in common: where it is, where its stores are, and until when they count."""

    chain_id: int
    rpc_urls: tuple[str, ...]
    contract: Address
    deployment_block: BlockNumber
    stores: tuple[str, ...]
    expiry: Timestamp


def invitation_for(account: Address, terms: Terms, signer: Signer) -> InvitationCode:
    """A signed invitation of one account. That the signer is a registrar is for the caller to know."""
    invitation = Invitation(account=account, registrar=signer.address, expiry=terms.expiry)
    return InvitationCode(
        chain_id=terms.chain_id,
        rpc_urls=terms.rpc_urls,
        contract=terms.contract,
        deployment_block=terms.deployment_block,
        stores=terms.stores,
        invitation=invitation,
        signature=signer.sign_invitation(invitation, chain_id=terms.chain_id, contract=terms.contract),
    )


def members_of(chain: Chain) -> tuple[Member, ...]:
    """The nodes that belong to a swarm now, whether they take part or stay away, in the order in which they joined.

    Not those that were removed, and not those that a registrar suspended. Raises what a chain does.
    """
    labels = {event.node: event.label for event in _registrations(chain)}
    infos = chain.node_infos(list(labels))
    known = zip(labels.items(), infos, strict=True)
    return tuple(Member(account=node, label=label) for (node, label), info in known if info.status in _BELONGS)


def without_those_in(chain: Chain, members: Sequence[Member]) -> tuple[Member, ...]:
    """The members that a swarm does not know yet: who joined it, or was removed from it, needs no invitation."""
    infos = chain.node_infos([member.account for member in members])
    pairs = zip(members, infos, strict=True)
    return tuple(member for member, info in pairs if info.status is NodeStatus.UNREGISTERED)


def write_invitations(folder: Path, members: Sequence[Member], terms: Terms, signer: Signer) -> Mapping[Member, Path]:
    """Where each member's code was written: a file of its own, which the next invitation of that name replaces.

    Raises `ConfigurationError` if that cannot be done.
    """
    names = file_names(members)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for member, name in names.items():
            code = encode_invitation(invitation_for(member.account, terms, signer))
            with replacing(folder / name, sync=False) as stream:
                stream.write(f"{code}\n".encode())
    except OSError as error:
        raise ConfigurationError(
            f"invitations cannot be written to {folder}: {error.strerror}; choose another place with --invitations"
        ) from error
    return {member: folder / name for member, name in names.items()}


def file_names(members: Sequence[Member]) -> Mapping[Member, str]:
    """A file's name for each member: its label as far as a file can have it; with its address where two look alike."""
    plain = {member: _plain(member.label) for member in members}
    taken = [name.casefold() for name in plain.values()]
    return {
        member: (name if name and taken.count(name.casefold()) == 1 else _with_address(name, member)) + ENDING
        for member, name in plain.items()
    }


def _plain(label: str) -> str:
    """Letters, digits, `_`, `-` and `.` of a label: nothing that leads to another folder, or hides a file."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", label).strip(".-_")[:_LONGEST].rstrip(".-_")


def _with_address(name: str, member: Member) -> str:
    return f"{name}-0x{member.account.hex()}".lstrip("-")


def _registrations(chain: Chain) -> Iterator[NodeRegistered]:
    for event in chain.events(kinds=(NodeRegistered,)):
        if isinstance(event, NodeRegistered):
            yield event
