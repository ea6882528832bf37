"""How much one reader may take of a gateway."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """What bounds a gateway's work. Seconds, unless a name says otherwise."""

    connections: int = 64
    """At the same time; each has a thread. More are told to come back."""
    connections_of_one: int = 32
    """From one address."""
    head: float = 15.0
    """Until a question is here whole, from the end of the last answer: a connection may wait for so long."""
    head_bytes: int = 16 * 1024
    idle: float = 10.0
    """For which a reader may take nothing of an answer."""
    grace: float = 10.0
    """For a block, besides the time that its bytes take at the slowest pace."""
    slowest: int = 32 * 1024
    """Bytes a second that a reader must take, on average over a block."""
    repeats: int = 65_536
    """Blocks that a CAR has again, where it is asked for with repeats: some trees have more than anybody can read."""
