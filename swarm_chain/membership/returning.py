"""Joining again: what a node of an earlier swarm says already, for a successor of that swarm."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from swarm_chain.adapters.stores import open_stores
from swarm_chain.adapters.web3_chain import Web3Chain
from swarm_chain.config import NodeConfig, default_confirmations, is_development
from swarm_chain.core import documents
from swarm_chain.core.documents import ResultDocument
from swarm_chain.core.invitation_codes import InvitationCode
from swarm_chain.core.lineage import Origin, earlier_results
from swarm_chain.core.names import following
from swarm_chain.errors import ChainError, Malformed, StoreError
from swarm_chain.membership.joining import Choice
from swarm_chain.types import Address, BlockNumber, Digest

MAX_NAME: Final = 64


@dataclass(frozen=True, kw_only=True, slots=True)
class EarlierNode:
    """This account's node in the swarm that a successor comes from: its name on this machine, and its configuration."""

    name: str
    config: NodeConfig


def earlier_node(
    code: InvitationCode, nodes: Mapping[str, NodeConfig], *, rpc_urls: Sequence[str] = (), stores: Sequence[str] = ()
) -> EarlierNode | None:
    """The node of this machine that took part, with the invited account, in the swarm that a code's swarm comes from.

    Asks the endpoints and stores that are given, else those that each such node and the code know. None where there is
    no such node, or nobody who can tell: then the one who joins says everything.
    """
    for name, config in sorted(nodes.items()):
        found = EarlierNode(name=name, config=config)
        if config.account == code.invitation.account and not is_of(config, code):
            urls = tuple(rpc_urls) or endpoints_for(found, code)
            if _is_behind(config, code, urls, tuple(stores) or stores_for(found, code)):
                return found
    return None


def is_of(config: NodeConfig, code: InvitationCode) -> bool:
    """Whether a node is of the swarm that a code is for, with the account that it is for."""
    here = (config.chain_id, config.contract, config.account)
    return here == (code.chain_id, code.contract, code.invitation.account)


def choice_like(earlier: EarlierNode, code: InvitationCode, nodes: Mapping[str, NodeConfig], folder: Path) -> Choice:
    """What a node of the code's swarm is where it is set up like the earlier one. `folder` is that of all nodes."""
    config = earlier.config
    rpc_urls = endpoints_for(earlier, code)
    is_same_chain = config.chain_id == code.chain_id
    return Choice(
        folder=folder / name_after(earlier, code, nodes, folder),
        keystore=config.keystore,
        password_file=config.password_file,
        label=config.label,
        data=config.data,
        stores=stores_for(earlier, code),
        rpc_urls=rpc_urls,
        confirmations=config.confirmations if is_same_chain else default_confirmations(code.chain_id, rpc_urls),
        allow_private_addresses=(
            config.allow_private_addresses if is_same_chain else is_development(code.chain_id, rpc_urls)
        ),
    )


def name_after(earlier: EarlierNode, code: InvitationCode, nodes: Mapping[str, NodeConfig], folder: Path) -> str:
    """A name for the new node: the earlier one's with the next number that is free, or that this very node has."""

    def is_free(name: str) -> bool:
        return is_of(nodes[name], code) if name in nodes else not (folder / name).exists()

    return next(name for name in following(earlier.name, longest=MAX_NAME) if is_free(name))


def endpoints_for(earlier: EarlierNode, code: InvitationCode) -> tuple[str, ...]:
    """The endpoints that the earlier node uses; the code's where its chain is another."""
    return earlier.config.rpc_urls if earlier.config.chain_id == code.chain_id else code.rpc_urls


def stores_for(earlier: EarlierNode, code: InvitationCode) -> tuple[str, ...]:
    """The stores that the earlier node uses, and those of the code that can be had from this machine."""
    return tuple(dict.fromkeys((*earlier.config.stores, *(spec for spec in code.stores if _is_here(spec)))))


def _is_behind(config: NodeConfig, code: InvitationCode, rpc_urls: tuple[str, ...], stores: Sequence[str]) -> bool:
    """Whether a node's swarm is the one that the code's swarm comes from, as far as can be told."""
    try:
        first = _genesis_of(rpc_urls, code.chain_id, code.contract, code.deployment_block)
        line = _line(first, [spec for spec in stores if _is_here(spec)])
        origin = Origin.of(line[-1]) if line else None
        if origin is not None and (origin.chain_id, origin.contract) == (config.chain_id, config.contract):
            return True
        # A genesis of an earlier swarm names no contract: the contract names it.
        geneses = [document.digest() for document in line if document.round == 0]
        return bool(geneses) and _own_genesis(config) in geneses
    except (ChainError, StoreError, Malformed):
        return False


def _line(genesis: Digest, stores: Sequence[str]) -> list[ResultDocument]:
    """The results that a swarm's genesis starts from, nearest first."""
    if not stores:
        return []
    store = open_stores(stores, writable=False)
    document = documents.read(store.get, genesis, ResultDocument)
    return list(earlier_results(document, lambda link: documents.read(store.get, link, ResultDocument)))


def _own_genesis(config: NodeConfig) -> Digest:
    return _genesis_of(config.rpc_urls, config.chain_id, config.contract, config.deployment_block)


def _genesis_of(rpc_urls: tuple[str, ...], chain_id: int, contract: Address, block: BlockNumber) -> Digest:
    """The digest of what a swarm started from, as its contract says."""
    chain = Web3Chain.connect(rpc_urls, contract, chain_id=chain_id, signer=None, deployed_at=block)
    return chain.look().swarm.config.genesis_digest


def _is_here(spec: str) -> bool:
    """Whether a store can be one of this machine: a folder that a code names lies on the registrar's, as a rule."""
    kind, _, place = spec.partition(":")
    return kind != "local" or Path(place).expanduser().is_dir()
