"""An agreed model as a module, for those who only use it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from torch.nn import Module

from swarm_chain.adapters.peer_stores import with_peers
from swarm_chain.adapters.stores import open_stores
from swarm_chain.adapters.torch_trainer import module_of
from swarm_chain.adapters.web3_chain import Web3Chain
from swarm_chain.api.acceptance import given_digest
from swarm_chain.api.joining import contract_address
from swarm_chain.api.tasks import agreed_task
from swarm_chain.config import is_development
from swarm_chain.core import weights
from swarm_chain.core.documents import TaskDocument
from swarm_chain.errors import ConfigurationError, TaskNotAccepted
from swarm_chain.genesis import task_of
from swarm_chain.membership.acceptance import accept, read_offer
from swarm_chain.models.reading import SwarmReading
from swarm_chain.models.weights import fetch_weights
from swarm_chain.ports import UpdateStore
from swarm_chain.tasks.base import Task
from swarm_chain.types import Digest, Parameters


def load_model(
    rpc_url: str | Sequence[str],
    contract: str | bytes,
    *,
    store: str | Sequence[str],
    round: int | None = None,  # noqa: A002  it is what a user would call it
    task: str | Task | type[Task] | None = None,
    accept_task: str | bytes | None = None,
) -> Module:
    """The model that a swarm agreed on in a round, the newest unless told: its module, in evaluation mode.

    Needs no account and no data. The chain says which result it is; every byte is checked against its CID.

    `rpc_url`: one or more endpoints. `contract`: the swarm's address. `store`: where documents and weights lie,
    `local:PATH`, one or several. `round`: 0 is what the swarm started from.
    `task`: the swarm's task, which must be the same to the byte: the name of one that ships, `my_task.py:MyTask`, a
    class or an object; not needed for one that ships. A task whose source only the store has is run where its digest
    is given as `accept_task`: read it with `swarm-chain task show`.
    Layers that the task keeps private are as its seed makes them: no node has shared its own.

    Raises `NoSuchResult`, `ResultMismatch`, `TaskNotAccepted`, `TaskMismatch`, and what chain and store do.
    """
    accepted = given_digest(accept_task, "accept_task", "a task")
    urls = [rpc_url] if isinstance(rpc_url, str) else list(rpc_url)
    own = open_stores([store] if isinstance(store, str) else list(store), writable=False)
    chain = Web3Chain.connect(urls, contract_address(contract))
    opened = with_peers(own, chain, allow_private=is_development(chain.chain_id, urls))
    return model_in(SwarmReading(chain, opened), round, task=task, accept_task=accepted)


def model_in(
    reading: SwarmReading,
    number: int | None = None,
    *,
    task: str | Task | type[Task] | None = None,
    accept_task: Digest | None = None,
) -> Module:
    """The module of a round's result, as `load_model` gives it."""
    agreed = reading.agreed(number)
    chosen = _task(task, agreed.task, reading.store, accept_task)
    with TemporaryDirectory(prefix="swarm-chain-model-") as folder:
        path = Path(folder) / "weights"
        fetch_weights(reading.store, agreed.document, agreed.task, path)
        parameters: Parameters = weights.load(path)
    return module_of(chosen, parameters).eval()


def _task(
    given: str | Task | type[Task] | None, document: TaskDocument, store: UpdateStore, accepted: Digest | None
) -> Task:
    """The swarm's task, of which nothing was run that nobody accepted."""
    if accepted is None:
        try:
            return agreed_task(given, document, store)
        except TaskNotAccepted as error:
            raise TaskNotAccepted(f"{error}; or give accept_task='0x{document.digest().hex()}'") from None
    if given is not None:
        raise ConfigurationError("give task or accept_task, not both: one's own task needs no acceptance")
    return task_of(document, store.get, accepted=accept(read_offer(document, store), store, digest=accepted))
