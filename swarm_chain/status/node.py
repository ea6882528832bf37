"""What an agent on this machine does right now: a small file beside its configuration, always whole.

For `status`, for the demo's display, and for whoever watches a node by other means.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from swarm_chain.agent.activity import Activity, Health
from swarm_chain.core.files import replacing
from swarm_chain.types import Address

FILE = "status.json"


@dataclass(frozen=True, kw_only=True, slots=True)
class NodeStatusFile:
    """An agent's last word. `written_at` is this machine's clock; `is_running` whether its process still lives."""

    name: str
    chain_id: int
    contract: Address
    account: Address
    pid: int
    written_at: float
    activity: Activity

    @property
    def is_running(self) -> bool:
        """Whether the process that wrote it is there, and has not said that it stopped."""
        if self.activity.does == "stopped":
            return False
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return False
        except PermissionError:
            pass
        return True


def write_node_status(
    folder: Path, *, name: str, chain_id: int, contract: Address, account: Address, activity: Activity
) -> None:
    """Replaces the file in a node's folder."""
    document = {
        "name": name,
        "chain_id": chain_id,
        "contract": "0x" + contract.hex(),
        "account": "0x" + account.hex(),
        "pid": os.getpid(),
        "written_at": time.time(),
        **activity.document(),
    }
    # Not synced: it is about this moment, and written many times a second.
    with replacing(folder / FILE, sync=False) as stream:
        stream.write((json.dumps(document, indent=2, sort_keys=True) + "\n").encode())


def read_node_status(folder: Path) -> NodeStatusFile | None:
    """What the file in a node's folder says; None where there is none that can be read."""
    try:
        fields: dict[str, Any] = json.loads((folder / FILE).read_text(encoding="utf-8"))
        return _parse(fields)
    except (OSError, ValueError, KeyError, TypeError):
        return None


def node_statuses(nodes: Path, *, chain_id: int, contract: Address) -> Iterator[NodeStatusFile]:
    """Those of one swarm, of all nodes whose folders are in `nodes`."""
    for folder in sorted(nodes.iterdir()) if nodes.is_dir() else ():
        found = read_node_status(folder)
        if found is not None and (found.chain_id, found.contract) == (chain_id, contract):
            yield found


def _parse(fields: dict[str, Any]) -> NodeStatusFile:
    return NodeStatusFile(
        name=str(fields["name"]),
        chain_id=int(fields["chain_id"]),
        contract=Address(bytes.fromhex(fields["contract"][2:])),
        account=Address(bytes.fromhex(fields["account"][2:])),
        pid=int(fields["pid"]),
        written_at=float(fields["written_at"]),
        activity=Activity(
            does=str(fields["does"]),
            round=int(fields["round"]),
            note=str(fields["note"]),
            progress=fields["progress"],
            samples=fields["samples"],
            base_metrics=dict(fields["base_metrics"]),
            local_metrics=dict(fields["local_metrics"]),
            health=Health(fields["health"]),
        ),
    )
