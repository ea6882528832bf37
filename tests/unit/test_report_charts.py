"""The drawings of a report: where things are, and what is left out of them."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swarm_chain.reporting import Part, Report
from swarm_chain.reporting.charts.bars import draw_bars
from swarm_chain.reporting.charts.curves import OTHERS, POINTS, draw_curves, frame_of
from swarm_chain.reporting.charts.drawing import Drawing, Path
from swarm_chain.reporting.charts.grid import MOST_STRETCHES, draw_grid
from swarm_chain.reporting.charts.scales import scale_of, thinned
from swarm_chain.reporting.charts.sites import SMALL, draw_sites
from swarm_chain.reporting.page import site_styles
from swarm_chain.reporting.series import Series, agreed, series_of
from swarm_chain.reporting.words import Names
from swarm_chain.types import Address
from tests.many_sites import many_sites

FINITE = st.floats(allow_nan=False, allow_infinity=False)
A, B = Address(b"\x0a" * 20), Address(b"\x0b" * 20)
NAMES = Names({A: "anna", B: "bert"})
STYLES = {A: "s0", B: "s1"}


def series(*measured: dict[Address, float], name: str = "accuracy") -> Series:
    """A metric that was measured in rounds 0, 1, …"""
    return series_of(name, [(n, {s: {name: v} for s, v in m.items()}) for n, m in enumerate(measured)], [A, B])


def drawn(one: Series) -> Drawing:
    return draw_curves(one, frame_of([one]), NAMES, STYLES, "the agreed model")


def path(drawing: Drawing, style: str) -> Path:
    (found,) = [each for each in drawing.paths if each.style == style]
    return found


def places(d: str) -> list[tuple[float, float]]:
    """The places that a path goes through."""
    numbers = [float(each) for each in re.findall(r"-?[\d.]+", d)]
    return list(zip(numbers[::2], numbers[1::2], strict=True))


# -------------------------------------------------------------------------------------------------------------- scales


@given(st.lists(FINITE, min_size=1))
def test_scale_of__any_numbers__has_an_axis_with_a_few_numbers_and_room_for_all(values: list[float]) -> None:
    scale = scale_of(values, start=200, end=10)
    assert scale.low < scale.high
    assert 2 <= len(scale.ticks()) <= 12
    assert all(10 <= scale.at(value) <= 200 for value in values)


@given(st.lists(st.floats(0, 1), min_size=1))
def test_scale_of__shares__never_leaves_0_to_1_and_holds_all(values: list[float]) -> None:
    scale = scale_of(values, start=0, end=1)
    assert scale.low >= -1e-9
    assert scale.high <= 1 + 1e-9
    assert all(scale.holds(value) for value in values)


def test_scale_of__one_claims_a_million__the_others_stay_apart() -> None:
    scale = scale_of([0.5, 0.6, 0.7, 1e6], start=0, end=100)
    assert scale.at(0.7) - scale.at(0.5) > 50
    assert not scale.holds(1e6)


@given(st.integers(1, 5000), st.integers(2, 300))
def test_thinned__any_number__is_few_in_order_and_ends_with_the_last(count: int, most: int) -> None:
    found = thinned(count, most)
    assert len(found) <= most + 1
    assert found == sorted(set(found))
    assert (found[0], found[-1]) == (0, count - 1)


# -------------------------------------------------------------------------------------------------------------- curves


def test_draw_curves__values__rise_from_left_to_right() -> None:
    drawing = drawn(series({A: 0.2, B: 0.4}, {A: 0.4, B: 0.4}, {A: 0.6, B: 0.4}))
    (x0, y0), (x1, y1), (x2, y2) = places(path(drawing, "line s0").d)
    assert x2 - x1 == x1 - x0 > 0
    assert y0 - y1 == pytest.approx(y1 - y2)
    assert y0 > y1
    assert [y for _, y in places(path(drawing, "line s1").d)] == [y1, y1, y1]
    assert [y for _, y in places(path(drawing, "line mean").d)] == pytest.approx(
        [(y0 + y1) / 2, y1, (y1 + y2) / 2], abs=0.1
    )


def test_draw_curves__a_round_without_the_site__its_line_is_broken_there() -> None:
    drawing = drawn(series({A: 0.2, B: 0.4}, {B: 0.4}, {A: 0.6, B: 0.4}))
    assert path(drawing, "line s0").d.count("M") == 2
    assert path(drawing, "line s1").d.count("M") == 1


def test_draw_curves__far_from_all_others__is_at_the_edge_and_said() -> None:
    drawing = drawn(series({A: 0.2, B: 0.4}, {A: 1e9, B: 0.4}, {A: 0.3, B: 0.4}))
    assert "1 values far from all others lie beyond the axis" in " ".join(drawing.notes)
    top = min(y for each in drawing.paths if each.style == "grid" for _, y in places(each.d))
    assert places(path(drawing, "line s0").d)[1][1] == top


def test_draw_curves__one_round_of_one_site__can_be_seen() -> None:
    drawing = drawn(series({A: 0.5}))
    assert [dot.title for dot in drawing.dots] == ["\u2068anna\u2069, round 0: 0.500"]


def test_draw_curves__loss__less_is_better() -> None:
    assert "Less is better." in drawn(series({A: 0.5}, name="loss")).notes
    assert "More is better." in drawn(series({A: 0.5})).notes


def curves_of(report: Report) -> tuple[Series, Drawing]:
    found = series_of("accuracy", agreed(report), list(report.labels))
    return found, draw_curves(found, frame_of([found]), Names(report.labels), site_styles(report), "the agreed model")


def test_draw_curves__many_sites__draws_both_ends_some_others_and_the_area_of_all() -> None:
    found, drawing = curves_of(many_sites(sites=100, rounds=400))
    styles = [each.style for each in drawing.paths]
    assert styles.count("line worst") == styles.count("line best") == styles.count("area range") == 1
    assert 5 <= styles.count("line other") <= OTHERS + 1
    assert not drawing.dots
    assert all(len(places(each.d)) <= POINTS + 1 for each in drawing.paths if each.style.startswith("line"))
    covered = [y for _, y in places(path(drawing, "area range").d)]
    frame = frame_of([found])
    assert abs(min(covered) - min(frame.values.at(one.value) for one in found.sites[found.ranked()[-1]])) < 0.1
    assert abs(max(covered) - max(frame.values.at(one.value) for one in found.sites[found.ranked()[0]])) < 0.1


def test_draw_curves__a_spike_in_a_round_that_is_not_drawn__shows_in_the_area() -> None:
    report = many_sites(sites=20, rounds=400)
    node = list(report.labels)[5]
    spiked = replace(report.results[200], sites={**report.results[200].sites, node: {"accuracy": 0.0}})
    results = (*report.results[:200], spiked, *report.results[201:])
    found, drawing = curves_of(replace(report, results=results))
    assert 200 not in {found.rounds[place] for place in thinned(len(found.rounds), POINTS)}
    assert max(y for _, y in places(path(drawing, "area range").d)) == frame_of([found]).values.at(0.0)


def test_series__ranked__worst_first_by_what_is_better() -> None:
    assert series({A: 0.2, B: 0.4}).ranked() == [A, B]
    assert series({A: 0.2, B: 0.4}, name="loss").ranked() == [B, A]
    assert series({A: 0.2, B: 0.4}, {B: 0.1}).ranked() == [B]  # anna did not measure in the newest round


def test_draw_sites__intervals__are_areas_around_each_line() -> None:
    said = {A: {"accuracy": 0.5, "accuracy_low": 0.4, "accuracy_high": 0.6}, B: {"accuracy": 0.5}}
    found = series_of("accuracy", [(0, said), (1, said)], [A, B])
    small = draw_sites(found, None, NAMES, STYLES)
    assert list(small) == [A, B]
    (x0, high), (x1, _), _, (_, low) = places(path(small[A], "area s0").d)
    (_, middle), _ = places(path(small[A], "line s0").d)
    assert x0 < x1
    assert high < middle < low
    assert not [each for each in small[B].paths if each.style.startswith("area")]


def test_draw_sites__many__takes_both_ends() -> None:
    report = many_sites(sites=40, rounds=3)
    found = series_of("accuracy", agreed(report), list(report.labels))
    nodes = list(report.labels)
    assert set(draw_sites(found, None, Names(report.labels), {})) == {*nodes[: SMALL // 2], *nodes[-SMALL // 2 :]}


# ---------------------------------------------------------------------------------------------------------------- grid


def area(each: Path) -> float:
    """How wide its boxes are together."""
    return sum(float(width) for width in re.findall(r"h([\d.]+)v", each.d))


def test_draw_grid__many_rounds__stretches_cover_as_much_as_rounds_there_were() -> None:
    report = many_sites(sites=14, rounds=200)
    drawing = draw_grid(report, Names(report.labels))
    for part in (Part.INCLUDED, Part.EXCLUDED, Part.NOTHING):
        rounds = sum(one.count(part) for one in report.rounds)
        width = sum(area(each) for each in drawing.paths if each.style == f"cell part-{part}")
        assert width / 4.65 == pytest.approx(rounds, rel=0.05), part
    assert "\u2068site 0\u2069, round 5: excluded (unavailable)" in [each.title for each in drawing.paths]
    assert "\u2068site 1\u2069, rounds 1 to 200: included" in [each.title for each in drawing.paths]


def test_draw_grid__too_much_to_point_at__a_path_for_each_part_of_a_row() -> None:
    report = many_sites(sites=120, rounds=1000)
    drawing = draw_grid(report, Names(report.labels))
    assert len(drawing.paths) <= min(MOST_STRETCHES, 3 * 120)
    assert "\u2068site 0\u2069: excluded in 100 rounds" in [each.title for each in drawing.paths]
    assert drawing.notes == ["The newest 500 of 1000 rounds."]


def test_draw_grid__more_nodes_than_rows__shows_those_that_missed_most() -> None:
    report = many_sites(sites=300, rounds=10)
    drawing = draw_grid(report, Names(report.labels))
    shown = {word.title for word in drawing.words if word.title}
    assert len(shown) == 120
    assert {f"site {site}" for site in range(0, 300, 7)} <= shown


# ---------------------------------------------------------------------------------------------------------------- bars


def test_draw_bars__amounts__are_as_high_as_they_are_large() -> None:
    bars = [each for each in draw_bars("gas", [(1, 100), (2, 50), (3, 0)], str).paths if each.style == "bar"]
    heights = [float(re.findall(r"v(-?[\d.]+)h", each.d)[0]) for each in bars]
    assert heights[0] == 2 * heights[1] > 0 == heights[2]
    assert [each.title for each in bars] == ["round 1: 100.0", "round 2: 50.0", "round 3: 0.0"]


def test_draw_bars__many_rounds__each_bar_is_a_mean_of_some() -> None:
    drawing = draw_bars("gas", [(number, number) for number in range(1, 1001)], str)
    bars = [each for each in drawing.paths if each.style == "bar"]
    assert len(bars) <= POINTS + 1
    assert bars[1].title == "rounds 2 to 8, mean: 5.0"
    assert drawing.notes == ["Each bar is the mean of up to 7 rounds."]
