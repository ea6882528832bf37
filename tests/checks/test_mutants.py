"""Mutation tests: a fault that no test of the contract sees is named, and what the list explains away is little."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tools.mutants.__main__ import ARGUMENTS, MOST_ARGUED, ROOT, main
from tools.mutants.judging import read_arguments
from tools.mutants.operators import MUTATIONS, Mutant, mutants
from tools.mutants.solc import Compiler

CONTRACT = """// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

contract SwarmCoordinator {
    error TooMuch(uint256 given, uint256 limit);

    uint256 public total;

    function add(uint256 given) external {
        require(given <= 10, TooMuch(given, 10));
        total += given;
        if (total > 0 && given < 3) total = _twice(given, total);
    }

    function _twice(uint256 a, uint256 b) private pure returns (uint256) {
        return a + b;
    }
}
"""
TEST = """// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {SwarmCoordinator} from "../../contracts/SwarmCoordinator.sol";

contract AddTest {
    SwarmCoordinator private swarm;

    function setUp() public {
        swarm = new SwarmCoordinator();
    }

    function test_WhenAFewAreAdded() public {
        swarm.add(2);
        require(swarm.total() == 4, "total");
    }

    function test_WhenTooManyAreAdded() public {
        try swarm.add(11) {
            revert("accepted");
        } catch (bytes memory why) {
            bytes memory expected = abi.encodeWithSelector(SwarmCoordinator.TooMuch.selector, 11, 10);
            require(keccak256(why) == keccak256(expected), "why");
        }
    }
}
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout with a small contract, whose tests leave something out."""
    tmp_path = tmp_path_factory.mktemp("project")
    for name in ("tools", "node_modules", "foundry.toml"):
        (tmp_path / name).symlink_to(ROOT / name)
    for path, text in {
        "contracts/SwarmCoordinator.sol": CONTRACT,
        "tests/contracts/Add.t.sol": TEST,
        ARGUMENTS: '[[equivalent]]\nbecause = "A sum."\nmutants = ["_twice: return a + b; -> return b + a;"]\n',
    }.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    return tmp_path


def all_of(root: Path) -> list[Mutant]:
    compiler = Compiler(root)
    return mutants(compiler.contract, compiler.tree())


def test_mutants__a_small_contract__are_what_each_operator_gives(project: Path) -> None:
    found = all_of(project)

    said = {one.key for one in found}
    require = "require(given <= 10, TooMuch(given, 10));"
    condition = "if (total > 0 && given < 3) total = _twice(given, total);"
    assert {one.operator for one in found} == set(MUTATIONS)
    assert len(said) == len(found) == len({one.source for one in found})
    assert {
        f"add: {require} -> {{}}",
        f"add: {require} -> require(!(given <= 10), TooMuch(given, 10));",
        f"add: {require} -> require(given < 10, TooMuch(given, 10));",
        f"add: {require} -> require(given <= 10, TooMuch(10, given));",
        f"add: {require} -> require(given <= (10 + 1), TooMuch(given, 10));",
        "add: total += given; -> {}",
        f"add: {condition} -> if (given < 3) total = _twice(given, total);",
        f"add: {condition} -> if (total > 0 && given + 1 < 3) total = _twice(given, total);",
        f"add: {condition} -> {{}}",
        "_twice: return a + b; -> return a - b;",
    } <= said


def test_main__tests_leave_something_out__names_it_and_ends_with_one(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = main(["--match", "add: require", "--verbose"], project)

    said = capsys.readouterr().out
    assert code == 1
    assert (
        "killed: add: require(given <= 10, TooMuch(given, 10)); -> {} tests/contracts/Add.t.sol:AddTest.test_" in said
    )
    assert "survived: add: require(given <= 10, TooMuch(given, 10)); -> require(given <= (10 + 1)" not in said
    assert (
        "survived: add: require(given <= 10, TooMuch(given, 10)); -> require(given < 10, TooMuch(given, 10));" in said
    )


def test_main__everything_is_killed__ends_with_zero_and_again_from_its_journal(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    killed = ["--match", "_twice: return a + b; -> return a - b"]
    assert main(killed, project) == 0
    first = capsys.readouterr().out

    assert main(killed, project) == 0
    assert capsys.readouterr().out == first
    assert "score: 1 of 1" in first


def test_arguments__of_the_contract__name_mutants_and_are_few() -> None:
    found = {one.key for one in all_of(ROOT)}
    argued = read_arguments(ROOT / ARGUMENTS)

    assert len(found) > 200
    assert set(argued) <= found, "the contract no longer says what these argue about"
    assert len(argued) <= MOST_ARGUED * len(found)


@pytest.mark.deep
def test_make__some_mutants_of_this_commit__are_killed() -> None:
    done = subprocess.run(
        ["make", "--no-print-directory", "mutants", "ARGS=--sample 12"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-8_000:]
