"""Where a demo's nodes keep their blocks: all in one folder, or each on an IPFS node of its own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol

from swarm_chain.demo.places import Places
from swarm_chain.demo.scene import Screen
from swarm_chain.demo.settings import DemoSettings
from swarm_chain.errors import DemoFailed

if TYPE_CHECKING:
    from swarm_chain.devnet.ipfs import IpfsNode, IpfsNodes

DEPLOYER: Final = "deployer"
AUDITOR: Final = "auditor"


@dataclass(frozen=True, kw_only=True, slots=True)
class Held:
    """What an IPFS node holds, in blocks, and what it exchanged by bitswap since it started."""

    blocks: int
    blocks_received: int
    blocks_sent: int
    bytes_received: int
    bytes_sent: int


@dataclass(frozen=True, kw_only=True, slots=True)
class IpfsReport:
    """One IPFS node: before anything was on it, and at the end. `peer` is its name among IPFS nodes."""

    name: str
    peer: str
    store: str
    pid: int
    before: Held
    after: Held

    def document(self) -> dict[str, Any]:
        """Names to values, for JSON."""
        return asdict(self)


class Storage(Protocol):
    """The stores of a demo, as `--store` takes them."""

    @property
    def invited(self) -> tuple[str, ...]:
        """What an invitation says: the stores that a new node can use as they are."""

    def of(self, name: str) -> str:
        """The store of a node, or of who deploys."""

    def auditor(self) -> str:
        """The store of who audits, to be asked for once. Raises `DemoFailed` where it has something to begin with."""

    def require_running(self) -> None:
        """Raises `StoreUnavailable` where something ended that should run."""

    def report(self) -> tuple[IpfsReport, ...]:
        """What can be said of IPFS nodes now; nothing where there are none."""


@contextmanager
def storage(settings: DemoSettings, where: Places, screen: Screen) -> Iterator[Storage]:
    """The stores that the settings ask for. IPFS nodes go on only where all went well, and the demo is kept.

    Raises `StoreUnavailable` where they do not start.
    """
    if not settings.is_on_ipfs:
        yield _Shared(where.store)
        return
    from swarm_chain.devnet.ipfs import IpfsNodes

    screen.say(f"starting {settings.nodes + 1} IPFS nodes: one for each node, one for the deployer")
    nodes = IpfsNodes(where.ipfs, outlives=where.is_kept)
    try:
        nodes.add(DEPLOYER, *settings.names)
        yield _OnIpfs(nodes, screen)
    except BaseException:
        nodes.stop()
        raise
    if not where.is_kept:
        nodes.stop()


class _Shared:
    """One folder for all."""

    def __init__(self, store: str) -> None:
        self._store = store

    @property
    def invited(self) -> tuple[str, ...]:
        return (self._store,)

    def of(self, name: str) -> str:
        return self._store

    def auditor(self) -> str:
        return self._store

    def require_running(self) -> None:
        return

    def report(self) -> tuple[IpfsReport, ...]:
        return ()


class _OnIpfs:
    """An IPFS node for each, so that everything that one has from another came by bitswap."""

    def __init__(self, nodes: IpfsNodes, screen: Screen) -> None:
        self._nodes, self._screen = nodes, screen
        self._blocks = {node.name: node.blocks() for node in nodes.all}
        self._before = {node.name: _held(node) for node in nodes.all}

    @property
    def invited(self) -> tuple[str, ...]:
        return ()

    def of(self, name: str) -> str:
        return next(node.store for node in self._nodes.all if node.name == name)

    def auditor(self) -> str:
        self._screen.say("starting an IPFS node for the audit, with nothing to begin with")
        swarms = frozenset[bytes]().union(*(node.blocks() - self._blocks[node.name] for node in self._nodes.all))
        (node,) = self._nodes.add(AUDITOR)
        if known := len(node.blocks() & swarms):
            raise DemoFailed(f"the auditor's IPFS node has {known} of the swarm's blocks before it asked for any")
        self._before[node.name] = _held(node)
        return node.store

    def require_running(self) -> None:
        self._nodes.require_running()

    def report(self) -> tuple[IpfsReport, ...]:
        return tuple(
            IpfsReport(
                name=node.name,
                peer=node.peer,
                store=node.store,
                pid=node.pid,
                before=self._before[node.name],
                after=_held(node),
            )
            for node in self._nodes.all
        )


def _held(node: IpfsNode) -> Held:
    exchanged = node.bitswap()
    return Held(
        blocks=len(node.blocks()),
        blocks_received=exchanged.blocks_received,
        blocks_sent=exchanged.blocks_sent,
        bytes_received=exchanged.data_received,
        bytes_sent=exchanged.data_sent,
    )
