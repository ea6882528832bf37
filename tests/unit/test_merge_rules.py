"""Rules by name, their parameters, and how much each node counts."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from swarm_chain.core.documents import MergeSettings
from swarm_chain.core.merge import (
    SHIPPED,
    find_rule,
    make_recipe,
    make_rule,
    node_weights,
    parse_rule,
    rule_names,
    rule_of,
    rule_source,
    shares_of,
)
from swarm_chain.core.unixfs import import_file
from swarm_chain.errors import MergeError

SAMPLES = st.lists(st.integers(1, 60), min_size=1, max_size=8)


@settings(max_examples=300, deadline=None)
@given(SAMPLES, st.integers(1, 70), st.integers(1, 10_000))
def test_node_weights__any_samples__is_the_largest_cap_that_keeps_the_shares(
    samples: list[int], max_samples: int, max_share_bps: int
) -> None:
    weights = node_weights(samples, max_samples=max_samples, max_share_bps=max_share_bps)
    capped = [min(count, max_samples) for count in samples]
    caps = [
        cap
        for cap in range(1, max(capped) + 1)
        if cap * 10_000 <= max_share_bps * sum(min(count, cap) for count in capped)
    ]
    if caps:
        assert weights == tuple(min(count, caps[-1]) for count in capped)
        assert max(weights) * 10_000 <= max_share_bps * sum(weights)
    else:
        assert weights == (1,) * len(samples)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.integers(1, 2**64 - 1), min_size=1, max_size=50), st.integers(1, 2**64 - 1), st.integers(1, 10_000))
def test_node_weights__samples_of_any_size__are_whole_and_ordered_like_the_samples(
    samples: list[int], max_samples: int, max_share_bps: int
) -> None:
    weights = node_weights(samples, max_samples=max_samples, max_share_bps=max_share_bps)
    assert all(1 <= weight <= count for weight, count in zip(weights, samples, strict=True))
    pairs = sorted(zip(samples, weights, strict=True))
    assert [weight for _, weight in pairs] == sorted(weights)


@pytest.mark.parametrize(
    ("samples", "max_samples", "max_share_bps", "expected"),
    [
        ([10, 20, 30], 100, 10_000, (10, 20, 30)),
        ([10, 20, 30], 15, 10_000, (10, 15, 15)),
        ([900, 50, 50], 10_000, 5_000, (100, 50, 50)),
        ([900, 1, 1], 10_000, 5_000, (2, 1, 1)),
        ([7, 7, 7], 100, 3_333, (1, 1, 1)),
        ([5, 500], 100, 4_999, (1, 1)),
        ([5], 100, 9_999, (1,)),
        ([5], 100, 10_000, (5,)),
        ([2**64 - 1, 1], 2**64 - 1, 10_000, (2**64 - 1, 1)),
    ],
)
def test_node_weights__examples(
    samples: list[int], max_samples: int, max_share_bps: int, expected: tuple[int, ...]
) -> None:
    assert node_weights(samples, max_samples=max_samples, max_share_bps=max_share_bps) == expected


def test_shares_of__weights_of_any_size__are_rounded_once() -> None:
    assert shares_of((2**64 - 1, 1)) == ((2**64 - 1) / 2**64, 2.0**-64)
    assert shares_of((1, 1, 1)) == (1 / 3,) * 3


# ---------------------------------------------------------------------------------------------------------------- names


@pytest.mark.parametrize("text", ["weighted_mean", "mean", "coordinate_median", "trimmed_mean:f=1"])
def test_parse_rule__what_a_rule_shows__is_read_again(text: str) -> None:
    rule = parse_rule(text)
    assert str(rule) == text
    assert make_recipe(type(rule.rule), rule.parameters) == rule


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no merge rule ''"),
        ("krumm", "use one of weighted_mean, mean, coordinate_median, trimmed_mean"),
        ("trimmed_mean", "needs f"),
        ("trimmed_mean:", "needs f"),
        ("trimmed_mean:f", "name=value"),
        ("trimmed_mean:f=1,f=1", "name=value"),
        ("trimmed_mean:f=1.0", "pass a whole number"),
        ("trimmed_mean:f=true", "pass a whole number"),
        ("trimmed_mean:f=many", "'many'"),
        ("trimmed_mean:f=-1", "is -1"),
        ("trimmed_mean:f=1,g=2", "no parameter 'g'; it has f"),
        ("mean:f=1", "it has none"),
    ],
)
def test_parse_rule__what_cannot_be_used__raises_merge_error_with_advice(text: str, message: str) -> None:
    with pytest.raises(MergeError, match=message):
        parse_rule(text)


def test_minimum_updates__each_rule() -> None:
    assert [parse_rule(name).minimum_updates for name in ("mean", "weighted_mean", "coordinate_median")] == [1, 1, 1]
    assert [parse_rule(f"trimmed_mean:f={f}").minimum_updates for f in (0, 1, 3)] == [1, 3, 7]


def test_shipped__every_rule__has_a_file_of_its_name() -> None:
    for name, rule in SHIPPED.items():
        assert rule.__module__ == f"swarm_chain.core.merge.{name}"


# -------------------------------------------------------------------------------------------------------------- plugins

PLUGIN = '''
from dataclasses import dataclass
from typing import ClassVar
from swarm_chain.core.merge import Rule

@dataclass(frozen=True, kw_only=True)
class First(Rule):
    """The update of the lowest address, scaled."""

    name: ClassVar[str] = "first"
    scale: float = 1.0
    loud: bool = False

    def combine(self, updates, shares):
        return updates[0] * self.scale

NOT_A_RULE = 7
'''


@pytest.fixture
def plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package that offers a rule, installed as pip would."""
    (tmp_path / "first_rule.py").write_text(PLUGIN)
    info = tmp_path / "first_rule-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: first-rule\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[swarm_chain.rules]\nfirst = first_rule:First\nbroken = first_rule:NOT_A_RULE\nother = first_rule:First\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "first_rule", raising=False)
    return tmp_path / "first_rule.py"


def test_find_rule__an_entry_point__is_found_by_its_name(plugin: Path) -> None:
    rule = parse_rule("first:scale=0.5,loud=true")
    assert rule.parameters == {"scale": 0.5, "loud": True}
    assert str(parse_rule("first")) == "first:loud=false,scale=1.0"
    assert "first" in rule_names()


@pytest.mark.parametrize("name", ["broken", "other"])
def test_find_rule__an_entry_point_that_is_no_rule_of_that_name__raises_merge_error(plugin: Path, name: str) -> None:
    with pytest.raises(MergeError, match="repair or remove"):
        find_rule(name)


def test_rule_of__a_plugin_of_the_tasks_source__is_used(plugin: Path) -> None:
    source = import_file(plugin).cid
    assert rule_source(find_rule("first")) == source
    assert rule_of(MergeSettings(rule="first", source=source)).name == "first"


def test_rule_of__a_plugin_of_another_source__raises_merge_error(plugin: Path) -> None:
    source = import_file(plugin).cid
    plugin.write_text(PLUGIN + "\n# changed\n")
    with pytest.raises(MergeError, match="nobody has accepted here, and the one installed here has source"):
        rule_of(MergeSettings(rule="first", source=source))
    with pytest.raises(MergeError):
        rule_of(MergeSettings(rule="first"))


def test_reference__its_rule__merges_as_it_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = (Path(__file__).parents[2] / "docs/reference/merging.md").read_text()
    source = page.split("```python\n")[1].split("```")[0]
    (tmp_path / "damped_rule.py").write_text(source)
    monkeypatch.syspath_prepend(str(tmp_path))
    damped = make_rule(importlib.import_module("damped_rule").Damped, {"factor": 0.5})
    assert damped.combine(np.array([[1.0, 2.0], [3.0, 4.0]]), (0.5, 0.5)).tolist() == [1.0, 1.5]
    assert str(damped) == "damped:factor=0.5"


def test_rule_of__a_shipped_rule_with_a_source__raises_merge_error(plugin: Path) -> None:
    assert rule_of(MergeSettings(rule="mean")).name == "mean"
    with pytest.raises(MergeError):
        rule_of(MergeSettings(rule="mean", source=import_file(plugin).cid))


# ------------------------------------------------------------------------------------------------------ planned nodes


@pytest.mark.parametrize(("text", "needed"), [("trimmed_mean:f=2", 5), ("krum:f=2", 5), ("robust:f=2", 5)])
def test_require__nodes_that_can_never_meet_a_rule__raises_merge_error(text: str, needed: int) -> None:
    parse_rule(text).require(needed)
    with pytest.raises(MergeError, match=f"needs {needed} updates, and 4 nodes give no more than 4"):
        parse_rule(text).require(4)


def test_require__one_node__is_said_in_the_singular() -> None:
    with pytest.raises(MergeError, match="and 1 node gives no more than 1"):
        parse_rule("robust:f=1").require(1)


def test_warnings__krum_below_twice_f_and_three__says_from_when_on_it_withstands() -> None:
    assert "from 7 on" in "".join(parse_rule("krum:f=2").warnings(6))
    assert list(parse_rule("krum:f=2").warnings(7)) == []
    assert list(parse_rule("mean").warnings(1)) == []


@pytest.mark.parametrize(
    ("text", "nodes"), [("robust:f=1", 4), ("trimmed_mean:f=2", 7), ("krum:f=1", 5), ("multi_krum:f=1,m=3", 5)]
)
def test_warnings__so_few_nodes_that_the_dishonest_can_stop_it__says_how_many_are_enough(text: str, nodes: int) -> None:
    assert list(parse_rule(text).warnings(nodes)) == []
    said = list(parse_rule(text).warnings(nodes - 1))
    assert f"plan for {nodes} nodes or more" in said[-1]


def test_parse_rule__robust_with_other_things_before_it__takes_f_for_those_that_have_it() -> None:
    assert parse_rule("robust:f=1,before=norm_clipping").parameters == {"f": 1, "before": "norm_clipping"}
    assert parse_rule("robust:f=2,before_f=1").parameters["before_f"] == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("mean:before=mixing", "use norm_clipping or nearest_neighbour_mixing"),
        ("mean:before=norm_clipping+norm_clipping", "the same twice"),
        ("mean:before=norm_clipping,before_f=1", "takes no before_f"),
        ("mean:before=nearest_neighbour_mixing", "needs before_f"),
        ("mean:before=nearest_neighbour_mixing,before_f=-1", "before_f of a merge is -1"),
        ("mean:before=nearest_neighbour_mixing,before_f=0.5", "pass a whole number"),
        ("robust:f=-1", "f of the merge rule trimmed_mean is -1"),
        ("robust:f=a", "f of the merge rule trimmed_mean is 'a'; pass a whole number"),
        ("trimmed_mean:f=99999999999999999999", "f of the merge rule trimmed_mean is 9999"),
        ("krum:f=10001", "f of the merge rule krum is 10001, and must be from 0 to 10,000"),
        ("multi_krum:f=1,m=10001", "m of the merge rule multi_krum is 10001"),
        ("mean:before=1", "before is 1, and names what is done first"),
        ("geometric_median:smoothing=1e308", "pass a small part"),
        ("geometric_median:iterations=10001", "must be from 1 to 10,000; pass e.g."),
        ("centered_clipping:iterations=1000000000000", "must be from 1 to 10,000; pass e.g."),
        ("mean:before_f=1", "before_f needs before"),
        ("krum:f=-1", "f of the merge rule krum is -1"),
        ("multi_krum:f=1", "needs m"),
        ("multi_krum:f=1,m=0", "m of the merge rule multi_krum is 0"),
        ("geometric_median:iterations=0", "iterations of the merge rule geometric_median is 0"),
        ("geometric_median:smoothing=0", "smoothing"),
        ("geometric_median:smoothing=nan", "smoothing"),
        ("centered_clipping:radius=-1", "radius"),
        ("centered_clipping:radius=inf", "radius"),
    ],
)
def test_parse_rule__parameters_that_make_no_sense__raises_merge_error(text: str, message: str) -> None:
    with pytest.raises(MergeError, match=message):
        parse_rule(text)


def test_parse_rule__whole_numbers_for_a_float__are_the_same_rule() -> None:
    assert parse_rule("centered_clipping:radius=2").parameters["radius"] == 2.0
    assert isinstance(parse_rule("centered_clipping:radius=2").parameters["radius"], float)
    assert parse_rule("mean:step=none") == parse_rule("mean")
