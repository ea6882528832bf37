"""`swarm-chain lab`: its games are what contract and agents play, and `robust` keeps what it is to keep."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.command_line import CommandLine

pytestmark = pytest.mark.deep

WORST = "inner_product_0.1+jitter inner_product_0.5+jitter zero+jitter little_1.5+jitter times_minus_100+jitter"


def lab(folder: Path, *arguments: str) -> dict[str, Any]:
    """What the lab says, as `--json` writes it."""
    CommandLine(folder=folder).must("lab", "--seeds", "1", *arguments, "--json", "lab.json")
    found: dict[str, Any] = json.loads((folder / "lab.json").read_text())
    return found


def test_lab__with_contract_and_agents__comes_to_the_same_bytes_in_every_round(tmp_path: Path) -> None:
    attack = ("--attacks", "inner_product_0.5+jitter", "--rules", "robust:f=1,step=momentum")
    found = lab(tmp_path, "--real", "--nodes", "4", "--rounds", "2", *attack)
    assert [game["attack"] for game in found["games"]] == ["clean", "inner_product_0.5+jitter"]
    for game in found["games"]:
        assert game["real"] == {"audit": "PASS", "heads": game["heads"]}
        assert len(set(game["heads"])) == 2
    clean, attacked = (game["heads"] for game in found["games"])
    assert not set(clean) & set(attacked)


@pytest.mark.parametrize(("deal", "kept"), [((), 0.95), (("--alpha", "0.5"), 0.75)])
def test_lab__three_of_ten_attack__robust_keeps_the_model_and_the_plain_mean_does_not(
    deal: tuple[str, ...], kept: float, tmp_path: Path
) -> None:
    found = lab(tmp_path, *deal, "--rules", "weighted_mean robust:f=3", "--attacks", WORST)
    plain, robust = found["rules"]
    assert plain["kept"] < 0.3
    assert robust["kept"] >= kept
