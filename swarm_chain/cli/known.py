"""The swarms that this machine knows: of its deployments file, its nodes, scripts that joined, and folders that models
are pulled into."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from swarm_chain.cli.output import say
from swarm_chain.config import DEVELOPMENT_CHAINS
from swarm_chain.deployment.deployments import Deployments
from swarm_chain.errors import ConfigurationError
from swarm_chain.types import Address, BlockNumber

if TYPE_CHECKING:
    from swarm_chain.cli.connect import Found
    from swarm_chain.status.notes import Note


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
    for one in (*_deployed(), *_of_nodes(), *_of_scripts(), *_of_pulls()):
        _merge(found.setdefault((one.chain_id, one.contract), one), one)
    for known in found.values():
        known.nodes = _unique(known.nodes)
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


# ---------------------------------------------------------------------------------------------------------------- notes


def remember_pull(folder: Path, found: Found, stores: Sequence[str]) -> None:
    """Writes down which swarm a folder is pulled from."""
    from swarm_chain.status.notes import Kind, Note, write_note

    note = Note(
        folder=folder,
        chain_id=found.target.chain_id,
        contract=found.contract,
        rpc_urls=found.target.rpc_urls,
        stores=stores,
    )
    write_note(Kind.PULLED, note)


def _of_pulls() -> Iterator[Known]:
    from swarm_chain.status.notes import Kind, notes_on

    for note in notes_on(Kind.PULLED):
        yield _noted(note, folders=[note.folder])


def _of_scripts() -> Iterator[Known]:
    """Of nodes whose training is a script's own: they have no configuration."""
    from swarm_chain.cli.nodes import nodes_folder
    from swarm_chain.status.notes import Kind, notes_on

    for note in notes_on(Kind.JOINED):
        is_usual = note.folder.parent == nodes_folder()
        yield _noted(note, nodes=[note.folder.name if is_usual else str(note.folder)])


def _noted(note: Note, *, nodes: Sequence[str] = (), folders: Sequence[Path] = ()) -> Known:
    return Known(
        chain_id=note.chain_id,
        contract=note.contract,
        nodes=list(nodes),
        folders=list(folders),
        rpc_urls=list(note.rpc_urls),
        stores=list(note.stores),
    )
