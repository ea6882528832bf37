"""The swarms that this machine knows: of its deployments file, its nodes, and the folders it pulled models into."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from swarm_chain.cli.output import say
from swarm_chain.config import DEVELOPMENT_CHAINS
from swarm_chain.deployment.deployments import Deployments
from swarm_chain.errors import ConfigurationError
from swarm_chain.types import Address, BlockNumber

if TYPE_CHECKING:
    from swarm_chain.cli.connect import Found


@dataclass(kw_only=True, slots=True)
class Known:
    """One swarm, and everything here that speaks of it. `chain_start` tells its chain from others of the same id."""

    chain_id: int
    contract: Address
    names: list[str] = field(default_factory=list)
    nodes: list[str] = field(default_factory=list)
    folders: list[Path] = field(default_factory=list)
    rpc_urls: list[str] = field(default_factory=list)
    stores: list[str] = field(default_factory=list)
    deployed_at: BlockNumber | None = None
    chain_start: bytes | None = None


def known_swarms(rpc_urls: Sequence[str] = (), stores: Sequence[str] = ()) -> list[Known]:
    """All of them, by chain and contract; `rpc_urls` and `stores` are those to ask besides what is written down.

    Raises `DeploymentError` and `ConfigurationError` for files that cannot be read as a whole.
    """
    from swarm_chain.cli.connect import store_specs

    found: dict[tuple[int, Address], Known] = {}
    for one in (*_deployed(), *_of_nodes(), *_of_pulls()):
        _merge(found.setdefault((one.chain_id, one.contract), one), one)
    for known in found.values():
        known.rpc_urls = _unique([*rpc_urls, *known.rpc_urls, *_usual_endpoints(known.chain_id, found.values())])
        known.stores = _unique([*store_specs(stores), *known.stores] if stores else [*known.stores, *store_specs(())])
    return [found[key] for key in sorted(found)]


def _merge(into: Known, one: Known) -> None:
    if into is one:
        return
    for name in ("names", "nodes", "folders", "rpc_urls", "stores"):
        getattr(into, name).extend(getattr(one, name))
    into.deployed_at = one.deployed_at if into.deployed_at is None else into.deployed_at
    into.chain_start = into.chain_start or one.chain_start


def _unique(texts: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(texts))


def _usual_endpoints(chain_id: int, known: Iterable[Known]) -> Iterator[str]:
    """Where a chain of that id is reached: as the settings say, and as others here reach it."""
    from swarm_chain.config import load_networks

    for network in load_networks().values():
        if network.chain_id == chain_id:
            yield from network.rpc_urls
    if chain_id not in DEVELOPMENT_CHAINS:
        for one in list(known):
            if one.chain_id == chain_id:
                yield from list(one.rpc_urls)


def _deployed() -> Iterator[Known]:
    for one in Deployments().all():
        if one.contract is not None:
            yield Known(
                chain_id=one.chain_id,
                contract=one.contract,
                names=[one.name],
                deployed_at=one.block,
                chain_start=one.chain_start,
            )


def _of_nodes() -> Iterator[Known]:
    from swarm_chain.cli.nodes import find_node, node_names
    from swarm_chain.config import load_node_config

    for name in node_names():
        try:
            config = load_node_config(find_node(name, None))
        except ConfigurationError as error:
            say(f"node {name} is left out: {error}")
            continue
        yield Known(
            chain_id=config.chain_id,
            contract=config.contract,
            nodes=[name],
            rpc_urls=list(config.rpc_urls),
            stores=list(config.stores),
            deployed_at=config.deployment_block,
        )


# ---------------------------------------------------------------------------------------------------------------- pulls


def remember_pull(folder: Path, found: Found, stores: Sequence[str]) -> None:
    """Writes down which swarm a folder is pulled from. Nothing hangs on it: where it cannot be written, it is not."""
    from swarm_chain import config
    from swarm_chain.core.files import replacing

    document = {
        "folder": str(folder),
        "chain_id": found.target.chain_id,
        "contract": "0x" + found.contract.hex(),
        "rpc_urls": list(found.target.rpc_urls),
        "stores": list(stores),
    }
    file = config.home() / "pulled" / f"{hashlib.sha256(str(folder).encode()).hexdigest()[:16]}.json"
    with suppress(OSError):
        file.parent.mkdir(parents=True, exist_ok=True)
        with replacing(file) as stream:
            stream.write((json.dumps(document, indent=2, sort_keys=True) + "\n").encode())


def _of_pulls() -> Iterator[Known]:
    """The folders that are still there."""
    from swarm_chain import config
    from swarm_chain.models.folder import read_json

    for file in sorted((config.home() / "pulled").glob("*.json")):
        with suppress(KeyError, TypeError, ValueError):
            known = _pulled(dict(read_json(file) or {}))
            if known.folders[0].is_dir():
                yield known


def _pulled(said: dict[str, Any]) -> Known:
    """What a file says. Raises `KeyError`, `TypeError`, `ValueError` for one that was damaged."""
    contract = bytes.fromhex(said["contract"][2:])
    if len(contract) != 20:
        raise ValueError("no address")
    return Known(
        chain_id=int(said["chain_id"]),
        contract=Address(contract),
        folders=[Path(said["folder"])],
        rpc_urls=[str(url) for url in said["rpc_urls"]],
        stores=[str(spec) for spec in said["stores"]],
    )
