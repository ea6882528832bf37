"""The page by which a merge rule is chosen: its commands are commands, and it names all that there is."""

from __future__ import annotations

import shlex

import pytest

from swarm_chain.cli.lab import lab
from swarm_chain.core.merge import SHIPPED, parse_rule
from swarm_chain.lab import ATTACKS
from tests.docs import DOCS, blocks

PAGE = "how-to/choose-a-merge-rule.md"


def commands() -> list[list[str]]:
    """The words of each `swarm-chain lab` on the page."""
    shown = [*blocks(PAGE, "sh"), *(block.removeprefix("$ ").split("\n")[0] for block in blocks(PAGE, "console"))]
    return [shlex.split(text.replace("\\\n", "")) for text in shown]


@pytest.mark.parametrize("words", commands(), ids=" ".join)
def test_page__commands__are_read_by_the_command_line(words: list[str]) -> None:
    assert words[:2] == ["swarm-chain", "lab"]
    given = lab.make_context("lab", words[2:]).params
    assert set((given["attacks"] or "").split()) <= ATTACKS.keys()
    for rule in (given["rules"] or "").split():
        parse_rule(rule)


def test_page__has_a_command_for_each_table_and_one_with_agents() -> None:
    assert len(commands()) == 5
    assert sum("--real" in words for words in commands()) == 1


def test_page__names_every_attack_and_every_rule_that_ships() -> None:
    text = (DOCS / PAGE).read_text(encoding="utf-8")
    assert not [name for name in ATTACKS if f"`{name}`" not in text and f"`_{name.rsplit('_', 1)[-1]}`" not in text]
    assert not [name for name in SHIPPED if name not in text and name != "mean"]
