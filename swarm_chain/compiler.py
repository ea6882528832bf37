"""The contract's sources to the artifact that ships. Needs a checkout: sources, and OpenZeppelin from npm."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

from swarm_chain import config
from swarm_chain.artifacts import COORDINATOR, artifact_path
from swarm_chain.errors import CompilationFailed, ConfigurationError, ToolMissing

SOLC_VERSION: Final = "0.8.30"
EVM_VERSION: Final = "shanghai"
OPTIMIZER_RUNS: Final = 200
PROBE_TIMEOUT: Final = 3.0
"""Seconds to find out whether native compilers can be downloaded."""

_IMPORT = re.compile(r'^\s*import\s[^;"]*"([^"]+)"', re.MULTILINE)
_OUTPUT: Final = ("abi", "metadata", "evm.bytecode.object", "evm.deployedBytecode")
_ARTIFACTS: Final = {COORDINATOR: "contracts/SwarmCoordinator.sol"}


def compile_contracts(
    root: Path | None = None, *, solc: Path | None = None, on_progress: Callable[[str], None] | None = None
) -> dict[str, Any]:
    """The artifact of `SwarmCoordinator`, as its JSON file holds it: same sources, same bytes, on any machine.

    `root` is a checkout. Raises `ToolMissing` (no compiler, no OpenZeppelin, no sources), `CompilationFailed`.
    """
    root = root or config.PACKAGE.parent
    tell = on_progress or (lambda _: None)
    sources = read_sources(root, _ARTIFACTS[COORDINATOR])
    compiler = solc or find_solc(root, on_progress=tell)
    tell(f"compiling {len(sources)} files with {compiler}")
    output = _run_solc(compiler, _standard_input(sources))
    return _artifact(COORDINATOR, output["contracts"][_ARTIFACTS[COORDINATOR]][COORDINATOR])


def write_artifact(artifact: dict[str, Any], path: Path | None = None) -> Path:
    """Where the artifact was written. Raises `ConfigurationError` if it cannot be."""
    path = path or artifact_path(artifact["contractName"])
    try:
        path.write_text(render_artifact(artifact), encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be written: {error.strerror}") from error
    return path


def render_artifact(artifact: dict[str, Any]) -> str:
    """The text of an artifact's file."""
    return json.dumps(artifact, indent=2, sort_keys=True) + "\n"


# -------------------------------------------------------------------------------------------------------------- sources


def read_sources(root: Path, entry: str) -> dict[str, str]:
    """The source `entry` and all it imports, directly or not: name to text. Raises `ToolMissing`."""
    sources: dict[str, str] = {}
    wanted = [entry]
    while wanted:
        name = wanted.pop()
        if name not in sources:
            sources[name] = _read_source(root, name)
            wanted += _imports(name, sources[name])
    return dict(sorted(sources.items()))


def _imports(name: str, text: str) -> Iterator[str]:
    for path in _IMPORT.findall(text):
        yield os.path.normpath(Path(name).parent / path) if path.startswith(".") else path


def _read_source(root: Path, name: str) -> str:
    path = root / "node_modules" / name if name.startswith("@") else root / name
    try:
        return path.read_text(encoding="utf-8")
    except OSError:
        remedy = "run `npm ci --ignore-scripts`" if name.startswith("@") else "compile in a checkout of swarm_chain"
        raise ToolMissing(f"the contract's source {path} is missing; {remedy}") from None


# ------------------------------------------------------------------------------------------------------------- compiler


def find_solc(root: Path, *, on_progress: Callable[[str], None] = lambda _: None) -> Path:
    """A compiler of the pinned version: `$SWARM_CHAIN_SOLC`, a native one, or the one from npm. Raises `ToolMissing`.

    All give the same bytes. A native one is installed by py-solc-x where its downloads can be reached.
    """
    named = config.tool_from_environment("solc")
    found = named or _installed_solc() or _install_solc(on_progress) or npm_solc(root)
    if found is None:
        raise ToolMissing(
            f"no Solidity compiler {SOLC_VERSION}; run `npm ci --ignore-scripts` in a checkout (Node 20+)"
        )
    return found


def npm_solc(root: Path) -> Path | None:
    """The executable in front of npm's compiler, if Node and the package are there."""
    script = root / "tools" / "solc"
    there = script.exists() and (root / "node_modules" / "solc").is_dir() and shutil.which("node")
    return script if there else None


def _installed_solc() -> Path | None:
    import solcx
    from solcx.install import get_executable

    installed = {str(version) for version in solcx.get_installed_solc_versions()}
    return Path(get_executable(SOLC_VERSION)) if SOLC_VERSION in installed else None


def _install_solc(on_progress: Callable[[str], None]) -> Path | None:
    import requests
    import solcx
    from solcx.install import BINARY_DOWNLOAD_BASE

    try:
        # py-solc-x itself waits for ever.
        requests.head(BINARY_DOWNLOAD_BASE.format("linux-amd64", "list.json"), timeout=PROBE_TIMEOUT).raise_for_status()
        on_progress(f"installing the native compiler {SOLC_VERSION}")
        solcx.install_solc(SOLC_VERSION)
        return _installed_solc()
    except Exception as error:  # py-solc-x raises what requests, zipfile and the platform do; npm's compiler is next
        on_progress(f"no native compiler ({type(error).__name__}); taking npm's")
        return None


def _standard_input(sources: dict[str, str]) -> dict[str, Any]:
    return {
        "language": "Solidity",
        "sources": {name: {"content": text} for name, text in sources.items()},
        "settings": {
            "evmVersion": EVM_VERSION,
            "optimizer": {"enabled": True, "runs": OPTIMIZER_RUNS},
            "outputSelection": {_ARTIFACTS[COORDINATOR]: {COORDINATOR: list(_OUTPUT)}},
        },
    }


def _run_solc(solc: Path, standard_input: dict[str, Any]) -> dict[str, Any]:
    import solcx
    from solcx.exceptions import SolcError

    try:
        version = solcx.wrapper.get_solc_version(solc)
        if str(version) != SOLC_VERSION:
            raise ToolMissing(
                f"{solc} is solc {version}, not {SOLC_VERSION}; install that one, or unset SWARM_CHAIN_SOLC"
            )
        output: dict[str, Any] = solcx.compile_standard(standard_input, solc_binary=solc)
    except SolcError as error:
        raise CompilationFailed(f"the contract does not compile: {_first_error(error)}") from error
    except (OSError, ValueError) as error:
        raise ToolMissing(
            f"{solc} does not run ({error}); run `npm ci --ignore-scripts`, or correct its path"
        ) from error
    warnings = [entry["formattedMessage"] for entry in output.get("errors", [])]
    if warnings:
        raise CompilationFailed(f"the compiler warns, and an artifact ships only without: {warnings[0]}")
    return output


def _first_error(error: Exception) -> str:
    entries = getattr(error, "error_dict", None) or []
    shown = [str(entry["formattedMessage"]) for entry in entries if entry["severity"] == "error"]
    return (shown or [str(error)])[0].strip()


def _artifact(name: str, output: dict[str, Any]) -> dict[str, Any]:
    deployed = output["evm"]["deployedBytecode"]
    return {
        "contractName": name,
        "abi": output["abi"],
        "bytecode": "0x" + output["evm"]["bytecode"]["object"],
        "deployedBytecode": "0x" + deployed["object"],
        "immutableReferences": deployed.get("immutableReferences", {}),
        "metadata": output["metadata"],
        "compiler": json.loads(output["metadata"])["compiler"]["version"],
        "evmVersion": EVM_VERSION,
    }
