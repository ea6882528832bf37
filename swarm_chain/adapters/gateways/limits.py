"""How much time and how many bytes a gateway may take."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """What bounds every call of a gateway store. Seconds, unless a name says otherwise."""

    connect: float = 5.0
    """For finding an address, and for connecting to it."""
    answer: float = 20.0
    """Until an answer's head is here: a gateway that has to look for a block itself may need long."""
    idle: float = 10.0
    """Between two pieces of an answer."""
    block: float = 60.0
    """For a whole block, once its answer began: a megabyte at 140 kbit/s."""
    total: float = 120.0
    """For everything that one call does: all gateways, all tries."""
    tries: int = 3
    """Times a gateway is asked for the same block where it had trouble."""
    back_off: float = 0.25
    """Before the second try; doubled before each later one."""
    bench: float = 300.0
    """For which a gateway that lied is not asked again, for anything."""
    head_bytes: int = 128 * 1024
    """Status line and headers, interim answers included."""
    at_once: int = 8
    """Requests to one gateway at the same time."""
    far: float = 0.02
    """Time for a message and its answer from which a gateway is far away: files come in one piece if it offers that.

    From one that is near, eight blocks at once come faster.
    """
