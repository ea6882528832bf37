"""docs/reference/configuration.md says everything that can be set, and the defaults as they are."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest

from swarm_chain import config
from swarm_chain.config import StoreSettings
from swarm_chain.core.quorum import SHOWN_SIZES, fault_tolerance
from swarm_chain.deployment import swarm_config

ROOT = config.PACKAGE.parent
PAGE = (ROOT / "docs" / "reference" / "configuration.md").read_text()
DEFAULTS = {
    name: parameter.default
    for name, parameter in inspect.signature(swarm_config).parameters.items()
    if parameter.default is not inspect.Parameter.empty
}


def row(key: str, heading: str) -> list[str]:
    """The cells of the table row about a key, in the section whose heading starts so."""
    section = PAGE.split(f"\n## {heading}")[1].split("\n## ")[0]
    found = re.search(rf"^\| `{re.escape(key)}` \|(.*)\|$", section, re.MULTILINE)
    assert found, f"docs/reference/configuration.md does not mention {key} under {heading}"
    return [cell.strip() for cell in found[1].split("|")]


def variables() -> set[str]:
    places = (config.PACKAGE / "config" / "places.py").read_text()
    return set(re.findall(r"SWARM_CHAIN_[A-Z]+", places))


@pytest.mark.parametrize("variable", sorted(variables()))
def test_page__every_environment_variable__is_there(variable: str) -> None:
    assert row(variable, "Environment")


def test_page__no_variable_that_is_not_read() -> None:
    assert set(re.findall(r"SWARM_CHAIN_[A-Z]+", PAGE)) == variables()


@pytest.mark.parametrize("name", sorted(DEFAULTS))
def test_page__every_default_of_a_swarm__is_as_it_is(name: str) -> None:
    shown = row(name, "A swarm")[0].removesuffix(" s").replace(",", "")
    assert shown == str(DEFAULTS[name]).lower()


def test_page__every_key_of_the_development_chain__is_as_shipped() -> None:
    section = ""
    for line in (ROOT / "anvil.toml").read_text().splitlines():
        section = line.strip("[]") if line.startswith("[") else section
        key, equals, value = line.partition(" = ")
        if equals and not line.startswith("#") and key != "mnemonic":
            assert row(f"{section}.{key}", "`anvil.toml`")[0].replace(",", "") == value.strip('"').replace("_", "")


def test_page__every_key_of_a_node__is_there(tmp_path: Path) -> None:
    from tests.unit.test_config import NODE

    config.save_node_config(NODE, tmp_path / "node.toml")
    section = ""
    for line in (tmp_path / "node.toml").read_text().splitlines():
        section = line.strip("[]") if line.startswith("[") else section
        if " = " in line and not line.startswith("#"):
            assert row(f"{section}.{line.partition(' = ')[0]}", "`node.toml`")


def test_page__every_key_of_a_named_store__is_there() -> None:
    source = (config.PACKAGE / "config" / "stores.py").read_text()
    keys = set(re.findall(r'table\.(?:text|optional_text|integer)\("(\w+)"', source))
    keys |= set(re.findall(r'optional_text\(key\) for key in \("(\w+)", "(\w+)"\)', source)[0])
    assert keys == {"address", "token_file", "headers_file", "ca_file", "proxy", "timeout"}
    assert all(row(key, "`swarm-chain.toml`") for key in keys)
    assert f"Default {StoreSettings(address='a').timeout}." in row("timeout", "`swarm-chain.toml`")[0]


def test_page__how_many_may_fail__is_what_the_rule_gives() -> None:
    table = {name: cells.split("|") for name, cells in re.findall(r"^\| (nodes|quorum|may fail) \|(.*)\|$", PAGE, re.M)}
    sizes = [int(cell) for cell in table["nodes"]]
    assert sizes == list(SHOWN_SIZES)
    found = [fault_tolerance(DEFAULTS["quorum_bps"], DEFAULTS["min_updates"], size) for size in sizes]
    assert [int(cell) for cell in table["quorum"]] == [each.quorum for each in found]
    assert [int(cell) for cell in table["may fail"]] == [each.may_fail for each in found]
