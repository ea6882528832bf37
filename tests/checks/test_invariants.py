"""The random walk of the contract asks every property that was written, does and is refused every call, and is long."""

from __future__ import annotations

import re
from pathlib import Path

from swarm_chain.artifacts import load_artifact
from tests.solidity import contracts, functions, reached, read_source

WALK = Path(__file__).parents[1] / "contracts" / "Invariants.t.sol"
SUITES = {name: functions(code) for name, code in contracts(read_source(WALK)).items()}
BODIES = SUITES["InvariantsTest"]
ASKED = BODIES["invariant_EverythingThatMustHold"]
ROLES = {"grantRole", "revokeRole", "renounceRole"}
"""OpenZeppelin's, which touch nothing that a round knows."""


def lengths(every: int) -> int:
    """How many calls `make contracts-deep` walks with a look after each of so many."""
    headers = re.findall(r"((?:/// forge-config:.*\n)+)contract", WALK.read_text(encoding="utf-8"))
    walks = [dict(re.findall(r"forge-config: (\w+\.invariant\.[\w-]+) = (\d+)", header)) for header in headers]
    return sum(
        int(walk["deep.invariant.runs"]) * int(walk["deep.invariant.depth"])
        for walk in walks
        if int(walk["default.invariant.check-interval"]) == every
    )


def test_walk__properties__are_sixteen_and_each_can_fail() -> None:
    properties = set(re.findall(r"\b(_\w+)\(", ASKED)) - {"_look"}
    assert len(properties) >= 16
    assert all("require(" in BODIES[name] for name in properties)


def test_walk__every_property_that_was_written__is_asked() -> None:
    written = {name for name, body in BODIES.items() if "require(" in body}
    asked = reached("invariant_EverythingThatMustHold", BODIES)
    assert all(f"{name}(" in asked for name in written)


def test_walk__every_call_of_the_abi__is_done_and_refused() -> None:
    changing = {
        one["name"]
        for one in load_artifact().abi
        if one["type"] == "function" and one["stateMutability"] == "nonpayable"
    }
    counted = "\n".join(body for bodies in SUITES.values() for body in bodies.values())
    for kind in ("accepted", "refusals"):
        assert set(re.findall(rf"{kind}\(ISwarmCoordinator\.(\w+)", counted)) == changing - ROLES


def test_walk__of_verify__is_as_long_as_the_docs_say() -> None:
    assert lengths(every=10) >= 320_000
    assert lengths(every=1) >= 32_000
