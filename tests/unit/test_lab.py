"""The lab: who has which data, what a game is, what its report says, and the command."""

from __future__ import annotations

import errno
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from jsonschema import Draft202012Validator

from swarm_chain.cli.lab import stopped
from swarm_chain.core.cids import Codec, cid_of
from swarm_chain.core.merge import parse_rule
from swarm_chain.core.unixfs import import_bytes
from swarm_chain.core.weights import encode
from swarm_chain.demo.settings import DemoSettings
from swarm_chain.errors import ConfigurationError, DiskFull, MergeError
from swarm_chain.lab import LabReport, LabSettings, find_attack, run_lab, usual_rules
from swarm_chain.lab.fairness import Treatment
from swarm_chain.lab.game import Played, RealGame
from swarm_chain.lab.ground import Deal, address_of, name_of
from swarm_chain.lab.job import Job, deal_of, jobs_of
from swarm_chain.lab.nodes import Nodes, flipped
from swarm_chain.lab.rogue import Plan, RogueTrainer
from swarm_chain.schemas import load_schema
from swarm_chain.tasks import load_task
from swarm_chain.tasks.digits_data import all_rows, is_test, read_rows
from swarm_chain.types import RoundNumber
from tests.command_line import CommandLine

SETTINGS = LabSettings(
    task=load_task("digits"),
    task_name="digits",
    nodes=4,
    byzantine=1,
    alpha=None,
    rules=("weighted_mean", "coordinate_median"),
    attacks=("nan", "times_minus_100"),
    seeds=(0,),
    rounds=2,
)


# ---------------------------------------------------------------------------------------------------------------- data


@pytest.mark.parametrize("alpha", [None, 0.5])
def test_deal__of_digits__gives_each_row_but_the_tests_to_one_node(alpha: float | None, tmp_path: Path) -> None:
    ground = deal_of(replace(SETTINGS, nodes=6, alpha=alpha), 3).write(tmp_path)
    rows = [row.tobytes() for file in ground.files for row in read_rows(file).pixels]
    everything = all_rows()
    assert sorted(rows) == sorted(row.tobytes() for row in everything.pixels[~is_test(everything)])
    assert len(ground.test) == is_test(everything).sum()  # type: ignore[arg-type]


def test_deal__of_digits__is_the_more_skewed_the_smaller_alpha_is(tmp_path: Path) -> None:
    def largest_share(alpha: float | None) -> float:
        folder = tmp_path / str(alpha)
        folder.mkdir()
        ground = deal_of(replace(SETTINGS, alpha=alpha), 0).write(folder)
        labels = [read_rows(file).labels for file in ground.files]
        return float(np.mean([np.bincount(each).max() / len(each) for each in labels]))

    assert largest_share(None) < 0.2 < largest_share(0.5) < largest_share(0.05)


def test_deal__same_seed_same_files__another_seed_others(tmp_path: Path) -> None:
    deals = (deal_of(SETTINGS, seed) for seed in (1, 1, 2))
    one, again, other = ([read_rows(f).pixels.tobytes() for f in deal.write(tmp_path).files] for deal in deals)
    assert one == again != other


def test_address_of__is_that_of_the_same_node_in_a_demo() -> None:
    from eth_account import Account

    demo = DemoSettings(nodes=4, rounds=1, task=SETTINGS.task, task_name="digits", rule=parse_rule("mean"), seed=5)
    assert demo.names == tuple(map(name_of, range(4)))
    account: Any = Account.from_key(demo.key_of("node-3"))
    assert bytes.fromhex(account.address[2:]) == address_of(5, 2)


def test_flipped__turns_every_label_round(tmp_path: Path) -> None:
    ground = deal_of(SETTINGS, 0).write(tmp_path)
    before: Any = ground.parts[0].training
    after: Any = flipped(ground.parts[0], ground.test).training
    assert (after.tensors[1] == 9 - before.tensors[1]).all()
    assert (after.tensors[0] == before.tensors[0]).all()


# --------------------------------------------------------------------------------------------------------------- games


def test_nodes__the_same_base_again__is_not_trained_again(tmp_path: Path) -> None:
    swarm_nodes = Nodes(deal_of(SETTINGS, 0).write(tmp_path), byzantine=1, seed=0)
    base = {name: np.zeros_like(array) for name, array in _initial().items()}
    link = cid_of(b"base", Codec.DAG_CBOR)
    (first,) = swarm_nodes.trained([0], base, link, RoundNumber(1))
    (again,) = swarm_nodes.trained([0], base, link, RoundNumber(1))
    (later,) = swarm_nodes.trained([0], base, link, RoundNumber(2))
    assert again is first
    assert any(not np.array_equal(first[name], later[name]) for name in first)


def _initial() -> Any:
    from swarm_chain.adapters.torch_trainer import initial_parameters

    return initial_parameters(SETTINGS.task)


def test_rogue_trainer__sends_what_its_node_sends_in_the_game(tmp_path: Path) -> None:
    plan = Plan(deal=deal_of(replace(SETTINGS, byzantine=2), 0), byzantine=2, attack="sign_flip+jitter", node=3)
    plan.write(tmp_path / "plan.json")
    assert Plan.read(tmp_path / "plan.json") == plan
    base = _initial()
    link, number = import_bytes(encode(base)).cid, RoundNumber(1)
    nodes = Nodes(plan.deal.write(tmp_path), byzantine=2, seed=0)
    both = nodes.attacked(plan.attack, find_attack(plan.attack), base, link, number)
    done = RogueTrainer(plan, tmp_path).train(base, memory={}, round_number=number, on_progress=lambda share: None)
    assert encode(done.parameters) == encode(both[1]) != encode(both[0])
    assert done.samples == nodes.samples(3)


@pytest.fixture(scope="module")
def report() -> LabReport:
    """A small lab, played in this process."""
    return run_lab(SETTINGS, processes=1)


def test_run_lab__plays_every_rule_under_every_attack(report: LabReport) -> None:
    assert [(game.rule, game.attack) for game in report.games] == [
        (rule, attack) for rule in SETTINGS.rules for attack in ("clean", "nan", "times_minus_100")
    ]
    Draft202012Validator(load_schema("lab")).validate(json.loads(json.dumps(report.document())))


def test_run_lab__the_plain_mean_falls_and_the_median_stands(report: LabReport) -> None:
    assert report.cell("weighted_mean", "clean").accuracy > 0.9
    assert report.worst("weighted_mean").attack == "times_minus_100"
    assert report.kept("weighted_mean") < 0.5
    assert report.kept("coordinate_median") > 0.9


def test_run_lab__what_no_rule_should_see__never_counts(report: LabReport) -> None:
    for rule in SETTINGS.rules:
        assert report.cell(rule, "nan").treatment.attackers == {"non-finite": 2}
        assert report.cell(rule, "clean").treatment == Treatment(honest=8)


def test_run_lab__no_room_on_the_disk__says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(job: Job) -> list[Played]:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Job, "play", full)
    with pytest.raises(DiskFull, match="make room, or set TMPDIR"):
        run_lab(SETTINGS, processes=1)


def test_play__once_more__ends_in_the_same_bytes(report: LabReport) -> None:
    job = replace(jobs_of(SETTINGS)[0], attacks=("times_minus_100",))
    (game,) = job.play()
    assert game == report.games[2]
    assert len(set(game.heads)) == 2


# -------------------------------------------------------------------------------------------------------------- report


def played(rule: str, attack: str, accuracy: float, *, seed: int = 0, loss: float | None = 1.0) -> Played:
    metrics = {"accuracy": accuracy} if loss is None else {"accuracy": accuracy, "loss": loss}
    return Played(rule=rule, attack=attack, seed=seed, metrics=metrics, heads=())


def test_report__means_over_seeds__and_the_attack_that_leaves_least() -> None:
    given = (("clean", (0.9, 0.8), 0.5), ("nan", (0.5, 0.7), None), ("zero", (0.9, 0.1), 2.0))
    games = [
        played("weighted_mean", attack, accuracy, seed=seed, loss=loss)
        for attack, accuracies, loss in given
        for seed, accuracy in enumerate(accuracies)
    ]
    found = LabReport(
        settings=replace(SETTINGS, rules=("weighted_mean",), attacks=("nan", "zero"), seeds=(0, 1)),
        games=tuple(games),
        seconds=1.0,
    )
    worst = found.worst("weighted_mean")
    assert (worst.attack, worst.accuracy, worst.lowest, worst.loss) == ("zero", pytest.approx(0.5), 0.1, 2.0)
    assert found.cell("weighted_mean", "nan").loss is None
    assert found.clean == pytest.approx(0.85)
    assert found.kept("weighted_mean") == pytest.approx(0.5 / 0.85)


def test_is_confirmed__agents_came_to_other_weights__is_false() -> None:
    one, other = (cid_of(data, Codec.DAG_CBOR) for data in (b"one", b"other"))
    game = replace(played("mean", "zero", 0.5), heads=(one,))
    assert game.is_confirmed
    assert replace(game, real=RealGame(heads=(one,), audit="PASS")).is_confirmed
    assert not replace(game, real=RealGame(heads=(other,), audit="PASS")).is_confirmed
    assert not replace(game, real=RealGame(heads=(one,), audit="FAIL")).is_confirmed


# ------------------------------------------------------------------------------------------------------------ settings


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"byzantine": 4}, "4 of 4 nodes cannot attack"),
        ({"byzantine": 0}, "0 of 4 nodes cannot attack"),
        ({"attacks": ("zro",)}, "there is no attack 'zro'"),
        ({"attacks": ()}, "there are attacks that come twice, or none"),
        ({"rules": ("mean", "mean")}, "there are rules that come twice, or none"),
        ({"alpha": float("nan")}, "alpha is nan"),
        ({"task": load_task("courses")}, "the task courses cannot be attacked here"),
        ({"task": load_task("heart"), "alpha": 0.5}, "leave --alpha away"),
    ],
)
def test_settings__what_cannot_be_tried__is_named(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        replace(SETTINGS, **changes)


def test_settings__a_rule_that_so_few_nodes_cannot_meet__is_refused() -> None:
    with pytest.raises(MergeError, match="needs 5 updates"):
        replace(SETTINGS, rules=("trimmed_mean:f=2",))


@pytest.mark.parametrize(("nodes", "byzantine"), [(2, 1), (4, 1), (5, 2), (10, 3)])
def test_usual_rules__can_all_be_met(nodes: int, byzantine: int) -> None:
    rules = usual_rules(nodes, byzantine)
    for rule in rules:
        parse_rule(rule).require(nodes)
    assert rules[:2] == ("weighted_mean", "coordinate_median")


# ------------------------------------------------------------------------------------------------------------- command


@pytest.fixture
def command(tmp_path: Path) -> CommandLine:
    return CommandLine(folder=tmp_path)


def test_lab__a_small_one__prints_tables_with_the_worst_case_last(command: CommandLine) -> None:
    small = ("--nodes", "4", "--rounds", "1", "--seeds", "1", "--processes", "1")
    chosen = ("--rules", "weighted_mean", "--attacks", "nan gaussian")
    done = command.must("lab", *small, *chosen, "--json", "lab.json")
    swarm = "digits: 4 nodes, 1 of them attack, labels mixed; 1 rounds, seeds 0"
    for words in (swarm, "(1) weighted_mean", "gaussian"):
        assert words in done.out
    first = done.out.split("loss on the test")[0]
    assert first.index(" clean ") < first.index("worst case") < first.index(" kept ")
    assert "played 3 of 3 games" in done.err
    found = json.loads((command.folder / "lab.json").read_text())
    Draft202012Validator(load_schema("lab")).validate(found)
    assert (found["nodes"], found["byzantine"], found["seeds"], found["alpha"]) == (4, 1, [0], None)


def test_lab__games_that_ended_early__says_how_many_and_why() -> None:
    games = (
        replace(played("mean", "clean", 0.9), stopped=None),
        replace(played("mean", "zero", 0.1), stopped="the loss is no number"),
        replace(played("krum:f=1", "clean", 0.9), stopped=None),
    )
    settings = replace(SETTINGS, rules=("mean", "krum:f=1"), attacks=("zero",))
    assert list(stopped(LabReport(settings=settings, games=games, seconds=1.0))) == [
        "ended early: 1 of 2 games under mean, the first because the loss is no number"
    ]


def test_lab__no_rules__is_one_line(command: CommandLine) -> None:
    assert "there are rules that come twice, or none" in command.run("lab", "--rules", " ").error


def test_lab__an_unknown_attack__is_one_line(command: CommandLine) -> None:
    assert "there is no attack 'magic'; use some of label_flip" in command.run("lab", "--attacks", "magic").error


def test_lab__more_attackers_than_nodes__is_one_line(command: CommandLine) -> None:
    done = command.run("lab", "--nodes", "3", "--byzantine", "3", "--rules", "mean")
    assert "3 of 3 nodes cannot attack" in done.error


def test_job__is_what_one_rule_and_seed_need() -> None:
    jobs = jobs_of(replace(SETTINGS, seeds=(0, 1)))
    assert [(job.deal.seed, job.rule) for job in jobs] == [(seed, rule) for seed in (0, 1) for rule in SETTINGS.rules]
    assert isinstance(jobs[0], Job)
    assert jobs[0].deal == Deal(
        task_name="digits",
        training=SETTINGS.task.hyperparameters.document(),
        sources=(),
        nodes=4,
        alpha=None,
        seed=0,
    )
