"""From an invitation to a registered, configured node, everything checked before anything is sent."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from swarm_chain.accounts import Signer
from swarm_chain.adapters.web3_chain import Web3Chain
from swarm_chain.config import NodeConfig, load_node_config, save_node_config
from swarm_chain.core import documents
from swarm_chain.core.cids import document_cid
from swarm_chain.core.documents import TaskDocument
from swarm_chain.core.invitation_codes import InvitationCode, check_invitation
from swarm_chain.errors import BlockNotFound, ConfigurationError
from swarm_chain.ports import Chain, UpdateStore
from swarm_chain.tasks.base import Task
from swarm_chain.types import Address, Digest, NodeStatus, Receipt, RegisterWithInvitation

JOURNAL = "journal.sqlite"


@dataclass(frozen=True, kw_only=True, slots=True)
class Choice:
    """What the one who joins chose. `folder` is the node's own; the keystore's password may lie in `password_file`."""

    folder: Path
    keystore: Path
    password_file: Path | None
    label: str
    data: str | None
    stores: tuple[str, ...]
    rpc_urls: tuple[str, ...]
    confirmations: int
    allow_private_addresses: bool

    @property
    def config_file(self) -> Path:
        """Where the node's configuration lies."""
        return self.folder / "node.toml"


def connect_invited(code: InvitationCode, signer: Signer, rpc_urls: tuple[str, ...]) -> Web3Chain:
    """The swarm that a code names, once the contract is there and would take the invitation.

    Raises `ChainUnavailable`, `WrongChain`, `NotACoordinator`, and what `check_invitation` does.
    """
    chain = Web3Chain.connect(
        rpc_urls, code.contract, chain_id=code.chain_id, signer=signer, deployed_at=code.deployment_block
    )
    check_invited(chain, code, signer.address, rpc_urls)
    return chain


def check_invited(chain: Chain, code: InvitationCode, account: Address, rpc_urls: tuple[str, ...]) -> None:
    """Returns if the contract would take the invitation from that account. Raises what `check_invitation` does."""
    is_wallet = bool(_code_at(rpc_urls, code.invitation.registrar, code.chain_id))
    check_invitation(code, account=account, now=chain.look().now, registrar_is_wallet=is_wallet)


def swarms_task(chain: Chain, store: UpdateStore) -> TaskDocument:
    """The swarm's task document. Raises what a store does."""
    digest = chain.look().swarm.config.task_digest
    try:
        return documents.read(store.get, digest, TaskDocument)
    except BlockNotFound as error:
        raise BlockNotFound(
            f"{store.name} does not have the swarm's task {document_cid(digest)}; "
            "give a store that has it with --store, ask the registrar where it is served, or wait for a node's agent"
        ) from error


def check_data(task: Task, data: str | None) -> str:
    """The node's data, if the task can train on it; a file or folder as it is found from anywhere.

    Raises `ConfigurationError` where none is given, `DataError`.
    """
    from swarm_chain.adapters.torch_trainer import TorchTrainer

    if data is None:
        raise ConfigurationError(f"which data? give --data as the task {task.name} takes it: {task.data_example}")
    TorchTrainer(task, data).check()
    return task.located(data)


def check_folder(choice: Choice, code: InvitationCode) -> bool:
    """Whether this node is configured already. Raises `ConfigurationError` where the folder is another node's."""
    if not choice.config_file.exists():
        return False
    found = load_node_config(choice.config_file)
    if (found.chain_id, found.contract, found.account) != (code.chain_id, code.contract, code.invitation.account):
        raise ConfigurationError(
            f"{choice.config_file} is the node of another swarm or account; choose another name with --name"
        )
    return True


def register(chain: Chain, code: InvitationCode, choice: Choice, *, is_configured: bool) -> Receipt | None:
    """The receipt of joining; None where the account joined in an earlier try that did not get to its configuration.

    Raises the contract's errors.
    """
    account = code.invitation.account
    status = chain.node_info(account).status
    if status not in (NodeStatus.UNREGISTERED, NodeStatus.REMOVED) and not is_configured:
        return None
    return chain.send(RegisterWithInvitation(invitation=code.invitation, signature=code.signature, label=choice.label))


def configure(
    code: InvitationCode,
    choice: Choice,
    task: TaskDocument,
    data: str,
    *,
    accepted: Digest | None = None,
    accepted_rule: Digest | None = None,
) -> NodeConfig:
    """The node's configuration, as it was written to its folder. Raises `ConfigurationError`.

    `accepted` is the digest of a task whose source may be run, `accepted_rule` that of a merge rule's source.
    """
    made = NodeConfig(
        chain_id=code.chain_id,
        rpc_urls=choice.rpc_urls,
        contract=code.contract,
        deployment_block=code.deployment_block,
        confirmations=choice.confirmations,
        account=code.invitation.account,
        keystore=choice.keystore,
        password_file=choice.password_file,
        label=choice.label,
        task=task.name,
        accepted_task=accepted,
        accepted_rule=accepted_rule,
        data=data,
        min_new_samples=0,
        journal=choice.folder / JOURNAL,
        stores=choice.stores,
        allow_private_addresses=choice.allow_private_addresses,
    )
    save_node_config(made, choice.config_file)
    return made


def _code_at(rpc_urls: tuple[str, ...], account: Address, chain_id: int) -> bytes:
    from swarm_chain.adapters.ethereum.endpoints import Endpoints
    from swarm_chain.adapters.ethereum.hexes import as_bytes, as_hex

    return as_bytes(Endpoints(rpc_urls, chain_id=chain_id).request("eth_getCode", as_hex(account), "latest"))
