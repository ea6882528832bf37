"""Names and numbers as a page shows them. What the chain and documents say is text, and nothing else."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Final

from swarm_chain.types import Address

LONGEST: Final = 32
"""Characters of a name that are shown."""
_LAST_SECOND: Final = 253_402_300_799
"""Of the year 9999, the last one that calendars here know."""


class Names:
    """What people call nodes: labels, with the account where a label is missing or another node has it too."""

    def __init__(self, labels: Mapping[Address, str]) -> None:
        self._shown = {node: shown(label) for node, label in labels.items()}
        self._uses = Counter(self._shown.values())

    def of(self, node: Address) -> str:
        """A node's name, which no other node has."""
        label = self._shown.get(node, "")
        if label and self._uses[label] == 1:
            return label
        return f"{label} {short(node)}".strip()


def shown(text: str, longest: int = LONGEST) -> str:
    """The text in one line, without what plays tricks on its reader.

    >>> shown("an\\u202ena"), shown("a" * 99, 5)
    ('an?na', 'aaaa…')
    """
    plain = "".join(char if char.isprintable() else "?" for char in text.strip())
    return plain if len(plain) <= longest else plain[: longest - 1] + "…"


def apart(name: str) -> str:
    """A name for the middle of a line of plain text: whichever way it is written, the rest of the line stays put."""
    return f"\N{FIRST STRONG ISOLATE}{name}\N{POP DIRECTIONAL ISOLATE}"


def short(data: bytes) -> str:
    """The two ends of an address or digest.

    >>> short(bytes(range(20)))
    '0x0001…1213'
    """
    text = data.hex()
    return f"0x{text[:4]}…{text[-4:]}"


def number(value: float) -> str:
    """A metric in a few digits.

    >>> number(0.91234), number(0.0), number(1234567.0), number(1.5e-7)
    ('0.912', '0.000', '1.235e+06', '1.5e-07')
    """
    return f"{value:.3f}" if value == 0 or 0.001 <= abs(value) < 1000 else f"{value:.4g}"


def size(count: int) -> str:
    """Bytes in a few digits.

    >>> size(999), size(1_234), size(34_500_000)
    ('999 B', '1.23 kB', '34.5 MB')
    """
    value, units = float(count), ["B", "kB", "MB", "GB", "TB", "PB", "EB"]
    while value >= 999.5 and len(units) > 1:
        value, units = value / 1000, units[1:]
    return f"{value:.0f} B" if units[0] == "B" else f"{value:.3g} {units[0]}"


def moment(seconds: int | None) -> str:
    """A time of the chain's clock."""
    if seconds is None:
        return "-"
    if seconds > _LAST_SECOND:
        return f"second {seconds}"
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def span(seconds: int | None) -> str:
    """A span of the chain's clock.

    >>> span(95), span(None)
    ('0:01:35', '-')
    """
    if seconds is None or not 0 <= seconds <= _LAST_SECOND:
        return "-"
    return str(timedelta(seconds=seconds))
