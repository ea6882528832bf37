"""How a swarm merges, for people: caps are said where samples count, and warned of where they do nothing."""

from __future__ import annotations

import pytest

from swarm_chain.cli.merges import describe_merge, unused_caps
from swarm_chain.core.merge import parse_rule
from swarm_chain.genesis import merge_settings


@pytest.mark.parametrize(
    ("rule", "shown"),
    [
        ("weighted_mean", "weighted_mean, samples capped at 300, no update above 40 % of the samples"),
        ("mean", "mean"),
        ("trimmed_mean:f=1", "trimmed_mean:f=1"),
    ],
)
def test_describe_merge__caps__are_said_of_rules_that_look_at_samples(rule: str, shown: str) -> None:
    assert describe_merge(merge_settings(parse_rule(rule), max_samples=300, max_share_bps=4000)) == shown


def test_describe_merge__no_caps__says_none() -> None:
    assert describe_merge(merge_settings(parse_rule("weighted_mean"))) == "weighted_mean"


@pytest.mark.parametrize(
    ("rule", "caps", "nodes", "said"),
    [
        ("weighted_mean", {}, 1, []),
        ("weighted_mean", {"max_samples": 5, "max_share_bps": 2500}, 4, []),
        ("weighted_mean", {"max_share_bps": 2500}, None, []),
        (
            "weighted_mean",
            {"max_share_bps": 2499},
            4,
            ["at most 24.99 % for each of 4 updates make no whole"],
        ),
        ("robust:f=1", {}, 4, []),
        ("robust:f=1", {"max_samples": 5}, None, ["trimmed_mean does not look at samples"]),
        ("mean", {"max_share_bps": 9999}, 4, ["mean does not look at samples: caps on them change nothing"]),
    ],
)
def test_unused_caps__what_changes_nothing__is_said(
    rule: str, caps: dict[str, int], nodes: int | None, said: list[str]
) -> None:
    recipe = parse_rule(rule)
    found = list(unused_caps(merge_settings(recipe, **caps), recipe.rule, nodes))
    assert len(found) == len(said)
    assert all(words in line for words, line in zip(said, found, strict=True))
