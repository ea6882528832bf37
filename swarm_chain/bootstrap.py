"""A node's configuration to a wired agent: the only place that picks implementations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from swarm_chain.accounts import Signer, open_keystore
from swarm_chain.adapters.counting_store import CountingStore
from swarm_chain.adapters.meter import Meter
from swarm_chain.adapters.peer_stores import with_peers
from swarm_chain.adapters.stores import is_folder, local_store, open_stores
from swarm_chain.adapters.torch_trainer import TorchTrainer
from swarm_chain.adapters.web3_chain import Web3Chain
from swarm_chain.agent.activity import OnActivity
from swarm_chain.agent.agent import Agent
from swarm_chain.agent.announcing import Stores
from swarm_chain.agent.contribution import Contribution
from swarm_chain.agent.convergence import Convergence
from swarm_chain.agent.heads import Heads
from swarm_chain.agent.journal import Journal
from swarm_chain.agent.policy import Policy
from swarm_chain.agent.pruning import Pruning
from swarm_chain.config import NodeConfig, is_development
from swarm_chain.core import documents
from swarm_chain.core.documents import TaskDocument
from swarm_chain.core.rule_sources import use_accepted_rule
from swarm_chain.core.spool import Spool
from swarm_chain.errors import AccountError, TaskMismatch
from swarm_chain.genesis import task_of
from swarm_chain.ports import Chain, Trainer, UpdateStore
from swarm_chain.serving.served import Served, Serving

DEVELOPMENT_PACE: Final = (0.1, 1.0)
"""Seconds between looks, and of spread, where a transaction is in a block at once."""
PACE: Final = (3.0, 24.0)
"""The same where blocks take about twelve seconds."""
LOOKS_AT_PEERS: Final = 1.0
"""Seconds between two looks at what peers announced, at least."""


def build_agent(
    config: NodeConfig,
    *,
    password: str,
    policy: Policy,
    on_activity: OnActivity,
    meter: Meter | None = None,
    stores: Stores | None = None,
    trainer: Trainer | None = None,
) -> Agent:
    """The agent of a configured node. Asks the chain and the stores; raises what they, the keystore and the task do.

    `meter` counts the bytes that go to endpoints and stores, and that come from them. `stores` is as for `wire_agent`.
    With a `trainer`, that one trains, and not the task on the node's data.
    """
    meter = meter or Meter()
    signer = _signer(config, password)
    chain = Web3Chain.connect(
        config.rpc_urls,
        config.contract,
        chain_id=config.chain_id,
        signer=signer,
        deployed_at=config.deployment_block,
        meter=meter,
    )
    poll, spread = pace_of(config.chain_id, config.rpc_urls)
    own = open_stores(config.stores)
    store = CountingStore(
        with_peers(own, chain, allow_private=config.allow_private_addresses, every=max(poll, LOOKS_AT_PEERS)), meter
    )
    task = documents.read(store.get, chain.swarm_info().config.task_digest, TaskDocument)
    if task.name != config.task:
        raise TaskMismatch(
            f"this node is configured for task {config.task}, and the swarm's is {task.name}; join again"
        )
    use_accepted_rule(task.merge, store.get, config.accepted_rule)
    return wire_agent(
        task=task,
        chain=chain,
        store=store,
        trainer=trainer or TorchTrainer(task_of(task, store.get, accepted=config.accepted_task), config.data),
        journal=Journal(config.journal, chain_id=config.chain_id, coordinator=config.contract, account=config.account),
        spool=spool_folder(config),
        policy=replace(policy, poll=poll, spread=spread),
        on_activity=on_activity,
        stores=stores,
        pruning=_pruning(config, chain, own),
    )


def _pruning(config: NodeConfig, chain: Chain, own: UpdateStore) -> Pruning | None:
    """What lets go of old weights in a node's own stores, where its operator asked for that."""
    if config.keep_weights is None:
        return None
    return Pruning(
        chain=chain,
        store=own,
        keep=config.keep_weights,
        account=config.account,
        confirmations=config.confirmations,
    )


def serve_node(config: NodeConfig) -> Served:
    """A node's local store, served to peers as its configuration says. Raises `ConfigurationError`, `PortInUse`."""
    return serve_stores(
        config.stores,
        Serving(
            serve=config.serve,
            announce=config.announce,
            rpc_urls=config.rpc_urls,
            allow_private=config.allow_private_addresses,
            folder=config.journal.parent,
        ),
    )


def serve_stores(specs: Sequence[str], serving: Serving) -> Served:
    """The first local one of a node's stores, served to peers. Raises `ConfigurationError`, `PortInUse`."""
    folders = [spec for spec in specs if is_folder(spec)]
    return Served(local_store(folders[0]) if folders else None, serving)


def spool_folder(config: NodeConfig) -> Path:
    """Where a node keeps weights that it works with."""
    return config.journal.parent / "spool"


def pace_of(chain_id: int, rpc_urls: Sequence[str]) -> tuple[float, float]:
    """Seconds between looks at a chain, and of spread."""
    return DEVELOPMENT_PACE if is_development(chain_id, rpc_urls) else PACE


def wire_agent(
    *,
    task: TaskDocument,
    chain: Chain,
    store: UpdateStore,
    trainer: Trainer,
    journal: Journal,
    spool: Path,
    policy: Policy,
    on_activity: OnActivity,
    stores: Stores | None = None,
    pruning: Pruning | None = None,
) -> Agent:
    """An agent over any implementations of the ports. `spool` is a folder that only this agent uses.

    `stores` says what to announce: where peers fetch this node's blocks. Without it, it announces nothing.
    """
    files = Spool(spool, store.get)
    heads = Heads(task=task, store=store, spool=files, journal=journal)
    return Agent(
        chain=chain,
        trainer=trainer,
        journal=journal,
        heads=heads,
        contribution=Contribution(
            task=task, chain=chain, store=store, trainer=trainer, spool=files, heads=heads, journal=journal
        ),
        convergence=Convergence(task=task, chain=chain, store=store, spool=files, heads=heads),
        policy=policy,
        on_activity=on_activity,
        stores=stores,
        pruning=pruning,
    )


def _signer(config: NodeConfig, password: str) -> Signer:
    signer = open_keystore(config.keystore, password)
    if signer.address != config.account:
        raise AccountError(
            f"keystore {config.keystore} holds {signer.checksum_address}, and this node's account is "
            f"0x{config.account.hex()}; correct the node's configuration"
        )
    return signer
