"""Successors: what a swarm starts from that goes on with a result of an earlier one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch

from swarm_chain.core import weights
from swarm_chain.core.cids import document_cid
from swarm_chain.core.documents import FROZEN_WEIGHTS, MergeSettings, ResultDocument
from swarm_chain.core.lineage import MAX_LINKS, Origin, earlier_results, origin_of
from swarm_chain.core.unixfs import import_bytes
from swarm_chain.deployment import successor
from swarm_chain.deployment.deployments import Deployment, Deployments
from swarm_chain.deployment.successor import Ancestor, merge_after, other_task, read_ancestor, same_task
from swarm_chain.errors import (
    BlockNotFound,
    MalformedDocument,
    NoSuchResult,
    NotFinite,
    ResultMismatch,
    ShapeMismatch,
    TaskError,
)
from swarm_chain.tasks.base import Task
from swarm_chain.types import Address, BlockNumber, OpenRound, Seconds, SwarmConfig
from tests.chains import MemoryWorld
from tests.histories import Made, Script, changed
from tests.unit.test_audit_blocks import Broken, blocks_of


class Net(torch.nn.Module):
    """The tensors of `histories.START`."""

    def __init__(self, outputs: int = 2) -> None:
        super().__init__()
        self.dense = torch.nn.Linear(3, outputs, bias=False)
        self.dense.bias = torch.nn.Parameter(torch.zeros(3))
        self.bn = torch.nn.Module()
        self.bn.register_buffer("batches", torch.zeros(1, dtype=torch.int64))
        self.body = torch.nn.Module()
        self.body.scale = torch.nn.Parameter(torch.ones(4))


class Other(Task):
    """Another task for the same model, of which `body` is frozen."""

    name: ClassVar[str] = "other"
    frozen: ClassVar[tuple[str, ...]] = ("body.*",)

    def model(self) -> torch.nn.Module:
        return Net()

    def loss(self, outputs: Any, targets: Any) -> torch.Tensor:
        return torch.nn.functional.mse_loss(outputs, targets)


class Wider(Other):
    """A task whose model has other tensors."""

    def model(self) -> torch.nn.Module:
        return Net(outputs=5)


@pytest.fixture
def script() -> Script:
    """A swarm with two finalised rounds."""
    made = Script(MemoryWorld)
    made.round()
    made.round()
    return made


def ancestor_of(script: Script, number: int | None = None, **options: Any) -> Ancestor:
    return read_ancestor(script.world.chain(None), options.pop("store", script.store), number=number, **options)


# ------------------------------------------------------------------------------------------------------------ ancestors


@pytest.mark.parametrize("number", [None, 0, 1, 2])
def test_read_ancestor__a_round_with_a_result__has_its_weights(script: Script, number: int | None) -> None:
    digest = [script.genesis, *script.results][-1 if number is None else number]

    found = ancestor_of(script, number)

    assert found.agreed.digest == digest
    assert found.weights == weights.encode(script.parameters_of(digest))
    assert (found.config, found.contract) == (script.config, script.world.chain(None).coordinator)


def test_read_ancestor__a_round_without_a_result__is_refused_and_says_which_to_take(script: Script) -> None:
    script.submit()
    script.close_late()

    with pytest.raises(NoSuchResult, match=r"round 3 was aborted.* that of round 2"):
        ancestor_of(script, 3)
    with pytest.raises(NoSuchResult, match="there is no round 9"):
        ancestor_of(script, 9)


def test_read_ancestor__a_result_that_is_not_deep_enough__is_not_taken(script: Script) -> None:
    assert ancestor_of(script, depth=1).agreed.number == 1
    with pytest.raises(NoSuchResult, match="round 2 still runs"):
        ancestor_of(script, 2, depth=1)


def test_read_ancestor__no_store_has_its_weights__is_refused(script: Script) -> None:
    gone = script.result(script.results[0]).weights

    with pytest.raises(BlockNotFound):
        ancestor_of(script, 1, store=Broken(blocks_of(script.store), gone=gone))


def test_read_ancestor__a_quorum_agreed_on_nan__is_refused(script: Script) -> None:
    def forge(made: Made) -> ResultDocument:
        return replace(made.document, weights=script.keep(changed(made, "dense.bias", (0,), lambda _: np.nan)).cid)

    script.round(forge=forge)

    with pytest.raises(NotFinite, match=r"round 3 cannot be started from: .*start from a round before it"):
        ancestor_of(script)


def test_read_ancestor__a_quorum_agreed_on_another_model__is_refused(script: Script) -> None:
    def forge(made: Made) -> ResultDocument:
        file = script.keep({"dense.bias": np.zeros(3, np.float32)})
        return replace(made.document, weights=file.cid, bytes=file.size)

    script.round(forge=forge)

    with pytest.raises(ShapeMismatch, match="round 3 cannot be started from"):
        ancestor_of(script)


def test_read_ancestor__a_result_that_names_another_swarm__is_refused(script: Script) -> None:
    script.round(forge=lambda made: replace(made.document, contract=Address(b"\x07" * 20)))

    with pytest.raises(ResultMismatch, match="another contract"):
        ancestor_of(script)


def test_read_ancestor__while_a_round_runs__is_the_head_before_it(script: Script) -> None:
    script.world.chain(1).send(OpenRound())

    assert ancestor_of(script).agreed.number == 2


# ------------------------------------------------------------------------------------------------------------ same task


def test_same_task__nothing_changed__starts_where_the_round_ended_with_the_same_task(script: Script) -> None:
    ancestor = ancestor_of(script, 1)

    made = same_task(ancestor, merge_after(ancestor.task.merge), {})

    assert made.task.digest() == script.task.digest()
    assert made.result.weights == script.result(script.results[0]).weights
    assert made.result.base == document_cid(script.results[0])
    assert (made.result.round, made.result.contract, made.result.state) == (0, None, None)


def test_same_task__put__is_whole_in_a_store_of_its_own(script: Script) -> None:
    ancestor = ancestor_of(script, 1)
    made = same_task(ancestor, ancestor.task.merge, {})
    store = Broken({})

    successor.put_successor(made, ancestor, store)

    assert store.get(made.result.cid()) == made.result.encode()
    assert store.get(ancestor.agreed.cid) == ancestor.agreed.document.encode()
    assert store.get(made.result.weights) == ancestor.weights


def with_task(script: Script, **changes: Any) -> Ancestor:
    """An ancestor whose task says something else."""
    ancestor = ancestor_of(script)
    return replace(ancestor, agreed=replace(ancestor.agreed, task=replace(ancestor.task, **changes)))


def test_same_task__from_source__takes_it_over_and_runs_nothing(script: Script, tmp_path: Path) -> None:
    source = f"open({str(tmp_path / 'ran')!r}, 'w')\n".encode()
    ancestor = with_task(script, source=import_bytes(source, script.store.put).cid)

    made = same_task(ancestor, ancestor.task.merge, {"epochs": 7})

    assert made.source == source
    assert made.task.training["epochs"] == 7
    assert not (tmp_path / "ran").exists()


def test_same_task__from_source_with_a_value_that_none_can_use__is_refused(script: Script) -> None:
    ancestor = with_task(script, source=import_bytes(b"", script.store.put).cid)

    with pytest.raises(TaskError, match="epochs is 0"):
        same_task(ancestor, ancestor.task.merge, {"epochs": 0})


def test_same_task__with_frozen_tensors__carries_their_file_on(script: Script) -> None:
    file = script.keep({"body.scale": np.full(4, 3, np.float32)})
    ancestor = with_task(script, training={"epochs": 1, FROZEN_WEIGHTS: str(file.cid)})
    made, store = same_task(ancestor, ancestor.task.merge, {}), Broken({})

    successor.put_successor(made, ancestor, store)

    assert made.task.training[FROZEN_WEIGHTS] == str(file.cid)
    assert store.has(file.cid)


def test_same_task__state_of_the_rule__goes_on_with_the_same_rule_only(script: Script) -> None:
    state = script.keep({"velocity": np.zeros(3, np.float32)}).cid
    ancestor = ancestor_of(script)
    document = replace(ancestor.agreed.document, state=state)
    ancestor = replace(ancestor, agreed=replace(ancestor.agreed, digest=document.digest(), document=document))
    store = Broken({})

    same = same_task(ancestor, merge_after(ancestor.task.merge, max_samples=9), {})
    other = same_task(ancestor, merge_after(ancestor.task.merge, MergeSettings(rule="mean")), {})
    successor.put_successor(same, ancestor, store)

    assert (same.result.state, other.result.state) == (state, None)
    assert store.has(state)


def test_merge_after__what_is_not_given__is_as_before() -> None:
    earlier = MergeSettings(rule="trimmed_mean", parameters={"f": 1}, max_samples=500, max_share_bps=4000)

    assert merge_after(earlier) == earlier
    assert merge_after(earlier, max_share_bps=5000) == replace(earlier, max_share_bps=5000)
    assert merge_after(earlier, MergeSettings(rule="mean")) == MergeSettings(
        rule="mean", max_samples=500, max_share_bps=4000
    )


# ----------------------------------------------------------------------------------------------------------- other task


def test_other_task__the_same_shared_tensors__starts_from_the_result(script: Script) -> None:
    ancestor = ancestor_of(script, 2)

    made = other_task(ancestor, Other(), ancestor.task.merge)

    assert (made.task.name, made.task.model) == ("other", script.task.model)
    assert made.result.weights == script.result(script.results[1]).weights
    assert made.result.base == document_cid(script.results[1])


def test_other_task__frozen_tensors_of_the_earlier_swarm__go_on(script: Script) -> None:
    file = script.keep({"body.scale": np.full(4, 3, np.float32)})
    ancestor = with_task(script, training={"epochs": 1, FROZEN_WEIGHTS: str(file.cid)})

    made = other_task(ancestor, Other(), ancestor.task.merge)

    assert made.task.training[FROZEN_WEIGHTS] == str(file.cid)
    assert made.frozen == weights.encode({"body.scale": np.full(4, 3, np.float32)})


def test_other_task__frozen_tensors_are_others__names_each(script: Script) -> None:
    file = script.keep({"head.scale": np.full(4, 3, np.float32)})
    ancestor = with_task(script, training={"epochs": 1, FROZEN_WEIGHTS: str(file.cid)})

    with pytest.raises(ShapeMismatch, match=r"frozen tensors are others: missing .*body\.scale.*head\.scale"):
        other_task(ancestor, Other(), ancestor.task.merge)


def test_other_task__tensors_differ__names_each_and_is_refused(script: Script) -> None:
    ancestor = ancestor_of(script, 2)

    with pytest.raises(ShapeMismatch) as refused:
        other_task(ancestor, Wider(), ancestor.task.merge)

    said = str(refused.value)
    assert "cannot start from round 2 of 0xc0c0" in said
    assert "dense.weight" in said
    assert "dense.bias" not in said


# -------------------------------------------------------------------------------------------------- configuration, name


def test_config_after__what_is_not_given__is_the_earlier_contracts(script: Script) -> None:
    made = same_task(ancestor_of(script), script.task.merge, {})

    config = successor.config_after(script.config, made, reveal_window=Seconds(77))

    assert config == replace(
        script.config,
        task_digest=made.task.digest(),
        genesis_digest=made.result.digest(),
        reveal_window=Seconds(77),
    )


@pytest.fixture
def deployments(tmp_path: Path, script: Script) -> Deployments:
    """A file with swarms `lab` and `lab-2` on chain 31337."""
    made = Deployments(tmp_path / "deployments.json")
    for number, name in enumerate(("lab", "lab-2", "x" * 32), start=1):
        contract = Address(bytes([number]) * 20)
        deployment = Deployment(
            name=name, chain_id=31337, chain_start=bytes(32), config=script.config, deployer=contract, contract=contract
        )
        made.save(replace(deployment, block=BlockNumber(1)))
    return made


def name_of(
    deployments: Deployments, script: Script, earlier: int, config: SwarmConfig, start: bytes = bytes(32)
) -> str:
    ancestor = replace(ancestor_of(script), contract=Address(bytes([earlier]) * 20))
    return successor.successor_name(deployments, ancestor, config, chain_id=31337, chain_start=start)


@pytest.mark.parametrize(("earlier", "name"), [(1, "lab-3"), (2, "lab-3"), (3, "x" * 30 + "-2"), (9, "default-2")])
def test_successor_name__not_given__is_one_that_is_free(
    deployments: Deployments, script: Script, earlier: int, name: str
) -> None:
    assert name_of(deployments, script, earlier, replace(script.config, absence_limit=99)) == name


def test_successor_name__deployed_with_this_configuration_already__is_that_one(
    deployments: Deployments, script: Script
) -> None:
    assert name_of(deployments, script, 1, script.config) == "lab-2"


def test_successor_name__deployed_so_on_another_chain_of_that_id__is_a_free_one(
    deployments: Deployments, script: Script
) -> None:
    assert name_of(deployments, script, 1, script.config, start=b"\x01" * 32) == "lab-3"


# -------------------------------------------------------------------------------------------------------------- lineage


def test_origin_of__a_genesis_of_a_finalised_result__is_what_that_says_of_itself(script: Script) -> None:
    first = replace(script.result(script.genesis), base=document_cid(script.results[1]))

    found = origin_of(first, lambda link: script.result(link.digest))

    assert found == Origin(
        result=script.results[1], chain_id=31337, contract=script.world.chain(None).coordinator, round=script.number
    )


def test_origin_of__geneses_one_behind_the_other__is_behind_them(script: Script) -> None:
    links = [document_cid(script.results[0])]
    for _ in range(3):
        links.append(document_cid(script.put(replace(script.result(script.genesis), base=links[-1]))))
    *_, last = links

    read = lambda link: script.result(link.digest)  # noqa: E731
    found = list(earlier_results(script.result(last.digest), read))

    assert [one.cid() for one in found] == [links[2], links[1], links[0]]
    assert origin_of(script.result(last.digest), read) == Origin.of(found[-1])


def test_origin_of__a_swarm_that_starts_from_a_seed__is_none(script: Script) -> None:
    assert origin_of(script.result(script.genesis), lambda link: script.result(link.digest)) is None


def test_earlier_results__geneses_without_end__are_not_followed(script: Script) -> None:
    link = document_cid(script.results[0])
    for _ in range(MAX_LINKS + 1):
        link = document_cid(script.put(replace(script.result(script.genesis), base=link)))

    with pytest.raises(MalformedDocument, match="more than 64 geneses"):
        list(earlier_results(script.result(link.digest), lambda one: script.result(one.digest)))
