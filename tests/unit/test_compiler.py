"""The artifact that ships is the one that the sources in this checkout make."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import solcx  # noqa: F401  Looks for IPv6 when first imported, which a test may not.

from swarm_chain import config
from swarm_chain.artifacts import artifact_path, load_artifact, parse_artifact, read_artifact
from swarm_chain.compiler import compile_contracts, npm_solc, read_sources, render_artifact
from swarm_chain.errors import CompilationFailed, ConfigurationError, ToolMissing

ROOT = config.PACKAGE.parent
CODE_LIMIT = 24_576


@pytest.fixture(scope="module")
def solc() -> Path:
    found = npm_solc(ROOT)
    assert found is not None, "run `npm ci --ignore-scripts`"
    return found


def copy_of_checkout(folder: Path) -> Path:
    shutil.copytree(ROOT / "contracts", folder / "contracts")
    (folder / "node_modules").mkdir()
    (folder / "node_modules" / "@openzeppelin").symlink_to(ROOT / "node_modules" / "@openzeppelin")
    return folder


def test_compile__this_checkout__gives_the_shipped_artifact(solc: Path) -> None:
    compiled = render_artifact(compile_contracts(solc=solc))
    assert compiled == artifact_path().read_text(), "the sources changed; run `make artifact` and commit the result"


def test_compile__source_with_an_error__says_where(solc: Path, tmp_path: Path) -> None:
    root = copy_of_checkout(tmp_path)
    contract = root / "contracts" / "SwarmCoordinator.sol"
    contract.write_text(contract.read_text() + "contract Broken { nonsense }\n")
    with pytest.raises(CompilationFailed, match=r"SwarmCoordinator\.sol"):
        compile_contracts(root, solc=solc)


def test_compile__without_openzeppelin__says_how_to_get_it(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "contracts", tmp_path / "contracts")
    with pytest.raises(ToolMissing, match="npm ci"):
        compile_contracts(tmp_path)


def test_compile__without_sources__says_that_it_takes_a_checkout(tmp_path: Path) -> None:
    with pytest.raises(ToolMissing, match="checkout"):
        compile_contracts(tmp_path)


def test_compile__other_version__raises_tool_missing(tmp_path: Path) -> None:
    other = tmp_path / "solc"
    other.write_text("#!/bin/sh\necho 'Version: 0.8.31+commit.fd3a2265.Linux.g++'\n")
    other.chmod(0o755)
    with pytest.raises(ToolMissing, match=r"0\.8\.31"):
        compile_contracts(solc=other)


def test_compile__compiler_does_not_run__raises_tool_missing(tmp_path: Path) -> None:
    with pytest.raises(ToolMissing, match="does not run"):
        compile_contracts(solc=tmp_path / "nowhere")


def test_read_sources__holds_everything_imported_and_nothing_else() -> None:
    sources = read_sources(ROOT, "contracts/SwarmCoordinator.sol")
    compiled = json.loads(load_artifact().metadata)["sources"]
    assert set(compiled) <= set(sources)
    assert all(name.startswith(("contracts/", "@openzeppelin/contracts/")) for name in sources)


# ------------------------------------------------------------------------------------------------------------ artifact


def test_artifact__deployed_code__is_below_the_limit_of_ethereum() -> None:
    assert 0 < len(load_artifact().deployed_bytecode) < CODE_LIMIT


def test_artifact__is_of_the_pinned_compiler_and_chain() -> None:
    artifact = load_artifact()
    settings = json.loads(artifact.metadata)["settings"]
    assert artifact.compiler.startswith("0.8.30+commit.")
    assert artifact.evm_version == settings["evmVersion"] == "shanghai"
    assert settings["optimizer"] == {"enabled": True, "runs": 200}


def test_matches__immutables_filled_in__is_this_contract() -> None:
    artifact = load_artifact()
    start, length = artifact.immutables[0]
    code = bytearray(artifact.deployed_bytecode)
    code[start : start + length] = b"\xff" * length
    assert artifact.matches(bytes(code))


def test_matches__one_bit_elsewhere__is_another_contract() -> None:
    artifact = load_artifact()
    masked = {place for start, length in artifact.immutables for place in range(start, start + length)}
    places = [place for place in range(0, len(artifact.deployed_bytecode), 997) if place not in masked]
    for place in places:
        code = bytearray(artifact.deployed_bytecode)
        code[place] ^= 1
        assert not artifact.matches(bytes(code))


@pytest.mark.parametrize("code", [b"", b"\x00", load_artifact().deployed_bytecode + b"\x00"])
def test_matches__other_length__is_another_contract(code: bytes) -> None:
    assert not load_artifact().matches(code)


def test_parse__round_trip__masks_every_immutable() -> None:
    artifact = parse_artifact(json.loads(artifact_path().read_text()))
    zeros = all(not any(artifact.deployed_bytecode[start : start + length]) for start, length in artifact.immutables)
    assert artifact.immutables
    assert zeros


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"abi": []}'])
def test_read__damaged_file__raises_configuration_error(tmp_path: Path, text: str) -> None:
    (tmp_path / "x.json").write_text(text)
    with pytest.raises(ConfigurationError, match="install swarm-chain again"):
        read_artifact(tmp_path / "x.json")
