"""The contract's tree and its mutants' bytecode, from the pinned compiler. Nothing is optimised: it takes a quarter
of the time, and means the same; what survives is compiled as it ships, to see whether it differs at all."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from swarm_chain.compiler import EVM_VERSION, OPTIMIZER_RUNS, read_sources

CONTRACT: Final = "contracts/SwarmCoordinator.sol"
NAME: Final = "SwarmCoordinator"


class Compiler:
    """solc on one checkout's sources."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.sources = read_sources(root, CONTRACT)
        self.contract = self.sources[CONTRACT]

    def tree(self) -> dict[str, Any]:
        """The contract's syntax tree."""
        output = self._run({}, {CONTRACT: {"": ["ast"]}}, optimised=False)
        tree: dict[str, Any] = output["sources"][CONTRACT]["ast"]
        return tree

    def bytecodes(self, texts: Sequence[str], *, optimised: bool = False) -> list[str | None]:
        """Each contract's creation code without metadata; None for one that does not compile."""
        names = {f"contracts/Mutant{number}.sol": text for number, text in enumerate(texts)}
        found = self._compiled(names, optimised=optimised)
        return [found.get(name) for name in names]

    def _compiled(self, names: Mapping[str, str], *, optimised: bool) -> dict[str, str]:
        """The creation code of those that compile. What the compiler gives no place for is found by halving."""
        if not names:
            return {}
        output = self._run(names, {name: {NAME: ["evm.bytecode.object"]} for name in names}, optimised=optimised)
        errors = [entry for entry in output.get("errors", []) if entry["severity"] == "error"]
        if not errors:
            return {name: output["contracts"][name][NAME]["evm"]["bytecode"]["object"] for name in names}
        broken = {entry.get("sourceLocation", {}).get("file") for entry in errors} & set(names)
        left = {name: text for name, text in names.items() if name not in broken}
        if broken:
            return self._compiled(left, optimised=optimised)
        return {} if len(names) == 1 else self._halved(names, optimised=optimised)

    def _halved(self, names: Mapping[str, str], *, optimised: bool) -> dict[str, str]:
        pairs = list(names.items())
        halves = (dict(pairs[: len(pairs) // 2]), dict(pairs[len(pairs) // 2 :]))
        return {name: code for half in halves for name, code in self._compiled(half, optimised=optimised).items()}

    def _run(self, more: Mapping[str, str], outputs: Mapping[str, Any], *, optimised: bool) -> dict[str, Any]:
        question = {
            "language": "Solidity",
            "sources": {name: {"content": text} for name, text in {**self.sources, **more}.items()},
            "settings": {
                "evmVersion": EVM_VERSION,
                "optimizer": {"enabled": optimised, "runs": OPTIMIZER_RUNS},
                "metadata": {"appendCBOR": False},
                "outputSelection": outputs,
            },
        }
        command = [str(self.root / "tools" / "solc"), "--standard-json"]
        done = subprocess.run(command, input=json.dumps(question), capture_output=True, text=True, check=True)
        answer: dict[str, Any] = json.loads(done.stdout)
        return answer
