"""A node of a swarm whose training is the user's own code, in a script or a notebook."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self, TypeGuard

from torch.nn import Module

from swarm_chain.adapters.torch_trainer import initial_parameters, module_of
from swarm_chain.agent.heads import Head
from swarm_chain.api.acceptance import given_digest, use_rule
from swarm_chain.api.held import HeldModel
from swarm_chain.api.joining import admission, find_swarm, node_folder, note_swarm, register
from swarm_chain.api.measuring import Evaluate, Examples, Measure
from swarm_chain.api.rounds import Round
from swarm_chain.api.session import Session, Turn
from swarm_chain.api.tasks import agreed_task
from swarm_chain.api.wiring import open_session
from swarm_chain.config.serving import AUTO
from swarm_chain.core import weights
from swarm_chain.core.weights import specs_of
from swarm_chain.errors import ConfigurationError
from swarm_chain.tasks.base import NodeData, Task
from swarm_chain.types import Metrics, SwarmInfo

if TYPE_CHECKING:
    from eth_account.signers.local import LocalAccount

    from swarm_chain.accounts import Signer


class SwarmNode:
    """One node of a swarm. Use it in a `with` statement, or call `close`: it then suspends itself, as an agent does.

    Nothing happens while the user's code runs, but that a thread serves its blocks where peers are on other machines.
    Everything that it does is in its journal, so that a process that was killed goes on where it was when it joins
    again.
    """

    def __init__(self, *, session: Session, held: HeldModel, measure: Measure, examples: Examples | None) -> None:
        """For `join`: a node that is wired already, and whose model holds the head."""
        self._session = session
        self._held = held
        self._measure = measure
        self._examples = examples

    @classmethod
    def join(
        cls,
        rpc_url: str | Sequence[str] | None,
        contract: str | bytes,
        account: str | Path | bytes | Signer | LocalAccount,
        *,
        store: str | Sequence[str] | None = None,
        task: str | Task | type[Task] | None = None,
        model: Module | None = None,
        data: str | Path | NodeData | None = None,
        evaluate: Evaluate | None = None,
        password: str | None = None,
        name: str | None = None,
        label: str | None = None,
        folder: str | Path | None = None,
        confirmations: int | None = None,
        serve: str = AUTO,
        accept_rule: str | bytes | None = None,
    ) -> Self:
        """The account's node in a swarm: registered now, or gone on with where it was.

        `rpc_url`: one or more endpoints; None takes those of an invitation.
        `contract`: its address, or an invitation code, `swarm1_…`. Where registration is open, the address is enough.
        `account`: a keystore's name, address or path, a private key, an account of eth-account, or on a development
        chain `dev0`, `dev1`, …; `password` opens a keystore, without it `$SWARM_CHAIN_PASSWORD`.
        `store`: where documents and weights lie, `local:PATH`, one or several; without it the invitation's.
        `task`: the swarm's task, which must be the same to the byte: the name of one that ships, `my_task.py:MyTask`, a
        class or an object. It may be left out for one that ships.
        `model`: the module that takes the swarm's parameters; without it the task's own, as `node.model`.
        `data`: this node's own, as the task takes it; the task then measures models on what it holds out.
        `evaluate`: measures a module instead: a function that returns names and numbers.
        `name`: what this machine calls the node; `folder`: where it keeps its journal, in place of that name's folder.
        `label`: what peers call it, public for ever; without it the account's name.
        `confirmations`: blocks on top of one before it is believed; 0 on a development chain, else 3.
        `serve`: where peers on other machines fetch this node's blocks: `auto`, `HOST:PORT` of this machine, or `off`.
        `accept_rule`: the digest of the swarm's merge rule, where that is source code: only then it runs here.

        Everything is checked before anything is sent. Raises what chain, store and keystore do, `TaskMismatch`,
        `RuleNotAccepted`, `ShapeMismatch`, `DataError`, and the contract's own errors.
        """
        data = str(data) if isinstance(data, Path) else data
        _check(data, evaluate, confirmations)
        found = find_swarm(_several(rpc_url), contract, account, password=password, stores=_several(store))
        call = admission(found, label)
        agreed = agreed_task(task, found.document, found.store)
        use_rule(found.document.merge, found.store, given_digest(accept_rule, "accept_rule", "a merge rule"))
        examples = None if data is None else Examples(agreed, data)
        shared = initial_parameters(agreed)
        held = HeldModel(module_of(agreed, shared) if model is None else model, agreed, specs_of(shared))
        measure = Measure(held, evaluate=evaluate, examples=examples)
        kept = node_folder(found, name, folder)
        session = open_session(
            found,
            kept,
            measure.base,
            data=data if isinstance(data, str) else "",
            confirmations=confirmations,
            serve=serve,
        )
        node = cls(session=session, held=held, measure=measure, examples=examples)
        try:
            node.take_head()
            held.take_private(session.memory())
            if call is not None:
                register(found, call)
        except BaseException:
            session.abandon()
            raise
        note_swarm(found, kept)
        return node

    @property
    def model(self) -> Module:
        """The module that holds the swarm's parameters: the one that `join` was given, else the task's own."""
        return self._held.module

    @property
    def data(self) -> NodeData:
        """This node's examples, read anew: `training`, and `held_out` to judge models by."""
        if self._examples is None:
            raise ConfigurationError("which data? give SwarmNode.join(…, data=…) as the swarm's task takes it")
        return self._examples.open()

    @property
    def swarm(self) -> SwarmInfo:
        """The swarm at a glance, as the chain shows it now: its head, how many nodes are active, rounds finalised."""
        return self._session.swarm()

    def head(self) -> Head:
        """The model that the swarm agreed on last: its digest, its document, and a file with its weights."""
        return self._session.head()

    def rounds(self, *, limit: int | None = None, until: int | tuple[str, float] | None = None) -> Iterator[Round]:
        """The rounds to train in, each once the model holds what it starts from; without an end, for ever.

        `limit` ends after so many of this loop's rounds. `until` ends once the swarm has finalised so many rounds since
        its deployment, in which all nodes can end together; or once a metric of the head, on this node's held-out data,
        is so good: `("accuracy", 0.95)`. Either way the last round is brought to its end first, and the model then
        holds what the swarm agreed on.

        Between two rounds this node does all that an agent does. A round in whose turn the loop's body contributes
        nothing is sat out. Raises what an agent does: errors that may pass are logged, and tried again later and later.
        """
        if limit is not None and not (_is_count(limit) and limit >= 1):
            raise ConfigurationError(f"limit is {limit!r}: give a number of rounds from 1 on")
        if not (until is None or _is_count(until) or _is_condition(until)):
            raise ConfigurationError(f"until is {until!r}: give a number of rounds, or a metric as ('accuracy', 0.95)")
        return self._rounds(limit, until)

    def evaluate(self, model: Module | None = None) -> Metrics:
        """The metrics of a module on this node's held-out data; of `node.model` unless told."""
        if not self._measure.is_there:
            raise ConfigurationError("measured by what? give SwarmNode.join(…, evaluate=…) a function, or data=…")
        module = model or self.model
        return self._measure.trained(module, *self._held.outcome_of(module, self._session.memory()))

    def take_head(self) -> None:
        """Makes the model hold what the swarm agreed on last, whatever it held before."""
        self._held.take(weights.load(self.head().weights))

    def close(self) -> None:
        """Suspends the node, so that no peer waits for it, and closes its journal. `join` goes on from there.

        Where peers on other machines read this node's blocks, it returns once nobody has for a quarter of a minute.
        """
        self._session.close(in_order=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._session.close(in_order=kind is None)

    def _rounds(self, limit: int | None, until: int | tuple[str, float] | None) -> Iterator[Round]:
        finalized, condition = (until, None) if isinstance(until, int) else (None, until)
        self._session.aim(finalized=finalized, until=condition)
        begun = 0
        while (turn := self._session.next_turn()) is not None and begun != limit:
            begun += 1
            if begun == limit:
                one_more = self.swarm.finalized_rounds + 1
                self._session.aim(finalized=min(one_more, finalized or one_more), until=condition)
            round_ = self._begin(turn)
            yield round_
            round_.end()
        self._held.take(weights.load(self._session.adopted().weights))

    def _begin(self, turn: Turn) -> Round:
        base_metrics = self._measure.base(turn.parameters, self._session.memory())
        self._held.take(turn.parameters)
        return Round(
            number=turn.round,
            base=turn.base,
            base_metrics=base_metrics,
            session=self._session,
            held=self._held,
            measure=self._measure,
        )


def _check(data: object, evaluate: object, confirmations: object) -> None:
    """Returns if these can be used. Raises `ConfigurationError`: otherwise the first round would be the one to fail."""
    if not isinstance(data, str | NodeData | None):
        raise ConfigurationError(f"data is of type {type(data).__name__}: give what the task takes, or NodeData")
    if not (evaluate is None or callable(evaluate)):
        raise ConfigurationError(f"evaluate is {evaluate!r}: give a function that takes a module")
    if not (confirmations is None or (_is_count(confirmations) and confirmations >= 0)):
        raise ConfigurationError(f"confirmations is {confirmations!r}: give a number of blocks from 0 on")


def _is_count(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_condition(value: object) -> bool:
    is_pair = isinstance(value, tuple) and len(value) == 2
    return is_pair and isinstance(value[0], str) and isinstance(value[1], int | float)  # type: ignore[index]


def _several(given: str | Sequence[str] | None) -> tuple[str, ...]:
    return () if given is None else (given,) if isinstance(given, str) else tuple(given)
