"""A new swarm on a development chain: deployed by the migrations, its nodes invited and joined."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from swarm_chain.accounts import LIGHT_WORK, Keystore, Keystores, Signer, development_signer
from swarm_chain.adapters.stores import open_stores
from swarm_chain.adapters.web3_chain import Web3Chain
from swarm_chain.agent.contribution import read_memory
from swarm_chain.agent.journal import Journal
from swarm_chain.bootstrap import spool_folder
from swarm_chain.config import load_node_config
from swarm_chain.core.invitation_codes import InvitationCode, decode_invitation, encode_invitation
from swarm_chain.core.spool import Spool
from swarm_chain.demo.places import Places
from swarm_chain.demo.settings import DemoSettings
from swarm_chain.demo.storage import DEPLOYER, Storage
from swarm_chain.deployment import deploy
from swarm_chain.deployment.deployer import Deployer
from swarm_chain.deployment.deployments import Deployments
from swarm_chain.devnet import Devnet
from swarm_chain.errors import DeploymentError, TaskError
from swarm_chain.genesis import Genesis, make_genesis, merge_settings, put_genesis
from swarm_chain.membership.funding import DEFAULT_FUNDS, send_ether
from swarm_chain.membership.joining import Choice, configure, connect_invited, register
from swarm_chain.tasks.base import SplitTask
from swarm_chain.types import Address, BlockNumber, Invitation, Parameters, Timestamp

PASSWORD: Final = "demo"  # noqa: S105  its keys are worth nothing
REGISTRAR: Final = "dev0"
_EXPIRY: Final = 3600


@dataclass(frozen=True, kw_only=True, slots=True)
class Swarm:
    """A swarm on a chain, and how it started."""

    rpc_url: str
    chain_id: int
    contract: Address
    block: BlockNumber
    genesis: Genesis

    def reader(self) -> Web3Chain:
        """The contract, to look at."""
        return Web3Chain.connect([self.rpc_url], self.contract, chain_id=self.chain_id, deployed_at=self.block)


@dataclass(frozen=True, kw_only=True, slots=True)
class Member:
    """A node that joined. `data` is what it trains on, as its task takes it."""

    name: str
    account: Address
    folder: Path
    config: Path
    data: str

    def memory(self) -> Parameters:
        """What the node keeps from round to round, once its agent has ended. Raises `MemoryLost`."""
        config = load_node_config(self.config)
        journal = Journal(config.journal, chain_id=config.chain_id, coordinator=config.contract, account=config.account)
        try:
            return read_memory(journal, Spool(spool_folder(config), open_stores(config.stores).get))
        finally:
            journal.close()


def deploy_swarm(settings: DemoSettings, places: Places, devnet: Devnet, stored: Storage) -> Swarm:
    """A swarm without nodes: documents in the deployer's store, contract on the chain."""
    registrar = _registrar(devnet)
    made = make_genesis(settings.task, merge_settings(settings.rule))
    put_genesis(made, open_stores([stored.of(DEPLOYER)]))
    config = settings.config(
        task_digest=made.task.digest(), genesis_digest=made.result.digest(), admin=registrar.address
    )
    report = deploy(
        config,
        deployer=Deployer.of([devnet.rpc_url], registrar, chain_id=devnet.chain_id),
        deployments=Deployments(places.deployments),
    )
    contract, block = report.deployment.contract, report.deployment.block
    if contract is None or block is None:
        raise DeploymentError("the migrations deployed no contract; install swarm-chain again")
    return Swarm(
        rpc_url=devnet.rpc_url,
        chain_id=devnet.chain_id,
        contract=contract,
        block=block,
        genesis=made,
    )


def add_member(
    settings: DemoSettings, places: Places, devnet: Devnet, stored: Storage, swarm: Swarm, name: str
) -> Member:
    """A node with an account, some ether, its own data and configuration, registered by an invitation."""
    folder = places.node(name)
    keystore, signer = _new_account(settings, folder, name)
    send_ether([swarm.rpc_url], _registrar(devnet), signer.address, DEFAULT_FUNDS, chain_id=swarm.chain_id)
    code = decode_invitation(_invite(swarm, stored, _registrar(devnet), signer.address))
    choice = Choice(
        folder=folder,
        keystore=keystore.path,
        password_file=_password_file(folder),
        label=name,
        data=_data(settings, folder, name),
        stores=(stored.of(name),),
        rpc_urls=code.rpc_urls,
        confirmations=0,
        allow_private_addresses=True,
    )
    register(connect_invited(code, signer, choice.rpc_urls), code, choice, is_configured=False)
    # Whoever runs the demo gave the source that is run.
    accepted = swarm.genesis.task.digest() if swarm.genesis.source is not None else None
    rule = swarm.genesis.task.merge.source
    config = configure(
        code,
        choice,
        swarm.genesis.task,
        str(choice.data),
        accepted=accepted,
        accepted_rule=rule.digest if rule is not None else None,
    )
    return Member(name=name, account=signer.address, folder=folder, config=choice.config_file, data=config.data)


def _registrar(devnet: Devnet) -> Signer:
    return development_signer(REGISTRAR, chain_id=devnet.chain_id, settings=devnet.settings)


def _new_account(settings: DemoSettings, folder: Path, name: str) -> tuple[Keystore, Signer]:
    keystores = Keystores(folder / "keystores")
    keystore = keystores.import_key(name, settings.key_of(name), PASSWORD, work=LIGHT_WORK)
    return keystore, keystores.open(name, PASSWORD)


def _invite(swarm: Swarm, stored: Storage, registrar: Signer, account: Address) -> str:
    """The code that a registrar sends to the one who joins."""
    now = swarm.reader().look().now
    invitation = Invitation(account=account, registrar=registrar.address, expiry=Timestamp(now + _EXPIRY))
    return encode_invitation(
        InvitationCode(
            chain_id=swarm.chain_id,
            rpc_urls=(swarm.rpc_url,),
            contract=swarm.contract,
            deployment_block=swarm.block,
            stores=stored.invited,
            invitation=invitation,
            signature=registrar.sign_invitation(invitation, chain_id=swarm.chain_id, contract=swarm.contract),
        )
    )


def _password_file(folder: Path) -> Path:
    path = folder / "password"
    path.write_text(PASSWORD + "\n", encoding="utf-8")
    return path


def _data(settings: DemoSettings, folder: Path, name: str) -> str:
    """The node's own data: what was given for it, or its part of the task's, in its own folder."""
    part = settings.names.index(name)
    if settings.data:
        return settings.data[part]
    task = settings.task
    if not isinstance(task, SplitTask):
        raise TaskError(f"the task {task.name} has no data to deal out; give --data")
    path = folder / task.part_file
    task.write_part(path, part, nodes=settings.nodes, seed=settings.seed)
    return str(path)
