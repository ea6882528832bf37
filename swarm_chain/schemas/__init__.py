"""What `--json` writes, as JSON Schema. Keys are stable: new ones may come, none goes or changes its meaning."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from swarm_chain.errors import ConfigurationError

NAMES = ("status", "demo", "audit", "report", "task", "log", "best", "diff", "swarms", "model", "cost", "pins", "lab")


def load_schema(name: str) -> dict[str, Any]:
    """The schema of what `swarm-chain NAME --json` writes. Raises `ConfigurationError` if there is none."""
    path = Path(__file__).parent / f"{name}.schema.json"
    try:
        schema: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"no schema for {name} in this installation; install swarm-chain again") from error
    return schema
