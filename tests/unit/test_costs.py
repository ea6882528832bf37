"""What things cost: bills against what was measured, prices, and the command."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from swarm_chain.artifacts import gas
from swarm_chain.artifacts.gas import SIZES, STAGES, load_gas, most
from swarm_chain.cli.cost_reference import render
from swarm_chain.config import PACKAGE
from swarm_chain.core.costs import Price, every_call, one_node, set_up, whole_round
from swarm_chain.core.gas import GAS_CAPS
from swarm_chain.errors import ConfigurationError
from swarm_chain.schemas import load_schema
from swarm_chain.types import Gas
from tests.command_line import CommandLine

CAPS = {type_.__name__[0].lower() + type_.__name__[1:]: cap for type_, cap in GAS_CAPS.items()}
AGREEING_CAP = 48_500


@pytest.fixture
def line(tmp_path: Path) -> CommandLine:
    return CommandLine(folder=tmp_path)


# ------------------------------------------------------------------------------------------------------------- measured


def test_gas__every_call__was_measured_and_stays_below_its_cap() -> None:
    measured = {item.call: item.gas for item in every_call().items}
    assert set(measured) == {*CAPS, "deploy"}
    assert [item for item in every_call().items if item.gas > CAPS.get(item.call, 5_000_000)] == []


@pytest.mark.parametrize("kind", ["sealed", "direct"])
@pytest.mark.parametrize("nodes", SIZES)
def test_gas__agreeing_attestation__stays_below_its_own_cap(kind: str, nodes: int) -> None:
    assert max(most(call, f"{kind}/{nodes}/") for call in ("attest", "attest, first", "attest, last")) <= AGREEING_CAP


@pytest.mark.parametrize("nodes", SIZES)
def test_gas__sealed_round_divided_by_its_nodes__stays_below_the_cap(nodes: int) -> None:
    assert max(load_gas()[f"sealed/{nodes}/{stage}/all"] for stage in STAGES) / nodes <= 130_000


@pytest.mark.parametrize("call", ["commitUpdate", "revealUpdate", "attest", "openRound", "submitUpdate"])
def test_gas__other_sizes_and_rounds__is_the_same_but_for_a_newcomer_and_zero_bytes(call: str) -> None:
    found = [
        value
        for name, value in load_gas().items()
        if name.startswith(("sealed", "direct")) and name.endswith(f"/{call}")
    ]
    assert len(found) >= len(SIZES) * len(STAGES)
    assert max(found) - min(found) < 100


@pytest.mark.parametrize("kind", ["sealed", "direct"])
@pytest.mark.parametrize("nodes", SIZES)
def test_whole_round__measured_too__is_never_below_and_hardly_above(kind: str, nodes: int) -> None:
    bill = whole_round(nodes, is_sealed=kind == "sealed")
    dearest = max(load_gas()[f"{kind}/{nodes}/{stage}/all"] for stage in STAGES)
    assert dearest <= bill.gas <= dearest * 1.0005


def test_most__unknown_call__raises_key_error() -> None:
    with pytest.raises(KeyError):
        most("mint")


@pytest.mark.parametrize("text", ["", "[]", '{"a": "much"}'])
def test_load_gas__file_is_damaged__says_what_to_do(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gas, "artifact_path", lambda name: tmp_path / f"{name}.json")
    (tmp_path / "gas.json").write_text(text)
    with pytest.raises(ConfigurationError, match="install swarm-chain again"):
        load_gas.__wrapped__()


# ---------------------------------------------------------------------------------------------------------------- bills


def test_whole_round__sealed__has_every_transaction() -> None:
    bill = whole_round(5, is_sealed=True)
    assert bill.transactions == 1 + 5 + 5 + 3
    assert {(item.call, item.case): item.transactions for item in bill.items} == {
        ("openRound", ""): 1,
        ("commitUpdate", ""): 4,
        ("commitUpdate", "last"): 1,
        ("revealUpdate", ""): 4,
        ("revealUpdate", "last"): 1,
        ("attest", "first"): 1,
        ("attest", ""): 1,
        ("attest", "last"): 1,
    }


def test_whole_round__two_nodes__counts_nothing_twice() -> None:
    assert whole_round(2, is_sealed=False).transactions == 1 + 2 + 2
    assert whole_round(3, is_sealed=True, quorum_bps=10_000).transactions == 1 + 3 + 3 + 3


def test_set_up__nodes__is_the_contract_and_their_joining() -> None:
    assert set_up(3).gas == most("deploy") + most("registerWithInvitation, first") + 2 * most("registerWithInvitation")


def test_one_node__sealed_and_direct__is_its_own_calls() -> None:
    assert one_node(is_sealed=True).transactions == 3
    assert one_node(is_sealed=False).gas < one_node(is_sealed=True).gas


def test_price__gas__is_exact() -> None:
    price = Price(gwei=Decimal("0.1"), dollars=Decimal(3_000))
    assert (price.coins(Gas(21_000)), price.in_dollars(Gas(21_000))) == (Decimal("0.0000021"), Decimal("0.0063"))
    assert Price(gwei=Decimal(1)).in_dollars(Gas(1)) is None


# -------------------------------------------------------------------------------------------------------------- command


def test_cost__no_price__shows_gas_alone(line: CommandLine) -> None:
    shown = line.must("cost", "--nodes", "50").out
    assert "50 nodes, sealed, 26 of them agree" in shown
    assert f"{whole_round(50, is_sealed=True).gas:,} gas: all nodes" in shown
    assert "ETH" not in shown
    assert "$" not in shown


def test_cost__prices__shows_money(line: CommandLine) -> None:
    shown = line.must("cost", "--gas-price", "2", "--eth-price", "2500").out
    gas_used = whole_round(4, is_sealed=True).gas
    assert f"{gas_used * 2 / 1e9:.6f} ETH, ${gas_used * 2 / 1e9 * 2500:,.4f}" in shown


@pytest.mark.parametrize("prices", [(), ("--gas-price", "0.05"), ("--gas-price", "0.05", "--eth-price", "3000")])
@pytest.mark.parametrize("kind", [(), ("--direct",)])
def test_cost__json__is_as_its_schema_says(line: CommandLine, prices: tuple[str, ...], kind: tuple[str, ...]) -> None:
    document = json.loads(line.must("cost", "--json", "-", *prices, *kind).out)
    Draft202012Validator(load_schema("cost")).validate(document)
    items = document["round"]["items"]
    assert document["round"]["gas"] == sum(item["gas"] * item["transactions"] for item in items)
    assert (document["round"]["eth"] is None) == (not prices)
    assert (document["node"]["usd"] is None) == (len(prices) < 4)


def test_cost__json_to_a_file__shows_the_same_to_people(line: CommandLine) -> None:
    shown = line.must("cost", "--json", str(line.folder / "cost.json")).out
    assert f"{json.loads((line.folder / 'cost.json').read_text())['set_up']['gas']:,} gas" in shown


def test_cost__price_of_the_coin_alone__says_what_is_missing(line: CommandLine) -> None:
    assert "--gas-price" in line.run("cost", "--eth-price", "3000").error


@pytest.mark.parametrize("price", ["nan", "inf", "-1", "1e3", "", "1,5", "\u0661"])
def test_cost__no_price__is_refused(line: CommandLine, price: str) -> None:
    done = line.run("cost", f"--gas-price={price}")
    assert done.status == 2
    assert "is not a price" in done.err


@pytest.mark.parametrize("nodes", ["1", "10001", "four"])
def test_cost__no_number_of_nodes__is_refused(line: CommandLine, nodes: str) -> None:
    assert line.run("cost", "--nodes", nodes).status == 2


def test_reference__gas__is_what_was_measured() -> None:
    written = (PACKAGE.parent / "docs" / "reference" / "gas.md").read_text(encoding="utf-8")
    assert written == render(), "run: python -m swarm_chain.cli.cost_reference > docs/reference/gas.md"


def test_readme__a_nodes_part__is_what_was_measured() -> None:
    assert f" {one_node(is_sealed=True).gas:,} gas" in (PACKAGE.parent / "README.md").read_text(encoding="utf-8")
