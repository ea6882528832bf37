"""From options to a chain, a signer and stores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from swarm_chain.cli.options import Place, Sender
from swarm_chain.cli.output import say
from swarm_chain.config.chains import DEVNET
from swarm_chain.deployment.deployments import Deployment, Deployments
from swarm_chain.errors import AccountError, ConfigurationError, DeploymentError, StoreUnavailable
from swarm_chain.types import Address, BlockNumber

if TYPE_CHECKING:
    from swarm_chain.accounts import Signer
    from swarm_chain.adapters.web3_chain import Web3Chain
    from swarm_chain.config import Network, NodeConfig
    from swarm_chain.ports import UpdateStore
    from swarm_chain.status.node import NodeStatusFile
    from swarm_chain.status.swarm import EventHistory, SwarmStatus


@dataclass(frozen=True, kw_only=True, slots=True)
class Target:
    """A chain that answers, and how to reach it. `network` is None where only URLs were given."""

    chain_id: int
    rpc_urls: tuple[str, ...]
    network: str | None
    confirmations: int
    allow_private_addresses: bool

    @property
    def is_development(self) -> bool:
        """Whether its accounts are anybody's, and worth nothing."""
        from swarm_chain.config import DEVELOPMENT_CHAINS

        return self.chain_id in DEVELOPMENT_CHAINS


def reach(place: Place) -> Target:
    """The chain that was asked for; the development chain on this machine unless told.

    Raises `ConfigurationError`, `ChainUnavailable`, `WrongChain`.
    """
    from swarm_chain import config
    from swarm_chain.adapters.ethereum.endpoints import Endpoints

    if place.rpc:
        chain_id = Endpoints(place.rpc).chain_id
        return _target(chain_id, place.rpc, None)
    network = config.find_network(place.network or DEVNET)
    Endpoints(network.rpc_urls, chain_id=network.chain_id).request("eth_chainId")
    return _target(network.chain_id, network.rpc_urls, network)


def _target(chain_id: int, rpc_urls: tuple[str, ...], network: Network | None) -> Target:
    from swarm_chain.config import default_confirmations, is_development

    return Target(
        chain_id=chain_id,
        rpc_urls=rpc_urls,
        network=network.name if network else None,
        confirmations=network.confirmations if network else default_confirmations(chain_id, rpc_urls),
        allow_private_addresses=network.allow_private_addresses if network else is_development(chain_id, rpc_urls),
    )


def confirmations_of(sender: Sender, target: Target) -> int:
    """Blocks on top of a transaction's before a command ends: as given, else the network's."""
    return target.confirmations if sender.confirmations is None else sender.confirmations


def open_signer(sender: Sender, chain_id: int) -> Signer:
    """The account that signs: a keystore's, or on a development chain also dev0, dev1, …; there dev0 unless told.

    Raises `AccountError`.
    """
    from swarm_chain import config
    from swarm_chain.accounts import Keystores, development_index, development_signer
    from swarm_chain.cli.passwords import ask_password

    name = sender.account
    if name is None:
        if chain_id not in config.DEVELOPMENT_CHAINS:
            raise AccountError("who signs? give --account NAME; `swarm-chain account list` shows those there are")
        name = "dev0"
        say("signing as dev0, for want of --account")
    if development_index(name) is not None:
        return development_signer(name, chain_id=chain_id)
    keystores = Keystores()
    keystores.find(name)
    return keystores.open(name, ask_password(name, sender.password_file))


# ------------------------------------------------------------------------------------------------------------- contract


@dataclass(frozen=True, kw_only=True, slots=True)
class Found:
    """A contract on a chain. `deployed_at` is None where only its address was given."""

    target: Target
    contract: Address
    deployed_at: BlockNumber | None


def find_contract(place: Place, contract: str | None) -> Found:
    """The swarm that was asked for: by address, by its deployment's name, or the chain's only deployment.

    Raises `DeploymentError`, and what `reach` does.
    """
    target = reach(place)
    if contract is not None and contract.startswith("0x"):
        address = _address(contract)
        return Found(target=target, contract=address, deployed_at=known_block(target, address))
    chosen = Deployments().choose(target.chain_id, contract)
    return Found(target=target, contract=_deployed(chosen), deployed_at=chosen.block)


def connect(found: Found, signer: Signer | None = None) -> Web3Chain:
    """The swarm's contract, to look at, or with a signer to send to."""
    from swarm_chain.adapters.web3_chain import Web3Chain

    return Web3Chain.connect(
        found.target.rpc_urls,
        found.contract,
        chain_id=found.target.chain_id,
        signer=signer,
        deployed_at=found.deployed_at,
    )


def _address(text: str) -> Address:
    from swarm_chain.cli.params import ADDRESS

    return ADDRESS.convert(text, None, None)


def known_block(target: Target, contract: Address) -> BlockNumber | None:
    """The block of a deployment that the file knows by its address; finding it on the chain takes many requests."""
    for deployment in Deployments().on_chain(target.chain_id):
        if deployment.contract == contract:
            return deployment.block
    return None


def _deployed(deployment: Deployment) -> Address:
    if deployment.contract is None:
        raise DeploymentError(f"deployment {deployment.name} is not finished; run `swarm-chain deploy` again")
    return deployment.contract


# --------------------------------------------------------------------------------------------------------------- stores


def store_specs(given: Sequence[str]) -> tuple[str, ...]:
    """The stores that were given, else the one in `HOME/store`; named so that they are found from any folder."""
    from swarm_chain import config
    from swarm_chain.adapters.stores import absolute_spec

    return tuple(absolute_spec(spec) for spec in given) or (f"local:{config.home() / 'store'}",)


# -------------------------------------------------------------------------------------------------------------- reading


@dataclass(frozen=True, kw_only=True, slots=True)
class Reading:
    """A swarm that is looked at: its contract, and its stores where there are any."""

    chain: Web3Chain
    store: UpdateStore | None
    history: EventHistory

    def status(self) -> SwarmStatus:
        """What it does now."""
        from swarm_chain.status.swarm import read_status

        return read_status(self.chain, self.store, self.history)

    def activities(self) -> Mapping[Address, NodeStatusFile]:
        """What agents on this machine do for it, by account."""
        from swarm_chain.cli.nodes import local_agents

        return local_agents(self.chain.chain_id, self.chain.coordinator)


def open_reading(place: Place, contract: str | None, stores: Sequence[str], node: str | None) -> Reading:
    """A swarm to look at, as the options or a node's configuration say."""
    if node is None:
        store = readable(store_specs(stores), asked=bool(stores))
        return _reading(connect(find_contract(place, contract)), store)
    found, config = found_by_node(place, contract, node)
    return _reading(connect(found), readable(stores or config.stores, asked=True))


def found_by_node(place: Place, contract: str | None, node: str) -> tuple[Found, NodeConfig]:
    """The swarm of a node that is configured here, and its configuration. Raises `ConfigurationError`."""
    from swarm_chain.cli.nodes import find_node
    from swarm_chain.config import load_node_config

    if contract is not None:
        raise ConfigurationError("give a contract or --node, not both")
    config = load_node_config(find_node(node, None))
    target = _target(config.chain_id, place.rpc or config.rpc_urls, None)
    return Found(target=target, contract=config.contract, deployed_at=config.deployment_block), config


def _reading(chain: Web3Chain, store: UpdateStore | None) -> Reading:
    from swarm_chain.status.swarm import EventHistory

    return Reading(chain=chain, store=store, history=EventHistory(chain))


def evidence_of(found: Found, stores: Sequence[str]) -> UpdateStore:
    """Where a swarm's documents and weights are read: the stores given, or the default one if there is one, and peers.

    Raises `StoreUnavailable` for a store that was given and is not there.
    """
    from swarm_chain.adapters.peer_stores import with_peers

    own = readable(store_specs(stores), asked=bool(stores))
    return with_peers(own, connect(found), allow_private=found.target.allow_private_addresses)


def readable(specs: Sequence[str], *, asked: bool) -> UpdateStore | None:
    """The stores, opened without making any. None where the default one is not there and nobody asked for it."""
    from swarm_chain.adapters.stores import open_stores

    try:
        return open_stores(specs, writable=False)
    except StoreUnavailable:
        if asked:
            raise
        return None
