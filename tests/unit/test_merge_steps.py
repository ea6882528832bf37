"""The step after a merge: what it computes, and that what it carries on goes from round to round."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from swarm_chain.adapters.memory_history import MemoryHistory
from swarm_chain.artifacts import load_artifact
from swarm_chain.audit import Fault, audit
from swarm_chain.core import weights
from swarm_chain.core.cids import document_cid
from swarm_chain.core.documents import MergeSettings
from swarm_chain.core.merge import Contribution, merge, merge_parameters, parse_rule
from swarm_chain.core.unixfs import find_file, read
from swarm_chain.errors import MergeError, ShapeMismatch
from swarm_chain.genesis import merge_settings
from swarm_chain.types import Address, RoundNumber
from tests.chains import MemoryWorld
from tests.histories import Script, task_document
from tests.swarm import Swarm

ARTIFACT = load_artifact()
MOMENTUM = merge_settings(parse_rule("mean:step=momentum,step_beta=0.5,step_rate=2"))
ADAM = merge_settings(parse_rule("mean:step=adam"))


def model(*values: float) -> dict[str, Any]:
    return {"a": np.array(values, np.float32), "n": np.array([7], np.int64), "d": np.array([values[0]], np.float64)}


# ------------------------------------------------------------------------------------------------------------- numbers


def test_momentum__two_rounds__adds_half_of_the_first_change_again() -> None:
    rule = parse_rule("mean:step=momentum,step_beta=0.5,step_rate=2")
    first = merge_parameters(rule, model(1, 1), [model(2, 3), model(2, 5)])
    assert first.parameters["a"].tolist() == [1 + 2 * 1, 1 + 2 * 3]
    assert first.state is not None
    assert {name: array.tolist() for name, array in first.state.items()} == {
        "momentum/a": [1.0, 3.0],
        "momentum/d": [1.0],
    }
    assert first.state["momentum/d"].dtype == np.float64
    second = merge_parameters(rule, model(0, 0), [model(4, 0)], state=first.state)
    assert second.parameters["a"].tolist() == [2 * (0.5 * 1 + 4), 2 * (0.5 * 3 + 0)]
    assert second.parameters["n"].tolist() == [7]


def test_adam__two_rounds__is_the_formula_in_numpy() -> None:
    rule = parse_rule("mean:step=adam,step_rate=0.1,step_beta=0.9,step_beta2=0.99,step_epsilon=0.001")
    base, state, m, v = np.zeros(50), None, np.zeros(50), np.zeros(50)
    rng = np.random.default_rng(4)
    for _ in range(3):
        update = base + rng.normal(size=50)
        done = merge_parameters(rule, {"a": base}, [{"a": update}], state=state)
        m = 0.9 * m + (1 - 0.9) * (update - base)
        v = 0.99 * v + (1 - 0.99) * (update - base) ** 2
        base = base + 0.1 * m / (np.sqrt(v) + 0.001)
        np.testing.assert_allclose(done.parameters["a"], base, rtol=1e-12)
        state = done.state
        assert state is not None
        np.testing.assert_allclose(state["second/a"], v, rtol=1e-12)
        base = done.parameters["a"]


@pytest.mark.parametrize("step", ["momentum", "adam"])
def test_step__any_block_size__gives_the_same_files(step: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(6)
    tensors = [{"a": rng.normal(size=999).astype(np.float32), "b": rng.normal(size=7)} for _ in range(4)]
    base, *given = (
        Contribution(node=Address(bytes([place]) * 20), weights=weights.encode(one), samples=1)
        for place, one in enumerate(tensors)
    )
    found = set()
    for block, threads in ((1, 1), (13, 2), (None, None)):
        done = merge(
            given,
            rule=parse_rule(f"coordinate_median:step={step}"),
            max_samples=1,
            max_share_bps=10_000,
            out=tmp_path / "out",
            base=base.weights,
            state_out=tmp_path / "state",
            block=block,
            threads=threads,
        )
        assert done is not None
        assert done.state is not None
        found.add((done.file.cid, done.state.cid))
    assert len(found) == 1


def test_step__numbers_beyond_the_format__are_cut_and_stay_finite() -> None:
    huge = {"a": np.array([3e38, -3e38], np.float32)}
    for step in ("momentum", "adam"):
        done = merge_parameters(parse_rule(f"mean:step={step}"), {"a": -huge["a"]}, [huge])
        assert done.state is not None
        assert all(np.isfinite(array).all() for array in (*done.parameters.values(), *done.state.values()))


def test_step__a_state_of_another_model__raises_shape_mismatch() -> None:
    with pytest.raises(ShapeMismatch, match="momentum/a"):
        merge_parameters(
            parse_rule("mean:step=momentum"), model(1), [model(2)], state={"momentum/a": np.zeros(5, np.float32)}
        )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("mean:step=sgd", "use none, momentum or adam"),
        ("mean:step_rate=1", "step_rate needs a step"),
        ("mean:step=momentum,step_rate=0", "step_rate of a merge is 0"),
        ("mean:step=momentum,step_beta=1", "step_beta of a merge is 1"),
        ("mean:step=momentum,step_beta2=0.5", "no parameter 'step_beta2'"),
        ("mean:step=adam,step_epsilon=0", "step_epsilon"),
        ("mean:step=adam,step_rate=fast", "pass a number"),
    ],
)
def test_parse_rule__a_step_that_cannot_be_taken__raises_merge_error(text: str, message: str) -> None:
    with pytest.raises(MergeError, match=message):
        parse_rule(text)


# -------------------------------------------------------------------------------------------------- from round to round


@pytest.mark.parametrize("settings", [MOMENTUM, ADAM], ids=lambda one: str(one.parameters["step"]))
def test_agents__a_rule_with_a_step__agree_on_its_state_in_every_round(settings: MergeSettings, tmp_path: Path) -> None:
    swarm = Swarm(tmp_path, nodes=3, merge=settings)
    swarm.run(rounds=1)
    first = swarm.head().state
    assert first is not None
    swarm.restart(swarm.nodes[0])
    swarm.nodes.append(swarm.join(3))
    swarm.run(rounds=3)
    last = swarm.head()
    assert last.state not in (None, first)
    assert len(last.included) == 4
    kinds = {"momentum": {"momentum"}, "adam": {"first", "second"}}[str(settings.parameters["step"])]
    data = b"".join(read(swarm.shared.get, find_file(swarm.shared.get, last.state, max_bytes=1 << 20)))  # type: ignore[arg-type]
    assert {name.split("/")[0] for name in weights.decode(data)} == kinds


def script(settings: MergeSettings = MOMENTUM) -> Script:
    made = Script(MemoryWorld, task=task_document(settings))
    made.round()
    made.round()
    return made


def found(script: Script) -> list[tuple[int | None, Fault]]:
    reader = MemoryHistory(script.world.root, code=ARTIFACT.deployed_bytecode)  # type: ignore[attr-defined]
    report = audit(reader, script.store, artifact=ARTIFACT)
    return [(one.round, one.fault) for one in report.all_findings]


@pytest.mark.parametrize("settings", [MOMENTUM, ADAM], ids=lambda one: str(one.parameters["step"]))
def test_audit__a_rule_with_a_step__passes(settings: MergeSettings) -> None:
    assert found(script(settings)) == []


@pytest.mark.parametrize("state", [{"momentum/w": np.zeros(3, np.float32)}, None], ids=["other", "none"])
def test_audit__a_state_that_the_step_did_not_give__fails_in_its_round_only(state: dict[str, Any] | None) -> None:
    made = script()
    link = None if state is None else made.keep(state).cid
    made.round(forge=lambda honest: replace(honest.document, state=link))

    assert found(made) == [(3, Fault.WRONG_STATE)]


def test_audit__a_state_is_gone__is_missing_in_its_round() -> None:
    made = script()
    link = made.result(made.results[0]).state
    assert link is not None
    del made.store._blocks[link]  # type: ignore[attr-defined]

    assert found(made) == [(1, Fault.MISSING_BYTES)]


def test_audit__a_base_whose_state_is_of_another_model__has_nothing_merged_on_it() -> None:
    made = script()
    link = made.keep({"momentum/w": np.zeros(3, np.float32)}).cid
    forged = made.round(forge=lambda honest: replace(honest.document, state=link))
    assert made.result(forged).state == link
    updates = made.submit()
    made.attest(made.put(replace(made.result(forged), round=RoundNumber(4), base=document_cid(forged))), updates)

    assert Fault.UNUSABLE_BASE in {fault for number, fault in found(made) if number == 4}
