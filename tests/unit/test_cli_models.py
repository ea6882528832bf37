"""How results are named on the command line, and what people and programs are shown of them."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner
from jsonschema import Draft202012Validator

from swarm_chain.cli import best as best_command
from swarm_chain.cli import log as log_command
from swarm_chain.cli.known import known_swarms
from swarm_chain.cli.models import RESULT, ResultName, contract_and_path, measured_at
from swarm_chain.cli.swarms import Seen, document_of, swarm_table
from swarm_chain.core.cids import document_cid
from swarm_chain.deployment.deployments import Deployment, Deployments
from swarm_chain.errors import DeploymentError
from swarm_chain.models.best import rank
from swarm_chain.models.line import Entry, line_of
from swarm_chain.models.listing import Glance, glance_at
from swarm_chain.models.reading import SwarmReading
from swarm_chain.schemas import load_schema
from swarm_chain.types import Address, BlockNumber, Digest, OpenRound
from tests.chains import CONFIG, MemoryWorld
from tests.histories import Script
from tests.unit.test_models import Successors, abort, all_say, read, says

DIGEST = Digest(bytes(range(32)))
CONTRACT = "0x5FbDB2315678afecb367f032d93F642f64180aa3"


def fits(name: str, document: object) -> Any:
    """The document, as programs read it, once it fits its schema."""
    written = json.loads(json.dumps(document))
    Draft202012Validator(load_schema(name)).validate(written)
    return written


# ------------------------------------------------------------------------------------------------------- naming results


@pytest.mark.parametrize(
    ("text", "named"),
    [
        (CONTRACT, ResultName(contract=CONTRACT)),
        (f"{CONTRACT}@12", ResultName(contract=CONTRACT, round=12)),
        ("default@0", ResultName(contract="default", round=0)),
        ("@3", ResultName(round=3)),
        (str(document_cid(DIGEST)), ResultName(digest=DIGEST)),
        (f"0x{DIGEST.hex()}", ResultName(digest=DIGEST)),
        (f"f01711220{DIGEST.hex()}", ResultName(digest=DIGEST)),
    ],
)
def test_result__every_way_to_name_one__is_what_was_meant(text: str, named: ResultName) -> None:
    assert RESULT.convert(text, None, None) == named


@pytest.mark.parametrize("text", ["default@", "default@x", "default@-1", "@", "default@1.5"])
def test_result__no_round__is_a_usage_error(text: str) -> None:
    with pytest.raises(click.BadParameter, match="names no round"):
        RESULT.convert(text, None, None)


def test_contract_and_path__contract_left_out__is_the_path() -> None:
    assert contract_and_path(["m.safetensors"], "the file") == (None, "m.safetensors")
    assert contract_and_path(["default", "m.safetensors"], "the file") == ("default", "m.safetensors")
    with pytest.raises(click.UsageError, match="give the file"):
        contract_and_path(["a", "b", "c"], "the file")


def test_measured_at__one_site_or_several__is_said_in_words() -> None:
    assert measured_at(1, 1200) == "1 site, 1,200 test examples"
    assert measured_at(3, None) == "3 sites"


# ------------------------------------------------------------------------------------------------------------------ log


def shown(print_: Callable[[], None]) -> str:
    @click.command()
    def command() -> None:
        print_()

    done = CliRunner().invoke(command)
    assert done.exception is None, done.exception
    return done.stdout


def log_of(entries: Sequence[Entry]) -> str:
    metric = log_command.compared_in(entries)
    return "\n".join(click.unstyle(line) for line in log_command._lines(entries, metric))


def test_log__rounds__say_who_was_merged_who_left_out_and_how_good_it_is() -> None:
    script = Script(MemoryWorld)
    script.round(withheld=[3], update=all_say(accuracy=0.25, test_samples=20.0))
    abort(script)
    script.round(update=all_say(accuracy=0.5, test_samples=20.0))
    text = log_of(list(line_of(read(script))))
    blocks = [block.splitlines() for block in text.split("\n\n")]
    assert blocks[0][0].startswith("round 3  bafyrei")
    assert blocks[0][0].endswith("(head)")
    assert "  merged    bert 200, anna 100" in blocks[1]
    assert "  left out  cleo (unavailable)" in blocks[1]
    score = "accuracy 0.5 (mean of 3 sites, 60 test examples; by updates merged in the next round)"
    assert f"  score     {score}" in blocks[1]
    assert "  then      round 2 was aborted: too few updates" in blocks[1]
    assert blocks[2][0].startswith("genesis  bafyrei")


def test_log__labels_of_strangers__play_no_tricks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.histories.LABELS", ("admin", "\x1b[31mred\nhead", "bert", "cleo"))
    script = Script(MemoryWorld)
    script.round()
    text = log_of(list(line_of(read(script))))
    assert "\x1b" not in text
    assert "?[31mred?head 100" in text


def test_log__successor__says_where_the_earlier_swarm_begins() -> None:
    swarms = Successors()
    text = log_of(list(line_of(read(swarms.later))))
    assert "--- from here on 0xe0e0e0" in text.lower()
    assert text.count("not asked: this is what documents say") == 3


def test_log__json__fits_its_schema() -> None:
    swarms = Successors()
    abort(swarms.later)
    for elsewhere in (swarms.elsewhere(), lambda chain_id, contract: None):
        entries = list(line_of(read(swarms.later), elsewhere))
        found = fits("log", log_command.document_of(entries, log_command.compared_in(entries)))
        assert [one["round"] for one in found["results"]] == [1, 0, 2, 1, 0]
        assert found["compared_by"] == "accuracy"
        assert found["results"][4]["score"]["value"] == pytest.approx(0.1)
        assert found["results"][0]["aborted"] == [{"round": 2, "reason": "too_few_updates"}]


# ----------------------------------------------------------------------------------------------------------------- best


def best_of(reading: SwarmReading, by: str | None = None) -> str:
    return "\n".join(best_command._lines(rank(reading, by)))


def test_best__head_not_scored__says_so_and_which_is_best() -> None:
    script = Script(MemoryWorld)
    script.round(update=all_say(accuracy=0.25, test_samples=20.0))
    first = script.results[0]
    script.round(update=all_say(accuracy=0.5, test_samples=20.0))
    text = best_of(read(script))
    assert "best      round 1, by accuracy 0.5 (higher is better)" in text
    assert "at 3 sites, 60 test examples, by the updates merged in the next round; weighted by test examples" in text
    assert f"result    {document_cid(first)}" in text
    assert "head      round 2 is not scored yet" in text


def test_best__sites_that_do_not_say_how_many__count_once_and_it_is_said() -> None:
    script = Script(MemoryWorld)
    script.round(update={1: says(loss=1.0, test_samples=1.0), 2: says(loss=2.0), 3: says(loss=3.0)})
    assert "by loss 2 (lower is better)" in best_of(read(script))
    assert "each site once" in best_of(read(script))


def test_best__rounds_measured_at_other_sites__is_noted() -> None:
    script = Script(MemoryWorld)
    script.round(update=all_say(accuracy=0.25))
    script.round(nodes=[1, 2], update=all_say(accuracy=0.5))
    assert "not every round was measured at as many sites: from 2 to 3" in best_of(read(script))


def test_best__json__fits_its_schema() -> None:
    script = Script(MemoryWorld)
    script.round(update=all_say(accuracy=0.25, loss=1.0, test_samples=20.0))
    script.round(update=all_say(accuracy=0.5, loss=0.5))
    reading = read(script)
    found = fits("best", best_command.document_of(reading, rank(reading)))
    assert [(one["metric"], one["better"], one["round"], one["weighted"]) for one in found["best"]] == [
        ("accuracy", "higher", 1, False),
        ("loss", "lower", 1, False),
    ]
    assert found["head"] == {"round": 2, "scored": False}
    assert [one["means"].get("accuracy") for one in found["rounds"]] == [0.25, 0.5, None]


# --------------------------------------------------------------------------------------------------------------- swarms


def glance(script: Script, *, with_store: bool = True) -> Glance:
    return glance_at(script.world.chain(None), script.store if with_store else None)


def test_glance_at__after_rounds__knows_head_and_the_newest_score() -> None:
    script = Script(MemoryWorld)
    script.round(update=all_say(accuracy=0.25))
    script.round(
        update={1: says(accuracy=0.5, test_samples=1.0), 2: says(accuracy=0.9, test_samples=3.0)}, nodes=[1, 2]
    )
    found = glance(script)
    assert (found.head_round, found.state) == (2, "idle")
    assert found.compared is not None
    assert (found.compared.metric, found.compared.round) == ("accuracy", 1)
    assert found.compared.value == pytest.approx(0.8)


def test_glance_at__no_store__knows_the_head_where_the_chain_tells() -> None:
    script = Script(MemoryWorld)
    assert glance(script, with_store=False).head_round == 0
    script.round()
    found = glance(script, with_store=False)
    assert (found.head_round, found.compared) == (1, None)
    abort(script)
    assert glance(script, with_store=False).head_round is None
    assert glance(script).head_round == 1


@pytest.mark.parametrize("is_late", [True, False])
def test_state__round_that_runs__is_its_phase(is_late: bool) -> None:
    script = Script(MemoryWorld)
    script.world.chain(1).send(OpenRound())
    if is_late:
        script.world.wait(10_000)
    assert glance(script).state == "round 1 training" + (", waits to be closed" if is_late else "")


def test_state__aborted_or_too_few__says_so() -> None:
    script = Script(MemoryWorld)
    assert glance(script).state == "idle: no round yet"
    abort(script)
    assert glance(script).state == "idle: round 1 was aborted, too few updates"
    assert glance(Script(MemoryWorld, nodes=1)).state == "idle: 1 nodes active, 2 needed"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SWARM_CHAIN_HOME", raising=False)
    monkeypatch.delenv("SWARM_CHAIN_SETTINGS", raising=False)
    return tmp_path


def deployment(name: str, contract: Address, chain_id: int = 31337) -> Deployment:
    return Deployment(
        name=name,
        chain_id=chain_id,
        chain_start=b"\x01" * 32,
        config=CONFIG,
        deployer=Address(b"\x02" * 20),
        contract=contract,
        block=BlockNumber(1),
    )


def test_known_swarms__deployments_and_pulls__each_swarm_once_with_all_that_speaks_of_it(here: Path) -> None:
    one, other = Address(b"\x01" * 20), Address(b"\x02" * 20)
    deployments = Deployments()
    for each in (deployment("a", one), deployment("b", other), deployment("again", one)):
        deployments.save(each)
    deployments.save(replace(deployment("unfinished", other), contract=None))
    pulled = here / ".swarm-chain" / "pulled"
    pulled.mkdir(parents=True)
    (here / "models").mkdir()
    for name, folder in (("there", here / "models"), ("gone", here / "gone")):
        said = {"folder": str(folder), "chain_id": 31337, "contract": "0x" + one.hex(), "rpc_urls": ["http://x"]}
        (pulled / f"{name}.json").write_text(json.dumps({**said, "stores": ["local:/s"]}))
    (pulled / "damaged.json").write_text("{")
    (pulled / "other.json").write_text("[]")
    first, second = known_swarms()
    assert (first.contract, first.names, first.folders) == (one, ["a", "again"], [here / "models"])
    assert (second.contract, second.names, second.folders) == (other, ["b"], [])
    assert first.rpc_urls == ["http://x", "http://127.0.0.1:8545"]
    assert first.stores[0] == "local:/s"


def test_known_swarms__file_that_is_damaged__raises_deployment_error(here: Path) -> None:
    (here / "deployments.json").write_text("{")
    with pytest.raises(DeploymentError, match="is not a deployments file"):
        known_swarms()


def test_swarms__one_that_answers_and_one_that_does_not__fit_the_schema_and_both_have_a_line(here: Path) -> None:
    script = Script(MemoryWorld)
    script.round(update=all_say(accuracy=0.25))
    Deployments().save(deployment("mine", Address(b"\x01" * 20)))
    (known,) = known_swarms()
    seen = [
        Seen(known=known, glance=glance(script), problem=None),
        Seen(known=known, glance=None, problem="http://x does not answer"),
    ]
    found = fits("swarms", {"swarms": [document_of(one) for one in seen]})["swarms"]
    assert found[0]["now"]["score"]["value"] == 0.25
    assert (found[1]["now"], found[1]["problem"]) == (None, "http://x does not answer")
    rows = shown(lambda: _print(swarm_table(seen, width=200))).splitlines()
    assert any("mine" in row and "round 1" in row and "accuracy 0.25 (round 0)" in row for row in rows)
    assert any("mine" in row and "unreachable" in row for row in rows)


def _print(renderable: object) -> None:
    from swarm_chain.cli.output import show

    show(renderable)
