"""What `deploy` is about to put on a chain: a swarm of its own, or one that goes on with a result of an earlier one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from swarm_chain.errors import ConfigurationError
from swarm_chain.types import Address, SwarmConfig

if TYPE_CHECKING:
    from swarm_chain.adapters.web3_chain import Web3Chain
    from swarm_chain.core.documents import MergeSettings
    from swarm_chain.deployment.deployer import Deployer
    from swarm_chain.deployment.successor import Ancestor
    from swarm_chain.genesis import Genesis
    from swarm_chain.ports import UpdateStore
    from swarm_chain.tasks.base import Task


@dataclass(frozen=True, kw_only=True, slots=True)
class Wanted:
    """What was asked for. `given` are the options that were typed; a successor has the others from the earlier swarm.

    `limits` are those of the contract's settings that have the names of options.
    """

    task_name: str
    rule: str
    max_samples: int | None
    max_share_bps: int
    direct: bool
    seed: int | None
    settings: Sequence[tuple[str, str]]
    init: Path | None
    admin: Address | None
    limits: Mapping[str, Any]
    given: frozenset[str]

    @classmethod
    def of(cls, ctx: click.Context, **choices: Any) -> Wanted:
        """What a command's options say."""
        own = {name: choices.pop(name) for name in cls.__slots__ if name in choices}
        given = (name for name in ctx.params if ctx.get_parameter_source(name) is not ParameterSource.DEFAULT)
        return cls(**own, limits=choices, given=frozenset(given))


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """A swarm's configuration, and how its first documents get into a store. `earlier` is the swarm it comes from."""

    made: Genesis
    config: SwarmConfig
    put: Callable[[UpdateStore], None]
    earlier: tuple[Web3Chain, Ancestor] | None = None

    def free_name(self, deployer: Deployer, default: str) -> str:
        """What it is called unless told: for a successor, a name that no other swarm has."""
        from swarm_chain.deployment.deployments import Deployments
        from swarm_chain.deployment.successor import successor_name

        if self.earlier is None:
            return default
        start = deployer.chain_start()
        return successor_name(
            Deployments(), self.earlier[1], self.config, chain_id=deployer.chain_id, chain_start=start
        )


def first_plan(wanted: Wanted, deployer: Address) -> Plan:
    """A swarm that starts from its task's seed, or from a file. Raises what making a genesis does."""
    from swarm_chain.deployment import swarm_config
    from swarm_chain.genesis import make_genesis, put_genesis, start_from_file

    task = _task(wanted)
    made = make_genesis(task, _merge(wanted), start=start_from_file(task, wanted.init) if wanted.init else None)
    config = swarm_config(
        task_digest=made.task.digest(),
        genesis_digest=made.result.digest(),
        admin=wanted.admin or deployer,
        is_sealed=not wanted.direct,
        **wanted.limits,
    )
    return Plan(made=made, config=config, put=lambda store: put_genesis(made, store))


def successor_plan(wanted: Wanted, chain: Web3Chain, ancestor: Ancestor) -> Plan:
    """A swarm that starts from a result of an earlier one, and is like it in all that was not given."""
    from swarm_chain.deployment.successor import config_after, merge_after, other_task, put_successor, same_task

    merge = merge_after(
        ancestor.task.merge,
        _merge(wanted) if "rule" in wanted.given else None,
        max_samples=wanted.max_samples,
        max_share_bps=wanted.max_share_bps if "max_share_bps" in wanted.given else None,
    )
    if "task_name" in wanted.given:
        made = other_task(ancestor, _task(wanted), merge)
    else:
        made = same_task(ancestor, merge, _changes(wanted, ancestor))
    changed = {name: value for name, value in wanted.limits.items() if name in wanted.given}
    if "direct" in wanted.given:
        changed["is_sealed"] = not wanted.direct
    if wanted.admin is not None:
        changed["admin"] = wanted.admin
    return Plan(
        made=made,
        config=config_after(ancestor.config, made, **changed),
        put=lambda store: put_successor(made, ancestor, store),
        earlier=(chain, ancestor),
    )


def parse_setting(key: str, text: str, known: Mapping[str, Any]) -> object:
    """The value of a hyper-parameter, of the type it has. Raises `ConfigurationError`.

    >>> parse_setting("epochs", "7", {"epochs": 5})
    7
    """
    if key not in known:
        raise ConfigurationError(f"this task has no hyper-parameter {key}; it has {', '.join(sorted(known))}")
    kind = type(known[key])
    if kind is bool and text in ("true", "false"):
        return text == "true"
    try:
        return kind(text) if kind is not bool else int("no boolean")
    except ValueError:
        raise ConfigurationError(f"{key}={text} is no {kind.__name__}; write e.g. {key}={known[key]}") from None


def _task(wanted: Wanted) -> Task:
    """The task with the hyper-parameters that were given. Raises `TaskError`, `ConfigurationError`."""
    from swarm_chain.tasks import load_task

    task = load_task(wanted.task_name)
    training = task.hyperparameters.document()
    return load_task(wanted.task_name, {**training, **_settings(wanted, training)})


def _changes(wanted: Wanted, ancestor: Ancestor) -> dict[str, Any]:
    """The hyper-parameters of an earlier swarm's task that are to be others."""
    from swarm_chain.core.documents import FROZEN_WEIGHTS

    own = {name: value for name, value in ancestor.task.training.items() if name != FROZEN_WEIGHTS}
    return _settings(wanted, own)


def _settings(wanted: Wanted, known: Mapping[str, Any]) -> dict[str, Any]:
    """The hyper-parameters that were given, of the types of those that are known."""
    found: dict[str, Any] = {key: parse_setting(key, text, known) for key, text in wanted.settings}
    return found if wanted.seed is None else {**found, "seed": wanted.seed}


def _merge(wanted: Wanted) -> MergeSettings:
    from swarm_chain.core.documents import NO_CAP
    from swarm_chain.core.merge import parse_rule
    from swarm_chain.genesis import merge_settings

    rule = parse_rule(wanted.rule)
    return merge_settings(rule, max_samples=wanted.max_samples or NO_CAP, max_share_bps=wanted.max_share_bps)
