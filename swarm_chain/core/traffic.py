"""How many bytes a node's agent sent and received, to set beside the size of its data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Self


@dataclass(frozen=True, kw_only=True, slots=True)
class Traffic:
    """Bytes since a node's agent first ran.

    `rpc_sent` and `rpc_received` are the bodies of JSON-RPC requests and answers, as they go over the wire;
    `store_written` and `store_read` are the blocks that were handed to stores and that came from them.
    """

    rpc_sent: int = 0
    rpc_received: int = 0
    store_written: int = 0
    store_read: int = 0

    @property
    def up(self) -> int:
        """Bytes that left the agent.

        >>> Traffic(rpc_sent=2, store_written=3).up
        5
        """
        return self.rpc_sent + self.store_written

    @property
    def down(self) -> int:
        """Bytes that came to the agent."""
        return self.rpc_received + self.store_read

    def __add__(self, other: Self) -> Self:
        return type(self)(**{name: count + other.document()[name] for name, count in self.document().items()})

    def document(self) -> Mapping[str, int]:
        """Names to counts, for JSON."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    @classmethod
    def parse(cls, document: Mapping[str, object]) -> Self:
        """What `document` wrote; a count that is missing is 0. Raises `TypeError`, `ValueError`."""
        counts = {field.name: document.get(field.name, 0) for field in fields(cls)}
        for name, count in counts.items():
            if not isinstance(count, int) or count < 0:
                raise ValueError(f"{name} is no count")
        return cls(**counts)  # type: ignore[arg-type]
