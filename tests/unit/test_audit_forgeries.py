"""Histories that a colluding quorum attested to, every CID valid: each fails, for its own reason."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from swarm_chain.adapters.memory_history import MemoryHistory
from swarm_chain.artifacts import load_artifact
from swarm_chain.audit import AuditReport, Fault, Verdict, audit
from swarm_chain.core.cids import document_cid
from swarm_chain.core.documents import (
    Excluded,
    Included,
    MergeSettings,
    Reason,
    ResultDocument,
    RuleChoice,
    UpdateDocument,
)
from swarm_chain.types import Address, Attest, OpenRound, RoundNumber, Samples
from tests.chains import MemoryWorld, commit, reveal
from tests.histories import Made, Parameters, Script, changed, task_document, trained_by

ARTIFACT = load_artifact()


def audited(script: Script, **options: Any) -> AuditReport:
    reader = MemoryHistory(script.world.root, code=options.pop("code", ARTIFACT.deployed_bytecode))  # type: ignore[attr-defined]
    return audit(reader, script.store, artifact=ARTIFACT, **options)


def found(report: AuditReport) -> list[tuple[int | None, tuple[Address, ...], Fault]]:
    """Every finding's round, nodes and reason."""
    return [(one.round, one.nodes, one.fault) for one in report.all_findings]


def addresses(*nodes: int) -> tuple[Address, ...]:
    return tuple(sorted(Script.address(node) for node in nodes))


@pytest.fixture
def script() -> Script:
    """A swarm of three that has finalised one honest round; the next one is round 2, nodes 1 and 2 its quorum."""
    made = Script(MemoryWorld)
    made.round()
    return made


# ------------------------------------------------------------------------------------------------------------- weights


def one_bit_off(number: np.float32) -> np.float32:
    return (number.view(np.uint32) ^ np.uint32(1)).view(np.float32)


def with_weights(script: Script, change: Callable[[Made], Parameters]) -> Callable[[Made], ResultDocument]:
    def forge(made: Made) -> ResultDocument:
        file = script.keep(change(made))
        return replace(made.document, weights=file.cid, bytes=file.size)

    return forge


def test_audit__one_bit_of_a_weight_is_off__fails(script: Script) -> None:
    script.round(forge=with_weights(script, lambda made: changed(made, "dense.weight", (1, 2), one_bit_off)))

    report = audited(script)

    assert report.verdict is Verdict.FAIL
    assert found(report) == [(2, addresses(1, 2), Fault.WRONG_WEIGHTS)]
    assert "dense.weight[1, 2]" in report.all_findings[0].message


def test_audit__an_integer_buffer_is_off_by_one__fails(script: Script) -> None:
    script.round(forge=with_weights(script, lambda made: changed(made, "bn.batches", (0,), lambda one: one + 1)))

    report = audited(script)

    assert found(report) == [(2, addresses(1, 2), Fault.WRONG_WEIGHTS)]
    assert "bn.batches[0] is 10 where the merge gives 9" in report.all_findings[0].message


def test_audit__weights_have_other_shapes__fails(script: Script) -> None:
    script.round(forge=with_weights(script, lambda made: {"other": np.zeros(3, np.float32)}))

    assert found(audited(script)) == [(2, addresses(1, 2), Fault.WRONG_WEIGHTS)]


def test_audit__the_size_of_the_weights_is_wrong__fails(script: Script) -> None:
    script.round(forge=lambda made: replace(made.document, bytes=made.document.bytes - 1))

    assert found(audited(script)) == [(2, addresses(1, 2), Fault.WRONG_WEIGHTS)]


def test_audit__a_round_was_forged__the_rounds_after_it_are_judged_by_what_they_start_from(script: Script) -> None:
    script.round(forge=with_weights(script, lambda made: changed(made, "dense.bias", (0,), one_bit_off)))
    script.round()

    verdicts = [one.verdict for one in audited(script).rounds]

    assert verdicts == [Verdict.PASS, Verdict.FAIL, Verdict.PASS]


# ---------------------------------------------------------------------------------------------------------------- lists


def test_audit__a_good_update_is_excluded_as_non_finite__fails(script: Script) -> None:
    def forge(made: Made) -> ResultDocument:
        (left_out,) = made.document.excluded
        return replace(made.document, excluded=(replace(left_out, reason=Reason.NON_FINITE),))

    script.round(withheld=[3], forge=forge)

    report = audited(script)

    assert (2, addresses(3), Fault.WRONG_EXCLUSION) in found(report)
    assert "nothing is wrong with its update" in report.all_findings[0].message


def test_audit__an_update_is_in_neither_list__fails(script: Script) -> None:
    script.round(withheld=[3], forge=lambda made: replace(made.document, excluded=()))

    assert (2, addresses(3), Fault.NOT_LISTED) in found(audited(script))


def test_audit__a_nodes_weight_is_off_by_one__fails(script: Script) -> None:
    def forge(made: Made) -> ResultDocument:
        entries = {one.node: one for one in made.document.included}
        node = Script.address(2)
        entries[node] = replace(entries[node], weight=entries[node].weight + 1)
        return replace(made.document, included=tuple(entries.values()))

    script.round(forge=forge)

    report = audited(script)

    assert found(report) == [(2, addresses(2), Fault.WRONG_NODE_WEIGHT)]
    assert "it weighs 201 in the result, and must weigh 200" in report.all_findings[0].message


def test_audit__a_node_that_revealed_nothing_is_included__fails(script: Script) -> None:
    stranger = Address(b"\xff" * 20)

    def forge(made: Made) -> ResultDocument:
        extra = Included(node=stranger, update=made.document.included[0].update, weight=1)
        return replace(made.document, included=(*made.document.included, extra))

    script.round(forge=forge)

    assert found(audited(script)) == [(2, (stranger,), Fault.NOT_REVEALED)]


def test_audit__a_result_lists_another_update_of_a_node__fails(script: Script) -> None:
    def forge(made: Made) -> ResultDocument:
        first, *others = made.document.included
        return replace(made.document, included=(replace(first, update=others[0].update), *others))

    script.round(forge=forge)

    assert [fault for _, _, fault in found(audited(script))] == [Fault.WRONG_UPDATE]


def test_audit__an_update_is_excluded_for_another_reason_than_its_own__fails(script: Script) -> None:
    def forge(made: Made) -> ResultDocument:
        (left_out,) = made.document.excluded
        return replace(made.document, excluded=(replace(left_out, reason=Reason.WRONG_ROUND),))

    script.round(parameters={3: with_nan}, forge=forge)

    report = audited(script)

    assert found(report) == [(2, addresses(3), Fault.WRONG_EXCLUSION)]
    assert "excluded as wrong-round, and must be excluded as non-finite" in report.all_findings[0].message


def test_audit__so_many_are_called_unavailable_that_a_round_would_not_go_on__fails(script: Script) -> None:
    script.round(withheld=[2, 3])

    assert found(audited(script)) == [(2, addresses(1, 2), Fault.TOO_MANY_UNAVAILABLE)]


# ------------------------------------------------------------------------------------------ updates that must not count


def with_nan(parameters: Parameters) -> Parameters:
    parameters["dense.bias"][1] = np.nan
    return parameters


@pytest.mark.parametrize(
    ("reason", "how"),
    [
        (Reason.WRONG_SAMPLES, {"samples_on_chain": {3: 250}}),
        (Reason.WRONG_SAMPLES, {"update": {3: lambda update: replace(update, samples=Samples(299))}}),
        (Reason.WRONG_ROUND, {"update": {3: lambda update: replace(update, round=1)}}),
        (Reason.WRONG_NODE, {"update": {3: lambda update: replace(update, node=Script.address(1))}}),
        (Reason.WRONG_SWARM, {"update": {3: lambda update: replace(update, chain=1)}}),
        (Reason.NON_FINITE, {"parameters": {3: with_nan}}),
    ],
    ids=lambda value: value.value if isinstance(value, Reason) else "",
)
def test_audit__an_update_is_included_that_must_not_count__fails(
    script: Script, reason: Reason, how: dict[str, Any]
) -> None:
    if reason is Reason.NON_FINITE:
        script.round(**how, forge=lambda made: replace(made.document, included=_included_too(made), excluded=()))
    else:
        script.round(**how, include_all=True)

    report = audited(script)

    assert (2, addresses(3), Fault.WRONG_INCLUSION) in found(report)
    assert f"must be excluded as {reason}" in report.all_findings[0].message


def _included_too(made: Made) -> tuple[Included, ...]:
    (left_out,) = made.document.excluded
    entries = (*made.document.included, Included(node=left_out.node, update=left_out.update, weight=300))
    return tuple(sorted(entries, key=lambda one: one.node))


def test_audit__an_update_of_another_base_is_included__fails(script: Script) -> None:
    def from_genesis(update: UpdateDocument) -> UpdateDocument:
        return replace(update, base=document_cid(script.genesis))

    script.round(update={3: from_genesis}, include_all=True)

    assert (2, addresses(3), Fault.WRONG_INCLUSION) in found(audited(script))


@pytest.mark.parametrize(
    ("how", "reason"),
    [
        ({"parameters": {3: with_nan}}, Reason.NON_FINITE),
        ({"parameters": {3: lambda _: {"other": np.zeros(2, np.float32)}}}, Reason.SHAPE_MISMATCH),
        ({"update": {3: lambda update: replace(update, bytes=4097)}}, Reason.TOO_LARGE),
        ({"update": {3: lambda update: replace(update, bytes=update.bytes + 1)}}, Reason.MALFORMED),
        ({"samples_on_chain": {3: 301}}, Reason.WRONG_SAMPLES),
        ({"unpublished": [3], "withheld": [3]}, Reason.UNAVAILABLE),
    ],
    ids=lambda value: value.value if isinstance(value, Reason) else "",
)
def test_audit__an_update_is_excluded_as_it_must_be__passes(
    script: Script, how: dict[str, Any], reason: Reason
) -> None:
    result = script.round(**how)

    report = audited(script)

    assert [one.reason for one in script.result(result).excluded] == [reason]
    assert report.verdict is Verdict.PASS, found(report)
    assert report.rounds[-1].notes == ()


def copying(script: Script, node: int) -> Callable[[UpdateDocument], UpdateDocument]:
    """Makes an update's document link to what a node trains in this round."""
    file = script.keep(trained_by(node, script.parameters_of(script.results[-1])))
    return lambda update: replace(update, weights=file.cid, bytes=file.size)


def test_audit__a_copy_is_excluded__passes(script: Script) -> None:
    result = script.round(update={3: copying(script, 1)})

    assert [one.reason for one in script.result(result).excluded] == [Reason.DUPLICATE]
    assert audited(script).verdict is Verdict.PASS


def test_audit__a_copy_is_included__fails(script: Script) -> None:
    script.round(update={3: copying(script, 1)}, include_all=True)

    assert (2, addresses(3), Fault.WRONG_INCLUSION) in found(audited(script))


def test_audit__what_was_unavailable_is_there_now__passes_with_a_note(script: Script) -> None:
    script.round(withheld=[3])

    report = audited(script)

    assert report.verdict is Verdict.PASS
    assert "excluded as unavailable, is there now" in report.rounds[-1].notes[0]


def test_audit__too_few_updates_count__passes_with_the_bases_weights(script: Script) -> None:
    everyone = dict.fromkeys((1, 2, 3), with_nan)
    result = script.round(parameters=everyone)
    script.round()

    report = audited(script)

    assert script.result(result).included == ()
    assert report.verdict is Verdict.PASS, found(report)


# --------------------------------------------------------------------------------------------------------------- fields


@pytest.mark.parametrize(
    ("fault", "change"),
    [
        (Fault.WRONG_SWARM, {"chain": 1}),
        (Fault.WRONG_SWARM, {"contract": Address(b"\x01" * 20)}),
        (Fault.WRONG_ROUND, {"round": 3}),
        (Fault.WRONG_TASK, {"task": document_cid(b"\x07" * 32)}),  # type: ignore[arg-type]
        (Fault.WRONG_RULE, {"rule": RuleChoice(name="mean")}),
        (Fault.WRONG_RULE, {"rule": RuleChoice(name="weighted_mean", parameters={"f": 1})}),
    ],
)
def test_audit__a_field_of_the_result_is_wrong__fails(script: Script, fault: Fault, change: dict[str, Any]) -> None:
    script.round(forge=lambda made: replace(made.document, **change))

    assert found(audited(script)) == [(2, addresses(1, 2), fault)]


def test_audit__the_results_base_is_not_the_head__fails(script: Script) -> None:
    script.round(forge=lambda made: replace(made.document, base=document_cid(script.genesis)))

    assert found(audited(script)) == [(2, addresses(1, 2), Fault.WRONG_BASE)]


def test_audit__a_result_carries_a_state_that_no_rule_gave__fails(script: Script) -> None:
    state = script.keep({"momentum": np.zeros(2, np.float32)})
    script.round(forge=lambda made: replace(made.document, state=state.cid))

    assert found(audited(script)) == [(2, addresses(1, 2), Fault.WRONG_STATE)]


@pytest.mark.parametrize("value", [True, 1.0])
def test_audit__a_rules_parameter_is_equal_to_python_only__fails(value: bool | float) -> None:
    script = Script(MemoryWorld, task=task_document(MergeSettings(rule="trimmed_mean", parameters={"f": 1})))
    script.round(forge=lambda made: replace(made.document, rule=replace(made.document.rule, parameters={"f": value})))

    assert {fault for _, _, fault in found(audited(script))} == {Fault.WRONG_RULE}


def test_audit__the_result_is_no_result_but_an_update__fails_and_so_does_the_next_round(script: Script) -> None:
    updates = script.submit()
    script.attest(updates[1].document.digest(), updates)

    report = audited(script)

    assert found(report) == [(2, addresses(1, 2), Fault.MALFORMED_DOCUMENT)]


def test_audit__a_round_starts_from_what_is_no_result__fails_too(script: Script) -> None:
    updates = script.submit()
    script.attest(updates[1].document.digest(), updates)
    chains = {node: script.world.chain(node) for node in (1, 2, 3)}
    chains[1].send(OpenRound())
    for node, chain in chains.items():
        commit(chain, 3, updates[node].document.digest())
    for node, chain in chains.items():
        reveal(chain, 3, updates[node].document.digest())
    for node in (1, 2):
        chains[node].send(Attest(round=RoundNumber(3), result=script.results[0]))

    report = audited(script)

    assert [one.verdict for one in report.rounds] == [Verdict.PASS, Verdict.FAIL, Verdict.FAIL]
    of_third = {one.fault for one in report.rounds[2].findings}
    assert of_third == {Fault.WRONG_ROUND, Fault.WRONG_BASE, Fault.UNUSABLE_BASE}


def test_audit__a_result_declares_more_bytes_than_any_can_have__fails_without_fetching_them(script: Script) -> None:
    script.round(forge=lambda made: replace(made.document, bytes=10**15))

    report = audited(script)

    assert [fault for _, _, fault in found(report)] == [Fault.WRONG_WEIGHTS]
    assert "1000000000000000 bytes of weights where the task allows 4096" in report.all_findings[0].message


# ------------------------------------------------------------------------------------------------- genesis, task, code


def test_audit__the_genesis_is_of_another_task__fails() -> None:
    script = Script(MemoryWorld)
    script.task = task_document(MergeSettings(rule="mean"))
    config = replace(script.config, task_digest=script.put(script.task))
    script.world = MemoryWorld(config)

    report = audited(script)

    assert [fault for _, _, fault in found(report)] == [Fault.WRONG_TASK, Fault.WRONG_RULE]
    assert report.genesis.verdict is Verdict.FAIL


def test_audit__the_rule_does_not_ship_and_is_not_installed__is_incomplete() -> None:
    source = Script(MemoryWorld).keep({"source": np.zeros(3, np.float32)}).cid
    script = Script(MemoryWorld, task=task_document(MergeSettings(rule="secret", source=source)))
    honest = script.task
    updates = script.submit()
    script.task = task_document()
    base = script.result(script.genesis)
    script.store.put(base.cid(), base.encode())
    result = replace(
        base,
        chain=script.world.chain(None).chain_id,
        contract=script.world.chain(None).coordinator,
        round=1,
        base=base.cid(),
        included=tuple(
            Included(node=Script.address(node), update=updates[node].document.cid(), weight=1)
            for node in sorted(updates, key=Script.address)
        ),
    )
    script.attest(script.put(result), updates)
    script.task = honest

    report = audited(script)

    assert report.verdict is Verdict.INCOMPLETE
    assert [(number, fault) for number, _, fault in found(report)] == [
        (0, Fault.RULE_NOT_ACCEPTED),
        (1, Fault.RULE_NOT_ACCEPTED),
    ]


def test_audit__a_rule_cannot_be_executed_and_an_update_is_missing_from_the_lists__fails() -> None:
    script = Script(MemoryWorld, task=task_document(MergeSettings(rule="secret")))
    updates = script.submit()
    base = script.result(script.genesis)
    result = replace(
        base,
        chain=script.world.chain(None).chain_id,
        contract=script.world.chain(None).coordinator,
        round=1,
        base=base.cid(),
        excluded=tuple(
            Excluded(node=Script.address(node), update=updates[node].document.cid(), reason=Reason.NON_FINITE)
            for node in sorted((1, 2), key=Script.address)
        ),
    )
    script.attest(script.put(result), updates)

    report = audited(script)

    assert (1, addresses(3), Fault.NOT_LISTED) in found(report)
    assert (1, addresses(1), Fault.WRONG_EXCLUSION) in found(report)


def test_audit__other_code_at_the_address__fails_every_round(script: Script) -> None:
    code = bytearray(ARTIFACT.deployed_bytecode)
    code[100] ^= 1

    report = audited(script, code=bytes(code))

    assert not report.is_coordinator
    assert found(report) == [(None, (), Fault.OTHER_CODE), (1, (), Fault.OTHER_CODE)]


def test_audit__only_immutables_differ__passes(script: Script) -> None:
    code = bytearray(ARTIFACT.deployed_bytecode)
    for start, length in ARTIFACT.immutables:
        code[start : start + length] = b"\x01" * length

    assert audited(script, code=bytes(code)).verdict is Verdict.PASS
