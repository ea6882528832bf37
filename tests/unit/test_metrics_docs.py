"""docs/reference/metrics.md says what the names of metrics mean as the program takes them."""

from __future__ import annotations

import re
from pathlib import Path

from swarm_chain.core.fields import MAX_ENTRIES
from swarm_chain.core.metrics import LOWER_IS_BETTER, PREFERRED, TEST_SAMPLES
from swarm_chain.status.sites import LOOKED_AT
from swarm_chain.tasks.base import Task

PAGE = (Path(__file__).parents[2] / "docs/reference/metrics.md").read_text(encoding="utf-8")


def names_after(words: str) -> list[str]:
    """The names in code between some words and the end of their sentence."""
    sentence = PAGE.split(words, 1)[1].split(". ", 1)[0]
    return re.findall(r"`([^`]+)`", sentence.split(" that all")[0])


def test_page__which_are_better_when_lower__are_those_that_the_program_takes_so() -> None:
    assert names_after("By the last part of the name: ") == sorted(LOWER_IS_BETTER)


def test_page__what_nodes_are_compared_by__is_in_the_programs_order() -> None:
    assert tuple(names_after("The first of ")) == PREFERRED


def test_page__numbers__are_the_programs() -> None:
    assert f"`{TEST_SAMPLES}`" in PAGE
    assert f"{MAX_ENTRIES:,} of them" in PAGE
    assert f"`group_minimum` ({Task.group_minimum} unless told)" in PAGE
    assert {3: "any of the last three"}[LOOKED_AT] in PAGE
