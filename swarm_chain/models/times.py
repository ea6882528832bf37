"""Times of a chain, as people write them."""

from __future__ import annotations

from datetime import UTC, datetime


def utc(timestamp: int) -> str:
    """A chain's time in UTC; its seconds where no calendar reaches that far.

    >>> utc(1_700_000_000)
    '2023-11-14 22:13:20 UTC'
    """
    try:
        return datetime.fromtimestamp(timestamp, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    except (ValueError, OverflowError, OSError):
        return f"{timestamp} s"
