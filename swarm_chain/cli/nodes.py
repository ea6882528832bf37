"""Where the nodes of this machine lie: `HOME/nodes/NAME/node.toml`."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from swarm_chain.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from swarm_chain.config import NodeConfig
    from swarm_chain.status.node import NodeStatusFile
    from swarm_chain.types import Address

FILE = "node.toml"


def nodes_folder() -> Path:
    """The folder that has a folder for every node."""
    from swarm_chain import config

    return config.nodes_folder()


def node_names() -> list[str]:
    """Nodes that `join` configured here."""
    return sorted(path.parent.name for path in nodes_folder().glob(f"*/{FILE}"))


def find_node(name: str | None, config_file: Path | None) -> Path:
    """The configuration of a node: the given file, that of the name, or the only one. Raises `ConfigurationError`."""
    if config_file is not None:
        if name is not None:
            raise ConfigurationError("give NODE or --config, not both")
        return config_file
    names = node_names()
    if name is None and len(names) == 1:
        return nodes_folder() / names[0] / FILE
    if name in names:
        return nodes_folder() / str(name) / FILE
    there = (
        f"there are {', '.join(names)}"
        if names
        else f"there is none in {nodes_folder()}; join with `swarm-chain join CODE`"
    )
    raise ConfigurationError(f"no node {name}: {there}" if name else f"which node? {there}")


def node_configs() -> dict[str, NodeConfig]:
    """The configurations of the nodes of this machine, by name; without those that cannot be read."""
    from swarm_chain.config import load_node_config

    found = {}
    for name in node_names():
        with suppress(ConfigurationError):
            found[name] = load_node_config(nodes_folder() / name / FILE)
    return found


def local_agents(chain_id: int, contract: Address) -> Mapping[Address, NodeStatusFile]:
    """What agents of a swarm that are on this machine say of themselves, also in folders of their own, by account."""
    from swarm_chain.status.node import node_statuses, read_node_status
    from swarm_chain.status.notes import Kind, notes_on

    files = list(node_statuses(nodes_folder(), chain_id=chain_id, contract=contract))
    notes = [note for note in notes_on(Kind.JOINED) if (note.chain_id, note.contract) == (chain_id, contract)]
    files += [file for note in notes if (file := read_node_status(note.folder))]
    # An account may have been in two folders, one after the other.
    return {file.account: file for file in sorted(files, key=lambda file: file.written_at)}
