"""What an agent on this machine does right now: a small file beside its configuration, always whole.

For `status`, for the demo's display, and for whoever watches a node by other means.
"""

from __future__ import annotations

import json
import logging
import os
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from swarm_chain.agent.activity import Activity, Health
from swarm_chain.core.files import replacing
from swarm_chain.core.traffic import Traffic
from swarm_chain.status.data_size import data_size
from swarm_chain.types import Address, Digest

log = logging.getLogger(__name__)

FILE = "status.json"


@dataclass(frozen=True, kw_only=True, slots=True)
class NodeStatusFile:
    """An agent's last word. `written_at` is this machine's clock; `is_running` whether its process still lives.

    `traffic` is since the node's agent first ran; `data_bytes` the size of the node's data, None where that is unknown.
    """

    name: str
    chain_id: int
    contract: Address
    account: Address
    pid: int
    written_at: float
    activity: Activity
    traffic: Traffic = field(default_factory=Traffic)
    data_bytes: int | None = None

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

    def document(self) -> Mapping[str, Any]:
        """What it says of the agent, for programs."""
        return {
            **self.activity.document(),
            "running": self.is_running,
            "written_at": self.written_at,
            "traffic": self.traffic.document(),
            "data_bytes": self.data_bytes,
        }


class StatusFile:
    """Keeps the file in a node's folder up to date: an `OnActivity`. One that cannot be written stops no agent."""

    def __init__(
        self,
        folder: Path,
        *,
        name: str,
        chain_id: int,
        contract: Address,
        account: Address,
        data: str,
        traffic: Callable[[], Traffic],
    ) -> None:
        """`data` is what the node's task reads, `traffic` what was counted so far."""
        self._path = folder / FILE
        self._write = partial(
            write_node_status, folder, name=name, chain_id=chain_id, contract=contract, account=account
        )
        self._data = data
        self._traffic = traffic
        self._measured: tuple[int | None, int | None] | None = None
        self._is_failing = False

    def __call__(self, activity: Activity) -> None:
        """Writes what the agent does."""
        try:
            self._write(activity=activity, traffic=self._traffic(), data_bytes=self._data_bytes(activity))
        except OSError as error:
            if not self._is_failing:
                log.warning("%s cannot be written: %s; `swarm-chain status` shows old news", self._path, error)
            self._is_failing = True
        else:
            self._is_failing = False

    def _data_bytes(self, activity: Activity) -> int | None:
        """Measured anew with each training: data grow."""
        if self._measured is None or self._measured[0] != activity.trained_round:
            self._measured = activity.trained_round, data_size(self._data)
        return self._measured[1]


def traffic_so_far(folder: Path, *, chain_id: int, contract: Address, account: Address) -> Traffic:
    """What earlier processes of a node's agent counted in the same swarm."""
    found = read_node_status(folder)
    is_same = found is not None and (found.chain_id, found.contract, found.account) == (chain_id, contract, account)
    return found.traffic if found is not None and is_same else Traffic()


def write_node_status(
    folder: Path,
    *,
    name: str,
    chain_id: int,
    contract: Address,
    account: Address,
    activity: Activity,
    traffic: Traffic | None = None,
    data_bytes: int | None = None,
) -> None:
    """Replaces the file in a node's folder."""
    document = {
        "name": name,
        "chain_id": chain_id,
        "contract": "0x" + contract.hex(),
        "account": "0x" + account.hex(),
        "pid": os.getpid(),
        "written_at": time.time(),
        "traffic": (traffic or Traffic()).document(),
        "data_bytes": data_bytes,
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
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
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
        activity=_parse_activity(fields),
        traffic=Traffic.parse(fields.get("traffic", {})),
        data_bytes=fields.get("data_bytes"),
    )


def _parse_activity(fields: dict[str, Any]) -> Activity:
    head = fields.get("head")
    return Activity(
        does=str(fields["does"]),
        round=int(fields["round"]),
        note=str(fields["note"]),
        progress=fields["progress"],
        samples=fields["samples"],
        base_metrics=dict(fields["base_metrics"]),
        local_metrics=dict(fields["local_metrics"]),
        trained_round=fields.get("trained_round"),
        training_seconds=fields.get("training_seconds"),
        head=None if head is None else Digest(bytes.fromhex(head[2:])),
        head_round=fields.get("head_round"),
        head_metrics=dict(fields.get("head_metrics", {})),
        health=Health(fields["health"]),
    )
