"""Successors: swarms that start from a result of an earlier one, with the same task or another.

A task is fixed for a swarm's life, and so is its merge rule. What changes them, or goes back to an older model, is a
swarm of its own whose genesis links to that result.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, Final

from swarm_chain.core.cids import Cid, parse_cid
from swarm_chain.core.documents import FROZEN_WEIGHTS, MergeSettings, ShippedSource, TaskDocument, genesis
from swarm_chain.core.fields import Scalar
from swarm_chain.core.merge import read_rule_source
from swarm_chain.core.names import following
from swarm_chain.core.unixfs import File, find_file, import_bytes, read, walk
from swarm_chain.core.weights import WeightsFile, check_finite, decode, model_digest, shape_differences, specs_of
from swarm_chain.deployment.deployments import DEFAULT_NAME, Deployments
from swarm_chain.errors import InvalidCid, MalformedDocument, MalformedWeights, NotFinite, ShapeMismatch, TooLarge
from swarm_chain.genesis import Genesis, Start, make_genesis, put_genesis, read_source
from swarm_chain.models.reading import Agreed, SwarmReading
from swarm_chain.ports import Chain, UpdateStore
from swarm_chain.tasks import load_shipped
from swarm_chain.tasks.base import Task
from swarm_chain.tasks.hyperparameters import Hyperparameters
from swarm_chain.types import Address, Parameters, SwarmConfig

MAX_CARRIED: Final = 64 * 1024**3
"""Bytes of the largest file of an earlier swarm that a successor goes on with: frozen tensors, a rule's state."""
MAX_NAME: Final = 32


@dataclass(frozen=True, kw_only=True, slots=True)
class Ancestor:
    """A result of an earlier swarm, checked against its chain and its task, and what that swarm is."""

    chain_id: int
    contract: Address
    config: SwarmConfig
    agreed: Agreed
    weights: bytes
    store: UpdateStore

    @property
    def task(self) -> TaskDocument:
        """The earlier swarm's task."""
        return self.agreed.task

    @property
    def described(self) -> str:
        """The result in a few words."""
        which = f"round {self.agreed.number}" if self.agreed.number else "the genesis"
        return f"{which} of 0x{self.contract.hex()}"


def read_ancestor(chain: Chain, store: UpdateStore, *, number: int | None = None, depth: int = 0) -> Ancestor:
    """The result of a swarm's round as its chain has it `depth` blocks deep, with its weights; the head unless told.

    Raises `NoSuchResult`, `ResultMismatch`; `TooLarge`, `MalformedFile`, `MalformedWeights`, `ShapeMismatch`,
    `NotFinite` for what is no model of its task; and what chain and store do.
    """
    reading = SwarmReading(chain, store, depth=depth)
    agreed = reading.agreed(number)
    found = _read_weights(agreed, store)
    return Ancestor(
        chain_id=chain.chain_id,
        contract=chain.coordinator,
        config=reading.chronicle.config,
        agreed=agreed,
        weights=found,
        store=store,
    )


def _read_weights(agreed: Agreed, store: UpdateStore) -> bytes:
    """A result's weights, fetched and checked."""
    result, task = agreed.document, agreed.task
    what = f"round {result.round} cannot be started from"
    if result.bytes > task.update.max_bytes:
        raise TooLarge(f"{what}: it declares {result.bytes} bytes where its task allows {task.update.max_bytes}")
    found = b"".join(read(store.get, File(cid=result.weights, size=result.bytes)))
    try:
        with WeightsFile(found) as weights:
            if model_digest(weights.specs) != task.model:
                raise ShapeMismatch("its tensors are not the model of its task")
            check_finite(weights)
    except (MalformedWeights, ShapeMismatch, NotFinite) as error:
        raise type(error)(f"{what}: {error}; look at `swarm-chain audit`, and start from a round before it") from error
    return found


# -------------------------------------------------------------------------------------------------------------- genesis


def same_task(ancestor: Ancestor, merge: MergeSettings, changes: Mapping[str, Scalar]) -> Genesis:
    """What a swarm starts from that goes on with the earlier one's task, some hyper-parameters changed.

    The task's source is taken over, and nothing of it is run. Raises `TaskError` for a value that no training can use.
    """
    earlier = ancestor.task
    training = {**earlier.training, **changes}
    if changes:
        _check_training(earlier, training)
    document = replace(earlier, training=training, merge=merge)
    file = import_bytes(ancestor.weights)
    state = _state(ancestor, merge)
    return Genesis(
        task=document,
        result=genesis(document, weights=file.cid, size=file.size, base=ancestor.agreed.cid, state=state),
        weights=ancestor.weights,
        source=read_source(earlier, ancestor.store.get),
        rule=read_rule_source(merge),
    )


def other_task(ancestor: Ancestor, task: Task, merge: MergeSettings) -> Genesis:
    """What a swarm starts from that trains the earlier one's model by another task.

    Its shared tensors, and its frozen ones where both have some, must be the earlier swarm's. Raises `ShapeMismatch`,
    naming each that is not.
    """
    from swarm_chain.adapters.torch_trainer import initial_tensors

    shared, frozen = initial_tensors(task)
    with WeightsFile(ancestor.weights) as found:
        _require_same(task, ancestor, shape_differences(specs_of(shared), found.specs), "shared")
    carried = _frozen(ancestor) if frozen else {}
    if carried:
        _require_same(task, ancestor, shape_differences(specs_of(frozen), specs_of(carried)), "frozen")
    start = Start(weights=ancestor.weights, frozen=carried, base=ancestor.agreed.cid, state=_state(ancestor, merge))
    return make_genesis(task, merge, start=start)


def merge_after(
    earlier: MergeSettings,
    chosen: MergeSettings | None = None,
    *,
    max_samples: int | None = None,
    max_share_bps: int | None = None,
) -> MergeSettings:
    """The earlier swarm's merge settings, with the rule of `chosen` and the caps that were given instead."""
    rule = chosen or earlier
    return replace(
        rule,
        max_samples=earlier.max_samples if max_samples is None else max_samples,
        max_share_bps=earlier.max_share_bps if max_share_bps is None else max_share_bps,
    )


def put_successor(made: Genesis, ancestor: Ancestor, store: UpdateStore) -> None:
    """Puts documents and weights into a store, with what they link to or name of the earlier swarm's."""
    for link in _carried(made):
        for cid, block in walk(ancestor.store.get, _file(ancestor, link)):
            store.put(cid, block)
    store.put(ancestor.agreed.cid, ancestor.agreed.document.encode())
    put_genesis(made, store)


def _check_training(task: TaskDocument, training: Mapping[str, Scalar]) -> None:
    own = {name: value for name, value in training.items() if name != FROZEN_WEIGHTS}
    if isinstance(task.source, ShippedSource):
        load_shipped(task.source.name, own)
        return
    # Its own class is in source code that nobody has accepted here; what all tasks have can be checked without it.
    common = {field.name for field in fields(Hyperparameters)}
    known: dict[str, Any] = {name: value for name, value in own.items() if name in common}
    Hyperparameters(**known)


def _state(ancestor: Ancestor, merge: MergeSettings) -> Cid | None:
    """What the earlier swarm's rule carries from round to round: only the same rule can go on with it."""
    earlier = ancestor.task.merge
    is_same = (merge.rule, merge.source, dict(merge.parameters)) == (
        earlier.rule,
        earlier.source,
        dict(earlier.parameters),
    )
    return ancestor.agreed.document.state if is_same else None


def _frozen(ancestor: Ancestor) -> Parameters:
    """The earlier swarm's tensors that nobody trains."""
    link = _frozen_link(ancestor.task)
    if link is None:
        return {}
    return decode(b"".join(read(ancestor.store.get, _file(ancestor, link))))


def _frozen_link(task: TaskDocument) -> Cid | None:
    named = task.training.get(FROZEN_WEIGHTS)
    try:
        return None if named is None else parse_cid(str(named))
    except InvalidCid as error:
        raise MalformedDocument(f"the task {task.name} names no file of frozen tensors: {error}") from error


def _carried(made: Genesis) -> Iterator[Cid]:
    """Files that the documents name, and that are not at hand."""
    frozen = _frozen_link(made.task)
    rule = made.task.merge.source if made.rule is None else None
    yield from (link for link in (frozen if made.frozen is None else None, rule, made.result.state) if link is not None)


def _file(ancestor: Ancestor, link: Cid) -> File:
    return find_file(ancestor.store.get, link, max_bytes=MAX_CARRIED)


def _require_same(task: Task, ancestor: Ancestor, wrong: list[str], kind: str) -> None:
    if wrong:
        raise ShapeMismatch(
            f"the task {task.name} cannot start from {ancestor.described}, whose {kind} tensors are others: "
            f"{'; '.join(wrong)}; keep the model, or start anew without --from"
        )


# -------------------------------------------------------------------------------------------------------------- details


def config_after(earlier: SwarmConfig, made: Genesis, **given: object) -> SwarmConfig:
    """The earlier contract's configuration with the new documents, and with what was given instead."""
    task, first = made.task.digest(), made.result.digest()
    return replace(earlier, task_digest=task, genesis_digest=first, **given)  # type: ignore[arg-type]


def successor_name(
    deployments: Deployments,
    ancestor: Ancestor,
    config: SwarmConfig,
    *,
    chain_id: int,
    chain_start: bytes,
) -> str:
    """A name that no other swarm has: the earlier one's with the next free number, `default-2`.

    A deployment of exactly this configuration on this chain keeps its name, so that a second run does nothing.
    """
    known = deployments.on_chain(ancestor.chain_id)
    name = next((one.name for one in known if one.contract == ancestor.contract), DEFAULT_NAME)
    taken = {one.name: (one.config, one.chain_start) for one in deployments.on_chain(chain_id)}
    ours = (config, chain_start)
    return next(each for each in following(name, longest=MAX_NAME) if taken.get(each, ours) == ours)
