"""A merge rule of one's own, in a file: linked from the task, accepted before it runs, tried when first used."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from swarm_chain.adapters.memory import MemoryStore
from swarm_chain.adapters.memory_history import MemoryHistory
from swarm_chain.artifacts import load_artifact
from swarm_chain.audit import AuditReport, Fault, Verdict, audit
from swarm_chain.core.merge import merge_parameters, parse_rule, read_rule_source, rule_of, sources
from swarm_chain.core.unixfs import import_bytes
from swarm_chain.errors import BlockNotFound, MergeError, RuleNotAccepted
from swarm_chain.genesis import make_genesis, merge_settings, put_genesis
from swarm_chain.membership.acceptance import read_offer
from swarm_chain.membership.rule_acceptance import RuleOffer, accept_rule
from swarm_chain.tasks import load_task
from tests.chains import MemoryWorld
from tests.histories import Script, task_document

ARTIFACT = load_artifact()
RULES = '''
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from swarm_chain.core.merge import Distances, Rule, Weighing, WeighingRule

Path({mark!r}).touch()


@dataclass(frozen=True, kw_only=True)
class Middle(Rule):
    """Half-way between the lowest and the highest."""

    name: ClassVar[str] = "middle"
    weight: float = 0.5

    def combine(self, updates, shares):
        return updates.min(axis=0) * (1 - self.weight) + updates.max(axis=0) * self.weight


@dataclass(frozen=True, kw_only=True)
class Shortest(WeighingRule):
    """The update that is nearest to the base."""

    name: ClassVar[str] = "shortest"

    def weigh(self, distances: Distances, shares: tuple[float, ...]) -> Weighing:
        norms = distances.norms()
        chosen = norms.index(min(norms))
        return Weighing(updates=tuple(float(place == chosen) for place in range(distances.count)))
'''


class World:
    """A file with rules, and whether it ever ran."""

    def __init__(self, folder: Path) -> None:
        self.file, self.mark = folder / "my_rules.py", folder / "ran"
        self.file.write_text(RULES.format(mark=str(self.mark)))
        self.source = self.file.read_bytes()
        self.settings = merge_settings(parse_rule(f"{self.file}:Middle:weight=0.25"))
        self.forget()

    @property
    def digest(self) -> Any:
        return import_bytes(self.source).cid.digest

    @property
    def ran(self) -> bool:
        return self.mark.exists()

    def forget(self) -> None:
        """What another process knows: nothing."""
        sources._ACCEPTED.clear()
        for name in [name for name in sys.modules if name.startswith("swarm_chain_rule_")]:
            del sys.modules[name]
        self.mark.unlink(missing_ok=True)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    yield made
    made.forget()


def test_parse_rule__a_file__is_run_and_linked_by_the_cid_of_its_bytes(world: World) -> None:
    rule = parse_rule(f"{world.file}:Middle:weight=0.25,step=momentum")
    settings = merge_settings(rule)
    assert (settings.rule, settings.source) == ("middle", import_bytes(world.source).cid)
    assert settings.parameters["weight"] == 0.25
    assert rule_of(settings) == rule
    assert read_rule_source(settings) == world.source
    done = merge_parameters(
        parse_rule(f"{world.file}:Middle"), {"a": np.zeros(1)}, [{"a": np.array([n])} for n in (1.0, 2.0, 9.0)]
    )
    assert done.parameters["a"].tolist() == [5.0]


def test_parse_rule__a_rule_of_ones_own_that_weighs__has_the_distances(world: World) -> None:
    rule = parse_rule(f"{world.file}:Shortest")
    done = merge_parameters(rule, {"a": np.full(2, 5.0)}, [{"a": np.array([n, n])} for n in (1.0, 6.0, 9.0)])
    assert done.parameters["a"].tolist() == [6.0, 6.0]
    assert done.rejected == (0, 2)


@pytest.mark.parametrize(
    ("source", "text", "message"),
    [
        (None, "{file}", "cannot be read"),
        (RULES.format(mark="/dev/null"), "{file}", "it has Middle, Shortest; name one"),
        (RULES.format(mark="/dev/null"), "{file}:Median", "it has Middle, Shortest; name one"),
        (RULES.format(mark="/dev/null"), "{file}:Middle:height=1", "no parameter 'height'"),
        ("x = ", "{file}", "line 1: SyntaxError"),
        ("1 / 0", "{file}", "ZeroDivisionError"),
        ("from swarm_chain.core.merge import Rule\nclass A(Rule):\n    name = 'a'", "{file}", "no finished rule"),
        ("#" * (1 << 20) + "\n", "{file}", "more than the 1,048,576 bytes"),
    ],
)
def test_parse_rule__a_file_without_a_rule_to_use__raises_merge_error(
    source: str | None, text: str, message: str, tmp_path: Path
) -> None:
    file = tmp_path / "wrong.py"
    if source is not None:
        file.write_text(source)
    with pytest.raises(MergeError, match=message):
        parse_rule(text.format(file=file))


NAME = '    name: ClassVar[str] = "wrong"'
CHANGING = """
import time
from dataclasses import dataclass
from typing import ClassVar
import numpy as np
from swarm_chain.core.merge import Rule

@dataclass(frozen=True, kw_only=True)
class Wrong(Rule):
    name: ClassVar[str] = "wrong"

    def combine(self, updates, shares):
        return {body}
"""
WEIGHING = """
from dataclasses import dataclass
from typing import ClassVar
import numpy as np
from swarm_chain.core.merge import Weighing, WeighingRule

@dataclass(frozen=True, kw_only=True)
class Wrong(WeighingRule):
    name: ClassVar[str] = "wrong"

    def weigh(self, distances, shares):
        return {gives}
"""


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("updates[0] + time.monotonic()", "other results with other blocks"),
        ("updates[0] - updates.mean()", "other results with other blocks"),
        ("updates[0] + len(updates[0])", "other results with other blocks"),
        ("updates[0] * np.nan", "gave NaN"),
        ("updates[99]", "cannot merge: IndexError"),
        ("1.0", "gave no row of float64"),
        ("updates", "gave no row of float64"),
        ("updates[0].astype(np.float32)", "gave no row of float64"),
        ("exit(3)", "cannot merge: SystemExit: 3"),
        ("None", "gave no row of float64"),
    ],
)
@pytest.mark.parametrize("takes_rows", [False, True])
def test_parse_rule__a_rule_that_gives_no_one_result__raises_merge_error(
    body: str, message: str, takes_rows: bool, tmp_path: Path
) -> None:
    source = CHANGING.format(body=body.replace("updates", "np.asarray(updates, np.float64)") if takes_rows else body)
    if takes_rows:
        source = source.replace(NAME, f"{NAME}\n    takes_rows: ClassVar[bool] = True")
    (tmp_path / "wrong.py").write_text(source)
    with pytest.raises(MergeError, match=message):
        parse_rule(str(tmp_path / "wrong.py"))


def test_parse_rule__a_rule_that_writes_to_the_files_it_is_given__raises_merge_error(tmp_path: Path) -> None:
    source = CHANGING.format(body="np.add(updates[0], 1.0, out=updates[0])")
    (tmp_path / "wrong.py").write_text(source.replace(NAME, f"{NAME}\n    takes_rows: ClassVar[bool] = True"))
    with pytest.raises(MergeError, match="cannot merge: ValueError"):
        parse_rule(str(tmp_path / "wrong.py"))


@pytest.mark.parametrize(
    ("ranks", "message"),
    [
        ("[count]", r"gave \(5,\) as ranks of 5 values"),
        ("[-1]", "as ranks of 5 values"),
        ("[]", r"gave \(\) as ranks"),
        ("[0.5]", "as ranks of 5 values"),
        ("{}[count]", "cannot merge: KeyError"),
        ("None", "cannot merge: TypeError"),
    ],
)
def test_parse_rule__a_rule_of_no_ranks__raises_merge_error(ranks: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "wrong.py").write_text(
        f"""
from dataclasses import dataclass
from typing import ClassVar
from swarm_chain.core.merge.ranked_rule import RankedRule

@dataclass(frozen=True, kw_only=True)
class Wrong(RankedRule):
    name: ClassVar[str] = "wrong"

    def ranks(self, count):
        return {ranks}
"""
    )
    with pytest.raises(MergeError, match=message):
        parse_rule(f"{tmp_path / 'wrong.py'}:Wrong")


@pytest.mark.parametrize(
    ("gives", "message"),
    [
        ("Weighing(updates=(1e30, -1e30, 1.0, 0.0, 0.0))", "gave no part for each of 5 updates"),
        ("Weighing(updates=(1e30,) * 5, base=1 - 5e30)", "gave no part for each of 5 updates"),
        ("Weighing(updates=(0.0,) * 5)", "gave no part for each of 5 updates"),
        ("Weighing(updates=(0.25,) * 4)", "gave no part for each of 5 updates"),
        ("Weighing(updates=(float('nan'),) * 5)", "gave no part for each of 5 updates"),
        ("Weighing(updates=(1 + 0j, 0.0, 0.0, 0.0, 0.0))", "gave no part for each of 5 updates"),
        ("Weighing(updates=('1', 0.0, 0.0, 0.0, 0.0))", "gave no part for each of 5 updates"),
        ("None", "cannot merge: AttributeError"),
    ],
)
def test_parse_rule__a_rule_that_gives_no_parts__raises_merge_error(gives: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "wrong.py").write_text(WEIGHING.format(gives=gives))
    with pytest.raises(MergeError, match=message):
        parse_rule(str(tmp_path / "wrong.py"))


@pytest.mark.parametrize("part", ["np.float32(0.5)", "np.float64(0.5)"])
def test_merge__a_rule_that_gives_numpys_numbers__merges_by_them(part: str, tmp_path: Path) -> None:
    (tmp_path / "half.py").write_text(WEIGHING.format(gives=f"Weighing(updates=({part}, 0, 0, 0, 0), base={part})"))
    updates = [{"a": np.full(3, 1.1, np.float32)} for _ in range(5)]
    done = merge_parameters(parse_rule(str(tmp_path / "half.py")), {"a": np.zeros(3, np.float32)}, updates)
    assert done.parameters["a"].tolist() == [np.float32(1.1) / 2] * 3
    assert done.rejected == (1, 2, 3, 4)


COMBINE = "    def combine"


@pytest.mark.parametrize(
    ("changed", "to", "message"),
    [
        ("frozen=True, ", "", "no finished rule: make it a frozen, keyword-only dataclass"),
        (NAME, '    name: ClassVar[str] = "krum"', "a merge rule that ships is called krum"),
        (NAME, f"{NAME}\n    some: list = ()", "fields of int, float, str or bool"),
        (NAME, f"{NAME}\n    some: int | None = None", "fields of int, float, str or bool"),
        (
            COMBINE,
            f"    minimum_updates = 10**9\n\n{COMBINE}",
            r"needs 1,000,000,000 updates; a round has 10,000",
        ),
        (COMBINE, f"    minimum_updates = 2.5\n\n{COMBINE}", r"needs 2\.5 updates; give a whole number"),
        (COMBINE, f"    minimum_updates = property(lambda self: 1 // 0)\n\n{COMBINE}", "ZeroDivisionError"),
        (COMBINE, f"    def __post_init__(self):\n        1 / 0\n\n{COMBINE}", "ZeroDivisionError"),
    ],
)
def test_parse_rule__a_class_that_is_no_rule__raises_merge_error(
    changed: str, to: str, message: str, tmp_path: Path
) -> None:
    source = CHANGING.format(body="updates[0]")
    assert changed in source
    (tmp_path / "wrong.py").write_text(source.replace(changed, to))
    with pytest.raises(MergeError, match=message):
        parse_rule(str(tmp_path / "wrong.py"))


def test_merge__a_rule_of_ones_own_that_fails_on_some_updates_alone__raises_merge_error(tmp_path: Path) -> None:
    (tmp_path / "wrong.py").write_text(CHANGING.format(body="updates[0] if len(updates) < 9 else updates[99]"))
    rule, base = parse_rule(str(tmp_path / "wrong.py")), {"a": np.zeros(1)}
    assert merge_parameters(rule, base, [base] * 8).parameters["a"].tolist() == [0.0]
    with pytest.raises(MergeError, match="the merge rule wrong cannot merge: IndexError"):
        merge_parameters(rule, base, [base] * 9)


# ------------------------------------------------------------------------------------------------------------ accepting


def stored(world: World) -> MemoryStore:
    parse_rule(f"{world.file}:Middle")
    made, store = make_genesis(load_task("digits"), world.settings), MemoryStore()
    put_genesis(made, store)
    world.forget()
    return store


def test_put_genesis__a_rule_of_ones_own__its_source_is_in_the_store(world: World) -> None:
    store = stored(world)
    assert world.settings.source is not None
    assert store.get(world.settings.source) == world.source
    offer = read_offer(make_genesis(load_task("digits"), world.settings).task, store)
    assert offer.rule == world.source
    assert not world.ran


def test_accept_rule__not_accepted__runs_nothing_and_says_how(world: World) -> None:
    store = stored(world)
    asked: list[RuleOffer] = []
    for ask in (None, lambda offer: asked.append(offer) or False):
        with pytest.raises(RuleNotAccepted, match=f"--accept-rule 0x{world.digest.hex()}"):
            accept_rule(world.settings, store, ask=ask)
    with pytest.raises(RuleNotAccepted, match="was accepted, and the source of the swarm's merge rule"):
        accept_rule(world.settings, store, digest=b"\x01" * 32)  # type: ignore[arg-type]
    with pytest.raises(RuleNotAccepted):
        rule_of(world.settings)
    assert [(one.name, one.source) for one in asked] == [("middle", world.source)]
    assert not world.ran


@pytest.mark.parametrize("is_asked", [False, True])
def test_accept_rule__by_digest_or_a_yes__is_used(world: World, is_asked: bool) -> None:
    store = stored(world)
    accepted = accept_rule(world.settings, store, digest=None if is_asked else world.digest, ask=lambda offer: is_asked)
    assert accepted == world.digest
    assert world.ran
    assert rule_of(world.settings).parameters == {"weight": 0.25}


def test_accept_rule__a_rule_that_ships__asks_nothing() -> None:
    assert accept_rule(merge_settings(parse_rule("mean")), MemoryStore()) is None


def test_accept_rule__in_no_store__says_so(world: World) -> None:
    with pytest.raises(BlockNotFound):
        accept_rule(world.settings, MemoryStore(), digest=world.digest)


# ------------------------------------------------------------------------------------------------------------ the audit


def audited(script: Script, **options: Any) -> AuditReport:
    reader = MemoryHistory(script.world.root, code=ARTIFACT.deployed_bytecode)  # type: ignore[attr-defined]
    return audit(reader, script.store, artifact=ARTIFACT, **options)


def script(world: World) -> Script:
    parse_rule(f"{world.file}:Middle")
    made = Script(MemoryWorld, task=task_document(world.settings))
    import_bytes(world.source, made.store.put)
    made.round()
    made.round()
    world.forget()
    return made


def test_audit__a_rule_that_was_not_accepted__is_incomplete_and_runs_nothing(world: World) -> None:
    made = script(world)
    for options in ({}, {"accepted_rules": [b"\x07" * 32]}):
        report = audited(made, **options)
        assert report.verdict is Verdict.INCOMPLETE
        assert {one.fault for one in report.all_findings} == {Fault.RULE_NOT_ACCEPTED}
        assert not world.ran


def test_audit__a_rule_that_was_accepted__passes(world: World) -> None:
    report = audited(script(world), accepted_rules=[world.digest])
    assert (report.verdict, report.all_findings) == (Verdict.PASS, ())
    assert world.ran


def test_audit__the_accepted_source_is_in_no_store__is_incomplete(world: World) -> None:
    made = script(world)
    assert world.settings.source is not None
    del made.store._blocks[world.settings.source]  # type: ignore[attr-defined]
    report = audited(made, accepted_rules=[world.digest])
    assert report.verdict is Verdict.INCOMPLETE
    assert Fault.MISSING_BYTES in {one.fault for one in report.all_findings}
