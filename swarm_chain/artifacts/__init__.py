"""The contract as it was compiled, and shipped: nobody who runs an agent or deploys a swarm needs a compiler."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from swarm_chain.errors import ConfigurationError

COORDINATOR = "SwarmCoordinator"


@dataclass(frozen=True, kw_only=True, slots=True)
class Artifact:
    """A compiled contract: `bytecode` deploys it, `deployed_bytecode` is what then lies at its address.

    `immutables` are the spans (start, length) of the deployed code that the constructor fills in.
    """

    contract_name: str
    abi: Sequence[Mapping[str, Any]]
    bytecode: bytes
    deployed_bytecode: bytes
    immutables: tuple[tuple[int, int], ...]
    metadata: str
    compiler: str
    evm_version: str

    @property
    def metadata_digest(self) -> bytes:
        """The sha2-256 of the contract's metadata: which sources and settings made this artifact."""
        from hashlib import sha256

        return sha256(self.metadata.encode()).digest()

    def matches(self, code: bytes) -> bool:
        """Whether `code`, as found at an address, is this contract's, whatever its immutables hold."""
        return len(code) == len(self.deployed_bytecode) and self._masked(code) == self._masked(self.deployed_bytecode)

    def _masked(self, code: bytes) -> bytes:
        masked = bytearray(code)
        for start, length in self.immutables:
            masked[start : start + length] = bytes(length)
        return bytes(masked)


@cache
def load_artifact(name: str = COORDINATOR) -> Artifact:
    """The artifact that ships. Raises `ConfigurationError` if the installation is incomplete."""
    return read_artifact(artifact_path(name))


def artifact_path(name: str = COORDINATOR) -> Path:
    """Where the artifact of a contract lies."""
    return Path(__file__).parent / f"{name}.json"


def read_artifact(path: Path) -> Artifact:
    """The artifact in a file. Raises `ConfigurationError`."""
    try:
        return parse_artifact(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigurationError(f"{path} is missing or damaged; install swarm-chain again") from error


def parse_artifact(fields: Mapping[str, Any]) -> Artifact:
    """An artifact from what its JSON file holds. Raises `KeyError` or `ValueError` where that is not one."""
    spans = (span for references in fields["immutableReferences"].values() for span in references)
    return Artifact(
        contract_name=fields["contractName"],
        abi=fields["abi"],
        bytecode=bytes.fromhex(fields["bytecode"].removeprefix("0x")),
        deployed_bytecode=bytes.fromhex(fields["deployedBytecode"].removeprefix("0x")),
        immutables=tuple(sorted((span["start"], span["length"]) for span in spans)),
        metadata=fields["metadata"],
        compiler=fields["compiler"],
        evm_version=fields["evmVersion"],
    )
