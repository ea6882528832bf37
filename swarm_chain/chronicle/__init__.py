"""A swarm's story as its events and documents tell it: its rounds, who took part, how each result did where.

For looking, not for judging: nothing here is checked again but that a document is about what it is read for.
"""

from __future__ import annotations

from collections.abc import Sequence

from swarm_chain.chronicle.library import Library, Measured, Read
from swarm_chain.chronicle.means import Mean, mean_of
from swarm_chain.chronicle.rounds import Chronicle, Outcome, Round, tell
from swarm_chain.ports import Chain
from swarm_chain.types import Event


def read_chronicle(chain: Chain, events: Sequence[Event] | None = None) -> Chronicle:
    """A swarm's rounds up to the chain's newest block; from `events` where they were fetched already."""
    view = chain.look()
    found = chain.events(to_block=view.block_number) if events is None else events
    return tell(chain_id=chain.chain_id, contract=chain.coordinator, swarm=view.swarm, events=found)


__all__ = ["Chronicle", "Library", "Mean", "Measured", "Outcome", "Read", "Round", "mean_of", "read_chronicle", "tell"]
