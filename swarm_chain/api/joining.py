"""From what a person has at hand to a swarm that answers and an account that is one of its nodes."""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from eth_utils.address import is_address

from swarm_chain import config
from swarm_chain.adapters.counting_store import CountingStore
from swarm_chain.adapters.ethereum.endpoints import Endpoints
from swarm_chain.adapters.meter import Meter
from swarm_chain.adapters.peer_stores import with_peers
from swarm_chain.adapters.stores import absolute_spec, open_stores, with_own
from swarm_chain.adapters.web3_chain import Web3Chain
from swarm_chain.api.accounts import Acting, open_account
from swarm_chain.core.documents import TaskDocument
from swarm_chain.core.invitation_codes import InvitationCode, decode_invitation
from swarm_chain.errors import (
    AlreadyRegistered,
    ConfigurationError,
    InvitationForSomeoneElse,
    RegistrationNotOpen,
    RemovedByRegistrar,
)
from swarm_chain.membership.joining import check_invited, swarms_task
from swarm_chain.ports import UpdateStore
from swarm_chain.status.notes import Kind, Note, write_note
from swarm_chain.types import Address, Call, NodeStatus, RegisterNode, RegisterWithInvitation

if TYPE_CHECKING:
    from eth_account.signers.local import LocalAccount

    from swarm_chain.accounts import Signer

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class Found:
    """A swarm that answers, its task's document, and who is about to act in it."""

    chain: Web3Chain
    rpc_urls: tuple[str, ...]
    stores: tuple[str, ...]
    store: UpdateStore
    document: TaskDocument
    acting: Acting
    code: InvitationCode | None
    meter: Meter

    @property
    def address(self) -> Address:
        """The account's."""
        return self.acting.signer.address


def find_swarm(
    rpc_urls: Sequence[str],
    contract: str | bytes,
    account: str | Path | bytes | Signer | LocalAccount,
    *,
    password: str | None,
    stores: Sequence[str],
) -> Found:
    """The swarm at a contract's address, or that an invitation names. Raises what chain, keystore and stores do."""
    code = _code_in(contract)
    urls = tuple(rpc_urls) or (code.rpc_urls if code else ())
    specs = tuple(map(absolute_spec, stores)) or (with_own(code.stores) if code else ())
    if not urls or not specs:
        raise ConfigurationError(
            f"where {'does the chain answer' if not urls else 'is the store'}? only an invitation says so by itself; "
            "give rpc_url and store='local:PATH'"
        )
    chain_id = Endpoints(urls, chain_id=code.chain_id if code else None).chain_id
    acting, meter = open_account(account, password=password, chain_id=chain_id), Meter()
    chain = Web3Chain.connect(
        urls,
        code.contract if code else contract_address(contract),
        chain_id=chain_id,
        signer=acting.signer,
        deployed_at=code.deployment_block if code else None,
        meter=meter,
    )
    allow_private = config.is_development(chain_id, urls)
    store = CountingStore(with_peers(open_stores(specs), chain, allow_private=allow_private), meter)
    return Found(
        chain=chain,
        rpc_urls=urls,
        stores=specs,
        store=store,
        document=swarms_task(chain, store),
        acting=acting,
        code=code,
        meter=meter,
    )


def admission(found: Found, label: str | None) -> Call | None:
    """The call that makes the account a node; None where it is one already. Sends nothing.

    Raises `RegistrationNotOpen`, `RemovedByRegistrar`, and what is wrong with an invitation.
    """
    code, label = found.code, found.acting.name if label is None else label
    if code is not None and code.invitation.account != found.address:
        raise InvitationForSomeoneElse(
            f"this invitation is for 0x{code.invitation.account.hex()}, not for 0x{found.address.hex()}; "
            "give that account, or ask the registrar for one for yours"
        )
    status = found.chain.node_info(found.address).status
    if status == NodeStatus.REMOVED:
        raise RemovedByRegistrar(node=found.address)
    if status != NodeStatus.UNREGISTERED:
        return None
    if code is not None:
        check_invited(found.chain, code, found.address, found.rpc_urls)
        return RegisterWithInvitation(invitation=code.invitation, signature=code.signature, label=label)
    if not found.chain.swarm_info().config.open_registration:
        raise RegistrationNotOpen(
            f"0x{found.address.hex()} is not a node of this swarm, which takes nodes by invitation: ask a registrar "
            "for one, and give its code, swarm1_…, in place of the contract's address"
        )
    return RegisterNode(label=label)


def register(found: Found, call: Call) -> None:
    """Sends the call that makes the account a node. Raises the contract's errors."""
    # An earlier try that broke off may have got into a block meanwhile.
    with suppress(AlreadyRegistered):
        found.chain.send(call)
    log.info("0x%s is a node of the swarm 0x%s", found.address.hex(), found.chain.coordinator.hex())


def note_swarm(found: Found, folder: Path) -> None:
    """Writes down which swarm a node's folder is about, for `swarm-chain swarms`."""
    note = Note(
        folder=folder,
        chain_id=found.chain.chain_id,
        contract=found.chain.coordinator,
        rpc_urls=found.rpc_urls,
        stores=found.stores,
    )
    write_note(Kind.JOINED, note)


def node_folder(found: Found, name: str | None, folder: str | Path | None) -> Path:
    """Where the node keeps its journal: the folder given or of that name; else that of `join`; else one of its own.

    Raises `ConfigurationError` for a name that no folder can have, or that is another node's.
    """
    if folder is not None:
        return Path(folder).expanduser().absolute()
    if name is not None:
        return _named(found, name)
    nodes = config.nodes_folder()
    for path in sorted(nodes.glob("*/node.toml")):
        if _is_of(found, path):
            return path.parent
    account = found.acting.name or f"0x{found.address.hex()[:8]}"
    return nodes / f"{account}-{found.chain.coordinator.hex()[:8]}"


def _named(found: Found, name: str) -> Path:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", name):
        raise ConfigurationError(f"{name!r} cannot be a node's name: use letters, digits, '.', '_' and '-'")
    folder = config.nodes_folder() / name
    if (folder / "node.toml").exists() and not _is_of(found, folder / "node.toml"):
        raise ConfigurationError(f"{folder} is the node of another swarm or account; choose another name")
    return folder


def _is_of(found: Found, path: Path) -> bool:
    """Whether a configuration is of this account in this swarm; not where it cannot be read."""
    try:
        node = config.load_node_config(path)
    except ConfigurationError:
        return False
    return (node.chain_id, node.contract, node.account) == (
        found.chain.chain_id,
        found.chain.coordinator,
        found.address,
    )


def _code_in(contract: str | bytes) -> InvitationCode | None:
    """The invitation, where the contract is given as one."""
    is_code = isinstance(contract, str) and contract.strip().lower().startswith("swarm")
    return decode_invitation(contract) if is_code and isinstance(contract, str) else None


def contract_address(contract: str | bytes) -> Address:
    """20 bytes, from an address as people write it. Raises `ConfigurationError`."""
    if isinstance(contract, bytes) and len(contract) == 20:
        return Address(contract)
    text = contract.strip() if isinstance(contract, str) else ""
    if not text.startswith("0x") or not is_address(text):
        raise ConfigurationError(
            f"{contract!r} is no contract: give its address, 0x and 40 hexadecimal digits as they were copied, or an "
            "invitation code, swarm1_…"
        )
    return Address(bytes.fromhex(text[2:]))
