"""What agents sent and received, beside the size of their data, for people."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from swarm_chain.cli.output import size, table
from swarm_chain.core.traffic import Traffic

if TYPE_CHECKING:
    from rich.table import Table


def traffic_table(who: str, agents: Iterable[tuple[str, Traffic, int | None]]) -> Table:
    """A line an agent: its name, its bytes to and from endpoints and stores, and those of its data."""
    columns = (who, "up: RPC", "up: stores", "down: RPC", "down: stores", "its data")
    return table(*columns, rows=[(name, *_bytes(traffic, data)) for name, traffic, data in agents])


def _bytes(traffic: Traffic, data: int | None) -> Sequence[str]:
    counts = (traffic.rpc_sent, traffic.store_written, traffic.rpc_received, traffic.store_read)
    return (*map(size, counts), "unknown" if data is None else size(data))
