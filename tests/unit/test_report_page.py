"""The page that `report` writes: well-formed, inert whatever strangers call themselves, and right."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

import pytest

from swarm_chain.adapters.memory import MemoryStore
from swarm_chain.audit import Verdict
from swarm_chain.core.traffic import Traffic
from swarm_chain.reporting import LocalAgent, Report, render
from swarm_chain.reporting.series import choose_metrics
from swarm_chain.types import OpenRound
from tests.histories import Script
from tests.many_sites import many_sites
from tests.reports import check_is_inert, page_of, report_on, says, script

HOSTILE = (
    "<script>alert(1)</script>",
    "\"'><img src=x onerror=alert(2)>",
    "\u202egnorts\u2066\x00\x1b[31m",
    "בית חולים",
    "{{ 7919 * 8 }}",
    "</title></svg></style><!--",
    "a" * 4000,
    "",
    "same",
    "same",
)
HOSTILE_METRICS = {
    "<script>alert(3)</script>": 0.5,
    '"><svg onload=alert(4)>': 1e308,
    "{% for x in y %}": -1e308,
    "accuracy": 0.5,
    "accuracy_low": 0.9,
    "accuracy_high": 0.1,
    "</text>.recall": 5e-324,
    "..": 0.0,
    "m" * 256: 1.0,
    "test_samples": -3.0,
}


def binary(accuracy: float, brier: float, samples: float = 50.0) -> dict[str, float]:
    return {
        "accuracy": accuracy,
        "accuracy_low": accuracy - 0.05,
        "accuracy_high": accuracy + 0.05,
        "brier": brier,
        "female.accuracy": accuracy,
        "test_samples": samples,
    }


@pytest.fixture(scope="module")
def three() -> Report:
    """Three rounds of three sites, one of them excluded once."""
    swarm = script("anna", "bert", "cleo")
    for number in range(3):
        said = {node: says(binary(0.5 + 0.1 * number + 0.05 * node, 0.3 - 0.02 * node)) for node in (1, 2, 3)}
        swarm.round(update=said, withheld=[2] if number == 1 else [])
    return report_on(swarm)


# --------------------------------------------------------------------------------------------------------- safe to open


def nothing_yet(_: Script) -> None: ...


def rounds(swarm: Script) -> None:
    for _ in range(3):
        swarm.round(update={node: says(HOSTILE_METRICS) for node in swarm.nodes})


def an_aborted_round(swarm: Script) -> None:
    swarm.world.chain(1).send(OpenRound())
    swarm.close_late()


@pytest.mark.parametrize("play", [nothing_yet, rounds, an_aborted_round])
@pytest.mark.parametrize("labels", [HOSTILE[:5], HOSTILE[5:]])
@pytest.mark.parametrize("has_documents", [True, False])
def test_page__hostile_labels_and_metrics__is_well_formed_and_inert(
    play: Callable[[Script], None], labels: tuple[str, ...], has_documents: bool
) -> None:
    swarm = script(*map(_short, labels))
    play(swarm)
    check_is_inert(page_of(report_on(swarm, swarm.store if has_documents else MemoryStore())))


def _short(label: str) -> str:
    return label.encode()[:64].decode("utf-8", "ignore")


def test_page__label_is_markup__is_read_as_it_is_written() -> None:
    swarm = script(*HOSTILE[:5])
    swarm.round(update={node: says(HOSTILE_METRICS) for node in swarm.nodes})
    text = page_of(report_on(swarm)).text
    for word in ("<script>alert(1)</script>", "<script>alert(3)</script>", "{{ 7919 * 8 }}", "בית חולים"):
        assert word in text
    assert "63352" not in text


def test_page__label_turns_lines_around_or_hides__does_not() -> None:
    swarm = script(*HOSTILE[:5])
    swarm.round()
    source = render(report_on(swarm))
    assert not re.search("[\x00-\x08\x0b-\x1f\u202a-\u202e\u2066\u2067]", source)
    assert "?gnorts???[31m" in source


def test_page__two_nodes_with_one_label__can_be_told_apart() -> None:
    swarm = script("same", "same", "other")
    swarm.round()
    shown = {row[0] for row in table(report_on(swarm), "what each site measured")}
    assert len([name for name in shown if name.startswith("same 0x")]) == 2


def test_page__honest__names_no_address_of_the_network(three: Report) -> None:
    assert not re.search(r"https?://|//\w", render(three))


def test_page__same_report__same_bytes(three: Report) -> None:
    assert render(three) == render(three)


# ------------------------------------------------------------------------------------------------------------- verdicts


def test_page__by_itself__claims_no_verdict_and_says_what_gives_one(three: Report) -> None:
    text = page_of(three).text
    assert "This is not an audit." in text
    assert f"swarm-chain audit 0x{three.contract.hex()}" in text
    assert "PASS" not in text


@pytest.mark.parametrize("verdict", list(Verdict))
def test_page__audited_by_who_wrote_it__shows_the_verdict(three: Report, verdict: Verdict) -> None:
    text = page_of(replace(three, verdict=verdict)).text
    assert f"Audit: {verdict}" in text
    assert "This is not an audit." not in text


# -------------------------------------------------------------------------------------------------------- what it shows


def table(report: Report, start: str) -> list[list[str]]:
    (found,) = [rows for caption, rows in page_of(report).tables().items() if caption.startswith(start)]
    return found


def test_page__head_by_site__marks_worst_and_best_by_what_is_better(three: Report) -> None:
    head, *sites, mean = table(three, "what each site measured")
    assert head == ["site", "accuracy", "brier", "test examples"]
    by_name = {row[0].split()[0]: row[1:] for row in sites}
    assert by_name["anna"] == ["0.750 0.700 to 0.800 worst", "0.280 worst", "50"]
    assert by_name["bert"] == ["0.800 0.750 to 0.850", "0.260", "50"]
    assert by_name["cleo"] == ["0.850 0.800 to 0.900 best", "0.240 best", "50"]
    assert mean[:3] == ["mean of the sites", "0.800 by test examples", "0.260 by test examples"]


def test_page__head_by_site__names_the_worst_and_how_far_it_is_from_the_best(three: Report) -> None:
    assert "By accuracy it is worst at anna (0.750), 0.100 from the best, cleo (0.850)." in page_of(three).text


def test_page__head_not_measured_yet__says_so(three: Report) -> None:
    text = page_of(three).text
    assert "How the result of round 2 does at each site" in text
    assert "The head, of round 3, was not measured yet" in text


def test_page__agents_here_scored_the_head__shows_it_and_who_says_so() -> None:
    swarm = script("anna", "bert")
    head = swarm.round()
    agents = {
        swarm.address(node): LocalAgent(
            traffic=Traffic(rpc_sent=1_500, store_read=2_500_000),
            data_bytes=42,
            head=head,
            head_metrics={"accuracy": 0.5},
        )
        for node in (1, 2)
    }
    found = report_on(swarm, agents=agents)
    text = page_of(found).text
    assert "How the result of round 1 does at each site" in text
    assert "Scored by agents on this machine" in text
    assert table(found, "documents and weights")[1][3:] == ["1.5 kB", "2.5 MB", "42 B"]


def test_page__weighted_mean__counts_by_test_examples() -> None:
    swarm = script("anna", "bert")
    swarm.round(update={1: says(binary(0.5, 0.1, samples=30.0)), 2: says(binary(0.9, 0.1, samples=10.0))})
    assert table(report_on(swarm), "what each site measured")[-1][1] == "0.600 by test examples"


def test_page__curves__each_metric_has_its_values_in_a_table(three: Report) -> None:
    rows = table(three, "accuracy of the agreed model")
    assert rows == [
        ["round", "anna", "bert", "cleo", "mean"],
        ["0", "0.550", "0.600", "0.650", "0.600"],
        ["1", "0.650", "0.700", "0.750", "0.700"],
        ["2", "0.750", "0.800", "0.850", "0.800"],
    ]
    assert table(three, "brier of each node's own update")[-1] == ["3", "0.280", "0.260", "0.240", "0.260"]


def test_page__rounds__who_was_in_and_who_was_not_and_why(three: Report) -> None:
    rows = table(three, "every round")
    text = [re.sub("[\u2068\u2069]", "", " | ".join(row[:6])) for row in rows[1:]]
    assert text == [
        "1 | finalised | 3 of 3 | - | - | 2 of 2",
        "2 | finalised | 2 of 3 | bert (unavailable) | - | 2 of 2",
        "3 | finalised | 3 of 3 | - | - | 2 of 2",
    ]


def test_page__documents_missing__is_written_all_the_same_and_says_what_is_missing() -> None:
    swarm = script("anna", "bert", "cleo")
    swarm.round()
    text = page_of(report_on(swarm, MemoryStore())).text
    assert "No site has measured a model yet, or no store that was asked has the documents." in text
    assert "result of round 1: no store that was asked has it" in text


def test_choose_metrics__thousands_of_names__shows_what_most_sites_measured() -> None:
    swarm = script("anna", "bert", "cleo")
    many = {f"m{number}": 0.5 for number in range(1000)} | {"auroc": 0.5}
    swarm.round(update={1: says(many), 2: says({"auroc": 0.5, "z": 0.5}), 3: says({"auroc": 0.5, "z": 0.5})})
    found = report_on(swarm)
    chosen = choose_metrics(found)
    assert chosen.whole[:2] == ("auroc", "z")
    assert len(chosen.whole) + chosen.left_out == 1002
    assert f"{chosen.left_out} more metrics" in page_of(found).text


def test_page__many_sites_and_rounds__stays_small_and_names_both_ends() -> None:
    found = many_sites(sites=60, rounds=240)
    page = page_of(found)
    assert len(page.source) < 1_500_000
    assert "worst in the last round: site 59" in page.text
    assert "best in the last round: site 0" in page.text
    assert "240 rounds are drawn" in page.text
    assert "of 60 sites have a line" in page.text
    check_is_inert(page)
