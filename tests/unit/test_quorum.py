"""How many nodes may fail: the contract's rule in numbers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swarm_chain.core.quorum import fault_tolerance, quorum, tolerances, warnings
from swarm_chain.deployment import swarm_config
from swarm_chain.types import Address, Digest, SwarmConfig

sizes = st.integers(1, 65_535)
shares = st.integers(5001, 10_000)


def config(**changes: int | bool) -> SwarmConfig:
    return swarm_config(
        task_digest=Digest(b"\x01" * 32),
        genesis_digest=Digest(b"\x02" * 32),
        admin=Address(b"\x03" * 20),
        **changes,  # type: ignore[arg-type]
    )


@given(sizes, shares)
def test_quorum__any_size__is_more_than_half_and_not_more_than_all(nodes: int, bps: int) -> None:
    assert nodes < 2 * quorum(nodes, bps) <= 2 * nodes


@given(sizes, shares)
def test_quorum__is_the_share_rounded_up(nodes: int, bps: int) -> None:
    assert (quorum(nodes, bps) - 1) * 10_000 < nodes * bps <= quorum(nodes, bps) * 10_000


@given(sizes, shares, st.integers(2, 100))
def test_fault_tolerance__those_left__are_exactly_enough(nodes: int, bps: int, least: int) -> None:
    found = fault_tolerance(bps, least, nodes)
    if found.may_fail is None:
        assert nodes < found.required
    else:
        assert nodes - found.may_fail == found.required == max(least, found.quorum)


@pytest.mark.parametrize(("nodes", "may_fail"), [(1, None), (2, 0), (3, 1), (4, 1), (5, 2), (10, 4), (50, 24)])
def test_fault_tolerance__defaults(nodes: int, may_fail: int | None) -> None:
    assert fault_tolerance(5001, 2, nodes).may_fail == may_fail


def test_tolerances__everyone_must_agree__nobody_may_fail() -> None:
    assert {each.may_fail for each in tolerances(config(quorum_bps=10_000))} == {0}


def test_warnings__defaults__are_none() -> None:
    assert warnings(config()) == ()


def test_warnings__min_updates_above_the_quorum__says_up_to_which_size() -> None:
    (found,) = warnings(config(min_updates=5))
    assert "up to 7 nodes" in found
    assert quorum(7, 5001) < 5 <= quorum(8, 5001)


@given(st.integers(2, 60), shares)
def test_warnings__are_given_exactly_where_a_runnable_swarm_is_concerned(least: int, bps: int) -> None:
    concerned = [size for size in range(least, 200) if quorum(size, bps) < least]
    found = warnings(config(min_updates=least, quorum_bps=bps))
    assert bool(found) == bool(concerned)
    if concerned:
        assert f"up to {max(concerned)} nodes" in found[0]


def test_warnings__open_registration__says_who_is_the_quorum() -> None:
    assert warnings(config(open_registration=True)) == (
        "registration is open: whoever makes the most accounts is the quorum",
    )
