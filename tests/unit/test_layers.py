"""Private tensors never leave their node; frozen ones are the same everywhere, and travel once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from swarm_chain.adapters.memory import MemoryStore
from swarm_chain.adapters.torch_trainer import PRIVATE, TorchTrainer, initial_parameters, initial_tensors, module_of
from swarm_chain.core import unixfs, weights
from swarm_chain.core.cids import parse_cid
from swarm_chain.core.documents import FROZEN_WEIGHTS, MergeSettings
from swarm_chain.errors import BlockNotFound, NotFinite, ShapeMismatch, TaskError, TaskMismatch
from swarm_chain.genesis import Genesis, Start, hyperparameters_in, make_genesis, put_genesis, same_task
from swarm_chain.tasks.layers import Layers
from swarm_chain.types import Parameters, RoundNumber, TrainingOutcome
from tests.own_tasks import Parts, Tied
from tests.swarm import TorchSwarm

NAMES = ("body.bias", "body.weight", "head.bias", "head.weight", "stem.weight")
SHARED = {"body.bias", "body.weight"}
MERGE = MergeSettings(rule="weighted_mean")


def train(task: Parts, base: Parameters, memory: Parameters, number: int, data: str = "1") -> TrainingOutcome:
    return TorchTrainer(task, data).train(
        base, memory=memory, round_number=RoundNumber(number), on_progress=lambda done: None
    )


def same(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    return one.keys() == other.keys() and all(np.array_equal(one[name], other[name]) for name in one)


# ------------------------------------------------------------------------------------------------------------- patterns


def test_layers__patterns__every_tensor_is_in_one_of_the_three() -> None:
    found = Layers.of(NAMES, private=("head.*",), frozen=("stem.weight",))
    assert found == Layers(
        shared=frozenset(SHARED), private=frozenset({"head.bias", "head.weight"}), frozen=frozenset({"stem.weight"})
    )


def test_layers__several_patterns_for_a_tensor__are_no_trouble() -> None:
    found = Layers.of(NAMES, private=("head.*", "*.bias"), frozen=())
    assert found.private == {"head.bias", "head.weight", "body.bias"}


def test_layers__none__shares_everything() -> None:
    assert Layers.of(NAMES, private=(), frozen=()).shared == set(NAMES)


@pytest.mark.parametrize("kind", ["private", "frozen"])
def test_layers__pattern_that_fits_nothing__names_it_and_the_tensors(kind: str) -> None:
    patterns = {"private": (), "frozen": (), kind: ("haed.*",)}
    with pytest.raises(TaskError, match=r"no tensor 'haed\.\*'; it has body\.bias, .*stem\.weight"):
        Layers.of(NAMES, private=patterns["private"], frozen=patterns["frozen"])


def test_layers__private_and_frozen_at_once__names_the_tensors() -> None:
    with pytest.raises(TaskError, match=r"private and frozen at once: head\.bias; choose one"):
        Layers.of(NAMES, private=("head.*",), frozen=("head.bias",))


def test_layers__nothing_left_to_share__is_refused() -> None:
    with pytest.raises(TaskError, match="leave one for the swarm"):
        Layers.of(NAMES, private=("head.*", "body.*"), frozen=("stem.*",))


@pytest.mark.parametrize("patterns", ["head.*", ("head.*", 3), 3, None])
def test_layers__no_tuple_of_texts__is_refused(patterns: Any) -> None:
    with pytest.raises(TaskError, match=r"give a tuple of patterns, like \('head\.\*',\)"):
        Layers.of(NAMES, private=patterns, frozen=())


def test_layers__no_tensors__says_so() -> None:
    with pytest.raises(TaskError, match="the model has no tensors"):
        Layers.of((), private=(), frozen=())


# ----------------------------------------------------------------------------------------------------------------- tied


@pytest.mark.parametrize("kind", ["private", "frozen"])
def test_train__one_name_of_a_tied_tensor_alone__is_refused(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Tied, kind, ("2.weight",))
    for do in (lambda: initial_parameters(Tied()), lambda: train(Tied(), initial_parameters(Parts()), {}, 1)):
        with pytest.raises(TaskError, match=r"0\.weight and 2\.weight are one tensor of the model: name all of them"):
            do()


@pytest.mark.parametrize("kind", ["private", "frozen"])
def test_train__all_names_of_a_tied_tensor__stay_or_are_fixed(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Tied, kind, ("0.weight", "2.weight"))
    outcome = train(Tied(), initial_parameters(Tied()), {}, 1)
    assert outcome.parameters.keys() == {"0.bias", "2.bias", "3.bias", "3.weight"}
    assert len(outcome.memory) == (2 if kind == "private" else 0)


def test_swarm__tied_tensors__stay_one_through_every_merge(tmp_path: Path) -> None:
    swarm = TorchSwarm(tmp_path, Tied, ["1", "2"])
    swarm.run(rounds=2)
    head = swarm.parameters_of(swarm.head())
    assert np.array_equal(head["0.weight"], head["2.weight"])
    assert not np.array_equal(head["0.weight"], initial_parameters(Tied())["0.weight"])


# -------------------------------------------------------------------------------------------------------------- private


def test_train__private_tensors__are_trained_and_in_the_memory_alone() -> None:
    task = Parts()
    base = initial_parameters(task)
    outcome = train(task, base, {}, 1)
    assert base.keys() == outcome.parameters.keys() == SHARED
    assert outcome.memory.keys() == {PRIVATE + "head.bias", PRIVATE + "head.weight"}
    fresh = module_of(task, base).state_dict()
    assert not np.array_equal(outcome.memory[PRIVATE + "head.weight"], fresh["head.weight"])


def test_train__memory_given__goes_on_from_its_private_tensors() -> None:
    task = Parts()
    first = train(task, initial_parameters(task), {}, 1)
    second = train(task, first.parameters, first.memory, 2)
    assert second.base_metrics == first.local_metrics
    assert second.local_metrics["loss"] < first.local_metrics["loss"]
    forgetful = train(task, first.parameters, {}, 2)
    assert forgetful.base_metrics["loss"] > first.local_metrics["loss"]


def test_train__memory_of_another_model__names_each_tensor() -> None:
    task = Parts()
    memory = {PRIVATE + "head.bias": np.zeros(2, np.float32), PRIVATE + "tail": np.zeros(1, np.float32)}
    with pytest.raises(ShapeMismatch, match=r"head\.weight is missing; tail is unknown; head\.bias is float32 \(2,\)"):
        train(task, initial_parameters(task), memory, 1)


def test_module_of__with_a_memory__has_the_nodes_own_layers() -> None:
    task = Parts()
    outcome = train(task, initial_parameters(task), {}, 1)
    module = module_of(task, outcome.parameters, memory=outcome.memory)
    assert np.array_equal(module.state_dict()["head.weight"].numpy(), outcome.memory[PRIVATE + "head.weight"])


# --------------------------------------------------------------------------------------------------------------- frozen


def test_train__frozen_tensors__stay_as_they_were_statistics_too() -> None:
    task = Parts()
    before = module_of(task, initial_parameters(task)).state_dict()
    seen: list[dict[str, Any]] = []

    class Watching(Parts):
        def train(self, model: torch.nn.Module, examples: Any, on_progress: Any) -> None:
            assert {name for name, one in model.named_parameters() if not one.requires_grad} == {
                "stem.0.weight", "stem.0.bias", "stem.1.weight", "stem.1.bias",
            }  # fmt: skip
            super().train(model, examples, on_progress)
            seen.append({name: tensor.clone() for name, tensor in model.state_dict().items()})

    watching = Watching()
    outcome = train(watching, initial_parameters(watching), {}, 1)
    assert not torch.equal(seen[0]["stem.1.running_mean"], before["stem.1.running_mean"])
    after = module_of(task, outcome.parameters).state_dict()
    frozen = {name for name in after if name.startswith("stem.")}
    assert len(frozen) == 7
    assert all(torch.equal(after[name], before[name]) for name in frozen)
    assert outcome.parameters.keys() == SHARED


def test_train__own_loop_that_moves_frozen_tensors__moves_them_in_vain() -> None:
    class Careless(Parts):
        def train(self, model: torch.nn.Module, examples: Any, on_progress: Any) -> None:
            with torch.no_grad():
                for parameter in model.parameters():
                    parameter += 1

    task = Careless()
    base = initial_parameters(task)
    outcome = train(task, base, {}, 1)
    assert np.allclose(outcome.parameters["body.bias"], base["body.bias"] + 1)
    assert outcome.local_metrics == TorchTrainer(task, "1").evaluate(outcome.parameters, memory=outcome.memory)


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


def made(store: MemoryStore, start: Start | None = None) -> Genesis:
    genesis = make_genesis(Parts(), MERGE, start=start)
    put_genesis(genesis, store)
    return genesis


def frozen_of(genesis: Genesis) -> dict[str, Any]:
    assert genesis.frozen is not None
    return {name: array.copy() for name, array in weights.decode(genesis.frozen).items()}


def test_make_genesis__frozen_tensors__are_a_file_that_the_task_names(store: MemoryStore) -> None:
    genesis = made(store)
    assert same(weights.decode(genesis.weights), initial_parameters(Parts()))
    link = parse_cid(str(genesis.task.training[FROZEN_WEIGHTS]))
    stored = b"".join(unixfs.read(store.get, unixfs.find_file(store.get, link, max_bytes=1 << 20)))
    assert same(weights.decode(stored), initial_tensors(Parts())[1])
    assert FROZEN_WEIGHTS not in hyperparameters_in(genesis.task)


def test_same_task__frozen_tensors_from_elsewhere__are_those_that_a_node_has(store: MemoryStore) -> None:
    pretrained = {name: array + 1 for name, array in frozen_of(made(store)).items()}
    genesis = made(store, Start(weights=weights.encode(initial_parameters(Parts())), frozen=pretrained))
    task = same_task(Parts(), genesis.task, store.get)
    assert same(task.frozen_parameters, pretrained)
    outcome = train(task, weights.decode(genesis.weights), {}, 1)
    module = module_of(task, outcome.parameters)
    assert np.array_equal(module.state_dict()["stem.0.weight"].numpy(), pretrained["stem.0.weight"])
    assert outcome.local_metrics != train(Parts(), weights.decode(genesis.weights), {}, 1).local_metrics


def named(genesis: Genesis, link: object) -> Genesis:
    return replace(genesis, task=replace(genesis.task, training={**genesis.task.training, FROZEN_WEIGHTS: link}))


@pytest.mark.parametrize("link", ["hello", "", "bafyreigdyrzt5sfp7udm7hu76uh7y26nf3efuylqabf3oclgtqy55fbzdi", 3])
def test_same_task__frozen_file_is_named_wrongly__says_so(store: MemoryStore, link: object) -> None:
    with pytest.raises((TaskMismatch, BlockNotFound)):
        same_task(Parts(), named(made(store), link).task, store.get)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda found: found.pop("stem.0.bias"), "missing instead of 'stem.0.bias'"),
        (lambda found: found.update({"stem.0.bias": np.zeros(5, np.float32)}), r"'stem\.0\.bias' F32\[5\] instead"),
        (lambda found: found.update({"stem.0.bias": np.full(6, np.nan, np.float32)}), r"NaN .* in stem\.0\.bias"),
    ],
)
def test_same_task__frozen_file_of_another_model__is_refused(store: MemoryStore, change: Any, said: str) -> None:
    genesis = made(store)
    found = frozen_of(genesis)
    change(found)
    file = unixfs.import_bytes(weights.encode(found), store.put)
    with pytest.raises(TaskMismatch, match=said):
        same_task(Parts(), named(genesis, str(file.cid)).task, store.get)


def test_same_task__frozen_file_is_no_weights_or_huge__is_refused(store: MemoryStore) -> None:
    genesis = made(store)
    for data, said in ((b"x" * 100, "not this task's"), (b"x" * (3 << 20), "not this task's")):
        file = unixfs.import_bytes(data, store.put)
        with pytest.raises(TaskMismatch, match=said):
            same_task(Parts(), named(genesis, str(file.cid)).task, store.get)


def test_same_task__frozen_file_is_in_no_store__says_so(store: MemoryStore) -> None:
    genesis = made(store)
    empty = MemoryStore()
    with pytest.raises(BlockNotFound):
        same_task(Parts(), genesis.task, empty.get)


def test_make_genesis__frozen_tensors_hold_nan__are_refused(store: MemoryStore) -> None:
    pretrained = frozen_of(made(store))
    pretrained["stem.0.bias"][2] = np.nan
    with pytest.raises(NotFinite, match=r"the frozen tensors hold NaN or infinity in stem\.0\.bias"):
        made(store, Start(weights=weights.encode(initial_parameters(Parts())), frozen=pretrained))


# -------------------------------------------------------------------------------------------------------- a whole swarm


def test_swarm__private_and_frozen_tensors__no_update_or_result_holds_them(tmp_path: Path) -> None:
    swarm = TorchSwarm(tmp_path, Parts, ["1", "2"])
    swarm.run(rounds=3)
    documents = [swarm.head(), *swarm.updates()]
    assert len(documents) == 3
    for document in documents:
        assert swarm.parameters_of(document).keys() == SHARED
    own = [node.agent.memory() for node in swarm.nodes]
    assert own[0].keys() == {PRIVATE + "head.bias", PRIVATE + "head.weight"}
    assert not same(own[0], own[1])
    private_bytes = [array.tobytes() for memory in own for array in memory.values() if array.size > 1]
    blocks = [swarm.shared.get(cid) for node in swarm.nodes for cid in node.store.written]
    assert blocks
    assert not any(secret in block for secret in private_bytes for block in blocks)


def test_swarm__killed_between_training_and_commit__keeps_private_layers(tmp_path: Path) -> None:
    swarm = TorchSwarm(tmp_path, Parts, ["1", "2"])
    swarm.run(rounds=1)
    node = swarm.nodes[0]

    def has_trained() -> bool:
        training = node.journal.training()
        return training is not None and training.base == swarm.chain.look().swarm.head

    swarm.run_until(has_trained)
    before, round_number = node.agent.memory(), node.journal.training().round
    again = swarm.restart(node)
    assert same(again.agent.memory(), before)
    swarm.run(rounds=2)
    assert again.journal.training().round == round_number == 2
    assert same(again.agent.memory(), before)


def test_swarm__private_layers__are_worth_having(tmp_path: Path) -> None:
    """Nodes whose targets have other scales: one head for all cannot fit them."""

    class Together(Parts):
        private = ()

    losses = []
    for kind in (Parts, Together):
        swarm = TorchSwarm(tmp_path / kind.__name__, kind, ["0", "4"])
        swarm.run(rounds=6)
        head = swarm.parameters_of(swarm.head())
        losses.append(sum(node.trainer.evaluate(head, memory=node.agent.memory())["loss"] for node in swarm.nodes))
    assert losses[0] < losses[1]
