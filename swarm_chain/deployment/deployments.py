"""The deployments file: which swarms lie on which chain. Written by `deploy`, read by people, worth committing."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Final

from swarm_chain.errors import DeploymentError
from swarm_chain.types import Address, BlockNumber, Digest, Gas, Seconds, SwarmConfig

FORMAT: Final = 1
FILE: Final = "deployments.json"
DEFAULT_NAME: Final = "default"


@dataclass(frozen=True, kw_only=True, slots=True)
class AppliedMigration:
    """A migration that was run on a chain, and the transactions it took."""

    name: str
    transactions: tuple[bytes, ...]
    gas_used: Gas


@dataclass(frozen=True, kw_only=True, slots=True)
class PendingTransaction:
    """A transaction that was signed and perhaps sent. Kept until its outcome is written down.

    `signed` are its bytes and those of its replacements, all with the same nonce: at most one gets into a block.
    """

    migration: str
    step: str
    nonce: int
    signed: tuple[bytes, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Deployment:
    """One swarm on one chain. `chain_start` is the hash of the chain's first block.

    `contract`, `block` and `transaction` are None until it is deployed. `artifact` is the sha2-256 of the metadata of
    the contract that was deployed.
    """

    name: str
    chain_id: int
    chain_start: bytes
    config: SwarmConfig
    deployer: Address
    artifact: bytes | None = None
    contract: Address | None = None
    block: BlockNumber | None = None
    transaction: bytes | None = None
    migrations: tuple[AppliedMigration, ...] = ()
    pending: PendingTransaction | None = None


class Deployments:
    """The deployments in one file; a missing file holds none."""

    def __init__(self, path: Path | None = None) -> None:
        self.path = (path or Path(FILE)).absolute()

    def on_chain(self, chain_id: int) -> tuple[Deployment, ...]:
        """The deployments on a chain, by name. Raises `DeploymentError`."""
        return tuple(sorted(self._read().get(chain_id, {}).values(), key=lambda each: each.name))

    def all(self) -> tuple[Deployment, ...]:
        """Every deployment, by chain and name. Raises `DeploymentError`."""
        return tuple(each for chain_id in sorted(self._read()) for each in self.on_chain(chain_id))

    def find(self, chain_id: int, name: str) -> Deployment | None:
        """The deployment of that name, if the chain has it. Raises `DeploymentError`."""
        return self._read().get(chain_id, {}).get(name)

    def choose(self, chain_id: int, name: str | None = None) -> Deployment:
        """The finished deployment of that name; without one, the chain's only one. Raises `DeploymentError`."""
        finished = {each.name: each for each in self.on_chain(chain_id) if each.contract is not None}
        if name is None and len(finished) == 1:
            return next(iter(finished.values()))
        if name is not None and name in finished:
            return finished[name]
        if not finished:
            raise DeploymentError(
                f"{self.path} has no deployment on chain {chain_id}; run `swarm-chain deploy`, or give an address"
            )
        known = ", ".join(sorted(finished))
        what = f"no deployment {name}" if name else "several deployments"
        raise DeploymentError(f"{self.path} has {what} on chain {chain_id}; name one of {known}, or give an address")

    def save(self, deployment: Deployment) -> None:
        """Writes one deployment down beside the others, durably and whole. Raises `DeploymentError`."""
        chains = self._read()
        chains.setdefault(deployment.chain_id, {})[deployment.name] = deployment
        text = json.dumps(_to_json(chains), indent=2, sort_keys=True) + "\n"
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            _replace_durably(self.path, text)
        except OSError as error:
            raise DeploymentError(f"{self.path} cannot be written: {error.strerror}; choose another place") from error

    def _read(self) -> dict[int, dict[str, Deployment]]:
        try:
            return _from_json(json.loads(self.path.read_text(encoding="utf-8")))
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise DeploymentError(f"{self.path} cannot be read: {error.strerror}") from error
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise DeploymentError(
                f"{self.path} is not a deployments file ({type(error).__name__}: {error}); restore it from a copy"
            ) from error


def _replace_durably(path: Path, text: str) -> None:
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        with temporary.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        with suppress(OSError):
            temporary.unlink()


# ----------------------------------------------------------------------------------------------------------------- JSON


def _to_json(chains: Mapping[int, Mapping[str, Deployment]]) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "chains": {
            str(chain_id): {name: _plain(asdict(each)) for name, each in swarms.items()}
            for chain_id, swarms in chains.items()
        },
    }


def _plain(value: Any) -> Any:
    """Bytes as hexadecimal; what is None, left out; what the file's own structure says (name, chain), left out."""
    if isinstance(value, bytes):
        return "0x" + value.hex()
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items() if each is not None and key != "chain_id"}
    return [_plain(each) for each in value] if isinstance(value, list | tuple) else value


def _from_json(value: dict[str, Any]) -> dict[int, dict[str, Deployment]]:
    if value["format"] != FORMAT:
        raise ValueError(f"format {value['format']}, and this program reads {FORMAT}")
    return {
        int(chain_id): {name: _deployment(int(chain_id), entry) for name, entry in swarms.items()}
        for chain_id, swarms in value["chains"].items()
    }


def _deployment(chain_id: int, entry: dict[str, Any]) -> Deployment:
    unknown = set(entry) - {field.name for field in fields(Deployment)}
    if unknown:
        raise ValueError(f"unknown key {', '.join(sorted(unknown))}")
    return Deployment(
        name=entry["name"],
        chain_id=chain_id,
        chain_start=_bytes(entry["chain_start"], 32),
        config=_config(entry["config"]),
        deployer=Address(_bytes(entry["deployer"], 20)),
        artifact=_bytes(entry["artifact"], 32) if "artifact" in entry else None,
        contract=Address(_bytes(entry["contract"], 20)) if "contract" in entry else None,
        block=BlockNumber(int(entry["block"])) if "block" in entry else None,
        transaction=_bytes(entry["transaction"], 32) if "transaction" in entry else None,
        migrations=tuple(_migration(each) for each in entry["migrations"]),
        pending=_pending(entry["pending"]) if "pending" in entry else None,
    )


def _config(entry: dict[str, Any]) -> SwarmConfig:
    return SwarmConfig(
        task_digest=Digest(_bytes(entry["task_digest"], 32)),
        genesis_digest=Digest(_bytes(entry["genesis_digest"], 32)),
        is_sealed=bool(entry["is_sealed"]),
        quorum_bps=int(entry["quorum_bps"]),
        min_updates=int(entry["min_updates"]),
        initial_window=Seconds(int(entry["initial_window"])),
        min_window=Seconds(int(entry["min_window"])),
        max_window=Seconds(int(entry["max_window"])),
        reveal_window=Seconds(int(entry["reveal_window"])),
        merge_window=Seconds(int(entry["merge_window"])),
        absence_limit=int(entry["absence_limit"]),
        open_registration=bool(entry["open_registration"]),
        admin=Address(_bytes(entry["admin"], 20)),
    )


def _migration(entry: dict[str, Any]) -> AppliedMigration:
    return AppliedMigration(
        name=entry["name"],
        transactions=tuple(_bytes(each, 32) for each in entry["transactions"]),
        gas_used=Gas(int(entry["gas_used"])),
    )


def _pending(entry: dict[str, Any]) -> PendingTransaction:
    return PendingTransaction(
        migration=entry["migration"],
        step=entry["step"],
        nonce=int(entry["nonce"]),
        signed=tuple(_bytes(each) for each in entry["signed"]),
    )


def _bytes(text: str, size: int | None = None) -> bytes:
    value = bytes.fromhex(text.removeprefix("0x"))
    if size is not None and len(value) != size:
        raise ValueError(f"{text} is not {size} bytes")
    return value
