"""Settings that keep an IPFS node to this machine: nobody is looked for, nothing is told, nothing listens elsewhere."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from swarm_chain.core.files import replacing
from swarm_chain.devnet.ports import OURS, free_port, is_free

HOST: Final = "127.0.0.1"
ENVIRONMENT: Final = {"IPFS_TELEMETRY": "off", "DO_NOT_TRACK": "1"}

_PRIVATE: Final[Mapping[str, Any]] = {
    "Bootstrap": [],
    "Discovery": {"MDNS": {"Enabled": False}},
    "Routing": {"Type": "none", "DelegatedRouters": []},
    "Swarm": {"DisableNatPortMap": True, "RelayClient": {"Enabled": False}, "RelayService": {"Enabled": False}},
    # Kubo refuses to start with "auto" anywhere where nobody tells it what that is.
    "AutoConf": {"Enabled": False},
    "DNS": {"Resolvers": {}},
    "Ipns": {"DelegatedPublishers": []},
    "AutoTLS": {"Enabled": False},
    "AutoNAT": {"ServiceMode": "disabled"},
    "Provide": {"Enabled": False},
    "HTTPRetrieval": {"Enabled": False},
    "Version": {"SwarmCheckEnabled": False},
    "Pubsub": {"Enabled": False},
}


def make_private(config: Path) -> None:
    """Rewrites a node's configuration. Its API keeps the port it has, if that is free; other ports are taken anew."""
    found: dict[str, Any] = json.loads(config.read_text(encoding="utf-8"))
    addresses = found.setdefault("Addresses", {})
    api = _port(addresses.get("API"))
    somewhere = f"/ip4/{HOST}/tcp/0"
    kept = {name: somewhere for name in ("Gateway", "RPC") if name in addresses}
    found["Addresses"] = {**addresses, **kept, "API": f"/ip4/{HOST}/tcp/{api}", "Swarm": [somewhere]}
    text = json.dumps(_merged(found, _PRIVATE), indent=2)
    with replacing(config, sync=False) as stream:
        stream.write(text.encode())


def _port(address: object) -> int:
    """The port of an address of ours, so that who wrote it down finds the node again; else a free one."""
    parts = address.split("/") if isinstance(address, str) else []
    port = int(parts[4]) if len(parts) == 5 and parts[:4] == ["", "ip4", HOST, "tcp"] and parts[4].isdigit() else 0
    # What a fresh configuration says is every other node's port, too.
    return port if port in OURS and is_free(HOST, port) else free_port(HOST)


def _merged(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    """Both, with `other` on top, level by level."""
    found = dict(one)
    for key, value in other.items():
        below = found.get(key)
        nests = isinstance(value, Mapping) and value and isinstance(below, Mapping)
        found[key] = _merged(below, value) if nests and isinstance(below, Mapping) else value
    return found
