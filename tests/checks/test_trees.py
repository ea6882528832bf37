"""The contract's trees and its tests say the same, and the trees name every way in which a call can be refused."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from swarm_chain.artifacts import load_artifact
from tests.solidity import contracts, errors, errors_raised, functions, reached, read_source
from tests.trees import Leaf, TreeError, parse_tree, read_leaves

ROOT = Path(__file__).parents[2]
TESTS = ROOT / "tests" / "contracts"
TREES = sorted((TESTS / "trees").rglob("*.tree"))
LEAVES = [leaf for path in TREES for leaf in read_leaves(path)]
INHERITED = {
    "grantRole": {"AccessControlUnauthorizedAccount"},
    "revokeRole": {"AccessControlUnauthorizedAccount"},
    "renounceRole": {"AccessControlBadConfirmation"},
}
"""What OpenZeppelin's functions can raise. Its other errors are about a signing domain longer than 31 bytes."""
LANGUAGE = {"Panic"}
"""What the language raises, and no function names."""
NO_TREE = ("Gas", "Invariants")
"""Files whose tests measure or walk: a tree of cases says nothing about them."""

COORDINATOR = functions(read_source(ROOT / "contracts" / "SwarmCoordinator.sol"))
DECLARED = errors(read_source(ROOT / "contracts" / "interfaces" / "ISwarmCoordinator.sol"))
SHARED = functions(read_source(TESTS / "SwarmTest.sol"))
SUITES = {
    name: functions(code)
    for path in sorted(TESTS.glob("*.t.sol"))
    if not path.name.startswith(NO_TREE)
    for name, code in contracts(read_source(path)).items()
    if name.endswith("Test")
}


def calls() -> list[str]:
    return ["constructor", *(one["name"] for one in load_artifact().abi if one["type"] == "function")]


def can_raise(call: str) -> set[str]:
    return INHERITED[call] if call in INHERITED else errors_raised(call, COORDINATOR, DECLARED)


def test_trees__every_leaf__is_a_test_and_every_test_is_a_leaf() -> None:
    leaves = Counter((leaf.contract, leaf.test) for leaf in LEAVES)
    tests = Counter((suite, name) for suite, bodies in SUITES.items() for name in bodies if name.startswith("test_"))
    assert leaves - tests == Counter(), "leaves without a test"
    assert tests - leaves == Counter(), "tests without a leaf"


def test_trees__every_file__is_about_the_call_it_is_named_after() -> None:
    for path in TREES:
        named = {function for leaf in read_leaves(path) for function in leaf.functions}
        is_rule = path.parent.name == "rules"
        assert path.stem == "constants" or named == (set() if is_rule else {path.stem}), path.name


@pytest.mark.parametrize("call", calls())
def test_trees__every_call_of_the_abi__has_one_that_names_each_error(call: str) -> None:
    leaves = [leaf for leaf in LEAVES if call in leaf.functions]
    assert leaves
    assert {error for leaf in leaves for error in leaf.errors} - LANGUAGE == can_raise(call)


def test_errors__declared__are_raised_by_something() -> None:
    assert set().union(*(can_raise(call) for call in calls() if call not in INHERITED)) == DECLARED


@pytest.mark.parametrize("leaf", LEAVES, ids=lambda leaf: f"{leaf.contract}.{leaf.test}")
def test_leaf__its_errors_and_events__are_in_its_test(leaf: Leaf) -> None:
    shown = reached(leaf.test, {**SHARED, **SUITES[leaf.contract]})
    assert all(f".{error}.selector" in shown or f'"{error}(' in shown for error in leaf.errors)
    assert all(f"emit ISwarmCoordinator.{event}(" in shown for event in leaf.events)


# ------------------------------------------------------------------------------------------------ the checks themselves


def test_errors_raised__error_is_named_two_calls_below__is_found() -> None:
    bodies = functions(
        "contract C { function a() external { _b(); } function _b() private { _c(1); } "
        "function _c(uint256 n) private { require(n > (1), Low(n)); } function d() external {} }"
    )
    assert errors_raised("a", bodies, {"Low", "High"}) == {"Low"}
    assert errors_raised("d", bodies, {"Low", "High"}) == set()


def test_parse_tree__nested_conditions__yields_a_test_for_each_end() -> None:
    tree = "ATest::a\n├── given x\n│   ├── when b, c\n│   │   └── it should revert with E\n│   └── when d's e\n"
    tree += "│       ├── it should hold\n│       └── it should emit F\n└── when g\n    └── it should hold\n"
    leaves = list(parse_tree(tree))
    assert [leaf.test for leaf in leaves] == ["test_RevertWhen_BC", "test_WhenDsE", "test_WhenG"]
    assert (leaves[0].errors, leaves[1].events, leaves[2].functions) == ({"E"}, {"F"}, ("a",))


@pytest.mark.parametrize(
    "lines",
    [
        "└── given x",
        "└── if x\n    └── it should hold",
        "└── given x\n    ├── it should hold\n    └── when y\n        └── it should hold",
        "-- given x",
    ],
)
def test_parse_tree__not_of_the_form__raises_tree_error(lines: str) -> None:
    with pytest.raises(TreeError):
        list(parse_tree(f"ATest\n{lines}"))
